//! Wallets whose keys a net is asked about: restored with all that they used, watched, and speaking for themselves; in both
//! engines.

use crate::keys::{PASSWORD, WORDS, file, home, password, refused, run_with_input, wallet_file, with};
use crate::net::{LIMIT, Net, text, until};
use serde_json::Value;

const BZT: u64 = 100_000_000;
const POW: &[&str] = &["--engine", "pow", "--block-time", "1s"];
const NO_NODE: &[&str] = &["--rpc", "http://127.0.0.1:1"];

fn addresses(net: &Net, wallet: &str) -> Vec<String> {
    let value = net.json(&["wallet", "address", "--wallet", wallet]);
    value["addresses"].as_array().expect("a list").iter().map(|address| text(address).to_owned()).collect()
}

/// Pays these addresses, and waits until every node has the block in its index.
fn pay(net: &Net, addresses: &[&String]) {
    let pays: Vec<String> = addresses.iter().map(|address| format!("{address}=1")).collect();
    let mut arguments = vec!["wallet", "send", "--from", "alice", "--wait", "included"];
    arguments.extend(pays.iter().flat_map(|pay| ["--pay", pay]));
    net.json(&arguments);
    net.await_synced();
}

fn balance(value: &Value) -> u64 {
    text(&value["balance"]["spendable"]).parse().expect("grains")
}

/// Another net's genesis where this net's is: the nodes are of another net than the wallet thinks.
fn with_another_genesis(net: &Net, run: impl FnOnce()) {
    let path = net.dir().join("genesis.toml");
    let kept = std::fs::read_to_string(&path).expect("can be read");
    let salt = kept.lines().find(|line| line.starts_with("salt")).expect("it has a salt");
    let other = format!("salt = \"{}\"", "5a".repeat(32));
    std::fs::write(&path, kept.replace(salt, &other)).expect("can be written");
    run();
    std::fs::write(&path, kept).expect("can be written");
}

fn a_restored_wallet_finds_what_it_used(options: &[&str]) {
    let net = Net::up(options);
    let (password, words) = (password(&net), file(&net, "words", WORDS));
    let passphrase = file(&net, "passphrase", "TREZOR\n");
    let secret = ["--password-file", &password, "--passphrase-file", &passphrase];
    let restore = |name: &'static str| with(&["wallet", "restore", name, "--mnemonic-file", &words], &secret);
    // Nothing was used yet.
    let first = net.json(&restore("first"));
    assert_eq!((first["addresses"].as_u64(), first["discovered"].as_u64(), balance(&first)), (Some(1), Some(0), 0));
    let new = ["wallet", "address", "--wallet", "first", "--new", "--password-file", &password];
    (0..22).for_each(|_| drop(net.json(&new)));
    let used = addresses(&net, "first");
    assert_eq!(used.len(), 23);
    let paths = net.json(&["wallet", "address", "--wallet", "first"])["paths"].clone();
    assert_eq!(paths[22], "m/44'/6453876'/0'/0'/22'");
    // The gap between address 2 and 22 is 19 addresses long.
    pay(&net, &[&used[0], &used[2], &used[22]]);
    let second = net.json(&restore("second"));
    assert_eq!((second["addresses"].as_u64(), balance(&second)), (Some(23), 3 * BZT), "{second}");
    assert_eq!(addresses(&net, "second"), used);
    assert_eq!(second["address"], used[22].as_str());
    let plain = net.run(&restore("text")).ended(0);
    assert!(plain.stdout.contains("addresses 23") && plain.stdout.contains("balance   3"), "{plain:?}");
    let near = net.json(&with(&restore("near"), &["--gap", "1"]));
    assert_eq!((near["addresses"].as_u64(), balance(&near)), (Some(1), BZT), "{near}");
    // Further than restored, later; a wallet that is unlocked or not, and again without a change.
    let discover = ["wallet", "discover", "near", "--password-file", &password];
    let found = net.json(&discover);
    assert_eq!(
        (found["addresses"].as_u64(), found["discovered"].as_u64(), balance(&found)),
        (Some(23), Some(23), 3 * BZT)
    );
    let kept = std::fs::read(wallet_file(&net, "near")).expect("can be read");
    assert_eq!(net.json(&discover)["addresses"], 23);
    assert_eq!(std::fs::read(wallet_file(&net, "near")).expect("can be read"), kept);
    // Without the passphrase they are another wallet's words.
    let other = net.json(&["wallet", "restore", "other", "--mnemonic-file", &words, "--password-file", &password]);
    assert_eq!((other["discovered"].as_u64(), balance(&other)), (Some(0), 0), "{other}");
    // What was restored can pay.
    let sent = net.json(&[
        "wallet",
        "send",
        "--from",
        "second",
        "bob",
        "2.5",
        "--password-file",
        &password,
        "--wait",
        "included",
    ]);
    assert_eq!(sent["status"], "included", "{sent}");

    refused(&net, &["wallet", "discover", "near"], 3, "password-wanted", &["--password-file"]);
    let wrong = file(&net, "wrong", "something else\n");
    refused(
        &net,
        &["wallet", "discover", "near", "--password-file", &wrong],
        7,
        "wrong-password",
        &["near does not open"],
    );
    refused(&net, &with(&discover, NO_NODE), 6, "unreachable", &["no node answers"]);
    refused(&net, &["wallet", "discover", "alice"], 2, "usage", &["of yours"]);
    let offline = net.run(&with(&with(&restore("offline"), NO_NODE), &["--json"])).ended(0);
    assert!(offline.stderr.contains("bezant wallet discover offline"), "{offline:?}");
    assert_eq!((offline.json()["addresses"].as_u64(), &offline.json()["balance"]), (Some(1), &Value::Null));
    with_another_genesis(&net, || {
        refused(&net, &discover, 1, "failed", &["is of another net"]);
        refused(&net, &restore("never"), 1, "failed", &["is of another net"]);
        assert!(!wallet_file(&net, "never").exists());
    });
    net.json(&["testnet", "down"]);
    refused(&net, &discover, 6, "unreachable", &["does not run"]);
}

#[test]
fn pbft_finds_what_a_restored_wallet_used() {
    a_restored_wallet_finds_what_it_used(&[]);
}

#[test]
fn proof_of_work_finds_what_a_restored_wallet_used() {
    a_restored_wallet_finds_what_it_used(POW);
}

fn what_is_watched_is_seen_and_not_spent(options: &[&str]) {
    let net = Net::up(options);
    let password = password(&net);
    net.json(&["wallet", "new", "savings", "--password-file", &password]);
    let savings = addresses(&net, "savings");
    let (alice, bob) = (addresses(&net, "alice").remove(0), addresses(&net, "bob").remove(0));
    let watch = |address: &str| net.json(&["wallet", "watch", address, "--name", "w"]);
    assert_eq!(watch(&alice)["new"], true);
    assert_eq!((watch(&bob)["addresses"].as_u64(), &watch(&bob)["new"]), (Some(2), &Value::Bool(false)));
    assert_eq!(net.balance("w", 0), net.balance("alice", 0) + net.balance("bob", 0));
    assert_eq!(addresses(&net, "w"), [alice.clone(), bob]);
    pay(&net, &[&savings[0]]);
    let history = net.json(&["wallet", "history", "--wallet", "w"]);
    assert_eq!(
        history["history"].as_array().map(Vec::len),
        net.json(&["wallet", "history", "--wallet", "alice"])["history"].as_array().map(Vec::len)
    );
    assert!(!net.json(&["wallet", "utxos", "--wallet", "w"])["utxos"].as_array().expect("a list").is_empty());
    // Whose keys are here can be spent from, whatever watches it; of others only a draft can be made.
    net.json(&["wallet", "send", "--from", "w", "carol", "1"]);
    net.json(&["wallet", "new", "gone", "--password-file", &password]);
    let gone = addresses(&net, "gone").remove(0);
    net.json(&["wallet", "send", "--from", "carol", &gone, "5"]);
    net.json(&["wallet", "watch", &gone, "--name", "watched"]);
    net.json(&["wallet", "remove", "gone", "--yes"]);
    let send = ["wallet", "send", "--from", "watched", "bob", "1"];
    refused(&net, &send, 3, "keys-missing", &["bezant wallet draft create"]);
    refused(&net, &["wallet", "sign-message", "--wallet", "w", "x"], 2, "usage", &["only watches"]);
    let foreign = bezant_api::address::encode(
        &bezant_consensus::ledger::hash::NetworkId([7; 32]),
        &bezant_consensus::ledger::hash::LockHash([9; 32]),
    );
    refused(&net, &["wallet", "watch", &foreign, "--name", "w"], 2, "usage", &["belongs to another net"]);
    refused(&net, &["wallet", "watch", "bzt1x", "--name", "w"], 2, "usage", &["not an address"]);
    refused(&net, &["wallet", "watch", &alice, "--name", "savings"], 2, "usage", &["keys of its own"]);
    refused(&net, &["wallet", "watch", &alice, "--name", "alice"], 2, "usage", &["already"]);

    // A copy for the till hands out what the wallet itself would have, and watches it from the beginning.
    let till = home(&net).join("till.json").display().to_string();
    let export = ["wallet", "export", "savings", "--watch-only", "--addresses", "2", "--out", &till];
    net.json(&with(&export, &["--password-file", &password]));
    net.json(&["wallet", "import", &till]);
    assert_eq!(addresses(&net, "till"), savings);
    net.json(&["wallet", "address", "--wallet", "savings", "--new", "--password-file", &password]);
    let savings = addresses(&net, "savings");
    pay(&net, &[&savings[1]]);
    assert_eq!(net.balance("till", 0), 2 * BZT, "an address that it has not handed out itself");
    let new = ["wallet", "address", "--wallet", "till", "--new"];
    assert_eq!(net.json(&new)["address"], savings[1].as_str(), "no password is asked for");
    net.json(&new);
    refused(&net, &new, 2, "usage", &["no more addresses to hand out"]);
    // Coins are a reason not to remove a wallet, also one that watches.
    refused(&net, &["wallet", "remove", "savings"], 3, "has-coins", &["2 BZT", "--yes"]);
    assert!(wallet_file(&net, "savings").exists());
    net.run(&["wallet", "remove", "savings", "--yes"]).ended(0);
    net.run(&["wallet", "remove", "till", "--yes"]).ended(0);
    refused(&net, &with(&["wallet", "remove", "w"], NO_NODE), 3, "confirmation-wanted", &["No net was asked"]);
}

#[test]
fn pbft_watches() {
    what_is_watched_is_seen_and_not_spent(&[]);
}

#[test]
fn proof_of_work_watches() {
    what_is_watched_is_seen_and_not_spent(POW);
}

fn a_journal_goes_where_its_wallet_goes(options: &[&str]) {
    let net = Net::up(options);
    let password = password(&net);
    net.json(&["wallet", "new", "savings", "--password-file", &password]);
    pay(&net, &[&addresses(&net, "savings")[0]]);
    until("it is final", LIMIT, || (net.balance("savings", 0) == BZT).then_some(()));
    let send = |from: &str| {
        let arguments =
            ["wallet", "send", "--from", from, "bob", "0.5", "--id", "rent", "--password-file", &password, "--json"];
        net.run(&arguments).ended(0)
    };
    let first = send("savings").json();
    net.json(&["wallet", "rename", "savings", "old"]);
    let again = send("old");
    assert!(again.stderr.contains("this payment was made before"), "{again:?}");
    assert_eq!(again.json()["txid"], first["txid"], "nobody is paid twice");
    let said = ["has 0.4", "nothing was removed"];
    refused(&net, &["wallet", "remove", "old"], 3, "has-coins", &said);
    let removed = net.run(&["wallet", "remove", "old", "--yes"]).ended(0);
    assert!(removed.stderr.contains("repeated by its id would be made again"), "{removed:?}");
    let left: Vec<_> = std::fs::read_dir(home(&net).join("wallets"))
        .expect("a directory")
        .map(|entry| entry.expect("read").file_name())
        .collect();
    assert_eq!(left, [".lock"], "nothing of it is left");
}

#[test]
fn pbft_takes_a_journal_along() {
    a_journal_goes_where_its_wallet_goes(&[]);
}

#[test]
fn proof_of_work_takes_a_journal_along() {
    a_journal_goes_where_its_wallet_goes(POW);
}

fn an_address_signs_what_its_owner_says(options: &[&str]) {
    let net = Net::up(options);
    let password = password(&net);
    net.json(&["wallet", "new", "savings", "--password-file", &password]);
    net.json(&["wallet", "address", "--wallet", "savings", "--new", "--password-file", &password]);
    let own = addresses(&net, "savings");
    let alice = net.json(&["wallet", "sign-message", "--wallet", "alice", "I own this"]);
    let (address, signature) = (text(&alice["address"]), text(&alice["signature"]));
    let plain = net.run(&["wallet", "sign-message", "--wallet", "alice", "I own this"]).ended(0);
    assert_eq!(plain.stdout.trim(), signature, "stdout is the signature, and always the same one");
    // To check it no net is needed.
    net.json(&["testnet", "down"]);
    let nowhere = with(&["wallet", "verify-message", address, "I own this", signature], &[]);
    let mut command = net.command(&nowhere);
    command.env("BEZANT_NET", "none-of-that-name");
    assert!(crate::net::finish(command.spawn().expect("starts"), LIMIT).ended(0).stdout.contains("signature is good"));
    let contract = file(&net, "contract", "one\ntwo\n");
    let sign = ["wallet", "sign-message", "--wallet", "savings", "--file", &contract, "--address", &own[1]];
    refused(&net, &sign, 3, "password-wanted", &["--password-file"]);
    let signed = net.json(&with(&sign, &["--password-file", &password]));
    assert_eq!(signed["address"], own[1].as_str());
    let by_file = ["wallet", "verify-message", &own[1], "--file", &contract, text(&signed["signature"])];
    assert_eq!(net.json(&by_file)["ok"], true);
    assert_eq!(net.json(&["wallet", "verify-message", &own[1], "one\ntwo\n", text(&signed["signature"])])["ok"], true);

    let verify = |address: &str, message: &str, signature: &str, kind: &str, words: &[&str]| {
        refused(&net, &["wallet", "verify-message", address, message, signature], 3, kind, words);
    };
    verify(address, "I own that", signature, "bad-signature", &["did not sign this message"]);
    verify(&own[0], "I own this", signature, "other-address", &[address]);
    verify(address, "I own this", &signature[2..], "malformed-signature", &["194 hex digits"]);
    verify(address, "I own this", "not one", "malformed-signature", &["194 hex digits"]);
    let mut changed = signature.to_owned();
    changed.replace_range(100..101, if &signature[100..101] == "0" { "1" } else { "0" });
    verify(address, "I own this", &changed, "bad-signature", &["did not sign this message"]);
    refused(&net, &["wallet", "verify-message", "bzt1no", "m", signature], 2, "usage", &["not an address"]);
    refused(&net, &["wallet", "verify-message", address, signature], 2, "usage", &["a message and a signature"]);
    let foreign = ["wallet", "sign-message", "--wallet", "savings", "--address", address, "x"];
    refused(&net, &foreign, 2, "usage", &["has no such address"]);
    let wrong = file(&net, "wrong", "something else\n");
    refused(&net, &with(&sign, &["--password-file", &wrong]), 7, "wrong-password", &["does not open"]);
    let large = file(&net, "large", &"x".repeat(1_100_000));
    refused(
        &net,
        &["wallet", "sign-message", "--wallet", "alice", "--file", &large],
        2,
        "usage",
        &["at most 1048576 bytes"],
    );
    // A secret on standard input is never taken for a message.
    let ran = run_with_input(&net, &["wallet", "sign-message", "--wallet", "alice"], PASSWORD).ended(2);
    assert!(!ran.stderr.contains(PASSWORD), "{ran:?}");
}

#[test]
fn pbft_addresses_sign() {
    an_address_signs_what_its_owner_says(&[]);
}

#[test]
fn proof_of_work_addresses_sign() {
    an_address_signs_what_its_owner_says(POW);
}
