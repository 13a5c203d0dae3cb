//! Whole nodes without network and RPC.

mod alone;
mod busy_network;
mod full_disk;
mod mining;
mod power_cut;
mod proofs;
mod together;
mod waiting;

use crate::clock::Clock;
use crate::error::NodeError;
use crate::handle::NodeHandle;
use crate::metrics::Metrics;
use crate::node::{Core, CoreParts};
use crate::ports::{NetCommand, NetEvent, Network};
use crate::store;
use bezant_api::genesis::{ledger_defaults, pbft_defaults, pow_defaults};
use bezant_api::types::{EngineName, TxState};
use bezant_consensus::engine::{EngineConfig, VoteLog};
use bezant_consensus::incarnations::Incarnations;
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::genesis::{Difficulty, EngineParams, GENESIS_VERSION, Genesis, PbftParams, PowParams};
use bezant_consensus::ledger::hash::{LockHash, TxId};
use bezant_consensus::ledger::key::SigningKey;
use bezant_consensus::ledger::lock::{Lock, LockTime};
use bezant_consensus::ledger::sighash::SighashCommon;
use bezant_consensus::ledger::transaction::{Body, OutPoint, Output, Spend, Transaction, Transfer, Witness};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Generous: a loaded machine may be slow.
const LIMIT: Duration = Duration::from_secs(60);
const START: u64 = 1_000_000_000;

pub(crate) fn key(number: u8) -> SigningKey {
    SigningKey::from_seed(&[number; 32])
}

pub(crate) fn lock_of(key: &SigningKey) -> LockHash {
    Lock::Key(key.public()).hash()
}

/// A dev net with one member (PBFT) or the easiest target (proof of work), and `accounts` funded keys from number 100 on.
pub(crate) fn genesis(engine: EngineName, accounts: u8) -> Genesis {
    let params = match engine {
        EngineName::Pbft => EngineParams::Pbft(PbftParams { ..pbft_defaults() }),
        EngineName::Pow => EngineParams::Pow(PowParams {
            bits: 0x207f_ffff,
            difficulty: Difficulty::Fixed,
            final_depth: 3,
            ..pow_defaults(2)
        }),
    };
    let fund = |number: u8| Output { amount: Amount::from_grains(START).expect("small"), lock: lock_of(&key(number)) };
    Genesis {
        version: GENESIS_VERSION,
        salt: [9; 32],
        time: 1_700_000_000,
        dev: true,
        members: if engine == EngineName::Pbft { vec![key(1).public()] } else { Vec::new() },
        engine: params,
        ledger: ledger_defaults(engine),
        allocations: (100..100 + accounts).map(fund).collect(),
    }
}

/// Spends the genesis coin of account `number` (0, 1, …): `amount` to `to`, the rest but a fee of 10,000 back.
pub(crate) fn transfer(genesis: &Genesis, number: u8, amount: u64, to: LockHash) -> Transaction {
    let owner = key(100 + number);
    let input = OutPoint { txid: genesis.block().transactions[0].id(), index: u32::from(number) };
    let output = |grains: u64, lock| Output { amount: Amount::from_grains(grains).expect("small"), lock };
    let outputs = vec![output(amount, to), output(START - amount - 10_000, lock_of(&owner))];
    let body = Body::Transfer(Transfer { inputs: vec![input], outputs, lock_time: LockTime::NONE });
    let (coin, lock) = (Amount::from_grains(START).expect("small"), Lock::Key(owner.public()));
    let common = SighashCommon::new(&genesis.network_id(), &body, &[(coin, lock.hash())]);
    let signature = owner.sign(&common.digest(0, &[], &lock));
    let spend = Spend { amount: coin, lock, signatures: vec![signature], preimages: Vec::new() };
    Transaction::new(body, vec![Witness::Spend(spend)])
}

/// Spends coins (outpoint, grains, number of the key) for these outputs.
pub(crate) fn spend(genesis: &Genesis, coins: &[(OutPoint, u64, u8)], outputs: &[(u64, LockHash)]) -> Transaction {
    let amount = |grains: u64| Amount::from_grains(grains).expect("small");
    let output = |(grains, lock): &(u64, LockHash)| Output { amount: amount(*grains), lock: *lock };
    let body = Body::Transfer(Transfer {
        inputs: coins.iter().map(|(outpoint, ..)| *outpoint).collect(),
        outputs: outputs.iter().map(output).collect(),
        lock_time: LockTime::NONE,
    });
    let stated: Vec<(Amount, LockHash)> =
        coins.iter().map(|(_, grains, number)| (amount(*grains), lock_of(&key(*number)))).collect();
    let common = SighashCommon::new(&genesis.network_id(), &body, &stated);
    let witness = |(index, (_, grains, number)): (usize, &(OutPoint, u64, u8))| {
        let lock = Lock::Key(key(*number).public());
        let signatures = vec![key(*number).sign(&common.digest(index as u32, &[], &lock))];
        Witness::Spend(Spend { amount: amount(*grains), lock, signatures, preimages: Vec::new() })
    };
    let witnesses = coins.iter().enumerate().map(witness).collect();
    Transaction::new(body, witnesses)
}

/// A node that nobody talks to.
pub(crate) struct Alone {
    pub(crate) handle: NodeHandle,
    core: Core,
    _events: mpsc::Sender<NetEvent>,
    _inbox: Option<mpsc::Receiver<NetCommand>>,
}

impl Alone {
    pub(crate) fn start(dir: &Path, genesis: &Genesis) -> Result<Alone, NodeError> {
        let (commands, inbox) = mpsc::channel(1_024);
        let node = Alone::start_with(dir, genesis, commands)?;
        Ok(Alone { _inbox: Some(inbox), ..node })
    }

    /// Its commands go there.
    pub(crate) fn start_with(
        dir: &Path,
        genesis: &Genesis,
        commands: mpsc::Sender<NetCommand>,
    ) -> Result<Alone, NodeError> {
        let genesis = Arc::new(genesis.clone());
        let metrics = Arc::new(Metrics::new());
        let opened = store::open(dir, &genesis, metrics.clone())?;
        let (outbox, events) = mpsc::channel(1_024);
        let peer_id = libp2p::PeerId::random();
        let is_pow = genesis.pow().is_some();
        let parts = CoreParts {
            engine: EngineConfig {
                genesis,
                key: Some(key(1)).filter(|_| !is_pow),
                payee: Some(lock_of(&key(50))),
                log: VoteLog::Original,
                incarnations: Incarnations::default(),
                mine: false,
                work_min: Default::default(),
                salt: [0; 32],
            },
            genesis_toml: String::new(),
            opened,
            network: Network { peer_id, addresses: Vec::new(), commands, events },
            metrics,
            data_dir: dir.to_owned(),
            clock: Clock::new(0),
            mines: false,
            miner: is_pow.then_some(bezant_miner::MinerConfig { threads: 1, hashrate_max: None }),
            needs_peers: false,
            save_pause: Duration::ZERO,
        };
        let core = parts.start()?;
        Ok(Alone { handle: core.handle.clone(), core, _events: outbox, _inbox: None })
    }

    pub(crate) async fn stop(self) -> Result<(), NodeError> {
        self.core.stop.send_replace(true);
        self.core.ended.await.expect("the runtime says how it ended")
    }

    /// Why the node stopped by itself.
    pub(crate) async fn failure(self) -> NodeError {
        let ended = tokio::time::timeout(LIMIT, self.core.ended).await.expect("the node stops");
        ended.expect("the runtime says how it ended").expect_err("the node stopped by itself")
    }
}

/// Waits for the next event that says that something has changed, until `is_done`.
pub(crate) async fn until<F: Future<Output = bool>>(handle: &NodeHandle, is_done: impl Fn() -> F) {
    let wait = async {
        let mut events = handle.subscribe(None, None).await.expect("the node runs");
        while !is_done().await {
            events.next().await.expect("the node runs");
        }
    };
    tokio::time::timeout(LIMIT, wait).await.expect("in time");
}

pub(crate) async fn until_state(handle: &NodeHandle, txid: TxId, state: TxState) {
    until(handle, || async move { handle.tx_status(txid).await.is_ok_and(|status| status.state >= state) }).await;
}

pub(crate) async fn until_height(handle: &NodeHandle, height: u64) {
    until(handle, || async move { handle.tip().await.is_ok_and(|tip| tip.height >= height) }).await;
}
