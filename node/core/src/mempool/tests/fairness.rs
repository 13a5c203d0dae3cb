//! Who is due since when, and what members hand over.

use super::*;
use bezant_consensus::limits::{BLOCK_OVERHEAD_BYTES, OVERDUE_BYTES_MAX, OVERDUE_TRANSACTIONS_MAX};

/// A world whose blocks take so many bytes of transactions.
fn world_with_room(count: u8, room: usize) -> (World, Vec<Input>) {
    let config = MempoolConfig { chain_max: 128, ..MempoolConfig::default() };
    let (mut world, inputs) = World::with(count, 100_000, config.clone());
    world.params.block_bytes_max = (room + BLOCK_OVERHEAD_BYTES) as u32;
    world.pool = Mempool::new(config, Order::Arrival, &world.params);
    (world, inputs)
}

fn single(input: &Input, fee: u64) -> Transaction {
    pay(std::slice::from_ref(input), &[input.grains - fee])
}

impl World {
    fn due(&mut self, transaction: &Transaction) -> Option<Time> {
        self.pool.oldest_due(self.now);
        self.pool.check();
        self.pool.get(&transaction.id()).and_then(|entry| entry.due)
    }

    fn hand(&mut self, member: u16, transactions: &[&Transaction]) {
        let (pool, next, notices) = self.parts();
        let transactions = transactions.iter().map(|transaction| (**transaction).clone()).collect();
        pool.admit_handed(next, Peer(u64::from(member)), member, transactions, notices);
        self.pool.check();
    }

    fn overdue(&mut self, due_until: Time, above: &[&Block]) -> Vec<TxId> {
        self.pool.oldest_due(self.now);
        let taken: Vec<Arc<Taken>> = above.iter().map(|block| Arc::new(Taken::of(block))).collect();
        self.pool.overdue(due_until, &taken).1.iter().map(Transaction::id).collect()
    }
}

#[test]
fn a_clock_starts_when_its_transaction_would_be_in_the_next_block() {
    let bytes = single(&World::new(1, 100_000).1[0], 1).bytes();
    let (mut world, inputs) = world_with_room(6, 2 * bytes);
    let waiting: Vec<Transaction> = inputs.iter().map(|input| single(input, 1)).collect();
    for transaction in &waiting {
        world.admit(transaction).expect("valid");
    }
    assert_eq!((world.due(&waiting[0]), world.due(&waiting[1])), (Some(NOW), Some(NOW)));
    assert_eq!(world.due(&waiting[2]), None, "a backlog is not due");
    world.now = NOW.plus_ms(500);
    assert_eq!(world.due(&waiting[2]), None);
    world.switch(&[], &[&block(10, &waiting[..1])]);
    assert_eq!(world.due(&waiting[1]), Some(NOW), "it has been due all the time");
    assert_eq!(world.due(&waiting[2]), Some(NOW.plus_ms(500)), "now it is its turn");
    assert_eq!(world.due(&waiting[3]), None);
    assert_eq!(world.pool.oldest_due(world.now), Some(NOW));
    // A conflict stops a clock like anything else that takes a transaction away.
    let rival = single(&inputs[1], 7);
    world.now = NOW.plus_ms(900);
    world.switch(&[], &[&block(11, &[rival])]);
    assert_eq!(world.due(&waiting[3]), Some(NOW.plus_ms(900)));
    assert_eq!(world.pool.oldest_due(world.now), Some(NOW.plus_ms(500)));
}

#[test]
fn what_can_never_fit_a_block_is_refused() {
    let (mut world, inputs) = world_with_room(2, 300);
    let outputs: Vec<u64> = vec![10; 40];
    let large = pay(&inputs[..1], &outputs);
    let (actual, allowed) = (large.bytes(), 300);
    assert_eq!(world.admit(&large), Err(Refusal::Rule(TxError::TooLarge { actual, allowed })));
    assert!(world.admit(&single(&inputs[1], 1)).is_ok());
}

#[test]
fn what_is_overdue_leaves_out_what_is_under_way() {
    let (mut world, inputs) = world_with_room(5, 100_000);
    let waiting: Vec<Transaction> = inputs.iter().map(|input| single(input, 1)).collect();
    for transaction in &waiting[..4] {
        world.admit(transaction).expect("valid");
        world.pool.oldest_due(world.now);
        world.now = world.now.plus_ms(100);
    }
    let until = NOW.plus_ms(250);
    assert_eq!(world.overdue(until, &[]), ids(&[&waiting[0], &waiting[1], &waiting[2]]));
    let above = [block(10, &[waiting[0].clone()]), block(11, &[single(&inputs[1], 9)])];
    assert_eq!(
        world.overdue(until, &[&above[0], &above[1]]),
        ids(&[&waiting[2]]),
        "held by one, ruled out by the other"
    );
    assert_eq!(world.overdue(Time(NOW.0 - 1), &[]), []);
}

#[test]
fn what_is_handed_over_comes_first_whatever_it_pays() {
    let config = MempoolConfig { count_max: 3, fee_rate_min: Some(1_000), ..MempoolConfig::default() };
    let (mut world, inputs) = World::with(6, 100_000, config);
    let rich: Vec<Transaction> = inputs[..4].iter().map(|input| single(input, 5_000)).collect();
    for transaction in &rich[..3] {
        world.admit(transaction).expect("there is room");
    }
    let poor = single(&inputs[4], 0);
    let child = pay(&[output_of(&poor, 0)], &[100_000]);
    world.gossip(1, &poor);
    assert!(!world.pool.contains(&poor.id()), "it pays nothing");
    world.hand(2, &[&poor, &child]);
    assert_eq!(world.order(), ids(&[&poor, &child, &rich[0], &rich[1], &rich[2]]));
    assert_eq!(world.select(Order::Arrival, 100_000, &[])[..2], ids(&[&poor, &child]));
    assert!(world.dropped().is_empty(), "it takes no room from others");
    let better = single(&inputs[3], 9_000);
    world.admit(&better).expect("pays better than the worst");
    assert!(world.pool.contains(&poor.id()) && world.pool.contains(&child.id()), "and does not yield");
    assert_eq!(world.dropped().len(), 1);
}

#[test]
fn one_that_is_here_already_moves_to_the_front_with_what_it_spends_from() {
    let (mut world, inputs) = World::new(3, 100_000);
    let others = [single(&inputs[0], 1), single(&inputs[1], 1)];
    let line = chain(&inputs[2], 3);
    for transaction in others.iter().chain(&line) {
        world.admit(transaction).expect("valid");
    }
    world.now = NOW.plus_ms(300);
    world.hand(1, &[&line[1]]);
    assert_eq!(world.order(), ids(&[&line[0], &line[1], &others[0], &others[1], &line[2]]));
    assert_eq!(world.select(Order::Arrival, 100_000, &[]), world.order());
    world.hand(2, &[&line[1], &others[1]]);
    assert_eq!(world.order(), ids(&[&line[0], &line[1], &others[1], &others[0], &line[2]]), "in the order of handing");
}

#[test]
fn one_that_spends_the_same_coin_is_preferred_instead() {
    let (mut world, inputs) = World::new(3, 100_000);
    let others = [single(&inputs[0], 1), single(&inputs[1], 1)];
    let mine = single(&inputs[2], 1);
    for transaction in others.iter().chain([&mine]) {
        world.admit(transaction).expect("valid");
    }
    world.hand(1, &[&single(&inputs[2], 2)]);
    assert_eq!(world.order(), ids(&[&mine, &others[0], &others[1]]), "either way the coin is spent soon");
}

#[test]
fn a_members_preference_is_bounded_by_count_and_the_rest_is_ordinary() {
    let fan = |input: &Input| pay(std::slice::from_ref(input), &[1_000; 90]);
    let (mut world, inputs) =
        World::with(2, 100_000, MempoolConfig { fee_rate_min: Some(1), chain_max: 128, ..MempoolConfig::default() });
    let trees = [fan(&inputs[0]), fan(&inputs[1])];
    world.switch(&[], &[&block(10, &trees)]);
    let free: Vec<Transaction> = (0..90).map(|index| pay(&[output_of(&trees[0], index)], &[1_000])).collect();
    world.hand(3, &free.iter().collect::<Vec<_>>());
    assert_eq!(world.pool.len(), OVERDUE_TRANSACTIONS_MAX, "the rest pays too little");
    let paying: Vec<Transaction> = (0..5).map(|index| pay(&[output_of(&trees[1], index)], &[900])).collect();
    world.admit(&paying[0]).expect("it pays");
    world.hand(3, &[&paying[1]]);
    assert_eq!(world.order().last(), Some(&paying[1].id()), "beyond its share it waits like all others");
    world.hand(4, &[&paying[1]]);
    let place = world.order().iter().position(|txid| *txid == paying[1].id());
    assert_eq!(place, Some(OVERDUE_TRANSACTIONS_MAX), "another member has its own share");
    // What has become final makes room.
    world.switch(&[], &[&block(11, &free[..10])]);
    world.hand(3, &free[70..].iter().collect::<Vec<_>>());
    assert_eq!(world.pool.len(), OVERDUE_TRANSACTIONS_MAX + 2);
}

#[test]
fn a_members_preference_is_bounded_by_bytes() {
    let (mut world, inputs) = World::new(3, 100_000);
    world.params.block_bytes_max = 1_000_000;
    let wide: Vec<Transaction> = inputs.iter().map(|input| pay(std::slice::from_ref(input), &[40; 1_250])).collect();
    assert!(2 * wide[0].bytes() <= OVERDUE_BYTES_MAX && 3 * wide[0].bytes() > OVERDUE_BYTES_MAX);
    let last = single(&inputs[2], 99);
    world.admit(&last).expect("valid");
    world.hand(0, &[&wide[0], &wide[1], &last]);
    assert_eq!(world.order(), ids(&[&wide[0], &wide[1], &last]));
    let other = pay(&[output_of(&wide[0], 0), output_of(&wide[0], 1)], &[60]);
    world.admit(&other).expect("valid");
    assert_eq!(world.order(), ids(&[&wide[0], &wide[1], &last, &other]));
}

#[test]
fn what_was_included_or_is_invalid_is_not_let_in_by_handing_over() {
    let (mut world, inputs) = World::new(2, 100_000);
    let done = single(&inputs[0], 1);
    world.switch(&[], &[&block(10, std::slice::from_ref(&done))]);
    let invalid = pay(&inputs[1..], &[100_001]);
    let missing = single(&Input { outpoint: OutPoint { txid: txid(99), index: 0 }, ..inputs[1].clone() }, 1);
    world.hand(1, &[&done, &invalid, &missing]);
    assert!(world.pool.is_empty());
    assert_eq!(world.pool.orphans(), 1, "one waits for its parent like any other");
}

/// The head by looking at everything, each time.
#[derive(Default)]
struct Oracle {
    due: BTreeMap<TxId, Time>,
}

impl Oracle {
    fn look(&mut self, world: &World, room: usize) {
        let mut left = room;
        let mut head = BTreeMap::new();
        for (txid, entry) in world.pool.iter() {
            if entry.bytes > left {
                break;
            }
            left -= entry.bytes;
            head.insert(*txid, self.due.get(txid).copied().unwrap_or(world.now).max(entry.ready));
        }
        self.due = head;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever comes, goes, is handed over or finds its end in a block: clocks are those of a naive look at everything, and
    /// all that has one would be in the next block.
    #[test]
    fn clocks_are_those_of_a_naive_look(
        recipes in recipes(),
        room in 150usize..3_000,
        steps in prop::collection::vec((any::<u8>(), any::<prop::sample::Index>(), 0u64..400), 1..40),
    ) {
        let (mut world, inputs) = world_with_room(4, room);
        world.drift_ms = 700;
        let cooked = cook(&recipes, &inputs);
        let mut oracle = Oracle::default();
        for (what, which, ms) in steps {
            world.now = world.now.plus_ms(ms);
            let transaction = which.get(&cooked).clone();
            match what % 4 {
                0 | 1 => drop(world.admit(&transaction)),
                2 => world.hand(u16::from(what / 4) % 3, &[&transaction]),
                _ => {
                    let next = world.select(Order::Arrival, room.min(1 + usize::from(what) * 8), &[]);
                    let next: Vec<Transaction> =
                        next.iter().map(|txid| world.pool.get(txid).expect("held").transaction.clone()).collect();
                    let block = block(world.place.height.0, &next);
                    world.switch(&[], &[&block]);
                }
            }
            let oldest = world.pool.oldest_due(world.now);
            world.pool.check();
            oracle.look(&world, room);
            let clocks: BTreeMap<TxId, Time> =
                world.pool.iter().filter_map(|(txid, entry)| Some((*txid, entry.due?))).collect();
            prop_assert_eq!(&clocks, &oracle.due);
            prop_assert_eq!(oldest, clocks.values().min().copied().filter(|due| *due <= world.now));
            let next = world.select(Order::Arrival, room, &[]);
            prop_assert!(clocks.keys().all(|txid| next.contains(txid)), "what is due would be in the next block");
        }
    }
}
