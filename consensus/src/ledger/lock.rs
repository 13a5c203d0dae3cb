//! Locks: small policy trees that say who may spend a coin, hashed to the 32 bytes that an address carries.
//!
//! A spender reveals the branches it uses and leaves the others [`Lock::Opaque`]; of a used threshold exactly k children are
//! revealed, and nothing is given that is not needed. Node hash = tagged SHA-256 (tag `bezant/lock`) of kind ‖ payload, where
//! a threshold's payload is k, n and the *hashes* of its children, and `Opaque(h)` hashes to h itself.
//!
//! | kind | byte | payload of the hash |
//! |---|---|---|
//! | `Key` | 0 | 32 bytes of the key |
//! | `Threshold` | 1 | k u8, n u8, n × 32 bytes |
//! | `After` height / time | 2 | 0 u8, u64 LE / 1 u8, u32 LE |
//! | `Older` | 3 | u32 LE blocks |
//! | `Hash` | 4 | 32 bytes, SHA-256 of a 32-byte preimage |
//! | `Opaque` | 5 | (hashes to itself) |

use crate::ledger::codec::{encode, invalid};
use crate::ledger::hash::{LockHash, Tag};
use crate::ledger::key::PublicKey;
use crate::ledger::units::Height;
use crate::limits::{LOCK_DEPTH_MAX, LOCK_NODES_MAX, THRESHOLD_CHILDREN_MAX};
use borsh::{BorshDeserialize, BorshSerialize};
use std::io;
use std::sync::LazyLock;

static TAG: LazyLock<Tag> = LazyLock::new(|| Tag::new("bezant/lock"));

/// A moment from which something is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub enum LockTime {
    /// In blocks of this height and above; 0 means always.
    Height(Height),
    /// From this second on: under PBFT judged by the containing block's time, under proof of work by the parent's median time.
    Time(u32),
}

impl LockTime {
    /// No restriction.
    pub const NONE: LockTime = LockTime::Height(Height(0));
}

/// A lock, or a branch of one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Lock {
    /// A signature by this key.
    Key(PublicKey),
    /// `k` of these.
    Threshold {
        /// How many of the children must be satisfied, from 1 to their number.
        k: u8,
        /// The children, at most [`THRESHOLD_CHILDREN_MAX`].
        of: Vec<Lock>,
    },
    /// Not before this height or time.
    After(LockTime),
    /// Not before the coin is this many blocks old: block height ≥ coin height + blocks.
    Older(u32),
    /// The 32-byte preimage of this SHA-256.
    Hash([u8; 32]),
    /// A branch that is not revealed; never satisfied.
    Opaque(LockHash),
}

impl Lock {
    /// The hash of this node.
    ///
    /// # Panics
    /// For a threshold of more than 255 children, which [`Lock::check_shape`] and the decoder refuse.
    #[must_use]
    pub fn hash(&self) -> LockHash {
        let digest = |kind: u8, payload: &[u8]| LockHash(TAG.hash(&[&[kind], payload]));
        match self {
            Lock::Key(key) => digest(0, &key.0),
            Lock::Threshold { k, of } => {
                let n = u8::try_from(of.len()).expect("a threshold has at most 16 children");
                let mut payload = vec![*k, n];
                for child in of {
                    payload.extend_from_slice(child.hash().as_bytes());
                }
                digest(1, &payload)
            }
            Lock::After(time) => digest(2, &encode(time)),
            Lock::Older(blocks) => digest(3, &blocks.to_le_bytes()),
            Lock::Hash(image) => digest(4, image),
            Lock::Opaque(hash) => *hash,
        }
    }

    /// The leaves that are not opaque, from left to right, each with its path: the child indices from the root.
    /// Signatures stand in the order of the keys here, preimages in the order of the hashes.
    #[must_use]
    pub fn revealed_leaves(&self) -> Vec<(Vec<u8>, &Lock)> {
        fn walk<'a>(lock: &'a Lock, path: &mut Vec<u8>, leaves: &mut Vec<(Vec<u8>, &'a Lock)>) {
            match lock {
                Lock::Threshold { of, .. } => {
                    for (index, child) in of.iter().enumerate() {
                        path.push(u8::try_from(index).expect("a threshold has at most 16 children"));
                        walk(child, path, leaves);
                        path.pop();
                    }
                }
                Lock::Opaque(_) => {}
                Lock::Key(_) | Lock::After(_) | Lock::Older(_) | Lock::Hash(_) => leaves.push((path.clone(), lock)),
            }
        }
        let mut leaves = Vec::new();
        walk(self, &mut Vec::new(), &mut leaves);
        leaves
    }

    /// The limits of §3 of the design: depth, number of nodes, 1 ≤ k ≤ n ≤ 16.
    ///
    /// # Errors
    /// Names the limit that is broken.
    pub fn check_shape(&self) -> Result<(), LockShapeError> {
        fn walk(lock: &Lock, depth: usize, nodes: &mut usize) -> Result<(), LockShapeError> {
            if depth > LOCK_DEPTH_MAX {
                return Err(LockShapeError::TooDeep);
            }
            *nodes += 1;
            if *nodes > LOCK_NODES_MAX {
                return Err(LockShapeError::TooManyNodes);
            }
            if let Lock::Threshold { k, of } = lock {
                if of.len() > THRESHOLD_CHILDREN_MAX || *k == 0 || usize::from(*k) > of.len() {
                    return Err(LockShapeError::Threshold { k: *k, n: of.len() });
                }
                of.iter().try_for_each(|child| walk(child, depth + 1, nodes))?;
            }
            Ok(())
        }
        walk(self, 1, &mut 0)
    }
}

/// A lock tree beyond its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LockShapeError {
    /// More than [`LOCK_DEPTH_MAX`] levels.
    #[error("lock deeper than {LOCK_DEPTH_MAX} levels")]
    TooDeep,
    /// More than [`LOCK_NODES_MAX`] nodes.
    #[error("lock with more than {LOCK_NODES_MAX} nodes")]
    TooManyNodes,
    /// Not 1 ≤ k ≤ n ≤ 16.
    #[error("threshold {k} of {n}: 1 ≤ k ≤ n ≤ {THRESHOLD_CHILDREN_MAX} is needed")]
    Threshold {
        /// Needed.
        k: u8,
        /// Given.
        n: usize,
    },
}

impl BorshSerialize for Lock {
    fn serialize<W: io::Write>(&self, writer: &mut W) -> io::Result<()> {
        match self {
            Lock::Key(key) => (0u8, key).serialize(writer),
            Lock::Threshold { k, of } => {
                let n = u8::try_from(of.len()).map_err(|_| invalid("threshold with more than 255 children"))?;
                (1u8, *k, n).serialize(writer)?;
                of.iter().try_for_each(|child| child.serialize(writer))
            }
            Lock::After(time) => (2u8, time).serialize(writer),
            Lock::Older(blocks) => (3u8, blocks).serialize(writer),
            Lock::Hash(image) => (4u8, image).serialize(writer),
            Lock::Opaque(hash) => (5u8, hash).serialize(writer),
        }
    }
}

impl BorshDeserialize for Lock {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        read_node(reader, 1, &mut 0)
    }
}

/// Depth and node count are checked before going down, so that no input can exhaust stack or memory.
fn read_node<R: io::Read>(reader: &mut R, depth: usize, nodes: &mut usize) -> io::Result<Lock> {
    *nodes += 1;
    if depth > LOCK_DEPTH_MAX || *nodes > LOCK_NODES_MAX {
        return Err(invalid("lock tree too deep or too large"));
    }
    Ok(match u8::deserialize_reader(reader)? {
        0 => Lock::Key(PublicKey::deserialize_reader(reader)?),
        1 => {
            let (k, n) = <(u8, u8)>::deserialize_reader(reader)?;
            if usize::from(n) > THRESHOLD_CHILDREN_MAX || k == 0 || k > n {
                return Err(invalid(format!("threshold {k} of {n}")));
            }
            let of = (0..n).map(|_| read_node(reader, depth + 1, nodes)).collect::<io::Result<_>>()?;
            Lock::Threshold { k, of }
        }
        2 => Lock::After(LockTime::deserialize_reader(reader)?),
        3 => Lock::Older(u32::deserialize_reader(reader)?),
        4 => Lock::Hash(<[u8; 32]>::deserialize_reader(reader)?),
        5 => Lock::Opaque(LockHash::deserialize_reader(reader)?),
        kind => return Err(invalid(format!("lock kind {kind}"))),
    })
}
