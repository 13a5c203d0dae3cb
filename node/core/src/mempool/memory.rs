//! What is remembered of transactions that are not in the mempool, so that repeated gossip costs a look-up.

use crate::io::Refusal;
use crate::limits::{INCLUDED_MAX, REFUSAL_RETRY_MS, REFUSALS_MAX};
use bezant_consensus::ledger::hash::{TxHash, TxId};
use bezant_consensus::ledger::table::Table;
use bezant_consensus::ledger::units::Time;
use std::collections::{BTreeMap, VecDeque};

/// Refusals by full hash, never by id: others may hold better witnesses for the same body.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    /// Until when; `None` while it is in memory at all.
    by_hash: BTreeMap<TxHash, Option<Time>>,
    /// Invariant: each hash of the map once, oldest first.
    order: VecDeque<TxHash>,
}

impl Refusals {
    pub(super) fn remember(&mut self, now: Time, hash: TxHash, refusal: &Refusal) {
        let until = if is_permanent(refusal) { None } else { Some(now.plus_ms(REFUSAL_RETRY_MS)) };
        if self.by_hash.insert(hash, until).is_none() {
            self.order.push_back(hash);
        }
        if self.order.len() > REFUSALS_MAX {
            let oldest = self.order.pop_front().expect("just counted");
            self.by_hash.remove(&oldest);
        }
    }

    pub(super) fn holds(&self, now: Time, hash: &TxHash) -> bool {
        self.by_hash.get(hash).is_some_and(|until| until.is_none_or(|until| now < until))
    }

    /// The active chain has changed: what may pass later may pass now.
    pub(super) fn forget_passing(&mut self) {
        self.by_hash.retain(|_, until| until.is_none());
        self.order.retain(|hash| self.by_hash.contains_key(hash));
    }

    /// Blocks left the active chain: even what did not fit its coins may fit now.
    pub(super) fn forget_all(&mut self) {
        *self = Refusals::default();
    }
}

/// Whether the refusal stands until blocks are disconnected. A fee that is too low is none of these: a child may pay for it.
fn is_permanent(refusal: &Refusal) -> bool {
    match refusal {
        Refusal::Rule(error) => !error.may_pass_later(),
        Refusal::Conflict { .. }
        | Refusal::FeeTooLow { .. }
        | Refusal::FeeBelowFloor { .. }
        | Refusal::ChainTooLong { .. }
        | Refusal::Full
        | Refusal::ReplacementFee { .. }
        | Refusal::ReplacementDiagram
        | Refusal::ReplacesTooMany { .. }
        | Refusal::ReplacesParent { .. }
        | Refusal::Package(_) => false,
    }
}

/// Ids of transactions that were included lately.
#[derive(Debug)]
pub(super) struct Included {
    ids: Table<TxId, ()>,
    /// Invariant: holds all of `ids`, oldest first; ids that were taken back may stand here still.
    order: VecDeque<TxId>,
}

impl Included {
    pub(super) fn new(key: &[u8; 32]) -> Included {
        Included { ids: Table::new(key), order: VecDeque::new() }
    }

    pub(super) fn add(&mut self, txid: TxId) {
        if self.ids.insert(txid, ()).is_none() {
            self.order.push_back(txid);
        }
        while self.order.len() > INCLUDED_MAX {
            let oldest = self.order.pop_front().expect("just counted");
            self.ids.remove(&oldest);
        }
    }

    pub(super) fn remove(&mut self, txid: &TxId) {
        self.ids.remove(txid);
    }

    pub(super) fn contains(&self, txid: &TxId) -> bool {
        self.ids.contains_key(txid)
    }
}
