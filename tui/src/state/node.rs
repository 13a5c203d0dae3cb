//! One node, as it tells of itself.

use super::limits::{GAPS_MAX, PEERS_MAX};
use super::pbft::Consensus;
use bezant_api::event::EventKind;
use bezant_api::types::{NodeStatus, PeerView};
use std::collections::{BTreeSet, VecDeque};

/// Events that were missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) at_ms: u64,
}

/// One node.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) up: bool,
    /// Whether it was ever there.
    was_up: bool,
    /// Since when it is up or down.
    pub(crate) since_ms: u64,
    /// As of the last question; what events told since is in the other fields.
    pub(crate) status: Option<NodeStatus>,
    pub(crate) height: u64,
    pub(crate) final_height: u64,
    pub(crate) tip: String,
    pub(crate) mempool: usize,
    pub(crate) peers: usize,
    pub(crate) peer_views: Vec<PeerView>,
    /// Whom it is connected with, once it was asked; and since when that is so. Invariant: at most [`PEERS_MAX`].
    pub(crate) links: Option<(BTreeSet<String>, u64)>,
    /// What it heard from and told its peers, bytes a second, as of the last two looks.
    pub(crate) bandwidth: Option<(u64, u64)>,
    traffic: Option<(u64, u64, u64)>,
    pub(crate) gaps: VecDeque<Gap>,
    pub(crate) consensus: Consensus,
    /// Own blocks found since the dashboard looks.
    pub(crate) mined: u64,
}

impl Node {
    pub(super) fn new(name: String) -> Node {
        Node {
            name,
            up: false,
            was_up: false,
            since_ms: 0,
            status: None,
            height: 0,
            final_height: 0,
            tip: String::new(),
            mempool: 0,
            peers: 0,
            peer_views: Vec::new(),
            links: None,
            bandwidth: None,
            traffic: None,
            gaps: VecDeque::new(),
            consensus: Consensus::default(),
            mined: 0,
        }
    }

    /// It does not answer; whether that is news.
    pub(super) fn lost(&mut self, at_ms: u64) -> bool {
        let is_news = std::mem::replace(&mut self.up, false) || self.since_ms == 0;
        self.links = None;
        if is_news {
            self.since_ms = at_ms;
        }
        is_news
    }

    /// It answers; whether it had been there before and was lost.
    pub(super) fn back(&mut self, at_ms: u64) -> bool {
        let is_news = !std::mem::replace(&mut self.up, true) && self.was_up;
        self.was_up = true;
        self.since_ms = at_ms;
        is_news
    }

    pub(super) fn gap(&mut self, from: u64, to: u64, at_ms: u64) {
        if self.gaps.len() == GAPS_MAX {
            self.gaps.pop_front();
        }
        self.gaps.push_back(Gap { from, to, at_ms });
        self.consensus.gap();
    }

    /// What it answered when it was asked. Events may be ahead of it or behind it, so heights are left to them.
    pub(super) fn status(&mut self, status: &NodeStatus) {
        (self.mempool, self.peers) = (status.mempool, status.peers);
        if let Some(pbft) = &status.pbft {
            self.consensus.status(pbft);
        }
        self.status = Some(status.clone());
    }

    pub(super) fn snapshot(&mut self, status: &NodeStatus, at_ms: u64) {
        (self.height, self.final_height) = (status.height, status.final_height);
        self.tip.clone_from(&status.tip);
        if let Some(pbft) = &status.pbft {
            self.consensus.snapshot(pbft, at_ms);
        }
        self.status(status);
        self.was_up = true;
    }

    pub(super) fn block(&mut self, kind: &EventKind, at_ms: u64) {
        let EventKind::Block { height, id, final_height, held, .. } = kind else { return };
        (self.height, self.final_height, self.mempool) = (*height, *final_height, *held);
        self.tip.clone_from(id);
        self.consensus.connected(*height, at_ms);
    }

    pub(super) fn pbft_event(&mut self, kind: &EventKind, at_ms: u64) {
        if let EventKind::Epoch { epoch, members, quorum, me, .. } = kind
            && let Some(pbft) = self.status.as_mut().and_then(|status| status.pbft.as_mut())
        {
            (pbft.epoch, pbft.n, pbft.quorum, pbft.me) = (*epoch, *members, *quorum, *me);
        }
        self.consensus.event(kind, at_ms);
    }

    pub(super) fn peers_list(&mut self, peers: &[PeerView], at_ms: u64) {
        self.peer_views = peers.iter().take(PEERS_MAX).cloned().collect();
        let links: BTreeSet<String> = self.peer_views.iter().map(|peer| peer.peer_id.clone()).collect();
        if self.links.as_ref().is_none_or(|(before, _)| *before != links) {
            self.links = Some((links, at_ms));
        }
        let bytes_in = peers.iter().map(|peer| peer.bytes_in).sum();
        let bytes_out = peers.iter().map(|peer| peer.bytes_out).sum();
        if let Some((before_ms, before_in, before_out)) = self.traffic
            && at_ms > before_ms
        {
            let rate = |now: u64, before: u64| now.saturating_sub(before) * 1_000 / (at_ms - before_ms);
            self.bandwidth = Some((rate(bytes_in, before_in), rate(bytes_out, before_out)));
        }
        self.traffic = Some((at_ms, bytes_in, bytes_out));
    }

    /// It met or lost a peer.
    pub(super) fn peer(&mut self, peer_id: &str, connected: bool, peers: usize, at_ms: u64) {
        self.peers = peers;
        let Some((links, since_ms)) = &mut self.links else { return };
        let is_news = if !connected {
            links.remove(peer_id)
        } else {
            links.len() < PEERS_MAX && links.insert(peer_id.to_owned())
        };
        if is_news {
            *since_ms = at_ms;
        }
    }

    /// Its member index under PBFT.
    pub(crate) fn member(&self) -> Option<u16> {
        self.status.as_ref()?.pbft.as_ref()?.me
    }

    /// Own hashes per second, as of the last question.
    pub(crate) fn hashes_per_second(&self) -> u64 {
        let pow = self.status.as_ref().and_then(|status| status.pow.as_ref());
        pow.filter(|_| self.up).map_or(0, |pow| pow.hashes_per_second)
    }
}
