//! Each planted bug takes its rule out, and nothing stumbles over it before a referee can see it.

use super::super::difficulty::expected_bits;
use super::*;
use crate::plant::{Plant, arm};

#[test]
fn a_silent_reorg_says_nothing_of_finality() {
    arm(Some(Plant::SilentReorg));
    let mut world = World::new(2, &genesis());
    world.partition(&[0], &[1]);
    world.mine(0, 5);
    world.mine(1, 6);
    world.heal();
    world.assert_agreed();
    let broken = |trace: &Trace| matches!(trace, Trace::FinalityBroken { .. });
    assert!(!world.nodes[0].traces.iter().any(broken));
}

#[test]
fn undo_comes_in_the_wrong_order() {
    arm(Some(Plant::UndoOrder));
    let mut world = World::new(2, &genesis());
    world.partition(&[0], &[1]);
    world.mine(0, 2);
    world.mine(1, 3);
    world.nodes[0].flushing = false;
    world.heal();
    let update = world.nodes[0].updates.last().unwrap();
    let heights: Vec<u64> = update.disconnected.iter().map(|link| link.height.0).collect();
    assert_eq!(heights, [1, 2]);
}

#[test]
fn the_longest_chain_wins_over_the_one_with_most_work() {
    arm(Some(Plant::TipByHeight));
    let params = PowParams { difficulty: Difficulty::Asert { half_life_s: 5 }, ..params() };
    let genesis = genesis_with(params.clone());
    let mut world = World::new(2, &genesis);
    // One side in a hurry: its blocks are harder. The other takes its time and makes one more.
    world.partition(&[0], &[1]);
    let hurry = |world: &mut World, count: u32| {
        for _ in 0..count {
            world.tell(0, Event::BlockNow);
            let template = world.nodes[0].template.clone().unwrap();
            world.tell(0, Event::Solved { ticket: template.ticket, block: solve(template.block) });
        }
    };
    hurry(&mut world, 6);
    world.mine(1, 7);
    let work = |world: &World, index: usize| world.nodes[index].engine.tip_info().work;
    assert!(work(&world, 0) > work(&world, 1));
    let tree = &world.nodes[0].engine.tree;
    assert!(expected_bits(&params, tree, &tree.tip()) < BITS);
    let light = world.nodes[1].tip_id();
    let headers = world.nodes[1].engine.answer(&Message::GetHeaders(crate::message::Locator(Vec::new()))).unwrap();
    let blocks = {
        let disk = world.nodes[1].disk.0.lock().unwrap();
        disk.active[1..].iter().map(|id| (*disk.bodies[id]).clone()).collect()
    };
    world.deliver(1, 0, headers);
    world.deliver(1, 0, Message::Blocks(crate::message::Blocks(blocks)));
    assert_eq!(world.nodes[0].tip_id(), light);
}
