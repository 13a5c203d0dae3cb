//! All nodes die at once, under load. (Unsynced writes survive that: a process that is
//! killed loses nothing which it has handed to the system. `unsynced` throws them away too.)

use crate::net::{LIMIT, Net, finish, signal, text, until};
use bezant_api::types::TxState;
use nix::sys::signal::Signal;

#[test]
fn what_was_reported_final_survives_the_death_of_all_nodes() {
    let net = Net::up(&[]);
    let mut load = net.command(&["testnet", "load", "--rate", "60", "--duration", "60s", "--accounts", "10", "--json"]);
    let mut load = load.spawn().expect("the program starts");
    until("the load moves the net", LIMIT, || (net.final_height(0) > 10).then_some(()));
    let transfer = |index: usize| net.send("alice", "bob", &format!("1.{index}"), &["--node", &index.to_string()]);
    let reported: Vec<_> = (0..4).map(transfer).collect();
    let heights: Vec<u64> = (0..4).map(|node| net.final_height(node)).collect();
    for node in net.manifest().nodes {
        signal(node.pid, Signal::SIGKILL);
    }
    let _ = load.kill();
    finish(load, LIMIT);
    until("the supervisor has noticed", LIMIT, || {
        let status = net.json(&["testnet", "status"]);
        let nodes = status["nodes"].as_array().expect("a list");
        nodes.iter().all(|node| node["up"] == false).then_some(())
    });
    net.json(&["testnet", "start", "0", "1", "2", "3"]);
    for (node, height) in heights.iter().enumerate() {
        assert!(net.final_height(node) >= *height, "node{node} kept what it had reported final");
    }
    net.await_synced();
    for sent in &reported {
        for node in 0..4 {
            let status = net.tx_status(node, text(&sent["txid"]));
            assert_eq!(status.state, TxState::Final, "node{node}");
            assert_eq!(status.block.as_deref(), sent["block"].as_str(), "node{node}");
        }
    }
    assert_eq!(net.send("carol", "dave", "1", &[])["status"], "final", "the net goes on");
    net.check();
}
