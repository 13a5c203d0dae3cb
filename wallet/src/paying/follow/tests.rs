use super::*;
use crate::paying::build;
use crate::paying::build::KeyCoin;
use crate::paying::journal::Kind;
use bezant_api::event::{EVENTS_NOTIFICATION, Event};
use bezant_api::types::SubmitResult;
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::hash::{LockHash, NetworkId, TxId};
use bezant_consensus::ledger::key::SigningKey;
use bezant_consensus::ledger::transaction::OutPoint;
use bezant_consensus::ledger::transaction::Output;
use jsonrpsee::server::{RpcModule, Server, ServerHandle, SubscriptionMessage};
use jsonrpsee::types::ErrorObjectOwned;
use std::sync::{Arc, Mutex};
use tokio::sync::broadcast;

/// What a fake node answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Says {
    State(TxState),
    Refuses,
    /// Has too much to do.
    Busy,
}

/// A node that follows a script: answers are set from outside, and each change is followed by a block event.
struct Node {
    url: String,
    server: ServerHandle,
    says: Arc<Mutex<Says>>,
    events: broadcast::Sender<()>,
    submitted: Arc<Mutex<usize>>,
}

type State = (Arc<Mutex<Says>>, broadcast::Sender<()>, Arc<Mutex<usize>>);

impl Node {
    async fn start(first: Says) -> Node {
        let (says, events) = (Arc::new(Mutex::new(first)), broadcast::channel(16).0);
        let submitted = Arc::new(Mutex::new(0));
        let server = Server::builder().build("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", server.local_addr().unwrap());
        let server = server.start(methods((says.clone(), events.clone(), submitted.clone())));
        Node { url, server, says, events, submitted }
    }

    fn says(&self, says: Says) {
        *self.says.lock().unwrap() = says;
        let _ = self.events.send(());
    }

    fn submitted(&self) -> usize {
        *self.submitted.lock().unwrap()
    }

    /// Waits until the wallet has submitted here and listens.
    async fn until_submitted(&self) {
        while self.submitted() == 0 {
            tokio::task::yield_now().await;
        }
    }
}

fn refusal() -> ErrorObjectOwned {
    ErrorObjectOwned::owned(
        bezant_api::methods::REFUSED,
        "the coin is spent",
        Some(serde_json::json!({"kind": "tx-missing-coin"})),
    )
}

fn busy() -> ErrorObjectOwned {
    ErrorObjectOwned::owned(bezant_api::methods::BUSY, "too much to do", Some(serde_json::json!({"kind": "busy"})))
}

fn methods(state: State) -> RpcModule<State> {
    let mut module = RpcModule::new(state);
    module
        .register_method("tx_submit", |_, (says, _, submitted), _| {
            *submitted.lock().unwrap() += 1;
            match *says.lock().unwrap() {
                Says::Refuses => Err(refusal()),
                Says::Busy => Err(busy()),
                Says::State(_) => Ok(SubmitResult { txid: String::new(), known: false, fee: None }),
            }
        })
        .unwrap();
    module
        .register_method("tx_status", |_, (says, _, _), _| {
            let state = match *says.lock().unwrap() {
                Says::Refuses => TxState::Unknown,
                Says::Busy => return Err(busy()),
                Says::State(state) => state,
            };
            let placed = state >= TxState::Included;
            Ok(TxStatus {
                txid: String::new(),
                state,
                height: placed.then_some(3),
                block: placed.then(|| "bb".to_owned()),
                confirmations: u64::from(placed),
                reason: (state == TxState::Dropped).then(|| "another spent its coin".to_owned()),
                replaced_by: None,
            })
        })
        .unwrap();
    module
        .register_subscription(
            "events_subscribe",
            EVENTS_NOTIFICATION,
            "events_unsubscribe",
            |_, pending, state, _| async move {
                let mut events = state.1.subscribe();
                let sink = pending.accept().await?;
                while events.recv().await.is_ok() {
                    let kind = EventKind::Reorg { fork: 0, depth: 0, tip: String::new() };
                    let event = Event { seq: 0, time_ms: 0, kind };
                    sink.send(SubscriptionMessage::from(serde_json::value::to_raw_value(&event)?)).await?;
                }
                Ok(())
            },
        )
        .unwrap();
    module
}

fn attempt() -> Attempt {
    let key = SigningKey::from_seed(&[1; 32]);
    let amount = Amount::from_grains(1_000).unwrap();
    let coin = KeyCoin { outpoint: OutPoint { txid: TxId([1; 32]), index: 0 }, amount, key: &key };
    let outputs = vec![Output { amount, lock: LockHash([2; 32]) }];
    let transaction = build::transfer(&NetworkId([3; 32]), &[coin], outputs);
    Attempt { kind: Kind::Send, transaction, fee: Amount::ZERO, change: Amount::ZERO }
}

fn options(wait: Wait, timeout_ms: u64) -> FollowOptions {
    FollowOptions { wait, confirmations: None, timeout: Duration::from_millis(timeout_ms) }
}

async fn send(urls: Vec<String>, options: FollowOptions) -> Result<Sent, WalletError> {
    submit(&Client::new(urls).unwrap(), &attempt(), options).await
}

const LONG_MS: u64 = 60_000;

#[tokio::test]
async fn each_wait_ends_when_it_should() {
    let node = Node::start(Says::State(TxState::Pool)).await;
    let url = vec![node.url.clone()];
    assert_eq!(send(url.clone(), options(Wait::None, LONG_MS)).await.unwrap().status, "sent");
    assert_eq!(send(url.clone(), options(Wait::Pool, LONG_MS)).await.unwrap().status, "pool");
    let waiting = tokio::spawn(send(url.clone(), options(Wait::Included, LONG_MS)));
    node.until_submitted().await;
    node.says(Says::State(TxState::Included));
    let sent = waiting.await.unwrap().unwrap();
    assert_eq!((sent.status, sent.height, sent.block.as_deref()), ("included", Some(3), Some("bb")));
    let waiting = tokio::spawn(send(url.clone(), options(Wait::Final, LONG_MS)));
    node.says(Says::State(TxState::Final));
    assert_eq!(waiting.await.unwrap().unwrap().status, "final");
    node.says(Says::State(TxState::Included));
    let by_depth = FollowOptions { confirmations: Some(1), ..options(Wait::Final, LONG_MS) };
    assert_eq!(send(url, by_depth).await.unwrap().status, "final");
}

#[tokio::test]
async fn the_four_ways_to_fail_are_told_apart() {
    let refuses = Node::start(Says::Refuses).await;
    let error = send(vec![refuses.url.clone()], options(Wait::Final, LONG_MS)).await.unwrap_err();
    assert_eq!((error.exit_status(), error.kind(), error.txid()), (3, "tx-missing-coin", None));

    let drops = Node::start(Says::State(TxState::Pool)).await;
    let waiting = tokio::spawn(send(vec![drops.url.clone()], options(Wait::Final, LONG_MS)));
    drops.until_submitted().await;
    drops.says(Says::State(TxState::Dropped));
    let error = waiting.await.unwrap().unwrap_err();
    assert_eq!(error.exit_status(), 4);
    assert!(error.txid().is_some() && error.to_string().contains("another spent its coin"));

    let slow = Node::start(Says::State(TxState::Pool)).await;
    let error = send(vec![slow.url.clone()], options(Wait::Final, 50)).await.unwrap_err();
    assert_eq!((error.exit_status(), error.txid().is_some()), (5, true));

    slow.server.stop().unwrap();
    slow.server.stopped().await;
    let error = send(vec![slow.url], options(Wait::Final, LONG_MS)).await.unwrap_err();
    assert_eq!((error.exit_status(), error.txid()), (6, None));
}

#[tokio::test]
async fn when_its_node_dies_the_next_one_is_told_and_followed() {
    let (first, second) =
        (Node::start(Says::State(TxState::Pool)).await, Node::start(Says::State(TxState::Unknown)).await);
    let waiting = tokio::spawn(send(vec![first.url.clone(), second.url.clone()], options(Wait::Final, LONG_MS)));
    first.until_submitted().await;
    first.server.stop().unwrap();
    first.server.stopped().await;
    second.until_submitted().await;
    second.says(Says::State(TxState::Final));
    assert_eq!(waiting.await.unwrap().unwrap().status, "final");
}

#[tokio::test]
async fn when_the_last_node_dies_the_transaction_is_named() {
    let node = Node::start(Says::State(TxState::Pool)).await;
    let waiting = tokio::spawn(send(vec![node.url.clone()], options(Wait::Final, LONG_MS)));
    node.until_submitted().await;
    node.server.stop().unwrap();
    node.server.stopped().await;
    let error = waiting.await.unwrap().unwrap_err();
    assert_eq!((error.exit_status(), error.txid().is_some()), (6, true));
}

#[tokio::test]
async fn forgotten_and_refused_by_all_it_has_lost_its_place() {
    let node = Node::start(Says::State(TxState::Pool)).await;
    let waiting = tokio::spawn(send(vec![node.url.clone()], options(Wait::Final, LONG_MS)));
    node.until_submitted().await;
    node.says(Says::Refuses);
    let error = waiting.await.unwrap().unwrap_err();
    assert_eq!(error.exit_status(), 4);
    assert!(error.to_string().contains("the coin is spent"), "{error}");
}

#[tokio::test]
async fn a_busy_node_is_waited_for() {
    let node = Node::start(Says::Busy).await;
    let waiting = tokio::spawn(send(vec![node.url.clone()], options(Wait::Final, LONG_MS)));
    node.until_submitted().await;
    node.says(Says::State(TxState::Final));
    assert_eq!(waiting.await.unwrap().unwrap().status, "final");
    node.says(Says::Busy);
    let error = send(vec![node.url.clone()], options(Wait::Final, 50)).await.unwrap_err();
    assert_eq!(error.exit_status(), 5);
}

#[tokio::test]
async fn again_asks_first_and_hands_over_only_what_is_not_known() {
    for (says, submitted, status) in [
        (Says::State(TxState::Final), 0, "final"),
        (Says::State(TxState::Included), 0, "included"),
        (Says::State(TxState::Pool), 0, "pool"),
        (Says::State(TxState::Unknown), 1, "pool"),
        (Says::State(TxState::Dropped), 1, "pool"),
    ] {
        let node = Node::start(says).await;
        let client = Client::new([node.url.clone()]).unwrap();
        let sent = deliver(&client, &attempt(), options(Wait::Pool, LONG_MS), true).await.unwrap();
        assert_eq!((node.submitted(), sent.status), (submitted, status), "{says:?}");
    }
    // What may have been sent before is not called unsent when it is refused now.
    let node = Node::start(Says::Refuses).await;
    let client = Client::new([node.url.clone()]).unwrap();
    let error = deliver(&client, &attempt(), options(Wait::Pool, LONG_MS), true).await.unwrap_err();
    assert_eq!(error.exit_status(), 4, "{error}");
}
