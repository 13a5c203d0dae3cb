//! Serving snapshots: the manifest of a stable checkpoint, and its buckets as the coins were then.
//!
//! Only what the store has flushed is claimed and served. The store reads a bucket at the checkpoint's height while the tip moves on. The [`SNAPSHOTS_HELD`](crate::limits::SNAPSHOTS_HELD)
//! latest are served, so that whoever began with the newest one has at least that many intervals less one to finish.

use super::Pbft;
use crate::ledger::transaction::OutPoint;
use crate::ledger::units::Height;
use crate::limits::{BUCKETS_PER_REQUEST, SNAPSHOT_COINS_PER_MESSAGE_MAX};
use crate::message::Message;
use crate::message::checkpoint::{BucketPart, BucketParts, CheckpointCertificate, Snapshot};
use crate::message::epoch::Opening;

impl Pbft {
    /// The latest stable checkpoint whose coins the store can read; 0 while there is none.
    pub(super) fn served(&self) -> Height {
        let readable = |height: &Height| self.chain.is_flushed(*height);
        let latest = self.checkpoints.held().rev().find(readable).filter(|_| !self.is_stopped());
        latest.unwrap_or(Height::GENESIS)
    }

    /// The manifest of the snapshot at a height, or if that is not served of the latest one above.
    pub(super) fn snapshot_from(&self, height: Height) -> Message {
        let manifest = self.manifest(height).or_else(|| self.manifest(self.served().max(height)));
        Message::Snapshot(manifest.map(Box::new))
    }

    fn manifest(&self, height: Height) -> Option<Snapshot> {
        let (certificate, state) = self.checkpoints.held_at(height).filter(|_| height <= self.served())?;
        let commit = self.certificate_at(height)?;
        Some(Snapshot {
            certificate: certificate.clone(),
            header: state.header,
            commit,
            buckets: state.buckets.clone(),
            next: self.opening_after(certificate)?,
        })
    }

    /// The opening that a certificate names by its hash.
    fn opening_after(&self, certificate: &CheckpointCertificate) -> Option<Opening> {
        let is_it = |opening: &&Opening| opening.hash(&self.set.network) == certificate.checkpoint.next;
        let genesis = Opening::genesis(&self.chain.genesis().validator_set());
        let known = self.epochs.known_from(certificate.checkpoint.epoch).take(2).map(|succession| &succession.opening);
        std::iter::once(&genesis).chain(known).find(is_it).cloned()
    }

    /// Coins of these buckets, as many as fit one message.
    pub(super) fn buckets_of(&self, height: Height, first: u8, last: u8, after: Option<OutPoint>) -> Message {
        let mut parts = Vec::new();
        let mut room = SNAPSHOT_COINS_PER_MESSAGE_MAX;
        let is_held = self.checkpoints.held_at(height).is_some() && !self.is_stopped();
        let wanted = (first..=last).take(if is_held { BUCKETS_PER_REQUEST } else { 0 });
        for bucket in wanted {
            let after = after.filter(|_| bucket == first);
            let Some(page) = self.chain.archive().bucket_at(height, bucket, after, room) else {
                break;
            };
            room = room.saturating_sub(page.coins.len());
            let is_last = page.is_last;
            parts.push(BucketPart { bucket, coins: page.coins, is_last });
            if !is_last || room == 0 {
                break;
            }
        }
        Message::Buckets(BucketParts { height, parts })
    }
}

#[cfg(test)]
mod tests;
