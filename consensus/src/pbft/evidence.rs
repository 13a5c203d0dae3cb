//! Proofs that a member lied: two votes of one kind, epoch, view and height for different blocks, both signed.
//!
//! Kept across restarts, told to every node once, and shown. Whoever sees that the present primary proposed two blocks leaves
//! its view; since everyone is told, everyone does. A liar can make as much evidence against itself as it likes, so only the
//! first [`EVIDENCE_PER_MEMBER_MAX`] of each member are kept and passed on.

use super::Pbft;
use crate::engine::{Effect, Fault, Peer, Record, To, Trace};
use crate::ledger::units::{Height, View};
use crate::limits::EVIDENCE_PER_MEMBER_MAX;
use crate::message::{Evidence, Message, Vote, VoteKind};
use std::collections::BTreeMap;

/// What a member is proved to have done, by where it did it.
type Place = (VoteKind, View, Height);

/// The evidence of an epoch, by member.
#[derive(Clone, Debug, Default)]
pub(super) struct Proofs {
    /// Invariant: at most [`EVIDENCE_PER_MEMBER_MAX`] of each.
    by_member: BTreeMap<u16, BTreeMap<Place, Evidence>>,
}

impl Proofs {
    /// Keeps it; false when it was known, or when there is enough against its signer.
    pub(super) fn keep(&mut self, evidence: Evidence) -> bool {
        let ballot = evidence.first.ballot;
        let of_member = self.by_member.entry(evidence.first.signer).or_default();
        let place = (evidence.first.kind, ballot.view, ballot.height);
        let is_new = !of_member.contains_key(&place) && of_member.len() < EVIDENCE_PER_MEMBER_MAX;
        if is_new {
            of_member.insert(place, evidence);
        }
        is_new
    }

    /// All, by member and place.
    pub(super) fn all(&self) -> impl Iterator<Item = &Evidence> {
        self.by_member.values().flat_map(BTreeMap::values)
    }
}

impl Pbft {
    /// Two votes of one signer contradict each other; `from` brought the second.
    pub(super) fn report(&mut self, from: Peer, first: Vote, second: Vote) {
        let fault = Fault::Equivocation(second.signer, second.ballot.height);
        self.emit(Effect::Blame { peer: from, fault });
        self.on_evidence(Evidence { first, second });
    }

    /// Evidence, made here or verified.
    pub(super) fn on_evidence(&mut self, evidence: Evidence) {
        let Evidence { first, second } = evidence;
        let ballot = second.ballot;
        if ballot.incarnation != self.incarnation || ballot.epoch != self.set.epoch {
            return;
        }
        if self.proofs.keep(evidence) {
            self.trace(Trace::Equivocation { first, second });
            if self.me.is_some() {
                self.emit(Effect::Persist(Record::Evidence(evidence)));
            }
            self.emit(Effect::Send { to: To::All, message: Message::Evidence(evidence) });
        }
        if second.kind == VoteKind::PrePrepare {
            self.suspect(ballot.view, "two proposals");
        }
    }
}
