//! Double spends: two transfers of one coin, handed to two nodes at the same moment.

use crate::coins::{COIN_GRAINS, FEE_GRAINS, fund, grains, hex_of, network, to};
use crate::net::{LIMIT, Net, client, until};
use bezant_api::client::Client;
use bezant_api::types::TxState;
use bezant_consensus::ledger::key::SigningKey;
use bezant_consensus::ledger::transaction::{OutPoint, Transaction};
use bezant_wallet::paying::build::{KeyCoin, transfer};

/// Pairs of each engine.
const PAIRS: usize = 200;
/// Pairs on their way at the same time.
const TOGETHER: usize = 20;

/// Of each pair, what became of both halves at one node.
async fn states(client: &Client, pairs: &[[String; 2]]) -> Vec<[TxState; 2]> {
    let mut all = Vec::with_capacity(pairs.len());
    for pair in pairs {
        let mut states = [TxState::Unknown; 2];
        for (state, txid) in states.iter_mut().zip(pair) {
            *state = client.tx_status(txid).await.expect("the node answers").state;
        }
        all.push(states);
    }
    all
}

fn exactly_one_of_each_pair_is_final(options: &[&str]) {
    let net = Net::up(options);
    let manifest = net.manifest();
    let network = network(&net);
    let [owner, left, right] = [1, 2, 3].map(|seed| SigningKey::from_seed(&[seed; 32]));
    let coins = fund(&net, &owner, PAIRS);
    let clients: Vec<Client> = manifest.nodes.iter().map(client).collect();
    let half = |outpoint: &OutPoint, key: &SigningKey| {
        let coin = KeyCoin { outpoint: *outpoint, amount: grains(COIN_GRAINS), key: &owner };
        transfer(&network, &[coin], vec![to(key, COIN_GRAINS - FEE_GRAINS)])
    };
    let halves: Vec<[Transaction; 2]> = coins.iter().map(|coin| [half(coin, &left), half(coin, &right)]).collect();
    net.block_on(async {
        for (batch, pairs) in halves.chunks(TOGETHER).enumerate() {
            let mut sending = tokio::task::JoinSet::new();
            for (place, pair) in pairs.iter().enumerate() {
                // Every pair of different nodes has its turn.
                let first = (batch + place) % 4;
                let second = (first + 1 + place % 3) % 4;
                for (transaction, node) in pair.iter().zip([first, second]) {
                    let client = Client::of_one(&manifest.nodes[node].rpc).expect("a URL");
                    let text = hex_of(transaction);
                    // A node that has heard of the other half refuses this one, which is as good.
                    sending.spawn(async move { client.submit(text).await.is_ok() });
                }
            }
            let taken = sending.join_all().await.into_iter().filter(|taken| *taken).count();
            assert!(taken >= pairs.len(), "of each pair one node at least takes a half: {taken}");
        }
    });
    let pairs: Vec<[String; 2]> = halves.iter().map(|pair| pair.each_ref().map(|half| half.id().to_string())).collect();
    let settled = |node: usize| {
        until(&format!("every pair is settled at node{node}"), LIMIT, || {
            let states = net.block_on(states(&clients[node], &pairs));
            states.iter().all(|pair| pair.contains(&TxState::Final)).then_some(states)
        })
    };
    let winners = |states: &[[TxState; 2]]| -> Vec<usize> {
        let winner = |pair: &[TxState; 2]| {
            assert!(pair.iter().filter(|state| **state >= TxState::Included).count() == 1, "both of a pair: {pair:?}");
            usize::from(pair[1] == TxState::Final)
        };
        states.iter().map(winner).collect()
    };
    let first = winners(&settled(0));
    for node in 1..4 {
        assert_eq!(winners(&settled(node)), first, "node{node} has other winners than node0");
    }
    net.check();
}

#[test]
fn pbft_decides_two_hundred_conflicts() {
    exactly_one_of_each_pair_is_final(&[]);
}

#[test]
fn proof_of_work_decides_two_hundred_conflicts() {
    exactly_one_of_each_pair_is_final(&["--engine", "pow", "--block-time", "1s"]);
}
