//! Verification between the network and the runtime: many threads, the messages of one peer in their order.
//!
//! Gossiped messages are judged here, before the runtime sees them, so that forwarding does not wait for it. What a peer
//! sends faster than it can be verified is dropped and counted, peer by peer, so that one flood harms nobody else.
//!
//! Transactions to be ordered, of all peers and users, are gathered: what waits is verified together, its signatures in batches of
//! some 256, as many at a time as there are threads. So batches grow with the load, and nothing waits for a batch to fill. One
//! peer's bad signature makes its batch cost twice, once: its bringer is blamed and let go. A user cannot be let go, so after one
//! of theirs users' transactions make batches of their own for a while.
//!
//! Only transactions to be ordered are overtaken: whatever else peers say is verified apart from them, one peer's waiting messages
//! together, and reaches the runtime by a way of its own ([`Arrivals`]), so that votes do not wait behind a load. While 64 messages
//! with transactions wait for the runtime, no further ones are verified: then they wait here, and beyond the limits are dropped,
//! where peers can be told apart.

mod memory;
mod queues;

use crate::limits::VERIFIED_EVENTS_MAX;
use crate::metrics::{Kind, Metrics};
use crate::ports::{NetCommand, NetEvent, Origin, Reply, Verdict};
use bezant_consensus::engine::{Fault, Peer};
use bezant_consensus::ledger::block::Block;
use bezant_consensus::ledger::genesis::ValidatorSet;
use bezant_consensus::ledger::hash::TxHash;
use bezant_consensus::ledger::rules::TxError;
use bezant_consensus::ledger::transaction::Transaction;
use bezant_consensus::message::Message;
use bezant_consensus::verify::{MessageVerdict, TransactionVerdict, Verified, Verifier};
use libp2p::PeerId;
use memory::{KeyPoints, Known};
use queues::{Batch, Next, Queues, Submission, Timed};
use rayon::iter::{IntoParallelIterator, ParallelIterator};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Instant;
use tokio::sync::{mpsc, oneshot};

/// Messages with transactions that wait for the runtime, above which no more are verified.
const TRANSACTIONS_AHEAD_MAX: usize = 64;
/// Batches that a thread verifies before others have their turn.
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
    known: Known,
    queues: Mutex<Queues>,
    first: mpsc::Sender<Arrival>,
    transactions: mpsc::Sender<Arrival>,
    commands: mpsc::Sender<NetCommand>,
    metrics: Arc<Metrics>,
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
            verifier: RwLock::new(verifier.remembering(Arc::new(KeyPoints::new()))),
            known: Known::new(),
            queues: Mutex::default(),
            first,
            transactions,
            commands,
            metrics,
        }));
        Ok((pool, Arrivals { first: first_out, transactions: transactions_out }))
    }

    /// Takes an event of the network; what comes of it reaches the runtime after all that came from the same peer before.
    pub fn push(&self, event: NetEvent) {
        let mut queues = self.lock_queues();
        // Asked under the lock, here and wherever else: whoever makes room takes it after, and sees what waits then.
        let next = queues.push(event, self.has_room());
        drop(queues);
        match next {
            Ok(None) => {}
            Ok(Some(Next::Events(peer))) => self.spawn(move |pool| pool.turn(peer)),
            Ok(Some(Next::Gather)) => self.spawn(VerifyPool::gather),
            Err(event) => self.throw_away(*event),
        }
    }

    /// The runtime has taken a message with transactions: there may be room for more.
    pub fn go_on(&self) {
        if self.has_room() && self.lock_queues().start_gathering(true) {
            self.spawn(VerifyPool::gather);
        }
    }

    /// Whether the runtime keeps up with transactions.
    fn has_room(&self) -> bool {
        let transactions = &self.0.transactions;
        transactions.max_capacity() - transactions.capacity() < TRANSACTIONS_AHEAD_MAX
    }

    /// Verifies a user's transaction; `None` when too many wait already.
    pub async fn transaction(&self, transaction: Transaction) -> Option<TransactionVerdict> {
        self.transactions(vec![transaction]).await?.pop()
    }

    /// Verifies a user's transactions, and gives a verdict on each, in their order; `None` when too many wait already.
    pub async fn transactions(&self, transactions: Vec<Transaction>) -> Option<Vec<TransactionVerdict>> {
        let (done, verified) = oneshot::channel();
        let submission = Submission { transactions, verified: done };
        let starts = self.lock_queues().submit(submission).ok()?;
        if starts {
            self.spawn(VerifyPool::gather);
        }
        verified.await.ok()
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

    fn spawn(&self, work: impl FnOnce(&VerifyPool) + Send + 'static) {
        let pool = self.clone();
        self.0.threads.spawn(move || work(&pool));
    }

    /// Works on one peer's events for a while. Only one thread does so at a time: the one that was told to begin, or its successor.
    fn turn(&self, peer: Peer) {
        for _ in 0..TURN_BATCHES {
            let events = self.lock_queues().next_events(peer);
            if events.is_empty() {
                return;
            }
            let (slips, messages) = apart(events);
            let verdicts = self.verify(messages, Vec::new()).0;
            self.hand_on(slips, verdicts, &self.0.first);
        }
        self.spawn(move |pool| pool.turn(peer));
    }

    /// Verifies transactions for a while. Only one thread does so at a time, with the help of the others.
    fn gather(&self) {
        for _ in 0..TURN_BATCHES {
            let mut queues = self.lock_queues();
            let batches = queues.gather(self.0.threads.current_num_threads(), self.has_room());
            drop(queues);
            if batches.is_empty() {
                return;
            }
            let judged: Vec<_> = batches.into_par_iter().map(|batch| self.judge_batch(batch)).collect();
            for (slips, verdicts) in judged {
                self.hand_on(slips, verdicts, &self.0.transactions);
            }
        }
        self.spawn(VerifyPool::gather);
    }

    /// Answers users, and says what comes of peers' messages.
    fn judge_batch(&self, batch: Batch) -> (Vec<Slip>, Vec<MessageVerdict>) {
        let (mut transactions, mut answers) = (Vec::new(), Vec::new());
        for submission in batch.submissions {
            answers.push((submission.transactions.len(), submission.verified));
            transactions.extend(submission.transactions);
        }
        let count = transactions.len();
        let (slips, messages) = apart(batch.events);
        let (of_messages, mut of_users) = self.verify(messages, transactions);
        self.0.known.learn(of_users.iter().flatten().map(|verified| verified.get().hash()));
        // However often a user hands in what breaks other rules, that costs no batch its price.
        let any_forged = of_users.iter().any(|verdict| matches!(verdict, Err(TxError::BadSignature(_))));
        for (count, verified) in answers {
            let rest = of_users.split_off(count);
            // Who asked may have gone.
            let _ = verified.send(std::mem::replace(&mut of_users, rest));
        }
        self.lock_queues().answered(count, any_forged);
        (slips, of_messages)
    }

    fn verify(
        &self,
        messages: Vec<Message>,
        transactions: Vec<Transaction>,
    ) -> (Vec<MessageVerdict>, Vec<TransactionVerdict>) {
        if messages.is_empty() && transactions.is_empty() {
            return (Vec::new(), Vec::new());
        }
        let known = |hash: &TxHash| self.0.known.contains(hash);
        let began = Instant::now();
        let verdicts = self.verifier().together(messages, transactions, &known, rand::rng());
        self.0.metrics.verify_seconds.observe(began.elapsed().as_secs_f64());
        verdicts
    }

    /// Hands on what has come of events, in their order.
    fn hand_on(&self, slips: Vec<Slip>, verdicts: Vec<MessageVerdict>, out: &mpsc::Sender<Arrival>) {
        let mut verdicts = verdicts.into_iter();
        for slip in slips {
            let arrival = match slip {
                Slip::Done(arrival) => Some(arrival),
                Slip::Message { from, kind, bytes, since, origin } => {
                    let verdict = verdicts.next().expect("each message has its verdict");
                    self.arrive(from, kind, bytes, since, origin, verdict)
                }
            };
            if let Some(arrival) = arrival {
                // Waits while the runtime is behind; fails when it has stopped, and then nothing matters any more.
                let _ = out.blocking_send(arrival);
            }
        }
    }

    fn arrive(
        &self,
        from: Peer,
        kind: &'static str,
        bytes: usize,
        since: Instant,
        origin: Origin,
        verdict: MessageVerdict,
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
            Message::Transaction(transaction) => self.0.known.learn([transaction.hash()]),
            Message::TransactionBatch(batch) => {
                self.0.known.learn(batch.0.iter().map(Transaction::hash).collect::<Vec<_>>())
            }
            Message::PrePrepare(proposal) => self.0.known.learn(hashes(&proposal.block)),
            Message::CompactBlock(compact) => {
                let others = compact.prefilled.iter().filter(|it| it.index > 0);
                self.0.known.learn(others.map(|it| it.transaction.hash()).collect::<Vec<_>>());
            }
            Message::Transactions(answer) => {
                self.0.known.learn(answer.transactions.iter().map(Transaction::hash).collect::<Vec<_>>());
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
            Message::Overdue(overdue) => self.0.known.learn(overdue.transactions.iter().map(Transaction::hash)),
        }
    }
}

/// An event whose verdict is awaited, or that needs none.
enum Slip {
    Done(Arrival),
    Message { from: Peer, kind: &'static str, bytes: usize, since: Instant, origin: Origin },
}

/// The messages among these events, and a slip for each event, in their order.
fn apart(events: Vec<Timed>) -> (Vec<Slip>, Vec<Message>) {
    let (mut slips, mut messages) = (Vec::with_capacity(events.len()), Vec::new());
    for (since, event) in events {
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
    (slips, messages)
}
