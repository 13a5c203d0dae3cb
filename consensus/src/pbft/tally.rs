//! Counting votes, in one place.
//!
//! One vote counts per (signer, kind, view) of a height: the first. A second one for the same block is known already; one for
//! another block is a contradiction, reported once. Votes of different views or blocks are never added up. The primary's
//! PRE-PREPARE counts where PREPAREs are counted, and the verifier lets no primary prepare, so that *q* is the one threshold.

use crate::ledger::hash::BlockId;
use crate::ledger::units::View;
use crate::message::{Ballot, CommitCertificate, PreparedCertificate, Seal, Vote, VoteKind};
use crate::plant::{Plant, armed};
use std::collections::{BTreeMap, BTreeSet};

/// What became of a vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counted {
    /// It counts; so many do now for its ballot, the PRE-PREPARE with the PREPAREs. A threshold is crossed by exactly one
    /// vote: the one with which this number equals it.
    New(usize),
    /// It was counted before, or is a contradiction that was reported before.
    Known,
    /// It contradicts this earlier one of the same signer.
    Contradicts(Vote),
}

/// The votes of one height.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    /// Invariant: one per key, all of one height, epoch and incarnation.
    votes: BTreeMap<(View, VoteKind, u16), Vote>,
    /// Invariant: what `votes` add up to, PRE-PREPAREs under `Prepare`.
    counts: BTreeMap<(View, VoteKind, BlockId), usize>,
    /// Contradictions that were reported.
    reported: BTreeSet<(View, VoteKind, u16)>,
    /// The last COMMIT of each signer in a view that was left. It counts no more, but may show that its signer lied.
    left: BTreeMap<u16, Vote>,
}

/// Under which kind a vote is counted.
fn counted_as(kind: VoteKind) -> VoteKind {
    match kind {
        VoteKind::PrePrepare | VoteKind::Prepare => VoteKind::Prepare,
        VoteKind::Commit => VoteKind::Commit,
    }
}

impl Tally {
    /// Counts a vote.
    pub(super) fn add(&mut self, vote: Vote) -> Counted {
        let key = (vote.ballot.view, vote.kind, vote.signer);
        if let Some(first) = self.votes.get(&key) {
            let contradicts = first.ballot != vote.ballot && self.reported.insert(key);
            return if contradicts { Counted::Contradicts(*first) } else { Counted::Known };
        }
        self.votes.insert(key, vote);
        let count = self.counts.entry((vote.ballot.view, counted_as(vote.kind), vote.ballot.block)).or_insert(0);
        *count += 1;
        Counted::New(*count)
    }

    /// The COMMIT of a signer in a view, whether it counts or its view was left.
    pub(super) fn commit(&self, view: View, signer: u16) -> Option<&Vote> {
        let left = || self.left.get(&signer).filter(|vote| vote.ballot.view == view);
        self.vote(view, VoteKind::Commit, signer).or_else(left)
    }

    /// Whether it holds COMMITs of views that were left.
    pub(super) fn remembers(&self) -> bool {
        !self.left.is_empty()
    }

    /// Whether a vote of this view counts here.
    pub(super) fn is_of_view(&self, view: View) -> bool {
        self.counts.keys().any(|(of, _, _)| *of == view)
    }

    /// The vote of a signer that counts.
    pub(super) fn vote(&self, view: View, kind: VoteKind, signer: u16) -> Option<&Vote> {
        self.votes.get(&(view, kind, signer))
    }

    /// The signers whose votes of a kind count for a block, in ascending order; with PREPAREs the primary is among them.
    pub(super) fn signers(&self, view: View, kind: VoteKind, block: BlockId) -> Vec<u16> {
        let mut signers: Vec<u16> = self.seals(view, kind, block).map(|seal| seal.signer).collect();
        if kind == VoteKind::Prepare {
            signers.extend(self.seals(view, VoteKind::PrePrepare, block).map(|seal| seal.signer));
            signers.sort_unstable();
        }
        signers
    }

    /// The prepared certificate for a ballot: the PRE-PREPARE and exactly `quorum` − 1 PREPAREs, once there are as many.
    pub(super) fn prepared(&self, ballot: Ballot, quorum: usize) -> Option<PreparedCertificate> {
        let count = self.counts.get(&(ballot.view, VoteKind::Prepare, ballot.block)).copied().unwrap_or(0);
        if count < quorum {
            return None;
        }
        let pre_prepare = self.seals(ballot.view, VoteKind::PrePrepare, ballot.block).next()?;
        let prepares = self.seals(ballot.view, VoteKind::Prepare, ballot.block).take(quorum - 1).collect();
        Some(PreparedCertificate { ballot, pre_prepare, prepares })
    }

    /// The commit certificate of a view: exactly `quorum` COMMITs for one ballot, once there are as many.
    pub(super) fn committed(&self, view: View, quorum: usize) -> Option<CommitCertificate> {
        if armed(Plant::MixViews) {
            return self.committed_in_any(quorum);
        }
        let is_enough = |(key, count): &(&(View, VoteKind, BlockId), &usize)| {
            key.0 == view && key.1 == VoteKind::Commit && **count >= quorum
        };
        let block = self.counts.iter().find(is_enough)?.0.2;
        let of_block = |vote: &&Vote| vote.ballot.block == block;
        let ballot = self.of_kind(view, VoteKind::Commit).find(of_block)?.ballot;
        let commits = self.seals(view, VoteKind::Commit, block).take(quorum).collect();
        Some(CommitCertificate { ballot, commits })
    }

    /// The planted bug: COMMITs for one block, of whatever views.
    fn committed_in_any(&self, quorum: usize) -> Option<CommitCertificate> {
        let mut by_block: BTreeMap<BlockId, BTreeMap<u16, &Vote>> = BTreeMap::new();
        for vote in self.votes.values().filter(|vote| vote.kind == VoteKind::Commit) {
            by_block.entry(vote.ballot.block).or_default().insert(vote.signer, vote);
        }
        let votes = by_block.into_values().find(|votes| votes.len() >= quorum)?;
        let ballot = votes.values().next()?.ballot;
        let commits = votes.values().take(quorum).map(|it| Seal { signer: it.signer, signature: it.signature });
        Some(CommitCertificate { ballot, commits: commits.collect() })
    }

    /// Drops what was voted in earlier views, but for one COMMIT of each signer.
    pub(super) fn forget_before(&mut self, view: View) {
        if armed(Plant::MixViews) {
            return;
        }
        // Ascending by view: the last one stays.
        let left = self.votes.values().filter(|vote| vote.kind == VoteKind::Commit && vote.ballot.view < view);
        self.left.extend(left.map(|vote| (vote.signer, *vote)));
        self.votes.retain(|(of, _, _), _| *of >= view);
        self.counts.retain(|(of, _, _), _| *of >= view);
        self.reported.retain(|(of, _, _)| *of >= view);
    }

    fn of_kind(&self, view: View, kind: VoteKind) -> impl Iterator<Item = &Vote> {
        self.votes.range((view, kind, 0)..=(view, kind, u16::MAX)).map(|(_, vote)| vote)
    }

    fn seals(&self, view: View, kind: VoteKind, block: BlockId) -> impl Iterator<Item = Seal> {
        let of_block = move |vote: &&Vote| vote.ballot.block == block;
        let seal = |vote: &Vote| Seal { signer: vote.signer, signature: vote.signature };
        self.of_kind(view, kind).filter(of_block).map(seal)
    }
}
