use super::super::slot::{Body, Slot};
use super::super::tests::cluster::{Setup, World};
use super::super::transfer::Ask;
use super::super::{LAG_GRACE_MS, Pbft, RESEND_MS};
use crate::engine::{Effect, Engine, Fault, Peer, Record, To};
use crate::ledger::block::Block;
use crate::ledger::codec::encode;
use crate::ledger::coins::Diff;
use crate::ledger::transaction;
use crate::ledger::units::{Epoch, Height, Incarnation};
use crate::limits::{BLOCKS_PER_MESSAGE_MAX, MESSAGE_BYTES_MAX, SLOTS_MAX};
use crate::message::{CertifiedBlock, Message};
use std::sync::Arc;

fn net() -> World {
    World::new(Setup::of(4))
}

fn engine(world: &mut World) -> &mut Pbft {
    world.nodes[0].engine.as_mut().expect("it is up")
}

fn heights(message: &Message) -> Vec<u64> {
    let Message::Certified(blocks) = message else { panic!("{message:?}") };
    blocks.0.iter().map(|it| it.certificate.ballot.height.0).collect()
}

/// An empty block above the tip of node 0, with its certificate.
fn above(world: &World) -> CertifiedBlock {
    let tip = world.engine(0).chain().tip();
    let height = tip.height.0 + 1;
    world.certified(height, &world.block(&tip.header, height, &[]), &[1, 2, 3])
}

#[test]
fn certified_blocks_are_those_wanted_up_to_the_end_of_an_epoch() {
    let mut world = net();
    world.grow(0, 20);
    let engine = engine(&mut world);
    let most = BLOCKS_PER_MESSAGE_MAX as u64;
    for (from, count, expected) in
        [(1, 3, 1..4), (0, 3, 1..3), (0, 1, 0..0), (3, 0, 3..3), (1, 99, 1..1 + most), (18, 9, 18..21), (21, 9, 21..21)]
    {
        assert_eq!(heights(&engine.certified_from(Height(from), count)), expected.clone().collect::<Vec<_>>());
    }
    for height in 4..=20 {
        engine.recent.get_mut(&Height(height)).expect("it was connected").1.ballot.epoch = Epoch(1);
    }
    assert_eq!(heights(&engine.certified_from(Height(1), 9)), [1, 2, 3]);
    assert_eq!(heights(&engine.certified_from(Height(4), 2)), [4, 5]);
}

#[test]
fn blocks_are_answered_as_far_as_they_fit_one_message() {
    let mut world = net();
    let budget = MESSAGE_BYTES_MAX - 1024;
    let tip = world.genesis.block();
    let certificate = encode(&world.committed_in(0, 1, &tip, &[0, 1, 2])).len();
    let (half, rest) = (budget / 2, budget - budget / 2);
    // The first two pairs are measured with their certificates, the others without.
    let with = [half - certificate, rest - certificate, half - certificate, rest + 1 - certificate];
    let sizes = with.into_iter().chain([half, rest, half, rest + 1]);
    let mut parent = tip.header;
    let mut ids = Vec::new();
    for (height, bytes) in (1..).zip(sizes) {
        let mut block: Block = world.block(&parent, height, &[]);
        let small = block.bytes();
        let transaction::Body::Coinbase(coinbase) = block.transactions[0].body_mut() else { panic!("it is the first") };
        coinbase.extra = vec![0; bytes - small];
        assert_eq!(block.bytes(), bytes);
        let certificate = world.committed_in(0, height, &block, &[0, 1, 2]);
        parent = block.header;
        ids.push(block.id());
        let engine = engine(&mut world);
        engine.chain.connect(Arc::new(block), Arc::new(Diff::default()));
        engine.recent.insert(Height(height), (1, certificate));
    }
    let engine = engine(&mut world);
    for (from, expected) in [(1, vec![1, 2]), (3, vec![3]), (4, vec![4])] {
        assert_eq!(heights(&engine.certified_from(Height(from), 16)), expected);
    }
    let bodies = |first: usize, last: usize| {
        let Message::Blocks(blocks) = engine.bodies_of(&ids[first - 1..last]) else { panic!("it answers") };
        blocks.0.len()
    };
    assert_eq!([bodies(5, 6), bodies(7, 8), bodies(8, 8)], [2, 1, 1]);
    assert_eq!(bodies(5, 8), 2);
}

#[test]
fn who_is_behind_is_helped_from_where_it_is_and_not_too_often() {
    let mut world = net();
    world.grow(0, 5);
    // What the peer claims, the height that it showed to be behind at, and what it is sent.
    for (claimed, height, expected) in [
        (None, 3, Some(vec![3, 4, 5])),
        (Some(0), 3, Some(vec![1, 2, 3, 4, 5])),
        (Some(1), 3, Some(vec![2, 3, 4, 5])),
        (Some(2), 3, Some(vec![3, 4, 5])),
        (Some(3), 3, None),
        (Some(4), 3, None),
        (None, 6, None),
    ] {
        world.meet(0, &claimed.map(|claimed| (1, 0, claimed)).into_iter().collect::<Vec<_>>());
        let engine = engine(&mut world);
        engine.helped = Default::default();
        engine.help(Peer(1), 1, Height(height));
        assert!(claimed.is_some() || engine.out.is_empty(), "it is not there");
        engine.peers.connected(Peer(1));
        engine.help(Peer(1), 1, Height(height));
        engine.help(Peer(1), 1, Height(height));
        let sent = |engine: &mut Pbft| -> Vec<Vec<u64>> {
            let sent = |effect| match effect {
                Effect::Send { to: To::Peer(Peer(1)), message } => heights(&message),
                other => panic!("{other:?}"),
            };
            engine.out.drain(..).map(sent).collect()
        };
        assert_eq!(sent(engine), expected.clone().into_iter().collect::<Vec<_>>(), "{claimed:?} {height}");
        engine.now = engine.now.plus_ms(RESEND_MS);
        engine.help(Peer(1), 1, Height(height));
        assert!(engine.out.is_empty(), "it is the turn of others");
        engine.now = engine.now.plus_ms(RESEND_MS);
        engine.help(Peer(1), 1, Height(height));
        assert_eq!(sent(engine), expected.into_iter().collect::<Vec<_>>(), "again, later");
        engine.now = engine.now.plus_ms(RESEND_MS);
    }
}

#[test]
fn whoever_is_no_member_helps_nobody_unasked() {
    for (has_key, expected) in [(true, 1), (false, 0)] {
        let mut world = net();
        world.grow(0, 5);
        world.meet(0, &[(1, 0, 0)]);
        let engine = engine(&mut world);
        engine.key = engine.key.take().filter(|_| has_key);
        engine.help(Peer(1), 1, Height(1));
        assert_eq!(engine.out.len(), expected);
    }
}

#[test]
fn a_peer_that_will_not_answer_rests() {
    let mut world = net();
    world.meet(0, &[(1, 0, 9), (2, 0, 9)]);
    let engine = engine(&mut world);
    engine.peers.asked(engine.now, Peer(1), Ask::Blocks(Height(1)));
    engine.on_unanswered(Peer(1));
    assert_eq!(engine.peers.open().count(), 0);
    assert_eq!(engine.peers.askable(engine.now, |_| true), [Peer(2)]);
    engine.peers.asked(engine.now, Peer(2), Ask::Blocks(Height(1)));
    let until = engine.peers.deadline(engine.now).expect("a request is open");
    engine.now = until;
    engine.expire();
    assert_eq!(engine.out, [Effect::Blame { peer: Peer(2), fault: Fault::Silent }]);
    engine.on_disconnected(Peer(1));
    assert!(!engine.peers.is_connected(Peer(1)));
}

#[test]
fn certified_blocks_are_an_answer_help_or_a_nuisance() {
    #[derive(Debug, PartialEq)]
    enum Fate {
        Fine,
        Rests,
        Invalid,
        Unwanted,
    }
    use Fate::{Fine, Invalid, Rests, Unwanted};
    let mut world = net();
    world.grow(0, 5);
    let good = above(&world);
    let of = |height: u64, epoch: u64, incarnation: u32| {
        let mut certified = good.clone();
        let ballot = &mut certified.certificate.ballot;
        (ballot.height, ballot.epoch, ballot.incarnation) = (Height(height), Epoch(epoch), Incarnation(incarnation));
        certified
    };
    let (useless, old, far) = (of(6, 0, 1), of(5, 0, 0), of(6 + SLOTS_MAX, 0, 0));
    // Who was asked for which height, what peer 1 brings, whether that closes its request, and what it is to it.
    for (asked, blocks, is_open, fate) in [
        (Some((1, 6)), vec![good.clone()], false, Fine),
        (None, vec![good.clone()], false, Fine),
        (Some((1, 7)), vec![good.clone()], true, Fine),
        (Some((1, 6)), vec![], false, Rests),
        (None, vec![], false, Fine),
        (Some((2, 6)), vec![], true, Fine),
        (Some((1, 6)), vec![useless.clone()], false, Invalid),
        (Some((1, 6)), vec![far.clone(), useless.clone()], false, Invalid),
        (Some((1, 6)), vec![useless.clone(), good.clone()], false, Fine),
        (Some((1, 6)), vec![good.clone(), useless.clone()], false, Fine),
        (Some((1, 5)), vec![old.clone()], false, Fine),
        (Some((1, 6)), vec![old.clone()], true, Fine),
        (Some((1, 6)), vec![far.clone()], true, Unwanted),
        (Some((2, 6)), vec![useless.clone()], true, Unwanted),
        (None, vec![useless.clone()], false, Unwanted),
        (None, vec![old.clone()], false, Fine),
        (None, vec![old.clone(), far], false, Unwanted),
        // Of an epoch that has not begun here.
        (Some((1, 6)), vec![of(6, 1, 0)], true, Fine),
        (None, vec![useless, of(7, 1, 0)], false, Fine),
    ] {
        world.meet(0, &[(1, 0, 9), (2, 0, 9)]);
        let engine = engine(&mut world);
        engine.slots.clear();
        if let Some((peer, height)) = asked {
            engine.peers.asked(engine.now, Peer(peer), Ask::Blocks(Height(height)));
        }
        let brought: Vec<u64> = blocks.iter().map(|it| it.certificate.ballot.height.0).collect();
        engine.on_certified(Peer(1), blocks);
        assert_eq!(engine.peers.open().count(), usize::from(is_open), "{asked:?} {brought:?}");
        let blamed = |it: &Effect| match it {
            Effect::Blame { peer: Peer(1), fault: Fault::Invalid { .. } } => Some(Invalid),
            Effect::Blame { peer: Peer(1), fault: Fault::Unwanted(_) } => Some(Unwanted),
            _ => None,
        };
        let open: Vec<Peer> = engine.peers.open().map(|(peer, _)| peer).collect();
        open.into_iter().for_each(|peer| assert!(engine.peers.answered(peer).is_some()));
        let rests = !engine.peers.askable(engine.now, |_| true).contains(&Peer(1));
        let found = engine.out.iter().find_map(blamed).unwrap_or(if rests { Rests } else { Fine });
        assert_eq!(rests, matches!(found, Rests | Invalid), "{asked:?} {brought:?}");
        assert_eq!(found, fate, "{asked:?} {brought:?}");
    }
}

#[test]
fn help_with_blocks_of_an_epoch_that_is_over_is_of_no_use() {
    let mut world = net();
    world.grow(0, 5);
    world.meet(0, &[(1, 0, 9)]);
    let good = above(&world);
    let engine = engine(&mut world);
    engine.set.epoch = Epoch(1);
    engine.on_certified(Peer(1), vec![good]);
    assert_eq!(engine.out, [Effect::Blame { peer: Peer(1), fault: Fault::Unwanted("certified") }]);
}

#[test]
fn a_certified_block_is_taken_in_where_it_is_missing_and_made_durable_once() {
    let mut world = net();
    world.grow(0, 5);
    let good = above(&world);
    let other = world.other(&good.block);
    let of_other = world.committed_in(0, 6, &other, &[1, 2, 3]);
    let body = |block: &Block, durable| Some(Body::new(Arc::new(block.clone()), durable));
    let committed = Some(good.certificate.clone());
    // What the slot holds, whether the block is of use, and how many bodies and certificates are persisted.
    for (slot, is_taken, persisted) in [
        (Slot::default(), true, (1, 1)),
        (Slot { body: body(&good.block, true), ..Slot::default() }, true, (0, 1)),
        (Slot { body: body(&good.block, false), ..Slot::default() }, true, (1, 1)),
        (Slot { body: body(&other, true), ..Slot::default() }, true, (1, 1)),
        (Slot { committed: committed.clone(), ..Slot::default() }, true, (1, 0)),
        (Slot { committed, body: body(&good.block, true), ..Slot::default() }, true, (0, 0)),
        (Slot { committed: Some(of_other), ..Slot::default() }, false, (0, 0)),
    ] {
        let engine = engine(&mut world);
        engine.slots = [(Height(6), slot)].into();
        engine.out.clear();
        assert_eq!(engine.install(good.clone()), is_taken);
        let count = |wanted: fn(&Record) -> bool| {
            engine.out.iter().filter(|it| matches!(it, Effect::Persist(record) if wanted(record))).count()
        };
        let found = (count(|it| matches!(it, Record::Body(_))), count(|it| matches!(it, Record::Committed(_))));
        assert_eq!(found, persisted);
        let body = engine.slots[&Height(6)].body.as_ref();
        assert_eq!(body.is_some_and(|body| body.id == good.block.id() && body.durable), is_taken);
    }
    for (height, epoch, incarnation, is_taken) in [
        (5, 0, 0, false),
        (6, 0, 0, true),
        (5 + SLOTS_MAX, 0, 0, true),
        (6 + SLOTS_MAX, 0, 0, false),
        (6, 1, 0, false),
        (6, 0, 1, false),
        (6, 1, 1, false),
    ] {
        let engine = engine(&mut world);
        engine.slots.clear();
        let mut certified = good.clone();
        let ballot = &mut certified.certificate.ballot;
        (ballot.height, ballot.epoch, ballot.incarnation) = (Height(height), Epoch(epoch), Incarnation(incarnation));
        assert_eq!(engine.install(certified), is_taken, "{height} {epoch} {incarnation}");
        assert_eq!(engine.slots.len(), usize::from(is_taken));
    }
}

/// What node 0 asks for now: the peer and from which height on.
fn asked(world: &mut World) -> Option<(u64, u64)> {
    let engine = engine(world);
    engine.out.clear();
    engine.catch_up();
    match &engine.out[..] {
        [] => None,
        [Effect::Send { to: To::Peer(peer), message: Message::GetCertified { from, count } }] => {
            assert_eq!(*count as usize, BLOCKS_PER_MESSAGE_MAX);
            assert!(engine.peers.open().any(|(other, ask)| (other, *ask) == (*peer, Ask::Blocks(*from))));
            Some((peer.0, from.0))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn who_is_ahead_is_asked_at_once_beyond_the_window_and_after_a_while_within() {
    let mut world = net();
    world.grow(0, 5);
    let begin = world.engine(0).now;
    // With depth 4.
    for (last, lag, expected) in [
        (4, None, None),
        (5, None, None),
        (6, Some(begin), None),
        (9, Some(begin), None),
        (10, Some(begin), Some((1, 6))),
    ] {
        world.meet(0, &[(1, 0, last)]);
        engine(&mut world).lag = None;
        assert_eq!(asked(&mut world), expected, "final at {last}");
        assert_eq!(world.engine(0).lag, lag.map(|since| (Height(5), since)), "final at {last}");
    }
    world.meet(0, &[(1, 0, 6), (2, 0, 6)]);
    for (ms, expected) in [(1, None), (LAG_GRACE_MS - 1, None), (LAG_GRACE_MS, Some((2, 6))), (LAG_GRACE_MS, None)] {
        engine(&mut world).now = begin.plus_ms(ms);
        assert_eq!(asked(&mut world), expected, "after {ms} ms");
        assert_eq!(world.engine(0).lag, Some((Height(5), begin)));
    }
    // Another tip is another lag.
    world.grow(0, 1);
    world.meet(0, &[(1, 0, 7)]);
    assert_eq!((asked(&mut world), world.engine(0).lag), (None, Some((Height(6), begin.plus_ms(LAG_GRACE_MS)))));
}

#[test]
fn one_peer_is_asked_for_blocks_at_a_time_and_another_one_above_another_tip() {
    let mut world = net();
    for (tip, expected) in [(3, 1), (4, 2), (5, 3), (6, 1), (7, 2)] {
        world.grow(0, tip - world.height(0) as usize);
        world.meet(0, &[(1, 0, 30), (2, 0, 30), (3, 0, 30)]);
        assert_eq!(asked(&mut world), Some((expected, tip as u64 + 1)));
        assert_eq!(asked(&mut world), None, "one is asked");
        assert!(world.engine(0).lag.is_some(), "and it is still behind");
        // Whoever is within the window is not asked while others are beyond it.
        world.meet(0, &[(1, 0, 8), (2, 0, 8), (3, 0, 30)]);
        let engine = engine(&mut world);
        engine.peers.asked(engine.now, Peer(1), Ask::Successions);
        assert_eq!(asked(&mut world), Some((3, tip as u64 + 1)));
    }
}

#[test]
fn no_blocks_are_asked_for_while_a_snapshot_is_awaited_and_when_it_has_stopped() {
    for (stable, halted, expected) in [(0, false, Some((1, 6))), (100, false, None), (0, true, None)] {
        let mut world = net();
        world.grow(0, 5);
        world.meet(0, &[(1, stable, 900)]);
        let engine = engine(&mut world);
        let lag = Some((Height(5), engine.now));
        (engine.lag, engine.halted) = (lag, halted);
        assert_eq!(asked(&mut world), expected);
        assert_eq!(world.engine(0).lag, expected.and(lag));
    }
}
