//! What a simulated node has stored: in memory, at once. What that would take is charged by the model.

use bezant_consensus::chain::{Archive, Base, ChainUpdate};
use bezant_consensus::engine::Record;
use bezant_consensus::ledger::block::Block;
use bezant_consensus::ledger::coins::{Coin, Coins, Diff};
use bezant_consensus::ledger::genesis::Genesis;
use bezant_consensus::ledger::hash::BlockId;
use bezant_consensus::ledger::transaction::OutPoint;
use bezant_consensus::ledger::units::Height;
use bezant_consensus::message::CommitCertificate;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

#[derive(Debug, Default)]
struct Memory {
    blocks: BTreeMap<BlockId, Arc<Block>>,
    certificates: BTreeMap<Height, CommitCertificate>,
    diffs: BTreeMap<BlockId, Arc<Diff>>,
    active: BTreeMap<Height, BlockId>,
    coins: BTreeMap<OutPoint, Coin>,
}

/// Shared by a replica, which reads, and its executor, which writes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Store(Arc<Mutex<Memory>>);

impl Store {
    /// The state after genesis.
    pub(crate) fn new(genesis: &Genesis) -> (Store, Base) {
        let (base, diff) = Base::genesis(genesis);
        let block = Arc::new(genesis.block());
        let store = Store::default();
        let mut memory = store.lock();
        memory.coins = diff.created.clone();
        memory.blocks.insert(base.tip.id, block);
        memory.active.insert(Height::GENESIS, base.tip.id);
        memory.diffs.insert(base.tip.id, Arc::new(diff));
        drop(memory);
        (store, base)
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().expect("nobody panics with it")
    }

    pub(crate) fn persist(&self, record: &Record) {
        match record {
            Record::Body(block) => {
                self.lock().blocks.insert(block.id(), Arc::new(block.clone()));
            }
            Record::Committed(certificate) => {
                self.lock().certificates.insert(certificate.ballot.height, certificate.clone());
            }
            // Nothing is restored from here.
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

    pub(crate) fn update(&self, update: &ChainUpdate) {
        assert!(update.disconnected.is_empty(), "under PBFT nothing is undone");
        let mut memory = self.lock();
        for link in &update.connected {
            memory.active.insert(link.height, link.id);
            memory.diffs.insert(link.id, link.diff.clone());
            for outpoint in link.diff.spent.keys() {
                memory.coins.remove(outpoint);
            }
            memory.coins.extend(link.diff.created.iter().map(|(outpoint, coin)| (*outpoint, *coin)));
        }
    }
}

impl Coins for Store {
    fn get(&self, outpoint: &OutPoint) -> Option<Coin> {
        self.lock().coins.get(outpoint).copied()
    }
}

impl Archive for Store {
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
}
