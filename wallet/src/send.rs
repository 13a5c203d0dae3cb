//! Sending: a payment is planned (chosen, made and signed), then submitted, then followed until it is where it should be.
//!
//! Following lives off the event stream, which is subscribed to *before* the transaction is handed over, so that nothing is
//! missed; what counts is what `tx_status` says. When the node goes, the next one is asked, and told the transaction again.

use crate::build::{self, Built, Ring, Sum, Unsigned};
use crate::error::WalletError;
use crate::journal::{Attempt, Kind};
use crate::keystore::Unlocked;
use crate::policy;
use crate::purse::{self, Known, Purse};
use crate::session::{Found, Recipient, Session};
use crate::view::{self, CoinState, Owned};
use bezant_api::client::{Client, ClientError, Events};
use bezant_api::event::EventKind;
use bezant_api::types::{ReadLevel, TxState, TxStatus};
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::codec::encode;
use bezant_consensus::ledger::hash::{LockHash, NetworkId, TxId};
use bezant_consensus::ledger::key::SigningKey;
use bezant_consensus::ledger::lock::Lock;
use bezant_consensus::ledger::transaction::{OutPoint, Transaction};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use tokio::time::timeout;

#[cfg(test)]
mod tests;

/// A node may say "block" a moment before its own index knows the transactions in it, so its word is asked for again after this.
const RECHECK: Duration = Duration::from_secs(1);
/// Between two questions to nodes that have too much to do, or do not know it.
const BUSY_PAUSE: Duration = Duration::from_millis(250);
/// Rounds in which nodes that do not know the transaction refuse it before it counts as lost; one may be catching up.
const REFUSALS_MAX: usize = 4;

/// Transactions that a node looks at together, ...
const REHEARSED_MAX: usize = 25;
/// ... and their bytes.
const REHEARSED_BYTES_MAX: usize = 400_000;

/// In one of how many blocks a payment is wanted when nobody names a fee rate.
const FEE_TARGET_BLOCKS: u32 = 6;
/// A rate that nobody named is never above the net's least rate times this, whatever a node estimates, ...
const FEE_RATE_MULTIPLE_MAX: u64 = 100;
/// ... where a least rate below this, in grains per 1,000 bytes, counts as this.
const FEE_RATE_BASE_MIN: u64 = 1_000;

/// How long to wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wait {
    /// Until a node has it.
    None,
    /// Until it is in that node's mempool.
    Pool,
    /// Until it is in a block of the active chain.
    Included,
    /// Until that block is final.
    #[default]
    Final,
}

/// How to pay.
#[derive(Clone, Debug, Default)]
pub struct SendOptions {
    /// Grains per 1,000 bytes. Unless given, what the node estimates: the net's minimum while blocks have room, and never above
    /// a hundred times that.
    pub fee_rate: Option<u64>,
    /// Spend exactly these coins (`txid:index`); the wallet chooses when empty.
    pub coins: Vec<String>,
    /// Coins that are not chosen unless named: payments with ids, which may yet be repeated, spend them.
    pub reserved: BTreeSet<OutPoint>,
}

/// How to follow what was sent.
#[derive(Clone, Copy, Debug)]
pub struct FollowOptions {
    /// Until when.
    pub wait: Wait,
    /// Confirmations that count as final for this call; the net's `final_depth` unless given.
    pub confirmations: Option<u64>,
    /// For how long at most.
    pub timeout: Duration,
}

/// A signed payment that nobody has seen yet.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The transaction, its fee and change.
    pub built: Built,
    /// Who is paid, and how much, in the order of the outputs.
    pub paid: Vec<(Recipient, Amount)>,
    /// Whether its owner should be asked first: there is an address, not a name, that was never paid
    /// before, on a net with real money.
    pub wants_confirmation: bool,
}

/// `send`; amounts in grains.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sent {
    /// The transaction.
    pub txid: String,
    /// What the block's maker gets.
    pub fee: String,
    /// What comes back.
    pub change: String,
    /// `sent`, `pool`, `included` or `final`; `dry-run` when it was only planned.
    pub status: &'static str,
    /// Height of its block.
    pub height: Option<u64>,
    /// Its block.
    pub block: Option<String>,
    /// From handing it over to this status.
    pub elapsed_ms: u64,
}

/// A payment that nobody has signed yet.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// What it does, and how its coins are opened.
    pub unsigned: Unsigned,
    /// Who is paid, and how much, in the order of the outputs.
    pub paid: Vec<(Recipient, Amount)>,
    /// Whether its owner should be asked first: there is an address, not a name, on a net with real money.
    pub wants_confirmation: bool,
}

impl Prepared {
    /// Signs it.
    ///
    /// # Errors
    /// [`WalletError::Refused`] of kind `keys-missing` unless all of its keys are in the ring.
    pub fn sign(self, network: &NetworkId, ring: &Ring<'_>) -> Result<Plan, WalletError> {
        let Prepared { unsigned, paid, wants_confirmation } = self;
        Ok(Plan { built: unsigned.sign(network, ring)?, paid, wants_confirmation })
    }
}

/// Chooses coins and makes payments, each of which may spend the change of those before it. `batches` say who is paid (an address, or
/// the name of a wallet or account) and how much; [`Sum::Max`] only for one alone. Coins are opened with what `known` has.
/// Coins still in the mempool are used only when the others do not suffice, and only if the wallet made them itself.
///
/// # Errors
/// [`WalletError::Usage`] for a recipient or coin that makes no sense, [`WalletError::Refused`] when there is not enough, or of kind
/// `locked`, `keys-missing` or `preimage-missing` when nothing there is can be opened.
pub async fn prepare(
    session: &Session,
    found: &Found,
    known: &Known,
    options: &SendOptions,
    batches: &[Vec<(String, Sum)>],
) -> Result<Vec<Prepared>, WalletError> {
    let client = session.client()?;
    let (height, coins) = view::coins(client, session.genesis(), found, ReadLevel::Latest).await?;
    let least = session.genesis().ledger.relay_fee_rate_min;
    let fee_rate = match options.fee_rate {
        Some(rate) => rate,
        None => fee_rate(client, least).await?,
    };
    let locks: BTreeMap<LockHash, Lock> =
        found.wallet.locks.iter().map(|lock| (lock.hash(), policy::fill(lock, &known.means.locks))).collect();
    let next = purse::next_place(session, height, locks.values().any(purse::has_time)).await?;
    let (kept, free) = coins.iter().cloned().partition(|coin| options.reserved.contains(&coin.outpoint));
    let mut purse = Purse {
        session,
        client,
        wallet: found,
        known,
        next,
        locks,
        named: if options.coins.is_empty() { None } else { Some(named(&coins, &options.coins)?) },
        free,
        kept,
        made: BTreeSet::new(),
        change: *found.wallet.lock_hashes().last().expect("a wallet has an address"),
        fee_rate,
        long_rate: least,
    };
    let own: BTreeSet<LockHash> = found.wallet.lock_hashes().into_iter().collect();
    let mut all = Vec::with_capacity(batches.len());
    for batch in batches {
        let (to, unsigned) = purse.pay(batch).await?;
        let seen = if session.genesis().dev { BTreeSet::new() } else { session.seen(found)? };
        let is_strange = |to: &Recipient| to.name.is_none() && !own.contains(&to.lock) && !seen.contains(&to.lock);
        let wants_confirmation = !session.genesis().dev && to.iter().any(is_strange);
        let amounts = unsigned.transfer.outputs.iter().map(|output| output.amount);
        let paid = to.into_iter().zip(amounts).collect();
        all.push(Prepared { unsigned, paid, wants_confirmation });
    }
    Ok(all)
}

/// As [`prepare`], for one payment from a wallet with keys of its own, and signed.
///
/// # Errors
/// As [`prepare`].
pub async fn plan(
    session: &Session,
    found: &Found,
    unlocked: &Unlocked,
    options: &SendOptions,
    pays: &[(String, Sum)],
) -> Result<Plan, WalletError> {
    let plans = plan_all(session, found, unlocked, options, &[pays.to_vec()]).await?;
    Ok(plans.into_iter().next().expect("one payment was asked for"))
}

/// As [`plan`], for several transactions, each of which may spend the change of those before it.
///
/// # Errors
/// As [`prepare`].
pub async fn plan_all(
    session: &Session,
    found: &Found,
    unlocked: &Unlocked,
    options: &SendOptions,
    batches: &[Vec<(String, Sum)>],
) -> Result<Vec<Plan>, WalletError> {
    let mut known = Known::of(vec![found.clone()]);
    known.means.add_keys(unlocked.keys.iter().map(SigningKey::public));
    let ring = build::ring([unlocked]);
    let prepared = prepare(session, found, &known, options, batches).await?;
    prepared.into_iter().map(|one| one.sign(session.network(), &ring)).collect()
}

/// Above this rate, in grains per 1,000 bytes, a fee is taken for a mistake. `least` is the net's own minimum.
#[must_use]
pub fn fee_rate_bound(least: u64) -> u64 {
    least.max(FEE_RATE_BASE_MIN).saturating_mul(FEE_RATE_MULTIPLE_MAX)
}

/// A fee rate that somebody asked for, unless it looks like a mistake and was not allowed.
///
/// # Errors
/// [`WalletError::Refused`] of kind `fee-too-high`.
pub fn check_fee_rate(asked: Option<u64>, least: u64, is_allowed: bool) -> Result<Option<u64>, WalletError> {
    let bound = fee_rate_bound(least);
    match asked {
        Some(rate) if rate > bound && !is_allowed => {
            let message = format!(
                "{rate} grains per 1000 bytes look like a mistake (above {bound}); leave --fee-rate out, or add --allow-high-fee"
            );
            Err(WalletError::refused("fee-too-high", message))
        }
        asked => Ok(asked),
    }
}

/// What to pay when nobody says: the node's estimate, as far as it makes sense. `least` is the net's own minimum.
pub(crate) async fn fee_rate(client: &Client, least: u64) -> Result<u64, WalletError> {
    let bound = fee_rate_bound(least);
    match client.fee_estimate(FEE_TARGET_BLOCKS).await {
        Ok(estimate) => Ok(estimate.fee_rate.clamp(least, bound)),
        Err(error @ ClientError::Unreachable(_)) => Err(error.into()),
        // A node that is too busy, or too old, to estimate: the least will do on most nets, and the fee can be named.
        Err(ClientError::Busy(_) | ClientError::Refused { .. } | ClientError::NotFound(_) | ClientError::Other(_)) => {
            Ok(least)
        }
    }
}

/// The coins that were named.
pub(crate) fn named(coins: &[Owned], names: &[String]) -> Result<Vec<Owned>, WalletError> {
    let one = |name: &String| {
        let outpoint = view::outpoint(name)
            .ok_or_else(|| WalletError::Usage(format!("\"{name}\" names no coin; TXID:INDEX is expected")))?;
        let coin = coins.iter().find(|coin| coin.outpoint == outpoint && coin.state != CoinState::Leaving);
        coin.cloned().ok_or_else(|| {
            WalletError::refused("no-such-coin", format!("coin {name} is not the wallet's, or is spent"))
        })
    };
    let distinct: BTreeSet<&String> = names.iter().collect();
    distinct.into_iter().map(one).collect()
}

impl Plan {
    /// What `send` says of a payment that is only planned.
    #[must_use]
    pub fn dry_run(&self) -> Sent {
        dry_run(&self.attempt())
    }

    /// As the journal keeps it.
    #[must_use]
    pub fn attempt(&self) -> Attempt {
        let Built { transaction, fee, change, .. } = self.built.clone();
        Attempt { kind: Kind::Send, transaction, fee, change }
    }
}

/// What commands say of a transaction that is only planned.
#[must_use]
pub fn dry_run(attempt: &Attempt) -> Sent {
    sent(attempt, "dry-run", None, Instant::now())
}

fn sent(attempt: &Attempt, status: &'static str, place: Option<TxStatus>, since: Instant) -> Sent {
    let (height, block) = place.map_or((None, None), |place| (place.height, place.block));
    Sent {
        txid: attempt.transaction.id().to_string(),
        fee: attempt.fee.grains().to_string(),
        change: attempt.change.grains().to_string(),
        status,
        height,
        block,
        elapsed_ms: u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX),
    }
}

/// Asks a node whether it would take a transaction, without handing it in.
///
/// # Errors
/// [`WalletError::Refused`] when it would not.
pub async fn rehearse(client: &Client, transaction: &Transaction) -> Result<(), WalletError> {
    rehearse_all(client, &[transaction]).await
}

/// As [`rehearse`], for transactions that may spend from those before them: each is tested together with all that it builds on.
///
/// # Errors
/// [`WalletError::Refused`] when it would not take one of them.
pub async fn rehearse_all(client: &Client, transactions: &[&Transaction]) -> Result<(), WalletError> {
    for package in packages(transactions) {
        let tested = client.test(package.into_iter().map(|index| hex::encode(encode(transactions[index]))).collect());
        if let Some(refusal) = tested.await?.refusal {
            return Err(WalletError::refused(&refusal.kind, refusal.message));
        }
    }
    Ok(())
}

/// Indices of transactions that are tested together: the last of each spends, directly or not, from all others. Every transaction is in
/// one, unless it builds on more than a node looks at together.
fn packages(transactions: &[&Transaction]) -> Vec<Vec<usize>> {
    let place: BTreeMap<TxId, usize> =
        transactions.iter().enumerate().map(|(index, transaction)| (transaction.id(), index)).collect();
    let (mut packages, mut covered) = (Vec::new(), BTreeSet::<usize>::new());
    for last in (0..transactions.len()).rev() {
        if covered.contains(&last) {
            continue;
        }
        let (mut package, mut open) = (BTreeSet::from([last]), vec![last]);
        while let Some(index) = open.pop() {
            let parents = transactions[index].inputs().iter().filter_map(|input| place.get(&input.txid).copied());
            open.extend(parents.filter(|parent| package.insert(*parent)));
        }
        let bytes: usize = package.iter().map(|index| transactions[*index].bytes()).sum();
        if package.len() <= REHEARSED_MAX && bytes <= REHEARSED_BYTES_MAX {
            covered.extend(&package);
            packages.push(package.into_iter().collect());
        }
    }
    packages.reverse();
    packages
}

/// Hands the payment to a node and follows it.
///
/// # Errors
/// [`WalletError::Refused`] when the node does not take it; after that [`WalletError::LostPlace`], [`WalletError::TimedOut`] or
/// [`WalletError::Unreachable`], each with the transaction's id.
pub async fn submit(client: &Client, attempt: &Attempt, options: FollowOptions) -> Result<Sent, WalletError> {
    deliver(client, attempt, options, false).await
}

/// As [`submit`]; with `again` it may have been handed over before, and nodes are asked first where it is.
pub(crate) async fn deliver(
    client: &Client,
    attempt: &Attempt,
    options: FollowOptions,
    again: bool,
) -> Result<Sent, WalletError> {
    let since = Instant::now();
    let follow = Following {
        client,
        txid: attempt.transaction.id().to_string(),
        transaction: hex::encode(encode(&attempt.transaction)),
        wait: options.wait,
        confirmations: options.confirmations,
        again,
    };
    let Ok(result) = timeout(options.timeout, follow.run()).await else {
        let wanted = match options.wait {
            Wait::None | Wait::Pool => "in the pool",
            Wait::Included => "included",
            Wait::Final => "final",
        };
        let waited_ms = u64::try_from(options.timeout.as_millis()).unwrap_or(u64::MAX);
        return Err(WalletError::TimedOut { txid: follow.txid, wanted, waited_ms });
    };
    let place = result?;
    let status = match (options.wait, place.as_ref().map(|place| place.state)) {
        (Wait::None | Wait::Pool, Some(TxState::Final)) => "final",
        (Wait::None | Wait::Pool, Some(TxState::Included)) => "included",
        (Wait::None, _) => "sent",
        (Wait::Pool, _) => "pool",
        (Wait::Included, _) => "included",
        (Wait::Final, _) => "final",
    };
    Ok(sent(attempt, status, place, since))
}

/// A transaction on its way.
struct Following<'a> {
    client: &'a Client,
    txid: String,
    transaction: String,
    wait: Wait,
    confirmations: Option<u64>,
    /// Whether nodes may know it already.
    again: bool,
}

impl Following<'_> {
    async fn run(&self) -> Result<Option<TxStatus>, WalletError> {
        if matches!(self.wait, Wait::None | Wait::Pool) {
            return self.begin().await;
        }
        let mut events = self.client.events(None).await?;
        self.begin().await?;
        let mut refusals = 0;
        loop {
            let status = match self.client.tx_status(&self.txid).await {
                Ok(status) => status,
                Err(ClientError::Busy(_)) => {
                    tokio::time::sleep(BUSY_PAUSE).await;
                    continue;
                }
                Err(error) => return Err(self.after(error)),
            };
            match status.state {
                TxState::Dropped => return Err(self.lost(&reason_of(&status))),
                TxState::Unknown => self.tell_again(&mut refusals).await?,
                TxState::Pool | TxState::Included | TxState::Final if self.is_reached(&status) => {
                    return Ok(Some(status));
                }
                TxState::Pool | TxState::Included | TxState::Final => {}
            }
            if self.client.url() != events.url() {
                // The question was answered by another node than the one that is listened to: listen there, then ask again.
                events = self.client.events(None).await.map_err(|error| self.after(error))?;
            } else if !news(&mut events, &self.txid).await {
                self.client.move_on();
                events = self.client.events(None).await.map_err(|error| self.after(error))?;
            }
        }
    }

    /// Hands it over, unless it is where it should be already.
    async fn begin(&self) -> Result<Option<TxStatus>, WalletError> {
        if !self.again {
            self.hand_over().await?;
            return Ok(None);
        }
        let status = loop {
            match self.client.tx_status(&self.txid).await {
                Err(ClientError::Busy(_)) => tokio::time::sleep(BUSY_PAUSE).await,
                // It may have been handed over before.
                result => break result.map_err(|error| self.after(error))?,
            }
        };
        if status.state >= TxState::Pool {
            return Ok(Some(status));
        }
        // Others may have refused it for what was so then.
        match self.hand_over().await {
            Err(WalletError::Refused { message, .. }) => Err(self.lost(&message)),
            result => result.map(|()| None),
        }
    }

    /// The first time. Nodes with too much to do are asked again: the caller's timeout is the limit.
    async fn hand_over(&self) -> Result<(), WalletError> {
        loop {
            match self.client.submit(self.transaction.clone()).await {
                Ok(_) => return Ok(()),
                Err(ClientError::Busy(_)) => tokio::time::sleep(BUSY_PAUSE).await,
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn is_reached(&self, status: &TxStatus) -> bool {
        match (self.wait, self.confirmations) {
            (Wait::None | Wait::Pool, _) => true,
            (Wait::Included, _) => status.state >= TxState::Included,
            (Wait::Final, None) => status.state == TxState::Final,
            (Wait::Final, Some(wanted)) => status.state >= TxState::Included && status.confirmations >= wanted,
        }
    }

    /// A node that does not know it (another one than before, or restarted) is told; if it refuses, others are asked.
    async fn tell_again(&self, refusals: &mut usize) -> Result<(), WalletError> {
        match self.client.submit(self.transaction.clone()).await {
            Ok(_) => Ok(()),
            Err(ClientError::Refused { message, .. }) => {
                *refusals += 1;
                if *refusals > REFUSALS_MAX + self.client.nodes() {
                    return Err(self.lost(&message));
                }
                self.client.move_on();
                tokio::time::sleep(BUSY_PAUSE).await;
                Ok(())
            }
            Err(ClientError::Busy(_)) => {
                tokio::time::sleep(BUSY_PAUSE).await;
                Ok(())
            }
            Err(error) => Err(self.after(error)),
        }
    }

    fn lost(&self, reason: &str) -> WalletError {
        WalletError::LostPlace { txid: self.txid.clone(), reason: reason.to_owned() }
    }

    /// An error of a call after the transaction was handed over.
    fn after(&self, error: ClientError) -> WalletError {
        match error {
            ClientError::Unreachable(reason) => WalletError::Unreachable {
                message: format!("transaction {} was sent, but now no node answers: {reason}", self.txid),
                txid: Some(self.txid.clone()),
            },
            ClientError::Busy(_) | ClientError::Refused { .. } | ClientError::NotFound(_) | ClientError::Other(_) => {
                WalletError::from(error)
            }
        }
    }
}

/// Why a node dropped it, in words.
fn reason_of(status: &TxStatus) -> String {
    match (&status.reason, &status.replaced_by) {
        (_, Some(by)) => format!("replaced by {by}"),
        (Some(reason), None) => reason.clone(),
        (None, None) => "the node dropped it".to_owned(),
    }
}

/// Waits until something happened after which the transaction may be elsewhere, or [`RECHECK`] has passed; false when the
/// stream has ended.
async fn news(events: &mut Events, txid: &str) -> bool {
    let wait = async {
        loop {
            match events.next().await.map(|event| event.kind) {
                None => return false,
                Some(EventKind::Dropped { txid: dropped, .. }) if dropped == txid => return true,
                Some(
                    EventKind::Block { .. }
                    | EventKind::Reorg { .. }
                    | EventKind::FinalityBroken { .. }
                    | EventKind::Snapshot { .. }
                    | EventKind::Gap { .. },
                ) => return true,
                Some(_) => {}
            }
        }
    };
    timeout(RECHECK, wait).await.unwrap_or(true)
}
