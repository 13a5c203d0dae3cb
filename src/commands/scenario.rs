//! Scenarios: how they are found, and what is told of a play, in virtual time and on processes.

use super::trace as recording;
use crate::cli::Sim;
use crate::output::{Failure, Outcome, Output, table};
use bezant_testnet::scenario::{self, Report, SHIPPED, Scenario, Verdict, seconds};
use bezant_testnet::text;
use serde_json::json;
use std::path::Path;

/// What stands for a scenario that is drawn from the seed.
const RANDOM: &str = "random";
/// What stands for the names of all that are shipped.
pub(crate) const LIST: &str = "list";
/// Seeds of one campaign, at most.
const SEEDS_MAX: u64 = 1_000_000;
/// A machine that is so late is named as a reason.
const LATE_MS: u64 = 1_500;
/// Verdicts that failed and are told in words.
const FAILED_TOLD_MAX: usize = 16;

/// The scenario that is asked for: a file if there is one of that name, else one that is shipped, or one drawn from the seed.
pub(crate) fn find(name: &str, seed: u64) -> Result<Scenario, Failure> {
    if name == RANDOM {
        return Ok(scenario::random(seed));
    }
    let path = Path::new(name);
    if !path.is_file() {
        let shipped = scenario::shipped(name).map(|shipped| shipped.scenario());
        return shipped.ok_or_else(|| unknown(name));
    }
    let read = |error: std::io::Error| Failure::usage(format!("scenario {name} cannot be read: {error}"));
    let text = std::fs::read_to_string(path).map_err(read)?;
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    Scenario::parse(&stem, &text).map_err(Failure::usage)
}

fn unknown(name: &str) -> Failure {
    let what = if name.contains(['/', '.']) { "there is no such file" } else { "it is no file and not shipped" };
    Failure::usage(format!("scenario {name}: {what}; `bezant sim --scenario list` names those that are shipped"))
}

/// The names of those that are shipped.
pub(crate) fn list(output: &Output) -> Outcome {
    let all: Vec<Scenario> = SHIPPED.iter().map(|shipped| shipped.scenario()).collect();
    let value: Vec<_> = all
        .iter()
        .map(|it| json!({ "name": it.name, "title": it.title, "engine": it.net.engine, "nodes": it.net.count() }))
        .collect();
    output.result(&value, || {
        let row = |it: &Scenario| {
            vec![
                it.name.clone(),
                it.net.engine.to_string(),
                it.net.count().to_string(),
                seconds(it.end_ms),
                it.title.clone(),
            ]
        };
        table(&["scenario", "engine", "nodes", "length", "what it shows"], all.iter().map(row))
    })
}

/// `bezant sim --scenario`.
pub(crate) fn simulate(name: &str, options: &Sim, output: &Output) -> Outcome {
    if name == LIST {
        if options.trace.is_some() {
            return Err(Failure::usage("--trace records a play; `list` plays nothing"));
        }
        return list(output);
    }
    let Sim { seed, seeds, .. } = *options;
    if seeds == 0 || seeds > SEEDS_MAX || seed.checked_add(seeds).is_none() {
        return Err(Failure::usage(format!("--seeds: 1 to {SEEDS_MAX} are possible, below 2^64")));
    }
    if seeds == 1 { one(name, seed, options.trace.as_deref(), output) } else { several(name, options, output) }
}

fn one(name: &str, seed: u64, trace: Option<&Path>, output: &Output) -> Outcome {
    let scenario = find(name, seed)?;
    let trace = trace.map(|path| recording::create(path).map(|file| (path, file))).transpose()?;
    if !output.json {
        output.line(&format!("bezant sim --scenario {name} --seed {seed} --seeds 1"))?;
        opening(name, &scenario, "virtual time", output)?;
    }
    let mut told = Ok(());
    let tell = |report: Report| {
        if !output.json && told.is_ok() {
            told = output.line(&line(&report));
        }
    };
    let verdict = match trace {
        None => scenario::play_in_virtual_time(&scenario, seed, tell),
        Some((path, file)) => {
            let (verdict, header, entries) = scenario::record_play(&scenario, seed, tell);
            recording::write(file, path, &header, &entries)?;
            recording::remark_on(path, entries.len(), output);
            verdict
        }
    };
    told?;
    if output.json {
        let file = drawn(name, &scenario);
        output.result(&json!({ "verdict": verdict, "scenario": file, "trace": verdict.tally.trace }), String::new)?;
    } else {
        output.line(&closing(&verdict))?;
        output.line(&format!("trace {}", verdict.tally.trace.clone().unwrap_or_default()))?;
    }
    outcome(&verdict)
}

/// The text of a file that was just drawn, so that it can be kept.
pub(crate) fn drawn(name: &str, scenario: &Scenario) -> Option<String> {
    (name == RANDOM).then(|| scenario.to_toml())
}

/// What stands above a play: what is played, and the file if it was just drawn.
pub(crate) fn opening(name: &str, scenario: &Scenario, world: &str, output: &Output) -> Outcome {
    if name == RANDOM {
        output.line("")?;
        output.line(scenario.to_toml().trim_end())?;
        output.line("")?;
    }
    let net = &scenario.net;
    let observers =
        if net.observers > 0 { format!(" and {}", text::count(net.observers, "observer")) } else { String::new() };
    output.line(&format!("{}: {}{observers}, {}, {world}", scenario.title, text::count(net.nodes, "node"), net.engine))
}

/// A line of a play.
pub(crate) fn line(report: &Report) -> String {
    let at = |ms: u64| format!("{:>7}", seconds(ms));
    match report {
        Report::Step { at_ms, what, .. } => format!("{}  ▸ {what}", at(*at_ms)),
        Report::Judged(it) => {
            let mark = if it.passed { "✓" } else { "✗ FAILED" };
            format!("{}  {mark} {}  [{}]", at(it.at_ms), it.expected, it.seen)
        }
        Report::Referee { at_ms, objections } if objections.is_empty() => {
            format!("{}  ✓ the referee is content", at(*at_ms))
        }
        Report::Referee { at_ms, objections } => {
            format!("{}  ✗ FAILED the referee objects: {}", at(*at_ms), objections.join("; "))
        }
    }
}

/// What stands below a play.
pub(crate) fn closing(verdict: &Verdict) -> String {
    let passed = verdict.expectations.iter().filter(|it| it.passed).count();
    let count = format!("{passed} of {} came true", text::count(verdict.expectations.len(), "expectation"));
    let refused: u64 = verdict.tally.refused.values().sum();
    let mut users = format!("{} taken, {refused} refused", text::count(verdict.tally.accepted, "payment"));
    if verdict.tally.late_ms >= LATE_MS {
        users += &format!("; the machine was too slow by {}", seconds(verdict.tally.late_ms));
    }
    if verdict.passed {
        return format!("passed: {count}; {users}");
    }
    let failures = verdict.failures().map(|failure| format!("\n  {failure}")).collect::<String>();
    format!("failed: {count}; {users}{failures}")
}

/// Status 1 with what failed, unless nothing did.
pub(crate) fn outcome(verdict: &Verdict) -> Outcome {
    if verdict.passed {
        return Ok(());
    }
    let first = verdict.failures().next().unwrap_or_else(|| "it failed".to_owned());
    Err(Failure::after_result("scenario", format!("scenario {}: {first}", verdict.scenario)))
}

/// Many seeds, beside each other: only what failed is told.
fn several(name: &str, options: &Sim, output: &Output) -> Outcome {
    let Sim { seed, seeds, jobs, .. } = *options;
    let fixed = if name == RANDOM { None } else { Some(find(name, seed)?) };
    let command = format!("bezant sim --scenario {name} --seed {seed} --seeds {seeds}");
    if !output.json {
        output.line(&command)?;
    }
    let bar = output.shows_progress().then(|| indicatif::ProgressBar::new(seeds));
    let of = |seed: u64| fixed.clone().unwrap_or_else(|| scenario::random(seed));
    let progress = |done: u64| bar.iter().for_each(|bar| bar.set_position(done));
    let (verdicts, trace) = scenario::play_seeds(of, seed..seed + seeds, jobs, &progress);
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    let failed: Vec<&Verdict> = verdicts.iter().filter(|verdict| !verdict.passed).collect();
    let value =
        json!({ "command": command, "seeds": seeds, "failed": failed.len(), "failures": failed, "trace": trace });
    output.result(&value, || {
        let mut text = format!("{}, {} failed\n", text::count(seeds, "seed"), failed.len());
        for verdict in failed.iter().take(FAILED_TOLD_MAX) {
            text += &format!("seed {} of {} {}\n", verdict.seed, verdict.scenario, closing(verdict));
            text += &format!("  bezant sim --scenario {name} --seed {} --seeds 1\n", verdict.seed);
        }
        text + &format!("trace {trace}")
    })?;
    match failed.first() {
        None => Ok(()),
        Some(first) => {
            let message = format!("{} of {seeds} seeds failed, the first of them {}", failed.len(), first.seed);
            Err(Failure::after_result("scenario", message))
        }
    }
}
