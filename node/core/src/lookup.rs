//! A map for looking up, and for nothing else: it has no order that could show, so one input still gives one output everywhere.
//!
//! Its hash has a secret seed, which is told with the configuration: whoever makes up keys does not know which of them share a
//! place, and cannot make looking up slow.

use foldhash::SharedSeed;
use foldhash::quality::SeedableRandomState;
use hashbrown::HashMap;
use std::hash::Hash;
use std::ops::Index;

/// See the module.
#[derive(Debug)]
pub(crate) struct Lookup<K, V>(HashMap<K, V, SeedableRandomState>);

impl<K: Eq + Hash, V> Lookup<K, V> {
    pub(crate) fn new(seed: u64) -> Lookup<K, V> {
        Lookup(HashMap::with_hasher(SeedableRandomState::with_seed(seed, SharedSeed::global_fixed())))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn contains_key(&self, key: &K) -> bool {
        self.0.contains_key(key)
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.0.get(key)
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.0.get_mut(key)
    }

    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        self.0.insert(key, value)
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        self.0.remove(key)
    }
}

/// # Panics
/// When there is no such key.
impl<K: Eq + Hash, V> Index<&K> for Lookup<K, V> {
    type Output = V;

    fn index(&self, key: &K) -> &V {
        &self.0[key]
    }
}
