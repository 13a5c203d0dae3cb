//! The primary's part: when to propose, what, and PRE-PREPARE.

use super::Pbft;
use super::advance::{Ground, HEADER_VERSION};
use super::slot::{Body, Judged, Slot};
use crate::engine::{Effect, PayloadRequest, Trace};
use crate::ledger::amount::Amount;
use crate::ledger::block::{Block, Header};
use crate::ledger::coins::Diff;
use crate::ledger::hash::{BlockId, MerkleRoot};
use crate::ledger::rules::BlockError;
use crate::ledger::transaction::{Body as TxBody, Coinbase, Output, Transaction, Witness};
use crate::ledger::units::{Height, Time};
use crate::limits::{BLOCK_OVERHEAD_BYTES, BLOCK_TRANSACTIONS_MAX};
use crate::message::VoteKind;
use crate::plant::{Plant, armed};
use std::sync::Arc;

/// So many transactions that turn out to be invalid are left out one by one; then the payload is given up.
const BAD_TRANSACTIONS_MAX: usize = 16;

/// After a block with [`SPACED_FROM`] transactions or more the primary gathers for so long before it proposes the next.
pub const SPACING_MS: u64 = 25;
/// See [`SPACING_MS`]; with fewer, a block each is no burden ...
pub const SPACED_FROM: usize = 4;
/// ... except for a replica that is a quorum by itself: no vote has to come back before its next block, so it would make one of each of
/// thousands of transactions a second. It gathers for so long after any.
pub const SPACING_ALONE_MS: u64 = 5;

/// An open request for a payload.
#[derive(Clone, Copy, Debug)]
struct Asked {
    ticket: u64,
    height: Height,
    parent: BlockId,
    time: u32,
}

/// What the primary keeps in mind.
#[derive(Clone, Debug, Default)]
pub(super) struct Proposer {
    /// Since when a transaction has been due.
    pending: Option<Time>,
    /// The last payload came back empty, and nothing has changed since.
    idle: bool,
    /// Blocks asked for by hand.
    blocks_due: u32,
    asked: Option<Asked>,
    tickets: u64,
    /// When a block was last proposed or connected; `None` before the first event.
    block_at: Option<Time>,
    /// Until then transactions are gathered.
    gathers_until: Time,
}

impl Proposer {
    /// The view has changed: what was asked for serves no more.
    pub(super) fn forget_request(&mut self) {
        self.asked = None;
        self.idle = false;
    }

    /// Since when a transaction has been due.
    pub(super) fn pending(&self) -> Option<Time> {
        self.pending
    }

    /// Time is told for the first time: the block time runs from here.
    pub(super) fn started(&mut self, now: Time) {
        self.block_at.get_or_insert(now);
    }

    pub(super) fn on_pending(&mut self, oldest: Option<Time>) {
        self.pending = oldest;
        self.idle = false;
    }

    /// A block of so many transactions, the coinbase apart, is proposed; by a replica that is a quorum by itself, or not.
    pub(super) fn proposed(&mut self, now: Time, count: usize, is_alone: bool) {
        self.block_at = Some(now);
        if count >= SPACED_FROM {
            self.gathers_until = now.plus_ms(SPACING_MS);
        } else if is_alone && count > 0 {
            self.gathers_until = now.plus_ms(SPACING_ALONE_MS);
        }
    }

    /// The chain has moved.
    pub(super) fn on_block(&mut self, now: Time) {
        self.block_at = Some(now);
        self.idle = false;
    }
}

impl Pbft {
    /// A block by hand, on dev nets.
    pub(super) fn on_block_now(&mut self) {
        if self.chain.genesis().dev && self.is_primary() {
            self.proposer.blocks_due = self.proposer.blocks_due.saturating_add(1);
        }
    }

    /// Asks for a payload when a block is wanted and one may be proposed.
    pub(super) fn propose(&mut self) {
        if self.proposer.asked.is_some() {
            return;
        }
        self.propose_again();
        let Some((height, ground)) = self.next_proposal() else {
            return;
        };
        let is_gathered = self.proposer.gathers_until <= self.now;
        let is_wanted = self.proposer.pending.is_some() && !self.proposer.idle && is_gathered;
        let is_filler = self.last_height_on(&ground).is_some();
        let changes = self.changes_for(&ground, self.payload_bytes_max());
        if !is_wanted && !is_filler && changes.is_empty() && !self.wants_empty(height) {
            return;
        }
        self.proposer.tickets += 1;
        let time = self.now.seconds().max(ground.parent.header.time);
        let ticket = self.proposer.tickets;
        self.proposer.asked = Some(Asked { ticket, height, parent: ground.parent.id, time });
        let bytes_max = self.payload_bytes_max() - changes.iter().map(Transaction::bytes).sum::<usize>();
        self.emit(Effect::WantPayload(PayloadRequest { ticket, height, time, bytes_max, above: ground.blocks }));
    }

    /// The lowest height without a proposal, and on what it stands, if the primary may propose there: within the window,
    /// linked, and with nothing certified at or above it, which would mean that this replica is behind.
    fn next_proposal(&self) -> Option<(Height, Ground)> {
        let height = self.next_height()?;
        let is_new = self.choice.at(height).is_none() && self.slots.get(&height).is_none_or(|slot| slot.body.is_none());
        let may = is_new && self.highest_height() < height && height <= self.window_top() && self.may_link(height);
        let ground = self.ground(height).filter(|_| may)?;
        let is_within = self.last_height_on(&ground).is_none_or(|last| height <= last) || armed(Plant::EndlessEpoch);
        is_within.then_some((height, ground))
    }

    /// Bytes that the transactions of a block may take together.
    pub(super) fn payload_bytes_max(&self) -> usize {
        (self.chain.genesis().ledger.block_bytes_max as usize).saturating_sub(BLOCK_OVERHEAD_BYTES)
    }

    /// The primary binds itself as it binds the backups: its PRE-PREPARE is one of the q votes that rest on the parent.
    fn may_link(&self, height: Height) -> bool {
        self.is_linked(height) || armed(Plant::UnboundPrimary)
    }

    /// The lowest height for which nothing was proposed in this view.
    pub(super) fn next_height(&self) -> Option<Height> {
        let me = self.me.as_ref().filter(|_| self.is_active() && self.is_primary())?;
        let mut height = self.chain.tip().height.next();
        let is_settled = |slot: &Slot| {
            slot.committed.is_some() || slot.tally.vote(self.view, VoteKind::PrePrepare, me.index).is_some()
        };
        while self.slots.get(&height).is_some_and(is_settled) {
            height = height.next();
        }
        Some(height)
    }

    /// What the view began with comes first: each block as soon as the one below it is prepared in this view.
    fn propose_again(&mut self) {
        while let Some((height, block)) = self.next_again() {
            self.proposer.block_at = Some(self.now);
            self.cast(VoteKind::PrePrepare, height, block);
            self.advance();
        }
    }

    fn next_again(&self) -> Option<(Height, BlockId)> {
        let height = self.next_height()?;
        let chosen = self.choice.at(height).or_else(|| self.ancestor_at(height))?;
        let body = self.slots.get(&height)?.valid().filter(|body| body.id == chosen)?;
        let may = height <= self.window_top() && self.may_link(height) && !self.is_stopped();
        may.then_some((height, body.id))
    }

    /// A backup sees a proposal for `height`: how long could it have been here, while work waited? It is judged when it is known how
    /// long the net needs for it.
    pub(super) fn note_pace(&mut self, height: Height) {
        // At an epoch's end each height up to the last is owed at once.
        let filler = self.last_height().map(|_| Time(0));
        if let Some(pending) = [self.proposer.pending, self.change_waits_since(), filler].into_iter().flatten().min() {
            let possible_from = pending.max(self.entered_at).max(self.proposer.block_at.unwrap_or_default());
            let delay_ms = self.arrived_at().since_ms(possible_from);
            if let Some(slot) = self.slots.get_mut(&height).filter(|slot| slot.committed.is_none()) {
                slot.delay_ms = Some(delay_ms);
            }
        }
        self.proposer.block_at = Some(self.now);
    }

    /// When the message in hand came to this node; now, if none is in hand.
    pub(super) fn arrived_at(&self) -> Time {
        Time(self.now.0.saturating_sub(self.waited_ms))
    }

    /// Whether the present view owes a block: something waits or is under way, and it is not this replica that is behind;
    /// unless nobody has what it lacks, which only a view can mend.
    pub(super) fn is_owed(&self) -> bool {
        let tip = self.chain.tip().height;
        if self.me.is_none() || self.is_complete() {
            return false;
        }
        if self.is_behind() {
            return self.behind_until().is_some_and(|until| until <= self.now);
        }
        let is_proposed = self.slots.values().any(|slot| slot.body.is_some() || slot.prepared.is_some());
        let is_chosen = self.choice.chosen.keys().any(|height| *height > tip);
        let is_first_of_dev_net = self.chain.genesis().dev && tip == Height::GENESIS;
        let is_due = self.block_wanted_at().is_some_and(|due| due <= self.now);
        let is_waiting = self.proposer.pending.is_some() || self.is_change_owed();
        is_waiting || is_proposed || is_chosen || is_first_of_dev_net || is_due
    }

    /// Whether a block is due at `height` even if there is nothing to put in it.
    fn wants_empty(&self, height: Height) -> bool {
        let is_first_of_dev_net = self.chain.genesis().dev && height == Height(1);
        let is_alone = height == self.chain.tip().height.next();
        let is_due = is_alone && self.block_due_at().is_some_and(|due| due <= self.now);
        self.proposer.blocks_due > 0 || is_first_of_dev_net || is_due
    }

    /// When the primary has gathered for long enough what waits.
    pub(super) fn gathered_at(&self) -> Option<Time> {
        self.proposer.pending.filter(|_| self.is_primary()).map(|_| self.proposer.gathers_until)
    }

    /// When the primary's block time runs out.
    pub(super) fn block_due_at(&self) -> Option<Time> {
        self.block_wanted_at().filter(|_| self.is_primary() && self.is_active())
    }

    /// When the block time runs out.
    pub(super) fn block_wanted_at(&self) -> Option<Time> {
        let block_at = self.proposer.block_at.filter(|_| self.params.block_time_ms > 0)?;
        Some(block_at.plus_ms(u64::from(self.params.block_time_ms)))
    }

    /// Proposes a block with what came back, if it still fits.
    pub(super) fn on_payload(&mut self, ticket: u64, transactions: Vec<Transaction>) {
        let Some(asked) = self.proposer.asked.filter(|asked| asked.ticket == ticket && !self.is_stopped()) else {
            return;
        };
        self.proposer.asked = None;
        let Some((height, ground)) = self.next_proposal() else {
            return;
        };
        if ground.parent.id != asked.parent {
            return;
        }
        let mut all = self.changes_for(&ground, self.payload_bytes_max());
        all.extend(transactions);
        let (block, diff) = self.build(&asked, &ground, all);
        let is_empty = block.transactions.len() == 1 && self.last_height_on(&ground).is_none();
        if is_empty && !self.wants_empty(height) {
            self.proposer.idle = true;
            return;
        }
        self.pre_prepare(height, block, diff);
    }

    fn pre_prepare(&mut self, height: Height, block: Block, diff: Diff) {
        self.proposer.blocks_due = self.proposer.blocks_due.saturating_sub(1);
        self.proposer.proposed(self.now, block.transactions.len() - 1, self.quorum == 1);
        let body = Body::new(Arc::new(block), false);
        let id = body.id;
        let slot = self.slots.entry(height).or_default();
        slot.body = Some(body);
        slot.arrived_at = Some(self.now);
        self.accept(height, Judged::Valid(Arc::new(diff)));
        self.cast(VoteKind::PrePrepare, height, id);
    }

    /// A block of these transactions, or of those among them that are valid here, and the change it makes. What the mempool
    /// hands over is valid; if it is not, the block goes without.
    fn build(&mut self, asked: &Asked, ground: &Ground, mut transactions: Vec<Transaction>) -> (Block, Diff) {
        transactions.truncate(BLOCK_TRANSACTIONS_MAX - 1);
        for _ in 0..BAD_TRANSACTIONS_MAX {
            let block = self.assemble(asked, &transactions);
            let error = match self.judge_own(ground, &block) {
                Ok(diff) => return (block, diff),
                Err(error) => error,
            };
            self.trace(Trace::Refused { height: asked.height, block: block.id(), reason: format!("own: {error}") });
            match error {
                BlockError::Transaction { index, .. } | BlockError::CoinExists(index) if index > 0 => {
                    transactions.remove(index as usize - 1);
                }
                _ => transactions.clear(),
            }
        }
        let block = self.assemble(asked, &[]);
        let diff = self.judge_own(ground, &block).expect("an empty block on valid ground breaks no rule");
        (block, diff)
    }

    fn judge_own(&self, ground: &Ground, block: &Block) -> Result<Diff, BlockError> {
        let (actual, allowed) = (block.bytes(), self.chain.genesis().ledger.block_bytes_max as usize);
        if actual > allowed {
            return Err(BlockError::TooLarge { actual, allowed });
        }
        self.check_changes(ground, block)?;
        self.chain.judge_above(&ground.diffs, block, block.header.time)
    }

    fn assemble(&self, asked: &Asked, transactions: &[Transaction]) -> Block {
        let fees = Amount::checked_sum(transactions.iter().map(stated_fee)).unwrap_or(Amount::ZERO);
        let subsidy = self.chain.genesis().ledger.subsidy_at(asked.height);
        let amount = fees.checked_add(subsidy).unwrap_or(fees);
        let outputs = if amount == Amount::ZERO { Vec::new() } else { vec![Output { amount, lock: self.payee }] };
        let coinbase = Coinbase { height: asked.height, extra: Vec::new(), outputs };
        let mut all = vec![Transaction::new(TxBody::Coinbase(coinbase), Vec::new())];
        all.extend_from_slice(transactions);
        let header = Header {
            version: HEADER_VERSION,
            parent: asked.parent,
            merkle_root: MerkleRoot::default(),
            time: asked.time,
            bits: 0,
            nonce: 0,
        };
        let mut block = Block { header, transactions: all };
        block.header.merkle_root = block.merkle_root();
        block
    }
}

/// The fee by the amounts that the witnesses state, which connecting compares with the coins.
fn stated_fee(transaction: &Transaction) -> Amount {
    let stated = transaction.witnesses().iter().map(|witness| match witness {
        Witness::Spend(spend) => spend.amount,
        Witness::Member { .. } => Amount::ZERO,
    });
    let inputs = Amount::checked_sum(stated).unwrap_or(Amount::ZERO);
    let outputs = Amount::checked_sum(transaction.outputs().iter().map(|output| output.amount));
    outputs.and_then(|outputs| inputs.checked_sub(outputs)).unwrap_or(Amount::ZERO)
}
