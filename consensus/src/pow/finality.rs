//! What counts as final, and that nothing of it is withdrawn without a word.
//!
//! A block counts as final `final_depth - 1` blocks below the tip. While a heavier branch is refused as too deep, only what both
//! share does. When less is final than was, or other blocks are, [`Trace::FinalityBroken`] says so before the chain changes.
//!
//! That holds across a crash. A block is told to be final only once [`Record::ToldFinal`] is durable. A replica that comes back where
//! that block does not count as final says so first of all. The record names what was told last, and where finality was withdrawn
//! also what was told before, until the state is flushed beyond that. A replica that stops soon after it has said that
//! finality is withdrawn may say it once more; it never says it too seldom.

use super::Pow;
use super::tree::Tree;
use crate::chain::Link;
use crate::engine::{Effect, Record, Trace};
use crate::ledger::hash::BlockId;
use crate::ledger::units::Height;
use crate::plant::{Plant, armed};

/// What was told to be final.
#[derive(Clone, Default)]
pub(super) struct Told {
    /// Blocks, each with the number of the chain update that told of it, the latest last.
    blocks: Vec<(Height, BlockId, u64)>,
}

impl Told {
    /// As it was when the node stopped.
    pub(super) fn restored(blocks: Vec<(Height, BlockId)>) -> Told {
        Told { blocks: blocks.into_iter().map(|(height, id)| (height, id, 0)).collect() }
    }

    /// A block is told to be final; with it all below.
    fn tell(&mut self, tree: &Tree, id: BlockId, sequence: u64) -> Record {
        let height = tree.node(&id).height;
        self.blocks.retain(|(below, told, _)| *below > height || tree.ancestor(&id, *below) != *told);
        self.blocks.push((height, id, sequence));
        Record::ToldFinal(self.blocks.iter().map(|(height, id, _)| (*height, *id)).collect())
    }

    /// The state is flushed up to this chain update: what was told before the last block that this state tells of was withdrawn, and that
    /// was said.
    pub(super) fn flushed(&mut self, sequence: u64) {
        let told = self.blocks.partition_point(|(_, _, told_by)| *told_by <= sequence);
        self.blocks.drain(..told.saturating_sub(1));
    }

    /// Of what was told, the highest block that is not final now, and the height up to which all of it still is.
    fn withdrawn(&self, tree: &Tree, final_height: Height) -> Option<(Height, Height)> {
        let kept = |(height, id, _): &(Height, BlockId, u64)| {
            // A block without a header was never told of: the header is durable first.
            let fork = tree.get(id).map(|_| tree.fork(id))?;
            let kept = kept(*height, fork, final_height);
            (kept < *height).then_some((*height, kept))
        };
        let withdrawn: Vec<(Height, Height)> = self.blocks.iter().filter_map(kept).collect();
        let before = withdrawn.iter().map(|(before, _)| *before).max()?;
        withdrawn.iter().map(|(_, kept)| *kept).min().map(|kept| (before, kept))
    }
}

/// How far up what was final `before` is still on a chain that left it at `fork`; where all of it is, how far it is still final, since
/// a branch with more work may have fewer blocks: then less is deep enough, though nothing final was undone.
fn kept(before: Height, fork: Height, final_height: Height) -> Height {
    if fork < before { fork } else { before.min(final_height) }
}

impl Pow {
    /// The height up to which blocks count as final when the tip is at `tip`: while a heavier branch is refused, only what both
    /// share.
    pub(super) fn final_height_at(&self, tip: Height) -> Height {
        let by_depth = Height(tip.0.saturating_sub(u64::from(self.params.final_depth) - 1));
        let refused = self.tree.refused_fork().filter(|_| !armed(Plant::FinalContested));
        refused.map_or(by_depth, |fork| by_depth.min(fork))
    }

    /// Hands out a change of the chain, with what it means for finality; nothing below `fork` was changed.
    pub(super) fn hand_out(&mut self, fork: Height, disconnected: Vec<Link>, connected: Vec<Link>) {
        let (before, final_height) = (self.chain.final_height(), self.final_height_at(self.chain.tip().height));
        let kept = kept(before, fork, final_height);
        // What tells that finality is withdrawn comes first, so that no crash can cut it off from the switch.
        if kept < before && !armed(Plant::SilentReorg) {
            self.trace(Trace::FinalityBroken { before, fork: kept });
        }
        if let Some(first) = disconnected.first() {
            let depth = first.height.0 - fork.0;
            self.trace(Trace::Reorg { fork, depth, tip: self.chain.tip().id });
        }
        let update = self.chain.update(disconnected, connected, final_height);
        if final_height > kept && !armed(Plant::ForgetFinal) {
            let id = self.tree.active_at(final_height).expect("what is final is on the chain");
            let record = self.told.tell(&self.tree, id, update.sequence);
            self.persist(record);
        }
        self.emit(Effect::Chain(update));
    }

    /// Brings finality in line when a refused branch has come or gone and nothing was switched.
    pub(super) fn renew_finality(&mut self) {
        let tip = self.chain.tip().height;
        if self.final_height_at(tip) != self.chain.final_height() {
            self.hand_out(tip, Vec::new(), Vec::new());
        }
    }

    /// Restore only: says first of all what of that which was told is not final here.
    pub(super) fn withdraw(&mut self, told: &Told) {
        if let Some((before, fork)) = told.withdrawn(&self.tree, self.chain.final_height()) {
            self.effects.insert(0, Effect::Trace(Trace::FinalityBroken { before, fork }));
        }
    }
}
