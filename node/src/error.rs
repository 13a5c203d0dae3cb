//! Why a node does not start, or stops by itself: sentences that say what to do next.

use crate::net::NetError;
use crate::rpc::RpcError;
use std::path::PathBuf;

/// Why a node does not start, or stops by itself.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The configuration cannot be used.
    #[error("{0}")]
    Config(String),
    /// A file cannot be read or written.
    #[error("{path}: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The network does not start.
    #[error(transparent)]
    Net(#[from] NetError),
    /// The RPC server does not start.
    #[error(transparent)]
    Rpc(#[from] RpcError),
}
