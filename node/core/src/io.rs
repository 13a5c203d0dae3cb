//! What a replica is told and what it wants done; the contract of [`bezant_consensus::engine`] holds for outputs too.

use bezant_consensus::chain::ChainUpdate;
use bezant_consensus::chain::snapshot::SnapshotStep;
use bezant_consensus::engine::{Fault, Instruction, Peer, Record, Template, To, Trace};
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::block::Block;
use bezant_consensus::ledger::genesis::ValidatorSet;
use bezant_consensus::ledger::hash::TxId;
use bezant_consensus::ledger::rules::TxError;
use bezant_consensus::ledger::transaction::{OutPoint, Transaction};
use bezant_consensus::message::Message;
use bezant_consensus::verify::Verified;

/// What a replica is told.
#[derive(Clone, Debug)]
pub enum Input {
    /// A peer is there.
    Connected(Peer),
    /// A peer is gone.
    Disconnected(Peer),
    /// A peer said something that stands up to all checks that need no chain state. A request is answered in the outputs of
    /// the same call, by at most one [`Output::Send`] to that peer.
    Message {
        /// Who brought it.
        from: Peer,
        /// What.
        message: Verified<Message>,
        /// How long it has been here already, waiting and being verified.
        waited_ms: u64,
    },
    /// A peer broke a rule that was checked before a replica is told: undecodable bytes, an invalid signature, too much.
    Misbehaved {
        /// Who.
        peer: Peer,
        /// How.
        fault: Fault,
    },
    /// A request to this peer will not be answered.
    Unanswered(Peer),
    /// A user hands in a transaction; answered in the outputs of the same call by [`Output::Submitted`].
    Submit {
        /// Names the request.
        request: u64,
        /// What.
        transaction: Verified<Transaction>,
    },
    /// The miner found a nonce.
    Solved {
        /// Of the template.
        ticket: u64,
        /// The block.
        block: Block,
    },
    /// The store shows the chain update of this number and all before it.
    Flushed {
        /// Of [`ChainUpdate`].
        sequence: u64,
    },
    /// Proof of work: something that [`Replica::admits_instruction`](crate::Replica::admits_instruction); otherwise it is
    /// ignored.
    Instruct(Instruction),
    /// Dev nets: make a block now, empty if need be.
    BlockNow,
    /// Time has passed.
    Wake,
}

/// What a replica wants done, in order; see the contract of [`bezant_consensus::engine`].
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Make this durable before anything later.
    Persist(Record),
    /// Tell a peer or several.
    Send {
        /// Whom.
        to: To,
        /// What.
        message: Message,
    },
    /// Search a nonce for this template instead of any before; `None` stops the search.
    Mine(Option<Template>),
    /// The active chain has changed.
    Chain(ChainUpdate),
    /// The coins come as a whole from other nodes, or older snapshots need not be served any more.
    Snapshot(SnapshotStep),
    /// PBFT: the members of an epoch are known; see [`Effect::Members`](bezant_consensus::engine::Effect::Members).
    Members {
        /// With the epoch's number.
        set: ValidatorSet,
        /// Whether that epoch has begun here.
        is_present: bool,
    },
    /// Answers [`Input::Submit`].
    Submitted {
        /// Of the input.
        request: u64,
        /// The id, also when the transaction was known before; or why it was refused.
        result: Result<Admitted, Refusal>,
    },
    /// A peer broke a rule. The replica has counted it; this is for the log and the connection.
    Blame {
        /// Who.
        peer: Peer,
        /// Which.
        fault: Fault,
        /// Whether the peer has done enough to be disconnected and kept out for a while.
        ban: bool,
    },
    /// Something to be seen.
    Notice(Notice),
}

/// A transaction that the mempool holds, or that was in a block already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// Its id.
    pub txid: TxId,
    /// Whether it was here before.
    pub known: bool,
}

/// Why the mempool refuses a transaction. `kind()` is stable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It breaks a rule in the next block's place.
    #[error(transparent)]
    Rule(#[from] TxError),
    /// Another transaction here spends a coin of it.
    #[error("coin {outpoint} is being spent by transaction {by}")]
    Conflict {
        /// The coin.
        outpoint: OutPoint,
        /// Who spends it.
        by: TxId,
    },
    /// Pays too little for its size.
    #[error("fee of {fee} BZT is below the least of {least} BZT for its size")]
    FeeTooLow {
        /// Paid.
        fee: Amount,
        /// Needed.
        least: Amount,
    },
    /// Too many unconfirmed transactions depend on each other.
    #[error("{count} unconfirmed transactions would depend on each other, at most {allowed} are allowed")]
    ChainTooLong {
        /// Would be.
        count: usize,
        /// The limit.
        allowed: usize,
    },
    /// The mempool is full of transactions that pay at least as well.
    #[error("the mempool is full; try again later or pay more")]
    Full,
}

impl Refusal {
    /// A stable name for programs.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Refusal::Rule(error) => error.kind(),
            Refusal::Conflict { .. } => "mempool-conflict",
            Refusal::FeeTooLow { .. } => "mempool-fee-too-low",
            Refusal::ChainTooLong { .. } => "mempool-chain-too-long",
            Refusal::Full => "mempool-full",
        }
    }
}

/// What the dashboard, traces and tests see of a replica's inside, beside chain updates.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// From the engine.
    Engine(Trace),
    /// A transaction entered the mempool.
    Pooled {
        /// Its id.
        txid: TxId,
        /// Its fee.
        fee: Amount,
        /// Transactions held now.
        held: usize,
    },
    /// A transaction left the mempool without having been included.
    Dropped {
        /// Its id.
        txid: TxId,
        /// Why.
        reason: DropReason,
    },
}

/// Why a transaction left the mempool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// An included transaction spends a coin of it; it lost its place.
    Conflict,
    /// It or one that it spends from became invalid.
    Invalid,
    /// Better paying ones took its room.
    Evicted,
    /// It waited too long.
    Expired,
}

impl DropReason {
    /// A stable name for programs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            DropReason::Conflict => "conflict",
            DropReason::Invalid => "invalid",
            DropReason::Evicted => "evicted",
            DropReason::Expired => "expired",
        }
    }
}
