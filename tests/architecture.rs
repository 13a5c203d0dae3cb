//! The shape of the workspace, checked: which crate may use which, which module of the pure core may use which, and that the
//! pure crates name nothing that reads a clock, a file, a socket or chance.
//!
//! Each checker is also shown a bad sample and must refuse it.

mod architecture {
    pub(crate) mod dependencies;
    pub(crate) mod modules;
    pub(crate) mod purity;
    pub(crate) mod source;
}

use architecture::{dependencies, modules, purity, source};
use std::path::Path;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn crates_use_what_the_table_allows() {
    let metadata = cargo_metadata::MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .other_options(["--offline".to_owned()])
        .exec()
        .expect("cargo describes the workspace");
    let packages: Vec<_> = metadata.packages.iter().map(dependencies::Package::from).collect();
    assert_eq!(dependencies::faults(&packages), [""; 0]);
    let named: Vec<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    for rule in dependencies::TABLE {
        assert!(named.contains(&rule.package), "{} is in the table but not in the workspace", rule.package);
    }
}

#[test]
fn a_forbidden_dependency_is_found() {
    let faults = |name: &str, dependencies: &[&str]| {
        let dependencies = dependencies.iter().map(|name| (*name).to_owned()).collect();
        dependencies::faults(&[dependencies::Package { name: name.to_owned(), dependencies }]).len()
    };
    assert_eq!(faults("bezant-consensus", &["sha2", "borsh"]), 0);
    assert_eq!(faults("bezant-consensus", &["sha2", "serde"]), 1, "the list is closed");
    assert_eq!(faults("bezant-consensus", &["bezant-api", "rand"]), 2);
    assert_eq!(faults("bezant-node-core", &["bezant-consensus", "borsh"]), 1);
    assert_eq!(faults("bezant-tui", &["bezant-api", "ratatui"]), 0);
    assert_eq!(faults("bezant-tui", &["bezant-node"]), 1);
    assert_eq!(faults("bezant-tui", &["rusqlite"]), 1);
    assert_eq!(faults("bezant-testnet", &["libp2p-stream"]), 1, "parts of libp2p count");
    assert_eq!(faults("bezant-node", &["bezant-wallet"]), 1);
    assert_eq!(faults("bezant-extra", &[]), 1, "a package without a row");
}

#[test]
fn modules_of_the_core_look_down_only() {
    let files = source::read(&root().join("consensus/src"));
    assert!(files.len() > 20, "the core has files");
    assert_eq!(modules::faults(&files), [""; 0]);
}

#[test]
fn a_module_that_looks_up_is_found() {
    let faults = |path: &str, text: &str| modules::faults(&[source::File::new(path, text)]).len();
    assert_eq!(faults("chain/mod.rs", "use crate::ledger::block::Block;\nuse crate::message::Vote;"), 0);
    assert_eq!(faults("ledger/coins.rs", "use crate::chain::Chain;"), 1);
    assert_eq!(faults("ledger/rules/mod.rs", "fn f(c: &crate::engine::Effect) {}"), 1, "paths count, not only `use`");
    assert_eq!(faults("ledger/rules/mod.rs", "use super::super::engine::Effect;"), 1);
    assert_eq!(faults("ledger/rules/context.rs", "use super::super::super::sync;"), 1);
    assert_eq!(faults("ledger/rules/context.rs", "use super::TxError; use super::super::coins::Coin;"), 0);
    assert_eq!(faults("message.rs", "use crate::{ledger::{block::Block, key}, verify::Verified};"), 1);
    assert_eq!(faults("message.rs", "use crate::*;"), 1);
    assert_eq!(faults("pbft/mod.rs", "use crate::pow::Tree;"), 1);
    assert_eq!(faults("pow/tree.rs", "use crate::pbft; use crate::sync;"), 1);
    assert_eq!(faults("limits.rs", "// crate::ledger is above us\n/// [`crate::engine`]\nconst A: usize = 1;"), 0);
    assert_eq!(faults("limits.rs", "use crate::ledger::amount::Amount;"), 1);
    assert_eq!(faults("extra.rs", ""), 1, "a module without a row");
}

#[test]
fn the_pure_crates_name_nothing_impure() {
    for directory in ["consensus/src", "node/core/src"] {
        let files = source::read(&root().join(directory));
        assert!(!files.is_empty());
        assert_eq!(purity::faults(&files), [""; 0], "{directory}");
    }
}

#[test]
fn something_impure_is_found() {
    let faults = |text: &str| purity::faults(&[source::File::new("chain/mod.rs", text)]).len();
    assert_eq!(faults("use std::collections::BTreeMap; use std::io;"), 0);
    assert_eq!(faults("use std::collections::HashMap;"), 1);
    assert_eq!(faults("use std::{fmt, collections::{BTreeMap, HashSet}, fs};"), 2);
    assert_eq!(faults("let now = std::time::Instant::now();"), 1);
    assert_eq!(faults("use std::time::SystemTime;"), 1);
    assert_eq!(faults("std::thread::spawn(|| {});"), 1);
    assert_eq!(faults("use rand_core::OsRng;"), 1);
    assert_eq!(faults("// std::fs is not used"), 0);
    let in_tests = source::File::new("chain/tests/disk.rs", "use std::fs;");
    assert_eq!(purity::faults(&[in_tests]).len(), 0, "tests may read their vectors");
}

/// The compiler's half: the bans are there, the same in both crates, and not merely warnings.
#[test]
fn clippy_bans_the_same_in_both_pure_crates() {
    let read =
        |path: &str| std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    let bans = |text: String| text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect::<Vec<_>>();
    let ours = bans(read("consensus/clippy.toml"));
    assert_eq!(ours, bans(read("node/core/clippy.toml")));
    for banned in
        ["HashMap", "HashSet", "Instant::now", "SystemTime::now", "thread::spawn", "fs::write", "net::TcpStream"]
    {
        assert!(ours.iter().any(|line| line.contains(banned)), "{banned}");
    }
    let workspace = read("Cargo.toml");
    for lint in ["disallowed_methods = \"deny\"", "disallowed_types = \"deny\""] {
        assert!(workspace.contains(lint), "{lint}");
    }
    for manifest in ["consensus/Cargo.toml", "node/core/Cargo.toml"] {
        assert!(read(manifest).contains("[lints]\nworkspace = true"), "{manifest}");
    }
}
