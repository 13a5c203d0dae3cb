//! What the mempool costs, held small and held large: `cargo bench -p bezant-node-core --bench mempool -- [HELD …]`.
//!
//! A replica around an engine that only asks and tells, so that what is measured is the mempool: one-input two-output transfers
//! are handed in as users hand them in, signed and verified before the clock starts. Coins of the chain are in memory (a node
//! reads them from SQLite, 3 µs each, unless they are in its cache). Answers, notices and the copy of each transaction that
//! goes to the peers are made, as in a node, and thrown away.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a bench reads the clock, which the crate must not"
)]

#[allow(dead_code, reason = "each bench uses a part of it")]
mod support;

use bezant_consensus::chain::{ChainUpdate, Link, Tip};
use bezant_consensus::engine::Effect;
use bezant_consensus::ledger::block::Block;
use bezant_consensus::ledger::coins::{Coin, Diff};
use bezant_consensus::ledger::commitment::Buckets;
use bezant_consensus::ledger::genesis::EngineParams;
use bezant_consensus::ledger::transaction::{OutPoint, Transaction};
use bezant_consensus::ledger::units::Height;
use bezant_consensus::verify::Verified;
use bezant_node_core::io::Input;
use std::sync::Arc;
use std::time::{Duration, Instant};
use support::{Bench, GRAINS, block, grains, owner, pbft, pow};

/// Measured at a time.
const SAMPLE: usize = 1_000;
const SELECTIONS: u32 = 20;
const REORG_BLOCKS: usize = 100;
const REORG_TRANSFERS: usize = 100;

/// Since when something has been going on: in processor time of this thread where the system tells it (Linux), so that other
/// programs on a busy machine do not count; else by the clock.
struct Since(Instant, Option<u64>);

impl Since {
    fn now() -> Since {
        Since(Instant::now(), processor_ns())
    }

    fn elapsed(&self) -> Duration {
        match (self.1, processor_ns()) {
            (Some(before), Some(now)) => Duration::from_nanos(now - before),
            _ => self.0.elapsed(),
        }
    }
}

fn processor_ns() -> Option<u64> {
    // Giving up the processor brings the figure up to date.
    std::thread::yield_now();
    std::fs::read_to_string("/proc/thread-self/schedstat").ok()?.split(' ').next()?.parse().ok()
}

impl Bench {
    /// Hands all in; the time taken, and how many were let in.
    fn submit(&mut self, transactions: Vec<Verified<Transaction>>) -> (Duration, usize) {
        let began = Since::now();
        let taken = self.hand_in(transactions);
        (began.elapsed(), taken)
    }

    fn select(&mut self) -> Duration {
        let began = Since::now();
        self.replica.handle(self.now, Input::BlockNow);
        began.elapsed()
    }

    /// Tells a switch; coins are changed before the clock starts.
    fn switch(&mut self, disconnected: &[Arc<Block>], connected: &[Arc<Block>]) -> Duration {
        let mut coins = self.coins.0.lock().expect("nobody panics here");
        let own = Coin { amount: grains(GRAINS), lock: owner().hash(), height: Height(0), coinbase: false };
        for transaction in disconnected.iter().flat_map(|block| &block.transactions) {
            coins.extend(transaction.inputs().iter().map(|input| (*input, own)));
            let txid = transaction.id();
            for index in 0..2 {
                coins.remove(&OutPoint { txid, index });
            }
        }
        for transaction in connected.iter().flat_map(|block| &block.transactions) {
            for input in transaction.inputs() {
                coins.remove(input);
            }
            for (index, output) in (0..).zip(transaction.outputs()) {
                let coin = Coin { amount: output.amount, lock: output.lock, height: Height(1), coinbase: false };
                coins.insert(OutPoint { txid: transaction.id(), index }, coin);
            }
        }
        drop(coins);
        self.sequence += 1;
        let link = |block: &Arc<Block>| Link {
            height: Height(1),
            id: block.id(),
            block: block.clone(),
            diff: Arc::new(Diff::default()),
        };
        let header = self.genesis.block().header;
        let update = ChainUpdate {
            sequence: self.sequence,
            disconnected: disconnected.iter().map(link).collect(),
            connected: connected.iter().map(link).collect(),
            tip: Tip { height: Height(0), id: header.id(), header },
            final_height: Height(0),
            buckets: Buckets::default(),
        };
        self.says.lock().expect("nobody panics here").push_back(Effect::Chain(update));
        let began = Since::now();
        self.replica.handle(self.now, Input::Wake);
        began.elapsed()
    }
}

fn per(duration: Duration, count: usize) -> String {
    format!("{:7.1} µs", duration.as_secs_f64() * 1e6 / count as f64)
}

fn ms(duration: Duration) -> String {
    format!("{:7.2} ms", duration.as_secs_f64() * 1e3)
}

fn measure(name: &str, engine: &dyn Fn() -> EngineParams, held: usize) {
    println!("{name}, {held} held");
    let mut bench = Bench::new(engine(), held + 10 * SAMPLE);
    let most = held as u64;
    let old = bench.fresh(0..most);
    bench.submit(old.clone());
    assert_eq!(bench.replica.mempool().len(), held);

    let next = bench.fresh(most..most + SAMPLE as u64);
    let (time, taken) = bench.submit(next.clone());
    assert_eq!(taken, SAMPLE);
    println!(
        "  admission, alone            {} each, {:8.0} a second",
        per(time, SAMPLE),
        SAMPLE as f64 / time.as_secs_f64()
    );

    let child = |parent: &Verified<Transaction>| {
        let coin = OutPoint { txid: parent.get().id(), index: 0 };
        bench.verified(bench.transfer(coin, parent.get().outputs()[0].amount.grains(), 5_000))
    };
    let mut line = old[..SAMPLE / 20].to_vec();
    let mut children = Vec::new();
    for _ in 0..20 {
        line = line.iter().map(child).collect();
        children.extend(line.clone());
    }
    let (time, taken) = bench.submit(children);
    assert_eq!(taken, SAMPLE / 20 * 20);
    println!("  admission, chains up to 21  {} each", per(time, SAMPLE));

    let dearer: Vec<_> = (0..SAMPLE as u64)
        .map(|number| bench.verified(bench.transfer(bench.coin(most + number), GRAINS, 30_000)))
        .collect();
    let (time, taken) = bench.submit(dearer);
    assert_eq!(taken, SAMPLE);
    println!("  replacement                 {} each", per(time, SAMPLE));

    let time: Duration = (0..SELECTIONS).map(|_| bench.select()).sum();
    let (count, bytes) = *bench.payload.lock().expect("nobody panics here");
    println!("  selection                   {} for {count} transactions, {bytes} bytes", ms(time / SELECTIONS));

    let began = Since::now();
    for _ in 0..SELECTIONS {
        let _ = bench.replica.estimate_fee(bench.now, 10);
    }
    println!("  estimate for 10 blocks      {}", ms(began.elapsed() / SELECTIONS));

    let blocks: Vec<Arc<Block>> = (0..REORG_BLOCKS as u64)
        .map(|number| {
            let first = 2 * most + 1_000_000 + number * REORG_TRANSFERS as u64;
            block(&bench.fresh(first..first + REORG_TRANSFERS as u64))
        })
        .collect();
    let time = bench.switch(&[], &blocks);
    println!("  {REORG_BLOCKS} blocks of {REORG_TRANSFERS} unknown ones {} a block", ms(time / REORG_BLOCKS as u32));
    let back: Vec<Arc<Block>> = blocks.iter().rev().cloned().collect();
    let time = bench.switch(&back, &[]);
    println!("  and back: {} return      {}", REORG_BLOCKS * REORG_TRANSFERS, ms(time));
    let time = bench.switch(&[], &blocks);
    println!("  and forth, known            {} a block", ms(time / REORG_BLOCKS as u32));

    // A mempool that is full with what is held.
    let coins = std::mem::take(&mut *bench.coins.0.lock().expect("nobody panics here"));
    let mut bench = Bench::new(engine(), held);
    bench.coins.0.lock().expect("nobody panics here").extend(coins);
    bench.submit(old);
    assert_eq!(bench.replica.mempool().len(), held);
    let better: Vec<_> = (0..SAMPLE as u64)
        .map(|number| bench.verified(bench.transfer(bench.coin(3 * most + number), GRAINS, 50_000)))
        .collect();
    let (time, taken) = bench.submit(better);
    assert_eq!((taken, bench.replica.mempool().len()), (SAMPLE, held));
    println!("  admission that evicts       {} each", per(time, SAMPLE));
    let poor: Vec<_> = (0..SAMPLE as u64)
        .map(|number| bench.verified(bench.transfer(bench.coin(4 * most + number), GRAINS, 300)))
        .collect();
    let (time, taken) = bench.submit(poor);
    assert_eq!(taken, 0);
    println!("  refused by the floor        {} each", per(time, SAMPLE));
}

fn main() {
    let held: Vec<usize> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let held = if held.is_empty() { vec![1_000, 10_000, 100_000] } else { held };
    for held in held {
        measure("proof of work", &pow, held);
        measure("PBFT", &pbft, held);
    }
}
