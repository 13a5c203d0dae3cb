//! Coins of a test's own, and transfers that spend them without a wallet.

use crate::net::{LIMIT, Net, until};
use bezant_api::types::{CoinsParams, TxState};
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::codec::encode;
use bezant_consensus::ledger::hash::NetworkId;
use bezant_consensus::ledger::key::SigningKey;
use bezant_consensus::ledger::lock::Lock;
use bezant_consensus::ledger::transaction::{OutPoint, Output, Transaction};
use bezant_testnet::net::spec::faucet_key;
use bezant_wallet::paying::build::{KeyCoin, transfer};

/// Grains of each coin that [`fund`] makes.
pub(crate) const COIN_GRAINS: u64 = 1_000_000;
/// More than any node asks for a small transfer.
pub(crate) const FEE_GRAINS: u64 = 1_000;

/// An amount.
pub(crate) fn grains(grains: u64) -> Amount {
    Amount::from_grains(grains).expect("far below the supply")
}

/// An output that this key can spend.
pub(crate) fn to(key: &SigningKey, amount: u64) -> Output {
    Output { amount: grains(amount), lock: Lock::Key(key.public()).hash() }
}

/// What a node takes.
pub(crate) fn hex_of(transaction: &Transaction) -> String {
    hex::encode(encode(transaction))
}

/// The net's id.
#[track_caller]
pub(crate) fn network(net: &Net) -> NetworkId {
    net.manifest().network_id.parse().expect("the manifest names the net")
}

/// Splits a coin of the faucet into `count` coins of `owner`; returns them once every node has them.
#[track_caller]
pub(crate) fn fund(net: &Net, owner: &SigningKey, count: usize) -> Vec<OutPoint> {
    let manifest = net.manifest();
    let faucet = faucet_key(manifest.seed);
    let locks = vec![Lock::Key(faucet.public()).hash().to_string()];
    let coins = net.client(0);
    let coins = net.block_on(coins.coins_page(&CoinsParams { locks, limit: Some(1), after: None }));
    let coin = coins.expect("the node answers").coins.remove(0);
    let (txid, index) = coin.outpoint.split_once(':').expect("TXID:N");
    let outpoint = OutPoint { txid: txid.parse().expect("an id"), index: index.parse().expect("an index") };
    let amount: u64 = coin.amount.parse().expect("grains");
    let mut outputs = vec![to(owner, COIN_GRAINS); count];
    outputs.push(to(&faucet, amount - count as u64 * COIN_GRAINS - 50 * FEE_GRAINS));
    let funding = transfer(&network(net), &[KeyCoin { outpoint, amount: grains(amount), key: &faucet }], outputs);
    net.block_on(net.client(0).submit(hex_of(&funding))).expect("the funding is taken");
    let txid = funding.id();
    for node in 0..manifest.nodes.len() {
        until(&format!("node{node} has the coins"), LIMIT, || {
            let status = net.tx_status(node, &txid.to_string());
            // Under proof of work the last blocks may yet be exchanged for others.
            (status.state == TxState::Final || status.confirmations >= 3).then_some(())
        });
    }
    (0..count).map(|index| OutPoint { txid, index: u32::try_from(index).expect("few") }).collect()
}
