//! Faults of links between real nodes: late, lost, cut one way. The net goes on, nothing is decided twice, and nothing is left
//! behind.

use crate::net::{LIMIT, Net, signal, text, until};
use crate::view::primary;
use bezant_api::event::{Event, EventKind};
use bezant_api::fault::{DevLinksParams, FaultKind, FaultState, LinkEffects, LinkEnd, LinkFaultParams};
use bezant_api::types::TxState;
use nix::sys::signal::Signal;
use serde_json::Value;

/// `testnet fault add` with these options; gives the fault.
#[track_caller]
fn add(net: &Net, options: &[&str]) -> Value {
    let added = net.json(&[&["testnet", "fault", "add"], options].concat());
    assert_eq!(added["faults"].as_array().map(Vec::len), Some(1), "{added}");
    added["faults"][0].clone()
}

/// The faults in force.
#[track_caller]
fn list(net: &Net) -> Vec<Value> {
    net.json(&["testnet", "fault", "list"])["faults"].as_array().expect("a list").clone()
}

/// How many faults each node has.
#[track_caller]
fn faults(net: &Net) -> Vec<Option<u64>> {
    let status = net.json(&["testnet", "status"]);
    status["nodes"].as_array().expect("nodes").iter().map(|node| node["faults"].as_u64()).collect()
}

/// A transfer through a node becomes final there.
#[track_caller]
fn send(net: &Net, node: usize) -> String {
    let sent = net.send("alice", "bob", "1", &["--node", &node.to_string(), "--timeout", "100s"]);
    assert_eq!(sent["status"], "final", "{sent}");
    text(&sent["txid"]).to_owned()
}

/// The next events about faults of node `index`, from its start on, as (state, kind, number, what).
fn fault_events(net: &Net, index: usize, count: usize) -> Vec<(FaultState, FaultKind, Option<u64>, String)> {
    let client = net.client(index);
    let read = async {
        let mut events = client.events(Some(1)).await.expect("the node has events");
        let (mut found, mut last) = (Vec::new(), 0);
        while found.len() < count {
            let Event { seq, kind, .. } = events.next().await.expect("the node runs");
            match kind {
                EventKind::Snapshot { .. } => last = seq,
                kind => {
                    assert_eq!(seq, last + 1, "every event has its place");
                    last = seq;
                    if let EventKind::Fault { state, kind, id, what, .. } = kind {
                        found.push((state, kind, id, what));
                    }
                }
            }
        }
        found
    };
    net.block_on(async { tokio::time::timeout(LIMIT, read).await.expect("the events come") })
}

#[test]
fn who_hears_late_decides_late_and_the_others_go_on() {
    let net = Net::up(&[]);
    send(&net, 1);
    net.await_synced();
    let fault = add(&net, &["--to", "3", "--delay", "4s", "--jitter", "100ms"]);
    assert_eq!((text(&fault["what"]), fault["to"][0].as_u64()), ("delay 4000ms ±100ms", Some(3)), "{fault}");
    assert_eq!(fault["until_ms"], Value::Null);
    assert_eq!(faults(&net), [Some(0), Some(0), Some(0), Some(1)]);
    let begun = std::time::Instant::now();
    let txid = send(&net, 1);
    until("node3 has it too", LIMIT, || (net.tx_status(3, &txid).state == TxState::Final).then_some(()));
    assert!(begun.elapsed().as_millis() >= 3_900, "{:?}", begun.elapsed());
    for node in [0, 1, 2] {
        send(&net, node);
    }
    let shown = &list(&net)[0];
    assert!(shown["held"].as_u64() > Some(0) && shown["lost"] == 0 && shown["overflowed"] == 0, "{shown}");
    let table = net.run(&["testnet", "fault", "list"]).ended(0).stdout;
    assert!(table.contains("delay 4000ms") && table.contains("0,1,2,3"), "{table}");
    let state = net.run(&["testnet", "status"]).ended(0).stdout;
    assert!(state.contains("1 fault"), "{state}");
    // What was under way arrives when the fault ends, and the node has everything at once.
    let id = fault["id"].to_string();
    let ended = net.run(&["testnet", "fault", "clear", &id]).ended(0).stdout;
    assert!(ended.contains(&format!("fault {id} is over")), "{ended}");
    net.await_synced();
    let what = "delay 4000ms ±100ms".to_owned();
    let id = fault["id"].as_u64();
    assert_eq!(
        fault_events(&net, 3, 2),
        [(FaultState::Begin, FaultKind::Link, id, what.clone()), (FaultState::End, FaultKind::Link, id, what)]
    );
    send(&net, 3);
    net.check();
}

#[test]
fn a_net_that_loses_every_fifth_message_still_decides() {
    let net = Net::up(&[]);
    add(&net, &["--drop", "20%", "--duplicate", "5%", "--reorder", "5%"]);
    for node in 0..4 {
        send(&net, node);
    }
    let shown = &list(&net)[0];
    let (heard, lost) = (shown["heard"].as_f64().expect("a number"), shown["lost"].as_f64().expect("a number"));
    assert!(heard > 100.0 && (0.1..0.3).contains(&(lost / heard)), "{shown}");
    net.json(&["testnet", "fault", "clear", "--all"]);
    net.await_synced();
    assert_eq!(faults(&net), [Some(0); 4]);
    net.check();
}

#[test]
fn miners_on_lossy_and_slow_links_still_have_one_chain() {
    let net = Net::up(&["--engine", "pow", "--block-time", "1s"]);
    add(&net, &["--drop", "20%"]);
    add(&net, &["--delay", "100ms", "--jitter", "50ms", "--bandwidth", "100kB/s"]);
    for node in ["0", "3"] {
        let sent = net.send("alice", "bob", "1", &["--node", node, "--confirmations", "3", "--timeout", "100s"]);
        assert_eq!(sent["status"], "final", "{sent}");
    }
    let shown = list(&net);
    assert!(shown[0]["lost"].as_u64() > Some(0) && shown[1]["held"].as_u64() > Some(0), "{shown:?}");
    net.json(&["testnet", "fault", "clear", "--all"]);
    for node in 0..4 {
        net.json(&["testnet", "hashrate", &node.to_string(), "0"]);
    }
    // Two branches of the same work would stay for ever.
    net.json(&["testnet", "mine", "1", "--node", "0"]);
    net.await_synced();
    net.check();
}

#[test]
fn a_primary_that_nobody_hears_loses_its_view_though_it_hears_everybody() {
    let net = Net::up(&[]);
    send(&net, 1);
    net.await_synced();
    let (view, old) = primary(&net, 0);
    let witness = (old + 1) % 4;
    let fault = add(&net, &["--from", &old.to_string(), "--cut"]);
    assert_eq!(fault["links"].as_array().map(Vec::len), Some(3), "{fault}");
    send(&net, witness);
    let (now, new) = primary(&net, witness);
    assert!(now > view && new != old, "view {now} of {new} after view {view} of {old}");
    // It is no prisoner: it hears what the others decide.
    let height = net.final_height(witness);
    until("the old primary follows", LIMIT, || (net.final_height(old) >= height).then_some(()));
    let peers = net.block_on(net.client(old).status()).expect("the node answers").peers;
    assert_eq!(peers, 3, "a cut one way leaves the connections");
    let healed = net.json(&["testnet", "heal"]);
    assert_eq!(healed["faults"][0]["id"], fault["id"], "{healed}");
    assert_eq!(list(&net), Vec::<Value>::new());
    send(&net, old);
    net.check();
}

#[test]
fn the_node_itself_ends_what_has_its_time() {
    let net = Net::up(&[]);
    let fault = add(&net, &["--from", "0", "--to", "1", "--both", "--delay", "10ms", "--for", "1s"]);
    assert_eq!(fault["until_ms"].as_u64(), fault["since_ms"].as_u64().map(|since| since + 1_000), "{fault}");
    for node in [0, 1] {
        let states: Vec<_> = fault_events(&net, node, 2).into_iter().map(|(state, _, id, _)| (state, id)).collect();
        assert_eq!(states, [(FaultState::Begin, fault["id"].as_u64()), (FaultState::End, fault["id"].as_u64())]);
    }
    until("it is forgotten", LIMIT, || list(&net).is_empty().then_some(()));
    // Told by somebody who then has nothing more to say.
    let manifest = net.manifest();
    let from = vec![LinkEnd { peer_id: manifest.nodes[1].peer_id.clone(), seed: 1 }];
    let fault = LinkFaultParams { id: 9, from, to: Vec::new(), effects: LinkEffects::CUT, for_ms: Some(700) };
    let params = DevLinksParams { token: manifest.dev_token.clone(), faults: vec![fault] };
    net.block_on(net.client(2).dev_links(&params)).expect("a dev net");
    let states: Vec<_> = fault_events(&net, 2, 2).into_iter().map(|(state, _, id, _)| (state, id)).collect();
    assert_eq!(states, [(FaultState::Begin, Some(9)), (FaultState::End, Some(9))]);
    assert_eq!(faults(&net), [Some(0); 4]);
    // A partition has its time too.
    net.json(&["testnet", "partition", "0/1,2,3", "--for", "1s"]);
    until("the partition is over", LIMIT, || {
        let connected = |node| net.block_on(net.client(node).status()).expect("the node answers").peers == 3;
        (list(&net).is_empty() && (0..4).all(connected)).then_some(())
    });
    net.check();
}

#[test]
fn a_node_that_was_away_has_its_faults_again_and_a_new_net_has_none() {
    let net = Net::up(&[]);
    send(&net, 1);
    add(&net, &["--to", "2,3", "--drop", "1%"]);
    net.json(&["testnet", "kill", "2"]);
    net.json(&["testnet", "pause", "3"]);
    assert_eq!(faults(&net), [Some(0), Some(0), None, None]);
    let added = net.run(&["testnet", "fault", "add", "--to", "3", "--delay", "5ms"]).ended(0);
    assert!(added.stderr.contains("node3 is paused"), "{added:?}");
    let state = net.run(&["testnet", "status"]).ended(0).stdout;
    assert!(state.contains("paused") && state.contains("down"), "{state}");
    net.json(&["testnet", "resume", "3"]);
    net.json(&["testnet", "start", "2"]);
    assert_eq!(faults(&net), [Some(0), Some(0), Some(1), Some(2)]);
    let process: Vec<_> =
        fault_events(&net, 3, 4).into_iter().filter(|(_, kind, _, _)| *kind == FaultKind::Process).collect();
    let paused = |state| (state, FaultKind::Process, None, "paused".to_owned());
    assert_eq!(process, [paused(FaultState::Begin), paused(FaultState::End)]);
    let process: Vec<_> =
        fault_events(&net, 2, 2).into_iter().filter(|(_, kind, _, _)| *kind == FaultKind::Process).collect();
    assert_eq!(process, [(FaultState::End, FaultKind::Process, None, "killed".to_owned())]);
    send(&net, 2);
    net.check();
    // The supervisor dies, and everything with it.
    let manifest = net.manifest();
    signal(manifest.supervisor.pid, Signal::SIGKILL);
    net.await_gone(&manifest);
    net.start(&[]);
    assert_eq!((faults(&net), list(&net)), (vec![Some(0); 4], Vec::new()));
    send(&net, 3);
    net.check();
}

#[test]
fn healing_ends_what_cuts_and_nothing_else_and_what_makes_no_sense_is_said() {
    let net = Net::up(&[]);
    let slow = add(&net, &["--delay", "5ms"]);
    add(&net, &["--from", "0", "--to", "1", "--cut"]);
    let halves = net.json(&["testnet", "partition", "0,1/2,3"]);
    assert_eq!(halves["faults"][0]["what"], "partition 0,1/2,3", "{halves}");
    let healed = net.run(&["testnet", "heal"]).ended(0);
    assert!(healed.stderr.contains("fault clear --all"), "{healed:?}");
    let left: Vec<Value> = list(&net).iter().map(|fault| fault["id"].clone()).collect();
    assert_eq!(left, [slow["id"].clone()]);
    for (arguments, word) in [
        (&["fault", "add", "--from", "4", "--cut"][..], "nodes 0 to 3"),
        (&["fault", "add", "--from", "1", "--to", "1", "--cut"], "no link"),
        (&["fault", "add", "--drop", "5%", "--for", "0s"], "--for"),
        (&["fault", "add", "--delay", "61s"], "delay"),
        (&["fault", "clear", "99"], "no fault 99"),
        (&["partition", "0,1/1,2"], "two groups"),
        (&["partition", "0,1,2,3"], "no link"),
        (&["kill", "9"], "nodes 0 to 3"),
    ] {
        let ran = net.run(&[&["testnet"], arguments, &["--json"]].concat()).ended(2);
        let message = ran.json()["error"]["message"].as_str().unwrap_or_default().to_owned();
        assert!(message.contains(word), "{arguments:?}: {message}");
    }
    assert_eq!(list(&net).len(), 1, "what was refused changed nothing");
    let lines = net.run(&["testnet", "fault", "clear", "--all"]).ended(0).stdout;
    assert!(lines.contains("is over"), "{lines}");
    assert_eq!(net.run(&["testnet", "fault", "list"]).ended(0).stdout.trim(), "no faults");
    send(&net, 2);
    net.check();
}
