//! What RPC may ask of a running node. A handle is cheap to clone; questions about stored data go to read-only database
//! connections, all others over one bounded channel to the runtime. Nothing here waits in an unbounded queue: a node with too
//! much to do says [`AskError::Busy`].
//!
//! An answer about stored data shows all that was reported before the question: what is not flushed yet is flushed first, or
//! told by the runtime.

mod queries;
mod readers;
mod room;

use crate::events::{EventStream, Start};
use crate::limits::{DEV_MINE_MAX, DEV_TIME_MS_MAX, FEE_TARGET_DEFAULT, TEMPLATE_WAIT_MAX_MS};
use crate::metrics::{Kind, Metrics};
use crate::offers::{Offer, Offers};
use crate::runtime::lies::Lie;
use crate::runtime::links::Wanted;
use crate::store::{Barrier, StoreError};
use crate::verify_pool::VerifyPool;
use bezant_api::fault::{FaultKind, FaultState, LINK_FAULT_MS_MAX, LINK_FAULTS_MAX, NOTE_BYTES_MAX};
use bezant_api::types::{
    EvidenceView, FeeView, GenesisView, MempoolView, NodeStatus, PackageResult, PeerView, RefusalView, Submission,
    SubmitManyResult, SubmitResult, TestView, TestedTx, TipView,
};
use bezant_consensus::engine::{BlockWish, Instruction, InstructionError};
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::block::Block;
use bezant_consensus::ledger::genesis::Genesis;
use bezant_consensus::ledger::hash::{BlockId, CoinCommitment, LockHash, TxId};
use bezant_consensus::ledger::transaction::{OutPoint, Output, Transaction, Witness};
use bezant_consensus::ledger::units::Height;
use bezant_consensus::verify::Verified;
use bezant_node_core::io::{Admitted, DropReason, Refusal, Refused, Trial};
use bezant_node_core::limits::ESTIMATE_TARGET_MAX;
pub(crate) use readers::Readers;
use room::Places;
pub(crate) use room::Room;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// How long a node may take to answer before it counts as unhealthy.
const HEALTHY_WITHIN: Duration = Duration::from_secs(1);

/// Why a question has no answer. `kind()` is stable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// Too much is being asked at once.
    #[error("the node has too much to do; try again in a moment")]
    Busy,
    /// Transactions are handed in faster than they get ordered.
    #[error("too many transactions wait to be ordered already; nothing was sent, try again in a moment")]
    Backlog,
    /// The node is stopping.
    #[error("the node is stopping; ask another one")]
    Stopped,
    /// The question is beyond a limit, or makes no sense here.
    #[error("{0}")]
    Invalid(String),
    /// The transaction was refused; nothing was sent.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The package was refused; nothing was sent.
    #[error(transparent)]
    PackageRefused(#[from] Refused),
    /// What a miner found is no block here; nothing was sent.
    #[error(transparent)]
    Solution(#[from] SolutionError),
    /// The database does not answer.
    #[error("{0}")]
    Storage(#[from] StoreError),
}

impl AskError {
    /// A stable name for programs.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            AskError::Busy | AskError::Backlog => "busy",
            AskError::Stopped => "stopping",
            AskError::Invalid(_) => "invalid-params",
            AskError::Refused(refusal) => refusal.kind(),
            AskError::PackageRefused(refused) => refused.refusal.kind(),
            AskError::Solution(error) => error.kind(),
            AskError::Storage(_) => "storage",
        }
    }
}

/// Why what a miner found is no block here. `kind()` is stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SolutionError {
    /// The template is unknown, or another block was faster.
    #[error("this template is over; ask for another one")]
    Stale,
    /// The header's id does not meet the target.
    #[error("the block's id is above the target; check the byte orders")]
    Low,
    /// The block differs from its template in what is not to be changed, or the tip has changed just now.
    #[error("the block was not taken: it is not its template but for what miners may change, or another was faster")]
    Refused,
}

impl SolutionError {
    /// A stable name for programs.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            SolutionError::Stale => "solution-stale",
            SolutionError::Low => "solution-low",
            SolutionError::Refused => "solution-refused",
        }
    }
}

type Answer<T> = oneshot::Sender<T>;

/// Blocks that are to be made now. All but the number is of proof of work.
#[derive(Clone, Debug)]
pub struct MineOrder {
    /// How many.
    pub count: u32,
    /// Whom they pay instead of the node's own payee.
    pub payee: Option<LockHash>,
    /// Exactly these transactions stand in each, in this order, instead of what the mempool chooses.
    pub exactly: Option<Vec<Transaction>>,
    /// Whether each moves the clock by one spacing, which the difficulty expects.
    pub advance_clock: bool,
}

impl MineOrder {
    /// This many of whatever kind, the clock moving along.
    #[must_use]
    pub fn blocks(count: u32) -> MineOrder {
        MineOrder { count, payee: None, exactly: None, advance_clock: true }
    }
}

/// A transaction with who waits for what becomes of it.
pub(crate) type OneOfMany = (Verified<Transaction>, Answer<Result<Admitted, Refusal>>);

/// A question to the runtime, with where the answer goes.
#[derive(Debug)]
pub(crate) enum Request {
    Submit {
        transaction: Verified<Transaction>,
        reply: Answer<Result<Admitted, Refusal>>,
    },
    /// Each for itself, in this order.
    SubmitMany {
        submissions: Vec<OneOfMany>,
    },
    SubmitPackage {
        transactions: Vec<Verified<Transaction>>,
        reply: Answer<Result<Vec<Admitted>, Refused>>,
    },
    /// What the mempool held when the node stopped; `is_last` with the last of it.
    Restore {
        transactions: Vec<Verified<Transaction>>,
        is_last: bool,
    },
    Test {
        transactions: Vec<Verified<Transaction>>,
        reply: Answer<Result<Trial, Refused>>,
    },
    Fee {
        blocks: u32,
        reply: Answer<FeeView>,
    },
    Status {
        reply: Answer<NodeStatus>,
    },
    Ready {
        reply: Answer<bool>,
    },
    Subscribe {
        from: Option<u64>,
        reply: Answer<Start>,
    },
    Commitment {
        reply: Answer<Commitment>,
    },
    Evidence {
        reply: Answer<Vec<EvidenceView>>,
    },
    Mempool {
        reply: Answer<MempoolView>,
    },
    Peers {
        reply: Answer<Vec<PeerView>>,
    },
    ActiveAt {
        height: Height,
        reply: Answer<(Option<BlockId>, Height)>,
    },
    Whereabouts {
        txid: TxId,
        reply: Answer<Whereabouts>,
    },
    PoolCoins {
        locks: Arc<BTreeSet<LockHash>>,
        coins: Vec<OutPoint>,
        reply: Answer<PoolCoins>,
    },
    DevLinks {
        faults: Vec<Wanted>,
        reply: Answer<()>,
    },
    DevNote {
        state: FaultState,
        kind: FaultKind,
        what: String,
        reply: Answer<()>,
    },
    DevByzantine {
        lie: Option<Lie>,
        reply: Answer<bool>,
    },
    DevMine {
        count: u32,
        wish: Option<BlockWish>,
        advance_clock: bool,
        reply: Answer<Result<TipView, InstructionError>>,
    },
    DevHashrate {
        hashes_per_second: u64,
        reply: Answer<()>,
    },
    DevAdvance {
        ms: u64,
        reply: Answer<()>,
    },
    Instruct {
        instruction: Instruction,
        reply: Answer<Result<TipView, InstructionError>>,
    },
    Solve {
        ticket: u64,
        block: Box<Block>,
        reply: Answer<bool>,
    },
}

/// The coin set at the tip.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Commitment {
    pub(crate) height: Height,
    pub(crate) id: BlockId,
    pub(crate) commitment: CoinCommitment,
    pub(crate) supply: u64,
    pub(crate) coins: u64,
}

/// What the runtime knows of a transaction.
#[derive(Clone, Debug)]
pub(crate) struct Whereabouts {
    pub(crate) tip: Height,
    pub(crate) final_height: Height,
    /// In the mempool.
    pub(crate) pool: Option<Transaction>,
    /// What an update that may not be flushed says: in that block, or in none any more. `None`: ask the database.
    pub(crate) recent: Option<Option<(Height, BlockId)>>,
    pub(crate) dropped: Option<DropReason>,
}

/// What the mempool does to coins.
#[derive(Clone, Debug)]
pub(crate) struct PoolCoins {
    /// The tip at which this holds.
    pub(crate) tip: BlockId,
    /// Of the coins asked for, those that a waiting transaction spends.
    pub(crate) spent: Vec<OutPoint>,
    /// Coins that waiting transactions would create for the locks, and whether another one spends them already.
    pub(crate) created: Vec<(OutPoint, Output, bool)>,
}

/// The door to a running node.
#[derive(Clone, Debug)]
pub struct NodeHandle(Arc<Shared>);

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) requests: mpsc::Sender<Request>,
    pub(crate) room: Arc<Room>,
    pub(crate) pool: VerifyPool,
    pub(crate) readers: Readers,
    pub(crate) barrier: Barrier,
    pub(crate) genesis: Arc<Genesis>,
    pub(crate) genesis_toml: String,
    pub(crate) offers: watch::Receiver<Offers>,
    pub(crate) metrics: Arc<Metrics>,
}

impl NodeHandle {
    pub(crate) fn new(shared: Shared) -> NodeHandle {
        NodeHandle(Arc::new(shared))
    }

    async fn ask<T>(&self, kind: &'static str, question: impl FnOnce(Answer<T>) -> Request) -> Result<T, AskError> {
        let (reply, answer) = oneshot::channel();
        self.send(kind, question(reply))?;
        answer.await.map_err(|_| AskError::Stopped)
    }

    fn send(&self, kind: &'static str, request: Request) -> Result<(), AskError> {
        self.0.metrics.requests.get_or_create(&Kind { kind }).inc();
        self.0.requests.try_send(request).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                self.0.metrics.requests_busy.inc();
                AskError::Busy
            }
            mpsc::error::TrySendError::Closed(_) => AskError::Stopped,
        })
    }

    /// The figures, for `/metrics`.
    #[must_use]
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.0.metrics
    }

    /// The genesis of the net.
    #[must_use]
    pub fn genesis(&self) -> &Arc<Genesis> {
        &self.0.genesis
    }

    /// `chain_genesis`.
    #[must_use]
    pub fn genesis_view(&self) -> GenesisView {
        GenesisView { toml: self.0.genesis_toml.clone(), network_id: self.0.genesis.network_id().to_string() }
    }

    /// Hands in a transaction: `tx_submit`.
    ///
    /// # Errors
    /// Refused, busy or stopping.
    pub async fn submit(&self, transaction: Transaction) -> Result<SubmitResult, AskError> {
        let _room = self.room_for(1)?;
        let fee = stated_fee(&transaction);
        let transaction = self.verify(transaction).await?;
        let admitted = self.ask("submit", |reply| Request::Submit { transaction, reply }).await??;
        Ok(submit_result(&admitted, fee))
    }

    /// Hands in many transactions, each judged for itself: `tx_submit_many`. Their order is kept, so one may spend from another
    /// before it.
    ///
    /// # Errors
    /// Busy or stopping, as a whole; a refusal is an answer.
    pub async fn submit_many(&self, transactions: Vec<Transaction>) -> Result<SubmitManyResult, AskError> {
        let _room = self.room_for(transactions.len())?;
        let fees: Vec<Option<u64>> = transactions.iter().map(stated_fee).collect();
        let mut submissions = Vec::with_capacity(transactions.len());
        let mut waiting = Vec::with_capacity(transactions.len());
        for verified in self.0.pool.transactions(transactions).await.ok_or(AskError::Busy)? {
            waiting.push(match verified {
                Ok(transaction) => {
                    let (reply, answer) = oneshot::channel();
                    submissions.push((transaction, reply));
                    Ok(answer)
                }
                Err(error) => Err(AskError::Refused(error.into())),
            });
        }
        if !submissions.is_empty() {
            self.send("submit", Request::SubmitMany { submissions })?;
        }
        let mut results = Vec::with_capacity(waiting.len());
        for (waiting, fee) in waiting.into_iter().zip(fees) {
            let outcome = match waiting {
                Ok(answer) => answer.await.map_err(|_| AskError::Stopped)?.map_err(AskError::Refused),
                Err(error) => Err(error),
            };
            results.push(match outcome {
                Ok(admitted) => Submission::Taken(submit_result(&admitted, fee)),
                Err(error) => {
                    let (kind, message) = (error.kind().to_owned(), error.to_string());
                    Submission::Refused { refusal: RefusalView { kind, message, txid: None } }
                }
            });
        }
        Ok(SubmitManyResult { results })
    }

    /// What submitting would say, without doing it: `tx_check`.
    ///
    /// # Errors
    /// Refused, busy or stopping.
    pub async fn check(&self, transaction: Transaction) -> Result<SubmitResult, AskError> {
        let txid = transaction.id().to_string();
        let transaction = self.verify(transaction).await?;
        let trial = self.ask("check", |reply| Request::Test { transactions: vec![transaction], reply }).await?;
        let trial = trial.map_err(|refused| refused.refusal)?;
        let fee = trial.transactions.first().and_then(|tried| tried.fee);
        Ok(SubmitResult { txid, known: false, fee: fee.map(|fee| fee.grains().to_string()) })
    }

    /// Hands in a package: `tx_submit_package`.
    ///
    /// # Errors
    /// Refused, busy or stopping.
    pub async fn submit_package(&self, transactions: Vec<Transaction>) -> Result<PackageResult, AskError> {
        let _room = self.room_for(transactions.len())?;
        let fees: Vec<Option<u64>> = transactions.iter().map(stated_fee).collect();
        let transactions = self.verify_all(transactions).await??;
        let admitted = self.ask("submit", |reply| Request::SubmitPackage { transactions, reply }).await??;
        let results = admitted.iter().zip(fees).map(|(admitted, fee)| submit_result(admitted, fee));
        Ok(PackageResult { transactions: results.collect() })
    }

    /// What handing in a transaction or a package would do: `tx_test`.
    ///
    /// # Errors
    /// Busy or stopping; a refusal is an answer.
    pub async fn test(&self, transactions: Vec<Transaction>) -> Result<TestView, AskError> {
        let tried = match self.verify_all(transactions).await? {
            Ok(transactions) => self.ask("check", |reply| Request::Test { transactions, reply }).await?,
            Err(refused) => Err(refused),
        };
        Ok(tried.map_or_else(|refused| refused_view(&refused), |trial| trial_view(&trial)))
    }

    async fn verify_all(
        &self,
        transactions: Vec<Transaction>,
    ) -> Result<Result<Vec<Verified<Transaction>>, Refused>, AskError> {
        let mut verified = Vec::with_capacity(transactions.len());
        for transaction in transactions {
            let txid = transaction.id();
            match self.verify(transaction).await {
                Ok(transaction) => verified.push(transaction),
                Err(AskError::Refused(refusal)) => return Ok(Err(Refused { txid: Some(txid), refusal })),
                Err(error) => return Err(error),
            }
        }
        Ok(Ok(verified))
    }

    /// `fee_estimate`, for one of the next `blocks` blocks.
    ///
    /// # Errors
    /// Busy or stopping.
    pub async fn fee_estimate(&self, blocks: Option<u32>) -> Result<FeeView, AskError> {
        let blocks = blocks.unwrap_or(FEE_TARGET_DEFAULT);
        if !(1..=ESTIMATE_TARGET_MAX).contains(&blocks) {
            return Err(AskError::Invalid(format!("blocks: 1 to {ESTIMATE_TARGET_MAX} is expected")));
        }
        self.ask("fee", |reply| Request::Fee { blocks, reply }).await
    }

    fn room_for(&self, count: usize) -> Result<Places<'_>, AskError> {
        self.0.room.enter(count).inspect_err(|_| {
            self.0.metrics.requests_busy.inc();
        })
    }

    async fn verify(&self, transaction: Transaction) -> Result<Verified<Transaction>, AskError> {
        match self.0.pool.transaction(transaction).await {
            Some(result) => Ok(result.map_err(Refusal::from)?),
            None => {
                self.0.metrics.requests_busy.inc();
                Err(AskError::Busy)
            }
        }
    }

    /// `node_status`.
    ///
    /// # Errors
    /// Busy or stopping.
    pub async fn status(&self) -> Result<NodeStatus, AskError> {
        self.ask("status", |reply| Request::Status { reply }).await
    }

    /// `chain_tip`.
    ///
    /// # Errors
    /// Busy or stopping.
    pub async fn tip(&self) -> Result<TipView, AskError> {
        let status = self.status().await?;
        Ok(TipView { height: status.height, id: status.tip, final_height: status.final_height })
    }

    /// `/health`: whether the runtime answers in time.
    pub async fn is_healthy(&self) -> bool {
        matches!(tokio::time::timeout(HEALTHY_WITHIN, self.status()).await, Ok(Ok(_)))
    }

    /// `/ready`: whether the node also has a peer or needs none, and is not far behind what its peers claim.
    pub async fn is_ready(&self) -> bool {
        let answer = tokio::time::timeout(HEALTHY_WITHIN, self.ask("ready", |reply| Request::Ready { reply })).await;
        matches!(answer, Ok(Ok(true)))
    }

    /// `mempool_list`.
    ///
    /// # Errors
    /// Busy or stopping.
    pub async fn mempool(&self) -> Result<MempoolView, AskError> {
        self.ask("mempool", |reply| Request::Mempool { reply }).await
    }

    /// `peers_list`.
    ///
    /// # Errors
    /// Busy or stopping.
    pub async fn peers(&self) -> Result<Vec<PeerView>, AskError> {
        self.ask("peers", |reply| Request::Peers { reply }).await
    }

    /// A subscription to events: from event number `from` as far as held, or from now on.
    ///
    /// # Errors
    /// Busy or stopping.
    pub async fn subscribe(&self, from: Option<u64>, kinds: Option<Vec<String>>) -> Result<EventStream, AskError> {
        EventStream::open(self.clone(), from, kinds).await
    }

    pub(crate) async fn subscription(&self, from: Option<u64>) -> Result<Start, AskError> {
        self.ask("subscribe", |reply| Request::Subscribe { from, reply }).await
    }

    fn dev_only(&self) -> Result<(), AskError> {
        if self.0.genesis.dev {
            return Ok(());
        }
        Err(AskError::Invalid(
            "this net is not a dev net: time, faults and mining on demand are not allowed".to_owned(),
        ))
    }

    /// `dev_links`: the faults of this node's links, exactly these, each with how long it lasts.
    ///
    /// # Errors
    /// Not a dev net, too many, effects that make no sense, busy or stopping.
    pub(crate) async fn dev_links(&self, faults: Vec<Wanted>) -> Result<(), AskError> {
        self.dev_only()?;
        if faults.len() > LINK_FAULTS_MAX {
            return Err(AskError::Invalid(format!("faults: at most {LINK_FAULTS_MAX} are possible")));
        }
        for (rule, lasts) in &faults {
            rule.effects.check().map_err(|problem| AskError::Invalid(format!("faults: {problem}")))?;
            if lasts.is_some_and(|lasts| lasts.is_zero() || lasts > Duration::from_millis(LINK_FAULT_MS_MAX)) {
                return Err(AskError::Invalid(format!("faults: for_ms: 1 to {LINK_FAULT_MS_MAX} is expected")));
            }
        }
        let numbers: BTreeSet<u64> = faults.iter().map(|(rule, _)| rule.id).collect();
        if numbers.len() < faults.len() {
            return Err(AskError::Invalid("faults: two have one number".to_owned()));
        }
        self.ask("dev_links", |reply| Request::DevLinks { faults, reply }).await
    }

    /// `dev_note`: what was done to this node from outside goes into its event stream.
    ///
    /// # Errors
    /// Not a dev net, too long, busy or stopping.
    pub async fn dev_note(&self, state: FaultState, kind: FaultKind, what: String) -> Result<(), AskError> {
        self.dev_only()?;
        if what.len() > NOTE_BYTES_MAX {
            return Err(AskError::Invalid(format!("what: at most {NOTE_BYTES_MAX} bytes are expected")));
        }
        self.ask("dev_note", |reply| Request::DevNote { state, kind, what, reply }).await
    }

    /// `dev_byzantine`: this member lies in that way from now on, or not at all. A mode that takes a target needs one.
    ///
    /// # Errors
    /// Not a dev net, a mode of the other engine, no member, a target that is missing or not wanted, busy or stopping.
    pub(crate) async fn dev_byzantine(&self, lie: Option<Lie>) -> Result<(), AskError> {
        self.dev_only()?;
        let wrong = |text: String| Err(AskError::Invalid(text));
        match lie {
            Some(Lie::Voting { mode, target: None }) if mode.takes_target() => {
                return wrong(format!("target: {mode} needs a transaction or an address"));
            }
            Some(Lie::Voting { mode, target: Some(_) }) if !mode.takes_target() => {
                return wrong(format!("target: {mode} takes none"));
            }
            Some(_) | None => {}
        }
        if self.ask("dev_byzantine", |reply| Request::DevByzantine { lie, reply }).await? {
            return Ok(());
        }
        wrong("mode: it is not of this net's engine, or this node is no member and votes on nothing".to_owned())
    }

    /// `dev_mine`: makes blocks, empty if need be; answers with the tip once they are there. Under PBFT blocks of others count
    /// too. The caller limits the wait.
    ///
    /// # Errors
    /// Not a dev net, out of range, a block as wanted would be invalid, busy or stopping.
    pub async fn dev_mine(&self, order: MineOrder) -> Result<TipView, AskError> {
        self.dev_only()?;
        if order.count == 0 || order.count > DEV_MINE_MAX {
            return Err(AskError::Invalid(format!("count: 1 to {DEV_MINE_MAX} is expected")));
        }
        let MineOrder { count, payee, exactly, advance_clock } = order;
        if count > 1 && exactly.as_ref().is_some_and(|exactly| !exactly.is_empty()) {
            return Err(AskError::Invalid("count: the same transactions stand in one block only".to_owned()));
        }
        let exactly = match exactly {
            Some(transactions) => Some(self.verify_all(transactions).await??),
            None => None,
        };
        let wish = (payee.is_some() || exactly.is_some()).then_some(BlockWish { payee, exactly });
        let answer = self.ask("dev_mine", |reply| Request::DevMine { count, wish, advance_clock, reply }).await?;
        answer.map_err(|error| AskError::Invalid(format!("transactions: {error}")))
    }

    /// `dev_hashrate`: hashes per second at most from now on; 0 stops mining.
    ///
    /// # Errors
    /// Not a dev net of proof of work, busy or stopping.
    pub async fn dev_hashrate(&self, hashes_per_second: u64) -> Result<(), AskError> {
        self.dev_only()?;
        if self.0.genesis.pow().is_none() {
            return Err(AskError::Invalid("there is no mining on a PBFT net".to_owned()));
        }
        self.ask("dev_hashrate", |reply| Request::DevHashrate { hashes_per_second, reply }).await
    }

    /// `chain_invalidate` and `chain_reconsider`: decides about a branch, for this node alone; answers with the tip after it.
    ///
    /// # Errors
    /// The instruction cannot be carried out, busy or stopping.
    pub async fn instruct(&self, instruction: Instruction) -> Result<TipView, AskError> {
        let answer = self.ask("instruct", |reply| Request::Instruct { instruction, reply }).await?;
        answer.map_err(|error| AskError::Invalid(format!("block: {error}")))
    }

    /// The templates that are held now, and word of every change.
    pub(crate) fn offers(&self) -> watch::Receiver<Offers> {
        self.0.offers.clone()
    }

    /// Hands in a block that somebody found on a template; true when it is the tip now.
    ///
    /// # Errors
    /// Busy or stopping.
    pub(crate) async fn solve(&self, ticket: u64, block: Block) -> Result<bool, AskError> {
        let block = Box::new(block);
        self.ask("solve", |reply| Request::Solve { ticket, block, reply }).await
    }

    /// The newest template; one of another ticket than `known` if there is one within `wait_ms`. `None` when this node has none.
    ///
    /// # Errors
    /// Not a net of proof of work, or stopping.
    pub(crate) async fn template(&self, known: Option<u64>, wait_ms: u64) -> Result<Option<Arc<Offer>>, AskError> {
        if self.0.genesis.pow().is_none() {
            return Err(AskError::Invalid("there is no mining on a PBFT net".to_owned()));
        }
        let mut offers = self.offers();
        let is_news = |offers: &Offers| offers.last().is_some_and(|offer| Some(offer.ticket()) != known);
        let wait = Duration::from_millis(wait_ms.min(TEMPLATE_WAIT_MAX_MS));
        match tokio::time::timeout(wait, offers.wait_for(is_news)).await {
            Ok(Ok(news)) => Ok(news.last().cloned()),
            Ok(Err(_)) => Err(AskError::Stopped),
            Err(_) => Ok(self.0.offers.borrow().last().cloned()),
        }
    }

    /// `dev_time`: moves the node's clock forward.
    ///
    /// # Errors
    /// Not a dev net, out of range, busy or stopping.
    pub async fn dev_time(&self, ms: u64) -> Result<(), AskError> {
        self.dev_only()?;
        if ms > DEV_TIME_MS_MAX {
            return Err(AskError::Invalid(format!("advance_ms: at most {DEV_TIME_MS_MAX} is expected")));
        }
        self.ask("dev_time", |reply| Request::DevAdvance { ms, reply }).await
    }
}

fn submit_result(admitted: &Admitted, fee: Option<u64>) -> SubmitResult {
    let fee = fee.filter(|_| !admitted.known).map(|grains| grains.to_string());
    SubmitResult { txid: admitted.txid.to_string(), known: admitted.known, fee }
}

fn trial_view(trial: &Trial) -> TestView {
    let tested = |tried: &bezant_node_core::io::Tried| TestedTx {
        txid: tried.txid.to_string(),
        known: tried.known,
        fee: tried.fee.map(|fee| fee.grains().to_string()),
        bytes: tried.bytes,
    };
    let rate = trial.rate();
    TestView {
        accepted: true,
        transactions: trial.transactions.iter().map(tested).collect(),
        fee: rate.map(|rate| rate.fee.to_string()),
        fee_rate: rate.map(|rate| rate.per_thousand_bytes()),
        replaces: trial.replaces.iter().map(TxId::to_string).collect(),
        evicts: trial.evicts.iter().map(TxId::to_string).collect(),
        refusal: None,
    }
}

fn refused_view(refused: &Refused) -> TestView {
    let refusal = RefusalView {
        kind: refused.refusal.kind().to_owned(),
        message: refused.refusal.to_string(),
        txid: refused.txid.map(|txid| txid.to_string()),
    };
    TestView {
        accepted: false,
        transactions: Vec::new(),
        fee: None,
        fee_rate: None,
        replaces: Vec::new(),
        evicts: Vec::new(),
        refusal: Some(refusal),
    }
}

/// What a transfer says it pays, in grains: what its witnesses state less what it creates. Once admitted, it is so.
fn stated_fee(transaction: &Transaction) -> Option<u64> {
    let stated = transaction.witnesses().iter().map(|witness| match witness {
        Witness::Spend(spend) => spend.amount,
        Witness::Member { .. } => Amount::ZERO,
    });
    let spent = Amount::checked_sum(stated)?;
    let created = Amount::checked_sum(transaction.outputs().iter().map(|output| output.amount))?;
    spent.grains().checked_sub(created.grains())
}
