use super::Timing;
use crate::engine::{Effect, Engine, Fault, To};
use crate::ledger::hash::BlockId;
use crate::ledger::units::{Epoch, Height, Incarnation, View};
use crate::message::{Ballot, Message, TipInfo, VoteKind};
use crate::pbft::Pbft;
use crate::pbft::tests::cluster::{Setup, World};

/// Replica 1 of four, with height 1 final.
fn net() -> World {
    let mut world = World::new(Setup::of(4));
    world.submit(0);
    world.run();
    world
}

fn engine(world: &mut World) -> &mut Pbft {
    world.nodes[1].engine.as_mut().expect("it is up")
}

#[test]
fn what_becomes_of_a_message_hangs_on_incarnation_epoch_height_and_view_in_this_order() {
    let mut world = net();
    let engine = engine(&mut world);
    (engine.set.epoch, engine.view) = (Epoch(2), View(3));
    let top = engine.window_top().0;
    let cases = [
        ((1, 2, 3, 2), Timing::Foreign),
        ((0, 4, 3, 2), Timing::Foreign),
        ((0, 3, 3, 2), Timing::Next),
        ((0, 3, 9, 1), Timing::Next),
        ((0, 1, 3, 2), Timing::Past),
        ((0, 2, 3, 1), Timing::Over),
        ((0, 2, 2, 1), Timing::Over),
        ((0, 2, 2, 2), Timing::Behind),
        ((0, 2, 2, top + 1), Timing::Behind),
        ((0, 2, 4, 2), Timing::Early),
        ((0, 2, 3, top + 1), Timing::Early),
        ((0, 2, 3, top), Timing::Present),
        ((0, 2, 3, 2), Timing::Present),
    ];
    for ((incarnation, epoch, view, height), timing) in cases {
        let ballot = Ballot {
            incarnation: Incarnation(incarnation),
            epoch: Epoch(epoch),
            view: View(view),
            height: Height(height),
            block: BlockId::default(),
        };
        assert_eq!(engine.timing(&ballot), timing, "{ballot:?}");
    }
}

#[test]
fn a_vote_for_a_height_of_which_nothing_is_kept_is_a_call_for_help() {
    let mut world = net();
    let block = engine(&mut world).chain.active_at(Height(1)).expect("it is final");
    let vote = world.vote(VoteKind::Commit, 3, world.ballot(1, block));
    let engine = engine(&mut world);
    let from = engine.peers.after(None).expect("others are there");
    engine.peers.claimed(from, TipInfo { final_height: Height(0), ..engine.tip_info() });
    engine.over.clear();
    engine.on_over(from, vote);
    let is_help = |it: &Effect| matches!(it, Effect::Send { to: To::Peer(peer), message: Message::Certified(_) } if *peer == from);
    assert!(engine.out.iter().any(is_help));
}

#[test]
fn what_is_over_is_counted_in_views_in_which_something_was_voted_on() {
    let mut world = net();
    let block = engine(&mut world).chain.active_at(Height(1)).expect("it is final");
    let vote = |world: &World, view, block| world.vote(VoteKind::Commit, 3, world.ballot_in(view, 1, block));
    let (again, other) = (vote(&world, 0, block), vote(&world, 0, BlockId([9; 32])));
    let invented = vote(&world, 7, block);
    let engine = engine(&mut world);
    // It has gone on to another view since.
    engine.view = View(1);
    let from = engine.peers.after(None).expect("others are there");
    for vote in [again, invented] {
        engine.on_over(from, vote);
        let blamed = engine.out.iter().any(|it| matches!(it, Effect::Blame { .. }));
        assert!(!blamed && engine.over[&Height(1)].vote(View(7), VoteKind::Commit, 3).is_none());
    }
    engine.on_over(from, other);
    let is_told = |it: &Effect| matches!(it, Effect::Blame { fault: Fault::Equivocation(3, Height(1)), .. });
    assert!(engine.out.iter().any(is_told), "whoever contradicts itself there is found out");
}
