//! Drafts: made without keys, signed apart and offline, combined in any order, sent once; in both engines.

use crate::locks::{BZT, FUNDED, POW, World, fee};
use crate::net::{LIMIT, Ran, finish, text};
use serde_json::Value;
use std::path::PathBuf;
use tempfile::TempDir;

struct Desk {
    world: World,
    dir: TempDir,
}

impl Desk {
    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    /// `draft …`, which is to succeed and print JSON.
    #[track_caller]
    fn draft(&self, arguments: &[&str]) -> Value {
        self.world.net.json(&[&["wallet", "draft"], arguments].concat())
    }

    #[track_caller]
    fn bytes(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).expect("a file was written")
    }

    /// Somebody else's machine: another home, which knows no net and no node.
    fn elsewhere(&self, arguments: &[&str]) -> Ran {
        let mut command = self.world.net.command(arguments);
        command.env("BEZANT_HOME", self.dir.path().join("elsewhere"));
        finish(command.spawn().expect("the program starts"), LIMIT)
    }
}

/// Two of three sign apart; whatever the order, it is one transaction, paid once.
fn two_of_three(desk: &Desk) {
    let net = &desk.world.net;
    net.json(&["wallet", "lock", "multisig", "club", "--of", "2", "alice", "bob", "carol"]);
    desk.world.pay(&["wallet", "send", "--from", "alice", "club", "10"]);
    let file = |name: &str| desk.path(name);
    let (blank, a, c) = (file("blank"), file("a"), file("c"));
    let made = desk.draft(&["create", "--from", "club", "dave", "3", "--out", &blank]);
    assert_eq!(made["complete"], false, "{made}");
    assert_eq!(made["inputs"][0]["missing"], "needs 2 of: alice, bob, carol", "{made}");
    assert_eq!(
        (&made["outputs"][0]["name"], &made["outputs"][0]["returns"]),
        (&"dave".into(), &false.into()),
        "{made}"
    );
    assert_eq!((&made["outputs"][1]["name"], &made["outputs"][1]["returns"]), (&"club".into(), &true.into()), "{made}");
    let by_alice = net.run(&["wallet", "draft", "sign", &blank, "--wallet", "alice", "--out", &a]).ended(0);
    assert!(by_alice.stderr.contains("pays 3 BZT to bzt1"), "{by_alice:?}");
    assert!(by_alice.stderr.contains("lock: 2 of 3: alice, bob, carol"), "{by_alice:?}");
    assert!(by_alice.stdout.contains("written to"), "{by_alice:?}");
    let shown = desk.draft(&["show", &a]);
    assert_eq!(shown["inputs"][0]["signed"], serde_json::json!(["alice"]), "{shown}");
    assert_eq!(shown["inputs"][0]["missing"], "needs one more of: bob, carol", "{shown}");
    let needs = "needs one more of: bob, carol";
    desk.world.refused(&["wallet", "draft", "finalize", &a], 3, "incomplete-draft", needs);
    desk.world.refused(&["wallet", "draft", "send", &a], 3, "incomplete-draft", needs);
    let again = ["wallet", "draft", "sign", &a, "--wallet", "alice"];
    desk.world.refused(&again, 3, "nothing-to-sign", "have signed already");
    desk.world.refused(&["wallet", "draft", "sign", &a, "--wallet", "erin"], 3, "nothing-to-sign", "none of its keys");
    desk.draft(&["sign", &blank, "--wallet", "carol", "--out", &c]);
    let (ac, ca) = (file("ac"), file("ca"));
    desk.draft(&["combine", &a, &c, "--out", &ac]);
    desk.draft(&["combine", &c, &blank, &a, &c, "--out", &ca]);
    assert_eq!(desk.bytes("ac"), desk.bytes("ca"));
    desk.world.refused(&["wallet", "draft", "combine", &a, &c, "--out", &ac], 2, "usage", "--force");
    // One after the other on one file: another pair, the same id.
    let (b, ba) = (file("b"), file("ba"));
    desk.draft(&["sign", &blank, "--wallet", "bob", "--out", &b]);
    desk.draft(&["sign", &b, "--wallet", "alice", "--out", &ba]);
    let final_ac = desk.draft(&["finalize", &ac]);
    let final_ba = desk.draft(&["finalize", &ba]);
    assert_eq!(final_ac["txid"], final_ba["txid"]);
    assert_ne!(final_ac["hex"], final_ba["hex"]);
    assert_eq!(desk.draft(&["send", &ac, "--dry-run"])["status"], "dry-run");
    let sent = desk.world.pay(&["wallet", "draft", "send", &ac]);
    assert_eq!(sent["txid"], made["txid"]);
    // Again, and with the other pair of signatures: it is followed, nobody is paid twice.
    for other in [&ac, &ba] {
        let again = desk.draft(&["send", other, "--wait", "included"]);
        assert_eq!(again["txid"], made["txid"]);
        assert!(["included", "final"].contains(&text(&again["status"])), "{again}");
    }
    assert_eq!(desk.world.balance("dave"), FUNDED + 3 * BZT);
    assert_eq!(desk.world.balance("club"), 7 * BZT - fee(&sent));
}

/// A signer on a machine without a net or node: only the genesis and the draft.
fn offline(desk: &Desk) {
    let net = &desk.world.net;
    let (password, genesis) = (desk.path("password"), desk.path("genesis.toml"));
    std::fs::write(&password, "correct horse\n").expect("a file");
    let shown = net.run(&["genesis", "show"]).ended(0);
    std::fs::write(&genesis, &shown.stdout).expect("a file");
    desk.elsewhere(&["wallet", "new", "signer", "--password-file", &password]).ended(0);
    let rpc = net.manifest().nodes[0].rpc.clone();
    let address = desk.elsewhere(&["wallet", "address", "--wallet", "signer", "--rpc", &rpc]).ended(0);
    let address = address.stdout.trim().to_owned();
    // Made of an address: nobody here knows the signer's key.
    net.json(&["wallet", "lock", "multisig", "joint", "--of", "2", "alice", &address]);
    desk.world.pay(&["wallet", "send", "--from", "bob", "joint", "6"]);
    desk.world.refused(&["wallet", "send", "--from", "joint", "erin", "1"], 3, "keys-missing", "needs bzt1");
    let (blank, theirs, all) = (desk.path("j"), desk.path("j-theirs"), desk.path("j-all"));
    desk.draft(&["create", "--from", "joint", "erin", "1", "--out", &blank]);
    let sign = ["wallet", "draft", "sign", &blank, "--genesis", &genesis, "--out", &theirs];
    // Without its net nothing is signed, and without the right password neither.
    desk.elsewhere(&["wallet", "draft", "sign", &blank, "--out", &theirs]).ended(6);
    let wrong = desk.path("wrong");
    std::fs::write(&wrong, "wrong\n").expect("a file");
    desk.elsewhere(&[&sign[..], &["--password-file", &wrong]].concat()).ended(7);
    desk.elsewhere(&sign).ended(3);
    let signed = desk.elsewhere(&[&sign[..], &["--password-file", &password]].concat()).ended(0);
    let erin = net.json(&["wallet", "address", "--wallet", "erin"]);
    assert!(signed.stderr.contains(&format!("pays 1 BZT to {}", text(&erin["address"]))), "{signed:?}");
    // The change goes to a lock that this machine does not have as a wallet: it is not called change there.
    assert!(!signed.stderr.contains("returns"), "{signed:?}");
    desk.draft(&["sign", &theirs, "--wallet", "alice", "--out", &all]);
    let sent = desk.world.pay(&["wallet", "draft", "send", &all]);
    assert_eq!(desk.world.balance("erin"), FUNDED + BZT);
    assert_eq!(desk.world.balance("joint"), 5 * BZT - fee(&sent));
    // Another net's genesis.
    let salt = shown.stdout.lines().find(|line| line.starts_with("salt")).expect("a genesis has a salt");
    let digit = salt.trim_end_matches('"').chars().last().expect("a digit");
    let other = format!("{}{}\"", &salt[..salt.len() - 2], if digit == '0' { '1' } else { '0' });
    std::fs::write(&genesis, shown.stdout.replace(salt, &other)).expect("a file");
    let foreign = desk.elsewhere(&[&sign[..], &["--password-file", &password, "--json"]].concat()).ended(3);
    assert_eq!(foreign.json()["error"]["kind"], "other-net", "{foreign:?}");
}

/// Ordinary wallets, vaults and hash locks too; and what is refused.
fn other_locks_and_refusals(desk: &Desk) {
    let net = &desk.world.net;
    let (plain, signed) = (desk.path("plain"), desk.path("plain-signed"));
    let before = desk.world.balance("frank");
    desk.draft(&["create", "--from", "grace", "--pay", "frank=1", "--pay", "heidi=2", "--out", &plain]);
    let done = desk.draft(&["sign", &plain, "--out", &signed]);
    assert_eq!((&done["complete"], &done["inputs"][0]["missing"]), (&true.into(), &Value::Null), "{done}");
    desk.world.pay(&["wallet", "draft", "send", &signed]);
    assert_eq!(desk.world.balance("frank"), before + BZT);
    // A vault: its branch is fixed when the draft is made.
    let vault = ["wallet", "lock", "vault", "safe", "--together", "alice", "bob", "--later", "bob", "--blocks", "2000"];
    net.json(&vault);
    let secret = desk.path("secret");
    net.json(&["wallet", "lock", "hash", "deal", "--for", "bob", "--new-preimage", &secret]);
    desk.world.pay(&["wallet", "send", "--from", "alice", "--pay", "safe=5", "--pay", "deal=5"]);
    let later =
        net.run(&["wallet", "draft", "create", "--from", "safe", "frank", "1", "--with", "bob", "--json"]).ended(0);
    assert_eq!(later.json()["inputs"][0]["conditions"][0], "once a coin is 2,000 blocks old", "{later:?}");
    assert!(later.stderr.contains("only later"), "{later:?}");
    let early = desk.path("early");
    std::fs::write(&early, text(&later.json()["draft"])).expect("a file");
    let early_signed = desk.path("early-signed");
    desk.draft(&["sign", &early, "--out", &early_signed]);
    desk.world.refused(&["wallet", "draft", "send", &early_signed], 3, "tx-locked", "");
    desk.world.refused(
        &["wallet", "draft", "create", "--from", "safe", "frank", "1", "--with", "alice"],
        3,
        "keys-missing",
        "bob",
    );
    // A preimage comes when it is known.
    let (deal, deal_signed) = (desk.path("deal"), desk.path("deal-signed"));
    desk.draft(&["create", "--from", "deal", "frank", "1", "--out", &deal]);
    desk.draft(&["sign", &deal, "--out", &deal_signed]);
    desk.world.refused(&["wallet", "draft", "send", &deal_signed], 3, "incomplete-draft", "the preimage of");
    desk.world.pay(&["wallet", "draft", "send", &deal_signed, "--preimage-file", &secret]);
    assert_eq!(desk.world.balance("frank"), before + 2 * BZT);
    // Fees that look like a mistake, for whoever makes it and for whoever is to sign it.
    let dear = ["wallet", "draft", "create", "--from", "safe", "frank", "1", "--fee-rate", "900000"];
    desk.world.refused(&dear, 3, "fee-too-high", "--allow-high-fee");
    let costly = desk.path("costly");
    net.json(&[&dear[..], &["--allow-high-fee", "--out", &costly]].concat());
    desk.world.refused(&["wallet", "draft", "sign", &costly], 3, "fee-too-high", "--allow-high-fee");
    // Damage, and what is no draft at all.
    let damaged = desk.path("damaged");
    let mut bytes = desk.bytes("plain");
    let middle = bytes.len() / 2;
    bytes[middle] = if bytes[middle] == b'A' { b'B' } else { b'A' };
    std::fs::write(&damaged, bytes).expect("a file");
    desk.world.refused(&["wallet", "draft", "show", &damaged], 3, "damaged-draft", "checksum");
    desk.world.refused(&["wallet", "draft", "show", &secret], 3, "malformed-draft", "begins one is missing");
    desk.world.refused(&["wallet", "draft", "show", &desk.path("none")], 2, "usage", "none");
    desk.world.refused(&["wallet", "draft", "combine", &plain, &deal], 3, "different-drafts", "different transfers");
}

fn drafts(options: &[&str]) {
    let desk = Desk { world: World::up(options), dir: tempfile::tempdir().expect("a temporary directory") };
    two_of_three(&desk);
    offline(&desk);
    other_locks_and_refusals(&desk);
    assert!(PathBuf::from(desk.path("elsewhere")).exists());
}

#[test]
fn pbft_pays_by_drafts_that_several_sign() {
    drafts(&[]);
}

#[test]
fn proof_of_work_pays_by_drafts_that_several_sign() {
    drafts(POW);
}
