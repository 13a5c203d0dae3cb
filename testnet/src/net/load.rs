//! `testnet load`: open-loop signed transfers at a stated rate.
//!
//! Accounts of its own are funded first, with one confirmed coin per transfer, and everything is signed ahead; neither counts
//! in the duration. Each transfer has a time at which it is due to be sent, whatever became of those before it, and its latency
//! runs from that time (so a stall is not hidden by the sender waiting for it) to its being final at the node submitted to.

use crate::net::error::NetError;
use crate::net::spec;
use bezant_api::client::{Client, ClientError};
use bezant_api::event::EventKind;
use bezant_api::manifest::Manifest;
use bezant_api::types::{BlockRef, CoinsParams, TxState};
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::codec::encode;
use bezant_consensus::ledger::hash::{NetworkId, TxId, tagged};
use bezant_consensus::ledger::key::SigningKey;
use bezant_consensus::ledger::lock::Lock;
use bezant_consensus::ledger::transaction::{OutPoint, Output, Transaction};
use bezant_wallet::build::{KeyCoin, transfer};
use hdrhistogram::Histogram;
use rayon::prelude::*;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// Transfers of one run, at most.
pub const TRANSFERS_MAX: u64 = 2_000_000;
/// Outputs of one funding transaction.
const FUNDING_OUTPUTS: usize = 500;
/// Grains of each coin that a transfer spends, and the fee that it pays.
const COIN_GRAINS: u64 = 1_000_000;
const FEE_GRAINS: u64 = 1_000;
/// Submissions under way at one node, below the connections that a node takes; more wait, their clocks running.
const OUTSTANDING_MAX: usize = 100;
/// How long after its last submission a run waits for what is not final yet.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(20);
/// How long funding may take.
const FUNDING_TIMEOUT: Duration = Duration::from_secs(300);

/// What to do.
#[derive(Clone, Copy, Debug)]
pub struct LoadOptions {
    /// Transfers per second.
    pub rate: f64,
    /// For how long.
    pub duration: Duration,
    /// Accounts between which they go.
    pub accounts: usize,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LoadReport {
    /// Transfers due ÷ duration.
    pub offered_per_second: f64,
    /// Transfers that a node took ÷ duration.
    pub accepted_per_second: f64,
    /// Transfers that became final inside the window ÷ duration.
    pub final_per_second: f64,
    /// From due to final.
    pub latency_ms: Latency,
    /// Refusals by kind.
    pub refused: BTreeMap<String, u64>,
    /// Seconds spent on funding and signing.
    pub prepared_s: f64,
    /// Transfers taken that were not final when the run gave up waiting.
    pub unfinished: u64,
}

/// Quantiles in milliseconds; 0 when nothing became final.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Latency {
    /// Half are faster.
    pub p50: f64,
    /// 95 of 100 are faster.
    pub p95: f64,
    /// 99 of 100 are faster.
    pub p99: f64,
    /// The slowest.
    pub max: f64,
}

/// Runs a load on a running net.
///
/// # Errors
/// When the options are out of range, no node answers, or funding fails.
pub async fn load(manifest: &Manifest, options: LoadOptions) -> Result<LoadReport, NetError> {
    let wanted = options.rate * options.duration.as_secs_f64();
    if !(wanted >= 1.0 && wanted <= TRANSFERS_MAX as f64) || options.accounts == 0 {
        let text =
            format!("--rate × --duration: 1 to {TRANSFERS_MAX} transfers are possible, between at least one account");
        return Err(NetError::Usage(text));
    }
    let started = Instant::now();
    let network = manifest.network_id.parse::<NetworkId>();
    let network = network.map_err(|error| NetError::Usage(format!("run.json: network_id: {error}")))?;
    let clients = reachable(manifest).await?;
    let accounts = accounts(manifest.seed, options.accounts);
    let coins = fund(manifest, &network, &clients[0], &accounts, wanted as usize).await?;
    let signed = sign(&network, &accounts, &coins);
    let prepared_s = started.elapsed().as_secs_f64();
    run(&clients, signed, options, prepared_s).await
}

async fn reachable(manifest: &Manifest) -> Result<Vec<Arc<Client>>, NetError> {
    let mut clients = Vec::new();
    for node in &manifest.nodes {
        if crate::net::client::node_status(node).await.is_some() {
            clients.extend(Client::of_one(&node.rpc).ok().map(Arc::new));
        }
    }
    if clients.is_empty() { Err(NetError::Unreachable(manifest.net.clone())) } else { Ok(clients) }
}

fn accounts(seed: u64, count: usize) -> Vec<SigningKey> {
    let key = |index: usize| tagged("bezant/testnet-load", &[&seed.to_le_bytes(), &(index as u64).to_le_bytes()]);
    (0..count).map(|index| SigningKey::from_seed(&key(index))).collect()
}

fn grains(grains: u64) -> Amount {
    Amount::from_grains(grains).expect("load amounts are far below the supply")
}

/// A coin of an account of ours.
#[derive(Clone, Copy)]
struct Funded {
    outpoint: OutPoint,
    account: usize,
}

/// Splits the faucet's coins until there are `count` coins over the accounts.
async fn fund(
    manifest: &Manifest,
    network: &NetworkId,
    client: &Client,
    accounts: &[SigningKey],
    count: usize,
) -> Result<Vec<Funded>, NetError> {
    let faucet = spec::faucet_key(manifest.seed);
    let lock = Lock::Key(faucet.public()).hash();
    let until = Instant::now() + FUNDING_TIMEOUT;
    let mut funded = Vec::with_capacity(count);
    while funded.len() < count {
        if Instant::now() > until {
            return Err(NetError::TimedOut("the load's accounts could not be funded in time".to_owned()));
        }
        let params = CoinsParams { locks: vec![lock.to_string()], limit: None, after: None };
        let page = client.coins_page(&params).await.map_err(|error| funding_failed(&error))?;
        let free = page.coins.iter().filter(|coin| !page.spent_in_pool.contains(&coin.outpoint));
        let mut sent = Vec::new();
        for coin in free {
            let outputs = (count - funded.len()).min(FUNDING_OUTPUTS);
            let amount: u64 = coin.amount.parse().unwrap_or(0);
            let Some((outpoint, change)) = spec::parse_outpoint(&coin.outpoint)
                .zip(amount.checked_sub(outputs as u64 * COIN_GRAINS + 100 * FEE_GRAINS).filter(|change| *change > 0))
            else {
                continue;
            };
            if outputs == 0 {
                break;
            }
            let place = |output: usize| (funded.len() + output) % accounts.len();
            let mut list: Vec<Output> = (0..outputs)
                .map(|output| Output {
                    amount: grains(COIN_GRAINS),
                    lock: Lock::Key(accounts[place(output)].public()).hash(),
                })
                .collect();
            list.push(Output { amount: grains(change), lock });
            let coin = KeyCoin { outpoint, amount: grains(amount), key: &faucet };
            let transaction = transfer(network, &[coin], list);
            client.submit(hex::encode(encode(&transaction))).await.map_err(|error| funding_failed(&error))?;
            let txid = transaction.id();
            let ours = (0..outputs)
                .map(|output| Funded { outpoint: OutPoint { txid, index: output as u32 }, account: place(output) });
            let ours: Vec<Funded> = ours.collect();
            funded.extend(ours);
            sent.push(txid);
        }
        if sent.is_empty() && funded.len() < count {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        for txid in sent {
            await_included(client, &txid, until).await?;
        }
    }
    Ok(funded)
}

fn funding_failed(error: &ClientError) -> NetError {
    NetError::Refused(format!("funding the load's accounts failed: {error}"))
}

async fn await_included(client: &Client, txid: &TxId, until: Instant) -> Result<(), NetError> {
    loop {
        let status = client.tx_status(&txid.to_string()).await.map_err(|error| funding_failed(&error))?;
        match status.state {
            TxState::Included | TxState::Final => return Ok(()),
            TxState::Dropped => return Err(NetError::Refused(format!("funding transaction {txid} was dropped"))),
            TxState::Unknown | TxState::Pool if Instant::now() > until => {
                return Err(NetError::TimedOut(format!("funding transaction {txid} was not included in time")));
            }
            TxState::Unknown | TxState::Pool => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

fn sign(network: &NetworkId, accounts: &[SigningKey], coins: &[Funded]) -> Vec<(TxId, String)> {
    let one = |coin: &Funded| -> (TxId, String) {
        let to = Lock::Key(accounts[(coin.account + 1) % accounts.len()].public()).hash();
        let back = Lock::Key(accounts[coin.account].public()).hash();
        let paid = COIN_GRAINS / 2;
        let outputs = vec![
            Output { amount: grains(paid), lock: to },
            Output { amount: grains(COIN_GRAINS - paid - FEE_GRAINS), lock: back },
        ];
        let coin = KeyCoin { outpoint: coin.outpoint, amount: grains(COIN_GRAINS), key: &accounts[coin.account] };
        let transaction: Transaction = transfer(network, &[coin], outputs);
        (transaction.id(), hex::encode(encode(&transaction)))
    };
    coins.par_iter().map(one).collect()
}

/// What is known of the transfers of one node.
#[derive(Default)]
struct Book {
    /// When each transfer that is not final yet was due.
    waiting: BTreeMap<TxId, Instant>,
    latencies_us: Vec<u64>,
    /// Finals inside the window.
    inside: u64,
}

struct Shared {
    books: Vec<Mutex<Book>>,
    refused: Mutex<BTreeMap<String, u64>>,
    window_end: Instant,
}

async fn run(
    clients: &[Arc<Client>],
    signed: Vec<(TxId, String)>,
    options: LoadOptions,
    prepared_s: f64,
) -> Result<LoadReport, NetError> {
    let start = Instant::now() + Duration::from_millis(50);
    let shared = Arc::new(Shared {
        books: clients.iter().map(|_| Mutex::default()).collect(),
        refused: Mutex::default(),
        window_end: start + options.duration,
    });
    let offered = signed.len() as u64;
    let mut followers = Vec::new();
    for (index, client) in clients.iter().enumerate() {
        // Entered before anything is sent, so that no finality is missed.
        let due = |position: usize| start + Duration::from_secs_f64(position as f64 / options.rate);
        let mine = signed.iter().enumerate().filter(|(position, _)| position % clients.len() == index);
        let waiting = mine.map(|(position, (txid, _))| (*txid, due(position))).collect();
        shared.books[index].lock().expect("no holder panics").waiting = waiting;
        followers.push(tokio::spawn(follow(client.clone(), shared.clone(), index)));
    }
    let slots: Vec<Arc<Semaphore>> = clients.iter().map(|_| Arc::new(Semaphore::new(OUTSTANDING_MAX))).collect();
    let mut sending = tokio::task::JoinSet::new();
    for (position, (txid, transaction)) in signed.into_iter().enumerate() {
        let node = position % clients.len();
        tokio::time::sleep_until(start + Duration::from_secs_f64(position as f64 / options.rate)).await;
        let (client, slots, shared) = (clients[node].clone(), slots[node].clone(), shared.clone());
        sending.spawn(async move {
            let _slot = slots.acquire().await.expect("the semaphore is never closed");
            if let Err(error) = client.submit(transaction).await {
                shared.books[node].lock().expect("no holder panics").waiting.remove(&txid);
                let mut refused = shared.refused.lock().expect("no holder panics");
                *refused.entry(refusal_kind(&error).to_owned()).or_default() += 1;
            }
        });
        while sending.try_join_next().is_some() {}
    }
    while sending.join_next().await.is_some() {}
    let all_final = async || shared.books.iter().all(|book| book.lock().expect("no holder panics").waiting.is_empty());
    crate::net::client::until(DRAIN_TIMEOUT, all_final).await;
    for follower in followers {
        follower.abort();
    }
    Ok(report(&shared, offered, options, prepared_s))
}

fn refusal_kind(error: &ClientError) -> &str {
    match error {
        ClientError::Unreachable(_) => "unreachable",
        ClientError::Busy(_) => "busy",
        ClientError::Refused { kind, .. } => kind,
        ClientError::NotFound(_) => "not-found",
        ClientError::Other(_) => "other",
    }
}

/// Follows a node's events and books what becomes final there.
async fn follow(client: Arc<Client>, shared: Arc<Shared>, index: usize) {
    let Ok(mut events) = client.events(None).await else { return };
    let mut next = None;
    while let Some(event) = events.next().await {
        let now = Instant::now();
        let final_height = match event.kind {
            EventKind::Snapshot { status } => status.final_height,
            EventKind::Block { final_height, .. } => final_height,
            _ => continue,
        };
        let first = *next.get_or_insert(final_height + 1);
        for height in first..=final_height {
            let Ok(block) = client.block(BlockRef::Height(height)).await else { break };
            let mut book = shared.books[index].lock().expect("no holder panics");
            for txid in block.txids.iter().filter_map(|txid| txid.parse::<TxId>().ok()) {
                if let Some(due) = book.waiting.remove(&txid) {
                    let micros = now.saturating_duration_since(due).as_micros();
                    book.latencies_us.push(u64::try_from(micros).unwrap_or(u64::MAX));
                    book.inside += u64::from(now <= shared.window_end);
                }
            }
            next = Some(height + 1);
        }
    }
}

fn report(shared: &Shared, offered: u64, options: LoadOptions, prepared_s: f64) -> LoadReport {
    let mut histogram: Histogram<u64> = Histogram::new(3).expect("three digits are allowed");
    let (mut inside, mut unfinished) = (0, 0);
    for book in &shared.books {
        let book = book.lock().expect("no holder panics");
        inside += book.inside;
        unfinished += book.waiting.len() as u64;
        for micros in &book.latencies_us {
            // Not the saturating form, which never lets the histogram grow.
            histogram.record((*micros).max(1)).expect("a growing histogram takes every number");
        }
    }
    let refused = shared.refused.lock().expect("no holder panics").clone();
    let accepted = offered - refused.values().sum::<u64>();
    let seconds = options.duration.as_secs_f64();
    let at =
        |quantile: f64| if histogram.is_empty() { 0.0 } else { histogram.value_at_quantile(quantile) as f64 / 1e3 };
    LoadReport {
        offered_per_second: offered as f64 / seconds,
        accepted_per_second: accepted as f64 / seconds,
        final_per_second: inside as f64 / seconds,
        latency_ms: Latency { p50: at(0.5), p95: at(0.95), p99: at(0.99), max: histogram.max() as f64 / 1e3 },
        refused,
        prepared_s,
        unfinished,
    }
}
