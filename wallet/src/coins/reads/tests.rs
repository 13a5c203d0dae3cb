use super::*;
use bezant_api::types::CoinView;
use jsonrpsee::server::{RpcModule, Server, ServerHandle};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a node says when it is asked for the `n`-th time.
#[derive(Clone, Copy)]
struct Says {
    /// Of its tip, which is final.
    height: u64,
    /// Of its one coin.
    amount: u64,
    epoch: u64,
    /// `None` for no member.
    commit_height: Option<u64>,
}

fn at(height: u64, amount: u64) -> Says {
    Says { height, amount, epoch: 0, commit_height: Some(height) }
}

/// A node that says one thing after the other, and then the last for ever. Each read of its coins is a step.
async fn node(says: &[Says]) -> (String, ServerHandle) {
    let (says, step) = (says.to_vec(), Arc::new(AtomicUsize::new(0)));
    let mut module = RpcModule::new((says, step));
    let now = |it: &(Vec<Says>, Arc<AtomicUsize>), step: usize| it.0[step.min(it.0.len() - 1)];
    module
        .register_method("coins_list", move |_, it, _| {
            let says = now(it, it.1.fetch_add(1, Ordering::SeqCst));
            let coin = CoinView {
                outpoint: format!("{}:0", "ab".repeat(32)),
                amount: says.amount.to_string(),
                lock: "00".repeat(32),
                height: 1,
                coinbase: false,
            };
            Ok::<_, jsonrpsee::types::ErrorObjectOwned>(CoinsView {
                height: says.height,
                tip: says.height.to_string(),
                final_height: says.height,
                coins: vec![coin],
                spent_in_pool: Vec::new(),
                pool_coins: Vec::new(),
                more: false,
            })
        })
        .unwrap();
    module
        .register_method("node_status", move |_, it, _| {
            let says = now(it, it.1.load(Ordering::SeqCst));
            let pbft = json!({
                "epoch": says.epoch, "view": 0, "primary": 0, "me": says.commit_height.map(|_| 0), "n": 4, "quorum": 3,
                "commit_height": says.commit_height, "is_active": true, "changes": [], "liars": [], "failed_views": 0,
                "timeout_ms": 0, "delay_ms": 0, "delay_allowed_ms": 0, "deadline_ms": null, "slots": [],
            });
            json!({
                "version": "", "network_id": "", "engine": "pbft", "dev": true, "peer_id": "", "height": says.height,
                "final_height": says.height, "tip": "", "tip_time_s": 0, "peers": 3, "mempool": 0, "mempool_bytes": 0,
                "next_event": 0, "pbft": pbft, "pow": null,
            })
        })
        .unwrap();
    let server = Server::builder().build("127.0.0.1:0").await.unwrap();
    (format!("http://{}", server.local_addr().unwrap()), server.start(module))
}

async fn read(nodes: [&[Says]; 4]) -> Result<(u64, u64), WalletError> {
    let (mut urls, mut handles) = (Vec::new(), Vec::new());
    for says in nodes {
        if says.is_empty() {
            urls.push(DEAD.to_owned());
            continue;
        }
        let (url, handle) = node(says).await;
        urls.push(url);
        handles.push(handle);
    }
    let agreed = Voices::of_members(urls, 4).linearizable(3, &[]).await?;
    Ok((agreed.view.coins[0].amount.parse().unwrap(), agreed.view.final_height))
}

const DEAD: &str = "http://127.0.0.1:1";

#[tokio::test]
async fn what_enough_say_alike_counts() {
    let (liar, _a) = node(&[at(99, 7)]).await;
    let (one, _b) = node(&[at(12, 5)]).await;
    let (two, _c) = node(&[at(11, 5)]).await;
    for urls in [[&liar, &one, &two, DEAD], [DEAD, &two, &liar, &one]] {
        let agreed = Voices::of_members(urls.map(str::to_owned).to_vec(), 4).attested(&[]).await.unwrap();
        assert_eq!((agreed.view.coins[0].amount.as_str(), agreed.view.height, agreed.voices), ("5", 11, 2));
    }
}

#[tokio::test]
async fn a_single_voice_is_not_believed() {
    let (liar, _a) = node(&[at(99, 7)]).await;
    let (one, _b) = node(&[at(12, 5)]).await;
    let error = Voices::of_any([&liar, &one, DEAD].map(str::to_owned).to_vec()).attested(&[]).await.unwrap_err();
    assert!(error.exit_status() == 1 && error.to_string().contains("at most 1 do"), "{error}");
    let error = Voices::of_any([&liar, DEAD, DEAD].map(str::to_owned).to_vec()).attested(&[]).await.unwrap_err();
    assert!(error.exit_status() == 6 && error.to_string().contains("1 of 3 nodes answer"), "{error}");
}

#[tokio::test]
async fn nodes_that_are_a_block_apart_are_asked_again() {
    let (one, _a) = node(&[at(12, 5), at(12, 5), at(13, 6)]).await;
    let (two, _b) = node(&[at(13, 6)]).await;
    let agreed = Voices::of_any(vec![one, two]).attested(&[]).await.unwrap();
    assert_eq!((agreed.view.coins[0].amount.as_str(), agreed.voices), ("6", 2));
}

#[tokio::test]
async fn a_quorum_read_has_what_was_final_anywhere() {
    // Two say alike, and are old: one lags, one lies. Others know better.
    let (old, new) = (at(11, 5), at(12, 6));
    assert_eq!(read([&[new], &[new], &[old], &[old]]).await.unwrap(), (6, 12));
    // As final, only one knows it yet; two more sent a COMMIT, and find out a moment later.
    let committing = Says { commit_height: Some(12), ..old };
    assert_eq!(
        read([&[old], &[committing, committing, new], &[committing, committing, new], &[new]]).await.unwrap(),
        (6, 12)
    );
    // A liar's great height, and one that a single correct member still remembers, are not waited for.
    for height in [13, u64::MAX] {
        assert_eq!(
            read([&[Says { commit_height: Some(height), ..new }], &[new], &[new], &[new]]).await.unwrap(),
            (6, 12)
        );
    }
    // Whoever has no voice does not count, whatever he says.
    let mute = Says { commit_height: None, ..at(20, 9) };
    assert_eq!(read([&[mute], &[new], &[new], &[new]]).await.unwrap(), (6, 12));
}

#[tokio::test]
async fn members_that_gave_way_to_others_are_asked_again() {
    let (old, new) = (at(11, 5), Says { epoch: 1, ..at(14, 7) });
    assert_eq!(read([&[old, new], &[old, new], &[old, new], &[old, new]]).await.unwrap(), (7, 14));
    // One who names an epoch of his own holds nobody up.
    assert_eq!(read([&[Says { epoch: 9, ..old }], &[old], &[old], &[old]]).await.unwrap(), (5, 11));
}

#[tokio::test]
async fn without_a_quorum_there_is_no_answer() {
    let error = read([&[at(12, 6)], &[at(12, 6)], &[], &[]]).await.unwrap_err();
    assert!(error.exit_status() == 6 && error.to_string().contains("2 of 4 nodes answer, and 3 have to"), "{error}");
    // A quorum that cannot become final up to where it sent COMMITs.
    let stuck = Says { commit_height: Some(12), ..at(11, 5) };
    let error = read([&[stuck], &[stuck], &[stuck], &[]]).await.unwrap_err();
    assert_eq!(error.exit_status(), 1, "{error}");
}
