//! `bench sync` and `bench snapshot`: a node that has nothing catches up with the others.

use super::figures::SuiteResult;
use super::nodes::{fill, started_ms, url};
use super::{WHOLE, Wanted, on_own_net};
use crate::cli::{Amount, Global};
use crate::output::{Failure, Output};
use bezant_api::client::{Client, ClientError};
use bezant_api::control::ControlRequest;
use bezant_api::manifest::Manifest;
use bezant_api::types::{BlockRef, EngineName};
use bezant_testnet::net::client;
use bezant_testnet::net::load::{cpu_s, resident_bytes};
use serde_json::json;
use std::time::{Duration, Instant};

/// One node has the chain, the other one only follows.
const NEWCOMER: usize = 1;
const LOOK_INTERVAL: Duration = Duration::from_millis(10);
const LIMIT: Duration = Duration::from_secs(3_600);

pub(super) async fn run(
    suite: &str,
    engine: EngineName,
    options: &Amount,
    global: &Global,
    output: &Output,
) -> Result<SuiteResult, Failure> {
    let wanted = Wanted { observers: 1, ..Wanted::of(engine, 1) };
    on_own_net(wanted, global, output, async |manifest| {
        let given = json!({ "transfers": options.transfers, "repetitions": options.repetitions });
        let mut result = SuiteResult::new(suite, given, &WHOLE);
        fill(manifest, options.transfers, output).await?;
        let (mut times, mut processor, mut memory, mut by_snapshot) = (Vec::new(), Vec::new(), 0, 0);
        for repetition in 0..options.repetitions {
            output.remark(&format!("{suite}: {} of {} …", repetition + 1, options.repetitions));
            let caught_up = catch_up(manifest).await?;
            times.push(caught_up.ms);
            processor.extend(caught_up.cpu_s);
            memory = memory.max(caught_up.resident_bytes);
            result.details = json!({ "height": caught_up.height });
            by_snapshot += u32::from(caught_up.by_snapshot);
        }
        let mean_s = times.iter().sum::<f64>() / times.len() as f64 / 1_000.0;
        result.add("transfers", f64::from(options.transfers) / mean_s, "1/s");
        result.add_times("caught_up", times);
        if !processor.is_empty() {
            let mean = processor.iter().sum::<f64>() / processor.len() as f64;
            result.add("cpu_newcomer_per_1000", mean * 1_000.0 / f64::from(options.transfers), "s");
        }
        result.add("by_snapshot", f64::from(by_snapshot), "");
        result.add("resident_newcomer", memory as f64 / f64::from(1 << 20), "MiB");
        Ok(result)
    })
    .await
}

struct CaughtUp {
    ms: f64,
    height: u64,
    /// It has no blocks from before the snapshot that it began with.
    by_snapshot: bool,
    cpu_s: Option<f64>,
    resident_bytes: u64,
}

/// Takes all that the node has, starts it, and waits until it is where the other one was.
async fn catch_up(manifest: &Manifest) -> Result<CaughtUp, Failure> {
    client::ask(manifest, &ControlRequest::Stop { node: NEWCOMER }).await?;
    let data = &manifest.nodes[NEWCOMER].data_dir;
    let failed = |error: std::io::Error| Failure::failed("bench", format!("{}: {error}", data.display()));
    // The net is the bench's own, and the node is down. Its peers know it by the key that lies there too.
    for entry in std::fs::read_dir(data).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_name().to_string_lossy().contains(".sqlite") {
            std::fs::remove_file(entry.path()).map_err(failed)?;
        }
    }
    let goal = Client::of_one(&url(manifest, 0)?)?.tip().await?.height;
    let began = Instant::now();
    started_ms(manifest, NEWCOMER).await?;
    let client = Client::of_one(&url(manifest, NEWCOMER)?)?;
    loop {
        let height = client.tip().await.map_or(0, |tip| tip.height);
        if height >= goal {
            break;
        }
        if began.elapsed() > LIMIT {
            return Err(Failure::new(
                5,
                "timeout",
                format!("the node is at height {height} of {goal} and takes too long"),
            ));
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
    let ms = began.elapsed().as_secs_f64() * 1_000.0;
    let by_snapshot = matches!(client.block(BlockRef::Height(1)).await, Err(ClientError::NotFound(_)));
    let pid = client::running(&manifest.net, &manifest.dir)?.nodes[NEWCOMER].pid;
    Ok(CaughtUp { ms, height: goal, by_snapshot, cpu_s: cpu_s(pid), resident_bytes: resident_bytes(pid).unwrap_or(0) })
}
