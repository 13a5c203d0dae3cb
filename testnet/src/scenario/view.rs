//! What is seen of a net at one moment, the same of either world, and the books that are kept of its nodes' chains.

use crate::scenario::plan::Scenario;
use bezant_consensus::ledger::hash::{BlockId, LockHash, TxId};
use std::collections::{BTreeMap, BTreeSet};

/// A net at one moment of scenario time.
#[derive(Clone, Debug)]
pub(crate) struct NetView {
    pub(crate) at_ms: u64,
    pub(crate) nodes: Vec<NodeView>,
}

/// A node at that moment. Of one that does not run, all but the books is as it was last seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct NodeView {
    /// Whether it runs, and is not paused.
    pub(crate) up: bool,
    /// Whether it lies or has lied, or shares a key.
    pub(crate) is_tainted: bool,
    pub(crate) height: u64,
    pub(crate) final_height: u64,
    pub(crate) tip: BlockId,
    /// PBFT.
    pub(crate) view: u64,
    /// PBFT.
    pub(crate) epoch: u64,
    /// PBFT: whether it is a member that votes.
    pub(crate) votes: bool,
    /// PBFT: of which nodes it can prove that they lied.
    pub(crate) evidence: BTreeSet<usize>,
    /// PBFT: why it has left views.
    pub(crate) left: BTreeSet<String>,
    /// Proof of work: whether it refuses a branch as too deep.
    pub(crate) refused: bool,
    pub(crate) book: BookView,
}

/// Where a payment is, on one node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Place {
    /// Not in its chain.
    #[default]
    Missing,
    /// In its chain.
    Included,
    /// In its chain, and final.
    Final,
}

/// What the book of one node says.
#[derive(Clone, Debug, Default)]
pub(crate) struct BookView {
    /// Of each payment with a name, by its number.
    pub(crate) places: BTreeMap<usize, Place>,
    /// Transfers of the load that are final, by their number.
    pub(crate) transfers: BTreeSet<usize>,
    /// Blocks of the chain by the node that found them.
    pub(crate) mined: BTreeMap<usize, u64>,
    /// The most blocks that were replaced at once.
    pub(crate) reorg_depth: u64,
    /// Whether a block that was final has been replaced.
    pub(crate) finality_broken: bool,
}

/// What books look up.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    /// Payments of the scenario, by the id of their transaction.
    pub(crate) payments: BTreeMap<TxId, usize>,
    /// Proof of work: nodes by whom their blocks pay.
    pub(crate) miners: BTreeMap<LockHash, usize>,
}

/// A block in a book.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) id: BlockId,
    /// Those of the scenario.
    pub(crate) payments: Vec<usize>,
    pub(crate) miner: Option<usize>,
}

/// The chain of one node, as far as it was seen, and what became of it.
#[derive(Clone, Debug)]
pub(crate) struct Book {
    /// From genesis.
    blocks: Vec<Written>,
    final_height: usize,
    reorg_depth: u64,
    finality_broken: bool,
}

impl Book {
    pub(crate) fn new(genesis: BlockId) -> Book {
        let first = Written { id: genesis, payments: Vec::new(), miner: None };
        Book { blocks: vec![first], final_height: 0, reorg_depth: 0, finality_broken: false }
    }

    /// The block at a height, if it was seen.
    pub(crate) fn at(&self, height: usize) -> Option<BlockId> {
        self.blocks.get(height).map(|block| block.id)
    }

    /// The height of the last block.
    pub(crate) fn height(&self) -> usize {
        self.blocks.len() - 1
    }

    /// The node's chain is that up to `fork` with these above. One that came back from its disk with less has replaced nothing.
    pub(crate) fn follow(&mut self, fork: usize, above: Vec<Written>, final_height: usize) {
        let gone = self.blocks.len().saturating_sub(fork + 1);
        if gone > 0 && !above.is_empty() {
            self.reorg_depth = self.reorg_depth.max(gone as u64);
            self.finality_broken |= fork < self.final_height;
        }
        self.blocks.truncate(fork + 1);
        self.blocks.extend(above);
        self.final_height = final_height.min(self.height());
    }

    pub(crate) fn view(&self, scenario: &Scenario) -> BookView {
        let named = (0..scenario.payments.len()).take_while(|number| scenario.payments[*number].name.is_some());
        let mut view = BookView {
            places: named.map(|number| (number, Place::Missing)).collect(),
            reorg_depth: self.reorg_depth,
            finality_broken: self.finality_broken,
            ..BookView::default()
        };
        for (height, block) in self.blocks.iter().enumerate() {
            let is_final = height <= self.final_height;
            for number in &block.payments {
                match view.places.get_mut(number) {
                    Some(place) => *place = if is_final { Place::Final } else { Place::Included },
                    None if is_final => drop(view.transfers.insert(*number)),
                    None => {}
                }
            }
            if let Some(miner) = block.miner {
                *view.mined.entry(miner).or_default() += 1;
            }
        }
        view
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(byte: u8) -> Written {
        Written { id: BlockId([byte; 32]), payments: vec![], miner: Some(usize::from(byte) % 2) }
    }

    #[test]
    fn a_book_knows_what_was_replaced_and_whether_that_was_final() {
        let mut book = Book::new(BlockId([0; 32]));
        book.follow(0, vec![block(1), block(2), block(3)], 1);
        assert_eq!((book.reorg_depth, book.finality_broken, book.height()), (0, false, 3));
        book.follow(1, vec![block(4), block(5), block(6)], 2);
        assert_eq!((book.reorg_depth, book.finality_broken, book.height()), (2, false, 4));
        // It came back with less, and then has more again: nothing was replaced.
        book.follow(2, vec![], 2);
        book.follow(2, vec![block(5)], 2);
        assert_eq!((book.reorg_depth, book.finality_broken, book.at(3)), (2, false, Some(BlockId([5; 32]))));
        book.follow(1, vec![block(7)], 1);
        assert_eq!((book.reorg_depth, book.finality_broken), (2, true));
    }
}
