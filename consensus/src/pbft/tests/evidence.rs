//! Two votes of one member that contradict each other: who sees them, who is told, and what they cost.

use super::cluster::World;
use super::views::{chain, leaves, net, rival};
use crate::engine::Record;
use crate::ledger::block::Block;
use crate::message::VoteKind;
use crate::message::{Evidence, Message};
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
    let answer = Message::Certified(crate::message::CertifiedBlocks(vec![world.certified(1, &a, &[0, 1, 3])]));
    world.inject(0, 2, answer);
    world.submit(0);
    world.lose_all();
    let change = world.change(3, 1, Some(world.committed_in(0, 1, &b, &[1, 2, 3])), vec![]);
    world.inject(3, 2, Message::ViewChange(change));
    let named: Vec<u16> = world.status(2).evidence.iter().map(|it| it.first.signer).collect();
    assert_eq!(named, [1, 3]);
}

/// Replica 1 is told of `a` and the liar's COMMIT for it; then a certificate for `b` comes that the liar sealed.
fn told_apart(liar: usize) -> World {
    let mut world = net();
    world.kill(0);
    let a = chain(&world, 1).remove(0);
    let b = rival(&world, &a);
    world.inject(0, 1, world.proposal_in(0, 1, &a));
    world.inject(liar, 1, Message::Vote(world.vote(Commit, liar, world.ballot_in(0, 1, a.id()))));
    let certified = world.certified(1, &b, &[0, 2, 3]);
    world.inject(2, 1, Message::Certified(crate::message::CertifiedBlocks(vec![certified])));
    world
}

#[test]
fn f34_a_liar_that_tells_two_stories_apart_is_named_by_the_certificate_that_it_sealed() {
    let mut world = told_apart(0);
    assert_eq!(leaves(&world, 1), [(1, "two votes")], "it led that view");
    world.run();
    for index in 1..4 {
        assert_eq!(world.view(index), 1, "everyone is told, and leaves");
        let evidence = world.status(index).evidence;
        assert!(matches!(evidence[..], [Evidence { first, .. }] if first.signer == 0), "{evidence:?}");
    }
    assert!(evidence_names(&world, 0));
}

#[test]
fn f34_a_backup_that_lies_costs_no_view() {
    let world = told_apart(3);
    assert_eq!(world.status(1).evidence.len(), 1);
    assert!(evidence_names(&world, 3));
    assert_eq!(leaves(&world, 1), []);
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
