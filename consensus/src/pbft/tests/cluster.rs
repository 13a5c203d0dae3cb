//! A few replicas in one place: a queue of messages in an order that the test chooses, links that it cuts, a clock for each
//! replica, disks that outlive crashes, and a referee that looks at every effect. What a liar says is made in [`super::forge`].

use super::disk::{Disk, Reader};
use super::say::{describe, describe_effect};
use crate::chain::snapshot::{SnapshotStep, Switch};
use crate::chain::{Base, ChainUpdate};
use crate::engine::{
    Effect, Engine, EngineConfig, Event, Fault, OverdueRequest, PayloadRequest, Peer, Record, Status, To, Trace,
    VoteLog,
};
use crate::ledger::amount::Amount;
use crate::ledger::block::{Block, Header};
use crate::ledger::codec::{decode, encode};
use crate::ledger::genesis::{EngineParams, GENESIS_VERSION, Genesis, LedgerParams, PbftParams, ValidatorSet};
use crate::ledger::hash::{BlockId, LockHash, MerkleRoot, TxId};
use crate::ledger::key::SigningKey;
use crate::ledger::lock::{Lock, LockTime};
use crate::ledger::rules::context::{Place, check_transaction};
use crate::ledger::sighash::SighashCommon;
use crate::ledger::transaction::{Body, Coinbase, OutPoint, Output, Spend, Transaction, Transfer, Witness};
use crate::ledger::units::{Epoch, Height, Incarnation, Time, View};
use crate::message::{Ballot, CertifiedBlock, CommitCertificate, Message, PrePrepare, Seal, Vote, VoteKind};
use crate::pbft::Pbft;
use crate::verify::{MessageError, Verified, Verifier};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write;
use std::sync::{Arc, Mutex};

/// Seconds since 1970 at which test nets begin.
pub(crate) const START_S: u32 = 1_700_000_000;
/// Coins that the test account has.
pub(crate) const COINS: u32 = 40;
const COIN: u64 = 1_000_000;

/// One replica and what belongs to it.
pub(crate) struct Node {
    pub(crate) engine: Option<Pbft>,
    pub(crate) disk: Arc<Mutex<Disk>>,
    pub(crate) mempool: Vec<Transaction>,
    /// Since when what waits has been due.
    due: BTreeMap<TxId, Time>,
    /// As primary it never includes these.
    pub(crate) censored: BTreeSet<TxId>,
    /// As primary it holds its proposals back for so long.
    pub(crate) held_ms: u64,
    /// Blocks that it called final, by height.
    pub(crate) finals: BTreeMap<Height, BlockId>,
    pub(crate) traces: Vec<Trace>,
    pub(crate) blamed: Vec<(Peer, Fault)>,
    /// Every vote it ever sent.
    sent: BTreeSet<(VoteKind, View, Height, BlockId, Epoch)>,
    /// Its key, and what is known of the log of its votes.
    pub(crate) key: SigningKey,
    pub(crate) log: VoteLog,
    /// Checks what comes.
    verifier: Verifier,
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
    held: Vec<(Time, Packet)>,
    pub(crate) now: Time,
    /// Links on which everything is lost: from, to.
    pub(crate) cuts: BTreeSet<(usize, usize)>,
    /// What was ever certified on any replica, by height.
    pub(crate) certified: BTreeMap<Height, BlockId>,
    /// The headers of all bodies ever made durable.
    headers: BTreeMap<BlockId, Header>,
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
    pub(crate) incarnation: Incarnation,
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

fn account() -> SigningKey {
    SigningKey::from_seed(&[200; 32])
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

fn account_lock() -> Lock {
    Lock::Key(account().public())
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
            incarnation: Incarnation(0),
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
            incarnation: self.incarnation,
            mine: false,
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
        self.incarnation = Incarnation(self.incarnation.0 + 1);
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

    /// Tells a replica something and does what it answers.
    pub(crate) fn told(&mut self, index: usize, event: Event) {
        let now = self.clock(index);
        let Some(engine) = self.nodes[index].engine.as_mut() else {
            return;
        };
        let effects = engine.handle(now, event);
        self.execute(index, effects);
    }

    fn execute(&mut self, index: usize, effects: Vec<Effect>) {
        let mut later = Vec::new();
        let mut effects = effects.into_iter();
        while let Some(effect) = effects.next() {
            if let Some(cut) = self.cut.as_mut().filter(|cut| cut.victim == index) {
                if cut.effects == 0 {
                    let records = std::iter::once(effect).chain(effects).filter_map(|effect| match effect {
                        Effect::Persist(record) => Some(record),
                        _ => None,
                    });
                    let pulled: Vec<Record> = records.take(cut.pulled).collect();
                    self.disk(index, |disk| pulled.into_iter().for_each(|record| disk.persist(record)));
                    self.cut = None;
                    self.kill(index);
                    return;
                }
                cut.effects -= 1;
            }
            if let Some(line) = describe_effect(&effect) {
                writeln!(self.log, "{index}   {line}").expect("writing to a string");
            }
            match effect {
                Effect::Persist(record) => {
                    self.judge_record(&record);
                    self.disk(index, |disk| disk.persist(record));
                }
                Effect::Send { to, message } => self.send(index, to, message),
                Effect::WantPayload(request) => later.push(self.payload(index, &request)),
                Effect::WantOverdue(request) => later.push(self.overdue(index, &request)),
                Effect::Admit { transactions, .. } => later.push(self.admit(index, transactions)),
                Effect::Chain(update) => later.extend(self.switched(index, &update)),
                Effect::Blame { peer, fault } => self.nodes[index].blamed.push((peer, fault)),
                Effect::Trace(trace) => self.nodes[index].traces.push(trace),
                Effect::Snapshot(step) => later.extend(self.snapshot(index, step)),
                Effect::Members { set, is_present } => {
                    self.verifier.learn(set.clone());
                    self.nodes[index].verifier.learn(set.clone());
                    if is_present {
                        self.nodes[index].set = set;
                    }
                }
                Effect::Mine(_) => panic!("PBFT does not mine"),
            }
        }
        later.into_iter().for_each(|event| self.told(index, event));
    }

    /// What a replica's clock shows.
    pub(crate) fn clock(&self, index: usize) -> Time {
        self.now.plus_ms(self.nodes[index].ahead_ms)
    }

    /// The referee: one block is certified at a height, and its parent at the height below.
    fn judge_record(&mut self, record: &Record) {
        match record {
            Record::Body(block) => drop(self.headers.insert(block.id(), block.header)),
            Record::Committed(it) => {
                let (height, block) = (it.ballot.height, it.ballot.block);
                let held = *self.certified.entry(height).or_insert(block);
                assert_eq!(held, block, "fork: two commit certificates at {height}");
            }
            _ => return,
        }
        for (height, block) in &self.certified {
            let parent = self.headers.get(block).map(|header| header.parent);
            let below = height.previous().and_then(|below| self.certified.get(&below));
            assert!(parent.is_none() || below.is_none() || below == parent.as_ref(), "fork: below {height}");
        }
    }

    pub(crate) fn disk<T>(&self, index: usize, what: impl FnOnce(&mut Disk) -> T) -> T {
        what(&mut self.nodes[index].disk.lock().expect("no test panics while it holds a disk"))
    }

    fn switched(&mut self, index: usize, update: &ChainUpdate) -> Vec<Event> {
        assert!(update.disconnected.is_empty(), "PBFT undoes nothing");
        assert_eq!(update.final_height, update.tip.height, "what is connected is final");
        for link in &update.connected {
            let certified = |record: &Record| matches!(record, Record::Committed(it) if it.ballot.block == link.id);
            let is_held = |record: &Record| matches!(record, Record::Body(block) if block.id() == link.id);
            assert!(self.disk(index, |disk| disk.has(certified)), "final only after its certificate is durable");
            assert!(self.disk(index, |disk| disk.has(is_held)), "final only after its body is durable");
            let earlier = self.nodes[index].finals.insert(link.height, link.id);
            assert!(earlier.is_none_or(|id| id == link.id), "what is final stays");
            self.nodes[index].mempool.retain(|waiting| !link.block.transactions.contains(waiting));
        }
        for node in &self.nodes {
            for (height, id) in &node.finals {
                let ours = self.nodes[index].finals.get(height);
                assert!(ours.is_none_or(|ours| ours == id), "no two final blocks at a height");
            }
        }
        let flushed = self.setup.flushes.then(|| {
            self.disk(index, |disk| disk.flush(update));
            Event::Flushed { sequence: update.sequence }
        });
        let oldest = self.oldest(index);
        flushed.into_iter().chain([Event::Pending { oldest }]).collect()
    }

    fn snapshot(&mut self, index: usize, step: SnapshotStep) -> Option<Event> {
        let holds = self.holds_switches;
        match step {
            SnapshotStep::Clear => self.disk(index, |disk| disk.staged.clear()),
            SnapshotStep::Stage { bucket, coins } => {
                self.disk(index, |disk| disk.staged.entry(bucket).or_default().extend(coins));
            }
            SnapshotStep::Discard { bucket } => self.disk(index, |disk| drop(disk.staged.remove(&bucket))),
            SnapshotStep::Switch(switch) if !holds => {
                self.disk(index, |disk| disk.switch(&switch));
                return Some(Event::Flushed { sequence: switch.sequence });
            }
            SnapshotStep::Switch(switch) => self.nodes[index].unswitched = Some(*switch),
            SnapshotStep::Switched(tip) => {
                self.nodes[index].switched.push(tip.height.0);
                self.nodes[index].mempool.clear();
            }
            SnapshotStep::Keep { from } => self.disk(index, |disk| disk.keep = disk.keep.max(from)),
        }
        None
    }

    fn oldest(&self, index: usize) -> Option<Time> {
        let node = &self.nodes[index];
        node.mempool.iter().map(|waiting| node.due.get(&waiting.id()).copied().unwrap_or(self.clock(index))).min()
    }

    fn overdue(&self, index: usize, request: &OverdueRequest) -> Event {
        let node = &self.nodes[index];
        let is_under_way = |waiting: &Transaction| request.above.iter().any(|it| it.transactions.contains(waiting));
        let due = |waiting: &Transaction| node.due.get(&waiting.id()).copied().unwrap_or(self.clock(index));
        let mut transactions: Vec<Transaction> =
            node.mempool.iter().filter(|it| due(it) <= request.due_until && !is_under_way(it)).cloned().collect();
        transactions.sort_by_key(due);
        Event::Overdue { ticket: request.ticket, oldest: transactions.first().map(due), transactions }
    }

    fn admit(&mut self, index: usize, transactions: Vec<Transaction>) -> Event {
        let now = self.clock(index);
        for transaction in transactions.into_iter().rev() {
            self.nodes[index].mempool.retain(|waiting| *waiting != transaction);
            self.nodes[index].due.entry(transaction.id()).or_insert(now);
            self.nodes[index].mempool.insert(0, transaction);
        }
        Event::Pending { oldest: self.oldest(index) }
    }

    fn payload(&self, index: usize, request: &PayloadRequest) -> Event {
        let node = &self.nodes[index];
        let engine = node.engine.as_ref().expect("it asks");
        let mut coins = Vec::new();
        for block in &request.above {
            let time = block.header.time;
            let diff = engine.chain().judge_above(&coins, block, time).expect("blocks in flight are valid");
            coins.push(Arc::new(diff));
        }
        let place = Place { height: request.height, time: request.time };
        let view = engine.chain().coins_above(&coins);
        let mut spent = BTreeSet::new();
        let mut bytes_left = request.bytes_max;
        let mut transactions = Vec::new();
        for transaction in &node.mempool {
            let fits = transaction.bytes() <= bytes_left && !node.censored.contains(&transaction.id());
            let is_valid = check_transaction(transaction, &view, place, &self.genesis.ledger).is_ok();
            if self.careless {
                transactions.push(transaction.clone());
            } else if fits && is_valid && transaction.inputs().iter().all(|input| spent.insert(*input)) {
                bytes_left -= transaction.bytes();
                transactions.push(transaction.clone());
            }
        }
        Event::Payload { ticket: request.ticket, transactions }
    }

    fn send(&mut self, from: usize, to: To, message: Message) {
        self.judge_sent(from, &message);
        let targets: Vec<usize> = match to {
            To::All => (0..self.nodes.len()).collect(),
            To::Members => (0..self.nodes.len()).filter(|to| self.is_member_for(from, *to)).collect(),
            To::Member(index) => {
                let wanted = self.nodes[from].set.member(index).copied();
                let found = self.nodes.iter().position(|node| Some(node.key.public()) == wanted);
                found.into_iter().collect()
            }
            To::Peer(peer) => vec![peer.0 as usize],
        };
        for to in targets {
            if to == from {
                continue;
            }
            *self.counts.entry(message.name()).or_insert(0) += 1;
            if self.nodes[from].linked && self.nodes[to].linked && self.is_up(to) && !self.cuts.contains(&(from, to)) {
                let packet = Packet { from, to, message: message.clone() };
                match (&message, self.nodes[from].held_ms) {
                    (Message::PrePrepare(_), held_ms) if held_ms > 0 => {
                        self.held.push((self.now.plus_ms(held_ms), packet));
                    }
                    _ => self.queue.push_back(packet),
                }
            }
        }
    }

    /// Whether a replica belongs to the members as another one knows them.
    fn is_member_for(&self, knower: usize, other: usize) -> bool {
        self.nodes[knower].set.index_of(&self.nodes[other].key.public()).is_some()
    }

    /// The referee: what must be durable before a vote leaves, and one vote per kind, view and height, for ever.
    fn judge_sent(&mut self, from: usize, message: &Message) {
        if self.forks_only {
            return;
        }
        let vote = match message {
            Message::PrePrepare(proposal) => proposal.vote,
            Message::Vote(vote) => *vote,
            _ => return,
        };
        let ballot = vote.ballot;
        let has = |wanted: &dyn Fn(&Record) -> bool| self.disk(from, |disk| disk.has(wanted));
        assert!(has(&|it| *it == Record::Vote(vote)), "a vote is durable before it leaves");
        if vote.kind == VoteKind::Commit {
            let prepared = |it: &Record| matches!(it, Record::Prepared(it) if it.certificate.ballot == ballot);
            assert!(has(&prepared), "the prepared certificate is durable before COMMIT");
        } else {
            let body = |it: &Record| matches!(it, Record::Body(block) if block.id() == ballot.block);
            assert!(has(&body), "the body is durable before it is voted for");
            let parent = self.parent_of(from, ballot.block);
            let links = |it: &Record| match it {
                Record::Prepared(it) => {
                    let linked = it.certificate.ballot;
                    linked.block == parent && (linked.epoch, linked.view) == (ballot.epoch, ballot.view)
                }
                Record::Committed(it) => it.ballot.block == parent,
                _ => false,
            };
            let is_linked = ballot.height == Height(1) || has(&links);
            assert!(is_linked, "the parent's certificate is durable before what links to it");
        }
        let node = &mut self.nodes[from];
        let place = (vote.kind, ballot.view, ballot.height, ballot.epoch);
        let others = node.sent.iter().filter(|it| (it.0, it.1, it.2, it.4) == place);
        assert!(others.clone().all(|it| it.3 == ballot.block), "one vote per kind, view and height");
        node.sent.insert((vote.kind, ballot.view, ballot.height, ballot.block, ballot.epoch));
    }

    fn parent_of(&self, index: usize, block: BlockId) -> BlockId {
        self.disk(index, |disk| disk.blocks.get(&block).expect("the body is durable").header.parent)
    }

    /// Delivers the message at `place` of the queue.
    pub(crate) fn deliver(&mut self, place: usize) {
        let Packet { from, to, message } = self.queue.remove(place).expect("there is such a message");
        if self.is_up(to) && self.nodes[to].linked && self.nodes[from].linked {
            self.inject(from, to, message);
        }
    }

    /// Hands a message to a replica as if `from` had brought it.
    pub(crate) fn inject(&mut self, from: usize, to: usize, message: Message) {
        self.inject_after(from, to, message, 0);
    }

    /// The same with a message that has been at that node for so long already.
    pub(crate) fn inject_after(&mut self, from: usize, to: usize, message: Message, waited_ms: u64) {
        writeln!(self.log, "{to} < {from} {}", describe(&message)).expect("writing to a string");
        let is_request = matches!(
            message,
            Message::GetCertified { .. }
                | Message::GetBlocks(_)
                | Message::GetSnapshot { .. }
                | Message::GetSuccessions { .. }
                | Message::GetBuckets { .. }
        );
        if is_request {
            if let Some(answer) = self.engine(to).answer(&message) {
                self.queue.push_back(Packet { from: to, to: from, message: answer });
            }
            return;
        }
        let verified = self.verified(message.clone()).expect("what replicas say can be verified");
        let known = self.nodes[to].verifier.message(message.clone(), &|_| false, ChaCha20Rng::seed_from_u64(1));
        match (known, message) {
            (Err(error), _) => assert!(!error.is_fault(), "it is only not known there yet: {error}"),
            (Ok(_), Message::Transaction(change)) if matches!(change.body, Body::Epoch(_)) => {
                let change = self.verifier.transaction(change).expect("it was verified");
                if self.deaf_to_changes != Some(to) {
                    self.told(to, Event::Change(change));
                }
            }
            (Ok(_), _) => self.told(to, Event::Message { from: Peer(from as u64), message: verified, waited_ms }),
        }
    }

    /// What a node's shell does with a message: decodes it within its limits, and verifies it.
    pub(crate) fn verified(&self, message: Message) -> Result<Verified<Message>, MessageError> {
        let decoded: Message =
            decode(&encode(&message)).map_err(|_| MessageError::Inconsistent("it has no encoding"))?;
        assert!(decoded == message, "decoding is encoding backwards");
        self.verifier.message(decoded, &|_| false, ChaCha20Rng::seed_from_u64(1))
    }

    /// Hands over a message of a liar; false when it is refused before the engine sees it.
    pub(crate) fn try_inject(&mut self, from: usize, to: usize, message: Message) -> bool {
        let is_fine = self.verified(message.clone()).is_ok();
        if is_fine {
            self.inject(from, to, message);
        } else {
            writeln!(self.log, "{to} < {from} refused: {}", describe(&message)).expect("writing to a string");
        }
        is_fine
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

    /// A transfer of the test account's coin number `index`, with a fee of 1000 grains.
    pub(crate) fn transfer(&self, index: u32) -> Transaction {
        let txid = self.genesis.block().transactions[0].id();
        let output = Output { amount: grains(COIN - 1000), lock: LockHash([index as u8; 32]) };
        let body = Body::Transfer(Transfer {
            inputs: vec![OutPoint { txid, index }],
            outputs: vec![output],
            lock_time: LockTime::Height(Height(0)),
        });
        let stated = [(grains(COIN), account_lock().hash())];
        let common = SighashCommon::new(&self.genesis.network_id(), &body, &stated);
        let signature = account().sign(&common.digest(0, &[], &account_lock()));
        let spend =
            Spend { amount: grains(COIN), lock: account_lock(), signatures: vec![signature], preimages: vec![] };
        Transaction { body, witnesses: vec![Witness::Spend(spend)] }
    }

    /// A block of these transactions that pays nobody.
    pub(crate) fn block(&self, parent: &Header, height: u64, transactions: &[Transaction]) -> Block {
        let coinbase = Coinbase { height: Height(height), extra: Vec::new(), outputs: Vec::new() };
        let mut all = vec![Transaction { body: Body::Coinbase(coinbase), witnesses: Vec::new() }];
        all.extend_from_slice(transactions);
        let root = MerkleRoot::default();
        let header =
            Header { version: 1, parent: parent.id(), merkle_root: root, time: self.now.seconds(), bits: 0, nonce: 0 };
        let mut block = Block { header, transactions: all };
        block.header.merkle_root = block.merkle_root();
        block
    }

    /// A ballot of view 0.
    pub(crate) fn ballot(&self, height: u64, block: BlockId) -> Ballot {
        Ballot { incarnation: Incarnation(0), epoch: Epoch(0), view: View(0), height: Height(height), block }
    }

    /// Member `signer`'s vote on a ballot.
    pub(crate) fn vote(&self, kind: VoteKind, signer: usize, ballot: Ballot) -> Vote {
        Vote::sign(&self.genesis.network_id(), kind, ballot, signer as u16, &key(signer))
    }

    /// The proposal of view 0's primary.
    /// What the primary of a later epoch might propose.
    pub(crate) fn proposal_of(&self, primary: usize, height: u64, block: &Block) -> Message {
        let ballot = Ballot { epoch: self.status(0).epoch, ..self.ballot(height, block.id()) };
        let vote = self.vote(VoteKind::PrePrepare, primary, ballot);
        Message::PrePrepare(PrePrepare { vote, block: block.clone() })
    }

    pub(crate) fn proposal(&self, height: u64, block: &Block) -> Message {
        let vote = self.vote(VoteKind::PrePrepare, 0, self.ballot(height, block.id()));
        Message::PrePrepare(PrePrepare { vote, block: block.clone() })
    }

    /// A block with a certificate by the members given.
    pub(crate) fn certified(&self, height: u64, block: &Block, signers: &[usize]) -> CertifiedBlock {
        let ballot = self.ballot(height, block.id());
        let seal = |signer: &usize| {
            let vote = self.vote(VoteKind::Commit, *signer, ballot);
            Seal { signer: vote.signer, signature: vote.signature }
        };
        let certificate = CommitCertificate { ballot, commits: signers.iter().map(seal).collect() };
        CertifiedBlock { block: block.clone(), certificate }
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
