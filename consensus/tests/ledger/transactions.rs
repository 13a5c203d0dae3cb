//! A transaction is a handle: copies share what is known of it, and a change makes another transaction.

use crate::common::*;
use crate::strategies;
use bezant_consensus::ledger::codec::{decode, encode};
use bezant_consensus::ledger::hash::{TxHash, sha256d};
use bezant_consensus::ledger::transaction::Transaction;
use proptest::prelude::*;

fn payment() -> Transaction {
    transfer(&[input(1, 600, lock(1)), input(2, 500, lock(2))], &[output(1_000, 3)])
}

/// All that is remembered is what the encoding gives.
fn check(transaction: &Transaction) {
    let encoded = encode(transaction);
    // The second answer is the one that is remembered.
    for _ in 0..2 {
        assert_eq!(transaction.id(), transaction.body().id());
        assert_eq!(transaction.hash(), TxHash(sha256d(&encoded)));
        assert_eq!(transaction.bytes(), encoded.len());
    }
    let read = decode::<Transaction>(&encoded).expect("what was written is read");
    assert_eq!(read, *transaction);
    assert_eq!((read.bytes(), read.id(), read.hash()), (transaction.bytes(), transaction.id(), transaction.hash()));
}

#[test]
fn a_copy_shares_what_it_holds() {
    let transaction = payment();
    let copy = transaction.clone();
    assert_eq!(copy, transaction);
    assert!(std::ptr::eq(copy.body(), transaction.body()) && std::ptr::eq(copy.witnesses(), transaction.witnesses()));
    assert_eq!(payment(), transaction, "one that shares nothing is compared by what it holds");
    [copy, payment()].iter().for_each(check);
}

#[test]
fn a_changed_copy_is_another_transaction() {
    type Change = fn(Transaction) -> Transaction;
    let body: Change = |mut transaction| {
        transfer_mut(&mut transaction).outputs.push(output(7, 4));
        transaction
    };
    let witnesses: Change = |mut transaction| {
        transaction.witnesses_mut().truncate(1);
        transaction
    };
    let parts: Change = |transaction| {
        let (body, mut witnesses) = transaction.into_parts();
        witnesses.reverse();
        Transaction::new(body, witnesses)
    };
    let nothing: Change = |transaction| {
        let (body, witnesses) = transaction.into_parts();
        Transaction::new(body, witnesses)
    };
    // Whether id, hash and size stay.
    let table = [
        (body, [false, false, false]),
        (witnesses, [true, false, false]),
        (parts, [true, false, true]),
        (nothing, [true, true, true]),
    ];
    for (place, (change, stays)) in table.into_iter().enumerate() {
        for (is_shared, was_asked) in [(true, true), (true, false), (false, true), (false, false)] {
            let before = payment();
            if was_asked {
                check(&before);
            }
            let keeper = is_shared.then(|| before.clone());
            let changed = change(before);
            check(&changed);
            let old = keeper.unwrap_or_else(payment);
            check(&old);
            assert_eq!(old, payment(), "the other handle holds what it held");
            let same = [changed.id() == old.id(), changed.hash() == old.hash(), changed.bytes() == old.bytes()];
            assert_eq!(same, stays, "change {place}, shared: {is_shared}, asked before: {was_asked}");
            assert_eq!(changed == old, stays[1]);
        }
    }
}

proptest! {
    #[test]
    fn sizes_are_those_of_the_encodings(block in strategies::block()) {
        prop_assert_eq!(block.bytes(), encode(&block).len());
        block.transactions.iter().for_each(check);
    }
}
