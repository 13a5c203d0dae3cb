//! The parts that decide nothing themselves, each alone: choosing, counting, and keeping what is early. Most of these tests
//! stand for a mutant that the runs of whole nets left alive.

use super::super::choose::choose;
use super::super::evidence::Proofs;
use super::super::future::Future;
use super::super::slot::{Body, Judged, Slot};
use super::super::tally::{Counted, Tally};
use super::cluster::{Setup, World};
use crate::chain::Tip;
use crate::engine::{Peer, Phase};
use crate::ledger::block::Block;
use crate::ledger::coins::Diff;
use crate::ledger::units::{Epoch, Height, Incarnation, Time, View};
use crate::limits::{EVIDENCE_PER_MEMBER_MAX, FUTURE_MESSAGES_PER_SENDER_MAX, WINDOW_DEPTH_MAX};
use crate::message::{Ballot, Evidence, VoteKind};
use std::sync::Arc;

/// Empty blocks 1 to `count`, one above the other.
fn blocks(world: &World, count: u64) -> Vec<Block> {
    let mut parent = world.genesis.block().header;
    let mut blocks = Vec::new();
    for height in 1..=count {
        blocks.push(world.block(&parent, height, &[]));
        parent = blocks[blocks.len() - 1].header;
    }
    blocks
}

#[test]
fn the_block_before_the_epoch_is_the_base_whatever_else_is_certified_there_or_below() {
    let world = World::new(Setup::of(4));
    let chain = blocks(&world, 4);
    let start = Tip { height: Height(3), id: chain[2].id(), header: chain[2].header };
    let prepared = world.prepared_in(0, 4, &chain[3], &[1, 2]);
    for (height, block) in [(2, &chain[1]), (3, &world.other(&chain[2]))] {
        let certificate = world.committed_in(0, height, block, &[0, 1, 2]);
        let choice = choose(start, &[world.change(1, 1, Some(certificate), vec![prepared.clone()])]);
        assert_eq!(choice.base, Height(3), "a certificate of height {height}");
        assert_eq!(choice.at(Height(4)), Some(chain[3].id()), "what stands on the start is chosen");
    }
    let certificate = world.committed_in(0, 4, &chain[3], &[0, 1, 2]);
    assert_eq!(choose(start, &[world.change(1, 1, Some(certificate), Vec::new())]).base, Height(4));
}

#[test]
fn a_tally_forgets_earlier_views_and_only_those() {
    let world = World::new(Setup::of(4));
    let block = blocks(&world, 1).remove(0);
    let ballot = |view, block: &Block| world.ballot_in(view, 1, block.id());
    let lie = world.vote(VoteKind::Commit, 3, ballot(1, &world.other(&block)));
    let mut tally = Tally::default();
    for view in [0, 1, 2] {
        tally.add(world.vote(VoteKind::PrePrepare, view as usize, ballot(view, &block)));
        for signer in (0..4).filter(|signer| *signer != view as usize) {
            tally.add(world.vote(VoteKind::Prepare, signer, ballot(view, &block)));
            tally.add(world.vote(VoteKind::Commit, signer, ballot(view, &block)));
        }
    }
    assert!(matches!(tally.add(lie), Counted::Contradicts(_)));
    tally.forget_before(View(1));
    assert!(tally.vote(View(0), VoteKind::Commit, 2).is_none(), "forgotten");
    assert_eq!(tally.signers(View(0), VoteKind::Prepare, block.id()), [0u16; 0]);
    assert_eq!(tally.add(world.vote(VoteKind::Commit, 1, ballot(0, &block))), Counted::New(1), "counted anew");
    for view in [1, 2] {
        assert_eq!(tally.signers(View(view), VoteKind::Prepare, block.id()), [0, 1, 2, 3], "view {view} stays");
        assert!(tally.prepared(ballot(view, &block), 3).is_some() && tally.committed(View(view), 3).is_some());
    }
    assert_eq!(tally.add(lie), Counted::Known, "reported already");
}

#[test]
fn of_views_that_were_left_the_last_commit_of_each_member_is_remembered() {
    let world = World::new(Setup::of(4));
    let block = blocks(&world, 1).remove(0);
    let vote = |kind, view| world.vote(kind, 3, world.ballot_in(view, 1, block.id()));
    let mut tally = Tally::default();
    tally.add(vote(VoteKind::Prepare, 0));
    tally.add(vote(VoteKind::Commit, 1));
    tally.forget_before(View(1));
    assert!(!tally.remembers(), "neither a PREPARE nor what counts");
    tally.add(vote(VoteKind::Commit, 2));
    tally.forget_before(View(2));
    assert!(tally.remembers());
    assert_eq!(tally.commit(View(1), 3), Some(&vote(VoteKind::Commit, 1)));
    tally.forget_before(View(3));
    assert_eq!([1, 2, 3].map(|view| tally.commit(View(view), 3).is_some()), [false, true, false]);
}

#[test]
fn a_slot_says_how_far_it_is() {
    let world = World::new(Setup::of(4));
    let block = blocks(&world, 1).remove(0);
    let other = world.other(&block);
    let mut slot = Slot::default();
    assert_eq!((slot.block(), slot.phase(View(1))), (None, Phase::Idle));
    for (judged, phase) in [
        (Judged::Waiting, Phase::Idle),
        (Judged::Refused, Phase::Idle),
        (Judged::Valid(Arc::new(Diff::default())), Phase::PrePrepared),
    ] {
        slot.body = Some(Body { judged, ..Body::new(Arc::new(block.clone()), true) });
        assert_eq!((slot.block(), slot.phase(View(1))), (Some(block.id()), phase));
        assert_eq!(slot.valid().is_some(), phase == Phase::PrePrepared);
    }
    slot.prepared = Some(world.prepared_in(1, 1, &block, &[2, 3]));
    let phases = [0, 1, 2].map(|view| slot.phase(View(view)));
    assert_eq!(phases, [Phase::PrePrepared, Phase::Prepared, Phase::PrePrepared]);
    let prepared = [(1, &block), (0, &block), (2, &block), (1, &other)];
    let prepared = prepared.map(|(view, block)| slot.is_prepared_in(View(view), block.id()));
    assert_eq!(prepared, [true, false, false, false], "on this block, in this view");
    slot.committed = Some(world.committed_in(2, 1, &other, &[0, 1, 2]));
    assert_eq!((slot.block(), slot.phase(View(1))), (Some(other.id()), Phase::Committed), "what is certified counts");
    assert_eq!([&other, &block].map(|block| slot.is_committed_on(block.id())), [true, false]);
}

#[test]
fn a_slot_is_bound_by_its_votes_in_a_view_and_forgets_those_before() {
    let world = World::new(Setup::of(4));
    let block = blocks(&world, 1).remove(0);
    let other = world.other(&block);
    let mut slot = Slot { arrived_at: Some(Time(7)), ..Slot::default() };
    for (view, block) in [(1, &block), (2, &other), (3, &block)] {
        let vote = world.vote(VoteKind::Prepare, 0, world.ballot_in(view, 1, block.id()));
        slot.own.insert((View(view), VoteKind::Prepare), vote);
        slot.tally.add(vote);
    }
    let bound = |slot: &Slot| [0, 1, 2, 3, 4].map(|view| slot.bound_to(View(view)));
    assert_eq!(bound(&slot), [None, Some(block.id()), Some(other.id()), Some(block.id()), None]);
    slot.forget_before(View(2));
    assert_eq!(bound(&slot), [None, None, Some(other.id()), Some(block.id()), None]);
    assert!(slot.tally.vote(View(1), VoteKind::Prepare, 0).is_none() && slot.arrived_at.is_none());
}

/// What waits in a view at a height, told apart by the peer that brought it.
fn keep(future: &mut Future, world: &World, signer: u16, view: u64, height: u64, kind: VoteKind, from: u64) {
    let block = world.genesis.block();
    let message = world.vote_in(kind, usize::from(signer), view, height, &block);
    future.keep(signer, (View(view), Height(height), kind), Peer(from), message);
}

fn taken(future: &mut Future, view: u64, top: u64) -> Vec<u64> {
    future.ready(View(view), Height(top)).into_iter().map(|(from, _)| from.0).collect()
}

#[test]
fn what_was_early_is_taken_up_by_height_proposals_first_and_older_views_are_forgotten() {
    use VoteKind::{Commit, PrePrepare, Prepare};
    let world = World::new(Setup::of(4));
    let mut future = Future::default();
    for (signer, view, height, kind, from) in [
        (1, 1, 5, Commit, 1),
        (1, 1, 4, Commit, 2),
        (2, 1, 5, PrePrepare, 3),
        (3, 1, 5, Prepare, 4),
        (3, 1, 6, PrePrepare, 5),
        (3, 1, 7, PrePrepare, 6),
        (1, 0, 5, Prepare, 7),
        (2, 2, 5, Prepare, 8),
        // A second one of its key.
        (3, 1, 5, Prepare, 9),
    ] {
        keep(&mut future, &world, signer, view, height, kind, from);
    }
    assert_eq!(taken(&mut future, 1, 6), [2, 3, 4, 1, 5], "of this view, at or below the top");
    assert_eq!(future.sizes().collect::<Vec<_>>(), [1, 1], "of members 2 and 3; view 0 is over");
    assert_eq!(taken(&mut future, 1, 7), [6]);
    assert_eq!(taken(&mut future, 2, 5), [8]);
    assert_eq!(future.sizes().count(), 0);
}

#[test]
fn of_what_is_early_the_lowest_goes_when_there_is_too_much_and_proposals_have_a_bound_of_their_own() {
    let world = World::new(Setup::of(4));
    let mut future = Future::default();
    keep(&mut future, &world, 1, 0, 1, VoteKind::Commit, 1);
    let first = 10;
    for height in first..first + WINDOW_DEPTH_MAX {
        keep(&mut future, &world, 1, 0, height, VoteKind::PrePrepare, height);
    }
    assert_eq!(future.sizes().sum::<usize>() as u64, WINDOW_DEPTH_MAX + 1, "as many as may");
    keep(&mut future, &world, 1, 0, first + WINDOW_DEPTH_MAX, VoteKind::PrePrepare, 99);
    let expected: Vec<u64> = [1].into_iter().chain(first + 1..first + WINDOW_DEPTH_MAX).chain([99]).collect();
    assert_eq!(taken(&mut future, 0, 1_000), expected, "the lowest proposal is gone, the vote below it stays");
    let count = FUTURE_MESSAGES_PER_SENDER_MAX as u64;
    for height in 0..count {
        keep(&mut future, &world, 2, 0, height, VoteKind::Commit, height);
    }
    assert_eq!(future.sizes().sum::<usize>() as u64, count, "as many as may");
    keep(&mut future, &world, 2, 0, count, VoteKind::Commit, count);
    assert_eq!(taken(&mut future, 0, 1_000), (1..=count).collect::<Vec<_>>(), "the lowest is gone");
}

#[test]
fn of_each_member_so_much_evidence_is_kept_each_place_once() {
    let world = World::new(Setup::of(4));
    let block = blocks(&world, 1).remove(0);
    let other = world.other(&block);
    let evidence = |signer: usize, view: u64| {
        let vote = |block: &Block| world.vote(VoteKind::Commit, signer, world.ballot_in(view, 1, block.id()));
        Evidence { first: vote(&block), second: vote(&other) }
    };
    let mut proofs = Proofs::default();
    for view in 0..EVIDENCE_PER_MEMBER_MAX as u64 {
        assert!(proofs.keep(evidence(2, view)) && !proofs.keep(evidence(2, view)), "once");
    }
    assert!(!proofs.keep(evidence(2, 99)), "enough against this one");
    assert!(proofs.keep(evidence(1, 99)), "another member");
    assert_eq!(proofs.all().count(), EVIDENCE_PER_MEMBER_MAX + 1);
    assert_eq!(proofs.all().next().map(|it| it.first.signer), Some(1));
}

#[test]
fn evidence_of_another_epoch_or_incarnation_is_not_kept() {
    let mut world = World::new(Setup::of(4));
    let block = blocks(&world, 1).remove(0);
    let other = world.other(&block);
    for (epoch, incarnation, kept) in [(1, 0, 0), (0, 1, 0), (1, 1, 0), (0, 0, 1)] {
        let vote = |block: &Block| {
            let ballot = world.ballot_in(0, 1, block.id());
            let (epoch, incarnation) = (Epoch(epoch), Incarnation(incarnation));
            world.vote(VoteKind::Commit, 2, Ballot { epoch, incarnation, ..ballot })
        };
        let evidence = Evidence { first: vote(&block), second: vote(&other) };
        let engine = world.nodes[1].engine.as_mut().expect("it is up");
        engine.on_evidence(evidence);
        assert_eq!(world.status(1).evidence.len(), kept, "epoch {epoch}, incarnation {incarnation}");
    }
}
