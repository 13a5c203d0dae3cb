//! Threads that search jobs of others. Unlike [`Miner`](crate::Miner), which looks for the one block of a template, they report
//! every share and go on.

use crate::job::{Job, Share};
use crate::kernel::{Kernel, Search, VERSIONS};
use crate::limit::Limiter;
use crate::miner::MinerConfig;
use bezant_consensus::ledger::block::Header;
use bezant_consensus::ledger::target::Target;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Instant;

#[cfg(test)]
mod tests;

/// Who is told of shares.
type Found = Box<dyn FnMut(Share) + Send>;

/// What is to be done now.
#[derive(Default)]
struct Orders {
    job: Option<Arc<Job>>,
    stop: bool,
}

struct Shared {
    orders: Mutex<Orders>,
    /// Rung at every change of the orders.
    changed: Condvar,
    /// Counts changes of the orders, so that a batch ends without taking the lock.
    generation: AtomicU64,
    hashes: AtomicU64,
    found: Mutex<Found>,
    config: MinerConfig,
}

impl Shared {
    fn orders(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().expect("no thread panics while it holds the orders")
    }

    fn change(&self, change: impl FnOnce(&mut Orders)) {
        let mut orders = self.orders();
        change(&mut orders);
        self.generation.fetch_add(1, Ordering::Release);
        self.changed.notify_all();
    }

    fn is_present(&self, generation: u64) -> bool {
        self.generation.load(Ordering::Acquire) == generation
    }
}

/// Threads that search the latest job for shares. Dropping it stops and joins them; never drop it from inside its own callback.
pub struct JobMiner {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl std::fmt::Debug for JobMiner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JobMiner").field("threads", &self.threads.len()).field("hashes", &self.hashes()).finish()
    }
}

impl JobMiner {
    /// Starts the threads. They wait for a job; `found` is called on one of them with every share. A share that is a block ends the
    /// search of its job: whoever handed it out has another one next.
    ///
    /// # Panics
    /// When the system starts no more threads.
    #[must_use]
    pub fn start(config: MinerConfig, found: impl FnMut(Share) + Send + 'static) -> JobMiner {
        let shared = Arc::new(Shared {
            orders: Mutex::default(),
            changed: Condvar::new(),
            generation: AtomicU64::new(0),
            hashes: AtomicU64::new(0),
            found: Mutex::new(Box::new(found)),
            config,
        });
        let start = |index: usize| {
            let shared = shared.clone();
            let name = format!("share-miner-{index}");
            let run = move || Worker::new(shared, index as u64).run();
            std::thread::Builder::new().name(name).spawn(run).expect("the system starts a thread")
        };
        let threads = (0..config.threads.max(1)).map(start).collect();
        JobMiner { shared, threads }
    }

    /// Searches this job instead of any before; `None` stops the search.
    pub fn set_job(&self, job: Option<Job>) {
        self.shared.change(|orders| orders.job = job.map(Arc::new));
    }

    /// Nonces tried since the start, by all threads.
    #[must_use]
    pub fn hashes(&self) -> u64 {
        self.shared.hashes.load(Ordering::Relaxed)
    }
}

impl Drop for JobMiner {
    fn drop(&mut self) {
        self.shared.change(|orders| orders.stop = true);
        for thread in self.threads.drain(..) {
            // A panic was reported by the thread itself; the others are still to be joined.
            drop(thread.join());
        }
    }
}

/// One thread: searches extranonces index, index + threads, index + 2 × threads, ….
struct Worker {
    shared: Arc<Shared>,
    index: u64,
    kernel: Kernel,
    limiter: Limiter,
}

impl Worker {
    fn new(shared: Arc<Shared>, index: u64) -> Worker {
        let rate = shared.config.hashrate_max.map(|rate| rate / shared.config.threads.max(1) as f64);
        Worker { shared, index, kernel: Kernel::best(), limiter: Limiter::new(rate, Instant::now()) }
    }

    fn run(mut self) {
        while let Some((job, generation)) = self.next_orders() {
            let threads = self.shared.config.threads.max(1) as u64;
            let mut step = self.index;
            while step < job.steps() && self.search(&job, generation, step) {
                step = step.saturating_add(threads);
            }
            self.wait_for_change(generation);
        }
    }

    /// Waits until there is something to search; `None` when it is time to stop.
    fn next_orders(&self) -> Option<(Arc<Job>, u64)> {
        let mut orders = self.shared.orders();
        loop {
            if orders.stop {
                return None;
            }
            if let Some(job) = &orders.job
                && self.limiter.batch() > 0
            {
                // Changes are counted under the lock, so this is the count of the orders just read.
                return Some((job.clone(), self.shared.generation.load(Ordering::Acquire)));
            }
            orders = self.shared.changed.wait(orders).expect("no thread panics while it holds the orders");
        }
    }

    /// Tries all nonces of one extranonce, each with a few versions; false when the orders have changed. The one place that knows
    /// kernels.
    fn search(&mut self, job: &Job, generation: u64, step: u64) -> bool {
        let header = job.header(step);
        let block = Target::from_compact(header.bits);
        let search = Search::new(header, job.target);
        let mut next = Some(0u32);
        while let Some(first) = next {
            if !self.may_go_on(generation) {
                return false;
            }
            let nonces = self.limiter.batch().div_ceil(VERSIONS);
            let hit = self.kernel.search(&search, first, nonces);
            let last = hit.map_or(first.saturating_add(nonces - 1), |hit| hit.nonce);
            self.count((last - first) * VERSIONS + hit.map_or(VERSIONS, |hit| hit.roll + 1));
            if let Some(hit) = hit {
                let header = search.header(hit);
                let is_block = block.is_some_and(|target| target.is_met_by(&header.id()));
                if !self.report(job, generation, step, header, is_block) {
                    return false;
                }
            }
            next = last.checked_add(1);
        }
        true
    }

    fn count(&mut self, hashes: u32) {
        self.shared.hashes.fetch_add(u64::from(hashes), Ordering::Relaxed);
        self.limiter.done(hashes, Instant::now());
    }

    /// False when the search of this job is over.
    fn report(&self, job: &Job, generation: u64, step: u64, header: Header, is_block: bool) -> bool {
        {
            let mut orders = self.shared.orders();
            if !self.shared.is_present(generation) {
                return false;
            }
            if is_block {
                orders.job = None;
                self.shared.generation.fetch_add(1, Ordering::Release);
                self.shared.changed.notify_all();
            }
        }
        let share = Share { job: job.id, extranonce: job.extranonce(step), header, is_block };
        let mut found = self.shared.found.lock().expect("no thread panics while it reports");
        found(share);
        !is_block
    }

    /// Waits for the limit's sake; false as soon as the orders have changed.
    fn may_go_on(&self, generation: u64) -> bool {
        while self.shared.is_present(generation) {
            let wait = self.limiter.wait(Instant::now());
            if wait.is_zero() {
                return true;
            }
            let orders = self.shared.orders();
            if self.shared.is_present(generation) {
                let waited = self.shared.changed.wait_timeout(orders, wait);
                drop(waited.expect("no thread panics while it holds the orders"));
            }
        }
        false
    }

    /// Waits for other orders than those that were searched to the end.
    fn wait_for_change(&self, generation: u64) {
        let orders = self.shared.orders();
        let same = |_: &mut Orders| self.shared.is_present(generation);
        drop(self.shared.changed.wait_while(orders, same).expect("no thread panics while it holds the orders"));
    }
}
