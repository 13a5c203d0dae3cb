//! What an attacker does: an ordinary replica that follows the most work, behind a filter that holds its own blocks back and
//! decides when they leave. It hears and says nothing but messages of the protocol, and uses what every node's owner has: to
//! rule a block out, and to reconsider.

use super::net::{Found, Move, View};
use bezant_consensus::ledger::hash::BlockId;
use bezant_consensus::ledger::units::Height;
use bezant_consensus::message::Message;
use bezant_node_core::lies::{Holding, Selfish, without};
use std::collections::BTreeSet;

/// How the attacker plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Play {
    /// Selfish mining, as [`Selfish`] has it.
    Selfish,
    /// Mines in secret above a block of the chain that all have, and lets everything out when that is worth it.
    Secret {
        /// The attempt begins once the attacker has a block that nobody knows (Rosenfeld's model).
        ahead: bool,
        /// Blocks that the others find before anything is let out: the confirmations for which the victim waits.
        wait: u64,
        /// How far behind the attacker gives up after that; 0: at once.
        chase: u64,
        /// A node to which nothing is held back.
        fed: Option<usize>,
    },
}

/// The attacker's filter and memory.
#[derive(Clone, Debug)]
pub(super) struct Attack {
    play: Play,
    /// Own blocks that nobody else is to know.
    held: BTreeSet<BlockId>,
    /// Own blocks above the fork, lowest first; of a selfish miner those that are held.
    branch: Vec<BlockId>,
    /// When a selfish miner lets them out.
    selfish: Selfish,
    /// The best block that all know.
    public: BlockId,
    /// Where the secret branch leaves the public one.
    base: BlockId,
    /// Blocks of the others that are ruled out.
    ruled_out: Vec<BlockId>,
    /// Whether an attempt runs.
    is_running: bool,
    /// Attempts that have ended.
    pub(super) attempts: u64,
}

impl Attack {
    pub(super) fn new(play: Play) -> Attack {
        let none = BlockId::default();
        Attack {
            play,
            held: BTreeSet::new(),
            branch: Vec::new(),
            selfish: Selfish::new(Height::GENESIS),
            public: none,
            base: none,
            ruled_out: Vec::new(),
            is_running: false,
            attempts: 0,
        }
    }

    pub(super) fn begin(&mut self, start: BlockId) {
        (self.public, self.base) = (start, start);
        self.is_running = matches!(self.play, Play::Secret { ahead: false, .. });
    }

    /// An own block is about to be found.
    pub(super) fn withhold(&mut self, id: BlockId) {
        self.held.insert(id);
    }

    /// What leaves of a message of the attacker's replica.
    pub(super) fn lets_out(&self, to: usize, message: Message) -> Option<Message> {
        if matches!(self.play, Play::Secret { fed, .. } if fed == Some(to)) {
            return Some(message);
        }
        without(message, |id| self.held.contains(id))
    }

    /// The attacker has found a block.
    pub(super) fn found(&mut self, view: &View<'_>, id: BlockId) -> Vec<Move> {
        if self.branch.is_empty() {
            self.base = view.found[&id].parent;
        }
        self.branch.push(id);
        match self.play {
            Play::Selfish => {
                let holding = self.selfish.found(Height(view.found[&id].height));
                self.hold(view, holding)
            }
            Play::Secret { .. } => {
                self.is_running = true;
                self.go_on(view)
            }
        }
    }

    /// The attacker's replica has heard of a block of somebody else's.
    pub(super) fn heard(&mut self, view: &View<'_>, id: BlockId) -> Vec<Move> {
        let Found { height, parent, .. } = view.found[&id];
        if self.play == Play::Selfish {
            let holding = self.selfish.heard(Height(height));
            return self.hold(view, holding);
        }
        let mut moves = Vec::new();
        if self.is_running && parent == self.base {
            self.ruled_out.push(id);
            moves.push(Move::RuleOut(id));
        }
        if height > view.found[&self.public].height {
            self.public = id;
            if self.is_running {
                moves.extend(self.go_on(view));
            } else {
                self.base = id;
            }
        }
        moves
    }

    /// What a selfish miner does with its branch.
    fn hold(&mut self, view: &View<'_>, holding: Holding) -> Vec<Move> {
        match holding {
            Holding::On => Vec::new(),
            Holding::UpTo(height) => {
                let count = self.branch.iter().take_while(|id| view.found[*id].height <= height.0).count();
                self.let_out(count)
            }
            Holding::Lost => {
                self.branch.clear();
                Vec::new()
            }
        }
    }

    /// So many of the branch are announced, the lowest first.
    fn let_out(&mut self, count: usize) -> Vec<Move> {
        self.branch.drain(..count).filter(|id| self.held.remove(id)).map(Move::Publish).collect()
    }

    /// A secret attempt: has the victim waited long enough, is the branch long enough, is all lost?
    fn go_on(&mut self, view: &View<'_>) -> Vec<Move> {
        let Play::Secret { wait, chase, fed, .. } = self.play else { return Vec::new() };
        let others = view.found[&self.public].height - view.found[&self.base].height;
        let own = self.branch.len() as u64;
        if others < wait || fed.is_some() {
            return Vec::new();
        }
        let is_longer = own > others;
        if !is_longer && chase > 0 && others - own < chase {
            return Vec::new();
        }
        self.attempts += 1;
        let mut moves: Vec<Move> = self.ruled_out.drain(..).map(Move::Reconsider).collect();
        if is_longer {
            self.public = *self.branch.last().unwrap_or(&self.public);
            moves.extend(self.let_out(self.branch.len()));
        } else {
            // What was not let out nobody will ever see.
            moves.extend(self.branch.first().copied().map(Move::RuleOut));
        }
        self.branch.clear();
        self.base = self.public;
        self.is_running = matches!(self.play, Play::Secret { ahead: false, .. });
        moves
    }
}
