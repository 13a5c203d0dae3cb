//! Coins that are locked, called something, and joined: in both engines.

use crate::net::{LIMIT, Net, text, until};
use serde_json::Value;

const POW: &[&str] = &["--engine", "pow", "--block-time", "1s"];
const WAIT: [&str; 4] = ["--wait", "included", "--timeout", "120s"];

#[track_caller]
fn refused(net: &Net, arguments: &[&str], status: i32, kind: &str) -> String {
    let ran = net.run(&[arguments, &["--json"]].concat()).ended(status);
    let error = ran.json()["error"].clone();
    assert_eq!(error["kind"], kind, "{ran:?}");
    text(&error["message"]).to_owned()
}

fn coins(net: &Net, wallet: &str) -> Vec<Value> {
    let list = net.json(&["wallet", "utxos", "--wallet", wallet]);
    list["utxos"].as_array().expect("a list").clone()
}

fn balance(net: &Net, wallet: &str, field: &str) -> u64 {
    text(&net.json(&["wallet", "balance", "--wallet", wallet])[field]).parse().expect("grains")
}

fn locked_coins_stay(net: &Net) {
    let database = net.dir().join("wallets/alice.db");
    let all = coins(net, "alice");
    let names: Vec<String> = all.iter().map(|coin| text(&coin["outpoint"]).to_owned()).collect();
    assert!(names.len() >= 3 && all.iter().all(|coin| coin["state"] == "spendable" && coin["label"].is_null()));
    assert!(!database.exists(), "looking makes no database");
    let funded = balance(net, "alice", "spendable");

    // All but two.
    let mut lock = vec!["wallet", "utxos", "--wallet", "alice", "--lock"];
    lock.extend(names[2..].iter().map(String::as_str));
    let states = net.json(&lock);
    let count = states["utxos"].as_array().expect("a list").iter().filter(|coin| coin["state"] == "locked").count();
    assert_eq!(count, names.len() - 2, "{states}");
    let per_coin = funded / names.len() as u64;
    assert_eq!(balance(net, "alice", "spendable"), 2 * per_coin);
    assert_eq!(balance(net, "alice", "locked"), funded - 2 * per_coin);
    let shown = net.run(&["wallet", "utxos", "--wallet", "alice"]).ended(0);
    assert!(
        shown.stdout.contains("locked") && shown.stdout.contains(&names[2]) && shown.stderr.is_empty(),
        "{shown:?}"
    );

    let bzt = |coins: u64| (coins * per_coin / 100_000_000).to_string();
    let message = refused(net, &["wallet", "send", "--from", "alice", "bob", &bzt(3)], 3, "insufficient-funds");
    assert!(message.contains("locked") && message.contains("--unlock"), "{message}");
    // Whoever names a locked coin means it.
    let sent = net.json(&[&["wallet", "send", "--from", "alice", "bob", "1", "--coin", &names[2]][..], &WAIT].concat());
    assert_eq!(sent["status"], "included");
    let max = net.json(&[&["wallet", "send", "--from", "alice", "bob", "max", "--dry-run"][..]].concat());
    assert_eq!(max["status"], "dry-run");
    let spendable = balance(net, "alice", "spendable");
    assert!(spendable < 3 * per_coin, "the change and two coins: {spendable}");

    // Refusals change nothing.
    let nobody = format!("{}:0", "ab".repeat(32));
    refused(net, &["wallet", "utxos", "--wallet", "alice", "--lock", &names[0], &nobody], 3, "no-such-coin");
    refused(net, &["wallet", "utxos", "--wallet", "alice", "--unlock", &names[3], &names[0]], 3, "not-locked");
    refused(net, &["wallet", "utxos", "--wallet", "bob", "--lock", &names[0]], 3, "no-such-coin");
    refused(net, &["wallet", "utxos", "--wallet", "alice", "--lock", "nonsense"], 2, "usage");
    net.run(&["wallet", "utxos", "--lock", &names[0], "--unlock-all"]).ended(2);
    let state = |name: &str| {
        let coins = coins(net, "alice");
        coins.iter().find(|coin| coin["outpoint"] == name).map(|coin| text(&coin["state"]).to_owned())
    };
    assert_eq!((state(&names[0]).as_deref(), state(&names[3]).as_deref()), (Some("spendable"), Some("locked")));
    net.json(&["wallet", "utxos", "--wallet", "alice", "--unlock", &names[3]]);
    assert_eq!(state(&names[3]).as_deref(), Some("spendable"));
    // The journal does not mind being asked for all of them.
    net.json(&["wallet", "utxos", "--wallet", "alice", "--unlock-all"]);
    assert_eq!(balance(net, "alice", "locked"), 0);
    assert_eq!(
        std::fs::metadata(&database).map(|it| std::os::unix::fs::PermissionsExt::mode(&it.permissions()) & 0o777).ok(),
        Some(0o600)
    );
}

fn labels_are_kept(net: &Net) {
    let sent = net.json(&[&["wallet", "send", "--from", "carol", "bob", "2", "--label", "rent"][..], &WAIT].concat());
    let txid = text(&sent["txid"]).to_owned();
    let file = net.dir().join("wages.csv");
    std::fs::write(&file, "name,amount,label\nbob,1,May\ndave,2,June\n").expect("a file");
    let file = file.display().to_string();
    let paid = net.json(&[&["wallet", "pay", &file, "--from", "carol"][..], &WAIT].concat());
    let wages = text(&paid["payments"][0]["txid"]).to_owned();
    let address = net.json(&["wallet", "address", "--wallet", "carol"]);
    let address = text(&address["address"]).to_owned();
    net.json(&["wallet", "label", &address, "my shop"]);
    net.json(&["wallet", "label", &format!("{txid}:0"), "paid in advance", "--wallet", "carol"]);

    let history = net.json(&["wallet", "history", "--wallet", "carol"]);
    let label = |txid: &str| {
        let lines = history["history"].as_array().expect("a list");
        lines.iter().find(|line| line["txid"] == txid).map(|line| line["label"].clone())
    };
    assert_eq!((label(&txid), label(&wages)), (Some("rent".into()), Some("May, June".into())), "{history}");
    let shown = net.run(&["wallet", "history", "--wallet", "carol"]).ended(0);
    assert!(shown.stdout.contains("rent") && shown.stderr.is_empty(), "{shown:?}");
    assert!(coins(net, "carol").iter().all(|coin| coin["label"] == "my shop"));
    assert_eq!(net.json(&["wallet", "address", "--wallet", "carol"])["labels"][&address], "my shop");

    let coin = text(&coins(net, "carol")[0]["outpoint"]).to_owned();
    net.json(&["wallet", "utxos", "--wallet", "carol", "--lock", &coin]);
    let out = net.dir().join("labels.jsonl").display().to_string();
    let exported = net.json(&["wallet", "label", "--wallet", "carol", "--export", &out]);
    assert_eq!(exported["lines"], 6, "rent, May, June, shop, advance and a lock");
    net.run(&["wallet", "label", "--wallet", "carol", "--export", &out]).ended(2);
    let to_stdout = net.run(&["wallet", "label", "--wallet", "carol", "--export", "-"]).ended(0);
    assert_eq!(to_stdout.stdout, std::fs::read_to_string(&out).expect("it was written"));
    assert!(to_stdout.stdout.contains("\"spendable\":false"));
    net.json(&["wallet", "label", &txid, "--remove", "--wallet", "carol"]);
    refused(net, &["wallet", "label", &txid, "--remove", "--wallet", "carol"], 3, "no-label");
    net.json(&["wallet", "utxos", "--wallet", "carol", "--unlock-all"]);
    let imported = net.json(&["wallet", "label", "--wallet", "carol", "--import", &out]);
    assert_eq!((&imported["labels"], &imported["coins"]), (&5.into(), &1.into()));
    let again = net.run(&["wallet", "label", "--wallet", "carol", "--export", "-"]).ended(0);
    assert_eq!(again.stdout, to_stdout.stdout, "nothing was lost on the way");
    assert_eq!(net.json(&["wallet", "label", &txid])["labels"][0]["label"], "rent");
    refused(net, &["wallet", "label", &"ab".repeat(32), "whose?"], 2, "usage");
    refused(net, &["wallet", "label", "nonsense", "x"], 2, "usage");
    refused(net, &["wallet", "label", &txid, "a\u{1b}[31mb"], 2, "usage");
    std::fs::write(&out, "{\"type\":\"tx\",\"ref\":\"x\",\"label\":\"y\"}\nnonsense\n").expect("a file");
    let message = refused(net, &["wallet", "label", "--wallet", "carol", "--import", &out], 2, "usage");
    assert!(message.contains("line 1: ") && message.contains("line 2: "), "{message}");
}

fn coins_are_joined(net: &Net) {
    let many: Vec<String> = (1..=30).map(|number| format!("erin=0.{number:02}")).collect();
    let mut send = vec!["wallet", "send", "--from", "dave"];
    many.iter().for_each(|pay| send.extend(["--pay", pay.as_str()]));
    net.json(&[&send[..], &["--pay", "erin=0.00000010"], &WAIT].concat());
    let before = coins(net, "erin").len();
    let had = balance(net, "erin", "spendable");
    let kept = coins(net, "erin").iter().find(|coin| coin["amount"] == "30000000").cloned().expect("it was paid");
    net.json(&["wallet", "utxos", "--wallet", "erin", "--lock", text(&kept["outpoint"])]);

    let join = ["wallet", "consolidate", "--from", "erin", "--below", "1"];
    let plan = net.json(&[&join[..], &["--dry-run"]].concat());
    assert_eq!((&plan["coins"], &plan["into"], &plan["left"]), (&29.into(), &1.into(), &1.into()), "{plan}");
    assert_eq!(coins(net, "erin").len(), before, "nothing was sent");
    let few = net.json(&[&join[..], &["--max", "5", "--dry-run"]].concat());
    assert_eq!(few["coins"], 5);
    let done = net.json(&[&join[..], &WAIT].concat());
    assert_eq!((&done["coins"], &done["transactions"][0]["status"]), (&29.into(), &"included".into()), "{done}");
    assert!(text(&done["saves"]).parse::<u64>().is_ok_and(|saves| saves > 0));
    assert_eq!(coins(net, "erin").len(), before - 28);
    let fee: u64 = text(&done["fee"]).parse().expect("grains");
    assert_eq!(balance(net, "erin", "spendable") + balance(net, "erin", "locked"), had - fee);
    let message = refused(net, &join, 3, "nothing-to-join");
    assert!(message.contains("nothing was sent"), "{message}");
    net.run(&["wallet", "consolidate", "--from", "erin", "--below", "x"]).ended(2);
}

fn all_of_it(options: &[&str]) {
    let net = Net::up(options);
    // Under proof of work the accounts may get blocks of their own miners.
    until("a block is there", LIMIT, || {
        (net.json(&["wallet", "balance", "--wallet", "alice"])["height"] != 0).then_some(())
    });
    locked_coins_stay(&net);
    labels_are_kept(&net);
    coins_are_joined(&net);
    net.await_synced();
    net.check();
}

#[test]
fn pbft_keeps_locks_and_labels_and_joins_coins() {
    all_of_it(&[]);
}

#[test]
fn proof_of_work_keeps_locks_and_labels_and_joins_coins() {
    all_of_it(POW);
}

fn nodes_are_asked_together(options: &[&str], needed: u64) {
    let net = Net::up(options);
    net.send("alice", "bob", "5", &["--wait", "included", "--timeout", "120s"]);
    net.await_synced();
    let balance = |read: &str| net.json(&["wallet", "balance", "--wallet", "bob", "--read", read]);
    let (one, many) = (balance("latest"), balance("quorum"));
    assert!(one["agreed"].is_null() && many["agreed"].as_u64() >= Some(needed), "{many}");
    assert_eq!(one["spendable"], many["spendable"]);
    let coins = net.json(&["wallet", "utxos", "--wallet", "bob", "--read", "quorum"]);
    assert_eq!(coins["utxos"], net.json(&["wallet", "utxos", "--wallet", "bob"])["utxos"]);
    let attested = balance("attested");
    assert!(attested["agreed"].as_u64() >= Some(needed) && attested["spendable"] == many["spendable"], "{attested}");
    let alone = ["wallet", "balance", "--wallet", "bob", "--read", "quorum", "--node", "0"];
    assert!(refused(&net, &alone, 2, "usage").contains("--node"));
    net.json(&["testnet", "kill", "1", "2", "3"]);
    let message = refused(&net, &["wallet", "balance", "--wallet", "bob", "--read", "quorum"], 6, "unreachable");
    assert!(message.contains("1 of 4 nodes answer"), "{message}");
    assert_eq!(balance("latest")["spendable"], one["spendable"], "one is enough for that");
}

#[test]
fn pbft_is_read_by_quorum() {
    nodes_are_asked_together(&[], 2);
}

#[test]
fn proof_of_work_is_read_by_quorum() {
    nodes_are_asked_together(POW, 3);
}

/// A rehearsal of a payment, or a look, leaves no file behind.
#[test]
fn only_what_is_sent_makes_a_database() {
    let net = Net::up(&[]);
    let file = net.dir().join("wages.csv");
    std::fs::write(&file, "name,amount\nbob,1\n").expect("a file");
    let file = file.display().to_string();
    net.json(&["wallet", "pay", &file, "--from", "alice", "--dry-run"]);
    net.json(&["wallet", "send", "--from", "alice", "bob", "1", "--dry-run"]);
    net.json(&["wallet", "send", "--from", "alice", "bob", "1", "--id", "x", "--dry-run"]);
    net.json(&["wallet", "consolidate", "--from", "alice", "--max", "2", "--dry-run"]);
    net.json(&["wallet", "balance"]);
    net.json(&["wallet", "label"]);
    let wallets = net.dir().join("wallets");
    let names: Vec<String> = std::fs::read_dir(&wallets)
        .expect("they are there")
        .map(|entry| entry.expect("can be listed").file_name().to_string_lossy().into_owned())
        .filter(|name| !name.ends_with(".json"))
        .collect();
    assert!(names.is_empty(), "{names:?}");
    net.json(&["wallet", "send", "--from", "alice", "bob", "1"]);
    assert!(wallets.join("alice.db").exists());
}
