//! The seam between deciding and doing: an engine is told, and answers with effects. It never asks.
//!
//! # The executor's contract
//! - Effects are executed in order. A [`Effect::Persist`] is durable before any later effect takes place; it may be pulled
//!   forward (group commit), never pushed back, and never ahead of an earlier `Persist`.
//! - A crash keeps any prefix of an effect list plus the next `Persist`s that had been pulled forward; the rest never happened.
//! - [`Effect::Chain`] is one atomic switch; it may reach the disk later. Until [`Event::Flushed`] reports it, the engine
//!   keeps what is needed, and after a crash it makes the same switch again from what was persisted.
//! - [`Effect::Snapshot`] replaces the coins as a whole; [`SnapshotStep`] says what a crash leaves. From its `Switch` until
//!   [`Event::Flushed`] reports that, the engine neither votes nor connects anything. `Stage`, `Discard` and `Clear` rest on
//!   nothing and nothing rests on them but the `Switch` after them.
//! - [`Store`](crate::chain::Store) answers for a record from the moment its `Persist` was handed out.
//! - [`Event::Wake`] comes at or after [`Engine::deadline`]; more wakes are harmless.
//! - The same inputs give the same outputs on every machine.

use crate::chain::snapshot::SnapshotStep;
use crate::chain::{Chain, ChainUpdate};
use crate::incarnations::Incarnations;
use crate::ledger::block::{Block, Header};
use crate::ledger::genesis::{Genesis, ValidatorSet};
use crate::ledger::hash::{BlockId, CoinCommitment, LockHash, TxId};
use crate::ledger::key::SigningKey;
use crate::ledger::rules::context::Place;
use crate::ledger::rules::{BlockError, TxError};
use crate::ledger::target::Work;
use crate::ledger::transaction::Transaction;
use crate::ledger::units::{Epoch, Height, Time, View};
use crate::message::checkpoint::{CheckpointCertificate, CheckpointState, CheckpointVote};
use crate::message::epoch::Succession;
use crate::message::relay::{ShortId, ShortIds};
use crate::message::{CommitCertificate, Evidence, Message, NewView, PreparedBlock, ViewChange, Vote, VoteKind};
use crate::verify::Verified;
use borsh::{BorshDeserialize, BorshSerialize};
use std::sync::Arc;

/// A way to agree on the next block. Object-safe; both engines implement it with concrete types.
pub trait Engine: Send {
    /// Takes one event and returns what is to be done, in order.
    fn handle(&mut self, now: Time, event: Event) -> Vec<Effect>;
    /// When a [`Event::Wake`] is wanted.
    fn deadline(&self) -> Option<Time>;
    /// The active chain.
    fn chain(&self) -> &Chain;
    /// The active chain, for bringing its commitment up to date.
    fn chain_mut(&mut self) -> &mut Chain;
    /// Where a transaction that waits now would stand: the next block of the active chain. PBFT: height tip + 1 and the later
    /// of `now` and the tip's time. Proof of work: height tip + 1 and the median time past of the tip.
    fn place(&self, now: Time) -> Place;
    /// For display only.
    fn status(&self) -> Status;
    /// Where this replica stands, as it tells its peers.
    fn tip_info(&self) -> crate::message::TipInfo;
    /// Answers a peer's request from what is stored; `None` for messages that are no requests.
    fn answer(&self, request: &Message) -> Option<Message>;
    /// PBFT: whether a change of members may wait for a block here.
    ///
    /// # Errors
    /// Why not; always under proof of work.
    fn admits_change(&self, change: &Transaction) -> Result<(), TxError>;
    /// Proof of work: whether an instruction can be carried out by [`Event::Instruction`].
    ///
    /// # Errors
    /// Why not; always under PBFT.
    fn admits_instruction(&self, instruction: &Instruction) -> Result<(), InstructionError>;
}

/// What a person tells a replica of proof of work. It concerns this replica alone.
#[derive(Clone, PartialEq, Debug)]
pub enum Instruction {
    /// A block and all above it are not to be followed, valid or not, also after a restart.
    Invalidate(BlockId),
    /// A block, those below it and those above it are judged anew: marks are taken back, whatever they came from, and a branch that
    /// was refused for its depth may be followed. The latter is forgotten at a restart.
    Reconsider(BlockId),
    /// Dev nets: mine this block now, on top of whatever the tip is.
    Mine(BlockWish),
}

/// What a block is to be that a person wants.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct BlockWish {
    /// Whom it pays; the replica's own payee when `None`.
    pub payee: Option<LockHash>,
    /// Exactly these transactions besides the coinbase, in this order; what the mempool chooses when `None`.
    pub exactly: Option<Vec<Verified<Transaction>>>,
}

impl BlockWish {
    /// What has to stand in the block besides the coinbase.
    #[must_use]
    pub fn transactions(&self) -> Option<Vec<Transaction>> {
        let exactly = self.exactly.as_ref()?;
        Some(exactly.iter().map(|transaction| transaction.get().clone()).collect())
    }
}

/// Why an instruction cannot be carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InstructionError {
    /// No such block is known.
    #[error("block {0} is not known here")]
    Unknown(BlockId),
    /// Genesis is the one block that everybody has.
    #[error("the genesis block cannot be ruled out")]
    Genesis,
    /// The way back is not stored any more.
    #[error("the blocks above height {0} cannot be undone: what they spent is not stored any more")]
    NoUndo(Height),
    /// A block with just these transactions would not be valid now.
    #[error("a block with these transactions would be invalid: {0}")]
    Block(#[from] BlockError),
    /// PBFT, asked for a block.
    #[error("under PBFT blocks are proposed by the primary, not mined")]
    NotMined,
    /// PBFT.
    #[error("under PBFT a block of the chain is final: a quorum has committed it, and no single replica takes it back")]
    Final,
}

/// A connection to another node, as the executor numbers them. Never reused within a run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Peer(pub u64);

/// What an engine is told.
#[derive(Clone, Debug)]
pub enum Event {
    /// A peer is there; requests may be sent to it.
    Connected(Peer),
    /// A peer is gone; its requests will not be answered.
    Disconnected(Peer),
    /// A peer said something that stands up to all checks that need no chain state.
    Message {
        /// Who brought it, not necessarily who made it.
        from: Peer,
        /// What.
        message: Verified<Message>,
        /// How long it has been here already, waiting and being verified.
        waited_ms: u64,
    },
    /// A request to this peer will not be answered (time-out or refusal).
    Unanswered(Peer),
    /// Answers [`Effect::WantPayload`].
    Payload {
        /// Of the request.
        ticket: u64,
        /// Valid above the blocks that the request names, each after those it spends from.
        transactions: Vec<Transaction>,
    },
    /// Answers [`Effect::WantKnown`].
    Known {
        /// Of the request.
        block: BlockId,
        /// In the order of the request, what is here.
        known: Vec<Option<Transaction>>,
    },
    /// Answers [`Effect::WantOverdue`].
    Overdue {
        /// Of the request.
        ticket: u64,
        /// Since when the first of them has been due.
        oldest: Option<Time>,
        /// Those that have been due for the longest time first, each after those it spends from.
        transactions: Vec<Transaction>,
    },
    /// Answers [`Effect::Mine`]: the template with a nonce that meets its target.
    Solved {
        /// Of the template; a stale one is ignored.
        ticket: u64,
        /// The block.
        block: Block,
    },
    /// Since when the longest-waiting transaction has been due; `None` when none is. A transaction is due while it is valid
    /// and would be in the next block by this replica's own order; under proof of work, while it is valid.
    Pending {
        /// That moment.
        oldest: Option<Time>,
    },
    /// The store now shows the chain update of this number and all before it.
    Flushed {
        /// Of [`ChainUpdate`].
        sequence: u64,
    },
    /// PBFT: a change of members, or a request to be re-admitted, of this node's user or from a peer. It waits here, not in the
    /// mempool, if [`Engine::admits_change`] says so; otherwise it is forgotten.
    Change(Verified<Transaction>),
    /// Proof of work: something that [`Engine::admits_instruction`]; otherwise it is ignored.
    Instruction(Instruction),
    /// Dev nets: mine or propose a block now even if there is nothing to put in it.
    BlockNow,
    /// Time has passed.
    Wake,
}

/// What an engine wants done; see the module's contract.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Make this durable before anything later.
    Persist(Record),
    /// Tell a peer or several.
    Send {
        /// Whom.
        to: To,
        /// What.
        message: Message,
    },
    /// Choose transactions for the next block; answered at once by [`Event::Payload`].
    WantPayload(PayloadRequest),
    /// Find transactions of a block that was announced; answered at once by [`Event::Known`].
    WantKnown {
        /// The block.
        block: BlockId,
        /// How they are named.
        names: ShortIds,
        /// Their names.
        wanted: Vec<ShortId>,
    },
    /// Choose transactions that have been due for too long; answered at once by [`Event::Overdue`].
    WantOverdue(OverdueRequest),
    /// Let in what a member handed over: whatever it pays and at the front of the order, as far as that member's share goes,
    /// the rest like any other transaction.
    Admit {
        /// Who brought it.
        peer: Peer,
        /// Who has signed for it.
        member: u16,
        /// Each after those it spends from.
        transactions: Vec<Transaction>,
    },
    /// Search a nonce for this template instead of any before; `None` stops the search.
    Mine(Option<Template>),
    /// The active chain has changed.
    Chain(ChainUpdate),
    /// PBFT: a snapshot of the coin set arrives, or those that are served change.
    Snapshot(SnapshotStep),
    /// PBFT: the members of an epoch are known, so that what they sign can be checked from now on.
    Members {
        /// With the epoch's number.
        set: ValidatorSet,
        /// Whether that epoch has begun here: [`To::Members`] and [`To::Member`] mean this set from now on.
        is_present: bool,
    },
    /// A peer broke a rule.
    Blame {
        /// Who.
        peer: Peer,
        /// Which.
        fault: Fault,
    },
    /// Something to be seen.
    Trace(Trace),
}

/// Whom a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// Every node.
    All,
    /// Every other member of the present epoch.
    Members,
    /// One member, by its index in the present epoch's set.
    Member(u16),
    /// One peer: a request, an answer, or something only it lacks.
    Peer(Peer),
}

/// What is wanted in the next block.
#[derive(Clone, Debug, PartialEq)]
pub struct PayloadRequest {
    /// Names the request.
    pub ticket: u64,
    /// Height of the block to be made.
    pub height: Height,
    /// Against which time locks are judged, see [`Place`].
    pub time: u32,
    /// Bytes that the transactions may take together.
    pub bytes_max: usize,
    /// Blocks above the tip on which it will stand, lowest first: what they hold or spend must not come again.
    pub above: Vec<Arc<Block>>,
}

/// Which transactions are wanted because they have waited too long. At most
/// [`OVERDUE_TRANSACTIONS_MAX`](crate::limits::OVERDUE_TRANSACTIONS_MAX) and
/// [`OVERDUE_BYTES_MAX`](crate::limits::OVERDUE_BYTES_MAX).
#[derive(Clone, Debug, PartialEq)]
pub struct OverdueRequest {
    /// Names the request.
    pub ticket: u64,
    /// Due since this moment or earlier.
    pub due_until: Time,
    /// Blocks under way: what they hold or spend is not kept waiting.
    pub above: Vec<Arc<Block>>,
}

/// A block that lacks its nonce.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    /// Names the template.
    pub ticket: u64,
    /// Its height.
    pub height: Height,
    /// The block. The first 8 bytes of the coinbase's extra data may be rolled, and with them the merkle root; the time may
    /// be moved forward; and instead of its outputs the coinbase may have one that pays the whole
    /// [`reward`](Template::reward) to anybody.
    pub block: Block,
}

/// What must outlive a crash.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub enum Record {
    /// A body, so that a vote for it or a place in the tree can be honoured later.
    Body(Block),
    /// PBFT: a vote of this replica's own, before it leaves.
    Vote(Vote),
    /// PBFT: before a COMMIT rests on it, or the PREPARE of its child.
    Prepared(PreparedBlock),
    /// PBFT: before anyone is told "final".
    Committed(CommitCertificate),
    /// Proof of work: a header in the tree.
    Header(Header),
    /// Proof of work: a block that breaks a rule; its descendants are with it.
    Invalid(BlockId),
    /// PBFT: this replica's own VIEW-CHANGE, before it leaves, and with it every earlier view.
    ViewChange(ViewChange),
    /// PBFT: a proof that a member lied.
    Evidence(Evidence),
    /// PBFT: before the first vote of the view that it begins. Only those of the latest view count.
    NewView(NewView),
    /// PBFT: this replica's own vote at a checkpoint, before it leaves.
    Checkpoint(CheckpointVote),
    /// PBFT: what this replica found at a checkpoint, before it votes there. A later one of the same height replaces it.
    CheckpointState(CheckpointState),
    /// PBFT: a checkpoint that is stable, before its snapshot is served, or switched to. See [`Record::superseded`].
    Stable(CheckpointCertificate),
    /// PBFT: how an epoch began, before anything is signed in it. Kept for ever, for whoever joins.
    Epoch(Succession),
    /// Proof of work: a block that a person has ruled out; its descendants are with it.
    Invalidated(BlockId),
    /// Proof of work: neither [`Record::Invalid`] nor [`Record::Invalidated`] any more.
    Reconsidered(BlockId),
    /// Proof of work: blocks that count as final, before anyone is told so, with all below them; a later record replaces it.
    /// There is one block but where finality was withdrawn: then also those of before, until the state is flushed beyond that.
    ToldFinal(Vec<(Height, BlockId)>),
}

impl Record {
    /// PBFT: the height that the record is about, so that storage may drop votes and prepared certificates at or below the
    /// flushed final height. Bodies, commit certificates, headers and marks are kept.
    #[must_use]
    pub fn obsolete_from(&self) -> Option<Height> {
        match self {
            Record::Vote(vote) => Some(vote.ballot.height),
            Record::Prepared(prepared) => Some(prepared.certificate.ballot.height),
            Record::Body(_)
            | Record::Committed(_)
            | Record::Header(_)
            | Record::Invalid(_)
            | Record::Invalidated(_)
            | Record::Reconsidered(_)
            | Record::ToldFinal(_)
            | Record::ViewChange(_)
            | Record::NewView(_)
            | Record::Evidence(_)
            | Record::Checkpoint(_)
            | Record::CheckpointState(_)
            | Record::Stable(_)
            | Record::Epoch(_) => None,
        }
    }

    /// PBFT: whether the record is of no more use once these checkpoints are stable and persisted: the latest, and the
    /// oldest of the [`SNAPSHOTS_HELD`](crate::limits::SNAPSHOTS_HELD) latest.
    #[must_use]
    pub fn superseded(&self, latest: Height, oldest: Height) -> bool {
        match self {
            Record::Checkpoint(vote) => vote.checkpoint.height <= latest,
            Record::CheckpointState(state) => state.checkpoint.height < oldest,
            Record::Stable(certificate) => certificate.checkpoint.height < oldest,
            Record::Vote(_)
            | Record::Prepared(_)
            | Record::Body(_)
            | Record::Committed(_)
            | Record::Header(_)
            | Record::Invalid(_)
            | Record::Invalidated(_)
            | Record::Reconsidered(_)
            | Record::ToldFinal(_)
            | Record::ViewChange(_)
            | Record::NewView(_)
            | Record::Evidence(_)
            | Record::Epoch(_) => false,
        }
    }
}

/// What a peer did wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Sent something that no correct peer sends.
    #[error("invalid {what}: {reason}")]
    Invalid {
        /// The message's name.
        what: &'static str,
        /// Why.
        reason: String,
    },
    /// Signed two different votes of one kind for one epoch, view and height.
    #[error("member {0} voted twice at {1}")]
    Equivocation(u16, Height),
    /// Sent what was not asked for, or too much.
    #[error("unwanted {0}")]
    Unwanted(&'static str),
    /// Did not answer.
    #[error("did not answer")]
    Silent,
}

/// Steps of a PBFT height on one replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Nothing proposed.
    Idle,
    /// Proposal accepted.
    PrePrepared,
    /// Prepared certificate held.
    Prepared,
    /// Commit certificate held.
    Committed,
}

/// What the dashboard, traces and tests see of an engine's inside.
#[derive(Clone, Debug, PartialEq)]
pub enum Trace {
    /// A vote was counted.
    Vote {
        /// The vote's kind.
        kind: VoteKind,
        /// Whose.
        signer: u16,
        /// Its view.
        view: View,
        /// Its height.
        height: Height,
        /// Votes of that kind counted now for that ballot, the primary's PRE-PREPARE counting as a PREPARE.
        votes: usize,
        /// Votes needed.
        quorum: usize,
    },
    /// A height entered a phase here.
    Phase {
        /// The phase.
        phase: Phase,
        /// The view.
        view: View,
        /// The height.
        height: Height,
        /// The block.
        block: BlockId,
    },
    /// A view was entered, and why.
    View {
        /// The view.
        view: View,
        /// Its primary.
        primary: u16,
        /// Why: `start`, `new view`, `new epoch`.
        reason: &'static str,
    },
    /// An epoch has begun.
    Epoch {
        /// Which.
        epoch: Epoch,
        /// How many members it has.
        members: usize,
        /// Votes that make a certificate.
        quorum: usize,
        /// This replica's index, if it is a member.
        me: Option<u16>,
        /// The last height of the epoch before.
        start: Height,
    },
    /// The present view was left; the next begins when a quorum wants it and its primary says so.
    Leave {
        /// The view that was left.
        from: View,
        /// The view that is wanted.
        to: View,
        /// Its primary.
        primary: u16,
        /// Why: `no progress`, `unfair`, `slow`, `invalid block`, `unchosen block`, `two proposals`, `two commits`, `no new view`,
        /// `joined`, or `start` for a node that stopped while it waited.
        reason: &'static str,
        /// The transaction or the figures on which that rests, in words; empty when there are none.
        detail: String,
    },
    /// Transactions that have been due for long were handed to the primary.
    HandOver {
        /// The primary.
        primary: u16,
        /// How many.
        count: usize,
        /// The one that has been due for the longest time.
        first: TxId,
        /// For how long, in this view.
        waited_ms: u64,
    },
    /// What a member measured has moved its bars by a quarter or more, or this primary's delay to the other side of half its bar.
    Pace {
        /// How long the view has for what it owes.
        timeout_ms: u64,
        /// How long one due transaction may be passed over.
        patience_ms: u64,
        /// How late this view's proposals come while work waits, on average.
        delay_ms: u64,
        /// How late they may come on the same average, by what the heights took.
        delay_allowed_ms: u64,
    },
    /// This primary was handed transactions by another member.
    HandedOver {
        /// Who.
        by: u16,
        /// How many.
        count: usize,
    },
    /// A VIEW-CHANGE was counted.
    ViewChange {
        /// Whose.
        signer: u16,
        /// For which view.
        view: View,
        /// Members that want this view.
        votes: usize,
        /// Members needed.
        quorum: usize,
    },
    /// A checkpoint vote was counted.
    Checkpoint {
        /// Whose.
        signer: u16,
        /// Where.
        height: Height,
        /// Equal votes now.
        votes: usize,
        /// Votes needed.
        quorum: usize,
    },
    /// A checkpoint is stable, and this replica found the same there.
    Stable {
        /// Where.
        height: Height,
        /// The coins.
        coins: CoinCommitment,
    },
    /// A quorum found other coins at a checkpoint than this replica, which stops deciding until it has repaired itself.
    Diverged {
        /// Where.
        height: Height,
        /// What this replica found.
        ours: CoinCommitment,
        /// What a quorum found.
        theirs: CoinCommitment,
    },
    /// A snapshot is being fetched, or was switched to.
    Transfer {
        /// Of which height.
        height: Height,
        /// Buckets that are here.
        buckets: usize,
        /// Whether it is the chain's state now.
        done: bool,
    },
    /// Two votes of one signer contradict each other.
    Equivocation {
        /// The first.
        first: Vote,
        /// The second.
        second: Vote,
    },
    /// Proof of work: a block was found here.
    Mined {
        /// Its height.
        height: Height,
        /// Its id.
        block: BlockId,
    },
    /// Proof of work: a header joined the tree.
    Header {
        /// Its height.
        height: Height,
        /// Its id.
        block: BlockId,
        /// The block below.
        parent: BlockId,
        /// Its compact target.
        bits: u32,
        /// Its time, seconds.
        time_s: u32,
        /// Work up to it.
        work: Work,
    },
    /// Proof of work: the active chain was left for one with more work.
    Reorg {
        /// The last common block.
        fork: Height,
        /// Blocks disconnected.
        depth: u64,
        /// The new tip.
        tip: BlockId,
    },
    /// Proof of work: blocks that counted as final were disconnected, or do not count as final any more. Told again if the replica stops
    /// before the state is flushed.
    FinalityBroken {
        /// The final height before.
        before: Height,
        /// The last common block; the new final height if no final block was disconnected.
        fork: Height,
    },
    /// Proof of work: a branch with more work forks off deeper than `max_reorg`; it is not followed without a person, and until
    /// then nothing is mined here and only what both share counts as final.
    ReorgRefused {
        /// How deep it forks off.
        depth: u64,
        /// Its tip.
        tip: BlockId,
    },
    /// A block was refused.
    Refused {
        /// Its height, as far as known.
        height: Height,
        /// Its id.
        block: BlockId,
        /// Why.
        reason: String,
    },
}

/// PBFT: what is known of the log in which a key's votes are recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VoteLog {
    /// It is the one that was begun with the key: whatever the key signed is in the records.
    Original,
    /// It was begun because an earlier one was lost: the key may have signed what nobody here remembers, and signs nothing more
    /// until an epoch opens with its re-admission under this nonce.
    Begun {
        /// Made for this log.
        nonce: [u8; 32],
    },
}

/// How an engine is set up; the same for the whole of a run.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// What the peers agree on.
    pub genesis: Arc<Genesis>,
    /// PBFT: this replica's key; without it, or when it is no member's, the replica only follows.
    pub key: Option<SigningKey>,
    /// PBFT: whether the records hold all that the key ever signed.
    pub log: VoteLog,
    /// Who is paid by the blocks made here; under PBFT by default the member's own key.
    pub payee: Option<LockHash>,
    /// How the net was set back; empty but on dev nets.
    pub incarnations: Incarnations,
    /// Proof of work: whether templates are wanted.
    pub mine: bool,
    /// Proof of work: a chain with less work is not looked at; none for a net whose history is not known beforehand.
    pub work_min: Work,
    /// Random, and known to nobody else.
    pub salt: [u8; 32],
}

/// For display only.
#[derive(Clone, Debug, PartialEq)]
pub enum Status {
    /// Of PBFT.
    Pbft(PbftStatus),
    /// Of proof of work.
    Pow(PowStatus),
}

/// PBFT at a glance.
#[derive(Clone, Debug, PartialEq)]
pub struct PbftStatus {
    /// The epoch.
    pub epoch: Epoch,
    /// The view.
    pub view: View,
    /// The view's primary.
    pub primary: u16,
    /// This replica's index, if it is a member.
    pub me: Option<u16>,
    /// Whether this replica is a member without its old vote log, and says nothing until it is re-admitted.
    pub is_mute: bool,
    /// Whether the view has begun here; otherwise its NEW-VIEW is awaited.
    pub is_active: bool,
    /// While it is awaited: who wants it.
    pub changes: Vec<u16>,
    /// Proofs that members lied, of all epochs.
    pub evidence: Vec<Evidence>,
    /// Views that failed since a block became final.
    pub failed_views: u32,
    /// How long the view has for what it owes.
    pub timeout_ms: u64,
    /// How late this view's proposals come while work waits, on average.
    pub delay_ms: u64,
    /// How late they may come on the same average, by what the heights took.
    pub delay_allowed_ms: u64,
    /// When it is left unless something happens; `None` while nothing is owed.
    pub deadline: Option<Time>,
    /// Members.
    pub n: usize,
    /// Votes that make a certificate.
    pub quorum: usize,
    /// The highest height that is final here or for which this member has perhaps sent a COMMIT, in this life or before; `None` for a
    /// replica that has no voice. Nothing was final anywhere, when it was asked, above the q-th lowest of what members say.
    pub commit_height: Option<Height>,
    /// Heights in flight, lowest first.
    pub slots: Vec<SlotStatus>,
}

/// A height in flight.
#[derive(Clone, Debug, PartialEq)]
pub struct SlotStatus {
    /// The height.
    pub height: Height,
    /// How far it is.
    pub phase: Phase,
    /// What was proposed.
    pub block: Option<BlockId>,
    /// Who is prepared to accept it, the primary included.
    pub prepares: Vec<u16>,
    /// Who is committed.
    pub commits: Vec<u16>,
}

/// Proof of work at a glance.
#[derive(Clone, Debug, PartialEq)]
pub struct PowStatus {
    /// Work of the active chain.
    pub work: Work,
    /// Compact target of the next block.
    pub bits: u32,
    /// Headers in the tree, on all branches.
    pub headers: usize,
    /// Height of the header with the most work.
    pub best_header: Height,
    /// Tips of branches, with their height and work, most work first, at most 16.
    pub tips: Vec<(BlockId, Height, Work)>,
    /// The branch with more work than the chain that is not followed because it forks off too deep, if there is one.
    pub refused: Option<RefusedBranch>,
}

/// A branch that only a person can make the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefusedBranch {
    /// Its tip.
    pub tip: BlockId,
    /// The tip's height.
    pub height: Height,
    /// Work of the branch.
    pub work: Work,
    /// The last block that it shares with the chain.
    pub fork: Height,
}
