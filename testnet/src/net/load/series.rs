//! How a run went over time: throughput and latency in buckets of equal length, and what was done to the net.

use bezant_api::fault::{FaultKind, FaultState};
use hdrhistogram::Histogram;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// Buckets of a whole run, at most, but for what becomes final after it.
const BUCKETS_MAX: f64 = 300.0;
/// Marks that are kept.
const MARKS_MAX: usize = 500;
/// Marks of the same on several nodes within so long are one.
const SAME_S: f64 = 1.0;

/// How a run went over time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Series {
    /// Length of a bucket, seconds.
    pub bucket_s: f64,
    /// In order; the first begins when the first transfer is due.
    pub buckets: Vec<Bucket>,
    /// What was done to the net, in order.
    pub faults: Vec<Mark>,
}

/// What happened within one bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Bucket {
    /// Where it begins, seconds.
    pub at_s: f64,
    /// Transfers due in it.
    pub offered: u64,
    /// Transfers that became final in it.
    pub finals: u64,
    /// Of those: half are faster, milliseconds; `None` when there were none.
    pub p50_ms: Option<f64>,
    /// Of those: 99 of 100 are faster.
    pub p99_ms: Option<f64>,
}

/// Something that was done to the net, as its nodes said in their event streams, or as was seen of them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Mark {
    /// When it was heard of, seconds from the first transfer.
    pub at_s: f64,
    /// Whether it begins or ends.
    pub state: FaultState,
    /// What it concerns.
    pub kind: FaultKind,
    /// What, in words.
    pub what: String,
    /// At which nodes.
    pub nodes: Vec<usize>,
}

/// A series that is being made.
#[derive(Debug)]
pub(super) struct Recorder {
    bucket_s: f64,
    offered: BTreeMap<usize, u64>,
    finals: BTreeMap<usize, Histogram<u64>>,
    marks: Vec<Mark>,
}

impl Recorder {
    /// For a run of this length.
    pub(super) fn new(duration: Duration) -> Recorder {
        let bucket_s = (duration.as_secs_f64() / BUCKETS_MAX).max(1.0).ceil();
        Recorder { bucket_s, offered: BTreeMap::new(), finals: BTreeMap::new(), marks: Vec::new() }
    }

    fn place(&self, at: Duration) -> usize {
        (at.as_secs_f64() / self.bucket_s) as usize
    }

    pub(super) fn due(&mut self, at: Duration) {
        *self.offered.entry(self.place(at)).or_default() += 1;
    }

    pub(super) fn is_final(&mut self, at: Duration, latency: Duration) {
        let place = self.place(at);
        let histogram = self.finals.entry(place).or_insert_with(|| Histogram::new(2).expect("two digits are allowed"));
        record(histogram, latency);
    }

    pub(super) fn mark(&mut self, at: Duration, node: usize, state: FaultState, kind: FaultKind, what: String) {
        let at_s = at.as_secs_f64();
        let is_same =
            |mark: &Mark| (mark.state, mark.kind, &mark.what) == (state, kind, &what) && at_s - mark.at_s <= SAME_S;
        if let Some(place) = self.marks.iter().rposition(is_same) {
            let nodes = &mut self.marks[place].nodes;
            if !nodes.contains(&node) {
                nodes.push(node);
                nodes.sort_unstable();
            }
        } else if self.marks.len() < MARKS_MAX {
            self.marks.push(Mark { at_s, state, kind, what, nodes: vec![node] });
        }
    }

    pub(super) fn finish(self) -> Series {
        let Recorder { bucket_s, offered, finals, mut marks } = self;
        let last = |places: Option<usize>| places.map_or(0, |place| place + 1);
        let count = last(offered.keys().next_back().copied()).max(last(finals.keys().next_back().copied()));
        let bucket = |place: usize| {
            let histogram = finals.get(&place);
            let at = |quantile| histogram.map(|it| it.value_at_quantile(quantile) as f64 / 1e3);
            Bucket {
                at_s: place as f64 * bucket_s,
                offered: offered.get(&place).copied().unwrap_or(0),
                finals: histogram.map_or(0, Histogram::len),
                p50_ms: at(0.5),
                p99_ms: at(0.99),
            }
        };
        marks.sort_by(|one, other| one.at_s.total_cmp(&other.at_s));
        Series { bucket_s, buckets: (0..count).map(bucket).collect(), faults: marks }
    }
}

/// Enters a latency in microseconds.
pub(super) fn record(histogram: &mut Histogram<u64>, latency: Duration) {
    let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX / 4).clamp(1, u64::MAX / 4);
    // Not the saturating form, which never lets the histogram grow.
    histogram.record(micros).expect("a growing histogram takes every number");
}
