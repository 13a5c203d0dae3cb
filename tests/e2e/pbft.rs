//! PBFT, four nodes: transfers, dead backups, no quorum, and coming back.

use crate::net::{Net, text, until};
use bezant_api::types::TxState;

/// What an account has at the beginning, in grains.
const FUNDED: u64 = 1_000_000 * 100_000_000;
/// 12.5 BZT.
const SENT: u64 = 1_250_000_000;

#[test]
fn a_transfer_is_final_on_every_node_and_goes_on_with_a_dead_backup() {
    let net = Net::up(&[]);
    let sent = net.send("alice", "bob", "12.5", &["--wait", "final"]);
    assert_eq!(sent["status"], "final", "{sent}");
    let fee: u64 = text(&sent["fee"]).parse().expect("grains");
    net.await_synced();
    for node in 0..4 {
        assert_eq!(net.balance("bob", node), FUNDED + SENT, "node{node}");
        assert_eq!(net.balance("alice", node), FUNDED - SENT - fee, "node{node}");
    }
    net.json(&["testnet", "kill", "3"]);
    for _ in 0..3 {
        assert_eq!(net.send("alice", "carol", "1", &[])["status"], "final");
    }
    let height = net.final_height(0);
    net.json(&["testnet", "start", "3"]);
    net.json(&["testnet", "wait", "--final", &height.to_string(), "--timeout", "120s"]);
    net.await_synced();
    assert_eq!(net.balance("carol", 3), FUNDED + 300_000_000, "the node that was dead agrees");
    assert_eq!(net.send("carol", "dave", "1", &["--node", "3"])["status"], "final");
    net.check();
}

#[test]
fn without_a_quorum_nothing_is_final_and_nothing_is_lost() {
    let net = Net::up(&[]);
    net.send("alice", "bob", "1", &[]);
    net.await_synced();
    net.json(&["testnet", "kill", "1", "2"]);
    let before = net.final_height(0);
    let ran = net.run(&["wallet", "send", "--from", "alice", "bob", "2", "--timeout", "4s", "--json"]).ended(5);
    let failure = ran.json();
    let txid = text(&failure["error"]["txid"]).to_owned();
    for node in [0, 3] {
        assert_eq!(net.final_height(node), before, "two of four are no quorum");
        let state = net.tx_status(node, &txid).state;
        assert!(matches!(state, TxState::Pool | TxState::Included), "node{node} has the transfer: {state:?}");
    }
    net.json(&["testnet", "start", "1"]);
    net.await_final(0, &txid);
    net.json(&["testnet", "start", "2"]);
    net.await_synced();
    for node in 0..4 {
        net.await_final(node, &txid);
    }
    let sent = net.send("bob", "carol", "1", &["--node", "2"]);
    assert_eq!(sent["status"], "final", "{sent}");
    net.check();
}

#[test]
fn a_paused_node_catches_up() {
    let net = Net::up(&[]);
    net.json(&["testnet", "pause", "2"]);
    for _ in 0..3 {
        assert_eq!(net.send("alice", "bob", "1", &["--node", "0"])["status"], "final");
    }
    let height = net.final_height(0);
    net.json(&["testnet", "resume", "2"]);
    until("the node that was paused has caught up", crate::net::LIMIT, || {
        (net.final_height(2) >= height).then_some(())
    });
    net.await_synced();
    net.check();
}
