//! Bodies that are not connected yet.
//!
//! A body is taken only for a header in the tree, so it cost its work. It is persisted at once and read back from the archive;
//! the latest stay in memory, because the archive answers only once effects were handed out.

use super::Pow;
use super::tree::Status;
use crate::engine::{Peer, Record};
use crate::ledger::block::Block;
use crate::ledger::hash::BlockId;
use crate::ledger::units::Height;
use crate::limits::{BLOCKS_PER_MESSAGE_MAX, UNCONNECTED_BODIES_MAX};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Bodies kept in memory beside the archive.
const RECENT_BODIES_MAX: usize = 64;
// A whole answer stays in memory until the archive has been handed it.
const _: () = assert!(RECENT_BODIES_MAX >= BLOCKS_PER_MESSAGE_MAX);
/// Bodies this far below the tip no longer count as waiting: they lost.
const STALE_DEPTH: u64 = 100;

/// Bodies off the active chain.
#[derive(Default)]
pub(super) struct Bodies {
    /// The latest, oldest first. Bounded.
    recent: VecDeque<(BlockId, Arc<Block>)>,
    /// Held but never connected, with who brought them.
    unconnected: BTreeMap<(Height, BlockId), Option<Peer>>,
}

impl Bodies {
    /// Who brought a body that was never connected.
    pub(super) fn sender(&self, height: Height, id: &BlockId) -> Option<Peer> {
        self.unconnected.get(&(height, *id)).copied().flatten()
    }

    /// A block is connected, or was found invalid.
    pub(super) fn settled(&mut self, height: Height, id: &BlockId) {
        self.unconnected.remove(&(height, *id));
    }

    /// The tip has moved: what is far below it lost.
    pub(super) fn forget_stale(&mut self, tip: Height) {
        let from = (Height(tip.0.saturating_sub(STALE_DEPTH)), BlockId::default());
        self.unconnected = self.unconnected.split_off(&from);
    }

    fn keep(&mut self, height: Height, id: BlockId, block: Arc<Block>, from: Option<Peer>) {
        if self.recent.len() >= RECENT_BODIES_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back((id, block));
        self.unconnected.insert((height, id), from);
    }
}

impl Pow {
    /// Takes the body of a header in the tree. Refuses what is known, invalid, barred, or too much beside the best branch.
    pub(super) fn accept_body(&mut self, from: Option<Peer>, id: BlockId, block: Block) {
        let Some(node) = self.tree.get(&id) else { return };
        if node.status != Status::Header || !node.may_be_followed() {
            return;
        }
        let height = node.height;
        let best = self.tree.best_header();
        let on_best = self.tree.node(&best).height >= height && self.tree.ancestor(&best, height) == id;
        if !on_best && self.bodies.unconnected.len() >= UNCONNECTED_BODIES_MAX {
            return;
        }
        self.persist(Record::Body(block.clone()));
        self.bodies.keep(height, id, Arc::new(block), from);
        self.tree.add_body(&id);
    }

    /// The body of a block, if it is here.
    pub(super) fn body(&self, id: &BlockId) -> Option<Arc<Block>> {
        let recent = self.bodies.recent.iter().find(|(recent, _)| recent == id);
        recent.map(|(_, block)| block.clone()).or_else(|| self.chain.block(id))
    }

    /// An answer with bodies.
    pub(super) fn on_blocks(&mut self, from: Peer, blocks: Vec<Block>) {
        let asked = self.take_blocks_request(from);
        let mut useful = false;
        for block in blocks {
            let id = block.id();
            useful |= asked.contains(&id);
            if self.tree.get(&id).is_some() {
                self.accept_body(Some(from), id, block);
            }
        }
        if !asked.is_empty() && !useful {
            self.rest(from);
        }
    }
}
