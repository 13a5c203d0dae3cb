//! What the supervisor does for single nodes: starting them again, setting their clocks, and showing their logs.

use crate::net::{LIMIT, Net, signal, text, until};
use crate::view::primary;
use nix::sys::signal::Signal;
use serde_json::Value;

/// A field of all nodes, as `testnet status` shows it.
#[track_caller]
fn all(net: &Net, field: &str) -> Vec<Value> {
    let status = net.json(&["testnet", "status"]);
    status["nodes"].as_array().expect("nodes").iter().map(|node| node[field].clone()).collect()
}

#[track_caller]
fn send(net: &Net, node: usize) {
    let sent = net.send("alice", "bob", "1", &["--node", &node.to_string(), "--timeout", "100s"]);
    assert_eq!(sent["status"], "final", "{sent}");
}

/// Kills a node from outside, and waits until it serves again.
#[track_caller]
fn dies_and_comes_back(net: &Net, node: usize) {
    let before = net.manifest().nodes[node].clone();
    signal(before.pid, Signal::SIGKILL);
    until("it was started again", LIMIT, || {
        let now = net.manifest().nodes[node].clone();
        (now.pid != 0 && now.pid != before.pid && now.restarts == before.restarts + 1).then_some(())
    });
}

#[test]
fn who_dies_by_itself_is_started_again_and_who_is_killed_by_command_is_not() {
    let net = Net::up(&["--restart", "on-failure"]);
    send(&net, 1);
    net.json(&["testnet", "fault", "add", "--to", "2", "--drop", "1%"]);
    net.json(&["testnet", "kill", "3"]);
    dies_and_comes_back(&net, 2);
    dies_and_comes_back(&net, 2);
    let restarts = all(&net, "restarts");
    assert_eq!((restarts[2].as_u64(), restarts[3].as_u64()), (Some(2), Some(0)), "{restarts:?}");
    assert_eq!(all(&net, "faults")[2], 1, "with its faults");
    assert_eq!(all(&net, "up")[3], false, "a command wanted that");
    let state = net.run(&["testnet", "status"]).ended(0).stdout;
    assert!(state.contains("2 restarts"), "{state}");
    let log = std::fs::read_to_string(net.dir().join("supervisor.log")).expect("the supervisor has a log");
    assert!(log.contains("node2 died by itself (signal: 9"), "{log}");
    assert!(log.contains("node2 was started again, 2 times by now"), "{log}");
    assert!(!log.contains("node3"), "{log}");
    net.json(&["testnet", "start", "3"]);
    send(&net, 2);
    net.check();
}

#[test]
fn without_a_policy_who_dies_stays_down() {
    let net = Net::up(&[]);
    let pid = net.manifest().nodes[2].pid;
    signal(pid, Signal::SIGKILL);
    until("the supervisor has noticed", LIMIT, || (net.manifest().nodes[2].pid == 0).then_some(()));
    send(&net, 1);
    assert_eq!((all(&net, "up")[2].clone(), all(&net, "restarts")[2].clone()), (Value::from(false), Value::from(0)));
    net.run(&["testnet", "up", "--restart", "sometimes"]).ended(2);
}

#[test]
fn a_primary_whose_clock_is_ahead_is_not_followed_into_the_future() {
    let net = Net::up(&[]);
    send(&net, 1);
    net.await_synced();
    let (view, old) = primary(&net, 0);
    let witness = (old + 1) % 4;
    let set = net.json(&["testnet", "time", "offset", &old.to_string(), "1h"]);
    assert_eq!((&set["offset_ms"], &set["restarted"]), (&Value::from(3_600_000), &Value::from(false)), "{set}");
    assert_eq!(all(&net, "clock_offset_ms")[old], 3_600_000);
    // Blocks an hour ahead wait for the others' clocks, and the view does not wait for so long.
    send(&net, witness);
    let (now, new) = primary(&net, witness);
    assert!(now > view && new != old, "view {now} of {new} after view {view} of {old}");
    net.check();
    // Back to the net's time goes with a new start.
    let back = net.run(&["testnet", "time", "offset", &old.to_string(), "0s", "--json"]).ended(0);
    assert_eq!(back.json()["restarted"], true, "{back:?}");
    assert!(back.stderr.contains("started anew"), "{back:?}");
    assert_eq!(all(&net, "clock_offset_ms")[old], 0);
    send(&net, old);
    // Behind: it decides like the others, and signs nothing twice after its new start.
    let behind = net.json(&["testnet", "time", "offset", &old.to_string(), "-5s"]);
    assert_eq!(behind["restarted"], true, "{behind}");
    let state = net.run(&["testnet", "status"]).ended(0).stdout;
    assert!(state.contains("clock -5s"), "{state}");
    send(&net, old);
    net.await_synced();
    net.run(&["testnet", "time", "offset", "0", "25h"]).ended(2);
    net.run(&["testnet", "time", "offset", "4", "1s"]).ended(2);
    net.check();
}

#[test]
fn a_paused_node_learns_the_nets_time_when_it_wakes_up() {
    let net = Net::up(&[]);
    net.json(&["testnet", "pause", "3"]);
    net.json(&["testnet", "time", "advance", "10m"]);
    let refused = net.run(&["testnet", "time", "offset", "3", "1s", "--json"]).ended(1).json();
    assert!(text(&refused["error"]["message"]).contains("testnet resume 3"), "{refused}");
    net.json(&["testnet", "resume", "3"]);
    let offset = |node: usize| net.block_on(net.client(node).status()).expect("the node answers").clock_offset_ms;
    assert_eq!(offset(3), offset(0));
    send(&net, 3);
    net.check();
}

#[test]
fn logs_are_filtered_by_node_level_text_and_time() {
    let net = Net::up(&[]);
    net.json(&["testnet", "fault", "add", "--to", "1", "--delay", "1ms"]);
    send(&net, 1);
    let logs = |more: &[&str]| net.run(&[&["testnet", "logs"], more].concat()).ended(0).stdout;
    let all = logs(&[]);
    for node in 0..4 {
        assert!(all.lines().any(|line| line.starts_with(&format!("node{node} "))), "{all}");
    }
    let times: Vec<&str> = all.lines().filter_map(|line| line.split_whitespace().nth(1)).collect();
    // In the order of milliseconds: what is written within one may come from several threads.
    let times: Vec<&str> = times.iter().filter(|time| time.ends_with('Z')).filter_map(|time| time.get(..23)).collect();
    assert!(times.len() > 8 && times.is_sorted(), "several logs are in the order of time");
    let found = logs(&["0", "1", "--grep", "LINK FAULT"]);
    assert!(!found.is_empty() && found.lines().all(|line| line.starts_with("node1 ")), "{found}");
    assert_eq!(logs(&["0", "--grep", "link fault"]), "");
    assert!(logs(&["1", "--since", "1h"]).contains("link fault"));
    assert!(!logs(&["--level", "warn"]).contains(" INFO "));
    let line: Value =
        serde_json::from_str(logs(&["1", "--grep", "link fault", "--json"]).lines().next().expect("a line"))
            .expect("JSON");
    assert_eq!(line["node"], "node1");
    net.run(&["testnet", "logs", "0", "7"]).ended(2);
    net.run(&["testnet", "logs", "--level", "loud"]).ended(2);
}
