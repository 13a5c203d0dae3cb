//! What a seed makes of a net before its first event: genesis, nodes, links, and the plan of what users do.

use crate::sim::dice::Dice;
use crate::sim::disk::Disk;
use crate::sim::epochs::{self, Plan};
use crate::sim::load::{self, Accounts};
use crate::sim::lying::{self, Lying};
use crate::sim::network::Network;
use crate::sim::node::Node;
use crate::sim::options::{Fault, SimEngine, SimOptions};
use crate::sim::plant::Plant;
use bezant_consensus::engine::{EngineConfig, VoteLog};
use bezant_consensus::incarnations::Incarnations;
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::genesis::{
    Difficulty, EngineParams, GENESIS_VERSION, Genesis, LedgerParams, PbftParams, PowParams,
};
use bezant_consensus::ledger::key::SigningKey;
use bezant_consensus::ledger::lock::Lock;
use bezant_consensus::verify::Verifier;
use bezant_node_core::limits::COMPACT_ABOVE;
use bezant_node_core::{MempoolConfig, ReplicaConfig};
use std::sync::Arc;

/// Second of the genesis block.
pub(crate) const GENESIS_TIME_S: u32 = 1_750_000_000;
/// How long a view has at most, however many have failed.
pub(crate) const VIEW_TIMEOUT_MS_MAX: u32 = 60_000;
/// How long a view has at least, in one net or another: where it is short, honest primaries are replaced too.
const VIEW_TIMEOUTS_MS: [u32; 4] = [500, 1_000, 2_000, 2_000];
/// Sets the draw of these apart from all others.
const VIEW_TIMEOUT_SEED: u64 = 0x7469_6d65;
/// Sets the draw of whether the transactions of all proposals are named apart from all others.
const NAMED_SEED: u64 = 0x6e61_6d65;
/// By how much two clocks differ at most.
const SKEW_MS_MAX: u64 = 1_500;
/// Proof of work: how far ahead of a clock a header may be, in one net or another. Clocks differ by no more.
const FUTURES_S: [u32; 3] = [5, 120, 7_200];
/// A target that takes 256 hashes: real nonces, found in no time.
pub(crate) const POW_BITS: u32 = 0x2000_ffff;
pub(crate) const POW_HASHES: u64 = 256;

/// A world about to begin.
pub(crate) struct Setup {
    pub(crate) genesis: Arc<Genesis>,
    pub(crate) verifier: Verifier,
    pub(crate) nodes: Vec<Node>,
    pub(crate) network: Network,
    pub(crate) planned: Vec<load::Planned>,
    pub(crate) lying: Vec<Lying>,
    pub(crate) epochs: Option<Plan>,
    /// When the faults end.
    pub(crate) heal_ms: u64,
    /// Proposals with more transactions than this name them.
    pub(crate) whole_max: usize,
    /// How long a disk takes to make something durable, at most.
    pub(crate) disk_ms_max: u64,
    /// How long chain updates wait to be flushed, at most.
    pub(crate) flush_ms_max: u64,
}

pub(crate) fn set_up(options: &SimOptions, seed: u64, dice: &mut Dice) -> Setup {
    let accounts = Accounts::new(dice);
    let count = options.nodes_of(seed);
    let keys: Vec<SigningKey> = (0..count).map(|_| SigningKey::from_seed(&dice.bytes())).collect();
    let view_timeout_ms = VIEW_TIMEOUTS_MS[Dice::new(seed ^ VIEW_TIMEOUT_SEED).index(VIEW_TIMEOUTS_MS.len())];
    let mut genesis = genesis(options, view_timeout_ms, &accounts, &keys, dice);
    let epochs = epochs::draw(options, seed, count);
    if let (Some(plan), EngineParams::Pbft(params)) = (&epochs, &mut genesis.engine) {
        plan.set_params(params);
        genesis.members = plan.genesis.iter().map(|node| keys[*node].public()).collect();
    }
    let genesis = Arc::new(genesis);
    genesis.check().expect("the simulator makes a valid genesis");
    let verifier = Verifier::new(genesis.clone());
    let heal_ms = if options.faults.iter().next().is_some() { dice.between(8_000, 25_000) } else { 8_000 };
    let planned = load::plan(&genesis, &verifier, &accounts, count, heal_ms, dice);
    let lying = lying::draw(options, seed, &genesis, &keys, &planned, heal_ms, epochs.as_ref());
    let network = Network::new(count, options.faults, dice);
    let pace = dice.between(1, if options.engine == SimEngine::Pow { 6 } else { 3 });
    let (mut nodes, skews) = (Vec::new(), skew_ms_max(options, &genesis, dice));
    for key in keys {
        nodes.push(node(options, count, &genesis, key, skews, dice));
    }
    spread_hash_power(&mut nodes, &genesis, pace, dice);
    // Some seeds have a slow disk, some flush rarely: then a crash forgets much.
    let disk_ms_max = [0, 5, 40][dice.index(3)];
    let flush_ms_max = [200, 2_000, 20_000][dice.index(3)];
    // Blocks are small here: where all are named, members that lack what is named must fetch it.
    let whole_max = if Dice::new(seed ^ NAMED_SEED).chance(500) { 0 } else { COMPACT_ABOVE };
    Setup { genesis, verifier, nodes, network, planned, lying, epochs, heal_ms, whole_max, disk_ms_max, flush_ms_max }
}

fn node(
    options: &SimOptions,
    count: usize,
    genesis: &Arc<Genesis>,
    key: SigningKey,
    skew_ms_max: u64,
    dice: &mut Dice,
) -> Node {
    let pow = options.engine == SimEngine::Pow;
    let payee = pow.then(|| Lock::Key(key.public()).hash());
    let engine = EngineConfig {
        genesis: genesis.clone(),
        key: (!pow).then_some(key),
        payee,
        log: VoteLog::Original,
        incarnations: Incarnations::default(),
        mine: pow,
        work_min: Default::default(),
        salt: [0; 32],
    };
    let config = ReplicaConfig { engine, mempool: MempoolConfig::default() };
    let plant = match options.plant {
        Some(Plant::Shell(plant)) => Some(plant),
        Some(Plant::Engine(_)) | None => None,
    };
    let skew_ms = if options.faults.has(Fault::Clock) { dice.between(0, skew_ms_max) } else { 0 };
    let node = Node::new(config, Disk::new(genesis, plant), count, skew_ms);
    // Was once the speed of its miner, and goes on being drawn so that seeds of PBFT stay the runs they were.
    if !pow {
        dice.below(1);
    }
    node
}

/// By how much two clocks of this net differ at most: a little, or nearly as much as the rules bear.
fn skew_ms_max(options: &SimOptions, genesis: &Genesis, dice: &mut Dice) -> u64 {
    match genesis.pow() {
        Some(params) if options.faults.has(Fault::Clock) && dice.chance(500) => u64::from(params.future_s) * 1_000,
        Some(_) | None => SKEW_MS_MAX,
    }
}

/// Together the nodes find `pace` blocks in each spacing, so that the target moves where it may. Who has how much of the hash
/// power is drawn exponentially: a few have most of it, as in the world.
fn spread_hash_power(nodes: &mut [Node], genesis: &Genesis, pace: u64, dice: &mut Dice) {
    let Some(params) = genesis.pow() else { return };
    let all_milli = POW_HASHES * pace * 1_000 / u64::from(params.spacing_s);
    let weights: Vec<u64> = nodes.iter().map(|_| 20 + dice.exponential(1_000)).collect();
    let sum: u64 = weights.iter().sum();
    for (node, weight) in nodes.iter_mut().zip(weights) {
        node.hash_rate_milli = (all_milli * weight / sum).max(1);
    }
}

/// Some targets follow the hash power within seconds, others hardly move in the time of a run.
fn half_life_s(drawn: u64) -> u32 {
    if drawn < 150 { 3 + drawn as u32 / 10 } else { drawn as u32 }
}

fn genesis(
    options: &SimOptions,
    view_timeout_ms: u32,
    accounts: &Accounts,
    keys: &[SigningKey],
    dice: &mut Dice,
) -> Genesis {
    let pow = options.engine == SimEngine::Pow;
    let dev = dice.chance(500);
    let difficulty = if dice.chance(500) {
        Difficulty::Fixed
    } else {
        Difficulty::Asert { half_life_s: half_life_s(dice.below(300)) }
    };
    let engine = if pow {
        let final_depth = dice.between(1, 6) as u32;
        // Where it is small, partitions soon make more blocks than may be undone.
        let max_reorg = match dice.below(10) {
            0..=3 => final_depth + dice.below(4) as u32,
            4..=5 => dice.between(10, 30) as u32,
            _ => 1_000,
        };
        EngineParams::Pow(PowParams {
            spacing_s: dice.between(1, 2) as u32,
            bits: POW_BITS,
            difficulty,
            final_depth,
            max_reorg,
            future_s: FUTURES_S[dice.index(FUTURES_S.len())],
        })
    } else {
        // Who was away is far behind only where blocks come by themselves.
        let is_quick = options.faults.has(Fault::Absence) && dice.chance(250);
        let block_time_ms = match (is_quick, dice.chance(300)) {
            (true, _) => dice.between(200, 500) as u32,
            (false, true) => dice.between(300, 3_000) as u32,
            (false, false) => 0,
        };
        EngineParams::Pbft(PbftParams {
            depth: dice.between(1, 8) as u16,
            checkpoint_interval: if dice.chance(600) { dice.between(1, 6) as u32 } else { 64 },
            view_timeout_ms,
            view_timeout_max_ms: VIEW_TIMEOUT_MS_MAX,
            drift_s: 10,
            block_time_ms,
            readmit_interval: 100,
        })
    };
    Genesis {
        version: GENESIS_VERSION,
        salt: dice.bytes(),
        time: GENESIS_TIME_S,
        dev,
        engine,
        ledger: LedgerParams {
            block_bytes_max: if dice.chance(300) { 10_000 } else { 1_000_000 },
            coinbase_maturity: 10,
            subsidy: if pow { Amount::from_grains(5_000_000_000).expect("50 BZT") } else { Amount::ZERO },
            // A subsidy that never ends is for dev nets only.
            halving_interval: if !dev || dice.chance(300) { 20 } else { 0 },
            relay_fee_rate_min: 1_000,
        },
        members: if pow { Vec::new() } else { keys.iter().map(SigningKey::public).collect() },
        allocations: accounts.allocations(),
    }
}
