use super::*;
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::block::{Block, Header};
use bezant_consensus::ledger::codec::encode;
use bezant_consensus::ledger::genesis::{EngineParams, GENESIS_VERSION};
use bezant_consensus::ledger::hash::{BlockId, MerkleRoot};
use bezant_consensus::ledger::key::SigningKey;
use bezant_consensus::ledger::lock::Lock;
use bezant_consensus::ledger::transaction::{Coinbase, Output};
use bezant_consensus::ledger::units::{Epoch, Height, Incarnation, View};
use bezant_consensus::message::{Ballot, CommitCertificate, Seal, Vote, VoteKind};
use jsonrpsee::server::{RpcModule, Server, ServerHandle};
use serde_json::json;

fn key() -> SigningKey {
    SigningKey::from_seed(&[1; 32])
}

fn output(grains: u64) -> Output {
    Output { amount: Amount::from_grains(grains).unwrap(), lock: Lock::Key(key().public()).hash() }
}

/// A net of one member.
fn genesis() -> Arc<Genesis> {
    let genesis = Genesis {
        version: GENESIS_VERSION,
        salt: [3; 32],
        time: 1_700_000_000,
        dev: true,
        engine: EngineParams::Pbft(bezant_api::genesis::pbft_defaults()),
        ledger: bezant_api::genesis::ledger_defaults(bezant_api::types::EngineName::Pbft),
        members: vec![key().public()],
        allocations: vec![output(1_000)],
    };
    genesis.check().unwrap();
    Arc::new(genesis)
}

/// The final block at this height, whose coinbase is the payment.
fn proof(genesis: &Genesis, height: u64) -> Proof {
    let coinbase = Coinbase { height: Height(height), extra: Vec::new(), outputs: vec![output(5), output(7)] };
    let transactions = vec![Transaction::new(Body::Coinbase(coinbase), Vec::new())];
    let (parent, merkle_root) = (BlockId([1; 32]), MerkleRoot::default());
    let header = Header { version: 1, parent, merkle_root, time: 1_700_000_009, bits: 0, nonce: 0 };
    let mut block = Block { header, transactions };
    block.header.merkle_root = block.merkle_root();
    let (height, block_id) = (Height(height), block.id());
    let ballot = Ballot { incarnation: Incarnation(0), epoch: Epoch(0), view: View(0), height, block: block_id };
    let vote = Vote::sign(&genesis.network_id(), VoteKind::Commit, ballot, 0, &key());
    let commits = vec![Seal { signer: 0, signature: vote.signature }];
    Proof::new(&block, CommitCertificate { ballot, commits }, 0).unwrap()
}

/// A node that answers `chain_proof` with this, whatever was asked.
async fn node(proof: &Proof) -> (Client, ServerHandle) {
    let answer = json!({
        "txid": proof.transaction.id().to_string(),
        "height": proof.certificate.ballot.height.0,
        "block": proof.header.id().to_string(),
        "confirmations": 1,
        "signers": [0],
        "hex": hex::encode(encode(proof)),
    });
    let mut module = RpcModule::new(answer);
    module.register_method("chain_proof", |_, answer, _| answer.clone()).unwrap();
    let server = Server::builder().build("127.0.0.1:0").await.unwrap();
    let client = Client::of_one(&format!("http://{}", server.local_addr().unwrap())).unwrap();
    (client, server.start(module))
}

async fn issued(genesis: &Arc<Genesis>, told: &Proof, asked: &Proof) -> Result<Issued, IssueError> {
    let (client, _server) = node(told).await;
    issue(&client, genesis, &asked.transaction.id().to_string()).await
}

#[tokio::test]
async fn what_a_node_proves_becomes_a_receipt_that_says_who_was_paid() {
    let genesis = genesis();
    let proof = proof(&genesis, 4);
    let Issued { text, view } = issued(&genesis, &proof, &proof).await.unwrap();
    assert_eq!(check(text.as_bytes(), &genesis, &Demands::default()).unwrap(), view);
    let address = address::encode(&genesis.network_id(), &output(1).lock);
    let paid = |index, amount: &str| PaidView { index, address: address.clone(), amount: amount.to_owned() };
    assert_eq!(view.outputs, [paid(0, "5"), paid(1, "7")]);
    assert_eq!((view.paid.as_str(), view.fee.as_deref(), view.kind), ("12", None, "coinbase"));
    assert_eq!((view.engine, view.height, view.is_final), ("pbft", 4, true));
    let pbft = view.pbft.unwrap();
    assert_eq!((pbft.signers.as_slice(), pbft.members, pbft.successions), (&[0][..], 1, 0));
    assert!(view.pow.is_none());
}

#[tokio::test]
async fn what_a_node_does_not_prove_becomes_none() {
    let genesis = genesis();
    let (good, other) = (proof(&genesis, 4), proof(&genesis, 5));
    let unproved =
        |result: Result<Issued, IssueError>| assert!(matches!(result, Err(IssueError::Unproved(_))), "{result:?}");
    unproved(issued(&genesis, &other, &good).await);
    let mut unsigned = good.clone();
    unsigned.certificate.commits.clear();
    unproved(issued(&genesis, &unsigned, &good).await);
    let mut forged = good.clone();
    forged.certificate.commits[0].signature.0[0] ^= 1;
    unproved(issued(&genesis, &forged, &good).await);
    let mut elsewhere = good.clone();
    elsewhere.transaction = other.transaction.clone();
    unproved(issued(&genesis, &elsewhere, &other).await);
    let stranger = Arc::new(Genesis { salt: [4; 32], ..(*genesis).clone() });
    unproved(issued(&stranger, &good, &good).await);
}

#[test]
fn a_file_is_read_up_to_a_limit() {
    let dir = tempfile::tempdir().unwrap();
    assert!(read(&dir.path().join("absent")).is_err());
    // A sparse file beyond any limit is not read to its end.
    let file = dir.path().join("large");
    let large = std::fs::File::create(&file).unwrap();
    large.set_len(RECEIPT_TEXT_BYTES_MAX as u64 * 2).unwrap();
    let text = read(&file).unwrap();
    assert_eq!(text.len(), RECEIPT_TEXT_BYTES_MAX + 1);
    assert_eq!(check(&text, &genesis(), &Demands::default()).unwrap_err().kind(), "receipt-too-long");
}
