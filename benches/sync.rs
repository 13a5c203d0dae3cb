//! A new node catches up with a chain of proof of work over loopback: `cargo bench --bench sync -- [BLOCKS] [TRANSFERS]`.
//!
//! Two chains: one of BLOCKS empty blocks (100,000), for the rate at which headers come and what they take of memory; and one of
//! TRANSFERS transfers (500,000), 1,000 in a block, each of one coin into two. Each is put on the disk of one node, as if it had heard of
//! it; then a second node starts that knows the first. Blocks take no work to speak of. What signatures cost of the second node's processor time is told from
//! how long one thread checked them all before.

#[allow(dead_code, reason = "the bench uses a part of what the tests need")]
#[path = "../tests/e2e/chains.rs"]
mod chains;
#[allow(dead_code, reason = "the bench uses a part of what the tests need")]
#[path = "../tests/e2e/net.rs"]
mod net;
#[allow(dead_code, reason = "the bench uses a part of what the tests need")]
#[path = "../tests/e2e/solo.rs"]
mod solo;

use chains::{Branch, Filling, genesis};
use net::until;
use solo::{Home, Solo};
use std::time::{Duration, Instant};

const TRANSFERS_PER_BLOCK: u32 = 1_000;
/// Blocks that are made and stored at a time.
const STEP: u32 = 500;
const PATIENCE: Duration = Duration::from_secs(3_600);

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse::<u32>().ok());
    let [blocks, transfers] = [100_000, 500_000].map(|default| numbers.next().unwrap_or(default));
    catch_up(blocks, 0);
    catch_up(transfers.div_ceil(TRANSFERS_PER_BLOCK), TRANSFERS_PER_BLOCK);
}

fn catch_up(blocks: u32, transfers: u32) {
    println!("{blocks} blocks with {transfers} transfers each");
    let genesis = genesis(transfers.max(1) as usize, blocks);
    let [first, second] = [Home::new(&genesis), Home::new(&genesis)];
    let mut filling = Filling::new(&first.data(), &genesis);
    let mut branch = Branch::new(&genesis, 0, 0..transfers);
    for done in (0..blocks).step_by(STEP as usize) {
        let some: Vec<_> = (done..blocks.min(done + STEP)).map(|_| branch.block(transfers as usize)).collect();
        filling.hear_of(&some);
    }
    let verifying = filling.verifying;
    assert_eq!(filling.finish(), branch.tip());
    let began = Instant::now();
    let server = first.start(&[]);
    println!("  the first node starts         {:8.2} s", began.elapsed().as_secs_f64());
    let began = Instant::now();
    let follower = second.start(&["--peer", &server.p2p[0]]);
    let status = || follower.block_on(follower.client.status()).expect("the node answers");
    let wanted = u64::from(blocks);
    until("all headers are here", PATIENCE, || status().pow.is_some_and(|pow| pow.best_header >= wanted).then_some(()));
    let headers = began.elapsed();
    until("all blocks are here", PATIENCE, || (status().height >= wanted).then_some(()));
    assert_eq!(follower.tip().id, branch.tip().to_string());
    let all = began.elapsed();
    let processor = processor_s(&follower);
    let per_s = |count: u32, time: Duration| f64::from(count) / time.as_secs_f64();
    println!("  headers                       {:8.2} s, {:.0} a second", headers.as_secs_f64(), per_s(blocks, headers));
    println!("  blocks too, on disk           {:8.2} s, {:.0} a second", all.as_secs_f64(), per_s(blocks, all));
    if transfers > 0 {
        let share = verifying.as_secs_f64() / processor;
        println!("  transfers                     {:.0} a second", per_s(blocks * transfers, all));
        println!("  one thread checks them in     {:8.2} s, {:.0} %", verifying.as_secs_f64(), 100.0 * share);
    }
    println!("  processor time of the second  {processor:8.2} s");
    println!("  most memory, first and second {} and {} MiB", memory_mib(&server), memory_mib(&follower));
    server.end();
    follower.end();
    let began = Instant::now();
    let again = second.start(&[]);
    println!("  the second starts again       {:8.2} s, {} MiB", began.elapsed().as_secs_f64(), memory_mib(&again));
    again.end();
}

/// What the kernel says of a process.
fn proc(node: &Solo, file: &str) -> String {
    std::fs::read_to_string(format!("/proc/{}/{file}", node.pid())).expect("the process runs, on Linux")
}

/// Time of all threads until now, in user and kernel mode.
fn processor_s(node: &Solo) -> f64 {
    let stat = proc(node, "stat");
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    // Fields 14 and 15 of the whole line, in hundredths of a second.
    (ticks(11) + ticks(12)) / 100.0
}

/// The most that was resident at once.
fn memory_mib(node: &Solo) -> u64 {
    let status = proc(node, "status");
    let kib =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}
