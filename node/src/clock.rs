//! The node's one clock: this machine's time plus the dev net's offset, never going back within a run.

use bezant_consensus::ledger::units::Time;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Tells the time. Clones share the offset.
#[derive(Clone, Debug)]
pub struct Clock {
    offset_ms: Arc<AtomicI64>,
    latest_ms: Arc<AtomicU64>,
}

impl Clock {
    /// This machine's time plus `offset_ms`.
    #[must_use]
    pub fn new(offset_ms: i64) -> Clock {
        Clock { offset_ms: Arc::new(AtomicI64::new(offset_ms)), latest_ms: Arc::default() }
    }

    /// Now; when this machine's clock is set back, time stands still until it has caught up.
    #[must_use]
    pub fn now(&self) -> Time {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let machine_ms = u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX);
        let now_ms = machine_ms.saturating_add_signed(self.offset_ms.load(Ordering::Relaxed));
        Time(self.latest_ms.fetch_max(now_ms, Ordering::Relaxed).max(now_ms))
    }

    /// Dev nets: moves the clock forward.
    pub fn advance(&self, ms: u64) {
        self.offset_ms.fetch_add(i64::try_from(ms).unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    /// The offset from this machine's time.
    #[must_use]
    pub fn offset_ms(&self) -> i64 {
        self.offset_ms.load(Ordering::Relaxed)
    }

    /// How long from now until `deadline`; zero when it has passed.
    #[must_use]
    pub fn until(&self, deadline: Time) -> Duration {
        Duration::from_millis(deadline.since_ms(self.now()))
    }
}
