//! What an attacker does: an ordinary replica that follows the most work, behind a filter that holds its own blocks back and
//! decides when they leave. It hears and says nothing but messages of the protocol, and uses what every node's owner has: to
//! rule a block out, and to reconsider.

use super::net::{Move, View};
use bezant_consensus::ledger::hash::BlockId;
use bezant_consensus::message::{Blocks, Headers, Message};
use std::collections::BTreeSet;

/// How the attacker plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Play {
    /// Selfish mining: Algorithm 1 of Eyal and Sirer.
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
    /// Own blocks above the fork, lowest first.
    branch: Vec<BlockId>,
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
    /// Of these, those in which the branch was let out with more work.
    pub(super) released: u64,
    /// Blocks of others heard while own and public branch were equally long and both known.
    pub(super) races: u64,
}

impl Attack {
    pub(super) fn new(play: Play) -> Attack {
        let none = BlockId::default();
        Attack {
            play,
            held: BTreeSet::new(),
            branch: Vec::new(),
            public: none,
            base: none,
            ruled_out: Vec::new(),
            is_running: false,
            attempts: 0,
            released: 0,
            races: 0,
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
        let is_held = |id: &BlockId| self.held.contains(id);
        match message {
            Message::Tip(tip) if is_held(&tip.id) => None,
            Message::CompactBlock(compact) if is_held(&compact.header.id()) => None,
            Message::Transactions(answer) if is_held(&answer.block) => None,
            Message::Headers(headers) => {
                let known = headers.0.into_iter().take_while(|header| !is_held(&header.id()));
                Some(Message::Headers(Headers(known.collect())))
            }
            Message::Blocks(blocks) => {
                let known = blocks.0.into_iter().filter(|block| !is_held(&block.id()));
                Some(Message::Blocks(Blocks(known.collect())))
            }
            other => Some(other),
        }
    }

    /// The attacker has found a block.
    pub(super) fn found(&mut self, view: &View<'_>, id: BlockId) -> Vec<Move> {
        let lead_before = (view.found[&id].height - 1).saturating_sub(view.found[&self.public].height);
        if self.branch.is_empty() && matches!(self.play, Play::Secret { .. }) {
            self.base = view.found[&id].parent;
        }
        self.branch.push(id);
        match self.play {
            // The race of two branches of one block each is decided.
            Play::Selfish if lead_before == 0 && self.branch.len() == 2 => self.let_all_out(),
            Play::Selfish => Vec::new(),
            Play::Secret { .. } => {
                self.is_running = true;
                self.go_on(view)
            }
        }
    }

    /// The attacker's replica has heard of a block of somebody else's; before it, its tip was `own`.
    pub(super) fn heard(&mut self, view: &View<'_>, id: BlockId, own: BlockId) -> Vec<Move> {
        let height = |id: &BlockId| view.found[id].height;
        let mut moves = Vec::new();
        if matches!(self.play, Play::Secret { .. }) && self.is_running && view.found[&id].parent == self.base {
            self.ruled_out.push(id);
            moves.push(Move::RuleOut(id));
        }
        if height(&id) <= height(&self.public) {
            return moves;
        }
        let lead = height(&own).saturating_sub(height(&self.public));
        self.public = id;
        match self.play {
            Play::Selfish => moves.extend(self.answer(lead)),
            Play::Secret { .. } if self.is_running => moves.extend(self.go_on(view)),
            Play::Secret { .. } => self.base = id,
        }
        moves
    }

    /// Eyal and Sirer's table: what the attacker lets out when the others have found a block, by its lead before.
    fn answer(&mut self, lead: u64) -> Vec<Move> {
        match lead {
            // The others' branch is longer: the replica has followed it.
            0 => {
                self.branch.clear();
                Vec::new()
            }
            1 => {
                self.races += 1;
                let last = self.branch.last().copied();
                last.into_iter().filter(|id| self.held.remove(id)).map(Move::Publish).collect()
            }
            2 => self.let_all_out(),
            _ => {
                let first = self.branch.iter().find(|id| self.held.contains(*id)).copied();
                first.into_iter().filter(|id| self.held.remove(id)).map(Move::Publish).collect()
            }
        }
    }

    /// The whole branch becomes what all know.
    fn let_all_out(&mut self) -> Vec<Move> {
        self.public = *self.branch.last().unwrap_or(&self.public);
        let branch = std::mem::take(&mut self.branch);
        branch.into_iter().filter(|id| self.held.remove(id)).map(Move::Publish).collect()
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
        self.released += u64::from(is_longer);
        let mut moves: Vec<Move> = self.ruled_out.drain(..).map(Move::Reconsider).collect();
        if is_longer {
            moves.extend(self.let_all_out());
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
