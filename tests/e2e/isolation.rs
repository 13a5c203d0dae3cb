//! Nodes in network namespaces of their own; where those can be had.

use crate::net::{GONE_LIMIT, LIMIT, Net, signal, until};
use bezant_api::manifest::Manifest;
use nix::sys::signal::Signal;
use std::process::Command;

/// Whether namespaces can be made here, and joined; says why not.
fn is_possible() -> bool {
    let script = "ip link add b type bridge && ip link add v type veth peer name w";
    let tried = Command::new("unshare").args(["--net", "sh", "-c", script]).output();
    let reason = match tried {
        Ok(output) if output.status.success() => return true,
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    println!("not run: tests of network namespaces: {reason}");
    false
}

/// The interface through which this machine reaches the net.
fn interface(manifest: &Manifest) -> String {
    let host = manifest.nodes[0].rpc.trim_start_matches("http://198.18.");
    format!("bezant-{}", host.split('.').next().expect("an address"))
}

fn is_there(interface: &str) -> bool {
    std::path::Path::new("/sys/class/net").join(interface).exists()
}

fn peers(net: &Net, index: usize) -> u64 {
    net.json(&["testnet", "status"])["nodes"][index]["peers"].as_u64().unwrap_or(0)
}

#[test]
fn cuts_between_namespaces_are_real_and_nothing_is_left() {
    if !is_possible() {
        return;
    }
    let net = Net::empty();
    let manifest = net.start(&["--isolate"]);
    assert!(manifest.nodes.iter().all(|node| node.rpc.starts_with("http://198.18.")), "{manifest:?}");
    let first = interface(&manifest);
    assert!(is_there(&first));
    net.send("alice", "bob", "1", &[]);
    // Before any node is told of a fault, what it sends to the others goes nowhere: its connections break.
    net.json(&["testnet", "partition", "0/1,2,3"]);
    assert_eq!(net.send("alice", "bob", "1", &["--node", "1"])["status"], "final", "three of four go on");
    let cut_off = net.final_height(0);
    assert!(cut_off < net.final_height(1));
    until("node0 has lost its connections", LIMIT, || (peers(&net, 0) == 0).then_some(()));
    assert_eq!(net.final_height(0), cut_off, "its RPC is reached all the same");
    net.json(&["testnet", "heal"]);
    net.await_synced();
    // One that ends by itself is joined again too.
    net.json(&["testnet", "partition", "3/0,1,2", "--for", "1s"]);
    net.send("alice", "bob", "1", &["--node", "1"]);
    net.await_synced();
    // Whatever happens to the supervisor.
    signal(manifest.supervisor.pid, Signal::SIGKILL);
    net.await_gone(&manifest);
    until("the namespaces are gone", GONE_LIMIT, || (!is_there(&first)).then_some(()));
    let manifest = net.start(&["--isolate"]);
    net.send("alice", "bob", "1", &[]);
    net.check();
    net.json(&["testnet", "kill", "2"]);
    net.json(&["testnet", "start", "2"]);
    net.await_synced();
    net.json(&["testnet", "down"]);
    assert!(!is_there(&interface(&manifest)), "down leaves nothing");
    // The same net without.
    let manifest = net.start(&[]);
    assert!(manifest.nodes.iter().all(|node| node.rpc.starts_with("http://127.0.0.1:")));
}

#[test]
fn where_namespaces_cannot_be_had_a_sentence_says_so() {
    let net = Net::empty();
    let mut command = net.command(&["testnet", "up", "--detach", "--isolate", "--json"]);
    // A machine without the tools.
    let child = command.env("PATH", "/nonexistent").spawn().expect("the program starts");
    let ran = crate::net::finish(child, LIMIT).ended(2);
    let message = ran.json()["error"]["message"].as_str().unwrap_or_default().to_owned();
    assert!(message.contains("--isolate") && message.contains("root") && !message.contains('\n'), "{message}");
    net.start(&["--nodes", "1"]);
}
