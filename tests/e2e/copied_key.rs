//! Two processes that run at the same time with the same validator's key: what becomes of a member whose operator copied its
//! machine. One such member of four is what PBFT bears; the others go on, and nobody else is blamed.

use crate::net::{LIMIT, Net, finish, until};
use crate::stream::Stream;
use crate::view::primary;
use bezant_api::client::Client;
use bezant_api::config::ReadyLine;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};

/// The second process; it ends with its standard input.
struct Second {
    child: Option<Child>,
    client: Client,
}

impl Second {
    /// Starts a second process of node `index`, with this directory as its own, an identity of its own, and the same key.
    #[track_caller]
    fn start(net: &Net, index: usize, data: &Path) -> Second {
        let node = net.dir().join(format!("node{index}"));
        let [config, key, data] = [node.join("node.toml"), node.join("second.key"), data.to_owned()];
        std::fs::copy(node.join("validator.key"), &key).expect("the key can be copied");
        let [config, key, data] = [config, key, data].map(|path| path.display().to_string());
        // Its twin too: the two would talk to each other if they could.
        let nodes = net.manifest().nodes;
        let peers: Vec<&str> = nodes.iter().map(|node| node.p2p[0].as_str()).collect();
        let places =
            ["--p2p-listen", "/ip4/127.0.0.1/tcp/0", "--rpc-listen", "127.0.0.1:0", "--peer", &peers.join(",")];
        let files = ["node", "--config", &config, "--data-dir", &data, "--validator-key", &key];
        let mut command = net.command(&[&files[..], &places].concat());
        let mut child = command.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the program starts");
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        stdout.read_line(&mut line).expect("it says that it is ready");
        let ready: ReadyLine = serde_json::from_str(&line).expect("it says where it is");
        Second { client: Client::of_one(&ready.rpc).expect("a URL"), child: Some(child) }
    }

    #[track_caller]
    fn final_height(&self, net: &Net) -> u64 {
        net.block_on(self.client.tip()).expect("the second process answers").final_height
    }

    #[track_caller]
    fn end(mut self) {
        let mut child = self.child.take().expect("it runs");
        drop(child.stdin.take());
        finish(child, LIMIT).ended(0);
    }
}

impl Drop for Second {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Whoever is proved to have lied is the member whose key was copied.
#[track_caller]
fn only_the_copied_one_is_blamed(net: &Net, member: usize) {
    for node in 0..4 {
        let evidence = net.block_on(net.client(node).evidence()).expect("the node answers");
        assert!(evidence.iter().all(|proof| usize::from(proof.signer) == member), "node{node}: {evidence:?}");
    }
}

/// The net goes on with both processes, through views that either may lead, and without the first one.
#[track_caller]
fn others_go_on(net: &Net, member: usize, data: &Path) {
    let witness = (member + 2) % 4;
    let stream = Stream::start(net, &[witness, (member + 3) % 4]);
    let second = Second::start(net, member, data);
    let goal = net.final_height(witness);
    until("the second process has caught up", LIMIT, || (second.final_height(net) >= goal).then_some(()));
    stream.moves();
    net.json(&["testnet", "stop", &member.to_string()]);
    stream.moves();
    net.json(&["testnet", "start", &member.to_string()]);
    stream.moves();
    second.end();
    stream.moves();
    stream.end(net);
    only_the_copied_one_is_blamed(net, member);
    net.check();
}

#[test]
fn a_copied_key_with_an_empty_directory_forks_nothing() {
    let net = Net::up(&[]);
    let (_, member) = primary(&net, 1);
    let data = net.dir().join("second");
    others_go_on(&net, member, &data);
}

#[test]
fn a_copied_machine_that_leads_forks_nothing() {
    let net = Net::up(&[]);
    net.send("alice", "bob", "1", &[]);
    let (_, member) = primary(&net, 1);
    let [from, data] = [net.data_dir(member), net.dir().join("second")];
    net.json(&["testnet", "stop", &member.to_string()]);
    std::fs::create_dir(&data).expect("a new directory");
    for entry in std::fs::read_dir(&from).expect("the data directory is there") {
        let name = entry.expect("can be listed").file_name();
        // Its identity stays its own, else nobody could be connected to both.
        if name != "node.key" && name != "lock" {
            std::fs::copy(from.join(&name), data.join(&name)).expect("can be copied");
        }
    }
    net.json(&["testnet", "start", &member.to_string()]);
    net.await_synced();
    others_go_on(&net, member, &data);
}
