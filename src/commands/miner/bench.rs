//! `bezant miner bench`.

use crate::output::{Outcome, Output, table};
use bezant_miner::{Kernel, KernelRate};
use serde_json::json;
use std::time::Duration;

pub(super) fn run(threads: usize, duration: Duration, output: &Output) -> Outcome {
    for kernel in Kernel::failed() {
        output.remark(&format!("the kernel {} failed its self-test and is not used", kernel.name()));
    }
    let rates = rates(threads, duration);
    let best = Kernel::best();
    let kernel = |rate: &KernelRate| {
        let hashes = rate.hashes_per_second as u64;
        json!({"kernel": rate.kernel.name(), "threads": rate.threads, "hashes_per_second": hashes, "to_naive": to_naive(&rates, rate)})
    };
    let kernels: Vec<_> = rates.iter().map(kernel).collect();
    output.result(&json!({ "kernels": kernels, "best": best.name() }), || {
        let row = |rate: &KernelRate| {
            let speed = format!("{:.2} MH/s", rate.hashes_per_second / 1e6);
            let used = if rate.kernel == best { "used to mine" } else { "" };
            let to_naive = format!("{:.2} ×", to_naive(&rates, rate));
            vec![rate.kernel.name().to_owned(), rate.threads.to_string(), speed, to_naive, used.to_owned()]
        };
        table(&["kernel", "threads", "rate", "naive on one thread", ""], rates.iter().map(row))
    })
}

/// Every kernel on one thread, and on several if that is wanted.
pub(crate) fn rates(threads: usize, duration: Duration) -> Vec<KernelRate> {
    let mut rates = bezant_miner::bench(1, duration);
    if threads > 1 {
        rates.extend(bezant_miner::bench(threads, duration));
    }
    rates
}

/// How many times as fast as the yardstick on one thread.
fn to_naive(rates: &[KernelRate], rate: &KernelRate) -> f64 {
    let naive = rates.iter().find(|rate| rate.kernel == Kernel::Naive).map_or(f64::NAN, |rate| rate.hashes_per_second);
    (rate.hashes_per_second / naive * 100.0).round() / 100.0
}
