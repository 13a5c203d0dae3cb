//! What peers say to each other.
//!
//! Votes sign a tagged hash (`bezant/vote`) over kind u8 ‖ network ‖ borsh of the [`Ballot`] (incarnation, epoch, view, height,
//! block id), so that no vote serves another kind, net, incarnation, epoch, view, height or block.

pub mod checkpoint;
pub mod epoch;
pub mod relay;

use crate::ledger::block::{Block, Header};
use crate::ledger::codec::{encode, limited_decode};
use crate::ledger::hash::{BlockId, NetworkId, TxHash, tagged};
use crate::ledger::key::{Signature, SigningKey};
use crate::ledger::target::Work;
use crate::ledger::transaction::{OutPoint, Transaction};
use crate::ledger::units::{Epoch, Height, Incarnation, View};
use crate::limits::{
    BATCH_TRANSACTIONS_MAX, BLOCKS_PER_MESSAGE_MAX, HEADERS_PER_MESSAGE_MAX, LOCATOR_ENTRIES_MAX, MEMBERS_MAX,
    OVERDUE_TRANSACTIONS_MAX, WINDOW_DEPTH_MAX,
};
use crate::plant::{Plant, armed};
use borsh::{BorshDeserialize, BorshSerialize};
use checkpoint::{BucketParts, CheckpointCertificate, CheckpointVote, Snapshot};
use epoch::Successions;
use relay::{BlockTransactions, CompactBlock, CompactPrePrepare, GetTransactions};

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

/// A prepared certificate with the header that it is about, so that whoever counts it also sees the parent.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub struct PreparedBlock {
    /// Of the block that the certificate names.
    pub header: Header,
    /// For the header's id.
    pub certificate: PreparedCertificate,
}

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

/// What a replica takes with it when it leaves a view for good (Castro and Liskov, OSDI'99 §4.4, with certificates embedded).
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize)]
pub struct ViewChange {
    /// Of the net.
    pub incarnation: Incarnation,
    /// The set that votes.
    pub epoch: Epoch,
    /// The view that is to begin, above 0.
    pub view: View,
    /// The sender's highest commit certificate of this epoch; `None` when only the block before the epoch is final.
    pub committed: Option<CommitCertificate>,
    /// For heights above `committed`, in ascending order, the certificate of the highest view in which each was prepared.
    pub prepared: Vec<PreparedBlock>,
    /// Index of the signer in the epoch's set.
    pub signer: u16,
    /// Its signature over [`ViewChange::digest`].
    pub signature: Signature,
}
limited_decode!(ViewChange {
    incarnation,
    epoch,
    view,
    committed,
    prepared: "prepared" <= WINDOW_DEPTH_MAX as usize,
    signer,
    signature,
});

/// Begins a view: exactly q VIEW-CHANGEs, from which every replica computes the same blocks to go on with.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize)]
pub struct NewView {
    /// Of the net.
    pub incarnation: Incarnation,
    /// The set that votes.
    pub epoch: Epoch,
    /// The view that begins.
    pub view: View,
    /// For this view, in ascending order of signers.
    pub changes: Vec<ViewChange>,
    /// The view's primary.
    pub signer: u16,
    /// Its signature over [`NewView::digest`].
    pub signature: Signature,
}
limited_decode!(NewView { incarnation, epoch, view, changes: "changes" <= MEMBERS_MAX, signer, signature });

impl ViewChange {
    /// What is signed: a tagged hash over network, incarnation, epoch, view, and the tagged hash of all that is carried.
    #[must_use]
    pub fn digest(&self, network: &NetworkId) -> [u8; 32] {
        let content = tagged("bezant/view-change-content", &[&encode(&(&self.committed, &self.prepared))]);
        let content = if armed(Plant::UnsignedContent) { [0; 32] } else { content };
        let place = encode(&(self.incarnation, self.epoch, self.view, self.signer));
        tagged("bezant/view-change", &[&network.0, &place, &content])
    }

    /// Signs it, whatever signature it has.
    #[must_use]
    pub fn signed(mut self, network: &NetworkId, key: &SigningKey) -> ViewChange {
        self.signature = key.sign(&self.digest(network));
        self
    }
}

impl NewView {
    /// What is signed: a tagged hash over network, incarnation, epoch, view, and the tagged hash of all that is carried.
    #[must_use]
    pub fn digest(&self, network: &NetworkId) -> [u8; 32] {
        let content = tagged("bezant/new-view-content", &[&encode(&self.changes)]);
        let place = encode(&(self.incarnation, self.epoch, self.view, self.signer));
        tagged("bezant/new-view", &[&network.0, &place, &content])
    }

    /// Signs it, whatever signature it has.
    #[must_use]
    pub fn signed(mut self, network: &NetworkId, key: &SigningKey) -> NewView {
        self.signature = key.sign(&self.digest(network));
        self
    }
}

/// Transactions that the primary keeps waiting, handed to it by a member before that member complains.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize)]
pub struct Overdue {
    /// Of the net.
    pub incarnation: Incarnation,
    /// The set that the signer belongs to.
    pub epoch: Epoch,
    /// The view whose primary is meant.
    pub view: View,
    /// Each after those it spends from; together at most [`OVERDUE_BYTES_MAX`](crate::limits::OVERDUE_BYTES_MAX).
    pub transactions: Vec<Transaction>,
    /// Index of the signer in the epoch's set.
    pub signer: u16,
    /// Its signature over [`Overdue::digest`].
    pub signature: Signature,
}
limited_decode!(Overdue {
    incarnation,
    epoch,
    view,
    transactions: "transactions" <= OVERDUE_TRANSACTIONS_MAX,
    signer,
    signature,
});

impl Overdue {
    /// What is signed: a tagged hash over network, incarnation, epoch, view, signer, and the full hashes of the transactions.
    #[must_use]
    pub fn digest(&self, network: &NetworkId) -> [u8; 32] {
        let hashes: Vec<TxHash> = self.transactions.iter().map(Transaction::hash).collect();
        let place = encode(&(self.incarnation, self.epoch, self.view, self.signer));
        tagged("bezant/overdue", &[&network.0, &place, &encode(&hashes)])
    }

    /// Signs it, whatever signature it has.
    #[must_use]
    pub fn signed(mut self, network: &NetworkId, key: &SigningKey) -> Overdue {
        self.signature = key.sign(&self.digest(network));
        self
    }
}

/// Proves that its signer lied: two votes of one kind, incarnation, epoch, view and height for different blocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub struct Evidence {
    /// The one.
    pub first: Vote,
    /// The other.
    pub second: Vote,
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
    /// PBFT: its latest stable checkpoint, whose snapshot it serves; 0 while there is none.
    pub stable: Height,
    /// PBFT: the epoch that decides the heights above its tip.
    pub epoch: Epoch,
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
    /// PBFT: answers [`Message::GetCertified`] with consecutive heights; also answers a vote that is sent again for a height that is over,
    /// and a VIEW-CHANGE that starts below the tip.
    Certified(CertifiedBlocks),
    /// Proof of work: asks for headers after the first entry that the receiver has on its active chain.
    GetHeaders(Locator),
    /// Proof of work: consecutive headers of the active chain.
    Headers(Headers),
    /// Asks for bodies: proof of work of any branch, PBFT of blocks that a new view goes on with.
    GetBlocks(BlockIds),
    /// Bodies that were asked for, as many as fit, in the order asked.
    Blocks(Blocks),
    /// Proof of work: a block that was just found; gossiped.
    CompactBlock(CompactBlock),
    /// PBFT: the sender has left its view.
    ViewChange(ViewChange),
    /// PBFT: a view begins; also tells a peer that is behind in views.
    NewView(NewView),
    /// PBFT: a member lied; gossiped.
    Evidence(Evidence),
    /// PBFT: what a member found at a checkpoint.
    Checkpoint(CheckpointVote),
    /// PBFT: answers a [`Message::Checkpoint`] of a height at or below a stable one.
    Checkpointed(CheckpointCertificate),
    /// PBFT: asks for the manifest of the snapshot at a height, or of a later one.
    GetSnapshot {
        /// The checkpoint's height.
        height: Height,
    },
    /// PBFT: answers [`Message::GetSnapshot`]; `None` when there is none at that height or above.
    Snapshot(Option<Box<Snapshot>>),
    /// PBFT: asks for buckets of a snapshot.
    GetBuckets {
        /// The checkpoint's height.
        height: Height,
        /// The first bucket.
        first: u8,
        /// The last one.
        last: u8,
        /// Coins of the first bucket up to this name are there already.
        after: Option<OutPoint>,
    },
    /// PBFT: answers [`Message::GetBuckets`].
    Buckets(BucketParts),
    /// PBFT: a member hands the primary what waits too long.
    Overdue(Overdue),
    /// PBFT: asks how this epoch and those after it began.
    GetSuccessions {
        /// The first epoch wanted, above 0.
        from: Epoch,
    },
    /// PBFT: answers [`Message::GetSuccessions`]; also tells a peer that is behind in epochs.
    Successions(Successions),
    /// Asks for transactions of a block that was announced, or proposed by their names.
    GetTransactions(GetTransactions),
    /// Answers [`Message::GetTransactions`].
    Transactions(BlockTransactions),
    /// Transactions to be ordered that came together; gossiped.
    TransactionBatch(TransactionBatch),
    /// PBFT: the primary's proposal, its transactions named.
    CompactPrePrepare(CompactPrePrepare),
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
    /// At most [`BATCH_TRANSACTIONS_MAX`], each after those it spends from, none of them a change of members; together at most
    /// [`BATCH_BYTES_MAX`](crate::limits::BATCH_BYTES_MAX) bytes.
    TransactionBatch(Transaction), "transactions" <= BATCH_TRANSACTIONS_MAX;
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
            Message::CompactBlock(_) => "compact-block",
            Message::ViewChange(_) => "view-change",
            Message::NewView(_) => "new-view",
            Message::Evidence(_) => "evidence",
            Message::Checkpoint(_) => "checkpoint",
            Message::Checkpointed(_) => "checkpointed",
            Message::GetSnapshot { .. } => "get-snapshot",
            Message::Snapshot(_) => "snapshot",
            Message::GetBuckets { .. } => "get-buckets",
            Message::Buckets(_) => "buckets",
            Message::Overdue(_) => "overdue",
            Message::GetSuccessions { .. } => "get-successions",
            Message::Successions(_) => "successions",
            Message::GetTransactions(_) => "get-transactions",
            Message::Transactions(_) => "transactions",
            Message::TransactionBatch(_) => "transaction-batch",
            Message::CompactPrePrepare(_) => "compact-pre-prepare",
        }
    }
}
