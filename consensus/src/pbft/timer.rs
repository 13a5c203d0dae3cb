//! How long a primary has. Progress is expected while a block is *owed*; what "long" means follows the net.
//!
//! The base is the larger of the genesis parameter and [`PACE_FACTOR`] times what a quorum needs from a proposal to its
//! commit certificate, as last seen here: the highest of the recent heights, forgotten slowly. Only members other than the
//! primary can lengthen that, and a quorum of them at that, so a slow primary cannot buy itself time. The base doubles with
//! each view that failed, up to the cap, and all doublings are forgotten when a block becomes final.

use crate::ledger::units::Time;
use crate::plant::{Plant, armed};

/// The timer is at least so many times what a quorum lately needed.
const PACE_FACTOR: u64 = 8;
/// Doublings beyond which only the cap counts.
const DOUBLINGS_MAX: u32 = 20;
/// Before this replica has seen a quorum agree, since its start, the timer is so many times as long: others may be starting too.
const START_FACTOR: u64 = 4;
/// Of the sum of delays, what is kept with each height.
const SMOOTHING: u64 = 8;
/// Heights of one primary after which its pace is judged.
const JUDGED_HEIGHTS_MIN: u32 = 16;

/// The view timer of a replica.
#[derive(Clone, Debug)]
pub(super) struct Timer {
    least_ms: u64,
    /// Whether a quorum was seen to agree since the start.
    has_agreed: bool,
    cap_ms: u64,
    /// Views that failed since a block became final.
    failed: u32,
    /// The longest recent time from an accepted proposal to its commit certificate.
    quorum_ms: u64,
    /// Since when the present view has owed something, or a quorum has wanted it to begin.
    since: Option<Time>,
    /// Delay of this primary's proposals while work waited, [`SMOOTHING`]-fold.
    delays_ms: u64,
    /// Heights in it.
    judged: u32,
}

impl Timer {
    pub(super) fn new(least_ms: u32, cap_ms: u32) -> Timer {
        let (least_ms, cap_ms) = (u64::from(least_ms), u64::from(cap_ms));
        Timer { least_ms, has_agreed: false, cap_ms, failed: 0, quorum_ms: 0, since: None, delays_ms: 0, judged: 0 }
    }

    /// How long the present view has.
    pub(super) fn timeout_ms(&self) -> u64 {
        let base = self.base_ms();
        if armed(Plant::NoDoubling) {
            return base;
        }
        base.saturating_mul(1 << self.failed.min(DOUBLINGS_MAX)).min(self.cap_ms.max(base))
    }

    fn base_ms(&self) -> u64 {
        let least_ms = if self.has_agreed { self.least_ms } else { START_FACTOR * self.least_ms };
        least_ms.max(PACE_FACTOR * self.quorum_ms).min(self.cap_ms)
    }

    /// Runs from now if it did not run, as long as it is `wanted`.
    pub(super) fn run(&mut self, now: Time, wanted: bool) {
        self.since = if wanted { self.since.or(Some(now)) } else { None };
    }

    /// When the view has failed, unless something happens before.
    pub(super) fn deadline(&self) -> Option<Time> {
        self.since.map(|since| since.plus_ms(self.timeout_ms()))
    }

    /// A block became final: the next is owed from now.
    pub(super) fn progress(&mut self) {
        self.since = None;
        self.failed = 0;
    }

    /// The present view was left; `failed` when it made no block final.
    pub(super) fn left(&mut self, failed: bool) {
        self.since = None;
        self.failed = if failed { self.failed.saturating_add(1) } else { self.failed };
    }

    /// A view begins.
    pub(super) fn entered(&mut self) {
        self.since = None;
        (self.delays_ms, self.judged) = (0, 0);
    }

    /// A quorum took so long from a proposal to its commit certificate.
    pub(super) fn took(&mut self, ms: u64) {
        self.has_agreed = true;
        self.quorum_ms = ms.max(self.quorum_ms - self.quorum_ms.div_ceil(SMOOTHING));
    }

    /// The primary's proposal came so long after it could have, while work waited.
    pub(super) fn proposed_after(&mut self, ms: u64) {
        self.delays_ms = self.delays_ms - self.delays_ms / SMOOTHING + ms;
        self.judged = self.judged.saturating_add(1);
    }

    /// Whether this primary, over many heights, keeps what waits waiting far longer than a quorum needs to agree.
    pub(super) fn is_slow(&self) -> bool {
        let bar = (self.base_ms() / 4).saturating_mul(1 << self.failed.min(DOUBLINGS_MAX));
        self.judged >= JUDGED_HEIGHTS_MIN && self.delays_ms / SMOOTHING > bar
    }

    /// Views that failed since a block became final.
    pub(super) fn failed(&self) -> u32 {
        self.failed
    }
}
