use super::*;
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::hash::LockHash;

#[test]
fn a_digest_tells_recipients_amounts_and_their_order_apart() {
    let to = |seed: u8| Recipient { lock: LockHash([seed; 32]), address: String::new(), name: None };
    let exactly = |grains: u64| Sum::Exactly(Amount::from_grains(grains).unwrap());
    let (a, b) = (to(1), to(2));
    let all = [
        asked([(&a, exactly(1))]),
        asked([(&b, exactly(1))]),
        asked([(&a, exactly(2))]),
        asked([(&a, Sum::Max)]),
        asked([(&a, exactly(1)), (&b, exactly(1))]),
        asked([(&b, exactly(1)), (&a, exactly(1))]),
    ];
    let distinct: std::collections::BTreeSet<_> = all.iter().collect();
    assert_eq!(distinct.len(), all.len());
    let named = Recipient { name: Some("bob".to_owned()), ..to(1) };
    assert_eq!(asked([(&named, exactly(1))]), all[0], "by name or by address is the same");
}

mod following {
    use super::super::*;
    use crate::paying::follow::Wait;
    use bezant_api::types::{SubmitResult, TxParams};
    use bezant_consensus::ledger::amount::Amount;
    use bezant_consensus::ledger::codec::decode;
    use bezant_consensus::ledger::hash::{LockHash, TxId};
    use bezant_consensus::ledger::lock::LockTime;
    use bezant_consensus::ledger::transaction::{Body, OutPoint, Output, Transaction, Transfer};
    use jsonrpsee::server::{RpcModule, Server, ServerHandle};
    use jsonrpsee::types::ErrorObjectOwned;
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    /// What a node knows, what it was given, and what it refuses; a refusal puts another transaction into a block.
    #[derive(Default)]
    struct World {
        states: BTreeMap<String, TxState>,
        given: Vec<String>,
        refuses: Option<(String, String)>,
    }

    async fn node(world: &Arc<Mutex<World>>) -> (Client, ServerHandle) {
        let mut module = RpcModule::new(Arc::clone(world));
        module
            .register_method("tx_status", |params, world, _| {
                let txid = params.parse::<TxParams>().unwrap().txid;
                let state = world.lock().unwrap().states.get(&txid).copied().unwrap_or(TxState::Unknown);
                let placed = state >= TxState::Included;
                let (height, block) = (placed.then_some(3), placed.then(|| "bb".to_owned()));
                let confirmations = u64::from(placed);
                let status = TxStatus { txid, state, height, block, confirmations, reason: None, replaced_by: None };
                Ok::<_, ErrorObjectOwned>(status)
            })
            .unwrap();
        module
            .register_method("tx_submit", |params, world, _| {
                let hex = params.parse::<BTreeMap<String, String>>().unwrap()["transaction"].clone();
                let transaction: Transaction = decode(&hex::decode(hex).unwrap()).unwrap();
                let (txid, mut world) = (transaction.id().to_string(), world.lock().unwrap());
                world.given.push(txid.clone());
                if let Some((refused, winner)) = world.refuses.clone().filter(|(refused, _)| *refused == txid) {
                    world.states.insert(winner, TxState::Included);
                    let kind = serde_json::json!({"kind": "tx-missing-coin"});
                    return Err(ErrorObjectOwned::owned(bezant_api::methods::REFUSED, refused, Some(kind)));
                }
                world.states.insert(txid.clone(), TxState::Pool);
                Ok(SubmitResult { txid, known: false, fee: None })
            })
            .unwrap();
        let server = Server::builder().build("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", server.local_addr().unwrap());
        (Client::of_one(&url).unwrap(), server.start(module))
    }

    fn attempt(kind: Kind, grains: u64) -> Attempt {
        let output = Output { amount: Amount::from_grains(grains).unwrap(), lock: LockHash([1; 32]) };
        let inputs = vec![OutPoint { txid: TxId([2; 32]), index: 0 }];
        let body = Body::Transfer(Transfer { inputs, outputs: vec![output], lock_time: LockTime::NONE });
        let transaction = Transaction::new(body, vec![]);
        Attempt { kind, transaction, fee: Amount::ZERO, change: Amount::ZERO }
    }

    fn id(attempt: &Attempt) -> String {
        attempt.transaction.id().to_string()
    }

    async fn followed(world: World, attempts: &[Attempt]) -> (Result<Sent, WalletError>, Vec<String>) {
        let world = Arc::new(Mutex::new(world));
        let (client, _server) = node(&world).await;
        let kept = Kept { number: 1, asked: [0; 32], attempts: attempts.to_vec() };
        let options = FollowOptions { wait: Wait::Pool, confirmations: None, timeout: Duration::from_secs(60) };
        let result = follow(&client, &kept, options).await;
        let given = world.lock().unwrap().given.clone();
        (result, given)
    }

    #[tokio::test]
    async fn the_newest_is_handed_over_unless_an_older_one_is_in_a_block() {
        let [first, second] = [attempt(Kind::Send, 10), attempt(Kind::Bump, 9)];
        let both = [first.clone(), second.clone()];
        let (sent, given) = followed(World::default(), &both).await;
        let sent = sent.unwrap();
        assert_eq!((sent.txid, sent.status, given), (id(&second), "pool", vec![id(&second)]));
        // Known already: it is not handed over again.
        let states = [(id(&second), TxState::Pool)].into();
        let (sent, given) = followed(World { states, ..World::default() }, &both).await;
        assert_eq!((sent.unwrap().txid, given), (id(&second), vec![]));
        let states = [(id(&first), TxState::Final)].into();
        let (sent, given) = followed(World { states, ..World::default() }, &both).await;
        let sent = sent.unwrap();
        assert_eq!((sent.txid, sent.status, sent.height, given), (id(&first), "final", Some(3), vec![]));
    }

    #[tokio::test]
    async fn what_was_cancelled_is_not_sent_again_unless_the_first_won() {
        let [first, taken_back] = [attempt(Kind::Send, 10), attempt(Kind::Cancel, 9)];
        let both = [first.clone(), taken_back.clone()];
        for states in [BTreeMap::new(), [(id(&taken_back), TxState::Included)].into()] {
            let (sent, given) = followed(World { states, ..World::default() }, &both).await;
            assert_eq!((sent.unwrap_err().kind(), given.len()), ("cancelled", 0));
        }
        let states = [(id(&first), TxState::Included)].into();
        let (sent, _) = followed(World { states, ..World::default() }, &both).await;
        assert_eq!(sent.unwrap().txid, id(&first));
    }

    #[tokio::test]
    async fn when_the_newest_loses_to_an_older_one_that_is_followed() {
        let [first, second] = [attempt(Kind::Send, 10), attempt(Kind::Bump, 9)];
        let both = [first.clone(), second.clone()];
        let refuses = Some((id(&second), id(&first)));
        let (sent, given) = followed(World { refuses, ..World::default() }, &both).await;
        assert_eq!((sent.unwrap().txid, given), (id(&first), vec![id(&second)]));
        // To a stranger: it lost its place.
        let refuses = Some((id(&second), "00".repeat(32)));
        let (sent, _) = followed(World { refuses, ..World::default() }, &both).await;
        assert_eq!(sent.unwrap_err().exit_status(), 4);
    }
}
