//! Identities that are kept out for a while.
//!
//! A new identity costs nothing, so this keeps out what is broken, not what is determined; that is the work of the limits.

use super::limits::BANS_MAX;
use libp2p::PeerId;
use std::collections::BTreeMap;
use std::time::Instant;

/// Who is kept out, until when.
#[derive(Clone, Debug, Default)]
pub(super) struct Bans {
    until: BTreeMap<PeerId, Instant>,
}

impl Bans {
    /// Keeps `peer` out; returns whoever had to be let in again to make room.
    pub(super) fn insert(&mut self, peer: PeerId, until: Instant) -> Option<PeerId> {
        let later = self.until.get(&peer).is_some_and(|present| *present > until);
        if !later {
            self.until.insert(peer, until);
        }
        if self.until.len() <= BANS_MAX {
            return None;
        }
        let first = self.until.iter().min_by_key(|(_, until)| **until).map(|(peer, _)| *peer)?;
        self.until.remove(&first);
        Some(first)
    }

    /// Lets in again whoever has been out for long enough.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<PeerId> {
        let over: Vec<PeerId> = self.until.iter().filter(|(_, until)| **until <= now).map(|(peer, _)| *peer).collect();
        for peer in &over {
            self.until.remove(peer);
        }
        over
    }

    pub(super) fn contains(&self, peer: &PeerId) -> bool {
        self.until.contains_key(peer)
    }
}
