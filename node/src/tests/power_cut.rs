//! A power cut, as far as files can show it.
//!
//! Whenever a transfer was reported final, `facts.sqlite` and its write-ahead log are copied as they are at that moment, and
//! `state.sqlite` is taken as it was when the node had just been made: everything that it wrote since is thrown away. A node
//! started on that copy must know all that was reported final. This proves that what is reported rests on commits of facts
//! alone, and that the state follows from them. That a commit has been synced when it returns is SQLite's promise under
//! `synchronous = FULL`, which is asserted beside the store; no file system is simulated here.

use super::{Alone, genesis, key, lock_of, transfer, until_height, until_state};
use bezant_api::types::{EngineName, TxState};
use std::path::Path;

fn copy(from: &Path, to: &Path, starts_with: &str) {
    for entry in std::fs::read_dir(from).expect("a directory") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        // The shared-memory index is rebuilt from the log; after a power cut there is none.
        if name.starts_with(starts_with) && !name.ends_with("-shm") {
            std::fs::copy(&path, to.join(name)).expect("copies");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_reported_final_is_there_after_the_state_was_lost() {
    let genesis = genesis(EngineName::Pbft, 6);
    let dir = tempfile::tempdir().expect("a directory");
    let young = tempfile::tempdir().expect("a directory");
    Alone::start(young.path(), &genesis).expect("starts").stop().await.expect("stops");
    for kind in ["state.sqlite", "facts.sqlite"] {
        copy(young.path(), dir.path(), kind);
    }
    let node = Alone::start(dir.path(), &genesis).expect("starts");
    let mut reported = Vec::new();
    for number in 0..6 {
        let payment = transfer(&genesis, number, 1_000 + u64::from(number), lock_of(&key(60)));
        let txid = payment.id();
        node.handle.submit(payment).await.expect("is admitted");
        until_state(&node.handle, txid, TxState::Final).await;
        let height = node.handle.tip().await.expect("answers").final_height;
        reported.push(txid);
        let after = tempfile::tempdir().expect("a directory");
        copy(dir.path(), after.path(), "facts.sqlite");
        copy(young.path(), after.path(), "state.sqlite");
        let revived = Alone::start(after.path(), &genesis).expect("starts after the cut");
        until_height(&revived.handle, height).await;
        for txid in &reported {
            assert_eq!(revived.handle.tx_status(*txid).await.expect("answers").state, TxState::Final);
        }
        revived.stop().await.expect("stops");
    }
    node.stop().await.expect("stops");
}
