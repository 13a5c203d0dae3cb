//! One WebSocket connection to one node, over which many calls are under way at a time; for whoever sends much.

use super::{ClientError, Named, connect, named};
use crate::types::{SubmitManyParams, SubmitManyResult, SubmitParams, SubmitResult};
use jsonrpsee::core::client::ClientT;
use jsonrpsee::ws_client::WsClient;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The connection. Nothing is repeated, and nobody else is asked.
#[derive(Debug)]
pub struct Pipe {
    url: String,
    client: WsClient,
}

impl Pipe {
    /// Connects to the node at that URL (`http://host:port`).
    ///
    /// # Errors
    /// [`ClientError::Unreachable`] when it does not answer.
    pub async fn open(url: &str) -> Result<Pipe, ClientError> {
        Ok(Pipe { url: url.to_owned(), client: connect(url).await? })
    }

    async fn call<P: Serialize, R: DeserializeOwned>(&self, method: &str, params: &P) -> Result<R, ClientError> {
        let params: Named = named(params)?;
        self.client.request(method, params).await.map_err(|error| ClientError::of(&self.url, error))
    }

    /// `tx_submit`.
    ///
    /// # Errors
    /// As [`super::Client::submit`].
    pub async fn submit(&self, transaction: String) -> Result<SubmitResult, ClientError> {
        self.call("tx_submit", &SubmitParams { transaction }).await
    }

    /// `tx_submit_many`.
    ///
    /// # Errors
    /// As [`super::Client::submit_many`].
    pub async fn submit_many(&self, transactions: Vec<String>) -> Result<SubmitManyResult, ClientError> {
        self.call("tx_submit_many", &SubmitManyParams { transactions }).await
    }
}
