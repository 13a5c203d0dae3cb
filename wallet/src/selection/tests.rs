use super::*;
use crate::build::sizes;
use bezant_consensus::ledger::hash::TxId;
use proptest::prelude::*;

fn candidates(amounts: &[u64]) -> Vec<Candidate> {
    let candidate = |(index, grains): (usize, &u64)| Candidate {
        index,
        amount: Amount::from_grains(*grains).unwrap(),
        outpoint: OutPoint { txid: TxId::default(), index: index as u32 },
    };
    amounts.iter().enumerate().map(candidate).collect()
}

fn exactly(grains: u64) -> Sum {
    Sum::Exactly(Amount::from_grains(grains).unwrap())
}

fn kind(result: Result<Choice, WalletError>) -> String {
    result.unwrap_err().kind().to_owned()
}

proptest! {
    #[test]
    fn nothing_is_made_or_lost_and_the_fee_is_paid(
        amounts in prop::collection::vec(1u64..5_000_000, 0..80),
        wanted in 1u64..20_000_000,
        rate in 0u64..20_000,
        max in any::<bool>(),
        all in any::<bool>(),
    ) {
        let coins = candidates(&amounts);
        let sum = if max { Sum::Max } else { exactly(wanted) };
        let Ok(choice) = choose(&coins, sum, rate, all, sizes()) else {
            // Only if even all worthwhile coins do not suffice.
            let total: u64 = amounts.iter().filter(|a| all || **a > fee(sizes().input, rate)).sum();
            let count = amounts.iter().filter(|a| all || **a > fee(sizes().input, rate)).count() as u64;
            let needed = if max { 1 } else { wanted };
            prop_assert!(total < needed + fee(sizes().of(count.max(1), 1), rate));
            return Ok(());
        };
        let total: u64 = choice.coins.iter().map(|index| amounts[*index]).sum();
        prop_assert_eq!(total, choice.amount.grains() + choice.fee.grains() + choice.change.grains());
        let outputs = if choice.change == Amount::ZERO { 1 } else { 2 };
        prop_assert!(choice.fee.grains() >= fee(sizes().of(choice.coins.len() as u64, outputs), rate));
        prop_assert!(choice.change == Amount::ZERO || choice.change.grains() > fee(sizes().input, rate));
        let distinct: std::collections::BTreeSet<_> = choice.coins.iter().collect();
        prop_assert_eq!(distinct.len(), choice.coins.len());
        if max {
            prop_assert_eq!(choice.change, Amount::ZERO);
        } else {
            prop_assert_eq!(choice.amount.grains(), wanted);
        }
        if all {
            prop_assert_eq!(choice.coins.len(), amounts.len());
        }
        let again = choose(&coins, sum, rate, all, sizes()).unwrap();
        prop_assert_eq!(again, choice);
    }
}

#[test]
fn the_largest_first_and_no_more_than_needed() {
    let choice =
        choose(&candidates(&[10_000, 90_000, 50_000, 70_000]), exactly(100_000), 1_000, false, sizes()).unwrap();
    assert_eq!(choice.coins, [1, 3]);
}

#[test]
fn dust_goes_into_the_fee() {
    let least = fee(sizes().of(1, 1), 1_000);
    let choice = choose(&candidates(&[50_000 + least + 20]), exactly(50_000), 1_000, false, sizes()).unwrap();
    assert_eq!((choice.change.grains(), choice.fee.grains()), (0, least + 20));
}

#[test]
fn each_refusal_has_its_name() {
    assert_eq!(kind(choose(&candidates(&[10]), exactly(0), 1, false, sizes())), "zero-amount");
    assert_eq!(kind(choose(&candidates(&[]), exactly(1), 1, false, sizes())), "insufficient-funds");
    assert_eq!(kind(choose(&candidates(&[100_000]), exactly(100_000), 1_000, false, sizes())), "insufficient-funds");
    assert_eq!(kind(choose(&candidates(&[1]), Sum::Max, 1_000, false, sizes())), "insufficient-funds");
    let many = vec![1_000; 2_000];
    assert_eq!(kind(choose(&candidates(&many), exactly(1_500_000), 0, false, sizes())), "too-many-coins");
    assert_eq!(kind(choose(&candidates(&many), Sum::Max, 0, true, sizes())), "too-many-coins");
    let most = choose(&candidates(&many), Sum::Max, 0, false, sizes()).unwrap();
    assert_eq!(most.coins.len(), sizes().inputs_max());
    assert!(sizes().of(most.coins.len() as u64, 2) <= TRANSACTION_BYTES_MAX as u64);
}

#[test]
fn hundreds_of_thousands_of_coins_are_no_problem() {
    let many: Vec<u64> = (0..300_000).map(|i| 1_000 + i % 977).collect();
    let choice = choose(&candidates(&many), exactly(900_000), 10, false, sizes()).unwrap();
    assert!(choice.coins.len() < 500);
}
