use super::*;
use bezant_api::types::CoinView;
use jsonrpsee::server::{RpcModule, Server, ServerHandle};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A node that names one coin of this amount, at this height; after so many questions another amount.
async fn node(height: u64, amount: u64, later: Option<(usize, u64)>) -> (String, ServerHandle) {
    let asked = AtomicUsize::new(0);
    let mut module = RpcModule::new(());
    module
        .register_method("coins_list", move |_, _, _| {
            let count = asked.fetch_add(1, Ordering::SeqCst);
            let amount = later.filter(|(after, _)| count >= *after).map_or(amount, |(_, amount)| amount);
            let coin = CoinView {
                outpoint: format!("{}:0", "ab".repeat(32)),
                amount: amount.to_string(),
                lock: "00".repeat(32),
                height: 1,
                coinbase: false,
            };
            Ok::<_, jsonrpsee::types::ErrorObjectOwned>(CoinsView {
                height,
                tip: format!("{height}"),
                final_height: height,
                coins: vec![coin],
                spent_in_pool: Vec::new(),
                pool_coins: Vec::new(),
                more: false,
            })
        })
        .unwrap();
    let server = Server::builder().build("127.0.0.1:0").await.unwrap();
    (format!("http://{}", server.local_addr().unwrap()), server.start(module))
}

const DEAD: &str = "http://127.0.0.1:1";

#[tokio::test]
async fn what_enough_say_alike_counts() {
    let (liar, _a) = node(99, 7, None).await;
    let (one, _b) = node(12, 5, None).await;
    let (two, _c) = node(11, 5, None).await;
    for urls in [[&liar, &one, &two, DEAD], [DEAD, &two, &liar, &one]] {
        let agreed = agree(&urls.map(str::to_owned), 2, &[]).await.unwrap();
        assert_eq!((agreed.view.coins[0].amount.as_str(), agreed.view.height, agreed.voices), ("5", 11, 2));
    }
}

#[tokio::test]
async fn a_single_voice_is_not_believed() {
    let (liar, _a) = node(99, 7, None).await;
    let (one, _b) = node(12, 5, None).await;
    let error = agree(&[&liar, &one, DEAD].map(str::to_owned), 2, &[]).await.unwrap_err();
    assert!(error.exit_status() == 1 && error.to_string().contains("at most 1 do"), "{error}");
    let error = agree(&[&liar, DEAD, DEAD].map(str::to_owned), 2, &[]).await.unwrap_err();
    assert!(error.exit_status() == 6 && error.to_string().contains("1 of 3 nodes answer"), "{error}");
}

#[tokio::test]
async fn nodes_that_are_a_block_apart_are_asked_again() {
    let (one, _a) = node(12, 5, Some((2, 6))).await;
    let (two, _b) = node(13, 6, None).await;
    let agreed = agree(&[one, two], 2, &[]).await.unwrap();
    assert_eq!((agreed.view.coins[0].amount.as_str(), agreed.voices), ("6", 2));
}
