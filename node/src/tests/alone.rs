//! One node makes blocks by itself, answers, stops and starts again.

use super::{Alone, START, genesis, key, lock_of, transfer, until_height, until_state};
use crate::error::NodeError;
use crate::handle::{AskError, MineOrder};
use crate::store::StoreError;
use bezant_api::event::EventKind;
use bezant_api::types::{BlockRef, EngineName, TxState};
use bezant_consensus::ledger::units::Height;
use std::collections::BTreeSet;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_pbft_a_transfer_becomes_final_and_survives_a_restart() {
    let dir = tempfile::tempdir().expect("a directory");
    let genesis = genesis(EngineName::Pbft, 3);
    let node = Alone::start(dir.path(), &genesis).expect("starts");
    let bob = lock_of(&key(60));
    let payment = transfer(&genesis, 0, 5_000, bob);
    let txid = payment.id();
    let checked = node.handle.check(payment.clone()).await.expect("would be admitted");
    assert_eq!(checked.fee.as_deref(), Some("10000"));
    let submitted = node.handle.submit(payment.clone()).await.expect("is admitted");
    assert!(!submitted.known);
    until_state(&node.handle, txid, TxState::Final).await;
    let commitment = check_payment(&node, &genesis, txid, bob).await;
    assert!(node.handle.is_healthy().await && node.handle.is_ready().await);
    assert!(node.handle.metrics().render().contains("bezant_commit_seconds"));
    node.stop().await.expect("stops in order");

    let node = Alone::start(dir.path(), &genesis).expect("starts again");
    until_height(&node.handle, 1).await;
    assert_eq!(check_payment(&node, &genesis, txid, bob).await, commitment);
    let again = node.handle.submit(payment).await;
    assert!(matches!(again, Ok(ref result) if result.known) || matches!(again, Err(AskError::Refused(_))), "{again:?}");
    node.stop().await.expect("stops in order");
}

async fn check_payment(
    node: &Alone,
    genesis: &bezant_consensus::ledger::genesis::Genesis,
    txid: bezant_consensus::ledger::hash::TxId,
    bob: bezant_consensus::ledger::hash::LockHash,
) -> String {
    let handle = &node.handle;
    let status = handle.tx_status(txid).await.expect("answers");
    assert_eq!(status.state, TxState::Final);
    let height = status.height.expect("is in a block");
    let coins = handle.coins(BTreeSet::from([bob]), None, None).await.expect("answers");
    assert_eq!(coins.coins.iter().map(|coin| coin.amount.as_str()).collect::<Vec<_>>(), ["5000"]);
    let payer = BTreeSet::from([lock_of(&key(100))]);
    let change = handle.coins(payer.clone(), None, None).await.expect("answers");
    assert_eq!(change.coins.iter().map(|coin| coin.amount.clone()).collect::<Vec<_>>(), [(START - 15_000).to_string()]);
    let history = handle.history(payer, (Height(0), 0), None).await.expect("answers");
    let moves: Vec<_> = history.entries.iter().map(|entry| (entry.received.clone(), entry.sent.clone())).collect();
    let expected = [(START.to_string(), "0".to_owned()), ((START - 15_000).to_string(), START.to_string())];
    assert_eq!(moves, expected);
    let block = handle.block(BlockRef::Height(height)).await.expect("answers").expect("is there");
    assert!(block.is_final && block.certificate.is_some() && block.txids.contains(&txid.to_string()));
    let same = handle.block(BlockRef::Id(block.id.clone())).await.expect("answers").expect("is there");
    assert_eq!(same, block);
    let found = handle.transaction(txid).await.expect("answers").expect("is there");
    assert_eq!(found.status.state, TxState::Final);
    let set = handle.commitment().await.expect("answers");
    assert_eq!(set.supply, (START * genesis.allocations.len() as u64).to_string());
    assert_eq!(set.coins, 5, "three allocations, one spent, two outputs, one fee");
    set.commitment
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_proof_of_work_blocks_on_demand_make_a_transfer_final() {
    let dir = tempfile::tempdir().expect("a directory");
    let genesis = genesis(EngineName::Pow, 2);
    let node = Alone::start(dir.path(), &genesis).expect("starts");
    let payment = transfer(&genesis, 1, 7_000, lock_of(&key(60)));
    let txid = payment.id();
    node.handle.submit(payment).await.expect("is admitted");
    let pool =
        node.handle.coins(BTreeSet::from([lock_of(&key(60)), lock_of(&key(101))]), None, None).await.expect("answers");
    assert_eq!((pool.coins.len(), pool.spent_in_pool.len(), pool.pool_coins.len()), (1, 1, 2));
    let refused = node.handle.epochs(1).await;
    assert!(matches!(&refused, Err(AskError::Invalid(text)) if text.contains("proof of work")), "{refused:?}");
    let tip = node.handle.dev_mine(MineOrder::blocks(1)).await.expect("mines");
    assert_eq!(tip.height, 1);
    assert_eq!(node.handle.tx_status(txid).await.expect("answers").state, TxState::Included);
    let tip = node.handle.dev_mine(MineOrder::blocks(2)).await.expect("mines");
    assert_eq!((tip.height, tip.final_height), (3, 1));
    let status = node.handle.tx_status(txid).await.expect("answers");
    assert_eq!((status.state, status.confirmations), (TxState::Final, 3));
    node.stop().await.expect("stops in order");
    let node = Alone::start(dir.path(), &genesis).expect("starts again");
    assert_eq!(node.handle.tip().await.expect("answers"), tip);
    node.handle.dev_mine(MineOrder::blocks(1)).await.expect("mines on");
    node.stop().await.expect("stops in order");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_starts_with_a_snapshot_and_its_numbers_rise_by_one() {
    let dir = tempfile::tempdir().expect("a directory");
    let genesis = genesis(EngineName::Pow, 1);
    let node = Alone::start(dir.path(), &genesis).expect("starts");
    let mut live = node.handle.subscribe(None, None).await.expect("subscribes");
    node.handle.dev_mine(MineOrder::blocks(3)).await.expect("mines");
    let first = live.next().await.expect("a snapshot");
    assert!(matches!(first.kind, EventKind::Snapshot { .. }));
    let mut blocks = 0;
    let mut last = first.seq;
    while blocks < 3 {
        let event = live.next().await.expect("an event");
        assert_eq!(event.seq, last + 1);
        last = event.seq;
        blocks += u64::from(matches!(event.kind, EventKind::Block { .. }));
    }
    let mut again = node.handle.subscribe(Some(first.seq + 1), None).await.expect("subscribes");
    assert!(matches!(again.next().await.expect("a snapshot").kind, EventKind::Snapshot { .. }));
    assert_eq!(again.next().await.expect("a held event").seq, first.seq + 1);
    // Overrun the buffer: a gap is told, then a snapshot, then events go on without a hole.
    for _ in 0..=crate::limits::EVENTS_HELD_MAX {
        node.handle.dev_time(0).await.expect("is told as an event");
    }
    let mut gap = None;
    while gap.is_none() {
        let event = live.next().await.expect("an event");
        match event.kind {
            EventKind::Gap { from, to } => gap = Some((from, to)),
            _ => {
                assert_eq!(event.seq, last + 1);
                last = event.seq;
            }
        }
        if last > crate::limits::EVENTS_HELD_MAX as u64 * 2 {
            panic!("no gap was told");
        }
    }
    let (from, to) = gap.expect("a gap");
    assert_eq!(from, last + 1);
    let snapshot = live.next().await.expect("a snapshot");
    assert!(matches!(snapshot.kind, EventKind::Snapshot { .. }) && snapshot.seq == to);
    node.handle.dev_time(0).await.expect("is told as an event");
    assert_eq!(live.next().await.expect("an event").seq, to + 1);
    node.stop().await.expect("stops in order");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_in_use_is_refused_by_name_and_a_stopped_node_says_so() {
    let dir = tempfile::tempdir().expect("a directory");
    let genesis = genesis(EngineName::Pbft, 1);
    let node = Alone::start(dir.path(), &genesis).expect("starts");
    let second = Alone::start(dir.path(), &genesis).map(|_| ());
    assert!(matches!(&second, Err(NodeError::Store(StoreError::InUse(path))) if path == dir.path()), "{second:?}");
    let handle = node.handle.clone();
    node.stop().await.expect("stops in order");
    assert_eq!(handle.status().await, Err(AskError::Stopped));
}
