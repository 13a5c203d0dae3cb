//! What the tests of this crate share: transactions by hand, a store that shows genesis, nets of few members.

use bezant_consensus::chain::{Archive, ChainUpdate, Link, Tip};
use bezant_consensus::engine::{EngineConfig, VoteLog};
use bezant_consensus::incarnations::Incarnations;
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::block::{Block, Header};
use bezant_consensus::ledger::coins::{Coin, Coins, Diff};
use bezant_consensus::ledger::commitment::Buckets;
use bezant_consensus::ledger::genesis::{
    Difficulty, EngineParams, GENESIS_VERSION, Genesis, LedgerParams, PbftParams, PowParams,
};
use bezant_consensus::ledger::hash::{BlockId, LockHash, MerkleRoot, TxId};
use bezant_consensus::ledger::key::SigningKey;
use bezant_consensus::ledger::lock::{Lock, LockTime};
use bezant_consensus::ledger::sighash::SighashCommon;
use bezant_consensus::ledger::transaction::{Body, Coinbase, OutPoint, Output, Spend, Transaction, Transfer, Witness};
use bezant_consensus::ledger::units::Height;
use bezant_consensus::message::CommitCertificate;
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) fn amount(grains: u64) -> Amount {
    Amount::from_grains(grains).expect("tests use small amounts")
}

/// A lock that only its number tells from others; in context nobody looks at signatures.
pub(crate) fn lock(number: u8) -> Lock {
    Lock::Hash([number; 32])
}

pub(crate) fn txid(number: u8) -> TxId {
    TxId([number; 32])
}

/// What a transaction spends: the coin, its amount, its lock as revealed.
#[derive(Clone, Debug)]
pub(crate) struct Input {
    pub(crate) outpoint: OutPoint,
    pub(crate) grains: u64,
    pub(crate) lock: Lock,
}

/// The coin that output `index` of `transaction` makes, all under [`lock`] 0.
pub(crate) fn output_of(transaction: &Transaction, index: u32) -> Input {
    let grains = transaction.outputs()[index as usize].amount.grains();
    Input { outpoint: OutPoint { txid: transaction.id(), index }, grains, lock: lock(0) }
}

/// An unsigned transfer to [`lock`] 0.
pub(crate) fn transfer(inputs: &[Input], outputs: &[u64], lock_time: LockTime) -> Transaction {
    let outputs = outputs.iter().map(|grains| Output { amount: amount(*grains), lock: lock(0).hash() }).collect();
    let witness = |input: &Input| {
        let (amount, lock) = (amount(input.grains), input.lock.clone());
        Witness::Spend(Spend { amount, lock, signatures: Vec::new(), preimages: Vec::new() })
    };
    Transaction::new(
        Body::Transfer(Transfer { inputs: inputs.iter().map(|input| input.outpoint).collect(), outputs, lock_time }),
        inputs.iter().map(witness).collect(),
    )
}

/// Coins of one block, each of so many grains under [`lock`] 0.
pub(crate) fn coins(count: u8, grains: u64) -> (BTreeMap<OutPoint, Coin>, Vec<Input>) {
    let inputs: Vec<Input> =
        (1..=count).map(|n| Input { outpoint: OutPoint { txid: txid(n), index: 0 }, grains, lock: lock(0) }).collect();
    let coin = Coin { amount: amount(grains), lock: lock(0).hash(), height: Height(1), coinbase: false };
    (inputs.iter().map(|input| (input.outpoint, coin)).collect(), inputs)
}

/// A block that holds these; its header is of no use.
pub(crate) fn block(height: u64, transactions: &[Transaction]) -> Block {
    let coinbase = Coinbase { height: Height(height), extra: Vec::new(), outputs: Vec::new() };
    let mut all = vec![Transaction::new(Body::Coinbase(coinbase), Vec::new())];
    all.extend_from_slice(transactions);
    let header = Header {
        version: 1,
        parent: BlockId::default(),
        merkle_root: MerkleRoot::default(),
        time: height as u32,
        bits: 0,
        nonce: 0,
    };
    let mut block = Block { header, transactions: all };
    block.header.merkle_root = block.merkle_root();
    block
}

/// An update that takes blocks away (highest first) and adds others; diffs are empty.
pub(crate) fn update(disconnected: &[&Block], connected: &[&Block]) -> ChainUpdate {
    let link = |block: &&Block| Link {
        height: Height(u64::from(block.header.time)),
        id: block.id(),
        block: Arc::new(Block::clone(block)),
        diff: Arc::new(Diff::default()),
    };
    let tip = Tip { height: Height(9), id: BlockId::default(), header: block(9, &[]).header };
    ChainUpdate {
        sequence: 1,
        disconnected: disconnected.iter().map(link).collect(),
        connected: connected.iter().map(link).collect(),
        tip,
        final_height: Height(0),
        buckets: Buckets::default(),
    }
}

/// Shows the state after genesis for ever: what is connected stays in the chain's overlay, since nothing is ever flushed.
pub(crate) struct GenesisStore(pub(crate) BTreeMap<OutPoint, Coin>);

impl Coins for GenesisStore {
    fn get(&self, outpoint: &OutPoint) -> Option<Coin> {
        self.0.get(outpoint).copied()
    }
}

impl Archive for GenesisStore {
    fn block(&self, _id: &BlockId) -> Option<Arc<Block>> {
        None
    }
    fn diff(&self, _id: &BlockId) -> Option<Arc<Diff>> {
        None
    }
    fn active_at(&self, _height: Height) -> Option<BlockId> {
        None
    }
    fn certificate(&self, _height: Height) -> Option<CommitCertificate> {
        None
    }
}

pub(crate) fn key(number: u8) -> SigningKey {
    SigningKey::from_seed(&[number; 32])
}

fn ledger_params() -> LedgerParams {
    LedgerParams {
        block_bytes_max: 100_000,
        coinbase_maturity: 2,
        subsidy: Amount::ZERO,
        halving_interval: 0,
        relay_fee_rate_min: 0,
    }
}

fn genesis(engine: EngineParams, members: u8) -> Genesis {
    let owner = Lock::Key(key(100).public()).hash();
    Genesis {
        version: GENESIS_VERSION,
        salt: [7; 32],
        time: 1_000,
        dev: true,
        engine,
        ledger: ledger_params(),
        members: (0..members).map(|number| key(number).public()).collect(),
        allocations: (0..40).map(|_| Output { amount: amount(1_000_000), lock: owner }).collect(),
    }
}

/// A PBFT net of so many members with keys 0, 1, ….
pub(crate) fn pbft_genesis(members: u8) -> Genesis {
    let params = PbftParams {
        depth: 4,
        checkpoint_interval: 100,
        view_timeout_ms: 2_000,
        view_timeout_max_ms: 20_000,
        drift_s: 5,
        block_time_ms: 0,
        readmit_interval: 100,
    };
    genesis(EngineParams::Pbft(params), members)
}

/// A proof-of-work net whose every second nonce is a block.
pub(crate) fn pow_genesis() -> Genesis {
    let params = PowParams {
        spacing_s: 2,
        bits: 0x207f_ffff,
        difficulty: Difficulty::Fixed,
        final_depth: 2,
        max_reorg: 50,
        future_s: 60,
    };
    genesis(EngineParams::Pow(params), 0)
}

pub(crate) fn engine_config(genesis: &Arc<Genesis>, number: u8) -> EngineConfig {
    EngineConfig {
        genesis: genesis.clone(),
        key: genesis.pbft().map(|_| key(number)),
        payee: Some(LockHash([number; 32])),
        log: VoteLog::Original,
        incarnations: Incarnations::default(),
        mine: true,
        work_min: Default::default(),
        salt: [0; 32],
    }
}

/// A signed transfer by the owner of the allocations, of one of his coins to so many new ones of his.
pub(crate) fn signed(genesis: &Genesis, spent: &Input, outputs: &[u64]) -> Transaction {
    let owner = Lock::Key(key(100).public());
    let mut transaction = transfer(&[Input { lock: owner.clone(), ..spent.clone() }], outputs, LockTime::NONE);
    if let Body::Transfer(transfer) = transaction.body_mut() {
        transfer.outputs.iter_mut().for_each(|output| output.lock = owner.hash());
    }
    let stated = [(amount(spent.grains), owner.hash())];
    let common = SighashCommon::new(&genesis.network_id(), transaction.body(), &stated);
    if let Some(Witness::Spend(spend)) = transaction.witnesses_mut().first_mut() {
        spend.signatures = vec![key(100).sign(&common.digest(0, &[], &owner))];
    }
    transaction
}

/// An allocation of the genesis.
pub(crate) fn allocation(genesis: &Genesis, index: u32) -> Input {
    let block = genesis.block();
    Input {
        outpoint: OutPoint { txid: block.transactions[0].id(), index },
        grains: 1_000_000,
        lock: Lock::Key(key(100).public()),
    }
}
