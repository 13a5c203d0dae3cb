//! `testnet load`: open-loop signed transfers at a stated rate.
//!
//! Accounts of its own are funded first, with one confirmed coin for each transfer or, if they are to spend their change, one for each
//! account, and as many transfers are signed ahead as [`AHEAD_MAX`] says; the rest is signed while they are sent, or all are signed into a file and sent from there. Neither counts in
//! the duration. Each transfer has a time at which it is due to be sent, whatever became of those before it, and its latency runs from that
//! time (so a stall is not hidden by the sender waiting for it) to its being final at the node submitted to. Of each transfer no more is kept
//! than is needed until it is final, so a run needs no more memory the longer it is.
//!
//! Nodes and load share a machine, so the load is to be cheap: transfers go out many in one request, each final block is read from one
//! node, and what both sides cost is part of the report.

mod book;
mod file;
mod follow;
mod fund;
mod idle;
mod picture;
mod prepared;
mod run;
mod series;
mod sign;
mod usage;

pub use idle::one_by_one;
pub use prepared::{Admitted, Prepared, prepare};
pub use series::{Bucket, Mark, Series};
pub use sign::AHEAD_MAX;
pub use usage::{NodeUsage, Usage, cpu_s, resident_bytes};

use crate::net::error::NetError;
use bezant_api::client::Client;
use bezant_api::manifest::Manifest;
use bezant_consensus::ledger::hash::{NetworkId, tagged};
use bezant_consensus::ledger::key::SigningKey;
use serde::Serialize;
use sign::{Ready, Transfers};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
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
    /// What they spend.
    pub spent: Spent,
}

/// What the transfers of a load spend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Spent {
    /// Each a coin that was confirmed before the first was sent. None depends on another.
    #[default]
    Funded,
    /// Each the change of its account's transfer before, as wallets do that have one coin. A transfer that is refused takes those of its
    /// account that come after along.
    Change,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Transfers of the whole run.
    pub wanted: u64,
    /// Of those, how many were due by now.
    pub due: u64,
    /// Taken or on their way, and not final yet.
    pub waiting: u64,
    /// Refused.
    pub refused: u64,
}

/// Who is told, about once in [`PROGRESS_INTERVAL`].
pub type Told = Box<dyn Fn(Progress) + Send + Sync>;

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
    /// What the window cost.
    pub usage: Usage,
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

/// Transfers that were signed into a file.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SignedTo {
    /// The file.
    pub file: PathBuf,
    /// How many.
    pub transfers: u64,
    /// Seconds spent on funding and signing.
    pub prepared_s: f64,
}

/// Runs a load on a running net, and tells how far it is.
///
/// # Errors
/// When the options are out of range, no node answers, or funding fails.
pub async fn load(manifest: &Manifest, options: LoadOptions, told: Told) -> Result<Loaded, NetError> {
    prepare(manifest, options).await?.telling(told).run(options.rate, options.duration).await
}

/// Funds accounts as [`load`] does, and signs as many transfers as it would send into a file, for [`load_from`].
///
/// # Errors
/// As [`load`], and when the file cannot be written.
pub async fn sign_to(manifest: &Manifest, options: LoadOptions, file: &Path) -> Result<SignedTo, NetError> {
    let started = Instant::now();
    let nodes = reachable(manifest).await?;
    let network = network(manifest)?;
    let transfers = funded(manifest, &nodes, options).await?;
    let transfers = file::write(file, network, transfers).await?;
    Ok(SignedTo { file: file.to_owned(), transfers, prepared_s: started.elapsed().as_secs_f64() })
}

/// Runs a load of transfers from a file of [`sign_to`], at `rate` a second: for `duration`, or all of them. They can be sent once.
///
/// # Errors
/// When the file is none, is damaged, is of another net, was sent before, or holds too few; when no node answers.
pub async fn load_from(
    manifest: &Manifest,
    rate: f64,
    duration: Option<Duration>,
    file: &Path,
    told: Told,
) -> Result<Loaded, NetError> {
    let (prepared, duration) = prepared::open(manifest, rate, duration, file).await?;
    prepared.telling(told).run(rate, duration).await
}

/// Sending a file twice would measure refusals.
async fn is_unsent(client: &Client, file: &Path, first: &Ready) -> Result<(), NetError> {
    let tested = client.test(vec![hex::encode(&first.bytes)]).await;
    let tested = tested.map_err(|error| NetError::Refused(format!("{}: {error}", file.display())))?;
    let why = match tested.refusal {
        Some(refusal) => refusal.message,
        None if tested.transactions.iter().any(|it| it.known) => "the net has it already".to_owned(),
        None => return Ok(()),
    };
    let reason = format!(
        "its first transfer cannot be sent ({why}): it was sent before, or the net was made anew; sign others with --sign-to"
    );
    Err(NetError::BadTransfers { file: file.to_owned(), reason })
}

/// How many transfers that is.
fn wanted(rate: f64, duration: Duration) -> Result<u64, NetError> {
    let wanted = rate * duration.as_secs_f64();
    // Neither a number that is none nor one that is infinite passes.
    if !(wanted >= 1.0 && wanted <= TRANSFERS_MAX as f64) {
        let text = format!("--rate × --duration: 1 to {TRANSFERS_MAX} transfers are possible in one run, not {wanted}");
        return Err(NetError::Usage(text));
    }
    Ok(count_of(rate, duration))
}

/// Transfers due within a run. The length of one that is to send all of a file is rounded to nanoseconds.
fn count_of(rate: f64, duration: Duration) -> u64 {
    (rate * duration.as_secs_f64() + 1e-3) as u64
}

fn network(manifest: &Manifest) -> Result<NetworkId, NetError> {
    manifest.network_id.parse().map_err(|error| NetError::Usage(format!("run.json: network_id: {error}")))
}

/// Funds accounts and begins to sign.
async fn funded(manifest: &Manifest, nodes: &[Node], options: LoadOptions) -> Result<Transfers, NetError> {
    let wanted = wanted(options.rate, options.duration)?;
    if !(1..=ACCOUNTS_MAX).contains(&options.accounts) {
        return Err(NetError::Usage(format!("--accounts: 1 to {ACCOUNTS_MAX} are possible")));
    }
    let network = network(manifest)?;
    let accounts = Arc::new(accounts(manifest.seed, options.accounts));
    let count = usize::try_from(wanted).expect("it is below TRANSFERS_MAX");
    let coins = match options.spent {
        Spent::Funded => count,
        Spent::Change => count.min(accounts.len()),
    };
    let each = fund::coin_of(count.div_ceil(coins));
    let coins = fund::fund(manifest, &network, &nodes[0].client, &accounts, coins, each).await?;
    Ok(Transfers::sign(network, accounts, coins, count, AHEAD_MAX).await)
}

/// A node that transfers are submitted to.
#[derive(Clone, Debug)]
struct Node {
    index: usize,
    client: Arc<Client>,
    /// Its final height when it was asked.
    final_height: u64,
}

async fn reachable(manifest: &Manifest) -> Result<Vec<Node>, NetError> {
    let mut nodes = Vec::new();
    for node in manifest.nodes.iter().filter(|node| !node.paused) {
        if let Some(status) = crate::net::client::node_status(node).await {
            let client = Client::of_one(&node.rpc).ok().map(Arc::new);
            let index = node.index;
            nodes.extend(client.map(|client| Node { index, client, final_height: status.final_height }));
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
