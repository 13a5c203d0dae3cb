//! Asking a node whether it would take transactions, without handing them in.

use crate::error::WalletError;
use bezant_api::client::Client;
use bezant_consensus::ledger::codec::encode;
use bezant_consensus::ledger::hash::TxId;
use bezant_consensus::ledger::transaction::Transaction;
use std::collections::{BTreeMap, BTreeSet};

#[cfg(test)]
mod tests;

/// Transactions that a node looks at together, ...
const REHEARSED_MAX: usize = 25;
/// ... and their bytes.
const REHEARSED_BYTES_MAX: usize = 400_000;

/// Asks a node whether it would take a transaction, without handing it in.
///
/// # Errors
/// [`WalletError::Refused`] when it would not.
pub async fn one(client: &Client, transaction: &Transaction) -> Result<(), WalletError> {
    all(client, &[transaction]).await
}

/// As [`one`], for transactions that may spend from those before them: each is tested together with all that it builds on.
///
/// # Errors
/// [`WalletError::Refused`] when it would not take one of them.
pub async fn all(client: &Client, transactions: &[&Transaction]) -> Result<(), WalletError> {
    for package in packages(transactions) {
        let tested = client.test(package.into_iter().map(|index| hex::encode(encode(transactions[index]))).collect());
        if let Some(refusal) = tested.await?.refusal {
            return Err(WalletError::refused(&refusal.kind, refusal.message));
        }
    }
    Ok(())
}

/// Indices of transactions that are tested together: the last of each spends, directly or not, from all others. Every transaction is in
/// one, unless it builds on more than a node looks at together.
fn packages(transactions: &[&Transaction]) -> Vec<Vec<usize>> {
    let place: BTreeMap<TxId, usize> =
        transactions.iter().enumerate().map(|(index, transaction)| (transaction.id(), index)).collect();
    let (mut packages, mut covered) = (Vec::new(), BTreeSet::<usize>::new());
    for last in (0..transactions.len()).rev() {
        if covered.contains(&last) {
            continue;
        }
        let (mut package, mut open) = (BTreeSet::from([last]), vec![last]);
        while let Some(index) = open.pop() {
            let parents = transactions[index].inputs().iter().filter_map(|input| place.get(&input.txid).copied());
            open.extend(parents.filter(|parent| package.insert(*parent)));
        }
        let bytes: usize = package.iter().map(|index| transactions[*index].bytes()).sum();
        if package.len() <= REHEARSED_MAX && bytes <= REHEARSED_BYTES_MAX {
            covered.extend(&package);
            packages.push(package.into_iter().collect());
        }
    }
    packages.reverse();
    packages
}
