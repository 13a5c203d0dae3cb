//! How much one peer may send: a bucket of messages and one of bytes, filled at a steady rate.

use super::limits::{BURST_S, BYTES_PER_S, MESSAGES_PER_S};
use std::time::{Duration, Instant};

/// A bucket that fills at a steady rate up to [`BURST_S`] seconds of it.
#[derive(Clone, Debug)]
struct Bucket {
    per_s: f64,
    level: f64,
}

impl Bucket {
    fn new(per_s: u32) -> Bucket {
        let per_s = f64::from(per_s);
        Bucket { per_s, level: per_s * f64::from(BURST_S) }
    }

    fn fill(&mut self, elapsed: Duration) {
        let full = self.per_s * f64::from(BURST_S);
        self.level = (self.level + self.per_s * elapsed.as_secs_f64()).min(full);
    }
}

/// What one peer may still send.
#[derive(Clone, Debug)]
pub(super) struct Allowance {
    messages: Bucket,
    bytes: Bucket,
    filled: Instant,
}

impl Allowance {
    pub(super) fn new(now: Instant) -> Allowance {
        Allowance { messages: Bucket::new(MESSAGES_PER_S), bytes: Bucket::new(BYTES_PER_S), filled: now }
    }

    fn fill(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.filled);
        self.messages.fill(elapsed);
        self.bytes.fill(elapsed);
        self.filled = now;
    }

    /// Takes one message of `bytes` if there is room for it.
    pub(super) fn try_take(&mut self, now: Instant, bytes: usize) -> bool {
        self.fill(now);
        let room = self.messages.level >= 1.0 && self.bytes.level >= bytes as f64;
        if room {
            self.messages.level -= 1.0;
            self.bytes.level -= bytes as f64;
        }
        room
    }

    /// Takes one message of `bytes` in any case; returns how long the sender has to wait before its next.
    pub(super) fn take(&mut self, now: Instant, bytes: usize) -> Duration {
        self.fill(now);
        self.messages.level -= 1.0;
        self.bytes.level -= bytes as f64;
        let debt = |bucket: &Bucket| (-bucket.level / bucket.per_s).max(0.0);
        Duration::from_secs_f64(debt(&self.messages).max(debt(&self.bytes)))
    }
}
