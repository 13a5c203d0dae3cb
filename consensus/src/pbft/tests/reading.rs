//! What members tell readers of themselves: up to where something may be final that is not final here.

use super::cluster::{Packet, Setup, World};
use crate::ledger::units::Height;
use crate::message::{Message, VoteKind};

#[test]
fn a_member_tells_of_the_heights_for_which_it_sent_a_commit_also_after_a_restart() {
    let mut world = World::new(Setup { followers: 1, ..Setup::of(4) });
    world.submit(0);
    world.run();
    assert!((0..4).all(|index| world.status(index).commit_height == Some(Height(1))), "what is final counts");
    assert_eq!(world.status(4).commit_height, None, "whoever has no voice");
    world.submit(1);
    // Nobody hears a COMMIT, so that all are prepared and none is final.
    let is_commit = |packet: &Packet| matches!(&packet.message, Message::Vote(vote) if vote.kind == VoteKind::Commit);
    world.run_keeping(|packet| !is_commit(packet));
    assert_eq!(world.heights()[..4], [1; 4]);
    for index in 0..4 {
        assert!(world.has_sent(index, VoteKind::Commit, 2));
        assert_eq!(world.status(index).commit_height, Some(Height(2)), "{index} may have made it final elsewhere");
    }
    world.kill(3);
    world.start(3);
    assert_eq!(world.status(3).commit_height, Some(Height(2)), "what it sent before counts too");
    world.pass(20_000);
    world.assert_agreed(2);
}
