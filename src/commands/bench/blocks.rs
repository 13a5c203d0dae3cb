//! `bench blocks`: how soon a block of transfers that all nodes hold is connected everywhere, under proof of work. The net's blocks may be as
//! large as that many transfers take, up to what the ledger allows.

use super::figures::SuiteResult;
use super::{WHOLE, Wanted, on_own_net};
use crate::cli::{Amount, Global};
use crate::output::{Failure, Output};
use bezant_api::client::{Client, Events};
use bezant_api::event::EventKind;
use bezant_api::manifest::Manifest;
use bezant_api::types::{DevHashrateParams, DevMineParams, EngineName};
use bezant_consensus::limits::{BLOCK_BYTES_MAX, BLOCK_OVERHEAD_BYTES};
use bezant_testnet::net::load::{self, LoadOptions, Spent};
use bezant_testnet::net::spec::BLOCK_BYTES_MAX_DEFAULT;
use serde_json::json;
use std::time::{Duration, Instant};

const NODES: usize = 4;
const ACCOUNTS: usize = 200;
/// What one of the load's transfers takes in a block, rounded up.
const TRANSFER_BYTES: u64 = 270;
/// Transfers of one call while the mempools are filled, and calls under way.
const BATCH: usize = 200;
const BATCH_OUTSTANDING: usize = 4;
/// How long the mempools may take to fill, and a block to reach all nodes.
const LIMIT: Duration = Duration::from_secs(120);
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

pub(super) async fn run(options: &Amount, global: &Global, output: &Output) -> Result<SuiteResult, Failure> {
    let bytes = u64::from(options.transfers) * TRANSFER_BYTES + BLOCK_OVERHEAD_BYTES as u64;
    let block_bytes_max = bytes.clamp(u64::from(BLOCK_BYTES_MAX_DEFAULT), BLOCK_BYTES_MAX as u64) as u32;
    let wanted = Wanted { block_bytes_max: Some(block_bytes_max), ..Wanted::of(EngineName::Pow, NODES) };
    on_own_net(wanted, global, output, async |manifest| {
        let given = json!({ "transfers": options.transfers, "repetitions": options.repetitions, "nodes": NODES, "block_bytes_max": block_bytes_max });
        let mut result = SuiteResult::new("blocks", given, &WHOLE);
        output.remark("blocks: funding and signing …");
        let all = f64::from(options.transfers) * f64::from(options.repetitions);
        let load = LoadOptions { rate: all, duration: Duration::from_secs(1), accounts: ACCOUNTS, spent: Spent::Funded };
        let mut prepared = load::prepare(manifest, load).await?;
        let clients: Vec<Client> =
            manifest.nodes.iter().map(|node| Client::of_one(&node.rpc)).collect::<Result<_, _>>()?;
        for client in &clients {
            let still = DevHashrateParams { token: manifest.dev_token.clone(), hashes_per_second: 0 };
            client.dev_hashrate(&still).await?;
        }
        let (mut first, mut last, mut held) = (Vec::new(), Vec::new(), usize::MAX);
        for block in 0..options.repetitions {
            output.remark(&format!("blocks: {} of {} …", block + 1, options.repetitions));
            // So that each node holds just what the block is to take.
            clear(manifest, &clients[0]).await?;
            prepared.admit(u64::from(options.transfers), BATCH, BATCH_OUTSTANDING).await?;
            let found = connected(manifest, &clients, options.transfers as usize).await?;
            first.push(found.first_ms);
            last.push(found.last_ms);
            held = held.min(found.transactions);
        }
        result.add("transfers_in_the_smallest", held as f64, "");
        result.add_times("connected_by_the_finder", first);
        result.add_times("connected_by_all", last);
        Ok(result)
    })
    .await
}

/// One block.
struct Found {
    /// From the order to search for it until its finder had connected it, and until all had.
    first_ms: f64,
    last_ms: f64,
    /// In it, without the coinbase.
    transactions: usize,
}

/// Has what waits included, so that the mempools are empty.
async fn clear(manifest: &Manifest, client: &Client) -> Result<(), Failure> {
    let began = Instant::now();
    while client.status().await?.mempool > 0 {
        if began.elapsed() > LIMIT {
            return Err(Failure::new(
                5,
                "timeout",
                "the mempool did not become empty in time; the nodes' logs say why",
            ));
        }
        client.dev_mine(&one_block(manifest)).await?;
    }
    Ok(())
}

fn one_block(manifest: &Manifest) -> DevMineParams {
    let token = manifest.dev_token.clone();
    DevMineParams { token, count: 1, to: None, transactions: None, advance_clock: false }
}

/// Waits until all hold so many transfers, and has the first node find a block of them.
async fn connected(manifest: &Manifest, clients: &[Client], transfers: usize) -> Result<Found, Failure> {
    let began = Instant::now();
    for client in clients {
        while (client.status().await?.mempool as usize) < transfers {
            if began.elapsed() > LIMIT {
                return Err(Failure::new(5, "timeout", "the transfers did not reach all nodes in time"));
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }
    let mut streams = Vec::new();
    for client in clients {
        streams.push(client.events_of(&["block"]).await?);
    }
    let ordered = Instant::now();
    let connected = streams.iter_mut().map(async |events| block(events, ordered).await);
    let connected = tokio::time::timeout(LIMIT, futures::future::try_join_all(connected));
    let order = one_block(manifest);
    let (connected, mined) = tokio::join!(connected, clients[0].dev_mine(&order));
    mined?;
    let late = |_| Failure::new(5, "timeout", "the block did not reach all nodes in time; their logs say why");
    let connected = connected.map_err(late)??;
    let (first_ms, transactions) = connected[0];
    let last_ms = connected.iter().map(|(ms, _)| *ms).fold(0.0, f64::max);
    Ok(Found { first_ms, last_ms, transactions })
}

/// The next block that a node connects: milliseconds after `ordered`, and how many transactions it has beside the coinbase.
async fn block(events: &mut Events, ordered: Instant) -> Result<(f64, usize), Failure> {
    while let Some(event) = events.next().await {
        if let EventKind::Block { transactions, .. } = event.kind {
            return Ok((ordered.elapsed().as_secs_f64() * 1_000.0, transactions - 1));
        }
    }
    Err(Failure::failed("bench", "a node that was watched is gone"))
}
