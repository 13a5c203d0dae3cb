//! One spends the coin of another that waits.

use super::super::diagram;
use super::*;
use crate::limits::REPLACED_MAX;

fn rate(fee: u64, bytes: u64) -> FeeRate {
    FeeRate { fee, bytes }
}

fn kind<T>(result: Result<T, Refusal>) -> Result<T, &'static str> {
    result.map_err(|refusal| refusal.kind())
}

/// So many outputs that a transaction becomes this much longer.
fn wide(inputs: &[Input], outputs: usize, fee: u64) -> Transaction {
    let grains: u64 = inputs.iter().map(|input| input.grains).sum();
    let mut amounts = vec![1; outputs - 1];
    amounts.push(grains - fee - (outputs as u64 - 1));
    pay(inputs, &amounts)
}

#[test]
fn a_better_paying_one_takes_the_place_with_all_that_spent_from_the_other() {
    let (mut world, inputs) = World::new(2, 100_000);
    let first = chain(&inputs[0], 3);
    for transaction in &first {
        world.admit(transaction).expect("valid");
    }
    let bystander = pay(&inputs[1..], &[99_000]);
    world.admit(&bystander).expect("valid");
    let bytes = first.iter().map(Transaction::bytes).sum::<usize>() as u64;
    world.params.relay_fee_rate_min = 100;
    let least = 30 + (bytes * 100).div_ceil(1_000);
    let bid = |fee: u64| pay(&inputs[..1], &[100_000 - fee]);
    let refusal = Refusal::ReplacementFee { count: 3, fee: amount(least - 1), least: amount(least) };
    assert_eq!(world.admit(&bid(least - 1)), Err(refusal), "three are relayed for nothing");
    let better = bid(least);
    let trial = world.test(&[&better]).expect("would be let in");
    let mut all = ids(&first.iter().collect::<Vec<_>>());
    all.sort_unstable();
    assert_eq!(trial.replaces, all);
    assert_eq!(world.pool.len(), 4, "trying changes nothing");
    world.admit(&better).expect("pays for all");
    let reason = DropReason::Replaced { by: better.id() };
    assert_eq!(world.dropped(), first.iter().rev().map(|it| (it.id(), reason)).collect::<Vec<_>>());
    assert_eq!(world.order(), ids(&[&bystander, &better]), "it stands where it came");
    let last = world.pool.spender(&inputs[0].outpoint);
    assert_eq!(last, Some(better.id()));
}

#[test]
fn a_longer_one_pays_for_its_own_bytes() {
    let (mut world, inputs) = World::new(1, 1_000_000);
    world.params.relay_fee_rate_min = 1_000;
    let first = wide(&inputs, 1, 0);
    let paid = first.bytes() as u64;
    world.admit(&wide(&inputs, 1, paid)).expect("pays the least");
    let longer = |fee| wide(&inputs, 10, fee);
    let bytes = longer(1).bytes() as u64;
    assert!(bytes > 2 * paid, "so a diagram that is just better everywhere does not pay for it");
    let least = paid + bytes;
    let refusal = Refusal::ReplacementFee { count: 1, fee: amount(least - 1), least: amount(least) };
    assert_eq!(world.admit(&longer(least - 1)), Err(refusal));
    assert!(world.admit(&longer(least)).is_ok());
}

#[test]
fn more_in_all_is_not_enough_when_a_small_block_would_earn_less() {
    let (mut world, inputs) = World::new(1, 1_000_000);
    let small = pay(&inputs, &[1_000_000 - 5_000]);
    world.admit(&small).expect("valid");
    let long = wide(&inputs, 100, 6_000);
    assert!(long.bytes() > 10 * small.bytes());
    assert_eq!(world.admit(&long), Err(Refusal::ReplacementDiagram));
    let dense = wide(&inputs, 100, 5_000 * (long.bytes() as u64).div_ceil(small.bytes() as u64));
    assert!(world.admit(&dense).is_ok());
    assert_eq!(world.order(), ids(&[&dense]));
}

#[test]
fn what_depends_on_the_replaced_counts_in_the_diagram() {
    // A child pays well for its poor parent; a replacement of the parent must beat both.
    let (mut world, inputs) = World::new(1, 1_000_000);
    let parent = pay(&inputs, &[1_000_000]);
    let child = pay(&[output_of(&parent, 0)], &[1_000_000 - 10_000]);
    for transaction in [&parent, &child] {
        world.admit(transaction).expect("valid");
    }
    assert_eq!(kind(world.admit(&pay(&inputs, &[995_000]))), Err("mempool-replacement-fee-too-low"));
    assert!(world.admit(&pay(&inputs, &[1_000_000 - 10_001])).is_ok());
}

#[test]
fn nobody_replaces_what_it_spends_from() {
    let (mut world, inputs) = World::new(2, 100_000);
    let parent = pay(&inputs[..1], &[50_000, 49_000]);
    let rival = pay(&inputs[1..], &[99_000]);
    for transaction in [&parent, &rival] {
        world.admit(transaction).expect("valid");
    }
    let own_parent = pay(&[output_of(&parent, 0), inputs[0].clone()], &[1]);
    assert_eq!(world.admit(&own_parent), Err(Refusal::ReplacesParent { parent: parent.id() }));
    // Not even through another: the grandchild of what it would replace.
    let child = pay(&[output_of(&rival, 0)], &[98_000]);
    world.admit(&child).expect("valid");
    let heir = pay(&[output_of(&child, 0), inputs[1].clone()], &[1]);
    assert_eq!(world.admit(&heir), Err(Refusal::ReplacesParent { parent: child.id() }));
    assert_eq!(world.order(), ids(&[&parent, &rival, &child]));
}

#[test]
fn no_more_than_so_many_are_replaced_at_once() {
    let fan = |input: &Input| pay(std::slice::from_ref(input), &[1_000; 120]);
    let (mut world, inputs) = World::with(1, 1_000_000, MempoolConfig { chain_max: 128, ..MempoolConfig::default() });
    let tree = fan(&inputs[0]);
    world.switch(&[], &[&block(10, std::slice::from_ref(&tree))]);
    let singles: Vec<Transaction> =
        (0..=REPLACED_MAX as u32).map(|index| pay(&[output_of(&tree, index)], &[999])).collect();
    for transaction in &singles {
        world.admit(transaction).expect("valid");
    }
    let of = |count: usize| (0..count as u32).map(|index| output_of(&tree, index)).collect::<Vec<_>>();
    let all = pay(&of(REPLACED_MAX + 1), &[1]);
    assert_eq!(world.admit(&all), Err(Refusal::ReplacesTooMany { allowed: REPLACED_MAX }));
    let allowed = pay(&of(REPLACED_MAX), &[1]);
    assert!(world.admit(&allowed).is_ok());
    assert_eq!(world.order(), ids(&[&singles[REPLACED_MAX], &allowed]));
}

#[test]
fn what_a_member_handed_over_is_not_replaced() {
    let (mut world, inputs) = World::new(1, 100_000);
    let parent = pay(&inputs, &[99_000]);
    let child = pay(&[output_of(&parent, 0)], &[98_000]);
    world.admit(&parent).expect("valid");
    let (pool, next, notices) = world.parts();
    pool.admit_handed(next, Peer(1), 1, vec![parent.clone()], notices);
    world.admit(&child).expect("valid");
    let rival = pay(&inputs, &[1]);
    let refusal = Refusal::Conflict { outpoint: inputs[0].outpoint, by: parent.id() };
    assert_eq!(world.admit(&rival), Err(refusal), "else a client could keep a primary busy and its view unfair");
    let heir = pay(&[output_of(&parent, 0)], &[1]);
    assert!(world.admit(&heir).is_ok(), "what spends from it has no preference");
    assert_eq!(world.dropped(), [(child.id(), DropReason::Replaced { by: heir.id() })]);
}

#[test]
fn a_replacement_starts_its_clock_anew_and_waits_its_turn() {
    let (mut world, inputs) = World::new(2, 100_000);
    let first = pay(&inputs[..1], &[99_000]);
    let second = pay(&inputs[1..], &[99_000]);
    for transaction in [&first, &second] {
        world.admit(transaction).expect("valid");
    }
    assert_eq!(world.pool.oldest_due(NOW), Some(NOW));
    world.now = NOW.plus_ms(700);
    let better = pay(&inputs[..1], &[1]);
    world.admit(&better).expect("pays more");
    assert_eq!(world.pool.get(&better.id()).and_then(|entry| entry.due), Some(world.now));
    assert_eq!(world.select(Order::Arrival, 100_000, &[]), ids(&[&second, &better]));
}

#[test]
fn a_replacement_may_join_another_cluster_and_may_not_outgrow_it() {
    let config = MempoolConfig { chain_max: 3, ..MempoolConfig::default() };
    let (mut world, inputs) = World::with(2, 100_000, config);
    let line = chain(&inputs[0], 2);
    let other = chain(&inputs[1], 2);
    for transaction in line.iter().chain(&other) {
        world.admit(transaction).expect("valid");
    }
    // In place of both others it depends on two: three in all.
    let joining = pay(&[output_of(&line[1], 0), inputs[1].clone()], &[1_000]);
    assert!(world.admit(&joining).is_ok());
    assert_eq!(world.order(), ids(&[&line[0], &line[1], &joining]));
    let longer = pay(&[output_of(&joining, 0)], &[1]);
    assert_eq!(kind(world.admit(&longer)), Err("mempool-chain-too-long"));
}

/// A diagram's fees at a number of bytes, scaled by `scale`, by walking byte after byte.
fn brute(sorted: &[FeeRate], bytes: u64) -> (u128, u128) {
    let (mut left, mut fees) = (bytes, 0);
    for chunk in sorted {
        if left < chunk.bytes {
            // fees + fee * left / bytes, as a fraction
            return (
                fees * u128::from(chunk.bytes) + u128::from(chunk.fee) * u128::from(left),
                u128::from(chunk.bytes),
            );
        }
        left -= chunk.bytes;
        fees += u128::from(chunk.fee);
    }
    (fees, 1)
}

pub(super) fn brute_improves(before: &[FeeRate], after: &[FeeRate]) -> bool {
    let total = |chunks: &[FeeRate]| chunks.iter().map(|chunk| chunk.bytes).sum::<u64>();
    let sorted = |chunks: &[FeeRate]| {
        let mut chunks = chunks.to_vec();
        chunks.sort_by(|one, other| other.cmp(one));
        chunks
    };
    let (before, after) = (&sorted(before)[..], &sorted(after)[..]);
    let mut is_above = false;
    for bytes in 0..=total(before).max(total(after)) {
        let ((old, old_scale), (new, new_scale)) = (brute(before, bytes), brute(after, bytes));
        match (new * old_scale).cmp(&(old * new_scale)) {
            std::cmp::Ordering::Less => return false,
            std::cmp::Ordering::Equal => {}
            std::cmp::Ordering::Greater => is_above = true,
        }
    }
    is_above
}

#[test]
fn diagrams_by_hand() {
    let cases: [(&[FeeRate], &[FeeRate], bool); 8] = [
        (&[], &[], false),
        (&[], &[rate(1, 100)], true),
        (&[rate(0, 50)], &[rate(0, 70)], false),
        (&[rate(5, 100)], &[rate(5, 100)], false),
        (&[rate(5, 100)], &[rate(5, 99)], true),
        (&[rate(5, 100)], &[rate(50, 10_000)], false),
        (&[rate(10, 100), rate(1, 100)], &[rate(1, 100), rate(11, 100)], true),
        (&[rate(10, 100), rate(4, 100)], &[rate(14, 200)], false),
    ];
    for (before, after, improves) in cases {
        assert_eq!(diagram::improves(before, after), improves, "{before:?} to {after:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Corners decide as every single byte does.
    #[test]
    fn diagrams_are_compared_as_byte_by_byte(
        before in prop::collection::vec((0u64..60, 1u64..40), 0..6),
        extra in prop::collection::vec((0u64..60, 1u64..40), 0..3),
        cut in 0usize..4,
        raise in 0u64..20,
    ) {
        let before: Vec<FeeRate> = before.into_iter().map(|(fee, bytes)| rate(fee, bytes)).collect();
        // Near enough to the first that either answer is common.
        let mut after: Vec<FeeRate> = before.iter().skip(cut.min(1)).copied().collect();
        after.extend(extra.into_iter().map(|(fee, bytes)| rate(fee + raise, bytes)));
        prop_assert_eq!(diagram::improves(&before, &after), brute_improves(&before, &after));
        prop_assert!(!(diagram::improves(&before, &after) && diagram::improves(&after, &before)));
        prop_assert!(!diagram::improves(&before, &before));
    }
}
