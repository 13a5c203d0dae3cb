//! View changes, rule by rule. Node 0 is the primary of view 0, node 1 of view 1, and so on.

use super::super::RESEND_MS;
use super::super::choose::choose;
use super::super::timer::Timer;
use super::cluster::{Packet, Setup, World};
use super::forge::guards;
use crate::chain::Tip;
use crate::engine::{Engine, Event, Record, Trace};
use crate::ledger::block::Block;
use crate::ledger::units::{Epoch, Height, Incarnation, Time, View};
use crate::message::{Blocks, Evidence, Message, ViewChange, VoteKind};
use crate::plant::Plant;
use VoteKind::{Commit, PrePrepare, Prepare};

fn net() -> World {
    World::new(Setup::of(4))
}

fn start(world: &World) -> Tip {
    let block = world.genesis.block();
    Tip { height: Height::GENESIS, id: block.id(), header: block.header }
}

fn chain(world: &World, count: u64) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    for height in 1..=count {
        let parent = blocks.last().map_or(world.genesis.block().header, |block| block.header);
        blocks.push(world.block(&parent, height, &[]));
    }
    blocks
}

/// On the same parent, with another time.
fn rival(world: &World, block: &Block) -> Block {
    world.other(block)
}

fn chosen(world: &World, changes: &[ViewChange]) -> Vec<Block> {
    let choice = choose(start(world), changes);
    choice.chosen.values().map(|header| Block { header: *header, transactions: Vec::new() }).collect()
}

fn heads(blocks: &[Block]) -> Vec<Block> {
    blocks.iter().map(|block| Block { header: block.header, transactions: Vec::new() }).collect()
}

fn is_of(packet: &Packet, kind: VoteKind) -> bool {
    matches!(&packet.message, Message::Vote(vote) if vote.kind == kind)
}

fn leaves(world: &World, index: usize) -> Vec<(u64, &'static str)> {
    let left = |trace: &Trace| match trace {
        Trace::Leave { to, reason, .. } if *reason != "start" => Some((to.0, *reason)),
        _ => None,
    };
    world.nodes[index].traces.iter().filter_map(left).collect()
}

fn blames(world: &World, index: usize) -> usize {
    world.nodes[index].blamed.len()
}

/// Nodes `except` hear nothing and say nothing; the others leave for `view` one timer after another.
fn all_leave(world: &mut World, view: u64, except: &[usize]) {
    let others: Vec<usize> = (0..world.nodes.len()).filter(|index| !except.contains(index)).collect();
    for index in others {
        if world.view(index) < view {
            world.time_out(index);
        }
    }
}

// F9: what a view begins with.

#[test]
fn f9_the_certificate_of_the_highest_view_is_chosen() {
    guards(Plant::FirstCertificate, "highest view", || {
        let world = net();
        let a = chain(&world, 1).remove(0);
        let b = rival(&world, &a);
        let changes = [
            world.change(0, 3, None, vec![world.prepared_in(0, 1, &a, &[1, 2])]),
            world.change(1, 3, None, vec![world.prepared_in(2, 1, &b, &[0, 1])]),
            world.change(2, 3, None, vec![world.prepared_in(0, 1, &a, &[1, 2])]),
        ];
        assert_eq!(chosen(&world, &changes), heads(&[b]), "the highest view");
    });
}

#[test]
fn f9_the_base_is_the_highest_commit_certificate() {
    let world = net();
    let blocks = chain(&world, 3);
    let changes = [
        world.change(
            0,
            1,
            Some(world.committed_in(0, 1, &blocks[0], &[0, 1, 2])),
            vec![world.prepared_in(0, 2, &blocks[1], &[1, 2])],
        ),
        world.change(
            1,
            1,
            Some(world.committed_in(0, 2, &blocks[1], &[0, 1, 2])),
            vec![world.prepared_in(0, 3, &blocks[2], &[1, 2])],
        ),
        world.change(2, 1, None, vec![]),
    ];
    let choice = choose(start(&world), &changes);
    assert_eq!((choice.base, choice.certificate.is_some()), (Height(2), true));
    assert_eq!(chosen(&world, &changes), heads(&blocks[2..]));
}

/// F10 and F11, which the linking rule replaces: no gap is left, so nothing fills one.
#[test]
fn f11_the_first_gap_ends_the_choice() {
    let world = net();
    let blocks = chain(&world, 3);
    let certificate = |height: u64| world.prepared_in(0, height, &blocks[height as usize - 1], &[1, 2]);
    let of = |prepared| [world.change(0, 1, None, prepared)];
    assert_eq!(chosen(&world, &of(vec![certificate(1), certificate(3)])), heads(&blocks[..1]));
    assert_eq!(chosen(&world, &of(vec![certificate(2), certificate(3)])), []);
}

#[test]
fn f9_a_certificate_whose_parent_is_not_chosen_ends_the_choice() {
    let world = net();
    let blocks = chain(&world, 2);
    let b = rival(&world, &blocks[0]);
    let changes = [
        world.change(
            0,
            2,
            None,
            vec![world.prepared_in(0, 1, &blocks[0], &[1, 2]), world.prepared_in(0, 2, &blocks[1], &[1, 2])],
        ),
        world.change(1, 2, None, vec![world.prepared_in(1, 1, &b, &[2, 3])]),
    ];
    assert_eq!(chosen(&world, &changes), heads(&[b]));
}

// F8: what a VIEW-CHANGE must prove.

#[test]
fn f8_certificates_in_a_view_change_are_counted() {
    let world = net();
    let blocks = chain(&world, 2);
    let other = rival(&world, &blocks[0]);
    let of = |signer, view, committed, prepared| world.change(signer, view, committed, prepared);
    let verdict = |change: ViewChange| world.verified(Message::ViewChange(change)).is_ok();
    let good = world.prepared_in(0, 1, &blocks[0], &[1, 2]);
    let committed = world.committed_in(0, 1, &blocks[0], &[0, 1, 2]);
    assert!(verdict(of(3, 1, None, vec![good.clone()])));
    assert!(verdict(of(3, 1, Some(committed.clone()), vec![])));
    assert!(!verdict(of(3, 1, None, vec![world.prepared_in(0, 1, &blocks[0], &[1])])), "q - 2 PREPAREs");
    assert!(!verdict(of(3, 1, None, vec![world.prepared_in(0, 1, &blocks[0], &[1, 2, 3])])), "q PREPAREs");
    assert!(!verdict(of(3, 1, None, vec![world.prepared_in(0, 1, &blocks[0], &[1, 1])])), "one member twice");
    assert!(!verdict(of(3, 1, None, vec![world.prepared_in(0, 1, &blocks[0], &[0, 2])])), "the primary prepares");
    assert!(!verdict(of(3, 1, Some(world.committed_in(0, 1, &blocks[0], &[0, 1])), vec![])), "q - 1 COMMITs");
    assert!(!verdict(of(3, 1, None, vec![world.prepared_in(1, 1, &blocks[0], &[0, 2])])), "of the view that begins");
    assert!(!verdict(of(3, 1, None, vec![world.prepared_in(5, 1, &blocks[0], &[0, 2])])), "of a later view");
    assert!(!verdict(of(3, 1, Some(committed), vec![good.clone()])), "not above the committed one");
    assert!(!verdict(of(3, 1, None, vec![good.clone(), good.clone()])), "a height twice");
    let mut renamed = good.clone();
    renamed.header = other.header;
    assert!(!verdict(of(3, 1, None, vec![renamed])), "beside another header");
    let mut mixed = good.clone();
    mixed.certificate.prepares[0] = world.prepared_in(0, 1, &other, &[1, 2]).certificate.prepares[0];
    assert!(!verdict(of(3, 1, None, vec![mixed])), "a PREPARE for another block");
    let mut crossed = good;
    crossed.certificate.prepares = world.committed_in(0, 1, &blocks[0], &[1, 2]).commits;
    assert!(!verdict(of(3, 1, None, vec![crossed])), "COMMITs for PREPAREs");
    assert!(!verdict(of(3, 0, None, vec![])), "view 0 begins without");
    assert!(!verdict(of(9, 1, None, vec![])), "no member");
}

#[test]
fn f8_the_window_bounds_what_a_view_change_carries() {
    let world = World::new(Setup { depth: 2, ..Setup::of(4) });
    let blocks = chain(&world, 3);
    let certificate = |height: usize| world.prepared_in(0, height as u64, &blocks[height - 1], &[1, 2]);
    let verdict = |count: usize| {
        let change = world.change(3, 1, None, (1..=count).map(certificate).collect());
        world.verified(Message::ViewChange(change)).is_ok()
    };
    assert!(verdict(2) && !verdict(3));
}

#[test]
fn f8_a_view_change_of_a_replica_left_behind_may_carry_a_later_certificate() {
    let world = net();
    let block = chain(&world, 1).remove(0);
    let committed = world.committed_in(7, 1, &block, &[0, 1, 2]);
    assert!(world.verified(Message::ViewChange(world.change(3, 1, Some(committed), vec![]))).is_ok());
}

#[test]
fn f8_signatures_bind_all_that_a_view_change_says() {
    let world = net();
    let block = chain(&world, 1).remove(0);
    let good = world.change(3, 1, None, vec![world.prepared_in(0, 1, &block, &[1, 2])]);
    let verdict = |change: &ViewChange| world.verified(Message::ViewChange(change.clone())).is_ok();
    assert!(verdict(&good));
    assert!(!verdict(&ViewChange { view: View(2), ..good.clone() }));
    assert!(!verdict(&ViewChange { signer: 2, ..good.clone() }));
    assert!(!verdict(&ViewChange { incarnation: Incarnation(1), prepared: vec![], ..good.clone() }));
    assert!(!verdict(&ViewChange { epoch: Epoch(1), prepared: vec![], ..good.clone() }));
    assert!(!verdict(&ViewChange { prepared: vec![], ..good }));
}

// F9: what a NEW-VIEW must prove.

#[test]
fn f9_a_new_view_has_exactly_q_view_changes() {
    guards(Plant::UncountedChanges, "too few", || {
        let world = net();
        let change = |signer| world.change(signer, 1, None, vec![]);
        let verdict = |view, changes| world.verified(world.new_view(view, changes)).is_ok();
        assert!(verdict(1, vec![change(0), change(1), change(2)]));
        assert!(!verdict(1, vec![change(0), change(1)]), "too few");
        assert!(!verdict(1, (0..4).map(change).collect()), "too many");
        assert!(!verdict(1, vec![change(0), change(0), change(1)]), "one member twice");
        assert!(!verdict(5, vec![change(0), change(1), change(2)]), "for another view");
        let Message::NewView(good) = world.new_view(1, vec![change(0), change(1), change(2)]) else {
            unreachable!("a NEW-VIEW was made");
        };
        let mut by_another = good.clone();
        by_another.signer = 2;
        assert!(world.verified(Message::NewView(by_another)).is_err(), "by another than the primary");
        let mut changed = good;
        changed.changes[0] = change(3);
        changed.changes.sort_by_key(|change| change.signer);
        assert!(world.verified(Message::NewView(changed)).is_err(), "with other content than signed");
    });
}

/// Also "unchosen": FISCO-BCOS accepted the new primary's proposals without checking them against the view changes.
#[test]
fn f9_a_replica_votes_for_what_the_view_chose_only() {
    guards(Plant::IgnoreChoice, "voted for another", || {
        let mut world = net();
        world.kill(1);
        let a = chain(&world, 1).remove(0);
        let changes = vec![
            world.change(0, 1, None, vec![world.prepared_in(0, 1, &a, &[2, 3])]),
            world.change(1, 1, None, vec![]),
            world.change(3, 1, None, vec![]),
        ];
        let new_view = world.new_view(1, changes);
        world.inject(1, 2, new_view);
        assert_eq!((world.view(2), world.status(2).is_active), (1, true));
        let proposal = world.proposal_in(1, 1, &rival(&world, &a));
        world.inject(1, 2, proposal);
        assert!(!world.has_sent(2, Prepare, 1), "voted for another");
        assert!(world.nodes[2].blamed.is_empty(), "it may have been passed on in good faith");
        assert_eq!(leaves(&world, 2), [(2, "unchosen block")]);
    });
}

#[test]
fn f9_the_first_new_view_of_a_view_is_taken() {
    let mut world = net();
    world.kill(1);
    let a = chain(&world, 1).remove(0);
    let certified = world.change(0, 1, None, vec![world.prepared_in(0, 1, &a, &[2, 3])]);
    let empty = |signer| world.change(signer, 1, None, vec![]);
    let first = world.new_view(1, vec![certified, empty(1), empty(3)]);
    let second = world.new_view(1, vec![empty(1), empty(2), empty(3)]);
    world.inject(1, 2, first);
    world.inject(1, 2, second);
    let proposal = world.proposal_in(1, 1, &rival(&world, &a));
    world.inject(1, 2, proposal);
    assert!(!world.has_sent(2, Prepare, 1));
    let proposal = world.proposal_in(1, 1, &a);
    world.inject(1, 3, proposal.clone());
    assert!(!world.has_sent(3, Prepare, 1), "it knows of no view 1");
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

// F12: bodies.

#[test]
fn f12_a_primary_fetches_the_bodies_that_it_lacks_from_one_peer_after_another() {
    let mut world = net();
    world.kill(1);
    let a = chain(&world, 1).remove(0);
    let changes = vec![
        world.change(0, 2, None, vec![world.prepared_in(0, 1, &a, &[1, 3])]),
        world.change(1, 2, None, vec![]),
        world.change(3, 2, None, vec![]),
    ];
    for change in changes {
        let from = usize::from(change.signer);
        world.inject(from, 2, Message::ViewChange(change));
    }
    let asked = |world: &World| -> Vec<usize> {
        let requests = world.queue.iter().filter(|it| matches!(it.message, Message::GetBlocks(_)));
        requests.map(|it| it.to).collect()
    };
    assert_eq!(world.view(2), 2, "joined");
    // Its own makes four; the first q in ascending order are taken.
    assert!(world.status(2).is_active);
    assert_eq!(asked(&world), [0]);
    world.nodes[2].ahead_ms += RESEND_MS;
    world.told(2, Event::Wake);
    assert_eq!(asked(&world), [0, 3], "the next, when the first is silent");
    let foreign = rival(&world, &a);
    world.inject(0, 2, Message::Blocks(Blocks(vec![foreign])));
    assert!(!world.has_sent(2, PrePrepare, 1), "that was not asked for");
    world.inject(0, 2, Message::Blocks(Blocks(vec![a.clone()])));
    assert!(world.has_sent(2, PrePrepare, 1), "proposed again");
    assert_eq!(world.in_flight(2, 1).map(|block| block.id()), Some(a.id()));
}

// F5: what a new view brings back stays acceptable.

#[test]
fn f5_the_clock_is_not_looked_at_again_for_what_a_view_brings_back() {
    let mut world = net();
    world.kill(1);
    let mut a = chain(&world, 1).remove(0);
    a.header.time = world.now.seconds() + 1_000;
    let changes = vec![
        world.change(0, 1, None, vec![world.prepared_in(0, 1, &a, &[2, 3])]),
        world.change(1, 1, None, vec![]),
        world.change(3, 1, None, vec![]),
    ];
    let new_view = world.new_view(1, changes);
    world.inject(1, 2, new_view);
    let proposal = world.proposal_in(1, 1, &a);
    world.inject(1, 2, proposal);
    assert!(world.has_sent(2, Prepare, 1));
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

// F34: evidence.

#[test]
fn f34_two_proposals_cost_the_primary_its_view_everywhere() {
    let mut world = net();
    world.kill(0);
    let a = chain(&world, 1).remove(0);
    let b = rival(&world, &a);
    let proposals = [&a, &b].map(|block| world.proposal_in(0, 1, block));
    world.inject(0, 1, proposals[0].clone());
    world.inject(0, 1, proposals[1].clone());
    assert_eq!(leaves(&world, 1), [(1, "two proposals")]);
    world.run();
    for index in 1..4 {
        assert_eq!(world.view(index), 1);
        let evidence = world.status(index).evidence;
        assert!(matches!(evidence[..], [Evidence { first, .. }] if first.signer == 0), "{evidence:?}");
        assert!(world.disk(index, |disk| disk.has(|it| matches!(it, Record::Evidence(_)))));
    }
    world.kill(2);
    world.start(2);
    assert_eq!(world.status(2).evidence.len(), 1, "kept over a crash");
    assert!(evidence_names(&world, 0));
}

fn evidence_names(world: &World, liar: u16) -> bool {
    (0..4).filter(|index| world.is_up(*index)).all(|index| {
        let evidence = world.status(index).evidence;
        evidence.iter().all(|it| it.first.signer == liar && world.verified(Message::Evidence(*it)).is_ok())
    })
}

#[test]
fn f34_what_does_not_contradict_is_no_evidence() {
    let world = net();
    let a = chain(&world, 1).remove(0);
    let b = rival(&world, &a);
    let vote =
        |kind, signer, view, height, block: &Block| world.vote(kind, signer, world.ballot_in(view, height, block.id()));
    let verdict = |first, second| world.verified(Message::Evidence(Evidence { first, second })).is_ok();
    let first = vote(Commit, 2, 0, 1, &a);
    assert!(verdict(first, vote(Commit, 2, 0, 1, &b)));
    assert!(!verdict(first, first), "the same");
    assert!(!verdict(first, vote(Commit, 2, 1, 1, &b)), "another view");
    assert!(!verdict(first, vote(Commit, 2, 0, 2, &b)), "another height");
    assert!(!verdict(first, vote(Commit, 3, 0, 1, &b)), "another member");
    assert!(!verdict(first, vote(Prepare, 2, 0, 1, &b)), "another kind");
    let mut forged = vote(Commit, 2, 0, 1, &b);
    forged.ballot.block = crate::ledger::hash::BlockId([9; 32]);
    assert!(!verdict(first, forged), "not signed");
}

#[test]
fn f34_two_certificates_of_one_view_name_everyone_who_sealed_both() {
    let mut world = net();
    let a = chain(&world, 1).remove(0);
    let b = rival(&world, &a);
    let answer = Message::Certified(crate::message::CertifiedBlocks(vec![world.certified(1, &a, &[0, 1, 3])]));
    world.inject(0, 2, answer);
    world.submit(0);
    world.lose_all();
    let change = world.change(3, 1, Some(world.committed_in(0, 1, &b, &[1, 2, 3])), vec![]);
    world.inject(3, 2, Message::ViewChange(change));
    let named: Vec<u16> = world.status(2).evidence.iter().map(|it| it.first.signer).collect();
    assert_eq!(named, [1, 3]);
}

#[test]
fn f34_a_liar_makes_only_so_much_evidence_against_itself() {
    let mut world = net();
    world.kill(3);
    let a = chain(&world, 1).remove(0);
    let b = rival(&world, &a);
    for view in 0..40 {
        let vote = |block: &Block| world.vote(Commit, 3, world.ballot_in(view, 1, block.id()));
        let evidence = Message::Evidence(Evidence { first: vote(&a), second: vote(&b) });
        world.inject(3, 2, evidence);
    }
    assert_eq!(world.status(2).evidence.len(), crate::limits::EVIDENCE_PER_MEMBER_MAX);
    let passed_on = world.queue.iter().filter(|it| it.to == 1 && matches!(it.message, Message::Evidence(_))).count();
    assert_eq!(passed_on, crate::limits::EVIDENCE_PER_MEMBER_MAX);
}

// Heights below the base.

/// One liar commits height 2 and not height 1, of which one correct replica gets nothing: height 1 has no certificate
/// anywhere, in a view that goes no further.
#[test]
fn a_height_below_a_certificate_that_nobody_certified_is_certified_by_the_next_view() {
    for up in [true, false] {
        let mut world = World::new(Setup { depth: 2, ..Setup::of(4) });
        world.kill(0);
        let blocks = chain(&world, 2);
        for (height, block) in (1..).zip(&blocks) {
            for to in 1..=if height == 1 { 2 } else { 3 } {
                let proposal = world.proposal_in(0, height, block);
                world.inject(0, to, proposal);
            }
            world.deliver_if(|it| is_of(it, Prepare));
            world.lose_all();
        }
        for to in 1..4 {
            let vote = world.vote_in(Commit, 0, 0, 2, &blocks[1]);
            world.inject(0, to, vote);
            for signer in [1, 2] {
                let vote = world.vote_in(Commit, signer, 0, 2, &blocks[1]);
                world.inject(signer, to, vote);
            }
        }
        assert_eq!(world.heights(), [0, 0, 0]);
        assert_eq!(world.certified.len(), 1);
        if !up {
            // Nor does it take everyone's memory.
            (1..4).for_each(|index| world.kill(index));
            (1..4).for_each(|index| world.start(index));
        }
        world.pass(20_000);
        assert_eq!(world.heights(), [2, 2, 2]);
        assert!(world.view(1) >= 1, "it took another view");
        world.submit(0);
        world.pass(5_000);
        assert_eq!(world.heights(), [3, 3, 3]);
    }
}

#[test]
fn a_height_below_the_base_is_voted_on_for_the_ancestor_only() {
    let mut world = World::new(Setup { depth: 2, ..Setup::of(4) });
    world.kill(1);
    let blocks = chain(&world, 2);
    let changes = vec![
        world.change(0, 1, Some(world.committed_in(0, 2, &blocks[1], &[0, 2, 3])), vec![]),
        world.change(1, 1, None, vec![]),
        world.change(3, 1, None, vec![world.prepared_in(0, 1, &blocks[0], &[2, 3])]),
    ];
    let new_view = world.new_view(1, changes);
    world.inject(1, 2, new_view);
    let asked =
        world.queue.iter().filter(|it| matches!(&it.message, Message::GetBlocks(ids) if ids.0 == [blocks[1].id()]));
    assert_eq!(asked.count(), 1, "it lacks the base itself, and with it the name of the ancestor");
    for block in [&rival(&world, &blocks[0]), &blocks[0]] {
        let proposal = world.proposal_in(1, 1, block);
        world.inject(1, 2, proposal);
        assert!(!world.has_sent(2, Prepare, 1), "which of them is final is not known here");
    }
    world.inject(3, 2, Message::Blocks(Blocks(vec![blocks[1].clone()])));
    let proposal = world.proposal_in(1, 1, &rival(&world, &blocks[0]));
    world.inject(1, 2, proposal);
    assert!(!world.has_sent(2, Prepare, 1));
    let proposal = world.proposal_in(1, 1, &blocks[0]);
    world.inject(1, 2, proposal);
    assert!(world.has_sent(2, Prepare, 1));
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
