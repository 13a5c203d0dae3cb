//! How a net of four miners keeps its spacing while their hash power steps by four and back:
//! `cargo bench --bench spacing -- [RUNS]`. Two nets run at a time; each takes some four minutes. In the dev profile the kernels
//! are too slow for that.
//!
//! The half-life is 20 blocks, as on every local net, and the block time 1 s. What is measured are 200 blocks: 40 with the hash power that
//! genesis expects, 80 with four times that, 80 as at first. At the end of the second part a difficulty of about 3.1 is to be expected in the
//! mean of 20 blocks, for the rule answers to what has happened: with less and less to correct it nears four slowly. That of the third is
//! about one again. So the steps cost no time in sum, and the mean spacing is the block time but for chance (3.4 % from run to run).

#[allow(dead_code, reason = "the bench uses a part of what the tests need")]
#[path = "../tests/e2e/net.rs"]
mod net;

use bezant_api::types::{BlockRef, BlockView};
use bezant_consensus::ledger::target::Target;
use net::{Net, until};
use std::ops::Range;
use std::time::Duration;

/// The net's first blocks are not measured: not all miners run yet.
const START: u64 = 20;
/// Heights at which the hash power steps up, steps down, and the measurement ends.
const STEPS: [u64; 3] = [START + 40, START + 120, START + 200];
/// Hashes per second of each node, which genesis expects of it.
const HASHRATE: u64 = 50_000;
/// For all blocks of a part.
const PATIENCE: Duration = Duration::from_secs(600);

/// What a run comes to.
struct Run {
    /// Mean spacing of all 200 blocks, s.
    spacing_s: f64,
    /// The difficulty, that of genesis being 1, in the mean of the last 20 blocks of each part.
    difficulties: [f64; 3],
}

fn main() {
    let runs = std::env::args().skip(1).find_map(|argument| argument.parse::<usize>().ok()).unwrap_or(5);
    let results: Vec<Run> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..runs).map(|_| scope.spawn(run)).collect();
        all.into_iter().map(|run| run.join().expect("a run ends")).collect()
    });
    println!("mean spacing, s    difficulty at the end of each part");
    for Run { spacing_s, difficulties: [first, second, third] } in &results {
        println!("{spacing_s:>15.3}    {first:.2}  {second:.2}  {third:.2}");
    }
    let mean = results.iter().map(|run| run.spacing_s).sum::<f64>() / runs as f64;
    println!("{mean:>15.3}    mean of {runs} runs");
}

fn run() -> Run {
    let net = Net::up(&["--engine", "pow", "--block-time", "1s"]);
    let client = net.client(0);
    let height = || net.block_on(client.tip()).map_or(0, |tip| tip.height);
    let block = |height| net.block_on(client.block(BlockRef::Height(height))).expect("it is there");
    for (step, hashrate) in STEPS.into_iter().zip([HASHRATE, 4 * HASHRATE, HASHRATE]) {
        for node in 0..4 {
            net.json(&["testnet", "hashrate", &node.to_string(), &hashrate.to_string()]);
        }
        until("the part ends", PATIENCE, || (height() >= step).then_some(()));
    }
    let seconds = f64::from(block(STEPS[2]).time) - f64::from(block(START).time);
    let genesis = work(&block(0));
    let difficulty = |end: u64| {
        let last: Range<u64> = end - 20..end;
        last.map(|height| work(&block(height)) / genesis).sum::<f64>() / 20.0
    };
    Run { spacing_s: seconds / (STEPS[2] - START) as f64, difficulties: STEPS.map(difficulty) }
}

/// The expected hashes of a block.
fn work(block: &BlockView) -> f64 {
    let target = Target::from_compact(block.bits).expect("blocks carry targets");
    u128::from_str_radix(&target.work().to_string(), 16).expect("dev nets are easy") as f64
}
