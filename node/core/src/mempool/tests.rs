use super::memory::Refusals;
use super::{FeeRate, Mempool, MempoolConfig, Next, Order, Taken, cluster};
use crate::io::{Admitted, DropReason, Notice, Refusal, Refused, Trial};
use crate::limits::{
    LOOSE_MAX, ORPHAN_EXPIRY_MS, ORPHANS_PER_PEER_MAX, REANNOUNCE_AFTER_MS, REFUSAL_RETRY_MS, REFUSALS_MAX,
};
use crate::testing::{Input, amount, block, coins, lock, output_of, transfer, txid, update};
use bezant_consensus::engine::{PayloadRequest, Peer};
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::block::Block;
use bezant_consensus::ledger::coins::Coin;
use bezant_consensus::ledger::genesis::LedgerParams;
use bezant_consensus::ledger::hash::{LockHash, TxHash, TxId};
use bezant_consensus::ledger::lock::{Lock, LockTime};
use bezant_consensus::ledger::rules::TxError;
use bezant_consensus::ledger::rules::context::{self, Place};
use bezant_consensus::ledger::transaction::{Body, OutPoint, Transaction};
use bezant_consensus::ledger::units::{Height, Time};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

mod fairness;
mod floor;
mod naive;
mod packages;
mod replacement;

const NOW: Time = Time(1_000_000);

/// A mempool on a chain of which only coins and place are known.
struct World {
    pool: Mempool,
    coins: BTreeMap<OutPoint, Coin>,
    params: LedgerParams,
    place: Place,
    now: Time,
    drift_ms: u64,
    notices: Vec<Notice>,
}

impl World {
    fn new(count: u8, grains: u64) -> (World, Vec<Input>) {
        World::with(count, grains, MempoolConfig::default())
    }

    fn with(count: u8, grains: u64, config: MempoolConfig) -> (World, Vec<Input>) {
        let (coins, inputs) = coins(count, grains);
        let params = LedgerParams {
            block_bytes_max: 100_000,
            coinbase_maturity: 3,
            subsidy: Amount::ZERO,
            halving_interval: 0,
            relay_fee_rate_min: 0,
        };
        let place = Place { height: Height(10), time: 1_000 };
        let pool = Mempool::new(config, Order::Arrival, &params);
        (World { pool, coins, params, place, now: NOW, drift_ms: 0, notices: Vec::new() }, inputs)
    }

    fn parts(&mut self) -> (&mut Mempool, Next<'_>, &mut Vec<Notice>) {
        let World { pool, coins, params, place, now, drift_ms, notices } = self;
        (pool, Next { now: *now, place: *place, coins, params, drift_ms: *drift_ms }, notices)
    }

    fn admit(&mut self, transaction: &Transaction) -> Result<Admitted, Refusal> {
        let (pool, next, notices) = self.parts();
        let result = pool.admit(next, transaction.clone(), notices);
        self.pool.check();
        result
    }

    fn admit_package(&mut self, transactions: &[&Transaction]) -> Result<Vec<Admitted>, Refused> {
        let transactions = shared(transactions);
        let (pool, next, notices) = self.parts();
        let result = pool.admit_package(next, &transactions, notices);
        self.pool.check();
        result
    }

    fn test(&mut self, transactions: &[&Transaction]) -> Result<Trial, Refused> {
        let transactions = shared(transactions);
        let (pool, next, _) = self.parts();
        pool.test(next, &transactions)
    }

    fn gossip(&mut self, peer: u64, transaction: &Transaction) {
        let (pool, next, notices) = self.parts();
        pool.admit_from(next, Peer(peer), transaction.clone(), notices);
        self.pool.check();
    }

    /// Changes the coins as the blocks say, and tells the mempool.
    fn switch(&mut self, disconnected: &[&Block], connected: &[&Block]) {
        for transaction in disconnected.iter().flat_map(|block| block.transactions.iter().rev()) {
            for index in 0..transaction.outputs().len() {
                self.coins.remove(&OutPoint { txid: transaction.id(), index: index as u32 });
            }
            for (input, witness) in transaction.inputs().iter().zip(transaction.witnesses()) {
                let bezant_consensus::ledger::transaction::Witness::Spend(spend) = witness else { continue };
                let (amount, lock) = (spend.amount, spend.lock.hash());
                self.coins.insert(*input, Coin { amount, lock, height: Height(1), coinbase: false });
            }
        }
        for (block, transaction) in
            connected.iter().flat_map(|block| block.transactions.iter().map(move |transaction| (block, transaction)))
        {
            for input in transaction.inputs() {
                self.coins.remove(input).expect("tests connect valid blocks");
            }
            for (index, output) in transaction.outputs().iter().enumerate() {
                let outpoint = OutPoint { txid: transaction.id(), index: index as u32 };
                let height = Height(u64::from(block.header.time));
                let coin =
                    Coin { amount: output.amount, lock: output.lock, height, coinbase: transaction.is_coinbase() };
                self.coins.insert(outpoint, coin);
            }
        }
        let update = update(disconnected, connected);
        let (pool, next, notices) = self.parts();
        pool.note(next.params, &update, notices);
        pool.reconcile(next, notices);
        // Only some were judged again; all must be as if they had been.
        for entry in pool.held() {
            let judged = pool.judge(next, &entry.transaction).expect("what stays is valid");
            assert_eq!(judged.opens, entry.opens);
        }
        self.pool.check();
    }

    fn order(&self) -> Vec<TxId> {
        self.pool.iter().map(|(txid, _)| *txid).collect()
    }

    fn select(&mut self, order: Order, bytes_max: usize, above: &[&Block]) -> Vec<TxId> {
        let taken: Vec<Arc<Taken>> = above.iter().map(|block| Arc::new(Taken::of(block))).collect();
        let request = self.request(bytes_max);
        self.pool.select(order, &request, &taken, None).iter().map(Transaction::id).collect()
    }

    fn request(&self, bytes_max: usize) -> PayloadRequest {
        PayloadRequest { ticket: 1, height: self.place.height, time: self.place.time, bytes_max, above: Vec::new() }
    }

    fn dropped(&self) -> Vec<(TxId, DropReason)> {
        let dropped = |notice: &Notice| match notice {
            Notice::Dropped { txid, reason } => Some((*txid, *reason)),
            Notice::Pooled { .. } | Notice::Engine(_) => None,
        };
        self.notices.iter().filter_map(dropped).collect()
    }
}

fn shared(transactions: &[&Transaction]) -> Vec<Transaction> {
    transactions.iter().copied().cloned().collect()
}

fn pay(inputs: &[Input], outputs: &[u64]) -> Transaction {
    transfer(inputs, outputs, LockTime::NONE)
}

fn ids(transactions: &[&Transaction]) -> Vec<TxId> {
    transactions.iter().map(|transaction| transaction.id()).collect()
}

/// A chain of `count` transactions, each spending the one before and paying 10 grains.
fn chain(first: &Input, count: usize) -> Vec<Transaction> {
    let mut input = first.clone();
    (0..count)
        .map(|_| {
            let transaction = pay(std::slice::from_ref(&input), &[input.grains - 10]);
            input = output_of(&transaction, 0);
            transaction
        })
        .collect()
}

#[test]
fn the_first_spender_of_a_coin_stays_unless_another_pays_more() {
    let (mut world, inputs) = World::new(2, 1_000);
    let first = pay(&inputs[..1], &[900]);
    let second = pay(&inputs, &[1_900]);
    assert_eq!(world.admit(&first), Ok(Admitted { txid: first.id(), known: false }));
    let refusal = Refusal::ReplacementFee { count: 1, fee: amount(100), least: amount(101) };
    assert_eq!(world.admit(&second), Err(refusal));
    assert_eq!(world.admit(&first), Ok(Admitted { txid: first.id(), known: true }));
    assert_eq!(world.order(), ids(&[&first]));
}

#[test]
fn refusals_by_rules_of_the_ledger() {
    let (mut world, inputs) = World::new(1, 1_000);
    let missing = OutPoint { txid: txid(77), index: 0 };
    let mut other_lock = inputs[0].clone();
    other_lock.lock = lock(9);
    let cases = [
        (pay(&[Input { outpoint: missing, ..inputs[0].clone() }], &[1]), TxError::MissingCoin(missing)),
        (pay(&[other_lock], &[1]), TxError::CoinMismatch(0)),
        (pay(&inputs, &[1_001]), TxError::OutputsExceedInputs { outputs: amount(1_001), inputs: amount(1_000) }),
        (
            transfer(&inputs, &[1], LockTime::Height(Height(11))),
            TxError::Locked { until: LockTime::Height(Height(11)) },
        ),
        (transfer(&inputs, &[1], LockTime::Time(1_001)), TxError::Locked { until: LockTime::Time(1_001) }),
    ];
    for (transaction, error) in cases {
        assert_eq!(world.admit(&transaction), Err(Refusal::Rule(error)));
    }
    assert!(world.pool.is_empty());
}

#[test]
fn the_least_fee_is_rounded_up() {
    let (mut world, inputs) = World::new(1, 1_000);
    let bytes = pay(&inputs, &[999]).bytes() as u64;
    world.params.relay_fee_rate_min = 1_001;
    let least = (bytes * 1_001).div_ceil(1_000);
    let poor = pay(&inputs, &[1_000 - least + 1]);
    let refusal = Refusal::FeeTooLow { fee: amount(least - 1), least: amount(least) };
    assert_eq!(world.admit(&poor), Err(refusal));
    assert!(world.admit(&pay(&inputs, &[1_000 - least])).is_ok());

    let config = MempoolConfig { fee_rate_min: Some(0), ..MempoolConfig::default() };
    let (mut world, inputs) = World::with(1, 1_000, config);
    world.params.relay_fee_rate_min = 1_000_000;
    assert!(world.admit(&pay(&inputs, &[1_000])).is_ok(), "the configured rate wins");
}

#[test]
fn chains_are_bounded_however_they_are_connected() {
    let (mut world, inputs) = World::new(2, 1_000);
    let chain = chain(&inputs[0], 26);
    for transaction in &chain[..25] {
        assert!(world.admit(transaction).is_ok());
    }
    assert_eq!(world.admit(&chain[25]), Err(Refusal::ChainTooLong { count: 26, allowed: 25 }));
    let joining = pay(&[output_of(&chain[24], 0), inputs[1].clone()], &[1]);
    assert_eq!(world.admit(&joining), Err(Refusal::ChainTooLong { count: 26, allowed: 25 }));
    assert!(world.admit(&pay(&inputs[1..], &[1])).is_ok());
}

#[test]
fn when_full_the_worst_paying_chunk_goes() {
    let config = MempoolConfig { count_max: 3, ..MempoolConfig::default() };
    let (mut world, inputs) = World::with(5, 1_000, config);
    let parent = pay(&inputs[..1], &[1_000]);
    let child = pay(&[output_of(&parent, 0)], &[999]);
    let good = pay(&inputs[1..2], &[900]);
    for transaction in [&parent, &child, &good] {
        assert!(world.admit(transaction).is_ok());
    }
    // The child pays for its parent too, but little.
    assert_eq!(world.admit(&pay(&inputs[2..3], &[1_000])), Err(Refusal::Full));
    let better = pay(&inputs[2..3], &[950]);
    let trial = world.test(&[&better]).expect("would be let in");
    assert_eq!(trial.transactions[0].fee, Some(amount(50)));
    let mut evicts = ids(&[&child, &parent]);
    evicts.sort_unstable();
    assert_eq!((trial.evicts, trial.replaces), (evicts, Vec::new()));
    assert!(world.admit(&better).is_ok());
    assert_eq!(world.dropped(), [(child.id(), DropReason::Evicted), (parent.id(), DropReason::Evicted)]);
    assert_eq!(world.order(), ids(&[&good, &better]));
    let equal = pay(&inputs[3..4], &[950]);
    assert!(world.admit(&equal).is_ok());
    world.pool.floor = super::floor::Floor::default();
    assert_eq!(world.admit(&pay(&inputs[4..5], &[950])), Err(Refusal::Full), "equals do not displace each other");
}

#[test]
fn a_child_that_pays_for_its_parents_displaces_others_and_a_poor_one_displaces_nobody() {
    let config = MempoolConfig { count_max: 3, ..MempoolConfig::default() };
    let (mut world, inputs) = World::with(3, 1_000, config);
    let parent = pay(&inputs[..1], &[1_000]);
    let child = pay(&[output_of(&parent, 0)], &[999]);
    let good = pay(&inputs[1..2], &[900]);
    for transaction in [&parent, &child, &good] {
        assert!(world.admit(transaction).is_ok());
    }
    let poor_heir = pay(&[output_of(&child, 0)], &[998]);
    assert_eq!(world.admit(&poor_heir), Err(Refusal::Full), "nobody takes the place of those it needs");
    let heir = pay(&[output_of(&child, 0)], &[1]);
    assert!(world.admit(&heir).is_ok(), "three together pay better than the one");
    assert_eq!(world.dropped(), [(good.id(), DropReason::Evicted)]);
    assert_eq!(world.order(), ids(&[&parent, &child, &heir]));
}

#[test]
fn what_waits_too_long_expires_with_what_spends_from_it() {
    let config = MempoolConfig { expiry_ms: 1_000, ..MempoolConfig::default() };
    let (mut world, inputs) = World::with(2, 1_000, config);
    let chain = chain(&inputs[0], 2);
    world.admit(&chain[0]).expect("valid");
    world.now = NOW.plus_ms(500);
    world.admit(&chain[1]).expect("valid");
    let other = pay(&inputs[1..], &[1]);
    world.admit(&other).expect("valid");
    assert_eq!(world.pool.next_expiry(), Some(NOW.plus_ms(1_000)));
    world.pool.expire(NOW.plus_ms(999), &mut world.notices);
    assert_eq!(world.pool.len(), 3);
    world.pool.expire(NOW.plus_ms(1_000), &mut world.notices);
    world.pool.check();
    assert_eq!(world.dropped(), [(chain[1].id(), DropReason::Expired), (chain[0].id(), DropReason::Expired)]);
    assert_eq!(world.order(), ids(&[&other]));
}

#[test]
fn included_transactions_leave_and_losers_go_with_their_heirs() {
    let (mut world, inputs) = World::new(3, 1_000);
    let chain = chain(&inputs[0], 2);
    let loser = pay(&inputs[1..2], &[900]);
    let heir = pay(&[output_of(&loser, 0)], &[800]);
    for transaction in [&chain[0], &chain[1], &loser, &heir] {
        world.admit(transaction).expect("valid");
    }
    let winner = pay(&inputs[1..2], &[500]);
    world.switch(&[], &[&block(10, &[chain[0].clone(), winner.clone()])]);
    assert_eq!(world.dropped(), [(heir.id(), DropReason::Conflict), (loser.id(), DropReason::Conflict)]);
    assert_eq!(world.order(), ids(&[&chain[1]]));
    assert_eq!(world.admit(&winner), Ok(Admitted { txid: winner.id(), known: true }), "it was in a block already");
    world.pool.included = super::memory::Included::new(&[0; 32]);
    assert_eq!(world.admit(&winner), Ok(Admitted { txid: winner.id(), known: true }), "its coin tells");
    let lock_mismatch = pay(&inputs[1..2], &[499]);
    assert_eq!(world.admit(&lock_mismatch), Err(Refusal::Rule(TxError::MissingCoin(inputs[1].outpoint))));
}

#[test]
fn a_reorg_brings_transactions_back_in_their_old_order() {
    let (mut world, inputs) = World::new(4, 1_000);
    let chain = chain(&inputs[0], 4);
    let other = pay(&inputs[1..2], &[900]);
    let lower = block(10, &[chain[0].clone(), chain[1].clone()]);
    let upper = block(11, &[other.clone(), chain[2].clone()]);
    world.switch(&[], &[&lower, &upper]);
    let waiting = pay(&inputs[2..3], &[900]);
    for transaction in [&waiting, &chain[3]] {
        world.admit(transaction).expect("valid");
    }
    let rival = pay(&inputs[1..2], &[400]);
    world.switch(&[&upper, &lower], &[&block(20, &[chain[0].clone(), rival])]);
    assert_eq!(world.order(), ids(&[&chain[1], &chain[2], &waiting, &chain[3]]), "before all that came later");
    assert_eq!(world.dropped(), [(other.id(), DropReason::Conflict)]);
    assert_eq!(world.select(Order::Arrival, 100_000, &[]), world.order());
}

#[test]
fn a_reorg_may_bring_back_more_than_may_be_submitted() {
    let (mut world, inputs) = World::new(1, 10_000);
    let chain = chain(&inputs[0], 200);
    let blocks = [block(10, &chain[..100]), block(11, &chain[100..])];
    world.switch(&[], &[&blocks[0], &blocks[1]]);
    world.switch(&[&blocks[1], &blocks[0]], &[]);
    assert_eq!(world.order(), ids(&chain.iter().collect::<Vec<_>>()));
    assert_eq!(world.select(Order::FeeRate, 100_000, &[]), world.order());
    assert!(world.dropped().is_empty());
}

#[test]
fn a_reorg_drops_what_is_not_valid_any_more() {
    let (mut world, inputs) = World::new(2, 1_000);
    let reward = OutPoint { txid: txid(50), index: 0 };
    let coin = Coin { amount: amount(500), lock: lock(0).hash(), height: Height(7), coinbase: true };
    world.coins.insert(reward, coin);
    let spender = pay(&[Input { outpoint: reward, grains: 500, lock: lock(0) }], &[400]);
    let heir = pay(&[output_of(&spender, 0)], &[300]);
    let timed = transfer(&inputs[..1], &[900], LockTime::Height(Height(10)));
    let fine = pay(&inputs[1..], &[900]);
    for transaction in [&spender, &heir, &timed, &fine] {
        world.admit(transaction).expect("valid at height 10");
    }
    world.place.height = Height(9);
    world.switch(&[&block(9, &[])], &[]);
    let invalid = |transaction: &Transaction| (transaction.id(), DropReason::Invalid);
    assert_eq!(world.dropped(), [invalid(&heir), invalid(&spender), invalid(&timed)]);
    assert_eq!(world.order(), ids(&[&fine]));
}

#[test]
fn time_locks_stop_the_clock_until_everyone_must_have_reached_them() {
    let (mut world, inputs) = World::new(3, 1_000);
    world.drift_ms = 5_000;
    let locked = transfer(&inputs[..1], &[900], LockTime::Time(999));
    let heir = pay(&[output_of(&locked, 0)], &[800]);
    let long_open = transfer(&inputs[1..2], &[900], LockTime::Time(10));
    for transaction in [&locked, &heir] {
        world.admit(transaction).expect("the place's time is 1000");
    }
    assert_eq!(world.pool.oldest_due(NOW), None);
    assert_eq!(world.pool.oldest_due(Time(1_004_000)), Some(Time(1_004_000)));
    let due = world.pool.get(&heir.id()).and_then(|entry| entry.due);
    assert_eq!(due, Some(Time(1_004_000)), "not before its parent");
    world.admit(&long_open).expect("valid");
    assert_eq!(world.pool.oldest_due(NOW), Some(NOW));
    assert_eq!(world.select(Order::Arrival, 100_000, &[]).len(), 3, "due or not, it may be taken");
    world.place.time = 998;
    assert_eq!(world.select(Order::Arrival, 100_000, &[]), ids(&[&long_open]), "an earlier block may not take it");
}

#[test]
fn relative_locks_count_from_the_coin() {
    let (mut world, inputs) = World::new(1, 1_000);
    let older = |blocks| Lock::Older(blocks);
    let outpoint = OutPoint { txid: txid(60), index: 0 };
    let coin = Coin { amount: amount(100), lock: older(3).hash(), height: Height(8), coinbase: false };
    world.coins.insert(outpoint, coin);
    let spender = pay(&[Input { outpoint, grains: 100, lock: older(3) }], &[50]);
    let until = LockTime::Height(Height(11));
    assert_eq!(world.admit(&spender), Err(Refusal::Rule(TxError::Locked { until })));
    world.place.height = Height(11);
    assert!(world.admit(&spender).is_ok());
    world.place.height = Height(10);
    assert!(world.select(Order::FeeRate, 100_000, &[]).is_empty());
    assert!(world.admit(&pay(&inputs, &[1])).is_ok());
}

#[test]
fn what_blocks_above_the_tip_hold_or_spend_is_left_out() {
    let (mut world, inputs) = World::new(4, 1_000);
    let held = chain(&inputs[0], 3);
    let loser = chain(&inputs[1], 2);
    let free = pay(&inputs[2..3], &[900]);
    for transaction in held.iter().chain(&loser).chain([&free]) {
        world.admit(transaction).expect("valid");
    }
    let rival = pay(&[inputs[1].clone(), inputs[3].clone()], &[1]);
    let above = [block(10, &[held[0].clone()]), block(11, &[rival, held[1].clone()])];
    let above: Vec<&Block> = above.iter().collect();
    for order in [Order::Arrival, Order::FeeRate] {
        let mut chosen = world.select(order, 100_000, &above);
        chosen.sort_unstable();
        let mut expected = ids(&[&held[2], &free]);
        expected.sort_unstable();
        assert_eq!(chosen, expected, "{order:?}");
    }
}

#[test]
fn in_the_order_of_arrival_clusters_wait_to_be_put_in_order_but_not_too_many() {
    let (mut world, inputs) = World::new(5, 100_000);
    let wide: Vec<Transaction> = inputs.iter().map(|input| pay(std::slice::from_ref(input), &[40; 1_000])).collect();
    world.switch(&[], &[&block(10, &wide)]);
    for (number, index) in (0..wide.len() as u32 * 1_000).enumerate().take(LOOSE_MAX + 2) {
        let place = index as usize / 1_000;
        world.admit(&pay(&[output_of(&wide[place], index % 1_000)], &[30])).expect("valid");
        let expected = if number < LOOSE_MAX { number + 1 } else { number - LOOSE_MAX };
        assert_eq!(world.pool.loose.len(), expected);
    }
}

#[test]
fn outputs_are_found_by_their_whole_lock() {
    let (mut world, inputs) = World::new(1, 100);
    let locks = [[7; 32], [[7; 31].as_slice(), &[8]].concat().try_into().expect("32 bytes")].map(LockHash);
    let mut transaction = pay(&inputs, &[10, 20, 30]);
    let Body::Transfer(transfer) = transaction.body_mut() else { unreachable!("it moves coins") };
    transfer.outputs.iter_mut().zip([locks[0], locks[1], locks[0]]).for_each(|(output, lock)| output.lock = lock);
    world.admit(&transaction).expect("valid");
    let found = |lock| world.pool.outputs_to(lock).map(|(outpoint, _)| outpoint.index).collect::<Vec<_>>();
    assert_eq!((found(locks[0]), found(locks[1]), found(LockHash([9; 32]))), (vec![0, 2], vec![1], vec![]));
}

#[test]
fn blocks_are_filled_by_arrival_or_by_what_pays_best_together() {
    let (mut world, inputs) = World::new(4, 100_000);
    let poor_parent = pay(&inputs[..1], &[100_000]);
    let rich_child = pay(&[output_of(&poor_parent, 0)], &[10_000]);
    let middle = pay(&inputs[1..2], &[90_000]);
    let poor = pay(&inputs[2..3], &[99_000]);
    for transaction in [&poor, &poor_parent, &middle, &rich_child] {
        world.admit(transaction).expect("valid");
    }
    let bytes = middle.bytes();
    assert_eq!(world.select(Order::Arrival, 4 * bytes, &[]), ids(&[&poor, &poor_parent, &middle, &rich_child]));
    assert_eq!(world.select(Order::Arrival, 2 * bytes, &[]), ids(&[&poor, &poor_parent]));
    assert_eq!(world.select(Order::FeeRate, 4 * bytes, &[]), ids(&[&poor_parent, &rich_child, &middle, &poor]));
    assert_eq!(world.select(Order::FeeRate, 3 * bytes, &[]), ids(&[&poor_parent, &rich_child, &middle]));
    assert_eq!(world.select(Order::FeeRate, 3 * bytes - 1, &[]), ids(&[&poor_parent, &rich_child]));
    assert!(world.select(Order::FeeRate, bytes - 1, &[]).is_empty());
}

#[test]
fn orphans_wait_for_their_parents() {
    let (mut world, inputs) = World::new(2, 1_000);
    let chain = chain(&inputs[0], 4);
    for transaction in chain.iter().rev() {
        world.gossip(1, transaction);
    }
    assert_eq!((world.pool.len(), world.pool.orphans()), (4, 0));
    assert_eq!(world.order(), ids(&chain.iter().collect::<Vec<_>>()));

    let parent = pay(&inputs[1..], &[900]);
    let child = pay(&[output_of(&parent, 0)], &[800]);
    world.gossip(1, &child);
    assert_eq!(world.pool.orphans(), 1);
    world.switch(&[], &[&block(10, &[parent])]);
    assert!(world.pool.contains(&child.id()), "a parent in a block will do");
}

#[test]
fn orphans_are_bounded_per_peer_and_do_not_wait_for_ever() {
    let (mut world, _) = World::new(1, 1_000);
    let orphan = |n: usize| {
        let outpoint = OutPoint { txid: txid(200), index: n as u32 };
        pay(&[Input { outpoint, grains: 1_000, lock: lock(0) }], &[1])
    };
    for n in 0..ORPHANS_PER_PEER_MAX + 5 {
        world.gossip(1, &orphan(n));
    }
    world.now = NOW.plus_ms(1);
    world.gossip(2, &orphan(9_999));
    assert_eq!(world.pool.orphans(), ORPHANS_PER_PEER_MAX + 1);
    assert!(!world.pool.orphans.contains(&orphan(0).hash()), "the oldest went");
    world.pool.expire(NOW.plus_ms(ORPHAN_EXPIRY_MS), &mut world.notices);
    assert_eq!(world.pool.orphans(), 1);
    world.pool.disconnected(Peer(2));
    assert_eq!(world.pool.orphans(), 0);
}

#[test]
fn refusals_are_remembered_by_full_hash_and_forgotten_when_they_may_be_over() {
    let hash = |n: u32| {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&n.to_le_bytes());
        TxHash(bytes)
    };
    let mut refusals = Refusals::default();
    refusals.remember(NOW, hash(1), &Refusal::Rule(TxError::CoinMismatch(0)));
    refusals.remember(NOW, hash(2), &Refusal::Full);
    let retry = NOW.plus_ms(REFUSAL_RETRY_MS);
    assert!(refusals.holds(retry, &hash(1)) && !refusals.holds(retry, &hash(2)));
    assert!(refusals.holds(NOW, &hash(2)));
    refusals.forget_passing();
    assert!(refusals.holds(NOW, &hash(1)) && !refusals.holds(NOW, &hash(2)));
    for n in 10..10 + REFUSALS_MAX as u32 {
        refusals.remember(NOW, hash(n), &Refusal::Rule(TxError::CoinMismatch(0)));
    }
    assert!(!refusals.holds(NOW, &hash(1)) && refusals.holds(NOW, &hash(10)));
    refusals.forget_all();
    assert!(!refusals.holds(NOW, &hash(10)));
}

#[test]
fn transactions_are_sent_again_in_turns() {
    let (mut world, inputs) = World::new(3, 1_000);
    let transactions: Vec<Transaction> = inputs.iter().map(|input| pay(std::slice::from_ref(input), &[1])).collect();
    for transaction in &transactions {
        world.admit(transaction).expect("valid");
    }
    let later = NOW.plus_ms(REANNOUNCE_AFTER_MS);
    assert!(world.pool.announce_again(Time(later.0 - 1), 2).is_empty());
    let sent = |world: &mut World, now| -> Vec<TxId> {
        world.pool.announce_again(now, 2).iter().map(|transaction| transaction.id()).collect()
    };
    assert_eq!(sent(&mut world, later), ids(&[&transactions[0], &transactions[1]]));
    assert_eq!(sent(&mut world, later), ids(&[&transactions[2]]));
    assert!(sent(&mut world, later).is_empty());
    world.pool.check();
}

#[test]
fn configurations_are_checked() {
    let fine = MempoolConfig::default();
    assert_eq!(fine.check(), Ok(()));
    for (config, field) in [
        (MempoolConfig { bytes_max: 99_999, ..fine.clone() }, "bytes_max"),
        (MempoolConfig { count_max: 0, ..fine.clone() }, "count_max"),
        (MempoolConfig { expiry_ms: 0, ..fine.clone() }, "expiry_ms"),
        (MempoolConfig { chain_max: 129, ..fine }, "chain_max"),
    ] {
        assert_eq!(config.check().map_err(|error| error.field), Err(field));
    }
}

/// A transaction of the generated kind: which coins it spends, how much it pays, when it opens.
type Recipe = (prop::sample::Index, prop::sample::Index, u64, u8, bool);

/// Transactions that spend from given coins and from each other, now and then the same coin twice.
fn cook(recipes: &[Recipe], inputs: &[Input]) -> Vec<Transaction> {
    let mut coins = inputs.to_vec();
    let mut cooked = Vec::new();
    for (first, second, fee, opens, two) in recipes {
        let mut spent = vec![coins[first.index(coins.len())].clone()];
        let other = &coins[second.index(coins.len())];
        if *two && other.outpoint != spent[0].outpoint {
            spent.push(other.clone());
        }
        let grains: u64 = spent.iter().map(|input| input.grains).sum();
        let rest = grains.saturating_sub(*fee).max(2);
        let opens = match opens % 8 {
            0 => LockTime::Height(Height(u64::from(opens / 8))),
            1 => LockTime::Time(990 + u32::from(opens / 8)),
            _ => LockTime::NONE,
        };
        let transaction = transfer(&spent, &[rest / 2, rest - rest / 2], opens);
        if cooked.iter().all(|other: &Transaction| other.id() != transaction.id()) {
            coins.extend([output_of(&transaction, 0), output_of(&transaction, 1)]);
            cooked.push(transaction);
        }
    }
    cooked
}

fn recipes() -> impl Strategy<Value = Vec<Recipe>> {
    let index = any::<prop::sample::Index>;
    prop::collection::vec((index(), index(), 0u64..500, any::<u8>(), any::<bool>()), 1..40)
}

/// What an honest but slow block maker would take of `candidates`, in their order: whatever connects.
fn naive(world: &World, above: &[Transaction], candidates: &[Transaction]) -> Vec<TxId> {
    let mut taken: Vec<Transaction> = above.to_vec();
    let count = taken.len();
    for candidate in candidates {
        let is_there = taken.iter().any(|transaction| transaction.id() == candidate.id());
        taken.push(candidate.clone());
        let block = block(world.place.height.0, &taken);
        if is_there || context::connect(&block, &world.coins, world.place, &world.params).is_err() {
            taken.pop();
        }
    }
    taken[count..].iter().map(Transaction::id).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever is selected connects above the blocks given, in both orders and for any room; by arrival and with room for all,
    /// it is exactly what a naive block maker takes.
    #[test]
    fn selections_connect(recipes in recipes(), above in any::<u64>(), later in any::<bool>(), room in 0usize..6_000) {
        let config = MempoolConfig { chain_max: 128, ..MempoolConfig::default() };
        let (mut world, inputs) = World::with(4, 100_000, config);
        let cooked = cook(&recipes, &inputs);
        for transaction in &cooked {
            let _ = world.admit(transaction);
        }
        // A block above the tip takes some of them, known here or not.
        let picked: Vec<Transaction> =
            cooked.iter().enumerate().filter(|(n, _)| above >> (n % 64) & 1 == 1).map(|(_, it)| it.clone()).collect();
        let held = naive(&world, &[], &picked);
        let held: Vec<Transaction> = picked.into_iter().filter(|it| held.contains(&it.id())).collect();
        world.place.height = Height(if later { 14 } else { 10 });
        let above = block(10, &held);
        for order in [Order::Arrival, Order::FeeRate] {
            for bytes_max in [room, 1_000_000] {
                let taken = [Arc::new(Taken::of(&above))];
                let chosen = world.pool.select(order, &world.request(bytes_max), &taken, None);
                prop_assert!(chosen.iter().map(Transaction::bytes).sum::<usize>() <= bytes_max);
                let all = [&held[..], &chosen[..]].concat();
                let connected =
                    context::connect(&block(world.place.height.0, &all), &world.coins, world.place, &world.params);
                prop_assert!(connected.is_ok(), "{order:?}: {connected:?}");
            }
        }
        let arrivals: Vec<Transaction> =
            world.pool.iter().map(|(_, entry)| entry.transaction.clone()).collect();
        prop_assert_eq!(world.select(Order::Arrival, 1_000_000, &[&above]), naive(&world, &held, &arrivals));
    }

    /// Blocks come and go; what waits is always valid together, nothing is lost without a reason, and promises hold.
    #[test]
    fn the_mempool_follows_the_chain(recipes in recipes(), cuts in prop::collection::vec(any::<u64>(), 1..5)) {
        let (mut world, inputs) = World::with(4, 100_000, MempoolConfig { chain_max: 128, ..MempoolConfig::default() });
        let cooked = cook(&recipes, &inputs);
        for transaction in &cooked {
            let _ = world.admit(transaction);
        }
        let accepted: BTreeSet<TxId> = world.order().into_iter().collect();
        for cut in cuts {
            let picked: Vec<Transaction> =
                cooked.iter().enumerate().filter(|(n, _)| cut >> (n % 64) & 1 == 1).map(|(_, it)| it.clone()).collect();
            let held = naive(&world, &[], &picked);
            let held: Vec<Transaction> = picked.into_iter().filter(|it| held.contains(&it.id())).collect();
            let block = block(10, &held);
            world.switch(&[], &[&block]);
            let waiting = world.order();
            prop_assert_eq!(world.select(Order::Arrival, 1_000_000, &[]), waiting);
            world.switch(&[&block], &[]);
            let waiting = world.order();
            prop_assert_eq!(world.select(Order::Arrival, 1_000_000, &[]), waiting.clone());
            let dropped: BTreeSet<TxId> = world.dropped().into_iter().map(|(txid, _)| txid).collect();
            prop_assert!(accepted.iter().all(|txid| waiting.contains(txid) || dropped.contains(txid)));
        }
    }

    /// Orders of clusters hold everything once, parents first, in chunks that do not rise.
    #[test]
    fn cluster_orders_are_sound(links in prop::collection::vec((any::<u16>(), 0u64..1_000, 1u64..300), 1..30)) {
        let mut items: Vec<cluster::Item> = Vec::new();
        for (place, (parents, fee, bytes)) in links.iter().enumerate() {
            let parents = (0..place).filter(|parent| parents >> (parent % 16) & 1 == 1 && (place - parent) < 5).collect();
            items.push(cluster::Item { txid: txid(place as u8), rate: FeeRate { fee: *fee, bytes: *bytes }, parents });
        }
        let chunks = cluster::chunks(&items);
        let order: Vec<TxId> = chunks.iter().flat_map(|chunk| chunk.txids.clone()).collect();
        prop_assert_eq!(order.iter().collect::<BTreeSet<_>>().len(), items.len());
        prop_assert_eq!(order.len(), items.len());
        let place_of = |txid: &TxId| order.iter().position(|other| other == txid).expect("all are there");
        for item in &items {
            prop_assert!(item.parents.iter().all(|parent| place_of(&items[*parent].txid) < place_of(&item.txid)));
        }
        prop_assert!(chunks.windows(2).all(|pair| pair[0].rate >= pair[1].rate));
    }
}
