//! The state, written behind by a thread of its own: many chain updates in one transaction.

use super::error::StoreError;
use super::rows::{meta_number, outpoint_key, put_meta, sql};
use super::schema;
use super::snapshot::{self, Totals};
use crate::metrics::Metrics;
use bezant_consensus::chain::snapshot::SnapshotStep;
use bezant_consensus::chain::{ChainUpdate, Link, Tip};
use bezant_consensus::ledger::codec::encode;
use bezant_consensus::ledger::coins::Diff;
use bezant_consensus::ledger::commitment::{Buckets, bucket_of};
use bezant_consensus::ledger::hash::LockHash;
use bezant_consensus::ledger::transaction::{Transaction, Witness};
use bezant_consensus::ledger::units::Height;
use rusqlite::{Connection, TransactionBehavior, params};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::{oneshot, watch};

/// An update waits at most so long for others to share its transaction.
const FLUSH_AFTER: Duration = Duration::from_millis(200);
/// So many transactions are flushed without waiting for more.
const FLUSH_TRANSACTIONS: usize = 2_000;
/// Pages of the write-ahead logs after which they are copied into the files.
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
    thread: Option<JoinHandle<()>>,
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
        let thread = std::thread::Builder::new().name("bezant-state".to_owned()).spawn(move || {
            crate::runtime::signals::ignore_file_size_signal();
            Writer { state, report, metrics, pending: Vec::new(), transactions: 0, checkpointed: Instant::now() }
                .run(&inbox);
        })?;
        Ok(StateWriter { jobs, flushed, thread: Some(thread) })
    }

    /// Hands on a chain update whose records are durable; waits while the writer is far behind.
    ///
    /// # Errors
    /// When the writer has stopped.
    pub fn update(&self, update: ChainUpdate) -> Result<(), StoreError> {
        let gone = |_| self.flushed.borrow().failed.clone().unwrap_or(StoreError::WriterStopped);
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
    pending: Vec<ChainUpdate>,
    /// In `pending`.
    transactions: usize,
    checkpointed: Instant,
}

impl Writer {
    fn run(&mut self, inbox: &Receiver<Job>) {
        let mut due: Option<Instant> = None;
        loop {
            let job = match due {
                Some(at) => inbox.recv_timeout(at.saturating_duration_since(Instant::now())),
                None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            let mut waiting = None;
            match job {
                Ok(Job::Update(update)) => {
                    self.transactions +=
                        update.connected.iter().map(|link| link.block.transactions.len()).sum::<usize>();
                    self.pending.push(*update);
                    due.get_or_insert_with(|| Instant::now() + FLUSH_AFTER);
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
                        due = None;
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
            due = None;
            let failed = result.is_err();
            if let Some(done) = waiting {
                // Who asked may have gone.
                let _ = done.send(result);
            }
            if failed {
                return;
            }
            if self.checkpointed.elapsed() > CHECKPOINT_AFTER {
                self.state.checkpoint();
                self.checkpointed = Instant::now();
            }
        }
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
            self.transactions = 0;
        }
        self.report.send_modify(|flushed| match &failed {
            None => *flushed = Flushed { sequence, final_height, switched: flushed.switched, failed: None },
            Some(_) => flushed.failed.clone_from(&failed),
        });
        result
    }
}

/// `state.sqlite` with the buckets that it holds.
#[derive(Debug)]
pub(super) struct State {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
    /// A second connection to the facts, for copying their write-ahead log into the file.
    pub(super) facts: Connection,
    pub(super) buckets: Buckets,
    /// Proof of work: undo is kept.
    pub(super) keeps_undo: bool,
    /// PBFT: blocks between checkpoints.
    pub(super) interval: Option<u64>,
}

impl State {
    /// Applies chain updates in one durable transaction.
    pub(super) fn apply(&mut self, updates: &[ChainUpdate]) -> Result<(), StoreError> {
        let (net, touched) = net_change(updates);
        let mut buckets = self.buckets.clone();
        buckets.apply(&net);
        self.write(updates, &net, &touched, &buckets).map_err(|error| StoreError::sqlite(&self.path, &error))?;
        self.buckets = buckets;
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
                self.buckets = switch.buckets.clone();
                snapshot::switch(connection, &switch).map(|totals| Some((totals, switch.tip.height)))
            }
            SnapshotStep::Switched(_) => Ok(None),
            SnapshotStep::Keep { from } => snapshot::keep(connection, from).map(|()| None),
        };
        done.map_err(|error| StoreError::sqlite(&self.path, &error))
    }

    fn write(
        &mut self,
        updates: &[ChainUpdate],
        net: &Diff,
        touched: &BTreeSet<u8>,
        buckets: &Buckets,
    ) -> rusqlite::Result<()> {
        let (keeps_undo, interval) = (self.keeps_undo, self.interval);
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for update in updates {
            update.disconnected.iter().try_for_each(|link| disconnect(&transaction, link))?;
            update.connected.iter().try_for_each(|link| connect(&transaction, link, keeps_undo))?;
            if let Some(interval) = interval {
                update.connected.iter().try_for_each(|link| snapshot::note_spent(&transaction, link, interval))?;
            }
        }
        write_coins(&transaction, net)?;
        write_buckets(&transaction, buckets, touched.iter().copied())?;
        if let Some(last) = updates.last() {
            write_tip(&transaction, &last.tip, last.final_height)?;
        }
        transaction.commit()
    }

    /// Copies the write-ahead logs into the files, as far as no reader is in the way.
    pub(super) fn checkpoint(&self) {
        for (connection, name) in [(&self.connection, schema::STATE_FILE), (&self.facts, schema::FACTS_FILE)] {
            let result = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
            if let Err(error) = result {
                // The log only grows meanwhile; if the disk is full, the next commit says so.
                tracing::warn!(file = name, %error, "cannot copy the write-ahead log into the file");
            }
        }
    }
}

fn net_change(updates: &[ChainUpdate]) -> (Diff, BTreeSet<u8>) {
    let mut net = Diff::default();
    for update in updates {
        update.disconnected.iter().for_each(|link| net.merge(&link.diff.reversed()));
        update.connected.iter().for_each(|link| net.merge(&link.diff));
    }
    let touched = net.spent.keys().chain(net.created.keys()).map(bucket_of).collect();
    (net, touched)
}

fn connect(connection: &Connection, link: &Link, keeps_undo: bool) -> rusqlite::Result<()> {
    let height = sql(link.height.0);
    connection
        .prepare_cached("INSERT OR REPLACE INTO active (height, id, time) VALUES (?1, ?2, ?3)")?
        .execute(params![height, link.id.0, link.block.header.time])?;
    if keeps_undo {
        connection
            .prepare_cached("INSERT OR REPLACE INTO diffs (id, diff) VALUES (?1, ?2)")?
            .execute(params![link.id.0, encode(&*link.diff)])?;
    }
    let mut place =
        connection.prepare_cached("INSERT OR REPLACE INTO txs (txid, height, position) VALUES (?1, ?2, ?3)")?;
    let mut entry = connection.prepare_cached(
        "INSERT OR REPLACE INTO history (lock, height, position, txid, received, sent) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for (position, transaction) in (0_i64..).zip(&link.block.transactions) {
        let txid = transaction.id().0;
        place.execute(params![txid, height, position])?;
        for (lock, (received, sent)) in movements(transaction) {
            entry.execute(params![lock.0, height, position, txid, sql(received), sql(sent)])?;
        }
    }
    Ok(())
}

/// Takes [`connect`] back. The diff stays: the block may be connected again.
fn disconnect(connection: &Connection, link: &Link) -> rusqlite::Result<()> {
    let height = sql(link.height.0);
    connection.prepare_cached("DELETE FROM active WHERE height = ?1")?.execute([height])?;
    let mut place = connection.prepare_cached("DELETE FROM txs WHERE txid = ?1 AND height = ?2")?;
    let mut entry =
        connection.prepare_cached("DELETE FROM history WHERE lock = ?1 AND height = ?2 AND position = ?3")?;
    for (position, transaction) in (0_i64..).zip(&link.block.transactions) {
        place.execute(params![transaction.id().0, height])?;
        for lock in movements(transaction).into_keys() {
            entry.execute(params![lock.0, height, position])?;
        }
    }
    Ok(())
}

/// What a connected transaction gives to and takes from each lock, in grains. Its witnesses state what it spends, and
/// connecting compared that with the coins.
fn movements(transaction: &Transaction) -> BTreeMap<LockHash, (u64, u64)> {
    let mut movements: BTreeMap<LockHash, (u64, u64)> = BTreeMap::new();
    for output in transaction.outputs() {
        movements.entry(output.lock).or_default().0 += output.amount.grains();
    }
    for witness in &transaction.witnesses {
        if let Witness::Spend(spend) = witness {
            movements.entry(spend.lock.hash()).or_default().1 += spend.amount.grains();
        }
    }
    movements
}

fn write_coins(connection: &Connection, net: &Diff) -> rusqlite::Result<()> {
    let mut delete = connection.prepare_cached("DELETE FROM coins WHERE bucket = ?1 AND outpoint = ?2")?;
    let mut insert = connection.prepare_cached(
        "INSERT OR REPLACE INTO coins (bucket, outpoint, lock, amount, height, coinbase) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for outpoint in net.spent.keys().filter(|outpoint| !net.created.contains_key(outpoint)) {
        delete.execute(params![bucket_of(outpoint), outpoint_key(outpoint)])?;
    }
    for (outpoint, coin) in &net.created {
        let (bucket, key, amount) = (bucket_of(outpoint), outpoint_key(outpoint), sql(coin.amount.grains()));
        insert.execute(params![bucket, key, coin.lock.0, amount, sql(coin.height.0), coin.coinbase])?;
    }
    let sum = |coins: &BTreeMap<_, bezant_consensus::ledger::coins::Coin>| -> u64 {
        coins.values().map(|coin| coin.amount.grains()).sum()
    };
    let before = |key| Ok::<u64, rusqlite::Error>(meta_number(connection, key)?.unwrap_or(0));
    let supply = before("supply")? + sum(&net.created) - sum(&net.spent);
    let coins = before("coins")? + net.created.len() as u64 - net.spent.len() as u64;
    put_meta(connection, "supply", &supply.to_be_bytes())?;
    put_meta(connection, "coins", &coins.to_be_bytes())
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
pub(super) fn create(
    connection: &mut Connection,
    network: &[u8; 32],
    genesis: &Link,
    tip: &Tip,
    buckets: &Buckets,
) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(schema::STATE_SCHEMA)?;
    transaction.execute_batch(schema::COINS_INDEX)?;
    transaction.execute_batch(schema::STAGED_SCHEMA)?;
    put_meta(&transaction, "network", network)?;
    connect(&transaction, genesis, false)?;
    write_coins(&transaction, &genesis.diff)?;
    write_buckets(&transaction, buckets, 0..=u8::MAX)?;
    write_tip(&transaction, tip, Height::GENESIS)?;
    transaction.pragma_update(None, "user_version", schema::FORMAT)?;
    transaction.commit()
}
