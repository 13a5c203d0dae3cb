//! The state of the active chain: its tip, the coins, the commitment, and the switch from one branch to another.
//!
//! Coins are read through the one read seam, [`Store`], and kept in memory from the moment a block is connected until the
//! executor reports that change as flushed; a bounded number is kept for longer. So the coin set need not fit in memory, and what
//! the executor writes behind is never read too early: memory wins over the store, which may be ahead of what was reported.
//!
//! The commitment is summed here and nowhere else, once for each coin that comes or goes: every update carries the sums after it,
//! and who writes it to disk writes them too.
//!
//! Connecting and disconnecting are only done here, and stand side by side. Which block to connect is the engines' decision.

mod cache;
pub mod snapshot;

use crate::ledger::block::{Block, Header};
use crate::ledger::coins::{Coin, Coins, Diff};
use crate::ledger::commitment::Buckets;
use crate::ledger::genesis::Genesis;
use crate::ledger::hash::{BlockId, CoinCommitment, NetworkId};
use crate::ledger::rules::BlockError;
use crate::ledger::rules::context::{self, Place};
use crate::ledger::transaction::OutPoint;
use crate::ledger::units::Height;
use cache::Cache;
use snapshot::BucketPage;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Bodies and undo of blocks, as far as they are stored. Answers for a record from the moment its `Persist` was handed out.
pub trait Archive {
    /// The body of a block, on any branch.
    fn block(&self, id: &BlockId) -> Option<Arc<Block>>;
    /// Whether [`Archive::block`] would have an answer; at a start it is asked for every block of a chain under proof of work.
    fn has_block(&self, id: &BlockId) -> bool {
        self.block(id).is_some()
    }
    /// The change that a block made when it was connected.
    fn diff(&self, id: &BlockId) -> Option<Arc<Diff>>;
    /// The block of the active chain at a height, as far as it was flushed.
    fn active_at(&self, height: Height) -> Option<BlockId>;
    /// PBFT: the commit certificate that made the block at a height final, encoded.
    fn certificate(&self, height: Height) -> Option<crate::message::CommitCertificate>;
    /// PBFT: the first `limit` coins of a bucket after a name, as the coin set was at a height. `None` unless that height is
    /// flushed and not below the last [`SnapshotStep::Keep`](snapshot::SnapshotStep::Keep), or the snapshot from which
    /// the store goes on. Stores for proof of work need not know the past.
    fn bucket_at(&self, height: Height, bucket: u8, after: Option<OutPoint>, limit: usize) -> Option<BucketPage> {
        let _ = (height, bucket, after, limit);
        None
    }
}

/// The read seam: all that the core ever reads. It never writes; effects do.
pub trait Store: Coins + Archive + Send {}
impl<T: Coins + Archive + Send> Store for T {}

/// A block and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tip {
    /// Its height.
    pub height: Height,
    /// Its id.
    pub id: BlockId,
    /// Its header.
    pub header: Header,
}

/// A block that was connected or disconnected, with the change it makes when connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its height.
    pub height: Height,
    /// Its id.
    pub id: BlockId,
    /// The block.
    pub block: Arc<Block>,
    /// The change it makes when connected; read backwards when disconnected.
    pub diff: Arc<Diff>,
}

/// One atomic switch of the active chain: first `disconnected`, from the old tip down, then `connected`, up to the new tip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainUpdate {
    /// Counts updates; the executor reports it back when this one and all before are flushed.
    pub sequence: u64,
    /// Blocks that left, highest first.
    pub disconnected: Vec<Link>,
    /// Blocks that came, lowest first.
    pub connected: Vec<Link>,
    /// The tip afterwards.
    pub tip: Tip,
    /// Up to this height blocks are final (PBFT) or count as final for now (proof of work).
    pub final_height: Height,
    /// The sums of the coins afterwards.
    pub buckets: Buckets,
}

/// What the executor had flushed when the node stopped.
#[derive(Clone, Debug)]
pub struct Base {
    /// The tip at that moment.
    pub tip: Tip,
    /// The commitment's buckets at that tip.
    pub buckets: Buckets,
}

impl Base {
    /// The state after the genesis block.
    #[must_use]
    pub fn genesis(genesis: &Genesis) -> (Base, Diff) {
        let block = genesis.block();
        let diff = context::connect_genesis(&block);
        let mut buckets = Buckets::default();
        buckets.apply(&diff);
        let tip = Tip { height: Height::GENESIS, id: block.id(), header: block.header };
        (Base { tip, buckets }, diff)
    }
}

/// The active chain.
pub struct Chain {
    genesis: Arc<Genesis>,
    network: NetworkId,
    store: Box<dyn Store>,
    tip: Tip,
    /// Invariant: at most the tip's height. Not lowered by PBFT.
    final_height: Height,
    coins: Cache,
    /// Blocks connected by updates that are not reported as flushed, by height, so that undo never waits for the disk.
    links: BTreeMap<Height, (Link, u64)>,
    /// The buckets as they were before `unsummed`.
    buckets: Buckets,
    /// What happened since `buckets`, in order: connected, or else disconnected. Invariant: empty after an update.
    unsummed: Vec<(Arc<Diff>, bool)>,
    sequence: u64,
}

impl std::fmt::Debug for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chain")
            .field("tip", &self.tip)
            .field("final_height", &self.final_height)
            .finish_non_exhaustive()
    }
}

impl Coins for Chain {
    fn get(&self, outpoint: &OutPoint) -> Option<Coin> {
        self.coins.get(outpoint, &*self.store)
    }
}

impl Chain {
    /// The chain as it was flushed. The salt is known to nobody else, so that nobody can choose where a coin is kept.
    #[must_use]
    pub fn new(genesis: Arc<Genesis>, store: Box<dyn Store>, base: Base, salt: &[u8; 32]) -> Chain {
        let network = genesis.network_id();
        Chain {
            genesis,
            network,
            store,
            final_height: Height::GENESIS,
            tip: base.tip,
            coins: Cache::new(salt),
            links: BTreeMap::new(),
            buckets: base.buckets,
            unsummed: Vec::new(),
            sequence: 0,
        }
    }

    /// The genesis.
    #[must_use]
    pub fn genesis(&self) -> &Arc<Genesis> {
        &self.genesis
    }

    /// The net.
    #[must_use]
    pub fn network(&self) -> NetworkId {
        self.network
    }

    /// The highest connected block.
    #[must_use]
    pub fn tip(&self) -> Tip {
        self.tip
    }

    /// Up to this height blocks are final.
    #[must_use]
    pub fn final_height(&self) -> Height {
        self.final_height
    }

    /// Bodies, undo and certificates of stored blocks.
    #[must_use]
    pub fn archive(&self) -> &dyn Store {
        &*self.store
    }

    /// The block of the active chain at a height.
    #[must_use]
    pub fn active_at(&self, height: Height) -> Option<BlockId> {
        if height > self.tip.height {
            return None;
        }
        if height == self.tip.height {
            return Some(self.tip.id);
        }
        match self.links.get(&height) {
            Some((link, _)) => Some(link.id),
            None => self.store.active_at(height),
        }
    }

    /// Whether the store was reported to show the block of the active chain at this height.
    #[must_use]
    pub fn is_flushed(&self, height: Height) -> bool {
        height <= self.tip.height && !self.links.contains_key(&height)
    }

    /// A block whose body is held, on any branch.
    #[must_use]
    pub fn block(&self, id: &BlockId) -> Option<Arc<Block>> {
        let recent = self.links.values().find(|(link, _)| link.id == *id).map(|(link, _)| link.block.clone());
        recent.or_else(|| self.store.block(id))
    }

    /// The commitment to the coin set at the tip; brings the buckets up to date.
    pub fn commitment(&mut self) -> CoinCommitment {
        self.buckets().commitment()
    }

    /// The buckets at the tip, brought up to date.
    pub fn buckets(&mut self) -> &Buckets {
        for (diff, is_connected) in std::mem::take(&mut self.unsummed) {
            if is_connected {
                self.buckets.apply(&diff);
            } else {
                self.buckets.revert(&diff);
            }
        }
        &self.buckets
    }

    /// Judges a block above the tip without connecting it; header fields are the engine's to check.
    ///
    /// # Errors
    /// The first ledger rule that is broken in this place.
    pub fn judge(&self, block: &Block, time: u32) -> Result<Diff, BlockError> {
        self.judge_above(&[], block, time)
    }

    /// Judges a block above `unconnected` changes on top of the tip, lowest first.
    ///
    /// # Errors
    /// The first ledger rule that is broken in that place.
    pub fn judge_above(&self, unconnected: &[Arc<Diff>], block: &Block, time: u32) -> Result<Diff, BlockError> {
        let height = Height(self.tip.height.0 + unconnected.len() as u64 + 1);
        let stack = Stack { chain: self, diffs: unconnected };
        context::connect(block, &stack, Place { height, time }, &self.genesis.ledger)
    }

    /// The coins above `unconnected` changes on top of the tip, lowest first.
    #[must_use]
    pub fn coins_above<'a>(&'a self, unconnected: &'a [Arc<Diff>]) -> impl Coins + 'a {
        Stack { chain: self, diffs: unconnected }
    }

    /// Connects a judged block above the tip; part of the update that [`Chain::update`] will report.
    ///
    /// # Panics
    /// When the block's parent is not the tip.
    pub fn connect(&mut self, block: Arc<Block>, diff: Arc<Diff>) -> Link {
        assert_eq!(block.header.parent, self.tip.id, "a block is connected above its parent only");
        let tip = Tip { height: self.tip.height.next(), id: block.id(), header: block.header };
        let link = Link { height: tip.height, id: tip.id, block, diff };
        self.coins.change(self.sequence + 1, &link.diff.spent, &link.diff.created);
        self.unsummed.push((link.diff.clone(), true));
        self.links.insert(link.height, (link.clone(), self.sequence + 1));
        self.tip = tip;
        link
    }

    /// Disconnects the tip; part of the update that [`Chain::update`] will report. `None` when its undo or its parent is
    /// not stored any more, and for genesis.
    pub fn disconnect(&mut self) -> Option<Link> {
        let height = self.tip.height.previous()?;
        let link = match self.links.get(&self.tip.height) {
            Some((link, _)) => link.clone(),
            None => {
                let (block, diff) = (self.store.block(&self.tip.id)?, self.store.diff(&self.tip.id)?);
                Link { height: self.tip.height, id: self.tip.id, block, diff }
            }
        };
        let parent = link.block.header.parent;
        let header = match self.links.get(&height) {
            Some((below, _)) => below.block.header,
            None if height == Height::GENESIS => self.genesis.block().header,
            None => self.store.block(&parent)?.header,
        };
        self.coins.change(self.sequence + 1, &link.diff.created, &link.diff.spent);
        self.unsummed.push((link.diff.clone(), false));
        self.links.remove(&self.tip.height);
        self.tip = Tip { height, id: parent, header };
        Some(link)
    }

    /// Whether all blocks above a height can be disconnected.
    #[must_use]
    pub fn is_undoable_to(&self, height: Height) -> bool {
        let mut above = (height.0 + 1..=self.tip.height.0).map(Height);
        above.all(|at| {
            let id = self.active_at(at).filter(|_| !self.links.contains_key(&at));
            id.is_none_or(|id| self.store.diff(&id).is_some())
        })
    }

    /// Closes the changes since the last update into one, with the final height given.
    ///
    /// # Panics
    /// When the final height is above the tip.
    pub fn update(&mut self, disconnected: Vec<Link>, connected: Vec<Link>, final_height: Height) -> ChainUpdate {
        assert!(final_height <= self.tip.height, "only connected blocks are final");
        self.sequence += 1;
        self.final_height = final_height;
        let buckets = self.buckets().clone();
        ChainUpdate { sequence: self.sequence, disconnected, connected, tip: self.tip, final_height, buckets }
    }

    /// Counts a switch to a snapshot among the updates: its number.
    pub fn begin_rebase(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    /// Goes on from a snapshot, which the store shows: its tip is final, and nothing that was connected before counts.
    pub fn rebase(&mut self, base: Base) {
        self.coins.clear();
        self.links.clear();
        self.unsummed.clear();
        self.buckets = base.buckets;
        self.tip = base.tip;
        self.final_height = base.tip.height;
    }

    /// Told by the executor: the store now shows this update and all before it.
    pub fn flushed(&mut self, sequence: u64) {
        self.coins.flushed(sequence);
        self.links.retain(|_, (_, connected_by)| *connected_by > sequence);
    }
}

/// The chain's coins with changes on top.
struct Stack<'a> {
    chain: &'a Chain,
    diffs: &'a [Arc<Diff>],
}

impl Coins for Stack<'_> {
    fn get(&self, outpoint: &OutPoint) -> Option<Coin> {
        for diff in self.diffs.iter().rev() {
            if let Some(coin) = diff.created.get(outpoint) {
                return Some(*coin);
            }
            if diff.spent.contains_key(outpoint) {
                return None;
            }
        }
        self.chain.get(outpoint)
    }
}
