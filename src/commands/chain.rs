//! `bezant chain`, `bezant peers`, `bezant mempool`: what one node says.

mod proof;

use crate::cli::{Chain, Global, Owned, Target};
use crate::commands::net;
use crate::output::{Failure, Outcome, Output, table};
use bezant_api::client::Client;
use bezant_api::types::{BlockRef, EvidenceView, InstructParams};
use serde::Serialize;

pub(crate) async fn run(command: Chain, global: &Global, output: &Output) -> Outcome {
    match command {
        Chain::Tip(target) => {
            let tip = net::client(&target, global)?.tip().await?;
            output.result(&tip, || format!("height {}  final {}  {}", tip.height, tip.final_height, tip.id))
        }
        Chain::Block { block, target } => {
            let block = net::client(&target, global)?.block(block_ref(&block)?).await?;
            output.result(&block, || {
                let is_final = if block.is_final { "final" } else { "not final" };
                let mut text = format!("height {}  {is_final}  {}\nparent {}\n", block.height, block.id, block.parent);
                text += &format!("time {}  {} bytes\n", block.time, block.bytes);
                block.txids.iter().fold(text, |text, txid| text + "tx " + txid + "\n")
            })
        }
        Chain::Header { block, target } => {
            let block = net::client(&target, global)?.block(block_ref(&block)?).await?;
            let header = HeaderView {
                id: block.id,
                height: block.height,
                version: block.version,
                parent: block.parent,
                merkle_root: block.merkle_root,
                time: block.time,
                bits: block.bits,
                nonce: block.nonce,
                hex: block.hex.get(..160).unwrap_or_default().to_owned(),
            };
            output.result(&header, || format!("height {}  {}\n{}", header.height, header.id, header.hex))
        }
        Chain::Tx { txid, target } => {
            let found = net::client(&target, global)?.transaction(&txid).await?;
            output.result(&found, || {
                let state = serde_json::to_string(&found.status.state).unwrap_or_default();
                let height = found.status.height.map_or_else(String::new, |height| format!("  height {height}"));
                format!("{}  {}{height}\n{}", found.status.txid, state.trim_matches('"'), found.hex)
            })
        }
        Chain::Proof { txid, genesis, target } => proof::run(&txid, genesis.as_deref(), &target, global, output).await,
        Chain::Invalidate { block, owned } => {
            let (client, params) = instruction(&block, &owned, global).await?;
            let tip = client.invalidate(&params).await?;
            output.result(&tip, || {
                format!("{} is ruled out; the tip is {} at height {}", params.block, tip.id, tip.height)
            })
        }
        Chain::Reconsider { block, owned } => {
            let (client, params) = instruction(&block, &owned, global).await?;
            let tip = client.reconsider(&params).await?;
            output.result(&tip, || {
                format!("{} is judged anew; the tip is {} at height {}", params.block, tip.id, tip.height)
            })
        }
        Chain::Evidence(target) => {
            let evidence = net::client(&target, global)?.evidence().await?;
            output.result(&evidence, || {
                let row = |it: &EvidenceView| {
                    let [first, second] = [&it.blocks[0], &it.blocks[1]].map(|id| id[..12].to_owned());
                    vec![
                        it.signer.to_string(),
                        it.vote.clone(),
                        it.view.to_string(),
                        it.height.to_string(),
                        first,
                        second,
                    ]
                };
                table(&["member", "vote", "view", "height", "one block", "another"], evidence.iter().map(row))
            })
        }
    }
}

/// The one node that is told about a block, and what it is told.
async fn instruction(block: &str, owned: &Owned, global: &Global) -> Result<(Client, InstructParams), Failure> {
    let (client, token) = net::owned_client(owned, global)?;
    let block = match block_ref(block)? {
        BlockRef::Id(id) => id,
        height @ BlockRef::Height(_) => client.block(height).await?.id,
    };
    Ok((client, InstructParams { token, block }))
}

/// A header with its 80 bytes.
#[derive(Serialize)]
struct HeaderView {
    id: String,
    height: u64,
    version: u32,
    parent: String,
    merkle_root: String,
    time: u32,
    bits: u32,
    nonce: u32,
    hex: String,
}

fn block_ref(text: &str) -> Result<BlockRef, Failure> {
    if let Ok(height) = text.parse() {
        return Ok(BlockRef::Height(height));
    }
    let id: Result<bezant_consensus::ledger::hash::BlockId, _> = text.parse();
    let wanted = "a height or a block id (64 hex digits) is expected";
    id.map(|id| BlockRef::Id(id.to_string())).map_err(|_| Failure::usage(wanted))
}

pub(crate) async fn peers(target: &Target, global: &Global, output: &Output) -> Outcome {
    let peers = net::client(target, global)?.peers().await?;
    output.result(&peers, || {
        let row = |peer: &bezant_api::types::PeerView| {
            vec![
                peer.peer_id.clone(),
                peer.address.clone(),
                if peer.outbound { "out" } else { "in" }.to_owned(),
                peer.height.map_or_else(|| "-".to_owned(), |height| height.to_string()),
                peer.round_trip_ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.1} ms")),
            ]
        };
        table(&["peer", "address", "way", "height", "round trip"], peers.iter().map(row))
    })
}

pub(crate) async fn mempool(target: &Target, global: &Global, output: &Output) -> Outcome {
    let pool = net::client(target, global)?.mempool().await?;
    output.result(&pool, || {
        let head = format!(
            "{} transactions of {}, {} bytes of {}; least fee rate {} grains per 1000 bytes; {} wait for others\n",
            pool.count, pool.count_max, pool.bytes, pool.bytes_max, pool.fee_rate_min, pool.waiting
        );
        pool.txids.iter().fold(head, |text, txid| text + txid + "\n")
    })
}
