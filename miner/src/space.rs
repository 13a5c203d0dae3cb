//! What there is to search in a template.

use crate::kernel::Search;
use crate::miner::Task;
use bezant_consensus::engine::Template;
use bezant_consensus::ledger::block::{Block, Header};
use bezant_consensus::ledger::merkle::{self, Proof};
use bezant_consensus::ledger::target::Target;
use bezant_consensus::ledger::transaction::{Body, Transaction};

/// Bytes at the start of the coinbase's extra data that may be rolled.
const EXTRANONCE_BYTES: usize = 8;

/// A template with what it lacked.
#[derive(Clone, Debug, PartialEq)]
pub struct Solution {
    /// Of the template.
    pub ticket: u64,
    /// The block; its header meets the target of its bits.
    pub block: Block,
}

/// A template, searched for one block: cut into steps of 2^32 nonces each, with all versions of a search. Step numbers roll the extranonce; where the
/// coinbase has no room for it, they move the time forward.
///
/// The engine's templates have that room, and it renews them with the time every few seconds: so the time is left as it was given,
/// and never runs ahead of the clock. Where it has to move, a step is a second, and a thread needs longer than that for the nonces
/// of a step, by far: 2^32 of them, with one version alone, last two minutes at 33 MH/s.
#[derive(Clone, Debug)]
pub struct Space {
    template: Template,
    /// From the coinbase to the merkle root.
    proof: Option<Proof>,
}

impl Space {
    /// Prepares a template.
    #[must_use]
    pub fn new(template: Template) -> Space {
        let leaves: Vec<_> = template.block.transactions.iter().map(Transaction::hash).collect();
        let proof = merkle::prove(&leaves, 0).filter(|_| rolled(&template.block.transactions[0], 0).is_some());
        Space { template, proof }
    }

    /// The header to search at a step, with its own version and a nonce to be ignored.
    pub(crate) fn header(&self, step: u64) -> Header {
        let header = self.template.block.header;
        let root = self.proof.as_ref().and_then(|proof| {
            let coinbase = rolled(&self.template.block.transactions[0], step)?;
            proof.root_from(coinbase.hash())
        });
        match root {
            Some(merkle_root) => Header { merkle_root, ..header },
            None => {
                let seconds = u32::try_from(step).unwrap_or(u32::MAX);
                Header { time: header.time.saturating_add(seconds), ..header }
            }
        }
    }

    /// The whole block of a header found at a step.
    pub(crate) fn block(&self, step: u64, header: Header) -> Block {
        let mut block = Block { header, transactions: self.template.block.transactions.clone() };
        if self.proof.is_some()
            && let Some(coinbase) = rolled(&block.transactions[0], step)
        {
            block.transactions[0] = coinbase;
        }
        block
    }
}

impl Task for Space {
    type Found = Solution;

    fn search(&self, step: u64) -> Option<Search> {
        let header = self.header(step);
        Some(Search::rolling(header, Target::from_compact(header.bits)?))
    }

    fn found(&self, step: u64, header: Header) -> Solution {
        Solution { ticket: self.template.ticket, block: self.block(step, header) }
    }

    fn is_last(_: &Solution) -> bool {
        true
    }
}

/// The coinbase with this extranonce; `None` when it has no room for one.
fn rolled(transaction: &Transaction, step: u64) -> Option<Transaction> {
    let Body::Coinbase(coinbase) = transaction.body() else { return None };
    let mut coinbase = coinbase.clone();
    coinbase.extra.get_mut(..EXTRANONCE_BYTES)?.copy_from_slice(&step.to_le_bytes());
    Some(Transaction::new(Body::Coinbase(coinbase), transaction.witnesses().to_vec()))
}
