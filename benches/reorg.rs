//! A switch between two branches, and kills in the middle of it: `cargo bench --bench reorg -- [BLOCKS] [TRANSFERS] [KILLS]`.
//!
//! A node has two branches of BLOCKS blocks (100) with TRANSFERS transfers each (100); all that one spends the other leaves
//! alone, so that every transfer goes back to the mempool. A person rules one out, and the node turns to the other: the time
//! until it says that it is there, five times in each direction, and until that can be read from its disk. Then it is killed at KILLS moments
//! (40) spread over that time and half of it more; each time it must come back to one of the two tips, with that tip's coins.

#[allow(dead_code, reason = "the bench uses a part of what the tests need")]
#[path = "../tests/e2e/reorg.rs"]
mod reorg;
#[allow(dead_code, reason = "each bench uses a part of it")]
mod support;

use reorg::Branches;
use std::time::{Duration, Instant};
use support::net::{LIMIT, until};
use support::{chains, net, numbers, solo};

fn main() {
    let [blocks, transfers, kills] = numbers([100, 100, 40]);
    let branches = Branches::new(blocks, transfers);
    let node = branches.home.start(&[]);
    // What the branch left last had is handed in again at a start.
    let pool = || node.block_on(node.client.status()).expect("the node answers").mempool;
    until("the mempool is as it was", LIMIT, || (pool() == (blocks * transfers) as usize).then_some(()));
    let mut times = Vec::new();
    for round in 0..10 {
        let to = usize::from(node.tip().id == branches.tips[0]);
        let began = Instant::now();
        let switched = branches.turn(&node, to).expect("the node lives");
        assert_eq!(node.tip().id, branches.tips[to]);
        let flushed = began.elapsed();
        println!("turn {round}: {} ms, flushed {} ms", switched.as_millis(), flushed.as_millis());
        times.push(flushed);
    }
    node.end();
    let longest = times.iter().max().copied().unwrap_or(Duration::ZERO);
    let mut sides = [0, 0];
    for kill in 0..kills {
        sides[branches.turn_and_kill(longest * 3 * kill / (2 * kills))] += 1;
    }
    println!("{kills} kills: {} at one tip, {} at the other, all whole", sides[0], sides[1]);
}
