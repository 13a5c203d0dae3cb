//! View changes at the edges of their guards and times: what is just within, and what is just beyond.

use super::super::{RESEND_MS, TIP_INTERVAL_MS, TIP_SPACING_MS};
use super::cluster::{Packet, Setup, World, key};
use crate::engine::{Engine, Event, Peer, Record, Trace};
use crate::ledger::block::Block;
use crate::ledger::hash::CoinCommitment;
use crate::ledger::units::{Epoch, Height, Incarnation, Time, View};
use crate::limits::{SLOTS_MAX, VIEW_MAX};
use crate::message::checkpoint::{Checkpoint, CheckpointCertificate, CheckpointVote};
use crate::message::{Blocks, CertifiedBlocks, Evidence, Message, NewView, ViewChange, VoteKind};
use crate::pbft::Pbft;

fn net() -> World {
    World::new(Setup::of(4))
}

/// An empty block of height 1.
fn block(world: &World) -> Block {
    world.block(&world.genesis.block().header, 1, &[])
}

fn engine(world: &mut World, index: usize) -> &mut Pbft {
    world.nodes[index].engine.as_mut().expect("it is up")
}

/// The NEW-VIEW of a view in which nobody was prepared on anything.
pub(super) fn empty_view(world: &World, view: u64) -> Message {
    world.new_view(view, (1..4).map(|signer| world.change(signer, view, None, vec![])).collect())
}

/// A NEW-VIEW in which one member was prepared on this block in view 0.
fn view_with(world: &World, view: u64, block: &Block) -> Message {
    let prepared = vec![world.prepared_in(0, 1, block, &[1, 3])];
    let changes = [world.change(0, view, None, prepared), world.change(1, view, None, vec![])];
    world.new_view(view, changes.into_iter().chain([world.change(3, view, None, vec![])]).collect())
}

/// Messages under way from one node to another.
fn under_way(world: &World, from: usize, to: usize, wanted: impl Fn(&Message) -> bool) -> usize {
    world.queue.iter().filter(|it| it.from == from && it.to == to && wanted(&it.message)).count()
}

/// Lets a node's clock go on, and wakes it.
fn wake_after(world: &mut World, index: usize, ms: u64) {
    world.nodes[index].ahead_ms += ms;
    world.told(index, Event::Wake);
}

#[test]
fn a_view_change_and_a_new_view_of_another_epoch_or_incarnation_change_nothing() {
    for (epoch, incarnation, counts) in [(1, 0, false), (0, 1, false), (1, 1, false), (0, 0, true)] {
        let (epoch, incarnation) = (Epoch(epoch), Incarnation(incarnation));
        let mut world = net();
        let change = ViewChange { epoch, incarnation, ..world.change(3, 1, None, vec![]) };
        let Message::NewView(new_view) = empty_view(&world, 1) else { panic!("made above") };
        engine(&mut world, 2).on_view_change(Peer(3), change);
        let signers = engine(&mut world, 2).views.signers(View(1));
        assert_eq!(signers, if counts { vec![3] } else { vec![] }, "{epoch:?} {incarnation:?}");
        engine(&mut world, 2).on_new_view(Peer(1), NewView { epoch, incarnation, ..new_view });
        assert_eq!(world.view(2), u64::from(counts), "{epoch:?} {incarnation:?}");
    }
}

#[test]
fn a_peer_is_told_of_the_view_again_after_a_while_and_when_it_is_back() {
    let mut world = net();
    let new_view = empty_view(&world, 1);
    world.inject(1, 2, new_view);
    world.lose_all();
    let told = |world: &World| under_way(world, 2, 3, |it| matches!(it, Message::NewView(_)));
    let behind = Message::ViewChange(world.change(3, 1, None, vec![]));
    world.inject(3, 2, behind.clone());
    world.inject(3, 2, behind.clone());
    assert_eq!(told(&world), 1, "once");
    world.nodes[2].ahead_ms += RESEND_MS / 2 - 1;
    world.inject(3, 2, behind.clone());
    assert_eq!(told(&world), 1, "too early");
    world.nodes[2].ahead_ms += 1;
    world.inject(3, 2, behind.clone());
    assert_eq!(told(&world), 2);
    world.told(2, Event::Disconnected(Peer(3)));
    world.lose_all();
    world.told(2, Event::Connected(Peer(3)));
    let on_connecting = told(&world);
    world.inject(3, 2, behind);
    assert_eq!(told(&world), on_connecting + 1, "it may have lost what it was told");
    // Whoever begins a view that is over is behind too.
    wake_after(&mut world, 2, RESEND_MS);
    let later = empty_view(&world, 2);
    world.inject(2, 2, later);
    world.lose_all();
    let earlier = empty_view(&world, 1);
    world.inject(3, 2, earlier);
    assert_eq!(told(&world), 1);
}

#[test]
fn the_own_view_change_is_sent_again_when_it_is_time_and_not_before() {
    let mut world = net();
    world.submit(0);
    world.lose_all();
    world.time_out(2);
    let sent = |world: &World| under_way(world, 2, 3, |it| matches!(it, Message::ViewChange(_)));
    assert_eq!(sent(&world), 1);
    wake_after(&mut world, 2, RESEND_MS - 1);
    assert_eq!(sent(&world), 1, "too early");
    wake_after(&mut world, 2, 1);
    assert_eq!(sent(&world), 2);
}

#[test]
fn the_primary_asks_for_a_missing_body_again_when_it_is_time_and_nobody_else_asks() {
    let mut world = net();
    world.kill(1);
    let block = block(&world);
    let new_view = view_with(&world, 2, &block);
    let asked = |world: &World, from: usize| -> usize {
        (0..4).map(|to| under_way(world, from, to, |it| matches!(it, Message::GetBlocks(_)))).sum()
    };
    world.inject(2, 3, new_view.clone());
    assert_eq!((world.view(3), asked(&world, 3)), (2, 0), "a backup waits for the proposal");
    // Its turn comes, but its view has not begun: what the last one chose is not its affair any more.
    world.time_out(3);
    assert_eq!((world.view(3), world.status(3).is_active, asked(&world, 3)), (3, false, 0));
    world.inject(2, 2, new_view);
    assert_eq!(asked(&world, 2), 1);
    wake_after(&mut world, 2, RESEND_MS / 2 - 1);
    assert_eq!(asked(&world, 2), 1, "too early");
    wake_after(&mut world, 2, 1);
    assert_eq!(asked(&world, 2), 2);
}

#[test]
fn a_body_that_comes_when_its_height_is_final_already_is_of_no_use() {
    let mut world = net();
    let block = block(&world);
    let new_view = view_with(&world, 2, &block);
    world.inject(2, 2, new_view);
    let certified = world.certified(1, &block, &[0, 1, 3]);
    world.inject(0, 2, Message::Certified(CertifiedBlocks(vec![certified])));
    assert_eq!(world.height(2), 1);
    world.inject(0, 2, Message::Blocks(Blocks(vec![block])));
    assert!(world.engine(2).slots.is_empty());
}

#[test]
fn who_leaves_with_all_that_is_final_needs_no_help() {
    for (has_all, helped) in [(false, 1), (true, 0)] {
        let mut world = net();
        let block = block(&world);
        let certified = world.certified(1, &block, &[0, 1, 3]);
        world.inject(0, 2, Message::Certified(CertifiedBlocks(vec![certified])));
        world.lose_all();
        let helps = |world: &World| under_way(world, 2, 3, |it| matches!(it, Message::Certified(_)));
        let committed = world.committed_in(0, 1, &block, &[0, 1, 3]);
        let change = world.change(3, 1, has_all.then_some(committed), vec![]);
        world.inject(3, 2, Message::ViewChange(change));
        assert_eq!(helps(&world), helped);
        // A vote says that it did not have all after all.
        let vote = world.vote_in(VoteKind::Commit, 3, 0, 1, &block);
        world.inject(3, 2, vote.clone());
        world.inject(3, 2, vote);
        assert_eq!(helps(&world), 1, "it was not helped before, so it is now");
    }
}

#[test]
fn evidence_of_an_earlier_view_moves_nobody_out_of_the_present_one() {
    let mut world = net();
    let new_view = empty_view(&world, 1);
    world.inject(1, 2, new_view);
    let block = block(&world);
    let vote = |block: &Block| world.vote(VoteKind::PrePrepare, 0, world.ballot(1, block.id()));
    let evidence = Evidence { first: vote(&block), second: vote(&world.other(&block)) };
    world.inject(3, 2, Message::Evidence(evidence));
    assert_eq!((world.view(2), world.status(2).is_active), (1, true));
    assert_eq!(world.status(2).evidence.len(), 1, "kept");
}

#[test]
fn views_end_at_the_last_one() {
    let mut world = net();
    engine(&mut world, 2).leave(View(VIEW_MAX + 1), "beyond", String::new());
    assert_eq!((world.view(2), world.status(2).is_active), (0, true), "there is no such view");
    engine(&mut world, 2).leave(View(VIEW_MAX), "last", String::new());
    assert_eq!((world.view(2), world.status(2).is_active), (VIEW_MAX, false));
}

#[test]
fn of_certificates_without_blocks_those_near_fill_slots_and_of_those_far_off_the_highest_counts() {
    let mut world = net();
    let block = block(&world);
    let certificate = |height| world.committed_in(0, height, &block, &[0, 1, 2]);
    let heights = [0, SLOTS_MAX, SLOTS_MAX, SLOTS_MAX + 3, SLOTS_MAX + 3, SLOTS_MAX + 2, SLOTS_MAX + 4];
    let certificates = heights.map(certificate);
    let engine = engine(&mut world, 2);
    let mut learnt = Vec::new();
    for certificate in certificates {
        let before = engine.out.len();
        engine.learn(certificate);
        learnt.push(engine.out.len() > before);
    }
    assert_eq!(learnt, [false, true, false, true, false, false, true]);
    assert_eq!(engine.slots.keys().copied().collect::<Vec<_>>(), [Height(SLOTS_MAX)]);
    assert_eq!(engine.highest_height(), Height(SLOTS_MAX + 4));
}

#[test]
fn another_block_than_the_view_chose_costs_its_primary_the_view_and_a_backup_nothing() {
    for (kind, signer, is_lie) in
        [(VoteKind::PrePrepare, 1, true), (VoteKind::Prepare, 3, false), (VoteKind::Commit, 3, false)]
    {
        for is_chosen in [true, false] {
            let mut world = net();
            let block = block(&world);
            let new_view = view_with(&world, 1, &block);
            world.inject(1, 2, new_view);
            let voted = if is_chosen { block } else { world.other(&block) };
            let vote = world.vote_in(kind, signer, 1, 1, &voted);
            world.inject(signer, 2, vote);
            // Whoever brought it may have passed it on in good faith, and is not blamed.
            let expected = if is_lie && !is_chosen { (2, 0, false) } else { (1, 0, true) };
            let slot = world.engine(2).slots.get(&Height(1));
            let is_counted = slot.is_some_and(|slot| slot.tally.vote(View(1), kind, signer as u16).is_some());
            assert_eq!((world.view(2), world.nodes[2].blamed.len(), is_counted), expected, "{kind:?}, {is_chosen}");
        }
    }
}

#[test]
fn a_proposal_at_or_below_the_base_is_of_no_use_and_no_lie() {
    for height in [1, 2, 3] {
        let mut world = net();
        let chain = [1, 2, 3].map(|height| world.block(&world.genesis.block().header, height, &[]));
        // The base is height 2, of which node 2 has no block.
        let committed = world.committed_in(0, 2, &chain[1], &[0, 1, 3]);
        let changes = [0, 1, 3].map(|signer| world.change(signer, 1, Some(committed.clone()), vec![]));
        let new_view = world.new_view(1, changes.to_vec());
        world.inject(1, 2, new_view);
        let block = world.other(&chain[height - 1]);
        let proposal = world.proposal_in(1, height as u64, &block);
        world.inject(1, 2, proposal);
        assert_eq!((world.view(2), world.nodes[2].blamed.len()), (1, 0), "height {height}");
        assert_eq!(world.in_flight(2, height as u64).is_some(), height == 3, "height {height}");
    }
}

#[test]
fn only_who_is_in_its_view_tells_others_of_it() {
    let mut world = net();
    let new_view = empty_view(&world, 1);
    world.inject(1, 2, new_view);
    let block = block(&world);
    let told = |world: &World| under_way(world, 2, 3, |it| matches!(it, Message::NewView(_)));
    world.lose_all();
    world.submit(0);
    world.lose_all();
    world.time_out(2);
    for message in [world.vote_in(VoteKind::Commit, 3, 0, 1, &block), world.proposal_in(0, 1, &block)] {
        world.inject(3, 2, message);
    }
    assert_eq!(told(&world), 0, "it waits for view 2 itself");
    let new_view = empty_view(&world, 3);
    world.inject(3, 2, new_view);
    for (message, count) in
        [(world.vote_in(VoteKind::Commit, 3, 0, 1, &block), 1), (world.proposal_in(0, 1, &block), 2)]
    {
        world.nodes[2].ahead_ms += RESEND_MS;
        world.inject(3, 2, message);
        assert_eq!(told(&world), count);
    }
}

#[test]
fn every_vote_that_counts_is_told_with_how_many_there_are() {
    let mut world = net();
    let block = block(&world);
    let proposal = world.proposal(1, &block);
    world.inject(0, 1, proposal);
    for (kind, signers) in [(VoteKind::Prepare, [2, 2, 3]), (VoteKind::Commit, [0, 2, 3])] {
        for signer in signers {
            let vote = world.vote_in(kind, signer, 0, 1, &block);
            world.inject(signer, 1, vote);
        }
    }
    let told = |trace: &Trace| match trace {
        Trace::Vote { kind, signer, view: View(0), height: Height(1), votes, quorum: 3 } => {
            Some((*kind, *signer, *votes))
        }
        _ => None,
    };
    let told: Vec<_> = world.nodes[1].traces.iter().filter_map(told).collect();
    let expected = [
        (VoteKind::PrePrepare, 0, 1),
        (VoteKind::Prepare, 1, 2),
        (VoteKind::Prepare, 2, 3),
        (VoteKind::Commit, 1, 1),
        (VoteKind::Prepare, 3, 4),
        (VoteKind::Commit, 0, 2),
        (VoteKind::Commit, 2, 3),
        // The height is final by now; who votes for it is still of interest.
        (VoteKind::Commit, 3, 4),
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_view_that_begins_leaves_of_the_view_changes_those_for_later_views() {
    let mut world = net();
    let changes = [(0, 1), (0, 2), (1, 1), (3, 1), (3, 3)];
    let changes = changes.map(|(signer, view)| world.change(signer, view, None, vec![]));
    let Message::NewView(new_view) = empty_view(&world, 1) else { panic!("made above") };
    let engine = engine(&mut world, 2);
    for change in changes {
        engine.on_view_change(Peer(u64::from(change.signer)), change);
    }
    let wanted = |engine: &Pbft| [1, 2, 3].map(|view| engine.views.signers(View(view)));
    assert_eq!(wanted(engine), [vec![0, 1, 3], vec![0], vec![3]]);
    engine.on_new_view(Peer(1), new_view);
    assert_eq!(wanted(engine), [vec![], vec![0], vec![3]]);
}

#[test]
fn who_does_not_know_that_a_checkpoint_is_stable_is_told_now_and_then_and_after_connecting_anew() {
    let mut world = World::new(Setup { checkpoint_interval: 2, ..Setup::of(4) });
    for tag in 0..2 {
        world.submit(tag);
        world.run();
    }
    let vote = world.disk(3, |disk| {
        disk.records.iter().find_map(|record| match record {
            Record::Checkpoint(vote) => Some(*vote),
            _ => None,
        })
    });
    let vote = Message::Checkpoint(vote.expect("it voted at height 2"));
    let told = |world: &World| under_way(world, 0, 3, |it| matches!(it, Message::Checkpointed(_)));
    for (ms, expected) in [(0, 1), (RESEND_MS / 2 - 1, 1), (1, 2)] {
        world.nodes[0].ahead_ms += ms;
        world.inject(3, 0, vote.clone());
        assert_eq!(told(&world), expected, "after {ms} ms");
    }
    world.told(0, Event::Disconnected(Peer(3)));
    world.nodes[0].ahead_ms += RESEND_MS;
    world.inject(3, 0, vote.clone());
    assert_eq!(told(&world), 2, "nobody is there");
    world.told(0, Event::Connected(Peer(3)));
    world.lose_all();
    world.inject(3, 0, vote);
    assert_eq!(told(&world), 1, "it may have lost what it was told");
}

#[test]
fn a_vote_at_a_checkpoint_is_answered_where_its_signer_has_missed_that_it_is_stable() {
    // Stable is height 4. Each vote comes twice.
    for (height, expected) in [(2, [1, 2]), (4, [0, 1]), (6, [0, 0])] {
        let mut world = World::new(Setup { checkpoint_interval: 2, ..Setup::of(4) });
        for tag in 0..4 {
            world.submit(tag);
            // Nothing of node 3 arrives at node 0.
            world.run_keeping(|packet| (packet.from, packet.to) != (3, 0));
        }
        let stable = engine(&mut world, 0).checkpoints.held_at(Height(4)).expect("it is stable").1.checkpoint;
        let checkpoint = Checkpoint { height: Height(height), ..stable };
        let vote = Message::Checkpoint(CheckpointVote::sign(&world.genesis.network_id(), checkpoint, 3, &key(3)));
        let told = |world: &World| under_way(world, 0, 3, |it| matches!(it, Message::Checkpointed(_)));
        for count in expected {
            world.inject(3, 0, vote.clone());
            assert_eq!(told(&world), count, "height {height}");
            world.nodes[0].ahead_ms += RESEND_MS;
        }
    }
}

#[test]
fn nothing_is_signed_twice_for_a_checkpoint_whatever_is_found_later() {
    let mut world = World::new(Setup { checkpoint_interval: 2, ..Setup::of(4) });
    for tag in 0..2 {
        world.submit(tag);
        world.run();
    }
    let stable = engine(&mut world, 0).checkpoints.held_at(Height(2)).expect("it is stable").1.checkpoint;
    let mut votes = |height, coins| {
        let engine = engine(&mut world, 0);
        let before = engine.out.len();
        engine.vote_checkpoint(Checkpoint { height: Height(height), coins: CoinCommitment([coins; 32]), ..stable });
        engine.out.len() > before
    };
    assert_eq!([votes(2, 1), votes(6, 1), votes(6, 2), votes(4, 1), votes(8, 1)], [false, true, false, false, true]);
}

#[test]
fn own_checkpoint_votes_are_to_be_sent_again_until_they_are_stable() {
    let mut world = World::new(Setup { checkpoint_interval: 2, ..Setup::of(4) });
    for tag in 0..2 {
        world.submit(tag);
        world.run_keeping(|packet| packet.to != 0 || !matches!(packet.message, Message::Checkpoint(_)));
    }
    let now = world.now;
    let engine = engine(&mut world, 0);
    assert_eq!(engine.checkpoints_at(), Some(now.plus_ms(RESEND_MS)));
    let ours = match engine.own_checkpoints()[..] {
        [Message::Checkpoint(vote)] => vote.checkpoint,
        _ => panic!("one vote"),
    };
    engine.on_checkpointed(CheckpointCertificate { checkpoint: ours, seals: Vec::new() });
    assert_eq!(engine.checkpoints.stable(), Height(2));
    assert_eq!(engine.checkpoints_at(), None);
}

#[test]
fn a_certificate_of_another_epoch_or_incarnation_or_of_what_is_stable_already_is_of_no_use() {
    for (incarnation, epoch, height, is_taken) in
        [(0, 0, 4, true), (0, 0, 2, false), (0, 1, 4, false), (1, 0, 4, false), (1, 1, 2, false)]
    {
        let mut world = World::new(Setup { checkpoint_interval: 2, ..Setup::of(4) });
        for tag in 0..4 {
            world.submit(tag);
            let is_late = |packet: &Packet| matches!(&packet.message, Message::Checkpoint(it) if it.checkpoint.height == Height(4));
            world.run_keeping(|packet| packet.to != 0 || !is_late(packet));
        }
        let engine = engine(&mut world, 0);
        let ours = engine.checkpoints.held_at(Height(2)).expect("it is stable").1.checkpoint;
        let checkpoint = Checkpoint {
            incarnation: Incarnation(incarnation),
            epoch: Epoch(epoch),
            height: Height(height),
            // Whoever takes it sees that it has something else.
            coins: CoinCommitment([7; 32]),
            ..ours
        };
        engine.on_checkpointed(CheckpointCertificate { checkpoint, seals: Vec::new() });
        assert_eq!(engine.checkpoints.diverged.is_some(), is_taken, "{incarnation} {epoch} {height}");
    }
}

#[test]
fn who_speaks_in_an_epoch_that_is_over_is_told_how_the_next_began() {
    for (incarnation, epoch, is_told, is_present) in
        [(0, 1, true, false), (0, 2, false, true), (0, 3, false, false), (1, 1, false, false), (1, 2, false, false)]
    {
        let mut world = net();
        let engine = engine(&mut world, 0);
        engine.set.epoch = Epoch(2);
        let before = engine.out.len();
        assert_eq!(engine.is_of_present(Peer(3), Incarnation(incarnation), Epoch(epoch)), is_present);
        assert_eq!(engine.out.len() > before, is_told, "incarnation {incarnation}, epoch {epoch}");
    }
}

#[test]
fn what_is_flushed_is_kept_in_memory_no_longer() {
    let mut world = World::new(Setup { flushes: false, ..Setup::of(4) });
    for tag in 0..3 {
        world.submit(tag);
        world.run();
    }
    let kept = |world: &mut World| engine(world, 0).recent.keys().map(|height| height.0).collect::<Vec<_>>();
    assert_eq!(kept(&mut world), [1, 2, 3]);
    let sequence = engine(&mut world, 0).recent[&Height(2)].0;
    engine(&mut world, 0).on_flushed(sequence);
    assert_eq!(kept(&mut world), [3]);
}

#[test]
fn a_deadline_is_never_now() {
    let mut world = net();
    world.run();
    let engine = engine(&mut world, 0);
    engine.now = engine.now.plus_ms(1_000_000);
    for announce in [true, false] {
        engine.announce = announce;
        let spacing_ms = if announce { TIP_SPACING_MS } else { TIP_INTERVAL_MS };
        for (ago_ms, is_awaited) in [(spacing_ms - 1, true), (spacing_ms, false), (spacing_ms + 1, false)] {
            engine.announced_at = Some(Time(engine.now.0 - ago_ms));
            let expected = is_awaited.then(|| engine.now.plus_ms(1));
            assert_eq!(engine.deadline(), expected, "{announce} {ago_ms}");
        }
    }
}

#[test]
fn broken_invariants_are_noticed() {
    let mut world = net();
    let block = block(&world);
    let vote = world.vote(VoteKind::Prepare, 0, world.ballot(2, block.id()));
    let engine = engine(&mut world, 0);
    engine.check();
    engine.slots.entry(Height(1)).or_default().own.insert((View(0), VoteKind::Prepare), vote);
    let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| engine.check()));
    assert!(checked.is_err(), "an own vote of another height");
}

#[test]
fn a_transfer_is_no_change_of_members() {
    let mut world = net();
    let transfer = world.transfer(0);
    let engine = engine(&mut world, 0);
    assert!(Engine::admits_change(engine, &transfer).is_err());
}
