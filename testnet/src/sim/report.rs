//! What a campaign found, for people and for programs.

use crate::sim::options::SimOptions;
use crate::text;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt;

/// Failures of a campaign that are kept in words.
const FAILURES_MAX: usize = 64;

/// What happened in one seed, or in many together.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SeedStats {
    /// Events executed.
    pub steps: u64,
    /// Virtual milliseconds.
    pub virtual_ms: u64,
    /// Virtual milliseconds from the end of all faults but lies until all was final everywhere; of many seeds, the most.
    pub healing_ms: u64,
    /// Height of the highest block that is final everywhere.
    pub final_height: u64,
    /// Blocks that were connected on any node, on any branch.
    pub blocks: u64,
    /// Transactions submitted, both of each conflicting pair counted.
    pub submitted: u64,
    /// Transactions final everywhere.
    pub final_transactions: u64,
    /// Conflicting pairs.
    pub conflicts: u64,
    /// Messages handed to the network.
    pub sent: u64,
    /// Messages that arrived.
    pub delivered: u64,
    /// Messages that the network lost.
    pub lost: u64,
    /// Crashes, those of power cuts included.
    pub crashes: u64,
    /// Times the net was cut into parts.
    pub partitions: u64,
    /// Times that a member said something else than its replica.
    pub lies: u64,
    /// PBFT: epochs that began after the first.
    pub epochs: u64,
    /// PBFT: times that a node lost its disk.
    pub wipes: u64,
    /// PBFT: times a node went on from a snapshot.
    pub transfers: u64,
    /// Times that a replica left its view.
    pub views_left: u64,
    /// Times that it did because the primary was unfair or slow.
    pub complaints: u64,
    /// Proof of work: times an active chain was left for another.
    pub reorgs: u64,
    /// Proof of work: times finality was withdrawn.
    pub finality_broken: u64,
    /// Proof of work: times that a branch was refused as too deep.
    pub alarms: u64,
    /// Proof of work: times that a person let a node follow such a branch.
    pub decisions: u64,
}

impl SeedStats {
    /// Takes in those of another seed.
    fn add(&mut self, other: &SeedStats) {
        self.steps += other.steps;
        self.virtual_ms += other.virtual_ms;
        self.healing_ms = self.healing_ms.max(other.healing_ms);
        self.final_height += other.final_height;
        self.blocks += other.blocks;
        self.submitted += other.submitted;
        self.final_transactions += other.final_transactions;
        self.conflicts += other.conflicts;
        self.sent += other.sent;
        self.delivered += other.delivered;
        self.lost += other.lost;
        self.crashes += other.crashes;
        self.partitions += other.partitions;
        self.lies += other.lies;
        self.epochs += other.epochs;
        self.wipes += other.wipes;
        self.transfers += other.transfers;
        self.views_left += other.views_left;
        self.complaints += other.complaints;
        self.reorgs += other.reorgs;
        self.finality_broken += other.finality_broken;
        self.alarms += other.alarms;
        self.decisions += other.decisions;
    }
}

/// How one seed ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeedReport {
    /// The seed.
    pub seed: u64,
    /// Nodes of its net.
    pub nodes: usize,
    /// SHA-256 over every event executed.
    pub trace: [u8; 32],
    /// Counts.
    pub stats: SeedStats,
    /// What the referee objects to.
    pub objection: Option<Objection>,
}

/// What the referee objects to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Objection {
    /// The event after which it objected, counted from 1.
    pub step: u64,
    /// The virtual millisecond.
    pub at_ms: u64,
    /// A short stable name of the rule.
    pub rule: String,
    /// What is wrong, in a sentence.
    pub sentence: String,
    /// The last events before it, oldest first.
    pub last_events: Vec<String>,
}

/// The smallest run found that still fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reproduction {
    /// Its options; shown, they are the command line.
    pub options: SimOptions,
    /// What the referee says there.
    pub objection: Objection,
}

/// A seed that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// Nodes of its net.
    pub nodes: usize,
    /// What the referee objects to.
    pub objection: Objection,
}

/// The sum of many seeds. It can be kept and added to later.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Totals {
    /// Run.
    pub seeds: u64,
    /// With an objection.
    pub failed: u64,
    /// The first that failed, 64 at most.
    pub failures: Vec<Failure>,
    /// Seeds by the number of nodes.
    pub sizes: BTreeMap<usize, u64>,
    /// Together.
    pub stats: SeedStats,
    /// Over the seeds' trace hashes, in order: SHA-256 of the one before and the seed's own, from 32 zero bytes on.
    pub trace: [u8; 32],
}

impl Totals {
    /// Takes in one seed more, the next in order.
    pub fn add(&mut self, report: &SeedReport) {
        self.seeds += 1;
        *self.sizes.entry(report.nodes).or_default() += 1;
        self.stats.add(&report.stats);
        self.trace = Sha256::new().chain_update(self.trace).chain_update(report.trace).finalize().into();
        let Some(objection) = report.objection.clone() else { return };
        self.failed += 1;
        if self.failures.len() < FAILURES_MAX {
            self.failures.push(Failure { seed: report.seed, nodes: report.nodes, objection });
        }
    }
}

/// How a campaign ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimReport {
    /// What was asked.
    pub options: SimOptions,
    /// What came of it.
    pub totals: Totals,
    /// For the first seed that failed.
    pub reproduction: Option<Reproduction>,
}

impl SimReport {
    /// Whether the referee had nothing to object to.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.totals.failed == 0
    }

    /// The trace hash as text.
    #[must_use]
    pub fn trace_hex(&self) -> String {
        hex::encode(self.totals.trace)
    }

    /// One JSON document.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let failures = self.totals.failures.iter().map(|it| failure_json(it.seed, it.nodes, &it.objection));
        json!({
            "options": options_json(&self.options),
            "passed": self.passed(),
            "seeds": self.totals.seeds,
            "failed": self.totals.failed,
            "sizes": self.totals.sizes,
            "totals": stats_json(&self.totals.stats),
            "failures": failures.collect::<Vec<Value>>(),
            "reproduction": self.reproduction.as_ref().map(|found| json!({
                "command": found.options.to_string(),
                "options": options_json(&found.options),
                "failure": failure_json(found.options.seed, found.options.nodes_of(found.options.seed), &found.objection),
            })),
            "trace": self.trace_hex(),
        })
    }
}

fn options_json(options: &SimOptions) -> Value {
    json!({
        "engine": options.engine.to_string(),
        "nodes": options.nodes,
        "seed": options.seed,
        "seeds": options.seeds,
        "faults": options.faults.to_string(),
        "steps": options.steps,
        "plant": options.plant.map(|plant| plant.to_string()),
        "lie": options.lie.map(|lie| lie.to_string()),
        "liars": options.liars,
    })
}

fn stats_json(stats: &SeedStats) -> Value {
    json!({
        "steps": stats.steps,
        "virtual_ms": stats.virtual_ms,
        "healing_ms_max": stats.healing_ms,
        "final_heights": stats.final_height,
        "blocks": stats.blocks,
        "submitted": stats.submitted,
        "final_transactions": stats.final_transactions,
        "conflicts": stats.conflicts,
        "sent": stats.sent,
        "delivered": stats.delivered,
        "lost": stats.lost,
        "crashes": stats.crashes,
        "partitions": stats.partitions,
        "lies": stats.lies,
        "epochs": stats.epochs,
        "wipes": stats.wipes,
        "transfers": stats.transfers,
        "views_left": stats.views_left,
        "complaints": stats.complaints,
        "reorgs": stats.reorgs,
        "finality_broken": stats.finality_broken,
        "alarms": stats.alarms,
        "decisions": stats.decisions,
    })
}

fn failure_json(seed: u64, nodes: usize, objection: &Objection) -> Value {
    json!({
        "seed": seed,
        "nodes": nodes,
        "step": objection.step,
        "at_ms": objection.at_ms,
        "rule": objection.rule,
        "sentence": objection.sentence,
        "last_events": objection.last_events,
    })
}

impl fmt::Display for Objection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "step {}, {} ms: {}: {}", self.step, self.at_ms, self.rule, self.sentence)
    }
}

/// The whole result as text. The last line is `trace HASH`. The options are not here: they are printed first, before the run.
impl fmt::Display for SimReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Totals { seeds, failed, failures, sizes, stats: totals, .. } = &self.totals;
        writeln!(f, "{}, {failed} failed", text::count(*seeds, "seed"))?;
        let sizes: Vec<String> = sizes.iter().map(|(nodes, seeds)| format!("{seeds} of {nodes}")).collect();
        writeln!(
            f,
            "nodes: {}; final everywhere {} ms after healing at the latest",
            sizes.join(", "),
            totals.healing_ms
        )?;
        writeln!(
            f,
            "{} events in {} virtual seconds; {} blocks, {} of {} transactions final ({} conflicting pairs)",
            totals.steps,
            totals.virtual_ms / 1000,
            totals.blocks,
            totals.final_transactions,
            totals.submitted,
            totals.conflicts,
        )?;
        writeln!(
            f,
            "{} messages sent, {} lost; {} crashes, {} partitions, {} lies, {} epochs, {} lost disks, {} snapshots, {} views left ({} as unfair or slow), \
             {} reorgs, finality broken {} times, {} branches refused as too deep, {} allowed by hand",
            totals.sent,
            totals.lost,
            totals.crashes,
            totals.partitions,
            totals.lies,
            totals.epochs,
            totals.wipes,
            totals.transfers,
            totals.views_left,
            totals.complaints,
            totals.reorgs,
            totals.finality_broken,
            totals.alarms,
            totals.decisions,
        )?;
        for Failure { seed, nodes, objection } in failures {
            writeln!(f, "seed {seed} of {nodes} nodes failed at {objection}")?;
        }
        if *failed > failures.len() as u64 {
            writeln!(f, "and {} more", failed - failures.len() as u64)?;
        }
        if let Some(found) = &self.reproduction {
            for line in &found.objection.last_events {
                writeln!(f, "  {line}")?;
            }
            writeln!(f, "minimal reproduction, failing at {}", found.objection)?;
            writeln!(f, "  {}", found.options)?;
        }
        write!(f, "trace {}", self.trace_hex())
    }
}
