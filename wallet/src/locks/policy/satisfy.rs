//! Opens a lock as cheaply as possible, or says what is missing.
//!
//! Of each used threshold exactly k children are revealed: those that take the fewest bytes, the leftmost among equals. Since what a
//! branch takes does not depend on the others, taking the cheapest k at each threshold is cheapest altogether. A lock has at most
//! 64 nodes, each of which is looked at once.
//!
//! Nothing here has a key: a way to open a lock ([`Opening`]) is found from the *names* of the keys at hand, and signed later. So
//! only the wallets that are needed have to be unlocked.

use bezant_consensus::ledger::codec::encode;
use bezant_consensus::ledger::hash::{LockHash, sha256};
use bezant_consensus::ledger::key::PublicKey;
use bezant_consensus::ledger::lock::{Lock, LockTime};
use bezant_consensus::ledger::rules::context::Place;
use bezant_consensus::ledger::transaction::{OutPoint, Spend, Witness};
use bezant_consensus::ledger::units::Height;
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const SIGNATURE_BYTES: u64 = 64;
/// Of a preimage.
pub(crate) const PREIMAGE_BYTES: u64 = 32;
/// Of a branch that is not revealed: its kind and its hash.
const HIDDEN_BYTES: u64 = 33;

/// How a coin is opened; only the signatures are missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// Its lock, what is not used being opaque.
    pub lock: Lock,
    /// One for each revealed hash, in the order of the leaves.
    pub preimages: Vec<[u8; 32]>,
}

impl Opening {
    /// Of a coin under the lock of a single key.
    #[must_use]
    pub fn of_key(key: PublicKey) -> Opening {
        Opening { lock: Lock::Key(key), preimages: Vec::new() }
    }

    /// The keys that sign, with their paths, in the order of the leaves.
    #[must_use]
    pub fn keys(&self) -> Vec<(Vec<u8>, PublicKey)> {
        let key = |(path, leaf): (Vec<u8>, &Lock)| match leaf {
            Lock::Key(key) => Some((path, *key)),
            Lock::After(_) | Lock::Older(_) | Lock::Hash(_) | Lock::Threshold { .. } | Lock::Opaque(_) => None,
        };
        self.lock.revealed_leaves().into_iter().filter_map(key).collect()
    }

    /// Bytes of a transfer's input that is opened like this, outpoint and witness together.
    #[must_use]
    pub fn input_bytes(&self) -> u64 {
        let leaves = self.keys().len() as u64 * SIGNATURE_BYTES + self.preimages.len() as u64 * PREIMAGE_BYTES;
        base_bytes() + encode(&self.lock).len() as u64 + leaves
    }
}

/// Bytes of an input beside its lock, signatures and preimages. Measured, not assumed.
pub(crate) fn base_bytes() -> u64 {
    let lock = Lock::Older(0);
    let witness = Witness::Spend(Spend {
        amount: Default::default(),
        lock: lock.clone(),
        signatures: Vec::new(),
        preimages: Vec::new(),
    });
    let outpoint = OutPoint { txid: Default::default(), index: 0 };
    (encode(&outpoint).len() + encode(&witness).len() - encode(&lock).len()) as u64
}

/// What is at hand to open locks with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Means {
    /// Keys that can sign.
    pub keys: BTreeSet<PublicKey>,
    /// Preimages, by their SHA-256.
    pub preimages: BTreeMap<[u8; 32], [u8; 32]>,
    /// Locks that are known, by their hash: they are filled in where a tree has the hash alone.
    pub locks: BTreeMap<LockHash, Lock>,
}

impl Means {
    /// Adds keys, and their locks.
    pub fn add_keys(&mut self, keys: impl IntoIterator<Item = PublicKey>) {
        for key in keys {
            self.keys.insert(key);
            self.add_lock(Lock::Key(key));
        }
    }

    /// Adds a lock that is known, as far as it is: what more was known before stays so.
    pub fn add_lock(&mut self, lock: Lock) {
        let hash = lock.hash();
        let joined = self.locks.get(&hash).and_then(|known| super::join(known, &lock));
        self.locks.insert(hash, joined.unwrap_or(lock));
    }

    /// Adds a preimage.
    pub fn add_preimage(&mut self, preimage: [u8; 32]) {
        self.preimages.insert(sha256(&preimage), preimage);
    }
}

/// When a coin is to be spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The next block, as far as is known.
    pub next: Place,
    /// Height of the coin's block; of one that waits in a mempool the next block's.
    pub coin: Height,
}

impl Moment {
    /// From when a condition on time holds; `None` for anything else.
    #[must_use]
    pub fn opens(&self, leaf: &Lock) -> Option<LockTime> {
        match leaf {
            Lock::After(time) => Some(*time),
            Lock::Older(blocks) => Some(LockTime::Height(Height(self.coin.0.saturating_add(u64::from(*blocks))))),
            Lock::Key(_) | Lock::Hash(_) | Lock::Threshold { .. } | Lock::Opaque(_) => None,
        }
    }
}

/// Why a lock does not open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// A signature by this key.
    Key(PublicKey),
    /// A branch of which only the hash is known.
    Hidden(LockHash),
    /// The preimage of this.
    Preimage([u8; 32]),
    /// Time: not before this.
    Until(LockTime),
    /// More children of a threshold.
    Some {
        /// How many, from 1 to the number of `of`.
        need: usize,
        /// Children that open already.
        have: usize,
        /// Why the others do not.
        of: Vec<Missing>,
    },
}

impl Missing {
    /// The earliest moments (of height and time both) from which what is at hand suffices; `None` when waiting does not help.
    #[must_use]
    pub fn wait(&self) -> Option<Wait> {
        match self {
            Missing::Key(_) | Missing::Hidden(_) | Missing::Preimage(_) => None,
            Missing::Until(LockTime::Height(height)) => Some(Wait { time: None, height: Some(*height) }),
            Missing::Until(LockTime::Time(time)) => Some(Wait { time: Some(*time), height: None }),
            Missing::Some { need, of, .. } => {
                let mut waits: Vec<Wait> = of.iter().filter_map(Missing::wait).collect();
                waits.sort_unstable();
                let chosen = waits.get(..*need)?;
                Some(chosen.iter().fold(Wait::default(), |one, other| one.max_of(*other)))
            }
        }
    }

    /// What is missing if nobody wants to wait; `None` when there is no way but to wait.
    #[must_use]
    pub fn sooner(&self) -> Option<Missing> {
        match self {
            Missing::Key(_) | Missing::Hidden(_) | Missing::Preimage(_) => Some(self.clone()),
            Missing::Until(_) => None,
            Missing::Some { need, have, of } => {
                let of: Vec<Missing> = of.iter().filter_map(Missing::sooner).collect();
                (of.len() >= *need).then_some(Missing::Some { need: *need, have: *have, of })
            }
        }
    }

    /// A stable name for programs: `locked` when waiting helps, else `keys-missing`, or `preimage-missing` when no key is.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        fn has_key(missing: &Missing) -> bool {
            match missing {
                Missing::Key(_) | Missing::Hidden(_) => true,
                Missing::Preimage(_) | Missing::Until(_) => false,
                Missing::Some { of, .. } => of.iter().any(has_key),
            }
        }
        match self.wait() {
            Some(_) => "locked",
            None if has_key(self) => "keys-missing",
            None => "preimage-missing",
        }
    }
}

/// From when on something can be done: from this height and this time on, if they are given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wait {
    /// Seconds since 1970.
    pub time: Option<u32>,
    /// Height of a block.
    pub height: Option<Height>,
}

impl Wait {
    fn max_of(self, other: Wait) -> Wait {
        Wait { time: self.time.max(other.time), height: self.height.max(other.height) }
    }
}

/// The cheapest way to open `lock` with what is at hand.
///
/// # Errors
/// What is missing.
pub fn satisfy(lock: &Lock, means: &Means, moment: &Moment) -> Result<Opening, Missing> {
    let lock = super::fill(lock, &means.locks);
    let judge = |_: &[u8], leaf: &Lock| match leaf {
        Lock::Key(key) if means.keys.contains(key) => Ok(Leaf { bytes: SIGNATURE_BYTES, is_wanted: false }),
        Lock::Hash(image) if means.preimages.contains_key(image) => {
            Ok(Leaf { bytes: PREIMAGE_BYTES, is_wanted: false })
        }
        Lock::After(_) | Lock::Older(_) => match moment.opens(leaf) {
            Some(from) if !moment.next.reaches(from) => Err(Missing::Until(from)),
            _ => Ok(Leaf::default()),
        },
        leaf => Err(lack_of(leaf)),
    };
    let lock = reveal(&lock, &judge)?.lock;
    let preimages = lock.revealed_leaves().into_iter().filter_map(|(_, leaf)| match leaf {
        Lock::Hash(image) => means.preimages.get(image).copied(),
        _ => None,
    });
    Ok(Opening { preimages: preimages.collect(), lock })
}

/// What a leaf lacks that does not open.
pub(crate) fn lack_of(leaf: &Lock) -> Missing {
    match leaf {
        Lock::Key(key) => Missing::Key(*key),
        Lock::Hash(image) => Missing::Preimage(*image),
        other => Missing::Hidden(other.hash()),
    }
}

/// A leaf that opens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Leaf {
    /// What it takes beside its place in the tree.
    pub(crate) bytes: u64,
    /// Whether it is to be revealed, whatever it costs.
    pub(crate) is_wanted: bool,
}

/// Says of a leaf at a path, opaque ones too, whether it opens.
pub(crate) type Judge<'a> = &'a dyn Fn(&[u8], &Lock) -> Result<Leaf, Missing>;

/// A tree with exactly what is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Revealed {
    pub(crate) lock: Lock,
    /// Bytes of its encoding, and of its signatures and preimages.
    pub(crate) bytes: u64,
    /// How many wanted leaves are in it.
    pub(crate) wanted: usize,
}

/// The cheapest reveal, given which leaves open (`judge` sees the path and the leaf, opaque ones too). Branches with
/// leaves that are wanted come first; whether all of those are in the result is for the caller to see.
pub(crate) fn reveal(lock: &Lock, judge: Judge<'_>) -> Result<Revealed, Missing> {
    walk(lock, &mut Vec::new(), judge)
}

fn walk(lock: &Lock, path: &mut Vec<u8>, judge: Judge<'_>) -> Result<Revealed, Missing> {
    let Lock::Threshold { k, of } = lock else {
        let leaf = judge(path, lock)?;
        let bytes = encode(lock).len() as u64 + leaf.bytes;
        return Ok(Revealed { lock: lock.clone(), bytes, wanted: usize::from(leaf.is_wanted) });
    };
    let hidden = |child: &Lock| Lock::Opaque(child.hash());
    let (mut open, mut shut) = (Vec::new(), Vec::new());
    for (index, child) in of.iter().enumerate() {
        path.push(u8::try_from(index).expect("a threshold has at most 16 children"));
        match walk(child, path, judge) {
            Ok(revealed) => open.push((index, revealed)),
            Err(missing) => shut.push(missing),
        }
        path.pop();
    }
    let k_children = usize::from(*k);
    if open.len() < k_children {
        return Err(Missing::Some { need: k_children - open.len(), have: open.len(), of: shut });
    }
    open.sort_by_key(|(index, revealed)| (revealed.wanted == 0, revealed.bytes, *index));
    open.truncate(k_children);
    let mut children: Vec<Lock> = of.iter().map(hidden).collect();
    let shell = Lock::Threshold { k: *k, of: Vec::new() };
    let (mut bytes, mut wanted) = (encode(&shell).len() as u64, 0);
    bytes += (of.len() - k_children) as u64 * HIDDEN_BYTES;
    for (index, revealed) in open {
        bytes += revealed.bytes;
        wanted += revealed.wanted;
        children[index] = revealed.lock;
    }
    Ok(Revealed { lock: Lock::Threshold { k: *k, of: children }, bytes, wanted })
}
