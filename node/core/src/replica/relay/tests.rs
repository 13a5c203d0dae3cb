//! What goes when.

use super::*;
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::hash::{LockHash, TxId};
use bezant_consensus::ledger::lock::LockTime;
use bezant_consensus::ledger::transaction::{Body, OutPoint, Output, Transfer};
use bezant_consensus::ledger::units::Height;
use bezant_consensus::limits::OUTPUTS_MAX;

fn transaction(number: u32, outputs: usize) -> Transaction {
    let output = Output { amount: Amount::from_grains(1).expect("it is small"), lock: LockHash([7; 32]) };
    let inputs = vec![OutPoint { txid: TxId([1; 32]), index: number }];
    let transfer = Transfer { inputs, outputs: vec![output; outputs], lock_time: LockTime::Height(Height(0)) };
    Transaction::new(Body::Transfer(transfer), Vec::new())
}

fn numbers(message: Option<Message>) -> Vec<u32> {
    let number = |transaction: &Transaction| transaction.inputs()[0].index;
    match message {
        None => Vec::new(),
        Some(Message::Transaction(transaction)) => vec![number(&transaction)],
        Some(Message::TransactionBatch(batch)) => {
            assert!(batch.0.len() > 1, "one alone is no batch");
            batch.0.iter().map(number).collect()
        }
        Some(other) => panic!("{} carries no transactions", other.name()),
    }
}

#[test]
fn the_first_goes_at_once_and_the_others_together() {
    let mut relay = Relay::default();
    assert_eq!(relay.deadline(), None);
    assert!(relay.add(Time(1_000), transaction(1, 1)).is_none());
    assert_eq!(numbers(relay.due(Time(1_000))), [1]);
    for number in 2..5 {
        assert!(relay.add(Time(1_001), transaction(number, 1)).is_none());
        assert!(relay.due(Time(1_001)).is_none());
    }
    let due = Time(1_000 + RELAY_PAUSE_MS);
    assert_eq!(relay.deadline(), Some(due));
    assert!(relay.due(Time(due.0 - 1)).is_none());
    assert_eq!(numbers(relay.due(due)), [2, 3, 4]);
    assert_eq!(relay.deadline(), None);
    assert!(relay.add(Time(5_000), transaction(5, 1)).is_none());
    assert_eq!(numbers(relay.due(Time(5_000))), [5], "after a rest the first goes at once again");
}

#[test]
fn what_is_full_goes_before_it_is_due() {
    let mut relay = Relay::default();
    assert_eq!(numbers(relay.take(Time(0))), [0; 0]);
    for number in 0..BATCH_TRANSACTIONS_MAX as u32 {
        assert!(relay.add(Time(0), transaction(number, 1)).is_none());
    }
    let full = numbers(relay.add(Time(0), transaction(9_999, 1)));
    assert_eq!(full.len(), BATCH_TRANSACTIONS_MAX);
    assert_eq!(numbers(relay.take(Time(0))), [9_999]);

    let large = transaction(1, OUTPUTS_MAX);
    let fitting = BATCH_BYTES_MAX / large.bytes();
    assert!(fitting < BATCH_TRANSACTIONS_MAX, "bytes are the limit here");
    for _ in 0..fitting {
        assert!(relay.add(Time(0), large.clone()).is_none());
    }
    assert_eq!(numbers(relay.add(Time(0), large.clone())).len(), fitting);
}
