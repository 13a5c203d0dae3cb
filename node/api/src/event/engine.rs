//! What an engine and its chain tell, as events.

use super::{BLOCK_EVENT_TXIDS_MAX, EventKind};
use crate::types::{phase_name, vote_name};
use bezant_consensus::chain::Link;
use bezant_consensus::engine::Trace;
use bezant_consensus::ledger::units::Height;

impl EventKind {
    /// A block that joined the active chain, where `held` transactions go on waiting.
    #[must_use]
    pub fn block(link: &Link, final_height: Height, held: usize) -> EventKind {
        let mut transactions = link.block.transactions.iter();
        let paid = transactions.next().and_then(|coinbase| coinbase.outputs().first());
        EventKind::Block {
            height: link.height.0,
            id: link.id.to_string(),
            transactions: link.block.transactions.len(),
            bytes: link.block.bytes(),
            time_s: link.block.header.time,
            payee: paid.map(|output| output.lock.to_string()),
            final_height: final_height.0,
            held,
            parent: link.block.header.parent.to_string(),
            bits: link.block.header.bits,
            txids: transactions.take(BLOCK_EVENT_TXIDS_MAX).map(|transaction| transaction.id().to_string()).collect(),
        }
    }
}

impl From<Trace> for EventKind {
    fn from(trace: Trace) -> EventKind {
        match trace {
            Trace::Vote { kind, signer, view, height, votes, quorum } => EventKind::Vote {
                vote: vote_name(kind).to_owned(),
                signer,
                view: view.0,
                height: height.0,
                votes,
                quorum,
            },
            Trace::Phase { phase, view, height, block } => EventKind::Phase {
                phase: phase_name(phase).to_owned(),
                view: view.0,
                height: height.0,
                block: block.to_string(),
            },
            Trace::View { view, primary, reason } => {
                EventKind::View { view: view.0, primary, reason: reason.to_owned() }
            }
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
            Trace::Equivocation { first, .. } => EventKind::Equivocation {
                signer: first.signer,
                view: first.ballot.view.0,
                height: first.ballot.height.0,
            },
            Trace::Checkpoint { signer, height, votes, quorum } => {
                EventKind::CheckpointVote { signer, height: height.0, votes, quorum }
            }
            Trace::Stable { height, coins } => EventKind::Checkpoint { height: height.0, coins: coins.to_string() },
            Trace::Diverged { height, ours, theirs } => {
                EventKind::Diverged { height: height.0, ours: ours.to_string(), theirs: theirs.to_string() }
            }
            Trace::Transfer { height, buckets, done } => EventKind::Transfer { height: height.0, buckets, done },
            Trace::Mined { height, block } => EventKind::Mined { height: height.0, id: block.to_string() },
            Trace::Header { height, block, parent, bits, time_s, work } => EventKind::Header {
                height: height.0,
                id: block.to_string(),
                work: work.to_string(),
                parent: parent.to_string(),
                bits,
                time_s,
            },
            Trace::Reorg { fork, depth, tip } => EventKind::Reorg { fork: fork.0, depth, tip: tip.to_string() },
            Trace::FinalityBroken { before, fork } => EventKind::FinalityBroken { before: before.0, fork: fork.0 },
            Trace::ReorgRefused { depth, tip } => EventKind::ReorgRefused { depth, tip: tip.to_string() },
            Trace::Refused { height, block, reason } => {
                EventKind::Refused { height: height.0, id: block.to_string(), reason }
            }
        }
    }
}
