//! Which crate may use which. Dev-dependencies are free.

use cargo_metadata::DependencyKind;

/// A package and what it depends on to be built.
#[derive(Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) dependencies: Vec<String>,
}

impl From<&cargo_metadata::Package> for Package {
    fn from(package: &cargo_metadata::Package) -> Package {
        let built = package.dependencies.iter().filter(|dependency| dependency.kind != DependencyKind::Development);
        Package {
            name: package.name.to_string(),
            dependencies: built.map(|dependency| dependency.name.clone()).collect(),
        }
    }
}

/// What one package may use.
pub(crate) struct Rule {
    pub(crate) package: &'static str,
    /// Packages of this workspace; any other is forbidden.
    workspace: &'static [&'static str],
    /// All that it may use from outside, if that list is closed.
    closed: Option<&'static [&'static str]>,
    /// What it must not use, each with all crates of which it is the first part (`libp2p` means `libp2p-stream` too).
    forbidden: &'static [&'static str],
}

const CONSENSUS: &str = "bezant-consensus";
const MINER: &str = "bezant-miner";
const WALLET: &str = "bezant-wallet";
const CORE: &str = "bezant-node-core";
const API: &str = "bezant-api";
const NODE: &str = "bezant-node";
const TUI: &str = "bezant-tui";
const TESTNET: &str = "bezant-testnet";

/// The table.
pub(crate) const TABLE: &[Rule] = &[
    Rule {
        package: CONSENSUS,
        workspace: &[],
        closed: Some(&[
            "sha2",
            "blake3",
            "ed25519-dalek",
            "ed25519-zebra",
            "curve25519-dalek",
            "borsh",
            "thiserror",
            "tracing",
            "ruint",
            "rand_core",
            // Tables without an order and without chance: see `ledger::table`.
            "hashbrown",
        ]),
        forbidden: &[],
    },
    Rule { package: CORE, workspace: &[CONSENSUS], closed: Some(&["thiserror", "tracing"]), forbidden: &[] },
    Rule { package: MINER, workspace: &[CONSENSUS], closed: None, forbidden: &["tokio", "libp2p"] },
    Rule { package: WALLET, workspace: &[CONSENSUS, API], closed: None, forbidden: &["libp2p"] },
    Rule { package: API, workspace: &[CONSENSUS], closed: None, forbidden: &["libp2p", "rusqlite"] },
    Rule { package: TUI, workspace: &[API, CONSENSUS], closed: None, forbidden: &["libp2p", "rusqlite"] },
    Rule { package: TESTNET, workspace: &[CONSENSUS, CORE, API, WALLET], closed: None, forbidden: &["libp2p"] },
    Rule { package: NODE, workspace: &[CONSENSUS, MINER, CORE, API], closed: None, forbidden: &[] },
    Rule {
        package: "bezant",
        workspace: &[CONSENSUS, MINER, WALLET, CORE, API, NODE, TUI, TESTNET],
        closed: None,
        forbidden: &[],
    },
];

/// Everything that breaks the table, in words.
pub(crate) fn faults(packages: &[Package]) -> Vec<String> {
    let mut faults = Vec::new();
    for package in packages {
        match TABLE.iter().find(|rule| rule.package == package.name) {
            None => faults.push(format!("{} has no row in the table", package.name)),
            Some(rule) => {
                let refused = package.dependencies.iter().filter(|dependency| !rule.allows(dependency));
                faults.extend(refused.map(|dependency| format!("{} must not use {dependency}", package.name)));
            }
        }
    }
    faults
}

impl Rule {
    fn allows(&self, dependency: &str) -> bool {
        if TABLE.iter().any(|rule| rule.package == dependency) {
            return self.workspace.contains(&dependency);
        }
        let is_part = |of: &&str| dependency == *of || dependency.starts_with(&format!("{of}-"));
        self.closed.is_none_or(|closed| closed.contains(&dependency)) && !self.forbidden.iter().any(is_part)
    }
}
