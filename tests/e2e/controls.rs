//! Controls of a net that need no fault: the faucet, load with its reports, and files for other machines.

use crate::net::{Net, text};
use std::os::unix::fs::PermissionsExt;

#[test]
fn the_faucet_pays_names_and_addresses() {
    for engine in [&[][..], &["--engine", "pow", "--nodes", "2"]] {
        let net = Net::up(engine);
        let before = net.balance("bob", 0);
        let paid = net.json(&["testnet", "faucet", "bob", "12.5", "--timeout", "240s"]);
        assert_eq!(paid["amount"], "1250000000");
        assert_eq!(paid["status"], if engine.is_empty() { "final" } else { "included" });
        net.await_synced();
        assert_eq!(net.balance("bob", 0), before + 1_250_000_000);
        let address = net.manifest().accounts[1].address.clone();
        let ran = net.run(&["testnet", "faucet", &address, "1", "--timeout", "240s"]).ended(0);
        assert!(ran.stdout.contains("1 BZT to bzt1") && ran.stderr.is_empty(), "{ran:?}");
        for bad in [["bob", "0"], ["bob", "-1"], ["bob", "1.123456789"], ["nobody", "1"], ["bob", "x"]] {
            let ran = net.run(&[&["testnet", "faucet"], &bad[..]].concat());
            assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{bad:?} {ran:?}");
        }
        let ran = net.run(&["testnet", "faucet", "bob", "10000000", "--json"]).ended(3);
        assert_eq!(ran.json()["error"]["kind"], "insufficient");
    }
}

#[test]
fn load_tells_how_it_went_with_the_faults_marked() {
    for engine in [&[][..], &["--engine", "pow", "--nodes", "2", "--block-time", "1s"]] {
        let net = Net::up(engine);
        let place = tempfile::tempdir().expect("a directory");
        let [json, svg] = ["load.json", "load.svg"].map(|name| place.path().join(name));
        let report = |file: &std::path::Path| file.to_str().expect("text").to_owned();
        let (json_path, svg_path) = (report(&json), report(&svg));
        let arguments = ["testnet", "load", "--rate", "20", "--duration", "4s", "--report", &json_path, "--json"];
        let load = net.command(&arguments).spawn().expect("the program starts");
        net.json(&["testnet", "pause", "1"]);
        net.json(&["testnet", "resume", "1"]);
        let printed = crate::net::finish(load, crate::net::LIMIT * 2).ended(0).json();
        let keys: Vec<&String> = printed.as_object().expect("an object").keys().collect();
        for key in
            ["offered_per_second", "accepted_per_second", "final_per_second", "latency_ms", "refused", "prepared_s"]
        {
            assert!(keys.iter().any(|it| *it == key), "{key}: {printed}");
        }
        assert!(!keys.iter().any(|it| *it == "buckets"), "the contract's shape alone: {printed}");
        assert_eq!(printed["offered_per_second"], 20.0);
        let written: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&json).expect("it was written")).expect("JSON");
        assert_eq!(written["latency_ms"], printed["latency_ms"]);
        let buckets = written["buckets"].as_array().expect("a list");
        let sum = |key: &str| buckets.iter().filter_map(|bucket| bucket[key].as_u64()).sum::<u64>();
        assert_eq!(sum("offered"), 80, "{written}");
        if engine.is_empty() {
            assert!(sum("finals") > 0, "{written}");
        }
        net.json(&["testnet", "load", "--rate", "20", "--duration", "2s", "--accounts", "300", "--report", &svg_path]);
        let picture = std::fs::read_to_string(&svg).expect("it was written");
        assert!(picture.starts_with("<svg") && picture.contains("transfers a second"), "{picture}");
        for bad in [["0", "1s", "1"], ["NaN", "1s", "1"], ["1e9", "1h", "1"], ["1", "1s", "0"], ["-1", "1s", "1"]] {
            let [rate, duration, accounts] = bad;
            let rate = format!("--rate={rate}");
            let ran = net.run(&["testnet", "load", &rate, "--duration", duration, "--accounts", accounts]);
            assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{bad:?} {ran:?}");
        }
    }
}

#[test]
fn transfers_signed_ahead_are_sent_once_and_on_their_own_net_alone() {
    let (net, other) = (Net::up(&["--nodes", "1"]), Net::up(&["--nodes", "1", "--seed", "9"]));
    let place = tempfile::tempdir().expect("a directory");
    let file = place.path().join("transfers");
    let path = file.to_str().expect("text");
    let signed = net.json(&["testnet", "load", "--rate", "40", "--duration", "1s", "--sign-to", path]);
    assert_eq!(signed["transfers"], 40, "{signed}");
    let refused = |net: &Net, arguments: &[&str], status: i32, says: &str| {
        let ran = net.run(&[&["testnet", "load", "--from", path], arguments].concat());
        assert_eq!((ran.status, ran.stdout.as_str()), (status, ""), "{ran:?}");
        assert!(ran.stderr.contains(says), "{ran:?}");
        assert_eq!(ran.stderr.trim().lines().count(), 1, "one sentence: {ran:?}");
    };
    refused(&other, &["--rate", "40"], 3, "signed for the net with id");
    refused(&net, &["--rate", "41", "--duration", "1s"], 2, "holds 40 transfers");
    refused(&net, &["--rate", "0"], 2, "--rate");
    let report = net.json(&["testnet", "load", "--from", path, "--rate", "40"]);
    assert_eq!(
        (&report["offered_per_second"], &report["accepted_per_second"]),
        (&40.0.into(), &40.0.into()),
        "{report}"
    );
    assert_eq!(report["unfinished"], 0, "{report}");
    let usage = &report["usage"];
    assert_eq!(usage["nodes"].as_array().map(Vec::len), Some(1), "{report}");
    assert!(usage["nodes"][0]["resident_peak_bytes"].as_u64() > Some(1 << 20), "{report}");
    refused(&net, &["--rate", "40"], 3, "was sent before");
    let report =
        net.json(&["testnet", "load", "--rate", "10", "--duration", "3s", "--accounts", "10", "--spend", "change"]);
    // On a slow machine a transfer may come before the one whose change it spends, but for the first of each account.
    assert!(report["accepted_per_second"].as_f64() >= Some(10.0 / 3.0), "{report}");
    assert_eq!(report["unfinished"], 0, "{report}");
}

#[test]
fn a_net_is_written_for_other_machines() {
    let net = Net::up(&["--observers", "1"]);
    let listed = &net.json(&["testnet", "list"])[0];
    assert_eq!((&listed["net"], &listed["running"]), (&net.name().into(), &true.into()), "{listed}");
    assert_eq!(
        (&listed["engine"], &listed["nodes"], &listed["observers"]),
        (&"pbft".into(), &4.into(), &1.into()),
        "{listed}"
    );
    let place = tempfile::tempdir().expect("a directory");
    for target in ["compose", "kubernetes", "systemd"] {
        let out = place.path().join(target);
        let path = out.to_str().expect("text");
        let arguments = ["testnet", "export-deploy", target, "--hosts", "one.example,10.0.0.2", "--out", path];
        let deployed = net.json(&arguments);
        assert_eq!(deployed["target"], target);
        assert_eq!(deployed["hosts"][1]["nodes"], serde_json::json!([1, 3]));
        for file in deployed["files"].as_array().expect("a list") {
            let name = text(file);
            let mode = std::fs::metadata(out.join(name)).expect("it is there").permissions().mode() & 0o777;
            let is_secret = name.ends_with(".key") || name.ends_with("node.toml") || name == "net.yaml";
            assert_eq!(mode, if is_secret { 0o600 } else { 0o644 }, "{name}");
        }
        assert!(out.join("README.md").exists());
        let again = net.run(&arguments).ended(2);
        assert!(again.stderr.contains("--out"), "{again:?}");
    }
    let key = std::fs::read_to_string(place.path().join("systemd/one.example/node0/validator.key")).expect("a key");
    assert_eq!(key.lines().count(), 1, "without the mark of the log of this net: {key}");
    for bad in ["a,a", "a/b", "a,b,c,d,e,f", ""] {
        let out = place.path().join("bad");
        let path = out.to_str().expect("text");
        let ran = net.run(&["testnet", "export-deploy", "compose", "--hosts", bad, "--out", path]);
        assert_eq!((ran.status, out.exists()), (2, false), "{bad:?}: {ran:?}");
    }
}
