//! Members that lost their vote logs. Trace 8 of what weaker rules allow is here.

use super::cluster::{Setup, World, key};
use super::epochs::{blocks, change_to, change_to_without, epochs, readmission, setup, wait_for_epoch};
use super::forge::guards;
use crate::engine::Engine;
use crate::ledger::key::PublicKey;
use crate::ledger::transaction::Transaction;
use crate::ledger::units::Epoch;
use crate::message::VoteKind;
use crate::message::{Message, TipInfo};
use crate::plant::Plant;
use VoteKind::Prepare;

#[test]
fn trace_8_an_emptied_member_says_nothing_until_it_is_re_admitted() {
    guards(Plant::AmnesiacVotes, "one vote per kind", || {
        let mut world = World::new(setup(0));
        // Member 3 has prepared a block that the others do not know of.
        let header = world.genesis.block().header;
        let (first, second) = (world.block(&header, 1, &[]), world.block(&header, 1, &[world.transfer(0)]));
        let proposal = world.proposal(1, &first);
        world.isolate(&[3]);
        world.inject(0, 3, proposal);
        assert!(world.has_sent(3, Prepare, 1));
        world.heal();
        world.kill(3);
        world.empty(3, 1);
        world.start(3);
        // The primary lies: here comes another one. It was not sent before, so member 0 may sign it.
        world.lose_all();
        let proposal = world.proposal(1, &second);
        (1..4).for_each(|to| world.inject(0, to, proposal.clone()));
        world.run();
        world.pass(60_000);
        assert_eq!(epochs(&world), [1; 4], "on an idle net too");
        assert!(!world.status(3).is_mute);
        // It counts again: without it there is no quorum now.
        world.kill(2);
        let height = world.height(3);
        world.submit(1);
        world.pass(20_000);
        assert!(world.height(3) > height);
    });
}

#[test]
fn a_new_log_stays_mute_through_restarts_and_epochs_of_other_nonces() {
    let mut world = World::new(setup(1));
    blocks(&mut world, 0..1);
    world.kill(3);
    world.empty(3, 1);
    world.isolate(&[3]);
    world.start(3);
    // Another epoch opens meanwhile: without its nonce that is none of its business.
    change_to_without(&mut world, &[0, 1, 2, 3, 4], &[0, 1, 2], 3);
    world.kill(3);
    world.start(3);
    world.cuts.clear();
    assert!(world.status(3).is_mute);
    assert_eq!(world.status(3).commit_height, None, "it does not know what it signed");
    world.pass(1_000);
    let sent = world.nodes[3].sent_count();
    wait_for_epoch(&mut world, 2);
    assert_eq!(world.nodes[3].sent_count(), sent, "no vote before");
    assert!(!world.status(3).is_mute);
    blocks(&mut world, 1..2);
    world.pass(1_000);
    assert!(world.nodes[3].sent_count() > sent, "it votes again");
    world.kill(3);
    world.start(3);
    assert!(!world.status(3).is_mute, "it stays re-admitted");
}

#[test]
fn requests_for_re_admission_are_taken_once_in_an_interval() {
    let mut world = World::new(setup(0));
    let admits = |world: &World, change: &Transaction| world.engine(0).admits_change(change);
    assert!(admits(&world, &readmission(&world, 3, 0, 1)).is_ok());
    assert!(admits(&world, &readmission(&world, 3, 1, 1)).is_err(), "of another epoch");
    world.submit_change(&readmission(&world, 3, 0, 1));
    assert!(admits(&world, &readmission(&world, 3, 0, 1)).is_ok(), "the same again");
    assert!(admits(&world, &readmission(&world, 3, 0, 2)).is_err(), "another waits");
    assert!(admits(&world, &readmission(&world, 2, 0, 2)).is_ok());
    wait_for_epoch(&mut world, 1);
    assert!(admits(&world, &readmission(&world, 3, 1, 2)).is_err(), "1000 blocks are to pass");
    assert!(admits(&world, &readmission(&world, 2, 1, 2)).is_ok());
    assert!(admits(&world, &world.transfer(0)).is_err(), "no change of members at all");
}

#[test]
fn a_member_is_re_admitted_again_after_exactly_so_many_blocks() {
    let mut world = World::new(Setup { readmit_interval: 5, ..setup(0) });
    world.submit_change(&readmission(&world, 3, 0, 1));
    wait_for_epoch(&mut world, 1);
    assert_eq!(world.height(0), 4);
    let again = |world: &World| world.engine(0).admits_change(&readmission(world, 3, 1, 2));
    assert!(again(&world).is_err(), "it was in block 1, and the next is block 5");
    blocks(&mut world, 0..1);
    assert!(again(&world).is_ok(), "the next is block 6");
    // The opening remembers it no longer than that.
    let opening = world.engine(0).epochs.opening().clone();
    assert_eq!(opening.readmitted.len(), 1);
    world.submit_change(&readmission(&world, 2, 1, 9));
    wait_for_epoch(&mut world, 2);
    let members: Vec<PublicKey> = world.engine(0).epochs.opening().readmitted.iter().map(|it| it.member).collect();
    assert_eq!(members, [key(2).public()]);
}

#[test]
fn a_liar_who_claims_a_later_epoch_keeps_nobody_mute() {
    let mut world = World::new(setup(2));
    // What it asks when it starts is of an epoch that is over.
    change_to(&mut world, &[0, 1, 2, 3, 4], &[0, 1, 2]);
    world.kill(3);
    world.empty(3, 1);
    world.start(3);
    world.cuts.insert((5, 3));
    for _ in 0..100 {
        let claim = TipInfo { epoch: Epoch(u64::MAX), ..world.engine(5).tip_info() };
        world.inject(5, 3, Message::Tip(claim));
        world.pass(100);
    }
    world.pass(10_000);
    assert_eq!(epochs(&world), [2; 6]);
    assert!(!world.status(3).is_mute);
}

#[test]
fn the_old_log_of_a_key_is_mute_once_another_was_let_in() {
    let mut world = World::new(setup(1));
    let sent = |world: &World| world.nodes[4].sent_count();
    // Member 3 is copied: its key goes to node 4 with a log that is begun anew, while the old process knows nothing of that.
    world.kill(4);
    world.empty(4, 7);
    world.nodes[4].key = key(3);
    world.start(4);
    assert!(world.status(4).is_mute && !world.status(3).is_mute);
    wait_for_epoch(&mut world, 1);
    assert!(world.status(3).is_mute && !world.status(4).is_mute, "one of them votes");
    let (old, new) = (world.nodes[3].sent_count(), sent(&world));
    blocks(&mut world, 0..2);
    world.pass(2_000);
    assert_eq!(world.nodes[3].sent_count(), old, "the old log says nothing any more");
    assert!(sent(&world) > new);
    // It does not ask to be let in again: somebody else has its key.
    world.pass(30_000);
    assert_eq!(epochs(&world), [1; 5]);
    let height = world.height(0);
    world.assert_agreed(height);
}
