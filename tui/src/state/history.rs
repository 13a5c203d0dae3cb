//! Going back: the last entries are kept, with the model as it was before the first of them. Any moment between is made again by
//! applying entries to a copy.
//!
//! Invariant: `base` with all `entries` applied is what `present` would show, but for a replay, where nothing is present until the
//! end is reached.

use super::Model;
use super::limits::{HISTORY_BYTES_MAX, HISTORY_ENTRIES_MAX};
use bezant_api::trace::{Entry, Fact, TraceHeader};
use std::collections::VecDeque;

/// Entries that leave at a time when there are too many.
const EVICTED_AT_ONCE: usize = 1_024;
/// Copies kept on the way while somebody goes back and forth.
const CHECKPOINTS_MAX: usize = 4;

/// The model now and as it was.
#[derive(Clone, Debug)]
pub(crate) struct History {
    base: Model,
    entries: VecDeque<Entry>,
    bytes: usize,
    present: Model,
    /// Where somebody looks: after so many entries; with the model there.
    past: Option<(usize, Box<Model>)>,
    /// Models after so many entries, in order.
    checkpoints: Vec<(usize, Model)>,
    is_replay: bool,
}

impl History {
    pub(crate) fn live(model: Model) -> History {
        History {
            base: model.clone(),
            entries: VecDeque::new(),
            bytes: 0,
            present: model,
            past: None,
            checkpoints: Vec::new(),
            is_replay: false,
        }
    }

    /// A trace, at its beginning.
    pub(crate) fn replay(header: &TraceHeader, entries: Vec<Entry>) -> History {
        let names = header.nodes.iter().map(|node| node.name.clone());
        let base = Model::new(&header.net, names, Some(header.engine));
        let past = Some((0, Box::new(base.clone())));
        let (bytes, entries) = (entries.iter().map(weight).sum(), entries.into());
        History { present: base.clone(), base, entries, bytes, past, checkpoints: Vec::new(), is_replay: true }
    }

    /// What is to be shown.
    pub(crate) fn model(&self) -> &Model {
        self.past.as_ref().map_or(&self.present, |(_, model)| model)
    }

    /// What is, wherever somebody looks.
    pub(crate) fn present(&self) -> &Model {
        &self.present
    }

    /// Whether it is an earlier moment than the present.
    pub(crate) fn is_paused(&self) -> bool {
        self.past.is_some()
    }

    /// After how many entries, and of how many.
    pub(crate) fn position(&self) -> (usize, usize) {
        let end = self.entries.len();
        (self.past.as_ref().map_or(end, |(at, _)| *at), end)
    }

    /// Changes what every model follows.
    pub(crate) fn follow(&mut self, txid: Option<&String>) {
        let shown = self.past.iter_mut().map(|(_, model)| &mut **model);
        for model in shown.chain([&mut self.base, &mut self.present]).chain(self.checkpoints.iter_mut().map(|(_, m)| m))
        {
            model.transactions.follow(txid.cloned());
        }
    }

    /// The present moves on; the clock with it.
    pub(crate) fn tick(&mut self, now_ms: u64) {
        self.present.now_ms = self.present.now_ms.max(now_ms);
    }

    /// Takes an entry from a node.
    pub(crate) fn push(&mut self, entry: Entry) {
        self.present.update(&entry);
        self.bytes += weight(&entry);
        self.entries.push_back(entry);
        if self.entries.len() > HISTORY_ENTRIES_MAX || self.bytes > HISTORY_BYTES_MAX {
            self.evict();
        }
    }

    fn evict(&mut self) {
        for _ in 0..EVICTED_AT_ONCE.min(self.entries.len()) {
            let entry = self.entries.pop_front().expect("counted before");
            self.bytes -= weight(&entry);
            self.base.update(&entry);
        }
        self.checkpoints.clear();
        if let Some((at, model)) = &mut self.past {
            // Whoever looks at what has left is moved to the oldest moment that is kept.
            if *at < EVICTED_AT_ONCE {
                **model = self.base.clone();
            }
            *at = at.saturating_sub(EVICTED_AT_ONCE);
        }
    }

    /// Stays at the present moment while it moves on.
    pub(crate) fn pause(&mut self) {
        if self.past.is_none() {
            self.past = Some((self.entries.len(), Box::new(self.present.clone())));
        }
    }

    /// Back to the present. A replay has none: it stays where it is.
    pub(crate) fn resume(&mut self) {
        if !self.is_replay {
            self.past = None;
            self.checkpoints.clear();
        }
    }

    /// Goes to the moment after `to` entries.
    pub(crate) fn seek(&mut self, to: usize) {
        self.pause();
        let to = to.min(self.entries.len());
        let (mut at, mut model) = self.past.take().expect("it is paused");
        if to < at {
            let before = self.checkpoints.iter().rev().find(|(at, _)| *at <= to);
            let (start, copy) = before.map_or((0, &self.base), |(at, model)| (*at, model));
            (at, *model) = (start, copy.clone());
        }
        let distance = (self.entries.len() / CHECKPOINTS_MAX).max(1);
        while at < to {
            model.update(&self.entries[at]);
            at += 1;
            let last = self.checkpoints.last().map_or(0, |(at, _)| *at);
            if at >= last + distance && self.checkpoints.len() < CHECKPOINTS_MAX {
                self.checkpoints.push((at, (*model).clone()));
            }
        }
        self.past = Some((at, model));
    }

    /// One entry on, or back.
    pub(crate) fn step(&mut self, forward: bool) {
        let (at, _) = self.position();
        self.seek(if forward { at + 1 } else { at.saturating_sub(1) });
    }

    /// Goes to the next moment, or the one before, whose last entry `is_it`; whether there is one.
    pub(crate) fn find(&mut self, forward: bool, is_it: impl Fn(&Entry) -> bool) -> bool {
        let (at, end) = self.position();
        let mut places: Box<dyn Iterator<Item = usize>> =
            if forward { Box::new(at..end) } else { Box::new((0..at.saturating_sub(1)).rev()) };
        let found = places.find(|place| is_it(&self.entries[*place]));
        drop(places);
        if let Some(place) = found {
            self.seek(place + 1);
        }
        found.is_some()
    }

    /// Goes to the first moment for which this holds, from the oldest kept on; whether there is one.
    pub(crate) fn find_first(&mut self, is_it: impl Fn(&Entry) -> bool) -> bool {
        let found = self.entries.iter().position(is_it);
        if let Some(place) = found {
            self.seek(place + 1);
        }
        found.is_some()
    }

    /// The entry that would come next, for whoever plays.
    pub(crate) fn next_entry(&self) -> Option<&Entry> {
        self.entries.get(self.position().0)
    }
}

/// About how many bytes an entry takes.
fn weight(entry: &Entry) -> usize {
    const ENTRY: usize = size_of::<Entry>();
    const STATUS: usize = 1_600;
    ENTRY
        + match &entry.fact {
            Fact::Event(event) => match &event.kind {
                bezant_api::event::EventKind::Snapshot { .. } => STATUS,
                bezant_api::event::EventKind::Block { txids, .. } => 600 + txids.len() * 88,
                _ => 400,
            },
            Fact::Status(_) => STATUS,
            Fact::Peers(peers) => peers.len() * 250,
            Fact::Transaction(_) => 300,
            Fact::Lost(reason) => reason.len(),
            Fact::Back(_) => 0,
        }
}
