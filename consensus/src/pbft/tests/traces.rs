//! One schedule for each weaker form of the rules that keeps the net from forking, or from stopping, across views: with at most
//! f liars it forks or stops when the rule is out, and does not when it is in. Member 3 lies unless said otherwise; a liar is
//! a dead replica whose messages the test makes. Only the heights that a certificate can overtake need a depth above 1.
//!
//! To come with amnesia and epochs: a wiped replica that votes again; a change of members across a view change; a replayed
//! change of members.

use super::cluster::{Packet, Setup, World};
use super::forge::guards;
use crate::ledger::block::Block;
use crate::message::{Blocks, Message, ViewChange, VoteKind};
use crate::plant::Plant;
use VoteKind::{Commit, Prepare};

/// Four replicas, of which one is a liar.
fn net(depth: u16, liar: usize) -> World {
    let mut world = World::new(Setup { depth, ..Setup::of(4) });
    world.kill(liar);
    world.lose_all();
    world.forks_only = true;
    world
}

fn is_vote(packet: &Packet, kind: VoteKind) -> bool {
    matches!(&packet.message, Message::Vote(vote) if vote.kind == kind)
}

fn is_link(packet: &Packet, from: usize, to: usize) -> bool {
    (packet.from, packet.to) == (from, to)
}

fn is_proposal(packet: &Packet) -> bool {
    matches!(packet.message, Message::PrePrepare(_))
}

/// The liar hands its vote to these.
fn lie(world: &mut World, kind: VoteKind, liar: usize, view: u64, height: u64, block: &Block, to: &[usize]) {
    for to in to {
        let message = world.vote_in(kind, liar, view, height, block);
        world.try_inject(liar, *to, message);
    }
}

/// These two correct replicas go from view to view, with a liar that claims to know nothing; the others hear nothing.
fn leave_for(world: &mut World, view: u64, two: [usize; 2], liar: usize) {
    while two.iter().any(|index| world.view(*index) < view) {
        let next = two.iter().map(|index| world.view(*index)).min().expect("two") + 1;
        for index in two {
            if world.view(index) < next {
                world.time_out(index);
            }
        }
        let said = Message::ViewChange(world.change(liar, next, None, vec![]));
        for to in two {
            world.try_inject(liar, to, said.clone());
        }
        world.deliver_if(|it| two.contains(&it.from) && two.contains(&it.to) && is_view_message(it));
        if next < view {
            world.lose_all();
        }
    }
}

fn is_view_message(packet: &Packet) -> bool {
    matches!(packet.message, Message::ViewChange(_) | Message::NewView(_))
}

/// These two, with the liar's votes, do whatever they would do together.
fn agree(world: &mut World, view: u64, height: u64, two: [usize; 2], liar: usize) {
    let among = |it: &Packet| two.contains(&it.from) && two.contains(&it.to);
    world.deliver_if(among);
    let block = two.iter().find_map(|index| world.in_flight(*index, height));
    if let Some(block) = block {
        lie(world, Prepare, liar, view, height, &block, &two);
        world.deliver_if(among);
        lie(world, Commit, liar, view, height, &block, &two);
        world.deliver_if(among);
    }
}

/// The liar is silent, everything else works: what was submitted becomes final.
fn goes_on(world: &mut World) {
    world.heal();
    world.forks_only = false;
    world.pass(30_000);
    let height = world.heights().into_iter().max().expect("three are up");
    assert!(height > 0, "it stops");
    let up: Vec<usize> = (0..4).filter(|index| world.is_up(*index)).collect();
    assert!(up.iter().all(|index| world.nodes[*index].mempool.is_empty()), "it stops with work waiting");
    world.assert_agreed(height);
}

/// A primary that proposes height 2 without being prepared on height 1 is one of the q votes of height 2, and the only
/// correct one that those who change the view hear. It knows of no height 1, and another block takes its place.
#[test]
fn trace_1_a_primary_that_does_not_bind_itself() {
    guards(Plant::UnboundPrimary, "fork", || {
        let mut world = net(2, 3);
        world.submit(0);
        world.deliver_if(|it| is_link(it, 0, 1));
        let first = world.in_flight(0, 1).expect("the primary proposed it");
        world.lose_all();
        world.submit(1);
        if let Some(second) = world.in_flight(0, 2) {
            world.deliver_if(|it| is_link(it, 0, 1) && is_proposal(it));
            lie(&mut world, Prepare, 3, 0, 1, &first, &[1]);
            lie(&mut world, Prepare, 3, 0, 2, &second, &[0, 1]);
            let of_height_2 = |it: &Packet| matches!(&it.message, Message::Vote(vote) if vote.ballot.height.0 == 2);
            world.deliver_if(|it| is_link(it, 1, 0) && of_height_2(it));
            world.deliver_if(|it| is_link(it, 0, 1) && of_height_2(it));
            lie(&mut world, Commit, 3, 0, 2, &second, &[1]);
        }
        world.lose_all();
        world.isolate(&[1]);
        leave_for(&mut world, 2, [0, 2], 3);
        agree(&mut world, 2, 1, [0, 2], 3);
        goes_on(&mut world);
    });
}

/// Up to view 2: only replica 0 is prepared on A in view 0, only replica 1 on B in view 1, and view 2 goes on with A, on
/// which replica 2, its primary, is prepared in view 2, and replica 0 is not. The COMMIT for A of view 0 has reached 2.
fn zigzag(world: &mut World) -> (Block, Block) {
    world.submit(0);
    let a = world.in_flight(0, 1).expect("the primary proposed it");
    world.deliver_if(|it| is_link(it, 0, 2));
    world.deliver_if(|it| is_link(it, 2, 0));
    lie(world, Prepare, 3, 0, 1, &a, &[0]);
    world.deliver_if(|it| is_link(it, 0, 2) && is_vote(it, Commit));
    world.lose_all();

    world.isolate(&[0]);
    leave_for(world, 1, [1, 2], 3);
    world.deliver_if(|it| is_link(it, 1, 2));
    let b = world.in_flight(1, 1).expect("the primary of view 1 proposed it");
    assert_ne!(a.id(), b.id());
    world.deliver_if(|it| is_link(it, 2, 1));
    lie(world, Prepare, 3, 1, 1, &b, &[1]);
    world.lose_all();

    world.heal();
    world.isolate(&[1]);
    leave_for(world, 2, [0, 2], 3);
    world.deliver_if(|it| is_link(it, 2, 0));
    world.deliver_if(|it| is_link(it, 0, 2));
    assert_eq!(world.in_flight(2, 1), Some(a.clone()), "view 2 goes on with what it knows of");
    lie(world, Prepare, 3, 2, 1, &a, &[2]);
    (a, b)
}

/// After [`zigzag`]: 0 and 1 go on without 2, and find B in the later view of the two that they know.
fn without_2(world: &mut World) {
    world.lose_all();
    world.heal();
    world.isolate(&[2]);
    leave_for(world, 4, [0, 1], 3);
    agree(world, 4, 1, [0, 1], 3);
    goes_on(world);
}

/// Height 2 stands on A, on which replica 0 is prepared in view 0 only: of the quorum of height 2 no other correct replica
/// than 2 is prepared on A in view 2, and without 2 the B of view 1 is the later one.
#[test]
fn trace_2_a_parent_prepared_only_in_an_older_view() {
    guards(Plant::LinkAcrossViews, "fork", || {
        let mut world = net(2, 3);
        zigzag(&mut world);
        world.submit(1);
        let second = world.in_flight(2, 2).expect("the primary is prepared on the parent");
        world.deliver_if(|it| is_link(it, 2, 0) && is_proposal(it));
        lie(&mut world, Prepare, 3, 2, 2, &second, &[0, 2]);
        world.deliver_if(|it| is_link(it, 0, 2));
        lie(&mut world, Commit, 3, 2, 2, &second, &[2]);
        without_2(&mut world);
    });
}

#[test]
fn trace_3_commits_of_different_views_in_one_certificate() {
    for depth in [1, 2] {
        guards(Plant::MixViews, "fork", || {
            let mut world = net(depth, 3);
            let (a, _) = zigzag(&mut world);
            lie(&mut world, Commit, 3, 2, 1, &a, &[2]);
            without_2(&mut world);
        });
    }
}

/// Replica 0 alone knows that a block is final, with the COMMITs of 2 and of the liar, which is member 1. Replica 3 has not
/// heard of the block.
fn final_at_0(depth: u16) -> (World, Block) {
    let mut world = net(depth, 1);
    world.submit(0);
    let block = world.in_flight(0, 1).expect("the primary proposed it");
    world.deliver_if(|it| is_link(it, 0, 2));
    lie(&mut world, Prepare, 1, 0, 1, &block, &[0, 2]);
    world.deliver_if(|it| is_link(it, 2, 0));
    lie(&mut world, Commit, 1, 0, 1, &block, &[0]);
    assert_eq!(world.height(0), 1);
    world.lose_all();
    world.isolate(&[0]);
    (world, block)
}

/// The liar, as primary of view 1, proposes another block to 2 and 3 and helps them along.
fn propose_another(world: &mut World, block: &Block) {
    let another = world.other(block);
    let message = world.proposal_in(1, 1, &another);
    for to in [2, 3] {
        world.try_inject(1, to, message.clone());
    }
    agree(world, 1, 1, [2, 3], 1);
}

#[test]
fn trace_4_a_view_change_whose_certificates_are_not_signed() {
    for depth in [1, 2] {
        guards(Plant::UnsignedContent, "fork", || {
            let (mut world, block) = final_at_0(depth);
            leave_for(&mut world, 1, [2, 3], 1);
            world.lose_all();
            let stripped = ViewChange { prepared: vec![], ..world.change_of(2) };
            let changes = vec![world.change(1, 1, None, vec![]), stripped, world.change_of(3)];
            let new_view = world.new_view(1, changes);
            for to in [2, 3] {
                world.try_inject(1, to, new_view.clone());
            }
            propose_another(&mut world, &block);
            goes_on(&mut world);
        });
    }
}

/// A kin of the fourth: certificates are signed, but nobody counts what is in them.
#[test]
fn trace_4b_certificates_that_nobody_counts() {
    for depth in [1, 2] {
        guards(Plant::UncountedPrepares, "fork", || {
            let (mut world, block) = final_at_0(depth);
            let another = world.other(&block);
            leave_for(&mut world, 1, [2, 3], 1);
            world.lose_all();
            [2, 3].iter().for_each(|index| world.time_out(*index));
            let invented = world.prepared_in(1, 1, &another, &[]);
            let change = Message::ViewChange(world.change(1, 2, None, vec![invented]));
            for to in [2, 3] {
                world.try_inject(1, to, change.clone());
            }
            world.deliver_if(|it| [2, 3].contains(&it.from) && [2, 3].contains(&it.to));
            world.try_inject(1, 2, Message::Blocks(Blocks(vec![another])));
            agree(&mut world, 2, 1, [2, 3], 1);
            goes_on(&mut world);
        });
    }
}

/// Whoever is prepared far above the window has more to tell than a VIEW-CHANGE may carry, so nobody hears of it.
#[test]
fn trace_5_commits_beyond_the_window() {
    for depth in [1, 4] {
        guards(Plant::WideWindow, "what replicas say can be verified", || {
            let mut world = net(depth, 3);
            for index in 0..20 {
                world.submit(index);
                world.deliver_if(|it| is_proposal(it) || is_vote(it, Prepare));
            }
            world.lose_all();
            for index in 0..3 {
                world.time_out(index);
            }
            goes_on(&mut world);
        });
    }
}

/// Replica 1 prepares B after it forgot that it prepared A: two certificates of one view.
#[test]
fn trace_6a_a_vote_forgotten_by_a_crash() {
    for depth in [1, 2] {
        guards(Plant::ForgetVotes, "fork", || {
            let mut world = net(depth, 0);
            world.submit(0);
            let a = world.block(&world.genesis.block().header, 1, &[world.transfer(0)]);
            let b = world.other(&a);
            let proposal = world.proposal_in(0, 1, &a);
            [1, 2].iter().for_each(|to| world.inject(0, *to, proposal.clone()));
            world.deliver_if(|it| is_link(it, 1, 2));
            world.lose_all();
            world.kill(1);
            world.start(1);
            world.lose_all();
            let proposal = world.proposal_in(0, 1, &b);
            [1, 3].iter().for_each(|to| world.inject(0, *to, proposal.clone()));
            world.deliver_if(|it| is_link(it, 1, 3) && is_vote(it, Prepare));
            world.deliver_if(|it| is_link(it, 3, 1) && is_vote(it, Prepare));
            world.deliver_if(|it| is_link(it, 1, 3) && is_vote(it, Commit));
            lie(&mut world, Commit, 0, 0, 1, &b, &[3]);
            world.lose_all();

            world.isolate(&[3]);
            for index in [1, 2] {
                if world.view(index) == 0 {
                    world.time_out(index);
                }
            }
            let prepared = world.prepared_in(0, 1, &a, &[1, 2]);
            let change = Message::ViewChange(world.change(0, 1, None, vec![prepared]));
            world.inject(0, 1, change);
            agree(&mut world, 1, 1, [1, 2], 0);
            goes_on(&mut world);
        });
    }
}

/// Replica 2 has told that it is prepared on nothing, forgets that it left the view, and commits in it.
#[test]
fn trace_6b_a_view_change_forgotten_by_a_crash() {
    for depth in [1, 2] {
        guards(Plant::ForgetViews, "fork", || {
            let mut world = net(depth, 3);
            world.submit(0);
            let a = world.in_flight(0, 1).expect("the primary proposed it");
            world.deliver_if(|it| is_link(it, 0, 2));
            world.deliver_if(|it| is_link(it, 2, 0));
            lie(&mut world, Prepare, 3, 0, 1, &a, &[0]);
            world.lose_all();
            leave_for(&mut world, 1, [1, 2], 3);
            let new_view = world.new_view_of(1);
            world.queue.retain(|it| it.from == 1 && is_proposal(it) && it.to == 2);
            let proposal = world.queue.pop_front();
            world.lose_all();
            world.disk(2, |disk| {
                // The power went before the NEW-VIEW came.
                let is_new_view = |it: &crate::engine::Record| matches!(it, crate::engine::Record::NewView(_));
                disk.records.retain(|it| !is_new_view(it));
            });
            world.kill(2);
            world.start(2);
            world.deliver_if(|it| is_link(it, 0, 2));
            lie(&mut world, Prepare, 3, 0, 1, &a, &[2]);
            world.deliver_if(|it| is_link(it, 2, 0) && is_vote(it, Commit));
            lie(&mut world, Commit, 3, 0, 1, &a, &[0]);
            world.lose_all();
            world.isolate(&[0]);
            world.inject(1, 2, new_view);
            let proposal = proposal.expect("the primary of view 1 proposes");
            world.inject(1, 2, proposal.message);
            agree(&mut world, 1, 1, [1, 2], 3);
            goes_on(&mut world);
        });
    }
}

/// Height 2 is certified, and with it height 1, of which nobody has a certificate of its own. The liar, member 1, begins
/// view 1 above height 2, and proposes another block at height 1.
#[test]
fn trace_7_a_vote_at_or_below_the_base() {
    guards(Plant::VoteBelowBase, "fork", || {
        let mut world = net(2, 1);
        for index in 0..2 {
            world.submit(index);
            world.deliver_if(|it| is_proposal(it) || is_vote(it, Prepare));
        }
        let first = world.in_flight(0, 1).expect("the primary proposed it");
        let of_height_2 = |it: &Packet| matches!(&it.message, Message::Vote(vote) if vote.ballot.height.0 == 2);
        world.deliver_if(|it| it.to == 0 && of_height_2(it));
        assert_eq!((world.certified.len(), world.height(0)), (1, 0), "height 2 has a certificate, height 1 has none");
        world.lose_all();
        leave_for(&mut world, 1, [2, 3], 1);
        world.deliver_if(|it| it.to == 0);
        [2, 3].iter().for_each(|index| assert_eq!(world.view(*index), 1));
        world.lose_all();
        let changes = [0, 2, 3].map(|index| world.change_of(index)).to_vec();
        let new_view = world.new_view(1, changes);
        [2, 3].iter().for_each(|to| world.inject(1, *to, new_view.clone()));
        world.isolate(&[0]);
        propose_another(&mut world, &first);
        goes_on(&mut world);
    });
}
