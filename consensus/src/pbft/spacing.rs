//! Whom this replica has helped of late: whoever is behind is told again and again what it lacks, but not too often.

use super::RESEND_MS;
use crate::engine::Peer;
use crate::ledger::units::Time;
use std::collections::BTreeMap;

/// When each peer was last told something of one kind.
#[derive(Clone, Debug, Default)]
pub(super) struct Spacing {
    /// Invariant: connected peers only.
    told_at: BTreeMap<Peer, Time>,
}

impl Spacing {
    /// Whether a connected peer may be told now; then it counts as told.
    pub(super) fn take(&mut self, now: Time, peer: Peer) -> bool {
        let is_free = self.told_at.get(&peer).is_none_or(|at| at.plus_ms(RESEND_MS / 2) <= now);
        if is_free {
            self.told_at.insert(peer, now);
        }
        is_free
    }

    /// A peer is gone.
    pub(super) fn disconnected(&mut self, peer: Peer) {
        self.told_at.remove(&peer);
    }
}
