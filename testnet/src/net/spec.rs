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

use crate::net::error::NetError;
use crate::net::ports::PortClaims;
use crate::net::supervisor::{self, RestartPolicy};
use bezant_api::config::{
    DevConfig, DevSetBack, LogConfig, MinerConfig, NodeConfig, P2pConfig, RpcConfig, StratumConfig, SyncConfig,
};
use bezant_api::home::MARKER_FILE;
use bezant_api::keyfile;
use bezant_api::types::EngineName;
use bezant_consensus::incarnations::{Incarnations, SetBack, SetBackError};
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::genesis::{
    Difficulty, EngineParams, GENESIS_VERSION, Genesis, LedgerParams, PbftParams, PowParams,
};
use bezant_consensus::ledger::key::{PublicKey, SigningKey};
use bezant_consensus::ledger::lock::Lock;
use bezant_consensus::ledger::target::{Target, U320};
use bezant_consensus::ledger::transaction::{OutPoint, Output};
use bezant_consensus::ledger::units::{Height, Incarnation};
use bezant_consensus::limits::GRAINS_PER_BZT;
use bezant_consensus::receipt::SetBacks;
use rand::RngExt;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Holds the [`NetSpec`].
pub const SPEC_FILE: &str = "net.json";
/// Holds the genesis.
pub const GENESIS_FILE: &str = "genesis.toml";
/// Nodes of one net, at most.
pub const NODES_MAX: usize = 64;
/// Nodes that vote or mine, unless told otherwise.
const NODES_DEFAULT: usize = 4;
/// Hashes per second of each node's miner by default: four of them take a few hundredths of a core.
pub const HASHRATE_DEFAULT: u64 = 50_000;
/// Coins per account in genesis, so that transfers from one account need not wait for each other's change.
const COINS_PER_ACCOUNT: u64 = 10;
/// Grains in each of those coins.
const COIN_GRAINS: u64 = 100_000 * GRAINS_PER_BZT;
/// Coins of the faucet, which also funds the load generator's accounts.
const FAUCET_COINS: u64 = 50;

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

/// What is different in the genesis of a net that is made for a scenario; nothing by default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Staging {
    /// The scenario, which the net's files name from then on.
    pub scenario: Option<String>,
    /// PBFT: how long a view has at least.
    pub view_timeout_ms: Option<u32>,
    /// PBFT: blocks from one checkpoint to the next.
    pub checkpoint_interval: Option<u32>,
    /// Proof of work: confirmations after which a block counts as final.
    pub final_depth: Option<u32>,
    /// Proof of work: how deep a branch may fork off and still be followed.
    pub max_reorg: Option<u32>,
    /// Further first coins, behind all others.
    pub coins: Vec<Output>,
}

impl Staging {
    fn apply(&self, genesis: &mut Genesis) {
        match &mut genesis.engine {
            EngineParams::Pbft(params) => {
                params.view_timeout_ms = self.view_timeout_ms.unwrap_or(params.view_timeout_ms);
                params.checkpoint_interval = self.checkpoint_interval.unwrap_or(params.checkpoint_interval);
            }
            EngineParams::Pow(params) => {
                params.final_depth = self.final_depth.unwrap_or(params.final_depth);
                params.max_reorg = self.max_reorg.unwrap_or(params.max_reorg).max(params.final_depth);
            }
        }
        genesis.allocations.extend(self.coins.iter().cloned());
    }
}

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

/// Makes the net that was asked for, with its ports claimed, or opens the one that is there. The caller holds the net's lock.
///
/// # Errors
/// When the directory is not ours, holds a net with other options, or cannot be written.
pub fn open_or_create(options: &UpOptions, claims: &mut PortClaims) -> Result<NetSpec, NetError> {
    let dir = &options.dir;
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
    if options.stratum && engine == EngineName::Pbft {
        return Err(no_miners());
    }
    if nodes == 0 || nodes.saturating_add(observers) > NODES_MAX {
        return Err(too_many());
    }
    let block_time_ms = options.block_time_ms.unwrap_or(match engine {
        EngineName::Pbft => 0,
        EngineName::Pow => 2_000,
    });
    if engine == EngineName::Pow && (block_time_ms == 0 || !block_time_ms.is_multiple_of(1_000)) {
        return Err(NetError::Usage("--block-time: whole seconds are needed under proof of work, like 2s".to_owned()));
    }
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

/// The key of the faucet: funds `faucet` and the load generator, apart from the named accounts.
#[must_use]
pub fn faucet_key(seed: u64) -> SigningKey {
    use bezant_consensus::ledger::hash::tagged;
    SigningKey::from_seed(&tagged("bezant/testnet-faucet", &[&seed.to_le_bytes()]))
}

/// The genesis of a dev net, of now and with fresh salt.
fn genesis(engine: EngineName, voters: &[PublicKey], block_time_ms: u64, seed: u64) -> Genesis {
    let time = u32::try_from(now_ms() / 1_000).unwrap_or(u32::MAX);
    dev_genesis(engine, voters, block_time_ms, seed, time, random_bytes())
}

/// What a scenario's net in virtual time begins with: as [`genesis`], but that nothing of it is fresh.
pub(crate) fn staged_genesis(
    engine: EngineName,
    voters: &[PublicKey],
    block_time_ms: u64,
    seed: u64,
    time: u32,
    staging: &Staging,
) -> Genesis {
    let mut genesis = dev_genesis(engine, voters, block_time_ms, seed, time, [0; 32]);
    staging.apply(&mut genesis);
    genesis
}

fn dev_genesis(
    engine: EngineName,
    voters: &[PublicKey],
    block_time_ms: u64,
    seed: u64,
    time: u32,
    salt: [u8; 32],
) -> Genesis {
    let coin = |key: &SigningKey| Output {
        amount: Amount::from_grains(COIN_GRAINS).expect("100000 BZT is an amount"),
        lock: Lock::Key(key.public()).hash(),
    };
    let accounts = bezant_wallet::keys::dev::accounts(seed);
    let funded = accounts.iter().flat_map(|account| (0..COINS_PER_ACCOUNT).map(|_| coin(&account.key)));
    let faucet = faucet_key(seed);
    let allocations = funded.chain((0..FAUCET_COINS).map(|_| coin(&faucet))).collect();
    let is_pow = engine == EngineName::Pow;
    let params = match engine {
        EngineName::Pbft => EngineParams::Pbft(PbftParams {
            // On one machine a quorum answers within milliseconds; the timer lengthens itself when it does not.
            view_timeout_ms: 300,
            block_time_ms: u32::try_from(block_time_ms).unwrap_or(u32::MAX),
            ..bezant_api::genesis::pbft_defaults()
        }),
        EngineName::Pow => EngineParams::Pow(pow_params(voters.len(), block_time_ms)),
    };
    Genesis {
        version: GENESIS_VERSION,
        salt,
        time,
        dev: true,
        engine: params,
        ledger: LedgerParams {
            block_bytes_max: 1_000_000,
            coinbase_maturity: if is_pow { 10 } else { 0 },
            subsidy: Amount::from_grains(if is_pow { 50 * GRAINS_PER_BZT } else { 0 }).expect("50 BZT is an amount"),
            halving_interval: if is_pow { 50_000 } else { 0 },
            relay_fee_rate_min: 1_000,
        },
        members: if is_pow { Vec::new() } else { voters.to_vec() },
        allocations,
    }
}

/// The first target is what the default miners together meet once per spacing.
fn pow_params(miners: usize, block_time_ms: u64) -> PowParams {
    let spacing_s = u32::try_from(block_time_ms / 1_000).unwrap_or(u32::MAX).max(1);
    let hashes = U320::from(HASHRATE_DEFAULT) * U320::from(miners as u64) * U320::from(spacing_s);
    let target = Target::from_value((U320::from(1) << 256usize) / hashes - U320::from(1));
    PowParams {
        spacing_s,
        bits: target.expect("a few hashes make a target").to_compact(),
        difficulty: Difficulty::Asert { half_life_s: spacing_s.saturating_mul(20) },
        final_depth: 6,
        max_reorg: 1_000,
        future_s: 7_200,
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

/// `TXID:N`.
pub(super) fn parse_outpoint(text: &str) -> Option<OutPoint> {
    let (txid, index) = text.split_once(':')?;
    Some(OutPoint { txid: txid.parse().ok()?, index: index.parse().ok()? })
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

/// Who a node's blocks pay: a key of its own, derived from its identity, so that the dashboard tells miners apart.
#[must_use]
pub fn miner_payee(spec: &NetSpec, index: usize) -> String {
    use bezant_consensus::ledger::hash::tagged;
    let seed = tagged("bezant/testnet-miner", &[&spec.seed.to_le_bytes(), &(index as u64).to_le_bytes()]);
    Lock::Key(SigningKey::from_seed(&seed).public()).hash().to_string()
}
