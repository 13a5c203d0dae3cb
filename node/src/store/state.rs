//! The state, written behind by a thread of its own: many chain updates in one transaction.

use super::changes::Changes;
use super::error::StoreError;
use super::log::{self, IsLong};
use super::rows::{meta_number, put_meta, sql};
use super::runs::{self, Catalog, Kind, Merging, SharedCatalog};
use super::schema;
use super::snapshot::{self, Totals};
use crate::limits::UNFLUSHED_TRANSACTIONS_MAX;
use crate::metrics::Metrics;
use bezant_consensus::chain::snapshot::SnapshotStep;
use bezant_consensus::chain::{ChainUpdate, Link, Tip};
use bezant_consensus::ledger::codec::encode;
use bezant_consensus::ledger::commitment::Buckets;
use bezant_consensus::ledger::units::Height;
use rusqlite::{Connection, TransactionBehavior, params};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::{oneshot, watch};

/// An update waits at most so long for others to share its transaction ...
const FLUSH_AFTER: Duration = Duration::from_millis(200);
/// ... unless there are so many transactions by then that more are worth waiting for ...
const BUSY_TRANSACTIONS: usize = 500;
/// ... until there are enough ...
const FLUSH_TRANSACTIONS: usize = 10_000;
/// ... or so long.
const FLUSH_AFTER_BUSY: Duration = Duration::from_millis(2_000);
/// Time after which the write-ahead logs are copied into the files.
const CHECKPOINT_AFTER: Duration = Duration::from_secs(2);

/// How far the state on disk is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flushed {
    /// Number of the last chain update that is durable.
    pub sequence: u64,
    /// Up to this height blocks are final there.
    pub final_height: Height,
    /// The last switch to a snapshot, and what there was after it.
    pub switched: Option<Totals>,
    /// Why nothing will be flushed any more.
    pub failed: Option<StoreError>,
}

#[derive(Debug)]
enum Job {
    Update(Box<ChainUpdate>),
    Snapshot(Box<SnapshotStep>),
    Flush(oneshot::Sender<Result<(), StoreError>>),
    Stop,
}

/// The door to the thread that writes `state.sqlite`. Dropping it, or [`StateWriter::stop`], flushes what is left.
#[derive(Debug)]
pub struct StateWriter {
    jobs: SyncSender<Job>,
    flushed: watch::Receiver<Flushed>,
    backlog: Arc<Backlog>,
    thread: Option<JoinHandle<()>>,
}

/// Transactions that were handed in and are not flushed.
#[derive(Debug, Default)]
struct Backlog {
    transactions: Mutex<usize>,
    is_less: Condvar,
}

impl Backlog {
    /// Waits until there is room, or `is_over`.
    fn add(&self, count: usize, is_over: impl Fn() -> bool) {
        let mut transactions = self.transactions.lock().unwrap_or_else(PoisonError::into_inner);
        while *transactions > 0 && *transactions + count > UNFLUSHED_TRANSACTIONS_MAX && !is_over() {
            let waited = self.is_less.wait_timeout(transactions, FLUSH_AFTER);
            transactions = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        *transactions += count;
    }

    fn take(&self, count: usize) {
        *self.transactions.lock().unwrap_or_else(PoisonError::into_inner) -= count;
        self.is_less.notify_all();
    }
}

fn transactions_of(update: &ChainUpdate) -> usize {
    update.connected.iter().map(|link| link.block.transactions.len()).sum()
}

/// Asks for a flush, so that a reader sees all that was reported before.
#[derive(Clone, Debug)]
pub struct Barrier(SyncSender<Job>);

impl Barrier {
    /// Everything that was handed to the writer before is in the file once this returns.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn pass(&self) -> Result<(), StoreError> {
        let (done, flushed) = oneshot::channel();
        let mut job = Job::Flush(done);
        // Full only when the writer is far behind; it catches up, and this task must not block a thread meanwhile.
        loop {
            match self.0.try_send(job) {
                Ok(()) => break,
                Err(TrySendError::Full(back)) => {
                    job = back;
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                Err(TrySendError::Disconnected(_)) => return Err(StoreError::WriterStopped),
            }
        }
        flushed.await.unwrap_or(Err(StoreError::WriterStopped))
    }
}

impl Flushed {
    /// The writer is gone without having said why.
    pub(crate) fn writer_stopped() -> Flushed {
        Flushed { sequence: 0, final_height: Height::GENESIS, switched: None, failed: Some(StoreError::WriterStopped) }
    }
}

impl StateWriter {
    pub(super) fn start(state: State, metrics: Arc<Metrics>) -> std::io::Result<StateWriter> {
        let (jobs, inbox) = sync_channel(crate::limits::CHAIN_UPDATES_MAX);
        let initial = Flushed { sequence: 0, final_height: Height::GENESIS, switched: None, failed: None };
        let (report, flushed) = watch::channel(initial);
        let backlog = Arc::new(Backlog::default());
        let its = backlog.clone();
        let thread = std::thread::Builder::new().name("bezant-state".to_owned()).spawn(move || {
            crate::runtime::signals::ignore_file_size_signal();
            let checkpointed = Instant::now();
            Writer { state, report, metrics, backlog: its, pending: Vec::new(), transactions: 0, checkpointed }
                .run(&inbox);
        })?;
        Ok(StateWriter { jobs, flushed, backlog, thread: Some(thread) })
    }

    /// Hands on a chain update whose records are durable; waits while the writer is far behind.
    ///
    /// # Errors
    /// When the writer has stopped.
    pub fn update(&self, update: ChainUpdate) -> Result<(), StoreError> {
        let gone = |_| self.flushed.borrow().failed.clone().unwrap_or(StoreError::WriterStopped);
        let has_ended = || self.thread.as_ref().is_none_or(JoinHandle::is_finished);
        self.backlog.add(transactions_of(&update), has_ended);
        self.jobs.send(Job::Update(Box::new(update))).map_err(gone)
    }

    /// Hands on a step of a snapshot, in order with the chain updates.
    ///
    /// # Errors
    /// When the writer has stopped.
    pub fn snapshot(&self, step: SnapshotStep) -> Result<(), StoreError> {
        let gone = |_| self.flushed.borrow().failed.clone().unwrap_or(StoreError::WriterStopped);
        self.jobs.send(Job::Snapshot(Box::new(step))).map_err(gone)
    }

    /// For readers that must see all that was reported.
    #[must_use]
    pub fn barrier(&self) -> Barrier {
        Barrier(self.jobs.clone())
    }

    /// How far the state on disk is, as it changes.
    #[must_use]
    pub fn flushed(&self) -> watch::Receiver<Flushed> {
        self.flushed.clone()
    }

    /// Flushes what is left and ends the thread.
    ///
    /// # Errors
    /// When the last flush failed; what it held is connected again from the facts at the next start.
    pub fn stop(mut self) -> Result<(), StoreError> {
        self.end();
        self.flushed.borrow().failed.clone().map_or(Ok(()), Err)
    }

    fn end(&mut self) {
        // Fails when the thread has ended by itself, which is what is wanted.
        let _ = self.jobs.send(Job::Stop);
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been printed; nothing is left to flush then.
            let _ = thread.join();
        }
    }
}

impl Drop for StateWriter {
    fn drop(&mut self) {
        if self.thread.is_some() {
            self.end();
        }
    }
}

struct Writer {
    state: State,
    report: watch::Sender<Flushed>,
    metrics: Arc<Metrics>,
    backlog: Arc<Backlog>,
    pending: Vec<ChainUpdate>,
    /// In `pending`.
    transactions: usize,
    checkpointed: Instant,
}

impl Writer {
    fn run(&mut self, inbox: &Receiver<Job>) {
        let mut first: Option<Instant> = None;
        loop {
            let due = first.map(|first| first + self.patience());
            let Some(job) = self.next_job(inbox, due) else {
                if self.tidy().is_err() {
                    return;
                }
                continue;
            };
            let mut waiting = None;
            match job {
                Ok(Job::Update(update)) => {
                    self.transactions += transactions_of(&update);
                    if let Some(before) = self.pending.last_mut() {
                        // Only the last sums are written.
                        before.buckets = Buckets::default();
                    }
                    self.pending.push(*update);
                    first.get_or_insert_with(Instant::now);
                    if self.transactions < FLUSH_TRANSACTIONS {
                        continue;
                    }
                }
                Ok(Job::Snapshot(step)) => {
                    let is_switch = matches!(*step, SnapshotStep::Switch(_));
                    let flushed = if is_switch { self.flush() } else { Ok(()) };
                    if flushed.and_then(|()| self.snapshot(*step)).is_err() {
                        return;
                    }
                    if is_switch {
                        first = None;
                    }
                    continue;
                }
                Ok(Job::Flush(done)) => waiting = Some(done),
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Job::Stop) | Err(RecvTimeoutError::Disconnected) => {
                    let _ = self.flush();
                    self.state.checkpoint();
                    return;
                }
            }
            let result = self.flush();
            first = None;
            let failed = result.is_err();
            if let Some(done) = waiting {
                // Who asked may have gone.
                let _ = done.send(result);
            }
            if failed {
                return;
            }
            while self.state.is_overdue() {
                if self.tidy().is_err() {
                    return;
                }
            }
            if self.checkpointed.elapsed() > CHECKPOINT_AFTER {
                self.state.checkpoint();
                self.checkpointed = Instant::now();
            }
        }
    }

    /// How long the first of the pending updates waits for others.
    fn patience(&self) -> Duration {
        if self.transactions < BUSY_TRANSACTIONS { FLUSH_AFTER } else { FLUSH_AFTER_BUSY }
    }

    /// The next thing to do; `None` when there is nothing else than to tidy up. A timeout when a flush is due.
    fn next_job(&self, inbox: &Receiver<Job>, due: Option<Instant>) -> Option<Result<Job, RecvTimeoutError>> {
        if self.state.is_untidy() {
            return match inbox.try_recv() {
                Ok(job) => Some(Ok(job)),
                Err(TryRecvError::Disconnected) => Some(Err(RecvTimeoutError::Disconnected)),
                Err(TryRecvError::Empty) if due.is_some_and(|due| due <= Instant::now()) => {
                    Some(Err(RecvTimeoutError::Timeout))
                }
                Err(TryRecvError::Empty) => None,
            };
        }
        Some(match due {
            Some(at) => inbox.recv_timeout(at.saturating_duration_since(Instant::now())),
            None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
        })
    }

    fn tidy(&mut self) -> Result<(), StoreError> {
        let result = self.state.tidy();
        if let Err(error) = &result {
            self.report.send_modify(|flushed| flushed.failed = Some(error.clone()));
        }
        result
    }

    fn snapshot(&mut self, step: SnapshotStep) -> Result<(), StoreError> {
        let result = self.state.snapshot(step);
        let failed = result.as_ref().err().cloned();
        self.report.send_if_modified(|flushed| {
            flushed.failed.clone_from(&failed);
            if let Ok(Some((switched, final_height))) = &result {
                (flushed.sequence, flushed.final_height) = (switched.sequence, *final_height);
                flushed.switched = Some(*switched);
            }
            !matches!(result, Ok(None))
        });
        result.map(drop)
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        let Some(last) = self.pending.last() else { return Ok(()) };
        let (sequence, final_height) = (last.sequence, last.final_height);
        let began = Instant::now();
        let result = self.state.apply(&self.pending);
        self.metrics.flush_seconds.observe(began.elapsed().as_secs_f64());
        let failed = result.as_ref().err().cloned();
        if failed.is_none() {
            self.pending.clear();
            self.backlog.take(std::mem::take(&mut self.transactions));
        }
        self.report.send_modify(|flushed| match &failed {
            None => *flushed = Flushed { sequence, final_height, switched: flushed.switched, failed: None },
            Some(_) => flushed.failed.clone_from(&failed),
        });
        result
    }
}

/// `state.sqlite` with the buckets and the list of runs that it holds.
#[derive(Debug)]
pub(super) struct State {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
    /// A second connection to the facts, for copying their write-ahead log into the file.
    pub(super) facts: Connection,
    pub(super) facts_log: IsLong,
    pub(super) buckets: Buckets,
    /// Proof of work: undo is kept.
    pub(super) keeps_undo: bool,
    /// PBFT: blocks between checkpoints.
    pub(super) interval: Option<u64>,
    pub(super) runs: Runs,
}

/// The runs as the writer of the state has them.
#[derive(Debug)]
pub(super) struct Runs {
    catalog: Catalog,
    merging: Merging,
    next_id: u64,
    shared: SharedCatalog,
}

impl Runs {
    /// As the file has them; they are shown to others through `shared`.
    pub(super) fn open(connection: &Connection, shared: SharedCatalog) -> rusqlite::Result<Runs> {
        let catalog = Catalog::load(connection, &Catalog::default())?;
        shared.set(Arc::new(catalog.clone()));
        Ok(Runs { catalog, merging: Merging::after_start(), next_id: runs::next_id(connection)?, shared })
    }

    /// What was written is committed.
    fn commit(&mut self, catalog: Catalog) {
        self.shared.set(Arc::new(catalog.clone()));
        self.catalog = catalog;
    }
}

impl State {
    /// Applies chain updates in one durable transaction.
    pub(super) fn apply(&mut self, updates: &[ChainUpdate]) -> Result<(), StoreError> {
        let Some(last) = updates.last() else { return Ok(()) };
        let changes = Changes::of(updates);
        let catalog = self.write(updates, &changes).map_err(|error| StoreError::sqlite(&self.path, &error))?;
        self.buckets = last.buckets.clone();
        self.runs.commit(catalog);
        Ok(())
    }

    /// Does a step of a snapshot; a switch says what there is after it.
    fn snapshot(&mut self, step: SnapshotStep) -> Result<Option<(Totals, Height)>, StoreError> {
        let connection = &mut self.connection;
        let done = match step {
            SnapshotStep::Clear => snapshot::clear(connection).map(|()| None),
            SnapshotStep::Stage { bucket, coins } => snapshot::stage(connection, bucket, &coins).map(|()| None),
            SnapshotStep::Discard { bucket } => snapshot::discard(connection, bucket).map(|()| None),
            SnapshotStep::Switch(switch) => {
                let mut catalog = self.runs.catalog.clone();
                let done = snapshot::switch(connection, &switch, &mut catalog, &mut self.runs.next_id);
                done.map(|totals| {
                    [Kind::Coins, Kind::Locks].into_iter().for_each(|kind| self.runs.merging.give_up(kind));
                    self.runs.commit(catalog);
                    self.buckets = switch.buckets.clone();
                    Some((totals, switch.tip.height))
                })
            }
            SnapshotStep::Switched(_) => Ok(None),
            SnapshotStep::Keep { from } => snapshot::keep(connection, from).map(|()| None),
        };
        done.map_err(|error| StoreError::sqlite(&self.path, &error))
    }

    fn write(&mut self, updates: &[ChainUpdate], changes: &Changes) -> rusqlite::Result<Catalog> {
        let (keeps_undo, interval) = (self.keeps_undo, self.interval);
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for update in updates {
            update.disconnected.iter().try_for_each(|link| disconnect(&transaction, link))?;
            update.connected.iter().try_for_each(|link| connect(&transaction, link, keeps_undo))?;
            if let Some(interval) = interval {
                update.connected.iter().try_for_each(|link| snapshot::note_spent(&transaction, link, interval))?;
            }
        }
        let mut catalog = self.runs.catalog.clone();
        write_changes(&transaction, changes, &mut catalog, &mut self.runs.next_id)?;
        if let Some(last) = updates.last() {
            write_buckets(&transaction, &last.buckets, self.buckets.differing(&last.buckets).into_iter())?;
            write_tip(&transaction, &last.tip, last.final_height)?;
        }
        transaction.commit()?;
        Ok(catalog)
    }

    /// Whether [`State::tidy`] has something to do.
    fn is_untidy(&self) -> bool {
        self.runs.merging.has_work(&self.runs.catalog)
    }

    /// Whether that should not wait any longer.
    fn is_overdue(&self) -> bool {
        self.runs.merging.is_urgent(&self.runs.catalog)
    }

    /// Merges a bit, or sweeps.
    pub(super) fn tidy(&mut self) -> Result<(), StoreError> {
        let mut step = || -> rusqlite::Result<Option<Catalog>> {
            let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let mut catalog = self.runs.catalog.clone();
            let changed = self.runs.merging.step(&transaction, &mut catalog, &mut self.runs.next_id)?;
            transaction.commit()?;
            Ok(changed.then_some(catalog))
        };
        let changed = step().map_err(|error| StoreError::sqlite(&self.path, &error))?;
        changed.into_iter().for_each(|catalog| self.runs.commit(catalog));
        Ok(())
    }

    /// Copies the write-ahead logs into the files.
    pub(super) fn checkpoint(&self) {
        let copied = [
            (schema::STATE_FILE, log::copy_own(&self.connection)),
            (schema::FACTS_FILE, self.facts_log.copy(&self.facts)),
        ];
        for (file, result) in copied {
            if let Err(error) = result {
                log::warn_of(file, &error);
            }
        }
    }
}

fn connect(connection: &Connection, link: &Link, keeps_undo: bool) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO active (height, id, time) VALUES (?1, ?2, ?3)")?
        .execute(params![sql(link.height.0), link.id.0, link.block.header.time])?;
    if keeps_undo {
        connection
            .prepare_cached("INSERT OR REPLACE INTO diffs (id, diff) VALUES (?1, ?2)")?
            .execute(params![link.id.0, encode(&*link.diff)])?;
    }
    Ok(())
}

/// Takes [`connect`] back. The diff stays: the block may be connected again.
fn disconnect(connection: &Connection, link: &Link) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM active WHERE height = ?1")?.execute([sql(link.height.0)]).map(drop)
}

/// Adds a run of each kind, and brings the totals up to date.
pub(super) fn write_changes(
    connection: &Connection,
    changes: &Changes,
    catalog: &mut Catalog,
    next_id: &mut u64,
) -> rusqlite::Result<()> {
    for records in [&changes.coins, &changes.locks, &changes.places, &changes.history] {
        if let Some(run) = runs::write_run(connection, *next_id, records)? {
            catalog.add(run);
            *next_id += 1;
        }
    }
    for (key, change) in [("supply", changes.supply), ("coins", changes.count)] {
        let after = i128::from(meta_number(connection, key)?.unwrap_or(0)) + change;
        let after = u64::try_from(after).expect("no more goes than is there");
        put_meta(connection, key, &after.to_be_bytes())?;
    }
    Ok(())
}

pub(super) fn write_buckets(
    connection: &Connection,
    buckets: &Buckets,
    which: impl Iterator<Item = u8>,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached("INSERT OR REPLACE INTO buckets (bucket, lanes) VALUES (?1, ?2)")?;
    for index in which {
        statement.execute(params![index, buckets.list()[usize::from(index)].to_bytes().as_slice()])?;
    }
    Ok(())
}

pub(super) fn write_tip(connection: &Connection, tip: &Tip, final_height: Height) -> rusqlite::Result<()> {
    put_meta(connection, "tip_height", &tip.height.0.to_be_bytes())?;
    put_meta(connection, "tip_id", &tip.id.0)?;
    put_meta(connection, "tip_header", &tip.header.to_bytes())?;
    put_meta(connection, "final_height", &final_height.0.to_be_bytes())
}

/// Creates the tables with the state after the genesis block, in one transaction.
pub(super) fn create(connection: &mut Connection, network: &[u8; 32], genesis: &ChainUpdate) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(schema::STATE_SCHEMA)?;
    put_meta(&transaction, "network", network)?;
    genesis.connected.iter().try_for_each(|link| connect(&transaction, link, false))?;
    let changes = Changes::of(std::slice::from_ref(genesis));
    write_changes(&transaction, &changes, &mut Catalog::default(), &mut 1)?;
    write_buckets(&transaction, &genesis.buckets, 0..=u8::MAX)?;
    write_tip(&transaction, &genesis.tip, Height::GENESIS)?;
    transaction.pragma_update(None, "user_version", schema::STATE_FORMAT)?;
    transaction.commit()
}
