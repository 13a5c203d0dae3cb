//! `testnet load`: open-loop signed transfers at a stated rate.
//!
//! Accounts of its own are funded first, with one confirmed coin for each transfer, and as many transfers are signed
//! ahead as [`AHEAD_MAX`] says; the rest is signed while they are sent. Neither counts in the duration. Each transfer has a
//! time at which it is due to be sent, whatever became of those before it, and its latency runs from that time (so a stall is not
//! hidden by the sender waiting for it) to its being final at the node submitted to. Of each transfer no more is kept than is
//! needed until it is final, so a run needs no more memory the longer it is.

mod fund;
mod picture;
mod run;
mod series;
mod sign;

pub use series::{Bucket, Mark, Series};
pub use sign::AHEAD_MAX;

use crate::net::error::NetError;
use bezant_api::client::Client;
use bezant_api::manifest::Manifest;
use bezant_consensus::ledger::hash::{NetworkId, tagged};
use bezant_consensus::ledger::key::SigningKey;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Transfers of one run, at most.
pub const TRANSFERS_MAX: u64 = 2_000_000;
/// Accounts, at most.
pub const ACCOUNTS_MAX: usize = 100_000;

/// What to do.
#[derive(Clone, Copy, Debug)]
pub struct LoadOptions {
    /// Transfers per second.
    pub rate: f64,
    /// For how long.
    pub duration: Duration,
    /// Accounts between which they go.
    pub accounts: usize,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Transfers of the whole run.
    pub wanted: u64,
    /// Of those, how many were due by now; 0 while accounts are funded.
    pub due: u64,
    /// Taken or on their way, and not final yet.
    pub waiting: u64,
    /// Refused.
    pub refused: u64,
}

/// Who is told, at most once in [`PROGRESS_INTERVAL`].
pub type Told<'a> = &'a (dyn Fn(Progress) + Send + Sync);

/// Between two words of how far a run is.
pub const PROGRESS_INTERVAL: Duration = Duration::from_millis(250);

/// What came of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LoadReport {
    /// Transfers due ÷ duration.
    pub offered_per_second: f64,
    /// Transfers that a node took ÷ duration.
    pub accepted_per_second: f64,
    /// Transfers that became final inside the window ÷ duration.
    pub final_per_second: f64,
    /// From due to final.
    pub latency_ms: Latency,
    /// Refusals by kind.
    pub refused: BTreeMap<String, u64>,
    /// Seconds spent on funding and signing ahead.
    pub prepared_s: f64,
    /// Transfers taken that were not final when the run gave up waiting.
    pub unfinished: u64,
}

/// Quantiles in milliseconds; 0 when nothing became final.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Latency {
    /// Half are faster.
    pub p50: f64,
    /// 95 of 100 are faster.
    pub p95: f64,
    /// 99 of 100 are faster.
    pub p99: f64,
    /// The slowest.
    pub max: f64,
}

/// A run: what came of it as a whole, and how it went.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Loaded {
    /// As a whole.
    #[serde(flatten)]
    pub report: LoadReport,
    /// Over time, with what was done to the net meanwhile.
    #[serde(flatten)]
    pub series: Series,
}

impl Loaded {
    /// Throughput and latency over time, with the faults marked, as an SVG picture.
    #[must_use]
    pub fn to_svg(&self) -> String {
        picture::svg(self)
    }
}

/// Runs a load on a running net, and tells how far it is.
///
/// # Errors
/// When the options are out of range, no node answers, or funding fails.
pub async fn load(manifest: &Manifest, options: LoadOptions, told: Told<'_>) -> Result<Loaded, NetError> {
    let wanted = options.rate * options.duration.as_secs_f64();
    // Neither a number that is none nor one that is infinite passes.
    if !(wanted >= 1.0 && wanted <= TRANSFERS_MAX as f64) {
        let text = format!("--rate × --duration: 1 to {TRANSFERS_MAX} transfers are possible in one run, not {wanted}");
        return Err(NetError::Usage(text));
    }
    if !(1..=ACCOUNTS_MAX).contains(&options.accounts) {
        return Err(NetError::Usage(format!("--accounts: 1 to {ACCOUNTS_MAX} are possible")));
    }
    let started = Instant::now();
    let network = manifest.network_id.parse::<NetworkId>();
    let network = network.map_err(|error| NetError::Usage(format!("run.json: network_id: {error}")))?;
    let clients = reachable(manifest).await?;
    let accounts = Arc::new(accounts(manifest.seed, options.accounts));
    let coins = fund::fund(manifest, &network, &clients[0].client, &accounts, wanted as usize).await?;
    let signed = sign::Signed::begin(network, accounts, coins, AHEAD_MAX).await;
    let prepared_s = started.elapsed().as_secs_f64();
    run::run(clients, signed, options, run::Preparation { offered: wanted as u64, prepared_s }, told).await
}

/// A node that transfers are submitted to.
#[derive(Clone, Debug)]
struct Node {
    index: usize,
    client: Arc<Client>,
}

async fn reachable(manifest: &Manifest) -> Result<Vec<Node>, NetError> {
    let mut nodes = Vec::new();
    for node in manifest.nodes.iter().filter(|node| !node.paused) {
        if crate::net::client::node_status(node).await.is_some() {
            let client = Client::of_one(&node.rpc).ok().map(Arc::new);
            nodes.extend(client.map(|client| Node { index: node.index, client }));
        }
    }
    if nodes.is_empty() { Err(NetError::Unreachable(manifest.net.clone())) } else { Ok(nodes) }
}

fn accounts(seed: u64, count: usize) -> Vec<SigningKey> {
    let key = |index: usize| tagged("bezant/testnet-load", &[&seed.to_le_bytes(), &(index as u64).to_le_bytes()]);
    (0..count).map(|index| SigningKey::from_seed(&key(index))).collect()
}

#[cfg(test)]
mod tests;
