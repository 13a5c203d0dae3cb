//! `testnet faucet`: pays out of coins that the genesis gives to nobody's wallet.
//!
//! The faucet's key follows from the net's seed, and it pays one grain of fee for each byte that the least fee asks for, or more.
//! Whoever asks at the same time may take the same coin; then another one is tried.

use crate::net::error::NetError;
use crate::net::spec;
use bezant_api::client::{Client, ClientError};
use bezant_api::manifest::Manifest;
use bezant_api::types::{CoinsParams, EngineName, TxState, TxStatus};
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::codec::encode;
use bezant_consensus::ledger::hash::{LockHash, NetworkId};
use bezant_consensus::ledger::lock::Lock;
use bezant_consensus::ledger::transaction::{OutPoint, Output};
use bezant_wallet::paying::build::{KeyCoin, transfer};
use rand::seq::SliceRandom;
use serde::Serialize;
use std::time::{Duration, Instant};

/// Coins that one payment may spend, at most.
const COINS_MAX: usize = 100;
/// Grains of fee for each coin that is spent, far above the least.
const FEE_PER_COIN_GRAINS: u64 = 1_000;
/// How often other coins are tried.
const TRIES: usize = 5;
/// Between two looks at what became of the payment.
const LOOK_INTERVAL: Duration = Duration::from_millis(25);

/// What was paid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Paid {
    /// The transaction.
    pub txid: String,
    /// Grains.
    pub amount: String,
    /// Grains.
    pub fee: String,
    /// `final` under PBFT, `included` under proof of work, where depth comes with time.
    pub status: &'static str,
    /// Height of its block.
    pub height: Option<u64>,
    /// Its block.
    pub block: Option<String>,
    /// How long it took.
    pub elapsed_ms: u64,
}

/// A coin of the faucet.
struct Coin {
    outpoint: OutPoint,
    grains: u64,
}

/// Pays `amount` to `to`, and waits until that is final (under proof of work: in a block).
///
/// # Errors
/// When the faucet has not as much, no node answers, or it does not happen in time.
pub async fn pay(
    manifest: &Manifest,
    client: &Client,
    to: LockHash,
    amount: Amount,
    timeout: Duration,
) -> Result<Paid, NetError> {
    let started = Instant::now();
    if amount.grains() == 0 {
        return Err(NetError::Usage("AMOUNT: more than 0 is expected, like 12.5".to_owned()));
    }
    let network = manifest.network_id.parse::<NetworkId>();
    let network = network.map_err(|error| NetError::Usage(format!("run.json: network_id: {error}")))?;
    let key = spec::faucet_key(manifest.seed);
    let own = Lock::Key(key.public()).hash();
    let mut refused = None;
    for _ in 0..TRIES {
        let chosen = choose(coins(manifest, client, own).await?, amount.grains())?;
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
        let transaction = transfer(&network, &spent, outputs);
        match client.submit(hex::encode(encode(&transaction))).await {
            Ok(_) => {
                let txid = transaction.id().to_string();
                let status = follow(manifest, client, &txid, timeout).await?;
                let elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
                return Ok(Paid {
                    txid,
                    amount: amount.grains().to_string(),
                    fee: fee.to_string(),
                    status: if status.state == TxState::Final { "final" } else { "included" },
                    height: status.height,
                    block: status.block,
                    elapsed_ms,
                });
            }
            // Somebody else took one of the coins.
            Err(error @ ClientError::Refused { .. }) => refused = Some(error),
            Err(error) => return Err(asked(manifest, &error)),
        }
    }
    let reason = refused.map_or_else(String::new, |error| error.to_string());
    Err(NetError::Refused(format!("the faucet's payment is refused: {reason}")))
}

async fn coins(manifest: &Manifest, client: &Client, own: LockHash) -> Result<Vec<Coin>, NetError> {
    let params = CoinsParams { locks: vec![own.to_string()], limit: None, after: None };
    let page = client.coins_page(&params).await.map_err(|error| asked(manifest, &error))?;
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
fn choose(mut coins: Vec<Coin>, grains: u64) -> Result<Vec<Coin>, NetError> {
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
        return Err(NetError::Empty(format!(
            "the faucet can pay {has} at once now; ask for less, or again when its change is in a block"
        )));
    }
    coins.truncate(count);
    Ok(coins)
}

async fn follow(manifest: &Manifest, client: &Client, txid: &str, timeout: Duration) -> Result<TxStatus, NetError> {
    let end = Instant::now() + timeout;
    loop {
        let status = client.tx_status(txid).await.map_err(|error| asked(manifest, &error))?;
        match (status.state, manifest.engine) {
            (TxState::Final, _) | (TxState::Included, EngineName::Pow) => return Ok(status),
            (TxState::Dropped, _) => {
                let reason = status.reason.unwrap_or_default();
                return Err(NetError::Refused(format!("the faucet's transaction {txid} was dropped: {reason}")));
            }
            _ if Instant::now() >= end => {
                return Err(NetError::TimedOut(format!(
                    "the faucet's transaction {txid} is not in a block after {} s; it may still come",
                    timeout.as_secs()
                )));
            }
            _ => tokio::time::sleep(LOOK_INTERVAL).await,
        }
    }
}

fn asked(manifest: &Manifest, error: &ClientError) -> NetError {
    match error {
        ClientError::Unreachable(_) => NetError::Unreachable(manifest.net.clone()),
        other => NetError::Refused(other.to_string()),
    }
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
        assert_eq!(chosen(&[5_000, 90_000, 50_000], 60_000).expect("enough"), [90_000]);
        assert_eq!(chosen(&[5_000, 90_000, 50_000], 100_000).expect("enough"), [90_000, 50_000]);
        // To the grain, with the fee for each coin.
        assert_eq!(chosen(&[40_000, 50_000], 88_000).expect("enough"), [50_000, 40_000]);
        assert!(matches!(chosen(&[40_000, 50_000], 88_001), Err(NetError::Empty(_))));
        assert!(matches!(chosen(&[], 1), Err(NetError::Empty(_))));
        assert!(matches!(chosen(&[40_000], u64::MAX), Err(NetError::Empty(_))));
    }
}
