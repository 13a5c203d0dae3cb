//! `bezant chain proof`: what a node proves of a transaction, checked from the genesis on. The node is not believed.

use crate::cli::{Global, Target};
use crate::commands::net;
use crate::output::{Failure, Outcome, Output};
use bezant_api::client::{Client, FollowError, Found, HeadersError};
use bezant_api::types::ProofView;
use bezant_consensus::ledger::codec::decode;
use bezant_consensus::ledger::genesis::Genesis;
use bezant_consensus::pbft::light::Proof;
use bezant_consensus::verify::Verifier;
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;

pub(super) async fn run(txid: &str, file: Option<&Path>, target: &Target, global: &Global, output: &Output) -> Outcome {
    let client = net::client(target, global)?;
    let genesis = net::genesis(file, target, global, output, &client).await?;
    if let Some(params) = genesis.pow() {
        let found = client.find(&genesis, txid).await.map_err(unfound)?;
        let view = InclusionView::new(&found, params.final_depth);
        return output.result(&view, || view.text(params.final_depth));
    }
    let proof = client.proof(txid).await?;
    check(&proof, txid, genesis, &client).await?;
    output.result(&proof, || {
        let signers: Vec<String> = proof.signers.iter().map(u16::to_string).collect();
        format!(
            "final at height {}, block {}\nsigned by members {}; checked against the genesis\n{}",
            proof.height,
            proof.block,
            signers.join(", "),
            proof.hex
        )
    })
}

fn bad(problem: String) -> Failure {
    Failure::new(1, "bad-proof", format!("the node's proof proves nothing: {problem}"))
}

fn unfound(error: HeadersError) -> Failure {
    match error {
        HeadersError::Client(error) => error.into(),
        unproved @ (HeadersError::Malformed(_)
        | HeadersError::TooMany
        | HeadersError::Chain(_)
        | HeadersError::Inclusion(_)) => Failure::new(1, "bad-proof", unproved),
    }
}

/// PBFT: the proof has to stand up by itself, beside the genesis and the proofs of how epochs began.
async fn check(proof: &ProofView, txid: &str, genesis: Genesis, client: &Client) -> Outcome {
    let bytes = hex::decode(&proof.hex).map_err(|error| bad(error.to_string()))?;
    let decoded: Proof = decode(&bytes).map_err(|error| bad(error.to_string()))?;
    let mut verifier = Verifier::new(Arc::new(genesis));
    client.follow_epochs(&mut verifier, decoded.certificate.ballot.epoch).await.map_err(|error| match error {
        FollowError::Client(error) => error.into(),
        unproved @ (FollowError::Missing(_) | FollowError::Unproved { .. }) => bad(unproved.to_string()),
    })?;
    let (proved, height) = decoded.verify(&verifier).map_err(|error| bad(error.to_string()))?;
    let is_asked_for = proved.to_string().eq_ignore_ascii_case(txid) && proved.to_string() == proof.txid;
    if !is_asked_for || height.0 != proof.height || decoded.header.id().to_string() != proof.block {
        return Err(bad("it is about another transaction".to_owned()));
    }
    Ok(())
}

/// What was proved under proof of work.
#[derive(Debug, Serialize)]
struct InclusionView {
    txid: String,
    height: u64,
    block: String,
    /// At the tip below.
    confirmations: u64,
    /// By the net's own depth.
    is_final: bool,
    tip: String,
    tip_height: u64,
    /// Of all headers, genesis included; hex.
    work: String,
    /// Of the blocks above the transaction's; hex.
    work_on_top: String,
    /// The proof itself: header, transaction, merkle path.
    hex: String,
}

impl InclusionView {
    fn new(found: &Found, final_depth: u32) -> InclusionView {
        let Found { proof, included, chain } = found;
        InclusionView {
            txid: included.txid.to_string(),
            height: included.height.0,
            block: included.block.to_string(),
            confirmations: included.confirmations,
            is_final: included.confirmations >= u64::from(final_depth),
            tip: chain.tip().to_string(),
            tip_height: chain.height().0,
            work: chain.work().to_string(),
            work_on_top: included.work_on_top.to_string(),
            hex: proof.hex.clone(),
        }
    }

    fn text(&self, final_depth: u32) -> String {
        let depth = if self.is_final {
            format!("final: {final_depth} are needed")
        } else {
            format!("not final: {final_depth} are needed")
        };
        let InclusionView { txid, height, block, confirmations, tip, tip_height, work, work_on_top, hex, .. } = self;
        format!(
            "transaction {txid}\nin block {block}\nat height {height}, {confirmations} confirmations ({depth})\n\
             tip {tip} at height {tip_height}; all headers checked from the genesis on\n\
             work 0x{work} in all, 0x{work_on_top} on top of the block; another node may know of more\n{hex}"
        )
    }
}
