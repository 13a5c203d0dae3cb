//! `bench admission`: one node's mempool over RPC. The net is of proof of work and does not mine, so that nothing else is measured.

use super::figures::SuiteResult;
use super::{Wanted, on_own_net};
use crate::cli::{Amount, Global};
use crate::output::{Failure, Output};
use bezant_api::client::Client;
use bezant_api::types::{DevHashrateParams, EngineName};
use bezant_testnet::net::load::{self, Admitted, LoadOptions, Spent};
use serde_json::json;
use std::time::Duration;

/// Calls under way at a time on the one connection.
const SINGLE_OUTSTANDING: usize = 64;
/// Transfers of one call, and calls under way.
const BATCH: usize = 200;
const BATCH_OUTSTANDING: usize = 4;
const ACCOUNTS: usize = 200;

pub(super) async fn run(options: &Amount, global: &Global, output: &Output) -> Result<SuiteResult, Failure> {
    let wanted = Wanted::of(EngineName::Pow, 1);
    on_own_net(wanted, global, output, async |manifest| {
        let includes =
            ["the node checks every signature", "JSON-RPC over one WebSocket connection", "no block is made meanwhile"];
        let mut result = SuiteResult::new("admission", json!({ "transfers": options.transfers }), &includes);
        output.remark("admission: funding and signing …");
        let each = f64::from(options.transfers);
        let load = LoadOptions {
            rate: 2.0 * each,
            duration: Duration::from_secs(1),
            accounts: ACCOUNTS,
            spent: Spent::Funded,
        };
        let mut prepared = load::prepare(manifest, load).await?;
        let client = Client::of_one(&manifest.nodes[0].rpc)?;
        let still = DevHashrateParams { token: manifest.dev_token.clone(), hashes_per_second: 0 };
        client.dev_hashrate(&still).await?;
        output.remark("sending …");
        for (name, size, outstanding) in [("single", 1, SINGLE_OUTSTANDING), ("batch", BATCH, BATCH_OUTSTANDING)] {
            let admitted = prepared.admit(u64::from(options.transfers), size, outstanding).await?;
            add(&mut result, name, &admitted);
        }
        Ok(result)
    })
    .await
}

fn add(result: &mut SuiteResult, name: &str, admitted: &Admitted) {
    result.add(&format!("{name}_admitted"), admitted.per_second, "1/s");
    let latency = admitted.latency_ms;
    for (what, ms) in [("p50", latency.p50), ("p95", latency.p95), ("p99", latency.p99), ("max", latency.max)] {
        result.add(&format!("{name}_call_{what}"), ms, "ms");
    }
    result.add(&format!("{name}_refused"), admitted.refused as f64, "");
    if let Some(seconds) = admitted.node_cpu_s_per_1000 {
        result.add(&format!("{name}_cpu_node_per_1000"), seconds, "s");
    }
}
