//! What goes into a block: in the order of arrival, or the best paying chunks first; parents always before children.

use super::{Entry, Mempool};
use crate::lies::Target;
use crate::limits::SELECT_MISSES_MAX;
use bezant_consensus::engine::PayloadRequest;
use bezant_consensus::ledger::block::Block;
use bezant_consensus::ledger::hash::TxId;
use bezant_consensus::ledger::transaction::{OutPoint, Transaction};
use bezant_consensus::limits::BLOCK_TRANSACTIONS_MAX;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Who comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// PBFT: who came first.
    Arrival,
    /// Proof of work: who pays best.
    FeeRate,
}

/// What a block above the tip holds and spends.
#[derive(Debug)]
pub(crate) struct Taken {
    ids: BTreeSet<TxId>,
    spent: BTreeSet<OutPoint>,
}

impl Taken {
    pub(crate) fn of(block: &Block) -> Taken {
        Taken {
            ids: block.transactions.iter().map(Transaction::id).collect(),
            spent: block.transactions.iter().flat_map(|transaction| transaction.inputs()).copied().collect(),
        }
    }
}

impl Taken {
    /// Whether a transaction is in the block, or can never follow it.
    pub(super) fn settles(&self, transaction: &Transaction) -> bool {
        self.ids.contains(&transaction.id()) || transaction.inputs().iter().any(|input| self.spent.contains(input))
    }
}

struct Selection<'a> {
    pool: &'a Mempool,
    request: &'a PayloadRequest,
    above: &'a [Arc<Taken>],
    chosen: Vec<TxId>,
    taken: BTreeSet<TxId>,
    /// Cannot be in this block, nor what spends from them.
    barred: BTreeSet<TxId>,
    room: usize,
    misses: usize,
    left_out: Option<Target>,
}

impl Mempool {
    /// Transactions that are valid together above the blocks of the request; `above` is what those hold. What `left_out` hits
    /// is treated as if it were not here, which only lying members ask for.
    pub(crate) fn select(
        &mut self,
        order: Order,
        request: &PayloadRequest,
        above: &[Arc<Taken>],
        left_out: Option<Target>,
    ) -> Vec<Transaction> {
        if order == Order::FeeRate {
            self.recluster();
        }
        let mut selection = Selection {
            pool: self,
            request,
            above,
            chosen: Vec::new(),
            taken: BTreeSet::new(),
            barred: BTreeSet::new(),
            room: request.bytes_max,
            misses: 0,
            left_out,
        };
        match order {
            Order::Arrival => selection.fill(self.by_arrival.values()),
            Order::FeeRate => selection.fill(self.by_rate.values().rev().flatten()),
        }
        selection.chosen.iter().map(|txid| self.entries[txid].transaction.clone()).collect()
    }
}

impl<'a> Selection<'a> {
    fn fill(&mut self, candidates: impl Iterator<Item = &'a TxId>) {
        for txid in candidates {
            if self.misses >= SELECT_MISSES_MAX {
                return;
            }
            self.consider(txid);
        }
    }

    /// Takes a transaction with those of its ancestors that are not taken yet, if all may be in this block and fit.
    fn consider(&mut self, txid: &TxId) {
        if self.is_there(txid) {
            return;
        }
        let Some(package) = self.package(txid) else {
            self.barred.insert(*txid);
            return;
        };
        let bytes: usize = package.values().map(|id| self.pool.entries[id].bytes).sum();
        // One place is the coinbase's.
        if bytes > self.room || self.chosen.len() + package.len() >= BLOCK_TRANSACTIONS_MAX {
            self.misses += 1;
            return;
        }
        self.room -= bytes;
        self.taken.extend(package.values());
        self.chosen.extend(package.values());
    }

    /// The transaction and its ancestors that are not there yet, by arrival; `None` when one of them is barred.
    fn package(&mut self, txid: &TxId) -> Option<BTreeMap<i64, TxId>> {
        let mut package = BTreeMap::new();
        let mut open = vec![*txid];
        while let Some(next) = open.pop() {
            let entry = &self.pool.entries[&next];
            let is_left_out = self.left_out.is_some_and(|target| target.is_hit(&entry.transaction));
            if is_left_out || self.barred.contains(&next) || !self.may_be_here(entry) {
                self.barred.insert(next);
                return None;
            }
            if package.insert(entry.arrival, next).is_none() {
                open.extend(entry.parents.iter().filter(|parent| !self.is_there(parent)));
            }
        }
        Some(package)
    }

    fn is_there(&self, txid: &TxId) -> bool {
        self.taken.contains(txid) || self.above.iter().any(|taken| taken.ids.contains(txid))
    }

    fn may_be_here(&self, entry: &Entry) -> bool {
        let is_open = entry.opens.height <= self.request.height && entry.opens.time <= self.request.time;
        let is_spent = |input: &OutPoint| self.above.iter().any(|taken| taken.spent.contains(input));
        is_open && !entry.transaction.inputs().iter().any(is_spent)
    }
}
