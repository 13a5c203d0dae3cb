//! A scenario in virtual time.

use crate::scenario::play::{Halt, Place, Report, Verdict, play};
use crate::scenario::{Scenario, judge::Judge};
use crate::sim::scripted::Virtual;
use bezant_api::trace::{Entry, TraceHeader};
use rayon::ThreadPoolBuilder;
use rayon::iter::{IntoParallelIterator, ParallelIterator};
use sha2::{Digest, Sha256};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

/// Plays a scenario from a seed; `tell` hears of each step and judgement as it is made. The same seed gives the same events, byte
/// for byte. A panic of the code under test is an objection like any other.
pub fn play_in_virtual_time(scenario: &Scenario, seed: u64, tell: impl FnMut(Report)) -> Verdict {
    play_world(scenario, seed, &mut Virtual::new(scenario, seed), tell)
}

/// Plays a scenario as [`play_in_virtual_time`] does, which does not change it, and gives what its nodes told beside the verdict.
///
/// # Panics
/// Never: a scenario has nodes.
pub fn record_play(scenario: &Scenario, seed: u64, tell: impl FnMut(Report)) -> (Verdict, TraceHeader, Vec<Entry>) {
    let mut world = Virtual::new(scenario, seed);
    world.record();
    let verdict = play_world(scenario, seed, &mut world, tell);
    let (header, entries) = world.recording(seed).expect("a scenario has nodes, and this play was recorded");
    (verdict, header, entries)
}

fn play_world(scenario: &Scenario, seed: u64, world: &mut Virtual<'_>, mut tell: impl FnMut(Report)) -> Verdict {
    let place = (Place::VirtualTime, seed);
    let played = catch_unwind(AssertUnwindSafe(|| match world.begin() {
        Ok(()) => futures::executor::block_on(play(scenario, world, place, &mut tell)),
        Err(halt) => stopped(scenario, seed, halt),
    }));
    played.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        stopped(
            scenario,
            seed,
            Halt::Objection(format!("panic: {}", text.unwrap_or_else(|| "without words".to_owned()))),
        )
    })
}

/// Plays a scenario for each of these seeds, on so many threads, 0 being one for each processor; `progress` is told how many have
/// ended. Returns the verdicts in order, and the hash over their traces: SHA-256 of the one before and the seed's own as text, from
/// 32 zero bytes on, in hex.
///
/// # Panics
/// When no threads can be started.
#[must_use]
pub fn play_seeds(
    of: impl Fn(u64) -> Scenario + Sync,
    seeds: Range<u64>,
    jobs: usize,
    progress: &(dyn Fn(u64) + Sync),
) -> (Vec<Verdict>, String) {
    let ended = AtomicU64::new(0);
    let one = |seed: u64| {
        let verdict = play_in_virtual_time(&of(seed), seed, |_| {});
        progress(ended.fetch_add(1, Ordering::Relaxed) + 1);
        verdict
    };
    let pool = ThreadPoolBuilder::new().num_threads(jobs).build().expect("threads can be started");
    let verdicts: Vec<Verdict> = pool.install(|| seeds.into_par_iter().map(one).collect());
    let trace = verdicts.iter().fold([0; 32], |sum: [u8; 32], verdict| {
        let own = verdict.tally.trace.clone().unwrap_or_default();
        Sha256::new().chain_update(sum).chain_update(own).finalize().into()
    });
    (verdicts, hex::encode(trace))
}

/// Nothing was judged.
fn stopped(scenario: &Scenario, seed: u64, halt: Halt) -> Verdict {
    let (objections, stopped) = match halt {
        Halt::Objection(objection) => (vec![objection], None),
        Halt::Broken(why) => (Vec::new(), Some(why)),
    };
    Verdict {
        scenario: scenario.name.clone(),
        world: Place::VirtualTime,
        seed,
        passed: false,
        expectations: Judge::new(scenario).give_up(0),
        objections,
        stopped,
        tally: Default::default(),
    }
}

#[cfg(test)]
mod tests;
