//! Sending what is due, whatever became of what was sent before.
//!
//! Every [`TICK`] all that has become due goes out as one request to one node, the next tick's to the next node. How late that makes a transfer
//! is part of its latency, since its clock runs from when it was due.

use super::book::{Book, Final, Sent};
use super::series::Recorder;
use super::sign::{Ready, ShortId, Transfers};
use super::usage::{self, Usage};
use super::{Latency, LoadReport, Loaded, Node, PROGRESS_INTERVAL, Progress, Told, follow};
use crate::net::error::NetError;
use bezant_api::client::{Client, ClientError};
use bezant_api::fault::{FaultKind, FaultState};
use bezant_api::types::{SUBMIT_MANY_MAX, Submission};
use hdrhistogram::Histogram;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Between two requests, at least, but for what does not fit into one.
const TICK: Duration = Duration::from_millis(5);
/// Transfers of one request.
const BATCH_MAX: usize = 128;
/// Requests under way at one node; more wait, the clocks of their transfers running.
const OUTSTANDING_MAX: usize = 16;
/// Transfers under way or waiting because nodes are slow; what is due beyond that counts as refused.
const BACKLOG_MAX: usize = 50_000;
/// How long after its last submission a run waits for what is not final yet.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(20);

const _: () = assert!(BATCH_MAX <= SUBMIT_MANY_MAX);

/// What all tasks of a run share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) book: Mutex<Book>,
    /// Told whenever a node says something of finality.
    pub(super) news: Notify,
    refused: Mutex<BTreeMap<String, u64>>,
    recorder: Mutex<Recorder>,
    under_way: AtomicUsize,
    start: Instant,
}

pub(super) fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no holder panics")
}

impl Shared {
    fn refuse(&self, kind: &str, count: u64) {
        *held(&self.refused).entry(kind.to_owned()).or_default() += count;
    }

    fn progress(&self, wanted: u64, due: u64) -> Progress {
        let waiting = held(&self.book).unfinished();
        Progress { wanted, due, waiting, refused: held(&self.refused).values().sum() }
    }

    pub(super) fn mark(&self, node: usize, state: FaultState, kind: FaultKind, what: String) {
        held(&self.recorder).mark(self.start.elapsed(), node, state, kind, what);
    }

    pub(super) fn are_final(&self, finals: Vec<Final>) {
        let mut recorder = held(&self.recorder);
        for (at, latency) in finals {
            recorder.is_final(at.saturating_duration_since(self.start), latency);
        }
    }
}

/// How much, how fast, how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) rate: f64,
    pub(super) duration: Duration,
    /// Seconds that were spent before.
    pub(super) prepared_s: f64,
}

/// Runs a load of these transfers, as many as the plan wants, and takes no more of them.
pub(super) async fn run(
    nodes: &[Node],
    pids: Vec<(usize, u32)>,
    transfers: &mut Transfers,
    plan: Plan,
    told: &Told,
) -> Result<Loaded, NetError> {
    let start = Instant::now() + Duration::from_millis(50);
    let end = start + plan.duration;
    let shared = Arc::new(Shared {
        book: Mutex::new(Book::new(nodes.len(), end)),
        news: Notify::new(),
        refused: Mutex::default(),
        recorder: Mutex::new(Recorder::new(plan.duration)),
        under_way: AtomicUsize::new(0),
        start,
    });
    // Ended when they are dropped.
    let mut followers = JoinSet::new();
    for (place, node) in nodes.iter().enumerate() {
        followers.spawn(follow::events(node.clone(), shared.clone(), place));
    }
    let reader = Client::new(nodes.iter().map(|node| node.client.url()));
    let reader = reader.map_err(|error| NetError::Refused(error.to_string()))?;
    let base = nodes.iter().map(|node| node.final_height).min().unwrap_or(0);
    followers.spawn(follow::blocks(reader, shared.clone(), base));
    let watching = tokio::spawn(usage::watch(pids, start, end));
    let offered = send(nodes, &shared, transfers, plan, told).await?;
    let all_final = async || {
        let progress = shared.progress(offered, offered);
        told(progress);
        progress.waiting == 0
    };
    crate::net::client::until(DRAIN_TIMEOUT, all_final).await;
    // Those that were aborted hold it until they are gone.
    followers.shutdown().await;
    let usage = watching.await.map_err(|error| NetError::Refused(format!("the nodes were not watched: {error}")))?;
    let report = report(&shared, offered, plan, usage);
    let series = std::mem::replace(&mut *held(&shared.recorder), Recorder::new(plan.duration)).finish();
    Ok(Loaded { report, series })
}

/// Sends what is due; returns how many were due once all were answered.
async fn send(
    nodes: &[Node],
    shared: &Arc<Shared>,
    transfers: &mut Transfers,
    plan: Plan,
    told: &Told,
) -> Result<u64, NetError> {
    let slots: Vec<Arc<Semaphore>> = nodes.iter().map(|_| Arc::new(Semaphore::new(OUTSTANDING_MAX))).collect();
    let count = super::count_of(plan.rate, plan.duration);
    let due = |position: u64| Duration::from_secs_f64(position as f64 / plan.rate);
    let mut sending = JoinSet::new();
    let (mut position, mut place) = (0, 0);
    let (mut tick, mut told_at) = (shared.start, shared.start);
    'all: while position < count {
        tick = tick.max(shared.start + due(position));
        while told_at + PROGRESS_INTERVAL < tick {
            told_at += PROGRESS_INTERVAL;
            tokio::time::sleep_until(told_at).await;
            told(shared.progress(count, position));
        }
        tokio::time::sleep_until(tick).await;
        let now = Instant::now().saturating_duration_since(shared.start);
        let mut batch = Vec::new();
        while batch.len() < BATCH_MAX && position < count && due(position) <= now {
            let Some(ready) = transfers.next().await? else { break 'all };
            batch.push((due(position), ready));
            position += 1;
        }
        let is_all = batch.len() < BATCH_MAX;
        if is_all {
            tick += TICK;
        }
        while sending.try_join_next().is_some() {}
        if let Some(batch) = enter(shared, batch, place) {
            sending.spawn(submit(nodes[place].client.clone(), slots[place].clone(), shared.clone(), batch));
        }
        place = (place + 1) % nodes.len();
    }
    while sending.join_next().await.is_some() {}
    Ok(position)
}

/// Books what is about to be sent to a node; `None` when it is not sent.
fn enter(shared: &Shared, batch: Vec<(Duration, Ready)>, place: usize) -> Option<Vec<Ready>> {
    let mut recorder = held(&shared.recorder);
    batch.iter().for_each(|(due, _)| recorder.due(*due));
    drop(recorder);
    if batch.is_empty() {
        return None;
    }
    if shared.under_way.load(Ordering::Relaxed) + batch.len() > BACKLOG_MAX {
        shared.refuse("backlog", batch.len() as u64);
        return None;
    }
    shared.under_way.fetch_add(batch.len(), Ordering::Relaxed);
    let mut book = held(&shared.book);
    let entered = batch.into_iter().map(|(due, ready)| {
        book.sent(ready.id, Sent { due: shared.start + due, place });
        ready
    });
    Some(entered.collect())
}

async fn submit(client: Arc<Client>, slots: Arc<Semaphore>, shared: Arc<Shared>, batch: Vec<Ready>) {
    let _slot = slots.acquire().await.expect("the semaphore is never closed");
    let ids: Vec<ShortId> = batch.iter().map(|ready| ready.id).collect();
    let transactions: Vec<String> = batch.into_iter().map(|ready| hex::encode(ready.bytes)).collect();
    match client.submit_many(transactions).await {
        Ok(answer) => {
            for (id, result) in ids.iter().zip(answer.results) {
                if let Submission::Refused { refusal } = result {
                    held(&shared.book).refused(*id);
                    shared.refuse(&refusal.kind, 1);
                }
            }
        }
        Err(error) => {
            let mut book = held(&shared.book);
            ids.iter().for_each(|id| book.refused(*id));
            shared.refuse(refusal_kind(&error), ids.len() as u64);
        }
    }
    shared.under_way.fetch_sub(ids.len(), Ordering::Relaxed);
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

fn report(shared: &Shared, offered: u64, plan: Plan, usage: Usage) -> LoadReport {
    let book = held(&shared.book);
    let refused = held(&shared.refused).clone();
    let accepted = offered - refused.values().sum::<u64>();
    let seconds = plan.duration.as_secs_f64();
    LoadReport {
        offered_per_second: offered as f64 / seconds,
        accepted_per_second: accepted as f64 / seconds,
        final_per_second: book.inside() as f64 / seconds,
        latency_ms: Latency::of(book.latencies()),
        refused,
        prepared_s: plan.prepared_s,
        unfinished: book.unfinished(),
        usage: usage.over(book.inside()),
    }
}

impl Latency {
    /// Of a histogram of microseconds.
    pub(super) fn of(micros: &Histogram<u64>) -> Latency {
        let at = |quantile| if micros.is_empty() { 0.0 } else { micros.value_at_quantile(quantile) as f64 / 1e3 };
        Latency { p50: at(0.5), p95: at(0.95), p99: at(0.99), max: micros.max() as f64 / 1e3 }
    }
}
