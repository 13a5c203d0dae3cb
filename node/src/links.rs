//! A fault of this node's links, as the runtime and the network share it: the runtime knows how long it lasts, the network what
//! it does, and both what it has done so far.

use bezant_api::fault::LinkEffects;
use libp2p::PeerId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};

/// What one fault does at this node.
#[derive(Debug)]
pub struct LinkRule {
    /// Its number in the net.
    pub id: u64,
    /// What is heard from these is treated, with where the dice of each link begin.
    pub from: BTreeMap<PeerId, u64>,
    /// Those that hear nothing of this node, if this fault is a cut.
    pub to: BTreeSet<PeerId>,
    /// What is done.
    pub effects: LinkEffects,
    /// What it has done.
    pub counts: LinkCounts,
}

/// What a fault has done so far. Messages that arrive twice count once.
#[derive(Debug, Default)]
pub struct LinkCounts {
    heard: AtomicU64,
    lost: AtomicU64,
    held: AtomicU64,
    overflowed: AtomicU64,
}

impl LinkCounts {
    pub(crate) fn hear(&self) {
        self.heard.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn lose(&self) {
        self.lost.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn hold(&self) {
        self.held.fetch_add(1, Ordering::Relaxed);
    }

    /// True for the first.
    pub(crate) fn overflow(&self) -> bool {
        self.overflowed.fetch_add(1, Ordering::Relaxed) == 0
    }

    /// Messages that the fault was shown.
    #[must_use]
    pub fn heard(&self) -> u64 {
        self.heard.load(Ordering::Relaxed)
    }

    /// Of those it has lost, by its dice or because it is a cut.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Of those it has held back.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    /// Of those found no room, and were lost for that.
    #[must_use]
    pub fn overflowed(&self) -> u64 {
        self.overflowed.load(Ordering::Relaxed)
    }
}
