//! Figures for Prometheus.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use std::sync::atomic::AtomicU64;

/// The kind of a message or event, by its stable name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Kind {
    /// The name.
    pub kind: &'static str,
}

/// All figures of one node. Updated from any task.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Height of the tip.
    pub height: Gauge,
    /// Up to this height blocks are final.
    pub final_height: Gauge,
    /// Connected peers.
    pub peers: Gauge,
    /// Transactions in the mempool.
    pub mempool_transactions: Gauge,
    /// Bytes in the mempool.
    pub mempool_bytes: Gauge,
    /// PBFT: the view.
    pub view: Gauge,
    /// Messages received, by kind.
    pub messages_in: Family<Kind, Counter>,
    /// Messages sent, by kind.
    pub messages_out: Family<Kind, Counter>,
    /// Messages thrown away because a queue was full, by kind.
    pub messages_dropped: Family<Kind, Counter>,
    /// Messages that verification refused, by kind.
    pub messages_refused: Family<Kind, Counter>,
    /// Bytes received from peers.
    pub bytes_in: Counter,
    /// Bytes sent to peers.
    pub bytes_out: Counter,
    /// PBFT: votes counted, by kind.
    pub votes: Family<Kind, Counter>,
    /// Transactions connected, coinbases apart.
    pub transactions: Counter,
    /// Blocks disconnected by reorgs.
    pub blocks_disconnected: Counter,
    /// Requests of users, by method.
    pub requests: Family<Kind, Counter>,
    /// Requests of users turned away because the node was busy.
    pub requests_busy: Counter,
    /// Time that a commit of facts took until it was durable, seconds.
    pub commit_seconds: Histogram,
    /// Records in one commit of facts.
    pub commit_records: Histogram,
    /// Time that a flush of the state took, seconds.
    pub flush_seconds: Histogram,
    /// Time that verifying one batch of messages took, seconds.
    pub verify_seconds: Histogram,
    /// Proof of work: own hashes per second.
    pub hashes_per_second: Gauge<f64, AtomicU64>,
    /// Connections of miners that speak Stratum.
    pub stratum_connections: Gauge,
    /// Their shares: `accepted`, or why not.
    pub stratum_shares: Family<Kind, Counter>,
    /// Blocks that they found and that became the tip.
    pub stratum_blocks: Counter,
    /// Their connections that were cut off or turned away, by reason.
    pub stratum_cut_off: Family<Kind, Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        Metrics::new()
    }
}

impl Metrics {
    /// All figures at zero.
    #[must_use]
    pub fn new() -> Metrics {
        let times = || Histogram::new(exponential_buckets(0.000_05, 2.0, 18));
        let mut metrics = Metrics {
            registry: Registry::with_prefix("bezant"),
            height: Gauge::default(),
            final_height: Gauge::default(),
            peers: Gauge::default(),
            mempool_transactions: Gauge::default(),
            mempool_bytes: Gauge::default(),
            view: Gauge::default(),
            messages_in: Family::default(),
            messages_out: Family::default(),
            messages_dropped: Family::default(),
            messages_refused: Family::default(),
            bytes_in: Counter::default(),
            bytes_out: Counter::default(),
            votes: Family::default(),
            transactions: Counter::default(),
            blocks_disconnected: Counter::default(),
            requests: Family::default(),
            requests_busy: Counter::default(),
            commit_seconds: times(),
            commit_records: Histogram::new(exponential_buckets(1.0, 2.0, 10)),
            flush_seconds: times(),
            verify_seconds: times(),
            hashes_per_second: Gauge::default(),
            stratum_connections: Gauge::default(),
            stratum_shares: Family::default(),
            stratum_blocks: Counter::default(),
            stratum_cut_off: Family::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("height", "Height of the tip", self.height.clone());
        registry.register("final_height", "Up to this height blocks are final", self.final_height.clone());
        registry.register("peers", "Connected peers", self.peers.clone());
        registry.register("mempool_transactions", "Transactions in the mempool", self.mempool_transactions.clone());
        registry.register("mempool_bytes", "Bytes in the mempool", self.mempool_bytes.clone());
        registry.register("view", "PBFT view", self.view.clone());
        registry.register("messages_in", "Messages received", self.messages_in.clone());
        registry.register("messages_out", "Messages sent", self.messages_out.clone());
        registry.register("messages_dropped", "Messages dropped at a full queue", self.messages_dropped.clone());
        registry.register("messages_refused", "Messages refused by verification", self.messages_refused.clone());
        registry.register("bytes_in", "Bytes received from peers", self.bytes_in.clone());
        registry.register("bytes_out", "Bytes sent to peers", self.bytes_out.clone());
        registry.register("votes", "PBFT votes counted", self.votes.clone());
        registry.register("transactions", "Transactions connected", self.transactions.clone());
        registry.register("blocks_disconnected", "Blocks that left by reorgs", self.blocks_disconnected.clone());
        registry.register("requests", "Requests of users", self.requests.clone());
        registry.register("requests_busy", "Requests turned away while busy", self.requests_busy.clone());
        registry.register("commit_seconds", "Time until a commit was durable", self.commit_seconds.clone());
        registry.register("commit_records", "Records in one commit", self.commit_records.clone());
        registry.register("flush_seconds", "Time that a flush of the state took", self.flush_seconds.clone());
        registry.register(
            "verify_seconds",
            "Time that verifying a batch of messages took",
            self.verify_seconds.clone(),
        );
        registry.register("hashes_per_second", "Own hash rate", self.hashes_per_second.clone());
        registry.register("stratum_connections", "Connected miners", self.stratum_connections.clone());
        registry.register("stratum_shares", "Shares of miners, by outcome", self.stratum_shares.clone());
        registry.register("stratum_blocks", "Blocks found by miners", self.stratum_blocks.clone());
        registry.register("stratum_cut_off", "Miners cut off or turned away", self.stratum_cut_off.clone());
    }

    /// The text that Prometheus reads (OpenMetrics).
    ///
    /// # Panics
    /// Never: writing to memory does not fail.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).expect("writing to memory does not fail");
        text
    }
}
