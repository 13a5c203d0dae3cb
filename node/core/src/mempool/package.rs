//! What a package is: a transaction and, before it, some of those that it spends from, directly or not. It is let in whole or
//! not at all, and judged by what pays together; so a child may pay for a parent that alone would be refused.

use crate::io::{PackageFault, Refusal, Refused};
use crate::limits::{PACKAGE_BYTES_MAX, PACKAGE_COUNT_MAX};
use bezant_consensus::ledger::hash::TxId;
use bezant_consensus::ledger::transaction::{OutPoint, Transaction};
use std::collections::BTreeSet;

/// Checks the form, which needs neither chain nor mempool.
pub(super) fn check(transactions: &[Transaction]) -> Result<(), Refused> {
    let whole = |fault| Refused { txid: None, refusal: Refusal::Package(fault) };
    if transactions.is_empty() || transactions.len() > PACKAGE_COUNT_MAX {
        return Err(whole(PackageFault::Count { actual: transactions.len(), allowed: PACKAGE_COUNT_MAX }));
    }
    let bytes: usize = transactions.iter().map(|transaction| transaction.bytes()).sum();
    if bytes > PACKAGE_BYTES_MAX {
        return Err(whole(PackageFault::Bytes { actual: bytes, allowed: PACKAGE_BYTES_MAX }));
    }
    let ids: Vec<TxId> = transactions.iter().map(|transaction| transaction.id()).collect();
    let (mut seen, mut spent): (BTreeSet<TxId>, BTreeSet<OutPoint>) = Default::default();
    for (transaction, txid) in transactions.iter().zip(&ids) {
        let one = |fault| Err(Refused { txid: Some(*txid), refusal: Refusal::Package(fault) });
        if !seen.insert(*txid) {
            return one(PackageFault::Twice);
        }
        if let Some(later) =
            transaction.inputs().iter().find(|input| ids.contains(&input.txid) && !seen.contains(&input.txid))
        {
            return one(PackageFault::Order { parent: later.txid });
        }
        if let Some(outpoint) = transaction.inputs().iter().find(|input| !spent.insert(**input)) {
            return one(PackageFault::Conflict { outpoint: *outpoint });
        }
    }
    // From the last one back: what something needed spends from is needed.
    let mut needed: BTreeSet<TxId> = ids.last().copied().into_iter().collect();
    for (transaction, txid) in transactions.iter().zip(&ids).rev() {
        if !needed.contains(txid) {
            return Err(Refused { txid: Some(*txid), refusal: Refusal::Package(PackageFault::Unrelated) });
        }
        needed.extend(transaction.inputs().iter().map(|input| input.txid));
    }
    Ok(())
}
