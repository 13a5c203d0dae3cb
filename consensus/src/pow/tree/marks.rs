//! What keeps a branch from being followed, whatever its work.
//!
//! A *mark* rules a block out, and with it all of its descendants: because it breaks a rule, or because a person said so. Marks
//! outlive a restart, until [`Tree::clear_marks`]. A branch that forks off deeper than may be followed is *barred* until a
//! person allows it; that is found again after a restart.

use super::{Node, Rank, Status, Tree};
use crate::ledger::hash::BlockId;
use crate::ledger::units::Height;

/// Why a block is ruled out; the later the graver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::pow) enum Mark {
    /// A person said so.
    Hand,
    /// It breaks a rule.
    Rule,
}

/// Whether a branch forks off too deep to be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pow) enum Reach {
    /// Not as far as is known.
    Open,
    /// It does.
    Barred,
    /// It may be followed however deep it forks off, for a person said so.
    Allowed,
}

impl Node {
    pub(super) fn is_barred(&self) -> bool {
        self.reach == Reach::Barred && self.ruled_out.is_none()
    }
}

impl Tree {
    /// Rules a block and all of its descendants out.
    pub(in crate::pow) fn mark(&mut self, id: &BlockId, mark: Mark) {
        self.node_mut(id).mark = Some(mark);
        self.renew(id);
    }

    /// Clears the marks of a block, of its ancestors and of its descendants, and returns whose they were.
    pub(in crate::pow) fn clear_marks(&mut self, id: &BlockId) -> Vec<BlockId> {
        let mut cleared = Vec::new();
        let mut lowest = *id;
        // What is ruled out forms the branch's upper end.
        while self.node(&lowest).ruled_out.is_some() {
            self.clear_mark(&lowest, &mut cleared);
            let parent = self.node(&lowest).header.parent;
            if self.node(&parent).ruled_out.is_none() {
                break;
            }
            lowest = parent;
        }
        for descendant in self.subtree(id) {
            self.clear_mark(&descendant, &mut cleared);
        }
        self.renew(&lowest);
        cleared
    }

    fn clear_mark(&mut self, id: &BlockId, cleared: &mut Vec<BlockId>) {
        if self.node_mut(id).mark.take().is_some() {
            cleared.push(*id);
        }
    }

    /// Bars a block and all of its descendants.
    pub(in crate::pow) fn bar(&mut self, id: &BlockId) {
        self.set_reach(id, Reach::Barred);
    }

    /// Allows the barred branch on which a block is, all of it, to be followed. True when it was barred.
    pub(in crate::pow) fn allow(&mut self, id: &BlockId) -> bool {
        if self.node(id).reach != Reach::Barred {
            return false;
        }
        let mut lowest = *id;
        while self.node(&self.node(&lowest).header.parent).reach == Reach::Barred {
            lowest = self.node(&lowest).header.parent;
        }
        self.set_reach(&lowest, Reach::Allowed);
        true
    }

    fn set_reach(&mut self, id: &BlockId, reach: Reach) {
        for descendant in self.subtree(id) {
            self.node_mut(&descendant).reach = reach;
        }
        self.renew(id);
    }

    /// The best branch that is not followed only because it forks off too deep, if it has more work than the tip.
    pub(in crate::pow) fn refused_branch(&self) -> Option<BlockId> {
        self.best_barred.filter(|id| self.is_better_than_tip(id))
    }

    /// Height up to which the active chain shares its blocks with all refused branches that have more work.
    pub(in crate::pow) fn refused_fork(&self) -> Option<Height> {
        self.refused_branch()?;
        let refused = self.nodes.iter().filter(|(id, node)| node.is_barred() && self.is_better_than_tip(id));
        refused.map(|(id, _)| self.fork(id)).min()
    }

    /// A block and all of its descendants, each after its parent.
    fn subtree(&self, id: &BlockId) -> Vec<BlockId> {
        let mut ids = vec![*id];
        let mut next = 0;
        while let Some(at) = ids.get(next) {
            ids.extend(self.node(at).children.iter().copied());
            next += 1;
        }
        ids
    }

    /// Brings in line with marks and reach what depends on them, from a block up.
    fn renew(&mut self, id: &BlockId) {
        let tip = self.node(&self.tip()).merit();
        for at in self.subtree(id) {
            let node = self.node(&at);
            // Genesis is its own parent in no sense, and bears no mark.
            let above = self.get(&node.header.parent).and_then(|parent| parent.ruled_out);
            let node = self.node_mut(&at);
            node.ruled_out = node.mark.max(above);
            let rank = node.rank(at);
            if node.may_be_followed() && node.status == Status::Linked && node.merit() > tip {
                self.candidates.insert(rank);
            } else {
                self.candidates.remove(&rank);
            }
        }
        self.best_header = self.best_of(|_| true);
        let barred = self.nodes.iter().filter(|(_, node)| node.is_barred());
        let best: Option<Rank> = barred.map(|(id, node)| node.rank(*id)).max();
        self.best_barred = best.map(|(_, _, id)| id);
    }
}
