//! `bezant sim`.

use crate::cli::{Engine, Sim, SimCommand};
use crate::output::{Failure, Outcome, Output};
use bezant_testnet::sim::{Fault, Faults, Plant, SimEngine, SimOptions};

pub(crate) fn run(options: &Sim, output: &Output) -> Outcome {
    if let Some(SimCommand::Twins(twins)) = &options.command {
        return super::twins::run(twins, output);
    }
    if options.plant.as_deref() == Some("list") {
        let names: Vec<&str> = Plant::all().into_iter().map(Plant::name).collect();
        return output.result(&names, || names.join("\n"));
    }
    let options = parse(options)?;
    if !output.json {
        // First, so that an interrupted campaign can be run again.
        output.line(&options.to_string())?;
    }
    let bar = indicatif::ProgressBar::new(options.seeds);
    if !output.shows_progress() {
        bar.set_draw_target(indicatif::ProgressDrawTarget::hidden());
    }
    let report = bezant_testnet::sim::run(&options, &|done| bar.set_position(done));
    bar.finish_and_clear();
    output.result(&report.to_json(), || report.to_string())?;
    if report.passed() {
        return Ok(());
    }
    let failures = report.seeds.iter().filter(|seed| seed.objection.is_some()).count();
    Err(Failure::after_result(
        "referee",
        format!("the referee objects to {failures} of {} seeds; see above", options.seeds),
    ))
}

fn parse(options: &Sim) -> Result<SimOptions, Failure> {
    let faults: Faults = options.faults.parse().map_err(Failure::usage)?;
    let parsed = SimOptions {
        engine: match options.engine {
            Engine::Pbft => SimEngine::Pbft,
            Engine::Pow => SimEngine::Pow,
        },
        nodes: options.nodes,
        seed: options.seed,
        seeds: options.seeds,
        // Whoever says how or how many want lies.
        faults: if options.lie.is_some() || options.liars.is_some() { faults.with(Fault::Lies) } else { faults },
        steps: options.steps,
        liars: options.liars,
        lie: options.lie.as_deref().map(str::parse).transpose().map_err(Failure::usage)?,
        plant: options.plant.as_deref().map(str::parse).transpose().map_err(Failure::usage)?,
    };
    parsed.check().map_err(Failure::usage)?;
    Ok(parsed)
}
