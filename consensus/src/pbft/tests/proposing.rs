//! When a block is owed, and when and where the primary proposes one: tables on the rules alone.

use super::cluster::{Setup, World};
use super::epochs::{change, setup};
use crate::engine::{Effect, Engine, PayloadRequest};
use crate::ledger::block::Block;
use crate::ledger::units::{Height, Time, View};
use crate::message::{CommitCertificate, VoteKind};
use crate::pbft::slot::{Body, Slot};
use crate::pbft::{Pbft, SPACED_FROM, SPACING_ALONE_MS, SPACING_MS};
use std::sync::Arc;

fn engine(world: &mut World, index: usize) -> &mut Pbft {
    world.nodes[index].engine.as_mut().expect("it is up")
}

/// An empty block of height 1.
fn block(world: &World) -> Block {
    world.block(&world.genesis.block().header, 1, &[])
}

/// A net whose tip is at this height, with nothing under way.
fn net_at(height: u32, setup: Setup) -> World {
    let mut world = World::new(setup);
    for index in 0..height {
        world.submit(index);
        world.run();
    }
    world
}

/// What the primary asks for when it is told to.
fn asked(engine: &mut Pbft) -> Vec<PayloadRequest> {
    let before = engine.out.len();
    engine.propose();
    let effects = engine.out[before..].iter();
    effects.filter_map(|it| if let Effect::WantPayload(request) = it { Some(request.clone()) } else { None }).collect()
}

#[test]
fn a_block_is_owed_while_something_waits_or_is_under_way() {
    type Change = fn(&mut Pbft, &Block, CommitCertificate);
    type Case = (&'static str, fn(&mut Pbft), Change, bool);
    let pending = |it: &mut Pbft| it.proposer.on_pending(Some(Time(0)));
    let none = |_: &mut Pbft| {};
    let cases: [Case; 10] = [
        ("nothing", none, |_, _, _| {}, false),
        ("a transaction waits", pending, |_, _, _| {}, true),
        ("no vote here", pending, |it, _, _| it.me = None, false),
        (
            "a body",
            none,
            |it, block, _| it.slots.entry(Height(1)).or_default().body = Some(Body::new(Arc::new(block.clone()), true)),
            true,
        ),
        ("an empty slot", none, |it, _, _| assert!(it.slots.insert(Height(1), Slot::default()).is_none()), false),
        ("chosen above the tip", none, |it, block, _| it.choice.chosen.extend([(Height(1), block.header)]), true),
        ("chosen at the tip", none, |it, block, _| it.choice.chosen.extend([(Height(0), block.header)]), false),
        (
            "chosen at both",
            none,
            |it, block, _| it.choice.chosen.extend([(Height(0), block.header), (Height(1), block.header)]),
            true,
        ),
        ("behind", pending, |it, _, certificate| it.highest = Some(certificate), false),
        (
            "behind for long",
            none,
            |it, _, certificate| (it.highest, it.behind) = (Some(certificate), Some((Height(0), Time(0)))),
            true,
        ),
    ];
    for (case, before, change, is_owed) in cases {
        let mut world = World::new(Setup::of(4));
        let block = block(&world);
        let certificate = world.committed_in(0, 1, &block, &[0, 1, 2]);
        let engine = engine(&mut world, 1);
        engine.now = Time(1_000_000);
        before(engine);
        change(engine, &block, certificate);
        assert_eq!(engine.is_owed(), is_owed, "{case}");
    }
    let mut world = World::new(Setup::of(4));
    let prepared = world.prepared_in(0, 1, &block(&world), &[1, 2]);
    engine(&mut world, 1).slots.entry(Height(1)).or_default().prepared = Some(prepared);
    assert!(engine(&mut world, 1).is_owed(), "prepared, without the body");
}

#[test]
fn a_dev_net_owes_no_empty_block_after_its_first() {
    let mut world = net_at(1, Setup { dev: true, ..Setup::of(4) });
    assert!(world.height(1) > 0 && !engine(&mut world, 1).is_owed());
}

#[test]
fn the_block_time_makes_a_block_due_once_it_is_over() {
    for (block_time_ms, after_ms, is_due) in [(0, 10_000, false), (500, 499, false), (500, 500, true), (500, 501, true)]
    {
        let mut world = net_at(1, Setup { block_time_ms, ..Setup::of(4) });
        for index in [0, 1] {
            let engine = engine(&mut world, index);
            engine.slots.clear();
            let start = engine.now;
            engine.proposer.on_block(start);
            engine.now = start.plus_ms(after_ms);
            assert_eq!(engine.is_owed(), is_due, "{block_time_ms} {after_ms}");
            let wanted = (block_time_ms > 0).then(|| start.plus_ms(u64::from(block_time_ms)));
            assert_eq!(engine.block_wanted_at(), wanted);
            let is_primary = index == 0;
            assert_eq!(engine.block_due_at(), wanted.filter(|_| is_primary));
            assert_eq!(asked(engine).len(), usize::from(is_due && is_primary), "{index}: {block_time_ms} {after_ms}");
        }
        engine(&mut world, 0).views.own = Some(world.change(0, 0, None, vec![]));
        assert_eq!(engine(&mut world, 0).block_due_at(), None, "it has left the view");
    }
}

#[test]
fn an_active_primary_asks_for_one_payload_at_a_time_each_under_its_own_number() {
    let mut world = World::new(Setup::of(4));
    let left = world.change(0, 1, None, vec![]);
    let engine = engine(&mut world, 0);
    assert_eq!(asked(engine).len(), 0, "nothing waits");
    engine.proposer.on_pending(Some(Time(0)));
    engine.views.own = Some(left);
    assert_eq!(asked(engine).len(), 0, "it has left the view");
    engine.views.own = None;
    let first = asked(engine);
    assert_eq!(first.iter().map(|it| it.height).collect::<Vec<_>>(), [Height(1)]);
    assert_eq!(asked(engine).len(), 0, "it waits for the answer");
    engine.proposer.forget_request();
    let second = asked(engine);
    assert!(second[0].ticket > first[0].ticket);
    // An answer to the first is none to the second.
    engine.on_payload(first[0].ticket, Vec::new());
    engine.proposer.on_pending(Some(Time(0)));
    assert_eq!(asked(engine).len(), 0, "it still waits");
    // With nothing in it, it is not asked for again until something changes.
    engine.on_payload(second[0].ticket, Vec::new());
    assert_eq!(asked(engine).len(), 0);
    engine.proposer.on_pending(Some(Time(0)));
    assert_eq!(asked(engine).len(), 1);
    let backup = world.nodes[1].engine.as_mut().expect("it is up");
    backup.proposer.on_pending(Some(Time(0)));
    assert_eq!(asked(backup).len(), 0);
}

#[test]
fn a_change_of_members_takes_its_room_from_the_payload() {
    let mut world = World::new(setup(0));
    let change = change(&world.nodes[0].set, &[0, 1, 2], &[0, 1, 2]);
    let engine = engine(&mut world, 0);
    engine.on_change(change.clone());
    let request = asked(engine).remove(0);
    assert_eq!(request.bytes_max, engine.payload_bytes_max() - change.bytes());
}

#[test]
fn nothing_is_proposed_at_or_below_what_is_certified() {
    let mut world = World::new(Setup::of(4));
    let block = block(&world);
    let certificate = world.committed_in(0, 1, &block, &[1, 2, 3]);
    let engine = engine(&mut world, 0);
    engine.proposer.on_pending(Some(Time(0)));
    engine.highest = Some(certificate);
    assert_eq!(asked(engine).len(), 0, "others have a block of height 1");
}

#[test]
fn the_next_height_is_the_lowest_without_a_certificate_and_without_an_own_proposal() {
    let mut world = World::new(Setup::of(4));
    let block = block(&world);
    let certificate = world.committed_in(0, 1, &block, &[1, 2, 3]);
    let proposal = world.vote(VoteKind::PrePrepare, 0, world.ballot(2, block.id()));
    let left = world.change(0, 4, None, vec![]);
    let engine = engine(&mut world, 0);
    engine.proposer.on_pending(Some(Time(0)));
    assert_eq!(engine.next_height(), Some(Height(1)));
    engine.slots.entry(Height(1)).or_default().committed = Some(certificate);
    assert_eq!(engine.next_height(), Some(Height(2)));
    engine.slots.entry(Height(2)).or_default().tally.add(proposal);
    engine.slots.entry(Height(3)).or_default();
    assert_eq!(engine.next_height(), Some(Height(3)));
    engine.view = View(1);
    assert_eq!(engine.next_height(), None, "another's view");
    engine.view = View(4);
    assert_eq!(engine.next_height(), Some(Height(2)), "nothing was proposed in this view");
    engine.views.own = Some(left);
    assert_eq!(engine.next_height(), None, "it has left the view");
}

#[test]
fn after_a_block_the_primary_gathers() {
    let cases = [
        (0, false, 0),
        (SPACED_FROM - 1, false, 0),
        (SPACED_FROM, false, SPACING_MS),
        (0, true, 0),
        (1, true, SPACING_ALONE_MS),
        (SPACED_FROM, true, SPACING_MS),
    ];
    for (count, is_alone, spacing_ms) in cases {
        let mut world = net_at(1, Setup::of(4));
        let engine = engine(&mut world, 0);
        let (start, gathers) = (engine.now, spacing_ms > 0);
        engine.proposer.proposed(start, count, is_alone);
        engine.proposer.on_pending(Some(start));
        assert_eq!(asked(engine).is_empty(), gathers, "{count}");
        let due = start.plus_ms(spacing_ms);
        assert_eq!(engine.gathered_at() == Some(due), gathers, "{count}");
        assert_eq!(engine.deadline().is_some_and(|at| at <= due), gathers, "{count}: it wakes by itself");
        engine.now = due;
        assert_eq!(asked(engine).len(), usize::from(gathers), "{count}");
    }
}
