//! `bezant testnet fault`, `partition` and `heal`: faults of links.

use crate::cli::{Fault, FaultAdd, FaultClear, Global, Net, milliseconds};
use crate::commands::net;
use crate::output::{Failure, Outcome, Output, table};
use bezant_api::control::{ControlRequest, ControlResponse, FaultEntry, FaultOrder};
use bezant_api::manifest::Manifest;
use bezant_testnet::net::client;
use bezant_testnet::net::error::net_flag;
use bezant_testnet::net::faults::{groups_text, nodes_text};
use bezant_testnet::net::logs::timestamp;
use serde::Serialize;
use serde_json::json;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(super) async fn run(command: Fault, global: &Global, output: &Output) -> Outcome {
    match command {
        Fault::Add(options) => add(options, global, output).await,
        Fault::List(net) => list(&net, global, output).await,
        Fault::Clear(options) => clear(options, global, output).await,
    }
}

async fn add(options: FaultAdd, global: &Global, output: &Output) -> Outcome {
    let (effects, for_ms) = (options.effects(), milliseconds(options.lasts));
    effects.check().map_err(Failure::usage)?;
    let FaultAdd { net, from, to, both, .. } = options;
    let manifest = net::running(&net, global)?;
    let fault = FaultOrder { from, to, both, effects, for_ms };
    let faults = ask(&manifest, &ControlRequest::FaultAdd { fault }).await?;
    warn_of_deaf_nodes(&manifest, &faults, output);
    print(&faults, output, "begins")
}

pub(super) async fn partition(
    net: &Net,
    groups: Vec<Vec<usize>>,
    lasts: Option<Duration>,
    global: &Global,
    output: &Output,
) -> Outcome {
    let manifest = net::running(net, global)?;
    let faults = ask(&manifest, &ControlRequest::Partition { groups, for_ms: milliseconds(lasts) }).await?;
    warn_of_deaf_nodes(&manifest, &faults, output);
    output.result(&json!({ "ok": true, "faults": faults }), String::new)
}

pub(super) async fn heal(net: &Net, global: &Global, output: &Output) -> Outcome {
    let manifest = net::running(net, global)?;
    let faults = ask(&manifest, &ControlRequest::Heal).await?;
    let left = ask(&manifest, &ControlRequest::FaultList).await?;
    if !left.is_empty() {
        let net = net_flag(&manifest.net);
        output.remark(&format!("faults that do not cut stay; `bezant testnet fault clear --all{net}` ends them"));
    }
    output.result(&json!({ "ok": true, "faults": faults }), || {
        if faults.is_empty() { "nothing was cut".to_owned() } else { lines(&faults, "is over") }
    })
}

async fn clear(options: FaultClear, global: &Global, output: &Output) -> Outcome {
    let manifest = net::running(&options.net, global)?;
    let faults = ask(&manifest, &ControlRequest::FaultClear { ids: options.ids }).await?;
    print(&faults, output, "is over")
}

async fn ask(manifest: &Manifest, request: &ControlRequest) -> Result<Vec<FaultEntry>, Failure> {
    match client::ask(manifest, request).await? {
        ControlResponse::Faults { faults } => Ok(faults),
        other => Err(Failure::failed("supervisor", format!("an answer about faults was expected, not {other:?}"))),
    }
}

/// A paused node treats nothing until it is resumed, which is easily overlooked.
fn warn_of_deaf_nodes(manifest: &Manifest, faults: &[FaultEntry], output: &Output) {
    let hears = |node: usize| faults.iter().any(|fault| fault.links.iter().any(|(_, to)| *to == node));
    for node in manifest.nodes.iter().filter(|node| hears(node.index)) {
        if node.pid == 0 || node.paused {
            let state = if node.paused { "paused" } else { "down" };
            output.remark(&format!("{} is {state}; it has the fault once it is back", node.name));
        }
    }
}

fn print(faults: &[FaultEntry], output: &Output, what: &str) -> Outcome {
    output.result(&json!({ "faults": faults }), || lines(faults, what))
}

fn lines(faults: &[FaultEntry], what: &str) -> String {
    let line = |fault: &FaultEntry| format!("fault {} {what}: {}, {}\n", fault.id, fault.what, links(fault));
    faults.iter().map(line).collect()
}

/// Where a fault is, in a word.
fn links(fault: &FaultEntry) -> String {
    match &fault.groups {
        Some(groups) => format!("between {}", groups_text(groups)),
        None => {
            let arrow = if fault.both { "and back" } else { "only" };
            format!("from {} to {}, {arrow}", nodes_text(&fault.from), nodes_text(&fault.to))
        }
    }
}

/// A fault with what the nodes say that it has done.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    fault: FaultEntry,
    /// Messages that it was shown.
    heard: u64,
    /// Of those it has lost …
    lost: u64,
    /// … or held back …
    held: u64,
    /// … or lost because too much was held back.
    overflowed: u64,
}

async fn list(net: &Net, global: &Global, output: &Output) -> Outcome {
    let manifest = net::running(net, global)?;
    let faults = ask(&manifest, &ControlRequest::FaultList).await?;
    let views = client::link_faults(&manifest).await;
    let shown: Vec<Shown> = faults
        .into_iter()
        .map(|fault| {
            let of = |count: fn(&bezant_api::fault::LinkFaultView) -> u64| -> u64 {
                views.iter().filter(|view| view.id == fault.id).map(count).sum()
            };
            let (heard, lost, held) = (of(|view| view.heard), of(|view| view.lost), of(|view| view.held));
            let overflowed = of(|view| view.overflowed);
            Shown { fault, heard, lost, held, overflowed }
        })
        .collect();
    output.result(&json!({ "faults": shown }), || {
        if shown.is_empty() {
            return "no faults".to_owned();
        }
        let ends = |fault: &FaultEntry| match &fault.groups {
            Some(groups) => [groups_text(groups), groups_text(groups)],
            None => [nodes_text(&fault.from), nodes_text(&fault.to)],
        };
        let row = |it: &Shown| {
            let [from, to] = ends(&it.fault);
            let to = if it.fault.both && it.fault.groups.is_none() { format!("{to} and back") } else { to };
            vec![
                it.fault.id.to_string(),
                it.fault.what.clone(),
                from,
                to,
                timestamp(it.fault.since_ms / 1_000 * 1_000),
                it.fault.until_ms.map_or_else(|| "-".to_owned(), left),
                it.heard.to_string(),
                (it.lost + it.overflowed).to_string(),
            ]
        };
        table(&["fault", "what", "from", "to", "since", "ends in", "heard", "lost"], shown.iter().map(row))
    })
}

/// How long until then.
fn left(until_ms: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    format!("{} s", until_ms.saturating_sub(now_ms).div_ceil(1_000))
}
