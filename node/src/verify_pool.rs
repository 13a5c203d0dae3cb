//! Verification between the network and the runtime: many threads, the messages of one peer in their order.
//!
//! Gossiped messages are judged here, before the runtime sees them, so that forwarding does not wait for it. What a peer
//! sends faster than it can be verified is dropped and counted, peer by peer, so that one flood harms nobody else.

use crate::limits::{
    KNOWN_TRANSACTIONS_MAX, PEER_QUEUE_BYTES_MAX, PEER_QUEUE_MESSAGES_MAX, QUEUES_BYTES_MAX, REQUESTS_MAX,
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
use bezant_consensus::verify::{Verified, Verifier};
use libp2p::PeerId;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Instant;
use tokio::sync::{mpsc, oneshot};

/// Messages of one peer that are verified before another peer's turn.
const TURN_MESSAGES: usize = 32;

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

/// The pool. Clones share it.
#[derive(Clone, Debug)]
pub struct VerifyPool(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    threads: rayon::ThreadPool,
    verifier: RwLock<Verifier>,
    known: RwLock<Known>,
    queues: Mutex<Queues>,
    /// Transactions of users that are being verified.
    users: AtomicUsize,
    out: mpsc::Sender<Arrival>,
    commands: mpsc::Sender<NetCommand>,
    metrics: Arc<Metrics>,
}

#[derive(Debug, Default)]
struct Queues {
    by_peer: HashMap<Peer, Queue>,
    /// Of all queues together.
    bytes: usize,
}

/// What waits of one peer. Invariant: it exists only while something waits or a thread works on it.
#[derive(Debug, Default)]
struct Queue {
    /// With when each came.
    events: VecDeque<(Instant, NetEvent)>,
    bytes: usize,
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
    /// A pool with as many threads as the machine has cores.
    ///
    /// # Errors
    /// When no threads can be started.
    pub fn new(
        verifier: Verifier,
        out: mpsc::Sender<Arrival>,
        commands: mpsc::Sender<NetCommand>,
        metrics: Arc<Metrics>,
    ) -> std::io::Result<VerifyPool> {
        let threads = rayon::ThreadPoolBuilder::new()
            .thread_name(|index| format!("bezant-verify-{index}"))
            .build()
            .map_err(std::io::Error::other)?;
        Ok(VerifyPool(Arc::new(Inner {
            threads,
            verifier: RwLock::new(verifier),
            known: RwLock::default(),
            queues: Mutex::default(),
            users: AtomicUsize::new(0),
            out,
            commands,
            metrics,
        })))
    }

    /// Takes an event of the network; what comes of it reaches the runtime after all that came from the same peer before.
    pub fn push(&self, event: NetEvent) {
        let (peer, bytes) = (peer_of(&event), bytes_of(&event));
        let mut queues = self.lock_queues();
        let total = queues.bytes;
        let is_new = !queues.by_peer.contains_key(&peer);
        let queue = queues.by_peer.entry(peer).or_default();
        let is_full = queue.events.len() >= PEER_QUEUE_MESSAGES_MAX
            || queue.bytes + bytes > PEER_QUEUE_BYTES_MAX
            || total + bytes > QUEUES_BYTES_MAX;
        if bytes > 0 && is_full {
            drop(queues);
            self.throw_away(event);
            return;
        }
        queue.events.push_back((Instant::now(), event));
        queue.bytes += bytes;
        queues.bytes += bytes;
        drop(queues);
        if is_new {
            self.spawn_turn(peer);
        }
    }

    /// Verifies a user's transaction; `None` when too many wait already.
    pub async fn transaction(&self, transaction: Transaction) -> Option<Result<Verified<Transaction>, TxError>> {
        if self.0.users.fetch_add(1, Ordering::Relaxed) >= REQUESTS_MAX {
            self.0.users.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        let (done, verified) = oneshot::channel();
        let pool = self.clone();
        self.0.threads.spawn(move || {
            let hash = transaction.hash();
            let result = pool.verifier().transaction(transaction);
            if result.is_ok() {
                pool.learn([hash]);
            }
            pool.0.users.fetch_sub(1, Ordering::Relaxed);
            // Who asked may have gone.
            let _ = done.send(result);
        });
        verified.await.ok()
    }

    /// Verifies users' transactions, each for itself; one result for each, in order, `None` where too many wait already.
    pub async fn transactions(
        &self,
        transactions: Vec<Transaction>,
    ) -> Vec<Option<Result<Verified<Transaction>, TxError>>> {
        futures::future::join_all(transactions.into_iter().map(|transaction| self.transaction(transaction))).await
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

    fn spawn_turn(&self, peer: Peer) {
        let pool = self.clone();
        self.0.threads.spawn(move || pool.turn(peer));
    }

    /// Works on one peer's queue for a while. Only one thread does so at a time: the one that made the queue, or its successor.
    fn turn(&self, peer: Peer) {
        for _ in 0..TURN_MESSAGES {
            let mut queues = self.lock_queues();
            let queue = queues.by_peer.get_mut(&peer).expect("a queue stays while a thread works on it");
            let Some((since, event)) = queue.events.pop_front() else {
                queues.by_peer.remove(&peer);
                return;
            };
            let bytes = bytes_of(&event);
            queue.bytes -= bytes;
            queues.bytes -= bytes;
            drop(queues);
            if let Some(arrival) = self.work(since, event) {
                // Waits while the runtime is behind; fails when it has stopped, and then nothing matters any more.
                let _ = self.0.out.blocking_send(arrival);
            }
        }
        self.spawn_turn(peer);
    }

    fn work(&self, since: Instant, event: NetEvent) -> Option<Arrival> {
        Some(match event {
            NetEvent::Connected { peer, peer_id, address, outbound } => {
                Arrival::Connected { peer, peer_id, address, outbound }
            }
            NetEvent::Disconnected(peer) => Arrival::Disconnected(peer),
            NetEvent::Member { peer, member } => Arrival::Member { peer, member },
            NetEvent::Malformed { from, reason } => {
                Arrival::Misbehaved { peer: from, fault: Fault::Invalid { what: "bytes", reason } }
            }
            NetEvent::Unanswered(peer) => Arrival::Unanswered(peer),
            NetEvent::RoundTrip { peer, ms, bytes_out, mesh_topics } => {
                Arrival::RoundTrip { peer, ms, bytes_out, mesh_topics }
            }
            NetEvent::Message { from, message, bytes, origin } => {
                return self.verify(since, from, message, bytes, origin);
            }
        })
    }

    fn verify(&self, since: Instant, from: Peer, message: Message, bytes: usize, origin: Origin) -> Option<Arrival> {
        let metrics = &self.0.metrics;
        let kind = message.name();
        let began = Instant::now();
        let known = |hash: &TxHash| self.0.known.read().is_ok_and(|known| known.contains(hash));
        let result = self.verifier().message(message, &known, rand::rng());
        metrics.verify_seconds.observe(began.elapsed().as_secs_f64());
        match result {
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
                metrics.messages_refused.get_or_create(&Kind { kind }).inc();
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
