//! `bezant doctor`: what is wrong with a net, and what to do.

use crate::cli::{Global, Net};
use crate::commands::net;
use crate::output::{Failure, Outcome, Output};
use bezant_testnet::net::client;
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
    let lonely = status.nodes.iter().filter(|node| node.peers == Some(0) && manifest.nodes.len() > 1);
    for node in lonely {
        findings.push(Finding {
            problem: format!("node{} has no peers", node.index),
            advice: "`bezant testnet heal` undoes cuts; its log names what fails".to_owned(),
        });
    }
    output.result(&serde_json::json!({ "findings": findings }), || {
        if findings.is_empty() {
            return "nothing is wrong".to_owned();
        }
        findings.iter().map(|finding| format!("{}\n  {}\n", finding.problem, finding.advice)).collect()
    })?;
    match findings.is_empty() {
        true => Ok(()),
        false if output.json => std::process::exit(1),
        false => Err(Failure::failed("doctor", format!("{} findings", findings.len()))),
    }
}
