//! Golden transcripts: whole runs as text, in `consensus/tests/transcripts`. `BEZANT_REWRITE=1` writes them anew; the diff is
//! to be reviewed.

use super::cluster::{Setup, World};
use std::path::Path;

#[allow(clippy::disallowed_methods, reason = "a test may read its file, and writes it when asked to")]
fn check(name: &str, world: &World) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts").join(name);
    if std::env::var_os("BEZANT_REWRITE").is_some_and(|value| value == "1") {
        std::fs::write(&path, &world.log).expect("the transcript can be written");
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    let different = golden.lines().zip(world.log.lines()).position(|(golden, actual)| golden != actual);
    assert_eq!(different.map(|line| line + 1), None, "first line of {name} that differs; BEZANT_REWRITE=1 rewrites it");
    assert_eq!(golden.lines().count(), world.log.lines().count(), "length of {name}");
}

#[test]
fn one_block_of_four() {
    let mut world = World::new(Setup::of(4));
    world.submit(0);
    world.run();
    world.assert_agreed(1);
    check("pbft_one_block.txt", &world);
}

#[test]
fn two_heights_overlap() {
    let mut world = World::new(Setup { depth: 2, ..Setup::of(4) });
    world.submit(0);
    for _ in 0..10 {
        world.deliver(0);
    }
    world.submit(1);
    world.run();
    world.assert_agreed(2);
    check("pbft_two_heights.txt", &world);
}

#[test]
fn a_backup_restarts_in_the_middle() {
    let mut world = World::new(Setup { flushes: false, ..Setup::of(4) });
    world.submit(0);
    for _ in 0..8 {
        world.deliver(0);
    }
    world.kill(2);
    world.run();
    world.start(2);
    world.pass(1_000);
    world.assert_agreed(1);
    check("pbft_backup_restarts.txt", &world);
}

#[test]
fn a_member_that_was_away_catches_up() {
    let mut world = World::new(Setup::of(4));
    world.kill(1);
    for index in 0..2 {
        world.submit(index);
        world.run();
    }
    world.start(1);
    world.pass(1_000);
    world.assert_agreed(2);
    check("pbft_catch_up.txt", &world);
}

#[test]
fn a_net_of_one() {
    let mut world = World::new(Setup { dev: true, ..Setup::of(1) });
    world.pass(100);
    world.submit(0);
    world.run();
    world.assert_agreed(2);
    check("pbft_net_of_one.txt", &world);
}
