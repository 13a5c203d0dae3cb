//! Snapshots, going back, and nets in a file.

use crate::net::{LIMIT, Net, text, until};
use bezant_api::types::TxState;
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Until it is in a block, also on a machine that is busy with other things.
const INCLUDED: [&str; 4] = ["--wait", "included", "--timeout", "240s"];

/// The names that `snapshot --list` shows.
fn names(net: &Net) -> Vec<String> {
    let list = net.json(&["testnet", "snapshot", "--list"]);
    list.as_array().expect("a list").iter().map(|one| text(&one["name"]).to_owned()).collect()
}

/// Writes the receipt of a payment.
fn receipt(net: &Net, txid: &Value, file: &Path) {
    net.json(&["wallet", "receipt", text(txid), "--out", file.to_str().expect("text")]);
}

fn verified(net: &Net, file: &Path, status: i32) -> Value {
    net.run(&["wallet", "verify-receipt", file.to_str().expect("text"), "--json"]).ended(status).json()
}

#[test]
fn a_pbft_net_goes_back_and_on() {
    let net = Net::up(&[]);
    let place = tempfile::tempdir().expect("a directory");
    let kept = net.send("alice", "bob", "1", &[]);
    // One that is behind when the snapshot is taken: what it missed was signed in another incarnation than it will be in.
    net.json(&["testnet", "stop", "3"]);
    net.send("alice", "bob", "2", &[]);
    net.send("alice", "bob", "2", &[]);
    let before = (net.balance("alice", 0), net.balance("bob", 0), net.final_height(0));
    let taken = net.json(&["testnet", "snapshot", "one"]);
    assert_eq!((taken["name"].as_str(), taken["height"].as_u64()), (Some("one"), Some(before.2)), "{taken}");
    let again = net.run(&["testnet", "snapshot", "one"]).ended(1);
    assert!(again.stderr.contains("--force") && again.stdout.is_empty(), "{again:?}");
    net.json(&["testnet", "start", "3"]);
    net.json(&["testnet", "fault", "add", "--delay", "1ms"]);

    let undone = net.send("alice", "bob", "5", &[]);
    let files = [place.path().join("kept"), place.path().join("undone")];
    receipt(&net, &kept["txid"], &files[0]);
    receipt(&net, &undone["txid"], &files[1]);
    assert_eq!(verified(&net, &files[1], 0)["txid"], undone["txid"]);
    let back = net.json(&["testnet", "revert", "one"]);
    assert_eq!((back["height"].as_u64(), back["incarnation"].as_u64()), (Some(before.2), Some(1)), "{back}");
    assert_eq!((net.balance("alice", 0), net.balance("bob", 0), net.final_height(0)), before);
    assert_eq!(net.tx_status(0, text(&undone["txid"])).state, TxState::Unknown);
    assert_eq!(verified(&net, &files[1], 3)["error"]["kind"], "receipt-undone");
    assert_eq!(verified(&net, &files[0], 0)["txid"], kept["txid"], "what stayed was paid");
    let faults = net.json(&["testnet", "fault", "list"]);
    assert_eq!(faults["faults"].as_array().map(Vec::len), Some(1), "faults stay: {faults}");
    net.json(&["testnet", "fault", "clear", "--all"]);

    // The net changes views, in the middle of an epoch, with nothing final there yet.
    let primary = net.block_on(net.client(1).status()).expect("it answers").pbft.expect("it is of PBFT").primary;
    net.json(&["testnet", "kill", &primary.to_string()]);
    let reader = usize::from(primary == 0);
    let sent = net.send("alice", "bob", "7", &["--node", &reader.to_string()]);
    assert_eq!(sent["status"], "final", "{sent}");
    net.json(&["testnet", "start", &primary.to_string()]);
    net.await_synced();
    until("who was behind has caught up", LIMIT, || (net.final_height(3) > before.2).then_some(()));
    net.check();

    // Once more, as often as one likes; and of a net that is stopped.
    assert_eq!(net.json(&["testnet", "revert", "one"])["incarnation"], 2);
    assert_eq!(net.balance("bob", 0), before.1);
    net.send("alice", "bob", "3", &[]);
    net.json(&["testnet", "down"]);
    assert_eq!(net.json(&["testnet", "revert", "one"])["incarnation"], 3);
    net.json(&["testnet", "snapshot", "two"]);
    assert_eq!(names(&net), ["one", "two"]);
    net.start(&[]);
    assert_eq!((net.balance("alice", 0), net.balance("bob", 0), net.final_height(0)), before);
    net.send("alice", "bob", "3", &[]);
    net.check();

    net.json(&["testnet", "snapshot", "--remove", "one"]);
    assert_eq!(names(&net), ["two"]);
    for command in [&["testnet", "revert", "one"][..], &["testnet", "snapshot", "--remove", "one"]] {
        let ran = net.run(command).ended(2);
        assert!(ran.stderr.contains("--list") && ran.stdout.is_empty(), "{ran:?}");
    }
    for bad in [&["testnet", "snapshot", "../x"][..], &["testnet", "revert", ".."], &["testnet", "snapshot"]] {
        net.run(bad).ended(2);
    }
    let text = net.run(&["testnet", "snapshot", "--list"]).ended(0);
    assert!(text.stdout.contains("two") && text.stderr.is_empty(), "{text:?}");
}

#[test]
fn a_pow_net_goes_back_and_on() {
    let net = Net::up(&["--engine", "pow", "--block-time", "2s"]);
    let place = tempfile::tempdir().expect("a directory");
    net.send("alice", "bob", "1", &INCLUDED);
    net.await_synced();
    let before = (net.balance("alice", 0), net.balance("bob", 0));
    let taken = net.json(&["testnet", "snapshot", "one"]);
    let undone = net.send("alice", "bob", "5", &INCLUDED);
    net.await_synced();
    let file = place.path().join("undone");
    receipt(&net, &undone["txid"], &file);
    assert_eq!(verified(&net, &file, 0)["txid"], undone["txid"]);
    let back = net.json(&["testnet", "revert", "one"]);
    assert!(back["height"].as_u64() >= taken["height"].as_u64(), "{back}");
    assert_eq!(back["incarnation"], 1);
    assert_eq!((net.balance("alice", 0), net.balance("bob", 0)), before);
    assert_eq!(verified(&net, &file, 3)["error"]["kind"], "receipt-undone");
    let sent = net.send("alice", "bob", "7", &INCLUDED);
    assert_eq!(sent["status"], "included");
    net.await_synced();
    net.check();
}

#[test]
fn a_net_in_a_file_is_a_net_of_its_own() {
    for engine in [&["--nodes", "4"][..], &["--engine", "pow", "--nodes", "2"]] {
        let net = Net::up(engine);
        let place = tempfile::tempdir().expect("a directory");
        net.send("alice", "bob", "1", &INCLUDED);
        let (alice, bob) = (net.balance("alice", 0), net.balance("bob", 0));
        let file = place.path().join("net.tar.gz");
        let path = file.to_str().expect("text");
        let exported = net.json(&["testnet", "export", path]);
        assert_eq!(exported["file"].as_str(), Some(path));
        let metadata = std::fs::metadata(&file).expect("it was written");
        assert_eq!((Some(metadata.len()), metadata.permissions().mode() & 0o777), (exported["bytes"].as_u64(), 0o600));
        let again = net.run(&["testnet", "export", path]).ended(2);
        assert!(again.stderr.contains("--force"), "{again:?}");
        net.json(&["testnet", "export", path, "--force"]);

        let copy = net.beside();
        let imported = copy.json(&["testnet", "import", path]);
        assert_eq!((imported["net"].as_str(), imported["incarnation"].as_u64()), (Some(copy.name()), Some(1)));
        let ran = copy.run(&["testnet", "import", path]).ended(1);
        assert!(ran.stderr.contains("--fresh") && ran.stderr.contains("--net"), "{ran:?}");
        let [there, here] = [net.manifest(), copy.start(&[])];
        assert_eq!(there.network_id, here.network_id, "it is the same ledger");
        assert!(there.nodes.iter().zip(&here.nodes).all(|(one, other)| one.peer_id != other.peer_id));
        assert_ne!(there.dev_token, here.dev_token);
        assert_eq!((copy.balance("alice", 0), copy.balance("bob", 0)), (alice, bob));
        // Both go on, each for itself: with other amounts, for the wallets are the same and may choose the same coins.
        let [one, other] = [(&net, "3"), (&copy, "4")].map(|(net, amount)| net.send("alice", "bob", amount, &INCLUDED));
        assert_eq!(net.tx_status(0, text(&other["txid"])).state, TxState::Unknown, "{one} {other}");
        copy.await_synced();
        copy.check();
        let running = copy.run(&["testnet", "import", path, "--fresh"]).ended(1);
        assert!(running.stderr.contains("down"), "{running:?}");
        copy.json(&["testnet", "down"]);
        copy.json(&["testnet", "snapshot", "mine"]);
        assert_eq!(copy.json(&["testnet", "import", path, "--fresh"])["incarnation"], 1);
        assert!(names(&copy).is_empty(), "snapshots are of the net that was there");
        copy.start(&[]);
        copy.send("alice", "bob", "3", &INCLUDED);
        copy.json(&["testnet", "down", "--purge"]);
    }
}

#[test]
fn what_is_no_net_is_not_imported() {
    let net = Net::empty();
    let place = tempfile::tempdir().expect("a directory");
    let file = place.path().join("file");
    let path = file.to_str().expect("text");
    let missing = net.run(&["testnet", "import", path, "--json"]).ended(2).json();
    assert_eq!(missing["error"]["kind"], "usage", "{missing}");
    for bytes in [&b"no archive"[..], &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0], b""] {
        std::fs::write(&file, bytes).expect("a file");
        let refused = net.run(&["testnet", "import", path, "--json"]).ended(3).json();
        assert_eq!(refused["error"]["kind"], "bad-archive", "{refused}");
    }
    assert!(!net.dir().exists(), "nothing is left");
    for command in [&["testnet", "snapshot", "one"][..], &["testnet", "revert", "one"], &["testnet", "export", path]] {
        let ran = net.run(command).ended(6);
        assert!(ran.stderr.contains("testnet up --net"), "{ran:?}");
    }
}
