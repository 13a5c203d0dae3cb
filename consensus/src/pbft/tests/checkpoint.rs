//! Checkpoints and state transfer: rules F18 to F21 of what implementations got wrong, by name, and what else the modules say.
//!
//! F18: a checkpoint moves on q equal signatures only, and a replica that found something else fetches the state instead of going
//! on. F19: what is fetched is proved before it is applied. F20: all of it also in a replica that never stopped. F21: what a
//! replica computes is the same everywhere, and is compared at every checkpoint.

use super::cluster::{Packet, Setup, World, grains, key};
use crate::engine::{Engine, Event, Fault, Peer, Record, Trace};
use crate::ledger::coins::Coin;
use crate::ledger::commitment::bucket_of;
use crate::ledger::hash::{CoinCommitment, LockHash, TxId};
use crate::ledger::transaction::OutPoint;
use crate::ledger::units::Height;
use crate::limits::{CHECKPOINTS_PER_MEMBER_MAX, SNAPSHOT_COINS_PER_MESSAGE_MAX, SNAPSHOTS_HELD};
use crate::message::checkpoint::{BucketPart, BucketParts, Checkpoint, CheckpointVote};
use crate::message::{Message, TipInfo, VoteKind};

const EVERY_2: Setup = Setup {
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
    }
}

fn stable(world: &World, index: usize) -> u64 {
    world.engine(index).checkpoints.stable().0
}

/// What a replica found at a height, as persisted.
fn found(world: &World, index: usize, height: u64) -> Option<Checkpoint> {
    world.disk(index, |disk| {
        disk.records.iter().rev().find_map(|record| match record {
            Record::CheckpointState(it) if it.checkpoint.height == Height(height) => Some(it.checkpoint),
            _ => None,
        })
    })
}

fn count(world: &World, name: &str) -> usize {
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
fn run_changed(world: &mut World, change: &mut dyn FnMut(&mut Packet)) {
    while let Some(packet) = world.queue.front_mut() {
        change(packet);
        world.deliver(0);
    }
}

fn pass_changed(world: &mut World, ms: u64, change: &mut dyn FnMut(&mut Packet)) {
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
    while !world.queue.is_empty() {
        world.queue.retain(|packet| !matches!(packet.message, Message::Checkpoint(_)));
        if !world.queue.is_empty() {
            world.deliver(0);
        }
    }
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
    while !world.queue.is_empty() {
        world.queue.retain(|packet| packet.to != 3 || !matches!(packet.message, Message::Checkpoint(_)));
        if !world.queue.is_empty() {
            world.deliver(0);
        }
    }
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

/// A net whose node 3 has a coin too many, at height 3; the checkpoint of height 4 is still to come.
pub(super) fn with_a_wrong_coin(flushes: bool) -> World {
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
    let mut world = with_a_wrong_coin(true);
    // What would repair it does not come for now.
    world.submit(3);
    while !world.queue.is_empty() {
        world.queue.retain(|packet| !matches!(packet.message, Message::Snapshot(_) | Message::Tip(_)));
        if !world.queue.is_empty() {
            world.deliver(0);
        }
    }
    assert!(has_diverged(&world, 3));
    assert_ne!(found(&world, 3, 4), found(&world, 0, 4));
    world.submit(4);
    while !world.queue.is_empty() {
        world.queue.retain(|packet| !matches!(packet.message, Message::Snapshot(_) | Message::Tip(_)));
        if !world.queue.is_empty() {
            world.deliver(0);
        }
    }
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
}

#[test]
fn f18_a_replica_that_diverged_knows_it_after_a_restart() {
    let mut world = with_a_wrong_coin(true);
    world.submit(3);
    while !world.queue.is_empty() {
        world.queue.retain(|packet| !matches!(packet.message, Message::Snapshot(_)));
        if !world.queue.is_empty() {
            world.deliver(0);
        }
    }
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
        while !world.queue.is_empty() {
            world.queue.retain(|packet| packet.to != 3 || !matches!(packet.message, Message::Checkpoint(_)));
            if !world.queue.is_empty() {
                world.deliver(0);
            }
        }
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
fn f20_a_replica_down_for_more_than_two_intervals_is_back_by_a_snapshot() {
    let mut world = World::new(EVERY_2);
    blocks(&mut world, 0..1);
    world.kill(3);
    blocks(&mut world, 1..12);
    world.start(3);
    world.pass(2_000);
    assert_eq!(world.nodes[3].switched, [12]);
    world.assert_agreed(12);
    blocks(&mut world, 12..14);
    world.assert_agreed(14);
    assert!(world.has_sent(3, VoteKind::Commit, 14), "it votes again");
    let bodies = |record: &Record| matches!(record, Record::Body(block) if block.header.time > 0);
    let count = world.disk(3, |disk| disk.records.iter().filter(|record| bodies(record)).count());
    assert!(count < 8, "it never saw the blocks between, but {count} bodies");
}

#[test]
fn f20_a_replica_that_never_stopped_is_back_while_blocks_go_on() {
    let mut world = World::new(EVERY_2);
    blocks(&mut world, 0..1);
    world.nodes[3].linked = false;
    blocks(&mut world, 1..12);
    assert_eq!(world.heights(), [12, 12, 12, 1]);
    world.nodes[3].linked = true;
    // A block for each hundred milliseconds of the transfer.
    for index in 12..24 {
        world.submit(index);
        world.pass(200);
    }
    world.pass(3_000);
    assert!(!world.nodes[3].switched.is_empty());
    world.assert_agreed(24);
    assert!(world.has_sent(3, VoteKind::Commit, 24), "it votes again");
    assert!(world.nodes[3].blamed.is_empty(), "{:?}", world.nodes[3].blamed);
}

#[test]
fn f20_one_that_is_a_little_behind_takes_blocks() {
    let mut world = World::new(EVERY_2);
    world.nodes[3].linked = false;
    blocks(&mut world, 0..4);
    world.nodes[3].linked = true;
    world.pass(4_000);
    world.assert_agreed(4);
    assert!(world.nodes[3].switched.is_empty(), "two intervals are not more than two");
}

#[test]
fn a_follower_and_an_emptied_replica_come_by_a_snapshot_too() {
    let mut world = World::new(Setup { followers: 1, ..EVERY_2 });
    world.kill(4);
    blocks(&mut world, 0..9);
    world.start(4);
    world.pass(3_000);
    assert_eq!(world.nodes[4].switched, [8]);
    world.assert_agreed(9);
    assert_eq!(stable(&world, 4), 8, "and it serves what it has");
}

#[test]
fn whoever_began_with_a_snapshot_has_no_blocks_below_and_says_so() {
    let mut world = World::new(Setup { n: 7, ..EVERY_2 });
    blocks(&mut world, 0..1);
    world.kill(5);
    blocks(&mut world, 1..5);
    world.kill(6);
    blocks(&mut world, 5..9);
    world.start(5);
    world.pass(2_000);
    assert_eq!(world.nodes[5].switched, [8]);
    let certified = |from| world.engine(5).answer(&Message::GetCertified { from: Height(from), count: 16 });
    assert_eq!(certified(2), Some(Message::Certified(Default::default())));
    assert_eq!(certified(8), Some(Message::Certified(Default::default())));
    assert!(matches!(certified(9), Some(Message::Certified(blocks)) if blocks.0.len() == 1));
    // Node 6 is behind by two intervals, no more, and only node 5 is there to ask.
    (0..5).for_each(|index| world.nodes[index].linked = false);
    world.start(6);
    world.pass(8_000);
    assert_eq!((world.height(6), &world.nodes[6].switched), (9, &vec![8]));
    assert!(world.nodes[6].blamed.iter().all(|(peer, _)| *peer != Peer(5)), "{:?}", world.nodes[6].blamed);
}

/// What a lying sender makes of the coins of a bucket.
type Lie = fn(&mut BucketParts);

fn coins_of(parts: &mut BucketParts) -> Option<&mut crate::message::checkpoint::BucketPart> {
    parts.parts.iter_mut().find(|part| !part.coins.is_empty())
}

const LIES: [(&str, Lie, &str); 8] = [
    (
        "copies of an invented coin, as many as one message takes; 65,536 of them add up to nothing",
        |parts| {
            let Some(part) = coins_of(parts) else { return };
            let (mut invented, coin) = part.coins[0];
            let bucket = part.bucket;
            let belongs = (0..).find(|index| {
                invented.index = 1_000_000 + index;
                bucket_of(&invented) == bucket
            });
            assert!(belongs.is_some());
            part.coins.extend(std::iter::repeat_n((invented, coin), 8_000));
            part.coins.sort_unstable_by_key(|(outpoint, _)| *outpoint);
        },
        "ascending",
    ),
    ("the wrong order", |parts| parts.parts.iter_mut().for_each(|part| part.coins.reverse()), "ascending"),
    (
        "a coin of another bucket",
        |parts| {
            let Some(part) = coins_of(parts) else { return };
            let (mut foreign, coin) = *part.coins.last().expect("there are coins");
            foreign.index = u32::MAX;
            while bucket_of(&foreign) == part.bucket {
                foreign.index -= 1;
            }
            part.coins.push((foreign, coin));
        },
        "another bucket",
    ),
    (
        "a coin missing",
        |parts| {
            if let Some(part) = coins_of(parts) {
                part.coins.pop();
            }
        },
        "not those",
    ),
    (
        "a coin worth more",
        |parts| {
            if let Some(part) = coins_of(parts) {
                part.coins[0].1.height = Height(1);
            }
        },
        "not those",
    ),
    (
        "a bucket that was not asked for",
        |parts| parts.parts.iter_mut().for_each(|part| part.bucket ^= 128),
        "asked for",
    ),
    (
        "no end",
        |parts| {
            for part in &mut parts.parts {
                part.coins.clear();
                part.is_last = false;
            }
        },
        "no coins",
    ),
    (
        "a coin at a time",
        |parts| {
            if let Some(place) = parts.parts.iter().position(|part| !part.coins.is_empty()) {
                parts.parts.truncate(place + 1);
                parts.parts[place].is_last = false;
            }
        },
        "neither full",
    ),
];

#[test]
fn f19_a_lying_sender_of_buckets_is_blamed_and_another_is_asked() {
    for (name, lie, reason) in LIES {
        let mut world = World::new(EVERY_2);
        blocks(&mut world, 0..1);
        world.kill(3);
        blocks(&mut world, 1..9);
        world.start(3);
        let mut lies = 0;
        let mut change = |packet: &mut Packet| {
            if let (0, 3, Message::Buckets(parts)) = (packet.from, packet.to, &mut packet.message) {
                let before = parts.clone();
                lie(parts);
                lies += usize::from(*parts != before);
            }
        };
        run_changed(&mut world, &mut change);
        pass_changed(&mut world, 3_000, &mut change);
        assert!(lies > 0, "{name}");
        assert_eq!(world.nodes[3].switched, [8], "{name}: the others are enough");
        world.assert_agreed(9);
        let blames = |(peer, fault): &(Peer, Fault)| {
            *peer == Peer(0) && matches!(fault, Fault::Invalid { what: "buckets", reason: why } if why.contains(reason))
        };
        assert!(world.nodes[3].blamed.iter().any(blames), "{name}: {:?}", world.nodes[3].blamed);
        assert!(world.nodes[3].blamed.iter().all(|(peer, _)| *peer == Peer(0)), "{name}: nobody else is blamed");
    }
}

#[test]
fn a_peer_that_sends_invented_coins_without_end_is_passed_over() {
    let mut world = World::new(EVERY_2);
    blocks(&mut world, 0..1);
    world.kill(3);
    blocks(&mut world, 1..9);
    world.start(3);
    // No help comes by blocks, and all buckets of node 0 are invented.
    let is_lie = |packet: &Packet| match packet.message {
        Message::Buckets(_) => (packet.from, packet.to) == (0, 3),
        Message::Certified(_) => packet.to == 3,
        _ => false,
    };
    let (mut sent, mut next) = (0, 0_u64);
    while world.nodes[3].switched.is_empty() {
        assert!(sent < 40, "it sends and sends");
        while let Some(place) = world.queue.iter().position(|packet| !is_lie(packet)) {
            world.deliver(place);
        }
        world.now = world.now.plus_ms(4_000);
        let lies: Vec<Packet> = world.queue.drain(..).collect();
        let asked = lies.into_iter().find_map(|packet| match packet.message {
            Message::Buckets(answer) => Some(answer),
            _ => None,
        });
        if let Some(mut answer) = asked {
            let bucket = answer.parts[0].bucket;
            let coin = Coin { amount: grains(1), lock: LockHash([9; 32]), height: Height(0), coinbase: false };
            let coins: Vec<(OutPoint, Coin)> = (0..SNAPSHOT_COINS_PER_MESSAGE_MAX as u64)
                .map(|_| {
                    next += 1;
                    (outpoint_of(bucket, next), coin)
                })
                .collect();
            answer.parts = vec![BucketPart { bucket, coins, is_last: false }];
            world.inject(0, 3, Message::Buckets(answer));
            sent += 1;
        }
        (0..4).for_each(|index| world.told(index, Event::Wake));
    }
    assert!(sent > 10, "it was borne for a while: {sent}");
}

/// Ascending names of coins that belong to one bucket.
fn outpoint_of(bucket: u8, number: u64) -> OutPoint {
    let mut txid = TxId([0; 32]);
    txid.0[..8].copy_from_slice(&number.to_be_bytes());
    let of_bucket = |index: &u32| bucket_of(&OutPoint { txid, index: *index }) == bucket;
    let index = (0..).find(of_bucket).expect("some index fits");
    OutPoint { txid, index }
}

#[test]
fn strangers_who_claim_a_snapshot_that_they_do_not_have_stop_nobody() {
    let mut world = World::new(Setup { followers: 3, checkpoint_interval: 10, ..EVERY_2 });
    world.kill(6);
    blocks(&mut world, 0..15);
    // Two peers that are no members claim a snapshot and much more, and say nothing else. Less is missing than two intervals, and
    // whoever has no vote is helped by nobody unasked.
    world.cuts.extend([(4, 6), (5, 6)]);
    world.start(6);
    for _ in 0..400 {
        for stranger in [4, 5] {
            let huge = Height(1_000_000);
            let claim = TipInfo { stable: huge, final_height: huge, height: huge, ..world.engine(4).tip_info() };
            world.inject(stranger, 6, Message::Tip(claim));
        }
        world.pass(100);
    }
    assert_eq!(world.height(6), 15);
}

/// Found by the simulator (seed 13742): with short intervals the net was far ahead again after each snapshot.
#[test]
fn what_is_missing_above_a_snapshot_comes_by_blocks_first() {
    let mut world = World::new(EVERY_2);
    blocks(&mut world, 0..1);
    world.kill(3);
    blocks(&mut world, 1..9);
    world.start(3);
    world.pass(2_000);
    assert_eq!(world.nodes[3].switched, [8]);
    world.isolate(&[3]);
    blocks(&mut world, 9..30);
    world.heal();
    world.pass(5_000);
    assert_eq!(world.nodes[3].switched, [8]);
    world.assert_agreed(30);
}

#[test]
fn a_peer_that_vanishes_in_the_middle_costs_nothing_but_time() {
    let mut world = World::new(EVERY_2);
    blocks(&mut world, 0..1);
    world.kill(3);
    blocks(&mut world, 1..9);
    world.start(3);
    while !world.queue.iter().any(|packet| matches!(packet.message, Message::Buckets(_))) {
        world.deliver(0);
    }
    world.nodes[0].linked = false;
    world.told(3, Event::Disconnected(Peer(0)));
    world.told(3, Event::Unanswered(Peer(1)));
    world.pass(12_000);
    assert_eq!(world.nodes[3].switched, [8]);
    assert_eq!(world.height(3), 9);
}

/// Found by the simulator: the snapshot is served no more, and one member that lies goes on claiming it and says nothing.
#[test]
fn a_silent_peer_does_not_keep_a_transfer_waiting_that_nobody_serves() {
    let mut world = World::new(EVERY_2);
    blocks(&mut world, 0..1);
    world.kill(3);
    blocks(&mut world, 1..9);
    world.start(3);
    // No help comes by itself, so that only another snapshot is left.
    let mut change = |packet: &mut Packet| {
        let silence = Message::Certified(Default::default());
        match &mut packet.message {
            _ if packet.to != 3 => {}
            Message::Certified(_) => packet.message = silence,
            Message::Buckets(_) if packet.from == 0 => packet.message = silence,
            Message::Buckets(answer) if answer.height == Height(8) => answer.parts.clear(),
            _ => {}
        }
    };
    run_changed(&mut world, &mut change);
    blocks(&mut world, 9..13);
    pass_changed(&mut world, 40_000, &mut change);
    assert_eq!(world.nodes[3].switched, [12]);
    world.pass(3_000);
    world.assert_agreed(13);
}

/// Found by the simulator: intervals pass faster than a transfer, so that each snapshot is gone before it is here. Two intervals
/// of blocks now and then are fewer than the net makes meanwhile.
/// (How long blocks are fetched between attempts matters only where blocks come as fast as they are fetched: the simulator keeps the
/// seed in which that was so.)
#[test]
fn who_never_gets_a_snapshot_in_time_comes_back_by_blocks() {
    let mut world = World::new(EVERY_2);
    blocks(&mut world, 0..1);
    world.kill(3);
    blocks(&mut world, 1..24);
    world.start(3);
    let mut change = |packet: &mut Packet| match &mut packet.message {
        Message::Buckets(answer) if packet.to == 3 => answer.parts.clear(),
        _ => {}
    };
    pass_changed(&mut world, 90_000, &mut change);
    assert!(world.nodes[3].switched.is_empty());
    assert_eq!(world.heights(), [24; 4]);
}

#[test]
fn the_more_snapshots_were_too_slow_the_more_blocks_are_fetched_before_the_next() {
    let mut world = World::new(Setup { dev: true, ..EVERY_2 });
    world.kill(3);
    // 64 and 128 blocks, and some above for the round after those.
    for _ in 0..240 {
        (0..3).for_each(|index| world.told(index, Event::BlockNow));
        world.run();
    }
    assert_eq!(world.height(0), 241);
    world.start(3);
    let mut change = |packet: &mut Packet| match &mut packet.message {
        Message::Buckets(answer) if packet.to == 3 => answer.parts.clear(),
        _ => {}
    };
    pass_changed(&mut world, 300_000, &mut change);
    assert_eq!(world.heights(), [241; 4]);
    let asked = count(&world, "get-snapshot");
    assert_eq!(asked, 4 + 2, "four before the first round, one before each later one");
}

#[test]
fn a_crash_at_any_point_of_a_transfer_leaves_the_old_state_or_the_new_one() {
    for effects in (0..120).step_by(8) {
        let mut world = World::new(EVERY_2);
        blocks(&mut world, 0..1);
        world.kill(3);
        blocks(&mut world, 1..9);
        world.cut = Some(super::cluster::Cut { victim: 3, effects, pulled: effects % 3 });
        world.start(3);
        world.pass(500);
        if world.cut.take().is_none() {
            world.start(3);
        }
        world.pass(3_000);
        blocks(&mut world, 9..10);
        world.pass(500);
        world.assert_agreed(10);
        assert!(world.has_sent(3, VoteKind::Commit, 10), "after {effects} effects");
    }
}

#[test]
fn between_the_switch_and_its_report_nothing_is_decided_and_a_crash_undoes_it() {
    let mut world = World::new(EVERY_2);
    blocks(&mut world, 0..1);
    world.kill(3);
    blocks(&mut world, 1..9);
    world.holds_switches = true;
    world.start(3);
    world.pass(2_000);
    let switch = world.nodes[3].unswitched.clone().expect("all buckets are here");
    assert!(world.engine(3).is_stopped());
    blocks(&mut world, 9..10);
    assert_eq!(world.heights(), [10, 10, 10, 1]);
    assert!(!world.has_sent(3, VoteKind::Commit, 10));
    world.kill(3);
    world.start(3);
    assert_eq!(world.height(3), 1, "the old state");
    world.pass(2_000);
    let again = world.nodes[3].unswitched.take().expect("it began anew");
    assert!(again.tip.height >= switch.tip.height);
    world.disk(3, |disk| disk.switch(&again));
    world.told(3, Event::Flushed { sequence: again.sequence });
    world.pass(2_000);
    world.assert_agreed(10);
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

#[test]
fn f19_buckets_in_parts_make_the_same_coins() {
    let mut world = World::new(EVERY_2);
    blocks(&mut world, 0..6);
    let store = world.engine(0).chain().archive();
    for bucket in 0..=u8::MAX {
        let whole = store.bucket_at(Height(4), bucket, None, usize::MAX).expect("it is served");
        let mut parts = Vec::new();
        loop {
            let after = parts.last().map(|(outpoint, _)| *outpoint);
            let page = store.bucket_at(Height(4), bucket, after, 1).expect("it is served");
            parts.extend(page.coins);
            if page.is_last {
                break;
            }
        }
        assert_eq!(parts, whole.coins);
    }
}

/// Each rule, taken out: the tests above would not pass.
#[cfg(feature = "plant")]
mod plants {
    use super::*;
    use crate::plant::{Plant, arm};

    struct Disarm;
    impl Drop for Disarm {
        fn drop(&mut self) {
            arm(None);
        }
    }

    #[test]
    fn f18_without_the_comparison_wrong_coins_are_voted_on() {
        let _disarm = Disarm;
        arm(Some(Plant::IgnoreDivergence));
        let mut world = with_a_wrong_coin(true);
        blocks(&mut world, 3..6);
        world.pass(4_000);
        assert!(!has_diverged(&world, 3) && world.nodes[3].switched.is_empty());
        assert!(world.has_sent(3, VoteKind::Commit, 6), "it votes with wrong coins");
        assert_ne!(found(&world, 3, 4), found(&world, 0, 4));
    }

    #[test]
    fn f19_without_the_proof_a_liar_gives_what_coins_it_likes() {
        let _disarm = Disarm;
        arm(Some(Plant::TrustBuckets));
        let mut world = World::new(EVERY_2);
        blocks(&mut world, 0..1);
        world.kill(3);
        blocks(&mut world, 1..9);
        world.start(3);
        let (_, lie, _) = LIES.iter().find(|(name, _, _)| *name == "a coin worth more").expect("there is one");
        let mut has_lied = false;
        let mut change = |packet: &mut Packet| {
            if let (0, 3, false, Message::Buckets(parts)) = (packet.from, packet.to, has_lied, &mut packet.message) {
                let before = parts.clone();
                lie(parts);
                has_lied = *parts != before;
            }
        };
        run_changed(&mut world, &mut change);
        pass_changed(&mut world, 1_000, &mut change);
        assert!(!world.nodes[3].switched.is_empty(), "it took them");
        assert!(has_diverged(&world, 3), "only the comparison at the checkpoint still finds it");
    }
}
