//! What goes out besides requests: own votes, once and again, and the tip.

use super::slot::Slot;
use super::tally::Counted;
use super::{Pbft, RESEND_MS, TIP_INTERVAL_MS, TIP_SPACING_MS};
use crate::engine::{Effect, Engine, Peer, Record, To};
use crate::ledger::hash::BlockId;
use crate::ledger::units::Height;
use crate::message::{Message, PrePrepare, Vote, VoteKind};
use crate::plant::{Plant, armed};

impl Pbft {
    /// Signs, persists, sends and counts a vote of this replica's own.
    pub(super) fn cast(&mut self, kind: VoteKind, height: Height, block: BlockId) {
        let me = self.me.as_ref().expect("only members vote");
        let vote = Vote::sign(&self.set.network, kind, self.ballot(height, block), me.index, &me.key);
        let slot = self.slots.get_mut(&height).expect("the slot holds what is voted for");
        let counted = slot.tally.add(vote);
        let Counted::New(votes) = counted else {
            unreachable!("one vote per kind, view and height: {counted:?}");
        };
        slot.own.insert((vote.ballot.view, kind), vote);
        slot.sent_at = self.now;
        let message = carried(slot, vote).expect("the body of a vote's block is held");
        let persist = Effect::Persist(Record::Vote(vote));
        let send = Effect::Send { to: To::Members, message };
        self.out.extend(if armed(Plant::PersistAfterSend) { [send, persist] } else { [persist, send] });
        self.trace_vote(&vote, votes);
    }

    /// Own votes of heights that are not final, as messages.
    pub(super) fn own_votes(&self) -> Vec<Message> {
        if !self.is_active() {
            return Vec::new();
        }
        let of_slot =
            |slot: &Slot| -> Vec<Message> { slot.own.values().filter_map(|vote| carried(slot, *vote)).collect() };
        self.slots.values().flat_map(of_slot).collect()
    }

    /// Sends own votes again that left too long ago.
    pub(super) fn send_again(&mut self) {
        let now = self.now;
        if !self.is_active() || armed(Plant::NoResend) {
            return;
        }
        let mut messages = Vec::new();
        for slot in self.slots.values_mut() {
            if !slot.own.is_empty() && slot.sent_at.plus_ms(RESEND_MS) <= now {
                slot.sent_at = now;
                messages.extend(slot.own.values().filter_map(|vote| carried(slot, *vote)));
            }
        }
        self.out.extend(messages.into_iter().map(|message| Effect::Send { to: To::Members, message }));
    }

    /// A peer is there: it learns where we stand, and what we voted before it could hear it.
    pub(super) fn on_connected(&mut self, peer: Peer) {
        self.peers.connected(peer);
        let to = To::Peer(peer);
        self.emit(Effect::Send { to, message: Message::Tip(self.tip_info()) });
        match (&self.views.own, &self.views.new_view) {
            (Some(change), _) => self.out.push(Effect::Send { to, message: Message::ViewChange(change.clone()) }),
            (None, Some(new_view)) => self.out.push(Effect::Send { to, message: Message::NewView(new_view.clone()) }),
            (None, None) => {}
        }
        let votes = [self.own_votes(), self.own_checkpoints()].concat();
        self.out.extend(votes.into_iter().map(|message| Effect::Send { to, message }));
    }

    /// Tells everyone the tip: soon after a change, and at an interval.
    pub(super) fn announce(&mut self) {
        let spacing = if self.announce { TIP_SPACING_MS } else { TIP_INTERVAL_MS };
        match self.announced_at {
            // The first event: connecting tells each peer.
            None if !self.announce => self.announced_at = Some(self.now),
            Some(at) if at.plus_ms(spacing) > self.now => {}
            None | Some(_) => {
                self.announced_at = Some(self.now);
                self.announce = false;
                self.emit(Effect::Send { to: To::All, message: Message::Tip(self.tip_info()) });
            }
        }
    }
}

/// A vote as it travels: a PRE-PREPARE with its block. `None` when that block gave way to a certified one.
fn carried(slot: &Slot, vote: Vote) -> Option<Message> {
    match vote.kind {
        VoteKind::PrePrepare => {
            let body = slot.body.as_ref().filter(|body| body.id == vote.ballot.block)?;
            Some(Message::PrePrepare(PrePrepare { vote, block: (*body.block).clone() }))
        }
        VoteKind::Prepare | VoteKind::Commit => Some(Message::Vote(vote)),
    }
}
