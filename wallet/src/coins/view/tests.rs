use super::*;
use bezant_api::genesis::{ledger_defaults, pow_defaults};
use bezant_api::types::EngineName;
use bezant_consensus::ledger::genesis::{EngineParams, GENESIS_VERSION};

fn genesis() -> Genesis {
    Genesis {
        version: GENESIS_VERSION,
        salt: [0; 32],
        time: 0,
        dev: true,
        engine: EngineParams::Pow(pow_defaults(2)),
        ledger: bezant_consensus::ledger::genesis::LedgerParams {
            coinbase_maturity: 10,
            ..ledger_defaults(EngineName::Pow)
        },
        members: Vec::new(),
        allocations: Vec::new(),
    }
}

fn coin(number: u8, height: u64, coinbase: bool) -> CoinView {
    CoinView {
        outpoint: format!("{}:{number}", hex::encode([number; 32])),
        amount: format!("{}", 1u64 << number),
        lock: "00".repeat(32),
        height,
        coinbase,
    }
}

fn view() -> CoinsView {
    CoinsView {
        height: 20,
        tip: String::new(),
        final_height: 14,
        // Genesis; mature by one block; immature by one; not final; leaving.
        coins: vec![coin(0, 0, true), coin(1, 11, true), coin(2, 12, true), coin(3, 15, false), coin(4, 5, false)],
        spent_in_pool: vec![coin(4, 5, false).outpoint, coin(6, 0, false).outpoint],
        pool_coins: vec![coin(5, 0, false), coin(6, 0, false)],
        more: false,
    }
}

#[test]
fn each_coin_counts_once_and_in_its_place() {
    let latest = sum("w", 20, &classify(&view(), &genesis(), ReadLevel::Latest, &BTreeSet::new()).unwrap());
    assert_eq!((latest.spendable.as_str(), latest.pending.as_str(), latest.immature.as_str()), ("11", "32", "4"));
    let at_final = sum("w", 20, &classify(&view(), &genesis(), ReadLevel::Final, &BTreeSet::new()).unwrap());
    assert_eq!((at_final.spendable.as_str(), at_final.pending.as_str(), at_final.immature.as_str()), ("3", "40", "4"));
}

#[test]
fn coins_that_are_locked_stand_apart_unless_they_cannot_be_spent_anyway() {
    let frozen = [0, 2, 3, 4, 5].map(|number| outpoint(&coin(number, 0, false).outpoint).unwrap());
    for read in [ReadLevel::Latest, ReadLevel::Final] {
        let balance = sum("w", 20, &classify(&view(), &genesis(), read, &frozen.into()).unwrap());
        let all = [balance.spendable, balance.pending, balance.immature, balance.locked];
        assert_eq!(all, ["2", "0", "4", "41"], "{read:?}");
    }
}

#[test]
fn nonsense_from_a_node_is_an_error() {
    for wrong in [
        CoinView { amount: "-1".to_owned(), ..coin(0, 0, false) },
        CoinView { amount: u64::MAX.to_string(), ..coin(0, 0, false) },
        CoinView { outpoint: "x".to_owned(), ..coin(0, 0, false) },
        CoinView { lock: "zz".to_owned(), ..coin(0, 0, false) },
    ] {
        let view = CoinsView { coins: vec![wrong], ..view() };
        assert_eq!(classify(&view, &genesis(), ReadLevel::Latest, &BTreeSet::new()).unwrap_err().exit_status(), 1);
    }
}

#[test]
fn what_time_locks_is_immature_but_locked_and_leaving_coins_stay_so() {
    use bezant_consensus::ledger::lock::LockTime;
    let lock = Lock::After(LockTime::Height(Height(30)));
    let of = |state, lock: &Lock| Owned {
        outpoint: outpoint(&coin(1, 0, false).outpoint).unwrap(),
        amount: Amount::from_grains(1).unwrap(),
        lock: lock.hash(),
        height: Some(3),
        state,
    };
    use CoinState::{Immature, Leaving, Locked, Pending, Spendable};
    for (height, before, after) in [
        (29, Spendable, Immature),
        (29, Pending, Immature),
        (29, Locked, Locked),
        (29, Leaving, Leaving),
        (30, Spendable, Spendable),
    ] {
        let (other, next) = (Lock::Hash([1; 32]), Place { height: Height(height), time: 0 });
        let mut coins = vec![of(before, &lock), of(before, &other)];
        ripen(&mut coins, &[lock.clone(), other], next);
        assert_eq!((coins[0].state, coins[1].state), (after, before), "{height}");
    }
}
