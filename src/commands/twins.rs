//! `bezant sim twins`.

use super::campaign::{Campaign, Sum};
use crate::cli::Twins;
use crate::output::{Failure, Outcome, Output};
use bezant_testnet::sim::twins::{self, Space, Totals};

impl Sum for Totals {
    fn failed(&self) -> u64 {
        self.failed
    }
}

pub(crate) fn run(options: &Twins, output: &Output) -> Outcome {
    let space = Space::new(options.views, options.partitions, options.twins).map_err(Failure::usage)?;
    if !(1..=16).contains(&options.depth) {
        return Err(Failure::usage(format!("depth {}: 1 to 16", options.depth)));
    }
    let sample = options.sample.map(|count| space.sample(count, options.seed));
    let campaign = Campaign {
        command: describe(options),
        count: sample.as_ref().map_or(space.len(), |sample| sample.len() as u64),
        chunk: 2_000,
        items: "scenarios",
        file: options.resume.as_deref(),
    };
    if !output.json {
        output.line(&campaign.command)?;
    }
    let number = |place: u64| sample.as_ref().map_or(place, |sample| sample[place as usize]);
    let totals: Totals = campaign.run(output, |totals: &mut Totals, places, progress| {
        let numbers: Vec<u64> = places.map(number).collect();
        totals.merge(twins::run(&space, &numbers, options.depth, options.jobs, progress));
    })?;
    output.result(&totals, || totals.to_string())?;
    if totals.failed == 0 {
        return Ok(());
    }
    Err(Failure::after_result("referee", format!("the referee objects to {} scenarios; see above", totals.failed)))
}

fn describe(options: &Twins) -> String {
    let Twins { views, partitions, twins, depth, sample, seed, .. } = options;
    let sample = sample.map(|count| format!(" --sample {count} --seed {seed}")).unwrap_or_default();
    format!("bezant sim twins --views {views} --partitions {partitions} --twins {twins} --depth {depth}{sample}")
}
