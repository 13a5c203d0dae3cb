//! What of an announced block is here.

use super::Mempool;
use bezant_consensus::ledger::transaction::Transaction;
use bezant_consensus::message::relay::{ShortId, ShortIds};
use std::collections::BTreeMap;

impl Mempool {
    /// In the order of `wanted`, the transactions of these names. Two of one name are as good as none: which is meant cannot be
    /// known.
    pub(crate) fn known(&self, names: &ShortIds, wanted: &[ShortId]) -> Vec<Option<Transaction>> {
        let mut found: BTreeMap<ShortId, (usize, Option<Transaction>)> =
            wanted.iter().map(|name| (*name, (0, None))).collect();
        for (_, entry) in self.iter() {
            if let Some((count, transaction)) = found.get_mut(&names.of(&entry.transaction.hash())) {
                *count += 1;
                *transaction = Some(entry.transaction.clone()).filter(|_| *count == 1);
            }
        }
        wanted.iter().map(|name| found.get(name).and_then(|(_, transaction)| transaction.clone())).collect()
    }
}
