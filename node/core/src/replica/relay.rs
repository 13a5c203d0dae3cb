//! Transactions on their way to all peers.
//!
//! The first goes at once. What follows it within [`RELAY_PAUSE_MS`] goes together, as one message when that is over: so a transaction
//! that comes alone loses no time, and many cost their receivers one message, and one batch of signatures, for all. The order in
//! which they came is kept, so that each follows those it spends from.
//!
//! A proposal does not overtake what waits here: whoever gets it finds its transactions in the mempool.

use crate::limits::RELAY_PAUSE_MS;
use bezant_consensus::ledger::transaction::Transaction;
use bezant_consensus::ledger::units::Time;
use bezant_consensus::limits::{BATCH_BYTES_MAX, BATCH_TRANSACTIONS_MAX};
use bezant_consensus::message::{Message, TransactionBatch};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Relay {
    /// Invariant: what fits into one message.
    waiting: Vec<Transaction>,
    /// Of those in `waiting`.
    bytes: usize,
    /// Nothing goes before, unless a message is full.
    from: Time,
}

impl Relay {
    /// One more is to go; what is full by that goes now.
    pub(super) fn add(&mut self, now: Time, transaction: Transaction) -> Option<Message> {
        let bytes = transaction.bytes();
        let is_full = self.waiting.len() >= BATCH_TRANSACTIONS_MAX || self.bytes + bytes > BATCH_BYTES_MAX;
        let full = if is_full { self.take(now) } else { None };
        self.bytes += bytes;
        self.waiting.push(transaction);
        full
    }

    /// What is due.
    pub(super) fn due(&mut self, now: Time) -> Option<Message> {
        if self.from <= now { self.take(now) } else { None }
    }

    /// When something will be due.
    pub(super) fn deadline(&self) -> Option<Time> {
        (!self.waiting.is_empty()).then_some(self.from)
    }

    /// All that waits.
    pub(super) fn take(&mut self, now: Time) -> Option<Message> {
        let mut waiting = std::mem::take(&mut self.waiting);
        self.bytes = 0;
        let last = waiting.pop()?;
        self.from = now.plus_ms(RELAY_PAUSE_MS);
        if waiting.is_empty() {
            return Some(Message::Transaction(last));
        }
        waiting.push(last);
        Some(Message::TransactionBatch(TransactionBatch(waiting)))
    }
}

#[cfg(test)]
mod tests;
