//! What a draft does, for the eyes of whoever signs it: judged by locks and amounts alone, with the names that *this* machine knows.

use super::Draft;
use crate::locks::policy::words;
use crate::paying::purse::Known;
use crate::session::Session;
use bezant_consensus::ledger::hash::LockHash;
use bezant_consensus::ledger::lock::Lock;
use bezant_consensus::ledger::rules::context::Place;
use bezant_consensus::ledger::units::Height;
use serde::Serialize;
use std::collections::BTreeSet;

/// A draft; amounts in grains.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Id of the transaction.
    pub txid: String,
    /// The coins that are spent.
    pub inputs: Vec<Spends>,
    /// Who is paid.
    pub outputs: Vec<PaysTo>,
    /// What the block's maker gets.
    pub fee: String,
    /// Grains per 1,000 bytes.
    pub fee_rate: u64,
    /// Whether it can be finalized.
    pub complete: bool,
}

/// A coin that a draft spends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Spends {
    /// `txid:index`.
    pub outpoint: String,
    /// Grains.
    pub amount: String,
    /// Its address.
    pub address: String,
    /// The wallet here that has this lock.
    pub name: Option<String>,
    /// Its lock in words.
    pub lock: String,
    /// The conditions that will be revealed, in words.
    pub conditions: Vec<String>,
    /// Who has signed.
    pub signed: Vec<String>,
    /// What is missing, in words; null when nothing is.
    pub missing: Option<String>,
}

/// An output of a draft.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PaysTo {
    /// Grains.
    pub amount: String,
    /// The full address.
    pub address: String,
    /// The wallet here that has this lock.
    pub name: Option<String>,
    /// Whether it goes back to a wallet here whose coins are spent. The file has no word in this.
    pub returns: bool,
}

/// Locks of the wallets here whose coins are spent.
fn returning(draft: &Draft, known: &Known) -> BTreeSet<LockHash> {
    let spent: BTreeSet<LockHash> = draft.inputs().iter().map(|input| input.lock.hash()).collect();
    let pays = known.wallets.iter().map(|found| found.wallet.lock_hashes());
    pays.filter(|locks| locks.iter().any(|lock| spent.contains(lock))).flatten().collect()
}

/// What a draft does.
#[must_use]
pub fn summary(draft: &Draft, session: &Session, known: &Known) -> Summary {
    let names = |lock: &LockHash| known.name_or_address(session, lock);
    let own = returning(draft, known);
    let inputs = draft.transfer().inputs.iter().zip(draft.inputs()).zip(draft.missing());
    let spends = |((outpoint, input), missing): ((&_, &super::Input), Option<_>)| {
        let hash = input.lock.hash();
        let leaves = input.leaves();
        let condition = |path: &super::Path| leaves.iter().find(|(place, _)| place == path).map(|(_, leaf)| *leaf);
        let conditions = input.conditions.iter().filter_map(condition);
        let signer = |path: &super::Path| condition(path).map(|leaf| names(&leaf.hash()));
        let nowhere = Place { height: Height(0), time: 0 };
        Spends {
            outpoint: ToString::to_string(outpoint as &bezant_consensus::ledger::transaction::OutPoint),
            amount: input.amount.grains().to_string(),
            address: session.address(&hash),
            name: known.name(&hash).map(str::to_owned),
            lock: match &input.lock {
                Lock::Key(_) | Lock::Opaque(_) => format!("{} alone", names(&hash)),
                lock => words::lock(lock, &names),
            },
            conditions: conditions.map(words::condition).collect(),
            signed: input.signatures.keys().filter_map(signer).collect(),
            missing: missing.map(|missing| words::missing(&missing, nowhere, &names)),
        }
    };
    let output = |output: &bezant_consensus::ledger::transaction::Output| PaysTo {
        amount: output.amount.grains().to_string(),
        address: session.address(&output.lock),
        name: known.name(&output.lock).map(str::to_owned),
        returns: own.contains(&output.lock),
    };
    let inputs: Vec<Spends> = inputs.map(spends).collect();
    let complete = inputs.iter().all(|input| input.missing.is_none());
    let fee = draft.fee().grains();
    let fee_rate = u128::from(fee) * 1_000 / u128::from(draft.bytes().max(1));
    Summary {
        txid: draft.txid().to_string(),
        inputs,
        outputs: draft.transfer().outputs.iter().map(output).collect(),
        fee: fee.to_string(),
        fee_rate: u64::try_from(fee_rate).unwrap_or(u64::MAX),
        complete,
    }
}
