//! A node that mines nothing itself and serves those who do.

use super::{LIMIT, genesis, key, lock_of};
use crate::node::Node;
use bezant_api::client::{Client, ClientError};
use bezant_api::config::NodeConfig;
use bezant_api::genesis::to_toml;
use bezant_api::types::{BlockRef, DevMineParams, EngineName, SolutionParams, TemplateParams, TemplateView};
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::block::{Block, Header};
use bezant_consensus::ledger::codec::{decode, encode};
use bezant_consensus::ledger::hash::{MerkleRoot, sha256d};
use bezant_consensus::ledger::target::Target;
use bezant_consensus::ledger::transaction::{Body, Transaction};
use std::path::Path;

fn config(dir: &Path, engine: EngineName, more: &str) -> NodeConfig {
    let genesis_file = dir.join("genesis.toml");
    std::fs::write(&genesis_file, to_toml(&genesis(engine, 1))).expect("writes");
    let text = format!(
        "data_dir = {:?}\ngenesis = {genesis_file:?}\n[p2p]\nlisten = [\"/ip4/127.0.0.1/tcp/0\"]\n[dev]\ntoken = \"secret\"\n{more}",
        dir.join("data"),
    );
    NodeConfig::from_toml(&text).expect("is a configuration")
}

/// What solves a template with this coinbase; `good` is whether the hash is to meet the target.
fn solve(template: &TemplateView, coinbase: &[u8], good: bool) -> SolutionParams {
    let step = |node: [u8; 32], next: &String| sha256d(&[&node[..], &hex::decode(next).expect("hex")].concat());
    let root = template.branch.iter().fold(sha256d(coinbase), step);
    let mut header = Header {
        version: template.version,
        parent: template.parent.parse().expect("an id"),
        merkle_root: MerkleRoot(root),
        time: template.time,
        bits: template.bits,
        nonce: 0,
    };
    let target = Target::from_compact(header.bits).expect("a target");
    assert_eq!(template.target, format!("{:064x}", target.value()));
    while target.is_met_by(&header.id()) != good {
        header.nonce += 1;
    }
    let Header { version, time, nonce, .. } = header;
    SolutionParams { ticket: template.ticket, coinbase: hex::encode(coinbase), version, time, nonce }
}

fn kind(answer: Result<bezant_api::types::SolutionView, ClientError>) -> String {
    match answer.expect_err("is refused") {
        ClientError::Refused { kind, .. } => kind,
        other => panic!("{other:?}"),
    }
}

async fn template(client: &Client, known: Option<u64>) -> TemplateView {
    let params = TemplateParams { to: lock_of(&key(60)).to_string(), known, wait_ms: 8_000 };
    client.mining_template(&params).await.expect("there is a template")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn templates_by_rpc_become_blocks_that_pay_whom_the_caller_says() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = config(dir.path(), EngineName::Pow, "[stratum]\nlisten = \"127.0.0.1:0\"\n");
    let node = Node::start(config).await.expect("starts");
    assert!(node.ready.stratum.as_ref().is_some_and(|address| !address.ends_with(":0")));
    let client = Client::of_one(&node.ready.rpc).expect("a URL");
    let first = template(&client, None).await;
    let mut coinbase = hex::decode(&first.coinbase).expect("hex");
    coinbase[first.extranonce_at..first.extranonce_at + first.extranonce_bytes].fill(0xcd);

    assert_eq!(kind(client.mining_submit(&solve(&first, &coinbase, false)).await), "solution-low");
    let unknown = SolutionParams { ticket: first.ticket + 77, ..solve(&first, &coinbase, true) };
    assert_eq!(kind(client.mining_submit(&unknown).await), "solution-stale");
    let mut greedy: Transaction = decode(&coinbase).expect("a coinbase");
    let Body::Coinbase(body) = greedy.body_mut() else { panic!("a coinbase") };
    body.outputs[0].amount = body.outputs[0].amount.checked_add(Amount::from_grains(1).expect("small")).expect("small");
    assert_eq!(kind(client.mining_submit(&solve(&first, &encode(&greedy), true)).await), "solution-refused");
    assert_eq!(client.tip().await.expect("answers").height, 0, "the node itself searches nothing");

    let taken = client.mining_submit(&solve(&first, &coinbase, true)).await.expect("is taken");
    let tip = client.tip().await.expect("answers");
    assert_eq!((tip.height, &tip.id), (1, &taken.block));
    let view = client.block(BlockRef::Height(1)).await.expect("is there");
    let block: Block = decode(&hex::decode(view.hex).expect("hex")).expect("a block");
    let output = block.transactions[0].outputs()[0];
    assert_eq!((output.lock, output.amount.grains().to_string()), (lock_of(&key(60)), first.reward.clone()));
    assert_eq!(kind(client.mining_submit(&solve(&first, &coinbase, true)).await), "solution-stale");

    // Who knows the old one hears of the new one.
    let second = template(&client, Some(first.ticket)).await;
    assert_eq!((second.height, &second.parent), (2, &taken.block));
    // Blocks on demand are made by the node's own miner, and no more than were asked for.
    let params = DevMineParams { token: "secret".into(), count: 2, to: None, transactions: None, advance_clock: true };
    let mined = client.dev_mine(&params).await.expect("mines");
    assert_eq!(mined.height, 3);
    let third = template(&client, Some(second.ticket)).await;
    assert_eq!(third.height, 4);
    assert_eq!(client.tip().await.expect("answers").height, 3);
    tokio::time::timeout(LIMIT, node.stop(Ok(()))).await.expect("in time").expect("stops in order");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_without_templates_says_so() {
    let dir = tempfile::tempdir().expect("a directory");
    let node = Node::start(config(dir.path(), EngineName::Pow, "")).await.expect("starts");
    assert_eq!(node.ready.stratum, None);
    let client = Client::of_one(&node.ready.rpc).expect("a URL");
    let params = TemplateParams { to: lock_of(&key(60)).to_string(), known: None, wait_ms: 0 };
    let answer = client.mining_template(&params).await;
    assert!(matches!(&answer, Err(ClientError::NotFound(text)) if text.contains("--stratum")), "{answer:?}");
    node.stop(Ok(())).await.expect("stops in order");
}

#[tokio::test]
async fn there_are_no_miners_under_pbft() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = config(dir.path(), EngineName::Pbft, "[stratum]\nlisten = \"127.0.0.1:0\"\n");
    let error = Node::start(config).await.expect_err("refused");
    assert!(error.is_configuration() && error.to_string().contains("stratum.listen"), "{error}");
    let text = "data_dir = \"x\"\ngenesis = \"y\"\n[stratum]\ndifficulty = 0.0\n";
    assert_eq!(NodeConfig::from_toml(text).expect_err("refused").field, "stratum.difficulty");
}
