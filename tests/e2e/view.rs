//! PBFT, four nodes: primaries that die, sleep or are cut off, while transfers are made.

use crate::net::{LIMIT, Net, text, until};

/// The view's primary, as node `seen_by` sees it.
pub(crate) fn primary(net: &Net, seen_by: usize) -> (u64, usize) {
    let client = net.client(seen_by);
    let pbft = net.block_on(client.status()).expect("the node answers").pbft.expect("this is PBFT");
    (pbft.view, usize::from(pbft.primary))
}

/// A transfer through a node that is no primary becomes final there.
fn send(net: &Net, node: usize) {
    let sent = net.send("alice", "bob", "1", &["--node", &node.to_string(), "--timeout", "100s"]);
    assert_eq!(sent["status"], "final", "{sent}");
}

#[test]
fn a_killed_primary_is_replaced_and_comes_back() {
    let net = Net::up(&[]);
    send(&net, 1);
    for round in 0..3 {
        let (view, dead) = primary(&net, (round + 1) % 4);
        let witness = (dead + 1) % 4;
        net.json(&["testnet", "kill", &dead.to_string()]);
        send(&net, witness);
        let (now, successor) = primary(&net, witness);
        assert!(now > view && successor != dead, "view {now} of {successor} after view {view} of {dead}");
        net.json(&["testnet", "start", &dead.to_string()]);
        net.await_synced();
        send(&net, dead);
    }
    net.check();
}

#[test]
fn a_primary_that_sleeps_longer_than_every_timer_wakes_up_as_a_backup() {
    let net = Net::up(&[]);
    send(&net, 1);
    net.json(&["testnet", "pause", "0"]);
    for _ in 0..3 {
        send(&net, 2);
    }
    net.json(&["testnet", "resume", "0"]);
    net.await_synced();
    until("the one that slept knows the view", LIMIT, || (primary(&net, 0) == primary(&net, 2)).then_some(()));
    send(&net, 0);
    net.check();
}

#[test]
fn a_primary_alone_stops_and_the_others_go_on() {
    let net = Net::up(&[]);
    send(&net, 1);
    net.json(&["testnet", "partition", "0/1,2,3"]);
    send(&net, 2);
    let cut_off = net.final_height(0);
    assert!(cut_off < net.final_height(2), "alone nothing is final");
    net.json(&["testnet", "heal"]);
    net.await_synced();
    send(&net, 0);
    net.check();
}

#[test]
fn halves_stop_rather_than_fork() {
    let net = Net::up(&[]);
    send(&net, 1);
    // Else a node could still learn of this transfer's block from its half.
    net.await_synced();
    net.json(&["testnet", "partition", "0,1/2,3"]);
    let before: Vec<u64> = (0..4).map(|node| net.final_height(node)).collect();
    let mut waiting = Vec::new();
    for node in ["1", "2"] {
        let arguments = ["wallet", "send", "--from", "carol", "bob", "1", "--node", node, "--timeout", "4s", "--json"];
        let failure = net.run(&arguments).ended(5).json();
        waiting.push(text(&failure["error"]["txid"]).to_owned());
    }
    let after: Vec<u64> = (0..4).map(|node| net.final_height(node)).collect();
    assert_eq!(before, after, "no half is a quorum");
    net.json(&["testnet", "heal"]);
    // Both halves may have spent one coin: then one of the two transfers lost its place.
    until("what waited is decided", LIMIT, || {
        let is_final = |txid: &String| net.tx_status(3, txid).state == bezant_api::types::TxState::Final;
        waiting.iter().any(is_final).then_some(())
    });
    net.await_synced();
    send(&net, 3);
    net.check();
}

#[test]
fn all_nodes_die_in_the_middle_of_a_view_change_and_nothing_is_lost() {
    let net = Net::up(&[]);
    send(&net, 1);
    let (_, dead) = primary(&net, 1);
    net.json(&["testnet", "kill", &dead.to_string()]);
    let failed = ["wallet", "send", "--from", "alice", "bob", "1", "--node", "2", "--wait", "pool", "--json"];
    net.run(&failed).ended(0);
    let rest: Vec<String> = (0..4).filter(|node| *node != dead).map(|node| node.to_string()).collect();
    let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
    net.json(&[&["testnet", "kill"], &rest[..]].concat());
    let before = ["testnet", "start", "0", "1", "2", "3"];
    net.json(&before);
    net.await_synced();
    send(&net, 1);
    net.check();
}
