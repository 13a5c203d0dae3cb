//! The threads that search.

use crate::kernel::{Hit, Kernel, Search, VERSIONS};
use crate::limit::Limiter;
use crate::space::Space;
use bezant_consensus::engine::Template;
use bezant_consensus::ledger::block::Block;
use bezant_consensus::ledger::target::Target;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Instant;

/// How a miner is set up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MinerConfig {
    /// Threads; at least 1 is started.
    pub threads: usize,
    /// Hashes per second of all threads together, `None` for as many as there can be. 0 and what is no number stop the search.
    pub hashrate_max: Option<f64>,
}

/// A template with what it lacked.
#[derive(Clone, Debug, PartialEq)]
pub struct Solution {
    /// Of the template.
    pub ticket: u64,
    /// The block; its header meets the target of its bits.
    pub block: Block,
}

/// Who is told of solutions.
type Found = Box<dyn FnMut(Solution) + Send>;

/// What is to be done now.
struct Orders {
    space: Option<Arc<Space>>,
    hashrate_max: Option<f64>,
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
    threads: usize,
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
}

/// Threads that search a nonce and a version for the latest template.
///
/// New orders are followed at once: a thread looks at them before each batch of at most 2,048 hashes, and a thread that waits for
/// the limit's sake is woken. Dropping it stops and joins them; never drop it from inside its own
/// callback.
pub struct Miner {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl std::fmt::Debug for Miner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Miner").field("threads", &self.threads.len()).field("hashes", &self.hashes()).finish()
    }
}

impl Miner {
    /// Starts the threads. They wait for a template; `found` is called on one of them, with at most one solution for each
    /// template that was set.
    ///
    /// # Panics
    /// When the system starts no more threads.
    #[must_use]
    pub fn start(config: MinerConfig, found: impl FnMut(Solution) + Send + 'static) -> Miner {
        let count = config.threads.max(1);
        let orders = Orders { space: None, hashrate_max: config.hashrate_max, stop: false };
        let shared = Arc::new(Shared {
            orders: Mutex::new(orders),
            changed: Condvar::new(),
            generation: AtomicU64::new(0),
            hashes: AtomicU64::new(0),
            found: Mutex::new(Box::new(found)),
            threads: count,
        });
        let start = |index: usize| {
            let shared = shared.clone();
            let name = format!("miner-{index}");
            let run = move || Worker::new(shared, index).run();
            std::thread::Builder::new().name(name).spawn(run).expect("the system starts a thread")
        };
        let threads = (0..count).map(start).collect();
        Miner { shared, threads }
    }

    /// Searches this template instead of any before; `None` stops the search. Solutions of earlier templates that are not on
    /// their way yet are dropped.
    pub fn set_template(&self, template: Option<Template>) {
        let space = template.map(|template| Arc::new(Space::new(template)));
        self.shared.change(|orders| orders.space = space);
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

impl Drop for Miner {
    fn drop(&mut self) {
        self.shared.change(|orders| orders.stop = true);
        for thread in self.threads.drain(..) {
            // A panic was reported by the thread itself; the others are still to be joined.
            drop(thread.join());
        }
    }
}

/// One thread: searches steps index, index + threads, index + 2 × threads, ….
struct Worker {
    shared: Arc<Shared>,
    index: usize,
    kernel: Kernel,
    limiter: Limiter,
}

impl Worker {
    fn new(shared: Arc<Shared>, index: usize) -> Worker {
        Worker { shared, index, kernel: Kernel::best(), limiter: Limiter::new(None, Instant::now()) }
    }

    fn run(mut self) {
        while let Some((space, generation)) = self.next_orders() {
            self.search(&space, generation);
        }
    }

    /// Waits until there is something to search; `None` when it is time to stop.
    fn next_orders(&mut self) -> Option<(Arc<Space>, u64)> {
        let mut orders = self.shared.orders();
        loop {
            if orders.stop {
                return None;
            }
            let rate = orders.hashrate_max.map(|rate| rate / self.shared.threads as f64);
            self.limiter.set_rate(rate, Instant::now());
            if let Some(space) = &orders.space
                && self.limiter.batch() > 0
            {
                // Changes are counted under the lock, so this is the count of the orders just read.
                return Some((space.clone(), self.shared.generation.load(Ordering::Acquire)));
            }
            orders = self.shared.changed.wait(orders).expect("no thread panics while it holds the orders");
        }
    }

    /// Searches until a solution is found or the orders change.
    fn search(&mut self, space: &Space, generation: u64) {
        let mut step = self.index as u64;
        loop {
            let header = space.header(step);
            let Some(target) = Target::from_compact(header.bits) else {
                return self.wait_for_change(generation);
            };
            let search = Search::new(header, target);
            let mut next = Some(0u32);
            while let Some(first) = next {
                if !self.may_go_on(generation) {
                    return;
                }
                let nonces = self.limiter.batch().div_ceil(VERSIONS);
                let hit = self.kernel.search(&search, first, nonces);
                let last = hit.map_or(first.saturating_add(nonces - 1), |hit| hit.nonce);
                let hashes = (last - first) * VERSIONS + hit.map_or(VERSIONS, |hit| hit.roll + 1);
                self.shared.hashes.fetch_add(u64::from(hashes), Ordering::Relaxed);
                self.limiter.done(hashes, Instant::now());
                if let Some(hit) = hit {
                    return self.report(space, generation, step, &search, hit);
                }
                next = last.checked_add(1);
            }
            step += self.shared.threads as u64;
        }
    }

    /// Waits for the limit's sake; false as soon as the orders have changed.
    fn may_go_on(&self, generation: u64) -> bool {
        let unchanged = || self.shared.generation.load(Ordering::Acquire) == generation;
        while unchanged() {
            let wait = self.limiter.wait(Instant::now());
            if wait.is_zero() {
                return true;
            }
            let orders = self.shared.orders();
            if unchanged() {
                let waited = self.shared.changed.wait_timeout(orders, wait);
                drop(waited.expect("no thread panics while it holds the orders"));
            }
        }
        false
    }

    fn wait_for_change(&self, generation: u64) {
        let orders = self.shared.orders();
        let same = |_: &mut Orders| self.shared.generation.load(Ordering::Acquire) == generation;
        drop(self.shared.changed.wait_while(orders, same).expect("no thread panics while it holds the orders"));
    }

    /// Reports a solution unless the orders have changed; then the search ends until there is a new template, so that an easy
    /// target does not bring a flood.
    fn report(&self, space: &Space, generation: u64, step: u64, search: &Search, hit: Hit) {
        let mut orders = self.shared.orders();
        if self.shared.generation.load(Ordering::Acquire) != generation {
            return;
        }
        orders.space = None;
        self.shared.generation.fetch_add(1, Ordering::Release);
        self.shared.changed.notify_all();
        drop(orders);
        let solution = Solution { ticket: space.ticket(), block: space.block(step, search.header(hit)) };
        let mut found = self.shared.found.lock().expect("no thread panics while it reports");
        found(solution);
    }
}
