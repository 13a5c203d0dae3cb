//! Random sequences of what people do with wallets while nodes die and chains are reorganised; after each, what the wallets say
//! is held against a replay of the chain by other code.
//!
//! Ten wallets pay each other under ids. Commands are killed midway, repeated, raced, bumped and cancelled; nodes are killed and
//! started; under proof of work blocks lose their place. Then all nodes run, every payment is asked for once more, and blocks
//! come until all is final. It must be so that
//! - every wallet's balance is what the replay says, and what the payments in the chain make of what it began with;
//! - of each payment one transaction at most is in the chain, and it pays whom it should;
//! - a payment without one can never come any more (its coins went elsewhere), and its command says so;
//! - nothing waits, nothing is on its way, and no coin is kept for a payment that is over.

use crate::net::{LIMIT, Net, finish, text, until};
use bezant_api::client::Client;
use bezant_api::types::BlockRef;
use bezant_consensus::ledger::block::Block;
use bezant_consensus::ledger::codec::decode;
use bezant_consensus::ledger::hash::{LockHash, NetworkId, TxId};
use bezant_consensus::ledger::transaction::{OutPoint, Transaction};
use bezant_wallet::keys::dev::NAMES;
use bezant_wallet::keys::keystore;
use bezant_wallet::paying::journal::{self, Journal, Kept, Kind};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

const NODES: usize = 4;
const STEPS: std::ops::Range<u32> = 4..12;
/// Sequences on one net, each of which goes on with what the last one left.
const PER_NET: usize = 25;
/// A command is killed within this time after its start.
const KILLED_WITHIN_MS: u64 = 150;
/// What a payment may be at most, in grains: a few of an account's ten coins.
const AMOUNT_MAX: u64 = 30_000_000_000_000;

/// The chain, replayed by code of its own: no cache, no rules, only who has what.
#[derive(Default)]
struct Replay {
    blocks: Vec<Replayed>,
    coins: BTreeMap<OutPoint, (u64, LockHash)>,
    transactions: BTreeSet<TxId>,
    /// Who spent a coin.
    spent: BTreeMap<OutPoint, TxId>,
}

/// A block, and how to take it back.
struct Replayed {
    id: String,
    spent: Vec<(OutPoint, (u64, LockHash))>,
    created: Vec<OutPoint>,
    transactions: Vec<TxId>,
}

impl Replay {
    /// Follows the active chain of a node to its tip.
    fn follow(&mut self, net: &Net, client: &Client) {
        let block_at = |height: u64| net.block_on(client.block(BlockRef::Height(height)));
        while let Some(last) = self.blocks.last() {
            let height = self.blocks.len() as u64 - 1;
            if block_at(height).is_ok_and(|block| block.id == last.id) {
                break;
            }
            self.take_back();
        }
        let tip = net.block_on(client.tip()).expect("the node answers").height;
        for height in self.blocks.len() as u64..=tip {
            let view = block_at(height).expect("the block is there");
            let block: Block = decode(&hex::decode(&view.hex).expect("hex")).expect("a block");
            self.apply(view.id, &block);
        }
    }

    fn apply(&mut self, id: String, block: &Block) {
        let mut replayed = Replayed { id, spent: Vec::new(), created: Vec::new(), transactions: Vec::new() };
        for transaction in &block.transactions {
            let txid = transaction.id();
            for outpoint in transaction.inputs() {
                let coin = self.coins.remove(outpoint).expect("nothing is spent twice, and nothing out of thin air");
                replayed.spent.push((*outpoint, coin));
                self.spent.insert(*outpoint, txid);
            }
            for (index, output) in (0..).zip(transaction.outputs()) {
                let outpoint = OutPoint { txid, index };
                self.coins.insert(outpoint, (output.amount.grains(), output.lock));
                replayed.created.push(outpoint);
            }
            assert!(self.transactions.insert(txid), "a transaction is in one block only");
            replayed.transactions.push(txid);
        }
        self.blocks.push(replayed);
    }

    fn take_back(&mut self) {
        let block = self.blocks.pop().expect("there is a block");
        let created: BTreeSet<OutPoint> = block.created.into_iter().collect();
        for (outpoint, coin) in block.spent {
            self.spent.remove(&outpoint);
            self.coins.insert(outpoint, coin);
        }
        self.coins.retain(|outpoint, _| !created.contains(outpoint));
        block.transactions.iter().for_each(|txid| assert!(self.transactions.remove(txid)));
    }

    fn balance(&self, lock: &LockHash) -> u64 {
        self.coins.values().filter(|(_, owner)| owner == lock).map(|(amount, _)| amount).sum()
    }

    /// Whether a transaction can never be in this chain: one of its coins went elsewhere, or never comes to be.
    fn is_dead(&self, transaction: &Transaction) -> bool {
        let id = transaction.id();
        let is_gone = |outpoint: &OutPoint| {
            self.spent.get(outpoint).is_some_and(|by| *by != id)
                || !self.coins.contains_key(outpoint) && !self.transactions.contains(&outpoint.txid)
        };
        transaction.inputs().iter().any(is_gone)
    }
}

/// A payment that somebody wants to make.
struct Payment {
    id: String,
    from: usize,
    to: Vec<(usize, u64)>,
}

impl Payment {
    fn arguments(&self, wait: &str) -> Vec<String> {
        let amount = |grains: u64| format!("{}.{:08}", grains / 100_000_000, grains % 100_000_000);
        let mut all = vec!["wallet".to_owned(), "send".to_owned(), "--from".to_owned(), NAMES[self.from].to_owned()];
        for (to, grains) in &self.to {
            all.extend(["--pay".to_owned(), format!("{}={}", NAMES[*to], amount(*grains))]);
        }
        all.extend(["--id", &self.id, "--wait", wait, "--timeout", "60s"].map(str::to_owned));
        all
    }
}

/// Ten wallets, a net, and a dice.
struct World {
    net: Net,
    is_pow: bool,
    network: NetworkId,
    wallets: Vec<(PathBuf, LockHash)>,
    replay: Replay,
    /// What each wallet should have: it began with this, and payments in the chain are added.
    expected: Vec<i64>,
    number: u64,
    made: u64,
    died: u64,
    cancelled: u64,
}

impl World {
    fn new(is_pow: bool) -> World {
        let net = if is_pow { Net::up(&["--engine", "pow", "--block-time", "1s"]) } else { Net::up(&[]) };
        if is_pow {
            (0..NODES).for_each(|node| drop(net.json(&["testnet", "hashrate", &node.to_string(), "0"])));
        }
        let genesis = bezant_api::genesis::read(&net.dir().join("genesis.toml")).expect("the net has a genesis");
        let dir = net.dir().join(bezant_wallet::keys::dev::WALLETS_DIR);
        let wallet = |name: &&str| {
            let path = keystore::path(&dir, name);
            let lock = keystore::read(&path).expect("an account").lock_hashes()[0];
            (path, lock)
        };
        let wallets: Vec<(PathBuf, LockHash)> = NAMES.iter().map(wallet).collect();
        let network = genesis.network_id();
        let mut world = World {
            net,
            is_pow,
            network,
            wallets,
            replay: Replay::default(),
            expected: Vec::new(),
            number: 0,
            made: 0,
            died: 0,
            cancelled: 0,
        };
        world.replay.follow(&world.net, &world.net.client(0));
        world.expected = world.wallets.iter().map(|(_, lock)| world.replay.balance(lock) as i64).collect();
        world
    }

    fn run(&self, arguments: &[String]) -> crate::net::Ran {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).chain(["--json"]).collect();
        self.net.run(&arguments)
    }

    fn mine(&self, blocks: u32, node: usize) {
        self.net.json(&["testnet", "mine", &blocks.to_string(), "--node", &node.to_string()]);
    }

    /// One sequence, and all that must hold after it.
    ///
    /// # Panics
    /// When something does not hold.
    fn sequence(&mut self, seed: u64) {
        let mut dice = StdRng::seed_from_u64(seed);
        let mut payments: Vec<Payment> = Vec::new();
        let mut down: BTreeSet<usize> = BTreeSet::new();
        for _ in 0..dice.random_range(STEPS) {
            self.step(&mut dice, &mut payments, &mut down);
        }
        for node in down {
            self.net.json(&["testnet", "start", &node.to_string()]);
        }
        self.settle(&payments);
        self.hold(&payments);
    }

    fn step(&mut self, dice: &mut StdRng, payments: &mut Vec<Payment>, down: &mut BTreeSet<usize>) {
        match dice.random_range(0..12) {
            0..4 => {
                let payment = self.payment(dice);
                self.may_fail(self.run(&payment.arguments(["none", "pool"][dice.random_range(0..2)])));
                payments.push(payment);
            }
            4 => {
                let payment = self.payment(dice);
                let arguments = payment.arguments("final");
                let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
                let mut child = self.net.command(&arguments).spawn().expect("the program starts");
                std::thread::sleep(Duration::from_millis(dice.random_range(0..KILLED_WITHIN_MS)));
                let _ = child.kill();
                finish(child, LIMIT);
                payments.push(payment);
            }
            5 if !payments.is_empty() => {
                let payment = &payments[dice.random_range(0..payments.len())];
                let arguments = payment.arguments("pool");
                let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
                let both = [0, 1].map(|_| self.net.command(&arguments).spawn().expect("the program starts"));
                both.into_iter().for_each(|child| self.may_fail(finish(child, LIMIT)));
            }
            verb @ 6..8 if !payments.is_empty() => {
                let payment = &payments[dice.random_range(0..payments.len())];
                if let Some(last) = self.kept(payment).and_then(|mut kept| kept.attempts.pop()) {
                    let txid = last.transaction.id().to_string();
                    let verb = if verb == 6 { "bump" } else { "cancel" };
                    let command = ["wallet", verb, &txid, "--from", NAMES[payment.from], "--wait", "pool"];
                    self.may_fail(self.run(&command.map(str::to_owned)));
                }
            }
            8 => {
                // Under PBFT two of four that are down stop the rest, and what was sent waits.
                let node = dice.random_range(0..NODES);
                if down.len() < if self.is_pow { NODES - 1 } else { 2 } && down.insert(node) {
                    self.net.json(&["testnet", "kill", &node.to_string()]);
                }
            }
            9 => {
                if let Some(node) = down.pop_first() {
                    self.net.json(&["testnet", "start", &node.to_string()]);
                }
            }
            10 if self.is_pow => {
                let node = (0..NODES).find(|node| !down.contains(node)).expect("one runs");
                self.mine(dice.random_range(1..4), node);
            }
            11 if self.is_pow && down.is_empty() && self.replay.blocks.len() > 4 => {
                let depth = dice.random_range(1..4_u32).to_string();
                let node = dice.random_range(0..NODES).to_string();
                self.net.json(&["testnet", "reorg", &depth, "--node", &node]);
            }
            _ => {}
        }
    }

    fn payment(&mut self, dice: &mut StdRng) -> Payment {
        self.number += 1;
        let from = dice.random_range(0..NAMES.len());
        let count = if dice.random_range(0..4) == 0 { dice.random_range(2..5) } else { 1 };
        let to = (0..count).map(|_| (dice.random_range(0..NAMES.len()), dice.random_range(1..AMOUNT_MAX))).collect();
        Payment { id: format!("payment-{}", self.number), from, to }
    }

    /// What a command may end with while things break: done, refused, lost, or not known yet.
    fn may_fail(&self, ran: crate::net::Ran) {
        assert!(matches!(ran.status, 0 | 3 | 4 | 5 | 6), "{ran:?}");
    }

    fn journal(&self, wallet: usize) -> Option<Journal> {
        let (path, _) = &self.wallets[wallet];
        journal::path(path).exists().then(|| Journal::open(path, &self.network).expect("the journal opens"))
    }

    fn kept(&self, payment: &Payment) -> Option<Kept> {
        self.journal(payment.from)?.find(&payment.id).expect("the journal is whole")
    }

    /// Every payment is asked for once more, and blocks come until nothing waits; again, as long as somebody who had too little could
    /// pay after all.
    fn settle(&mut self, payments: &[Payment]) {
        let made = |world: &World| payments.iter().filter(|payment| world.kept(payment).is_some()).count();
        // What was made before, and is handed over only now, may pay somebody in the next round.
        let mut unchanged = 0;
        while unchanged < 2 {
            let before = made(self);
            for payment in payments {
                self.may_fail(self.run(&payment.arguments("pool")));
            }
            self.quiet();
            unchanged = if made(self) == before { unchanged + 1 } else { 0 };
        }
    }

    /// Blocks come until nothing waits, and all is final or deep.
    fn quiet(&mut self) {
        let client = self.net.client(0);
        until("nothing waits", LIMIT, || {
            if self.is_pow {
                self.mine(1, 0);
            }
            let waiting = (0..NODES).all(|node| {
                let client = self.net.client(node);
                self.net.block_on(client.mempool()).is_ok_and(|pool| pool.txids.is_empty())
            });
            waiting.then_some(())
        });
        if self.is_pow {
            self.mine(6, 0);
        }
        self.net.await_synced();
        until("the tip is final, or as deep as blocks are", LIMIT, || {
            let tip = self.net.block_on(client.tip()).expect("the node answers");
            (tip.height - tip.final_height < if self.is_pow { 6 } else { 1 }).then_some(())
        });
        self.replay.follow(&self.net, &client);
    }

    fn hold(&mut self, payments: &[Payment]) {
        for payment in payments {
            self.made += 1;
            let Some(kept) = self.kept(payment) else {
                let ran = self.run(&payment.arguments("pool"));
                assert_eq!(ran.status, 3, "a payment that was never made was refused: {ran:?}");
                self.died += 1;
                continue;
            };
            let in_chain = |attempt: &&journal::Attempt| self.replay.transactions.contains(&attempt.transaction.id());
            let there: Vec<&journal::Attempt> = kept.attempts.iter().filter(in_chain).collect();
            match there[..] {
                [] => {
                    let is_dead = |attempt: &journal::Attempt| self.replay.is_dead(&attempt.transaction);
                    assert!(kept.attempts.iter().all(is_dead), "{} is stuck", payment.id);
                    let ran = self.run(&payment.arguments("pool"));
                    assert!(matches!(ran.status, 3 | 4), "a payment that cannot come says so: {ran:?}");
                    self.died += 1;
                }
                [attempt] => {
                    let back = attempt.kind == Kind::Cancel;
                    // Wallets receive and spend in any order: below zero in between.
                    self.expected[payment.from] -= attempt.fee.grains() as i64;
                    self.cancelled += u64::from(back);
                    let outputs = attempt.transaction.outputs();
                    for (place, (to, grains)) in payment.to.iter().enumerate().filter(|_| !back) {
                        assert_eq!(
                            (outputs[place].amount.grains(), outputs[place].lock),
                            (*grains, self.wallets[*to].1)
                        );
                        self.expected[payment.from] -= *grains as i64;
                        self.expected[*to] += *grains as i64;
                    }
                    let ran = self.run(&payment.arguments("final"));
                    let is_said = if back { ran.status == 3 } else { ran.status == 0 };
                    assert!(is_said, "{:?}: {ran:?}", attempt.kind);
                    if !back {
                        assert_eq!(text(&ran.json()["txid"]), attempt.transaction.id().to_string());
                    }
                }
                _ => panic!("{} was carried out {} times", payment.id, there.len()),
            }
        }
        let balances = self.net.json(&["wallet", "balance"]);
        for (wallet, (_, lock)) in self.wallets.iter().enumerate() {
            let balance = balances["wallets"].as_array().expect("a list").iter();
            let mine = balance.into_iter().find(|one| one["wallet"] == NAMES[wallet]).expect("each wallet is there");
            let replayed = self.replay.balance(lock);
            let parts =
                ["spendable", "pending", "immature"].map(|part| text(&mine[part]).parse::<u64>().expect("grains"));
            assert_eq!(parts, [replayed, 0, 0], "what {} says, and what the chain says", NAMES[wallet]);
            assert_eq!(
                replayed as i64, self.expected[wallet],
                "what {} has, and what its payments make of it",
                NAMES[wallet]
            );
            let reserved = self.journal(wallet).map(|journal| journal.reserved().expect("the journal is whole"));
            let kept = reserved.into_iter().flatten().filter(|outpoint| self.replay.coins.contains_key(outpoint));
            assert_eq!(kept.collect::<Vec<_>>(), [], "coins that {} keeps for payments that are over", NAMES[wallet]);
        }
    }
}

/// `BEZANT_SEQUENCES=N` makes it a campaign.
fn campaign(is_pow: bool) {
    let count = std::env::var("BEZANT_SEQUENCES").ok().and_then(|count| count.parse().ok()).unwrap_or(4);
    let (mut made, mut died, mut cancelled) = (0, 0, 0);
    for first in (1..=count).step_by(PER_NET) {
        let mut world = World::new(is_pow);
        for seed in (first..=count).take(PER_NET) {
            // A failure is found again by beginning with the first seed of its net.
            eprintln!("sequence {seed}, of a net that began with {first}");
            world.sequence(seed);
        }
        world.net.check();
        made += world.made;
        died += world.died;
        cancelled += world.cancelled;
        eprintln!("{made} payments: {cancelled} cancelled, {died} never came");
    }
    assert!(died < made / 2, "most payments arrive: {died} of {made} never came");
}

#[test]
fn pbft_wallets_agree_with_the_chain_whatever_happens() {
    campaign(false);
}

#[test]
fn proof_of_work_wallets_agree_with_the_chain_whatever_happens() {
    campaign(true);
}
