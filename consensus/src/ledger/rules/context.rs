//! Rules that need the coins and the place in the chain: judged each time a transaction is considered.

use super::{BlockError, TxError};
use crate::ledger::amount::Amount;
use crate::ledger::block::Block;
use crate::ledger::coins::{Coin, Coins, Diff};
use crate::ledger::genesis::LedgerParams;
use crate::ledger::lock::{Lock, LockTime};
use crate::ledger::transaction::{Body, OutPoint, Spend, Transaction, Transfer, Witness};
use crate::ledger::units::Height;
use std::collections::{BTreeMap, BTreeSet};

/// The place in the chain where a transaction or block is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Height of the containing block.
    pub height: Height,
    /// Against which times are judged: under PBFT the containing block's time (for the mempool: now), under proof of work
    /// the parent's median time.
    pub time: u32,
}

impl Place {
    /// Whether a block here is late enough.
    #[must_use]
    pub fn reaches(&self, lock_time: LockTime) -> bool {
        match lock_time {
            LockTime::Height(height) => self.height >= height,
            LockTime::Time(time) => self.time >= time,
        }
    }
}

/// Checks a transaction that passed the isolated rules against the coins it spends, and returns its fee. An epoch change
/// spends none; whether it serves the present epoch is the engine's to judge.
///
/// # Errors
/// The first rule that is broken.
pub fn check_transaction(
    transaction: &Transaction,
    coins: &dyn Coins,
    place: Place,
    params: &LedgerParams,
) -> Result<Amount, TxError> {
    judge(transaction, coins, place, params).map(|(fee, _)| fee)
}

/// [`check_transaction`], with the coins that are spent, so that nobody has to read them again.
fn judge(
    transaction: &Transaction,
    coins: &dyn Coins,
    place: Place,
    params: &LedgerParams,
) -> Result<(Amount, Vec<(OutPoint, Coin)>), TxError> {
    let transfer = match &transaction.body {
        Body::Transfer(transfer) => transfer,
        Body::Coinbase(_) => return Err(TxError::Coinbase),
        Body::Epoch(_) => return Ok((Amount::ZERO, Vec::new())),
    };
    let spent = spent_coins(transaction, transfer, coins)?;
    check_times(transaction, transfer, &spent, place, params)?;
    let inputs = Amount::checked_sum(spent.iter().map(|(_, coin)| coin.amount)).ok_or(TxError::SumTooLarge)?;
    let outputs =
        Amount::checked_sum(transfer.outputs.iter().map(|output| output.amount)).ok_or(TxError::SumTooLarge)?;
    let fee = inputs.checked_sub(outputs).ok_or(TxError::OutputsExceedInputs { outputs, inputs })?;
    Ok((fee, spent))
}

fn spent_coins(
    transaction: &Transaction,
    transfer: &Transfer,
    coins: &dyn Coins,
) -> Result<Vec<(OutPoint, Coin)>, TxError> {
    let mut spent = Vec::with_capacity(transfer.inputs.len());
    let mut seen = BTreeSet::new();
    for (index, outpoint) in transfer.inputs.iter().enumerate() {
        // Judged in isolation too; but money must not double even if a caller forgot that (CVE-2018-17144).
        if !seen.insert(*outpoint) {
            return Err(TxError::DuplicateInput(*outpoint));
        }
        let coin = coins.get(outpoint).ok_or(TxError::MissingCoin(*outpoint))?;
        let spend = spend_of(transaction, index)?;
        if spend.amount != coin.amount || spend.lock.hash() != coin.lock {
            return Err(TxError::CoinMismatch(index as u32));
        }
        spent.push((*outpoint, coin));
    }
    Ok(spent)
}

fn spend_of(transaction: &Transaction, index: usize) -> Result<&Spend, TxError> {
    match transaction.witnesses.get(index) {
        Some(Witness::Spend(spend)) => Ok(spend),
        Some(Witness::Member { .. }) | None => Err(TxError::WitnessMismatch(index as u32)),
    }
}

fn check_times(
    transaction: &Transaction,
    transfer: &Transfer,
    spent: &[(OutPoint, Coin)],
    place: Place,
    params: &LedgerParams,
) -> Result<(), TxError> {
    let must_reach = |until| if place.reaches(until) { Ok(()) } else { Err(TxError::Locked { until }) };
    must_reach(transfer.lock_time)?;
    for (index, (outpoint, coin)) in spent.iter().enumerate() {
        let from = plus_blocks(coin.height, params.coinbase_maturity);
        // Genesis allocations are coins of a coinbase too, but nothing is below them that a reorg could replace.
        if coin.coinbase && coin.height != Height::GENESIS && place.height < from {
            return Err(TxError::Immature { outpoint: *outpoint, from });
        }
        for (_, leaf) in spend_of(transaction, index)?.lock.revealed_leaves() {
            match leaf {
                Lock::After(until) => must_reach(*until)?,
                Lock::Older(blocks) => must_reach(LockTime::Height(plus_blocks(coin.height, *blocks)))?,
                Lock::Key(_) | Lock::Hash(_) | Lock::Threshold { .. } | Lock::Opaque(_) => {}
            }
        }
    }
    Ok(())
}

fn plus_blocks(height: Height, blocks: u32) -> Height {
    Height(height.0.saturating_add(u64::from(blocks)))
}

/// Coins with a diff on top, so that a block's transactions see those before them.
struct Layered<'a> {
    below: &'a dyn Coins,
    spent: BTreeMap<OutPoint, Coin>,
    created: BTreeMap<OutPoint, Coin>,
}

impl Coins for Layered<'_> {
    fn get(&self, outpoint: &OutPoint) -> Option<Coin> {
        match self.created.get(outpoint) {
            Some(coin) => Some(*coin),
            None if self.spent.contains_key(outpoint) => None,
            None => self.below.get(outpoint),
        }
    }
}

impl Layered<'_> {
    fn spend(&mut self, outpoint: OutPoint, coin: Coin) {
        if self.created.remove(&outpoint).is_none() {
            self.spent.insert(outpoint, coin);
        }
    }

    /// False when a coin of that name exists.
    #[must_use]
    fn create(&mut self, transaction: &Transaction, height: Height) -> bool {
        let txid = transaction.id();
        transaction.outputs().iter().enumerate().all(|(index, output)| {
            let outpoint = OutPoint { txid, index: index as u32 };
            let coinbase = transaction.is_coinbase();
            let coin = Coin { amount: output.amount, lock: output.lock, height, coinbase };
            self.get(&outpoint).is_none() && self.created.insert(outpoint, coin).is_none()
        })
    }
}

/// Checks a block that passed the isolated rules in its place, and returns its net change of the coin set.
/// A transaction sees the coins of those before it, but none of the coinbase, which is paid last: whatever the maturity, its
/// coins are spendable from the next block on. Header fields (parent, time, bits) are the engine's to check.
///
/// # Errors
/// The first rule that is broken.
pub fn connect(block: &Block, coins: &dyn Coins, place: Place, params: &LedgerParams) -> Result<Diff, BlockError> {
    let (first, others) = block.transactions.split_first().ok_or(BlockError::CoinbasePlace)?;
    let Body::Coinbase(coinbase) = &first.body else {
        return Err(BlockError::CoinbasePlace);
    };
    if coinbase.height != place.height {
        return Err(BlockError::CoinbaseHeight { actual: coinbase.height, expected: place.height });
    }
    let mut layered = Layered { below: coins, spent: BTreeMap::new(), created: BTreeMap::new() };
    let mut fees = Amount::ZERO;
    for (position, transaction) in others.iter().enumerate() {
        let index = position as u32 + 1;
        let fail = |error| BlockError::Transaction { index, error };
        let (fee, spent) = judge(transaction, &layered, place, params).map_err(fail)?;
        fees = fees.checked_add(fee).ok_or(fail(TxError::SumTooLarge))?;
        for (outpoint, coin) in spent {
            layered.spend(outpoint, coin);
        }
        if !layered.create(transaction, place.height) {
            return Err(BlockError::CoinExists(index));
        }
    }
    let allowed = fees.checked_add(params.subsidy_at(place.height)).unwrap_or(Amount::MAX);
    let actual = Amount::checked_sum(coinbase.outputs.iter().map(|output| output.amount))
        .ok_or(BlockError::Transaction { index: 0, error: TxError::SumTooLarge })?;
    if actual > allowed {
        return Err(BlockError::CoinbaseTooLarge { actual, allowed });
    }
    if !layered.create(first, place.height) {
        return Err(BlockError::CoinExists(0));
    }
    Ok(Diff { spent: layered.spent, created: layered.created })
}

/// The change that the genesis block makes: its allocations are created, nothing is spent, and no subsidy rule applies.
#[must_use]
pub fn connect_genesis(block: &Block) -> Diff {
    let nothing = BTreeMap::new();
    let mut layered = Layered { below: &nothing, spent: BTreeMap::new(), created: BTreeMap::new() };
    let fresh = block.transactions.iter().all(|transaction| layered.create(transaction, Height::GENESIS));
    assert!(fresh, "the outputs of one coinbase have distinct names");
    Diff { spent: layered.spent, created: layered.created }
}
