//! What the runtime remembers of transactions beside mempool and database.

use crate::limits::DROPPED_REMEMBERED_MAX;
use bezant_consensus::chain::ChainUpdate;
use bezant_consensus::ledger::hash::{BlockId, TxId};
use bezant_consensus::ledger::units::Height;
use bezant_node_core::io::DropReason;
use std::collections::{BTreeMap, HashMap, VecDeque};

/// A place in the active chain.
type Place = (Height, BlockId);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Recent {
    /// What updates that are not flushed say of their transactions: in that block, or in none any more; with the update's number.
    places: HashMap<TxId, (u64, Option<Place>)>,
    dropped: BTreeMap<TxId, DropReason>,
    /// Invariant: holds every key of `dropped`; at most [`DROPPED_REMEMBERED_MAX`].
    order: VecDeque<TxId>,
}

impl Recent {
    pub(super) fn switched(&mut self, update: &ChainUpdate) {
        for link in &update.disconnected {
            for transaction in &link.block.transactions {
                self.places.insert(transaction.id(), (update.sequence, None));
            }
        }
        for link in &update.connected {
            for transaction in &link.block.transactions {
                self.places.insert(transaction.id(), (update.sequence, Some((link.height, link.id))));
            }
        }
    }

    pub(super) fn flushed(&mut self, sequence: u64) {
        self.places.retain(|_, (number, _)| *number > sequence);
    }

    pub(super) fn place(&self, txid: &TxId) -> Option<Option<Place>> {
        self.places.get(txid).map(|(_, place)| *place)
    }

    pub(super) fn dropped(&mut self, txid: TxId, reason: DropReason) {
        if self.dropped.insert(txid, reason).is_none() {
            self.order.push_back(txid);
        }
        if self.order.len() > DROPPED_REMEMBERED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.dropped.remove(&oldest);
        }
    }

    pub(super) fn drop_reason(&self, txid: &TxId) -> Option<DropReason> {
        self.dropped.get(txid).copied()
    }
}
