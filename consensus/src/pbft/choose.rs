//! With what a view begins: computed by every replica from the q VIEW-CHANGEs of its NEW-VIEW, never taken from its primary.
//!
//! The base is the highest commit certificate among them. At each height above it the certificate of the highest view is
//! chosen, as long as there is one whose block stands on the block below; the first gap ends it. Why this keeps every block
//! that any replica can have committed is told in [`super`].

use crate::chain::Tip;
use crate::ledger::block::Header;
use crate::ledger::hash::BlockId;
use crate::ledger::units::Height;
use crate::message::{CommitCertificate, PreparedBlock, ViewChange};
use crate::plant::{Plant, armed};
use std::collections::BTreeMap;

/// With what a view begins.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Choice {
    /// The highest block known to be final; no vote of the view is for this height or a lower one.
    pub(super) base: Height,
    /// What makes the base final; `None` when it is the block before the epoch.
    pub(super) certificate: Option<CommitCertificate>,
    /// What is to be proposed again, from the height above the base on, without a gap.
    pub(super) chosen: BTreeMap<Height, Header>,
}

/// Computes it; `start` is the block before the epoch.
pub(super) fn choose(start: Tip, changes: &[ViewChange]) -> Choice {
    let certificate = changes.iter().filter_map(|it| it.committed.as_ref()).max_by_key(|it| it.ballot.height).cloned();
    let (base, mut below) = match &certificate {
        Some(it) if it.ballot.height > start.height => (it.ballot.height, it.ballot.block),
        Some(_) | None => (start.height, start.id),
    };
    let mut chosen = BTreeMap::new();
    let mut height = base.next();
    while let Some(best) = highest_view(changes, height).filter(|best| best.header.parent == below) {
        chosen.insert(height, best.header);
        below = best.certificate.ballot.block;
        height = height.next();
    }
    Choice { base, certificate, chosen }
}

/// The certificate of the highest view at a height. Two of one view are for one block, since two quorums share a correct member.
fn highest_view(changes: &[ViewChange], height: Height) -> Option<&PreparedBlock> {
    let mut of_height = changes.iter().flat_map(|it| &it.prepared).filter(|it| it.certificate.ballot.height == height);
    if armed(Plant::FirstCertificate) {
        return of_height.next();
    }
    of_height.max_by_key(|it| it.certificate.ballot.view)
}

impl Choice {
    /// The block that a height must be, if one was chosen.
    pub(super) fn at(&self, height: Height) -> Option<BlockId> {
        self.chosen.get(&height).map(Header::id)
    }
}
