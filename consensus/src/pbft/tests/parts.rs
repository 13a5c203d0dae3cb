//! The parts that decide nothing themselves, each alone: choosing, counting, and keeping what is early. Most of these tests
//! stand for a mutant that the runs of whole nets left alive.

use super::super::choose::choose;
use super::super::tally::{Counted, Tally};
use super::cluster::{Setup, World};
use crate::chain::Tip;
use crate::ledger::block::Block;
use crate::ledger::units::{Height, View};
use crate::message::VoteKind;

/// Empty blocks 1 to `count`, one above the other.
fn blocks(world: &World, count: u64) -> Vec<Block> {
    let mut parent = world.genesis.block().header;
    let mut blocks = Vec::new();
    for height in 1..=count {
        blocks.push(world.block(&parent, height, &[]));
        parent = blocks[blocks.len() - 1].header;
    }
    blocks
}

#[test]
fn the_block_before_the_epoch_is_the_base_whatever_else_is_certified_there_or_below() {
    let world = World::new(Setup::of(4));
    let chain = blocks(&world, 4);
    let start = Tip { height: Height(3), id: chain[2].id(), header: chain[2].header };
    let prepared = world.prepared_in(0, 4, &chain[3], &[1, 2]);
    for (height, block) in [(2, &chain[1]), (3, &world.other(&chain[2]))] {
        let certificate = world.committed_in(0, height, block, &[0, 1, 2]);
        let choice = choose(start, &[world.change(1, 1, Some(certificate), vec![prepared.clone()])]);
        assert_eq!(choice.base, Height(3), "a certificate of height {height}");
        assert_eq!(choice.at(Height(4)), Some(chain[3].id()), "what stands on the start is chosen");
    }
    let certificate = world.committed_in(0, 4, &chain[3], &[0, 1, 2]);
    assert_eq!(choose(start, &[world.change(1, 1, Some(certificate), Vec::new())]).base, Height(4));
}

#[test]
fn a_tally_forgets_earlier_views_and_only_those() {
    let world = World::new(Setup::of(4));
    let block = blocks(&world, 1).remove(0);
    let ballot = |view, block: &Block| world.ballot_in(view, 1, block.id());
    let lie = world.vote(VoteKind::Commit, 3, ballot(1, &world.other(&block)));
    let mut tally = Tally::default();
    for view in [0, 1, 2] {
        tally.add(world.vote(VoteKind::PrePrepare, view as usize, ballot(view, &block)));
        for signer in (0..4).filter(|signer| *signer != view as usize) {
            tally.add(world.vote(VoteKind::Prepare, signer, ballot(view, &block)));
            tally.add(world.vote(VoteKind::Commit, signer, ballot(view, &block)));
        }
    }
    assert!(matches!(tally.add(lie), Counted::Contradicts(_)));
    tally.forget_before(View(1));
    assert!(tally.vote(View(0), VoteKind::Commit, 2).is_none(), "forgotten");
    assert_eq!(tally.signers(View(0), VoteKind::Prepare, block.id()), [0u16; 0]);
    assert_eq!(tally.add(world.vote(VoteKind::Commit, 1, ballot(0, &block))), Counted::New(1), "counted anew");
    for view in [1, 2] {
        assert_eq!(tally.signers(View(view), VoteKind::Prepare, block.id()), [0, 1, 2, 3], "view {view} stays");
        assert!(tally.prepared(ballot(view, &block), 3).is_some() && tally.committed(View(view), 3).is_some());
    }
    assert_eq!(tally.add(lie), Counted::Known, "reported already");
}
