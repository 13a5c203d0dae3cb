//! A net of miners: proof-of-work engines alone, in virtual time. They speak the real protocol to each other; blocks are empty.

use super::attack::Attack;
use crate::sim::dice::Dice;
use crate::sim::disk::{Disk, SharedDisk};
use crate::sim::setup::GENESIS_TIME_S;
use bezant_consensus::engine::{Effect, Engine, EngineConfig, Event, Instruction, Peer, Template, To, Trace, VoteLog};
use bezant_consensus::incarnations::Incarnations;
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::genesis::{Difficulty, EngineParams, GENESIS_VERSION, Genesis, LedgerParams, PowParams};
use bezant_consensus::ledger::hash::{BlockId, LockHash};
use bezant_consensus::ledger::target::{Target, Work};
use bezant_consensus::ledger::transaction::Output;
use bezant_consensus::ledger::units::Time;
use bezant_consensus::message::Message;
use bezant_consensus::pow::Pow;
use bezant_consensus::verify::{Verified, Verifier};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Mean time between two blocks of the whole net.
pub(super) const SPACING_MS: u64 = 10_000;
/// Hash power is counted in millionths of the whole.
pub(super) const WHOLE: u64 = 1_000_000;
/// Every second nonce meets it.
pub(super) const BITS: u32 = 0x207f_ffff;

/// What is different from net to net.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Of each node, in millionths of the whole; one that has none only follows.
    pub(super) power: Vec<u64>,
    /// From whom to whom a message takes how long; `None`: they are not connected.
    pub(super) delay_ms: Vec<Vec<Option<u64>>>,
    /// Confirmations after which a block counts as final.
    pub(super) final_depth: u32,
    /// The work below which a node looks at no chain.
    pub(super) work_min: Vec<Work>,
    /// What node 0 does, if it is no honest miner.
    pub(super) attack: Option<Attack>,
}

impl Plan {
    /// Honest nodes of which each hears each after the same time.
    pub(super) fn new(power: Vec<u64>, delay_ms: u64) -> Plan {
        let count = power.len();
        Plan {
            power,
            delay_ms: vec![vec![Some(delay_ms); count]; count],
            final_depth: 6,
            work_min: vec![Work::ZERO; count],
            attack: None,
        }
    }
}

/// A block that was found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) height: u64,
    pub(super) parent: BlockId,
    pub(super) miner: usize,
}

pub(super) struct Node {
    engine: Pow,
    disk: SharedDisk,
    power: u64,
    template: Option<Template>,
    /// Counts searches: a block of an earlier one is not found any more.
    search: u64,
    wake_ms: Option<u64>,
    /// Times that blocks which counted as final were undone.
    pub(super) finality_broken: u64,
    /// Times that a branch was refused as too deep.
    pub(super) alarms: u64,
}

enum Happening {
    Arrives { from: usize, to: usize, message: Arc<Verified<Message>> },
    Solved { node: usize, search: u64 },
    Wakes { node: usize },
}

pub(super) struct Net {
    pub(super) plan: Plan,
    verifier: Verifier,
    dice: Dice,
    pub(super) now_ms: u64,
    pub(super) nodes: Vec<Node>,
    /// By time, then in the order in which they were scheduled.
    agenda: BTreeMap<(u64, u64), Happening>,
    scheduled: u64,
    /// Every block that was found, and genesis.
    pub(super) found: BTreeMap<BlockId, Found>,
    /// Blames of honest nodes, of which there should be none.
    pub(super) blames: u64,
    /// Nobody finds anything any more.
    pub(super) is_still: bool,
}

fn genesis(seed: u64, final_depth: u32) -> Genesis {
    let one = Amount::from_grains(1).expect("small");
    let mut salt = [0; 32];
    salt[..8].copy_from_slice(&seed.to_le_bytes());
    let genesis = Genesis {
        version: GENESIS_VERSION,
        salt,
        time: GENESIS_TIME_S,
        dev: true,
        engine: EngineParams::Pow(PowParams {
            spacing_s: (SPACING_MS / 1_000) as u32,
            bits: BITS,
            difficulty: Difficulty::Fixed,
            final_depth,
            max_reorg: 1_000_000,
            future_s: 7_200,
        }),
        ledger: LedgerParams {
            block_bytes_max: 10_000,
            coinbase_maturity: 10,
            subsidy: one,
            halving_interval: 0,
            relay_fee_rate_min: 0,
        },
        members: Vec::new(),
        allocations: vec![Output { amount: one, lock: LockHash([255; 32]) }],
    };
    genesis.check().expect("it can be run");
    genesis
}

impl Net {
    pub(super) fn new(plan: Plan, seed: u64) -> Net {
        let genesis = Arc::new(genesis(seed, plan.final_depth));
        let start = genesis.block().id();
        let node = |index: usize| {
            let disk = SharedDisk::new(Disk::new(&genesis, None));
            let config = EngineConfig {
                genesis: genesis.clone(),
                key: None,
                payee: Some(LockHash([index as u8; 32])),
                log: VoteLog::Original,
                incarnations: Incarnations::default(),
                mine: plan.power[index] > 0,
                work_min: plan.work_min[index],
                salt: [index as u8; 32],
            };
            let (base, records) = disk.lock().load();
            let (engine, _) = Pow::restore(config, Box::new(disk.clone()), base, records);
            let power = plan.power[index];
            Node { engine, disk, power, template: None, search: 0, wake_ms: None, finality_broken: 0, alarms: 0 }
        };
        let nodes: Vec<Node> = (0..plan.power.len()).map(node).collect();
        let first = Found { height: 0, parent: BlockId::default(), miner: usize::MAX };
        let mut net = Net {
            verifier: Verifier::new(genesis.clone()),
            dice: Dice::new(seed),
            now_ms: 0,
            nodes,
            agenda: BTreeMap::new(),
            scheduled: 0,
            found: BTreeMap::from([(start, first)]),
            blames: 0,
            is_still: false,
            plan,
        };
        if let Some(attack) = &mut net.plan.attack {
            attack.begin(start);
        }
        for node in 0..net.nodes.len() {
            for other in 0..net.nodes.len() {
                if net.is_connected(node, other) {
                    net.tell(node, Event::Connected(Peer(other as u64)));
                }
            }
            net.tell(node, Event::Wake);
        }
        net
    }

    fn is_connected(&self, a: usize, b: usize) -> bool {
        a != b && self.plan.delay_ms[a][b].is_some()
    }

    /// Two nodes that were apart find each other.
    pub(super) fn connect(&mut self, a: usize, b: usize, delay_ms: u64) {
        for (node, other) in [(a, b), (b, a)] {
            self.plan.delay_ms[node][other] = Some(delay_ms);
            self.tell(node, Event::Connected(Peer(other as u64)));
        }
    }

    /// Runs until something is true, which is looked at after each event.
    pub(super) fn run_until(&mut self, is_done: impl Fn(&Net) -> bool) {
        while !is_done(self) {
            self.step();
        }
    }

    fn step(&mut self) {
        let ((at_ms, _), happening) = self.agenda.pop_first().expect("engines always want to be woken");
        self.now_ms = at_ms;
        match happening {
            Happening::Arrives { from, to, message } => self.arrives(from, to, &message),
            Happening::Solved { node, search } => self.solved(node, search),
            Happening::Wakes { node } => {
                if self.nodes[node].wake_ms == Some(at_ms) {
                    self.nodes[node].wake_ms = None;
                    self.tell(node, Event::Wake);
                }
            }
        }
    }

    fn schedule(&mut self, at_ms: u64, happening: Happening) {
        self.scheduled += 1;
        self.agenda.insert((at_ms, self.scheduled), happening);
    }

    fn arrives(&mut self, from: usize, to: usize, message: &Verified<Message>) {
        if let Some(answer) = self.nodes[to].engine.answer(message.get()) {
            return self.send(to, To::Peer(Peer(from as u64)), answer);
        }
        let heard = match message.get() {
            Message::CompactBlock(compact) if to == 0 && from != 0 => Some(compact.header.id()),
            _ => None,
        };
        self.tell(to, Event::Message { from: Peer(from as u64), message: message.clone(), waited_ms: 0 });
        if let Some(id) = heard {
            self.attack(|attack, view| attack.heard(view, id));
        }
    }

    fn solved(&mut self, node: usize, search: u64) {
        if self.nodes[node].search != search || self.is_still {
            return;
        }
        let Some(Template { ticket, mut block, .. }) = self.nodes[node].template.clone() else { return };
        let target = Target::from_compact(block.header.bits).expect("a template has a valid target");
        block.header.time = block.header.time.max(self.time().seconds());
        while !target.is_met_by(&block.id()) {
            block.header.nonce += 1;
        }
        let (id, parent) = (block.id(), block.header.parent);
        let height = self.found[&parent].height + 1;
        self.found.insert(id, Found { height, parent, miner: node });
        if node == 0
            && let Some(attack) = &mut self.plan.attack
        {
            attack.withhold(id);
        }
        self.tell(node, Event::Solved { ticket, block });
        if node == 0 {
            self.attack(|attack, view| attack.found(view, id));
        }
    }

    fn time(&self) -> Time {
        Time::from_seconds(GENESIS_TIME_S).plus_ms(1_000 + self.now_ms)
    }

    pub(super) fn tell(&mut self, node: usize, event: Event) {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            let now = self.time();
            for effect in self.nodes[node].engine.handle(now, event) {
                events.extend(self.execute(node, effect));
            }
        }
        let now = self.time();
        if let Some(due) = self.nodes[node].engine.deadline() {
            let at_ms = self.now_ms + due.since_ms(now).max(1);
            if self.nodes[node].wake_ms.is_none_or(|set| at_ms < set) {
                self.nodes[node].wake_ms = Some(at_ms);
                self.schedule(at_ms, Happening::Wakes { node });
            }
        }
    }

    fn execute(&mut self, node: usize, effect: Effect) -> Option<Event> {
        match effect {
            Effect::Persist(record) => {
                let mut disk = self.nodes[node].disk.lock();
                disk.hand_out(&record);
                disk.make_durable();
            }
            Effect::Send { to, message } => self.send(node, to, message),
            Effect::WantPayload(request) => {
                return Some(Event::Payload { ticket: request.ticket, transactions: Vec::new() });
            }
            Effect::WantKnown { block, wanted, .. } => {
                return Some(Event::Known { block, known: vec![None; wanted.len()] });
            }
            Effect::Mine(template) => self.mine(node, template),
            Effect::Chain(update) => {
                let sequence = update.sequence;
                let mut disk = self.nodes[node].disk.lock();
                disk.queue(update);
                disk.flush_one().expect("an update fits the one before it");
                return Some(Event::Flushed { sequence });
            }
            Effect::Blame { .. } => self.blames += u64::from(node != 0),
            Effect::Trace(Trace::FinalityBroken { .. }) => self.nodes[node].finality_broken += 1,
            Effect::Trace(Trace::ReorgRefused { .. }) => self.nodes[node].alarms += 1,
            Effect::Trace(_)
            // PBFT's.
            | Effect::WantOverdue(_)
            | Effect::Admit { .. }
            | Effect::Snapshot(_)
            | Effect::Members { .. } => {}
        }
        None
    }

    /// A new search changes nothing in how long it takes: it has no memory.
    fn mine(&mut self, node: usize, template: Option<Template>) {
        self.nodes[node].template = template;
        self.nodes[node].search += 1;
        if self.nodes[node].template.is_none() || self.nodes[node].power == 0 {
            return;
        }
        let search = self.nodes[node].search;
        let mean_us = SPACING_MS * 1_000 * WHOLE / self.nodes[node].power;
        let at_ms = self.now_ms + self.dice.exponential(mean_us) / 1_000;
        self.schedule(at_ms, Happening::Solved { node, search });
    }

    fn send(&mut self, node: usize, to: To, message: Message) {
        let receivers: Vec<usize> = match to {
            To::All => (0..self.nodes.len()).collect(),
            To::Peer(peer) => vec![peer.0 as usize],
            To::Members | To::Member(_) => Vec::new(),
        };
        for receiver in receivers.into_iter().filter(|to| self.is_connected(node, *to)).collect::<Vec<usize>>() {
            let filtered = match &self.plan.attack {
                Some(attack) if node == 0 => attack.lets_out(receiver, message.clone()),
                Some(_) | None => Some(message.clone()),
            };
            if let Some(message) = filtered {
                self.post(node, receiver, message);
            }
        }
    }

    fn post(&mut self, from: usize, to: usize, message: Message) {
        let Some(delay_ms) = self.plan.delay_ms[from][to] else { return };
        let verified = self.verifier.message(message, &|_| false, ChaCha8Rng::from_seed([0; 32]));
        let message = Arc::new(verified.expect("engines say nothing that is refused"));
        self.schedule(self.now_ms + delay_ms, Happening::Arrives { from, to, message });
    }

    /// Asks the attacker what it does now, and does it.
    fn attack(&mut self, ask: impl FnOnce(&mut Attack, &View<'_>) -> Vec<Move>) {
        let Some(mut attack) = self.plan.attack.take() else { return };
        let moves = ask(&mut attack, &View { found: &self.found });
        self.plan.attack = Some(attack);
        for step in moves {
            match step {
                Move::Publish(id) => self.publish(id),
                Move::RuleOut(id) => self.tell(0, Event::Instruction(Instruction::Invalidate(id))),
                Move::Reconsider(id) => self.tell(0, Event::Instruction(Instruction::Reconsider(id))),
            }
        }
    }

    /// The attacker announces a block that it has held back, as a miner announces one that it has just found.
    fn publish(&mut self, id: BlockId) {
        let block = self.nodes[0].engine.chain().block(&id).expect("the attacker holds its own blocks");
        let announcement =
            Message::CompactBlock(bezant_consensus::message::relay::CompactBlock::new(&block, 0, |_| true));
        self.send(0, To::All, announcement);
    }

    /// Where a node's chain ends.
    pub(super) fn tip(&self, node: usize) -> BlockId {
        self.nodes[node].engine.chain().tip().id
    }

    pub(super) fn height(&self, node: usize) -> u64 {
        self.found[&self.tip(node)].height
    }

    pub(super) fn final_height(&self, node: usize) -> u64 {
        self.nodes[node].engine.chain().final_height().0
    }

    /// A block and those below it, without genesis.
    pub(super) fn chain_of(&self, tip: BlockId) -> impl Iterator<Item = (BlockId, Found)> {
        let at = |id: BlockId| Some((id, self.found[&id])).filter(|(_, found)| found.height > 0);
        std::iter::successors(at(tip), move |(_, found)| at(found.parent))
    }
}

/// What the attacker knows of blocks.
pub(super) struct View<'a> {
    pub(super) found: &'a BTreeMap<BlockId, Found>,
}

/// What the attacker does.
pub(super) enum Move {
    /// Lets an own block out.
    Publish(BlockId),
    /// Does not follow a block of the others.
    RuleOut(BlockId),
    /// Follows it again.
    Reconsider(BlockId),
}
