//! What can go wrong in a wallet, told apart as the command line's exit statuses tell it.

use bezant_api::address::AddressError;
use bezant_api::client::ClientError;
use bezant_api::home::HomeError;

/// Why a wallet command did not do as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WalletError {
    /// Status 2: what was asked makes no sense, or the configuration does not.
    #[error("{0}")]
    Usage(String),
    /// Status 3: refused, nothing was sent.
    #[error("{message}; nothing was sent")]
    Refused {
        /// Stable name of the reason.
        kind: String,
        /// The reason.
        message: String,
    },
    /// Status 4: it was sent, and then lost its place to another transaction or in a reorg.
    #[error("transaction {txid} was sent but lost its place: {reason}")]
    LostPlace {
        /// The transaction.
        txid: String,
        /// What happened.
        reason: String,
    },
    /// Status 5: the time is over; it may still happen.
    #[error(
        "transaction {txid} is not {wanted} after {waited_ms} ms, but may still become so; see `bezant chain tx {txid}`"
    )]
    TimedOut {
        /// The transaction.
        txid: String,
        /// `in the pool`, `included` or `final`.
        wanted: &'static str,
        /// How long was waited.
        waited_ms: u64,
    },
    /// Status 6: no node could be reached.
    #[error("{message}")]
    Unreachable {
        /// Which were tried, and what happened.
        message: String,
        /// A transaction that was sent before.
        txid: Option<String>,
    },
    /// Status 7: wrong password or key.
    #[error("{0}")]
    WrongPassword(String),
    /// Status 1: anything else.
    #[error("{0}")]
    Failed(String),
}

impl WalletError {
    /// A stable name for programs.
    #[must_use]
    pub fn kind(&self) -> &str {
        match self {
            WalletError::Usage(_) => "usage",
            WalletError::Refused { kind, .. } => kind,
            WalletError::LostPlace { .. } => "lost-place",
            WalletError::TimedOut { .. } => "timed-out",
            WalletError::Unreachable { .. } => "unreachable",
            WalletError::WrongPassword(_) => "wrong-password",
            WalletError::Failed(_) => "failed",
        }
    }

    /// The command line's exit status for it.
    #[must_use]
    pub fn exit_status(&self) -> u8 {
        match self {
            WalletError::Failed(_) => 1,
            WalletError::Usage(_) => 2,
            WalletError::Refused { .. } => 3,
            WalletError::LostPlace { .. } => 4,
            WalletError::TimedOut { .. } => 5,
            WalletError::Unreachable { .. } => 6,
            WalletError::WrongPassword(_) => 7,
        }
    }

    /// The transaction that it is about, if one was sent.
    #[must_use]
    pub fn txid(&self) -> Option<&str> {
        match self {
            WalletError::LostPlace { txid, .. } | WalletError::TimedOut { txid, .. } => Some(txid),
            WalletError::Unreachable { txid, .. } => txid.as_deref(),
            WalletError::Usage(_)
            | WalletError::Refused { .. }
            | WalletError::WrongPassword(_)
            | WalletError::Failed(_) => None,
        }
    }

    pub(crate) fn refused(kind: &str, message: impl Into<String>) -> WalletError {
        WalletError::Refused { kind: kind.to_owned(), message: message.into() }
    }
}

impl From<ClientError> for WalletError {
    fn from(error: ClientError) -> WalletError {
        let message = error.to_string();
        match error {
            ClientError::Unreachable(_) => WalletError::Unreachable { message, txid: None },
            ClientError::Refused { kind, .. } => WalletError::Refused { kind, message },
            ClientError::Busy(_) | ClientError::NotFound(_) | ClientError::Other(_) => WalletError::Failed(message),
        }
    }
}

impl From<&HomeError> for WalletError {
    fn from(error: &HomeError) -> WalletError {
        match error {
            HomeError::Nowhere | HomeError::BadName(_) | HomeError::Elsewhere { .. } => {
                WalletError::Usage(error.to_string())
            }
            HomeError::NoNet(_) => WalletError::Unreachable { message: error.to_string(), txid: None },
            HomeError::NotOurs(_) | HomeError::Io { .. } => WalletError::Failed(error.to_string()),
        }
    }
}

impl From<AddressError> for WalletError {
    fn from(error: AddressError) -> WalletError {
        WalletError::Usage(error.to_string())
    }
}
