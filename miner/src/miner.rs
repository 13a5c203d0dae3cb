//! The threads that search.

use crate::kernel::{Kernel, Search};
use crate::limit::Limiter;
use bezant_consensus::ledger::block::Header;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Instant;

/// What there is to search, cut into steps of 2^32 nonces each.
pub trait Task: Send + Sync + 'static {
    /// What is told of a header that was found.
    type Found;

    /// The search of a step; `None` when there are no more.
    fn search(&self, step: u64) -> Option<Search>;

    /// What a header is that the search of a step has found.
    fn found(&self, step: u64, header: Header) -> Self::Found;

    /// Whether nothing more is to be found after it.
    fn is_last(found: &Self::Found) -> bool;
}

/// How a miner is set up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MinerConfig {
    /// Threads; at least 1 is started.
    pub threads: usize,
    /// Hashes per second of all threads together, `None` for as many as there can be. 0 and what is no number stop the search.
    pub hashrate_max: Option<f64>,
}

/// What is to be done now.
struct Orders<T> {
    task: Option<Arc<T>>,
    hashrate_max: Option<f64>,
    stop: bool,
}

struct Shared<T: Task> {
    orders: Mutex<Orders<T>>,
    /// Rung at every change of the orders.
    changed: Condvar,
    /// Counts changes of the orders, so that a batch ends without taking the lock.
    generation: AtomicU64,
    hashes: AtomicU64,
    /// Who is told.
    report: Mutex<Box<dyn FnMut(T::Found) + Send>>,
    threads: usize,
}

impl<T: Task> Shared<T> {
    fn orders(&self) -> MutexGuard<'_, Orders<T>> {
        self.orders.lock().expect("no thread panics while it holds the orders")
    }

    fn change(&self, change: impl FnOnce(&mut Orders<T>)) {
        let mut orders = self.orders();
        change(&mut orders);
        self.generation.fetch_add(1, Ordering::Release);
        self.changed.notify_all();
    }

    fn is_present(&self, generation: u64) -> bool {
        self.generation.load(Ordering::Acquire) == generation
    }
}

/// Threads that search a nonce and a version for the latest task: a [`Space`](crate::Space), or a [`Job`](crate::Job).
///
/// New orders are followed at once: a thread looks at them before each batch of at most 2,048 hashes, and a thread that waits for
/// the limit's sake is woken. Dropping it stops and joins them; never drop it from inside its own callback.
pub struct Miner<T: Task> {
    shared: Arc<Shared<T>>,
    threads: Vec<JoinHandle<()>>,
}

impl<T: Task> std::fmt::Debug for Miner<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Miner").field("threads", &self.threads.len()).field("hashes", &self.hashes()).finish()
    }
}

impl<T: Task> Miner<T> {
    /// Starts the threads. They wait for a task; `report` is called on one of them with all that is found, up to what is the last
    /// of its task.
    ///
    /// # Panics
    /// When the system starts no more threads.
    #[must_use]
    pub fn start(config: MinerConfig, report: impl FnMut(T::Found) + Send + 'static) -> Miner<T> {
        let count = config.threads.max(1);
        let shared = Arc::new(Shared {
            orders: Mutex::new(Orders { task: None, hashrate_max: config.hashrate_max, stop: false }),
            changed: Condvar::new(),
            generation: AtomicU64::new(0),
            hashes: AtomicU64::new(0),
            report: Mutex::new(Box::new(report)),
            threads: count,
        });
        let start = |index: usize| {
            let shared = shared.clone();
            let name = format!("miner-{index}");
            let run = move || Worker::new(shared, index as u64).run();
            std::thread::Builder::new().name(name).spawn(run).expect("the system starts a thread")
        };
        let threads = (0..count).map(start).collect();
        Miner { shared, threads }
    }

    /// Searches this task instead of any before; `None` stops the search. What was found of earlier ones and is not on its way
    /// yet is dropped.
    pub fn set_task(&self, task: Option<T>) {
        let task = task.map(Arc::new);
        self.shared.change(|orders| orders.task = task);
    }

    /// Changes the limit; see [`MinerConfig::hashrate_max`].
    pub fn set_hashrate_max(&self, hashrate_max: Option<f64>) {
        self.shared.change(|orders| orders.hashrate_max = hashrate_max);
    }

    /// Hashes since the start, by all threads.
    #[must_use]
    pub fn hashes(&self) -> u64 {
        self.shared.hashes.load(Ordering::Relaxed)
    }
}

impl<T: Task> Drop for Miner<T> {
    fn drop(&mut self) {
        self.shared.change(|orders| orders.stop = true);
        for thread in self.threads.drain(..) {
            // A panic was reported by the thread itself; the others are still to be joined.
            drop(thread.join());
        }
    }
}

/// One thread: searches steps index, index + threads, index + 2 × threads, ….
struct Worker<T: Task> {
    shared: Arc<Shared<T>>,
    index: u64,
    kernel: Kernel,
    limiter: Limiter,
}

impl<T: Task> Worker<T> {
    fn new(shared: Arc<Shared<T>>, index: u64) -> Worker<T> {
        Worker { shared, index, kernel: Kernel::best(), limiter: Limiter::new(None, Instant::now()) }
    }

    fn run(mut self) {
        while let Some((task, generation)) = self.next_orders() {
            let mut step = self.index;
            while let Some(search) = task.search(step)
                && self.search(&*task, generation, step, &search)
            {
                step = step.saturating_add(self.shared.threads as u64);
            }
            self.wait_for_change(generation);
        }
    }

    /// Waits until there is something to search; `None` when it is time to stop.
    fn next_orders(&mut self) -> Option<(Arc<T>, u64)> {
        let mut orders = self.shared.orders();
        loop {
            if orders.stop {
                return None;
            }
            let rate = orders.hashrate_max.map(|rate| rate / self.shared.threads as f64);
            self.limiter.set_rate(rate, Instant::now());
            if let Some(task) = &orders.task
                && self.limiter.batch() > 0
            {
                // Changes are counted under the lock, so this is the count of the orders just read.
                return Some((task.clone(), self.shared.generation.load(Ordering::Acquire)));
            }
            orders = self.shared.changed.wait(orders).expect("no thread panics while it holds the orders");
        }
    }

    /// Tries all nonces of one step, each with all versions of the search; false when the orders have changed. The one place that knows
    /// kernels.
    fn search(&mut self, task: &T, generation: u64, step: u64, search: &Search) -> bool {
        let versions = search.versions();
        let mut next = Some(0u32);
        while let Some(first) = next {
            if !self.may_go_on(generation) {
                return false;
            }
            let nonces = self.limiter.batch().div_ceil(versions);
            let hit = self.kernel.search(search, first, nonces);
            let last = hit.map_or(first.saturating_add(nonces - 1), |hit| hit.nonce);
            let hashes = (last - first) * versions + hit.map_or(versions, |hit| hit.roll + 1);
            self.shared.hashes.fetch_add(u64::from(hashes), Ordering::Relaxed);
            self.limiter.done(hashes, Instant::now());
            if let Some(hit) = hit {
                self.report(task.found(step, search.header(hit)), generation);
            }
            next = last.checked_add(1);
        }
        true
    }

    /// Reports what was found unless the orders have changed. If it is the last, the search ends until there is another task, so
    /// that an easy target does not bring a flood.
    fn report(&self, found: T::Found, generation: u64) {
        let mut orders = self.shared.orders();
        if !self.shared.is_present(generation) {
            return;
        }
        if T::is_last(&found) {
            orders.task = None;
            self.shared.generation.fetch_add(1, Ordering::Release);
            self.shared.changed.notify_all();
        }
        drop(orders);
        let mut report = self.shared.report.lock().expect("no thread panics while it reports");
        report(found);
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
        let same = |_: &mut Orders<T>| self.shared.is_present(generation);
        drop(self.shared.changed.wait_while(orders, same).expect("no thread panics while it holds the orders"));
    }
}
