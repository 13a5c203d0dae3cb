//! What was gossiped lately. Gossipsub refuses to publish the same bytes again for a while, with a warning in the log; asking
//! here first saves both.

use super::limits::{GOSSIPED_REMEMBERED_FOR, GOSSIPED_REMEMBERED_MAX};
use bezant_consensus::ledger::hash::sha256;
use std::collections::{BTreeSet, VecDeque};
use std::time::Instant;

/// Hashes of messages that were published.
#[derive(Clone, Debug, Default)]
pub(super) struct Recent {
    /// Invariant: exactly the hashes of `order`.
    known: BTreeSet<[u8; 32]>,
    order: VecDeque<(Instant, [u8; 32])>,
}

impl Recent {
    /// Whether these bytes were published of late.
    pub(super) fn contains(&mut self, now: Instant, bytes: &[u8]) -> bool {
        while let Some((at, hash)) = self.order.front().copied() {
            if now.saturating_duration_since(at) < GOSSIPED_REMEMBERED_FOR && self.order.len() < GOSSIPED_REMEMBERED_MAX
            {
                break;
            }
            self.order.pop_front();
            self.known.remove(&hash);
        }
        self.known.contains(&sha256(bytes))
    }

    /// Notes that these bytes were published.
    pub(super) fn insert(&mut self, now: Instant, bytes: &[u8]) {
        let hash = sha256(bytes);
        if self.known.insert(hash) {
            self.order.push_back((now, hash));
        }
    }
}
