//! Bitcoin's merkle tree over transaction hashes, because external miners fold it.
//!
//! Each level hashes pairs with SHA-256d; a level of odd length repeats its last entry. So \[1 2 3\] and \[1 2 3 3\] share a root
//! (CVE-2012-2459): a list with an equal adjacent pair is *mutated*. That condemns the list received, never the root or the
//! block that carries it. Inner nodes cannot pass for leaves because no transaction is 64 bytes long (CVE-2017-12842): no valid
//! block has one, and whoever checks a proof refuses one by [`Proof::check`].

use crate::ledger::codec::limited_decode;
use crate::ledger::hash::{MerkleRoot, TxHash, sha256d};
use crate::ledger::transaction::Transaction;
use crate::limits::{MERKLE_SIBLINGS_MAX, TRANSACTION_BYTES_FORBIDDEN};
use borsh::BorshSerialize;

/// What [`root`] finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Root {
    /// The root.
    pub root: MerkleRoot,
    /// Whether an equal adjacent pair was met at any level, so that a shorter list has the same root.
    pub mutated: bool,
}

/// The root over `leaves`; all zero for none.
#[must_use]
pub fn root(leaves: &[TxHash]) -> Root {
    let mut level: Vec<[u8; 32]> = leaves.iter().map(|leaf| leaf.0).collect();
    let mut mutated = false;
    if level.is_empty() {
        return Root { root: MerkleRoot::default(), mutated };
    }
    while level.len() > 1 {
        mutated |= level.chunks_exact(2).any(|pair| pair[0] == pair[1]);
        level = level.chunks(2).map(|pair| join(&pair[0], pair.last().expect("chunks are not empty"))).collect();
    }
    Root { root: MerkleRoot(level[0]), mutated }
}

fn join(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    let mut bytes = [0; 64];
    bytes[..32].copy_from_slice(left);
    bytes[32..].copy_from_slice(right);
    sha256d(&bytes)
}

/// Proves that a transaction hash stands at a place under a root.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize)]
pub struct Proof {
    /// Place among the leaves, from 0.
    pub index: u32,
    /// The neighbours on the way up, lowest first; at most [`MERKLE_SIBLINGS_MAX`].
    pub siblings: Vec<[u8; 32]>,
}
limited_decode!(Proof { index, siblings: "siblings" <= MERKLE_SIBLINGS_MAX });

/// The proof for the leaf at `index`; `None` when there is no such leaf, or more leaves than a block may have.
#[must_use]
pub fn prove(leaves: &[TxHash], index: usize) -> Option<Proof> {
    if leaves.len() > 1 << MERKLE_SIBLINGS_MAX {
        return None;
    }
    let mut level: Vec<[u8; 32]> = leaves.iter().map(|leaf| leaf.0).collect();
    let mut siblings = Vec::new();
    let mut place = index;
    if place >= level.len() {
        return None;
    }
    while level.len() > 1 {
        siblings.push(*level.get(place ^ 1).unwrap_or(&level[place]));
        level = level.chunks(2).map(|pair| join(&pair[0], pair.last().expect("chunks are not empty"))).collect();
        place /= 2;
    }
    Some(Proof { index: u32::try_from(index).ok()?, siblings })
}

/// Why a proof does not show that a transaction stands under a root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Its encoding could be two nodes side by side (CVE-2017-12842).
    #[error("a transaction of 64 bytes may be two nodes of the tree, and proves nothing")]
    NodeSize,
    /// The path leads to another root, or to none.
    #[error("the transaction is not in the block")]
    Elsewhere,
}

impl Proof {
    /// Whether this proof leads from the transaction, witnesses included, to the root.
    ///
    /// # Errors
    /// When it does not, or when what is called a transaction may be an inner node.
    pub fn check(&self, transaction: &Transaction, root: MerkleRoot) -> Result<(), PathError> {
        if transaction.bytes() == TRANSACTION_BYTES_FORBIDDEN {
            return Err(PathError::NodeSize);
        }
        if self.root_from(transaction.hash()) == Some(root) { Ok(()) } else { Err(PathError::Elsewhere) }
    }

    /// The root that this proof leads to from `leaf`; `None` when index and length contradict each other, and for a place
    /// that is not there but repeats the one before (a right child equal to its left neighbour).
    #[must_use]
    pub fn root_from(&self, leaf: TxHash) -> Option<MerkleRoot> {
        if self.siblings.len() > MERKLE_SIBLINGS_MAX || self.index >> self.siblings.len() != 0 {
            return None;
        }
        let mut node = leaf.0;
        for (level, sibling) in self.siblings.iter().enumerate() {
            let is_right = self.index >> level & 1 == 1;
            if is_right && node == *sibling {
                return None;
            }
            node = if is_right { join(sibling, &node) } else { join(&node, sibling) };
        }
        Some(MerkleRoot(node))
    }
}
