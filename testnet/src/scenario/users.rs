//! The users of a scenario: their coins, which are further first coins of the net, and what they hand in, signed ahead. The same in
//! either world.

use crate::scenario::plan::{Payment, Scenario};
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::genesis::Genesis;
use bezant_consensus::ledger::hash::tagged;
use bezant_consensus::ledger::key::SigningKey;
use bezant_consensus::ledger::lock::Lock;
use bezant_consensus::ledger::transaction::{OutPoint, Output, Transaction};
use bezant_wallet::paying::build::{KeyCoin, transfer};

/// Grains of each coin, and the fee of each payment.
const COIN_GRAINS: u64 = 1_000_000;
const FEE_GRAINS: u64 = 1_000;
/// Keys that own the coins.
const USERS: usize = 100;

fn grains(grains: u64) -> Amount {
    Amount::from_grains(grains).expect("a coin is far below the supply")
}

fn key(seed: u64, coin: usize) -> SigningKey {
    let user = (coin % USERS) as u64;
    SigningKey::from_seed(&tagged("bezant/scenario-user", &[&seed.to_le_bytes(), &user.to_le_bytes()]))
}

/// How many coins the payments spend.
fn count(payments: &[Payment]) -> usize {
    payments.iter().map(|payment| payment.coin + 1).max().unwrap_or(0)
}

/// The first coins of its users.
pub(crate) fn coins(scenario: &Scenario, seed: u64) -> Vec<Output> {
    let coin = |coin: usize| Output { amount: grains(COIN_GRAINS), lock: Lock::Key(key(seed, coin).public()).hash() };
    (0..count(&scenario.payments)).map(coin).collect()
}

/// All payments, signed for the net with this genesis, whose last first coins are [`coins`].
pub(crate) fn sign(scenario: &Scenario, seed: u64, genesis: &Genesis) -> Vec<Transaction> {
    let txid = genesis.block().transactions[0].id();
    let first = genesis.allocations.len() - count(&scenario.payments);
    let accounts = bezant_wallet::keys::dev::accounts(seed);
    let network = genesis.network_id();
    let one = |(number, payment): (usize, &Payment)| {
        let key = key(seed, payment.coin);
        let own = Lock::Key(key.public()).hash();
        let to = payment.to.map_or(own, |account| Lock::Key(accounts[account].key.public()).hash());
        // Rivals differ though they may pay the same account.
        let paid = COIN_GRAINS / 2 + number as u64;
        let outputs = vec![
            Output { amount: grains(paid), lock: to },
            Output { amount: grains(COIN_GRAINS - paid - FEE_GRAINS), lock: own },
        ];
        let index = u32::try_from(first + payment.coin).expect("a genesis has fewer coins");
        let coin = KeyCoin { outpoint: OutPoint { txid, index }, amount: grains(COIN_GRAINS), key: &key };
        transfer(&network, &[coin], outputs)
    };
    scenario.payments.iter().enumerate().map(one).collect()
}
