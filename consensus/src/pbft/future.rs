//! Messages that came too early: kept, not dropped, in bounds that one sender cannot use up for another.

use crate::engine::Peer;
use crate::ledger::units::{Height, View};
use crate::limits::{FUTURE_MESSAGES_PER_SENDER_MAX, WINDOW_DEPTH_MAX};
use crate::message::{Message, VoteKind};
use std::collections::BTreeMap;

/// Sorted by what they wait for.
pub(super) type Key = (View, Height, VoteKind);

/// What waits, by who signed it.
#[derive(Clone, Debug, Default)]
pub(super) struct Future {
    /// Invariant: at most [`FUTURE_MESSAGES_PER_SENDER_MAX`] each, of which at most [`WINDOW_DEPTH_MAX`] are proposals.
    by_signer: BTreeMap<u16, BTreeMap<Key, (Peer, Message)>>,
}

impl Future {
    /// Keeps a message that `from` brought. The first of a key stays; when a signer has too many, the one for the lowest
    /// height goes: catching up brings that height sooner than later ones.
    pub(super) fn keep(&mut self, signer: u16, key: Key, from: Peer, message: Message) {
        let waiting = self.by_signer.entry(signer).or_default();
        waiting.entry(key).or_insert((from, message));
        let is_proposal = |key: &&Key| key.2 == VoteKind::PrePrepare;
        if waiting.keys().filter(is_proposal).count() as u64 > WINDOW_DEPTH_MAX {
            let lowest = waiting.keys().find(is_proposal).copied().expect("there are several");
            waiting.remove(&lowest);
        }
        if waiting.len() > FUTURE_MESSAGES_PER_SENDER_MAX {
            waiting.pop_first();
        }
    }

    /// Takes out what is of `view` and at or below `top`, lowest first for each signer, and forgets older views.
    pub(super) fn ready(&mut self, view: View, top: Height) -> Vec<(Peer, Message)> {
        let mut ready = Vec::new();
        for waiting in self.by_signer.values_mut() {
            let later = waiting.split_off(&(view, top.next(), VoteKind::PrePrepare));
            let now = std::mem::replace(waiting, later);
            ready.extend(now.into_iter().filter(|(key, _)| key.0 == view));
        }
        self.by_signer.retain(|_, waiting| !waiting.is_empty());
        // By height and kind first, so that proposals come before the votes on them.
        ready.sort_by_key(|(key, _)| *key);
        ready.into_iter().map(|(_, message)| message).collect()
    }

    /// How many wait for each signer.
    pub(super) fn sizes(&self) -> impl Iterator<Item = usize> {
        self.by_signer.values().map(BTreeMap::len)
    }
}
