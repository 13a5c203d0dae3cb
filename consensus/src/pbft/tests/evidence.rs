//! Two votes of one member that contradict each other: who sees them, who is told, and what they cost.

use super::cluster::{Setup, World};
use super::edges::empty_view;
use super::restart::in_epoch_1;
use super::views::{chain, leaves, net, rival};
use crate::engine::Record;
use crate::ledger::block::Block;
use crate::ledger::units::{Height, Incarnation, View};
use crate::message::VoteKind;
use crate::message::{CertifiedBlocks, Evidence, Message};
use crate::pbft::Pbft;
use VoteKind::{Commit, Prepare};

#[test]
fn f34_two_proposals_cost_the_primary_its_view_everywhere() {
    let mut world = net();
    world.kill(0);
    let a = chain(&world, 1).remove(0);
    let b = rival(&world, &a);
    let proposals = [&a, &b].map(|block| world.proposal_in(0, 1, block));
    world.inject(0, 1, proposals[0].clone());
    world.inject(0, 1, proposals[1].clone());
    assert_eq!(leaves(&world, 1), [(1, "two proposals")]);
    world.run();
    for index in 1..4 {
        assert_eq!(world.view(index), 1);
        let evidence = world.status(index).evidence;
        assert!(matches!(evidence[..], [Evidence { first, .. }] if first.signer == 0), "{evidence:?}");
        assert!(world.disk(index, |disk| disk.has(|it| matches!(it, Record::Evidence(_)))));
    }
    world.kill(2);
    world.start(2);
    assert_eq!(world.status(2).evidence.len(), 1, "kept over a crash");
    assert!(evidence_names(&world, 0));
}

/// Node 0, the primary, has shown one block to nodes 1 and 2, which certified it with its help, and another one to node 3.
fn halves() -> (World, Message, Message) {
    let mut world = net();
    world.kill(0);
    let a = chain(&world, 1).remove(0);
    let b = rival(&world, &a);
    let commit = world.vote(Commit, 0, world.ballot_in(0, 1, b.id()));
    let certified = Message::Certified(CertifiedBlocks(vec![world.certified(1, &a, &[0, 1, 2])]));
    (world, Message::Vote(commit), certified)
}

fn costs_the_view(mut world: World, left: &[(u64, &str)]) {
    let evidence = world.status(3).evidence;
    assert!(matches!(evidence[..], [Evidence { first, .. }] if first.signer == 0), "{evidence:?}");
    assert_eq!(leaves(&world, 3), left);
    world.run();
    for index in 1..4 {
        assert_eq!(world.view(index), 1);
        assert_eq!(world.status(index).evidence.len(), 1, "everyone is told");
    }
    assert!(evidence_names(&world, 0));
}

#[test]
fn f34_a_commit_for_another_block_than_one_has_sealed_is_evidence() {
    let (mut world, commit, certified) = halves();
    world.inject(0, 3, commit);
    world.inject(1, 3, certified);
    costs_the_view(world, &[(1, "two commits")]);
}

#[test]
fn f34_a_commit_that_comes_after_the_certificate_is_evidence_as_well() {
    let (mut world, commit, certified) = halves();
    world.inject(1, 3, certified);
    world.inject(0, 3, commit);
    costs_the_view(world, &[(1, "two commits")]);
}

#[test]
fn f34_a_commit_of_a_view_that_was_left_is_still_evidence() {
    let (mut world, commit, certified) = halves();
    world.inject(0, 3, commit);
    let begins = empty_view(&world, 1);
    world.inject(1, 3, begins);
    assert_eq!((world.view(3), world.status(3).is_active), (1, true));
    world.inject(1, 3, certified);
    costs_the_view(world, &[]);
}

#[test]
fn f34_two_commits_of_a_backup_are_evidence_and_cost_no_view() {
    let (mut world, _, certified) = halves();
    let b = rival(&world, &chain(&world, 1)[0]);
    let commit = world.vote(Commit, 2, world.ballot_in(0, 1, b.id()));
    world.inject(2, 3, Message::Vote(commit));
    world.inject(1, 3, certified);
    assert_eq!(world.status(3).evidence.iter().map(|it| it.first.signer).collect::<Vec<_>>(), [2]);
    world.run();
    assert_eq!((1..4).map(|index| world.view(index)).collect::<Vec<_>>(), [0; 3]);
}

fn engine(world: &mut World, index: usize) -> &mut Pbft {
    world.nodes[index].engine.as_mut().expect("it is up")
}

#[test]
fn f34_who_seals_a_block_again_did_not_lie() {
    let mut world = net();
    let a = chain(&world, 1).remove(0);
    let certified = Message::Certified(CertifiedBlocks(vec![world.certified(1, &a, &[0, 1, 2])]));
    world.inject(0, 3, certified);
    let again = world.committed_in(0, 1, &a, &[0, 1, 2]);
    let engine = engine(&mut world, 3);
    assert!(engine.certificate_at(Height(1)).is_some());
    // In a later view, and after the net was set back above it.
    for (incarnation, view) in [(0, 1), (1, 0)] {
        let mut again = again.clone();
        (again.ballot.incarnation, again.ballot.view) = (Incarnation(incarnation), View(view));
        engine.incarnation = Incarnation(incarnation);
        engine.confront(&again);
        assert_eq!(engine.proofs.all().count(), 0, "incarnation {incarnation}, view {view}");
    }
}

#[test]
fn f34_only_a_commit_contradicts_a_certificate() {
    let (mut world, commit, certified) = halves();
    world.inject(1, 3, certified);
    let b = rival(&world, &chain(&world, 1)[0]);
    let prepare = world.vote_in(Prepare, 2, 0, 1, &b);
    world.inject(2, 3, prepare);
    assert_eq!(world.status(3).evidence, [], "a PREPARE for another block is none of two COMMITs");
    world.inject(0, 3, commit);
    assert_eq!(world.status(3).evidence.len(), 1);
}

#[test]
fn f34_a_commit_against_a_certificate_whose_block_is_missing_is_evidence() {
    let (mut world, commit, _) = halves();
    let a = chain(&world, 1).remove(0);
    let certificate = world.committed_in(0, 1, &a, &[0, 1, 2]);
    engine(&mut world, 3).learn(certificate);
    world.inject(0, 3, commit);
    assert_eq!(world.height(3), 0, "its block has not come");
    assert_eq!(world.status(3).evidence.iter().map(|it| it.first.signer).collect::<Vec<_>>(), [0]);
}

#[test]
fn f34_a_commit_for_another_block_than_one_sealed_is_remembered_when_the_height_is_over() {
    let (mut world, commit, _) = halves();
    world.inject(0, 3, commit);
    let a = chain(&world, 1).remove(0);
    let certified = Message::Certified(CertifiedBlocks(vec![world.certified(1, &a, &[1, 2, 3])]));
    world.inject(1, 3, certified);
    assert_eq!((world.height(3), world.status(3).evidence.len()), (1, 0), "it has not sealed that certificate");
    let change = world.change(2, 1, Some(world.committed_in(0, 1, &a, &[0, 1, 2])), vec![]);
    world.inject(2, 3, Message::ViewChange(change));
    assert_eq!(world.status(3).evidence.iter().map(|it| it.first.signer).collect::<Vec<_>>(), [0]);
}

#[test]
fn f34_what_was_done_in_an_epoch_that_is_over_costs_no_view() {
    let mut world = in_epoch_1();
    let primary = usize::from(world.status(0).primary);
    assert_eq!(world.view(0), 0);
    let a = chain(&world, 1).remove(0);
    let b = rival(&world, &a);
    // Of epoch 0, by who is the primary of that view in the present one.
    let [first, second] = [&a, &b].map(|block| world.vote(Commit, primary, world.ballot(1, block.id())));
    let other = (0..4).find(|index| *index != primary).expect("there are others");
    world.inject(primary, other, Message::Evidence(Evidence { first, second }));
    assert_eq!((world.status(other).evidence.len(), world.view(other)), (1, 0));
}

#[test]
fn f34_who_has_left_or_leads_itself_leaves_no_view_for_evidence() {
    let evidence = |world: &World, view: u64| {
        let a = chain(world, 1).remove(0);
        let signer = view as usize;
        let vote = |block: &Block| world.vote(Commit, signer, world.ballot_in(view, 1, block.id()));
        Message::Evidence(Evidence { first: vote(&a), second: vote(&rival(world, &a)) })
    };
    let mut world = net();
    world.submit(0);
    world.lose_all();
    let of_view_1 = evidence(&world, 1);
    world.time_out(3);
    world.inject(2, 3, of_view_1);
    assert_eq!((world.view(3), world.status(3).evidence.len()), (1, 1), "that view has not begun");
    let of_view_0 = evidence(&world, 0);
    world.inject(2, 0, of_view_0.clone());
    assert_eq!((world.view(0), world.status(0).evidence.len()), (0, 1), "it leads");
    world.inject(2, 1, of_view_0);
    assert_eq!(world.view(1), 1, "it is led");
}

fn evidence_names(world: &World, liar: u16) -> bool {
    (0..4).filter(|index| world.is_up(*index)).all(|index| {
        let evidence = world.status(index).evidence;
        evidence.iter().all(|it| it.first.signer == liar && world.verified(Message::Evidence(*it)).is_ok())
    })
}

#[test]
fn f34_what_does_not_contradict_is_no_evidence() {
    let world = net();
    let a = chain(&world, 1).remove(0);
    let b = rival(&world, &a);
    let vote =
        |kind, signer, view, height, block: &Block| world.vote(kind, signer, world.ballot_in(view, height, block.id()));
    let verdict = |first, second| world.verified(Message::Evidence(Evidence { first, second })).is_ok();
    let first = vote(Commit, 2, 0, 1, &a);
    assert!(verdict(first, vote(Commit, 2, 0, 1, &b)));
    assert!(!verdict(first, first), "the same");
    assert!(!verdict(first, vote(Commit, 2, 1, 1, &b)), "another view");
    assert!(!verdict(first, vote(Commit, 2, 0, 2, &b)), "another height");
    assert!(!verdict(first, vote(Commit, 3, 0, 1, &b)), "another member");
    assert!(!verdict(first, vote(Prepare, 2, 0, 1, &b)), "another kind");
    let mut forged = vote(Commit, 2, 0, 1, &b);
    forged.ballot.block = crate::ledger::hash::BlockId([9; 32]);
    assert!(!verdict(first, forged), "not signed");
}

#[test]
fn f34_two_certificates_of_one_view_name_everyone_who_sealed_both() {
    let mut world = net();
    let a = chain(&world, 1).remove(0);
    let b = rival(&world, &a);
    let answer = Message::Certified(CertifiedBlocks(vec![world.certified(1, &a, &[0, 1, 3])]));
    world.inject(0, 2, answer);
    world.submit(0);
    world.lose_all();
    let change = world.change(3, 1, Some(world.committed_in(0, 1, &b, &[1, 2, 3])), vec![]);
    world.inject(3, 2, Message::ViewChange(change));
    let named: Vec<u16> = world.status(2).evidence.iter().map(|it| it.first.signer).collect();
    assert_eq!(named, [1, 3]);
}

#[test]
fn f34_a_liar_makes_only_so_much_evidence_against_itself() {
    let mut world = net();
    world.kill(3);
    let a = chain(&world, 1).remove(0);
    let b = rival(&world, &a);
    for view in 0..40 {
        let vote = |block: &Block| world.vote(Commit, 3, world.ballot_in(view, 1, block.id()));
        let evidence = Message::Evidence(Evidence { first: vote(&a), second: vote(&b) });
        world.inject(3, 2, evidence);
    }
    assert_eq!(world.status(2).evidence.len(), crate::limits::EVIDENCE_PER_MEMBER_MAX);
    let passed_on = world.queue.iter().filter(|it| it.to == 1 && matches!(it.message, Message::Evidence(_))).count();
    assert_eq!(passed_on, crate::limits::EVIDENCE_PER_MEMBER_MAX);
}

#[test]
fn who_follows_shows_evidence_and_writes_none_down() {
    let mut world = World::new(Setup { followers: 1, ..Setup::of(4) });
    let block = world.block(&world.genesis.block().header, 1, &[]);
    let vote = |block: &Block| world.vote(VoteKind::Prepare, 3, world.ballot(1, block.id()));
    let evidence = Evidence { first: vote(&block), second: vote(&world.other(&block)) };
    for (index, is_written) in [(2, true), (4, false)] {
        world.inject(3, index, Message::Evidence(evidence));
        assert_eq!(world.status(index).evidence, [evidence], "node {index}");
        let has = world.disk(index, |disk| disk.has(|it| matches!(it, Record::Evidence(_))));
        assert_eq!(has, is_written, "node {index}");
    }
}
