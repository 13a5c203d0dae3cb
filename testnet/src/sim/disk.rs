//! What a simulated node has on its disk, and what a crash leaves of it.
//!
//! Records become visible to the replica when they are handed out, and durable when the executor comes to them (or has pulled
//! them forward); a crash drops those that are only visible. Chain updates are written behind, each one whole: coins, undo,
//! active chain and tip in one transaction. A crash forgets the updates that were not written.

use crate::sim::plant::ShellPlant;
use bezant_consensus::chain::{Archive, Base, ChainUpdate, Tip};
use bezant_consensus::engine::Record;
use bezant_consensus::ledger::block::Block;
use bezant_consensus::ledger::coins::{Coin, Coins, Diff};
use bezant_consensus::ledger::commitment::Buckets;
use bezant_consensus::ledger::genesis::Genesis;
use bezant_consensus::ledger::hash::BlockId;
use bezant_consensus::ledger::transaction::OutPoint;
use bezant_consensus::ledger::units::Height;
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
    updates: VecDeque<ChainUpdate>,
    /// Flushed: the active chain from genesis to the tip.
    active: Vec<BlockId>,
    /// Flushed.
    tip: Tip,
    /// Flushed.
    coins: BTreeMap<OutPoint, Coin>,
    /// Flushed: undo of every block that was ever flushed.
    diffs: BTreeMap<BlockId, Arc<Diff>>,
    genesis: Arc<Block>,
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
            active: vec![base.tip.id],
            tip: base.tip,
            coins: diff.created.clone(),
            diffs: BTreeMap::from([(base.tip.id, Arc::new(diff))]),
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
            | Record::ViewChange(_)
            | Record::NewView(_)
            | Record::Evidence(_) => {}
        }
    }

    /// The next record that was handed out survives any crash from now on.
    pub(crate) fn make_durable(&mut self) {
        let record = self.volatile.pop_front().expect("a record is handed out before it is executed");
        self.records.push(record);
    }

    /// Whether some durable record is as wanted. Looks at the latest first.
    pub(crate) fn has_durable(&self, wanted: impl Fn(&Record) -> bool) -> bool {
        self.records.iter().rev().any(wanted)
    }

    /// Bodies that the replica may know of.
    pub(crate) fn bodies(&self) -> impl Iterator<Item = &Arc<Block>> {
        self.blocks.values()
    }

    /// A chain update was executed; it is written later.
    pub(crate) fn queue(&mut self, update: ChainUpdate) {
        self.updates.push_back(update);
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
        let update = self.updates.pop_front().expect("only waiting updates are flushed");
        for link in &update.disconnected {
            if self.active.pop() != Some(link.id) {
                return Err(format!("update {} disconnects a block that is not the tip", update.sequence));
            }
            self.change(&link.diff.created, &link.diff.spent)?;
        }
        for link in &update.connected {
            if self.active.last() != Some(&link.block.header.parent) {
                return Err(format!("update {} connects a block that is not above the tip", update.sequence));
            }
            self.active.push(link.id);
            self.change(&link.diff.spent, &link.diff.created)?;
            self.diffs.insert(link.id, link.diff.clone());
        }
        if self.active.last() != Some(&update.tip.id) {
            return Err(format!("update {} ends at another tip than it says", update.sequence));
        }
        self.tip = update.tip;
        self.drop_obsolete(update.final_height);
        Ok(update.sequence)
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
        self.lock().active.get(usize::try_from(height.0).ok()?).copied()
    }

    fn certificate(&self, height: Height) -> Option<CommitCertificate> {
        self.lock().certificates.get(&height).cloned()
    }
}
