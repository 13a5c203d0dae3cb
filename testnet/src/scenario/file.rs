//! A scenario file as it is written: TOML, every field known, nothing judged yet. `docs/spec/scenario.md` says what each means.

use crate::scenario::values::{Amount, Bandwidth, Nodes, Offset, Share, Span};
use bezant_api::control::NodeSettings;
use bezant_api::fault::LinkEffects;
use bezant_api::types::EngineName;
use serde::{Deserialize, Serialize};

/// The file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScenarioFile {
    /// What it shows, in a line.
    pub(crate) title: String,
    /// What happens and why, in some sentences.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) about: Option<String>,
    /// When all faults end and the referee looks.
    pub(crate) end: Span,
    /// The net.
    pub(crate) net: NetFile,
    /// What its users do all the time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) load: Option<LoadFile>,
    /// What is done to it, and when.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) step: Vec<StepFile>,
    /// What is expected of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) expect: Vec<ExpectFile>,
}

/// `[net]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NetFile {
    /// How blocks are ordered.
    pub(crate) engine: EngineName,
    /// Nodes that vote or mine.
    #[serde(default = "four")]
    pub(crate) nodes: usize,
    /// Nodes that only follow.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) observers: usize,
    /// As `testnet up --block-time`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) block_time: Option<Span>,
    /// PBFT: how long a view has at least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) view_timeout: Option<Span>,
    /// PBFT: blocks from one checkpoint to the next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) checkpoint_interval: Option<u32>,
    /// Proof of work: confirmations after which a block counts as final.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) final_depth: Option<u32>,
    /// Proof of work: how deep a branch may fork off and still be followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) max_reorg: Option<u32>,
}

fn four() -> usize {
    4
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// `[load]`: transfers at a steady rate, one node after the other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LoadFile {
    /// Transfers a second.
    pub(crate) rate: f64,
    /// When it begins.
    #[serde(default)]
    pub(crate) from: Span,
    /// When it ends; with the scenario unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<Span>,
    /// The nodes to which they are handed; all unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) on: Option<Nodes>,
}

/// `[[step]]`: a moment, and one thing that is done then.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StepFile {
    /// When.
    pub(crate) at: Span,
    /// After how long it is undone.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub(crate) lasts: Option<Span>,
    /// Cuts every link between nodes of different groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) partition: Option<Vec<Vec<usize>>>,
    /// Puts a fault on links.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) link: Option<LinkFile>,
    /// Undoes every cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) heal: Option<bool>,
    /// Ends every fault of links.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) clear: Option<bool>,
    /// SIGKILL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) kill: Option<Nodes>,
    /// A clean stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) stop: Option<Nodes>,
    /// Starts what is down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) start: Option<Nodes>,
    /// SIGSTOP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pause: Option<Nodes>,
    /// SIGCONT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) resume: Option<Nodes>,
    /// Stops nodes in order and starts them with other settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) restart: Option<RestartFile>,
    /// Makes nodes lie.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) lie: Option<LieFile>,
    /// Ends their lies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) truth: Option<Nodes>,
    /// Sets how far clocks are ahead of the net's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) clock: Option<ClockFile>,
    /// Moves the net's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) advance: Option<Span>,
    /// Proof of work: limits miners.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) hashrate: Option<HashrateFile>,
    /// Makes blocks at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) mine: Option<MineFile>,
    /// Proof of work: replaces the last blocks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reorg: Option<ReorgFile>,
    /// PBFT: makes a node that follows a member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) add_validator: Option<usize>,
    /// PBFT: makes a member follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) remove_validator: Option<usize>,
    /// PBFT: gives a member another key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rekey_validator: Option<usize>,
    /// PBFT: gives a node a copy of a member's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) twin: Option<TwinFile>,
    /// Hands in a payment that the expectations name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pay: Option<PayFile>,
}

/// `link = { … }`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LinkFile {
    /// Who speaks; all unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<Nodes>,
    /// Who hears; all unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) to: Option<Nodes>,
    /// The other direction too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) both: Option<bool>,
    /// Nothing arrives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cut: Option<bool>,
    /// Each message is later by this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) delay: Option<Span>,
    /// The delay varies by up to this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) jitter: Option<Span>,
    /// This share is lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) drop: Option<Share>,
    /// This share arrives twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) duplicate: Option<Share>,
    /// This share is overtaken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reorder: Option<Share>,
    /// So much gets through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) bandwidth: Option<Bandwidth>,
}

impl LinkFile {
    /// What is done to the links.
    pub(super) fn effects(&self) -> LinkEffects {
        LinkEffects {
            cut: self.cut.unwrap_or(false),
            delay_ms: self.delay.unwrap_or_default().0,
            jitter_ms: self.jitter.unwrap_or_default().0,
            drop_ppm: self.drop.unwrap_or_default().0,
            duplicate_ppm: self.duplicate.unwrap_or_default().0,
            reorder_ppm: self.reorder.unwrap_or_default().0,
            bytes_per_s: self.bandwidth.map(|bandwidth| bandwidth.0),
        }
    }
}

/// `restart = { … }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RestartFile {
    /// Which, one after the other.
    pub(crate) nodes: Nodes,
    /// What is different from then on.
    #[serde(default)]
    pub(crate) set: NodeSettings,
}

/// `lie = { … }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LieFile {
    /// Who.
    pub(crate) nodes: Nodes,
    /// A mode of `testnet byzantine`.
    pub(crate) mode: String,
    /// For `censor`: an account of the net, or the name of a payment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) target: Option<String>,
}

/// `clock = { … }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClockFile {
    /// Whose.
    pub(crate) nodes: Nodes,
    /// How far it is ahead of the net's.
    pub(crate) offset: Offset,
}

/// `hashrate = { … }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HashrateFile {
    /// Whose.
    pub(crate) nodes: Nodes,
    /// Hashes a second.
    pub(crate) rate: u64,
}

/// `mine = { … }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MineFile {
    /// Proof of work: by whom. Under PBFT the primary makes them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) node: Option<usize>,
    /// How many.
    pub(crate) count: u32,
}

/// `reorg = { … }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReorgFile {
    /// Who mines the others.
    pub(crate) node: usize,
    /// How many lose their place.
    pub(crate) depth: u64,
}

/// `twin = { … }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TwinFile {
    /// Who gets the copy.
    pub(crate) node: usize,
    /// Whose key.
    pub(crate) of: usize,
}

/// `pay = { … }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PayFile {
    /// How the expectations call it.
    pub(crate) name: String,
    /// To whom it is handed.
    pub(crate) node: usize,
    /// An account of the net, which is paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) to: Option<String>,
    /// The payment whose coin it spends too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) against: Option<String>,
}

/// What of a node's chain grows or stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Measure {
    /// Its final height.
    Final,
    /// The height of its tip.
    Height,
}

/// `share_min = { … }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ShareFile {
    /// Whose blocks.
    pub(crate) node: usize,
    /// Of the blocks of the chain.
    pub(crate) share: Share,
}

/// `[[expect]]`: when, of whom, and one thing that is expected.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExpectFile {
    /// It comes true until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) by: Option<Span>,
    /// It is true then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) at: Option<Span>,
    /// It is true from then on …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<Span>,
    /// … until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<Span>,
    /// Of whom; of all that run and have never lied unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) on: Option<Nodes>,
    /// PBFT: in at least this view.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) view_min: Option<u64>,
    /// PBFT: in at most this view.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) view_max: Option<u64>,
    /// PBFT: in at least this epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) epoch_min: Option<u64>,
    /// At least so high.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) height_min: Option<u64>,
    /// Final at least so high.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) final_min: Option<u64>,
    /// It grows on each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) grows: Option<Measure>,
    /// It stands on each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) stands: Option<Measure>,
    /// One chain everywhere, or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) synced: Option<bool>,
    /// These payments are in the chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) included: Option<Vec<String>>,
    /// These payments are final.
    #[serde(default, rename = "final", skip_serializing_if = "Option::is_none")]
    pub(crate) is_final: Option<Vec<String>>,
    /// These payments are not in the chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) missing: Option<Vec<String>>,
    /// Exactly one of these payments is final, the same everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) one_of: Option<Vec<String>>,
    /// So many of the load's transfers are final.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) transfers_min: Option<Amount>,
    /// Proof of work: some node has left so many blocks for others at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reorg_min: Option<u64>,
    /// Proof of work: some node has taken finality back, or none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) finality_broken: Option<bool>,
    /// Proof of work: some node refuses a branch as too deep, or none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refused: Option<bool>,
    /// PBFT: some node can prove of each of these that it lied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) evidence: Option<Vec<usize>>,
    /// PBFT: some node has left a view for this reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) left: Option<String>,
    /// Proof of work: a miner has this share of the blocks of the chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) share_min: Option<ShareFile>,
    /// PBFT: exactly these nodes vote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) voters: Option<Vec<usize>>,
    /// These nodes run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) up: Option<Vec<usize>>,
    /// These nodes do not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) down: Option<Vec<usize>>,
}
