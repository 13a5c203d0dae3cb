//! The mempool beside a model that keeps a plain list and works everything out anew at each step: who conflicts with whom, what
//! depends on what, every cluster's order, every diagram byte by byte over the whole mempool, and who yields for room. Only the
//! ledger's rules, the order within one cluster, and the rolling minimum are taken from the program; these have tests of
//! their own.

use super::replacement::brute_improves;
use super::*;
use crate::limits::{PACKAGE_COUNT_MAX, REPLACED_MAX};

#[derive(Clone, Debug)]
struct Held {
    transaction: Transaction,
    rate: FeeRate,
    arrival: i64,
    ready: Time,
}

impl Held {
    fn txid(&self) -> TxId {
        self.transaction.id()
    }
}

/// By arrival.
type List = Vec<Held>;

fn spends_from(one: &Held, other: &Held) -> bool {
    one.transaction.inputs().iter().any(|input| input.txid == other.txid())
}

fn spends_with(one: &Transaction, other: &Transaction) -> bool {
    one.inputs().iter().any(|input| other.inputs().contains(input))
}

/// Those for which `is_seed` holds and all that spend from them.
fn with_heirs(list: &List, is_seed: impl Fn(&Held) -> bool) -> BTreeSet<TxId> {
    let mut found = BTreeSet::new();
    // In the order of arrival parents come first.
    for held in list {
        let inherits = held.transaction.inputs().iter().any(|input| found.contains(&input.txid));
        if inherits || is_seed(held) {
            found.insert(held.txid());
        }
    }
    found
}

fn clusters(list: &List) -> Vec<List> {
    let mut clusters: Vec<List> = Vec::new();
    for held in list {
        let joins = |cluster: &List| cluster.iter().any(|other| spends_from(held, other));
        let (mut joined, apart): (Vec<List>, Vec<List>) = clusters.into_iter().partition(joins);
        joined.push(vec![held.clone()]);
        let mut whole = joined.concat();
        whole.sort_by_key(|held| held.arrival);
        clusters = apart;
        clusters.push(whole);
    }
    clusters
}

/// Of one cluster, best first.
fn chunks(cluster: &List) -> Vec<cluster::Chunk> {
    let item = |held: &Held| cluster::Item {
        txid: held.txid(),
        rate: held.rate,
        parents: (0..cluster.len()).filter(|place| spends_from(held, &cluster[*place])).collect(),
    };
    cluster::chunks(&cluster.iter().map(item).collect::<Vec<_>>())
}

fn diagram_of(list: &List) -> Vec<FeeRate> {
    clusters(list).iter().flat_map(chunks).map(|chunk| chunk.rate).collect()
}

/// The chunk that yields first: the worst, of equal ones the one that came (with those before it) last.
fn worst(list: &List) -> (FeeRate, Vec<TxId>) {
    let mut all: Vec<(FeeRate, std::cmp::Reverse<i64>, Vec<TxId>)> = Vec::new();
    for cluster in clusters(list) {
        let mut latest = i64::MIN;
        let chunks = chunks(&cluster);
        for chunk in &chunks {
            let arrivals = cluster.iter().filter(|held| chunk.txids.contains(&held.txid())).map(|held| held.arrival);
            latest = latest.max(arrivals.max().expect("chunks hold something"));
        }
        // Only the last chunk of a cluster can go by itself; it is the worst of them.
        let last = chunks.last().expect("clusters hold something");
        all.push((last.rate, std::cmp::Reverse(latest), last.txids.clone()));
    }
    let (rate, _, txids) = all.into_iter().min().expect("something is here");
    (rate, txids)
}

struct Model {
    list: List,
    last: i64,
    first: i64,
    included: BTreeSet<TxId>,
    /// What happened, to see that something did.
    replaced: usize,
    evicted: usize,
    packages: usize,
    refused: BTreeMap<&'static str, usize>,
}

impl Model {
    fn holds(&self, txid: &TxId) -> bool {
        self.list.iter().any(|held| held.txid() == *txid)
    }

    fn coins(&self, world: &World, coming: &[Held]) -> BTreeMap<OutPoint, Coin> {
        let mut coins = world.coins.clone();
        for held in self.list.iter().chain(coming) {
            for (index, output) in (0..).zip(held.transaction.outputs()) {
                let (amount, lock) = (output.amount, output.lock);
                let coin = Coin { amount, lock, height: world.place.height, coinbase: false };
                coins.insert(OutPoint { txid: held.txid(), index }, coin);
            }
        }
        coins
    }

    fn judge(&self, world: &World, coming: &[Held], transaction: &Transaction) -> Result<Held, TxError> {
        let fee =
            context::check_transaction(transaction, &self.coins(world, coming), world.place, &world.params)?.grains();
        let rate = FeeRate { fee, bytes: transaction.bytes() as u64 };
        Ok(Held { transaction: transaction.clone(), rate, arrival: 0, ready: world.now })
    }

    /// What the mempool should say, and what should be here then.
    fn admit(&mut self, world: &World, floor: u64, transactions: &[&Transaction]) -> Result<(), &'static str> {
        let config = &world.pool.config;
        let mut new = Vec::new();
        for transaction in transactions {
            let txid = transaction.id();
            let is_spendable = |index: usize| world.coins.contains_key(&OutPoint { txid, index: index as u32 });
            if self.holds(&txid) || self.included.contains(&txid) {
                continue;
            }
            match self.judge(world, &new, transaction) {
                Ok(mut held) => {
                    held.arrival = self.last + 1 + new.len() as i64;
                    new.push(held);
                }
                Err(TxError::MissingCoin(_)) if (0..transaction.outputs().len()).any(is_spendable) => {}
                Err(error) => return Err(error.kind()),
            }
        }
        if new.is_empty() {
            return Ok(());
        }
        let replaced =
            with_heirs(&self.list, |held| new.iter().any(|new| spends_with(&new.transaction, &held.transaction)));
        if replaced.len() > REPLACED_MAX {
            return Err("mempool-replaces-too-many");
        }
        if new.iter().flat_map(|new| new.transaction.inputs()).any(|input| replaced.contains(&input.txid)) {
            return Err("mempool-replaces-parent");
        }
        let least = config.fee_rate_min.unwrap_or(world.params.relay_fee_rate_min);
        for (rate, refusal) in [(least, "mempool-fee-too-low"), (floor, "mempool-fee-below-rolling-minimum")] {
            let pays = |chunk: &cluster::Chunk| {
                u128::from(chunk.rate.fee) * 1_000 >= u128::from(rate) * u128::from(chunk.rate.bytes)
            };
            if !chunks(&new).iter().all(pays) {
                return Err(refusal);
            }
        }
        let mut after: List = self.list.iter().filter(|held| !replaced.contains(&held.txid())).cloned().collect();
        after.extend(new.iter().cloned());
        let joined =
            clusters(&after).into_iter().find(|cluster| cluster.iter().any(|held| held.txid() == new[0].txid()));
        if joined.expect("it is somewhere").len() > config.chain_max {
            return Err("mempool-chain-too-long");
        }
        if !replaced.is_empty() {
            let sum = |list: &mut dyn Iterator<Item = &Held>| {
                list.fold((0, 0), |(fee, bytes), held| (fee + held.rate.fee, bytes + held.rate.bytes))
            };
            let old = sum(&mut self.list.iter().filter(|held| replaced.contains(&held.txid())));
            let paid = sum(&mut new.iter());
            if paid.0 < old.0 + (old.1.max(paid.1) * least.max(1)).div_ceil(1_000) {
                return Err("mempool-replacement-fee-too-low");
            }
            if !brute_improves(&diagram_of(&self.list), &diagram_of(&after)) {
                return Err("mempool-replacement-not-better");
            }
        }
        let is_over = |list: &List| {
            list.len() > config.count_max
                || list.iter().map(|held| held.rate.bytes as usize).sum::<usize>() > config.bytes_max
        };
        let mut evicted = 0;
        while is_over(&after) {
            let (_, txids) = worst(&after);
            if new.iter().any(|new| txids.contains(&new.txid())) {
                return Err("mempool-full");
            }
            evicted += txids.len();
            after.retain(|held| !txids.contains(&held.txid()));
        }
        self.last += new.len() as i64;
        self.list = after;
        self.replaced += replaced.len();
        self.evicted += evicted;
        self.packages += usize::from(new.len() > 1);
        Ok(())
    }

    fn drop_all(&mut self, txids: &BTreeSet<TxId>) {
        self.list.retain(|held| !txids.contains(&held.txid()));
    }

    fn connect(&mut self, block: &Block) {
        for transaction in &block.transactions {
            self.included.insert(transaction.id());
            self.list.retain(|held| held.txid() != transaction.id());
            let losers = with_heirs(&self.list, |held| spends_with(&held.transaction, transaction));
            self.drop_all(&losers);
        }
    }

    /// The blocks, highest first, have left; the world's coins are as before them.
    fn disconnect(&mut self, world: &World, blocks: &[Block]) {
        let returning: Vec<&Transaction> =
            blocks.iter().rev().flat_map(|block| &block.transactions).filter(|it| !it.is_coinbase()).collect();
        self.first -= returning.len() as i64;
        for (arrival, transaction) in (self.first..).zip(&returning) {
            self.included.remove(&transaction.id());
            if self.list.iter().any(|held| spends_with(&held.transaction, transaction)) {
                continue;
            }
            if let Ok(held) = self.judge(world, &[], transaction) {
                self.list.push(Held { arrival, ..held });
                self.list.sort_by_key(|held| held.arrival);
            }
        }
        for held in self.list.clone() {
            if self.holds(&held.txid()) && self.judge(world, &[], &held.transaction).is_err() {
                let invalid = with_heirs(&self.list, |other| other.txid() == held.txid());
                self.drop_all(&invalid);
            }
        }
        let config = &world.pool.config;
        while self.list.len() > config.count_max
            || self.list.iter().map(|held| held.rate.bytes as usize).sum::<usize>() > config.bytes_max
        {
            let (_, txids) = worst(&self.list);
            self.evicted += txids.len();
            self.list.retain(|held| !txids.contains(&held.txid()));
        }
    }

    /// Clusters are compared now and then only: what compares them puts them in order.
    fn compare(&self, world: &mut World, with_clusters: bool) {
        let order: Vec<TxId> = self.list.iter().map(Held::txid).collect();
        assert_eq!(world.order(), order);
        if with_clusters {
            world.pool.recluster();
            let mut ours: Vec<(FeeRate, Vec<TxId>)> =
                world.pool.by_rate.iter().map(|(key, txids)| (key.rate, txids.clone())).collect();
            let mut theirs: Vec<(FeeRate, Vec<TxId>)> =
                clusters(&self.list).iter().flat_map(chunks).map(|chunk| (chunk.rate, chunk.txids)).collect();
            ours.sort_by(|one, other| one.1.cmp(&other.1));
            theirs.sort_by(|one, other| one.1.cmp(&other.1));
            assert_eq!(ours, theirs);
        }
        let outputs: BTreeSet<OutPoint> = world.pool.outputs_to(lock(0).hash()).map(|(outpoint, _)| outpoint).collect();
        assert_eq!(outputs.len(), self.list.iter().map(|held| held.transaction.outputs().len()).sum::<usize>());
        for pair in self.list.windows(2) {
            assert!(
                !self
                    .list
                    .iter()
                    .any(|held| held.txid() != pair[0].txid() && spends_with(&held.transaction, &pair[0].transaction))
            );
        }
    }
}

/// Splitmix64: the same numbers everywhere.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % end as u64) as usize
    }
}

/// A transaction over one or two of the coins, paying somewhere between nothing and a lot.
fn make(dice: &mut Dice, coins: &[Input]) -> Transaction {
    // Late coins more often: longer chains.
    let pick = |dice: &mut Dice| coins[dice.below(coins.len()).max(dice.below(coins.len()))].clone();
    let mut spent = vec![pick(dice)];
    let other = pick(dice);
    if dice.below(4) == 0 && other.outpoint != spent[0].outpoint {
        spent.push(other);
    }
    let grains: u64 = spent.iter().map(|input| input.grains).sum();
    let fee = [0, 10, 40, 60, 100, 200, 500, 2_000][dice.below(8)];
    let rest = grains.saturating_sub(fee).max(4);
    let opens = match dice.below(12) {
        0 => LockTime::Height(Height(8 + dice.below(4) as u64)),
        1 => LockTime::Time(998 + dice.below(4) as u32),
        _ => LockTime::NONE,
    };
    let outputs = [vec![rest], vec![rest / 2, rest - rest / 2], vec![rest / 4; 4]];
    transfer(&spent, &outputs[dice.below(3)], opens)
}

/// A few of these, parents first, as a package may come.
fn family(dice: &mut Dice, made: &[Transaction]) -> Vec<Transaction> {
    let last = &made[dice.below(made.len())];
    let mut family = vec![last.clone()];
    let mut place = 0;
    while place < family.len() && family.len() < PACKAGE_COUNT_MAX.min(4) {
        let parents = made.iter().filter(|it| family[place].inputs().iter().any(|input| input.txid == it.id()));
        let fresh: Vec<Transaction> = parents.filter(|it| !family.contains(it)).cloned().collect();
        family.extend(fresh);
        place += 1;
    }
    family.sort_by_key(|it| made.iter().position(|other| other == it));
    family
}

fn run(seed: u64) -> Model {
    let mut dice = Dice(seed);
    let config = MempoolConfig {
        count_max: 4 + dice.below(12),
        fee_rate_min: Some([0, 100, 300][dice.below(3)]),
        chain_max: 3 + dice.below(6),
        expiry_ms: 40_000,
        ..MempoolConfig::default()
    };
    let (mut world, inputs) = World::with(6, 100_000, config);
    let mut model = Model {
        list: Vec::new(),
        last: -1,
        first: 0,
        included: BTreeSet::new(),
        replaced: 0,
        evicted: 0,
        packages: 0,
        refused: BTreeMap::new(),
    };
    let (mut coins, mut made, mut blocks): (Vec<Input>, Vec<Transaction>, Vec<Block>) =
        (inputs, Vec::new(), Vec::new());
    for step in 0..60 {
        world.now = world.now.plus_ms(dice.below(3_000) as u64);
        match dice.below(16) {
            0..=9 => {
                let transaction = make(&mut dice, &coins);
                coins.extend((0..transaction.outputs().len()).map(|index| output_of(&transaction, index as u32)));
                made.push(transaction.clone());
                submit(&mut world, &mut model, &[transaction]);
            }
            10 | 11 if !made.is_empty() => {
                let family = family(&mut dice, &made);
                submit(&mut world, &mut model, &family);
            }
            12 | 13 => {
                let room = dice.below(1_500);
                let order = if dice.below(2) == 0 { Order::Arrival } else { Order::FeeRate };
                let mut taken: Vec<Transaction> = world
                    .select(order, room, &[])
                    .iter()
                    .map(|txid| world.pool.get(txid).expect("held").transaction.clone())
                    .collect();
                // Now and then one that is not here, perhaps against some that are.
                if let Some(other) = made.get(dice.below(made.len() + 1)) {
                    let all = [&taken[..], std::slice::from_ref(other)].concat();
                    let candidate = block(world.place.height.0, &all);
                    if context::connect(&candidate, &world.coins, world.place, &world.params).is_ok() {
                        taken = all;
                    }
                }
                let block = block(world.place.height.0 + step, &taken);
                world.switch(&[], &[&block]);
                model.connect(&block);
                blocks.push(block);
            }
            14 if !blocks.is_empty() => {
                let depth = 1 + dice.below(blocks.len().min(3));
                let mut gone = blocks.split_off(blocks.len() - depth);
                gone.reverse();
                world.place.height = Height([9, 10, 11][dice.below(3)]);
                world.place.time = [998, 1_000][dice.below(2)];
                world.switch(&gone.iter().collect::<Vec<_>>(), &[]);
                model.disconnect(&world, &gone);
                // Else what was let in might be invalid in the place of the next step.
                world.place = Place { height: world.place.height.max(Height(10)), time: 1_000 };
            }
            _ => {
                let World { pool, notices, now, .. } = &mut world;
                pool.expire(*now, notices);
                pool.check();
                let config = &pool.config;
                let expired = with_heirs(&model.list, |held| held.ready.plus_ms(config.expiry_ms) <= *now);
                model.drop_all(&expired);
            }
        }
        model.compare(&mut world, step % 4 == 0);
    }
    model
}

fn submit(world: &mut World, model: &mut Model, transactions: &[Transaction]) {
    let given: Vec<&Transaction> = transactions.iter().collect();
    let (pool, next, _) = world.parts();
    let floor = pool.floor_rate(next.now, next.params);
    let tried = world.test(&given).map_err(|refused| refused.refusal.kind());
    let before = world.order();
    let told = if let [only] = transactions {
        world.admit(only).map(|_| ()).map_err(|refusal| refusal.kind())
    } else {
        world.admit_package(&given).map(|_| ()).map_err(|refused| refused.refusal.kind())
    };
    assert_eq!(tried.as_ref().map(|_| ()).map_err(|kind| *kind), told, "trying says what doing says");
    let expected =
        if told.is_err_and(|kind| kind.starts_with("package-")) { told } else { model.admit(world, floor, &given) };
    assert_eq!(told, expected);
    if let Err(kind) = told {
        *model.refused.entry(kind).or_default() += 1;
    }
    if let Ok(trial) = tried {
        let after = world.order();
        let gone: BTreeSet<TxId> = before.iter().filter(|txid| !after.contains(txid)).copied().collect();
        let said: BTreeSet<TxId> = trial.replaces.iter().chain(&trial.evicts).copied().collect();
        assert_eq!(gone, said, "and who would go");
    }
}

#[test]
fn the_mempool_does_what_a_naive_model_does() {
    let (mut replaced, mut evicted, mut packages) = (0, 0, 0);
    let mut refused: BTreeMap<&'static str, usize> = BTreeMap::new();
    for seed in 0..250 {
        let model = std::panic::catch_unwind(|| run(seed));
        let model = model.unwrap_or_else(|_| panic!("seed {seed}, see above"));
        replaced += model.replaced;
        evicted += model.evicted;
        packages += model.packages;
        for (kind, count) in model.refused {
            *refused.entry(kind).or_default() += count;
        }
    }
    // It was no idle walk.
    assert!(replaced > 100 && evicted > 100 && packages > 80, "{replaced} {evicted} {packages}");
    for kind in [
        "mempool-fee-too-low",
        "mempool-fee-below-rolling-minimum",
        "mempool-chain-too-long",
        "mempool-full",
        "mempool-replacement-fee-too-low",
        "mempool-replacement-not-better",
        "mempool-replaces-parent",
        "tx-missing-coin",
        "tx-locked",
    ] {
        assert!(refused.get(kind).is_some_and(|count| *count >= 5), "{kind} of {refused:?}");
    }
}
