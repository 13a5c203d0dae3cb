//! A limit on the hash rate, kept by waiting between small batches.

use std::time::{Duration, Instant};

/// Hashes tried between two looks at the orders, at most. Half a millisecond by the slowest kernel of a fast processor, 60 µs by
/// its fastest; 4 ms where only half a million are tried in a second. The look costs well under a microsecond.
pub(crate) const BATCH_MAX: u32 = 2_048;
/// How long the hashes of a limited batch last at the limit. They are tried as fast as without one, and the rest is waited for,
/// from which a change of the orders wakes at once.
const BATCH_S: f64 = 0.005;
/// What was missed longer ago is not made up for.
const MISSED_MAX: Duration = Duration::from_millis(100);

/// Keeps one thread to its share of the limit.
#[derive(Debug)]
pub(crate) struct Limiter {
    /// Hashes per second; `None` is unlimited.
    rate: Option<f64>,
    /// When the next batch may begin.
    next: Instant,
}

impl Limiter {
    /// With a rate in hashes per second for this thread.
    pub(crate) fn new(rate: Option<f64>, now: Instant) -> Limiter {
        Limiter { rate, next: now }
    }

    /// Changes the rate from now on.
    pub(crate) fn set_rate(&mut self, rate: Option<f64>, now: Instant) {
        if self.rate != rate {
            self.rate = rate;
            self.next = now;
        }
    }

    /// Hashes to try in the next batch; 0 when the limit allows for none at all.
    pub(crate) fn batch(&self) -> u32 {
        match self.rate {
            None => BATCH_MAX,
            // Written so that a limit that is not a number stops as well.
            Some(rate) if rate > 0.0 => (rate * BATCH_S).clamp(1.0, f64::from(BATCH_MAX)) as u32,
            Some(_) => 0,
        }
    }

    /// How long to wait before the next batch.
    pub(crate) fn wait(&self, now: Instant) -> Duration {
        self.next.saturating_duration_since(now)
    }

    /// A batch of `hashes` was done.
    pub(crate) fn done(&mut self, hashes: u32, now: Instant) {
        let Some(rate) = self.rate else { return };
        // A day at most: a rate just above 0 must not overflow.
        let seconds = (f64::from(hashes) / rate).min(86_400.0);
        let earliest = now.checked_sub(MISSED_MAX).unwrap_or(now);
        self.next = self.next.max(earliest) + Duration::from_secs_f64(seconds);
    }
}
