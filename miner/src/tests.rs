//! The threads' manners, and what there is to search.

use super::*;
use crate::kernel::VERSIONS;
use crate::limit::{BATCH_MAX, Limiter};
use bezant_consensus::engine::Template;
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::block::{Block, Header};
use bezant_consensus::ledger::hash::{BlockId, LockHash, MerkleRoot};
use bezant_consensus::ledger::target::Target;
use bezant_consensus::ledger::transaction::{Body, Coinbase, Output, Transaction};
use bezant_consensus::ledger::units::Height;
use proptest::prelude::*;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Longer than anything here takes, even on a loaded machine.
const LONG: Duration = Duration::from_secs(60);
/// Every second header meets it.
const EASY_BITS: u32 = 0x207f_ffff;
/// Out of reach.
const HARD_BITS: u32 = 0x1800_ffff;

fn header(seed: [u8; 32], bits: u32) -> Header {
    let word = |at: usize| u32::from_le_bytes(seed[at..at + 4].try_into().unwrap());
    Header { version: word(0), parent: BlockId(seed), merkle_root: MerkleRoot(seed), time: word(4), bits, nonce: 0 }
}

fn template(ticket: u64, bits: u32, extra: usize) -> Template {
    let coinbase = |tag: u8| {
        Transaction::new(
            Body::Coinbase(Coinbase {
                height: Height(5),
                extra: vec![tag; extra],
                outputs: vec![Output { amount: Amount::from_grains(7).unwrap(), lock: LockHash([tag; 32]) }],
            }),
            Vec::new(),
        )
    };
    // Only the merkle tree counts here, so that the others may be of any kind.
    let mut block = Block { header: header([3; 32], bits), transactions: (0..5).map(coinbase).collect() };
    block.header.merkle_root = block.merkle_root();
    Template { ticket, height: Height(5), block }
}

fn start(threads: usize, hashrate_max: Option<f64>) -> (Miner<Space>, Receiver<Solution>) {
    let (sender, receiver) = channel();
    let miner = Miner::start(MinerConfig { threads, hashrate_max }, move |solution| drop(sender.send(solution)));
    (miner, receiver)
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < LONG, "{what}");
        std::thread::yield_now();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_step_changes_root_and_coinbase_together(step in any::<u64>(), extra in 8usize..40) {
        let template = template(1, EASY_BITS, extra);
        let space = Space::new(template.clone());
        let header = space.header(step);
        let block = space.block(step, header);
        prop_assert_eq!(block.merkle_root(), header.merkle_root);
        prop_assert_eq!(&block.transactions[1..], &template.block.transactions[1..]);
        prop_assert_eq!(header.time, template.block.header.time);
    }
}

#[test]
fn without_room_for_an_extranonce_the_time_moves() {
    let template = template(1, EASY_BITS, 7);
    let space = Space::new(template.clone());
    let header = space.header(3);
    assert_eq!(header.merkle_root, template.block.header.merkle_root);
    assert_eq!(header.time, template.block.header.time + 3);
    assert_eq!(space.block(3, header).transactions, template.block.transactions);
}

#[test]
fn a_solution_is_a_valid_block_of_its_template() {
    let (miner, found) = start(3, None);
    for ticket in 0..20 {
        let template = template(ticket, 0x1f7f_ffff, 16);
        miner.set_task(Some(Space::new(template.clone())));
        let solution = found.recv_timeout(LONG).expect("an easy target is met");
        assert_eq!(solution.ticket, ticket);
        assert!(Target::from_compact(0x1f7f_ffff).unwrap().is_met_by(&solution.block.id()));
        assert_eq!(solution.block.merkle_root(), solution.block.header.merkle_root);
        assert_eq!(solution.block.header.parent, template.block.header.parent);
    }
    drop(miner);
    assert!(found.try_recv().is_err(), "one solution for each template");
}

/// Each version of a nonce is a hash, up to the hit: in the order that all kernels share.
#[test]
fn what_is_counted_is_hashes() {
    for ticket in 0..20 {
        let (miner, found) = start(1, None);
        let mut template = template(ticket, 0x1f7f_ffff, 16);
        template.block.header.time += u32::try_from(ticket).unwrap();
        miner.set_task(Some(Space::new(template.clone())));
        let header = found.recv_timeout(LONG).expect("an easy target is met").block.header;
        let roll = (header.version ^ template.block.header.version) >> 13;
        assert!(roll < VERSIONS);
        assert_eq!(miner.hashes(), u64::from(header.nonce) * u64::from(VERSIONS) + u64::from(roll) + 1);
    }
}

#[test]
fn a_new_template_ends_the_search_of_the_old_one() {
    let (miner, found) = start(2, None);
    miner.set_task(Some(Space::new(template(1, HARD_BITS, 16))));
    wait_until("the search begins", || miner.hashes() > 0);
    miner.set_task(Some(Space::new(template(2, EASY_BITS, 16))));
    assert_eq!(found.recv_timeout(LONG).unwrap().ticket, 2);
    let at_rest = miner.hashes();
    miner.set_task(Some(Space::new(template(3, HARD_BITS, 16))));
    wait_until("the search goes on", || miner.hashes() > at_rest);
    miner.set_task(None);
    drop(miner);
    assert!(found.recv().is_err(), "nothing else was found, and the callback is gone with the threads");
}

#[test]
fn the_limit_is_kept() {
    let limit = 40_000.0;
    let (miner, _found) = start(2, Some(limit));
    let begin = Instant::now();
    miner.set_task(Some(Space::new(template(1, HARD_BITS, 16))));
    wait_until("hashes are done", || miner.hashes() >= 20_000);
    // Half a second's worth. Never faster than the limit, but for what one lapse may make up for.
    assert!(begin.elapsed() >= Duration::from_millis(350), "{:?}", begin.elapsed());
    miner.set_hashrate_max(Some(0.0));
    miner.set_hashrate_max(None);
    let before = miner.hashes();
    wait_until("the limit is off", || miner.hashes() > before + 200_000);
}

#[test]
fn a_limit_of_nothing_stops_the_search_and_not_the_miner() {
    for limit in [0.0, -1.0, f64::NAN] {
        let (miner, found) = start(1, Some(limit));
        miner.set_task(Some(Space::new(template(1, EASY_BITS, 16))));
        assert_eq!(miner.hashes(), 0);
        miner.set_hashrate_max(Some(1_000.0));
        assert_eq!(found.recv_timeout(LONG).unwrap().ticket, 1);
    }
}

#[test]
fn a_slow_miner_still_obeys_at_once() {
    let (miner, found) = start(1, Some(0.001));
    miner.set_task(Some(Space::new(template(1, HARD_BITS, 16))));
    wait_until("the first nonce is tried", || miner.hashes() > 0);
    let begin = Instant::now();
    miner.set_hashrate_max(None);
    miner.set_task(Some(Space::new(template(2, EASY_BITS, 16))));
    assert_eq!(found.recv_timeout(LONG).unwrap().ticket, 2);
    drop(miner);
    assert!(begin.elapsed() < Duration::from_secs(30), "it did not wait for its next nonce");
}

#[test]
fn a_bench_measures_every_kernel() {
    let rates = bench(2, Duration::from_millis(5));
    let kernels: Vec<Kernel> = rates.iter().map(|rate| rate.kernel).collect();
    assert_eq!(kernels, Kernel::available());
    assert!(rates.iter().all(|rate| rate.threads == 2 && rate.hashes_per_second > 0.0));
}

/// What keeps a new tip from waiting: no thread tries more than the batch that it has begun, limited or not.
#[test]
fn old_work_ends_with_the_batch_that_was_begun() {
    for limit in [None, Some(50_000_000.0)] {
        let threads = 3;
        let (miner, found) = start(threads, limit);
        for ticket in 0..50 {
            miner.set_task(Some(Space::new(template(ticket, HARD_BITS, 16))));
            let before = miner.hashes();
            wait_until("the search begins", || miner.hashes() > before);
            miner.set_task(None);
            let at_the_change = miner.hashes();
            // Whoever finds the easy one tries one batch of it at most, and so does every other thread.
            miner.set_task(Some(Space::new(template(ticket + 1_000, EASY_BITS, 16))));
            assert_eq!(found.recv_timeout(LONG).unwrap().ticket, ticket + 1_000);
            let batches = 2 * threads as u64;
            assert!(miner.hashes() <= at_the_change + batches * u64::from(BATCH_MAX));
        }
    }
}

/// A batch is short in hashes at any limit, and 5 ms of the limit at most.
#[test]
fn batches_are_small_at_any_limit() {
    let now = Instant::now();
    assert!(Limiter::new(None, now).batch() <= 2_048);
    for (rate, batch) in [(1e12, 2_048), (409_600.0, 2_048), (200_000.0, 1_000), (1_000.0, 5), (1.0, 1), (1e-9, 1)] {
        assert_eq!(Limiter::new(Some(rate), now).batch(), batch);
    }
}

/// Each thread has nonces of its own, and none runs out of them: after the largest comes the next extranonce.
#[test]
fn steps_differ_in_their_header() {
    for extra in [16, 7] {
        let space = Space::new(template(1, EASY_BITS, extra));
        let headers: std::collections::BTreeSet<_> = (0..100).map(|step| space.header(step).to_bytes()).collect();
        assert_eq!(headers.len(), 100);
    }
}
