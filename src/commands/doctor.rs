//! `bezant doctor`: what is wrong with a net, and what to do.

use crate::cli::{Global, Net};
use crate::commands::net;
use crate::output::{Failure, Outcome, Output};
use bezant_api::manifest::Manifest;
use bezant_testnet::net::client::{self, NetStatus, NodeLine};
use serde::Serialize;

#[derive(Serialize)]
struct Finding {
    problem: String,
    advice: String,
}

pub(crate) async fn run(net: &Net, global: &Global, output: &Output) -> Outcome {
    let manifest = net::running(net, global)?;
    let status = client::status(&manifest).await;
    let mut findings = Vec::new();
    let down: Vec<usize> = status.nodes.iter().filter(|node| !node.up).map(|node| node.index).collect();
    for index in &down {
        if status.nodes[*index].paused {
            findings.push(Finding {
                problem: format!("node{index} is paused"),
                advice: format!("`bezant testnet resume {index}` wakes it"),
            });
            continue;
        }
        findings.push(Finding {
            problem: format!("node{index} does not answer"),
            advice: format!(
                "`bezant testnet logs {index}` says why; `bezant testnet start {index}` starts it, `resume` wakes it"
            ),
        });
    }
    let voters = manifest.nodes.iter().filter(|node| node.validator.is_some());
    let (n, up) = (voters.clone().count(), voters.filter(|node| !down.contains(&node.index)).count());
    let f = n.saturating_sub(1) / 3;
    let quorum = (n + f + 1).div_ceil(2);
    if n > 0 && up < quorum {
        findings.push(Finding {
            problem: format!("{up} of {n} replicas are up, {quorum} are needed: nothing becomes final until more are"),
            advice: "start the nodes that are down; nothing is lost meanwhile".to_owned(),
        });
    }
    findings.extend(primary_away(&manifest, &status, &down));
    let narrow = |peers: usize| peers > 0 && peers + 1 < quorum;
    for node in status.nodes.iter().filter(|node| n > 0 && up >= quorum && node.peers.is_some_and(narrow)) {
        findings.push(Finding {
            problem: format!(
                "node{} sees {} other nodes, a quorum is {quorum}: it decides nothing",
                node.index,
                node.peers.unwrap_or(0)
            ),
            advice: "`bezant testnet heal` undoes cuts; just after a start or a heal, look again in a moment"
                .to_owned(),
        });
    }
    let lonely = status.nodes.iter().filter(|node| node.peers == Some(0) && manifest.nodes.len() > 1);
    for node in lonely {
        findings.push(Finding {
            problem: format!("node{} has no peers", node.index),
            advice: "`bezant testnet heal` undoes cuts; its log names what fails".to_owned(),
        });
    }
    findings.extend(status.nodes.iter().filter_map(set_on_purpose));
    output.result(&serde_json::json!({ "findings": findings }), || {
        if findings.is_empty() {
            return "nothing is wrong".to_owned();
        }
        findings.iter().map(|finding| format!("{}\n  {}\n", finding.problem, finding.advice)).collect()
    })?;
    if findings.is_empty() {
        return Ok(());
    }
    Err(Failure::after_result("doctor", format!("what was found is above: {}", findings.len())))
}

/// What somebody did to a node on purpose, and may have forgotten.
fn set_on_purpose(node: &NodeLine) -> Option<Finding> {
    let index = node.index;
    if let Some(count) = node.faults.filter(|count| *count > 0) {
        return Some(Finding {
            problem: format!("node{index} hears others through {count} faults of its links"),
            advice: "`bezant testnet fault list` shows them, `bezant testnet fault clear --all` ends them".to_owned(),
        });
    }
    (node.clock_offset_ms != 0).then(|| Finding {
        problem: format!("the clock of node{index} is {} ms ahead of the net's", node.clock_offset_ms),
        advice: format!("`bezant testnet time offset {index} 0s` sets it right"),
    })
}

/// PBFT: the primary is down, and as long as there are no view changes nobody takes its place.
fn primary_away(manifest: &Manifest, status: &NetStatus, down: &[usize]) -> Option<Finding> {
    let voters: Vec<usize> =
        manifest.nodes.iter().filter(|node| node.validator.is_some()).map(|node| node.index).collect();
    let view = status.nodes.iter().filter_map(|node| node.view).max().unwrap_or(0);
    let place = usize::try_from(view % u64::try_from(voters.len()).ok().filter(|n| *n > 0)?).ok()?;
    let primary = voters.get(place).filter(|primary| down.contains(primary))?;
    Some(Finding {
        problem: format!("node{primary} is the primary of view {view}: nothing becomes final until it is back"),
        advice: format!("`bezant testnet start {primary}` brings it back; view changes are not built yet"),
    })
}
