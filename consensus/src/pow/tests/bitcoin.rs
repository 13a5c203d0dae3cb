//! Headers of Bitcoin's main chain under the rule `bitcoin`. Our header is Bitcoin's, byte for byte, so they are taken as they are.
//!
//! Compared are the ids with the published ones, and the verdict of [`judge`] on every real header whose window is known: work,
//! target, and median time. A tree begins at the first block of a window, since windows of 2016 blocks do not overlap and our
//! heights then fall on borders as Bitcoin's do. Blocks of the window that are not in the data are filled in, unjudged, with
//! times between those of their neighbours: they count for nothing but the median of 11.
//!
//! The rules differ in one corner. Ours says as BIP94 does (Bitcoin: on testnet4, not on the main chain) that the first block of a
//! window is at most one spacing earlier than its parent. That refuses a single real header of the 413 borders up to height 832,608
//! (all were judged once; a dozen are kept here): 203,616, which is 1,127 s earlier.

use super::super::difficulty::retarget;
use super::super::headers::{HeaderError, judge};
use super::super::tree::Tree;
use super::params;
use crate::ledger::block::Header;
use crate::ledger::codec::decode;
use crate::ledger::genesis::{Difficulty, PowParams};
use crate::ledger::hash::{BlockId, MerkleRoot};
use crate::ledger::target::{Target, Work};
use std::collections::BTreeMap;

const WINDOW: u64 = 2_016;
/// The one real border that goes back by more than a spacing.
const WARPED: u64 = 203_616;

fn main_chain() -> PowParams {
    PowParams { spacing_s: 600, difficulty: Difficulty::Bitcoin, bits: 0x1d00_ffff, ..params() }
}

fn bytes(digits: &str) -> Vec<u8> {
    let pair = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(pair).collect()
}

/// Height, published id, header.
fn rows() -> BTreeMap<u64, (BlockId, Header)> {
    let row = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let mut id = bytes(words[1]);
        id.reverse();
        let header = bytes(words[2]);
        let decoded: Header = decode(&header).unwrap();
        assert_eq!(decoded.to_bytes()[..], header, "height {}", words[0]);
        (words[0].parse().unwrap(), (BlockId(id.try_into().unwrap()), decoded))
    };
    include_str!("../../../tests/data/bitcoin.txt").lines().filter(|line| !line.starts_with('#')).map(row).collect()
}

fn headers() -> BTreeMap<u64, Header> {
    rows().into_iter().map(|(height, (_, header))| (height, header)).collect()
}

/// The first heights of the windows whose last block and the one that follows are known.
fn windows(real: &BTreeMap<u64, Header>) -> Vec<u64> {
    let is_known = |first: &u64| real.contains_key(&(first + WINDOW - 1)) && real.contains_key(&(first + WINDOW));
    real.keys().copied().filter(|height| height.is_multiple_of(WINDOW)).filter(is_known).collect()
}

/// What came of a header.
type Verdict = (u64, Header, Result<(), HeaderError>);

/// Judges the real headers of a window, the one that follows, and those that stand on it. Whatever the verdict, each enters
/// the tree; `look` is shown each before that.
fn run(real: &BTreeMap<u64, Header>, first: u64, mut look: impl FnMut(&Tree, &Header)) -> Vec<Verdict> {
    let params = main_chain();
    let root = real[&first];
    let mut tree = Tree::new(root, Target::from_compact(root.bits).unwrap());
    let (mut at, mut tip, mut verdicts) = (first, root.id(), Vec::new());
    for (&height, header) in real.range(first + 1..) {
        if height > at + 1 && at >= first + WINDOW {
            break;
        }
        let (from, gap) = (tree.node(&tip).header.time, i64::try_from(height - at).unwrap());
        for step in 1..gap {
            let time = i64::from(from) + (i64::from(header.time) - i64::from(from)) * step / gap;
            let time = u32::try_from(time).unwrap();
            let merkle_root = MerkleRoot::default();
            let filler = Header { version: 1, parent: tip, merkle_root, time, bits: root.bits, nonce: 0 };
            tip = if step == gap - 1 { header.parent } else { filler.id() };
            tree.insert(tip, filler);
        }
        assert_eq!(header.parent, tip, "height {height} stands on the one before");
        look(&tree, header);
        verdicts.push((height, *header, judge(&params, &tree, &header.id(), header)));
        (at, tip) = (height, header.id());
        tree.insert(tip, *header);
    }
    verdicts
}

#[test]
fn ids_are_the_published_ones() {
    let rows = rows();
    assert!(rows.len() > 60, "all are there");
    for (height, (id, header)) in &rows {
        assert_eq!(header.id(), *id, "height {height}");
        assert!(Target::from_compact(header.bits).unwrap().is_met_by(id), "height {height}");
    }
}

#[test]
fn real_headers_pass_at_all_heights_but_the_warped_one() {
    let real = headers();
    let windows = windows(&real);
    let mut seen = 0;
    for first in &windows {
        for (height, header, verdict) in run(&real, *first, |_, _| {}) {
            seen += 1;
            if height != WARPED {
                assert_eq!(verdict, Ok(()), "height {height}");
                continue;
            }
            let parent = real[&(height - 1)];
            assert_eq!(parent.time - header.time, 1_127);
            let least = parent.time - 600;
            let reason = format!("time is {}, at least {least} expected", header.time);
            assert_eq!(verdict, Err(HeaderError::Invalid(reason)), "our stricter rule");
        }
    }
    assert_eq!(windows.len(), 12);
    assert!(seen > 50);
}

#[test]
fn block_1_stands_on_bitcoins_genesis() {
    let real = headers();
    let tree = Tree::new(real[&0], Target::from_compact(0x1d00_ffff).unwrap());
    assert_eq!(judge(&main_chain(), &tree, &real[&1].id(), &real[&1]), Ok(()));
}

/// Rises, falls and the clamp are among the data: the first rise there was, the only quarter, and falls of 2018 and 2019.
#[test]
fn real_targets_rise_fall_and_are_clamped() {
    let real = headers();
    let target = |height: u64| Target::from_compact(real[&height].bits).unwrap();
    let is_easier = |height: u64| target(height) > target(height - 1);
    let (falls, rises): (Vec<u64>, Vec<u64>) =
        windows(&real).into_iter().map(|first| first + WINDOW).partition(|next| is_easier(*next));
    assert_eq!(falls, [554_400, 560_448, 566_496]);
    assert!(rises.contains(&32_256) && rises.contains(&68_544) && rises.contains(&WARPED), "{rises:?}");
    // 66,528 to 68,543 took less than a quarter of two weeks; without the clamp the target would have been smaller.
    let (first, last) = (real[&66_528], real[&68_543]);
    let quarter = 600 * 2_016 / 4;
    assert!(last.time - first.time < quarter);
    let bits = real[&68_544].bits;
    assert_eq!(retarget(0x1d00_ffff, 600, first.bits, 0, quarter), bits);
    assert_eq!(retarget(0x1d00_ffff, 600, first.bits, 0, quarter - 100_000), bits);
    // The difference of the published sums of work of 68,544 and 68,543.
    assert_eq!(target(68_544).work(), Work::from_hex("b58bca8ecd").unwrap());
}

#[test]
fn times_may_go_back_to_the_median_and_do() {
    let real = headers();
    let goes_back = |height: u64| real[&height].time < real[&(height - 1)].time;
    assert_eq!((203_612..=203_620).filter(|height| goes_back(*height)).collect::<Vec<_>>(), [203_613, WARPED, 203_620]);
}

/// No bit of a real header can be changed: what changes no rule's field still undoes the work.
#[test]
fn each_changed_bit_is_refused() {
    let real = headers();
    let params = main_chain();
    for first in windows(&real) {
        run(&real, first, |tree, header| {
            for bit in 0..640 {
                let mut bytes = header.to_bytes();
                bytes[bit / 8] ^= 1 << (bit % 8);
                let changed: Header = decode(&bytes).unwrap();
                assert!(judge(&params, tree, &changed.id(), &changed).is_err(), "bit {bit} of {header:?}");
            }
        });
    }
}

/// The rules one by one, where the work is right: a real header is refused as soon as what stands below it is another.
#[test]
fn real_headers_are_refused_above_another_past() {
    let real = headers();
    let last = |verdicts: Vec<Verdict>, height: u64| {
        let verdict = verdicts.into_iter().find(|(at, ..)| *at == height).unwrap().2;
        let Err(HeaderError::Invalid(reason)) = verdict else { panic!("{verdict:?}") };
        reason
    };
    // Where the clamp decides, a little more or less does not.
    for first in windows(&real).into_iter().filter(|first| *first != 66_528) {
        // A window of another length: 2016 gaps instead of 2015 would be such a one.
        for seconds in [-600, 600] {
            let is_kept = |height: u64| height == first || height >= first + 100;
            let mut other: BTreeMap<u64, Header> = real
                .iter()
                .filter(|(height, _)| is_kept(**height))
                .map(|(height, header)| (*height, *header))
                .collect();
            let root = other.get_mut(&first).unwrap();
            root.time = root.time.checked_add_signed(seconds).unwrap();
            let reason = last(run(&other, first, |_, _| {}), first + WINDOW);
            assert!(reason.starts_with("bits are "), "{first}: {reason}");
        }
    }
    // The median of the eleven below is no earlier than the header itself.
    let params = main_chain();
    let header = real[&554_408];
    let root = Header { bits: header.bits, ..real[&554_400] };
    for (ahead, passes) in [(0, false), (1, true)] {
        let mut tree = Tree::new(root, Target::from_compact(root.bits).unwrap());
        let mut tip = root.id();
        for step in 1..=11 {
            let time = if step > 5 { header.time - ahead } else { root.time };
            let filler = Header { version: step, parent: tip, time, ..root };
            tip = if step == 11 { header.parent } else { filler.id() };
            tree.insert(tip, filler);
        }
        let verdict = judge(&params, &tree, &header.id(), &header);
        assert_eq!(verdict.is_ok(), passes, "{verdict:?}");
    }
    // Nothing is known of what it stands on.
    let genesis = Tree::new(real[&0], Target::from_compact(0x1d00_ffff).unwrap());
    assert_eq!(judge(&params, &genesis, &header.id(), &header), Err(HeaderError::UnknownParent));
}
