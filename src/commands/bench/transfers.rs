//! `bench transfers` and `bench overload`: from a user's request to finality, on a whole net.

use super::figures::SuiteResult;
use super::{WHOLE, Wanted, engine_name, on_own_net};
use crate::cli::{Global, Transfers};
use crate::output::{Failure, Output};
use bezant_api::manifest::Manifest;
use bezant_api::types::EngineName;
use bezant_testnet::net::client;
use bezant_testnet::net::load::{self, LoadOptions, Loaded, Prepared, Spent};
use serde_json::{Value, json};
use std::time::Duration;

/// The first rate that is tried, and by how much the next one is higher.
const FIRST_RATE: f64 = 500.0;
const STEP: f64 = 1.6;
/// Tries between the last rate that was sustained and the first that was not.
const HALVINGS: u32 = 3;
/// How long a rate is tried.
const TRY: Duration = Duration::from_secs(4);
/// No net on one machine sustains more.
const RATE_MAX: f64 = 100_000.0;

fn options_of(options: &Transfers) -> Value {
    json!({
        "engine": engine_name(options.engine),
        "nodes": options.nodes,
        "rate": options.rate,
        "duration_ms": options.duration.as_millis(),
        "accounts": options.accounts,
        "within_ms": options.within.as_millis(),
        "idle": options.idle,
    })
}

fn wanted(options: &Transfers) -> Wanted {
    Wanted::of(engine_name(options.engine), options.nodes)
}

pub(super) async fn run(options: &Transfers, global: &Global, output: &Output) -> Result<SuiteResult, Failure> {
    on_own_net(wanted(options), global, output, async |manifest| {
        let mut result = SuiteResult::new("transfers", options_of(options), &WHOLE);
        if options.idle > 0 && manifest.engine == EngineName::Pbft {
            output.remark("transfers: one at a time …");
            let idle = load::one_by_one(manifest, options.idle).await?;
            result.add_times("idle_latency", idle);
        }
        let rate = match options.rate {
            Some(rate) => rate,
            None => sustained(manifest, options, output).await?,
        };
        let loaded = at(manifest, rate, options.duration, options, output).await?;
        add(&mut result, "", &loaded);
        result.details = json!(loaded);
        Ok(result)
    })
    .await
}

pub(super) async fn overload(options: &Transfers, global: &Global, output: &Output) -> Result<SuiteResult, Failure> {
    on_own_net(wanted(options), global, output, async |manifest| {
        let mut result = SuiteResult::new("overload", options_of(options), &WHOLE);
        let capacity = match options.rate {
            Some(rate) => rate,
            None => sustained(manifest, options, output).await?,
        };
        let usual = at(manifest, capacity, options.duration, options, output).await?;
        let views = views(manifest).await;
        let twice = at(manifest, 2.0 * capacity, options.duration, options, output).await?;
        add(&mut result, "capacity_", &usual);
        add(&mut result, "overload_", &twice);
        let share = |now: f64, before: f64| if before > 0.0 { 100.0 * now / before } else { 0.0 };
        let finals = share(twice.report.final_per_second, usual.report.final_per_second);
        result.add("overload_finals_of_capacity", finals, "%");
        let per_cpu = |it: &Loaded| it.report.usage.nodes_cpu_s_per_1000.map_or(0.0, f64::recip);
        result.add("overload_finals_per_cpu_second_of_capacity", share(per_cpu(&twice), per_cpu(&usual)), "%");
        if let Some((before, after)) = views.zip(self::views(manifest).await) {
            result.add("views_changed", (after - before) as f64, "");
        }
        result.details = json!({ "capacity": usual, "overload": twice });
        Ok(result)
    })
    .await
}

/// The highest view of all nodes.
async fn views(manifest: &Manifest) -> Option<u64> {
    client::status(manifest).await.nodes.iter().filter_map(|node| node.view).max()
}

/// Funds and signs, then runs at this rate.
async fn at(
    manifest: &Manifest,
    rate: f64,
    duration: Duration,
    options: &Transfers,
    output: &Output,
) -> Result<Loaded, Failure> {
    output.remark(&format!("{rate:.0} transfers a second for {} s: funding and signing …", duration.as_secs_f64()));
    let wanted = LoadOptions { rate, duration, accounts: options.accounts, spent: Spent::Funded };
    let mut prepared: Prepared = load::prepare(manifest, wanted).await?;
    output.remark("sending …");
    Ok(prepared.run(rate, duration).await?)
}

/// The highest rate that was found to be sustained.
async fn sustained(manifest: &Manifest, options: &Transfers, output: &Output) -> Result<f64, Failure> {
    let holds = async |rate: f64| {
        let loaded = at(manifest, rate, TRY, options, output).await?;
        let report = &loaded.report;
        let in_time = report.latency_ms.p99 <= options.within.as_secs_f64() * 1_000.0;
        Ok::<bool, Failure>(in_time && report.refused.is_empty() && report.unfinished == 0)
    };
    let (mut good, mut bad) = (0.0, FIRST_RATE);
    while bad <= RATE_MAX && holds(bad).await? {
        (good, bad) = (bad, bad * STEP);
    }
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(good, bad).round();
        if holds(middle).await? {
            good = middle;
        } else {
            bad = middle;
        }
    }
    if good == 0.0 {
        let text = format!(
            "not even {bad} transfers a second are final within {} ms; state a rate with --rate, or allow more with --within",
            options.within.as_millis()
        );
        return Err(Failure::failed("too-slow", text));
    }
    Ok(good)
}

fn add(result: &mut SuiteResult, prefix: &str, loaded: &Loaded) {
    let report = &loaded.report;
    let mut put = |name: &str, value: f64, unit: &str| result.add(&format!("{prefix}{name}"), value, unit);
    put("offered", report.offered_per_second, "1/s");
    put("accepted", report.accepted_per_second, "1/s");
    put("final", report.final_per_second, "1/s");
    let latency = report.latency_ms;
    for (what, ms) in [("p50", latency.p50), ("p95", latency.p95), ("p99", latency.p99), ("max", latency.max)] {
        put(&format!("latency_{what}"), ms, "ms");
    }
    let usage = &report.usage;
    for (name, value) in [("cpu_nodes", usage.nodes_cpu_s_per_1000), ("cpu_all", usage.all_cpu_s_per_1000)] {
        if let Some(value) = value {
            put(&format!("{name}_per_1000"), value, "s");
        }
    }
    let memory = usage.nodes.iter().map(|node| node.resident_peak_bytes).max().unwrap_or(0);
    put("resident_max", memory as f64 / f64::from(1 << 20), "MiB");
    put("unfinished", report.unfinished as f64, "");
    put("refused", report.refused.values().sum::<u64>() as f64, "");
}
