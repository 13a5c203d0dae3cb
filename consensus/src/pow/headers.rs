//! Which headers enter the tree.

use super::tree::{Mark, Tree};
use super::{Pow, difficulty};
use crate::engine::{Effect, Fault, Peer, Record, Trace};
use crate::ledger::block::Header;
use crate::ledger::genesis::PowParams;
use crate::ledger::hash::BlockId;
use crate::ledger::target::{Target, Work};
use crate::ledger::units::{Height, Time};
use crate::limits::{HEADERS_PER_MESSAGE_MAX, LOW_WORK_HEADERS_MAX, WAITING_HEADERS_MAX};

/// Headers of low work that each new block of our own chain allows for.
const LOW_WORK_HEADERS_PER_BLOCK: usize = 16;

/// Why a header does not enter the tree.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum HeaderError {
    /// Nothing can be said of it yet.
    #[error("its parent is not known here")]
    UnknownParent,
    /// Its time is too far ahead; from then on it may be taken.
    #[error("its time is ahead of the clock until {0}")]
    Future(Time),
    /// Invalid for ever.
    #[error("{0}")]
    Invalid(String),
}

/// Judges a header by all rules but the clock's: the work first, since that costs the sender most and us least.
pub(super) fn judge(params: &PowParams, tree: &Tree, id: &BlockId, header: &Header) -> Result<(), HeaderError> {
    let invalid = |reason: String| Err(HeaderError::Invalid(reason));
    if !Target::from_compact(header.bits).is_some_and(|target| target.is_met_by(id)) {
        return invalid(format!("the id does not meet the target of bits {:08x}", header.bits));
    }
    let parent = tree.get(&header.parent).ok_or(HeaderError::UnknownParent)?;
    // Who builds on what a person here has ruled out does no wrong.
    if parent.ruled_out == Some(Mark::Rule) {
        return invalid("it descends from an invalid block".to_owned());
    }
    let expected = difficulty::expected_bits(params, tree, &header.parent);
    if header.bits != expected {
        return invalid(format!("bits are {:08x}, expected {expected:08x}", header.bits));
    }
    let least = difficulty::least_time(params, tree, &header.parent);
    if header.time < least {
        return invalid(format!("time is {}, at least {least} expected", header.time));
    }
    Ok(())
}

/// What is told of a header that joined the tree.
pub(super) fn header_joined(id: BlockId, header: &Header, height: Height, work: Work) -> Trace {
    Trace::Header { height, block: id, parent: header.parent, bits: header.bits, time_s: header.time, work }
}

impl Pow {
    /// [`judge`], and whether the header's time has come.
    pub(super) fn judge_header(&self, id: &BlockId, header: &Header) -> Result<(), HeaderError> {
        judge(&self.params, &self.tree, id, header)?;
        let present_from = self.present_from(header.time);
        if present_from > self.now { Err(HeaderError::Future(present_from)) } else { Ok(()) }
    }

    /// From when a header of this time is not too far ahead.
    pub(super) fn present_from(&self, time: u32) -> Time {
        Time::from_seconds(time.saturating_sub(self.params.future_s))
    }

    /// Takes a header into the tree, or says why not. `promised` is the work to which the message that brought it leads.
    /// True when it is in the tree now.
    pub(super) fn accept_header(&mut self, from: Option<Peer>, header: &Header, promised: Work) -> bool {
        let id = header.id();
        if self.tree.get(&id).is_some() {
            return true;
        }
        match self.judge_header(&id, header) {
            Ok(()) if !self.spend_budget(promised) => false,
            Ok(()) => {
                self.persist(Record::Header(*header));
                self.tree.insert(id, *header);
                let node = self.tree.node(&id);
                let (height, work) = (node.height, node.work);
                self.trace(header_joined(id, header, height, work));
                true
            }
            Err(HeaderError::Future(_)) => {
                if let Some(peer) = from
                    && self.waiting.len() < WAITING_HEADERS_MAX
                {
                    self.waiting.insert((header.time, id), (peer, *header));
                }
                false
            }
            Err(HeaderError::UnknownParent) => {
                if let Some(peer) = from {
                    self.ask_headers.entry(peer).or_insert(self.tree.best_header());
                }
                false
            }
            Err(HeaderError::Invalid(reason)) => {
                if let Some(peer) = from {
                    self.blame(peer, "header", reason);
                }
                false
            }
        }
    }

    /// Whether a header that leads to this much work may be taken: more than ours always, a little less from the budget.
    fn spend_budget(&mut self, promised: Work) -> bool {
        if promised < self.work_looked_at() {
            return false;
        }
        if promised > self.tree.node(&self.tree.tip()).work {
            return true;
        }
        let allowed = self.low_work_left > 0;
        self.low_work_left = self.low_work_left.saturating_sub(1);
        allowed
    }

    /// Our own chain has grown by this many blocks.
    pub(super) fn refill_budget(&mut self, blocks: usize) {
        let more = blocks.saturating_mul(LOW_WORK_HEADERS_PER_BLOCK);
        self.low_work_left = self.low_work_left.saturating_add(more).min(LOW_WORK_HEADERS_MAX);
    }

    /// An answer to a locator: consecutive headers above something that both sides have.
    pub(super) fn on_headers(&mut self, from: Peer, headers: &[Header]) {
        let asked = self.close_headers_request(from);
        if let Some(branch) = self.take_counting(from).filter(|_| asked) {
            return self.go_on_counting(from, branch, headers);
        }
        let Some(first) = headers.first() else {
            if asked {
                self.claims_nothing(from);
            }
            return;
        };
        let Some(parent) = self.tree.get(&first.parent) else {
            if asked {
                self.blame(from, "headers", "they do not follow the locator");
                self.claims_nothing(from);
            }
            return;
        };
        let Some(promised) = promised_work(parent.work, headers) else {
            self.claims_nothing(from);
            return self.blame(from, "headers", "not consecutive, or without the work they claim");
        };
        if promised < self.work_looked_at() {
            let fork = (first.parent, parent.work);
            return self.begin_counting(from, fork, headers);
        }
        let known = self.tree.len();
        let mut last = first.parent;
        for header in headers {
            if !self.accept_header(Some(from), header, promised) {
                break;
            }
            last = header.id();
        }
        self.proved(from, &last, self.tree.len() == known);
        if headers.len() == HEADERS_PER_MESSAGE_MAX && headers.last().is_some_and(|header| header.id() == last) {
            self.ask_headers.insert(from, last);
        }
    }

    /// Judges again the headers whose time has come.
    pub(super) fn release_waiting(&mut self) {
        while let Some((&(time, id), _)) = self.waiting.first_key_value() {
            if self.present_from(time) > self.now {
                break;
            }
            let (peer, header) = self.waiting.remove(&(time, id)).expect("it was seen just now");
            let above = self.tree.get(&header.parent).map_or(Work::ZERO, |parent| parent.work);
            let promised = promised_work(above, &[header]).unwrap_or(Work::ZERO);
            if self.accept_header(Some(peer), &header, promised) {
                self.proved(peer, &id, false);
            }
        }
    }

    /// A request of ours was not answered in time.
    pub(super) fn blame_silent(&mut self, peer: Peer) {
        self.emit(Effect::Blame { peer, fault: Fault::Silent });
    }
}

/// The work at the end of these headers above a block with work `above`; `None` unless each follows the one before and meets
/// the target that it names.
pub(super) fn promised_work(above: Work, headers: &[Header]) -> Option<Work> {
    let mut work = above;
    let mut parent = headers.first()?.parent;
    for header in headers {
        let target = Target::from_compact(header.bits)?;
        let id = header.id();
        if header.parent != parent || !target.is_met_by(&id) {
            return None;
        }
        work = work.plus(target.work());
        parent = id;
    }
    Some(work)
}
