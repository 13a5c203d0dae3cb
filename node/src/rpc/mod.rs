//! JSON-RPC over HTTP and WebSocket. Not built yet.

use crate::handle::NodeHandle;
use bezant_api::config::RpcConfig;
use std::net::SocketAddr;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What the RPC server is started with.
#[derive(Debug)]
pub struct RpcSetup {
    /// Where to listen, and limits.
    pub config: RpcConfig,
    /// What `dev_*` methods want; `None`: they do not exist. Never set on a net whose genesis is not `dev`.
    pub dev_token: Option<String>,
    /// The node.
    pub handle: NodeHandle,
    /// Becomes true when the server is to stop.
    pub shutdown: watch::Receiver<bool>,
}

/// Why the RPC server does not start.
#[derive(Debug, thiserror::Error)]
pub enum RpcError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address} for RPC: {error}; choose another port with rpc.listen, or 0 for a free one")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        error: std::io::Error,
    },
}

/// Starts the server; returns the address it listens on. The task ends after `shutdown`.
///
/// # Errors
/// When the address is taken or not this machine's.
pub async fn start(setup: RpcSetup) -> Result<(SocketAddr, JoinHandle<()>), RpcError> {
    let address = setup.config.listen;
    let fail = |error| RpcError::Listen { address, error };
    let listener = tokio::net::TcpListener::bind(address).await.map_err(fail)?;
    let bound = listener.local_addr().map_err(fail)?;
    let mut shutdown = setup.shutdown;
    let task = tokio::spawn(async move {
        let (_listener, _handle) = (listener, setup.handle);
        let _ = shutdown.wait_for(|stop| *stop).await;
    });
    Ok((bound, task))
}
