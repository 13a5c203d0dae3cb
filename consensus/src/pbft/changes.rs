//! What the blocks of one epoch change, and with what the next one opens: the rules alone. [`super::epoch`] says why they are so.

use crate::ledger::block::Block;
use crate::ledger::genesis::{PbftParams, ValidatorSet, new_view_fits};
use crate::ledger::key::PublicKey;
use crate::ledger::rules::{BlockError, TxError};
use crate::ledger::transaction::{Body, EpochChange, MemberList, Transaction};
use crate::ledger::units::{Epoch, Height};
use crate::message::epoch::{Opening, Readmission};
use crate::plant::{Plant, armed};
use std::collections::BTreeMap;

/// What a change of members must fit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms<'a> {
    pub(super) opening: &'a Opening,
    pub(super) set: &'a ValidatorSet,
    pub(super) params: &'a PbftParams,
}

/// What blocks of one epoch change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    /// The lowest height with a change.
    first: Option<Height>,
    members: Option<MemberList>,
    readmitted: BTreeMap<PublicKey, Readmission>,
}

impl Changes {
    /// As if a block at this height had changed something.
    #[cfg(test)]
    pub(super) fn note(&mut self, height: Height) {
        self.first = Some(height);
    }

    /// The epoch's last height, once something changes.
    pub(super) fn last_height(&self, params: &PbftParams) -> Option<Height> {
        let interval = u64::from(params.checkpoint_interval);
        self.first.map(|first| Height(first.0.div_ceil(interval) * interval))
    }

    /// Takes the changes of the block at a height.
    pub(super) fn take(&mut self, terms: Terms<'_>, height: Height, block: &Block) -> Result<(), BlockError> {
        if let Some(last) = self.last_height(terms.params).filter(|last| *last < height)
            && !armed(Plant::EndlessEpoch)
        {
            return Err(BlockError::Header(format!("the epoch ends at height {last}")));
        }
        for (index, transaction) in block.transactions.iter().enumerate() {
            if let Body::Epoch(change) = transaction.body() {
                let fail = |error| BlockError::Transaction { index: index as u32, error };
                self.admit(terms, height, change).map_err(fail)?;
            }
        }
        Ok(())
    }

    /// Takes one change, if it is one for this epoch and its turn.
    pub(super) fn admit(&mut self, terms: Terms<'_>, height: Height, change: &EpochChange) -> Result<(), TxError> {
        let Terms { opening, set, params } = terms;
        let fail = |reason| Err(TxError::EpochChange(reason));
        match change {
            EpochChange::Members { set: of, .. } if *of != set.hash() && !armed(Plant::ReplayedChange) => {
                return Err(TxError::OtherEpoch);
            }
            EpochChange::Readmit { epoch, .. } if *epoch != opening.epoch => return Err(TxError::OtherEpoch),
            EpochChange::Members { .. } if self.members.is_some() => {
                return fail("the members change once in an epoch at most");
            }
            EpochChange::Members { members, .. } if !new_view_fits(members.0.len(), u64::from(params.depth)) => {
                return fail("with so many members a NEW-VIEW would not fit one message");
            }
            EpochChange::Members { members, .. } => self.members = Some(members.clone()),
            EpochChange::Readmit { member, .. } if !opening.members.0.contains(member) => {
                return fail("only members are re-admitted");
            }
            EpochChange::Readmit { member, nonce, .. } => {
                let again = |it: &Readmission| it.member == *member && is_recent(it, height, params);
                if self.readmitted.contains_key(member) || opening.readmitted.iter().any(again) {
                    return fail("a member is re-admitted once in readmit_interval blocks at most");
                }
                self.readmitted.insert(*member, Readmission { member: *member, nonce: *nonce, height });
            }
        }
        self.first.get_or_insert(height);
        Ok(())
    }

    /// With what the epoch after these changes opens, at its last height.
    pub(super) fn opening(&self, before: &Opening, last: Height, params: &PbftParams) -> Opening {
        let members = self.members.clone().unwrap_or_else(|| before.members.clone());
        let recent = before.readmitted.iter().filter(|it| is_recent(it, last, params));
        let all = recent.chain(self.readmitted.values()).map(|it| (it.member, *it));
        let all: BTreeMap<PublicKey, Readmission> = all.filter(|(member, _)| members.0.contains(member)).collect();
        Opening { epoch: Epoch(before.epoch.0 + 1), members, readmitted: all.into_values().collect() }
    }
}

/// Whether a member that was re-admitted so must wait at this height.
fn is_recent(readmission: &Readmission, height: Height, params: &PbftParams) -> bool {
    readmission.height.0.saturating_add(u64::from(params.readmit_interval)) > height.0
}

/// Whether a block changes members.
pub(super) fn is_changing(block: &Block) -> bool {
    block.transactions.iter().any(|transaction| change_of(transaction).is_some())
}

/// The change of members that a transaction is.
pub(super) fn change_of(transaction: &Transaction) -> Option<&EpochChange> {
    match transaction.body() {
        Body::Epoch(change) => Some(change),
        Body::Transfer(_) | Body::Coinbase(_) => None,
    }
}

#[cfg(test)]
mod tests;
