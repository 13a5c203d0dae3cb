//! The coins that the chain keeps in memory, on top of its store.
//!
//! *Recent* are those that an update touched which is not reported as flushed: they win over the store, gone ones too. *Held* are
//! coins as the store shows them: what was read, and what was recent until it was flushed, because what was just made is what is
//! spent next. Held coins are in two generations of bounded size. A coin that is asked for moves to the young one; when that is
//! full, the old one is dropped and the young one becomes old.
//!
//! Why a held coin is never wrong: the store changes a coin only by updates that came through here, and whatever an update touches
//! is no longer held. A store that is ahead of its reports shows such a coin's later state, but it is not asked for
//! it as long as the coin is recent.

use super::Store;
use crate::ledger::coins::Coin;
use crate::ledger::table::Table;
use crate::ledger::transaction::OutPoint;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// Places of a generation's table, of 97 bytes each ...
const PLACES: usize = 1 << 17;
/// ... and the coins in it, at most: with more it would have to grow.
const COINS_HELD: usize = PLACES / 8 * 7;

/// A coin's latest state since the last flush, and the update that made it.
#[derive(Clone, Copy, Debug)]
struct Recent {
    coin: Option<Coin>,
    sequence: u64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Cache {
    /// Invariant: holds every coin touched by an update that is not reported as flushed.
    recent: Table<OutPoint, Recent>,
    held: RefCell<Held>,
}

/// Invariant: no coin that is recent.
#[derive(Debug)]
struct Held {
    young: Table<OutPoint, Coin>,
    old: Table<OutPoint, Coin>,
}

impl Held {
    fn get(&mut self, name: &OutPoint) -> Option<Coin> {
        if let Some(coin) = self.young.get(name) {
            return Some(*coin);
        }
        let coin = self.old.remove(name)?;
        self.insert(*name, coin);
        Some(coin)
    }

    fn insert(&mut self, name: OutPoint, coin: Coin) {
        // Coins that were taken away leave places that serve only when all is cleared, so it may be full before.
        if self.young.len() >= COINS_HELD || (self.young.is_full() && self.young.places() >= PLACES) {
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
        self.young.insert(name, coin);
    }

    fn remove(&mut self, name: &OutPoint) {
        self.young.remove(name);
        self.old.remove(name);
    }
}

impl Cache {
    pub(super) fn new(key: &[u8; 32]) -> Cache {
        let held = Held { young: Table::new(key), old: Table::new(key) };
        Cache { recent: Table::new(key), held: RefCell::new(held) }
    }

    /// The coin of this name at the tip.
    pub(super) fn get(&self, name: &OutPoint, store: &dyn Store) -> Option<Coin> {
        if let Some(recent) = self.recent.get(name) {
            return recent.coin;
        }
        let mut held = self.held.borrow_mut();
        let found = held.get(name);
        found.or_else(|| {
            let coin = store.get(name)?;
            held.insert(*name, coin);
            Some(coin)
        })
    }

    /// Coins go and come by an update.
    pub(super) fn change(&mut self, sequence: u64, out: &BTreeMap<OutPoint, Coin>, into: &BTreeMap<OutPoint, Coin>) {
        let held = self.held.get_mut();
        for name in out.keys() {
            held.remove(name);
            self.recent.insert(*name, Recent { coin: None, sequence });
        }
        for (name, coin) in into {
            held.remove(name);
            self.recent.insert(*name, Recent { coin: Some(*coin), sequence });
        }
    }

    /// The store shows this update and all before it.
    pub(super) fn flushed(&mut self, sequence: u64) {
        let held = self.held.get_mut();
        self.recent.retain(|name, recent| {
            if recent.sequence > sequence {
                return true;
            }
            if let Some(coin) = recent.coin {
                held.insert(*name, coin);
            }
            false
        });
    }

    /// The store shows other coins.
    pub(super) fn clear(&mut self) {
        self.recent.clear();
        let held = self.held.get_mut();
        held.young.clear();
        held.old.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::{COINS_HELD, Held, PLACES};
    use crate::ledger::amount::Amount;
    use crate::ledger::coins::Coin;
    use crate::ledger::hash::{LockHash, TxId, sha256};
    use crate::ledger::table::Table;
    use crate::ledger::transaction::OutPoint;
    use crate::ledger::units::Height;

    fn name(number: usize) -> OutPoint {
        OutPoint { txid: TxId(sha256(&number.to_le_bytes())), index: 0 }
    }

    #[test]
    fn what_is_held_stays_within_its_bounds_however_much_is_taken_away() {
        let mut held = Held { young: Table::new(&[1; 32]), old: Table::new(&[2; 32]) };
        let amount = Amount::from_grains(1).expect("a small amount");
        let coin = Coin { amount, lock: LockHash([0; 32]), height: Height(0), coinbase: false };
        for number in 0..5 * COINS_HELD {
            held.insert(name(number), coin);
            if number % 3 == 2 {
                held.remove(&name(number - 2));
            }
            for table in [&held.young, &held.old] {
                assert!(table.len() <= COINS_HELD && table.places() <= PLACES, "{number}: it has grown");
            }
        }
        let last = (4 * COINS_HELD..5 * COINS_HELD).filter(|number| held.get(&name(*number)).is_some()).count();
        assert!(last > COINS_HELD / 2, "{last}: what is used is there");
    }
}
