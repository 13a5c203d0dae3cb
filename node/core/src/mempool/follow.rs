//! What a change of the active chain does to the mempool, in two steps.
//!
//! [`Mempool::note`] takes each update as it is executed: included transactions leave, and those that spend coins of included
//! ones lose their place, with all that spend from them. [`Mempool::reconcile`] comes when the engine's chain is exactly what
//! was noted: transactions of disconnected blocks are let in again in their old order and before all others, those that
//! were waiting and may have lost what made them valid are judged again, and orphans whose parents were included get their
//! chance.
//!
//! What a disconnected block can take from a waiting transaction is a coin that the block made (or its height), and the height
//! or time at which a lock opens. So only those that spend such a coin and those that open later than the new place are judged
//! again; the rest of the mempool is not looked at. After a snapshot nothing is known, and all are.

use super::judge::room_in_block;
use super::{Mempool, Next};
use crate::io::{DropReason, Notice};
use bezant_consensus::chain::ChainUpdate;
use bezant_consensus::ledger::genesis::LedgerParams;
use bezant_consensus::ledger::hash::TxId;
use bezant_consensus::ledger::transaction::OutPoint;
use std::collections::BTreeSet;

/// What is to be judged again.
#[derive(Debug, Default)]
pub(super) enum Recheck {
    /// Nothing.
    #[default]
    Nothing,
    /// Blocks left: these, which spent from them, and what opens too late now.
    Disconnected(BTreeSet<TxId>),
    /// Everything.
    All,
}

impl Mempool {
    /// Takes an update of the active chain.
    pub(crate) fn note(&mut self, params: &LedgerParams, update: &ChainUpdate, notices: &mut Vec<Notice>) {
        if update.disconnected.is_empty() {
            self.refusals.forget_passing();
        } else {
            self.refusals.forget_all();
            self.recent.disconnected(update.disconnected.len());
            self.suspect_heirs_of(update);
        }
        let mut returning = Vec::new();
        for link in update.disconnected.iter().rev() {
            for transaction in link.block.transactions.iter().filter(|transaction| !transaction.is_coinbase()) {
                self.included.remove(&transaction.id());
                returning.push(transaction.clone());
            }
        }
        // What an earlier update of the same call gave back may spend from these, never the other way round.
        returning.append(&mut self.returning);
        self.returning = returning;

        for link in &update.connected {
            let (mut left, mut others) = (Vec::new(), 0);
            for transaction in &link.block.transactions {
                let txid = transaction.id();
                self.included.add(txid);
                match self.remove(&txid) {
                    Some(entry) => left.push(entry),
                    None => others += transaction.bytes(),
                }
                for input in transaction.inputs() {
                    if let Some(loser) = self.spender(input) {
                        self.drop_with_descendants(&loser, DropReason::Conflict, notices);
                    }
                }
                self.waking.extend(self.orphans.take_children(&txid));
            }
            self.recent.connected(&left, others, room_in_block(params));
        }
        self.returning.retain(|transaction| !self.included.contains(&transaction.id()));
        self.settle_clusters();
    }

    /// Those here that spend what these blocks made: the coins are gone now, or come back at another height.
    fn suspect_heirs_of(&mut self, update: &ChainUpdate) {
        let mut heirs = match std::mem::take(&mut self.recheck) {
            Recheck::Nothing => BTreeSet::new(),
            Recheck::Disconnected(heirs) => heirs,
            Recheck::All => return self.recheck = Recheck::All,
        };
        for transaction in update.disconnected.iter().flat_map(|link| &link.block.transactions) {
            let txid = transaction.id();
            let coins = (0..transaction.outputs().len()).map(|index| OutPoint { txid, index: index as u32 });
            heirs.extend(coins.filter_map(|coin| self.spender(&coin)));
        }
        self.recheck = Recheck::Disconnected(heirs);
    }

    /// The chain goes on from a snapshot: what was included before is not known here, so everything is judged again.
    pub(crate) fn rebased(&mut self) {
        self.refusals.forget_all();
        self.recheck = Recheck::All;
    }

    /// Whether [`Mempool::reconcile`] has anything to do.
    pub(crate) fn is_unreconciled(&self) -> bool {
        !matches!(self.recheck, Recheck::Nothing) || !self.waking.is_empty()
    }

    /// Brings everything in line with the active chain.
    pub(crate) fn reconcile(&mut self, next: Next<'_>, notices: &mut Vec<Notice>) {
        self.readmit(next, notices);
        let suspects: Option<Vec<TxId>> = match std::mem::take(&mut self.recheck) {
            Recheck::Nothing => None,
            Recheck::Disconnected(heirs) => Some(self.suspects(next, heirs)),
            Recheck::All => Some(self.by_arrival.values().copied().collect()),
        };
        if let Some(suspects) = suspects {
            self.judge_again(next, suspects, notices);
            self.settle_clusters();
            self.trim(next, notices);
        }
        let woken = std::mem::take(&mut self.waking);
        self.admit_orphans(next, woken, notices);
    }

    /// These and what opens later than the next block, by arrival.
    fn suspects(&self, next: Next<'_>, heirs: BTreeSet<TxId>) -> Vec<TxId> {
        let late = self.by_height.iter().rev().take_while(|(height, _)| *height > next.place.height);
        let mut places: BTreeSet<i64> = late.map(|(_, arrival)| *arrival).collect();
        let late = self.by_time.iter().rev().take_while(|(time, _)| *time > next.place.time);
        places.extend(late.map(|(_, arrival)| *arrival));
        places.extend(heirs.iter().filter_map(|txid| Some(self.get(txid)?.arrival)));
        places.iter().map(|arrival| self.by_arrival[arrival]).collect()
    }

    /// They were in blocks, so neither the least fee nor the number of dependents counts.
    fn readmit(&mut self, next: Next<'_>, notices: &mut Vec<Notice>) {
        let returning = std::mem::take(&mut self.returning);
        let count = i64::try_from(returning.len()).expect("blocks hold far fewer than 2^63 transactions");
        self.first -= count;
        for (arrival, transaction) in (self.first..).zip(returning) {
            let txid = transaction.id();
            if self.contains(&txid) || self.included.contains(&txid) {
                continue;
            }
            match self.judge(next, &transaction) {
                Ok(judged) => {
                    let fee = judged.fee;
                    self.insert_judged(next.now, arrival, transaction, judged, None);
                    notices.push(Notice::Pooled { txid, fee, held: self.len() });
                }
                Err(refusal) => {
                    let reason = if refusal.is_conflict() || refusal.lacks_coin() {
                        DropReason::Conflict
                    } else {
                        DropReason::Invalid
                    };
                    notices.push(Notice::Dropped { txid, reason });
                }
            }
        }
    }

    fn judge_again(&mut self, next: Next<'_>, suspects: Vec<TxId>, notices: &mut Vec<Notice>) {
        for txid in suspects {
            let Some(entry) = self.get(&txid) else { continue };
            let (transaction, arrival, before) = (entry.transaction.clone(), entry.arrival, entry.opens);
            match self.judge(next, &transaction) {
                Ok(judged) => {
                    self.unindex_opening(arrival, before);
                    self.index_opening(arrival, judged.opens);
                    self.entries.get_mut(&txid).expect("held a moment ago").opens = judged.opens;
                }
                Err(_) => self.drop_with_descendants(&txid, DropReason::Invalid, notices),
            }
        }
    }

    /// Drops the worst chunks until the limits are kept; what members handed over neither counts nor yields.
    fn trim(&mut self, next: Next<'_>, notices: &mut Vec<Notice>) {
        self.settle_floor(next.now);
        while self.is_over() {
            self.recluster();
            let is_preferred = |txid: &TxId| self.entries[txid].handed_by.is_some();
            let mut yielding = self.by_rate.iter().filter(|(_, txids)| !txids.iter().any(is_preferred));
            let (key, worst) = yielding.next().expect("something is above the limit");
            let (rate, worst) = (key.rate, worst.clone());
            let step = self.step(next.params);
            self.floor.raise(next.now, rate, step);
            for txid in worst {
                self.drop_with_descendants(&txid, DropReason::Evicted, notices);
            }
        }
        self.settle_clusters();
    }

    fn is_over(&self) -> bool {
        let (handed_count, handed_bytes) = self.shares.total();
        self.bytes - handed_bytes > self.config.bytes_max || self.len() - handed_count > self.config.count_max
    }
}
