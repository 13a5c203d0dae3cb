//! Receipts: asked of a node, checked as if it lied, and kept in files. What proves what is judged in [`bezant_consensus::receipt`].

use bezant_api::address;
use bezant_api::client::{Client, ClientError, FollowError, HeadersError};
use bezant_consensus::ledger::codec::decode;
use bezant_consensus::ledger::genesis::Genesis;
use bezant_consensus::ledger::hash::NetworkId;
use bezant_consensus::ledger::transaction::{Body, Transaction};
use bezant_consensus::limits::RECEIPT_TEXT_BYTES_MAX;
use bezant_consensus::pbft::light::Proof;
use bezant_consensus::pow::Inclusion;
use bezant_consensus::receipt::{Certainty, Certified, Demands, Evidence, Receipt, ReceiptError, Verdict, Worked};
use bezant_consensus::verify::Verifier;
use serde::Serialize;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

#[cfg(test)]
mod tests;

/// Why there is no receipt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IssueError {
    /// No node answers, or it knows of no such transaction, or not yet of enough to prove it.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// What the node says proves nothing.
    #[error("the node's proof proves nothing: {0}")]
    Unproved(String),
    /// It would be longer than any receipt may be.
    #[error("no receipt can be as long as this one: {0}")]
    TooLong(ReceiptError),
}

impl From<FollowError> for IssueError {
    fn from(error: FollowError) -> IssueError {
        match error {
            FollowError::Client(error) => IssueError::Client(error),
            unproved @ (FollowError::Missing(_) | FollowError::Unproved { .. }) => {
                IssueError::Unproved(unproved.to_string())
            }
        }
    }
}

impl From<HeadersError> for IssueError {
    fn from(error: HeadersError) -> IssueError {
        match error {
            HeadersError::Client(error) => IssueError::Client(error),
            unproved @ (HeadersError::Malformed(_)
            | HeadersError::TooMany
            | HeadersError::Chain(_)
            | HeadersError::Inclusion(_)) => IssueError::Unproved(unproved.to_string()),
        }
    }
}

/// A receipt that holds.
#[derive(Clone, Debug)]
pub struct Issued {
    /// As it is kept and handed on.
    pub text: String,
    /// What it proves.
    pub view: ReceiptView,
}

/// Asks for all that proves a payment, and makes sure that whoever gets the receipt will find the same in it.
///
/// # Errors
/// When no node proves it.
pub async fn issue(client: &Client, genesis: &Arc<Genesis>, txid: &str) -> Result<Issued, IssueError> {
    let evidence = if genesis.pbft().is_some() {
        Evidence::Pbft(certified(client, genesis, txid).await?)
    } else {
        Evidence::Pow(worked(client, genesis, txid).await?)
    };
    let text = Receipt { network: genesis.network_id(), evidence }.to_text();
    let view = check(text.as_bytes(), genesis, &Demands::default()).map_err(|error| match error {
        long @ ReceiptError::TooLong { .. } => IssueError::TooLong(long),
        error => IssueError::Unproved(error.to_string()),
    })?;
    if !view.txid.eq_ignore_ascii_case(txid) {
        return Err(IssueError::Unproved("it is about another transaction".to_owned()));
    }
    Ok(Issued { text, view })
}

async fn certified(client: &Client, genesis: &Arc<Genesis>, txid: &str) -> Result<Certified, IssueError> {
    let told = client.proof(txid).await?;
    let proof: Proof = decode(&bytes(&told.hex)?).map_err(malformed)?;
    let mut verifier = Verifier::new(genesis.clone());
    let successions = client.follow_epochs(&mut verifier, proof.certificate.ballot.epoch).await?;
    Ok(Certified { proof, successions })
}

async fn worked(client: &Client, genesis: &Arc<Genesis>, txid: &str) -> Result<Worked, IssueError> {
    let found = client.find(genesis, txid).await?;
    let inclusion: Inclusion = decode(&bytes(&found.proof.hex)?).map_err(malformed)?;
    Ok(Worked { headers: found.chain.headers(), inclusion })
}

fn bytes(text: &str) -> Result<Vec<u8>, IssueError> {
    hex::decode(text).map_err(malformed)
}

fn malformed(error: impl std::fmt::Display) -> IssueError {
    IssueError::Unproved(error.to_string())
}

/// What a receipt's text proves to whoever has the genesis. No node is asked.
///
/// # Errors
/// The first thing that is wrong with it, or that falls short of what is demanded.
pub fn check(text: &[u8], genesis: &Arc<Genesis>, demands: &Demands) -> Result<ReceiptView, ReceiptError> {
    let receipt = Receipt::from_text(text)?;
    let verdict = receipt.verify(genesis, demands)?;
    Ok(ReceiptView::new(&receipt, &verdict, genesis))
}

/// Reads a receipt's text from a file, or from stdin if that is called `-`; no more than one byte beyond what any receipt has.
///
/// # Errors
/// When the file cannot be read.
pub fn read(file: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let limit = RECEIPT_TEXT_BYTES_MAX as u64 + 1;
    if file == Path::new("-") {
        io::stdin().lock().take(limit).read_to_end(&mut text)?;
    } else {
        std::fs::File::open(file)?.take(limit).read_to_end(&mut text)?;
    }
    Ok(text)
}

/// What a receipt proves, for programs. Amounts are grains in decimal.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReceiptView {
    /// The transaction.
    pub txid: String,
    /// `transfer`, `coinbase` or `epoch-change`.
    pub kind: &'static str,
    /// The net's id.
    pub network_id: String,
    /// `pbft` or `pow`.
    pub engine: &'static str,
    /// Its block.
    pub block: String,
    /// The block's height.
    pub height: u64,
    /// The time in the block's header, seconds since 1970.
    pub time_s: u32,
    /// To whom how much went, change included.
    pub outputs: Vec<PaidView>,
    /// The sum of all outputs.
    pub paid: String,
    /// What went to the block's maker; null where there is no fee.
    pub fee: Option<String>,
    /// PBFT: always. Proof of work: whether there are as many confirmations as genesis asks for.
    pub is_final: bool,
    /// Under PBFT, else null.
    pub pbft: Option<CertifiedView>,
    /// Under proof of work, else null.
    pub pow: Option<WorkedView>,
}

/// One output.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PaidView {
    /// Its number, from 0.
    pub index: usize,
    /// To whom.
    pub address: String,
    /// How much.
    pub amount: String,
}

/// Who signed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CertifiedView {
    /// The set that signed.
    pub epoch: u64,
    /// The view in which it did.
    pub view: u64,
    /// 0 unless it is a dev net that was set back.
    pub incarnation: u32,
    /// Indices in the set of those who signed.
    pub signers: Vec<u16>,
    /// Members of the set.
    pub members: usize,
    /// Changes of members since the genesis, each proved.
    pub successions: u64,
}

/// How much work there is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WorkedView {
    /// Blocks from its own to the tip, both counted.
    pub confirmations: u64,
    /// Confirmations that genesis calls final.
    pub final_depth: u32,
    /// The last header.
    pub tip: String,
    /// Its height.
    pub tip_height: u64,
    /// Work behind all headers, genesis included; hex.
    pub work: String,
    /// Work of the blocks above the payment's; hex.
    pub work_on_top: String,
    /// Height of the block that was named as trusted; null if none was.
    pub trusted_height: Option<u64>,
    /// Always false: there may be a chain with more work that the receipt does not show.
    pub excludes_heavier_chains: bool,
}

impl ReceiptView {
    fn new(receipt: &Receipt, verdict: &Verdict, genesis: &Genesis) -> ReceiptView {
        let transaction = receipt.transaction();
        let outputs = paid(&receipt.network, transaction);
        let sum: u64 = transaction.outputs().iter().map(|output| output.amount.grains()).sum();
        let (pbft, pow) = certainty(&verdict.certainty, genesis);
        ReceiptView {
            txid: verdict.txid.to_string(),
            kind: match transaction.body() {
                Body::Transfer(_) => "transfer",
                Body::Coinbase(_) => "coinbase",
                Body::Epoch(_) => "epoch-change",
            },
            network_id: receipt.network.to_string(),
            engine: if pbft.is_some() { "pbft" } else { "pow" },
            block: verdict.block.to_string(),
            height: verdict.height.0,
            time_s: verdict.time_s,
            outputs,
            paid: sum.to_string(),
            fee: verdict.fee.map(|fee| fee.grains().to_string()),
            is_final: pow.as_ref().is_none_or(|pow| pow.confirmations >= u64::from(pow.final_depth)),
            pbft,
            pow,
        }
    }
}

fn paid(network: &NetworkId, transaction: &Transaction) -> Vec<PaidView> {
    let view = |(index, output): (usize, &bezant_consensus::ledger::transaction::Output)| PaidView {
        index,
        address: address::encode(network, &output.lock),
        amount: output.amount.grains().to_string(),
    };
    transaction.outputs().iter().enumerate().map(view).collect()
}

fn certainty(certainty: &Certainty, genesis: &Genesis) -> (Option<CertifiedView>, Option<WorkedView>) {
    match certainty {
        Certainty::Final { incarnation, epoch, view, signers, members } => {
            let (epoch, view) = (epoch.0, view.0);
            let (incarnation, signers) = (incarnation.0, signers.clone());
            let view = CertifiedView { epoch, view, incarnation, signers, members: *members, successions: epoch };
            (Some(view), None)
        }
        Certainty::Worked { confirmations, tip, tip_height, work, work_on_top, trusted_height } => {
            let view = WorkedView {
                confirmations: *confirmations,
                final_depth: genesis.pow().map_or(0, |params| params.final_depth),
                tip: tip.to_string(),
                tip_height: tip_height.0,
                work: work.to_string(),
                work_on_top: work_on_top.to_string(),
                trusted_height: trusted_height.map(|height| height.0),
                excludes_heavier_chains: false,
            };
            (None, Some(view))
        }
    }
}
