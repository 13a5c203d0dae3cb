//! Letting transactions in: one, a package, what peers bring; and trying what that would do.
//!
//! What is checked, and in which order, stands in `plan`.

use super::judge::{Judged, Next};
use super::plan::Plan;
use super::{Entry, FeeRate, Mempool, package};
use crate::io::{Admitted, DropReason, Notice, Refusal, Refused, Trial, Tried};
use crate::limits::PACKAGE_TRIES_MAX;
use bezant_consensus::engine::Peer;
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::genesis::LedgerParams;
use bezant_consensus::ledger::hash::{TxHash, TxId};
use bezant_consensus::ledger::transaction::Transaction;
use bezant_consensus::ledger::units::Time;
use std::collections::BTreeSet;

impl Mempool {
    /// Lets a user's transaction in.
    pub(crate) fn admit(
        &mut self,
        next: Next<'_>,
        transaction: Transaction,
        notices: &mut Vec<Notice>,
    ) -> Result<Admitted, Refusal> {
        let admitted = self.admit_all(next, &[transaction], notices).map_err(|refused| refused.refusal)?;
        self.wake_children(next, &admitted, notices);
        Ok(admitted[0])
    }

    /// Lets a user's package in, or nothing of it: a transaction with those it spends from, which it may pay for.
    pub(crate) fn admit_package(
        &mut self,
        next: Next<'_>,
        transactions: &[Transaction],
        notices: &mut Vec<Notice>,
    ) -> Result<Vec<Admitted>, Refused> {
        package::check(transactions)?;
        let admitted = self.admit_all(next, transactions, notices)?;
        self.wake_children(next, &admitted, notices);
        Ok(admitted)
    }

    /// Lets a transaction in that a peer brought. What is refused is remembered; what lacks a coin, or a child that pays for
    /// it, waits for a while.
    pub(crate) fn admit_from(
        &mut self,
        next: Next<'_>,
        from: Peer,
        transaction: Transaction,
        notices: &mut Vec<Notice>,
    ) {
        self.admit_orphans(next, vec![(from, transaction)], notices);
    }

    /// What letting one transaction or a package in would do, without doing it.
    pub(crate) fn test(&mut self, next: Next<'_>, transactions: &[Transaction]) -> Result<Trial, Refused> {
        if transactions.len() != 1 {
            package::check(transactions)?;
        }
        let plan = self.plan(next, transactions)?;
        let tried = |transaction: &Transaction| {
            let txid = transaction.id();
            let new = plan.new.iter().find(|new| new.judged.txid == txid);
            let fee = new.map(|new| new.judged.fee).or_else(|| self.get(&txid).map(|entry| entry.fee));
            Tried { txid, known: plan.known.contains(&txid), fee, bytes: transaction.bytes() }
        };
        let evicted = plan.evicted.iter().copied().collect::<BTreeSet<TxId>>();
        Ok(Trial {
            transactions: transactions.iter().map(tried).collect(),
            replaces: plan.replaced.into_iter().collect(),
            evicts: evicted.into_iter().collect(),
        })
    }

    /// The least fee rate that the configuration or the genesis asks for, grains per 1,000 bytes.
    pub(super) fn least_rate(&self, params: &LedgerParams) -> u64 {
        self.config.fee_rate_min.unwrap_or(params.relay_fee_rate_min)
    }

    /// The rolling minimum, grains per 1,000 bytes; 0 without one.
    pub(super) fn floor_rate(&self, now: Time, params: &LedgerParams) -> u64 {
        self.floor.rate(now, self.floor_speed(), self.step(params))
    }

    /// The least fee rate at which anything is let in now, grains per 1,000 bytes.
    #[must_use]
    pub fn fee_rate_min(&self, now: Time, params: &LedgerParams) -> u64 {
        self.least_rate(params).max(self.floor_rate(now, params))
    }

    pub(super) fn admit_orphans(
        &mut self,
        next: Next<'_>,
        mut open: Vec<(Peer, Transaction)>,
        notices: &mut Vec<Notice>,
    ) {
        while let Some((from, transaction)) = open.pop() {
            let hash = transaction.hash();
            if self.contains_hash(&hash) || self.orphans.contains(&hash) || self.refusals.holds(next.now, &hash) {
                continue;
            }
            match self.admit_all(next, std::slice::from_ref(&transaction), notices) {
                Ok(admitted) => open.extend(self.children_of(&admitted)),
                Err(Refused { refusal, .. }) if refusal.lacks_coin() || is_poor(&refusal) => {
                    let txid = transaction.id();
                    self.orphans.add(next.now, from, transaction);
                    let mut heirs = self.orphans.heirs(&txid, PACKAGE_TRIES_MAX);
                    heirs.insert(0, hash);
                    open.extend(self.admit_waiting_package(next, &heirs, notices));
                }
                Err(refused) => self.refusals.remember(next.now, hash, &refused.refusal),
            }
        }
    }

    /// Tries one waiting transaction after the other together with what waits that it spends from; of the first package that is
    /// let in, returns what was waiting for it.
    fn admit_waiting_package(
        &mut self,
        next: Next<'_>,
        last: &[TxHash],
        notices: &mut Vec<Notice>,
    ) -> Vec<(Peer, Transaction)> {
        for last in last {
            let package = self.orphans.package_of(last);
            if package.len() < 2 || package::check(&package).is_err() {
                continue;
            }
            if let Ok(admitted) = self.admit_all(next, &package, notices) {
                package.iter().for_each(|transaction| self.orphans.forget(&transaction.hash()));
                return self.children_of(&admitted);
            }
        }
        Vec::new()
    }

    fn wake_children(&mut self, next: Next<'_>, admitted: &[Admitted], notices: &mut Vec<Notice>) {
        let woken = self.children_of(admitted);
        self.admit_orphans(next, woken, notices);
    }

    /// Takes out what waits for any of those that came in just now.
    fn children_of(&mut self, admitted: &[Admitted]) -> Vec<(Peer, Transaction)> {
        let new = admitted.iter().filter(|admitted| !admitted.known);
        new.flat_map(|admitted| self.orphans.take_children(&admitted.txid)).collect()
    }

    /// All or nothing.
    fn admit_all(
        &mut self,
        next: Next<'_>,
        transactions: &[Transaction],
        notices: &mut Vec<Notice>,
    ) -> Result<Vec<Admitted>, Refused> {
        // Most of what gossip brings is known; then nothing else is looked at.
        let plan = self.plan(next, transactions)?;
        let admitted = |txid: &TxId| Admitted { txid: *txid, known: plan.known.contains(txid) };
        let admitted = plan.given.iter().map(admitted).collect();
        self.execute(next, plan, notices);
        Ok(admitted)
    }

    fn execute(&mut self, next: Next<'_>, plan: Plan, notices: &mut Vec<Notice>) {
        self.settle_floor(next.now);
        for (rival, by) in &plan.rivals {
            self.drop_with_descendants(rival, DropReason::Replaced { by: *by }, notices);
        }
        for victim in &plan.evicted {
            self.drop_with_descendants(victim, DropReason::Evicted, notices);
        }
        if let Some(rate) = plan.evicted_rate {
            let step = self.step(next.params);
            self.floor.raise(next.now, rate, step);
        }
        let pooled: Vec<(TxId, Amount)> = plan.new.iter().map(|new| (new.judged.txid, new.judged.fee)).collect();
        for new in plan.new {
            self.last += 1;
            self.insert_judged(next.now, self.last, new.transaction, new.judged, None);
        }
        self.settle_clusters();
        let held = self.len();
        notices.extend(pooled.into_iter().map(|(txid, fee)| Notice::Pooled { txid, fee, held }));
    }

    pub(super) fn insert_judged(
        &mut self,
        now: Time,
        arrival: i64,
        transaction: Transaction,
        judged: Judged,
        handed_by: Option<u16>,
    ) {
        let entry = Entry {
            transaction,
            bytes: judged.bytes,
            fee: judged.fee,
            ready: judged.ready,
            due: None,
            handed_by,
            announced: now,
            arrival,
            opens: judged.opens,
            parents: BTreeSet::new(),
            children: BTreeSet::new(),
            cluster: 0,
        };
        self.insert(now, judged.txid, entry);
    }

    pub(super) fn ancestors(&self, parents: &BTreeSet<TxId>) -> BTreeSet<TxId> {
        let mut found = parents.clone();
        let mut open: Vec<TxId> = parents.iter().copied().collect();
        while let Some(next) = open.pop() {
            open.extend(self.entries[&next].parents.iter().filter(|parent| found.insert(**parent)));
        }
        found
    }
}

/// Whether a child that pays for it would help.
fn is_poor(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::FeeTooLow { .. } | Refusal::FeeBelowFloor { .. })
}

impl Trial {
    /// Fees and bytes of what would come in.
    #[must_use]
    pub fn rate(&self) -> Option<FeeRate> {
        let new = self.transactions.iter().filter(|tried| !tried.known);
        new.filter_map(|tried| Some(FeeRate { fee: tried.fee?.grains(), bytes: tried.bytes as u64 }))
            .reduce(FeeRate::plus)
    }
}
