//! Many seeds, beside each other, and the smallest run that still fails.

use crate::sim::options::SimOptions;
use crate::sim::plant::Armed;
use crate::sim::report::{Objection, Reproduction, SeedReport, SimReport, Totals};
use crate::sim::world::World;
use bezant_api::trace::{Entry, TraceHeader};
use rayon::ThreadPoolBuilder;
use rayon::iter::{IntoParallelIterator, ParallelIterator};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

/// Runs every seed of the options, beside each other; `progress` is told how many have ended.
///
/// # Panics
/// As [`add_seeds`].
#[must_use]
pub fn run(options: &SimOptions, progress: &(dyn Fn(u64) + Sync)) -> SimReport {
    let mut totals = Totals::default();
    add_seeds(&mut totals, options, options.seed..options.seed + options.seeds, 0, progress);
    report(options, totals)
}

/// Runs these seeds on so many threads, 0 being one for each processor, and adds what came of them, in order. A campaign may be
/// run in parts: its sum is the same.
///
/// # Panics
/// When the options do not pass [`SimOptions::check`], or no threads can be started.
pub fn add_seeds(
    totals: &mut Totals,
    options: &SimOptions,
    seeds: Range<u64>,
    jobs: usize,
    progress: &(dyn Fn(u64) + Sync),
) {
    options.check().expect("options are checked before they are run");
    let ended = AtomicU64::new(0);
    let one = |seed: u64| {
        let report = run_seed(options, seed);
        progress(ended.fetch_add(1, Ordering::Relaxed) + 1);
        report
    };
    let pool = ThreadPoolBuilder::new().num_threads(jobs).build().expect("threads can be started");
    let reports: Vec<SeedReport> = pool.install(|| seeds.into_par_iter().map(one).collect());
    reports.iter().for_each(|report| totals.add(report));
}

/// The report of a campaign whose seeds were all run.
#[must_use]
pub fn report(options: &SimOptions, totals: Totals) -> SimReport {
    let reproduction = totals.failures.first().map(|first| reproduce(options, first.seed, first.objection.clone()));
    SimReport { options: options.clone(), totals, reproduction }
}

/// Runs one seed. A panic of the code under test is an objection like any other.
#[must_use]
pub fn run_seed(options: &SimOptions, seed: u64) -> SeedReport {
    run_world(options, seed, &mut World::new(options, seed))
}

/// Runs one seed, which does not change it, and gives what its nodes told beside the report.
#[must_use]
pub fn record_seed(options: &SimOptions, seed: u64) -> (SeedReport, TraceHeader, Vec<Entry>) {
    let mut world = World::new(options, seed);
    world.record();
    let report = run_world(options, seed, &mut world);
    let (header, entries) = world.recording(format!("seed {seed}")).expect("a world has nodes, and this one records");
    (report, header, entries)
}

fn run_world(options: &SimOptions, seed: u64, world: &mut World) -> SeedReport {
    let _armed = Armed::new(options.plant);
    let verdict = catch_unwind(AssertUnwindSafe(|| world.run())).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(("panic", text.unwrap_or_else(|| "a panic without words".to_owned())))
    });
    let objection = verdict.err().map(|(rule, sentence)| Objection {
        step: world.stats.steps,
        at_ms: world.now_ms,
        rule: rule.to_owned(),
        sentence,
        last_events: world.trace.last_events(),
    });
    let nodes = world.nodes.len();
    SeedReport { seed, nodes, trace: world.trace.hash(), stats: world.stats.clone(), objection }
}

/// Turns fault classes off one after another, keeping each off without which the seed still breaks the same rule.
fn reproduce(options: &SimOptions, seed: u64, objection: Objection) -> Reproduction {
    let mut best = Reproduction { options: options.of_seed(seed), objection };
    for fault in best.options.faults.iter() {
        let options = SimOptions { faults: best.options.faults.without(fault), ..best.options.clone() };
        if options.check().is_err() {
            continue;
        }
        match run_seed(&options, seed).objection {
            Some(objection) if objection.rule == best.objection.rule => best = Reproduction { options, objection },
            Some(_) | None => {}
        }
    }
    best
}
