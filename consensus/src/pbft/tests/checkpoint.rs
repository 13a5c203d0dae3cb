//! Checkpoints: what members sign, when it is stable, and what is kept of it. Rule F18 of what implementations got wrong, by name.
//!
//! F18: a checkpoint moves on q equal signatures only, and a replica that found something else fetches the state instead of going
//! on ([`super::divergence`]). F21: what a replica computes is the same everywhere, and is compared at every checkpoint.

use super::cluster::{Packet, Setup, World, key};
use crate::engine::{Engine, Event, Fault, Peer, Record, Trace};
use crate::ledger::hash::CoinCommitment;
use crate::ledger::units::Height;
use crate::limits::{CHECKPOINTS_PER_MEMBER_MAX, SNAPSHOTS_HELD};
use crate::message::Message;
use crate::message::checkpoint::{Checkpoint, CheckpointVote};
use crate::pbft::SPACING_ALONE_MS;

pub(super) const EVERY_2: Setup = Setup {
    n: 4,
    followers: 0,
    depth: 4,
    dev: false,
    block_time_ms: 0,
    flushes: true,
    view_timeout_ms: 2_000,
    checkpoint_interval: 2,
    readmit_interval: 1_000,
};

/// One block for each of these coins.
pub(super) fn blocks(world: &mut World, coins: std::ops::Range<u32>) {
    for index in coins {
        world.submit(index);
        world.run();
        if world.nodes.len() == 1 {
            world.pass(SPACING_ALONE_MS);
        }
    }
}

pub(super) fn stable(world: &World, index: usize) -> u64 {
    world.engine(index).checkpoints.stable().0
}

/// What a replica found at a height, as persisted.
pub(super) fn found(world: &World, index: usize, height: u64) -> Option<Checkpoint> {
    world.disk(index, |disk| {
        disk.records.iter().rev().find_map(|record| match record {
            Record::CheckpointState(it) if it.checkpoint.height == Height(height) => Some(it.checkpoint),
            _ => None,
        })
    })
}

pub(super) fn count(world: &World, name: &str) -> usize {
    world.counts.get(name).copied().unwrap_or(0)
}

pub(super) fn has_diverged(world: &World, index: usize) -> bool {
    world.nodes[index].traces.iter().any(|trace| matches!(trace, Trace::Diverged { .. }))
}

fn signed(world: &World, signer: usize, checkpoint: Checkpoint) -> Message {
    let network = world.genesis.network_id();
    Message::Checkpoint(CheckpointVote::sign(&network, checkpoint, signer as u16, &key(signer)))
}

/// Delivers everything, each message changed on its way.
pub(super) fn run_changed(world: &mut World, change: &mut dyn FnMut(&mut Packet)) {
    while let Some(packet) = world.queue.front_mut() {
        change(packet);
        world.deliver(0);
    }
}

pub(super) fn pass_changed(world: &mut World, ms: u64, change: &mut dyn FnMut(&mut Packet)) {
    let until = world.now.plus_ms(ms);
    while world.now < until {
        world.now = world.now.plus_ms(50);
        (0..world.nodes.len()).for_each(|index| world.told(index, Event::Wake));
        run_changed(world, change);
    }
}

#[test]
fn f18_a_checkpoint_is_stable_with_exactly_q_equal_votes() {
    for n in [1, 4, 6, 7] {
        let mut world = World::new(Setup { n, ..EVERY_2 });
        blocks(&mut world, 0..5);
        world.assert_agreed(5);
        let quorum = world.engine(0).quorum;
        for index in 0..n {
            assert_eq!(stable(&world, index), 4, "n = {n}");
            let counted = |record: &Record| matches!(record, Record::Stable(it) if it.seals.len() == quorum && it.checkpoint.height == Height(4));
            assert!(world.disk(index, |disk| disk.has(counted)), "persisted, with exactly q seals");
            assert_eq!(found(&world, index, 4), found(&world, 0, 4), "F21: everyone finds the same");
        }
        assert_eq!(count(&world, "checkpoint"), 2 * n * (n - 1), "one vote of each to each, twice");
        assert_eq!(count(&world, "checkpointed"), 0, "without faults nobody needs to be told");
    }
}

#[test]
fn f18_less_than_q_equal_votes_make_nothing_stable() {
    let mut world = World::new(EVERY_2);
    // Two of four hear nothing of checkpoints, so that only their own and one other vote ever count.
    blocks(&mut world, 0..1);
    world.submit(1);
    run_changed(&mut world, &mut |packet| {
        if let Message::Checkpoint(vote) = &mut packet.message
            && packet.from > 1
        {
            let coins = CoinCommitment([packet.from as u8; 32]);
            let checkpoint = Checkpoint { coins, ..vote.checkpoint };
            let network = packet_network();
            *vote = CheckpointVote::sign(&network, checkpoint, vote.signer, &key(packet.from));
        }
    });
    assert_eq!((0..2).map(|index| stable(&world, index)).collect::<Vec<_>>(), [0, 0], "two equal votes are not three");
    let tallied = |trace: &&Trace| matches!(trace, Trace::Checkpoint { votes: 2, quorum: 3, .. });
    assert!(world.nodes[0].traces.iter().any(|trace| tallied(&trace)));
}

fn packet_network() -> crate::ledger::hash::NetworkId {
    World::new(EVERY_2).genesis.network_id()
}

#[test]
fn a_member_votes_once_and_its_first_vote_counts() {
    let mut world = World::new(EVERY_2);
    blocks(&mut world, 0..2);
    let first = found(&world, 1, 2).expect("there is a checkpoint");
    let next = Checkpoint { height: Height(4), ..first };
    let other = Checkpoint { coins: CoinCommitment([7; 32]), ..next };
    for checkpoint in [next, other, other, next] {
        let message = signed(&world, 2, checkpoint);
        world.inject(3, 1, message);
    }
    assert_eq!(world.nodes[1].blamed, [(Peer(3), Fault::Equivocation(2, Height(4)))], "reported once");
    let message = signed(&world, 0, other);
    world.inject(0, 1, message);
    let votes = world.nodes[1].traces.iter().filter_map(|trace| match trace {
        Trace::Checkpoint { height: Height(4), signer, votes, .. } => Some((*signer, *votes)),
        _ => None,
    });
    assert_eq!(votes.collect::<Vec<_>>(), [(2, 1), (0, 1)], "the second of one signer never counts");
}

#[test]
fn one_member_cannot_fill_the_memory() {
    let mut world = World::new(EVERY_2);
    blocks(&mut world, 0..2);
    let first = found(&world, 1, 2).expect("there is a checkpoint");
    for height in 2..100 {
        for coins in [first.coins, CoinCommitment([7; 32])] {
            let message = signed(&world, 2, Checkpoint { height: Height(2 * height), coins, ..first });
            world.inject(2, 1, message);
        }
    }
    // The invariants are looked at after each event; here only that the highest are the ones kept.
    assert_eq!(world.engine(1).checkpoints.votes_of(2), CHECKPOINTS_PER_MEMBER_MAX);
    let foreign = Checkpoint {
        epoch: crate::ledger::units::Epoch(0),
        incarnation: crate::ledger::units::Incarnation(1),
        ..first
    };
    let before = world.nodes[1].traces.len();
    let message = signed(&world, 3, Checkpoint { height: Height(200), ..foreign });
    world.inject(3, 1, message);
    assert_eq!(world.nodes[1].traces.len(), before, "another incarnation's vote is dropped");
}

#[test]
fn votes_that_were_lost_are_sent_again_until_the_checkpoint_is_stable() {
    let mut world = World::new(EVERY_2);
    blocks(&mut world, 0..1);
    world.submit(1);
    world.run_keeping(|packet| !matches!(packet.message, Message::Checkpoint(_)));
    assert_eq!((world.heights(), stable(&world, 0)), (vec![2; 4], 0));
    world.pass(1_500);
    assert!((0..4).all(|index| stable(&world, index) == 2));
    let sent = count(&world, "checkpoint");
    world.pass(5_000);
    assert_eq!(count(&world, "checkpoint"), sent, "then there is no more to say");
}

#[test]
fn a_vote_that_comes_again_below_a_stable_checkpoint_is_answered_with_the_proof() {
    let mut world = World::new(EVERY_2);
    blocks(&mut world, 0..1);
    world.submit(1);
    // Node 3 hears no votes on the checkpoint.
    world.run_keeping(|packet| packet.to != 3 || !matches!(packet.message, Message::Checkpoint(_)));
    assert_eq!((stable(&world, 0), stable(&world, 3)), (2, 0));
    assert_eq!(count(&world, "checkpointed"), 0, "its first vote is no call for help");
    world.pass(1_500);
    assert_eq!(stable(&world, 3), 2);
    assert!(count(&world, "checkpointed") > 0);
}

#[test]
fn votes_and_states_survive_a_crash_and_nothing_is_signed_twice() {
    for flushes in [true, false] {
        let mut world = World::new(Setup { flushes, ..EVERY_2 });
        world.kill(2);
        world.kill(3);
        world.start(2);
        blocks(&mut world, 0..2);
        let before = found(&world, 2, 2).expect("there is a checkpoint");
        for index in 0..3 {
            world.kill(index);
        }
        for index in 0..4 {
            world.start(index);
        }
        world.pass(3_000);
        assert!((0..4).all(|index| stable(&world, index) == 2), "flushes: {flushes}");
        assert_eq!(found(&world, 2, 2), Some(before));
        let votes =
            world.disk(2, |disk| disk.records.iter().filter(|record| matches!(record, Record::Checkpoint(_))).count());
        assert_eq!(votes, 1);
    }
}

#[test]
fn a_power_cut_between_any_two_effects_of_a_checkpoint_loses_nothing() {
    for effects in (0..60).step_by(4) {
        let mut world = World::new(Setup { checkpoint_interval: 1, flushes: effects % 2 == 0, ..EVERY_2 });
        world.cut = Some(super::cluster::Cut { victim: 1, effects, pulled: effects % 3 });
        blocks(&mut world, 0..2);
        if world.cut.take().is_none() {
            world.nodes[1].mempool.clear();
            world.start(1);
        }
        world.pass(4_000);
        blocks(&mut world, 2..3);
        world.pass(2_000);
        let height = world.height(0);
        world.assert_agreed(height);
        assert!((0..4).all(|index| stable(&world, index) == height), "after {effects} effects");
    }
}

#[test]
fn the_latest_snapshots_are_served_and_older_ones_let_go() {
    let mut world = World::new(EVERY_2);
    blocks(&mut world, 0..12);
    let asked = |height| match world.engine(0).answer(&Message::GetSnapshot { height: Height(height) }) {
        Some(Message::Snapshot(it)) => it.map(|it| it.certificate.checkpoint.height.0),
        other => panic!("a manifest was asked for, not {other:?}"),
    };
    assert_eq!([12, 10, 8].map(asked), [Some(12), Some(10), Some(8)]);
    assert_eq!([6, 7, 1].map(asked), [Some(12); 3], "gone, so the latest one");
    assert_eq!([13, 14].map(asked), [None; 2]);
    let buckets = |height| match world.engine(0).answer(&buckets_at(height)) {
        Some(Message::Buckets(it)) => it.parts.len(),
        other => panic!("buckets were asked for, not {other:?}"),
    };
    assert_eq!([12, 10, 8, 6, 14].map(buckets), [4, 4, 4, 0, 0]);
    assert_eq!(SNAPSHOTS_HELD, 3);
    let records = world.disk(0, |disk| {
        disk.records.iter().filter(|it| !it.superseded(Height(12), Height(8))).filter(|it| is_of_checkpoint(it)).count()
    });
    assert_eq!(records, 6, "three states and three certificates");
}

fn buckets_at(height: u64) -> Message {
    Message::GetBuckets { height: Height(height), first: 252, last: 255, after: None }
}

fn is_of_checkpoint(record: &Record) -> bool {
    matches!(record, Record::Checkpoint(_) | Record::CheckpointState(_) | Record::Stable(_))
}
