//! State transfer: the coins as a whole, from several peers at once, each bucket judged alone.
//!
//! # When
//! - A peer claims to be more than two checkpoint intervals ahead and to have a stable checkpoint above the tip. When less is
//!   missing, certified blocks come as always ([`super::catch_up`]).
//! - A peer that is ahead answers that it has no block above the tip, though it has a stable checkpoint there: it has itself begun
//!   with a snapshot. Nothing proves that anyone still has those blocks.
//! - This replica has diverged ([`super::checkpoint`]); then the snapshot may also be one of a height at or below its tip.
//!
//! It needs no restart and no special mode: what else the replica does goes on until the switch, votes included. While a
//! snapshot comes, or is to be had, no certified blocks are asked for.
//!
//! # How
//! 1. One peer is asked for the manifest: the checkpoint's certificate, its block's header and commit certificate, and the
//!    256 bucket hashes. The verifier counts both certificates (exactly q seals each, ascending, none twice) and sees that
//!    header and hashes are the ones certified. From here on no peer can make this replica accept a wrong coin.
//! 2. All peers that claim that checkpoint or a later one are asked for buckets, each for [`BUCKETS_PER_REQUEST`] consecutive
//!    ones, one request at a time ([`crate::sync`]). A bucket comes from one peer alone, in as many messages as it takes, so that
//!    it is clear who answers for it.
//! 3. Coins follow each other in strictly ascending order of names that belong to their bucket, and the sum of the complete bucket
//!    is the one of the manifest. Order and belonging are looked at *before* anything is added up: 65,536 copies of an invented
//!    coin add up to nothing. Whoever sends anything else is blamed and rests, its bucket is discarded, and another peer is
//!    asked. Whoever says that it serves the snapshot no more is not asked again; when some say so and nobody else is of use, the
//!    transfer starts over with a newer one.
//! 4. When all buckets are here, the certificates are persisted and the executor switches ([`SnapshotStep`]), in one
//!    transaction. From then until it reports the switch, nothing is voted on or connected.
//! 5. The chain goes on from the checkpoint's block. What lies above is connected again from what is stored, or fetched.
//!
//! # Crashes
//! Before the switch is on disk nothing has happened: the next start finds the old chain, old coins and all own votes, and
//! begins anew. After it the base is the checkpoint's block. Votes, bodies and certificates are never touched by a transfer,
//! so it cannot make a replica contradict itself.
//!
//! # Why it ends
//! A peer serves its [`SNAPSHOTS_HELD`](crate::limits::SNAPSHOTS_HELD) latest stable checkpoints, so a transfer that began with the newest has
//! that many intervals less one. Between two snapshots certified blocks come, for two intervals and
//! [`BLOCKS_BETWEEN_SNAPSHOTS_MIN`] blocks at least: above one that was switched to, and after [`TRANSFERS_MAX`] that were too
//! slow. After each further one that fails they are twice as many as before, so that a net whose intervals pass faster than a
//! transfer is caught up with all the same. One that has diverged goes on trying.
//!

use super::Pbft;
use super::fetch::{Answered, Fetch, Job};
use crate::chain::snapshot::{SnapshotStep, Switch};
use crate::chain::{Base, Tip};
use crate::engine::{Effect, Fault, Peer, Record, To, Trace};
use crate::ledger::block::Header;
use crate::ledger::commitment::Buckets;
use crate::ledger::units::{Height, Time};
use crate::limits::{BLOCKS_PER_MESSAGE_MAX, COMMITMENT_BUCKETS, SLOTS_MAX};
use crate::message::checkpoint::{BucketParts, CheckpointCertificate, Snapshot};
use crate::message::epoch::{Opening, Succession};
use crate::message::{CommitCertificate, Message, TipInfo};
use crate::sync::REQUEST_TIMEOUT_MS;

/// Transfers in a row that may fail because nobody serves their snapshot any more.
const TRANSFERS_MAX: u32 = 4;
/// After so long without a manifest blocks are fetched: those who claim to have snapshots may be liars.
const SNAPSHOT_PATIENCE_MS: u64 = 3 * REQUEST_TIMEOUT_MS;
/// Blocks that are fetched at least before another snapshot is.
const BLOCKS_BETWEEN_SNAPSHOTS_MIN: u64 = 4 * BLOCKS_PER_MESSAGE_MAX as u64;

/// What a peer was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// Certified blocks from this height on.
    Blocks(Height),
    /// A manifest.
    Snapshot,
    /// Buckets of the snapshot that is being fetched.
    Buckets,
    /// How epochs began.
    Successions,
}

/// A transfer, if there is one.
#[derive(Clone, Debug, Default)]
pub(super) struct Transfer {
    fetch: Option<Fetch>,
    switching: Option<Switching>,
    /// The tip above which a peer that is ahead had no block.
    is_needed_at: Option<Height>,
    /// Transfers that failed since the last one that did not.
    failed: u32,
    /// Times that blocks were fetched for that reason since the last transfer that did not fail.
    rounds: u32,
    /// After too many that failed: none below this tip.
    not_below: Height,
    /// Since when, at which tip, a snapshot has been awaited and none has come.
    far: Option<(Height, Time)>,
}

/// The switch was handed out.
#[derive(Clone, Debug)]
struct Switching {
    sequence: u64,
    base: Base,
    certificate: CheckpointCertificate,
    commit: CommitCertificate,
}

impl Transfer {
    /// Whether the switch was handed out and is not reported.
    pub(super) fn is_switching(&self) -> bool {
        self.switching.is_some()
    }

    /// Whether a snapshot comes, so that no blocks need to be fetched.
    pub(super) fn is_fetching(&self) -> bool {
        self.fetch.is_some() || self.is_switching()
    }

    /// A peer that is ahead has no block above this tip.
    pub(super) fn is_needed_above(&mut self, tip: Height) {
        self.is_needed_at = Some(tip);
    }
}

impl Pbft {
    /// Does what the transfer needs, or begins one.
    pub(super) fn transfer(&mut self) {
        let Some(fetch) = &self.transfer.fetch else {
            return self.ask_for_manifest();
        };
        let is_overtaken = fetch.height() <= self.chain.tip().height && self.checkpoints.diverged.is_none();
        if is_overtaken {
            self.abandon();
        } else if fetch.sums.len() == COMMITMENT_BUCKETS {
            self.switch();
        } else if fetch.jobs.is_empty() && self.nobody_serves() {
            self.abandon();
            self.transfer.failed += 1;
            if self.transfer.failed >= TRANSFERS_MAX || self.transfer.rounds > 0 {
                self.go_on_by_blocks();
            }
        } else {
            self.ask_for_buckets();
        }
    }

    /// Blocks are fetched for a while, and after each further time for twice as long.
    fn go_on_by_blocks(&mut self) {
        self.transfer.not_below = self.no_snapshot_below(self.chain.tip().height);
        self.transfer.rounds += 1;
        self.transfer.failed = 0;
        self.transfer.far = None;
    }

    /// How far blocks are fetched from here, before another snapshot is.
    fn no_snapshot_below(&self, from: Height) -> Height {
        let least = (2 * u64::from(self.params.checkpoint_interval)).max(BLOCKS_BETWEEN_SNAPSHOTS_MIN);
        Height(from.0.saturating_add(least.saturating_mul(1 << self.transfer.rounds.min(32))))
    }

    /// Whether certified blocks are left alone because a snapshot comes or is about to.
    pub(super) fn awaits_snapshot(&mut self) -> bool {
        if self.transfer.is_fetching() || !self.is_far_behind() {
            self.transfer.far = None;
            return self.transfer.is_fetching();
        }
        let tip = self.chain.tip().height;
        let since = self.transfer.far.filter(|(at, _)| *at == tip).map_or(self.now, |(_, since)| since);
        self.transfer.far = Some((tip, since));
        if since.plus_ms(SNAPSHOT_PATIENCE_MS) <= self.now {
            self.go_on_by_blocks();
        }
        self.transfer.far.is_some()
    }

    /// When a transfer goes on by itself.
    pub(super) fn transfer_at(&self) -> Option<Time> {
        self.transfer.far.map(|(_, since)| since.plus_ms(SNAPSHOT_PATIENCE_MS))
    }

    fn two_intervals_above(&self, height: Height) -> Height {
        Height(height.0.saturating_add(2 * u64::from(self.params.checkpoint_interval)))
    }

    /// Forgets the snapshot that is being fetched.
    fn abandon(&mut self) {
        if self.transfer.fetch.take().is_some() {
            self.emit(Effect::Snapshot(SnapshotStep::Clear));
        }
    }

    /// Asks one peer for the manifest, if a snapshot is wanted and one claims to have it.
    fn ask_for_manifest(&mut self) {
        if self.transfer.is_switching() || self.peers.open().any(|(_, ask)| *ask == Ask::Snapshot) {
            return;
        }
        let tip = self.chain.tip().height;
        let diverged = self.checkpoints.diverged.as_ref().map(|it| it.checkpoint.height);
        let far = self.two_intervals_above(tip);
        let is_needed = self.transfer.is_needed_at == Some(tip);
        let may = tip >= self.transfer.not_below;
        let last_known = self.epochs.last_known();
        let willing = self.peers.askable(self.now, |info| match diverged {
            // Whoever is in an epoch that is not known here may answer with what cannot be judged here.
            _ if info.epoch > last_known => false,
            Some(height) => info.stable >= height,
            None => info.stable > tip && (is_needed || (may && info.final_height > far)),
        });
        let Some(peer) = willing.get((tip.0 % willing.len().max(1) as u64) as usize).copied() else {
            return;
        };
        let height = self.peers.claim(peer).map_or(tip, |info| info.stable);
        self.peers.asked(self.now, peer, Ask::Snapshot);
        self.emit(Effect::Send { to: To::Peer(peer), message: Message::GetSnapshot { height } });
    }

    /// Whether a snapshot is to be had and so much is missing that no blocks are asked for. Since claims may be lies, one that
    /// is correct must be among those that say so, or nobody says anything else.
    fn is_far_behind(&self) -> bool {
        let tip = self.chain.tip().height;
        let far = self.two_intervals_above(tip);
        let is_far = |info: &TipInfo| info.stable > tip && info.final_height > far;
        let (mut saying, mut all) = (0, 0);
        for (_, info) in self.peers.claims() {
            all += 1;
            saying += usize::from(is_far(info));
        }
        tip >= self.transfer.not_below && saying > 0 && (saying > self.set.f() || saying == all)
    }

    /// A manifest, which the verifier has counted.
    pub(super) fn on_snapshot(&mut self, from: Peer, snapshot: Option<Box<Snapshot>>) {
        if self.open_ask(from) != Some(Ask::Snapshot) {
            return;
        }
        self.peers.answered(from);
        let tip = self.chain.tip().height;
        let diverged = self.checkpoints.diverged.as_ref().map(|it| it.checkpoint.height);
        let is_of_use = |snapshot: &Snapshot| {
            let checkpoint = &snapshot.certificate.checkpoint;
            self.incarnations.stands(checkpoint.incarnation, checkpoint.height)
                && self.incarnations.hold(&snapshot.commit.ballot)
                // With the last checkpoint of the epoch before, this one begins.
                && (checkpoint.epoch >= self.set.epoch || checkpoint.height == self.start.height)
                && checkpoint.epoch <= self.epochs.last_known()
                && diverged.map_or(checkpoint.height > tip, |height| checkpoint.height >= height)
        };
        let Some(manifest) = snapshot.filter(|snapshot| is_of_use(snapshot)) else {
            return self.peers.rest(self.now, from);
        };
        if self.transfer.is_fetching() {
            return;
        }
        let height = manifest.certificate.checkpoint.height;
        self.emit(Effect::Snapshot(SnapshotStep::Clear));
        self.trace(Trace::Transfer { height, buckets: 0, done: false });
        self.transfer.fetch = Some(Fetch::new(*manifest));
        self.transfer.far = None;
    }

    fn open_ask(&self, peer: Peer) -> Option<Ask> {
        self.peers.open().find(|(other, _)| *other == peer).map(|(_, ask)| *ask)
    }

    /// Asks whoever is free for buckets that nobody is asked for.
    fn ask_for_buckets(&mut self) {
        let Some(height) = self.transfer.fetch.as_ref().map(Fetch::height) else {
            return;
        };
        for peer in self.peers.askable(self.now, |info| info.stable >= height) {
            let fetch = self.transfer.fetch.as_mut().filter(|fetch| !fetch.is_empty_handed(peer));
            let Some(job) = fetch.and_then(|fetch| fetch.next_job(self.now)) else {
                continue;
            };
            self.ask_for_job(peer, height, job);
            if self.peers.is_busy() {
                break;
            }
        }
    }

    /// Whether of the peers that claim the checkpoint or a later one some have said that they do not serve it, and the others are
    /// of no use: a liar that claims it and says nothing shall not keep this replica waiting for it.
    fn nobody_serves(&self) -> bool {
        let Some(fetch) = &self.transfer.fetch else {
            return false;
        };
        let claiming = || self.peers.claims().filter(|(_, info)| info.stable >= fetch.height());
        claiming().any(|(peer, _)| fetch.is_empty_handed(peer))
            && claiming().all(|(peer, _)| fetch.is_empty_handed(peer) || fetch.useless.contains(&peer))
    }

    /// Buckets that were asked for. What comes too late is of no use and no fault.
    pub(super) fn on_buckets(&mut self, from: Peer, answer: BucketParts) {
        if self.open_ask(from) != Some(Ask::Buckets) {
            return;
        }
        let job = self.transfer.fetch.as_mut().and_then(|fetch| fetch.jobs.remove(&from));
        self.peers.answered(from);
        let (Some(mut job), Some(fetch)) = (job, self.transfer.fetch.as_mut()) else {
            return;
        };
        let (answered, steps) = fetch.answered(self.now, &mut job, answer);
        match answered {
            Answered::NotServed => *fetch.empty.entry(from).or_insert(0) += 1,
            Answered::Wrong(_) | Answered::Late => drop(fetch.useless.insert(from)),
            Answered::More | Answered::Done => drop(fetch.useless.remove(&from)),
        }
        let (height, buckets) = (fetch.height(), fetch.sums.len());
        self.out.extend(steps.into_iter().map(Effect::Snapshot));
        if answered != Answered::NotServed {
            self.trace(Trace::Transfer { height, buckets, done: false });
        }
        match answered {
            Answered::Done => {}
            Answered::More => self.ask_for_job(from, height, job),
            Answered::NotServed | Answered::Late => {
                self.peers.rest(self.now, from);
                self.release(&job);
            }
            Answered::Wrong(reason) => {
                // What came of the bucket before is the same peer's.
                let fault = Fault::Invalid { what: "buckets", reason: reason.to_owned() };
                self.emit(Effect::Blame { peer: from, fault });
                self.peers.rest(self.now, from);
                self.release(&job);
            }
        }
    }

    fn ask_for_job(&mut self, peer: Peer, height: Height, job: Job) {
        let first = u8::try_from(job.next).expect("not above the last, which is one of 256");
        let message = Message::GetBuckets { height, first, last: job.last, after: job.after };
        if let Some(fetch) = &mut self.transfer.fetch {
            fetch.jobs.insert(peer, job);
        }
        self.peers.asked(self.now, peer, Ask::Buckets);
        self.emit(Effect::Send { to: To::Peer(peer), message });
    }

    fn release(&mut self, job: &Job) {
        if let Some(bucket) = self.transfer.fetch.as_mut().and_then(|fetch| fetch.release(job)) {
            self.emit(Effect::Snapshot(SnapshotStep::Discard { bucket }));
        }
    }

    /// A peer will not answer what it was asked.
    pub(super) fn unanswered(&mut self, peer: Peer) {
        let job = self.transfer.fetch.as_mut().and_then(|fetch| fetch.jobs.remove(&peer));
        let Some(job) = job else {
            return;
        };
        if let Some(fetch) = &mut self.transfer.fetch {
            fetch.useless.insert(peer);
        }
        self.release(&job);
    }

    /// A peer is gone.
    pub(super) fn forget_in_transfer(&mut self, peer: Peer) {
        self.unanswered(peer);
        if let Some(fetch) = &mut self.transfer.fetch {
            fetch.empty.remove(&peer);
            fetch.useless.remove(&peer);
        }
    }

    /// Everything is here: hands out the switch.
    fn switch(&mut self) {
        let Some(Fetch { manifest, sums, .. }) = self.transfer.fetch.take() else {
            return;
        };
        let buckets = Buckets::from_list(sums.into_values().collect()).expect("all buckets are here");
        let Snapshot { certificate, header, commit, next, .. } = manifest;
        let tip = Tip { height: certificate.checkpoint.height, id: certificate.checkpoint.block, header };
        self.emit(Effect::Persist(Record::Committed(commit.clone())));
        self.emit(Effect::Persist(Record::Stable(certificate.clone())));
        self.persist_epochs(&certificate, header, next);
        let sequence = self.chain.begin_rebase();
        self.next_sequence = sequence + 1;
        let switch = Switch { sequence, tip, buckets: buckets.clone() };
        self.emit(Effect::Snapshot(SnapshotStep::Switch(Box::new(switch))));
        self.transfer.switching = Some(Switching { sequence, base: Base { tip, buckets }, certificate, commit });
    }

    /// What a start after the switch needs to know in which epoch it is.
    fn persist_epochs(&mut self, certificate: &CheckpointCertificate, header: Header, next: Opening) {
        let set = next.set(&self.set.network);
        // Of no use unless it opens the epoch after the last one known.
        if self.epochs.learn(Succession { certificate: certificate.clone(), header, opening: next }) {
            self.emit(Effect::Members { set, is_present: false });
        }
        let after = self.set.epoch.next().unwrap_or(self.set.epoch);
        let known: Vec<Succession> = self.epochs.known_from(after).cloned().collect();
        self.out.extend(known.into_iter().map(|it| Effect::Persist(Record::Epoch(it))));
    }

    /// The store shows what was handed out up to this number: the switch may be among it.
    pub(super) fn on_switched(&mut self, sequence: u64) {
        let Some(switching) = self.transfer.switching.take_if(|it| it.sequence <= sequence) else {
            return;
        };
        let Switching { base, certificate, commit, .. } = switching;
        let (tip, before) = (base.tip, self.chain.tip().height);
        // What is missing above comes by blocks first: where intervals are short, the net would be far ahead again after each snapshot.
        self.transfer = Transfer::default();
        self.transfer.not_below = self.no_snapshot_below(tip.height);
        self.chain.rebase(base);
        self.recent.clear();
        self.over.clear();
        self.judge_anew_above(tip.height);
        self.emit(Effect::Snapshot(SnapshotStep::Switched(tip)));
        let succession = self.epochs.known_from(certificate.checkpoint.epoch).next().cloned();
        let is_later = |it: &Succession| it.epoch() == certificate.checkpoint.epoch && it.epoch() > self.set.epoch;
        if let Some(succession) = succession.filter(is_later) {
            self.move_to(&succession);
            self.trace_epoch();
        }
        let is_below = self.highest.as_ref().is_none_or(|it| it.ballot.height < tip.height);
        if is_below && tip.height > self.start.height {
            self.highest = Some(commit);
        }
        self.take_back_changes();
        self.trace(Trace::Transfer { height: tip.height, buckets: COMMITMENT_BUCKETS, done: true });
        self.checkpoints_rebased(certificate);
        self.connect_stored(before);
        let top = self.chain.tip().height;
        self.slots.retain(|height, _| *height > top && height.0 <= top.0.saturating_add(SLOTS_MAX));
        self.proposer.on_block(self.now);
        self.timer.progress();
        self.progressed = true;
        self.announce = true;
    }

    /// A repaired replica connects again what it had connected: own votes above are bound to that.
    fn connect_stored(&mut self, up_to: Height) {
        self.connect_again(|pbft, height| {
            let archive = pbft.chain.archive();
            let certificate = archive.certificate(height).filter(|_| height <= up_to)?;
            let block = archive.block(&certificate.ballot.block)?;
            Some((certificate, block))
        });
        let height = self.chain.tip().height.next();
        if height <= up_to && !self.is_stopped() {
            let reason = "it was final here, and is no more in the store".to_owned();
            self.trace(Trace::Refused { height, block: Default::default(), reason });
            self.halted = true;
        }
    }
}

#[cfg(test)]
mod tests;
