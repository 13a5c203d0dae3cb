//! History: kept, followed through reorgs and deaths of nodes, and written as CSV; in both engines.

use crate::net::{LIMIT, Net, finish, signal, text, until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::Child;
use std::sync::{Arc, Mutex};

const POW: &[&str] = &["--engine", "pow", "--block-time", "1s"];
const WAIT: [&str; 4] = ["--wait", "included", "--timeout", "120s"];

fn lines(net: &Net, wallet: &str, more: &[&str]) -> Vec<Value> {
    let history = net.json(&[&["wallet", "history", "--wallet", wallet], more].concat());
    history["history"].as_array().expect("a list").clone()
}

fn grains(value: &Value) -> i128 {
    text(value).parse().expect("grains")
}

/// `history --follow --json`, whose lines are read as they come.
struct Follower {
    child: Child,
    lines: Arc<Mutex<Vec<Value>>>,
}

impl Follower {
    fn start(net: &Net, wallet: &str) -> Follower {
        let arguments = ["wallet", "history", "--wallet", wallet, "--follow", "--json", "--limit", "3"];
        let mut child = net.command(&arguments).spawn().expect("the program starts");
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (reader, told) = (BufReader::new(child.stdout.take().expect("a pipe")), lines.clone());
        std::thread::spawn(move || {
            for line in reader.lines().map_while(Result::ok) {
                told.lock().expect("no panics").push(serde_json::from_str(&line).expect("a JSON object a line"));
            }
        });
        Follower { child, lines }
    }

    #[track_caller]
    fn sees(&self, txid: &str, state: &str) -> Value {
        until(&format!("{txid} is told to be {state}"), LIMIT, || {
            let lines = self.lines.lock().expect("no panics");
            lines.iter().find(|line| line["txid"] == txid && line["state"] == state).cloned()
        })
    }

    fn count(&self, txid: &str, state: &str) -> usize {
        let lines = self.lines.lock().expect("no panics");
        lines.iter().filter(|line| line["txid"] == txid && line["state"] == state).count()
    }

    #[track_caller]
    fn stop(self) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).expect("it fits")), Signal::SIGINT).expect("it runs");
        let ran = finish(self.child, LIMIT);
        assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "an interrupt is how it ends");
    }
}

fn sums_are_right(net: &Net) {
    for number in 1..=5 {
        net.json(&[&["wallet", "send", "--from", "alice", "bob", &number.to_string()][..], &WAIT].concat());
    }
    let all = lines(net, "bob", &[]);
    assert!(all.len() >= 6, "{all:?}");
    let mut balance = 0;
    for line in &all {
        balance += grains(&line["received"]) - grains(&line["sent"]);
        assert_eq!(grains(&line["balance"]), balance, "{line}");
    }
    let now = net.json(&["wallet", "balance", "--wallet", "bob"]);
    let has: i128 = ["spendable", "pending", "immature", "locked"].map(|field| grains(&now[field])).iter().sum();
    assert_eq!(balance, has);
    // The chain goes on, and what was in a block becomes final meanwhile.
    let settled = |lines: &[Value]| -> Vec<Value> {
        let fields = ["txid", "block", "height", "time_s", "received", "sent", "balance", "label", "wallet"];
        lines.iter().map(|line| fields.iter().map(|field| line[field].clone()).collect()).collect()
    };
    let last = settled(&all[all.len() - 2..]);
    let newest = || settled(&lines(net, "bob", &["--limit", "2"]));
    assert_eq!(newest(), last, "the newest, and sums of all");
    let height = all.last().expect("lines")["height"].as_u64().expect("in a block").to_string();
    let from = lines(net, "bob", &["--from-height", &height]);
    assert!(!from.is_empty() && from.iter().all(|line| line["height"].as_u64() >= height.parse().ok()), "{from:?}");
    assert_eq!(from.last().expect("lines")["balance"], all.last().expect("lines")["balance"]);

    // The file is only a cache.
    let cache = net.dir().join("wallets/bob.history");
    assert!(cache.exists());
    std::fs::write(&cache, "damaged, and longer than a header of a hundred bytes ".repeat(9)).expect("a file");
    assert_eq!(newest(), last);
    std::fs::remove_file(&cache).expect("it is there");
    assert_eq!(newest(), last);

    let csv = net.run(&["wallet", "history", "--wallet", "bob", "--csv"]).ended(0);
    let head = "wallet,time,height,block,txid,state,received,sent,net,balance,label";
    assert!(csv.stdout.starts_with(head) && csv.stdout.lines().count() > all.len() && csv.stderr.is_empty(), "{csv:?}");
    assert!(csv.stdout.contains(text(&all[all.len() - 1]["txid"])));
    let file = net.dir().join("bob.csv").display().to_string();
    let wrote = net.json(&["wallet", "history", "--wallet", "bob", "--csv", &file]);
    assert_eq!(wrote["file"], file.as_str());
    assert!(std::fs::read_to_string(&file).expect("it was written").starts_with(head));
    net.run(&["wallet", "history", "--wallet", "bob", "--csv", &file]).ended(2);
    net.json(&["wallet", "history", "--wallet", "bob", "--csv", &file, "--force"]);
    net.run(&["wallet", "history", "--wallet", "bob", "--csv", "--json"]).ended(2);
}

/// Sends without waiting; gives the id.
fn send(net: &Net, amount: &str) -> String {
    text(&net.send("alice", "bob", amount, &["--wait", "pool"])["txid"]).to_owned()
}

#[test]
fn pbft_history_is_kept_and_followed_past_dead_nodes() {
    let net = Net::up(&[]);
    sums_are_right(&net);
    let (bob, alice) = (Follower::start(&net, "bob"), Follower::start(&net, "alice"));
    until("it has told what there was", LIMIT, || (bob.lines.lock().expect("no panics").len() == 3).then_some(()));
    let first = send(&net, "7");
    assert_eq!(grains(&bob.sees(&first, "final")["received"]), 700_000_000);
    alice.sees(&first, "final");
    // One at a time, so that a quorum is left; whichever is listened to is among them.
    for node in 0..4 {
        signal(net.manifest().nodes[node].pid, Signal::SIGKILL);
        let sent = net.send("alice", "bob", "1", &["--timeout", "120s"]);
        let txid = text(&sent["txid"]);
        bob.sees(txid, "final");
        alice.sees(txid, "final");
        assert_eq!(bob.count(txid, "final"), 1, "each change is told once");
        net.json(&["testnet", "start", &node.to_string()]);
    }
    // Without a quorum nothing gets into a block: it waits, and is told so.
    net.json(&["testnet", "kill", "1", "2"]);
    let waiting = send(&net, "9");
    bob.sees(&waiting, "pool");
    let line = alice.sees(&waiting, "pool");
    assert!(grains(&line["sent"]) > grains(&line["received"]) && line["height"].is_null(), "{line}");
    let shown = lines(&net, "bob", &[]);
    let last = shown.last().expect("lines");
    assert_eq!((text(&last["txid"]), text(&last["state"])), (waiting.as_str(), "pool"), "what waits is at the end");
    let table = net.run(&["wallet", "history", "--wallet", "alice", "--limit", "1"]).ended(0);
    assert!(table.stdout.contains("pool") && table.stdout.contains(&waiting), "{table:?}");
    net.json(&["testnet", "start", "1", "2"]);
    bob.sees(&waiting, "final");
    bob.stop();
    alice.stop();
    net.await_synced();
    net.check();

    let last = Follower::start(&net, "bob");
    until("it has told what there was", LIMIT, || (last.lines.lock().expect("no panics").len() == 3).then_some(()));
    net.json(&["testnet", "down"]);
    assert_eq!(finish(last.child, LIMIT).status, 6, "no node answers");
}

#[test]
fn proof_of_work_history_follows_the_chain_it_is_told() {
    let net = Net::up(POW);
    sums_are_right(&net);
    for node in ["0", "1", "2", "3"] {
        net.json(&["testnet", "hashrate", node, "0"]);
    }
    net.await_synced();
    let bob = Follower::start(&net, "bob");
    until("it has told what there was", LIMIT, || (bob.lines.lock().expect("no panics").len() == 3).then_some(()));
    let txid = send(&net, "7");
    bob.sees(&txid, "pool");
    net.json(&["testnet", "mine", "1", "--node", "0"]);
    let included = bob.sees(&txid, "included");
    net.await_synced();
    assert!(lines(&net, "bob", &[]).iter().any(|line| line["txid"] == txid.as_str() && line["state"] == "included"));
    // Its block loses its place, and it waits again, or is in another block.
    net.json(&["testnet", "reorg", "1", "--node", "0"]);
    net.await_synced();
    until("the block is in no line any more", LIMIT, || {
        lines(&net, "bob", &[]).iter().all(|line| line["block"] != included["block"]).then_some(())
    });
    until("that is told", LIMIT, || (bob.count(&txid, "pool") + bob.count(&txid, "left") >= 2).then_some(()));
    until("it is in a block again", LIMIT, || {
        net.json(&["testnet", "mine", "1", "--node", "0"]);
        let there = |line: &Value| line["txid"] == txid.as_str() && line["height"].is_number();
        lines(&net, "bob", &[]).iter().any(there).then_some(())
    });
    let depth = 12.to_string();
    net.json(&["testnet", "mine", &depth, "--node", "0"]);
    bob.sees(&txid, "final");
    bob.stop();
    net.await_synced();
    net.check();
}
