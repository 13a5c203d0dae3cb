//! What a simulated node has on its disk, and what a crash leaves of it.
//!
//! Records become visible to the replica when they are handed out, and durable when the executor comes to them (or has pulled
//! them forward); a crash drops those that are only visible. Chain updates are written behind, each one whole: coins, undo,
//! active chain and tip in one transaction. A crash forgets the updates that were not written. A switch to a snapshot is
//! written like an update; a crash before it leaves nothing of what was staged.

use crate::sim::plant::ShellPlant;
use bezant_consensus::chain::snapshot::{BucketPage, SnapshotStep, Switch};
use bezant_consensus::chain::{Archive, Base, ChainUpdate, Tip};
use bezant_consensus::engine::Record;
use bezant_consensus::ledger::block::{Block, Header};
use bezant_consensus::ledger::coins::{Coin, Coins, Diff};
use bezant_consensus::ledger::commitment::{Buckets, bucket_of};
use bezant_consensus::ledger::genesis::Genesis;
use bezant_consensus::ledger::hash::BlockId;
use bezant_consensus::ledger::transaction::OutPoint;
use bezant_consensus::ledger::units::Height;
use bezant_consensus::limits::SNAPSHOTS_HELD;
use bezant_consensus::message::CommitCertificate;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

/// How many durable records [`ShellPlant::LostWrites`] loses at most.
const LOST_WRITES_MAX: u64 = 3;

/// One node's disk.
#[derive(Debug)]
pub(crate) struct Disk {
    plant: Option<ShellPlant>,
    /// Durable, in the order of writing, without those that became obsolete.
    records: Vec<Record>,
    /// Handed out but not durable, in order.
    volatile: VecDeque<Record>,
    /// Bodies of durable and volatile records, and genesis.
    blocks: BTreeMap<BlockId, Arc<Block>>,
    /// Certificates of durable and volatile records.
    certificates: BTreeMap<Height, CommitCertificate>,
    /// Executed but not flushed.
    updates: VecDeque<Pending>,
    /// Flushed: the active chain up to the tip, without what was skipped by switching to a snapshot.
    active: BTreeMap<Height, BlockId>,
    /// Flushed.
    tip: Tip,
    /// Flushed.
    coins: BTreeMap<OutPoint, Coin>,
    /// Flushed: undo of every block that was ever flushed.
    diffs: BTreeMap<BlockId, Arc<Diff>>,
    /// Flushed: what each height spent, as far as snapshots need it.
    spent: BTreeMap<Height, Vec<(OutPoint, Coin)>>,
    /// Snapshots from this height on can be read.
    keep: Height,
    /// Flushed: the block of the last snapshot that was switched to, or genesis.
    base: BlockId,
    /// The staging area, by bucket.
    staged: BTreeMap<u8, BTreeMap<OutPoint, Coin>>,
    genesis: Arc<Block>,
}

/// What waits to be written.
#[derive(Debug)]
enum Pending {
    Update(ChainUpdate),
    Switch(Switch, BTreeMap<OutPoint, Coin>),
}

impl Disk {
    pub(crate) fn new(genesis: &Genesis, plant: Option<ShellPlant>) -> Disk {
        let (base, diff) = Base::genesis(genesis);
        let block = Arc::new(genesis.block());
        Disk {
            plant,
            records: Vec::new(),
            volatile: VecDeque::new(),
            blocks: BTreeMap::from([(base.tip.id, block.clone())]),
            certificates: BTreeMap::new(),
            updates: VecDeque::new(),
            active: BTreeMap::from([(Height::GENESIS, base.tip.id)]),
            tip: base.tip,
            coins: diff.created.clone(),
            diffs: BTreeMap::from([(base.tip.id, Arc::new(diff))]),
            spent: BTreeMap::new(),
            keep: Height::GENESIS,
            base: block.id(),
            staged: BTreeMap::new(),
            genesis: block,
        }
    }

    /// The store answers for the record from now on.
    pub(crate) fn hand_out(&mut self, record: &Record) {
        self.show(record);
        self.volatile.push_back(record.clone());
    }

    fn show(&mut self, record: &Record) {
        match record {
            Record::Body(block) => {
                self.blocks.insert(block.id(), Arc::new(block.clone()));
            }
            Record::Committed(certificate) => {
                self.certificates.insert(certificate.ballot.height, certificate.clone());
            }
            Record::Vote(_)
            | Record::Prepared(_)
            | Record::Header(_)
            | Record::Invalid(_)
            | Record::Invalidated(_)
            | Record::Reconsidered(_)
            | Record::ToldFinal(_)
            | Record::ViewChange(_)
            | Record::NewView(_)
            | Record::Evidence(_)
            | Record::Checkpoint(_)
            | Record::CheckpointState(_)
            | Record::Stable(_)
            | Record::Epoch(_) => {}
        }
    }

    /// The next record that was handed out survives any crash from now on.
    pub(crate) fn make_durable(&mut self) {
        let record = self.volatile.pop_front().expect("a record is handed out before it is executed");
        if let Record::Stable(certificate) = &record {
            self.drop_superseded(certificate.checkpoint.height);
        }
        self.records.push(record);
    }

    /// A checkpoint becomes stable: what only older ones need goes.
    fn drop_superseded(&mut self, latest: Height) {
        let stable = |record: &Record| match record {
            Record::Stable(certificate) => Some(certificate.checkpoint.height),
            _ => None,
        };
        let mut heights: Vec<Height> = self.records.iter().filter_map(stable).chain([latest]).collect();
        heights.sort_unstable();
        heights.dedup();
        let oldest = heights[heights.len().saturating_sub(SNAPSHOTS_HELD)];
        self.records.retain(|record| !record.superseded(latest, oldest));
    }

    /// Whether some durable record is as wanted. Looks at the latest first.
    pub(crate) fn has_durable(&self, wanted: impl Fn(&Record) -> bool) -> bool {
        self.records.iter().rev().any(wanted)
    }

    /// Proof of work: headers that are durable, in the order in which they came.
    pub(crate) fn headers(&self) -> impl Iterator<Item = &Header> {
        self.records.iter().filter_map(|record| if let Record::Header(header) = record { Some(header) } else { None })
    }

    /// Bodies that the replica may know of.
    pub(crate) fn bodies(&self) -> impl Iterator<Item = &Arc<Block>> {
        self.blocks.values()
    }

    /// A chain update was executed; it is written later.
    pub(crate) fn queue(&mut self, update: ChainUpdate) {
        self.updates.push_back(Pending::Update(update));
    }

    /// A step of a snapshot was executed; returns whether something waits to be written now.
    pub(crate) fn snapshot(&mut self, step: SnapshotStep) -> bool {
        match step {
            SnapshotStep::Clear => self.staged.clear(),
            SnapshotStep::Stage { bucket, coins } => self.staged.entry(bucket).or_default().extend(coins),
            SnapshotStep::Discard { bucket } => drop(self.staged.remove(&bucket)),
            SnapshotStep::Switch(switch) => {
                let coins = std::mem::take(&mut self.staged).into_values().flatten().collect();
                self.updates.push_back(Pending::Switch(*switch, coins));
                return true;
            }
            SnapshotStep::Switched(_) => {}
            SnapshotStep::Keep { from } => {
                self.keep = self.keep.max(from);
                self.spent = self.spent.split_off(&self.keep.next());
            }
        }
        false
    }

    /// Chain updates that wait to be written.
    pub(crate) fn unflushed(&self) -> usize {
        self.updates.len()
    }

    /// Writes the next update.
    ///
    /// # Errors
    /// When it does not fit what was flushed before: the update or the disk is wrong.
    pub(crate) fn flush_one(&mut self) -> Result<u64, String> {
        match self.updates.pop_front().expect("only waiting updates are flushed") {
            Pending::Update(update) => self.write_update(update),
            Pending::Switch(switch, coins) => self.write_switch(&switch, coins),
        }
    }

    fn write_switch(&mut self, switch: &Switch, coins: BTreeMap<OutPoint, Coin>) -> Result<u64, String> {
        if Buckets::of(&coins) != switch.buckets {
            return Err(format!("the coins staged for height {} are not those of the switch", switch.tip.height));
        }
        self.coins = coins;
        self.active.clear();
        self.active.insert(switch.tip.height, switch.tip.id);
        self.tip = switch.tip;
        self.base = switch.tip.id;
        self.keep = switch.tip.height;
        self.spent.clear();
        Ok(switch.sequence)
    }

    fn write_update(&mut self, update: ChainUpdate) -> Result<u64, String> {
        for link in &update.disconnected {
            if self.active.pop_last() != Some((link.height, link.id)) {
                return Err(format!("update {} disconnects a block that is not the tip", update.sequence));
            }
            self.change(&link.diff.created, &link.diff.spent)?;
        }
        for link in &update.connected {
            if self.tip_id() != Some(link.block.header.parent) {
                return Err(format!("update {} connects a block that is not above the tip", update.sequence));
            }
            self.active.insert(link.height, link.id);
            let spent = link.diff.spent.iter().map(|(outpoint, coin)| (*outpoint, *coin)).collect();
            self.spent.insert(link.height, spent);
            self.change(&link.diff.spent, &link.diff.created)?;
            self.diffs.insert(link.id, link.diff.clone());
        }
        if self.tip_id() != Some(update.tip.id) {
            return Err(format!("update {} ends at another tip than it says", update.sequence));
        }
        self.tip = update.tip;
        self.drop_obsolete(update.final_height);
        Ok(update.sequence)
    }

    /// Where the flushed chain begins.
    pub(crate) fn base(&self) -> BlockId {
        self.base
    }

    fn tip_id(&self) -> Option<BlockId> {
        self.active.last_key_value().map(|(_, id)| *id)
    }

    fn change(&mut self, out: &BTreeMap<OutPoint, Coin>, into: &BTreeMap<OutPoint, Coin>) -> Result<(), String> {
        let immortal = self.plant == Some(ShellPlant::ImmortalCoins);
        for (outpoint, coin) in out {
            let found = if immortal { self.coins.get(outpoint).copied() } else { self.coins.remove(outpoint) };
            if found != Some(*coin) {
                return Err(format!("coin {outpoint} to be removed is not in the flushed set"));
            }
        }
        for (outpoint, coin) in into {
            if self.coins.insert(*outpoint, *coin).is_some() && !immortal {
                return Err(format!("coin {outpoint} to be added is in the flushed set"));
            }
        }
        Ok(())
    }

    fn drop_obsolete(&mut self, final_height: Height) {
        let slack = if self.plant == Some(ShellPlant::ForgottenVotes) { 3 } else { 0 };
        let below = Height(final_height.0 + slack);
        self.records.retain(|record| record.obsolete_from().is_none_or(|height| height > below));
    }

    /// A crash: what is only visible is gone, and so are updates that were not written.
    pub(crate) fn crash(&mut self, luck: u64) {
        if self.plant == Some(ShellPlant::LostWrites) {
            let lost = (luck % (LOST_WRITES_MAX + 1)) as usize;
            self.records.truncate(self.records.len().saturating_sub(lost));
        }
        if self.plant == Some(ShellPlant::TornFlush) && luck.is_multiple_of(2) && !self.updates.is_empty() {
            let (active, tip) = (self.active.clone(), self.tip);
            // The planted bug: coins are written, tip and active chain are not. What does not fit is found elsewhere.
            let _ = self.flush_one();
            (self.active, self.tip) = (active, tip);
        }
        self.volatile.clear();
        self.updates.clear();
        self.staged.clear();
        self.blocks = BTreeMap::from([(self.genesis.id(), self.genesis.clone())]);
        self.certificates.clear();
        for record in self.records.clone() {
            self.show(&record);
        }
    }

    /// What a start finds.
    pub(crate) fn load(&self) -> (Base, Vec<Record>) {
        (Base { tip: self.tip, buckets: Buckets::of(&self.coins) }, self.records.clone())
    }
}

/// The read seam that a replica is given.
#[derive(Clone, Debug)]
pub(crate) struct SharedDisk(Arc<Mutex<Disk>>);

impl SharedDisk {
    pub(crate) fn new(disk: Disk) -> SharedDisk {
        SharedDisk(Arc::new(Mutex::new(disk)))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().expect("no panic leaves the disk half changed: a world that panicked is not run on")
    }
}

impl Coins for SharedDisk {
    fn get(&self, outpoint: &OutPoint) -> Option<Coin> {
        self.lock().coins.get(outpoint).copied()
    }
}

impl Archive for SharedDisk {
    fn block(&self, id: &BlockId) -> Option<Arc<Block>> {
        self.lock().blocks.get(id).cloned()
    }

    fn diff(&self, id: &BlockId) -> Option<Arc<Diff>> {
        self.lock().diffs.get(id).cloned()
    }

    fn active_at(&self, height: Height) -> Option<BlockId> {
        self.lock().active.get(&height).copied()
    }

    fn certificate(&self, height: Height) -> Option<CommitCertificate> {
        self.lock().certificates.get(&height).cloned()
    }

    fn bucket_at(&self, height: Height, bucket: u8, after: Option<OutPoint>, limit: usize) -> Option<BucketPage> {
        let disk = self.lock();
        if height > disk.tip.height || height < disk.keep {
            return None;
        }
        let spent = disk.spent.range(height.next()..).flat_map(|(_, coins)| coins);
        let all = disk.coins.iter().chain(spent.map(|(outpoint, coin)| (outpoint, coin)));
        let was_there = |(outpoint, coin): &(&OutPoint, &Coin)| {
            coin.height <= height && bucket_of(outpoint) == bucket && after.is_none_or(|after| **outpoint > after)
        };
        let all: BTreeMap<OutPoint, Coin> = all.filter(was_there).map(|(outpoint, coin)| (*outpoint, *coin)).collect();
        let is_last = all.len() <= limit;
        Some(BucketPage { coins: all.into_iter().take(limit).collect(), is_last })
    }
}
