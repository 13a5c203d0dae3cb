//! Members that lie on demand: accepted, shown, told, ended, and borne by the others.

use crate::net::{LIMIT, Net, text, until};
use crate::view::primary;
use bezant_api::event::EventKind;
use bezant_api::fault::{FaultKind, FaultState};

/// What `testnet status` shows of a node's lies.
#[track_caller]
fn shown(net: &Net, node: usize) -> Option<String> {
    let status = net.json(&["testnet", "status"]);
    status["nodes"][node]["byzantine"].as_str().map(str::to_owned)
}

#[test]
fn a_member_lies_when_told_to_and_stops_when_told_to() {
    let net = Net::up(&[]);
    net.await_synced();
    let before = net.final_height(3);
    assert_eq!(shown(&net, 3), None);
    net.json(&["testnet", "byzantine", "3", "silent"]);
    assert_eq!(shown(&net, 3).as_deref(), Some("silent"));
    assert_eq!(net.send("alice", "bob", "1", &["--node", "0"])["status"], "final", "three of four are enough");
    let told = net.json(&["testnet", "byzantine", "3", "bad-signature"]);
    assert_eq!((told["node"].as_u64(), text(&told["mode"])), (Some(3), "bad-signature"));
    assert_eq!(shown(&net, 3).as_deref(), Some("bad-signature"), "the last one counts");
    net.json(&["testnet", "kill", "3"]);
    net.json(&["testnet", "start", "3"]);
    assert_eq!(shown(&net, 3).as_deref(), Some("bad-signature"), "a restart does not make it honest");
    net.json(&["testnet", "byzantine", "3", "off"]);
    assert_eq!(shown(&net, 3), None);
    assert_eq!(
        faults(&net, 3),
        ["begin byzantine: bad-signature", "end byzantine: bad-signature"],
        "since its restart"
    );
    assert_eq!(net.send("alice", "bob", "1", &["--node", "0"])["status"], "final");
    until("who was silent hears the others", LIMIT, || (net.final_height(3) > before).then_some(()));
    net.check();
}

/// Faults of a node, as its events tell them from its start, until the first end of a lie.
#[track_caller]
fn faults(net: &Net, node: usize) -> Vec<String> {
    let client = net.client(node);
    net.block_on(async {
        let mut events = client.events(Some(1)).await.expect("subscribes");
        let mut faults = Vec::new();
        let read = async {
            while faults.last().is_none_or(|last: &String| !last.starts_with("end")) {
                let event = events.next().await.expect("the node runs");
                if let EventKind::Fault { state, kind: FaultKind::Byzantine, what, .. } = event.kind {
                    faults.push(format!("{} {what}", if state == FaultState::Begin { "begin" } else { "end" }));
                }
            }
        };
        tokio::time::timeout(LIMIT, read).await.expect("the end of the lie is told");
        faults
    })
}

#[test]
fn a_primary_that_tells_two_stories_is_proved_a_liar_and_replaced() {
    let net = Net::up(&[]);
    net.json(&["testnet", "byzantine", "0", "equivocate"]);
    for _ in 0..3 {
        assert_eq!(net.send("alice", "bob", "1", &["--node", "1"])["status"], "final");
    }
    let height = net.final_height(1);
    until("both halves go on with one story", LIMIT, || {
        (1..4).all(|node| net.final_height(node) >= height).then_some(())
    });
    until("everyone has the proof, and another leads", LIMIT, || {
        let told = |node: usize| {
            let (view, _) = primary(&net, node);
            let evidence = net.block_on(net.client(node).evidence()).expect("the node answers");
            view > 0 && evidence.iter().any(|proof| proof.signer == 0)
        };
        (1..4).all(told).then_some(())
    });
    net.check();
}

#[test]
fn a_censor_is_voted_out() {
    let net = Net::up(&[]);
    net.json(&["testnet", "byzantine", "0", "censor", "bob"]);
    assert!(shown(&net, 0).is_some_and(|lie| lie.starts_with("censor lock ")));
    let sent = net.send("alice", "bob", "1", &["--node", "1", "--timeout", "120s"]);
    assert_eq!(sent["status"], "final", "{sent}");
    let view = net.json(&["testnet", "status"])["nodes"][1]["view"].as_u64();
    assert!(view > Some(0), "{view:?}");
    net.check();
}

#[test]
fn what_cannot_be_lied_about_is_refused() {
    let net = Net::up(&["--observers", "1"]);
    for (arguments, status) in [
        (&["9", "silent"][..], 2),
        (&["4", "silent"], 1),
        (&["0", "honest"], 2),
        (&["0", "censor"], 2),
        (&["0", "silent", "bob"], 2),
        (&["0", "censor", "nobody"], 2),
    ] {
        let ran = net.run(&[&["testnet", "byzantine"], arguments].concat()).ended(status);
        assert!(!ran.stderr.is_empty(), "{arguments:?}");
    }
    assert!((0..5).all(|node| shown(&net, node).is_none()));
}

#[test]
fn each_engine_has_its_own_lies() {
    let net = Net::up(&["--engine", "pow", "--nodes", "1"]);
    let ran = net.run(&["testnet", "byzantine", "0", "silent"]).ended(2);
    assert!(ran.stderr.contains("engine"), "{ran:?}");
    net.json(&["testnet", "byzantine", "0", "selfish"]);
    assert_eq!(shown(&net, 0).as_deref(), Some("selfish"));
    net.json(&["testnet", "byzantine", "0", "off"]);
    assert_eq!(shown(&net, 0), None);
}
