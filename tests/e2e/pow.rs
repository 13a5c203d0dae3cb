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

#[test]
fn a_transfer_is_proved_by_work_to_whoever_has_the_genesis() {
    let net = Net::up(&["--engine", "pow", "--block-time", "1s"]);
    let sent = net.send("alice", "bob", "1", &["--wait", "included"]);
    let txid = text(&sent["txid"]).to_owned();
    // From another node than the one that was asked to send, once it has the block too.
    let first = until("node 3 proves it", LIMIT, || {
        let ran = net.run(&["chain", "proof", &txid, "--node", "3", "--json"]);
        (ran.status == 0).then(|| ran.json())
    });
    assert_eq!(first["txid"], txid.as_str());
    hashrate(&net, &[0, 1, 2, 3], "0");
    net.json(&["testnet", "mine", "6"]);
    net.await_synced();
    // From the file alone, at a node of which nothing but its URL is known.
    let file = net.dir().join("mine.toml");
    std::fs::write(&file, net.run(&["genesis", "show"]).ended(0).stdout).expect("writes");
    let (file, rpc) = (file.display().to_string(), net.manifest().nodes[2].rpc.clone());
    let proof = net.json(&["chain", "proof", &txid, "--rpc", &rpc, "--genesis", &file]);
    let status = net.tx_status(2, &txid);
    assert_eq!((proof["height"].as_u64(), proof["block"].as_str()), (status.height, status.block.as_deref()));
    assert_eq!(proof["confirmations"], status.confirmations);
    assert_eq!(proof["is_final"], status.state == TxState::Final);
    let tip = net.block_on(net.client(2).status()).expect("the node answers");
    assert_eq!((proof["tip"].as_str(), proof["tip_height"].as_u64()), (Some(&*tip.tip), Some(tip.height)));
    assert_eq!(text(&proof["work"]), tip.pow.expect("this is proof of work").work);
    let said = net.run(&["chain", "proof", &txid, "--rpc", &rpc]).ended(0);
    assert!(said.stdout.contains("final") && said.stderr.contains("--genesis"), "{said:?}");
    // Another genesis is not that of these headers; an unknown transaction is not proved.
    let other = ["genesis", "new", "--engine", "pow", "--allocation", &format!("{}=1", "ab".repeat(32))];
    std::fs::write(&file, net.run(&other).ended(0).stdout).expect("writes");
    let refused = net.run(&["chain", "proof", &txid, "--genesis", &file, "--json"]).ended(1);
    assert_eq!(refused.json()["error"]["kind"], "bad-proof", "{refused:?}");
    let unknown = net.run(&["chain", "proof", &"ab".repeat(32), "--json"]).ended(1);
    assert_eq!(unknown.json()["error"]["kind"], "not-found", "{unknown:?}");
    hashrate(&net, &[0, 1, 2, 3], "50000");
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

#[test]
fn developers_mine_what_they_want_turn_the_clock_and_take_blocks_back() {
    let net = Net::up(&["--engine", "pow", "--block-time", "1s"]);
    hashrate(&net, &[0, 1, 2, 3], "0");
    net.json(&["testnet", "mine", "2", "--node", "1"]);
    net.await_synced();
    let nodes = net.manifest().nodes;
    let block = |node: usize, height: u64| {
        net.block_on(client(&nodes[node]).block(BlockRef::Height(height))).expect("the node has it")
    };
    let tip = |node: usize| net.block_on(client(&nodes[node]).tip()).expect("the node answers");
    let ids = |node: usize, height: u64| -> Vec<String> {
        let block: Block = decode(&hex::decode(block(node, height).hex).expect("hex")).expect("a block");
        block.transactions[1..].iter().map(|transaction| transaction.id().to_string()).collect()
    };
    // Two wait; exactly the second is put into a block that pays alice, then none into the next.
    let send = |from: &str| {
        let sent = net.send(from, "bob", "1", &["--wait", "pool", "--node", "0"]);
        text(&sent["txid"]).to_owned()
    };
    let (first, second) = (send("alice"), send("carol"));
    let before = tip(0).height;
    let mined = net.json(&["testnet", "mine", "1", "--to", "alice", "--tx", &second]);
    assert_eq!(mined["height"], before + 1);
    assert_eq!(ids(0, before + 1), std::slice::from_ref(&second));
    net.json(&["testnet", "mine", "1", "--empty"]);
    assert_eq!(ids(0, before + 2), [] as [String; 0]);
    assert_eq!(net.tx_status(0, &first).state, TxState::Pool);
    // A coin is not spent twice.
    let refused = net.run(&["testnet", "mine", "1", "--tx", &second, "--tx", &second]);
    assert_eq!(refused.status, 3, "{refused:?}");

    net.await_synced();
    let (old, time) = (tip(3), block(3, before + 2).time);
    net.json(&["testnet", "time", "advance", "1h"]);
    let reorg = net.json(&["testnet", "reorg", "2", "--node", "2"]);
    assert_eq!((&reorg["fork"], &reorg["height"]), (&before.into(), &(before + 3).into()), "{reorg}");
    assert_eq!(reorg["old"], old.id.as_str());
    assert_eq!(reorg["followed"].as_array().map(Vec::len), Some(4), "{reorg}");
    for node in 0..4 {
        assert_ne!(block(node, before + 1).id, old.id);
        until("what lost its place waits again", LIMIT, || {
            (net.tx_status(node, &second).state == TxState::Pool).then_some(())
        });
    }
    assert!(block(3, before + 3).time >= time + 3_600, "one clock for all nodes");
    net.json(&["testnet", "mine", "1"]);
    until("both are in the chain", LIMIT, || {
        [&first, &second].iter().all(|txid| net.tx_status(3, txid).state >= TxState::Included).then_some(())
    });
    hashrate(&net, &[0, 1, 2, 3], "50000");
    net.check();
}

#[test]
fn a_miner_that_withholds_takes_back_what_the_others_confirmed() {
    let net = Net::up(&["--engine", "pow", "--block-time", "1s"]);
    hashrate(&net, &[0, 1, 2, 3], "0");
    net.json(&["testnet", "mine", "2", "--node", "1"]);
    net.await_synced();
    let nodes = net.manifest().nodes;
    let tip = |node: usize| net.block_on(client(&nodes[node]).tip()).expect("the node answers");
    let start = tip(0).height;
    net.json(&["testnet", "byzantine", "0", "withhold"]);
    net.json(&["testnet", "mine", "4", "--node", "0", "--empty"]);
    assert_eq!((tip(0).height, tip(1).height), (start + 4, start), "it keeps them to itself");
    // The others confirm a payment on a chain of their own, two blocks shorter.
    let sent = net.send("alice", "bob", "1", &["--wait", "pool", "--node", "1"]);
    let txid = text(&sent["txid"]).to_owned();
    net.json(&["testnet", "mine", "2", "--node", "1"]);
    until("the others agree", LIMIT, || (1..4).all(|node| tip(node).height == start + 2).then_some(()));
    assert_eq!(net.tx_status(2, &txid).confirmations, 2);
    net.json(&["testnet", "byzantine", "0", "off"]);
    until("the secret branch is the chain", LIMIT, || (0..4).all(|node| tip(node).id == tip(0).id).then_some(()));
    assert_eq!(tip(3).height, start + 4);
    assert_eq!(net.tx_status(2, &txid).state, TxState::Pool, "what was confirmed waits again");
    net.check();
}

#[test]
fn bad_blocks_and_cheap_headers_change_nothing() {
    let net = Net::up(&["--engine", "pow", "--block-time", "1s"]);
    net.json(&["testnet", "byzantine", "0", "bad-block"]);
    net.json(&["testnet", "byzantine", "1", "low-work-spam"]);
    let refused = net.run(&["testnet", "byzantine", "2", "silent"]);
    assert_eq!(refused.status, 2, "a mode of the other engine: {refused:?}");
    let height = |node: usize| net.block_on(net.client(node).tip()).expect("the node answers").height;
    let start = height(3);
    until("the honest ones go on", LIMIT, || (height(3) >= start + 8).then_some(()));
    net.json(&["testnet", "byzantine", "0", "off"]);
    net.json(&["testnet", "byzantine", "1", "off"]);
    net.await_synced();
    net.check();
}
