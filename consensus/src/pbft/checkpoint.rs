//! Checkpoints: every `checkpoint_interval` blocks members sign what they find, and q equal signatures make it stable.
//!
//! - What a replica finds (block, coins, the set above) is computed the moment the block at that height is connected, before the
//!   next one is, from the chain as it is then. It is persisted, and by a member signed, persisted and sent.
//! - One vote per (signer, epoch, height). A member votes at rising heights only, so that neither a crash nor a repair makes
//!   it sign a second one. A second vote of another member is blamed on who brought it; the first one counts.
//! - Own votes above the latest stable checkpoint are sent again each [`RESEND_MS`], and to every peer that connects. A vote
//!   that comes again at or below it is answered with the certificate that made it stable.
//! - **Stable** means two things at once: exactly q members signed the same, and *this replica found the same*. Only then is the
//!   certificate persisted, is the snapshot served ([`super::serve`]) and may older votes, states and certificates go.
//! - A replica that found something else has **diverged**: it votes on nothing, connects nothing and proposes nothing until it has
//!   the snapshot of a stable checkpoint from others ([`super::transfer`]), also after a restart. If the *block* differs, more
//!   than f members lie, and it halts.
//! - Bounds: of each member the votes at the [`CHECKPOINTS_PER_MEMBER_MAX`] highest heights, of this replica as many states
//!   that are not stable, as many certificates above its tip, and the [`SNAPSHOTS_HELD`] latest stable checkpoints.
//!
//! Checkpoints do not limit the window, and a net whose checkpoints never become stable goes on: it can serve no snapshots,
//! and drops no records.

use super::spacing::Spacing;
use super::{Pbft, RESEND_MS};
use crate::chain::snapshot::SnapshotStep;
use crate::engine::{Effect, Fault, Peer, Record, To, Trace};
use crate::ledger::units::{Height, Time};
use crate::limits::{CHECKPOINTS_PER_MEMBER_MAX, SNAPSHOTS_HELD};
use crate::message::checkpoint::{BucketHashes, Checkpoint, CheckpointCertificate, CheckpointState, CheckpointVote};
use crate::message::{Message, Seal};
use crate::plant::{Plant, armed};
use std::collections::{BTreeMap, BTreeSet};

/// Checkpoints as this replica knows them; see the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Checkpoints {
    /// Votes that count, own ones included, at and above the latest stable height.
    /// Invariant: at most [`CHECKPOINTS_PER_MEMBER_MAX`] of each member; own ones are persisted.
    votes: BTreeMap<u16, BTreeMap<Height, CheckpointVote>>,
    /// Second votes that were reported.
    reported: BTreeSet<(u16, Height)>,
    /// Up to this height this replica votes no more.
    voted_to: Height,
    /// What was found here. Invariant: persisted.
    states: BTreeMap<Height, CheckpointState>,
    /// Certified, but the chain is not there yet. Invariant: at most [`CHECKPOINTS_PER_MEMBER_MAX`], the highest ones.
    waiting: BTreeMap<Height, CheckpointCertificate>,
    /// Stable. Invariant: persisted, each with an equal state; at most [`SNAPSHOTS_HELD`].
    held: BTreeMap<Height, CheckpointCertificate>,
    /// A quorum found something else than this replica. Invariant: persisted.
    pub(super) diverged: Option<CheckpointCertificate>,
    /// When own votes last left.
    sent_at: Time,
    /// Peers that were told of a stable checkpoint.
    told: Spacing,
}

impl Checkpoints {
    /// The latest stable height; 0 while there is none.
    pub(super) fn stable(&self) -> Height {
        self.held.last_key_value().map_or(Height::GENESIS, |(height, _)| *height)
    }

    /// The stable heights.
    pub(super) fn held(&self) -> impl DoubleEndedIterator<Item = Height> {
        self.held.keys().copied()
    }

    /// A stable checkpoint at exactly this height, with what was found there.
    pub(super) fn held_at(&self, height: Height) -> Option<(&CheckpointCertificate, &CheckpointState)> {
        self.held.get(&height).zip(self.states.get(&height))
    }

    /// A peer is gone.
    pub(super) fn disconnected(&mut self, peer: Peer) {
        self.told.disconnected(peer);
    }

    /// Counts a vote; the number of equal ones now, or `None` when its signer's vote there was counted before.
    fn add(&mut self, vote: CheckpointVote) -> Option<usize> {
        let of_member = self.votes.entry(vote.signer).or_default();
        if of_member.contains_key(&vote.checkpoint.height) {
            return None;
        }
        of_member.insert(vote.checkpoint.height, vote);
        if of_member.len() > CHECKPOINTS_PER_MEMBER_MAX {
            let dropped = of_member.pop_first().map(|(height, _)| (vote.signer, height));
            self.reported.retain(|reported| Some(*reported) != dropped);
        }
        Some(self.seals(&vote.checkpoint).count())
    }

    fn seals(&self, checkpoint: &Checkpoint) -> impl Iterator<Item = Seal> {
        let of_member = |votes: &BTreeMap<Height, CheckpointVote>| votes.get(&checkpoint.height).copied();
        let equal = self.votes.values().filter_map(of_member).filter(|vote| vote.checkpoint == *checkpoint);
        equal.map(|vote| Seal { signer: vote.signer, signature: vote.signature })
    }

    /// The certificate of a checkpoint with so many seals, once there are as many.
    fn certificate(&self, checkpoint: &Checkpoint, quorum: usize) -> Option<CheckpointCertificate> {
        let seals: Vec<Seal> = self.seals(checkpoint).take(quorum).collect();
        (seals.len() == quorum).then_some(CheckpointCertificate { checkpoint: *checkpoint, seals })
    }

    /// Takes a certificate for what was found here. Whoever has the right coins at a height has them above too.
    fn hold(&mut self, certificate: CheckpointCertificate) {
        let height = certificate.checkpoint.height;
        self.diverged = self.diverged.take().filter(|it| it.checkpoint.height > height);
        self.held.insert(height, certificate);
        self.prune();
    }

    /// A certificate that others made.
    pub(super) fn expect(&mut self, certificate: CheckpointCertificate) {
        let height = certificate.checkpoint.height;
        if height > self.stable() {
            self.waiting.entry(height).or_insert(certificate);
        }
    }

    /// Votes of the epoch that is over count no more.
    pub(super) fn begin_epoch(&mut self) {
        self.votes.clear();
        self.reported.clear();
    }

    /// Forgets what a stable checkpoint makes useless, and what is too much.
    fn prune(&mut self) {
        while self.held.len() > SNAPSHOTS_HELD {
            self.held.pop_first();
        }
        let stable = self.stable();
        self.votes.values_mut().for_each(|votes| votes.retain(|height, _| *height >= stable));
        self.votes.retain(|_, votes| !votes.is_empty());
        self.reported.retain(|(_, height)| *height >= stable);
        self.waiting.retain(|height, _| *height > stable);
        while self.waiting.len() > CHECKPOINTS_PER_MEMBER_MAX {
            self.waiting.pop_first();
        }
        let open = self.states.keys().rev().filter(|height| !self.held.contains_key(height));
        let kept: BTreeSet<Height> = open.take(CHECKPOINTS_PER_MEMBER_MAX).copied().collect();
        let held = &self.held;
        self.states.retain(|height, _| held.contains_key(height) || (kept.contains(height) && *height > stable));
    }

    /// Whether there is a certificate that others made.
    #[cfg(test)]
    pub(super) fn is_expecting(&self, height: Height) -> bool {
        self.waiting.contains_key(&height)
    }

    /// Whether it is known what was found here.
    #[cfg(test)]
    pub(super) fn has_found(&self, height: Height) -> bool {
        self.states.contains_key(&height)
    }

    /// How many votes of a member are kept.
    #[cfg(test)]
    pub(super) fn votes_of(&self, signer: u16) -> usize {
        self.votes.get(&signer).map_or(0, BTreeMap::len)
    }

    /// The invariants that are written on the fields.
    pub(super) fn check(&self) {
        assert!(self.votes.values().all(|votes| votes.len() <= CHECKPOINTS_PER_MEMBER_MAX), "votes are bounded");
        let is_kept =
            |(signer, height): &(u16, Height)| self.votes.get(signer).is_some_and(|it| it.contains_key(height));
        assert!(self.reported.iter().all(is_kept), "contradictions are remembered as long as the votes");
        assert!(self.waiting.len() <= CHECKPOINTS_PER_MEMBER_MAX, "certificates are bounded");
        assert!(self.states.len() <= CHECKPOINTS_PER_MEMBER_MAX + SNAPSHOTS_HELD, "states are bounded");
        assert!(self.held.len() <= SNAPSHOTS_HELD, "snapshots are bounded");
        let is_equal = |(height, certificate): (&Height, &CheckpointCertificate)| {
            let state = self.states.get(height);
            state.is_some_and(|state| state.checkpoint == certificate.checkpoint) || armed(Plant::IgnoreDivergence)
        };
        assert!(self.held.iter().all(is_equal), "what is stable was found here");
    }
}

/// What a start finds of checkpoints.
#[derive(Clone, Debug, Default)]
pub(super) struct Recorded {
    pub(super) votes: Vec<CheckpointVote>,
    pub(super) states: BTreeMap<Height, CheckpointState>,
    pub(super) stable: BTreeMap<Height, CheckpointCertificate>,
}

impl Pbft {
    /// Whether it is of the present epoch, and nothing of it was undone.
    pub(super) fn is_present(&self, checkpoint: &Checkpoint) -> bool {
        self.incarnations.stands(checkpoint.incarnation, checkpoint.height) && checkpoint.epoch == self.set.epoch
    }

    /// What is found at the tip.
    fn find(&mut self) -> CheckpointState {
        let tip = self.chain.tip();
        let buckets = BucketHashes::of(self.chain.buckets());
        let checkpoint = Checkpoint {
            incarnation: self.incarnation,
            epoch: self.set.epoch,
            height: tip.height,
            block: tip.id,
            coins: buckets.commitment(),
            next: self.next_opening().hash(&self.set.network),
        };
        CheckpointState { checkpoint, header: tip.header, buckets }
    }

    /// A block was connected, and none above it yet. At a checkpoint this replica looks at what it has.
    pub(super) fn look(&mut self) {
        let height = self.chain.tip().height;
        if height <= self.start.height {
            self.look_at_start();
            return self.compare();
        }
        if !height.0.is_multiple_of(u64::from(self.params.checkpoint_interval)) {
            return;
        }
        let state = self.find();
        let checkpoint = state.checkpoint;
        self.keep_state(state);
        self.note_end();
        self.compare();
        self.vote_checkpoint(checkpoint);
        self.checkpoints.prune();
    }

    /// The tip is the last checkpoint of the epoch before: what is here is compared with what the present one began with.
    fn look_at_start(&mut self) {
        let tip = self.chain.tip();
        let Some(start) = self.epochs.at(tip.height).filter(|it| it.height() == tip.height) else {
            return;
        };
        let certified = start.certificate.checkpoint;
        let buckets = BucketHashes::of(self.chain.buckets());
        let checkpoint = Checkpoint { block: tip.id, coins: buckets.commitment(), ..certified };
        self.keep_state(CheckpointState { checkpoint, header: tip.header, buckets });
    }

    /// Keeps what was found, durably.
    fn keep_state(&mut self, state: CheckpointState) {
        let height = state.checkpoint.height;
        if self.checkpoints.states.get(&height) != Some(&state) {
            self.emit(Effect::Persist(Record::CheckpointState(state.clone())));
            self.checkpoints.states.insert(height, state);
        }
    }

    /// Votes, if nothing was signed at that height or above.
    pub(super) fn vote_checkpoint(&mut self, checkpoint: Checkpoint) {
        let is_due = checkpoint.height > self.checkpoints.voted_to && checkpoint.height > self.checkpoints.stable();
        let Some(me) = self.me.as_ref().filter(|_| is_due && self.checkpoints.diverged.is_none()) else {
            return;
        };
        let vote = CheckpointVote::sign(&self.set.network, checkpoint, me.index, &me.key);
        self.checkpoints.voted_to = checkpoint.height;
        self.checkpoints.sent_at = self.now;
        self.emit(Effect::Persist(Record::Checkpoint(vote)));
        self.emit(Effect::Send { to: To::Members, message: Message::Checkpoint(vote) });
        self.count_checkpoint(vote);
    }

    /// A member's vote.
    pub(super) fn on_checkpoint(&mut self, from: Peer, vote: CheckpointVote) {
        if !self.is_of_present(from, vote.checkpoint.incarnation, vote.checkpoint.epoch) {
            return;
        }
        let (height, stable) = (vote.checkpoint.height, self.checkpoints.stable());
        let first = self.checkpoints.votes.get(&vote.signer).and_then(|votes| votes.get(&height)).copied();
        match first {
            Some(first) if first.checkpoint != vote.checkpoint => {
                if self.checkpoints.reported.insert((vote.signer, height)) {
                    let fault = Fault::Equivocation(vote.signer, height);
                    self.emit(Effect::Blame { peer: from, fault });
                }
            }
            // It is sent again because its signer has not heard what came of it.
            Some(_) if height <= stable => self.tell_stable(from),
            Some(_) => {}
            None if height < stable => self.tell_stable(from),
            None => self.count_checkpoint(vote),
        }
    }

    fn count_checkpoint(&mut self, vote: CheckpointVote) {
        let (signer, height, quorum) = (vote.signer, vote.checkpoint.height, self.quorum);
        if let Some(votes) = self.checkpoints.add(vote) {
            self.trace(Trace::Checkpoint { signer, height, votes, quorum });
        }
        let certificate = self.checkpoints.certificate(&vote.checkpoint, quorum);
        certificate.into_iter().for_each(|certificate| self.on_checkpointed(certificate));
    }

    /// A certificate, made here or verified.
    pub(super) fn on_checkpointed(&mut self, certificate: CheckpointCertificate) {
        let height = certificate.checkpoint.height;
        if !self.is_present(&certificate.checkpoint) || height <= self.checkpoints.stable() {
            return;
        }
        self.checkpoints.waiting.entry(height).or_insert(certificate);
        self.checkpoints.prune();
        self.compare();
    }

    /// Compares what is certified with what was found here.
    pub(super) fn compare(&mut self) {
        let tip = self.chain.tip().height;
        while let Some((&height, _)) = self.checkpoints.waiting.first_key_value().filter(|(height, _)| **height <= tip)
        {
            let certificate = self.checkpoints.waiting.remove(&height).expect("it is the first");
            // What was found so long ago is forgotten; the next checkpoint tells.
            let Some(mut state) = self.checkpoints.states.get(&height).cloned() else {
                continue;
            };
            // What stayed when the net was set back may be certified in any incarnation since.
            state.checkpoint.incarnation = certificate.checkpoint.incarnation;
            let ours = state.checkpoint;
            if ours == certificate.checkpoint || armed(Plant::IgnoreDivergence) {
                self.keep_state(state);
                self.hold(certificate);
            } else {
                self.diverge(ours, certificate);
            }
        }
    }

    fn hold(&mut self, certificate: CheckpointCertificate) {
        let Checkpoint { height, coins, .. } = certificate.checkpoint;
        self.emit(Effect::Persist(Record::Stable(certificate.clone())));
        self.trace(Trace::Stable { height, coins });
        self.checkpoints.hold(certificate.clone());
        self.announce = true;
        let lowest = self.checkpoints.held.first_key_value().map_or(height, |(lowest, _)| *lowest);
        self.emit(Effect::Snapshot(SnapshotStep::Keep { from: lowest }));
        let is_present = self.is_present(&certificate.checkpoint);
        if is_present && certificate.checkpoint.next != self.epochs.opening().hash(&self.set.network) {
            self.open_epoch(certificate);
        }
    }

    fn diverge(&mut self, ours: Checkpoint, certificate: CheckpointCertificate) {
        let theirs = certificate.checkpoint;
        let height = theirs.height;
        if ours.block != theirs.block {
            let reason = "certified by a checkpoint, but another block is final here".to_owned();
            self.trace(Trace::Refused { height, block: theirs.block, reason });
            self.halted = true;
        }
        self.emit(Effect::Persist(Record::Stable(certificate.clone())));
        self.trace(Trace::Diverged { height, ours: ours.coins, theirs: theirs.coins });
        self.checkpoints.diverged = Some(certificate);
    }

    /// Answers a peer that does not know that a checkpoint is stable; not too often.
    fn tell_stable(&mut self, peer: Peer) {
        let may_tell = self.peers.is_connected(peer);
        let Some((_, latest)) = self.checkpoints.held.last_key_value().filter(|_| may_tell) else {
            return;
        };
        if self.checkpoints.told.take(self.now, peer) {
            let message = Message::Checkpointed(latest.clone());
            self.emit(Effect::Send { to: To::Peer(peer), message });
        }
    }

    /// Own votes above the latest stable checkpoint. One that has diverged keeps quiet.
    pub(super) fn own_checkpoints(&self) -> Vec<Message> {
        let me = self.me.as_ref().filter(|_| self.checkpoints.diverged.is_none());
        let own = me.and_then(|me| self.checkpoints.votes.get(&me.index));
        let above = own.into_iter().flat_map(|votes| votes.range(self.checkpoints.stable().next()..));
        above.map(|(_, vote)| Message::Checkpoint(*vote)).collect()
    }

    /// Sends them again when it is time.
    pub(super) fn send_checkpoints_again(&mut self) {
        if self.checkpoints.sent_at.plus_ms(RESEND_MS) > self.now {
            return;
        }
        let messages = self.own_checkpoints();
        if !messages.is_empty() {
            self.checkpoints.sent_at = self.now;
            self.out.extend(messages.into_iter().map(|message| Effect::Send { to: To::Members, message }));
        }
    }

    /// When they are to be sent again.
    pub(super) fn checkpoints_at(&self) -> Option<Time> {
        let me = self.me.as_ref().filter(|_| self.checkpoints.diverged.is_none())?;
        let highest = self.checkpoints.votes.get(&me.index)?.last_key_value().map(|(height, _)| *height)?;
        (highest > self.checkpoints.stable()).then(|| self.checkpoints.sent_at.plus_ms(RESEND_MS))
    }

    /// Takes up what was persisted, before anything is connected again: what was found up to the tip, how far votes went, and
    /// what was stable.
    pub(super) fn take_back_checkpoints(&mut self, recorded: &mut Recorded) {
        let tip = self.chain.tip();
        if !armed(Plant::ForgetVotes) {
            let voted_to = recorded.votes.iter().map(|vote| vote.checkpoint.height).max();
            self.checkpoints.voted_to = voted_to.unwrap_or(Height::GENESIS);
        }
        self.checkpoints.states = std::mem::take(&mut recorded.states);
        for (height, certificate) in std::mem::take(&mut recorded.stable) {
            let found = self.checkpoints.states.get(&height).map(|state| state.checkpoint);
            match found.filter(|_| height < tip.height) {
                Some(ours) if ours == certificate.checkpoint => self.checkpoints.hold(certificate),
                Some(_) => self.checkpoints.diverged = Some(certificate),
                // Above the tip, or at the tip, which may have been switched to since.
                None => drop(self.checkpoints.waiting.insert(height, certificate)),
            }
        }
        self.look();
        self.checkpoints.prune();
    }

    /// Takes up own votes, once the present epoch is known.
    pub(super) fn take_back_checkpoint_votes(&mut self, recorded: Recorded) {
        let me = self.me.as_ref().map(|member| member.index);
        for vote in recorded.votes.into_iter().filter(|vote| Some(vote.signer) == me) {
            if self.is_present(&vote.checkpoint) && !armed(Plant::ForgetVotes) {
                self.checkpoints.add(vote);
            }
        }
    }

    /// The chain goes on from a snapshot: what was found before may be wrong, and older snapshots cannot be read any more.
    pub(super) fn checkpoints_rebased(&mut self, certificate: CheckpointCertificate) {
        let height = certificate.checkpoint.height;
        self.checkpoints.states.clear();
        self.checkpoints.held.clear();
        self.checkpoints.waiting.insert(height, certificate);
        self.look();
    }
}

#[cfg(test)]
mod tests;
