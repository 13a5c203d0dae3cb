//! What members hand over because they think that this primary keeps it waiting.
//!
//! It is let in whatever it pays and however full the mempool is, stands before everything else in the order of arrival, and is
//! not evicted. If one that is here spends the same coin, that one is preferred instead: whoever signed both has his coin spent
//! soon, one way or the other. Each member has a share of such preference: as many and as large transactions as it may hand
//! over at once. What goes beyond is treated like any other transaction, so a lying member gains at most its share of the
//! blocks for what it does not want to pay for.

use super::{Entry, Mempool, Next};
use crate::io::{Notice, Refusal};
use bezant_consensus::engine::Peer;
use bezant_consensus::ledger::hash::TxId;
use bezant_consensus::ledger::transaction::Transaction;
use bezant_consensus::ledger::units::Time;
use bezant_consensus::limits::{OVERDUE_BYTES_MAX, OVERDUE_TRANSACTIONS_MAX};
use std::collections::{BTreeMap, BTreeSet};

/// Count and bytes of what is here with the preference of each member.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Shares {
    /// Invariant: no member with nothing; none above [`OVERDUE_TRANSACTIONS_MAX`] and [`OVERDUE_BYTES_MAX`].
    by_member: BTreeMap<u16, (usize, usize)>,
}

impl Shares {
    pub(super) fn insert(&mut self, entry: &Entry) {
        if let Some(member) = entry.handed_by {
            let (count, bytes) = self.by_member.entry(member).or_default();
            (*count, *bytes) = (*count + 1, *bytes + entry.bytes);
        }
    }

    pub(super) fn remove(&mut self, entry: &Entry) {
        let Some(member) = entry.handed_by else { return };
        let (count, bytes) = self.by_member.remove(&member).expect("what was inserted is counted");
        if count > 1 {
            self.by_member.insert(member, (count - 1, bytes - entry.bytes));
        }
    }

    /// Of all members: count and bytes.
    pub(super) fn total(&self) -> (usize, usize) {
        self.by_member.values().fold((0, 0), |(count, bytes), share| (count + share.0, bytes + share.1))
    }

    fn has_room(&self, member: u16, count: usize, bytes: usize) -> bool {
        let (held_count, held_bytes) = self.by_member.get(&member).copied().unwrap_or_default();
        held_count + count <= OVERDUE_TRANSACTIONS_MAX && held_bytes + bytes <= OVERDUE_BYTES_MAX
    }
}

impl Mempool {
    /// Lets in what `member` handed over, parents before children; `from` brought it.
    pub(crate) fn admit_handed(
        &mut self,
        next: Next<'_>,
        from: Peer,
        member: u16,
        transactions: Vec<Transaction>,
        notices: &mut Vec<Notice>,
    ) {
        for transaction in transactions {
            let txid = transaction.id();
            if self.contains(&txid) {
                self.prefer(next.now, member, &txid);
            } else if !self.included.contains(&txid) {
                self.admit_handed_one(next, from, member, transaction, notices);
            }
        }
        self.settle_clusters();
    }

    fn admit_handed_one(
        &mut self,
        next: Next<'_>,
        from: Peer,
        member: u16,
        transaction: Transaction,
        notices: &mut Vec<Notice>,
    ) {
        match self.judge(next, &transaction) {
            Err(Refusal::Conflict { by, .. }) => return self.prefer(next.now, member, &by),
            Ok(judged) => {
                let package = self.without_preference(&judged.parents);
                let bytes = self.bytes_of(&package) + judged.bytes;
                if self.shares.has_room(member, package.len() + 1, bytes) {
                    self.move_to_front(next.now, member, &package);
                    let (txid, fee) = (judged.txid, judged.fee);
                    self.last_handed += 1;
                    self.insert_judged(next.now, self.last_handed, transaction, judged, Some(member));
                    self.settle_clusters();
                    notices.push(Notice::Pooled { txid, fee, held: self.len() });
                    let woken = self.orphans.take_children(&txid);
                    return self.admit_orphans(next, woken, notices);
                }
            }
            Err(_) => {}
        }
        self.admit_orphans(next, vec![(from, transaction)], notices);
    }

    /// Gives an entry, with all that it spends from, the member's preference, as far as its share goes.
    fn prefer(&mut self, now: Time, member: u16, txid: &TxId) {
        let package = self.without_preference(&BTreeSet::from([*txid]));
        if self.shares.has_room(member, package.len(), self.bytes_of(&package)) {
            self.move_to_front(now, member, &package);
        }
    }

    /// These entries and their ancestors by arrival, but for those that have some member's preference already.
    fn without_preference(&self, txids: &BTreeSet<TxId>) -> BTreeMap<i64, TxId> {
        let all = self.ancestors(txids).into_iter().map(|txid| (&self.entries[&txid], txid));
        all.filter(|(entry, _)| entry.handed_by.is_none()).map(|(entry, txid)| (entry.arrival, txid)).collect()
    }

    fn bytes_of(&self, package: &BTreeMap<i64, TxId>) -> usize {
        package.values().map(|txid| self.entries[txid].bytes).sum()
    }

    fn move_to_front(&mut self, now: Time, member: u16, package: &BTreeMap<i64, TxId>) {
        for txid in package.values() {
            let entry = self.remove(txid).expect("a package holds entries");
            self.last_handed += 1;
            self.insert(now, *txid, Entry { arrival: self.last_handed, handed_by: Some(member), ..entry });
        }
    }

    pub(super) fn check_shares(&self) {
        let mut shares = Shares::default();
        for entry in self.held() {
            shares.insert(entry);
            if entry.handed_by.is_some() {
                let preferred = |parent: &TxId| self.entries[parent].handed_by.is_some();
                assert!(entry.parents.iter().all(preferred), "no preference without that of the parents");
            }
        }
        assert_eq!(shares, self.shares);
        let is_kept = |share: &(usize, usize)| share.0 <= OVERDUE_TRANSACTIONS_MAX && share.1 <= OVERDUE_BYTES_MAX;
        assert!(shares.by_member.values().all(is_kept), "no member has more than its share");
    }
}
