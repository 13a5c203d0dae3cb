//! How a simulated node executes what its replica wants done: in order, durable before what follows, like a real one.

use crate::sim::event::{Event, Parcel};
use crate::sim::node::Node;
use crate::sim::plant::{Plant, ShellPlant};
use crate::sim::referee::Verdict;
use crate::sim::world::{Opened, Refused, World};
use bezant_consensus::chain::ChainUpdate;
use bezant_consensus::chain::snapshot::SnapshotStep;
use bezant_consensus::engine::{Template, To, Trace};
use bezant_consensus::ledger::codec::{decode, encode};
use bezant_consensus::ledger::genesis::ValidatorSet;
use bezant_consensus::ledger::target::Target;
use bezant_consensus::message::Message;
use bezant_consensus::verify::MessageError;
use bezant_node_core::io::{Input, Notice, Output};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use std::rc::Rc;

impl Node {
    /// Records that wait to become durable.
    pub(crate) fn records_ahead(&self) -> u64 {
        self.outputs.iter().filter(|output| matches!(output, Output::Persist(_))).count() as u64
    }
}

impl World {
    /// Takes a list of outputs: what needs no disk happens at once, the rest when the disk is done.
    pub(crate) fn take(&mut self, node: usize, mut outputs: Vec<Output>) -> Verdict {
        {
            let mut disk = self.nodes[node].disk.lock();
            for output in &outputs {
                if let Output::Persist(record) = output {
                    disk.hand_out(record);
                }
            }
        }
        self.referee.decided(node, &outputs)?;
        if self.options.plant == Some(Plant::Shell(ShellPlant::EarlySend)) {
            outputs.sort_by_key(|output| matches!(output, Output::Persist(_)));
        }
        self.nodes[node].outputs.extend(outputs);
        if self.nodes[node].is_executing || self.nodes[node].outputs.is_empty() {
            return Ok(());
        }
        let wait_ms = if self.nodes[node].records_ahead() > 0 { self.dice.between(0, self.disk_ms_max) } else { 0 };
        if wait_ms == 0 {
            return self.execute(node);
        }
        self.nodes[node].is_executing = true;
        self.agenda.add(self.now_ms + wait_ms, Event::Execute { node, life: self.nodes[node].life });
        Ok(())
    }

    /// Executes all that waits, or crashes in the middle of it.
    pub(crate) fn execute(&mut self, node: usize) -> Verdict {
        self.nodes[node].is_executing = false;
        // A crash between two messages that rest on nothing teaches little: doom waits for a list with a record.
        if self.nodes[node].is_doomed && self.nodes[node].records_ahead() > 0 {
            return self.crash(node);
        }
        while let Some(output) = self.nodes[node].outputs.pop_front() {
            self.execute_one(node, output)?;
        }
        Ok(())
    }

    pub(crate) fn execute_one(&mut self, node: usize, output: Output) -> Verdict {
        self.record_output(node, &output);
        match output {
            Output::Persist(_) => self.nodes[node].disk.lock().make_durable(),
            Output::Send { to, message } => return self.send(node, to, &message),
            Output::Mine(template) => self.mine(node, template),
            Output::Chain(update) => return self.chain_update(node, update),
            Output::Snapshot(step) => {
                self.stats.transfers += u64::from(matches!(step, SnapshotStep::Switched(_)));
                self.snapshot(node, step);
            }
            Output::Members { set, is_present } => self.members(node, &set, is_present),
            Output::Submitted { request, result } => return self.answered(node, request as usize, &result),
            // Users of simulated nets hand in one at a time.
            Output::PackageSubmitted { .. } => {}
            Output::Blame { peer, fault, ban } => {
                let of = self.nodes[node].names.get(&peer).copied();
                self.referee.blamed(node, self.nodes[node].epoch, of, &fault, ban)?;
                if let Some(of) = of.filter(|_| ban) {
                    self.ban(node, of);
                }
            }
            Output::Notice(Notice::Dropped { txid, .. }) => self.dropped(node, txid),
            Output::Notice(Notice::Engine(Trace::FinalityBroken { fork, .. })) => self.referee.announced(node, fork),
            Output::Notice(Notice::Engine(Trace::Leave { reason, .. })) => {
                self.stage.left.entry(node).or_default().insert(reason);
                self.stats.views_left += 1;
                self.stats.complaints += u64::from(matches!(reason, "unfair" | "slow"));
            }
            Output::Notice(Notice::Engine(_) | Notice::Pooled { .. }) => {}
        }
        Ok(())
    }

    fn send(&mut self, node: usize, to: To, message: &Message) -> Verdict {
        if let Some(said) = self.lies(node, to, message) {
            for (wait_ms, to, parcel) in said {
                if wait_ms == 0 {
                    self.transmit(node, to, &parcel);
                } else {
                    let life = self.nodes[node].life;
                    self.agenda.add(self.now_ms + wait_ms, Event::Say { node, life, to, parcel });
                }
            }
            return Ok(());
        }
        if !self.is_liar(node) {
            let disk = self.nodes[node].disk.clone();
            let disk = disk.lock();
            self.referee.left(node, message, &disk)?;
        }
        let parcel = self.parcel(message.clone());
        self.transmit(node, to, &parcel);
        Ok(())
    }

    /// The node knows the members of an epoch. What could not be verified by anybody before can be now.
    pub(crate) fn members(&mut self, node: usize, set: &ValidatorSet, is_present: bool) {
        if self.verifier.set_of(set.epoch).is_err() {
            self.verifier.learn(set.clone());
            self.opened.retain(|_, opened| !matches!(opened, Err(Refused { is_fault: false, .. })));
        }
        if is_present {
            let node_of = |key| self.nodes.iter().position(|node| node.validator.as_ref() == Some(key));
            self.nodes[node].members = set.members.iter().filter_map(node_of).collect();
            self.epoch_begun(node, set);
        }
    }

    /// Hands a message to the network.
    pub(crate) fn transmit(&mut self, node: usize, to: To, parcel: &Rc<Parcel>) {
        let all = 0..self.nodes.len();
        let (receivers, stream): (Vec<usize>, bool) = match to {
            To::All => (all.filter(|other| *other != node).collect(), false),
            To::Members => (self.nodes[node].members.iter().copied().filter(|other| *other != node).collect(), false),
            To::Member(index) => {
                (self.nodes[node].members.get(usize::from(index)).copied().into_iter().collect(), false)
            }
            To::Peer(peer) => {
                let of = self.nodes[node].names.get(&peer).copied();
                let is_open = |of: &usize| self.nodes[node].ends[*of].is_some_and(|end| end.peer == peer);
                (of.into_iter().filter(is_open).collect(), true)
            }
        };
        for receiver in receivers {
            self.post_to_twin(node, to, receiver, parcel);
            if let Some(end) = self.nodes.get(node).and_then(|node| *node.ends.get(receiver)?) {
                self.post(node, receiver, end.connection, stream, parcel);
            }
        }
    }

    pub(crate) fn post(&mut self, from: usize, to: usize, connection: u64, stream: bool, parcel: &Rc<Parcel>) {
        self.stats.sent += 1;
        let arrivals = self.network.arrivals(self.now_ms, from, to, stream, &mut self.dice);
        if arrivals.is_empty() {
            self.stats.lost += 1;
            let is_request = parcel.name.starts_with("get-");
            // Some shells notice; where not, the engine has a time-out of its own.
            if is_request && self.dice.chance(500) {
                let at = self.now_ms + self.dice.between(10, 2_000);
                self.agenda.add(at, Event::Unanswered { node: from, of: to, connection });
            }
        }
        for at_ms in self.stage.links.arrivals(self.now_ms, (from, to), parcel.bytes.len(), arrivals, &mut self.dice) {
            self.agenda.add(at_ms, Event::Deliver { from, to, connection, parcel: parcel.clone() });
        }
    }

    /// Decodes and verifies a message as a real node does, once for each distinct bytes.
    pub(crate) fn open(&mut self, parcel: &Parcel) -> Opened {
        if let Some(opened) = self.opened.get(&parcel.hash) {
            return opened.clone();
        }
        let opened = self.open_new(parcel);
        self.opened.insert(parcel.hash, opened.clone());
        opened
    }

    fn open_new(&self, parcel: &Parcel) -> Opened {
        let fault = |why: String| Refused { why, is_fault: true };
        let message: Message = decode(&parcel.bytes).map_err(|error| fault(error.to_string()))?;
        if encode(&message) != parcel.bytes {
            return Err(fault("its encoding is not canonical".to_owned()));
        }
        // The batch verifier's coefficients decide nothing but its cost.
        let rng = ChaCha8Rng::from_seed(parcel.hash);
        let refused = |error: MessageError| Refused { is_fault: error.is_fault(), why: error.to_string() };
        self.verifier.message(message, &|_| false, rng).map_err(refused)
    }

    fn chain_update(&mut self, node: usize, update: ChainUpdate) -> Verdict {
        self.trace.note_tip(node, &update.tip.id.0, update.final_height.0);
        {
            let disk = self.nodes[node].disk.clone();
            let mut disk = disk.lock();
            self.referee.reported(node, &update, &disk)?;
            disk.queue(update);
        }
        self.schedule_flush(node);
        Ok(())
    }

    fn snapshot(&mut self, node: usize, step: SnapshotStep) {
        let is_waiting = self.nodes[node].disk.lock().snapshot(step);
        if is_waiting {
            self.schedule_flush(node);
        }
    }

    fn schedule_flush(&mut self, node: usize) {
        if !self.nodes[node].is_flushing {
            self.nodes[node].is_flushing = true;
            let at = self.now_ms + self.dice.between(1, self.flush_ms_max);
            self.agenda.add(at, Event::Flush { node, life: self.nodes[node].life });
        }
    }

    /// Writes some of the waiting updates; the replica learns of it a little later.
    pub(crate) fn flush(&mut self, node: usize) -> Verdict {
        let life = self.nodes[node].life;
        let disk = self.nodes[node].disk.clone();
        let mut disk = disk.lock();
        let count = self.dice.between(1, disk.unflushed() as u64);
        let mut sequence = 0;
        for _ in 0..count {
            sequence = disk.flush_one().map_err(|why| ("flush", format!("node {node}: {why}")))?;
        }
        let at = self.now_ms + self.dice.between(0, 50);
        self.agenda.add(at, Event::Flushed { node, life, sequence });
        self.nodes[node].is_flushing = disk.unflushed() > 0;
        if self.nodes[node].is_flushing {
            let at = self.now_ms + self.dice.between(1, self.flush_ms_max);
            self.agenda.add(at, Event::Flush { node, life });
        }
        Ok(())
    }

    /// Finding a nonce takes an exponentially distributed time; a new template starts it again, which changes nothing in that.
    pub(crate) fn mine(&mut self, node: usize, template: Option<Template>) {
        let miner = &mut self.nodes[node];
        miner.search += 1;
        miner.template = template;
        let Some(template) = &miner.template else { return };
        let target = Target::from_compact(template.block.header.bits).expect("a template has a valid target");
        let hashes: u64 = target.work().value().try_into().unwrap_or(u64::MAX);
        if miner.hash_rate_milli == 0 {
            return;
        }
        let mean_ms = hashes.saturating_mul(1_000_000) / miner.hash_rate_milli;
        let (life, search) = (miner.life, miner.search);
        let at = self.now_ms.saturating_add(self.dice.exponential(mean_ms.max(1)).max(1));
        self.agenda.add(at, Event::Solved { node, life, search });
    }

    /// The nonce is a real one.
    pub(crate) fn solved(&mut self, node: usize, search: u64) -> Verdict {
        if self.nodes[node].search != search {
            return Ok(());
        }
        let Some(template) = self.nodes[node].template.clone() else { return Ok(()) };
        let Template { ticket, mut block, .. } = match self.stage.miners.get(&node) {
            Some(miner) => miner.template(template.clone()),
            None => template.clone(),
        };
        let target = Target::from_compact(block.header.bits).expect("a template has a valid target");
        block.header.time = block.header.time.max(self.clock(node).seconds());
        let found = (0..u32::MAX).find(|nonce| {
            block.header.nonce = *nonce;
            target.is_met_by(&block.id())
        });
        assert!(found.is_some(), "targets of simulated nets are easy");
        if let Some(said) = self.stage.miners.get_mut(&node).and_then(|miner| miner.solved(&block)) {
            self.say(node, said);
            self.mine(node, Some(template));
            return Ok(());
        }
        self.tell(node, Input::Solved { ticket, block })
    }
}
