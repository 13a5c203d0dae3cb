use super::Views;
use crate::engine::{Effect, Peer};
use crate::ledger::hash::BlockId;
use crate::ledger::units::{Height, View};
use crate::message::{Message, NewView};
use crate::pbft::Pbft;
use crate::pbft::tests::cluster::{Setup, World};

/// Replica 2 of four in view 1, as its NEW-VIEW has it: without a block.
fn entered() -> World {
    let mut world = World::new(Setup::of(4));
    let Message::NewView(new_view) = begun(&world) else { panic!("it is one") };
    engine(&mut world).enter(new_view);
    world
}

fn begun(world: &World) -> Message {
    world.new_view(1, [0, 1, 3].map(|signer| world.change(signer, 1, None, Vec::new())).to_vec())
}

fn engine(world: &mut World) -> &mut Pbft {
    world.nodes[2].engine.as_mut().expect("it is up")
}

fn told(engine: &mut Pbft, peer: Peer) -> usize {
    let before = engine.out.len();
    engine.tell_view(peer);
    let told =
        |it: &Effect| matches!(it, Effect::Send { message: Message::NewView(NewView { view: View(1), .. }), .. });
    engine.out[before..].iter().filter(|it| told(it)).count()
}

#[test]
fn only_who_is_there_is_told_of_the_view() {
    let mut world = entered();
    let engine = engine(&mut world);
    let there = engine.peers.after(None).expect("others are there");
    assert_eq!((told(engine, Peer(1_000)), told(engine, there)), (0, 1));
    assert_eq!(told(engine, there), 0, "not again at once");
}

#[test]
fn at_the_base_nothing_is_open_but_what_is_final_there() {
    let mut world = entered();
    let block = world.block(&world.genesis.block().header, 1, &[]);
    let (chosen, other) = (block.id(), BlockId([9; 32]));
    let engine = engine(&mut world);
    assert!(engine.is_open(Height(1), chosen) && engine.is_open(Height(1), other), "above the base");
    engine.choice.base = Height(1);
    assert!(!engine.is_open(Height(1), chosen) && !engine.is_open(Height(1), other), "nothing is known of it yet");
    assert!(engine.is_open(Height(2), other));
}

#[test]
fn blocks_of_an_earlier_view_are_no_progress_of_one_that_begins_unawaited() {
    let mut world = World::new(Setup::of(4));
    world.submit(0);
    world.run();
    let Message::NewView(new_view) = begun(&world) else { panic!("it is one") };
    let engine = engine(&mut world);
    assert!(engine.progressed, "a block became final in view 0");
    engine.enter(new_view);
    engine.leave(View(2), "no progress", String::new());
    assert_eq!(engine.timer.failed(), 1);
}

#[test]
fn a_view_has_failed_when_no_block_became_final_in_it() {
    let mut world = World::new(Setup::of(4));
    world.submit(0);
    world.run();
    let engine = engine(&mut world);
    engine.leave(View(1), "to see what counts", String::new());
    assert_eq!(engine.timer.failed(), 0, "one did");
    engine.leave(View(2), "to see what counts", String::new());
    assert_eq!(engine.timer.failed(), 1, "none did since");
}

#[test]
fn what_was_asked_for_in_one_view_is_asked_for_again_in_the_next() {
    let mut world = World::new(Setup::of(4));
    let changes = [1, 2, 3].map(|signer| world.change(signer, 4, None, Vec::new())).to_vec();
    let Message::NewView(new_view) = world.new_view(4, changes) else { panic!("it is one") };
    // Node 0 is the primary of both.
    let engine = world.nodes[0].engine.as_mut().expect("it is up");
    engine.proposer.on_pending(Some(engine.now));
    let asked = |engine: &mut Pbft| {
        engine.propose();
        engine.out.iter().filter(|it| matches!(it, Effect::WantPayload(_))).count()
    };
    assert_eq!((asked(engine), asked(engine)), (1, 1), "it waits for the answer");
    engine.enter(new_view);
    assert_eq!(asked(engine), 2);
}

#[test]
fn of_one_member_the_lowest_and_the_highest_view_that_it_wants_are_kept() {
    let world = World::new(Setup::of(4));
    for order in [[5, 7, 9], [5, 9, 7], [7, 5, 9], [7, 9, 5], [9, 5, 7], [9, 7, 5]] {
        let mut views = Views::default();
        for view in order {
            views.keep(world.change(3, view, None, Vec::new()));
        }
        let kept: Vec<u64> = [5, 7, 9].into_iter().filter(|view| views.signers(View(*view)) == [3]).collect();
        assert_eq!(kept, [5, 9], "{order:?}");
    }
}

#[test]
fn a_primary_is_suspected_in_its_view_by_others_that_go_on() {
    // Who suspects the primary of which view, whether it has stopped, and whether it leaves.
    for (index, view, has_stopped, leaves) in
        [(2, 0, false, true), (2, 0, true, false), (2, 1, false, false), (0, 0, false, false)]
    {
        let mut world = World::new(Setup::of(4));
        let engine = world.nodes[index].engine.as_mut().expect("it is up");
        engine.halted = has_stopped;
        engine.suspect(View(view), "to see who leaves", String::new());
        assert_eq!(engine.view, View(u64::from(leaves)), "{index} {view} {has_stopped}");
    }
}
