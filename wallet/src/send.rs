//! Sending: a payment is planned (chosen, made and signed), then submitted, then followed until it is where it should be.
//!
//! Following lives off the event stream, which is subscribed to *before* the transaction is handed over, so that nothing is
//! missed; what counts is what `tx_status` says. When the node goes, the next one is asked, and told the transaction again.

use crate::build::{self, Built, KeyCoin, Payment, Pays, Sum};
use crate::error::WalletError;
use crate::journal::{Attempt, Kind};
use crate::keystore::Unlocked;
use crate::session::{Found, Recipient, Session};
use crate::view::{self, CoinState, Owned};
use bezant_api::client::{Client, ClientError, Events};
use bezant_api::event::EventKind;
use bezant_api::types::{ReadLevel, TxState, TxStatus};
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::codec::{decode, encode};
use bezant_consensus::ledger::hash::{LockHash, TxId};
use bezant_consensus::ledger::key::SigningKey;
use bezant_consensus::ledger::lock::Lock;
use bezant_consensus::ledger::transaction::{OutPoint, Output, Transaction, Witness};
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

/// Chooses coins, makes the payment and signs it. `pays` says who is paid (an address, or the name of a wallet or account) and how
/// much; [`Sum::Max`] only for one alone. Coins still in the mempool are used only when the others do not suffice, and
/// only if the wallet made them itself.
///
/// # Errors
/// [`WalletError::Usage`] for a recipient or coin that makes no sense, [`WalletError::Refused`] when there is not enough.
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
/// As [`plan`].
pub async fn plan_all(
    session: &Session,
    found: &Found,
    unlocked: &Unlocked,
    options: &SendOptions,
    batches: &[Vec<(String, Sum)>],
) -> Result<Vec<Plan>, WalletError> {
    let client = session.client()?;
    let (_, coins) = view::coins(client, session.genesis(), found, ReadLevel::Latest).await?;
    let least = session.genesis().ledger.relay_fee_rate_min;
    let fee_rate = match options.fee_rate {
        Some(rate) => rate,
        None => fee_rate(client, least).await?,
    };
    let (kept, free) = coins.iter().cloned().partition(|coin| options.reserved.contains(&coin.outpoint));
    let mut purse = Purse {
        session,
        client,
        keys: unlocked.keys.iter().map(|key| (Lock::Key(key.public()).hash(), key)).collect(),
        named: if options.coins.is_empty() { None } else { Some(named(&coins, &options.coins)?) },
        free,
        kept,
        made: BTreeSet::new(),
        seen: if session.genesis().dev { BTreeSet::new() } else { session.seen(found)? },
        change: *found.wallet.lock_hashes().last().expect("a wallet has an address"),
        fee_rate,
        long_rate: least,
    };
    let mut plans = Vec::with_capacity(batches.len());
    for batch in batches {
        plans.push(purse.pay(batch).await?);
    }
    Ok(plans)
}

/// What a wallet can spend while payments are planned.
struct Purse<'a> {
    session: &'a Session,
    client: &'a Client,
    keys: BTreeMap<LockHash, &'a SigningKey>,
    /// Exactly these are spent.
    named: Option<Vec<Owned>>,
    free: Vec<Owned>,
    /// Kept for payments with ids.
    kept: Vec<Owned>,
    /// Planned here: their change can be relied on.
    made: BTreeSet<TxId>,
    /// Who was paid before.
    seen: BTreeSet<LockHash>,
    change: LockHash,
    fee_rate: u64,
    long_rate: u64,
}

impl Purse<'_> {
    async fn pay(&mut self, sums: &[(String, Sum)]) -> Result<Plan, WalletError> {
        let to: Vec<Recipient> =
            sums.iter().map(|(to, _)| self.session.recipient(to)).collect::<Result<_, WalletError>>()?;
        let (fee_rate, long_rate) = (self.fee_rate, self.long_rate);
        let all = self.named.is_some();
        let payment = Payment { pays: pays(&to, sums)?, change: self.change, fee_rate, long_rate, all };
        let built = match &self.named {
            Some(named) => self.build(&payment, named.iter()),
            None => self.choose(&payment).await,
        }?;
        let is_strange =
            |to: &Recipient| to.name.is_none() && !self.keys.contains_key(&to.lock) && !self.seen.contains(&to.lock);
        let wants_confirmation = !self.session.genesis().dev && to.iter().any(is_strange);
        let amounts = built.transaction.outputs().iter().map(|output| output.amount);
        let paid = to.into_iter().zip(amounts).collect();
        self.settle(&built);
        Ok(Plan { built, paid, wants_confirmation })
    }

    fn build<'c>(&self, payment: &Payment, coins: impl Iterator<Item = &'c Owned>) -> Result<Built, WalletError> {
        let with_key = |coin: &Owned| {
            Some(KeyCoin { outpoint: coin.outpoint, amount: coin.amount, key: self.keys.get(&coin.lock)? })
        };
        let coins: Vec<KeyCoin<'_>> = coins.filter_map(with_key).collect();
        build::payment(self.session.network(), &coins, payment, &mut rand::rng())
    }

    async fn choose(&self, payment: &Payment) -> Result<Built, WalletError> {
        let spendable = || self.free.iter().filter(|coin| coin.state == CoinState::Spendable);
        let built = match self.build(payment, spendable()) {
            Err(WalletError::Refused { kind, .. }) if kind == "insufficient-funds" => {
                let mut own = own_change(self.client, &self.free, &self.keys).await?;
                own.extend(&self.made);
                let is_own = |coin: &&Owned| coin.height.is_none() && coin.state == CoinState::Pending;
                let waiting = self.free.iter().filter(is_own).filter(|coin| own.contains(&coin.outpoint.txid));
                self.build(payment, spendable().chain(waiting))
            }
            result => result,
        };
        built.map_err(|error| beside_kept(error, &self.kept)).map_err(|error| beside_locked(error, &self.free))
    }

    /// The next payment finds the coins as this one leaves them.
    fn settle(&mut self, built: &Built) {
        let transaction = &built.transaction;
        self.free.retain(|coin| !transaction.inputs().contains(&coin.outpoint));
        if built.change == Amount::ZERO {
            return;
        }
        let txid = transaction.id();
        let index = u32::try_from(transaction.outputs().len() - 1).expect("few outputs");
        let (outpoint, amount, lock) = (OutPoint { txid, index }, built.change, self.change);
        self.free.push(Owned { outpoint, amount, lock, height: None, state: CoinState::Pending });
        self.made.insert(txid);
    }
}

/// Says why there is not enough, when there is more.
fn beside_kept(error: WalletError, kept: &[Owned]) -> WalletError {
    let waiting = kept.iter().filter(|coin| coin.state == CoinState::Spendable).count();
    match error {
        WalletError::Refused { kind, message } if kind == "insufficient-funds" && waiting > 0 => {
            let message = format!(
                "{message}; {waiting} more coins are kept for payments that were begun with an id: repeat those, or name coins with --coin"
            );
            WalletError::Refused { kind, message }
        }
        error => error,
    }
}

/// Says so when coins that their owner locked are missing.
fn beside_locked(error: WalletError, coins: &[Owned]) -> WalletError {
    let locked = coins.iter().filter(|coin| coin.state == CoinState::Locked).count();
    match error {
        WalletError::Refused { kind, message } if kind == "insufficient-funds" && locked > 0 => {
            let message = format!("{message}; {locked} more coins are locked: see `bezant wallet utxos --unlock`");
            WalletError::Refused { kind, message }
        }
        error => error,
    }
}

/// What these recipients get.
fn pays(to: &[Recipient], sums: &[(String, Sum)]) -> Result<Pays, WalletError> {
    if let ([to], [(_, Sum::Max)]) = (to, sums) {
        return Ok(Pays::Everything(to.lock));
    }
    let output = |(to, (_, sum)): (&Recipient, &(String, Sum))| match sum {
        Sum::Exactly(amount) => Ok(Output { amount: *amount, lock: to.lock }),
        Sum::Max => Err(WalletError::Usage("max is for a single recipient, who gets all there is".to_owned())),
    };
    Ok(Pays::Each(to.iter().zip(sums).map(output).collect::<Result<_, WalletError>>()?))
}

/// What to pay when nobody says: the node's estimate, as far as it makes sense. `least` is the net's own minimum.
pub(crate) async fn fee_rate(client: &Client, least: u64) -> Result<u64, WalletError> {
    let bound = least.max(FEE_RATE_BASE_MIN).saturating_mul(FEE_RATE_MULTIPLE_MAX);
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
fn named(coins: &[Owned], names: &[String]) -> Result<Vec<Owned>, WalletError> {
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

/// Transactions in the mempool that spend nothing but the wallet's own coins: their outputs can be relied on.
async fn own_change(
    client: &Client,
    coins: &[Owned],
    keys: &BTreeMap<LockHash, &SigningKey>,
) -> Result<BTreeSet<TxId>, WalletError> {
    let waiting = coins.iter().filter(|coin| coin.height.is_none() && coin.state == CoinState::Pending);
    let txids: BTreeSet<TxId> = waiting.map(|coin| coin.outpoint.txid).collect();
    let mut own = BTreeSet::new();
    for txid in txids {
        let view = match client.transaction(&txid.to_string()).await {
            Ok(view) => view,
            // It left the mempool in the meantime.
            Err(ClientError::NotFound(_)) => continue,
            Err(error) => return Err(error.into()),
        };
        let transaction = hex::decode(&view.hex).ok().and_then(|bytes| decode::<Transaction>(&bytes).ok());
        let ours =
            |witness: &Witness| matches!(witness, Witness::Spend(spend) if keys.contains_key(&spend.lock.hash()));
        if transaction.is_some_and(|transaction| transaction.id() == txid && transaction.witnesses.iter().all(ours)) {
            own.insert(txid);
        }
    }
    Ok(own)
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
    let tested = client.test(vec![hex::encode(encode(transaction))]).await?;
    match tested.refusal {
        Some(refusal) => Err(WalletError::refused(&refusal.kind, refusal.message)),
        None => Ok(()),
    }
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
