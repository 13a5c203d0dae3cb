//! From one view to the next: when a view is left, who is told, and how the next one begins.
//!
//! A replica leaves its view for good by a VIEW-CHANGE, which is durable before it is sent. From then until the NEW-VIEW it
//! votes on nothing; blocks that others certified are still taken in. It leaves when what is owed does not come in time
//! ([`super::timer`]), when the primary is seen to break a rule, or when f + 1 others want later views: then for the smallest
//! of theirs, so that one liar with a huge number drags nobody along. The timer of the new view starts when q want it.

use super::choose::{Choice, choose};
use super::slot::{Body, Judged};
use super::spacing::Spacing;
use super::{Pbft, RESEND_MS};
use crate::engine::{Effect, Peer, Record, To, Trace};
use crate::ledger::block::Block;
use crate::ledger::hash::BlockId;
use crate::ledger::key::Signature;
use crate::ledger::units::{Height, Time, View};
use crate::limits::{BLOCKS_PER_MESSAGE_MAX, CHANGES_PER_MEMBER_MAX, SLOTS_MAX, VIEW_MAX};
use crate::message::{BlockIds, CommitCertificate, Message, NewView, PreparedBlock, ViewChange};
use crate::plant::{Plant, armed};
use std::collections::BTreeMap;
use std::sync::Arc;

/// VIEW-CHANGEs for views that have not begun here, and what the present view began with.
#[derive(Clone, Debug, Default)]
pub(super) struct Views {
    /// By member and view, for views above the one that is active here. Invariant: at most [`CHANGES_PER_MEMBER_MAX`] of each.
    changes: BTreeMap<u16, BTreeMap<View, ViewChange>>,
    /// With what the present view began; `None` in view 0.
    pub(super) new_view: Option<NewView>,
    /// This replica's own, while it waits for the NEW-VIEW. Invariant: persisted.
    pub(super) own: Option<ViewChange>,
    /// When the own one last left.
    sent_at: Time,
    /// Peers that were told of the present view.
    told: Spacing,
    /// Who was last asked for missing bodies, and when.
    asked: Option<(Peer, Time)>,
}

impl Views {
    /// Members that want this view or a later one.
    fn wanting(&self, view: View) -> usize {
        self.changes.values().filter(|of_member| of_member.range(view..).next().is_some()).count()
    }

    /// Who wants exactly this view, in ascending order.
    pub(super) fn signers(&self, view: View) -> Vec<u16> {
        self.changes.iter().filter(|(_, of_member)| of_member.contains_key(&view)).map(|(signer, _)| *signer).collect()
    }

    /// The own VIEW-CHANGE as it was before a crash.
    pub(super) fn restored(&mut self, change: ViewChange) {
        self.keep(change.clone());
        self.own = Some(change);
    }

    /// Keeps a VIEW-CHANGE; false when it was known. Of one member the lowest and the highest view are kept: a liar who once wanted
    /// a huge view counts again when it wants the next one, and no old message that is sent again takes a later one's place.
    fn keep(&mut self, change: ViewChange) -> bool {
        let of_member = self.changes.entry(change.signer).or_default();
        let is_new = !of_member.contains_key(&change.view);
        of_member.entry(change.view).or_insert(change);
        if of_member.len() > CHANGES_PER_MEMBER_MAX {
            let second = *of_member.keys().nth(1).expect("there are several");
            of_member.remove(&second);
        }
        is_new
    }

    /// Forgets what is for views up to this one.
    fn begun(&mut self, view: View) {
        self.changes.values_mut().for_each(|of_member| of_member.retain(|of, _| *of > view));
        self.changes.retain(|_, of_member| !of_member.is_empty());
    }

    /// A peer is gone.
    pub(super) fn disconnected(&mut self, peer: Peer) {
        self.told.disconnected(peer);
    }

    /// When the own VIEW-CHANGE is to be sent again.
    pub(super) fn resend_at(&self) -> Option<Time> {
        self.own.as_ref().map(|_| self.sent_at.plus_ms(RESEND_MS))
    }

    /// When another peer may be asked for missing bodies.
    pub(super) fn ask_at(&self) -> Option<Time> {
        self.asked.map(|(_, at)| at.plus_ms(RESEND_MS / 2))
    }
}

impl Pbft {
    /// VIEW-CHANGE of another member.
    pub(super) fn on_view_change(&mut self, from: Peer, change: ViewChange) {
        if !self.is_of_present(from, change.incarnation, change.epoch) {
            return;
        }
        if !self.holds(&change) {
            return;
        }
        if let Some(certificate) = &change.committed {
            self.confront(certificate);
        }
        let is_begun = change.view < self.view || (change.view == self.view && self.is_active());
        if is_begun {
            self.tell_view(from);
            return;
        }
        let base = change.committed.as_ref().map_or(self.start.height, |it| it.ballot.height);
        if base < self.chain.tip().height {
            self.help(from, change.signer, base.next());
        }
        self.note_change(change);
    }

    /// Whether what the VIEW-CHANGE says was final was not undone since: after a net was set back, only what is below is known by
    /// certificates of before, and one for a height above would make the view begin on a block that is no more.
    fn holds(&self, change: &ViewChange) -> bool {
        change.committed.as_ref().is_none_or(|it| self.incarnations.hold(&it.ballot))
    }

    fn note_change(&mut self, change: ViewChange) {
        let (signer, view, quorum) = (change.signer, change.view, self.quorum);
        if !self.views.keep(change) {
            return;
        }
        let votes = self.views.signers(view).len();
        self.trace(Trace::ViewChange { signer, view, votes, quorum });
    }

    /// A NEW-VIEW, which the verifier has counted: taken if it begins a later view than the present one, or the awaited one.
    pub(super) fn on_new_view(&mut self, from: Peer, new_view: NewView) {
        let is_present = (new_view.incarnation, new_view.epoch) == (self.incarnation, self.set.epoch);
        if !is_present || !new_view.changes.iter().all(|change| self.holds(change)) {
            return;
        }
        new_view.changes.iter().filter_map(|it| it.committed.as_ref()).for_each(|it| self.confront(it));
        if new_view.view > self.view || (new_view.view == self.view && !self.is_active()) {
            self.enter(new_view);
        } else if new_view.view < self.view && self.is_active() {
            self.tell_view(from);
        }
    }

    /// Answers a peer that is behind in views with the proof of the present one; not too often.
    pub(super) fn tell_view(&mut self, peer: Peer) {
        let may_tell = self.peers.is_connected(peer) && !armed(Plant::NoNewViewAnswer);
        let Some(new_view) = self.views.new_view.as_ref().filter(|_| may_tell) else {
            return;
        };
        if self.views.told.take(self.now, peer) {
            let message = Message::NewView(new_view.clone());
            self.emit(Effect::Send { to: To::Peer(peer), message });
        }
    }

    /// Whether this replica is in its view, rather than waiting for it to begin.
    pub(super) fn is_active(&self) -> bool {
        self.views.own.is_none() || armed(Plant::EagerView)
    }

    /// Leaves the view when it is time to, and begins the next when it may be begun.
    pub(super) fn change_views(&mut self) {
        let (now, owed) = (self.now, self.is_owed());
        let is_awaited = !self.is_active() && self.views.wanting(self.view) >= self.quorum;
        self.timer.run(now, if self.is_active() { owed } else { is_awaited });
        if self.me.is_some() {
            if self.timer.deadline().is_some_and(|deadline| deadline <= now) {
                let reason = if self.is_active() { "no progress" } else { "no new view" };
                let detail = format!("within {} ms", self.timer.timeout_ms());
                self.leave(self.view.next(), reason, detail);
            } else if self.is_active() && owed && !self.is_primary() && self.timer.is_slow() {
                let (delay_ms, allowed_ms) = (self.timer.delay_ms(), self.timer.delay_allowed_ms());
                let detail = format!("proposals come after {delay_ms} ms, {allowed_ms} are allowed");
                self.timer.complained();
                self.leave(self.view.next(), "slow", detail);
            }
            while let Some(view) = self.joined_view() {
                self.leave(view, "joined", String::new());
            }
            self.begin();
        }
    }

    /// The smallest later view that others want, when so many do that one of them is correct.
    fn joined_view(&self) -> Option<View> {
        let after = self.view.next();
        let later = self.views.changes.values().filter_map(|of_member| Some(*of_member.range(after..).next()?.0));
        let count = later.clone().count();
        let is_joined = count > self.set.f() || (count > 0 && armed(Plant::JoinAnyone));
        let view = if armed(Plant::JoinHighest) { later.max() } else { later.min() };
        view.filter(|_| is_joined)
    }

    /// The primary is seen to break a rule: its view is left at once.
    pub(super) fn suspect(&mut self, view: View, reason: &'static str, detail: String) {
        if self.me.is_some() && self.is_active() && view == self.view && !self.is_primary() && !self.is_stopped() {
            self.leave(self.view.next(), reason, detail);
        }
    }

    /// Leaves the view for good.
    pub(super) fn leave(&mut self, view: View, reason: &'static str, detail: String) {
        if view.0 > VIEW_MAX {
            // Only liars beyond what the protocol bears lead here; there is nowhere to go.
            return;
        }
        assert!(view > self.view, "views go up");
        let me = self.me.as_ref().expect("only members leave a view");
        let (committed, prepared) = (self.committed_here(), self.prepared_here());
        let change = ViewChange {
            incarnation: self.incarnation,
            epoch: self.set.epoch,
            view,
            committed,
            prepared,
            signer: me.index,
            signature: Signature([0; 64]),
        }
        .signed(&self.set.network, &me.key);
        let from = std::mem::replace(&mut self.view, view);
        self.timer.left(!self.progressed);
        self.progressed = false;
        self.views.own = Some(change.clone());
        self.views.sent_at = self.now;
        self.trace(Trace::Leave { from, to: view, primary: self.set.primary(view), reason, detail });
        self.emit(Effect::Persist(Record::ViewChange(change.clone())));
        self.emit(Effect::Send { to: To::Members, message: Message::ViewChange(change.clone()) });
        self.note_change(change);
    }

    /// The highest commit certificate of this epoch.
    fn committed_here(&self) -> Option<CommitCertificate> {
        self.highest.as_ref().filter(|it| it.ballot.epoch == self.set.epoch).cloned()
    }

    /// What this replica is prepared on above that, the highest view of each height.
    fn prepared_here(&self) -> Vec<PreparedBlock> {
        let above = self.slots.range(self.highest_height().next()..);
        above.filter_map(|(_, slot)| slot.prepared.clone()).collect()
    }

    /// See [`crate::engine::PbftStatus::commit_height`]. Whoever is prepared has persisted that before his COMMIT, and remembers it until
    /// the height is final.
    pub(super) fn commit_height(&self) -> Option<Height> {
        let has_voice = self.me.is_some() && !self.is_mute();
        let prepared = self.slots.iter().rev().find(|(_, slot)| slot.prepared.is_some()).map(|(height, _)| *height);
        has_voice.then(|| self.chain.final_height().max(prepared.unwrap_or_default()))
    }

    /// The primary begins its view once a quorum wants it.
    fn begin(&mut self) {
        let me = self.me.as_ref().expect("only members begin a view");
        if self.is_active() || !self.is_primary() {
            return;
        }
        let changes: Vec<ViewChange> =
            self.views.changes.values().filter_map(|it| it.get(&self.view)).take(self.quorum).cloned().collect();
        if changes.len() < self.quorum {
            return;
        }
        let new_view = NewView {
            incarnation: self.incarnation,
            epoch: self.set.epoch,
            view: self.view,
            changes,
            signer: me.index,
            signature: Signature([0; 64]),
        }
        .signed(&self.set.network, &me.key);
        self.enter(new_view.clone());
        self.emit(Effect::Send { to: To::Members, message: Message::NewView(new_view) });
    }

    /// Enters a view, with what every replica computes from its VIEW-CHANGEs.
    fn enter(&mut self, new_view: NewView) {
        // Also by one that is silent for now: it may speak in this very view.
        if self.index().is_some() {
            self.emit(Effect::Persist(Record::NewView(new_view.clone())));
        }
        self.adopt(new_view);
        if let Some(certificate) = self.choice.certificate.clone() {
            self.learn(certificate);
        }
        self.clear_slots();
        let view = self.view;
        self.trace(Trace::View { view, primary: self.set.primary(view), reason: "new view" });
    }

    /// The view is the present one from now on; what it goes on with is computed.
    pub(super) fn adopt(&mut self, new_view: NewView) {
        self.choice = choose(self.start, &new_view.changes);
        self.view = new_view.view;
        self.views.own = None;
        self.views.begun(self.view);
        self.views.new_view = Some(new_view);
        self.timer.entered();
        self.progressed = false;
        self.entered_at = self.now;
        self.fairness.entered();
        self.proposer.forget_request();
    }

    /// Takes a commit certificate without its block.
    pub(super) fn learn(&mut self, certificate: CommitCertificate) {
        let (height, tip) = (certificate.ballot.height, self.chain.tip().height);
        if height <= tip || self.slots.get(&height).is_some_and(|slot| slot.committed.is_some()) {
            return;
        }
        if height.0 <= tip.0.saturating_add(SLOTS_MAX) {
            self.certify(height, certificate);
        } else if height > self.highest_height() {
            self.emit(Effect::Persist(Record::Committed(certificate.clone())));
            self.highest = Some(certificate);
        }
    }

    /// Votes and proposals of earlier views give way to what the view begins with.
    pub(super) fn clear_slots(&mut self) {
        let view = self.view;
        for slot in self.slots.values_mut() {
            slot.forget_before(view);
        }
        let wanted: Vec<(Height, BlockId)> =
            self.choice.chosen.range(self.near()).map(|(height, header)| (*height, header.id())).collect();
        // What was valid above a body that now goes is judged again above the one that comes.
        self.slots.values_mut().filter_map(|slot| slot.body.as_mut()).for_each(|body| body.judged = Judged::Waiting);
        let open = self.slots.iter_mut().filter(|(_, slot)| slot.committed.is_none());
        let mut dropped: BTreeMap<Height, Body> =
            open.filter_map(|(height, slot)| slot.body.take().map(|body| (*height, body))).collect();
        for (height, id) in wanted {
            if self.slots.get(&height).is_some_and(|it| it.committed.is_some()) {
                continue;
            }
            let kept =
                dropped.remove(&height).filter(|body| body.id == id).map(|body| Body::new(body.block, body.durable));
            let body = kept.or_else(|| self.chain.archive().block(&id).map(|block| Body::new(block, true)));
            self.slots.entry(height).or_default().body = body;
        }
        self.slots.retain(|_, slot| {
            let is_of_use = slot.body.is_some() || slot.prepared.is_some() || slot.committed.is_some();
            is_of_use || slot.tally.remembers() || armed(Plant::MixViews)
        });
    }

    /// Sends the own VIEW-CHANGE again while the NEW-VIEW is awaited.
    pub(super) fn send_change_again(&mut self) {
        let is_due = self.views.resend_at().is_some_and(|at| at <= self.now) && !armed(Plant::NoResend);
        if let Some(change) = self.views.own.clone().filter(|_| is_due) {
            self.views.sent_at = self.now;
            self.emit(Effect::Send { to: To::Members, message: Message::ViewChange(change) });
        }
    }

    /// Bodies that the view goes on with, and that are not here, though this replica is to propose them; and those at and
    /// below its base that are not here, though certificates or headers name them.
    fn missing(&self) -> Vec<BlockId> {
        let below = self.bodiless().into_iter().map(|(_, id)| id);
        if !self.is_primary() || !self.is_active() {
            return below.collect();
        }
        let above = self.choice.chosen.range(self.chain.tip().height.next()..);
        let is_missing =
            |height: &Height| self.slots.get(height).is_none_or(|slot| slot.body.is_none() && slot.committed.is_none());
        below.chain(above.filter(|(height, _)| is_missing(height)).map(|(_, header)| header.id())).collect()
    }

    /// Asks one peer after another for them.
    pub(super) fn fetch_bodies(&mut self) {
        let mut missing = self.missing();
        if missing.is_empty() {
            self.views.asked = None;
            return;
        }
        if self.views.ask_at().is_some_and(|at| at > self.now) {
            return;
        }
        let last = self.views.asked.map(|(peer, _)| peer);
        let Some(peer) = self.peers.after(last) else {
            return;
        };
        missing.truncate(BLOCKS_PER_MESSAGE_MAX);
        self.views.asked = Some((peer, self.now));
        self.emit(Effect::Send { to: To::Peer(peer), message: Message::GetBlocks(BlockIds(missing)) });
    }

    /// Bodies that were asked for.
    pub(super) fn on_blocks(&mut self, blocks: Vec<Block>) {
        for block in blocks {
            let id = block.id();
            let chosen = self.choice.chosen.iter().map(|(height, header)| (*height, header.id()));
            let height = chosen.chain(self.bodiless()).find(|(_, wanted)| *wanted == id).map(|(height, _)| height);
            let Some(height) = height.filter(|height| self.near().contains(height)) else {
                continue;
            };
            let slot = self.slots.entry(height).or_default();
            if slot.body.is_none() {
                slot.body = Some(Body::new(Arc::new(block), false));
            }
        }
    }

    /// Whether a height may be voted on with this block: in the view, above its base or final already, and what the view
    /// chose if it chose.
    pub(super) fn is_open(&self, height: Height, block: BlockId) -> bool {
        let is_above = height > self.choice.base || armed(Plant::VoteBelowBase);
        let is_chosen = self.choice.at(height).is_none_or(|chosen| chosen == block) || armed(Plant::IgnoreChoice);
        self.is_active() && is_chosen && (is_above || self.ancestor_at(height) == Some(block))
    }
}

impl Choice {
    /// With what view 0 of an epoch begins.
    pub(super) fn start(base: Height) -> Choice {
        Choice { base, certificate: None, chosen: BTreeMap::new() }
    }
}

#[cfg(test)]
mod tests;
