use super::*;
use bezant_consensus::ledger::hash::LockHash;

#[test]
fn a_lock_is_ripe_when_one_way_to_open_it_waits_for_nothing() {
    let moment = Moment { next: Place { height: Height(100), time: 5_000 }, coin: Height(90) };
    let key = || Lock::Opaque(LockHash([1; 32]));
    let at = |height| Lock::After(LockTime::Height(Height(height)));
    let of = |k, of| Lock::Threshold { k, of };
    for (lock, is_ripe_now) in [
        (key(), true),
        (Lock::Hash([2; 32]), true),
        (at(100), true),
        (at(101), false),
        (Lock::After(LockTime::Time(5_000)), true),
        (Lock::After(LockTime::Time(5_001)), false),
        (Lock::Older(10), true),
        (Lock::Older(11), false),
        (of(2, vec![key(), at(101)]), false),
        (of(1, vec![key(), at(101)]), true),
        (of(1, vec![of(2, vec![key(), at(101)]), of(2, vec![key(), Lock::Older(11)])]), false),
        (of(2, vec![key(), at(101), key()]), true),
    ] {
        assert_eq!(is_ripe(&lock, &moment), is_ripe_now, "{lock:?}");
    }
}
