//! What peers have done wrong. Scores rise with each fault and are forgiven slowly; from [`BAN_SCORE`] on a peer is banned.
//!
//! Who brings something is not always who made it: two contradicting votes count against nobody here, since any correct peer
//! may pass them on. A refused transaction is no fault at all; what it lacks may not have reached everyone yet.

use crate::limits::{BAN_SCORE, FORGIVE_POINT_MS, PEERS_MAX, SCORE_INVALID, SCORE_SILENT, SCORE_UNWANTED};
use bezant_consensus::engine::{Fault, Peer};
use bezant_consensus::ledger::units::Time;
use std::collections::BTreeMap;

/// Conduct of one peer.
#[derive(Clone, Copy, Debug, Default)]
struct Standing {
    score: u64,
    /// When `score` was right.
    at: Time,
    banned: bool,
}

impl Standing {
    fn add(&mut self, now: Time, points: u64) -> bool {
        let forgiven = now.since_ms(self.at) / FORGIVE_POINT_MS;
        self.score = self.score.saturating_sub(forgiven) + points;
        self.at = now;
        self.banned |= self.score >= BAN_SCORE;
        self.banned
    }
}

/// The peers that are there.
#[derive(Debug, Default)]
pub(crate) struct Conduct {
    peers: BTreeMap<Peer, Standing>,
}

impl Conduct {
    pub(crate) fn connected(&mut self, peer: Peer) {
        if self.peers.len() < PEERS_MAX {
            self.peers.entry(peer).or_default();
        }
    }

    pub(crate) fn disconnected(&mut self, peer: Peer) {
        self.peers.remove(&peer);
    }

    pub(crate) fn count(&self) -> usize {
        self.peers.len()
    }

    pub(crate) fn is_banned(&self, peer: Peer) -> bool {
        self.peers.get(&peer).is_some_and(|standing| standing.banned)
    }

    /// What it has done wrong of late; from [`BAN_SCORE`] on it is banned.
    pub(crate) fn score(&self, now: Time, peer: Peer) -> u64 {
        let left = |standing: &Standing| standing.score.saturating_sub(now.since_ms(standing.at) / FORGIVE_POINT_MS);
        self.peers.get(&peer).map_or(0, left)
    }

    /// Counts a fault; whether the peer is banned now.
    pub(crate) fn blame(&mut self, now: Time, peer: Peer, fault: &Fault) -> bool {
        let points = match fault {
            Fault::Invalid { .. } => SCORE_INVALID,
            Fault::Unwanted(_) => SCORE_UNWANTED,
            Fault::Silent => SCORE_SILENT,
            Fault::Equivocation(..) => 0,
        };
        self.peers.get_mut(&peer).is_some_and(|standing| standing.add(now, points))
    }
}
