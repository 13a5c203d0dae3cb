//! The replicas of one scenario: engines alone, in virtual time, with a referee.

use super::scenario::MEMBERS;
use super::{LIVENESS_MS, Outcome, ROUND_MS, Scenario};
use crate::sim::disk::{Disk, SharedDisk};
use crate::sim::setup::GENESIS_TIME_S;
use bezant_consensus::engine::{Effect, Engine, EngineConfig, Event, Fault, Peer, Record, Status, To, Trace, VoteLog};
use bezant_consensus::incarnations::Incarnations;
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::codec::encode;
use bezant_consensus::ledger::genesis::{EngineParams, GENESIS_VERSION, Genesis, LedgerParams, PbftParams};
use bezant_consensus::ledger::hash::{BlockId, LockHash, sha256};
use bezant_consensus::ledger::key::SigningKey;
use bezant_consensus::ledger::transaction::Output;
use bezant_consensus::ledger::units::{Height, Time};
use bezant_consensus::message::Message;
use bezant_consensus::pbft::Pbft;
use bezant_consensus::verify::{Verified, Verifier};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::{Arc, OnceLock};

/// How long a message is under way.
const HOP_MS: u64 = 10;
/// A net that does so much in one scenario does not come to an end.
const STEPS_MAX: u64 = 400_000;

struct Replica {
    engine: Pbft,
    disk: SharedDisk,
}

struct Packet {
    from: usize,
    to: usize,
    message: Rc<Verified<Message>>,
}

/// What the referee says.
type Verdict = Result<(), (&'static str, String)>;

pub(super) struct Net {
    scenario: Scenario,
    members: Vec<u16>,
    verifier: Verifier,
    replicas: Vec<Replica>,
    now_ms: u64,
    /// By time of arrival, then in the order sent.
    queue: BTreeMap<(u64, u64), Packet>,
    sent: u64,
    verified: BTreeMap<[u8; 32], Rc<Verified<Message>>>,
    /// The first certificate of a correct replica at each height.
    certified: BTreeMap<Height, BlockId>,
    forked: bool,
    view: u64,
    named: BTreeSet<u16>,
}

fn genesis(depth: u16) -> &'static Arc<Genesis> {
    static OF_DEPTH: [OnceLock<Arc<Genesis>>; 17] = [const { OnceLock::new() }; 17];
    OF_DEPTH[usize::from(depth.min(16))].get_or_init(|| Arc::new(make_genesis(depth)))
}

fn make_genesis(depth: u16) -> Genesis {
    let engine = EngineParams::Pbft(PbftParams {
        depth,
        checkpoint_interval: 64,
        view_timeout_ms: 1_000,
        // No doubling: so a view fails in each round.
        view_timeout_max_ms: 1_000,
        drift_s: 15,
        block_time_ms: 1_000,
        readmit_interval: 100,
    });
    let genesis = Genesis {
        version: GENESIS_VERSION,
        salt: [1; 32],
        time: GENESIS_TIME_S,
        dev: true,
        engine,
        ledger: LedgerParams {
            block_bytes_max: 10_000,
            coinbase_maturity: 10,
            // So that the blocks of two twins differ: each replica pays another.
            subsidy: Amount::from_grains(1).expect("small"),
            halving_interval: 0,
            relay_fee_rate_min: 0,
        },
        members: (0..MEMBERS).map(|member| key(member).public()).collect(),
        allocations: vec![Output { amount: Amount::from_grains(1).expect("small"), lock: LockHash([255; 32]) }],
    };
    genesis.check().expect("it can be run");
    genesis
}

fn key(member: usize) -> SigningKey {
    SigningKey::from_seed(&[member as u8 + 1; 32])
}

impl Net {
    pub(super) fn new(scenario: &Scenario, depth: u16) -> Net {
        let genesis = genesis(depth);
        let members = scenario.members();
        let replicas = members.iter().enumerate().map(|(index, member)| {
            let disk = SharedDisk::new(Disk::new(genesis, None));
            let config = EngineConfig {
                genesis: genesis.clone(),
                key: Some(key(usize::from(*member))),
                payee: Some(LockHash([index as u8; 32])),
                log: VoteLog::Original,
                incarnations: Incarnations::default(),
                mine: false,
                work_min: Default::default(),
                salt: [0; 32],
            };
            let (base, records) = disk.lock().load();
            let (engine, _) = Pbft::restore(config, Box::new(disk.clone()), base, records);
            Replica { engine, disk }
        });
        Net {
            scenario: scenario.clone(),
            members: members.clone(),
            verifier: Verifier::new(genesis.clone()),
            replicas: replicas.collect(),
            now_ms: 0,
            queue: BTreeMap::new(),
            sent: 0,
            verified: BTreeMap::new(),
            certified: BTreeMap::new(),
            forked: false,
            view: 0,
            named: BTreeSet::new(),
        }
    }

    /// Runs to the end, or to the first objection.
    pub(super) fn run(&mut self) -> Option<(&'static str, String)> {
        self.run_all().err()
    }

    pub(super) fn outcome(self, objection: Option<(&'static str, String)>) -> Outcome {
        let height = (0..self.replicas.len()).filter(|index| self.is_correct(*index)).map(|index| self.height(index));
        Outcome {
            height: height.max().unwrap_or(0),
            scenario: self.scenario.clone(),
            view: self.view,
            forked: self.forked,
            named: self.named.clone(),
            objection,
        }
    }

    fn is_correct(&self, index: usize) -> bool {
        !self.scenario.twins.contains(&self.members[index])
    }

    fn height(&self, index: usize) -> u64 {
        self.replicas[index].engine.chain().tip().height.0
    }

    fn run_all(&mut self) -> Verdict {
        let pairs =
            |count: usize| (0..count).flat_map(move |a| (0..count).filter(move |b| a != *b).map(move |b| (a, b)));
        for (a, b) in pairs(self.replicas.len()) {
            self.tell(a, Event::Connected(Peer(b as u64)))?;
        }
        for round in 0..self.scenario.rounds.len() as u64 {
            self.run_round((round + 1) * ROUND_MS)?;
        }
        let healed_at = self.now_ms;
        let wanted = (0..MEMBERS).filter(|index| self.is_correct(*index)).map(|index| self.height(index)).max();
        let wanted = wanted.unwrap_or(0) + 2;
        let may_stop = |net: &Net| (0..MEMBERS).all(|index| !net.is_correct(index) || net.height(index) >= wanted);
        while !may_stop(self) && self.now_ms < healed_at + LIVENESS_MS {
            self.run_round(self.now_ms + ROUND_MS)?;
        }
        if !may_stop(self) && !self.forked {
            let heights: Vec<u64> = (0..self.replicas.len()).map(|index| self.height(index)).collect();
            return Err(("liveness", format!("heights {heights:?} where {wanted} was wanted")));
        }
        Ok(())
    }

    /// In which part a replica is now.
    fn part(&self, index: usize) -> u8 {
        let round = (self.now_ms / ROUND_MS) as usize;
        self.scenario.rounds.get(round).map_or(0, |parts| parts[index])
    }

    fn run_round(&mut self, until_ms: u64) -> Verdict {
        for index in 0..self.replicas.len() {
            // Two heights overlap, where the primary may propose them.
            for _ in 0..2 {
                self.tell(index, Event::BlockNow)?;
            }
        }
        while let Some(next_ms) = self.next_ms().filter(|next| *next < until_ms) {
            self.now_ms = next_ms.max(self.now_ms);
            self.step()?;
        }
        self.now_ms = until_ms;
        Ok(())
    }

    fn next_ms(&self) -> Option<u64> {
        let start_ms = u64::from(GENESIS_TIME_S) * 1000;
        let wakes = self
            .replicas
            .iter()
            .filter_map(|replica| replica.engine.deadline())
            .map(|due| due.0.saturating_sub(start_ms));
        let arrival = self.queue.keys().next().map(|(at, _)| *at);
        wakes.chain(arrival).min()
    }

    fn step(&mut self) -> Verdict {
        let now = self.time();
        while let Some(entry) = self.queue.first_entry().filter(|entry| entry.key().0 <= self.now_ms) {
            let Packet { from, to, message } = entry.remove();
            let request = message.get();
            if matches!(request, Message::GetCertified { .. } | Message::GetBlocks(_)) {
                if let Some(answer) = self.replicas[to].engine.answer(request) {
                    self.send(to, &[from], &answer)?;
                }
            } else {
                self.tell(to, Event::Message { from: Peer(from as u64), message: (*message).clone(), waited_ms: 0 })?;
            }
        }
        for index in 0..self.replicas.len() {
            if self.replicas[index].engine.deadline().is_some_and(|due| due <= now) {
                self.tell(index, Event::Wake)?;
            }
        }
        Ok(())
    }

    fn time(&self) -> Time {
        Time::from_seconds(GENESIS_TIME_S).plus_ms(self.now_ms)
    }

    fn tell(&mut self, index: usize, event: Event) -> Verdict {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            let now = self.time();
            let effects = self.replicas[index].engine.handle(now, event);
            for effect in effects {
                events.extend(self.execute(index, effect)?);
            }
        }
        self.look_at(index)
    }

    fn look_at(&mut self, index: usize) -> Verdict {
        if self.sent > STEPS_MAX {
            return Err(("no-end", format!("{} messages", self.sent)));
        }
        if self.is_correct(index) {
            let Status::Pbft(status) = self.replicas[index].engine.status() else {
                unreachable!("this is PBFT");
            };
            self.view = self.view.max(status.view.0);
        }
        Ok(())
    }

    fn execute(&mut self, index: usize, effect: Effect) -> Result<Option<Event>, (&'static str, String)> {
        match effect {
            Effect::Persist(record) => {
                self.judge_record(index, &record)?;
                let mut disk = self.replicas[index].disk.lock();
                disk.hand_out(&record);
                disk.make_durable();
            }
            Effect::Send { to, message } => {
                let others: Vec<usize> = (0..self.replicas.len()).filter(|other| *other != index).collect();
                let targets: Vec<usize> = match to {
                    To::All | To::Members => others,
                    To::Member(member) => others.into_iter().filter(|other| self.members[*other] == member).collect(),
                    To::Peer(peer) => vec![peer.0 as usize],
                };
                self.send(index, &targets, &message)?;
            }
            Effect::WantPayload(request) => {
                return Ok(Some(Event::Payload { ticket: request.ticket, transactions: Vec::new() }));
            }
            Effect::Chain(update) => {
                let sequence = update.sequence;
                let mut disk = self.replicas[index].disk.lock();
                disk.queue(update);
                disk.flush_one().map_err(|text| ("flush", text))?;
                return Ok(Some(Event::Flushed { sequence }));
            }
            Effect::Snapshot(step) => {
                let mut disk = self.replicas[index].disk.lock();
                if disk.snapshot(step) {
                    let sequence = disk.flush_one().map_err(|text| ("flush", text))?;
                    return Ok(Some(Event::Flushed { sequence }));
                }
            }
            Effect::Blame { peer, fault } => {
                let blamed = peer.0 as usize;
                // Where messages are lost, silence is nobody's fault.
                if fault != Fault::Silent && self.is_correct(index) && self.is_correct(blamed) {
                    return Err(("blame", format!("replica {index} blames {blamed}, which is correct: {fault}")));
                }
            }
            Effect::Trace(Trace::Equivocation { second, .. }) if self.is_correct(index) => {
                self.named.insert(second.signer);
                if !self.scenario.twins.contains(&second.signer) {
                    return Err(("evidence", format!("member {} is correct", second.signer)));
                }
            }
            Effect::WantOverdue(request) => {
                let (ticket, oldest) = (request.ticket, None);
                return Ok(Some(Event::Overdue { ticket, oldest, transactions: Vec::new() }));
            }
            Effect::WantKnown { .. } => unreachable!("this is PBFT"),
            Effect::Trace(_) | Effect::Mine(_) | Effect::Admit { .. } | Effect::Members { .. } => {}
        }
        Ok(None)
    }

    fn judge_record(&mut self, index: usize, record: &Record) -> Verdict {
        let Record::Committed(certificate) = record else {
            return Ok(());
        };
        if !self.is_correct(index) {
            return Ok(());
        }
        let (height, block) = (certificate.ballot.height, certificate.ballot.block);
        let held = *self.certified.entry(height).or_insert(block);
        self.forked |= held != block;
        if held != block && self.scenario.twins.len() == 1 {
            return Err(("fork", format!("{held} and {block} at {height}")));
        }
        Ok(())
    }

    fn send(&mut self, from: usize, targets: &[usize], message: &Message) -> Verdict {
        let hash = sha256(&encode(message));
        let verified = match self.verified.get(&hash) {
            Some(verified) => verified.clone(),
            None => {
                let rng = ChaCha8Rng::seed_from_u64(1);
                let verified = self.verifier.message(message.clone(), &|_| false, rng);
                let verified =
                    verified.map_err(|error| ("refused", format!("{} of {from}: {error}", message.name())))?;
                let verified = Rc::new(verified);
                self.verified.insert(hash, verified.clone());
                verified
            }
        };
        let reached: Vec<usize> = targets.iter().copied().filter(|to| self.part(from) == self.part(*to)).collect();
        for to in reached {
            self.sent += 1;
            let packet = Packet { from, to, message: verified.clone() };
            self.queue.insert((self.now_ms + HOP_MS, self.sent), packet);
        }
        Ok(())
    }
}
