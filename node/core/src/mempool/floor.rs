//! The rolling minimum: when better paying transactions took the room of others, those others are not let in again at once.
//!
//! After an eviction the least fee rate is what the evicted paid and a little more. From there it falls by half in every
//! [`FLOOR_HALF_LIFE_MS`], faster when the mempool is emptier, and to nothing when it is below half of the step that a
//! replacement pays. It is kept as the peak and its age; age counts faster when it falls faster, so the rate depends on how the
//! mempool was filled over time and not on how often anybody looked.

use super::{FeeRate, Mempool};
use crate::limits::{FLOOR_HALF_LIFE_MS, FLOOR_SPEED_BELOW_HALF, FLOOR_SPEED_BELOW_QUARTER};
use bezant_consensus::ledger::units::Time;

/// See the module.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Floor {
    /// Grains per 1,000 bytes after the last rise; 0 when there is no floor.
    peak: u64,
    /// Milliseconds since then, those of faster falling counted several times.
    age_ms: u64,
    /// Up to when `age_ms` counts.
    at: Time,
}

impl Floor {
    /// The rate at a time when it has been falling at this speed since the last [`Floor::settle`].
    pub(super) fn rate(&self, now: Time, speed: u64, step: u64) -> u64 {
        let age_ms = self.age_at(now, speed);
        let halvings = u32::try_from(age_ms / FLOOR_HALF_LIFE_MS).unwrap_or(u32::MAX);
        let base = self.peak.checked_shr(halvings).unwrap_or(0);
        // Between two halvings along a straight line.
        let fallen = u128::from(base) * u128::from(age_ms % FLOOR_HALF_LIFE_MS) / u128::from(2 * FLOOR_HALF_LIFE_MS);
        let rate = base - u64::try_from(fallen).expect("less than the base");
        if rate < step.div_ceil(2) { 0 } else { rate }
    }

    fn age_at(&self, now: Time, speed: u64) -> u64 {
        self.age_ms.saturating_add(now.since_ms(self.at).saturating_mul(speed))
    }

    /// Until now it has been falling at this speed.
    pub(super) fn settle(&mut self, now: Time, speed: u64) {
        if self.peak == 0 {
            return;
        }
        (self.age_ms, self.at) = (self.age_at(now, speed), self.at.max(now));
        if self.rate(now, speed, 0) == 0 {
            *self = Floor::default();
        }
    }

    /// Something that paid this was evicted. Settled before.
    pub(super) fn raise(&mut self, now: Time, evicted: FeeRate, step: u64) {
        let peak = evicted.per_thousand_bytes().saturating_add(step);
        if peak > self.rate(now, 0, 0) {
            *self = Floor { peak, age_ms: 0, at: now };
        }
    }
}

impl Mempool {
    /// How much faster than at half full the floor falls.
    pub(super) fn floor_speed(&self) -> u64 {
        let is_below = |part: usize| {
            self.bytes.saturating_mul(part) < self.config.bytes_max
                && self.len().saturating_mul(part) < self.config.count_max
        };
        match (is_below(2), is_below(4)) {
            (_, true) => FLOOR_SPEED_BELOW_QUARTER,
            (true, false) => FLOOR_SPEED_BELOW_HALF,
            (false, false) => 1,
        }
    }

    pub(super) fn settle_floor(&mut self, now: Time) {
        let speed = self.floor_speed();
        self.floor.settle(now, speed);
    }
}
