//! How each node of a net is run.

use super::{GENESIS_FILE, HASHRATE_DEFAULT, NetSpec, SetBackSpec, node_dir};
use crate::net::error::NetError;
use bezant_api::config::{
    DevConfig, DevSetBack, LogConfig, MinerConfig, NodeConfig, P2pConfig, RpcConfig, StratumConfig, SyncConfig,
};
use bezant_api::types::EngineName;
use bezant_consensus::ledger::key::SigningKey;
use bezant_consensus::ledger::lock::Lock;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Where others reach node `index`, with its identity.
#[must_use]
pub fn p2p_address(spec: &NetSpec, index: usize) -> String {
    let member = &spec.members[index];
    format!("/ip4/{}/tcp/{}/p2p/{}", spec.host(index), member.p2p_port, member.peer_id)
}

/// The configuration of node `index`, with every other node as a static peer.
#[must_use]
pub fn node_config(dir: &Path, spec: &NetSpec, index: usize) -> NodeConfig {
    let member = &spec.members[index];
    let others = (0..spec.members.len()).filter(|other| *other != index);
    let node = node_dir(dir, index);
    let mines = spec.engine == EngineName::Pow && index < spec.nodes;
    let set_back = |it: &SetBackSpec| DevSetBack { incarnation: it.incarnation, height: it.height };
    NodeConfig {
        data_dir: node.join("data"),
        genesis: dir.join(GENESIS_FILE),
        name: format!("node{index}"),
        p2p: P2pConfig {
            listen: vec![format!("/ip4/{}/tcp/{}", spec.host(index), member.p2p_port)],
            external: Vec::new(),
            peers: others.map(|other| p2p_address(spec, other)).collect(),
            mdns: false,
            connections_max: 256,
        },
        rpc: RpcConfig { listen: SocketAddr::from((spec.host(index), member.rpc_port)), ..RpcConfig::default() },
        validator_key: member.validator.as_ref().map(|_| node.join("validator.key")),
        miner: MinerConfig {
            enabled: mines,
            threads: 1,
            hashrate_max: HASHRATE_DEFAULT,
            payee: mines.then(|| miner_payee(spec, index)),
        },
        stratum: StratumConfig {
            listen: member.stratum_port.map(|port| SocketAddr::from((spec.host(index), port))),
            ..StratumConfig::default()
        },
        sync: SyncConfig::default(),
        log: LogConfig::default(),
        dev: DevConfig {
            token: Some(spec.dev_token.clone()),
            clock_offset_ms: spec.clock_offset_ms,
            set_backs: spec.set_backs.iter().map(set_back).collect(),
            stop_with_stdin: true,
        },
    }
}

/// Who a node's blocks pay: a key of its own, derived from its identity, so that the dashboard tells miners apart.
#[must_use]
pub fn miner_payee(spec: &NetSpec, index: usize) -> String {
    use bezant_consensus::ledger::hash::tagged;
    let seed = tagged("bezant/testnet-miner", &[&spec.seed.to_le_bytes(), &(index as u64).to_le_bytes()]);
    Lock::Key(SigningKey::from_seed(&seed).public()).hash().to_string()
}

/// This very program, which nodes are run with.
///
/// # Errors
/// When the system does not tell.
pub fn program() -> Result<PathBuf, NetError> {
    std::env::current_exe().map_err(NetError::io("this program"))
}

/// What points a command at its net would override a node's own file.
pub fn clean_environment(command: &mut tokio::process::Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("BEZANT_") {
            command.env_remove(name);
        }
    }
}
