//! Catching up with a large coin set, by all of its blocks and by a snapshot: `cargo bench --bench snapshot -- [BLOCKS]`.
//!
//! A chain of BLOCKS blocks of 1,000 signed transfers each, every one with one input and two outputs, so that 200 blocks leave
//! 201,000 coins. One replica takes all blocks with their certificates, 16 a message as peers send them, another one the
//! snapshot of the last checkpoint from the first. Both verify everything and keep everything in SQLite, synced as in a node;
//! what a network costs is left out of both. A figure ends when the coins are flushed.

use bezant_consensus::engine::{Effect, Engine, EngineConfig, Event, Peer, To, VoteLog};
use bezant_consensus::incarnations::Incarnations;
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::block::{Block, Header};
use bezant_consensus::ledger::genesis::{EngineParams, GENESIS_VERSION, Genesis, LedgerParams, PbftParams};
use bezant_consensus::ledger::hash::MerkleRoot;
use bezant_consensus::ledger::key::SigningKey;
use bezant_consensus::ledger::lock::Lock;
use bezant_consensus::ledger::transaction::{Body, Coinbase, OutPoint, Output, Transaction};
use bezant_consensus::ledger::units::{Epoch, Height, Incarnation, Time, View};
use bezant_consensus::limits::BLOCKS_PER_MESSAGE_MAX;
use bezant_consensus::message::{
    Ballot, CertifiedBlock, CertifiedBlocks, CommitCertificate, Message, Seal, Vote, VoteKind,
};
use bezant_consensus::pbft::Pbft;
use bezant_consensus::verify::Verifier;
use bezant_node::metrics::Metrics;
use bezant_node::store::{Facts, Flushed, StateWriter, open};
use bezant_wallet::paying::build::KeyCoin;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

const TRANSFERS_PER_BLOCK: u32 = 1_000;
const START_S: u32 = 1_750_000_000;
const INTERVAL: u32 = 50;
const ALLOCATION: u64 = 1_000_000_000;

fn key(number: u8) -> SigningKey {
    SigningKey::from_seed(&[number; 32])
}

fn owner() -> Lock {
    Lock::Key(key(200).public())
}

fn grains(grains: u64) -> Amount {
    Amount::from_grains(grains).expect("a small amount")
}

fn genesis() -> Genesis {
    Genesis {
        version: GENESIS_VERSION,
        salt: [7; 32],
        time: START_S,
        dev: true,
        engine: EngineParams::Pbft(PbftParams {
            depth: 4,
            checkpoint_interval: INTERVAL,
            view_timeout_ms: 2_000,
            view_timeout_max_ms: 60_000,
            drift_s: 15,
            block_time_ms: 0,
            readmit_interval: 1_000,
        }),
        ledger: LedgerParams {
            block_bytes_max: 1_000_000,
            coinbase_maturity: 10,
            subsidy: Amount::ZERO,
            halving_interval: 0,
            relay_fee_rate_min: 0,
        },
        members: vec![key(1).public()],
        allocations: (0..TRANSFERS_PER_BLOCK)
            .map(|_| Output { amount: grains(ALLOCATION), lock: owner().hash() })
            .collect(),
    }
}

/// Spends a coin into two halves.
fn transfer(genesis: &Genesis, outpoint: OutPoint, amount: u64) -> Transaction {
    let output = |grains_of| Output { amount: grains(grains_of), lock: owner().hash() };
    let outputs = vec![output(amount / 2), output(amount - amount / 2)];
    let coin = KeyCoin { outpoint, amount: grains(amount), key: &key(200) };
    bezant_wallet::paying::build::transfer(&genesis.network_id(), &[coin], outputs)
}

fn certified(genesis: &Genesis, height: u64, block: Block) -> CertifiedBlock {
    let (incarnation, epoch, view) = (Incarnation(0), Epoch(0), View(0));
    let ballot = Ballot { incarnation, epoch, view, height: Height(height), block: block.id() };
    let vote = Vote::sign(&genesis.network_id(), VoteKind::Commit, ballot, 0, &key(1));
    let commits = vec![Seal { signer: 0, signature: vote.signature }];
    CertifiedBlock { block, certificate: CommitCertificate { ballot, commits } }
}

fn chain(genesis: &Genesis, blocks: u64) -> Vec<CertifiedBlock> {
    let first = genesis.block();
    let txid = first.transactions[0].id();
    let mut coins: VecDeque<(OutPoint, u64)> =
        (0..TRANSFERS_PER_BLOCK).map(|index| (OutPoint { txid, index }, ALLOCATION)).collect();
    let (mut parent, mut chain) = (first.header.id(), Vec::new());
    for height in 1..=blocks {
        let coinbase = Coinbase { height: Height(height), extra: Vec::new(), outputs: Vec::new() };
        let mut transactions = vec![Transaction::new(Body::Coinbase(coinbase), Vec::new())];
        for _ in 0..TRANSFERS_PER_BLOCK {
            let (outpoint, amount) = coins.pop_front().expect("every transfer makes two of one");
            let transaction = transfer(genesis, outpoint, amount);
            let txid = transaction.id();
            coins.extend(
                (0..).zip(transaction.outputs()).map(|(index, it)| (OutPoint { txid, index }, it.amount.grains())),
            );
            transactions.push(transaction);
        }
        let root = MerkleRoot::default();
        let header = Header { version: 1, parent, merkle_root: root, time: START_S, bits: 0, nonce: 0 };
        let mut block = Block { header, transactions };
        block.header.merkle_root = block.merkle_root();
        parent = block.id();
        chain.push(certified(genesis, height, block));
    }
    chain
}

/// A replica on SQLite, driven by hand.
struct Side {
    engine: Pbft,
    facts: Facts,
    state: StateWriter,
    flushed: tokio::sync::watch::Receiver<Flushed>,
    verifier: Verifier,
    told: u64,
    sequence: u64,
    _dir: tempfile::TempDir,
}

impl Side {
    fn new(genesis: &Arc<Genesis>, member: Option<SigningKey>) -> Side {
        let dir = tempfile::tempdir().expect("a directory");
        let opened = open(dir.path(), genesis, Arc::new(Metrics::new())).expect("an empty directory opens");
        let config = EngineConfig {
            genesis: genesis.clone(),
            key: member,
            payee: None,
            log: VoteLog::Original,
            incarnations: Incarnations::default(),
            mine: false,
            work_min: Default::default(),
            salt: [0; 32],
        };
        let (engine, _) = Pbft::restore(config, Box::new(opened.view), opened.base, opened.records);
        let flushed = opened.state.flushed();
        let verifier = Verifier::new(genesis.clone());
        Side { engine, facts: opened.facts, state: opened.state, flushed, verifier, told: 0, sequence: 0, _dir: dir }
    }

    /// Tells the engine something and does what it wants, as a node does; returns what it sends to its one peer.
    fn tell(&mut self, event: Event) -> Vec<Message> {
        let effects = self.engine.handle(Time::from_seconds(START_S).plus_ms(self.told), event);
        self.told += 1;
        let record = |effect: &Effect| if let Effect::Persist(record) = effect { Some(record.clone()) } else { None };
        let records: Vec<_> = effects.iter().filter_map(record).collect();
        records.iter().for_each(|record| self.facts.hand_out(record));
        if !records.is_empty() {
            self.facts.commit(&records).expect("the disk takes it");
        }
        let mut sent = Vec::new();
        for effect in effects {
            match effect {
                Effect::Send { to: To::Peer(_) | To::All, message } => sent.push(message),
                Effect::Chain(update) => {
                    self.sequence = update.sequence;
                    self.state.update(update).expect("the writer runs");
                }
                Effect::Snapshot(step) => {
                    if let bezant_consensus::chain::snapshot::SnapshotStep::Switch(switch) = &step {
                        self.sequence = switch.sequence;
                    }
                    self.state.snapshot(step).expect("the writer runs");
                }
                Effect::Blame { fault, .. } => panic!("nobody lies: {fault}"),
                _ => {}
            }
        }
        sent
    }

    fn hear(&mut self, message: Message) -> Vec<Message> {
        let message = self.verifier.message(message, &|_| false, rand::rng()).expect("nobody lies");
        self.tell(Event::Message { from: Peer(1), message, waited_ms: 0 })
    }

    /// Waits until all is flushed, and tells the engine.
    fn flush(&mut self) -> Vec<Message> {
        let wanted = self.sequence;
        while self.flushed.borrow().sequence < wanted {
            std::thread::sleep(Duration::from_millis(1));
        }
        self.tell(Event::Flushed { sequence: wanted })
    }
}

fn main() {
    let blocks = std::env::args().skip(1).find_map(|argument| argument.parse::<u64>().ok()).unwrap_or(200);
    let blocks = blocks.next_multiple_of(u64::from(INTERVAL)).max(3 * u64::from(INTERVAL));
    let genesis = Arc::new(genesis());
    let chain = chain(&genesis, blocks);
    println!("{blocks} blocks of {TRANSFERS_PER_BLOCK} transfers");

    let mut server = Side::new(&genesis, Some(key(1)));
    server.tell(Event::Connected(Peer(1)));
    let began = Instant::now();
    for some in chain.chunks(BLOCKS_PER_MESSAGE_MAX) {
        server.hear(Message::Certified(CertifiedBlocks(some.to_vec())));
    }
    server.flush();
    let by_blocks = began.elapsed();
    assert_eq!(server.engine.chain().tip().height, Height(blocks));

    let mut follower = Side::new(&genesis, None);
    let began = Instant::now();
    let mut requests: VecDeque<Message> = follower.tell(Event::Connected(Peer(1))).into();
    requests.extend(follower.hear(Message::Tip(server.engine.tip_info())));
    let mut bytes = 0;
    while let Some(request) = requests.pop_front() {
        if let Some(answer) = server.engine.answer(&request) {
            bytes += bezant_consensus::ledger::codec::encode(&answer).len();
            requests.extend(follower.hear(answer));
        }
        if requests.iter().all(|message| matches!(message, Message::Tip(_))) {
            requests.extend(follower.flush());
        }
        if follower.engine.chain().tip().height == Height(blocks) {
            break;
        }
    }
    let by_snapshot = began.elapsed();
    assert_eq!(follower.engine.chain().tip().height, Height(blocks));
    assert_eq!(follower.engine.chain_mut().commitment(), server.engine.chain_mut().commitment());
    println!("by blocks    {:8.2} s", by_blocks.as_secs_f64());
    println!("by snapshot  {:8.2} s, {:.1} MiB", by_snapshot.as_secs_f64(), bytes as f64 / (1024.0 * 1024.0));
}
