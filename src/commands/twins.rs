//! `bezant sim twins`.

use crate::cli::Twins;
use crate::output::{Failure, Outcome, Output};
use bezant_testnet::sim::twins::{self, Space, Totals};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// After so many scenarios the state of the campaign is written.
const CHUNK: u64 = 2_000;

/// A campaign on its way.
#[derive(Serialize, Deserialize)]
struct State {
    /// The command; another one does not go on from here.
    command: String,
    next: u64,
    totals: Totals,
}

pub(crate) fn run(options: &Twins, output: &Output) -> Outcome {
    let space = Space::new(options.views, options.partitions, options.twins).map_err(Failure::usage)?;
    if !(1..=16).contains(&options.depth) {
        return Err(Failure::usage(format!("depth {}: 1 to 16", options.depth)));
    }
    let sample = options.sample.map(|count| space.sample(count, options.seed));
    let count = sample.as_ref().map_or(space.len(), |sample| sample.len() as u64);
    let command = describe(options);
    let mut state = match &options.resume {
        Some(file) => load(file, &command)?,
        None => State { command: command.clone(), next: 0, totals: Totals::default() },
    };
    if !output.json {
        output.line(&command)?;
    }
    let bar = indicatif::ProgressBar::new(count).with_position(state.next);
    bar.set_style(
        indicatif::ProgressStyle::default_bar().template("{wide_bar} {pos}/{len} {eta}").expect("it is valid"),
    );
    if !output.shows_progress() {
        bar.set_draw_target(indicatif::ProgressDrawTarget::hidden());
    }
    while state.next < count {
        let last = count.min(state.next + CHUNK);
        let number = |place: u64| sample.as_ref().map_or(place, |sample| sample[place as usize]);
        let numbers: Vec<u64> = (state.next..last).map(number).collect();
        let before = state.next;
        let progress = |done: u64| bar.set_position(before + done);
        state.totals.merge(twins::run(&space, &numbers, options.depth, options.jobs, &progress));
        state.next = last;
        if let Some(file) = &options.resume {
            save(file, &state)?;
        }
    }
    bar.finish_and_clear();
    output.result(&state.totals, || state.totals.to_string())?;
    if state.totals.failed == 0 {
        return Ok(());
    }
    Err(Failure::after_result(
        "referee",
        format!("the referee objects to {} scenarios; see above", state.totals.failed),
    ))
}

fn describe(options: &Twins) -> String {
    let Twins { views, partitions, twins, depth, sample, seed, .. } = options;
    let sample = sample.map(|count| format!(" --sample {count} --seed {seed}")).unwrap_or_default();
    format!("bezant sim twins --views {views} --partitions {partitions} --twins {twins} --depth {depth}{sample}")
}

fn load(file: &Path, command: &str) -> Result<State, Failure> {
    if !file.exists() {
        return Ok(State { command: command.to_owned(), next: 0, totals: Totals::default() });
    }
    let fail = |error: String| Failure::failed("resume", format!("{}: {error}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| fail(error.to_string()))?;
    let state: State = serde_json::from_str(&text).map_err(|error| fail(error.to_string()))?;
    if state.command != command {
        return Err(fail(format!("it is of another campaign, {}", state.command)));
    }
    Ok(state)
}

fn save(file: &Path, state: &State) -> Outcome {
    let fail = |error: std::io::Error| Failure::failed("resume", format!("{}: {error}", file.display()));
    let text = serde_json::to_string(state).map_err(|error| Failure::failed("resume", error))?;
    let new = file.with_extension("new");
    std::fs::write(&new, text).map_err(fail)?;
    std::fs::rename(&new, file).map_err(fail)
}
