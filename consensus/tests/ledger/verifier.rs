//! What `Verified` stands for: every check that needs no chain state, for every message.

use crate::common::*;
use bezant_consensus::ledger::block::Block;
use bezant_consensus::ledger::commitment::Buckets;
use bezant_consensus::ledger::hash::{BlockId, CoinCommitment, SetHash, TxHash};
use bezant_consensus::ledger::key::Signature;
use bezant_consensus::ledger::merkle::PathError;
use bezant_consensus::ledger::rules::{BlockError, TxError};
use bezant_consensus::ledger::sighash::epoch_change_digest;
use bezant_consensus::ledger::target::Target;
use bezant_consensus::ledger::transaction::{Body, EpochChange, MemberList, Transaction, Witness};
use bezant_consensus::ledger::units::{Epoch, Height, Incarnation, View};
use bezant_consensus::limits::{BATCH_BYTES_MAX, OVERDUE_BYTES_MAX, VIEW_MAX};
use bezant_consensus::message::checkpoint::{
    BucketHashes, Checkpoint, CheckpointCertificate, CheckpointVote, Snapshot,
};
use bezant_consensus::message::epoch::{Opening, Succession, Successions};
use bezant_consensus::message::relay::{BlockTransactions, CompactBlock, CompactPrePrepare};
use bezant_consensus::message::{
    Ballot, Blocks, CertifiedBlock, CertifiedBlocks, CommitCertificate, Evidence, Headers, Message, NewView, Overdue,
    PrePrepare, PreparedBlock, PreparedCertificate, Seal, TransactionBatch, ViewChange, Vote, VoteKind,
};
use bezant_consensus::pbft::light::{Proof, ProofError};
use bezant_consensus::verify::{MessageError, Verifier};
use std::sync::Arc;

fn pbft() -> Verifier {
    Verifier::new(Arc::new(pbft_genesis()))
}

fn pow() -> Verifier {
    Verifier::new(Arc::new(pow_genesis()))
}

fn judge(verifier: &Verifier, message: Message) -> Result<(), MessageError> {
    let verified = verifier.message(message.clone(), &|_| false, rng())?;
    assert_eq!(verified.get(), &message);
    Ok(())
}

fn ballot(block: &Block) -> Ballot {
    Ballot { incarnation: Incarnation(0), epoch: Epoch(0), view: View(1), height: Height(5), block: block.id() }
}

/// Member `signer` has key `signer + 1`; of view 1 member 1 is the primary.
fn vote(verifier: &Verifier, kind: VoteKind, ballot: Ballot, signer: u16) -> Vote {
    Vote::sign(&verifier.set_of(Epoch(0)).unwrap().network, kind, ballot, signer, &key(signer as u8 + 1))
}

fn seals(verifier: &Verifier, kind: VoteKind, ballot: Ballot, signers: &[u16]) -> Vec<Seal> {
    let seal = |signer: &u16| Seal { signer: *signer, signature: vote(verifier, kind, ballot, *signer).signature };
    signers.iter().map(seal).collect()
}

fn empty_block() -> Block {
    block(vec![coinbase(5, &[])])
}

#[test]
fn votes() {
    let verifier = pbft();
    let ballot = ballot(&empty_block());
    let judge = |vote| judge(&verifier, Message::Vote(vote));
    assert_eq!(judge(vote(&verifier, VoteKind::PrePrepare, ballot, 1)), Ok(()));
    assert_eq!(judge(vote(&verifier, VoteKind::Prepare, ballot, 0)), Ok(()));
    assert_eq!(judge(vote(&verifier, VoteKind::Commit, ballot, 1)), Ok(()));
    assert_eq!(
        judge(vote(&verifier, VoteKind::PrePrepare, ballot, 0)),
        Err(MessageError::Signer(0)),
        "not the primary"
    );
    assert_eq!(judge(vote(&verifier, VoteKind::Prepare, ballot, 1)), Err(MessageError::Signer(1)), "the primary");
    assert_eq!(judge(vote(&verifier, VoteKind::Commit, ballot, 4)), Err(MessageError::Signer(4)), "no member");
    let later = Ballot { epoch: Epoch(1), ..ballot };
    let error = judge(vote(&verifier, VoteKind::Commit, later, 0)).unwrap_err();
    assert_eq!(error, MessageError::UnknownEpoch(Epoch(1)));
    assert!(!error.is_fault() && MessageError::Signer(0).is_fault());
}

/// Nothing that a vote says can be changed after it was signed, and no other net takes it.
#[test]
fn a_vote_serves_one_statement_only() {
    let verifier = pbft();
    let good = vote(&verifier, VoteKind::Commit, ballot(&empty_block()), 0);
    let with = |change: fn(&mut Vote)| {
        let mut vote = good;
        change(&mut vote);
        judge(&verifier, Message::Vote(vote))
    };
    let signature = |signer| Err(MessageError::Signature(signer));
    assert_eq!(with(|vote| vote.kind = VoteKind::Prepare), signature(0));
    assert_eq!(with(|vote| vote.ballot.incarnation = Incarnation(1)), signature(0));
    assert_eq!(with(|vote| vote.ballot.view = View(2)), signature(0));
    assert_eq!(with(|vote| vote.ballot.height = Height(6)), signature(0));
    assert_eq!(with(|vote| vote.ballot.block.0[0] ^= 1), signature(0));
    assert_eq!(with(|vote| vote.signer = 2), signature(2));
    assert_eq!(with(|vote| vote.signature.0[0] ^= 1), signature(0));
    let mut genesis = pbft_genesis();
    genesis.salt = [1; 32];
    assert_eq!(judge(&Verifier::new(Arc::new(genesis)), Message::Vote(good)), signature(0));
}

#[test]
fn proposals() {
    let verifier = pbft();
    let block = empty_block();
    let good = PrePrepare { vote: vote(&verifier, VoteKind::PrePrepare, ballot(&block), 1), block: block.clone() };
    assert_eq!(judge(&verifier, Message::PrePrepare(good.clone())), Ok(()));
    let mut other = good.clone();
    other.block.header.time += 1;
    assert!(matches!(judge(&verifier, Message::PrePrepare(other)), Err(MessageError::Inconsistent(_))));
    let commit = PrePrepare { vote: vote(&verifier, VoteKind::Commit, ballot(&block), 1), block };
    assert!(matches!(judge(&verifier, Message::PrePrepare(commit)), Err(MessageError::Inconsistent(_))));
    let mut body = good;
    body.block.transactions.push(coinbase(5, &[]));
    assert!(matches!(judge(&verifier, Message::PrePrepare(body)), Err(MessageError::Block(_))));
}

#[test]
fn commit_certificates() {
    let verifier = pbft();
    let ballot = ballot(&empty_block());
    let check = |signers: &[u16]| {
        let commits = seals(&verifier, VoteKind::Commit, ballot, signers);
        verifier.check_commit_certificate(&CommitCertificate { ballot, commits })
    };
    assert_eq!(check(&[0, 1, 3]), Ok(()));
    for wrong in [&[0, 1][..], &[0, 1, 2, 3], &[0, 1, 1], &[1, 0, 2], &[]] {
        assert!(matches!(check(wrong), Err(MessageError::Certificate(_))), "{wrong:?}");
    }
    assert_eq!(check(&[0, 1, 4]), Err(MessageError::Signer(4)));
    let mixed = CommitCertificate { ballot, commits: seals(&verifier, VoteKind::Prepare, ballot, &[0, 2, 3]) };
    assert_eq!(verifier.check_commit_certificate(&mixed), Err(MessageError::Signature(0)));
    let of_views = |view| seals(&verifier, VoteKind::Commit, Ballot { view: View(view), ..ballot }, &[0, 1, 2]);
    let commits = vec![of_views(1)[0], of_views(1)[1], of_views(2)[2]];
    let of_two_views = CommitCertificate { ballot, commits };
    assert_eq!(verifier.check_commit_certificate(&of_two_views), Err(MessageError::Signature(2)));
    let later = Ballot { epoch: Epoch(9), ..ballot };
    let of_another_epoch = CommitCertificate { ballot: later, commits: vec![] };
    assert_eq!(verifier.check_commit_certificate(&of_another_epoch), Err(MessageError::UnknownEpoch(Epoch(9))));
}

#[test]
fn prepared_certificates() {
    let verifier = pbft();
    let ballot = ballot(&empty_block());
    let check = |primary: u16, signers: &[u16]| {
        let pre_prepare = seals(&verifier, VoteKind::PrePrepare, ballot, &[primary])[0];
        let prepares = seals(&verifier, VoteKind::Prepare, ballot, signers);
        verifier.check_prepared_certificate(&PreparedCertificate { ballot, pre_prepare, prepares })
    };
    assert_eq!(check(1, &[0, 2]), Ok(()));
    assert_eq!(check(0, &[2, 3]), Err(MessageError::Signer(0)), "not the primary of that view");
    assert_eq!(check(1, &[0, 1]), Err(MessageError::Signer(1)), "the primary does not count twice");
    for wrong in [&[0][..], &[0, 2, 3], &[2, 0], &[2, 2]] {
        assert!(matches!(check(1, wrong), Err(MessageError::Certificate(_))), "{wrong:?}");
    }
}

fn view_of(verifier: &Verifier, view: u64, signer: u16) -> ViewChange {
    let signature = Signature([0; 64]);
    let change = ViewChange {
        incarnation: Incarnation(0),
        epoch: Epoch(0),
        view: View(view),
        committed: None,
        prepared: Vec::new(),
        signer,
        signature,
    };
    change.signed(&verifier.set_of(Epoch(0)).unwrap().network, &key(signer as u8 + 1))
}

/// Prepared in view 1 at a height, beside its header.
fn prepared_block(verifier: &Verifier, height: u64) -> PreparedBlock {
    let header = empty_block().header;
    let ballot = Ballot { height: Height(height), ..ballot(&empty_block()) };
    let pre_prepare = seals(verifier, VoteKind::PrePrepare, ballot, &[1])[0];
    let prepares = seals(verifier, VoteKind::Prepare, ballot, &[0, 2]);
    PreparedBlock { header, certificate: PreparedCertificate { ballot, pre_prepare, prepares } }
}

/// F8: what a VIEW-CHANGE carries is counted, not only found to be signed.
#[test]
fn view_changes_are_counted() {
    let verifier = pbft();
    let net = verifier.set_of(Epoch(0)).unwrap().network;
    let block = ballot(&empty_block());
    let commits = seals(&verifier, VoteKind::Commit, block, &[0, 1, 2]);
    let mut good = view_of(&verifier, 2, 3);
    good.committed = Some(CommitCertificate { ballot: block, commits });
    good.prepared = vec![prepared_block(&verifier, 6), prepared_block(&verifier, 7)];
    let with = |change: &dyn Fn(&mut ViewChange)| {
        let mut changed = good.clone();
        change(&mut changed);
        judge(&verifier, Message::ViewChange(changed.signed(&net, &key(4))))
    };
    assert_eq!(with(&|_| {}), Ok(()));
    let mut unsigned = good.clone().signed(&net, &key(4));
    unsigned.prepared.pop();
    assert_eq!(judge(&verifier, Message::ViewChange(unsigned)), Err(MessageError::Signature(3)), "all is signed");
    assert_eq!(with(&|it| it.signer = 4), Err(MessageError::Signer(4)));
    assert_eq!(with(&|it| it.signer = 2), Err(MessageError::Signature(2)), "of another member");
    assert_eq!(with(&|it| it.epoch = Epoch(1)), Err(MessageError::UnknownEpoch(Epoch(1))));
    let certificate = |result| matches!(result, Err(MessageError::Certificate(_)));
    let inconsistent = |result| matches!(result, Err(MessageError::Inconsistent(_)));
    assert!(certificate(with(&|it| it.prepared[0].certificate.prepares.clear())), "no prepares at all");
    assert!(certificate(with(&|it| it.prepared[1].certificate.prepares.truncate(1))), "one too few");
    assert!(certificate(with(&|it| it.committed.as_mut().unwrap().commits.truncate(2))));
    let twice = |it: &mut ViewChange| it.prepared[0].certificate.prepares[1] = it.prepared[0].certificate.prepares[0];
    assert!(certificate(with(&twice)), "one signer twice");
    let forged = |it: &mut ViewChange| it.prepared[0].certificate.prepares[0].signature.0[5] ^= 1;
    assert_eq!(with(&forged), Err(MessageError::Signature(0)));
    assert!(inconsistent(with(&|it| it.view = View(0))));
    assert!(inconsistent(with(&|it| it.view = View(1))), "of the view that is to begin");
    assert!(inconsistent(with(&|it| it.prepared.swap(0, 1))), "they go up");
    assert!(inconsistent(with(&|it| it.prepared[0] = prepared_block(&verifier, 5))), "above what is committed");
    assert!(inconsistent(with(&|it| it.prepared[0].header.time += 1)), "beside its own header");
    assert!(inconsistent(with(&|it| it.incarnation = Incarnation(1))), "all of one incarnation");
}

/// F9: exactly q VIEW-CHANGEs for that very view, each valid, none twice, brought by its primary.
#[test]
fn new_views_are_counted() {
    let verifier = pbft();
    let net = verifier.set_of(Epoch(0)).unwrap().network;
    let changes = |signers: &[u16]| signers.iter().map(|signer| view_of(&verifier, 2, *signer)).collect::<Vec<_>>();
    let by = |signer: u16, changes: Vec<ViewChange>| {
        let (incarnation, epoch, signature) = (Incarnation(0), Epoch(0), Signature([0; 64]));
        let new_view = NewView { incarnation, epoch, view: View(2), changes, signer, signature };
        judge(&verifier, Message::NewView(new_view.signed(&net, &key(signer as u8 + 1))))
    };
    assert_eq!(by(2, changes(&[0, 1, 3])), Ok(()));
    assert_eq!(by(1, changes(&[0, 1, 3])), Err(MessageError::Signer(1)), "not the primary of view 2");
    for wrong in [&[0, 1][..], &[0, 1, 2, 3], &[0, 1, 1], &[1, 0, 3], &[]] {
        assert!(matches!(by(2, changes(wrong)), Err(MessageError::Certificate(_))), "{wrong:?}");
    }
    let mut of_two_views = changes(&[0, 1]);
    of_two_views.push(view_of(&verifier, 3, 3));
    assert!(matches!(by(2, of_two_views), Err(MessageError::Inconsistent(_))));
    let mut forged = changes(&[0, 1, 3]);
    forged[1].prepared.push(prepared_block(&verifier, 6));
    assert_eq!(by(2, forged), Err(MessageError::Signature(1)));
    let (incarnation, epoch, signature) = (Incarnation(0), Epoch(0), Signature([0; 64]));
    let unsigned = NewView { incarnation, epoch, view: View(2), changes: changes(&[0, 1, 3]), signer: 2, signature };
    assert_eq!(judge(&verifier, Message::NewView(unsigned)), Err(MessageError::Signature(2)));
}

#[test]
fn evidence_is_two_votes_that_contradict_each_other() {
    let verifier = pbft();
    let first = ballot(&empty_block());
    let second = Ballot { block: BlockId([9; 32]), ..first };
    let votes = |kind, a, b, signer| Evidence {
        first: vote(&verifier, kind, a, signer),
        second: vote(&verifier, kind, b, signer),
    };
    assert_eq!(judge(&verifier, Message::Evidence(votes(VoteKind::Commit, first, second, 3))), Ok(()));
    let nothing = [
        votes(VoteKind::Commit, first, first, 3),
        votes(VoteKind::Commit, first, Ballot { view: View(2), ..second }, 3),
        votes(VoteKind::Commit, first, Ballot { height: Height(6), ..second }, 3),
        Evidence {
            first: votes(VoteKind::Commit, first, second, 3).first,
            second: votes(VoteKind::Prepare, first, second, 3).second,
        },
        Evidence {
            first: votes(VoteKind::Commit, first, second, 3).first,
            second: votes(VoteKind::Commit, first, second, 2).second,
        },
    ];
    for evidence in nothing {
        assert!(matches!(judge(&verifier, Message::Evidence(evidence)), Err(MessageError::Inconsistent(_))));
    }
    let forged: [fn(&mut Evidence); 2] = [|it| it.first.signature.0[1] ^= 1, |it| it.second.signature.0[1] ^= 1];
    for forge in forged {
        let mut evidence = votes(VoteKind::Commit, first, second, 3);
        forge(&mut evidence);
        assert_eq!(judge(&verifier, Message::Evidence(evidence)), Err(MessageError::Signature(3)));
    }
}

#[test]
fn certified_blocks() {
    let verifier = pbft();
    let block = empty_block();
    let commits = seals(&verifier, VoteKind::Commit, ballot(&block), &[0, 1, 2]);
    let certificate = CommitCertificate { ballot: ballot(&block), commits };
    let certified = |block, certificate| {
        judge(&verifier, Message::Certified(CertifiedBlocks(vec![CertifiedBlock { block, certificate }])))
    };
    assert_eq!(certified(block.clone(), certificate.clone()), Ok(()));
    let mut other = block.clone();
    other.header.time += 1;
    assert!(matches!(certified(other, certificate.clone()), Err(MessageError::Inconsistent(_))));
    let mut forged = certificate;
    forged.commits[1].signature.0[40] ^= 1;
    assert_eq!(certified(block, forged), Err(MessageError::Signature(1)));
}

#[test]
fn messages_of_the_other_engine() {
    let block = mined(empty_block(), 0x207f_ffff);
    let of_pow = [whole(&block), Message::Headers(Headers(vec![block.header]))];
    for message in of_pow {
        assert_eq!(judge(&pbft(), message.clone()), Err(MessageError::WrongEngine(message.name())));
        assert_eq!(judge(&pow(), message), Ok(()));
    }
    let message = Message::GetCertified { from: Height(1), count: 1 };
    assert_eq!(judge(&pow(), message.clone()), Err(MessageError::WrongEngine("get-certified")));
    assert_eq!(judge(&pbft(), message), Ok(()));
}

/// An announcement in which all stands as a whole.
fn whole(block: &Block) -> Message {
    Message::CompactBlock(CompactBlock::new(block, 0, |_| true))
}

/// With a nonce that meets the target of `bits`.
fn mined(mut block: Block, bits: u32) -> Block {
    let target = Target::from_compact(bits).expect("a target");
    block.header.bits = bits;
    while !target.is_met_by(&block.id()) {
        block.header.nonce += 1;
    }
    block
}

/// Work comes first: before it is done, nothing else of a block is looked at.
#[test]
fn headers_have_done_their_work() {
    let refused = |block: Block| {
        let messages = [
            Message::Headers(Headers(vec![block.header])),
            Message::Blocks(Blocks(vec![block.clone()])),
            whole(&block),
        ];
        messages.map(|message| matches!(judge(&pow(), message), Err(MessageError::Block(BlockError::Header(_)))))
    };
    let good = mined(empty_block(), 0x207f_ffff);
    assert_eq!(refused(good.clone()), [false; 3]);
    assert_eq!(refused(mined(empty_block(), 0x1f7f_ffff)), [false; 3], "harder is not refused here");
    let mut lazy = good.clone();
    while Target::from_compact(lazy.header.bits).unwrap().is_met_by(&lazy.id()) {
        lazy.header.nonce += 1;
    }
    assert_eq!(refused(lazy), [true; 3]);
    assert_eq!(refused(mined(empty_block(), 0x2100_ffff)), [true; 3], "easier than genesis");
    for bits in [0, 0x2080_0001, 0xff12_3456] {
        let mut block = good.clone();
        block.header.bits = bits;
        assert_eq!(refused(block), [true; 3], "{bits:08x} is no target");
    }
}

fn payment(verifier: &Verifier, number: u8) -> Transaction {
    let inputs = [input(number, 5, lock(1)), input(number + 100, 5, lock(2))];
    let unsigned = transfer(&inputs, &[output(10, 1)]);
    sign(&verifier.set_of(Epoch(0)).unwrap().network, unsigned.body().clone(), &inputs)
}

/// In a block of many, the one bad signature is named by transaction and input, known ones are not looked at again.
#[test]
fn a_block_names_its_bad_signature() {
    let verifier = pow();
    let mut transactions = vec![coinbase(5, &[])];
    transactions.extend((1..=6).map(|number| payment(&verifier, number)));
    assert!(verifier.block(block(transactions.clone()), &|_| false, rng()).is_ok());
    spend_mut(&mut transactions[4], 1).signatures[0].0[33] ^= 1;
    let bad = transactions[4].hash();
    let block = block(transactions);
    let error = BlockError::Transaction { index: 4, error: TxError::BadSignature(1) };
    assert_eq!(verifier.block(block.clone(), &|_| false, rng()), Err(error));
    let known = |hash: &TxHash| *hash == bad;
    assert!(verifier.block(block, &known, rng()).is_ok(), "known means verified before");
}

#[test]
fn transactions() {
    let verifier = pbft();
    let mut transaction = payment(&verifier, 1);
    assert!(verifier.transaction(transaction.clone()).is_ok());
    assert_eq!(judge(&verifier, Message::Transaction(transaction.clone())), Ok(()));
    spend_mut(&mut transaction, 0).signatures[0].0[33] ^= 1;
    let error = TxError::BadSignature(0);
    assert_eq!(verifier.transaction(transaction.clone()), Err(error.clone()));
    assert_eq!(judge(&verifier, Message::Transaction(transaction)), Err(MessageError::Transaction(error)));
}

fn change(verifier: &Verifier, change: EpochChange, signers: &[u16]) -> Transaction {
    let body = Body::Epoch(change);
    let digest = epoch_change_digest(&verifier.set_of(Epoch(0)).unwrap().network, &body);
    let sign = |member: &u16| Witness::Member { member: *member, signature: key(*member as u8 + 1).sign(&digest) };
    let witnesses = signers.iter().map(sign).collect();
    Transaction::new(body, witnesses)
}

#[test]
fn epoch_changes_are_signed_by_members() {
    let verifier = pbft();
    let members = |set| EpochChange::Members { set, members: MemberList(vec![key(9).public()]) };
    let set = verifier.set_of(Epoch(0)).unwrap().hash();
    let judge = |transaction: Transaction| {
        let in_block = verifier.block(block(vec![coinbase(5, &[]), transaction.clone()]), &|_| false, rng());
        let alone = verifier.transaction(transaction).map(|_| ()).map_err(|error| error.kind());
        assert_eq!(in_block.is_ok(), alone.is_ok(), "alone and in a block alike");
        alone
    };
    let refused = Err("tx-epoch-change");
    assert_eq!(judge(change(&verifier, members(set), &[0, 1, 3])), Ok(()));
    assert_eq!(judge(change(&verifier, members(set), &[0, 1])), refused);
    assert_eq!(judge(change(&verifier, members(set), &[0, 1, 2, 3])), refused);
    assert_eq!(judge(change(&verifier, members(set), &[0, 1, 7])), refused);
    let other = Err("tx-other-epoch");
    assert_eq!(judge(change(&verifier, members(SetHash([1; 32])), &[0, 1, 3])), other);
    let mut moved = change(&verifier, members(set), &[0, 1, 3]);
    *moved.body_mut() = Body::Epoch(EpochChange::Members { set, members: MemberList(vec![key(8).public()]) });
    assert_eq!(judge(moved), refused);

    let readmit = |epoch, number| EpochChange::Readmit { epoch, member: key(number).public(), nonce: [1; 32] };
    assert_eq!(judge(change(&verifier, readmit(Epoch(0), 3), &[2])), Ok(()));
    assert_eq!(judge(change(&verifier, readmit(Epoch(0), 3), &[1])), refused, "another member");
    assert_eq!(judge(change(&verifier, readmit(Epoch(0), 9), &[2])), refused, "no member");
    assert_eq!(judge(change(&verifier, readmit(Epoch(1), 3), &[2])), other);
    assert_eq!(pow().transaction(change(&pow(), readmit(Epoch(0), 3), &[2])).unwrap_err().kind(), "tx-epoch-change");
}

/// F35: a header, its certificate and a path prove a transaction to whoever has the genesis.
#[test]
fn light_proofs() {
    let verifier = pbft();
    let block = empty_block();
    let commits = seals(&verifier, VoteKind::Commit, ballot(&block), &[0, 1, 2]);
    let certificate = CommitCertificate { ballot: ballot(&block), commits };
    let proof = Proof::new(&block, certificate.clone(), 0).expect("there is a coinbase");
    assert_eq!(proof.verify(&verifier), Ok((block.transactions[0].id(), Height(5))));
    assert_eq!(Proof::new(&block, certificate, 1), None);
    let with = |change: fn(&mut Proof)| {
        let mut changed = proof.clone();
        change(&mut changed);
        changed.verify(&verifier).unwrap_err()
    };
    assert_eq!(with(|it| it.header.time += 1), ProofError::OtherBlock);
    assert_eq!(with(|it| it.transaction = coinbase(6, &[])), ProofError::Path(PathError::Elsewhere));
    assert_eq!(with(|it| it.path.siblings.push([0; 32])), ProofError::Path(PathError::Elsewhere));
    assert!(matches!(with(|it| it.certificate.commits.truncate(2)), ProofError::Certificate(_)));
    assert!(matches!(with(|it| it.certificate.commits[1] = it.certificate.commits[0]), ProofError::Certificate(_)));
    let mut other = pbft_genesis();
    other.salt = [9; 32];
    let other = Verifier::new(Arc::new(other));
    assert!(matches!(proof.verify(&other), Err(ProofError::Certificate(_))), "of another net");
}

#[test]
fn what_is_handed_over_is_signed_by_a_member_and_bounded() {
    let verifier = pbft();
    let net = verifier.set_of(Epoch(0)).unwrap().network;
    let transfer = |number: u8| payment(&verifier, number);
    let overdue = |view: u64, signer: u16, transactions: Vec<Transaction>| {
        let (incarnation, epoch, signature) = (Incarnation(0), Epoch(0), Signature([0; 64]));
        Overdue { incarnation, epoch, view: View(view), transactions, signer, signature }
            .signed(&net, &key(signer as u8 + 1))
    };
    let verdict = |overdue: Overdue| judge(&verifier, Message::Overdue(overdue));
    assert_eq!(verdict(overdue(0, 1, vec![transfer(0), transfer(1)])), Ok(()));
    assert!(matches!(verdict(overdue(0, 1, vec![])), Err(MessageError::Inconsistent(_))));
    assert!(matches!(verdict(overdue(5, 1, vec![transfer(0)])), Err(MessageError::Inconsistent(_))), "to itself");
    let too_many = OVERDUE_BYTES_MAX / transfer(0).bytes() + 1;
    assert!(matches!(verdict(overdue(0, 1, vec![transfer(0); too_many])), Err(MessageError::Inconsistent(_))));
    let mut stolen = overdue(0, 1, vec![transfer(0)]);
    stolen.signer = 2;
    assert_eq!(verdict(stolen), Err(MessageError::Signature(2)));
    let mut exchanged = overdue(0, 1, vec![transfer(0)]);
    exchanged.transactions[0] = transfer(1);
    assert_eq!(verdict(exchanged), Err(MessageError::Signature(1)));
    let mut moved = overdue(0, 1, vec![transfer(0)]);
    moved.view = View(2);
    assert_eq!(verdict(moved), Err(MessageError::Signature(1)));
    let nobody = overdue(0, 4, vec![transfer(0)]);
    assert_eq!(verdict(nobody), Err(MessageError::Signer(4)));
    let mut unsigned = transfer(0);
    unsigned.witnesses_mut().clear();
    assert!(matches!(verdict(overdue(0, 1, vec![unsigned])), Err(MessageError::Transaction(_))));
    assert!(matches!(
        judge(&pow(), Message::Overdue(overdue(0, 1, vec![transfer(0)]))),
        Err(MessageError::WrongEngine("overdue"))
    ));
}

/// F33, F35: who decides later is proved from epoch to epoch, beginning with the genesis.
#[test]
fn successions_prove_the_members_of_later_epochs() {
    let network = pbft_genesis().network_id();
    let header = empty_block().header;
    let succession = |epoch: u64, members: &[u8], signers: &[(u16, u8)]| {
        let members = MemberList(members.iter().map(|number| key(*number).public()).collect());
        let opening = Opening { epoch: Epoch(epoch), members, readmitted: Vec::new() };
        let interval = u64::from(pbft_params().checkpoint_interval);
        let checkpoint = Checkpoint {
            incarnation: Incarnation(0),
            epoch: Epoch(epoch - 1),
            height: Height(epoch * interval),
            block: header.id(),
            coins: CoinCommitment([1; 32]),
            next: opening.hash(&network),
        };
        let seal = |(signer, number): &(u16, u8)| {
            let vote = CheckpointVote::sign(&network, checkpoint, *signer, &key(*number));
            Seal { signer: vote.signer, signature: vote.signature }
        };
        let certificate = CheckpointCertificate { checkpoint, seals: signers.iter().map(seal).collect() };
        Succession { certificate, header, opening }
    };
    let first = succession(1, &[1, 2, 3, 4, 9], &[(0, 1), (1, 2), (2, 3)]);
    let second = succession(2, &[9, 8, 7], &[(0, 1), (1, 2), (3, 4), (4, 9)]);
    let mut verifier = pbft();
    assert_eq!(
        verifier.follow(std::slice::from_ref(&second)),
        Err(MessageError::UnknownEpoch(Epoch(1))),
        "one after another"
    );
    assert_eq!(verifier.follow(&[first.clone(), second.clone()]), Ok(()));
    assert_eq!(verifier.set_of(Epoch(2)).unwrap().members, [9, 8, 7].map(|number| key(number).public()));
    let message = Message::Successions(Successions(vec![first.clone(), second]));
    assert_eq!(judge(&pbft(), message), Ok(()), "and in one message");

    let refused = |change: fn(&mut Succession)| {
        let mut changed = first.clone();
        change(&mut changed);
        pbft().follow(&[changed]).is_err_and(|error| error.is_fault())
    };
    assert!(refused(|it| it.opening.members.0.swap(0, 1)), "members in order");
    assert!(refused(|it| it.opening.epoch = Epoch(2)));
    assert!(refused(|it| it.header.time += 1));
    assert!(refused(|it| it.certificate.seals.truncate(2)), "exactly q");
    assert!(refused(|it| it.certificate.seals[1] = it.certificate.seals[0]));
    assert!(refused(|it| it.certificate.checkpoint.coins = CoinCommitment([2; 32])), "signed as a whole");
}

/// With the signature of its first input replaced by one of another transaction.
fn forged(mut transaction: Transaction, other: &Transaction) -> Transaction {
    match (&mut transaction.witnesses_mut()[0], &other.witnesses()[0]) {
        (Witness::Spend(mine), Witness::Spend(theirs)) => mine.signatures.clone_from(&theirs.signatures),
        _ => panic!("payments have spends"),
    }
    transaction
}

#[test]
fn a_batch_of_messages_gives_the_verdict_on_each_alone() {
    let verifier = pbft();
    let paid: Vec<Transaction> = (1..40).map(|number| payment(&verifier, number)).collect();
    let bad = forged(paid[0].clone(), &paid[1]);
    let batch = |transactions: Vec<Transaction>| Message::TransactionBatch(TransactionBatch(transactions));
    let ballot = ballot(&empty_block());
    let good_vote = vote(&verifier, VoteKind::Commit, ballot, 2);
    let bad_vote = Vote { signer: 3, ..good_vote };
    let evidence = Evidence { first: good_vote, second: bad_vote };
    let mut spoilt = paid[3..30].to_vec();
    spoilt[11] = bad.clone();
    spoilt[20] = forged(paid[4].clone(), &paid[5]);
    let messages = vec![
        Message::Transaction(paid[0].clone()),
        Message::Vote(good_vote),
        batch(paid[1..20].to_vec()),
        Message::Transaction(bad.clone()),
        Message::Vote(bad_vote),
        batch(spoilt),
        Message::Evidence(evidence),
        whole(&block(vec![coinbase(5, &[]), paid[6].clone(), bad.clone()])),
        batch(paid[20..].to_vec()),
    ];
    let alone: Vec<_> =
        messages.iter().map(|message| verifier.message(message.clone(), &|_| false, rng()).map(drop)).collect();
    let expected = [true, true, true, false, false, false, false, false, true];
    assert_eq!(alone.iter().map(Result::is_ok).collect::<Vec<_>>(), expected);
    assert_eq!(alone[5], Err(MessageError::Transaction(TxError::BadSignature(0))));
    assert_eq!(alone[4], Err(MessageError::Signature(3)));
    // In every order of the batch, and whichever of them stand in it.
    for shift in 0..messages.len() {
        let rotate = |place: usize| (place + shift) % messages.len();
        for count in 1..=messages.len() {
            let places: Vec<usize> = (0..count).map(rotate).collect();
            let some = places.iter().map(|place| messages[*place].clone()).collect();
            let together = verifier.messages(some, &|_| false, rng());
            let together: Vec<_> = together.into_iter().map(|verdict| verdict.map(drop)).collect();
            let expected: Vec<_> = places.iter().map(|place| alone[*place].clone()).collect();
            assert_eq!(together, expected, "from {shift}, {count} of them");
        }
    }
    // What is known by its hash is not looked at again.
    let hash = bad.hash();
    let known = |asked: &TxHash| *asked == hash;
    let verdicts = verifier.messages(vec![Message::Transaction(bad), Message::Vote(bad_vote)], &known, rng());
    assert!(verdicts[0].is_ok() && verdicts[1].is_err());
}

#[test]
fn batches_of_transactions_have_their_limits() {
    let verifier = pbft();
    let refused = |transactions: Vec<Transaction>| match judge(
        &verifier,
        Message::TransactionBatch(TransactionBatch(transactions)),
    ) {
        Err(MessageError::Inconsistent(why)) => why,
        other => panic!("{other:?}"),
    };
    assert!(refused(Vec::new()).contains("without transactions"));
    let paid = payment(&verifier, 1);
    let too_many = BATCH_BYTES_MAX / paid.bytes() + 1;
    assert!(refused(vec![paid.clone(); too_many]).contains("too many bytes"));
    let set = verifier.set_of(Epoch(0)).unwrap().hash();
    let members = MemberList(vec![key(9).public()]);
    let change = change(&verifier, EpochChange::Members { set, members }, &[0, 1, 2]);
    assert!(refused(vec![paid, change]).contains("change of members"));
    let proof_of_work = pow();
    judge(&proof_of_work, Message::TransactionBatch(TransactionBatch(vec![payment(&proof_of_work, 1)]))).unwrap();
}

#[test]
fn transactions_of_users_are_judged_together() {
    let verifier = pow();
    let paid: Vec<Transaction> = (1..20).map(|number| payment(&verifier, number)).collect();
    let mut some = paid.clone();
    some[7] = forged(paid[7].clone(), &paid[8]);
    some[9].witnesses_mut().clear();
    let verdicts = verifier.together(Vec::new(), some.clone(), &|_| false, rng()).1;
    for (transaction, verdict) in some.iter().zip(verdicts) {
        assert_eq!(verdict, verifier.transaction(transaction.clone()));
    }
    // With what peers bring, good or bad, the verdicts are the same, and each is told of its own.
    let messages: Vec<Message> = [0, 7, 1].map(|place| Message::Transaction(some[place].clone())).to_vec();
    let (of_peers, of_users) = verifier.together(messages.clone(), some.clone(), &|_| false, rng());
    assert_eq!(of_peers, verifier.messages(messages, &|_| false, rng()));
    assert_eq!(of_users, verifier.together(Vec::new(), some.clone(), &|_| false, rng()).1);
    assert_eq!(of_users.iter().filter(|verdict| verdict.is_err()).count(), 2);
    // What was verified before, as a peer's perhaps, is not looked at again.
    let hash = some[7].hash();
    let of_users = verifier.together(Vec::new(), some, &|asked: &TxHash| *asked == hash, rng()).1;
    assert!(of_users[7].is_ok() && of_users[9].is_err());
}

#[test]
fn what_a_message_carries_is_looked_through() {
    let (by_votes, by_work) = (pbft(), pow());
    for is_fine in [true, false] {
        let made = |verifier: &Verifier| {
            let [paid, other] = [1, 2].map(|number| payment(verifier, number));
            let transaction = if is_fine { paid } else { forged(paid, &other) };
            (transaction.clone(), block(vec![coinbase(5, &[]), transaction]))
        };
        let (transaction, block) = made(&by_votes);
        let ballot = ballot(&block);
        let commits = seals(&by_votes, VoteKind::Commit, ballot, &[0, 1, 2]);
        let certified = CertifiedBlock { block: block.clone(), certificate: CommitCertificate { ballot, commits } };
        let proposal = PrePrepare { vote: vote(&by_votes, VoteKind::PrePrepare, ballot, 1), block: block.clone() };
        let messages = [
            Message::Certified(CertifiedBlocks(vec![certified])),
            Message::PrePrepare(proposal),
            Message::Blocks(Blocks(vec![block.clone()])),
            Message::Transactions(BlockTransactions { block: block.id(), transactions: vec![transaction] }),
        ];
        for message in messages {
            assert_eq!(judge(&by_votes, message.clone()).is_ok(), is_fine, "{}", message.name());
        }
        let (_, block) = made(&by_work);
        let block = mined(block, 0x207f_ffff);
        assert_eq!(judge(&by_work, whole(&block)).is_ok(), is_fine);
        let mut scattered = CompactBlock::new(&block, 0, |index| index == 0);
        assert_eq!(judge(&by_work, Message::CompactBlock(scattered.clone())), Ok(()), "nothing of it is here");
        scattered.prefilled[0].index = 2;
        let verdict = judge(&by_work, Message::CompactBlock(scattered));
        assert!(matches!(verdict, Err(MessageError::Inconsistent(_))), "no block has such a place");
    }
}

#[test]
fn named_proposals() {
    let verifier = pbft();
    let names = [1, 2, 3].map(|number| payment(&verifier, number).hash());
    // Header and vote are made for what it names.
    let named = |coinbase: Transaction, names: &[TxHash]| {
        let (vote, header) = (vote(&verifier, VoteKind::PrePrepare, ballot(&empty_block()), 1), empty_block().header);
        let mut proposal = CompactPrePrepare { vote, header, coinbase, names: names.to_vec() };
        proposal.header.merkle_root = proposal.root().root;
        resigned(&verifier, VoteKind::PrePrepare, proposal)
    };
    let verdict = |proposal: CompactPrePrepare| judge(&verifier, Message::CompactPrePrepare(proposal));
    let good = named(coinbase(5, &[]), &names);
    assert_eq!(verdict(good.clone()), Ok(()));
    let of_no_block = named(payment(&verifier, 4), &names);
    assert!(verdict(of_no_block).is_err(), "it begins with a coinbase");
    let repeated = named(coinbase(5, &[]), &[names[0], names[1], names[1]]);
    assert!(
        matches!(verdict(repeated), Err(MessageError::Block(BlockError::BodyMismatch { .. }))),
        "one root, two lists"
    );
    let exchanged = CompactPrePrepare { names: vec![names[1], names[0], names[2]], ..good.clone() };
    assert!(matches!(verdict(exchanged), Err(MessageError::Block(BlockError::BodyMismatch { .. }))));
    let mut other = good.clone();
    other.header.time += 1;
    assert!(matches!(verdict(other), Err(MessageError::Inconsistent(_))), "the vote is for another block");
    let commit = resigned(&verifier, VoteKind::Commit, good.clone());
    assert!(matches!(verdict(commit), Err(MessageError::Inconsistent(_))), "a COMMIT proposes nothing");
    let mut unsigned = good;
    unsigned.vote.signature.0[5] ^= 1;
    assert_eq!(verdict(unsigned), Err(MessageError::Signature(1)));
}

/// With a vote of this kind for its header, by the primary.
fn resigned(verifier: &Verifier, kind: VoteKind, mut proposal: CompactPrePrepare) -> CompactPrePrepare {
    let ballot = Ballot { block: proposal.header.id(), ..proposal.vote.ballot };
    proposal.vote = vote(verifier, kind, ballot, 1);
    proposal
}

#[test]
fn checkpoints_are_where_they_may_be_and_signed_by_a_quorum() {
    let verifier = pbft();
    let network = verifier.set_of(Epoch(0)).unwrap().network;
    let good = snapshot(&verifier, &|_| {}).certificate.checkpoint;
    let voted = |checkpoint, signer: u16, number: u8| {
        judge(&verifier, Message::Checkpoint(CheckpointVote::sign(&network, checkpoint, signer, &key(number))))
    };
    assert_eq!(voted(good, 2, 3), Ok(()));
    assert_eq!(voted(good, 3, 3), Err(MessageError::Signature(3)));
    assert_eq!(voted(good, 4, 5), Err(MessageError::Signer(4)));
    for height in [0, 63, 65] {
        let elsewhere = Checkpoint { height: Height(height), ..good };
        assert!(matches!(voted(elsewhere, 2, 3), Err(MessageError::Inconsistent(_))), "height {height}");
    }
    let certified = |signers: &[u16]| judge(&verifier, Message::Checkpointed(sealed(&verifier, good, signers)));
    assert_eq!(certified(&[0, 1, 3]), Ok(()));
    for wrong in [&[0, 1][..], &[0, 1, 2, 3], &[0, 1, 1], &[1, 0, 2], &[]] {
        assert!(matches!(certified(wrong), Err(MessageError::Certificate(_))), "{wrong:?}");
    }
}

fn sealed(verifier: &Verifier, checkpoint: Checkpoint, signers: &[u16]) -> CheckpointCertificate {
    let network = verifier.set_of(Epoch(0)).unwrap().network;
    let seal = |signer: &u16| {
        let vote = CheckpointVote::sign(&network, checkpoint, *signer, &key(*signer as u8 + 1));
        Seal { signer: vote.signer, signature: vote.signature }
    };
    CheckpointCertificate { checkpoint, seals: signers.iter().map(seal).collect() }
}

/// Of a checkpoint, after a change; then certificates are made for what it says.
fn snapshot(verifier: &Verifier, change: &dyn Fn(&mut Snapshot)) -> Snapshot {
    let network = verifier.set_of(Epoch(0)).unwrap().network;
    let (block, buckets) = (empty_block(), BucketHashes::of(&Buckets::default()));
    let members = MemberList((1..=4).map(|number| key(number).public()).collect());
    let next = Opening { epoch: Epoch(0), members, readmitted: Vec::new() };
    let checkpoint = Checkpoint {
        incarnation: Incarnation(0),
        epoch: Epoch(0),
        height: Height(64),
        block: block.id(),
        coins: buckets.commitment(),
        next: next.hash(&network),
    };
    let ballot = Ballot { height: Height(64), ..ballot(&block) };
    let certificate = CheckpointCertificate { checkpoint, seals: Vec::new() };
    let commit = CommitCertificate { ballot, commits: Vec::new() };
    let mut snapshot = Snapshot { certificate, header: block.header, commit, buckets, next };
    change(&mut snapshot);
    snapshot.certificate = sealed(verifier, snapshot.certificate.checkpoint, &[0, 1, 2]);
    snapshot.commit.commits = seals(verifier, VoteKind::Commit, snapshot.commit.ballot, &[0, 2, 3]);
    snapshot
}

#[test]
fn a_snapshot_is_of_one_checkpoint_and_proved() {
    let verifier = pbft();
    let network = verifier.set_of(Epoch(0)).unwrap().network;
    let verdict = |snapshot: Snapshot| judge(&verifier, Message::Snapshot(Some(Box::new(snapshot))));
    let with = |change: &dyn Fn(&mut Snapshot)| verdict(snapshot(&verifier, change));
    let inconsistent = |change: &dyn Fn(&mut Snapshot)| matches!(with(change), Err(MessageError::Inconsistent(_)));
    assert_eq!(with(&|_| {}), Ok(()));
    assert_eq!(with(&|it| it.certificate.checkpoint.incarnation = Incarnation(1)), Ok(()), "certified before that");
    assert!(inconsistent(&|it| it.commit.ballot.incarnation = Incarnation(1)), "certified after that");
    assert!(inconsistent(&|it| it.commit.ballot.height = Height(65)));
    assert!(inconsistent(&|it| it.commit.ballot.block = BlockId([9; 32])));
    assert!(inconsistent(&|it| it.header.time += 1));
    assert!(inconsistent(&|it| it.certificate.checkpoint.coins = CoinCommitment([1; 32])), "other buckets");
    assert!(inconsistent(&|it| it.next.members.0.swap(0, 1)), "members in order");
    let opening = |it: &mut Snapshot, change: &dyn Fn(&mut Opening)| {
        change(&mut it.next);
        it.certificate.checkpoint.next = it.next.hash(&network);
    };
    assert_eq!(with(&|it| opening(it, &|next| next.epoch = Epoch(1))), Ok(()), "the next epoch's");
    assert!(inconsistent(&|it| opening(it, &|next| next.epoch = Epoch(2))), "not the one after it");
    assert!(inconsistent(&|it| opening(it, &|next| next.members.0.clear())), "without members");
    let spoilt = |change: fn(&mut Snapshot)| {
        let mut snapshot = snapshot(&verifier, &|_| {});
        change(&mut snapshot);
        verdict(snapshot)
    };
    assert!(matches!(spoilt(|it| it.certificate.seals.truncate(2)), Err(MessageError::Certificate(_))));
    assert!(matches!(spoilt(|it| it.commit.commits.truncate(2)), Err(MessageError::Certificate(_))));
    assert_eq!(spoilt(|it| it.commit.commits[1].signature.0[5] ^= 1), Err(MessageError::Signature(2)));
}

#[test]
fn a_view_change_has_its_limits() {
    let verifier = pbft();
    let net = verifier.set_of(Epoch(0)).unwrap().network;
    let verdict = |change: ViewChange| judge(&verifier, Message::ViewChange(change.signed(&net, &key(4))));
    let inconsistent = |change| matches!(verdict(change), Err(MessageError::Inconsistent(_)));
    let prepared = |count: u64| (6..6 + count).map(|height| prepared_block(&verifier, height)).collect();
    assert_eq!(verdict(ViewChange { prepared: prepared(4), ..view_of(&verifier, 2, 3) }), Ok(()));
    assert!(inconsistent(ViewChange { prepared: prepared(5), ..view_of(&verifier, 2, 3) }), "the window has four");
    let mut later = prepared_block(&verifier, 6);
    later.certificate.ballot.view = View(3);
    assert!(inconsistent(ViewChange { prepared: vec![later], ..view_of(&verifier, 2, 3) }), "of a view still to come");
    assert_eq!(verdict(view_of(&verifier, VIEW_MAX, 3)), Ok(()));
    assert!(inconsistent(view_of(&verifier, VIEW_MAX + 1, 3)), "none follows the last");
    let committed = |ballot: Ballot| {
        let commits = seals(&verifier, VoteKind::Commit, ballot, &[0, 1, 2]);
        Some(CommitCertificate { ballot, commits })
    };
    let of_block = ballot(&empty_block());
    let before = ViewChange { committed: committed(of_block), ..view_of(&verifier, 2, 3) };
    assert_eq!(verdict(ViewChange { incarnation: Incarnation(1), ..before }), Ok(()), "of a height that stayed");
    for ballot in [Ballot { incarnation: Incarnation(1), ..of_block }, Ballot { epoch: Epoch(1), ..of_block }] {
        let later = ViewChange { committed: committed(ballot), ..view_of(&verifier, 2, 3) };
        assert!(inconsistent(later), "{ballot:?}");
    }
}
