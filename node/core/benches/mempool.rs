//! What the mempool costs, held small and held large: `cargo bench -p bezant-node-core --bench mempool -- [HELD …]`.
//!
//! A replica around an engine that only asks and tells, so that what is measured is the mempool: one-input two-output transfers
//! are handed in as users hand them in, signed and verified before the clock starts. Coins of the chain are in memory (a node
//! reads them from SQLite, 3 µs each, unless they are in its cache). Answers, notices and the copy of each transaction that
//! goes to the peers are made, as in a node, and thrown away.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a bench reads the clock, which the crate must not"
)]

use bezant_consensus::chain::{Archive, Base, Chain, ChainUpdate, Link, Tip};
use bezant_consensus::engine::{
    Effect, Engine, Event, Instruction, InstructionError, PayloadRequest, PowStatus, Status,
};
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::block::{Block, Header};
use bezant_consensus::ledger::coins::{Coin, Coins, Diff};
use bezant_consensus::ledger::commitment::Buckets;
use bezant_consensus::ledger::genesis::{
    Difficulty, EngineParams, GENESIS_VERSION, Genesis, LedgerParams, PbftParams, PowParams,
};
use bezant_consensus::ledger::hash::{BlockId, MerkleRoot, TxId};
use bezant_consensus::ledger::key::SigningKey;
use bezant_consensus::ledger::lock::{Lock, LockTime};
use bezant_consensus::ledger::rules::TxError;
use bezant_consensus::ledger::rules::context::Place;
use bezant_consensus::ledger::sighash::SighashCommon;
use bezant_consensus::ledger::transaction::{Body, Coinbase, OutPoint, Output, Spend, Transaction, Transfer, Witness};
use bezant_consensus::ledger::units::{Epoch, Height, Time};
use bezant_consensus::message::{CommitCertificate, Message, TipInfo};
use bezant_consensus::verify::{Verified, Verifier};
use bezant_node_core::io::{Input, Output as Told};
use bezant_node_core::{MempoolConfig, Replica};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const START_S: u32 = 1_750_000_000;
/// Enough to be halved twenty times.
const GRAINS: u64 = 10_000_000_000_000;
/// Measured at a time.
const SAMPLE: usize = 1_000;
const SELECTIONS: u32 = 20;
const BLOCK_BYTES: u32 = 1_000_000;
const REORG_BLOCKS: usize = 100;
const REORG_TRANSFERS: usize = 100;

fn key() -> SigningKey {
    SigningKey::from_seed(&[7; 32])
}

fn owner() -> Lock {
    Lock::Key(key().public())
}

fn grains(grains: u64) -> Amount {
    Amount::from_grains(grains).expect("a small amount")
}

fn genesis(engine: EngineParams) -> Genesis {
    let members = if matches!(engine, EngineParams::Pbft(_)) { vec![key().public()] } else { Vec::new() };
    Genesis {
        version: GENESIS_VERSION,
        salt: [7; 32],
        time: START_S,
        dev: true,
        engine,
        ledger: LedgerParams {
            block_bytes_max: BLOCK_BYTES,
            coinbase_maturity: 10,
            subsidy: Amount::ZERO,
            halving_interval: 0,
            relay_fee_rate_min: 1_000,
        },
        members,
        allocations: vec![Output { amount: grains(GRAINS), lock: owner().hash() }],
    }
}

fn pow() -> EngineParams {
    EngineParams::Pow(PowParams {
        spacing_s: 2,
        bits: 0x207f_ffff,
        difficulty: Difficulty::Fixed,
        final_depth: 6,
        max_reorg: 500,
        future_s: 60,
    })
}

fn pbft() -> EngineParams {
    EngineParams::Pbft(PbftParams {
        depth: 4,
        checkpoint_interval: 100,
        view_timeout_ms: 2_000,
        view_timeout_max_ms: 60_000,
        drift_s: 15,
        block_time_ms: 0,
        readmit_interval: 1_000,
    })
}

/// Coins that the bench changes as blocks come and go.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<BTreeMap<OutPoint, Coin>>>);

impl Coins for Shared {
    fn get(&self, outpoint: &OutPoint) -> Option<Coin> {
        self.0.lock().expect("nobody panics here").get(outpoint).copied()
    }
}

impl Archive for Shared {
    fn block(&self, _: &BlockId) -> Option<Arc<Block>> {
        None
    }
    fn diff(&self, _: &BlockId) -> Option<Arc<Diff>> {
        None
    }
    fn active_at(&self, _: Height) -> Option<BlockId> {
        None
    }
    fn certificate(&self, _: Height) -> Option<CommitCertificate> {
        None
    }
}

/// Asks for a payload at [`Event::BlockNow`], and says at any other event what it was given to say.
struct Script {
    chain: Chain,
    says: Arc<Mutex<VecDeque<Effect>>>,
    /// Transactions and bytes of the last payload.
    payload: Arc<Mutex<(usize, usize)>>,
}

impl Engine for Script {
    fn handle(&mut self, now: Time, event: Event) -> Vec<Effect> {
        match event {
            Event::BlockNow => {
                let (height, time) = (Height(1), now.seconds());
                let bytes_max = BLOCK_BYTES as usize - 1_000;
                vec![Effect::WantPayload(PayloadRequest { ticket: 1, height, time, bytes_max, above: Vec::new() })]
            }
            Event::Payload { transactions, .. } => {
                let bytes = transactions.iter().map(Transaction::bytes).sum();
                *self.payload.lock().expect("nobody panics here") = (transactions.len(), bytes);
                Vec::new()
            }
            Event::Wake => self.says.lock().expect("nobody panics here").drain(..).collect(),
            _ => Vec::new(),
        }
    }
    fn deadline(&self) -> Option<Time> {
        None
    }
    fn chain(&self) -> &Chain {
        &self.chain
    }
    fn chain_mut(&mut self) -> &mut Chain {
        &mut self.chain
    }
    fn place(&self, now: Time) -> Place {
        Place { height: Height(1), time: now.seconds() }
    }
    fn status(&self) -> Status {
        Status::Pow(PowStatus {
            work: Default::default(),
            bits: 0,
            headers: 0,
            best_header: Height(0),
            refused: None,
            tips: Vec::new(),
        })
    }
    fn tip_info(&self) -> TipInfo {
        TipInfo {
            height: Height(0),
            id: BlockId::default(),
            final_height: Height(0),
            work: Default::default(),
            stable: Height(0),
            epoch: Epoch(0),
        }
    }
    fn answer(&self, _: &Message) -> Option<Message> {
        None
    }
    fn admits_change(&self, _: &Transaction) -> Result<(), TxError> {
        Ok(())
    }

    fn admits_instruction(&self, _: &Instruction) -> Result<(), InstructionError> {
        Ok(())
    }
}

/// Since when something has been going on: in processor time of this thread where the system tells it (Linux), so that other
/// programs on a busy machine do not count; else by the clock.
struct Since(Instant, Option<u64>);

impl Since {
    fn now() -> Since {
        Since(Instant::now(), processor_ns())
    }

    fn elapsed(&self) -> Duration {
        match (self.1, processor_ns()) {
            (Some(before), Some(now)) => Duration::from_nanos(now - before),
            _ => self.0.elapsed(),
        }
    }
}

fn processor_ns() -> Option<u64> {
    // Giving up the processor brings the figure up to date.
    std::thread::yield_now();
    std::fs::read_to_string("/proc/thread-self/schedstat").ok()?.split(' ').next()?.parse().ok()
}

struct Bench {
    replica: Replica,
    genesis: Arc<Genesis>,
    verifier: Verifier,
    coins: Shared,
    says: Arc<Mutex<VecDeque<Effect>>>,
    payload: Arc<Mutex<(usize, usize)>>,
    now: Time,
    requests: u64,
    sequence: u64,
}

impl Bench {
    fn new(engine: EngineParams, count_max: usize) -> Bench {
        let genesis = Arc::new(genesis(engine));
        let (base, diff) = Base::genesis(&genesis);
        let coins = Shared(Arc::new(Mutex::new(diff.created)));
        let (says, payload) = (Arc::default(), Arc::default());
        let chain = Chain::new(genesis.clone(), Box::new(coins.clone()), base, &[0; 32]);
        let script = Script { chain, says: Arc::clone(&says), payload: Arc::clone(&payload) };
        let config = MempoolConfig { count_max, bytes_max: 1 << 30, ..MempoolConfig::default() };
        let now = Time::from_seconds(START_S + 10);
        let (replica, _) = Replica::with_engine(genesis.clone(), config, Box::new(script), Vec::new(), now);
        let verifier = Verifier::new(genesis.clone());
        Bench { replica, genesis, verifier, coins, says, payload, now, requests: 0, sequence: 0 }
    }

    fn coin(&self, number: u64) -> OutPoint {
        let mut id = [1; 32];
        id[..8].copy_from_slice(&(number.wrapping_mul(0x9e37_79b9_7f4a_7c15)).to_le_bytes());
        let outpoint = OutPoint { txid: TxId(id), index: number as u32 };
        let coin = Coin { amount: grains(GRAINS), lock: owner().hash(), height: Height(0), coinbase: false };
        self.coins.0.lock().expect("nobody panics here").insert(outpoint, coin);
        outpoint
    }

    fn transfer(&self, outpoint: OutPoint, amount: u64, fee: u64) -> Transaction {
        let output = |grains_of| Output { amount: grains(grains_of), lock: owner().hash() };
        let rest = amount - fee;
        let outputs = vec![output(rest / 2), output(rest - rest / 2)];
        let body = Body::Transfer(Transfer { inputs: vec![outpoint], outputs, lock_time: LockTime::NONE });
        let common = SighashCommon::new(&self.genesis.network_id(), &body, &[(grains(amount), owner().hash())]);
        let signatures = vec![key().sign(&common.digest(0, &[], &owner()))];
        let spend = Spend { amount: grains(amount), lock: owner(), signatures, preimages: Vec::new() };
        Transaction { body, witnesses: vec![Witness::Spend(spend)] }
    }

    /// Fees between 1,000 and 10,000 grains, all over the place.
    fn fresh(&self, numbers: std::ops::Range<u64>) -> Vec<Verified<Transaction>> {
        let fee = |number: u64| 1_000 + number.wrapping_mul(7_919) % 9_000;
        numbers.map(|number| self.verified(self.transfer(self.coin(number), GRAINS, fee(number)))).collect()
    }

    fn verified(&self, transaction: Transaction) -> Verified<Transaction> {
        self.verifier.transaction(transaction).expect("signed by its owner")
    }

    /// Hands all in; the time taken, and how many were let in.
    fn submit(&mut self, transactions: Vec<Verified<Transaction>>) -> (Duration, usize) {
        let mut taken = 0;
        let began = Since::now();
        for transaction in transactions {
            self.requests += 1;
            self.now = self.now.plus_ms(1);
            let told = self.replica.handle(self.now, Input::Submit { request: self.requests, transaction });
            taken += usize::from(told.iter().any(|told| matches!(told, Told::Submitted { result: Ok(_), .. })));
        }
        (began.elapsed(), taken)
    }

    fn select(&mut self) -> Duration {
        let began = Since::now();
        self.replica.handle(self.now, Input::BlockNow);
        began.elapsed()
    }

    /// Tells a switch; coins are changed before the clock starts.
    fn switch(&mut self, disconnected: &[Arc<Block>], connected: &[Arc<Block>]) -> Duration {
        let mut coins = self.coins.0.lock().expect("nobody panics here");
        let own = Coin { amount: grains(GRAINS), lock: owner().hash(), height: Height(0), coinbase: false };
        for transaction in disconnected.iter().flat_map(|block| &block.transactions) {
            coins.extend(transaction.inputs().iter().map(|input| (*input, own)));
            let txid = transaction.id();
            for index in 0..2 {
                coins.remove(&OutPoint { txid, index });
            }
        }
        for transaction in connected.iter().flat_map(|block| &block.transactions) {
            for input in transaction.inputs() {
                coins.remove(input);
            }
            for (index, output) in (0..).zip(transaction.outputs()) {
                let coin = Coin { amount: output.amount, lock: output.lock, height: Height(1), coinbase: false };
                coins.insert(OutPoint { txid: transaction.id(), index }, coin);
            }
        }
        drop(coins);
        self.sequence += 1;
        let link = |block: &Arc<Block>| Link {
            height: Height(1),
            id: block.id(),
            block: block.clone(),
            diff: Arc::new(Diff::default()),
        };
        let header = self.genesis.block().header;
        let update = ChainUpdate {
            sequence: self.sequence,
            disconnected: disconnected.iter().map(link).collect(),
            connected: connected.iter().map(link).collect(),
            tip: Tip { height: Height(0), id: header.id(), header },
            final_height: Height(0),
            buckets: Buckets::default(),
        };
        self.says.lock().expect("nobody panics here").push_back(Effect::Chain(update));
        let began = Since::now();
        self.replica.handle(self.now, Input::Wake);
        began.elapsed()
    }
}

fn block(transactions: &[Verified<Transaction>]) -> Arc<Block> {
    let coinbase = Coinbase { height: Height(1), extra: Vec::new(), outputs: Vec::new() };
    let mut all = vec![Transaction { body: Body::Coinbase(coinbase), witnesses: Vec::new() }];
    all.extend(transactions.iter().map(|transaction| transaction.get().clone()));
    let root = MerkleRoot::default();
    let header = Header { version: 1, parent: BlockId::default(), merkle_root: root, time: START_S, bits: 0, nonce: 0 };
    Arc::new(Block { header, transactions: all })
}

fn per(duration: Duration, count: usize) -> String {
    format!("{:7.1} µs", duration.as_secs_f64() * 1e6 / count as f64)
}

fn ms(duration: Duration) -> String {
    format!("{:7.2} ms", duration.as_secs_f64() * 1e3)
}

fn measure(name: &str, engine: &dyn Fn() -> EngineParams, held: usize) {
    println!("{name}, {held} held");
    let mut bench = Bench::new(engine(), held + 10 * SAMPLE);
    let most = held as u64;
    let old = bench.fresh(0..most);
    bench.submit(old.clone());
    assert_eq!(bench.replica.mempool().len(), held);

    let next = bench.fresh(most..most + SAMPLE as u64);
    let (time, taken) = bench.submit(next.clone());
    assert_eq!(taken, SAMPLE);
    println!(
        "  admission, alone            {} each, {:8.0} a second",
        per(time, SAMPLE),
        SAMPLE as f64 / time.as_secs_f64()
    );

    let child = |parent: &Verified<Transaction>| {
        let coin = OutPoint { txid: parent.get().id(), index: 0 };
        bench.verified(bench.transfer(coin, parent.get().outputs()[0].amount.grains(), 5_000))
    };
    let mut line = old[..SAMPLE / 20].to_vec();
    let mut children = Vec::new();
    for _ in 0..20 {
        line = line.iter().map(child).collect();
        children.extend(line.clone());
    }
    let (time, taken) = bench.submit(children);
    assert_eq!(taken, SAMPLE / 20 * 20);
    println!("  admission, chains up to 21  {} each", per(time, SAMPLE));

    let dearer: Vec<_> = (0..SAMPLE as u64)
        .map(|number| bench.verified(bench.transfer(bench.coin(most + number), GRAINS, 30_000)))
        .collect();
    let (time, taken) = bench.submit(dearer);
    assert_eq!(taken, SAMPLE);
    println!("  replacement                 {} each", per(time, SAMPLE));

    let time: Duration = (0..SELECTIONS).map(|_| bench.select()).sum();
    let (count, bytes) = *bench.payload.lock().expect("nobody panics here");
    println!("  selection                   {} for {count} transactions, {bytes} bytes", ms(time / SELECTIONS));

    let began = Since::now();
    for _ in 0..SELECTIONS {
        let _ = bench.replica.estimate_fee(bench.now, 10);
    }
    println!("  estimate for 10 blocks      {}", ms(began.elapsed() / SELECTIONS));

    let blocks: Vec<Arc<Block>> = (0..REORG_BLOCKS as u64)
        .map(|number| {
            let first = 2 * most + 1_000_000 + number * REORG_TRANSFERS as u64;
            block(&bench.fresh(first..first + REORG_TRANSFERS as u64))
        })
        .collect();
    let time = bench.switch(&[], &blocks);
    println!("  {REORG_BLOCKS} blocks of {REORG_TRANSFERS} unknown ones {} a block", ms(time / REORG_BLOCKS as u32));
    let back: Vec<Arc<Block>> = blocks.iter().rev().cloned().collect();
    let time = bench.switch(&back, &[]);
    println!("  and back: {} return      {}", REORG_BLOCKS * REORG_TRANSFERS, ms(time));
    let time = bench.switch(&[], &blocks);
    println!("  and forth, known            {} a block", ms(time / REORG_BLOCKS as u32));

    // A mempool that is full with what is held.
    let coins = std::mem::take(&mut *bench.coins.0.lock().expect("nobody panics here"));
    let mut bench = Bench::new(engine(), held);
    bench.coins.0.lock().expect("nobody panics here").extend(coins);
    bench.submit(old);
    assert_eq!(bench.replica.mempool().len(), held);
    let better: Vec<_> = (0..SAMPLE as u64)
        .map(|number| bench.verified(bench.transfer(bench.coin(3 * most + number), GRAINS, 50_000)))
        .collect();
    let (time, taken) = bench.submit(better);
    assert_eq!((taken, bench.replica.mempool().len()), (SAMPLE, held));
    println!("  admission that evicts       {} each", per(time, SAMPLE));
    let poor: Vec<_> = (0..SAMPLE as u64)
        .map(|number| bench.verified(bench.transfer(bench.coin(4 * most + number), GRAINS, 300)))
        .collect();
    let (time, taken) = bench.submit(poor);
    assert_eq!(taken, 0);
    println!("  refused by the floor        {} each", per(time, SAMPLE));
}

fn main() {
    let held: Vec<usize> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let held = if held.is_empty() { vec![1_000, 10_000, 100_000] } else { held };
    for held in held {
        measure("proof of work", &pow, held);
        measure("PBFT", &pbft, held);
    }
}
