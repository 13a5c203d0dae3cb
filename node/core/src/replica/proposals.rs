//! Proposals whose transactions are named: put together here, so that the engine sees whole ones only.
//!
//! Transactions travel to everybody as they come in, and a block of many need not carry them again. What the mempool has is put in
//! its place when the proposal comes. What it has not is most likely on its way, and is waited for: [`FETCH_PAUSE_MS`], then it is
//! asked for from whoever brought the proposal, and again each [`FETCH_AGAIN_MS`] until that height is final here. The engine
//! counts the time as if the proposal had come when it came.
//!
//! # What a liar can do
//! Only the primary's signature brings a proposal here, and the names are those under its header's merkle root. A member may fill
//! its own room only: the names of its proposals that wait are at most [`NAMES_PER_MEMBER_MAX`], and older ones give way. A
//! primary that names what nobody has is one that does not propose: the view changes.

use crate::limits::{FETCH_AGAIN_MS, FETCH_PAUSE_MS, NAMES_PER_MEMBER_MAX, PROPOSALS_PER_MEMBER_MAX};
use bezant_consensus::engine::Peer;
use bezant_consensus::ledger::hash::{BlockId, TxHash};
use bezant_consensus::ledger::transaction::Transaction;
use bezant_consensus::ledger::units::{Height, Time};
use bezant_consensus::message::Message;
use bezant_consensus::message::relay::{BlockTransactions, CompactPrePrepare, GetTransactions};
use bezant_consensus::verify::Verified;
use std::collections::BTreeMap;

/// A proposal as it travels: with more than `whole_max` transactions, their names stand for them. Any other message stays as it is.
///
/// Called by the executor for all that leaves, [`COMPACT_ABOVE`](crate::limits::COMPACT_ABOVE) being what nodes use.
#[must_use]
pub fn compact(message: Message, whole_max: usize) -> Message {
    match message {
        Message::PrePrepare(proposal) if proposal.block.transactions.len() > whole_max + 1 => {
            let named = CompactPrePrepare::of(&proposal);
            named.map_or(Message::PrePrepare(proposal), Message::CompactPrePrepare)
        }
        message => message,
    }
}

/// A proposal of which something is missing.
#[derive(Debug)]
struct Open {
    proposal: Verified<CompactPrePrepare>,
    /// Who is asked for what is missing.
    from: Peer,
    /// When it came to this node.
    since: Time,
    found: Vec<Option<Transaction>>,
    /// How many of `found` are not there.
    missing: usize,
    ask_at: Time,
    /// Arrivals are counted, so that older ones give way.
    number: u64,
}

/// A proposal that is complete.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) from: Peer,
    pub(super) since: Time,
    pub(super) proposal: Verified<CompactPrePrepare>,
    pub(super) transactions: Vec<Transaction>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Proposals {
    open: BTreeMap<BlockId, Open>,
    /// Where a transaction is missing. Invariant: exactly the places of `open` that are not found.
    wanted: BTreeMap<TxHash, Vec<(BlockId, usize)>>,
    last_number: u64,
}

impl Proposals {
    /// A proposal came `since` then; `held` is the mempool.
    pub(super) fn came(
        &mut self,
        now: Time,
        since: Time,
        from: Peer,
        proposal: Verified<CompactPrePrepare>,
        held: impl Fn(&TxHash) -> Option<Transaction>,
    ) -> Option<Ready> {
        let id = proposal.get().vote.ballot.block;
        if let Some(open) = self.open.get_mut(&id) {
            // Sent again: whoever did so has it.
            open.from = from;
            return None;
        }
        let found: Vec<Option<Transaction>> = proposal.get().names.iter().map(held).collect();
        let missing = found.iter().filter(|it| it.is_none()).count();
        self.last_number += 1;
        let ask_at = now.plus_ms(FETCH_PAUSE_MS);
        let open = Open { proposal, from, since, found, missing, ask_at, number: self.last_number };
        if missing == 0 {
            return Some(open.into_ready());
        }
        self.make_room(open.proposal.get());
        for (place, name) in open.proposal.get().names.iter().enumerate() {
            if open.found[place].is_none() {
                self.wanted.entry(*name).or_default().push((id, place));
            }
        }
        self.open.insert(id, open);
        None
    }

    fn make_room(&mut self, new: &CompactPrePrepare) {
        loop {
            let own = self.open.iter().filter(|(_, open)| open.proposal.get().vote.signer == new.vote.signer);
            let names: usize = own.clone().map(|(_, open)| open.found.len()).sum();
            let has_room =
                own.clone().count() < PROPOSALS_PER_MEMBER_MAX && names + new.names.len() <= NAMES_PER_MEMBER_MAX;
            let oldest = own.min_by_key(|(_, open)| open.number).map(|(id, _)| *id);
            match oldest {
                Some(oldest) if !has_room => drop(self.remove(&oldest)),
                Some(_) | None => return,
            }
        }
    }

    fn remove(&mut self, id: &BlockId) -> Option<Open> {
        let open = self.open.remove(id)?;
        for (place, name) in open.proposal.get().names.iter().enumerate() {
            if open.found[place].is_none()
                && let Some(places) = self.wanted.get_mut(name)
            {
                places.retain(|(of, _)| of != id);
                if places.is_empty() {
                    self.wanted.remove(name);
                }
            }
        }
        Some(open)
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// A transaction was verified; proposals that are complete by it.
    pub(super) fn learn(&mut self, transaction: &Transaction) -> Vec<Ready> {
        let places = self.wanted.remove(&transaction.hash()).unwrap_or_default();
        let mut ready = Vec::new();
        for (id, place) in places {
            let open = self.open.get_mut(&id).expect("what is wanted is missing somewhere");
            open.found[place] = Some(transaction.clone());
            open.missing -= 1;
            if open.missing == 0 {
                ready.extend(self.open.remove(&id).map(Open::into_ready));
            }
        }
        ready
    }

    /// What was asked for, verified; whoever answers something else is asked again.
    pub(super) fn answered(&mut self, answer: BlockTransactions) -> Vec<Ready> {
        if !self.open.contains_key(&answer.block) {
            return Vec::new();
        }
        answer.transactions.iter().flat_map(|transaction| self.learn(transaction)).collect()
    }

    /// Forgets what is over, and whom to ask for what now.
    pub(super) fn ask(&mut self, now: Time, final_height: Height) -> Vec<(Peer, Message)> {
        let is_over = |open: &Open| open.proposal.get().vote.ballot.height <= final_height;
        let over: Vec<BlockId> = self.open.iter().filter(|(_, open)| is_over(open)).map(|(id, _)| *id).collect();
        over.iter().for_each(|id| drop(self.remove(id)));
        let due = self.open.iter_mut().filter(|(_, open)| open.ask_at <= now);
        let ask = |(id, open): (&BlockId, &mut Open)| {
            open.ask_at = now.plus_ms(FETCH_AGAIN_MS);
            let missing = (0u16..).zip(&open.found).filter(|(_, it)| it.is_none());
            // The coinbase stands first.
            let places = missing.map(|(place, _)| place + 1).collect();
            (open.from, Message::GetTransactions(GetTransactions { block: *id, places }))
        };
        due.map(ask).collect()
    }

    /// When [`Proposals::ask`] has something to ask for.
    pub(super) fn deadline(&self) -> Option<Time> {
        self.open.values().map(|open| open.ask_at).min()
    }
}

impl Open {
    fn into_ready(self) -> Ready {
        let transactions = self.found.into_iter().flatten().collect();
        Ready { from: self.from, since: self.since, proposal: self.proposal, transactions }
    }
}

#[cfg(test)]
mod tests;
