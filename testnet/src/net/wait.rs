//! `testnet wait`: returns when a condition holds on all running nodes.

use crate::net::client::{self, NetStatus, NodeLine};
use crate::net::error::NetError;
use bezant_api::manifest::Manifest;
use std::time::Duration;

/// Between two samplings.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(50);

/// What to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// Every tip is at least this high.
    Height(u64),
    /// Every node has finalised at least this height.
    Final(u64),
    /// PBFT: every node is in at least this epoch.
    Epoch(u64),
    /// PBFT: every node is in at least this view.
    View(u64),
    /// One tip everywhere, at one sampling.
    Synced,
}

impl Goal {
    /// Whether `status` meets it; a net of which no node answers meets nothing.
    #[must_use]
    pub fn is_met(self, status: &NetStatus) -> bool {
        let mut up = status.nodes.iter().filter(|node| node.up).peekable();
        let reached = |number: Option<u64>, least: u64| number.is_some_and(|number| number >= least);
        let Some(first) = up.peek().map(|node| node.tip.clone()) else { return false };
        up.all(|node: &NodeLine| match self {
            Goal::Height(least) => reached(node.height, least),
            Goal::Final(least) => reached(node.final_height, least),
            Goal::Epoch(least) => reached(node.epoch, least),
            Goal::View(least) => reached(node.view, least),
            Goal::Synced => node.tip == first,
        })
    }
}

/// Waits until `goal` holds on all nodes that answer, and returns the sampling at which it did.
///
/// # Errors
/// [`NetError::TimedOut`] with what is missing where, when it does not in time.
pub async fn wait(manifest: &Manifest, goal: Goal, timeout: Duration) -> Result<NetStatus, NetError> {
    let end = tokio::time::Instant::now() + timeout;
    loop {
        let status = client::status(manifest).await;
        if goal.is_met(&status) {
            return Ok(status);
        }
        if tokio::time::Instant::now() >= end {
            return Err(NetError::TimedOut(missing(goal, &status, timeout)));
        }
        tokio::time::sleep(SAMPLE_INTERVAL).await;
    }
}

fn missing(goal: Goal, status: &NetStatus, timeout: Duration) -> String {
    let what = match goal {
        Goal::Height(height) => format!("height {height}"),
        Goal::Final(height) => format!("final height {height}"),
        Goal::Epoch(epoch) => format!("epoch {epoch}"),
        Goal::View(view) => format!("view {view}"),
        Goal::Synced => "one tip everywhere".to_owned(),
    };
    let place = |node: &NodeLine| match (node.height, node.final_height, node.epoch) {
        (Some(height), _, Some(epoch)) if matches!(goal, Goal::Epoch(_)) => {
            format!("node{} in epoch {epoch} at height {height}", node.index)
        }
        (Some(height), _, Some(_)) if matches!(goal, Goal::View(_)) => {
            format!("node{} in view {} at height {height}", node.index, node.view.unwrap_or(0))
        }
        (Some(height), Some(last), _) => format!("node{} at height {height}, final {last}", node.index),
        _ => format!("node{} down", node.index),
    };
    let places: Vec<String> = status.nodes.iter().map(place).collect();
    format!("{what} was not reached within {} s: {}", timeout.as_secs(), places.join("; "))
}

#[cfg(test)]
mod tests;
