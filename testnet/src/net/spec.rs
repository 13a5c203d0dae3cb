//! What a net is made of: options, genesis, keys and configuration of each node, and the accounts, in the net's directory.
//!
//! ```text
//! .bezant            marker: only directories that carry it are ever deleted
//! net.json           this module's NetSpec
//! genesis.toml
//! run.json           the manifest, while the net runs
//! control.sock       while the net runs
//! supervisor.log
//! snapshots/         see [`crate::net::pictures`]
//! wallets/NAME       the accounts' wallet files
//! nodeI/             node.toml, node.key, validator.key, log, data/
//! ```

mod config;
mod create;
mod genesis;

pub(crate) use create::write_wallets;
pub(crate) use genesis::staged_genesis;

pub use config::{clean_environment, miner_payee, node_config, p2p_address, program};
pub use create::{UpOptions, open_or_create, refresh_ports, remove_contents};
pub use genesis::{BLOCK_BYTES_MAX_DEFAULT, Staging, faucet_key};

use crate::net::error::NetError;
use bezant_api::keyfile;
use bezant_api::types::EngineName;
use bezant_consensus::incarnations::{Incarnations, SetBack, SetBackError};
use bezant_consensus::ledger::key::SigningKey;
use bezant_consensus::ledger::transaction::OutPoint;
use bezant_consensus::ledger::units::{Height, Incarnation};
use bezant_consensus::receipt::SetBacks;
use rand::RngExt;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Holds the [`NetSpec`].
pub const SPEC_FILE: &str = "net.json";
/// Holds the genesis.
pub const GENESIS_FILE: &str = "genesis.toml";
/// Nodes of one net, at most.
pub const NODES_MAX: usize = 64;
/// Hashes per second of each node's miner by default: four of them take a few hundredths of a core.
pub const HASHRATE_DEFAULT: u64 = 50_000;

/// What a net is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NetSpec {
    /// Format, 1.
    pub version: u32,
    /// Its name.
    pub net: String,
    /// The engine.
    pub engine: EngineName,
    /// Nodes that vote or mine.
    pub nodes: usize,
    /// Nodes that only follow.
    pub observers: usize,
    /// As in [`UpOptions::block_time_ms`]; 0 when off.
    pub block_time_ms: u64,
    /// Fixes the accounts' wallets.
    pub seed: u64,
    /// What `dev_*` methods want.
    pub dev_token: String,
    /// Offset of the net's clock: it stood still while the net was down.
    pub clock_offset_ms: i64,
    /// When the net was last seen running, milliseconds since 1970 by this machine's clock.
    pub last_alive_ms: u64,
    /// One per node, observers last.
    pub members: Vec<NodeSpec>,
    /// The last incarnation of the net, whether anything of it still stands or not; 0 for one that was never set back.
    #[serde(default)]
    pub incarnation: u32,
    /// How the net was set back; incarnations and heights go strictly up.
    #[serde(default)]
    pub set_backs: Vec<SetBackSpec>,
    /// Where the nodes of this run listen, if not on loopback.
    #[serde(skip)]
    pub hosts: Vec<Ipv4Addr>,
    /// The scenario for which the net was made: another one may take its place without being asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scenario: Option<String>,
}

/// The net was set back to an earlier state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetBackSpec {
    /// The incarnation that began with it.
    pub incarnation: u32,
    /// The last height that stayed.
    pub height: u64,
    /// Proof of work: ids of the first blocks of what was left.
    #[serde(default)]
    pub undone: Vec<String>,
}

/// One node of a net.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeSpec {
    /// libp2p identity.
    pub peer_id: String,
    /// Validator key, hex; none for observers and under proof of work.
    pub validator: Option<String>,
    /// libp2p port (TCP).
    pub p2p_port: u16,
    /// RPC port.
    pub rpc_port: u16,
    /// Stratum port, if the node serves miners.
    #[serde(default)]
    pub stratum_port: Option<u16>,
}

impl NetSpec {
    /// The spec of the net in `dir`, if one was made there.
    ///
    /// # Errors
    /// When the directory holds other things, or the spec cannot be read.
    pub fn read(dir: &Path) -> Result<Option<NetSpec>, NetError> {
        let path = dir.join(SPEC_FILE);
        match std::fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text)
                .map(Some)
                .map_err(|error| NetError::Damaged { path, reason: format!("{error}; `up --fresh` makes it anew") }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(NetError::Io { path, error }),
        }
    }

    /// Writes the spec.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, dir: &Path) -> Result<(), NetError> {
        let text = serde_json::to_string_pretty(self).expect("a spec has a JSON form");
        write_private(&dir.join(SPEC_FILE), text.as_bytes())
    }

    /// The net is as it was when this was written; from the height above on it goes on in another incarnation. `before` is how the
    /// net had been set back that is left now.
    pub fn go_back(&mut self, incarnation: u32, height: u64, mut undone: Vec<String>, before: &[SetBackSpec]) {
        // Branches from the same height that were left before.
        undone.extend(before.iter().filter(|it| it.height == height).flat_map(|it| it.undone.iter().cloned()));
        undone.sort();
        undone.dedup();
        undone.truncate(crate::net::pictures::set_back::UNDONE_MAX);
        self.set_backs.retain(|it| it.height < height);
        self.set_backs.push(SetBackSpec { incarnation, height, undone });
        self.incarnation = incarnation;
    }

    /// The same, for whoever judges a receipt.
    ///
    /// # Errors
    /// When the list is none that a net can have.
    pub fn known_set_backs(&self) -> Result<SetBacks, SetBackError> {
        let one = |it: &SetBackSpec| SetBack { incarnation: Incarnation(it.incarnation), height: Height(it.height) };
        let undone = self.set_backs.iter().flat_map(|it| &it.undone).filter_map(|id| id.parse().ok()).collect();
        Ok(SetBacks { incarnations: Incarnations::new(self.set_backs.iter().map(one).collect())?, undone })
    }

    /// Where node `index` listens.
    #[must_use]
    pub fn host(&self, index: usize) -> Ipv4Addr {
        self.hosts.get(index).copied().unwrap_or(Ipv4Addr::LOCALHOST)
    }

    /// All nodes, observers included.
    #[must_use]
    pub fn count(&self) -> usize {
        self.nodes + self.observers
    }
}

/// The directory of node `index`.
#[must_use]
pub fn node_dir(dir: &Path, index: usize) -> PathBuf {
    dir.join(format!("node{index}"))
}

/// The log of node `index`.
#[must_use]
pub fn node_log(dir: &Path, index: usize) -> PathBuf {
    node_dir(dir, index).join("log")
}

/// Writes a file atomically with mode 0600.
///
/// # Errors
/// When it cannot be written.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), NetError> {
    let dir = path.parent().expect("a file has a directory");
    let write = || -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(dir)?;
        file.as_file().set_permissions(std::fs::Permissions::from_mode(0o600))?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        std::fs::File::open(dir)?.sync_all()
    };
    write().map_err(NetError::io(path))
}

/// Writes a validator's key, for nobody else to read.
///
/// # Errors
/// When the file cannot be written.
pub fn write_key(path: &Path, key: &SigningKey) -> Result<(), NetError> {
    write_private(path, keyfile::text(key, None).as_bytes())
}

/// Fresh bytes from the system's source.
#[must_use]
pub fn random_bytes<const N: usize>() -> [u8; N] {
    rand::rng().random()
}

/// Milliseconds since 1970 by this machine's clock.
#[must_use]
pub fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

/// `TXID:N`.
pub(super) fn parse_outpoint(text: &str) -> Option<OutPoint> {
    let (txid, index) = text.split_once(':')?;
    Some(OutPoint { txid: txid.parse().ok()?, index: index.parse().ok()? })
}
