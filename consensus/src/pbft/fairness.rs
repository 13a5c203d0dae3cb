//! Whether the primary serves everyone: what a replica does about a transaction that has been due for long.
//!
//! The mempool says since when the longest-waiting transaction has been due: valid, and in the next block if this replica
//! filled it.
//! 1. After half of the timeout, and again each half, the replica hands the transaction, and what else is overdue, to the
//!    primary: it may lack it, or have refused it for its fee, and an honest primary puts it into its next block. So it has been
//!    told before the timer runs out if nothing else waits anywhere.
//! 2. If blocks become final without it, then after twice the timeout, and at least half of it after it was handed over, the
//!    replica leaves the view.
//!
//! A change of members is sent to everybody as soon as it is known, and again and again; so twice the timeout is all that a primary has
//! for it, whatever else becomes final.
//!
//! What stands in a proposal that is under way is not kept waiting by the primary. A replica that is behind knows too little
//! to complain. A backlog does not matter: what would not be in the next block is not due.

use super::Pbft;
use super::timer::Pace;
use crate::engine::{Effect, OverdueRequest, Peer, To, Trace};
use crate::ledger::hash::TxId;
use crate::ledger::key::Signature;
use crate::ledger::transaction::Transaction;
use crate::ledger::units::Time;
use crate::limits::OVERDUE_TRANSACTIONS_MAX;
use crate::message::{Message, Overdue};
use crate::plant::{Plant, armed};
use std::collections::BTreeMap;

/// A primary takes what a member hands over at most once in this time.
const HANDED_OVER_SPACING_MS: u64 = 20;

/// What a replica has done in the present view about what waits too long.
#[derive(Clone, Debug, Default)]
pub(super) struct Fairness {
    /// What was overdue when it was last looked at, and when each was first handed over.
    /// Invariant: at most [`OVERDUE_TRANSACTIONS_MAX`].
    handed: BTreeMap<TxId, Time>,
    /// When that was.
    looked_at: Option<Time>,
    /// The request that is not answered yet.
    asked: Option<u64>,
    /// Requests so far.
    tickets: u64,
    /// As primary: when each member last handed something over. Invariant: members only.
    heard_at: BTreeMap<u16, Time>,
}

impl Fairness {
    /// Another view: its primary begins with a clean slate.
    pub(super) fn entered(&mut self) {
        *self = Fairness { tickets: self.tickets, ..Fairness::default() };
    }
}

impl Pbft {
    /// When to look (again) for what is overdue.
    pub(super) fn look_at(&self) -> Option<Time> {
        let pending = self.proposer.pending().filter(|_| self.may_complain())?;
        let from = pending.max(self.entered_at).plus_ms(self.overdue_ms());
        let again = self.fairness.looked_at.map(|at| at.plus_ms(self.overdue_ms()));
        Some(again.map_or(from, |again| again.max(from)))
    }

    /// How long a transaction is due before it is overdue.
    fn overdue_ms(&self) -> u64 {
        (self.timer.timeout_ms() / 2).max(1)
    }

    fn may_complain(&self) -> bool {
        let is_in_place = self.is_active() && !self.is_behind() && !self.is_complete() && !self.is_stopped();
        self.me.is_some() && !self.is_primary() && is_in_place
    }

    /// Tells what is measured of the net and of its primary, when that has moved.
    pub(super) fn tell_pace(&mut self) {
        if self.me.is_none() {
            return;
        }
        if let Some(Pace { timeout_ms, patience_ms, delay_ms, delay_allowed_ms }) = self.timer.news() {
            self.trace(Trace::Pace { timeout_ms, patience_ms, delay_ms, delay_allowed_ms });
        }
    }

    /// Since when the primary has kept a change of members waiting.
    fn change_due_since(&self) -> Option<Time> {
        let since = self.change_waits_since().filter(|_| self.may_complain())?;
        let is_under_way = self.slots.values().filter_map(|slot| slot.valid()).any(|body| body.is_changing);
        (!is_under_way).then(|| since.max(self.entered_at))
    }

    /// When the primary has kept it waiting for too long.
    pub(super) fn change_overdue_at(&self) -> Option<Time> {
        self.change_due_since().map(|since| since.plus_ms(self.timer.patience_ms()))
    }

    /// Looks for what is overdue, when it is time to.
    pub(super) fn look_for_overdue(&mut self) {
        if self.change_overdue_at().is_some_and(|at| at <= self.now) && !armed(Plant::EndlessPatience) {
            let detail = format!("a change of members was passed over for {} ms", self.timer.patience_ms());
            self.timer.complained();
            return self.leave(self.view.next(), "unfair", detail);
        }
        if self.look_at().is_none_or(|at| at > self.now) {
            return;
        }
        self.fairness.looked_at = Some(self.now);
        self.fairness.tickets += 1;
        let due_until = Time(self.now.0.saturating_sub(self.overdue_ms()));
        let bodies = self.slots.values().filter_map(|slot| slot.valid());
        let above = bodies.map(|body| body.block.clone()).collect();
        let ticket = self.fairness.tickets;
        self.fairness.asked = Some(ticket);
        self.emit(Effect::WantOverdue(OverdueRequest { ticket, due_until, above }));
    }

    /// What is overdue: handed to the primary, or held against it.
    pub(super) fn on_overdue(&mut self, ticket: u64, oldest: Option<Time>, mut transactions: Vec<Transaction>) {
        if self.fairness.asked.take_if(|asked| *asked == ticket).is_none() || !self.may_complain() {
            return;
        }
        transactions.truncate(OVERDUE_TRANSACTIONS_MAX);
        let (now, mut before) = (self.now, std::mem::take(&mut self.fairness.handed));
        let ids: Vec<TxId> = transactions.iter().map(Transaction::id).collect();
        self.fairness.handed = ids.iter().map(|id| (*id, before.remove(id).unwrap_or(now))).collect();
        let (Some(first), Some(oldest)) = (ids.first().copied(), oldest) else {
            return;
        };
        let (waited_ms, allowed_ms) = (now.since_ms(oldest.max(self.entered_at)), self.timer.patience_ms());
        let handed_ms = now.since_ms(self.fairness.handed[&first]);
        let is_over = waited_ms >= allowed_ms && !armed(Plant::EndlessPatience);
        if is_over && handed_ms >= self.overdue_ms() {
            let detail = format!("transaction {first} was passed over for {waited_ms} of {allowed_ms} ms");
            self.timer.complained();
            self.leave(self.view.next(), "unfair", detail);
            return;
        }
        if !armed(Plant::NoHandOver) {
            self.hand_over(transactions, first, waited_ms);
        }
    }

    fn hand_over(&mut self, transactions: Vec<Transaction>, first: TxId, waited_ms: u64) {
        let me = self.me.as_ref().expect("only members complain");
        let primary = self.set.primary(self.view);
        let count = transactions.len();
        let overdue = Overdue {
            incarnation: self.incarnation,
            epoch: self.set.epoch,
            view: self.view,
            transactions,
            signer: me.index,
            signature: Signature([0; 64]),
        }
        .signed(&self.set.network, &me.key);
        self.trace(Trace::HandOver { primary, count, first, waited_ms });
        self.emit(Effect::Send { to: To::Member(primary), message: Message::Overdue(overdue) });
    }

    /// A member hands over what it thinks this primary keeps waiting.
    pub(super) fn on_handed_over(&mut self, peer: Peer, overdue: Overdue) {
        let is_of_view = (overdue.incarnation, overdue.epoch, overdue.view)
            == (self.incarnation, self.set.epoch, self.view)
            && self.is_active();
        let member = overdue.signer;
        let heard_at = self.fairness.heard_at.get(&member);
        let is_recent = heard_at.is_some_and(|at| at.plus_ms(HANDED_OVER_SPACING_MS) > self.now);
        if !is_of_view || !self.is_primary() || is_recent || self.is_stopped() {
            return;
        }
        self.fairness.heard_at.insert(member, self.now);
        self.trace(Trace::HandedOver { by: member, count: overdue.transactions.len() });
        self.emit(Effect::Admit { peer, member, transactions: overdue.transactions });
    }
}

#[cfg(test)]
mod tests;
