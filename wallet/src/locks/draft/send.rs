//! Sending what a draft became. Its transaction's id never changes, so that whoever sends it, and however often, it is one payment; the
//! journal of the wallet whose coins it spends, if that is here, remembers it like any other.

use super::Draft;
use crate::error::WalletError;
use crate::paying::follow::{self, FollowOptions, Sent};
use crate::paying::journal::{Attempt, Entry, Journal, Kind};
use crate::paying::purse::Known;
use crate::paying::rehearse;
use crate::paying::repeat;
use crate::session::{Found, Session};
use bezant_api::types::TxState;
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::hash::tagged;
use bezant_consensus::ledger::transaction::Transaction;

/// A draft that is complete.
#[derive(Clone, Debug)]
pub struct Sending {
    attempt: Attempt,
    /// The wallet here whose coins it spends, all of them.
    found: Option<Found>,
}

impl Sending {
    /// `transaction` is what [`Draft::finalize`] gave.
    #[must_use]
    pub fn new(draft: &Draft, transaction: Transaction, known: &Known) -> Sending {
        let owns = |found: &&Found| {
            let locks = found.wallet.lock_hashes();
            draft.inputs().iter().all(|input| locks.contains(&input.lock.hash()))
        };
        let found = known.wallets.iter().find(owns).cloned();
        // Where change is, if there is any: see the builder.
        let last = transaction.outputs().last().expect("a draft pays somebody");
        let is_own = found.as_ref().is_some_and(|found| found.wallet.lock_hashes().contains(&last.lock));
        let change = if is_own { last.amount } else { Amount::ZERO };
        Sending { attempt: Attempt { kind: Kind::Send, transaction, fee: draft.fee(), change }, found }
    }

    /// Asks a node whether it would take it.
    ///
    /// # Errors
    /// [`WalletError::Refused`] when it would not.
    pub async fn rehearse(&self, session: &Session) -> Result<Sent, WalletError> {
        rehearse::one(session.client()?, &self.attempt.transaction).await?;
        Ok(follow::dry_run(&self.attempt))
    }

    /// Rehearses it, writes it down, hands it over and follows it; if it was sent before, it is only followed.
    ///
    /// # Errors
    /// As [`follow::submit`].
    pub async fn carry_out(&self, session: &Session, options: FollowOptions) -> Result<Sent, WalletError> {
        let (client, id) = (session.client()?, self.attempt.transaction.id());
        let mut journal = self.found.as_ref().map(|found| Journal::open(&found.path, session.network())).transpose()?;
        if let Some(kept) = journal.as_ref().map(|journal| journal.of(&id)).transpose()?.flatten() {
            return repeat::follow(client, &kept, options).await;
        }
        // Somebody else may have sent it.
        let is_known = repeat::status(client, &id.to_string()).await?.state >= TxState::Pool;
        if !is_known {
            self.rehearse(session).await?;
        }
        if let Some(journal) = &mut journal {
            let asked = tagged("bezant/wallet-draft", &[&id.0]);
            journal.add(&[Entry { id: None, asked, attempt: self.attempt.clone() }])?;
        }
        if is_known {
            follow::deliver(client, &self.attempt, options, true).await
        } else {
            follow::submit(client, &self.attempt, options).await
        }
    }
}
