use super::*;
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::hash::NetworkId;
use bezant_consensus::ledger::key::{Signature, SigningKey};
use bezant_consensus::ledger::lock::{Lock, LockTime};
use bezant_consensus::ledger::transaction::{Body, Spend, Transfer};

fn key(number: u8) -> SigningKey {
    SigningKey::from_seed(&[number; 32])
}

fn terms() -> Terms {
    let lock = |number| Lock::Key(key(number).public()).hash();
    let side = |network, payer, payee| Side {
        network: NetworkId([network; 32]),
        amount: Amount::from_grains(100).unwrap(),
        payer: lock(payer),
        payee: lock(payee),
        refund_from: 1_000,
    };
    Terms::new([9; 32], side(1, 1, 2), side(2, 2, 1), &key(1))
}

/// A transaction that spends a coin of so many grains under `lock`, showing these preimages.
fn spend(lock: Lock, grains: u64, preimages: Vec<[u8; 32]>) -> Transaction {
    let amount = Amount::from_grains(grains).unwrap();
    let transfer = Transfer { inputs: Vec::new(), outputs: Vec::new(), lock_time: LockTime::NONE };
    let spend = Spend { amount, lock, signatures: vec![Signature([0; 64])], preimages };
    Transaction::new(Body::Transfer(transfer), vec![Witness::Spend(spend)])
}

#[test]
fn who_took_a_side_is_told_by_the_preimage() {
    let terms = terms();
    let side = &terms.second;
    let (lock, secret) = (terms.lock(side), *terms.secret(&key(1)).unwrap());
    let hash = lock.hash();
    let look = |transaction: &Transaction| taken(transaction, &hash, &terms, side, true);
    let redeemed = spend(lock.clone(), 100, vec![secret]);
    assert_eq!(look(&redeemed), Some(State::Redeemed { txid: redeemed.id(), secret, is_final: true }));
    let refunded = spend(lock.clone(), 100, Vec::new());
    assert_eq!(look(&refunded), Some(State::Refunded { txid: refunded.id(), is_final: true }));
    // Small change that a stranger paid to the lock, another lock, and another secret say nothing.
    assert_eq!(look(&spend(lock.clone(), 99, vec![secret])), None);
    assert_eq!(look(&spend(terms.lock(&terms.first), 100, vec![secret])), None);
    assert!(matches!(look(&spend(lock, 100, vec![[7; 32]])), Some(State::Refunded { .. })));
}

#[test]
fn states_are_in_order() {
    let txid = TxId([0; 32]);
    let redeemed = State::Redeemed { txid, secret: [0; 32], is_final: false };
    assert!(State::Unpaid < State::Arriving && State::Arriving < State::Paid && State::Paid < redeemed);
}
