//! Header chains and proofs of inclusion, judged without a node: for light clients and for whoever checks one.
//!
//! A [`HeaderChain`] is what somebody says the chain is, header by header from genesis; each is judged by every rule but the
//! clock's, so saying it costs the work that it shows. An [`Inclusion`] is a header, a transaction, and the path from the one to
//! the other. It convinces whoever believes that nobody does the work of the headers for a block that is invalid: nothing but
//! headers is judged here. Neither says that no other chain has more work, nor that a later one will not.

use super::headers::judge;
use super::tree::Tree;
use crate::ledger::block::{Block, Header};
use crate::ledger::genesis::{Genesis, PowParams};
use crate::ledger::hash::{BlockId, TxId};
use crate::ledger::merkle;
use crate::ledger::target::{Target, Work};
use crate::ledger::transaction::Transaction;
use crate::ledger::units::Height;
use borsh::{BorshDeserialize, BorshSerialize};

/// A header that does not stand up in its place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("header at height {height}: {reason}")]
pub struct HeaderChainError {
    /// Its height.
    pub height: Height,
    /// Which rule it breaks.
    pub reason: String,
}

fn fault<T>(height: Height, reason: impl Into<String>) -> Result<T, HeaderChainError> {
    Err(HeaderChainError { height, reason: reason.into() })
}

/// Headers from genesis on, each standing on the one before, all of them judged. Memory: some 200 bytes each.
pub struct HeaderChain {
    params: PowParams,
    /// Invariant: one branch.
    tree: Tree,
    tip: BlockId,
}

impl std::fmt::Debug for HeaderChain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HeaderChain").field("height", &self.height()).field("tip", &self.tip).finish_non_exhaustive()
    }
}

impl HeaderChain {
    /// The chain of genesis alone.
    ///
    /// # Errors
    /// At height 0, when the net does not run on proof of work.
    pub fn new(genesis: &Genesis) -> Result<HeaderChain, HeaderChainError> {
        let Some(params) = genesis.pow() else {
            return fault(Height::GENESIS, "this net does not run on proof of work");
        };
        let Some(target) = Target::from_compact(params.bits) else {
            return fault(Height::GENESIS, "the genesis target is none");
        };
        let first = genesis.block().header;
        Ok(HeaderChain { params: params.clone(), tree: Tree::new(first, target), tip: first.id() })
    }

    /// Judges the next header by every rule but the clock's (link, work done, expected target, median time).
    ///
    /// # Errors
    /// The rule that it breaks; the chain is as before.
    pub fn push(&mut self, header: &Header) -> Result<(), HeaderChainError> {
        let height = self.height().next();
        if header.parent != self.tip {
            return fault(height, "it does not stand on the header before");
        }
        let id = header.id();
        judge(&self.params, &self.tree, &id, header)
            .map_err(|error| HeaderChainError { height, reason: error.to_string() })?;
        self.tree.insert(id, *header);
        self.tip = id;
        Ok(())
    }

    /// The id of the last header.
    #[must_use]
    pub fn tip(&self) -> BlockId {
        self.tip
    }

    /// The height of the last header.
    #[must_use]
    pub fn height(&self) -> Height {
        self.tree.node(&self.tip).height
    }

    /// The height of a header of the chain, genesis included; `None` for any other.
    #[must_use]
    pub fn height_of(&self, id: &BlockId) -> Option<Height> {
        self.tree.get(id).map(|node| node.height)
    }

    /// All headers above genesis, the lowest first.
    #[must_use]
    pub fn headers(&self) -> Vec<Header> {
        let mut headers = Vec::new();
        let mut node = self.tree.node(&self.tip);
        while node.height != Height::GENESIS {
            headers.push(node.header);
            node = self.tree.node(&node.header.parent);
        }
        headers.reverse();
        headers
    }

    /// The work behind all headers, genesis included.
    #[must_use]
    pub fn work(&self) -> Work {
        self.tree.node(&self.tip).work
    }
}

/// Judges `headers`, the first standing on genesis and each on the one before, by every rule but the clock's (links, expected
/// targets, work done, median times), and returns the work behind them, genesis included. Says nothing of heavier chains.
///
/// # Errors
/// The first header that breaks a rule; height 0 when the net does not run on proof of work.
pub fn verify_headers(genesis: &Genesis, headers: &[Header]) -> Result<Work, HeaderChainError> {
    let mut chain = HeaderChain::new(genesis)?;
    headers.iter().try_for_each(|header| chain.push(header))?;
    Ok(chain.work())
}

/// Proves that a transaction is in the block of a header.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub struct Inclusion {
    /// Of the block.
    pub header: Header,
    /// The transaction as a whole, witnesses included: its id covers less than the merkle tree does, and its length matters.
    pub transaction: Transaction,
    /// From it to the header's merkle root.
    pub path: merkle::Proof,
}

/// Where a transaction was proved to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Included {
    /// The transaction.
    pub txid: TxId,
    /// Its block.
    pub block: BlockId,
    /// The block's height.
    pub height: Height,
    /// Blocks from its own to the tip, both counted.
    pub confirmations: u64,
    /// Work behind its block: of that block and all below it, genesis included.
    pub work_behind: Work,
    /// Work on top of its block, that of the block itself left out.
    pub work_on_top: Work,
}

/// Why a proof of inclusion proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InclusionError {
    /// The headers are no chain.
    #[error(transparent)]
    Chain(#[from] HeaderChainError),
    /// The header is none of the chain's.
    #[error("block {0} is not in the chain of the headers")]
    OtherChain(BlockId),
    /// The path does not lead from the transaction to the header.
    #[error(transparent)]
    Path(#[from] merkle::PathError),
}

impl Inclusion {
    /// The proof for the transaction at a place of a block; `None` when there is no such place.
    #[must_use]
    pub fn new(block: &Block, index: usize) -> Option<Inclusion> {
        let leaves: Vec<_> = block.transactions.iter().map(Transaction::hash).collect();
        let path = merkle::prove(&leaves, index)?;
        Some(Inclusion { header: block.header, transaction: block.transactions[index].clone(), path })
    }

    /// Where the transaction is in a chain.
    ///
    /// # Errors
    /// When the proof proves nothing.
    pub fn verify(&self, chain: &HeaderChain) -> Result<Included, InclusionError> {
        let block = self.header.id();
        let node = chain.tree.get(&block).ok_or(InclusionError::OtherChain(block))?;
        self.path.check(&self.transaction, self.header.merkle_root)?;
        Ok(Included {
            txid: self.transaction.id(),
            block,
            height: node.height,
            confirmations: chain.height().0 - node.height.0 + 1,
            work_behind: node.work,
            work_on_top: chain.work().less(node.work),
        })
    }
}

/// [`verify_headers`], and where among them the transaction is.
///
/// # Errors
/// The first header that breaks a rule; then, when the proof proves nothing.
pub fn verify_inclusion(
    genesis: &Genesis,
    headers: &[Header],
    inclusion: &Inclusion,
) -> Result<Included, InclusionError> {
    let mut chain = HeaderChain::new(genesis)?;
    headers.iter().try_for_each(|header| chain.push(header))?;
    inclusion.verify(&chain)
}
