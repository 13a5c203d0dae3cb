//! Transactions that peers brought before what they spend from, or before what pays for them. Bounded in all and per peer;
//! whoever fills it loses first.

use crate::limits::{ORPHAN_BYTES_MAX, ORPHAN_EXPIRY_MS, ORPHANS_MAX, ORPHANS_PER_PEER_MAX, PACKAGE_COUNT_MAX};
use bezant_consensus::engine::Peer;
use bezant_consensus::ledger::hash::{TxHash, TxId};
use bezant_consensus::ledger::transaction::Transaction;
use bezant_consensus::ledger::units::Time;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug)]
struct Orphan {
    transaction: Transaction,
    from: Peer,
    arrival: u64,
    until: Time,
}

/// The waiting transactions.
#[derive(Debug, Default)]
pub(super) struct Orphans {
    by_hash: BTreeMap<TxHash, Orphan>,
    /// Invariant: every orphan by its id; several may have one id and different witnesses.
    by_id: BTreeSet<(TxId, TxHash)>,
    /// Invariant: every orphan by its end.
    by_end: BTreeSet<(Time, TxHash)>,
    /// Invariant: holds for each orphan all transactions it spends from, so that any of them wakes it.
    by_parent: BTreeMap<TxId, BTreeSet<TxHash>>,
    /// Invariant: each peer's orphans by their arrival.
    by_peer: BTreeMap<Peer, BTreeMap<u64, TxHash>>,
    bytes: usize,
    arrivals: u64,
}

impl Orphans {
    pub(super) fn len(&self) -> usize {
        self.by_hash.len()
    }

    pub(super) fn contains(&self, hash: &TxHash) -> bool {
        self.by_hash.contains_key(hash)
    }

    pub(super) fn add(&mut self, now: Time, from: Peer, transaction: Transaction) {
        let (hash, bytes) = (transaction.hash(), transaction.bytes());
        if self.contains(&hash) {
            return;
        }
        if self.by_peer.get(&from).is_some_and(|own| own.len() >= ORPHANS_PER_PEER_MAX) {
            self.drop_oldest_of(from);
        }
        while self.len() >= ORPHANS_MAX || self.bytes + bytes > ORPHAN_BYTES_MAX {
            let (&busiest, _) = self.by_peer.iter().max_by_key(|(_, own)| own.len()).expect("someone filled it");
            self.drop_oldest_of(busiest);
        }
        for input in transaction.inputs() {
            self.by_parent.entry(input.txid).or_default().insert(hash);
        }
        self.arrivals += 1;
        self.by_peer.entry(from).or_default().insert(self.arrivals, hash);
        self.bytes += bytes;
        let until = now.plus_ms(ORPHAN_EXPIRY_MS);
        self.by_id.insert((transaction.id(), hash));
        self.by_end.insert((until, hash));
        self.by_hash.insert(hash, Orphan { transaction, from, arrival: self.arrivals, until });
    }

    fn drop_oldest_of(&mut self, peer: Peer) {
        let oldest = self.by_peer.get(&peer).and_then(|own| own.values().next().copied());
        self.remove(&oldest.expect("peers without orphans are not listed"));
    }

    fn remove(&mut self, hash: &TxHash) -> Option<(Peer, Transaction)> {
        let orphan = self.by_hash.remove(hash)?;
        self.bytes -= orphan.transaction.bytes();
        self.by_id.remove(&(orphan.transaction.id(), *hash));
        self.by_end.remove(&(orphan.until, *hash));
        for input in orphan.transaction.inputs() {
            if let Some(waiting) = self.by_parent.get_mut(&input.txid) {
                waiting.remove(hash);
                if waiting.is_empty() {
                    self.by_parent.remove(&input.txid);
                }
            }
        }
        if let Some(own) = self.by_peer.get_mut(&orphan.from) {
            own.remove(&orphan.arrival);
            if own.is_empty() {
                self.by_peer.remove(&orphan.from);
            }
        }
        Some((orphan.from, orphan.transaction))
    }

    /// Takes out all that spend from this transaction, in the order of their hashes.
    pub(super) fn take_children(&mut self, parent: &TxId) -> Vec<(Peer, Transaction)> {
        let waiting = self.by_parent.get(parent).cloned().unwrap_or_default();
        waiting.iter().filter_map(|hash| self.remove(hash)).collect()
    }

    /// Up to `count_max` that spend from this transaction, directly or not, the nearest first.
    pub(super) fn heirs(&self, txid: &TxId, count_max: usize) -> Vec<TxHash> {
        let (mut heirs, mut looked_at) = (Vec::new(), 0);
        let mut next = Some(*txid);
        while let Some(parent) = next {
            for child in self.by_parent.get(&parent).into_iter().flatten() {
                if heirs.len() < count_max && !heirs.contains(child) {
                    heirs.push(*child);
                }
            }
            next = heirs.get(looked_at).map(|heir| self.by_hash[heir].transaction.id());
            looked_at += 1;
        }
        heirs
    }

    /// An orphan after all that wait here that it spends from, directly or not; nothing when it is not here or they are more
    /// than a package may hold.
    pub(super) fn package_of(&self, hash: &TxHash) -> Vec<Transaction> {
        let mut package = Vec::new();
        let mut seen = BTreeSet::new();
        // Each is looked at twice: before and after what it spends from.
        let mut open = vec![(*hash, false)];
        while let Some((hash, is_complete)) = open.pop() {
            let Some(orphan) = self.by_hash.get(&hash) else { return Vec::new() };
            let txid = orphan.transaction.id();
            if is_complete {
                package.push(orphan.transaction.clone());
            } else if seen.insert(txid) {
                if seen.len() > PACKAGE_COUNT_MAX {
                    return Vec::new();
                }
                open.push((hash, true));
                let parents = orphan.transaction.inputs().iter().filter_map(|input| self.held(&input.txid));
                open.extend(parents.map(|parent| (parent, false)));
            }
        }
        package
    }

    fn held(&self, txid: &TxId) -> Option<TxHash> {
        let all = (*txid, TxHash([0; 32]))..=(*txid, TxHash([u8::MAX; 32]));
        self.by_id.range(all).next().map(|(_, hash)| *hash)
    }

    pub(super) fn forget(&mut self, hash: &TxHash) {
        self.remove(hash);
    }

    pub(super) fn disconnected(&mut self, peer: Peer) {
        while self.by_peer.contains_key(&peer) {
            self.drop_oldest_of(peer);
        }
    }

    pub(super) fn expire(&mut self, now: Time) {
        while let Some((_, hash)) = self.by_end.first().copied().filter(|(until, _)| *until <= now) {
            self.remove(&hash);
        }
    }

    pub(super) fn check(&self) {
        let count = self.by_hash.len();
        assert_eq!([count; 3], [self.by_id.len(), self.by_end.len(), self.by_peer.values().map(BTreeMap::len).sum()]);
        assert_eq!(self.bytes, self.by_hash.values().map(|orphan| orphan.transaction.bytes()).sum::<usize>());
        assert!(count <= ORPHANS_MAX && self.bytes <= ORPHAN_BYTES_MAX);
    }
}
