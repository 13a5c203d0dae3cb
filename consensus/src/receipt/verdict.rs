//! What a receipt proves, under each engine.

use super::{Certified, ReceiptError, Worked, chain, follow};
use crate::ledger::amount::Amount;
use crate::ledger::genesis::Genesis;
use crate::ledger::hash::{BlockId, NetworkId, TxId};
use crate::ledger::rules::{TxError, isolated};
use crate::ledger::target::Work;
use crate::ledger::transaction::{Body, Transaction};
use crate::ledger::units::{Epoch, Height, Incarnation, View};
use crate::limits::TRANSACTION_BYTES_MAX;
use crate::verify::Verifier;
use std::sync::Arc;

/// What one demands of a receipt under proof of work. By default nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Demands {
    /// Least work behind all headers, genesis included: what it would take to make up a chain.
    pub work_min: Work,
    /// Least number of blocks from the transaction's own to the tip.
    pub confirmations_min: u64,
    /// A block that is known to be in the chain: the headers have to lead through it.
    pub trusted: Option<BlockId>,
}

/// What a receipt proves.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// The transaction.
    pub txid: TxId,
    /// Its block.
    pub block: BlockId,
    /// The block's height.
    pub height: Height,
    /// The time in the block's header, seconds since 1970.
    pub time_s: u32,
    /// What the transaction paid to the block's maker; `None` for a coinbase or an epoch change, which pay nothing.
    pub fee: Option<Amount>,
    /// How certain that is.
    pub certainty: Certainty,
}

/// How certain a payment is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Certainty {
    /// PBFT: final, unless more than f members of some epoch up to this one lied.
    Final {
        /// The net's; 0 unless it is a dev net that was set back.
        incarnation: Incarnation,
        /// The set that signed.
        epoch: Epoch,
        /// The view in which it signed.
        view: View,
        /// Indices of the members that signed, in ascending order.
        signers: Vec<u16>,
        /// How many members there are.
        members: usize,
    },
    /// Proof of work: in this chain; a heavier one is not excluded.
    Worked {
        /// Blocks from its own to the tip, both counted.
        confirmations: u64,
        /// The last header.
        tip: BlockId,
        /// Its height.
        tip_height: Height,
        /// The work behind all headers, genesis included.
        work: Work,
        /// The work of the blocks above the transaction's.
        work_on_top: Work,
        /// Height of the trusted block, if one was demanded. At or above the transaction's, it is as sure as that one.
        trusted_height: Option<Height>,
    },
}

pub(super) fn certified(
    certified: &Certified,
    genesis: &Arc<Genesis>,
    network: &NetworkId,
) -> Result<Verdict, ReceiptError> {
    let Certified { proof, successions } = certified;
    let ballot = &proof.certificate.ballot;
    if ballot.incarnation != Incarnation(0) && !genesis.dev {
        return Err(ReceiptError::Incarnation(ballot.incarnation));
    }
    let verifier = follow(genesis, successions, ballot.epoch)?;
    let (txid, height) = proof.verify(&verifier)?;
    let fee = transaction(&verifier, network, &proof.transaction, height, proof.path.index)?;
    let certainty = Certainty::Final {
        incarnation: ballot.incarnation,
        epoch: ballot.epoch,
        view: ballot.view,
        signers: proof.certificate.commits.iter().map(|seal| seal.signer).collect(),
        members: verifier.set_of(ballot.epoch).map_err(ReceiptError::Certificate)?.n(),
    };
    Ok(Verdict { txid, block: ballot.block, height, time_s: proof.header.time, fee, certainty })
}

pub(super) fn worked(
    worked: &Worked,
    genesis: &Arc<Genesis>,
    network: &NetworkId,
    demands: &Demands,
) -> Result<Verdict, ReceiptError> {
    let Worked { headers, inclusion } = worked;
    let chain = chain(genesis, headers)?;
    let found = inclusion.verify(&chain)?;
    let verifier = Verifier::new(genesis.clone());
    let fee = transaction(&verifier, network, &inclusion.transaction, found.height, inclusion.path.index)?;
    let work = chain.work();
    if work < demands.work_min {
        return Err(ReceiptError::TooLittleWork { work, min: demands.work_min });
    }
    if found.confirmations < demands.confirmations_min {
        let (confirmations, min) = (found.confirmations, demands.confirmations_min);
        return Err(ReceiptError::TooFewConfirmations { confirmations, min });
    }
    let height_of = |id| chain.height_of(&id).ok_or(ReceiptError::Untrusted(id));
    let certainty = Certainty::Worked {
        confirmations: found.confirmations,
        tip: chain.tip(),
        tip_height: chain.height(),
        work,
        work_on_top: found.work_on_top,
        trusted_height: demands.trusted.map(height_of).transpose()?,
    };
    let (txid, block, height) = (found.txid, found.block, found.height);
    Ok(Verdict { txid, block, height, time_s: inclusion.header.time, fee, certainty })
}

/// Judges the transaction as far as it can be judged without the coins that it spends; returns its fee. Members, or the work of
/// a block, stand for it already; but it costs little, and work alone would stand for anything.
fn transaction(
    verifier: &Verifier,
    network: &NetworkId,
    transaction: &Transaction,
    height: Height,
    index: u32,
) -> Result<Option<Amount>, ReceiptError> {
    if height == Height::GENESIS {
        return Err(ReceiptError::Genesis);
    }
    if transaction.is_coinbase() != (index == 0) {
        return Err(ReceiptError::Coinbase);
    }
    if let Body::Coinbase(coinbase) = transaction.body() {
        let actual = transaction.bytes();
        if actual > TRANSACTION_BYTES_MAX {
            return Err(TxError::TooLarge { actual, allowed: TRANSACTION_BYTES_MAX }.into());
        }
        let fits = coinbase.height == height && transaction.witnesses().is_empty();
        return if fits { Ok(None) } else { Err(ReceiptError::Coinbase) };
    }
    verifier.transaction(transaction.clone())?;
    let fee = isolated::check_transaction(network, transaction)?.fee;
    Ok(matches!(transaction.body(), Body::Transfer(_)).then_some(fee))
}
