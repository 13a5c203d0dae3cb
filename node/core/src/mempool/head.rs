//! What would be in the next block if it were made here, and since when each has had that claim.
//!
//! Under PBFT the *head* is the longest run of entries from the first in the order of arrival that fits one block. An entry is
//! due from the moment it is in the head and ready; what leaves the head, for whatever reason, loses its clock. So a backlog
//! makes nothing due that this replica would not include itself. Under proof of work, where nobody is held to an order, the
//! head is everything.
//!
//! The head is kept as one place in the order of arrival with what lies before it. Entries enter it one by one when there is
//! room, and leave it when something comes in before them; nothing ever looks at what lies behind it.

use super::{Entry, Mempool, Order, Taken};
use bezant_consensus::ledger::genesis::LedgerParams;
use bezant_consensus::ledger::hash::TxId;
use bezant_consensus::ledger::transaction::Transaction;
use bezant_consensus::ledger::units::Time;
use bezant_consensus::limits::{BLOCK_TRANSACTIONS_MAX, OVERDUE_BYTES_MAX, OVERDUE_TRANSACTIONS_MAX};
use bezant_consensus::plant::{Plant, armed};
use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

/// Where the head ends, and what is in it.
#[derive(Debug)]
pub(super) struct Head {
    bytes_max: usize,
    count_max: usize,
    /// Arrival of its last entry. Invariant: all entries up to it are in the head, and have a clock; no others have.
    last: Option<i64>,
    bytes: usize,
    /// Invariant: the entries of the head.
    by_due: BTreeSet<(Time, i64)>,
}

impl Head {
    pub(super) fn new(order: Order, params: &LedgerParams) -> Head {
        let (bytes_max, count_max) = match order {
            Order::Arrival if armed(Plant::BacklogDue) => (usize::MAX, usize::MAX),
            Order::Arrival => (super::judge::room_in_block(params), BLOCK_TRANSACTIONS_MAX - 1),
            Order::FeeRate => (usize::MAX, usize::MAX),
        };
        Head { bytes_max, count_max, last: None, bytes: 0, by_due: BTreeSet::new() }
    }

    fn holds(&self, arrival: i64) -> bool {
        self.last.is_some_and(|last| arrival <= last)
    }

    fn is_too_full(&self) -> bool {
        self.bytes > self.bytes_max || self.by_due.len() > self.count_max
    }

    fn has_room(&self, bytes: usize) -> bool {
        bytes <= self.bytes_max.saturating_sub(self.bytes) && self.by_due.len() < self.count_max
    }

    fn start_clock(&mut self, now: Time, entry: &mut Entry) {
        // One that was moved within the head keeps its clock.
        let due = entry.due.unwrap_or(now).max(entry.ready);
        entry.due = Some(due);
        self.bytes += entry.bytes;
        self.by_due.insert((due, entry.arrival));
    }

    fn stop_clock(&mut self, entry: &mut Entry) {
        if let Some(due) = entry.due.take() {
            self.bytes -= entry.bytes;
            self.by_due.remove(&(due, entry.arrival));
        }
    }
}

impl Mempool {
    /// Since when the longest-waiting transaction has been due, after those for which there is room have entered the head.
    pub(crate) fn oldest_due(&mut self, now: Time) -> Option<Time> {
        self.fill_head(now);
        self.next_due().filter(|due| *due <= now)
    }

    /// When, or since when, the first transaction of the head is due.
    pub(crate) fn next_due(&self) -> Option<Time> {
        self.head.by_due.first().map(|(due, _)| *due)
    }

    /// Transactions that have been due since `due_until` or earlier and are not held or ruled out by the blocks `above` the
    /// tip; longest first, each after those it spends from, as many as may be handed over at once. With the first one's clock.
    pub(crate) fn overdue(&self, due_until: Time, above: &[Arc<Taken>]) -> (Option<Time>, Vec<Transaction>) {
        let (mut oldest, mut overdue, mut bytes_left) = (None, Vec::new(), OVERDUE_BYTES_MAX);
        for (due, arrival) in self.head.by_due.iter().take_while(|(due, _)| *due <= due_until) {
            let entry = &self.entries[&self.by_arrival[arrival]];
            if above.iter().any(|taken| taken.settles(&entry.transaction)) {
                continue;
            }
            if entry.bytes > bytes_left || overdue.len() == OVERDUE_TRANSACTIONS_MAX {
                break;
            }
            bytes_left -= entry.bytes;
            oldest = oldest.or(Some(*due));
            overdue.push(entry.transaction.clone());
        }
        (oldest, overdue)
    }

    /// An entry has come in at this place.
    pub(super) fn enter_head(&mut self, now: Time, arrival: i64) {
        let bytes = self.entry_at(arrival).bytes;
        let is_next = self.after_head().is_some_and(|(next, _)| next == arrival);
        if is_next && self.head.has_room(bytes) {
            self.head.last = Some(arrival);
        }
        if !self.head.holds(arrival) {
            self.entry_at(arrival).due = None;
            return;
        }
        self.start_clock(now, arrival);
        while self.head.is_too_full() {
            self.stop_last_clock();
        }
    }

    /// An entry is about to go.
    pub(super) fn leave_head(&mut self, txid: &TxId) {
        let Mempool { entries, head, .. } = self;
        let Some(entry) = entries.get_mut(txid).filter(|entry| head.holds(entry.arrival)) else {
            return;
        };
        let (arrival, due) = (entry.arrival, entry.due);
        head.stop_clock(entry);
        // Kept in what is taken out, so that moving it does not start it anew.
        entry.due = due;
        if head.last == Some(arrival) {
            head.last = self.by_arrival.range(..arrival).next_back().map(|(before, _)| *before);
        }
    }

    fn fill_head(&mut self, now: Time) {
        while let Some((arrival, txid)) = self.after_head() {
            if !self.head.has_room(self.entries[&txid].bytes) {
                return;
            }
            self.head.last = Some(arrival);
            self.start_clock(now, arrival);
        }
    }

    /// The first entry that is not in the head.
    fn after_head(&self) -> Option<(i64, TxId)> {
        let after = self.head.last.map_or(Bound::Unbounded, Bound::Excluded);
        self.by_arrival.range((after, Bound::Unbounded)).next().map(|(arrival, txid)| (*arrival, *txid))
    }

    fn start_clock(&mut self, now: Time, arrival: i64) {
        let Mempool { entries, head, by_arrival, .. } = self;
        head.start_clock(now, entries.get_mut(&by_arrival[&arrival]).expect("indices hold entries only"));
    }

    fn stop_last_clock(&mut self) {
        let Mempool { entries, head, by_arrival, .. } = self;
        let last = head.last.expect("what is too full holds something");
        head.stop_clock(entries.get_mut(&by_arrival[&last]).expect("indices hold entries only"));
        head.last = by_arrival.range(..last).next_back().map(|(before, _)| *before);
    }

    fn entry_at(&mut self, arrival: i64) -> &mut Entry {
        self.entries.get_mut(&self.by_arrival[&arrival]).expect("indices hold entries only")
    }

    pub(super) fn check_head(&self) {
        let held: Vec<&Entry> = self.held().filter(|entry| self.head.holds(entry.arrival)).collect();
        assert_eq!(self.head.bytes, held.iter().map(|entry| entry.bytes).sum::<usize>());
        assert_eq!(self.head.by_due.len(), held.len());
        assert!(!self.head.is_too_full(), "the head fits one block");
        assert!(self.head.last.is_none_or(|last| self.by_arrival.contains_key(&last)), "it ends at an entry");
        for entry in self.held() {
            assert_eq!(entry.due.is_some(), self.head.holds(entry.arrival), "the head has clocks, the rest has none");
            assert!(entry.due.is_none_or(|due| due >= entry.ready && self.head.by_due.contains(&(due, entry.arrival))));
        }
    }
}
