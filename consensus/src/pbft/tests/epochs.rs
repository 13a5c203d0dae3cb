//! Changes of members, when they take effect, and who sees to it. Traces 9 and 10 of what weaker rules allow are here.
//!
//! Nodes 0 to 3 are the members of genesis; those above follow until they are made members.

use super::super::advance::Ground;
use super::super::change_of_members;
use super::cluster::{Cut, Packet, Setup, World, key};
use super::forge::guards;
use crate::engine::{Engine, Event, Peer, Trace};
use crate::ledger::genesis::ValidatorSet;
use crate::ledger::key::PublicKey;
use crate::ledger::sighash::epoch_change_digest;
use crate::ledger::transaction::{Body, EpochChange, Transaction, Witness};
use crate::ledger::units::{Epoch, Height};
use crate::message::Message;
use crate::message::VoteKind;
use crate::plant::Plant;
use VoteKind::{Commit, PrePrepare, Prepare};
use std::sync::Arc;

pub(in crate::pbft) fn setup(followers: usize) -> Setup {
    Setup { followers, checkpoint_interval: 4, ..Setup::of(4) }
}

pub(in crate::pbft) fn keys(indices: impl IntoIterator<Item = usize>) -> Vec<PublicKey> {
    indices.into_iter().map(|index| key(index).public()).collect()
}

/// The change of a set's members into these, signed by exactly these.
pub(in crate::pbft) fn change(set: &ValidatorSet, into: &[usize], signers: &[usize]) -> Transaction {
    let (body, digest) = change_of_members(set, keys(into.iter().copied()));
    let sign = |signer: &usize| {
        let member = set.index_of(&key(*signer).public()).expect("the test chooses members");
        Witness::Member { member, signature: key(*signer).sign(&digest) }
    };
    Transaction::new(body, signers.iter().map(sign).collect())
}

pub(in crate::pbft) fn readmission(world: &World, of: usize, epoch: u64, nonce: u8) -> Transaction {
    let member = key(of).public();
    let body = Body::Epoch(EpochChange::Readmit { epoch: Epoch(epoch), member, nonce: [nonce; 32] });
    let signature = key(of).sign(&epoch_change_digest(&world.genesis.network_id(), &body));
    let index = world.nodes[0].set.index_of(&member).expect("the test chooses members");
    Transaction::new(body, vec![Witness::Member { member: index, signature }])
}

pub(in crate::pbft) fn epochs(world: &World) -> Vec<u64> {
    (0..world.nodes.len()).filter(|index| world.is_up(*index)).map(|index| world.status(index).epoch.0).collect()
}

/// Makes a change, and waits until everybody who is up is in the epoch that it opens.
pub(in crate::pbft) fn change_to(world: &mut World, into: &[usize], signers: &[usize]) {
    let set = world.nodes[signers[0]].set.clone();
    let change = change(&set, into, signers);
    world.submit_change(&change);
    wait_for_epoch(world, set.epoch.0 + 1);
}

pub(in crate::pbft) fn change_to_without(world: &mut World, into: &[usize], signers: &[usize], without: usize) {
    let set = world.nodes[signers[0]].set.clone();
    world.submit_change(&change(&set, into, signers));
    for _ in 0..40 {
        world.pass(500);
    }
    let others = (0..world.nodes.len()).filter(|index| *index != without);
    assert!(others.clone().all(|index| world.status(index).epoch > set.epoch), "{:?}", epochs(world));
}

pub(in crate::pbft) fn wait_for_epoch(world: &mut World, epoch: u64) {
    for _ in 0..100 {
        if epochs(world).iter().all(|it| *it == epoch) {
            return;
        }
        world.pass(500);
    }
    panic!("epoch {epoch} is not reached: {:?} at {:?}", epochs(world), world.heights());
}

pub(in crate::pbft) fn blocks(world: &mut World, coins: std::ops::Range<u32>) {
    for index in coins {
        world.submit(index);
        world.pass(200);
    }
}

#[test]
fn four_become_seven_and_four_again_with_f_liars_of_the_larger_set() {
    let mut world = World::new(setup(3));
    blocks(&mut world, 0..1);
    change_to(&mut world, &[0, 1, 2, 3, 4, 5, 6], &[0, 1, 2]);
    assert_eq!(world.height(0), 4, "filled up to the checkpoint with empty blocks");
    assert_eq!((world.status(6).n, world.status(6).quorum, world.status(6).me), (7, 5, Some(6)));
    // Member (1 + 0) mod 7 is the primary now; it and another one fail, which four could not bear.
    world.kill(1);
    world.kill(5);
    world.submit(1);
    world.pass(10_000);
    assert!(world.status(0).view.0 > 0, "the primary was one of them");
    assert!(world.nodes[0].mempool.is_empty());
    world.kill(6);
    world.submit(2);
    world.pass(10_000);
    assert!(!world.nodes[0].mempool.is_empty(), "four of seven decide nothing");
    [1, 5, 6].iter().for_each(|index| world.start(*index));
    world.pass(20_000);
    assert!(world.nodes[0].mempool.is_empty());
    change_to(&mut world, &[0, 1, 2, 6], &[0, 1, 2, 3, 4]);
    world.kill(3);
    world.kill(4);
    world.kill(5);
    blocks(&mut world, 3..5);
    world.pass(3_000);
    let height = world.height(0);
    assert!(height > 8 && world.nodes[0].mempool.is_empty());
    world.assert_agreed(height);
}

#[test]
fn a_change_takes_effect_at_the_checkpoint_and_nothing_above_is_proposed_before_it_is_stable() {
    let mut world = World::new(setup(1));
    world.submit_change(&change(&world.nodes[0].set.clone(), &[0, 1, 2, 3, 4], &[0, 1, 3]));
    for _ in 0..20 {
        // Nobody hears of anybody's checkpoint.
        world.deliver_if(|packet: &Packet| !matches!(packet.message, Message::Checkpoint(_)));
        world.queue.retain(|packet| !matches!(packet.message, Message::Checkpoint(_)));
        world.now = world.now.plus_ms(50);
        (0..5).for_each(|index| world.told(index, Event::Wake));
    }
    world.submit(0);
    world.deliver_if(|packet: &Packet| !matches!(packet.message, Message::Checkpoint(_)));
    assert!(!world.has_sent(0, PrePrepare, 5), "proposed above the last height");
    assert!(world.has_sent(0, PrePrepare, 4) && world.heights().iter().all(|height| *height == 4));
    assert!((0..4).all(|index| world.status(index).deadline.is_none()), "nobody owes anything");
    assert_eq!(epochs(&world), [0; 5]);
    world.pass(3_000);
    assert_eq!(epochs(&world), [1; 5], "once it is stable the epoch begins, and work goes on");
    assert!(world.height(0) > 4 && world.nodes[0].mempool.is_empty());
}

#[test]
fn trace_9_a_block_above_the_last_height_is_prepared_by_nobody() {
    guards(Plant::EndlessEpoch, "last height", || {
        let mut world = World::new(setup(1));
        world.kill(0);
        world.submit_change(&change(&world.nodes[1].set.clone(), &[0, 1, 2, 3, 4], &[0, 1, 3]));
        world.lose_all();
        // The liar proposes the change at height 4, and at once a block above, whatever it is told of the rule.
        let mut parent = world.genesis.block().header;
        for height in 1..=5 {
            let content = match height {
                4 => vec![change(&world.nodes[1].set.clone(), &[0, 1, 2, 3, 4], &[0, 1, 3])],
                _ => Vec::new(),
            };
            let block = world.block(&parent, height, &content);
            let proposal = world.proposal(height, &block);
            (1..4).for_each(|to| world.inject(0, to, proposal.clone()));
            world.deliver_if(|packet: &Packet| !matches!(packet.message, Message::Checkpoint(_)));
            parent = block.header;
        }
        assert!(world.has_sent(1, Prepare, 4), "the last one is fine");
        assert!((1..4).all(|index| !world.has_sent(index, Prepare, 5)), "prepared above the last height");
        assert!((1..4).all(|index| !world.has_sent(index, Commit, 5)));
    });
}

#[test]
fn trace_10_a_change_serves_one_epoch_only() {
    guards(Plant::ReplayedChange, "the old change", || {
        let mut world = World::new(setup(1));
        let old = change(&world.nodes[0].set.clone(), &[0, 1, 2, 4], &[0, 1, 2]);
        change_to(&mut world, &[0, 1, 2, 3, 4], &[0, 1, 2]);
        change_to(&mut world, &[0, 1, 2, 3], &[0, 1, 2, 3]);
        // The same four again, so that the signatures fit; but another epoch.
        world.submit_change(&old);
        blocks(&mut world, 0..1);
        world.pass(3_000);
        assert_eq!(epochs(&world), [2; 5], "the old change was taken");
        assert!(world.height(0) > 8 && world.nodes[0].mempool.is_empty());
    });
}

#[test]
fn one_change_of_members_waits_and_one_is_made_in_an_epoch() {
    let mut world = World::new(setup(2));
    let set = world.nodes[0].set.clone();
    let (one, other) = (change(&set, &[0, 1, 2, 3, 4], &[0, 1, 2]), change(&set, &[0, 1, 2, 3, 5], &[0, 1, 3]));
    world.submit_change(&one);
    assert!(world.engine(0).admits_change(&other).is_err());
    assert!(world.engine(0).admits_change(&one).is_ok());
    while world.height(0) < 1 {
        world.deliver(0);
    }
    assert!(world.engine(0).admits_change(&other).is_err(), "one was made");
    world.submit_change(&readmission(&world, 3, 0, 7));
    wait_for_epoch(&mut world, 1);
    assert_eq!(world.status(4).me, Some(4), "the first");
    let succession = world.engine(0).epochs.known_from(Epoch(1)).next().expect("epoch 1 began").clone();
    assert_eq!(succession.opening.readmitted.len(), 1, "re-admissions are added to it");
    assert!(world.engine(0).admits_change(&other).is_err(), "its epoch is over");
}

#[test]
fn a_change_survives_its_primary_and_every_order_of_messages() {
    for seed in 0..12 {
        let mut world = World::new(setup(3));
        world.submit(0);
        world.submit_change(&change(&world.nodes[0].set.clone(), &[0, 1, 2, 3, 4, 5, 6], &[1, 2, 3]));
        for _ in 0..(seed * 5) {
            if !world.queue.is_empty() {
                world.deliver(0);
            }
        }
        world.kill(0);
        world.run_shuffled(seed);
        wait_for_epoch(&mut world, 1);
        world.start(0);
        world.submit(1);
        world.pass(5_000);
        wait_for_epoch(&mut world, 1);
        let height = world.height(1);
        world.assert_agreed(height);
        assert!(world.nodes[1].mempool.is_empty(), "seed {seed}");
    }
}

#[test]
fn a_power_cut_between_any_two_effects_of_a_change_loses_nothing() {
    for effects in (0..120).step_by(3) {
        let flushes = effects % 2 == 0;
        let mut world = World::new(Setup { checkpoint_interval: 2, flushes, ..setup(1) });
        world.cut = Some(Cut { victim: 1, effects, pulled: effects % 4 });
        world.submit(0);
        world.submit_change(&change(&world.nodes[0].set.clone(), &[0, 1, 2, 3, 4], &[0, 2, 3]));
        world.run();
        if world.cut.take().is_none() {
            world.nodes[1].mempool.clear();
            world.start(1);
        }
        wait_for_epoch(&mut world, 1);
        // One of five may be missing, and everybody else is needed.
        world.kill(4);
        world.submit(1);
        world.pass(15_000);
        let height = world.height(0);
        world.assert_agreed(height);
        assert!(height > 2 && world.nodes[0].mempool.is_empty(), "after {effects} effects");
        world.kill(1);
        world.start(1);
        assert_eq!((world.height(1), world.status(1).epoch), (height, Epoch(1)), "after {effects} effects");
    }
}

#[test]
fn the_epoch_is_seen_in_traces_and_a_removed_member_follows() {
    let mut world = World::new(setup(0));
    change_to(&mut world, &[0, 1, 2], &[0, 1, 2]);
    let begun =
        |trace: &Trace| matches!(trace, Trace::Epoch { epoch: Epoch(1), members: 3, quorum: 2, start: Height(4), .. });
    assert!((0..4).all(|index| world.nodes[index].traces.iter().any(begun)));
    assert_eq!(world.status(3).me, None);
    blocks(&mut world, 0..3);
    world.pass(2_000);
    world.assert_agreed(7);
    assert!(world.nodes[3].blamed.iter().all(|(peer, _)| *peer != Peer(0)));
}

#[test]
fn a_change_that_one_replica_hears_of_reaches_all_and_costs_no_view() {
    let mut world = World::new(setup(1));
    let change = change(&world.nodes[0].set.clone(), &[0, 1, 2, 3, 4], &[0, 1, 2]);
    let change = world.verified_change(change);
    world.told(2, Event::Change(change));
    world.pass(500);
    assert_eq!(epochs(&world), [1; 5]);
    let left = |trace: &Trace| matches!(trace, Trace::Leave { .. });
    assert!(world.nodes.iter().all(|node| !node.traces.iter().any(left)));
}

#[test]
fn a_primary_that_keeps_a_change_of_members_waiting_is_replaced() {
    guards(Plant::EndlessPatience, "nobody finds that unfair", || {
        let mut world = World::new(setup(1));
        let change = change(&world.nodes[1].set.clone(), &[1, 2, 3, 4], &[1, 2, 3]);
        let change = world.verified_change(change);
        // The primary includes everything else, and in time.
        world.deaf_to_changes = Some(0);
        (1..5).for_each(|index| world.told(index, Event::Change(change.clone())));
        for index in 0..40 {
            world.submit(index);
            world.pass(200);
        }
        wait_for_epoch(&mut world, 1);
        let unfair = |trace: &Trace| matches!(trace, Trace::Leave { reason: "unfair", .. });
        assert!((1..4).any(|index| world.nodes[index].traces.iter().any(unfair)), "nobody finds that unfair");
    });
}

#[test]
fn a_block_with_a_second_change_of_members_is_invalid_wherever_the_first_stands() {
    let world = World::new(setup(2));
    let set = world.nodes[0].set.clone();
    let (one, other) = (change(&set, &[0, 1, 2, 3, 4], &[0, 1, 2]), change(&set, &[0, 1, 2, 3, 5], &[0, 1, 3]));
    let engine = world.engine(0);
    let ground = Ground::at(engine.chain().tip());
    let header = world.genesis.block().header;
    let first = world.block(&header, 1, std::slice::from_ref(&one));
    assert!(engine.check_changes(&ground, &first).is_ok());
    assert!(engine.check_changes(&ground, &world.block(&header, 1, &[one, other.clone()])).is_err(), "in one block");
    let above = Ground { changing: vec![(Height(1), Arc::new(first))], ..ground };
    assert!(engine.check_changes(&above, &world.block(&header, 1, &[other])).is_err(), "in the block below");
    assert!(engine.check_changes(&above, &world.block(&header, 1, &[])).is_ok());
    assert_eq!(engine.last_height_on(&above), Some(Height(4)));
}
