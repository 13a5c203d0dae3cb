//! What those benches share that start one node after another on a chain that was put on its disk before.

#[allow(dead_code, reason = "each bench uses a part of what the tests need")]
#[path = "../../tests/e2e/chains.rs"]
pub(crate) mod chains;
#[allow(dead_code, reason = "each bench uses a part of what the tests need")]
#[path = "../../tests/e2e/net.rs"]
pub(crate) mod net;
#[allow(dead_code, reason = "each bench uses a part of what the tests need")]
#[path = "../../tests/e2e/solo.rs"]
pub(crate) mod solo;

use bezant_consensus::ledger::genesis::Genesis;
use chains::{Branch, Filling};
use solo::{Home, Solo};
use std::sync::Arc;
use std::time::Duration;

/// In a block of a chain that is not of empty ones.
pub(crate) const TRANSFERS_PER_BLOCK: u32 = 1_000;
/// Blocks that are made and stored at a time.
const STEP: u32 = 500;

/// The numbers on the command line, and for those that are not there the usual ones.
pub(crate) fn numbers<const N: usize>(usual: [u32; N]) -> [u32; N] {
    let mut given = std::env::args().skip(1).filter_map(|argument| argument.parse().ok());
    usual.map(|usual| given.next().unwrap_or(usual))
}

/// Makes so many blocks with so many transfers each, and puts them on the disk of a node as if it had heard of them; how long one
/// thread checked their signatures.
pub(crate) fn put(home: &Home, genesis: &Arc<Genesis>, branch: &mut Branch, blocks: u32, transfers: u32) -> Duration {
    let mut filling = Filling::new(&home.data(), genesis);
    for done in (0..blocks).step_by(STEP as usize) {
        let some: Vec<_> = (done..blocks.min(done + STEP)).map(|_| branch.block(transfers as usize)).collect();
        filling.hear_of(&some);
    }
    let verifying = filling.verifying;
    assert_eq!(filling.finish(), branch.tip());
    verifying
}

/// What the kernel says of a node's process.
pub(crate) fn proc(node: &Solo, file: &str) -> String {
    std::fs::read_to_string(format!("/proc/{}/{file}", node.pid())).expect("the process runs, on Linux")
}

/// A figure of a node's memory, MiB: `VmRSS` is what is resident, `VmHWM` the most that was.
pub(crate) fn memory_mib(node: &Solo, what: &str) -> u64 {
    let status = proc(node, "status");
    let line = status.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(':'));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1024
}
