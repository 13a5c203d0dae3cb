//! Whom this replica has helped of late: whoever is behind is told again and again what it lacks, but not too often; and with blocks,
//! which are large, not by everybody at once.

use super::RESEND_MS;
use crate::engine::Peer;
use crate::ledger::units::Time;
use std::collections::BTreeMap;

/// So many members at a time send a member that is behind the blocks that it lacks: one may lie, or have nothing to give.
const HELPERS: u64 = 2;

/// Whether it is the turn of member `me` of `n` to help member `other`. Turns go round with the clock, as votes are sent again:
/// whoever stays behind has met everybody after n / [`HELPERS`] of them.
pub(super) fn is_turn(now: Time, n: usize, me: u16, other: u16) -> bool {
    if me == other {
        return false;
    }
    let (n, me, other) = (n as u64, u64::from(me), u64::from(other));
    assert!(me < n && other < n, "both are members of the present epoch");
    let (others, after) = (n - 1, (me + n - other) % n - 1);
    let first = now.0 / RESEND_MS * HELPERS % others;
    (after + others - first) % others < HELPERS
}

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

#[cfg(test)]
mod tests;
