//! What waits for a block: packages, replacement and trying over the handle, and what a restart keeps.

use super::LIMIT;
use super::{Alone, START, genesis, key, lock_of, spend, until};
use crate::handle::{AskError, MineOrder};
use crate::pool_file::{self, POOL_FILE};
use bezant_api::types::{EngineName, Submission, TxState};
use bezant_consensus::ledger::genesis::Genesis;
use bezant_consensus::ledger::transaction::{OutPoint, Transaction};

/// Spends the genesis coin of account `number` back to it, for this fee.
fn coin(genesis: &Genesis, number: u8) -> (OutPoint, u64, u8) {
    (OutPoint { txid: genesis.block().transactions[0].id(), index: u32::from(number) }, START, 100 + number)
}

fn bid(genesis: &Genesis, number: u8, fee: u64) -> Transaction {
    spend(genesis, &[coin(genesis, number)], &[(START - fee, lock_of(&key(100 + number)))])
}

/// Spends the only output of [`bid`].
fn heir(genesis: &Genesis, parent: &Transaction, number: u8, fee: u64) -> Transaction {
    let grains = parent.outputs()[0].amount.grains();
    let coin = (OutPoint { txid: parent.id(), index: 0 }, grains, 100 + number);
    spend(genesis, &[coin], &[(grains - fee, lock_of(&key(60)))])
}

async fn waiting(node: &Alone) -> Vec<String> {
    node.handle.mempool().await.expect("answers").txids
}

fn ids(transactions: &[&Transaction]) -> Vec<String> {
    transactions.iter().map(|transaction| transaction.id().to_string()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_package_and_a_replacement_do_what_trying_them_said() {
    let dir = tempfile::tempdir().expect("a directory");
    let genesis = genesis(EngineName::Pow, 2);
    let node = Alone::start(dir.path(), &genesis).expect("starts");
    let (parent, first) = (bid(&genesis, 0, 0), bid(&genesis, 1, 10_000));
    let child = heir(&genesis, &parent, 0, 50_000);
    let refused = node.handle.submit(parent.clone()).await;
    assert!(
        matches!(&refused, Err(AskError::Refused(refusal)) if refusal.kind() == "mempool-fee-too-low"),
        "{refused:?}"
    );
    let tested = node.handle.test(vec![parent.clone()]).await.expect("answers");
    let refusal = tested.refusal.expect("it pays nothing");
    assert_eq!((tested.accepted, refusal.kind.as_str()), (false, "mempool-fee-too-low"));
    assert_eq!(refusal.txid, Some(parent.id().to_string()));
    let tested = node.handle.test(vec![parent.clone(), child.clone()]).await.expect("answers");
    assert_eq!((tested.accepted, tested.fee.as_deref()), (true, Some("50000")));
    let bytes = (parent.bytes() + child.bytes()) as u64;
    assert_eq!(tested.fee_rate, Some(50_000_000_u64.div_ceil(bytes)));
    assert!(waiting(&node).await.is_empty());
    let result = node.handle.submit_package(vec![parent.clone(), child.clone()]).await.expect("pays");
    assert_eq!(result.transactions.iter().map(|it| it.fee.as_deref()).collect::<Vec<_>>(), [Some("0"), Some("50000")]);
    let turned = node.handle.submit_package(vec![child.clone(), parent.clone()]).await;
    assert!(
        matches!(&turned, Err(error @ AskError::PackageRefused(_)) if error.kind() == "package-not-sorted"),
        "{turned:?}"
    );

    node.handle.submit(first.clone()).await.expect("pays");
    let mut unsigned = bid(&genesis, 1, 20_000);
    *unsigned.witnesses_mut() = first.witnesses().to_vec();
    let tested = node.handle.test(vec![unsigned]).await.expect("answers");
    assert_eq!(tested.refusal.map(|refusal| refusal.kind).as_deref(), Some("tx-bad-signature"));
    let better = bid(&genesis, 1, 20_000);
    let tested = node.handle.test(vec![better.clone()]).await.expect("answers");
    assert_eq!((tested.accepted, &tested.replaces), (true, &ids(&[&first])));
    node.handle.submit(better.clone()).await.expect("pays more");
    let status = node.handle.tx_status(first.id()).await.expect("answers");
    assert_eq!((status.state, status.reason.as_deref()), (TxState::Dropped, Some("replaced")));
    assert_eq!(status.replaced_by, Some(better.id().to_string()));
    assert_eq!(waiting(&node).await, ids(&[&parent, &child, &better]));
    let estimate = node.handle.fee_estimate(None).await.expect("answers");
    assert_eq!((estimate.fee_rate, estimate.blocks), (genesis.ledger.relay_fee_rate_min, 6));
    assert!(matches!(node.handle.fee_estimate(Some(0)).await, Err(AskError::Invalid(_))));
    node.stop().await.expect("stops in order");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_handed_in_at_once_each_is_judged_for_itself() {
    let dir = tempfile::tempdir().expect("a directory");
    let genesis = genesis(EngineName::Pow, 3);
    let node = Alone::start(dir.path(), &genesis).expect("starts");
    let (parent, single) = (bid(&genesis, 0, 10_000), bid(&genesis, 1, 10_000));
    let child = heir(&genesis, &parent, 0, 50_000);
    let mut forged = bid(&genesis, 2, 20_000);
    *forged.witnesses_mut() = single.witnesses().to_vec();
    let (poor, same) = (bid(&genesis, 2, 0), single.clone());
    let many = vec![parent.clone(), forged, child.clone(), single.clone(), poor, same];
    let results = node.handle.submit_many(many).await.expect("answers").results;
    let said = results.iter().map(|result| match result {
        Submission::Taken(taken) => (taken.txid.clone(), taken.fee.clone().unwrap_or_else(|| "known".to_owned())),
        Submission::Refused { refusal } => (String::new(), refusal.kind.clone()),
    });
    let [parent_id, child_id, single_id] = [&parent, &child, &single].map(|it| it.id().to_string());
    let wanted = [
        (parent_id.as_str(), "10000"),
        ("", "tx-bad-signature"),
        (&child_id, "50000"),
        (&single_id, "10000"),
        ("", "mempool-fee-too-low"),
        (&single_id, "known"),
    ];
    assert_eq!(said.collect::<Vec<_>>(), wanted.map(|(txid, what)| (txid.to_owned(), what.to_owned())));
    assert_eq!(waiting(&node).await, ids(&[&parent, &child, &single]));
    node.stop().await.expect("stops in order");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_survives_a_restart_in_its_order_and_a_damaged_file_does_no_harm() {
    let dir = tempfile::tempdir().expect("a directory");
    let genesis = genesis(EngineName::Pow, 3);
    let node = Alone::start(dir.path(), &genesis).expect("starts");
    let (parent, single) = (bid(&genesis, 0, 0), bid(&genesis, 1, 10_000));
    let child = heir(&genesis, &parent, 0, 50_000);
    node.handle.submit(single.clone()).await.expect("pays");
    node.handle.submit_package(vec![parent.clone(), child.clone()]).await.expect("pays");
    node.stop().await.expect("stops in order");

    let node = Alone::start(dir.path(), &genesis).expect("starts again");
    let there = || async { waiting(&node).await.len() == 3 };
    until(&node.handle, there).await;
    assert_eq!(waiting(&node).await, ids(&[&single, &parent, &child]), "a parent that pays nothing too");
    // What a block took does not come back.
    node.handle.dev_mine(MineOrder::blocks(1)).await.expect("mines");
    assert!(waiting(&node).await.is_empty());
    let late = bid(&genesis, 2, 10_000);
    node.handle.submit(late.clone()).await.expect("pays");
    node.stop().await.expect("stops in order");

    let path = dir.path().join(POOL_FILE);
    let mut bytes = std::fs::read(&path).expect("was saved");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, &bytes).expect("writes");
    let node = Alone::start(dir.path(), &genesis).expect("a damaged file is no reason not to start");
    node.handle.submit(late.clone()).await.expect("it is taken anew");
    assert_eq!(waiting(&node).await, ids(&[&late]));
    node.stop().await.expect("stops in order");
    let node = Alone::start(dir.path(), &genesis).expect("starts again");
    until(&node.handle, || async { waiting(&node).await.len() == 1 }).await;
    node.stop().await.expect("stops in order");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_is_written_while_the_node_runs() {
    let dir = tempfile::tempdir().expect("a directory");
    let genesis = genesis(EngineName::Pow, 3);
    let node = Alone::start(dir.path(), &genesis).expect("starts");
    let bids = [bid(&genesis, 0, 10_000), bid(&genesis, 1, 10_000)];
    for bid in &bids {
        node.handle.submit(bid.clone()).await.expect("pays");
    }
    let path = dir.path().join(POOL_FILE);
    let both = async {
        loop {
            let saved = pool_file::read(&path, &genesis.network_id()).expect("a file is never half written");
            if saved.iter().map(Transaction::id).eq(bids.iter().map(Transaction::id)) {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, both).await.expect("in time");
    // What a node finds that was killed now.
    let left = std::fs::read(&path).expect("is there");
    node.handle.submit(bid(&genesis, 2, 10_000)).await.expect("pays");
    node.stop().await.expect("stops in order");
    assert_eq!(pool_file::read(&path, &genesis.network_id()).expect("is whole").len(), 3, "a stop writes the rest");
    std::fs::write(&path, left).expect("writes");
    let node = Alone::start(dir.path(), &genesis).expect("starts again");
    until(&node.handle, || async { waiting(&node).await.len() == 2 }).await;
    node.stop().await.expect("stops in order");
}
