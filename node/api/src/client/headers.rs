//! Where a transaction is under proof of work: judged from the genesis on, by headers that nobody has to believe.

use super::{Client, ClientError};
use crate::types::{HeaderAt, ProofView};
use bezant_consensus::ledger::block::Header;
use bezant_consensus::ledger::codec::decode;
use bezant_consensus::ledger::genesis::Genesis;
use bezant_consensus::pow::{HeaderChain, HeaderChainError, Included, Inclusion, InclusionError};

/// How often all is asked again, because the chain may have been left for another between two answers.
const TRIES: usize = 3;

/// Headers of one chain that are looked at, at most: they take some 200 bytes each, and on an easy net hardly any work.
const HEADERS_MAX: u64 = 4_000_000;

/// Why it is not known where a transaction is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeadersError {
    /// No node answers, or it knows of no such block or transaction.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// What the node says is no answer to what was asked.
    #[error("the node does not answer what was asked: {0}")]
    Malformed(String),
    /// The node goes on and on.
    #[error("the node has more than {HEADERS_MAX} headers; ask another one")]
    TooMany,
    /// The node's headers are no chain from this genesis on.
    #[error("the node's headers are no chain of this genesis: {0}")]
    Chain(#[from] HeaderChainError),
    /// The node's proof proves nothing.
    #[error("the node's proof proves nothing: {0}")]
    Inclusion(#[from] InclusionError),
}

/// Where a transaction is, and what that is known from.
#[derive(Debug)]
pub struct Found {
    /// What the node said; all of it but `confirmations` was checked.
    pub proof: ProofView,
    /// What was proved, at the tip of `chain`.
    pub included: Included,
    /// All headers that the node told.
    pub chain: HeaderChain,
}

impl Client {
    /// All headers of a node's active chain, asked for in pages, each judged before more are asked for: so a node that has no such
    /// chain is found out by the first bad header, and one that makes one up has to do its work.
    ///
    /// # Errors
    /// When a node does not answer, or its headers are no chain.
    pub async fn header_chain(&self, genesis: &Genesis) -> Result<HeaderChain, HeadersError> {
        let mut tries = 1;
        loop {
            match self.header_chain_once(genesis).await {
                Err(HeadersError::Chain(_)) if tries < TRIES => tries += 1,
                result => return result,
            }
        }
    }

    async fn header_chain_once(&self, genesis: &Genesis) -> Result<HeaderChain, HeadersError> {
        let mut chain = HeaderChain::new(genesis)?;
        loop {
            let view = self.headers(chain.height().0 + 1, None).await?;
            if chain.height().0 + view.headers.len() as u64 > HEADERS_MAX {
                return Err(HeadersError::TooMany);
            }
            for header in &view.headers {
                push(&mut chain, header)?;
            }
            if view.headers.is_empty() || view.height <= chain.height().0 {
                return Ok(chain);
            }
        }
    }

    /// Where a transaction is: `chain_proof`, and [`Client::header_chain`] to check it against.
    ///
    /// # Errors
    /// When a node does not answer or does not know, or what it says proves nothing.
    pub async fn find(&self, genesis: &Genesis, txid: &str) -> Result<Found, HeadersError> {
        let mut tries = 1;
        loop {
            let proof = self.proof(txid).await?;
            let chain = self.header_chain(genesis).await?;
            match check(&proof, txid, &chain) {
                Ok(included) => return Ok(Found { proof, included, chain }),
                Err(HeadersError::Inclusion(InclusionError::OtherChain(_))) if tries < TRIES => tries += 1,
                Err(error) => return Err(error),
            }
        }
    }
}

fn push(chain: &mut HeaderChain, told: &HeaderAt) -> Result<(), HeadersError> {
    let expected = chain.height().next().0;
    let malformed = |problem: String| HeadersError::Malformed(format!("the header of height {expected}: {problem}"));
    if told.height != expected {
        return Err(malformed(format!("it gives that of height {}", told.height)));
    }
    let bytes = hex::decode(&told.hex).map_err(|error| malformed(error.to_string()))?;
    let header: Header = decode(&bytes).map_err(|error| malformed(error.to_string()))?;
    Ok(chain.push(&header)?)
}

fn check(proof: &ProofView, txid: &str, chain: &HeaderChain) -> Result<Included, HeadersError> {
    let malformed = |problem: String| HeadersError::Malformed(format!("the proof: {problem}"));
    let bytes = hex::decode(&proof.hex).map_err(|error| malformed(error.to_string()))?;
    let inclusion: Inclusion = decode(&bytes).map_err(|error| malformed(error.to_string()))?;
    let included = inclusion.verify(chain)?;
    let is_asked_for = included.txid.to_string().eq_ignore_ascii_case(txid) && proof.txid == included.txid.to_string();
    let is_as_said = proof.height == included.height.0 && proof.block == included.block.to_string();
    if !is_asked_for || !is_as_said {
        return Err(malformed("it is about another transaction".to_owned()));
    }
    Ok(included)
}
