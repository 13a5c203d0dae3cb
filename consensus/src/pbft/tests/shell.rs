//! What a node has around its engine: it carries out effects in their order, keeps a mempool, checks what comes, and answers requests.

use super::cluster::{Packet, World};
use super::say::{describe, describe_effect};
use crate::chain::ChainUpdate;
use crate::chain::snapshot::SnapshotStep;
use crate::engine::{Effect, Engine, Event, OverdueRequest, PayloadRequest, Peer, Record, To};
use crate::ledger::codec::{decode, encode};
use crate::ledger::rules::context::{Place, check_transaction};
use crate::ledger::transaction::{Body, Transaction};
use crate::ledger::units::Time;
use crate::message::Message;
use crate::verify::{MessageError, Verified};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Arc;

impl World {
    /// Tells a replica something and does what it answers.
    pub(crate) fn told(&mut self, index: usize, event: Event) {
        let now = self.clock(index);
        let Some(engine) = self.nodes[index].engine.as_mut() else {
            return;
        };
        let effects = engine.handle(now, event);
        self.execute(index, effects);
    }

    pub(super) fn execute(&mut self, index: usize, effects: Vec<Effect>) {
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
                Effect::WantKnown { .. } => panic!("blocks are not announced under PBFT"),
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

    fn switched(&mut self, index: usize, update: &ChainUpdate) -> Vec<Event> {
        self.judge_update(index, update);
        let included =
            |waiting: &Transaction| update.connected.iter().any(|it| it.block.transactions.contains(waiting));
        self.nodes[index].mempool.retain(|waiting| !included(waiting));
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

    pub(super) fn oldest(&self, index: usize) -> Option<Time> {
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
                match self.held_ms(from, to, &message) {
                    0 => self.queue.push_back(packet),
                    held_ms => self.held.push((self.now.plus_ms(held_ms), packet)),
                }
            }
        }
    }

    /// For how long a primary that crawls holds its message to a replica back.
    fn held_ms(&self, from: usize, to: usize, message: &Message) -> u64 {
        let Message::PrePrepare(proposal) = message else { return 0 };
        let height = proposal.vote.ballot.height.0 as usize;
        let is_early = self.nodes[from].is_early_in_turn && to == 1 + height % 3;
        if is_early { 0 } else { self.nodes[from].held_ms }
    }

    /// Whether a replica belongs to the members as another one knows them.
    fn is_member_for(&self, knower: usize, other: usize) -> bool {
        self.nodes[knower].set.index_of(&self.nodes[other].key.public()).is_some()
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
            (Ok(_), Message::Transaction(change)) if matches!(change.body(), Body::Epoch(_)) => {
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
}
