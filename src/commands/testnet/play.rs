//! `bezant testnet up --scenario`: a net is made for it, played on, and stopped.

use super::up::{made_for, on_net};
use crate::cli::{Global, Up};
use crate::commands::dashboard::await_first_block;
use crate::commands::{net, scenario};
use crate::output::{Failure, Outcome, Output};
use bezant_testnet::net::spec::{NetSpec, UpOptions};
use bezant_testnet::scenario::{Report, Scenario, Verdict, play_on_processes};
use serde_json::json;
use std::path::Path;

/// The seed unless one is given.
const SEED: u64 = 1;

pub(super) async fn run(name: &str, options: &Up, global: &Global, output: &Output) -> Outcome {
    if name == scenario::LIST {
        return scenario::list(output);
    }
    let seed = options.seed.unwrap_or(SEED);
    let found = scenario::find(name, seed)?;
    made_for(options, global, async |base| {
        check_place(&base.dir, options)?;
        let wanted = found.up_options(seed, base);
        wanted.check()?;
        on(name, &found, wanted, options, output).await
    })
    .await
}

async fn on(name: &str, found: &Scenario, wanted: UpOptions, options: &Up, output: &Output) -> Outcome {
    let seed = options.seed.unwrap_or(SEED);
    if !output.json {
        output.line(&format!("bezant testnet up --scenario {name} --seed {seed}"))?;
        scenario::opening(name, found, "processes", output)?;
    }
    let played = on_net(&wanted, output, async |manifest| {
        tokio::select! {
            played = play(found, manifest, options.pace.unwrap_or(1), output) => played,
            () = net::stopped(manifest) => Err(Failure::failed("stopped", "the net was stopped by somebody else")),
        }
    });
    let played = played.await?;
    output.remark(&format!("stopped; logs are in {}", wanted.dir.display()));
    let interrupted = || Failure::failed("interrupted", "interrupted; the scenario was not judged");
    let verdict = played.ok_or_else(interrupted)??;
    conclude(name, found, &verdict, output)
}

/// A net that a person made is not deleted for a scenario, unless asked to.
fn check_place(dir: &Path, options: &Up) -> Outcome {
    match NetSpec::read(dir)? {
        Some(spec) if spec.scenario.is_none() && !options.fresh => Err(Failure::failed(
            "net-other-options",
            format!(
                "net {} was not made for a scenario; name another with --net, or add --fresh to start anew (its ledger is deleted)",
                spec.net
            ),
        )),
        Some(_) | None => Ok(()),
    }
}

async fn play(
    found: &Scenario,
    manifest: &bezant_api::manifest::Manifest,
    pace: u32,
    output: &Output,
) -> Result<Verdict, Failure> {
    await_first_block(manifest).await?;
    let mut told = Ok(());
    let verdict = play_on_processes(found, manifest, pace, |report: Report| {
        if told.is_ok() {
            told = if output.json {
                output.line(&json!(report).to_string())
            } else {
                output.line(&scenario::line(&report))
            };
        }
    })
    .await?;
    told.map(|()| verdict)
}

fn conclude(name: &str, found: &Scenario, verdict: &Verdict, output: &Output) -> Outcome {
    if output.json {
        let file = scenario::drawn(name, found);
        output.line(&json!({ "event": "verdict", "verdict": verdict, "scenario": file }).to_string())?;
    } else {
        output.line(&scenario::closing(verdict))?;
    }
    scenario::outcome(verdict)
}
