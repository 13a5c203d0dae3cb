use super::super::slot::{Body, Judged, Slot};
use super::super::tally::Counted;
use super::super::tests::cluster::{Setup, World};
use super::{Ground, LINKS_PER_UPDATE};
use crate::engine::{Effect, Engine, Record};
use crate::ledger::block::Block;
use crate::ledger::coins::Diff;
use crate::ledger::units::{Height, Time, View};
use crate::limits::WINDOW_DEPTH_MAX;
use crate::message::{Message, VoteKind};
use crate::pbft::Pbft;
use std::sync::Arc;

fn net() -> World {
    World::new(Setup::of(4))
}

/// Empty blocks 1 to `count`, one above the other.
fn blocks(world: &World, count: u64) -> Vec<Block> {
    let mut parent = world.genesis.block().header;
    let block = |height| {
        let block = world.block(&parent, height, &[]);
        parent = block.header;
        block
    };
    (1..=count).map(block).collect()
}

fn engine(world: &mut World) -> &mut Pbft {
    world.nodes[1].engine.as_mut().expect("it is up")
}

fn body(block: &Block) -> Body {
    Body { judged: Judged::Valid(Arc::new(Diff::default())), ..Body::new(Arc::new(block.clone()), true) }
}

/// A slot with a block that its primary proposed in view 0.
fn proposed(world: &World, height: u64, block: &Block, proposal: &Block) -> Slot {
    let mut slot = Slot { body: Some(body(block)), ..Slot::default() };
    slot.tally.add(world.vote(VoteKind::PrePrepare, 0, world.ballot(height, proposal.id())));
    slot
}

#[test]
fn of_the_heights_that_are_over_the_last_ones_are_remembered() {
    let mut world = net();
    let count = WINDOW_DEPTH_MAX + 4;
    for (height, block) in (1..).zip(blocks(&world, count)) {
        let committed = Some(world.committed_in(0, height, &block, &[0, 1, 2]));
        let slot = Slot { body: Some(body(&block)), committed, ..Slot::default() };
        engine(&mut world).slots.insert(Height(height), slot);
    }
    let engine = engine(&mut world);
    assert!(engine.connect() && !engine.connect(), "all at once");
    assert_eq!(engine.over.keys().map(|height| height.0).collect::<Vec<_>>(), (5..=count).collect::<Vec<_>>());
    let sequence = engine.out.iter().find_map(|it| if let Effect::Chain(it) = it { Some(it.sequence) } else { None });
    let sequence = sequence.expect("blocks were connected");
    assert_eq!(engine.next_sequence, sequence + 1);
    assert!(engine.recent.len() as u64 == count && engine.recent.values().all(|(of, _)| *of == sequence));
    engine.on_flushed(sequence - 1);
    assert_eq!(engine.recent.len() as u64, count, "an earlier one is flushed");
    engine.on_flushed(sequence);
    assert!(engine.recent.is_empty(), "the store has them");
}

#[test]
fn what_was_final_before_is_connected_again_so_many_blocks_at_once() {
    let mut world = net();
    let chain = blocks(&world, LINKS_PER_UPDATE as u64 + 2);
    let certificate = world.committed_in(0, 1, &chain[0], &[]);
    let engine = engine(&mut world);
    engine.connect_again(|_, height| {
        let block = chain.get(height.0 as usize - 1)?;
        let mut certificate = certificate.clone();
        (certificate.ballot.height, certificate.ballot.block) = (height, block.id());
        Some((certificate, Arc::new(block.clone())))
    });
    let linked = |it: &Effect| if let Effect::Chain(it) = it { Some(it.connected.len()) } else { None };
    assert_eq!(engine.out.iter().filter_map(linked).collect::<Vec<_>>(), [LINKS_PER_UPDATE, 2]);
}

#[test]
fn a_prepare_is_for_what_the_primary_proposed_in_the_window_and_the_view_leaves_open() {
    let mut world = net();
    let chain = blocks(&world, 5);
    let other = world.other(&chain[0]);
    let (right, wrong) = (proposed(&world, 1, &chain[0], &chain[0]), proposed(&world, 1, &chain[0], &other));
    let above = proposed(&world, 5, &chain[4], &chain[4]);
    let prepared = Some(world.prepared_in(0, 4, &chain[3], &[2, 3]));
    let below = Slot { prepared, body: Some(body(&chain[3])), ..Slot::default() };
    let committed = world.committed_in(0, 1, &chain[0], &[0, 2, 3]);
    let engine = engine(&mut world);
    let mut may = |slot: &Slot| {
        engine.slots.insert(Height(1), slot.clone());
        engine.may_prepare(Height(1))
    };
    assert_eq!(may(&right), Some(chain[0].id()));
    assert_eq!(may(&wrong), None, "another block");
    assert_eq!(may(&Slot { committed: Some(committed.clone()), ..right.clone() }), None, "nobody needs it any more");
    engine.choice.chosen.insert(Height(1), other.header);
    assert_eq!(engine.may_prepare(Height(1)), None, "the view chose another one");
    engine.choice.chosen.clear();
    engine.slots = [(Height(4), below), (Height(5), above)].into();
    assert_eq!((engine.window_top(), engine.may_prepare(Height(5))), (Height(4), None), "above the window");
    engine.highest = Some(committed);
    assert_eq!((engine.window_top(), engine.may_prepare(Height(5))), (Height(5), Some(chain[4].id())));
}

#[test]
fn a_block_from_the_future_waits_until_its_time_is_near() {
    let mut world = net();
    let block = blocks(&world, 1).remove(0);
    let engine = engine(&mut world);
    let drift_s = engine.params.drift_s;
    for (late_s, expected_s) in [(0, None), (1, Some(1)), (100, Some(100))] {
        let mut block = block.clone();
        block.header.time = engine.now.seconds() + drift_s + late_s;
        engine.slots.insert(Height(1), Slot { body: Some(body(&block)), ..Slot::default() });
        let expected = expected_s.map(|late_s| Time::from_seconds(engine.now.seconds() + late_s));
        assert_eq!(engine.early_until(Height(1)), expected, "{late_s} s beyond the drift");
    }
}

#[test]
fn of_two_certificates_of_the_highest_height_the_first_one_stays() {
    let mut world = net();
    let chain = blocks(&world, 2);
    let [first, second] = [[0, 1, 2], [1, 2, 3]].map(|signers| world.committed_in(0, 1, &chain[0], &signers));
    let higher = world.committed_in(0, 2, &chain[1], &[0, 1, 2]);
    let engine = engine(&mut world);
    for (certificate, highest) in [(&first, &first), (&second, &first), (&higher, &higher), (&first, &higher)] {
        engine.certify(certificate.ballot.height, certificate.clone());
        assert_eq!(engine.highest.as_ref(), Some(highest));
    }
}

#[test]
fn a_certificate_for_what_was_refused_here_ends_everything() {
    for (judged, is_halted) in [(Judged::Refused, true), (Judged::Waiting, false)] {
        let mut world = net();
        let block = blocks(&world, 1).remove(0);
        let certificate = world.committed_in(0, 1, &block, &[0, 2, 3]);
        let engine = engine(&mut world);
        let body = Body { judged, ..body(&block) };
        engine.slots.insert(Height(1), Slot { body: Some(body), ..Slot::default() });
        engine.certify(Height(1), certificate);
        assert_eq!(engine.halted, is_halted);
    }
}

#[test]
fn once_nothing_moves_nothing_more_is_to_be_done() {
    // A height is certified without its block: what waited above the window is taken up in the same turn.
    let mut world = net();
    let chain = blocks(&world, 5);
    let votes: Vec<_> =
        [0, 2, 3].map(|signer| world.vote(VoteKind::Commit, signer, world.ballot(1, chain[0].id()))).into();
    let waiting = world.proposal(5, &chain[4]);
    world.inject(0, 1, waiting);
    let engine = engine(&mut world);
    assert!(!engine.slots.contains_key(&Height(5)), "above the window");
    let slot = engine.slots.entry(Height(1)).or_default();
    votes.into_iter().for_each(|vote| assert_ne!(slot.tally.add(vote), Counted::Known));
    engine.advance();
    assert!(engine.slots.contains_key(&Height(5)), "the window has moved");
    assert!(engine.slots[&Height(1)].committed.is_some());
    let done = engine.out.len();
    engine.advance();
    assert_eq!(engine.out.len(), done);
    assert_eq!(engine.view, View(0));
    let committed = |it: &Effect| matches!(it, Effect::Persist(Record::Committed(_)));
    assert_eq!(engine.out.iter().filter(|it| committed(it)).count(), 1);
    assert_eq!(engine.ground(Height(1)).map(|it| it.parent), Some(Ground::at(engine.chain().tip()).parent));
}

#[test]
fn what_waits_above_the_window_is_taken_up_by_the_event_that_moves_it() {
    let mut world = net();
    let chain = blocks(&world, 1);
    let early = world.vote(VoteKind::Commit, 3, world.ballot(5, chain[0].id()));
    let commits = [0, 2, 3].map(|signer| world.vote(VoteKind::Commit, signer, world.ballot(1, chain[0].id())));
    world.inject(3, 1, Message::Vote(early));
    for (count, commit) in (1..).zip(commits) {
        world.inject(usize::from(commit.signer), 1, Message::Vote(commit));
        let engine = engine(&mut world);
        // The block is not here: nothing is connected, and yet the window is above the certificate.
        assert_eq!((engine.chain.tip().height, engine.highest_height().0), (Height(0), u64::from(count == 3)));
        assert_eq!(engine.slots.contains_key(&Height(5)), count == 3, "after {count}");
    }
}
