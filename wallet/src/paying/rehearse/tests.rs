use super::*;
use crate::paying::build::{self, KeyCoin};
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::hash::{LockHash, NetworkId};
use bezant_consensus::ledger::key::SigningKey;
use bezant_consensus::ledger::transaction::{OutPoint, Output};
use jsonrpsee::server::{RpcModule, Server};
use jsonrpsee::types::ErrorObjectOwned;
use std::sync::{Arc, Mutex};

#[tokio::test]
async fn transactions_that_build_on_each_other_are_rehearsed_together() {
    let given: Arc<Mutex<Vec<String>>> = Arc::default();
    let mut module = RpcModule::new(Arc::clone(&given));
    module
        .register_method("tx_test", |params, given, _| {
            let transactions = params.parse::<std::collections::BTreeMap<String, Vec<String>>>().unwrap();
            *given.lock().unwrap() = transactions["transactions"].clone();
            let refusal = bezant_api::types::RefusalView {
                kind: "cluster-full".to_owned(),
                message: "the second is one too many".to_owned(),
                txid: None,
            };
            Ok::<_, ErrorObjectOwned>(bezant_api::types::TestView {
                accepted: false,
                transactions: vec![],
                fee: None,
                fee_rate: None,
                replaces: vec![],
                evicts: vec![],
                refusal: Some(refusal),
            })
        })
        .unwrap();
    let server = Server::builder().build("127.0.0.1:0").await.unwrap();
    let client = Client::of_one(&format!("http://{}", server.local_addr().unwrap())).unwrap();
    let _server = server.start(module);
    let first = root();
    let second = spending(&first, 5);
    let refused = all(&client, &[&first, &second]).await.unwrap_err();
    assert_eq!((refused.kind(), refused.exit_status()), ("cluster-full", 3));
    let expected = [&first, &second].map(|transaction| hex::encode(encode(transaction)));
    assert_eq!(*given.lock().unwrap(), expected);
}

fn root() -> Transaction {
    let key = SigningKey::from_seed(&[1; 32]);
    let amount = Amount::from_grains(1_000).unwrap();
    let coin = KeyCoin { outpoint: OutPoint { txid: TxId([1; 32]), index: 0 }, amount, key: &key };
    build::transfer(&NetworkId([3; 32]), &[coin], vec![Output { amount, lock: LockHash([2; 32]) }])
}

/// Spends the first output of another.
fn spending(parent: &Transaction, grains: u64) -> Transaction {
    let amount = Amount::from_grains(grains).unwrap();
    let outpoint = OutPoint { txid: parent.id(), index: 0 };
    let key = SigningKey::from_seed(&[1; 32]);
    let coin = KeyCoin { outpoint, amount, key: &key };
    build::transfer(&NetworkId([3; 32]), &[coin], vec![Output { amount, lock: LockHash([4; 32]) }])
}

#[test]
fn each_transaction_is_tested_with_all_that_it_builds_on() {
    let root = root();
    let (child, other) = (spending(&root, 1), spending(&spending(&root, 9), 2));
    let grandchild = spending(&child, 3);
    assert_eq!(packages(&[&root, &child, &other, &grandchild]), [vec![2], vec![0, 1, 3]]);
    assert_eq!(packages(&[&root, &other]), [vec![0], vec![1]]);
    // A chain that is longer than a node looks at: as much as it does.
    let mut chain = vec![root];
    for grains in 1..30 {
        chain.push(spending(chain.last().unwrap(), grains));
    }
    assert_eq!(packages(&chain.iter().collect::<Vec<_>>()), [(0..REHEARSED_MAX).collect::<Vec<_>>()]);
}
