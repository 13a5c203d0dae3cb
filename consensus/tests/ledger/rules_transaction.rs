//! One negative test for every rule of a transaction; the table is checked to produce every [`TxError`] there is.

use crate::common::*;
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::codec::encode;
use bezant_consensus::ledger::coins::Coin;
use bezant_consensus::ledger::hash::{LockHash, NetworkId, SetHash, sha256};
use bezant_consensus::ledger::key::PublicKey;
use bezant_consensus::ledger::lock::{Lock, LockShapeError, LockTime};
use bezant_consensus::ledger::rules::{TxError, context, isolated};
use bezant_consensus::ledger::sighash::SighashCommon;
use bezant_consensus::ledger::transaction::{
    Body, EpochChange, MemberList, OutPoint, Spend, Transaction, Transfer, Witness,
};
use bezant_consensus::ledger::units::{Epoch, Height};
use bezant_consensus::limits::{INPUTS_MAX, MEMBERS_MAX, OUTPUTS_MAX, TRANSACTION_BYTES_MAX};
use std::collections::{BTreeMap, BTreeSet};

fn isolated(transaction: &Transaction) -> Result<Amount, TxError> {
    isolated::verify_transaction(&NETWORK, transaction).map(|checked| checked.fee)
}

fn refused(transaction: &Transaction) -> TxError {
    isolated(transaction).expect_err("the transaction breaks a rule")
}

/// Two coins of keys 1 and 2, 600 and 400 grains, to keys 3 and 4, with a fee of 10.
fn good() -> Transaction {
    transfer(&[input(1, 600, lock(1)), input(2, 400, lock(2))], &[output(700, 3), output(290, 4)])
}

fn good_coins() -> BTreeMap<OutPoint, Coin> {
    [(outpoint(1), coin(600, lock(1).hash())), (outpoint(2), coin(400, lock(2).hash()))].into()
}

fn in_context(transaction: &Transaction, coins: &BTreeMap<OutPoint, Coin>, height: u64) -> Result<Amount, TxError> {
    context::check_transaction(transaction, coins, place(height), &params())
}

#[test]
fn a_good_transfer_passes_with_its_fee() {
    assert_eq!(isolated(&good()), Ok(grains(10)));
    assert_eq!(in_context(&good(), &good_coins(), 5), Ok(grains(10)));
}

#[test]
fn sizes() {
    let inputs: Vec<Input> = (0..700u32)
        .map(|index| Input { outpoint: OutPoint { index, ..outpoint(1) }, ..input(1, 1, lock(1)) })
        .collect();
    let large = transfer(&inputs, &[output(1, 1)]);
    assert_eq!(refused(&large), TxError::TooLarge { actual: large.bytes(), allowed: TRANSACTION_BYTES_MAX });
    assert!(large.bytes() > TRANSACTION_BYTES_MAX);
    assert_eq!(refused(&sixty_four_bytes()), TxError::ForbiddenSize);
}

/// CVE-2017-12842: a transfer (broken in other ways too) whose whole encoding has 64 bytes.
fn sixty_four_bytes() -> Transaction {
    let after = |time| Lock::After(time);
    let of = vec![after(LockTime::Height(Height(1))), Lock::Older(1), after(LockTime::Time(1))];
    let lock = Lock::Threshold { k: 3, of };
    let spend = Spend { amount: grains(1), lock, signatures: vec![], preimages: vec![] };
    let body = Body::Transfer(Transfer { inputs: vec![], outputs: vec![], lock_time: LockTime::NONE });
    let transaction = Transaction::new(body, vec![Witness::Spend(spend)]);
    assert_eq!(encode(&transaction).len(), 64);
    transaction
}

#[test]
fn lists_that_are_empty_or_too_long() {
    assert_eq!(refused(&transfer(&[], &[output(1, 1)])), TxError::NoInputs);
    assert_eq!(refused(&transfer(&[input(1, 1, lock(1))], &[])), TxError::NoOutputs);
    let many = |count: usize| {
        let inputs: Vec<Input> = (0..count as u32)
            .map(|index| Input { outpoint: OutPoint { index, ..outpoint(1) }, ..input(1, 1, Lock::Older(0)) })
            .collect();
        transfer(&inputs, &[output(1, 1)])
    };
    assert!(isolated(&many(INPUTS_MAX)).is_ok());
    let error = TxError::TooMany { what: "inputs", actual: INPUTS_MAX + 1, allowed: INPUTS_MAX };
    assert_eq!(refused(&many(INPUTS_MAX + 1)), error);
    let outputs = vec![output(1, 1); OUTPUTS_MAX + 1];
    let error = TxError::TooMany { what: "outputs", actual: OUTPUTS_MAX + 1, allowed: OUTPUTS_MAX };
    assert_eq!(refused(&transfer(&[input(1, 9_999, lock(1))], &outputs)), error);
}

/// CVE-2018-17144, in isolation and, for a caller that forgot it, in context.
#[test]
fn an_input_twice() {
    let twice = transfer(&[input(1, 600, lock(1)), input(1, 600, lock(1))], &[output(1_100, 3)]);
    assert_eq!(refused(&twice), TxError::DuplicateInput(outpoint(1)));
    assert_eq!(in_context(&twice, &good_coins(), 5), Err(TxError::DuplicateInput(outpoint(1))));
}

/// CVE-2010-5139.
#[test]
fn sums_beyond_the_supply() {
    let all = bezant_consensus::limits::SUPPLY_MAX;
    let outputs = transfer(&[input(1, 600, lock(1))], &[output(all, 3), output(1, 3)]);
    assert_eq!(refused(&outputs), TxError::SumTooLarge);
    let inputs = transfer(&[input(1, all, lock(1)), input(2, 1, lock(2))], &[output(5, 3)]);
    assert_eq!(refused(&inputs), TxError::SumTooLarge);
    let wraps = transfer(&[input(1, 600, lock(1))], &vec![output(all, 3); 900]);
    assert_eq!(refused(&wraps), TxError::SumTooLarge);
}

#[test]
fn amounts_that_do_not_fit() {
    assert_eq!(refused(&transfer(&[input(1, 600, lock(1))], &[output(5, 3), output(0, 3)])), TxError::ZeroOutput(1));
    let more = transfer(&[input(1, 600, lock(1))], &[output(601, 3)]);
    let error = TxError::OutputsExceedInputs { outputs: grains(601), inputs: grains(600) };
    assert_eq!(refused(&more), error);
    assert_eq!(in_context(&more, &good_coins(), 5), Err(error), "also where real coins are counted");
}

#[test]
fn witnesses_that_do_not_fit() {
    let mut missing = good();
    missing.witnesses_mut().pop();
    assert_eq!(refused(&missing), TxError::WitnessCount { actual: 1, expected: 2 });
    let mut extra = good();
    extra.witnesses_mut().push(good().witnesses()[0].clone());
    assert_eq!(refused(&extra), TxError::WitnessCount { actual: 3, expected: 2 });
    let mut kind = good();
    kind.witnesses_mut()[1] = Witness::Member { member: 0, signature: key(1).sign(b"x") };
    assert_eq!(refused(&kind), TxError::WitnessCount { actual: 2, expected: 2 });
    assert_eq!(in_context(&kind, &good_coins(), 5), Err(TxError::WitnessMismatch(1)));

    let mut unsigned = good();
    spend_mut(&mut unsigned, 1).signatures.clear();
    assert_eq!(refused(&unsigned), TxError::WitnessMismatch(1));
    let mut signed_twice = good();
    let signature = spend_mut(&mut signed_twice, 0).signatures[0];
    spend_mut(&mut signed_twice, 0).signatures.push(signature);
    assert_eq!(refused(&signed_twice), TxError::WitnessMismatch(0));
    let mut stuffed = good();
    spend_mut(&mut stuffed, 0).preimages.push([0; 32]);
    assert_eq!(refused(&stuffed), TxError::WitnessMismatch(0), "nothing may be given that is not needed");
}

#[test]
fn preimages_that_do_not_open() {
    let lock = Lock::Hash(sha256(&[5; 32]));
    let with = |preimages: Vec<[u8; 32]>| {
        let input = Input { preimages, ..input(1, 10, lock.clone()) };
        isolated(&transfer(&[input], &[output(10, 1)]))
    };
    assert_eq!(with(vec![[5; 32]]), Ok(Amount::ZERO));
    assert_eq!(with(vec![]), Err(TxError::WitnessMismatch(0)));
    assert_eq!(with(vec![[6; 32]]), Err(TxError::WitnessMismatch(0)));
    assert_eq!(with(vec![[5; 32], [5; 32]]), Err(TxError::WitnessMismatch(0)));
}

#[test]
fn lock_shapes() {
    let nest = |depth: usize| (1..depth).fold(Lock::Older(1), |lock, _| Lock::Threshold { k: 1, of: vec![lock] });
    let wide = |nodes: usize| {
        let fifteen = || Lock::Threshold { k: 1, of: vec![Lock::Older(1); 15] };
        let mut of: Vec<Lock> = vec![fifteen(), fifteen(), fifteen()];
        of.resize_with(nodes - 1 - 45, || Lock::Older(1));
        Lock::Threshold { k: 1, of }
    };
    let shape = |lock: Lock| match isolated(&transfer(&[input(1, 10, lock)], &[output(10, 1)])) {
        Err(TxError::LockShape { input: 0, error }) => Some(error),
        _ => None,
    };
    assert_eq!(shape(nest(8)), None);
    assert_eq!(shape(nest(9)), Some(LockShapeError::TooDeep));
    assert_eq!(shape(wide(60)), None);
    let sixty_five =
        Lock::Threshold { k: 1, of: vec![wide(60), Lock::Older(1), Lock::Older(1), Lock::Older(1), Lock::Older(1)] };
    assert_eq!(shape(sixty_five), Some(LockShapeError::TooManyNodes));
    for (k, n) in [(0, 1), (0, 0), (1, 0), (2, 1), (17, 16), (1, 17)] {
        let of = vec![Lock::Older(1); n];
        assert_eq!(shape(Lock::Threshold { k, of }), Some(LockShapeError::Threshold { k, n }));
    }
}

#[test]
fn branches_that_are_not_revealed_exactly() {
    let opaque = |number: u8| Lock::Opaque(lock(number).hash());
    let two_of_three = |of: [Lock; 3]| {
        let lock = Lock::Threshold { k: 2, of: of.into() };
        isolated(&transfer(&[input(1, 10, lock)], &[output(10, 1)]))
    };
    assert_eq!(two_of_three([lock(1), opaque(2), lock(3)]), Ok(Amount::ZERO));
    assert_eq!(two_of_three([lock(1), opaque(2), opaque(3)]), Err(TxError::LockNotSatisfied(0)), "too few");
    assert_eq!(two_of_three([lock(1), lock(2), lock(3)]), Err(TxError::LockNotSatisfied(0)), "too many");
    let unused_inside = Lock::Threshold { k: 1, of: vec![opaque(3)] };
    assert_eq!(
        two_of_three([lock(1), lock(2), unused_inside]),
        Err(TxError::LockNotSatisfied(0)),
        "not opaque as a whole"
    );
    let hidden = transfer(&[input(1, 10, Lock::Opaque(LockHash([1; 32])))], &[output(10, 1)]);
    assert_eq!(refused(&hidden), TxError::LockNotSatisfied(0));
}

#[test]
fn a_signature_serves_one_network_amount_output_and_input_only() {
    let bad = |tamper: fn(&mut Transaction)| {
        let mut transaction = good();
        tamper(&mut transaction);
        refused(&transaction)
    };
    assert_eq!(bad(|tx| transfer_mut(tx).outputs[0] = output(701, 3)), TxError::BadSignature(0));
    assert_eq!(bad(|tx| transfer_mut(tx).outputs[0] = output(700, 9)), TxError::BadSignature(0));
    assert_eq!(bad(|tx| transfer_mut(tx).lock_time = LockTime::Time(1)), TxError::BadSignature(0));
    assert_eq!(bad(|tx| transfer_mut(tx).inputs[1] = outpoint(9)), TxError::BadSignature(0));
    assert_eq!(bad(|tx| spend_mut(tx, 1).amount = grains(401)), TxError::BadSignature(0), "a lie about the fee");
    assert_eq!(bad(|tx| spend_mut(tx, 1).lock = lock(5)), TxError::BadSignature(0), "a lie about a lock");
    assert_eq!(bad(|tx| spend_mut(tx, 1).signatures[0].0[63] ^= 1), TxError::BadSignature(1));
    let elsewhere = isolated::verify_transaction(&NetworkId([0x78; 32]), &good());
    assert_eq!(elsewhere.map(|checked| checked.fee), Err(TxError::BadSignature(0)));
}

/// One key under two inputs of one amount and lock: the signature of the first does not serve the second.
#[test]
fn a_signature_cannot_move_to_another_input() {
    let mut twins = transfer(&[input(1, 500, lock(1)), input(2, 500, lock(1))], &[output(1_000, 3)]);
    assert!(isolated(&twins).is_ok());
    let first = spend_mut(&mut twins, 0).signatures[0];
    spend_mut(&mut twins, 1).signatures[0] = first;
    assert_eq!(refused(&twins), TxError::BadSignature(1));
}

/// One key in two branches: what was signed for one does not serve the other, nor the same branch beside another leaf.
#[test]
fn a_signature_cannot_move_to_another_branch() {
    let policy = |left: bool| {
        let branch = |leaf: Lock, shown: bool| {
            let whole = Lock::Threshold { k: 2, of: vec![lock(1), leaf] };
            if shown { whole } else { Lock::Opaque(whole.hash()) }
        };
        Lock::Threshold { k: 1, of: vec![branch(Lock::Older(3), left), branch(Lock::Older(5), !left)] }
    };
    assert_eq!(policy(true).hash(), policy(false).hash());
    let mut through_left = transfer(&[input(1, 10, policy(true))], &[output(10, 1)]);
    let through_right = transfer(&[input(1, 10, policy(false))], &[output(10, 1)]);
    assert!(isolated(&through_left).is_ok() && isolated(&through_right).is_ok());
    spend_mut(&mut through_left, 0).lock = policy(false);
    assert_eq!(refused(&through_left), TxError::BadSignature(0));

    let one_of = |shown: usize| {
        let leaves = [Lock::Older(3), Lock::Older(5)];
        let hide = |(place, leaf): (usize, Lock)| if place == shown { leaf } else { Lock::Opaque(leaf.hash()) };
        let either = Lock::Threshold { k: 1, of: leaves.into_iter().enumerate().map(hide).collect() };
        Lock::Threshold { k: 2, of: vec![lock(1), either] }
    };
    let mut beside_three = transfer(&[input(1, 10, one_of(0))], &[output(10, 1)]);
    assert!(isolated(&beside_three).is_ok());
    spend_mut(&mut beside_three, 0).lock = one_of(1);
    assert_eq!(refused(&beside_three), TxError::BadSignature(0), "the key's path is the same, the other leaf is not");
}

#[test]
fn an_unacceptable_key_signs_nothing() {
    let mut transaction = transfer(&[input(1, 10, lock(1))], &[output(10, 1)]);
    let zero = Lock::Key(PublicKey([0; 32]));
    spend_mut(&mut transaction, 0).lock = zero;
    spend_mut(&mut transaction, 0).signatures[0].0 = [0; 64];
    assert_eq!(refused(&transaction), TxError::BadSignature(0));
}

/// The id covers the body only, the hash all: signing again changes the hash and never the id.
#[test]
fn the_id_does_not_cover_witnesses() {
    let (first, mut second) = (good(), good());
    spend_mut(&mut second, 0).signatures[0].0[0] ^= 1;
    assert_eq!(first.id(), second.id());
    assert_ne!(first.hash(), second.hash());
    transfer_mut(&mut second).outputs[0] = output(1, 1);
    assert_ne!(first.id(), second.id());
}

/// Linear, not quadratic: the part that covers the body is hashed once.
#[test]
fn digests_differ_by_index_and_path_only_through_the_common_part() {
    let body = good().body().clone();
    let common = SighashCommon::new(&NETWORK, &body, &[(grains(600), lock(1).hash()), (grains(400), lock(2).hash())]);
    let all = [
        common.digest(0, &[], &lock(1)),
        common.digest(1, &[], &lock(1)),
        common.digest(0, &[0], &lock(1)),
        common.digest(0, &[0, 0], &lock(1)),
        common.digest(0, &[], &Lock::Older(1)),
    ];
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
}

#[test]
fn a_coinbase_alone_is_refused() {
    assert_eq!(refused(&coinbase(5, &[])), TxError::Coinbase);
    assert_eq!(in_context(&coinbase(5, &[]), &good_coins(), 5), Err(TxError::Coinbase));
}

fn epoch(change: EpochChange, members: &[u16]) -> Transaction {
    let witness = |member: &u16| Witness::Member { member: *member, signature: key(1).sign(b"any") };
    Transaction::new(Body::Epoch(change), members.iter().map(witness).collect())
}

fn members(members: Vec<PublicKey>) -> EpochChange {
    EpochChange::Members { set: SetHash([1; 32]), members: MemberList(members) }
}

#[test]
fn epoch_changes() {
    let one = || members(vec![key(1).public()]);
    let readmit = |member| EpochChange::Readmit { epoch: Epoch(0), member, nonce: [1; 32] };
    assert_eq!(isolated(&epoch(one(), &[0, 2, 3])), Ok(Amount::ZERO));
    assert_eq!(isolated(&epoch(readmit(key(1).public()), &[2])), Ok(Amount::ZERO));
    let bad = [
        epoch(one(), &[]),
        epoch(one(), &[1, 1]),
        epoch(one(), &[2, 1]),
        epoch(members(vec![]), &[0]),
        epoch(members(vec![key(1).public(); 2]), &[0]),
        epoch(members(vec![PublicKey([0; 32])]), &[0]),
        epoch(readmit(key(1).public()), &[0, 1]),
        epoch(readmit(PublicKey([0; 32])), &[0]),
        Transaction::new(epoch(one(), &[]).body().clone(), good().witnesses().to_vec()),
    ];
    for transaction in bad {
        assert_eq!(refused(&transaction).kind(), "tx-epoch-change");
    }
    let signers: Vec<u16> = (0..=MEMBERS_MAX as u16).collect();
    assert_eq!(refused(&epoch(one(), &signers)).kind(), "tx-too-many");
    assert_eq!(
        in_context(&epoch(one(), &[0]), &good_coins(), 5),
        Ok(Amount::ZERO),
        "whether it may be is the engine's to say"
    );
}

#[test]
fn coins_that_are_not_there_or_are_others() {
    let mut coins = good_coins();
    coins.remove(&outpoint(2));
    assert_eq!(in_context(&good(), &coins, 5), Err(TxError::MissingCoin(outpoint(2))));
    coins.insert(outpoint(2), coin(401, lock(2).hash()));
    assert_eq!(in_context(&good(), &coins, 5), Err(TxError::CoinMismatch(1)));
    coins.insert(outpoint(2), coin(400, lock(1).hash()));
    assert_eq!(in_context(&good(), &coins, 5), Err(TxError::CoinMismatch(1)));
}

#[test]
fn a_coinbase_must_mature_but_genesis_need_not() {
    let with = |height, at| {
        let coin = Coin { height: Height(height), coinbase: true, ..coin(600, lock(1).hash()) };
        let coins: BTreeMap<_, _> = [(outpoint(1), coin)].into();
        in_context(&transfer(&[input(1, 600, lock(1))], &[output(600, 3)]), &coins, at)
    };
    let error = TxError::Immature { outpoint: outpoint(1), from: Height(17) };
    assert_eq!(with(7, 16), Err(error));
    assert_eq!(with(7, 17), Ok(Amount::ZERO));
    assert_eq!(with(0, 1), Ok(Amount::ZERO));
    assert!(with(u64::MAX, u64::MAX - 1).is_err(), "no overflow");
}

#[test]
fn lock_times() {
    let at = |lock_time, height| {
        let transaction = transfer_at(lock_time, &[input(1, 600, lock(1))], &[output(600, 3)]);
        in_context(&transaction, &good_coins(), height)
    };
    let locked = |until| Err(TxError::Locked { until });
    assert_eq!(at(LockTime::Height(Height(6)), 5), locked(LockTime::Height(Height(6))));
    assert_eq!(at(LockTime::Height(Height(6)), 6), Ok(Amount::ZERO));
    let now = place(5).time;
    assert_eq!(at(LockTime::Time(now + 1), 5), locked(LockTime::Time(now + 1)));
    assert_eq!(at(LockTime::Time(now), 5), Ok(Amount::ZERO));
}

/// Without a wildcard, so that a new variant asks for its test here and above.
fn all_kinds(error: &TxError) -> [&'static str; 21] {
    match error {
        TxError::TooLarge { .. }
        | TxError::ForbiddenSize
        | TxError::TooMany { .. }
        | TxError::NoInputs
        | TxError::NoOutputs
        | TxError::DuplicateInput(_)
        | TxError::ZeroOutput(_)
        | TxError::SumTooLarge
        | TxError::OutputsExceedInputs { .. }
        | TxError::WitnessCount { .. }
        | TxError::LockShape { .. }
        | TxError::LockNotSatisfied(_)
        | TxError::WitnessMismatch(_)
        | TxError::BadSignature(_)
        | TxError::Coinbase
        | TxError::EpochChange(_)
        | TxError::OtherEpoch
        | TxError::MissingCoin(_)
        | TxError::CoinMismatch(_)
        | TxError::Immature { .. }
        | TxError::Locked { .. } => [
            "tx-too-large",
            "tx-forbidden-size",
            "tx-too-many",
            "tx-no-inputs",
            "tx-no-outputs",
            "tx-duplicate-input",
            "tx-zero-output",
            "tx-sum-too-large",
            "tx-outputs-exceed-inputs",
            "tx-witness-count",
            "tx-lock-shape",
            "tx-lock-not-satisfied",
            "tx-witness-mismatch",
            "tx-bad-signature",
            "tx-coinbase",
            "tx-epoch-change",
            "tx-other-epoch",
            "tx-missing-coin",
            "tx-coin-mismatch",
            "tx-immature",
            "tx-locked",
        ],
    }
}

#[test]
fn kinds_are_stable_and_distinct() {
    let kinds = all_kinds(&TxError::NoInputs);
    assert_eq!(kinds.iter().collect::<BTreeSet<_>>().len(), kinds.len());
    assert_eq!(TxError::NoInputs.kind(), "tx-no-inputs");
    assert!(TxError::MissingCoin(outpoint(1)).may_pass_later() && !TxError::NoInputs.may_pass_later());
}
