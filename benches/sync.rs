//! A new node catches up with a chain of proof of work over loopback: `cargo bench --bench sync -- [BLOCKS] [TRANSFERS]`.
//!
//! Two chains: one of BLOCKS empty blocks (100,000), for the rate at which headers come and what they take of memory; and one of
//! TRANSFERS transfers (500,000), 1,000 in a block, each of one coin into two. Each is put on the disk of one node, as if it had heard of
//! it; then a second node starts that knows the first. Blocks take no work to speak of. What signatures cost of the second node's processor time is told from
//! how long one thread checked them all before.

#[allow(dead_code, reason = "each bench uses a part of it")]
mod support;

use std::time::{Duration, Instant};
use support::chains::{Branch, genesis};
use support::net::{self, until};
use support::solo::{Home, Solo};
use support::{TRANSFERS_PER_BLOCK, memory_mib, numbers, proc, put};

const PATIENCE: Duration = Duration::from_secs(3_600);

fn main() {
    let [blocks, transfers] = numbers([100_000, 500_000]);
    catch_up(blocks, 0);
    catch_up(transfers.div_ceil(TRANSFERS_PER_BLOCK), TRANSFERS_PER_BLOCK);
}

fn catch_up(blocks: u32, transfers: u32) {
    println!("{blocks} blocks with {transfers} transfers each");
    let genesis = genesis(transfers.max(1) as usize, blocks);
    let [first, second] = [Home::new(&genesis), Home::new(&genesis)];
    let mut branch = Branch::new(&genesis, 0, 0..transfers);
    let verifying = put(&first, &genesis, &mut branch, blocks, transfers);
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
    let [of_first, of_second] = [&server, &follower].map(|node| memory_mib(node, "VmHWM"));
    println!("  most memory, first and second {of_first} and {of_second} MiB");
    server.end();
    follower.end();
    let began = Instant::now();
    let again = second.start(&[]);
    let (took, memory) = (began.elapsed().as_secs_f64(), memory_mib(&again, "VmHWM"));
    println!("  the second starts again       {took:8.2} s, {memory} MiB");
    again.end();
}

/// Time of all threads until now, in user and kernel mode.
fn processor_s(node: &Solo) -> f64 {
    let stat = proc(node, "stat");
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    // Fields 14 and 15 of the whole line, in hundredths of a second.
    (ticks(11) + ticks(12)) / 100.0
}
