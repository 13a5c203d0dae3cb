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
    /// A user hands in a package, parents before children; answered in the outputs of the same call by
    /// [`Output::PackageSubmitted`].
    SubmitPackage {
        /// Names the request.
        request: u64,
        /// What.
        transactions: Vec<Verified<Transaction>>,
    },
    /// The mempool held this when the node stopped. It is let in like what a peer brings, and nobody is told.
    Restored(Verified<Transaction>),
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
    /// Answers [`Input::SubmitPackage`].
    PackageSubmitted {
        /// Of the input.
        request: u64,
        /// All that were given, in their order; or why none was let in.
        result: Result<Vec<Admitted>, Refused>,
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

/// What letting in would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// What was given, in its order.
    pub transactions: Vec<Tried>,
    /// Who would be replaced, with all that spend from them.
    pub replaces: Vec<TxId>,
    /// Who would be evicted, beside all that spend from them.
    pub evicts: Vec<TxId>,
}

/// A transaction that would be let in, or is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tried {
    /// Its id.
    pub txid: TxId,
    /// Whether it is here or in a block already.
    pub known: bool,
    /// Its fee; unknown for one in a block.
    pub fee: Option<Amount>,
    /// Bytes of its encoding.
    pub bytes: usize,
}

/// Why a package is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{refusal}", .txid.map(|txid| format!("transaction {txid}: ")).unwrap_or_default())]
pub struct Refused {
    /// Which of its transactions; `None` when it is the package as a whole.
    pub txid: Option<TxId>,
    /// Why.
    pub refusal: Refusal,
}

/// Why the mempool refuses a transaction or a package. `kind()` is stable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It breaks a rule in the next block's place.
    #[error(transparent)]
    Rule(#[from] TxError),
    /// Another transaction here spends a coin of it and is not to be replaced: a member has handed it over.
    #[error("coin {outpoint} is being spent by transaction {by}, which cannot be replaced any more")]
    Conflict {
        /// The coin.
        outpoint: OutPoint,
        /// Who spends it.
        by: TxId,
    },
    /// Pays too little for its size.
    #[error("fee of {fee} BZT is below the least of {least} BZT for its size")]
    FeeTooLow {
        /// Paid, by it and by what is judged with it.
        fee: Amount,
        /// Needed.
        least: Amount,
    },
    /// Pays too little while the mempool remembers having been full.
    #[error(
        "fee of {fee} BZT is below the {least} BZT that the mempool asks for since it was full; pay more, or try again later"
    )]
    FeeBelowFloor {
        /// Paid, by it and by what is judged with it.
        fee: Amount,
        /// Needed now.
        least: Amount,
    },
    /// Too many unconfirmed transactions depend on each other.
    #[error("{count} unconfirmed transactions would depend on each other, at most {allowed} are allowed")]
    ChainTooLong {
        /// Would be, or more.
        count: usize,
        /// The limit.
        allowed: usize,
    },
    /// The mempool is full of transactions that pay at least as well.
    #[error("the mempool is full; try again later or pay more")]
    Full,
    /// It spends the same coins as others here, and does not pay enough to replace them.
    #[error(
        "{count} waiting transactions spend the same coins; replacing them costs a fee of {least} BZT, not {fee} BZT"
    )]
    ReplacementFee {
        /// Those that would go.
        count: usize,
        /// Paid.
        fee: Amount,
        /// Needed: what those pay, and the least rate for what is relayed once more.
        least: Amount,
    },
    /// It pays more in all than what it would replace, but some blocks would earn less with it.
    #[error("replacing those that spend the same coins would make some blocks earn less; pay a higher rate")]
    ReplacementDiagram,
    /// It would replace, or touch, too many.
    #[error("it would replace or touch more than {allowed} waiting transactions")]
    ReplacesTooMany {
        /// The limit.
        allowed: usize,
    },
    /// It spends from what it would replace.
    #[error("it spends from transaction {parent}, which it would replace")]
    ReplacesParent {
        /// Which.
        parent: TxId,
    },
    /// The package has not the form of one.
    #[error("package: {0}")]
    Package(PackageFault),
}

/// What is wrong with the form of a package.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PackageFault {
    /// Nothing, or too much.
    #[error("{actual} transactions, 1 to {allowed} are expected")]
    Count {
        /// Given.
        actual: usize,
        /// The limit.
        allowed: usize,
    },
    /// Too long.
    #[error("{actual} bytes, at most {allowed} are allowed")]
    Bytes {
        /// Given.
        actual: usize,
        /// The limit.
        allowed: usize,
    },
    /// It stands there twice.
    #[error("it stands there twice")]
    Twice,
    /// It comes before one that it spends from.
    #[error("it comes before {parent}, from which it spends")]
    Order {
        /// That one.
        parent: TxId,
    },
    /// It spends a coin that one before it spends.
    #[error("coin {outpoint} is spent twice in it")]
    Conflict {
        /// The coin.
        outpoint: OutPoint,
    },
    /// The last one does not spend from it.
    #[error("the last transaction does not spend from it, directly or not")]
    Unrelated,
}

impl Refusal {
    /// A stable name for programs; docs/spec/mempool.md lists all.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Refusal::Rule(error) => error.kind(),
            Refusal::Conflict { .. } => "mempool-conflict",
            Refusal::FeeTooLow { .. } => "mempool-fee-too-low",
            Refusal::FeeBelowFloor { .. } => "mempool-fee-below-rolling-minimum",
            Refusal::ChainTooLong { .. } => "mempool-chain-too-long",
            Refusal::Full => "mempool-full",
            Refusal::ReplacementFee { .. } => "mempool-replacement-fee-too-low",
            Refusal::ReplacementDiagram => "mempool-replacement-not-better",
            Refusal::ReplacesTooMany { .. } => "mempool-replaces-too-many",
            Refusal::ReplacesParent { .. } => "mempool-replaces-parent",
            Refusal::Package(fault) => fault.kind(),
        }
    }

    /// Whether a coin that it spends is not there.
    #[must_use]
    pub fn lacks_coin(&self) -> bool {
        matches!(self, Refusal::Rule(TxError::MissingCoin(_)))
    }

    /// Whether what stands in its way is that others here spend the same coins.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        match self {
            Refusal::Conflict { .. }
            | Refusal::ReplacementFee { .. }
            | Refusal::ReplacementDiagram
            | Refusal::ReplacesTooMany { .. }
            | Refusal::ReplacesParent { .. } => true,
            Refusal::Rule(_)
            | Refusal::FeeTooLow { .. }
            | Refusal::FeeBelowFloor { .. }
            | Refusal::ChainTooLong { .. }
            | Refusal::Full
            | Refusal::Package(_) => false,
        }
    }
}

impl PackageFault {
    /// A stable name for programs.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            PackageFault::Count { .. } => "package-count",
            PackageFault::Bytes { .. } => "package-too-large",
            PackageFault::Twice => "package-duplicate",
            PackageFault::Order { .. } => "package-not-sorted",
            PackageFault::Conflict { .. } => "package-conflict",
            PackageFault::Unrelated => "package-unrelated",
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
    /// One that spends the same coin as it, or as one that it spends from, pays better.
    Replaced {
        /// That one.
        by: TxId,
    },
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
            DropReason::Replaced { .. } => "replaced",
        }
    }

    /// Who took its place, if anybody did.
    #[must_use]
    pub fn replaced_by(self) -> Option<TxId> {
        match self {
            DropReason::Replaced { by } => Some(by),
            DropReason::Conflict | DropReason::Invalid | DropReason::Evicted | DropReason::Expired => None,
        }
    }
}
