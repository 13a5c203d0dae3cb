//! `bezant sim`.

use super::campaign::{Campaign, Sum};
use crate::cli::{Engine, Sim, SimCommand};
use crate::output::{Failure, Outcome, Output};
use bezant_testnet::sim::{self, Fault, Faults, Plant, SimEngine, SimOptions, Totals};
use bezant_testnet::text;

/// After so many seeds the state of a campaign is written: about a minute's work.
const CHUNK: u64 = 100;

impl Sum for Totals {
    fn failed(&self) -> u64 {
        self.failed
    }
}

pub(crate) fn run(options: &Sim, output: &Output) -> Outcome {
    match &options.command {
        Some(SimCommand::Twins(twins)) => return super::twins::run(twins, output),
        Some(SimCommand::Mining(mining)) => return super::mining::run(mining, output),
        None => {}
    }
    if let Some(scenario) = &options.scenario {
        check_trace(options)?;
        return super::scenario::simulate(scenario, options, output);
    }
    if options.plant.as_deref() == Some("list") {
        let names: Vec<&str> = Plant::all().into_iter().map(Plant::name).collect();
        return output.result(&names, || names.join("\n"));
    }
    let asked = parse(options)?;
    check_trace(options)?;
    let campaign = Campaign {
        command: asked.to_string(),
        count: asked.seeds,
        chunk: CHUNK,
        items: "seeds",
        file: options.resume.as_deref(),
    };
    if !output.json {
        // First, so that an interrupted campaign can be run again.
        output.line(&campaign.command)?;
    }
    let totals: Totals = campaign.run(output, |totals: &mut Totals, places, progress| {
        sim::add_seeds(totals, &asked, asked.seed + places.start..asked.seed + places.end, options.jobs, progress);
    })?;
    let report = sim::report(&asked, totals);
    if let Some(file) = &options.trace {
        let entries = super::trace::of_seed(&asked, file)?;
        super::trace::remark_on(file, entries, output);
    }
    output.result(&report.to_json(), || report.to_string())?;
    if report.passed() {
        return Ok(());
    }
    Err(Failure::after_result(
        "referee",
        format!("the referee objects to {} of {}; see above", report.totals.failed, text::count(asked.seeds, "seed")),
    ))
}

/// Before anything runs: one seed, and a file that is not there yet.
fn check_trace(options: &Sim) -> Outcome {
    let Some(file) = &options.trace else { return Ok(()) };
    if options.seeds != 1 {
        return Err(Failure::usage(
            "--trace records one seed; name the one that failed with --seed and leave --seeds out",
        ));
    }
    if file.exists() {
        return Err(Failure::usage(format!("{} is there already; choose another name", file.display())));
    }
    Ok(())
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
