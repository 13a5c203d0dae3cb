//! Replicas in virtual time: what travels, what waits, and what is counted. See the bench's own page of documentation.

use crate::model::{
    BATCH_MESSAGES, BATCH_TRANSFERS, BLOCK_NS, Disk, MESSAGE_IN_NS, MESSAGE_OUT_NS, MS, NAME_BYTES, Ns, SIGN_NS,
    Server, TRANSFER_AGAIN_NS, TRANSFER_BYTES, TRANSFER_FINAL_NS, TRANSFER_IN_NS, TRANSFER_JUDGED_NS, transmission_ns,
    verify_ns, wire_bytes,
};
use crate::store::Store;
use crate::theory::one_way_ns;
use bezant_consensus::chain::ChainUpdate;
use bezant_consensus::engine::{EngineConfig, Peer, To, Trace, VoteLog};
use bezant_consensus::incarnations::Incarnations;
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::block::Block;
use bezant_consensus::ledger::codec::encode;
use bezant_consensus::ledger::genesis::{EngineParams, GENESIS_VERSION, Genesis, LedgerParams, PbftParams};
use bezant_consensus::ledger::hash::{NetworkId, TxId};
use bezant_consensus::ledger::key::SigningKey;
use bezant_consensus::ledger::lock::Lock;
use bezant_consensus::ledger::transaction::{OutPoint, Output as Coin, Transaction};
use bezant_consensus::ledger::units::{Height, Time};
use bezant_consensus::limits::BLOCK_OVERHEAD_BYTES;
use bezant_consensus::message::{Message, ViewChange};
use bezant_consensus::verify::{Verified, Verifier};
use bezant_node_core::io::{Input, Notice, Output};
use bezant_node_core::limits::COMPACT_ABOVE;
use bezant_node_core::{MempoolConfig, Replica, ReplicaConfig, compact};
use bezant_wallet::paying::build::{KeyCoin, transfer};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

const START_S: u32 = 1_750_000_000;
const ALLOCATION: u64 = 1_000_000_000;
/// Longer than any block takes here, so that it is the net's pace that is seen; a net of one's own would be given some seconds.
const VIEW_TIMEOUT_MS: u32 = 4_000;
/// Virtual time after which a run is over in any case.
const RUN_NS_MAX: Ns = 600 * crate::model::S;
/// Gossip goes on to so many peers: gossipsub's `mesh_n`.
pub(crate) const MESH: usize = 6;
/// A message is late by up to so many thousandths of its way.
const JITTER_PER_MILLE: u64 = 50;
/// Transfers for so many blocks wait or are under way at any time.
pub(crate) const BACKLOG_BLOCKS: u64 = 8;

/// What is run.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) n: usize,
    /// Transfers in a full block.
    pub(crate) block: u64,
    pub(crate) bits_per_s: u64,
    /// Blocks before anything is counted, and blocks that are.
    pub(crate) warm: u64,
    pub(crate) counted: u64,
    pub(crate) seed: u64,
    /// The last f members say nothing.
    pub(crate) silent: bool,
    /// The primary stops once the blocks before the counted ones are final.
    pub(crate) kill: bool,
    /// One transfer at a time, each handed to another node.
    pub(crate) alone: bool,
    /// Transactions that stand for the transfers of a block.
    pub(crate) parts: u64,
}

impl Setup {
    pub(crate) fn new(n: usize, block: u64, bits_per_s: u64) -> Setup {
        // At a steady load one block is like another; large nets take long to run.
        let (warm, counted) = match n {
            0..=22 => (16, 20),
            23..=40 => (12, 10),
            _ => (9, 6),
        };
        let parts = block.min(PARTS);
        Setup { n, block, bits_per_s, warm, counted, seed: 1, silent: false, kill: false, alone: false, parts }
    }

    /// Transfers that one transaction stands for.
    fn weight(&self) -> u64 {
        self.block / self.parts
    }
}

/// See [`Setup::parts`].
pub(crate) const PARTS: u64 = 20;

/// What came out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) blocks: u64,
    pub(crate) blocks_per_s: f64,
    pub(crate) transfers_per_s: f64,
    /// Transfers in a block, in the mean.
    pub(crate) fill: f64,
    /// From the proposal's leaving the engine to its block being final at a node: at the primary, and the mean over all.
    pub(crate) primary_final_ms: f64,
    pub(crate) final_ms: f64,
    /// From handing in to finality at the same node: mean.
    pub(crate) transfer_ms: f64,
    /// Messages of the three phases for one block, in all.
    pub(crate) votes: f64,
    /// Messages and bytes that one node sends for one block: the primary, and the mean of the others.
    pub(crate) sent: [Sent; 2],
    /// Bytes for one block, in all, by what they carry.
    pub(crate) bytes_by_name: BTreeMap<&'static str, f64>,
    /// Shares of the time in which the primary and the others (mean) are not idle.
    pub(crate) uplink: [f64; 2],
    pub(crate) processor: [f64; 2],
    pub(crate) disk: [f64; 2],
    pub(crate) views_left: u64,
    /// The longest time without a block that the node watched saw, after the first counted block.
    pub(crate) gap_ms: f64,
    /// Bytes of the largest NEW-VIEW.
    pub(crate) new_view_bytes: u64,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sent {
    pub(crate) messages: f64,
    pub(crate) bytes: f64,
}

/// A message under way.
struct Parcel {
    message: Verified<Message>,
    name: &'static str,
    /// On the wire, with the transfers that it stands for.
    bytes: u64,
    signatures: u64,
    /// Transfers to be ordered.
    transfers: u64,
    /// Transfers of a proposal.
    proposed: u64,
    /// Gossip has numbers.
    gossip: Option<u64>,
}

enum Event {
    Arrive {
        to: usize,
        from: usize,
        parcel: Rc<Parcel>,
    },
    /// A user hands in.
    Submit {
        coin: usize,
    },
    /// The processor may take the next batch.
    Free {
        at: usize,
    },
    /// What the processor has verified is told to the replica.
    Done {
        at: usize,
        batch: Vec<Work>,
    },
    /// The up-link may take the next message.
    Link {
        at: usize,
    },
    /// Something is handed to the up-link.
    Leave {
        at: usize,
        to: Vec<usize>,
        parcel: Rc<Parcel>,
    },
    Wake {
        at: usize,
        ms: u64,
    },
    Gone {
        at: usize,
        who: usize,
    },
}

enum Work {
    Message { from: usize, parcel: Rc<Parcel> },
    Submit { coin: usize, transaction: Verified<Transaction> },
    Input(Input),
}

/// What waits for the processor, by who brought it; each in turn.
#[derive(Default)]
struct Lane {
    by_peer: BTreeMap<usize, VecDeque<Work>>,
    turns: VecDeque<usize>,
}

impl Lane {
    fn push(&mut self, from: usize, work: Work) {
        let queue = self.by_peer.entry(from).or_default();
        if queue.is_empty() {
            self.turns.push_back(from);
        }
        queue.push_back(work);
    }

    /// What one peer brought, as much as is verified together.
    fn take(&mut self, weight: u64) -> Vec<Work> {
        let Some(from) = self.turns.pop_front() else { return Vec::new() };
        let queue = self.by_peer.get_mut(&from).expect("whose turn it is has something");
        let (mut batch, mut transfers) = (Vec::new(), 0);
        while batch.len() < BATCH_MESSAGES && transfers < BATCH_TRANSFERS {
            let Some(work) = queue.pop_front() else { break };
            transfers += work.transfers(weight);
            batch.push(work);
        }
        if !queue.is_empty() {
            self.turns.push_back(from);
        }
        batch
    }

    fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }
}

impl Work {
    fn transfers(&self, weight: u64) -> u64 {
        match self {
            Work::Message { parcel, .. } => parcel.transfers,
            Work::Submit { .. } => weight,
            Work::Input(_) => 0,
        }
    }

    fn signatures(&self, weight: u64) -> u64 {
        match self {
            Work::Message { parcel, .. } => parcel.signatures,
            Work::Submit { .. } => weight,
            Work::Input(_) => 0,
        }
    }
}

struct Node {
    /// `None` when it is silent or dead.
    replica: Option<Replica>,
    store: Store,
    processor: Server,
    /// A batch is being verified, or [`Event::Free`] is on its way.
    is_working: bool,
    /// Work that is not anybody's batch.
    debt: Ns,
    /// All but transactions, which are overtaken; and these.
    lanes: [Lane; 2],
    uplink: Server,
    is_sending: bool,
    waiting: VecDeque<(usize, Rc<Parcel>)>,
    disk: Disk,
    /// What is decided later leaves no earlier.
    leaves_from: Ns,
    wake_ms: Option<u64>,
    heard: HashSet<u64>,
    mesh: Vec<usize>,
    sent: BTreeMap<&'static str, (u64, u64)>,
}

/// A coin that is spent again and again.
struct Purse {
    outpoint: OutPoint,
    grains: u64,
    at: usize,
    since: Ns,
}

struct World {
    setup: Setup,
    verifier: Verifier,
    network: NetworkId,
    key: SigningKey,
    lock: Lock,
    nodes: Vec<Node>,
    agenda: BinaryHeap<Reverse<(Ns, u64)>>,
    events: BTreeMap<u64, Event>,
    number: u64,
    now: Ns,
    dice: StdRng,
    last_arrival: Vec<Ns>,
    purses: Vec<Purse>,
    under_way: BTreeMap<TxId, usize>,
    gossips: u64,
    announced: HashSet<TxId>,
    proposed: BTreeMap<Height, Ns>,
    finals: BTreeMap<Height, BTreeMap<usize, (Ns, u64)>>,
    latencies: Vec<Ns>,
    views_left: u64,
    new_view_bytes: u64,
    /// Who is watched: the primary, or, where that dies, another one.
    watched: usize,
    is_over: bool,
    begun: Option<Snapshot>,
    dead: BTreeSet<usize>,
}

/// Counters at the moment from which on is counted.
struct Snapshot {
    at: Ns,
    height: u64,
    sent: Vec<BTreeMap<&'static str, (u64, u64)>>,
    busy: Vec<[Ns; 3]>,
    latencies: usize,
}

fn key(number: usize) -> SigningKey {
    let mut seed = [3; 32];
    seed[..8].copy_from_slice(&(number as u64).to_le_bytes());
    SigningKey::from_seed(&seed)
}

fn grains(grains: u64) -> Amount {
    Amount::from_grains(grains).expect("a small amount")
}

/// Runs one net.
pub(crate) fn run(setup: &Setup) -> Outcome {
    let mut world = World::new(setup.clone());
    world.begin();
    while !world.is_over && world.now < RUN_NS_MAX {
        let Some(Reverse((at, number))) = world.agenda.pop() else { break };
        let event = world.events.remove(&number).expect("what is on the agenda is kept");
        world.now = at;
        world.take(event);
    }
    world.outcome()
}

impl World {
    fn new(setup: Setup) -> World {
        let payer = key(usize::MAX);
        let lock = Lock::Key(payer.public());
        // Filled by exactly so many transactions; less than a node would start with, for each stands for many.
        let block_bytes_max = BLOCK_OVERHEAD_BYTES as u64 + setup.parts * TRANSFER_BYTES;
        let coins = if setup.alone { 1 } else { (BACKLOG_BLOCKS * setup.parts.max(2)) as usize };
        let allocation = Coin { amount: grains(ALLOCATION), lock: lock.hash() };
        let mut genesis = Genesis {
            version: GENESIS_VERSION,
            salt: [7; 32],
            time: START_S,
            dev: true,
            engine: EngineParams::Pbft(PbftParams {
                view_timeout_ms: VIEW_TIMEOUT_MS,
                ..bezant_api::genesis::pbft_defaults()
            }),
            ledger: LedgerParams {
                relay_fee_rate_min: 0,
                ..bezant_api::genesis::ledger_defaults(bezant_api::types::EngineName::Pbft)
            },
            members: (0..setup.n).map(|number| key(number).public()).collect(),
            allocations: vec![allocation; coins],
        };
        genesis.check().expect("so many members are allowed");
        genesis.ledger.block_bytes_max = block_bytes_max as u32;
        let genesis = Arc::new(genesis);
        let txid = genesis.block().transactions[0].id();
        let mut dice = StdRng::seed_from_u64(setup.seed);
        let mesh = mesh(setup.n, &mut dice);
        let nodes = mesh.into_iter().enumerate().map(|(number, mesh)| Node::new(&genesis, number, mesh)).collect();
        let purse = |number: usize| {
            let outpoint = OutPoint { txid, index: number as u32 };
            Purse { outpoint, grains: ALLOCATION, at: number % setup.n, since: 0 }
        };
        World {
            verifier: Verifier::new(genesis.clone()),
            network: genesis.network_id(),
            key: payer,
            lock,
            nodes,
            agenda: BinaryHeap::new(),
            events: BTreeMap::new(),
            number: 0,
            now: 0,
            dice,
            last_arrival: vec![0; setup.n * setup.n],
            purses: (0..coins).map(purse).collect(),
            under_way: BTreeMap::new(),
            gossips: 0,
            announced: HashSet::new(),
            proposed: BTreeMap::new(),
            finals: BTreeMap::new(),
            latencies: Vec::new(),
            views_left: 0,
            new_view_bytes: 0,
            watched: usize::from(setup.kill),
            is_over: false,
            begun: None,
            dead: BTreeSet::new(),
            setup,
        }
    }

    fn begin(&mut self) {
        let n = self.setup.n;
        if self.setup.silent {
            for node in n - crate::theory::faulty(n)..n {
                self.nodes[node].replica = None;
                self.dead.insert(node);
            }
        }
        for (at, other) in (0..n).flat_map(|at| (0..n).map(move |other| (at, other))) {
            if at != other && self.nodes[at].replica.is_some() {
                let outputs = self.tell(at, Input::Connected(Peer(other as u64)));
                self.execute(at, outputs, 0);
            }
        }
        (0..n).for_each(|at| self.set_alarm(at));
        // No faster than blocks can take it up.
        let begin = BACKLOG_BLOCKS * crate::theory::Bounds::of(&self.setup).interval();
        for coin in 0..self.purses.len() {
            let at = self.dice.random_range(0..begin);
            self.add(at, Event::Submit { coin });
        }
    }

    fn add(&mut self, at: Ns, event: Event) {
        self.number += 1;
        self.agenda.push(Reverse((at, self.number)));
        self.events.insert(self.number, event);
    }

    fn time(&self) -> Time {
        Time::from_seconds(START_S).plus_ms(self.now / MS)
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Arrive { to, from, parcel } => self.arrive(to, from, parcel),
            Event::Submit { coin } => self.submit(coin),
            Event::Free { at } => {
                self.nodes[at].is_working = false;
                self.work(at);
            }
            Event::Done { at, batch } => self.done(at, batch),
            Event::Link { at } => {
                self.nodes[at].is_sending = false;
                self.send_next(at);
            }
            Event::Leave { at, to, parcel } => {
                self.nodes[at].waiting.extend(to.into_iter().map(|to| (to, parcel.clone())));
                self.send_next(at);
            }
            Event::Wake { at, ms } => {
                if self.nodes[at].wake_ms == Some(ms) {
                    self.nodes[at].wake_ms = None;
                    self.queue(at, at, Work::Input(Input::Wake), 0);
                }
            }
            Event::Gone { at, who } => {
                self.queue(at, who, Work::Input(Input::Disconnected(Peer(who as u64))), 0);
            }
        }
    }

    fn arrive(&mut self, to: usize, from: usize, parcel: Rc<Parcel>) {
        let node = &mut self.nodes[to];
        if node.replica.is_none() {
            return;
        }
        if parcel.gossip.is_some_and(|number| !node.heard.insert(number)) {
            node.debt += MESSAGE_IN_NS + parcel.transfers * TRANSFER_AGAIN_NS;
            return;
        }
        let lane = usize::from(parcel.transfers > 0);
        self.queue(to, from, Work::Message { from, parcel }, lane);
    }

    fn queue(&mut self, at: usize, from: usize, work: Work, lane: usize) {
        if self.nodes[at].replica.is_some() {
            self.nodes[at].lanes[lane].push(from, work);
            self.work(at);
        }
    }

    /// The processor takes what is next, if it is free.
    fn work(&mut self, at: usize) {
        let (now, weight) = (self.now, self.setup.weight());
        let node = &mut self.nodes[at];
        if node.is_working {
            return;
        }
        let lane = usize::from(node.lanes[0].is_empty());
        let batch = node.lanes[lane].take(weight);
        if batch.is_empty() {
            return;
        }
        let signatures = batch.iter().map(|work| work.signatures(weight)).sum();
        let transfers: u64 = batch.iter().map(|work| work.transfers(weight)).sum();
        let messages = batch.iter().filter(|work| !matches!(work, Work::Input(_))).count() as u64;
        let cost = verify_ns(signatures) + transfers * TRANSFER_IN_NS + messages * MESSAGE_IN_NS;
        node.is_working = true;
        let done = node.processor.serve(now, cost + std::mem::take(&mut node.debt));
        self.add(done, Event::Done { at, batch });
    }

    fn done(&mut self, at: usize, batch: Vec<Work>) {
        if self.nodes[at].replica.is_none() {
            return;
        }
        for work in batch {
            let (input, judged) = match work {
                Work::Message { from, parcel } => {
                    if parcel.gossip.is_some() {
                        let to = self.nodes[at].mesh.iter().copied().filter(|to| *to != from).collect();
                        self.leave(at, to, &parcel, self.now);
                    }
                    let message = parcel.message.clone();
                    (Input::Message { from: Peer(from as u64), message, waited_ms: 0 }, parcel.proposed)
                }
                Work::Submit { coin, transaction } => (Input::Submit { request: coin as u64, transaction }, 0),
                Work::Input(input) => (input, 0),
            };
            let outputs = self.tell(at, input);
            self.execute(at, outputs, judged * TRANSFER_JUDGED_NS);
        }
        self.set_alarm(at);
        let node = &mut self.nodes[at];
        let free = node.processor.serve(self.now, std::mem::take(&mut node.debt));
        self.add(free, Event::Free { at });
    }

    fn tell(&mut self, at: usize, input: Input) -> Vec<Output> {
        let now = self.time();
        self.nodes[at].replica.as_mut().map_or_else(Vec::new, |replica| replica.handle(now, input))
    }

    fn set_alarm(&mut self, at: usize) {
        let start = Time::from_seconds(START_S);
        let node = &mut self.nodes[at];
        let Some(deadline) = node.replica.as_ref().and_then(Replica::deadline) else { return };
        let ms = deadline.since_ms(start).max(self.now / MS + 1);
        if node.wake_ms.is_none_or(|before| before > ms) {
            node.wake_ms = Some(ms);
            self.add(ms * MS, Event::Wake { at, ms });
        }
    }

    /// Outputs in order; what they cost is charged before what follows them leaves.
    fn execute(&mut self, at: usize, outputs: Vec<Output>, cost: Ns) {
        let mut outputs = VecDeque::from(outputs);
        self.nodes[at].processor.serve(self.now, cost);
        while let Some(output) = outputs.pop_front() {
            match output {
                Output::Persist(record) => {
                    let node = &mut self.nodes[at];
                    node.store.persist(&record);
                    let decided = node.processor.free_at().max(self.now);
                    node.leaves_from = node.leaves_from.max(node.disk.sync(decided));
                }
                Output::Send { to, message } => self.send(at, to, message),
                Output::Chain(update) => {
                    self.nodes[at].store.update(&update);
                    self.connected(at, &update);
                    outputs.extend(self.tell(at, Input::Flushed { sequence: update.sequence }));
                }
                Output::Submitted { result, .. } => {
                    result.expect("every coin is there");
                }
                Output::Blame { peer, fault, .. } => panic!("node {at} blames {peer:?}: {fault:?}"),
                Output::Notice(Notice::Engine(Trace::Leave { .. })) => self.views_left += u64::from(at == self.watched),
                Output::Notice(_)
                | Output::Members { .. }
                | Output::Snapshot(_)
                | Output::Mine(_)
                | Output::PackageSubmitted { .. } => {}
            }
        }
    }

    fn send(&mut self, at: usize, to: To, message: Message) {
        let n = self.setup.n;
        let others = || (0..n).filter(|other| *other != at).collect::<Vec<usize>>();
        let is_gossip = matches!(message, Message::Transaction(_) | Message::TransactionBatch(_));
        let receivers = match to {
            To::All | To::Members => others(),
            To::Member(index) => vec![usize::from(index)],
            To::Peer(peer) => vec![peer.0 as usize],
        };
        if let Message::PrePrepare(proposal) = &message {
            self.proposed.entry(proposal.vote.ballot.height).or_insert(self.now);
        }
        let names_all = self.setup.block > COMPACT_ABOVE as u64;
        let message = compact(message, if names_all { 0 } else { 1_000 });
        let parcel = Rc::new(self.parcel(message, is_gossip && to == To::All));
        let node = &mut self.nodes[at];
        if let Some(number) = parcel.gossip {
            node.heard.insert(number);
        }
        let signed = matches!(
            parcel.message.get(),
            Message::Vote(_) | Message::PrePrepare(_) | Message::CompactPrePrepare(_) | Message::ViewChange(_)
        );
        let made = parcel.proposed * TRANSFER_JUDGED_NS;
        let decided = node.processor.serve(self.now, u64::from(signed) * SIGN_NS + made);
        self.leave(at, receivers, &parcel, decided);
    }

    fn leave(&mut self, at: usize, to: Vec<usize>, parcel: &Rc<Parcel>, decided: Ns) {
        let node = &mut self.nodes[at];
        node.debt += to.len() as u64 * MESSAGE_OUT_NS;
        // Gossip that is passed on rests on nothing that is written.
        let leaves = if parcel.transfers > 0 { decided } else { node.leaves_from.max(decided) };
        self.add(leaves, Event::Leave { at, to, parcel: parcel.clone() });
    }

    fn send_next(&mut self, at: usize) {
        let (now, bits_per_s) = (self.now, self.setup.bits_per_s);
        let node = &mut self.nodes[at];
        if node.is_sending || self.dead.contains(&at) {
            return;
        }
        let Some((to, parcel)) = node.waiting.pop_front() else { return };
        node.is_sending = true;
        let sent = node.sent.entry(parcel.name).or_default();
        sent.0 += 1;
        sent.1 += parcel.bytes;
        let gone = node.uplink.serve(now, transmission_ns(parcel.bytes, bits_per_s));
        self.add(gone, Event::Link { at });
        let way = one_way_ns(at, to);
        let late = self.dice.random_range(0..=way * JITTER_PER_MILLE / 1_000);
        let arrival = &mut self.last_arrival[at * self.setup.n + to];
        *arrival = (*arrival).max(gone + way + late);
        let arrival = *arrival;
        self.add(arrival, Event::Arrive { to, from: at, parcel });
    }

    /// What a message is on the wire, each transaction standing for so many transfers.
    fn parcel(&mut self, message: Message, is_gossip: bool) -> Parcel {
        let weight = self.setup.weight();
        let quorum = crate::theory::quorum(self.setup.n) as u64;
        let of_change =
            |change: &ViewChange| 1 + quorum * (change.prepared.len() as u64 + u64::from(change.committed.is_some()));
        let carried = |block: &Block| block.transactions.len() as u64 - 1;
        let (mut whole, mut named, mut transfers, mut signatures) = (0, 0, 0, 0);
        match &message {
            Message::Transaction(transaction) => {
                transfers = self.announced(transaction);
                signatures = transfers;
            }
            Message::TransactionBatch(batch) => {
                transfers = batch.0.iter().map(|it| self.announced(it)).sum();
                signatures = transfers;
            }
            Message::PrePrepare(proposal) => (whole, signatures) = (carried(&proposal.block), 1),
            Message::CompactPrePrepare(proposal) => (named, signatures) = (proposal.names.len() as u64, 1),
            Message::Vote(_) | Message::Checkpoint(_) => signatures = 1,
            Message::Certified(blocks) => {
                whole = blocks.0.iter().map(|certified| carried(&certified.block)).sum();
                signatures = quorum * blocks.0.len() as u64;
            }
            Message::Blocks(blocks) => whole = blocks.0.iter().map(carried).sum(),
            Message::Transactions(answer) => whole = answer.transactions.len() as u64,
            // So many at most, however many wait.
            Message::Overdue(_) => signatures = 1,
            Message::ViewChange(change) => signatures = of_change(change),
            Message::NewView(new_view) => signatures = 1 + new_view.changes.iter().map(of_change).sum::<u64>(),
            _ => {}
        }
        let encoded = encode(&message).len() as u64;
        if matches!(message, Message::NewView(_)) {
            self.new_view_bytes = self.new_view_bytes.max(encoded);
        }
        let gossiped = match &message {
            Message::Transaction(_) => 1,
            Message::TransactionBatch(batch) => batch.0.len() as u64,
            _ => 0,
        };
        let standing = whole * TRANSFER_BYTES + named * NAME_BYTES;
        let bytes = encoded + standing * (weight - 1) + (transfers - gossiped) * TRANSFER_BYTES;
        let proposed = match &message {
            Message::PrePrepare(_) => whole * weight,
            _ => named * weight,
        };
        let gossip = is_gossip.then(|| {
            self.gossips += 1;
            self.gossips
        });
        let name = message.name();
        let message = self.verifier.message(message, &|_| true, self.dice_for_batches()).expect("nobody lies");
        Parcel { message, name, bytes: wire_bytes(bytes), signatures, transfers, proposed, gossip }
    }

    /// For how many transfers a transaction stands that is sent to all. What is sent again after some seconds is a fixed number of
    /// transactions, however many wait.
    fn announced(&mut self, transaction: &Transaction) -> u64 {
        if self.announced.insert(transaction.id()) { self.setup.weight() } else { 1 }
    }

    /// The coefficients of a batch decide nothing.
    fn dice_for_batches(&self) -> StdRng {
        StdRng::seed_from_u64(self.number)
    }

    fn submit(&mut self, coin: usize) {
        let mut purse_at = self.purses[coin].at;
        while self.nodes[purse_at].replica.is_none() {
            purse_at = (purse_at + 1) % self.setup.n;
        }
        self.purses[coin].at = purse_at;
        let Purse { outpoint, grains: held, at, .. } = self.purses[coin];
        let output = |amount| Coin { amount: grains(amount), lock: self.lock.hash() };
        let outputs = vec![output(held - 1), output(1)];
        let spent = KeyCoin { outpoint, amount: grains(held), key: &self.key };
        let transaction = transfer(&self.network, &[spent], outputs);
        let txid = transaction.id();
        assert_eq!(transaction.bytes() as u64, TRANSFER_BYTES, "with one input and two outputs");
        self.under_way.insert(txid, coin);
        self.purses[coin] = Purse { outpoint: OutPoint { txid, index: 0 }, grains: held - 1, at, since: self.now };
        let transaction = self.verifier.transaction(transaction).expect("it is well made");
        self.queue(at, at, Work::Submit { coin, transaction }, 1);
    }

    /// Blocks became final at a node.
    fn connected(&mut self, at: usize, update: &ChainUpdate) {
        let weight = self.setup.weight();
        for link in &update.connected {
            let transfers = (link.block.transactions.len() as u64 - 1) * weight;
            let work = BLOCK_NS + transfers * TRANSFER_FINAL_NS;
            let known = self.nodes[at].leaves_from.max(self.now);
            self.nodes[at].debt += work;
            self.finals.entry(link.height).or_default().insert(at, (known, transfers));
            for transaction in &link.block.transactions[1..] {
                let txid = transaction.id();
                let Some(coin) = self.under_way.get(&txid).copied().filter(|coin| self.purses[*coin].at == at) else {
                    continue;
                };
                self.under_way.remove(&txid);
                self.latencies.push(known - self.purses[coin].since);
                if self.setup.alone {
                    self.purses[coin].at = (at + 1) % self.setup.n;
                }
                self.add(known, Event::Submit { coin });
            }
            if at == self.watched {
                self.watch(link.height);
            }
        }
    }

    fn watch(&mut self, height: Height) {
        if self.begun.is_none() && height.0 >= self.setup.warm {
            let busy = |node: &Node| [node.uplink.busy, node.processor.busy, node.disk.syncs * crate::model::SYNC_NS];
            self.begun = Some(Snapshot {
                at: self.now,
                height: height.0,
                sent: self.nodes.iter().map(|node| node.sent.clone()).collect(),
                busy: self.nodes.iter().map(busy).collect(),
                latencies: self.latencies.len(),
            });
            if self.setup.kill {
                self.kill(0);
            }
        }
        self.is_over = height.0 >= self.setup.warm + self.setup.counted;
    }

    /// A node stops; the others see their connections break.
    fn kill(&mut self, who: usize) {
        self.nodes[who].replica = None;
        self.dead.insert(who);
        for at in 0..self.setup.n {
            if !self.dead.contains(&at) {
                self.add(self.now + one_way_ns(who, at), Event::Gone { at, who });
            }
        }
        // What its users had handed in there they hand in elsewhere.
        let theirs: Vec<usize> = (0..self.purses.len()).filter(|coin| self.purses[*coin].at == who).collect();
        for coin in theirs {
            let txids: Vec<TxId> = self.under_way.iter().filter(|(_, it)| **it == coin).map(|(id, _)| *id).collect();
            if !txids.is_empty() {
                // It is on its way everywhere, or lost; who hands in goes to the next node to hear of it.
                self.purses[coin].at = 1;
            }
        }
    }

    fn outcome(self) -> Outcome {
        let Some(begun) = self.begun.as_ref() else { return Outcome::default() };
        let is_counted = |height: &Height| height.0 > begun.height;
        let counted: Vec<Height> = self.finals.keys().copied().filter(is_counted).collect();
        let watched: Vec<(Ns, u64)> =
            counted.iter().filter_map(|height| self.finals[height].get(&self.watched).copied()).collect();
        let blocks = watched.len() as f64;
        let seconds = (watched.last().map_or(0, |last| last.0).saturating_sub(begun.at)) as f64 / 1e9;
        let transfers = watched.iter().map(|it| it.1).sum::<u64>() as f64;
        let mut primary_final = Vec::new();
        let mut all_final = Vec::new();
        for height in &counted {
            let Some(proposed) = self.proposed.get(height) else { continue };
            for (node, (at, _)) in &self.finals[height] {
                let took = (at - proposed) as f64 / 1e6;
                all_final.push(took);
                if *node == 0 {
                    primary_final.push(took);
                }
            }
        }
        let (mut sent, mut by_name) = (vec![(0_u64, 0_u64); self.setup.n], BTreeMap::new());
        let mut votes = 0;
        for (number, node) in self.nodes.iter().enumerate() {
            for (name, (messages, bytes)) in &node.sent {
                let before = begun.sent[number].get(name).copied().unwrap_or_default();
                let (messages, bytes) = (messages - before.0, bytes - before.1);
                sent[number].0 += messages;
                sent[number].1 += bytes;
                *by_name.entry(*name).or_insert(0.0) += bytes as f64 / blocks;
                if matches!(*name, "prepare" | "commit" | "pre-prepare" | "compact-pre-prepare") {
                    votes += messages;
                }
            }
        }
        let others = (self.setup.n - 1) as f64;
        let split = |of: &dyn Fn(usize) -> f64| [of(0), (1..self.setup.n).map(of).sum::<f64>() / others];
        let messages = split(&|node| sent[node].0 as f64 / blocks);
        let bytes = split(&|node| sent[node].1 as f64 / blocks);
        let busy = |node: usize| {
            let it = &self.nodes[node];
            [it.uplink.busy, it.processor.busy, it.disk.syncs * crate::model::SYNC_NS]
        };
        let share = |what: usize| split(&|node| (busy(node)[what] - begun.busy[node][what]) as f64 / 1e9 / seconds);
        let gaps = std::iter::once(begun.at).chain(watched.iter().map(|it| it.0));
        let gaps: Vec<Ns> = gaps.collect();
        let gap = gaps.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).max().unwrap_or(0);
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
        let latencies: Vec<f64> = self.latencies[begun.latencies..].iter().map(|ns| *ns as f64 / 1e6).collect();
        Outcome {
            blocks: watched.len() as u64,
            blocks_per_s: blocks / seconds,
            transfers_per_s: transfers / seconds,
            fill: transfers / blocks,
            primary_final_ms: mean(&primary_final),
            final_ms: mean(&all_final),
            transfer_ms: mean(&latencies),
            votes: votes as f64 / blocks,
            sent: [0, 1].map(|who| Sent { messages: messages[who], bytes: bytes[who] }),
            bytes_by_name: by_name,
            uplink: share(0),
            processor: share(1),
            disk: share(2),
            views_left: self.views_left,
            gap_ms: gap as f64 / 1e6,
            new_view_bytes: self.new_view_bytes,
        }
    }
}

impl Node {
    fn new(genesis: &Arc<Genesis>, number: usize, mesh: Vec<usize>) -> Node {
        let (store, base) = Store::new(genesis);
        let engine = EngineConfig {
            genesis: genesis.clone(),
            key: Some(key(number)),
            payee: None,
            log: VoteLog::Original,
            incarnations: Incarnations::default(),
            mine: false,
            work_min: Default::default(),
            salt: [0; 32],
        };
        let config = ReplicaConfig { engine, mempool: MempoolConfig::default() };
        let now = Time::from_seconds(START_S);
        let (replica, outputs) = Replica::restore(config, Box::new(store.clone()), base, Vec::new(), now);
        let has_sent = outputs.iter().any(|output| matches!(output, Output::Send { .. }));
        assert!(!has_sent, "a new replica has nothing to say yet");
        Node {
            replica: Some(replica),
            store,
            processor: Server::default(),
            is_working: false,
            debt: 0,
            lanes: Default::default(),
            uplink: Server::default(),
            is_sending: false,
            waiting: VecDeque::new(),
            disk: Disk::default(),
            leaves_from: 0,
            wake_ms: None,
            heard: HashSet::new(),
            mesh,
            sent: BTreeMap::new(),
        }
    }
}

/// A ring in random order, in which each is a neighbour of the three on either side: [`MESH`] in all, or everybody.
fn mesh(n: usize, dice: &mut StdRng) -> Vec<Vec<usize>> {
    let mut ring: Vec<usize> = (0..n).collect();
    ring.shuffle(dice);
    let mut mesh = vec![BTreeSet::new(); n];
    for (place, step) in (0..n).flat_map(|place| (1..=MESH / 2).map(move |step| (place, step))) {
        let (a, b) = (ring[place], ring[(place + step) % n]);
        if a != b {
            mesh[a].insert(b);
            mesh[b].insert(a);
        }
    }
    mesh.into_iter().map(|peers| peers.into_iter().collect()).collect()
}
