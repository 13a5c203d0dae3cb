//! Starting: the chain as it was flushed, and what was persisted beyond it.
//!
//! If the chain that is here ends below what its own records prove that it had reached (the coins were lost, or found to be wrong),
//! the replica follows and says nothing until it is there again: what it signed on the way is not all remembered, and what it
//! signed above is taken up then.

use super::Pbft;
use super::checkpoint::Recorded;
use super::slot::{Body, Slot};
use crate::chain::{Base, Chain, Store};
use crate::engine::{Effect, EngineConfig, Record, To, Trace};
use crate::ledger::block::Block;
use crate::ledger::hash::{BlockId, LockHash};
use crate::ledger::lock::Lock;
use crate::ledger::units::{Height, Time, View};
use crate::limits::SLOTS_MAX;
use crate::message::checkpoint::Checkpoint;
use crate::message::epoch::Succession;
use crate::message::{Ballot, CommitCertificate, Message, NewView, PreparedBlock, ViewChange, Vote, VoteKind};
use crate::plant::{Plant, armed};
use crate::sync::Peers;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a start finds of this replica's own signatures, to be taken up when the chain has reached a height.
#[derive(Clone, Debug)]
pub(super) struct Withheld {
    reached: Height,
    changes: Vec<ViewChange>,
    new_views: Vec<NewView>,
    votes: Vec<Vote>,
    prepared: Vec<PreparedBlock>,
}

impl Pbft {
    /// A replica with the chain as it was flushed (`base`, which `store` shows) and all that was persisted since, in any
    /// order; records of heights at or below the base do no harm. A fresh start has [`Base::genesis`] and no records; the
    /// store then holds the genesis coins. The effects connect again what was certified, and send own votes again.
    ///
    /// # Panics
    /// When the genesis is not of a PBFT net.
    #[must_use]
    pub fn restore(
        config: EngineConfig,
        store: Box<dyn Store>,
        base: Base,
        records: Vec<Record>,
    ) -> (Pbft, Vec<Effect>) {
        let params = config.genesis.pbft().expect("a PBFT engine is made for PBFT nets only").clone();
        let set = config.genesis.validator_set();
        let own_lock = config.key.as_ref().map(|key| Lock::Key(key.public()).hash());
        let (quorum, epochs) = (super::epoch::quorum_of(&set), super::epoch::Epochs::new(&set));
        let start = Base::genesis(&config.genesis).0.tip;
        let timer = super::timer::Timer::new(params.view_timeout_ms, params.view_timeout_max_ms);
        let mut pbft = Pbft {
            me: None,
            key: config.key,
            log: config.log,
            withheld: None,
            payee: config.payee.or(own_lock).unwrap_or(LockHash([0; 32])),
            params,
            incarnation: config.incarnations.present(),
            incarnations: config.incarnations,
            set,
            epochs,
            quorum,
            highest: None,
            start,
            choice: super::choose::Choice::start(Height::GENESIS),
            views: super::view::Views::default(),
            timer,
            proofs: super::evidence::Proofs::default(),
            checkpoints: super::checkpoint::Checkpoints::default(),
            transfer: super::transfer::Transfer::default(),
            entered_at: Time(0),
            progressed: false,
            chain: Chain::new(config.genesis, store, base, &config.salt),
            next_sequence: 1,
            view: View(0),
            slots: BTreeMap::new(),
            over: BTreeMap::new(),
            recent: BTreeMap::new(),
            future: super::future::Future::default(),
            proposer: super::propose::Proposer::default(),
            fairness: super::fairness::Fairness::default(),
            peers: Peers::default(),
            lag: None,
            behind: None,
            helped: super::spacing::Spacing::default(),
            announced_at: None,
            announce: false,
            now: Time(0),
            waited_ms: 0,
            halted: false,
            out: Vec::new(),
        };
        pbft.me = pbft.seat();
        pbft.take_back(records);
        let (view, primary) = (pbft.view, pbft.set.primary(pbft.view));
        match pbft.views.own.clone() {
            Some(change) => {
                pbft.trace(Trace::Leave { from: view, to: view, primary, reason: "start", detail: String::new() });
                pbft.emit(Effect::Send { to: To::Members, message: Message::ViewChange(change) });
            }
            None => pbft.trace(Trace::View { view, primary, reason: "start" }),
        }
        let votes = [pbft.own_votes(), pbft.own_checkpoints()].concat();
        pbft.out.extend(votes.into_iter().map(|message| Effect::Send { to: To::Members, message }));
        let effects = std::mem::take(&mut pbft.out);
        (pbft, effects)
    }

    fn take_back(&mut self, records: Vec<Record>) {
        let mut bodies: BTreeMap<BlockId, Block> = BTreeMap::new();
        let mut certificates: BTreeMap<Height, CommitCertificate> = BTreeMap::new();
        let (mut votes, mut prepared) = (Vec::new(), Vec::new());
        let (mut changes, mut new_views, mut successions) = (Vec::new(), Vec::new(), BTreeMap::new());
        let mut reached = Height::GENESIS;
        let mut checkpoints = Recorded::default();
        let (incarnation, incarnations) = (self.incarnation, self.incarnations.clone());
        let is_ours = |ballot: &Ballot| ballot.incarnation == incarnation;
        let stands = |it: &Checkpoint| incarnations.stands(it.incarnation, it.height);
        for record in records {
            match record {
                Record::Body(block) => drop(bodies.insert(block.id(), block)),
                Record::Committed(it) if incarnations.hold(&it.ballot) => drop(certificates.insert(it.ballot.height, it)),
                // What was signed before a dev net was set back counts no more.
                Record::Vote(vote) if is_ours(&vote.ballot) => {
                    // Nothing is voted on further above the tip.
                    reached = reached.max(Height(vote.ballot.height.0.saturating_sub(SLOTS_MAX)));
                    votes.push(vote);
                }
                Record::Prepared(it) => prepared.push(it),
                Record::ViewChange(it) => changes.push(it),
                Record::NewView(it) => new_views.push(it),
                Record::Evidence(it) if is_ours(&it.first.ballot) => drop(self.proofs.keep(it)),
                Record::Checkpoint(vote) if vote.checkpoint.incarnation == incarnation => checkpoints.votes.push(vote),
                Record::CheckpointState(it) if stands(&it.checkpoint) => {
                    drop(checkpoints.states.insert(it.checkpoint.height, it));
                }
                Record::Stable(it) if stands(&it.checkpoint) => {
                    if it.checkpoint.incarnation == incarnation {
                        reached = reached.max(it.checkpoint.height);
                    }
                    checkpoints.stable.insert(it.checkpoint.height, it);
                }
                Record::Epoch(it) if it.certificate.checkpoint.incarnation == incarnation => {
                    reached = reached.max(it.height());
                    successions.insert(it.epoch(), it);
                }
                // How the members came to be at heights that stayed is not undone.
                Record::Epoch(it) if stands(&it.certificate.checkpoint) => {
                    successions.insert(it.epoch(), it);
                }
                // Of another incarnation.
                Record::Vote(_)
                | Record::Committed(_)
                | Record::Evidence(_)
                | Record::Checkpoint(_)
                | Record::CheckpointState(_)
                | Record::Stable(_)
                | Record::Epoch(_)
                // Proof of work's.
                | Record::Header(_)
                | Record::Invalid(_)
                | Record::Invalidated(_)
                | Record::Reconsidered(_)
                | Record::ToldFinal(_) => {}
            }
        }
        self.take_back_epochs(successions.into_values());
        self.take_back_changes();
        self.take_back_checkpoints(&mut checkpoints);
        self.connect_again(|pbft, height| {
            let id = certificates.get(&height)?.ballot.block;
            let block = bodies.remove(&id).map(Arc::new).or_else(|| pbft.chain.block(&id))?;
            Some((certificates.remove(&height)?, block))
        });
        if self.chain.final_height() < self.chain.tip().height {
            // A final height is told even if no block is missing.
            self.report_update(Vec::new());
        }
        self.take_back_checkpoint_votes(checkpoints);
        let tip = self.chain.tip().height;
        let of_tip = self.recent.get(&tip).map(|(_, certificate)| certificate.clone());
        self.highest = of_tip.or_else(|| self.chain.archive().certificate(tip));
        let epoch = self.set.epoch;
        for (height, certificate) in certificates.into_iter().filter(|(_, it)| it.ballot.epoch == epoch) {
            if height > self.highest_height() {
                self.highest = Some(certificate.clone());
            }
            if let Some(slot) = self.slot_above(height) {
                slot.committed = Some(certificate);
            }
        }
        let signed = Withheld { reached, changes, new_views, votes, prepared };
        if tip < reached && !armed(Plant::ForgetVotes) {
            self.withheld = Some(Box::new(signed));
            self.me = None;
        } else {
            self.take_back_signed(signed);
        }
        self.take_back_bodies(bodies);
    }

    /// What this replica signed, and the views in which it did.
    fn take_back_signed(&mut self, signed: Withheld) {
        let Withheld { mut changes, mut new_views, mut votes, mut prepared, .. } = signed;
        // What was signed in an epoch that is over counts no more.
        let place = (self.incarnation, self.set.epoch);
        changes.retain(|it| (it.incarnation, it.epoch) == place && self.is_own(it));
        new_views.retain(|it| (it.incarnation, it.epoch) == place);
        votes.retain(|vote| self.is_ours(&vote.ballot));
        prepared.retain(|it| self.is_ours(&it.certificate.ballot));
        let change = changes.into_iter().max_by_key(|it| it.view);
        let new_view = new_views.into_iter().max_by_key(|it| it.view);
        if !armed(Plant::ForgetViews) {
            self.take_back_view(change, new_view);
            // The power may have gone between the NEW-VIEW and the certificate that it brought.
            if let Some(certificate) = self.choice.certificate.clone() {
                self.learn(certificate);
            }
        }
        if !armed(Plant::ForgetVotes) {
            votes.into_iter().for_each(|vote| self.take_back_vote(vote));
        }
        prepared.into_iter().for_each(|certificate| self.take_back_prepared(certificate));
    }

    /// Once the chain is where this replica had been, it takes its place again.
    pub(super) fn speak_again(&mut self) {
        let tip = self.chain.tip().height;
        let Some(signed) = self.withheld.take_if(|it| it.reached <= tip) else {
            return;
        };
        self.me = self.seat();
        self.take_back_signed(*signed);
        let (view, primary) = (self.view, self.set.primary(self.view));
        self.trace(Trace::View { view, primary, reason: "its own votes are known again" });
    }

    /// The epoch of the flushed tip is the present one; later ones are opened as blocks are connected again.
    fn take_back_epochs(&mut self, successions: impl Iterator<Item = Succession>) {
        for succession in successions {
            let set = succession.opening.set(&self.set.network);
            if self.epochs.learn(succession) {
                self.emit(Effect::Members { set, is_present: false });
            }
        }
        let present = self.epochs.at(self.chain.tip().height).cloned();
        present.into_iter().for_each(|it| self.move_to(&it));
    }

    fn is_own(&self, change: &ViewChange) -> bool {
        self.me.as_ref().is_some_and(|member| member.index == change.signer)
    }

    /// The view that was active when the node stopped, or the one that it waited for.
    fn take_back_view(&mut self, change: Option<ViewChange>, new_view: Option<NewView>) {
        let left = change.as_ref().map_or(View(0), |it| it.view);
        let reached = new_view.as_ref().map_or(left, |it| it.view.max(left));
        let is_entered = self.views.new_view.as_ref().is_some_and(|it| it.view == self.view);
        if reached < self.view || (reached == self.view && is_entered) {
            // It has followed the others as far since, or further.
            return;
        }
        match new_view {
            Some(new_view) if new_view.view >= left => {
                self.adopt(new_view);
                self.clear_slots();
            }
            Some(_) | None => {
                self.view = left;
                if let Some(change) = change {
                    self.views.restored(change);
                }
            }
        }
    }

    fn is_ours(&self, ballot: &Ballot) -> bool {
        ballot.incarnation == self.incarnation && ballot.epoch == self.set.epoch
    }

    /// The slot of a height, if one may be kept for it.
    fn slot_above(&mut self, height: Height) -> Option<&mut Slot> {
        self.near().contains(&height).then(|| self.slots.entry(height).or_default())
    }

    fn take_back_vote(&mut self, vote: Vote) {
        let me = self.me.as_ref().map(|member| member.index);
        if me != Some(vote.signer) || vote.ballot.view != self.view || !self.is_active() {
            return;
        }
        if let Some(slot) = self.slot_above(vote.ballot.height) {
            slot.tally.add(vote);
            slot.own.insert((vote.ballot.view, vote.kind), vote);
        }
    }

    fn take_back_prepared(&mut self, prepared: PreparedBlock) {
        let (ballot, view) = (prepared.certificate.ballot, self.view);
        let Some(slot) = self.slot_above(ballot.height) else {
            return;
        };
        let vote =
            |kind, seal: &crate::message::Seal| Vote { kind, ballot, signer: seal.signer, signature: seal.signature };
        if ballot.view == view {
            slot.tally.add(vote(VoteKind::PrePrepare, &prepared.certificate.pre_prepare));
            for seal in &prepared.certificate.prepares {
                slot.tally.add(vote(VoteKind::Prepare, seal));
            }
        }
        if slot.prepared.as_ref().is_none_or(|held| held.certificate.ballot.view <= ballot.view) {
            slot.prepared = Some(prepared);
        }
    }

    /// The bodies that certificates and own votes are about. They are judged again when the first event comes.
    fn take_back_bodies(&mut self, mut bodies: BTreeMap<BlockId, Block>) {
        let view = self.view;
        for (height, _) in self.choice.chosen.range(self.near()) {
            self.slots.entry(*height).or_default();
        }
        for (height, slot) in &mut self.slots {
            let of_view = |it: &&PreparedBlock| it.certificate.ballot.view == view;
            let prepared = slot.prepared.as_ref().filter(of_view).map(|it| it.certificate.ballot.block);
            let certified = slot.committed.as_ref().map(|it| it.ballot.block);
            let wanted = certified.or(self.choice.at(*height)).or(prepared).or(slot.bound_to(view));
            let held = |id: &BlockId| bodies.remove(id).map(Arc::new).or_else(|| self.chain.archive().block(id));
            slot.body = wanted.as_ref().and_then(held).map(|block| Body::new(block, true));
        }
    }
}

#[cfg(test)]
mod tests;
