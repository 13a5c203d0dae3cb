//! A block in a small message: whoever has its transactions already is told which they are, and in what order.
//!
//! Under PBFT a proposal names its transactions by their full hashes ([`CompactPrePrepare`]): they are few against the votes that
//! follow it, nothing can collide, and the names alone prove the header's merkle root. Under proof of work a block is announced
//! with short ids ([`CompactBlock`]):
//!
//! As in BIP152 the short id of a transaction is 48 bits of a keyed hash of its full hash (witnesses included), and the key comes from
//! the header and a salt of the sender's: nobody can make two transactions that collide for everybody. Here the hash is keyed
//! BLAKE3 with the key BLAKE3(80 bytes of the header ‖ salt, 8 bytes little-endian), and the short id its first six bytes. What has no short id stands in
//! the message as a whole: always the coinbase, which nobody has.

use crate::ledger::block::{Block, Header};
use crate::ledger::codec::limited_decode;
use crate::ledger::hash::{BlockId, TxHash};
use crate::ledger::merkle::{self, Root};
use crate::ledger::transaction::{Body, Transaction};
use crate::limits::BLOCK_TRANSACTIONS_MAX;
use crate::message::{PrePrepare, Vote};
use borsh::{BorshDeserialize, BorshSerialize};

/// The name of a transaction within one announcement.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, BorshSerialize, BorshDeserialize)]
pub struct ShortId(pub [u8; 6]);

/// Gives the short ids of one announcement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ShortIds([u8; 32]);

impl ShortIds {
    /// For a header and the announcement's salt.
    #[must_use]
    pub fn new(header: &Header, salt: u64) -> ShortIds {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&header.to_bytes()).update(&salt.to_le_bytes());
        ShortIds(*hasher.finalize().as_bytes())
    }

    /// The short id of a transaction with this full hash.
    #[must_use]
    pub fn of(&self, hash: &TxHash) -> ShortId {
        let mut id = [0; 6];
        id.copy_from_slice(&blake3::keyed_hash(&self.0, &hash.0).as_bytes()[..6]);
        ShortId(id)
    }
}

/// A transaction that stands in an announcement as a whole.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub struct Prefilled {
    /// Its place in the block.
    pub index: u16,
    /// The transaction.
    pub transaction: Transaction,
}

/// A block, announced: the transactions that are not prefilled follow one another in the order of `short_ids`.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize)]
pub struct CompactBlock {
    /// The header.
    pub header: Header,
    /// Of the short ids.
    pub salt: u64,
    /// In ascending order of places, none twice.
    pub prefilled: Vec<Prefilled>,
    /// Of all others, in the block's order.
    pub short_ids: Vec<ShortId>,
}
limited_decode!(CompactBlock {
    header,
    salt,
    prefilled: "prefilled transactions" <= BLOCK_TRANSACTIONS_MAX,
    short_ids: "short ids" <= BLOCK_TRANSACTIONS_MAX,
});

impl CompactBlock {
    /// Announces a block, with the transactions as a whole for whose places `is_whole` is true.
    #[must_use]
    pub fn new(block: &Block, salt: u64, is_whole: impl Fn(usize) -> bool) -> CompactBlock {
        let ids = ShortIds::new(&block.header, salt);
        let (mut prefilled, mut short_ids) = (Vec::new(), Vec::new());
        for (index, transaction) in (0u16..).zip(&block.transactions) {
            if is_whole(usize::from(index)) {
                prefilled.push(Prefilled { index, transaction: transaction.clone() });
            } else {
                short_ids.push(ids.of(&transaction.hash()));
            }
        }
        CompactBlock { header: block.header, salt, prefilled, short_ids }
    }

    /// Transactions of the block.
    #[must_use]
    pub fn count(&self) -> usize {
        self.prefilled.len() + self.short_ids.len()
    }

    /// Whether places and numbers can be those of a block.
    #[must_use]
    pub fn is_well_formed(&self) -> bool {
        let places = self.prefilled.iter().map(|it| usize::from(it.index));
        let is_within = places.clone().all(|place| place < self.count());
        let is_ascending = places.clone().zip(places.skip(1)).all(|(place, next)| place < next);
        is_within && is_ascending && self.count() <= BLOCK_TRANSACTIONS_MAX
    }

    /// By place, either a transaction or the short id that it has to have.
    ///
    /// # Panics
    /// When the announcement is not [`CompactBlock::is_well_formed`].
    #[must_use]
    pub fn places(&self) -> Vec<Place> {
        let mut short_ids = self.short_ids.iter();
        let mut prefilled = self.prefilled.iter().peekable();
        let place = |index: usize| match prefilled.next_if(|it| usize::from(it.index) == index) {
            Some(it) => Place::Here(it.transaction.clone()),
            None => Place::Named(*short_ids.next().expect("what is not prefilled has a short id")),
        };
        (0..self.count()).map(place).collect()
    }
}

/// A place in a block that was announced.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place {
    /// What stands there.
    Here(Transaction),
    /// The name of what stands there.
    Named(ShortId),
}

/// The primary's proposal, for whoever has its transactions.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize)]
pub struct CompactPrePrepare {
    /// As in [`PrePrepare::vote`].
    pub vote: Vote,
    /// The block's header.
    pub header: Header,
    /// Its first transaction, which nobody has.
    pub coinbase: Transaction,
    /// The full hashes of all others, in the block's order.
    pub names: Vec<TxHash>,
}
limited_decode!(CompactPrePrepare {
    vote,
    header,
    coinbase,
    names: "named transactions" <= BLOCK_TRANSACTIONS_MAX - 1,
});

impl CompactPrePrepare {
    /// Names what a proposal holds. `None` for a block without transactions, which is none, and for one that changes members: such
    /// changes wait in no mempool.
    #[must_use]
    pub fn of(proposal: &PrePrepare) -> Option<CompactPrePrepare> {
        let (coinbase, others) = proposal.block.transactions.split_first()?;
        if others.iter().any(|transaction| matches!(transaction.body(), Body::Epoch(_))) {
            return None;
        }
        let names = others.iter().map(Transaction::hash).collect();
        Some(CompactPrePrepare {
            vote: proposal.vote,
            header: proposal.block.header,
            coinbase: coinbase.clone(),
            names,
        })
    }

    /// The merkle root over what it names.
    #[must_use]
    pub fn root(&self) -> Root {
        let leaves: Vec<TxHash> = std::iter::once(self.coinbase.hash()).chain(self.names.iter().copied()).collect();
        merkle::root(&leaves)
    }
}

/// Asks for transactions of a block that was announced.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize)]
pub struct GetTransactions {
    /// The block.
    pub block: BlockId,
    /// Places in it, in ascending order.
    pub places: Vec<u16>,
}
limited_decode!(GetTransactions { block, places: "places" <= BLOCK_TRANSACTIONS_MAX });

/// Answers [`GetTransactions`]: all that were asked for, in that order, or none.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize)]
pub struct BlockTransactions {
    /// The block.
    pub block: BlockId,
    /// The transactions.
    pub transactions: Vec<Transaction>,
}
limited_decode!(BlockTransactions { block, transactions: "transactions" <= BLOCK_TRANSACTIONS_MAX });

impl GetTransactions {
    /// The answer, from the block if it is here.
    #[must_use]
    pub fn answer_from(&self, block: Option<&Block>) -> BlockTransactions {
        let at = |block: &Block| {
            self.places.iter().map(|place| block.transactions.get(usize::from(*place)).cloned()).collect()
        };
        let transactions: Option<Vec<Transaction>> = block.and_then(at);
        BlockTransactions { block: self.block, transactions: transactions.unwrap_or_default() }
    }
}
