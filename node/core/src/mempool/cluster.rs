//! Clusters: transactions that depend on each other, in one order that serves both selection and eviction.
//!
//! A cluster is put in the order in which a block should take it: again and again the transaction whose not yet taken ancestors
//! and itself pay best together, with those ancestors before it. The order is then cut into chunks of falling rate. Blocks are
//! filled with the best chunks of all clusters; when the mempool is full, the worst last chunk goes.

use crate::limits::CLUSTER_ORDERED_MAX;
use bezant_consensus::ledger::hash::TxId;
use std::cmp::Ordering;

/// Grains for bytes, compared exactly.
#[derive(Clone, Copy, Debug)]
pub struct FeeRate {
    /// Grains.
    pub fee: u64,
    /// Bytes, at least 1.
    pub bytes: u64,
}

impl FeeRate {
    /// Grains per 1,000 bytes, rounded up.
    #[must_use]
    pub fn per_thousand_bytes(self) -> u64 {
        let rate = (u128::from(self.fee) * 1_000).div_ceil(u128::from(self.bytes));
        u64::try_from(rate).unwrap_or(u64::MAX)
    }

    /// The least fee of so many bytes at a rate in grains per 1,000 bytes.
    pub(super) fn least_fee(rate: u64, bytes: u64) -> u64 {
        u64::try_from((u128::from(rate) * u128::from(bytes)).div_ceil(1_000)).unwrap_or(u64::MAX)
    }

    pub(super) fn plus(self, other: FeeRate) -> FeeRate {
        FeeRate { fee: self.fee + other.fee, bytes: self.bytes + other.bytes }
    }
}

impl Ord for FeeRate {
    fn cmp(&self, other: &Self) -> Ordering {
        let (left, right) =
            (u128::from(self.fee) * u128::from(other.bytes), u128::from(other.fee) * u128::from(self.bytes));
        left.cmp(&right)
    }
}
impl PartialOrd for FeeRate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl PartialEq for FeeRate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for FeeRate {}

/// A transaction of a cluster; those it spends from are named by their places in the list, which are lower than its own.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) txid: TxId,
    pub(super) rate: FeeRate,
    pub(super) parents: Vec<usize>,
}

/// Neighbours in a cluster's order that are taken or evicted together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) rate: FeeRate,
    pub(super) txids: Vec<TxId>,
}

/// The chunks of a cluster, of strictly falling or equal rate. Clusters above [`CLUSTER_ORDERED_MAX`], as only a reorg makes
/// them, keep the order of the list.
pub(super) fn chunks(items: &[Item]) -> Vec<Chunk> {
    let order = if items.len() <= CLUSTER_ORDERED_MAX { best_order(items) } else { (0..items.len()).collect() };
    let mut chunks: Vec<Chunk> = Vec::new();
    for place in order {
        let mut next = Chunk { rate: items[place].rate, txids: vec![items[place].txid] };
        while let Some(last) = chunks.pop_if(|last| last.rate < next.rate) {
            let txids = [last.txids, next.txids].concat();
            next = Chunk { rate: last.rate.plus(next.rate), txids };
        }
        chunks.push(next);
    }
    chunks
}

fn best_order(items: &[Item]) -> Vec<usize> {
    // Bit i of a set stands for item i.
    let mut closures: Vec<u128> = Vec::with_capacity(items.len());
    for (place, item) in items.iter().enumerate() {
        closures.push(item.parents.iter().fold(1 << place, |set, parent| set | closures[*parent]));
    }
    let members = |set: u128| (0..items.len()).filter(move |place| set >> place & 1 == 1);
    let mut taken: u128 = 0;
    let mut order = Vec::with_capacity(items.len());
    while order.len() < items.len() {
        let mut best: Option<(FeeRate, u128)> = None;
        for place in members(!taken) {
            let set = closures[place] & !taken;
            let rate =
                members(set).map(|member| items[member].rate).reduce(FeeRate::plus).expect("holds the place itself");
            if best.is_none_or(|(so_far, _)| rate > so_far) {
                best = Some((rate, set));
            }
        }
        let (_, set) = best.expect("something is left to take");
        order.extend(members(set));
        taken |= set;
    }
    order
}
