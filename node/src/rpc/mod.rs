//! JSON-RPC 2.0 over HTTP and WebSocket, and `/metrics`, `/health` and `/ready`, all on one listener.
//!
//! The methods are those of [`bezant_api::methods`]: parameters named or positional, errors with stable codes and a kind.
//! Foreign `Host` and `Origin` headers are refused and no CORS headers are sent; `dev_*` methods exist only on dev nets with a
//! token, `admin_*` only with a token. Requests, answers, batches, connections and subscriptions are limited in `limits`.

mod calls;
mod gate;
mod limits;
mod mining;
mod refuse;
mod stream;
#[cfg(test)]
mod tests;

use crate::handle::NodeHandle;
use bezant_api::config::RpcConfig;
use gate::{GateLayer, Rules};
use jsonrpsee::server::{BatchRequestConfig, Server, ServerConfig};
use std::net::SocketAddr;
use std::sync::Arc;
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

/// Finds out whether `address` can be listened on, and lets go of it: a node whose port is taken says so before it opens its
/// stores, and no caller is kept waiting by one that is not ready.
///
/// # Errors
/// When the address is taken or not this machine's.
pub fn check_free(address: SocketAddr) -> Result<(), RpcError> {
    std::net::TcpListener::bind(address).map(drop).map_err(|error| RpcError::Listen { address, error })
}

/// Starts the server; returns the address it listens on. The task ends after `shutdown`.
///
/// # Errors
/// When the address is taken or not this machine's.
pub async fn start(setup: RpcSetup) -> Result<(SocketAddr, JoinHandle<()>), RpcError> {
    let address = setup.config.listen;
    let fail = |error| RpcError::Listen { address, error };
    let listener = std::net::TcpListener::bind(address).map_err(fail)?;
    listener.set_nonblocking(true).map_err(fail)?;
    let bound = listener.local_addr().map_err(fail)?;
    let config = ServerConfig::builder()
        .max_request_body_size(limits::REQUEST_BYTES_MAX)
        .max_response_body_size(limits::RESPONSE_BYTES_MAX)
        .max_connections(setup.config.connections_max)
        .max_subscriptions_per_connection(limits::SUBSCRIPTIONS_PER_CONNECTION_MAX)
        .set_message_buffer_capacity(limits::MESSAGES_WAITING_MAX)
        .set_batch_request_config(BatchRequestConfig::Limit(limits::BATCH_REQUESTS_MAX))
        .set_first_request_timeout(Some(limits::FIRST_REQUEST_TIMEOUT))
        .build();
    let hosts = setup.config.hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
    let gate = GateLayer(Arc::new(Rules { handle: setup.handle.clone(), ip: bound.ip(), hosts }));
    let server = Server::builder()
        .set_config(config)
        .set_http_middleware(tower::ServiceBuilder::new().layer(gate))
        .build_from_tcp(listener)
        .map_err(fail)?;
    let shared =
        calls::Shared { handle: setup.handle, dev_token: setup.dev_token, admin_token: setup.config.admin_token };
    let module = calls::module(shared).expect("the table names no method twice");
    let running = server.start(module);
    let mut shutdown = setup.shutdown;
    let task = tokio::spawn(async move {
        // An error means that whoever could say so is gone, which is a reason to stop too.
        let _ = shutdown.wait_for(|stop| *stop).await;
        let _ = running.stop();
        if tokio::time::timeout(limits::STOP_TIMEOUT, running.stopped()).await.is_err() {
            tracing::debug!("RPC connections were still open");
        }
    });
    Ok((bound, task))
}
