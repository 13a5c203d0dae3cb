//! Which module of the core may use which.

use super::source::File;

/// A module and what it may use besides itself. `limits` and `plant` are at the bottom; the engines do not know each other.
const TABLE: &[(&str, &[&str])] = &[
    ("limits", &[]),
    ("plant", &[]),
    ("ledger", &["limits"]),
    ("message", &["ledger", "limits", "plant"]),
    ("incarnations", &["ledger", "limits", "message"]),
    ("chain", &["ledger", "limits", "message"]),
    ("verify", &["ledger", "limits", "message", "plant"]),
    ("engine", &["chain", "incarnations", "ledger", "limits", "message", "verify"]),
    ("sync", &["chain", "engine", "ledger", "limits", "message", "verify"]),
    ("pbft", &["chain", "engine", "incarnations", "ledger", "limits", "message", "plant", "sync", "verify"]),
    ("pow", &["chain", "engine", "incarnations", "ledger", "limits", "message", "plant", "sync", "verify"]),
    ("receipt", &["incarnations", "ledger", "limits", "message", "pbft", "pow", "verify"]),
];

/// Everything that breaks the table, in words.
pub(crate) fn faults(files: &[File]) -> Vec<String> {
    let mut faults = Vec::new();
    for file in files.iter().filter(|file| file.path != "lib.rs") {
        let path = file.module_path();
        let module = path[0].as_str();
        let Some((_, allowed)) = TABLE.iter().find(|(name, _)| *name == module) else {
            faults.push(format!("{}: the module has no row in the table", file.path));
            continue;
        };
        // As many `super` as the module is deep lead to the crate's root.
        let to_root = vec!["super"; path.len()].join("::");
        let mut used = file.used("crate");
        used.extend(file.used(&to_root));
        used.sort_unstable();
        used.dedup();
        let used = used.iter().filter_map(|path| path.split("::").next());
        let refused = used.filter(|name| *name != module && !allowed.contains(name));
        faults.extend(refused.map(|name| format!("{}: {module} must not use {name}", file.path)));
    }
    faults
}
