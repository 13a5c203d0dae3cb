//! What leaves a node: nobody signs two things of which only one may be, nothing leaves before it and what it rests on are durable,
//! and what is said to be proved is proved by exactly a quorum.

use super::{Referee, Verdict, object};
use crate::sim::disk::Disk;
use bezant_consensus::engine::Record;
use bezant_consensus::ledger::units::Height;
use bezant_consensus::message::checkpoint::{Checkpoint, CheckpointCertificate, CheckpointVote};
use bezant_consensus::message::relay::CompactPrePrepare;
use bezant_consensus::message::{Ballot, CertifiedBlock, Message, NewView, PrePrepare, ViewChange, Vote, VoteKind};
use std::collections::BTreeSet;

impl Referee {
    /// A message leaves a correct node.
    pub(crate) fn left(&mut self, node: usize, message: &Message, disk: &Disk) -> Verdict {
        match message {
            Message::Vote(vote) if self.is_left(vote) => {
                object("left-view", format!("member {} votes in view {}, which it left", vote.signer, vote.ballot.view))
            }
            Message::Vote(vote) => {
                self.members.speaks(node, vote.ballot.epoch, vote.signer)?;
                self.vote(vote.signer, vote.kind, &vote.ballot)?;
                self.durable(node, vote, disk)
            }
            Message::PrePrepare(PrePrepare { vote, .. })
            | Message::CompactPrePrepare(CompactPrePrepare { vote, .. }) => {
                self.members.speaks(node, vote.ballot.epoch, vote.signer)?;
                self.vote(vote.signer, vote.kind, &vote.ballot)?;
                self.durable(node, vote, disk)
            }
            Message::Certified(blocks) => blocks.0.iter().try_for_each(|certified| self.certificate(node, certified)),
            Message::ViewChange(change) => self.view_change(node, change, disk),
            Message::NewView(new_view) => self.new_view(node, new_view, disk),
            Message::Evidence(evidence) if self.is_liar(evidence.first.ballot.epoch, evidence.first.signer) => Ok(()),
            Message::Evidence(evidence) => {
                let signer = evidence.first.signer;
                object("evidence", format!("node {node} has proof against member {signer}, which is honest"))
            }
            Message::Checkpoint(vote) => self.checkpoint_vote(node, vote, disk),
            Message::Checkpointed(certificate) => self.checkpoint(node, certificate),
            Message::Snapshot(Some(snapshot)) => self.checkpoint(node, &snapshot.certificate),
            Message::Successions(successions) => {
                successions.0.iter().try_for_each(|it| self.checkpoint(node, &it.certificate))
            }
            Message::Snapshot(None)
            | Message::GetSnapshot { .. }
            | Message::GetBuckets { .. }
            | Message::Buckets(_)
            | Message::GetSuccessions { .. }
            | Message::Transaction(_)
            | Message::TransactionBatch(_)
            | Message::Overdue(_)
            | Message::Tip(_)
            | Message::GetCertified { .. }
            | Message::GetHeaders(_)
            | Message::Headers(_)
            | Message::GetBlocks(_)
            | Message::Blocks(_)
            | Message::GetTransactions(_)
            | Message::Transactions(_)
            | Message::CompactBlock(_) => Ok(()),
        }
    }

    /// A checkpoint is signed once, after that is durable, and for the coins that a replay finds.
    fn checkpoint_vote(&mut self, node: usize, vote: &CheckpointVote, disk: &Disk) -> Verdict {
        let checkpoint = vote.checkpoint;
        let height = checkpoint.height;
        self.members.speaks(node, checkpoint.epoch, vote.signer)?;
        let itself = |record: &Record| matches!(record, Record::Checkpoint(own) if own == vote);
        let newer = |record: &Record| matches!(record, Record::Stable(it) if it.checkpoint.height >= height);
        if !disk.has_durable(itself) && !disk.has_durable(newer) {
            return object(
                "not-durable",
                format!("the checkpoint of node {node} at {height} left before it was durable"),
            );
        }
        let first = *self.checkpoints.entry((vote.signer, checkpoint.epoch.0, height.0)).or_insert(checkpoint);
        if first != checkpoint {
            return object("double-vote", format!("member {node} signed two checkpoints at height {height}"));
        }
        self.check_coins(node, &checkpoint)
    }

    fn check_coins(&mut self, node: usize, checkpoint: &Checkpoint) -> Verdict {
        let height = checkpoint.height;
        let is_known = self.oracle.get(&checkpoint.block).is_some_and(|block| block.height == height);
        if is_known && self.oracle.commitment(&checkpoint.block) == checkpoint.coins {
            return Ok(());
        }
        object("checkpoint", format!("node {node} says of height {height} what a replay does not find"))
    }

    /// Exactly a quorum makes a checkpoint stable.
    fn checkpoint(&mut self, node: usize, certificate: &CheckpointCertificate) -> Verdict {
        let signers: BTreeSet<u16> = certificate.seals.iter().map(|seal| seal.signer).collect();
        let quorum = self.members.quorum(certificate.checkpoint.epoch);
        if Some(signers.len()) != quorum || Some(certificate.seals.len()) != quorum {
            return object("certificate", format!("node {node} proves a checkpoint with {} votes", signers.len()));
        }
        self.check_coins(node, &certificate.checkpoint)
    }

    fn certificate(&mut self, node: usize, certified: &CertifiedBlock) -> Verdict {
        let certificate = &certified.certificate;
        let signers: BTreeSet<u16> = certificate.commits.iter().map(|seal| seal.signer).collect();
        if Some(signers.len()) != self.members.quorum(certificate.ballot.epoch) {
            return object("certificate", format!("node {node} proves a block with {} commits", signers.len()));
        }
        for signer in signers {
            self.vote(signer, VoteKind::Commit, &certificate.ballot)?;
        }
        let height = certificate.ballot.height.0 as usize;
        match self.finals.get(height) {
            Some(other) if *other != certificate.ballot.block => {
                object("final-conflict", format!("node {node} certifies another block at height {height}"))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// A view is left durably, once, with all that its replica is prepared on.
    fn view_change(&mut self, node: usize, change: &ViewChange, disk: &Disk) -> Verdict {
        self.members.speaks(node, change.epoch, change.signer)?;
        if !disk.has_durable(|record| matches!(record, Record::ViewChange(own) if own == change)) {
            return object(
                "not-durable",
                format!("VIEW-CHANGE of node {node} to {} left before it was durable", change.view),
            );
        }
        let first =
            self.changes.entry((change.signer, change.epoch.0, change.view.0)).or_insert_with(|| change.clone());
        if first != change {
            return object("double-vote", format!("member {node} sent two VIEW-CHANGEs to {}", change.view));
        }
        Ok(())
    }

    /// A view begins durably before anything is done in it; who has no vote there may tell of it all the same.
    fn new_view(&self, node: usize, new_view: &NewView, disk: &Disk) -> Verdict {
        let is_bound = self.members.may_vote(node, new_view.epoch);
        if !is_bound || disk.has_durable(|record| matches!(record, Record::NewView(own) if own == new_view)) {
            return Ok(());
        }
        object("not-durable", format!("NEW-VIEW {} left node {node} before it was durable", new_view.view))
    }

    /// Nothing is voted in a view that was left.
    fn is_left(&self, vote: &Vote) -> bool {
        let (epoch, view) = (vote.ballot.epoch.0, vote.ballot.view.0);
        let later = (vote.signer, epoch, view + 1)..=(vote.signer, epoch, u64::MAX);
        self.changes.range(later).next().is_some()
    }

    fn vote(&mut self, signer: u16, kind: VoteKind, ballot: &Ballot) -> Verdict {
        let seat = (signer, kind, ballot.incarnation.0, ballot.epoch.0, ballot.view.0, ballot.height.0);
        let first = *self.votes.entry(seat).or_insert(ballot.block);
        if first == ballot.block || self.is_liar(ballot.epoch, signer) {
            return Ok(());
        }
        let place = format!("in view {} at height {}", ballot.view, ballot.height);
        object("double-vote", format!("member {signer} sent {kind:?} {place} for {first} and for {}", ballot.block))
    }

    /// A vote of the node's own, and what it rests on, is durable before it leaves.
    fn durable(&self, node: usize, vote: &Vote, disk: &Disk) -> Verdict {
        if self.views[node].final_height >= vote.ballot.height {
            return Ok(());
        }
        let is_body = |record: &Record| matches!(record, Record::Body(block) if block.id() == vote.ballot.block);
        let is_prepared =
            |record: &Record| matches!(record, Record::Prepared(c) if c.certificate.ballot == vote.ballot);
        let rests = match vote.kind {
            VoteKind::PrePrepare | VoteKind::Prepare => disk.has_durable(is_body),
            VoteKind::Commit => disk.has_durable(is_prepared),
        };
        let itself = disk.has_durable(|record| matches!(record, Record::Vote(own) if own == vote));
        if itself && rests {
            return self.linked(node, vote, disk);
        }
        let what = if itself { "what it rests on" } else { "it" };
        let text =
            format!("{:?} of node {node} at height {} left before {what} was durable", vote.kind, vote.ballot.height);
        object("not-durable", text)
    }

    /// A proposal or its acceptance rests on the parent's being prepared in the same view, or committed.
    fn linked(&self, node: usize, vote: &Vote, disk: &Disk) -> Verdict {
        let below = vote.ballot.height.previous().unwrap_or(Height::GENESIS);
        if vote.kind == VoteKind::Commit || self.views[node].final_height >= below {
            return Ok(());
        }
        let parent = disk.bodies().find(|block| block.id() == vote.ballot.block).map(|block| block.header.parent);
        let is_link = |record: &Record| match record {
            Record::Prepared(c) => {
                c.certificate.ballot.view == vote.ballot.view && Some(c.certificate.ballot.block) == parent
            }
            Record::Committed(c) => Some(c.ballot.block) == parent,
            Record::Body(_)
            | Record::Vote(_)
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
            | Record::Epoch(_) => false,
        };
        if disk.has_durable(is_link) {
            return Ok(());
        }
        let text = format!("{:?} of node {node} at height {} hangs on nothing below it", vote.kind, vote.ballot.height);
        object("unlinked", text)
    }
}
