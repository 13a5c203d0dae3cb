//! Proof of work: open membership, the branch with the most work is the chain.
//!
//! # What it decides
//! - **Headers** enter the tree only when the parent is known, the bits are exactly those expected (module `difficulty`), the id meets
//!   the target, and the time is above the median of the 11 below. The version is free: miners may roll it. A header more than
//!   `future_s` ahead of the clock waits in a bounded buffer; it is refused *for now*, never marked.
//! - **The chain** is the branch with the most work among those whose bodies are all here and valid; of equal ones the first
//!   received. A branch is switched to only when all of its bodies are here. If a block k on it is invalid, the old chain is
//!   restored as it was, k and its descendants are marked for ever ([`Record::Invalid`]), and who brought k is blamed. Lock
//!   times are judged against the parent's median time.
//! - **Final** means `final_depth` confirmations now, the including block counting as 1. A reorg below that withdraws it, with
//!   [`Trace::FinalityBroken`] *before* the switch.
//! - **Too deep**: a branch that forks off deeper than `max_reorg` is not followed; [`Trace::ReorgRefused`] is the alarm. While it
//!   has more work than the chain, nobody can say which of the two the world uses: the replica goes on following the branches
//!   within reach, but mines nothing and counts as final only what both share, until its chain has the most work again or a
//!   person decides by [`Instruction::Reconsider`].
//! - **By hand**: [`Instruction::Invalidate`] rules a block out, and with it all above it, whatever the rules say. That is one
//!   replica's choice: it blames nobody who thinks otherwise.
//! - **Sync** is headers first, by locators; bodies come in parallel from the peers that claim the best header's work, within a
//!   window above what is connected. Claims only choose whom to ask.
//! - **Relay**: a block that is found is announced by its header and the short names of its transactions (module `relay`); what a
//!   peer lacks it asks for.
//! - **Spam** costs its sender: every header carries its work, headers that do not lead to more work than ours are taken only
//!   from a budget that our own chain's growth refills, those of long branches with little work only once the work of the whole
//!   was counted (module `presync`), and bodies off the best branch are limited in number.
//! - **Mining**: a template for each new tip, and while transactions wait at most one per second. Whoever solves one may be paid
//!   instead of the node (module `mine`).
//!
//! # What it does not do yet
//! Pruning of old headers.
//!
//! # Invariants
//! After every event the active chain of the tree is the chain's, and no valid branch that is all here has more work.

mod bodies;
mod difficulty;
mod finality;
mod headers;
mod instruct;
mod light;
mod mine;
mod presync;
mod relay;
mod restore;
mod select;
mod serve;
mod sync;
#[cfg(test)]
mod tests;
mod tree;

pub use light::{HeaderChain, HeaderChainError, Included, Inclusion, InclusionError, verify_headers, verify_inclusion};
pub use mine::{EXTRANONCE_BYTES, TEMPLATES_MAX};

use crate::chain::Chain;
use crate::engine::{
    BlockWish, Effect, Engine, EngineConfig, Event, Fault, Instruction, InstructionError, Peer, PowStatus, Record,
    Status, To, Trace,
};
use crate::ledger::block::Header;
use crate::ledger::genesis::PowParams;
use crate::ledger::hash::BlockId;
use crate::ledger::rules::TxError;
use crate::ledger::rules::context::Place;
use crate::ledger::transaction::Transaction;
use crate::ledger::units::{Epoch, Height, Time};
use crate::message::{Message, TipInfo};
use crate::sync::Peers;
use bodies::Bodies;
use finality::Told;
use mine::Mining;
use presync::Counting;
use relay::Relay;
use std::collections::BTreeMap;
use sync::Request;
use tree::Tree;

/// How often peers are told where this replica stands even if nothing changes, since a message may be lost.
const TIP_INTERVAL_MS: u64 = 10_000;
/// Tips shown in the status.
const STATUS_TIPS_MAX: usize = 16;

/// The proof-of-work engine.
pub struct Pow {
    config: EngineConfig,
    params: PowParams,
    chain: Chain,
    /// Invariant: its active chain ends at the chain's tip.
    tree: Tree,
    bodies: Bodies,
    peers: Peers<Request>,
    /// Branches whose work is counted, one of a peer.
    counting: BTreeMap<Peer, Counting>,
    /// Announced blocks that are being put together. Bounded.
    relays: BTreeMap<BlockId, Relay>,
    /// Peers to be asked for headers whatever they claim, each from this header on.
    ask_headers: BTreeMap<Peer, BlockId>,
    /// Headers from the future by their time, with who brought them. Bounded.
    waiting: BTreeMap<(u32, BlockId), (Peer, Header)>,
    /// Headers that do not lead to more work than ours and may still be taken.
    low_work_left: usize,
    mining: Mining,
    told: Told,
    /// The latest time that was told.
    now: Time,
    /// When peers are told the tip again.
    tip_due: Time,
    /// What the present event has led to so far. Invariant: empty between events.
    effects: Vec<Effect>,
}

impl std::fmt::Debug for Pow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pow").field("chain", &self.chain).field("headers", &self.tree.len()).finish_non_exhaustive()
    }
}

impl Engine for Pow {
    fn handle(&mut self, now: Time, event: Event) -> Vec<Effect> {
        self.now = self.now.max(now);
        let before = self.chain.tip().id;
        match event {
            Event::Connected(peer) => self.on_connected(peer),
            Event::Disconnected(peer) => self.on_disconnected(peer),
            Event::Message { from, message, waited_ms: _ } => self.on_message(from, message.into_inner()),
            Event::Unanswered(peer) => self.on_unanswered(peer),
            Event::Payload { ticket, transactions } => self.on_payload(ticket, transactions),
            Event::Known { block, known } => self.on_known(block, known),
            // PBFT's.
            Event::Overdue { .. } => {}
            Event::Solved { ticket, block } => self.on_solved(ticket, block),
            Event::Pending { oldest } => self.mining.set_pending(oldest.is_some()),
            Event::Flushed { sequence } => {
                self.chain.flushed(sequence);
                self.told.flushed(sequence);
            }
            Event::Instruction(instruction) => self.on_instruction(instruction),
            Event::BlockNow => self.mining.force(BlockWish::default()),
            // PBFT's.
            Event::Change(_) => {}
            Event::Wake => {}
        }
        self.release_waiting();
        self.expire_relays();
        self.select();
        self.announce_tip(before);
        self.ask_peers();
        self.renew_finality();
        self.renew_template();
        if cfg!(debug_assertions) {
            self.check();
        }
        std::mem::take(&mut self.effects)
    }

    fn deadline(&self) -> Option<Time> {
        let waiting = self.waiting.keys().next().map(|(time, _)| self.present_from(*time));
        let all =
            [waiting, self.peers.deadline(self.now), self.template_due(), self.relays_until(), Some(self.tip_due)];
        all.into_iter().flatten().min()
    }

    fn chain(&self) -> &Chain {
        &self.chain
    }

    fn chain_mut(&mut self) -> &mut Chain {
        &mut self.chain
    }

    fn place(&self, _: Time) -> Place {
        let tip = self.chain.tip();
        Place { height: tip.height.next(), time: self.tree.median_time(&tip.id) }
    }

    fn status(&self) -> Status {
        let tip = self.tree.tip();
        Status::Pow(PowStatus {
            work: self.tree.node(&tip).work,
            bits: difficulty::expected_bits(&self.params, &self.tree, &tip),
            headers: self.tree.len(),
            best_header: self.tree.node(&self.tree.best_header()).height,
            tips: self.tree.tips(STATUS_TIPS_MAX),
            refused: self.refused_branch(),
        })
    }

    fn tip_info(&self) -> TipInfo {
        let tip = self.chain.tip();
        let work = self.tree.node(&tip.id).work;
        let (final_height, stable) = (self.chain.final_height(), Height::GENESIS);
        TipInfo { height: tip.height, id: tip.id, final_height, work, stable, epoch: Epoch(0) }
    }

    fn answer(&self, request: &Message) -> Option<Message> {
        self.answer_request(request)
    }

    fn admits_change(&self, _: &Transaction) -> Result<(), TxError> {
        Err(TxError::EpochChange("proof of work has no members"))
    }

    fn admits_instruction(&self, instruction: &Instruction) -> Result<(), InstructionError> {
        self.judge_instruction(instruction)
    }
}

impl Pow {
    fn on_message(&mut self, from: Peer, message: Message) {
        match message {
            Message::Tip(tip) => self.peers.claimed(from, tip),
            Message::Headers(headers) => self.on_headers(from, &headers.0),
            Message::Blocks(blocks) => self.on_blocks(from, blocks.0),
            Message::CompactBlock(compact) => self.on_compact_block(from, &compact),
            Message::Transactions(answer) => self.on_transactions(from, answer),
            // Requests are answered through `answer`, transactions are the mempool's.
            Message::GetHeaders(_)
            | Message::GetBlocks(_)
            | Message::GetTransactions(_)
            | Message::Transaction(_)
            | Message::TransactionBatch(_) => {}
            // The verifier lets no message of the other engine through.
            Message::PrePrepare(_)
            | Message::Vote(_)
            | Message::CompactPrePrepare(_)
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
            | Message::GetSuccessions { .. }
            | Message::Successions(_)
            | Message::Buckets(_) => {}
        }
    }

    /// Tells all where we stand, when that has changed or it is time to.
    fn announce_tip(&mut self, before: BlockId) {
        if self.chain.tip().id != before || self.tip_due <= self.now {
            self.tip_due = self.now.plus_ms(TIP_INTERVAL_MS);
            self.send(To::All, Message::Tip(self.tip_info()));
        }
    }

    fn emit(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    fn send(&mut self, to: To, message: Message) {
        self.emit(Effect::Send { to, message });
    }

    fn trace(&mut self, trace: Trace) {
        self.emit(Effect::Trace(trace));
    }

    fn persist(&mut self, record: Record) {
        self.emit(Effect::Persist(record));
    }

    fn blame(&mut self, peer: Peer, what: &'static str, reason: impl Into<String>) {
        self.emit(Effect::Blame { peer, fault: Fault::Invalid { what, reason: reason.into() } });
    }

    /// The invariants; called after each event in debug builds.
    ///
    /// # Panics
    /// When one does not hold.
    pub fn check(&self) {
        assert_eq!(self.tree.tip(), self.chain.tip().id, "tree and chain have one tip");
        assert!(self.tree.is_consistent(), "the tip has the most work of all that is here and valid");
        let final_height = self.final_height_at(self.chain.tip().height);
        assert_eq!(self.chain.final_height(), final_height, "final is a depth below the tip, and not contested");
    }
}
