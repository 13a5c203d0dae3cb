//! The tree alone.

use super::super::tree::{Mark, Status, Tree};
use super::BITS;
use crate::ledger::block::Header;
use crate::ledger::hash::{BlockId, MerkleRoot};
use crate::ledger::target::{Target, Work};
use crate::ledger::units::Height;

fn header(parent: BlockId, nonce: u32, bits: u32) -> Header {
    Header { version: 1, parent, merkle_root: MerkleRoot::default(), time: 1_000 + nonce, bits, nonce }
}

fn tree() -> Tree {
    Tree::new(header(BlockId::default(), 0, BITS), Target::from_compact(BITS).unwrap())
}

/// Adds a branch; no work is done, the tree does not judge.
fn grow(tree: &mut Tree, from: BlockId, bits: u32, count: u32, salt: u32) -> Vec<BlockId> {
    let mut ids = vec![from];
    for n in 0..count {
        let next = header(*ids.last().unwrap(), salt + n, bits);
        tree.insert(next.id(), next);
        ids.push(next.id());
    }
    ids.remove(0);
    ids
}

#[test]
fn ancestors_are_those_of_walking_down() {
    let mut tree = tree();
    let genesis = tree.genesis();
    let mut branch = vec![genesis];
    branch.extend(grow(&mut tree, genesis, BITS, 300, 0));
    for from in [1usize, 2, 3, 17, 64, 255, 256, 300] {
        for (height, id) in branch.iter().enumerate().take(from + 1) {
            assert_eq!(tree.ancestor(&branch[from], Height(height as u64)), *id);
        }
    }
}

#[test]
fn most_work_wins_not_most_blocks() {
    let mut tree = tree();
    let genesis = tree.genesis();
    let long = grow(&mut tree, genesis, BITS, 5, 0);
    assert_eq!(tree.best_header(), long[4]);
    let heavy = grow(&mut tree, genesis, 0x1f00_ffff, 1, 100);
    assert_eq!(tree.best_header(), heavy[0]);
    for id in long.iter().chain(&heavy) {
        tree.add_body(id);
    }
    assert_eq!(tree.candidate(), Some(heavy[0]));
}

#[test]
fn of_equal_work_the_first_seen_wins() {
    let mut tree = tree();
    let genesis = tree.genesis();
    let first = grow(&mut tree, genesis, BITS, 2, 0);
    let second = grow(&mut tree, genesis, BITS, 2, 100);
    assert_eq!(tree.best_header(), first[1]);
    for id in second.iter().chain(&first) {
        tree.add_body(id);
    }
    assert_eq!(tree.candidate(), Some(first[1]));
    tree.activate(&first[1]);
    assert_eq!(tree.candidate(), None, "a tie does not move the tip");
}

#[test]
fn only_branches_that_are_all_here_are_candidates() {
    let mut tree = tree();
    let genesis = tree.genesis();
    let ids = grow(&mut tree, genesis, BITS, 4, 0);
    tree.add_body(&ids[3]);
    tree.add_body(&ids[1]);
    assert_eq!(tree.candidate(), None);
    tree.add_body(&ids[0]);
    assert_eq!(tree.candidate(), Some(ids[1]));
    assert_eq!(tree.linked_up_to(&ids[3]), Height(2));
    assert_eq!(tree.node(&ids[3]).status, Status::Body);
    tree.add_body(&ids[2]);
    assert_eq!(tree.candidate(), Some(ids[3]));
}

#[test]
fn descendants_of_an_invalid_block_are_invalid() {
    let mut tree = tree();
    let genesis = tree.genesis();
    let bad = grow(&mut tree, genesis, BITS, 4, 0);
    let good = grow(&mut tree, genesis, BITS, 2, 100);
    bad.iter().for_each(|id| tree.add_body(id));
    tree.mark(&bad[1], Mark::Rule);
    assert_eq!(tree.candidate(), Some(bad[0]), "what is below stays");
    assert_eq!(tree.best_header(), good[1]);
    let later = grow(&mut tree, bad[3], BITS, 1, 50);
    assert_eq!(tree.node(&later[0]).ruled_out, Some(Mark::Rule));
    assert_eq!(tree.best_header(), good[1]);
}

#[test]
fn forks_and_locators() {
    let mut tree = tree();
    let genesis = tree.genesis();
    let trunk = grow(&mut tree, genesis, BITS, 50, 0);
    trunk.iter().for_each(|id| tree.add_body(id));
    tree.activate(&trunk[49]);
    let side = grow(&mut tree, trunk[29], BITS, 3, 100);
    assert_eq!(tree.fork(&side[2]), Height(30));
    assert_eq!(tree.fork(&trunk[49]), Height(50));
    assert_eq!(tree.path(Height(30), &side[2]), side);
    let locator = tree.locator(&trunk[49]);
    assert_eq!(locator[..10], trunk[40..].iter().rev().copied().collect::<Vec<_>>()[..]);
    assert_eq!(locator.last(), Some(&genesis));
    assert!(locator.len() < 20);
    assert_eq!(tree.tips(10).len(), 2);
    assert!(tree.tips(10)[0].2 > tree.tips(10)[1].2 && tree.tips(10)[1].2 > Work::ZERO);
}

#[test]
fn the_median_is_of_eleven() {
    let mut tree = tree();
    let genesis = tree.genesis();
    let ids = grow(&mut tree, genesis, BITS, 30, 1);
    assert_eq!(tree.median_time(&ids[29]), tree.node(&ids[24]).header.time);
    assert_eq!(tree.median_time(&genesis), tree.node(&genesis).header.time);
}
