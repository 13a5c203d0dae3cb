use super::*;
use bezant_consensus::ledger::hash::TxId;
use bezant_consensus::limits::TRANSACTION_BYTES_MAX;

const NETWORK: NetworkId = NetworkId([3; 32]);

fn key() -> SigningKey {
    SigningKey::from_seed(&[1; 32])
}

fn owned(number: usize, grains: u64, state: CoinState) -> Owned {
    Owned {
        outpoint: OutPoint { txid: TxId([1; 32]), index: u32::try_from(number).unwrap() },
        amount: Amount::from_grains(grains).unwrap(),
        lock: Lock::Key(key().public()).hash(),
        height: Some(1),
        state,
    }
}

fn coins(amounts: impl IntoIterator<Item = u64>) -> Vec<Owned> {
    amounts.into_iter().enumerate().map(|(number, grains)| owned(number, grains, CoinState::Spendable)).collect()
}

fn joined(coins: &[Owned], options: &Options) -> Result<Plan, WalletError> {
    join(&NETWORK, coins, &[key()], LockHash([9; 32]), 1_000, options)
}

fn spent(plan: &Plan) -> Vec<u32> {
    let inputs = plan.attempts.iter().flat_map(|attempt| attempt.transaction.inputs());
    let mut spent: Vec<u32> = inputs.map(|coin| coin.index).collect();
    spent.sort_unstable();
    spent
}

#[test]
fn the_smallest_that_are_worth_it_are_joined() {
    let input = fee(sizes().input, 1_000);
    let coins = coins([50_000, input, 1, input + 1, 70_000, 60_000]);
    let plan = joined(&coins, &Options::default()).unwrap();
    assert_eq!((spent(&plan), plan.coins, plan.dust, plan.saves), (vec![0, 3, 4, 5], 4, 2, 3 * input));
    let outputs = plan.attempts[0].transaction.outputs();
    assert_eq!((outputs.len(), outputs[0].lock), (1, LockHash([9; 32])));
    assert_eq!(outputs[0].amount.grains() + plan.attempts[0].fee.grains(), 180_001 + input);
    let below = Options { below: Amount::from_grains(60_000), ..Options::default() };
    assert_eq!(spent(&joined(&coins, &below).unwrap()), [0, 3]);
    let most = Options { max: Some(3), ..Options::default() };
    assert_eq!(spent(&joined(&coins, &most).unwrap()), [0, 3, 5]);
    let reserved = Options { reserved: BTreeSet::from([coins[0].outpoint]), ..Options::default() };
    assert_eq!(spent(&joined(&coins, &reserved).unwrap()), [3, 4, 5]);
}

#[test]
fn what_is_locked_or_on_its_way_is_left() {
    let states = [CoinState::Locked, CoinState::Pending, CoinState::Immature, CoinState::Leaving, CoinState::Spendable];
    let coins: Vec<Owned> =
        states.into_iter().enumerate().map(|(number, state)| owned(number, 50_000, state)).collect();
    let error = joined(&coins, &Options::default()).unwrap_err();
    assert_eq!((error.kind(), error.exit_status()), ("nothing-to-join", 3));
    assert_eq!(joined(&[], &Options::default()).unwrap_err().kind(), "nothing-to-join");
    let one = Options { max: Some(1), ..Options::default() };
    assert_eq!(joined(&coins, &one).unwrap_err().kind(), "nothing-to-join");
}

#[test]
fn many_take_several_transactions_of_bounded_size() {
    let most = inputs_max();
    for (count, transactions, taken) in [(most, 1, most), (most + 1, 1, most), (most + 2, 2, most + 2)] {
        let plan = joined(&coins(vec![50_000; count]), &Options::default()).unwrap();
        assert_eq!((plan.attempts.len(), plan.coins), (transactions, taken), "{count}");
        assert!(plan.attempts.iter().all(|attempt| attempt.transaction.bytes() <= TRANSACTION_BYTES_MAX));
        let distinct: BTreeSet<u32> = spent(&plan).into_iter().collect();
        assert_eq!(distinct.len(), taken);
    }
    let plan = joined(&coins(vec![50_000; most * (TRANSACTIONS_MAX + 1)]), &Options::default()).unwrap();
    assert_eq!(plan.attempts.len(), TRANSACTIONS_MAX);
}
