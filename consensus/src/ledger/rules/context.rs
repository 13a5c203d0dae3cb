//! Rules that need the coins and the place in the chain: judged each time a transaction is considered.

use super::{BlockError, TxError};
use crate::ledger::amount::Amount;
use crate::ledger::block::Block;
use crate::ledger::coins::{Coin, Coins, Diff};
use crate::ledger::genesis::LedgerParams;
use crate::ledger::hash::TxId;
use crate::ledger::lock::{Lock, LockTime};
use crate::ledger::transaction::{Body, OutPoint, Output, Spend, Transaction, Transfer, Witness};
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
    let transfer = match transaction.body() {
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
    // Judged in isolation too; but money must not double even if a caller forgot that (CVE-2018-17144).
    if let Some(twice) = repeated(&transfer.inputs) {
        return Err(TxError::DuplicateInput(*twice));
    }
    for (index, outpoint) in transfer.inputs.iter().enumerate() {
        let coin = coins.get(outpoint).ok_or(TxError::MissingCoin(*outpoint))?;
        let spend = spend_of(transaction, index)?;
        if spend.amount != coin.amount || spend.lock.hash() != coin.lock {
            return Err(TxError::CoinMismatch(index as u32));
        }
        spent.push((*outpoint, coin));
    }
    Ok(spent)
}

/// The first of these that was there before.
fn repeated(inputs: &[OutPoint]) -> Option<&OutPoint> {
    let mut seen = BTreeSet::new();
    inputs.iter().filter(|_| inputs.len() > 1).find(|outpoint| !seen.insert(**outpoint))
}

fn spend_of(transaction: &Transaction, index: usize) -> Result<&Spend, TxError> {
    match transaction.witnesses().get(index) {
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

/// What the transactions of a block do to the coins below it, as far as they were judged.
///
/// Ids are made once, and the block's own coins are found by them: the block names each transaction before those that spend from
/// it, so no coin has to be put anywhere until all are judged.
struct Layered<'a> {
    below: &'a dyn Coins,
    block: &'a Block,
    height: Height,
    /// In the order of the block.
    ids: Vec<TxId>,
    /// Places in the block in the order of ids.
    by_id: Vec<u32>,
    /// Transactions before this one are judged; only their coins are there.
    judged: usize,
    /// Coins of this block that are spent in it: place of their transaction, index.
    used: BTreeSet<(u32, u32)>,
    /// Coins below the block that are spent in it.
    spent: BTreeMap<OutPoint, Coin>,
}

impl Coins for Layered<'_> {
    fn get(&self, outpoint: &OutPoint) -> Option<Coin> {
        match self.own(outpoint) {
            Some((place, index)) => {
                let is_there = !self.used.contains(&(place, index));
                let transaction = &self.block.transactions[place as usize];
                let output = transaction.outputs().get(index as usize).filter(|_| is_there)?;
                Some(coin_of(transaction, output, self.height))
            }
            None if self.spent.contains_key(outpoint) => None,
            None => self.below.get(outpoint),
        }
    }
}

impl<'a> Layered<'a> {
    fn new(block: &'a Block, below: &'a dyn Coins, height: Height) -> Layered<'a> {
        let ids: Vec<TxId> = block.transactions.iter().map(Transaction::id).collect();
        let mut by_id: Vec<u32> = (0..).zip(&ids).map(|(place, _)| place).collect();
        by_id.sort_unstable_by_key(|place| (ids[*place as usize], *place));
        Layered { below, block, height, ids, by_id, judged: 1, used: BTreeSet::new(), spent: BTreeMap::new() }
    }

    /// The transaction of this block that made a coin, if it is judged and not the coinbase, and the coin's index.
    fn own(&self, outpoint: &OutPoint) -> Option<(u32, u32)> {
        let first = self.by_id.partition_point(|place| self.ids[*place as usize] < outpoint.txid);
        let same = self.by_id[first..].iter().take_while(|place| self.ids[**place as usize] == outpoint.txid);
        let place = same.copied().find(|place| *place > 0 && (*place as usize) < self.judged)?;
        Some((place, outpoint.index))
    }

    /// The coins that the transaction in turn spends are gone, and its own are there.
    fn pass(&mut self, spent: Vec<(OutPoint, Coin)>) {
        for (outpoint, coin) in spent {
            match self.own(&outpoint) {
                Some(own) => drop(self.used.insert(own)),
                None => drop(self.spent.insert(outpoint, coin)),
            }
        }
        self.judged += 1;
    }

    fn into_diff(self) -> Diff {
        let made = (0_u32..).zip(self.block.transactions.iter().zip(&self.ids));
        let outputs = made.flat_map(|(place, (transaction, txid))| {
            let coins = (0_u32..).zip(transaction.outputs());
            coins.map(move |(index, output)| {
                ((place, index), OutPoint { txid: *txid, index }, coin_of(transaction, output, self.height))
            })
        });
        let left = outputs.filter(|(own, _, _)| self.used.is_empty() || !self.used.contains(own));
        Diff { created: left.map(|(_, name, coin)| (name, coin)).collect(), spent: self.spent }
    }
}

fn coin_of(transaction: &Transaction, output: &Output, height: Height) -> Coin {
    Coin { amount: output.amount, lock: output.lock, height, coinbase: transaction.is_coinbase() }
}

/// Checks a block that passed the isolated rules in its place, and returns its net change of the coin set.
/// A transaction sees the coins of those before it, but none of the coinbase, which is paid last: whatever the maturity, its
/// coins are spendable from the next block on. Header fields (parent, time, bits) are the engine's to check.
///
/// That no coin exists twice is checked for the coinbase alone. The id of any other transaction names the coins that it spends;
/// had it been connected before, they would be gone for good, since whatever made them cannot be connected again either
/// (BIP30, BIP34).
///
/// # Errors
/// The first rule that is broken.
pub fn connect(block: &Block, coins: &dyn Coins, place: Place, params: &LedgerParams) -> Result<Diff, BlockError> {
    let (first, others) = block.transactions.split_first().ok_or(BlockError::CoinbasePlace)?;
    let Body::Coinbase(coinbase) = first.body() else {
        return Err(BlockError::CoinbasePlace);
    };
    if coinbase.height != place.height {
        return Err(BlockError::CoinbaseHeight { actual: coinbase.height, expected: place.height });
    }
    let mut layered = Layered::new(block, coins, place.height);
    let mut fees = Amount::ZERO;
    for (position, transaction) in others.iter().enumerate() {
        let index = position as u32 + 1;
        let fail = |error| BlockError::Transaction { index, error };
        let (fee, spent) = judge(transaction, &layered, place, params).map_err(fail)?;
        fees = fees.checked_add(fee).ok_or(fail(TxError::SumTooLarge))?;
        layered.pass(spent);
    }
    let allowed = fees.checked_add(params.subsidy_at(place.height)).unwrap_or(Amount::MAX);
    let actual = Amount::checked_sum(coinbase.outputs.iter().map(|output| output.amount))
        .ok_or(BlockError::Transaction { index: 0, error: TxError::SumTooLarge })?;
    if actual > allowed {
        return Err(BlockError::CoinbaseTooLarge { actual, allowed });
    }
    let txid = layered.ids[0];
    let mut names = (0..coinbase.outputs.len()).map(|index| OutPoint { txid, index: index as u32 });
    if names.any(|name| coins.get(&name).is_some()) {
        return Err(BlockError::CoinExists(0));
    }
    Ok(layered.into_diff())
}

/// The change that the genesis block makes: its allocations are created, nothing is spent, and no subsidy rule applies.
#[must_use]
pub fn connect_genesis(block: &Block) -> Diff {
    let nothing = BTreeMap::<OutPoint, Coin>::new();
    Layered::new(block, &nothing, Height::GENESIS).into_diff()
}
