//! A typed client of nodes: one method for each RPC method, over HTTP, and the event stream over WebSocket.
//!
//! A [`Client`] knows one node or several. It asks the one that answered last, and moves on to the next only when a node cannot
//! be reached, does not answer in time or has too much to do; what a node refuses is refused. Every method it repeats that way may be repeated:
//! the same transaction submitted twice is one transaction. `dev_*` methods go to one node and are never repeated.

use crate::event::{EVENTS_NOTIFICATION, Event, EventKind};
use crate::fault::{DevLinksParams, DevNoteParams};
use crate::methods::{BUSY, INTERNAL, NOT_FOUND};
use crate::types::{
    BlockParams, BlockRef, BlockView, CoinView, CoinsParams, CoinsView, CommitmentView, DevByzantineParams,
    DevHashrateParams, DevMineParams, DevTimeParams, EpochsParams, EpochsView, EventsParams, EvidenceView, FeeParams,
    FeeView, GenesisView, HeadersParams, HeadersView, HistoryParams, HistoryView, InstructParams, MempoolView,
    NodeStatus, PackageParams, PackageResult, PeerView, ProofView, SolutionParams, SolutionView, SubmitManyParams,
    SubmitManyResult, SubmitParams, SubmitResult, TemplateParams, TemplateView, TestView, TipView, TransactionView,
    TxParams, TxStatus,
};
use jsonrpsee::core::client::{ClientT, Error, Subscription, SubscriptionClientT};
use jsonrpsee::core::traits::ToRpcParams;
use jsonrpsee::http_client::{HttpClient, HttpClientBuilder};
use jsonrpsee::ws_client::{PingConfig, WsClient, WsClientBuilder};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

mod epochs;
mod headers;
mod pipe;
#[cfg(test)]
mod tests;

pub use epochs::FollowError;
pub use headers::{Found, HeadersError};
pub use pipe::Pipe;

/// How long a node may take to answer before the next one is asked.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection may take.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How often a silent event stream is checked; a node that does not answer for twice this long counts as gone.
const PING_INTERVAL: Duration = Duration::from_secs(4);
/// A full block in hex with its certificate, and the largest genesis file.
const RESPONSE_BYTES_MAX: u32 = 32 * 1024 * 1024;
/// Events that may wait for a slow reader on this side.
const EVENTS_BUFFERED_MAX: usize = 4_096;
/// Pages that one listing may take.
const PAGES_MAX: usize = 1_000;

/// Why a call gave no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// None of the nodes could be reached, or none answered in time.
    #[error("no node answers: {0}; is the net running? See `bezant testnet status`")]
    Unreachable(String),
    /// Those that could be reached have too much to do: a moment later it may go.
    #[error("{0}; try again in a moment")]
    Busy(String),
    /// A node refused what was asked, and another would too.
    #[error("{message}")]
    Refused {
        /// Stable name of the reason, `tx-missing-coin` for example.
        kind: String,
        /// The reason, for people.
        message: String,
    },
    /// What was asked for is not there.
    #[error("{0}")]
    NotFound(String),
    /// The node failed, or speaks another language.
    #[error("{0}")]
    Other(String),
}

impl ClientError {
    fn of(url: &str, error: Error) -> ClientError {
        match error {
            Error::Call(object) => ClientError::of_call(&object),
            Error::ParseError(error) => {
                ClientError::Other(format!("{url} answers what this program does not understand: {error}"))
            }
            Error::RequestTimeout => ClientError::Unreachable(format!("{url} did not answer in time")),
            Error::Transport(error) => ClientError::Unreachable(format!("{url}: {}", root(error.as_ref()))),
            Error::RestartNeeded(error) => ClientError::Unreachable(format!("{url}: {error}")),
            Error::ServiceDisconnect => ClientError::Unreachable(format!("{url}: the connection was closed")),
            other => ClientError::Other(format!("{url}: {other}")),
        }
    }

    /// A JSON-RPC error; ours carry `{"kind": …}` as data.
    fn of_call(object: &jsonrpsee::types::ErrorObjectOwned) -> ClientError {
        let data = object.data().and_then(|raw| serde_json::from_str::<serde_json::Value>(raw.get()).ok());
        let kind = data.as_ref().and_then(|data| data.get("kind")).and_then(serde_json::Value::as_str);
        let message = object.message().to_owned();
        match (object.code(), kind) {
            // As good as gone.
            (_, Some("stopping")) => ClientError::Unreachable(message),
            (BUSY, _) => ClientError::Busy(message),
            (NOT_FOUND, _) => ClientError::NotFound(message),
            (INTERNAL, _) | (_, None) => ClientError::Other(format!("{message} (code {})", object.code())),
            (_, Some(kind)) => ClientError::Refused { kind: kind.to_owned(), message },
        }
    }
}

/// What caused it in the end: the layers above only say that they could not.
pub(crate) fn root(error: &(dyn std::error::Error + 'static)) -> String {
    error.source().map_or_else(|| error.to_string(), root)
}

/// One node or several of one net.
#[derive(Debug)]
pub struct Client {
    nodes: Vec<Endpoint>,
    /// Index of the node that answered last.
    current: AtomicUsize,
    /// How long each node may take to answer.
    answer_timeout: Duration,
}

#[derive(Debug, Clone)]
struct Endpoint {
    url: String,
    http: HttpClient,
}

/// Boxed, so that the libraries' generic code behind it is compiled here, once, not again in every crate that awaits it.
type Boxed<'a, T> = Pin<Box<dyn Future<Output = Result<T, ClientError>> + Send + 'a>>;

impl Endpoint {
    /// The answer as it came.
    fn call<'a>(&'a self, method: &'a str, params: Named, limit: Duration) -> Boxed<'a, Box<RawValue>> {
        Box::pin(async move {
            let answer = tokio::time::timeout(limit, self.http.request(method, params)).await;
            answer.unwrap_or(Err(Error::RequestTimeout)).map_err(|error| ClientError::of(&self.url, error))
        })
    }

    fn read<R: DeserializeOwned>(&self, answer: &RawValue) -> Result<R, ClientError> {
        serde_json::from_str(answer.get()).map_err(|error| ClientError::of(&self.url, Error::ParseError(error)))
    }
}

impl Client {
    /// Of the nodes at these URLs (`http://host:port`), the first being asked first. Connects to none of them yet.
    ///
    /// # Errors
    /// [`ClientError::Other`] for a malformed URL, [`ClientError::Unreachable`] for an empty list.
    pub fn new<U: AsRef<str>>(urls: impl IntoIterator<Item = U>) -> Result<Client, ClientError> {
        let endpoint = |url: U| {
            let url = url.as_ref().trim_end_matches('/').to_owned();
            let http = HttpClientBuilder::default()
                .request_timeout(REQUEST_TIMEOUT)
                .connect_timeout(CONNECT_TIMEOUT)
                .max_response_size(RESPONSE_BYTES_MAX)
                .build(&url)
                .map_err(|error| {
                    ClientError::Other(format!("\"{url}\" is no URL of a node, like http://127.0.0.1:8645: {error}"))
                })?;
            Ok(Endpoint { url, http })
        };
        let nodes: Vec<Endpoint> = urls.into_iter().map(endpoint).collect::<Result<_, ClientError>>()?;
        if nodes.is_empty() {
            return Err(ClientError::Unreachable("no node is known".to_owned()));
        }
        Ok(Client { nodes, current: AtomicUsize::new(0), answer_timeout: REQUEST_TIMEOUT })
    }

    /// The same, for a caller who has `limit` for everything: nodes that hang do not take all of it, since each has its share to answer,
    /// though never more than [`REQUEST_TIMEOUT`].
    pub fn hurry(&mut self, limit: Duration) {
        let nodes = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        self.answer_timeout = (limit / nodes).min(REQUEST_TIMEOUT);
    }

    /// Of one node.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub fn of_one(url: &str) -> Result<Client, ClientError> {
        Client::new([url])
    }

    /// The URL of the node that is asked first now.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.nodes[self.current.load(Ordering::Relaxed)].url
    }

    /// How many nodes it knows.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// Asks the node after the present one first from now on.
    pub fn move_on(&self) {
        let next = (self.current.load(Ordering::Relaxed) + 1) % self.nodes.len();
        self.current.store(next, Ordering::Relaxed);
    }

    /// Calls a method by its name, with named parameters.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`] when no node answers, [`ClientError::Busy`] when one does but can do no more; else as the
    /// first node that can.
    pub async fn request<P, R>(&self, method: &str, params: &P) -> Result<R, ClientError>
    where
        P: Serialize + Sync,
        R: DeserializeOwned,
    {
        let first = self.current.load(Ordering::Relaxed);
        let (mut reasons, mut busy) = (Vec::new(), None);
        for step in 0..self.nodes.len() {
            let index = (first + step) % self.nodes.len();
            let node = &self.nodes[index];
            match node.call(method, named(params)?, self.answer_timeout).await.and_then(|answer| node.read(&answer)) {
                Err(ClientError::Unreachable(reason)) => reasons.push((node.url.as_str(), reason)),
                Err(ClientError::Busy(reason)) => busy = Some(reason),
                answer => {
                    self.current.store(index, Ordering::Relaxed);
                    return answer;
                }
            }
        }
        Err(busy.map_or_else(|| ClientError::Unreachable(together(&reasons)), ClientError::Busy))
    }

    /// Calls the present node only, once.
    async fn request_here<P: Serialize, R: DeserializeOwned>(
        &self,
        method: &str,
        params: &P,
    ) -> Result<R, ClientError> {
        let node = &self.nodes[self.current.load(Ordering::Relaxed)];
        node.read(&node.call(method, named(params)?, self.answer_timeout).await?)
    }

    /// Subscribes to the events of the first node that answers, from now on or from event `from` as far as still held.
    ///
    /// # Errors
    /// As [`Client::request`].
    pub async fn events(&self, from: Option<u64>) -> Result<Events, ClientError> {
        self.subscribe(&EventsParams { from, kinds: None }).await
    }

    /// The same from now on, but of these kinds only (and `snapshot` and `gap`). On a busy net that spares both sides most of the
    /// work: there is an event for each transaction.
    ///
    /// # Errors
    /// As [`Client::request`].
    pub async fn events_of(&self, kinds: &[&str]) -> Result<Events, ClientError> {
        let kinds = Some(kinds.iter().map(|kind| (*kind).to_owned()).collect());
        self.subscribe(&EventsParams { from: None, kinds }).await
    }

    async fn subscribe(&self, wanted: &EventsParams) -> Result<Events, ClientError> {
        let first = self.current.load(Ordering::Relaxed);
        let mut reasons = Vec::new();
        for step in 0..self.nodes.len() {
            let index = (first + step) % self.nodes.len();
            let url = &self.nodes[index].url;
            let subscribed = tokio::time::timeout(self.answer_timeout, subscribe(url, wanted)).await;
            match subscribed.unwrap_or_else(|_| Err(ClientError::of(url, Error::RequestTimeout))) {
                Err(ClientError::Unreachable(reason)) => reasons.push((url.as_str(), reason)),
                answer => {
                    self.current.store(index, Ordering::Relaxed);
                    return answer;
                }
            }
        }
        Err(ClientError::Unreachable(together(&reasons)))
    }
}

/// Why each of several nodes could not be reached; what is the same for several is said once.
fn together(reasons: &[(&str, String)]) -> String {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for (url, reason) in reasons {
        let why = reason.strip_prefix(url).unwrap_or(reason).trim_start_matches([':', ' ']);
        match groups.iter_mut().find(|(other, _)| *other == why) {
            Some((_, urls)) => urls.push(url),
            None => groups.push((why, vec![url])),
        }
    }
    let said = |(why, urls): &(&str, Vec<&str>)| format!("{} ({why})", urls.join(", "));
    groups.iter().map(said).collect::<Vec<_>>().join("; ")
}

/// Named parameters as they are sent.
struct Named(Box<RawValue>);

impl ToRpcParams for Named {
    fn to_rpc_params(self) -> Result<Option<Box<RawValue>>, serde_json::Error> {
        Ok(Some(self.0))
    }
}

/// An object of named parameters, written once; a struct without fields becomes an empty one.
fn named<P: Serialize>(params: &P) -> Result<Named, ClientError> {
    serde_json::value::to_raw_value(params).map(Named).map_err(|error| ClientError::Other(error.to_string()))
}

fn subscribe<'a>(url: &'a str, wanted: &'a EventsParams) -> Boxed<'a, Events> {
    Box::pin(subscribed(url, wanted))
}

/// A WebSocket connection that is noticed to be gone.
async fn connect(url: &str) -> Result<WsClient, ClientError> {
    let ws_url = url.replacen("http", "ws", 1);
    let ping = PingConfig::new().ping_interval(PING_INTERVAL).inactive_limit(PING_INTERVAL * 2).max_failures(1);
    let building = WsClientBuilder::default()
        .request_timeout(REQUEST_TIMEOUT)
        .connection_timeout(CONNECT_TIMEOUT)
        .max_response_size(RESPONSE_BYTES_MAX)
        .max_buffer_capacity_per_subscription(EVENTS_BUFFERED_MAX)
        .enable_ws_ping(ping)
        .build(&ws_url);
    building.await.map_err(|error| ClientError::of(url, error))
}

async fn subscribed(url: &str, wanted: &EventsParams) -> Result<Events, ClientError> {
    let failed = |error| ClientError::of(url, error);
    let client = connect(url).await?;
    let params = named(wanted)?;
    let stream = client.subscribe("events_subscribe", params, "events_unsubscribe").await.map_err(failed)?;
    Ok(Events { url: url.to_owned(), stream, _client: client })
}

/// The event stream of one node.
#[derive(Debug)]
pub struct Events {
    url: String,
    stream: Subscription<Event>,
    /// Dropping it would end the subscription.
    _client: WsClient,
}

impl Events {
    /// The node's URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The next event; `None` when the node has gone or this side was far too slow: subscribe again, at this node or another.
    /// An event of a kind that this program does not know is passed over. May be cancelled without losing an event.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            match self.stream.next().await? {
                Ok(event) => return Some(event),
                Err(error) => tracing::debug!(%error, notification = EVENTS_NOTIFICATION, "event not understood"),
            }
        }
    }
}

/// Events of whichever node a client asks: when it moves on to another node, that one is listened to.
#[derive(Debug)]
pub struct News<'a> {
    client: &'a Client,
    events: Events,
}

impl<'a> News<'a> {
    /// Listens to the node that the client asks.
    ///
    /// # Errors
    /// As [`Client::events`].
    pub async fn new(client: &'a Client) -> Result<News<'a>, ClientError> {
        Ok(News { client, events: client.events(None).await? })
    }

    /// Waits until something happens that `is_news`, or `limit` has passed, or the client asks another node than before, because this
    /// one has gone or did not answer. Whatever the reason: ask again.
    ///
    /// # Errors
    /// As [`Client::events`], when another node is to be listened to.
    pub async fn wait(
        &mut self,
        limit: Option<Duration>,
        is_news: impl Fn(&EventKind) -> bool,
    ) -> Result<(), ClientError> {
        if self.client.url() == self.events.url() {
            let news = async {
                loop {
                    match self.events.next().await {
                        None => return false,
                        Some(event) if is_news(&event.kind) => return true,
                        Some(_) => {}
                    }
                }
            };
            let is_there = match limit {
                Some(limit) => tokio::time::timeout(limit, news).await.unwrap_or(true),
                None => news.await,
            };
            if is_there {
                return Ok(());
            }
            self.client.move_on();
        }
        self.events = self.client.events(None).await?;
        Ok(())
    }
}

#[derive(Serialize)]
struct NoParams {}

/// One method for each RPC method; see [`crate::types`] for what they take and give.
impl Client {
    /// `node_status`.
    ///
    /// # Errors
    /// As [`Client::request`].
    pub async fn status(&self) -> Result<NodeStatus, ClientError> {
        self.request("node_status", &NoParams {}).await
    }

    /// `chain_tip`.
    ///
    /// # Errors
    /// As [`Client::request`].
    pub async fn tip(&self) -> Result<TipView, ClientError> {
        self.request("chain_tip", &NoParams {}).await
    }

    /// `chain_block`: a block of the active chain by height, or any by id.
    ///
    /// # Errors
    /// As [`Client::request`].
    pub async fn block(&self, block: BlockRef) -> Result<BlockView, ClientError> {
        self.request("chain_block", &BlockParams { block }).await
    }

    /// `chain_tx`: a transaction as stored, with where it is.
    ///
    /// # Errors
    /// As [`Client::request`].
    pub async fn transaction(&self, txid: &str) -> Result<TransactionView, ClientError> {
        self.request("chain_tx", &TxParams { txid: txid.to_owned() }).await
    }

    /// `chain_headers`: headers of the active chain from a height on. [`Client::header_chain`] asks for them all and judges them.
    ///
    /// # Errors
    /// As [`Client::request`].
    pub async fn headers(&self, from: u64, count: Option<usize>) -> Result<HeadersView, ClientError> {
        self.request("chain_headers", &HeadersParams { from, count }).await
    }

    /// `chain_proof`. [`Client::find`] checks what it says under proof of work.
    ///
    /// # Errors
    /// As [`Client::request`].
    pub async fn proof(&self, txid: &str) -> Result<ProofView, ClientError> {
        self.request("chain_proof", &TxParams { txid: txid.to_owned() }).await
    }

    /// `chain_epochs`, with the beginnings of epochs from this one on. [`Client::follow_epochs`] asks for them all and checks them.
    ///
    /// # Errors
    /// As [`Client::request`]; a net of proof of work has no epochs, and refuses.
    pub async fn epochs(&self, from: u64) -> Result<EpochsView, ClientError> {
        self.request("chain_epochs", &EpochsParams { from }).await
    }

    /// `chain_evidence`.
    ///
    /// # Errors
    /// As [`Client::request`].
    pub async fn evidence(&self) -> Result<Vec<EvidenceView>, ClientError> {
        self.request("chain_evidence", &NoParams {}).await
    }

    /// `chain_commitment`.
    ///
    /// # Errors
    /// As [`Client::request`].
    pub async fn commitment(&self) -> Result<CommitmentView, ClientError> {
        self.request("chain_commitment", &NoParams {}).await
    }

    /// `chain_genesis`.
    ///
    /// # Errors
    /// As [`Client::request`].
    pub async fn genesis(&self) -> Result<GenesisView, ClientError> {
        self.request("chain_genesis", &NoParams {}).await
    }

    /// `mining_template`, of the present node alone: templates are its own.
    ///
    /// # Errors
    /// As [`Client::request`]; [`ClientError::NotFound`] when the node makes no templates.
    pub async fn mining_template(&self, params: &TemplateParams) -> Result<TemplateView, ClientError> {
        self.request_here("mining_template", params).await
    }

    /// `mining_submit`, to the present node alone.
    ///
    /// # Errors
    /// As [`Client::request`]; [`ClientError::Refused`] when the block is not taken.
    pub async fn mining_submit(&self, params: &SolutionParams) -> Result<SolutionView, ClientError> {
        self.request_here("mining_submit", params).await
    }

    /// `tx_submit`: hands a transaction (hex of its encoding) to a node.
    ///
    /// # Errors
    /// As [`Client::request`]; [`ClientError::Refused`] when the node does not take it.
    pub async fn submit(&self, transaction: String) -> Result<SubmitResult, ClientError> {
        self.request("tx_submit", &SubmitParams { transaction }).await
    }

    /// `tx_submit_many`: up to [`crate::types::SUBMIT_MANY_MAX`] transactions; a refusal of one is an answer, not an error.
    ///
    /// # Errors
    /// As [`Client::request`].
    pub async fn submit_many(&self, transactions: Vec<String>) -> Result<SubmitManyResult, ClientError> {
        self.request("tx_submit_many", &SubmitManyParams { transactions }).await
    }

    /// `tx_check`: what `tx_submit` would say, changing nothing.
    ///
    /// # Errors
    /// As [`Client::submit`].
    pub async fn check(&self, transaction: String) -> Result<SubmitResult, ClientError> {
        self.request("tx_check", &SubmitParams { transaction }).await
    }

    /// `tx_submit_package`, parents before children.
    ///
    /// # Errors
    /// As [`Client::submit`].
    pub async fn submit_package(&self, transactions: Vec<String>) -> Result<PackageResult, ClientError> {
        self.request("tx_submit_package", &PackageParams { transactions }).await
    }

    /// `tx_test`: one transaction or a package; a refusal is an answer, not an error.
    ///
    /// # Errors
    /// As [`Client::request`].
    pub async fn test(&self, transactions: Vec<String>) -> Result<TestView, ClientError> {
        self.request("tx_test", &PackageParams { transactions }).await
    }

    /// `fee_estimate`.
    ///
    /// # Errors
    /// As [`Client::request`].
    pub async fn fee_estimate(&self, blocks: u32) -> Result<FeeView, ClientError> {
        self.request("fee_estimate", &FeeParams { blocks: Some(blocks) }).await
    }

    /// `tx_status`.
    ///
    /// # Errors
    /// As [`Client::request`].
    pub async fn tx_status(&self, txid: &str) -> Result<TxStatus, ClientError> {
        self.request("tx_status", &TxParams { txid: txid.to_owned() }).await
    }

    /// `coins_list`: one page.
    ///
    /// # Errors
    /// As [`Client::request`].
    pub async fn coins_page(&self, params: &CoinsParams) -> Result<CoinsView, ClientError> {
        self.request("coins_list", params).await
    }

    /// `coins_list`, all pages at one tip; begun again when the tip changes between pages.
    ///
    /// # Errors
    /// As [`Client::request`]; [`ClientError::Other`] when there is no end of it.
    pub async fn coins(&self, locks: &[String]) -> Result<CoinsView, ClientError> {
        let mut all: Option<CoinsView> = None;
        for _ in 0..PAGES_MAX {
            let after = all.as_ref().and_then(|view| view.coins.last()).map(|coin: &CoinView| coin.outpoint.clone());
            let page = self.coins_page(&CoinsParams { locks: locks.to_vec(), limit: None, after }).await?;
            let view = match all.take() {
                Some(mut view) if view.tip == page.tip => {
                    view.coins.extend(page.coins);
                    view.spent_in_pool.extend(page.spent_in_pool);
                    view.more = page.more;
                    view
                }
                // The chain went on between two pages: what was read may be spent.
                Some(_) => continue,
                None => page,
            };
            if !view.more {
                return Ok(view);
            }
            all = Some(view);
        }
        Err(ClientError::Other(format!("{PAGES_MAX} pages of coins and no end; ask for fewer addresses")))
    }

    /// `history_list`: one page.
    ///
    /// # Errors
    /// As [`Client::request`].
    pub async fn history_page(&self, params: &HistoryParams) -> Result<HistoryView, ClientError> {
        self.request("history_list", params).await
    }

    /// `mempool_list`.
    ///
    /// # Errors
    /// As [`Client::request`].
    pub async fn mempool(&self) -> Result<MempoolView, ClientError> {
        self.request("mempool_list", &NoParams {}).await
    }

    /// `peers_list`.
    ///
    /// # Errors
    /// As [`Client::request`].
    pub async fn peers(&self) -> Result<Vec<PeerView>, ClientError> {
        self.request("peers_list", &NoParams {}).await
    }

    /// `dev_links`, at the present node.
    ///
    /// # Errors
    /// As [`Client::request`].
    pub async fn dev_links(&self, params: &DevLinksParams) -> Result<serde_json::Value, ClientError> {
        self.request_here("dev_links", params).await
    }

    /// `dev_note`, at the present node.
    ///
    /// # Errors
    /// As for every question.
    pub async fn dev_note(&self, params: &DevNoteParams) -> Result<serde_json::Value, ClientError> {
        self.request_here("dev_note", params).await
    }

    /// `dev_byzantine`, at the present node.
    ///
    /// # Errors
    /// As [`Client::request`].
    pub async fn dev_byzantine(&self, params: &DevByzantineParams) -> Result<serde_json::Value, ClientError> {
        self.request_here("dev_byzantine", params).await
    }

    /// `dev_mine`, at the present node.
    ///
    /// # Errors
    /// As [`Client::request`].
    pub async fn dev_mine(&self, params: &DevMineParams) -> Result<TipView, ClientError> {
        self.request_here("dev_mine", params).await
    }

    /// `chain_invalidate`, at the present node.
    ///
    /// # Errors
    /// As [`Client::request`].
    pub async fn invalidate(&self, params: &InstructParams) -> Result<TipView, ClientError> {
        self.request_here("chain_invalidate", params).await
    }

    /// `chain_reconsider`, at the present node.
    ///
    /// # Errors
    /// As [`Client::request`].
    pub async fn reconsider(&self, params: &InstructParams) -> Result<TipView, ClientError> {
        self.request_here("chain_reconsider", params).await
    }

    /// `dev_time`, at the present node.
    ///
    /// # Errors
    /// As [`Client::request`].
    pub async fn dev_time(&self, params: &DevTimeParams) -> Result<serde_json::Value, ClientError> {
        self.request_here("dev_time", params).await
    }

    /// `dev_hashrate`, at the present node.
    ///
    /// # Errors
    /// As [`Client::request`].
    pub async fn dev_hashrate(&self, params: &DevHashrateParams) -> Result<serde_json::Value, ClientError> {
        self.request_here("dev_hashrate", params).await
    }
}
