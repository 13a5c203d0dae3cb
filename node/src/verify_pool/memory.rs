//! What verification remembers, so that nothing is worked out twice. It decides nothing but the cost.

use crate::limits::{KEY_POINTS_MAX, KNOWN_TRANSACTIONS_MAX};
use bezant_consensus::ledger::hash::TxHash;
use bezant_consensus::ledger::key::{Point, Points, PublicKey};
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::RwLock;

/// A map that forgets what is old: two generations, so that forgetting is cheap.
#[derive(Debug)]
struct Generations<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    /// Of both together.
    entries_max: usize,
}

impl<K: Eq + Hash, V: Copy> Generations<K, V> {
    fn new(entries_max: usize) -> Generations<K, V> {
        Generations { young: HashMap::new(), old: HashMap::new(), entries_max }
    }

    fn get(&self, key: &K) -> Option<V> {
        self.young.get(key).or_else(|| self.old.get(key)).copied()
    }

    fn insert(&mut self, key: K, value: V) {
        if self.young.len() >= self.entries_max / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }
}

/// Hashes of transactions that were verified recently.
#[derive(Debug)]
pub(super) struct Known(RwLock<Generations<TxHash, ()>>);

impl Known {
    pub(super) fn new() -> Known {
        Known(RwLock::new(Generations::new(KNOWN_TRANSACTIONS_MAX)))
    }

    pub(super) fn contains(&self, hash: &TxHash) -> bool {
        self.0.read().expect("nothing panics while it holds this lock").get(hash).is_some()
    }

    pub(super) fn learn(&self, hashes: impl IntoIterator<Item = TxHash>) {
        let mut known = self.0.write().expect("nothing panics while it holds this lock");
        hashes.into_iter().for_each(|hash| known.insert(hash, ()));
    }
}

/// The points of keys that signed recently.
#[derive(Debug)]
pub(super) struct KeyPoints(RwLock<Generations<PublicKey, Point>>);

impl KeyPoints {
    pub(super) fn new() -> KeyPoints {
        KeyPoints(RwLock::new(Generations::new(KEY_POINTS_MAX)))
    }
}

impl Points for KeyPoints {
    fn point_of(&self, key: &PublicKey) -> Option<Point> {
        let found = self.0.read().expect("nothing panics while it holds this lock").get(key);
        found.or_else(|| {
            let point = Point::of(key)?;
            self.0.write().expect("nothing panics while it holds this lock").insert(*key, point);
            Some(point)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bezant_consensus::ledger::key::SigningKey;

    #[test]
    fn what_is_old_is_forgotten_and_never_more_than_the_limit_kept() {
        let mut map = Generations::new(8);
        (0..100).for_each(|key| map.insert(key, key));
        let kept: Vec<i32> = (0..100).filter(|key| map.get(key) == Some(*key)).collect();
        assert!((4..=8).contains(&kept.len()), "{kept:?}");
        assert_eq!(kept.last(), Some(&99));
        assert!(kept.windows(2).all(|pair| pair[0] + 1 == pair[1]), "the newest: {kept:?}");
    }

    #[test]
    fn the_point_of_a_key_is_the_same_from_memory() {
        let points = KeyPoints::new();
        let key = SigningKey::from_seed(&[1; 32]).public();
        let first = points.point_of(&key);
        assert!(first.is_some());
        assert_eq!((points.point_of(&key), points.0.read().expect("not poisoned").young.len()), (first, 1));
        let none = (0..).map(|byte| PublicKey([byte; 32])).find(|key| Point::of(key).is_none());
        assert_eq!(points.point_of(&none.expect("half of all bytes are no point's")), None);
    }
}
