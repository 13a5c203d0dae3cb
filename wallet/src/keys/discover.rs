//! Which addresses of a mnemonic were used: asked of a node's index when a wallet is restored, or was copied.
//!
//! Addresses are derived in order, as many at a time as may lie unused in a row (the *gap*), until so many in a row are. An
//! address is used when a block of the active chain ever paid to it, or the mempool does now. A node can hide what was used
//! and can claim what was not; it is never believed into more than [`ADDRESSES_MAX`] addresses.

use crate::error::WalletError;
use crate::keys::keystore::{ADDRESSES_MAX, derive};
use crate::keys::mnemonic::Mnemonic;
use crate::session::Session;
use bezant_api::client::Client;
use bezant_api::types::{CoinsParams, HistoryParams};
use bezant_consensus::ledger::lock::Lock;
use std::ops::Range;

#[cfg(test)]
mod tests;

/// Unused addresses in a row after which none is expected any more, as all wallets do it (BIP44).
pub const GAP: usize = 20;

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Discovery {
    /// Addresses up to the last one that was used; 0 when none was.
    pub used: usize,
    /// Whether the search ended at [`ADDRESSES_MAX`].
    pub is_full: bool,
}

/// Looks for used addresses from number `from` on.
///
/// # Errors
/// When no node answers; [`WalletError::Failed`] when the nodes are of another net than the session.
///
/// # Panics
/// When `gap` is 0.
pub async fn discover(
    session: &Session,
    mnemonic: &Mnemonic,
    from: usize,
    gap: usize,
) -> Result<Discovery, WalletError> {
    assert!(gap > 0, "an unused address ends nothing");
    let client = session.client()?;
    let theirs = client.status().await?.network_id;
    if theirs != session.network().to_string() {
        return Err(WalletError::Failed(format!(
            "the node at {} is of another net (its net id is {theirs}, and {} was expected); name the right net with --net",
            client.url(),
            session.network()
        )));
    }
    search(client, mnemonic, from, gap).await
}

async fn search(client: &Client, mnemonic: &Mnemonic, from: usize, gap: usize) -> Result<Discovery, WalletError> {
    let seed = mnemonic.seed();
    let (mut used, mut next) = (0, from);
    while next < ADDRESSES_MAX {
        let range = next..(next + gap).min(ADDRESSES_MAX);
        let locks: Vec<String> = derive(seed.as_slice(), range.clone()).iter().map(text).collect();
        let Some(last) = last_used(client, &locks).await? else { break };
        used = next + last + 1;
        next = used;
    }
    Ok(Discovery { used, is_full: used == ADDRESSES_MAX })
}

fn text(lock: &Lock) -> String {
    lock.hash().to_string()
}

/// Which of these locks is the last one that was used, by halves.
async fn last_used(client: &Client, locks: &[String]) -> Result<Option<usize>, WalletError> {
    if !is_used(client, locks).await? {
        return Ok(None);
    }
    let mut range: Range<usize> = 0..locks.len();
    while range.len() > 1 {
        let middle = range.start + range.len() / 2;
        if is_used(client, &locks[middle..range.end]).await? {
            range.start = middle;
        } else {
            range.end = middle;
        }
    }
    Ok(Some(range.start))
}

/// Whether any of these locks was used.
async fn is_used(client: &Client, locks: &[String]) -> Result<bool, WalletError> {
    let history = HistoryParams { locks: locks.to_vec(), from_height: 0, limit: Some(1), from_position: 0 };
    if !client.history_page(&history).await?.entries.is_empty() {
        return Ok(true);
    }
    let coins = CoinsParams { locks: locks.to_vec(), limit: Some(1), after: None };
    let coins = client.coins_page(&coins).await?;
    Ok(!coins.coins.is_empty() || !coins.pool_coins.is_empty())
}
