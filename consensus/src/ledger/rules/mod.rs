//! The rules of the ledger: [`isolated`] needs nothing but the bytes and the network id and can be judged once and for ever, on
//! any thread; [`context`] needs the coins and the place in the chain and is judged each time.

pub mod context;
pub mod isolated;

use crate::ledger::amount::Amount;
use crate::ledger::hash::{LockHash, MerkleRoot};
use crate::ledger::lock::{LockShapeError, LockTime};
use crate::ledger::transaction::OutPoint;
use crate::ledger::units::Height;

/// Why a transaction is refused. `kind()` is stable; programs may rely on it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TxError {
    /// Encoding too long.
    #[error("transaction of {actual} bytes, at most {allowed} allowed")]
    TooLarge {
        /// Its bytes.
        actual: usize,
        /// The limit.
        allowed: usize,
    },
    /// Whole encoding of exactly 64 bytes (CVE-2017-12842).
    #[error("a transaction must not be 64 bytes long")]
    ForbiddenSize,
    /// A list longer than its limit, so that it could not be decoded.
    #[error("{actual} {what}, at most {allowed} allowed")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many.
        actual: usize,
        /// The limit.
        allowed: usize,
    },
    /// No inputs.
    #[error("a transfer needs at least one input")]
    NoInputs,
    /// No outputs.
    #[error("a transfer needs at least one output")]
    NoOutputs,
    /// One coin twice (CVE-2018-17144).
    #[error("input {0} stands twice")]
    DuplicateInput(OutPoint),
    /// An output without money.
    #[error("output {0} has amount 0")]
    ZeroOutput(u32),
    /// Sums above the supply (CVE-2010-5139).
    #[error("amounts add up to more than there can be")]
    SumTooLarge,
    /// Outputs exceed inputs.
    #[error("outputs of {outputs} BZT exceed inputs of {inputs} BZT")]
    OutputsExceedInputs {
        /// Sum of the outputs.
        outputs: Amount,
        /// Sum of the inputs.
        inputs: Amount,
    },
    /// Witnesses do not fit the body.
    #[error("{actual} witnesses for {expected} inputs, or of the wrong kind")]
    WitnessCount {
        /// Given.
        actual: usize,
        /// Needed.
        expected: usize,
    },
    /// A lock tree beyond its limits.
    #[error("input {input}: {error}")]
    LockShape {
        /// Index of the input.
        input: u32,
        /// The limit.
        error: LockShapeError,
    },
    /// Branches revealed are not just those that are used.
    #[error("input {0}: the lock is not revealed exactly: k children of each used threshold, all else opaque")]
    LockNotSatisfied(u32),
    /// Signatures or preimages are missing, too many, or do not open the hash.
    #[error("input {0}: signatures or preimages do not fit the revealed lock")]
    WitnessMismatch(u32),
    /// A signature is invalid.
    #[error("input {0}: invalid signature")]
    BadSignature(u32),
    /// A coinbase outside its place.
    #[error("a coinbase is only allowed as the first transaction of a block")]
    Coinbase,
    /// An epoch change that does not stand up to the rules.
    #[error("epoch change: {0}")]
    EpochChange(&'static str),
    /// A change of members for an epoch other than those known here.
    #[error("the change of members is for another epoch")]
    OtherEpoch,
    /// A coin that is not there: never was, or is spent.
    #[error("coin {0} does not exist or is spent")]
    MissingCoin(OutPoint),
    /// The witness states another amount or lock than the coin has.
    #[error("input {0}: amount or lock stated in the witness is not the coin's")]
    CoinMismatch(u32),
    /// A coinbase's coin spent too early.
    #[error("coin {outpoint} comes from a coinbase and is spendable from height {from}")]
    Immature {
        /// The coin.
        outpoint: OutPoint,
        /// First height at which it may be spent.
        from: Height,
    },
    /// Lock time, `After` or `Older` not reached.
    #[error("locked until {until:?}")]
    Locked {
        /// When it opens.
        until: LockTime,
    },
}

impl TxError {
    /// A stable name for programs.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            TxError::TooLarge { .. } => "tx-too-large",
            TxError::ForbiddenSize => "tx-forbidden-size",
            TxError::TooMany { .. } => "tx-too-many",
            TxError::NoInputs => "tx-no-inputs",
            TxError::NoOutputs => "tx-no-outputs",
            TxError::DuplicateInput(_) => "tx-duplicate-input",
            TxError::ZeroOutput(_) => "tx-zero-output",
            TxError::SumTooLarge => "tx-sum-too-large",
            TxError::OutputsExceedInputs { .. } => "tx-outputs-exceed-inputs",
            TxError::WitnessCount { .. } => "tx-witness-count",
            TxError::LockShape { .. } => "tx-lock-shape",
            TxError::LockNotSatisfied(_) => "tx-lock-not-satisfied",
            TxError::WitnessMismatch(_) => "tx-witness-mismatch",
            TxError::BadSignature(_) => "tx-bad-signature",
            TxError::Coinbase => "tx-coinbase",
            TxError::EpochChange(_) => "tx-epoch-change",
            TxError::OtherEpoch => "tx-other-epoch",
            TxError::MissingCoin(_) => "tx-missing-coin",
            TxError::CoinMismatch(_) => "tx-coin-mismatch",
            TxError::Immature { .. } => "tx-immature",
            TxError::Locked { .. } => "tx-locked",
        }
    }

    /// Whether the same transaction may become valid later without being changed.
    #[must_use]
    pub fn may_pass_later(&self) -> bool {
        matches!(self, TxError::MissingCoin(_) | TxError::Immature { .. } | TxError::Locked { .. })
    }
}

/// Why a block is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// Encoding too long.
    #[error("block of {actual} bytes, at most {allowed} allowed")]
    TooLarge {
        /// Its bytes.
        actual: usize,
        /// The limit.
        allowed: usize,
    },
    /// The transactions received are not those of the header. Says nothing about the header (CVE-2012-2459).
    #[error("merkle root is {actual}, the header says {expected}, or a pair is repeated")]
    BodyMismatch {
        /// Of the transactions.
        actual: MerkleRoot,
        /// Of the header.
        expected: MerkleRoot,
    },
    /// Not exactly one coinbase, first.
    #[error("a block has exactly one coinbase, and it comes first")]
    CoinbasePlace,
    /// The coinbase names another height.
    #[error("coinbase names height {actual}, the block has height {expected}")]
    CoinbaseHeight {
        /// Named.
        actual: Height,
        /// Of the block.
        expected: Height,
    },
    /// The coinbase pays too much.
    #[error("coinbase pays {actual} BZT, at most {allowed} allowed")]
    CoinbaseTooLarge {
        /// Paid.
        actual: Amount,
        /// Subsidy and fees.
        allowed: Amount,
    },
    /// A transaction is invalid.
    #[error("transaction {index}: {error}")]
    Transaction {
        /// Its place in the block.
        index: u32,
        /// Why.
        error: TxError,
    },
    /// Two equal output names in the coin set, which ids make impossible but for two equal coinbases.
    #[error("transaction {0} creates a coin that exists")]
    CoinExists(u32),
    /// Header fields that the engine does not allow here.
    #[error("header: {0}")]
    Header(String),
}

impl BlockError {
    /// Whether the fault lies in the transactions as received, so that the header may still have a valid body.
    ///
    /// A body with a transaction of 64 bytes counts: those bytes could be two merkle nodes of the true body, sent by someone
    /// who wants the header to be condemned (CVE-2017-12842).
    #[must_use]
    pub fn is_of_received_body_only(&self) -> bool {
        match self {
            BlockError::BodyMismatch { .. } => true,
            BlockError::Transaction { error, .. } => *error == TxError::ForbiddenSize,
            BlockError::TooLarge { .. }
            | BlockError::CoinbasePlace
            | BlockError::CoinbaseHeight { .. }
            | BlockError::CoinbaseTooLarge { .. }
            | BlockError::CoinExists(_)
            | BlockError::Header(_) => false,
        }
    }
}

/// A coin as a signer or spender states it.
pub type StatedCoin = (Amount, LockHash);
