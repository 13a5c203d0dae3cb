//! The buckets of one snapshot as they come.
//!
//! - One peer has at most one job: some consecutive buckets, which it sends in ascending order, each in as many parts as it takes.
//! - A part is of the bucket whose turn it is; its coins follow in strictly ascending order of names that belong to the bucket,
//!   also on those of the part before; one without coins ends its bucket. When the bucket ends, the sum of its coins is the one
//!   of the manifest. Everything else is the sender's fault.
//! - An answer without parts says that the peer does not serve the snapshot. Others are full, or end with a bucket: else a coin at
//!   a time would do to keep a transfer going for ever. Whoever has not sent a bucket within its time is passed over, and others
//!   are asked for it.
//! - Bounds: at most [`BUCKET_COINS_MAX`] coins of a bucket are taken before its sum must be right. Here only sums are kept, 2 KiB
//!   for each bucket; coins go on to the executor as they come.

use crate::chain::snapshot::SnapshotStep;
use crate::engine::Peer;
use crate::ledger::commitment::{Bucket, bucket_of};
use crate::ledger::transaction::OutPoint;
use crate::ledger::units::{Height, Time};
use crate::limits::{BUCKET_COINS_MAX, BUCKETS_PER_REQUEST, SNAPSHOT_COINS_PER_MESSAGE_MAX};
use crate::message::checkpoint::{BucketPart, BucketParts, Snapshot};
use crate::plant::{Plant, armed};
use std::collections::{BTreeMap, BTreeSet};

/// How long one peer has for a bucket, at first.
pub(super) const BUCKET_MS: u64 = 60_000;
/// Empty answers after which a peer counts as not serving the snapshot.
const EMPTY_ANSWERS_MAX: u32 = 2;

/// A snapshot whose manifest is here.
#[derive(Clone, Debug)]
pub(super) struct Fetch {
    pub(super) manifest: Snapshot,
    /// Of the buckets that are here and right.
    pub(super) sums: BTreeMap<u8, Bucket>,
    /// Buckets that nobody is asked for.
    pub(super) todo: BTreeSet<u8>,
    /// Invariant: one for each peer with an open request for buckets.
    pub(super) jobs: BTreeMap<Peer, Job>,
    /// Empty answers of each peer. Invariant: connected peers only.
    pub(super) empty: BTreeMap<Peer, u32>,
    /// Peers that gave no answer, or a wrong one, when they were asked last. Invariant: connected peers only.
    pub(super) useless: BTreeSet<Peer>,
    /// How long a peer has for a bucket now: twice as long after each that was not complete by then.
    pub(super) bucket_ms: u64,
}

/// What one peer is asked for.
#[derive(Clone, Debug)]
pub(super) struct Job {
    /// Since when the bucket has been coming.
    pub(super) since: Time,
    /// The bucket that comes next, or is coming.
    pub(super) next: u16,
    pub(super) last: u8,
    /// Of the coins of that bucket that came.
    pub(super) sum: Bucket,
    pub(super) after: Option<OutPoint>,
    pub(super) count: u64,
}

/// What an answer was worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answered {
    /// The peer does not serve the snapshot.
    NotServed,
    /// It sent what cannot be; this is why.
    Wrong(&'static str),
    /// The bucket takes too long.
    Late,
    /// The job goes on.
    More,
    /// The job is done.
    Done,
}

impl Fetch {
    pub(super) fn new(manifest: Snapshot) -> Fetch {
        Fetch {
            manifest,
            sums: BTreeMap::new(),
            todo: (0..=u8::MAX).collect(),
            jobs: BTreeMap::new(),
            empty: BTreeMap::new(),
            useless: BTreeSet::new(),
            bucket_ms: BUCKET_MS,
        }
    }

    pub(super) fn height(&self) -> Height {
        self.manifest.certificate.checkpoint.height
    }

    pub(super) fn is_empty_handed(&self, peer: Peer) -> bool {
        self.empty.get(&peer).is_some_and(|count| *count >= EMPTY_ANSWERS_MAX)
    }

    /// The next consecutive buckets that nobody is asked for.
    pub(super) fn next_job(&mut self, now: Time) -> Option<Job> {
        let first = self.todo.pop_first()?;
        let mut last = first;
        while usize::from(last - first) + 1 < BUCKETS_PER_REQUEST && last < u8::MAX && self.todo.remove(&(last + 1)) {
            last += 1;
        }
        Some(Job { since: now, next: u16::from(first), last, sum: Bucket::default(), after: None, count: 0 })
    }

    /// Judges the answer to a job; what came of it is to be staged.
    pub(super) fn answered(&mut self, now: Time, job: &mut Job, answer: BucketParts) -> (Answered, Vec<SnapshotStep>) {
        let mut steps = Vec::new();
        if answer.height != self.height() || answer.parts.is_empty() {
            return (Answered::NotServed, steps);
        }
        let count: usize = answer.parts.iter().map(|part| part.coins.len()).sum();
        let is_whole = answer.parts.last().is_some_and(|part| part.is_last);
        for part in answer.parts {
            if let Err(what) = self.take(now, job, &part) {
                return (Answered::Wrong(what), steps);
            }
            steps.push(SnapshotStep::Stage { bucket: part.bucket, coins: part.coins });
        }
        if !is_whole && count < SNAPSHOT_COINS_PER_MESSAGE_MAX {
            return (Answered::Wrong("an answer that is neither full nor ends with a bucket"), steps);
        }
        if job.next > u16::from(job.last) {
            return (Answered::Done, steps);
        }
        if job.since.plus_ms(self.bucket_ms) <= now {
            self.bucket_ms = self.bucket_ms.saturating_mul(2);
            return (Answered::Late, steps);
        }
        (Answered::More, steps)
    }

    /// The rest of a job is for somebody else. If that is not nothing, the bucket that was coming begins anew: it is returned.
    pub(super) fn release(&mut self, job: &Job) -> Option<u8> {
        let next = u8::try_from(job.next).ok().filter(|next| *next <= job.last)?;
        self.todo.extend(next..=job.last);
        Some(next)
    }

    /// Judges the next part of a job. An error says what is wrong.
    fn take(&mut self, now: Time, job: &mut Job, part: &BucketPart) -> Result<(), &'static str> {
        let trusting = armed(Plant::TrustBuckets);
        if u16::from(part.bucket) != job.next || part.bucket > job.last {
            return Err("a bucket that was not asked for");
        }
        if part.coins.is_empty() && !part.is_last {
            return Err("no coins, and not the end of the bucket");
        }
        for (outpoint, coin) in &part.coins {
            if job.after.is_some_and(|after| after >= *outpoint) && !trusting {
                return Err("coins are not in strictly ascending order");
            }
            if bucket_of(outpoint) != part.bucket && !trusting {
                return Err("a coin belongs to another bucket");
            }
            job.count += 1;
            if job.count > BUCKET_COINS_MAX {
                return Err("too many coins");
            }
            job.sum.add(outpoint, coin);
            job.after = Some(*outpoint);
        }
        if part.is_last {
            if job.sum.hash() != *self.manifest.buckets.of_bucket(part.bucket) && !trusting {
                return Err("the coins are not those of the checkpoint");
            }
            self.sums.insert(part.bucket, std::mem::take(&mut job.sum));
            (job.next, job.after, job.count, job.since) = (job.next + 1, None, 0, now);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
