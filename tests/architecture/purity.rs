//! What the pure crates must not name: a second line behind clippy's bans, which see calls but no whole modules.

use super::source::File;

/// Prefixes of paths in `std`.
const IN_STD: &[&str] = &[
    "collections::HashMap",
    "collections::HashSet",
    "collections::hash_map",
    "env",
    "fs",
    "net",
    "os",
    "process",
    "thread",
    "time::Instant",
    "time::SystemTime",
];

/// Names that mean chance or time wherever they come from.
const ANYWHERE: &[&str] = &["OsRng", "SysRng", "getrandom", "thread_rng", "RandomState"];

/// Everything impure that the files name, in words. Tests are left out: they may read their vectors.
pub(crate) fn faults(files: &[File]) -> Vec<String> {
    let mut faults = Vec::new();
    for file in files.iter().filter(|file| !file.is_test()) {
        for path in file.used("std") {
            let banned = |prefix: &&&str| path == **prefix || path.starts_with(&format!("{prefix}::"));
            faults.extend(IN_STD.iter().find(banned).map(|prefix| format!("{}: std::{prefix}", file.path)));
        }
        let names = ANYWHERE.iter().filter(|name| file.names(name));
        faults.extend(names.map(|name| format!("{}: {name}", file.path)));
    }
    faults
}
