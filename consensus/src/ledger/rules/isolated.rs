//! Rules that need no chain state: judged once, on any thread, and true for ever.

use super::{BlockError, StatedCoin, TxError};
use crate::ledger::amount::Amount;
use crate::ledger::block::Block;
use crate::ledger::hash::{NetworkId, sha256};
use crate::ledger::key::{PublicKey, SignedItem};
use crate::ledger::lock::Lock;
use crate::ledger::merkle;
use crate::ledger::sighash::SighashCommon;
use crate::ledger::transaction::{Body, EpochChange, Spend, Transaction, Transfer, Witness};
use crate::limits::{
    COINBASE_EXTRA_BYTES_MAX, INPUTS_MAX, MEMBERS_MAX, OUTPUTS_MAX, TRANSACTION_BYTES_FORBIDDEN, TRANSACTION_BYTES_MAX,
};
use std::collections::BTreeSet;

/// A transfer whose form is right. It is valid in isolation once all of `signatures` are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// Inputs minus outputs, as the witnesses state the inputs.
    pub fee: Amount,
    /// Every signature with what it must sign, tagged with its input's index.
    pub signatures: Vec<(u32, SignedItem)>,
}

/// A signature of a block that is left to verify.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockSignature {
    /// Index of its transaction.
    pub transaction: u32,
    /// Index of its input there.
    pub input: u32,
    /// The signature with what it must sign.
    pub item: SignedItem,
}

/// Checks the form of a transaction that stands alone: all but the signatures' validity, which [`Checked`] lists.
/// An epoch change has no fee, and its signatures need the set that it names: [`Checked::signatures`] is empty for it.
///
/// # Errors
/// The first rule that is broken.
pub fn check_transaction(network: &NetworkId, transaction: &Transaction) -> Result<Checked, TxError> {
    check_size(transaction)?;
    match transaction.body() {
        Body::Transfer(transfer) => check_transfer(network, transaction, transfer),
        Body::Coinbase(_) => Err(TxError::Coinbase),
        Body::Epoch(change) => check_epoch_change(change, transaction.witnesses()),
    }
}

/// [`check_transaction`] and every signature, one by one.
///
/// # Errors
/// The first rule that is broken.
pub fn verify_transaction(network: &NetworkId, transaction: &Transaction) -> Result<Checked, TxError> {
    let checked = check_transaction(network, transaction)?;
    for (input, item) in &checked.signatures {
        if !crate::ledger::key::verify(&item.key, &item.message, &item.signature) {
            return Err(TxError::BadSignature(*input));
        }
    }
    Ok(checked)
}

fn check_size(transaction: &Transaction) -> Result<(), TxError> {
    let actual = transaction.bytes();
    if actual > TRANSACTION_BYTES_MAX {
        return Err(TxError::TooLarge { actual, allowed: TRANSACTION_BYTES_MAX });
    }
    if actual == TRANSACTION_BYTES_FORBIDDEN {
        return Err(TxError::ForbiddenSize);
    }
    Ok(())
}

/// What is made here must be decodable elsewhere.
fn check_count(what: &'static str, actual: usize, allowed: usize) -> Result<(), TxError> {
    if actual > allowed { Err(TxError::TooMany { what, actual, allowed }) } else { Ok(()) }
}

fn check_transfer(network: &NetworkId, transaction: &Transaction, transfer: &Transfer) -> Result<Checked, TxError> {
    if transfer.inputs.is_empty() {
        return Err(TxError::NoInputs);
    }
    if transfer.outputs.is_empty() {
        return Err(TxError::NoOutputs);
    }
    check_count("inputs", transfer.inputs.len(), INPUTS_MAX)?;
    check_count("outputs", transfer.outputs.len(), OUTPUTS_MAX)?;
    let mut seen = BTreeSet::new();
    if let Some(twice) = transfer.inputs.iter().find(|outpoint| !seen.insert(**outpoint)) {
        return Err(TxError::DuplicateInput(*twice));
    }
    if let Some(index) = transfer.outputs.iter().position(|output| output.amount == Amount::ZERO) {
        return Err(TxError::ZeroOutput(index as u32));
    }
    let spends = spends(transaction, transfer)?;
    let sum = |amounts: &mut dyn Iterator<Item = Amount>| Amount::checked_sum(amounts).ok_or(TxError::SumTooLarge);
    let outputs = sum(&mut transfer.outputs.iter().map(|output| output.amount))?;
    let inputs = sum(&mut spends.iter().map(|spend| spend.amount))?;
    let fee = inputs.checked_sub(outputs).ok_or(TxError::OutputsExceedInputs { outputs, inputs })?;

    for (index, spend) in spends.iter().enumerate() {
        spend.lock.check_shape().map_err(|error| TxError::LockShape { input: index as u32, error })?;
    }
    let stated: Vec<StatedCoin> = spends.iter().map(|spend| (spend.amount, spend.lock.hash())).collect();
    let common = SighashCommon::new(network, transaction.body(), &stated);
    let mut signatures = Vec::with_capacity(spends.len());
    for (index, spend) in spends.iter().enumerate() {
        check_spend(&common, index as u32, spend, &mut signatures)?;
    }
    Ok(Checked { fee, signatures })
}

fn spends<'a>(transaction: &'a Transaction, transfer: &Transfer) -> Result<Vec<&'a Spend>, TxError> {
    let (actual, expected) = (transaction.witnesses().len(), transfer.inputs.len());
    let spends: Vec<&Spend> = transaction
        .witnesses()
        .iter()
        .filter_map(|witness| match witness {
            Witness::Spend(spend) => Some(spend),
            Witness::Member { .. } => None,
        })
        .collect();
    if actual != expected || spends.len() != expected {
        return Err(TxError::WitnessCount { actual, expected });
    }
    Ok(spends)
}

/// The lock is revealed exactly, and signatures and preimages fit its leaves one to one.
fn check_spend(
    common: &SighashCommon,
    index: u32,
    spend: &Spend,
    signatures: &mut Vec<(u32, SignedItem)>,
) -> Result<(), TxError> {
    if !is_revealed_exactly(&spend.lock) {
        return Err(TxError::LockNotSatisfied(index));
    }
    let (mut given, mut preimages) = (spend.signatures.iter(), spend.preimages.iter());
    for (path, leaf) in spend.lock.revealed_leaves() {
        match leaf {
            Lock::Key(key) => {
                let signature = *given.next().ok_or(TxError::WitnessMismatch(index))?;
                let message = common.digest(index, &path, &spend.lock);
                signatures.push((index, SignedItem { key: *key, message, signature }));
            }
            Lock::Hash(image) => {
                let preimage = preimages.next().ok_or(TxError::WitnessMismatch(index))?;
                if sha256(preimage) != *image {
                    return Err(TxError::WitnessMismatch(index));
                }
            }
            Lock::After(_) | Lock::Older(_) => {}
            Lock::Threshold { .. } | Lock::Opaque(_) => unreachable!("only leaves that are not opaque are listed"),
        }
    }
    if given.next().is_some() || preimages.next().is_some() {
        return Err(TxError::WitnessMismatch(index));
    }
    Ok(())
}

/// Not opaque itself, and of each revealed threshold exactly k children are revealed, exactly in turn.
fn is_revealed_exactly(lock: &Lock) -> bool {
    match lock {
        Lock::Opaque(_) => false,
        Lock::Threshold { k, of } => {
            let used: Vec<&Lock> = of.iter().filter(|child| !matches!(child, Lock::Opaque(_))).collect();
            used.len() == usize::from(*k) && used.into_iter().all(is_revealed_exactly)
        }
        Lock::Key(_) | Lock::After(_) | Lock::Older(_) | Lock::Hash(_) => true,
    }
}

fn check_epoch_change(change: &EpochChange, witnesses: &[Witness]) -> Result<Checked, TxError> {
    let signers: Option<Vec<u16>> = witnesses
        .iter()
        .map(|witness| match witness {
            Witness::Member { member, .. } => Some(*member),
            Witness::Spend(_) => None,
        })
        .collect();
    let signers = signers.ok_or(TxError::EpochChange("a witness is not a member's signature"))?;
    check_count("witnesses", signers.len(), MEMBERS_MAX)?;
    if signers.is_empty() || !signers.windows(2).all(|pair| pair[0] < pair[1]) {
        return Err(TxError::EpochChange("signers must be in ascending order, none twice"));
    }
    match change {
        EpochChange::Members { members, .. } => check_members(&members.0)?,
        EpochChange::Readmit { member, .. } => {
            if signers.len() != 1 || !member.is_acceptable() {
                return Err(TxError::EpochChange("a re-admission is signed by the member alone"));
            }
        }
    }
    Ok(Checked { fee: Amount::ZERO, signatures: Vec::new() })
}

fn check_members(members: &[PublicKey]) -> Result<(), TxError> {
    let distinct: BTreeSet<&PublicKey> = members.iter().collect();
    if members.is_empty() || members.len() > MEMBERS_MAX || distinct.len() != members.len() {
        return Err(TxError::EpochChange("a set has 1 to 256 distinct members"));
    }
    if !members.iter().all(PublicKey::is_acceptable) {
        return Err(TxError::EpochChange("a member's key is not acceptable"));
    }
    Ok(())
}

/// Checks the form of a block: size, merkle root without repeated pairs, the coinbase's place, and each transaction alone.
/// Returns the signatures that are left to verify.
///
/// # Errors
/// The first rule that is broken; see [`BlockError::is_of_received_body_only`].
pub fn check_block(network: &NetworkId, bytes_max: u32, block: &Block) -> Result<Vec<BlockSignature>, BlockError> {
    let (actual, allowed) = (block.bytes(), bytes_max as usize);
    let leaves: Vec<_> = block.transactions.iter().map(Transaction::hash).collect();
    let root = merkle::root(&leaves);
    if root.mutated || root.root != block.header.merkle_root {
        return Err(BlockError::BodyMismatch { actual: root.root, expected: block.header.merkle_root });
    }
    // First of all, because it leaves the header in peace: see `is_of_received_body_only`.
    let is_forbidden = |transaction: &Transaction| transaction.bytes() == TRANSACTION_BYTES_FORBIDDEN;
    if let Some(index) = block.transactions.iter().position(is_forbidden) {
        return Err(BlockError::Transaction { index: index as u32, error: TxError::ForbiddenSize });
    }
    if actual > allowed {
        return Err(BlockError::TooLarge { actual, allowed });
    }
    let (coinbase, others) = block.transactions.split_first().ok_or(BlockError::CoinbasePlace)?;
    check_coinbase(coinbase)?;
    let mut signatures = Vec::new();
    for (place, transaction) in others.iter().enumerate() {
        let index = place as u32 + 1;
        if transaction.is_coinbase() {
            return Err(BlockError::CoinbasePlace);
        }
        let checked =
            check_transaction(network, transaction).map_err(|error| BlockError::Transaction { index, error })?;
        let of_block = |(input, item)| BlockSignature { transaction: index, input, item };
        signatures.extend(checked.signatures.into_iter().map(of_block));
    }
    Ok(signatures)
}

/// Checks the form of a block's first transaction.
///
/// # Errors
/// The first rule that is broken.
pub fn check_coinbase(transaction: &Transaction) -> Result<(), BlockError> {
    let Body::Coinbase(coinbase) = transaction.body() else {
        return Err(BlockError::CoinbasePlace);
    };
    let fail = |error| BlockError::Transaction { index: 0, error };
    check_size(transaction).map_err(fail)?;
    if !transaction.witnesses().is_empty() {
        return Err(fail(TxError::WitnessCount { actual: transaction.witnesses().len(), expected: 0 }));
    }
    check_count("extra bytes", coinbase.extra.len(), COINBASE_EXTRA_BYTES_MAX).map_err(fail)?;
    check_count("outputs", coinbase.outputs.len(), OUTPUTS_MAX).map_err(fail)?;
    if let Some(index) = coinbase.outputs.iter().position(|output| output.amount == Amount::ZERO) {
        return Err(fail(TxError::ZeroOutput(index as u32)));
    }
    match Amount::checked_sum(coinbase.outputs.iter().map(|output| output.amount)) {
        Some(_) => Ok(()),
        None => Err(fail(TxError::SumTooLarge)),
    }
}
