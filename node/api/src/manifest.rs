//! `run.json`: what a running testnet is made of, for scripts, the wallet and the dashboard. The fields are those of the command
//! line's contract; the file is written atomically with mode 0600.

use crate::types::EngineName;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Name of the file in the net's directory.
pub const MANIFEST_FILE: &str = "run.json";

/// A running testnet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Format, 1.
    pub version: u32,
    /// The net's name.
    pub net: String,
    /// The engine.
    pub engine: EngineName,
    /// The net's id, hex.
    pub network_id: String,
    /// The net's directory.
    pub dir: PathBuf,
    /// Fixes the accounts' wallets and the faults.
    pub seed: u64,
    /// What `dev_*` methods want.
    pub dev_token: String,
    /// Who supervises the nodes.
    pub supervisor: SupervisorEntry,
    /// The nodes.
    pub nodes: Vec<NodeEntry>,
    /// Offset of the net's one clock from this machine's; negative when the net stood still.
    pub clock_offset_ms: i64,
    /// Funded accounts.
    pub accounts: Vec<AccountEntry>,
}

/// Who supervises the nodes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SupervisorEntry {
    /// Its process.
    pub pid: u32,
    /// When that process started, so that a reused pid is told apart.
    pub started: String,
    /// Path of its local control socket.
    pub control: PathBuf,
}

/// A node process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeEntry {
    /// From 0.
    pub index: usize,
    /// `node0`, ….
    pub name: String,
    /// Its process; 0 when it is down.
    pub pid: u32,
    /// When that process started.
    pub started: String,
    /// URL of its JSON-RPC server (HTTP and, with `ws://`, WebSocket).
    pub rpc: String,
    /// libp2p addresses with the identity.
    pub p2p: Vec<String>,
    /// libp2p identity.
    pub peer_id: String,
    /// Validator key, hex; null for an observer and under proof of work.
    pub validator: Option<String>,
    /// Its data directory.
    pub data_dir: PathBuf,
    /// Its log file.
    pub log: PathBuf,
    /// URL of its metrics.
    pub metrics: String,
    /// Address of its Stratum server, if it has one.
    pub stratum: Option<String>,
    /// How far its clock is ahead of the net's; negative when it is behind.
    #[serde(default)]
    pub clock_offset_ms: i64,
    /// Whether it is paused.
    #[serde(default)]
    pub paused: bool,
    /// How often the supervisor started it again because it had died by itself.
    #[serde(default)]
    pub restarts: u32,
}

/// A funded account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AccountEntry {
    /// `alice`, ….
    pub name: String,
    /// Its address.
    pub address: String,
    /// Funded with this many grains.
    pub grains: String,
    /// Its wallet file.
    pub wallet: PathBuf,
}

/// Why a manifest cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// There is none.
    #[error("no net is running here: {0} does not exist; start one with `bezant testnet up`")]
    Missing(PathBuf),
    /// It cannot be read.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// It is damaged.
    #[error("{path} is damaged ({reason}); stop the net with `bezant testnet down` and start it again")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

impl Manifest {
    /// Reads the manifest of the net in `dir`.
    ///
    /// # Errors
    /// When there is none, or it cannot be read or understood.
    pub fn read(dir: &Path) -> Result<Manifest, ManifestError> {
        let path = dir.join(MANIFEST_FILE);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(ManifestError::Missing(path)),
            Err(error) => return Err(ManifestError::Io { path, error }),
        };
        serde_json::from_str(&text).map_err(|error| ManifestError::Damaged { path, reason: error.to_string() })
    }
}
