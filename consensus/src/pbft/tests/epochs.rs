//! Changes of members, and members that lost their vote logs. Traces 8, 9 and 10 of what weaker rules allow are here.
//!
//! Nodes 0 to 3 are the members of genesis; those above follow until they are made members.

use super::super::advance::Ground;
use super::super::change_of_members;
use super::cluster::{Cut, Packet, Setup, World, key};
use super::forge::guards;
use crate::engine::{Engine, Event, Peer, Record, Trace};
use crate::ledger::genesis::ValidatorSet;
use crate::ledger::key::{PublicKey, Signature};
use crate::ledger::sighash::epoch_change_digest;
use crate::ledger::transaction::{Body, EpochChange, MemberList, Transaction, Witness};
use crate::ledger::units::{Epoch, Height, Incarnation, View};
use crate::message::checkpoint::{Checkpoint, CheckpointCertificate, CheckpointVote};
use crate::message::epoch::{Opening, Succession};
use crate::message::{Ballot, Message, TipInfo, ViewChange, VoteKind};
use crate::plant::Plant;
use VoteKind::{Commit, PrePrepare, Prepare};
use std::sync::Arc;

pub(super) fn setup(followers: usize) -> Setup {
    Setup { followers, checkpoint_interval: 4, ..Setup::of(4) }
}

fn keys(indices: impl IntoIterator<Item = usize>) -> Vec<PublicKey> {
    indices.into_iter().map(|index| key(index).public()).collect()
}

/// The change of a set's members into these, signed by exactly these.
pub(super) fn change(set: &ValidatorSet, into: &[usize], signers: &[usize]) -> Transaction {
    let (body, digest) = change_of_members(set, keys(into.iter().copied()));
    let sign = |signer: &usize| {
        let member = set.index_of(&key(*signer).public()).expect("the test chooses members");
        Witness::Member { member, signature: key(*signer).sign(&digest) }
    };
    Transaction { body, witnesses: signers.iter().map(sign).collect() }
}

fn readmission(world: &World, of: usize, epoch: u64, nonce: u8) -> Transaction {
    let member = key(of).public();
    let body = Body::Epoch(EpochChange::Readmit { epoch: Epoch(epoch), member, nonce: [nonce; 32] });
    let signature = key(of).sign(&epoch_change_digest(&world.genesis.network_id(), &body));
    let index = world.nodes[0].set.index_of(&member).expect("the test chooses members");
    Transaction { body, witnesses: vec![Witness::Member { member: index, signature }] }
}

fn epochs(world: &World) -> Vec<u64> {
    (0..world.nodes.len()).filter(|index| world.is_up(*index)).map(|index| world.status(index).epoch.0).collect()
}

/// Makes a change, and waits until everybody who is up is in the epoch that it opens.
pub(super) fn change_to(world: &mut World, into: &[usize], signers: &[usize]) {
    let set = world.nodes[signers[0]].set.clone();
    let change = change(&set, into, signers);
    world.submit_change(&change);
    wait_for_epoch(world, set.epoch.0 + 1);
}

fn wait_for_epoch(world: &mut World, epoch: u64) {
    for _ in 0..100 {
        if epochs(world).iter().all(|it| *it == epoch) {
            return;
        }
        world.pass(500);
    }
    panic!("epoch {epoch} is not reached: {:?} at {:?}", epochs(world), world.heights());
}

fn blocks(world: &mut World, coins: std::ops::Range<u32>) {
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

fn change_to_without(world: &mut World, into: &[usize], signers: &[usize], without: usize) {
    let set = world.nodes[signers[0]].set.clone();
    world.submit_change(&change(&set, into, signers));
    for _ in 0..40 {
        world.pass(500);
    }
    let others = (0..world.nodes.len()).filter(|index| *index != without);
    assert!(others.clone().all(|index| world.status(index).epoch > set.epoch), "{:?}", epochs(world));
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
fn one_that_missed_epochs_comes_back_by_blocks_or_by_a_snapshot() {
    for (down_for, by_snapshot) in [(1, false), (8, true), (9, true)] {
        let mut world = World::new(setup(2));
        world.kill(3);
        change_to(&mut world, &[0, 1, 2, 3, 4], &[0, 1, 2]);
        if down_for > 1 {
            change_to(&mut world, &[0, 1, 2, 3, 5], &[0, 1, 2, 4]);
            blocks(&mut world, 0..down_for);
        }
        world.start(3);
        world.pass(10_000);
        let (height, epoch) = (world.height(0), world.status(0).epoch);
        assert_eq!((world.height(3), world.status(3).epoch), (height, epoch));
        assert_eq!(!world.nodes[3].switched.is_empty(), by_snapshot, "{:?}", world.nodes[3].switched);
        let highest = world.engine(3).highest.as_ref().map(|it| it.ballot.height);
        assert_eq!(highest.is_some(), by_snapshot, "a VIEW-CHANGE would prove all that is final");
        world.kill(1);
        blocks(&mut world, 20..22);
        world.pass(10_000);
        assert!(world.height(0) > height && world.nodes[0].mempool.is_empty(), "it is needed, and it is there");
        world.kill(3);
        world.start(3);
        assert_eq!((world.height(3), world.status(3).epoch), (world.height(0), epoch), "and a restart finds all that");
    }
}

#[test]
fn a_snapshot_at_the_very_end_of_an_epoch_leads_into_the_next() {
    let mut world = World::new(setup(2));
    world.kill(5);
    blocks(&mut world, 0..10);
    change_to(&mut world, &[0, 1, 2, 3, 4], &[0, 1, 2]);
    assert_eq!(world.height(0), 12);
    world.start(5);
    world.pass(5_000);
    assert_eq!(world.nodes[5].switched, [12]);
    assert_eq!((world.height(5), world.status(5).epoch), (12, Epoch(1)));
    blocks(&mut world, 10..12);
    world.assert_agreed(14);
}

#[test]
fn votes_of_the_next_epoch_wait_for_it() {
    let mut world = World::new(setup(1));
    let change = change(&world.nodes[0].set.clone(), &[0, 1, 2, 3, 4], &[0, 1, 2]);
    world.submit_change(&change);
    // Node 4 hears no checkpoint votes; everybody else goes on without it.
    let is_late = |packet: &Packet| packet.to == 4 && matches!(packet.message, Message::Successions(_));
    world.submit(0);
    while let Some(place) = world.queue.iter().position(|packet| !is_late(packet)) {
        world.deliver(place);
    }
    assert_eq!(epochs(&world)[..4], [1; 4]);
    world.submit(1);
    while let Some(place) = world.queue.iter().position(|packet| !is_late(packet)) {
        world.deliver(place);
    }
    assert!(world.height(0) > 4);
    world.pass(2_000);
    let height = world.height(0);
    world.assert_agreed(height);
}

#[test]
fn what_was_signed_in_an_epoch_that_is_over_counts_no_more_and_its_bringer_is_told() {
    let mut world = World::new(setup(1));
    let old = world.nodes[0].set.clone();
    change_to(&mut world, &[0, 1, 2, 3, 4], &[0, 1, 2]);
    let block = world.block(&world.engine(0).chain().tip().header, 5, &[]);
    let before = world.counts.clone();
    let ballot = Ballot { epoch: old.epoch, ..world.ballot(5, block.id()) };
    for message in [world.proposal(5, &block), Message::Vote(world.vote(Commit, 2, ballot))] {
        world.now = world.now.plus_ms(1_000);
        world.inject(2, 1, message);
    }
    world.run();
    let told = |counts: &std::collections::BTreeMap<&str, usize>| counts.get("successions").copied().unwrap_or(0);
    assert_eq!(told(&world.counts), told(&before) + 2);
    // A VIEW-CHANGE too, but not one of another incarnation.
    for (incarnation, answers) in [(Incarnation(0), 3), (Incarnation(1), 3)] {
        let change = ViewChange {
            incarnation,
            epoch: old.epoch,
            view: View(1),
            committed: None,
            prepared: Vec::new(),
            signer: 2,
            signature: Signature([0; 64]),
        };
        world.now = world.now.plus_ms(1_000);
        world.inject(2, 1, Message::ViewChange(change.signed(&world.genesis.network_id(), &key(2))));
        world.run();
        assert_eq!(told(&world.counts), told(&before) + answers);
    }
    assert!(world.status(1).slots.is_empty() && world.nodes[1].blamed.is_empty());
    // A checkpoint vote of the old epoch too.
    let found = world.disk(0, |disk| {
        disk.records.iter().rev().find_map(|record| match record {
            Record::Checkpoint(vote) => Some(vote.checkpoint),
            _ => None,
        })
    });
    let vote = CheckpointVote::sign(&world.genesis.network_id(), found.expect("it voted at the end"), 2, &key(2));
    world.now = world.now.plus_ms(1_000);
    world.inject(2, 1, Message::Checkpoint(vote));
    assert_eq!(told(&world.counts), told(&before) + 4);
}

#[test]
fn a_liar_who_claims_epochs_that_never_began_is_asked_once_in_a_while() {
    let mut world = World::new(setup(0));
    let claim = TipInfo { epoch: Epoch(u64::MAX), ..world.engine(1).tip_info() };
    for _ in 0..20 {
        world.now = world.now.plus_ms(100);
        world.inject(1, 0, Message::Tip(claim));
        world.run();
    }
    assert_eq!(world.counts.get("get-successions"), Some(&1));
    world.submit(0);
    world.pass(1_000);
    world.assert_agreed(1);
}

#[test]
fn who_is_in_a_later_epoch_is_asked_how_it_began_and_not_for_a_snapshot() {
    for (epoch, successions, snapshots) in [(1, 1, 0), (0, 0, 1)] {
        let mut world = World::new(setup(0));
        for from in 0..3 {
            let far = Height(1_000);
            let claim =
                TipInfo { epoch: Epoch(epoch), stable: far, final_height: far, ..world.engine(from).tip_info() };
            world.inject(from, 3, Message::Tip(claim));
        }
        let asked = ["get-successions", "get-snapshot"].map(|it| world.counts.get(it).copied().unwrap_or(0));
        assert_eq!(asked, [successions, snapshots], "epoch {epoch}");
    }
}

#[test]
fn a_snapshot_of_an_epoch_whose_beginning_is_not_proved_is_not_taken() {
    let mut world = World::new(setup(1));
    let change = change(&world.nodes[0].set.clone(), &[0, 1, 2, 3, 4], &[0, 1, 2]);
    world.submit_change(&change);
    // Node 3 finds the next members in the last block of the epoch, and hears of no proof.
    let is_proof = |message: &Message| {
        matches!(message, Message::Checkpoint(_) | Message::Checkpointed(_) | Message::Successions(_))
    };
    world.deliver_if(|packet| packet.to != 3 || !is_proof(&packet.message));
    world.lose_all();
    world.isolate(&[3]);
    blocks(&mut world, 0..8);
    assert_eq!((world.height(3), world.status(3).epoch, world.engine(0).served()), (4, Epoch(0), Height(8)));
    let far = Height(1_000);
    let claim = TipInfo { epoch: Epoch(0), stable: far, final_height: far, ..world.engine(0).tip_info() };
    world.inject(0, 3, Message::Tip(claim));
    assert_eq!(world.counts.get("get-snapshot"), Some(&1), "it believes the claim");
    let snapshot = world.engine(0).snapshot_from(Height(8));
    world.inject(0, 3, snapshot);
    let staged = |trace: &Trace| matches!(trace, Trace::Transfer { .. });
    assert!(!world.engine(3).transfer.is_fetching() && !world.nodes[3].traces.iter().any(staged));
}

/// More than f members must lie for that.
#[test]
fn what_is_found_of_the_next_epoch_does_not_replace_what_is_proved() {
    let mut world = World::new(setup(2));
    world.isolate(&[3]);
    change_to_without(&mut world, &[0, 1, 2, 3, 4], &[0, 1, 2], 3);
    let proved = world.engine(0).epochs.known_from(Epoch(1)).next().expect("epoch 1 began").clone();
    let opening = Opening { members: MemberList(keys([0, 1, 2, 3, 5])), ..proved.opening };
    let next = opening.hash(&world.genesis.network_id());
    let checkpoint = Checkpoint { next, ..proved.certificate.checkpoint };
    let certificate = CheckpointCertificate { checkpoint, ..proved.certificate };
    let engine = world.nodes[3].engine.as_mut().expect("it is up");
    assert!(engine.epochs.learn(Succession { certificate, header: proved.header, opening }));
    world.lose_all();
    let blocks = world.engine(0).certified_from(Height(1), 16);
    world.inject(0, 3, blocks);
    assert_eq!(world.height(3), 4, "the end of epoch 0");
    assert!(!world.log.contains("\n3   the 5 members of epoch 1 are known"), "told of the members that it found");
    assert!(
        world.nodes[3].traces.iter().any(|trace| matches!(trace, Trace::Diverged { .. })),
        "it sees that it is wrong"
    );
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
fn who_has_only_some_of_an_epoch_s_blocks_goes_on_with_what_is_proved() {
    let mut world = World::new(setup(2));
    world.submit_change(&readmission(&world, 0, 0, 1));
    while world.heights()[..4].iter().any(|height| *height < 1) {
        world.deliver(0);
    }
    // Node 3 has the first change. It misses the second, and the rest of the epoch.
    world.isolate(&[3]);
    let change = change(&world.nodes[0].set.clone(), &[0, 1, 2, 3, 4], &[0, 1, 2]);
    world.submit_change(&change);
    for _ in 0..40 {
        world.pass(500);
    }
    assert_eq!((world.height(3), world.status(0).epoch), (1, Epoch(1)));
    let tip = world.engine(3).chain().tip().height;
    world.nodes[3].engine.as_mut().expect("it is up").transfer.is_needed_above(tip);
    world.cuts.clear();
    world.pass(5_000);
    assert_eq!(world.nodes[3].switched, [4], "it got there by the snapshot");
    assert_eq!(epochs(&world), [1; 6]);
    assert!(!world.nodes[3].traces.iter().any(|trace| matches!(trace, Trace::Diverged { .. })));
    world.kill(0);
    blocks(&mut world, 0..2);
    world.pass(10_000);
    let height = world.height(1);
    world.assert_agreed(height);
    assert!(height > 4 && world.nodes[3].blamed.is_empty(), "{:?}", world.nodes[3].blamed);
}

#[test]
fn a_liar_that_answers_with_the_next_epoch_keeps_nobody_behind_the_end_of_this_one() {
    let mut world = World::new(setup(1));
    let set = world.nodes[0].set.clone();
    world.isolate(&[3]);
    world.submit_change(&change(&set, &[0, 1, 2, 3, 4], &[0, 1, 2]));
    for _ in 0..20 {
        world.pass(500);
    }
    blocks(&mut world, 0..2);
    assert_eq!((world.height(0), world.height(3)), (6, 0));
    world.cuts.clear();
    let above = world.engine(0).certified_from(Height(5), 1);
    for _ in 0..400 {
        let huge = Height(1_000_000);
        let claim = TipInfo { final_height: huge, stable: Height(0), ..world.engine(0).tip_info() };
        world.now = world.now.plus_ms(50);
        (0..5).for_each(|index| world.told(index, Event::Wake));
        // Member 0 lies, and answers each request at once, though not endlessly within a moment.
        for _ in 0..3 {
            world.inject(0, 3, Message::Tip(claim));
            let asked = world.queue.iter().any(|it| (it.from, it.to) == (3, 0));
            world.queue.retain(|it| (it.from, it.to) != (3, 0) && (it.from, it.to) != (0, 3));
            if asked {
                world.inject(0, 3, above.clone());
            }
            world.deliver_if(|it: &Packet| (it.from, it.to) != (3, 0) && (it.from, it.to) != (0, 3));
        }
    }
    world.queue.retain(|it| (it.from, it.to) != (3, 0) && (it.from, it.to) != (0, 3));
    assert_eq!((world.height(3), world.status(3).epoch), (6, Epoch(1)));
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
    assert!(world.has_sent(3, Prepare, 14));
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
    assert!(world.has_sent(3, Prepare, 14));
    world.lose_all();
    world.kill(primary);
    world.submit(21);
    world.pass(20_000);
    let height = world.height(3);
    world.assert_agreed(height);
    assert!(height > 13);
}

#[test]
fn wrong_coins_at_the_end_of_an_epoch_are_repaired_whenever_the_power_goes() {
    for effects in (0..40).chain((240..360).step_by(2)) {
        let mut world = World::new(setup(1));
        blocks(&mut world, 0..2);
        world.kill(3);
        world.disk(3, super::disk::Disk::corrupt);
        world.start(3);
        let change = change(&world.nodes[0].set.clone(), &[0, 1, 2, 3, 4], &[0, 1, 2]);
        world.submit_change(&change);
        let mut steps = 0;
        while !world.nodes[3].traces.iter().any(|trace| matches!(trace, Trace::Diverged { .. })) {
            steps += 1;
            assert!(steps < 10_000, "it finds that its coins are wrong");
            if world.queue.is_empty() { world.pass(50) } else { world.deliver(0) }
        }
        world.cut = Some(Cut { victim: 3, effects, pulled: effects % 3 });
        world.pass(2_000);
        if world.cut.take().is_none() {
            world.start(3);
        }
        world.pass(5_000);
        wait_for_epoch(&mut world, 1);
        world.kill(0);
        world.submit(5);
        world.pass(20_000);
        let height = world.height(1);
        world.assert_agreed(height);
        assert!(height > 4 && world.engine(3).checkpoints.diverged.is_none(), "after {effects} effects");
    }
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
