use super::*;
use jsonrpsee::server::{RpcModule, Server, ServerHandle};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Mutex;

/// What the node says was used.
struct Index {
    /// By blocks.
    blocks: BTreeSet<String>,
    /// By what waits in the mempool.
    pool: BTreeSet<String>,
    everything: bool,
    /// The most locks that one question named, and how many questions there were.
    asked: Mutex<(usize, usize)>,
}

fn mnemonic() -> Mnemonic {
    Mnemonic::from_entropy(&[8; 16]).unwrap()
}

fn names(addresses: &[usize]) -> BTreeSet<String> {
    addresses.iter().flat_map(|at| derive(mnemonic().seed().as_slice(), *at..at + 1)).map(|lock| text(&lock)).collect()
}

async fn node(index: Index) -> (Client, ServerHandle) {
    let mut module = RpcModule::new(index);
    let hit = |index: &Index, params: &jsonrpsee::types::Params<'_>, set: &BTreeSet<String>| {
        let value: serde_json::Value = params.parse().unwrap();
        let locks: Vec<String> = serde_json::from_value(value["locks"].clone()).unwrap();
        let mut asked = index.asked.lock().unwrap();
        *asked = (asked.0.max(locks.len()), asked.1 + 1);
        index.everything || locks.iter().any(|lock| set.contains(lock))
    };
    module
        .register_method("history_list", move |params, index, _| {
            let entry = json!({"txid": "00", "height": 1, "block": "00", "time_s": 1, "received": "1", "sent": "0", "is_final": true});
            let entries = if hit(index, &params, &index.blocks) { vec![entry] } else { vec![] };
            json!({"entries": entries, "more": false})
        })
        .unwrap();
    module
        .register_method("coins_list", move |params, index, _| {
            let coin = json!({"outpoint": "00:0", "amount": "1", "lock": "00", "height": 0, "coinbase": false});
            let pool = if hit(index, &params, &index.pool) { vec![coin] } else { vec![] };
            json!({"height": 1, "tip": "00", "final_height": 1, "coins": [], "spent_in_pool": [], "pool_coins": pool, "more": false})
        })
        .unwrap();
    module
        .register_method("asked", |_, index, _| {
            let (most, questions) = *index.asked.lock().unwrap();
            json!([most, questions])
        })
        .unwrap();
    let server = Server::builder().build("127.0.0.1:0").await.unwrap();
    let client = Client::of_one(&format!("http://{}", server.local_addr().unwrap())).unwrap();
    (client, server.start(module))
}

fn index(blocks: &[usize], pool: &[usize]) -> Index {
    Index { blocks: names(blocks), pool: names(pool), everything: false, asked: Mutex::new((0, 0)) }
}

#[tokio::test]
async fn addresses_are_found_up_to_the_first_gap() {
    for (blocks, pool, from, gap, used) in [
        (&[][..], &[][..], 0, GAP, 0),
        (&[0], &[], 0, GAP, 1),
        (&[19], &[], 0, GAP, 20),
        (&[20], &[], 0, GAP, 0),
        (&[0, 20], &[], 0, GAP, 21),
        (&[0, 21], &[], 0, GAP, 1),
        (&[3, 5, 18, 30], &[49], 0, GAP, 50),
        (&[], &[4], 0, GAP, 5),
        (&[2], &[], 0, 2, 0),
        (&[0, 1, 2, 3], &[], 0, 1, 4),
        (&[3], &[], 1, 3, 4),
        (&[3], &[], 4, 3, 0),
    ] {
        let (client, _server) = node(index(blocks, pool)).await;
        let found = search(&client, &mnemonic(), from, gap).await.unwrap();
        assert_eq!(found, Discovery { used, is_full: false }, "{blocks:?} {pool:?} from {from}, gap {gap}");
    }
}

#[tokio::test]
async fn a_node_that_says_yes_to_everything_ends_at_the_limit() {
    for gap in [GAP, 333, ADDRESSES_MAX] {
        let (client, _server) = node(Index { everything: true, ..index(&[], &[]) }).await;
        let found = search(&client, &mnemonic(), 0, gap).await.unwrap();
        assert_eq!(found, Discovery { used: ADDRESSES_MAX, is_full: true });
        let (most, questions): (usize, usize) = client.request("asked", &json!({})).await.unwrap();
        assert!(most <= gap && questions < 1_000, "{most} {questions}");
    }
}

#[tokio::test]
async fn a_node_that_fails_is_no_empty_wallet() {
    let server = Server::builder().build("127.0.0.1:0").await.unwrap();
    let client = Client::of_one(&format!("http://{}", server.local_addr().unwrap())).unwrap();
    let _server = server.start(RpcModule::new(()));
    assert!(search(&client, &mnemonic(), 0, GAP).await.is_err());
}
