//! Whom to ask for what: headers from those who claim more work, bodies from those who claim the best header's.

use super::Pow;
use super::tree::Status;
use crate::engine::{Engine, Peer, To};
use crate::ledger::hash::BlockId;
use crate::ledger::target::Work;
use crate::ledger::units::{Epoch, Height};
use crate::limits::{BLOCKS_PER_MESSAGE_MAX, BODY_WINDOW_BLOCKS};
use crate::message::{BlockIds, Locator, Message, TipInfo};
use crate::plant::{Plant, armed};
use std::collections::BTreeSet;

/// Peers asked for headers at once; more would send the same.
const HEADER_REQUESTS_MAX: usize = 2;

/// What a peer was asked.
#[derive(Clone, Debug)]
pub(super) enum Request {
    /// Headers after a locator.
    Headers,
    /// These bodies.
    Blocks(Vec<BlockId>),
    /// What is missing of an announced block.
    Transactions(BlockId),
}

impl Pow {
    pub(super) fn on_connected(&mut self, peer: Peer) {
        self.peers.connected(peer);
        self.send(To::Peer(peer), Message::Tip(self.tip_info()));
    }

    pub(super) fn on_disconnected(&mut self, peer: Peer) {
        self.peers.disconnected(peer);
        self.counting.remove(&peer);
        self.ask_headers.remove(&peer);
    }

    pub(super) fn on_unanswered(&mut self, peer: Peer) {
        self.peers.unanswered(self.now, peer);
        self.counting.remove(&peer);
        self.blame_silent(peer);
    }

    /// Whether a request for headers was open with this peer; it is closed now.
    pub(super) fn close_headers_request(&mut self, peer: Peer) -> bool {
        let open = self.peers.open().any(|(other, request)| other == peer && matches!(request, Request::Headers));
        open && self.peers.answered(peer).is_some()
    }

    /// The bodies that this peer was asked for; the request is closed now.
    pub(super) fn take_blocks_request(&mut self, peer: Peer) -> Vec<BlockId> {
        let open = self.peers.open().any(|(other, request)| other == peer && matches!(request, Request::Blocks(_)));
        match open.then(|| self.peers.answered(peer)).flatten() {
            Some(Request::Blocks(ids)) => ids,
            Some(Request::Headers | Request::Transactions(_)) | None => Vec::new(),
        }
    }

    /// A peer has nothing of use; it is not asked for a while.
    pub(super) fn rest(&mut self, peer: Peer) {
        self.peers.unanswered(self.now, peer);
    }

    /// A peer's claim came to nothing; it counts again from its next one.
    pub(super) fn claims_nothing(&mut self, peer: Peer) {
        let tip = self.tree.genesis();
        self.peers.claimed(
            peer,
            TipInfo {
                height: Height::GENESIS,
                id: tip,
                final_height: Height::GENESIS,
                work: Work::ZERO,
                stable: Height::GENESIS,
                epoch: Epoch(0),
            },
        );
    }

    /// A peer has shown that it knows a header. `at_most` says that it has shown all that it has.
    pub(super) fn proved(&mut self, peer: Peer, id: &BlockId, at_most: bool) {
        let Some(node) = self.tree.get(id) else { return };
        let (final_height, stable) = (Height::GENESIS, Height::GENESIS);
        let shown = TipInfo { height: node.height, id: *id, final_height, work: node.work, stable, epoch: Epoch(0) };
        if at_most || self.peers.claim(peer).is_none_or(|claim| claim.work < shown.work) {
            self.peers.claimed(peer, shown);
        }
    }

    /// Gives up what is overdue and asks for what is missing.
    pub(super) fn ask_peers(&mut self) {
        for (peer, _) in self.peers.expire(self.now) {
            self.counting.remove(&peer);
            self.blame_silent(peer);
        }
        self.ask_on();
        self.ask_for_headers();
        self.ask_for_bodies();
    }

    fn ask_for_headers(&mut self) {
        let best = self.tree.best_header();
        let work = self.tree.node(&best).work;
        let is_counted = |peer: &Peer| self.counting.contains_key(peer);
        let is_open = |(peer, request): &(Peer, &Request)| matches!(request, Request::Headers) && !is_counted(peer);
        let mut open = self.peers.open().filter(is_open).count();
        let marked: BTreeSet<Peer> = self.ask_headers.keys().copied().collect();
        for peer in &marked {
            if self.peers.claim(*peer).is_none() {
                self.claims_nothing(*peer);
            }
        }
        // A claim whose header is here has nothing to tell, even if its branch is not followed.
        let claiming = self.peers.askable(self.now, |claim| claim.work > work && self.tree.get(&claim.id).is_none());
        let free = self.peers.askable(self.now, |_| true);
        let asked = free.into_iter().filter(|peer| marked.contains(peer) || claiming.contains(peer));
        for peer in asked.filter(|_| !armed(Plant::AskNobody)) {
            if open >= HEADER_REQUESTS_MAX {
                return;
            }
            let start = self.ask_headers.remove(&peer).unwrap_or(best);
            self.peers.asked(self.now, peer, Request::Headers);
            self.send(To::Peer(peer), Message::GetHeaders(Locator(self.tree.locator(&start))));
            open += 1;
        }
    }

    fn ask_for_bodies(&mut self) {
        let Some((best, work)) = self.best_branch_within_reach() else { return };
        let missing = self.missing_bodies(&best);
        for ids in missing.chunks(BLOCKS_PER_MESSAGE_MAX) {
            let Some(peer) = self.peers.askable(self.now, |claim| claim.work >= work).first().copied() else { return };
            self.peers.asked(self.now, peer, Request::Blocks(ids.to_vec()));
            self.send(To::Peer(peer), Message::GetBlocks(BlockIds(ids.to_vec())));
        }
    }

    /// Bars the branches with more work than the chain that fork off too deep.
    pub(super) fn refuse_what_is_out_of_reach(&mut self) {
        let _ = self.best_branch_within_reach();
    }

    /// The best header above the tip; `None` when it is the tip. Branches that fork off too deep are barred on the way.
    fn best_branch_within_reach(&mut self) -> Option<(BlockId, Work)> {
        loop {
            let best = self.tree.best_header();
            if !self.tree.is_better_than_tip(&best) {
                return None;
            }
            let work = self.tree.node(&best).work;
            let fork = self.tree.fork(&best);
            if self.within_reach(&best, fork) {
                return Some((best, work));
            }
        }
    }

    /// Bodies within the window above what is linked that are neither here nor asked for, lowest first.
    fn missing_bodies(&self, best: &BlockId) -> Vec<BlockId> {
        let linked = self.tree.linked_up_to(best);
        let top = Height((linked.0 + BODY_WINDOW_BLOCKS).min(self.tree.node(best).height.0));
        let asked: BTreeSet<BlockId> = self
            .peers
            .open()
            .filter_map(|(_, request)| match request {
                Request::Blocks(ids) => Some(ids),
                Request::Headers | Request::Transactions(_) => None,
            })
            .flatten()
            .copied()
            .collect();
        let mut path = self.tree.path(linked, &self.tree.ancestor(best, top));
        let is_coming = |id: &BlockId| asked.contains(id) || self.is_relayed(id);
        path.retain(|id| self.tree.node(id).status == Status::Header && !is_coming(id));
        path
    }
}
