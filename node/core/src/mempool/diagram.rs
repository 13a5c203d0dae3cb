//! Fee-rate diagrams: what a block maker with so much room would earn.
//!
//! The chunks of some clusters, best first, drawn as a line through (bytes so far, fees so far), and flat behind the last one.
//! Rates fall along the line, so it is concave, and one diagram is compared with another exactly by looking at the corners of
//! both.

use super::FeeRate;

/// Bytes so far, fees so far.
type Corner = (u128, u128);

/// Whether `after` is nowhere below `before` and somewhere above it. Chunks may come in any order.
pub(super) fn improves(before: &[FeeRate], after: &[FeeRate]) -> bool {
    let (before, after) = (corners(before), corners(after));
    let mut is_above = false;
    for (bytes, _) in before.iter().chain(&after) {
        let (old, old_scale) = fees_at(&before, *bytes);
        let (new, new_scale) = fees_at(&after, *bytes);
        match (new * old_scale).cmp(&(old * new_scale)) {
            std::cmp::Ordering::Less => return false,
            std::cmp::Ordering::Equal => {}
            std::cmp::Ordering::Greater => is_above = true,
        }
    }
    is_above
}

fn corners(chunks: &[FeeRate]) -> Vec<Corner> {
    let mut chunks = chunks.to_vec();
    chunks.sort_unstable_by(|one, other| other.cmp(one));
    let mut corners = vec![(0, 0)];
    let mut so_far = (0, 0);
    for chunk in chunks {
        so_far = (so_far.0 + u128::from(chunk.bytes), so_far.1 + u128::from(chunk.fee));
        corners.push(so_far);
    }
    corners
}

/// Fees of the best so many bytes, as a fraction: fees and what to divide them by. Fees are below 2^64 and bytes below 2^32, so
/// nothing overflows, not even the product of a fee and two lengths.
fn fees_at(corners: &[Corner], bytes: u128) -> (u128, u128) {
    let next = corners.partition_point(|(so_far, _)| *so_far <= bytes);
    let (from, earned) = corners[next - 1];
    match corners.get(next) {
        Some((to, all)) => (earned * (to - from) + (all - earned) * (bytes - from), to - from),
        None => (earned, 1),
    }
}
