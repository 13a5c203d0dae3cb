//! Which compact target a block must carry, as a function of the headers below it.
//!
//! - `asert` is aserti3-2d (Bitcoin Cash, 2020): target = anchor × 2^((Δt − spacing·(Δh + 1)) / half-life), by an integer cubic
//!   approximation. The anchor is genesis; since it has no parent, its parent's time is taken as genesis time − spacing. It
//!   depends on the parent's height and time alone, so a header is checkable without the history between.
//! - `bitcoin` changes every 2016 blocks by the time that the 2015 gaps *inside* the window took, divided by 2016 spacings
//!   (Bitcoin's off-by-one), the span clamped to a factor of 4 either way. Windows do not overlap, so times could be warped at
//!   their border; [`least_time`] forbids that as BIP94 does: the first block of a window is at most one spacing earlier
//!   than the block below it.
//! - `fixed` is always the genesis target.
//!
//! No target is ever easier than that of genesis. All products are made in 320 bits: on easy nets they exceed 256.

use super::tree::Tree;
use crate::ledger::genesis::{Difficulty, PowParams};
use crate::ledger::hash::BlockId;
use crate::ledger::target::{Target, U320};
use crate::ledger::units::Height;

/// Blocks per window of Bitcoin's rule.
const WINDOW_BLOCKS: u64 = 2_016;

/// The bits that a child of `parent` must carry.
pub(super) fn expected_bits(params: &PowParams, tree: &Tree, parent: &BlockId) -> u32 {
    let node = tree.node(parent);
    match params.difficulty {
        Difficulty::Fixed => params.bits,
        Difficulty::Asert { half_life_s } => {
            let genesis_time = tree.node(&tree.genesis()).header.time;
            let anchor = Anchor {
                height: Height::GENESIS,
                parent_time: i64::from(genesis_time) - i64::from(params.spacing_s),
                bits: params.bits,
            };
            asert(&anchor, params.bits, params.spacing_s, half_life_s, node.height, i64::from(node.header.time))
        }
        Difficulty::Bitcoin if !opens_window(node.height.next()) => node.header.bits,
        Difficulty::Bitcoin => {
            let first = tree.ancestor(parent, Height(node.height.0 + 1 - WINDOW_BLOCKS));
            let first_time = tree.node(&first).header.time;
            retarget(params.bits, params.spacing_s, node.header.bits, first_time, node.header.time)
        }
    }
}

/// The earliest time that a child of `parent` may carry: after the median of the last 11, and under Bitcoin's rule not warped.
pub(super) fn least_time(params: &PowParams, tree: &Tree, parent: &BlockId) -> u32 {
    let after_median = tree.median_time(parent).saturating_add(1);
    let node = tree.node(parent);
    match params.difficulty {
        Difficulty::Bitcoin if opens_window(node.height.next()) => {
            after_median.max(node.header.time.saturating_sub(params.spacing_s))
        }
        Difficulty::Bitcoin | Difficulty::Asert { .. } | Difficulty::Fixed => after_median,
    }
}

fn opens_window(height: Height) -> bool {
    height.0.is_multiple_of(WINDOW_BLOCKS)
}

fn target(bits: u32) -> Target {
    Target::from_compact(bits).expect("genesis and headers in the tree carry targets that were checked")
}

/// The compact form, no easier than `limit_bits`.
fn limited(value: U320, limit_bits: u32) -> u32 {
    if value >= target(limit_bits).value() {
        return limit_bits;
    }
    Target::from_value(value.max(U320::from(1))).expect("at least 1 and below a target").to_compact()
}

/// What the schedule of `asert` is counted from.
pub(super) struct Anchor {
    /// The anchor's height.
    pub(super) height: Height,
    /// The time of the anchor's parent.
    pub(super) parent_time: i64,
    /// The anchor's compact target.
    pub(super) bits: u32,
}

/// aserti3-2d: the bits that follow a block of this height and time.
pub(super) fn asert(
    anchor: &Anchor,
    limit_bits: u32,
    spacing_s: u32,
    half_life_s: u32,
    height: Height,
    time: i64,
) -> u32 {
    let elapsed = i128::from(time) - i128::from(anchor.parent_time);
    let blocks = i128::from(height.0) - i128::from(anchor.height.0) + 1;
    // Fixed point with 16 fractional bits; the division truncates towards zero as in the specification's C++.
    let exponent = (elapsed - i128::from(spacing_s) * blocks) * 65_536 / i128::from(half_life_s);
    let shifts = exponent >> 16;
    let fraction = u128::try_from(exponent & 0xffff).expect("16 bits are not negative");
    // 2^fraction × 2^16, off by less than 0.013 %.
    let cubic = 195_766_423_245_049 * fraction
        + 971_821_376 * fraction * fraction
        + 5_127 * fraction * fraction * fraction
        + (1u128 << 47);
    let factor = 65_536 + (cubic >> 48);
    let product = target(anchor.bits).value() * U320::from(factor);
    if shifts < 0 {
        let right = usize::try_from(-shifts).unwrap_or(usize::MAX).min(320);
        return limited((product >> right) >> 16usize, limit_bits);
    }
    // 2^272 is above every target even after the 16 fractional bits are taken off.
    let left = usize::try_from(shifts).unwrap_or(usize::MAX);
    if product.bit_len().saturating_add(left) > 256 + 16 {
        return limit_bits;
    }
    limited((product << left) >> 16usize, limit_bits)
}

/// Bitcoin's rule: the bits of the next window after one with these bits, first and last time.
pub(super) fn retarget(limit_bits: u32, spacing_s: u32, bits: u32, first_time: u32, last_time: u32) -> u32 {
    let wanted = i64::from(spacing_s) * WINDOW_BLOCKS as i64;
    let taken = (i64::from(last_time) - i64::from(first_time)).clamp(wanted / 4, wanted * 4);
    let span = |seconds: i64| U320::from(u64::try_from(seconds).expect("clamped to a positive span"));
    limited(target(bits).value() * span(taken) / span(wanted), limit_bits)
}
