//! Bad input and bad surroundings: a clear sentence, the right exit status, and no harm.

use crate::net::{LIMIT, Net, Ran, finish, ports, until};
use bezant_api::manifest::Manifest;
use std::fs::OpenOptions;
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Starts node `index` of a net that is down, by hand; it runs as long as its standard input is open.
fn spawn_node(net: &Net, index: usize, more: &[&str]) -> Child {
    let config = net.dir().join(format!("node{index}")).join("node.toml");
    let config = config.display().to_string();
    let arguments = [&["node", "--config", &config], more].concat();
    net.command(&arguments).stdin(Stdio::piped()).spawn().expect("the program starts")
}

/// A node that is to end by itself, and say why.
fn refuses(net: &Net, index: usize, more: &[&str], status: i32, words: &[&str]) -> Ran {
    let mut child = spawn_node(net, index, more);
    let stdin = child.stdin.take();
    let ran = finish(child, LIMIT).ended(status);
    drop(stdin);
    for word in words {
        assert!(ran.stderr.contains(word), "{word:?} is not said: {ran:?}");
    }
    ran
}

/// A net that was up, has a few blocks, and is down.
fn stopped() -> (Net, Manifest) {
    let net = Net::up(&[]);
    for _ in 0..3 {
        net.send("alice", "bob", "1", &[]);
    }
    net.await_synced();
    let manifest = net.manifest();
    net.json(&["testnet", "down"]);
    net.await_gone(&manifest);
    (net, manifest)
}

fn overwrite(path: &Path, from: u64) {
    let mut file = OpenOptions::new().write(true).open(path).expect("the database is there");
    let length = file.metadata().expect("metadata").len();
    file.seek(SeekFrom::Start(from)).expect("seek");
    let bytes = usize::try_from(length - from).expect("small");
    file.write_all(&vec![0xa5; bytes]).expect("written");
}

#[test]
fn a_wrong_genesis_a_taken_port_and_a_directory_in_use() {
    let (net, manifest) = stopped();
    let other = net.dir().join("other.toml").display().to_string();
    let key = "a0".repeat(32);
    let allocation = format!("{key}=1000");
    let members = manifest.nodes.iter().map(|node| node.validator.as_deref().expect("a member"));
    let members = members.flat_map(|member| ["--member", member]);
    let new = ["genesis", "new", "--dev", "--allocation", &allocation].into_iter().chain(members);
    let made = net.run(&new.collect::<Vec<_>>()).ended(0);
    std::fs::write(&other, made.stdout).expect("written");
    refuses(&net, 0, &["--genesis", &other], 1, &["belongs to another net"]);
    std::fs::write(&other, "engine = 7\n").expect("written");
    refuses(&net, 0, &["--genesis", &other], 2, &["other.toml"]);
    let [rpc, p2p] = ports(&manifest.nodes[0]);
    for (port, setting) in [(rpc, "rpc.listen"), (p2p, "p2p.listen")] {
        let held = TcpListener::bind(("127.0.0.1", port)).expect("the net is down");
        refuses(&net, 0, &[], 1, &[&port.to_string(), "in use", setting]);
        drop(held);
    }
    // The port is found before anything is made in the data directory but its lock.
    let held = TcpListener::bind(("127.0.0.1", rpc)).expect("the net is down");
    let fresh = net.dir().join("fresh");
    refuses(&net, 0, &["--data-dir", &fresh.display().to_string()], 1, &["for RPC"]);
    let made: Vec<_> = std::fs::read_dir(&fresh).expect("made").map(|entry| entry.expect("read").file_name()).collect();
    assert_eq!(made, ["lock"]);
    drop(held);
    let base = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let port = base.local_addr().expect("bound").port().to_string();
    let second = net.run(&["testnet", "up", "--detach", "--net", "second", "--base-port", &port]).ended(2);
    assert!(second.stderr.contains(&port) && second.stderr.contains("--base-port"), "{second:?}");
    // None of it harmed the net, whose directories nobody else may use while it runs.
    net.start(&[]);
    refuses(&net, 0, &[], 1, &["in use by another node"]);
    refuses(&net, 0, &["--rpc-listen", "127.0.0.1:0"], 1, &["in use by another node"]);
    assert_eq!(net.send("alice", "bob", "1", &[])["status"], "final");
    net.check();
}

#[test]
fn a_damaged_database_is_said_to_be_and_what_to_do() {
    let net = Net::up(&[]);
    for _ in 0..3 {
        net.send("alice", "bob", "1", &[]);
    }
    net.await_synced();
    net.json(&["testnet", "stop", "2", "3"]);
    let (state, facts) = (net.data_dir(2).join("state.sqlite"), net.data_dir(3).join("facts.sqlite"));
    overwrite(&state, 100);
    overwrite(&facts, 0);
    let ran = net.run(&["testnet", "start", "2"]).ended(1);
    assert!(ran.stderr.contains("state.sqlite") && ran.stderr.contains("delete this one file"), "{ran:?}");
    let ran = net.run(&["testnet", "start", "3"]).ended(1);
    assert!(ran.stderr.contains("facts.sqlite") && ran.stderr.contains("Move both databases away"), "{ran:?}");
    // What it says to do helps.
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(net.data_dir(2).join(format!("state.sqlite{suffix}")));
    }
    net.json(&["testnet", "start", "2"]);
    net.await_synced();
    assert_eq!(net.send("alice", "bob", "1", &[])["status"], "final");
    net.check();
}

#[test]
fn a_full_disk_stops_a_node_with_a_sentence_and_costs_nothing() {
    let (net, _) = stopped();
    let config = net.dir().join("node0").join("node.toml").display().to_string();
    // Files of this process may not grow: what is on disk is at the limit already.
    let script = format!("ulimit -f 8 && exec \"$1\" node --config '{config}'");
    let mut command = Command::new("sh");
    command.args(["-c", &script, "sh", env!("CARGO_BIN_EXE_bezant")]);
    command.envs(net.environment()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("a shell");
    let stdin = child.stdin.take();
    let ran = finish(child, LIMIT);
    drop(stdin);
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(ran.stderr.contains("free some space"), "{ran:?}");
    net.start(&[]);
    assert_eq!(net.send("alice", "bob", "1", &[])["status"], "final");
    net.check();
}

#[test]
fn the_command_line_refuses_nonsense() {
    let net = Net::up(&[]);
    let before = net.final_height(0);
    let send = |to: &str, amount: &str| net.run(&["wallet", "send", "--from", "alice", "--to", to, amount]);
    assert!(send("bob", "1.123456789").ended(2).stderr.contains("eight"));
    for amount in ["-1", "1e3", "", "one", "99999999999999999999"] {
        send("bob", amount).ended(2);
    }
    let none = send("bob", "0");
    assert!([2, 3].contains(&none.status), "{none:?}");
    let poor = send("bob", "5000000").ended(3);
    assert!(poor.stderr.contains("nothing was sent"), "{poor:?}");
    let address = net.json(&["wallet", "address", "--wallet", "bob"]);
    let address = address["addresses"][0].as_str().expect("bob has an address").to_owned();
    let mut typo = address.clone();
    typo.replace_range(10..11, if &address[10..11] == "q" { "p" } else { "q" });
    send(&typo, "1").ended(2);
    send("nobody-here", "1").ended(2);
    let foreign = other_nets_address();
    let ran = send(&foreign, "1").ended(2);
    assert!(ran.stderr.contains("another net"), "{ran:?}");
    let unknown = net.run(&["frobnicate", "--json"]).ended(2);
    assert_eq!(unknown.json()["error"]["kind"], "usage", "{unknown:?}");
    net.run(&["testnet", "kill", "9"]).ended(2);
    net.run(&["testnet", "partition", "0,x"]).ended(2);
    net.run(&["testnet", "up", "--block-time", "2"]).ended(2);
    assert_eq!(net.final_height(0), before, "nothing of this reached the ledger");
    let sent = net.send("alice", &address, "1", &[]);
    assert_eq!(sent["status"], "final", "{sent}");
}

/// A good address of a net that is not this one.
fn other_nets_address() -> String {
    use bezant_consensus::ledger::hash::{LockHash, NetworkId};
    bezant_api::address::encode(&NetworkId([7; 32]), &LockHash([9; 32]))
}

/// How long to listen for an answer to bytes that may have none.
const MOMENT: Duration = Duration::from_millis(200);

/// Sends bytes and reads whatever comes back, until the other side hangs up or is silent for so long.
fn poke(port: u16, bytes: &[u8], silence: Duration) -> Vec<u8> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the port is open");
    stream.set_read_timeout(Some(silence)).expect("a timeout");
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.take(65_536).read_to_end(&mut answer);
    answer
}

#[test]
fn malformed_bytes_on_every_port_harm_nothing() {
    let net = Net::up(&[]);
    let manifest = net.manifest();
    let [rpc, p2p] = ports(&manifest.nodes[0]);
    let post = |body: &str| {
        let head = "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nConnection: close\r\n";
        let request = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
        String::from_utf8_lossy(&poke(rpc, request.as_bytes(), Duration::from_secs(10))).into_owned()
    };
    let call = |method: &str, params: &str| {
        post(&format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#))
    };
    assert!(call("node_status", "{}").contains("network_id"), "a good call is answered");
    for body in ["", "{", "[]", "null", "{\"jsonrpc\":\"2.0\"}", "\u{0}\u{1}", &"[".repeat(10_000)] {
        assert!(!post(body).contains("\"result\""), "{body:.20}");
    }
    let methods = ["tx_submit", "tx_check", "tx_status", "chain_block", "chain_tx", "coins_list", "history_list"];
    for method in methods {
        for params in ["{}", "[]", "[1]", r#"["zz"]"#, r#"{"transaction":"00"}"#, r#"{"block":-1}"#, r#"[{"a":[]}]"#] {
            let answer = call(method, params);
            assert!(answer.contains("\"error\"") || answer.contains("\"result\""), "{method} {params}: {answer}");
        }
    }
    for method in ["dev_mine", "dev_links", "dev_hashrate", "no_such_method"] {
        let answer = call(method, r#"{"token":"guess","count":1,"cut":[],"hashes_per_second":1}"#);
        assert!(answer.contains("\"error\""), "{method} without the token: {answer}");
    }
    let head = "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n";
    let oversized = poke(rpc, format!("{head}Content-Length: 999999999999\r\n\r\n{{").as_bytes(), MOMENT);
    assert!(!String::from_utf8_lossy(&oversized).contains(" 200 "), "a body beyond the limit");
    for seed in 0..20u8 {
        let noise: Vec<u8> =
            (0..4_096u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 13) as u8 ^ seed).collect();
        poke(p2p, &noise, MOMENT);
        poke(rpc, &noise, MOMENT);
    }
    poke(p2p, b"\x13/multistream/1.0.0\n\x07/noise\n\xff\xff\xff\xff\xff\xff", MOMENT);
    poke(p2p, b"", MOMENT);
    until("every node is up and has its three peers", LIMIT, || {
        let status = net.json(&["testnet", "status"]);
        let nodes = status["nodes"].as_array().expect("a list");
        nodes.iter().all(|node| node["up"] == true && node["peers"] == 3).then_some(())
    });
    let same = net.manifest();
    assert_eq!(same.nodes[0].pid, manifest.nodes[0].pid, "the node did not restart");
    let sent = net.send("alice", "bob", "1", &["--node", "0"]);
    assert_eq!(sent["status"], "final", "{sent}");
    until("the transfer is final everywhere", LIMIT, || (0..4).all(|node| net.final_height(node) >= 2).then_some(()));
    net.check();
}
