//! One height in flight: what was proposed, who voted, what is proved.

use super::changes::is_changing;
use super::tally::Tally;
use crate::engine::Phase;
use crate::ledger::block::Block;
use crate::ledger::coins::Diff;
use crate::ledger::hash::BlockId;
use crate::ledger::units::{Time, View};
use crate::message::{CommitCertificate, PreparedBlock, Vote, VoteKind};
use crate::plant::{Plant, armed};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is known of a body's validity in its place.
#[derive(Clone, Debug)]
pub(super) enum Judged {
    /// Nothing: a body below it is missing, or not judged itself.
    Waiting,
    /// It is valid above the bodies below it, and makes this change.
    Valid(Arc<Diff>),
    /// It breaks a rule; nothing above it can be judged.
    Refused,
}

/// A body for the height, and how it stands.
#[derive(Clone, Debug)]
pub(super) struct Body {
    pub(super) id: BlockId,
    pub(super) block: Arc<Block>,
    /// Whether it changes members.
    pub(super) is_changing: bool,
    /// Whether its record was handed out.
    pub(super) durable: bool,
    pub(super) judged: Judged,
}

impl Body {
    pub(super) fn new(block: Arc<Block>, durable: bool) -> Body {
        let (id, is_changing) = (block.id(), is_changing(&block));
        Body { id, block, is_changing, durable, judged: Judged::Waiting }
    }

    /// The change it makes, when it is valid.
    pub(super) fn diff(&self) -> Option<&Arc<Diff>> {
        match &self.judged {
            Judged::Valid(diff) => Some(diff),
            Judged::Waiting | Judged::Refused => None,
        }
    }
}

/// A height above the final one.
#[derive(Clone, Debug, Default)]
pub(super) struct Slot {
    /// The votes received and cast.
    pub(super) tally: Tally,
    /// The first proposal of the present view, or the block that `committed` names.
    pub(super) body: Option<Body>,
    /// This replica's own votes, sent again byte for byte. Invariant: all are in `tally`, all were persisted.
    pub(super) own: BTreeMap<(View, VoteKind), Vote>,
    /// Invariant: persisted by members; of the highest view in which the height was prepared here.
    pub(super) prepared: Option<PreparedBlock>,
    /// Invariant: persisted.
    pub(super) committed: Option<CommitCertificate>,
    /// When own votes last left.
    pub(super) sent_at: Time,
    /// When the first proposal of this view came; for the pace of the net.
    pub(super) arrived_at: Option<Time>,
    /// How late it came while work waited, until it is known what the net needed for it.
    pub(super) delay_ms: Option<u64>,
}

impl Slot {
    /// The body, when it is valid in its place.
    pub(super) fn valid(&self) -> Option<&Body> {
        self.body.as_ref().filter(|body| body.diff().is_some())
    }

    /// Whether this is proved to be prepared on `block` in `view`.
    pub(super) fn is_prepared_in(&self, view: View, block: BlockId) -> bool {
        let ballot = self.prepared.as_ref().map(|it| it.certificate.ballot);
        ballot.is_some_and(|ballot| ballot.view == view && ballot.block == block)
    }

    /// Whether a child of `block` may be linked to it in `view`.
    pub(super) fn is_prepared_on(&self, view: View, block: BlockId) -> bool {
        let of_older = self.prepared.as_ref().filter(|_| armed(Plant::LinkAcrossViews));
        self.is_prepared_in(view, block) || of_older.is_some_and(|it| it.certificate.ballot.block == block)
    }

    /// Whether a commit certificate for `block` is held.
    pub(super) fn is_committed_on(&self, block: BlockId) -> bool {
        self.committed.as_ref().is_some_and(|it| it.ballot.block == block)
    }

    /// The block that the height is about, as far as known.
    pub(super) fn block(&self) -> Option<BlockId> {
        let certified = self.committed.as_ref().map(|it| it.ballot.block);
        certified.or_else(|| self.body.as_ref().map(|body| body.id))
    }

    /// The block that this replica's own votes in `view` bind it to.
    pub(super) fn bound_to(&self, view: View) -> Option<BlockId> {
        self.own.iter().find(|((of, _), _)| *of == view).map(|(_, vote)| vote.ballot.block)
    }

    /// Votes of earlier views never matter again once their view was left.
    pub(super) fn forget_before(&mut self, view: View) {
        self.tally.forget_before(view);
        self.own.retain(|(of, _), _| *of >= view);
        (self.arrived_at, self.delay_ms) = (None, None);
    }

    /// How far the height is.
    pub(super) fn phase(&self, view: View) -> Phase {
        if self.committed.is_some() {
            Phase::Committed
        } else if self.prepared.as_ref().is_some_and(|it| it.certificate.ballot.view == view) {
            Phase::Prepared
        } else if self.valid().is_some() {
            Phase::PrePrepared
        } else {
            Phase::Idle
        }
    }
}
