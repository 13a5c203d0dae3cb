//! Receipts: asked of a running net, checked after it is gone, by whoever has the genesis and nothing else.

use crate::net::{LIMIT, Net, Ran, text, until};
use bezant_consensus::limits::RECEIPT_TEXT_BYTES_MAX;
use std::path::{Path, PathBuf};

/// A home without a net, beside which stand the files that somebody was sent.
struct Elsewhere {
    net: Net,
    genesis: PathBuf,
}

impl Elsewhere {
    fn new(genesis: &str) -> Elsewhere {
        let net = Net::empty();
        std::fs::create_dir_all(net.dir()).expect("a directory can be made");
        let file = net.dir().join("genesis-of-theirs.toml");
        std::fs::write(&file, genesis).expect("writes");
        Elsewhere { net, genesis: file }
    }

    fn verify(&self, receipt: &Path, more: &[&str]) -> Ran {
        let (receipt, genesis) = (receipt.display().to_string(), self.genesis.display().to_string());
        self.net.run(&[&["wallet", "verify-receipt", &receipt, "--genesis", &genesis], more].concat())
    }

    /// Refused with this reason, in words and in JSON; nothing is said on the other channel.
    #[track_caller]
    fn refuses(&self, receipt: &Path, more: &[&str], kind: &str) {
        let said = self.verify(receipt, more).ended(3);
        assert!(said.stdout.is_empty() && said.stderr.starts_with("error: "), "{said:?}");
        let told = self.verify(receipt, &[more, &["--json"]].concat()).ended(3);
        assert_eq!(told.json()["error"]["kind"], kind, "{told:?}");
        assert!(told.stderr.is_empty(), "{told:?}");
    }

    /// A file with other content.
    fn file(&self, content: impl AsRef<[u8]>) -> PathBuf {
        let file = self.net.dir().join("changed.receipt");
        std::fs::write(&file, content).expect("writes");
        file
    }

    /// Of some hundred single-bit changes none passes.
    #[track_caller]
    fn refuses_changes_of(&self, receipt: &Path) {
        let original = std::fs::read(receipt).expect("the receipt is there");
        for place in (0..original.len()).step_by(original.len() / 24) {
            let mut changed = original.clone();
            changed[place] ^= 1 << (place % 8);
            let ran = self.verify(&self.file(changed), &["--json"]).ended(3);
            assert!(text(&ran.json()["error"]["kind"]).starts_with("receipt-"), "{ran:?}");
        }
        let crlf = String::from_utf8(original.clone()).expect("a receipt is text").replace('\n', "\r\n");
        self.refuses(&self.file(crlf), &[], "receipt-not-canonical");
        self.refuses(&self.file(&original[..original.len() / 2]), &[], "receipt-malformed");
        self.refuses(&self.file("hello"), &[], "receipt-malformed");
        let long = std::fs::File::create(self.net.dir().join("long.receipt")).expect("a file can be made");
        long.set_len(RECEIPT_TEXT_BYTES_MAX as u64 + 1).expect("it can be sparse");
        self.refuses(&self.net.dir().join("long.receipt"), &[], "receipt-too-long");
    }
}

#[test]
fn a_payment_under_pbft_is_proved_after_the_net_is_gone() {
    let net = Net::up(&["--observers", "1"]);
    let genesis = net.run(&["genesis", "show"]).ended(0).stdout;
    let sent = net.send("alice", "bob", "12.5", &[]);
    let txid = text(&sent["txid"]).to_owned();
    let bob = text(&net.json(&["wallet", "address", "--wallet", "bob"])["address"]).to_owned();
    let file = net.dir().join("bob.receipt");
    let out = file.display().to_string();
    let made = net.json(&["wallet", "receipt", &txid, "--out", &out]);
    assert_eq!(made["file"], out.as_str());
    assert!(made["bytes"].as_u64() < Some(2_000), "{made}");
    // To stdout it is the same text, and nothing else.
    let shown = net.run(&["wallet", "receipt", &txid]).ended(0);
    let receipt = std::fs::read_to_string(&file).expect("the receipt is there");
    assert_eq!(shown.stdout, receipt);
    assert!(shown.stderr.contains("12.5 BZT to "), "{shown:?}");
    assert_eq!(net.json(&["wallet", "receipt", &txid])["receipt"], receipt);
    // Not over a file that is there.
    let again = net.run(&["wallet", "receipt", &txid, "--out", &out, "--json"]).ended(2);
    assert_eq!(again.json()["error"]["kind"], "file-exists");
    net.run(&["wallet", "receipt", &txid, "--out", &out, "--force"]).ended(0);
    assert_eq!(std::fs::read_to_string(&file).ok(), Some(receipt));
    // Later, with another set of members, the receipt proves how they became that.
    net.json(&["testnet", "validator", "add", "4"]);
    let later = net.send("bob", "carol", "1", &[]);
    let second = net.dir().join("carol.receipt");
    net.json(&["wallet", "receipt", text(&later["txid"]), "--out", &second.display().to_string()]);
    let unknown = net.run(&["wallet", "receipt", &"ab".repeat(32), "--json"]).ended(1);
    assert_eq!(unknown.json()["error"]["kind"], "not-found", "{unknown:?}");
    net.json(&["testnet", "down"]);
    assert_eq!(net.run(&["wallet", "receipt", &txid]).status, 6);

    let default = net.run(&["wallet", "verify-receipt", &out, "--json"]).ended(0).json();
    assert_eq!(default, made["proves"], "the net's own genesis file is enough");
    drop(net.run(&["wallet", "verify-receipt", &out, "--min-work", "1"]).ended(2));
    let kept = [&file, &second].map(|file| std::fs::read(file).expect("the receipt is there"));
    drop(net);

    let elsewhere = Elsewhere::new(&genesis);
    let [file, second] = ["first.receipt", "second.receipt"].map(|name| elsewhere.net.dir().join(name));
    std::fs::write(&file, &kept[0]).expect("writes");
    std::fs::write(&second, &kept[1]).expect("writes");
    let said = elsewhere.verify(&file, &[]).ended(0);
    assert!(said.stdout.starts_with("the receipt holds\n") && said.stderr.is_empty(), "{said:?}");
    assert!(said.stdout.contains(&format!("paid        12.5 BZT to {bob}\n")), "{said:?}");
    assert!(said.stdout.contains(&txid) && said.stdout.contains("final       signed by members "), "{said:?}");
    let view = elsewhere.verify(&file, &["--json"]).ended(0).json();
    assert_eq!((&view["txid"], &view["height"]), (&sent["txid"], &sent["height"]));
    assert_eq!((&view["block"], &view["fee"]), (&sent["block"], &sent["fee"]));
    let outputs = view["outputs"].as_array().expect("a list");
    assert!(outputs.iter().any(|it| it["address"] == bob.as_str() && it["amount"] == "1250000000"), "{view}");
    assert_eq!(view["pbft"]["signers"].as_array().map(Vec::len), Some(3), "{view}");
    let view = elsewhere.verify(&second, &["--json"]).ended(0).json();
    assert_eq!((&view["pbft"]["epoch"], &view["pbft"]["members"]), (&1.into(), &5.into()), "{view}");
    assert!(elsewhere.verify(&second, &[]).stdout.contains("changed 1 time"), "in words too");
    elsewhere.refuses_changes_of(&file);
    elsewhere.refuses_changes_of(&second);
    // Of another net: said, with what to do.
    let allocation = format!("{}=1", "ab".repeat(32));
    let other = ["genesis", "new", "--engine", "pow", "--allocation", &allocation];
    std::fs::write(&elsewhere.genesis, elsewhere.net.run(&other).ended(0).stdout).expect("writes");
    elsewhere.refuses(&file, &[], "receipt-other-net");
    assert!(elsewhere.verify(&file, &[]).stderr.contains("--genesis FILE"));
    // No receipt, no genesis, no net.
    assert_eq!(elsewhere.verify(Path::new("/nowhere/receipt"), &[]).status, 2);
    std::fs::write(&elsewhere.genesis, "nonsense").expect("writes");
    assert_eq!(elsewhere.verify(&file, &[]).status, 2);
    let none = elsewhere.net.run(&["wallet", "verify-receipt", &file.display().to_string(), "--net", "nowhere"]);
    assert_eq!(none.status, 6, "{none:?}");
}

#[test]
fn a_payment_under_proof_of_work_is_proved_with_all_its_work() {
    let net = Net::up(&["--engine", "pow", "--block-time", "1s"]);
    let genesis = net.run(&["genesis", "show"]).ended(0).stdout;
    let sent = net.send("alice", "bob", "12.5", &["--wait", "included", "--timeout", "120s"]);
    let txid = text(&sent["txid"]).to_owned();
    for node in ["0", "1", "2", "3"] {
        net.json(&["testnet", "hashrate", node, "0"]);
    }
    net.json(&["testnet", "mine", "6"]);
    net.await_synced();
    let file = net.dir().join("bob.receipt");
    let out = file.display().to_string();
    let made = until("the payment has its place", LIMIT, || {
        let ran = net.run(&["wallet", "receipt", &txid, "--out", &out, "--json"]);
        (ran.status == 0).then(|| ran.json())
    });
    let status = net.block_on(net.client(1).status()).expect("the node answers");
    let total = status.pow.expect("this is proof of work").work;
    let receipt = std::fs::read(&file).expect("the receipt is there");
    net.json(&["testnet", "down"]);
    drop(net);

    let elsewhere = Elsewhere::new(&genesis);
    let file = elsewhere.net.dir().join("bob.receipt");
    std::fs::write(&file, receipt).expect("writes");
    let view = elsewhere.verify(&file, &["--json"]).ended(0).json();
    assert_eq!(view, made["proves"]);
    let pow = &view["pow"];
    assert_eq!((text(&pow["tip"]), text(&pow["work"])), (&*status.tip, &*total));
    assert_eq!(pow["tip_height"], status.height);
    assert_eq!(pow["excludes_heavier_chains"], false);
    let (height, confirmations) = (view["height"].as_u64().unwrap_or(0), pow["confirmations"].as_u64().unwrap_or(0));
    assert_eq!(confirmations, status.height - height + 1, "{view}");
    assert!(confirmations >= 6 && view["is_final"] == true, "{view}");
    let said = elsewhere.verify(&file, &[]).ended(0);
    for part in ["paid        12.5 BZT to bzt1", " confirmations (final", "on top of the block", "heavier chain"] {
        assert!(said.stdout.contains(part), "{part}: {said:?}");
    }
    // What convinces is for the reader to say.
    let (more, deeper) = (format!("{total}0"), (confirmations + 1).to_string());
    elsewhere.verify(&file, &["--min-work", &total]).ended(0);
    elsewhere.refuses(&file, &["--min-work", &more], "receipt-too-little-work");
    elsewhere.verify(&file, &["--confirmations", &confirmations.to_string()]).ended(0);
    elsewhere.refuses(&file, &["--confirmations", &deeper], "receipt-too-few-confirmations");
    let trusted = elsewhere.verify(&file, &["--trusted-header", text(&pow["tip"])]).ended(0);
    assert!(trusted.stdout.contains("as sure as that one"), "{trusted:?}");
    elsewhere.refuses(&file, &["--trusted-header", &"ab".repeat(32)], "receipt-untrusted");
    assert_eq!(elsewhere.verify(&file, &["--min-work", "lots"]).status, 2);
    assert_eq!(elsewhere.verify(&file, &["--trusted-header", "12"]).status, 2);
    elsewhere.refuses_changes_of(&file);
}
