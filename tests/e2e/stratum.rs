//! Miners that know nothing of Bezant, and the program's own, on nets of real nodes.

use crate::coins::network;
use crate::net::{LIMIT, Net, Ran, finish, signal, text, until};
use bezant_api::address;
use bezant_api::types::BlockRef;
use bezant_consensus::ledger::block::Block;
use bezant_consensus::ledger::codec::decode;
use bezant_consensus::ledger::hash::{LockHash, NetworkId};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Child;
use std::sync::mpsc::{Receiver, channel};

/// A net whose own miners rest, so that every block is a guest's.
fn quiet_net(nodes: &str) -> Net {
    let net = Net::up(&["--engine", "pow", "--nodes", nodes, "--block-time", "1s", "--stratum"]);
    for node in 0..nodes.parse().expect("a number") {
        rest(&net, node);
    }
    net
}

fn rest(net: &Net, node: usize) {
    net.json(&["testnet", "hashrate", &node.to_string(), "0"]);
}

fn alice(net: &Net) -> String {
    net.manifest().accounts[0].address.clone()
}

/// Who a block pays, and how much, as a node has it.
fn paid(net: &Net, node: usize, id: &str) -> Option<(LockHash, u64)> {
    let view = net.block_on(net.client(node).block(BlockRef::Id(id.to_owned()))).ok()?;
    let block: Block = decode(&hex::decode(view.hex).expect("hex")).expect("a block");
    let output = block.transactions[0].outputs()[0];
    Some((output.lock, output.amount.grains()))
}

fn height(net: &Net, node: usize) -> u64 {
    net.block_on(net.client(node).tip()).expect("the node answers").height
}

/// A miner written from the description of the protocol alone: it knows no header, no coinbase and no ledger, only bytes, and lines
/// of JSON.
struct Stranger {
    reader: BufReader<TcpStream>,
    writer: TcpStream,
    user: String,
    last_id: u64,
    extranonce1: String,
    extranonce2_bytes: usize,
    difficulty: f64,
    /// Parameters of the last `mining.notify`.
    job: Vec<Value>,
    counter: u32,
}

impl Stranger {
    fn connect(address: &str, user: &str) -> Stranger {
        let writer = TcpStream::connect(address).expect("the server listens");
        writer.set_read_timeout(Some(LIMIT)).expect("a limit can be set");
        let reader = BufReader::new(writer.try_clone().expect("a socket has two sides"));
        Stranger {
            reader,
            writer,
            user: user.to_owned(),
            last_id: 0,
            extranonce1: String::new(),
            extranonce2_bytes: 0,
            difficulty: 0.0,
            job: Vec::new(),
            counter: 0,
        }
    }

    fn line(&mut self) -> Value {
        let mut line = String::new();
        self.reader.read_line(&mut line).expect("the server says something");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    /// Asks, and takes in what is told until the answer comes.
    fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.last_id += 1;
        writeln!(self.writer, "{}", json!({"id": self.last_id, "method": method, "params": params}))
            .expect("it listens");
        loop {
            let line = self.line();
            if line["id"] == self.last_id {
                assert!(line.get("result").is_some() && line.get("error").is_some(), "{line}");
                return line;
            }
            self.told(&line);
        }
    }

    fn told(&mut self, line: &Value) {
        match line["method"].as_str() {
            Some("mining.set_difficulty") => self.difficulty = line["params"][0].as_f64().expect("a number"),
            Some("mining.notify") => self.job = line["params"].as_array().expect("a list").clone(),
            _ => panic!("{line}"),
        }
    }

    /// Subscribes and is authorised; then a job is there.
    fn begin(&mut self) {
        let subscribed = self.ask("mining.subscribe", &json!(["stranger/1"]))["result"].clone();
        self.extranonce1 = text(&subscribed[1]).to_owned();
        self.extranonce2_bytes = subscribed[2].as_u64().expect("a number") as usize;
        let user = self.user.clone();
        assert_eq!(self.ask("mining.authorize", &json!([user, "x"]))["result"], true);
        assert_eq!(self.ask("mining.extranonce.subscribe", &json!([]))["result"], true);
        while self.job.is_empty() {
            let line = self.line();
            self.told(&line);
        }
    }

    /// Waits until told of another parent.
    fn next_block(&mut self) {
        let before = self.job[1].clone();
        while self.job[1] == before {
            let line = self.line();
            self.told(&line);
        }
        assert_eq!(self.job[8], true, "another parent ends all jobs");
    }

    /// Searches the job; gives the parameters of a share and the hash, in the order of its bytes.
    fn search(&mut self) -> (Value, String) {
        self.counter += 1;
        let extranonce2 = hex::encode(&self.counter.to_le_bytes()[..self.extranonce2_bytes]);
        let part = |at: usize| text(&self.job[at]).to_owned();
        let coinbase = bytes(&[part(2), self.extranonce1.clone(), extranonce2.clone(), part(3)].concat());
        let mut root = twice(&coinbase);
        for step in self.job[4].as_array().expect("a list") {
            root = twice(&[root, bytes(text(step))].concat());
        }
        let mut header = backwards(&part(5));
        for word in bytes(&part(1)).chunks(4) {
            header.extend(word.iter().rev());
        }
        header.extend(root);
        header.extend(backwards(&part(7)));
        header.extend(backwards(&part(6)));
        assert_eq!(header.len(), 76);
        for nonce in 0..u32::MAX {
            let hash = twice(&[&header[..], &nonce.to_le_bytes()].concat());
            // The hash is a little-endian number: its 64 highest bits against 2^224 / D.
            let top = u64::from_le_bytes(hash[24..].try_into().expect("eight bytes"));
            if (top as f64) < 2f64.powi(32) / self.difficulty {
                let share = json!([self.user, self.job[0], extranonce2, part(7), format!("{nonce:08x}")]);
                return (share, hex::encode(hash));
            }
        }
        panic!("no nonce is good");
    }
}

fn bytes(digits: &str) -> Vec<u8> {
    hex::decode(digits).expect("hex")
}

fn backwards(digits: &str) -> Vec<u8> {
    bytes(digits).into_iter().rev().collect()
}

fn twice(bytes: &[u8]) -> Vec<u8> {
    Sha256::digest(Sha256::digest(bytes)).to_vec()
}

#[test]
fn a_stranger_finds_blocks_that_pay_it_on_every_node() {
    let net = quiet_net("2");
    let address = net.manifest().nodes[0].stratum.clone().expect("the net was asked for it");
    let user = alice(&net);
    let lock = address::decode(&network(&net), &user).expect("an address of this net");
    let mut stranger = Stranger::connect(&address, &format!("{user}.rig"));
    stranger.begin();
    let mut found = Vec::new();
    for _ in 0..3 {
        let (share, hash) = stranger.search();
        let answer = stranger.ask("mining.submit", &share);
        assert_eq!((&answer["result"], &answer["error"]), (&json!(true), &Value::Null));
        // The difficulty that is told first is above that of the net, so shares are no harder than blocks, and these are both.
        found.push(hash);
        stranger.next_block();
        let stale = stranger.ask("mining.submit", &share);
        assert_eq!((&stale["result"], &stale["error"][0]), (&json!(false), &json!(21)));
    }
    for (node, hash) in found.iter().enumerate().map(|(number, hash)| (number % 2, hash)) {
        until(&format!("node{node} has the block"), LIMIT, || paid(&net, node, hash));
        assert_eq!(paid(&net, node, hash), Some((lock, 5_000_000_000)), "subsidy and no fees");
    }
    // What others find ends its job too, and a share is not taken twice.
    let (share, _) = stranger.search();
    net.json(&["testnet", "mine", "1"]);
    stranger.next_block();
    assert_eq!(stranger.ask("mining.submit", &share)["error"][0], 21);
    for (name, part) in [("bzt1nobody", "not an address"), (&foreign(), "another net")] {
        let refused = Stranger::connect(&address, name).ask("mining.authorize", &json!([name, "x"]));
        assert_eq!((&refused["result"], &refused["error"][0]), (&json!(false), &json!(24)));
        assert!(text(&refused["error"][1]).contains(part), "{refused}");
    }
    net.await_synced();
    net.check();
}

fn foreign() -> String {
    address::encode(&NetworkId([0xfe; 32]), &LockHash([1; 32]))
}

/// `bezant miner --json` as it runs.
struct Running {
    child: Option<Child>,
    lines: Receiver<Value>,
}

impl Running {
    fn start(net: &Net, arguments: &[&str]) -> Running {
        let mut child = net.command(&[&["--json", "miner"], arguments].concat()).spawn().expect("the program starts");
        let stdout = child.stdout.take().expect("its output is ours");
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let line = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Running { child: Some(child), lines }
    }

    /// The next line about this.
    fn event(&self, name: &str) -> Value {
        loop {
            let line = self.lines.recv_timeout(LIMIT).unwrap_or_else(|_| panic!("{name} is told"));
            if line["event"] == name {
                return line;
            }
        }
    }

    /// Ends as by Ctrl-C; gives the last line.
    fn interrupt(mut self) -> Value {
        let child = self.child.take().expect("it runs");
        signal(child.id(), Signal::SIGINT);
        let Ran { status, .. } = finish(child, LIMIT);
        assert_eq!(status, 0);
        self.event("end")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[test]
fn the_programs_own_miner_mines_by_stratum_and_comes_back_when_the_node_does() {
    let net = quiet_net("1");
    let (address, user) = (net.manifest().nodes[0].stratum.clone().expect("asked for"), alice(&net));
    let lock = address::decode(&network(&net), &user).expect("an address of this net");
    let limits = ["--max-hashrate", "200000", "--threads", "2"];
    let miner = Running::start(&net, &[&["--stratum", &address, "--to", &user], &limits[..]].concat());
    miner.event("connected");
    let id = text(&miner.event("block")["block"]).to_owned();
    until("the block is in the chain", LIMIT, || paid(&net, 0, &id).filter(|(to, _)| *to == lock));
    net.json(&["testnet", "stop", "0"]);
    assert!(miner.event("lost")["again_ms"].as_u64() > Some(0));
    net.json(&["testnet", "start", "0"]);
    assert_eq!(net.manifest().nodes[0].stratum.as_deref(), Some(address.as_str()), "a net keeps its ports");
    rest(&net, 0);
    miner.event("connected");
    let before = height(&net, 0);
    miner.event("block");
    until("the chain grows", LIMIT, || (height(&net, 0) > before).then_some(()));
    let end = miner.interrupt();
    assert!(end["blocks"].as_u64() >= Some(2) && end["hashes"].as_u64() > Some(0), "{end}");
    net.check();

    // What is asked for wrongly is told apart.
    let foreign = foreign();
    for (status, kind, arguments) in [
        (3, "refused", ["--stratum", &address, "--to", &foreign]),
        (2, "usage", ["--rpc", &net.manifest().nodes[0].rpc, "--to", &foreign]),
    ] {
        let ran = net.run(&[&["--json", "miner"], &arguments[..]].concat()).ended(status);
        let error = ran.stdout.lines().last().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        let error = error.expect("an error is told");
        assert_eq!(error["error"]["kind"], kind, "{error}");
        assert!(text(&error["error"]["message"]).contains("another net"), "{error}");
    }
}

#[test]
fn the_programs_own_miner_mines_by_rpc() {
    let net = quiet_net("1");
    let (url, user) = (net.manifest().nodes[0].rpc.clone(), alice(&net));
    let lock = address::decode(&network(&net), &user).expect("an address of this net");
    let miner = Running::start(&net, &["--rpc", &url, "--to", &user, "--max-hashrate", "200000"]);
    assert_eq!(miner.event("connected")["to"], url);
    for _ in 0..2 {
        let id = text(&miner.event("block")["block"]).to_owned();
        assert_eq!(paid(&net, 0, &id).map(|(to, _)| to), Some(lock), "it was told only once the node had it");
    }
    let end = miner.interrupt();
    assert!(end["blocks"].as_u64() >= Some(2), "{end}");
    // For people it is a line on stderr, and nothing is a result.
    let mut plain = net.command(&["miner", "--rpc", &url, "--to", &user]).spawn().expect("the program starts");
    let mut stderr = BufReader::new(plain.stderr.take().expect("its remarks are ours"));
    let mut line = String::new();
    while !line.contains("found block") {
        line.clear();
        assert!(stderr.read_line(&mut line).expect("text") > 0, "it goes on");
    }
    signal(plain.id(), Signal::SIGTERM);
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).expect("text");
    let ran = finish(plain, LIMIT).ended(0);
    assert!(ran.stdout.is_empty() && rest.contains("blocks"), "{rest}");
}

#[test]
fn a_net_that_is_there_gets_ports_for_miners_when_it_is_asked_again() {
    let net = Net::up(&["--engine", "pow", "--nodes", "1", "--block-time", "1s"]);
    assert_eq!(net.manifest().nodes[0].stratum, None);
    net.json(&["testnet", "down"]);
    net.start(&["--stratum"]);
    let given = net.manifest().nodes[0].stratum.clone();
    assert!(given.is_some());
    net.json(&["testnet", "down"]);
    net.start(&[]);
    assert_eq!(net.manifest().nodes[0].stratum, given);
}
