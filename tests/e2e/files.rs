//! Every file that the program reads, damaged in every way that a disk or an editor damages files: the answer is a clear error
//! and an exit status of the contract, never a panic, and with the file back in order everything goes on.

use crate::net::{Net, Ran};
use std::path::{Path, PathBuf};

/// Bytes of the oversized variant: more than any of these files has a use for.
const OVERSIZED_BYTES: usize = 5_000_000;

/// Empty, cut in half, not text, too long, and right but for its first byte.
fn damaged(original: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let noise = (0..400u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let mut first_byte = original.to_vec();
    // No longer a character of any text format.
    first_byte[0] ^= 0x80;
    vec![
        ("empty", Vec::new()),
        ("truncated", original[..original.len() / 2].to_vec()),
        ("noise", noise),
        ("oversized", vec![b'x'; OVERSIZED_BYTES]),
        ("first byte", first_byte),
    ]
}

#[track_caller]
fn is_refused(file: &Path, damage: &str, ran: &Ran) {
    let place = format!("{} {damage}: {ran:?}", file.display());
    assert!([1, 2, 6, 7].contains(&ran.status), "{place}");
    assert!(ran.stderr.contains("error: "), "{place}");
    assert!(!ran.stderr.contains("panicked") && !ran.stderr.contains("RUST_BACKTRACE"), "{place}");
}

/// Runs `command` with each kind of damage in `file`, and puts the file back.
#[track_caller]
fn each_damage_is_refused(net: &Net, file: &Path, command: &[&str]) {
    let original = std::fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    for (damage, bytes) in damaged(&original) {
        std::fs::write(file, bytes).expect("can be written");
        is_refused(file, damage, &net.run(command));
    }
    std::fs::write(file, original).expect("can be written");
}

#[test]
fn a_damaged_file_is_named_and_harms_nothing() {
    let net = Net::up(&[]);
    let dir = net.dir();
    let run_json = dir.join("run.json");
    each_damage_is_refused(&net, &run_json, &["testnet", "status"]);
    each_damage_is_refused(
        &net,
        &dir.join("wallets").join("alice.json"),
        &["wallet", "send", "--from", "alice", "bob", "1"],
    );
    assert_eq!(net.send("alice", "bob", "1", &[])["status"], "final", "with the files back all is well");
    net.run(&["testnet", "down"]).ended(0);

    let up = ["testnet", "up", "--detach"];
    let node = dir.join("node2");
    let read_at_start: [PathBuf; 4] = [
        dir.join("net.json"),
        dir.join("genesis.toml"),
        node.join("validator.key"),
        node.join("data").join("node.key"),
    ];
    for file in &read_at_start {
        each_damage_is_refused(&net, file, &up);
    }
    let (genesis, config) = (dir.join("genesis.toml"), node.join("node.toml"));
    let text = |path: &Path| path.to_str().expect("test paths are text").to_owned();
    each_damage_is_refused(&net, &genesis, &["genesis", "check", &text(&genesis)]);
    each_damage_is_refused(&net, &config, &["config", "check", &text(&config)]);
    each_damage_is_refused(&net, &config, &["node", "--config", &text(&config)]);
    net.start(&[]);
    assert_eq!(net.send("bob", "carol", "1", &[])["status"], "final", "nothing was harmed");
    net.check();
}
