//! How fast the kernels are here.
//!
//! They take turns in short slices, all threads on the same one at a time, and the rate of a kernel is the median of its slices:
//! so whatever else the machine does in the meantime slows all of them alike, and the few slices in which a thread did not run do
//! not count.

use crate::kernel::{Kernel, Search, VERSIONS};
use crate::limit::BATCH_MAX;
use bezant_consensus::ledger::block::Header;
use bezant_consensus::ledger::hash::{BlockId, MerkleRoot};
use bezant_consensus::ledger::target::{Target, U320};
use std::sync::Barrier;
use std::time::{Duration, Instant};

/// How long a kernel runs before it is the next one's turn.
const SLICE: Duration = Duration::from_millis(1);

/// What a kernel reached.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KernelRate {
    /// Which.
    pub kernel: Kernel,
    /// On how many threads.
    pub threads: usize,
    /// Hashes per second of all of them together.
    pub hashes_per_second: f64,
}

/// Runs each kernel of [`Kernel::available`] for about `duration` on `threads` threads (at least 1), slowest kernel first.
#[must_use]
pub fn bench(threads: usize, duration: Duration) -> Vec<KernelRate> {
    let threads = threads.max(1);
    let kernels = Kernel::available();
    let slices = usize::try_from(duration.as_micros() / SLICE.as_micros()).unwrap_or(usize::MAX).max(1);
    let barrier = Barrier::new(threads);
    let run = |index| take_turns(&kernels, index, slices, &barrier);
    let of_threads: Vec<Vec<f64>> = std::thread::scope(|scope| {
        let started: Vec<_> = (0..threads).map(|index| scope.spawn(move || run(index))).collect();
        started.into_iter().map(|thread| thread.join().expect("a kernel does not panic")).collect()
    });
    let rate = |(at, kernel): (usize, &Kernel)| {
        let hashes_per_second = of_threads.iter().map(|rates| rates[at]).sum();
        KernelRate { kernel: *kernel, threads, hashes_per_second }
    };
    kernels.iter().enumerate().map(rate).collect()
}

/// Hashes per second of each kernel on one thread.
fn take_turns(kernels: &[Kernel], index: usize, slices: usize, barrier: &Barrier) -> Vec<f64> {
    let header = Header {
        version: u32::try_from(index).unwrap_or(0),
        parent: BlockId::default(),
        merkle_root: MerkleRoot::default(),
        time: 0,
        bits: 0,
        nonce: 0,
    };
    // Nothing meets it.
    let hardest = Target::from_value(U320::from(1)).expect("1 is a target");
    let search = Search::rolling(header, hardest);
    let mut rates = vec![Vec::new(); kernels.len()];
    for _ in 0..slices {
        for (kernel, rates) in kernels.iter().zip(&mut rates) {
            barrier.wait();
            rates.push(run(*kernel, &search));
        }
    }
    rates.into_iter().map(median).collect()
}

/// Hashes per second in one slice.
fn run(kernel: Kernel, search: &Search) -> f64 {
    let start = Instant::now();
    let nonces = BATCH_MAX / VERSIONS;
    let (mut hashes, mut first) = (0u64, 0u32);
    while start.elapsed() < SLICE {
        std::hint::black_box(kernel.search(std::hint::black_box(search), first, nonces));
        first = first.wrapping_add(nonces);
        hashes += u64::from(nonces * VERSIONS);
    }
    hashes as f64 / start.elapsed().as_secs_f64()
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}
