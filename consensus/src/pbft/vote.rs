//! What comes in: PRE-PREPAREs and votes, guarded in one order: another net's past → dropped; of an epoch
//! that is over → told; of the next epoch → kept for it; over → answered; of an older
//! view → dropped; too early → kept; then counted.

use super::Pbft;
use super::slot::Body;
use super::tally::{Counted, Tally};
use crate::engine::{Peer, Trace};
use crate::ledger::units::Height;
use crate::message::{Ballot, Message, PrePrepare, Vote, VoteKind};
use std::sync::Arc;

/// What the guards say of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Timing {
    /// Of another incarnation, or of an epoch that nothing is known of here.
    Foreign,
    /// Of an epoch that is over.
    Past,
    /// Of the epoch after the present one.
    Next,
    /// Of a height that is final here.
    Over,
    /// Of a view that was left.
    Behind,
    /// Of a view that has not begun here, or above the window.
    Early,
    /// To be counted.
    Present,
}

impl Pbft {
    fn timing(&self, ballot: &Ballot) -> Timing {
        if ballot.incarnation != self.incarnation || ballot.epoch.0 > self.set.epoch.0.saturating_add(1) {
            Timing::Foreign
        } else if ballot.epoch < self.set.epoch {
            Timing::Past
        } else if ballot.epoch > self.set.epoch {
            Timing::Next
        } else if ballot.height <= self.chain.tip().height {
            Timing::Over
        } else if ballot.view < self.view {
            Timing::Behind
        } else if ballot.view > self.view || !self.is_active() || ballot.height > self.window_top() {
            Timing::Early
        } else {
            Timing::Present
        }
    }

    /// PRE-PREPARE: the body is kept if it is the first of its view; whether it is valid is judged when its parent is there.
    pub(super) fn on_pre_prepare(&mut self, from: Peer, proposal: PrePrepare) {
        let (vote, ballot) = (proposal.vote, proposal.vote.ballot);
        match self.timing(&ballot) {
            Timing::Foreign => {}
            Timing::Past => self.tell_epoch(from, ballot.epoch),
            Timing::Next => self.keep_for_next(from, vote, Message::PrePrepare(proposal)),
            Timing::Over => self.on_over(from, vote),
            Timing::Behind => self.tell_view_when_active(from),
            Timing::Early => self.keep(from, vote, Message::PrePrepare(proposal)),
            Timing::Present if !self.is_open(ballot.height, ballot.block) => {
                self.on_unchosen(vote);
            }
            Timing::Present => {
                self.count(from, vote);
                let (view, arrived_at) = (self.view, self.arrived_at());
                let slot = self.slots.entry(ballot.height).or_default();
                let is_first =
                    slot.tally.vote(view, VoteKind::PrePrepare, vote.signer).map(|first| first.ballot) == Some(ballot);
                let is_free = slot.bound_to(view).is_none_or(|block| block == ballot.block);
                let is_certified = slot.committed.as_ref().is_none_or(|it| it.ballot.block == ballot.block);
                if is_first {
                    slot.arrived_at.get_or_insert(arrived_at);
                }
                if slot.body.is_none() && is_first && is_free && is_certified {
                    slot.body = Some(Body::new(Arc::new(proposal.block), false));
                    self.note_pace(ballot.height);
                }
            }
        }
    }

    /// PREPARE or COMMIT (or a PRE-PREPARE whose body comes apart from it).
    pub(super) fn on_vote(&mut self, from: Peer, vote: Vote) {
        match self.timing(&vote.ballot) {
            Timing::Foreign => {}
            Timing::Past => self.tell_epoch(from, vote.ballot.epoch),
            Timing::Next => self.keep_for_next(from, vote, Message::Vote(vote)),
            Timing::Over => self.on_over(from, vote),
            Timing::Behind => self.tell_view_when_active(from),
            Timing::Early => self.keep(from, vote, Message::Vote(vote)),
            Timing::Present
                if vote.kind == VoteKind::PrePrepare && !self.is_open(vote.ballot.height, vote.ballot.block) =>
            {
                self.on_unchosen(vote);
            }
            Timing::Present => self.count(from, vote),
        }
    }

    fn tell_view_when_active(&mut self, peer: Peer) {
        if self.is_active() {
            self.tell_view(peer);
        }
    }

    /// A proposal at or below the base of the view is of no use; one of another block than the view chose is a lie.
    fn on_unchosen(&mut self, vote: Vote) {
        if vote.ballot.height > self.choice.base {
            // Whoever brought it may have passed it on in good faith: only the signatures were looked at on the way.
            let (height, block) = (vote.ballot.height, vote.ballot.block);
            self.trace(Trace::Refused { height, block, reason: "it is not what the view began with".to_owned() });
            let detail = format!("block {block} at height {height}");
            self.suspect(vote.ballot.view, "unchosen block", detail);
        }
    }

    fn keep(&mut self, from: Peer, vote: Vote, message: Message) {
        self.future.keep(vote.signer, (vote.ballot.view, vote.ballot.height, vote.kind), from, message);
    }

    fn keep_for_next(&mut self, from: Peer, vote: Vote, message: Message) {
        self.epochs.keep(vote.signer, (vote.ballot.view, vote.ballot.height, vote.kind), from, message);
    }

    /// Takes up what waited, as far as the window has come. True if there was anything.
    pub(super) fn take_up(&mut self) -> bool {
        if !self.is_active() {
            return false;
        }
        let ready = self.future.ready(self.view, self.window_top());
        let any = !ready.is_empty();
        for (from, message) in ready {
            match message {
                Message::PrePrepare(proposal) => self.on_pre_prepare(from, proposal),
                Message::Vote(vote) => self.on_vote(from, vote),
                other => unreachable!("only proposals and votes are kept, not {}", other.name()),
            }
        }
        any
    }

    /// Counts a vote in its slot.
    pub(super) fn count(&mut self, from: Peer, vote: Vote) {
        let counted = self.slots.entry(vote.ballot.height).or_default().tally.add(vote);
        match counted {
            Counted::New(votes) => {
                self.trace_vote(&vote, votes);
                self.confront_vote(vote);
            }
            Counted::Known => {}
            Counted::Contradicts(first) => self.report(from, first, vote),
        }
    }

    pub(super) fn trace_vote(&mut self, vote: &Vote, votes: usize) {
        let Ballot { view, height, .. } = vote.ballot;
        self.trace(Trace::Vote { kind: vote.kind, signer: vote.signer, view, height, votes, quorum: self.quorum });
    }

    /// A vote for a height that is final here. One that was counted is sent again because its signer is not there yet.
    fn on_over(&mut self, from: Peer, vote: Vote) {
        let (height, view) = (vote.ballot.height, vote.ballot.view);
        // Of views in which nothing was voted on a liar could invent as many as it likes.
        let may_count = |tally: &&mut Tally| view == self.view || tally.is_of_view(view);
        let counted = self.over.get_mut(&height).filter(may_count).map(|tally| tally.add(vote));
        match counted {
            Some(Counted::New(votes)) => {
                self.trace_vote(&vote, votes);
                self.confront_vote(vote);
            }
            Some(Counted::Contradicts(first)) => self.report(from, first, vote),
            Some(Counted::Known) | None => self.help(from, vote.signer, height),
        }
    }

    /// Whether a vote of this replica's own may link height `height` to its parent.
    pub(super) fn is_linked(&self, height: Height) -> bool {
        if crate::plant::armed(crate::plant::Plant::SkipLink) {
            return true;
        }
        let parent = height.previous().expect("nothing is voted on at genesis");
        let Some(slot) = self.slots.get(&parent) else {
            return parent == self.chain.tip().height;
        };
        let Some(body) = slot.valid() else {
            return false;
        };
        slot.is_committed_on(body.id) || slot.is_prepared_on(self.view, body.id)
    }
}

#[cfg(test)]
mod tests;
