//! Following: a transaction is handed over and stayed with until it is where it should be.
//!
//! Following lives off the event stream, which is subscribed to *before* the transaction is handed over, so that nothing is
//! missed; what counts is what `tx_status` says. When the node goes, the next one is asked, and told the transaction again.

use crate::error::WalletError;
use crate::paying::journal::Attempt;
use bezant_api::client::{Client, ClientError, News};
use bezant_api::event::EventKind;
use bezant_api::types::{TxState, TxStatus};
use bezant_consensus::ledger::codec::encode;
use serde::Serialize;
use std::time::{Duration, Instant};
use tokio::time::timeout;

#[cfg(test)]
mod tests;

/// A node may say "block" a moment before its own index knows the transactions in it, so its word is asked for again after this.
const RECHECK: Duration = Duration::from_secs(1);
/// Between two questions to nodes that have too much to do, or do not know it.
const BUSY_PAUSE: Duration = Duration::from_millis(250);
/// Rounds in which nodes that do not know the transaction refuse it before it counts as lost; one may be catching up.
const REFUSALS_MAX: usize = 4;

/// How long to wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wait {
    /// Until a node has it.
    None,
    /// Until it is in that node's mempool.
    Pool,
    /// Until it is in a block of the active chain.
    Included,
    /// Until that block is final.
    #[default]
    Final,
}

/// How to follow what was sent.
#[derive(Clone, Copy, Debug)]
pub struct FollowOptions {
    /// Until when.
    pub wait: Wait,
    /// Confirmations that count as final for this call; the net's `final_depth` unless given.
    pub confirmations: Option<u64>,
    /// For how long at most.
    pub timeout: Duration,
}

/// `send`; amounts in grains.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sent {
    /// The transaction.
    pub txid: String,
    /// What the block's maker gets.
    pub fee: String,
    /// What comes back.
    pub change: String,
    /// `sent`, `pool`, `included` or `final`; `dry-run` when it was only planned.
    pub status: &'static str,
    /// Height of its block.
    pub height: Option<u64>,
    /// Its block.
    pub block: Option<String>,
    /// From handing it over to this status.
    pub elapsed_ms: u64,
}

/// What commands say of a transaction that is only planned.
#[must_use]
pub fn dry_run(attempt: &Attempt) -> Sent {
    sent(attempt, "dry-run", None, Instant::now())
}

fn sent(attempt: &Attempt, status: &'static str, place: Option<TxStatus>, since: Instant) -> Sent {
    let (height, block) = place.map_or((None, None), |place| (place.height, place.block));
    Sent {
        txid: attempt.transaction.id().to_string(),
        fee: attempt.fee.grains().to_string(),
        change: attempt.change.grains().to_string(),
        status,
        height,
        block,
        elapsed_ms: u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX),
    }
}

/// Hands the payment to a node and follows it.
///
/// # Errors
/// [`WalletError::Refused`] when the node does not take it; after that [`WalletError::LostPlace`], [`WalletError::TimedOut`] or
/// [`WalletError::Unreachable`], each with the transaction's id.
pub async fn submit(client: &Client, attempt: &Attempt, options: FollowOptions) -> Result<Sent, WalletError> {
    deliver(client, attempt, options, false).await
}

/// As [`submit`]; with `again` it may have been handed over before, and nodes are asked first where it is.
pub(crate) async fn deliver(
    client: &Client,
    attempt: &Attempt,
    options: FollowOptions,
    again: bool,
) -> Result<Sent, WalletError> {
    let since = Instant::now();
    let follow = Following {
        client,
        txid: attempt.transaction.id().to_string(),
        transaction: hex::encode(encode(&attempt.transaction)),
        wait: options.wait,
        confirmations: options.confirmations,
        again,
    };
    let Ok(result) = timeout(options.timeout, follow.run()).await else {
        let wanted = match options.wait {
            Wait::None | Wait::Pool => "in the pool",
            Wait::Included => "included",
            Wait::Final => "final",
        };
        let waited_ms = u64::try_from(options.timeout.as_millis()).unwrap_or(u64::MAX);
        return Err(WalletError::TimedOut { txid: follow.txid, wanted, waited_ms });
    };
    let place = result?;
    let status = match (options.wait, place.as_ref().map(|place| place.state)) {
        (Wait::None | Wait::Pool, Some(TxState::Final)) => "final",
        (Wait::None | Wait::Pool, Some(TxState::Included)) => "included",
        (Wait::None, _) => "sent",
        (Wait::Pool, _) => "pool",
        (Wait::Included, _) => "included",
        (Wait::Final, _) => "final",
    };
    Ok(sent(attempt, status, place, since))
}

/// A transaction on its way.
struct Following<'a> {
    client: &'a Client,
    txid: String,
    transaction: String,
    wait: Wait,
    confirmations: Option<u64>,
    /// Whether nodes may know it already.
    again: bool,
}

impl Following<'_> {
    async fn run(&self) -> Result<Option<TxStatus>, WalletError> {
        if matches!(self.wait, Wait::None | Wait::Pool) {
            return self.begin().await;
        }
        let mut news = News::new(self.client).await?;
        self.begin().await?;
        let mut refusals = 0;
        loop {
            let status = match self.client.tx_status(&self.txid).await {
                Ok(status) => status,
                Err(ClientError::Busy(_)) => {
                    tokio::time::sleep(BUSY_PAUSE).await;
                    continue;
                }
                Err(error) => return Err(self.after(error)),
            };
            match status.state {
                TxState::Dropped => return Err(self.lost(&reason_of(&status))),
                TxState::Unknown => self.tell_again(&mut refusals).await?,
                TxState::Pool | TxState::Included | TxState::Final if self.is_reached(&status) => {
                    return Ok(Some(status));
                }
                TxState::Pool | TxState::Included | TxState::Final => {}
            }
            news.wait(Some(RECHECK), |event| self.concerns(event)).await.map_err(|error| self.after(error))?;
        }
    }

    /// Whether it may be elsewhere after this.
    fn concerns(&self, event: &EventKind) -> bool {
        matches!(event, EventKind::Dropped { txid, .. } if *txid == self.txid) || event.concerns_chain()
    }

    /// Hands it over, unless it is where it should be already.
    async fn begin(&self) -> Result<Option<TxStatus>, WalletError> {
        if !self.again {
            self.hand_over().await?;
            return Ok(None);
        }
        let status = loop {
            match self.client.tx_status(&self.txid).await {
                Err(ClientError::Busy(_)) => tokio::time::sleep(BUSY_PAUSE).await,
                // It may have been handed over before.
                result => break result.map_err(|error| self.after(error))?,
            }
        };
        if status.state >= TxState::Pool {
            return Ok(Some(status));
        }
        // Others may have refused it for what was so then.
        match self.hand_over().await {
            Err(WalletError::Refused { message, .. }) => Err(self.lost(&message)),
            result => result.map(|()| None),
        }
    }

    /// The first time. Nodes with too much to do are asked again: the caller's timeout is the limit.
    async fn hand_over(&self) -> Result<(), WalletError> {
        loop {
            match self.client.submit(self.transaction.clone()).await {
                Ok(_) => return Ok(()),
                Err(ClientError::Busy(_)) => tokio::time::sleep(BUSY_PAUSE).await,
                // A node that went away with the answer may have passed it on.
                Err(ClientError::Unreachable(reason)) => {
                    return Err(WalletError::Unreachable {
                        message: format!("transaction {} may have been sent, but no node answers: {reason}", self.txid),
                        txid: Some(self.txid.clone()),
                    });
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn is_reached(&self, status: &TxStatus) -> bool {
        match (self.wait, self.confirmations) {
            (Wait::None | Wait::Pool, _) => true,
            (Wait::Included, _) => status.state >= TxState::Included,
            (Wait::Final, None) => status.state == TxState::Final,
            (Wait::Final, Some(wanted)) => status.state >= TxState::Included && status.confirmations >= wanted,
        }
    }

    /// A node that does not know it (another one than before, or restarted) is told; if it refuses, others are asked.
    async fn tell_again(&self, refusals: &mut usize) -> Result<(), WalletError> {
        match self.client.submit(self.transaction.clone()).await {
            Ok(_) => Ok(()),
            Err(ClientError::Refused { message, .. }) => {
                *refusals += 1;
                if *refusals > REFUSALS_MAX + self.client.nodes() {
                    return Err(self.lost(&message));
                }
                self.client.move_on();
                tokio::time::sleep(BUSY_PAUSE).await;
                Ok(())
            }
            Err(ClientError::Busy(_)) => {
                tokio::time::sleep(BUSY_PAUSE).await;
                Ok(())
            }
            Err(error) => Err(self.after(error)),
        }
    }

    fn lost(&self, reason: &str) -> WalletError {
        WalletError::LostPlace { txid: self.txid.clone(), reason: reason.to_owned() }
    }

    /// An error of a call after the transaction was handed over.
    fn after(&self, error: ClientError) -> WalletError {
        match error {
            ClientError::Unreachable(reason) => WalletError::Unreachable {
                message: format!("transaction {} was sent, but now no node answers: {reason}", self.txid),
                txid: Some(self.txid.clone()),
            },
            ClientError::Busy(_) | ClientError::Refused { .. } | ClientError::NotFound(_) | ClientError::Other(_) => {
                WalletError::from(error)
            }
        }
    }
}

/// Why a node dropped it, in words.
fn reason_of(status: &TxStatus) -> String {
    match (&status.reason, &status.replaced_by) {
        (_, Some(by)) => format!("replaced by {by}"),
        (Some(reason), None) => reason.clone(),
        (None, None) => "the node dropped it".to_owned(),
    }
}
