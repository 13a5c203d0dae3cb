//! One transfer at a time on an idle net.

use super::sign::Ready;
use super::{LoadOptions, Node, Spent, funded, reachable};
use crate::net::error::NetError;
use bezant_api::client::{ClientError, Events};
use bezant_api::event::EventKind;
use bezant_api::manifest::Manifest;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// The rest of a net between two transfers.
const REST: Duration = Duration::from_millis(20);
/// How long a transfer may take.
const LIMIT: Duration = Duration::from_secs(30);
const ACCOUNTS: usize = 10;

/// Sends `count` transfers one after another, each to the next node and only when the one before is final and the net has rested; from
/// each request to finality at the node asked, in milliseconds. Finality of blocks of a few transactions must be immediate: PBFT.
///
/// # Errors
/// When no node answers, funding fails, or a transfer is not final in time.
pub async fn one_by_one(manifest: &Manifest, count: u32) -> Result<Vec<f64>, NetError> {
    let nodes = reachable(manifest).await?;
    let options = LoadOptions {
        rate: f64::from(count),
        duration: Duration::from_secs(1),
        accounts: ACCOUNTS,
        spent: Spent::Funded,
    };
    let mut transfers = funded(manifest, &nodes, options).await?;
    let mut streams = Vec::new();
    for node in &nodes {
        streams.push(node.client.events(None).await.map_err(gone(node))?);
    }
    let mut times = Vec::new();
    while let Some(ready) = transfers.next().await? {
        let place = times.len() % nodes.len();
        sleep(REST).await;
        times.push(one(&nodes[place], &mut streams[place], ready).await?);
    }
    Ok(times)
}

fn gone(node: &Node) -> impl Fn(ClientError) -> NetError {
    let index = node.index;
    move |error| NetError::Node { index, reason: error.to_string() }
}

async fn one(node: &Node, events: &mut Events, ready: Ready) -> Result<f64, NetError> {
    let id = hex::encode(ready.id.to_le_bytes());
    let began = Instant::now();
    node.client.submit(hex::encode(&ready.bytes)).await.map_err(gone(node))?;
    let is_final = async {
        while let Some(event) = events.next().await {
            if let EventKind::Block { txids, .. } = event.kind
                && txids.iter().any(|txid| txid.starts_with(&id))
            {
                return Ok(began.elapsed().as_secs_f64() * 1_000.0);
            }
        }
        Err(NetError::Node { index: node.index, reason: "its event stream has ended".to_owned() })
    };
    let late = |_| NetError::TimedOut(format!("transfer {id}… to node{} was not final in time", node.index));
    timeout(LIMIT, is_final).await.map_err(late)?
}
