//! The manners of the command line that need no net: what goes where, exit statuses, JSON errors, variables, help.

use bezant_consensus::ledger::block::Header;
use bezant_consensus::ledger::hash::{BlockId, LockHash, MerkleRoot, NetworkId, sha256d};
use bezant_consensus::ledger::target::Target;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// The built program in a home of its own, with nothing of ours in its environment.
fn command(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bezant"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("BEZANT_") {
            command.env_remove(name);
        }
    }
    command.env("BEZANT_HOME", home).args(arguments).stdin(Stdio::null());
    command
}

fn bezant(home: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    command(home, arguments).envs(variables.iter().copied()).output().expect("the program starts")
}

/// Ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("results are text")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn home() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

/// The error under `--json`: one document on stdout, nothing else there.
fn json_error(home: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = bezant(home, &[&["--json"], arguments].concat(), &[]);
    let text = stdout(&output);
    let value: serde_json::Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let field = |name: &str| value["error"][name].as_str().unwrap_or_else(|| panic!("{text}")).to_owned();
    (output.status.code().expect("an exit status"), field("kind"), field("message"))
}

/// An address of some net.
fn someone() -> String {
    bezant_api::address::encode(&NetworkId([1; 32]), &LockHash([2; 32]))
}

#[test]
fn usage_errors_are_status_2_on_stderr_and_json_on_stdout() {
    let home = home();
    for arguments in [
        &["nonsense"][..],
        &["wallet", "send"],
        &["wallet", "send", "--from", "alice", "bob", "1.123456789"],
        &["wallet", "send", "--from", "alice", "bob", "-1"],
        &["wallet", "send", "--from", "alice", "bob", "1e3"],
        &["wallet", "send", "--from", "alice", "bob", "21000000.00000001"],
        &["wallet", "send", "--from", "alice", "bob"],
        &["wallet", "send", "--from", "alice", "bob", "1", "--timeout", "5"],
        &["wallet", "send", "--from", "alice", "bezant:bzt1x"],
        &["wallet", "send", "--from", "alice", "bezant:bzt1x?amount=1", "2"],
        &["wallet", "send", "--from", "alice", "bezant:bzt1x?amount=1&req-x=1"],
        &["wallet", "send", "--from", "alice", "--to", "bob"],
        &["wallet", "label", "--remove"],
        &["wallet", "label", "--export", "a", "--import", "b"],
        &["wallet", "history", "--follow", "--csv"],
        &["wallet", "utxos", "--unlock-all", "--lock", "x:0"],
        &["wallet", "consolidate"],
        &["wallet", "contacts"],
        &["wallet", "address", "--amount", "1"],
        &["wallet", "receipt"],
        &["wallet", "receipt", "00", "--force"],
        &["wallet", "verify-receipt"],
        &["wallet", "verify-receipt", "a.receipt", "--min-work", "lots"],
        &["wallet", "verify-receipt", "a.receipt", "--min-work", "0x"],
        &["wallet", "verify-receipt", "a.receipt", "--confirmations", "0"],
        &["wallet", "verify-receipt", "a.receipt", "--trusted-header", "12"],
        &["wallet", "verify-receipt", "a.receipt", "--genesis", "/nowhere/genesis.toml"],
        &["wallet", "new", "savings", "--words", "13"],
        &["wallet", "new", "../savings"],
        &["wallet", "restore"],
        &["wallet", "restore", "savings", "--gap", "0"],
        &["wallet", "restore", "savings", "--mnemonic-file", "/nowhere"],
        &["wallet", "export", "savings"],
        &["wallet", "export", "savings", "--words", "--out", "x"],
        &["wallet", "export", "savings", "--out", "x", "--addresses", "5"],
        &["wallet", "import", "/nowhere.json"],
        &["wallet", "rename", "savings"],
        &["wallet", "remove", "savings"],
        &["wallet", "passwd", "savings"],
        &["wallet", "unlock", "savings", "--for", "15"],
        &["wallet", "watch", "bzt1x"],
        &["wallet", "verify-message", "bzt1x", "hello", "00"],
        &["testnet", "up", "--detach", "--tui"],
        &["testnet", "up", "--block-time", "2"],
        &["testnet", "load", "--rate", "5"],
        &["testnet", "load", "--rate", "5", "--duration", "1s", "--force"],
        &["testnet", "load", "--rate", "5", "--duration", "1s", "--sign-to", "a", "--from", "b"],
        &["bench", "nonsense"],
        &["bench", "start", "--repetitions", "0"],
        &["bench", "recovery", "--nodes", "3"],
        &["bench", "compare", "/nowhere/a.json", "/nowhere/b.json"],
        &["testnet", "wait"],
        &["testnet", "wait", "--height", "1", "--synced"],
        &["testnet", "up", "--net", "../x"],
        &["sim", "--nodes", "0"],
        &["sim", "--seeds", "2", "--trace", "x.trace"],
        &["trace", "record"],
        &["trace", "record", "--for", "0s", "--out", "x.trace"],
        &["trace", "show", "/nowhere/run.trace"],
        &["tui", "--replay", "/nowhere/run.trace"],
        &["tui", "--replay", "x.trace", "--with", "other"],
        &["tui", "--theme", "pink"],
        &["sim", "--faults", "gremlins"],
        &["sim", "--scenario", "nowhere"],
        &["sim", "--scenario", "./nowhere.toml"],
        &["sim", "--scenario", "silent-primary", "--nodes", "4"],
        &["sim", "--scenario", "silent-primary", "--seeds", "0"],
        &["sim", "--scenario", "silent-primary", "--seeds", "2", "--trace", "x.trace"],
        &["sim", "--scenario", "list", "--trace", "x.trace"],
        &["testnet", "up", "--scenario", "nowhere"],
        &["testnet", "up", "--scenario", "silent-primary", "--detach"],
        &["testnet", "up", "--scenario", "silent-primary", "--nodes", "4"],
        &["testnet", "up", "--scenario", "silent-primary", "--pace", "0"],
        &["testnet", "up", "--pace", "2"],
        &["testnet", "up", "--pace", "2", "--detach"],
        &["testnet", "up", "--base-port", "0"],
        &["testnet", "up", "--fresh", "--nodes", "65"],
        &["genesis", "new", "--allocation", "x=1"],
        &["node"],
        &["miner"],
        &["miner", "--stratum", "127.0.0.1:1"],
        &["miner", "--stratum", "127.0.0.1:1", "--to", "bzt1nobody"],
        &["miner", "--stratum", "nonsense", "--to", &someone()],
        &["miner", "--rpc", "nonsense", "--to", &someone()],
        &["testnet", "up", "--stratum"],
        &["testnet", "up", "--restart", "sometimes"],
        &["testnet", "fault", "add"],
        &["testnet", "fault", "add", "--drop", "101%"],
        &["testnet", "fault", "add", "--drop", "5"],
        &["testnet", "fault", "add", "--cut", "--delay", "5ms"],
        &["testnet", "fault", "add", "--bandwidth", "1B/s"],
        &["testnet", "fault", "add", "--bandwidth", "fast"],
        &["testnet", "fault", "add", "--from", "a", "--cut"],
        &["testnet", "fault", "clear"],
        &["testnet", "fault", "clear", "1", "--all"],
        &["testnet", "time", "offset", "1", "5"],
        &["testnet", "logs", "--level", "loud"],
    ] {
        let plain = bezant(home.path(), arguments, &[]);
        assert_eq!(plain.status.code(), Some(2), "{arguments:?}: {}", stderr(&plain));
        assert!(plain.stdout.is_empty(), "{arguments:?}: {}", stdout(&plain));
        assert!(!plain.stderr.is_empty(), "{arguments:?}");
        let (status, _, message) = json_error(home.path(), arguments);
        assert_eq!(status, 2, "{arguments:?}: {message}");
        assert!(!message.is_empty() && !message.starts_with("error"), "{arguments:?}: {message}");
    }
}

#[test]
fn nine_decimals_are_explained() {
    let home = home();
    let (status, kind, message) = json_error(home.path(), &["wallet", "send", "--from", "a", "b", "0.000000001"]);
    assert_eq!((status, kind.as_str()), (2, "usage"));
    assert!(message.contains("at most eight decimals"), "{message}");
}

#[test]
fn without_a_net_every_command_says_so_with_one_status() {
    let home = home();
    for (status, arguments) in [
        (6, &["testnet", "status"][..]),
        (6, &["testnet", "check"]),
        (6, &["testnet", "logs"]),
        (6, &["testnet", "fault", "add", "--cut"]),
        (6, &["testnet", "fault", "list"]),
        (6, &["testnet", "fault", "clear", "--all"]),
        (6, &["testnet", "time", "offset", "1", "-5s"]),
        (6, &["testnet", "kill", "0"]),
        (6, &["testnet", "wait", "--synced"]),
        (6, &["watch"]),
        (6, &["tui"]),
        (6, &["doctor"]),
        (6, &["chain", "tip"]),
        (6, &["peers", "--net", "other"]),
        (6, &["chain", "tip", "--rpc", "http://127.0.0.1:1"]),
        (6, &["wallet", "balance", "--rpc", "http://127.0.0.1:1"]),
        (6, &["wallet", "balance"]),
        (6, &["wallet", "discover", "savings"]),
        (6, &["wallet", "watch", &someone(), "--name", "w"]),
        (6, &["wallet", "sign-message", "--wallet", "savings", "hello"]),
        (6, &["wallet", "send", "--from", "alice", "bob", "1"]),
        (6, &["wallet", "receipt", &"ab".repeat(32)]),
        (6, &["wallet", "verify-receipt", "a.receipt"]),
        (2, &["chain", "tip", "--rpc", "nonsense"]),
        (6, &["miner", "--stratum", "127.0.0.1:1", "--to", &someone()]),
        (6, &["miner", "--rpc", "http://127.0.0.1:1", "--to", &someone()]),
    ] {
        let (actual, _, message) = json_error(home.path(), arguments);
        assert_eq!(actual, status, "{arguments:?}: {message}");
    }
    let down = bezant(home.path(), &["testnet", "down", "--purge"], &[]);
    assert_eq!(down.status.code(), Some(0), "nothing was running, which is what was wanted");
}

#[test]
fn down_knows_a_net_that_is_stopped_from_one_that_is_not_there() {
    let home = home();
    let nosuch = || {
        let ran = bezant(home.path(), &["testnet", "down", "--net", "nosuch"], &[]);
        assert_eq!((ran.status.code(), stdout(&ran).trim()), (Some(0), "nothing was running"));
        String::from_utf8_lossy(&ran.stderr).into_owned()
    };
    assert!(nosuch().contains("there is no net \"nosuch\"; there is none yet"));
    let dir = home.path().join("nets/one");
    std::fs::create_dir_all(&dir).expect("it can be made");
    std::fs::write(dir.join(".bezant-net"), "one\n").expect("it can be written");
    assert!(nosuch().contains("there is no net \"nosuch\"; there are: one"));
    let down = |more: &[&str]| bezant(home.path(), &[&["testnet", "down", "--net", "one"], more].concat(), &[]);
    let stopped = down(&[]);
    assert_eq!((stopped.status.code(), stdout(&stopped).trim()), (Some(0), "nothing was running"));
    let purged = down(&["--purge"]);
    let expected = format!("nothing was running; deleted {}", dir.display());
    assert_eq!((purged.status.code(), stdout(&purged).trim()), (Some(0), expected.as_str()));
    assert!(!dir.exists());
}

#[test]
fn an_up_that_is_refused_leaves_nothing_behind() {
    let home = home();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = taken.local_addr().expect("it has one").port().min(65_000).to_string();
    let empty = home.path().join("theirs");
    std::fs::create_dir(&empty).expect("it can be made");
    let elsewhere = empty.to_str().expect("a path in UTF-8");
    for arguments in [
        &["--nodes", "65"][..],
        &["--base-port", "65535"],
        &["--base-port", &port],
        &["--base-port", &port, "--dir", elsewhere],
        &["--stratum"],
        &["--pace", "2"],
        &["--scenario", "silent-primary", "--base-port", &port],
    ] {
        for detach in [&[][..], &["--detach"]] {
            let all = [&["testnet", "up", "--net", "n"], arguments, detach].concat();
            let refused = bezant(home.path(), &all, &[]);
            assert_eq!(refused.status.code(), Some(2), "{all:?}: {}", stderr(&refused));
            assert!(!stderr(&refused).contains("supervise"), "a hidden command: {}", stderr(&refused));
            let left = std::fs::read_dir(home.path().join("nets")).map_or(0, Iterator::count);
            assert_eq!(left, 0, "{all:?}");
        }
    }
    assert_eq!(std::fs::read_dir(&empty).expect("it is theirs, and stays").count(), 0);
}

#[test]
fn a_play_is_recorded_as_a_seed_is() {
    let home = home();
    let file = home.path().join("play.trace");
    let file = file.to_str().expect("a path in UTF-8");
    let plain = bezant(home.path(), &["sim", "--scenario", "silent-primary"], &[]);
    let recorded = bezant(home.path(), &["sim", "--scenario", "silent-primary", "--trace", file], &[]);
    assert_eq!(recorded.status.code(), Some(0), "{}", stderr(&recorded));
    assert_eq!(recorded.stdout, plain.stdout, "recording changes nothing");
    let shown = stdout(&bezant(home.path(), &["trace", "show", file], &[]));
    assert!(shown.starts_with("net silent-primary, seed 1 (pbft), 4 nodes\n"), "{shown}");
    assert!(shown.lines().any(|line| line.contains("node1") && line.contains("view")), "{shown}");
    let again = bezant(home.path(), &["sim", "--scenario", "silent-primary", "--trace", file], &[]);
    assert_eq!(again.status.code(), Some(2), "never overwritten");
}

#[test]
fn a_wallet_is_made_only_with_a_password_that_is_not_an_argument() {
    let home = home();
    let (status, kind, _) = json_error(home.path(), &["wallet", "new", "savings"]);
    assert_eq!((status, kind.as_str()), (3, "password-wanted"), "nobody can be asked");
    let file = home.path().join("password");
    std::fs::write(&file, "correct horse\nnot this line\n").unwrap();
    let file = file.to_str().unwrap();
    let new = bezant(home.path(), &["--json", "wallet", "new", "savings", "--password-file", file], &[]);
    let value: serde_json::Value = serde_json::from_str(&stdout(&new)).unwrap();
    assert_eq!(value["mnemonic"].as_str().unwrap().split(' ').count(), 12);
    assert!(!stderr(&new).contains(value["mnemonic"].as_str().unwrap()), "the words are a result, not a remark");
    let text = std::fs::read_to_string(value["file"].as_str().unwrap()).unwrap();
    assert!(!text.contains("correct horse"));
    let list = bezant(home.path(), &["--json", "wallet", "list"], &[]);
    let list: serde_json::Value = serde_json::from_str(&stdout(&list)).unwrap();
    assert_eq!(list["wallets"][0]["wallet"], "savings");
    let (status, _, message) = json_error(home.path(), &["wallet", "new", "savings", "--password-file", file]);
    assert_eq!(status, 2, "{message}");
    let (status, _, message) = json_error(home.path(), &["wallet", "new", "more", "--password-file", "/nowhere"]);
    assert_eq!(status, 2, "{message}");
}

#[test]
fn keys_and_genesis_files_are_made_shown_and_checked() {
    let home = home();
    let key = home.path().join("validator.key");
    let key = key.to_str().unwrap();
    let made = stdout(&bezant(home.path(), &["keys", "new", key], &[]));
    assert_eq!(stdout(&bezant(home.path(), &["keys", "show", key], &[])), made);
    assert_ne!(bezant(home.path(), &["keys", "new", key], &[]).status.code(), Some(0), "never overwritten");
    let (status, _, message) = json_error(home.path(), &["keys", "show", "absent.key"]);
    assert_eq!(status, 1);
    assert!(message.contains("`bezant keys new absent.key`"), "{message}");
    let public = made.trim();
    let allocation = format!("{public}=12.5");
    let genesis = bezant(home.path(), &["genesis", "new", "--member", public, "--allocation", &allocation], &[]);
    let file = home.path().join("genesis.toml");
    std::fs::write(&file, &genesis.stdout).unwrap();
    let file = file.to_str().unwrap();
    let check = bezant(home.path(), &["genesis", "check", file], &[]);
    assert_eq!(check.status.code(), Some(0), "{}", stderr(&check));
    let show = bezant(home.path(), &["genesis", "show", file], &[]);
    assert_eq!(show.stdout, genesis.stdout, "byte for byte");
    std::fs::write(file, stdout(&genesis).replace("depth = 2", "depth = 99")).unwrap();
    let (status, _, message) = json_error(home.path(), &["genesis", "check", file]);
    assert_eq!(status, 2);
    assert!(message.contains("pbft.depth"), "{message}");
}

#[test]
fn a_variable_that_means_nothing_is_warned_of_on_stderr_only() {
    let home = home();
    let output = bezant(home.path(), &["version"], &[("BEZANT_TYPO", "1")]);
    assert_eq!(output.status.code(), Some(0));
    assert!(stderr(&output).contains("BEZANT_TYPO") && !stdout(&output).contains("BEZANT_TYPO"));
    let quiet = bezant(home.path(), &["--quiet", "version"], &[("BEZANT_TYPO", "1")]);
    assert_eq!(quiet.stdout, output.stdout, "--quiet never changes stdout");
    assert!(quiet.stderr.is_empty());
    let clean = bezant(home.path(), &["version"], &[]);
    assert!(clean.stderr.is_empty(), "{}", stderr(&clean));
}

#[test]
fn variables_stand_for_flags_and_flags_win() {
    let home = home();
    let with = |arguments: &[&str]| bezant(home.path(), arguments, &[("BEZANT_NODES", "0")]);
    assert_eq!(with(&["sim"]).status.code(), Some(2));
    assert_eq!(with(&["sim", "--nodes", "4", "--steps", "10"]).status.code(), Some(0));
}

#[test]
fn a_campaign_goes_on_from_its_file_and_from_no_other() {
    let home = home();
    let file = home.path().join("campaign.json");
    let file = file.to_str().expect("a path in UTF-8");
    let sim = |arguments: &[&str]| {
        bezant(home.path(), &[&["sim", "--steps", "20", "--seeds", "120", "--resume", file], arguments].concat(), &[])
    };
    let first = sim(&[]);
    assert_eq!(first.status.code(), Some(0), "{}", stderr(&first));
    assert_eq!(sim(&[]).stdout, first.stdout, "what is done is told again");
    let kept = std::fs::read_to_string(file).expect("the state is kept");
    for (is, was) in [("\"next\":120", "\"next\":100"), ("\"version\":\"", "\"version\":\"not ")] {
        assert!(kept.contains(is), "{kept}");
        std::fs::write(file, kept.replace(is, was)).expect("it is written");
        let again = sim(&[]);
        let expected = if was.starts_with("\"next") { 0 } else { 1 };
        assert_eq!(again.status.code(), Some(expected), "{}", stderr(&again));
    }
    std::fs::write(file, &kept).expect("it is written");
    let other = sim(&["--seed", "2"]);
    assert_eq!(other.status.code(), Some(1));
    assert!(stderr(&other).contains("another campaign"), "{}", stderr(&other));
}

#[test]
fn version_names_version_and_commit() {
    let home = home();
    let output = bezant(home.path(), &["--json", "version"], &[]);
    let value: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert!(value["version"].as_str().unwrap().starts_with(env!("CARGO_PKG_VERSION")));
}

#[test]
fn the_bench_of_the_miner_names_each_kernel_on_one_thread_and_on_several() {
    let home = home();
    let output = bezant(home.path(), &["--json", "miner", "bench", "--threads", "2", "--duration", "20ms"], &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).is_empty(), "a kernel fails its self-test: {}", stderr(&output));
    let value: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    let kernels = value["kernels"].as_array().unwrap();
    let (one, two) = kernels.split_at(kernels.len() / 2);
    for (rows, threads) in [(one, 1), (two, 2)] {
        assert_eq!(rows[0]["kernel"], "naive");
        assert_eq!(rows[1]["kernel"], "portable");
        assert_eq!(rows.last().unwrap()["kernel"], value["best"]);
        for row in rows {
            assert_eq!(row["threads"], threads);
            assert!(row["hashes_per_second"].as_u64().unwrap() > 0 && row["to_naive"].as_f64().unwrap() > 0.0, "{row}");
        }
    }
    assert_eq!(one[0]["to_naive"], 1.0);
    let table = bezant(home.path(), &["miner", "bench", "--duration", "20ms"], &[]);
    assert!(stdout(&table).contains("used to mine"), "{}", stdout(&table));
}

/// Answers the first three lines of a miner, the wish to roll versions like this.
fn greet(stream: &mut TcpStream, lines: &mut impl Iterator<Item = Value>, rolling: &Value) {
    for question in lines.take(3) {
        let answer = match question["method"].as_str().unwrap() {
            "mining.configure" => rolling.clone(),
            "mining.subscribe" => json!({"result": [[], "0a0b0c0d", 4], "error": null}),
            "mining.authorize" => json!({"result": true, "error": null}),
            other => panic!("{other}"),
        };
        let answer = json!({"id": question["id"], "result": answer["result"], "error": answer["error"]});
        writeln!(stream, "{answer}").unwrap();
    }
    // So that whatever meets the target of a job below is a share.
    writeln!(stream, "{}", json!({"id": null, "method": "mining.set_difficulty", "params": [2f64.powi(-23)]})).unwrap();
}

/// Foreign servers need not let versions be rolled. Then nothing but nonces is searched, so that whatever is found is handed in.
#[test]
fn a_server_that_keeps_the_version_gets_all_that_is_found() {
    let refusals = [
        (json!({"result": null, "error": [20, "unknown method", null]}), 5),
        (json!({"result": {"version-rolling": false}, "error": null}), 5),
        // Two bits, but not those that are rolled.
        (json!({"result": {"version-rolling": true, "version-rolling.mask": "00018000"}, "error": null}), 6),
    ];
    for (rolling, parameters) in refusals {
        let (home, listener) = (home(), TcpListener::bind("127.0.0.1:0").unwrap());
        let server = listener.local_addr().unwrap().to_string();
        let to = someone();
        let arguments = ["--json", "miner", "--stratum", &server, "--to", &to, "--threads", "1"];
        let mut miner = Running(command(home.path(), &arguments).stdout(Stdio::piped()).spawn().unwrap());
        let (mut stream, _) = listener.accept().unwrap();
        // Generous: a loaded machine may be slow.
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let lines = BufReader::new(stream.try_clone().unwrap()).lines();
        let mut lines = lines.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
        greet(&mut stream, &mut lines, &rolling);
        let mut nonces = 0;
        for number in 0..20 {
            // One hash of 512 is a block, which ends the search of its job.
            let (parent, bits) = (format!("{number:02x}").repeat(32), "1f7fffff");
            let job = json!([parent, parent, "0101", "0202", [], "20000000", bits, "65540064", true]);
            writeln!(stream, "{}", json!({"id": null, "method": "mining.notify", "params": job})).unwrap();
            let share = lines.next().unwrap();
            let field = |at: usize| share["params"][at].as_str().unwrap_or_else(|| panic!("{share}"));
            assert_eq!((share["method"].as_str(), field(1), field(2)), (Some("mining.submit"), &*parent, "00000000"));
            assert_eq!(share["params"].as_array().map(Vec::len), Some(parameters), "{share}");
            assert!(parameters == 5 || field(5) == "00000000", "{share}");
            writeln!(stream, "{}", json!({"id": share["id"], "result": true, "error": null})).unwrap();
            let coinbase = [1, 1, 0x0a, 0x0b, 0x0c, 0x0d, 0, 0, 0, 0, 2, 2];
            let header = Header {
                version: 0x2000_0000,
                parent: BlockId([number; 32]),
                merkle_root: MerkleRoot(sha256d(&coinbase)),
                time: 0x6554_0064,
                bits: 0x1f7f_ffff,
                nonce: u32::from_str_radix(field(4), 16).unwrap(),
            };
            let target = Target::from_compact(header.bits).unwrap();
            assert!(target.is_met_by(&header.id()), "{share}");
            let is_block = |nonce: &u32| target.is_met_by(&Header { nonce: *nonce, ..header }.id());
            assert_eq!((0..header.nonce).find(is_block), None, "none before it was lost");
            nonces += u64::from(header.nonce) + 1;
        }
        let id = nix::unistd::Pid::from_raw(i32::try_from(miner.0.id()).unwrap());
        nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGINT).unwrap();
        let told = std::io::read_to_string(miner.0.stdout.take().unwrap()).unwrap();
        let end: Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
        assert_eq!((&end["event"], &end["hashes"]), (&json!("end"), &json!(nonces)), "{rolling}: {told}");
    }
}

#[test]
fn completions_and_the_manual_page_come_out_whole() {
    let home = home();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = bezant(home.path(), &["completions", shell], &[]);
        assert_eq!(output.status.code(), Some(0));
        // It asks the program itself.
        assert!(stdout(&output).contains("BEZANT_COMPLETE"), "{shell}");
        let asked = bezant(
            home.path(),
            &["--", "bezant", "test"],
            &[("BEZANT_COMPLETE", shell), ("_CLAP_COMPLETE_INDEX", "1")],
        );
        assert!(asked.status.success() && stdout(&asked).contains("testnet"), "{shell}: {asked:?}");
    }
    let man = bezant(home.path(), &["man"], &[]);
    assert_eq!(man.status.code(), Some(0));
    assert!(stdout(&man).contains(".TH bezant"));
}

/// Help of a command and of all below it, with their names.
fn all_help(home: &Path, path: &[String], pages: &mut Vec<(String, String)>) {
    let arguments: Vec<&str> = path.iter().map(String::as_str).chain(["--help"]).collect();
    let output = bezant(home, &arguments, &[]);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}");
    let page = stdout(&output);
    let commands =
        page.split("\nCommands:\n").nth(1).map(|rest| rest.split("\n\n").next().unwrap_or_default().to_owned());
    for line in commands.iter().flat_map(|section| section.lines()) {
        // Names stand two columns in; what is further in is the rest of a description.
        let name =
            line.strip_prefix("  ").filter(|rest| !rest.starts_with(' ')).and_then(|rest| rest.split(' ').next());
        if let Some(name) = name.filter(|name| *name != "help") {
            all_help(home, &[path, &[name.to_owned()]].concat(), pages);
        }
    }
    pages.push((path.join(" "), page));
}

#[test]
fn every_command_has_an_example_and_every_flag_with_a_value_its_variable() {
    let home = home();
    let mut pages = Vec::new();
    all_help(home.path(), &[], &mut pages);
    assert!(pages.len() > 40, "{} pages", pages.len());
    let mut missing = Vec::new();
    for (command, page) in &pages {
        let is_group = page.contains("\nCommands:\n");
        if !is_group && !page.contains("Example") {
            missing.push(format!("`bezant {command} --help` has no example"));
        }
        let options: Vec<&str> = page.split("\n      --").skip(1).collect();
        for option in options {
            let head = option.lines().next().unwrap_or_default();
            let flag = head.split([' ', '.']).next().unwrap_or_default();
            // The help wraps its lines.
            let option = option.split_whitespace().collect::<Vec<_>>().join(" ");
            if head.contains('<') && !option.contains("[env: BEZANT_") {
                missing.push(format!("`bezant {command}`: --{flag} has no variable"));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

/// The dashboard offers what the command takes, but for what needs more than a name.
#[test]
fn the_dashboard_knows_every_way_to_lie() {
    let home = home();
    let help = stdout(&bezant(home.path(), &["testnet", "byzantine", "--help"], &[]));
    let modes = help.split("Modes:\n").nth(1).and_then(|rest| rest.split("\n\n").next()).expect("a list of modes");
    // Lines that go on where another had no more room have one column only.
    let rows = modes.lines().filter_map(|line| line.strip_prefix("  ")).filter(|row| row.contains("  "));
    let named = rows.filter_map(|row| row.split_whitespace().next());
    let mut named: Vec<&str> = named.filter(|mode| !["off", "censor"].contains(mode)).collect();
    let mut offered: Vec<&str> = bezant_tui::LIES.iter().map(|lie| lie.mode).collect();
    named.sort_unstable();
    offered.sort_unstable();
    assert_eq!(offered, named);
}

#[test]
fn nobody_reading_any_more_is_no_crash() {
    let home = home();
    let mut child = Command::new(env!("CARGO_BIN_EXE_bezant"))
        .env("BEZANT_HOME", home.path())
        .args(["completions", "zsh"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(!stderr(&output).contains("panicked"), "{}", stderr(&output));
}
