//! Saving the mempool while the node runs and when it stops, so that a restart does not lose what waits; see [`pool_file`].
//!
//! A while after something has changed, the transactions are copied (they are shared, so this is a list of references), some in
//! each round so that no vote waits long, and written by a thread of its own. How often depends on how much there is, so that
//! a full mempool does not keep the disk busy: what is killed loses what came since. Until all of the file before has been
//! handed in, that file stays.

use crate::limits::{SAVE_BATCH, SAVE_INTERVAL_MS_PER_MIB};
use crate::pool_file;
use bezant_consensus::ledger::hash::NetworkId;
use bezant_consensus::ledger::transaction::Transaction;
use bezant_node_core::Mempool;
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// See the module.
#[derive(Debug)]
pub(super) struct Saving {
    path: PathBuf,
    network: NetworkId,
    /// Whether what the last run saved has been handed in.
    is_loaded: bool,
    /// [`Mempool::changes`] of what the file shows, or will when `writer` is done.
    saved: u64,
    /// Least time between two savings of a small mempool.
    pause: Duration,
    /// Not before.
    next: Instant,
    copying: Option<Copying>,
    writer: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Copying {
    changes: u64,
    from: i64,
    transactions: Vec<Transaction>,
}

impl Saving {
    pub(super) fn new(path: PathBuf, network: NetworkId, pause: Duration) -> Saving {
        Saving { path, network, is_loaded: false, saved: 0, pause, next: Instant::now(), copying: None, writer: None }
    }

    /// What the last run saved is in the mempool, as far as it is still valid.
    pub(super) fn all_is_loaded(&mut self, mempool: &Mempool) {
        self.is_loaded = true;
        self.next = self.later(mempool);
    }

    /// When [`Saving::go_on`] has something to do.
    pub(super) fn deadline(&self, mempool: &Mempool) -> Option<Duration> {
        if self.copying.is_some() {
            return Some(Duration::ZERO);
        }
        let is_wanted = self.is_loaded && mempool.changes() != self.saved;
        is_wanted.then(|| self.next.saturating_duration_since(Instant::now()))
    }

    fn later(&self, mempool: &Mempool) -> Instant {
        let mib = mempool.bytes() as u64 / (1024 * 1024);
        Instant::now() + self.pause + Duration::from_millis(SAVE_INTERVAL_MS_PER_MIB * mib)
    }

    /// Copies the next few, or begins to, or hands all to a writer.
    pub(super) fn go_on(&mut self, mempool: &Mempool) {
        if self.deadline(mempool) != Some(Duration::ZERO) {
            return;
        }
        if self.writer.as_ref().is_some_and(|writer| !writer.is_finished()) {
            self.next = self.later(mempool);
            return;
        }
        let fresh = || Copying { changes: mempool.changes(), from: i64::MIN, transactions: Vec::new() };
        let mut copying = self.copying.take().unwrap_or_else(fresh);
        let (some, next) = mempool.page(copying.from, SAVE_BATCH);
        copying.transactions.extend(some);
        match next {
            Some(from) => self.copying = Some(Copying { from, ..copying }),
            None => {
                self.saved = copying.changes;
                self.next = self.later(mempool);
                let (path, network) = (self.path.clone(), self.network);
                let write = move || write(&path, &network, &copying.transactions);
                match std::thread::Builder::new().name("bezant-mempool".to_owned()).spawn(write) {
                    Ok(writer) => self.writer = Some(writer),
                    Err(error) => tracing::warn!(%error, "no thread to save the mempool"),
                }
            }
        }
    }

    /// The node stops: saves what there is now.
    pub(super) fn finish(&mut self, mempool: &Mempool) {
        if let Some(writer) = self.writer.take() {
            // A panic of the writer has been printed, and the file is written anew.
            let _ = writer.join();
        }
        if self.is_loaded && mempool.changes() != self.saved {
            let (all, _) = mempool.page(i64::MIN, usize::MAX);
            write(&self.path, &self.network, &all);
        }
    }
}

fn write(path: &std::path::Path, network: &NetworkId, transactions: &[Transaction]) {
    match pool_file::write(path, network, transactions) {
        Ok(()) => tracing::debug!(count = transactions.len(), "saved the mempool"),
        Err(error) => {
            tracing::warn!(file = %path.display(), %error, "the mempool was not saved; nothing else is affected");
        }
    }
}
