//! Golden transcripts: whole runs as text, in `consensus/tests/transcripts`. `BEZANT_REWRITE=1` writes them anew; the diff is
//! to be reviewed.

use super::cluster::{Packet, Setup, World};
use crate::ledger::units::Height;
use crate::message::{Message, VoteKind};
use std::path::Path;

#[allow(clippy::disallowed_methods, reason = "a test may read its file, and writes it when asked to")]
fn check(name: &str, world: &World) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts").join(name);
    if std::env::var_os("BEZANT_REWRITE").is_some_and(|value| value == "1") {
        std::fs::write(&path, &world.log).expect("the transcript can be written");
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    let different = golden.lines().zip(world.log.lines()).position(|(golden, actual)| golden != actual);
    assert_eq!(different.map(|line| line + 1), None, "first line of {name} that differs; BEZANT_REWRITE=1 rewrites it");
    assert_eq!(golden.lines().count(), world.log.lines().count(), "length of {name}");
}

#[test]
fn one_block_of_four() {
    let mut world = World::new(Setup::of(4));
    world.submit(0);
    world.run();
    world.assert_agreed(1);
    check("pbft_one_block.txt", &world);
}

#[test]
fn two_heights_overlap() {
    let mut world = World::new(Setup { depth: 2, ..Setup::of(4) });
    world.submit(0);
    for _ in 0..10 {
        world.deliver(0);
    }
    world.submit(1);
    world.run();
    world.assert_agreed(2);
    check("pbft_two_heights.txt", &world);
}

#[test]
fn a_backup_restarts_in_the_middle() {
    let mut world = World::new(Setup { flushes: false, ..Setup::of(4) });
    world.submit(0);
    for _ in 0..8 {
        world.deliver(0);
    }
    world.kill(2);
    world.run();
    world.start(2);
    world.pass(1_000);
    world.assert_agreed(1);
    check("pbft_backup_restarts.txt", &world);
}

#[test]
fn a_member_that_was_away_catches_up() {
    let mut world = World::new(Setup::of(4));
    world.kill(1);
    for index in 0..2 {
        world.submit(index);
        world.run();
    }
    world.start(1);
    world.pass(1_000);
    world.assert_agreed(2);
    check("pbft_catch_up.txt", &world);
}

#[test]
fn a_net_of_one() {
    let mut world = World::new(Setup { dev: true, ..Setup::of(1) });
    world.pass(100);
    world.submit(0);
    world.run();
    world.assert_agreed(2);
    check("pbft_net_of_one.txt", &world);
}

/// Nodes leave their views one timer after another, in this order.
fn time_out(world: &mut World, nodes: &[usize]) {
    nodes.iter().for_each(|index| world.time_out(*index));
}

fn is_commit(packet: &Packet) -> bool {
    matches!(&packet.message, Message::Vote(vote) if vote.kind == VoteKind::Commit)
}

#[test]
fn the_primary_is_killed_with_nothing_in_flight() {
    let mut world = World::new(Setup::of(4));
    world.kill(0);
    world.submit(0);
    time_out(&mut world, &[1, 2, 3]);
    world.run();
    assert_eq!(world.heights(), [1, 1, 1]);
    check("pbft_view_idle.txt", &world);
}

#[test]
fn the_primary_is_killed_with_one_height_prepared() {
    let mut world = World::new(Setup::of(4));
    world.submit(0);
    let block = world.in_flight(0, 1).expect("proposed");
    world.deliver_if(|it| !is_commit(it));
    world.kill(0);
    world.lose_all();
    time_out(&mut world, &[1, 2, 3]);
    world.run();
    assert_eq!(world.heights(), [1, 1, 1]);
    assert_eq!(world.nodes[1].finals[&Height(1)], block.id(), "the block that was prepared");
    check("pbft_view_one_prepared.txt", &world);
}

#[test]
fn the_primary_is_killed_with_two_heights_in_flight() {
    let mut world = World::new(Setup { depth: 2, ..Setup::of(4) });
    for index in 0..2 {
        world.submit(index);
        world.deliver_if(|it| !is_commit(it));
    }
    let blocks = [1, 2].map(|height| world.in_flight(0, height).expect("proposed").id());
    world.kill(0);
    world.lose_all();
    time_out(&mut world, &[1, 2, 3]);
    world.run();
    assert_eq!(world.heights(), [2, 2, 2]);
    assert_eq!([1, 2].map(|height| world.nodes[1].finals[&Height(height)]), blocks);
    check("pbft_view_two_in_flight.txt", &world);
}

/// Also: InconsistentPrePrepare.
#[test]
fn a_lying_primary_makes_two_proposals() {
    let mut world = World::new(Setup::of(4));
    world.kill(0);
    let one = world.block(&world.genesis.block().header, 1, &[world.transfer(0)]);
    let two = world.other(&one);
    for (to, block) in [(1, &one), (2, &one), (3, &two)] {
        let proposal = world.proposal_in(0, 1, block);
        world.inject(0, to, proposal);
    }
    world.run();
    let second = world.proposal_in(0, 1, &two);
    world.inject(0, 2, second);
    world.run();
    assert!((1..4).all(|index| world.view(index) == 1), "seen by one, told to all");
    world.pass(500);
    world.submit(0);
    world.pass(1_000);
    assert_eq!(world.heights()[1..], world.heights()[..2], "they agree");
    assert!(world.height(1) > 0);
    check("pbft_view_two_proposals.txt", &world);
}

#[test]
fn a_new_primary_fetches_a_body() {
    let mut world = World::new(Setup::of(4));
    world.isolate(&[1]);
    world.submit(0);
    world.deliver_if(|it| !is_commit(it));
    let block = world.in_flight(0, 1).expect("proposed");
    world.lose_all();
    world.heal();
    world.kill(0);
    time_out(&mut world, &[1, 2, 3]);
    world.run();
    assert_eq!(world.heights(), [1, 1, 1]);
    assert_eq!(world.nodes[1].finals[&Height(1)], block.id());
    check("pbft_view_missing_body.txt", &world);
}

/// Also: FallBehind.
#[test]
fn a_replica_behind_in_views_is_answered() {
    let mut world = World::new(Setup::of(4));
    world.isolate(&[3]);
    world.submit(0);
    world.lose_all();
    time_out(&mut world, &[0, 1, 2]);
    world.run();
    assert_eq!(world.heights(), [1, 1, 1, 0]);
    world.heal();
    world.submit(1);
    world.lose_all();
    time_out(&mut world, &[3]);
    world.run();
    assert_eq!((world.view(3), world.status(3).is_active), (1, true));
    world.pass(3_000);
    world.assert_agreed(2);
    check("pbft_view_behind.txt", &world);
}

/// Also: NewViewTimeout.
#[test]
fn nested_view_changes() {
    let mut world = World::new(Setup::of(7));
    world.kill(0);
    world.kill(1);
    world.submit(0);
    time_out(&mut world, &[2, 3, 4, 5, 6]);
    world.run();
    assert!((2..7).all(|index| world.view(index) == 1 && !world.status(index).is_active), "its primary is dead too");
    time_out(&mut world, &[2, 3, 4, 5, 6]);
    world.run();
    assert!((2..7).all(|index| world.view(index) == 2));
    assert_eq!(world.heights(), [1; 5]);
    check("pbft_view_nested.txt", &world);
}

/// One backup never gets the proposal, and has the block all the same, without a view change.
#[test]
fn lost_pre_prepare() {
    let mut world = World::new(Setup::of(4));
    world.submit(0);
    world.queue.retain(|it| it.to != 1);
    world.run();
    assert_eq!(world.heights(), [1, 0, 1, 1]);
    world.pass(1_500);
    world.assert_agreed(1);
    assert!((0..4).all(|index| world.view(index) == 0));
    check("pbft_view_lost_pre_prepare.txt", &world);
}

/// A view changes while the window has moved at some replicas only.
#[test]
fn view_change_watermarks_movement() {
    let mut world = World::new(Setup { depth: 1, ..Setup::of(4) });
    world.submit(0);
    world.deliver_if(|it| !is_commit(it));
    world.deliver_if(|it| it.to == 2 || it.to == 3);
    assert_eq!(world.heights(), [0, 0, 1, 1]);
    world.lose_all();
    world.isolate(&[0]);
    world.submit(1);
    world.lose_all();
    time_out(&mut world, &[1, 2, 3]);
    world.run();
    assert!((1..4).all(|index| world.height(index) == 2), "{:?}", world.heights());
    world.heal();
    world.pass(5_000);
    world.assert_agreed(2);
    check("pbft_view_watermarks.txt", &world);
}

/// A transaction comes while the views change; it does not start a timer of its own, and is in the next block.
#[test]
fn request_timer_during_view_change() {
    let mut world = World::new(Setup::of(4));
    world.kill(0);
    world.submit(0);
    time_out(&mut world, &[1, 2]);
    world.submit(1);
    assert!([1, 2].iter().all(|index| world.status(*index).deadline.is_none()), "no quorum wants the view yet");
    world.run();
    assert_eq!(world.heights(), [1, 1, 1]);
    assert!((1..4).all(|index| world.nodes[index].mempool.is_empty()));
    check("pbft_view_request_meanwhile.txt", &world);
}

/// A replica crashes after PREPARE, after COMMIT, and while it waits for a view.
#[test]
fn replica_crash_1_to_3() {
    let mut world = World::new(Setup::of(4));
    world.submit(0);
    world.deliver_if(|it| matches!(it.message, Message::PrePrepare(_)));
    world.kill(1);
    world.start(1);
    world.run();
    world.submit(1);
    world.deliver_if(|it| !is_commit(it));
    world.kill(2);
    world.start(2);
    world.run();
    world.assert_agreed(2);
    world.kill(0);
    world.submit(2);
    time_out(&mut world, &[3]);
    world.lose_all();
    world.kill(3);
    world.start(3);
    assert_eq!((world.view(3), world.status(3).is_active), (1, false));
    time_out(&mut world, &[1, 2]);
    world.run();
    assert_eq!(world.heights(), [3, 3, 3]);
    check("pbft_view_crashes.txt", &world);
}

/// IBFT 1, case 1 (Saltini and Hyland-Wood, §7.1): after a replica has committed alone, the others may not decide otherwise.
#[test]
fn ibft_case_1() {
    let mut world = World::new(Setup::of(4));
    world.submit(0);
    let block = world.in_flight(0, 1).expect("proposed");
    world.deliver_if(|it| !is_commit(it));
    world.deliver_if(|it| it.to == 3);
    assert_eq!(world.heights(), [0, 0, 0, 1]);
    world.lose_all();
    world.kill(3);
    time_out(&mut world, &[0, 1, 2]);
    world.run();
    assert_eq!(world.heights(), [1, 1, 1]);
    world.start(3);
    world.pass(1_000);
    world.assert_agreed(1);
    assert_eq!(world.nodes[0].finals[&Height(1)], block.id());
    check("pbft_ibft_case_1.txt", &world);
}

/// IBFT 1, case 2, and Tendermint's hidden lock: two replicas are prepared on two blocks, in two views, and no quorum agrees
/// with either alone; there is no lock that could keep them apart, and the later view is gone on with.
#[test]
fn ibft_case_2_and_the_hidden_lock() {
    let mut world = World::new(Setup::of(4));
    world.submit(0);
    let first = world.in_flight(0, 1).expect("proposed");
    // Only 3 is prepared in view 0.
    world.deliver_if(|it| matches!(it.message, Message::PrePrepare(_)));
    world.deliver_if(|it| it.to == 3);
    world.lose_all();
    world.isolate(&[3]);
    time_out(&mut world, &[0, 1, 2]);
    // Only 1 is prepared in view 1, on another block.
    world.deliver_if(|it| matches!(it.message, Message::ViewChange(_) | Message::NewView(_) | Message::PrePrepare(_)));
    let second = world.in_flight(1, 1).expect("proposed");
    assert_ne!(first.id(), second.id());
    world.deliver_if(|it| it.to == 1);
    world.lose_all();
    world.heal();
    time_out(&mut world, &[3]);
    time_out(&mut world, &[0, 1, 2]);
    world.run();
    world.pass(10_000);
    let height = world.height(0);
    world.assert_agreed(height);
    assert_eq!(world.nodes[0].finals[&Height(1)], second.id(), "the later view");
    check("pbft_ibft_case_2.txt", &world);
}

/// A view whose primary has nothing but the word of the old one's victim: the certificate that one replica alone holds.
#[test]
fn a_new_view_brings_a_commit_certificate() {
    let mut world = World::new(Setup { depth: 2, ..Setup::of(4) });
    for index in 0..2 {
        world.submit(index);
        world.deliver_if(|it| !is_commit(it));
    }
    world.deliver_if(|it| it.to == 3);
    assert_eq!(world.heights(), [0, 0, 0, 2]);
    world.lose_all();
    world.kill(0);
    world.submit(2);
    world.lose_all();
    time_out(&mut world, &[1, 2, 3]);
    world.run();
    world.pass(1_000);
    assert_eq!(world.heights(), [3, 3, 3]);
    check("pbft_view_base.txt", &world);
}
