//! What letting transactions in would do, worked out before anything is touched: so trying and doing give one answer.
//!
//! One transaction is a package of one. Checked are, in this order: the rules of the ledger, each transaction in the next block
//! after those before it; what it replaces; the least fee of each chunk of what is new; the size of the cluster it joins; that a
//! replacement pays and improves the fee-rate diagram of all clusters that it touches; room, which the worst chunks of all must
//! yield, never the best of what is new.

use super::judge::{Judged, New, Next, is_included};
use super::{ChunkKey, FeeRate, Mempool, cluster, diagram};
use crate::io::{Refusal, Refused};
use crate::limits::{REPLACED_MAX, REPLACEMENT_FEE_RATE_MIN, REPLACEMENT_TOUCHED_MAX};
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::hash::TxId;
use bezant_consensus::ledger::rules::TxError;
use bezant_consensus::ledger::transaction::Transaction;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// What comes in, parents first.
    pub(super) new: Vec<New>,
    /// The ids of all that was given, in its order.
    pub(super) given: Vec<TxId>,
    /// Ids that are here, or were in a block already.
    pub(super) known: BTreeSet<TxId>,
    /// Who spends a coin of what is new, and which of the new ones spends it instead.
    pub(super) rivals: BTreeMap<TxId, TxId>,
    /// The rivals and all that spend from them.
    pub(super) replaced: BTreeSet<TxId>,
    /// Whom to drop for room, worst first.
    pub(super) evicted: Vec<TxId>,
    /// The best rate among the chunks evicted.
    pub(super) evicted_rate: Option<FeeRate>,
}

/// The clusters that a plan touches, as they are and as they would be.
struct Touched {
    clusters: BTreeSet<u64>,
    before: Vec<FeeRate>,
    /// The chunks of each cluster, best first.
    after: Vec<Vec<cluster::Chunk>>,
}

impl Plan {
    fn new_rate(&self) -> FeeRate {
        self.new.iter().map(|new| rate_of(&new.judged)).fold(FeeRate { fee: 0, bytes: 0 }, FeeRate::plus)
    }

    fn comes(&self, txid: &TxId) -> bool {
        self.new.iter().any(|new| new.judged.txid == *txid)
    }

    /// What is new and would be in the mempool, or `txid`, when only one transaction was given.
    fn refused(&self, refusal: Refusal) -> Refused {
        let txid = if let [only] = &self.new[..] { Some(only.judged.txid) } else { None };
        Refused { txid, refusal }
    }
}

fn rate_of(judged: &Judged) -> FeeRate {
    FeeRate { fee: judged.fee.grains(), bytes: judged.bytes as u64 }
}

fn amount_of(grains: u64) -> Amount {
    Amount::from_grains(grains).unwrap_or(Amount::MAX)
}

impl Mempool {
    /// What letting these in together would do; parents before children.
    pub(super) fn plan(&mut self, next: Next<'_>, transactions: &[Transaction]) -> Result<Plan, Refused> {
        let mut plan = Plan::default();
        for transaction in transactions {
            let txid = transaction.id();
            plan.given.push(txid);
            if self.knows(&txid) {
                plan.known.insert(txid);
                continue;
            }
            match self.judge_beside(next, &plan.new, transaction) {
                Ok(judged) => plan.new.push(New { transaction: transaction.clone(), judged }),
                Err(TxError::MissingCoin(_)) if is_included(next.coins, transaction) => {
                    plan.known.insert(txid);
                }
                Err(error) => return Err(Refused { txid: Some(txid), refusal: error.into() }),
            }
        }
        if plan.new.is_empty() {
            return Ok(plan);
        }
        self.find_replaced(&mut plan)?;
        self.check_fee(next, &plan).map_err(|refusal| plan.refused(refusal))?;
        self.check_cluster(&plan).map_err(|refusal| plan.refused(refusal))?;
        let is_full = !self.has_room(&plan);
        if plan.replaced.is_empty() && !is_full {
            return Ok(plan);
        }
        self.recluster();
        let touched = self.touched(&plan).map_err(|refusal| plan.refused(refusal))?;
        self.check_replacement(next, &plan, &touched).map_err(|refusal| plan.refused(refusal))?;
        if is_full {
            self.make_room(&mut plan, &touched).map_err(|refusal| plan.refused(refusal))?;
        }
        Ok(plan)
    }

    /// Whether it is here, or was in a block lately.
    pub(super) fn knows(&self, txid: &TxId) -> bool {
        self.contains(txid) || self.included.contains(txid)
    }

    fn find_replaced(&self, plan: &mut Plan) -> Result<(), Refused> {
        for new in &plan.new {
            for outpoint in new.transaction.inputs() {
                let Some(by) = self.spender(outpoint) else { continue };
                // What spends from it has its preference only together with it.
                if self.entries[&by].handed_by.is_some() {
                    let refusal = Refusal::Conflict { outpoint: *outpoint, by };
                    return Err(Refused { txid: Some(new.judged.txid), refusal });
                }
                plan.rivals.entry(by).or_insert(new.judged.txid);
            }
        }
        let mut open: Vec<TxId> = plan.rivals.keys().copied().collect();
        while let Some(txid) = open.pop() {
            if plan.replaced.insert(txid) {
                open.extend(self.entries[&txid].children.iter().copied());
            }
            if plan.replaced.len() > REPLACED_MAX {
                return Err(plan.refused(Refusal::ReplacesTooMany { allowed: REPLACED_MAX }));
            }
        }
        for new in &plan.new {
            if let Some(parent) = new.judged.parents.iter().find(|parent| plan.replaced.contains(parent)) {
                let refusal = Refusal::ReplacesParent { parent: *parent };
                return Err(Refused { txid: Some(new.judged.txid), refusal });
            }
        }
        Ok(())
    }

    /// Each chunk of what is new pays the least fee; so a child may pay for its parent, and nobody for a child.
    fn check_fee(&self, next: Next<'_>, plan: &Plan) -> Result<(), Refusal> {
        let (least_rate, floor) = (self.least_rate(next.params), self.floor_rate(next.now, next.params));
        let rate = if let [only] = &plan.new[..] {
            rate_of(&only.judged)
        } else {
            let place_of = |txid: &TxId| plan.new.iter().position(|new| new.judged.txid == *txid);
            let item = |new: &New| cluster::Item {
                txid: new.judged.txid,
                rate: rate_of(&new.judged),
                parents: new.judged.parents.iter().filter_map(place_of).collect(),
            };
            let items: Vec<cluster::Item> = plan.new.iter().map(item).collect();
            cluster::chunks(&items).last().expect("something is new").rate
        };
        let fee = amount_of(rate.fee);
        let least = FeeRate::least_fee(least_rate, rate.bytes);
        if rate.fee < least {
            return Err(Refusal::FeeTooLow { fee, least: amount_of(least) });
        }
        let least = FeeRate::least_fee(floor, rate.bytes);
        if rate.fee < least {
            return Err(Refusal::FeeBelowFloor { fee, least: amount_of(least) });
        }
        Ok(())
    }

    fn check_cluster(&self, plan: &Plan) -> Result<(), Refusal> {
        let allowed = self.config.chain_max;
        let parents = plan.new.iter().flat_map(|new| &new.judged.parents).copied();
        let seeds = parents.filter(|parent| self.contains(parent));
        let count = self.connected_with(seeds, &plan.replaced, allowed).len() + plan.new.len();
        if count > allowed { Err(Refusal::ChainTooLong { count, allowed }) } else { Ok(()) }
    }

    /// Count and bytes that the limits apply to, after the plan. What members handed over takes no room from others.
    fn after(&self, plan: &Plan) -> (usize, usize) {
        let (handed_count, handed_bytes) = self.shares.total();
        let replaced: usize = plan.replaced.iter().map(|txid| self.entries[txid].bytes).sum();
        let new: usize = plan.new.iter().map(|new| new.judged.bytes).sum();
        let count = self.len() - handed_count - plan.replaced.len() + plan.new.len();
        (count, self.bytes - handed_bytes - replaced + new)
    }

    fn has_room(&self, plan: &Plan) -> bool {
        let (count, bytes) = self.after(plan);
        count <= self.config.count_max && bytes <= self.config.bytes_max
    }

    /// What the plan does to the clusters that it replaces from and joins.
    fn touched(&self, plan: &Plan) -> Result<Touched, Refusal> {
        let parents = plan.new.iter().flat_map(|new| &new.judged.parents).filter(|parent| self.contains(parent));
        let clusters: BTreeSet<u64> =
            plan.replaced.iter().chain(parents).map(|txid| self.entries[txid].cluster).collect();
        let (mut before, mut members) = (Vec::new(), BTreeSet::new());
        for key in clusters.iter().flat_map(|cluster| &self.clusters[cluster]) {
            before.push(key.rate);
            members.extend(self.by_rate[key].iter().copied());
            if !plan.replaced.is_empty() && members.len() > REPLACEMENT_TOUCHED_MAX {
                return Err(Refusal::ReplacesTooMany { allowed: REPLACEMENT_TOUCHED_MAX });
            }
        }
        members.retain(|txid| !plan.replaced.contains(txid));
        let mut after = Vec::new();
        // What is new hangs together, by what it joins if not by itself.
        let joined: Vec<TxId> =
            plan.new.iter().flat_map(|new| &new.judged.parents).copied().filter(|txid| self.contains(txid)).collect();
        let own = self.connected_with(joined, &plan.replaced, usize::MAX);
        members.retain(|txid| !own.contains(txid));
        after.push(self.chunks_of(&own, &plan.new));
        while let Some(seed) = members.first().copied() {
            let cluster = self.connected_with([seed], &plan.replaced, usize::MAX);
            members.retain(|txid| !cluster.contains(txid));
            after.push(self.chunks_of(&cluster, &[]));
        }
        Ok(Touched { clusters, before, after })
    }

    /// These entries and what comes after them, in the order of a block.
    fn chunks_of(&self, members: &BTreeSet<TxId>, new: &[New]) -> Vec<cluster::Chunk> {
        let mut sorted: Vec<(i64, TxId)> = members.iter().map(|txid| (self.entries[txid].arrival, *txid)).collect();
        sorted.sort_unstable();
        let ids = sorted.iter().map(|(_, txid)| *txid).chain(new.iter().map(|new| new.judged.txid));
        let places: BTreeMap<TxId, usize> = ids.enumerate().map(|(place, txid)| (txid, place)).collect();
        let places_of = |parents: &BTreeSet<TxId>| parents.iter().map(|parent| places[parent]).collect();
        let held = sorted.iter().map(|(_, txid)| {
            let entry = &self.entries[txid];
            cluster::Item { txid: *txid, rate: entry.rate(), parents: places_of(&entry.parents) }
        });
        let coming = new.iter().map(|new| cluster::Item {
            txid: new.judged.txid,
            rate: rate_of(&new.judged),
            parents: places_of(&new.judged.parents),
        });
        cluster::chunks(&held.chain(coming).collect::<Vec<_>>())
    }

    fn check_replacement(&self, next: Next<'_>, plan: &Plan, touched: &Touched) -> Result<(), Refusal> {
        if plan.replaced.is_empty() {
            return Ok(());
        }
        let replaced =
            plan.replaced.iter().map(|txid| self.entries[txid].rate()).reduce(FeeRate::plus).expect("not empty");
        let new = plan.new_rate();
        // What was relayed for nothing and what is relayed instead: the larger of the two is paid for.
        let relayed = FeeRate::least_fee(self.step(next.params), replaced.bytes.max(new.bytes));
        let least = replaced.fee.saturating_add(relayed);
        if new.fee < least {
            let count = plan.replaced.len();
            return Err(Refusal::ReplacementFee { count, fee: amount_of(new.fee), least: amount_of(least) });
        }
        let after: Vec<FeeRate> = touched.after.iter().flatten().map(|chunk| chunk.rate).collect();
        if diagram::improves(&touched.before, &after) { Ok(()) } else { Err(Refusal::ReplacementDiagram) }
    }

    /// Finds whom to drop: again and again the worst chunk of all that would be here. What members handed over does not yield.
    fn make_room(&self, plan: &mut Plan, touched: &Touched) -> Result<(), Refusal> {
        let is_preferred = |txid: &TxId| self.entries.get(txid).is_some_and(|entry| entry.handed_by.is_some());
        let (mut count, mut bytes) = self.after(plan);
        let mut others = self
            .by_rate
            .iter()
            .filter(|(key, txids)| !touched.clusters.contains(&key.cluster) && !txids.iter().any(is_preferred))
            .map(|(key, txids)| (*key, txids))
            .peekable();
        let mut tails: Vec<Vec<(ChunkKey, &Vec<TxId>)>> = Vec::with_capacity(touched.after.len());
        for (cluster, chunks) in (self.last_cluster + 1..).zip(&touched.after) {
            let arrival = |txid: &TxId| self.entries.get(txid).map_or(self.last + 1, |entry| entry.arrival);
            let keyed = self.keys_of(cluster, chunks, arrival).into_iter().zip(chunks.iter().map(|chunk| &chunk.txids));
            tails.push(keyed.filter(|(_, txids)| !txids.iter().any(is_preferred)).collect());
        }
        while bytes > self.config.bytes_max || count > self.config.count_max {
            let tail =
                tails.iter_mut().filter(|tail| !tail.is_empty()).min_by_key(|tail| tail.last().map(|(key, _)| *key));
            let own = tail.as_ref().and_then(|tail| tail.last()).map(|(key, _)| *key);
            let (key, txids) = match (own, others.peek().map(|(key, _)| *key)) {
                (None, None) => return Err(Refusal::Full),
                (Some(own), other) if other.is_none_or(|other| own < other) => {
                    tail.and_then(Vec::pop).expect("its last was just seen")
                }
                _ => others.next().expect("just peeked at"),
            };
            if txids.iter().any(|txid| plan.comes(txid)) {
                return Err(Refusal::Full);
            }
            bytes -= txids.iter().map(|txid| self.entries[txid].bytes).sum::<usize>();
            count -= txids.len();
            plan.evicted.extend(txids);
            plan.evicted_rate = plan.evicted_rate.max(Some(key.rate));
        }
        Ok(())
    }

    /// The names of a cluster's chunks, best first: equal ones of one cluster are evicted from the end.
    pub(super) fn keys_of(
        &self,
        cluster: u64,
        chunks: &[cluster::Chunk],
        arrival: impl Fn(&TxId) -> i64,
    ) -> Vec<ChunkKey> {
        let mut latest = i64::MIN;
        let key = |(index, chunk): (usize, &cluster::Chunk)| {
            latest = chunk.txids.iter().map(&arrival).fold(latest, i64::max);
            ChunkKey { rate: chunk.rate, arrival: Reverse(latest), cluster, index: Reverse(index) }
        };
        chunks.iter().enumerate().map(key).collect()
    }

    /// What a replacement pays for each 1,000 bytes beyond what it displaces, and by how much an eviction raises the floor.
    pub(super) fn step(&self, params: &bezant_consensus::ledger::genesis::LedgerParams) -> u64 {
        self.least_rate(params).max(REPLACEMENT_FEE_RATE_MIN)
    }
}
