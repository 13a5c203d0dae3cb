//! Practical Byzantine fault tolerance: the paper's protocol (Castro and Liskov, OSDI'99, TOCS'02) with signatures, ordering
//! blocks. This page is the specification of what is built; `docs/spec/pbft.md` tells it at more leisure.
//!
//! # What is decided
//! One block at each height, by *n* members of whom at most f = ⌊(n − 1) / 3⌋ lie. A quorum is q = ⌈(n + f + 1) / 2⌉, for any
//! n: two quorums share a correct member, and the correct members alone are a quorum. A **prepared certificate** is the
//! PRE-PREPARE of the view's primary and exactly q − 1 PREPAREs of other members for one (incarnation, epoch, view, height,
//! block); a **commit certificate** is exactly q COMMITs for one such ballot. It makes the block and all below it final.
//!
//! # The normal case
//! 1. The primary (member (epoch + view) mod n) batches what waits into a block and sends PRE-PREPARE.
//! 2. A backup that finds the block valid in its place sends PREPARE. The primary sends none.
//! 3. Whoever holds the prepared certificate, and the valid block, sends COMMIT.
//! 4. Whoever holds the commit certificate, the block, and all blocks below, connects it. Commits may complete in any order;
//!    blocks are connected strictly one above the other, each by its own certificate. A certificate or body that is missing
//!    is asked for, never inferred.
//!
//! # Rules
//! - **One vote** per (signer, kind, epoch, view, height), for ever. Own votes are persisted before they leave, restored after
//!   a crash, and sent again byte for byte: once at the start, to every peer that connects, and each [`RESEND_MS`], as long
//!   as their height is not final here.
//! - **Durable before it leaves**: the body before PRE-PREPARE and PREPARE; the vote before it is sent; the prepared
//!   certificate before COMMIT; the commit certificate before the block is connected; and the certificate of the parent on
//!   which a PRE-PREPARE or PREPARE rests before that, since each is persisted the moment it is formed.
//! - **Window**: nothing is accepted or voted on at heights more than `depth` above the highest commit certificate held. What
//!   is later waits in a buffer, bounded for each signer, and is taken up when the window moves. Besides, nothing is kept for
//!   heights more than [`SLOTS_MAX`] above the final one, so that certificates whose blocks are
//!   missing below cannot pile up.
//! - **Linking**: PRE-PREPARE and PREPARE for height h + 1 are sent only when this replica is prepared *in the same view* on
//!   the parent, or holds the parent's commit certificate. A COMMIT needs no such link: the PREPAREs that it rests on had it.
//! - **Validity**, before PREPARE: the parent is the block below; version is 1, bits and nonce are 0 (nothing is mined, so
//!   nothing may be rolled); parent.time ≤ time ≤ max(parent.time, now + drift); the ledger's rules hold above the blocks in
//!   flight below, time locks being judged by the block's own time. A block whose parent is not here, or not the one held at
//!   the height below, waits. One that comes too early waits for the clock; the upper bound is looked at nowhere else.
//! - Of several proposals of a view for a height the first is taken; a replica that voted already takes only the block that it
//!   voted for. If another one is certified, it replaces the body held, and what stands above it is judged anew.
//! - A member that is seen to vote for two blocks is reported, once; its first vote counts.
//! - Votes, VIEW-CHANGEs and NEW-VIEWs of another incarnation are dropped, and certificates that are not of the one that decided
//!   their height ([`crate::incarnations`]). Votes of the next epoch wait for it; whoever speaks in an epoch that is over is
//!   told how the present one began (`epoch.rs`).
//! - At or below the base of the view a height without a certificate of its own is voted on for the ancestor of what is
//!   certified above it, and for nothing else (`ancestors.rs`).
//!
//! # When a block is proposed
//! When a transaction waits; when the block time ran out; when a dev net asks for a block; and at once on a dev net without a
//! block 1. Of these only the last three propose an empty block. A payload that comes back empty stops the asking until
//! something changes. Up to `depth` heights are in flight. After a block of several transactions the primary gathers for
//! [`SPACING_MS`] what the next will hold, one that is alone after any block for [`SPACING_ALONE_MS`]: under load a height costs
//! as much as many transactions do.
//!
//! # Catching up
//! Peers claim their final height; a replica that stays behind for [`LAG_GRACE_MS`], or is behind by more than the window,
//! asks one peer after another for certified blocks. A vote that comes again for a height that is over shows that its bringer
//! is behind: it is answered with the certified blocks themselves, by few members at a time (`spacing.rs`), and so is a VIEW-CHANGE
//! that starts below the tip. A replica without a member's key does nothing else: it follows.
//!
//! One that is behind by more than two checkpoint intervals, or whose coins are not those of a stable checkpoint, fetches a
//! snapshot: `checkpoint.rs`, `serve.rs` and `transfer.rs` say when and how.
//!
//! # Deviations from the paper
//! Signatures instead of MACs. The linking rule instead of null requests: heights overlap, but no gap can be left. The window
//! hangs on commit certificates, not on checkpoints. Catch-up is by certified blocks, and by snapshots whose buckets are judged one
//! by one, where the paper walks a tree of state partitions.
//!
//! # Why it is safe
//! Two certificates for one height and view share a correct member, which votes once. That a *later view* keeps what was
//! committed rests on the linking rule: every PREPARE quorum at h + 1 contains, for every quorum that changes the view, a
//! correct member that was prepared on h and says so.
//!
//! Between epochs nothing has to be kept: the last block of an epoch is final before the next begins.
//!
//! # Fairness
//! A primary that ignores a transaction, or crawls, is replaced: `fairness` tells what a replica does about what waits too
//! long, `timer` how long that is and what liars can do to the measure.
//!
#![doc = include_str!("RULES.md")]

mod advance;
mod ancestors;
mod catch_up;
mod changes;
mod checkpoint;
mod choose;
mod epoch;
mod evidence;
mod fairness;
mod fetch;
mod future;
pub mod light;
mod propose;
mod restore;
mod send;
mod serve;
mod slot;
mod spacing;
mod tally;
#[cfg(test)]
mod tests;
mod timer;
mod transfer;
mod view;
mod vote;

use crate::chain::{Chain, Tip};
use crate::engine::{
    Effect, Engine, Event, Instruction, InstructionError, PbftStatus, Peer, SlotStatus, Status, Trace, VoteLog,
};
use crate::incarnations::Incarnations;
use crate::ledger::genesis::{PbftParams, ValidatorSet};
use crate::ledger::hash::{BlockId, LockHash};
use crate::ledger::key::SigningKey;
use crate::ledger::rules::TxError;
use crate::ledger::rules::context::Place;
use crate::ledger::target::Work;
use crate::ledger::transaction::Transaction;
use crate::ledger::units::{Height, Incarnation, Time, View};
use crate::limits::{FUTURE_MESSAGES_PER_SENDER_MAX, SLOTS_MAX, WINDOW_DEPTH_MAX};
use crate::message::{Ballot, CommitCertificate, Message, PreparedBlock, TipInfo, VoteKind};
use crate::plant::{Plant, armed};
use crate::sync::Peers;
use checkpoint::Checkpoints;
use choose::Choice;
use epoch::Epochs;
pub use epoch::change_of_members;
use evidence::Proofs;
use fairness::Fairness;
use future::Future;
use propose::Proposer;
pub use propose::{SPACED_FROM, SPACING_ALONE_MS, SPACING_MS};
use restore::Withheld;
use slot::Slot;
use spacing::Spacing;
use std::collections::BTreeMap;
use tally::Tally;
use timer::Timer;
use transfer::{Ask, Transfer};
use view::Views;

/// After so long own votes for heights that are not final are sent again.
pub const RESEND_MS: u64 = 1_000;
/// How long a peer may be ahead before it is asked for what is missing: within the window votes mostly come by themselves.
pub const LAG_GRACE_MS: u64 = 300;
/// Least time between two announcements of the tip.
pub const TIP_SPACING_MS: u64 = 200;
/// Most time between two announcements of the tip.
pub const TIP_INTERVAL_MS: u64 = 2_000;

/// This replica's place in the set.
#[derive(Clone, Debug)]
struct Member {
    index: u16,
    key: SigningKey,
}

/// A PBFT replica, or without a member's key one that follows.
#[derive(Debug)]
pub struct Pbft {
    /// Its place among the members, if it may vote.
    me: Option<Member>,
    key: Option<SigningKey>,
    log: VoteLog,
    /// Own votes and views of places that are not reached again yet. Invariant: without a member's place meanwhile.
    withheld: Option<Box<Withheld>>,
    payee: LockHash,
    params: PbftParams,
    /// The present one of `incarnations`.
    incarnation: Incarnation,
    incarnations: Incarnations,
    /// The members of the present epoch.
    set: ValidatorSet,
    epochs: Epochs,
    /// Votes that make a certificate.
    quorum: usize,
    chain: Chain,
    /// The number that the next chain update will have.
    next_sequence: u64,
    /// The view that is active here, or while [`Views::own`] is there the one that is awaited.
    view: View,
    /// With what the present view began.
    choice: Choice,
    views: Views,
    timer: Timer,
    proofs: Proofs,
    checkpoints: Checkpoints,
    transfer: Transfer,
    /// When the present view was entered.
    entered_at: Time,
    /// Whether a block became final in the present view.
    progressed: bool,
    /// The block before the present epoch: genesis, or the last block of the epoch before.
    start: Tip,
    /// The highest commit certificate held. Invariant: `None`, or not below the tip.
    highest: Option<CommitCertificate>,
    /// Invariant: all above the tip, at most [`SLOTS_MAX`] above it.
    slots: BTreeMap<Height, Slot>,
    /// The votes of the last heights that became final, to tell a late vote from one that is sent again.
    /// Invariant: at most [`WINDOW_DEPTH_MAX`].
    over: BTreeMap<Height, Tally>,
    /// Certificates of connected blocks until their update is flushed, with the number of that update.
    recent: BTreeMap<Height, (u64, CommitCertificate)>,
    future: Future,
    proposer: Proposer,
    fairness: Fairness,
    peers: Peers<Ask>,
    /// Since when, at which tip, some peer has been ahead.
    lag: Option<(Height, Time)>,
    /// Since when, at which tip, certified blocks have been known that cannot be connected.
    behind: Option<(Height, Time)>,
    /// Peers that are behind, and were sent what they lack.
    helped: Spacing,
    /// When the tip was last announced; `None` before the first event.
    announced_at: Option<Time>,
    /// Whether the tip has changed since.
    announce: bool,
    /// The latest time told.
    now: Time,
    /// How long the message in hand has been at this node.
    waited_ms: u64,
    /// Set when a certified block breaks the ledger's rules: more than f members lie, or we are wrong. Nothing is done then.
    halted: bool,
    /// Effects of the event in hand.
    out: Vec<Effect>,
}

impl Engine for Pbft {
    fn handle(&mut self, now: Time, event: Event) -> Vec<Effect> {
        self.now = self.now.max(now);
        self.proposer.started(self.now);
        match event {
            Event::Flushed { sequence } => self.on_flushed(sequence),
            Event::Connected(peer) => self.on_connected(peer),
            Event::Disconnected(peer) => self.on_disconnected(peer),
            Event::Message { from, message, waited_ms } => {
                self.waited_ms = waited_ms;
                self.on_message(from, message.into_inner());
                self.waited_ms = 0;
            }
            Event::Unanswered(peer) => self.on_unanswered(peer),
            Event::Payload { ticket, transactions } => self.on_payload(ticket, transactions),
            Event::Overdue { ticket, oldest, transactions } => self.on_overdue(ticket, oldest, transactions),
            Event::Pending { oldest } => self.proposer.on_pending(oldest),
            Event::Change(change) => self.on_change(change.into_inner()),
            // Proof of work's.
            Event::Instruction(_) | Event::Known { .. } => {}
            Event::BlockNow => self.on_block_now(),
            // Proof of work's.
            Event::Solved { .. } => {}
            Event::Wake => {}
        }
        if !self.is_stopped() {
            self.take_ancestors();
            self.advance();
            self.speak_again();
            self.note_behind();
            self.change_views();
            self.take_ancestors();
            // Entering a view opens its slots for what waited.
            self.advance();
            self.propose();
            self.look_for_overdue();
            self.fetch_bodies();
            self.send_change_again();
            self.send_again();
            self.send_checkpoints_again();
            self.send_changes_again();
            self.tell_pace();
        }
        if !self.halted {
            self.expire();
            self.ask_for_successions();
            self.transfer();
            self.catch_up();
            self.announce();
        }
        if cfg!(debug_assertions) {
            self.check();
        }
        std::mem::take(&mut self.out)
    }

    fn deadline(&self) -> Option<Time> {
        let Some(announced_at) = self.announced_at else {
            return Some(self.now);
        };
        if self.halted {
            return None;
        }
        let tip = announced_at.plus_ms(if self.announce { TIP_SPACING_MS } else { TIP_INTERVAL_MS });
        let lag = self.lag.map(|(_, since)| since.plus_ms(LAG_GRACE_MS));
        let votes = self.slots.values().filter(|slot| !slot.own.is_empty()).map(|slot| slot.sent_at.plus_ms(RESEND_MS));
        let clock = self.slots.keys().filter_map(|height| self.early_until(*height));
        let block_due = self.block_due_at();
        let all = [Some(tip), lag, self.peers.deadline(self.now), block_due].into_iter().flatten();
        let view = self.timer.deadline().filter(|_| self.me.is_some());
        let all = all
            .chain(self.gathered_at())
            .chain(self.checkpoints_at())
            .chain(self.changes_at())
            .chain(view)
            .chain(self.behind_until())
            .chain(self.look_at())
            .chain(self.change_overdue_at())
            .chain(self.transfer_at())
            .chain(self.views.resend_at())
            .chain(self.views.ask_at());
        // What was due before now was done, or waits for something else than time.
        all.chain(votes).chain(clock).filter(|time| *time > self.now).min()
    }

    fn chain(&self) -> &Chain {
        &self.chain
    }

    fn chain_mut(&mut self) -> &mut Chain {
        &mut self.chain
    }

    fn place(&self, now: Time) -> Place {
        let tip = self.chain.tip();
        Place { height: tip.height.next(), time: now.seconds().max(tip.header.time) }
    }

    fn status(&self) -> Status {
        Status::Pbft(PbftStatus {
            epoch: self.set.epoch,
            view: self.view,
            primary: self.set.primary(self.view),
            me: self.index(),
            n: self.set.n(),
            quorum: self.quorum,
            commit_height: self.commit_height(),
            is_mute: self.is_mute(),
            is_active: self.is_active(),
            changes: if self.is_active() { Vec::new() } else { self.views.signers(self.view) },
            evidence: self.proofs.all().copied().collect(),
            failed_views: self.timer.failed(),
            timeout_ms: self.timer.timeout_ms(),
            delay_ms: self.timer.delay_ms(),
            delay_allowed_ms: self.timer.delay_allowed_ms(),
            deadline: self.timer.deadline(),
            slots: self.slots.iter().map(|(height, slot)| self.slot_status(*height, slot)).collect(),
        })
    }

    fn tip_info(&self) -> TipInfo {
        let tip = self.chain.tip();
        let (final_height, stable) = (self.chain.final_height(), self.served());
        let epoch = self.set.epoch;
        TipInfo { height: tip.height, id: tip.id, final_height, work: Work::default(), stable, epoch }
    }

    /// Answers what peers ask for; [`Engine::handle`] ignores it.
    fn answer(&self, request: &Message) -> Option<Message> {
        match request {
            Message::GetCertified { from, count } => Some(self.certified_from(*from, *count)),
            Message::GetBlocks(ids) => Some(self.bodies_of(&ids.0)),
            Message::GetTransactions(wanted) => Some(self.transactions_of(wanted)),
            Message::GetSnapshot { height } => Some(self.snapshot_from(*height)),
            Message::GetBuckets { height, first, last, after } => Some(self.buckets_of(*height, *first, *last, *after)),
            Message::GetSuccessions { from } => Some(self.successions_from(*from)),
            Message::Transaction(_)
            | Message::TransactionBatch(_)
            | Message::PrePrepare(_)
            | Message::CompactPrePrepare(_)
            | Message::Vote(_)
            | Message::Tip(_)
            | Message::Certified(_)
            | Message::GetHeaders(_)
            | Message::Headers(_)
            | Message::Blocks(_)
            | Message::Transactions(_)
            | Message::CompactBlock(_)
            | Message::ViewChange(_)
            | Message::NewView(_)
            | Message::Evidence(_)
            | Message::Overdue(_)
            | Message::Checkpoint(_)
            | Message::Checkpointed(_)
            | Message::Snapshot(_)
            | Message::Successions(_)
            | Message::Buckets(_) => None,
        }
    }

    fn admits_change(&self, change: &Transaction) -> Result<(), TxError> {
        Pbft::admits_change(self, change)
    }

    fn admits_instruction(&self, instruction: &Instruction) -> Result<(), InstructionError> {
        Err(match instruction {
            Instruction::Invalidate(_) | Instruction::Reconsider(_) => InstructionError::Final,
            Instruction::Mine(_) => InstructionError::NotMined,
        })
    }
}

impl Pbft {
    fn on_message(&mut self, from: Peer, message: Message) {
        if self.halted {
            return;
        }
        match message {
            Message::PrePrepare(proposal) => self.on_pre_prepare(from, proposal),
            Message::Vote(vote) => self.on_vote(from, vote),
            Message::Tip(info) => self.peers.claimed(from, info),
            Message::Certified(blocks) => self.on_certified(from, blocks.0),
            Message::ViewChange(change) => self.on_view_change(from, change),
            Message::NewView(new_view) => self.on_new_view(from, new_view),
            Message::Evidence(evidence) => self.on_evidence(evidence),
            Message::Blocks(blocks) => self.on_blocks(blocks.0),
            Message::Checkpoint(vote) => self.on_checkpoint(from, vote),
            Message::Checkpointed(certificate) => self.on_checkpointed(certificate),
            Message::Snapshot(snapshot) => self.on_snapshot(from, snapshot),
            Message::Buckets(parts) => self.on_buckets(from, parts),
            Message::Overdue(overdue) => self.on_handed_over(from, overdue),
            Message::Successions(successions) => self.on_successions(from, successions.0),
            // Transactions are the mempool's, changes of members come as events of their own; requests are answered by `answer`.
            Message::Transaction(_)
            | Message::TransactionBatch(_)
            | Message::GetCertified { .. }
            | Message::GetBlocks(_)
            | Message::GetSnapshot { .. }
            | Message::GetSuccessions { .. }
            | Message::GetBuckets { .. }
            | Message::GetTransactions(_) => {}
            // Whoever has a mempool puts a proposal together before it comes here.
            Message::CompactPrePrepare(_) | Message::Transactions(_) => {}
            // Of the other engine, which the verifier refuses.
            Message::GetHeaders(_) | Message::Headers(_) | Message::CompactBlock(_) => {}
        }
    }

    fn on_flushed(&mut self, sequence: u64) {
        self.chain.flushed(sequence);
        self.recent.retain(|_, (of, _)| *of > sequence);
        self.on_switched(sequence);
    }

    /// Whether nothing may be voted on, connected or proposed: this replica's state is not what it should be, or is about to
    /// be exchanged.
    fn is_stopped(&self) -> bool {
        self.halted || self.checkpoints.diverged.is_some() || self.transfer.is_switching()
    }

    fn emit(&mut self, effect: Effect) {
        self.out.push(effect);
    }

    fn trace(&mut self, trace: Trace) {
        self.out.push(Effect::Trace(trace));
    }

    /// The heights of which anything is kept.
    fn near(&self) -> std::ops::RangeInclusive<Height> {
        let tip = self.chain.tip().height;
        tip.next()..=Height(tip.0.saturating_add(SLOTS_MAX))
    }

    /// The highest height that may be accepted and voted on.
    fn window_top(&self) -> Height {
        let depth = if armed(Plant::WideWindow) { 2 * WINDOW_DEPTH_MAX } else { u64::from(self.params.depth) };
        let by_certificate = self.highest_height().0.saturating_add(depth);
        Height(by_certificate.min(self.chain.tip().height.0.saturating_add(SLOTS_MAX)))
    }

    /// The height of the highest commit certificate held; the epoch's start counts as one.
    fn highest_height(&self) -> Height {
        let certified = self.highest.as_ref().map_or(self.start.height, |it| it.ballot.height);
        certified.max(self.chain.tip().height)
    }

    fn is_primary(&self) -> bool {
        self.me.as_ref().is_some_and(|member| member.index == self.set.primary(self.view))
    }

    fn ballot(&self, height: Height, block: BlockId) -> Ballot {
        Ballot { incarnation: self.incarnation, epoch: self.set.epoch, view: self.view, height, block }
    }

    /// Counts of a slot for display: votes for the block that the height is about.
    fn slot_status(&self, height: Height, slot: &Slot) -> SlotStatus {
        let block = slot.block();
        let signers = |kind| block.map_or_else(Vec::new, |block| slot.tally.signers(self.view, kind, block));
        SlotStatus {
            height,
            phase: slot.phase(self.view),
            block,
            prepares: signers(VoteKind::Prepare),
            commits: signers(VoteKind::Commit),
        }
    }

    /// The invariants that are written on the fields.
    fn check(&self) {
        let tip = self.chain.tip().height;
        assert_eq!(tip, self.chain.final_height(), "what is connected is final");
        assert!(
            self.slots.keys().all(|height| *height > tip && height.0 <= tip.0 + SLOTS_MAX),
            "slots lie above the tip"
        );
        assert!(self.last_height().is_none_or(|last| tip <= last), "nothing is connected above an epoch's last height");
        for (height, slot) in &self.slots {
            assert!(
                slot.own.values().all(|vote| vote.ballot.height == *height),
                "own votes are of their slot's height"
            );
            let in_tally = |vote: &crate::message::Vote| {
                slot.tally.vote(vote.ballot.view, vote.kind, vote.signer).is_some_and(|counted| counted == vote)
            };
            assert!(slot.own.values().all(in_tally), "own votes count");
            if let Some(PreparedBlock { certificate: prepared, .. }) = &slot.prepared {
                assert_eq!(prepared.prepares.len() + 1, self.quorum, "exactly q - 1 PREPAREs");
            }
            if let Some(committed) = &slot.committed {
                assert_eq!(committed.commits.len(), self.quorum, "exactly q COMMITs");
                assert!(self.highest_height() >= *height, "the highest certificate is known");
                let body = slot.body.as_ref().map(|body| body.id);
                assert!(body.is_none_or(|id| id == committed.ballot.block), "a certified block replaces any other");
            }
        }
        self.checkpoints.check();
        assert!(self.over.len() as u64 <= WINDOW_DEPTH_MAX, "few heights that are over are remembered");
        assert!(self.future.sizes().all(|size| size <= FUTURE_MESSAGES_PER_SENDER_MAX), "what waits is bounded");
    }
}
