//! What a VIEW-CHANGE and a NEW-VIEW must prove, with what the view begins then, and how its members come by it.
//! Node 0 is the primary of view 0, node 1 of view 1, and so on.

use super::super::RESEND_MS;
use super::super::choose::choose;
use super::cluster::{Setup, World};
use super::forge::guards;
use super::views::{chain, is_of, leaves, net, rival};
use crate::chain::Tip;
use crate::engine::Event;
use crate::ledger::block::Block;
use crate::ledger::units::{Epoch, Height, Incarnation, View};
use crate::message::VoteKind;
use crate::message::{Blocks, Message, ViewChange};
use crate::plant::Plant;
use VoteKind::{Commit, PrePrepare, Prepare};

fn start(world: &World) -> Tip {
    let block = world.genesis.block();
    Tip { height: Height::GENESIS, id: block.id(), header: block.header }
}

fn chosen(world: &World, changes: &[ViewChange]) -> Vec<Block> {
    let choice = choose(start(world), changes);
    choice.chosen.values().map(|header| Block { header: *header, transactions: Vec::new() }).collect()
}

fn heads(blocks: &[Block]) -> Vec<Block> {
    blocks.iter().map(|block| Block { header: block.header, transactions: Vec::new() }).collect()
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
