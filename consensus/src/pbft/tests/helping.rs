//! Who is sent blocks that it did not ask for: one that is behind, by few at a time; none that is only late.

use super::super::RESEND_MS;
use super::cluster::{Packet, Setup, World};
use crate::engine::{Engine, Event};
use crate::message::Message;

/// The one of which this is about.
const LAST: usize = 12;

fn net() -> World {
    World::new(Setup::of(LAST + 1))
}

/// Delivers what is under way but for what is late, which comes back.
fn run_but(world: &mut World, is_late: impl Fn(&Packet) -> bool) -> Vec<Packet> {
    let mut late = Vec::new();
    while let Some(packet) = world.queue.front() {
        if is_late(packet) {
            late.extend(world.queue.pop_front());
        } else {
            world.deliver(0);
        }
    }
    late
}

/// The same while time passes.
fn pass_but(world: &mut World, ms: u64, is_late: impl Fn(&Packet) -> bool) -> Vec<Packet> {
    let (until, mut late) = (world.now.plus_ms(ms), Vec::new());
    while world.now < until {
        world.now = world.now.plus_ms(50);
        (0..world.nodes.len()).for_each(|index| world.told(index, Event::Wake));
        late.extend(run_but(world, &is_late));
    }
    late
}

/// Messages of certified blocks that were sent.
fn helps(world: &World) -> usize {
    world.counts.get("certified").copied().unwrap_or(0)
}

fn is_proposal(packet: &Packet) -> bool {
    matches!(packet.message, Message::PrePrepare(_))
}

#[test]
fn votes_that_are_late_call_nobody() {
    let mut world = net();
    world.submit(0);
    let late = run_but(&mut world, |packet| packet.from == LAST);
    world.assert_agreed(1);
    assert!(late.len() >= 2 * LAST, "a PREPARE and a COMMIT to everybody");
    world.queue.extend(late);
    world.run();
    assert_eq!(helps(&world), 0);
}

#[test]
fn one_that_hears_late_is_helped_by_two_at_a_time() {
    let mut world = net();
    world.submit(0);
    let hears_late = |packet: &Packet| packet.to == LAST && !is_proposal(packet);
    let mut late = run_but(&mut world, hears_late);
    assert_eq!((world.height(0), world.height(LAST), helps(&world)), (1, 0, 0));
    // It sends its PREPARE again.
    late.extend(pass_but(&mut world, 3 * RESEND_MS, hears_late));
    assert!((4..=8).contains(&helps(&world)), "{} answers in three seconds", helps(&world));
    world.now = world.now.plus_ms(RESEND_MS);
    let before = helps(&world);
    world.time_out(LAST);
    late.extend(run_but(&mut world, hears_late));
    assert_eq!(helps(&world) - before, 2, "to its VIEW-CHANGE");
    world.queue.extend(late);
    world.run();
    assert_eq!(world.height(LAST), 1);
    assert!(world.nodes.iter().all(|node| node.blamed.is_empty()), "more than it needs is nobody's fault");
}

#[test]
fn one_that_is_behind_is_helped_though_f_say_nothing_and_it_never_asks() {
    // Whose turn it is goes on with the clock, whoever begins.
    for first in [0, 3, 6, 9] {
        let mut world = net();
        let silent = |packet: &Packet| (first..first + 4).contains(&packet.from) && !is_proposal(packet);
        let is_lost = |packet: &Packet| {
            packet.to == LAST
                && (silent(packet) || !(is_proposal(packet) || matches!(packet.message, Message::Certified(_))))
        };
        for index in 0..3 {
            world.submit(index);
            run_but(&mut world, is_lost);
        }
        assert_eq!((world.height(0), world.height(LAST)), (3, 0));
        pass_but(&mut world, (LAST as u64 / 2 + 1) * RESEND_MS, is_lost);
        assert_eq!(world.counts.get("get-certified"), None, "it knows of nobody who is ahead");
        assert_eq!(world.height(LAST), 3, "silent from {first} on");
        assert_eq!(world.engine(LAST).chain().tip(), world.engine(0).chain().tip());
    }
}
