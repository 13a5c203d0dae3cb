//! A few replicas in one place: a queue of messages in an order that the test chooses, links that it cuts, a clock for each
//! replica, and disks that outlive crashes. What is around one engine is in [`super::shell`], the referee that looks at every effect
//! in [`super::referee`]; what tests put in by hand is made in [`super::made`], and what a liar says in [`super::forge`].

use super::disk::{Disk, Reader};
use super::made::account_lock;
use crate::chain::Base;
use crate::chain::snapshot::Switch;
use crate::engine::{Engine, EngineConfig, Event, Fault, Peer, Status, Trace, VoteLog};
use crate::incarnations::Incarnations;
use crate::ledger::amount::Amount;
use crate::ledger::block::Header;
use crate::ledger::genesis::{EngineParams, GENESIS_VERSION, Genesis, LedgerParams, PbftParams, ValidatorSet};
use crate::ledger::hash::{BlockId, TxId};
use crate::ledger::key::SigningKey;
use crate::ledger::transaction::{Output, Transaction};
use crate::ledger::units::{Epoch, Height, Incarnation, Time, View};
use crate::message::{Message, VoteKind};
use crate::pbft::Pbft;
use crate::verify::{Verified, Verifier};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write;
use std::sync::{Arc, Mutex};

/// Seconds since 1970 at which test nets begin.
pub(crate) const START_S: u32 = 1_700_000_000;
/// Coins that the test account has.
pub(crate) const COINS: u32 = 40;
pub(super) const COIN: u64 = 1_000_000;

/// One replica and what belongs to it.
pub(crate) struct Node {
    pub(crate) engine: Option<Pbft>,
    pub(crate) disk: Arc<Mutex<Disk>>,
    pub(crate) mempool: Vec<Transaction>,
    /// Since when what waits has been due.
    pub(super) due: BTreeMap<TxId, Time>,
    /// As primary it never includes these.
    pub(crate) censored: BTreeSet<TxId>,
    /// As primary it holds its proposals back for so long.
    pub(crate) held_ms: u64,
    /// But gives each to one backup at once, to each in turn.
    pub(crate) is_early_in_turn: bool,
    /// Blocks that it called final, by height.
    pub(crate) finals: BTreeMap<Height, BlockId>,
    pub(crate) traces: Vec<Trace>,
    pub(crate) blamed: Vec<(Peer, Fault)>,
    /// Every vote it ever sent.
    pub(super) sent: BTreeSet<(VoteKind, View, Height, BlockId, Epoch)>,
    /// Its key, and what is known of the log of its votes.
    pub(crate) key: SigningKey,
    pub(crate) log: VoteLog,
    /// Checks what comes.
    pub(super) verifier: Verifier,
    /// The members as it knows them.
    pub(crate) set: ValidatorSet,
    /// Heights of the snapshots that it went on from.
    pub(crate) switched: Vec<u64>,
    /// A switch that did not reach the disk.
    pub(crate) unswitched: Option<Switch>,
    /// Whether it may hear and be heard.
    pub(crate) linked: bool,
    /// How far its clock is ahead.
    pub(crate) ahead_ms: u64,
}

/// A message under way.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) message: Message,
}

/// How a test net differs from the usual one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    pub(crate) n: usize,
    pub(crate) followers: usize,
    pub(crate) depth: u16,
    pub(crate) dev: bool,
    pub(crate) block_time_ms: u32,
    /// Whether chain updates reach the disk at once.
    pub(crate) flushes: bool,
    /// The base of the view timer.
    pub(crate) view_timeout_ms: u32,
    pub(crate) checkpoint_interval: u32,
    /// Blocks between two re-admissions of one member.
    pub(crate) readmit_interval: u32,
}

impl Setup {
    pub(crate) fn of(n: usize) -> Setup {
        Setup {
            n,
            followers: 0,
            depth: 4,
            dev: false,
            block_time_ms: 0,
            flushes: true,
            view_timeout_ms: 2_000,
            checkpoint_interval: 100,
            readmit_interval: 1_000,
        }
    }
}

/// The net.
pub(crate) struct World {
    pub(crate) setup: Setup,
    pub(crate) genesis: Arc<Genesis>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) queue: VecDeque<Packet>,
    /// What is held back, and until when.
    pub(super) held: Vec<(Time, Packet)>,
    pub(crate) now: Time,
    /// Links on which everything is lost: from, to.
    pub(crate) cuts: BTreeSet<(usize, usize)>,
    /// What was ever certified on any replica, by height.
    pub(crate) certified: BTreeMap<Height, BlockId>,
    /// The headers of all bodies ever made durable.
    pub(super) headers: BTreeMap<BlockId, Header>,
    /// Consensus messages that were sent, by name.
    pub(crate) counts: BTreeMap<&'static str, usize>,
    /// What happened, for golden transcripts.
    pub(crate) log: String,
    /// Cuts the power of a replica after so many more of its effects; so many `Persist`s after that were pulled forward.
    pub(crate) cut: Option<Cut>,
    /// Whether switches to snapshots wait in [`Node::unswitched`].
    pub(crate) holds_switches: bool,
    /// A replica that hears of no change of members, whoever sends it.
    pub(crate) deaf_to_changes: Option<usize>,
    /// Whether mempools hand over all they have, valid or not.
    pub(crate) careless: bool,
    /// Whether the referee looks at forks only, and lets pass what leads to one.
    pub(crate) forks_only: bool,
    /// Of replicas that start.
    pub(crate) incarnations: Incarnations,
    /// Knows every set that any replica has learned of.
    pub(super) verifier: Verifier,
}

/// A power cut in the middle of a list of effects.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    pub(crate) victim: usize,
    pub(crate) effects: usize,
    pub(crate) pulled: usize,
}

pub(crate) fn key(index: usize) -> SigningKey {
    SigningKey::from_seed(&[index as u8 + 1; 32])
}

fn genesis(setup: Setup) -> Genesis {
    let params = PbftParams {
        depth: setup.depth,
        checkpoint_interval: setup.checkpoint_interval,
        view_timeout_ms: setup.view_timeout_ms,
        view_timeout_max_ms: 60_000,
        drift_s: 15,
        block_time_ms: setup.block_time_ms,
        readmit_interval: setup.readmit_interval,
    };
    let ledger = LedgerParams {
        block_bytes_max: 100_000,
        coinbase_maturity: 2,
        subsidy: Amount::ZERO,
        halving_interval: 0,
        relay_fee_rate_min: 0,
    };
    let coin = Output { amount: grains(COIN), lock: account_lock().hash() };
    Genesis {
        version: GENESIS_VERSION,
        salt: [7; 32],
        time: START_S,
        dev: setup.dev,
        engine: EngineParams::Pbft(params),
        ledger,
        members: (0..setup.n).map(|index| key(index).public()).collect(),
        allocations: vec![coin; COINS as usize],
    }
}

pub(crate) fn grains(grains: u64) -> Amount {
    Amount::from_grains(grains).expect("test amounts are small")
}

pub(super) fn short(id: BlockId) -> String {
    id.0[..3].iter().map(|byte| format!("{byte:02x}")).collect()
}

impl World {
    /// A net whose replicas are all up and linked.
    pub(crate) fn new(setup: Setup) -> World {
        let genesis = Arc::new(genesis(setup));
        genesis.check().expect("test nets can be run");
        let verifier = Verifier::new(genesis.clone());
        let nodes = (0..setup.n + setup.followers).map(|index| Node::new(&genesis, index)).collect();
        let now = Time::from_seconds(START_S);
        let (queue, counts, log) = (VecDeque::new(), BTreeMap::new(), String::new());
        let (cut, careless, forks_only) = (None, false, false);
        let (cuts, certified, headers) = (BTreeSet::new(), BTreeMap::new(), BTreeMap::new());
        let mut world = World {
            setup,
            genesis,
            nodes,
            queue,
            held: Vec::new(),
            now,
            cuts,
            certified,
            headers,
            counts,
            log,
            cut,
            holds_switches: false,
            deaf_to_changes: None,
            careless,
            forks_only,
            incarnations: Incarnations::default(),
            verifier,
        };
        (0..world.nodes.len()).for_each(|index| world.start(index));
        world.run();
        world
    }

    /// Starts a replica from its disk, and links it with all that are up.
    pub(crate) fn start(&mut self, index: usize) {
        let node = &self.nodes[index];
        let (base, records) = {
            let disk = node.disk.lock().expect("no test panics while it holds a disk");
            let (tip, buckets) = disk.base.clone().expect("the disk has a base");
            (Base { tip, buckets }, disk.records.clone())
        };
        let config = EngineConfig {
            genesis: self.genesis.clone(),
            key: Some(node.key.clone()),
            log: node.log,
            payee: None,
            incarnations: self.incarnations.clone(),
            mine: false,
            work_min: Default::default(),
            salt: [0; 32],
        };
        let (engine, effects) = Pbft::restore(config, Box::new(Reader(node.disk.clone())), base, records);
        writeln!(self.log, "node {index} starts").expect("writing to a string");
        self.nodes[index].engine = Some(engine);
        self.execute(index, effects);
        let others: Vec<usize> = (0..self.nodes.len()).filter(|other| *other != index && self.is_up(*other)).collect();
        for other in others {
            self.told(index, Event::Connected(Peer(other as u64)));
            self.told(other, Event::Connected(Peer(index as u64)));
        }
    }

    /// What a dev net does that is set back: all stop, the chains end at this height again, and all start with the next incarnation;
    /// what was persisted stays.
    pub(crate) fn set_back(&mut self, height: u64) {
        let genesis = self.genesis.clone();
        (0..self.nodes.len()).for_each(|index| self.kill(index));
        for index in 0..self.nodes.len() {
            self.disk(index, |disk| disk.set_back(&genesis, Height(height)));
            let node = &mut self.nodes[index];
            node.finals.retain(|at, _| at.0 <= height);
            node.sent.clear();
            node.set = genesis.validator_set();
            node.verifier = Verifier::new(genesis.clone());
        }
        self.certified.retain(|at, _| at.0 <= height);
        let next = Incarnation(self.incarnations.present().0 + 1);
        self.incarnations = self.incarnations.set_back(next, Height(height)).expect("incarnations go up");
        (0..self.nodes.len()).for_each(|index| self.start(index));
        self.run();
    }

    /// What a node's shell does after it lost everything but its key: the log of its votes is a new one.
    pub(crate) fn empty(&mut self, index: usize, nonce: u8) {
        let log = VoteLog::Begun { nonce: [nonce; 32] };
        let empty = Node { log, ..Node::new(&self.genesis, index) };
        let before = std::mem::replace(&mut self.nodes[index], empty);
        // What the others have heard of it stays.
        (self.nodes[index].key, self.nodes[index].sent) = (before.key, before.sent);
    }

    /// A change of members whose signatures are right.
    pub(crate) fn verified_change(&self, change: Transaction) -> Verified<Transaction> {
        self.verifier.transaction(change).expect("the test signs as it should")
    }

    /// A change of members that every replica hears of.
    pub(crate) fn submit_change(&mut self, change: &Transaction) {
        for index in 0..self.nodes.len() {
            if let Ok(change) = self.nodes[index].verifier.transaction(change.clone()) {
                self.told(index, Event::Change(change));
            }
        }
    }

    /// A crash: what is on the disk stays, what is under way to it is lost.
    pub(crate) fn kill(&mut self, index: usize) {
        writeln!(self.log, "node {index} is killed").expect("writing to a string");
        self.nodes[index].engine = None;
        self.queue.retain(|packet| packet.to != index);
        for other in 0..self.nodes.len() {
            if other != index && self.is_up(other) {
                self.told(other, Event::Disconnected(Peer(index as u64)));
            }
        }
    }

    pub(crate) fn is_up(&self, index: usize) -> bool {
        self.nodes[index].engine.is_some()
    }

    pub(crate) fn engine(&self, index: usize) -> &Pbft {
        self.nodes[index].engine.as_ref().expect("the node is up")
    }

    pub(crate) fn height(&self, index: usize) -> u64 {
        self.engine(index).chain().tip().height.0
    }

    pub(crate) fn heights(&self) -> Vec<u64> {
        (0..self.nodes.len()).filter(|index| self.is_up(*index)).map(|index| self.height(index)).collect()
    }

    /// What a replica's clock shows.
    pub(crate) fn clock(&self, index: usize) -> Time {
        self.now.plus_ms(self.nodes[index].ahead_ms)
    }

    pub(crate) fn disk<T>(&self, index: usize, what: impl FnOnce(&mut Disk) -> T) -> T {
        what(&mut self.nodes[index].disk.lock().expect("no test panics while it holds a disk"))
    }

    /// Delivers the message at `place` of the queue.
    pub(crate) fn deliver(&mut self, place: usize) {
        let Packet { from, to, message } = self.queue.remove(place).expect("there is such a message");
        if self.is_up(to) && self.nodes[to].linked && self.nodes[from].linked {
            self.inject(from, to, message);
        }
    }

    /// Delivers what is wanted, in the order sent, until nothing such is under way any more; the rest stays under way.
    pub(crate) fn deliver_if(&mut self, wanted: impl Fn(&Packet) -> bool) {
        while let Some(place) = self.queue.iter().position(&wanted) {
            self.deliver(place);
        }
    }

    /// Everything under way is lost.
    pub(crate) fn lose_all(&mut self) {
        self.queue.clear();
    }

    /// Cuts both directions between each of these and all others.
    pub(crate) fn isolate(&mut self, inside: &[usize]) {
        for a in 0..self.nodes.len() {
            for b in (0..self.nodes.len()).filter(|b| inside.contains(&a) != inside.contains(b)) {
                self.cuts.insert((a, b));
            }
        }
    }

    /// Links are perfect again.
    pub(crate) fn heal(&mut self) {
        self.cuts.clear();
    }

    /// What a replica shows of itself.
    pub(crate) fn status(&self, index: usize) -> crate::engine::PbftStatus {
        let Status::Pbft(status) = self.engine(index).status() else { panic!("this is PBFT") };
        status
    }

    /// The view that a replica is in or waits for.
    pub(crate) fn view(&self, index: usize) -> u64 {
        self.status(index).view.0
    }

    /// Moves a replica's clock to where its view timer has run out, and wakes it. It must be running.
    pub(crate) fn time_out(&mut self, index: usize) {
        let due = self.status(index).deadline.expect("the view timer runs");
        self.nodes[index].ahead_ms += due.since_ms(self.clock(index));
        writeln!(self.log, "timer of node {index} runs out").expect("writing to a string");
        self.told(index, Event::Wake);
    }

    /// Delivers everything in the order in which it was sent.
    pub(crate) fn run(&mut self) {
        while !self.queue.is_empty() {
            self.deliver(0);
        }
    }

    /// Delivers what is to be kept in the order in which it was sent; all else is lost.
    pub(crate) fn run_keeping(&mut self, is_kept: impl Fn(&Packet) -> bool) {
        self.queue.retain(&is_kept);
        while !self.queue.is_empty() {
            self.deliver(0);
            self.queue.retain(&is_kept);
        }
    }

    /// Delivers everything in an order drawn from `seed`, each message to a replica that may have heard later ones.
    pub(crate) fn run_shuffled(&mut self, mut seed: u64) {
        while !self.queue.is_empty() {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let place = (seed >> 33) as usize % self.queue.len();
            self.deliver(place);
        }
    }

    /// Lets time pass in steps, everything being delivered in between.
    pub(crate) fn pass(&mut self, ms: u64) {
        self.run();
        let until = self.now.plus_ms(ms);
        while self.now < until {
            self.now = self.now.plus_ms(50);
            let now = self.now;
            self.queue.extend(self.held.extract_if(.., |(until, _)| *until <= now).map(|(_, packet)| packet));
            for index in 0..self.nodes.len() {
                let clock = self.clock(index);
                let is_due = |engine: &Pbft| engine.deadline().is_some_and(|due| due <= clock);
                if self.nodes[index].engine.as_ref().is_some_and(is_due) {
                    self.told(index, Event::Wake);
                }
            }
            self.run();
        }
    }

    /// A transfer of the test account's coin number `index`, known to every mempool.
    pub(crate) fn submit(&mut self, index: u32) -> Transaction {
        let transaction = self.transfer(index);
        (0..self.nodes.len()).for_each(|node| self.give(node, &transaction));
        transaction
    }

    /// A transaction that reaches one mempool only.
    pub(crate) fn give(&mut self, node: usize, transaction: &Transaction) {
        self.nodes[node].mempool.push(transaction.clone());
        let now = self.clock(node);
        self.nodes[node].due.entry(transaction.id()).or_insert(now);
        self.told(node, Event::Pending { oldest: self.oldest(node) });
    }

    /// Whether a replica ever sent a vote of this kind at a height.
    pub(crate) fn has_sent(&self, index: usize, kind: VoteKind, height: u64) -> bool {
        self.nodes[index].sent.iter().any(|it| it.0 == kind && it.2 == Height(height))
    }

    /// All replicas that are up hold the same chain of this height, and the same coins.
    pub(crate) fn assert_agreed(&mut self, height: u64) {
        let mut seen = None;
        for node in self.nodes.iter_mut() {
            let Some(engine) = node.engine.as_mut() else { continue };
            let state = (engine.chain().tip().id, engine.chain_mut().commitment());
            assert_eq!(engine.chain().tip().height, Height(height));
            assert_eq!(*seen.get_or_insert(state), state, "equal tips mean equal coins");
        }
        assert!(seen.is_some(), "somebody is up");
    }
}

impl Node {
    /// How many different votes it ever sent.
    pub(crate) fn sent_count(&self) -> usize {
        self.sent.len()
    }

    fn new(genesis: &Arc<Genesis>, index: usize) -> Node {
        let (base, diff) = Base::genesis(genesis);
        let mut disk = Disk { base: Some((base.tip, base.buckets)), ..Disk::default() };
        diff.apply(&mut disk.coins).expect("genesis fits no coins");
        disk.active.insert(Height::GENESIS, base.tip.id);
        Node {
            engine: None,
            disk: Arc::new(Mutex::new(disk)),
            mempool: Vec::new(),
            due: BTreeMap::new(),
            censored: BTreeSet::new(),
            held_ms: 0,
            is_early_in_turn: false,
            finals: BTreeMap::new(),
            traces: Vec::new(),
            blamed: Vec::new(),
            sent: BTreeSet::new(),
            key: key(index),
            log: VoteLog::Original,
            verifier: Verifier::new(genesis.clone()),
            set: genesis.validator_set(),
            switched: Vec::new(),
            unswitched: None,
            linked: true,
            ahead_ms: 0,
        }
    }
}
