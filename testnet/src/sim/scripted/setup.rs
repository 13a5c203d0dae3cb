//! What a scenario's net is before its first event.

use crate::net::spec::{HASHRATE_DEFAULT, staged_genesis};
use crate::scenario::{Index, Scenario, users};
use crate::sim::dice::Dice;
use crate::sim::disk::Disk;
use crate::sim::event::Event;
use crate::sim::load::Planned;
use crate::sim::network::Network;
use crate::sim::node::Node;
use crate::sim::options::{Faults, SimEngine, SimOptions};
use crate::sim::setup::{GENESIS_TIME_S, POW_BITS, POW_HASHES, Setup};
use crate::sim::world::World;
use bezant_api::types::EngineName;
use bezant_consensus::engine::{EngineConfig, VoteLog};
use bezant_consensus::incarnations::Incarnations;
use bezant_consensus::ledger::genesis::{EngineParams, Genesis};
use bezant_consensus::ledger::hash::LockHash;
use bezant_consensus::ledger::key::{PublicKey, SigningKey};
use bezant_consensus::ledger::lock::Lock;
use bezant_consensus::verify::Verifier;
use bezant_node_core::{MempoolConfig, ReplicaConfig};
use std::sync::Arc;

/// Nodes start within this.
const START_MS_MAX: u64 = 300;
/// The referee's first look.
const CHECK_MS: u64 = 1_000;
/// A disk takes so long at most, under PBFT.
const DISK_MS_MAX: u64 = 5;
/// Chain updates wait so long at most to be flushed.
const FLUSH_MS_MAX: u64 = 200;

/// The world, and what its books look up.
pub(super) fn world(scenario: &Scenario, seed: u64) -> (World, Index) {
    let mut dice = Dice::new(seed);
    let net = &scenario.net;
    let (count, is_pow) = (net.count(), net.engine == EngineName::Pow);
    let keys: Vec<SigningKey> = (0..count).map(|_| SigningKey::from_seed(&dice.bytes())).collect();
    let voters: Vec<PublicKey> = keys[..net.nodes].iter().map(SigningKey::public).collect();
    let staging = scenario.staging(users::coins(scenario, seed));
    let mut genesis = staged_genesis(net.engine, &voters, net.block_time_ms, seed, GENESIS_TIME_S, &staging);
    if let EngineParams::Pow(params) = &mut genesis.engine {
        params.bits = POW_BITS;
    }
    let genesis = Arc::new(genesis);
    genesis.check().expect("a scenario that was read has a valid genesis");
    let verifier = Verifier::new(genesis.clone());
    let planned: Vec<Planned> = users::sign(scenario, seed, &genesis)
        .into_iter()
        .zip(&scenario.payments)
        .map(|(transaction, payment)| Planned {
            txid: transaction.id(),
            transaction: verifier.transaction(transaction).expect("users sign what is valid"),
            at_ms: payment.at_ms,
            node: payment.node,
            rival: None,
            accepted: Vec::new(),
            submitted: false,
        })
        .collect();
    let mut index = Index::default();
    index.payments.extend(planned.iter().enumerate().map(|(number, planned)| (planned.txid, number)));
    let mut nodes = Vec::new();
    for (node, key) in keys.into_iter().enumerate() {
        let mines = is_pow && node < net.nodes;
        let payee = Lock::Key(key.public()).hash();
        if mines {
            index.miners.insert(payee, node);
        }
        nodes.push(make_node(&genesis, count, key, payee, mines));
    }
    for node in nodes.iter_mut().filter(|node| node.config.engine.mine) {
        node.hash_rate_milli = milli_rate(&genesis, net.nodes, HASHRATE_DEFAULT);
    }
    let setup = Setup {
        genesis,
        verifier,
        nodes,
        network: Network::perfect(count),
        planned,
        lying: Vec::new(),
        epochs: None,
        heal_ms: 0,
        whole_max: bezant_node_core::limits::COMPACT_ABOVE,
        disk_ms_max: if is_pow { 0 } else { DISK_MS_MAX },
        flush_ms_max: FLUSH_MS_MAX,
    };
    let engine = if is_pow { SimEngine::Pow } else { SimEngine::Pbft };
    let options = SimOptions { engine, nodes: Some(count), seed, faults: Faults::NONE, ..SimOptions::default() };
    let mut world = World::of(setup, options, dice);
    world.stage.is_set = true;
    for node in 0..count {
        let at_ms = world.dice.between(0, START_MS_MAX);
        world.agenda.add(at_ms, Event::Restart { node });
    }
    world.agenda.add(CHECK_MS, Event::Check);
    (world, index)
}

fn make_node(genesis: &Arc<Genesis>, count: usize, key: SigningKey, payee: LockHash, mines: bool) -> Node {
    let is_pow = genesis.pow().is_some();
    let engine = EngineConfig {
        genesis: genesis.clone(),
        key: (!is_pow).then_some(key),
        payee: is_pow.then_some(payee),
        log: VoteLog::Original,
        incarnations: Incarnations::default(),
        mine: mines,
        work_min: Default::default(),
        salt: [0; 32],
    };
    let config = ReplicaConfig { engine, mempool: MempoolConfig::default() };
    Node::new(config, Disk::new(genesis, None), count, 0)
}

/// The speed at which a miner finds as many blocks here as one of so many hashes a second does on a real net, whose first target
/// is what so many miners at the default speed meet once in a spacing.
pub(super) fn milli_rate(genesis: &Genesis, miners: usize, rate: u64) -> u64 {
    let Some(params) = genesis.pow() else { return 0 };
    let all = u128::from(HASHRATE_DEFAULT) * miners as u128 * u128::from(params.spacing_s);
    let milli = u128::from(rate) * u128::from(POW_HASHES) * 1_000 / all;
    u64::try_from(milli).unwrap_or(u64::MAX)
}
