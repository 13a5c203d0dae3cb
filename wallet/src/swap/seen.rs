//! What a net says about one side of a swap.

use crate::error::WalletError;
use crate::swap::terms::{Side, Terms};
use bezant_api::client::{Client, ClientError};
use bezant_api::types::{CoinView, HistoryParams};
use bezant_consensus::ledger::codec::decode;
use bezant_consensus::ledger::hash::{LockHash, TxId, sha256};
use bezant_consensus::ledger::transaction::{Transaction, Witness};
use serde::Serialize;

#[cfg(test)]
mod tests;

/// Pages of a lock's history that are looked at. Two entries would do, but strangers may pay to any lock.
const PAGES_MAX: usize = 20;

/// How far a side is, in this order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Nothing was paid yet, or less than was agreed.
    Unpaid,
    /// It was paid, but that is not final yet.
    Arriving,
    /// It was paid, and that is final.
    Paid,
    /// The payee took it, and so told the secret.
    Redeemed {
        /// By this transaction.
        txid: TxId,
        /// The secret.
        secret: [u8; 32],
        /// Whether that is final.
        is_final: bool,
    },
    /// The payer took it back.
    Refunded {
        /// By this transaction.
        txid: TxId,
        /// Whether that is final.
        is_final: bool,
    },
}

impl State {
    /// In one word, for programs.
    #[must_use]
    pub fn name(&self) -> StateName {
        match self {
            State::Unpaid => StateName::Unpaid,
            State::Arriving => StateName::Arriving,
            State::Paid => StateName::Paid,
            State::Redeemed { .. } => StateName::Redeemed,
            State::Refunded { .. } => StateName::Refunded,
        }
    }
}

/// A [`State`] in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StateName {
    /// Nothing was paid yet.
    Unpaid,
    /// Paid, not final yet.
    Arriving,
    /// Paid for good.
    Paid,
    /// The payee took it.
    Redeemed,
    /// The payer took it back.
    Refunded,
}

/// Looks at a side. A node is believed, as everywhere in a wallet that asks one's own nodes; what it says has to make sense.
///
/// # Errors
/// When no node answers, or one says what makes no sense.
pub async fn look(client: &Client, terms: &Terms, side: &Side) -> Result<State, WalletError> {
    let lock = terms.lock(side).hash();
    let coins = client.coins(&[lock.to_string()]).await?;
    if let Some(coin) = coins.coins.iter().find(|coin| is_enough(coin, side)) {
        return Ok(if coin.height <= coins.final_height { State::Paid } else { State::Arriving });
    }
    if let Some(state) = spent(client, &lock, terms, side).await? {
        return Ok(state);
    }
    let is_arriving = coins.pool_coins.iter().any(|coin| is_enough(coin, side));
    Ok(if is_arriving { State::Arriving } else { State::Unpaid })
}

fn is_enough(coin: &CoinView, side: &Side) -> bool {
    coin.amount.parse::<u64>().is_ok_and(|grains| grains >= side.amount.grains())
}

/// How the coin was spent, if a block of the active chain did.
async fn spent(client: &Client, lock: &LockHash, terms: &Terms, side: &Side) -> Result<Option<State>, WalletError> {
    let (mut from_height, mut from_position) = (0, 0);
    for _ in 0..PAGES_MAX {
        let params = HistoryParams { locks: vec![lock.to_string()], from_height, limit: None, from_position };
        let page = client.history_page(&params).await?;
        for entry in page.entries.iter().filter(|entry| entry.sent != "0") {
            let transaction = match client.transaction(&entry.txid).await {
                Ok(view) => hex::decode(&view.hex).ok().and_then(|bytes| decode::<Transaction>(&bytes).ok()),
                // It left the chain in the meantime.
                Err(ClientError::NotFound(_)) => continue,
                Err(error) => return Err(error.into()),
            };
            let nonsense = || WalletError::Failed(format!("a node gave something else for transaction {}", entry.txid));
            let transaction = transaction.filter(|it| it.id().to_string() == entry.txid).ok_or_else(nonsense)?;
            if let Some(state) = taken(&transaction, lock, terms, side, entry.is_final) {
                return Ok(Some(state));
            }
        }
        match page.entries.last() {
            Some(last) if page.more => (from_height, from_position) = (last.height, last.position.saturating_add(1)),
            Some(_) | None => return Ok(None),
        }
    }
    Ok(None)
}

/// Who took the side's coin, if this transaction did.
fn taken(transaction: &Transaction, lock: &LockHash, terms: &Terms, side: &Side, is_final: bool) -> Option<State> {
    let of_side = |witness: &&Witness| match witness {
        Witness::Spend(spend) => spend.lock.hash() == *lock && spend.amount >= side.amount,
        Witness::Member { .. } => false,
    };
    let Witness::Spend(spend) = transaction.witnesses().iter().find(of_side)? else { return None };
    let txid = transaction.id();
    let secret = spend.preimages.iter().find(|preimage| sha256(&preimage[..]) == terms.hash);
    Some(match secret {
        Some(secret) => State::Redeemed { txid, secret: *secret, is_final },
        None => State::Refunded { txid, is_final },
    })
}
