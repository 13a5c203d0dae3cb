//! Locks for people: a lock tree as a text, in words, and what it takes to open it.
//!
//! The text has the words of the field (miniscript's policies):
//!
//! | text | lock |
//! |---|---|
//! | `pk(KEY)` | a signature by this key, 64 hex digits |
//! | `pk(ADDRESS)` | whatever opens this address: the branch stays [`Lock::Opaque`] until somebody who knows it fills it in |
//! | `pk(NAME)` | the lock of a wallet or account of that name; only read, never printed |
//! | `thresh(k, …)` | `k` of these |
//! | `and(…)`, `or(…)` | all of these, one of these; two or more |
//! | `after(HEIGHT)`, `after(YYYY-MM-DDTHH:MM[:SS]Z)` | not before this block or moment (UTC) |
//! | `older(BLOCKS)` | not before the coin is so many blocks old |
//! | `sha256(HEX)` | the 32-byte preimage of this |
//!
//! An address *is* the hash of a lock, so that a multisig of three addresses is made without knowing a single key, and all who
//! make it get the same address. [`parse`] takes any spacing; [`Display`] prints the one canonical text, and reading that gives the
//! same tree. [`satisfy`] finds the cheapest way to open a lock, or what is missing; [`words`] says both in words.

pub mod make;
mod parse;
pub mod satisfy;
pub mod words;

pub use parse::{POLICY_BYTES_MAX, PolicyError, moment, parse};

use bezant_api::address;
use bezant_consensus::ledger::hash::{LockHash, NetworkId};
use bezant_consensus::ledger::lock::{Lock, LockTime};
use bezant_consensus::limits::{LOCK_DEPTH_MAX, LOCK_NODES_MAX};
use std::collections::BTreeMap;
use std::fmt;

#[cfg(test)]
mod tests;

/// The canonical text of a lock on a net.
#[derive(Clone, Copy, Debug)]
pub struct Display<'a> {
    /// The lock.
    pub lock: &'a Lock,
    /// The net whose addresses stand for branches that are not known.
    pub network: &'a NetworkId,
}

impl fmt::Display for Display<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.lock {
            Lock::Key(key) => write!(f, "pk({})", hex::encode(key.0)),
            Lock::Opaque(hash) => write!(f, "pk({})", address::encode(self.network, hash)),
            Lock::After(LockTime::Height(height)) => write!(f, "after({})", height.0),
            Lock::After(LockTime::Time(time)) => write!(f, "after({})", moment(*time)),
            Lock::Older(blocks) => write!(f, "older({blocks})"),
            Lock::Hash(image) => write!(f, "sha256({})", hex::encode(image)),
            Lock::Threshold { k, of } => {
                match (usize::from(*k), of.len()) {
                    (k, n) if k == n && n > 1 => f.write_str("and(")?,
                    (1, n) if n > 1 => f.write_str("or(")?,
                    (k, _) => write!(f, "thresh({k},")?,
                }
                for (index, lock) in of.iter().enumerate() {
                    let comma = if index == 0 { "" } else { "," };
                    write!(f, "{comma}{}", Display { lock, network: self.network })?;
                }
                f.write_str(")")
            }
        }
    }
}

/// Keys, or branches that nobody knows here, that every way to open a lock takes at least. Where it is 0, whoever sees a spend can send the
/// coins elsewhere.
#[must_use]
pub fn keys_min(lock: &Lock) -> usize {
    match lock {
        Lock::Key(_) | Lock::Opaque(_) => 1,
        Lock::After(_) | Lock::Older(_) | Lock::Hash(_) => 0,
        Lock::Threshold { k, of } => {
            let mut each: Vec<usize> = of.iter().map(keys_min).collect();
            each.sort_unstable();
            each.into_iter().take(usize::from(*k)).sum()
        }
    }
}

/// The lock with branches filled in that are known by their hash. One that would not fit the limits of a lock stays opaque.
#[must_use]
pub fn fill(lock: &Lock, known: &BTreeMap<LockHash, Lock>) -> Lock {
    fn walk(lock: &Lock, known: &BTreeMap<LockHash, Lock>, depth: usize, spare: &mut usize) -> Lock {
        match lock {
            Lock::Threshold { k, of } => {
                Lock::Threshold { k: *k, of: of.iter().map(|child| walk(child, known, depth + 1, spare)).collect() }
            }
            Lock::Opaque(hash) => match known.get(hash) {
                Some(found) if !matches!(found, Lock::Opaque(_)) => {
                    let (more, levels) = extent(found);
                    // The node itself is counted already.
                    if depth + levels - 1 > LOCK_DEPTH_MAX || more - 1 > *spare {
                        return lock.clone();
                    }
                    *spare -= more - 1;
                    walk(found, known, depth, spare)
                }
                Some(_) | None => lock.clone(),
            },
            Lock::Key(_) | Lock::After(_) | Lock::Older(_) | Lock::Hash(_) => lock.clone(),
        }
    }
    let mut spare = LOCK_NODES_MAX.saturating_sub(extent(lock).0);
    walk(lock, known, 1, &mut spare)
}

/// Nodes and levels.
fn extent(lock: &Lock) -> (usize, usize) {
    match lock {
        Lock::Threshold { of, .. } => {
            let below = of.iter().map(extent).fold((0, 0), |(n, d), (nodes, depth)| (n + nodes, d.max(depth)));
            (below.0 + 1, below.1 + 1)
        }
        Lock::Key(_) | Lock::After(_) | Lock::Older(_) | Lock::Hash(_) | Lock::Opaque(_) => (1, 1),
    }
}

/// What two know of one lock, together; `None` when their hashes differ. Whoever is asked first, the result is the same.
#[must_use]
pub fn join(one: &Lock, other: &Lock) -> Option<Lock> {
    match (one, other) {
        (Lock::Opaque(hash), known) | (known, Lock::Opaque(hash)) => (known.hash() == *hash).then(|| known.clone()),
        (Lock::Threshold { k, of }, Lock::Threshold { k: other_k, of: others })
            if k == other_k && of.len() == others.len() =>
        {
            let of = of.iter().zip(others).map(|(one, other)| join(one, other)).collect::<Option<_>>()?;
            Some(Lock::Threshold { k: *k, of })
        }
        (one, other) => (one == other).then(|| one.clone()),
    }
}

/// The hashes of all nodes of a lock, its own first.
#[must_use]
pub fn hashes(lock: &Lock) -> Vec<LockHash> {
    let mut all = vec![lock.hash()];
    if let Lock::Threshold { of, .. } = lock {
        all.extend(of.iter().flat_map(hashes));
    }
    all
}
