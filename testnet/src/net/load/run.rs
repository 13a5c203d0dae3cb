//! Sending what is due, whatever became of what was sent before, and following what becomes final.

use super::series::{Recorder, record};
use super::sign::Signed;
use super::{Latency, LoadOptions, LoadReport, Loaded, Node, PROGRESS_INTERVAL, Progress, Told};
use crate::net::error::NetError;
use bezant_api::client::{Client, ClientError};
use bezant_api::event::{Event, EventKind};
use bezant_api::fault::{FaultKind, FaultState};
use bezant_api::types::BlockRef;
use bezant_consensus::ledger::hash::TxId;
use hdrhistogram::Histogram;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// Submissions under way at one node, below the connections that a node takes; more wait, their clocks running.
const OUTSTANDING_MAX: usize = 100;
/// Submissions that wait because nodes are slow; what is due beyond that counts as refused.
const BACKLOG_MAX: usize = 50_000;
/// How long after its last submission a run waits for what is not final yet.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(20);
/// Between two tries to follow a node that is away.
const AGAIN_INTERVAL: Duration = Duration::from_millis(200);

/// What is known of the transfers of one node.
struct Book {
    /// When each transfer that was sent and is not final yet was due.
    waiting: HashMap<TxId, Instant>,
    latencies: Histogram<u64>,
    /// Finals inside the window.
    inside: u64,
}

struct Shared {
    books: Vec<Mutex<Book>>,
    refused: Mutex<BTreeMap<String, u64>>,
    recorder: Mutex<Recorder>,
    start: Instant,
    window_end: Instant,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no holder panics")
}

impl Shared {
    fn refuse(&self, kind: &str) {
        *held(&self.refused).entry(kind.to_owned()).or_default() += 1;
    }

    fn progress(&self, wanted: u64, due: u64) -> Progress {
        let waiting = self.books.iter().map(|book| held(book).waiting.len() as u64).sum();
        Progress { wanted, due, waiting, refused: held(&self.refused).values().sum() }
    }

    fn mark(&self, node: usize, state: FaultState, kind: FaultKind, what: String) {
        held(&self.recorder).mark(self.start.elapsed(), node, state, kind, what);
    }
}

/// What is known before the first transfer is due.
#[derive(Clone, Copy, Debug)]
pub(super) struct Preparation {
    /// Transfers of the run.
    pub(super) offered: u64,
    /// As in [`LoadReport::prepared_s`].
    pub(super) prepared_s: f64,
}

pub(super) async fn run(
    nodes: Vec<Node>,
    mut signed: Signed,
    options: LoadOptions,
    Preparation { offered, prepared_s }: Preparation,
    told: Told<'_>,
) -> Result<Loaded, NetError> {
    let start = Instant::now() + Duration::from_millis(50);
    let book =
        || Book { waiting: HashMap::new(), latencies: Histogram::new(3).expect("three digits are allowed"), inside: 0 };
    let shared = Arc::new(Shared {
        books: nodes.iter().map(|_| Mutex::new(book())).collect(),
        refused: Mutex::default(),
        recorder: Mutex::new(Recorder::new(options.duration)),
        start,
        window_end: start + options.duration,
    });
    let follow = |(place, node): (usize, &Node)| tokio::spawn(follow(node.clone(), shared.clone(), place));
    let followers: Vec<_> = nodes.iter().enumerate().map(follow).collect();
    let slots: Vec<Arc<Semaphore>> = nodes.iter().map(|_| Arc::new(Semaphore::new(OUTSTANDING_MAX))).collect();
    let mut sending = tokio::task::JoinSet::new();
    let (mut position, mut told_at) = (0_u64, Instant::now());
    while let Some((txid, transaction)) = signed.next().await {
        let place = usize::try_from(position % nodes.len() as u64).expect("it is below the number of nodes");
        let after = Duration::from_secs_f64(position as f64 / options.rate);
        position += 1;
        while told_at + PROGRESS_INTERVAL < start + after {
            tokio::time::sleep_until(told_at + PROGRESS_INTERVAL).await;
            told(shared.progress(offered, position));
            told_at = Instant::now();
        }
        tokio::time::sleep_until(start + after).await;
        held(&shared.recorder).due(after);
        while sending.try_join_next().is_some() {}
        if sending.len() >= BACKLOG_MAX {
            shared.refuse("backlog");
            continue;
        }
        // Entered before it is sent, so that no finality is missed.
        held(&shared.books[place]).waiting.insert(txid, start + after);
        let (client, slots, shared) = (nodes[place].client.clone(), slots[place].clone(), shared.clone());
        sending.spawn(async move {
            let _slot = slots.acquire().await.expect("the semaphore is never closed");
            if let Err(error) = client.submit(transaction).await {
                held(&shared.books[place]).waiting.remove(&txid);
                shared.refuse(refusal_kind(&error));
            }
        });
    }
    while sending.join_next().await.is_some() {}
    let all_final = async || {
        let progress = shared.progress(offered, position);
        told(progress);
        progress.waiting == 0
    };
    crate::net::client::until(DRAIN_TIMEOUT, all_final).await;
    for follower in &followers {
        follower.abort();
    }
    // Those that were aborted hold it until they are gone.
    for follower in followers {
        let _ = follower.await;
    }
    let report = report(&shared, offered, options, prepared_s);
    let empty = Recorder::new(options.duration);
    let series = std::mem::replace(&mut *held(&shared.recorder), empty).finish();
    Ok(Loaded { report, series })
}

fn refusal_kind(error: &ClientError) -> &str {
    match error {
        ClientError::Unreachable(_) => "unreachable",
        ClientError::Busy(_) => "busy",
        ClientError::Refused { kind, .. } => kind,
        ClientError::NotFound(_) => "not-found",
        ClientError::Other(_) => "other",
    }
}

/// Follows a node's events and books what becomes final there; also after it was away.
async fn follow(node: Node, shared: Arc<Shared>, place: usize) {
    let mut next = None;
    let mut is_away = false;
    loop {
        if let Ok(mut events) = node.client.events(None).await {
            if std::mem::replace(&mut is_away, false) {
                shared.mark(node.index, FaultState::End, FaultKind::Process, "away".to_owned());
            }
            while let Some(event) = events.next().await {
                heard(event, &node, &shared, place, &mut next).await;
            }
        }
        if !std::mem::replace(&mut is_away, true) {
            shared.mark(node.index, FaultState::Begin, FaultKind::Process, "away".to_owned());
        }
        tokio::time::sleep(AGAIN_INTERVAL).await;
    }
}

async fn heard(event: Event, node: &Node, shared: &Shared, place: usize, next: &mut Option<u64>) {
    let now = Instant::now();
    let final_height = match event.kind {
        EventKind::Snapshot { status } => status.final_height,
        EventKind::Block { final_height, .. } => final_height,
        EventKind::Fault { state, kind, what, .. } => return shared.mark(node.index, state, kind, what),
        _ => return,
    };
    let first = *next.get_or_insert(final_height + 1);
    for height in first..=final_height {
        let Ok(txids) = final_at(&node.client, height).await else { return };
        let mut finals = Vec::new();
        {
            let mut book = held(&shared.books[place]);
            for txid in txids {
                if let Some(due) = book.waiting.remove(&txid) {
                    let latency = now.saturating_duration_since(due);
                    record(&mut book.latencies, latency);
                    book.inside += u64::from(now <= shared.window_end);
                    finals.push(latency);
                }
            }
        }
        let mut recorder = held(&shared.recorder);
        let at = now.saturating_duration_since(shared.start);
        finals.into_iter().for_each(|latency| recorder.is_final(at, latency));
        *next = Some(height + 1);
    }
}

async fn final_at(client: &Client, height: u64) -> Result<Vec<TxId>, ClientError> {
    let block = client.block(BlockRef::Height(height)).await?;
    Ok(block.txids.iter().filter_map(|txid| txid.parse().ok()).collect())
}

fn report(shared: &Shared, offered: u64, options: LoadOptions, prepared_s: f64) -> LoadReport {
    let mut all: Histogram<u64> = Histogram::new(3).expect("three digits are allowed");
    let (mut inside, mut unfinished) = (0, 0);
    for book in &shared.books {
        let book = held(book);
        inside += book.inside;
        unfinished += book.waiting.len() as u64;
        all.add(&book.latencies).expect("both grow, and have as many digits");
    }
    let refused = held(&shared.refused).clone();
    let accepted = offered - refused.values().sum::<u64>();
    let seconds = options.duration.as_secs_f64();
    let at = |quantile: f64| if all.is_empty() { 0.0 } else { all.value_at_quantile(quantile) as f64 / 1e3 };
    LoadReport {
        offered_per_second: offered as f64 / seconds,
        accepted_per_second: accepted as f64 / seconds,
        final_per_second: inside as f64 / seconds,
        latency_ms: Latency { p50: at(0.5), p95: at(0.95), p99: at(0.99), max: all.max() as f64 / 1e3 },
        refused,
        prepared_s,
        unfinished,
    }
}
