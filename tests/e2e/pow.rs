//! Proof of work, four nodes: several miners, depth, and a partition whose lighter side is reorganised.

use crate::net::{LIMIT, Net, client, text, until};
use bezant_api::event::EventKind;
use bezant_api::types::{BlockRef, TxState};
use bezant_consensus::ledger::block::Block;
use bezant_consensus::ledger::codec::decode;
use std::collections::BTreeSet;

/// Who the blocks of the active chain pay, as node 0 has them.
fn payees(net: &Net) -> BTreeSet<String> {
    let client = net.client(0);
    let tip = net.block_on(client.tip()).expect("the node answers").height;
    let payee = |height| {
        let view = net.block_on(client.block(BlockRef::Height(height))).expect("the node has its own chain");
        let block: Block = decode(&hex::decode(view.hex).expect("hex")).expect("a block");
        block.transactions[0].outputs()[0].lock.to_string()
    };
    (1..=tip).map(payee).collect()
}

#[test]
fn several_mine_and_a_transfer_reaches_its_depth() {
    let net = Net::up(&["--engine", "pow", "--block-time", "1s"]);
    let sent = net.send("alice", "bob", "12.5", &["--confirmations", "2"]);
    assert_eq!(sent["status"], "final", "{sent}");
    until("the transfer is that deep on every node", LIMIT, || {
        (0..4).all(|node| net.tx_status(node, text(&sent["txid"])).confirmations >= 2).then_some(())
    });
    until("blocks come from at least three miners", LIMIT, || (payees(&net).len() >= 3).then_some(()));
    until("the transfer is final by the net's own depth", LIMIT, || {
        (0..4).all(|node| net.tx_status(node, text(&sent["txid"])).state == TxState::Final).then_some(())
    });
    net.check();
}

fn hashrate(net: &Net, nodes: &[usize], rate: &str) {
    for node in nodes {
        net.json(&["testnet", "hashrate", &node.to_string(), rate]);
    }
}

#[test]
fn healing_reorganises_the_lighter_side_and_its_transfers_come_back() {
    let net = Net::up(&["--engine", "pow", "--block-time", "1s"]);
    net.check();
    net.json(&["testnet", "partition", "0,1/2,3"]);
    let heavy = net.send("alice", "bob", "1", &["--node", "0", "--wait", "included"]);
    let light = net.send("carol", "dave", "1", &["--node", "2", "--wait", "included"]);
    let (heavy, light) = (text(&heavy["txid"]).to_owned(), text(&light["txid"]).to_owned());
    // One side stops; the other grows past it and stops too, so that what comes back stays to be seen.
    hashrate(&net, &[2, 3], "0");
    let nodes = net.manifest().nodes;
    let height = |node: usize| net.block_on(client(&nodes[node]).tip()).expect("the node answers").height;
    until("one branch has outgrown the other", LIMIT, || (height(0) > height(2) + 1).then_some(()));
    hashrate(&net, &[0, 1], "0");
    let tip = |node: usize| net.block_on(client(&nodes[node]).tip()).expect("the node answers").id;
    assert_ne!(tip(0), tip(2), "two branches");
    assert_eq!(net.tx_status(0, &light).state, TxState::Unknown, "the sides do not hear each other");
    let mut events = net.block_on(client(&nodes[2]).events(None)).expect("the node has events");
    net.json(&["testnet", "heal"]);
    let reorg = async {
        loop {
            match events.next().await.map(|event| event.kind) {
                Some(EventKind::Reorg { depth, tip, .. }) => return (depth, tip),
                Some(_) => {}
                None => panic!("the event stream ended"),
            }
        }
    };
    let (depth, _) =
        net.block_on(async { tokio::time::timeout(LIMIT, reorg).await }).expect("the lighter side changes over");
    assert!(depth > 0);
    net.await_synced();
    assert_eq!(tip(2), tip(0));
    assert_eq!(net.tx_status(2, &light).state, TxState::Pool, "what the lost branch held waits again");
    assert!(net.tx_status(2, &heavy).state >= TxState::Included, "what the other branch held is in the chain");
    hashrate(&net, &[0, 1, 2, 3], "50000");
    for node in 0..4 {
        until(&format!("both transfers are in blocks at node{node}"), LIMIT, || {
            let included = |txid: &str| net.tx_status(node, txid).state >= TxState::Included;
            (included(&light) && included(&heavy)).then_some(())
        });
    }
    net.check();
}
