//! Splitting the faucet's coins until there is one for each transfer, or for each account.

use crate::net::error::NetError;
use crate::net::spec;
use bezant_api::client::{Client, ClientError};
use bezant_api::manifest::Manifest;
use bezant_api::types::{CoinsParams, TxState};
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::codec::encode;
use bezant_consensus::ledger::hash::{NetworkId, TxId};
use bezant_consensus::ledger::key::SigningKey;
use bezant_consensus::ledger::lock::Lock;
use bezant_consensus::ledger::transaction::{OutPoint, Output};
use bezant_wallet::paying::build::{KeyCoin, transfer};
use std::time::Duration;
use tokio::time::Instant;

/// Outputs of one funding transaction.
const FUNDING_OUTPUTS: usize = 500;
/// Grains that a transfer pays, its fee, and what is left of a coin at the end.
pub(super) const PAID_GRAINS: u64 = 500_000;
pub(super) const FEE_GRAINS: u64 = 1_000;
const LEFT_GRAINS: u64 = 499_000;
/// How long funding may take.
const FUNDING_TIMEOUT: Duration = Duration::from_secs(300);

pub(super) fn grains(grains: u64) -> Amount {
    Amount::from_grains(grains).expect("load amounts are far below the supply")
}

/// Grains of a coin that is enough for so many transfers, each spending the change of the one before.
pub(super) fn coin_of(transfers: usize) -> u64 {
    transfers as u64 * (PAID_GRAINS + FEE_GRAINS) + LEFT_GRAINS
}

/// A coin of an account of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owned {
    pub(super) outpoint: OutPoint,
    pub(super) grains: u64,
    pub(super) account: usize,
}

/// Coins of so many grains one after another, by the transactions that made them: 40 bytes for up to [`FUNDING_OUTPUTS`] of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Coins {
    made: Vec<(TxId, u32)>,
    accounts: usize,
    each: u64,
}

impl Coins {
    /// No coin yet, of so many accounts.
    pub(super) fn of(accounts: usize, each: u64) -> Coins {
        Coins { made: Vec::new(), accounts, each }
    }

    pub(super) fn len(&self) -> usize {
        self.made.iter().map(|(_, count)| *count as usize).sum()
    }

    /// All of them, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = Owned> + '_ {
        let outpoints =
            self.made.iter().flat_map(|(txid, count)| (0..*count).map(|index| OutPoint { txid: *txid, index }));
        let owned = |(place, outpoint)| Owned { outpoint, grains: self.each, account: place % self.accounts };
        outpoints.enumerate().map(owned)
    }

    pub(super) fn add(&mut self, txid: TxId, outputs: usize) {
        self.made.push((txid, u32::try_from(outputs).expect("a transaction has few outputs")));
    }
}

/// Splits the faucet's coins until there are `count` coins of `each` grains over the accounts.
pub(super) async fn fund(
    manifest: &Manifest,
    network: &NetworkId,
    client: &Client,
    accounts: &[SigningKey],
    count: usize,
    each: u64,
) -> Result<Coins, NetError> {
    let faucet = spec::faucet_key(manifest.seed);
    let lock = Lock::Key(faucet.public()).hash();
    let until = Instant::now() + FUNDING_TIMEOUT;
    let mut funded = Coins::of(accounts.len(), each);
    while funded.len() < count {
        if Instant::now() > until {
            return Err(NetError::TimedOut("the load's accounts could not be funded in time".to_owned()));
        }
        let params = CoinsParams { locks: vec![lock.to_string()], limit: None, after: None };
        let page = client.coins_page(&params).await.map_err(|error| funding_failed(&error))?;
        let free = page.coins.iter().filter(|coin| !page.spent_in_pool.contains(&coin.outpoint));
        let mut sent = Vec::new();
        for coin in free {
            let outputs = (count - funded.len()).min(FUNDING_OUTPUTS);
            let amount: u64 = coin.amount.parse().unwrap_or(0);
            let Some((outpoint, change)) = spec::parse_outpoint(&coin.outpoint)
                .zip(amount.checked_sub(outputs as u64 * each + 100 * FEE_GRAINS).filter(|change| *change > 0))
            else {
                continue;
            };
            if outputs == 0 {
                break;
            }
            let place = |output: usize| (funded.len() + output) % accounts.len();
            let mut list: Vec<Output> = (0..outputs)
                .map(|output| Output { amount: grains(each), lock: Lock::Key(accounts[place(output)].public()).hash() })
                .collect();
            list.push(Output { amount: grains(change), lock });
            let coin = KeyCoin { outpoint, amount: grains(amount), key: &faucet };
            let transaction = transfer(network, &[coin], list);
            client.submit(hex::encode(encode(&transaction))).await.map_err(|error| funding_failed(&error))?;
            funded.add(transaction.id(), outputs);
            sent.push(transaction.id());
        }
        if sent.is_empty() && funded.len() < count {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        for txid in sent {
            await_included(client, &txid, until).await?;
        }
    }
    Ok(funded)
}

fn funding_failed(error: &ClientError) -> NetError {
    NetError::Refused(format!("funding the load's accounts failed: {error}"))
}

async fn await_included(client: &Client, txid: &TxId, until: Instant) -> Result<(), NetError> {
    loop {
        let status = client.tx_status(&txid.to_string()).await.map_err(|error| funding_failed(&error))?;
        match status.state {
            TxState::Included | TxState::Final => return Ok(()),
            TxState::Dropped => return Err(NetError::Refused(format!("funding transaction {txid} was dropped"))),
            TxState::Unknown | TxState::Pool if Instant::now() > until => {
                return Err(NetError::TimedOut(format!("funding transaction {txid} was not included in time")));
            }
            TxState::Unknown | TxState::Pool => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}
