//! What a campaign found, for people and for programs.

use crate::sim::options::SimOptions;
use serde_json::{Value, json};
use std::fmt;

/// What happened in one seed.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct SeedStats {
    /// Events executed.
    pub steps: u64,
    /// Virtual milliseconds.
    pub virtual_ms: u64,
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
    /// PBFT: times a node went on from a snapshot.
    pub transfers: u64,
    /// Proof of work: times an active chain was left for another.
    pub reorgs: u64,
    /// Proof of work: times finality was withdrawn.
    pub finality_broken: u64,
}

/// How one seed ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeedReport {
    /// The seed.
    pub seed: u64,
    /// SHA-256 over every event executed.
    pub trace: [u8; 32],
    /// Counts.
    pub stats: SeedStats,
    /// What the referee objects to.
    pub objection: Option<Objection>,
}

/// What the referee objects to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Objection {
    /// The event after which it objected, counted from 1.
    pub step: u64,
    /// The virtual millisecond.
    pub at_ms: u64,
    /// A short stable name of the rule.
    pub rule: &'static str,
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

/// How a campaign ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimReport {
    /// What was asked.
    pub options: SimOptions,
    /// Each seed, in order.
    pub seeds: Vec<SeedReport>,
    /// SHA-256 over the seeds' trace hashes, in order.
    pub trace: [u8; 32],
    /// For the first seed that failed.
    pub reproduction: Option<Reproduction>,
}

impl SimReport {
    /// Whether the referee had nothing to object to.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.seeds.iter().all(|seed| seed.objection.is_none())
    }

    /// The trace hash as text.
    #[must_use]
    pub fn trace_hex(&self) -> String {
        hex::encode(self.trace)
    }

    /// Sums over all seeds.
    #[must_use]
    pub fn totals(&self) -> SeedStats {
        self.seeds.iter().fold(SeedStats::default(), |sum, seed| {
            let s = &seed.stats;
            SeedStats {
                steps: sum.steps + s.steps,
                virtual_ms: sum.virtual_ms + s.virtual_ms,
                final_height: sum.final_height + s.final_height,
                blocks: sum.blocks + s.blocks,
                submitted: sum.submitted + s.submitted,
                final_transactions: sum.final_transactions + s.final_transactions,
                conflicts: sum.conflicts + s.conflicts,
                sent: sum.sent + s.sent,
                delivered: sum.delivered + s.delivered,
                lost: sum.lost + s.lost,
                crashes: sum.crashes + s.crashes,
                partitions: sum.partitions + s.partitions,
                lies: sum.lies + s.lies,
                transfers: sum.transfers + s.transfers,
                reorgs: sum.reorgs + s.reorgs,
                finality_broken: sum.finality_broken + s.finality_broken,
            }
        })
    }

    /// One JSON document.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let failures: Vec<Value> = self
            .seeds
            .iter()
            .filter_map(|seed| seed.objection.as_ref().map(|objection| failure_json(seed.seed, objection)))
            .collect();
        json!({
            "options": options_json(&self.options),
            "passed": self.passed(),
            "seeds": self.seeds.len(),
            "totals": stats_json(&self.totals()),
            "failures": failures,
            "reproduction": self.reproduction.as_ref().map(|found| json!({
                "command": found.options.to_string(),
                "options": options_json(&found.options),
                "failure": failure_json(found.options.seed, &found.objection),
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
        "transfers": stats.transfers,
        "reorgs": stats.reorgs,
        "finality_broken": stats.finality_broken,
    })
}

fn failure_json(seed: u64, objection: &Objection) -> Value {
    json!({
        "seed": seed,
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
        let totals = self.totals();
        let failed = self.seeds.iter().filter(|seed| seed.objection.is_some()).count();
        writeln!(f, "{} seeds, {failed} failed", self.seeds.len())?;
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
            "{} messages sent, {} lost; {} crashes, {} partitions, {} lies, {} snapshots, {} reorgs, finality broken {} times",
            totals.sent,
            totals.lost,
            totals.crashes,
            totals.partitions,
            totals.lies,
            totals.transfers,
            totals.reorgs,
            totals.finality_broken,
        )?;
        for seed in &self.seeds {
            if let Some(objection) = &seed.objection {
                writeln!(f, "seed {} failed at {objection}", seed.seed)?;
            }
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
