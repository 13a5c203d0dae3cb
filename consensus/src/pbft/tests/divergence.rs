//! Wrong coins: who has them learns it at the next checkpoint, says nothing from then on, and gets the right ones.

use super::cluster::World;
use super::{checkpoint, epochs};
use crate::engine::Record;
use crate::ledger::units::Height;
use crate::message::Message;
use checkpoint::{blocks, has_diverged, with_a_wrong_coin};

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
