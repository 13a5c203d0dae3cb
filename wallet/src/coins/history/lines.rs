//! The lines of `history`: facts with what they come to, what they are called, and what waits in the mempool.

use super::{Fact, History, Synced};
use crate::coins::labels::Labels;
use crate::coins::view::outpoint;
use crate::error::WalletError;
use crate::paying::journal::Journal;
use crate::paying::repeat;
use crate::session::Session;
use bezant_api::client::{Client, ClientError};
use bezant_api::types::{CoinsView, TxState};
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::codec::decode;
use bezant_consensus::ledger::hash::{LockHash, TxId};
use bezant_consensus::ledger::transaction::{OutPoint, Transaction, Witness};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Lines of what waits, at most.
const PENDING_MAX: usize = 1_000;
/// Transactions of the journal among which those that wait are looked for.
const JOURNAL_MAX: usize = 10_000;

/// How sure a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EntryState {
    /// It was in a block or a mempool, and is no more: only while history is followed.
    Left,
    /// It waits in a mempool.
    Pool,
    /// It is in a block.
    Included,
    /// Its block is final.
    Final,
}

impl EntryState {
    /// Its name, as in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            EntryState::Left => "left",
            EntryState::Pool => "pool",
            EntryState::Included => "included",
            EntryState::Final => "final",
        }
    }
}

/// One transaction of `history`; amounts in grains.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// The wallet.
    pub wallet: String,
    /// The transaction.
    pub txid: String,
    /// Height of its block; null in the mempool.
    pub height: Option<u64>,
    /// Its block; null in the mempool.
    pub block: Option<String>,
    /// Time of its block, seconds since 1970; null in the mempool.
    pub time_s: Option<u32>,
    /// What the wallet received in it, change included.
    pub received: String,
    /// What the wallet spent in it.
    pub sent: String,
    /// What the wallet has after it.
    pub balance: String,
    /// How sure it is.
    pub state: EntryState,
    /// Whether it is final now.
    pub is_final: bool,
    /// What it is called.
    pub label: Option<String>,
}

impl Entry {
    fn new(wallet: &str, moved: &Moved, balance: i128, state: EntryState, labels: &Labels) -> Entry {
        Entry {
            wallet: wallet.to_owned(),
            txid: moved.txid.to_string(),
            height: None,
            block: None,
            time_s: None,
            received: moved.received.to_string(),
            sent: moved.sent.to_string(),
            balance: balance.to_string(),
            state,
            is_final: state == EntryState::Final,
            label: labels.of_transaction(moved.txid),
        }
    }

    /// What it changed, in grains: what was received less what was sent.
    #[must_use]
    pub fn net(&self) -> i128 {
        self.received.parse::<i128>().unwrap_or_default() - self.sent.parse::<i128>().unwrap_or_default()
    }

    /// Time of its block in UTC, as RFC 3339 has it.
    #[must_use]
    pub fn time(&self) -> Option<String> {
        OffsetDateTime::from_unix_timestamp(self.time_s?.into()).ok()?.format(&Rfc3339).ok()
    }
}

/// What one transaction moves.
struct Moved {
    txid: TxId,
    received: u128,
    sent: u128,
}

impl Moved {
    fn net(&self) -> i128 {
        i128::try_from(self.received).unwrap_or(i128::MAX) - i128::try_from(self.sent).unwrap_or(i128::MAX)
    }
}

/// The lines of blocks from this height on, oldest first; of more than `limit`, the newest.
///
/// # Errors
/// When what is kept cannot be read.
pub fn entries(
    session: &Session,
    history: &History,
    synced: &Synced,
    from_height: u64,
    limit: Option<usize>,
) -> Result<Vec<Entry>, WalletError> {
    let found = history.found();
    let labels = Labels::open(&found.path, session.network())?;
    let facts = history.facts(from_height)?;
    let skipped = limit.map_or(0, |limit| facts.len().saturating_sub(limit));
    let mut balance = history.balance_before(from_height)?;
    let moved = |fact: &Fact| Moved {
        txid: fact.txid,
        received: fact.received.grains().into(),
        sent: fact.sent.grains().into(),
    };
    balance += facts[..skipped].iter().map(|fact| moved(fact).net()).sum::<i128>();
    let entry = |fact: &Fact| {
        let moved = moved(fact);
        balance += moved.net();
        let is_final = fact.height <= synced.final_height;
        let state = if is_final { EntryState::Final } else { EntryState::Included };
        Entry {
            height: Some(fact.height),
            block: Some(fact.block.to_string()),
            time_s: Some(fact.time_s),
            ..Entry::new(&found.wallet.name, &moved, balance, state, &labels)
        }
    };
    Ok(facts[skipped..].iter().map(entry).collect())
}

/// The lines of what waits in a node's mempool: what comes in, and what the wallet sent. `balance` is what the wallet has before.
///
/// # Errors
/// When no node answers, or what is kept cannot be read.
pub async fn pending(
    session: &Session,
    history: &History,
    client: &Client,
    mut balance: i128,
) -> Result<Vec<Entry>, WalletError> {
    let found = history.found();
    let locks = found.wallet.lock_hashes();
    let view = client.coins(&locks.iter().map(ToString::to_string).collect::<Vec<_>>()).await?;
    let mut moved: BTreeMap<TxId, Moved> = incoming(&view);
    if !view.spent_in_pool.is_empty() {
        let locks: BTreeSet<LockHash> = locks.into_iter().collect();
        let mut spent: BTreeSet<OutPoint> = view.spent_in_pool.iter().filter_map(|name| outpoint(name)).collect();
        for transaction in outgoing(session, history, client, &mut spent, moved.keys().copied().collect()).await? {
            let txid = transaction.id();
            let one = moved.entry(txid).or_insert(Moved { txid, received: 0, sent: 0 });
            one.sent = sent(&transaction, &locks);
        }
    }
    let labels = Labels::open(&found.path, session.network())?;
    let line = |moved: &Moved| {
        balance += moved.net();
        Entry::new(&found.wallet.name, moved, balance, EntryState::Pool, &labels)
    };
    Ok(moved.values().take(PENDING_MAX).map(line).collect())
}

/// What the mempool would bring.
fn incoming(view: &CoinsView) -> BTreeMap<TxId, Moved> {
    let mut moved: BTreeMap<TxId, Moved> = BTreeMap::new();
    for coin in &view.pool_coins {
        let amount = coin.amount.parse().ok().and_then(Amount::from_grains);
        let (Some(OutPoint { txid, .. }), Some(amount)) = (outpoint(&coin.outpoint), amount) else { continue };
        let one = moved.entry(txid).or_insert(Moved { txid, received: 0, sent: 0 });
        one.received += u128::from(amount.grains());
        if moved.len() > PENDING_MAX {
            break;
        }
    }
    moved
}

/// What it spends of these locks, as its witnesses say.
fn sent(transaction: &Transaction, locks: &BTreeSet<LockHash>) -> u128 {
    let ours = |witness: &Witness| match witness {
        Witness::Spend(spend) if locks.contains(&spend.lock.hash()) => u128::from(spend.amount.grains()),
        Witness::Spend(_) | Witness::Member { .. } => 0,
    };
    transaction.witnesses().iter().map(ours).sum()
}

/// The transactions in the mempool that spend these coins: those of the journal, and, for what others with the same keys sent,
/// those that bring change.
async fn outgoing(
    session: &Session,
    history: &History,
    client: &Client,
    spent: &mut BTreeSet<OutPoint>,
    change: Vec<TxId>,
) -> Result<Vec<Transaction>, WalletError> {
    let mut found = Vec::new();
    let journal = Journal::read(&history.found().path, session.network())?;
    for transaction in journal.last(JOURNAL_MAX)? {
        if found.len() >= PENDING_MAX || spent.is_empty() {
            return Ok(found);
        }
        if transaction.inputs().iter().any(|input| spent.contains(input)) {
            let status = repeat::status(client, &transaction.id().to_string()).await?;
            if status.state == TxState::Pool {
                spent.retain(|coin| !transaction.inputs().contains(coin));
                found.push(transaction);
            }
        }
    }
    for txid in change.into_iter().take(PENDING_MAX) {
        if spent.is_empty() {
            break;
        }
        let view = match client.transaction(&txid.to_string()).await {
            Ok(view) => view,
            // It left the mempool meanwhile.
            Err(ClientError::NotFound(_)) => continue,
            Err(error) => return Err(error.into()),
        };
        let transaction = hex::decode(&view.hex).ok().and_then(|bytes| decode::<Transaction>(&bytes).ok());
        let transaction = transaction.filter(|transaction| transaction.id() == txid);
        let spends = |transaction: &Transaction| transaction.inputs().iter().any(|input| spent.contains(input));
        if let Some(transaction) = transaction.filter(spends) {
            spent.retain(|coin| !transaction.inputs().contains(coin));
            found.push(transaction);
        }
    }
    Ok(found)
}

/// Lines as CSV (RFC 4180), amounts in BZT. A label that a spreadsheet would take for a formula gets an apostrophe in front.
///
/// # Panics
/// Never: memory takes what is written.
#[must_use]
pub fn csv(entries: &[Entry]) -> String {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    let head = ["wallet", "time", "height", "block", "txid", "state", "received", "sent", "net", "balance", "label"];
    writer.write_record(head).expect("memory takes it");
    for one in entries {
        let number = |grains: &str| bzt(grains.parse().unwrap_or_default());
        let record = [
            one.wallet.clone(),
            one.time().unwrap_or_default(),
            one.height.map_or_else(String::new, |height| height.to_string()),
            one.block.clone().unwrap_or_default(),
            one.txid.clone(),
            one.state.name().to_owned(),
            number(&one.received),
            number(&one.sent),
            bzt(one.net()),
            number(&one.balance),
            guarded(one.label.as_deref().unwrap_or_default()),
        ];
        writer.write_record(record).expect("memory takes it");
    }
    String::from_utf8(writer.into_inner().expect("memory takes it")).expect("all of it was text")
}

/// Grains as BZT, with a sign where it is negative.
fn bzt(grains: i128) -> String {
    let (sign, grains) = (if grains < 0 { "-" } else { "" }, grains.unsigned_abs());
    let (whole, part) = (grains / 100_000_000, grains % 100_000_000);
    let text = format!("{sign}{whole}.{part:08}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn guarded(label: &str) -> String {
    let is_formula = label.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if is_formula { format!("'{label}") } else { label.to_owned() }
}
