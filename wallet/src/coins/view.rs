//! What a wallet has: balances, coins and addresses. All are views over what a node says now, beside what the owner said of
//! coins: which are locked ([`crate::coins::frozen`]), and what they are called ([`crate::coins::labels`]).

use crate::coins::frozen;
use crate::coins::labels::{Labelled, Labels};
use crate::coins::reads;
use crate::error::WalletError;
use crate::keys::slip10;
use crate::locks::policy::satisfy::Moment;
use crate::locks::time;
use crate::session::{Found, Session};
use bezant_api::client::Client;
use bezant_api::types::{CoinView, CoinsView, ReadLevel};
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::genesis::Genesis;
use bezant_consensus::ledger::hash::LockHash;
use bezant_consensus::ledger::lock::Lock;
use bezant_consensus::ledger::rules::context::Place;
use bezant_consensus::ledger::transaction::OutPoint;
use bezant_consensus::ledger::units::Height;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

#[cfg(test)]
mod tests;

/// `balance`; amounts in grains.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Balance {
    /// The wallet.
    pub wallet: String,
    /// Can be spent now.
    pub spendable: String,
    /// On its way in: in the mempool, or (read `final`) in blocks that are not final.
    pub pending: String,
    /// From coinbases that are too young, or with locks that nobody can open yet.
    pub immature: String,
    /// Locked by its owner.
    pub locked: String,
    /// The tip at which this holds.
    pub height: u64,
    /// How many nodes said so alike, where several were asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agreed: Option<usize>,
}

/// How sure a read has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// What one node says.
    One(ReadLevel),
    /// What enough nodes say alike, so that it was true once.
    Attested,
    /// All that was final anywhere when it was asked.
    Quorum,
}

/// What can be done with a coin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CoinState {
    /// It can be spent now.
    Spendable,
    /// It is on its way in.
    Pending,
    /// It comes from a coinbase that is too young, or time does not let its lock be opened yet, whoever has the keys.
    Immature,
    /// Its owner locked it: it is not spent unless it is named.
    Locked,
    /// A transaction in the mempool spends it.
    Leaving,
}

/// A coin of a wallet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owned {
    /// Its name.
    pub outpoint: OutPoint,
    /// How much it is.
    pub amount: Amount,
    /// Its lock.
    pub lock: LockHash,
    /// Height of its block; `None` in the mempool.
    pub height: Option<u64>,
    /// What can be done with it.
    pub state: CoinState,
}

/// One line of `utxos`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Utxo {
    /// The wallet.
    pub wallet: String,
    /// `txid:index`.
    pub outpoint: String,
    /// Grains.
    pub amount: String,
    /// Its address.
    pub address: String,
    /// Height of its block; null in the mempool.
    pub height: Option<u64>,
    /// What can be done with it.
    pub state: CoinState,
    /// What it or its address is called.
    pub label: Option<String>,
}

/// The addresses of a wallet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Addresses {
    /// The wallet.
    pub wallet: String,
    /// The newest, which is the one to give away.
    pub address: String,
    /// All, oldest first; without those that a watching copy keeps for later.
    pub addresses: Vec<String>,
    /// The path of each one's key below the wallet's secret, in the same order; null for a wallet without keys.
    pub paths: Option<Vec<String>>,
    /// What those with a label are called.
    pub labels: BTreeMap<String, String>,
}

/// One line of `list`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// Its name.
    pub wallet: String,
    /// `dev` for an account of a dev net, `watch` for a wallet without keys, else `encrypted`; `damaged` for a file that cannot be read.
    pub kind: &'static str,
    /// How many addresses it has.
    pub addresses: usize,
    /// Where its keys are below its secret, but for the last step, which is the address's number; null without keys.
    pub derivation: Option<String>,
    /// Its file.
    pub file: std::path::PathBuf,
}

/// The wallet's coins as a node sees them.
///
/// # Errors
/// When no node answers, or one says what makes no sense.
pub async fn coins(
    client: &Client,
    genesis: &Genesis,
    found: &Found,
    read: ReadLevel,
) -> Result<(u64, Vec<Owned>), WalletError> {
    let locks: Vec<String> = found.wallet.lock_hashes().iter().map(ToString::to_string).collect();
    let view = client.coins(&locks).await?;
    let frozen = frozen::list(&found.path, &genesis.network_id())?;
    Ok((view.height, classify(&view, genesis, read, &frozen)?))
}

fn classify(
    view: &CoinsView,
    genesis: &Genesis,
    read: ReadLevel,
    frozen: &BTreeSet<OutPoint>,
) -> Result<Vec<Owned>, WalletError> {
    let leaving: BTreeSet<&str> = view.spent_in_pool.iter().map(String::as_str).collect();
    let maturity = u64::from(genesis.ledger.coinbase_maturity);
    let state = |coin: &CoinView| {
        if leaving.contains(coin.outpoint.as_str()) {
            CoinState::Leaving
        } else if coin.coinbase && coin.height != 0 && coin.height + maturity > view.height + 1 {
            CoinState::Immature
        } else if read == ReadLevel::Final && coin.height > view.final_height {
            CoinState::Pending
        } else {
            CoinState::Spendable
        }
    };
    let in_chain = view.coins.iter().map(|coin| owned(coin, Some(coin.height), state(coin)));
    let in_pool = view.pool_coins.iter().map(|coin| {
        let left = leaving.contains(coin.outpoint.as_str());
        owned(coin, None, if left { CoinState::Leaving } else { CoinState::Pending })
    });
    let locked = |mut coin: Owned| {
        if frozen.contains(&coin.outpoint) && matches!(coin.state, CoinState::Spendable | CoinState::Pending) {
            coin.state = CoinState::Locked;
        }
        coin
    };
    in_chain.chain(in_pool).map(|coin| coin.map(locked)).collect()
}

fn owned(coin: &CoinView, height: Option<u64>, state: CoinState) -> Result<Owned, WalletError> {
    let nonsense = || WalletError::Failed(format!("a node gave a coin that makes no sense: {}", coin.outpoint));
    let amount = coin.amount.parse().ok().and_then(Amount::from_grains).ok_or_else(nonsense)?;
    let outpoint = outpoint(&coin.outpoint).ok_or_else(nonsense)?;
    Ok(Owned { outpoint, amount, lock: coin.lock.parse().map_err(|_| nonsense())?, height, state })
}

/// Reads `txid:index`.
#[must_use]
pub fn outpoint(text: &str) -> Option<OutPoint> {
    let (txid, index) = text.split_once(':')?;
    Some(OutPoint { txid: txid.parse().ok()?, index: index.parse().ok()? })
}

/// The coins, the height at which they are there, and how many nodes said so alike.
async fn read(session: &Session, found: &Found, read: Read) -> Result<(u64, Vec<Owned>, Option<usize>), WalletError> {
    let (height, mut coins, voices) = match read {
        Read::One(level) => {
            let (height, coins) = coins(session.client()?, session.genesis(), found, level).await?;
            (height, coins, None)
        }
        Read::Attested | Read::Quorum => {
            let agreed = match read {
                Read::Quorum => reads::quorum(session, found).await?,
                _ => reads::attested(session, found).await?,
            };
            let frozen = frozen::list(&found.path, session.network())?;
            let coins = classify(&agreed.view, session.genesis(), ReadLevel::Latest, &frozen)?;
            (agreed.view.height, coins, Some(agreed.voices))
        }
    };
    let next = time::next_block(session, height, &found.wallet.locks).await?;
    ripen(&mut coins, &found.wallet.locks, next);
    Ok((height, coins, voices))
}

/// Sets apart what nobody can spend yet. Payments see such coins as they are, to say from when they can be spent.
fn ripen(coins: &mut [Owned], locks: &[Lock], next: Place) {
    let locks: BTreeMap<LockHash, &Lock> = locks.iter().map(|lock| (lock.hash(), lock)).collect();
    for coin in coins.iter_mut().filter(|coin| matches!(coin.state, CoinState::Spendable | CoinState::Pending)) {
        let moment = Moment { next, coin: coin.height.map_or(next.height, Height) };
        if locks.get(&coin.lock).is_some_and(|lock| !time::is_ripe(lock, &moment)) {
            coin.state = CoinState::Immature;
        }
    }
}

/// `balance`.
///
/// # Errors
/// When no node answers, or too few agree.
pub async fn balance(session: &Session, found: &Found, level: Read) -> Result<Balance, WalletError> {
    let (height, coins, agreed) = read(session, found, level).await?;
    Ok(Balance { agreed, ..sum(&found.wallet.name, height, &coins) })
}

fn sum(wallet: &str, height: u64, coins: &[Owned]) -> Balance {
    let of = |state: CoinState| {
        let amounts = coins.iter().filter(|coin| coin.state == state).map(|coin| u128::from(coin.amount.grains()));
        amounts.sum::<u128>().to_string()
    };
    Balance {
        wallet: wallet.to_owned(),
        spendable: of(CoinState::Spendable),
        pending: of(CoinState::Pending),
        immature: of(CoinState::Immature),
        locked: of(CoinState::Locked),
        agreed: None,
        height,
    }
}

/// `utxos`: all coins that are not on their way out, by name.
///
/// # Errors
/// When no node answers, or too few agree.
pub async fn utxos(session: &Session, found: &Found, level: Read) -> Result<Vec<Utxo>, WalletError> {
    let (_, coins, _) = read(session, found, level).await?;
    let labels = Labels::open(&found.path, session.network())?;
    let utxo = |coin: &Owned| Utxo {
        wallet: found.wallet.name.clone(),
        outpoint: coin.outpoint.to_string(),
        amount: coin.amount.grains().to_string(),
        address: session.address(&coin.lock),
        height: coin.height,
        state: coin.state,
        label: labels.of_coin(coin.outpoint, coin.lock).map(str::to_owned),
    };
    Ok(coins.iter().filter(|coin| coin.state != CoinState::Leaving).map(utxo).collect())
}

/// `address`.
///
/// # Errors
/// When the wallet's database cannot be read.
pub fn addresses(session: &Session, found: &Found) -> Result<Addresses, WalletError> {
    let labels = Labels::open(&found.path, session.network())?;
    let (mut addresses, mut called) = (Vec::new(), BTreeMap::new());
    for lock in found.wallet.handed_out() {
        let lock = lock.hash();
        let address = session.address(&lock);
        if let Some(label) = labels.get(Labelled::Address(lock)) {
            called.insert(address.clone(), label.to_owned());
        }
        addresses.push(address);
    }
    let address = addresses.last().cloned().unwrap_or_default();
    let paths = (!found.wallet.is_watching()).then(|| (0..addresses.len()).map(slip10::address_path).collect());
    Ok(Addresses { wallet: found.wallet.name.clone(), address, addresses, labels: called, paths })
}

/// `list`.
#[must_use]
pub fn listed(found: &Found) -> Listed {
    Listed {
        wallet: found.wallet.name.clone(),
        kind: match (found.wallet.is_dev(), found.wallet.is_watching()) {
            (true, _) => "dev",
            (_, true) => "watch",
            _ => "encrypted",
        },
        addresses: found.wallet.handed_out().len(),
        derivation: (!found.wallet.is_watching()).then(slip10::account_path),
        file: found.path.clone(),
    }
}
