//! A node's configuration: one struct, validated once. Precedence: flag > `BEZANT_*` environment > TOML file > default; the
//! merging of flags and environment is the command's, the file and the checks are here.

use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Everything that a node can be told at its start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeConfig {
    /// Directory of this node's database and keys; locked while the node runs.
    pub data_dir: PathBuf,
    /// The genesis file.
    pub genesis: PathBuf,
    /// Shown in logs; default `node`.
    #[serde(default = "default_name")]
    pub name: String,
    /// How to meet peers.
    #[serde(default)]
    pub p2p: P2pConfig,
    /// How to serve users.
    #[serde(default)]
    pub rpc: RpcConfig,
    /// PBFT: file with this validator's key (32-byte seed, hex, mode 0600); without it the node only follows.
    #[serde(default)]
    pub validator_key: Option<PathBuf>,
    /// Proof of work: the node's own miner.
    #[serde(default)]
    pub miner: MinerConfig,
    /// Proof of work: serving miners elsewhere.
    #[serde(default)]
    pub stratum: StratumConfig,
    /// Catching up with peers.
    #[serde(default)]
    pub sync: SyncConfig,
    /// Logging.
    #[serde(default)]
    pub log: LogConfig,
    /// Only on nets whose genesis says `dev`.
    #[serde(default)]
    pub dev: DevConfig,
}

fn default_name() -> String {
    "node".to_owned()
}

/// How to meet peers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct P2pConfig {
    /// Multiaddresses to listen on. Default: TCP and QUIC on loopback, free ports.
    pub listen: Vec<String>,
    /// Multiaddresses under which others reach this node, when they differ.
    pub external: Vec<String>,
    /// Multiaddresses with `/p2p/…` that are dialled for ever.
    pub peers: Vec<String>,
    /// Whether to look for peers on the local network; dev nets only.
    pub mdns: bool,
    /// Connections at most, 1 to 1,000.
    pub connections_max: u32,
}

impl Default for P2pConfig {
    fn default() -> Self {
        P2pConfig {
            listen: vec!["/ip4/127.0.0.1/tcp/0".to_owned(), "/ip4/127.0.0.1/udp/0/quic-v1".to_owned()],
            external: Vec::new(),
            peers: Vec::new(),
            mdns: false,
            connections_max: 64,
        }
    }
}

/// How to serve users.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RpcConfig {
    /// Where to listen for HTTP and WebSocket; default loopback, a free port. `/metrics`, `/health` and `/ready` are here too.
    pub listen: SocketAddr,
    /// `Host` names accepted beside the address itself and localhost.
    pub hosts: Vec<String>,
    /// What `admin_*` methods want; without it they do not exist.
    pub admin_token: Option<String>,
    /// Connections at most.
    pub connections_max: u32,
}

impl Default for RpcConfig {
    fn default() -> Self {
        RpcConfig {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            hosts: Vec::new(),
            admin_token: None,
            connections_max: 128,
        }
    }
}

/// The node's own miner.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MinerConfig {
    /// Whether to mine.
    pub enabled: bool,
    /// Threads; 0 means one.
    pub threads: u32,
    /// Hashes per second at most; 0 means no limit.
    pub hashrate_max: u64,
    /// Lock hash (hex) or address that is paid.
    pub payee: Option<String>,
}

/// Serving miners elsewhere, by Stratum v1. They are paid to the address that is their user name; whoever reaches the port may
/// mine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StratumConfig {
    /// Where to listen; without it there is no server. Port 0 is a free one, which the log names.
    pub listen: Option<SocketAddr>,
    /// How hard the shares of a miner are at first (1 takes 2^32 hashes); they follow its speed from then on. Default 0.001, for
    /// processors; a farm of special machines wants thousands.
    pub difficulty: f64,
}

impl Default for StratumConfig {
    fn default() -> Self {
        StratumConfig { listen: None, difficulty: 0.001 }
    }
}

/// Catching up with peers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SyncConfig {
    /// Proof of work: a chain with less work is not looked at (hex, as `bezant testnet status --json` shows work). Whoever starts a
    /// node on a net that has run for long sets it to what is known of that net's work, so that nobody can feed the node a
    /// history of its own that took less.
    pub work_min: Option<String>,
}

/// Logging, to stderr.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// A tracing filter; default `info`.
    pub filter: String,
    /// One JSON object a line instead of text.
    pub json: bool,
}

impl Default for LogConfig {
    fn default() -> Self {
        LogConfig { filter: "info".to_owned(), json: false }
    }
}

/// Only on dev nets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DevConfig {
    /// What `dev_*` methods want; without it they do not exist.
    pub token: Option<String>,
    /// Offset of the net's clock from this machine's, forward or back.
    pub clock_offset_ms: i64,
    /// How the net was set back to earlier states; all of its nodes have the same list.
    pub set_backs: Vec<DevSetBack>,
    /// Stop in order as soon as standard input ends: a supervisor holds the other end of that pipe.
    pub stop_with_stdin: bool,
}

/// The net was set back to an earlier state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DevSetBack {
    /// Votes of this incarnation decide the heights above; counted up from 1.
    pub incarnation: u32,
    /// The last height that stayed; goes up from one to the next in the list.
    pub height: u64,
}

/// A configuration that no node can be started with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("configuration: {field}: {problem}")]
pub struct ConfigError {
    /// The field, as the TOML file names it.
    pub field: String,
    /// What is wrong and what to write instead.
    pub problem: String,
}

impl NodeConfig {
    /// Reads the TOML text of a configuration and checks it.
    ///
    /// # Errors
    /// The first field that is malformed, unknown or out of range.
    pub fn from_toml(text: &str) -> Result<NodeConfig, ConfigError> {
        let config: NodeConfig = toml::from_str(text)
            .map_err(|error| ConfigError { field: "file".to_owned(), problem: error.to_string() })?;
        config.check()?;
        Ok(config)
    }

    /// The TOML text of this configuration.
    ///
    /// # Panics
    /// Never: every field has a TOML form.
    #[must_use]
    pub fn to_toml(&self) -> String {
        toml::to_string_pretty(self).expect("every field has a TOML form")
    }

    /// Checks ranges and relations.
    ///
    /// # Errors
    /// The first field that is out of range.
    pub fn check(&self) -> Result<(), ConfigError> {
        let fail =
            |field: &str, problem: &str| Err(ConfigError { field: field.to_owned(), problem: problem.to_owned() });
        if self.p2p.listen.is_empty() {
            return fail("p2p.listen", "at least one multiaddress is needed, like /ip4/127.0.0.1/tcp/0");
        }
        if self.p2p.connections_max == 0 || self.p2p.connections_max > 1_000 {
            return fail("p2p.connections_max", "1 to 1000 is expected");
        }
        if self.rpc.connections_max == 0 || self.rpc.connections_max > 10_000 {
            return fail("rpc.connections_max", "1 to 10000 is expected");
        }
        if !(self.stratum.difficulty > 0.0 && self.stratum.difficulty.is_finite()) {
            return fail("stratum.difficulty", "a number above 0 is expected, like 0.001");
        }
        if self.miner.threads > 1_024 {
            return fail("miner.threads", "at most 1024 is expected");
        }
        Ok(())
    }
}

/// What `bezant node --standing-at` prints: where a node that does not run would begin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StandingLine {
    /// Height of its tip.
    pub height: u64,
    /// Id of its tip.
    pub tip: String,
    /// Ids of the blocks of its chain at the heights that were asked for, as far as it has them.
    pub at: Vec<Option<String>>,
}

/// A running node tells its supervisor where it listens: one line of JSON on standard output once it is ready.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReadyLine {
    /// URL of the RPC server.
    pub rpc: String,
    /// libp2p addresses with the identity.
    pub p2p: Vec<String>,
    /// libp2p identity.
    pub peer_id: String,
    /// Address of the Stratum server, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stratum: Option<String>,
}
