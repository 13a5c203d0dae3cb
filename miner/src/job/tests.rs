//! Searching what others hand out.

use super::{Job, Share};
use crate::miner::{Miner, MinerConfig, Task};
use crate::stratum::share_target;
use bezant_consensus::ledger::hash::{BlockId, sha256d};
use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Generous: a loaded machine may be slow.
const PATIENCE: Duration = Duration::from_secs(60);

fn job(id: u64, bits: u32, difficulty: f64) -> Job {
    Job {
        id,
        version: 0x2000_0000,
        rolls_version: true,
        parent: BlockId([7; 32]),
        coinbase_first: vec![1; 20],
        coinbase_last: vec![2; 30],
        extranonce_bytes: 4,
        extranonce_start: 0,
        branch: vec![[3; 32], [4; 32]],
        time: 1_700_000_000,
        bits,
        target: share_target(difficulty),
    }
}

fn start(threads: usize, hashrate_max: Option<f64>) -> (Miner<Job>, Receiver<Share>) {
    let (sender, shares) = channel();
    // The test may have heard enough.
    let miner = Miner::start(MinerConfig { threads, hashrate_max }, move |share| drop(sender.send(share)));
    (miner, shares)
}

#[test]
fn shares_are_those_of_the_job_and_none_comes_twice() {
    let (miner, shares) = start(2, None);
    // One hash of 65,536 is a share, none is a block.
    let job = job(5, 0x1d00_ffff, 2f64.powi(-16));
    miner.set_task(Some(job.clone()));
    let mut seen = BTreeSet::new();
    for _ in 0..50 {
        let share = shares.recv_timeout(PATIENCE).unwrap();
        assert!(job.target.is_met_by(&share.header.id()) && !share.is_block);
        assert_eq!((share.job, share.header.bits, share.header.time), (5, job.bits, job.time));
        let coinbase = [&job.coinbase_first[..], &share.extranonce, &job.coinbase_last].concat();
        let first = sha256d(&[sha256d(&coinbase), [3; 32]].concat());
        assert_eq!(share.header.merkle_root.0, sha256d(&[first, [4; 32]].concat()));
        assert_eq!(share.header.version & !0x1fff_e000, job.version);
        assert!(seen.insert((share.extranonce, share.header.nonce, share.header.version)));
    }
    assert!(miner.hashes() > 50);
    // Another job: what was found before may still come, nothing after.
    miner.set_task(Some(Job { id: 6, ..job }));
    let end = Instant::now() + PATIENCE;
    while shares.recv_timeout(PATIENCE).unwrap().job != 6 {
        assert!(Instant::now() < end);
    }
    miner.set_task(None);
}

#[test]
fn a_block_ends_the_search_of_its_job() {
    let (miner, shares) = start(2, None);
    for id in 1..=20 {
        miner.set_task(Some(job(id, 0x207f_ffff, 2.33e-10)));
        let found = std::iter::from_fn(|| shares.recv_timeout(PATIENCE).ok());
        let block = found.into_iter().find(|share| share.is_block).unwrap();
        assert_eq!(block.job, id);
    }
    drop(miner);
    assert_eq!(shares.into_iter().filter(|share| share.is_block).count(), 0, "one block for each job");
}

#[test]
fn a_small_extranonce_is_searched_to_its_end_without_harm() {
    let none = Job { extranonce_bytes: 0, ..job(1, 0x1d00_ffff, 1.0) };
    assert_eq!((none.steps(), none.extranonce(0)), (1, Vec::new()));
    assert!(none.search(0).is_some() && none.search(1).is_none());
    let one = Job { extranonce_bytes: 1, extranonce_start: 0xff, ..none.clone() };
    assert_eq!((one.steps(), one.extranonce(0), one.extranonce(1)), (256, vec![0xff], vec![0]));
    let eight = Job { extranonce_bytes: 8, extranonce_start: u64::MAX, ..none };
    assert_eq!((eight.steps(), eight.extranonce(0), eight.extranonce(1)), (u64::MAX, vec![0xff; 8], vec![0; 8]));
}

#[test]
fn a_limit_is_kept() {
    let (miner, shares) = start(2, Some(100_000.0));
    miner.set_task(Some(job(1, 0x1d00_ffff, 2f64.powi(-18))));
    let began = Instant::now();
    shares.recv_timeout(PATIENCE).unwrap();
    while began.elapsed() < Duration::from_millis(500) {
        std::thread::yield_now();
    }
    let rate = miner.hashes() as f64 / began.elapsed().as_secs_f64();
    assert!(rate < 150_000.0, "{rate}");
    let (stopped, none) = start(1, Some(0.0));
    stopped.set_task(Some(job(1, 0x207f_ffff, 1.0)));
    assert!(none.recv_timeout(Duration::from_millis(50)).is_err());
    assert_eq!(stopped.hashes(), 0);
}
