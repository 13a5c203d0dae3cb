//! What one key can forge: votes and proposals of its own, signed anew.

use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::block::Block;
use bezant_consensus::ledger::codec::encode;
use bezant_consensus::ledger::genesis::ValidatorSet;
use bezant_consensus::ledger::hash::{BlockId, CoinCommitment, MerkleRoot, tagged};
use bezant_consensus::ledger::key::{Signature, SigningKey};
use bezant_consensus::ledger::transaction::Body;
use bezant_consensus::ledger::units::{Height, View};
use bezant_consensus::limits::TRANSACTION_BYTES_FORBIDDEN;
use bezant_consensus::message::checkpoint::CheckpointVote;
use bezant_consensus::message::{Ballot, Message, PrePrepare, ViewChange, Vote, VoteKind};
use std::fmt;

/// What a twin's coinbase says beside the height. Correct members leave the free data empty.
const TWIN_MARK: &[u8] = b"twin";

/// Signs as one member.
pub(super) struct Forger {
    pub(super) key: SigningKey,
    pub(super) set: ValidatorSet,
    pub(super) me: u16,
}

impl fmt::Debug for Forger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forger").field("me", &self.me).finish_non_exhaustive()
    }
}

impl Forger {
    pub(super) fn vote(&self, kind: VoteKind, ballot: Ballot) -> Vote {
        Vote::sign(&self.set.network, kind, ballot, self.me, &self.key)
    }

    /// This member's vote, alone or with its block.
    pub(super) fn own_vote<'a>(&self, message: &'a mut Message) -> Option<&'a mut Vote> {
        let vote = match message {
            Message::Vote(vote) => vote,
            Message::PrePrepare(proposal) => &mut proposal.vote,
            Message::CompactPrePrepare(proposal) => &mut proposal.vote,
            Message::Transaction(_)
            | Message::TransactionBatch(_)
            | Message::Tip(_)
            | Message::GetCertified { .. }
            | Message::Certified(_)
            | Message::GetHeaders(_)
            | Message::Headers(_)
            | Message::GetBlocks(_)
            | Message::Blocks(_)
            | Message::GetTransactions(_)
            | Message::Transactions(_)
            | Message::CompactBlock(_)
            | Message::ViewChange(_)
            | Message::NewView(_)
            | Message::Evidence(_)
            | Message::Overdue(_)
            | Message::Checkpoint(_)
            | Message::Checkpointed(_)
            | Message::GetSnapshot { .. }
            | Message::Snapshot(_)
            | Message::GetBuckets { .. }
            | Message::GetSuccessions { .. }
            | Message::Successions(_)
            | Message::Buckets(_) => return None,
        };
        Some(vote).filter(|vote| vote.signer == self.me)
    }

    /// The signature of this member's own under a message.
    pub(super) fn own_signature<'a>(&self, message: &'a mut Message) -> Option<&'a mut Signature> {
        if !self.is_own(message) {
            return None;
        }
        match message {
            Message::ViewChange(change) => Some(&mut change.signature),
            Message::NewView(new_view) => Some(&mut new_view.signature),
            Message::Checkpoint(vote) => Some(&mut vote.signature),
            Message::Overdue(overdue) => Some(&mut overdue.signature),
            other => self.own_vote(other).map(|vote| &mut vote.signature),
        }
    }

    /// This member's VIEW-CHANGE, alone or inside a NEW-VIEW of its own.
    pub(super) fn own_change<'a>(&self, message: &'a mut Message) -> Option<&'a mut ViewChange> {
        match message {
            Message::ViewChange(change) if change.signer == self.me => Some(change),
            Message::NewView(new_view) if new_view.signer == self.me => {
                new_view.changes.iter_mut().find(|change| change.signer == self.me)
            }
            _ => None,
        }
    }

    /// Whether this member signed the message.
    pub(super) fn is_own(&self, message: &Message) -> bool {
        match message {
            Message::Vote(vote) => vote.signer == self.me,
            Message::PrePrepare(proposal) => proposal.vote.signer == self.me,
            Message::CompactPrePrepare(proposal) => proposal.vote.signer == self.me,
            Message::ViewChange(change) => change.signer == self.me,
            Message::NewView(new_view) => new_view.signer == self.me,
            Message::Checkpoint(vote) => vote.signer == self.me,
            Message::Overdue(overdue) => overdue.signer == self.me,
            Message::Transaction(_)
            | Message::TransactionBatch(_)
            | Message::Tip(_)
            | Message::GetCertified { .. }
            | Message::Certified(_)
            | Message::GetHeaders(_)
            | Message::Headers(_)
            | Message::GetBlocks(_)
            | Message::Blocks(_)
            | Message::GetTransactions(_)
            | Message::Transactions(_)
            | Message::CompactBlock(_)
            | Message::Evidence(_)
            | Message::Checkpointed(_)
            | Message::GetSnapshot { .. }
            | Message::Snapshot(_)
            | Message::GetBuckets { .. }
            | Message::GetSuccessions { .. }
            | Message::Successions(_)
            | Message::Buckets(_) => false,
        }
    }

    /// Where a proposal of this member's own belongs; a NEW-VIEW below all heights of its view.
    pub(super) fn proposed(&self, message: &Message) -> Option<(View, Height)> {
        match message {
            Message::PrePrepare(proposal) if proposal.vote.signer == self.me => {
                Some((proposal.vote.ballot.view, proposal.vote.ballot.height))
            }
            Message::NewView(new_view) if new_view.signer == self.me => Some((new_view.view, Height::GENESIS)),
            _ => None,
        }
    }

    /// Signs what is this member's own anew; what others signed stays.
    pub(super) fn signed_anew(&self, mut message: Message) -> Message {
        if let Some(vote) = self.own_vote(&mut message) {
            *vote = self.vote(vote.kind, vote.ballot);
        }
        if let Some(change) = self.own_change(&mut message) {
            *change = self.signed_change(change.clone());
        }
        if let Message::Checkpoint(vote) = &mut message
            && vote.signer == self.me
        {
            *vote = CheckpointVote::sign(&self.set.network, vote.checkpoint, self.me, &self.key);
        }
        if let Message::NewView(new_view) = &mut message
            && new_view.signer == self.me
        {
            *new_view = new_view.clone().signed(&self.set.network, &self.key);
        }
        if let Message::Overdue(overdue) = &mut message
            && overdue.signer == self.me
        {
            *overdue = overdue.clone().signed(&self.set.network, &self.key);
        }
        message
    }

    /// A vote on a checkpoint for other coins, or a snapshot with a coin that is worth more.
    pub(super) fn with_other_coins(&self, mut message: Message) -> Message {
        match &mut message {
            Message::Checkpoint(vote) if vote.signer == self.me => {
                let mut checkpoint = vote.checkpoint;
                checkpoint.coins = CoinCommitment(tagged("bezant/lie", &[&checkpoint.coins.0]));
                *vote = CheckpointVote::sign(&self.set.network, checkpoint, self.me, &self.key);
            }
            Message::Buckets(answer) => {
                if let Some((_, coin)) = answer.parts.iter_mut().find_map(|part| part.coins.first_mut()) {
                    coin.amount = Amount::from_grains(coin.amount.grains() ^ 1).unwrap_or(coin.amount);
                }
            }
            _ => {}
        }
        message
    }

    pub(super) fn signed_change(&self, change: ViewChange) -> ViewChange {
        change.signed(&self.set.network, &self.key)
    }

    /// A vote for a block that nobody has, a proposal whose header does not fit its body, or a VIEW-CHANGE whose certificates
    /// are not about the headers beside them.
    pub(super) fn with_bad_digest(&self, mut message: Message) -> Message {
        if !self.is_own(&message) {
            return message;
        }
        match &mut message {
            Message::PrePrepare(PrePrepare { vote, block }) => {
                block.header.merkle_root = MerkleRoot(tagged("bezant/lie", &[&block.header.merkle_root.0]));
                vote.ballot.block = block.id();
            }
            Message::Vote(vote) => vote.ballot.block = nowhere(&vote.ballot),
            _ => {}
        }
        if let Some(change) = self.own_change(&mut message) {
            change.prepared.iter_mut().for_each(|prepared| prepared.header.nonce ^= 1);
        }
        self.signed_anew(message)
    }

    /// The same VIEW-CHANGE, or NEW-VIEW with it inside, as if this member had never seen a certificate.
    pub(super) fn stripped(&self, mut message: Message) -> Message {
        if let Some(change) = self.own_change(&mut message) {
            strip(change);
        }
        self.signed_anew(message)
    }

    /// A block in the place of the one proposed.
    pub(super) fn proposal_of(&self, proposal: &PrePrepare, block: Block) -> PrePrepare {
        let ballot = Ballot { block: block.id(), ..proposal.vote.ballot };
        PrePrepare { vote: self.vote(VoteKind::PrePrepare, ballot), block }
    }
}

/// Takes all certificates away.
pub(super) fn strip(change: &mut ViewChange) {
    change.committed = None;
    change.prepared.clear();
}

/// A block id that no block has, the same for the same ballot.
pub(super) fn nowhere(ballot: &Ballot) -> BlockId {
    BlockId(tagged("bezant/lie", &[&encode(ballot)]))
}

/// A block and its twin, which differ in the free data of their coinbases only, so that each is as valid as the other: first the
/// one without the mark. The same two whichever of them is given, so that liars who hear different stories tell the same two.
pub(super) fn twins_of(block: &Block) -> (Block, Block) {
    let mut plain = block.clone();
    let Some(free) = free_data(&mut plain) else {
        return (plain.clone(), plain);
    };
    if let Some(at) = free.windows(TWIN_MARK.len()).rposition(|window| window == TWIN_MARK) {
        free.truncate(at);
    }
    let mut marked = plain.clone();
    if let Some(free) = free_data(&mut marked) {
        free.extend_from_slice(TWIN_MARK);
    }
    // One length is forbidden; whatever comes behind the mark goes with it.
    if marked.transactions[0].bytes() == TRANSACTION_BYTES_FORBIDDEN
        && let Some(free) = free_data(&mut marked)
    {
        free.push(0);
    }
    for twin in [&mut plain, &mut marked] {
        twin.header.merkle_root = twin.merkle_root();
    }
    (plain, marked)
}

fn free_data(block: &mut Block) -> Option<&mut Vec<u8>> {
    match block.transactions.first_mut()?.body_mut() {
        Body::Coinbase(coinbase) => Some(&mut coinbase.extra),
        Body::Transfer(_) | Body::Epoch(_) => None,
    }
}
