//! What a change of the active chain does to the mempool, in two steps.
//!
//! [`Mempool::note`] takes each update as it is executed: included transactions leave, and those that spend coins of included
//! ones lose their place, with all that spend from them. [`Mempool::reconcile`] comes when the engine's chain is exactly what
//! was noted: transactions of disconnected blocks are let in again in their old order and before all others, those that
//! were waiting are judged again, and orphans whose parents were included get their chance.

use super::{Mempool, Next};
use crate::io::{DropReason, Notice, Refusal};
use bezant_consensus::chain::ChainUpdate;
use bezant_consensus::ledger::hash::TxId;
use bezant_consensus::ledger::rules::TxError;
use std::collections::BTreeSet;
use std::sync::Arc;

impl Mempool {
    /// Takes an update of the active chain.
    pub(crate) fn note(&mut self, update: &ChainUpdate, notices: &mut Vec<Notice>) {
        if update.disconnected.is_empty() {
            self.refusals.forget_passing();
        } else {
            self.refusals.forget_all();
            self.recheck = true;
        }
        let mut returning = Vec::new();
        for link in update.disconnected.iter().rev() {
            for transaction in link.block.transactions.iter().filter(|transaction| !transaction.is_coinbase()) {
                let txid = transaction.id();
                self.included.remove(&txid);
                returning.push((txid, Arc::new(transaction.clone())));
            }
        }
        // What an earlier update of the same call gave back may spend from these, never the other way round.
        returning.append(&mut self.returning);
        self.returning = returning;

        let mut included = BTreeSet::new();
        for transaction in update.connected.iter().flat_map(|link| &link.block.transactions) {
            let txid = transaction.id();
            included.insert(txid);
            self.included.add(txid);
            self.remove(&txid);
            for input in transaction.inputs() {
                if let Some(loser) = self.spender(input) {
                    self.drop_with_descendants(&loser, DropReason::Conflict, notices);
                }
            }
            self.waking.extend(self.orphans.take_children(&txid));
        }
        self.returning.retain(|(txid, _)| !included.contains(txid));
        self.recluster();
    }

    /// The chain goes on from a snapshot: what was included before is not known here, so everything is judged again.
    pub(crate) fn rebased(&mut self) {
        self.refusals.forget_all();
        self.recheck = true;
    }

    /// Whether [`Mempool::reconcile`] has anything to do.
    pub(crate) fn is_unreconciled(&self) -> bool {
        self.recheck || !self.waking.is_empty()
    }

    /// Brings everything in line with the active chain.
    pub(crate) fn reconcile(&mut self, next: Next<'_>, notices: &mut Vec<Notice>) {
        self.readmit(next, notices);
        if std::mem::take(&mut self.recheck) {
            self.judge_all_again(next, notices);
            self.recluster();
            self.trim(notices);
        }
        let woken = std::mem::take(&mut self.waking);
        self.admit_orphans(next, woken, notices);
    }

    /// They were in blocks, so neither the least fee nor the number of dependents counts.
    fn readmit(&mut self, next: Next<'_>, notices: &mut Vec<Notice>) {
        let returning = std::mem::take(&mut self.returning);
        let count = i64::try_from(returning.len()).expect("blocks hold far fewer than 2^63 transactions");
        self.first -= count;
        for (arrival, (txid, transaction)) in (self.first..).zip(returning) {
            if self.contains(&txid) || self.included.contains(&txid) {
                continue;
            }
            match self.judge(next, &transaction) {
                Ok(judged) => {
                    let fee = judged.fee();
                    self.insert_judged(next.now, arrival, transaction, judged, None);
                    notices.push(Notice::Pooled { txid, fee, held: self.len() });
                }
                Err(Refusal::Rule(TxError::MissingCoin(_)) | Refusal::Conflict { .. }) => {
                    notices.push(Notice::Dropped { txid, reason: DropReason::Conflict });
                }
                Err(Refusal::Rule(_) | Refusal::FeeTooLow { .. } | Refusal::ChainTooLong { .. } | Refusal::Full) => {
                    notices.push(Notice::Dropped { txid, reason: DropReason::Invalid });
                }
            }
        }
    }

    fn judge_all_again(&mut self, next: Next<'_>, notices: &mut Vec<Notice>) {
        let order: Vec<TxId> = self.by_arrival.values().copied().collect();
        for txid in order {
            let Some(entry) = self.get(&txid) else { continue };
            let transaction = entry.transaction.clone();
            match self.judge(next, &transaction) {
                Ok(_) => {
                    let opens = self.opens(next, &transaction);
                    self.entries.get_mut(&txid).expect("held a moment ago").opens = opens;
                }
                Err(_) => self.drop_with_descendants(&txid, DropReason::Invalid, notices),
            }
        }
    }

    /// Drops the worst chunks until the limits are kept.
    fn trim(&mut self, notices: &mut Vec<Notice>) {
        while self.bytes > self.config.bytes_max || self.len() > self.config.count_max {
            let (_, worst) = self.by_rate.first_key_value().expect("something is above the limit");
            for txid in worst.clone() {
                self.drop_with_descendants(&txid, DropReason::Evicted, notices);
            }
            self.recluster();
        }
    }
}
