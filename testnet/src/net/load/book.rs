//! The book of a run: what was sent and is not final yet, and when it became so.
//!
//! Which transfers a block has is asked of one node, once for each block. When that block is final at a node, each node says itself. A transfer
//! is final at the moment at which the node that it was submitted to said so, however late its block was read.

use super::series::record;
use super::sign::ShortId;
use hdrhistogram::Histogram;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;
use tokio::time::Instant;

/// Final heights of one node whose blocks are not read yet, at most: beyond that the oldest counts as if it had just been said.
const HEIGHTS_HELD_MAX: usize = 10_000;

/// A transfer that was sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    /// When it was due.
    pub(super) due: Instant,
    /// The node that it was submitted to, by its place in the list of nodes.
    pub(super) place: usize,
}

/// What one node said.
#[derive(Debug, Default)]
struct Said {
    /// Its final height.
    height: u64,
    /// When it said so of heights, each standing for those below down to the one before.
    at: BTreeMap<u64, Instant>,
}

/// What is known of all transfers of a run.
#[derive(Debug)]
pub(super) struct Book {
    waiting: HashMap<ShortId, Sent>,
    said: Vec<Said>,
    /// Transfers of blocks that were read, by height and place: they wait for that node to call the height final.
    read: BTreeMap<(u64, usize), Vec<Instant>>,
    latencies: Histogram<u64>,
    window_end: Instant,
    inside: u64,
}

/// When a transfer became final, and after how long.
pub(super) type Final = (Instant, Duration);

impl Book {
    pub(super) fn new(nodes: usize, window_end: Instant) -> Book {
        Book {
            waiting: HashMap::new(),
            said: (0..nodes).map(|_| Said::default()).collect(),
            read: BTreeMap::new(),
            latencies: Histogram::new(3).expect("three digits are allowed"),
            window_end,
            inside: 0,
        }
    }

    /// Enters a transfer before it is sent, so that no finality is missed.
    pub(super) fn sent(&mut self, id: ShortId, sent: Sent) {
        self.waiting.insert(id, sent);
    }

    /// It was not taken.
    pub(super) fn refused(&mut self, id: ShortId) {
        self.waiting.remove(&id);
    }

    /// A node says that all up to `height` is final.
    pub(super) fn says(&mut self, place: usize, height: u64, now: Instant) -> Vec<Final> {
        let said = &mut self.said[place];
        if height <= said.height {
            return Vec::new();
        }
        said.height = height;
        said.at.insert(height, now);
        if said.at.len() > HEIGHTS_HELD_MAX {
            said.at.pop_first();
        }
        let due: Vec<u64> =
            self.read.keys().filter(|(of, at)| *at == place && *of <= height).map(|(of, _)| *of).collect();
        due.into_iter().flat_map(|of| self.settle(of, place)).collect()
    }

    /// The transactions of a final block.
    pub(super) fn read(&mut self, height: u64, ids: impl IntoIterator<Item = ShortId>) -> Vec<Final> {
        for id in ids {
            if let Some(Sent { due, place }) = self.waiting.remove(&id) {
                self.read.entry((height, place)).or_default().push(due);
            }
        }
        let finals = (0..self.said.len()).flat_map(|place| self.settle(height, place)).collect();
        for said in &mut self.said {
            // What stands for this height may stand for the next as well.
            while said.at.first_key_value().is_some_and(|(of, _)| *of <= height) {
                said.at.pop_first();
            }
        }
        finals
    }

    /// Closes what a node has called final.
    fn settle(&mut self, height: u64, place: usize) -> Vec<Final> {
        let said = &self.said[place];
        if said.height < height {
            return Vec::new();
        }
        let at = said.at.range(height..).next().map_or_else(Instant::now, |(_, at)| *at);
        let dues = self.read.remove(&(height, place)).unwrap_or_default();
        dues.into_iter()
            .map(|due| {
                let latency = at.saturating_duration_since(due);
                record(&mut self.latencies, latency);
                self.inside += u64::from(at <= self.window_end);
                (at, latency)
            })
            .collect()
    }

    /// Transfers that were taken, as far as known, and are not final yet.
    pub(super) fn unfinished(&self) -> u64 {
        self.waiting.len() as u64 + self.read.values().map(|dues| dues.len() as u64).sum::<u64>()
    }

    /// The final height of the node that is furthest.
    pub(super) fn final_height(&self) -> u64 {
        self.said.iter().map(|said| said.height).max().unwrap_or(0)
    }

    /// Finals inside the window.
    pub(super) fn inside(&self) -> u64 {
        self.inside
    }

    pub(super) fn latencies(&self) -> &Histogram<u64> {
        &self.latencies
    }
}
