//! Properties of amounts, locks, coins, commitments, merkle trees and whole blocks.

use crate::common::*;
use crate::strategies;
use bezant_consensus::ledger::amount::{Amount, ParseAmountError};
use bezant_consensus::ledger::coins::{Coin, Diff, DiffError};
use bezant_consensus::ledger::commitment::{Bucket, Buckets};
use bezant_consensus::ledger::hash::TxHash;
use bezant_consensus::ledger::lock::Lock;
use bezant_consensus::ledger::merkle;
use bezant_consensus::ledger::rules::{context, isolated};
use bezant_consensus::ledger::transaction::{OutPoint, Transaction};
use bezant_consensus::ledger::units::Height;
use bezant_consensus::limits::SUPPLY_MAX;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;

type CoinSet = BTreeMap<OutPoint, Coin>;

/// A few names and a few coins for each, so that the same names come and go, also with other coins.
fn small_coin(name: u8, variant: u8) -> (OutPoint, Coin) {
    (outpoint(name), Coin { height: Height(variant.into()), ..coin(u64::from(name) + 1, lock(1).hash()) })
}

fn small_set() -> impl Strategy<Value = CoinSet> {
    vec((0u8..8, 0u8..3), 0..8)
        .prop_map(|list| list.into_iter().map(|(name, variant)| small_coin(name, variant)).collect())
}

/// The change from one set to another.
fn change(from: &CoinSet, to: &CoinSet) -> Diff {
    let lacks = |set: &CoinSet, outpoint: &OutPoint, coin: &Coin| set.get(outpoint) != Some(coin);
    let only = |set: &CoinSet, other: &CoinSet| {
        let entries = set.iter().filter(|(outpoint, coin)| lacks(other, outpoint, coin));
        entries.map(|(outpoint, coin)| (*outpoint, *coin)).collect()
    };
    Diff { spent: only(from, to), created: only(to, from) }
}

proptest! {
    #[test]
    fn revert_takes_apply_back(before in small_set(), after in small_set()) {
        let diff = change(&before, &after);
        let mut coins = before.clone();
        prop_assert_eq!(diff.apply(&mut coins), Ok(()));
        prop_assert_eq!(&coins, &after);
        let mut again = coins.clone();
        prop_assert_eq!(diff.revert(&mut coins), Ok(()));
        prop_assert_eq!(&coins, &before);
        prop_assert_eq!(diff.reversed().apply(&mut again), Ok(()));
        prop_assert_eq!(&again, &before);
    }

    #[test]
    fn a_diff_that_does_not_fit_changes_nothing(before in small_set(), after in small_set(), other in small_set()) {
        let diff = change(&before, &after);
        let mut coins = other.clone();
        match diff.apply(&mut coins) {
            Err(DiffError::Missing(outpoint)) => prop_assert_ne!(other.get(&outpoint), diff.spent.get(&outpoint)),
            Err(DiffError::Present(outpoint)) => prop_assert!(other.contains_key(&outpoint)),
            Ok(()) => return Ok(()),
        }
        prop_assert_eq!(coins, other);
    }

    /// However many steps, the merged diff is exactly the net change: nothing that came and went is in it.
    #[test]
    fn merged_diffs_are_the_net_change(states in vec(small_set(), 1..6)) {
        let mut merged = Diff::default();
        let mut buckets = Buckets::of(&states[0]);
        for pair in states.windows(2) {
            merged.merge(&change(&pair[0], &pair[1]));
        }
        let (first, last) = (&states[0], &states[states.len() - 1]);
        prop_assert_eq!(&merged, &change(first, last));
        let mut coins = first.clone();
        prop_assert_eq!(merged.apply(&mut coins), Ok(()));
        prop_assert_eq!(&coins, last);
        buckets.apply(&merged);
        prop_assert_eq!(buckets, Buckets::of(last));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn the_commitment_does_not_depend_on_order(list in vec((strategies::outpoint(), strategies::coin()), 0..20), seed: u64) {
        let coins: CoinSet = list.into_iter().collect();
        let straight = Buckets::of(&coins);
        let mut shuffled: Vec<_> = coins.iter().collect();
        shuffled.sort_by_key(|(outpoint, _)| bezant_consensus::ledger::hash::sha256(&[&outpoint.txid.0[..], &seed.to_le_bytes()].concat()));
        prop_assert_eq!(Buckets::of(shuffled).commitment(), straight.commitment());
        for (outpoint, coin) in &coins {
            let other = Coin { coinbase: !coin.coinbase, ..*coin };
            let mut changed = coins.clone();
            changed.insert(*outpoint, other);
            prop_assert_ne!(Buckets::of(&changed).commitment(), straight.commitment());
        }
    }

    #[test]
    fn brought_up_to_date_or_from_scratch(states in vec(small_set(), 1..5)) {
        let mut buckets = Buckets::of(&states[0]);
        for pair in states.windows(2) {
            let diff = change(&pair[0], &pair[1]);
            buckets.apply(&diff);
            prop_assert_eq!(buckets.commitment(), Buckets::of(&pair[1]).commitment());
            let mut back = buckets.clone();
            back.apply(&diff.reversed());
            prop_assert_eq!(&back, &Buckets::of(&pair[0]));
        }
        let bytes: Vec<Bucket> = buckets.list().iter().map(|bucket| Bucket::from_bytes(&bucket.to_bytes())).collect();
        prop_assert_eq!(Buckets::from_list(bytes), Some(buckets));
    }
}

/// Why a bucket travels as an ordered list and not as a sum: copies of an invented coin vanish.
#[test]
fn sixty_five_thousand_copies_add_up_to_nothing() {
    let mut bucket = Bucket::default();
    let (outpoint, coin) = small_coin(1, 1);
    for _ in 0..=u16::MAX {
        bucket.add(&outpoint, &coin);
    }
    assert_eq!(bucket, Bucket::default());
    assert_eq!(Buckets::from_list(vec![bucket]), None);
}

proptest! {
    #[test]
    fn amounts_are_shown_and_read_back(amount in strategies::amount()) {
        let text = amount.to_string();
        prop_assert_eq!(text.parse::<Amount>(), Ok(amount));
        prop_assert!(!text.ends_with('.') && (!text.contains('.') || !text.ends_with('0')), "{}", text);
    }

    #[test]
    fn sums_are_those_of_wide_numbers(amounts in vec(strategies::amount(), 0..5)) {
        let wide: u128 = amounts.iter().map(|amount| u128::from(amount.grains())).sum();
        let sum = Amount::checked_sum(amounts).map(|amount| u128::from(amount.grains()));
        prop_assert_eq!(sum, (wide <= u128::from(SUPPLY_MAX)).then_some(wide));
    }

    #[test]
    fn text_is_an_amount_or_refused(text in "[0-9]{0,12}[.]?[0-9]{0,10}|.{0,8}") {
        if let Ok(amount) = text.parse::<Amount>() {
            let (whole, decimals) = text.split_once('.').unwrap_or((&text, "0"));
            let grains: u128 = format!("{whole}{decimals:0<8}").parse().unwrap();
            prop_assert_eq!(u128::from(amount.grains()), grains);
        }
    }

    #[test]
    fn hiding_branches_keeps_the_hash(lock in strategies::lock(), choices in vec(any::<bool>(), 64)) {
        let hidden = hide_some(&lock, &mut choices.into_iter());
        prop_assert_eq!(hidden.hash(), lock.hash());
        prop_assert!(hidden.check_shape().is_ok());
        prop_assert!(hidden.revealed_leaves().len() <= lock.revealed_leaves().len());
    }

    #[test]
    fn every_merkle_proof_verifies(count in 1usize..40, wrong in 0usize..40) {
        let leaves: Vec<TxHash> = (0..count as u8).map(|number| TxHash([number; 32])).collect();
        let root = merkle::root(&leaves);
        prop_assert!(!root.mutated);
        for (index, leaf) in leaves.iter().enumerate() {
            let proof = merkle::prove(&leaves, index).expect("there is such a leaf");
            prop_assert_eq!(proof.root_from(*leaf), Some(root.root));
            prop_assert_eq!(proof.index as usize, index);
            if wrong != index {
                prop_assert_ne!(proof.root_from(TxHash([wrong as u8; 32])), Some(root.root));
                let elsewhere = merkle::Proof { index: wrong as u32, ..proof };
                prop_assert_ne!(elsewhere.root_from(*leaf), Some(root.root), "a leaf has one place");
            }
        }
        prop_assert_eq!(merkle::prove(&leaves, count), None);
    }

    /// CVE-2012-2459: whatever tail a level repeats, the root stays and the list is seen to be mutated.
    #[test]
    fn repeated_tails_are_seen(count in 1usize..40) {
        let leaves: Vec<TxHash> = (0..count as u8).map(|number| TxHash([number; 32])).collect();
        let root = merkle::root(&leaves);
        let mut width = 1;
        while width < count {
            if (count / width) % 2 == 1 && count % width == 0 {
                let mut longer = leaves.clone();
                longer.extend_from_slice(&leaves[count - width..]);
                let mutated = merkle::root(&longer);
                prop_assert_eq!((mutated.root, mutated.mutated), (root.root, true));
                let repeat = merkle::prove(&longer, count).expect("the list is longer");
                prop_assert_eq!(repeat.root_from(longer[count]), None, "the repeated place proves nothing");
            }
            width *= 2;
        }
    }
}

#[test]
fn merkle_proofs_have_a_shape() {
    let leaf = TxHash([1; 32]);
    assert_eq!(merkle::Proof { index: 1, siblings: vec![] }.root_from(leaf), None);
    assert_eq!(merkle::Proof { index: 4, siblings: vec![[2; 32]; 2] }.root_from(leaf), None);
    assert!(merkle::Proof { index: 3, siblings: vec![[2; 32]; 2] }.root_from(leaf).is_some());
    assert!(merkle::Proof { index: 0xffff, siblings: vec![[2; 32]; 16] }.root_from(leaf).is_some());
    assert_eq!(merkle::Proof { index: 0, siblings: vec![[2; 32]; 17] }.root_from(leaf), None);
    assert_eq!(merkle::Proof { index: u32::MAX, siblings: vec![[2; 32]; 33] }.root_from(leaf), None);
}

/// The root of Bitcoin's block 100,000 (four transactions; figures of the public chain), in the order in which it is hashed.
#[test]
fn a_real_bitcoin_merkle_root() {
    let leaf = |shown: &str| {
        let mut bytes = shown.parse::<TxHash>().unwrap();
        bytes.0.reverse();
        bytes
    };
    let leaves = [
        leaf("8c14f0db3df150123e6f3dbbf30f8b955a8249b62ac1d1ff16284aefa3d06d87"),
        leaf("fff2525b8931402dd09222c50775608f75787bd2b87e56995a7bdd30f79702c4"),
        leaf("6359f0868171b1d194cbee1af2f16ea598ae8fad666d9b012c8ed2b79a236ec4"),
        leaf("e9a66845e05d5abc0ad04ec80f774a7e585c6e8db975962d069a522137b80c1d"),
    ];
    let expected = leaf("f3e94742aca4b5ef85488dc37c06c3282295ffec960994b2c0d5ac2a25a95766");
    assert_eq!(merkle::root(&leaves).root.0, expected.0);
}

#[test]
fn amounts_in_words() {
    let read = |text: &str| text.parse::<Amount>().map(Amount::grains);
    assert_eq!(read("12.5"), Ok(1_250_000_000));
    assert_eq!(read("0.00000001"), Ok(1));
    assert_eq!(read("21000000"), Ok(SUPPLY_MAX));
    assert_eq!(read("0007"), Ok(700_000_000));
    assert_eq!(read("0.000000001"), Err(ParseAmountError::TooManyDecimals));
    assert_eq!(read("1.000000000"), Err(ParseAmountError::TooManyDecimals));
    assert_eq!(read("21000000.00000001"), Err(ParseAmountError::TooLarge));
    assert_eq!(read("99999999999999999999999"), Err(ParseAmountError::TooLarge));
    assert_eq!(read("18446744073709551615"), Err(ParseAmountError::TooLarge));
    for text in ["", ".", "1.", ".5", "-1", "+1", "1e3", " 1", "1 ", "1,5", "1.2.3", "0x1", "١"] {
        assert_eq!(read(text), Err(ParseAmountError::NotANumber), "{text:?}");
    }
    assert_eq!(format!("[{:>6}|{:<6}]", grains(150_000_000), Amount::ZERO), "[   1.5|0     ]");
    assert_eq!(Amount::from_grains(SUPPLY_MAX + 1), None);
    assert_eq!(Amount::MAX.checked_add(grains(1)), None);
    assert_eq!(Amount::ZERO.checked_sub(grains(1)), None);
}

fn hide_some(lock: &Lock, choices: &mut impl Iterator<Item = bool>) -> Lock {
    if choices.next() == Some(true) {
        return Lock::Opaque(lock.hash());
    }
    match lock {
        Lock::Threshold { k, of } => {
            Lock::Threshold { k: *k, of: of.iter().map(|child| hide_some(child, choices)).collect() }
        }
        leaf => leaf.clone(),
    }
}

/// What a generated transfer does: which of the coins at hand it spends, how many outputs, and what it leaves as fee.
type Plan = (Vec<proptest::sample::Index>, Vec<u64>, u64);

fn plan() -> impl Strategy<Value = Plan> {
    (vec(any::<proptest::sample::Index>(), 1..4), vec(1u64..1_000, 1..4), 0u64..20)
}

/// A transfer of coins at hand, which are updated; all belong to key 1.
fn carry_out((choices, shares, fee): &Plan, at_hand: &mut Vec<(OutPoint, u64)>) -> Option<Transaction> {
    let mut inputs = Vec::new();
    for choice in choices.iter().filter(|_| true) {
        if !at_hand.is_empty() {
            let (outpoint, amount) = at_hand.swap_remove(choice.index(at_hand.len()));
            inputs.push(Input { outpoint, ..input(0, amount, lock(1)) });
        }
    }
    let total: u64 = inputs.iter().map(|input| input.amount.grains()).sum();
    let left = total.checked_sub(*fee)?;
    let parts = shares.len() as u64;
    let amounts: Vec<u64> = shares.iter().map(|_| left / parts).filter(|amount| *amount > 0).collect();
    let outputs: Vec<_> = amounts.iter().map(|amount| output(*amount, 1)).collect();
    if outputs.is_empty() || inputs.is_empty() {
        return None;
    }
    let transaction = transfer(&inputs, &outputs);
    for (index, amount) in amounts.into_iter().enumerate() {
        at_hand.push((OutPoint { txid: transaction.id(), index: index as u32 }, amount));
    }
    Some(transaction)
}

fn total(coins: &CoinSet) -> u64 {
    coins.values().map(|coin| coin.amount.grains()).sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// What a block leaves is what was there, plus what its coinbase pays, minus the fees; and at most a subsidy more.
    #[test]
    fn connecting_conserves_value(amounts in vec(1u64..10_000, 1..6), plans in vec(plan(), 0..5), short in 0u64..50) {
        let before: CoinSet = amounts
            .iter()
            .enumerate()
            .map(|(number, amount)| (outpoint(number as u8 + 1), coin(*amount, lock(1).hash())))
            .collect();
        let mut at_hand: Vec<_> = before.iter().map(|(outpoint, coin)| (*outpoint, coin.amount.grains())).collect();
        let transfers: Vec<Transaction> = plans.iter().map_while(|plan| carry_out(plan, &mut at_hand)).collect();
        let fees: u64 = transfers
            .iter()
            .map(|transaction| isolated::verify_transaction(&NETWORK, transaction).expect("it is sound").fee.grains())
            .sum();
        let paid = fees + 5_000 - short;
        let mut transactions = vec![coinbase(5, &[output(paid, 9)])];
        transactions.extend(transfers);
        let block = block(transactions);
        prop_assert!(isolated::check_block(&NETWORK, 1_000_000, &block).is_ok());
        let diff = context::connect(&block, &before, place(5), &params()).expect("the block is valid");

        let mut after = before.clone();
        prop_assert_eq!(diff.apply(&mut after), Ok(()));
        prop_assert_eq!(total(&after), total(&before) + paid - fees);
        prop_assert!(diff.spent.keys().all(|outpoint| !diff.created.contains_key(outpoint)));
        let mut buckets = Buckets::of(&before);
        buckets.apply(&diff);
        prop_assert_eq!(buckets.commitment(), Buckets::of(&after).commitment());
        prop_assert_eq!(diff.revert(&mut after), Ok(()));
        prop_assert_eq!(after, before);
    }
}

#[test]
fn quorums_meet_in_a_correct_member_for_every_n() {
    let mut set = pbft_genesis().validator_set();
    for n in 1..=bezant_consensus::limits::MEMBERS_MAX {
        set.members = vec![key(1).public(); n];
        let (f, q) = (set.f(), set.quorum());
        assert!(n > 3 * f && n <= 3 * f + 3);
        assert!(2 * q > n + f, "any two quorums share more than f members");
        assert!(q <= n - f, "the correct members alone are a quorum");
        assert!(n != 3 * f + 1 || q == 2 * f + 1);
    }
}
