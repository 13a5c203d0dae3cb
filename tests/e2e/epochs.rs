//! Who decides changes while the net runs; and a validator whose directory was emptied comes back.

use crate::net::{LIMIT, Net, text, until};
use crate::stream::Stream;
use bezant_api::types::PbftView;

fn pbft(net: &Net, node: usize) -> PbftView {
    net.block_on(net.client(node).status()).expect("the node answers").pbft.expect("this is PBFT")
}

/// The nodes that vote, as the command says.
#[track_caller]
fn change(net: &Net, how: &str, node: usize) -> Vec<u64> {
    let done = net.json(&["testnet", "validator", how, &node.to_string()]);
    done["voters"].as_array().expect("a list").iter().map(|index| index.as_u64().expect("an index")).collect()
}

#[test]
fn validators_are_added_rekeyed_and_removed_under_load() {
    let net = Net::up(&["--observers", "1"]);
    let stream = Stream::start(&net, &[2, 3]);
    assert_eq!(change(&net, "add", 4), [0, 1, 2, 3, 4]);
    stream.moves();
    let before = pbft(&net, 1).me;
    assert_eq!(change(&net, "rekey", 1), [0, 1, 2, 3, 4]);
    assert_eq!(pbft(&net, 1).me, before, "another key in the same place");
    stream.moves();
    assert_eq!(change(&net, "remove", 0), [1, 2, 3, 4]);
    stream.moves();
    // One of the four may be missing, so the added and the rekeyed one are needed.
    net.json(&["testnet", "kill", "2"]);
    stream.moves();
    net.json(&["testnet", "start", "2"]);
    stream.end(&net);
    net.await_synced();
    assert_eq!(pbft(&net, 0).epoch, 3);
    let sent = net.send("alice", "bob", "1", &[]);
    let proof = net.json(&["chain", "proof", sent["txid"].as_str().expect("an id")]);
    assert_eq!(proof["signers"].as_array().map(Vec::len), Some(3), "checked from genesis on, through three epochs");
    // Another genesis, though of a member of this net.
    let member = net.block_on(net.client(0).epochs(1)).expect("the node answers").members[0].clone();
    let other = ["genesis", "new", "--member", &member, "--allocation", &format!("{member}=1")];
    let file = net.dir().join("other.toml");
    std::fs::write(&file, net.run(&other).ended(0).stdout).expect("writes");
    let refused = net.run(&["chain", "proof", text(&sent["txid"]), "--genesis", &file.display().to_string(), "--json"]);
    assert_eq!(refused.status, 1, "{refused:?}");
    assert_eq!(refused.json()["error"]["kind"], "bad-proof", "{refused:?}");
    net.check();
}

#[test]
fn what_makes_no_sense_is_refused() {
    let net = Net::up(&["--observers", "1"]);
    for (change, node) in [("add", "0"), ("remove", "4"), ("rekey", "4"), ("add", "9")] {
        let failure = net.run(&["testnet", "validator", change, node, "--json"]);
        assert_ne!(failure.status, 0, "{change} {node}");
    }
    // All nodes that are named are looked at before anything is done to the first.
    assert_eq!(net.run(&["testnet", "kill", "3", "9"]).status, 2);
    net.run(&["testnet", "kill", "3", "3"]).ended(0);
    let halting = net.run(&["testnet", "validator", "rekey", "0"]);
    assert_eq!(halting.status, 1, "{halting:?}");
    assert!(halting.stderr.contains("2 of 4 validators vote where 3 are needed; start node3 first"), "{halting:?}");
    let down = net.run(&["testnet", "byzantine", "3", "silent"]);
    assert!(down.stderr.contains("`bezant testnet start 3"), "{down:?}");
    let nobody = net.run(&["testnet", "byzantine", "0", "censor", "nobodyhere"]);
    assert_eq!(nobody.status, 2, "{nobody:?}");
    assert!(nobody.stderr.contains("neither a transaction's id, nor an account"), "{nobody:?}");
    net.json(&["testnet", "partition", "0,1/2,3"]);
    let healed = net.run(&["testnet", "heal"]).ended(0);
    assert!(healed.stdout.contains("is over"), "{healed:?}");
    assert_eq!(net.run(&["testnet", "heal"]).ended(0).stdout.trim(), "nothing was cut");
    let load = ["testnet", "load", "--rate", "5", "--duration", "1s"];
    let nowhere = net.run(&[&load[..], &["--report", "/nowhere/x.json"]].concat());
    assert_eq!(nowhere.status, 1, "{nowhere:?}");
    assert!(nowhere.stderr.contains("--report: /nowhere/x.json") && !nowhere.stderr.contains("funding"), "{nowhere:?}");
    let there = net.dir().join("there");
    std::fs::write(&there, "mine").expect("writes");
    let there_text = there.display().to_string();
    assert_eq!(net.run(&[&load[..], &["--sign-to", &there_text]].concat()).status, 2);
    assert_eq!(std::fs::read_to_string(&there).expect("it stays"), "mine");
    net.send("alice", "bob", "1", &[]);
    assert_eq!(pbft(&net, 0).epoch, 0, "the net goes on as before");
}

#[test]
fn an_emptied_validator_is_re_admitted_by_itself_on_an_idle_net() {
    let net = Net::up(&[]);
    net.send("alice", "bob", "1", &[]);
    net.await_synced();
    net.json(&["testnet", "kill", "3"]);
    std::fs::remove_dir_all(net.data_dir(3)).expect("the directory can be emptied");
    net.json(&["testnet", "start", "3"]);
    until("it votes again", LIMIT, || {
        let view = pbft(&net, 3);
        (view.epoch > 0 && !view.is_mute).then_some(())
    });
    // Now it is needed for a quorum.
    net.json(&["testnet", "kill", "1"]);
    let sent = net.send("alice", "bob", "1", &["--node", "3", "--timeout", "100s"]);
    assert_eq!(sent["status"], "final", "{sent}");
    net.json(&["testnet", "start", "1"]);
    net.await_synced();
    net.check();
}
