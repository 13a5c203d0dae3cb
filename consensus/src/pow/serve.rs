//! Answers to peers, from what is stored.

use super::Pow;
use super::tree::Status;
use crate::ledger::hash::BlockId;
use crate::ledger::units::Height;
use crate::limits::{BLOCKS_PER_MESSAGE_MAX, HEADERS_PER_MESSAGE_MAX, MESSAGE_BYTES_MAX};
use crate::message::{Blocks, Headers, Message};

/// Room for what surrounds the blocks in a message.
const ENVELOPE_BYTES: usize = 1_024;

impl Pow {
    /// The answer to a request; `None` for messages that are none.
    pub(super) fn answer_request(&self, request: &Message) -> Option<Message> {
        match request {
            Message::GetHeaders(locator) => Some(Message::Headers(self.headers_after(&locator.0))),
            Message::GetBlocks(ids) => Some(Message::Blocks(self.blocks(&ids.0))),
            Message::GetTransactions(wanted) => Some(Message::Transactions(self.transactions_at(wanted))),
            Message::Transaction(_)
            | Message::TransactionBatch(_)
            | Message::PrePrepare(_)
            | Message::Vote(_)
            | Message::CompactPrePrepare(_)
            | Message::Tip(_)
            | Message::GetCertified { .. }
            | Message::Certified(_)
            | Message::ViewChange(_)
            | Message::NewView(_)
            | Message::Evidence(_)
            | Message::Overdue(_)
            | Message::Checkpoint(_)
            | Message::Checkpointed(_)
            | Message::GetSnapshot { .. }
            | Message::Snapshot(_)
            | Message::GetBuckets { .. }
            | Message::Buckets(_)
            | Message::GetSuccessions { .. }
            | Message::Successions(_)
            | Message::Headers(_)
            | Message::Blocks(_)
            | Message::Transactions(_)
            | Message::CompactBlock(_) => None,
        }
    }

    fn headers_after(&self, locator: &[BlockId]) -> Headers {
        let shared = locator.iter().find(|id| self.tree.is_active(id));
        let from = shared.map_or(Height::GENESIS, |id| self.tree.node(id).height);
        let ids = (1..=HEADERS_PER_MESSAGE_MAX as u64).map_while(|n| self.tree.active_at(Height(from.0 + n)));
        Headers(ids.map(|id| self.tree.node(&id).header).collect())
    }

    fn blocks(&self, ids: &[BlockId]) -> Blocks {
        let mut room = MESSAGE_BYTES_MAX - ENVELOPE_BYTES;
        let mut blocks = Vec::new();
        for id in ids.iter().take(BLOCKS_PER_MESSAGE_MAX) {
            let held = self.tree.get(id).is_some_and(|node| matches!(node.status, Status::Body | Status::Linked));
            let Some(block) = held.then(|| self.body(id)).flatten() else { continue };
            let bytes = block.bytes();
            if bytes > room {
                break;
            }
            room -= bytes;
            blocks.push((*block).clone());
        }
        Blocks(blocks)
    }
}
