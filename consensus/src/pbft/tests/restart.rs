//! Starts of replicas that do not find their chain where their own records say that it was: the coins were lost, or the net was
//! set back.

use super::cluster::{Setup, World};
use super::epochs::{blocks, change, change_to, setup};
use crate::engine::{Engine, Peer, Record};
use crate::ledger::key::Signature;
use crate::ledger::units::{Epoch, Height, Incarnation, View};
use crate::limits::SLOTS_MAX;
use crate::message::{CommitCertificate, NewView, ViewChange, VoteKind};

/// A net in epoch 1, which began above height 4, at height 6.
pub(super) fn in_epoch_1() -> World {
    let mut world = World::new(setup(1));
    change_to(&mut world, &[0, 1, 2, 3, 4], &[0, 1, 2]);
    blocks(&mut world, 0..2);
    world.assert_agreed(6);
    world
}

fn epoch(world: &World, index: usize) -> Epoch {
    world.status(index).epoch
}

#[test]
fn who_lost_its_coins_says_nothing_until_it_is_where_it_had_been() {
    let mut world = World::new(setup(1));
    world.kill(3);
    change_to(&mut world, &[0, 1, 2, 3, 4], &[0, 1, 2]);
    blocks(&mut world, 0..9);
    world.start(3);
    world.pass(3_000);
    let height = world.height(0);
    assert_eq!((height, world.height(3), world.nodes[3].switched.len()), (13, 13, 1), "it began with a snapshot");
    // It has prepared a block that nobody else knows of.
    let header = world.engine(0).chain().tip().header;
    let primary = usize::from(world.status(0).primary);
    assert_ne!(primary, 3);
    let (first, second) = (world.block(&header, 14, &[]), world.block(&header, 14, &[world.transfer(20)]));
    let proposal = |world: &World, block| world.proposal_of(primary, 14, block);
    world.isolate(&[3]);
    let message = proposal(&world, &first);
    world.inject(primary, 3, message);
    assert!(world.has_sent(3, VoteKind::Prepare, 14));
    world.queue.clear();
    world.kill(3);
    let genesis = world.genesis.clone();
    world.disk(3, |disk| disk.set_back(&genesis, Height::GENESIS));
    world.start(3);
    world.run();
    assert_eq!(world.height(3), 0, "the blocks below its snapshot are nowhere");
    assert!(world.status(3).is_mute);
    // A liar has another block for it as soon as it is back; the referee of this net sees that it does not vote twice.
    world.cuts.clear();
    world.pass(3_000);
    assert_eq!((world.height(3), world.status(3).is_mute), (13, false));
    let message = proposal(&world, &second);
    world.inject(primary, 3, message);
    assert!(world.has_sent(3, VoteKind::Prepare, 14));
    world.lose_all();
    world.kill(primary);
    world.submit(21);
    world.pass(20_000);
    let height = world.height(3);
    world.assert_agreed(height);
    assert!(height > 13);
}

#[test]
fn records_of_another_incarnation_silence_nobody_and_prove_no_epoch() {
    type Kind = fn(&Record) -> bool;
    let kinds: [(&str, Kind, u64); 3] = [
        ("votes", |record| matches!(record, Record::Vote(_)), 0),
        ("stable checkpoints", |record| matches!(record, Record::Stable(_)), 0),
        ("epochs", |record| matches!(record, Record::Epoch(_)), 1),
    ];
    for (name, is_of_kind, known) in kinds {
        for (incarnation, is_mute, known) in [(0, true, known), (1, false, 0)] {
            let mut world = in_epoch_1();
            world.kill(3);
            // So high nobody votes who was not above the genesis.
            let block = world.genesis.block().id();
            let vote = world.vote(VoteKind::Commit, 3, world.ballot(SLOTS_MAX + 1, block));
            let genesis = world.genesis.clone();
            world.disk(3, |disk| {
                disk.set_back(&genesis, Height::GENESIS);
                disk.persist(Record::Vote(vote));
                disk.records.retain(is_of_kind);
            });
            if incarnation > 0 {
                world.incarnations = world
                    .incarnations
                    .set_back(Incarnation(incarnation), Height::GENESIS)
                    .expect("a first setting back");
            }
            world.start(3);
            let found = (world.status(3).is_mute, world.engine(3).epochs.last_known());
            assert_eq!(found, (is_mute, Epoch(known)), "{name} of incarnation 0 in incarnation {incarnation}");
        }
    }
}

#[test]
fn a_net_that_was_set_back_goes_on_at_once() {
    for height in [0, 4, 5] {
        let mut world = in_epoch_1();
        world.set_back(height);
        let known = u64::from(height >= 4);
        assert!((0..5).all(|index| epoch(&world, index) == Epoch(known)), "the members of that height");
        assert!((0..4).all(|index| !world.status(index).is_mute), "set back to {height}");
        world.submit(10);
        world.pass(2_500);
        world.assert_agreed(height + 1);
        assert!((0..4).all(|index| world.has_sent(index, VoteKind::Commit, height + 1)), "set back to {height}");
    }
}

#[test]
fn a_net_that_was_set_back_makes_checkpoints_and_epochs_again() {
    // From height 2 on the change in block 1 still stands.
    for (height, before) in [(0, 0), (2, 0), (4, 1), (5, 1)] {
        let mut world = in_epoch_1();
        world.set_back(height);
        if height != 2 {
            let set = world.nodes[0].set.clone();
            let (into, signers) = if before == 0 { (0..5, 0..3) } else { (0..4, 0..4) };
            let (into, signers): (Vec<usize>, Vec<usize>) = (into.collect(), signers.collect());
            world.submit_change(&change(&set, &into, &signers));
        }
        world.pass(5_000);
        assert!((0..4).all(|index| epoch(&world, index) == Epoch(before + 1)), "set back to {height}");
    }
}

#[test]
fn many_checkpoints_of_before_a_net_was_set_back_push_out_none_of_the_new_ones() {
    let mut world = World::new(Setup { checkpoint_interval: 2, ..Setup::of(4) });
    for index in 0..12 {
        world.submit(index);
        world.run();
    }
    world.set_back(0);
    for index in 12..16 {
        world.submit(index);
        world.pass(100);
    }
    assert!((0..4).all(|index| world.engine(index).checkpoints.stable() == Height(4)));
}

#[test]
fn a_net_that_was_set_back_changes_views_again() {
    // Also in the middle of an epoch, where what is final is known by certificates of before.
    for height in [0, 2, 4, 5] {
        let mut world = in_epoch_1();
        world.set_back(height);
        let primary = usize::from(world.status(0).primary);
        world.kill(primary);
        world.submit(10);
        world.pass(20_000);
        // From height 2 on the change in block 1 still stands, and its epoch begins above height 4.
        world.assert_agreed(if height == 2 { 5 } else { height + 1 });
    }
}

#[test]
fn who_was_behind_when_the_net_was_set_back_catches_up() {
    let mut world = in_epoch_1();
    world.set_back(5);
    world.kill(3);
    let genesis = world.genesis.clone();
    world.disk(3, |disk| {
        disk.set_back(&genesis, Height(2));
        disk.records.clear();
        disk.blocks.retain(|_, block| block.header.time == 0);
    });
    world.start(3);
    assert_eq!(world.height(3), 2);
    world.pass(10_000);
    assert_eq!((world.height(3), epoch(&world, 3)), (5, Epoch(1)), "what stayed is proved by certificates of before");
    world.submit(10);
    world.pass(2_500);
    world.assert_agreed(6);
}

#[test]
fn what_was_undone_begins_no_view() {
    for (height, counts) in [(5, true), (6, false)] {
        let mut world = in_epoch_1();
        let certificate = world.engine(0).chain().archive().certificate(Height(height)).expect("it is final");
        world.set_back(5);
        let (incarnation, epoch) = (Incarnation(1), Epoch(1));
        let change = |world: &World, signer, committed: Option<CommitCertificate>| ViewChange {
            incarnation,
            epoch,
            committed,
            ..world.change(signer, 1, None, vec![])
        };
        let one = change(&world, 3, Some(certificate.clone()));
        let engine = world.nodes[2].engine.as_mut().expect("it is up");
        engine.on_view_change(Peer(3), one);
        let signers = engine.views.signers(View(1));
        assert_eq!(signers.contains(&3), counts, "a VIEW-CHANGE that rests on height {height}");
        let changes = vec![
            change(&world, 0, Some(certificate.clone())),
            change(&world, 1, None),
            change(&world, 3, None),
            change(&world, 4, None),
        ];
        let new_view = NewView { incarnation, epoch, view: View(1), changes, signer: 2, signature: Signature([0; 64]) };
        let engine = world.nodes[1].engine.as_mut().expect("it is up");
        engine.on_new_view(Peer(2), new_view);
        assert_eq!(world.view(1), u64::from(counts), "a NEW-VIEW that rests on height {height}");
    }
}

#[test]
fn who_entered_the_view_that_it_once_asked_for_stays_in_it() {
    let mut world = World::new(Setup { checkpoint_interval: 2, ..Setup::of(4) });
    for index in 0..3 {
        world.submit(index);
        world.run();
    }
    world.submit(3);
    world.lose_all();
    world.time_out(3);
    assert_eq!((world.view(3), world.status(3).is_active), (1, false), "it asked for view 1");
    world.lose_all();
    world.kill(3);
    let genesis = world.genesis.clone();
    world.disk(3, |disk| {
        disk.set_back(&genesis, Height::GENESIS);
        disk.records.retain(|it| !matches!(it, Record::Body(_) | Record::Committed(_)));
        disk.blocks.clear();
    });
    world.start(3);
    assert!(world.status(3).is_mute, "a stable checkpoint says that it was further");
    // The others begin that view meanwhile; it hears of that before it hears of blocks.
    world.lose_all();
    (0..3).filter(|index| world.view(*index) == 0).collect::<Vec<_>>().into_iter().for_each(|it| world.time_out(it));
    world.deliver_if(|packet| packet.to != 3);
    let new_view = world.new_view_of(1);
    world.inject(1, 3, new_view);
    assert_eq!((world.view(3), world.height(3), world.status(3).is_mute), (1, 0, true));
    let blocks = world.engine(0).certified_from(Height(1), 16);
    world.lose_all();
    world.inject(0, 3, blocks);
    assert!(!world.status(3).is_mute, "it is where it had been");
    assert_eq!((world.view(3), world.status(3).is_active), (1, true), "it waits for no view that has begun");
}
