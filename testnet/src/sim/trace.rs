//! The trace hash: SHA-256 over every event executed, and the last of them in words.

use crate::sim::event::Event;
use sha2::{Digest, Sha256};
use std::collections::VecDeque;

/// Events kept in words.
const LAST_EVENTS: usize = 24;

/// What happened, as a hash and, the latest of it, in words.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    hasher: Sha256,
    last: VecDeque<(u64, Event)>,
}

impl Trace {
    /// An event is about to happen.
    pub(crate) fn note(&mut self, at_ms: u64, event: &Event) {
        let (kind, a, b, hash) = parts(event);
        self.hasher.update(at_ms.to_le_bytes());
        self.hasher.update([kind]);
        self.hasher.update(a.to_le_bytes());
        self.hasher.update(b.to_le_bytes());
        self.hasher.update(hash);
        if self.last.len() == LAST_EVENTS {
            self.last.pop_front();
        }
        self.last.push_back((at_ms, event.clone()));
    }

    /// A step of a scenario is about to be made.
    pub(crate) fn note_step(&mut self, at_ms: u64, what: &str) {
        self.hasher.update([254]);
        self.hasher.update(at_ms.to_le_bytes());
        self.hasher.update(what.as_bytes());
    }

    /// A node reports a tip.
    pub(crate) fn note_tip(&mut self, node: usize, tip: &[u8; 32], final_height: u64) {
        self.hasher.update([255]);
        self.hasher.update((node as u64).to_le_bytes());
        self.hasher.update(tip);
        self.hasher.update(final_height.to_le_bytes());
    }

    pub(crate) fn hash(&self) -> [u8; 32] {
        self.hasher.clone().finalize().into()
    }

    /// Oldest first.
    pub(crate) fn last_events(&self) -> Vec<String> {
        self.last.iter().map(|(at_ms, event)| format!("{at_ms:>7} ms  {}", event.describe())).collect()
    }
}

/// Kind, two numbers, and the hash of the message's bytes.
fn parts(event: &Event) -> (u8, u64, u64, [u8; 32]) {
    let plain = |kind: u8, a: usize, b: u64| (kind, a as u64, b, [0; 32]);
    match event {
        Event::Deliver { from, to, parcel, .. } => (0, *from as u64, *to as u64, parcel.hash),
        Event::Unanswered { node, of, .. } => plain(1, *node, *of as u64),
        Event::Connect { a, b } => plain(2, *a, *b as u64),
        Event::HangUp { node, of, .. } => plain(3, *node, *of as u64),
        Event::Wake { node, .. } => plain(4, *node, 0),
        Event::Execute { node, .. } => plain(5, *node, 0),
        Event::Flush { node, .. } => plain(6, *node, 0),
        Event::Flushed { node, sequence, .. } => plain(7, *node, *sequence),
        Event::Solved { node, search, .. } => plain(8, *node, *search),
        Event::Submit { planned } => plain(9, *planned, 0),
        Event::Crash { node, deadline } => plain(10, *node, u64::from(*deadline)),
        Event::PowerCut => plain(11, 0, 0),
        Event::Restart { node } => plain(12, *node, 0),
        Event::Partition => plain(13, 0, 0),
        Event::Mend { partition } => plain(14, 0, *partition),
        Event::Lie { node, is_on } => plain(17, *node, u64::from(*is_on)),
        Event::Say { node, parcel, .. } => (18, *node as u64, 0, parcel.hash),
        Event::Leave { node } => plain(19, *node, 0),
        Event::Change { change } => plain(20, *change, 0),
        Event::Wipe { node } => plain(21, *node, 0),
        Event::Heal => plain(15, 0, 0),
        Event::Check => plain(16, 0, 0),
    }
}
