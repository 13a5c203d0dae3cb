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
