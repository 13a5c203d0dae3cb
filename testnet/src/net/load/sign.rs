//! Transfers one after another: signed ahead as they are wanted, at most so many signed and not yet sent.

use super::fund::{Coins, FEE_GRAINS, Owned, PAID_GRAINS, grains};
use crate::net::error::NetError;
use bezant_consensus::ledger::codec::encode;
use bezant_consensus::ledger::hash::{NetworkId, TxId};
use bezant_consensus::ledger::key::SigningKey;
use bezant_consensus::ledger::lock::Lock;
use bezant_consensus::ledger::transaction::{OutPoint, Output, Transaction};
use bezant_wallet::paying::build::{KeyCoin, transfer};
use rayon::prelude::*;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Transfers that are signed and not yet sent, at most; about 350 bytes each.
pub const AHEAD_MAX: usize = 50_000;
/// Transfers that are signed, or read, at once.
pub(super) const CHUNK: usize = 1_000;

/// The first eight bytes of a transaction's id: enough to tell a run's transfers apart.
pub(super) type ShortId = u64;

pub(super) fn short(id: &TxId) -> ShortId {
    ShortId::from_le_bytes(*id.0.first_chunk().expect("an id has 32 bytes"))
}

/// A transfer that is ready to be sent: its id and its encoding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ready {
    pub(super) id: ShortId,
    pub(super) bytes: Vec<u8>,
}

/// Transfers as they come: from the signer, or out of a file.
#[derive(Debug)]
pub(super) struct Transfers {
    chunks: mpsc::Receiver<Result<Vec<Ready>, NetError>>,
    now: std::vec::IntoIter<Ready>,
}

impl Transfers {
    pub(super) fn of(chunks: mpsc::Receiver<Result<Vec<Ready>, NetError>>) -> Transfers {
        Transfers { chunks, now: Vec::new().into_iter() }
    }

    /// Begins to sign `count` transfers on a thread of its own: each spends the next coin or, when these are spent, the change that is
    /// oldest. Returns once `ahead_max` transfers are signed, or all. A chunk more is in work.
    pub(super) async fn sign(
        network: NetworkId,
        accounts: Arc<Vec<SigningKey>>,
        coins: Coins,
        count: usize,
        ahead_max: usize,
    ) -> Transfers {
        let (sender, chunks) = mpsc::channel(ahead_max / CHUNK);
        let (full, filled) = oneshot::channel::<()>();
        tokio::task::spawn_blocking(move || {
            let mut full = Some(full);
            let spends_change = coins.len() < count;
            let (mut coins, mut change) = (coins.iter(), VecDeque::new());
            let mut left = count;
            while left > 0 {
                let mut ready = Vec::with_capacity(CHUNK.min(left));
                while ready.len() < CHUNK.min(left) {
                    let wanted = CHUNK.min(left) - ready.len();
                    let spent: Vec<Owned> =
                        std::iter::from_fn(|| coins.next().or_else(|| change.pop_front())).take(wanted).collect();
                    let signed: Vec<(Ready, Owned)> =
                        spent.par_iter().map(|coin| one(&network, &accounts, *coin)).collect();
                    change.extend(signed.iter().map(|(_, change)| *change).filter(|_| spends_change));
                    ready.extend(signed.into_iter().map(|(ready, _)| ready));
                }
                left -= ready.len();
                if sender.capacity() == 0 {
                    full = None;
                }
                // Whoever wanted them may have given up.
                if sender.blocking_send(Ok(ready)).is_err() {
                    return;
                }
            }
            drop(full);
        });
        // Told by the end of the sender.
        let _ = filled.await;
        Transfers::of(chunks)
    }

    /// How many chunks wait.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.chunks.len()
    }

    /// The next one.
    pub(super) async fn next(&mut self) -> Result<Option<Ready>, NetError> {
        loop {
            if let Some(ready) = self.now.next() {
                return Ok(Some(ready));
            }
            match self.chunks.recv().await {
                Some(chunk) => self.now = chunk?.into_iter(),
                None => return Ok(None),
            }
        }
    }
}

/// A transfer of one coin, and its change.
fn one(network: &NetworkId, accounts: &[SigningKey], coin: Owned) -> (Ready, Owned) {
    let key = &accounts[coin.account];
    let to = Lock::Key(accounts[(coin.account + 1) % accounts.len()].public()).hash();
    let back = coin.grains - PAID_GRAINS - FEE_GRAINS;
    let outputs = vec![
        Output { amount: grains(PAID_GRAINS), lock: to },
        Output { amount: grains(back), lock: Lock::Key(key.public()).hash() },
    ];
    let spent = KeyCoin { outpoint: coin.outpoint, amount: grains(coin.grains), key };
    let transaction: Transaction = transfer(network, &[spent], outputs);
    let txid = transaction.id();
    let change = Owned { outpoint: OutPoint { txid, index: 1 }, grains: back, account: coin.account };
    (Ready { id: short(&txid), bytes: encode(&transaction) }, change)
}
