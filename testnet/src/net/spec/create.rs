//! Making the net that was asked for, or opening the one that is there.

use super::genesis::{Staging, genesis};
use super::{GENESIS_FILE, NODES_MAX, NetSpec, NodeSpec, node_dir, now_ms, random_bytes, write_key, write_private};
use crate::net::error::NetError;
use crate::net::ports::PortClaims;
use crate::net::supervisor::{self, RestartPolicy};
use bezant_api::home::MARKER_FILE;
use bezant_api::keyfile;
use bezant_api::types::EngineName;
use bezant_consensus::ledger::key::{PublicKey, SigningKey};
use std::path::{Path, PathBuf};

/// Nodes that vote or mine, unless told otherwise.
const NODES_DEFAULT: usize = 4;

/// What `testnet up` was asked for; `None` means "as it is, or the default".
#[derive(Clone, Debug, Default)]
pub struct UpOptions {
    /// The net's name.
    pub net: String,
    /// Its directory.
    pub dir: PathBuf,
    /// The engine; default PBFT.
    pub engine: Option<EngineName>,
    /// Nodes that vote or mine; default 4.
    pub nodes: Option<usize>,
    /// Nodes that only follow; default 0.
    pub observers: Option<usize>,
    /// Proof of work: wanted spacing in whole seconds. PBFT: longest time without a block.
    pub block_time_ms: Option<u64>,
    /// Fixes the accounts' wallets; default 1.
    pub seed: Option<u64>,
    /// First of the ports to use, two per node, and with `stratum` one more for each; default: free ones.
    pub base_port: Option<u16>,
    /// Proof of work: every node serves miners by Stratum. A net keeps what it was once given.
    pub stratum: bool,
    /// Delete what is there and start anew.
    pub fresh: bool,
    /// Which nodes are started again when they die by themselves; of this run only.
    pub restart: RestartPolicy,
    /// Every node in a network namespace of its own; of this run only.
    pub isolate: bool,
    /// What a scenario wants of a net that is made for it.
    pub staging: Staging,
}

impl UpOptions {
    /// Whether a net can be made as asked; says nothing of one that is there and stays.
    ///
    /// # Errors
    /// When there are too many nodes or none, the ports would be too high, or something does not go with the engine.
    pub fn check(&self) -> Result<(), NetError> {
        if !self.fresh && self.dir.join(super::SPEC_FILE).exists() {
            return Ok(());
        }
        let engine = self.engine.unwrap_or(EngineName::Pbft);
        if self.stratum && engine == EngineName::Pbft {
            return Err(no_miners());
        }
        let count = self.count()?;
        if self.nodes == Some(0) {
            return Err(too_many());
        }
        let spacing_ms = self.block_time_ms.filter(|_| engine == EngineName::Pow);
        if spacing_ms.is_some_and(|ms| ms == 0 || !ms.is_multiple_of(1_000)) {
            return Err(NetError::Usage(
                "--block-time: whole seconds are needed under proof of work, like 2s".to_owned(),
            ));
        }
        let ports = count * if self.stratum { 3 } else { 2 };
        match self.base_port.map(|base| usize::from(base) + ports - 1) {
            Some(last) if last > usize::from(u16::MAX) => Err(NetError::Usage(format!(
                "--base-port: {ports} ports are needed, so {} is the highest; port {last} is too high",
                usize::from(u16::MAX) + 1 - ports
            ))),
            Some(_) | None => Ok(()),
        }
    }

    /// How many nodes the net has, or will have.
    ///
    /// # Errors
    /// When there are too many, or the net that is there cannot be read.
    pub fn count(&self) -> Result<usize, NetError> {
        let there = if self.fresh { None } else { NetSpec::read(&self.dir)? };
        let count = match there {
            Some(spec) => spec.count(),
            None => self.nodes.unwrap_or(NODES_DEFAULT).saturating_add(self.observers.unwrap_or(0)),
        };
        if count <= NODES_MAX { Ok(count) } else { Err(too_many()) }
    }
}

fn too_many() -> NetError {
    NetError::Usage(format!("--nodes: 1 to {NODES_MAX} nodes, observers included, are possible"))
}

/// Makes the net that was asked for, with its ports claimed, or opens the one that is there. The caller holds the net's lock.
///
/// # Errors
/// When the directory is not ours, holds a net with other options, or cannot be written.
pub fn open_or_create(options: &UpOptions, claims: &mut PortClaims) -> Result<NetSpec, NetError> {
    let dir = &options.dir;
    // Before anything is deleted.
    options.check()?;
    if options.fresh {
        remove_contents(dir)?;
    }
    match NetSpec::read(dir)? {
        Some(spec) => {
            check_same(&spec, options)?;
            with_stratum(spec, options, claims)
        }
        None => with_stratum(create(options, claims)?, options, claims),
    }
}

/// Deletes all that `dir` holds but the marker and what a supervisor that is starting holds open; refuses directories without the marker.
///
/// # Errors
/// When the directory is not ours or something cannot be deleted.
pub fn remove_contents(dir: &Path) -> Result<(), NetError> {
    if !dir.join(MARKER_FILE).exists() {
        return Err(NetError::ForeignDirectory(dir.to_owned()));
    }
    for entry in std::fs::read_dir(dir).map_err(NetError::io(dir))? {
        let entry = entry.map_err(NetError::io(dir))?;
        let (path, name) = (entry.path(), entry.file_name());
        if [MARKER_FILE, supervisor::LOCK_FILE, supervisor::LOG_FILE].iter().any(|kept| name == *kept) {
            continue;
        }
        let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let removed = if is_dir { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
        removed.map_err(NetError::io(path))?;
    }
    Ok(())
}

/// Gives every node a port for miners, if that was asked for. Nothing that the nodes agree on depends on it.
fn with_stratum(mut spec: NetSpec, options: &UpOptions, claims: &mut PortClaims) -> Result<NetSpec, NetError> {
    if !options.stratum {
        return Ok(spec);
    }
    if spec.engine == EngineName::Pbft {
        return Err(no_miners());
    }
    // So that none of the net's own is taken for free.
    refresh_ports(&mut spec, claims)?;
    let first = options.base_port.map(|base| usize::from(base) + 2 * spec.count());
    for (index, member) in spec.members.iter_mut().enumerate().filter(|(_, member)| member.stratum_port.is_none()) {
        member.stratum_port = Some(match first {
            None => claims.claim_any()?,
            Some(first) => claim_wanted(first + index, claims)?,
        });
    }
    spec.write(&options.dir)?;
    Ok(spec)
}

fn no_miners() -> NetError {
    NetError::Usage("--stratum: there is no mining under PBFT; it goes with --engine pow".to_owned())
}

fn check_same(spec: &NetSpec, options: &UpOptions) -> Result<(), NetError> {
    fn same<T: PartialEq + std::fmt::Display>(
        spec: &NetSpec,
        name: &str,
        was: T,
        now: Option<T>,
    ) -> Result<(), NetError> {
        match now {
            Some(now) if now != was => Err(NetError::OtherOptions {
                net: spec.net.clone(),
                was: format!("{name} {was}"),
                now: format!("{name} {now}"),
            }),
            Some(_) | None => Ok(()),
        }
    }
    same(spec, "--engine", spec.engine, options.engine)?;
    same(spec, "--nodes", spec.nodes, options.nodes)?;
    same(spec, "--observers", spec.observers, options.observers)?;
    same(spec, "--seed", spec.seed, options.seed)?;
    same(spec, "--block-time (ms)", spec.block_time_ms, options.block_time_ms)
}

fn create(options: &UpOptions, claims: &mut PortClaims) -> Result<NetSpec, NetError> {
    let dir = &options.dir;
    let engine = options.engine.unwrap_or(EngineName::Pbft);
    let (nodes, observers) = (options.nodes.unwrap_or(NODES_DEFAULT), options.observers.unwrap_or(0));
    let block_time_ms = options.block_time_ms.unwrap_or(match engine {
        EngineName::Pbft => 0,
        EngineName::Pow => 2_000,
    });
    let seed = options.seed.unwrap_or(1);
    let keys: Vec<NodeKeys> = (0..nodes + observers).map(|_| NodeKeys::fresh()).collect();
    let voters: Vec<PublicKey> = keys[..nodes].iter().map(|keys| keys.validator.public()).collect();
    let mut genesis = genesis(engine, &voters, block_time_ms, seed);
    options.staging.apply(&mut genesis);
    genesis.check().map_err(|error| NetError::Usage(error.to_string()))?;
    let [p2p_ports, rpc_ports] = choose_ports(nodes + observers, options.base_port, claims)?;
    let members = keys.iter().enumerate().map(|(index, keys)| NodeSpec {
        peer_id: bezant_api::peer_id::of_ed25519(&keys.identity.public()),
        validator: (engine == EngineName::Pbft && index < nodes).then(|| keys.validator.public().to_string()),
        p2p_port: p2p_ports[index],
        rpc_port: rpc_ports[index],
        stratum_port: None,
    });
    let spec = NetSpec {
        version: 1,
        net: options.net.clone(),
        engine,
        nodes,
        observers,
        block_time_ms,
        seed,
        dev_token: hex::encode(random_bytes::<16>()),
        clock_offset_ms: 0,
        last_alive_ms: now_ms(),
        members: members.collect(),
        incarnation: 0,
        set_backs: Vec::new(),
        hosts: Vec::new(),
        scenario: options.staging.scenario.clone(),
    };
    let text = bezant_api::genesis::to_toml(&genesis);
    let path = dir.join(GENESIS_FILE);
    std::fs::write(&path, text).map_err(NetError::io(path))?;
    write_wallets(dir, seed)?;
    for (index, keys) in keys.iter().enumerate() {
        let node = node_dir(dir, index);
        std::fs::create_dir_all(node.join("data")).map_err(NetError::io(&node))?;
        write_private(&node.join("data").join("node.key"), keyfile::text(&keys.identity, None).as_bytes())?;
        if spec.members[index].validator.is_some() {
            write_key(&node.join("validator.key"), &keys.validator)?;
        }
    }
    // Last: a net without its spec is half made and is made again.
    spec.write(dir)?;
    Ok(spec)
}

struct NodeKeys {
    identity: SigningKey,
    validator: SigningKey,
}

impl NodeKeys {
    /// Always fresh, so that old votes never verify on a new net; the seed fixes accounts only.
    fn fresh() -> NodeKeys {
        let key = || SigningKey::from_seed(&random_bytes());
        NodeKeys { identity: key(), validator: key() }
    }
}

/// Writes the accounts' wallets.
///
/// # Errors
/// When the system refuses.
pub(crate) fn write_wallets(dir: &Path, seed: u64) -> Result<(), NetError> {
    let wallets = dir.join("wallets");
    std::fs::create_dir_all(&wallets).map_err(NetError::io(&wallets))?;
    bezant_wallet::keys::dev::write_wallets(&wallets, seed)
        .map_err(|error| NetError::Damaged { path: wallets, reason: error.to_string() })
}

/// The libp2p ports and the RPC ports of `count` nodes: from `base` on, or free ones.
fn choose_ports(count: usize, base: Option<u16>, claims: &mut PortClaims) -> Result<[Vec<u16>; 2], NetError> {
    let mut ports = [Vec::new(), Vec::new()];
    for index in 0..count {
        for (offset, list) in ports.iter_mut().enumerate() {
            list.push(match base.map(|base| usize::from(base) + 2 * index + offset) {
                None => claims.claim_any()?,
                Some(wanted) => claim_wanted(wanted, claims)?,
            });
        }
    }
    Ok(ports)
}

/// A port that somebody asked for by its number.
fn claim_wanted(wanted: usize, claims: &mut PortClaims) -> Result<u16, NetError> {
    let port = u16::try_from(wanted).map_err(|_| NetError::Usage(format!("--base-port: port {wanted} is too high")))?;
    claims.claim(port).map_err(|error| {
        NetError::Usage(format!(
            "port {port} cannot be used ({error}); choose another with --base-port, or none for free ones"
        ))
    })?;
    Ok(port)
}

/// Claims the net's ports, and replaces those that something else took while the net was down; the net's own addresses are
/// written anew with them.
///
/// # Errors
/// When no free port is found.
pub fn refresh_ports(spec: &mut NetSpec, claims: &mut PortClaims) -> Result<(), NetError> {
    for member in &mut spec.members {
        for port in [&mut member.p2p_port, &mut member.rpc_port].into_iter().chain(&mut member.stratum_port) {
            if claims.claim(*port).is_err() {
                *port = claims.claim_any()?;
            }
        }
    }
    Ok(())
}
