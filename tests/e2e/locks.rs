//! Locks for people: multisigs, time locks, hash locks and vaults, made by name and spent from like any wallet, in both engines.

use crate::net::{LIMIT, Net, text, until};
use bezant_api::types::TxState;
use bezant_consensus::ledger::key::SigningKey;
use serde_json::Value;

/// What an account has at the beginning, in grains.
pub(crate) const FUNDED: u64 = 1_000_000 * BZT;
pub(crate) const BZT: u64 = 100_000_000;
pub(crate) const POW: &[&str] = &["--engine", "pow", "--block-time", "1s"];

/// A net of either engine on which blocks come only when the test wants them.
pub(crate) struct World {
    pub(crate) net: Net,
    pub(crate) is_pow: bool,
}

impl World {
    #[track_caller]
    pub(crate) fn up(options: &[&str]) -> World {
        let world = World { net: Net::up(options), is_pow: !options.is_empty() };
        if world.is_pow {
            for node in ["0", "1", "2", "3"] {
                world.net.json(&["testnet", "hashrate", node, "0"]);
            }
        }
        world
    }

    pub(crate) fn height(&self) -> u64 {
        let client = self.net.client(0);
        self.net.block_on(client.tip()).expect("the node answers").height
    }

    /// Blocks until the tip has this height.
    #[track_caller]
    pub(crate) fn reach(&self, height: u64) {
        until(&format!("height {height}"), LIMIT, || {
            let now = self.height();
            if now >= height {
                return Some(());
            }
            if self.is_pow {
                self.net.json(&["testnet", "mine", &(height - now).to_string(), "--node", "0"]);
            } else {
                self.net.send("ivan", "judy", "0.001", &["--node", "0"]);
            }
            None
        });
    }

    /// A command that pays, until what it sends is in a block of node 0.
    #[track_caller]
    pub(crate) fn pay(&self, arguments: &[&str]) -> Value {
        if !self.is_pow {
            return self.net.json(&[arguments, &["--node", "0"]].concat());
        }
        let sent = self.net.json(&[arguments, &["--node", "0", "--wait", "pool"]].concat());
        self.reach(self.height() + 1);
        sent
    }

    #[track_caller]
    pub(crate) fn refused(&self, arguments: &[&str], status: i32, kind: &str, says: &str) {
        let ran = self.net.run(&[arguments, &["--json"]].concat()).ended(status);
        let error = &ran.json()["error"];
        assert_eq!(error["kind"], kind, "{arguments:?}: {ran:?}");
        assert!(text(&error["message"]).contains(says), "{arguments:?}: {ran:?}");
    }

    #[track_caller]
    pub(crate) fn balance(&self, wallet: &str) -> u64 {
        self.net.balance(wallet, 0)
    }
}

pub(crate) fn fee(sent: &Value) -> u64 {
    text(&sent["fee"]).parse().expect("grains")
}

/// A time lock is refused early with the reason, and spent later.
fn time_lock(world: &World) {
    let from = world.height() + 8;
    let after = from.to_string();
    let made = world.net.json(&["wallet", "lock", "until", "pension", "--for", "alice", "--after", &after]);
    assert_eq!(made["words"], format!("from block {after} on, alice alone"), "{made}");
    assert_eq!(made["opens"], false, "{made}");
    assert!(text(&made["missing"]).starts_with(&format!("locked until block {after}, now ")), "{made}");
    world.pay(&["wallet", "send", "--from", "bob", "pension", "5"]);
    let balance = world.net.json(&["wallet", "balance", "--wallet", "pension"]);
    assert_eq!((text(&balance["spendable"]), text(&balance["immature"])), ("0", "500000000"), "not yet: {balance}");
    let spend = ["wallet", "send", "--from", "pension", "carol", "1"];
    world.refused(&spend, 3, "locked", &format!("locked until block {after}, now {}", world.height()));
    world.reach(from - 1);
    let sent = world.pay(&spend);
    assert_eq!(world.balance("pension"), 4 * BZT - fee(&sent), "change comes back to the lock");
    let shown = world.net.json(&["wallet", "lock", "show", "pension"]);
    assert_eq!((&shown["opens"], &shown["missing"]), (&Value::Bool(true), &Value::Null), "{shown}");
    assert_eq!(shown["address"], made["address"]);
    // By the clock of the net, too.
    world.net.json(&["wallet", "lock", "until", "past", "--for", "bob", "--after", "2020-01-01T00:00Z"]);
    world.net.json(&["wallet", "lock", "until", "far", "--for", "bob", "--after", "2099-01-01T00:00Z"]);
    world.pay(&["wallet", "send", "--from", "bob", "--pay", "past=2", "--pay", "far=2"]);
    world.pay(&["wallet", "send", "--from", "past", "carol", "1"]);
    world.refused(&["wallet", "send", "--from", "far", "carol", "1"], 3, "locked", "until 2099-01-01T00:00Z, now 20");
}

/// Both ways out of a vault.
fn vault(world: &World) {
    let stranger = hex::encode(SigningKey::from_seed(&[42; 32]).public().0);
    world.net.json(&["wallet", "lock", "policy", "stranger", &format!("pk({stranger})")]);
    let together =
        ["wallet", "lock", "vault", "safe", "--together", "alice", "bob", "--later", "bob", "--blocks", "1000"];
    let made = world.net.json(&together);
    let words = "either alice and bob together; or once a coin is 1,000 blocks old, bob alone";
    assert_eq!(made["words"], words, "{made}");
    world.refused(&together, 2, "usage", "take another name");
    let alone =
        ["wallet", "lock", "vault", "lone", "--together", "alice", "stranger", "--later", "alice", "--blocks", "5"];
    world.net.json(&alone);
    world.pay(&["wallet", "send", "--from", "alice", "--pay", "safe=10", "--pay", "lone=10"]);
    let paid_at = world.height();
    // Now, with two keys.
    let sent = world.pay(&["wallet", "send", "--from", "safe", "dave", "2"]);
    assert_eq!(world.balance("safe"), 8 * BZT - fee(&sent));
    // One key alone has to wait; who has the key that is missing is named.
    let spend = ["wallet", "send", "--from", "lone", "dave", "max"];
    world.refused(&spend, 3, "locked", "sooner it needs stranger");
    world.reach(paid_at + 4);
    let sent = world.pay(&spend);
    assert_eq!(world.balance("lone"), 0);
    assert_eq!(world.balance("dave"), FUNDED + 12 * BZT - fee(&sent));
    // Nobody here can open it at all.
    world.pay(&["wallet", "send", "--from", "alice", "stranger", "1"]);
    let ask = ["wallet", "send", "--from", "stranger", "dave", "0.5"];
    world.refused(&ask, 3, "keys-missing", "draft create --from stranger");
}

/// With the secret at once, without it later.
fn hash_lock(world: &World) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str| dir.path().join(name).display().to_string();
    let (secret, wrong) = (path("secret"), path("wrong"));
    let after = (world.height() + 10_000).to_string();
    let make = [
        "wallet",
        "lock",
        "hash",
        "deal",
        "--for",
        "bob",
        "--new-preimage",
        &secret,
        "--refund",
        "alice",
        "--after",
        &after,
    ];
    let made = world.net.json(&make);
    assert!(text(&made["policy"]).starts_with("or(and(sha256("), "{made}");
    world.pay(&["wallet", "send", "--from", "alice", "deal", "3"]);
    let spend = ["wallet", "send", "--from", "deal", "erin", "1"];
    world.refused(&spend, 3, "locked", "sooner it needs the preimage of");
    std::fs::write(&wrong, "00".repeat(32)).expect("a file");
    world.refused(&[&spend[..], &["--preimage-file", &wrong]].concat(), 3, "locked", "the preimage of");
    std::fs::write(&wrong, "hello").expect("a file");
    world.refused(&[&spend[..], &["--preimage-file", &wrong]].concat(), 2, "usage", "64 hex digits");
    let sent = world.pay(&[&spend[..], &["--preimage-file", &secret]].concat());
    assert_eq!(world.balance("deal"), 2 * BZT - fee(&sent));
    assert_eq!(world.balance("erin"), FUNDED + BZT);
    let again = [&make[..3], &["other", "--for", "bob", "--new-preimage", &secret]].concat();
    world.refused(&again, 2, "usage", "is there already");
}

/// A lock's text makes the same address for everybody, whatever it calls the parties.
fn texts(world: &World) {
    let net = &world.net;
    let made = net.json(&["wallet", "lock", "multisig", "club", "--of", "2", "alice", "bob", "carol"]);
    assert_eq!(made["words"], "2 of 3: alice, bob, carol");
    let policy = text(&made["policy"]).to_owned();
    let copied = net.json(&["wallet", "lock", "policy", "copy", &policy]);
    assert_eq!((&copied["address"], &copied["policy"]), (&made["address"], &made["policy"]));
    let by_name = net.json(&["wallet", "lock", "show", "thresh(2, pk(alice), pk(bob), pk(carol))"]);
    assert_eq!(by_name["address"], made["address"]);
    let addresses: Vec<String> = ["alice", "bob", "carol"]
        .iter()
        .map(|name| text(&net.json(&["wallet", "address", "--wallet", name])["address"]).to_owned())
        .collect();
    let by_address = [
        &["wallet", "lock", "multisig", "same", "--of", "2"][..],
        &addresses.iter().map(String::as_str).collect::<Vec<_>>(),
    ]
    .concat();
    assert_eq!(net.json(&by_address)["address"], made["address"]);
    let plain = net.run(&["wallet", "lock", "show", "club"]).ended(0);
    assert!(plain.stdout.contains("lock     2 of 3: alice, bob, carol\n"), "{plain:?}");
    for (arguments, says) in [
        (vec!["multisig", "x", "--of", "4", "alice", "bob"], "4 of 2 makes no sense"),
        (vec!["multisig", "x", "--of", "1", "alice", "alice"], "count twice"),
        (vec!["multisig", "x", "--of", "1", "nobody"], "nobody"),
        (vec!["until", "x", "--for", "alice", "--after", "soon"], "a height, or a moment"),
        (vec!["policy", "x", "and(pk(alice),after(5)"], "at character 23"),
        (vec!["policy", "x", "after(5)"], "without any key"),
        (vec!["policy", "../x", "pk(alice)"], "no name"),
        (vec!["policy", "club", "pk(alice)"], "take another name"),
        (vec!["show", "nobody"], "nobody"),
    ] {
        world.refused(&[&["wallet", "lock"][..], &arguments].concat(), 2, "usage", says);
    }
}

/// Under proof of work nothing moves unless it is mined, so that there is time to change one's mind.
fn second_thoughts(world: &World) {
    let net = &world.net;
    let held = |arguments: &[&str]| net.json(&[arguments, &["--node", "0", "--wait", "pool"]].concat());
    world.pay(&["wallet", "send", "--from", "alice", "club", "4"]);
    let first = held(&["wallet", "send", "--from", "club", "heidi", "1"]);
    let second = held(&["wallet", "bump", text(&first["txid"])]);
    assert!(fee(&second) > fee(&first), "{first} {second}");
    let third = held(&["wallet", "cancel", text(&second["txid"]), "--from", "club"]);
    world.reach(world.height() + 1);
    assert_eq!(world.balance("club"), 4 * BZT - fee(&third));
    assert_eq!(world.balance("heidi"), FUNDED);
    // Paying oneself without change: a bump keeps the payment, and takes its fee from other coins.
    let all = held(&["wallet", "send", "--from", "club", "club", "1"]);
    let more = held(&["wallet", "bump", text(&all["txid"])]);
    world.reach(world.height() + 1);
    assert_eq!(world.balance("club"), 4 * BZT - fee(&third) - fee(&more));
}

/// Under PBFT there is time for that while no quorum is there; then one of the three is final, whichever was proposed.
fn second_thoughts_without_quorum(world: &World) {
    let net = &world.net;
    let held = |arguments: &[&str]| net.json(&[arguments, &["--wait", "pool"]].concat());
    world.pay(&["wallet", "send", "--from", "alice", "club", "4"]);
    net.json(&["testnet", "kill", "1", "2"]);
    let first = held(&["wallet", "send", "--from", "club", "heidi", "1"]);
    let second = held(&["wallet", "bump", text(&first["txid"])]);
    assert!(fee(&second) > fee(&first), "{first} {second}");
    let third = held(&["wallet", "cancel", text(&second["txid"]), "--from", "club"]);
    net.json(&["testnet", "start", "1", "2"]);
    let is_final = |one: &&&Value| net.tx_status(0, text(&one["txid"])).state == TxState::Final;
    let all = [&first, &second, &third];
    let winner = until("one of them is final", LIMIT, || all.iter().find(is_final).copied());
    let paid = if winner == &third { 0 } else { BZT };
    assert_eq!(world.balance("club"), 4 * BZT - paid - fee(winner));
    assert_eq!(world.balance("heidi"), FUNDED + paid);
}

fn locks(options: &[&str]) {
    let world = World::up(options);
    texts(&world);
    time_lock(&world);
    vault(&world);
    hash_lock(&world);
    if world.is_pow {
        second_thoughts(&world);
    } else {
        second_thoughts_without_quorum(&world);
    }
}

#[test]
fn pbft_spends_from_time_locks_vaults_and_hash_locks() {
    locks(&[]);
}

#[test]
fn proof_of_work_spends_from_time_locks_vaults_and_hash_locks() {
    locks(POW);
}
