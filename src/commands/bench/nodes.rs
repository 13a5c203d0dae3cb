//! `bench start` and `bench recovery`: nodes that begin, and one that is gone.

use super::figures::SuiteResult;
use super::{WHOLE, Wanted, on_own_net};
use crate::cli::{Amount, Global, Recovery};
use crate::output::{Failure, Output};
use bezant_api::client::Client;
use bezant_api::control::ControlRequest;
use bezant_api::event::EventKind;
use bezant_api::manifest::Manifest;
use bezant_api::types::EngineName;
use bezant_testnet::net::client;
use bezant_testnet::net::load::{self, LoadOptions, Spent};
use bezant_testnet::net::wait::{self, Goal};
use serde_json::json;
use std::time::{Duration, Instant};

/// How fast a chain is filled with transfers.
const FILL_RATE: f64 = 3_000.0;
const ACCOUNTS: usize = 200;
/// Between two looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(2);
/// How long a node may take to answer, and all to be at one tip.
const LIMIT: Duration = Duration::from_secs(300);
/// How long a net is watched before its primary is killed, and after.
const BEFORE: Duration = Duration::from_secs(1);
const AFTER: Duration = Duration::from_secs(3);

/// Makes so many transfers final.
pub(super) async fn fill(manifest: &Manifest, transfers: u32, output: &Output) -> Result<(), Failure> {
    output.remark(&format!("filling the chain with {transfers} transfers …"));
    let duration = Duration::from_secs_f64(f64::from(transfers) / FILL_RATE);
    let options = LoadOptions { rate: FILL_RATE, duration, accounts: ACCOUNTS, spent: Spent::Funded };
    let loaded = load::prepare(manifest, options).await?.run(FILL_RATE, duration).await?;
    let lost = loaded.report.unfinished + loaded.report.refused.values().sum::<u64>();
    if lost > 0 {
        output.remark(&format!("{lost} of them are not final"));
    }
    Ok(())
}

/// Starts a node that is down and waits until it answers; milliseconds.
pub(super) async fn started_ms(manifest: &Manifest, node: usize) -> Result<f64, Failure> {
    let began = Instant::now();
    client::ask(manifest, &ControlRequest::Start { node }).await?;
    let client = Client::of_one(&url(manifest, node)?)?;
    while client.status().await.is_err() {
        if began.elapsed() > LIMIT {
            return Err(Failure::new(5, "timeout", format!("node{node} did not answer in time; its log says why")));
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
    Ok(began.elapsed().as_secs_f64() * 1_000.0)
}

/// Where a node is asked now: its ports may be others after a start.
pub(super) fn url(manifest: &Manifest, node: usize) -> Result<String, Failure> {
    let manifest = client::running(&manifest.net, &manifest.dir)?;
    Ok(manifest.nodes[node].rpc.clone())
}

pub(super) async fn start(options: &Amount, global: &Global, output: &Output) -> Result<SuiteResult, Failure> {
    let wanted = Wanted::of(EngineName::Pbft, 1);
    on_own_net(wanted, global, output, async |manifest| {
        let includes = ["from the order to start the process to its first answer over RPC", "a net of one PBFT node"];
        let given = json!({ "transfers": options.transfers, "repetitions": options.repetitions });
        let mut result = SuiteResult::new("start", given, &includes);
        fill(manifest, options.transfers, output).await?;
        let (mut stopped, mut killed) = (Vec::new(), Vec::new());
        for _ in 0..options.repetitions {
            client::ask(manifest, &ControlRequest::Stop { node: 0 }).await?;
            stopped.push(started_ms(manifest, 0).await?);
            client::ask(manifest, &ControlRequest::Kill { node: 0 }).await?;
            killed.push(started_ms(manifest, 0).await?);
        }
        result.add_times("ready_after_stop", stopped);
        result.add_times("ready_after_kill", killed);
        Ok(result)
    })
    .await
}

pub(super) async fn recovery(options: &Recovery, global: &Global, output: &Output) -> Result<SuiteResult, Failure> {
    let wanted = Wanted::of(EngineName::Pbft, usize::from(options.nodes));
    on_own_net(wanted, global, output, async |manifest| {
        let given = json!({ "nodes": options.nodes, "kills": options.kills, "rate": options.rate });
        let mut result = SuiteResult::new("recovery", given, &WHOLE);
        let mut stalls = Vec::new();
        for kill in 0..options.kills {
            output.remark(&format!("recovery: kill {} of {} …", kill + 1, options.kills));
            stalls.push(stall_ms(manifest, options.rate).await?);
        }
        result.add_times("without_a_block", stalls);
        Ok(result)
    })
    .await
}

/// Kills the primary under load; the longest time without a final block that another node sees. The node is back at the end.
async fn stall_ms(manifest: &Manifest, rate: f64) -> Result<f64, Failure> {
    let manifest = &client::running(&manifest.net, &manifest.dir)?;
    let victim = primary(manifest).await?;
    let duration = BEFORE + AFTER;
    let options = LoadOptions { rate, duration, accounts: ACCOUNTS, spent: Spent::Funded };
    let mut prepared = load::prepare(manifest, options).await?;
    let witness = Client::of_one(&manifest.nodes[(victim + 1) % manifest.nodes.len()].rpc)?;
    let watched = async {
        let mut events = witness.events_of(&["block"]).await?;
        tokio::time::sleep(BEFORE).await;
        client::ask(manifest, &ControlRequest::Kill { node: victim }).await?;
        let killed = Instant::now();
        let (mut last, mut longest) = (killed, Duration::ZERO);
        while let Some(left) = AFTER.checked_sub(killed.elapsed()) {
            match tokio::time::timeout(left, events.next()).await {
                Ok(Some(event)) if matches!(event.kind, EventKind::Block { .. }) => {
                    longest = longest.max(last.elapsed());
                    last = Instant::now();
                }
                Ok(Some(_)) => {}
                Ok(None) => return Err(Failure::failed("bench", "the node that watched is gone")),
                Err(_) => break,
            }
        }
        Ok(longest.max(last.elapsed()).as_secs_f64() * 1_000.0)
    };
    let (stall, _) = tokio::join!(watched, prepared.run(rate, duration));
    started_ms(manifest, victim).await?;
    let manifest = client::running(&manifest.net, &manifest.dir)?;
    wait::wait(&manifest, Goal::Synced, LIMIT).await?;
    stall
}

/// The primary that all nodes agree on, once they are up and in one view.
async fn primary(manifest: &Manifest) -> Result<usize, Failure> {
    let began = Instant::now();
    while began.elapsed() < LIMIT {
        let mut seen = Vec::new();
        for node in &manifest.nodes {
            let status = client::node_status(node).await.and_then(|status| status.pbft);
            seen.extend(status.filter(|pbft| pbft.is_active).map(|pbft| (pbft.view, pbft.primary)));
        }
        if seen.len() == manifest.nodes.len() && seen.windows(2).all(|pair| pair[0] == pair[1]) {
            return Ok(usize::from(seen[0].1));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Err(Failure::new(5, "timeout", "the nodes did not come into one view in time; their logs say why"))
}
