//! What is to be seen, as events.

use super::Core;
use crate::metrics::Kind;
use bezant_api::event::EventKind;
use bezant_api::types::vote_name;
use bezant_consensus::chain::Link;
use bezant_consensus::engine::Trace;
use bezant_consensus::ledger::units::Height;
use bezant_node_core::io::Notice;
use libp2p::PeerId;

impl Core {
    pub(super) fn publish(&mut self, kind: EventKind) {
        self.hub.publish(self.clock.now(), kind);
    }

    pub(super) fn publish_peer(&mut self, peer_id: &PeerId, connected: bool) {
        let peers = self.peers.count();
        self.publish(EventKind::Peer { peer_id: peer_id.to_string(), connected, peers });
    }

    pub(super) fn publish_block(&mut self, link: &Link, final_height: Height) {
        self.publish(EventKind::block(link, final_height, self.replica.mempool().len()));
    }

    pub(super) fn notice(&mut self, notice: Notice) {
        match notice {
            Notice::Engine(trace) => {
                self.log(&trace);
                self.publish(trace.into());
            }
            Notice::Pooled { txid, fee, held } => {
                let fee = fee.grains().to_string();
                self.publish(EventKind::Pooled { txid: txid.to_string(), fee, held });
            }
            Notice::Dropped { txid, reason } => {
                self.recent.dropped(txid, reason);
                let replaced_by = reason.replaced_by().map(|by| by.to_string());
                let (txid, reason) = (txid.to_string(), reason.name().to_owned());
                self.publish(EventKind::Dropped { txid, reason, replaced_by });
            }
        }
    }

    /// What an operator should find in the log, and figures.
    fn log(&self, trace: &Trace) {
        match trace {
            Trace::Vote { kind, .. } => {
                self.metrics.votes.get_or_create(&Kind { kind: vote_name(*kind) }).inc();
            }
            Trace::View { view, primary, reason } => {
                self.metrics.view.set(i64::try_from(view.0).unwrap_or(i64::MAX));
                tracing::info!(view = view.0, primary, reason, "view");
            }
            Trace::Leave { from, to, primary, reason, detail } => {
                tracing::warn!(from = from.0, to = to.0, primary, reason, detail, "left the view");
            }
            Trace::HandOver { primary, count, first, waited_ms } => {
                tracing::info!(primary, count, %first, waited_ms, "handed transactions to the primary");
            }
            Trace::Pace { timeout_ms, patience_ms, delay_ms, delay_allowed_ms } => {
                tracing::debug!(timeout_ms, patience_ms, delay_ms, delay_allowed_ms, "pace");
            }
            Trace::HandedOver { by, count } => {
                tracing::info!(by, count, "was handed transactions");
            }
            Trace::Equivocation { first, .. } => {
                let ballot = &first.ballot;
                tracing::error!(signer = first.signer, height = ballot.height.0, "a member voted twice");
            }
            Trace::Reorg { fork, depth, tip } => tracing::info!(fork = fork.0, depth, %tip, "reorg"),
            Trace::FinalityBroken { before, fork } => {
                let (before, fork) = (before.0, fork.0);
                tracing::error!(
                    before,
                    fork,
                    "finality broken: what counted as final up to {before} counts so up to {fork} only"
                );
            }
            Trace::ReorgRefused { depth, tip } => {
                tracing::error!(depth, %tip, "a branch with more work forks off too deep to be followed by itself");
            }
            Trace::Refused { height, block, reason } => {
                tracing::warn!(height = height.0, %block, reason, "refused a block");
            }
            Trace::Diverged { height, ours, theirs } => {
                tracing::error!(height = height.0, %ours, %theirs, "the coins here are not those of a quorum");
            }
            Trace::Stable { height, .. } => tracing::debug!(height = height.0, "checkpoint"),
            Trace::Transfer { height, buckets, done } => {
                tracing::info!(height = height.0, buckets, done, "snapshot");
            }
            // An epoch is logged when the network is told its members, which a start does too.
            Trace::Epoch { .. }
            | Trace::Checkpoint { .. }
            | Trace::Phase { .. }
            | Trace::ViewChange { .. }
            | Trace::Mined { .. }
            | Trace::Header { .. } => {}
        }
    }
}
