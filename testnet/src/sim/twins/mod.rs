//! Twins: one member's key in two replicas at once (Bano et al., OPODIS 2021), the cheapest liar there is.
//!
//! A twin runs the very code of every other replica, under the same key, on another state: it proposes, prepares, commits and
//! changes views in both places, and where the net falls into parts, one twin in each, everything is said that a liar would
//! say who wants both parts to go on. No attack is written by hand.
//!
//! # A scenario
//! Four members, one of which (or two, see below) runs twice. In each round of [`ROUND_MS`], about as long as a view has, the
//! replicas are in two or three parts; what is sent from one part to another is lost. Which parts, round by round, and who
//! has a twin, is the scenario, so that all of them can be counted: with 40 ways to part five replicas, 4 · 40^rounds. Of two
//! scenarios that differ by exchanging the twins one is run. After the last round all links are perfect.
//!
//! # The referee
//! It objects to: two commit certificates, or two final blocks, at one height of correct replicas; evidence against, or blame
//! of, a correct member by a correct one; a panic; and, [`LIVENESS_MS`] after healing, to a correct replica that is not at
//! least two blocks above all that was final before.
//!
//! # Two twins
//! With two of four, more than f lie: forks are no objection then. Within one view the evidence names both. Across views it
//! need not: a twin that committed in one view and forgot that in its VIEW-CHANGE for the next has lied, but no two of its
//! *votes* contradict each other.

mod net;
mod scenario;
#[cfg(test)]
mod tests;

use crate::sim::plant::{Armed, Plant};
use net::Net;
use rayon::ThreadPoolBuilder;
use rayon::iter::{IntoParallelIterator, ParallelIterator};
pub use scenario::{ROUNDS_MAX, Scenario, Space};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

/// Length of a round, in milliseconds of virtual time: one view time-out and a bit, so that what a round cuts through moves.
pub const ROUND_MS: u64 = 1_370;
/// How long the net has after healing.
pub const LIVENESS_MS: u64 = 30_000;

/// What became of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The scenario.
    pub scenario: Scenario,
    /// The highest final block of a correct replica.
    pub height: u64,
    /// The highest view that a correct replica was in.
    pub view: u64,
    /// Whether correct replicas hold contradicting certificates; with one twin that is an objection too.
    pub forked: bool,
    /// Against whom correct replicas hold evidence in the end.
    pub named: BTreeSet<u16>,
    /// A rule that was broken, and how.
    pub objection: Option<(&'static str, String)>,
}

/// Runs one scenario, with a planted bug or none.
#[must_use]
pub fn run_scenario(scenario: &Scenario, depth: u16, plant: Option<Plant>) -> Outcome {
    let _armed = Armed::new(plant);
    let mut net = Net::new(scenario, depth);
    let verdict = catch_unwind(AssertUnwindSafe(|| net.run()));
    let objection = verdict.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Some(("panic", text.unwrap_or_else(|| "a panic without words".to_owned())))
    });
    net.outcome(objection)
}

/// The sum of many scenarios.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Run.
    pub scenarios: u64,
    /// With an objection.
    pub failed: u64,
    /// In which correct replicas hold evidence.
    pub with_evidence: u64,
    /// In which correct replicas hold contradicting certificates.
    pub forked: u64,
    /// The highest view that any correct replica was in.
    pub view_max: u64,
    /// Final blocks of the highest correct replica, together.
    pub heights: u64,
    /// The first few that failed, or forked with two twins, with what was said.
    pub examples: Vec<String>,
}

/// Examples that are kept.
const EXAMPLES_MAX: usize = 8;

impl Totals {
    /// Takes in one more.
    pub fn add(&mut self, outcome: &Outcome) {
        self.scenarios += 1;
        self.failed += u64::from(outcome.objection.is_some());
        self.with_evidence += u64::from(!outcome.named.is_empty());
        self.forked += u64::from(outcome.forked);
        self.view_max = self.view_max.max(outcome.view);
        self.heights += outcome.height;
        let said = outcome.objection.as_ref().map(|(rule, sentence)| format!("{rule}: {sentence}"));
        let said = said.or(outcome.forked.then(|| format!("forked; evidence against {:?}", outcome.named)));
        if let Some(said) = said.filter(|_| self.examples.len() < EXAMPLES_MAX) {
            self.examples.push(format!("{} {said}", outcome.scenario));
        }
    }

    /// Takes in the sum of others.
    pub fn merge(&mut self, other: Totals) {
        self.scenarios += other.scenarios;
        self.failed += other.failed;
        self.with_evidence += other.with_evidence;
        self.forked += other.forked;
        self.view_max = self.view_max.max(other.view_max);
        self.heights += other.heights;
        self.examples.extend(other.examples);
        self.examples.truncate(EXAMPLES_MAX);
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} scenarios, {} failed", self.scenarios, self.failed)?;
        writeln!(f, "  {} with evidence, {} with a fork", self.with_evidence, self.forked)?;
        write!(f, "  highest view {}, {} blocks final", self.view_max, self.heights)?;
        self.examples.iter().try_for_each(|example| write!(f, "\n  {example}"))
    }
}

/// Runs the scenarios of these numbers on so many threads, 0 being one for each processor; `progress` is told how many have
/// ended.
///
/// # Panics
/// When no threads can be started.
#[must_use]
pub fn run(space: &Space, numbers: &[u64], depth: u16, jobs: usize, progress: &(dyn Fn(u64) + Sync)) -> Totals {
    let ended = AtomicU64::new(0);
    let one = |number: u64| {
        let outcome = space.scenario(number).map(|scenario| run_scenario(&scenario, depth, None));
        progress(ended.fetch_add(1, Ordering::Relaxed) + 1);
        outcome
    };
    let pool = ThreadPoolBuilder::new().num_threads(jobs).build().expect("threads can be started");
    let outcomes: Vec<Option<Outcome>> = pool.install(|| numbers.to_vec().into_par_iter().map(one).collect());
    let mut totals = Totals::default();
    outcomes.iter().flatten().for_each(|outcome| totals.add(outcome));
    totals
}
