//! Names for addresses, payment URIs, QR codes and completions.

use crate::net::{LIMIT, Net, finish, text};
use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use std::io::Read;
use std::path::PathBuf;
use std::process::Command;

const FUNDED: u64 = 1_000_000 * 100_000_000;
const BZT: u64 = 100_000_000;
const POW: &[&str] = &["--engine", "pow", "--block-time", "1s"];
const WAIT: [&str; 4] = ["--wait", "included", "--timeout", "120s"];

#[track_caller]
fn refused(net: &Net, arguments: &[&str], status: i32) -> String {
    let ran = net.run(&[arguments, &["--json"]].concat()).ended(status);
    text(&ran.json()["error"]["message"]).to_owned()
}

fn home(net: &Net) -> PathBuf {
    PathBuf::from(&net.environment()[0].1)
}

fn address(net: &Net, wallet: &str) -> String {
    text(&net.json(&["wallet", "address", "--wallet", wallet])["address"]).to_owned()
}

fn contacts_are_paid(net: &Net) {
    let bob = address(net, "bob");
    assert_eq!(net.json(&["wallet", "contacts", "list"])["contacts"], serde_json::json!([]));
    let added = net.run(&["wallet", "contacts", "add", "shop", &bob]).ended(0);
    assert!(added.stdout.contains("shop") && added.stdout.contains(&bob) && added.stderr.is_empty(), "{added:?}");
    net.json(&["wallet", "contacts", "add", "shop", &bob]);
    let carol = address(net, "carol");
    assert!(refused(net, &["wallet", "contacts", "add", "shop", &carol], 2).contains("already"));
    assert!(refused(net, &["wallet", "contacts", "add", "alice", &bob], 2).contains("account"));
    refused(net, &["wallet", "contacts", "add", "x", "bzt1nonsense"], 2);
    refused(net, &["wallet", "contacts", "remove", "nobody"], 2);
    net.json(&[&["wallet", "send", "--from", "alice", "shop", "1"][..], &WAIT].concat());
    net.json(&["wallet", "contacts", "rename", "shop", "grocer"]);
    assert!(refused(net, &["wallet", "contacts", "rename", "grocer", "carol"], 2).contains("account"));
    assert!(
        refused(net, &["wallet", "send", "--from", "alice", "shop", "1"], 2).contains("grocer"),
        "known names are told"
    );
    net.json(&[&["wallet", "send", "--from", "alice", "--pay", "grocer=1"][..], &WAIT].concat());
    assert_eq!(net.balance("bob", 0), FUNDED + 2 * BZT);

    // Somebody wrote a name into the file that is an account's: that one is not paid by its name any more.
    let file = home(net).join("wallets/contacts.toml");
    let line = format!("\n[[contact]]\nname = \"carol\"\naddress = \"{bob}\"\n");
    let before = std::fs::read_to_string(&file).expect("it is there");
    std::fs::write(&file, format!("{before}{line}")).expect("a file");
    let message = refused(net, &["wallet", "send", "--from", "alice", "carol", "1"], 2);
    assert!(message.contains("a contact") && message.contains("an account"), "{message}");
    std::fs::write(&file, before).expect("a file");
    net.json(&["wallet", "contacts", "remove", "grocer"]);
    assert_eq!(net.json(&["wallet", "contacts", "list"])["contacts"], serde_json::json!([]));
    std::fs::write(&file, "nonsense").expect("a file");
    assert!(refused(net, &["wallet", "send", "--from", "alice", "bob", "1"], 1).contains("contacts.toml"));
    std::fs::remove_file(&file).expect("it is there");
}

fn uris_are_paid(net: &Net) {
    let carol = address(net, "carol");
    let made = ["wallet", "address", "--wallet", "carol", "--uri", "--amount", "1.5", "--label", "Café & Co"];
    let uri = text(&net.json(&made)["uri"]).to_owned();
    assert_eq!(uri, format!("bezant:{carol}?amount=1.5&label=Caf%C3%A9%20%26%20Co"));
    assert_eq!(net.run(&made).ended(0).stdout.trim_end(), uri, "alone on stdout");
    let before = net.balance("carol", 0);
    let sent = net.json(&[&["wallet", "send", "--from", "dave", &uri][..], &WAIT].concat());
    assert_eq!(net.balance("carol", 0), before + 3 * BZT / 2);
    let label = net.json(&["wallet", "label", text(&sent["txid"]), "--wallet", "dave"]);
    assert_eq!(label["labels"][0]["label"], "Café & Co");
    net.json(&[&["wallet", "send", "--from", "dave", "--to", &format!("BEZANT:{carol}"), "1"][..], &WAIT].concat());
    net.json(&[&["wallet", "send", "--from", "dave", "--pay", &uri, "--pay", "bob=1"][..], &WAIT].concat());
    assert_eq!(net.balance("carol", 0), before + 4 * BZT);
    for (arguments, why) in [
        (&[uri.as_str(), "2"][..], "another amount"),
        (&[&format!("bezant:{carol}")], "names no amount"),
        (&[&format!("bezant:{carol}?amount=1&req-x=1")], "req-x"),
        (&["bezant:bzt1x?amount=1"], "address"),
        (&["bezant:bob?amount=1"], "address"),
    ] {
        let message = refused(net, &[&["wallet", "send", "--from", "dave"], arguments].concat(), 2);
        assert!(message.contains(why), "{arguments:?}: {message}");
    }
    assert_eq!(net.balance("carol", 0), before + 4 * BZT);
    net.run(&["wallet", "address", "--uri"]).ended(2);
    net.run(&["wallet", "address", "--wallet", "carol", "--amount", "1"]).ended(2);
    // Where nobody looks, a QR code is its text.
    let plain = net.run(&["wallet", "address", "--wallet", "carol", "--qr"]).ended(0);
    assert_eq!(plain.stdout.trim_end(), carol);
}

/// What a command prints on a terminal of this size.
fn on_terminal(net: &Net, arguments: &[&str], columns: u16, rows: u16) -> String {
    let pair = native_pty_system().openpty(PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 });
    let pair = pair.expect("a terminal");
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_bezant"));
    command.args(arguments);
    command.env("BEZANT_HOME", home(net));
    command.env("BEZANT_NET", &net.environment()[1].1);
    let mut child = pair.slave.spawn_command(command).expect("the program starts");
    drop(pair.slave);
    let mut reader = pair.master.try_clone_reader().expect("a reader");
    let mut bytes = Vec::new();
    // The terminal's end is an error on Linux.
    let _ = reader.read_to_end(&mut bytes);
    assert!(child.wait().expect("it ends").success());
    String::from_utf8_lossy(&bytes).into_owned()
}

fn terminals_are_filled(net: &Net) {
    let bob = address(net, "bob");
    let qr = ["wallet", "address", "--wallet", "bob", "--qr"];
    let large = on_terminal(net, &qr, 100, 60);
    assert!(large.contains('█') && large.contains(&bob), "{large}");
    let plain = on_terminal(net, &[&qr[..], &["--color", "never"]].concat(), 100, 60);
    assert!(plain.contains('█') && !plain.contains('\u{1b}'), "{plain:?}");
    for (columns, rows) in [(30, 60), (100, 10)] {
        let small = on_terminal(net, &qr, columns, rows);
        assert!(!small.contains('█') && small.replace(['\r', '\n'], "").contains(&bob), "{small}");
    }
    let coin = net.json(&["wallet", "utxos", "--wallet", "bob"])["utxos"][0]["outpoint"].clone();
    let coin = text(&coin);
    let narrow = on_terminal(net, &["wallet", "utxos", "--wallet", "bob"], 80, 40);
    assert!(!narrow.contains(coin) && narrow.contains(&coin[..4]) && narrow.contains('…'), "{narrow}");
    assert!(narrow.lines().all(|line| line.trim_end().chars().count() <= 80), "{narrow}");
    assert!(on_terminal(net, &["wallet", "utxos", "--wallet", "bob"], 200, 40).contains(coin));
    assert!(net.run(&["wallet", "utxos", "--wallet", "bob"]).ended(0).stdout.contains(coin), "a pipe gets all of it");
}

/// What the shell's script asks the program for.
fn completed(net: &Net, words: &[&str]) -> Vec<String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bezant"));
    command.env("BEZANT_HOME", home(net)).env("BEZANT_COMPLETE", "fish").arg("--").args(words);
    let ran = finish(
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().expect("starts"),
        LIMIT,
    );
    assert_eq!(ran.status, 0, "{ran:?}");
    ran.stdout.lines().map(|line| line.split('\t').next().unwrap_or_default().to_owned()).collect()
}

fn names_are_completed(net: &Net) {
    let bob = address(net, "bob");
    net.json(&["wallet", "contacts", "add", "baker", &bob]);
    let [_, (_, name)] = net.environment();
    let name = name.as_str();
    let wallets = completed(net, &["bezant", "wallet", "balance", "--net", name, "--wallet", "al"]);
    assert_eq!(wallets, ["alice"]);
    let to = completed(net, &["bezant", "wallet", "send", "--net", name, "--from", "alice", "--to", "b"]);
    assert_eq!(to, ["baker", "bob"]);
    let first = completed(net, &["bezant", "wallet", "send", "--net", name, "--from", "alice", "ba"]);
    assert!(first.contains(&"baker".to_owned()), "{first:?}");
    assert_eq!(completed(net, &["bezant", "wallet", "contacts", "remove", "--net", name, "b"]), ["baker"]);
    assert!(completed(net, &["bezant", "wallet", "balance", "--net", ""]).iter().any(|one| one == name));
    assert!(completed(net, &["bezant", "wallet", "contacts", ""]).contains(&"rename".to_owned()));
    net.json(&["wallet", "contacts", "remove", "baker"]);
    for shell in ["bash", "zsh", "fish"] {
        let script = net.run(&["completions", shell]).ended(0).stdout;
        assert!(script.contains("BEZANT_COMPLETE") && script.contains("bezant"), "{shell}: {script}");
    }
}

fn comfort(options: &[&str]) {
    let net = Net::up(options);
    contacts_are_paid(&net);
    uris_are_paid(&net);
    terminals_are_filled(&net);
    names_are_completed(&net);
    net.await_synced();
    net.check();
}

#[test]
fn pbft_pays_contacts_and_uris() {
    comfort(&[]);
}

#[test]
fn proof_of_work_pays_contacts_and_uris() {
    comfort(POW);
}
