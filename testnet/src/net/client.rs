//! The other side of a running net: its manifest, its supervisor, its nodes.

use crate::net::error::NetError;
use crate::net::process::ProcessId;
use bezant_api::client::Client;
use bezant_api::control::{self, ControlRequest, ControlResponse};
use bezant_api::fault::LinkFaultView;
use bezant_api::manifest::{Manifest, ManifestError, NodeEntry};
use bezant_api::types::NodeStatus;
use serde::{Deserialize, Serialize};
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

#[cfg(test)]
mod tests;

/// How long a node may take to answer before it counts as down.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a supervisor may take to stop everything.
const DOWN_TIMEOUT: Duration = Duration::from_secs(10);

/// The manifest of the running net in `dir`.
///
/// # Errors
/// When no net runs there, or its manifest cannot be read.
pub fn running(net: &str, dir: &Path) -> Result<Manifest, NetError> {
    let manifest = match Manifest::read(dir) {
        Ok(manifest) => manifest,
        Err(ManifestError::Missing(_)) => return Err(NetError::NotRunning(net.to_owned())),
        Err(ManifestError::Io { path, error }) => return Err(NetError::Io { path, error }),
        Err(ManifestError::Damaged { path, reason }) => return Err(NetError::Damaged { path, reason }),
    };
    if supervisor(&manifest).is_alive() { Ok(manifest) } else { Err(NetError::NotRunning(net.to_owned())) }
}

fn supervisor(manifest: &Manifest) -> ProcessId {
    ProcessId { pid: manifest.supervisor.pid, started: manifest.supervisor.started.clone() }
}

/// Asks the net's supervisor.
///
/// # Errors
/// When it is gone, cannot be reached or says no.
pub async fn ask(manifest: &Manifest, request: &ControlRequest) -> Result<ControlResponse, NetError> {
    let path = &manifest.supervisor.control;
    let failed = |error: std::io::Error| match error.kind() {
        // Its socket goes with it, or is left and nobody listens.
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => NetError::NotRunning(manifest.net.clone()),
        _ => NetError::io(path)(error),
    };
    match control::ask(path, request).await.map_err(failed)? {
        ControlResponse::Failed { message } => Err(NetError::Refused(message)),
        ControlResponse::Usage { message } => Err(NetError::Usage(message)),
        response => Ok(response),
    }
}

/// Stops the net in `dir` in order; true when one was running. With `purge` its directory's contents are deleted too.
///
/// # Errors
/// When something is left running, or the directory cannot be emptied.
pub async fn down(net: &str, dir: &Path, purge: bool) -> Result<bool, NetError> {
    let manifest = running(net, dir).ok();
    if let Some(manifest) = &manifest {
        // The connection may end before the answer; what counts is that the process is gone.
        let _ = control::ask(&manifest.supervisor.control, &ControlRequest::Down).await;
        let process = supervisor(manifest);
        let gone = until(DOWN_TIMEOUT, async || !process.is_alive()).await;
        if !gone {
            let pid = process.pid;
            return Err(NetError::Refused(format!(
                "the supervisor, process {pid}, does not stop; end it with `kill {pid}`"
            )));
        }
    }
    await_leftovers(dir).await?;
    if purge && dir.exists() {
        crate::net::spec::remove_contents(dir)?;
    }
    Ok(manifest.is_some())
}

/// Nodes whose supervisor was killed stop by themselves; `down` returns when they have.
async fn await_leftovers(dir: &Path) -> Result<(), NetError> {
    let Ok(manifest) = Manifest::read(dir) else { return Ok(()) };
    for node in manifest.nodes.iter().filter(|node| node.pid != 0) {
        let process = ProcessId { pid: node.pid, started: node.started.clone() };
        if !until(DOWN_TIMEOUT, async || !process.is_alive()).await {
            process.signal(nix::sys::signal::Signal::SIGKILL);
        }
    }
    let path = dir.join(bezant_api::manifest::MANIFEST_FILE);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(NetError::Io { path, error }),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Whether `condition` came true within `limit`.
pub async fn until(limit: Duration, condition: impl AsyncFn() -> bool) -> bool {
    let end = tokio::time::Instant::now() + limit;
    loop {
        if condition().await {
            return true;
        }
        if tokio::time::Instant::now() >= end {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// One line of `testnet status`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeLine {
    /// From 0.
    pub index: usize,
    /// Whether it answers.
    pub up: bool,
    /// Height of its tip.
    pub height: Option<u64>,
    /// Its final height.
    pub final_height: Option<u64>,
    /// Id of its tip.
    pub tip: Option<String>,
    /// PBFT: its view.
    pub view: Option<u64>,
    /// PBFT: its epoch.
    pub epoch: Option<u64>,
    /// PBFT: whether it votes; one that follows does not, nor does one that lost its vote log.
    pub votes: Option<bool>,
    /// Proof of work: work of its chain, hex.
    pub work: Option<String>,
    /// Its peers.
    pub peers: Option<usize>,
    /// Transactions in its mempool.
    pub mempool: Option<usize>,
    /// How it lies, if it was told to.
    pub byzantine: Option<String>,
    /// Faults of the links over which it hears others.
    #[serde(default)]
    pub faults: Option<usize>,
    /// How far its clock is ahead of the net's, milliseconds.
    #[serde(default)]
    pub clock_offset_ms: i64,
    /// Whether it is paused; it does not answer then.
    #[serde(default)]
    pub paused: bool,
    /// How often it was started again because it had died by itself.
    #[serde(default)]
    pub restarts: u32,
}

/// `testnet status`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NetStatus {
    /// One per node.
    pub nodes: Vec<NodeLine>,
}

impl NodeLine {
    fn new(node: &NodeEntry, status: Option<NodeStatus>) -> NodeLine {
        let index = node.index;
        let Some(status) = status else {
            return NodeLine {
                index,
                up: false,
                faults: None,
                clock_offset_ms: node.clock_offset_ms,
                paused: node.paused,
                restarts: node.restarts,
                height: None,
                final_height: None,
                tip: None,
                view: None,
                epoch: None,
                votes: None,
                work: None,
                peers: None,
                mempool: None,
                byzantine: None,
            };
        };
        NodeLine {
            index,
            up: true,
            height: Some(status.height),
            final_height: Some(status.final_height),
            tip: Some(status.tip),
            view: status.pbft.as_ref().map(|pbft| pbft.view),
            epoch: status.pbft.as_ref().map(|pbft| pbft.epoch),
            votes: status.pbft.as_ref().map(|pbft| pbft.me.is_some() && !pbft.is_mute),
            work: status.pow.map(|pow| pow.work),
            peers: Some(status.peers),
            mempool: Some(status.mempool),
            byzantine: status.byzantine,
            faults: Some(status.faults.len()),
            clock_offset_ms: node.clock_offset_ms,
            paused: false,
            restarts: node.restarts,
        }
    }
}

/// What a node says of itself; `None` when it does not answer in time.
pub async fn node_status(node: &NodeEntry) -> Option<NodeStatus> {
    let client = Client::of_one(&node.rpc).ok()?;
    tokio::time::timeout(ANSWER_TIMEOUT, client.status()).await.ok()?.ok()
}

/// All nodes of a net, asked at once.
pub async fn status(manifest: &Manifest) -> NetStatus {
    let asked = manifest.nodes.iter().map(async |node| {
        // A paused one would only keep everybody waiting.
        let status = if node.paused { None } else { node_status(node).await };
        NodeLine::new(node, status)
    });
    NetStatus { nodes: futures::future::join_all(asked).await }
}

/// What all nodes that answer say of the faults of their links.
pub async fn link_faults(manifest: &Manifest) -> Vec<LinkFaultView> {
    let asked = manifest.nodes.iter().filter(|node| node.pid != 0 && !node.paused).map(node_status);
    futures::future::join_all(asked).await.into_iter().flatten().flat_map(|status| status.faults).collect()
}
