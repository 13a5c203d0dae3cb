use super::*;
use crate::engine::Engine as _;
use crate::ledger::transaction::MemberList;
use crate::ledger::units::{Epoch, Incarnation};
use crate::message::Evidence;
use crate::message::checkpoint::{BucketHashes, Checkpoint, CheckpointCertificate, CheckpointState, CheckpointVote};
use crate::message::epoch::Opening;
use crate::pbft::tests::cluster::{Setup, World, key};
use crate::pbft::tests::made::checkpoint_at;

/// Replica 3 of four, started from these records, all of which are of incarnation 0, in an incarnation.
fn started(records: Vec<Record>, incarnation: u32) -> World {
    started_after(records, incarnation, Height::GENESIS)
}

/// The same where that incarnation began above a height.
fn started_after(records: Vec<Record>, incarnation: u32, height: Height) -> World {
    let mut world = World::new(Setup::of(4));
    world.kill(3);
    world.disk(3, |disk| {
        disk.records.clear();
        records.into_iter().for_each(|record| disk.persist(record));
    });
    if incarnation > 0 {
        let set_back = world.incarnations.set_back(Incarnation(incarnation), height);
        world.incarnations = set_back.expect("a first setting back");
    }
    world.start(3);
    world
}

fn engine(world: &mut World) -> &mut Pbft {
    world.nodes[3].engine.as_mut().expect("it is up")
}

/// Empty blocks 1 to 3.
fn chain(world: &World) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    for height in 1..=3 {
        let parent = blocks.last().map_or(world.genesis.block().header, |block| block.header);
        blocks.push(world.block(&parent, height, &[]));
    }
    blocks
}

fn checkpoint_vote(world: &World, signer: usize, checkpoint: Checkpoint) -> Record {
    Record::Checkpoint(CheckpointVote::sign(&world.genesis.network_id(), checkpoint, signer as u16, &key(signer)))
}

fn succession(world: &World, height: u64) -> Succession {
    let members = MemberList(world.nodes[0].set.members.clone());
    let certificate = CheckpointCertificate { checkpoint: checkpoint_at(height), seals: Vec::new() };
    let opening = Opening { epoch: Epoch(1), members, readmitted: Vec::new() };
    Succession { certificate, header: world.genesis.block().header, opening }
}

#[test]
fn what_another_incarnation_recorded_counts_no_more() {
    let made = World::new(Setup::of(4));
    let blocks = chain(&made);
    let vote = |block: &Block| made.vote(VoteKind::Commit, 2, made.ballot(1, block.id()));
    let evidence = Evidence { first: vote(&blocks[0]), second: vote(&made.other(&blocks[0])) };
    for (incarnation, counts) in [(0, true), (1, false)] {
        let mut world = started(vec![Record::Evidence(evidence)], incarnation);
        assert_eq!(engine(&mut world).proofs.all().count(), usize::from(counts), "evidence");

        let certificate = made.committed_in(0, 1, &blocks[0], &[0, 1, 2]);
        let records = vec![Record::Body(blocks[0].clone()), Record::Committed(certificate)];
        let world = started(records, incarnation);
        assert_eq!(world.height(3), u64::from(counts), "a certified block");

        let far = made.vote(VoteKind::Commit, 3, made.ballot(SLOTS_MAX + 1, blocks[0].id()));
        let mut world = started(vec![Record::Vote(far)], incarnation);
        assert_eq!(engine(&mut world).withheld.is_some(), counts, "a vote far above");

        let stable = CheckpointCertificate { checkpoint: checkpoint_at(100), seals: Vec::new() };
        let mut world = started(vec![Record::Stable(stable)], incarnation);
        assert_eq!(engine(&mut world).withheld.is_some(), counts, "a stable checkpoint far above");
        assert_eq!(engine(&mut world).checkpoints.is_expecting(Height(100)), counts);

        let votes = vec![checkpoint_vote(&made, 3, checkpoint_at(100)), checkpoint_vote(&made, 2, checkpoint_at(100))];
        let mut world = started(votes, incarnation);
        let engine_3 = engine(&mut world);
        assert_eq!((engine_3.checkpoints.votes_of(3), engine_3.checkpoints.votes_of(2)), (usize::from(counts), 0));
        let again = Checkpoint { incarnation: Incarnation(incarnation), ..checkpoint_at(100) };
        let before = engine_3.out.len();
        engine_3.vote_checkpoint(again);
        assert_eq!(engine_3.out.len() == before, counts, "who voted there votes there no more");

        let header = made.genesis.block().header;
        let buckets = BucketHashes::of(&Default::default());
        let state = CheckpointState { checkpoint: checkpoint_at(100), header, buckets };
        let mut world = started(vec![Record::CheckpointState(state)], incarnation);
        assert_eq!(engine(&mut world).checkpoints.has_found(Height(100)), counts, "what was found");

        let mut world = started(vec![Record::Epoch(succession(&made, 4))], incarnation);
        let known = engine(&mut world).epochs.last_known();
        assert_eq!(
            (known, engine(&mut world).withheld.is_some()),
            (Epoch(u64::from(counts)), counts),
            "an epoch above"
        );
        let mut world = started(vec![Record::Epoch(succession(&made, 0))], incarnation);
        let known = engine(&mut world).epochs.last_known();
        assert_eq!((known, engine(&mut world).withheld.is_some()), (Epoch(1), false), "how the present one began");
    }
}

#[test]
fn what_an_earlier_incarnation_reached_keeps_nobody_silent_though_it_stands() {
    let made = World::new(Setup::of(4));
    let stable = CheckpointCertificate { checkpoint: checkpoint_at(100), seals: Vec::new() };
    for (incarnation, is_silent) in [(0, true), (1, false)] {
        let mut world = started_after(vec![Record::Stable(stable.clone())], incarnation, Height(100));
        assert!(engine(&mut world).checkpoints.is_expecting(Height(100)), "it stands");
        assert_eq!(engine(&mut world).withheld.is_some(), is_silent, "a checkpoint");
        let mut world = started_after(vec![Record::Epoch(succession(&made, 4))], incarnation, Height(100));
        assert_eq!(engine(&mut world).epochs.last_known(), Epoch(1), "it stands");
        assert_eq!(engine(&mut world).withheld.is_some(), is_silent, "an epoch");
    }
}

#[test]
fn what_was_signed_in_another_epoch_counts_no_more() {
    let made = World::new(Setup::of(4));
    let block = chain(&made).remove(0);
    let changes = || (0..3).map(|signer| made.change(signer, 2, None, vec![])).collect();
    for (epoch, counts) in [(0, true), (1, false)] {
        let epoch = Epoch(epoch);
        let change = ViewChange { epoch, ..made.change(3, 2, None, vec![]) };
        let Message::NewView(new_view) = made.new_view(2, changes()) else { panic!("it is one") };
        for record in [Record::ViewChange(change), Record::NewView(NewView { epoch, ..new_view })] {
            let world = started(vec![record], 0);
            assert_eq!(world.view(3), if counts { 2 } else { 0 }, "{epoch}");
        }
        let ballot = Ballot { epoch, ..made.ballot(1, block.id()) };
        let vote = Record::Vote(made.vote(VoteKind::Prepare, 3, ballot));
        let mut prepared = made.prepared_in(0, 1, &block, &[1, 2]);
        prepared.certificate.ballot.epoch = epoch;
        for record in [vote, Record::Prepared(prepared)] {
            let mut world = started(vec![Record::Body(block.clone()), record.clone()], 0);
            assert_eq!(engine(&mut world).slots.contains_key(&Height(1)), counts, "{record:?}");
        }
    }
}

/// Node 3 of four after a start, with heights 1 and 2 final and flushed before, and these records besides.
fn above_two_blocks(records: impl Fn(&World) -> Vec<Record>) -> World {
    let mut world = World::new(Setup::of(4));
    for index in 0..2 {
        world.submit(index);
        world.run();
    }
    world.kill(3);
    let records = records(&world);
    world.disk(3, |disk| {
        disk.records.clear();
        records.into_iter().for_each(|record| disk.persist(record));
    });
    world.start(3);
    world
}

#[test]
fn the_certificate_of_the_flushed_tip_is_the_highest_whatever_older_records_there_are() {
    let certificate = |world: &World, height| world.engine(0).certificate_at(Height(height)).expect("it is final");
    let older = |world: &World| vec![Record::Committed(certificate(world, 1))];
    for mut world in [above_two_blocks(|_| Vec::new()), above_two_blocks(older)] {
        let expected = certificate(&world, 2).ballot;
        let engine = engine(&mut world);
        assert_eq!(engine.highest.as_ref().map(|it| it.ballot), Some(expected));
        engine.leave(View(1), "to see what it says", String::new());
        let change = engine.views.own.as_ref().expect("it has left");
        assert_eq!(change.committed.as_ref().map(|it| it.ballot), Some(expected), "and it can show it");
    }
}

#[test]
fn an_own_checkpoint_vote_of_another_epoch_is_not_counted() {
    let made = World::new(Setup::of(4));
    let other = Checkpoint { epoch: Epoch(1), ..checkpoint_at(100) };
    let mut world = started(vec![checkpoint_vote(&made, 3, other)], 0);
    assert_eq!(engine(&mut world).checkpoints.votes_of(3), 0);
}

#[test]
fn the_own_view_change_and_what_began_the_view_are_taken_up() {
    let made = World::new(Setup::of(4));
    let change = |signer, view| Record::ViewChange(made.change(signer, view, None, vec![]));
    let new_view = |view: u64| match made.new_view(view, (0..3).map(|it| made.change(it, view, None, vec![])).collect())
    {
        Message::NewView(it) => Record::NewView(it),
        other => panic!("{}", other.name()),
    };
    for (records, incarnation, view, is_active) in [
        (vec![change(3, 2)], 0, 2, false),
        (vec![change(3, 2), change(3, 1)], 0, 2, false),
        (vec![change(2, 2)], 0, 0, true),
        (vec![change(3, 2)], 1, 0, true),
        (vec![new_view(1)], 0, 1, true),
        (vec![new_view(1)], 1, 0, true),
        (vec![new_view(2), new_view(1)], 0, 2, true),
        (vec![new_view(1), change(3, 1)], 0, 1, true),
        (vec![new_view(1), change(3, 2)], 0, 2, false),
    ] {
        let mut world = started(records.clone(), incarnation);
        let engine = engine(&mut world);
        assert_eq!((engine.view.0, engine.is_active()), (view, is_active), "{records:?}");
    }
}

#[test]
fn own_votes_of_the_view_are_taken_up_and_no_others() {
    let made = World::new(Setup::of(4));
    let block = chain(&made).remove(0);
    let vote = |kind, signer, view| Record::Vote(made.vote(kind, signer, made.ballot_in(view, 1, block.id())));
    for (record, incarnation, count) in [
        (vote(VoteKind::Prepare, 3, 0), 0, 1),
        (vote(VoteKind::Prepare, 2, 0), 0, 0),
        (vote(VoteKind::Prepare, 3, 1), 0, 0),
        (vote(VoteKind::Prepare, 3, 0), 1, 0),
    ] {
        let mut world = started(vec![Record::Body(block.clone()), record.clone()], incarnation);
        let own = engine(&mut world).slots.get(&Height(1)).map_or(0, |slot| slot.own.len());
        assert_eq!(own, count, "{record:?} in incarnation {incarnation}");
    }
    // While the next view is awaited, nothing of the one before is repeated.
    let change = Record::ViewChange(made.change(3, 1, None, vec![]));
    for view in [0, 1] {
        let mut world = started(vec![Record::Body(block.clone()), change.clone(), vote(VoteKind::Prepare, 3, view)], 0);
        assert!(engine(&mut world).slots.is_empty(), "view {view}");
    }
}

#[test]
fn what_was_prepared_in_the_highest_view_is_taken_up_with_its_body() {
    let made = World::new(Setup::of(4));
    let block = chain(&made).remove(0);
    let other = made.other(&block);
    let earlier = Record::Prepared(made.prepared_in(0, 1, &block, &[1, 2]));
    let later = Record::Prepared(made.prepared_in(1, 1, &other, &[0, 2]));
    let bodies = || vec![Record::Body(block.clone()), Record::Body(other.clone())];
    for records in [vec![earlier.clone(), later.clone()], vec![later.clone(), earlier.clone()]] {
        let mut world = started([bodies(), records].concat(), 0);
        let slot = &engine(&mut world).slots[&Height(1)];
        assert_eq!(slot.prepared.as_ref().map(|it| it.certificate.ballot.view), Some(View(1)));
    }
    for (record, incarnation, expected) in [
        // Of the present view: its votes count, its body is held, and the own PREPARE is cast again.
        (earlier.clone(), 0, Some((4, Some(block.id())))),
        (later.clone(), 0, Some((0, None))),
        (earlier.clone(), 1, None),
    ] {
        let mut world = started([bodies(), vec![record]].concat(), incarnation);
        let found = engine(&mut world).slots.get(&Height(1)).map(|slot| {
            let votes =
                [VoteKind::PrePrepare, VoteKind::Prepare].map(|kind| slot.tally.signers(View(0), kind, block.id()));
            (votes[1].len(), slot.body.as_ref().map(|body| body.id))
        });
        assert_eq!(found, expected);
    }
}

#[test]
fn certificates_above_a_gap_wait_and_the_highest_counts() {
    let made = World::new(Setup::of(4));
    let blocks = chain(&made);
    let certified =
        |height: usize| Record::Committed(made.committed_in(0, height as u64, &blocks[height - 1], &[0, 1, 2]));
    let records = vec![certified(3), certified(2), Record::Body(blocks[2].clone())];
    let mut world = started(records, 0);
    let engine = engine(&mut world);
    assert_eq!((engine.chain().tip().height, engine.highest_height()), (Height(0), Height(3)));
    let held = |height| engine.slots.get(&Height(height)).map(|it| (it.committed.is_some(), it.body.is_some()));
    assert_eq!([1, 2, 3].map(held), [None, Some((true, false)), Some((true, true))]);
}

#[test]
fn own_records_of_views_do_not_take_a_replica_back_from_where_it_followed_the_others() {
    let made = World::new(Setup::of(4));
    let change = |view| Some(made.change(3, view, None, Vec::new()));
    let new_view = |view| {
        let changes = [0, 1, 2].map(|signer| made.change(signer, view, None, Vec::new())).to_vec();
        let Message::NewView(new_view) = made.new_view(view, changes) else { panic!("it is one") };
        Some(new_view)
    };
    // The view that it is in or waits for, whether it is in, what was recorded of VIEW-CHANGE and NEW-VIEW, and what follows.
    let cases = [
        (5, true, change(2), None, (5, true)),
        (5, true, change(5), None, (5, true)),
        (5, true, change(2), new_view(5), (5, true)),
        (5, true, change(6), None, (6, false)),
        (5, true, change(6), new_view(6), (6, true)),
        (5, true, change(6), new_view(5), (6, false)),
        (5, false, change(5), new_view(4), (5, false)),
        (5, false, change(4), new_view(5), (5, true)),
        (0, true, None, None, (0, true)),
        (0, true, change(2), None, (2, false)),
    ];
    for (number, (view, is_entered, change, recorded, expected)) in cases.into_iter().enumerate() {
        let mut world = started(Vec::new(), 0);
        let engine = engine(&mut world);
        if is_entered && view > 0 {
            engine.adopt(new_view(view).expect("it is one"));
        }
        engine.view = View(view);
        let own = change.as_ref().map(|it| it.view);
        engine.take_back_view(change, recorded);
        assert_eq!((engine.view.0, engine.is_active()), expected, "{number}");
        let waits_for = engine.views.own.as_ref().map(|it| it.view);
        assert_eq!(waits_for, own.filter(|_| !expected.1), "{number}");
    }
}

#[test]
fn a_view_that_is_taken_up_later_clears_what_was_proposed_in_the_one_that_was_followed() {
    let mut world = started(Vec::new(), 0);
    let block = chain(&world).remove(0);
    let proposal = world.proposal(1, &block);
    world.inject(0, 3, proposal);
    let changes = [0, 1, 2].map(|signer| world.change(signer, 2, None, Vec::new())).to_vec();
    let Message::NewView(new_view) = world.new_view(2, changes) else { panic!("it is one") };
    let engine = engine(&mut world);
    assert!(engine.slots[&Height(1)].body.is_some());
    engine.take_back_view(None, Some(new_view));
    assert!(engine.slots.get(&Height(1)).is_none_or(|slot| slot.body.is_none()), "it would keep the next one out");
}
