//! What the benches of this crate share: an engine that only asks and tells, and a replica around it.

use bezant_consensus::chain::{Archive, Base, Chain};
use bezant_consensus::engine::{
    Effect, Engine, Event, Instruction, InstructionError, PayloadRequest, PowStatus, Status,
};
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::block::{Block, Header};
use bezant_consensus::ledger::coins::{Coin, Coins, Diff};
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

const START_S: u32 = 1_750_000_000;
/// Enough to be halved twenty times.
pub(crate) const GRAINS: u64 = 10_000_000_000_000;
const BLOCK_BYTES: u32 = 1_000_000;

pub(crate) fn key() -> SigningKey {
    SigningKey::from_seed(&[7; 32])
}

pub(crate) fn owner() -> Lock {
    Lock::Key(key().public())
}

pub(crate) fn grains(grains: u64) -> Amount {
    Amount::from_grains(grains).expect("a small amount")
}

pub(crate) fn genesis(engine: EngineParams) -> Genesis {
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

pub(crate) fn pow() -> EngineParams {
    EngineParams::Pow(PowParams {
        spacing_s: 2,
        bits: 0x207f_ffff,
        difficulty: Difficulty::Fixed,
        final_depth: 6,
        max_reorg: 500,
        future_s: 60,
    })
}

pub(crate) fn pbft() -> EngineParams {
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
pub(crate) struct Shared(pub(crate) Arc<Mutex<BTreeMap<OutPoint, Coin>>>);

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

pub(crate) struct Bench {
    pub(crate) replica: Replica,
    pub(crate) genesis: Arc<Genesis>,
    pub(crate) verifier: Verifier,
    pub(crate) coins: Shared,
    pub(crate) says: Arc<Mutex<VecDeque<Effect>>>,
    pub(crate) payload: Arc<Mutex<(usize, usize)>>,
    pub(crate) now: Time,
    pub(crate) requests: u64,
    pub(crate) sequence: u64,
}

impl Bench {
    pub(crate) fn new(engine: EngineParams, count_max: usize) -> Bench {
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

    pub(crate) fn coin(&self, number: u64) -> OutPoint {
        let mut id = [1; 32];
        id[..8].copy_from_slice(&(number.wrapping_mul(0x9e37_79b9_7f4a_7c15)).to_le_bytes());
        let outpoint = OutPoint { txid: TxId(id), index: number as u32 };
        let coin = Coin { amount: grains(GRAINS), lock: owner().hash(), height: Height(0), coinbase: false };
        self.coins.0.lock().expect("nobody panics here").insert(outpoint, coin);
        outpoint
    }

    pub(crate) fn transfer(&self, outpoint: OutPoint, amount: u64, fee: u64) -> Transaction {
        let output = |grains_of| Output { amount: grains(grains_of), lock: owner().hash() };
        let rest = amount - fee;
        let outputs = vec![output(rest / 2), output(rest - rest / 2)];
        let body = Body::Transfer(Transfer { inputs: vec![outpoint], outputs, lock_time: LockTime::NONE });
        let common = SighashCommon::new(&self.genesis.network_id(), &body, &[(grains(amount), owner().hash())]);
        let signatures = vec![key().sign(&common.digest(0, &[], &owner()))];
        let spend = Spend { amount: grains(amount), lock: owner(), signatures, preimages: Vec::new() };
        Transaction::new(body, vec![Witness::Spend(spend)])
    }

    /// Fees between 1,000 and 10,000 grains, all over the place.
    pub(crate) fn fresh(&self, numbers: std::ops::Range<u64>) -> Vec<Verified<Transaction>> {
        let fee = |number: u64| 1_000 + number.wrapping_mul(7_919) % 9_000;
        numbers.map(|number| self.verified(self.transfer(self.coin(number), GRAINS, fee(number)))).collect()
    }

    pub(crate) fn verified(&self, transaction: Transaction) -> Verified<Transaction> {
        self.verifier.transaction(transaction).expect("signed by its owner")
    }

    /// Hands all in; how many were let in.
    pub(crate) fn hand_in(&mut self, transactions: Vec<Verified<Transaction>>) -> usize {
        let mut taken = 0;
        for transaction in transactions {
            self.requests += 1;
            self.now = self.now.plus_ms(1);
            let told = self.replica.handle(self.now, Input::Submit { request: self.requests, transaction });
            taken += usize::from(told.iter().any(|told| matches!(told, Told::Submitted { result: Ok(_), .. })));
        }
        taken
    }
}

pub(crate) fn block(transactions: &[Verified<Transaction>]) -> Arc<Block> {
    let coinbase = Coinbase { height: Height(1), extra: Vec::new(), outputs: Vec::new() };
    let mut all = vec![Transaction::new(Body::Coinbase(coinbase), Vec::new())];
    all.extend(transactions.iter().map(|transaction| transaction.get().clone()));
    let root = MerkleRoot::default();
    let header = Header { version: 1, parent: BlockId::default(), merkle_root: root, time: START_S, bits: 0, nonce: 0 };
    Arc::new(Block { header, transactions: all })
}
