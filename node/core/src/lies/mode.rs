//! Which lie, by its stable name.

use bezant_consensus::ledger::hash::{LockHash, TxId};
use bezant_consensus::ledger::transaction::{Transaction, Witness};
use std::fmt;
use std::str::FromStr;

/// A way to lie under PBFT; [`super`] says what each does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// Says nothing at all.
    Silent,
    /// Says different things to two halves of the members.
    Equivocate,
    /// Holds proposals back to just below the view timeout.
    Delay,
    /// As primary never includes a [`Target`].
    Censor,
    /// Votes for blocks that do not exist, proposes headers that do not fit their bodies.
    BadDigest,
    /// Signs wrongly.
    BadSignature,
    /// Says again what belongs to earlier views.
    StaleView,
    /// Wants views next to the last that there may be.
    HugeView,
    /// Leaves proofs out.
    EmptyProofs,
    /// States another coin set at checkpoints.
    LieCheckpoint,
    /// Changes messages at random.
    Mutate,
}

/// Text that names no mode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown mode {0:?}: one of {names}", names = Mode::ALL.map(Mode::name).join(", "))]
pub struct ModeError(pub String);

impl Mode {
    /// All of them.
    pub const ALL: [Mode; 11] = [
        Mode::Silent,
        Mode::Equivocate,
        Mode::Delay,
        Mode::Censor,
        Mode::BadDigest,
        Mode::BadSignature,
        Mode::StaleView,
        Mode::HugeView,
        Mode::EmptyProofs,
        Mode::LieCheckpoint,
        Mode::Mutate,
    ];

    /// A stable name for command lines, events and programs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Mode::Silent => "silent",
            Mode::Equivocate => "equivocate",
            Mode::Delay => "delay",
            Mode::Censor => "censor",
            Mode::BadDigest => "bad-digest",
            Mode::BadSignature => "bad-signature",
            Mode::StaleView => "stale-view",
            Mode::HugeView => "huge-view",
            Mode::EmptyProofs => "empty-proofs",
            Mode::LieCheckpoint => "lie-checkpoint",
            Mode::Mutate => "mutate",
        }
    }

    /// Whether it wants a [`Target`].
    #[must_use]
    pub fn takes_target(self) -> bool {
        self == Mode::Censor
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Mode {
    type Err = ModeError;
    fn from_str(text: &str) -> Result<Mode, ModeError> {
        Mode::ALL.into_iter().find(|mode| mode.name() == text).ok_or_else(|| ModeError(text.to_owned()))
    }
}

/// What a censor leaves out of the blocks that it makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// One transaction, and what spends from it.
    Transaction(TxId),
    /// Every transaction that pays to or spends from this lock, and what spends from those.
    Lock(LockHash),
}

impl Target {
    /// Whether a transaction is meant.
    #[must_use]
    pub fn is_hit(&self, transaction: &Transaction) -> bool {
        match self {
            Target::Transaction(target) => *target == transaction.id(),
            Target::Lock(target) => {
                let spends = transaction.witnesses().iter().any(|witness| match witness {
                    Witness::Spend(spend) => spend.lock.hash() == *target,
                    Witness::Member { .. } => false,
                });
                spends || transaction.outputs().iter().any(|output| output.lock == *target)
            }
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Transaction(txid) => write!(f, "transaction {txid}"),
            Target::Lock(lock) => write!(f, "lock {lock}"),
        }
    }
}
