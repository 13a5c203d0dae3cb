//! `testnet faucet`: pays out of coins that the genesis gives to nobody's wallet.
//!
//! The faucet's key follows from the net's seed, and it pays one grain of fee for each byte that the least fee asks for, or more.
//! Whoever asks at the same time may take the same coin; then another one is tried.

use crate::net::spec;
use bezant_api::client::Client;
use bezant_api::types::CoinsParams;
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::hash::LockHash;
use bezant_consensus::ledger::lock::Lock;
use bezant_consensus::ledger::transaction::{OutPoint, Output};
use bezant_wallet::error::WalletError;
use bezant_wallet::paying::build::{KeyCoin, transfer};
use bezant_wallet::paying::follow::{self, FollowOptions, Sent, Wait};
use bezant_wallet::paying::journal::{Attempt, Kind};
use bezant_wallet::session::Session;
use rand::seq::SliceRandom;
use serde::Serialize;
use std::time::Duration;

/// Coins that one payment may spend, at most.
const COINS_MAX: usize = 100;
/// Grains of fee for each coin that is spent, far above the least.
const FEE_PER_COIN_GRAINS: u64 = 1_000;
/// How often other coins are tried.
const TRIES: usize = 5;

/// What was paid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Paid {
    /// Grains.
    pub amount: String,
    /// How: `final` under PBFT, `included` under proof of work, where depth comes with time.
    #[serde(flatten)]
    pub sent: Sent,
}

/// A coin of the faucet.
struct Coin {
    outpoint: OutPoint,
    grains: u64,
}

/// Pays `amount` to `to`, and waits until that is final (under proof of work: in a block). The net's accounts follow from `seed`.
///
/// # Errors
/// [`WalletError::Refused`] of kind `insufficient` when the faucet has not as much; as [`follow::submit`].
pub async fn pay(
    session: &Session,
    seed: u64,
    to: LockHash,
    amount: Amount,
    timeout: Duration,
) -> Result<Paid, WalletError> {
    if amount.grains() == 0 {
        return Err(WalletError::Usage("AMOUNT: more than 0 is expected, like 12.5".to_owned()));
    }
    let client = session.client()?;
    let wait = if session.genesis().pow().is_some() { Wait::Included } else { Wait::Final };
    let options = FollowOptions { wait, confirmations: None, timeout };
    let key = spec::faucet_key(seed);
    let own = Lock::Key(key.public()).hash();
    let mut refused = None;
    for _ in 0..TRIES {
        let chosen = choose(coins(client, own).await?, amount.grains())?;
        let sum: u64 = chosen.iter().map(|coin| coin.grains).sum();
        let fee = FEE_PER_COIN_GRAINS * chosen.len() as u64;
        let grains = |grains| Amount::from_grains(grains).expect("it is no more than what genesis gave");
        let mut outputs = vec![Output { amount, lock: to }];
        let change = sum - amount.grains() - fee;
        if change > 0 {
            outputs.push(Output { amount: grains(change), lock: own });
        }
        let spent: Vec<KeyCoin<'_>> = chosen
            .iter()
            .map(|coin| KeyCoin { outpoint: coin.outpoint, amount: grains(coin.grains), key: &key })
            .collect();
        let transaction = transfer(session.network(), &spent, outputs);
        let attempt = Attempt { kind: Kind::Send, transaction, fee: grains(fee), change: grains(change) };
        match follow::submit(client, &attempt, options).await {
            // Somebody else took one of the coins.
            Err(error @ WalletError::Refused { .. }) => refused = Some(error),
            sent => return Ok(Paid { amount: amount.grains().to_string(), sent: sent? }),
        }
    }
    Err(refused.expect("it was tried"))
}

async fn coins(client: &Client, own: LockHash) -> Result<Vec<Coin>, WalletError> {
    let params = CoinsParams { locks: vec![own.to_string()], limit: None, after: None };
    let page = client.coins_page(&params).await?;
    let free = page.coins.iter().filter(|coin| !page.spent_in_pool.contains(&coin.outpoint));
    let read = free.filter_map(|coin| {
        Some(Coin { outpoint: spec::parse_outpoint(&coin.outpoint)?, grains: coin.amount.parse().ok()? })
    });
    let mut coins: Vec<Coin> = read.collect();
    // So that two that ask at once hardly take the same ones.
    coins.shuffle(&mut rand::rng());
    Ok(coins)
}

/// One coin that is enough, else as many as are.
fn choose(mut coins: Vec<Coin>, grains: u64) -> Result<Vec<Coin>, WalletError> {
    let enough = grains.saturating_add(FEE_PER_COIN_GRAINS);
    if let Some(place) = coins.iter().position(|coin| coin.grains >= enough) {
        return Ok(vec![coins.swap_remove(place)]);
    }
    coins.sort_by_key(|coin| std::cmp::Reverse(coin.grains));
    let (mut sum, mut count) = (0_u64, 0);
    while count < coins.len().min(COINS_MAX) && sum < grains.saturating_add(FEE_PER_COIN_GRAINS * count as u64) {
        sum = sum.saturating_add(coins[count].grains);
        count += 1;
    }
    if sum < grains.saturating_add(FEE_PER_COIN_GRAINS * count as u64) {
        let has = Amount::from_grains(sum.saturating_sub(FEE_PER_COIN_GRAINS * count as u64));
        let has = has.map_or_else(|| "nothing".to_owned(), |amount| format!("{amount} BZT"));
        let message =
            format!("the faucet can pay {has} at once now; ask for less, or again when its change is in a block");
        return Err(WalletError::Refused { kind: "insufficient".to_owned(), message });
    }
    coins.truncate(count);
    Ok(coins)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bezant_consensus::ledger::hash::TxId;

    fn coins(grains: &[u64]) -> Vec<Coin> {
        let coin = |(index, grains): (usize, &u64)| Coin {
            outpoint: OutPoint { txid: TxId([0; 32]), index: index as u32 },
            grains: *grains,
        };
        grains.iter().enumerate().map(coin).collect()
    }

    #[test]
    fn one_coin_is_spent_where_one_is_enough_and_no_more_than_there_are() {
        let chosen = |have: &[u64], want| {
            choose(coins(have), want).map(|coins| coins.iter().map(|coin| coin.grains).collect::<Vec<_>>())
        };
        let is_short =
            |chosen: Result<Vec<u64>, WalletError>| chosen.is_err_and(|error| error.kind() == "insufficient");
        assert_eq!(chosen(&[5_000, 90_000, 50_000], 60_000).expect("enough"), [90_000]);
        assert_eq!(chosen(&[5_000, 90_000, 50_000], 100_000).expect("enough"), [90_000, 50_000]);
        // To the grain, with the fee for each coin.
        assert_eq!(chosen(&[40_000, 50_000], 88_000).expect("enough"), [50_000, 40_000]);
        assert!(is_short(chosen(&[40_000, 50_000], 88_001)));
        assert!(is_short(chosen(&[], 1)));
        assert!(is_short(chosen(&[40_000], u64::MAX)));
    }
}
