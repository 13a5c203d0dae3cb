//! Header chains and proofs of inclusion as a node of proof of work gives them and a client checks them.

use super::{START, genesis, key, lock_of, transfer};
use crate::node::Node;
use bezant_api::client::{Client, ClientError, HeadersError};
use bezant_api::config::NodeConfig;
use bezant_api::genesis::to_toml;
use bezant_api::types::{BlockRef, DevMineParams, EngineName, InstructParams};
use bezant_consensus::ledger::codec::encode;
use bezant_consensus::ledger::genesis::Genesis;
use bezant_consensus::ledger::target::Target;
use bezant_consensus::ledger::units::Height;
use std::path::Path;

async fn start(dir: &Path, genesis: &Genesis) -> (Node, Client) {
    let genesis_file = dir.join("genesis.toml");
    std::fs::write(&genesis_file, to_toml(genesis)).expect("writes");
    let text = format!(
        "data_dir = {:?}\ngenesis = {genesis_file:?}\n[p2p]\nlisten = [\"/ip4/127.0.0.1/tcp/0\"]\n[dev]\ntoken = \"secret\"\n",
        dir.join("data"),
    );
    let node = Node::start(NodeConfig::from_toml(&text).expect("is a configuration")).await.expect("starts");
    let client = Client::of_one(&node.ready.rpc).expect("a URL");
    (node, client)
}

async fn mine(client: &Client, count: u32) -> u64 {
    let params = DevMineParams { token: "secret".to_owned(), count, to: None, transactions: None, advance_clock: true };
    client.dev_mine(&params).await.expect("mines").height
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_finds_a_transaction_by_work_alone() {
    let dir = tempfile::tempdir().expect("a directory");
    let genesis = genesis(EngineName::Pow, 2);
    let (node, client) = start(dir.path(), &genesis).await;
    let work = |blocks: u64| Target::from_compact(0x207f_ffff).expect("a target").work().times(blocks);
    mine(&client, 3).await;
    let payment = transfer(&genesis, 0, START / 2, lock_of(&key(60)));
    let txid = payment.id().to_string();
    let unknown = client.find(&genesis, &txid).await;
    assert!(matches!(unknown, Err(HeadersError::Client(ClientError::NotFound(_)))), "{unknown:?}");
    client.submit(hex::encode(encode(&payment))).await.expect("is taken");
    let waiting = client.find(&genesis, &txid).await;
    assert!(matches!(waiting, Err(HeadersError::Client(ClientError::NotFound(_)))), "in no block yet: {waiting:?}");
    let at = mine(&client, 1).await;
    for more in [0, 2] {
        let tip = if more > 0 { mine(&client, more).await } else { at };
        let found = client.find(&genesis, &txid).await.expect("is proved");
        assert_eq!((found.included.txid, found.included.height), (payment.id(), Height(at)));
        assert_eq!((found.included.confirmations, found.proof.confirmations), (tip - at + 1, tip - at + 1));
        assert_eq!((found.chain.height(), found.chain.work()), (Height(tip), work(tip + 1)));
        assert_eq!((found.included.work_behind, found.included.work_on_top), (work(at + 1), work(tip - at)));
        assert!(found.proof.signers.is_empty());
        assert_eq!(client.tip().await.expect("answers").id, found.chain.tip().to_string());
    }
    // The coins of genesis too; and any coinbase.
    let first = genesis.block().transactions[0].id().to_string();
    assert_eq!(client.find(&genesis, &first).await.expect("is proved").included.height, Height::GENESIS);
    let block = client.block(BlockRef::Height(2)).await.expect("is there");
    assert_eq!(client.find(&genesis, &block.txids[0]).await.expect("is proved").included.height, Height(2));
    // Whoever has another genesis is not convinced.
    let other = Genesis { salt: [8; 32], ..genesis.clone() };
    let Err(HeadersError::Chain(error)) = client.find(&other, &txid).await else { panic!("another net") };
    assert_eq!(error.height, Height(1));
    // What has left the chain is not proved any more.
    let block = client.block(BlockRef::Height(at)).await.expect("is there").id;
    client.invalidate(&InstructParams { token: "secret".to_owned(), block }).await.expect("is ruled out");
    let gone = client.find(&genesis, &txid).await;
    assert!(matches!(gone, Err(HeadersError::Client(ClientError::NotFound(_)))), "{gone:?}");
    assert_eq!(client.header_chain(&genesis).await.expect("is a chain").height(), Height(at - 1));
    node.stop(Ok(())).await.expect("stops in order");
}

/// More headers than an answer has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_come_in_pages() {
    let dir = tempfile::tempdir().expect("a directory");
    let genesis = genesis(EngineName::Pow, 1);
    let (node, client) = start(dir.path(), &genesis).await;
    for _ in 0..3 {
        mine(&client, 670).await;
    }
    let page = client.headers(1, Some(usize::MAX)).await.expect("answers");
    assert_eq!((page.headers.len(), page.headers[1_999].height, page.height), (2_000, 2_000, 2_010));
    let rest = client.headers(2_001, None).await.expect("answers");
    assert_eq!(
        rest.headers.iter().map(|header| header.height).collect::<Vec<_>>(),
        (2_001..=2_010).collect::<Vec<_>>()
    );
    let chain = client.header_chain(&genesis).await.expect("is a chain");
    assert_eq!((chain.height(), chain.tip().to_string()), (Height(2_010), page.tip));
    node.stop(Ok(())).await.expect("stops in order");
}
