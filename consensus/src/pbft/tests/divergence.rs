//! Wrong coins: who has them learns it at the next checkpoint, says nothing from then on, and gets the right ones.

use super::checkpoint::{EVERY_2, blocks, found, has_diverged};
use super::cluster::{Cut, World};
use super::epochs::{self, change, wait_for_epoch};
use super::forge::guards;
use crate::engine::{Record, Trace};
use crate::ledger::hash::CoinCommitment;
use crate::ledger::units::Height;
use crate::message::checkpoint::{Checkpoint, CheckpointCertificate};
use crate::message::{Message, VoteKind};
use crate::pbft::Pbft;
use crate::plant::Plant;

/// A net whose node 3 has a coin too many, at height 3; the checkpoint of height 4 is still to come.
fn with_a_wrong_coin(flushes: bool) -> World {
    let mut world = World::new(EVERY_2);
    blocks(&mut world, 0..3);
    world.kill(3);
    world.disk(3, super::disk::Disk::corrupt);
    world.setup.flushes = flushes;
    world.start(3);
    world.run();
    world
}

#[test]
fn f18_a_replica_whose_own_state_differs_repairs_itself_and_votes_on_nothing_before() {
    guards(Plant::IgnoreDivergence, "has_diverged", || {
        let mut world = with_a_wrong_coin(true);
        // What would repair it does not come for now.
        world.submit(3);
        world.run_keeping(|packet| !matches!(packet.message, Message::Snapshot(_) | Message::Tip(_)));
        assert!(has_diverged(&world, 3));
        assert_ne!(found(&world, 3, 4), found(&world, 0, 4));
        world.submit(4);
        world.run_keeping(|packet| !matches!(packet.message, Message::Snapshot(_) | Message::Tip(_)));
        assert_eq!(world.heights(), [5, 5, 5, 4], "the others go on, it does not");
        for kind in [VoteKind::PrePrepare, VoteKind::Prepare, VoteKind::Commit] {
            assert!(!world.has_sent(3, kind, 5), "{kind:?} of a replica with wrong coins");
        }
        world.pass(4_000);
        assert_eq!(world.nodes[3].switched, [4], "it took the snapshot of the checkpoint");
        blocks(&mut world, 5..8);
        world.pass(1_000);
        world.assert_agreed(8);
        assert!(world.has_sent(3, VoteKind::Commit, 8), "it votes again");
        assert_eq!(found(&world, 3, 8), found(&world, 0, 8));
        assert!(world.nodes.iter().all(|node| node.blamed.is_empty()), "nobody lied");
    });
}

#[test]
fn f18_a_replica_that_diverged_knows_it_after_a_restart() {
    let mut world = with_a_wrong_coin(true);
    world.submit(3);
    world.run_keeping(|packet| !matches!(packet.message, Message::Snapshot(_)));
    assert!(has_diverged(&world, 3));
    world.kill(3);
    world.start(3);
    assert!(world.engine(3).is_stopped());
    world.pass(16_000);
    assert!(!world.engine(3).is_stopped());
    world.assert_agreed(4);
}

#[test]
fn a_repaired_replica_connects_again_what_was_final_and_its_votes_above_still_bind_it() {
    let mut world = with_a_wrong_coin(true);
    // It learns of the stable checkpoint only when it is further itself.
    for index in 3..7 {
        world.submit(index);
        world.run_keeping(|packet| packet.to != 3 || !matches!(packet.message, Message::Checkpoint(_)));
    }
    assert_eq!(world.heights(), [7; 4]);
    assert!(!has_diverged(&world, 3));
    world.pass(5_000);
    assert!(has_diverged(&world, 3));
    assert_eq!(world.nodes[3].switched.len(), 1);
    blocks(&mut world, 7..9);
    world.pass(3_000);
    world.assert_agreed(9);
}

#[test]
fn a_start_connects_nothing_above_wrong_coins() {
    let mut world = with_a_wrong_coin(false);
    // It learns of the stable checkpoint only when it is further itself; nothing of that is flushed.
    for index in 3..7 {
        world.submit(index);
        world.deliver_if(|packet| packet.to != 3 || !matches!(packet.message, Message::Checkpoint(_)));
        world.lose_all();
    }
    assert_eq!((world.heights(), has_diverged(&world, 3)), (vec![7; 4], false));
    let proof = world.disk(0, |disk| {
        disk.records.iter().find_map(|record| match record {
            Record::Stable(it) if it.checkpoint.height == Height(4) => Some(it.clone()),
            _ => None,
        })
    });
    world.inject(0, 3, Message::Checkpointed(proof.expect("the others agree")));
    assert!(has_diverged(&world, 3));
    world.kill(3);
    world.start(3);
    assert_eq!((world.height(3), world.engine(3).is_stopped()), (4, true));
}

#[test]
fn a_start_with_wrong_coins_at_the_very_end_of_an_epoch_sees_that() {
    let mut world = World::new(epochs::setup(1));
    epochs::change_to(&mut world, &[0, 1, 2, 3, 4], &[0, 1, 2]);
    assert_eq!(world.height(3), 4, "the end of epoch 0");
    world.kill(3);
    world.disk(3, super::disk::Disk::corrupt);
    world.start(3);
    assert!(has_diverged(&world, 3) && world.engine(3).is_stopped());
    world.pass(3_000);
    assert_eq!((&world.nodes[3].switched, world.engine(3).is_stopped()), (&vec![4], false));
    blocks(&mut world, 0..2);
    world.assert_agreed(6);
}

#[test]
fn wrong_coins_at_the_end_of_an_epoch_are_repaired_whenever_the_power_goes() {
    for effects in (0..40).chain((240..360).step_by(2)) {
        let mut world = World::new(epochs::setup(1));
        blocks(&mut world, 0..2);
        world.kill(3);
        world.disk(3, super::disk::Disk::corrupt);
        world.start(3);
        let change = change(&world.nodes[0].set.clone(), &[0, 1, 2, 3, 4], &[0, 1, 2]);
        world.submit_change(&change);
        let mut steps = 0;
        while !world.nodes[3].traces.iter().any(|trace| matches!(trace, Trace::Diverged { .. })) {
            steps += 1;
            assert!(steps < 10_000, "it finds that its coins are wrong");
            if world.queue.is_empty() { world.pass(50) } else { world.deliver(0) }
        }
        world.cut = Some(Cut { victim: 3, effects, pulled: effects % 3 });
        world.pass(2_000);
        if world.cut.take().is_none() {
            world.start(3);
        }
        world.pass(5_000);
        wait_for_epoch(&mut world, 1);
        world.kill(0);
        world.submit(5);
        world.pass(20_000);
        let height = world.height(1);
        world.assert_agreed(height);
        assert!(height > 4 && world.engine(3).checkpoints.diverged.is_none(), "after {effects} effects");
    }
}

#[test]
fn an_earlier_checkpoint_that_is_right_does_not_heal_a_later_one_that_is_not() {
    let mut world = World::new(EVERY_2);
    for index in 0..6 {
        world.submit(index);
        world.run_keeping(|packet| packet.to != 3 || !matches!(packet.message, Message::Checkpoint(_)));
    }
    let certificate = |height, right: bool| {
        let found = found(&world, 3, height).expect("it looked");
        let coins = if right { found.coins } else { CoinCommitment([9; 32]) };
        CheckpointCertificate { checkpoint: Checkpoint { coins, ..found }, seals: Vec::new() }
    };
    let arriving = [certificate(4, false), certificate(6, false), certificate(2, true)];
    let engine = world.nodes[3].engine.as_mut().expect("it is up");
    arriving.into_iter().for_each(|certificate| engine.on_checkpointed(certificate));
    let wrong = |engine: &Pbft| engine.checkpoints.diverged.as_ref().map(|it| it.checkpoint.height.0);
    assert_eq!((engine.checkpoints.stable(), wrong(engine)), (Height(2), Some(6)));
}
