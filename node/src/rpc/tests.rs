//! A whole node of a net of one member, asked by the typed client and by raw bytes.

use super::{RpcError, RpcSetup, start};
use crate::Node;
use crate::events::Hub;
use crate::handle::{AskError, NodeHandle, Readers, Request, Room, Shared};
use crate::metrics::Metrics;
use crate::store;
use crate::verify_pool::VerifyPool;
use bezant_api::client::{Client, ClientError};
use bezant_api::config::{
    DevConfig, LogConfig, MinerConfig, NodeConfig, P2pConfig, RpcConfig, StratumConfig, SyncConfig,
};
use bezant_api::event::EventKind;
use bezant_api::genesis::{ledger_defaults, pbft_defaults, to_toml};
use bezant_api::methods::{Access, METHODS};
use bezant_api::types::{
    BlockRef, DevByzantineParams, DevMineParams, EngineName, NodeStatus, SUBMIT_MANY_MAX, Submission, TxState,
};
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::genesis::{EngineParams, GENESIS_VERSION, Genesis};
use bezant_consensus::ledger::hash::LockHash;
use bezant_consensus::ledger::key::SigningKey;
use bezant_consensus::ledger::transaction::Output;
use bezant_consensus::ledger::units::Time;
use bezant_consensus::verify::Verifier;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(60);
const LOCK: LockHash = LockHash([7; 32]);

fn genesis(dev: bool) -> Genesis {
    Genesis {
        version: GENESIS_VERSION,
        salt: [9; 32],
        time: 1_700_000_000,
        dev,
        engine: EngineParams::Pbft(pbft_defaults()),
        ledger: ledger_defaults(EngineName::Pbft),
        members: vec![SigningKey::from_seed(&[1; 32]).public()],
        allocations: vec![Output { amount: Amount::from_grains(5_000).unwrap(), lock: LOCK }],
    }
}

struct Running {
    node: Node,
    address: SocketAddr,
    url: String,
    _dir: TempDir,
}

async fn running(dev: bool, admin_token: Option<String>) -> Running {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("genesis.toml");
    std::fs::write(&file, to_toml(&genesis(dev))).unwrap();
    let key = dir.path().join("validator.key");
    std::fs::write(&key, hex::encode([1u8; 32])).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let p2p = P2pConfig { listen: vec!["/ip4/127.0.0.1/tcp/0".into()], ..P2pConfig::default() };
    let rpc = RpcConfig { admin_token, hosts: vec!["node.example".into()], ..RpcConfig::default() };
    let config = NodeConfig {
        data_dir: dir.path().join("data"),
        genesis: file,
        name: "test".into(),
        p2p,
        rpc,
        validator_key: Some(key),
        miner: MinerConfig::default(),
        stratum: StratumConfig::default(),
        sync: SyncConfig::default(),
        log: LogConfig::default(),
        dev: DevConfig { token: dev.then(|| "secret".to_owned()), ..DevConfig::default() },
    };
    let node = Node::start(config).await.unwrap();
    let url = node.ready.rpc.clone();
    let address = url.strip_prefix("http://").unwrap().parse().unwrap();
    Running { node, address, url, _dir: dir }
}

impl Running {
    async fn stop(self) {
        timeout(PATIENCE, self.node.stop(Ok(()))).await.expect("the node stops").unwrap();
    }
}

/// Sends bytes and reads the answer to its end; empty when the server hangs up.
async fn raw(address: SocketAddr, bytes: &[u8]) -> String {
    let (mut reader, mut writer) = TcpStream::connect(address).await.unwrap().into_split();
    let mut answer = Vec::new();
    // The server may hang up in the middle of either.
    let talk = async { tokio::join!(writer.write_all(bytes), reader.read_to_end(&mut answer)) };
    let _ = timeout(PATIENCE, talk).await.expect("an answer or an end");
    String::from_utf8_lossy(&answer).into_owned()
}

/// Sends bytes that are no request, and ends.
async fn nonsense(address: SocketAddr, bytes: &[u8]) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let talk = async {
        let _ = stream.write_all(bytes).await;
        let _ = stream.shutdown().await;
        let _ = stream.read_to_end(&mut Vec::new()).await;
    };
    timeout(PATIENCE, talk).await.expect("the server hangs up");
}

fn post(headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST / HTTP/1.1\r\n{headers}content-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
    .into_bytes()
}

const HOST: &str = "host: localhost\r\n";

/// Calls a method; the result or the error object.
async fn call(address: SocketAddr, method: &str, params: Value) -> Result<Value, Value> {
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
    let answer = raw(address, &post(HOST, &request)).await;
    let body = answer.split("\r\n\r\n").nth(1).unwrap_or_else(|| panic!("{method}: {answer}"));
    let mut value: Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("{method}: {answer}"));
    match value.get("error") {
        Some(error) => Err(error.clone()),
        None => Ok(value["result"].take()),
    }
}

fn mine_params(count: u32) -> DevMineParams {
    DevMineParams { token: "secret".into(), count, to: None, transactions: None, advance_clock: true }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_method_answers_as_its_type_says() {
    let running = running(true, None).await;
    let client = Client::of_one(&running.url).unwrap();
    assert_eq!(client.genesis().await.unwrap().toml, to_toml(&genesis(true)));
    let mine = mine_params(2);
    client.dev_mine(&mine).await.unwrap();
    let status = client.status().await.unwrap();
    assert_eq!((status.engine, status.dev, status.peers), (EngineName::Pbft, true, 0));
    assert!(status.height >= 2);
    let tip = client.tip().await.unwrap();
    let block = client.block(BlockRef::Height(0)).await.unwrap();
    assert_eq!(client.block(BlockRef::Id(block.id.clone())).await.unwrap(), block);
    let header = call(running.address, "chain_header", json!([0])).await.unwrap();
    assert_eq!(header["hex"].as_str().unwrap(), &block.hex[..160]);
    assert_eq!(header["id"], block.id.as_str());
    let headers = client.headers(0, Some(2)).await.unwrap();
    assert_eq!((headers.height, &headers.tip), (tip.height, &tip.id));
    assert_eq!(headers.headers.iter().map(|header| header.height).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(headers.headers[0].hex, block.hex[..160]);
    assert_eq!(client.headers(tip.height, None).await.unwrap().headers.len(), 1);
    assert!(client.headers(tip.height + 1, None).await.unwrap().headers.is_empty());
    assert!(client.headers(u64::MAX, Some(usize::MAX)).await.unwrap().headers.is_empty());
    assert!(client.headers(0, Some(0)).await.unwrap().headers.is_empty());
    let txid = block.txids[0].clone();
    assert_eq!(client.tx_status(&txid).await.unwrap().state, TxState::Final);
    let transaction = client.transaction(&txid).await.unwrap();
    assert_eq!(transaction.status.height, Some(0));
    assert_eq!(client.tx_status(&"ab".repeat(32)).await.unwrap().state, TxState::Unknown);
    assert!(client.evidence().await.unwrap().is_empty());
    let Err(ClientError::NotFound(_)) = client.proof(&txid).await else { panic!("genesis needs no proof") };
    let last = client.block(BlockRef::Height(2)).await.unwrap();
    let proof = client.proof(&last.txids[0]).await.unwrap();
    assert_eq!((proof.height, proof.block.as_str()), (2, last.id.as_str()));
    assert_eq!(proof.confirmations, tip.height - 1);
    let bytes = hex::decode(&proof.hex).unwrap();
    let proved = borsh::from_slice::<bezant_consensus::pbft::light::Proof>(&bytes).unwrap();
    let verifier = bezant_consensus::verify::Verifier::new(std::sync::Arc::new(genesis(true)));
    assert_eq!(proved.verify(&verifier).unwrap().0.to_string(), proof.txid);
    assert_eq!(client.commitment().await.unwrap().supply, "5000");
    assert_eq!(client.mempool().await.unwrap().count, 0);
    assert!(client.peers().await.unwrap().is_empty());
    let coins = client.coins(&[LOCK.to_string()]).await.unwrap();
    assert_eq!((coins.coins.len(), coins.coins[0].amount.as_str()), (1, "5000"));
    let after = json!({"locks": [LOCK.to_string()], "after": coins.coins[0].outpoint});
    assert_eq!(call(running.address, "coins_list", after).await.unwrap()["coins"], json!([]));
    let history = call(running.address, "history_list", json!([[LOCK.to_string()]])).await.unwrap();
    assert_eq!(history["entries"][0]["received"], "5000");
    // A coinbase is no transaction that anyone may hand in.
    let Err(ClientError::Refused { kind, .. }) = client.submit(transaction.hex.clone()).await else { panic!() };
    let Err(ClientError::Refused { kind: same, .. }) = client.check(transaction.hex.clone()).await else { panic!() };
    assert_eq!(kind, same);
    let package = vec![transaction.hex.clone()];
    let Err(ClientError::Refused { kind: same, .. }) = client.submit_package(package.clone()).await else { panic!() };
    assert_eq!(kind, same);
    let error = call(running.address, "tx_submit_package", json!([package.clone()])).await.unwrap_err();
    assert_eq!((&error["data"]["kind"], &error["data"]["txid"]), (&json!(kind), &json!(txid)));
    let tested = client.test(package).await.unwrap();
    assert_eq!(tested.refusal.map(|refusal| (refusal.kind, refusal.txid)), Some((kind.clone(), Some(txid.clone()))));
    let many = call(running.address, "tx_test", json!([vec!["00"; 26]])).await.unwrap_err();
    assert_eq!(many["data"]["field"], "transactions");
    let submitted = client.submit_many(vec![transaction.hex.clone(); 2]).await.unwrap().results;
    assert_eq!(submitted.len(), 2);
    for result in submitted {
        let Submission::Refused { refusal } = result else { panic!("{result:?}") };
        assert_eq!((refusal.kind, refusal.txid), (kind.clone(), None));
    }
    for wrong in [vec![], vec!["00".to_owned(); SUBMIT_MANY_MAX + 1], vec![transaction.hex.clone(), "xy".to_owned()]] {
        let error = call(running.address, "tx_submit_many", json!([wrong])).await.unwrap_err();
        assert_eq!((&error["code"], &error["data"]["field"]), (&json!(-32602), &json!("transactions")));
    }
    let estimate = client.fee_estimate(1).await.unwrap();
    assert_eq!((estimate.fee_rate, estimate.backlog), (genesis(true).ledger.relay_fee_rate_min, 0));
    assert_eq!(call(running.address, "dev_links", json!(["secret", []])).await, Ok(json!({})));
    let slow = json!({"id": 3, "from": [{"peer_id": libp2p::PeerId::random().to_string(), "seed": 1}], "effects": {"delay_ms": 5}});
    assert_eq!(call(running.address, "dev_links", json!(["secret", [slow]])).await, Ok(json!({})));
    let shown = client.status().await.unwrap().faults;
    assert_eq!((shown.len(), shown[0].id, shown[0].effects.delay_ms, shown[0].left_ms), (1, 3, 5, None));
    assert_eq!(call(running.address, "dev_note", json!(["secret", "once", "process", "paused"])).await, Ok(json!({})));
    for (mode, target, shown) in [
        ("silent", None, Some("silent".to_owned())),
        ("censor", Some(&txid), Some(format!("censor transaction {txid}"))),
        ("off", None, None),
    ] {
        let byzantine = DevByzantineParams { token: "secret".into(), mode: mode.into(), target: target.cloned() };
        client.dev_byzantine(&byzantine).await.unwrap();
        assert_eq!(client.status().await.unwrap().byzantine, shown);
    }
    let tip_now = call(running.address, "dev_mine", json!({"token": "secret", "count": 1})).await.unwrap();
    assert!(tip_now["height"].as_u64().unwrap() > tip.height);
    let document = call(running.address, "rpc_discover", json!([])).await.unwrap();
    let names: Vec<&str> =
        document["methods"].as_array().unwrap().iter().map(|method| method["name"].as_str().unwrap()).collect();
    let offered: Vec<&str> =
        METHODS.iter().filter(|method| method.access != Access::Admin).map(|method| method.name).collect();
    assert_eq!(names, offered);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_parameters_are_refused_by_name() {
    let running = running(true, None).await;
    let id = "ab".repeat(32);
    let big = "00".repeat(100_001);
    let peer = libp2p::PeerId::random().to_string();
    let fault =
        |peer: &str, effects: Value| json!({"id": 1, "from": [{"peer_id": peer, "seed": 1}], "effects": effects});
    let cases = [
        ("chain_block", json!([]), -32602, "block"),
        ("chain_block", json!(["zz"]), -32602, "block"),
        ("chain_block", json!([-1]), -32602, "block"),
        ("chain_header", json!({"block": null}), -32602, "block"),
        ("chain_header", json!({"height": 1}), -32602, "height"),
        ("chain_headers", json!([]), -32602, "from"),
        ("chain_headers", json!([-1]), -32602, "from"),
        ("chain_headers", json!([0, "all"]), -32602, "count"),
        ("chain_proof", json!(["12"]), -32602, "txid"),
        ("chain_tx", json!(["12"]), -32602, "txid"),
        ("tx_status", json!([1]), -32602, "txid"),
        ("tx_submit", json!(["xy"]), -32602, "transaction"),
        ("tx_submit", json!(["00ff"]), -32602, "transaction"),
        ("tx_submit", json!([big]), -32602, "transaction"),
        ("tx_check", json!({}), -32602, "transaction"),
        ("coins_list", json!([["ab"]]), -32602, "locks"),
        ("coins_list", json!({"locks": [&id], "limit": -5}), -32602, "limit"),
        ("coins_list", json!({"locks": [&id], "after": "here"}), -32602, "after"),
        ("coins_list", json!([(0..1_001).map(|n| format!("{n:064x}")).collect::<Vec<_>>()]), -32602, "locks"),
        ("history_list", json!([[&id], "now"]), -32602, "from_height"),
        ("chain_tip", json!([1]), -32602, "params"),
        ("node_status", json!({"verbose": true}), -32602, "verbose"),
        ("mining_template", json!(["bob"]), -32602, "to"),
        ("mining_template", json!([&id]), -32602, "params"),
        ("mining_submit", json!([1, "zz", 0, 0, 0]), -32602, "coinbase"),
        ("mining_submit", json!([1, "00", 0, 0, 1u64 << 32]), -32602, "nonce"),
        ("dev_links", json!(["secret"]), -32602, "faults"),
        ("dev_links", json!(["secret", ["nobody"]]), -32602, "params"),
        ("dev_links", json!(["secret", [fault("nobody", json!({"cut": true}))]]), -32602, "faults"),
        ("dev_links", json!(["secret", [fault(&peer, json!({"drop_ppm": 1_000_001}))]]), -32602, "faults"),
        ("dev_links", json!(["secret", [fault(&peer, json!({}))]]), -32602, "faults"),
        ("dev_note", json!(["secret", "begin", "process", "x".repeat(501)]), -32602, "what"),
        ("dev_note", json!(["secret", "never", "process", "paused"]), -32602, "params"),
        ("dev_byzantine", json!(["secret"]), -32602, "mode"),
        ("dev_byzantine", json!(["secret", "honest"]), -32602, "mode"),
        ("dev_byzantine", json!(["secret", "censor"]), -32602, "target"),
        ("dev_byzantine", json!(["secret", "censor", "bob"]), -32602, "target"),
        ("dev_byzantine", json!(["secret", "silent", &id]), -32602, "target"),
        ("dev_mine", json!(["secret", 0]), -32602, "count"),
        ("dev_mine", json!(["secret", 1_001]), -32602, "count"),
        ("dev_hashrate", json!(["secret"]), -32602, "hashes_per_second"),
        ("dev_hashrate", json!(["secret", 1]), -32602, "params"),
    ];
    for (method, params, code, field) in cases {
        let error = call(running.address, method, params.clone()).await.expect_err(method);
        assert_eq!((&error["code"], &error["data"]["field"]), (&json!(code), &json!(field)), "{method}: {error}");
        assert_eq!(error["data"]["kind"], "invalid-params");
    }
    let kinds = [
        ("chain_block", json!([1_000_000]), -32003, "not-found"),
        ("chain_block", json!([&id]), -32003, "not-found"),
        ("chain_tx", json!([&id]), -32003, "not-found"),
        ("dev_mine", json!(["guess", 1]), -32004, "unauthorized"),
        ("dev_links", json!(["", []]), -32004, "unauthorized"),
        ("dev_byzantine", json!(["guess", "silent"]), -32004, "unauthorized"),
    ];
    for (method, params, code, kind) in kinds {
        let error = call(running.address, method, params).await.expect_err(method);
        assert_eq!((&error["code"], &error["data"]["kind"]), (&json!(code), &json!(kind)), "{method}");
    }
    for missing in ["admin_stop", "chain_nothing", ""] {
        assert_eq!(call(running.address, missing, json!([])).await.unwrap_err()["code"], -32601, "{missing}");
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn guarded_methods_exist_only_where_they_may() {
    let running = running(false, Some("sesame".into())).await;
    for method in METHODS.iter().filter(|method| method.access == Access::Dev) {
        assert_eq!(call(running.address, method.name, json!(["secret", 1])).await.unwrap_err()["code"], -32601);
    }
    assert_eq!(call(running.address, "admin_stop", json!(["open"])).await.unwrap_err()["code"], -32004);
    let document = call(running.address, "rpc_discover", json!({})).await.unwrap().to_string();
    assert!(document.contains("admin_stop") && !document.contains("dev_mine"));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_hosts_and_pages_are_refused() {
    let running = running(true, None).await;
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": "chain_tip"}).to_string();
    let port = running.address.port();
    let cases = [
        ("host: localhost\r\n".to_owned(), "200"),
        (format!("host: 127.0.0.1:{port}\r\n"), "200"),
        (format!("host: [::1]:{port}\r\n"), "200"),
        ("host: Node.Example:80\r\n".to_owned(), "200"),
        ("host: evil.example\r\n".to_owned(), "403"),
        ("host: localhost.evil.example\r\n".to_owned(), "403"),
        ("host: 8.8.8.8\r\n".to_owned(), "403"),
        (String::new(), "40"),
        (format!("{HOST}origin: http://localhost:3000\r\n"), "200"),
        (format!("{HOST}origin: http://127.0.0.1\r\n"), "200"),
        (format!("{HOST}origin: https://evil.example\r\n"), "403"),
        (format!("{HOST}origin: null\r\n"), "403"),
    ];
    for (headers, status) in cases {
        let answer = raw(running.address, &post(&headers, &request)).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{headers}: {answer}");
        assert!(!answer.to_ascii_lowercase().contains("access-control-allow"), "{answer}");
    }
    let get = |path: &str, host: &str| format!("GET {path} HTTP/1.1\r\n{host}connection: close\r\n\r\n").into_bytes();
    let metrics = raw(running.address, &get("/metrics", HOST)).await;
    assert!(metrics.starts_with("HTTP/1.1 200") && metrics.contains("bezant_height"), "{metrics}");
    assert!(raw(running.address, &get("/health", HOST)).await.starts_with("HTTP/1.1 200"));
    assert!(raw(running.address, &get("/ready", HOST)).await.starts_with("HTTP/1.1 200"));
    assert!(raw(running.address, &get("/metrics", "host: evil.example\r\n")).await.starts_with("HTTP/1.1 403"));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_on_the_port_changes_nothing() {
    let running = running(true, None).await;
    let mut state = 5u64;
    for length in [1, 10, 1_000, 100_000] {
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        let bytes: Vec<u8> = (0..length).map(|_| next()).collect();
        nonsense(running.address, &bytes).await;
        let body: String = bytes.iter().map(|byte| char::from(byte % 95 + 32)).collect();
        let answer = raw(running.address, &post(HOST, &body)).await;
        assert!(answer.contains("-32700") || answer.contains("-32600"), "{answer}");
    }
    let nested = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    raw(running.address, &post(HOST, &nested)).await;
    let deep = format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"chain_tip\",\"params\":{nested}}}");
    raw(running.address, &post(HOST, &deep)).await;
    let oversized = post(HOST, &" ".repeat(2 * 1024 * 1024));
    let refused = raw(running.address, &oversized).await;
    // The server may hang up before all of it was sent, and its answer is lost then.
    assert!(refused.is_empty() || refused.starts_with("HTTP/1.1 413"), "{refused}");
    let one = json!({"jsonrpc": "2.0", "id": 1, "method": "chain_tip"});
    let batch = |count: usize| Value::from(vec![one.clone(); count]).to_string();
    assert_eq!(raw(running.address, &post(HOST, &batch(64))).await.matches("final_height").count(), 64);
    assert!(raw(running.address, &post(HOST, &batch(65))).await.contains("-32010"));
    assert!(call(running.address, "chain_tip", json!([])).await.is_ok());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_named() {
    let (handle, _requests, _dir) = handle();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap();
    let config = RpcConfig { listen, ..RpcConfig::default() };
    let (_stop, shutdown) = watch::channel(false);
    let error = start(RpcSetup { config, dev_token: None, handle, shutdown }).await.unwrap_err();
    assert!(matches!(error, RpcError::Listen { address, .. } if address == listen));
    assert!(error.to_string().contains("rpc.listen"));
}

#[tokio::test(flavor = "multi_thread")]
async fn events_start_with_a_snapshot_and_their_numbers_rise_by_one() {
    let running = running(true, None).await;
    let client = Client::of_one(&running.url).unwrap();
    let mut events = client.events(None).await.unwrap();
    let first = timeout(PATIENCE, events.next()).await.unwrap().unwrap();
    assert!(matches!(first.kind, EventKind::Snapshot { .. }));
    client.dev_mine(&mine_params(2)).await.unwrap();
    let mut last = first.seq;
    let mut blocks = 0;
    while blocks < 2 {
        let event = timeout(PATIENCE, events.next()).await.unwrap().unwrap();
        assert_eq!(event.seq, last + 1);
        last = event.seq;
        blocks += usize::from(matches!(event.kind, EventKind::Block { .. }));
    }
    running.stop().await;
}

#[tokio::test]
async fn whoever_wants_some_kinds_of_events_gets_these_and_no_others() {
    let running = running(true, None).await;
    let client = Client::of_one(&running.url).unwrap();
    let mut all = client.events(None).await.unwrap();
    let mut blocks = client.events_of(&["block"]).await.unwrap();
    let first = timeout(PATIENCE, blocks.next()).await.unwrap().unwrap();
    assert!(matches!(first.kind, EventKind::Snapshot { .. }), "{first:?}");
    client.dev_mine(&mine_params(2)).await.unwrap();
    let mut named = Vec::new();
    while named.len() < 2 {
        let event = timeout(PATIENCE, all.next()).await.unwrap().unwrap();
        // A net's first block comes by itself, perhaps before the second one listened.
        if event.seq > first.seq && matches!(event.kind, EventKind::Block { .. }) {
            named.push(event);
        }
    }
    assert!(named[0].seq + 1 < named[1].seq, "other events were between");
    for event in named {
        assert_eq!(timeout(PATIENCE, blocks.next()).await.unwrap().unwrap(), event);
    }
    let refused = client.events_of(&["block", "blocks"]).await.unwrap_err().to_string();
    assert!(refused.contains("`blocks`") && refused.contains("reorg"), "{refused}");
    running.stop().await;
}

#[tokio::test]
async fn whoever_comes_to_a_backlog_is_told_before_anything_is_done() {
    let room = Room::default();
    room.tell(true);
    let (handle, mut asked, _dir) = handle_with(room);
    // Nothing of it is looked at: it is not even valid.
    let nonsense = || genesis(true).block().transactions[0].clone();
    let single = handle.submit(nonsense()).await.unwrap_err();
    let many = handle.submit_many(vec![nonsense()]).await.unwrap_err();
    let package = handle.submit_package(vec![nonsense()]).await.unwrap_err();
    for error in [single, many, package] {
        assert_eq!((error.kind(), &error), ("busy", &AskError::Backlog));
    }
    assert!(asked.try_recv().is_err(), "the runtime has not heard of it");
    assert_eq!(handle.metrics().requests_busy.get(), 3);
}

/// A handle whose runtime is the test.
fn handle() -> (NodeHandle, mpsc::Receiver<Request>, TempDir) {
    handle_with(Room::default())
}

/// The same, with room for users as given.
fn handle_with(room: Room) -> (NodeHandle, mpsc::Receiver<Request>, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let genesis = Arc::new(genesis(true));
    let metrics = Arc::new(Metrics::new());
    let opened = store::open(&dir.path().join("data"), &genesis, metrics.clone()).unwrap();
    let (commands, _) = mpsc::channel(1);
    let (requests, asked) = mpsc::channel(64);
    let (pool, _) = VerifyPool::new(Verifier::new(genesis.clone()), commands, metrics.clone()).unwrap();
    let shared = Shared {
        requests,
        room: Arc::new(room),
        pool,
        readers: Readers::new(dir.path().join("data")),
        barrier: opened.state.barrier(),
        genesis_toml: to_toml(&genesis),
        offers: crate::offers::channel().1,
        genesis,
        metrics,
    };
    (NodeHandle::new(shared), asked, dir)
}

fn status(next_event: u64) -> NodeStatus {
    NodeStatus {
        version: String::new(),
        network_id: String::new(),
        engine: EngineName::Pbft,
        dev: true,
        peer_id: String::new(),
        height: 0,
        final_height: 0,
        tip: String::new(),
        tip_time_s: 0,
        peers: 0,
        mempool: 0,
        mempool_bytes: 0,
        next_event,
        byzantine: None,
        faults: Vec::new(),
        clock_offset_ms: 0,
        pbft: None,
        pow: None,
    }
}

/// A WebSocket text frame of a client, with a mask of zeros.
fn ws_frame(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap();
    assert!(length < 126);
    [&[0x81, 0x80 | length, 0, 0, 0, 0], text.as_bytes()].concat()
}

/// Reads one unmasked WebSocket frame and returns its payload.
async fn ws_read(stream: &mut TcpStream) -> Vec<u8> {
    let mut head = [0u8; 2];
    stream.read_exact(&mut head).await.unwrap();
    let length = match head[1] {
        126 => usize::from(stream.read_u16().await.unwrap()),
        127 => usize::try_from(stream.read_u64().await.unwrap()).unwrap(),
        small => usize::from(small),
    };
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).await.unwrap();
    payload
}

async fn ws_open(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let upgrade = "GET / HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
                   sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(upgrade.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
    stream
}

const SUBSCRIBE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"events_subscribe"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_is_too_slow_gets_a_gap_and_a_new_snapshot() {
    let (handle, mut asked, _dir) = handle();
    let (stop, shutdown) = watch::channel(false);
    let (address, task) =
        start(RpcSetup { config: RpcConfig::default(), dev_token: None, handle, shutdown }).await.unwrap();
    let (flood, mut flooding) = mpsc::channel::<u32>(1);
    let runtime = tokio::spawn(async move {
        let mut hub = Hub::default();
        loop {
            tokio::select! {
                request = asked.recv() => match request {
                    Some(Request::Subscribe { from, reply }) => {
                        let _ = reply.send(hub.start(status(hub.next()), Time(1), from));
                    }
                    Some(other) => panic!("{other:?}"),
                    None => return,
                },
                Some(count) = flooding.recv() => {
                    for _ in 0..count {
                        hub.publish(Time(1), EventKind::Refused { height: 1, id: String::new(), reason: "x".repeat(4_000) });
                    }
                }
            }
        }
    });
    let mut stream = ws_open(address).await;
    stream.write_all(&ws_frame(SUBSCRIBE)).await.unwrap();
    let _answer = ws_read(&mut stream).await;
    let first: Value = serde_json::from_slice(&ws_read(&mut stream).await).unwrap();
    assert_eq!(first["params"]["result"]["event"], "snapshot");
    // Nothing is read while far more is said than all buffers hold.
    for _ in 0..20 {
        flood.send(2_000).await.unwrap();
    }
    let read = async {
        let mut next = first["params"]["result"]["seq"].as_u64().unwrap() + 1;
        loop {
            let message: Value = serde_json::from_slice(&ws_read(&mut stream).await).unwrap();
            let event = &message["params"]["result"];
            match event["event"].as_str().unwrap() {
                "gap" => {
                    assert_eq!(event["from"], next);
                    assert!(event["to"].as_u64().unwrap() >= next);
                    break;
                }
                _ => assert_eq!(event["seq"], next),
            }
            next += 1;
        }
        let message: Value = serde_json::from_slice(&ws_read(&mut stream).await).unwrap();
        assert_eq!(message["params"]["result"]["event"], "snapshot");
    };
    timeout(PATIENCE, read).await.expect("a gap comes");
    // One connection has only so many subscriptions.
    let mut greedy = ws_open(address).await;
    for _ in 0..17 {
        greedy.write_all(&ws_frame(SUBSCRIBE)).await.unwrap();
    }
    let refused = async { while !String::from_utf8_lossy(&ws_read(&mut greedy).await).contains("-32006") {} };
    timeout(PATIENCE, refused).await.expect("the seventeenth is refused");
    stop.send_replace(true);
    timeout(PATIENCE, task).await.expect("the server stops").unwrap();
    runtime.abort();
}
