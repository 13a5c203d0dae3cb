//! What was told final is not withdrawn without a word, whatever a crash comes between.

use super::*;

fn broken(world: &World) -> Vec<&Trace> {
    let is_broken = |trace: &&Trace| matches!(trace, Trace::FinalityBroken { .. });
    world.nodes[0].traces.iter().filter(is_broken).collect()
}

/// Two replicas on branches of five and seven blocks; nothing of the first replica's chain is flushed.
fn two_branches() -> World {
    let mut world = World::new(2, &genesis());
    world.nodes[0].flushing = false;
    world.partition(&[0], &[1]);
    world.mine(0, 5);
    world.mine(1, 7);
    world
}

#[test]
fn a_crash_before_the_flush_does_not_silence_a_withdrawal() {
    let mut world = two_branches();
    world.heal();
    world.assert_agreed();
    for _ in 0..2 {
        world.nodes[0].traces.clear();
        world.restart(0);
        world.assert_agreed();
        // It starts from genesis, and goes straight to the heavier branch.
        assert_eq!(broken(&world), [&Trace::FinalityBroken { before: Height(3), fork: Height(0) }]);
        assert_eq!(world.nodes[0].engine.chain().final_height(), Height(5));
    }
}

#[test]
fn what_is_withdrawn_and_flushed_is_not_withdrawn_again() {
    let mut world = two_branches();
    world.heal();
    world.nodes[0].flushing = true;
    world.restart(0);
    world.mine(1, 1);
    world.nodes[0].traces.clear();
    world.restart(0);
    assert_eq!(broken(&world), [] as [&Trace; 0]);
    assert_eq!(world.nodes[0].tip(), Height(8));
}

#[test]
fn what_still_is_final_after_a_crash_is_not_withdrawn() {
    let mut world = two_branches();
    world.restart(0);
    assert_eq!((world.nodes[0].tip(), world.nodes[0].engine.chain().final_height()), (Height(5), Height(3)));
    assert_eq!(broken(&world), [] as [&Trace; 0]);
}

/// Told, withdrawn, told of another block, told again of the first branch: all of it, before anything is flushed.
#[test]
fn all_that_was_told_since_the_last_flush_is_remembered() {
    let mut world = two_branches();
    let first = world.nodes[0].tip_id();
    world.heal();
    let second = world.nodes[0].tip_id();
    world.instruct(0, Instruction::Invalidate(active_at(&world, 0, 1)));
    assert_eq!(world.nodes[0].tip_id(), first);
    assert_eq!(broken(&world).len(), 2, "to the second branch and back");
    let records = world.nodes[0].disk.0.lock().unwrap().records.clone();
    let told = |record: &Record| if let Record::ToldFinal(told) = record { Some(told.clone()) } else { None };
    let last = records.iter().rev().find_map(told).unwrap();
    let heights: Vec<u64> = last.iter().map(|(height, _)| height.0).collect();
    assert_eq!(heights, [5, 3]);
    world.instruct(0, Instruction::Reconsider(second));
    assert_eq!(world.nodes[0].tip_id(), second);
    world.nodes[0].traces.clear();
    world.restart(0);
    assert_eq!(broken(&world), [&Trace::FinalityBroken { before: Height(3), fork: Height(0) }]);
}
