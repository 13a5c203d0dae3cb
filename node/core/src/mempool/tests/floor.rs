//! The rolling minimum, and estimates.

use super::super::floor::Floor;
use super::*;
use crate::limits::{
    ESTIMATE_BASE_MIN, ESTIMATE_BLOCKS, ESTIMATE_MULTIPLE_MAX, FLOOR_HALF_LIFE_MS, FLOOR_SPEED_BELOW_HALF,
    FLOOR_SPEED_BELOW_QUARTER,
};

fn single(input: &Input, fee: u64) -> Transaction {
    pay(std::slice::from_ref(input), &[input.grains - fee])
}

fn full_world(count_max: usize, inputs: u8) -> (World, Vec<Input>) {
    let config = MempoolConfig { count_max, fee_rate_min: Some(100), ..MempoolConfig::default() };
    World::with(inputs, 10_000_000, config)
}

impl World {
    fn floor(&self) -> u64 {
        self.pool.fee_rate_min(self.now, &self.params)
    }
}

#[test]
fn who_was_evicted_is_not_let_in_again_at_once() {
    let (mut world, inputs) = full_world(2, 6);
    assert_eq!(world.floor(), 100);
    let poor = single(&inputs[0], 1_000);
    for transaction in [&poor, &single(&inputs[1], 5_000), &single(&inputs[2], 6_000)] {
        world.admit(transaction).expect("pays");
    }
    let bytes = poor.bytes() as u64;
    let floor = (1_000_u64 * 1_000).div_ceil(bytes) + 100;
    assert_eq!(world.floor(), floor);
    let least = (floor * bytes).div_ceil(1_000);
    let refusal = Refusal::FeeBelowFloor { fee: amount(1_000), least: amount(least) };
    assert_eq!(world.admit(&poor), Err(refusal));
    // With room again the floor stands, and falls.
    world.switch(&[], &[&block(10, &[single(&inputs[1], 5_000)])]);
    assert_eq!(world.admit(&poor).map_err(|it| it.kind()), Err("mempool-fee-below-rolling-minimum"));
    assert!(world.admit(&single(&inputs[0], least)).is_ok());
    world.now = world.now.plus_ms(20 * FLOOR_HALF_LIFE_MS);
    assert_eq!(world.floor(), 100, "in the end it is forgotten");
}

#[test]
fn what_a_reorg_evicts_raises_it_too() {
    let (mut world, inputs) = full_world(2, 4);
    let old: Vec<Transaction> = inputs[..2].iter().map(|input| single(input, 1_000)).collect();
    let block = block(10, &old);
    world.switch(&[], &[&block]);
    for input in &inputs[2..] {
        world.admit(&single(input, 5_000)).expect("pays");
    }
    world.switch(&[&block], &[]);
    assert_eq!(world.pool.len(), 2);
    let bytes = old[0].bytes() as u64;
    assert_eq!(world.floor(), (1_000_u64 * 1_000).div_ceil(bytes) + 100);
}

#[test]
fn it_halves_with_time_and_sooner_when_there_is_more_room() {
    let (mut world, inputs) = full_world(8, 20);
    for (input, fee) in inputs[..9].iter().zip([1_000, 8_000, 8_000, 8_000, 8_000, 8_000, 8_000, 8_000, 8_000]) {
        world.admit(&single(input, fee)).expect("pays");
    }
    let peak = world.floor();
    let start = world.now;
    world.now = start.plus_ms(FLOOR_HALF_LIFE_MS);
    assert_eq!(world.floor(), peak / 2);
    world.pool.expire(world.now, &mut world.notices);
    assert_eq!(world.floor(), peak / 2, "looking changes nothing");
    // Five of eight leave: below half.
    let held: Vec<Transaction> = world.pool.iter().map(|(_, entry)| entry.transaction.clone()).collect();
    world.switch(&[], &[&block(10, &held[..5])]);
    assert_eq!(world.floor(), peak / 2, "from now on");
    world.now = start.plus_ms(FLOOR_HALF_LIFE_MS + FLOOR_HALF_LIFE_MS / FLOOR_SPEED_BELOW_HALF);
    assert_eq!(world.floor(), peak / 4);
    world.pool.expire(world.now, &mut world.notices);
    world.switch(&[], &[&block(11, &held[5..7])]);
    world.now = world.now.plus_ms(FLOOR_HALF_LIFE_MS / FLOOR_SPEED_BELOW_QUARTER);
    assert_eq!(world.floor(), (peak / 8).max(100));
}

#[test]
fn the_tail_is_cut_off() {
    let mut floor = Floor::default();
    floor.raise(NOW, FeeRate { fee: 1_000, bytes: 1_000 }, 100);
    assert_eq!(floor.rate(NOW, 1, 100), 1_100);
    let late = NOW.plus_ms(5 * FLOOR_HALF_LIFE_MS);
    assert_eq!(floor.rate(late, 1, 0), 34);
    assert_eq!(floor.rate(late, 1, 100), 0, "less than half a step is nothing");
    floor.settle(NOW.plus_ms(100 * FLOOR_HALF_LIFE_MS), 1);
    assert_eq!(floor.rate(NOW, 1, 0), 0);
}

proptest! {
    /// However often somebody looks, the floor is the same; it never rises by itself, and falls by half in its time.
    #[test]
    fn looking_does_not_change_it(
        fee in 1u64..1_000_000_000,
        looks in prop::collection::vec((0u64..FLOOR_HALF_LIFE_MS, 0usize..3), 0..20),
    ) {
        let speeds = [1, FLOOR_SPEED_BELOW_HALF, FLOOR_SPEED_BELOW_QUARTER];
        let (mut often, mut age, mut now) = (Floor::default(), 0, NOW);
        often.raise(now, FeeRate { fee, bytes: 1_000 }, 1);
        let peak = fee + 1;
        let mut last = peak;
        for (ms, speed) in looks {
            let speed = speeds[speed];
            now = now.plus_ms(ms);
            age += ms * speed;
            often.settle(now, speed);
            let rate = often.rate(now, speed, 0);
            let exact = peak as f64 * 0.5f64.powf(age as f64 / FLOOR_HALF_LIFE_MS as f64);
            prop_assert!(rate <= last);
            // A chord lies above its curve, here by at most 6.2 per cent; rounding takes up to one in each halving.
            prop_assert!((rate as f64) < exact * 1.062 + 1.0 && rate as f64 > exact - 3.0, "{rate} for {exact}");
            last = rate;
        }
    }
}

/// A world whose blocks are filled by fee rate and hold `room` transactions like [`single`].
fn mined_world(room: usize, inputs: u8) -> (World, Vec<Input>) {
    let (mut world, inputs) = World::new(inputs, 10_000_000);
    let bytes = single(&inputs[0], 1).bytes();
    world.params.relay_fee_rate_min = 1_000;
    world.params.block_bytes_max = (room * bytes + bezant_consensus::limits::BLOCK_OVERHEAD_BYTES) as u32;
    world.pool = Mempool::new(MempoolConfig::default(), Order::FeeRate, &world.params);
    (world, inputs)
}

#[test]
fn on_a_quiet_net_the_estimate_is_the_least_rate() {
    let (mut world, inputs) = mined_world(10, 200);
    let estimate = |world: &mut World, blocks| world.pool.estimate(world.now, &world.params, blocks).rate;
    assert_eq!(estimate(&mut world, 1), 1_000);
    // Full and dear blocks before do not matter once nothing waits.
    for (n, inputs) in inputs[..100].chunks(10).enumerate() {
        let dear: Vec<Transaction> = inputs.iter().map(|input| single(input, 50_000)).collect();
        for transaction in &dear {
            world.admit(transaction).expect("pays");
        }
        world.switch(&[], &[&block(10 + n as u64, &dear)]);
    }
    assert_eq!(estimate(&mut world, 1), 1_000);
    for input in &inputs[100..110] {
        world.admit(&single(input, 70_000)).expect("pays");
        assert_eq!(estimate(&mut world, 1), 1_000, "less than a block waits");
    }
    // More than a block waits, and most blocks were full: what they took is asked for at least.
    world.admit(&single(&inputs[110], 1_000)).expect("pays");
    let bytes = single(&inputs[0], 1).bytes() as u64;
    let recent = (50_000_u64 * 1_000).div_ceil(bytes);
    let told = world.pool.estimate(world.now, &world.params, 1);
    assert_eq!((told.recent, told.rate), (recent, recent.min(100_000)));
    assert_eq!(told.backlog, (1_000_u64 * 1_000).div_ceil(bytes) + 1, "the first that is left out");
    // Dear ones in blocks with room mean nothing.
    for (n, input) in inputs[120..].iter().take(ESTIMATE_BLOCKS / 2 + 1).enumerate() {
        let dear = single(input, 90_000);
        world.admit(&dear).expect("pays");
        world.switch(&[], &[&block(40 + n as u64, &[dear])]);
    }
    assert_eq!(world.pool.estimate(world.now, &world.params, 1).recent, 0, "such blocks make it quiet again");
}

#[test]
fn a_backlog_costs_what_it_takes_to_stand_before_it() {
    let (mut world, inputs) = mined_world(10, 100);
    for (n, input) in (1..=100).zip(&inputs) {
        world.admit(&single(input, 1_000 * n)).expect("pays");
    }
    let bytes = single(&inputs[0], 1).bytes() as u64;
    // Blocks of ten: the first takes those of 91,000 to 100,000 grains.
    for blocks in [1, 2, 5, 9] {
        let first_out = 1_000 * (100 - 10 * u64::from(blocks));
        let estimate = world.pool.estimate(world.now, &world.params, blocks);
        assert_eq!(estimate.backlog, (first_out * 1_000).div_ceil(bytes) + 1);
    }
    assert_eq!(world.pool.estimate(world.now, &world.params, 10).rate, 1_000, "there is room for all");
    assert!(world.pool.estimate(world.now, &world.params, 0) == world.pool.estimate(world.now, &world.params, 1));
}

#[test]
fn no_estimate_is_above_the_bound() {
    let (mut world, inputs) = mined_world(2, 20);
    for input in &inputs {
        world.admit(&single(input, 9_000_000)).expect("pays");
    }
    let estimate = world.pool.estimate(world.now, &world.params, 1);
    assert_eq!(estimate.rate, 1_000 * ESTIMATE_MULTIPLE_MAX);
    assert!(estimate.backlog > 100 * estimate.rate);
    world.params.relay_fee_rate_min = 0;
    let estimate = world.pool.estimate(world.now, &world.params, 1);
    assert_eq!(estimate.rate, ESTIMATE_BASE_MIN * ESTIMATE_MULTIPLE_MAX);
}

#[test]
fn under_pbft_a_fee_buys_admission_only() {
    let (mut world, inputs) = full_world(3, 10);
    for input in &inputs[..2] {
        world.admit(&single(input, 5_000)).expect("pays");
    }
    assert_eq!(world.pool.estimate(world.now, &world.params, 1).rate, 100);
    world.admit(&single(&inputs[2], 7_000)).expect("pays");
    let bytes = single(&inputs[0], 1).bytes() as u64;
    let rate = world.pool.estimate(world.now, &world.params, 1).rate;
    assert_eq!(rate, (5_000_u64 * 1_000).div_ceil(bytes) + 100, "it is full");
    let fee = (rate * bytes).div_ceil(1_000);
    assert!(world.admit(&single(&inputs[3], fee)).is_ok(), "and that is enough");
    let rate = world.pool.estimate(world.now, &world.params, 1).rate;
    let fee = (rate * bytes).div_ceil(1_000);
    assert!(world.admit(&single(&inputs[4], fee)).is_ok(), "the floor has risen, and the estimate with it");
}
