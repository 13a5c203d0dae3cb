//! Heights at or below the base of the view that have no commit certificate of their own here.
//!
//! A commit certificate makes its block final, and all blocks below it; but a certificate of height n + 1 may be formed where
//! none of height n is, and perhaps nobody ever holds the latter: one liar is enough, who commits n + 1 and not n. Nothing is
//! connected without its own certificate, so the view certifies such a height again: the primary proposes the very ancestor
//! that the base names by its hashes, and a replica votes for no other. Whatever is certified so was final before.
//!
//! Each replica needs the blocks from the base down for that, and asks for those that it lacks.

use super::Pbft;
use super::slot::Body;
use crate::ledger::block::Header;
use crate::ledger::hash::BlockId;
use crate::ledger::units::{Height, Time};
use crate::plant::{Plant, armed};

/// How long certified blocks that are missing may take to come by themselves, before the view owes them: longer than peers
/// take to say where they stand, and to answer.
pub(super) const BEHIND_GRACE_MS: u64 = 3_000;

impl Pbft {
    /// The block that a height at or below the base must be, as far as the certificates and headers held here tell.
    pub(super) fn ancestor_at(&self, height: Height) -> Option<BlockId> {
        if height > self.choice.base {
            return None;
        }
        let certified = |(at, slot): (&Height, &super::slot::Slot)| Some((*at, slot.committed.as_ref()?.ballot.block));
        let (mut at, mut id) = self.slots.range(height..).find_map(certified)?;
        while at > height {
            id = self.header_of(at, id)?.parent;
            at = at.previous()?;
        }
        Some(id)
    }

    fn header_of(&self, height: Height, id: BlockId) -> Option<Header> {
        let slot = self.slots.get(&height);
        let body = slot.and_then(|slot| slot.body.as_ref()).filter(|body| body.id == id);
        let prepared = slot.and_then(|slot| slot.prepared.as_ref()).filter(|it| it.certificate.ballot.block == id);
        let held = body.map(|body| body.block.header).or(prepared.map(|prepared| prepared.header));
        held.or_else(|| self.chain.archive().block(&id).map(|block| block.header))
    }

    /// Takes the bodies at and below the base that are held anywhere here.
    pub(super) fn take_ancestors(&mut self) {
        for (height, id) in self.bodiless() {
            if let Some(block) = self.chain.archive().block(&id) {
                self.slots.entry(height).or_default().body = Some(Body::new(block, true));
            }
        }
    }

    /// The blocks at and below the base, by height, that are known and whose bodies have no slot.
    pub(super) fn bodiless(&self) -> Vec<(Height, BlockId)> {
        let (tip, base) = (self.chain.tip().height, self.choice.base);
        if base <= tip || armed(Plant::VoteBelowBase) {
            return Vec::new();
        }
        let known = (tip.next().0..=base.0).rev().map(Height).filter_map(|it| Some((it, self.ancestor_at(it)?)));
        let is_held = |height: &Height| self.slots.get(height).is_some_and(|slot| slot.body.is_some());
        known.filter(|(height, _)| !is_held(height)).collect()
    }

    /// Whether this replica knows of certified blocks that it cannot connect.
    pub(super) fn is_behind(&self) -> bool {
        let tip = self.chain.tip().height;
        self.highest_height() > tip || self.choice.base > tip
    }

    /// Notes since when, at which tip, it has been so.
    pub(super) fn note_behind(&mut self) {
        let tip = self.chain.tip().height;
        let since = self.behind.filter(|(at, _)| *at == tip).map_or(self.now, |(_, since)| since);
        self.behind = self.is_behind().then_some((tip, since));
    }

    /// When what is missing has had its time to come by itself.
    pub(super) fn behind_until(&self) -> Option<Time> {
        self.behind.map(|(_, since)| since.plus_ms(BEHIND_GRACE_MS))
    }
}

#[cfg(test)]
mod tests;
