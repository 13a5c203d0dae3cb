//! What the levels of reading promise: histories of concurrent payments and reads on real nets, judged by a checker that knows nothing of
//! ledgers. `quorum` is linearizable whatever happens to the nodes; each weaker level shows the anomaly that it allows.

use crate::net::{LIMIT, Net, text, until};
use bezant_testnet::linear::{Action, Anomaly, Call, check};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What clients did to the coins of a wallet, and when.
struct History<'a> {
    net: &'a Net,
    since: Instant,
    /// A number for each transaction.
    numbers: Mutex<BTreeMap<String, u64>>,
    calls: Mutex<Vec<Call>>,
}

impl<'a> History<'a> {
    /// Of the wallet `till`, which is made for it, and only gets coins.
    fn of(net: &'a Net) -> History<'a> {
        let address = net.json(&["wallet", "address", "--wallet", "judy"]);
        net.json(&["wallet", "watch", text(&address["address"]), "--name", "till"]);
        let history = History { net, since: Instant::now(), numbers: Mutex::default(), calls: Mutex::default() };
        // What was there before was added before.
        let before = history.coins(&["--read", "latest"]).expect("a net at rest answers");
        for txid in BTreeSet::from_iter(before) {
            let value = history.number(&txid);
            history.note(Call { action: Action::Add(value), begin: 0, end: Some(0) });
        }
        history
    }

    fn now(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_micros()).expect("not that long") + 1
    }

    fn number(&self, txid: &str) -> u64 {
        let mut numbers = self.numbers.lock().expect("nobody panics with it");
        let next = numbers.len() as u64;
        *numbers.entry(txid.to_owned()).or_insert(next)
    }

    fn note(&self, call: Call) {
        self.calls.lock().expect("nobody panics with it").push(call);
    }

    /// Pays; whether it was told that this is final.
    fn pay(&self, from: &str, more: &[&str]) -> bool {
        let begin = self.now();
        let ran = self.net.run(&[&["wallet", "send", "--from", from, "till", "0.001", "--json"], more].concat());
        let (end, said) = (self.now(), ran.json());
        let is_final = said["status"] == "final";
        let txid = if ran.status == 0 { &said["txid"] } else { &said["error"]["txid"] };
        match txid.as_str() {
            Some(txid) => {
                let action = Action::Add(self.number(txid));
                let end = is_final.then_some(end);
                let mut calls = self.calls.lock().expect("nobody panics with it");
                // Made again of the same coins it is the same payment, which began when it was first handed in.
                match calls.iter_mut().find(|call| call.action == action) {
                    Some(first) => first.end = first.end.or(end),
                    None => calls.push(Call { action, begin, end }),
                }
            }
            None => assert!([3, 6].contains(&ran.status), "nothing was sent, and that was said: {ran:?}"),
        }
        is_final
    }

    /// Transactions with coins in blocks; `None` when there was no answer.
    fn coins(&self, options: &[&str]) -> Option<Vec<String>> {
        let ran = self.net.run(&[&["wallet", "utxos", "--wallet", "till", "--json"], options].concat());
        let said = ran.json();
        let coins = said["utxos"].as_array()?;
        let in_blocks = coins.iter().filter(|coin| !coin["height"].is_null() && coin["state"] != "pending");
        let txid = |coin: &Value| text(&coin["outpoint"]).split(':').next().expect("a name of a coin").to_owned();
        Some(in_blocks.map(txid).collect())
    }

    /// Reads; whether there was an answer.
    fn read(&self, options: &[&str]) -> bool {
        let begin = self.now();
        let Some(coins) = self.coins(options) else { return false };
        let end = Some(self.now());
        let seen: BTreeSet<u64> = coins.iter().map(|txid| self.number(txid)).collect();
        self.note(Call { action: Action::Read(seen), begin, end });
        true
    }

    /// What the checker says, and how many calls it judged.
    fn judged(&self) -> (Result<(), Anomaly>, usize) {
        let calls = self.calls.lock().expect("nobody panics with it");
        (check(&calls), calls.len())
    }
}

#[test]
fn reads_by_quorum_are_linearizable_while_nodes_die_and_are_cut_off() {
    let net = Net::up(&[]);
    let history = History::of(&net);
    let (paid, answered, over) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
    let (history, is_over) = (&history, || over.load(Ordering::Relaxed));
    std::thread::scope(|scope| {
        for (from, node) in [("alice", "0"), ("bob", "1"), ("carol", "2")] {
            let (paid, is_over) = (&paid, &is_over);
            scope.spawn(move || {
                for round in 0.. {
                    // Its own node may be dead; the others are not.
                    let options: &[&str] = if round % 2 == 0 { &["--node", node] } else { &[] };
                    let timeout = ["--timeout", "10s"];
                    paid.fetch_add(usize::from(history.pay(from, &[options, &timeout].concat())), Ordering::Relaxed);
                    if is_over() {
                        break;
                    }
                }
            });
        }
        for _ in 0..2 {
            let (answered, is_over) = (&answered, &is_over);
            scope.spawn(move || {
                while !is_over() {
                    answered.fetch_add(usize::from(history.read(&["--read", "quorum"])), Ordering::Relaxed);
                }
            });
        }
        for victim in 0..4 {
            let rest: Vec<String> = (0..4).filter(|other| *other != victim).map(|other| other.to_string()).collect();
            let (victim, groups) = (victim.to_string(), format!("{victim}/{}", rest.join(",")));
            for step in [&["kill", &*victim][..], &["start", &victim], &["partition", &groups], &["heal"]] {
                net.run(&[&["testnet"], step].concat());
                // No condition: for how long a fault lasts is part of what is tried.
                std::thread::sleep(Duration::from_millis(1_500));
            }
        }
        over.store(true, Ordering::Relaxed);
    });
    net.await_synced();
    until("a read is answered", LIMIT, || history.read(&["--read", "quorum"]).then_some(()));
    let (verdict, calls) = history.judged();
    assert_eq!(verdict, Ok(()), "{:?}", history.calls.lock().expect("nobody panics with it"));
    let (paid, answered) = (paid.into_inner(), answered.into_inner());
    assert!(paid > 3 && answered > 3, "{paid} paid, {answered} read, {calls} calls");
    eprintln!("{paid} paid, {answered} read, {calls} calls");
    net.check();
}

#[test]
fn one_node_may_not_know_what_is_final_elsewhere() {
    for level in ["latest", "final"] {
        let net = Net::up(&[]);
        let history = History::of(&net);
        net.json(&["testnet", "partition", "0,1,2/3"]);
        assert!(history.pay("alice", &["--node", "0", "--timeout", "100s"]));
        assert!(history.read(&["--read", level, "--node", "3"]));
        assert!(matches!(history.judged().0, Err(Anomaly::Missed { .. })), "{level}: {:?}", history.judged());
    }
}

/// A member that lags, and one that lies by repeating what it says, are f + 1.
#[test]
fn what_is_attested_may_be_old_and_a_quorum_rather_says_nothing() {
    let net = Net::up(&[]);
    let history = History::of(&net);
    net.json(&["testnet", "partition", "0,1,2/3"]);
    assert!(history.pay("alice", &["--node", "0", "--timeout", "100s"]));
    let file = net.dir().join("run.json");
    let manifest = std::fs::read_to_string(&file).expect("the net runs");
    let pretend = |dead: &[usize]| {
        let mut told: Value = serde_json::from_str(&manifest).expect("it is JSON");
        let lagging = told["nodes"][3]["rpc"].clone();
        told["nodes"][2]["rpc"] = lagging;
        for &index in dead {
            told["nodes"][index]["rpc"] = "http://127.0.0.1:1".into();
        }
        std::fs::write(&file, told.to_string()).expect("can be written");
    };
    // Who knows better is heard: a quorum's read has everything.
    pretend(&[]);
    assert!(history.read(&["--read", "quorum"]));
    assert_eq!(history.judged().0, Ok(()));
    // Who knows better is not heard. The quorum is not there, and that is said.
    pretend(&[0, 1]);
    let refused = net.run(&["wallet", "utxos", "--wallet", "till", "--read", "quorum", "--json"]).ended(6);
    assert!(refused.stdout.contains("2 of 4 nodes answer, and 3 have to"), "{refused:?}");
    assert!(history.read(&["--read", "attested"]), "two say the same");
    std::fs::write(&file, &manifest).expect("can be written");
    assert!(matches!(history.judged().0, Err(Anomaly::Missed { .. })), "{:?}", history.judged());
}

/// What is final under proof of work is so by depth: one level holds longer than the other, and none for ever.
#[test]
fn under_proof_of_work_what_was_read_may_be_taken_back() {
    for (level, blocks, is_kept_by_final) in [("latest", "1", true), ("attested", "1", true), ("final", "7", false)] {
        let net = Net::up(&["--engine", "pow", "--block-time", "1s"]);
        for node in ["0", "1", "2", "3"] {
            net.json(&["testnet", "hashrate", node, "0"]);
        }
        let history = History::of(&net);
        history.pay("alice", &["--node", "0", "--wait", "pool"]);
        net.json(&["testnet", "mine", blocks, "--node", "0"]);
        net.await_synced();
        let before = history.coins(&["--read", "final"]).expect("an answer");
        assert!(history.read(&["--read", level]));
        // Empty blocks take the place of those with the payment, which waits again.
        net.json(&["testnet", "reorg", blocks, "--node", "0"]);
        net.await_synced();
        assert!(history.read(&["--read", level]));
        let verdict = history.judged().0;
        assert!(matches!(verdict, Err(Anomaly::Backwards { .. })), "{level}: {verdict:?}");
        let after = history.coins(&["--read", "final"]).expect("an answer");
        assert_eq!(before == after, is_kept_by_final, "{level}: as deep as that, and no deeper");
    }
}
