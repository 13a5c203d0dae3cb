//! Chains of blocks with work, made and stored without a net: for what needs many blocks or two branches.

use bezant_api::genesis::{ledger_defaults, pow_defaults};
use bezant_api::types::EngineName;
use bezant_consensus::engine::{Effect, Engine, EngineConfig, Event, Peer, VoteLog};
use bezant_consensus::incarnations::Incarnations;
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::block::{Block, Header};
use bezant_consensus::ledger::genesis::{Difficulty, EngineParams, GENESIS_VERSION, Genesis, LedgerParams, PowParams};
use bezant_consensus::ledger::hash::{BlockId, MerkleRoot};
use bezant_consensus::ledger::key::SigningKey;
use bezant_consensus::ledger::lock::Lock;
use bezant_consensus::ledger::target::Target;
use bezant_consensus::ledger::transaction::{Body, Coinbase, OutPoint, Output, Transaction};
use bezant_consensus::ledger::units::{Height, Time};
use bezant_consensus::limits::{BLOCKS_PER_MESSAGE_MAX, HEADERS_PER_MESSAGE_MAX};
use bezant_consensus::message::{Blocks, Headers, Message};
use bezant_consensus::pow::Pow;
use bezant_consensus::verify::Verifier;
use bezant_node::metrics::Metrics;
use bezant_node::store::{Facts, StateWriter, open};
use bezant_wallet::paying::build::KeyCoin;
use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The easiest target there is: every second nonce meets it.
const BITS: u32 = 0x207f_ffff;
/// Of each coin of the genesis.
const ALLOCATION: u64 = 1_000_000_000;
const SPACING_S: u32 = 1;

fn key() -> SigningKey {
    SigningKey::from_seed(&[200; 32])
}

/// Whose the coins of these chains are.
pub(crate) fn owner() -> Lock {
    Lock::Key(key().public())
}

fn grains(grains: u64) -> Amount {
    Amount::from_grains(grains).expect("a small amount")
}

/// A net whose blocks take no work to speak of, with so many coins, that began so many blocks ago.
pub(crate) fn genesis(coins: usize, blocks: u32) -> Arc<Genesis> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let now = u32::try_from(now).expect("before 2106");
    let params = PowParams { bits: BITS, difficulty: Difficulty::Fixed, ..pow_defaults(SPACING_S) };
    Arc::new(Genesis {
        version: GENESIS_VERSION,
        salt: [7; 32],
        time: now - blocks * SPACING_S,
        dev: true,
        engine: EngineParams::Pow(params),
        ledger: LedgerParams { relay_fee_rate_min: 0, ..ledger_defaults(EngineName::Pow) },
        members: Vec::new(),
        allocations: (0..coins).map(|_| Output { amount: grains(ALLOCATION), lock: owner().hash() }).collect(),
    })
}

/// A branch in the making.
pub(crate) struct Branch {
    genesis: Arc<Genesis>,
    tip: Header,
    height: Height,
    /// Its name, so that no two branches have a block in common.
    name: u8,
    /// What it spends, in this order.
    coins: VecDeque<(OutPoint, u64)>,
}

impl Branch {
    /// A branch from genesis on, that spends these of the coins of the genesis, and what comes of them.
    pub(crate) fn new(genesis: &Arc<Genesis>, name: u8, coins: std::ops::Range<u32>) -> Branch {
        let first = genesis.block();
        let txid = first.transactions[0].id();
        let coins = coins.map(|index| (OutPoint { txid, index }, ALLOCATION)).collect();
        Branch { genesis: genesis.clone(), tip: first.header, height: Height::GENESIS, name, coins }
    }

    /// The next block, with so many transfers, each of one coin into two.
    pub(crate) fn block(&mut self, transfers: usize) -> Block {
        self.height = self.height.next();
        let coinbase = Coinbase { height: self.height, extra: vec![self.name], outputs: Vec::new() };
        let mut transactions = vec![Transaction::new(Body::Coinbase(coinbase), Vec::new())];
        for _ in 0..transfers {
            let (outpoint, amount) = self.coins.pop_front().expect("every transfer makes two of one");
            let transaction = transfer(&self.genesis, outpoint, amount);
            let txid = transaction.id();
            let outputs = (0..).zip(transaction.outputs());
            self.coins.extend(outputs.map(|(index, it)| (OutPoint { txid, index }, it.amount.grains())));
            transactions.push(transaction);
        }
        let (parent, time) = (self.tip.id(), self.tip.time + SPACING_S);
        let header = Header { version: 1, parent, merkle_root: MerkleRoot::default(), time, bits: BITS, nonce: 0 };
        let mut block = Block { header, transactions };
        block.header.merkle_root = block.merkle_root();
        let target = Target::from_compact(BITS).expect("a target");
        while !target.is_met_by(&block.id()) {
            block.header.nonce += 1;
        }
        self.tip = block.header;
        block
    }

    /// The id of the last block.
    pub(crate) fn tip(&self) -> BlockId {
        self.tip.id()
    }
}

/// Spends a coin into two halves.
fn transfer(genesis: &Genesis, outpoint: OutPoint, amount: u64) -> Transaction {
    let output = |grains_of| Output { amount: grains(grains_of), lock: owner().hash() };
    let outputs = vec![output(amount / 2), output(amount - amount / 2)];
    let coin = KeyCoin { outpoint, amount: grains(amount), key: &key() };
    bezant_wallet::paying::build::transfer(&genesis.network_id(), &[coin], outputs)
}

/// The data directory of a node that does not run; it is filled as if the node had heard of blocks from a peer.
pub(crate) struct Filling {
    engine: Pow,
    facts: Facts,
    state: StateWriter,
    verifier: Verifier,
    now: Time,
    /// What the checks took that need no chain, most of all those of signatures.
    pub(crate) verifying: Duration,
}

impl Filling {
    pub(crate) fn new(dir: &Path, genesis: &Arc<Genesis>) -> Filling {
        let opened = open(dir, genesis, Arc::new(Metrics::new())).expect("a new directory opens");
        let config = EngineConfig {
            genesis: genesis.clone(),
            key: None,
            payee: None,
            log: VoteLog::Original,
            incarnations: Incarnations::default(),
            mine: false,
            work_min: Default::default(),
            salt: [0; 32],
        };
        let (engine, _) = Pow::restore(config, Box::new(opened.view), opened.base, opened.records);
        let (verifier, now) = (Verifier::new(genesis.clone()), Time::from_seconds(u32::MAX - 1));
        Filling { engine, facts: opened.facts, state: opened.state, verifier, now, verifying: Duration::ZERO }
    }

    fn tell(&mut self, event: Event) {
        let effects = self.engine.handle(self.now, event);
        let record = |effect: &Effect| if let Effect::Persist(record) = effect { Some(record.clone()) } else { None };
        let records: Vec<_> = effects.iter().filter_map(record).collect();
        records.iter().for_each(|record| self.facts.hand_out(record));
        self.facts.commit(&records).expect("the disk takes it");
        for effect in effects {
            match effect {
                Effect::Chain(update) => self.state.update(update).expect("the writer runs"),
                Effect::Blame { fault, .. } => panic!("nobody lies: {fault}"),
                _ => {}
            }
        }
        let sequence = self.state.flushed().borrow().sequence;
        self.engine.handle(self.now, Event::Flushed { sequence });
    }

    fn hear(&mut self, message: Message) {
        let began = Instant::now();
        let message = self.verifier.message(message, &|_| false, rand::rng()).expect("nobody lies");
        self.verifying += began.elapsed();
        self.tell(Event::Message { from: Peer(1), message, waited_ms: 0 });
    }

    /// The node hears of these blocks, each of which stands on one that it has heard of.
    pub(crate) fn hear_of(&mut self, blocks: &[Block]) {
        for some in blocks.chunks(HEADERS_PER_MESSAGE_MAX) {
            self.hear(Message::Headers(Headers(some.iter().map(|block| block.header).collect())));
        }
        for some in blocks.chunks(BLOCKS_PER_MESSAGE_MAX) {
            self.hear(Message::Blocks(Blocks(some.to_vec())));
        }
    }

    /// The id of the tip, once all is on disk.
    pub(crate) fn finish(self) -> BlockId {
        self.state.stop().expect("the disk takes it");
        self.engine.chain().tip().id
    }
}
