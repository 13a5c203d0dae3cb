//! `bezant sim mining`.

use crate::cli::{Mining, MiningScenario};
use crate::output::{Failure, Outcome, Output};
use bezant_testnet::sim::mining::{self, Scenario, ScenarioOptions};

pub(crate) fn run(options: &Mining, output: &Output) -> Outcome {
    let usual = ScenarioOptions::of(match options.scenario {
        MiningScenario::Stale => Scenario::Stale,
        MiningScenario::Selfish => Scenario::Selfish,
        MiningScenario::Withhold => Scenario::Withhold,
        MiningScenario::DoubleSpend => Scenario::DoubleSpend,
        MiningScenario::Eclipse => Scenario::Eclipse,
    });
    let asked = ScenarioOptions {
        share: options.share,
        depth: options.depth,
        seed: options.seed,
        seeds: options.seeds.unwrap_or(usual.seeds),
        length: options.length.unwrap_or(usual.length),
        jobs: options.jobs,
        ..usual
    };
    let figure = mining::run(&asked).map_err(Failure::usage)?;
    if let Some(file) = &options.svg {
        let fail = |error| Failure::failed("svg", format!("{}: {error}", file.display()));
        std::fs::write(file, figure.to_svg()).map_err(fail)?;
    }
    output.result(&figure, || figure.to_string())
}
