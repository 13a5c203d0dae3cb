//! Joining many small coins into few, while fees are low, so that later payments are small and cheap.
//!
//! Coins worth no more than their own input are left: joining them would lose money. Locked coins and those of payments with ids are
//! left, too. All are paid to the wallet's newest address, the smallest first, as many in one transaction as fit.

use crate::coins::view::{self, CoinState, Owned};
use crate::error::WalletError;
use crate::keys::keystore::Unlocked;
use crate::locks::policy::satisfy::Opening;
use crate::paying::build::{self, OpenCoin, Payment, Pays, Ring, sizes};
use crate::paying::fee;
use crate::paying::journal::{Attempt, Kind};
use crate::paying::selection::{Load, fee};
use crate::session::{Found, Session};
use bezant_api::types::ReadLevel;
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::hash::{LockHash, NetworkId};
use bezant_consensus::ledger::key::SigningKey;
use bezant_consensus::ledger::lock::Lock;
use bezant_consensus::ledger::transaction::OutPoint;
use bezant_consensus::limits::INPUTS_MAX;
use std::collections::{BTreeMap, BTreeSet};

#[cfg(test)]
mod tests;

/// Transactions that one call makes.
pub const TRANSACTIONS_MAX: usize = 20;

/// Which coins to join.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Only coins worth less than this.
    pub below: Option<Amount>,
    /// At most this many coins.
    pub max: Option<usize>,
    /// Grains per 1,000 bytes; unless given, what `send` would pay.
    pub fee_rate: Option<u64>,
    /// Coins that are left alone.
    pub reserved: BTreeSet<OutPoint>,
}

/// Coins to be joined, signed.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The transactions, which do not depend on each other.
    pub attempts: Vec<Attempt>,
    /// How many coins they join.
    pub coins: usize,
    /// Coins that are left because they are worth no more than their input.
    pub dust: usize,
    /// Grains less that spending all of it costs later, at the same rate.
    pub saves: u64,
    /// Grains per 1,000 bytes.
    pub fee_rate: u64,
}

/// Chooses the coins and signs.
///
/// # Errors
/// [`WalletError::Refused`] of kind `nothing-to-join` when there are fewer than two coins for it; as [`crate::paying::send::plan`].
pub async fn plan(
    session: &Session,
    found: &Found,
    unlocked: &Unlocked,
    options: &Options,
) -> Result<Plan, WalletError> {
    let client = session.client()?;
    let (_, coins) = view::coins(client, session.genesis(), found, ReadLevel::Latest).await?;
    let rate = fee::rate(options.fee_rate, client, session.genesis().ledger.relay_fee_rate_min).await?;
    let to = *found.wallet.lock_hashes().last().expect("a wallet has an address");
    join(session.network(), &coins, &unlocked.keys, to, rate, options)
}

fn join(
    network: &NetworkId,
    coins: &[Owned],
    keys: &[SigningKey],
    to: LockHash,
    rate: u64,
    options: &Options,
) -> Result<Plan, WalletError> {
    let ring: Ring<'_> = keys.iter().map(|key| (key.public(), key)).collect();
    let openings: BTreeMap<LockHash, Opening> =
        ring.keys().map(|key| (Lock::Key(*key).hash(), Opening::of_key(*key))).collect();
    let is_free = |coin: &&Owned| coin.state == CoinState::Spendable && !options.reserved.contains(&coin.outpoint);
    let is_small = |coin: &&Owned| options.below.is_none_or(|below| coin.amount < below);
    let mut small: Vec<&Owned> = coins.iter().filter(is_free).filter(is_small).collect();
    small.sort_by_key(|coin| (coin.amount, coin.outpoint));
    let input = fee(sizes().input, rate);
    let dust = small.partition_point(|coin| coin.amount.grains() <= input);
    let inputs_max = inputs_max();
    let most = options.max.unwrap_or(usize::MAX).min(inputs_max * TRANSACTIONS_MAX);
    let open = |coin: &&Owned| {
        Some(OpenCoin { outpoint: coin.outpoint, amount: coin.amount, opening: openings.get(&coin.lock)?.clone() })
    };
    let mut chosen: Vec<OpenCoin> = small[dust..].iter().filter_map(open).take(most).collect();
    // One coin alone would be paid for nothing.
    if chosen.len() % inputs_max == 1 {
        chosen.pop();
    }
    if chosen.is_empty() {
        let left =
            if dust > 0 { format!(" ({dust} are worth no more than spending them costs)") } else { String::new() };
        let message = format!("the wallet has fewer than two coins to join{left}; see `bezant wallet utxos`");
        return Err(WalletError::refused("nothing-to-join", message));
    }
    let payment = Payment { pays: Pays::Everything(to), change: to, fee_rate: rate, long_rate: rate, all: true };
    let attempt = |some: &[OpenCoin]| {
        let built = build::payment(some, &payment, &mut rand::rng())?.sign(network, &ring)?;
        let (transaction, fee, change) = (built.transaction, built.fee, built.amount);
        Ok(Attempt { kind: Kind::Send, transaction, fee, change })
    };
    let attempts: Vec<Attempt> = chosen.chunks(inputs_max).map(attempt).collect::<Result<_, WalletError>>()?;
    let saves = (chosen.len() - attempts.len()) as u64 * input;
    Ok(Plan { coins: chosen.len(), attempts, dust, saves, fee_rate: rate })
}

/// Coins of single keys that fit into one transaction.
fn inputs_max() -> usize {
    let fits = |inputs: &usize| sizes().fits(Load { inputs: *inputs, bytes: *inputs as u64 * sizes().input }, 1);
    (1..=INPUTS_MAX).take_while(fits).last().unwrap_or(1)
}
