//! What peers say to each other.
//!
//! Votes sign a tagged hash (`bezant/vote`) over kind u8 ‖ network ‖ borsh of the [`Ballot`] (incarnation, epoch, view, height,
//! block id), so that no vote serves another kind, net, incarnation, epoch, view, height or block.

use crate::ledger::block::{Block, Header};
use crate::ledger::codec::{encode, limited_decode};
use crate::ledger::hash::{BlockId, NetworkId, tagged};
use crate::ledger::key::{Signature, SigningKey};
use crate::ledger::target::Work;
use crate::ledger::transaction::Transaction;
use crate::ledger::units::{Epoch, Height, Incarnation, View};
use crate::limits::{BLOCKS_PER_MESSAGE_MAX, HEADERS_PER_MESSAGE_MAX, LOCATOR_ENTRIES_MAX, MEMBERS_MAX};
use borsh::{BorshDeserialize, BorshSerialize};

/// What a PBFT vote is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, BorshSerialize, BorshDeserialize)]
pub struct Ballot {
    /// Of the net; 0 unless a dev net was reverted or imported.
    pub incarnation: Incarnation,
    /// The set that votes.
    pub epoch: Epoch,
    /// The view in which it votes.
    pub view: View,
    /// The height that is decided.
    pub height: Height,
    /// The block that it is to be.
    pub block: BlockId,
}

/// What a vote says of its ballot.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, BorshSerialize, BorshDeserialize)]
pub enum VoteKind {
    /// The primary proposes.
    PrePrepare,
    /// A backup accepts the proposal.
    Prepare,
    /// A replica is prepared.
    Commit,
}

/// A signed PBFT vote.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, BorshSerialize, BorshDeserialize)]
pub struct Vote {
    /// What it says.
    pub kind: VoteKind,
    /// Of what.
    pub ballot: Ballot,
    /// Index of the signer in the epoch's set.
    pub signer: u16,
    /// Its signature over [`vote_digest`].
    pub signature: Signature,
}

/// What a vote signs.
#[must_use]
pub fn vote_digest(network: &NetworkId, kind: VoteKind, ballot: &Ballot) -> [u8; 32] {
    tagged("bezant/vote", &[&encode(&kind), &network.0, &encode(ballot)])
}

impl Vote {
    /// Signs a vote.
    #[must_use]
    pub fn sign(network: &NetworkId, kind: VoteKind, ballot: Ballot, signer: u16, key: &SigningKey) -> Vote {
        let signature = key.sign(&vote_digest(network, kind, &ballot));
        Vote { kind, ballot, signer, signature }
    }
}

/// A member's signature inside a certificate.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, BorshSerialize, BorshDeserialize)]
pub struct Seal {
    /// Index of the signer in the epoch's set.
    pub signer: u16,
    /// Its signature.
    pub signature: Signature,
}

/// The primary's proposal: its vote and the block.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub struct PrePrepare {
    /// Kind [`VoteKind::PrePrepare`], by the view's primary, for the block's id.
    pub vote: Vote,
    /// The block.
    pub block: Block,
}

/// Proves that a correct replica could be prepared: the primary's PRE-PREPARE and exactly q − 1 PREPAREs of other members.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize)]
pub struct PreparedCertificate {
    /// What was prepared.
    pub ballot: Ballot,
    /// By the primary.
    pub pre_prepare: Seal,
    /// By others, in ascending order of signers.
    pub prepares: Vec<Seal>,
}
limited_decode!(PreparedCertificate { ballot, pre_prepare, prepares: "prepares" <= MEMBERS_MAX });

/// Proves that a block and all of its ancestors are final: exactly q COMMITs for one ballot.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize)]
pub struct CommitCertificate {
    /// What was committed.
    pub ballot: Ballot,
    /// In ascending order of signers.
    pub commits: Vec<Seal>,
}
limited_decode!(CommitCertificate { ballot, commits: "commits" <= MEMBERS_MAX });

/// The unit of catch-up, of light-client proofs and of receipts under PBFT.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub struct CertifiedBlock {
    /// The block.
    pub block: Block,
    /// For its id, at its height.
    pub certificate: CommitCertificate,
}

/// Where a peer stands; sent on connecting, on change, and at an interval. A claim, not a proof.
#[derive(Clone, Copy, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub struct TipInfo {
    /// The tip's height.
    pub height: Height,
    /// The tip's id.
    pub id: BlockId,
    /// Up to this height its blocks are final.
    pub final_height: Height,
    /// Work of its chain; zero under PBFT.
    pub work: Work,
}

/// Everything that one peer says to another.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub enum Message {
    /// A transaction to be ordered; gossiped.
    Transaction(Transaction),
    /// PBFT: the primary's proposal.
    PrePrepare(PrePrepare),
    /// PBFT: a PREPARE or COMMIT.
    Vote(Vote),
    /// Where the sender stands.
    Tip(TipInfo),
    /// PBFT: asks for final blocks from a height up.
    GetCertified {
        /// The first height wanted.
        from: Height,
        /// How many at most; an answer has at most [`BLOCKS_PER_MESSAGE_MAX`].
        count: u32,
    },
    /// PBFT: answers [`Message::GetCertified`] with consecutive heights; also answers a vote for a height that is over.
    Certified(CertifiedBlocks),
    /// Proof of work: asks for headers after the first entry that the receiver has on its active chain.
    GetHeaders(Locator),
    /// Proof of work: consecutive headers of the active chain.
    Headers(Headers),
    /// Proof of work: asks for bodies.
    GetBlocks(BlockIds),
    /// Proof of work: bodies that were asked for, as many as fit, in the order asked.
    Blocks(Blocks),
    /// Proof of work: a block that was just found or connected; gossiped.
    NewBlock(Block),
}

macro_rules! bounded_lists {
    ($($(#[$doc:meta])* $name:ident($item:ty), $what:literal <= $max:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Debug, Default, BorshSerialize)]
        pub struct $name(pub Vec<$item>);

        impl BorshDeserialize for $name {
            fn deserialize_reader<R: std::io::Read>(reader: &mut R) -> std::io::Result<Self> {
                Ok($name(crate::ledger::codec::read_list(reader, $what, $max)?))
            }
        }
    )*};
}

bounded_lists! {
    /// At most [`BLOCKS_PER_MESSAGE_MAX`].
    CertifiedBlocks(CertifiedBlock), "blocks" <= BLOCKS_PER_MESSAGE_MAX;
    /// Ids of the sender's active chain: dense at the tip, then with doubling gaps, genesis last.
    Locator(BlockId), "locator entries" <= LOCATOR_ENTRIES_MAX;
    /// At most [`HEADERS_PER_MESSAGE_MAX`].
    Headers(Header), "headers" <= HEADERS_PER_MESSAGE_MAX;
    /// At most [`BLOCKS_PER_MESSAGE_MAX`].
    BlockIds(BlockId), "block ids" <= BLOCKS_PER_MESSAGE_MAX;
    /// At most [`BLOCKS_PER_MESSAGE_MAX`].
    Blocks(Block), "blocks" <= BLOCKS_PER_MESSAGE_MAX;
}

impl Message {
    /// A stable name for logs, metrics and the dashboard.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Message::Transaction(_) => "transaction",
            Message::PrePrepare(_) => "pre-prepare",
            Message::Vote(Vote { kind: VoteKind::PrePrepare, .. }) => "pre-prepare-vote",
            Message::Vote(Vote { kind: VoteKind::Prepare, .. }) => "prepare",
            Message::Vote(Vote { kind: VoteKind::Commit, .. }) => "commit",
            Message::Tip(_) => "tip",
            Message::GetCertified { .. } => "get-certified",
            Message::Certified(_) => "certified",
            Message::GetHeaders(_) => "get-headers",
            Message::Headers(_) => "headers",
            Message::GetBlocks(_) => "get-blocks",
            Message::Blocks(_) => "blocks",
            Message::NewBlock(_) => "new-block",
        }
    }
}
