//! How soon a node with much on its disk is ready, and what it takes of memory: `cargo bench --bench start -- [TRANSFERS] [COINS]`.
//!
//! First a chain of TRANSFERS transfers (500,000) under proof of work, 1,000 in a block, each of one coin into two, put on the disk of
//! a node as if it had heard of it. The node starts with all of it flushed, and is killed; then with the state as it was
//! 20,000 transfers below the tip, which is the most that a kill can leave unflushed, so that it connects them again; and is killed and
//! started once more.
//!
//! Then a state of COINS coins (10,000,000), written as a snapshot is, below a node that starts on it: ready, resident memory, and
//! both again after it was asked for coins. A start is from the process's being made to its first answer, the tip.

#[allow(dead_code, reason = "each bench uses a part of it")]
mod support;

use bezant_consensus::chain::snapshot::{SnapshotStep, Switch};
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::coins::Coin;
use bezant_consensus::ledger::commitment::{Buckets, bucket_of};
use bezant_consensus::ledger::hash::{LockHash, TxId, sha256};
use bezant_consensus::ledger::transaction::OutPoint;
use bezant_consensus::ledger::units::Height;
use bezant_consensus::limits::SNAPSHOT_COINS_PER_MESSAGE_MAX;
use bezant_node::limits::UNFLUSHED_TRANSACTIONS_MAX;
use bezant_node::metrics::Metrics;
use bezant_node::store::open;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use support::chains::{Branch, genesis};
use support::solo::{Home, Solo};
use support::{TRANSFERS_PER_BLOCK, memory_mib, net, numbers, put};

const STARTS: usize = 5;

fn main() {
    let [transfers, coins] = numbers([500_000, 10_000_000]);
    long_chain(transfers);
    many_coins(coins);
}

fn start(home: &Home, what: &str) -> Solo {
    let began = Instant::now();
    let node = home.start(&[]);
    node.tip();
    let ready = began.elapsed().as_secs_f64();
    let memory = ["VmRSS", "VmHWM"].map(|what| memory_mib(&node, what));
    println!("  {what:40} ready in {ready:6.2} s, {} MiB resident, {} at most", memory[0], memory[1]);
    node
}

/// The files of the state.
fn copy_state(from: &Path, to: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let name = format!("state.sqlite{suffix}");
        let _ = std::fs::remove_file(to.join(&name));
        if from.join(&name).exists() {
            std::fs::copy(from.join(&name), to.join(&name)).expect("a copy");
        }
    }
}

fn long_chain(transfers: u32) {
    let blocks = transfers.div_ceil(TRANSFERS_PER_BLOCK);
    println!("a chain of {blocks} blocks with {TRANSFERS_PER_BLOCK} transfers each");
    let genesis = genesis(TRANSFERS_PER_BLOCK as usize, blocks);
    let home = Home::new(&genesis);
    let mut branch = Branch::new(&genesis, 0, 0..TRANSFERS_PER_BLOCK);
    let behind = UNFLUSHED_TRANSACTIONS_MAX as u32 / TRANSFERS_PER_BLOCK;
    put(&home, &genesis, &mut branch, blocks.saturating_sub(behind), TRANSFERS_PER_BLOCK);
    let before = tempfile::tempdir().expect("a temporary directory");
    copy_state(&home.data(), before.path());
    put(&home, &genesis, &mut branch, behind.min(blocks), TRANSFERS_PER_BLOCK);
    let tip = branch.tip().to_string();
    for _ in 0..STARTS {
        let node = start(&home, "all flushed");
        assert_eq!(node.tip().id, tip);
        drop(node);
    }
    for _ in 0..STARTS {
        copy_state(before.path(), &home.data());
        let opened = open(&home.data(), &genesis, Arc::new(Metrics::new())).expect("it opens");
        assert_eq!(opened.base.tip.height.0, u64::from(blocks.saturating_sub(behind)), "the rest is to be connected");
        drop((opened.view, opened.facts, opened.state, opened.lock));
        let node = start(&home, "20,000 transfers not flushed");
        assert_eq!(node.tip().id, tip);
        drop(node);
    }
    assert_eq!(start(&home, "killed, and started again").tip().id, tip);
}

/// A coin like no other.
fn coin(number: u32, lock: LockHash) -> (OutPoint, Coin) {
    let txid = TxId(sha256(&number.to_le_bytes()));
    let amount = Amount::from_grains(1_000).expect("a small amount");
    (OutPoint { txid, index: 0 }, Coin { amount, lock, height: Height(0), coinbase: false })
}

fn many_coins(count: u32) {
    println!("{count} coins");
    let genesis = genesis(1, 0);
    let home = Home::new(&genesis);
    let began = Instant::now();
    let opened = open(&home.data(), &genesis, Arc::new(Metrics::new())).expect("a new directory opens");
    let lock = |number: u32| LockHash(sha256(&(number % 1_000_000).to_be_bytes()));
    let mut by_bucket: Vec<Vec<u32>> = vec![Vec::new(); 256];
    (0..count).for_each(|number| by_bucket[usize::from(bucket_of(&coin(number, lock(number)).0))].push(number));
    let mut buckets = Buckets::default();
    for (bucket, numbers) in (0..=u8::MAX).zip(&by_bucket) {
        let mut coins: Vec<(OutPoint, Coin)> = numbers.iter().map(|number| coin(*number, lock(*number))).collect();
        coins.sort_unstable_by_key(|(name, _)| *name);
        buckets.apply(&bezant_consensus::ledger::coins::Diff {
            spent: Default::default(),
            created: coins.iter().copied().collect(),
        });
        for coins in coins.chunks(SNAPSHOT_COINS_PER_MESSAGE_MAX) {
            let step = SnapshotStep::Stage { bucket, coins: coins.to_vec() };
            opened.state.snapshot(step).expect("the writer runs");
        }
    }
    let switch = Switch { sequence: 1, tip: opened.base.tip, buckets };
    opened.state.snapshot(SnapshotStep::Switch(Box::new(switch))).expect("the writer runs");
    opened.state.stop().expect("the disk takes it");
    drop((opened.view, opened.facts, opened.lock));
    let bytes = std::fs::metadata(home.data().join("state.sqlite")).map_or(0, |file| file.len()) / (1024 * 1024);
    println!("  written in {:.1} s, the state is {bytes} MiB on disk", began.elapsed().as_secs_f64());
    for _ in 0..2 {
        let node = start(&home, "started on them");
        for number in (0..count).step_by((count / 100).max(1) as usize) {
            let coins = node.block_on(node.client.coins(&[lock(number).to_string()])).expect("the node answers");
            assert!(!coins.coins.is_empty());
        }
        println!("  {:40} {} MiB resident", "asked for the coins of 100 locks", memory_mib(&node, "VmRSS"));
    }
}
