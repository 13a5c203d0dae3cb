//! Many seeds, beside each other, and the smallest run that still fails.

use crate::sim::options::SimOptions;
use crate::sim::plant::Armed;
use crate::sim::report::{Objection, Reproduction, SeedReport, SimReport};
use crate::sim::world::World;
use rayon::iter::{IntoParallelIterator, ParallelIterator};
use sha2::{Digest, Sha256};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

/// Runs every seed of the options, beside each other; `progress` is told how many have ended.
///
/// # Panics
/// When the options do not pass [`SimOptions::check`].
#[must_use]
pub fn run(options: &SimOptions, progress: &(dyn Fn(u64) + Sync)) -> SimReport {
    options.check().expect("options are checked before they are run");
    let ended = AtomicU64::new(0);
    let one = |seed: u64| {
        let report = run_seed(options, seed);
        progress(ended.fetch_add(1, Ordering::Relaxed) + 1);
        report
    };
    let seeds: Vec<SeedReport> = (options.seed..options.seed + options.seeds).into_par_iter().map(one).collect();
    let mut hasher = Sha256::new();
    for seed in &seeds {
        hasher.update(seed.trace);
    }
    let first = seeds.iter().find_map(|seed| seed.objection.clone().map(|objection| (seed.seed, objection)));
    let reproduction = first.map(|(seed, objection)| reproduce(options, seed, objection));
    SimReport { options: options.clone(), seeds, trace: hasher.finalize().into(), reproduction }
}

/// Runs one seed. A panic of the code under test is an objection like any other.
#[must_use]
pub fn run_seed(options: &SimOptions, seed: u64) -> SeedReport {
    let _armed = Armed::new(options.plant);
    let mut world = World::new(options, seed);
    let verdict = catch_unwind(AssertUnwindSafe(|| world.run())).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(("panic", text.unwrap_or_else(|| "a panic without words".to_owned())))
    });
    let objection = verdict.err().map(|(rule, sentence)| Objection {
        step: world.stats.steps,
        at_ms: world.now_ms,
        rule,
        sentence,
        last_events: world.trace.last_events(),
    });
    SeedReport { seed, trace: world.trace.hash(), stats: world.stats.clone(), objection }
}

/// Turns fault classes off one after another, keeping each off without which the seed still breaks the same rule.
fn reproduce(options: &SimOptions, seed: u64, objection: Objection) -> Reproduction {
    let mut best = Reproduction { options: SimOptions { seed, seeds: 1, ..options.clone() }, objection };
    for fault in best.options.faults.iter() {
        let options = SimOptions { faults: best.options.faults.without(fault), ..best.options.clone() };
        match run_seed(&options, seed).objection {
            Some(objection) if objection.rule == best.objection.rule => best = Reproduction { options, objection },
            Some(_) | None => {}
        }
    }
    best
}
