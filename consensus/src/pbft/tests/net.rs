//! Whole nets in the normal case, with silent members, crashes and disorder.

use super::cluster::{COINS, Cut, Setup, World};
use crate::engine::{Engine, Event, Phase, Record, Status, Trace};
use crate::ledger::units::Height;
use crate::message::VoteKind;
use crate::pbft::{SPACING_ALONE_MS, SPACING_MS};

#[test]
fn every_size_of_net_commits() {
    for n in [1, 2, 3, 4, 5, 6, 7, 8, 10, 13] {
        let mut world = World::new(Setup::of(n));
        let transaction = world.submit(0);
        world.run();
        world.assert_agreed(1);
        let tip = world.engine(0).chain().tip().id;
        let block = world.engine(0).chain().block(&tip).expect("the tip is held");
        assert_eq!(block.transactions[1], transaction, "n = {n}");
        assert_eq!(block.transactions[0].outputs()[0].amount.grains(), 1000, "fees go to the proposer");
    }
}

#[test]
fn a_height_costs_twice_n_times_n_minus_one_messages() {
    for (n, expected) in [(4, 24), (7, 84), (10, 180), (13, 312)] {
        let mut world = World::new(Setup::of(n));
        world.submit(0);
        world.run();
        let count = |name: &str| world.counts.get(name).copied().unwrap_or(0);
        assert_eq!((count("pre-prepare"), count("prepare"), count("commit")), (n - 1, (n - 1) * (n - 1), n * (n - 1)));
        assert_eq!(count("pre-prepare") + count("prepare") + count("commit"), expected);
        assert_eq!(count("certified") + count("get-certified"), 0, "nobody is behind");
    }
}

#[test]
fn many_transactions_over_many_heights() {
    let mut world = World::new(Setup::of(4));
    for index in 0..COINS {
        world.submit(index);
        if index % 3 == 0 {
            world.run();
        }
    }
    world.pass(1_000);
    let height = world.height(0);
    assert!(height >= 5, "only {height}");
    world.assert_agreed(height);
    assert!(world.nodes.iter().all(|node| node.mempool.is_empty()));
}

#[test]
fn heights_overlap_up_to_the_depth() {
    for depth in [1, 2, 4] {
        let mut world = World::new(Setup { depth, ..Setup::of(4) });
        let mut most = 0;
        for index in 0..12 {
            world.submit(index);
            for _ in 0..9 {
                if !world.queue.is_empty() {
                    world.deliver(0);
                }
                let Status::Pbft(status) = world.engine(0).status() else { panic!("this is PBFT") };
                most = most.max(status.slots.len());
            }
        }
        world.pass(500);
        assert!(world.nodes.iter().all(|node| node.mempool.is_empty()), "depth {depth}");
        assert!(most <= usize::from(depth), "{most} heights at depth {depth}");
        assert!(depth == 1 || most > 1, "heights overlap at depth {depth}");
    }
}

#[test]
fn one_silent_backup_of_four_does_no_harm() {
    let mut world = World::new(Setup::of(4));
    world.kill(3);
    for index in 0..3 {
        world.submit(index);
        world.run();
    }
    assert_eq!(world.heights(), [3, 3, 3]);
}

#[test]
fn with_two_silent_nothing_is_final_and_nothing_is_lost() {
    let mut world = World::new(Setup::of(4));
    world.kill(2);
    world.kill(3);
    world.submit(0);
    world.pass(5_000);
    assert_eq!(world.heights(), [0, 0]);
    world.start(2);
    world.pass(2_000);
    assert_eq!(world.heights(), [1, 1, 1]);
    world.start(3);
    world.pass(3_000);
    world.assert_agreed(1);
}

#[test]
fn any_order_of_messages_commits_the_same() {
    for seed in 0..40 {
        let mut world = World::new(Setup::of(if seed % 2 == 0 { 4 } else { 7 }));
        for index in 0..5 {
            world.submit(index);
        }
        world.run_shuffled(seed);
        for index in 5..8 {
            world.submit(index);
        }
        world.run_shuffled(seed + 1000);
        // After a block of several the primary gathers for a moment.
        world.pass(SPACING_MS + 1);
        world.run_shuffled(seed + 2000);
        // Nothing was lost, so nothing needs to be sent again.
        let height = world.height(0);
        assert!(height >= 1, "seed {seed}");
        assert!(world.nodes.iter().all(|node| node.mempool.is_empty()), "seed {seed}");
        world.assert_agreed(height);
    }
}

#[test]
fn a_replica_alone_gathers_after_each_block() {
    let mut world = World::new(Setup::of(1));
    for index in 0..3 {
        world.submit(index);
        world.run();
    }
    assert_eq!(world.heights(), [1], "the first waits for nothing, the others for each other");
    world.pass(SPACING_ALONE_MS);
    assert_eq!((world.heights(), world.nodes[0].mempool.len()), (vec![2], 0));
}

#[test]
fn lost_messages_are_sent_again() {
    let mut world = World::new(Setup::of(4));
    world.submit(0);
    let mut number = 0;
    while !world.queue.is_empty() {
        number += 1;
        if number % 3 == 0 {
            world.queue.pop_front();
        } else {
            world.deliver(0);
        }
    }
    world.pass(5_000);
    world.assert_agreed(1);
}

/// Kills each replica after each number of deliveries, and starts it again from its disk.
#[test]
fn a_crash_at_any_point_loses_nothing() {
    for flushes in [true, false] {
        for victim in 0..4 {
            for after in (victim..30).step_by(3) {
                let mut world = World::new(Setup { flushes, ..Setup::of(4) });
                world.submit(0);
                world.submit(1);
                for _ in 0..after {
                    if !world.queue.is_empty() {
                        world.deliver(0);
                    }
                }
                world.kill(victim);
                world.nodes[victim].mempool.clear();
                world.run();
                world.start(victim);
                world.pass(3_000);
                world.submit(2);
                world.pass(1_000);
                let height = world.height(0);
                assert!(height >= 2, "victim {victim} after {after}: {height}");
                world.assert_agreed(height);
            }
        }
    }
}

/// Cuts the power after each single effect, with and without records that were pulled forward.
#[test]
fn a_power_cut_between_any_two_effects_loses_nothing() {
    for victim in [0, 1] {
        for effects in (victim..44).step_by(2) {
            let pulled = effects / 2 % 3;
            let mut world = World::new(Setup { flushes: effects % 4 < 2, ..Setup::of(4) });
            world.cut = Some(Cut { victim, effects, pulled });
            world.submit(0);
            world.run();
            world.submit(1);
            world.run();
            if world.cut.take().is_none() {
                // The mempool is lost with the power; other transactions wait when it comes back.
                world.nodes[victim].mempool.clear();
                world.start(victim);
                world.submit(2);
                world.submit(3);
            }
            world.pass(4_000);
            let height = world.height(0);
            assert!(height >= 2, "victim {victim} after {effects} effects: {height}");
            world.assert_agreed(height);
        }
    }
}

#[test]
fn all_at_once_go_down_and_what_was_final_stays() {
    for after in (0..120).step_by(7) {
        let mut world = World::new(Setup { flushes: false, ..Setup::of(4) });
        for index in 0..4 {
            world.submit(index);
        }
        for _ in 0..after {
            if !world.queue.is_empty() {
                world.deliver(0);
            }
        }
        let finals: Vec<_> = world.nodes.iter().map(|node| node.finals.clone()).collect();
        (0..4).for_each(|index| world.kill(index));
        world.queue.clear();
        (0..4).for_each(|index| world.start(index));
        for (index, before) in finals.iter().enumerate() {
            assert!(world.height(index) >= before.len() as u64, "what was called final is there after the start");
        }
        (0..4).for_each(|index| world.told(index, Event::Pending { oldest: Some(world.now) }));
        world.pass(4_000);
        let height = world.height(0);
        world.assert_agreed(height);
        assert!(world.nodes.iter().all(|node| node.mempool.is_empty()), "after {after}");
    }
}

#[test]
fn a_killed_replica_catches_up_over_many_blocks() {
    let mut world = World::new(Setup::of(4));
    world.kill(3);
    for index in 0..COINS - 1 {
        world.submit(index);
        world.run();
    }
    assert!(world.height(0) > 32, "more than two answers' worth");
    world.start(3);
    world.pass(3_000);
    world.submit(COINS - 1);
    world.run();
    world.assert_agreed(u64::from(COINS));
    assert!(world.has_sent(3, VoteKind::Commit, u64::from(COINS)), "it votes again");
}

#[test]
fn a_replica_cut_off_for_a_while_catches_up() {
    let mut world = World::new(Setup::of(4));
    world.nodes[2].linked = false;
    for index in 0..10 {
        world.submit(index);
        world.run();
    }
    assert_eq!(world.heights(), [10, 10, 0, 10]);
    world.nodes[2].linked = true;
    world.pass(4_000);
    world.assert_agreed(10);
}

#[test]
fn a_follower_follows() {
    let mut world = World::new(Setup { followers: 1, ..Setup::of(4) });
    for index in 0..3 {
        world.submit(index);
        world.run();
    }
    world.pass(2_000);
    world.assert_agreed(3);
    let Status::Pbft(status) = world.engine(4).status() else { panic!("this is PBFT") };
    assert_eq!(status.me, None);
    assert!(!world.disk(4, |disk| disk.has(|record| matches!(record, Record::Vote(_)))), "it has no vote");
}

#[test]
fn a_dev_net_makes_block_1_at_once_and_blocks_by_hand() {
    let mut world = World::new(Setup { dev: true, ..Setup::of(4) });
    world.assert_agreed(1);
    world.pass(3_000);
    world.assert_agreed(1);
    for _ in 0..3 {
        (0..4).for_each(|index| world.told(index, Event::BlockNow));
    }
    world.run();
    world.assert_agreed(4);
    let mut other = World::new(Setup::of(4));
    (0..4).for_each(|index| other.told(index, Event::BlockNow));
    other.pass(3_000);
    other.assert_agreed(0);
}

#[test]
fn empty_blocks_come_when_the_block_time_runs_out() {
    let mut world = World::new(Setup { block_time_ms: 1_000, ..Setup::of(4) });
    world.pass(900);
    world.assert_agreed(0);
    world.pass(200);
    world.assert_agreed(1);
    world.pass(3_000);
    world.assert_agreed(4);
}

#[test]
fn an_idle_net_makes_no_blocks_and_says_little() {
    let mut world = World::new(Setup::of(4));
    world.submit(0);
    world.pass(1_000);
    let counts = world.counts.clone();
    world.pass(10_000);
    world.assert_agreed(1);
    let tips = world.counts["tip"] - counts["tip"];
    assert!(tips <= 6 * 12, "{tips} tips in ten seconds");
    for name in ["pre-prepare", "prepare", "commit"] {
        assert_eq!(world.counts[name], counts[name], "{name}");
    }
}

#[test]
fn status_and_traces_show_what_happens() {
    let mut world = World::new(Setup::of(4));
    world.submit(0);
    while !world.has_sent(1, VoteKind::Commit, 1) {
        world.deliver(0);
    }
    let Status::Pbft(status) = world.engine(1).status() else { panic!("this is PBFT") };
    assert_eq!((status.n, status.quorum, status.primary, status.me), (4, 3, 0, Some(1)));
    let slot = &status.slots[0];
    assert_eq!((slot.height, slot.phase), (Height(1), Phase::Prepared));
    assert_eq!(slot.prepares[..2], [0, 1]);
    assert!(slot.commits.contains(&1));
    world.run();
    let quorums = world.nodes[1].traces.iter().filter(|trace| match trace {
        Trace::Vote { kind: VoteKind::Commit, votes, quorum, .. } => votes == quorum,
        _ => false,
    });
    assert_eq!(quorums.count(), 1, "a threshold is crossed once");
    assert!(matches!(world.nodes[1].traces[0], Trace::View { reason: "start", .. }));
}
