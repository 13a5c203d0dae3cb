//! Blocks, with exactly Bitcoin's 80-byte header.

use crate::ledger::codec::{encode, limited_decode};
use crate::ledger::hash::{BlockId, MerkleRoot, sha256d};
use crate::ledger::merkle;
use crate::ledger::transaction::Transaction;
use crate::limits::{BLOCK_TRANSACTIONS_MAX, HEADER_BYTES};
use borsh::{BorshDeserialize, BorshSerialize};

/// The 80 bytes that name a block; all numbers little-endian. Under PBFT `bits` and `nonce` are 0, and the view is not here:
/// a block keeps its id, time and payee when another view proposes it again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, BorshSerialize, BorshDeserialize)]
pub struct Header {
    /// Any number; miners may roll it.
    pub version: u32,
    /// The block below; all zero for genesis.
    pub parent: BlockId,
    /// Root over the transactions' hashes.
    pub merkle_root: MerkleRoot,
    /// Seconds since 1970.
    pub time: u32,
    /// Proof of work: the compact target; 0 under PBFT.
    pub bits: u32,
    /// Proof of work: what was searched; 0 under PBFT.
    pub nonce: u32,
}

impl Header {
    /// The 80 bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; HEADER_BYTES] {
        encode(self).try_into().expect("a header has six fields of 80 bytes in all")
    }

    /// SHA-256d of the 80 bytes.
    #[must_use]
    pub fn id(&self) -> BlockId {
        BlockId(sha256d(&self.to_bytes()))
    }
}

/// A header and the transactions it commits to.
#[derive(Clone, PartialEq, Eq, Hash, Debug, BorshSerialize)]
pub struct Block {
    /// The header.
    pub header: Header,
    /// The coinbase, then the others, each after those it spends from.
    pub transactions: Vec<Transaction>,
}
limited_decode!(Block { header, transactions: "transactions" <= BLOCK_TRANSACTIONS_MAX });

impl Block {
    /// The header's id.
    #[must_use]
    pub fn id(&self) -> BlockId {
        self.header.id()
    }

    /// The root over the transactions as they stand here.
    #[must_use]
    pub fn merkle_root(&self) -> MerkleRoot {
        let leaves: Vec<_> = self.transactions.iter().map(Transaction::hash).collect();
        merkle::root(&leaves).root
    }

    /// Length of the whole encoding: the transactions know theirs.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let count_bytes = size_of::<u32>();
        HEADER_BYTES + count_bytes + self.transactions.iter().map(Transaction::bytes).sum::<usize>()
    }
}
