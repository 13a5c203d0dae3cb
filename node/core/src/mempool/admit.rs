//! Who is let in.
//!
//! In this order: what is known is not judged again; the rules of the ledger in the next block's place; the first spender of a
//! coin stays; the least fee; the number of transactions that depend on each other; room, which worse paying ones must yield.

use super::{Entry, Mempool, Opens};
use crate::io::{Admitted, DropReason, Notice, Refusal};
use bezant_consensus::engine::Peer;
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
use std::sync::Arc;

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

/// A transaction that may be let in.
pub(super) struct Judged {
    txid: TxId,
    bytes: usize,
    fee: Amount,
    opens: Opens,
    ready: Time,
    parents: BTreeSet<TxId>,
}

impl Judged {
    pub(super) fn fee(&self) -> Amount {
        self.fee
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn parents(&self) -> &BTreeSet<TxId> {
        &self.parents
    }
}

/// The coins of the active chain and of the transactions here, as if these were in the next block.
struct PoolCoins<'a> {
    pool: &'a Mempool,
    chain: &'a dyn Coins,
    height: Height,
}

impl Coins for PoolCoins<'_> {
    fn get(&self, outpoint: &OutPoint) -> Option<Coin> {
        match self.pool.entries.get(&outpoint.txid) {
            Some(entry) => {
                let output = entry.transaction.outputs().get(outpoint.index as usize)?;
                Some(Coin { amount: output.amount, lock: output.lock, height: self.height, coinbase: false })
            }
            None => self.chain.get(outpoint),
        }
    }
}

impl Mempool {
    /// Lets a user's transaction in.
    pub(crate) fn admit(
        &mut self,
        next: Next<'_>,
        transaction: Arc<Transaction>,
        notices: &mut Vec<Notice>,
    ) -> Result<Admitted, Refusal> {
        let admitted = self.admit_one(next, transaction, notices)?;
        if !admitted.known {
            let woken = self.orphans.take_children(&admitted.txid);
            self.admit_orphans(next, woken, notices);
        }
        Ok(admitted)
    }

    /// Lets a transaction in that a peer brought. What is refused is remembered; what lacks a coin waits for a while.
    pub(crate) fn admit_from(
        &mut self,
        next: Next<'_>,
        from: Peer,
        transaction: Arc<Transaction>,
        notices: &mut Vec<Notice>,
    ) {
        self.admit_orphans(next, vec![(from, transaction)], notices);
    }

    /// What letting in would say, without doing it.
    pub(crate) fn test(&self, next: Next<'_>, transaction: &Transaction) -> Result<Amount, Refusal> {
        if let Some(entry) = self.get(&transaction.id()) {
            return Ok(entry.fee);
        }
        let judged = self.judge(next, transaction)?;
        self.check_policy(next, &judged)?;
        self.room_for(&judged)?;
        Ok(judged.fee)
    }

    pub(super) fn admit_orphans(
        &mut self,
        next: Next<'_>,
        mut open: Vec<(Peer, Arc<Transaction>)>,
        notices: &mut Vec<Notice>,
    ) {
        while let Some((from, transaction)) = open.pop() {
            let hash = transaction.hash();
            if self.contains_hash(&hash) || self.orphans.contains(&hash) || self.refusals.holds(next.now, &hash) {
                continue;
            }
            match self.admit_one(next, transaction.clone(), notices) {
                Ok(admitted) if admitted.known => {}
                Ok(admitted) => open.extend(self.orphans.take_children(&admitted.txid)),
                Err(Refusal::Rule(TxError::MissingCoin(_))) => self.orphans.add(next.now, from, transaction),
                Err(refusal) => self.refusals.remember(next.now, hash, &refusal),
            }
        }
    }

    fn admit_one(
        &mut self,
        next: Next<'_>,
        transaction: Arc<Transaction>,
        notices: &mut Vec<Notice>,
    ) -> Result<Admitted, Refusal> {
        let txid = transaction.id();
        if self.contains(&txid) || self.included.contains(&txid) {
            return Ok(Admitted { txid, known: true });
        }
        let judged = match self.judge(next, &transaction) {
            Err(Refusal::Rule(TxError::MissingCoin(_))) if is_included(next.coins, txid, &transaction) => {
                return Ok(Admitted { txid, known: true });
            }
            verdict => verdict?,
        };
        self.check_policy(next, &judged)?;
        for victim in self.room_for(&judged)? {
            self.drop_with_descendants(&victim, DropReason::Evicted, notices);
        }
        self.last += 1;
        let fee = judged.fee;
        self.insert_judged(next.now, self.last, transaction, judged, None);
        self.recluster();
        notices.push(Notice::Pooled { txid, fee, held: self.len() });
        Ok(Admitted { txid, known: false })
    }

    pub(super) fn insert_judged(
        &mut self,
        now: Time,
        arrival: i64,
        transaction: Arc<Transaction>,
        judged: Judged,
        handed_by: Option<u16>,
    ) {
        let entry = Entry {
            hash: transaction.hash(),
            transaction,
            bytes: judged.bytes,
            fee: judged.fee,
            ready: judged.ready,
            due: None,
            handed_by,
            announced: now,
            arrival,
            opens: judged.opens,
            parents: BTreeSet::new(),
            children: BTreeSet::new(),
            cluster: 0,
        };
        self.insert(now, judged.txid, entry);
    }

    /// The rules of the ledger in the next block's place, and that nobody here spends the same coin.
    pub(super) fn judge(&self, next: Next<'_>, transaction: &Transaction) -> Result<Judged, Refusal> {
        if matches!(transaction.body, Body::Epoch(_)) {
            return Err(TxError::EpochChange("changes of members wait with the engine").into());
        }
        let txid = transaction.id();
        let coins = PoolCoins { pool: self, chain: next.coins, height: next.place.height };
        let (bytes, allowed) = (transaction.bytes(), room_in_block(next.params));
        if bytes > allowed {
            return Err(TxError::TooLarge { actual: bytes, allowed }.into());
        }
        let fee = context::check_transaction(transaction, &coins, next.place, next.params)?;
        for outpoint in transaction.inputs() {
            if let Some(by) = self.spender(outpoint).filter(|by| *by != txid) {
                return Err(Refusal::Conflict { outpoint: *outpoint, by });
            }
        }
        let opens = self.opens(next, transaction);
        let parents: BTreeSet<TxId> =
            transaction.inputs().iter().map(|input| input.txid).filter(|id| self.contains(id)).collect();
        let unlocked = match opens.time {
            0 => next.now,
            time => Time::from_seconds(time).plus_ms(next.drift_ms),
        };
        let ready = parents.iter().map(|parent| self.entries[parent].ready).fold(unlocked.max(next.now), Time::max);
        Ok(Judged { txid, bytes, fee, opens, ready, parents })
    }

    /// The same locks as in [`context::check_transaction`], as the first place that passes. A coin made here counts for
    /// nothing: whatever is asked of its age is reached in its own block, or the transaction was refused.
    pub(super) fn opens(&self, next: Next<'_>, transaction: &Transaction) -> Opens {
        let Body::Transfer(transfer) = &transaction.body else {
            return Opens::default();
        };
        let mut opens = Opens::default();
        let mut raise = |until| match until {
            LockTime::Height(height) => opens.height = opens.height.max(height),
            LockTime::Time(time) => opens.time = opens.time.max(time),
        };
        raise(transfer.lock_time);
        for (input, witness) in transfer.inputs.iter().zip(&transaction.witnesses) {
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

    fn check_policy(&self, next: Next<'_>, judged: &Judged) -> Result<(), Refusal> {
        let rate = self.config.fee_rate_min.unwrap_or(next.params.relay_fee_rate_min);
        let least = (u128::from(rate) * judged.bytes as u128).div_ceil(1_000);
        if u128::from(judged.fee.grains()) < least {
            let least = u64::try_from(least).ok().and_then(Amount::from_grains).unwrap_or(Amount::MAX);
            return Err(Refusal::FeeTooLow { fee: judged.fee, least });
        }
        let allowed = self.config.chain_max;
        let count = self.connected_with(judged.parents.iter().copied(), allowed).len() + 1;
        if count > allowed {
            return Err(Refusal::ChainTooLong { count, allowed });
        }
        Ok(())
    }

    /// Whom to drop for it: the worst chunks, as long as they pay less and it does not depend on them. What members handed over
    /// takes no room from others and does not yield.
    fn room_for(&self, judged: &Judged) -> Result<Vec<TxId>, Refusal> {
        let rate = super::FeeRate { fee: judged.fee.grains(), bytes: judged.bytes as u64 };
        let (handed_count, handed_bytes) = self.shares.total();
        let (mut bytes, mut count) = (self.bytes - handed_bytes + judged.bytes, self.len() - handed_count + 1);
        if bytes <= self.config.bytes_max && count <= self.config.count_max {
            return Ok(Vec::new());
        }
        let family = self.ancestors(&judged.parents);
        let mut victims = Vec::new();
        for (key, txids) in &self.by_rate {
            if bytes <= self.config.bytes_max && count <= self.config.count_max {
                break;
            }
            if txids.iter().any(|txid| self.entries[txid].handed_by.is_some()) {
                continue;
            }
            if key.rate >= rate || txids.iter().any(|txid| family.contains(txid)) {
                return Err(Refusal::Full);
            }
            bytes -= txids.iter().map(|txid| self.entries[txid].bytes).sum::<usize>();
            count -= txids.len();
            victims.extend(txids);
        }
        if bytes <= self.config.bytes_max && count <= self.config.count_max { Ok(victims) } else { Err(Refusal::Full) }
    }

    pub(super) fn ancestors(&self, parents: &BTreeSet<TxId>) -> BTreeSet<TxId> {
        let mut found = parents.clone();
        let mut open: Vec<TxId> = parents.iter().copied().collect();
        while let Some(next) = open.pop() {
            open.extend(self.entries[&next].parents.iter().filter(|parent| found.insert(**parent)));
        }
        found
    }
}

/// The most that a transaction may take in a block.
pub(super) fn room_in_block(params: &LedgerParams) -> usize {
    (params.block_bytes_max as usize).saturating_sub(BLOCK_OVERHEAD_BYTES)
}

/// Whether a coin that it made is there.
fn is_included(coins: &dyn Coins, txid: TxId, transaction: &Transaction) -> bool {
    (0..transaction.outputs().len()).any(|index| coins.get(&OutPoint { txid, index: index as u32 }).is_some())
}
