//! Verification between the network and the runtime: many threads, the messages of one peer in their order.
//!
//! Gossiped messages are judged here, before the runtime sees them, so that forwarding does not wait for it. What a peer
//! sends faster than it can be verified is dropped and counted, peer by peer, so that one flood harms nobody else.
//!
//! What waits of one peer is verified together, its signatures in one batch: so batches grow with the load, and nothing waits for
//! a batch to fill. Users' transactions make batches of their own.
//!
//! Only transactions to be ordered are overtaken: whatever else peers say is verified first, and reaches the runtime by a way of its
//! own ([`Arrivals`]), so that votes do not wait behind a load. While 64 messages with transactions wait for
//! the runtime, no further ones are verified: then they wait here, and beyond the limits are dropped, where peers can be told apart.

use crate::limits::{
    KNOWN_TRANSACTIONS_MAX, PEER_QUEUE_BYTES_MAX, PEER_QUEUE_MESSAGES_MAX, QUEUES_BYTES_MAX, USER_TRANSACTIONS_MAX,
    VERIFIED_EVENTS_MAX,
};
use crate::metrics::{Kind, Metrics};
use crate::ports::{NetCommand, NetEvent, Origin, Reply, Verdict};
use bezant_consensus::engine::{Fault, Peer};
use bezant_consensus::ledger::block::Block;
use bezant_consensus::ledger::genesis::ValidatorSet;
use bezant_consensus::ledger::hash::TxHash;
use bezant_consensus::ledger::rules::TxError;
use bezant_consensus::ledger::transaction::Transaction;
use bezant_consensus::message::Message;
use bezant_consensus::verify::{MessageError, Verified, Verifier};
use libp2p::PeerId;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Instant;
use tokio::sync::{mpsc, oneshot};

/// Messages of one peer that are verified together ...
const BATCH_MESSAGES: usize = 32;
/// ... unless they have so many bytes before: whoever sends large ones that are invalid is found out by the first.
const BATCH_BYTES: usize = 256 * 1024;
/// Transactions after which a batch takes no further message: some four milliseconds, for which a vote may have to wait.
const BATCH_TRANSACTIONS: usize = 256;
/// Messages with transactions that wait for the runtime, above which no more are verified.
const TRANSACTIONS_AHEAD_MAX: usize = 64;
/// Batches of one peer that are verified before another peer's turn.
const TURN_BATCHES: usize = 4;

/// What the runtime hears of the network.
#[derive(Debug)]
pub enum Arrival {
    /// A peer is there.
    Connected {
        /// Its number.
        peer: Peer,
        /// Its identity.
        peer_id: PeerId,
        /// Where it is.
        address: String,
        /// Whether this side dialled.
        outbound: bool,
    },
    /// A peer is gone.
    Disconnected(Peer),
    /// A peer has proved to be a member, or is none any more.
    Member {
        /// The peer.
        peer: Peer,
        /// Its index.
        member: Option<u16>,
    },
    /// A valid message.
    Message {
        /// Who brought it.
        from: Peer,
        /// What.
        message: Verified<Message>,
        /// Bytes of its encoding.
        bytes: usize,
        /// When it came to this node.
        since: Instant,
        /// For a request, where the answer goes.
        reply: Option<Reply>,
    },
    /// A peer sent what no correct peer sends.
    Misbehaved {
        /// Who.
        peer: Peer,
        /// What.
        fault: Fault,
    },
    /// A request to this peer will not be answered.
    Unanswered(Peer),
    /// A ping came back.
    RoundTrip {
        /// From whom.
        peer: Peer,
        /// After how long.
        ms: f64,
        /// Bytes of messages handed to it so far.
        bytes_out: u64,
        /// Topics of gossip in whose mesh it is.
        mesh_topics: u8,
    },
}

/// What has been verified, for the runtime to take.
#[derive(Debug)]
pub struct Arrivals {
    /// All but what is in `transactions`.
    pub first: mpsc::Receiver<Arrival>,
    /// Messages that carry transactions to be ordered, and what followed them. After each the pool is to be told
    /// ([`VerifyPool::go_on`]).
    pub transactions: mpsc::Receiver<Arrival>,
}

/// The pool. Clones share it.
#[derive(Clone, Debug)]
pub struct VerifyPool(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    threads: rayon::ThreadPool,
    verifier: RwLock<Verifier>,
    known: RwLock<Known>,
    queues: Mutex<Queues>,
    users: Mutex<Users>,
    first: mpsc::Sender<Arrival>,
    transactions: mpsc::Sender<Arrival>,
    commands: mpsc::Sender<NetCommand>,
    metrics: Arc<Metrics>,
}

#[derive(Debug, Default)]
struct Queues {
    by_peer: HashMap<Peer, Queue>,
    /// Peers of which nothing but transactions waits, and for these there was no room.
    held_up: Vec<Peer>,
    /// Of all queues together.
    bytes: usize,
}

/// What waits of one peer, with when each came. Invariant: it exists only while something waits or a thread works on it.
#[derive(Debug, Default)]
struct Queue {
    /// Whether a thread works on it, or will. If not, its peer is among those held up.
    is_working: bool,
    /// All but those below.
    events: VecDeque<(Instant, NetEvent)>,
    /// Messages that carry transactions to be ordered.
    transactions: VecDeque<(Instant, NetEvent)>,
    bytes: usize,
}

impl Queue {
    fn len(&self) -> usize {
        self.events.len() + self.transactions.len()
    }

    /// Takes out what is verified next; empty when nothing waits that there is room for.
    fn next_batch(&mut self, has_room: bool) -> Batch {
        let (mut events, mut bytes, mut count) = (Vec::new(), 0, 0);
        while bytes < BATCH_BYTES
            && events.len() < BATCH_MESSAGES
            && let Some((since, event)) = self.events.pop_front()
        {
            bytes += bytes_of(&event);
            events.push((since, event));
        }
        if !events.is_empty() {
            return Batch { events, are_transactions: false };
        }
        while has_room
            && count < BATCH_TRANSACTIONS
            && events.len() < BATCH_MESSAGES
            && let Some((since, event)) = self.transactions.pop_front()
        {
            count += transactions_in(&event);
            events.push((since, event));
        }
        Batch { events, are_transactions: true }
    }
}

/// What is verified together, with when each came.
struct Batch {
    events: Vec<(Instant, NetEvent)>,
    are_transactions: bool,
}

/// What waits of users.
#[derive(Debug, Default)]
struct Users {
    waiting: VecDeque<Submission>,
    /// In `waiting`, and being verified.
    count: usize,
    /// Whether a thread works on it.
    is_working: bool,
}

/// Transactions that a user handed in together.
#[derive(Debug)]
struct Submission {
    transactions: Vec<Transaction>,
    verified: oneshot::Sender<Vec<Result<Verified<Transaction>, TxError>>>,
}

/// Hashes of transactions that were verified recently, in two generations, so that forgetting is cheap.
#[derive(Debug, Default)]
struct Known {
    young: HashSet<TxHash>,
    old: HashSet<TxHash>,
}

impl Known {
    fn contains(&self, hash: &TxHash) -> bool {
        self.young.contains(hash) || self.old.contains(hash)
    }

    fn insert(&mut self, hash: TxHash) {
        if self.young.len() >= KNOWN_TRANSACTIONS_MAX / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(hash);
    }
}

impl VerifyPool {
    /// A pool with as many threads as the machine has cores, and what comes out of it.
    ///
    /// # Errors
    /// When no threads can be started.
    pub fn new(
        verifier: Verifier,
        commands: mpsc::Sender<NetCommand>,
        metrics: Arc<Metrics>,
    ) -> std::io::Result<(VerifyPool, Arrivals)> {
        let (first, first_out) = mpsc::channel(VERIFIED_EVENTS_MAX);
        let (transactions, transactions_out) = mpsc::channel(VERIFIED_EVENTS_MAX);
        let threads = rayon::ThreadPoolBuilder::new()
            .thread_name(|index| format!("bezant-verify-{index}"))
            .build()
            .map_err(std::io::Error::other)?;
        let pool = VerifyPool(Arc::new(Inner {
            threads,
            verifier: RwLock::new(verifier),
            known: RwLock::default(),
            queues: Mutex::default(),
            users: Mutex::default(),
            first,
            transactions,
            commands,
            metrics,
        }));
        Ok((pool, Arrivals { first: first_out, transactions: transactions_out }))
    }

    /// Takes an event of the network; what comes of it reaches the runtime after all that came from the same peer before.
    pub fn push(&self, event: NetEvent) {
        let (peer, bytes) = (peer_of(&event), bytes_of(&event));
        let mut queues = self.lock_queues();
        let total = queues.bytes;
        let queue = queues.by_peer.entry(peer).or_default();
        let is_full = queue.len() >= PEER_QUEUE_MESSAGES_MAX
            || queue.bytes + bytes > PEER_QUEUE_BYTES_MAX
            || total + bytes > QUEUES_BYTES_MAX;
        if bytes > 0 && is_full {
            drop(queues);
            self.throw_away(event);
            return;
        }
        // What a peer sent before it went is still worth having.
        let is_last = matches!(event, NetEvent::Disconnected(_)) && !queue.transactions.is_empty();
        let goes_behind = is_last || transactions_in(&event) > 0;
        let place = if goes_behind { &mut queue.transactions } else { &mut queue.events };
        place.push_back((Instant::now(), event));
        queue.bytes += bytes;
        let is_idle = !std::mem::replace(&mut queue.is_working, true);
        queues.bytes += bytes;
        drop(queues);
        if is_idle {
            self.spawn_turn(peer);
        }
    }

    /// The runtime has taken a message with transactions: there may be room for more.
    pub fn go_on(&self) {
        if !self.has_room() {
            return;
        }
        let mut queues = self.lock_queues();
        let mut ready = std::mem::take(&mut queues.held_up);
        ready.retain(|peer| {
            queues.by_peer.get_mut(peer).is_some_and(|queue| !std::mem::replace(&mut queue.is_working, true))
        });
        drop(queues);
        ready.into_iter().for_each(|peer| self.spawn_turn(peer));
    }

    /// Whether the runtime keeps up with transactions.
    fn has_room(&self) -> bool {
        let transactions = &self.0.transactions;
        transactions.max_capacity() - transactions.capacity() < TRANSACTIONS_AHEAD_MAX
    }

    /// Verifies a user's transaction; `None` when too many wait already.
    pub async fn transaction(&self, transaction: Transaction) -> Option<Result<Verified<Transaction>, TxError>> {
        self.transactions(vec![transaction]).await?.pop()
    }

    /// Verifies a user's transactions, and gives a verdict on each, in their order; `None` when too many wait already.
    pub async fn transactions(
        &self,
        transactions: Vec<Transaction>,
    ) -> Option<Vec<Result<Verified<Transaction>, TxError>>> {
        let (done, verified) = oneshot::channel();
        {
            let mut users = self.lock_users();
            if users.count + transactions.len() > USER_TRANSACTIONS_MAX {
                return None;
            }
            users.count += transactions.len();
            users.waiting.push_back(Submission { transactions, verified: done });
            if !std::mem::replace(&mut users.is_working, true) {
                let pool = self.clone();
                self.0.threads.spawn(move || pool.users_turn());
            }
        }
        verified.await.ok()
    }

    /// Verifies what waits of users, as far as it makes one batch.
    fn users_turn(&self) {
        let (mut transactions, mut answers) = (Vec::new(), Vec::new());
        {
            let mut users = self.lock_users();
            while transactions.len() < BATCH_TRANSACTIONS
                && let Some(submission) = users.waiting.pop_front()
            {
                answers.push((submission.transactions.len(), submission.verified));
                transactions.extend(submission.transactions);
            }
        }
        let count = transactions.len();
        let began = Instant::now();
        let mut verdicts = self.verifier().transactions(transactions, rand::rng());
        self.0.metrics.verify_seconds.observe(began.elapsed().as_secs_f64());
        self.learn(verdicts.iter().flatten().map(|verified| verified.get().hash()));
        for (count, verified) in answers {
            let rest = verdicts.split_off(count);
            // Who asked may have gone.
            let _ = verified.send(std::mem::replace(&mut verdicts, rest));
        }
        let mut users = self.lock_users();
        users.count -= count;
        users.is_working = !users.waiting.is_empty();
        if users.is_working {
            let pool = self.clone();
            self.0.threads.spawn(move || pool.users_turn());
        }
    }

    /// The members of an epoch are known from now on.
    pub(crate) fn learn_members(&self, set: ValidatorSet) {
        self.0.verifier.write().expect("nothing panics while it holds this lock").learn(set);
    }

    fn verifier(&self) -> Verifier {
        self.0.verifier.read().expect("nothing panics while it holds this lock").clone()
    }

    fn lock_queues(&self) -> std::sync::MutexGuard<'_, Queues> {
        self.0.queues.lock().expect("nothing panics while it holds this lock")
    }

    fn lock_users(&self) -> std::sync::MutexGuard<'_, Users> {
        self.0.users.lock().expect("nothing panics while it holds this lock")
    }

    fn spawn_turn(&self, peer: Peer) {
        let pool = self.clone();
        self.0.threads.spawn(move || pool.turn(peer));
    }

    /// Works on one peer's queue for a while. Only one thread does so at a time: the one that made the queue, or its successor.
    fn turn(&self, peer: Peer) {
        for _ in 0..TURN_BATCHES {
            let mut queues = self.lock_queues();
            let queue = queues.by_peer.get_mut(&peer).expect("a queue stays while a thread works on it");
            // Asked under the lock: whoever makes room takes it after.
            let batch = queue.next_batch(self.has_room());
            if batch.events.is_empty() {
                if queue.len() == 0 {
                    queues.by_peer.remove(&peer);
                } else {
                    queue.is_working = false;
                    queues.held_up.push(peer);
                }
                return;
            }
            let bytes = batch.events.iter().map(|(_, event)| bytes_of(event)).sum::<usize>();
            queue.bytes -= bytes;
            queues.bytes -= bytes;
            drop(queues);
            let out = if batch.are_transactions { &self.0.transactions } else { &self.0.first };
            for arrival in self.work(batch.events) {
                // Waits while the runtime is behind; fails when it has stopped, and then nothing matters any more.
                let _ = out.blocking_send(arrival);
            }
        }
        self.spawn_turn(peer);
    }

    /// What comes of events of one peer, in their order.
    fn work(&self, batch: Vec<(Instant, NetEvent)>) -> Vec<Arrival> {
        let (mut slips, mut messages) = (Vec::with_capacity(batch.len()), Vec::new());
        for (since, event) in batch {
            slips.push(match event {
                NetEvent::Message { from, message, bytes, origin } => {
                    let kind = message.name();
                    messages.push(message);
                    Slip::Message { from, kind, bytes, since, origin }
                }
                NetEvent::Connected { peer, peer_id, address, outbound } => {
                    Slip::Done(Arrival::Connected { peer, peer_id, address, outbound })
                }
                NetEvent::Disconnected(peer) => Slip::Done(Arrival::Disconnected(peer)),
                NetEvent::Member { peer, member } => Slip::Done(Arrival::Member { peer, member }),
                NetEvent::Malformed { from, reason } => {
                    let fault = Fault::Invalid { what: "bytes", reason };
                    Slip::Done(Arrival::Misbehaved { peer: from, fault })
                }
                NetEvent::Unanswered(peer) => Slip::Done(Arrival::Unanswered(peer)),
                NetEvent::RoundTrip { peer, ms, bytes_out, mesh_topics } => {
                    Slip::Done(Arrival::RoundTrip { peer, ms, bytes_out, mesh_topics })
                }
            });
        }
        let mut verdicts = self.verify(messages).into_iter();
        let arrive = |slip| match slip {
            Slip::Done(arrival) => Some(arrival),
            Slip::Message { from, kind, bytes, since, origin } => {
                let verdict = verdicts.next().expect("each message has its verdict");
                self.arrive(from, kind, bytes, since, origin, verdict)
            }
        };
        slips.into_iter().filter_map(arrive).collect()
    }

    fn verify(&self, messages: Vec<Message>) -> Vec<Result<Verified<Message>, MessageError>> {
        if messages.is_empty() {
            return Vec::new();
        }
        let known = |hash: &TxHash| self.0.known.read().is_ok_and(|known| known.contains(hash));
        let began = Instant::now();
        let verdicts = self.verifier().messages(messages, &known, rand::rng());
        self.0.metrics.verify_seconds.observe(began.elapsed().as_secs_f64());
        verdicts
    }

    fn arrive(
        &self,
        from: Peer,
        kind: &'static str,
        bytes: usize,
        since: Instant,
        origin: Origin,
        verdict: Result<Verified<Message>, MessageError>,
    ) -> Option<Arrival> {
        match verdict {
            Ok(message) => {
                self.learn_from(message.get());
                let reply = match origin {
                    Origin::Direct | Origin::Answer => None,
                    Origin::Request(reply) => Some(reply),
                    Origin::Gossip(gossip) => {
                        self.judge(NetCommand::Judge { gossip, verdict: Verdict::Accept });
                        None
                    }
                };
                Some(Arrival::Message { from, message, bytes, since, reply })
            }
            Err(error) => {
                self.0.metrics.messages_refused.get_or_create(&Kind { kind }).inc();
                tracing::debug!(peer = from.0, kind, %error, "refused a message");
                if let Origin::Gossip(gossip) = origin {
                    let verdict = if error.is_fault() { Verdict::Reject } else { Verdict::Ignore };
                    self.judge(NetCommand::Judge { gossip, verdict });
                }
                let fault = Fault::Invalid { what: kind, reason: error.to_string() };
                error.is_fault().then_some(Arrival::Misbehaved { peer: from, fault })
            }
        }
    }

    fn throw_away(&self, event: NetEvent) {
        if let NetEvent::Message { message, origin, .. } = event {
            self.0.metrics.messages_dropped.get_or_create(&Kind { kind: message.name() }).inc();
            if let Origin::Gossip(gossip) = origin {
                self.judge(NetCommand::Judge { gossip, verdict: Verdict::Ignore });
            }
        }
    }

    fn judge(&self, command: NetCommand) {
        if self.0.commands.try_send(command).is_err() {
            self.0.metrics.messages_dropped.get_or_create(&Kind { kind: "verdict" }).inc();
        }
    }

    fn learn_from(&self, message: &Message) {
        let hashes = |block: &Block| block.transactions.iter().skip(1).map(Transaction::hash).collect::<Vec<_>>();
        match message {
            Message::Transaction(transaction) => self.learn([transaction.hash()]),
            Message::TransactionBatch(batch) => self.learn(batch.0.iter().map(Transaction::hash).collect::<Vec<_>>()),
            Message::PrePrepare(proposal) => self.learn(hashes(&proposal.block)),
            Message::CompactBlock(compact) => {
                let others = compact.prefilled.iter().filter(|it| it.index > 0);
                self.learn(others.map(|it| it.transaction.hash()).collect::<Vec<_>>());
            }
            Message::Transactions(answer) => {
                self.learn(answer.transactions.iter().map(Transaction::hash).collect::<Vec<_>>());
            }
            Message::Certified(_)
            | Message::Blocks(_)
            | Message::Vote(_)
            | Message::CompactPrePrepare(_)
            | Message::Tip(_)
            | Message::GetCertified { .. }
            | Message::GetHeaders(_)
            | Message::Headers(_)
            | Message::GetBlocks(_)
            | Message::GetTransactions(_)
            | Message::ViewChange(_)
            | Message::NewView(_)
            | Message::Evidence(_)
            | Message::Checkpoint(_)
            | Message::Checkpointed(_)
            | Message::GetSnapshot { .. }
            | Message::Snapshot(_)
            | Message::GetBuckets { .. }
            | Message::GetSuccessions { .. }
            | Message::Successions(_)
            | Message::Buckets(_) => {}
            Message::Overdue(overdue) => self.learn(overdue.transactions.iter().map(Transaction::hash)),
        }
    }

    fn learn(&self, hashes: impl IntoIterator<Item = TxHash>) {
        if let Ok(mut known) = self.0.known.write() {
            hashes.into_iter().for_each(|hash| known.insert(hash));
        }
    }
}

/// An event whose verdict is awaited, or that needs none.
enum Slip {
    Done(Arrival),
    Message { from: Peer, kind: &'static str, bytes: usize, since: Instant, origin: Origin },
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
