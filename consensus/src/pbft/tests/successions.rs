//! Who learns of an epoch, how, and what it does until then: late replicas, votes of the next epoch and of the last, liars.

use super::cluster::{Packet, World, key};
use super::epochs::{blocks, change, change_to, change_to_without, epochs, keys, readmission, setup};
use crate::engine::{Engine, Event, Record, Trace};
use crate::ledger::key::Signature;
use crate::ledger::transaction::MemberList;
use crate::ledger::units::{Epoch, Height, Incarnation, View};
use crate::message::VoteKind;
use crate::message::checkpoint::{Checkpoint, CheckpointCertificate, CheckpointVote};
use crate::message::epoch::{Opening, Succession};
use crate::message::{Ballot, Message, TipInfo, ViewChange};
use VoteKind::Commit;

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
