//! Whether a transaction would be valid in the next block, with those that wait and those that come with it before it.

use super::{Mempool, Opens};
use crate::io::Refusal;
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::coins::{Coin, Coins};
use bezant_consensus::ledger::genesis::LedgerParams;
use bezant_consensus::ledger::hash::TxId;
use bezant_consensus::ledger::lock::{Lock, LockTime};
use bezant_consensus::ledger::rules::TxError;
use bezant_consensus::ledger::rules::context::{self, Place};
use bezant_consensus::ledger::transaction::{Body, OutPoint, Transaction, Witness};
use bezant_consensus::ledger::units::{Height, Time};
use bezant_consensus::limits::BLOCK_OVERHEAD_BYTES;
use std::collections::BTreeSet;

/// The next block, as far as a waiting transaction cares.
#[derive(Clone, Copy)]
pub(crate) struct Next<'a> {
    pub(crate) now: Time,
    pub(crate) place: Place,
    /// The coins of the active chain.
    pub(crate) coins: &'a dyn Coins,
    pub(crate) params: &'a LedgerParams,
    /// How much later than here other clocks may reach a time lock.
    pub(crate) drift_ms: u64,
}

/// What is known of a transaction that would be valid.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) txid: TxId,
    pub(super) bytes: usize,
    pub(super) fee: Amount,
    pub(super) opens: Opens,
    pub(super) ready: Time,
    /// Those that it spends from: here, or coming with it.
    pub(super) parents: BTreeSet<TxId>,
}

/// A transaction that may come in.
#[derive(Debug)]
pub(super) struct New {
    pub(super) transaction: Transaction,
    pub(super) judged: Judged,
}

/// The coins of the active chain, of the transactions here and of those that come with them, as if all were in the next block.
struct PoolCoins<'a> {
    pool: &'a Mempool,
    coming: &'a [New],
    chain: &'a dyn Coins,
    height: Height,
}

impl Coins for PoolCoins<'_> {
    fn get(&self, outpoint: &OutPoint) -> Option<Coin> {
        let held = self.pool.entries.get(&outpoint.txid).map(|entry| &entry.transaction);
        let coming = || self.coming.iter().find(|new| new.judged.txid == outpoint.txid).map(|new| &new.transaction);
        match held.or_else(coming) {
            Some(transaction) => {
                let output = transaction.outputs().get(outpoint.index as usize)?;
                Some(Coin { amount: output.amount, lock: output.lock, height: self.height, coinbase: false })
            }
            None => self.chain.get(outpoint),
        }
    }
}

impl Mempool {
    /// The rules of the ledger in the next block's place, and that nobody here spends the same coin.
    pub(super) fn judge(&self, next: Next<'_>, transaction: &Transaction) -> Result<Judged, Refusal> {
        let judged = self.judge_beside(next, &[], transaction)?;
        for outpoint in transaction.inputs() {
            if let Some(by) = self.spender(outpoint).filter(|by| *by != judged.txid) {
                return Err(Refusal::Conflict { outpoint: *outpoint, by });
            }
        }
        Ok(judged)
    }

    /// The rules of the ledger alone for a transaction, with those that come before it.
    pub(super) fn judge_beside(
        &self,
        next: Next<'_>,
        coming: &[New],
        transaction: &Transaction,
    ) -> Result<Judged, TxError> {
        if matches!(transaction.body(), Body::Epoch(_)) {
            return Err(TxError::EpochChange("changes of members wait with the engine"));
        }
        let coins = PoolCoins { pool: self, coming, chain: next.coins, height: next.place.height };
        let (bytes, allowed) = (transaction.bytes(), room_in_block(next.params));
        if bytes > allowed {
            return Err(TxError::TooLarge { actual: bytes, allowed });
        }
        let fee = context::check_transaction(transaction, &coins, next.place, next.params)?;
        let opens = self.opens(next, transaction);
        let mut ready = match opens.time {
            0 => next.now,
            time => Time::from_seconds(time).plus_ms(next.drift_ms).max(next.now),
        };
        let mut parents = BTreeSet::new();
        for input in transaction.inputs() {
            let coming = || coming.iter().find(|new| new.judged.txid == input.txid).map(|new| new.judged.ready);
            if let Some(its) = self.entries.get(&input.txid).map(|entry| entry.ready).or_else(coming) {
                parents.insert(input.txid);
                ready = ready.max(its);
            }
        }
        Ok(Judged { txid: transaction.id(), bytes, fee, opens, ready, parents })
    }

    /// The same locks as in [`context::check_transaction`], as the first place that passes. A coin made here counts for
    /// nothing: whatever is asked of its age is reached in its own block, or the transaction was refused.
    pub(super) fn opens(&self, next: Next<'_>, transaction: &Transaction) -> Opens {
        let Body::Transfer(transfer) = transaction.body() else {
            return Opens::default();
        };
        let mut opens = Opens::default();
        let mut raise = |until| match until {
            LockTime::Height(height) => opens.height = opens.height.max(height),
            LockTime::Time(time) => opens.time = opens.time.max(time),
        };
        raise(transfer.lock_time);
        for (input, witness) in transfer.inputs.iter().zip(transaction.witnesses()) {
            let coin = if self.contains(&input.txid) { None } else { next.coins.get(input) };
            let after = |coin: Coin, blocks: u32| LockTime::Height(Height(coin.height.0.saturating_add(blocks.into())));
            if let Some(coin) = coin.filter(|coin| coin.coinbase && coin.height != Height::GENESIS) {
                raise(after(coin, next.params.coinbase_maturity));
            }
            let Witness::Spend(spend) = witness else { continue };
            for (_, leaf) in spend.lock.revealed_leaves() {
                match leaf {
                    Lock::After(until) => raise(*until),
                    Lock::Older(blocks) => coin.into_iter().for_each(|coin| raise(after(coin, *blocks))),
                    Lock::Key(_) | Lock::Hash(_) | Lock::Threshold { .. } | Lock::Opaque(_) => {}
                }
            }
        }
        opens
    }
}

/// The most that a transaction may take in a block.
pub(super) fn room_in_block(params: &LedgerParams) -> usize {
    (params.block_bytes_max as usize).saturating_sub(BLOCK_OVERHEAD_BYTES)
}

/// Whether a coin that it made is there.
pub(super) fn is_included(coins: &dyn Coins, transaction: &Transaction) -> bool {
    let txid = transaction.id();
    (0..transaction.outputs().len()).any(|index| coins.get(&OutPoint { txid, index: index as u32 }).is_some())
}
