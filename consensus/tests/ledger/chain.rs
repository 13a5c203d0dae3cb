//! The active chain: connecting, disconnecting, the overlay over a store that lags or leads, the commitment.

use crate::common::*;
use bezant_consensus::chain::{Archive, Base, Chain, Link};
use bezant_consensus::ledger::block::Block;
use bezant_consensus::ledger::coins::{Coin, Coins, Diff};
use bezant_consensus::ledger::commitment::Buckets;
use bezant_consensus::ledger::hash::BlockId;
use bezant_consensus::ledger::rules::BlockError;
use bezant_consensus::ledger::transaction::{OutPoint, Transaction};
use bezant_consensus::ledger::units::Height;
use bezant_consensus::message::CommitCertificate;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// A store in memory; shared, so that a test can flush behind the chain's back.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    coins: BTreeMap<OutPoint, Coin>,
    blocks: BTreeMap<BlockId, (Arc<Block>, Arc<Diff>)>,
    active: BTreeMap<Height, BlockId>,
}

impl Memory {
    fn flush(&self, disconnected: &[Link], connected: &[Link]) {
        let mut inner = self.0.lock().unwrap();
        for link in disconnected {
            link.diff.revert(&mut inner.coins).expect("the store follows the chain");
            inner.active.remove(&link.height);
        }
        for link in connected {
            link.diff.apply(&mut inner.coins).expect("the store follows the chain");
            inner.active.insert(link.height, link.id);
            inner.blocks.insert(link.id, (link.block.clone(), link.diff.clone()));
        }
    }
}

impl Coins for Memory {
    fn get(&self, outpoint: &OutPoint) -> Option<Coin> {
        self.0.lock().unwrap().coins.get(outpoint).copied()
    }
}

impl Archive for Memory {
    fn block(&self, id: &BlockId) -> Option<Arc<Block>> {
        self.0.lock().unwrap().blocks.get(id).map(|(block, _)| block.clone())
    }
    fn diff(&self, id: &BlockId) -> Option<Arc<Diff>> {
        self.0.lock().unwrap().blocks.get(id).map(|(_, diff)| diff.clone())
    }
    fn active_at(&self, height: Height) -> Option<BlockId> {
        self.0.lock().unwrap().active.get(&height).copied()
    }
    fn certificate(&self, _: Height) -> Option<CommitCertificate> {
        None
    }
}

struct Net {
    chain: Chain,
    store: Memory,
}

fn start() -> Net {
    let genesis = Arc::new(pow_genesis());
    let (base, diff) = Base::genesis(&genesis);
    let store = Memory::default();
    store.0.lock().unwrap().coins = diff.created;
    Net { chain: Chain::new(genesis, Box::new(store.clone()), base, &[9; 32]), store }
}

impl Net {
    fn network(&self) -> bezant_consensus::ledger::hash::NetworkId {
        self.chain.network()
    }

    fn connect(&mut self, extra: u8, transactions: &[Transaction]) -> Link {
        let block = self.next(extra, transactions);
        let diff = self.chain.judge(&block, 0).expect("the block is valid");
        self.chain.connect(Arc::new(block), Arc::new(diff))
    }

    /// A block on the tip; `extra` is who is paid, so that blocks of one height differ.
    fn next(&self, extra: u8, transactions: &[Transaction]) -> Block {
        let tip = self.chain.tip();
        let mut all = vec![coinbase(tip.height.next().0, &[output(5_000, extra)])];
        all.extend_from_slice(transactions);
        block_above(tip.id, all)
    }

    fn update(&mut self, disconnected: Vec<Link>, connected: Vec<Link>) -> u64 {
        self.chain.update(disconnected, connected, Height(0)).sequence
    }

    /// All coins that the chain shows among those that ever were.
    fn coins(&self, links: &[&Link]) -> BTreeMap<OutPoint, Coin> {
        let genesis = Base::genesis(self.chain.genesis()).1;
        let names = links.iter().flat_map(|link| link.diff.created.keys()).chain(genesis.created.keys());
        names.filter_map(|name| Coins::get(&self.chain, name).map(|coin| (*name, coin))).collect()
    }
}

/// Genesis' first allocation, of key 11, to key 12.
fn payment(net: &Net) -> Transaction {
    let genesis = net.chain.genesis().block();
    let outpoint = OutPoint { txid: genesis.transactions[0].id(), index: 0 };
    let input = Input { outpoint, ..input(0, 1_000_000, lock(11)) };
    let mut unsigned = transfer(std::slice::from_ref(&input), &[output(1_000_000, 12)]);
    unsigned = sign(&net.network(), unsigned.body().clone(), &[input]);
    unsigned
}

/// A transaction moves from one height to another in a reorg; its coin is another one then, and the commitment must show it.
#[test]
fn a_coin_that_moves_to_another_height_in_a_reorg() {
    for flush_between in [false, true] {
        for summed_between in [false, true] {
            let mut net = start();
            let payment = payment(&net);
            let moved = OutPoint { txid: payment.id(), index: 0 };
            let old = net.connect(1, std::slice::from_ref(&payment));
            let sequence = net.update(vec![], vec![old.clone()]);
            if flush_between {
                net.store.flush(&[], std::slice::from_ref(&old));
                net.chain.flushed(sequence);
            }
            if summed_between {
                net.chain.commitment();
            }
            let gone = net.chain.disconnect().expect("the undo is there");
            assert_eq!(gone.id, old.id);
            let first = net.connect(2, &[]);
            let second = net.connect(2, &[payment]);
            net.update(vec![gone], vec![first.clone(), second.clone()]);
            assert_eq!(Coins::get(&net.chain, &moved).map(|coin| coin.height), Some(Height(2)));
            let coins = net.coins(&[&old, &first, &second]);
            assert_eq!(net.chain.commitment(), Buckets::of(&coins).commitment(), "{flush_between} {summed_between}");
        }
    }
}

/// More coins than may wait to be summed, in one block and over several; and back.
#[test]
fn many_coins_are_summed_before_anyone_asks() {
    let mut net = start();
    let genesis = net.chain.genesis().block();
    let outpoint = OutPoint { txid: genesis.transactions[0].id(), index: 0 };
    let input = Input { outpoint, ..input(0, 1_000_000, lock(11)) };
    let outputs: Vec<_> = (0..1_200).map(|_| output(800, 12)).collect();
    let unsigned = transfer(std::slice::from_ref(&input), &outputs);
    let many = sign(&net.network(), unsigned.body().clone(), &[input]);
    let links = [net.connect(1, &[]), net.connect(1, &[many]), net.connect(1, &[])];
    let coins = net.coins(&links.iter().collect::<Vec<_>>());
    assert!(coins.len() > 1_200);
    assert_eq!(net.chain.commitment(), Buckets::of(&coins).commitment());
    let (base, _) = Base::genesis(net.chain.genesis());
    while net.chain.disconnect().is_some() {}
    assert_eq!(net.chain.commitment(), base.buckets.commitment());
}

#[test]
fn disconnecting_everything_is_genesis_again() {
    let mut net = start();
    let (base, _) = Base::genesis(net.chain.genesis());
    let payment = payment(&net);
    let links: Vec<Link> = vec![net.connect(1, &[]), net.connect(1, &[payment]), net.connect(1, &[])];
    assert_eq!(net.chain.tip().height, Height(3));
    assert_eq!(net.chain.active_at(Height(2)), Some(links[1].id));
    assert_eq!(net.chain.active_at(Height(4)), None);
    assert_eq!(net.chain.block(&links[0].id).as_deref(), Some(&*links[0].block));
    for link in links.iter().rev() {
        assert_eq!(net.chain.disconnect().as_ref(), Some(link));
    }
    assert_eq!(net.chain.disconnect(), None, "genesis stays");
    assert_eq!(net.chain.tip(), base.tip);
    assert_eq!(net.chain.commitment(), base.buckets.commitment());
}

/// The store may show an update before it is reported, and the overlay goes only when it is.
#[test]
fn a_store_that_leads_is_not_believed_too_early() {
    let mut net = start();
    let payment = payment(&net);
    let spent = payment.inputs()[0];
    let link = net.connect(1, &[payment]);
    let sequence = net.update(vec![], vec![link.clone()]);
    assert_eq!(Coins::get(&net.chain, &spent), None);
    net.store.flush(&[], std::slice::from_ref(&link));
    let gone = net.chain.disconnect().expect("the undo is there");
    let back = net.update(vec![gone.clone()], vec![]);
    assert!(Coins::get(&net.chain, &spent).is_some(), "the store has it spent, the chain not any more");
    net.chain.flushed(sequence);
    assert!(Coins::get(&net.chain, &spent).is_some());
    net.store.flush(&[gone], &[]);
    net.chain.flushed(back);
    assert!(Coins::get(&net.chain, &spent).is_some());
    assert_eq!(net.chain.tip().height, Height(0));
}

/// What was read is kept in memory, and so is what was flushed; but not beyond an update that spends it.
#[test]
fn a_coin_that_was_read_and_then_spent_is_gone() {
    let mut net = start();
    let payment = payment(&net);
    let (spent, made) = (payment.inputs()[0], OutPoint { txid: payment.id(), index: 0 });
    assert!(Coins::get(&net.chain, &spent).is_some());
    let link = net.connect(1, &[payment]);
    let sequence = net.update(vec![], vec![link.clone()]);
    net.store.flush(&[], std::slice::from_ref(&link));
    net.chain.flushed(sequence);
    assert_eq!(Coins::get(&net.chain, &spent), None);
    let coin = Coins::get(&net.chain, &made);
    assert!(coin.is_some());
    net.store.0.lock().unwrap().coins.clear();
    assert_eq!(Coins::get(&net.chain, &made), coin, "it was kept");
    assert_eq!(Coins::get(&net.chain, &spent), None);
}

#[test]
fn disconnecting_reads_flushed_blocks_from_the_store() {
    let mut net = start();
    let links = vec![net.connect(1, &[]), net.connect(2, &[])];
    let sequence = net.update(vec![], links.clone());
    net.store.flush(&[], &links);
    net.chain.flushed(sequence);
    assert_eq!(net.chain.disconnect().as_ref(), Some(&links[1]));
    assert_eq!(net.chain.tip().header, links[0].block.header);
    assert_eq!(net.chain.disconnect().as_ref(), Some(&links[0]));
    assert_eq!(net.chain.tip().height, Height(0));
    net.store.0.lock().unwrap().blocks.clear();
    let again = net.connect(3, &[]);
    let sequence = net.update(vec![links[1].clone(), links[0].clone()], vec![again]);
    net.chain.flushed(sequence);
    assert_eq!(net.chain.disconnect(), None, "without undo nothing is disconnected");
    assert_eq!(net.chain.tip().height, Height(1));
}

#[test]
fn judging_above_blocks_that_are_not_connected() {
    let net = start();
    let payment = payment(&net);
    let first = net.next(1, std::slice::from_ref(&payment));
    let diff = Arc::new(net.chain.judge(&first, 0).expect("the block is valid"));
    let created = OutPoint { txid: payment.id(), index: 0 };
    let mut spender = transfer(&[], &[output(1_000_000, 1)]);
    let input = Input { outpoint: created, ..input(0, 1_000_000, lock(12)) };
    transfer_mut(&mut spender).inputs.push(created);
    let spender = sign(&net.network(), spender.body().clone(), &[input]);
    let second = block_above(first.id(), vec![coinbase(2, &[]), spender]);
    assert!(net.chain.judge_above(std::slice::from_ref(&diff), &second, 0).is_ok());
    assert!(net.chain.coins_above(std::slice::from_ref(&diff)).get(&created).is_some());
    assert!(net.chain.coins_above(std::slice::from_ref(&diff)).get(&payment.inputs()[0]).is_none());
    let again = block_above(first.id(), vec![coinbase(2, &[]), payment]);
    assert!(matches!(net.chain.judge_above(&[diff], &again, 0), Err(BlockError::Transaction { index: 1, .. })));
    assert!(net.chain.judge(&second, 0).is_err(), "in its own place only");
}
