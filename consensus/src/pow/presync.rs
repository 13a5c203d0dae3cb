//! A branch whose work is counted before anything of it is kept.
//!
//! A chain of headers that each took little work costs its sender next to nothing and whoever keeps it memory. So a branch that is
//! longer than one answer, and whose first answer does not lead to the work that is wanted, is asked for twice. The first time each
//! header is looked at and forgotten; one bit of every [`PERIOD`]th is kept, of a hash under a salt that nobody else knows. When
//! the work is enough, the same headers are asked for again; they are let into the tree only once [`LOOKAHEAD`] more of them agree
//! with the bits, so that who shows one chain and sends another is found out before it has cost more than that. (Bitcoin Core has
//! done so since 24.0, CVE-2019-25220.) Whether the bits of a header are those expected, and its time, is judged on entry: the work
//! that is counted is work that was done in any case, since every header meets the target that it names.
//!
//! What is kept of one peer is a bit for each period, and at most [`LOOKAHEAD`] headers and one answer.

use super::Pow;
use crate::engine::{Peer, To};
use crate::ledger::block::Header;
use crate::ledger::hash::{BlockId, tagged};
use crate::ledger::target::{Target, Work};
use crate::limits::{HEADERS_PER_MESSAGE_MAX, LOCATOR_ENTRIES_MAX};
use crate::message::{Locator, Message};
use std::collections::VecDeque;

/// Of so many headers one bit is kept.
pub(super) const PERIOD: u64 = 500;
/// So many headers must agree with the bits before the one below them is taken: 28 bits, one chance in 2^28 to pass with others.
pub(super) const LOOKAHEAD: usize = 28 * PERIOD as usize;

/// Headers that lead to the work of our own chain less so many blocks are looked at: branches of our time, not of the beginning.
const NEAR_BLOCKS: u64 = 144;
/// Blocks that a second may have at most: each time must exceed the median of the eleven before it.
const BLOCKS_PER_SECOND_MAX: u64 = 6;

/// What is known of one peer's branch.
#[derive(Clone, Debug)]
pub(super) struct Presync {
    salt: [u8; 32],
    /// The header of the tree that the branch stands on, with the work up to it.
    fork: (BlockId, Work),
    /// What the branch must lead to.
    wanted: Work,
    /// Headers that there can be at most.
    most: u64,
    /// The last header of the present pass, the work up to it, and how many there were.
    last: (BlockId, Work, u64),
    bits: Vec<bool>,
    /// Of the second pass, those that are not taken yet; `None` in the first.
    held: Option<VecDeque<Header>>,
}

/// What comes of an answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Step {
    /// To be judged and taken, in this order.
    pub(super) released: Vec<Header>,
    /// After which header more is to be asked for; `None` when all that is wanted is released.
    pub(super) ask_after: Option<BlockId>,
}

/// Why a branch is not followed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum PresyncError {
    /// The peer has gone over to another branch, or has no more. No fault.
    #[error("the branch ends before it has the work that is wanted")]
    Ends,
    /// No chain has so many headers.
    #[error("more headers than there was time for")]
    TooMany,
    /// The second time it was another chain.
    #[error("not the headers that were shown before")]
    Different,
    /// Not consecutive, or without the work that they claim.
    #[error("not consecutive, or without the work they claim")]
    Broken,
}

impl Presync {
    /// A branch above `fork`, a header with so much work, of which `most` headers are followed at most.
    pub(super) fn new(salt: [u8; 32], fork: (BlockId, Work), wanted: Work, most: u64) -> Presync {
        Presync { salt, fork, wanted, most, last: (fork.0, fork.1, 0), bits: Vec::new(), held: None }
    }

    /// The header of the tree that the branch stands on.
    pub(super) fn fork(&self) -> BlockId {
        self.fork.0
    }

    /// What the branch must lead to.
    pub(super) fn wanted(&self) -> Work {
        self.wanted
    }

    /// Takes an answer; `is_full` says that there may be more.
    ///
    /// # Errors
    /// Why the branch is not followed up; nothing of the answer is to be taken.
    pub(super) fn take(&mut self, headers: &[Header], is_full: bool) -> Result<Step, PresyncError> {
        if headers.first().is_none_or(|first| first.parent != self.last.0) {
            return Err(PresyncError::Ends);
        }
        for header in headers {
            self.count(header)?;
            if self.held.is_none() && self.last.1 >= self.wanted {
                self.held = Some(VecDeque::new());
                self.last = (self.fork.0, self.fork.1, 0);
                return Ok(Step { released: Vec::new(), ask_after: Some(self.fork.0) });
            }
        }
        let is_enough = self.last.1 >= self.wanted;
        let keep = if is_enough { 0 } else { LOOKAHEAD };
        let release = |held: &mut VecDeque<Header>| held.drain(..held.len().saturating_sub(keep)).collect();
        let released = self.held.as_mut().map(release).unwrap_or_default();
        match (is_enough, is_full) {
            (true, _) => Ok(Step { released, ask_after: None }),
            (false, true) => Ok(Step { released, ask_after: Some(self.last.0) }),
            (false, false) => Err(PresyncError::Ends),
        }
    }

    /// Counts one header of the present pass.
    fn count(&mut self, header: &Header) -> Result<(), PresyncError> {
        let (parent, work, count) = self.last;
        let target = Target::from_compact(header.bits).ok_or(PresyncError::Broken)?;
        let id = header.id();
        if header.parent != parent || !target.is_met_by(&id) {
            return Err(PresyncError::Broken);
        }
        if count >= self.most {
            return Err(PresyncError::TooMany);
        }
        self.last = (id, work.plus(target.work()), count + 1);
        let place = usize::try_from(count / PERIOD).expect("a count of bits in memory fits");
        let bit = (count % PERIOD == self.phase()).then(|| self.bit(&id));
        match (&mut self.held, bit) {
            (None, Some(bit)) => self.bits.push(bit),
            (Some(_), Some(bit)) if self.bits.get(place).is_some_and(|shown| *shown != bit) => {
                return Err(PresyncError::Different);
            }
            (None | Some(_), _) => {}
        }
        if let Some(held) = &mut self.held {
            held.push_back(*header);
        }
        Ok(())
    }

    /// Which header of each period is looked at, so that nobody knows which.
    fn phase(&self) -> u64 {
        let hash = tagged("bezant/presync-phase", &[&self.salt, &self.fork.0.0]);
        u64::from(u16::from_le_bytes([hash[0], hash[1]])) % PERIOD
    }

    fn bit(&self, id: &BlockId) -> bool {
        tagged("bezant/presync-bit", &[&self.salt, &id.0])[0] & 1 == 1
    }
}

/// A branch that is counted, and what comes next.
#[derive(Clone, Debug)]
pub(super) struct Counting {
    branch: Presync,
    ask_after: BlockId,
}

impl Pow {
    /// The work that a branch must lead to if it is to be looked at: near that of our own chain, and not below what the operator
    /// wants.
    pub(super) fn work_looked_at(&self) -> Work {
        let tip = self.tree.node(&self.tree.tip());
        let target =
            Target::from_compact(tip.header.bits).expect("headers in the tree carry targets that were checked");
        tip.work.less(target.work().times(NEAR_BLOCKS)).max(self.config.work_min)
    }

    /// Headers above a known one that do not lead to the work that is looked at: their branch is counted, if the peer claims that
    /// it comes to more than our chain.
    pub(super) fn begin_counting(&mut self, from: Peer, fork: (BlockId, Work), headers: &[Header]) {
        let more = self.tree.node(&self.tree.tip()).work.plus(Work::ONE);
        let wanted = more.max(self.config.work_min);
        if self.peers.claim(from).is_none_or(|claim| claim.work < wanted) {
            // Otherwise it would be asked for the same headers at once.
            return self.claims_nothing(from);
        }
        let until = self.now.seconds().saturating_add(self.params.future_s);
        let seconds = until.saturating_sub(self.tree.median_time(&fork.0));
        let most = u64::from(seconds).saturating_add(1).saturating_mul(BLOCKS_PER_SECOND_MAX);
        self.go_on_counting(from, Presync::new(self.config.salt, fork, wanted, most), headers);
    }

    /// Whether the branch of this peer is being counted; it is not any more.
    pub(super) fn take_counting(&mut self, peer: Peer) -> Option<Presync> {
        self.counting.remove(&peer).map(|counting| counting.branch)
    }

    pub(super) fn go_on_counting(&mut self, from: Peer, mut branch: Presync, headers: &[Header]) {
        let step = match branch.take(headers, headers.len() == HEADERS_PER_MESSAGE_MAX) {
            Ok(step) => step,
            Err(error) => {
                self.claims_nothing(from);
                if error != PresyncError::Ends {
                    self.blame(from, "headers", error.to_string());
                }
                return;
            }
        };
        let mut last = branch.fork();
        for header in &step.released {
            if !self.accept_header(Some(from), header, branch.wanted()) {
                return self.claims_nothing(from);
            }
            last = header.id();
        }
        match step.ask_after {
            Some(ask_after) => drop(self.counting.insert(from, Counting { branch, ask_after })),
            None => {
                self.proved(from, &last, false);
                self.ask_headers.insert(from, last);
            }
        }
    }

    /// Asks on for the branches that are counted: each of its own peer, so that nobody holds up the others.
    pub(super) fn ask_on(&mut self) {
        for peer in self.peers.askable(self.now, |_| true) {
            let Some(Counting { branch, ask_after }) = self.counting.get(&peer) else { continue };
            let mut locator = vec![*ask_after];
            locator.extend(self.tree.locator(&branch.fork()));
            locator.truncate(LOCATOR_ENTRIES_MAX);
            self.peers.asked(self.now, peer, super::sync::Request::Headers);
            self.send(To::Peer(peer), Message::GetHeaders(Locator(locator)));
        }
    }
}
