//! Swaps between a PBFT net and a proof-of-work net on one machine: carried out, interrupted at every step, and called off.

use crate::net::{LIMIT, Net, finish, text};
use nix::sys::signal::Signal;
use std::path::PathBuf;
use std::time::Duration;

/// What an account has at the beginning, in grains.
const FUNDED: u64 = 1_000_000 * 100_000_000;
const BZT: u64 = 100_000_000;

/// Alice pays on the first net and is paid on the second; bob the other way round.
struct Trade {
    pbft: Net,
    pow: Net,
    file: PathBuf,
}

impl Trade {
    fn new() -> Trade {
        let pbft = Net::up(&[]);
        let pow = pbft.beside();
        // The fewest that agree: two nets run at once.
        pow.start(&["--engine", "pow", "--block-time", "1s", "--nodes", "2"]);
        let file = pbft.dir().join("trade.swap");
        Trade { pbft, pow, file }
    }

    fn arguments<'a>(&'a self, step: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        let file = self.file.to_str().expect("a path of letters");
        let mut all = vec!["wallet", "swap", step, file, "--other-net", self.pow.name()];
        if !more.contains(&"--timeout") {
            all.extend(["--timeout", "120s"]);
        }
        all.extend(more);
        all
    }

    fn offer(&self) -> Vec<&str> {
        self.arguments("offer", &["--from", "alice", "--with", "bob", "--give", "10", "--get", "25"])
    }

    fn balances(&self) -> [u64; 4] {
        let (pbft, pow) = (&self.pbft, &self.pow);
        [pbft.balance("alice", 0), pow.balance("alice", 0), pbft.balance("bob", 0), pow.balance("bob", 0)]
    }

    fn show(&self) -> serde_json::Value {
        let file = self.file.to_str().expect("a path of letters");
        self.pbft.json(&["wallet", "swap", "show", file, "--other-net", self.pow.name()])
    }

    fn refused(&self, arguments: &[&str], status: i32, kind: &str) {
        let ran = self.pbft.run(&[arguments, &["--json"]].concat()).ended(status);
        assert_eq!(ran.json()["error"]["kind"], kind, "{ran:?}");
    }

    /// A step that is killed at several moments, and then carried out; what it printed at last.
    fn interrupted(&self, arguments: &[&str]) -> serde_json::Value {
        for after_ms in [30, 120, 300] {
            let mut child = self.pbft.command(arguments).spawn().expect("the program starts");
            std::thread::sleep(Duration::from_millis(after_ms));
            let _ = child.kill();
            finish(child, LIMIT);
        }
        self.pbft.json(arguments)
    }
}

#[test]
fn two_nets_swap_though_every_step_is_killed() {
    let trade = Trade::new();
    let missing = trade.arguments("accept", &["--wallet", "bob"]);
    trade.refused(&missing, 2, "usage");

    let offered = trade.interrupted(&trade.offer());
    assert_eq!((text(&offered["role"]), text(&offered["status"])), ("maker", "final"), "{offered}");
    assert_eq!(trade.pbft.json(&trade.offer())["txid"], offered["txid"], "given again, it is followed");
    let other = trade.arguments("offer", &["--from", "alice", "--with", "bob", "--give", "11", "--get", "25"]);
    trade.refused(&other, 2, "usage");
    let shown = trade.show();
    assert_eq!((text(&shown["first"]["state"]), text(&shown["second"]["state"])), ("paid", "unpaid"), "{shown}");
    // Both parties are here.
    trade.refused(&trade.arguments("accept", &[]), 2, "usage");
    trade.refused(&trade.arguments("accept", &["--wallet", "carol"]), 2, "usage");
    trade.refused(&trade.arguments("accept", &["--wallet", "alice"]), 2, "usage");
    // Too early.
    trade.refused(&trade.arguments("redeem", &["--wallet", "alice", "--timeout", "1s"]), 5, "not-paid-yet");
    trade.refused(&trade.arguments("redeem", &["--wallet", "bob", "--timeout", "1s"]), 5, "not-redeemed-yet");
    trade.refused(&trade.arguments("refund", &["--wallet", "alice"]), 3, "locked");
    trade.refused(&trade.arguments("refund", &["--wallet", "bob"]), 3, "swap-over");

    let accepted = trade.interrupted(&trade.arguments("accept", &["--wallet", "bob"]));
    assert_eq!((text(&accepted["role"]), text(&accepted["step"])), ("taker", "pay"), "{accepted}");
    let taken = trade.interrupted(&trade.arguments("redeem", &["--wallet", "alice"]));
    assert_eq!((text(&taken["role"]), text(&taken["step"])), ("maker", "redeem"), "{taken}");
    trade.refused(&trade.arguments("refund", &["--wallet", "bob"]), 3, "swap-over");
    let ran = trade.pbft.run(&trade.arguments("redeem", &["--wallet", "bob"])).ended(0);
    assert!(ran.stdout.starts_with("10 BZT redeemed, fee "), "{ran:?}");
    let shown = trade.show();
    assert_eq!((text(&shown["next"]), text(&shown["second"]["state"])), ("it is done", "redeemed"), "{shown}");
    trade.refused(&trade.arguments("refund", &["--wallet", "alice"]), 3, "swap-over");

    let fee = BZT / 10_000;
    let [alice_pbft, alice_pow, bob_pbft, bob_pow] = trade.balances();
    let about = |has: u64, wanted: u64| has <= wanted && has + fee > wanted;
    assert!(about(alice_pbft, FUNDED - 10 * BZT) && about(alice_pow, FUNDED + 25 * BZT), "{:?}", trade.balances());
    assert!(about(bob_pbft, FUNDED + 10 * BZT) && about(bob_pow, FUNDED - 25 * BZT), "{:?}", trade.balances());
    trade.pbft.check();
    trade.pow.check();
}

#[test]
fn a_taker_pays_only_when_the_maker_has_paid_for_good() {
    let Trade { pbft, pow, file } = Trade::new();
    (0..2).for_each(|node| drop(pow.json(&["testnet", "hashrate", &node.to_string(), "0"])));
    let file = file.to_str().expect("a path of letters");
    let offer = ["--other-net", pbft.name(), "--from", "alice", "--with", "bob", "--give", "1", "--get", "2"];
    let offered = pow.json(&[&["wallet", "swap", "offer", file, "--wait", "pool"][..], &offer].concat());
    assert_eq!(offered["status"], "pool", "{offered}");
    let accept = ["wallet", "swap", "accept", file, "--other-net", pow.name(), "--wallet", "bob", "--timeout"];
    let waits = || {
        let ran = pbft.run(&[&accept[..], &["1s", "--json"]].concat()).ended(5);
        assert_eq!(ran.json()["error"]["kind"], "not-paid-yet", "{ran:?}");
    };
    waits();
    pow.json(&["testnet", "mine", "2"]);
    waits();
    assert_eq!(pbft.balance("bob", 0), FUNDED, "nothing was paid yet");
    pow.json(&["testnet", "mine", "6"]);
    let accepted = pbft.json(&[&accept[..], &["120s"]].concat());
    assert_eq!((text(&accepted["step"]), text(&accepted["status"])), ("pay", "final"), "{accepted}");
}

#[test]
fn a_swap_is_called_off_when_time_is_up() {
    let trade = Trade::new();
    trade.pbft.json(&trade.offer());
    trade.pbft.json(&trade.arguments("accept", &["--wallet", "bob"]));
    // Alice does not redeem in time.
    for net in [&trade.pbft, &trade.pow] {
        net.json(&["testnet", "time", "advance", "1h"]);
    }
    // The proof-of-work net judges by the median of its last blocks.
    trade.pow.json(&["testnet", "mine", "12"]);
    trade.refused(&trade.arguments("redeem", &["--wallet", "alice"]), 3, "too-late");
    let refunded = trade.interrupted(&trade.arguments("refund", &["--wallet", "bob"]));
    assert_eq!((text(&refunded["role"]), text(&refunded["step"])), ("taker", "refund"), "{refunded}");
    trade.refused(&trade.arguments("redeem", &["--wallet", "bob", "--timeout", "1s"]), 3, "swap-over");
    let refunded = trade.interrupted(&trade.arguments("refund", &["--wallet", "alice"]));
    assert_eq!((text(&refunded["role"]), text(&refunded["status"])), ("maker", "final"), "{refunded}");
    let shown = trade.show();
    assert_eq!((text(&shown["first"]["state"]), text(&shown["second"]["state"])), ("refunded", "refunded"), "{shown}");
    for balance in trade.balances() {
        assert!(balance <= FUNDED && balance + BZT / 10_000 > FUNDED, "{:?}", trade.balances());
    }
    // An offer that is too old is not taken up, and one on a net that is dead says so.
    let file = trade.pbft.dir().join("late.swap");
    let late = std::fs::read_to_string(&trade.file).expect("the offer").replace("\"nonce\": \"", "\"nonce\": \"00");
    std::fs::write(&file, late).expect("a file");
    let path = file.to_str().expect("a path of letters");
    let accept = ["wallet", "swap", "accept", path, "--other-net", trade.pow.name(), "--wallet", "bob"];
    trade.refused(&accept, 2, "usage");
    let manifest = trade.pow.manifest();
    manifest.nodes.iter().for_each(|node| crate::net::signal(node.pid, Signal::SIGKILL));
    trade.refused(&trade.arguments("redeem", &["--wallet", "bob"]), 6, "unreachable");
}
