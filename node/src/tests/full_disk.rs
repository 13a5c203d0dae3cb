//! A limit on file sizes stands for a full disk. It holds for a whole process, so the node runs in a child: this test again.

use super::{Alone, LIMIT, genesis, key, lock_of, transfer, until_height};
use crate::error::NodeError;
use crate::handle::NodeHandle;
use crate::store::StoreError;
use bezant_api::types::{EngineName, TxState};
use bezant_consensus::ledger::hash::TxId;
use nix::sys::resource::{Resource, setrlimit};
use std::process::Command;

const CHILD_DIR: &str = "BEZANT_TEST_FULL_DISK_DIR";
const ACCOUNTS: u8 = 150;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_stops_the_node_with_a_clear_error_and_loses_nothing_final() {
    if let Ok(dir) = std::env::var(CHILD_DIR) {
        return fill(dir.as_ref()).await;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let this = std::env::current_exe().expect("this program");
    let name = "tests::full_disk::a_full_disk_stops_the_node_with_a_clear_error_and_loses_nothing_final";
    let output =
        Command::new(this).args(["--exact", name, "--nocapture"]).env(CHILD_DIR, dir.path()).output().expect("runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    let final_height: u64 =
        text.lines().find_map(|line| line.strip_prefix("FINAL ")).expect("a height").parse().expect("a number");
    assert!(final_height >= 1 && text.contains("free some space"), "{text}");
    let node = Alone::start(dir.path(), &genesis(EngineName::Pbft, ACCOUNTS)).expect("starts with room again");
    until_height(&node.handle, final_height).await;
    node.stop().await.expect("stops in order");
}

async fn fill(dir: &std::path::Path) {
    let genesis = genesis(EngineName::Pbft, ACCOUNTS);
    let node = Alone::start(dir, &genesis).expect("starts");
    until_height(&node.handle, 1).await;
    let largest = std::fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry"));
    let largest = largest.map(|entry| entry.metadata().expect("metadata").len()).max().expect("files");
    let limit = largest + 100_000;
    setrlimit(Resource::RLIMIT_FSIZE, limit, limit).expect("a limit on file sizes");
    let mut final_height = 0;
    for number in 0..ACCOUNTS {
        let payment = transfer(&genesis, number, 1_000, lock_of(&key(60)));
        let txid = payment.id();
        if node.handle.submit(payment).await.is_err() {
            break;
        }
        let waited = tokio::time::timeout(LIMIT, ends_before(&node.handle, txid));
        let is_over = waited.await.expect("it is final or the node ends");
        match node.handle.tip().await {
            Ok(tip) if !is_over => final_height = tip.final_height,
            Ok(_) | Err(_) => break,
        }
    }
    let error = node.failure().await;
    assert!(matches!(&error, NodeError::Store(StoreError::CannotWrite { .. })), "{error}");
    println!("\nFINAL {final_height}\n{error}");
}

/// Waits until a transfer is final; whether the node ended before, which it may do at any moment.
async fn ends_before(handle: &NodeHandle, txid: TxId) -> bool {
    let Ok(mut events) = handle.subscribe(None, None).await else { return true };
    while !handle.tx_status(txid).await.is_ok_and(|status| status.state >= TxState::Final) {
        if events.next().await.is_none() {
            return true;
        }
    }
    false
}
