//! A table from names that are hashes to values: the one place of the pure crates where order is given up for speed.
//!
//! Whoever makes a transaction can choose among its ids, so names are placed by a hash under a secret key, which is told; nobody
//! can make a million names that fall onto each other. What a table answers never depends on where something lies in it: there is
//! no way to walk through it in order, only to keep or drop each entry for itself.

use crate::ledger::hash::{TxHash, TxId};
use crate::ledger::transaction::OutPoint;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use std::ops::Index;

/// What a table is keyed by: a hash, so that all that can be chosen are some bits of each word of it.
pub trait Name: Copy + Eq {
    /// The hash, and what tells names of the same hash apart.
    fn parts(&self) -> (&[u8; 32], u32);
}

impl Name for OutPoint {
    fn parts(&self) -> (&[u8; 32], u32) {
        (&self.txid.0, self.index)
    }
}

impl Name for TxId {
    fn parts(&self) -> (&[u8; 32], u32) {
        (&self.0, 0)
    }
}

impl Name for TxHash {
    fn parts(&self) -> (&[u8; 32], u32) {
        (&self.0, 0)
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Table<K, V> {
    entries: HashTable<(K, V)>,
    key: [u64; 4],
}

impl<K: Name, V> Table<K, V> {
    /// An empty table; the key should be known to nobody else.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Table<K, V> {
        Table { entries: HashTable::new(), key: words(key) }
    }

    /// Makes room for so many more, so that they cost no growing step by step.
    pub fn reserve(&mut self, more: usize) {
        let key = self.key;
        self.entries.reserve(more, |(name, _)| hash(&key, name));
    }

    /// Whether the next new name may make the table move into one of twice as many places: always when it is full to seven eighths, which
    /// places of names that were taken away may count for.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.entries.capacity() == self.entries.len()
    }

    /// How many names would fill it all: a power of two, or none.
    #[must_use]
    pub fn places(&self) -> usize {
        self.entries.num_buckets()
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

    /// Whether a name has a value.
    #[must_use]
    pub fn contains_key(&self, name: &K) -> bool {
        self.get(name).is_some()
    }

    /// The value of a name.
    #[must_use]
    pub fn get(&self, name: &K) -> Option<&V> {
        self.entries.find(hash(&self.key, name), |(other, _)| other == name).map(|(_, value)| value)
    }

    /// The value of a name, to be changed.
    #[must_use]
    pub fn get_mut(&mut self, name: &K) -> Option<&mut V> {
        self.entries.find_mut(hash(&self.key, name), |(other, _)| other == name).map(|(_, value)| value)
    }

    /// Gives a name a value; the one that it had, if it had one.
    pub fn insert(&mut self, name: K, value: V) -> Option<V> {
        match self.place(&name) {
            Entry::Occupied(mut entry) => Some(std::mem::replace(&mut entry.get_mut().1, value)),
            Entry::Vacant(entry) => {
                entry.insert((name, value));
                None
            }
        }
    }

    /// The value of a name, which gets one if it has none.
    pub fn entry(&mut self, name: K, make: impl FnOnce() -> V) -> &mut V {
        &mut self.place(&name).or_insert_with(|| (name, make())).into_mut().1
    }

    /// Takes a name away; its value, if it had one.
    pub fn remove(&mut self, name: &K) -> Option<V> {
        let found = self.entries.find_entry(hash(&self.key, name), |(other, _)| other == name).ok()?;
        Some(found.remove().0.1)
    }

    /// Keeps what is to be kept. The order in which it is asked means nothing.
    pub fn retain(&mut self, mut is_kept: impl FnMut(&K, &mut V) -> bool) {
        self.entries.retain(|(name, value)| is_kept(name, value));
    }

    /// Drops everything.
    pub fn clear(&mut self) {
        self.entries.clear();
    }

    fn place(&mut self, name: &K) -> Entry<'_, (K, V)> {
        let key = self.key;
        self.entries.entry(hash(&key, name), |(other, _)| other == name, |(other, _)| hash(&key, other))
    }
}

/// # Panics
/// When there is no such name.
impl<K: Name, V> Index<&K> for Table<K, V> {
    type Output = V;

    fn index(&self, name: &K) -> &V {
        self.get(name).expect("whoever takes it without asking knows that it is there")
    }
}

#[inline]
fn words(bytes: &[u8; 32]) -> [u64; 4] {
    std::array::from_fn(|at| {
        let word = &bytes[8 * at..8 * at + 8];
        u64::from_le_bytes(word.try_into().expect("eight bytes"))
    })
}

/// Folded products of words and key words, as foldhash and wyhash do: not a hash for strangers' inputs by itself, but the names
/// are hashes already; see [`Name`].
fn hash(key: &[u64; 4], name: &impl Name) -> u64 {
    let fold = |one: u64, other: u64| {
        let product = u128::from(one) * u128::from(other);
        #[allow(clippy::cast_possible_truncation, reason = "both halves are used")]
        let low = product as u64;
        low ^ (product >> 64) as u64
    };
    let (bytes, index) = name.parts();
    let bytes = words(bytes);
    let first = fold(bytes[0] ^ key[0], bytes[1] ^ key[1]);
    let second = fold(bytes[2] ^ key[2], bytes[3] ^ key[3]);
    fold(first ^ u64::from(index), second ^ 0x9e37_79b9_7f4a_7c15 ^ key[0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::hash::sha256;
    use std::collections::BTreeMap;

    fn name(number: u32) -> OutPoint {
        OutPoint { txid: TxId(sha256(&(number / 3).to_le_bytes())), index: number % 3 }
    }

    #[test]
    fn a_table_holds_what_a_map_holds() {
        let (mut table, mut map) = (Table::new(&[5; 32]), BTreeMap::new());
        for step in 0_u32..20_000 {
            let number = step.wrapping_mul(2_654_435_761) % 3_000;
            match step % 4 {
                0 => assert_eq!(table.remove(&name(number)), map.remove(&name(number))),
                1 => assert_eq!(table.entry(name(number), || step), map.entry(name(number)).or_insert(step)),
                2 => assert_eq!(table.insert(name(number), step), map.insert(name(number), step)),
                _ => {
                    let (value, expected) = (table.get_mut(&name(number)), map.get_mut(&name(number)));
                    assert_eq!(value, expected);
                    value.into_iter().chain(expected).for_each(|value| *value += 1);
                }
            }
        }
        table.retain(|_, value| *value % 2 == 0);
        map.retain(|_, value| *value % 2 == 0);
        assert_eq!(table.len(), map.len());
        for name in (0..3_000).map(name) {
            assert_eq!((table.get(&name), table.contains_key(&name)), (map.get(&name), map.contains_key(&name)));
        }
        assert!(map.iter().all(|(name, value)| table[name] == *value) && !table.is_empty());
        table.clear();
        assert!(table.is_empty() && table.get(&name(1)).is_none());
    }

    #[test]
    fn a_table_grows_only_when_it_is_full() {
        let mut table = Table::new(&[5; 32]);
        assert!(table.is_full() && table.places() <= 1);
        table.reserve(100);
        assert!(!table.is_full() && table.places() == 128);
        for number in 0..112 {
            assert!(!table.is_full() && table.insert(name(number), ()).is_none());
        }
        assert!(table.is_full() && table.places() == 128, "seven eighths");
        table.insert(name(112), ());
        assert!(!table.is_full() && table.places() == 256);
    }

    fn assert_spread<N: Name>(name: impl Fn(u32) -> N) {
        let spread = |key: [u8; 32]| {
            let mut places: Vec<u64> = (0..4_096).map(|number| hash(&words(&key), &name(number)) % 4_096).collect();
            places.sort_unstable();
            places.dedup();
            places.len()
        };
        // 4,096 things thrown into as many places hit 63 % of them; the outputs of one transaction may hit a few less.
        assert!(spread([5; 32]) > 2_048 && spread([6; 32]) > 2_048);
        assert_ne!(hash(&words(&[5; 32]), &name(1)), hash(&words(&[6; 32]), &name(1)));
    }

    #[test]
    fn names_are_spread_and_otherwise_under_another_key() {
        assert_spread(name);
        assert_spread(|number| OutPoint { txid: name(0).txid, index: number });
        assert_spread(|number| TxId(sha256(&number.to_le_bytes())));
        assert_spread(|number| TxHash(sha256(&number.to_le_bytes())));
    }
}
