//! Receipts by their length: bytes, and the time that it takes to read and judge one: `cargo bench --bench receipt`.
//!
//! Under PBFT with four members and by changes of members, under proof of work by headers; with ASERT, as nets have it.
//! Blocks take no work to speak of: what is judged does not depend on that.

use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::block::{Block, Header};
use bezant_consensus::ledger::genesis::{EngineParams, GENESIS_VERSION, Genesis};
use bezant_consensus::ledger::hash::{BlockId, CoinCommitment, MerkleRoot, NetworkId};
use bezant_consensus::ledger::key::SigningKey;
use bezant_consensus::ledger::lock::{Lock, LockTime};
use bezant_consensus::ledger::sighash::SighashCommon;
use bezant_consensus::ledger::target::Target;
use bezant_consensus::ledger::transaction::{
    Body, Coinbase, MemberList, OutPoint, Output, Spend, Transaction, Transfer, Witness,
};
use bezant_consensus::ledger::units::{Epoch, Height, Incarnation, View};
use bezant_consensus::message::checkpoint::{Checkpoint, CheckpointCertificate, CheckpointVote};
use bezant_consensus::message::epoch::{Opening, Succession};
use bezant_consensus::message::{Ballot, CommitCertificate, Seal, Vote, VoteKind};
use bezant_consensus::pbft::light::Proof;
use bezant_consensus::pow::{HeaderChain, Inclusion};
use bezant_consensus::receipt::{Certified, Demands, Evidence, Receipt, Worked};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A measurement is repeated for so long at least, and the fastest counts.
const TIME_MIN: Duration = Duration::from_millis(500);
const START_S: u32 = 1_700_000_000;

fn main() {
    println!("{:28} {:>12} {:>12} {:>12}", "", "bytes", "as text", "ms");
    for changes in [0, 1, 10, 100] {
        let (genesis, receipt) = pbft(changes);
        measure(&format!("PBFT, {changes} changes"), &genesis, &receipt);
    }
    for headers in [100, 1_000, 10_000, 100_000] {
        let (genesis, receipt) = pow(headers);
        measure(&format!("proof of work, {headers}"), &genesis, &receipt);
    }
}

fn measure(name: &str, genesis: &Arc<Genesis>, receipt: &Receipt) {
    let text = receipt.to_text();
    let (began, mut best) = (Instant::now(), Duration::MAX);
    while began.elapsed() < TIME_MIN {
        let once = Instant::now();
        let read = Receipt::from_text(text.as_bytes()).expect("it is read");
        read.verify(genesis, &Demands::default()).expect("it holds");
        best = best.min(once.elapsed());
    }
    let ms = best.as_secs_f64() * 1_000.0;
    println!("{name:28} {:12} {:12} {ms:12.2}", receipt.to_bytes().len(), text.len());
}

fn key(number: u8) -> SigningKey {
    SigningKey::from_seed(&[number; 32])
}

fn output(grains: u64, to: u8) -> Output {
    Output { amount: Amount::from_grains(grains).expect("a small amount"), lock: Lock::Key(key(to).public()).hash() }
}

fn genesis(engine: EngineParams, members: u8) -> Arc<Genesis> {
    let name = match engine {
        EngineParams::Pbft(_) => bezant_api::types::EngineName::Pbft,
        EngineParams::Pow(_) => bezant_api::types::EngineName::Pow,
    };
    let genesis = Genesis {
        version: GENESIS_VERSION,
        salt: [9; 32],
        time: START_S,
        dev: true,
        engine,
        ledger: bezant_api::genesis::ledger_defaults(name),
        members: (0..members).map(|number| key(number).public()).collect(),
        allocations: vec![output(1_000_000, 1)],
    };
    genesis.check().expect("a net can be run with it");
    Arc::new(genesis)
}

/// A coinbase, and a payment with change.
fn block(network: &NetworkId, parent: BlockId, height: u64) -> Block {
    let (spent, lock) = (output(1_000_000, 1), Lock::Key(key(1).public()));
    let inputs = vec![OutPoint { txid: Default::default(), index: 0 }];
    let transfer =
        Transfer { inputs, outputs: vec![output(700_000, 2), output(299_000, 1)], lock_time: LockTime::NONE };
    let body = Body::Transfer(transfer);
    let common = SighashCommon::new(network, &body, &[(spent.amount, spent.lock)]);
    let signatures = vec![key(1).sign(&common.digest(0, &[], &lock))];
    let spend = Spend { amount: spent.amount, lock, signatures, preimages: Vec::new() };
    let coinbase = Coinbase { height: Height(height), extra: Vec::new(), outputs: Vec::new() };
    let coinbase = Transaction::new(Body::Coinbase(coinbase), Vec::new());
    let transactions = vec![coinbase, Transaction::new(body, vec![Witness::Spend(spend)])];
    let header =
        Header { version: 1, parent, merkle_root: MerkleRoot::default(), time: START_S + 1, bits: 0, nonce: 0 };
    let mut block = Block { header, transactions };
    block.header.merkle_root = block.merkle_root();
    block
}

/// Four members throughout; each epoch begins anew with them.
fn pbft(changes: u64) -> (Arc<Genesis>, Receipt) {
    let params = bezant_api::genesis::pbft_defaults();
    let interval = u64::from(params.checkpoint_interval);
    let genesis = genesis(EngineParams::Pbft(params), 4);
    let network = genesis.network_id();
    let height = interval * changes + 1;
    let block = block(&network, genesis.block().id(), height);
    let succession = |epoch: u64| {
        let opening =
            Opening { epoch: Epoch(epoch), members: MemberList(genesis.members.clone()), readmitted: Vec::new() };
        let checkpoint = Checkpoint {
            incarnation: Incarnation(0),
            epoch: Epoch(epoch - 1),
            height: Height(interval * epoch),
            block: block.id(),
            coins: CoinCommitment([7; 32]),
            next: opening.hash(&network),
        };
        let seal = |signer: u16| {
            let vote = CheckpointVote::sign(&network, checkpoint, signer, &key(signer as u8));
            Seal { signer, signature: vote.signature }
        };
        let certificate = CheckpointCertificate { checkpoint, seals: (0..3).map(seal).collect() };
        Succession { certificate, header: block.header, opening }
    };
    let ballot = Ballot {
        incarnation: Incarnation(0),
        epoch: Epoch(changes),
        view: View(0),
        height: Height(height),
        block: block.id(),
    };
    let commit = |signer: u16| {
        let vote = Vote::sign(&network, VoteKind::Commit, ballot, signer, &key(signer as u8));
        Seal { signer, signature: vote.signature }
    };
    let certificate = CommitCertificate { ballot, commits: (0..3).map(commit).collect() };
    let proof = Proof::new(&block, certificate, 1).expect("there is a payment");
    let evidence = Evidence::Pbft(Certified { proof, successions: (1..=changes).map(succession).collect() });
    (genesis, Receipt { network, evidence })
}

/// Blocks come a little late, so the target stays the easiest.
fn pow(headers: u32) -> (Arc<Genesis>, Receipt) {
    let mut params = bezant_api::genesis::pow_defaults(600);
    params.bits = 0x207f_ffff;
    let spacing = params.spacing_s;
    let genesis = genesis(EngineParams::Pow(params), 0);
    let network = genesis.network_id();
    let mut chain = HeaderChain::new(&genesis).expect("a net of proof of work");
    let target = Target::from_compact(0x207f_ffff).expect("a target");
    let mut found = None;
    for number in 1..=headers {
        let mut block = block(&network, chain.tip(), u64::from(number));
        block.header.time = START_S + number * (spacing + 1);
        block.header.bits = 0x207f_ffff;
        while !target.is_met_by(&block.id()) {
            block.header.nonce += 1;
        }
        chain.push(&block.header).expect("it stands up in its place");
        if number == headers.div_ceil(2) {
            found = Inclusion::new(&block, 1);
        }
    }
    let inclusion = found.expect("there is a block in the middle");
    let evidence = Evidence::Pow(Worked { headers: chain.headers(), inclusion });
    (genesis, Receipt { network, evidence })
}
