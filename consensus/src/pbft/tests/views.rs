//! View changes, rule by rule: when a view is left, who joins, and who is told. What the next one begins with is in
//! [`super::new_view`]. Node 0 is the primary of view 0, node 1 of view 1, and so on.

use super::super::RESEND_MS;
use super::super::timer::Timer;
use super::cluster::{Packet, Setup, World};
use super::forge::guards;
use crate::engine::{Engine, Event, Record, Trace};
use crate::ledger::block::Block;
use crate::ledger::units::{Height, Time};
use crate::message::{Message, ViewChange, VoteKind};
use crate::plant::Plant;
use VoteKind::{Commit, Prepare};

pub(super) fn net() -> World {
    World::new(Setup::of(4))
}

pub(super) fn chain(world: &World, count: u64) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    for height in 1..=count {
        let parent = blocks.last().map_or(world.genesis.block().header, |block| block.header);
        blocks.push(world.block(&parent, height, &[]));
    }
    blocks
}

/// On the same parent, with another time.
pub(super) fn rival(world: &World, block: &Block) -> Block {
    world.other(block)
}

pub(super) fn is_of(packet: &Packet, kind: VoteKind) -> bool {
    matches!(&packet.message, Message::Vote(vote) if vote.kind == kind)
}

pub(super) fn leaves(world: &World, index: usize) -> Vec<(u64, &'static str)> {
    let left = |trace: &Trace| match trace {
        Trace::Leave { to, reason, .. } if *reason != "start" => Some((to.0, *reason)),
        _ => None,
    };
    world.nodes[index].traces.iter().filter_map(left).collect()
}

pub(super) fn blames(world: &World, index: usize) -> usize {
    world.nodes[index].blamed.len()
}

/// Nodes `except` hear nothing and say nothing; the others leave for `view` one timer after another.
pub(super) fn all_leave(world: &mut World, view: u64, except: &[usize]) {
    let others: Vec<usize> = (0..world.nodes.len()).filter(|index| !except.contains(index)).collect();
    for index in others {
        if world.view(index) < view {
            world.time_out(index);
        }
    }
}

// F7, F13: one view at a time.

#[test]
fn f7_a_proposal_of_a_later_view_waits_for_it() {
    let mut world = net();
    world.kill(1);
    let a = chain(&world, 1).remove(0);
    let proposal = world.proposal_in(1, 1, &a);
    world.inject(1, 2, proposal);
    let votes = [0, 3].map(|signer| world.vote_in(Prepare, signer, 1, 1, &a));
    votes.into_iter().for_each(|vote| world.inject(3, 2, vote));
    assert!(!world.has_sent(2, Prepare, 1) && !world.has_sent(2, Commit, 1));
    let changes = [0, 1, 3].map(|signer| world.change(signer, 1, None, vec![])).to_vec();
    let new_view = world.new_view(1, changes);
    world.inject(1, 2, new_view);
    assert!(world.has_sent(2, Prepare, 1) && world.has_sent(2, Commit, 1), "it was kept");
}

#[test]
fn f13_a_view_that_was_left_is_left() {
    let mut world = net();
    world.submit(0);
    let a = world.in_flight(0, 1).expect("proposed");
    world.lose_all();
    world.time_out(2);
    assert_eq!(world.view(2), 1);
    let proposal = world.proposal_in(0, 1, &a);
    world.inject(0, 2, proposal);
    for signer in [1, 3] {
        let vote = world.vote_in(Prepare, signer, 0, 1, &a);
        world.inject(signer, 2, vote);
    }
    for signer in [0, 1, 3] {
        let vote = world.vote_in(Commit, signer, 0, 1, &a);
        world.inject(signer, 2, vote);
    }
    assert!(!world.has_sent(2, Prepare, 1) && !world.has_sent(2, Commit, 1));
    assert_eq!(world.height(2), 0, "votes of that view are not counted either");
    let answer = Message::Certified(crate::message::CertifiedBlocks(vec![world.certified(1, &a, &[0, 1, 3])]));
    world.inject(0, 2, answer);
    assert_eq!(world.height(2), 1, "but what others certified is taken");
}

#[test]
fn f13_nothing_is_voted_on_before_the_view_has_begun() {
    guards(Plant::EagerView, "before its NEW-VIEW", || {
        let mut world = net();
        world.submit(0);
        world.lose_all();
        world.time_out(2);
        let a = chain(&world, 1).remove(0);
        let proposal = world.proposal_in(1, 1, &a);
        world.inject(1, 2, proposal);
        assert!(!world.has_sent(2, Prepare, 1), "before its NEW-VIEW");
    });
}

// F14: joining.

#[test]
fn f14_one_member_moves_nobody() {
    guards(Plant::JoinAnyone, "one member", || {
        let mut world = net();
        world.kill(3);
        let change = Message::ViewChange(world.change(3, 1_000_000, None, vec![]));
        world.inject(3, 2, change);
        assert_eq!(world.view(2), 0, "one member moved it");
    });
}

#[test]
fn f14_f_plus_one_are_joined_at_the_smallest_of_their_views() {
    guards(Plant::JoinHighest, "smallest", || {
        for views in [[5, 2], [2, 5], [3, 1_000_000]] {
            let mut world = net();
            world.kill(3);
            world.kill(1);
            for (signer, view) in [3, 1].into_iter().zip(views) {
                let change = Message::ViewChange(world.change(signer, view, None, vec![]));
                world.inject(signer, 2, change);
            }
            assert_eq!(world.view(2), views[0].min(views[1]), "the smallest");
            assert_eq!(leaves(&world, 2), [(views[0].min(views[1]), "joined")]);
        }
    });
}

#[test]
fn f14_a_liar_cannot_lead_the_others_up_step_by_step() {
    let mut world = World::new(Setup::of(7));
    world.kill(6);
    for view in [1, 2, 50, crate::limits::VIEW_MAX] {
        for to in 0..6 {
            let change = Message::ViewChange(world.change(6, view, None, vec![]));
            world.inject(6, to, change);
        }
    }
    world.submit(0);
    world.pass(1_000);
    assert!((0..6).all(|index| world.view(index) == 0 && world.height(index) == 1));
}

// F15: timers.

#[test]
fn f15_the_timer_runs_while_a_block_is_owed() {
    let mut world = net();
    world.pass(60_000);
    assert!((0..4).all(|index| world.view(index) == 0 && world.status(index).deadline.is_none()), "nothing is owed");
    world.lose_all();
    world.kill(0);
    world.submit(0);
    let due = world.status(1).deadline.expect("a transaction is due");
    assert_eq!(due, world.now.plus_ms(8_000), "patient, since it has just started");
    world.start(0);
    world.told(0, Event::Pending { oldest: Some(world.now) });
    world.pass(1_000);
    assert!(world.status(1).deadline.is_none(), "it stops when the block is final");
}

#[test]
fn f15_each_failed_view_doubles_the_timer_up_to_a_cap_and_progress_resets_it() {
    guards(Plant::NoDoubling, "twice", || {
        let mut timer = Timer::new(2_000, 60_000);
        assert_eq!(timer.timeout_ms(), 8_000, "patient until it has seen others agree");
        timer.took(5);
        timer.run(Time(0), true);
        assert_eq!(timer.deadline(), Some(Time(2_000)));
        for expected in [4_000, 8_000, 16_000, 32_000, 60_000, 60_000] {
            timer.left(true);
            assert_eq!(timer.deadline(), None, "until a quorum wants the view");
            timer.run(Time(10), true);
            assert_eq!(timer.deadline(), Some(Time(10 + expected)), "twice as long");
        }
        timer.progress();
        assert_eq!((timer.timeout_ms(), timer.failed()), (2_000, 0));
        timer.left(false);
        assert_eq!(timer.timeout_ms(), 2_000, "a view that made a block has not failed");
    });
}

#[test]
fn f15_the_timer_of_a_new_view_starts_when_a_quorum_wants_it() {
    let mut world = net();
    world.submit(0);
    world.lose_all();
    world.time_out(2);
    assert_eq!(world.status(2).deadline, None, "alone");
    for signer in [3, 0] {
        assert_eq!(world.status(2).deadline, None);
        let change = Message::ViewChange(world.change(signer, 1, None, vec![]));
        world.inject(signer, 2, change);
    }
    assert_eq!(world.status(2).deadline, Some(world.clock(2).plus_ms(16_000)), "doubled");
}

#[test]
fn f15_a_certificate_that_came_late_says_nothing_of_the_pace() {
    let mut world = net();
    let a = chain(&world, 1).remove(0);
    let proposal = world.proposal_in(0, 1, &a);
    world.inject(0, 2, proposal);
    world.now = world.now.plus_ms(7_000);
    let answer = Message::Certified(crate::message::CertifiedBlocks(vec![world.certified(1, &a, &[0, 1, 3])]));
    world.inject(0, 2, answer);
    assert_eq!((world.height(2), world.status(2).timeout_ms), (1, 8_000));
}

// F16: telling those who have not heard.

#[test]
fn f16_a_view_change_is_sent_again_byte_for_byte() {
    guards(Plant::NoResend, "sent again", || {
        let mut world = net();
        world.submit(0);
        world.lose_all();
        world.time_out(2);
        let sent = |world: &World| -> Vec<ViewChange> {
            let of = |packet: &Packet| match &packet.message {
                Message::ViewChange(change) if packet.to == 3 => Some(change.clone()),
                _ => None,
            };
            world.queue.iter().filter_map(of).collect()
        };
        let first = sent(&world);
        world.lose_all();
        world.nodes[2].ahead_ms += RESEND_MS;
        world.told(2, Event::Wake);
        assert_eq!((sent(&world), first.len()), (first.clone(), 1), "sent again");
        world.lose_all();
        world.kill(2);
        world.start(2);
        assert!(sent(&world).contains(&first[0]), "also after a crash");
    });
}

#[test]
fn f16_a_replica_that_is_behind_in_views_is_told() {
    guards(Plant::NoNewViewAnswer, "behind in views", || {
        let mut world = net();
        world.isolate(&[3]);
        world.submit(0);
        world.lose_all();
        all_leave(&mut world, 1, &[3]);
        world.run();
        assert!((0..3).all(|index| world.view(index) == 1 && world.status(index).is_active));
        world.heal();
        world.submit(1);
        world.run();
        world.time_out(3);
        world.pass(1_500);
        assert!(world.status(3).is_active, "behind in views");
        world.pass(5_000);
        let height = world.height(0);
        world.assert_agreed(height);
    });
}

// F17: what was prepared is never dropped.

#[test]
fn f17_what_one_replica_committed_no_view_drops() {
    for silent in [0, 3] {
        let mut world = net();
        world.submit(0);
        let a = world.in_flight(0, 1).expect("proposed");
        world.deliver_if(|it| !is_of(it, Commit));
        world.deliver_if(|it| it.to == silent);
        assert_eq!(world.height(silent), 1);
        world.lose_all();
        world.isolate(&[silent]);
        world.submit(1);
        world.pass(20_000);
        let of_height_1: Vec<_> = (0..4).map(|index| world.nodes[index].finals[&Height(1)]).collect();
        assert_eq!(of_height_1, [a.id(); 4]);
    }
}

// F22, F23: crashes.

#[test]
fn f22_a_view_that_was_left_stays_left_over_a_crash() {
    guards(Plant::ForgetViews, "after a crash", || {
        let mut world = net();
        world.submit(0);
        world.lose_all();
        world.time_out(2);
        let before = world.change_of(2);
        world.kill(2);
        world.start(2);
        assert_eq!((world.view(2), world.status(2).is_active), (1, false), "after a crash");
        assert_eq!(world.change_of(2), before);
    });
}

#[test]
fn f22_the_base_of_a_view_is_known_after_a_power_cut_in_the_middle_of_entering_it() {
    let mut world = net();
    let a = chain(&world, 1).remove(0);
    let changes = vec![
        world.change(0, 1, Some(world.committed_in(0, 1, &a, &[0, 1, 3])), vec![]),
        world.change(1, 1, None, vec![]),
        world.change(3, 1, None, vec![]),
    ];
    let new_view = world.new_view(1, changes);
    world.inject(1, 2, new_view);
    world.disk(2, |disk| disk.records.retain(|it| !matches!(it, Record::Committed(_))));
    world.kill(2);
    world.start(2);
    assert_eq!(world.status(2).slots[0].phase, crate::engine::Phase::Committed);
    assert!(world.disk(2, |disk| disk.has(|it| matches!(it, Record::Committed(_)))));
}

// F31: bounds.

#[test]
fn f31_a_member_fills_one_place_with_view_changes() {
    let mut world = net();
    world.kill(3);
    for view in 1..300 {
        let change = Message::ViewChange(world.change(3, view, None, vec![]));
        world.inject(3, 2, change);
    }
    let seen = world.nodes[2].traces.iter().filter(|it| matches!(it, Trace::ViewChange { .. })).count();
    assert_eq!((seen, world.view(2)), (299, 0));
    assert_eq!(world.status(2).changes, []);
    assert_eq!(blames(&world, 2), 0);
}

#[test]
fn f31_one_that_asks_again_and_again_is_told_of_the_view_now_and_then() {
    let mut world = net();
    world.submit(0);
    world.lose_all();
    all_leave(&mut world, 1, &[]);
    world.pass(1_000);
    assert_eq!(world.view(2), 1);
    world.lose_all();
    let a = chain(&world, 1).remove(0);
    for height in 50..80 {
        let vote = world.vote_in(Commit, 3, 0, height, &a);
        world.inject(3, 2, vote);
    }
    let told = world.queue.iter().filter(|it| matches!(it.message, Message::NewView(_))).count();
    assert_eq!(told, 1);
}

#[test]
fn f3_a_replica_leaves_its_view_for_one_that_others_have_begun() {
    let mut world = net();
    let changes = [0, 1, 2].map(|signer| world.change(signer, 7, None, vec![])).to_vec();
    let new_view = world.new_view(7, changes);
    world.inject(0, 2, new_view);
    assert_eq!((world.view(2), world.status(2).is_active), (7, true));
    assert_eq!(world.engine(2).chain().tip().height, Height(0));
}
