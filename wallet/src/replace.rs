//! A change of mind: another transaction takes the place of one that waits. `bump` pays the same recipients and more to the
//! block's maker, `cancel` pays everything back to the wallet.
//!
//! Both spend all coins of the first, so only one of the two can ever be in a chain. Which one is up to the nodes until a block is
//! final: a node may have proposed, or mined, the first before it heard of the other.

use crate::build::{self, Built, KeyCoin, sizes};
use crate::error::WalletError;
use crate::journal::{Attempt, Journal, Kind};
use crate::keystore::Unlocked;
use crate::repeat;
use crate::selection::fee;
use crate::send::{self, FollowOptions, Sent};
use crate::session::{Found, Session};
use crate::view::{self, CoinState};
use bezant_api::client::{Client, ClientError};
use bezant_api::types::{ReadLevel, TxState};
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::codec::decode;
use bezant_consensus::ledger::hash::{LockHash, NetworkId, TxId};
use bezant_consensus::ledger::key::SigningKey;
use bezant_consensus::ledger::lock::Lock;
use bezant_consensus::ledger::transaction::{Output, Transaction, Witness};
use std::collections::{BTreeMap, BTreeSet};

#[cfg(test)]
mod tests;

/// The transaction that is to be replaced, and who sent it.
#[derive(Clone, Debug)]
pub struct Original {
    /// Whose it is.
    pub found: Found,
    /// The transaction.
    pub transaction: Transaction,
    /// What it spends.
    pub spent: Vec<Amount>,
    /// Number of its payment in the wallet's journal.
    pub payment: Option<i64>,
}

/// What is to take the place of transfers.
#[derive(Clone, Debug)]
pub struct Replacement<'a> {
    /// Their coins.
    pub coins: Vec<KeyCoin<'a>>,
    /// Coins that may be spent beside those.
    pub more: Vec<KeyCoin<'a>>,
    /// Outputs that stay as they are.
    pub kept: Vec<Output>,
    /// Where the rest goes.
    pub change: LockHash,
    /// Grains per 1,000 bytes that are paid at least.
    pub rate: u64,
    /// Fee of what is replaced.
    pub old_fee: u64,
    /// Bytes of what is replaced.
    pub old_bytes: u64,
    /// What relaying once more costs, grains per 1,000 bytes.
    pub step: u64,
}

impl Replacement<'_> {
    /// The least fee of so many bytes that the mempool's rules of replacement allow: the bytes relayed once more are paid on top
    /// of the old fee, and the rate is higher than the old one.
    fn floor(&self, bytes: u64) -> u64 {
        let relayed = self.old_fee.saturating_add(fee(bytes.max(self.old_bytes), self.step));
        relayed.max(fee(bytes, self.old_rate() + 1))
    }

    fn old_rate(&self) -> u64 {
        rate(self.old_fee, self.old_bytes)
    }

    /// Makes and signs it: change shrinks, and when that is not enough, the largest of the other coins are added.
    ///
    /// # Errors
    /// [`WalletError::Refused`] of kind `insufficient-funds` or `too-many-coins`.
    pub fn build(&self, network: &NetworkId) -> Result<Built, WalletError> {
        let mut coins = self.coins.clone();
        let mut more = self.more.clone();
        more.sort_unstable_by_key(|coin| (coin.amount, std::cmp::Reverse(coin.outpoint)));
        let kept = self.kept.iter().fold(0u64, |sum, output| sum.saturating_add(output.amount.grains()));
        let outputs = self.kept.len() as u64;
        loop {
            if coins.len() > sizes().inputs_max(outputs).max(self.coins.len()) {
                return Err(WalletError::refused(
                    "too-many-coins",
                    "the fee takes more coins than one transfer can spend",
                ));
            }
            let total = coins.iter().fold(0u64, |sum, coin| sum.saturating_add(coin.amount.grains()));
            if let Some((fee, change)) = self.divide(coins.len() as u64, outputs, total.checked_sub(kept)) {
                let mut all = self.kept.clone();
                if change > 0 {
                    all.push(Output { amount: grains(change), lock: self.change });
                }
                let transaction = build::transfer(network, &coins, all);
                let built = Built { transaction, amount: grains(kept), fee: grains(fee), change: grains(change) };
                return Ok(built);
            }
            let Some(coin) = more.pop() else {
                let message =
                    "the wallet has no coins for the higher fee, and what goes to the recipients stays as it is";
                return Err(WalletError::refused("insufficient-funds", message));
            };
            coins.push(coin);
        }
    }

    /// Fee and change, given what the kept outputs leave.
    fn divide(&self, inputs: u64, outputs: u64, rest: Option<u64>) -> Option<(u64, u64)> {
        let rest = rest?;
        let least = |bytes: u64| fee(bytes, self.rate).max(self.floor(bytes));
        let with_change = least(sizes().of(inputs, outputs + 1));
        let dust = if outputs == 0 { 0 } else { fee(sizes().input, self.rate) };
        match rest.checked_sub(with_change).filter(|change| *change > dust) {
            Some(change) => Some((with_change, change)),
            None => (outputs > 0 && rest >= least(sizes().of(inputs, outputs))).then_some((rest, 0)),
        }
    }
}

fn grains(grains: u64) -> Amount {
    Amount::from_grains(grains).unwrap_or(Amount::MAX)
}

/// Grains per 1,000 bytes, rounded down.
fn rate(fee: u64, bytes: u64) -> u64 {
    u64::try_from(u128::from(fee) * 1_000 / u128::from(bytes.max(1))).unwrap_or(u64::MAX)
}

/// Finds a transaction that one of these wallets sent: in their journals, else in a node's mempool.
///
/// # Errors
/// [`WalletError::Usage`] when the id is none, [`WalletError::Refused`] of kind `no-such-transaction` or `not-yours`.
pub async fn original(session: &Session, wallets: &[Found], txid: &str) -> Result<Original, WalletError> {
    let id: TxId = txid.parse().map_err(|_| WalletError::Usage(format!("\"{txid}\" is no id of a transaction")))?;
    for found in wallets {
        let kept = Journal::read(&found.path, session.network())?.of(&id)?;
        let of = |attempt: &&Attempt| attempt.transaction.id() == id;
        if let Some((kept, attempt)) = kept.as_ref().and_then(|kept| Some((kept, kept.attempts.iter().find(of)?))) {
            return owned(wallets, &attempt.transaction, Some(kept.number));
        }
    }
    let view = match session.client()?.transaction(txid).await {
        Ok(view) => view,
        Err(ClientError::NotFound(_)) => {
            let message = format!("no wallet here sent {txid}, and no node has it");
            return Err(WalletError::refused("no-such-transaction", message));
        }
        Err(error) => return Err(error.into()),
    };
    let transaction = hex::decode(&view.hex).ok().and_then(|bytes| decode::<Transaction>(&bytes).ok());
    let transaction = transaction.filter(|transaction| transaction.id() == id);
    let transaction =
        transaction.ok_or_else(|| WalletError::Failed(format!("a node gave something else for transaction {txid}")))?;
    owned(wallets, &transaction, None)
}

fn owned(wallets: &[Found], transaction: &Transaction, payment: Option<i64>) -> Result<Original, WalletError> {
    let spends = |witness: &Witness| match witness {
        Witness::Spend(spend) => Some((spend.amount, spend.lock.hash())),
        Witness::Member { .. } => None,
    };
    let spent: Option<Vec<(Amount, LockHash)>> = transaction.witnesses.iter().map(spends).collect();
    let is_all_of = |found: &&Found| {
        let locks = found.wallet.lock_hashes();
        spent.as_ref().is_some_and(|spent| !spent.is_empty() && spent.iter().all(|(_, lock)| locks.contains(lock)))
    };
    match (wallets.iter().find(is_all_of), &spent) {
        (Some(found), Some(spent)) => {
            let spent = spent.iter().map(|(amount, _)| *amount).collect();
            Ok(Original { found: found.clone(), transaction: transaction.clone(), spent, payment })
        }
        _ => {
            let names: Vec<&str> = wallets.iter().map(|found| found.wallet.name.as_str()).collect();
            let message = format!(
                "transaction {} does not spend coins of {} alone; only who sent it can replace it (name the wallet with --from)",
                transaction.id(),
                names.join(", ")
            );
            Err(WalletError::refused("not-yours", message))
        }
    }
}

/// Makes and signs what takes its place, and asks a node whether it would take that.
///
/// # Errors
/// [`WalletError::Refused`]: it is in a block already (`already-included`), was replaced already (`already-replaced`), others of
/// the wallet spend from it (`has-children`), the rate is too low (`fee-rate-too-low`), there is not enough for the fee, or the
/// node's own reason.
pub async fn plan(
    session: &Session,
    original: &Original,
    unlocked: &Unlocked,
    kind: Kind,
    asked_rate: Option<u64>,
) -> Result<Attempt, WalletError> {
    let (client, txid) = (session.client()?, original.transaction.id());
    refuse_if_settled(client, &txid.to_string()).await?;
    let (_, coins) = view::coins(client, session.genesis(), &original.found, ReadLevel::Latest).await?;
    if coins.iter().any(|coin| coin.outpoint.txid == txid && coin.state == CoinState::Leaving) {
        let message =
            format!("another transfer of this wallet spends the change of {txid}; replacing it would undo that one");
        return Err(WalletError::refused("has-children", message));
    }
    let least = session.genesis().ledger.relay_fee_rate_min;
    let rate = match asked_rate {
        Some(rate) => rate,
        None => send::fee_rate(client, least).await?,
    };
    let keys: BTreeMap<LockHash, &SigningKey> =
        unlocked.keys.iter().map(|key| (Lock::Key(key.public()).hash(), key)).collect();
    let inputs: BTreeSet<_> = original.transaction.inputs().iter().copied().collect();
    let reserved = Journal::read(&original.found.path, session.network())?.reserved()?;
    let is_free = |coin: &&view::Owned| !inputs.contains(&coin.outpoint) && !reserved.contains(&coin.outpoint);
    let more = coins.iter().filter(|coin| coin.state == CoinState::Spendable).filter(is_free);
    let more = more
        .filter_map(|coin| Some(KeyCoin { outpoint: coin.outpoint, amount: coin.amount, key: keys.get(&coin.lock)? }));
    let replacement = Replacement {
        coins: key_coins(original, &keys)?,
        more: more.collect(),
        kept: if kind == Kind::Cancel { Vec::new() } else { recipients(original) },
        change: *original.found.wallet.lock_hashes().last().expect("a wallet has an address"),
        rate,
        old_fee: fee_of(original),
        old_bytes: original.transaction.bytes() as u64,
        step: least.max(1),
    };
    let built = replacement.build(session.network())?;
    let needed = rate_needed(&replacement, built.transaction.bytes() as u64);
    if asked_rate.is_some_and(|asked| asked < needed) {
        let message = format!("{rate} grains per 1000 bytes do not displace {txid}: at least {needed} are needed");
        return Err(WalletError::refused("fee-rate-too-low", message));
    }
    send::rehearse(client, &built.transaction).await?;
    let Built { transaction, fee, change, .. } = built;
    Ok(Attempt { kind, transaction, fee, change })
}

/// The least rate that displaces it.
fn rate_needed(replacement: &Replacement<'_>, bytes: u64) -> u64 {
    rate(replacement.floor(bytes), bytes)
}

async fn refuse_if_settled(client: &Client, txid: &str) -> Result<(), WalletError> {
    let status = repeat::status(client, txid).await?;
    match (status.state, status.height, status.replaced_by) {
        (TxState::Included | TxState::Final, height, _) => {
            let height = height.unwrap_or_default();
            let message = format!("transaction {txid} is in block {height} already; it cannot be replaced any more");
            Err(WalletError::refused("already-included", message))
        }
        (TxState::Dropped, _, Some(by)) => {
            let message = format!("transaction {txid} was replaced by {by} already; replace that one");
            Err(WalletError::refused("already-replaced", message))
        }
        (TxState::Pool | TxState::Unknown | TxState::Dropped, _, _) => Ok(()),
    }
}

fn key_coins<'a>(
    original: &Original,
    keys: &BTreeMap<LockHash, &'a SigningKey>,
) -> Result<Vec<KeyCoin<'a>>, WalletError> {
    let inputs = original.transaction.inputs().iter().zip(&original.spent).zip(&original.transaction.witnesses);
    let coin = |((outpoint, amount), witness): ((&_, &Amount), &Witness)| match witness {
        Witness::Spend(spend) => {
            Some(KeyCoin { outpoint: *outpoint, amount: *amount, key: keys.get(&spend.lock.hash())? })
        }
        Witness::Member { .. } => None,
    };
    let coins: Option<Vec<KeyCoin<'a>>> = inputs.map(coin).collect();
    coins.ok_or_else(|| WalletError::Failed("the wallet lacks a key of its own; its file is damaged".to_owned()))
}

/// Outputs that are not change; change is the last one that pays the wallet itself.
fn recipients(original: &Original) -> Vec<Output> {
    let locks = original.found.wallet.lock_hashes();
    let mut outputs = original.transaction.outputs().to_vec();
    if let Some(change) = outputs.iter().rposition(|output| locks.contains(&output.lock)) {
        outputs.remove(change);
    }
    outputs
}

fn fee_of(original: &Original) -> u64 {
    let sum =
        |amounts: &mut dyn Iterator<Item = Amount>| amounts.fold(0u64, |sum, one| sum.saturating_add(one.grains()));
    let spent = sum(&mut original.spent.iter().copied());
    spent.saturating_sub(sum(&mut original.transaction.outputs().iter().map(|output| output.amount)))
}

/// Writes it down, hands it to a node, and follows it.
///
/// # Errors
/// As [`send::submit`]; when the first one won, [`WalletError::LostPlace`] says so.
pub async fn carry_out(
    session: &Session,
    original: &Original,
    attempt: &Attempt,
    options: FollowOptions,
) -> Result<Sent, WalletError> {
    let mut journal = Journal::open(&original.found.path, session.network())?;
    let old = original.transaction.id().to_string();
    let number = match original.payment {
        Some(number) => number,
        None => adopt(&mut journal, original)?,
    };
    journal.add_attempt(number, attempt)?;
    let client = session.client()?;
    match send::submit(client, attempt, options).await {
        Err(WalletError::LostPlace { txid, reason }) => {
            let status = repeat::status(client, &old).await?;
            let reason = match (status.state, status.height) {
                (TxState::Included | TxState::Final, Some(height)) => {
                    format!("{old}, which it was to replace, is in block {height}")
                }
                _ => reason,
            };
            Err(WalletError::LostPlace { txid, reason })
        }
        result => result,
    }
}

/// A transaction that this wallet sent, but not from here, gets its place in the journal.
fn adopt(journal: &mut Journal, original: &Original) -> Result<i64, WalletError> {
    let (transaction, fee) = (original.transaction.clone(), grains(fee_of(original)));
    let id = transaction.id();
    let attempt = Attempt { kind: Kind::Send, transaction, fee, change: Amount::ZERO };
    journal.add(&[crate::journal::Entry { id: None, asked: [0; 32], attempt }])?;
    let kept = journal.of(&id)?;
    kept.map(|kept| kept.number).ok_or_else(|| WalletError::Failed(format!("the journal lost transaction {id}")))
}
