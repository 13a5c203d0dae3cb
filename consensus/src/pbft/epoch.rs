//! Epochs: how the members change.
//!
//! # What changes them
//! A transaction of its own kind, signed by q of the members of the present epoch whose set it names (so it serves that one
//! epoch only), replaces the members: one at most in an epoch. A member that lost its vote log asks, by a transaction that it
//! signs itself, to be re-admitted with a new one: once in an epoch, and once in `readmit_interval` blocks.
//!
//! # When
//! The first change in an epoch fixes the epoch's last height: the next checkpoint at or above the change. The primary fills
//! up to there with empty blocks. A block above is invalid in this epoch, so nobody prepares it, and no view change has
//! authority there. At the last height the members sign, as at every checkpoint, with what the next epoch opens
//! ([`Opening`]); once q have, that certificate is the [`Succession`], and the next epoch begins: height goes on, the view is 0
//! again, a quorum is one of the new members. Nothing that was voted in the epoch before counts in this one, and since the
//! block at the last height is final nothing needs to.
//!
//! While the checkpoint at the last height is not stable nothing is owed: a new primary could do no better.
//!
//! # Who learns of it
//! Whoever connects the last block computes the opening itself, so it can check votes of the next epoch before it has begun
//! here; those wait, bounded for each signer. A replica that says something in an epoch that is over is answered with the
//! successions that it lacks; one that hears of a later epoch asks for them. A joining member follows first: it counts from the
//! moment at which it has connected all blocks up to the epoch's beginning, or has switched to a snapshot at or above it.
//!
//! # A key without its vote log
//! Its replica follows and says nothing until an epoch opens with its re-admission under the nonce of its new log. It cannot know
//! what it signed in earlier epochs, and nothing that it signed there counts in that one. If the old log turns up in another process,
//! that one is mute from the same epoch on: the latest log that was let in is the one. It asks again every few seconds, also on
//! a net without any other work; but between two of its re-admissions there must be other blocks. More than n − q such members cannot be helped by the protocol: nothing becomes final.
//!
//! # Bounds
//! One change of members and one re-admission of each member wait here, whoever sends how many.

use super::advance::Ground;
use super::changes::{Changes, Terms, change_of};
use super::future::Future;
use super::spacing::Spacing;
use super::transfer::Ask;
use super::{Member, Pbft};
use crate::chain::Tip;
use crate::engine::{Effect, Peer, Record, To, Trace, VoteLog};
use crate::ledger::block::Block;
use crate::ledger::genesis::ValidatorSet;
use crate::ledger::key::PublicKey;
use crate::ledger::rules::{BlockError, TxError};
use crate::ledger::sighash::epoch_change_digest;
use crate::ledger::transaction::{Body, EpochChange, MemberList, Transaction, Witness};
use crate::ledger::units::{Epoch, Height, Incarnation, Time, View};
use crate::limits::SUCCESSIONS_PER_MESSAGE_MAX;
use crate::message::Message;
use crate::message::checkpoint::CheckpointCertificate;
use crate::message::epoch::{Opening, Succession, Successions};
use crate::plant::{Plant, armed};
use std::collections::BTreeMap;

/// After so long a change that still waits is sent again.
const CHANGE_RESEND_MS: u64 = 5_000;

/// A change that waits for a block.
#[derive(Clone, Debug)]
struct Waiting {
    transaction: Transaction,
    since: Time,
}

/// What a replica knows of epochs.
#[derive(Clone, Debug)]
pub(super) struct Epochs {
    /// With what the present one began.
    opening: Opening,
    /// Of the blocks connected in it.
    changes: Changes,
    /// How epochs began, as far as that is proved; perhaps further than blocks are connected. Invariant: consecutive from 1.
    known: BTreeMap<Epoch, Succession>,
    /// A change of members that waits for a block. Invariant: it may stand above the tip.
    members: Option<Waiting>,
    /// Requests for re-admission that wait for a block. Invariant: they may stand above the tip.
    readmissions: BTreeMap<PublicKey, Waiting>,
    /// When those were last sent.
    sent_at: Time,
    /// When this replica last asked to be re-admitted itself.
    asked_at: Option<Time>,
    /// Votes of the next epoch.
    future: Future,
    /// Peers that were told how an epoch began.
    told: Spacing,
}

impl Epochs {
    pub(super) fn new(set: &ValidatorSet) -> Epochs {
        Epochs {
            opening: Opening::genesis(set),
            changes: Changes::default(),
            known: BTreeMap::new(),
            members: None,
            readmissions: BTreeMap::new(),
            sent_at: Time(0),
            asked_at: None,
            future: Future::default(),
            told: Spacing::default(),
        }
    }

    /// Adds a proved beginning if it is the next; false when it is of no use.
    pub(super) fn learn(&mut self, succession: Succession) -> bool {
        let is_next = Some(succession.epoch()) == self.last_known().next();
        if is_next {
            self.known.insert(succession.epoch(), succession);
        }
        is_next
    }

    /// The last epoch whose members are known.
    pub(super) fn last_known(&self) -> Epoch {
        self.known.last_key_value().map_or(Epoch(0), |(epoch, _)| *epoch)
    }

    /// How epochs began, from this one on.
    pub(super) fn known_from(&self, from: Epoch) -> impl Iterator<Item = &Succession> {
        self.known.range(from..).map(|(_, succession)| succession)
    }

    /// The last epoch that begins at or below this height.
    pub(super) fn at(&self, height: Height) -> Option<&Succession> {
        self.known.values().rev().find(|it| it.height() <= height)
    }

    /// With what the present one began.
    pub(super) fn opening(&self) -> &Opening {
        &self.opening
    }

    /// The nonces with which a member was re-admitted up to an epoch, the latest last.
    fn nonces(&self, member: &PublicKey, up_to: Epoch) -> impl DoubleEndedIterator<Item = [u8; 32]> {
        let all = self.known.range(..=up_to).flat_map(|(_, succession)| &succession.opening.readmitted);
        all.filter(move |it| it.member == *member).map(|it| it.nonce)
    }

    fn waiting(&self) -> impl Iterator<Item = &Waiting> {
        self.members.iter().chain(self.readmissions.values())
    }

    /// Votes of the next epoch wait until it has begun.
    pub(super) fn keep(&mut self, signer: u16, key: super::future::Key, from: Peer, message: Message) {
        self.future.keep(signer, key, from, message);
    }

    /// A peer is gone.
    pub(super) fn disconnected(&mut self, peer: Peer) {
        self.told.disconnected(peer);
    }
}

impl Pbft {
    fn terms(&self) -> Terms<'_> {
        Terms { opening: &self.epochs.opening, set: &self.set, params: &self.params }
    }

    /// The last height of the present epoch, once a final block changes something.
    pub(super) fn last_height(&self) -> Option<Height> {
        self.epochs.changes.last_height(&self.params)
    }

    /// Whether all blocks of the epoch are here, and it only waits for its last checkpoint.
    pub(super) fn is_complete(&self) -> bool {
        self.last_height().is_some_and(|last| last <= self.chain.tip().height)
    }

    /// Whether final blocks, or changes that wait for a block, make the present primary owe blocks.
    pub(super) fn is_change_owed(&self) -> bool {
        self.last_height().is_some() || self.epochs.waiting().next().is_some()
    }

    fn changes_on(&self, ground: &Ground) -> Result<Changes, BlockError> {
        let mut changes = self.epochs.changes.clone();
        for (height, block) in &ground.changing {
            changes.take(self.terms(), *height, block)?;
        }
        Ok(changes)
    }

    /// The rules of epochs for a block on some ground.
    pub(super) fn check_changes(&self, ground: &Ground, block: &Block) -> Result<(), BlockError> {
        self.changes_on(ground)?.take(self.terms(), ground.parent.height.next(), block)
    }

    /// The last height of the epoch on some ground.
    pub(super) fn last_height_on(&self, ground: &Ground) -> Option<Height> {
        self.changes_on(ground).ok().and_then(|changes| changes.last_height(&self.params))
    }

    /// What waits and may go into the next block on some ground, as much as fits.
    pub(super) fn changes_for(&self, ground: &Ground, bytes_max: usize) -> Vec<Transaction> {
        let (Ok(mut changes), height) = (self.changes_on(ground), ground.parent.height.next()) else {
            return Vec::new();
        };
        let mut chosen = Vec::new();
        let mut room = bytes_max;
        for Waiting { transaction, .. } in self.epochs.waiting() {
            let (Some(change), Some(left)) = (change_of(transaction), room.checked_sub(transaction.bytes())) else {
                continue;
            };
            if changes.admit(self.terms(), height, change).is_ok() {
                room = left;
                chosen.push(transaction.clone());
            }
        }
        chosen
    }

    /// A block was connected: what it changes counts.
    pub(super) fn note_changes(&mut self, height: Height, block: &Block) {
        let mut changes = std::mem::take(&mut self.epochs.changes);
        let result = changes.take(self.terms(), height, block);
        assert!(result.is_ok(), "a block was judged before it is connected: {result:?}");
        self.epochs.changes = changes;
        let waiting: Vec<Waiting> = self.epochs.waiting().cloned().collect();
        self.epochs.members = None;
        self.epochs.readmissions.clear();
        waiting.into_iter().for_each(|it| drop(self.wait_for_block(it)));
    }

    /// The changes of the epoch are those of these blocks above its last checkpoint: a start finds them in the store.
    pub(super) fn take_back_changes(&mut self) {
        self.epochs.changes = Changes::default();
        let tip = self.chain.tip().height;
        let interval = u64::from(self.params.checkpoint_interval);
        let checkpoint = Height(tip.0.saturating_sub(1) / interval * interval).max(self.start.height);
        let heights = (checkpoint.next().0..=tip.0).map(Height);
        let block = |height| self.chain.active_at(height).and_then(|id| self.chain.block(&id)).map(|it| (height, it));
        // Up to the snapshot with which it went on a replica has not all blocks, and needs none: what followed is known.
        if let Some(blocks) = heights.map(block).collect::<Option<Vec<_>>>() {
            blocks.iter().for_each(|(height, block)| self.note_changes(*height, block));
        }
    }

    /// Whether a change of members may wait for a block here.
    pub(super) fn admits_change(&self, transaction: &Transaction) -> Result<(), TxError> {
        let change = change_of(transaction).ok_or(TxError::EpochChange("it changes no members"))?;
        let is_known = self.is_waiting(transaction);
        let is_taken = match change {
            EpochChange::Members { .. } => self.epochs.members.is_some(),
            EpochChange::Readmit { member, .. } => self.epochs.readmissions.contains_key(member),
        };
        if is_taken && !is_known {
            return Err(TxError::EpochChange("another change waits already"));
        }
        if transaction.bytes() > self.payload_bytes_max() {
            return Err(TxError::EpochChange("it does not fit a block of this net"));
        }
        self.epochs.changes.clone().admit(self.terms(), self.chain.tip().height.next(), change)
    }

    fn is_waiting(&self, transaction: &Transaction) -> bool {
        self.epochs.waiting().any(|it| it.transaction.hash() == transaction.hash())
    }

    fn wait_for_block(&mut self, waiting: Waiting) -> Result<(), TxError> {
        self.admits_change(&waiting.transaction)?;
        match change_of(&waiting.transaction) {
            Some(EpochChange::Members { .. }) => self.epochs.members = Some(waiting),
            Some(EpochChange::Readmit { member, .. }) => {
                let member = *member;
                self.epochs.readmissions.insert(member, waiting);
            }
            None => {}
        }
        Ok(())
    }

    /// A change of members, of this node's user or from a peer, whose signatures were verified. A new one is passed on: whoever
    /// sent it may have told nobody else. One that cannot be taken is of another time, and nobody's fault.
    pub(super) fn on_change(&mut self, transaction: Transaction) {
        let is_new = !self.is_waiting(&transaction);
        let waiting = Waiting { transaction: transaction.clone(), since: self.now };
        if is_new && self.wait_for_block(waiting).is_ok() {
            self.epochs.sent_at = self.now;
            self.emit(Effect::Send { to: To::All, message: Message::Transaction(transaction) });
        }
    }

    /// Since when the longest-waiting change has waited.
    pub(super) fn change_waits_since(&self) -> Option<Time> {
        self.epochs.waiting().map(|it| it.since).min()
    }

    /// Sends again what still waits.
    pub(super) fn send_changes_again(&mut self) {
        self.ask_for_readmission();
        if self.resend_changes_at().is_some_and(|at| at <= self.now) {
            self.epochs.sent_at = self.now;
            let waiting: Vec<Transaction> = self.epochs.waiting().map(|it| it.transaction.clone()).collect();
            self.out
                .extend(waiting.into_iter().map(|it| Effect::Send { to: To::All, message: Message::Transaction(it) }));
        }
    }

    fn resend_changes_at(&self) -> Option<Time> {
        self.epochs.waiting().next().map(|_| self.epochs.sent_at.plus_ms(CHANGE_RESEND_MS))
    }

    fn ask_at(&self) -> Option<Time> {
        self.awaited().map(|_| self.epochs.asked_at.map_or(self.now, |at| at.plus_ms(CHANGE_RESEND_MS)))
    }

    /// When changes are to be sent again, or this replica asks for one.
    pub(super) fn changes_at(&self) -> Option<Time> {
        [self.resend_changes_at(), self.ask_at()].into_iter().flatten().min()
    }

    /// This replica's index among the members, whether it may vote or not.
    pub(super) fn index(&self) -> Option<u16> {
        self.key.as_ref().and_then(|key| self.set.index_of(&key.public()))
    }

    /// Whether this replica has a member's key and may not use it.
    pub(super) fn is_mute(&self) -> bool {
        self.me.is_none() && self.index().is_some()
    }

    /// The nonce of the new vote log under which this member waits to be re-admitted. One whose log was let in and then replaced
    /// by another does not wait: somebody else has its key.
    fn awaited(&self) -> Option<[u8; 32]> {
        let (VoteLog::Begun { nonce }, Some(key)) = (self.log, self.key.as_ref().filter(|_| self.is_mute())) else {
            return None;
        };
        let was_admitted = self.epochs.nonces(&key.public(), self.set.epoch).any(|it| it == nonce);
        (!was_admitted).then_some(nonce)
    }

    /// A member without its old vote log asks to be re-admitted, once it knows the present epoch.
    fn ask_for_readmission(&mut self) {
        let (Some(nonce), Some(key)) = (self.awaited(), self.key.clone()) else {
            return;
        };
        let is_due = self.ask_at().is_some_and(|at| at <= self.now);
        // Claims of later epochs are no reason to wait: they may be lies.
        let is_behind = self.epochs.last_known() > self.set.epoch;
        if !is_due || is_behind || self.is_complete() {
            return;
        }
        self.epochs.asked_at = Some(self.now);
        let member = key.public();
        let body = Body::Epoch(EpochChange::Readmit { epoch: self.set.epoch, member, nonce });
        let index = self.index().expect("only members are mute");
        let signature = key.sign(&epoch_change_digest(&self.set.network, &body));
        let transaction = Transaction::new(body, vec![Witness::Member { member: index, signature }]);
        self.on_change(transaction);
    }

    /// With what the heights above the tip's checkpoint go on.
    pub(super) fn next_opening(&self) -> Opening {
        let (tip, opening) = (self.chain.tip().height, &self.epochs.opening);
        let after = opening.epoch.next().and_then(|epoch| self.epochs.known.get(&epoch));
        match self.last_height() {
            Some(last) if last == tip => self.epochs.changes.opening(opening, last, &self.params),
            Some(_) => opening.clone(),
            // Switched to by a snapshot: the blocks that changed something are not here.
            None => after.filter(|it| it.height() == tip).map_or(opening, |it| &it.opening).clone(),
        }
    }

    /// The checkpoint at the tip was looked at: what is known of the epoch's end comes to bear.
    pub(super) fn note_end(&mut self) {
        let tip = self.chain.tip().height;
        let next = self.next_opening();
        // What is proved is known already, whatever is found here.
        if next.epoch != self.set.epoch && next.epoch > self.epochs.last_known() {
            let set = next.set(&self.set.network);
            self.emit(Effect::Members { set, is_present: false });
        }
        let proved = self.set.epoch.next().and_then(|epoch| self.epochs.known.get(&epoch));
        if let Some(certificate) = proved.filter(|it| it.height() == tip).map(|it| it.certificate.clone()) {
            self.checkpoints.expect(certificate);
        }
    }

    /// The last checkpoint of the present epoch is stable, and found here too: the next epoch begins.
    pub(super) fn open_epoch(&mut self, certificate: CheckpointCertificate) {
        let tip = self.chain.tip();
        let opening = self.next_opening();
        assert_eq!(opening.hash(&self.set.network), certificate.checkpoint.next, "what was found here was compared");
        assert_eq!(tip.height, certificate.checkpoint.height, "nothing is connected above an epoch's last height");
        let succession = Succession { certificate, header: tip.header, opening };
        self.emit(Effect::Persist(Record::Epoch(succession.clone())));
        let opening = succession.opening.clone();
        self.epochs.learn(succession);
        self.begin_epoch(opening, tip);
        self.announce = true;
        self.trace_epoch();
    }

    pub(super) fn trace_epoch(&mut self) {
        let (epoch, members, quorum, start) = (self.set.epoch, self.set.n(), self.quorum, self.start.height);
        let me = self.index();
        self.trace(Trace::Epoch { epoch, members, quorum, me, start });
        let (view, primary) = (self.view, self.set.primary(self.view));
        self.trace(Trace::View { view, primary, reason: "new epoch" });
    }

    /// The present epoch is the one that begins so.
    pub(super) fn move_to(&mut self, succession: &Succession) {
        let Succession { certificate, header, opening } = succession;
        let start = Tip { height: succession.height(), id: certificate.checkpoint.block, header: *header };
        self.begin_epoch(opening.clone(), start);
    }

    /// The present epoch is this one from now on. Nothing of the one before counts in it.
    pub(super) fn begin_epoch(&mut self, opening: Opening, start: Tip) {
        self.set = opening.set(&self.set.network);
        self.quorum = quorum_of(&self.set);
        self.epochs.opening = opening;
        self.epochs.changes = Changes::default();
        self.epochs.members = None;
        self.epochs.readmissions.clear();
        self.me = self.seat();
        self.start = start;
        self.highest = None;
        self.view = View(0);
        self.choice = super::choose::Choice::start(start.height);
        self.views = super::view::Views::default();
        self.slots.clear();
        self.over.clear();
        self.future = std::mem::take(&mut self.epochs.future);
        self.checkpoints.begin_epoch();
        self.behind = None;
        self.entered_at = self.now;
        self.progressed = false;
        self.timer.progress();
        self.timer.entered();
        self.fairness.entered();
        self.proposer.forget_request();
        let set = self.set.clone();
        self.emit(Effect::Members { set, is_present: true });
    }

    /// This replica's place in the present set, if it may vote there.
    pub(super) fn seat(&self) -> Option<Member> {
        let key = self.key.clone().filter(|_| self.withheld.is_none())?;
        let index = self.index()?;
        let latest = self.epochs.nonces(&key.public(), self.set.epoch).next_back();
        let may_vote = match (self.log, latest) {
            (VoteLog::Original, None) => true,
            (VoteLog::Begun { nonce }, Some(latest)) => nonce == latest,
            // A log that was begun and not let in, or the old one of a key for which another was let in.
            (VoteLog::Begun { .. }, None) | (VoteLog::Original, Some(_)) => armed(Plant::AmnesiacVotes),
        };
        may_vote.then_some(Member { index, key })
    }

    /// How this epoch and those after it began, as many as fit one message.
    pub(super) fn successions_from(&self, from: Epoch) -> Message {
        let known = self.epochs.known_from(from.max(Epoch(1)));
        let is_asked = from <= self.epochs.last_known();
        let all = known.take(if is_asked { SUCCESSIONS_PER_MESSAGE_MAX } else { 0 });
        Message::Successions(Successions(all.cloned().collect()))
    }

    /// Whether a message is of the present epoch. Who speaks in one that is over is answered.
    pub(super) fn is_of_present(&mut self, from: Peer, incarnation: Incarnation, epoch: Epoch) -> bool {
        let is_ours = incarnation == self.incarnation;
        if is_ours && epoch < self.set.epoch {
            self.tell_epoch(from, epoch);
        }
        is_ours && epoch == self.set.epoch
    }

    /// Answers a peer that speaks in an epoch that is over; not too often.
    pub(super) fn tell_epoch(&mut self, peer: Peer, epoch: Epoch) {
        let Some(next) = epoch.next() else {
            return;
        };
        if self.peers.is_connected(peer) && self.epochs.told.take(self.now, peer) {
            let message = self.successions_from(next);
            self.emit(Effect::Send { to: To::Peer(peer), message });
        }
    }

    /// How epochs began, which the verifier has followed from one that is known here.
    pub(super) fn on_successions(&mut self, from: Peer, successions: Vec<Succession>) {
        let was_asked = self.peers.open().any(|(peer, ask)| peer == from && *ask == Ask::Successions);
        if was_asked {
            self.peers.answered(from);
        }
        let mut is_useful = false;
        for succession in successions {
            let set = succession.opening.set(&self.set.network);
            if self.epochs.learn(succession) {
                is_useful = true;
                self.emit(Effect::Members { set, is_present: false });
            }
        }
        if was_asked && !is_useful {
            self.peers.rest(self.now, from);
        }
        if is_useful {
            self.note_end();
            self.compare();
        }
    }

    /// Asks one peer that claims to be in an epoch that is not known here.
    pub(super) fn ask_for_successions(&mut self) {
        let last = self.epochs.last_known();
        if self.peers.open().any(|(_, ask)| *ask == Ask::Successions) {
            return;
        }
        let ahead = self.peers.askable(self.now, |info| info.epoch > last);
        let chosen = ahead.get((self.chain.tip().height.0 % ahead.len().max(1) as u64) as usize).copied();
        if let (Some(peer), Some(from)) = (chosen, last.next()) {
            self.peers.asked(self.now, peer, Ask::Successions);
            self.emit(Effect::Send { to: To::Peer(peer), message: Message::GetSuccessions { from } });
        }
    }
}

/// Votes that make a certificate of this set.
pub(super) fn quorum_of(set: &ValidatorSet) -> usize {
    if armed(Plant::SmallQuorum) { (set.quorum() - 1).max(1) } else { set.quorum() }
}

/// The transaction that replaces the members of a set, without signatures; and what q of its members sign.
#[must_use]
pub fn change_of_members(set: &ValidatorSet, members: Vec<PublicKey>) -> (Body, [u8; 32]) {
    let body = Body::Epoch(EpochChange::Members { set: set.hash(), members: MemberList(members) });
    let digest = epoch_change_digest(&set.network, &body);
    (body, digest)
}

#[cfg(test)]
mod tests;
