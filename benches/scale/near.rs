//! The same on this machine: real nets of processes.

#[allow(dead_code, reason = "the bench uses a part of what the tests need")]
#[path = "../../tests/e2e/net.rs"]
mod net;

use net::Net;

const SIZES: [usize; 5] = [1, 4, 7, 10, 13];
const LOW_PER_S: u64 = 5;

/// Each net at a low rate and at `rate`: what `testnet load` reports, and processor time of a node for a block.
pub(crate) fn near(rate: u64) {
    println!(
        "| nodes | offered a second | final a second | p50, ms | p99, ms | blocks | processor of a node for a block, ms |"
    );
    println!("|---|---|---|---|---|---|---|");
    for n in SIZES {
        let net = Net::up(&["--nodes", &n.to_string()]);
        // Accounts are funded before anything is counted.
        load(&net, LOW_PER_S, "1s");
        for rate in [LOW_PER_S, rate] {
            let before = net.final_height(0);
            let report = load(&net, rate, "10s");
            net.await_synced();
            let blocks = net.final_height(0) - before;
            let (latency, figure) = (&report["latency_ms"], |value: &serde_json::Value| value.as_f64().unwrap_or(0.0));
            let processor_ms = figure(&report["usage"]["nodes_cpu_s"]) * 1_000.0 / n as f64 / blocks.max(1) as f64;
            println!(
                "| {n} | {rate} | {:.0} | {:.1} | {:.1} | {blocks} | {processor_ms:.2} |",
                figure(&report["final_per_second"]),
                figure(&latency["p50"]),
                figure(&latency["p99"]),
            );
        }
        net.check();
    }
}

fn load(net: &Net, rate: u64, duration: &str) -> serde_json::Value {
    let rate = rate.to_string();
    net.json(&["testnet", "load", "--rate", &rate, "--duration", duration, "--accounts", "200"])
}
