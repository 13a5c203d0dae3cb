//! Catching up by certified blocks, and helping others to.

use super::slot::Body;
use super::spacing::is_turn;
use super::transfer::Ask;
use super::{LAG_GRACE_MS, Pbft};
use crate::engine::{Effect, Fault, Peer, Record, To};
use crate::ledger::codec::encode;
use crate::ledger::hash::BlockId;
use crate::ledger::units::Height;
use crate::limits::{BLOCKS_PER_MESSAGE_MAX, MESSAGE_BYTES_MAX, SLOTS_MAX};
use crate::message::relay::GetTransactions;
use crate::message::{Blocks, CertifiedBlock, CertifiedBlocks, CommitCertificate, Message};
use std::sync::Arc;

impl Pbft {
    /// Blocks with their certificates, from a height up, as many as there are, are wanted, and fit one message. All are of one
    /// epoch: whoever is behind learns how the next one began before it can judge what lies above.
    pub(super) fn certified_from(&self, from: Height, count: u32) -> Message {
        let last =
            Height(from.0.saturating_add(u64::from(count)).min(from.0.saturating_add(BLOCKS_PER_MESSAGE_MAX as u64)));
        let mut blocks = Vec::new();
        let mut bytes_left = MESSAGE_BYTES_MAX - 1024;
        let mut height = from.max(Height(1));
        while height < last {
            let Some(certified) = self.certified_at(height) else { break };
            let epoch_of = |it: &CertifiedBlock| it.certificate.ballot.epoch;
            if blocks.last().is_some_and(|last| epoch_of(last) != epoch_of(&certified)) {
                break;
            }
            let bytes = certified.block.bytes() + encode(&certified.certificate).len();
            if bytes > bytes_left {
                break;
            }
            bytes_left -= bytes;
            blocks.push(certified);
            height = height.next();
        }
        Message::Certified(CertifiedBlocks(blocks))
    }

    /// The bodies of these blocks, as many as are held and fit one message.
    pub(super) fn bodies_of(&self, ids: &[BlockId]) -> Message {
        let mut bytes_left = MESSAGE_BYTES_MAX - 1024;
        let mut blocks = Vec::new();
        for block in ids.iter().filter_map(|id| self.chain.block(id)) {
            let bytes = block.bytes();
            if bytes > bytes_left {
                break;
            }
            bytes_left -= bytes;
            blocks.push((*block).clone());
        }
        Message::Blocks(Blocks(blocks))
    }

    /// Transactions of a block that was proposed by their names.
    pub(super) fn transactions_of(&self, wanted: &GetTransactions) -> Message {
        Message::Transactions(wanted.answer_from(self.chain.block(&wanted.block).as_deref()))
    }

    fn certified_at(&self, height: Height) -> Option<CertifiedBlock> {
        let id = self.chain.active_at(height)?;
        let block = self.chain.block(&id)?;
        let certificate = self.certificate_at(height)?;
        Some(CertifiedBlock { block: (*block).clone(), certificate })
    }

    /// The commit certificate that is held for a height.
    pub(super) fn certificate_at(&self, height: Height) -> Option<CommitCertificate> {
        let in_flight = self.slots.get(&height).and_then(|slot| slot.committed.as_ref());
        let recent = self.recent.get(&height).map(|(_, certificate)| certificate);
        in_flight.or(recent).cloned().or_else(|| self.chain.archive().certificate(height))
    }

    /// Sends the peer that brought what a member said, and is behind, what it lacks, starting at `height` or lower; not too often,
    /// and in turn with others.
    pub(super) fn help(&mut self, peer: Peer, member: u16, height: Height) {
        let claimed = self.peers.claim(peer).map(|info| info.final_height);
        let is_needless = claimed.is_some_and(|claimed| claimed >= height);
        let is_turn = self.index().is_some_and(|me| is_turn(self.now, self.set.n(), me, member));
        if is_needless || !is_turn || !self.peers.is_connected(peer) || !self.helped.take(self.now, peer) {
            return;
        }
        let from = claimed.map_or(height, |claimed| claimed.next().min(height));
        let message = self.certified_from(from, BLOCKS_PER_MESSAGE_MAX as u32);
        // Below the snapshot that this replica began with there is nothing to give.
        if message != Message::Certified(CertifiedBlocks::default()) {
            self.emit(Effect::Send { to: To::Peer(peer), message });
        }
    }

    pub(super) fn on_disconnected(&mut self, peer: Peer) {
        self.peers.disconnected(peer);
        self.forget_in_transfer(peer);
        self.helped.disconnected(peer);
        self.views.disconnected(peer);
        self.checkpoints.disconnected(peer);
        self.epochs.disconnected(peer);
    }

    pub(super) fn on_unanswered(&mut self, peer: Peer) {
        self.peers.unanswered(self.now, peer);
        self.unanswered(peer);
    }

    /// Certified blocks, asked for or as an answer to a vote of ours. The verifier has checked each certificate.
    pub(super) fn on_certified(&mut self, from: Peer, blocks: Vec<CertifiedBlock>) {
        let tip = self.chain.tip().height;
        let heights: Vec<Height> = blocks.iter().map(|certified| certified.certificate.ballot.height).collect();
        let asked = self.peers.open().find_map(|(peer, ask)| match ask {
            Ask::Blocks(wanted) if peer == from => Some(*wanted),
            Ask::Blocks(_) | Ask::Snapshot | Ask::Buckets | Ask::Successions => None,
        });
        if blocks.iter().any(|certified| certified.certificate.ballot.epoch > self.set.epoch) {
            // Help that came before the epoch has begun here. It answers no request: what was asked for is of this epoch.
            return;
        }
        // Help that crosses a request is no answer to it.
        let answered = asked.filter(|wanted| heights.is_empty() || heights.contains(wanted));
        if answered.is_some() {
            self.peers.answered(from);
        }
        let mut is_useful = false;
        for certified in blocks {
            self.confront(&certified.certificate);
            is_useful |= self.install(certified);
        }
        if is_useful {
            return;
        }
        let has_snapshot = self.peers.claim(from).is_some_and(|info| info.stable > tip);
        if answered.is_some() && heights.is_empty() && has_snapshot {
            // It may have begun with a snapshot itself; if not, asking for that shows it.
            self.transfer.is_needed_above(tip);
        } else if answered.is_some() && heights.is_empty() {
            // A claim that nothing stands behind, or a peer that began with a snapshot and serves none yet: others are asked for a
            // while. It proves no lie.
            self.peers.rest(self.now, from);
        } else if answered.is_some_and(|wanted| wanted > tip) {
            self.peers.rest(self.now, from);
            let reason = "a block that was asked for, and that fits nothing".to_owned();
            self.emit(Effect::Blame { peer: from, fault: Fault::Invalid { what: "certified", reason } });
        } else if answered.is_none() && heights.iter().any(|height| *height > tip) {
            self.emit(Effect::Blame { peer: from, fault: Fault::Unwanted("certified") });
        }
    }

    /// Takes in one certified block, to be connected in its turn. False when it is of no use.
    fn install(&mut self, certified: CertifiedBlock) -> bool {
        let CertifiedBlock { block, certificate } = certified;
        let (ballot, tip) = (certificate.ballot, self.chain.tip().height);
        if !self.incarnations.hold(&ballot) || ballot.epoch != self.set.epoch {
            return false;
        }
        if ballot.height <= tip || ballot.height.0 > tip.0.saturating_add(SLOTS_MAX) {
            return false;
        }
        let slot = self.slots.entry(ballot.height).or_default();
        if slot.committed.as_ref().is_some_and(|held| held.ballot.block != ballot.block) {
            // Two certificates for one height: more than f members lie. The first one held is kept.
            return false;
        }
        let is_certified = slot.committed.is_some();
        let is_durable = slot.body.as_ref().is_some_and(|body| body.id == ballot.block && body.durable);
        if !is_durable {
            self.emit(Effect::Persist(Record::Body(block.clone())));
        }
        if !is_certified {
            self.certify(ballot.height, certificate);
        }
        let slot = self.slots.get_mut(&ballot.height).expect("it was certified");
        match &mut slot.body {
            Some(body) => body.durable = true,
            None => slot.body = Some(Body::new(Arc::new(block), true)),
        }
        true
    }

    /// Gives up requests that are overdue.
    pub(super) fn expire(&mut self) {
        for (peer, _) in self.peers.expire(self.now) {
            self.emit(Effect::Blame { peer, fault: Fault::Silent });
            self.unanswered(peer);
        }
    }

    /// Asks a peer for what is missing, if one claims to have it and it did not come by itself.
    pub(super) fn catch_up(&mut self) {
        if self.is_stopped() || self.awaits_snapshot() || self.is_complete() {
            self.lag = None;
            return;
        }
        let tip = self.chain.tip().height;
        let ahead = self.peers.askable(self.now, |info| info.final_height > tip);
        let is_asking = self.peers.open().any(|(_, ask)| matches!(ask, Ask::Blocks(_)));
        if ahead.is_empty() || is_asking {
            self.lag = if ahead.is_empty() { None } else { self.lag };
            return;
        }
        let since = match self.lag {
            Some((at, since)) if at == tip => since,
            Some(_) | None => self.now,
        };
        self.lag = Some((tip, since));
        let far = tip.0.saturating_add(u64::from(self.params.depth));
        let is_far = |peer: &Peer| self.peers.claim(*peer).is_some_and(|info| info.final_height.0 > far);
        let by_turns = |peers: &[Peer]| peers.get((tip.0 % peers.len().max(1) as u64) as usize).copied();
        let chosen = by_turns(&ahead);
        let peer = by_turns(&ahead.into_iter().filter(is_far).collect::<Vec<_>>());
        let is_late = since.plus_ms(LAG_GRACE_MS) <= self.now;
        if let Some(peer) = peer.or(chosen.filter(|_| is_late)) {
            let wanted = tip.next();
            self.peers.asked(self.now, peer, Ask::Blocks(wanted));
            let message = Message::GetCertified { from: wanted, count: BLOCKS_PER_MESSAGE_MAX as u32 };
            self.emit(Effect::Send { to: To::Peer(peer), message });
        }
    }
}

#[cfg(test)]
mod tests;
