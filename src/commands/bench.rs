//! `bezant bench`: the project's own measurements. Each suite gives a [`SuiteResult`]; this is what is common to them.

mod admission;
mod blocks;
mod compare;
mod dashboard;
mod figures;
mod newcomer;
mod nodes;
#[cfg(test)]
mod tests;
mod transfers;

use crate::cli::{Bench, Engine, Global, Suite};
use crate::commands::dashboard::await_first_block;
use crate::commands::testnet::on_net;
use crate::commands::{miner, net};
use crate::output::{Failure, Outcome, Output, table};
use bezant_api::manifest::Manifest;
use bezant_api::types::EngineName;
use bezant_testnet::net::client;
use bezant_testnet::net::spec::{NetSpec, Staging, UpOptions};
use bezant_testnet::net::supervisor::RestartPolicy;
use clap::Parser;
use figures::{Build, Document, FORMAT, Machine, SuiteResult};
use serde_json::json;
use std::path::Path;

/// What every net of processes on this machine does.
const WHOLE: [&str; 4] = [
    "every node checks every signature",
    "votes and blocks are synced to the disk",
    "links between nodes are encrypted",
    "nodes and load share the processor",
];

/// Those that run when none is named.
const ALL: [&str; 10] =
    ["transfers", "overload", "admission", "blocks", "start", "recovery", "sync", "snapshot", "kernels", "dashboard"];

pub(crate) async fn run(options: Bench, global: &Global, output: &Output) -> Outcome {
    let suites = match options.suite {
        Some(Suite::Compare { before, after }) => return compare::run(&before, &after, output),
        Some(suite) => vec![suite],
        None => ALL.iter().map(|name| with_defaults(name)).collect(),
    };
    let (machine, build) = (Machine::this(), Build::this());
    let mut results = Vec::new();
    for suite in suites {
        results.push(measure(suite, global, output).await?);
    }
    let document = Document { format: FORMAT, machine, build, suites: results };
    output.result(&document, || text(&document))
}

/// A suite as the command line would have it without options.
fn with_defaults(name: &str) -> Suite {
    let parsed = crate::cli::Cli::parse_from(["bezant", "bench", name]);
    match parsed.command {
        crate::cli::Command::Bench(Bench { suite: Some(suite) }) => suite,
        other => unreachable!("that is a suite: {other:?}"),
    }
}

async fn measure(suite: Suite, global: &Global, output: &Output) -> Result<SuiteResult, Failure> {
    match suite {
        Suite::Transfers(options) => transfers::run(&options, global, output).await,
        Suite::Overload(options) => transfers::overload(&options, global, output).await,
        Suite::Admission(options) => admission::run(&options, global, output).await,
        Suite::Blocks(options) => blocks::run(&options, global, output).await,
        Suite::Start(options) => nodes::start(&options, global, output).await,
        Suite::Recovery(options) => nodes::recovery(&options, global, output).await,
        Suite::Sync(options) => newcomer::run("sync", EngineName::Pow, &options, global, output).await,
        Suite::Snapshot(options) => newcomer::run("snapshot", EngineName::Pbft, &options, global, output).await,
        Suite::Dashboard(options) => dashboard::run(&options, global, output).await,
        Suite::Kernels(options) => Ok(kernels(options.threads, options.duration, output)),
        Suite::Compare { .. } => unreachable!("it is no measurement"),
    }
}

fn kernels(threads: usize, duration: std::time::Duration, output: &Output) -> SuiteResult {
    output.remark("kernels: measuring …");
    let options = json!({ "threads": threads, "duration_ms": duration.as_millis() });
    let mut result =
        SuiteResult::new("kernels", options, &["headers hashed with one nonce after another, nothing else"]);
    for rate in miner::rates(threads, duration) {
        let name = format!("{}_{}_threads", rate.kernel.name(), rate.threads);
        result.add(&name, rate.hashes_per_second / 1e6, "MH/s");
    }
    result
}

fn engine_name(engine: Engine) -> EngineName {
    match engine {
        Engine::Pbft => EngineName::Pbft,
        Engine::Pow => EngineName::Pow,
    }
}

/// What a bench wants of its net.
struct Wanted {
    engine: EngineName,
    nodes: usize,
    observers: usize,
    /// Bytes of a block, at most, unless it is the default.
    block_bytes_max: Option<u32>,
}

impl Wanted {
    fn of(engine: EngineName, nodes: usize) -> Wanted {
        Wanted { engine, nodes, observers: 0, block_bytes_max: None }
    }
}

/// Makes a net, does something with it, stops it and deletes it. Where something failed its files stay, for they may say why.
async fn on_own_net<T>(
    wanted: Wanted,
    global: &Global,
    output: &Output,
    deed: impl AsyncFnOnce(&Manifest) -> Result<T, Failure>,
) -> Result<T, Failure> {
    // Nobody else's, whatever people call theirs.
    let name = format!("bench-{}", std::process::id());
    let dir = net::home(global)?.create_net(&name, None)?;
    if NetSpec::read(&dir)?.is_some() {
        let text = format!("there is a net {name} already; `bezant testnet down --purge --net {name}` deletes it");
        return Err(Failure::failed("net-other-options", text));
    }
    let is_pow = wanted.engine == EngineName::Pow;
    let options = UpOptions {
        net: name.clone(),
        dir: dir.clone(),
        engine: Some(wanted.engine),
        nodes: Some(wanted.nodes),
        observers: Some(wanted.observers),
        block_time_ms: is_pow.then_some(1_000),
        seed: None,
        base_port: None,
        stratum: false,
        fresh: false,
        restart: RestartPolicy::default(),
        isolate: false,
        staging: Staging { block_bytes_max: wanted.block_bytes_max, ..Default::default() },
    };
    let done = on_net(&options, output, async |manifest| {
        await_first_block(manifest).await?;
        tokio::select! {
            done = deed(manifest) => done,
            () = net::stopped(manifest) => Err(Failure::failed("stopped", "the net was stopped by somebody else")),
        }
    });
    match done.await {
        Ok(Some(Ok(found))) => {
            purge(&name, &dir).await?;
            Ok(found)
        }
        Ok(None) => {
            purge(&name, &dir).await?;
            Err(Failure::failed("interrupted", "interrupted; nothing was measured"))
        }
        Ok(Some(Err(failure))) | Err(failure) => {
            output.remark(&format!("the net's files and logs stay in {}", dir.display()));
            Err(failure)
        }
    }
}

async fn purge(name: &str, dir: &Path) -> Outcome {
    client::down(name, dir, true).await?;
    // What is left are the marker and the lock of a name that nobody uses again.
    std::fs::remove_dir_all(dir).map_err(|error| Failure::failed("bench", format!("{}: {error}", dir.display())))
}

fn text(document: &Document) -> String {
    let Machine { cpu, cores, system, load_before, .. } = &document.machine;
    let Build { version, commit, profile, target_features } = &document.build;
    let mut text = format!("machine   {cpu}, {cores} cores, {system}\n");
    if let Some(load) = load_before {
        text += &format!("load      {load} before the run\n");
    }
    text += &format!("build     {version} ({commit}), {profile}, {}\n", target_features.join(" "));
    for suite in &document.suites {
        text += &format!("\n{}  {}\nincluded  {}\n", suite.suite, suite.options, suite.includes.join("; "));
        let row = |it: &figures::Figure| vec![it.name.clone(), it.value.to_string(), it.unit.clone()];
        text += &(table(&["figure", "value", "unit"], suite.figures.iter().map(row)) + "\n");
    }
    text
}
