//! Paying many, paying from a file, changing one's mind, and repeating: in both engines, nobody is paid twice.

use crate::net::{LIMIT, Net, finish, signal, text, until};
use bezant_api::types::TxState;
use nix::sys::signal::Signal;
use std::fmt::Write;
use std::path::Path;

/// What an account has at the beginning, in grains.
const FUNDED: u64 = 1_000_000 * 100_000_000;
const BZT: u64 = 100_000_000;
const POW: &[&str] = &["--engine", "pow", "--block-time", "1s"];

/// A net of either engine on which nothing gets into a block until it is let.
struct Held {
    net: Net,
    is_pow: bool,
}

impl Held {
    fn up(options: &[&str]) -> Held {
        let held = Held { net: Net::up(options), is_pow: !options.is_empty() };
        if held.is_pow {
            for node in ["0", "1", "2", "3"] {
                held.net.json(&["testnet", "hashrate", node, "0"]);
            }
        } else {
            held.net.json(&["testnet", "kill", "1", "2"]);
        }
        held
    }

    fn go_on(&self) {
        if self.is_pow {
            self.net.json(&["testnet", "mine", "6", "--node", "0"]);
        } else {
            self.net.json(&["testnet", "start", "1", "2"]);
        }
    }

    /// Ids of what waits at node 0.
    fn waiting(&self) -> Vec<String> {
        let client = self.net.client(0);
        self.net.block_on(client.mempool()).expect("the node answers").txids
    }

    /// Which of these two is in the chain, once one of them is there for good; the other is not.
    fn winner<'a>(&self, first: &'a str, second: &'a str) -> &'a str {
        let state = |txid: &str| self.net.tx_status(0, txid).state;
        until("one of the two is final", LIMIT, || {
            [first, second].iter().any(|txid| state(txid) == TxState::Final).then_some(())
        });
        let (winner, loser) = if state(first) == TxState::Final { (first, second) } else { (second, first) };
        assert!(state(loser) < TxState::Pool, "both of two that exclude each other");
        // Only under PBFT may the first have been proposed before its replacement came.
        assert!(!self.is_pow || winner == second, "the replacement was there long before the block");
        winner
    }

    #[track_caller]
    fn refused(&self, arguments: &[&str], kind: &str) {
        let ran = self.net.run(&[arguments, &["--json"]].concat()).ended(3);
        assert_eq!(ran.json()["error"]["kind"], kind, "{ran:?}");
    }
}

fn minds_are_changed(options: &[&str]) {
    let held = Held::up(options);
    let net = &held.net;
    let one = ["wallet", "send", "--from", "alice", "bob", "1", "--id", "one", "--wait", "pool"];
    let first = net.json(&one);
    let a = text(&first["txid"]).to_owned();
    assert_eq!(net.json(&one)["txid"], a.as_str(), "the same id, the same transaction");
    held.refused(&["wallet", "send", "--from", "alice", "bob", "2", "--id", "one"], "id-taken");

    // A client that is killed while it waits.
    let two = ["wallet", "send", "--from", "carol", "dave", "2", "--id", "two"];
    let mut child = net.command(&two).spawn().expect("the program starts");
    let sent = until("the second transfer waits", LIMIT, || held.waiting().into_iter().find(|txid| *txid != a));
    child.kill().expect("it still waits");
    child.wait().expect("it is gone");
    assert_eq!(net.json(&[&two[..], &["--wait", "pool"]].concat())["txid"], sent.as_str());
    assert_eq!(held.waiting().len(), 2, "nothing new was made");

    // One that is interrupted says what may still happen.
    let child = net.command(&["wallet", "send", "--from", "grace", "heidi", "3", "--json"]).spawn().expect("it starts");
    let third = || held.waiting().into_iter().find(|txid| *txid != a && *txid != sent);
    let interrupted = until("the third transfer waits", LIMIT, third);
    signal(child.id(), Signal::SIGINT);
    let said = finish(child, LIMIT).ended(5).json();
    assert_eq!((text(&said["error"]["kind"]), text(&said["error"]["txid"])), ("interrupted", &*interrupted), "{said}");

    held.refused(&["wallet", "bump", &a, "--from", "bob"], "not-yours");
    held.refused(&["wallet", "bump", &a, "--fee-rate", "1"], "fee-rate-too-low");
    held.refused(&["wallet", "bump", &"ab".repeat(32)], "no-such-transaction");
    net.run(&["wallet", "bump", "nonsense"]).ended(2);
    assert_eq!(net.json(&["wallet", "bump", &a, "--dry-run"])["status"], "dry-run");
    let bumped = net.json(&["wallet", "bump", &a, "--wait", "pool"]);
    let b = text(&bumped["txid"]).to_owned();
    assert_eq!((text(&bumped["replaces"]), text(&bumped["status"])), (&*a, "pool"));
    let fee = |value: &serde_json::Value| text(&value["fee"]).parse::<u64>().expect("grains");
    assert!(fee(&bumped) > fee(&first), "{bumped} after {first}");
    held.refused(&["wallet", "bump", &a], "already-replaced");
    assert_eq!(net.json(&one)["txid"], b.as_str(), "the id follows what took the place");

    let three = ["wallet", "send", "--from", "erin", "frank", "5", "--id", "three", "--wait", "pool"];
    let c = text(&net.json(&three)["txid"]).to_owned();
    let cancelled = net.run(&["wallet", "cancel", &c, "--wait", "pool"]).ended(0);
    assert!(cancelled.stdout.contains(&format!("cancels {c}")), "{cancelled:?}");
    let d = cancelled.stdout.lines().last().expect("the id is the last line").to_owned();

    held.go_on();
    let winner = held.winner(&a, &b);
    let is_cancelled = held.winner(&c, &d) == d;
    net.await_final(0, &sent);
    net.await_final(0, &interrupted);
    held.refused(&["wallet", "bump", winner], "already-included");
    held.refused(&["wallet", "cancel", winner], "already-included");
    let again = net.json(&["wallet", "send", "--from", "alice", "bob", "1", "--id", "one"]);
    assert_eq!((text(&again["txid"]), text(&again["status"])), (winner, "final"));
    if is_cancelled {
        held.refused(&three, "cancelled");
    } else {
        assert_eq!(net.json(&three)["txid"], c.as_str());
    }
    assert_eq!(net.balance("bob", 0), FUNDED + BZT);
    assert_eq!(net.balance("dave", 0), FUNDED + 2 * BZT);
    assert_eq!(net.balance("frank", 0), FUNDED + if is_cancelled { 0 } else { 5 * BZT });
    if held.is_pow {
        for node in ["0", "1", "2", "3"] {
            net.json(&["testnet", "hashrate", node, "50000"]);
        }
    }
    net.await_synced();
    net.check();
}

#[test]
fn pbft_lets_minds_be_changed_and_repeats_pay_once() {
    minds_are_changed(&[]);
}

#[test]
fn proof_of_work_lets_minds_be_changed_and_repeats_pay_once() {
    minds_are_changed(POW);
}

fn write(file: &Path, lines: &str) {
    std::fs::write(file, format!("name,amount,label\n{lines}")).expect("a file");
}

fn many_are_paid(options: &[&str]) {
    let net = Net::up(options);
    let wait = ["--wait", "included", "--timeout", "120s"];
    let many = ["wallet", "send", "--from", "alice", "--pay", "bob=1", "--pay", "carol=2.5"];
    let sent = net.json(&[&many[..], &wait].concat());
    assert_eq!(sent["status"], "included", "{sent}");
    assert_eq!((net.balance("bob", 0), net.balance("carol", 0)), (FUNDED + BZT, FUNDED + 5 * BZT / 2));
    net.run(&["wallet", "send", "--from", "alice", "--pay", "bob"]).ended(2);
    net.run(&["wallet", "send", "--from", "alice", "--pay", "bob=max"]).ended(2);

    let file = net.dir().join("salaries.csv");
    let (path, record) = (file.display().to_string(), net.dir().join("salaries.csv.paid"));
    let pay = ["wallet", "pay", &path, "--from", "dave"];
    write(&file, "bob,1,\nnobody,1,\ncarol,0,\n");
    let bad = net.run(&pay).ended(2);
    assert!(bad.stderr.contains("line 3: ") && bad.stderr.contains("line 4: ") && bad.stdout.is_empty(), "{bad:?}");

    let mut lines = String::new();
    for line in 0..600 {
        writeln!(lines, "{},0.01,month {line}", ["bob", "carol", "erin"][line % 3]).expect("a string");
    }
    write(&file, &lines);
    let plan = net.json(&[&pay[..], &["--dry-run"]].concat());
    assert_eq!((text(&plan["total"]), plan["transactions"].as_array().map(Vec::len)), ("600000000", Some(2)));
    let fee: u64 = text(&plan["fee"]).parse().expect("grains");
    assert_eq!(text(&plan["left"]).parse(), Ok(FUNDED - 6 * BZT - fee));
    assert!(!record.exists() && net.balance("dave", 0) == FUNDED, "a dry run pays nobody");

    let paid = net.json(&[&pay[..], &wait].concat());
    let txids = |value: &serde_json::Value| -> Vec<String> {
        let all = value["transactions"].as_array().expect("a list");
        all.iter().map(|sent| text(&sent["txid"]).to_owned()).collect()
    };
    assert_eq!(paid["payments"][599]["line"], 601, "{paid}");
    assert_eq!(txids(&paid).len(), 2);
    let again = net.run(&[&pay[..], &wait, &["--json"]].concat()).ended(0);
    assert!(again.stderr.contains("followed"), "{again:?}");
    assert_eq!(txids(&again.json()), txids(&paid));
    // Even from a copy, and when the record is lost: the wallet remembers.
    std::fs::remove_file(&record).expect("there was a record");
    assert_eq!(txids(&net.json(&[&pay[..], &wait].concat())), txids(&paid));
    assert_eq!(net.balance("bob", 0), FUNDED + 3 * BZT);
    write(&file, &format!("{lines}bob,1,one more\n"));
    let changed = net.run(&[&pay[..], &["--json"]].concat()).ended(3);
    assert_eq!(changed.json()["error"]["kind"], "file-changed");
    // Another round of the same file, by its name.
    write(&file, &lines);
    let round = net.json(&[&pay[..], &["--id", "2026-12"], &wait].concat());
    assert!(txids(&round).iter().all(|txid| !txids(&paid).contains(txid)));
    assert_eq!(net.balance("bob", 0), FUNDED + 5 * BZT);
    assert_eq!(net.balance("erin", 0), FUNDED + 4 * BZT);
    net.await_synced();
    net.check();
}

#[test]
fn pbft_pays_many_at_once_and_from_a_file() {
    many_are_paid(&[]);
}

#[test]
fn proof_of_work_pays_many_at_once_and_from_a_file() {
    many_are_paid(POW);
}
