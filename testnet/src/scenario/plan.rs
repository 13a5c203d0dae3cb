//! A scenario as it is played: a file that makes sense, in the order of time, with everything that it names looked up.

use crate::net::spec::{Staging, UpOptions};
use crate::scenario::file::{Measure, ScenarioFile};
use crate::scenario::values::{Amount, Nodes};
use crate::text;
use bezant_api::control::{FaultOrder, NodeSettings, ValidatorAction};
use bezant_api::types::EngineName;
use bezant_node_core::lies::{MiningMode, Mode};
use std::fmt;

/// See the module.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// Of the file, or of the one that is shipped.
    pub name: String,
    /// What it shows, in a line.
    pub title: String,
    /// In some sentences.
    pub about: Option<String>,
    /// When all faults end and the referee looks.
    pub end_ms: u64,
    /// The net.
    pub net: NetPlan,
    /// By time; of one moment in the order of the file.
    pub(crate) steps: Vec<Step>,
    /// What users hand in, by name or as load.
    pub(crate) payments: Vec<Payment>,
    /// In the order of the file.
    pub(crate) expectations: Vec<Expectation>,
    /// As it was written.
    pub(crate) file: ScenarioFile,
}

/// The net of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetPlan {
    /// How blocks are ordered.
    pub engine: EngineName,
    /// Nodes that vote or mine.
    pub nodes: usize,
    /// Nodes that only follow.
    pub observers: usize,
    /// Proof of work: wanted spacing. PBFT: longest time without a block, 0 for none.
    pub block_time_ms: u64,
    /// PBFT: how long a view has at least, if not the default.
    pub view_timeout_ms: Option<u32>,
    /// PBFT: blocks from one checkpoint to the next, if not the default.
    pub checkpoint_interval: Option<u32>,
    /// Proof of work: confirmations after which a block counts as final, if not the default.
    pub final_depth: Option<u32>,
    /// Proof of work: how deep a branch may fork off, if not the default.
    pub max_reorg: Option<u32>,
}

impl NetPlan {
    /// All nodes.
    #[must_use]
    pub fn count(&self) -> usize {
        self.nodes + self.observers
    }
}

impl Scenario {
    /// What a net that is made for it has in its genesis beside the usual; `coins` are those of its users.
    pub(crate) fn staging(&self, coins: Vec<bezant_consensus::ledger::transaction::Output>) -> Staging {
        let NetPlan { view_timeout_ms, checkpoint_interval, final_depth, max_reorg, .. } = self.net;
        Staging {
            scenario: Some(self.name.clone()),
            view_timeout_ms,
            checkpoint_interval,
            final_depth,
            max_reorg,
            block_bytes_max: None,
            coins,
        }
    }

    /// What a net is started with that is made for it, anew; `base` says where and under which name.
    #[must_use]
    pub fn up_options(&self, seed: u64, base: UpOptions) -> UpOptions {
        let NetPlan { engine, nodes, observers, block_time_ms, .. } = self.net;
        UpOptions {
            engine: Some(engine),
            nodes: Some(nodes),
            observers: Some(observers),
            block_time_ms: Some(block_time_ms),
            seed: Some(seed),
            fresh: true,
            staging: self.staging(crate::scenario::users::coins(self, seed)),
            ..base
        }
    }

    /// The file's text, as it can be kept.
    ///
    /// # Panics
    /// Never: what was read can be written.
    #[must_use]
    pub fn to_toml(&self) -> String {
        toml::to_string(&self.file).expect("what was read can be written")
    }
}

/// Something that is done at a moment.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Step {
    /// When.
    pub(crate) at_ms: u64,
    /// The number of the step in the file, from 1.
    pub(crate) number: usize,
    /// To whom, if it is about nodes.
    pub(crate) nodes: Option<Nodes>,
    /// What.
    pub(crate) action: Action,
    /// Whether it is the end of what the step of that number did, and to the same nodes.
    pub(crate) is_undoing: bool,
}

/// What is done.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Action {
    /// Every link between nodes of different groups is cut.
    Partition {
        /// The groups; nodes not named form one more.
        groups: Vec<Vec<usize>>,
        /// After how long it ends by itself.
        for_ms: Option<u64>,
    },
    /// A fault of links.
    Link(FaultOrder),
    /// Every cut ends.
    Heal,
    /// Every fault of links ends.
    Clear,
    /// SIGKILL.
    Kill,
    /// A clean stop.
    Stop,
    /// What is down is started.
    Start,
    /// SIGSTOP.
    Pause,
    /// SIGCONT.
    Resume,
    /// Stopped in order and started with other settings, one after the other.
    Restart(NodeSettings),
    /// They lie.
    Lie {
        /// How.
        mode: LieMode,
        /// What a censor leaves out.
        target: Option<LieTarget>,
    },
    /// They lie no more.
    Truth,
    /// Their clocks are so far ahead of the net's.
    Clock {
        /// Milliseconds.
        offset_ms: i64,
    },
    /// The net's clock is moved.
    Advance {
        /// Milliseconds.
        ms: u64,
    },
    /// Their miners are limited.
    Hashrate {
        /// Hashes a second.
        rate: u64,
    },
    /// Blocks are made at once.
    Mine {
        /// By whom; `None`: by PBFT's primary.
        node: Option<usize>,
        /// How many.
        count: u32,
    },
    /// The last blocks are replaced.
    Reorg {
        /// Who mines the others.
        node: usize,
        /// How many lose their place.
        depth: u64,
    },
    /// The members change.
    Validator {
        /// How.
        action: ValidatorAction,
        /// Which node.
        node: usize,
    },
    /// A node gets a copy of a member's key.
    Twin {
        /// Who gets it.
        node: usize,
        /// Whose.
        of: usize,
    },
    /// A payment of [`Scenario::payments`] is handed in.
    Pay(usize),
}

/// How a node lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LieMode {
    /// Under PBFT.
    Voting(Mode),
    /// Under proof of work.
    Mining(MiningMode),
}

impl LieMode {
    /// Its name on the command line.
    #[must_use]
    pub(crate) fn name(self) -> &'static str {
        match self {
            LieMode::Voting(mode) => mode.name(),
            LieMode::Mining(mode) => mode.name(),
        }
    }
}

/// What a censor leaves out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LieTarget {
    /// An account of the net, by its number.
    Account(usize),
    /// A payment of [`Scenario::payments`].
    Payment(usize),
}

/// What a user hands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Payment {
    /// How the expectations call it; the load's have none.
    pub(crate) name: Option<String>,
    /// When.
    pub(crate) at_ms: u64,
    /// Where first; if that node does not run, the first one that does.
    pub(crate) node: usize,
    /// The account that is paid, by its number; its own user otherwise.
    pub(crate) to: Option<usize>,
    /// Which coin it spends; rivals spend the same.
    pub(crate) coin: usize,
}

/// Something that is expected.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Expectation {
    /// Its number in the file, from 1.
    pub(crate) number: usize,
    /// When.
    pub(crate) when: When,
    /// Of whom; of all that run and have never lied when `None`.
    pub(crate) on: Option<Nodes>,
    /// What.
    pub(crate) what: What,
}

/// When something is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// At some moment.
    By {
        /// From then.
        from: u64,
        /// Until then.
        by: u64,
    },
    /// At that moment.
    At(u64),
    /// All the time.
    During {
        /// From then.
        from: u64,
        /// Until then.
        until: u64,
    },
}

/// What is expected; payments by their number in [`Scenario::payments`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum What {
    /// PBFT: in at least this view.
    ViewMin(u64),
    /// PBFT: in at most this view.
    ViewMax(u64),
    /// PBFT: in at least this epoch.
    EpochMin(u64),
    /// At least so high.
    HeightMin(u64),
    /// Final at least so high.
    FinalMin(u64),
    /// It grows on each.
    Grows(Measure),
    /// It stands on each.
    Stands(Measure),
    /// One chain everywhere, or not.
    Synced(bool),
    /// In the chain.
    Included(Vec<usize>),
    /// Final.
    Final(Vec<usize>),
    /// Not in the chain.
    Missing(Vec<usize>),
    /// Exactly one is final, the same everywhere.
    OneOf(Vec<usize>),
    /// So many of the load are final.
    TransfersMin(Amount),
    /// Some node has left so many blocks at once.
    ReorgMin(u64),
    /// Some node has taken finality back, or none.
    FinalityBroken(bool),
    /// Some node refuses a branch, or none.
    Refused(bool),
    /// Some node can prove of each that it lied.
    Evidence(Vec<usize>),
    /// Some node has left a view for this reason.
    Left(String),
    /// A miner has this share, in parts per million, of the blocks of the chain.
    ShareMin {
        /// Who.
        node: usize,
        /// How much.
        ppm: u32,
    },
    /// Exactly these vote.
    Voters(Vec<usize>),
    /// These run.
    Up(Vec<usize>),
    /// These do not run.
    Down(Vec<usize>),
}

/// A moment as people read it: `12.5 s`.
#[must_use]
pub fn seconds(ms: u64) -> String {
    let tenths = ms / 100;
    if tenths.is_multiple_of(10) { format!("{} s", tenths / 10) } else { format!("{}.{} s", tenths / 10, tenths % 10) }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            When::By { from: 0, by } => write!(f, "by {}", seconds(*by)),
            When::By { from, by } => write!(f, "between {} and {}", seconds(*from), seconds(*by)),
            When::At(ms) => write!(f, "at {}", seconds(*ms)),
            When::During { from, until } => write!(f, "from {} to {}", seconds(*from), seconds(*until)),
        }
    }
}

fn list(nodes: &[usize]) -> String {
    if nodes.is_empty() { "none".to_owned() } else { Nodes::Some(nodes.to_vec()).to_string() }
}

/// In words; `payments` are the scenario's.
pub(crate) fn words_of(what: &What, payments: &[Payment]) -> String {
    let names = |numbers: &[usize]| {
        let name = |number: &usize| payments[*number].name.clone().unwrap_or_default();
        numbers.iter().map(name).collect::<Vec<_>>().join(", ")
    };
    let measure = |measure: &Measure| match measure {
        Measure::Final => "the final height",
        Measure::Height => "the height",
    };
    match what {
        What::ViewMin(view) => format!("view ≥ {view}"),
        What::ViewMax(view) => format!("view ≤ {view}"),
        What::EpochMin(epoch) => format!("epoch ≥ {epoch}"),
        What::HeightMin(height) => format!("height ≥ {height}"),
        What::FinalMin(height) => format!("final height ≥ {height}"),
        What::Grows(which) => format!("{} grows", measure(which)),
        What::Stands(which) => format!("{} stands still", measure(which)),
        What::Synced(true) => "one chain everywhere".to_owned(),
        What::Synced(false) => "not one chain everywhere".to_owned(),
        What::Included(numbers) => format!("in the chain: {}", names(numbers)),
        What::Final(numbers) => format!("final: {}", names(numbers)),
        What::Missing(numbers) => format!("not in the chain: {}", names(numbers)),
        What::OneOf(numbers) => format!("exactly one is final of {}", names(numbers)),
        What::TransfersMin(amount) => format!("transfers final ≥ {amount}"),
        What::ReorgMin(depth) => format!("a reorg of depth ≥ {depth} was seen"),
        What::FinalityBroken(true) => "finality was broken".to_owned(),
        What::FinalityBroken(false) => "finality was never broken".to_owned(),
        What::Refused(true) => "a branch is refused as too deep".to_owned(),
        What::Refused(false) => "no branch is refused as too deep".to_owned(),
        What::Evidence(nodes) => format!("proof against {}", list(nodes)),
        What::Left(reason) => format!("a view was left: {reason}"),
        What::ShareMin { node, ppm } => format!("node{node} has ≥ {} of the chain's blocks", text::share(*ppm)),
        What::Voters(nodes) => format!("voters: {}", list(nodes)),
        What::Up(nodes) => format!("up: {}", list(nodes)),
        What::Down(nodes) => format!("down: {}", list(nodes)),
    }
}

/// What the step does, in words; `nodes` are those that it concerns now, and `payments` the scenario's.
pub(crate) fn words_of_step(step: &Step, nodes: &[usize], payments: &[Payment]) -> String {
    let who = || list(nodes);
    let verb = |one: &'static str, many: &'static str| if nodes.len() == 1 { one } else { many };
    let again = if step.is_undoing { " again" } else { "" };
    let lasts = |ms: &Option<u64>| ms.map(|ms| format!(", for {}", seconds(ms))).unwrap_or_default();
    match &step.action {
        Action::Partition { groups, for_ms } => {
            format!("partition {}{}", crate::net::faults::groups_text(groups), lasts(for_ms))
        }
        Action::Link(order) => {
            let side = |nodes: &[usize]| if nodes.is_empty() { "all".to_owned() } else { list(nodes) };
            let arrow = if order.both { "↔" } else { "→" };
            let ends = format!("{} {arrow} {}", side(&order.from), side(&order.to));
            format!("links {ends}: {}{}", order.effects, lasts(&order.for_ms))
        }
        Action::Heal => "all cuts end".to_owned(),
        Action::Clear => "all faults of links end".to_owned(),
        Action::Kill => format!("kill {}", who()),
        Action::Stop => format!("stop {}", who()),
        Action::Start => format!("start {}{again}", who()),
        Action::Pause => format!("pause {}", who()),
        Action::Resume => format!("resume {}", who()),
        Action::Restart(settings) => format!("restart {}{}", who(), settings_text(settings)),
        Action::Lie { mode, target } => {
            let target = target.as_ref().map(|target| match target {
                LieTarget::Account(account) => format!(" {}", bezant_wallet::keys::dev::NAMES[*account]),
                LieTarget::Payment(number) => format!(" {}", payments[*number].name.clone().unwrap_or_default()),
            });
            format!("{} {}: {}{}", who(), verb("lies", "lie"), mode.name(), target.unwrap_or_default())
        }
        Action::Truth => format!("{} {} the truth{again}", who(), verb("tells", "tell")),
        Action::Clock { offset_ms: 0 } => format!("the clock of {} is the net's{again}", who()),
        Action::Clock { offset_ms } => format!("the clock of {} is off by {}", who(), text::offset(*offset_ms)),
        Action::Advance { ms } => format!("the net's clock moves by {}", text::duration(*ms)),
        Action::Hashrate { rate } => format!("{} {} at {rate} hashes/s{again}", who(), verb("mines", "mine")),
        Action::Mine { node: Some(node), count } => {
            format!("node{node} mines {} at once", text::count(*count, "block"))
        }
        Action::Mine { node: None, count } => format!("the primary makes {} at once", text::count(*count, "block")),
        Action::Reorg { node, depth } => format!("node{node} replaces the last {}", text::count(*depth, "block")),
        Action::Validator { action, node } => match action {
            ValidatorAction::Add => format!("node{node} is to become a validator"),
            ValidatorAction::Remove => format!("node{node} is to be no validator any more"),
            ValidatorAction::Rekey => format!("node{node} is to get another validator key"),
        },
        Action::Twin { node, of } => format!("node{node} runs with the key of node{of}"),
        Action::Pay(number) => {
            let Payment { name, node, to, coin, .. } = &payments[*number];
            let name = name.clone().unwrap_or_default();
            let to = to.map(|account| format!(" to {}", bezant_wallet::keys::dev::NAMES[account])).unwrap_or_default();
            let rival = payments[..*number].iter().find(|other| other.coin == *coin).and_then(|it| it.name.as_ref());
            let rival = rival.map(|rival| format!(", which spends the coin of {rival}")).unwrap_or_default();
            format!("payment {name}{to} is handed to node{node}{rival}")
        }
    }
}

fn settings_text(settings: &NodeSettings) -> String {
    let NodeSettings { hashrate, mines, log, connections } = settings;
    let parts = [
        hashrate.map(|rate| format!("hashrate = {rate}")),
        mines.map(|mines| format!("mines = {mines}")),
        log.as_ref().map(|filter| format!("log = {filter}")),
        connections.map(|count| format!("connections = {count}")),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { String::new() } else { format!(" with {}", parts.join(", ")) }
}
