//! Coins that their owner locked: neither chosen for payments, replacements and consolidations, nor counted as spendable.
//!
//! They are kept in the wallet's database, by net. Whoever lists the wallet's coins ([`crate::coins::view::coins`]) gets them as
//! [`crate::coins::view::CoinState::Locked`], so that nothing that chooses coins can forget to look. A payment that names one of them
//! (`--coin`) spends it. A locked coin that is spent stays on the list, where it hurts nobody: a reorg may bring it back.

use crate::error::WalletError;
use crate::store::{self, Store};
use bezant_consensus::ledger::hash::{NetworkId, TxId};
use bezant_consensus::ledger::transaction::OutPoint;
use rusqlite::params;
use std::collections::BTreeSet;
use std::path::Path;

#[cfg(test)]
mod tests;

/// Locked coins of one wallet on one net.
pub const FROZEN_MAX: usize = 10_000;

/// The coins of a wallet that are locked on a net.
///
/// # Errors
/// When the wallet's database cannot be read.
pub fn list(wallet: &Path, network: &NetworkId) -> Result<BTreeSet<OutPoint>, WalletError> {
    let store = Store::read(wallet)?;
    let read = || -> Result<BTreeSet<OutPoint>, rusqlite::Error> {
        let mut statement = store.connection.prepare("SELECT txid, place FROM frozen WHERE network = ?1")?;
        let rows =
            statement.query_map([network.0], |row| Ok(OutPoint { txid: TxId(row.get(0)?), index: row.get(1)? }))?;
        rows.collect()
    };
    read().map_err(|error| store.failed(&error))
}

/// Locks these coins, all or none; it is on the disk afterwards. Those that are locked stay so.
///
/// # Errors
/// [`WalletError::Refused`] of kind `too-many-locked`; [`WalletError::Failed`] when the database cannot be written.
pub fn lock(wallet: &Path, network: &NetworkId, coins: &[OutPoint]) -> Result<(), WalletError> {
    let mut store = Store::open(wallet)?;
    let fits = store.write(|transaction| {
        let sql = "SELECT count(*) FROM frozen WHERE network = ?1";
        let count = store::count(transaction, sql, network)?;
        let mut is_there =
            transaction.prepare("SELECT 1 FROM frozen WHERE network = ?1 AND txid = ?2 AND place = ?3")?;
        let mut fresh = BTreeSet::new();
        for coin in coins {
            if !is_there.exists(params![network.0, coin.txid.0, coin.index])? {
                fresh.insert(*coin);
            }
        }
        if count + fresh.len() > FROZEN_MAX {
            return Ok(false);
        }
        for coin in fresh {
            let sql = "INSERT INTO frozen (network, txid, place) VALUES (?1, ?2, ?3)";
            transaction.execute(sql, params![network.0, coin.txid.0, coin.index])?;
        }
        Ok(true)
    })?;
    if fits {
        return Ok(());
    }
    let message = format!(
        "more than {FROZEN_MAX} coins would be locked; `bezant wallet utxos --unlock-all` forgets those that were spent, too"
    );
    Err(WalletError::refused("too-many-locked", message))
}

/// Unlocks these coins, all or none; it is on the disk afterwards.
///
/// # Errors
/// [`WalletError::Refused`] of kind `not-locked`; [`WalletError::Failed`] when the database cannot be written.
pub fn unlock(wallet: &Path, network: &NetworkId, coins: &BTreeSet<OutPoint>) -> Result<(), WalletError> {
    let locked = list(wallet, network)?;
    if let Some(coin) = coins.iter().find(|coin| !locked.contains(coin)) {
        let message = format!("coin {coin} is not locked; `bezant wallet utxos` shows those that are");
        return Err(WalletError::refused("not-locked", message));
    }
    Store::open(wallet)?.write(|transaction| {
        let sql = "DELETE FROM frozen WHERE network = ?1 AND txid = ?2 AND place = ?3";
        coins
            .iter()
            .try_for_each(|coin| transaction.execute(sql, params![network.0, coin.txid.0, coin.index]).map(drop))
    })
}

/// Unlocks every coin of a wallet on a net; how many those were. Makes no database where there is none.
///
/// # Errors
/// When the database cannot be read or written.
pub fn unlock_all(wallet: &Path, network: &NetworkId) -> Result<usize, WalletError> {
    if list(wallet, network)?.is_empty() {
        return Ok(0);
    }
    Store::open(wallet)?.write(|transaction| transaction.execute("DELETE FROM frozen WHERE network = ?1", [network.0]))
}
