//! Primaries that are unfair or slow, and honest ones that must not be taken for such. The timer's base is two seconds.

use super::cluster::{COINS, Setup, World};
use super::forge::guards;
use crate::engine::{Engine, Event, Status, Trace};
use crate::ledger::units::{Epoch, Height, View};
use crate::message::{Message, PrePrepare, VoteKind};
use crate::plant::Plant;

fn view(world: &World, index: usize) -> View {
    let Status::Pbft(status) = world.engine(index).status() else { panic!("this is PBFT") };
    status.view
}

/// Why a replica left its views, in order.
fn reasons(world: &World, index: usize) -> Vec<&'static str> {
    let reason = |trace: &Trace| match trace {
        Trace::Leave { reason, .. } => Some(*reason),
        _ => None,
    };
    world.nodes[index].traces.iter().filter_map(reason).collect()
}

fn hand_overs(world: &World, index: usize) -> usize {
    world.nodes[index].traces.iter().filter(|trace| matches!(trace, Trace::HandOver { .. })).count()
}

fn has_nothing_left(world: &World) -> bool {
    world.nodes.iter().all(|node| node.mempool.is_empty())
}

#[test]
fn a_primary_that_censors_one_transaction_while_others_go_on_is_replaced() {
    guards(Plant::EndlessPatience, " ms", a_censor_goes);
}

fn a_censor_goes() {
    for (n, depth) in [(4, 1), (4, 4), (7, 4)] {
        let mut world = World::new(Setup { depth, ..Setup::of(n) });
        let victim = world.transfer(0);
        world.nodes[0].censored.insert(victim.id());
        world.submit(0);
        let mut passed_ms = 0;
        for index in 1..COINS {
            world.submit(index);
            world.pass(200);
            passed_ms += 200;
            if !world.nodes[1].mempool.contains(&victim) {
                break;
            }
        }
        // Twice the timeout, and the change itself.
        assert!(passed_ms <= 2 * 2_000 + 400, "n = {n}: {passed_ms} ms");
        assert_eq!(view(&world, 1), View(1));
        assert!(world.height(1) > 10, "progress went on meanwhile");
        assert!(has_nothing_left(&world));
        let detail = world.nodes[1].traces.iter().find_map(|trace| match trace {
            Trace::Leave { reason: "unfair", detail, .. } => Some(detail.clone()),
            _ => None,
        });
        assert!(detail.is_some_and(|detail| detail.contains(&victim.id().to_string())), "the event names it");
        assert!(hand_overs(&world, 1) > 0, "it was handed over before");
        assert!(world.counts["overdue"] <= 4 * (n - 1), "and not too often");
    }
}

#[test]
fn a_primary_that_never_heard_of_a_transaction_is_told_and_stays() {
    guards(Plant::NoHandOver, "has_nothing_left", who_never_heard_stays);
}

fn who_never_heard_stays() {
    let mut world = World::new(Setup::of(4));
    let missed = world.transfer(0);
    (1..4).for_each(|node| world.give(node, &missed));
    for index in 1..20 {
        world.submit(index);
        world.pass(200);
    }
    assert!((0..4).all(|index| view(&world, index) == View(0)), "nobody left");
    assert!(has_nothing_left(&world));
    assert!((1..4).any(|index| hand_overs(&world, index) > 0));
    assert!(world.nodes[0].traces.iter().any(|trace| matches!(trace, Trace::HandedOver { .. })));
    // One replica alone, with no other traffic at all: the rest does not know that anything waits.
    let lonely = world.transfer(30);
    world.give(2, &lonely);
    world.pass(1_100);
    assert!(has_nothing_left(&world), "handed over before the timer ran out");
    assert!((0..4).all(|index| view(&world, index) == View(0)));
}

#[test]
fn a_primary_that_crawls_just_below_the_timeout_is_replaced() {
    guards(Plant::BearCrawling, "depth 1", a_crawler_goes);
}

fn a_crawler_goes() {
    for depth in [1, 4] {
        let mut world = World::new(Setup { depth, ..Setup::of(4) });
        world.nodes[0].held_ms = 1_800;
        let mut index = 0;
        while view(&world, 1) == View(0) && index < COINS - 2 {
            world.submit(index);
            index += 1;
            world.pass(1_900);
        }
        assert!(view(&world, 1) > View(0), "depth {depth}");
        assert!(world.height(1) >= 8, "it made blocks all the time");
        world.submit(COINS - 1);
        world.pass(500);
        assert!(has_nothing_left(&world), "the next one is quick");
    }
}

#[test]
fn a_primary_that_crawls_does_not_hide_it_by_hurrying_for_each_in_turn() {
    // Whoever has a proposal early sees a quorum form late. That excuses this proposal, which was not late, and no other.
    let mut world = World::new(Setup::of(4));
    (world.nodes[0].held_ms, world.nodes[0].is_early_in_turn) = (1_000, true);
    let mut index = 0;
    while view(&world, 1) == View(0) && index < COINS - 2 {
        world.submit(index);
        index += 1;
        world.pass(1_100);
    }
    assert!((1..4).any(|index| reasons(&world, index).contains(&"slow")), "after {index} blocks");
    assert!(world.height(1) >= 16, "it made blocks all the time");
    world.submit(COINS - 1);
    world.pass(500);
    assert!(has_nothing_left(&world), "the next one is quick");
}

#[test]
fn the_reason_and_figures_of_a_slow_primary_are_told() {
    let mut world = World::new(Setup::of(4));
    world.nodes[0].held_ms = 1_500;
    for index in 0..25 {
        world.submit(index);
        world.pass(1_600);
    }
    let late = world.nodes[1].traces.iter().position(
        |it| matches!(it, Trace::Pace { delay_ms, delay_allowed_ms, .. } if delay_ms > &(delay_allowed_ms / 2)),
    );
    let left = world.nodes[1].traces.iter().position(|it| matches!(it, Trace::Leave { .. }));
    assert!(late.is_some() && late < left, "the delay is told before it is held against the primary");
    let slow = (1..4).filter(|index| reasons(&world, *index).contains(&"slow")).count();
    assert!(slow >= 2, "{slow} replicas called it slow");
    assert!(view(&world, 1) > View(0));
}

#[test]
fn a_primary_that_crawls_over_the_empty_blocks_that_end_an_epoch_is_replaced() {
    let mut world = World::new(Setup { followers: 1, checkpoint_interval: 40, ..Setup::of(4) });
    world.nodes[0].held_ms = 1_500;
    let set = world.nodes[0].set.clone();
    world.submit_change(&super::epochs::change(&set, &[0, 1, 2, 3, 4], &[0, 1, 2]));
    world.pass(40_000);
    let slow = (1..4).filter(|index| reasons(&world, *index) == ["slow"]).count();
    assert!(slow >= 2, "{slow} replicas called it slow");
    assert_eq!(world.status(1).epoch, Epoch(1), "the next one fills up to there in no time");
}

#[test]
fn a_primary_that_proposes_an_invalid_block_is_replaced_at_once() {
    guards(Plant::BearInvalid, "before any timer", who_proposes_an_invalid_block_goes);
}

fn who_proposes_an_invalid_block_goes() {
    let mut world = World::new(Setup::of(4));
    let parent = world.engine(0).chain().tip().header;
    let mut block = world.block(&parent, 1, &[]);
    block.header.nonce = 1;
    let proposal = world.proposal(1, &block);
    (1..4).for_each(|to| world.inject(0, to, proposal.clone()));
    assert!((1..4).all(|index| reasons(&world, index) == ["invalid block"]), "before any timer");
    world.run();
    assert_eq!(view(&world, 1), View(1));
    world.submit(0);
    world.pass(500);
    world.assert_agreed(1);
}

#[test]
fn a_primary_that_sends_empty_blocks_while_work_waits_is_replaced() {
    guards(Plant::EndlessPatience, "View(1)", who_sends_empty_blocks_goes);
}

fn who_sends_empty_blocks_goes() {
    let mut world = World::new(Setup { block_time_ms: 100, ..Setup::of(4) });
    for index in 0..5 {
        let transaction = world.transfer(index);
        world.nodes[0].censored.insert(transaction.id());
        world.submit(index);
    }
    world.pass(4_500);
    assert_eq!(view(&world, 1), View(1));
    assert!(world.height(1) > 5);
    assert!(has_nothing_left(&world));
}

#[test]
fn an_honest_primary_stays_for_as_long_as_it_serves() {
    for depth in [1, 4, 16] {
        let mut world = World::new(Setup { depth, ..Setup::of(4) });
        for round in 0..COINS {
            world.submit(round);
            world.pass(7_000);
        }
        assert!((0..4).all(|index| reasons(&world, index).is_empty()), "depth {depth}");
        assert!((0..4).all(|index| hand_overs(&world, index) == 0), "nothing was overdue");
        let paces = world.nodes[1].traces.iter().filter(|it| matches!(it, Trace::Pace { .. })).count();
        assert!((1..4).contains(&paces), "depth {depth}: {paces} times told of a pace that stays as it is");
        world.assert_agreed(u64::from(COINS));
    }
}

#[test]
fn what_is_under_way_is_not_kept_waiting() {
    let mut world = World::new(Setup::of(4));
    world.submit(1);
    world.run();
    let transaction = world.submit(0);
    // The proposal is everywhere, the votes are not.
    world.queue.retain(|packet| matches!(packet.message, Message::PrePrepare(_)));
    world.run();
    world.queue.clear();
    world.now = world.now.plus_ms(1_990);
    world.told(1, Event::Overdue { ticket: 0, oldest: Some(world.now), transactions: vec![transaction] });
    assert_eq!(hand_overs(&world, 1), 0, "nobody asked");
    (1..4).for_each(|index| world.told(index, Event::Wake));
    assert!((1..4).all(|index| hand_overs(&world, index) == 0));
    world.pass(3_000);
    assert!((1..4).all(|index| !reasons(&world, index).contains(&"unfair")));
}

#[test]
fn a_replica_that_is_behind_does_not_complain() {
    let mut world = World::new(Setup::of(4));
    world.nodes[3].linked = false;
    let transactions: Vec<_> = (0..3).map(|index| world.submit(index)).collect();
    world.run();
    world.nodes[3].linked = true;
    // The certificates come, the blocks do not.
    let parents: Vec<_> = (0..3).map(|node| world.height(node)).collect();
    assert_eq!(parents, [1, 1, 1].map(|_| world.height(0)));
    let tip = world.engine(0).chain().tip();
    let ballot = world.ballot(tip.height.0, tip.id);
    for signer in 0..3 {
        let vote = world.vote(VoteKind::Commit, signer, ballot);
        world.inject(signer, 3, Message::Vote(vote));
    }
    world.now = world.now.plus_ms(1_500);
    let before = world.counts.get("overdue").copied();
    world.told(3, Event::Wake);
    assert_eq!(world.counts.get("overdue").copied(), before);
    world.pass(4_000);
    assert!(world.nodes[3].mempool.iter().all(|it| !transactions.contains(it)), "it has caught up");
    assert!(!reasons(&world, 3).contains(&"unfair"));
}

#[test]
fn what_is_handed_over_counts_for_the_view_and_its_primary_only() {
    let mut world = World::new(Setup::of(4));
    world.submit(5);
    world.run();
    world.give(2, &world.transfer(0));
    world.pass(1_050);
    let sent = |world: &World| world.nodes[0].traces.iter().filter(|it| matches!(it, Trace::HandedOver { .. })).count();
    assert_eq!(sent(&world), 1);
    let overdue = crate::message::Overdue {
        incarnation: crate::ledger::units::Incarnation(0),
        epoch: crate::ledger::units::Epoch(0),
        view: View(0),
        transactions: vec![world.transfer(1)],
        signer: 1,
        signature: crate::ledger::key::Signature([0; 64]),
    };
    let signed = |of_view: u64| {
        let network = world.genesis.network_id();
        Message::Overdue(
            crate::message::Overdue { view: View(of_view), ..overdue.clone() }
                .signed(&network, &super::cluster::key(1)),
        )
    };
    let (present, later) = (signed(0), signed(4));
    world.inject(1, 0, later);
    assert_eq!(sent(&world), 1, "of another view");
    world.inject(1, 2, present.clone());
    assert!(!world.nodes[2].traces.iter().any(|it| matches!(it, Trace::HandedOver { .. })), "not the primary");
    world.inject(1, 0, present.clone());
    world.inject(1, 0, present);
    assert_eq!(sent(&world), 2, "one at a time");
    world.pass(500);
    assert_eq!(world.height(0), 3);
}

#[test]
fn several_unfair_primaries_one_after_another_are_replaced() {
    let mut world = World::new(Setup::of(7));
    let victim = world.transfer(0);
    world.nodes[0].censored.insert(victim.id());
    world.nodes[1].censored.insert(victim.id());
    world.submit(0);
    for index in 1..COINS {
        world.submit(index);
        world.pass(400);
    }
    assert!(has_nothing_left(&world));
    assert_eq!(view(&world, 4), View(2));
}

#[test]
fn a_proposal_that_waited_here_is_not_the_primarys_delay() {
    let mut world = World::new(Setup::of(4));
    for index in 0..30 {
        world.submit(index);
        // Node 1 takes 1.5 s for each proposal by itself; the others are quick.
        let mut late = Vec::new();
        while let Some(packet) = world.queue.front() {
            let is_late = packet.to == 1 && matches!(packet.message, Message::PrePrepare(_));
            if is_late {
                late.extend(world.queue.pop_front());
            } else {
                world.deliver(0);
            }
        }
        for packet in late {
            let Message::PrePrepare(PrePrepare { vote, block }) = packet.message else { panic!("only these are late") };
            world.inject_after(0, 1, Message::PrePrepare(PrePrepare { vote, block }), 1_500);
        }
        world.run();
        world.now = world.now.plus_ms(100);
    }
    assert_eq!(reasons(&world, 1), Vec::<&str>::new());
    assert_eq!(world.engine(1).chain().tip().height, Height(30));
}
