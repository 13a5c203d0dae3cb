//! Where the dashboard's facts come from: one task per node that connects, subscribes, forwards events, and connects again by
//! itself when the node has gone. A gap in a stream arrives as a gap and is followed by a snapshot.
//!
//! Events tell that something changed. What none of them carries (when a timer ends, the hash rate) is asked for once after events
//! have come, at most every [`STATUS_INTERVAL`]; on an idle net nothing is asked. Peers are asked for once at the beginning, so that it
//! is known who reaches whom; round trips change without an event, so they are asked for again while somebody looks at them.

use bezant_api::client::Client;
use bezant_api::trace::{Back, Entry, Fact};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// Messages that wait for the dashboard, at most; a node's task waits when there are more.
pub const FEED_MESSAGES_MAX: usize = 4_096;
/// Between two attempts to reach a node.
const RETRY: Duration = Duration::from_millis(500);
/// From an event to the question how the node is now: what comes together is asked about once.
const SETTLE: Duration = Duration::from_millis(250);
/// Between two looks at a node's status, at least.
const STATUS_INTERVAL: Duration = Duration::from_secs(1);
/// Between two looks at a node's peers, while somebody looks at them.
const PEERS_INTERVAL: Duration = Duration::from_secs(5);

/// A node to be followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeTarget {
    /// Shown.
    pub name: String,
    /// URL of its RPC server.
    pub rpc: String,
}

/// What is wanted beside events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// The peers of every node, again and again.
    pub peers: bool,
    /// Where this transaction is on every node, after each change.
    pub transaction: Option<String>,
}

/// The merged stream of several nodes. Dropping it ends the tasks behind it.
#[derive(Debug)]
pub struct Feed {
    entries: mpsc::Receiver<Entry>,
    wants: watch::Sender<Wants>,
    tasks: tokio::task::JoinSet<()>,
}

impl Feed {
    /// Starts following `targets`.
    #[must_use]
    pub fn start(targets: &[NodeTarget]) -> Feed {
        let (sender, entries) = mpsc::channel(FEED_MESSAGES_MAX);
        let (wants, wanted) = watch::channel(Wants::default());
        let mut tasks = tokio::task::JoinSet::new();
        for (node, target) in targets.iter().enumerate() {
            let link = Link { node, rpc: target.rpc.clone(), sender: sender.clone(), wanted: wanted.clone() };
            tasks.spawn(link.follow());
        }
        Feed { entries, wants, tasks }
    }

    /// The next entry; `None` only without targets.
    pub async fn next(&mut self) -> Option<Entry> {
        self.entries.recv().await
    }

    /// The next entry, for whoever waits for several feeds.
    pub(crate) fn poll_next(&mut self, context: &mut std::task::Context<'_>) -> std::task::Poll<Option<Entry>> {
        self.entries.poll_recv(context)
    }

    /// An entry that is here already.
    pub fn try_next(&mut self) -> Option<Entry> {
        self.entries.try_recv().ok()
    }

    /// Says what is wanted beside events from now on.
    pub fn want(&self, wants: Wants) {
        self.wants.send_if_modified(|now| {
            let is_new = *now != wants;
            *now = wants;
            is_new
        });
    }

    #[cfg(test)]
    pub(crate) fn wanted(&self) -> Wants {
        self.wants.borrow().clone()
    }

    /// How many nodes are followed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether no node is followed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }
}

/// The dashboard does not listen any more.
struct Unheard;

struct Link {
    node: usize,
    rpc: String,
    sender: mpsc::Sender<Entry>,
    wanted: watch::Receiver<Wants>,
}

impl Link {
    async fn tell(&self, fact: Fact) -> Result<(), Unheard> {
        let entry = Entry { at_ms: crate::now_ms(), node: self.node, fact };
        self.sender.send(entry).await.map_err(|_| Unheard)
    }

    async fn follow(mut self) {
        loop {
            let reason = match self.follow_once().await {
                Ok(()) => "the connection ended".to_owned(),
                Err(Some(reason)) => reason,
                Err(None) => return,
            };
            if self.tell(Fact::Lost(reason)).await.is_err() {
                return;
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// One connection. `Err(None)` when nobody listens any more, otherwise why it could not be had or went on.
    async fn follow_once(&mut self) -> Result<(), Option<String>> {
        let failed = |error: bezant_api::client::ClientError| Some(error.to_string());
        let client = Client::of_one(&self.rpc).map_err(failed)?;
        let mut events = client.events(None).await.map_err(failed)?;
        self.tell(Fact::Back(Back {})).await.map_err(|_| None)?;
        let mut asked = Instant::now();
        let (mut status_due, mut peers_due) = (None, Some(Instant::now() + SETTLE));
        loop {
            tokio::select! {
                event = events.next() => {
                    let Some(event) = event else { return Ok(()) };
                    self.tell(Fact::Event(Box::new(event))).await.map_err(|_| None)?;
                    status_due = status_due.or_else(|| Some((asked + STATUS_INTERVAL).max(Instant::now() + SETTLE)));
                }
                () = until(status_due) => {
                    (asked, status_due) = (Instant::now(), None);
                    let status = client.status().await.map_err(failed)?;
                    self.tell(Fact::Status(Box::new(status))).await.map_err(|_| None)?;
                    let transaction = self.wanted.borrow().transaction.clone();
                    if let Some(txid) = transaction
                        && let Ok(status) = client.tx_status(&txid).await
                    {
                        self.tell(Fact::Transaction(status)).await.map_err(|_| None)?;
                    }
                }
                () = until(peers_due) => {
                    let peers = client.peers().await.map_err(failed)?;
                    self.tell(Fact::Peers(peers)).await.map_err(|_| None)?;
                    peers_due = self.wanted.borrow().peers.then(|| Instant::now() + PEERS_INTERVAL);
                }
                changed = self.wanted.changed() => {
                    changed.map_err(|_| None)?;
                    let wants = self.wanted.borrow_and_update().clone();
                    peers_due = if wants.peers { Some(Instant::now()) } else { peers_due };
                    status_due = status_due.or_else(|| wants.transaction.map(|_| Instant::now()));
                }
            }
        }
    }
}

/// Sleeps until then; for ever without a time.
async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
