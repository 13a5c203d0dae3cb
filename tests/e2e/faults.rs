//! PBFT under load: nodes die, restart, sleep, and are cut off from each other; the others go on, and nothing is lost.

use crate::net::{LIMIT, Net, signal, text, until};
use crate::stream::Stream;
use crate::view::primary;
use nix::sys::signal::Signal;

/// SIGKILL to several nodes at the same moment; returns once the supervisor has noticed.
#[track_caller]
fn kill_at_once(net: &Net, nodes: &[usize]) {
    let manifest = net.manifest();
    for node in nodes {
        signal(manifest.nodes[*node].pid, Signal::SIGKILL);
    }
    until("the supervisor has noticed", LIMIT, || {
        let manifest = net.manifest();
        nodes.iter().all(|node| manifest.nodes[*node].pid == 0).then_some(())
    });
}

#[track_caller]
fn start(net: &Net, nodes: &[usize]) {
    let nodes: Vec<String> = nodes.iter().map(ToString::to_string).collect();
    let nodes: Vec<&str> = nodes.iter().map(String::as_str).collect();
    net.json(&[&["testnet", "start"], &nodes[..]].concat());
}

/// Waits until a node has what another has now.
#[track_caller]
fn await_caught_up(net: &Net, node: usize, witness: usize) {
    let goal = net.final_height(witness);
    until(&format!("node{node} has block {goal}"), LIMIT, || (net.final_height(node) >= goal).then_some(()));
}

/// Waits until a node is in a view after `view`, led by none of those that are away.
#[track_caller]
fn await_other_primary(net: &Net, witness: usize, view: u64, away: &[usize]) {
    until("another primary leads", LIMIT, || {
        let (now, leader) = primary(net, witness);
        (now > view && !away.contains(&leader)).then_some(())
    });
}

/// The number of peers of a node.
#[track_caller]
fn peers(net: &Net, node: usize) -> usize {
    net.block_on(net.client(node).status()).expect("the node answers").peers
}

#[test]
fn primaries_killed_under_load_lose_nothing() {
    let net = Net::up(&[]);
    let stream = Stream::start(&net, &[0, 1, 2, 3]);
    let mut witness = 1;
    for _ in 0..3 {
        let (view, dead) = primary(&net, witness);
        witness = (dead + 1) % 4;
        kill_at_once(&net, &[dead]);
        stream.moves();
        await_other_primary(&net, witness, view, &[dead]);
        start(&net, &[dead]);
        await_caught_up(&net, dead, witness);
    }
    stream.end(&net);
    net.check();
}

#[test]
fn as_many_as_may_fail_die_at_once_the_primary_among_them() {
    let net = Net::up(&["--nodes", "7"]);
    let stream = Stream::start(&net, &[0, 1, 2, 3, 4, 5, 6]);
    let (view, dead) = primary(&net, 6);
    // Its successor too: the first view change leads nowhere.
    let dead = [dead, (dead + 1) % 7];
    let witness = (dead[1] + 1) % 7;
    kill_at_once(&net, &dead);
    stream.moves();
    await_other_primary(&net, witness, view + 1, &dead);
    start(&net, &dead);
    for node in dead {
        await_caught_up(&net, node, witness);
    }
    stream.end(&net);
    net.check();
}

#[test]
fn rolling_restarts_lose_nothing() {
    let net = Net::up(&[]);
    let stream = Stream::start(&net, &[0, 1, 2, 3]);
    for how in ["stop", "kill"] {
        for node in 0..4 {
            net.json(&["testnet", how, &node.to_string()]);
            stream.moves();
            start(&net, &[node]);
            await_caught_up(&net, node, (node + 1) % 4);
            stream.moves();
        }
    }
    stream.end(&net);
    net.check();
}

#[test]
fn nodes_that_sleep_longer_than_every_timeout_are_back_as_if_they_had_been_away() {
    let net = Net::up(&[]);
    let stream = Stream::start(&net, &[0, 1, 2, 3]);
    for ahead in [1, 0] {
        // A backup, then the primary.
        let (view, leader) = primary(&net, 0);
        let sleeper = (leader + ahead) % 4;
        let others: Vec<usize> = (0..4).filter(|other| *other != sleeper).collect();
        net.json(&["testnet", "pause", &sleeper.to_string()]);
        // The longest of the timeouts is that of a connection: its end shows that all have passed.
        for other in &others {
            until(&format!("node{other} has given up node{sleeper}"), LIMIT, || {
                (peers(&net, *other) == 2).then_some(())
            });
        }
        stream.moves();
        if sleeper == leader {
            await_other_primary(&net, others[0], view, &[sleeper]);
        }
        net.json(&["testnet", "resume", &sleeper.to_string()]);
        await_caught_up(&net, sleeper, others[0]);
        until("all are connected again", LIMIT, || (0..4).all(|node| peers(&net, node) == 3).then_some(()));
        stream.moves();
    }
    stream.end(&net);
    net.check();
}

#[test]
fn seven_nodes_go_on_with_a_quorum_and_stop_without_one() {
    let net = Net::up(&["--nodes", "7"]);
    let stream = Stream::start(&net, &[0, 1, 2, 3]);
    net.json(&["testnet", "partition", "0,1,2,3,4/5,6"]);
    let cut_off = net.final_height(5);
    stream.moves();
    stream.moves();
    assert!(
        net.final_height(5) <= cut_off + 1,
        "what was on its way may have arrived, but two of seven decide nothing"
    );
    net.json(&["testnet", "partition", "0,1,2,3/4,5,6"]);
    let send = ["wallet", "send", "--from", "carol", "bob", "1", "--node", "1", "--timeout", "4s", "--json"];
    let failure = net.run(&send).ended(5).json();
    let waiting = text(&failure["error"]["txid"]).to_owned();
    let before: Vec<u64> = (0..7).map(|node| net.final_height(node)).collect();
    let failure = net.run(&send).ended(5).json();
    let after: Vec<u64> = (0..7).map(|node| net.final_height(node)).collect();
    assert_eq!(before, after, "neither side is a quorum: {failure}");
    net.json(&["testnet", "heal"]);
    stream.moves();
    net.await_final(6, &waiting);
    stream.end(&net);
    net.check();
}
