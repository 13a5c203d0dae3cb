//! One negative test for every rule of a block.

use crate::common::*;
use bezant_consensus::ledger::block::Block;
use bezant_consensus::ledger::coins::Coin;
use bezant_consensus::ledger::lock::Lock;
use bezant_consensus::ledger::rules::{BlockError, TxError, context, isolated};
use bezant_consensus::ledger::transaction::{Body, Coinbase, OutPoint, Output, Transaction, Witness};
use bezant_consensus::ledger::units::Height;
use bezant_consensus::limits::{COINBASE_EXTRA_BYTES_MAX, OUTPUTS_MAX, SUPPLY_MAX};
use std::collections::BTreeMap;

fn check(block: &Block) -> Result<usize, BlockError> {
    isolated::check_block(&NETWORK, 1_000_000, block).map(|signatures| signatures.len())
}

fn connect(block: &Block, coins: &BTreeMap<OutPoint, Coin>, height: u64) -> Result<(), BlockError> {
    context::connect(block, coins, place(height), &params()).map(|_| ())
}

/// Coin 1 of 600 grains to key 2, 10 grains of fee.
fn payment() -> Transaction {
    transfer(&[input(1, 600, lock(1))], &[output(590, 2)])
}

fn coins() -> BTreeMap<OutPoint, Coin> {
    [(outpoint(1), coin(600, lock(1).hash())), (outpoint(2), coin(600, lock(2).hash()))].into()
}

fn of_transaction(index: u32, error: TxError) -> Result<(), BlockError> {
    Err(BlockError::Transaction { index, error })
}

#[test]
fn a_good_block_passes() {
    let good = block(vec![coinbase(5, &[output(5_010, 9)]), payment()]);
    assert_eq!(check(&good), Ok(1));
    let diff = context::connect(&good, &coins(), place(5), &params()).expect("the block is valid");
    assert_eq!(diff.spent.len(), 1);
    assert_eq!(diff.created.len(), 2);
    let paid = diff.created[&OutPoint { txid: good.transactions[0].id(), index: 0 }];
    assert_eq!(paid, Coin { height: Height(5), coinbase: true, ..coin(5_010, lock(9).hash()) });
}

#[test]
fn size() {
    let good = block(vec![coinbase(5, &[]), payment()]);
    let allowed = good.bytes() as u32;
    assert!(isolated::check_block(&NETWORK, allowed, &good).is_ok());
    let error = isolated::check_block(&NETWORK, allowed - 1, &good).unwrap_err();
    assert_eq!(error, BlockError::TooLarge { actual: good.bytes(), allowed: good.bytes() - 1 });
    assert!(!error.is_of_received_body_only());
}

/// CVE-2012-2459: a body with a repeated tail has the same root; the list is refused and the header is not condemned.
#[test]
fn a_repeated_tail() {
    let second = transfer(&[input(2, 600, lock(2))], &[output(600, 3)]);
    let good = block(vec![coinbase(5, &[]), payment(), second]);
    let mut mutated = good.clone();
    mutated.transactions.push(mutated.transactions[2].clone());
    assert_eq!(mutated.merkle_root(), good.merkle_root());
    assert_eq!(mutated.id(), good.id());
    let error = check(&mutated).unwrap_err();
    assert!(matches!(error, BlockError::BodyMismatch { .. }) && error.is_of_received_body_only());
    assert!(check(&good).is_ok());
}

#[test]
fn another_body() {
    let mut other = block(vec![coinbase(5, &[]), payment()]);
    other.transactions.pop();
    assert!(check(&other).unwrap_err().is_of_received_body_only());
    let mut empty = block(vec![]);
    assert_eq!(check(&empty), Err(BlockError::CoinbasePlace));
    empty.header.merkle_root.0[0] = 1;
    assert!(check(&empty).unwrap_err().is_of_received_body_only());
}

/// Witnesses are in the leaf: a body signed otherwise is another body.
#[test]
fn the_root_covers_witnesses() {
    let mut other = block(vec![coinbase(5, &[]), payment()]);
    spend_mut(&mut other.transactions[1], 0).signatures[0].0[0] ^= 1;
    assert!(check(&other).unwrap_err().is_of_received_body_only());
}

/// CVE-2017-12842, also for the coinbase; what could be a decoy does not condemn the header.
#[test]
fn a_transaction_of_sixty_four_bytes() {
    let extra = Coinbase { height: Height(5), extra: vec![0; 42], outputs: vec![] };
    let decoy = Transaction::new(Body::Coinbase(extra), vec![]);
    assert_eq!(decoy.bytes(), 64);
    let alone = block(vec![decoy.clone()]);
    assert_eq!(check(&alone), Err(BlockError::Transaction { index: 0, error: TxError::ForbiddenSize }));
    assert!(check(&alone).unwrap_err().is_of_received_body_only());
    let later = block(vec![coinbase(5, &[]), decoy]);
    assert_eq!(check(&later), Err(BlockError::Transaction { index: 1, error: TxError::ForbiddenSize }));
}

#[test]
fn exactly_one_coinbase_and_first() {
    for transactions in [
        vec![payment()],
        vec![payment(), coinbase(5, &[])],
        vec![coinbase(5, &[]), coinbase(5, &[output(1, 1)])],
        vec![coinbase(5, &[]), payment(), coinbase(6, &[])],
    ] {
        assert_eq!(check(&block(transactions)), Err(BlockError::CoinbasePlace));
    }
    assert_eq!(connect(&block(vec![payment()]), &coins(), 5), Err(BlockError::CoinbasePlace));
    assert_eq!(connect(&block(vec![]), &coins(), 5), Err(BlockError::CoinbasePlace));
}

#[test]
fn the_form_of_a_coinbase() {
    let refused = |coinbase: Transaction| match check(&block(vec![coinbase])) {
        Err(BlockError::Transaction { index: 0, error }) => error,
        other => panic!("{other:?}"),
    };
    let with = |extra: usize, outputs: Vec<Output>| {
        Transaction::new(Body::Coinbase(Coinbase { height: Height(5), extra: vec![0; extra], outputs }), vec![])
    };
    let zero = Output { amount: grains(0), ..output(1, 1) };
    assert_eq!(refused(with(0, vec![output(1, 1), zero])), TxError::ZeroOutput(1));
    assert_eq!(refused(with(0, vec![output(SUPPLY_MAX, 1), output(1, 1)])), TxError::SumTooLarge);
    let (actual, allowed) = (COINBASE_EXTRA_BYTES_MAX + 1, COINBASE_EXTRA_BYTES_MAX);
    assert_eq!(refused(with(101, vec![])), TxError::TooMany { what: "extra bytes", actual, allowed });
    assert_eq!(refused(with(0, vec![output(1, 1); OUTPUTS_MAX + 1])).kind(), "tx-too-many");
    assert!(matches!(refused(with(0, vec![output(1, 1); 3_000])), TxError::TooLarge { .. }));
    let mut signed = with(0, vec![]);
    signed.witnesses_mut().push(Witness::Member { member: 0, signature: key(1).sign(b"x") });
    assert_eq!(refused(signed), TxError::WitnessCount { actual: 1, expected: 0 });
    assert!(check(&block(vec![with(100, vec![])])).is_ok());
}

/// BIP34, and with it BIP30: no two coinbases have one id.
#[test]
fn the_height_in_the_coinbase() {
    let error = BlockError::CoinbaseHeight { actual: Height(4), expected: Height(5) };
    assert_eq!(connect(&block(vec![coinbase(4, &[])]), &coins(), 5), Err(error));
    assert_ne!(coinbase(4, &[]).id(), coinbase(5, &[]).id());
}

#[test]
fn the_value_of_a_coinbase() {
    let pays = |amount| connect(&block(vec![coinbase(5, &[output(amount, 9)]), payment()]), &coins(), 5);
    assert_eq!(pays(5_010), Ok(()));
    assert_eq!(pays(1), Ok(()), "less than allowed is burnt");
    let error = BlockError::CoinbaseTooLarge { actual: grains(5_011), allowed: grains(5_010) };
    assert_eq!(pays(5_011), Err(error));
    let halved = BlockError::CoinbaseTooLarge { actual: grains(2_511), allowed: grains(2_510) };
    let late = block(vec![coinbase(100, &[output(2_511, 9)]), payment()]);
    assert_eq!(connect(&late, &coins(), 100), Err(halved));
}

#[test]
fn spends_in_the_same_block_only_from_earlier_transactions() {
    let first = payment();
    let created = OutPoint { txid: first.id(), index: 0 };
    let second = transfer(&[Input { outpoint: created, ..input(0, 590, lock(2)) }], &[output(590, 3)]);
    let in_order = block(vec![coinbase(5, &[]), first.clone(), second.clone()]);
    let diff = context::connect(&in_order, &coins(), place(5), &params()).expect("the order is right");
    assert!(!diff.spent.contains_key(&created) && !diff.created.contains_key(&created), "the change is net");
    let reversed = block(vec![coinbase(5, &[]), second, first]);
    assert_eq!(connect(&reversed, &coins(), 5), of_transaction(1, TxError::MissingCoin(created)));
}

#[test]
fn a_coin_is_spent_once() {
    let again = transfer(&[input(1, 600, lock(1))], &[output(590, 3)]);
    let twice = block(vec![coinbase(5, &[]), payment(), again]);
    assert_eq!(connect(&twice, &coins(), 5), of_transaction(2, TxError::MissingCoin(outpoint(1))));
    let repeated = block(vec![coinbase(5, &[]), payment(), payment()]);
    assert_eq!(connect(&repeated, &coins(), 5), of_transaction(2, TxError::MissingCoin(outpoint(1))));
}

/// Even with maturity 0 the coinbase's coins are not there before the next block.
#[test]
fn the_coinbase_of_the_same_block_is_not_spendable() {
    let paid = coinbase(5, &[output(100, 9)]);
    let created = OutPoint { txid: paid.id(), index: 0 };
    let spender = transfer(&[Input { outpoint: created, ..input(0, 100, lock(9)) }], &[output(100, 3)]);
    let block = block(vec![paid, spender]);
    let params = bezant_consensus::ledger::genesis::LedgerParams { coinbase_maturity: 0, ..params() };
    let result = context::connect(&block, &coins(), place(5), &params).map(|_| ());
    assert_eq!(result, of_transaction(1, TxError::MissingCoin(created)));
}

#[test]
fn a_coin_of_a_coinbase_that_exists_is_not_created_again() {
    let paid = coinbase(5, &[output(100, 9)]);
    let mut coins = coins();
    coins.insert(OutPoint { txid: paid.id(), index: 0 }, coin(1, lock(1).hash()));
    assert_eq!(connect(&block(vec![paid]), &coins, 5), Err(BlockError::CoinExists(0)));
}

#[test]
fn a_transaction_is_named_by_its_place() {
    let mut bad = payment();
    spend_mut(&mut bad, 0).lock = Lock::Opaque(lock(1).hash());
    let error = check(&block(vec![coinbase(5, &[]), bad])).unwrap_err();
    assert_eq!(error, BlockError::Transaction { index: 1, error: TxError::LockNotSatisfied(0) });
    assert!(!error.is_of_received_body_only());
    assert!(!BlockError::Header("bits".to_owned()).is_of_received_body_only());
}
