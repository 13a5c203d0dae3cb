//! Where the dashboard's facts come from: one task per node that connects, subscribes, forwards events, and connects again by
//! itself when the node has gone. A gap in a stream arrives as a gap and is followed by a snapshot; nothing polls.

use bezant_api::client::Client;
use bezant_api::event::{Event, EventKind};
use bezant_api::types::NodeStatus;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Messages that wait for the dashboard, at most; a node's task waits when there are more.
pub const FEED_MESSAGES_MAX: usize = 4_096;
/// Between two attempts to reach a node.
const RETRY: Duration = Duration::from_millis(500);
/// Between two looks at a node's status, at least; only blocks give reason to look.
const STATUS_INTERVAL: Duration = Duration::from_secs(2);

/// A node to be followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeTarget {
    /// Shown.
    pub name: String,
    /// URL of its RPC server.
    pub rpc: String,
}

/// Something about one node, by its index among the targets.
#[derive(Clone, Debug, PartialEq)]
pub enum FeedMessage {
    /// An event; a snapshot comes first on every connection.
    Event {
        /// Which node.
        node: usize,
        /// The event.
        event: Box<Event>,
    },
    /// How the node is now, for what no event tells: after a block under proof of work the hash rate, after the beginning of an
    /// epoch whether the node may vote.
    Status {
        /// Which node.
        node: usize,
        /// The status.
        status: Box<NodeStatus>,
    },
    /// The node does not answer.
    Down {
        /// Which node.
        node: usize,
        /// Why.
        reason: String,
    },
}

/// The merged stream of several nodes. Dropping it ends the tasks behind it.
#[derive(Debug)]
pub struct Feed {
    messages: mpsc::Receiver<FeedMessage>,
    tasks: tokio::task::JoinSet<()>,
}

impl Feed {
    /// Starts following `targets`.
    #[must_use]
    pub fn start(targets: &[NodeTarget]) -> Feed {
        let (sender, messages) = mpsc::channel(FEED_MESSAGES_MAX);
        let mut tasks = tokio::task::JoinSet::new();
        for (node, target) in targets.iter().enumerate() {
            tasks.spawn(follow(node, target.rpc.clone(), sender.clone()));
        }
        Feed { messages, tasks }
    }

    /// The next message; `None` only without targets.
    pub async fn next(&mut self) -> Option<FeedMessage> {
        self.messages.recv().await
    }

    /// A message that is here already.
    pub fn try_next(&mut self) -> Option<FeedMessage> {
        self.messages.try_recv().ok()
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

async fn follow(node: usize, rpc: String, sender: mpsc::Sender<FeedMessage>) {
    loop {
        let reason = match follow_once(node, &rpc, &sender).await {
            Ok(()) => "the connection ended".to_owned(),
            Err(reason) => reason,
        };
        if sender.send(FeedMessage::Down { node, reason }).await.is_err() {
            return;
        }
        tokio::time::sleep(RETRY).await;
    }
}

async fn follow_once(node: usize, rpc: &str, sender: &mpsc::Sender<FeedMessage>) -> Result<(), String> {
    let client = Client::of_one(rpc).map_err(|error| error.to_string())?;
    let mut events = client.events(None).await.map_err(|error| error.to_string())?;
    let mut asked: Option<Instant> = None;
    while let Some(event) = events.next().await {
        let begins_epoch = matches!(event.kind, EventKind::Epoch { .. });
        let has_news = matches!(event.kind, EventKind::Block { .. })
            && asked.is_none_or(|asked: Instant| asked.elapsed() > STATUS_INTERVAL);
        if sender.send(FeedMessage::Event { node, event: Box::new(event) }).await.is_err() {
            return Ok(());
        }
        if has_news || begins_epoch {
            asked = Some(Instant::now());
            let status = client.status().await.map_err(|error| error.to_string())?;
            if (begins_epoch || status.pow.is_some())
                && sender.send(FeedMessage::Status { node, status: Box::new(status) }).await.is_err()
            {
                return Ok(());
            }
        }
    }
    Ok(())
}
