//! How long a primary has. Progress is expected while a block is *owed*; what "long" means follows the net.
//!
//! # What is measured
//! How long the net needed for a height: from the proposal's arrival at this node (before it was verified, so that a loaded machine
//! shows) to the commit certificate. Of the last [`HEIGHTS_KEPT`] the *long* time is the longest but one, so that a single hiccup does
//! not count once there are a few, and a few heavy blocks do.
//!
//! # Two bars
//! - **Timeout**: [`PACE_FACTOR`] times the long time, at least the genesis parameter, at most [`STRETCH_MAX`] times that. It
//!   doubles with each view that failed, up to the cap, and all doublings are forgotten when a block becomes final.
//! - **Delay**: while work waits, a primary may let pass between the moment when it could have proposed and its proposal's
//!   arrival a quarter of the genesis parameter or [`PACE_FACTOR`] times what the net then needed for that same height, whichever is
//!   longer. What share of it each proposal took counts on average over [`JUDGED_HEIGHTS_MIN`] or more heights. So blocks are
//!   compared with themselves: when a burst of work comes or goes, both sides change at once. What is allowed doubles with each
//!   primary found wanting, and halves again after [`EASED_HEIGHTS`] heights without complaint.
//!
//! # What liars can do
//! Backups cannot lengthen these times: the other members are a quorum, so what is measured is what correct members need. The
//! primary can, by giving its proposal to some members long before the others: a member that has it early sees a quorum form
//! late. Therefore the timeout is stretched only so far. It does not hide a delay: what a proposal comes early by, the next one
//! comes later by, and with n = 4 only one member can have each proposal early. In larger sets up to 2f − 1 members can be given it
//! early always; a primary that does so can crawl at the stretched timeout, no slower.

use crate::ledger::units::Time;
use crate::plant::{Plant, armed};
use std::collections::VecDeque;

/// Heights whose pace is remembered.
const HEIGHTS_KEPT: usize = 32;
/// So many times what the net lately needed is no fault.
const PACE_FACTOR: u64 = 8;
/// The pace alone stretches the timeout to at most so many times the genesis parameter.
const STRETCH_MAX: u64 = 16;
/// Before this replica has seen a quorum agree, since its start, the timer is so many times as long: others may be starting too.
const START_FACTOR: u64 = 4;
/// Doublings beyond which only the cap counts.
const DOUBLINGS_MAX: u32 = 20;
/// A delay that is as long as its height allows, in millionths.
const WHOLE_SHARE: u64 = 1_000_000;
/// Of the sum of delays, one part in so many is forgotten with each height.
const SMOOTHING: u64 = 8;
/// Heights of one primary after which its pace is judged.
const JUDGED_HEIGHTS_MIN: u32 = 16;
/// Heights of one primary after which one doubling of the delay is taken back.
const EASED_HEIGHTS: u32 = 64;
/// Doublings of the delay.
const EASED_MAX: u32 = 6;

/// The view timer of a replica.
#[derive(Clone, Debug)]
pub(super) struct Timer {
    least_ms: u64,
    cap_ms: u64,
    /// Views that failed since a block became final.
    failed: u32,
    /// Primaries that this replica complained of though blocks became final, less those forgiven.
    eased: u32,
    /// What the last heights took, latest last. Invariant: at most [`HEIGHTS_KEPT`].
    took_ms: VecDeque<u64>,
    /// Since when the present view has owed something, or a quorum has wanted it to begin.
    since: Option<Time>,
    /// Delay of this primary's proposals while work waited, [`SMOOTHING`]-fold.
    delays_ms: u64,
    /// Each as a share of what its height allowed, in millionths, [`SMOOTHING`]-fold.
    shares: u64,
    /// Heights in it.
    judged: u32,
    /// What was told last, and whether anything was measured since.
    told: Option<Pace>,
    measured: bool,
}

/// What a replica measured and what follows for the primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    pub(super) timeout_ms: u64,
    pub(super) patience_ms: u64,
    pub(super) delay_ms: u64,
    pub(super) delay_allowed_ms: u64,
}

impl Pace {
    /// Whether somebody who knows `other` ought to hear of it.
    fn is_news_after(&self, other: &Pace) -> bool {
        let moved = |now: u64, then: u64| now.abs_diff(then) >= (then / 4).max(1);
        let is_late = |pace: &Pace| pace.delay_ms > pace.delay_allowed_ms / 2;
        moved(self.timeout_ms, other.timeout_ms)
            || moved(self.patience_ms, other.patience_ms)
            || moved(self.delay_allowed_ms, other.delay_allowed_ms)
            || is_late(self) != is_late(other)
    }
}

impl Timer {
    pub(super) fn new(least_ms: u32, cap_ms: u32) -> Timer {
        let (least_ms, cap_ms) = (u64::from(least_ms), u64::from(cap_ms));
        let took_ms = VecDeque::new();
        let (told, measured) = (None, true);
        Timer {
            least_ms,
            cap_ms,
            failed: 0,
            eased: 0,
            took_ms,
            since: None,
            delays_ms: 0,
            shares: 0,
            judged: 0,
            told,
            measured,
        }
    }

    /// How long the present view has.
    pub(super) fn timeout_ms(&self) -> u64 {
        let doublings = if armed(Plant::NoDoubling) { 1 } else { 1 << self.failed.min(DOUBLINGS_MAX) };
        self.base_ms().saturating_mul(doublings).min(self.cap_ms)
    }

    fn base_ms(&self) -> u64 {
        if self.took_ms.is_empty() {
            return self.least_ms.saturating_mul(START_FACTOR).min(self.cap_ms);
        }
        let by_pace = PACE_FACTOR.saturating_mul(self.long_ms());
        by_pace.clamp(self.least_ms, self.least_ms.saturating_mul(STRETCH_MAX)).min(self.cap_ms)
    }

    /// How long a transaction that is due may be passed over in the present view.
    pub(super) fn patience_ms(&self) -> u64 {
        let doublings = 1 << self.eased;
        (2 * self.timeout_ms()).saturating_mul(doublings).min(self.cap_ms.max(2 * self.timeout_ms()))
    }

    fn long_ms(&self) -> u64 {
        let mut sorted: Vec<u64> = self.took_ms.iter().copied().collect();
        sorted.sort_unstable();
        let left_out = usize::from(sorted.len() >= 4);
        sorted.iter().rev().nth(left_out).copied().unwrap_or(0)
    }

    /// Runs from now if it did not run, as long as it is `wanted`.
    pub(super) fn run(&mut self, now: Time, wanted: bool) {
        self.since = if wanted { self.since.or(Some(now)) } else { None };
    }

    /// When the view has failed, unless something happens before.
    pub(super) fn deadline(&self) -> Option<Time> {
        self.since.map(|since| since.plus_ms(self.timeout_ms()))
    }

    /// The figures, when they have moved enough since they were told last.
    pub(super) fn news(&mut self) -> Option<Pace> {
        if !std::mem::take(&mut self.measured) {
            return None;
        }
        let pace = Pace {
            timeout_ms: self.timeout_ms(),
            patience_ms: self.patience_ms(),
            delay_ms: self.delay_ms(),
            delay_allowed_ms: self.delay_allowed_ms(),
        };
        let is_news = self.told.is_none_or(|told| pace.is_news_after(&told));
        self.told = if is_news { Some(pace) } else { self.told };
        is_news.then_some(pace)
    }

    /// A block became final: the next is owed from now.
    pub(super) fn progress(&mut self) {
        self.since = None;
        self.measured |= self.failed > 0;
        self.failed = 0;
    }

    /// The present view was left; `failed` when it made no block final.
    pub(super) fn left(&mut self, failed: bool) {
        self.since = None;
        self.measured = true;
        self.failed = if failed { self.failed.saturating_add(1) } else { self.failed };
    }

    /// The primary was found wanting although blocks became final.
    pub(super) fn complained(&mut self) {
        self.measured = true;
        self.eased = (self.eased + 1).min(EASED_MAX);
    }

    /// A view begins.
    pub(super) fn entered(&mut self) {
        self.since = None;
        (self.delays_ms, self.shares, self.judged) = (0, 0, 0);
        self.measured = true;
    }

    /// A quorum took so long from a proposal to its commit certificate.
    pub(super) fn took(&mut self, ms: u64) {
        if self.took_ms.len() == HEIGHTS_KEPT {
            self.took_ms.pop_front();
        }
        self.took_ms.push_back(ms);
        self.measured = true;
    }

    /// The primary's proposal for the height that was measured last came so long after it could have, while work waited.
    pub(super) fn proposed_after(&mut self, ms: u64) {
        let smooth = |sum: u64, more: u64| (sum - sum / SMOOTHING).saturating_add(more);
        self.delays_ms = smooth(self.delays_ms, ms);
        self.shares = smooth(self.shares, ms.saturating_mul(WHOLE_SHARE) / self.allowed_ms());
        self.judged = self.judged.saturating_add(1);
        self.measured = true;
        if self.judged.is_multiple_of(EASED_HEIGHTS) {
            self.eased = self.eased.saturating_sub(1);
        }
    }

    /// How late the proposal for the height that was measured last may have come, without easing.
    fn allowed_ms(&self) -> u64 {
        let took_ms = self.took_ms.back().copied().unwrap_or(0);
        (self.least_ms / 4).max(PACE_FACTOR.saturating_mul(took_ms)).max(1)
    }

    /// How late this primary's proposals come while work waits.
    pub(super) fn delay_ms(&self) -> u64 {
        self.delays_ms / SMOOTHING
    }

    /// How late they may come on the same average, by what the heights took.
    pub(super) fn delay_allowed_ms(&self) -> u64 {
        let by_shares = self.delays_ms.saturating_mul(WHOLE_SHARE).checked_div(self.shares);
        by_shares.filter(|_| self.delay_ms() > 0).unwrap_or(self.least_ms / 4).saturating_mul(1 << self.eased)
    }

    /// Whether this primary, over many heights, keeps what waits waiting far longer than the net needs to agree.
    pub(super) fn is_slow(&self) -> bool {
        let is_late = self.shares / SMOOTHING > WHOLE_SHARE << self.eased;
        is_late && self.judged >= JUDGED_HEIGHTS_MIN && !armed(Plant::BearCrawling)
    }

    /// Views that failed since a block became final.
    pub(super) fn failed(&self) -> u32 {
        self.failed
    }
}

#[cfg(test)]
mod tests;
