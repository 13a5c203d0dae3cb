//! What is to be seen, as events.

use super::Core;
use crate::metrics::Kind;
use bezant_api::event::EventKind;
use bezant_consensus::chain::Link;
use bezant_consensus::engine::{Phase, Trace};
use bezant_consensus::ledger::units::Height;
use bezant_consensus::message::VoteKind;
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
        let paid = link.block.transactions.first().and_then(|coinbase| coinbase.outputs().first());
        self.publish(EventKind::Block {
            height: link.height.0,
            id: link.id.to_string(),
            transactions: link.block.transactions.len(),
            bytes: link.block.bytes(),
            time_s: link.block.header.time,
            payee: paid.map(|output| output.lock.to_string()),
            final_height: final_height.0,
            held: self.replica.mempool().len(),
        });
    }

    pub(super) fn notice(&mut self, notice: Notice) {
        match notice {
            Notice::Engine(trace) => {
                self.log(&trace);
                self.publish(event_of(trace));
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
                tracing::error!(before = before.0, fork = fork.0, "blocks that counted as final have left");
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

/// The name of a kind of vote, as events and evidence show it.
pub(super) fn vote_name(kind: VoteKind) -> &'static str {
    match kind {
        VoteKind::PrePrepare => "pre-prepare",
        VoteKind::Prepare => "prepare",
        VoteKind::Commit => "commit",
    }
}

/// The name of a phase, as events and status show it.
pub(super) fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Idle => "idle",
        Phase::PrePrepared => "pre-prepared",
        Phase::Prepared => "prepared",
        Phase::Committed => "committed",
    }
}

fn event_of(trace: Trace) -> EventKind {
    match trace {
        Trace::Vote { kind, signer, view, height, votes, quorum } => {
            EventKind::Vote { vote: vote_name(kind).to_owned(), signer, view: view.0, height: height.0, votes, quorum }
        }
        Trace::Phase { phase, view, height, block } => EventKind::Phase {
            phase: phase_name(phase).to_owned(),
            view: view.0,
            height: height.0,
            block: block.to_string(),
        },
        Trace::View { view, primary, reason } => EventKind::View { view: view.0, primary, reason: reason.to_owned() },
        Trace::Epoch { epoch, members, quorum, me, start } => {
            EventKind::Epoch { epoch: epoch.0, members, quorum, me, start: start.0 }
        }
        Trace::Leave { from, to, primary, reason, detail } => {
            EventKind::Leave { from: from.0, to: to.0, primary, reason: reason.to_owned(), detail }
        }
        Trace::HandOver { primary, count, first, waited_ms } => {
            EventKind::HandOver { primary, count, txid: first.to_string(), waited_ms }
        }
        Trace::Pace { timeout_ms, patience_ms, delay_ms, delay_allowed_ms } => {
            EventKind::Pace { timeout_ms, patience_ms, delay_ms, delay_allowed_ms }
        }
        Trace::HandedOver { by, count } => EventKind::HandedOver { by, count },
        Trace::ViewChange { signer, view, votes, quorum } => {
            EventKind::ViewChange { signer, view: view.0, votes, quorum }
        }
        Trace::Equivocation { first, .. } => {
            EventKind::Equivocation { signer: first.signer, view: first.ballot.view.0, height: first.ballot.height.0 }
        }
        Trace::Checkpoint { signer, height, votes, quorum } => {
            EventKind::CheckpointVote { signer, height: height.0, votes, quorum }
        }
        Trace::Stable { height, coins } => EventKind::Checkpoint { height: height.0, coins: coins.to_string() },
        Trace::Diverged { height, ours, theirs } => {
            EventKind::Diverged { height: height.0, ours: ours.to_string(), theirs: theirs.to_string() }
        }
        Trace::Transfer { height, buckets, done } => EventKind::Transfer { height: height.0, buckets, done },
        Trace::Mined { height, block } => EventKind::Mined { height: height.0, id: block.to_string() },
        Trace::Header { height, block, work } => {
            EventKind::Header { height: height.0, id: block.to_string(), work: work.to_string() }
        }
        Trace::Reorg { fork, depth, tip } => EventKind::Reorg { fork: fork.0, depth, tip: tip.to_string() },
        Trace::FinalityBroken { before, fork } => EventKind::FinalityBroken { before: before.0, fork: fork.0 },
        Trace::ReorgRefused { depth, tip } => EventKind::ReorgRefused { depth, tip: tip.to_string() },
        Trace::Refused { height, block, reason } => {
            EventKind::Refused { height: height.0, id: block.to_string(), reason }
        }
    }
}
