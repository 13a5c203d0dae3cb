//! What RPC may ask of a running node. A handle is cheap to clone; questions about stored data go straight to read-only
//! database connections, all others over one bounded channel to the runtime. Nothing here waits in an unbounded queue: a node
//! with too much to do says [`AskError::Busy`].

use crate::events::{EventStream, Start};
use crate::metrics::{Kind, Metrics};
use bezant_api::types::{
    BlockRef, BlockView, CoinsView, CommitmentView, GenesisView, HistoryView, MempoolView, NodeStatus, PeerView,
    SubmitResult, TipView, TransactionView, TxStatus,
};
use bezant_consensus::ledger::genesis::Genesis;
use bezant_consensus::ledger::hash::{LockHash, TxId};
use bezant_consensus::ledger::rules::TxError;
use bezant_consensus::ledger::transaction::{OutPoint, Transaction};
use bezant_consensus::verify::Verified;
use bezant_node_core::io::{Admitted, Refusal};
use libp2p::PeerId;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Why a question has no answer. `kind()` is stable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// Too much is being asked at once.
    #[error("the node has too much to do; try again in a moment")]
    Busy,
    /// The node is stopping.
    #[error("the node is stopping; ask another one")]
    Stopped,
    /// The question is beyond a limit, or makes no sense here.
    #[error("{0}")]
    Invalid(String),
    /// The transaction was refused; nothing was sent.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The database does not answer.
    #[error("the database cannot be read: {0}; see the node's log")]
    Storage(String),
}

impl AskError {
    /// A stable name for programs.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            AskError::Busy => "busy",
            AskError::Stopped => "stopping",
            AskError::Invalid(_) => "invalid-params",
            AskError::Refused(refusal) => refusal.kind(),
            AskError::Storage(_) => "storage",
        }
    }
}

/// A question to the runtime, with where the answer goes.
#[derive(Debug)]
pub(crate) enum Request {
    Submit { transaction: Verified<Transaction>, reply: oneshot::Sender<Result<Admitted, Refusal>> },
    Check { transaction: Verified<Transaction>, reply: oneshot::Sender<Result<(), Refusal>> },
    Status { reply: oneshot::Sender<NodeStatus> },
    Subscribe { from: Option<u64>, reply: oneshot::Sender<Start> },
    DevLinks { cut: Vec<PeerId>, reply: oneshot::Sender<()> },
    DevMine { count: u32, reply: oneshot::Sender<TipView> },
    DevHashrate { hashes_per_second: u64, reply: oneshot::Sender<()> },
    DevAdvance { ms: u64, reply: oneshot::Sender<()> },
}

/// Whether the node does its work: `/health` and `/ready`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    /// The runtime answers within a second.
    pub healthy: bool,
    /// It also has a peer or needs none, and is not far behind what its peers claim.
    pub ready: bool,
}

/// The door to a running node.
#[derive(Clone, Debug)]
pub struct NodeHandle(Arc<Shared>);

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) requests: mpsc::Sender<Request>,
    pub(crate) genesis: Arc<Genesis>,
    pub(crate) genesis_toml: String,
    pub(crate) metrics: Arc<Metrics>,
}

impl NodeHandle {
    pub(crate) fn new(shared: Shared) -> NodeHandle {
        NodeHandle(Arc::new(shared))
    }

    async fn ask<T>(
        &self,
        kind: &'static str,
        question: impl FnOnce(oneshot::Sender<T>) -> Request,
    ) -> Result<T, AskError> {
        self.0.metrics.requests.get_or_create(&Kind { kind }).inc();
        let (reply, answer) = oneshot::channel();
        self.0.requests.try_send(question(reply)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                self.0.metrics.requests_busy.inc();
                AskError::Busy
            }
            mpsc::error::TrySendError::Closed(_) => AskError::Stopped,
        })?;
        answer.await.map_err(|_| AskError::Stopped)
    }

    /// The figures, for `/metrics`.
    #[must_use]
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.0.metrics
    }

    /// The genesis of the net.
    #[must_use]
    pub fn genesis(&self) -> &Arc<Genesis> {
        &self.0.genesis
    }

    /// `chain_genesis`.
    #[must_use]
    pub fn genesis_view(&self) -> GenesisView {
        GenesisView { toml: self.0.genesis_toml.clone(), network_id: self.0.genesis.network_id().to_string() }
    }

    /// `node_status`.
    ///
    /// # Errors
    /// Busy or stopping.
    pub async fn status(&self) -> Result<NodeStatus, AskError> {
        self.ask("status", |reply| Request::Status { reply }).await
    }

    /// `chain_tip`.
    ///
    /// # Errors
    /// Busy or stopping.
    pub async fn tip(&self) -> Result<TipView, AskError> {
        let status = self.status().await?;
        Ok(TipView { height: status.height, id: status.tip, final_height: status.final_height })
    }

    /// A subscription to events: from event number `from` as far as held, or from now on.
    ///
    /// # Errors
    /// Busy or stopping.
    pub async fn subscribe(&self, from: Option<u64>) -> Result<EventStream, AskError> {
        EventStream::open(self.clone(), from).await
    }

    pub(crate) async fn subscription(&self, from: Option<u64>) -> Result<Start, AskError> {
        self.ask("subscribe", |reply| Request::Subscribe { from, reply }).await
    }
}
