//! The engine in a small world: a few replicas, a queue of messages, a clock that the test moves.

mod bitcoin;
mod difficulty;
mod engine;
mod finality;
mod instruct;
mod light;
mod mine;
#[cfg(feature = "plant")]
mod plants;
mod presync;
mod relay;
mod replay;
mod sync;
mod tree;

use super::Pow;
use crate::chain::{Archive, Base, ChainUpdate};
use crate::engine::{
    Effect, Engine, EngineConfig, Event, Fault, Instruction, Peer, Record, Template, To, Trace, VoteLog,
};
use crate::incarnations::Incarnations;
use crate::ledger::amount::Amount;
use crate::ledger::block::Block;
use crate::ledger::coins::{Coin, Coins, Diff};
use crate::ledger::genesis::{Difficulty, EngineParams, Genesis, LedgerParams, PowParams};
use crate::ledger::hash::{BlockId, LockHash};
use crate::ledger::key::SigningKey;
use crate::ledger::lock::{Lock, LockTime};
use crate::ledger::sighash::SighashCommon;
use crate::ledger::target::Target;
use crate::ledger::transaction::{Body, OutPoint, Output, Spend, Transaction, Transfer, Witness};
use crate::ledger::units::{Height, Time};
use crate::message::relay::CompactBlock;
use crate::message::{CommitCertificate, Message};
use crate::verify::{Verified, Verifier};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

/// The easiest target there is: every second nonce meets it.
const BITS: u32 = 0x207f_ffff;
/// When the nets of these tests began.
const START_S: u32 = 1_700_000_000;

fn key(number: u8) -> SigningKey {
    SigningKey::from_seed(&[number; 32])
}

fn lock(number: u8) -> Lock {
    Lock::Key(key(number).public())
}

fn params() -> PowParams {
    PowParams { spacing_s: 10, bits: BITS, difficulty: Difficulty::Fixed, final_depth: 3, max_reorg: 20, future_s: 60 }
}

fn genesis_with(params: PowParams) -> Arc<Genesis> {
    let amount = Amount::from_grains(1_000_000).unwrap();
    let genesis = Genesis {
        version: 1,
        salt: [7; 32],
        time: START_S,
        dev: true,
        engine: EngineParams::Pow(params),
        ledger: LedgerParams {
            block_bytes_max: 1_000_000,
            coinbase_maturity: 2,
            subsidy: Amount::from_grains(500).unwrap(),
            halving_interval: 0,
            relay_fee_rate_min: 0,
        },
        members: Vec::new(),
        allocations: (0..4).map(|number| Output { amount, lock: lock(number).hash() }).collect(),
    };
    genesis.check().unwrap();
    Arc::new(genesis)
}

fn genesis() -> Arc<Genesis> {
    genesis_with(params())
}

/// A transfer of a whole coin to one lock, less a fee.
fn transfer(genesis: &Genesis, from: u8, coin: OutPoint, amount: u64, to: LockHash, fee: u64) -> Transaction {
    let (spent, kept) = (Amount::from_grains(amount).unwrap(), Amount::from_grains(amount - fee).unwrap());
    let body = Body::Transfer(Transfer {
        inputs: vec![coin],
        outputs: vec![Output { amount: kept, lock: to }],
        lock_time: LockTime::NONE,
    });
    let common = SighashCommon::new(&genesis.network_id(), &body, &[(spent, lock(from).hash())]);
    let signature = key(from).sign(&common.digest(0, &[], &lock(from)));
    let spend = Spend { amount: spent, lock: lock(from), signatures: vec![signature], preimages: Vec::new() };
    Transaction::new(body, vec![Witness::Spend(spend)])
}

/// A transfer of the genesis coin of this number.
fn spend_genesis(genesis: &Genesis, number: u8, to: u8) -> Transaction {
    let coin = OutPoint { txid: genesis.block().transactions[0].id(), index: u32::from(number) };
    transfer(genesis, number, coin, 1_000_000, lock(to).hash(), 10)
}

/// An announcement that leaves nothing to be asked for.
fn whole(block: &Block) -> Message {
    Message::CompactBlock(CompactBlock::new(block, 0, |_| true))
}

/// Finds a nonce by trying.
fn solve(mut block: Block) -> Block {
    let target = Target::from_compact(block.header.bits).unwrap();
    while !target.is_met_by(&block.id()) {
        block.header.nonce += 1;
    }
    block
}

fn active_at(world: &World, node: usize, height: u64) -> BlockId {
    world.nodes[node].engine.chain().active_at(Height(height)).unwrap()
}

/// What one replica has on disk.
#[derive(Default)]
struct Disk {
    records: Vec<Record>,
    bodies: BTreeMap<BlockId, Arc<Block>>,
    coins: BTreeMap<OutPoint, Coin>,
    diffs: BTreeMap<BlockId, Arc<Diff>>,
    active: Vec<BlockId>,
    unflushed: Vec<ChainUpdate>,
}

impl Disk {
    fn flush(&mut self, update: &ChainUpdate) {
        for link in &update.disconnected {
            link.diff.revert(&mut self.coins).expect("undo fits the coins");
            assert_eq!(self.active.pop(), Some(link.id), "blocks are undone from the tip down");
        }
        for link in &update.connected {
            link.diff.apply(&mut self.coins).expect("blocks fit the coins");
            self.active.push(link.id);
            self.diffs.insert(link.id, link.diff.clone());
        }
    }
}

#[derive(Clone)]
struct Shared(Arc<Mutex<Disk>>);

impl Coins for Shared {
    fn get(&self, outpoint: &OutPoint) -> Option<Coin> {
        self.0.lock().unwrap().coins.get(outpoint).copied()
    }
}

impl Archive for Shared {
    fn block(&self, id: &BlockId) -> Option<Arc<Block>> {
        self.0.lock().unwrap().bodies.get(id).cloned()
    }
    fn diff(&self, id: &BlockId) -> Option<Arc<Diff>> {
        self.0.lock().unwrap().diffs.get(id).cloned()
    }
    fn active_at(&self, height: Height) -> Option<BlockId> {
        self.0.lock().unwrap().active.get(height.0 as usize).copied()
    }
    fn certificate(&self, _: Height) -> Option<CommitCertificate> {
        None
    }
}

struct Node {
    engine: Pow,
    config: EngineConfig,
    disk: Shared,
    /// Whether updates reach the disk at once.
    flushing: bool,
    pool: Vec<Transaction>,
    template: Option<Template>,
    updates: Vec<ChainUpdate>,
    traces: Vec<Trace>,
    blames: Vec<(Peer, Fault)>,
}

impl Node {
    fn tip(&self) -> Height {
        self.engine.chain().tip().height
    }

    fn tip_id(&self) -> BlockId {
        self.engine.chain().tip().id
    }

    fn balance(&self, number: u8) -> u64 {
        let disk = self.disk.0.lock().unwrap();
        let own = lock(number).hash();
        disk.coins.values().filter(|coin| coin.lock == own).map(|coin| coin.amount.grains()).sum()
    }
}

/// A few replicas. A link between two is cut when it is in `cut`.
struct World {
    genesis: Arc<Genesis>,
    now: Time,
    nodes: Vec<Node>,
    cut: Vec<(usize, usize)>,
    queue: VecDeque<(usize, usize, Message)>,
    /// Messages delivered, by name.
    delivered: BTreeMap<&'static str, usize>,
}

impl World {
    /// Replicas that know each other; each is paid to its own lock, number 100 + index.
    fn new(count: usize, genesis: &Arc<Genesis>) -> World {
        let mut world = World {
            genesis: genesis.clone(),
            now: Time::from_seconds(START_S + 10),
            nodes: Vec::new(),
            cut: Vec::new(),
            queue: VecDeque::new(),
            delivered: BTreeMap::new(),
        };
        for index in 0..count {
            world.add(index);
        }
        world.run();
        world
    }

    /// Adds a replica at genesis and connects it to all others.
    fn add(&mut self, index: usize) {
        let config = EngineConfig {
            genesis: self.genesis.clone(),
            key: None,
            log: VoteLog::Original,
            payee: Some(lock(100 + index as u8).hash()),
            incarnations: Incarnations::default(),
            mine: false,
            work_min: Default::default(),
            salt: [0; 32],
        };
        let (base, diff) = Base::genesis(&self.genesis);
        let disk = Disk { coins: diff.created.clone(), active: vec![base.tip.id], ..Disk::default() };
        let disk = Shared(Arc::new(Mutex::new(disk)));
        let (engine, effects) = Pow::restore(config.clone(), Box::new(disk.clone()), base, Vec::new());
        assert!(effects.is_empty(), "nothing is to be done at genesis");
        self.nodes.push(Node {
            engine,
            config,
            disk,
            flushing: true,
            pool: Vec::new(),
            template: None,
            updates: Vec::new(),
            traces: Vec::new(),
            blames: Vec::new(),
        });
        self.connect_all(index);
    }

    fn connect_all(&mut self, index: usize) {
        for other in 0..self.nodes.len() {
            if other != index && !self.is_cut(index, other) {
                self.tell(index, Event::Connected(Peer(other as u64)));
                self.tell(other, Event::Connected(Peer(index as u64)));
            }
        }
    }

    fn is_cut(&self, a: usize, b: usize) -> bool {
        self.cut.contains(&(a.min(b), a.max(b)))
    }

    fn partition(&mut self, left: &[usize], right: &[usize]) {
        for &a in left {
            for &b in right {
                self.cut.push((a.min(b), a.max(b)));
                self.tell(a, Event::Disconnected(Peer(b as u64)));
                self.tell(b, Event::Disconnected(Peer(a as u64)));
            }
        }
    }

    fn heal(&mut self) {
        for (a, b) in std::mem::take(&mut self.cut) {
            self.tell(a, Event::Connected(Peer(b as u64)));
            self.tell(b, Event::Connected(Peer(a as u64)));
        }
        self.run();
    }

    fn tell(&mut self, index: usize, event: Event) {
        let effects = self.nodes[index].engine.handle(self.now, event);
        self.execute(index, effects);
    }

    fn execute(&mut self, index: usize, effects: Vec<Effect>) {
        for effect in effects {
            let node = &mut self.nodes[index];
            match effect {
                Effect::Persist(record) => {
                    let mut disk = node.disk.0.lock().unwrap();
                    if let Record::Body(block) = &record {
                        disk.bodies.insert(block.id(), Arc::new(block.clone()));
                    }
                    disk.records.push(record);
                }
                Effect::Send { to, message } => self.post(index, to, message),
                Effect::WantPayload(request) => {
                    let transactions = node.pool.clone();
                    self.tell(index, Event::Payload { ticket: request.ticket, transactions });
                }
                Effect::WantKnown { block, names, wanted } => {
                    let by_name: BTreeMap<_, _> =
                        node.pool.iter().map(|it| (names.of(&it.hash()), it.clone())).collect();
                    let known = wanted.iter().map(|name| by_name.get(name).cloned()).collect();
                    self.tell(index, Event::Known { block, known });
                }
                Effect::WantOverdue(_) | Effect::Admit { .. } => panic!("proof of work complains of nobody"),
                Effect::Mine(template) => node.template = template,
                Effect::Snapshot(_) | Effect::Members { .. } => panic!("there are no checkpoints"),
                Effect::Chain(update) => {
                    node.updates.push(update.clone());
                    if !node.flushing {
                        node.disk.0.lock().unwrap().unflushed.push(update);
                        continue;
                    }
                    node.disk.0.lock().unwrap().flush(&update);
                    let sequence = update.sequence;
                    self.tell(index, Event::Flushed { sequence });
                }
                Effect::Blame { peer, fault } => node.blames.push((peer, fault)),
                Effect::Trace(trace) => node.traces.push(trace),
            }
        }
    }

    fn post(&mut self, from: usize, to: To, message: Message) {
        match to {
            To::Peer(Peer(peer)) => self.queue.push_back((from, peer as usize, message)),
            To::All => {
                let others = (0..self.nodes.len()).filter(|other| *other != from);
                self.queue.extend(others.map(|other| (from, other, message.clone())));
            }
            To::Members | To::Member(_) => panic!("proof of work has no members"),
        }
    }

    fn verified(&self, message: Message) -> Verified<Message> {
        let rng = ChaCha20Rng::from_seed([1; 32]);
        Verifier::new(self.genesis.clone())
            .message(message, &|_| false, rng)
            .expect("messages of this world are well formed")
    }

    /// Gives one message to a replica as its executor would.
    fn deliver(&mut self, from: usize, to: usize, message: Message) {
        *self.delivered.entry(message.name()).or_default() += 1;
        if let Some(answer) = self.nodes[to].engine.answer(&message) {
            self.queue.push_back((to, from, answer));
        }
        let message = self.verified(message);
        self.tell(to, Event::Message { from: Peer(from as u64), message, waited_ms: 0 });
    }

    /// Delivers until nothing is under way.
    fn run(&mut self) {
        let mut steps = 0;
        while let Some((from, to, message)) = self.queue.pop_front() {
            if !self.is_cut(from, to) {
                self.deliver(from, to, message);
            }
            steps += 1;
            assert!(steps < 100_000, "the net does not come to rest");
        }
    }

    /// Moves the clock and wakes all.
    fn pass_s(&mut self, seconds: u64) {
        self.now = self.now.plus_ms(seconds * 1000);
        for index in 0..self.nodes.len() {
            self.tell(index, Event::Wake);
        }
        self.run();
    }

    /// Lets a replica find a block; what it says waits in the queue.
    fn find(&mut self, index: usize) -> BlockId {
        self.now = self.now.plus_ms(10_000);
        self.tell(index, Event::BlockNow);
        let template = self.nodes[index].template.clone().expect("a template was asked for");
        let block = solve(template.block);
        let id = block.id();
        self.tell(index, Event::Solved { ticket: template.ticket, block });
        assert_eq!(self.nodes[index].tip_id(), id, "what was found here is the tip");
        id
    }

    /// Lets a replica find blocks that all others hear of.
    fn mine(&mut self, index: usize, count: usize) {
        for _ in 0..count {
            self.find(index);
            self.run();
        }
    }

    fn instruct(&mut self, index: usize, instruction: Instruction) {
        self.nodes[index].engine.admits_instruction(&instruction).expect("it can be carried out");
        self.tell(index, Event::Instruction(instruction));
    }

    /// Stops a replica and starts it again from its disk; updates that were not flushed are lost.
    fn restart(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        let (base, records) = {
            let mut disk = node.disk.0.lock().unwrap();
            disk.unflushed.clear();
            let (mut base, _) = Base::genesis(&self.genesis);
            for id in &disk.active[1..] {
                base.buckets.apply(&disk.diffs[id]);
                let height = base.tip.height.next();
                base.tip = crate::chain::Tip { height, id: *id, header: disk.bodies[id].header };
            }
            (base, disk.records.clone())
        };
        let (engine, effects) = Pow::restore(node.config.clone(), Box::new(node.disk.clone()), base, records);
        node.engine = engine;
        node.template = None;
        self.execute(index, effects);
        self.connect_all(index);
        self.run();
    }

    fn assert_agreed(&self) {
        for node in &self.nodes {
            assert_eq!(node.tip_id(), self.nodes[0].tip_id(), "all have one tip");
        }
    }
}
