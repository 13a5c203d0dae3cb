//! A net that is not `dev`: made by hand, as whoever runs a real one does, and what a wallet does only there.

use crate::keys::{file, password};
use crate::net::{LIMIT, Net, finish, signal, text, until};
use crate::screen::Terminal;
use bezant_api::config::ReadyLine;
use nix::sys::signal::Signal;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

/// A node of a net of its own; killed at the end.
struct Node {
    child: Child,
    rpc: String,
}

impl Node {
    fn start(net: &Net, engine: &[&str], options: &[&str]) -> Node {
        let made = net.json(&[&["genesis", "new", "--allocation", "savings=1000", "--engine"][..], engine].concat());
        let genesis = file(net, "genesis.toml", text(&made["toml"]));
        let data = file(net, "somewhere", "").replace("somewhere", "data");
        let node = ["node", "--genesis", &genesis, "--data-dir", &data, "--rpc-listen", "127.0.0.1:0"];
        let listen = ["--p2p-listen", "/ip4/127.0.0.1/tcp/0"];
        let mut command = net.command(&[&node[..], &listen, options].concat());
        let mut child = command.stderr(Stdio::null()).spawn().expect("the program starts");
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        stdout.read_line(&mut line).expect("it says that it is ready");
        let ready: ReadyLine = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        Node { child, rpc: ready.rpc }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        signal(self.child.id(), Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

/// Only a recipient that is neither named nor was ever paid is asked about, by the whole address.
fn strangers_are_asked_about(net: &Net, node: &Node, test: &str) {
    let password = password(net);
    let with = |arguments: &[&str]| {
        let more = ["--rpc", &node.rpc, "--password-file", &password, "--wait", "included"];
        [arguments, &more].concat().iter().map(|&word| word.to_owned()).collect::<Vec<String>>()
    };
    let run = |arguments: &[&str]| {
        let words = with(arguments);
        net.run(&words.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let at = |wallet: &str| net.json(&["wallet", "address", "--wallet", wallet, "--rpc", &node.rpc]);
    let (shop, friend) = (at("shop"), at("friend"));
    let (shop, friend) = (text(&shop["address"]), text(&friend["address"]));
    let refused = run(&["wallet", "send", "--from", "savings", shop, "1", "--json"]).ended(3);
    assert_eq!(refused.json()["error"]["kind"], "confirmation-wanted", "{refused:?}");
    assert!(refused.stdout.contains("add --yes; nothing was sent"), "{refused:?}");
    // A name says who it is.
    run(&["wallet", "send", "--from", "savings", "friend", "1"]).ended(0);
    // So does a payment before.
    run(&["wallet", "send", "--from", "savings", friend, "1"]).ended(0);
    let words = with(&["wallet", "send", "--from", "savings", shop, "2"]);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let Some(mut unsure) = Terminal::run(net, test, &words) else { return };
    unsure.shows("[y/N]");
    assert!(unsure.text().replace('\n', "").contains(shop), "the whole address: {}", unsure.text());
    unsure.press("n\n");
    assert_eq!(unsure.status(), 3, "{}", unsure.text());
    let Some(mut sure) = Terminal::run(net, test, &words) else { return };
    sure.shows("[y/N]");
    sure.press("y\n");
    assert_eq!(sure.status(), 0, "{}", sure.text());
    let balance = |wallet: &str| {
        let balance = net.json(&["wallet", "balance", "--wallet", wallet, "--rpc", &node.rpc]);
        text(&balance["spendable"]).parse::<u64>().expect("grains")
    };
    assert_eq!((balance("shop"), balance("friend")), (200_000_000, 200_000_000), "what was not confirmed was not sent");
    run(&["wallet", "send", "--from", "savings", shop, "1", "--yes"]).ended(0);
    // On a terminal, and only there, a first look at a history says how far it is.
    let history = ["wallet", "history", "--wallet", "savings", "--rpc", &node.rpc];
    let Some(mut shown) = Terminal::run(net, test, &history) else { return };
    assert_eq!(shown.status(), 0, "{}", shown.text());
    until("how far it is was shown", LIMIT, || shown.was_shown("transactions").then_some(()));
    let plain = net.run(&history).ended(0);
    assert_eq!(plain.stdout.lines().count(), 1 + 5, "{plain:?}");
    assert_eq!(plain.stderr, "", "no progress where nobody looks");
    // What only dev nets allow is refused.
    let control = finish(
        net.command(&["wallet", "balance", "--wallet", "alice", "--rpc", &node.rpc]).spawn().expect("starts"),
        LIMIT,
    );
    assert!(control.ended(2).stderr.contains("there is no wallet \"alice\""), "a net like this has no accounts");
}

fn wallets(net: &Net) {
    for name in ["savings", "shop", "friend"] {
        net.json(&["wallet", "new", name, "--password-file", &password(net)]);
    }
}

#[test]
fn pbft_with_real_money_asks_about_strangers() {
    let net = Net::empty();
    wallets(&net);
    let key = file(&net, "somewhere", "").replace("somewhere", "validator.key");
    let made = net.json(&["keys", "new", &key]);
    let node = Node::start(&net, &["pbft", "--member", text(&made["public"])], &["--validator-key", &key]);
    strangers_are_asked_about(&net, &node, "pbft_with_real_money_asks_about_strangers");
}

#[test]
fn proof_of_work_with_real_money_asks_about_strangers() {
    let net = Net::empty();
    wallets(&net);
    let nobody = "11".repeat(32);
    let node = Node::start(&net, &["pow", "--block-time", "1s"], &["--mine", "--payee", &nobody]);
    strangers_are_asked_about(&net, &node, "proof_of_work_with_real_money_asks_about_strangers");
}
