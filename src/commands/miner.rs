//! `bezant miner`.

use crate::cli::Miner;
use crate::output::{Outcome, Output, table};
use serde_json::json;
use std::time::Duration;

/// How long each kernel is measured.
const MEASURED: Duration = Duration::from_secs(2);

pub(crate) fn run(command: &Miner, output: &Output) -> Outcome {
    let Miner::Bench { threads } = command;
    let rates = bezant_miner::bench(*threads, MEASURED);
    let kernel = |rate: &bezant_miner::KernelRate| {
        let hashes = rate.hashes_per_second as u64;
        json!({"kernel": rate.kernel.name(), "threads": rate.threads, "hashes_per_second": hashes})
    };
    let kernels: Vec<_> = rates.iter().map(kernel).collect();
    output.result(&json!({ "kernels": kernels }), || {
        let row = |rate: &bezant_miner::KernelRate| {
            let speed = format!("{:.2} MH/s", rate.hashes_per_second / 1e6);
            vec![rate.kernel.name().to_owned(), rate.threads.to_string(), speed]
        };
        table(&["kernel", "threads", "rate"], rates.iter().map(row))
    })
}
