//! What a liar can say: anything that it signs itself, and whatever it has heard.
//!
//! Signatures are deterministic, so a test that makes a correct member's vote by hand makes the very bytes that this member
//! sent; it is up to the test to use only those that were sent.

use super::cluster::{World, key};
use crate::engine::Record;
use crate::ledger::block::Block;
use crate::ledger::hash::BlockId;
use crate::ledger::key::Signature;
use crate::ledger::units::{Epoch, Incarnation, View};
use crate::message::{
    Ballot, CommitCertificate, Message, NewView, PrePrepare, PreparedBlock, PreparedCertificate, Seal, ViewChange,
    VoteKind,
};
use crate::plant::{Plant, arm};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The check passes as long as the rule is in, and objects in these words when it is taken out.
pub(super) fn guards(plant: Plant, words: &str, check: impl Fn()) {
    check();
    arm(Some(plant));
    let result = catch_unwind(AssertUnwindSafe(&check));
    arm(None);
    let panic = result.expect_err("the check does not see that its rule is out");
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default();
    assert!(text.contains(words), "without the rule ({plant:?}) it says: {text}");
}

impl World {
    /// A ballot of any view.
    pub(crate) fn ballot_in(&self, view: u64, height: u64, block: BlockId) -> Ballot {
        Ballot { view: View(view), ..self.ballot(height, block) }
    }

    /// The proposal of a view's primary.
    pub(crate) fn proposal_in(&self, view: u64, height: u64, block: &Block) -> Message {
        let primary = view as usize % self.setup.n;
        let vote = self.vote(VoteKind::PrePrepare, primary, self.ballot_in(view, height, block.id()));
        Message::PrePrepare(PrePrepare { vote, block: block.clone() })
    }

    /// A member's vote.
    pub(crate) fn vote_in(&self, kind: VoteKind, signer: usize, view: u64, height: u64, block: &Block) -> Message {
        Message::Vote(self.vote(kind, signer, self.ballot_in(view, height, block.id())))
    }

    fn seals(&self, kind: VoteKind, ballot: Ballot, signers: &[usize]) -> Vec<Seal> {
        let votes = signers.iter().map(|signer| self.vote(kind, *signer, ballot));
        votes.map(|vote| Seal { signer: vote.signer, signature: vote.signature }).collect()
    }

    /// A prepared certificate by the view's primary and these backups, with its header.
    pub(crate) fn prepared_in(&self, view: u64, height: u64, block: &Block, backups: &[usize]) -> PreparedBlock {
        let ballot = self.ballot_in(view, height, block.id());
        let pre_prepare = self.seals(VoteKind::PrePrepare, ballot, &[view as usize % self.setup.n])[0];
        let prepares = self.seals(VoteKind::Prepare, ballot, backups);
        let certificate = PreparedCertificate { ballot, pre_prepare, prepares };
        PreparedBlock { header: block.header, certificate }
    }

    /// A commit certificate by these members.
    pub(crate) fn committed_in(&self, view: u64, height: u64, block: &Block, signers: &[usize]) -> CommitCertificate {
        let ballot = self.ballot_in(view, height, block.id());
        CommitCertificate { ballot, commits: self.seals(VoteKind::Commit, ballot, signers) }
    }

    /// A member's VIEW-CHANGE.
    pub(crate) fn change(
        &self,
        signer: usize,
        view: u64,
        committed: Option<CommitCertificate>,
        prepared: Vec<PreparedBlock>,
    ) -> ViewChange {
        let change = ViewChange {
            incarnation: Incarnation(0),
            epoch: Epoch(0),
            view: View(view),
            committed,
            prepared,
            signer: signer as u16,
            signature: Signature([0; 64]),
        };
        change.signed(&self.genesis.network_id(), &key(signer))
    }

    /// The NEW-VIEW of a view's primary.
    pub(crate) fn new_view(&self, view: u64, mut changes: Vec<ViewChange>) -> Message {
        changes.sort_by_key(|change| change.signer);
        let primary = view as usize % self.setup.n;
        let new_view = NewView {
            incarnation: Incarnation(0),
            epoch: Epoch(0),
            view: View(view),
            changes,
            signer: primary as u16,
            signature: Signature([0; 64]),
        };
        Message::NewView(new_view.signed(&self.genesis.network_id(), &key(primary)))
    }

    /// The last VIEW-CHANGE that a replica sent.
    pub(crate) fn change_of(&self, index: usize) -> ViewChange {
        let of_record = |record: &Record| if let Record::ViewChange(it) = record { Some(it.clone()) } else { None };
        self.disk(index, |disk| disk.records.iter().rev().find_map(of_record)).expect("it has left a view")
    }

    /// The last NEW-VIEW that a replica sent or took.
    pub(crate) fn new_view_of(&self, index: usize) -> Message {
        let of_record = |record: &Record| if let Record::NewView(it) = record { Some(it.clone()) } else { None };
        Message::NewView(self.disk(index, |disk| disk.records.iter().rev().find_map(of_record)).expect("it has begun"))
    }

    /// The block that a replica holds at a height in flight.
    pub(crate) fn in_flight(&self, index: usize, height: u64) -> Option<Block> {
        let slot = self.engine(index).slots.get(&crate::ledger::units::Height(height))?;
        slot.body.as_ref().map(|body| (*body.block).clone())
    }

    /// A block that differs from another only in its time.
    pub(crate) fn other(&self, block: &Block) -> Block {
        let mut other = block.clone();
        other.header.time += 1;
        other
    }
}
