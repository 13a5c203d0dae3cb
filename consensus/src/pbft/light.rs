//! Proof without a node: that a transaction is final, given nothing but the genesis.
//!
//! A [`Proof`] is a header, the commit certificate for its id, and the path from the transaction to the header's merkle root.
//! Whose COMMITs count is known from the genesis and the successions of epochs since ([`Verifier::follow`]). So it convinces whoever
//! trusts that at most f of the members of *each* epoch up to that one lie, now or ever: keys of a set that is long gone must stay
//! secret too.

use crate::ledger::block::{Block, Header};
use crate::ledger::hash::TxId;
use crate::ledger::merkle;
use crate::ledger::transaction::Transaction;
use crate::ledger::units::Height;
use crate::message::CommitCertificate;
use crate::verify::{MessageError, Verifier};
use borsh::{BorshDeserialize, BorshSerialize};

/// Proves that a transaction is final.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub struct Proof {
    /// Of the block.
    pub header: Header,
    /// Exactly q COMMITs for it.
    pub certificate: CommitCertificate,
    /// The transaction as a whole, witnesses included.
    pub transaction: Transaction,
    /// From it to the header's merkle root.
    pub path: merkle::Proof,
}

/// Why a proof proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The certificate is for another block than the header's.
    #[error("the certificate is for another block")]
    OtherBlock,
    /// The certificate is none.
    #[error(transparent)]
    Certificate(#[from] MessageError),
    /// The path does not lead from the transaction to the header.
    #[error(transparent)]
    Path(#[from] merkle::PathError),
}

impl Proof {
    /// The proof for the transaction at a place of a certified block; `None` when there is no such place.
    #[must_use]
    pub fn new(block: &Block, certificate: CommitCertificate, index: usize) -> Option<Proof> {
        let leaves: Vec<_> = block.transactions.iter().map(Transaction::hash).collect();
        let path = merkle::prove(&leaves, index)?;
        Some(Proof { header: block.header, certificate, transaction: block.transactions[index].clone(), path })
    }

    /// The transaction that is proved to be final, and the height of its block. The verifier is that of the net's genesis,
    /// and has followed the epochs up to that of the certificate.
    ///
    /// # Errors
    /// When the proof proves nothing.
    pub fn verify(&self, verifier: &Verifier) -> Result<(TxId, Height), ProofError> {
        if self.certificate.ballot.block != self.header.id() {
            return Err(ProofError::OtherBlock);
        }
        verifier.check_commit_certificate(&self.certificate)?;
        self.path.check(&self.transaction, self.header.merkle_root)?;
        Ok((self.transaction.id(), self.certificate.ballot.height))
    }
}

#[cfg(test)]
mod tests;
