//! Transfers that are ready, and what can be done with them: a load, and admission alone.

use super::file::Opened;
use super::run::{self, Plan};
use super::sign::Transfers;
use super::usage::cpu_s;
use super::{Latency, LoadOptions, Loaded, Told, funded, is_unsent, network, reachable, usage, wanted};
use crate::net::error::NetError;
use bezant_api::client::{ClientError, Pipe};
use bezant_api::manifest::Manifest;
use bezant_api::types::Submission;
use futures::StreamExt;
use hdrhistogram::Histogram;
use serde::Serialize;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;
use tokio::time::Instant;

/// Transfers that are held at once to be admitted.
const ADMITTED_MAX: u64 = 500_000;

/// Transfers of funded accounts of a running net, signed or being signed. Each run takes the next of them.
pub struct Prepared {
    manifest: Manifest,
    transfers: Transfers,
    prepared_s: f64,
    told: Told,
}

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prepared").field("manifest", &self.manifest).finish_non_exhaustive()
    }
}

/// How fast one node took transfers into its mempool.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Admitted {
    /// Those taken, by the time from the first call to the last answer.
    pub per_second: f64,
    /// From each call to its answer.
    pub latency_ms: Latency,
    /// Those not taken.
    pub refused: u64,
    /// Processor time of the node for 1,000 of them; `None` where the system does not tell.
    pub node_cpu_s_per_1000: Option<f64>,
}

/// Funds accounts for `rate × duration` transfers and begins to sign them.
///
/// # Errors
/// When the options are out of range, no node answers, or funding fails.
pub async fn prepare(manifest: &Manifest, options: LoadOptions) -> Result<Prepared, NetError> {
    let started = Instant::now();
    let nodes = reachable(manifest).await?;
    let transfers = funded(manifest, &nodes, options).await?;
    let prepared_s = started.elapsed().as_secs_f64();
    Ok(Prepared { manifest: manifest.clone(), transfers, prepared_s, told: Box::new(|_| {}) })
}

/// Opens a file of [`super::sign_to`] for a run of `duration`, or of all that it holds; returns how long that is.
///
/// # Errors
/// When the file is none, is damaged, is of another net, was sent before, or holds too few; when no node answers.
pub(super) async fn open(
    manifest: &Manifest,
    rate: f64,
    duration: Option<Duration>,
    file: &Path,
) -> Result<(Prepared, Duration), NetError> {
    let started = Instant::now();
    let network = network(manifest)?;
    let mut opened = Opened::open(file, &network)?;
    let count = opened.header.count;
    let duration = match duration {
        Some(duration) => duration,
        None => Duration::try_from_secs_f64(count as f64 / rate)
            .map_err(|_| NetError::Usage(format!("--rate: a number above 0 is expected, not {rate}")))?,
    };
    let wanted = wanted(rate, duration)?;
    if wanted > count {
        let file = file.display();
        return Err(NetError::Usage(format!(
            "{file} holds {count} transfers, --rate × --duration asks for {wanted}; lower one of them, or sign more with --sign-to"
        )));
    }
    let nodes = reachable(manifest).await?;
    if let Some(first) = opened.next()? {
        is_unsent(&nodes[0].client, file, &first).await?;
    }
    let transfers = Opened::open(file, &network)?.stream();
    let prepared_s = started.elapsed().as_secs_f64();
    Ok((Prepared { manifest: manifest.clone(), transfers, prepared_s, told: Box::new(|_| {}) }, duration))
}

impl Prepared {
    /// Its runs tell how far they are.
    #[must_use]
    pub fn telling(self, told: Told) -> Prepared {
        Prepared { told, ..self }
    }

    /// Sends transfers at `rate` a second for `duration`, whatever becomes of them, and waits for what is not final yet.
    ///
    /// # Errors
    /// When the numbers are out of range, no node answers, or signing or reading fails.
    pub async fn run(&mut self, rate: f64, duration: Duration) -> Result<Loaded, NetError> {
        wanted(rate, duration)?;
        let nodes = reachable(&self.manifest).await?;
        let pids = usage::pids(&self.manifest, &nodes);
        let plan = Plan { rate, duration, prepared_s: self.prepared_s };
        run::run(&nodes, pids, &mut self.transfers, plan, &self.told).await
    }

    /// Hands `count` transfers to the first node, `size` in a call and `outstanding` calls at a time, on one connection.
    ///
    /// # Errors
    /// When there are too few or too many, or the node is gone.
    pub async fn admit(&mut self, count: u64, size: usize, outstanding: usize) -> Result<Admitted, NetError> {
        if !(1..=ADMITTED_MAX).contains(&count) {
            return Err(NetError::Usage(format!("--transfers: 1 to {ADMITTED_MAX} are possible, not {count}")));
        }
        let mut calls: Vec<Vec<String>> = Vec::new();
        for place in 0..count {
            let ready = self.transfers.next().await?;
            let ready = ready.ok_or_else(|| NetError::Usage(format!("only {place} transfers were prepared")))?;
            match calls.last_mut().filter(|call| call.len() < size) {
                Some(call) => call.push(hex::encode(ready.bytes)),
                None => calls.push(vec![hex::encode(ready.bytes)]),
            }
        }
        let node = &self.manifest.nodes[0];
        let gone = |error: ClientError| NetError::Node { index: node.index, reason: error.to_string() };
        let pipe = Pipe::open(&node.rpc).await.map_err(gone)?;
        let latencies = Mutex::new((Histogram::<u64>::new(3).expect("three digits are allowed"), 0_u64));
        let cpu_before = cpu_s(node.pid);
        let began = Instant::now();
        let calling = futures::stream::iter(calls).map(|call| async {
            let sent = Instant::now();
            let refused = handed_in(&pipe, call).await?;
            let mut all = super::run::held(&latencies);
            super::series::record(&mut all.0, sent.elapsed());
            all.1 += refused;
            Ok::<(), ClientError>(())
        });
        let answers: Vec<Result<(), ClientError>> = calling.buffer_unordered(outstanding.max(1)).collect().await;
        let seconds = began.elapsed().as_secs_f64();
        let cpu = cpu_before.zip(cpu_s(node.pid)).map(|(before, after)| after - before);
        answers.into_iter().collect::<Result<Vec<()>, ClientError>>().map_err(gone)?;
        let (micros, refused) = latencies.into_inner().expect("no holder panics");
        let taken = (count - refused) as f64;
        Ok(Admitted {
            per_second: taken / seconds,
            latency_ms: Latency::of(&micros),
            refused,
            node_cpu_s_per_1000: cpu.filter(|_| taken > 0.0).map(|cpu| cpu * 1_000.0 / taken),
        })
    }
}

/// Hands in what is in one call; how many of it were refused.
async fn handed_in(pipe: &Pipe, mut call: Vec<String>) -> Result<u64, ClientError> {
    if call.len() > 1 {
        let answer = pipe.submit_many(call).await?;
        return Ok(answer.results.iter().filter(|it| matches!(it, Submission::Refused { .. })).count() as u64);
    }
    match pipe.submit(call.pop().unwrap_or_default()).await {
        Ok(_) => Ok(0),
        Err(ClientError::Refused { .. } | ClientError::Busy(_)) => Ok(1),
        Err(error) => Err(error),
    }
}
