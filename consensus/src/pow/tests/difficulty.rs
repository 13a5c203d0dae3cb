//! Targets against published figures.

use super::super::difficulty::{Anchor, asert, expected_bits, least_time, retarget};
use super::super::tree::Tree;
use super::params;
use crate::ledger::block::Header;
use crate::ledger::genesis::{Difficulty, PowParams};
use crate::ledger::hash::{BlockId, MerkleRoot};
use crate::ledger::target::Target;
use crate::ledger::units::Height;

#[test]
fn asert_gives_the_published_bits() {
    let mut anchor = None;
    let mut rows = 0;
    for line in include_str!("../../../tests/data/asert.txt").lines().filter(|line| !line.starts_with('#')) {
        let words: Vec<&str> = line.split(' ').collect();
        let hex = |text| u32::from_str_radix(text, 16).unwrap();
        if words[0] == "run" {
            let (height, parent_time) = (Height(words[1].parse().unwrap()), words[2].parse().unwrap());
            anchor = Some(Anchor { height, parent_time, bits: hex(words[3]) });
            continue;
        }
        let (height, time) = (Height(words[0].parse().unwrap()), words[1].parse().unwrap());
        let bits = asert(anchor.as_ref().unwrap(), 0x1d00_ffff, 600, 172_800, height, time);
        assert_eq!(bits, hex(words[2]), "height {height}, time {time}");
        rows += 1;
    }
    assert!(rows > 400, "all runs are there");
}

#[test]
fn asert_survives_the_extremes() {
    let anchor = Anchor { height: Height(0), parent_time: 0, bits: 0x207f_ffff };
    let bits = |height, time| asert(&anchor, 0x207f_ffff, 1, 1, Height(height), time);
    assert_eq!(bits(0, i64::from(u32::MAX)), 0x207f_ffff, "never easier than the limit");
    assert_eq!(bits(u64::MAX, 0), 0x0101_0000, "never below 1");
    assert_eq!(bits(0, 1), 0x207f_ffff, "on schedule");
}

/// Figures of Bitcoin Core's pow_tests.cpp (MIT licence), and of heights 552384 to 554399 of the main chain.
#[test]
fn retarget_gives_the_published_bits() {
    let rows = [
        (0x1d00_ffff, 1_261_130_161, 1_262_152_739, 0x1d00_d86a),
        (0x1d00_ffff, 1_231_006_505, 1_233_061_996, 0x1d00_ffff),
        (0x1c05_a3f4, 1_279_008_237, 1_279_297_671, 0x1c01_68fd),
        (0x1c38_7f6f, 1_263_163_443, 1_269_211_443, 0x1d00_e1fd),
        (0x1731_d97c, 1_543_838_368, 1_545_175_878, 0x1737_1ef4),
    ];
    for (bits, first, last, expected) in rows {
        assert_eq!(retarget(0x1d00_ffff, 600, bits, first, last), expected, "{bits:08x}");
    }
}

#[test]
fn retarget_does_not_overflow_on_easy_nets() {
    assert_eq!(retarget(0x207f_ffff, 600, 0x207f_ffff, 0, u32::MAX), 0x207f_ffff);
    assert_eq!(
        retarget(0x207f_ffff, 600, 0x207f_ffff, u32::MAX, 0),
        0x201f_ffff,
        "a quarter, though time ran backwards"
    );
}

/// A tree with one branch; `time` gives each height its time. No work is done: the tree does not judge.
fn branch(params: &PowParams, blocks: u64, time: impl Fn(u64) -> u32) -> (Tree, BlockId) {
    let header =
        |parent, time, bits| Header { version: 1, parent, merkle_root: MerkleRoot::default(), time, bits, nonce: 0 };
    let genesis = header(BlockId::default(), time(0), params.bits);
    let mut tree = Tree::new(genesis, Target::from_compact(params.bits).unwrap());
    let mut tip = genesis.id();
    for height in 1..=blocks {
        let next = header(tip, time(height), expected_bits(params, &tree, &tip));
        tree.insert(next.id(), next);
        tip = next.id();
    }
    (tree, tip)
}

#[test]
fn bitcoin_changes_every_2016_blocks_only() {
    let params = PowParams { spacing_s: 600, difficulty: Difficulty::Bitcoin, bits: 0x1d00_ffff, ..params() };
    let fast = |height: u64| 1_000_000 + 300 * u32::try_from(height).unwrap();
    let (tree, tip) = branch(&params, 2_015, fast);
    assert_eq!(tree.node(&tip).header.bits, 0x1d00_ffff);
    let expected = retarget(0x1d00_ffff, 600, 0x1d00_ffff, fast(0), fast(2_015));
    assert_eq!(expected_bits(&params, &tree, &tip), expected);
    assert!(expected < 0x1d00_ffff, "twice as fast: about half the target");
}

#[test]
fn the_border_of_a_window_cannot_be_warped() {
    let params = PowParams { spacing_s: 600, difficulty: Difficulty::Bitcoin, bits: 0x1d00_ffff, ..params() };
    let jump = |height: u64| 1_000_000 + u32::try_from(height).unwrap() + if height == 2_015 { 1_000_000 } else { 0 };
    let (tree, tip) = branch(&params, 2_015, jump);
    assert_eq!(least_time(&params, &tree, &tip), jump(2_015) - 600, "the first block of a window");
    let before = tree.ancestor(&tip, Height(2_014));
    assert_eq!(least_time(&params, &tree, &before), jump(2_009) + 1, "elsewhere the median of 11");
}

#[test]
fn asert_in_the_tree_counts_from_genesis() {
    let params = PowParams { difficulty: Difficulty::Asert { half_life_s: 100 }, bits: 0x1f00_ffff, ..params() };
    let (tree, tip) = branch(&params, 30, |height| 1_000_000 + 10 * u32::try_from(height).unwrap());
    assert_eq!(expected_bits(&params, &tree, &tip), params.bits, "on schedule the target stays");
    let (tree, tip) = branch(&params, 20, |_| 1_000_000);
    let target = |bits| Target::from_compact(bits).unwrap().value();
    let quarter = target(params.bits) / crate::ledger::target::U320::from(4);
    let actual = target(expected_bits(&params, &tree, &tip));
    assert!(actual < quarter + (quarter >> 10usize) && actual > quarter - (quarter >> 10usize), "two half-lives ahead");
}
