//! Proofs that a member lied: two votes of one kind, epoch, view and height for different blocks, both signed.
//!
//! Kept across restarts, told to every node once, and shown. Whoever sees that the present primary proposed two blocks of its view, or
//! committed on two, leaves that view; since everyone is told, everyone does. A liar can make as much evidence against itself as it
//! likes, so only the first [`EVIDENCE_PER_MEMBER_MAX`] of each member are kept and passed on.
//!
//! Votes go from member to member and are passed on by nobody, so a liar that tells two stories apart is not seen by comparing
//! votes alone. But one of its stories can win only with its own COMMIT, which is then part of the certificate; and whoever was
//! told the other story holds its COMMIT for that. [`Pbft::confront`] lays the two beside each other.

use super::Pbft;
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

    /// A commit certificate that somebody brought. Whoever sealed it and is held here with a COMMIT for another block of its view
    /// and height lied: be it one that was counted here, or one of another certificate. Of two certificates more than f members lied.
    pub(super) fn confront(&mut self, certificate: &CommitCertificate) {
        let ballot = certificate.ballot;
        let is_rival = |held: Ballot| held != ballot && held == Ballot { block: held.block, ..ballot };
        let rival = self.certificate_at(ballot.height).filter(|held| is_rival(held.ballot));
        for seal in &certificate.commits {
            let vote = |ballot, seal: &Seal| Vote {
                kind: VoteKind::Commit,
                ballot,
                signer: seal.signer,
                signature: seal.signature,
            };
            let sealed = rival.iter().flat_map(|held| held.commits.iter().map(|other| vote(held.ballot, other)));
            let sealed = sealed.filter(|other| other.signer == seal.signer);
            let firsts: Vec<Vote> = sealed.chain(self.counted_commit(&ballot, seal.signer).copied()).collect();
            for first in firsts.into_iter().filter(|first| is_rival(first.ballot)) {
                self.on_evidence(Evidence { first, second: vote(ballot, seal) });
            }
        }
    }

    /// The COMMIT of a member that was counted at the place of a ballot.
    fn counted_commit(&self, ballot: &Ballot, signer: u16) -> Option<&Vote> {
        let in_flight = self.slots.get(&ballot.height).map(|slot| &slot.tally);
        in_flight.or(self.over.get(&ballot.height))?.vote(ballot.view, VoteKind::Commit, signer)
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
            let reason = if second.kind == VoteKind::PrePrepare { "two proposals" } else { "two votes" };
            self.suspect(ballot.view, reason, format!("at height {}", ballot.height));
        }
    }
}
