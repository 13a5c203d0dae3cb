//! Which fee rate to pay, to be in one of the next so many blocks.
//!
//! Under proof of work blocks take the best chunks, so the rate is what it takes to stand before what fills that many blocks
//! now. While less than one block waits, that is the least rate, whatever happened before: a quiet net never looks dear. When
//! more waits and most of the last blocks were full, the rate is also at least what those took at their lower quarter, since
//! more will come before the next block.
//!
//! Under PBFT the order is that of arrival, and a fee only buys admission: the least rate, and in a full mempool what it takes
//! not to be the first to be evicted.
//!
//! No estimate is above [`ESTIMATE_MULTIPLE_MAX`] times the least rate of the net, so whoever fills a mempool with dear
//! transactions makes nobody pay without end. It looks at no more than the blocks asked for.

use super::judge::room_in_block;
use super::{Entry, FeeRate, Mempool, Order};
use crate::limits::{ESTIMATE_BASE_MIN, ESTIMATE_BLOCKS, ESTIMATE_MULTIPLE_MAX, ESTIMATE_TARGET_MAX};
use bezant_consensus::ledger::genesis::LedgerParams;
use bezant_consensus::ledger::units::Time;
use bezant_consensus::limits::TRANSACTION_BYTES_MAX;
use std::collections::VecDeque;

/// All in grains per 1,000 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeeEstimate {
    /// What to pay; below `minimum` only where that is above the bound.
    pub rate: u64,
    /// Below this nothing is let in now.
    pub minimum: u64,
    /// What it takes to be in those blocks with what waits now; 0 when there is room for all.
    pub backlog: u64,
    /// What most of the last blocks took at their lower quarter; 0 when most were not full.
    pub recent: u64,
}

/// What the last blocks took.
#[derive(Debug, Default)]
pub(super) struct RecentBlocks {
    /// Invariant: at most [`ESTIMATE_BLOCKS`], the latest last; 0 for a block that was not full.
    rates: VecDeque<u64>,
}

impl RecentBlocks {
    /// A block came that holds these of the mempool's, and `others` bytes of transactions that were not there.
    pub(super) fn connected(&mut self, included: &[Entry], others: usize, room: usize) {
        let known: usize = included.iter().map(|entry| entry.bytes).sum();
        let is_full = (known + others) * 4 >= room * 3;
        // Of a block whose transactions were not here nothing is known: a node that catches up learns nothing of rates.
        let rate = if is_full && known >= others { lower_quarter(included, known) } else { 0 };
        self.rates.push_back(rate);
        if self.rates.len() > ESTIMATE_BLOCKS {
            self.rates.pop_front();
        }
    }

    pub(super) fn disconnected(&mut self, count: usize) {
        let left = self.rates.len().saturating_sub(count);
        self.rates.truncate(left);
    }

    /// The lower median, so that it takes most of the blocks to raise it.
    fn median(&self) -> u64 {
        let mut rates: Vec<u64> = self.rates.iter().copied().collect();
        rates.resize(ESTIMATE_BLOCKS, 0);
        rates.sort_unstable();
        rates[(ESTIMATE_BLOCKS - 1) / 2]
    }
}

/// A quarter of the bytes pay this or less.
fn lower_quarter(included: &[Entry], bytes: usize) -> u64 {
    let mut rates: Vec<(u64, usize)> =
        included.iter().map(|entry| (entry.rate().per_thousand_bytes(), entry.bytes)).collect();
    rates.sort_unstable();
    let mut so_far = 0;
    let at_quarter = rates.iter().find(|(_, bytes_of)| {
        so_far += bytes_of;
        so_far * 4 >= bytes
    });
    at_quarter.map_or(0, |(rate, _)| *rate)
}

impl Mempool {
    /// The fee rate that is likely to bring a transaction into one of the next `blocks` blocks, 1 to [`ESTIMATE_TARGET_MAX`];
    /// others count as the nearest of these.
    #[must_use]
    pub fn estimate(&mut self, now: Time, params: &LedgerParams, blocks: u32) -> FeeEstimate {
        let blocks = blocks.clamp(1, ESTIMATE_TARGET_MAX) as usize;
        let (least, minimum) = (self.least_rate(params), self.fee_rate_min(now, params));
        let (backlog, recent) = match self.order {
            Order::Arrival => (self.entry_rate(params), 0),
            Order::FeeRate if self.bytes <= room_in_block(params) => (0, 0),
            Order::FeeRate => (self.backlog_rate(blocks * room_in_block(params)), self.recent.median()),
        };
        let bound = least.max(ESTIMATE_BASE_MIN).saturating_mul(ESTIMATE_MULTIPLE_MAX);
        FeeEstimate { rate: minimum.max(backlog).max(recent).min(bound), minimum, backlog, recent }
    }

    /// What it takes to stand before the chunk with which so many bytes are full; 0 when they are not.
    fn backlog_rate(&self, room: usize) -> u64 {
        if self.bytes <= room {
            return 0;
        }
        let mut left = room as u64;
        let first_out = self.by_rate.keys().rev().find(|key| {
            let fits = key.rate.bytes <= left;
            left = left.saturating_sub(key.rate.bytes);
            !fits
        });
        first_out.map_or(0, |key| above(key.rate, 1))
    }

    /// What it takes to be let in, and not to be the first to go, when there is hardly room.
    fn entry_rate(&mut self, params: &LedgerParams) -> u64 {
        let is_full = self.len() >= self.config.count_max || self.bytes + TRANSACTION_BYTES_MAX > self.config.bytes_max;
        if !is_full {
            return 0;
        }
        self.recluster();
        self.by_rate.keys().next().map_or(0, |key| above(key.rate, self.step(params)))
    }
}

fn above(rate: FeeRate, step: u64) -> u64 {
    rate.per_thousand_bytes().saturating_add(step)
}
