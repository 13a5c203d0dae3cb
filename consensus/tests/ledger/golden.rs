//! Golden vectors: every encoding and hash, frozen. A change here changes the format of every net that exists.
//!
//! With `BEZANT_REWRITE=1` the file is written anew instead of compared; the difference is then to be reviewed.

use crate::common::*;
use bezant_consensus::engine::Record;
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::codec::{decode, encode};
use bezant_consensus::ledger::coins::{Coin, Diff};
use bezant_consensus::ledger::commitment::{Buckets, bucket_of};
use bezant_consensus::ledger::genesis::{Difficulty, EngineParams, Genesis, PowParams};
use bezant_consensus::ledger::hash::{BlockId, LockHash, NetworkId, SetHash, TxHash, sha256, sha256d, tagged};
use bezant_consensus::ledger::lock::{Lock, LockTime};
use bezant_consensus::ledger::merkle;
use bezant_consensus::ledger::sighash::{SighashCommon, epoch_change_digest};
use bezant_consensus::ledger::target::Target;
use bezant_consensus::ledger::transaction::{Body, Coinbase, EpochChange, MemberList, OutPoint, Transaction, Witness};
use bezant_consensus::ledger::units::{Epoch, Height, Incarnation, View};
use bezant_consensus::message::checkpoint::{
    BucketHashes, BucketPart, BucketParts, Checkpoint, CheckpointCertificate, CheckpointState, CheckpointVote, Snapshot,
};
use bezant_consensus::message::epoch::{Opening, Readmission, Succession, Successions};
use bezant_consensus::message::relay::{BlockTransactions, CompactBlock, GetTransactions};
use bezant_consensus::message::{
    Ballot, BlockIds, Blocks, CertifiedBlock, CertifiedBlocks, CommitCertificate, Evidence, Headers, Locator, Message,
    NewView, Overdue, PrePrepare, PreparedBlock, PreparedCertificate, Seal, TipInfo, ViewChange, Vote, VoteKind,
    vote_digest,
};
use borsh::{BorshDeserialize, BorshSerialize};
use std::fmt::Debug;

const GOLDEN: &str = include_str!("../vectors/ledger.txt");

/// Lines of `name = hex`.
#[derive(Default)]
struct Vectors(Vec<String>);

impl Vectors {
    fn bytes(&mut self, name: &str, bytes: &[u8]) {
        self.0.push(format!("{name} = {}", hex(bytes)));
    }

    /// The encoding, which must be read back as the same value.
    fn value<T: BorshSerialize + BorshDeserialize + PartialEq + Debug>(&mut self, name: &str, value: &T) {
        let bytes = encode(value);
        assert_eq!(decode::<T>(&bytes).as_ref(), Ok(value), "{name}");
        self.bytes(name, &bytes);
    }
}

#[allow(clippy::disallowed_methods, reason = "a test may read its environment, and writes its file when asked to")]
#[test]
fn formats_are_frozen() {
    let mut vectors = Vectors::default();
    hashes_and_keys(&mut vectors);
    locks(&mut vectors);
    bodies(&mut vectors);
    transactions_and_blocks(&mut vectors);
    merkle_trees(&mut vectors);
    coins(&mut vectors);
    geneses(&mut vectors);
    digests(&mut vectors);
    messages(&mut vectors);
    records(&mut vectors);
    let now = vectors.0.join("\n") + "\n";
    if std::env::var("BEZANT_REWRITE").is_ok_and(|value| value == "1") {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/ledger.txt");
        std::fs::write(path, now).expect("the file can be written");
        return;
    }
    for (old, new) in GOLDEN.lines().zip(now.lines()) {
        assert_eq!(old, new, "a frozen format has changed");
    }
    assert_eq!(GOLDEN.lines().count(), now.lines().count(), "vectors were added or removed");
}

fn hashes_and_keys(vectors: &mut Vectors) {
    vectors.bytes("sha256 of abc", &sha256(b"abc"));
    vectors.bytes("sha256d of abc", &sha256d(b"abc"));
    vectors.bytes("tagged bezant/test of abc", &tagged("bezant/test", &[b"a", b"bc"]));
    vectors.value("amount 0", &grains(0));
    vectors.value("amount 12.5 BZT", &"12.5".parse::<bezant_consensus::ledger::amount::Amount>().unwrap());
    vectors.value("amount 21000000 BZT", &grains(bezant_consensus::limits::SUPPLY_MAX));
    vectors.value("key of seed 01…", &key(1).public());
    vectors.value("signature of seed 01… over abc", &key(1).sign(b"abc"));
}

fn sample_locks() -> Vec<(&'static str, Lock)> {
    let tree = Lock::Threshold {
        k: 1,
        of: vec![
            Lock::Threshold { k: 2, of: vec![lock(1), Lock::Hash(sha256(&[3; 32]))] },
            Lock::Opaque(LockHash([0xaa; 32])),
        ],
    };
    vec![
        ("key", lock(1)),
        ("threshold 2 of 3", Lock::Threshold { k: 2, of: vec![lock(1), lock(2), lock(3)] }),
        ("after height 150", Lock::After(LockTime::Height(Height(150)))),
        ("after time 1700000000", Lock::After(LockTime::Time(1_700_000_000))),
        ("older 7", Lock::Older(7)),
        ("hash", Lock::Hash(sha256(&[3; 32]))),
        ("opaque", Lock::Opaque(LockHash([0xaa; 32]))),
        ("tree", tree),
    ]
}

fn locks(vectors: &mut Vectors) {
    for (name, lock) in sample_locks() {
        vectors.value(&format!("lock {name}"), &lock);
        vectors.bytes(&format!("lock {name} hash"), lock.hash().as_bytes());
    }
}

fn sample_bodies() -> Vec<(&'static str, Body)> {
    let members = MemberList((1..=3).map(|number| key(number).public()).collect());
    let readmit = EpochChange::Readmit { epoch: Epoch(3), member: key(2).public(), nonce: [0x4e; 32] };
    vec![
        ("transfer", payment().body().clone()),
        ("coinbase", paid().body().clone()),
        ("epoch members", Body::Epoch(EpochChange::Members { set: SetHash([0x5e; 32]), members })),
        ("epoch readmit", Body::Epoch(readmit)),
    ]
}

fn payment() -> Transaction {
    let two_of_three = Lock::Threshold { k: 2, of: vec![lock(1), Lock::Opaque(lock(2).hash()), lock(3)] };
    let hashed = Lock::Threshold { k: 2, of: vec![lock(4), Lock::Hash(sha256(&[3; 32]))] };
    let inputs = [input(1, 1_000_000, two_of_three), Input { preimages: vec![[3; 32]], ..input(2, 2_000_000, hashed) }];
    transfer_at(LockTime::Height(Height(4)), &inputs, &[output(1_250_000, 5), output(1_740_000, 6)])
}

fn paid() -> Transaction {
    let extra = b"\x00\x01\x02 golden".to_vec();
    let body = Body::Coinbase(Coinbase { height: Height(5), extra, outputs: vec![output(15_000, 7)] });
    Transaction::new(body, vec![])
}

fn bodies(vectors: &mut Vectors) {
    vectors.value("outpoint", &OutPoint { index: 0x0102_0304, ..outpoint(9) });
    vectors.value("output", &output(5_000, 1));
    for (name, body) in sample_bodies() {
        vectors.value(&format!("body {name}"), &body);
        vectors.bytes(&format!("body {name} id"), body.id().as_bytes());
    }
}

fn sample_block() -> bezant_consensus::ledger::block::Block {
    block(vec![paid(), payment()])
}

fn transactions_and_blocks(vectors: &mut Vectors) {
    let signed = Witness::Member { member: 2, signature: key(3).sign(b"member") };
    let change = Transaction::new(sample_bodies().pop().expect("not empty").1, vec![signed]);
    for (name, transaction) in [("transfer", payment()), ("coinbase", paid()), ("epoch", change)] {
        vectors.value(&format!("transaction {name}"), &transaction);
        vectors.bytes(&format!("transaction {name} hash"), transaction.hash().as_bytes());
    }
    let block = sample_block();
    vectors.value("header", &block.header);
    vectors.bytes("header id", block.id().as_bytes());
    vectors.value("block", &block);
}

fn merkle_trees(vectors: &mut Vectors) {
    let leaves: Vec<TxHash> = (0..5).map(|number| TxHash([number; 32])).collect();
    vectors.bytes("merkle root of none", merkle::root(&[]).root.as_bytes());
    for count in [1, 2, 3, 5] {
        vectors.bytes(&format!("merkle root of {count}"), merkle::root(&leaves[..count]).root.as_bytes());
    }
    vectors.value("merkle proof of 4 in 5", &merkle::prove(&leaves, 4).expect("there is a leaf 4"));
}

fn coins(vectors: &mut Vectors) {
    let mature = Coin { height: Height(0x0102), coinbase: true, ..coin(77, lock(1).hash()) };
    vectors.value("coin", &mature);
    let spent = [(outpoint(1), coin(600, lock(1).hash()))].into();
    let created = [(outpoint(2), mature), (outpoint(3), coin(5, lock(2).hash()))].into();
    let diff = Diff { spent, created };
    vectors.value("diff", &diff);
    vectors.bytes("commitment of nothing", Buckets::default().commitment().as_bytes());
    vectors.bytes("bucket of nothing hash", &Buckets::default().list()[0].hash());
    let buckets = Buckets::of(&diff.created);
    let number = bucket_of(&outpoint(2));
    vectors.bytes("bucket number of outpoint 2", &[number]);
    let bucket = &buckets.list()[usize::from(number)];
    vectors.bytes("bucket of outpoint 2, first lanes", &bucket.to_bytes()[..64]);
    vectors.bytes("bucket of outpoint 2 hash", &bucket.hash());
    vectors.bytes("commitment of two coins", buckets.commitment().as_bytes());
}

fn geneses(vectors: &mut Vectors) {
    let pow = |difficulty| genesis(EngineParams::Pow(PowParams { difficulty, ..pow_params() }));
    let all: [(&str, Genesis); 4] = [
        ("pbft", pbft_genesis()),
        ("pow asert", pow_genesis()),
        ("pow bitcoin", pow(Difficulty::Bitcoin)),
        ("pow fixed", pow(Difficulty::Fixed)),
    ];
    for (name, genesis) in all {
        genesis.check().expect("the sample is sound");
        vectors.value(&format!("genesis {name}"), &genesis);
        vectors.bytes(&format!("genesis {name} network id"), genesis.network_id().as_bytes());
        vectors.value(&format!("genesis {name} block"), &genesis.block());
        vectors.bytes(&format!("genesis {name} block id"), genesis.block().id().as_bytes());
    }
    let set = pbft_genesis().validator_set();
    vectors.bytes("set hash, epoch 0", set.hash().as_bytes());
    let next = bezant_consensus::ledger::genesis::ValidatorSet { epoch: Epoch(1), ..set };
    vectors.bytes("set hash, epoch 1", next.hash().as_bytes());
}

fn digests(vectors: &mut Vectors) {
    let body = payment().body().clone();
    let spent = [(grains(1_000_000), lock(1).hash()), (grains(2_000_000), lock(2).hash())];
    let common = SighashCommon::new(&NETWORK, &body, &spent);
    for (name, lock) in sample_locks() {
        for (path, _) in lock.revealed_leaves().into_iter().filter(|(_, leaf)| matches!(leaf, Lock::Key(_))) {
            vectors.bytes(&format!("sighash of {name} at {path:?}"), &common.digest(1, &path, &lock));
        }
    }
    for (name, body) in sample_bodies().into_iter().skip(2) {
        vectors.bytes(&format!("{name} digest"), &epoch_change_digest(&NETWORK, &body));
    }
    for kind in [VoteKind::PrePrepare, VoteKind::Prepare, VoteKind::Commit] {
        vectors.bytes(&format!("{kind:?} digest"), &vote_digest(&NETWORK, kind, &ballot()));
    }
    vectors.bytes("VIEW-CHANGE digest", &view_change().digest(&NETWORK));
    vectors.bytes("NEW-VIEW digest", &new_view().digest(&NETWORK));
    vectors.bytes("OVERDUE digest", &overdue().digest(&NETWORK));
}

pub(crate) fn ballot() -> Ballot {
    Ballot {
        incarnation: Incarnation(1),
        epoch: Epoch(2),
        view: View(3),
        height: Height(4),
        block: BlockId([0xb1; 32]),
    }
}

fn vote(kind: VoteKind, signer: u16) -> Vote {
    Vote::sign(&NETWORK, kind, ballot(), signer, &key(signer as u8 + 1))
}

fn seal(kind: VoteKind, signer: u16) -> Seal {
    Seal { signer, signature: vote(kind, signer).signature }
}

fn committed() -> CommitCertificate {
    CommitCertificate { ballot: ballot(), commits: (0..3).map(|signer| seal(VoteKind::Commit, signer)).collect() }
}

fn prepared() -> PreparedCertificate {
    let prepares = [0, 2].map(|signer| seal(VoteKind::Prepare, signer)).to_vec();
    PreparedCertificate { ballot: ballot(), pre_prepare: seal(VoteKind::PrePrepare, 1), prepares }
}

/// Structure only: what it carries need not fit together.
fn view_change() -> ViewChange {
    let prepared = PreparedBlock { header: sample_block().header, certificate: prepared() };
    let (signature, committed) = (vote(VoteKind::Commit, 3).signature, Some(committed()));
    let (incarnation, epoch, view) = (Incarnation(1), Epoch(2), View(4));
    ViewChange { incarnation, epoch, view, committed, prepared: vec![prepared], signer: 3, signature }
        .signed(&NETWORK, &key(4))
}

fn new_view() -> NewView {
    let (incarnation, epoch, view) = (Incarnation(1), Epoch(2), View(4));
    let signature = view_change().signature;
    NewView { incarnation, epoch, view, changes: vec![view_change()], signer: 2, signature }.signed(&NETWORK, &key(3))
}

fn evidence() -> Evidence {
    let other = Ballot { block: BlockId([0xb2; 32]), ..ballot() };
    let second = Vote::sign(&NETWORK, VoteKind::Commit, other, 3, &key(4));
    Evidence { first: vote(VoteKind::Commit, 3), second }
}

fn checkpoint() -> Checkpoint {
    let buckets = BucketHashes::of(&Buckets::default());
    Checkpoint {
        incarnation: Incarnation(0),
        epoch: Epoch(0),
        height: Height(64),
        block: sample_block().header.id(),
        coins: buckets.commitment(),
        next: opening().hash(&NETWORK),
    }
}

fn checkpoint_vote() -> CheckpointVote {
    CheckpointVote::sign(&NetworkId([1; 32]), checkpoint(), 2, &key(3))
}

fn checkpoint_certificate() -> CheckpointCertificate {
    let CheckpointVote { checkpoint, signer, signature } = checkpoint_vote();
    CheckpointCertificate { checkpoint, seals: vec![Seal { signer, signature }] }
}

fn checkpoint_state() -> CheckpointState {
    let buckets = BucketHashes::of(&Buckets::default());
    CheckpointState { checkpoint: checkpoint(), header: sample_block().header, buckets }
}

fn snapshot() -> Snapshot {
    let CheckpointState { header, buckets, .. } = checkpoint_state();
    Snapshot { certificate: checkpoint_certificate(), header, commit: committed(), buckets, next: opening() }
}

fn opening() -> Opening {
    let members = MemberList(vec![key(1).public(), key(2).public()]);
    let readmitted = vec![Readmission { member: key(2).public(), nonce: [0x4e; 32], height: Height(60) }];
    Opening { epoch: Epoch(1), members, readmitted }
}

fn succession() -> Succession {
    Succession { certificate: checkpoint_certificate(), header: sample_block().header, opening: opening() }
}

fn bucket_part() -> BucketPart {
    let coin = Coin {
        amount: Amount::from_grains(5).expect("a small amount"),
        lock: LockHash([4; 32]),
        height: Height(3),
        coinbase: false,
    };
    BucketPart { bucket: 8, coins: vec![(outpoint(4), coin)], is_last: true }
}

fn overdue() -> Overdue {
    let (incarnation, epoch, view) = (Incarnation(1), Epoch(2), View(4));
    let signature = vote(VoteKind::Commit, 3).signature;
    Overdue { incarnation, epoch, view, transactions: vec![payment()], signer: 3, signature }.signed(&NETWORK, &key(4))
}

fn messages(vectors: &mut Vectors) {
    let block = || block(vec![coinbase(4, &[])]);
    let work = Target::from_compact(0x1d00_ffff).expect("a target").work();
    let tip = TipInfo {
        height: Height(9),
        id: BlockId([2; 32]),
        final_height: Height(3),
        work,
        stable: Height(2),
        epoch: Epoch(1),
    };
    let ids = || vec![BlockId([1; 32]), BlockId([2; 32])];
    let all = [
        Message::Transaction(payment()),
        Message::PrePrepare(PrePrepare { vote: vote(VoteKind::PrePrepare, 1), block: block() }),
        Message::Vote(vote(VoteKind::PrePrepare, 1)),
        Message::Vote(vote(VoteKind::Prepare, 2)),
        Message::Vote(vote(VoteKind::Commit, 3)),
        Message::Tip(tip),
        Message::GetCertified { from: Height(7), count: 16 },
        Message::Certified(CertifiedBlocks(vec![CertifiedBlock { block: block(), certificate: committed() }])),
        Message::GetHeaders(Locator(ids())),
        Message::Headers(Headers(vec![block().header])),
        Message::GetBlocks(BlockIds(ids())),
        Message::Blocks(Blocks(vec![block()])),
        Message::CompactBlock(CompactBlock::new(&block(), 7, |place| place == 0)),
        Message::ViewChange(view_change()),
        Message::NewView(new_view()),
        Message::Evidence(evidence()),
        Message::Checkpoint(checkpoint_vote()),
        Message::Checkpointed(checkpoint_certificate()),
        Message::GetSnapshot { height: Height(64) },
        Message::Snapshot(Some(Box::new(snapshot()))),
        Message::GetBuckets { height: Height(64), first: 8, last: 15, after: Some(outpoint(3)) },
        Message::Buckets(BucketParts { height: Height(64), parts: vec![bucket_part()] }),
        Message::Overdue(overdue()),
        Message::GetSuccessions { from: Epoch(1) },
        Message::Successions(Successions(vec![succession()])),
        Message::GetTransactions(GetTransactions { block: BlockId([1; 32]), places: vec![1, 3] }),
        Message::Transactions(BlockTransactions { block: BlockId([1; 32]), transactions: vec![payment()] }),
    ];
    for message in all {
        vectors.value(&format!("message {}", message.name()), &message);
    }
    vectors.value("prepared certificate", &prepared());
    vectors.value("commit certificate", &committed());
}

fn records(vectors: &mut Vectors) {
    vectors.value("record body", &Record::Body(block(vec![coinbase(4, &[])])));
    vectors.value("record vote", &Record::Vote(vote(VoteKind::Prepare, 2)));
    vectors.value("record prepared", &Record::Prepared(view_change().prepared.remove(0)));
    vectors.value("record view-change", &Record::ViewChange(view_change()));
    vectors.value("record new-view", &Record::NewView(new_view()));
    vectors.value("record evidence", &Record::Evidence(evidence()));
    vectors.value("record checkpoint", &Record::Checkpoint(checkpoint_vote()));
    vectors.value("record checkpoint-state", &Record::CheckpointState(checkpoint_state()));
    vectors.value("record stable", &Record::Stable(checkpoint_certificate()));
    vectors.value("record epoch", &Record::Epoch(succession()));
    vectors.value("record committed", &Record::Committed(committed()));
    vectors.value("record header", &Record::Header(sample_block().header));
    vectors.value("record invalid", &Record::Invalid(BlockId([0xbd; 32])));
    vectors.value("record invalidated", &Record::Invalidated(BlockId([0xbd; 32])));
    vectors.value("record reconsidered", &Record::Reconsidered(BlockId([0xbd; 32])));
    let told = [0xbd, 0xbe].map(|byte| (Height(u64::from(byte)), BlockId([byte; 32])));
    vectors.value("record told final", &Record::ToldFinal(told.to_vec()));
}
