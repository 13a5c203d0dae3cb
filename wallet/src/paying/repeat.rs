//! Safe to repeat: a payment with an id is made once. Asked for again, its transactions are followed; no new one is made.

use crate::error::WalletError;
use crate::paying::build::Sum;
use crate::paying::follow::{self, FollowOptions, Sent};
use crate::paying::journal::{Attempt, Entry, Journal, Kept, Kind};
use crate::session::Recipient;
use bezant_api::client::{Client, ClientError};
use bezant_api::types::{TxState, TxStatus};
use bezant_consensus::ledger::hash::tagged;

#[cfg(test)]
mod tests;

/// Digest of what is asked for: who gets how much, in order. Fees and coins may differ from one time to the next.
#[must_use]
pub fn asked<'a>(pays: impl IntoIterator<Item = (&'a Recipient, Sum)>) -> [u8; 32] {
    let mut bytes = Vec::new();
    for (to, sum) in pays {
        bytes.extend_from_slice(&to.lock.0);
        // No amount is so large.
        let grains = match sum {
            Sum::Exactly(amount) => amount.grains(),
            Sum::Max => u64::MAX,
        };
        bytes.extend_from_slice(&grains.to_le_bytes());
    }
    tagged("bezant/wallet-payment", &[&bytes])
}

/// The payment that was made under an id before, if there is one.
///
/// # Errors
/// [`WalletError::Refused`] of kind `id-taken` when it was another payment.
pub fn earlier(journal: &Journal, id: &str, asked: [u8; 32]) -> Result<Option<Kept>, WalletError> {
    let Some(kept) = journal.find(id)? else { return Ok(None) };
    if kept.asked == asked {
        return Ok(Some(kept));
    }
    let first = kept.attempts[0].transaction.id();
    let message = format!("id {id} belongs to another payment (transaction {first}); give this one another id");
    Err(WalletError::refused("id-taken", message))
}

/// Writes a payment down. With an id that was taken meanwhile, the payment that took it.
///
/// # Errors
/// When the journal cannot be written, and as [`earlier`].
pub fn write_down(journal: &mut Journal, entry: &Entry) -> Result<Option<Kept>, WalletError> {
    if journal.add(std::slice::from_ref(entry))? {
        return Ok(None);
    }
    let id = entry.id.as_deref().unwrap_or_default();
    let kept = earlier(journal, id, entry.asked)?;
    kept.map(Some).ok_or_else(|| WalletError::Failed(format!("the journal lost the payment with id {id}")))
}

/// Follows a payment that was written down: whichever of its transactions is in a block, else the newest, which is handed over
/// again where it is not known.
///
/// # Errors
/// [`WalletError::Refused`] of kind `cancelled` when it was taken back; else as [`follow::submit`].
pub async fn follow(client: &Client, kept: &Kept, options: FollowOptions) -> Result<Sent, WalletError> {
    let newest = kept.attempts.last().expect("a payment has a transaction");
    let attempt = placed(client, kept).await?.unwrap_or(newest);
    refuse_cancelled(attempt)?;
    match follow::deliver(client, attempt, options, true).await {
        Err(error @ WalletError::LostPlace { .. }) => match placed(client, kept).await? {
            Some(other) if other != attempt => {
                refuse_cancelled(other)?;
                follow::deliver(client, other, options, true).await
            }
            Some(_) | None => Err(error),
        },
        result => result,
    }
}

fn refuse_cancelled(attempt: &Attempt) -> Result<(), WalletError> {
    if attempt.kind != Kind::Cancel {
        return Ok(());
    }
    let txid = attempt.transaction.id();
    let message = format!("this payment was cancelled (transaction {txid}); to make it after all, give it another id");
    Err(WalletError::refused("cancelled", message))
}

/// The transaction of a payment that is in a block.
async fn placed<'a>(client: &Client, kept: &'a Kept) -> Result<Option<&'a Attempt>, WalletError> {
    for attempt in &kept.attempts {
        if status(client, &attempt.transaction.id().to_string()).await?.state >= TxState::Included {
            return Ok(Some(attempt));
        }
    }
    Ok(None)
}

/// Where a transaction is; nothing was sent by asking.
pub(crate) async fn status(client: &Client, txid: &str) -> Result<TxStatus, WalletError> {
    client.tx_status(txid).await.map_err(|error| match error {
        ClientError::Busy(message) => WalletError::Failed(message),
        error => WalletError::from(error),
    })
}
