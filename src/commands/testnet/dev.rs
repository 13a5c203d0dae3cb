//! Developer controls of a net: blocks, branches and the clock, at once.

use crate::cli::{Global, Mine, Net};
use crate::commands::net;
use crate::output::{Failure, Outcome, Output};
use bezant_api::client::Client;
use bezant_api::control::{ControlRequest, ControlResponse};
use bezant_api::manifest::Manifest;
use bezant_api::types::{BlockRef, DevHashrateParams, DevMineParams, EngineName, InstructParams, TipView};
use bezant_consensus::ledger::target::Work;
use bezant_testnet::net::client;
use bezant_testnet::net::error::net_flag;
use bezant_testnet::text;
use serde_json::json;
use std::time::{Duration, Instant};

/// How long the other nodes may take to follow a reorganisation.
const FOLLOW_TIMEOUT: Duration = Duration::from_secs(30);
/// Blocks mined beyond the depth, at most, until the new branch has more work than anything the others found meanwhile.
const EXTRA_BLOCKS_MAX: usize = 100;

pub(super) async fn mine(options: Mine, global: &Global, output: &Output) -> Outcome {
    let Mine { net, count, node, to, tx, empty } = options;
    let manifest = net::running(&net, global)?;
    let client = match manifest.engine {
        EngineName::Pbft => primary(&manifest).await?,
        EngineName::Pow => Client::of_one(net::node_url(&manifest, node)?)?,
    };
    // An account of the net may be meant by its name.
    let address = |text: String| {
        let account = manifest.accounts.iter().find(|account| account.name == text);
        account.map_or(text, |account| account.address.clone())
    };
    let mut transactions = Vec::new();
    for text in &tx {
        // 64 digits are an id: no transaction is that short.
        transactions.push(if text.len() == 64 { client.transaction(text).await?.hex } else { text.clone() });
    }
    let wish = Wish { to: to.map(address), transactions: (empty || !tx.is_empty()).then_some(transactions) };
    let tip = make(&manifest, &client, count, wish).await?;
    output.result(&tip, || format!("height {}  {}", tip.height, tip.id))
}

/// A client of whoever may propose a block now.
async fn primary(manifest: &Manifest) -> Result<Client, Failure> {
    let mut unreachable = None;
    for node in &manifest.nodes {
        let client = Client::of_one(&node.rpc)?;
        match client.status().await {
            Ok(status) if status.pbft.as_ref().is_some_and(|pbft| pbft.me == Some(pbft.primary)) => return Ok(client),
            Ok(_) => {}
            Err(error) => unreachable = Some(error),
        }
    }
    Err(unreachable.map_or_else(
        || Failure::failed("no-primary", "no node is the primary of its view now; try again when the view has changed"),
        Failure::from,
    ))
}

/// What blocks are to be like.
#[derive(Clone, Default)]
struct Wish {
    to: Option<String>,
    transactions: Option<Vec<String>>,
}

/// Makes blocks at one node. The time that the difficulty expects for them passes on all nodes: there is one clock.
async fn make(manifest: &Manifest, client: &Client, count: u32, wish: Wish) -> Result<TipView, Failure> {
    if manifest.engine == EngineName::Pow {
        let genesis = client.genesis().await?.toml;
        let genesis = bezant_api::genesis::from_toml(&genesis).map_err(|error| Failure::failed("genesis", error))?;
        let spacing_s = genesis.pow().map_or(0, |params| u64::from(params.spacing_s));
        client::ask(manifest, &ControlRequest::Advance { ms: u64::from(count) * spacing_s * 1_000 }).await?;
    }
    let Wish { to, transactions } = wish;
    // One at a time, for a client waits only so long for an answer; but a wish for transactions is about all blocks together.
    let portion = if transactions.is_some() { count } else { count.min(1) };
    let order =
        DevMineParams { token: manifest.dev_token.clone(), count: portion, to, transactions, advance_clock: false };
    let mut tip = client.dev_mine(&order).await?;
    for _ in 1..count.div_ceil(portion.max(1)) {
        tip = client.dev_mine(&order).await?;
    }
    Ok(tip)
}

pub(super) async fn reorg(net: &Net, depth: u64, node: usize, global: &Global, output: &Output) -> Outcome {
    let manifest = net::running(net, global)?;
    if manifest.engine != EngineName::Pow {
        return Err(Failure::new(3, "final", "under PBFT blocks are final: none can be replaced"));
    }
    let client = Client::of_one(net::node_url(&manifest, node)?)?;
    let old = client.tip().await?;
    if depth == 0 || depth > old.height {
        return Err(Failure::usage(format!("a depth from 1 to {} is expected, the height of node{node}", old.height)));
    }
    let fork = old.height - depth;
    let first = client.block(BlockRef::Height(fork + 1)).await?.id;
    let instruction = InstructParams { token: manifest.dev_token.clone(), block: first.clone() };
    client.invalidate(&instruction).await?;
    let mined = outrun(&manifest, &client, node, depth).await;
    // Whatever happened: what was ruled out by hand is not left so.
    client.reconsider(&instruction).await?;
    mined?;
    let new = client.tip().await?;
    let followed = follow(&manifest, fork + 1, &first).await;
    let missing: Vec<usize> = (0..manifest.nodes.len()).filter(|index| !followed.contains(index)).collect();
    if !missing.is_empty() {
        output.remark(&format!(
            "not followed by {}: down, cut off, or the depth is beyond the net's max_reorg",
            missing.iter().map(|index| format!("node{index}")).collect::<Vec<_>>().join(", ")
        ));
    }
    let result = json!({ "fork": fork, "old": old.id, "new": new.id, "height": new.height, "followed": followed });
    output.result(&result, || {
        let replaced =
            format!("{} above height {fork} lost their place to {}", text::count(depth, "block"), new.height - fork);
        format!("{replaced}\nold tip {}\nnew tip {}", old.id, new.id)
    })
}

/// Mines empty blocks until no other node has a chain with as much work, but for those that follow.
async fn outrun(manifest: &Manifest, client: &Client, node: usize, depth: u64) -> Result<(), Failure> {
    let empty = || Wish { to: None, transactions: Some(Vec::new()) };
    let count = u32::try_from(depth + 1).map_err(|_| Failure::usage("so many blocks are not mined at once"))?;
    make(manifest, client, count, empty()).await?;
    let others: Vec<&String> = manifest.nodes.iter().filter(|it| it.index != node).map(|it| &it.rpc).collect();
    for _ in 0..EXTRA_BLOCKS_MAX {
        let own = tip(client).await.ok_or_else(|| Failure::failed("reorg", format!("node{node} says nothing")))?;
        let mut is_first = true;
        for url in &others {
            // A node that is down has nothing to say.
            is_first &= tip(&Client::of_one(url)?).await.is_none_or(|other| other.0 < own.0 || other == own);
        }
        if is_first {
            return Ok(());
        }
        make(manifest, client, 1, empty()).await?;
    }
    Err(Failure::failed(
        "reorg",
        format!(
            "the others mine faster than this node; limit them with `bezant testnet hashrate NODE RATE{}`",
            net_flag(&manifest.net)
        ),
    ))
}

/// The work of a node's chain, and its tip.
async fn tip(client: &Client) -> Option<(Work, String)> {
    let status = client.status().await.ok()?;
    Some((Work::from_hex(&status.pow?.work)?, status.tip))
}

/// Waits until every node that answers has another block than `old` at a height; tells which have.
async fn follow(manifest: &Manifest, height: u64, old: &str) -> Vec<usize> {
    let until = Instant::now() + FOLLOW_TIMEOUT;
    loop {
        let (mut followed, mut behind) = (Vec::new(), false);
        for node in &manifest.nodes {
            let Ok(client) = Client::of_one(&node.rpc) else { continue };
            match client.block(BlockRef::Height(height)).await {
                Ok(block) if block.id != old => followed.push(node.index),
                Ok(_) => behind = true,
                Err(_) => {}
            }
        }
        if !behind || Instant::now() > until {
            return followed;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

pub(super) async fn advance(net: &Net, by: Duration, global: &Global, output: &Output) -> Outcome {
    let manifest = net::running(net, global)?;
    let ms = u64::try_from(by.as_millis()).map_err(|_| Failure::usage("so far ahead there is no time"))?;
    client::ask(&manifest, &ControlRequest::Advance { ms }).await?;
    output.result(&json!({ "advanced_ms": ms }), String::new)
}

pub(super) async fn offset(net: &Net, node: usize, by_ms: i64, global: &Global, output: &Output) -> Outcome {
    let manifest = net::running(net, global)?;
    let asked = client::ask(&manifest, &ControlRequest::ClockOffset { node, offset_ms: by_ms }).await?;
    let restarted = matches!(asked, ControlResponse::Clock { restarted: true });
    if restarted {
        output.remark(&format!("node{node} was started anew: a node's clock does not go back within a run"));
    }
    output.result(&json!({ "node": node, "offset_ms": by_ms, "restarted": restarted }), String::new)
}

pub(super) async fn hashrate(net: &Net, node: usize, rate: u64, global: &Global, output: &Output) -> Outcome {
    let manifest = net::running(net, global)?;
    let client = Client::of_one(net::node_url(&manifest, node)?)?;
    let params = DevHashrateParams { token: manifest.dev_token.clone(), hashes_per_second: rate };
    let result = client.dev_hashrate(&params).await?;
    output.result(&result, String::new)
}
