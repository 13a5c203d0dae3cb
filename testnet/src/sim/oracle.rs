//! The ledger once more, naively: every block that any node ever connected or stored, replayed from genesis on a plain map.

use bezant_consensus::chain::Base;
use bezant_consensus::ledger::block::{Block, Header};
use bezant_consensus::ledger::coins::{Coin, Coins, Diff};
use bezant_consensus::ledger::commitment::Buckets;
use bezant_consensus::ledger::genesis::Genesis;
use bezant_consensus::ledger::hash::{BlockId, CoinCommitment, TxId};
use bezant_consensus::ledger::rules::context::{self, Place};
use bezant_consensus::ledger::target::{Target, Work};
use bezant_consensus::ledger::transaction::{Body, OutPoint, Transaction};
use bezant_consensus::ledger::units::{Epoch, Height};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Headers whose median time a block's parent has under proof of work.
const MEDIAN_SPAN: usize = 11;

/// A block with the whole state after it.
#[derive(Debug)]
pub(crate) struct Replayed {
    pub(crate) height: Height,
    pub(crate) parent: BlockId,
    pub(crate) header: Header,
    pub(crate) work: Work,
    pub(crate) diff: Diff,
    pub(crate) coins: BTreeMap<OutPoint, Coin>,
    /// The epoch that the blocks below say: one ends at the first checkpoint at or above a change in it.
    pub(crate) epoch: Epoch,
    /// Whether something changes in that epoch, up to this block.
    is_ending: bool,
    /// Transactions but the coinbase.
    pub(crate) transactions: Vec<TxId>,
    commitment: Option<CoinCommitment>,
}

/// All valid blocks ever seen.
#[derive(Debug)]
pub(crate) struct Oracle {
    genesis: Arc<Genesis>,
    genesis_id: BlockId,
    blocks: BTreeMap<BlockId, Replayed>,
    /// What the genesis block created.
    allocated: u128,
}

impl Oracle {
    pub(crate) fn new(genesis: Arc<Genesis>) -> Oracle {
        let (base, diff) = Base::genesis(&genesis);
        let coins: BTreeMap<OutPoint, Coin> = diff.created.clone();
        let allocated = total(&coins);
        let replayed = Replayed {
            height: Height::GENESIS,
            parent: BlockId::default(),
            header: base.tip.header,
            work: work_of(&base.tip.header),
            diff,
            coins,
            epoch: Epoch(0),
            is_ending: false,
            transactions: Vec::new(),
            commitment: None,
        };
        let genesis_id = base.tip.id;
        Oracle { genesis, genesis_id, blocks: BTreeMap::from([(genesis_id, replayed)]), allocated }
    }

    pub(crate) fn genesis_id(&self) -> BlockId {
        self.genesis_id
    }

    /// Blocks known, genesis not counted.
    pub(crate) fn count(&self) -> u64 {
        self.blocks.len() as u64 - 1
    }

    pub(crate) fn get(&self, id: &BlockId) -> Option<&Replayed> {
        self.blocks.get(id)
    }

    /// Replays a block above its parent.
    ///
    /// # Errors
    /// When the block is invalid there, its parent is not known, or it makes or destroys money.
    pub(crate) fn learn(&mut self, block: &Block) -> Result<&Replayed, String> {
        let id = block.id();
        if !self.blocks.contains_key(&id) {
            let replayed = self.replay(block)?;
            self.blocks.insert(id, replayed);
        }
        Ok(&self.blocks[&id])
    }

    fn replay(&self, block: &Block) -> Result<Replayed, String> {
        let parent = self.blocks.get(&block.header.parent).ok_or("its parent is not a valid block")?;
        let height = parent.height.next();
        let mut work = parent.work;
        let time = if self.genesis.pow().is_some() {
            let median = self.median_time(&block.header.parent);
            if block.header.time <= median {
                return Err("its time is not above the median of those before".to_owned());
            }
            let target = Target::from_compact(block.header.bits).ok_or("its target is no target")?;
            if !target.is_met_by(&block.id()) {
                return Err("its work is not done".to_owned());
            }
            work = work.plus(target.work());
            median
        } else {
            if block.header.time < parent.header.time {
                return Err("its time is before its parent's".to_owned());
            }
            block.header.time
        };
        let diff = context::connect(block, &parent.coins, Place { height, time }, &self.genesis.ledger)
            .map_err(|error| error.to_string())?;
        let mut coins = parent.coins.clone();
        diff.apply(&mut coins).map_err(|error| error.to_string())?;
        self.check_supply(block, height, parent, &coins)?;
        let (epoch, is_ending) = self.epoch_above(parent, block);
        let transactions = block.transactions.iter().skip(1).map(Transaction::id).collect();
        Ok(Replayed {
            height,
            parent: block.header.parent,
            header: block.header,
            work,
            diff,
            coins,
            epoch,
            is_ending,
            transactions,
            commitment: None,
        })
    }

    /// The epoch of a block, and whether it or one below in that epoch changes something.
    fn epoch_above(&self, parent: &Replayed, block: &Block) -> (Epoch, bool) {
        let changes = block.transactions.iter().any(|transaction| matches!(transaction.body(), Body::Epoch(_)));
        let interval = self.genesis.pbft().map_or(1, |params| u64::from(params.checkpoint_interval));
        if parent.is_ending && parent.height.0.is_multiple_of(interval) {
            return (Epoch(parent.epoch.0 + 1), changes);
        }
        (parent.epoch, parent.is_ending || changes)
    }

    /// Money after = money before + what the coinbase makes − what the others leave as fees, and never more than subsidies
    /// allow. Counted from the transactions, not from the diff.
    fn check_supply(
        &self,
        block: &Block,
        height: Height,
        parent: &Replayed,
        coins: &BTreeMap<OutPoint, Coin>,
    ) -> Result<(), String> {
        let (mut made, mut spent) = (0u128, 0u128);
        let mut inside: BTreeMap<OutPoint, u64> = BTreeMap::new();
        for transaction in &block.transactions {
            for outpoint in transaction.inputs() {
                let before = parent.coins.get(outpoint).map(|coin| coin.amount.grains());
                let grains = before.or_else(|| inside.get(outpoint).copied()).ok_or("it spends what is not there")?;
                spent += u128::from(grains);
            }
            let txid = transaction.id();
            for (index, output) in transaction.outputs().iter().enumerate() {
                made += u128::from(output.amount.grains());
                inside.insert(OutPoint { txid, index: index as u32 }, output.amount.grains());
            }
        }
        let (before, after) = (total(&parent.coins), total(coins));
        if after + spent != before + made {
            return Err(format!("{before} grains became {after}, though {spent} were spent and {made} made"));
        }
        let subsidies: u128 =
            (1..=height.0).map(|h| u128::from(self.genesis.ledger.subsidy_at(Height(h)).grains())).sum();
        if after > self.allocated + subsidies {
            return Err(format!("{after} grains exist, at most {} can", self.allocated + subsidies));
        }
        Ok(())
    }

    fn median_time(&self, id: &BlockId) -> u32 {
        let mut times: Vec<u32> = self.ancestors(*id).take(MEDIAN_SPAN).map(|(_, block)| block.header.time).collect();
        times.sort_unstable();
        times[times.len() / 2]
    }

    /// The block and those below, down to genesis.
    pub(crate) fn ancestors(&self, id: BlockId) -> impl Iterator<Item = (BlockId, &Replayed)> {
        let first = self.blocks.get(&id).map(|block| (id, block));
        std::iter::successors(first, |(_, block)| self.blocks.get(&block.parent).map(|below| (block.parent, below)))
    }

    /// From genesis up to the block.
    pub(crate) fn path(&self, id: BlockId) -> Vec<BlockId> {
        let mut path: Vec<BlockId> = self.ancestors(id).map(|(id, _)| id).collect();
        path.reverse();
        path
    }

    /// The commitment to the coins after a block, computed from all coins, not from changes.
    pub(crate) fn commitment(&mut self, id: &BlockId) -> CoinCommitment {
        let block = self.blocks.get_mut(id).expect("only known blocks are asked for");
        *block.commitment.get_or_insert_with(|| Buckets::of(&block.coins).commitment())
    }

    /// Replays the bodies that a node holds, from genesis or above a snapshot to its tip, on a map of its own.
    ///
    /// # Errors
    /// When a body is missing or another one, or the coins differ from the ones known for the tip.
    pub(crate) fn replay_all(
        &self,
        base: BlockId,
        tip: BlockId,
        body: impl Fn(&BlockId) -> Option<Arc<Block>>,
    ) -> Result<(), String> {
        let mut coins = BTreeMap::new();
        let mut path = self.path(tip);
        if base != self.genesis_id {
            let below = path.iter().position(|id| *id == base).ok_or("the snapshot is of another branch")?;
            coins.clone_from(&self.blocks[&base].coins);
            path.drain(..=below);
        }
        for id in path {
            let known = &self.blocks[&id];
            let diff = if id == self.genesis_id {
                context::connect_genesis(&self.genesis.block())
            } else {
                let block = body(&id).ok_or_else(|| format!("the body of block {} is missing", known.height))?;
                if block.id() != id || block.merkle_root() != block.header.merkle_root {
                    return Err(format!("the body of block {} is another one", known.height));
                }
                let time = match self.genesis.pow() {
                    Some(_) => self.median_time(&known.parent),
                    None => block.header.time,
                };
                let place = Place { height: known.height, time };
                context::connect(&block, &coins, place, &self.genesis.ledger).map_err(|error| error.to_string())?
            };
            diff.apply(&mut coins).map_err(|error| error.to_string())?;
        }
        if coins == self.blocks[&tip].coins { Ok(()) } else { Err("the coins of a replay differ".to_owned()) }
    }

    /// Compares what a node reads, coin by coin, with the coins after a block.
    ///
    /// # Errors
    /// Names the first coin that differs.
    pub(crate) fn compare(&self, tip: &BlockId, read: &dyn Coins) -> Result<(), String> {
        let coins = &self.blocks[tip].coins;
        if let Some((outpoint, _)) = coins.iter().find(|(outpoint, coin)| read.get(outpoint) != Some(**coin)) {
            return Err(format!("coin {outpoint} reads otherwise than a replay says"));
        }
        let ever = self.blocks.values().flat_map(|block| block.diff.created.keys());
        let mut gone = ever.filter(|outpoint| !coins.contains_key(*outpoint));
        match gone.find(|outpoint| read.get(outpoint).is_some()) {
            Some(outpoint) => Err(format!("coin {outpoint} is there though a replay says it is not")),
            None => Ok(()),
        }
    }
}

fn total(coins: &BTreeMap<OutPoint, Coin>) -> u128 {
    coins.values().map(|coin| u128::from(coin.amount.grains())).sum()
}

fn work_of(header: &Header) -> Work {
    Target::from_compact(header.bits).map_or(Work::ZERO, Target::work)
}
