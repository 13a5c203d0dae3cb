//! The one loop that owns the replica. It takes what has arrived, tells the replica, and executes what comes out.
//!
//! # How the executor's contract is kept
//! A round takes up to [`INPUTS_PER_ROUND_MAX`] inputs that are there already. Their outputs are kept in order; all records among
//! them are pulled forward into one commit, which is fsynced when it returns; then everything else is executed, in order. So
//! nothing that rests on a record happens before it is durable, and many votes share one fsync. The view answers for a record
//! from the moment it comes out of the replica. If the commit fails, nothing of the round happens, and the node stops.
//!
//! Chain updates go to the writer of the state, in order, after their round's commit. It reports how far it is, and that is told
//! to the replica.
//!
//! What peers say of consensus is taken before transactions to be ordered and before what users ask, and a round takes
//! [`TRANSACTIONS_PER_ROUND`] of them and no more: under load it is those that wait.
//!
//! A question ends its round, so that the answer and the number of the next event belong together.

mod answer;
mod execute;
pub(crate) mod lies;
pub(crate) mod links;
mod mining;
mod notice;
mod peers;
mod recent;
mod saving;
pub(crate) mod signals;

use crate::clock::Clock;
use crate::error::NodeError;
use crate::events::Hub;
use crate::handle::{Request, Room};
use crate::limits::{INPUTS_PER_ROUND_MAX, TRANSACTIONS_PER_ROUND};
use crate::metrics::Metrics;
use crate::pool_file;
use crate::ports::{NetCommand, Reply};
use crate::store::{Facts, Flushed, Opened, StateWriter, StoreError};
use crate::verify_pool::{Arrival, Arrivals, VerifyPool};
use bezant_consensus::engine::{Peer, Record};
use bezant_consensus::ledger::genesis::Genesis;
use bezant_consensus::message::Message;
use bezant_miner::Solution;
use bezant_node_core::io::{Admitted, Input, Output, Refusal, Refused};
use bezant_node_core::{Replica, ReplicaConfig};
use libp2p::PeerId;
use lies::Lies;
use links::LinkTable;
use mining::Mining;
pub(crate) use mining::MiningSetup;
use peers::PeerTable;
use recent::Recent;
use saving::Saving;
use std::collections::BTreeMap;
use std::fs::File;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot, watch};

/// What the runtime is started with.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) config: ReplicaConfig,
    pub(crate) opened: Opened,
    pub(crate) clock: Clock,
    pub(crate) metrics: Arc<Metrics>,
    /// Told whether transactions are handed in faster than they get ordered.
    pub(crate) room: Arc<Room>,
    pub(crate) peer_id: PeerId,
    pub(crate) arrivals: Arrivals,
    pub(crate) commands: mpsc::Sender<NetCommand>,
    pub(crate) pool: VerifyPool,
    pub(crate) requests: mpsc::Receiver<Request>,
    /// Proof of work: who mines.
    pub(crate) mining: MiningSetup,
    /// Whether the node is of any use without peers.
    pub(crate) needs_peers: bool,
    /// Where the mempool is kept.
    pub(crate) pool_file: PathBuf,
    /// Least time between two writings of it.
    pub(crate) save_pause: Duration,
    /// Where what was kept there is handed in again.
    pub(crate) restored: mpsc::Sender<Request>,
    /// Becomes true when the runtime is to stop.
    pub(crate) stop: watch::Receiver<bool>,
}

/// Starts the runtime on a thread of its own, which may wait for the disk. The receiver hears how it ended, after the state was
/// flushed and the data directory unlocked.
///
/// # Errors
/// When no thread can be started.
pub(crate) fn spawn(setup: Setup) -> std::io::Result<oneshot::Receiver<Result<(), NodeError>>> {
    let (done, ended) = oneshot::channel();
    let runtime = tokio::runtime::Handle::current();
    std::thread::Builder::new().name("bezant-core".to_owned()).spawn(move || {
        signals::ignore_file_size_signal();
        let run = AssertUnwindSafe(|| runtime.block_on(run(setup)));
        let result = std::panic::catch_unwind(run).unwrap_or_else(|payload| {
            // The view unwinds with a StoreError when a file cannot be read; anything else is a fault of our own.
            Err(payload.downcast::<StoreError>().map_or(NodeError::Ended("the runtime"), |error| (*error).into()))
        });
        // Nobody waits any more when the process is going down already.
        let _ = done.send(result);
    })?;
    Ok(ended)
}

async fn run(setup: Setup) -> Result<(), NodeError> {
    let Opened { lock, facts, state, view, base, records, supply, coins } = setup.opened;
    let now = setup.clock.now();
    let (genesis, flushed) = (setup.config.engine.genesis.clone(), state.flushed());
    let network = genesis.network_id();
    let lies = Lies::new(&setup.config.engine);
    let saved = pool_file::read_or_warn(&setup.pool_file, &network);
    let (replica, outputs) = Replica::restore(setup.config, Box::new(view), base, records, now);
    let (mining, solutions) = Mining::new(setup.mining, genesis.ledger.clone());
    let mut saving = Saving::new(setup.pool_file, network, setup.save_pause);
    if saved.is_empty() {
        saving.all_is_loaded(replica.mempool());
    } else {
        tokio::spawn(pool_file::restore(saved, setup.pool.clone(), setup.restored));
    }
    let mut inbox = Inbox {
        arrivals: setup.arrivals,
        pool: setup.pool.clone(),
        requests: setup.requests,
        solutions,
        flushed,
        stop: setup.stop,
        is_users_turn: false,
    };
    let mut core = Core {
        replica,
        genesis,
        facts,
        state,
        clock: setup.clock,
        metrics: setup.metrics,
        room: setup.room,
        hub: Hub::default(),
        peer_id: setup.peer_id,
        commands: setup.commands,
        pool: setup.pool,
        peers: PeerTable::default(),
        recent: Recent::default(),
        mining,
        lies,
        links: LinkTable::default(),
        owed: BTreeMap::new(),
        submissions: BTreeMap::new(),
        packages: BTreeMap::new(),
        saving,
        last_submission: 0,
        supply,
        coins,
        switched: 0,
        needs_peers: setup.needs_peers,
        _lock: lock,
    };
    let result = core.go(&mut inbox, outputs).await;
    core.stop(result)
}

/// Where work comes from. Every source but the flush is bounded; the flush is one value.
struct Inbox {
    arrivals: Arrivals,
    pool: VerifyPool,
    requests: mpsc::Receiver<Request>,
    solutions: mpsc::Receiver<Solution>,
    flushed: watch::Receiver<Flushed>,
    stop: watch::Receiver<bool>,
    /// Whether a user's request goes before transactions of peers the next time.
    is_users_turn: bool,
}

/// One thing to do.
enum Work {
    Arrival(Arrival),
    Request(Request),
    Solved(Solution),
    Flushed(Flushed),
    Wake,
    /// The network can take a command.
    Room,
    Stop,
}

impl Inbox {
    /// What comes next; with `full`, also that there is room in it.
    async fn next(&mut self, deadline: Option<Duration>, full: Option<&mpsc::Sender<NetCommand>>) -> Work {
        let wake = async move {
            match deadline {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        let room = async move {
            match full {
                // Given back at once; whoever takes it first, it comes again. An error means that the network is gone.
                Some(commands) => drop(commands.reserve().await),
                None => std::future::pending().await,
            }
        };
        self.is_users_turn = !self.is_users_turn;
        let (is_users_turn, requests, transactions) =
            (self.is_users_turn, &mut self.requests, &mut self.arrivals.transactions);
        let to_order = async {
            let (request, arrival) = if is_users_turn {
                tokio::select! { biased; it = requests.recv() => (it, None), it = transactions.recv() => (None, it) }
            } else {
                tokio::select! { biased; it = transactions.recv() => (None, it), it = requests.recv() => (it, None) }
            };
            match (request, arrival) {
                (Some(request), _) => Work::Request(request),
                (None, Some(arrival)) => Work::Arrival(arrival),
                // The node is stopping, and says so in its own way.
                (None, None) => std::future::pending().await,
            }
        };
        let work = tokio::select! {
            biased;
            _ = self.stop.wait_for(|stop| *stop) => Work::Stop,
            changed = self.flushed.changed() => match changed {
                Ok(()) => Work::Flushed(self.flushed.borrow_and_update().clone()),
                // The writer is gone without having said why: it panicked.
                Err(_) => Work::Flushed(Flushed::writer_stopped()),
            },
            Some(arrival) = self.arrivals.first.recv() => Work::Arrival(arrival),
            Some(solution) = self.solutions.recv() => Work::Solved(solution),
            () = wake => Work::Wake,
            () = room => Work::Room,
            work = to_order => work,
        };
        if matches!(work, Work::Arrival(_)) {
            self.pool.go_on();
        }
        work
    }

    /// What is there already; transactions, and what users ask, only `with_transactions`.
    fn next_now(&mut self, with_transactions: bool) -> Option<Work> {
        if let Ok(arrival) = self.arrivals.first.try_recv() {
            return Some(Work::Arrival(arrival));
        }
        if let Ok(solution) = self.solutions.try_recv() {
            return Some(Work::Solved(solution));
        }
        if !with_transactions {
            return None;
        }
        self.is_users_turn = !self.is_users_turn;
        if self.is_users_turn
            && let Ok(request) = self.requests.try_recv()
        {
            return Some(Work::Request(request));
        }
        if let Ok(arrival) = self.arrivals.transactions.try_recv() {
            self.pool.go_on();
            return Some(Work::Arrival(arrival));
        }
        self.requests.try_recv().ok().map(Work::Request)
    }
}

impl Work {
    /// How many transactions to be ordered it brings; 1 for a user's question.
    fn transactions(&self) -> usize {
        match self {
            Work::Arrival(Arrival::Message { message, .. }) => match message.get() {
                Message::Transaction(_) => 1,
                Message::TransactionBatch(batch) => batch.0.len(),
                _ => 0,
            },
            Work::Request(Request::SubmitPackage { transactions, .. } | Request::Restore { transactions, .. }) => {
                transactions.len()
            }
            Work::Request(Request::SubmitMany { submissions }) => submissions.len(),
            Work::Request(_) => 1,
            Work::Arrival(_) | Work::Solved(_) | Work::Flushed(_) | Work::Wake | Work::Room | Work::Stop => 0,
        }
    }
}

/// What one input led to.
#[derive(Default)]
struct Step {
    outputs: Vec<Output>,
    /// The input was a request of this peer; its answer goes here.
    reply: Option<(Peer, Reply)>,
    /// To be answered after the outputs.
    question: Option<Request>,
}

struct Core {
    replica: Replica,
    genesis: Arc<Genesis>,
    facts: Facts,
    state: StateWriter,
    clock: Clock,
    metrics: Arc<Metrics>,
    room: Arc<Room>,
    hub: Hub,
    peer_id: PeerId,
    commands: mpsc::Sender<NetCommand>,
    pool: VerifyPool,
    peers: PeerTable,
    recent: Recent,
    mining: Mining,
    lies: Lies,
    /// Dev nets: faults of this node's links.
    links: LinkTable,
    /// What the network has to be told and had no room for, the newest of each kind.
    owed: BTreeMap<&'static str, NetCommand>,
    /// Users' transactions whose answer is on its way within this round. Invariant: empty between rounds.
    submissions: BTreeMap<u64, oneshot::Sender<Result<Admitted, Refusal>>>,
    /// The same for packages.
    packages: BTreeMap<u64, oneshot::Sender<Result<Vec<Admitted>, Refused>>>,
    last_submission: u64,
    saving: Saving,
    /// Sum of all coins at the tip, grains.
    supply: u64,
    /// Number of coins at the tip.
    coins: u64,
    /// Number of the last switch to a snapshot that is in `supply` and `coins`.
    switched: u64,
    needs_peers: bool,
    /// Dropped last.
    _lock: File,
}

impl Core {
    async fn go(&mut self, inbox: &mut Inbox, restored: Vec<Output>) -> Result<(), NodeError> {
        self.finish_round(vec![Step { outputs: restored, ..Step::default() }])?;
        loop {
            let deadline = [self.replica.deadline(), self.lies.deadline()].into_iter().flatten().min();
            let deadline = deadline.map(|deadline| self.clock.until(deadline));
            let save = self.saving.deadline(self.replica.mempool());
            let fault = self.links.deadline(Instant::now());
            let deadline = deadline.into_iter().chain(save).chain(fault).min();
            let full = Some(&self.commands).filter(|_| !self.owed.is_empty());
            let mut work = Some(inbox.next(deadline, full).await);
            // Before this round's messages take the room.
            self.tell_what_is_owed();
            let mut steps = Vec::new();
            let mut records = Vec::new();
            let mut transactions = 0;
            while let Some(item) = work.take() {
                transactions += item.transactions();
                if matches!(item, Work::Stop) {
                    self.execute_round(records, steps)?;
                    return Ok(());
                }
                let mut step = self.take(item)?;
                self.hand_out(&mut step, &mut records);
                let is_over = step.question.is_some() || steps.len() + 1 >= INPUTS_PER_ROUND_MAX;
                steps.push(step);
                work = if is_over { None } else { inbox.next_now(transactions < TRANSACTIONS_PER_ROUND) };
            }
            self.execute_round(records, steps)?;
        }
    }

    fn finish_round(&mut self, mut steps: Vec<Step>) -> Result<(), NodeError> {
        let mut records = Vec::new();
        steps.iter_mut().for_each(|step| self.hand_out(step, &mut records));
        self.execute_round(records, steps)
    }

    /// Takes the records out of a step's outputs; from now on the view answers for them.
    fn hand_out(&self, step: &mut Step, records: &mut Vec<Record>) {
        let outputs = std::mem::take(&mut step.outputs);
        for output in outputs {
            if let Output::Persist(record) = output {
                self.facts.hand_out(&record);
                records.push(record);
            } else {
                step.outputs.push(output);
            }
        }
    }

    fn execute_round(&mut self, records: Vec<Record>, steps: Vec<Step>) -> Result<(), NodeError> {
        if !records.is_empty() {
            let began = Instant::now();
            self.facts.commit(&records)?;
            self.metrics.commit_seconds.observe(began.elapsed().as_secs_f64());
            self.metrics.commit_records.observe(records.len() as f64);
        }
        for step in steps {
            self.execute(step)?;
        }
        // A request that the replica did not answer within its call is dropped with its step; a submission always is answered.
        self.submissions.clear();
        self.packages.clear();
        self.saving.go_on(self.replica.mempool());
        self.go_on_mining()?;
        self.say_what_was_held();
        self.end_links();
        self.measure();
        Ok(())
    }

    /// Tells the replica.
    fn tell(&mut self, input: Input) -> Step {
        let outputs = self.replica.handle(self.clock.now(), input);
        Step { outputs, ..Step::default() }
    }

    fn take(&mut self, work: Work) -> Result<Step, NodeError> {
        Ok(match work {
            Work::Arrival(arrival) => self.take_arrival(arrival),
            Work::Request(Request::Submit { transaction, reply }) => {
                self.last_submission += 1;
                let request = self.last_submission;
                self.submissions.insert(request, reply);
                self.tell(Input::Submit { request, transaction })
            }
            Work::Request(Request::SubmitMany { submissions }) => {
                let mut outputs = Vec::new();
                for (transaction, reply) in submissions {
                    self.last_submission += 1;
                    let request = self.last_submission;
                    self.submissions.insert(request, reply);
                    outputs.extend(self.tell(Input::Submit { request, transaction }).outputs);
                }
                Step { outputs, ..Step::default() }
            }
            Work::Request(Request::SubmitPackage { transactions, reply }) => {
                self.last_submission += 1;
                let request = self.last_submission;
                self.packages.insert(request, reply);
                self.tell(Input::SubmitPackage { request, transactions })
            }
            Work::Request(Request::Restore { transactions, is_last }) => {
                let mut outputs = Vec::new();
                for transaction in transactions {
                    outputs.extend(self.tell(Input::Restored(transaction)).outputs);
                }
                if is_last {
                    self.saving.all_is_loaded(self.replica.mempool());
                }
                Step { outputs, ..Step::default() }
            }
            Work::Request(question) => Step { question: Some(question), ..Step::default() },
            Work::Solved(Solution { ticket, block }) => {
                if let Some(said) = self.lies.solved(&block) {
                    said.into_iter().for_each(|(to, message)| self.say(to, message, &mut None));
                    return Ok(Step::default());
                }
                self.mining.found(block.id());
                self.tell(Input::Solved { ticket, block })
            }
            Work::Flushed(flushed) => {
                if let Some(error) = flushed.failed {
                    return Err(error.into());
                }
                if let Some(totals) = flushed.switched.filter(|totals| totals.sequence > self.switched) {
                    // From the switch until this is told nothing was connected.
                    self.switched = totals.sequence;
                    (self.supply, self.coins) = (totals.supply, totals.coins);
                }
                self.facts.forget_votes(flushed.final_height);
                self.recent.flushed(flushed.sequence);
                self.tell(Input::Flushed { sequence: flushed.sequence })
            }
            Work::Wake => self.tell(Input::Wake),
            Work::Room | Work::Stop => Step::default(),
        })
    }

    fn take_arrival(&mut self, arrival: Arrival) -> Step {
        match arrival {
            Arrival::Connected { peer, peer_id, address, outbound } => {
                self.peers.connected(peer, peer_id, address, outbound);
                self.publish_peer(&peer_id, true);
                self.tell(Input::Connected(peer))
            }
            Arrival::Disconnected(peer) => {
                if let Some(peer_id) = self.peers.disconnected(peer) {
                    self.publish_peer(&peer_id, false);
                }
                self.tell(Input::Disconnected(peer))
            }
            Arrival::Member { peer, member } => {
                self.peers.is_member(peer, member);
                Step::default()
            }
            Arrival::RoundTrip { peer, ms, bytes_out, mesh_topics } => {
                self.peers.round_trip(peer, ms, bytes_out, mesh_topics);
                Step::default()
            }
            Arrival::Message { from, message, bytes, since, reply } => {
                self.peers.heard(from, bytes);
                let waited_ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
                for (to, message) in self.lies.heard(message.get()) {
                    self.say(to, message, &mut None);
                }
                if let Message::Tip(tip) = message.get() {
                    self.peers.claims(from, tip.height);
                }
                let step = self.tell(Input::Message { from, message, waited_ms });
                Step { reply: reply.map(|reply| (from, reply)), ..step }
            }
            Arrival::Misbehaved { peer, fault } => self.tell(Input::Misbehaved { peer, fault }),
            Arrival::Unanswered(peer) => self.tell(Input::Unanswered(peer)),
        }
    }

    fn measure(&mut self) {
        self.room.tell(self.replica.has_backlog(self.clock.now()));
        let (tip, mempool) = (self.replica.chain().tip(), self.replica.mempool());
        let gauge = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        self.metrics.height.set(gauge(tip.height.0));
        self.metrics.final_height.set(gauge(self.replica.chain().final_height().0));
        self.metrics.peers.set(gauge(self.peers.count() as u64));
        self.metrics.mempool_transactions.set(gauge(mempool.len() as u64));
        self.metrics.mempool_bytes.set(gauge(mempool.bytes() as u64));
        self.mining.sample();
        self.metrics.hashes_per_second.set(self.mining.rate());
    }

    /// Stops in order: the search, then the state; what it could not flush is connected again from the facts next time.
    fn stop(mut self, result: Result<(), NodeError>) -> Result<(), NodeError> {
        drop(self.mining);
        self.saving.finish(self.replica.mempool());
        // Readers close before writers: the last connection to a file puts its log into it.
        drop(self.replica);
        let flushed = self.state.stop();
        if let Err(error) = &flushed {
            tracing::error!(%error, "the last flush failed; nothing final is lost, the next start makes it again");
        }
        result.and(flushed.map_err(NodeError::from))
    }
}
