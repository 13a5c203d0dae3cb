//! A table from names of coins to values: the one place of the pure core where order is given up for speed.
//!
//! Whoever makes a transaction can choose among its ids, so names are placed by a hash under a secret key; nobody can make a
//! million names that fall onto each other. What a table answers never depends on where something lies in it: there is no way
//! to walk through it in order, only to keep or drop each entry for itself.

use crate::ledger::transaction::OutPoint;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

/// See the module.
#[derive(Clone, Debug)]
pub struct CoinTable<V> {
    entries: HashTable<(OutPoint, V)>,
    key: [u64; 4],
}

impl<V> CoinTable<V> {
    /// An empty table; the key should be known to nobody else.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> CoinTable<V> {
        CoinTable { entries: HashTable::new(), key: words(key) }
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The value of a name.
    #[must_use]
    pub fn get(&self, name: &OutPoint) -> Option<&V> {
        self.entries.find(hash(&self.key, name), |(other, _)| other == name).map(|(_, value)| value)
    }

    /// Gives a name a value, in the place of the one it had.
    pub fn insert(&mut self, name: OutPoint, value: V) {
        let key = self.key;
        match self.entries.entry(hash(&key, &name), |(other, _)| *other == name, |(other, _)| hash(&key, other)) {
            Entry::Occupied(mut entry) => entry.get_mut().1 = value,
            Entry::Vacant(entry) => drop(entry.insert((name, value))),
        }
    }

    /// The value of a name, which gets one if it has none.
    pub fn entry(&mut self, name: OutPoint, make: impl FnOnce() -> V) -> &mut V {
        let key = self.key;
        let entry = self.entries.entry(hash(&key, &name), |(other, _)| *other == name, |(other, _)| hash(&key, other));
        &mut entry.or_insert_with(|| (name, make())).into_mut().1
    }

    /// Takes a name away; its value, if it had one.
    pub fn remove(&mut self, name: &OutPoint) -> Option<V> {
        let found = self.entries.find_entry(hash(&self.key, name), |(other, _)| other == name).ok()?;
        Some(found.remove().0.1)
    }

    /// Keeps what is to be kept. The order in which it is asked means nothing.
    pub fn retain(&mut self, mut is_kept: impl FnMut(&OutPoint, &mut V) -> bool) {
        self.entries.retain(|(name, value)| is_kept(name, value));
    }

    /// Drops everything.
    pub fn clear(&mut self) {
        self.entries.clear();
    }
}

fn words(bytes: &[u8; 32]) -> [u64; 4] {
    std::array::from_fn(|at| {
        let word = &bytes[8 * at..8 * at + 8];
        u64::from_le_bytes(word.try_into().expect("eight bytes"))
    })
}

/// Folded products of words and key words, as foldhash and wyhash do: not a hash for strangers' inputs by itself, but the names
/// are hashes already, so that all that can be chosen are some bits of each word.
fn hash(key: &[u64; 4], name: &OutPoint) -> u64 {
    let fold = |one: u64, other: u64| {
        let product = u128::from(one) * u128::from(other);
        #[allow(clippy::cast_possible_truncation, reason = "both halves are used")]
        let low = product as u64;
        low ^ (product >> 64) as u64
    };
    let txid = words(&name.txid.0);
    let first = fold(txid[0] ^ key[0], txid[1] ^ key[1]);
    let second = fold(txid[2] ^ key[2], txid[3] ^ key[3]);
    fold(first ^ u64::from(name.index), second ^ 0x9e37_79b9_7f4a_7c15 ^ key[0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::hash::{TxId, sha256};
    use std::collections::BTreeMap;

    fn name(number: u32) -> OutPoint {
        OutPoint { txid: TxId(sha256(&(number / 3).to_le_bytes())), index: number % 3 }
    }

    #[test]
    fn a_table_holds_what_a_map_holds() {
        let (mut table, mut map) = (CoinTable::new(&[5; 32]), BTreeMap::new());
        for step in 0_u32..20_000 {
            let number = step.wrapping_mul(2_654_435_761) % 3_000;
            if step % 3 == 0 {
                assert_eq!(table.remove(&name(number)), map.remove(&name(number)));
            } else if step % 3 == 1 {
                assert_eq!(table.entry(name(number), || step), map.entry(name(number)).or_insert(step));
            } else {
                table.insert(name(number), step);
                map.insert(name(number), step);
            }
        }
        table.retain(|_, value| *value % 2 == 0);
        map.retain(|_, value| *value % 2 == 0);
        assert_eq!(table.len(), map.len());
        assert!((0..3_000).all(|number| table.get(&name(number)) == map.get(&name(number))));
        table.clear();
        assert!(table.is_empty() && table.get(&name(1)).is_none());
    }

    #[test]
    fn names_are_spread_and_otherwise_under_another_key() {
        let spread = |key: [u8; 32]| {
            let mut places: Vec<u64> = (0..4_096).map(|number| hash(&words(&key), &name(number)) % 4_096).collect();
            places.sort_unstable();
            places.dedup();
            places.len()
        };
        // 4,096 things thrown into as many places hit 63 % of them.
        assert!((2_450..2_750).contains(&spread([5; 32])) && (2_450..2_750).contains(&spread([6; 32])));
        assert_ne!(hash(&words(&[5; 32]), &name(1)), hash(&words(&[6; 32]), &name(1)));
    }
}
