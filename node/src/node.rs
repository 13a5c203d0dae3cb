//! Starting a node from its configuration, and stopping it in order.

use crate::clock::Clock;
use crate::error::NodeError;
use crate::handle::{NodeHandle, Readers, Room, Shared};
use crate::keys;
use crate::limits::{REQUESTS_MAX, SAVE_INTERVAL_MS};
use crate::metrics::Metrics;
use crate::net::{self, NetSetup};
use crate::offers;
use crate::pool_file::POOL_FILE;
use crate::ports::Network;
use crate::rpc::{self, RpcSetup};
use crate::runtime::{self, MiningSetup, Setup, signals};
use crate::store::{self, StoreError};
use crate::stratum::{self, StratumSetup};
use crate::verify_pool::VerifyPool;
use bezant_api::config::{ConfigError, DevSetBack, NodeConfig, ReadyLine};
use bezant_api::{address, genesis};
use bezant_consensus::engine::{EngineConfig, VoteLog};
use bezant_consensus::incarnations::{Incarnations, SetBack};
use bezant_consensus::ledger::genesis::Genesis;
use bezant_consensus::ledger::hash::LockHash;
use bezant_consensus::ledger::target::Work;
use bezant_consensus::ledger::units::{Height, Incarnation};
use bezant_consensus::verify::Verifier;
use bezant_node_core::{MempoolConfig, ReplicaConfig};
use std::future::Future;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// Runs a node until `shutdown` completes, standard input ends (if `dev.stop_with_stdin` is set), or something fails. Once RPC
/// and network listen, one line of JSON on standard output says where ([`ReadyLine`]).
///
/// # Errors
/// When the node cannot start, or a part of it fails; what was reported final is kept in any case.
pub async fn run(config: NodeConfig, shutdown: impl Future<Output = ()>) -> Result<(), NodeError> {
    run_until(config, Box::pin(shutdown)).await
}

/// Boxed, so that a node is compiled here, not into each program that awaits one.
fn run_until<'a>(
    config: NodeConfig,
    shutdown: Pin<Box<dyn Future<Output = ()> + 'a>>,
) -> Pin<Box<dyn Future<Output = Result<(), NodeError>> + 'a>> {
    Box::pin(started(config, shutdown))
}

async fn started(config: NodeConfig, shutdown: Pin<Box<dyn Future<Output = ()> + '_>>) -> Result<(), NodeError> {
    if config.dev.stop_with_stdin {
        signals::wake_when_parent_dies();
    }
    let mut node = Node::start(config).await?;
    print_ready(&node.ready)?;
    let stdin_ended = stdin_end(node.stop_with_stdin);
    tokio::select! {
        () = shutdown => tracing::info!("stopping"),
        () = stdin_ended => tracing::info!("standard input ended; stopping"),
        result = &mut node.ended => return node.clean_up(result.unwrap_or(Err(NodeError::Ended("the runtime")))).await,
        _ = &mut node.net_task => return node.stop(Err(NodeError::Ended("the network"))).await,
        _ = &mut node.rpc_task => return node.stop(Err(NodeError::Ended("the RPC server"))).await,
        () = ended(&mut node.stratum_task) => return node.stop(Err(NodeError::Ended("the Stratum server"))).await,
    }
    node.stop(Ok(())).await
}

/// A running node with all its parts.
#[derive(Debug)]
pub struct Node {
    /// What may be asked of it.
    pub handle: NodeHandle,
    /// Where it listens.
    pub ready: ReadyLine,
    stop_with_stdin: bool,
    stop_core: watch::Sender<bool>,
    stop_outside: watch::Sender<bool>,
    ended: oneshot::Receiver<Result<(), NodeError>>,
    net_task: tokio::task::JoinHandle<()>,
    rpc_task: tokio::task::JoinHandle<()>,
    stratum_task: Option<tokio::task::JoinHandle<()>>,
}

impl Node {
    /// Starts everything; returns once RPC and network listen.
    ///
    /// # Errors
    /// What cannot be used or started.
    pub async fn start(config: NodeConfig) -> Result<Node, NodeError> {
        config.check()?;
        let (genesis_toml, genesis) = read_genesis(&config.genesis)?;
        check_dev(&config, &genesis)?;
        let mut engine = engine_config(&config, genesis.clone())?;
        let validator = engine.key.clone();
        let metrics = Arc::new(Metrics::new());
        let mut opened = open_store(&config, genesis.clone(), metrics.clone()).await?;
        if let Some(path) = &config.validator_key {
            engine.log = keys::vote_log(path, &mut opened.facts)?;
        }
        let identity = keys::node_identity(&config.data_dir)?;
        let (stop_outside, shutdown) = watch::channel(false);
        let setup = NetSetup {
            genesis: genesis.clone(),
            config: config.p2p.clone(),
            identity,
            validator,
            metrics: metrics.clone(),
            shutdown: shutdown.clone(),
        };
        let (network, net_task) = net::start(setup).await?;
        let (peer_id, addresses) = (network.peer_id.to_string(), network.addresses.clone());
        let parts = CoreParts {
            engine,
            genesis_toml,
            opened,
            network,
            metrics,
            data_dir: config.data_dir.clone(),
            clock: Clock::new(config.dev.clock_offset_ms),
            miner: miner_config(&config, &genesis),
            mines: config.miner.enabled,
            needs_peers: !config.p2p.peers.is_empty(),
            save_pause: Duration::from_millis(SAVE_INTERVAL_MS),
        };
        let Core { handle, stop: stop_core, ended } = parts.start()?;
        let dev_token = config.dev.token.clone().filter(|_| genesis.dev);
        let rpc_shutdown = shutdown.clone();
        let setup = RpcSetup { config: config.rpc.clone(), dev_token, handle: handle.clone(), shutdown: rpc_shutdown };
        let (rpc_address, rpc_task) = rpc::start(setup).await?;
        let (stratum_address, stratum_task) = match config.stratum.listen {
            Some(listen) => {
                let difficulty = config.stratum.difficulty;
                let setup = StratumSetup { listen, difficulty, handle: handle.clone(), shutdown };
                let (address, task) = stratum::start(setup).await?;
                tracing::info!(%address, "miners are served by Stratum");
                (Some(address.to_string()), Some(task))
            }
            None => (None, None),
        };
        let rpc = format!("http://{rpc_address}");
        let ready = ReadyLine { rpc, p2p: addresses, peer_id, stratum: stratum_address };
        tracing::info!(name = config.name, rpc = ready.rpc, peer_id = ready.peer_id, "the node is ready");
        let stop_with_stdin = config.dev.stop_with_stdin;
        Ok(Node { handle, ready, stop_with_stdin, stop_core, stop_outside, ended, net_task, rpc_task, stratum_task })
    }

    /// Stops in order: the runtime with its last flush first, so that RPC can still say that the node is stopping; then RPC and
    /// network. Returns `result`, or what went wrong in stopping.
    ///
    /// # Errors
    /// As given, or when the last flush failed.
    pub async fn stop(mut self, result: Result<(), NodeError>) -> Result<(), NodeError> {
        self.stop_core.send_replace(true);
        let stopped = (&mut self.ended).await.unwrap_or(Err(NodeError::Ended("the runtime")));
        self.clean_up(result.and(stopped)).await
    }

    async fn clean_up(self, result: Result<(), NodeError>) -> Result<(), NodeError> {
        self.stop_outside.send_replace(true);
        drop(self.handle);
        for task in [self.rpc_task, self.net_task].into_iter().chain(self.stratum_task) {
            if !task.is_finished() {
                // A panic of the task has been printed; the node is stopping anyway.
                let _ = task.await;
            }
        }
        result
    }
}

/// What the inside of a node is made of: runtime, store and verification, without RPC and with any network.
#[derive(Debug)]
pub(crate) struct CoreParts {
    pub(crate) engine: EngineConfig,
    pub(crate) genesis_toml: String,
    pub(crate) opened: store::Opened,
    pub(crate) network: Network,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) data_dir: PathBuf,
    pub(crate) clock: Clock,
    pub(crate) miner: Option<bezant_miner::MinerConfig>,
    /// Whether the miner searches all the time.
    pub(crate) mines: bool,
    pub(crate) needs_peers: bool,
    /// Least time between two writings of the mempool.
    pub(crate) save_pause: Duration,
}

/// The running inside.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) handle: NodeHandle,
    pub(crate) stop: watch::Sender<bool>,
    pub(crate) ended: oneshot::Receiver<Result<(), NodeError>>,
}

impl CoreParts {
    pub(crate) fn start(self) -> Result<Core, NodeError> {
        let thread_error = |error: std::io::Error| NodeError::File { path: self.data_dir.clone(), error };
        let genesis = self.engine.genesis.clone();
        let (ask, requests) = mpsc::channel(REQUESTS_MAX);
        let (stop, stopping) = watch::channel(false);
        let Network { peer_id, commands, mut events, .. } = self.network;
        let verifier = Verifier::new(genesis.clone());
        let pool = VerifyPool::new(verifier, commands.clone(), self.metrics.clone());
        let (pool, arrivals) = pool.map_err(thread_error)?;
        let (board, offers) = offers::channel();
        let pump = pool.clone();
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                pump.push(event);
            }
        });
        let restored = ask.clone();
        let room = Arc::new(Room::default());
        let shared = Shared {
            requests: ask,
            room: room.clone(),
            pool: pool.clone(),
            readers: Readers::new(self.data_dir.clone()),
            barrier: self.opened.state.barrier(),
            genesis,
            genesis_toml: self.genesis_toml,
            offers,
            metrics: self.metrics.clone(),
        };
        let setup = Setup {
            config: ReplicaConfig { mempool: mempool_config(&self.engine), engine: self.engine },
            opened: self.opened,
            clock: self.clock,
            metrics: self.metrics,
            room,
            peer_id,
            arrivals,
            commands,
            pool,
            requests,
            mining: MiningSetup { miner: self.miner, always: self.mines, offers: board },
            needs_peers: self.needs_peers,
            save_pause: self.save_pause,
            pool_file: self.data_dir.join(POOL_FILE),
            restored,
            stop: stopping,
        };
        let ended = runtime::spawn(setup).map_err(thread_error)?;
        Ok(Core { handle: NodeHandle::new(shared), stop, ended })
    }
}

fn mempool_config(engine: &EngineConfig) -> MempoolConfig {
    let seed = u64::from_le_bytes(std::array::from_fn(|at| engine.salt[at]));
    MempoolConfig { seed, ..MempoolConfig::default() }
}

pub(crate) fn read_genesis(path: &Path) -> Result<(String, Arc<Genesis>), NodeError> {
    let text = std::fs::read_to_string(path).map_err(|error| NodeError::File { path: path.to_owned(), error })?;
    let genesis =
        genesis::from_toml(&text).map_err(|error| NodeError::Genesis(format!("{}: {error}", path.display())))?;
    Ok((text, Arc::new(genesis)))
}

pub(crate) async fn open_store(
    config: &NodeConfig,
    genesis: Arc<Genesis>,
    metrics: Arc<Metrics>,
) -> Result<store::Opened, NodeError> {
    let (dir, rpc_listen) = (config.data_dir.clone(), config.rpc.listen);
    let open = move || {
        signals::ignore_file_size_signal();
        // First whether this very node runs already, then what is quickly found out, then what may take long.
        let lock = store::lock(&dir)?;
        rpc::check_free(rpc_listen)?;
        Ok(store::open_locked(lock, &dir, &genesis, metrics)?)
    };
    let opened = tokio::task::spawn_blocking(open).await;
    opened.unwrap_or(Err(StoreError::WriterStopped.into()))
}

fn config_error(field: &str, problem: impl Into<String>) -> NodeError {
    ConfigError { field: field.to_owned(), problem: problem.into() }.into()
}

/// Settings that only dev nets allow.
fn check_dev(config: &NodeConfig, genesis: &Genesis) -> Result<(), NodeError> {
    let set = [
        ("dev.token", config.dev.token.is_some()),
        ("dev.clock_offset_ms", config.dev.clock_offset_ms != 0),
        ("dev.set_backs", !config.dev.set_backs.is_empty()),
        ("p2p.mdns", config.p2p.mdns),
    ];
    match set.into_iter().find(|(_, is_set)| *is_set && !genesis.dev) {
        Some((field, _)) => Err(config_error(field, "the genesis is not one of a dev net; remove this setting")),
        None => Ok(()),
    }
}

pub(crate) fn engine_config(config: &NodeConfig, genesis: Arc<Genesis>) -> Result<EngineConfig, NodeError> {
    let is_pow = genesis.pow().is_some();
    let key = match &config.validator_key {
        Some(_) if is_pow => {
            return Err(config_error("validator_key", "this is a net of proof of work; remove this setting"));
        }
        Some(path) => Some(keys::read_validator_key(path)?),
        None => None,
    };
    if config.miner.enabled && !is_pow {
        return Err(config_error("miner.enabled", "there is no mining on a PBFT net; remove this setting"));
    }
    if config.stratum.listen.is_some() && !is_pow {
        return Err(config_error("stratum.listen", "there is no mining on a PBFT net; remove this setting"));
    }
    let payee = config.miner.payee.as_ref().map(|text| read_payee(text, &genesis)).transpose()?;
    if config.miner.enabled && payee.is_none() {
        return Err(config_error("miner.payee", "mining needs an address or a lock hash to be paid to"));
    }
    if let Some(key) = &key
        && genesis.validator_set().index_of(&key.public()).is_none()
    {
        tracing::warn!(key = %key.public(), "the validator key is no member's; the node only follows");
    }
    let set_back = |it: &DevSetBack| SetBack { incarnation: Incarnation(it.incarnation), height: Height(it.height) };
    let incarnations = Incarnations::new(config.dev.set_backs.iter().map(set_back).collect())
        .map_err(|error| config_error("dev.set_backs", error.to_string()))?;
    let log = VoteLog::Original;
    let digits = config.sync.work_min.as_deref().unwrap_or("0");
    let work_min = Work::from_hex(digits).ok_or_else(|| config_error("sync.work_min", "hex digits are expected"))?;
    Ok(EngineConfig {
        // Templates are made for the own miner, or for others.
        mine: config.miner.enabled || config.stratum.listen.is_some(),
        genesis,
        key,
        log,
        payee,
        incarnations,
        work_min,
        salt: rand::random(),
    })
}

fn read_payee(text: &str, genesis: &Genesis) -> Result<LockHash, NodeError> {
    match text.parse() {
        Ok(lock) => Ok(lock),
        Err(_) => {
            address::decode(&genesis.network_id(), text).map_err(|error| config_error("miner.payee", error.to_string()))
        }
    }
}

/// A miner runs where it was asked for, and on every dev net of proof of work, for blocks on demand.
fn miner_config(config: &NodeConfig, genesis: &Genesis) -> Option<bezant_miner::MinerConfig> {
    let wanted = genesis.pow().is_some() && (config.miner.enabled || genesis.dev);
    let hashrate_max = (config.miner.hashrate_max > 0).then_some(config.miner.hashrate_max as f64);
    wanted.then_some(bezant_miner::MinerConfig { threads: config.miner.threads as usize, hashrate_max })
}

fn print_ready(ready: &ReadyLine) -> Result<(), NodeError> {
    let line = serde_json::to_string(ready).expect("a ready line has a JSON form");
    let mut stdout = std::io::stdout().lock();
    let written = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
    written.map_err(|error| NodeError::File { path: "standard output".into(), error })
}

/// Completes when a task that there may be ends.
async fn ended(task: &mut Option<tokio::task::JoinHandle<()>>) {
    match task {
        Some(task) => drop(task.await),
        None => std::future::pending().await,
    }
}

/// Completes when standard input ends, if that is wanted; else never.
async fn stdin_end(wanted: bool) {
    if wanted {
        let (ended, wait) = oneshot::channel();
        // A thread of its own, which may be left behind: reading standard input cannot be interrupted.
        let spawned = std::thread::Builder::new().name("bezant-stdin".to_owned()).spawn(move || {
            let mut bytes = [0; 1_024];
            while std::io::stdin().lock().read(&mut bytes).is_ok_and(|count| count > 0) {}
            // The node may have stopped already.
            let _ = ended.send(());
        });
        if spawned.is_ok() && wait.await.is_ok() {
            return;
        }
    }
    std::future::pending().await
}
