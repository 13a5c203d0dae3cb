//! `bezant testnet logs`.

use super::FOLLOW_INTERVAL;
use crate::cli::{Global, Logs, milliseconds};
use crate::commands::net;
use crate::output::{Failure, Outcome, Output};
use bezant_testnet::net::logs::{Filter, Follower, LogLine};
use bezant_testnet::net::spec::{self, NetSpec};
use serde_json::json;

pub(super) async fn run(options: Logs, global: &Global, output: &Output) -> Outcome {
    let dir = net::dir(&options.net, global)?;
    let spec = NetSpec::read(&dir)?.ok_or_else(|| Failure::failed("net", "this net has no nodes yet"))?;
    let count = spec.count();
    if let Some(node) = options.nodes.iter().find(|node| **node >= count) {
        return Err(Failure::usage(format!("there is no node {node}; this net has nodes 0 to {}", count - 1)));
    }
    let wanted = (0..count).filter(|index| options.nodes.is_empty() || options.nodes.contains(index));
    let mut followers: Vec<Follower> =
        wanted.map(|index| Follower::new(&format!("node{index}"), &spec::node_log(&dir, index))).collect();
    // Logs have the machine's time, whatever the net's clock says.
    let since_ms = milliseconds(options.since).map(|ms| spec::now_ms().saturating_sub(ms));
    let filter = Filter { level: options.level, text: options.grep, since_ms };
    let stop = net::ended();
    tokio::pin!(stop);
    loop {
        let is_one = followers.len() == 1;
        for (name, line) in merged(&mut followers, &filter)? {
            if output.json {
                output.line(&json!({ "node": name, "line": line.text }).to_string())?;
            } else if is_one {
                output.line(&line.text)?;
            } else {
                output.line(&format!("{name} {}", line.text))?;
            }
        }
        if !options.follow {
            return Ok(());
        }
        tokio::select! {
            () = &mut stop => return Ok(()),
            () = tokio::time::sleep(FOLLOW_INTERVAL) => {}
        }
    }
}

/// What is new in all logs, in the order of time; lines of one log keep theirs.
fn merged(followers: &mut [Follower], filter: &Filter) -> Result<Vec<(String, LogLine)>, Failure> {
    let mut lines = Vec::new();
    for follower in followers {
        let name = follower.name().to_owned();
        lines.extend(follower.lines()?.into_iter().filter(|line| filter.wants(line)).map(|line| (name.clone(), line)));
    }
    lines.sort_by_key(|(_, line)| line.time_ms);
    Ok(lines)
}
