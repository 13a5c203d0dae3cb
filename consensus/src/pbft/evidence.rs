//! Proofs that a member lied: two votes of one kind, epoch, view and height for different blocks, both signed.
//!
//! The second of them may also come sealed in a commit certificate. A primary that shows two halves of the members a block each
//! keeps its two proposals apart; but the half that is too small for a quorum learns in the end which block was certified, and by
//! whose COMMITs, and holds the primary's COMMIT for the other one.
//!
//! Kept across restarts, told to every node once, and shown. Whoever sees that the present primary contradicted itself leaves its
//! view; since everyone is told, everyone does. A liar can make as much evidence against itself as it likes, so only the first
//! [`EVIDENCE_PER_MEMBER_MAX`] of each member are kept and passed on.

use super::Pbft;
use super::tally::Tally;
use crate::engine::{Effect, Fault, Peer, Record, To, Trace};
use crate::ledger::units::{Epoch, Height, View};
use crate::limits::EVIDENCE_PER_MEMBER_MAX;
use crate::message::{Ballot, CommitCertificate, Evidence, Message, Seal, Vote, VoteKind};
use std::collections::BTreeMap;

/// What a member is proved to have done, by where it did it.
type Place = (VoteKind, View, Height);

/// The evidence of all epochs, by epoch and member.
#[derive(Clone, Debug, Default)]
pub(super) struct Proofs {
    /// Invariant: at most [`EVIDENCE_PER_MEMBER_MAX`] of each.
    by_member: BTreeMap<(Epoch, u16), BTreeMap<Place, Evidence>>,
}

impl Proofs {
    /// Keeps it; false when it was known, or when there is enough against its signer.
    pub(super) fn keep(&mut self, evidence: Evidence) -> bool {
        let ballot = evidence.first.ballot;
        let of_member = self.by_member.entry((ballot.epoch, evidence.first.signer)).or_default();
        let place = (evidence.first.kind, ballot.view, ballot.height);
        let is_new = !of_member.contains_key(&place) && of_member.len() < EVIDENCE_PER_MEMBER_MAX;
        if is_new {
            of_member.insert(place, evidence);
        }
        is_new
    }

    /// All, by epoch, member and place.
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

    /// A commit certificate that somebody brought: whoever sealed it and sent a COMMIT for another block of its view lied. Where
    /// another block of its view is even certified here at its height, more than f members did, and whoever sealed both is one.
    pub(super) fn confront(&mut self, certificate: &CommitCertificate) {
        let ballot = certificate.ballot;
        for seal in &certificate.commits {
            let voted = self.votes_at(ballot.height).and_then(|tally| tally.commit(ballot.view, seal.signer).copied());
            self.confront_votes(voted, sealed(ballot, seal));
        }
        let Some(held) = self.certificate_at(ballot.height) else {
            return;
        };
        for seal in &certificate.commits {
            self.confront_votes(seal_of(&held, seal.signer), sealed(ballot, seal));
        }
    }

    /// A COMMIT that was counted: its signer may have sealed the certificate for another block that is held.
    pub(super) fn confront_vote(&mut self, vote: Vote) {
        if vote.kind != VoteKind::Commit {
            return;
        }
        let height = vote.ballot.height;
        // What is in flight is in no archive.
        let held = match self.slots.get(&height) {
            Some(slot) => slot.committed.clone(),
            None => self.certificate_at(height),
        };
        self.confront_votes(held.and_then(|held| seal_of(&held, vote.signer)), vote);
    }

    /// What was voted at a height that is in flight, or was final a short time ago.
    fn votes_at(&self, height: Height) -> Option<&Tally> {
        self.slots.get(&height).map(|slot| &slot.tally).or_else(|| self.over.get(&height))
    }

    /// Two COMMITs of one signer, in whatever order they came.
    fn confront_votes(&mut self, first: Option<Vote>, second: Vote) {
        // Of another incarnation it may be for another block.
        let contradicts = |first: &Vote| {
            first.ballot != second.ballot && first.ballot == Ballot { block: first.ballot.block, ..second.ballot }
        };
        if let Some(first) = first.filter(contradicts) {
            self.on_evidence(Evidence { first, second });
        }
    }

    /// Evidence, made here or verified.
    pub(super) fn on_evidence(&mut self, evidence: Evidence) {
        let Evidence { first, second } = evidence;
        let ballot = second.ballot;
        if ballot.incarnation != self.incarnation || ballot.epoch > self.set.epoch {
            return;
        }
        if self.proofs.keep(evidence) {
            self.trace(Trace::Equivocation { first, second });
            if self.me.is_some() {
                self.emit(Effect::Persist(Record::Evidence(evidence)));
            }
            self.emit(Effect::Send { to: To::All, message: Message::Evidence(evidence) });
        }
        if ballot.epoch == self.set.epoch && second.signer == self.set.primary(ballot.view) {
            let reason = if second.kind == VoteKind::PrePrepare { "two proposals" } else { "two commits" };
            self.suspect(ballot.view, reason, format!("at height {}", ballot.height));
        }
    }
}

/// The COMMIT that a certificate for this ballot holds as a seal.
fn sealed(ballot: Ballot, seal: &Seal) -> Vote {
    Vote { kind: VoteKind::Commit, ballot, signer: seal.signer, signature: seal.signature }
}

/// The COMMIT of a signer in a certificate.
fn seal_of(certificate: &CommitCertificate, signer: u16) -> Option<Vote> {
    let seal = certificate.commits.iter().find(|seal| seal.signer == signer)?;
    Some(sealed(certificate.ballot, seal))
}
