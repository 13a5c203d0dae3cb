//! What follows from what is known: bodies are judged, votes cast, certificates formed, blocks connected, until nothing moves.
//!
//! Each step looks at one slot and says whether it changed anything. Steps go by height, so that one pass mostly suffices.

use super::Pbft;
use super::slot::{Body, Judged, Slot};
use crate::chain::Tip;
use crate::engine::{Effect, Phase, Record, Trace};
use crate::ledger::block::{Block, Header};
use crate::ledger::coins::Diff;
use crate::ledger::hash::BlockId;
use crate::ledger::rules::BlockError;
use crate::ledger::units::{Height, Time};
use crate::limits::WINDOW_DEPTH_MAX;
use crate::message::{CommitCertificate, PreparedBlock, VoteKind};
use crate::plant::{Plant, armed};
use std::sync::Arc;

/// The one version of headers under PBFT.
pub(super) const HEADER_VERSION: u32 = 1;

/// Blocks that are connected again in one update.
const LINKS_PER_UPDATE: usize = 256;

/// On what a block at some height would stand: the block below, and the changes of all valid blocks in flight up to it.
#[derive(Clone, Debug)]
pub(super) struct Ground {
    pub(super) parent: Tip,
    pub(super) diffs: Vec<Arc<Diff>>,
    pub(super) blocks: Vec<Arc<Block>>,
    /// Those among them that change members.
    pub(super) changing: Vec<(Height, Arc<Block>)>,
}

impl Ground {
    /// Nothing in flight below.
    pub(super) fn at(parent: Tip) -> Ground {
        Ground { parent, diffs: Vec::new(), blocks: Vec::new(), changing: Vec::new() }
    }
}

/// What is tried at each height, in this order. Each says whether it did anything.
const STEPS: [fn(&mut Pbft, Height) -> bool; 5] =
    [Pbft::judge, Pbft::try_prepare, Pbft::try_prepared, Pbft::try_commit, Pbft::try_committed];

impl Pbft {
    /// Does all that can be done.
    pub(super) fn advance(&mut self) {
        loop {
            let mut moved = self.take_up();
            let heights: Vec<Height> = self.slots.keys().copied().collect();
            for height in heights {
                for step in STEPS {
                    moved |= step(self, height);
                }
            }
            moved |= self.connect();
            if !moved || self.is_stopped() {
                return;
            }
        }
    }

    /// On what `height` stands, when there is a valid body at every height from the tip up to its parent.
    pub(super) fn ground(&self, height: Height) -> Option<Ground> {
        let mut ground = Ground::at(self.chain.tip());
        while ground.parent.height.next() < height {
            let below = ground.parent.height.next();
            let body = self.slots.get(&below)?.valid()?;
            ground.diffs.push(body.diff()?.clone());
            ground.blocks.push(body.block.clone());
            if body.is_changing {
                ground.changing.push((below, body.block.clone()));
            }
            ground.parent = Tip { height: below, id: body.id, header: body.block.header };
        }
        Some(ground)
    }

    /// Judges the body of a height once all below it are.
    fn judge(&mut self, height: Height) -> bool {
        let Some(body) = self.slots.get(&height).and_then(|slot| slot.body.clone()) else {
            return false;
        };
        let Some(ground) = self.ground(height).filter(|_| matches!(body.judged, Judged::Waiting)) else {
            return false;
        };
        let parent_is_fixed = ground.parent.height == self.chain.tip().height
            || self.slots.get(&ground.parent.height).is_some_and(|slot| slot.committed.is_some());
        if body.block.header.parent != ground.parent.id && !parent_is_fixed {
            return false;
        }
        let verdict = check_header(&body.block.header, &ground.parent)
            .and_then(|()| self.check_changes(&ground, &body.block))
            .and_then(|()| self.chain.judge_above(&ground.diffs, &body.block, body.block.header.time));
        match verdict {
            Ok(diff) => self.accept(height, Judged::Valid(Arc::new(diff))),
            Err(error) => self.refuse(height, &body, &error),
        }
        true
    }

    /// The body of a height is valid: made durable, since votes may rest on it from now on.
    pub(super) fn accept(&mut self, height: Height, judged: Judged) {
        let view = self.view;
        let slot = self.slots.get_mut(&height).expect("the slot holds the body");
        let is_certified = slot.committed.is_some();
        let body = slot.body.as_mut().expect("the body was judged");
        body.judged = judged;
        let (block, id) = (body.block.clone(), body.id);
        let was_durable = std::mem::replace(&mut body.durable, true);
        if !was_durable {
            self.emit(Effect::Persist(Record::Body((*block).clone())));
        }
        if !is_certified {
            self.trace(Trace::Phase { phase: Phase::PrePrepared, view, height, block: id });
        }
    }

    fn refuse(&mut self, height: Height, body: &Body, error: &BlockError) {
        self.trace(Trace::Refused { height, block: body.id, reason: error.to_string() });
        let slot = self.slots.get_mut(&height).expect("the slot holds the body");
        // More than f members lie, or we are wrong: going on could only make it worse.
        self.halted |= slot.is_committed_on(body.id);
        slot.body.as_mut().expect("the body was judged").judged = Judged::Refused;
        let proposed = slot.tally.vote(self.view, VoteKind::PrePrepare, self.set.primary(self.view));
        if proposed.is_some_and(|vote| vote.ballot.block == body.id) && !armed(Plant::BearInvalid) {
            self.suspect(self.view, "invalid block", format!("block {} at height {height}: {error}", body.id));
        }
    }

    /// PREPARE, by a backup, for a valid and linked proposal of this view.
    fn try_prepare(&mut self, height: Height) -> bool {
        let Some(block) = self.may_prepare(height) else {
            return false;
        };
        self.cast(VoteKind::Prepare, height, block);
        true
    }

    fn may_prepare(&self, height: Height) -> Option<BlockId> {
        let me = self.me.as_ref().filter(|_| !self.is_primary())?;
        let slot = self.slots.get(&height)?;
        let body = slot.valid()?;
        let proposed = slot.tally.vote(self.view, VoteKind::PrePrepare, self.set.primary(self.view))?;
        let is_wanted = proposed.ballot.block == body.id && slot.committed.is_none();
        let has_voted = slot.tally.vote(self.view, VoteKind::Prepare, me.index).is_some();
        let in_time = self.early_until(height).is_none();
        let is_open = self.is_open(height, body.id) && height <= self.window_top();
        let may = is_wanted && !has_voted && in_time && is_open && self.is_linked(height);
        may.then_some(body.id)
    }

    /// From when the clock allows a PREPARE for the body held, if it does not now: time ≤ max(parent.time, now + drift).
    pub(super) fn early_until(&self, height: Height) -> Option<Time> {
        let body = self.slots.get(&height)?.valid()?;
        // What a new view brings back was looked at when it was new.
        if self.choice.at(height) == Some(body.id) || height <= self.choice.base {
            return None;
        }
        let time = body.block.header.time;
        let latest = self.now.seconds().saturating_add(self.params.drift_s);
        let is_early = time > latest && time > self.ground(height)?.parent.header.time;
        is_early.then(|| Time::from_seconds(time - self.params.drift_s))
    }

    /// Forms the prepared certificate of a valid body. Members persist it, for their COMMIT and for linking.
    fn try_prepared(&mut self, height: Height) -> bool {
        let Some(slot) = self.slots.get(&height) else {
            return false;
        };
        let is_new = |body: &&Body| self.is_active() && !slot.is_prepared_in(self.view, body.id);
        let Some((id, header)) = slot.valid().filter(is_new).map(|body| (body.id, body.block.header)) else {
            return false;
        };
        let Some(certificate) = slot.tally.prepared(self.ballot(height, id), self.quorum) else {
            return false;
        };
        let prepared = PreparedBlock { header, certificate };
        // Also by one that is silent for now: it may speak in this very view.
        if self.index().is_some() {
            self.emit(Effect::Persist(Record::Prepared(prepared.clone())));
        }
        self.trace(Trace::Phase { phase: Phase::Prepared, view: self.view, height, block: id });
        self.slots.get_mut(&height).expect("it was there").prepared = Some(prepared);
        true
    }

    /// COMMIT, by a member that is prepared. When the commit certificate is held already, nobody needs it any more.
    fn try_commit(&mut self, height: Height) -> bool {
        let (Some(me), Some(slot)) = (&self.me, self.slots.get(&height)) else {
            return false;
        };
        let has_voted = slot.tally.vote(self.view, VoteKind::Commit, me.index).is_some();
        let is_prepared = |id: &BlockId| slot.is_prepared_in(self.view, *id) && self.is_open(height, *id);
        let prepared = slot.valid().map(|body| body.id).filter(is_prepared);
        match prepared {
            Some(block) if !has_voted && slot.committed.is_none() && height <= self.window_top() => {
                self.cast(VoteKind::Commit, height, block);
                true
            }
            Some(_) | None => false,
        }
    }

    /// Forms the commit certificate. It needs no body: others have it.
    fn try_committed(&mut self, height: Height) -> bool {
        let slot = self.slots.get(&height).filter(|slot| slot.committed.is_none() && self.is_active());
        match slot.and_then(|slot| slot.tally.committed(self.view, self.quorum)) {
            Some(certificate) => {
                // What a quorum took; a certificate that came by other ways says nothing of that.
                let arrived_at = self.slots.get_mut(&height).and_then(|slot| slot.arrived_at.take());
                if let Some(arrived_at) = arrived_at {
                    self.timer.took(self.now.since_ms(arrived_at));
                }
                self.certify(height, certificate);
                true
            }
            None => false,
        }
    }

    /// Takes a commit certificate: persisted, and whatever contradicts it gives way.
    pub(super) fn certify(&mut self, height: Height, certificate: CommitCertificate) {
        let (view, block) = (certificate.ballot.view, certificate.ballot.block);
        self.emit(Effect::Persist(Record::Committed(certificate.clone())));
        self.trace(Trace::Phase { phase: Phase::Committed, view, height, block });
        if height > self.highest_height() {
            self.highest = Some(certificate.clone());
        }
        let slot = self.slots.entry(height).or_default();
        slot.arrived_at = None;
        if let Some(delay_ms) = slot.delay_ms.take() {
            self.timer.proposed_after(delay_ms);
        }
        slot.committed = Some(certificate);
        match &slot.body {
            Some(body) if body.id != block => {
                slot.body = None;
                self.judge_anew_above(height);
            }
            Some(body) if matches!(body.judged, Judged::Refused) => {
                self.trace(Trace::Refused { height, block, reason: "refused here, but certified".to_owned() });
                self.halted = true;
            }
            Some(_) | None => {}
        }
    }

    pub(super) fn judge_anew_above(&mut self, height: Height) {
        let bodies = self.slots.range_mut(height.next()..).filter_map(|(_, slot)| slot.body.as_mut());
        bodies.for_each(|body| body.judged = Judged::Waiting);
    }

    /// Connects what is certified and valid, strictly in order, as one update.
    pub(super) fn connect(&mut self) -> bool {
        let mut connected = Vec::new();
        while let Some(slot) = self.next_to_connect() {
            let body = slot.body.expect("it is valid");
            let diff = body.diff().expect("it is valid").clone();
            let link = self.chain.connect(body.block, diff);
            self.note_changes(link.height, &link.block);
            if let Some(certificate) = slot.committed {
                self.recent.insert(link.height, (self.next_sequence, certificate));
            }
            self.over.insert(link.height, slot.tally);
            if self.over.len() as u64 > WINDOW_DEPTH_MAX {
                self.over.pop_first();
            }
            connected.push(link);
            self.look();
            if self.is_stopped() {
                break;
            }
        }
        if connected.is_empty() {
            return false;
        }
        self.report_update(connected);
        true
    }

    /// Connects what was final before, as far as `next` has the certificate and the block of a height; nothing on wrong coins.
    pub(super) fn connect_again(
        &mut self,
        mut next: impl FnMut(&Pbft, Height) -> Option<(CommitCertificate, Arc<Block>)>,
    ) {
        let mut connected = Vec::new();
        while !self.is_stopped()
            && let Some((certificate, block)) = next(self, self.chain.tip().height.next())
        {
            let (height, id) = (certificate.ballot.height, certificate.ballot.block);
            let ground = Ground::at(self.chain.tip());
            let verdict = check_header(&block.header, &ground.parent)
                .and_then(|()| self.check_changes(&ground, &block))
                .and_then(|()| self.chain.judge(&block, block.header.time));
            let diff = match verdict {
                Ok(diff) => Arc::new(diff),
                Err(error) => {
                    self.trace(Trace::Refused { height, block: id, reason: error.to_string() });
                    self.halted = true;
                    break;
                }
            };
            self.note_changes(height, &block);
            connected.push(self.chain.connect(block, diff));
            self.recent.insert(height, (self.next_sequence, certificate));
            self.look();
            if connected.len() == LINKS_PER_UPDATE {
                self.report_update(std::mem::take(&mut connected));
            }
        }
        if !connected.is_empty() {
            self.report_update(connected);
        }
    }

    /// Hands out the update that the blocks just connected make.
    pub(super) fn report_update(&mut self, connected: Vec<crate::chain::Link>) {
        let update = self.chain.update(Vec::new(), connected, self.chain.tip().height);
        self.next_sequence = update.sequence + 1;
        self.emit(Effect::Chain(update));
        self.proposer.on_block(self.now);
        self.timer.progress();
        self.progressed = true;
        self.announce = true;
    }

    /// Takes out the slot above the tip when its block may be connected.
    fn next_to_connect(&mut self) -> Option<Slot> {
        let height = self.chain.tip().height.next();
        let slot = self.slots.get(&height)?;
        let id = slot.valid()?.id;
        let may = slot.is_committed_on(id) || (armed(Plant::ConnectUncommitted) && slot.is_prepared_on(self.view, id));
        if may { self.slots.remove(&height) } else { None }
    }
}

/// The rules of PBFT for a header, the upper bound of its time apart.
pub(super) fn check_header(header: &Header, parent: &Tip) -> Result<(), BlockError> {
    let fail = |problem: String| Err(BlockError::Header(problem));
    if header.parent != parent.id {
        return fail(format!("the parent is {}, the block below is {}", header.parent, parent.id));
    }
    if header.version != HEADER_VERSION || header.bits != 0 || header.nonce != 0 {
        return fail("version 1, bits 0 and nonce 0 are expected".to_owned());
    }
    if header.time < parent.header.time {
        return fail(format!("time {} is before the parent's {}", header.time, parent.header.time));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
