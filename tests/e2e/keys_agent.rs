//! A wallet that is unlocked for a while: signs without a password, until the time is over or anything changes.

use crate::keys::{file, home, password, refused, wallet_file, with};
use crate::net::{LIMIT, Net, text, until};
use serde_json::Value;

/// The agent of a test's wallet, which ends with the test.
struct Unlocked<'a> {
    net: &'a Net,
    name: &'a str,
}

impl<'a> Unlocked<'a> {
    #[track_caller]
    fn new(net: &'a Net, name: &'a str, time: &str) -> Unlocked<'a> {
        let password = password(net);
        let ran = net.run(&["wallet", "unlock", name, "--for", time, "--password-file", &password, "--json"]).ended(0);
        assert!(ran.json()["unlocked_until_s"].as_u64() > Some(1_700_000_000), "{ran:?}");
        Unlocked { net, name }
    }
}

impl Drop for Unlocked<'_> {
    fn drop(&mut self) {
        self.net.run(&["wallet", "unlock", self.name, "--end"]);
    }
}

fn until_s(net: &Net, name: &str) -> Value {
    let list = net.json(&["wallet", "list"]);
    let wallets = list["wallets"].as_array().expect("a list");
    wallets.iter().find(|wallet| wallet["wallet"] == name).expect("it is listed")["unlocked_until_s"].clone()
}

/// A command that wants a secret, and whether it got one.
#[track_caller]
fn is_unlocked(net: &Net, name: &str) -> bool {
    let ran = net.run(&["wallet", "sign-message", "--wallet", name, "x", "--json"]);
    match ran.status {
        0 => true,
        3 => {
            assert_eq!(ran.json()["error"]["kind"], "password-wanted", "{ran:?}");
            false
        }
        _ => panic!("{ran:?}"),
    }
}

/// Processes of this home that keep a wallet open, by what they were started with.
#[cfg(target_os = "linux")]
fn agents(net: &Net) -> Vec<u32> {
    let home = home(net).display().to_string();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("Linux has it").map_while(Result::ok) {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if line.contains("wallet hold") && line.contains(&home) {
            found.extend(entry.file_name().to_string_lossy().parse::<u32>());
        }
    }
    found
}

fn a_net_with_savings(options: &[&str]) -> Net {
    let net = Net::up(options);
    let password = password(&net);
    net.json(&["wallet", "new", "savings", "--password-file", &password]);
    let address = net.json(&["wallet", "address", "--wallet", "savings"]);
    net.send("alice", text(&address["address"]), "5", &["--wait", "included"]);
    net.await_synced();
    net
}

fn unlocked_it_signs_without_a_password(options: &[&str]) {
    let net = a_net_with_savings(options);
    let password = password(&net);
    assert!(!is_unlocked(&net, "savings"));
    let unlocked = Unlocked::new(&net, "savings", "10m");
    assert!(until_s(&net, "savings").is_u64());
    let list = net.run(&["wallet", "list"]).ended(0);
    assert!(list.stdout.contains("unlocked until 20") && list.stdout.contains(" UTC"), "{list:?}");
    let sent = net.json(&["wallet", "send", "--from", "savings", "bob", "1", "--wait", "included"]);
    assert_eq!(sent["status"], "included");
    let more = net.json(&["wallet", "address", "--wallet", "savings", "--new"]);
    assert_eq!(more["addresses"].as_array().map(Vec::len), Some(2), "{more}");
    assert!(is_unlocked(&net, "savings"), "also after the file was written anew");
    net.json(&["wallet", "discover", "savings"]);
    // Words are for ever, and so is a password: for those the password itself is wanted. One that is given is not passed over.
    refused(&net, &["wallet", "export", "savings", "--words"], 3, "password-wanted", &["--password-file"]);
    let wrong = file(&net, "wrong", "something else\n");
    let sign = ["wallet", "sign-message", "--wallet", "savings", "x", "--password-file", &wrong];
    refused(&net, &sign, 7, "wrong-password", &["does not open"]);
    refused(
        &net,
        &["wallet", "passwd", "savings", "--new-password-file", &wrong],
        3,
        "password-wanted",
        &["--password-file"],
    );
    drop(unlocked);
    assert!(!is_unlocked(&net, "savings") && until_s(&net, "savings").is_null());
    let ended = net.json(&["wallet", "unlock", "savings", "--end"]);
    assert_eq!(ended["ended"], false, "there is nothing to end any more");
    let unlock = ["wallet", "unlock", "savings", "--password-file"];
    refused(&net, &with(&unlock, &[&wrong]), 7, "wrong-password", &["does not open"]);
    refused(&net, &with(&unlock, &[&password, "--for", "25h"]), 2, "usage", &["24h"]);
    refused(&net, &with(&unlock, &[&password, "--for", "0s"]), 2, "usage", &["24h"]);
    refused(&net, &["wallet", "unlock", "savings"], 3, "password-wanted", &["--password-file"]);
    refused(&net, &["wallet", "unlock", "alice"], 2, "usage", &["of yours"]);
    assert!(!is_unlocked(&net, "savings"));
}

#[test]
fn pbft_unlocked_it_signs_without_a_password() {
    unlocked_it_signs_without_a_password(&[]);
}

#[test]
fn proof_of_work_unlocked_it_signs_without_a_password() {
    unlocked_it_signs_without_a_password(&["--engine", "pow", "--block-time", "1s"]);
}

#[cfg(target_os = "linux")]
#[test]
fn it_ends_with_its_time_and_with_whatever_changes_the_wallet() {
    let net = Net::up(&[]);
    let password = password(&net);
    let make = |name: &str| net.json(&["wallet", "new", name, "--password-file", &password]);
    make("savings");
    // Its own time.
    let _short = Unlocked::new(&net, "savings", "2s");
    until("the time is over", LIMIT, || agents(&net).is_empty().then_some(()));
    assert!(!is_unlocked(&net, "savings"));
    // A second unlocking replaces the first.
    let _first = Unlocked::new(&net, "savings", "10m");
    let _second = Unlocked::new(&net, "savings", "20m");
    until("there is one", LIMIT, || (agents(&net).len() == 1).then_some(()));
    assert!(is_unlocked(&net, "savings"));
    // A new password.
    let new = file(&net, "new", "another long password\n");
    net.json(&["wallet", "passwd", "savings", "--password-file", &password, "--new-password-file", &new]);
    until("the agent has ended", LIMIT, || agents(&net).is_empty().then_some(()));
    net.json(&["wallet", "passwd", "savings", "--password-file", &new, "--new-password-file", &password]);
    assert!(!is_unlocked(&net, "savings"));
    // Another name.
    let _renamed = Unlocked::new(&net, "savings", "10m");
    net.json(&["wallet", "rename", "savings", "other"]);
    until("the agent has ended", LIMIT, || agents(&net).is_empty().then_some(()));
    assert!(!is_unlocked(&net, "other"));
    // The end of the wallet; one of the same name is another.
    let _removed = Unlocked::new(&net, "other", "10m");
    net.run(&["wallet", "remove", "other", "--yes"]).ended(0);
    until("the agent has ended", LIMIT, || agents(&net).is_empty().then_some(()));
    make("other");
    assert!(!is_unlocked(&net, "other"));
    // A file that was swapped behind the agent's back: what is kept does not open it.
    make("third");
    let _third = Unlocked::new(&net, "third", "10m");
    std::fs::copy(wallet_file(&net, "other"), wallet_file(&net, "third")).expect("can be copied");
    assert!(!is_unlocked(&net, "third") && until_s(&net, "third").is_null());
    net.json(&["wallet", "unlock", "third", "--end"]);
    // Its death: its socket stays, and hinders nobody.
    let _killed = Unlocked::new(&net, "other", "10m");
    for agent in agents(&net) {
        crate::net::signal(agent, nix::sys::signal::Signal::SIGKILL);
    }
    until("the agent is gone", LIMIT, || agents(&net).is_empty().then_some(()));
    assert!(!is_unlocked(&net, "other"));
    let _again = Unlocked::new(&net, "other", "10m");
    assert!(is_unlocked(&net, "other"));
    // Neither its memory nor its arguments tell the secret to others.
    for agent in agents(&net) {
        let line = std::fs::read(format!("/proc/{agent}/cmdline")).expect("it runs");
        assert_eq!(
            line.split(|byte| *byte == 0).filter(|part| !part.is_empty()).count(),
            5,
            "program, wallet, hold, socket, time"
        );
        let limits = std::fs::read_to_string(format!("/proc/{agent}/limits")).expect("it runs");
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("a limit");
        assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
    }
}

#[test]
fn whoever_may_enter_where_it_listens_is_looked_at() {
    use std::os::unix::fs::PermissionsExt;
    let net = Net::empty();
    let password = password(&net);
    net.json(&["wallet", "new", "savings", "--password-file", &password]);
    let runtime = home(&net).join("runtime");
    std::fs::create_dir_all(runtime.join("bezant")).expect("can be made");
    std::fs::set_permissions(runtime.join("bezant"), std::fs::Permissions::from_mode(0o755)).expect("can be set");
    let run = |arguments: &[&str]| {
        let mut command = net.command(arguments);
        command.env("XDG_RUNTIME_DIR", &runtime);
        crate::net::finish(command.spawn().expect("starts"), LIMIT)
    };
    let unlock = ["wallet", "unlock", "savings", "--for", "60s", "--password-file", &password];
    let ran = run(&unlock).ended(1);
    assert!(ran.stderr.contains("others may enter") && ran.stderr.contains("chmod 700"), "{ran:?}");
    std::fs::set_permissions(runtime.join("bezant"), std::fs::Permissions::from_mode(0o700)).expect("can be set");
    run(&unlock).ended(0);
    let sockets: Vec<_> = std::fs::read_dir(runtime.join("bezant")).expect("a directory").collect();
    assert_eq!(sockets.len(), 1);
    assert!(
        run(&[
            "wallet",
            "export",
            "savings",
            "--watch-only",
            "--addresses",
            "1",
            "--out",
            &home(&net).join("w").display().to_string()
        ])
        .status
            == 0
    );
    assert!(run(&["wallet", "unlock", "savings", "--end"]).ended(0).stdout.contains("locked again"));
    assert_eq!(std::fs::read_dir(runtime.join("bezant")).expect("a directory").count(), 0);
}
