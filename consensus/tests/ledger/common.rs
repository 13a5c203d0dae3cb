//! What the tests share: keys, coins, parameters and a signer.

use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::block::{Block, Header};
use bezant_consensus::ledger::coins::Coin;
use bezant_consensus::ledger::genesis::{
    Difficulty, EngineParams, GENESIS_VERSION, Genesis, LedgerParams, PbftParams, PowParams,
};
use bezant_consensus::ledger::hash::{BlockId, LockHash, MerkleRoot, NetworkId, TxId};
use bezant_consensus::ledger::key::SigningKey;
use bezant_consensus::ledger::lock::{Lock, LockTime};
use bezant_consensus::ledger::rules::context::Place;
use bezant_consensus::ledger::sighash::SighashCommon;
use bezant_consensus::ledger::transaction::{Body, Coinbase, OutPoint, Output, Spend, Transaction, Transfer, Witness};
use bezant_consensus::ledger::units::Height;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

pub(crate) const NETWORK: NetworkId = NetworkId([0x77; 32]);

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn rng() -> ChaCha20Rng {
    ChaCha20Rng::from_seed([9; 32])
}

pub(crate) fn grains(grains: u64) -> Amount {
    Amount::from_grains(grains).expect("tests use amounts below the supply")
}

pub(crate) fn key(number: u8) -> SigningKey {
    SigningKey::from_seed(&[number; 32])
}

pub(crate) fn lock(number: u8) -> Lock {
    Lock::Key(key(number).public())
}

pub(crate) fn outpoint(number: u8) -> OutPoint {
    OutPoint { txid: TxId([number; 32]), index: u32::from(number) }
}

pub(crate) fn output(amount: u64, to: u8) -> Output {
    Output { amount: grains(amount), lock: lock(to).hash() }
}

pub(crate) fn coin(amount: u64, lock: LockHash) -> Coin {
    Coin { amount: grains(amount), lock, height: Height(1), coinbase: false }
}

pub(crate) fn params() -> LedgerParams {
    LedgerParams {
        block_bytes_max: 1_000_000,
        coinbase_maturity: 10,
        subsidy: grains(5_000),
        halving_interval: 100,
        relay_fee_rate_min: 0,
    }
}

pub(crate) fn place(height: u64) -> Place {
    Place { height: Height(height), time: 1_700_000_000 }
}

/// A coin to be spent, with its lock as it is revealed.
#[derive(Clone)]
pub(crate) struct Input {
    pub(crate) outpoint: OutPoint,
    pub(crate) amount: Amount,
    pub(crate) lock: Lock,
    pub(crate) preimages: Vec<[u8; 32]>,
}

pub(crate) fn input(number: u8, amount: u64, lock: Lock) -> Input {
    Input { outpoint: outpoint(number), amount: grains(amount), lock, preimages: Vec::new() }
}

pub(crate) fn transfer(inputs: &[Input], outputs: &[Output]) -> Transaction {
    transfer_at(LockTime::NONE, inputs, outputs)
}

pub(crate) fn transfer_at(lock_time: LockTime, inputs: &[Input], outputs: &[Output]) -> Transaction {
    let outpoints = inputs.iter().map(|input| input.outpoint).collect();
    let body = Body::Transfer(Transfer { inputs: outpoints, outputs: outputs.to_vec(), lock_time });
    sign(&NETWORK, body, inputs)
}

/// Signs with whichever of the first thirty keys a leaf names.
pub(crate) fn sign(network: &NetworkId, body: Body, inputs: &[Input]) -> Transaction {
    let keys: Vec<SigningKey> = (0..30).map(key).collect();
    let spent: Vec<_> = inputs.iter().map(|input| (input.amount, input.lock.hash())).collect();
    let common = SighashCommon::new(network, &body, &spent);
    let witnesses = inputs.iter().enumerate().map(|(index, input)| {
        let signatures = input
            .lock
            .revealed_leaves()
            .into_iter()
            .filter_map(|(path, leaf)| match leaf {
                Lock::Key(public) => {
                    let key = keys.iter().find(|key| key.public() == *public).expect("tests sign with known keys");
                    Some(key.sign(&common.digest(index as u32, &path, &input.lock)))
                }
                _ => None,
            })
            .collect();
        let (amount, lock) = (input.amount, input.lock.clone());
        Witness::Spend(Spend { amount, lock, signatures, preimages: input.preimages.clone() })
    });
    let witnesses = witnesses.collect();
    Transaction::new(body, witnesses)
}

/// The spend of an input, to be tampered with.
pub(crate) fn spend_mut(transaction: &mut Transaction, input: usize) -> &mut Spend {
    match &mut transaction.witnesses_mut()[input] {
        Witness::Spend(spend) => spend,
        Witness::Member { .. } => panic!("not a spend"),
    }
}

/// The body of a transfer, to be tampered with.
pub(crate) fn transfer_mut(transaction: &mut Transaction) -> &mut Transfer {
    match transaction.body_mut() {
        Body::Transfer(transfer) => transfer,
        Body::Coinbase(_) | Body::Epoch(_) => panic!("not a transfer"),
    }
}

pub(crate) fn coinbase(height: u64, outputs: &[Output]) -> Transaction {
    let coinbase = Coinbase { height: Height(height), extra: Vec::new(), outputs: outputs.to_vec() };
    Transaction::new(Body::Coinbase(coinbase), Vec::new())
}

/// A block with the right merkle root above `parent`.
pub(crate) fn block_above(parent: BlockId, transactions: Vec<Transaction>) -> Block {
    let merkle_root = MerkleRoot::default();
    let header = Header { version: 1, parent, merkle_root, time: 1_700_000_000, bits: 0, nonce: 0 };
    let mut block = Block { header, transactions };
    block.header.merkle_root = block.merkle_root();
    block
}

pub(crate) fn block(transactions: Vec<Transaction>) -> Block {
    block_above(BlockId([1; 32]), transactions)
}

pub(crate) fn pbft_params() -> PbftParams {
    PbftParams {
        depth: 4,
        checkpoint_interval: 64,
        view_timeout_ms: 1_000,
        view_timeout_max_ms: 60_000,
        drift_s: 10,
        block_time_ms: 5_000,
        readmit_interval: 1_000,
    }
}

pub(crate) fn pow_params() -> PowParams {
    PowParams {
        spacing_s: 60,
        bits: 0x207f_ffff,
        difficulty: Difficulty::Asert { half_life_s: 3_600 },
        final_depth: 6,
        max_reorg: 1_000,
        future_s: 7_200,
    }
}

pub(crate) fn genesis(engine: EngineParams) -> Genesis {
    let members = match &engine {
        EngineParams::Pbft(_) => (1..=4).map(|number| key(number).public()).collect(),
        EngineParams::Pow(_) => Vec::new(),
    };
    Genesis {
        version: GENESIS_VERSION,
        salt: [0x5a; 32],
        time: 1_700_000_000,
        dev: true,
        engine,
        ledger: params(),
        members,
        allocations: vec![output(1_000_000, 11), output(2_000_000, 12)],
    }
}

pub(crate) fn pbft_genesis() -> Genesis {
    genesis(EngineParams::Pbft(pbft_params()))
}

pub(crate) fn pow_genesis() -> Genesis {
    genesis(EngineParams::Pow(pow_params()))
}
