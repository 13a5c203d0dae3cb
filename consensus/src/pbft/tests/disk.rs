//! The disks of the test nets: what replicas persist and flush, in memory, and how an engine reads it.

use super::cluster::grains;
use crate::chain::snapshot::{BucketPage, Switch};
use crate::chain::{Archive, Base, ChainUpdate, Tip};
use crate::engine::Record;
use crate::ledger::block::Block;
use crate::ledger::coins::{Coin, Coins, Diff};
use crate::ledger::commitment::{Buckets, bucket_of};
use crate::ledger::genesis::Genesis;
use crate::ledger::hash::{BlockId, LockHash, TxId};
use crate::ledger::transaction::OutPoint;
use crate::ledger::units::Height;
use crate::message::CommitCertificate;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// What a replica wrote.
#[derive(Default, Debug)]
pub(crate) struct Disk {
    pub(crate) records: Vec<Record>,
    pub(super) coins: BTreeMap<OutPoint, Coin>,
    pub(super) blocks: BTreeMap<BlockId, Arc<Block>>,
    pub(super) diffs: BTreeMap<BlockId, Arc<Diff>>,
    pub(super) active: BTreeMap<Height, BlockId>,
    pub(super) certificates: BTreeMap<Height, CommitCertificate>,
    pub(super) base: Option<(Tip, Buckets)>,
    /// Coins that were spent, with the height of the block that did it.
    pub(super) spent: BTreeMap<OutPoint, (Height, Coin)>,
    /// Snapshots from this height on can be read.
    pub(super) keep: Height,
    /// The staging area, by bucket.
    pub(super) staged: BTreeMap<u8, BTreeMap<OutPoint, Coin>>,
}

impl Disk {
    pub(crate) fn persist(&mut self, record: Record) {
        match &record {
            Record::Body(block) => drop(self.blocks.insert(block.id(), Arc::new(block.clone()))),
            Record::Committed(it) => drop(self.certificates.insert(it.ballot.height, it.clone())),
            Record::Vote(_)
            | Record::Prepared(_)
            | Record::ViewChange(_)
            | Record::NewView(_)
            | Record::Evidence(_)
            | Record::Checkpoint(_)
            | Record::CheckpointState(_)
            | Record::Stable(_)
            | Record::Epoch(_)
            | Record::Header(_)
            | Record::Invalid(_)
            | Record::Invalidated(_)
            | Record::Reconsidered(_)
            | Record::ToldFinal(_) => {}
        }
        self.records.push(record);
    }

    pub(super) fn flush(&mut self, update: &ChainUpdate) {
        for link in &update.connected {
            self.spent.extend(link.diff.spent.iter().map(|(outpoint, coin)| (*outpoint, (link.height, *coin))));
            link.diff.apply(&mut self.coins).expect("a judged block fits the coins");
            self.blocks.insert(link.id, link.block.clone());
            self.diffs.insert(link.id, link.diff.clone());
            self.active.insert(link.height, link.id);
            let (tip, buckets) = self.base.as_mut().expect("the disk has a base");
            buckets.apply(&link.diff);
            *tip = Tip { height: link.height, id: link.id, header: link.block.header };
        }
    }

    pub(crate) fn switch(&mut self, switch: &Switch) {
        self.coins = std::mem::take(&mut self.staged).into_values().flatten().collect();
        assert!(Buckets::of(&self.coins) == switch.buckets, "what is switched to is what was said");
        self.active.insert(switch.tip.height, switch.tip.id);
        self.spent.clear();
        self.keep = switch.tip.height;
        self.base = Some((switch.tip, switch.buckets.clone()));
    }

    /// A wrong coin, in the coins and in their sums: as if a bug had put it there.
    pub(crate) fn corrupt(&mut self) {
        let outpoint = OutPoint { txid: TxId([9; 32]), index: 7 };
        let coin = Coin { amount: grains(1), lock: LockHash([9; 32]), height: Height(0), coinbase: false };
        self.coins.insert(outpoint, coin);
        let (_, buckets) = self.base.as_mut().expect("the disk has a base");
        buckets.apply(&Diff { created: BTreeMap::from([(outpoint, coin)]), spent: BTreeMap::new() });
    }

    /// What was flushed above this height is gone; what was persisted is there.
    pub(crate) fn set_back(&mut self, genesis: &Arc<Genesis>, height: Height) {
        let (Base { mut tip, mut buckets }, diff) = Base::genesis(genesis);
        self.coins = BTreeMap::new();
        diff.apply(&mut self.coins).expect("genesis fits no coins");
        self.active.retain(|at, _| *at <= height);
        for (height, id) in self.active.range(Height(1)..) {
            let diff = &self.diffs[id];
            diff.apply(&mut self.coins).expect("it was applied before");
            buckets.apply(diff);
            tip = Tip { height: *height, id: *id, header: self.blocks[id].header };
        }
        (self.base, self.keep) = (Some((tip, buckets)), Height::GENESIS);
        self.spent.clear();
    }

    pub(crate) fn has(&self, wanted: impl Fn(&Record) -> bool) -> bool {
        self.records.iter().any(wanted)
    }
}

#[derive(Clone)]
pub(super) struct Reader(pub(super) Arc<Mutex<Disk>>);

impl Reader {
    fn read<T>(&self, what: impl FnOnce(&Disk) -> T) -> T {
        what(&self.0.lock().expect("no test panics while it holds a disk"))
    }
}

impl Coins for Reader {
    fn get(&self, outpoint: &OutPoint) -> Option<Coin> {
        self.read(|disk| disk.coins.get(outpoint).copied())
    }
}

impl Archive for Reader {
    fn block(&self, id: &BlockId) -> Option<Arc<Block>> {
        self.read(|disk| disk.blocks.get(id).cloned())
    }
    fn diff(&self, id: &BlockId) -> Option<Arc<Diff>> {
        self.read(|disk| disk.diffs.get(id).cloned())
    }
    fn active_at(&self, height: Height) -> Option<BlockId> {
        self.read(|disk| disk.active.get(&height).copied())
    }
    fn certificate(&self, height: Height) -> Option<CommitCertificate> {
        // The least that can be expected of a store: what was flushed.
        self.read(|disk| disk.active.get(&height).and(disk.certificates.get(&height)).cloned())
    }
    fn bucket_at(&self, height: Height, bucket: u8, after: Option<OutPoint>, limit: usize) -> Option<BucketPage> {
        self.read(|disk| {
            let (tip, _) = disk.base.as_ref().expect("the disk has a base");
            if height > tip.height || height < disk.keep {
                return None;
            }
            let spent =
                disk.spent.iter().filter(|(_, (at, _))| *at > height).map(|(outpoint, (_, coin))| (outpoint, coin));
            let was_there = |(outpoint, coin): &(&OutPoint, &Coin)| {
                coin.height <= height && bucket_of(outpoint) == bucket && after.is_none_or(|after| **outpoint > after)
            };
            let all: BTreeMap<OutPoint, Coin> =
                disk.coins.iter().chain(spent).filter(was_there).map(|(outpoint, coin)| (*outpoint, *coin)).collect();
            let is_last = all.len() <= limit;
            Some(BucketPage { coins: all.into_iter().take(limit).collect(), is_last })
        })
    }
}
