//! What waits to be verified, and what is verified next.

use crate::limits::{PEER_QUEUE_BYTES_MAX, PEER_QUEUE_MESSAGES_MAX, QUEUES_BYTES_MAX, USER_TRANSACTIONS_MAX};
use crate::ports::NetEvent;
use bezant_consensus::engine::Peer;
use bezant_consensus::ledger::transaction::Transaction;
use bezant_consensus::message::Message;
use bezant_consensus::verify::TransactionVerdict;
use std::collections::{HashMap, VecDeque};
use std::time::Instant;
use tokio::sync::oneshot;

/// Messages of one peer that are verified together ...
const BATCH_MESSAGES: usize = 32;
/// ... unless they have so many bytes before: whoever sends large ones that are invalid is found out by the first.
const BATCH_BYTES: usize = 256 * 1024;
/// Transactions after which a batch takes no further message: some four milliseconds, for which a vote may have to wait.
const BATCH_TRANSACTIONS: usize = 256;
/// Of a batch, what is users' although peers could fill it: whom they load too, while users can be told that the node is busy.
const USERS_SHARE: usize = BATCH_TRANSACTIONS / 4;
/// Times that users' transactions are verified apart from peers' after one of them was invalid.
const USERS_APART: u32 = 256;

/// An event of a peer, with when it came.
pub(super) type Timed = (Instant, NetEvent);

/// What waits, of everybody.
#[derive(Debug, Default)]
pub(super) struct Queues {
    by_peer: HashMap<Peer, Queue>,
    /// Of all peers' queues together.
    bytes: usize,
    /// Whose transactions wait, in the order of their turns.
    turns: VecDeque<Peer>,
    users: VecDeque<Submission>,
    /// Transactions of users, in `users` and being verified.
    users_count: usize,
    /// Above 0, users' transactions are not verified together with peers'.
    users_apart: u32,
    /// Whether a thread gathers transactions, or will.
    is_gathering: bool,
}

/// What waits of one peer. Invariant: it exists only while something waits or a thread works on its events.
#[derive(Debug, Default)]
struct Queue {
    /// Whether a thread works on the events, or will.
    is_working: bool,
    /// All but those below.
    events: VecDeque<Timed>,
    /// Messages that carry transactions to be ordered, and what follows them. Invariant: its peer has a turn while there are any.
    transactions: VecDeque<Timed>,
    bytes: usize,
}

impl Queue {
    fn len(&self) -> usize {
        self.events.len() + self.transactions.len()
    }
}

/// Transactions that a user handed in together.
#[derive(Debug)]
pub(super) struct Submission {
    pub(super) transactions: Vec<Transaction>,
    pub(super) verified: oneshot::Sender<Vec<TransactionVerdict>>,
}

/// Transactions that are verified together.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) events: Vec<Timed>,
    pub(super) submissions: Vec<Submission>,
    count: usize,
}

impl Batch {
    fn is_full(&self) -> bool {
        self.count >= BATCH_TRANSACTIONS
    }
}

/// Work that begins because something came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Events of this peer.
    Events(Peer),
    /// Transactions.
    Gather,
}

impl Queues {
    /// Takes an event, and says what is to begin now.
    ///
    /// # Errors
    /// The event, when there is no room for it.
    pub(super) fn push(&mut self, event: NetEvent, has_room: bool) -> Result<Option<Next>, Box<NetEvent>> {
        let (peer, bytes) = (peer_of(&event), bytes_of(&event));
        let queue = self.by_peer.entry(peer).or_default();
        let is_full = queue.len() >= PEER_QUEUE_MESSAGES_MAX
            || queue.bytes + bytes > PEER_QUEUE_BYTES_MAX
            || self.bytes + bytes > QUEUES_BYTES_MAX;
        if bytes > 0 && is_full {
            if queue.len() == 0 && !queue.is_working {
                self.by_peer.remove(&peer);
            }
            return Err(Box::new(event));
        }
        queue.bytes += bytes;
        self.bytes += bytes;
        // What a peer sent before it went is still worth having.
        let is_last = matches!(event, NetEvent::Disconnected(_)) && !queue.transactions.is_empty();
        if is_last || transactions_in(&event) > 0 {
            if queue.transactions.is_empty() {
                self.turns.push_back(peer);
            }
            queue.transactions.push_back((Instant::now(), event));
            return Ok(self.start_gathering(has_room).then_some(Next::Gather));
        }
        queue.events.push_back((Instant::now(), event));
        Ok((!std::mem::replace(&mut queue.is_working, true)).then_some(Next::Events(peer)))
    }

    /// Takes transactions of a user; whether gathering is to begin now.
    ///
    /// # Errors
    /// When too many wait already.
    pub(super) fn submit(&mut self, submission: Submission) -> Result<bool, Submission> {
        if self.users_count + submission.transactions.len() > USER_TRANSACTIONS_MAX {
            return Err(submission);
        }
        self.users_count += submission.transactions.len();
        self.users.push_back(submission);
        Ok(self.start_gathering(false))
    }

    /// Whether gathering is to begin now. `has_room` says whether peers' transactions may be taken; users' always may.
    pub(super) fn start_gathering(&mut self, has_room: bool) -> bool {
        let has_work = !self.users.is_empty() || has_room && !self.turns.is_empty();
        has_work && !std::mem::replace(&mut self.is_gathering, true)
    }

    /// The next events of this peer, which whoever works on them verifies together; empty when none wait, and the work ends.
    pub(super) fn next_events(&mut self, peer: Peer) -> Vec<Timed> {
        let queue = self.by_peer.get_mut(&peer).expect("a queue stays while a thread works on it");
        let (mut events, mut bytes) = (Vec::new(), 0);
        while bytes < BATCH_BYTES
            && events.len() < BATCH_MESSAGES
            && let Some((since, event)) = queue.events.pop_front()
        {
            bytes += bytes_of(&event);
            events.push((since, event));
        }
        queue.bytes -= bytes;
        self.bytes -= bytes;
        queue.is_working = !events.is_empty();
        if !queue.is_working && queue.transactions.is_empty() {
            self.by_peer.remove(&peer);
        }
        events
    }

    /// The next transactions, a message of each peer in turn, in at most so many batches and one of users apart; empty when there
    /// are none that may be taken, and gathering ends.
    pub(super) fn gather(&mut self, batches_max: usize, has_room: bool) -> Vec<Batch> {
        self.users_apart = self.users_apart.saturating_sub(1);
        let together = self.users_apart == 0;
        let mut batches = Vec::new();
        let mut apart = None;
        if !together {
            apart = self.fill(|queues, batch| while !batch.is_full() && queues.take_users(batch) {});
        }
        while batches.len() < batches_max {
            let batch = self.fill(|queues, batch| {
                while together && batch.count < USERS_SHARE && queues.take_users(batch) {}
                while has_room && !batch.is_full() && queues.take_peers(batch) {}
                while together && !batch.is_full() && queues.take_users(batch) {}
            });
            let is_last = batch.as_ref().is_none_or(|batch| !batch.is_full());
            batches.extend(batch);
            if is_last {
                break;
            }
        }
        batches.extend(apart);
        self.is_gathering = !batches.is_empty();
        batches
    }

    /// A batch filled like this; `None` when it stays empty.
    fn fill(&mut self, fill: impl Fn(&mut Queues, &mut Batch)) -> Option<Batch> {
        let mut batch = Batch::default();
        fill(self, &mut batch);
        (!batch.events.is_empty() || !batch.submissions.is_empty()).then_some(batch)
    }

    fn take_users(&mut self, batch: &mut Batch) -> bool {
        let Some(submission) = self.users.pop_front() else { return false };
        batch.count += submission.transactions.len();
        batch.submissions.push(submission);
        true
    }

    fn take_peers(&mut self, batch: &mut Batch) -> bool {
        let Some(peer) = self.turns.pop_front() else { return false };
        let queue = self.by_peer.get_mut(&peer).expect("who has a turn has a queue");
        let (since, event) = queue.transactions.pop_front().expect("who has a turn has transactions");
        let bytes = bytes_of(&event);
        queue.bytes -= bytes;
        self.bytes -= bytes;
        if !queue.transactions.is_empty() {
            self.turns.push_back(peer);
        } else if queue.events.is_empty() && !queue.is_working {
            self.by_peer.remove(&peer);
        }
        batch.count += transactions_in(&event);
        batch.events.push((since, event));
        true
    }

    /// So many transactions of users have their verdicts, and whether any of them was invalid.
    pub(super) fn answered(&mut self, count: usize, any_invalid: bool) {
        self.users_count -= count;
        if any_invalid {
            self.users_apart = USERS_APART;
        }
    }
}

/// How many transactions to be ordered an event carries.
fn transactions_in(event: &NetEvent) -> usize {
    match event {
        NetEvent::Message { message: Message::Transaction(_), .. } => 1,
        NetEvent::Message { message: Message::TransactionBatch(batch), .. } => batch.0.len().max(1),
        NetEvent::Message { .. }
        | NetEvent::Malformed { .. }
        | NetEvent::RoundTrip { .. }
        | NetEvent::Connected { .. }
        | NetEvent::Disconnected(_)
        | NetEvent::Member { .. }
        | NetEvent::Unanswered(_) => 0,
    }
}

fn peer_of(event: &NetEvent) -> Peer {
    match event {
        NetEvent::Connected { peer, .. }
        | NetEvent::Disconnected(peer)
        | NetEvent::Member { peer, .. }
        | NetEvent::Message { from: peer, .. }
        | NetEvent::Malformed { from: peer, .. }
        | NetEvent::Unanswered(peer)
        | NetEvent::RoundTrip { peer, .. } => *peer,
    }
}

/// What an event counts in the queues; 0 for those that are never dropped, of which there are few.
fn bytes_of(event: &NetEvent) -> usize {
    match event {
        NetEvent::Message { bytes, .. } => (*bytes).max(1),
        NetEvent::Malformed { .. } | NetEvent::RoundTrip { .. } => 1,
        NetEvent::Connected { .. } | NetEvent::Disconnected(_) | NetEvent::Member { .. } | NetEvent::Unanswered(_) => 0,
    }
}

#[cfg(test)]
mod tests;
