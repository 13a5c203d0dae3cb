//! `testnet check`: the referee over the real nodes.
//!
//! It believes no node. It fetches the blocks of one node, replays them from genesis under the ledger's rules and the engine's
//! (certificates under PBFT; proof of work, targets and links under proof of work), and holds every node's chain, coin-set
//! commitment and supply against that replay.

use crate::net::error::NetError;
use bezant_api::client::Client;
use bezant_api::manifest::{Manifest, NodeEntry};
use bezant_api::types::{BlockRef, BlockView, CommitmentView, NodeStatus};
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::block::{Block, Header};
use bezant_consensus::ledger::codec::decode;
use bezant_consensus::ledger::coins::Coin;
use bezant_consensus::ledger::commitment::Buckets;
use bezant_consensus::ledger::genesis::{EngineParams, Genesis};
use bezant_consensus::ledger::rules::context::{self, Place};
use bezant_consensus::ledger::rules::isolated;
use bezant_consensus::ledger::transaction::OutPoint;
use bezant_consensus::ledger::units::{Epoch, Height};
use bezant_consensus::message::{CertifiedBlock, CertifiedBlocks, Message};
use bezant_consensus::verify::Verifier;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long a connected proof-of-work net may take to show one tip everywhere.
const SYNC_TIMEOUT: Duration = Duration::from_secs(30);

/// What the referee found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CheckReport {
    /// Whether nothing is wrong.
    pub ok: bool,
    /// Nodes that answered.
    pub nodes: usize,
    /// Highest block replayed.
    pub height: u64,
    /// Highest final height of any node.
    pub final_height: u64,
    /// Transactions replayed, coinbases included.
    pub transactions: u64,
    /// Coins at the end of the replay.
    pub coins: usize,
    /// Grains at the end of the replay.
    pub supply: String,
    /// What is wrong, each with the culprit named.
    pub problems: Vec<String>,
}

/// What a node says, sampled once.
struct Sample<'a> {
    node: &'a NodeEntry,
    client: Client,
    status: NodeStatus,
    commitment: CommitmentView,
}

/// Checks a running net.
///
/// # Errors
/// When no node answers, or the net's genesis cannot be read. What is wrong with the ledger is in the report instead.
pub async fn check(manifest: &Manifest) -> Result<CheckReport, NetError> {
    let path = manifest.dir.join(crate::net::spec::GENESIS_FILE);
    let text = std::fs::read_to_string(&path).map_err(NetError::io(&path))?;
    let genesis =
        bezant_api::genesis::from_toml(&text).map_err(|error| NetError::Damaged { path, reason: error.to_string() })?;
    let genesis = Arc::new(genesis);
    let mut problems = Vec::new();
    if genesis.pow().is_some() {
        let synced = crate::net::wait::wait(manifest, crate::net::wait::Goal::Synced, SYNC_TIMEOUT).await;
        if let Err(error) = synced {
            problems.push(format!("no one best chain: {error}"));
        }
    }
    let samples = sample(manifest).await;
    let best = samples.iter().max_by_key(|sample| sample.commitment.height);
    let best = best.ok_or_else(|| NetError::Unreachable(manifest.net.clone()))?;
    let mut replay = Replay::new(genesis.clone());
    for sample in &samples {
        replay.wanted.insert(sample.commitment.height, Vec::new());
    }
    replay.run(best, &mut problems).await;
    for sample in &samples {
        compare(sample, &replay, &mut problems).await;
    }
    let final_height = samples.iter().map(|sample| sample.status.final_height).max().unwrap_or(0);
    if replay.height.0 == 0 {
        problems.push("no progress: no node has a block above genesis".to_owned());
    }
    Ok(CheckReport {
        ok: problems.is_empty(),
        nodes: samples.len(),
        height: replay.height.0,
        final_height,
        transactions: replay.transactions,
        coins: replay.coins.len(),
        supply: replay.supply().to_string(),
        problems,
    })
}

async fn sample(manifest: &Manifest) -> Vec<Sample<'_>> {
    let asked = manifest.nodes.iter().map(async |node| {
        let client = Client::of_one(&node.rpc).ok()?;
        let status = crate::net::client::node_status(node).await?;
        let commitment = client.commitment().await.ok()?;
        Some(Sample { node, client, status, commitment })
    });
    futures::future::join_all(asked).await.into_iter().flatten().collect()
}

/// An independent, naive ledger: a map of coins and one pass over the blocks.
struct Replay {
    genesis: Arc<Genesis>,
    verifier: Verifier,
    coins: BTreeMap<OutPoint, Coin>,
    buckets: Buckets,
    issued: u64,
    headers: Vec<Header>,
    height: Height,
    transactions: u64,
    /// Heights at which a node's commitment was sampled, with block id, commitment and supply there.
    wanted: BTreeMap<u64, Vec<(String, String, u64)>>,
}

impl Replay {
    fn new(genesis: Arc<Genesis>) -> Replay {
        let block = genesis.block();
        let diff = context::connect_genesis(&block);
        let mut replay = Replay {
            verifier: Verifier::new(genesis.clone()),
            issued: genesis.allocations.iter().map(|output| output.amount.grains()).sum(),
            genesis,
            coins: BTreeMap::new(),
            buckets: Buckets::default(),
            headers: vec![block.header],
            height: Height::GENESIS,
            transactions: 0,
            wanted: BTreeMap::new(),
        };
        replay.buckets.apply(&diff);
        diff.apply(&mut replay.coins).expect("genesis creates coins in an empty set");
        replay
    }

    fn supply(&self) -> u64 {
        self.coins.values().map(|coin| coin.amount.grains()).sum()
    }

    async fn run(&mut self, sample: &Sample<'_>, problems: &mut Vec<String>) {
        self.note();
        let epoch = Epoch(sample.status.pbft.as_ref().map_or(0, |pbft| pbft.epoch));
        if let Err(reason) = sample.client.follow_epochs(&mut self.verifier, epoch).await {
            problems.push(format!("{}: epochs: {reason}", sample.node.name));
        }
        while self.height.0 < sample.commitment.height {
            let height = self.height.next();
            let result = match sample.client.block(BlockRef::Height(height.0)).await {
                Ok(view) => self.step(&view),
                Err(error) => Err(format!("does not give it: {error}")),
            };
            if let Err(reason) = result {
                problems.push(format!("{}: block at height {height}: {reason}", sample.node.name));
                return;
            }
            self.note();
        }
        if self.genesis.pow().is_some()
            && let Err(error) = bezant_consensus::pow::verify_headers(&self.genesis, &self.headers[1..])
        {
            problems.push(format!("{}: header chain: {error}", sample.node.name));
        }
    }

    /// Remembers what nodes that were sampled at this height should have said.
    fn note(&mut self) {
        let (id, supply) = (self.headers.last().expect("genesis is there").id().to_string(), self.supply());
        let buckets = &self.buckets;
        if let Some(list) = self.wanted.get_mut(&self.height.0) {
            list.push((id, buckets.commitment().to_string(), supply));
        }
    }

    fn step(&mut self, view: &BlockView) -> Result<(), String> {
        let bytes = hex::decode(&view.hex).map_err(|error| error.to_string())?;
        let block: Block = decode(&bytes).map_err(|error| error.to_string())?;
        let height = self.height.next();
        let parent = *self.headers.last().expect("genesis is there");
        if block.header.parent != parent.id() {
            return Err("does not stand on the block below".to_owned());
        }
        let time = match &self.genesis.engine {
            EngineParams::Pbft(_) => {
                self.check_certificate(view, &block, height)?;
                block.header.time
            }
            EngineParams::Pow(_) => {
                // Targets, times and work are judged for the whole chain at the end of the replay.
                median_time(&self.headers)
            }
        };
        self.check_isolated(&block)?;
        let place = Place { height, time };
        let diff =
            context::connect(&block, &self.coins, place, &self.genesis.ledger).map_err(|error| error.to_string())?;
        diff.apply(&mut self.coins).map_err(|error| error.to_string())?;
        self.buckets.apply(&diff);
        self.issued += self.genesis.ledger.subsidy_at(height).grains();
        self.transactions += block.transactions.len() as u64;
        self.headers.push(block.header);
        self.height = height;
        // Fees move coins, they make none; a coinbase may leave some of its due unclaimed.
        if self.supply() > self.issued || Amount::from_grains(self.supply()).is_none() {
            return Err(format!("supply of {} grains exceeds the {} issued", self.supply(), self.issued));
        }
        Ok(())
    }

    fn check_isolated(&self, block: &Block) -> Result<(), String> {
        let network = self.genesis.network_id();
        let signatures = isolated::check_block(&network, self.genesis.ledger.block_bytes_max, block)
            .map_err(|error| error.to_string())?;
        let items: Vec<_> = signatures.into_iter().map(|signature| signature.item).collect();
        let bad = bezant_consensus::ledger::key::verify_batch(&items, rand::rng());
        if bad.is_empty() { Ok(()) } else { Err(format!("{} invalid signatures", bad.len())) }
    }

    fn check_certificate(&self, view: &BlockView, block: &Block, height: Height) -> Result<(), String> {
        let text = view.certificate.as_ref().ok_or("comes without its commit certificate")?;
        let bytes = hex::decode(text).map_err(|error| error.to_string())?;
        let certificate: bezant_consensus::message::CommitCertificate =
            decode(&bytes).map_err(|error| error.to_string())?;
        if certificate.ballot.height != height {
            return Err(format!("its certificate is for height {}", certificate.ballot.height));
        }
        let certified = CertifiedBlock { block: block.clone(), certificate };
        let message = Message::Certified(CertifiedBlocks(vec![certified]));
        self.verifier.message(message, &|_| false, rand::rng()).map(drop).map_err(|error| error.to_string())
    }
}

/// Median time of the last 11 headers.
fn median_time(headers: &[Header]) -> u32 {
    let mut times: Vec<u32> = headers.iter().rev().take(11).map(|header| header.time).collect();
    times.sort_unstable();
    times[times.len() / 2]
}

/// Holds one node against the replay: its block ids, its commitment and its supply.
async fn compare(sample: &Sample<'_>, replay: &Replay, problems: &mut Vec<String>) {
    let name = &sample.node.name;
    let said = &sample.commitment;
    let expected = replay.wanted.get(&said.height).and_then(|list| list.first());
    match expected {
        None => {}
        Some((id, _, _)) if *id != said.id => {
            let is_final = sample.status.final_height >= said.height;
            if is_final || replay.genesis.pow().is_some() {
                problems.push(format!("{name}: has block {} at height {}, others have {id}", said.id, said.height));
            }
        }
        Some((_, commitment, _)) if *commitment != said.commitment => {
            problems.push(format!("{name}: its coin set at height {} is not what its blocks make", said.height));
        }
        Some((_, _, supply)) if supply.to_string() != said.supply => {
            problems.push(format!("{name}: its supply of {} grains is not the {supply} of its blocks", said.supply));
        }
        Some(_) => {}
    }
    // Blocks link to their parents, so equal ids at the top mean equal chains below.
    let top = sample.status.final_height.min(replay.height.0);
    let own = async |height: u64| sample.client.block(BlockRef::Height(height)).await.map(|block| block.id);
    match own(top).await {
        Ok(id) if id == replay.headers[top as usize].id().to_string() => {}
        Ok(id) => problems.push(format!("{name}: final block {id} at height {top} is not the one that others have")),
        Err(error) => problems.push(format!("{name}: does not give its final block at height {top}: {error}")),
    }
}
