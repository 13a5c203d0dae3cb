//! How hard a share is.
//!
//! A share of difficulty D takes 2^32 · D hashes in the mean. Miners differ in how they reckon: pooler's takes 0xffff0000 · 2^192 / D
//! as its target, cpuminer-opt 2^224 / D, which is 0.0015 % easier. Shares are judged by the easier one, or a correct miner would be
//! refused one in 65,000.
//!
//! A share is never harder than a block, by either reckoning, or blocks would be passed over.

use bezant_consensus::ledger::target::Target;
pub(super) use bezant_miner::stratum::{DIFFICULTY_MIN, share_target};

/// Keeps a share easier than a block by all reckonings.
const EASIER: f64 = 0.9999;
/// One share is wanted in this time.
const SHARE_EVERY_MS: f64 = 4_000.0;
/// So many shares are enough to judge a speed by …
const SHARES_ENOUGH: u32 = 12;
/// … and this long without them too.
const WINDOW_MS: u64 = 30_000;
/// The difficulty moves by at most this factor at a time …
const STEP_MAX: f64 = 8.0;
/// … and not at all while the rate is wrong by less than this factor.
const STEP_MIN: f64 = 1.7;

/// The difficulty of a block of this target: a share is never to be harder.
pub(super) fn of_block(target: Target) -> f64 {
    let bits = target.value().bit_len();
    let shift = bits.saturating_sub(64);
    let top: u64 = (target.value() >> shift).to();
    let shift = i32::try_from(shift).expect("a target has at most 256 bits");
    2f64.powi(224 - shift) / (top as f64)
}

/// Within what miners can reckon with, and no harder than a block.
pub(super) fn clamp(difficulty: f64, block: Target) -> f64 {
    difficulty.min(of_block(block) * EASIER).max(DIFFICULTY_MIN)
}

/// Follows the speed of one miner.
#[derive(Debug)]
pub(super) struct Vardiff {
    /// Wanted for the next job, before it is clamped.
    difficulty: f64,
    shares: u32,
    since_ms: u64,
}

impl Vardiff {
    pub(super) fn new(difficulty: f64, now_ms: u64) -> Vardiff {
        Vardiff { difficulty, shares: 0, since_ms: now_ms }
    }

    pub(super) fn difficulty(&self) -> f64 {
        self.difficulty
    }

    /// Begins anew at a difficulty that somebody named.
    pub(super) fn set(&mut self, difficulty: f64, now_ms: u64) {
        *self = Vardiff::new(difficulty, now_ms);
    }

    /// A share was accepted.
    pub(super) fn share(&mut self) {
        self.shares += 1;
    }

    /// When the speed is to be judged even if few shares come.
    pub(super) fn deadline_ms(&self) -> u64 {
        self.since_ms + WINDOW_MS
    }

    /// Judges the speed, if there is enough to judge it by; true when the difficulty changed. `issued` is what the shares were
    /// held to.
    pub(super) fn adjust(&mut self, now_ms: u64, issued: f64) -> bool {
        let elapsed_ms = now_ms.saturating_sub(self.since_ms);
        if self.shares < SHARES_ENOUGH && elapsed_ms < WINDOW_MS {
            return false;
        }
        let wanted = elapsed_ms.max(1) as f64 / SHARE_EVERY_MS;
        let ratio = (f64::from(self.shares) / wanted).clamp(STEP_MAX.recip(), STEP_MAX);
        (self.shares, self.since_ms) = (0, now_ms);
        if ratio < STEP_MIN && ratio > STEP_MIN.recip() {
            return false;
        }
        self.difficulty = (issued * ratio).max(DIFFICULTY_MIN);
        true
    }
}
