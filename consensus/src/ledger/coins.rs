//! The coin set and how it changes.
//!
//! [`Diff`] is the net change that a block makes. Applying and reverting stand side by side: undo is the diff read backwards.

use crate::ledger::amount::Amount;
use crate::ledger::codec::read_map;
use crate::ledger::hash::LockHash;
use crate::ledger::transaction::OutPoint;
use crate::ledger::units::Height;
use crate::limits::DIFF_COINS_MAX;
use borsh::{BorshDeserialize, BorshSerialize};
use std::collections::BTreeMap;
use std::io;

/// An unspent output.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, BorshSerialize, BorshDeserialize)]
pub struct Coin {
    /// How much.
    pub amount: Amount,
    /// Who may spend it.
    pub lock: LockHash,
    /// The height of the block that created it.
    pub height: Height,
    /// Whether a coinbase created it; then it must mature.
    pub coinbase: bool,
}

/// The one read seam for coins, so that the coin set need not fit in memory.
pub trait Coins {
    /// The unspent coin of this name.
    fn get(&self, outpoint: &OutPoint) -> Option<Coin>;
}

impl Coins for BTreeMap<OutPoint, Coin> {
    fn get(&self, outpoint: &OutPoint) -> Option<Coin> {
        BTreeMap::get(self, outpoint).copied()
    }
}

/// A net change of the coin set: a coin created and spent inside it is in neither list. With the spent coins in full it is
/// its own undo.
///
/// One name may be in both lists of a merged diff, with different coins: a reorg can take a transaction out of one block and
/// put it into another of a different height, and the height is part of the coin.
#[derive(Clone, PartialEq, Eq, Debug, Default, BorshSerialize)]
pub struct Diff {
    /// Coins that are gone afterwards.
    pub spent: BTreeMap<OutPoint, Coin>,
    /// Coins that are there afterwards.
    pub created: BTreeMap<OutPoint, Coin>,
}

/// Decodes the change of one block; merged ones are not stored.
impl BorshDeserialize for Diff {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        let spent = read_map(reader, "spent coins", DIFF_COINS_MAX)?;
        let created = read_map(reader, "created coins", DIFF_COINS_MAX)?;
        Ok(Diff { spent, created })
    }
}

/// A diff that does not fit the coins it is applied to. With validated blocks this is a fault of our own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DiffError {
    /// A coin to be spent is not there, or is another one.
    #[error("coin {0} to be removed is not in the set")]
    Missing(OutPoint),
    /// A coin to be created is there already.
    #[error("coin {0} to be added is already in the set")]
    Present(OutPoint),
}

impl Diff {
    /// Changes `coins` by this diff; on an error nothing is changed.
    ///
    /// # Errors
    /// When a coin to be spent is missing or different, or a coin to be created is present.
    pub fn apply(&self, coins: &mut BTreeMap<OutPoint, Coin>) -> Result<(), DiffError> {
        replace(coins, &self.spent, &self.created)
    }

    /// Takes [`Diff::apply`] back.
    ///
    /// # Errors
    /// As [`Diff::apply`], read backwards.
    pub fn revert(&self, coins: &mut BTreeMap<OutPoint, Coin>) -> Result<(), DiffError> {
        replace(coins, &self.created, &self.spent)
    }

    /// The diff that takes this one back.
    #[must_use]
    pub fn reversed(&self) -> Diff {
        Diff { spent: self.created.clone(), created: self.spent.clone() }
    }

    /// Adds a later change to this one, keeping the net: what the other spends of ours was never there.
    pub fn merge(&mut self, later: &Diff) {
        for (outpoint, coin) in &later.spent {
            if self.created.remove(outpoint).is_none() {
                self.spent.insert(*outpoint, *coin);
            }
        }
        for (outpoint, coin) in &later.created {
            if self.spent.get(outpoint) == Some(coin) {
                self.spent.remove(outpoint);
            } else {
                self.created.insert(*outpoint, *coin);
            }
        }
    }
}

fn replace(
    coins: &mut BTreeMap<OutPoint, Coin>,
    out: &BTreeMap<OutPoint, Coin>,
    into: &BTreeMap<OutPoint, Coin>,
) -> Result<(), DiffError> {
    if let Some((outpoint, _)) = out.iter().find(|(outpoint, coin)| coins.get(outpoint) != Some(coin)) {
        return Err(DiffError::Missing(*outpoint));
    }
    let stays = |outpoint: &&OutPoint| coins.contains_key(outpoint) && !out.contains_key(outpoint);
    if let Some(outpoint) = into.keys().find(stays) {
        return Err(DiffError::Present(*outpoint));
    }
    for outpoint in out.keys() {
        coins.remove(outpoint);
    }
    coins.extend(into.iter().map(|(outpoint, coin)| (*outpoint, *coin)));
    Ok(())
}
