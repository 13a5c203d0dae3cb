//! Starting, stopping, dying: nothing is left behind, and what was there is there again.

use crate::net::{LIMIT, Net, finish, signal};
use bezant_api::manifest::Manifest;
use nix::sys::signal::Signal;
use std::io::{BufRead, BufReader};

/// Final height of all nodes once they agree.
fn agreed_height(net: &Net) -> u64 {
    net.await_synced();
    net.final_height(0)
}

/// Starts the net anew, which goes on from `height`.
fn resumes(net: &Net, height: u64) {
    net.start(&[]);
    assert!(agreed_height(net) >= height, "what was final is there again");
    assert_eq!(net.send("alice", "bob", "1", &[])["status"], "final", "the net goes on");
    net.check();
}

#[test]
fn down_leaves_nothing_and_up_resumes() {
    let net = Net::up(&[]);
    net.send("alice", "bob", "1", &[]);
    let height = agreed_height(&net);
    let manifest = net.manifest();
    let again = net.run(&["testnet", "up", "--detach"]).ended(1);
    assert!(again.stderr.contains("testnet down"), "{again:?}");
    let again = net.run(&["testnet", "up"]).ended(1);
    assert!(again.stderr.contains("testnet down"), "{again:?}");
    // A node that is paused does not keep the net from stopping.
    net.json(&["testnet", "pause", "2"]);
    assert_eq!(net.json(&["testnet", "down"])["stopped"], true);
    net.await_gone(&manifest);
    assert_eq!(net.json(&["testnet", "down"])["stopped"], false, "nothing was running");
    net.run(&["wallet", "send", "--from", "alice", "bob", "1"]).ended(6);
    for other in [["--engine", "pow"], ["--nodes", "5"], ["--seed", "2"]] {
        let ran = net.run(&[&["testnet", "up", "--detach"], &other[..]].concat()).ended(1);
        assert!(ran.stderr.contains("--fresh"), "{other:?}: {ran:?}");
    }
    resumes(&net, height);
    let manifest = net.manifest();
    net.json(&["testnet", "down", "--purge"]);
    net.await_gone(&manifest);
    assert!(!net.dir().exists(), "purged");
}

#[test]
fn without_a_net_commands_say_so() {
    let net = Net::empty();
    let both = net.run(&["testnet", "up", "--detach", "--tui"]).ended(2);
    assert!(both.stdout.is_empty() && both.stderr.contains("--tui"), "{both:?}");
    assert_eq!(net.json(&["testnet", "down"])["stopped"], false);
    let send = ["wallet", "send", "--from", "alice", "bob", "1"];
    for command in [&["testnet", "status"][..], &["chain", "tip"], &send] {
        let ran = net.run(command).ended(6);
        assert!(ran.stderr.contains("testnet up --net"), "{ran:?}");
    }
}

#[test]
fn an_interrupt_stops_a_net_in_the_foreground() {
    let net = Net::empty();
    let mut child = net.command(&["testnet", "up", "--json"]).spawn().expect("the program starts");
    let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut line = String::new();
    stdout.read_line(&mut line).expect("text");
    let manifest: Manifest = serde_json::from_str(&line).expect("the manifest");
    net.send("alice", "bob", "1", &[]);
    let height = agreed_height(&net);
    signal(child.id(), Signal::SIGINT);
    finish(child, LIMIT).ended(0);
    net.await_gone(&manifest);
    resumes(&net, height);
}

#[test]
fn the_death_of_the_supervisor_stops_the_net() {
    let net = Net::up(&[]);
    net.send("alice", "bob", "1", &[]);
    let height = agreed_height(&net);
    let manifest = net.manifest();
    signal(manifest.supervisor.pid, Signal::SIGKILL);
    net.await_gone(&manifest);
    let status = net.run(&["testnet", "status"]).ended(6);
    assert!(status.stderr.contains("not running"), "{status:?}");
    let manifest = net.start(&[]);
    assert!(agreed_height(&net) >= height);
    // A paused node is in nobody's way either.
    signal(manifest.nodes[1].pid, Signal::SIGSTOP);
    signal(manifest.supervisor.pid, Signal::SIGKILL);
    net.await_gone(&manifest);
    resumes(&net, height);
}

#[test]
fn of_two_commands_that_start_one_net_one_does_and_the_other_says_so() {
    let net = Net::empty();
    let start = || net.command(&["testnet", "up", "--detach", "--json"]).spawn().expect("the program starts");
    let both = [start(), start()].map(|child| finish(child, LIMIT));
    let [won, lost] = match both {
        [one, other] if one.status == 0 => [one, other],
        [one, other] => [other, one],
    };
    let told: Manifest = serde_json::from_str(&won.ended(0).stdout).expect("the manifest");
    let manifest = net.manifest();
    assert_eq!(told.supervisor.pid, manifest.supervisor.pid, "whoever says that it started the net did");
    let words = ["running already", "being started or stopped by another command"];
    let lost = lost.ended(1).json()["error"]["message"].as_str().unwrap_or_default().to_owned();
    assert!(words.iter().any(|words| lost.contains(words)), "{lost}");
    assert!(net.final_height(0) >= 1, "the loser has not disturbed the winner");
    net.json(&["testnet", "down"]);
    net.await_gone(&manifest);
}
