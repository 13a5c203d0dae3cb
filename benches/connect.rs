//! What a block of transfers costs a node's own thread and its disk: `cargo bench --bench connect -- [TRANSFERS]`.
//!
//! TRANSFERS signed transfers (500,000), 1,000 in a block, each of one coin into two: a payment to one of 50,000 accounts, and the
//! change, which the account spends again when all others have had their turn. So every coin that is spent was made 50,000
//! transfers before, and one coin more is left by each. The blocks go through what a node does with them, on one thread and on a
//! data directory as a node has it; the writer of the state has its own thread. Making and signing is left out.
//!
//! Figures are of processor time, the kernel's included. They are printed for each fifth of the chain, so that what grows with
//! it shows, and for all of it.

use bezant_api::genesis::{ledger_defaults, pbft_defaults};
use bezant_api::types::EngineName;
use bezant_consensus::chain::Chain;
use bezant_consensus::engine::Record;
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::block::{Block, Header};
use bezant_consensus::ledger::codec::{decode, encode};
use bezant_consensus::ledger::genesis::{EngineParams, GENESIS_VERSION, Genesis, LedgerParams};
use bezant_consensus::ledger::hash::{BlockId, LockHash, MerkleRoot, NetworkId};
use bezant_consensus::ledger::key::{SignedItem, SigningKey, verify_batch};
use bezant_consensus::ledger::lock::Lock;
use bezant_consensus::ledger::rules::isolated::check_block;
use bezant_consensus::ledger::transaction::{Body, Coinbase, OutPoint, Output, Transaction};
use bezant_consensus::ledger::units::Height;
use bezant_node::metrics::Metrics;
use bezant_node::store::open;
use bezant_wallet::paying::build::KeyCoin;
use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

const TRANSFERS_PER_BLOCK: u32 = 1_000;
const ACCOUNTS: u32 = 50_000;
const ALLOCATION: u64 = 1_000_000_000;
const PAYMENT: u64 = 1_000;
const PARTS: u32 = 5;

fn grains(grains: u64) -> Amount {
    Amount::from_grains(grains).expect("a small amount")
}

/// Who pays and is paid.
struct Accounts {
    keys: Vec<SigningKey>,
    locks: Vec<LockHash>,
    /// What is spent, in this order, and whose it is.
    coins: VecDeque<(OutPoint, u64, u32)>,
}

impl Accounts {
    fn new() -> Accounts {
        let seed = |number: u32| {
            let mut seed = [9; 32];
            seed[..4].copy_from_slice(&number.to_le_bytes());
            seed
        };
        let keys: Vec<SigningKey> = (0..ACCOUNTS).map(|number| SigningKey::from_seed(&seed(number))).collect();
        let locks = keys.iter().map(|key| Lock::Key(key.public()).hash()).collect();
        Accounts { keys, locks, coins: VecDeque::new() }
    }

    fn genesis(&mut self) -> Arc<Genesis> {
        let allocations = self.locks.iter().map(|lock| Output { amount: grains(ALLOCATION), lock: *lock }).collect();
        let genesis = Genesis {
            version: GENESIS_VERSION,
            salt: [7; 32],
            time: 1_750_000_000,
            dev: true,
            engine: EngineParams::Pbft(pbft_defaults()),
            ledger: LedgerParams { relay_fee_rate_min: 0, ..ledger_defaults(EngineName::Pbft) },
            members: vec![self.keys[0].public()],
            allocations,
        };
        let txid = genesis.block().transactions[0].id();
        self.coins = (0..ACCOUNTS).map(|index| (OutPoint { txid, index }, ALLOCATION, index)).collect();
        Arc::new(genesis)
    }

    fn transfer(&mut self, network: &NetworkId, number: u32) -> Transaction {
        let (outpoint, amount, owner) = self.coins.pop_front().expect("each transfer leaves change");
        let paid = number.wrapping_mul(2_654_435_761) % ACCOUNTS;
        let output = |amount, account: u32| Output { amount: grains(amount), lock: self.locks[account as usize] };
        let outputs = vec![output(PAYMENT, paid), output(amount - PAYMENT, owner)];
        let coin = KeyCoin { outpoint, amount: grains(amount), key: &self.keys[owner as usize] };
        let transaction = bezant_wallet::paying::build::transfer(network, &[coin], outputs);
        let txid = transaction.id();
        // The order of outputs is the builder's.
        let index = transaction.outputs().iter().position(|output| output.amount == grains(amount - PAYMENT));
        let index = u32::try_from(index.expect("the change is there")).expect("there are two");
        self.coins.push_back((OutPoint { txid, index }, amount - PAYMENT, owner));
        transaction
    }

    fn block(&mut self, network: &NetworkId, parent: BlockId, height: u64) -> Block {
        let coinbase = Coinbase { height: Height(height), extra: Vec::new(), outputs: Vec::new() };
        let mut transactions = vec![Transaction::new(Body::Coinbase(coinbase), Vec::new())];
        let first = (height as u32 - 1) * TRANSFERS_PER_BLOCK;
        transactions.extend((0..TRANSFERS_PER_BLOCK).map(|number| self.transfer(network, first + number)));
        let time = 1_750_000_000 + height as u32;
        let header = Header { version: 1, parent, merkle_root: MerkleRoot::default(), time, bits: 0, nonce: 0 };
        let mut block = Block { header, transactions };
        block.header.merkle_root = block.merkle_root();
        block
    }
}

/// Processor time of the calling thread, or of all, microseconds.
fn processor_us(who: UsageWho) -> f64 {
    let usage: Usage = getrusage(who).expect("it is counted");
    (usage.user_time() + usage.system_time()).num_microseconds() as f64
}

/// What the kernel has written of a thread of this process: nanoseconds on a processor, as microseconds.
fn thread_us(name: &str) -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").expect("on Linux");
    let of_name = |task: &std::path::PathBuf| {
        std::fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.trim_end() == name)
    };
    let time = |task: std::path::PathBuf| -> Option<f64> {
        std::fs::read_to_string(task.join("schedstat")).ok()?.split(' ').next()?.parse().ok()
    };
    let all = tasks.filter_map(Result::ok).map(|task| task.path()).filter(of_name).filter_map(time);
    all.sum::<f64>() / 1_000.0
}

/// Microseconds by phase, in the order of [`PHASES`].
type Times = [f64; PHASES.len()];

const PHASES: [&str; 8] =
    ["decode", "form", "signatures", "judge", "connect", "commitment", "facts", "state (its own thread)"];

fn print(what: &str, transfers: u32, times: &Times, wall_s: f64) {
    let each = times.map(|time| time / f64::from(transfers));
    println!("{what}: {transfers} transfers in {wall_s:.1} s, microseconds of processor time for each");
    for (name, time) in PHASES.iter().zip(each) {
        println!("  {name:24} {time:8.2}");
    }
    let rate = |parts: &[usize]| 1_000_000.0 / parts.iter().map(|part| each[*part]).sum::<f64>();
    println!("  into the coin cache, a second on one core:");
    println!("    signatures included    {:8.0}", rate(&[1, 2, 3, 4]));
    println!("    signatures checked     {:8.0}", rate(&[3, 4]));
    println!("    and the commitment     {:8.0}", rate(&[3, 4, 5]));
}

fn main() {
    let given = std::env::args().skip(1).find_map(|argument| argument.parse::<u32>().ok());
    let blocks = given.unwrap_or(500_000).div_ceil(TRANSFERS_PER_BLOCK);
    let mut accounts = Accounts::new();
    let genesis = accounts.genesis();
    let network = genesis.network_id();
    let dir = tempfile::tempdir().expect("a directory");
    let opened = open(dir.path(), &genesis, Arc::new(Metrics::new())).expect("a new directory opens");
    let (mut facts, state) = (opened.facts, opened.state);
    let mut chain = Chain::new(genesis.clone(), Box::new(opened.view), opened.base, &[3; 32]);
    let mut flushed = state.flushed();
    let (mut all, mut part, mut wall_s) = ([0.0; PHASES.len()], [0.0; PHASES.len()], [0.0; 2]);
    let mut state_us = thread_us("bezant-state");
    for height in 1..=blocks {
        let block = accounts.block(&network, chain.tip().id, u64::from(height));
        let bytes = encode(&block);
        let began = Instant::now();
        let mut at = processor_us(UsageWho::RUSAGE_THREAD);
        let mut lap = |phase: usize| {
            let now = processor_us(UsageWho::RUSAGE_THREAD);
            part[phase] += now - at;
            at = now;
        };
        let block: Block = decode(&bytes).expect("it was encoded");
        lap(0);
        let signatures = check_block(&network, genesis.ledger.block_bytes_max, &block).expect("it is well made");
        lap(1);
        let items: Vec<SignedItem> = signatures.into_iter().map(|signature| signature.item).collect();
        assert!(verify_batch(&items, rand::rng()).is_empty(), "all are good");
        lap(2);
        let diff = Arc::new(chain.judge(&block, block.header.time).expect("it fits"));
        lap(3);
        let block = Arc::new(block);
        let link = chain.connect(block.clone(), diff);
        chain.flushed(flushed.borrow_and_update().sequence);
        lap(4);
        let update = chain.update(Vec::new(), vec![link], Height(u64::from(height)));
        lap(5);
        let record = Record::Body(Block::clone(&block));
        facts.hand_out(&record);
        facts.commit(&[record]).expect("the disk takes it");
        lap(6);
        state.update(update).expect("the writer runs");
        wall_s[0] += began.elapsed().as_secs_f64();
        if height % blocks.div_ceil(PARTS) == 0 {
            let now = thread_us("bezant-state");
            part[7] = now - std::mem::replace(&mut state_us, now);
            let done = blocks.div_ceil(PARTS) * TRANSFERS_PER_BLOCK;
            print(&format!("block {height}"), done, &part, wall_s[0]);
            all.iter_mut().zip(part).for_each(|(all, part)| *all += part);
            wall_s[1] += std::mem::take(&mut wall_s[0]);
            part = [0.0; PHASES.len()];
        }
    }
    // What is left to be flushed counts; the thread is gone afterwards, but not what it took.
    let others = || processor_us(UsageWho::RUSAGE_SELF) - processor_us(UsageWho::RUSAGE_THREAD);
    let (before, began) = (others(), Instant::now());
    state.stop().expect("the disk takes it");
    all.iter_mut().zip(part).for_each(|(all, part)| *all += part);
    all[7] += others() - before;
    print("all", blocks * TRANSFERS_PER_BLOCK, &all, wall_s[0] + wall_s[1] + began.elapsed().as_secs_f64());
    let bytes = |name: &str| std::fs::metadata(dir.path().join(name)).map_or(0, |file| file.len()) / (1024 * 1024);
    println!("on disk: facts {} MiB, state {} MiB", bytes("facts.sqlite"), bytes("state.sqlite"));
}
