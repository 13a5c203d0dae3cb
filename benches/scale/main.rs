//! How a net under PBFT changes with its size: `cargo bench --bench scale -- far [N_MAX] [DIR] | faults [N_MAX] | one N BLOCK MBIT
//! [silent] [kill] [alone] | near [RATE]`; in the development profile `cargo test --bench scale -- …`: virtual time does not depend on it.
//!
//! - `far`: all sizes up to N_MAX (100), four sizes of blocks, two up-links; tables, fits, and pictures into DIR if it is given.
//! - `faults`: with f silent members, and with the primary killed.
//! - `one`: one net, with all that is counted.
//! - `near`: real nets of 1, 4, 7, 10 and 13 processes on this machine, at a low rate and at RATE (1,000).
//!
//! # The model
//! Each node is a real [`Replica`](bezant_node_core::Replica): engine, mempool, relay of transactions in batches, proposals that name
//! them, requests for what is missing, time-outs. What it says is signed and checked, once for all receivers. Around it:
//! - **Distance**: node i is in region i mod 10 of [`theory::REGIONS`]; a message takes half a published round trip, and up to a
//!   twentieth more, and does not overtake another of its link. Nothing is lost.
//! - **Up-link**: one queue for each node, first in, first out, of so many bits a second. Bytes are those of the encoding and of
//!   frames, yamux, Noise, TCP and IP. Down-links are not modelled: nobody receives much more than it sends, but from the primary.
//! - **Gossip**: transactions go from whom they were handed in at to everybody, and from each node on to six neighbours, as
//!   gossipsub does with its defaults; everything else goes directly.
//! - **Processor**: one core for each node, which does one thing after another: what one peer brought, up to 32 messages or 256
//!   transfers, is verified together; transactions are overtaken by all else. Costs stand in `model.rs`.
//! - **Disk**: what is to be durable takes 350 µs, what comes meanwhile goes together, and nothing that rests on it leaves before.
//! - **Transfers**: blocks are filled by 20 transactions (1 for blocks of 1) which stand for all: bytes, signatures and costs are
//!   multiplied. Eight blocks' worth of transfers wait or are under way at any time, handed in evenly at all nodes.
//! - **Measured** are the blocks after the first few, at the primary (node 0), or at node 1 where that is killed.
//!
//! The same seed gives the same figures.

mod model;
mod near;
mod report;
mod store;
mod theory;
mod world;

use std::path::Path;
use world::Setup;

/// Sizes of nets.
const SIZES: [usize; 10] = [4, 7, 10, 13, 16, 22, 31, 40, 64, 100];

fn main() {
    // Cargo adds one of its own.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let number = |place: usize| arguments.get(place).and_then(|it| it.replace('_', "").parse::<u64>().ok());
    let has = |word: &str| arguments.iter().any(|it| it == word);
    let sizes: Vec<usize> = SIZES.into_iter().filter(|n| *n as u64 <= number(1).unwrap_or(100)).collect();
    match arguments.first().map(String::as_str) {
        Some("far") => report::far(&sizes, arguments.get(2).map(Path::new)),
        Some("faults") => {
            report::faults(&[4, 7, 16, 31, 64, 100].into_iter().filter(|n| sizes.contains(n)).collect::<Vec<_>>())
        }
        Some("near") => near::near(number(1).unwrap_or(1_000)),
        Some("one") => {
            let [n, block, mbit] = [1, 2, 3].map(|place| number(place).expect("N BLOCK MBIT"));
            let mut setup = Setup::new(n as usize, block, mbit * 1_000_000);
            (setup.silent, setup.kill, setup.alone) = (has("silent"), has("kill"), has("alone"));
            report::one(&setup);
        }
        // Nothing is asked for: that it runs, in a moment.
        _ => report::far(&SIZES[..2], None),
    }
}
