//! What each mode makes of each message. The member that lies is number 0 of four, which is the primary of view 0.

use super::forge::twins_of;
use super::{Liar, Mode, ModeError, Outgoing, RECENT_MAX, REMEMBERED_MAX, Target};
use crate::io::{Input, Output};
use crate::replica::{Replica, ReplicaConfig};
use crate::testing::{GenesisStore, allocation, engine_config, key, pbft_genesis, signed};
use bezant_consensus::chain::Base;
use bezant_consensus::engine::{Peer, To};
use bezant_consensus::ledger::block::Block;
use bezant_consensus::ledger::codec::{decode, encode};
use bezant_consensus::ledger::genesis::Genesis;
use bezant_consensus::ledger::hash::BlockId;
use bezant_consensus::ledger::key::Signature;
use bezant_consensus::ledger::transaction::Transaction;
use bezant_consensus::ledger::units::{Epoch, Height, Incarnation, Time, View};
use bezant_consensus::limits::VIEW_MAX;
use bezant_consensus::message::{
    Ballot, CertifiedBlock, CertifiedBlocks, CommitCertificate, Evidence, Message, NewView, PrePrepare, PreparedBlock,
    PreparedCertificate, Seal, TipInfo, ViewChange, Vote, VoteKind,
};
use bezant_consensus::pbft::SPACING_ALONE_MS;
use bezant_consensus::verify::{MessageError, Verifier};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use std::collections::BTreeSet;
use std::sync::Arc;

const NOW: Time = Time(2_000_000);
/// Of the tests' genesis.
const VIEW_TIMEOUT_MS: u64 = 2_000;

struct World {
    genesis: Arc<Genesis>,
    verifier: Verifier,
}

impl World {
    fn new(members: u8) -> World {
        let genesis = Arc::new(pbft_genesis(members));
        World { verifier: Verifier::new(genesis.clone()), genesis }
    }

    fn liar(&self, mode: Mode, me: u16, seed: u64) -> Liar {
        Liar::new(mode, key(me as u8), self.genesis.validator_set(), me, VIEW_TIMEOUT_MS, seed)
    }

    fn ballot(&self, view: u64, height: u64, block: BlockId) -> Ballot {
        Ballot { incarnation: Incarnation(0), epoch: Epoch(0), view: View(view), height: Height(height), block }
    }

    fn vote(&self, me: u16, kind: VoteKind, view: u64, height: u64) -> Vote {
        let ballot = self.ballot(view, height, BlockId([height as u8; 32]));
        Vote::sign(&self.genesis.network_id(), kind, ballot, me, &key(me as u8))
    }

    /// A block above genesis with these, as member 0 proposes it.
    fn block(&self, transactions: &[Transaction]) -> Block {
        let mut block = crate::testing::block(1, transactions);
        block.header.parent = self.genesis.block().id();
        block
    }

    fn proposal(&self) -> PrePrepare {
        let block = self.block(&[signed(&self.genesis, &allocation(&self.genesis, 0), &[600_000, 399_990])]);
        let ballot = self.ballot(0, 1, block.id());
        let vote = Vote::sign(&self.genesis.network_id(), VoteKind::PrePrepare, ballot, 0, &key(0));
        PrePrepare { vote, block }
    }

    fn certified(&self) -> CertifiedBlocks {
        let block = self.block(&[]);
        let ballot = self.ballot(0, 1, block.id());
        let commits = (0..3).map(|signer| self.seal(VoteKind::Commit, ballot, signer)).collect();
        let certificate = CommitCertificate { ballot, commits };
        CertifiedBlocks(vec![CertifiedBlock { block, certificate }])
    }

    fn seal(&self, kind: VoteKind, ballot: Ballot, signer: u16) -> Seal {
        let vote = Vote::sign(&self.genesis.network_id(), kind, ballot, signer, &key(signer as u8));
        Seal { signer, signature: vote.signature }
    }

    /// Of a member that holds the commit certificate of height 1 and is prepared on height 2, both in view 0.
    fn view_change(&self, signer: u16, view: u64) -> ViewChange {
        let mut header = self.block(&[]).header;
        header.parent = header.id();
        let ballot = self.ballot(0, 2, header.id());
        let prepares = (1..3).map(|signer| self.seal(VoteKind::Prepare, ballot, signer)).collect();
        let pre_prepare = self.seal(VoteKind::PrePrepare, ballot, 0);
        let certificate = PreparedCertificate { ballot, pre_prepare, prepares };
        ViewChange {
            incarnation: Incarnation(0),
            epoch: Epoch(0),
            view: View(view),
            committed: self.certified().0.pop().map(|certified| certified.certificate),
            prepared: vec![PreparedBlock { header, certificate }],
            signer,
            signature: Signature([0; 64]),
        }
        .signed(&self.genesis.network_id(), &key(signer as u8))
    }

    /// Of member 0, for view 4.
    fn new_view(&self) -> NewView {
        NewView {
            incarnation: Incarnation(0),
            epoch: Epoch(0),
            view: View(4),
            changes: (0..3).map(|signer| self.view_change(signer, 4)).collect(),
            signer: 0,
            signature: Signature([0; 64]),
        }
        .signed(&self.genesis.network_id(), &key(0))
    }

    fn evidence(&self) -> Evidence {
        let first = self.vote(2, VoteKind::Commit, 0, 1);
        let ballot = Ballot { block: BlockId([9; 32]), ..first.ballot };
        Evidence { first, second: Vote::sign(&self.genesis.network_id(), first.kind, ballot, 2, &key(2)) }
    }

    fn verdict(&self, message: &Message) -> Result<(), MessageError> {
        let rng = ChaCha8Rng::from_seed([1; 32]);
        self.verifier.message(message.clone(), &|_| false, rng).map(drop)
    }

    /// One of each kind that a member sends.
    fn examples(&self) -> Vec<Message> {
        vec![
            Message::PrePrepare(self.proposal()),
            Message::Vote(self.vote(0, VoteKind::Commit, 0, 1)),
            Message::Vote(self.vote(0, VoteKind::Prepare, 3, 5)),
            Message::ViewChange(self.view_change(0, 4)),
            Message::NewView(self.new_view()),
            Message::Evidence(self.evidence()),
            Message::Certified(self.certified()),
            Message::GetCertified { from: Height(1), count: 2 },
            Message::Tip(tip()),
            Message::Transaction(signed(&self.genesis, &allocation(&self.genesis, 1), &[999_990])),
        ]
    }
}

fn tip() -> TipInfo {
    TipInfo {
        height: Height(3),
        id: BlockId([3; 32]),
        final_height: Height(3),
        work: Default::default(),
        stable: Height(0),
        epoch: Epoch(0),
    }
}

fn passes(liar: &mut Liar, to: To, message: &Message) {
    assert_eq!(liar.outgoing(NOW, to, message.clone()), [(NOW, to, message.clone())], "{}", liar.mode());
}

fn one(said: Vec<Outgoing>) -> Message {
    let [(_, _, message)] = &said[..] else { panic!("one message was expected, not {said:?}") };
    message.clone()
}

#[test]
fn names_are_read_back() {
    for mode in Mode::ALL {
        assert_eq!(mode.to_string().parse(), Ok(mode));
        assert_eq!(mode.takes_target(), mode == Mode::Censor);
    }
    assert_eq!("honest".parse::<Mode>(), Err(ModeError("honest".to_owned())));
    assert!(ModeError("x".to_owned()).to_string().ends_with("lie-checkpoint, mutate"));
}

#[test]
fn what_others_signed_and_what_nobody_signs_passes() {
    let world = World::new(4);
    let others = Message::Vote(world.vote(1, VoteKind::Commit, 0, 1));
    let payment = Message::Transaction(signed(&world.genesis, &allocation(&world.genesis, 1), &[999_990]));
    let change = Message::ViewChange(world.view_change(1, 4));
    let unsigned = [payment, Message::Tip(tip()), Message::GetCertified { from: Height(1), count: 2 }];
    for mode in Mode::ALL.into_iter().filter(|mode| !matches!(mode, Mode::Silent | Mode::Mutate)) {
        for message in [&others, &change, &Message::Evidence(world.evidence())] {
            passes(&mut world.liar(mode, 0, 1), To::Members, message);
        }
        for message in &unsigned {
            passes(&mut world.liar(mode, 0, 1), To::Peer(Peer(1)), message);
        }
        // Before a member knows more, the NEW-VIEW of another is passed on to a peer that is behind.
        passes(&mut world.liar(mode, 3, 1), To::Peer(Peer(1)), &Message::NewView(world.new_view()));
    }
}

#[test]
fn silent_says_nothing() {
    let world = World::new(4);
    for message in world.examples() {
        assert!(world.liar(Mode::Silent, 0, 1).outgoing(NOW, To::All, message).is_empty());
    }
}

#[test]
fn a_censor_and_a_liar_about_checkpoints_say_what_is_true() {
    let world = World::new(4);
    for mode in [Mode::Censor, Mode::LieCheckpoint] {
        for message in world.examples() {
            passes(&mut world.liar(mode, 0, 1), To::Members, &message);
        }
    }
}

#[test]
fn an_equivocating_primary_tells_two_halves_two_valid_blocks_and_commits_to_both() {
    for members in [4, 5, 6, 7, 10] {
        let world = World::new(members);
        let proposal = world.proposal();
        for seed in 0..8 {
            let mut liar = world.liar(Mode::Equivocate, 0, seed);
            let said = liar.outgoing(NOW, To::Members, Message::PrePrepare(proposal.clone()));
            let mut heard = BTreeSet::new();
            let mut blocks = BTreeSet::new();
            for (at, to, message) in &said {
                assert_eq!((*at, world.verdict(message)), (NOW, Ok(())));
                let To::Member(member) = to else { panic!("to single members, not {to:?}") };
                let (kind, ballot) = match message {
                    Message::PrePrepare(told) => (told.vote.kind, told.vote.ballot),
                    Message::Vote(vote) => (vote.kind, vote.ballot),
                    other => panic!("{other:?}"),
                };
                assert!(heard.insert((*member, kind, ballot.block)), "nothing twice");
                blocks.insert(ballot.block);
                assert_eq!(ballot, Ballot { block: ballot.block, ..proposal.vote.ballot });
            }
            assert_eq!(blocks.len(), 2);
            let half = |block: &BlockId, kind| {
                heard.iter().filter(|(_, its, told)| (its, told) == (&kind, block)).map(|(m, _, _)| *m).collect()
            };
            let halves: Vec<BTreeSet<u16>> = blocks.iter().map(|block| half(block, VoteKind::PrePrepare)).collect();
            let commits: Vec<BTreeSet<u16>> = blocks.iter().map(|block| half(block, VoteKind::Commit)).collect();
            assert_eq!(halves, commits, "each half gets the vote for its own block");
            assert!(halves[0].is_disjoint(&halves[1]) && halves.iter().all(|half| !half.is_empty()));
            assert!(halves[0].len().abs_diff(halves[1].len()) <= 2, "{halves:?}");
            let all: BTreeSet<u16> = halves.iter().flatten().copied().collect();
            assert_eq!(all, (1..u16::from(members)).collect());
        }
    }
}

#[test]
fn an_equivocating_primary_keeps_to_its_two_stories() {
    let world = World::new(4);
    let proposal = world.proposal();
    let mut liar = world.liar(Mode::Equivocate, 0, 3);
    let told = liar.outgoing(NOW, To::Members, Message::PrePrepare(proposal.clone()));
    let commit = Vote::sign(&world.genesis.network_id(), VoteKind::Commit, proposal.vote.ballot, 0, &key(0));
    let later = liar.outgoing(NOW, To::Members, Message::Vote(commit));
    for (_, to, message) in later {
        assert!(told.contains(&(NOW, to, message)), "the later commit is the one that came with the proposal");
    }
    let again = liar.outgoing(NOW, To::Members, Message::PrePrepare(proposal.clone()));
    assert_eq!(again, told, "sent again, byte for byte");
    let block = |said: &[Outgoing]| match said {
        [(_, _, Message::Vote(_)), (_, _, Message::PrePrepare(told))] => told.block.id(),
        other => panic!("{other:?}"),
    };
    let even = liar.outgoing(NOW, To::Peer(Peer(2)), Message::PrePrepare(proposal.clone()));
    let odd = liar.outgoing(NOW, To::Peer(Peer(3)), Message::PrePrepare(proposal.clone()));
    assert_eq!(block(&even), proposal.block.id());
    assert_ne!(block(&odd), proposal.block.id());
}

#[test]
fn a_block_and_its_twin_are_valid_and_each_others_twins() {
    let world = World::new(4);
    for extra in 0..90 {
        let mut proposal = world.proposal();
        if let bezant_consensus::ledger::transaction::Body::Coinbase(coinbase) =
            proposal.block.transactions[0].body_mut()
        {
            coinbase.extra = vec![7; extra];
        }
        proposal.block.header.merkle_root = proposal.block.merkle_root();
        // A coinbase of 64 bytes is valid nowhere.
        if proposal.block.transactions[0].bytes() == 64 {
            continue;
        }
        let (plain, marked) = twins_of(&proposal.block);
        assert_ne!(plain.id(), marked.id());
        assert_eq!(twins_of(&marked), (plain.clone(), marked.clone()), "{extra} bytes of free data");
        assert_eq!(twins_of(&plain), (plain.clone(), marked.clone()), "{extra} bytes of free data");
        for block in [plain, marked] {
            let told = world.liar(Mode::Equivocate, 0, 1).forger.proposal_of(&proposal, block);
            assert_eq!(world.verdict(&Message::PrePrepare(told)), Ok(()), "{extra} bytes of free data");
        }
    }
}

/// Two of four fork the others: each gets a prepared and a commit certificate of its own.
#[test]
fn liars_with_one_seed_tell_the_same_two_stories() {
    let world = World::new(4);
    let proposal = world.proposal();
    for seed in 0..32 {
        let (mut primary, mut backup) = (world.liar(Mode::Equivocate, 0, seed), world.liar(Mode::Equivocate, 1, seed));
        assert_eq!(primary.second_half, backup.second_half);
        let said = primary.outgoing(NOW, To::Members, Message::PrePrepare(proposal.clone()));
        let told = |member: u16| {
            let of = |outgoing: &Outgoing| match outgoing {
                (_, To::Member(to), Message::PrePrepare(told)) if *to == member => Some(told.clone()),
                _ => None,
            };
            said.iter().find_map(of).expect("every member hears a proposal")
        };
        backup.heard(&Message::PrePrepare(told(1)));
        let own = Vote::sign(&world.genesis.network_id(), VoteKind::Prepare, told(1).vote.ballot, 1, &key(1));
        let votes = backup.outgoing(NOW, To::Members, Message::Vote(own));
        for member in [2, 3] {
            let vote = votes.iter().find(|(_, to, _)| *to == To::Member(member)).expect("every member hears a vote");
            let Message::Vote(vote) = &vote.2 else { panic!("{vote:?}") };
            assert_eq!(vote.ballot, told(member).vote.ballot, "seed {seed}: the vote fits the proposal");
        }
    }
}

#[test]
fn an_equivocating_backup_votes_for_two_blocks() {
    let world = World::new(4);
    let vote = world.vote(2, VoteKind::Prepare, 0, 5);
    let mut liar = world.liar(Mode::Equivocate, 2, 1);
    let said = liar.outgoing(NOW, To::Members, Message::Vote(vote));
    let blocks: BTreeSet<BlockId> = said
        .iter()
        .map(|(_, _, message)| {
            assert_eq!(world.verdict(message), Ok(()));
            match message {
                Message::Vote(told) => told.ballot.block,
                other => panic!("{other:?}"),
            }
        })
        .collect();
    assert_eq!((said.len(), blocks.len()), (3, 2));
    assert!(blocks.contains(&vote.ballot.block));
    assert_eq!(liar.outgoing(NOW, To::Members, Message::Vote(vote)), said, "the same when sent again");
}

#[test]
fn an_equivocator_leaves_a_view_in_two_ways_and_begins_one_in_two_ways() {
    let world = World::new(4);
    for message in [Message::ViewChange(world.view_change(0, 4)), Message::NewView(world.new_view())] {
        assert_eq!(world.verdict(&message), Ok(()));
        let mut liar = world.liar(Mode::Equivocate, 0, 1);
        let said = liar.outgoing(NOW, To::Members, message.clone());
        let told: BTreeSet<Vec<u8>> = said.iter().map(|(_, _, message)| encode(message)).collect();
        assert_eq!((said.len(), told.len()), (3, 2));
        assert!(told.contains(&encode(&message)));
        assert!(said.iter().all(|(_, _, message)| world.verdict(message).is_ok()), "each is good in itself");
    }
    let mut bare = world.view_change(0, 4);
    super::forge::strip(&mut bare);
    let bare = bare.signed(&world.genesis.network_id(), &key(0));
    passes(&mut world.liar(Mode::Equivocate, 0, 1), To::Members, &Message::ViewChange(bare));
}

#[test]
fn delay_holds_a_proposal_once_and_nothing_else() {
    let world = World::new(4);
    let proposal = Message::PrePrepare(world.proposal());
    let mut liar = world.liar(Mode::Delay, 0, 1);
    let until = NOW.plus_ms(1_800);
    assert_eq!(liar.outgoing(NOW, To::Members, proposal.clone()), [(until, To::Members, proposal.clone())]);
    let later = NOW.plus_ms(1_000);
    assert_eq!(liar.outgoing(later, To::Members, proposal.clone()), [(until, To::Members, proposal.clone())]);
    let after = NOW.plus_ms(2_500);
    assert_eq!(liar.outgoing(after, To::Members, proposal.clone()), [(after, To::Members, proposal)]);
    passes(&mut liar, To::Members, &Message::Vote(world.vote(0, VoteKind::Commit, 0, 1)));
    let begin = Message::NewView(world.new_view());
    assert_eq!(liar.outgoing(NOW, To::Members, begin.clone()), [(until, To::Members, begin)]);
}

#[test]
fn bad_digests_are_signed_but_name_nothing() {
    let world = World::new(4);
    let mut liar = world.liar(Mode::BadDigest, 0, 1);
    let Message::PrePrepare(told) = one(liar.outgoing(NOW, To::Members, Message::PrePrepare(world.proposal()))) else {
        panic!("a proposal stays a proposal")
    };
    assert_eq!(told.vote.ballot.block, told.block.id(), "vote and header agree");
    assert_ne!(told.block.header.merkle_root, told.block.merkle_root(), "header and body do not");
    assert!(matches!(world.verdict(&Message::PrePrepare(told)), Err(MessageError::Block(_))));
    let vote = world.vote(0, VoteKind::Commit, 0, 1);
    let message = one(liar.outgoing(NOW, To::Members, Message::Vote(vote)));
    assert_eq!(world.verdict(&message), Ok(()), "nobody sees it by the vote alone");
    let Message::Vote(told) = message else { panic!("a vote stays a vote") };
    assert_eq!((told.kind, told.ballot.height, told.signer), (vote.kind, vote.ballot.height, vote.signer));
    assert_ne!(told.ballot.block, vote.ballot.block);
    let change = one(liar.outgoing(NOW, To::Members, Message::ViewChange(world.view_change(0, 4))));
    assert!(matches!(world.verdict(&change), Err(MessageError::Inconsistent(_))));
}

#[test]
fn bad_signatures_are_seen() {
    let world = World::new(4);
    for seed in 0..32 {
        let mut liar = world.liar(Mode::BadSignature, 0, seed);
        let vote = Message::Vote(world.vote(0, VoteKind::Commit, 0, 1));
        let change = Message::ViewChange(world.view_change(0, 4));
        for message in [Message::PrePrepare(world.proposal()), vote, change, Message::NewView(world.new_view())] {
            let told = one(liar.outgoing(NOW, To::Members, message.clone()));
            assert_eq!(world.verdict(&message), Ok(()));
            assert_eq!(world.verdict(&told), Err(MessageError::Signature(0)), "seed {seed}");
        }
    }
}

#[test]
fn stale_views_are_below_and_old_messages_are_exact() {
    let world = World::new(4);
    let mut liar = world.liar(Mode::StaleView, 0, 1);
    let mut told_before = Vec::new();
    let mut repeated = 0;
    for height in 1..200 {
        let vote = world.vote(0, VoteKind::Prepare, 3, height);
        let said = liar.outgoing(NOW, To::Members, Message::Vote(vote));
        let (_, _, Message::Vote(first)) = &said[0] else { panic!("{said:?}") };
        assert!(first.ballot.view < View(3) && first.ballot.height == Height(height));
        if let Some((_, _, old)) = said.get(1) {
            assert!(told_before.contains(old));
            repeated += 1;
        }
        told_before.push(Message::Vote(vote));
        assert!(liar.recent.len() <= RECENT_MAX);
    }
    assert!((50..150).contains(&repeated), "{repeated}");
    let first = Message::Vote(world.vote(0, VoteKind::Commit, 0, 1));
    passes(&mut world.liar(Mode::StaleView, 0, 1), To::Members, &first);
    let mut views = BTreeSet::new();
    for seed in 0..32 {
        let message = Message::ViewChange(world.view_change(0, 4));
        let told = one(world.liar(Mode::StaleView, 0, seed).outgoing(NOW, To::Members, message));
        assert_eq!(world.verdict(&told), Ok(()), "old, but good in itself");
        let Message::ViewChange(told) = told else { panic!("{told:?}") };
        views.insert(told.view.0);
    }
    assert_eq!(views, BTreeSet::from([1, 2, 3]));
    passes(&mut world.liar(Mode::StaleView, 0, 1), To::Members, &Message::ViewChange(world.view_change(0, 1)));
}

#[test]
fn huge_views_are_said_beside_the_truth() {
    let world = World::new(4);
    let mut liar = world.liar(Mode::HugeView, 0, 1);
    let vote = world.vote(0, VoteKind::Commit, 0, 1);
    let said = liar.outgoing(NOW, To::Members, Message::Vote(vote));
    let [(_, _, truth), (_, _, Message::Vote(huge))] = &said[..] else { panic!("{said:?}") };
    assert_eq!(*truth, Message::Vote(vote));
    assert!(huge.ballot.view.0 > VIEW_MAX - 4);
    assert_eq!(world.verdict(&Message::Vote(*huge)), Ok(()), "its signature is right");
    let left = one(liar.outgoing(NOW, To::Members, Message::ViewChange(world.view_change(0, 1))));
    let said = liar.outgoing(NOW, To::All, Message::Tip(tip()));
    let [(_, To::All, Message::Tip(_)), (_, To::Members, unfounded)] = &said[..] else { panic!("{said:?}") };
    for change in [&left, unfounded] {
        assert_eq!(world.verdict(change), Ok(()));
        assert!(matches!(change, Message::ViewChange(change) if change.view.0 > VIEW_MAX - 4));
    }
}

#[test]
fn empty_proofs_prove_nothing() {
    let world = World::new(4);
    let message = Message::Certified(world.certified());
    assert_eq!(world.verdict(&message), Ok(()));
    let cut = |error| matches!(error, Err(MessageError::Certificate(_)));
    let (mut bare, mut short) = (0, 0);
    for seed in 0..64 {
        let mut liar = world.liar(Mode::EmptyProofs, 0, seed);
        let told = one(liar.outgoing(NOW, To::Peer(Peer(1)), message.clone()));
        assert_eq!(world.verdict(&told), Err(MessageError::Certificate("not exactly q commits")));
        for message in [Message::ViewChange(world.view_change(0, 4)), Message::NewView(world.new_view())] {
            let mut told = one(liar.outgoing(NOW, To::Members, message));
            let verdict = world.verdict(&told);
            let own = liar.forger.own_change(&mut told);
            match own {
                Some(own) if verdict.is_ok() => {
                    assert!(own.committed.is_none() && own.prepared.is_empty(), "what passes proves nothing");
                    bare += 1;
                }
                Some(_) | None => {
                    assert!(cut(verdict));
                    short += 1;
                }
            }
        }
    }
    assert!(bare > 10 && short > 10, "{bare} without proofs, {short} with proofs cut short");
}

#[test]
fn mutations_are_many_decodable_and_repeatable() {
    let world = World::new(4);
    let examples = world.examples();
    let run = |seed: u64| -> Vec<Outgoing> {
        let mut liar = world.liar(Mode::Mutate, 0, seed);
        (0..1_000).flat_map(|turn| liar.outgoing(NOW, To::Members, examples[turn % examples.len()].clone())).collect()
    };
    let said = run(1);
    assert_eq!(said, run(1), "the seed decides");
    assert_ne!(said, run(2));
    let (mut valid, mut invalid) = (BTreeSet::new(), BTreeSet::new());
    for (_, _, message) in &said {
        let bytes = encode(message);
        assert_eq!(decode::<Message>(&bytes).as_ref(), Ok(message), "it travels like any other");
        if !examples.contains(message) {
            if world.verdict(message).is_ok() {
                valid.insert(bytes)
            } else {
                invalid.insert(bytes)
            };
        }
    }
    assert!(valid.len() > 10 && invalid.len() > 50, "{} valid, {} invalid", valid.len(), invalid.len());
}

/// What each mutation leaves of its message, signed anew or not.
#[test]
fn every_mutation_occurs() {
    let world = World::new(4);
    let examples = world.examples();
    let mut liar = world.liar(Mode::Mutate, 0, 3);
    let turns = 0..4_000;
    let said: Vec<Message> = turns
        .flat_map(|turn| liar.outgoing(NOW, To::Members, examples[turn % examples.len()].clone()))
        .map(|(_, _, message)| message)
        .collect();
    let is_twice = |seals: &[Seal]| seals.windows(2).any(|pair| pair[0].signer == pair[1].signer);
    let (change, new_view) = (world.view_change(0, 4), world.new_view());
    let vote = |wanted: &dyn Fn(&Vote) -> bool| {
        said.iter().any(|message| matches!(message, Message::Vote(vote) if vote.signer == 0 && wanted(vote)))
    };
    let changed = |wanted: &dyn Fn(&ViewChange) -> bool| {
        said.iter().any(|message| matches!(message, Message::ViewChange(change) if wanted(change)))
    };
    let new = |wanted: &dyn Fn(&NewView) -> bool| {
        said.iter().any(|message| matches!(message, Message::NewView(new_view) if wanted(new_view)))
    };
    let certified = |wanted: &dyn Fn(&[Seal]) -> bool| {
        let wanted = |message: &Message| match message {
            Message::Certified(blocks) => blocks.0.iter().any(|it| wanted(&it.certificate.commits)),
            _ => false,
        };
        said.iter().any(wanted)
    };
    let is_valid = |message: Message| world.verdict(&message).is_ok();
    // Of the votes among the examples, one is of view 3 and height 5.
    for (view, height) in [(2, 5), (4, 5), (3, 4), (3, 6)] {
        assert!(vote(&|it| (it.ballot.view, it.ballot.height) == (View(view), Height(height))), "{view}, {height}");
    }
    for is_signed in [true, false] {
        let is_other = |vote: &Vote| vote.ballot.view == View(3) && vote.kind == VoteKind::Commit;
        assert!(vote(&|it| is_other(it) && is_valid(Message::Vote(*it)) == is_signed), "signed: {is_signed}");
    }
    for view in [3, 5] {
        assert!(changed(&|it| it.view == View(view)) && new(&|it| it.view == View(view)), "view {view}");
    }
    assert!(changed(&|it| it.committed.is_none() && it.prepared.is_empty()), "no proofs");
    assert!(changed(&|it| it.prepared.iter().any(|it| it.certificate.prepares.len() == 1)), "cut short");
    assert!(changed(&|it| it.prepared.iter().any(|it| is_twice(&it.certificate.prepares))), "a signer twice");
    assert!(changed(&|it| it.prepared == change.prepared && it.committed != change.committed), "one proof as another");
    assert!(new(&|it| it.changes.is_empty()) && new(&|it| it.changes.len() == 2), "fewer VIEW-CHANGEs");
    assert!(new(&|it| it.changes.len() == 3 && it.changes[1] == it.changes[0]), "one VIEW-CHANGE twice");
    assert!(
        new(&|it| it.changes.get(1..) == new_view.changes.get(1..) && it.changes[0] != new_view.changes[0]),
        "an own one"
    );
    assert!(certified(&|seals| seals.len() == 2) && certified(&is_twice), "certificates of blocks");
}

#[test]
fn memories_are_bounded() {
    let world = World::new(4);
    for mode in Mode::ALL {
        let mut liar = world.liar(mode, 0, 1);
        for height in 0..3 * REMEMBERED_MAX as u64 {
            let mut proposal = world.proposal();
            proposal.vote.ballot.height = Height(height);
            liar.outgoing(NOW, To::Members, Message::PrePrepare(proposal));
            assert!(liar.twins.len() <= REMEMBERED_MAX && liar.held.len() <= REMEMBERED_MAX);
            assert!(liar.recent.len() <= RECENT_MAX);
        }
    }
}

/// A net of one member, which includes what it is given at once, unless it leaves it out.
#[test]
fn a_censor_leaves_out_a_transaction_its_children_or_all_of_a_lock() {
    let genesis = Arc::new(pbft_genesis(1));
    let first = signed(&genesis, &allocation(&genesis, 0), &[999_990]);
    let child = signed(
        &genesis,
        &crate::testing::Input { grains: 999_990, ..crate::testing::output_of(&first, 0) },
        &[999_980],
    );
    let second = signed(&genesis, &allocation(&genesis, 1), &[999_980]);
    let owner = first.outputs()[0].lock;
    let included = |target: Option<Target>| -> Vec<bool> {
        let config = ReplicaConfig { engine: engine_config(&genesis, 0), mempool: Default::default() };
        let (base, diff) = Base::genesis(&genesis);
        let (mut replica, _) = Replica::restore(config, Box::new(GenesisStore(diff.created)), base, Vec::new(), NOW);
        replica.handle(NOW, Input::Wake);
        replica.leave_out(target);
        let mut blocks = BTreeSet::new();
        for (request, transaction) in [&first, &child, &second].into_iter().enumerate() {
            let transaction = Verifier::new(genesis.clone()).transaction(transaction.clone()).expect("signed");
            let request = request as u64;
            let now = NOW.plus_ms(request * SPACING_ALONE_MS);
            let outputs = replica.handle(now, Input::Submit { request, transaction });
            for output in outputs {
                if let Output::Chain(update) = output {
                    blocks.extend(
                        update
                            .connected
                            .iter()
                            .flat_map(|link| link.block.transactions.iter().map(Transaction::id).collect::<Vec<_>>()),
                    );
                }
            }
        }
        [&first, &child, &second].into_iter().map(|transaction| blocks.contains(&transaction.id())).collect()
    };
    assert_eq!(included(None), [true, true, true]);
    assert_eq!(included(Some(Target::Transaction(first.id()))), [false, false, true]);
    assert_eq!(included(Some(Target::Transaction(child.id()))), [true, false, true]);
    assert_eq!(included(Some(Target::Lock(owner))), [false, false, false]);
    assert_eq!(included(Some(Target::Lock(crate::testing::lock(9).hash()))), [true, true, true]);
}
