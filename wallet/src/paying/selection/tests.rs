use super::*;
use crate::paying::build::sizes;
use bezant_consensus::ledger::hash::TxId;
use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;

fn candidates(amounts: &[u64]) -> Vec<Candidate> {
    uneven(amounts, 0)
}

/// Every second and third coin takes more bytes to spend.
fn uneven(amounts: &[u64], more: u64) -> Vec<Candidate> {
    let candidate = |(index, grains): (usize, &u64)| Candidate {
        index,
        amount: Amount::from_grains(*grains).unwrap(),
        outpoint: OutPoint { txid: TxId::default(), index: index as u32 },
        bytes: sizes().input + more * (index % 3) as u64,
    };
    amounts.iter().enumerate().map(candidate).collect()
}

fn load(coins: &[Candidate], chosen: &[usize]) -> Load {
    chosen.iter().fold(Load::default(), |load, index| load.and(coins[*index].bytes))
}

fn exactly(grains: u64) -> Sum {
    Sum::Exactly(Amount::from_grains(grains).unwrap())
}

fn want(sum: Sum, rate: u64) -> Want {
    Want { sum, recipients: 1, rate, long_rate: 0, all: false }
}

fn drawn(coins: &[Candidate], want: &Want, seed: u64) -> Result<Choice, WalletError> {
    choose(coins, want, sizes(), &mut StdRng::seed_from_u64(seed))
}

/// Whether a set of coins pays without change, as the rules of a choice have it, and what that wastes: tried for every set.
fn least_waste_of_all(coins: &[Candidate], search: &Search<'_>) -> Option<u128> {
    let worthy = worthy(coins, search);
    let waste = |set: u32| {
        let chosen: Vec<&Candidate> =
            (0..worthy.len()).filter(|index| set >> index & 1 == 1).map(|index| worthy[index]).collect();
        let (choice, load) = search.everything(&chosen)?;
        (choice.change == Amount::ZERO).then(|| search.waste(&choice, load))
    };
    (1..1u32 << worthy.len()).filter_map(waste).min()
}

fn worthy<'a>(coins: &'a [Candidate], search: &Search<'_>) -> Vec<&'a Candidate> {
    let is_worthy = |coin: &&Candidate| coin.amount.grains() > fee(coin.bytes, search.want.rate);
    let mut coins: Vec<&Candidate> = coins.iter().filter(is_worthy).collect();
    coins.sort_by_key(|coin| (Reverse(search.value(coin)), coin.outpoint));
    coins
}

proptest! {
    #[test]
    fn nothing_is_made_or_lost_and_the_fee_is_paid(
        amounts in prop::collection::vec(1u64..5_000_000, 0..80),
        wanted in 1u64..20_000_000,
        recipients in 1u64..40,
        rate in 0u64..20_000,
        max in any::<bool>(),
        all in any::<bool>(),
        more in prop_oneof![Just(0u64), 1u64..400],
        seed in any::<u64>(),
    ) {
        let coins = uneven(&amounts, more);
        let sum = if max { Sum::Max } else { exactly(wanted) };
        let want = Want { sum, recipients, rate, long_rate: rate / 2, all };
        let Ok(choice) = drawn(&coins, &want, seed) else {
            // Only if even all worthwhile coins do not suffice.
            let worthy = coins.iter().filter(|coin| all || coin.amount.grains() > fee(coin.bytes, rate));
            let (total, bytes) = worthy.fold((0, 0), |sum, coin| (sum.0 + coin.amount.grains(), sum.1 + coin.bytes));
            let needed = if max { 1 } else { wanted };
            prop_assert!(total < needed + fee(sizes().with(bytes.max(sizes().input), recipients), rate));
            return Ok(());
        };
        let total: u64 = choice.coins.iter().map(|index| amounts[*index]).sum();
        prop_assert_eq!(total, choice.amount.grains() + choice.fee.grains() + choice.change.grains());
        let outputs = if choice.change == Amount::ZERO { recipients } else { recipients + 1 };
        prop_assert!(choice.fee.grains() >= fee(sizes().with(load(&coins, &choice.coins).bytes, outputs), rate));
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
        prop_assert_eq!(drawn(&coins, &want, seed).unwrap(), choice);
    }

    #[test]
    fn branch_and_bound_finds_what_trying_everything_finds(
        // Few different amounts and small ones, so that sums often meet.
        amounts in prop::collection::vec(prop_oneof![1u64..400, (1u64..30).prop_map(|n| n * 100)], 0..11),
        wanted in 1u64..8_000,
        recipients in 1u64..4,
        rate in 0u64..3_000,
        long_rate in 0u64..3_000,
        more in prop_oneof![Just(0u64), 1u64..400],
        seed in any::<u64>(),
    ) {
        let coins = uneven(&amounts, more);
        let want = Want { sum: exactly(wanted), recipients, rate, long_rate, all: false };
        let search = Search { want: &want, sizes: sizes() };
        let waste = |found: (Choice, Load)| search.waste(&found.0, found.1);
        let found = search.changeless(&worthy(&coins, &search), TRIES_MAX).map(waste);
        prop_assert_eq!(found, least_waste_of_all(&coins, &search));
        let draw = search.draw(&worthy(&coins, &search), &mut StdRng::seed_from_u64(seed));
        let chosen = drawn(&coins, &want, seed).ok();
        prop_assert_eq!(chosen.is_some(), draw.is_some() || found.is_some());
        if let (Some(chosen), Some(draw)) = (chosen, draw) {
            let chosen_load = load(&coins, &chosen.coins);
            prop_assert!(search.waste(&chosen, chosen_load) <= waste(draw));
        }
    }
}

/// Inputs of a single key that fit beside one recipient and change.
fn inputs_max() -> usize {
    let is_too_much =
        |inputs: &usize| !sizes().fits(Load { inputs: *inputs, bytes: *inputs as u64 * sizes().input }, 1);
    (0..).find(is_too_much).unwrap() - 1
}

#[test]
fn coins_that_fit_need_no_change() {
    let least = fee(sizes().of(2, 1), 1_000);
    let coins = candidates(&[10_000, 90_000, 50_000, 70_000 + least, 3_000]);
    for seed in 0..20 {
        let choice = drawn(&coins, &want(exactly(120_000), 1_000), seed).unwrap();
        assert_eq!((choice.coins, choice.change), (vec![3, 2], Amount::ZERO));
    }
}

#[test]
fn the_draw_decides_when_nothing_fits() {
    let coins = candidates(&[1_000_000; 50]);
    let chosen = |seed| drawn(&coins, &want(exactly(1_500_000), 1_000), seed).unwrap();
    assert_eq!(chosen(1), chosen(1));
    assert_eq!(chosen(1).coins.len(), 2);
    assert!((2..20).any(|seed| chosen(seed).coins != chosen(1).coins), "it is random");
}

#[test]
fn dear_bytes_are_saved() {
    // Two coins fit exactly, one does with change: at a high rate the second input costs more than the change.
    let coins = candidates(&[60_000 + fee(sizes().of(2, 1), 10_000), 40_000]);
    let quiet = Want { long_rate: 10_000, ..want(exactly(100_000), 10_000) };
    assert_eq!(drawn(&coins, &quiet, 1).unwrap().change, Amount::ZERO);
    let coins = candidates(&[60_000 + fee(sizes().of(2, 1), 10_000), 40_000, 2_000_000]);
    for seed in 0..20 {
        let busy = drawn(&coins, &want(exactly(100_000), 10_000), seed).unwrap();
        let search = Search { want: &want(exactly(100_000), 10_000), sizes: sizes() };
        let two = Load { inputs: 2, bytes: 2 * sizes().input };
        let waste = search.waste(&busy, load(&coins, &busy.coins));
        assert!(waste <= search.inputs_waste(two), "seed {seed}: {busy:?}");
    }
}

#[test]
fn dust_goes_into_the_fee() {
    let least = fee(sizes().of(1, 1), 1_000);
    let choice = drawn(&candidates(&[50_000 + least + 20]), &want(exactly(50_000), 1_000), 1).unwrap();
    assert_eq!((choice.change.grains(), choice.fee.grains()), (0, least + 20));
}

#[test]
fn each_refusal_has_its_name() {
    let kind = |amounts: &[u64], sum: Sum, rate: u64, all: bool| {
        let result = drawn(&candidates(amounts), &Want { all, ..want(sum, rate) }, 1);
        result.unwrap_err().kind().to_owned()
    };
    assert_eq!(kind(&[10], exactly(0), 1, false), "zero-amount");
    assert_eq!(kind(&[], exactly(1), 1, false), "insufficient-funds");
    assert_eq!(kind(&[100_000], exactly(100_000), 1_000, false), "insufficient-funds");
    assert_eq!(kind(&[1], Sum::Max, 1_000, false), "insufficient-funds");
    let many = vec![1_000; 2_000];
    assert_eq!(kind(&many, exactly(1_500_000), 0, false), "too-many-coins");
    assert_eq!(kind(&many, exactly(2_500_000), 0, false), "insufficient-funds");
    assert_eq!(kind(&many, Sum::Max, 0, true), "too-many-coins");
    let most = drawn(&candidates(&many), &want(Sum::Max, 0), 1).unwrap();
    assert_eq!(most.coins.len(), inputs_max());
    assert!(sizes().of(most.coins.len() as u64, 2) <= TRANSACTION_BYTES_MAX as u64);
}

#[test]
fn of_too_many_drawn_the_largest_stay() {
    let mut amounts = vec![1_000; 5_000];
    amounts.extend([5_000_000; 3]);
    let choice = drawn(&candidates(&amounts), &want(exactly(15_100_000), 0), 7).unwrap();
    assert!(choice.coins.len() <= inputs_max(), "{}", choice.coins.len());
}

/// Sets of coins that make careless searches take 2^N steps.
#[test]
fn no_set_of_coins_makes_it_slow() {
    let powers: Vec<u64> = (0..40).map(|bit| (1u64 << bit) + (1 << 41)).collect();
    let even: Vec<u64> = (0..100_000).map(|index| 100_000 + 2 * index).collect();
    let spread: Vec<u64> = (0..100_000).map(|index| 1_000 + (index * 7_919) % 1_000_003).collect();
    let same = vec![5_000_000; 100_000];
    for (name, amounts, wanted) in [
        ("powers of two", powers, 20 * (1u64 << 41) + 12_345),
        ("even amounts, an odd sum", even, 20_000_001),
        ("spread", spread, 50_000_000),
        ("all the same", same, 777_777_777),
    ] {
        let coins = candidates(&amounts);
        let begin = std::time::Instant::now();
        let choice = drawn(&coins, &Want { long_rate: 1_000, ..want(exactly(wanted), 1_000) }, 1).unwrap();
        println!("{name}: {} of {} coins in {:?}", choice.coins.len(), amounts.len(), begin.elapsed());
        assert!(choice.coins.len() <= inputs_max());
    }
}
