//! The event stream: typed, numbered, bounded per subscriber. The dashboard, `watch`, traces, waits and tests live off it.
//!
//! A subscription starts with a [`EventKind::Snapshot`]; from then on numbers rise by one. A subscriber that is too slow gets a
//! [`EventKind::Gap`] naming what it missed and then a new snapshot, never silence.

mod engine;

use crate::fault::{FaultKind, FaultState};
use crate::types::NodeStatus;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Ids of transactions that a [`EventKind::Block`] lists.
pub const BLOCK_EVENT_TXIDS_MAX: usize = 32;
/// Name of the subscription's notifications.
pub const EVENTS_NOTIFICATION: &str = "events_event";

/// Something that happened on a node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// Its number on that node since its start.
    pub seq: u64,
    /// When, on the node's clock.
    pub time_ms: u64,
    /// What.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, strum::IntoStaticStr, strum::VariantNames)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum EventKind {
    /// Everything at a glance; starts a stream and follows a gap.
    Snapshot {
        /// The node.
        status: Box<NodeStatus>,
    },
    /// Events were missed.
    Gap {
        /// The first missed.
        from: u64,
        /// The last missed.
        to: u64,
    },
    /// PBFT: a view was entered.
    View {
        /// The view.
        view: u64,
        /// Its primary.
        primary: u16,
        /// Why.
        reason: String,
    },
    /// PBFT: an epoch has begun.
    Epoch {
        /// Which.
        epoch: u64,
        /// How many members it has.
        members: usize,
        /// Votes that make a certificate.
        quorum: usize,
        /// This node's index, if it is a member.
        me: Option<u16>,
        /// The last height of the epoch before.
        start: u64,
    },
    /// PBFT: the view was left; the next begins when a quorum wants it and its primary says so.
    Leave {
        /// The view that was left.
        from: u64,
        /// The view that is wanted.
        to: u64,
        /// Its primary.
        primary: u16,
        /// Why: `no progress`, `unfair`, `slow`, `invalid block`, `unchosen block`, `two proposals`, `two commits`, `no new view`,
        /// `joined`, or `start` for a node that stopped while it waited.
        reason: String,
        /// The transaction, block or figures on which that rests, in words; empty when there are none.
        detail: String,
    },
    /// PBFT: transactions that have waited too long were handed to the primary.
    HandOver {
        /// The primary.
        primary: u16,
        /// How many.
        count: usize,
        /// The one that has been due for the longest time.
        txid: String,
        /// For how long, in this view.
        waited_ms: u64,
    },
    /// PBFT: what a member measured has moved its bars by a quarter or more, or its primary's delay to the other side of half
    /// of what is allowed.
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
    /// PBFT: this primary was handed transactions, which it puts before all others.
    HandedOver {
        /// By which member.
        by: u16,
        /// How many.
        count: usize,
    },
    /// PBFT: a VIEW-CHANGE was counted.
    ViewChange {
        /// Whose.
        signer: u16,
        /// The view that it wants.
        view: u64,
        /// Members that want it.
        votes: usize,
        /// Members needed.
        quorum: usize,
    },
    /// PBFT: a vote on a checkpoint was counted.
    CheckpointVote {
        /// Whose.
        signer: u16,
        /// Where.
        height: u64,
        /// Equal votes now.
        votes: usize,
        /// Votes needed.
        quorum: usize,
    },
    /// PBFT: a checkpoint is stable, and this node found the same there.
    Checkpoint {
        /// Where.
        height: u64,
        /// Commitment to the coins, hex.
        coins: String,
    },
    /// PBFT: a quorum found other coins at a checkpoint; this node stops deciding until it has repaired itself.
    Diverged {
        /// Where.
        height: u64,
        /// Commitment to the coins that this node has, hex.
        ours: String,
        /// Commitment to the coins that a quorum has, hex.
        theirs: String,
    },
    /// PBFT: a snapshot of the coins is being fetched, or was switched to.
    Transfer {
        /// Of which height.
        height: u64,
        /// Buckets that are here, of 256.
        buckets: usize,
        /// Whether the node goes on from it now.
        done: bool,
    },
    /// PBFT: a vote was counted.
    Vote {
        /// `pre-prepare`, `prepare` or `commit`.
        vote: String,
        /// Whose.
        signer: u16,
        /// Its view.
        view: u64,
        /// Its height.
        height: u64,
        /// Counted now.
        votes: usize,
        /// Needed.
        quorum: usize,
    },
    /// PBFT: a height entered a phase.
    Phase {
        /// `pre-prepared`, `prepared` or `committed`.
        phase: String,
        /// The view.
        view: u64,
        /// The height.
        height: u64,
        /// The block.
        block: String,
    },
    /// A block joined the active chain.
    Block {
        /// Its height.
        height: u64,
        /// Its id.
        id: String,
        /// Its transactions, the coinbase included.
        transactions: usize,
        /// Bytes of its encoding.
        bytes: usize,
        /// Header time, seconds.
        time_s: u32,
        /// Lock hash first paid by its coinbase: who made it, as far as it says.
        payee: Option<String>,
        /// Up to this height blocks are final now.
        final_height: u64,
        /// Transactions left in the mempool.
        held: usize,
        /// The block below.
        #[serde(default)]
        parent: String,
        /// Compact target; 0 under PBFT.
        #[serde(default)]
        bits: u32,
        /// Ids of its transactions without the coinbase, the first 32 in the block's order.
        #[serde(default)]
        txids: Vec<String>,
    },
    /// Proof of work: the active chain was left for one with more work.
    Reorg {
        /// Height of the last common block.
        fork: u64,
        /// Blocks that left.
        depth: u64,
        /// The new tip.
        tip: String,
    },
    /// Proof of work: blocks that counted as final have left, or do not count as final any more.
    FinalityBroken {
        /// The final height before.
        before: u64,
        /// Height of the last common block; the new final height if no final block has left.
        fork: u64,
    },
    /// Proof of work: a branch with more work forks off too deep to be followed without a person.
    ReorgRefused {
        /// How deep.
        depth: u64,
        /// Its tip.
        tip: String,
    },
    /// Proof of work: a header joined the tree.
    Header {
        /// Its height.
        height: u64,
        /// Its id.
        id: String,
        /// Work up to it, hex.
        work: String,
        /// The block below.
        #[serde(default)]
        parent: String,
        /// Its compact target.
        #[serde(default)]
        bits: u32,
        /// Its time, seconds.
        #[serde(default)]
        time_s: u32,
    },
    /// Proof of work: this node found a block.
    Mined {
        /// Its height.
        height: u64,
        /// Its id.
        id: String,
    },
    /// PBFT: a member signed two different votes of one kind at one place.
    Equivocation {
        /// The member.
        signer: u16,
        /// The view.
        view: u64,
        /// The height.
        height: u64,
    },
    /// A block was refused.
    Refused {
        /// Its height, as far as known.
        height: u64,
        /// Its id.
        id: String,
        /// Why.
        reason: String,
    },
    /// A transaction entered the mempool.
    Pooled {
        /// Its id.
        txid: String,
        /// Its fee, grains.
        fee: String,
        /// Transactions held now.
        held: usize,
    },
    /// A transaction left the mempool without being included.
    Dropped {
        /// Its id.
        txid: String,
        /// Why.
        reason: String,
        /// The transaction that took its place, when it was replaced.
        #[serde(default)]
        replaced_by: Option<String>,
    },
    /// A peer came or went.
    Peer {
        /// Its libp2p identity.
        peer_id: String,
        /// Whether it came.
        connected: bool,
        /// Peers now.
        peers: usize,
    },
    /// A peer broke a rule.
    Blame {
        /// Its libp2p identity.
        peer_id: String,
        /// Which.
        fault: String,
        /// Whether it was disconnected for it.
        banned: bool,
    },
    /// Dev nets: a fault begins or ends at this node, or was done to it from outside.
    Fault {
        /// Whether it begins or ends.
        state: FaultState,
        /// What it concerns.
        kind: FaultKind,
        /// A link's fault: its number in the net.
        #[serde(default)]
        id: Option<u64>,
        /// A link's fault: the libp2p identities of those whose messages it treats.
        #[serde(default)]
        from: Vec<String>,
        /// What, in words.
        what: String,
    },
}

impl EventKind {
    /// The names of all kinds, as `event` says them.
    pub const NAMES: &[&str] = <EventKind as strum::VariantNames>::VARIANTS;

    /// The name of its kind, as `event` says it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.into()
    }

    /// Whether a subscriber is told whatever else it wants: what it missed, and where it goes on.
    #[must_use]
    pub fn concerns_stream(&self) -> bool {
        matches!(self, EventKind::Snapshot { .. } | EventKind::Gap { .. })
    }

    /// Whether the active chain, or what is final of it, may be another after this.
    #[must_use]
    pub fn concerns_chain(&self) -> bool {
        matches!(
            self,
            EventKind::Block { .. }
                | EventKind::Reorg { .. }
                | EventKind::FinalityBroken { .. }
                | EventKind::Snapshot { .. }
                | EventKind::Gap { .. }
        )
    }
}
