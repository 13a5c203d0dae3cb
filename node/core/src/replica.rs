//! The replica: an engine, a mempool and a policy towards peers.
//!
//! # Order of outputs
//! Outputs that come from the engine's effects stand in exactly the effects' order, so the contract of
//! [`bezant_consensus::engine`] holds for them. What the replica adds of its own (answers, notices, transactions) rests on
//! nothing durable and may stand anywhere between.
//!
//! The engine's questions are answered in the same call: first all effects of the list that asked are executed, then the mempool
//! is brought in line with the chain, then the question is answered, and the answer's effects are executed after it; and so on
//! until nothing is left. Then the engine is told whether what is due has changed, which may start over.

use crate::io::{Admitted, Input, Notice, Output, Refusal, Refused, Trial, Tried};
use crate::lies::Target;
use crate::limits::{BACKLOG_COUNT_MIN, BACKLOG_MS, REANNOUNCE_COUNT_MAX, REANNOUNCE_INTERVAL_MS};
use crate::mempool::{FeeEstimate, Mempool, MempoolConfig, Next, Order, Taken};
use crate::peers::Conduct;
use bezant_consensus::chain::snapshot::SnapshotStep;
use bezant_consensus::chain::{Base, Chain, Store, Tip};
use bezant_consensus::engine::{
    Effect, Engine, EngineConfig, Event, Fault, Instruction, InstructionError, OverdueRequest, PayloadRequest, Peer,
    Record, Status as EngineStatus, To,
};
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::block::Block;
use bezant_consensus::ledger::genesis::{EngineParams, Genesis};
use bezant_consensus::ledger::hash::{BlockId, TxHash};
use bezant_consensus::ledger::transaction::{Body, Transaction};
use bezant_consensus::ledger::units::{Height, Time};
use bezant_consensus::message::relay::{CompactPrePrepare, ShortId, ShortIds};
use bezant_consensus::message::{Message, TipInfo};
use bezant_consensus::pbft::Pbft;
use bezant_consensus::pow::Pow;
use bezant_consensus::verify::{Unpacked, Verified};
pub use proposals::compact;
use proposals::{Proposals, Ready};
use relay::Relay;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

mod proposals;
mod relay;
#[cfg(test)]
mod tests;

/// How a replica is set up; the same for the whole of a run.
#[derive(Clone, Debug)]
pub struct ReplicaConfig {
    /// Of the engine.
    pub engine: EngineConfig,
    /// Of the mempool; [`MempoolConfig::check`] says whether it will do.
    pub mempool: MempoolConfig,
}

/// For display only.
#[derive(Clone, Debug, PartialEq)]
pub struct ReplicaStatus {
    /// Of the engine.
    pub engine: EngineStatus,
    /// The tip.
    pub tip: Tip,
    /// Up to this height blocks are final.
    pub final_height: Height,
    /// Transactions in the mempool.
    pub mempool_count: usize,
    /// Their bytes.
    pub mempool_bytes: usize,
    /// Transactions that wait for one that they spend from.
    pub orphans: usize,
    /// Since when, as the engine was told, the longest-waiting transaction has been due.
    pub oldest_due: Option<Time>,
    /// Peers connected.
    pub peers: usize,
}

/// An engine, a mempool and a policy towards peers; see the module.
pub struct Replica {
    engine: Box<dyn Engine>,
    genesis: Arc<Genesis>,
    order: Order,
    drift_ms: u64,
    mempool: Mempool,
    conduct: Conduct,
    /// What the engine was told last of what is due.
    oldest_told: Option<Time>,
    /// Transactions on their way to all peers.
    relay: Relay,
    /// Proposals whose transactions are not all here.
    proposals: Proposals,
    /// Transactions are not sent again before.
    announce_from: Time,
    /// What the blocks of the last question hold, so that each is read once.
    above: BTreeMap<BlockId, Arc<Taken>>,
    /// What the blocks made here go without.
    left_out: Option<Target>,
}

impl std::fmt::Debug for Replica {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replica").field("status", &self.status()).finish_non_exhaustive()
    }
}

/// One call's work.
struct Call {
    now: Time,
    outputs: Vec<Output>,
    effects: VecDeque<Effect>,
    questions: VecDeque<Question>,
}

/// What waits until the mempool is in line with the chain.
enum Question {
    Payload(PayloadRequest),
    Overdue(OverdueRequest),
    Known {
        block: BlockId,
        names: ShortIds,
        wanted: Vec<ShortId>,
    },
    /// No question, but answered by the mempool all the same.
    Admit {
        peer: Peer,
        member: u16,
        transactions: Vec<Transaction>,
    },
}

impl Replica {
    /// The replica as it was when the node stopped: the flushed chain and the records made durable since. The engine is that of
    /// the genesis.
    ///
    /// # Panics
    /// When the mempool's configuration does not pass [`MempoolConfig::check`].
    #[must_use]
    pub fn restore(
        config: ReplicaConfig,
        store: Box<dyn Store>,
        base: Base,
        records: Vec<Record>,
        now: Time,
    ) -> (Replica, Vec<Output>) {
        let genesis = config.engine.genesis.clone();
        let (engine, effects): (Box<dyn Engine>, Vec<Effect>) = match &genesis.engine {
            EngineParams::Pbft(_) => {
                let (engine, effects) = Pbft::restore(config.engine, store, base, records);
                (Box::new(engine), effects)
            }
            EngineParams::Pow(_) => {
                let (engine, effects) = Pow::restore(config.engine, store, base, records);
                (Box::new(engine), effects)
            }
        };
        Replica::with_engine(genesis, config.mempool, engine, effects, now)
    }

    /// A replica around an engine that was made elsewhere, with the effects that its making left to execute.
    ///
    /// # Panics
    /// When the mempool's configuration does not pass [`MempoolConfig::check`].
    #[must_use]
    pub fn with_engine(
        genesis: Arc<Genesis>,
        mempool: MempoolConfig,
        engine: Box<dyn Engine>,
        effects: Vec<Effect>,
        now: Time,
    ) -> (Replica, Vec<Output>) {
        if let Err(error) = mempool.check() {
            panic!("the configuration is checked before a replica is made: {error}");
        }
        let (order, drift_ms) = match &genesis.engine {
            EngineParams::Pbft(params) => (Order::Arrival, u64::from(params.drift_s) * 1_000),
            EngineParams::Pow(_) => (Order::FeeRate, 0),
        };
        let mut replica = Replica {
            engine,
            mempool: Mempool::new(mempool, order, &genesis.ledger),
            genesis,
            order,
            drift_ms,
            conduct: Conduct::default(),
            oldest_told: None,
            relay: Relay::default(),
            proposals: Proposals::default(),
            announce_from: Time(0),
            above: BTreeMap::new(),
            left_out: None,
        };
        let mut call = Call::new(now);
        call.effects.extend(effects);
        replica.execute(&mut call);
        (replica, call.outputs)
    }

    /// Takes one input and returns what is to be done, in order.
    pub fn handle(&mut self, now: Time, input: Input) -> Vec<Output> {
        let mut call = Call::new(now);
        self.drop_expired(&mut call);
        match input {
            Input::Connected(peer) => {
                self.conduct.connected(peer);
                self.tell(&mut call, Event::Connected(peer));
            }
            Input::Disconnected(peer) => {
                self.conduct.disconnected(peer);
                self.mempool.disconnected(peer);
                self.tell(&mut call, Event::Disconnected(peer));
            }
            Input::Message { from, message, waited_ms } => self.take_message(&mut call, from, message, waited_ms),
            Input::Misbehaved { peer, fault } => self.blame(&mut call, peer, fault),
            Input::Unanswered(peer) => self.tell(&mut call, Event::Unanswered(peer)),
            Input::Submit { request, transaction } => self.submit(&mut call, request, transaction),
            Input::SubmitPackage { request, transactions } => self.submit_package(&mut call, request, transactions),
            Input::Restored(transaction) => self.admit_from(&mut call, NOBODY, transaction.into_inner()),
            Input::Solved { ticket, block } => self.tell(&mut call, Event::Solved { ticket, block }),
            Input::Flushed { sequence } => self.tell(&mut call, Event::Flushed { sequence }),
            Input::Instruct(instruction) => self.tell(&mut call, Event::Instruction(instruction)),
            Input::BlockNow => self.tell(&mut call, Event::BlockNow),
            Input::Wake => self.tell(&mut call, Event::Wake),
        }
        self.execute(&mut call);
        self.announce_again(&mut call);
        call.say(self.relay.due(now));
        self.ask_for_missing(&mut call);
        if cfg!(debug_assertions) && self.mempool.len() <= CHECKED_COUNT_MAX {
            self.mempool.check();
        }
        call.outputs
    }

    /// When an [`Input::Wake`] is wanted; extra ones are harmless.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        let announcement = self.mempool.next_announcement().map(|at| at.max(self.announce_from));
        let due = self.mempool.next_due().filter(|due| Some(*due) != self.oldest_told);
        let own = [announcement, self.relay.deadline(), self.proposals.deadline(), due, self.mempool.next_expiry()];
        own.into_iter().chain([self.engine.deadline()]).flatten().min()
    }

    /// The active chain.
    #[must_use]
    pub fn chain(&self) -> &Chain {
        self.engine.chain()
    }

    /// The active chain, for bringing its commitment up to date.
    pub fn chain_mut(&mut self) -> &mut Chain {
        self.engine.chain_mut()
    }

    /// For display only.
    #[must_use]
    pub fn status(&self) -> ReplicaStatus {
        ReplicaStatus {
            engine: self.engine.status(),
            tip: self.chain().tip(),
            final_height: self.chain().final_height(),
            mempool_count: self.mempool.len(),
            mempool_bytes: self.mempool.bytes(),
            orphans: self.mempool.orphans(),
            oldest_due: self.oldest_told,
            peers: self.conduct.count(),
        }
    }

    /// Where this replica stands, as it tells its peers.
    #[must_use]
    pub fn tip_info(&self) -> TipInfo {
        self.engine.tip_info()
    }

    /// What a peer has done wrong of late: 0 is good, from [`BAN_SCORE`](crate::limits::BAN_SCORE) on it is banned.
    #[must_use]
    pub fn score(&self, now: Time, peer: Peer) -> u64 {
        self.conduct.score(now, peer)
    }

    /// The waiting transactions.
    #[must_use]
    pub fn mempool(&self) -> &Mempool {
        &self.mempool
    }

    /// Whether more is handed in than gets ordered, so that users had better come back later: what waits is ordered as it came, and
    /// one more would wait longer than all of them. Never under proof of work, where who pays more does not wait.
    #[must_use]
    pub fn has_backlog(&self, now: Time) -> bool {
        self.order == Order::Arrival
            && self.mempool.len() >= BACKLOG_COUNT_MIN
            && self.mempool.oldest_ready().is_some_and(|ready| ready.plus_ms(BACKLOG_MS) <= now)
    }

    /// Proof of work: whether an instruction can be carried out by [`Input::Instruct`].
    ///
    /// # Errors
    /// Why not; always under PBFT.
    pub fn admits_instruction(&self, instruction: &Instruction) -> Result<(), InstructionError> {
        self.engine.admits_instruction(instruction)
    }

    /// Lies of dev nets and simulations: the blocks made here go without this from now on.
    pub fn leave_out(&mut self, target: Option<Target>) {
        self.left_out = target;
    }

    /// What submitting this, or this package, would do, without doing it.
    ///
    /// # Errors
    /// As [`Output::Submitted`] and [`Output::PackageSubmitted`] would tell.
    pub fn test_accept(&mut self, now: Time, transactions: &[Verified<Transaction>]) -> Result<Trial, Refused> {
        if let [only] = transactions
            && matches!(only.get().body(), Body::Epoch(_))
        {
            let (txid, bytes) = (only.get().id(), only.get().bytes());
            let admits = self.engine.admits_change(only.get());
            admits.map_err(|error| Refused { txid: Some(txid), refusal: Refusal::Rule(error) })?;
            let tried = Tried { txid, known: false, fee: Some(Amount::ZERO), bytes };
            return Ok(Trial { transactions: vec![tried], replaces: Vec::new(), evicts: Vec::new() });
        }
        let next = next_block(&*self.engine, &self.genesis, self.drift_ms, now);
        let transactions: Vec<Transaction> = transactions.iter().map(|transaction| transaction.get().clone()).collect();
        self.mempool.test(next, &transactions)
    }

    /// Which fee rate is likely to bring a transaction into one of the next `blocks` blocks.
    #[must_use]
    pub fn estimate_fee(&mut self, now: Time, blocks: u32) -> FeeEstimate {
        self.mempool.estimate(now, &self.genesis.ledger, blocks)
    }

    fn tell(&mut self, call: &mut Call, event: Event) {
        call.effects.extend(self.engine.handle(call.now, event));
    }

    fn take_message(&mut self, call: &mut Call, from: Peer, message: Verified<Message>, waited_ms: u64) {
        if self.conduct.is_banned(from) {
            return;
        }
        match message.unpack() {
            Unpacked::Transactions(transactions) => {
                transactions.into_iter().for_each(|transaction| self.admit_from(call, from, transaction));
            }
            Unpacked::Change(change) => self.tell(call, Event::Change(change)),
            Unpacked::Proposal(proposal) => self.take_proposal(call, from, proposal, waited_ms),
            Unpacked::Answer(answer) if self.genesis.pbft().is_some() => {
                for ready in self.proposals.answered(answer.into_inner()) {
                    self.take_complete(call, ready);
                }
            }
            Unpacked::Answer(answer) => self.tell(call, Event::Message { from, message: answer.into(), waited_ms }),
            Unpacked::Question(question) => {
                if let Some(message) = self.engine.answer(&question) {
                    call.outputs.push(Output::Send { to: To::Peer(from), message });
                }
            }
            Unpacked::Engine(message) => self.tell(call, Event::Message { from, message, waited_ms }),
        }
    }

    fn submit(&mut self, call: &mut Call, request: u64, transaction: Verified<Transaction>) {
        if matches!(transaction.get().body(), Body::Epoch(_)) {
            return self.submit_change(call, request, transaction);
        }
        let transaction = transaction.into_inner();
        let next = next_block(&*self.engine, &self.genesis, self.drift_ms, call.now);
        let mut notices = Vec::new();
        let result = self.mempool.admit(next, transaction.clone(), &mut notices);
        call.notice(notices);
        self.learn(call, &transaction);
        if let Ok(Admitted { known: false, .. }) = result {
            call.say(self.relay.add(call.now, transaction));
        }
        call.outputs.push(Output::Submitted { request, result });
    }

    fn submit_package(&mut self, call: &mut Call, request: u64, transactions: Vec<Verified<Transaction>>) {
        let transactions: Vec<Transaction> = transactions.into_iter().map(Verified::into_inner).collect();
        let next = next_block(&*self.engine, &self.genesis, self.drift_ms, call.now);
        let mut notices = Vec::new();
        let result = self.mempool.admit_package(next, &transactions, &mut notices);
        call.notice(notices);
        // Parents first: who takes none of them alone keeps them until the child has come.
        for (transaction, admitted) in transactions.iter().zip(result.iter().flatten()) {
            if !admitted.known {
                call.say(self.relay.add(call.now, transaction.clone()));
            }
        }
        call.outputs.push(Output::PackageSubmitted { request, result });
    }

    fn admit_from(&mut self, call: &mut Call, from: Peer, transaction: Transaction) {
        let next = next_block(&*self.engine, &self.genesis, self.drift_ms, call.now);
        let mut notices = Vec::new();
        self.mempool.admit_from(next, from, transaction.clone(), &mut notices);
        call.notice(notices);
        self.learn(call, &transaction);
    }

    /// A transaction was verified: proposals may have waited for it, whatever the mempool says of it.
    fn learn(&mut self, call: &mut Call, transaction: &Transaction) {
        if self.proposals.is_empty() {
            return;
        }
        for ready in self.proposals.learn(transaction) {
            self.take_complete(call, ready);
        }
    }

    fn take_proposal(&mut self, call: &mut Call, from: Peer, proposal: Verified<CompactPrePrepare>, waited_ms: u64) {
        let since = Time(call.now.0.saturating_sub(waited_ms));
        let held = |name: &TxHash| self.mempool.get_by_hash(name);
        if let Some(ready) = self.proposals.came(call.now, since, from, proposal, held) {
            self.take_complete(call, ready);
        }
    }

    fn take_complete(&mut self, call: &mut Call, ready: Ready) {
        let Ready { from, since, proposal, transactions } = ready;
        let waited_ms = call.now.since_ms(since);
        // Of one that is too large whoever brought it could not know; the primary gets nowhere with it.
        if let Ok(message) = proposal.complete(transactions, self.genesis.ledger.block_bytes_max) {
            self.tell(call, Event::Message { from, message, waited_ms });
        }
    }

    /// What proposals lack is asked for when its time has come.
    fn ask_for_missing(&mut self, call: &mut Call) {
        if self.proposals.is_empty() {
            return;
        }
        let final_height = self.chain().final_height();
        for (peer, message) in self.proposals.ask(call.now, final_height) {
            call.outputs.push(Output::Send { to: To::Peer(peer), message });
        }
    }

    /// A change of members waits with the engine: no fee buys it a place, and no pool of others crowds it out.
    fn submit_change(&mut self, call: &mut Call, request: u64, change: Verified<Transaction>) {
        let txid = change.get().id();
        let result = self.engine.admits_change(change.get());
        if result.is_ok() {
            let message = Message::Transaction(change.get().clone());
            call.outputs.push(Output::Send { to: To::All, message });
            self.tell(call, Event::Change(change));
        }
        let result = result.map(|()| Admitted { txid, known: false }).map_err(Refusal::Rule);
        call.outputs.push(Output::Submitted { request, result });
    }

    fn blame(&mut self, call: &mut Call, peer: Peer, fault: Fault) {
        let ban = self.conduct.blame(call.now, peer, &fault);
        call.outputs.push(Output::Blame { peer, fault, ban });
    }

    fn drop_expired(&mut self, call: &mut Call) {
        let mut notices = Vec::new();
        self.mempool.expire(call.now, &mut notices);
        call.notice(notices);
    }

    fn announce_again(&mut self, call: &mut Call) {
        if call.now < self.announce_from {
            return;
        }
        let again = self.mempool.announce_again(call.now, REANNOUNCE_COUNT_MAX);
        if !again.is_empty() {
            self.announce_from = call.now.plus_ms(REANNOUNCE_INTERVAL_MS);
        }
        for transaction in again {
            call.say(self.relay.add(call.now, transaction));
        }
    }

    /// Executes effects, answers questions and tells what is due, until nothing is left; see the module.
    fn execute(&mut self, call: &mut Call) {
        loop {
            while let Some(effect) = call.effects.pop_front() {
                self.execute_one(call, effect);
            }
            if self.mempool.is_unreconciled() {
                let next = next_block(&*self.engine, &self.genesis, self.drift_ms, call.now);
                let mut notices = Vec::new();
                self.mempool.reconcile(next, &mut notices);
                call.notice(notices);
            }
            if let Some(question) = call.questions.pop_front() {
                self.answer(call, question);
            } else if let Some(event) = self.pending(call.now) {
                self.tell(call, event);
            } else {
                return;
            }
        }
    }

    fn execute_one(&mut self, call: &mut Call, effect: Effect) {
        match effect {
            Effect::Persist(record) => call.outputs.push(Output::Persist(record)),
            Effect::Send { to, message } => {
                if matches!(message, Message::PrePrepare(_)) {
                    call.say(self.relay.take(call.now));
                }
                call.outputs.push(Output::Send { to, message });
            }
            Effect::WantPayload(request) => call.questions.push_back(Question::Payload(request)),
            Effect::WantOverdue(request) => call.questions.push_back(Question::Overdue(request)),
            Effect::WantKnown { block, names, wanted } => {
                call.questions.push_back(Question::Known { block, names, wanted });
            }
            Effect::Admit { peer, member, transactions } => {
                call.questions.push_back(Question::Admit { peer, member, transactions });
            }
            Effect::Mine(template) => call.outputs.push(Output::Mine(template)),
            Effect::Chain(update) => {
                let mut notices = Vec::new();
                self.mempool.note(&self.genesis.ledger, &update, &mut notices);
                call.outputs.push(Output::Chain(update));
                call.notice(notices);
            }
            Effect::Snapshot(step) => {
                if let SnapshotStep::Switched(_) = &step {
                    self.mempool.rebased();
                }
                call.outputs.push(Output::Snapshot(step));
            }
            Effect::Members { set, is_present } => call.outputs.push(Output::Members { set, is_present }),
            Effect::Blame { peer, fault } => self.blame(call, peer, fault),
            Effect::Trace(trace) => call.outputs.push(Output::Notice(Notice::Engine(trace))),
        }
    }

    fn answer(&mut self, call: &mut Call, question: Question) {
        match question {
            Question::Payload(request) => {
                let above = self.taken(&request.above);
                let transactions = self.mempool.select(self.order, &request, &above, self.left_out);
                self.tell(call, Event::Payload { ticket: request.ticket, transactions });
            }
            Question::Overdue(request) => {
                let above = self.taken(&request.above);
                let (oldest, transactions) = self.mempool.overdue(request.due_until, &above);
                self.tell(call, Event::Overdue { ticket: request.ticket, oldest, transactions });
            }
            Question::Known { block, names, wanted } => {
                let known = self.mempool.known(&names, &wanted);
                self.tell(call, Event::Known { block, known });
            }
            Question::Admit { peer, member, transactions } => {
                let next = next_block(&*self.engine, &self.genesis, self.drift_ms, call.now);
                let mut notices = Vec::new();
                self.mempool.admit_handed(next, peer, member, transactions, &mut notices);
                call.notice(notices);
            }
        }
    }

    /// What these blocks hold and spend.
    fn taken(&mut self, blocks: &[Arc<Block>]) -> Vec<Arc<Taken>> {
        let mut before = std::mem::take(&mut self.above);
        let mut above = Vec::with_capacity(blocks.len());
        for block in blocks {
            let id = block.id();
            let taken = before.remove(&id).unwrap_or_else(|| Arc::new(Taken::of(block)));
            self.above.insert(id, taken.clone());
            above.push(taken);
        }
        above
    }

    /// What is due has changed since the engine was told.
    fn pending(&mut self, now: Time) -> Option<Event> {
        let oldest = self.mempool.oldest_due(now);
        let changed = self.mempool.take_changed() && oldest.is_some();
        if !changed && oldest == self.oldest_told {
            return None;
        }
        self.oldest_told = oldest;
        Some(Event::Pending { oldest })
    }
}

/// Who brings what the mempool held before a restart; no peer has this number.
const NOBODY: Peer = Peer(u64::MAX);

/// Above this many transactions a debug build no longer checks the whole mempool after each call.
const CHECKED_COUNT_MAX: usize = 256;

fn next_block<'a>(engine: &'a dyn Engine, genesis: &'a Genesis, drift_ms: u64, now: Time) -> Next<'a> {
    Next { now, place: engine.place(now), coins: engine.chain(), params: &genesis.ledger, drift_ms }
}

impl Call {
    fn new(now: Time) -> Call {
        Call { now, outputs: Vec::new(), effects: VecDeque::new(), questions: VecDeque::new() }
    }

    /// To all peers.
    fn say(&mut self, message: Option<Message>) {
        self.outputs.extend(message.map(|message| Output::Send { to: To::All, message }));
    }

    fn notice(&mut self, notices: Vec<Notice>) {
        self.outputs.extend(notices.into_iter().map(Output::Notice));
    }
}
