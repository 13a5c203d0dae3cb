//! State transfer from liars: what they send is refused, and what they claim holds nobody up. Rule F19 of what implementations got
//! wrong, by name: what is fetched is proved before it is applied.

use super::super::fetch::BUCKET_MS;
use super::checkpoint::{EVERY_2, blocks, has_diverged, pass_changed, run_changed};
use super::cluster::{Packet, Setup, World, grains};
use super::forge::guards;
use super::transfer::without_node_3;
use crate::engine::{Engine, Fault, Peer};
use crate::ledger::coins::Coin;
use crate::ledger::commitment::bucket_of;
use crate::ledger::hash::{LockHash, TxId};
use crate::ledger::transaction::OutPoint;
use crate::ledger::units::Height;
use crate::limits::SNAPSHOT_COINS_PER_MESSAGE_MAX;
use crate::message::checkpoint::{BucketPart, BucketParts};
use crate::message::{Message, TipInfo};
use crate::plant::Plant;

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
        let mut world = without_node_3(9);
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
    let mut world = without_node_3(9);
    world.start(3);
    // No help comes by blocks, and all buckets of node 0 are invented.
    let is_lie = |packet: &Packet| match packet.message {
        Message::Buckets(_) => (packet.from, packet.to) == (0, 3),
        Message::Certified(_) => packet.to == 3,
        _ => false,
    };
    world.deliver_if(|packet| !is_lie(packet));
    let asked = world.queue.iter().find_map(|packet| match &packet.message {
        Message::Buckets(answer) => Some(answer.clone()),
        _ => None,
    });
    let mut answer = asked.expect("it was asked for buckets too");
    world.lose_all();
    let bucket = answer.parts[0].bucket;
    let coin = Coin { amount: grains(1), lock: LockHash([9; 32]), height: Height(0), coinbase: false };
    let names = (1..=SNAPSHOT_COINS_PER_MESSAGE_MAX as u64).map(|number| outpoint_of(bucket, number));
    answer.parts = vec![BucketPart { bucket, coins: names.map(|name| (name, coin)).collect(), is_last: false }];
    // As if it had been sending for so long.
    world.now = world.now.plus_ms(BUCKET_MS);
    world.inject(0, 3, Message::Buckets(answer));
    let asked: Vec<usize> =
        world.queue.iter().filter(|it| it.from == 3 && asks_for(it, bucket)).map(|it| it.to).collect();
    assert!(matches!(asked[..], [1 | 2]), "somebody else is asked for it: {asked:?}");
    world.deliver_if(|packet| !is_lie(packet));
    assert_eq!(world.nodes[3].switched.len(), 1);
}

fn asks_for(packet: &Packet, bucket: u8) -> bool {
    matches!(packet.message, Message::GetBuckets { first, last, .. } if (first..=last).contains(&bucket))
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

/// Found by the simulator: the snapshot is served no more, and one member that lies goes on claiming it and says nothing.
#[test]
fn a_silent_peer_does_not_keep_a_transfer_waiting_that_nobody_serves() {
    let mut world = without_node_3(9);
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

#[test]
fn f19_coins_that_were_not_certified_are_not_switched_to() {
    guards(Plant::TrustBuckets, "not those of the checkpoint", || {
        let mut world = without_node_3(9);
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
        assert!(has_lied && !world.nodes[3].switched.is_empty(), "it got there");
        assert!(!has_diverged(&world, 3), "its coins are not those of the checkpoint");
    });
}
