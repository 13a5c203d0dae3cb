//! `bench dashboard`: what it costs to show a net under load.

use super::figures::SuiteResult;
use super::{Wanted, on_own_net};
use crate::cli::{Global, Watched};
use crate::output::{Failure, Output};
use bezant_api::manifest::Manifest;
use bezant_api::trace::Entry;
use bezant_api::types::EngineName;
use bezant_testnet::net::load::{self, LoadOptions, Spent};
use bezant_tui::{Feed, NodeTarget, rehearse};
use serde_json::json;

const NODES: usize = 4;
const ACCOUNTS: usize = 200;
/// What is drawn: a large window.
const CELLS: (u16, u16) = (160, 48);

pub(super) async fn run(options: &Watched, global: &Global, output: &Output) -> Result<SuiteResult, Failure> {
    let wanted = Wanted::of(EngineName::Pbft, NODES);
    on_own_net(wanted, global, output, async |manifest| {
        let includes = [
            "what four nodes told under load, each its own events",
            "taken in one after another, and all screens drawn 20 times into a buffer of 160 × 48 cells",
            "neither the feed's connections nor a terminal",
        ];
        let given = json!({ "rate": options.rate, "duration_ms": options.duration.as_millis() });
        let mut result = SuiteResult::new("dashboard", given, &includes);
        let entries = told(manifest, options, output).await?;
        let per_second = entries.len() as f64 / options.duration.as_secs_f64();
        let names: Vec<String> = manifest.nodes.iter().map(|node| node.name.clone()).collect();
        let rehearsal = rehearse(&manifest.net, &names, entries, CELLS);
        result.add("events", per_second, "1/s");
        result.add(
            "taking_in_an_event",
            rehearsal.taking_in.as_secs_f64() * 1e6 / rehearsal.entries.max(1) as f64,
            "µs",
        );
        result.add_times("frame", rehearsal.frames.iter().map(|frame| frame.as_secs_f64() * 1e3).collect());
        Ok(result)
    })
    .await
}

/// All that the nodes tell while there is load.
async fn told(manifest: &Manifest, options: &Watched, output: &Output) -> Result<Vec<Entry>, Failure> {
    output.remark("dashboard: funding and signing …");
    let load = LoadOptions { rate: options.rate, duration: options.duration, accounts: ACCOUNTS, spent: Spent::Funded };
    let mut prepared = load::prepare(manifest, load).await?;
    let target = |node: &bezant_api::manifest::NodeEntry| NodeTarget { name: node.name.clone(), rpc: node.rpc.clone() };
    let mut feed = Feed::start(&manifest.nodes.iter().map(target).collect::<Vec<_>>());
    output.remark("dashboard: listening …");
    let mut entries = Vec::new();
    let loaded = prepared.run(options.rate, options.duration);
    tokio::pin!(loaded);
    loop {
        tokio::select! {
            done = &mut loaded => {
                done?;
                return Ok(entries);
            }
            entry = feed.next() => match entry {
                Some(entry) => entries.push(entry),
                None => return Err(Failure::failed("bench", "no node tells anything any more; their logs say why")),
            }
        }
    }
}
