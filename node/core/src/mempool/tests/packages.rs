//! Parents that a child pays for.

use super::*;
use crate::io::PackageFault;
use crate::limits::{PACKAGE_COUNT_MAX, PACKAGE_TRIES_MAX};

const RATE: u64 = 1_000;

fn world(count: u8) -> (World, Vec<Input>) {
    World::with(count, 1_000_000, MempoolConfig { fee_rate_min: Some(RATE), ..MempoolConfig::default() })
}

/// A parent that pays nothing and a child that pays this much.
fn pair(input: &Input, fee: u64) -> (Transaction, Transaction) {
    let parent = pay(std::slice::from_ref(input), &[input.grains]);
    let child = pay(&[output_of(&parent, 0)], &[input.grains - fee]);
    (parent, child)
}

fn refused<T>(result: Result<T, Refused>) -> (Option<TxId>, &'static str) {
    let refused = result.err().expect("is refused");
    (refused.txid, refused.refusal.kind())
}

#[test]
fn a_child_pays_for_its_parent_exactly_when_both_together_pay_the_least() {
    let (mut world, inputs) = world(2);
    let (parent, child) = pair(&inputs[0], 0);
    let least = ((parent.bytes() + child.bytes()) as u64 * RATE).div_ceil(1_000);
    let (parent, child) = pair(&inputs[0], least);
    assert_eq!(world.admit(&parent).map_err(|it| it.kind()), Err("mempool-fee-too-low"));
    let (_, poor_child) = pair(&inputs[0], least - 1);
    assert_eq!(refused(world.admit_package(&[&parent, &poor_child])), (None, "mempool-fee-too-low"));
    assert!(world.pool.is_empty() && world.notices.is_empty(), "all or nothing");

    let trial = world.test(&[&parent, &child]).expect("would be let in");
    assert_eq!(trial.rate().map(|rate| rate.fee), Some(least));
    assert!(world.pool.is_empty());
    let admitted = world.admit_package(&[&parent, &child]).expect("pays");
    assert_eq!(
        admitted.iter().map(|it| (it.txid, it.known)).collect::<Vec<_>>(),
        [(parent.id(), false), (child.id(), false)]
    );
    assert_eq!(world.order(), ids(&[&parent, &child]));
    let again = world.admit_package(&[&parent, &child]).expect("is here");
    assert!(again.iter().all(|it| it.known));
    assert_eq!(world.pool.len(), 2);
}

#[test]
fn a_parent_does_not_pay_for_its_child() {
    let (mut world, inputs) = world(1);
    let parent = pay(&inputs, &[500_000]);
    let child = pay(&[output_of(&parent, 0)], &[500_000]);
    assert_eq!(refused(world.admit_package(&[&parent, &child])), (None, "mempool-fee-too-low"));
    assert!(world.pool.is_empty(), "not even the parent, which could stand alone");
}

#[test]
fn what_is_known_already_is_passed_over() {
    let (mut world, inputs) = world(2);
    let paying = pay(&inputs[..1], &[900_000]);
    world.admit(&paying).expect("pays");
    let poor = pay(&inputs[1..], &[1_000_000]);
    let child = pay(&[output_of(&paying, 0), output_of(&poor, 0)], &[1_800_000]);
    let admitted = world.admit_package(&[&paying, &poor, &child]).expect("pays");
    assert_eq!(admitted.iter().map(|it| it.known).collect::<Vec<_>>(), [true, false, false]);
}

#[test]
fn one_invalid_member_refuses_all() {
    let (mut world, inputs) = world(1);
    let parent = pay(&inputs, &[900_000]);
    let child = pay(&[output_of(&parent, 0)], &[900_001]);
    assert_eq!(refused(world.admit_package(&[&parent, &child])), (Some(child.id()), "tx-outputs-exceed-inputs"));
    assert!(world.pool.is_empty());
}

#[test]
fn forms_that_are_none() {
    let (mut world, inputs) = world(3);
    let (parent, child) = pair(&inputs[0], 100_000);
    let stranger = pay(&inputs[1..2], &[1]);
    assert_eq!(refused(world.admit_package(&[])), (None, "package-count"));
    assert_eq!(refused(world.admit_package(&[&child, &parent])), (Some(child.id()), "package-not-sorted"));
    assert_eq!(refused(world.admit_package(&[&parent, &parent])), (Some(parent.id()), "package-duplicate"));
    assert_eq!(refused(world.admit_package(&[&stranger, &child])), (Some(stranger.id()), "package-unrelated"));
    let rival = pay(&[output_of(&parent, 0), inputs[2].clone()], &[1]);
    let both = pay(&[output_of(&child, 0), output_of(&rival, 0)], &[1]);
    assert_eq!(refused(world.admit_package(&[&parent, &child, &rival, &both])), (Some(rival.id()), "package-conflict"));
    let line = chain(&inputs[1], PACKAGE_COUNT_MAX + 1);
    let line: Vec<&Transaction> = line.iter().collect();
    assert_eq!(refused(world.admit_package(&line)), (None, "package-count"));
    let large = pay(&inputs[2..], &[1; 2_400]);
    let mut heavy = vec![large.clone()];
    for _ in 0..4 {
        let last = heavy.last().expect("not empty");
        let coins: Vec<Input> = (0..1_000).map(|index| output_of(last, index)).collect();
        heavy.push(pay(&coins, &[1; 1_000]));
    }
    let heavy: Vec<&Transaction> = heavy.iter().collect();
    assert_eq!(refused(world.admit_package(&heavy)), (None, "package-too-large"));
    let fault = PackageFault::Order { parent: parent.id() };
    let refused = world.admit_package(&[&child, &parent]).expect_err("is refused");
    assert!(refused.to_string().contains(&fault.to_string()) && refused.to_string().contains(&child.id().to_string()));
    assert!(world.pool.is_empty());
}

#[test]
fn a_package_replaces_and_is_bounded_like_one() {
    let config = MempoolConfig { fee_rate_min: Some(RATE), chain_max: 2, ..MempoolConfig::default() };
    let (mut world, inputs) = World::with(2, 1_000_000, config);
    let old = pay(&inputs[..1], &[990_000]);
    world.admit(&old).expect("pays");
    let (parent, poor) = pair(&inputs[0], 5_000);
    assert_eq!(refused(world.admit_package(&[&parent, &poor])), (None, "mempool-replacement-fee-too-low"));
    let (parent, child) = pair(&inputs[0], 100_000);
    world.admit_package(&[&parent, &child]).expect("pays much more");
    assert_eq!(world.dropped(), [(old.id(), DropReason::Replaced { by: parent.id() })]);
    let line = chain(&Input { ..inputs[1].clone() }, 3);
    let last = pay(&[output_of(&line[1], 0)], &[1]);
    assert_eq!(refused(world.admit_package(&[&line[0], &line[1], &last])), (None, "mempool-chain-too-long"));
}

#[test]
fn from_peers_either_may_come_first() {
    for child_first in [false, true] {
        let (mut world, inputs) = world(1);
        let (parent, child) = pair(&inputs[0], 100_000);
        let (first, second) = if child_first { (&child, &parent) } else { (&parent, &child) };
        world.gossip(1, first);
        assert_eq!((world.pool.len(), world.pool.orphans()), (0, 1));
        world.gossip(2, second);
        assert_eq!((world.order(), world.pool.orphans()), (ids(&[&parent, &child]), 0), "child first: {child_first}");
    }
}

#[test]
fn from_peers_several_generations_come_together_in_any_order() {
    for turn in 0..6 {
        let (mut world, inputs) = world(2);
        let grandparent = pay(&inputs[..1], &[1_000_000]);
        let other = pay(&inputs[1..], &[1_000_000]);
        let parent = pay(&[output_of(&grandparent, 0)], &[1_000_000]);
        let child = pay(&[output_of(&parent, 0), output_of(&other, 0)], &[1]);
        let heir = pay(&[output_of(&child, 0)], &[1]);
        let mut all = [&grandparent, &other, &parent, &child];
        all.rotate_left(turn % 4);
        if turn > 3 {
            all.reverse();
        }
        world.gossip(7, &heir);
        for transaction in all {
            world.gossip(u64::from(turn as u8), transaction);
        }
        assert_eq!(world.pool.len(), 4, "turn {turn}: the heir pays nothing and waits");
        assert!(world.pool.contains(&child.id()) && !world.pool.contains(&heir.id()));
    }
}

#[test]
fn a_poor_pair_waits_and_poor_children_do_not_make_a_parent_dear() {
    let (mut world, inputs) = world(1);
    let mut outputs = [1_000; 900];
    outputs[899] = 101_000;
    let parent = pay(&inputs, &outputs);
    let children: Vec<Transaction> =
        (0..PACKAGE_TRIES_MAX as u32 + 40).map(|index| pay(&[output_of(&parent, index)], &[999])).collect();
    for child in &children {
        world.gossip(1, child);
    }
    world.gossip(2, &parent);
    assert!(world.pool.is_empty());
    assert_eq!(world.pool.orphans(), children.len() + 1);
    // A child that pays for both still finds the parent waiting.
    let all: Vec<Input> = (100..200).map(|index| output_of(&parent, index)).collect();
    let rich = pay(&all, &[1]);
    world.gossip(3, &rich);
    assert_eq!(world.order()[..2], ids(&[&parent, &rich]));
    world.pool.expire(NOW.plus_ms(ORPHAN_EXPIRY_MS), &mut world.notices);
    assert_eq!(world.pool.orphans(), 0);
}
