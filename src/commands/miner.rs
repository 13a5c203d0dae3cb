//! `bezant miner`: mines for a node elsewhere, by Stratum or by RPC.

mod bench;
mod report;
mod rpc;
mod stratum;

pub(crate) use bench::rates;

use crate::block_on;
use crate::cli::{Miner, MinerCommand};
use crate::commands::net;
use crate::output::{Failure, Outcome, Output};
use bezant_api::address::{self, AddressError};
use bezant_consensus::ledger::hash::NetworkId;
use bezant_miner::{Job, Kernel, MinerConfig, Share};
use std::time::Duration;
use tokio::sync::mpsc;

/// Searches what a server hands out.
type JobMiner = bezant_miner::Miner<Job>;

/// Shares on their way out; what does not fit is lost, which happens only where nobody takes them.
const SHARES_MAX: usize = 256;
/// Before a lost connection is made again …
const BACKOFF_FIRST: Duration = Duration::from_millis(500);
/// … and twice as long each time that it fails, up to this.
const BACKOFF_MAX: Duration = Duration::from_secs(30);

pub(crate) fn run(options: Miner, output: &Output) -> Outcome {
    if let Some(MinerCommand::Bench { threads, duration }) = options.command {
        return bench::run(threads, duration, output);
    }
    let to = options.to.as_deref().ok_or_else(|| Failure::usage("--to ADDRESS is needed: who is paid"))?;
    check_form(to)?;
    for kernel in Kernel::failed() {
        output.remark(&format!("the kernel {} failed its self-test and is not used", kernel.name()));
    }
    match (&options.stratum, &options.rpc) {
        (Some(_), Some(_)) => Err(Failure::usage(
            "--stratum or --rpc, not both; one may come from the environment (BEZANT_STRATUM, BEZANT_RPC)",
        )),
        (Some(server), None) => block_on(stratum::run(server, to, &options, output)),
        (None, Some(url)) => block_on(rpc::run(url, to, &options, output)),
        (None, None) => Err(Failure::usage("--stratum HOST:PORT or --rpc URL is needed, or `bezant miner bench`")),
    }
}

/// A misspelt address is found before anything is connected; which net it belongs to, the server knows.
fn check_form(to: &str) -> Outcome {
    match address::decode(&NetworkId::default(), to) {
        Ok(_) | Err(AddressError::OtherNet { .. }) => Ok(()),
        Err(error) => Err(Failure::usage(format!("--to: {error}"))),
    }
}

/// The threads, and what they find.
fn start(options: &Miner) -> (JobMiner, mpsc::Receiver<Share>) {
    let (sender, shares) = mpsc::channel(SHARES_MAX);
    let hashrate_max = options.max_hashrate.filter(|rate| *rate > 0).map(|rate| rate as f64);
    let config = MinerConfig { threads: options.threads, hashrate_max };
    // A share that nobody takes in time is stale anyway.
    let miner = JobMiner::start(config, move |share| drop(sender.try_send(share)));
    (miner, shares)
}

/// Completes when the miner is to end: at an interrupt, and where lines are printed when nobody reads them any more.
async fn ended(output: &Output) {
    if output.json { net::ended().await } else { net::interrupted().await }
}

/// How long to wait before the next attempt.
struct Backoff(Duration);

impl Backoff {
    fn new() -> Backoff {
        Backoff(BACKOFF_FIRST)
    }

    fn next(&mut self) -> Duration {
        let wait = self.0;
        self.0 = (self.0 * 2).min(BACKOFF_MAX);
        wait
    }
}
