//! Every kind of lock, spendable and not, and the hash of a tree.

use crate::common::*;
use bezant_consensus::ledger::coins::Coin;
use bezant_consensus::ledger::hash::{LockHash, sha256, tagged};
use bezant_consensus::ledger::lock::{Lock, LockTime};
use bezant_consensus::ledger::rules::{TxError, context, isolated};
use bezant_consensus::ledger::transaction::OutPoint;
use bezant_consensus::ledger::units::Height;
use std::collections::BTreeMap;

/// Spends a coin of height 100 locked by the whole tree, revealing `shown`, in a block of `height` and `time`.
fn spend(whole: &Lock, shown: &Lock, preimages: &[[u8; 32]], height: u64, time: u32) -> Result<(), TxError> {
    assert_eq!(whole.hash(), shown.hash(), "what is revealed is the same lock");
    let input = Input { preimages: preimages.to_vec(), ..input(1, 10, shown.clone()) };
    let transaction = transfer(&[input], &[output(10, 1)]);
    isolated::verify_transaction(&NETWORK, &transaction)?;
    let coin = Coin { height: Height(100), ..coin(10, whole.hash()) };
    let coins: BTreeMap<OutPoint, Coin> = [(outpoint(1), coin)].into();
    let place = context::Place { height: Height(height), time };
    context::check_transaction(&transaction, &coins, place, &params()).map(|_| ())
}

fn hide(lock: &Lock) -> Lock {
    Lock::Opaque(lock.hash())
}

fn threshold(k: u8, of: Vec<Lock>) -> Lock {
    Lock::Threshold { k, of }
}

#[test]
fn single_key() {
    assert_eq!(spend(&lock(1), &lock(1), &[], 100, 0), Ok(()));
}

#[test]
fn two_of_three_with_every_pair() {
    let whole = threshold(2, vec![lock(1), lock(2), lock(3)]);
    for hidden in 0..3u8 {
        let show = |number: u8| if number == hidden { hide(&lock(number + 1)) } else { lock(number + 1) };
        assert_eq!(spend(&whole, &threshold(2, (0..3).map(show).collect()), &[], 100, 0), Ok(()));
    }
    let one = threshold(2, vec![lock(1), hide(&lock(2)), hide(&lock(3))]);
    assert_eq!(spend(&whole, &one, &[], 100, 0), Err(TxError::LockNotSatisfied(0)));
    assert_eq!(spend(&whole, &whole, &[], 100, 0), Err(TxError::LockNotSatisfied(0)));
    assert_eq!(spend(&whole, &hide(&whole), &[], 100, 0), Err(TxError::LockNotSatisfied(0)));
}

#[test]
fn after_a_height_and_after_a_time() {
    let height = LockTime::Height(Height(150));
    assert_eq!(spend(&Lock::After(height), &Lock::After(height), &[], 149, 0), Err(TxError::Locked { until: height }));
    assert_eq!(spend(&Lock::After(height), &Lock::After(height), &[], 150, 0), Ok(()));
    let time = LockTime::Time(5_000);
    assert_eq!(spend(&Lock::After(time), &Lock::After(time), &[], 1, 4_999), Err(TxError::Locked { until: time }));
    assert_eq!(spend(&Lock::After(time), &Lock::After(time), &[], 1, 5_000), Ok(()));
}

#[test]
fn older_counts_from_the_coin() {
    let until = LockTime::Height(Height(107));
    assert_eq!(spend(&Lock::Older(7), &Lock::Older(7), &[], 106, 0), Err(TxError::Locked { until }));
    assert_eq!(spend(&Lock::Older(7), &Lock::Older(7), &[], 107, 0), Ok(()));
    assert_eq!(spend(&Lock::Older(0), &Lock::Older(0), &[], 100, 0), Ok(()), "also in the coin's own block");
}

#[test]
fn hash_wants_its_preimage() {
    let whole = Lock::Hash(sha256(&[3; 32]));
    assert_eq!(spend(&whole, &whole, &[[3; 32]], 100, 0), Ok(()));
    assert_eq!(spend(&whole, &whole, &[[4; 32]], 100, 0), Err(TxError::WitnessMismatch(0)));
}

#[test]
fn opaque_is_never_satisfied() {
    let nothing = Lock::Opaque(LockHash([1; 32]));
    assert_eq!(spend(&nothing, &nothing, &[], 100, 0), Err(TxError::LockNotSatisfied(0)));
}

/// The two ways out of a hash time lock, and neither by the wrong party or too early.
#[test]
fn hash_time_lock() {
    let claim = threshold(2, vec![lock(1), Lock::Hash(sha256(&[3; 32]))]);
    let refund = threshold(2, vec![lock(2), Lock::After(LockTime::Height(Height(200)))]);
    let whole = threshold(1, vec![claim.clone(), refund.clone()]);
    let by_claim = threshold(1, vec![claim.clone(), hide(&refund)]);
    let by_refund = threshold(1, vec![hide(&claim), refund]);
    assert_eq!(spend(&whole, &by_claim, &[[3; 32]], 100, 0), Ok(()));
    assert_eq!(spend(&whole, &by_claim, &[], 100, 0), Err(TxError::WitnessMismatch(0)));
    assert_eq!(spend(&whole, &by_refund, &[], 200, 0), Ok(()));
    let until = LockTime::Height(Height(200));
    assert_eq!(spend(&whole, &by_refund, &[], 199, 0), Err(TxError::Locked { until }));
}

/// Computed by hand from the specification, not by the code under test.
#[test]
fn node_hashes_follow_the_specification() {
    let public = key(1).public();
    assert_eq!(lock(1).hash().0, tagged("bezant/lock", &[&[0], &public.0]));
    let children = [lock(1).hash(), Lock::Older(7).hash()];
    let payload = [&[1, 1, 2][..], &children[0].0, &children[1].0].concat();
    assert_eq!(threshold(1, vec![lock(1), Lock::Older(7)]).hash().0, tagged("bezant/lock", &[&payload]));
    let after = [&[2, 0][..], &9u64.to_le_bytes()].concat();
    assert_eq!(Lock::After(LockTime::Height(Height(9))).hash().0, tagged("bezant/lock", &[&after]));
    let after = [&[2, 1][..], &9u32.to_le_bytes()].concat();
    assert_eq!(Lock::After(LockTime::Time(9)).hash().0, tagged("bezant/lock", &[&after]));
    assert_eq!(Lock::Older(7).hash().0, tagged("bezant/lock", &[&[3, 7, 0, 0, 0]]));
    assert_eq!(Lock::Hash([8; 32]).hash().0, tagged("bezant/lock", &[&[4], &[8; 32]]));
    assert_eq!(Lock::Opaque(LockHash([8; 32])).hash(), LockHash([8; 32]));
}
