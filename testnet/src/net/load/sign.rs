//! Signing ahead, as a stream: at most so many transfers are signed and not yet sent.

use super::fund::{COIN_GRAINS, Coins, FEE_GRAINS, Funded, grains};
use bezant_consensus::ledger::codec::encode;
use bezant_consensus::ledger::hash::{NetworkId, TxId};
use bezant_consensus::ledger::key::SigningKey;
use bezant_consensus::ledger::lock::Lock;
use bezant_consensus::ledger::transaction::{Output, Transaction};
use bezant_wallet::paying::build::{KeyCoin, transfer};
use rayon::prelude::*;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Transfers that are signed and not yet sent, at most; about 600 bytes each.
pub const AHEAD_MAX: usize = 50_000;
/// Transfers that are signed at once.
const CHUNK: usize = 1_000;

/// A transfer that is ready to be sent: its id and its encoding in hex.
pub(super) type Ready = (TxId, String);

/// Transfers as they are signed.
#[derive(Debug)]
pub(super) struct Signed {
    chunks: mpsc::Receiver<Vec<Ready>>,
    now: std::vec::IntoIter<Ready>,
}

impl Signed {
    /// Begins to sign on a thread of its own, and returns once `ahead_max` transfers are signed, or all. A chunk more is in work.
    pub(super) async fn begin(
        network: NetworkId,
        accounts: Arc<Vec<SigningKey>>,
        coins: Coins,
        ahead_max: usize,
    ) -> Signed {
        let (sender, chunks) = mpsc::channel(ahead_max / CHUNK);
        let (full, filled) = oneshot::channel::<()>();
        tokio::task::spawn_blocking(move || {
            let mut full = Some(full);
            let mut coins = coins.iter().peekable();
            while coins.peek().is_some() {
                let chunk: Vec<Funded> = coins.by_ref().take(CHUNK).collect();
                let ready = chunk.par_iter().map(|coin| one(&network, &accounts, *coin)).collect();
                if sender.capacity() == 0 {
                    full = None;
                }
                // Whoever wanted them may have given up.
                if sender.blocking_send(ready).is_err() {
                    return;
                }
            }
            drop(full);
        });
        // Told by the end of the sender.
        let _ = filled.await;
        Signed { chunks, now: Vec::new().into_iter() }
    }

    /// How many chunks wait.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.chunks.len()
    }

    /// The next one.
    pub(super) async fn next(&mut self) -> Option<Ready> {
        loop {
            if let Some(ready) = self.now.next() {
                return Some(ready);
            }
            self.now = self.chunks.recv().await?.into_iter();
        }
    }
}

fn one(network: &NetworkId, accounts: &[SigningKey], coin: Funded) -> Ready {
    let to = Lock::Key(accounts[(coin.account + 1) % accounts.len()].public()).hash();
    let back = Lock::Key(accounts[coin.account].public()).hash();
    let paid = COIN_GRAINS / 2;
    let outputs = vec![
        Output { amount: grains(paid), lock: to },
        Output { amount: grains(COIN_GRAINS - paid - FEE_GRAINS), lock: back },
    ];
    let coin = KeyCoin { outpoint: coin.outpoint, amount: grains(COIN_GRAINS), key: &accounts[coin.account] };
    let transaction: Transaction = transfer(network, &[coin], outputs);
    (transaction.id(), hex::encode(encode(&transaction)))
}
