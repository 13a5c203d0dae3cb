//! The switch to the branch with the most work.

use super::Pow;
use super::difficulty;
use super::tree::{Mark, Reach};
use crate::chain::Link;
use crate::engine::{Record, Trace};
use crate::ledger::hash::BlockId;
use crate::ledger::rules::BlockError;
use crate::ledger::units::Height;
use crate::plant::{Plant, armed};
use std::sync::Arc;

/// Why a branch was not switched to. The old chain is as it was.
enum Failure {
    /// A block on the branch is invalid.
    Invalid { id: BlockId, height: Height, error: BlockError },
    /// The old chain's undo is not stored down to the fork.
    NoUndo,
}

/// What a switch did.
struct Switched {
    disconnected: Vec<Link>,
    connected: Vec<Link>,
}

impl Pow {
    /// Switches until no valid branch that is all here and may be followed has more work than the tip.
    pub(super) fn select(&mut self) {
        while let Some(candidate) = self.tree.candidate() {
            let fork = self.tree.fork(&candidate);
            // What a person has ruled out is left however deep that goes.
            let is_left = self.tree.node(&self.tree.tip()).ruled_out.is_some();
            if !is_left && !self.within_reach(&candidate, fork) {
                continue;
            }
            match self.switch(&candidate, fork) {
                Ok(switched) => self.switched(&candidate, fork, switched),
                Err(Failure::Invalid { id, height, error }) => self.found_invalid(id, height, &error),
                Err(Failure::NoUndo) => self.refuse_branch(&candidate, fork),
            }
        }
    }

    /// Whether the branch of `id` forks off no deeper than is followed; bars it otherwise.
    pub(super) fn within_reach(&mut self, id: &BlockId, fork: Height) -> bool {
        let depth = self.chain.tip().height.0 - fork.0;
        let allowed = self.tree.node(id).reach == Reach::Allowed;
        let within = allowed || depth <= u64::from(self.params.max_reorg) || armed(Plant::DeepReorg);
        if !within {
            self.refuse_branch(id, fork);
        }
        within
    }

    /// Bars a branch from its fork on, with the alarm.
    fn refuse_branch(&mut self, id: &BlockId, fork: Height) {
        let root = self.tree.ancestor(id, fork.next());
        self.tree.bar(&root);
        if armed(Plant::MuteAlarm) {
            return;
        }
        self.trace(Trace::ReorgRefused { depth: self.chain.tip().height.0 - fork.0, tip: *id });
    }

    /// Moves chain and coins to the branch, or leaves them as they were.
    fn switch(&mut self, target: &BlockId, fork: Height) -> Result<Switched, Failure> {
        let mut disconnected = Vec::new();
        while self.chain.tip().height > fork {
            match self.chain.disconnect() {
                Some(link) => disconnected.push(link),
                None => {
                    self.undo(0, disconnected);
                    return Err(Failure::NoUndo);
                }
            }
        }
        let mut connected = Vec::new();
        for id in self.tree.path(fork, target) {
            let block = self.body(&id).expect("a body was handed out to be stored before its block was linked");
            let median = self.tree.median_time(&block.header.parent);
            match self.chain.judge(&block, median) {
                Ok(diff) => connected.push(self.chain.connect(block, Arc::new(diff))),
                Err(error) => {
                    let height = self.chain.tip().height.next();
                    self.undo(connected.len(), disconnected);
                    return Err(Failure::Invalid { id, height, error });
                }
            }
        }
        Ok(Switched { disconnected, connected })
    }

    /// Takes back a switch: disconnects what was connected, then connects what was disconnected.
    fn undo(&mut self, connected: usize, disconnected: Vec<Link>) {
        for _ in 0..connected {
            self.chain.disconnect().expect("what was just connected has its undo in memory");
        }
        for link in disconnected.into_iter().rev() {
            self.chain.connect(link.block, link.diff);
        }
    }

    fn switched(&mut self, tip: &BlockId, fork: Height, switched: Switched) {
        let Switched { mut disconnected, connected } = switched;
        self.tree.activate(tip);
        for link in &connected {
            self.bodies.settled(link.height, &link.id);
        }
        self.refill_budget(connected.len());
        self.bodies.forget_stale(self.chain.tip().height);
        if armed(Plant::UndoOrder) {
            disconnected.reverse();
        }
        self.hand_out(fork, disconnected, connected);
    }

    fn found_invalid(&mut self, id: BlockId, height: Height, error: &BlockError) {
        let sender = self.bodies.sender(height, &id);
        self.tree.mark(&id, Mark::Rule);
        self.bodies.settled(height, &id);
        self.persist(Record::Invalid(id));
        self.trace(Trace::Refused { height, block: id, reason: error.to_string() });
        if let Some(peer) = sender {
            self.blame(peer, "block", error.to_string());
        }
    }

    /// The time that a block above the tip carries at least, by the rules and by the clock.
    pub(super) fn next_time(&self) -> u32 {
        difficulty::least_time(&self.params, &self.tree, &self.tree.tip()).max(self.now.seconds())
    }
}
