//! How fast the kernels are here.

use crate::kernel::{Kernel, Search};
use crate::limit::BATCH_MAX;
use bezant_consensus::ledger::block::Header;
use bezant_consensus::ledger::hash::{BlockId, MerkleRoot};
use bezant_consensus::ledger::target::{Target, U320};
use std::time::{Duration, Instant};

/// What a kernel reached.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KernelRate {
    /// Which.
    pub kernel: Kernel,
    /// On how many threads.
    pub threads: usize,
    /// Nonces tried per second by all of them together.
    pub hashes_per_second: f64,
}

/// Runs each kernel that the processor has for `duration` on `threads` threads (at least 1), slowest kernel first.
#[must_use]
pub fn bench(threads: usize, duration: Duration) -> Vec<KernelRate> {
    let threads = threads.max(1);
    let rate = |kernel| {
        let hashes_per_second = std::thread::scope(|scope| {
            let started: Vec<_> = (0..threads).map(|index| scope.spawn(move || run(kernel, index, duration))).collect();
            started.into_iter().map(|thread| thread.join().expect("a kernel does not panic")).sum()
        });
        KernelRate { kernel, threads, hashes_per_second }
    };
    Kernel::available().into_iter().map(rate).collect()
}

/// Hashes per second of one thread on a target that nothing meets.
fn run(kernel: Kernel, index: usize, duration: Duration) -> f64 {
    let header = Header {
        version: u32::try_from(index).unwrap_or(0),
        parent: BlockId::default(),
        merkle_root: MerkleRoot::default(),
        time: 0,
        bits: 0,
        nonce: 0,
    };
    let hardest = Target::from_value(U320::from(1)).expect("1 is a target");
    let search = Search::new(header, hardest);
    let start = Instant::now();
    let (mut hashes, mut first) = (0u64, 0u32);
    while start.elapsed() < duration || hashes == 0 {
        std::hint::black_box(kernel.search(std::hint::black_box(&search), first, BATCH_MAX));
        first = first.wrapping_add(BATCH_MAX);
        hashes += u64::from(BATCH_MAX);
    }
    hashes as f64 / start.elapsed().as_secs_f64()
}
