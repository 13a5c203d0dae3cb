//! What the users of a simulated net do: signed transfers, some on top of unconfirmed ones, some in conflict with each other.

use crate::sim::dice::Dice;
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::genesis::Genesis;
use bezant_consensus::ledger::hash::{NetworkId, TxId};
use bezant_consensus::ledger::key::SigningKey;
use bezant_consensus::ledger::lock::{Lock, LockTime};
use bezant_consensus::ledger::sighash::SighashCommon;
use bezant_consensus::ledger::transaction::{Body, OutPoint, Output, Spend, Transaction, Transfer, Witness};
use bezant_consensus::verify::{Verified, Verifier};

/// Keys that own the first coins.
const ACCOUNTS: usize = 6;
/// Coins of the genesis block; each is spent by at most one transaction or one conflicting pair of the plan.
pub(crate) const COINS: usize = 24;
/// Transactions of a plan, at least; a conflicting pair counts twice.
const TRANSACTIONS_MIN: u64 = 8;
/// Transactions of a plan, about; the last pair may exceed it by one.
const TRANSACTIONS_MAX: u64 = 24;
/// Grains of each first coin.
const COIN_GRAINS: u64 = 50_000_000_000;
/// Fees are drawn up to this.
const FEE_GRAINS_MIN: u64 = 2_000;
const FEE_GRAINS_MAX: u64 = 20_000;

/// A transaction that a user hands in.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) transaction: Verified<Transaction>,
    pub(crate) txid: TxId,
    pub(crate) at_ms: u64,
    /// Where it is handed in first.
    pub(crate) node: usize,
    /// The one that spends the same coin.
    pub(crate) rival: Option<usize>,
    /// The nodes that took it and did not drop it again, with their lives.
    pub(crate) accepted: Vec<(usize, u64)>,
    /// It was handed in at least once.
    pub(crate) submitted: bool,
}

/// The accounts' keys, drawn from the seed.
pub(crate) struct Accounts(Vec<SigningKey>);

impl Accounts {
    pub(crate) fn new(dice: &mut Dice) -> Accounts {
        Accounts((0..ACCOUNTS).map(|_| SigningKey::from_seed(&dice.bytes())).collect())
    }

    fn lock(&self, account: usize) -> Lock {
        Lock::Key(self.0[account].public())
    }

    /// The first coins; coin i is of account i mod [`ACCOUNTS`].
    pub(crate) fn allocations(&self) -> Vec<Output> {
        let amount = Amount::from_grains(COIN_GRAINS).expect("500 BZT are below the supply");
        (0..COINS).map(|coin| Output { amount, lock: self.lock(coin % ACCOUNTS).hash() }).collect()
    }
}

/// A coin that the plan may spend.
#[derive(Clone, Copy)]
struct Free {
    outpoint: OutPoint,
    grains: u64,
    account: usize,
}

struct Planner<'a> {
    network: NetworkId,
    verifier: &'a Verifier,
    accounts: &'a Accounts,
    nodes: usize,
    dice: &'a mut Dice,
    planned: Vec<Planned>,
    /// Outputs of planned transactions without a rival, with the moment of their creator.
    children: Vec<(Free, u64)>,
}

/// Draws a plan: transactions between 0 and `until_ms`.
pub(crate) fn plan(
    genesis: &Genesis,
    verifier: &Verifier,
    accounts: &Accounts,
    nodes: usize,
    until_ms: u64,
    dice: &mut Dice,
) -> Vec<Planned> {
    let txid = genesis.block().transactions[0].id();
    let mut coins = (0..COINS).map(|coin| Free {
        outpoint: OutPoint { txid, index: coin as u32 },
        grains: COIN_GRAINS,
        account: coin % ACCOUNTS,
    });
    let network = genesis.network_id();
    let wanted = dice.between(TRANSACTIONS_MIN, TRANSACTIONS_MAX) as usize;
    let mut planner = Planner { network, verifier, accounts, nodes, dice, planned: Vec::new(), children: Vec::new() };
    while planner.planned.len() < wanted {
        let at_ms = planner.dice.between(0, until_ms);
        if planner.nodes > 1 && planner.dice.chance(250) {
            let Some(coin) = coins.next() else { break };
            planner.pair(coin, at_ms);
        } else if !planner.children.is_empty() && planner.dice.chance(350) {
            let place = planner.dice.index(planner.children.len());
            let (coin, parent_ms) = planner.children.swap_remove(place);
            // Often so soon that the parent is not in a block yet.
            let delay = planner.dice.between(0, 3_000);
            planner.single(coin, parent_ms + delay);
        } else {
            let Some(coin) = coins.next() else { break };
            planner.single(coin, at_ms);
        }
    }
    planner.planned
}

impl Planner<'_> {
    fn single(&mut self, coin: Free, at_ms: u64) {
        let node = self.dice.index(self.nodes);
        let outputs = self.add(coin, at_ms, node, None);
        self.children.extend(outputs.into_iter().map(|free| (free, at_ms)));
    }

    /// Two transactions that spend one coin, handed in at two nodes at the same moment.
    fn pair(&mut self, coin: Free, at_ms: u64) {
        let first = self.dice.index(self.nodes);
        let second = (first + 1 + self.dice.index(self.nodes - 1)) % self.nodes;
        let index = self.planned.len();
        self.add(coin, at_ms, first, Some(index + 1));
        self.add(coin, at_ms, second, Some(index));
    }

    /// Returns the outputs.
    fn add(&mut self, coin: Free, at_ms: u64, node: usize, rival: Option<usize>) -> Vec<Free> {
        let fee = self.dice.between(FEE_GRAINS_MIN, FEE_GRAINS_MAX);
        let left = coin.grains - fee;
        let paid = self.dice.between(left / 10, left / 2);
        let receiver = self.dice.index(ACCOUNTS);
        let shares = [(receiver, paid), (coin.account, left - paid)];
        let output = |(account, grains): (usize, u64)| Output {
            amount: Amount::from_grains(grains).expect("a part of a coin is an amount"),
            lock: self.accounts.lock(account).hash(),
        };
        let transaction = self.sign(coin, shares.map(output).to_vec());
        let txid = transaction.id();
        let transaction = self.verifier.transaction(transaction).expect("the plan makes valid transactions");
        self.planned.push(Planned { transaction, txid, at_ms, node, rival, accepted: Vec::new(), submitted: false });
        let free = |(index, (account, grains)): (usize, (usize, u64))| Free {
            outpoint: OutPoint { txid, index: index as u32 },
            grains,
            account,
        };
        shares.into_iter().enumerate().map(free).collect()
    }

    fn sign(&self, coin: Free, outputs: Vec<Output>) -> Transaction {
        let body = Body::Transfer(Transfer { inputs: vec![coin.outpoint], outputs, lock_time: LockTime::NONE });
        let amount = Amount::from_grains(coin.grains).expect("a part of a coin is an amount");
        let lock = self.accounts.lock(coin.account);
        let common = SighashCommon::new(&self.network, &body, &[(amount, lock.hash())]);
        let signature = self.accounts.0[coin.account].sign(&common.digest(0, &[], &lock));
        let spend = Spend { amount, lock, signatures: vec![signature], preimages: Vec::new() };
        Transaction::new(body, vec![Witness::Spend(spend)])
    }
}
