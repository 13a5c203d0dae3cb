//! Why a node does not start, or stops by itself: sentences that say what to do next.

use crate::net::NetError;
use crate::rpc::RpcError;
use crate::store::StoreError;
use crate::stratum::StratumError;
use bezant_api::config::ConfigError;
use std::path::PathBuf;

/// Why a node does not start, or stops by itself.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The genesis file cannot be used.
    #[error("{0}")]
    Genesis(String),
    /// A file cannot be read or written.
    #[error("{path}: {error}; check that it exists and belongs to you")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A file holds no usable key.
    #[error("key file {path}: {problem}; {advice}")]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
        /// What to do.
        advice: String,
    },
    /// The database cannot be used, or failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The network does not start.
    #[error(transparent)]
    Net(#[from] NetError),
    /// The RPC server does not start.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// The Stratum server does not start.
    #[error(transparent)]
    Stratum(#[from] StratumError),
    /// A part of the node ended that must not.
    #[error("{0} ended unexpectedly; see the log above, and start the node again: what was reported final is kept")]
    Ended(&'static str),
}

impl NodeError {
    /// Whether the configuration or what was given with it is at fault (exit status 2), not the running (1).
    #[must_use]
    pub fn is_configuration(&self) -> bool {
        match self {
            NodeError::Config(_) | NodeError::Genesis(_) | NodeError::Key { .. } => true,
            NodeError::File { .. }
            | NodeError::Store(_)
            | NodeError::Net(_)
            | NodeError::Rpc(_)
            | NodeError::Stratum(_)
            | NodeError::Ended(_) => false,
        }
    }
}
