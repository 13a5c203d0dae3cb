use super::{HELPERS, is_turn};
use crate::ledger::units::Time;
use crate::pbft::RESEND_MS;
use std::collections::BTreeSet;

/// Who helps member `other` of `n` at some time.
fn helpers(at_ms: u64, n: u16, other: u16) -> Vec<u16> {
    (0..n).filter(|me| is_turn(Time(at_ms), n.into(), *me, other)).collect()
}

#[test]
fn few_help_at_a_time_and_everybody_in_turn() {
    for n in [1, 2, 3, 4, 5, 7, 31, 100_u16] {
        let others = u64::from(n) - 1;
        for other in [0, n / 2, n - 1] {
            let turns: Vec<Vec<u16>> =
                (0..others.div_ceil(HELPERS)).map(|turn| helpers((50 + turn) * RESEND_MS, n, other)).collect();
            assert!(turns.iter().all(|helpers| helpers.len() as u64 == others.min(HELPERS)), "n = {n}: {turns:?}");
            let all: BTreeSet<u16> = turns.into_iter().flatten().collect();
            assert_eq!(all, (0..n).filter(|it| *it != other).collect(), "n = {n}");
        }
    }
}

#[test]
fn a_turn_is_as_long_as_it_takes_until_votes_are_sent_again_and_no_two_members_have_the_same_helpers() {
    assert_eq!(helpers(0, 7, 2), [3, 4]);
    assert_eq!(helpers(RESEND_MS - 1, 7, 2), [3, 4]);
    assert_eq!(helpers(RESEND_MS, 7, 2), [5, 6]);
    assert_eq!(helpers(2 * RESEND_MS, 7, 2), [0, 1]);
    assert_eq!(helpers(3 * RESEND_MS, 7, 2), [3, 4]);
    let all: BTreeSet<Vec<u16>> = (0..7).map(|other| helpers(0, 7, other)).collect();
    assert_eq!(all.len(), 7);
}
