//! Transactions that wait for a block.
//!
//! Everything here is valid in the place of the next block ([`Engine::place`](bezant_consensus::engine::Engine::place)): each
//! coin it spends is unspent on the active chain or made by another transaction here, no two spend the same coin, locks and
//! maturity are reached. A transaction whose lock is not reached yet is refused, not kept. The policy as users see it is
//! docs/spec/mempool.md.
//!
//! | what | where |
//! |---|---|
//! | whether it would be valid in the next block | `judge` |
//! | what letting it in would do: replacement, least fee, size of clusters, room | `plan`, `diagram` |
//! | letting in, alone or as a package | `admit`, `package` |
//! | what waits for a parent or for a child that pays, and what was refused | `orphans`, `memory` |
//! | the least fee after evictions | `floor` |
//! | which fee rate to pay | `estimate` |
//! | what a change of the active chain does | `follow` |
//! | what goes into a block | `select` |
//! | what would be in the next block, and since when | `head` |
//! | what a member handed over | `handed` |
//! | what of an announced block is here | `relay` |
//! | what depends on each other, and what is evicted first | `cluster` |
//!
//! Nothing that is done per transaction looks at more than its cluster, what it displaces, and a few places of ordered indices.

mod admit;
mod cluster;
mod diagram;
mod estimate;
mod floor;
mod follow;
mod handed;
mod head;
mod judge;
mod memory;
mod orphans;
mod package;
mod plan;
mod relay;
mod select;
#[cfg(test)]
mod tests;

pub use cluster::FeeRate;
pub use estimate::FeeEstimate;
pub(crate) use judge::Next;
pub(crate) use select::{Order, Taken};

use crate::io::{DropReason, Notice};
use crate::limits::{
    CLUSTER_ORDERED_MAX, LOOSE_MAX, MEMPOOL_BYTES_MAX_DEFAULT, MEMPOOL_CHAIN_MAX_DEFAULT, MEMPOOL_COUNT_MAX_DEFAULT,
    MEMPOOL_EXPIRY_MS_DEFAULT, REANNOUNCE_AFTER_MS,
};
use bezant_consensus::engine::Peer;
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::genesis::LedgerParams;
use bezant_consensus::ledger::hash::{LockHash, TxHash, TxId, sha256};
use bezant_consensus::ledger::table::Table;
use bezant_consensus::ledger::transaction::{OutPoint, Output, Transaction};
use bezant_consensus::ledger::units::{Height, Time};
use bezant_consensus::limits::TRANSACTION_BYTES_MAX;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// Limits and policy of the mempool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MempoolConfig {
    /// Bytes of all transactions together; at least one of the largest must fit. Default 64 MiB.
    pub bytes_max: usize,
    /// Transactions, at least 1. Default 100,000.
    pub count_max: usize,
    /// Least fee in grains per 1,000 bytes; the genesis' `relay_fee_rate_min` unless given.
    pub fee_rate_min: Option<u64>,
    /// How long a transaction may wait after it became ready, in milliseconds, at least 1. Default three days.
    pub expiry_ms: u64,
    /// Unconfirmed transactions that may depend on each other, directly or not; 1 to [`CLUSTER_ORDERED_MAX`]. Default 25.
    pub chain_max: usize,
    /// Random, and known to nobody else, so that nobody can make looking up slow; nothing else depends on it. Default 0.
    pub seed: u64,
}

impl Default for MempoolConfig {
    fn default() -> Self {
        MempoolConfig {
            bytes_max: MEMPOOL_BYTES_MAX_DEFAULT,
            count_max: MEMPOOL_COUNT_MAX_DEFAULT,
            fee_rate_min: None,
            expiry_ms: MEMPOOL_EXPIRY_MS_DEFAULT,
            chain_max: MEMPOOL_CHAIN_MAX_DEFAULT,
            seed: 0,
        }
    }
}

/// A configuration that no mempool can run with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("mempool.{field}: {expected} is expected")]
pub struct MempoolConfigError {
    /// The field.
    pub field: &'static str,
    /// What it should be.
    pub expected: &'static str,
}

impl MempoolConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// The first field that no mempool can run with.
    pub fn check(&self) -> Result<(), MempoolConfigError> {
        let fail = |field, expected| Err(MempoolConfigError { field, expected });
        if self.bytes_max < TRANSACTION_BYTES_MAX {
            return fail("bytes_max", "at least 100000");
        }
        if self.count_max == 0 {
            return fail("count_max", "at least 1");
        }
        if self.expiry_ms == 0 {
            return fail("expiry_ms", "at least 1");
        }
        if self.chain_max == 0 || self.chain_max > CLUSTER_ORDERED_MAX {
            return fail("chain_max", "1 to 128");
        }
        Ok(())
    }
}

/// A waiting transaction.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The transaction.
    pub transaction: Transaction,
    /// Bytes of its encoding.
    pub bytes: usize,
    /// What it pays.
    pub fee: Amount,
    /// From when every clock allows it: its admission, or later when a time lock of it (or of one that it spends from) may not
    /// be reached yet on clocks that are behind.
    pub ready: Time,
    /// Since when, or from when, it has a claim to be in the next block: when it is ready and came to the head of the order.
    /// `None` while it would not be in the next block. Under proof of work all are at the head.
    pub due: Option<Time>,
    /// The member that handed it over, when it has that member's preference.
    handed_by: Option<u16>,
    /// When it was sent last.
    announced: Time,
    /// Place in the order of arrival; lower than that of all that spend from it.
    arrival: i64,
    opens: Opens,
    /// Those here that it spends from.
    parents: BTreeSet<TxId>,
    /// Those here that spend from it.
    children: BTreeSet<TxId>,
    cluster: u64,
}

impl Entry {
    fn rate(&self) -> FeeRate {
        FeeRate { fee: self.fee.grains(), bytes: self.bytes as u64 }
    }
}

/// The first place in which a transaction is not locked, as far as its confirmed coins and its own locks tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Opens {
    height: Height,
    time: u32,
}

/// Names a chunk; the order is that of eviction: worst first, later ones first among equals, and of one cluster the last first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct ChunkKey {
    rate: FeeRate,
    /// The latest arrival of this chunk and those before it in its cluster.
    arrival: Reverse<i64>,
    cluster: u64,
    index: Reverse<usize>,
}

/// What a lock is found by: two that begin alike are told apart when they are found.
fn beginning(lock: &LockHash) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = lock.0;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// The waiting transactions; see the module.
#[derive(Debug)]
pub struct Mempool {
    config: MempoolConfig,
    order: Order,
    entries: Table<TxId, Entry>,
    bytes: usize,
    // Invariant: each of these indices holds every entry once, and nothing else.
    by_hash: Table<TxHash, TxId>,
    by_arrival: BTreeMap<i64, TxId>,
    by_ready: BTreeSet<(Time, i64)>,
    by_announced: BTreeSet<(Time, i64)>,
    /// Invariant: every input of every entry, once.
    spenders: Table<OutPoint, TxId>,
    /// Invariant: every output of every entry, by the beginning of its lock, the entry's arrival, and its index.
    by_lock: BTreeSet<(u64, i64, u32)>,
    /// Invariant: the entries that open at a height above 0, and those that open at a time above 0.
    by_height: BTreeSet<(Height, i64)>,
    by_time: BTreeSet<(u32, i64)>,
    /// Invariant: every entry is in exactly one chunk or in `loose`.
    by_rate: BTreeMap<ChunkKey, Vec<TxId>>,
    clusters: BTreeMap<u64, Vec<ChunkKey>>,
    /// Arrivals of the entries whose cluster is to be put in order. See [`Mempool::settle_clusters`].
    loose: BTreeSet<i64>,
    last_cluster: u64,
    /// Arrivals used so far: `first..=last`, and below them all up to `last_handed`.
    first: i64,
    last: i64,
    last_handed: i64,
    head: head::Head,
    /// What each member's handing over has to its credit here.
    shares: handed::Shares,
    /// Whether entries came or went since [`Mempool::take_changed`].
    changed: bool,
    /// Entries that came or went so far.
    changes: u64,
    floor: floor::Floor,
    recent: estimate::RecentBlocks,
    orphans: orphans::Orphans,
    refusals: memory::Refusals,
    included: memory::Included,
    /// From blocks that left the active chain, parents first; to be admitted again.
    returning: Vec<Transaction>,
    /// Orphans whose parents were included.
    waking: Vec<(Peer, Transaction)>,
    /// What is to be judged again because blocks left the active chain.
    recheck: follow::Recheck,
}

impl Mempool {
    /// Filled into blocks of `params` in this order.
    pub(crate) fn new(config: MempoolConfig, order: Order, params: &LedgerParams) -> Mempool {
        let key = sha256(&config.seed.to_le_bytes());
        Mempool {
            config,
            order,
            entries: Table::new(&key),
            bytes: 0,
            by_hash: Table::new(&key),
            by_arrival: BTreeMap::new(),
            by_ready: BTreeSet::new(),
            by_announced: BTreeSet::new(),
            spenders: Table::new(&key),
            by_lock: BTreeSet::new(),
            by_height: BTreeSet::new(),
            by_time: BTreeSet::new(),
            by_rate: BTreeMap::new(),
            clusters: BTreeMap::new(),
            loose: BTreeSet::new(),
            last_cluster: 0,
            first: 0,
            last: -1,
            last_handed: i64::MIN,
            head: head::Head::new(order, params),
            shares: handed::Shares::default(),
            changed: false,
            changes: 0,
            floor: floor::Floor::default(),
            recent: estimate::RecentBlocks::default(),
            orphans: orphans::Orphans::default(),
            refusals: memory::Refusals::default(),
            included: memory::Included::new(&key),
            returning: Vec::new(),
            waking: Vec::new(),
            recheck: follow::Recheck::default(),
        }
    }

    /// Its limits and policy.
    #[must_use]
    pub fn config(&self) -> &MempoolConfig {
        &self.config
    }

    /// Transactions held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of all transactions held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Transactions that wait for one that they spend from, or for one that pays for them; not among those held.
    #[must_use]
    pub fn orphans(&self) -> usize {
        self.orphans.len()
    }

    /// Whether a transaction of this id is held.
    #[must_use]
    pub fn contains(&self, txid: &TxId) -> bool {
        self.entries.contains_key(txid)
    }

    /// Whether a transaction of this full hash is held, witnesses verified.
    #[must_use]
    pub fn contains_hash(&self, hash: &TxHash) -> bool {
        self.by_hash.contains_key(hash)
    }

    /// The transaction of a full hash, if it is held.
    pub(crate) fn get_by_hash(&self, hash: &TxHash) -> Option<Transaction> {
        let txid = self.by_hash.get(hash)?;
        Some(self.entries[txid].transaction.clone())
    }

    /// A transaction held.
    #[must_use]
    pub fn get(&self, txid: &TxId) -> Option<&Entry> {
        self.entries.get(txid)
    }

    /// Who here spends a coin.
    #[must_use]
    pub fn spender(&self, outpoint: &OutPoint) -> Option<TxId> {
        self.spenders.get(outpoint).copied()
    }

    /// All transactions held, in the order of arrival: each after those it spends from.
    pub fn iter(&self) -> impl Iterator<Item = (&TxId, &Entry)> {
        self.by_arrival.values().map(|txid| (txid, &self.entries[txid]))
    }

    /// The outputs of transactions held that are under a lock.
    pub fn outputs_to(&self, lock: LockHash) -> impl Iterator<Item = (OutPoint, Output)> {
        let begin = beginning(&lock);
        let found = self.by_lock.range((begin, i64::MIN, 0)..=(begin, i64::MAX, u32::MAX));
        let found = found.map(|(_, arrival, index)| {
            let txid = self.by_arrival[arrival];
            (OutPoint { txid, index: *index }, self.entries[&txid].transaction.outputs()[*index as usize])
        });
        found.filter(move |(_, output)| output.lock == lock)
    }

    /// How many transactions came or went so far; whoever keeps a copy sees by it whether that is still right.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Up to `count_max` transactions from a place in the order of arrival on, and the place after the last of them; `None` when
    /// there are no more. Calls that start at `i64::MIN` and go on from there meet every transaction that stays in its place,
    /// each after those it spends from.
    #[must_use]
    pub fn page(&self, from: i64, count_max: usize) -> (Vec<Transaction>, Option<i64>) {
        let mut places = self.by_arrival.range(from..);
        let taken: Vec<(&i64, &TxId)> = places.by_ref().take(count_max).collect();
        let transactions = taken.iter().map(|(_, txid)| self.entries[*txid].transaction.clone()).collect();
        (transactions, places.next().map(|(arrival, _)| *arrival))
    }

    pub(crate) fn next_expiry(&self) -> Option<Time> {
        self.oldest_ready().map(|ready| ready.plus_ms(self.config.expiry_ms))
    }

    /// Since when, or from when, the one that has waited longest is ready.
    pub(crate) fn oldest_ready(&self) -> Option<Time> {
        self.by_ready.first().map(|(ready, _)| *ready)
    }

    pub(crate) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    pub(crate) fn disconnected(&mut self, peer: Peer) {
        self.orphans.disconnected(peer);
    }

    /// Drops what has waited too long.
    pub(crate) fn expire(&mut self, now: Time, notices: &mut Vec<Notice>) {
        self.settle_floor(now);
        while self.next_expiry().is_some_and(|until| until <= now) {
            let (_, arrival) = *self.by_ready.first().expect("something expires");
            let txid = self.by_arrival[&arrival];
            self.drop_with_descendants(&txid, DropReason::Expired, notices);
        }
        self.settle_clusters();
        self.orphans.expire(now);
    }

    /// When the transaction that was not sent for the longest time is to be sent again.
    pub(crate) fn next_announcement(&self) -> Option<Time> {
        self.by_announced.first().map(|(announced, _)| announced.plus_ms(REANNOUNCE_AFTER_MS))
    }

    /// Up to `count_max` transactions that were not sent for a while, longest first; from now on they count as sent.
    pub(crate) fn announce_again(&mut self, now: Time, count_max: usize) -> Vec<Transaction> {
        let overdue: Vec<(Time, i64)> = self
            .by_announced
            .iter()
            .take_while(|(announced, _)| announced.plus_ms(REANNOUNCE_AFTER_MS) <= now)
            .take(count_max)
            .copied()
            .collect();
        let mut again = Vec::with_capacity(overdue.len());
        for key in overdue {
            self.by_announced.remove(&key);
            self.by_announced.insert((now, key.1));
            let entry = self.entries.get_mut(&self.by_arrival[&key.1]).expect("indices hold entries only");
            entry.announced = now;
            again.push(entry.transaction.clone());
        }
        again
    }

    fn insert(&mut self, now: Time, txid: TxId, mut entry: Entry) {
        let outpoints = (0..entry.transaction.outputs().len()).map(|index| OutPoint { txid, index: index as u32 });
        entry.children = outpoints.filter_map(|outpoint| self.spender(&outpoint)).collect();
        entry.parents =
            entry.transaction.inputs().iter().map(|input| input.txid).filter(|id| self.contains(id)).collect();
        for neighbour in entry.parents.union(&entry.children).copied().collect::<Vec<_>>() {
            self.loosen_cluster_of(&neighbour);
        }
        for parent in &entry.parents {
            self.entries.get_mut(parent).expect("chosen from the entries").children.insert(txid);
        }
        for child in &entry.children {
            self.entries.get_mut(child).expect("spenders are entries").parents.insert(txid);
        }
        for input in entry.transaction.inputs() {
            let before = self.spenders.insert(*input, txid);
            assert!(before.is_none(), "a coin has one spender here");
        }
        for (index, output) in (0..).zip(entry.transaction.outputs()) {
            self.by_lock.insert((beginning(&output.lock), entry.arrival, index));
        }
        self.index_opening(entry.arrival, entry.opens);
        self.bytes += entry.bytes;
        self.by_hash.insert(entry.transaction.hash(), txid);
        self.by_arrival.insert(entry.arrival, txid);
        self.by_ready.insert((entry.ready, entry.arrival));
        self.by_announced.insert((entry.announced, entry.arrival));
        self.loose.insert(entry.arrival);
        self.shares.insert(&entry);
        let arrival = entry.arrival;
        self.entries.insert(txid, entry);
        self.enter_head(now, arrival);
        self.changed = true;
        self.changes += 1;
    }

    fn index_opening(&mut self, arrival: i64, opens: Opens) {
        if opens.height > Height::GENESIS {
            self.by_height.insert((opens.height, arrival));
        }
        if opens.time > 0 {
            self.by_time.insert((opens.time, arrival));
        }
    }

    fn unindex_opening(&mut self, arrival: i64, opens: Opens) {
        self.by_height.remove(&(opens.height, arrival));
        self.by_time.remove(&(opens.time, arrival));
    }

    /// Takes one entry out; those that spend from it stay.
    fn remove(&mut self, txid: &TxId) -> Option<Entry> {
        if !self.contains(txid) {
            return None;
        }
        self.loosen_cluster_of(txid);
        self.leave_head(txid);
        let entry = self.entries.remove(txid)?;
        self.loose.remove(&entry.arrival);
        self.shares.remove(&entry);
        for parent in &entry.parents {
            self.entries.get_mut(parent).expect("parents are entries").children.remove(txid);
        }
        for child in &entry.children {
            self.entries.get_mut(child).expect("children are entries").parents.remove(txid);
        }
        for input in entry.transaction.inputs() {
            self.spenders.remove(input);
        }
        for (index, output) in (0..).zip(entry.transaction.outputs()) {
            self.by_lock.remove(&(beginning(&output.lock), entry.arrival, index));
        }
        self.unindex_opening(entry.arrival, entry.opens);
        self.bytes -= entry.bytes;
        self.by_hash.remove(&entry.transaction.hash());
        self.by_arrival.remove(&entry.arrival);
        self.by_ready.remove(&(entry.ready, entry.arrival));
        self.by_announced.remove(&(entry.announced, entry.arrival));
        self.changed = true;
        self.changes += 1;
        Some(entry)
    }

    /// Drops an entry and all that spend from it, directly or not, children before parents.
    fn drop_with_descendants(&mut self, txid: &TxId, reason: DropReason, notices: &mut Vec<Notice>) {
        let mut family = BTreeMap::new();
        let mut open = vec![*txid];
        while let Some(next) = open.pop() {
            if let Some(entry) = self.entries.get(&next)
                && family.insert(entry.arrival, next).is_none()
            {
                open.extend(entry.children.iter().copied());
            }
        }
        for (_, member) in family.into_iter().rev() {
            self.remove(&member);
            notices.push(Notice::Dropped { txid: member, reason });
        }
    }

    /// Takes the cluster's chunks away until [`Mempool::recluster`].
    fn loosen_cluster_of(&mut self, txid: &TxId) {
        let cluster = self.entries[txid].cluster;
        for key in self.clusters.remove(&cluster).unwrap_or_default() {
            for txid in self.by_rate.remove(&key).expect("clusters name their chunks") {
                self.loose.insert(self.entries[&txid].arrival);
            }
        }
    }

    /// All that depend on any of `seeds` or are depended on, directly or not, and the seeds, as if those `without` were not
    /// here; stops above `count_max`.
    fn connected_with(
        &self,
        seeds: impl IntoIterator<Item = TxId>,
        without: &BTreeSet<TxId>,
        count_max: usize,
    ) -> BTreeSet<TxId> {
        let mut open: Vec<TxId> = seeds.into_iter().collect();
        let mut found: BTreeSet<TxId> = open.iter().copied().collect();
        while let Some(next) = open.pop() {
            let entry = &self.entries[&next];
            for neighbour in entry.parents.iter().chain(&entry.children) {
                if !without.contains(neighbour) && found.insert(*neighbour) {
                    open.push(*neighbour);
                }
            }
            if found.len() > count_max {
                break;
            }
        }
        found
    }

    /// Puts what came loose in order when that is needed at once. Where blocks are filled in the order of arrival, fee rates
    /// matter only to who is to go when there is no room, and most entries are in a block before anybody asks: so a few wait.
    fn settle_clusters(&mut self) {
        if self.order == Order::FeeRate || self.loose.len() > LOOSE_MAX {
            self.recluster();
        }
    }

    /// Puts the clusters of all loose entries in order.
    fn recluster(&mut self) {
        while let Some(seed) = self.loose.first().map(|arrival| self.by_arrival[arrival]) {
            let entry = &self.entries[&seed];
            if entry.parents.is_empty() && entry.children.is_empty() {
                self.order_alone(seed);
                continue;
            }
            let mut members: Vec<(i64, TxId)> = self
                .connected_with([seed], &BTreeSet::new(), usize::MAX)
                .into_iter()
                .map(|txid| (self.entries[&txid].arrival, txid))
                .collect();
            members.sort_unstable();
            self.last_cluster += 1;
            self.order_cluster(self.last_cluster, &members);
        }
    }

    /// As [`Mempool::order_cluster`] does it, for most transactions.
    fn order_alone(&mut self, txid: TxId) {
        self.last_cluster += 1;
        let entry = self.entries.get_mut(&txid).expect("what is loose is an entry");
        self.loose.remove(&entry.arrival);
        entry.cluster = self.last_cluster;
        let (rate, arrival, cluster) = (entry.rate(), Reverse(entry.arrival), self.last_cluster);
        let key = ChunkKey { rate, arrival, cluster, index: Reverse(0) };
        self.by_rate.insert(key, vec![txid]);
        self.clusters.insert(cluster, vec![key]);
    }

    fn order_cluster(&mut self, cluster: u64, members: &[(i64, TxId)]) {
        let places: BTreeMap<TxId, usize> =
            members.iter().enumerate().map(|(place, (_, txid))| (*txid, place)).collect();
        let mut items = Vec::with_capacity(members.len());
        for (arrival, txid) in members {
            self.loose.remove(arrival);
            let entry = self.entries.get_mut(txid).expect("members are entries");
            entry.cluster = cluster;
            let parents = entry.parents.iter().map(|parent| places[parent]).collect();
            items.push(cluster::Item { txid: *txid, rate: entry.rate(), parents });
        }
        let chunks = cluster::chunks(&items);
        let keys = self.keys_of(cluster, &chunks, |txid| self.entries[txid].arrival);
        for (key, chunk) in keys.iter().zip(chunks) {
            self.by_rate.insert(*key, chunk.txids);
        }
        self.clusters.insert(cluster, keys);
    }

    fn held(&self) -> impl Iterator<Item = &Entry> {
        self.iter().map(|(_, entry)| entry)
    }

    /// Checks what the fields promise; for tests and simulations.
    ///
    /// # Panics
    /// When a promise is broken.
    pub fn check(&self) {
        let count = self.entries.len();
        assert!(self.order == Order::Arrival || self.loose.is_empty(), "all clusters are in order between calls");
        assert!(self.loose.len() <= LOOSE_MAX, "few clusters wait to be put in order");
        assert!(self.loose.iter().all(|arrival| self.by_arrival.contains_key(arrival)), "what is loose is here");
        assert_eq!(self.bytes, self.held().map(|entry| entry.bytes).sum::<usize>());
        assert_eq!(
            [count; 4],
            [self.by_hash.len(), self.by_arrival.len(), self.by_ready.len(), self.by_announced.len()]
        );
        assert_eq!(count, self.loose.len() + self.by_rate.values().map(Vec::len).sum::<usize>());
        assert_eq!(self.spenders.len(), self.held().map(|entry| entry.transaction.inputs().len()).sum::<usize>());
        assert_eq!(self.by_lock.len(), self.held().map(|entry| entry.transaction.outputs().len()).sum::<usize>());
        let opening = |is_indexed: fn(&Entry) -> bool| self.held().filter(|entry| is_indexed(entry)).count();
        assert_eq!(self.by_height.len(), opening(|entry| entry.opens.height > Height::GENESIS));
        assert_eq!(self.by_time.len(), opening(|entry| entry.opens.time > 0));
        for (txid, entry) in self.iter() {
            assert!(
                entry.opens.height == Height::GENESIS || self.by_height.contains(&(entry.opens.height, entry.arrival))
            );
            assert!(entry.opens.time == 0 || self.by_time.contains(&(entry.opens.time, entry.arrival)));
            assert!(self.clusters.contains_key(&entry.cluster) || self.loose.contains(&entry.arrival));
            for parent in &entry.parents {
                assert!(self.entries[parent].children.contains(txid));
                assert!(self.entries[parent].arrival < entry.arrival, "parents come before children");
            }
            for input in entry.transaction.inputs() {
                assert_eq!(self.spenders[input], *txid);
                assert_eq!(self.contains(&input.txid), entry.parents.contains(&input.txid));
            }
        }
        for keys in self.clusters.values() {
            assert!(keys.windows(2).all(|pair| pair[0] > pair[1]), "a cluster is evicted from its end");
        }
        self.orphans.check();
        self.check_head();
        self.check_shares();
    }
}
