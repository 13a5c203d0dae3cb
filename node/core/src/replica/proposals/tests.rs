//! Putting proposals together: at once, by what comes later, by what is asked for; and what a liar can fill.

use super::*;
use crate::testing::{allocation, key, pbft_genesis, signed};
use bezant_consensus::ledger::block::{Block, Header};
use bezant_consensus::ledger::genesis::Genesis;
use bezant_consensus::ledger::hash::MerkleRoot;
use bezant_consensus::ledger::transaction::{Body, Coinbase};
use bezant_consensus::ledger::units::{Epoch, Incarnation, View};
use bezant_consensus::message::{Ballot, PrePrepare, Vote, VoteKind};
use bezant_consensus::verify::{Unpacked, Verifier};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use std::sync::Arc;

const NOW: Time = Time(5_000);

fn proposal(genesis: &Genesis, height: u64, transactions: &[Transaction]) -> PrePrepare {
    let coinbase = Coinbase { height: Height(height), extra: Vec::new(), outputs: Vec::new() };
    let coinbase = Transaction::new(Body::Coinbase(coinbase), Vec::new());
    let header =
        Header { version: 1, parent: BlockId([7; 32]), merkle_root: MerkleRoot::default(), time: 1, bits: 0, nonce: 0 };
    let mut block = Block { header, transactions: std::iter::once(coinbase).chain(transactions.to_vec()).collect() };
    block.header.merkle_root = block.merkle_root();
    let (incarnation, epoch, view) = (Incarnation(0), Epoch(0), View(0));
    let ballot = Ballot { incarnation, epoch, view, height: Height(height), block: block.id() };
    let vote = Vote::sign(&genesis.network_id(), VoteKind::PrePrepare, ballot, 0, &key(0));
    PrePrepare { vote, block }
}

struct Bench {
    genesis: Arc<Genesis>,
    verifier: Verifier,
    transactions: Vec<Transaction>,
}

impl Bench {
    fn new(count: usize) -> Bench {
        let genesis = Arc::new(pbft_genesis(4));
        let transactions = (0..count).map(|n| signed(&genesis, &allocation(&genesis, n as u32), &[1_000])).collect();
        Bench { verifier: Verifier::new(genesis.clone()), genesis, transactions }
    }

    fn named(&self, height: u64, count: usize) -> (PrePrepare, Verified<CompactPrePrepare>) {
        let whole = proposal(&self.genesis, height, &self.transactions[..count]);
        let message = compact(Message::PrePrepare(whole.clone()), 0);
        assert_eq!(message.name(), "compact-pre-prepare");
        let rng = ChaCha8Rng::from_seed([1; 32]);
        let verified = self.verifier.message(message, &|_| false, rng).expect("it is right");
        let Unpacked::Proposal(named) = verified.unpack() else { panic!("it is a proposal") };
        (whole, named)
    }

    /// A mempool that has these.
    fn held(&self, places: &[usize]) -> impl Fn(&TxHash) -> Option<Transaction> {
        let held: Vec<Transaction> = places.iter().map(|place| self.transactions[*place].clone()).collect();
        move |name| held.iter().find(|it| it.hash() == *name).cloned()
    }

    fn learn(&self, proposals: &mut Proposals, place: usize) -> Vec<Ready> {
        proposals.learn(&self.transactions[place])
    }

    fn whole(&self, ready: Ready) -> PrePrepare {
        let message = ready.proposal.complete(ready.transactions, self.genesis.ledger.block_bytes_max);
        match message.expect("it is small enough").into_inner() {
            Message::PrePrepare(whole) => whole,
            other => panic!("{} is no proposal", other.name()),
        }
    }
}

fn places(asked: &[(Peer, Message)]) -> Vec<(u64, Vec<u16>)> {
    let place = |(peer, message): &(Peer, Message)| match message {
        Message::GetTransactions(wanted) => (peer.0, wanted.places.clone()),
        other => panic!("{} asks for no transactions", other.name()),
    };
    asked.iter().map(place).collect()
}

#[test]
fn what_is_here_makes_the_proposal_at_once() {
    let bench = Bench::new(5);
    let (whole, named) = bench.named(1, 5);
    let mut proposals = Proposals::default();
    let ready = proposals.came(NOW, Time(4_000), Peer(3), named, bench.held(&[4, 3, 2, 1, 0])).expect("all is here");
    assert_eq!((ready.from, ready.since), (Peer(3), Time(4_000)));
    assert_eq!(bench.whole(ready), whole);
    assert!(proposals.is_empty() && proposals.deadline().is_none());
}

#[test]
fn small_proposals_and_other_messages_stay_as_they_are() {
    let bench = Bench::new(3);
    let whole = Message::PrePrepare(proposal(&bench.genesis, 1, &bench.transactions));
    assert_eq!(compact(whole.clone(), 3), whole);
    assert_ne!(compact(whole.clone(), 2), whole);
    let alone = Message::Transaction(bench.transactions[0].clone());
    assert_eq!(compact(alone.clone(), 0), alone);
}

#[test]
fn what_comes_later_completes_every_proposal_that_names_it() {
    let bench = Bench::new(4);
    let ((first, first_named), (second, second_named)) = (bench.named(1, 4), bench.named(2, 3));
    let mut proposals = Proposals::default();
    assert!(proposals.came(NOW, NOW, Peer(1), first_named, bench.held(&[1, 3])).is_none());
    assert!(proposals.came(NOW, NOW, Peer(1), second_named, bench.held(&[0, 1])).is_none());
    assert!(bench.learn(&mut proposals, 3).is_empty(), "not missing");
    let ready = bench.learn(&mut proposals, 2);
    assert_eq!(ready.into_iter().map(|it| bench.whole(it)).collect::<Vec<_>>(), [second]);
    let ready = bench.learn(&mut proposals, 0);
    assert_eq!(ready.into_iter().map(|it| bench.whole(it)).collect::<Vec<_>>(), [first]);
    assert!(proposals.is_empty() && proposals.wanted.is_empty());
}

#[test]
fn what_does_not_come_is_asked_for_again_and_again() {
    let bench = Bench::new(4);
    let (whole, named) = bench.named(1, 4);
    let mut proposals = Proposals::default();
    assert!(proposals.came(NOW, NOW, Peer(1), named.clone(), bench.held(&[1])).is_none());
    assert!(proposals.ask(NOW, Height(0)).is_empty(), "it may be on its way");
    let due = NOW.plus_ms(FETCH_PAUSE_MS);
    assert_eq!(proposals.deadline(), Some(due));
    assert_eq!(places(&proposals.ask(due, Height(0))), [(1, vec![1, 3, 4])]);
    assert!(proposals.ask(due, Height(0)).is_empty());
    // Another member sends it again: the next to be asked.
    assert!(proposals.came(due, due, Peer(2), named, bench.held(&[])).is_none());
    bench.learn(&mut proposals, 3);
    let again = due.plus_ms(FETCH_AGAIN_MS);
    assert_eq!(places(&proposals.ask(again, Height(0))), [(2, vec![1, 3])]);
    let answer = |transactions| BlockTransactions { block: whole.block.id(), transactions };
    assert!(proposals.answered(answer(Vec::new())).is_empty());
    let other = BlockTransactions { block: BlockId([9; 32]), transactions: bench.transactions.clone() };
    assert!(proposals.answered(other).is_empty(), "not what was asked for");
    let ready = proposals.answered(answer(vec![bench.transactions[2].clone(), bench.transactions[0].clone()]));
    assert_eq!(ready.into_iter().map(|it| bench.whole(it)).collect::<Vec<_>>(), [whole]);
}

#[test]
fn what_is_over_is_forgotten() {
    let bench = Bench::new(2);
    let mut proposals = Proposals::default();
    for height in 1..=2 {
        assert!(proposals.came(NOW, NOW, Peer(1), bench.named(height, 2).1, bench.held(&[])).is_none());
    }
    let due = NOW.plus_ms(FETCH_PAUSE_MS);
    assert_eq!(proposals.ask(due, Height(1)).len(), 1);
    assert!(proposals.ask(due.plus_ms(FETCH_AGAIN_MS), Height(2)).is_empty());
    assert!(proposals.is_empty() && proposals.wanted.is_empty());
}

#[test]
fn a_member_fills_its_own_room_only() {
    let bench = Bench::new(2);
    let mut proposals = Proposals::default();
    let (_, named) = bench.named(1, 2);
    assert!(proposals.came(NOW, NOW, Peer(1), named, bench.held(&[])).is_none());
    let mut honest = bench.named(2, 2).1.into_inner();
    honest.vote.signer = 1;
    // Names that stand for a block as large as can be, from the first member and again.
    let names = vec![TxHash([1; 32]); NAMES_PER_MEMBER_MAX / 2];
    let mut large = bench.named(3, 2).1.into_inner();
    large.names = names;
    proposals.make_room(&large);
    assert_eq!(proposals.open.len(), 1, "both fit");
    large.names.extend(vec![TxHash([2; 32]); NAMES_PER_MEMBER_MAX / 2]);
    honest.names.clone_from(&large.names);
    proposals.make_room(&honest);
    assert_eq!(proposals.open.len(), 1, "of another member");
    proposals.make_room(&large);
    assert!(proposals.is_empty() && proposals.wanted.is_empty());
}

#[test]
fn however_few_they_name_only_so_many_proposals_of_a_member_wait() {
    let bench = Bench::new(1);
    let mut proposals = Proposals::default();
    let heights = 1..=PROPOSALS_PER_MEMBER_MAX as u64 + 3;
    for height in heights {
        assert!(proposals.came(NOW, NOW, Peer(1), bench.named(height, 1).1, bench.held(&[])).is_none());
    }
    assert_eq!(proposals.open.len(), PROPOSALS_PER_MEMBER_MAX);
    let lowest = proposals.open.values().map(|open| open.proposal.get().vote.ballot.height).min();
    assert_eq!(lowest, Some(Height(4)), "the oldest gave way");
    assert_eq!(proposals.wanted.values().map(Vec::len).sum::<usize>(), PROPOSALS_PER_MEMBER_MAX);
}

#[test]
fn names_that_do_not_make_the_header_are_refused() {
    let bench = Bench::new(3);
    let refused = |change: &dyn Fn(&mut CompactPrePrepare)| {
        let (_, named) = bench.named(1, 3);
        let mut named = named.into_inner();
        change(&mut named);
        let rng = ChaCha8Rng::from_seed([1; 32]);
        let verdict = bench.verifier.message(Message::CompactPrePrepare(named), &|_| false, rng);
        verdict.expect_err("it is wrong").is_fault()
    };
    assert!(refused(&|named| named.names.swap(0, 1)));
    assert!(refused(&|named| named.names.truncate(2)));
    // The same root as three, by an equal pair.
    assert!(refused(&|named| named.names.push(named.names[2])));
    assert!(refused(&|named| named.coinbase = bench.transactions[0].clone()));
    assert!(refused(&|named| named.vote.signer = 1));
    assert!(refused(&|named| named.vote.kind = VoteKind::Prepare));
    assert!(refused(&|named| named.header.time += 1));
}
