//! The power fails on all nodes at once, and the disks forget whatever was not synced: a small library preloaded into the nodes
//! keeps each file as of its last sync (`shadow.c`), and those copies are what the nodes find when they start again.

use crate::net::{LIMIT, Net, finish, signal, text, until};
use bezant_api::types::{BlockRef, TxState};
use nix::sys::signal::Signal;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Builds the library; `None`, said by name, where that cannot be done.
pub(crate) fn shadow_library(dir: &Path) -> Option<PathBuf> {
    let library = dir.join("shadow.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/shadow.c");
    let built = Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).output();
    let reason = match built {
        _ if !cfg!(all(target_os = "linux", target_env = "gnu")) => "it needs Linux with glibc".to_owned(),
        Ok(output) if output.status.success() => return Some(library),
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => format!("no C compiler: {error}"),
    };
    println!("not run: tests of power cuts: {reason}");
    None
}

/// Makes a node's databases what a disk would show that forgot everything unsynced. Returns how many files changed. (Its key is
/// written under another name, synced and renamed, which the library does not follow.)
fn forget_unsynced(data: &Path, root: &str, copies: &Path) -> usize {
    let mut changed = 0;
    for entry in std::fs::read_dir(data).expect("the data directory is there") {
        let path = entry.expect("can be listed").path();
        if !path.to_string_lossy().contains("sqlite") {
            continue;
        }
        let below = path.to_str().expect("test paths are text").strip_prefix(root).expect("is below the root");
        let before = std::fs::read(&path).expect("can be read");
        match std::fs::read(copies.join(below.replace('/', "%"))) {
            Ok(synced) if synced == before => {}
            Ok(synced) => {
                std::fs::write(&path, synced).expect("can be written");
                changed += 1;
            }
            Err(_) => {
                std::fs::remove_file(&path).expect("can be removed");
                changed += 1;
            }
        }
    }
    changed
}

#[test]
fn what_was_reported_final_survives_a_power_cut() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let Some(library) = shadow_library(place.path()) else { return };
    let net = Net::empty();
    let root = format!("{}/", net.dir().display());
    let mut up = net.command(&["testnet", "up", "--detach", "--json"]);
    up.env("LD_PRELOAD", &library).env("SHADOW_ROOT", &root).env("SHADOW_COPIES", place.path());
    finish(up.spawn().expect("the program starts"), LIMIT * 2).ended(0);

    let mut load = net.command(&["testnet", "load", "--rate", "40", "--duration", "60s", "--accounts", "10", "--json"]);
    let mut load = load.spawn().expect("the program starts");
    until("the load moves the net", LIMIT, || (net.final_height(0) > 20).then_some(()));
    let sent: Vec<_> = (0..4).map(|node| net.send("alice", "bob", "1", &["--node", &node.to_string()])).collect();
    // What each node has told somebody is final, as late as possible before the cut.
    let told: Vec<_> = (0..4)
        .map(|node| {
            let (client, height) = (net.client(node), net.final_height(node));
            let block = net.block_on(client.block(BlockRef::Height(height))).expect("a final block is there");
            (height, block.id)
        })
        .collect();
    for node in net.manifest().nodes {
        signal(node.pid, Signal::SIGKILL);
    }
    let _ = load.kill();
    finish(load, LIMIT);
    until("the supervisor has noticed", LIMIT, || {
        let status = net.json(&["testnet", "status"]);
        status["nodes"].as_array().expect("a list").iter().all(|node| node["up"] == false).then_some(())
    });
    let changed: usize = (0..4).map(|node| forget_unsynced(&net.data_dir(node), &root, place.path())).sum();
    assert!(changed > 0, "a net under load has written something that it had not synced");

    net.json(&["testnet", "start", "0", "1", "2", "3"]);
    for (node, (height, id)) in told.iter().enumerate() {
        let block = net.block_on(net.client(node).block(BlockRef::Height(*height))).expect("what was final is there");
        assert_eq!(block.id, *id, "node{node} at height {height}");
        assert!(block.is_final, "node{node} at height {height}");
    }
    net.await_synced();
    for sent in &sent {
        assert_eq!(net.tx_status(0, text(&sent["txid"])).state, TxState::Final);
    }
    assert_eq!(net.send("carol", "dave", "1", &[])["status"], "final", "the net goes on");
    net.check();
}
