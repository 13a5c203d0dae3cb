//! What a wallet has sent, written down before any node hears of it.
//!
//! One small SQLite file beside the wallet's own, readable by its owner only. Each commit is synced, so a power cut leaves the
//! file as it was before or after. A **payment** is what somebody asked for, perhaps under an id of his own; its **attempts** are
//! the transactions that carry it out: the first, and those that replaced it (`bump`, `cancel`). All attempts of a payment spend
//! at least one coin in common, so that no two of them can ever be in one chain; this, not the journal, is what makes paying
//! twice impossible. The journal only finds the first transaction again.
//!
//! An id is bound to its first transaction for ever. Even if a node refuses that, no other is made under the id: the node might
//! be lying.

use crate::error::WalletError;
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::codec::{decode, encode};
use bezant_consensus::ledger::hash::{NetworkId, TxId};
use bezant_consensus::ledger::transaction::{OutPoint, Transaction};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use std::collections::BTreeSet;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

#[cfg(test)]
mod tests;

/// Payments without an id that are remembered; then the oldest are forgotten.
pub const UNNAMED_MAX: u64 = 10_000;
/// Payments with an id; then no more are made.
pub const NAMED_MAX: u64 = 100_000;
/// Attempts of one payment.
pub const ATTEMPTS_MAX: u64 = 100;
/// Transactions of payments with ids whose coins other payments leave alone.
pub const RESERVING_MAX: i64 = 1_000;
/// Characters of an id.
pub const ID_CHARS_MAX: usize = 96;
/// Another command may be writing.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// `bzsj`.
const APPLICATION_ID: i64 = 0x627a_736a;
const VERSION: i64 = 1;

const SCHEMA: &str = "
CREATE TABLE payment (id INTEGER PRIMARY KEY AUTOINCREMENT, network BLOB NOT NULL, name TEXT, asked BLOB NOT NULL, UNIQUE (network, name));
CREATE TABLE attempt (payment INTEGER NOT NULL REFERENCES payment (id) ON DELETE CASCADE, place INTEGER NOT NULL, kind TEXT NOT NULL,
  txid BLOB NOT NULL, bytes BLOB NOT NULL, fee INTEGER NOT NULL, change INTEGER NOT NULL, PRIMARY KEY (payment, place));
CREATE INDEX attempt_by_txid ON attempt (txid);
";

/// How an attempt came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The first.
    Send,
    /// Pays a higher fee.
    Bump,
    /// Pays back.
    Cancel,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Send => "send",
            Kind::Bump => "bump",
            Kind::Cancel => "cancel",
        }
    }

    fn read(text: &str) -> Option<Kind> {
        [Kind::Send, Kind::Bump, Kind::Cancel].into_iter().find(|kind| kind.name() == text)
    }
}

/// A transaction of a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// How it came about.
    pub kind: Kind,
    /// The transaction.
    pub transaction: Transaction,
    /// What the block's maker gets.
    pub fee: Amount,
    /// What comes back.
    pub change: Amount,
}

/// A payment that was written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its number in the journal.
    pub number: i64,
    /// Digest of what was asked for: two payments that ask for the same have the same.
    pub asked: [u8; 32],
    /// Its transactions, the first one first; at least one.
    pub attempts: Vec<Attempt>,
}

/// A payment to be written down.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its owner's name for it.
    pub id: Option<String>,
    /// Digest of what was asked for.
    pub asked: [u8; 32],
    /// Its first transaction.
    pub attempt: Attempt,
}

/// The journal of one wallet, as far as one net is concerned.
#[derive(Debug)]
pub struct Journal {
    connection: Connection,
    network: NetworkId,
    path: PathBuf,
}

/// Checks a name that somebody gives a payment.
///
/// # Errors
/// [`WalletError::Usage`] unless it is 1 to [`ID_CHARS_MAX`] letters, digits, or `-_.:/`.
pub fn check_id(id: &str) -> Result<(), WalletError> {
    let is_good = |c: char| c.is_ascii_alphanumeric() || "-_.:/".contains(c);
    if (1..=ID_CHARS_MAX).contains(&id.len()) && id.chars().all(is_good) {
        return Ok(());
    }
    Err(WalletError::Usage(format!(
        "\"{id}\" is no id for a payment: 1 to {ID_CHARS_MAX} letters, digits or -_.:/ are expected"
    )))
}

/// Where the journal of a wallet is.
#[must_use]
pub fn path(wallet: &Path) -> PathBuf {
    wallet.with_extension("sent")
}

impl Journal {
    /// Opens the journal beside a wallet's file; makes an empty one when there is none.
    ///
    /// # Errors
    /// [`WalletError::Failed`] when the system refuses, or the file is damaged or something else.
    pub fn open(wallet: &Path, network: &NetworkId) -> Result<Journal, WalletError> {
        let path = path(wallet);
        let failed = |error: &dyn std::fmt::Display| {
            WalletError::Failed(format!(
                "{}: {error}; it tells which payments were made already, so nothing is sent without it. If it is beyond repair, move it away: then check `bezant wallet history` before you repeat a payment",
                path.display()
            ))
        };
        // SQLite makes what it keeps beside it with the same mode.
        let made = std::fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        made.map_err(|error| failed(&error))?;
        let connection = Connection::open(&path).map_err(|error| failed(&error))?;
        let mut journal = Journal { connection, network: *network, path: path.clone() };
        journal.prepare().map_err(|error| failed(&error))?;
        Ok(journal)
    }

    fn prepare(&mut self) -> Result<(), String> {
        let text = |error: rusqlite::Error| error.to_string();
        self.connection.busy_timeout(BUSY_TIMEOUT).map_err(text)?;
        // A commit is on the disk, and so is the end of the roll-back journal, before anything is handed to a node.
        self.connection.pragma_update(None, "synchronous", "EXTRA").map_err(text)?;
        self.connection.pragma_update(None, "foreign_keys", true).map_err(text)?;
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(text)?;
        let number = |name: &str| transaction.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map_err(text);
        let tables = transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0));
        match (number("application_id")?, number("user_version")?, tables.map_err(text)?) {
            (APPLICATION_ID, VERSION, _) => Ok(()),
            (0, 0, 0) => {
                transaction.execute_batch(SCHEMA).map_err(text)?;
                transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(text)?;
                transaction.pragma_update(None, "user_version", VERSION).map_err(text)?;
                transaction.commit().map_err(text)
            }
            (APPLICATION_ID, version, _) => Err(format!("it has version {version}, and this program knows {VERSION}")),
            _ => Err("this is no journal of a wallet".to_owned()),
        }
    }

    fn failed(&self, error: &dyn std::fmt::Display) -> WalletError {
        WalletError::Failed(format!("{}: {error}", self.path.display()))
    }

    /// The payment with this id.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn find(&self, id: &str) -> Result<Option<Kept>, WalletError> {
        let sql = "SELECT id FROM payment WHERE network = ?1 AND name = ?2";
        let number = self.connection.query_row(sql, params![self.network.0, id], |row| row.get(0)).optional();
        number.map_err(|error| self.failed(&error))?.map(|number| self.kept(number)).transpose()
    }

    /// The payment that this transaction carries out or tried to.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn of(&self, txid: &TxId) -> Result<Option<Kept>, WalletError> {
        let sql =
            "SELECT payment FROM attempt JOIN payment ON payment.id = payment WHERE txid = ?1 AND network = ?2 LIMIT 1";
        let number = self.connection.query_row(sql, params![txid.0, self.network.0], |row| row.get(0)).optional();
        number.map_err(|error| self.failed(&error))?.map(|number| self.kept(number)).transpose()
    }

    fn kept(&self, number: i64) -> Result<Kept, WalletError> {
        let asked = self.connection.query_row("SELECT asked FROM payment WHERE id = ?1", [number], |row| row.get(0));
        let asked = asked.map_err(|error| self.failed(&error))?;
        let sql = "SELECT kind, bytes, fee, change FROM attempt WHERE payment = ?1 ORDER BY place";
        let mut statement = self.connection.prepare(sql).map_err(|error| self.failed(&error))?;
        let rows = statement.query_map([number], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, Vec<u8>>(1)?, row.get::<_, i64>(2)?, row.get::<_, i64>(3)?))
        });
        let rows: Vec<_> = rows.and_then(Iterator::collect).map_err(|error| self.failed(&error))?;
        let grains = |number: i64| u64::try_from(number).ok().and_then(Amount::from_grains);
        let attempt = |(kind, bytes, fee, change): (String, Vec<u8>, i64, i64)| {
            let (kind, transaction) = (Kind::read(&kind)?, decode(&bytes).ok()?);
            Some(Attempt { kind, transaction, fee: grains(fee)?, change: grains(change)? })
        };
        let attempts: Option<Vec<Attempt>> = rows.into_iter().map(attempt).collect();
        match attempts {
            Some(attempts) if !attempts.is_empty() => Ok(Kept { number, asked, attempts }),
            Some(_) | None => Err(self.failed(&format!("payment {number} is damaged"))),
        }
    }

    /// Writes payments down, all or none; what is returned is on the disk. False, and nothing is written, when one of the ids is
    /// taken: another command was faster.
    ///
    /// # Errors
    /// When the file cannot be written; [`WalletError::Refused`] of kind `journal-full` when there are [`NAMED_MAX`] payments with
    /// ids.
    pub fn add(&mut self, entries: &[Entry]) -> Result<bool, WalletError> {
        let network = self.network;
        match self.write(|transaction| add(transaction, &network, entries))? {
            Added::Done => Ok(true),
            Added::Taken => Ok(false),
            Added::Full => {
                let message =
                    format!("{} holds {NAMED_MAX} payments with ids, and more are not kept", self.path.display());
                Err(WalletError::refused("journal-full", message))
            }
        }
    }

    /// Writes down another transaction for a payment; it is on the disk afterwards.
    ///
    /// # Errors
    /// When the file cannot be written; [`WalletError::Refused`] of kind `too-many-attempts`.
    pub fn add_attempt(&mut self, number: i64, attempt: &Attempt) -> Result<(), WalletError> {
        let done = self.write(|transaction| {
            let sql = "SELECT count(*) FROM attempt WHERE payment = ?1";
            let count: i64 = transaction.query_row(sql, [number], |row| row.get(0))?;
            if count.unsigned_abs() >= ATTEMPTS_MAX {
                return Ok(false);
            }
            insert(transaction, number, count, attempt)?;
            Ok(true)
        })?;
        let refused =
            || WalletError::refused("too-many-attempts", format!("it was replaced {ATTEMPTS_MAX} times already"));
        if done { Ok(()) } else { Err(refused()) }
    }

    fn write<T>(
        &mut self,
        what: impl FnOnce(&rusqlite::Transaction<'_>) -> Result<T, rusqlite::Error>,
    ) -> Result<T, WalletError> {
        let path = self.path.clone();
        let failed = |error: rusqlite::Error| WalletError::Failed(format!("{}: {error}", path.display()));
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let result = what(&transaction).map_err(failed)?;
        transaction.commit().map_err(failed)?;
        Ok(result)
    }

    /// Coins that the last [`RESERVING_MAX`] transactions of payments with ids spend. Those that still exist belong to a payment that
    /// is on its way or will be repeated.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn reserved(&self) -> Result<BTreeSet<OutPoint>, WalletError> {
        let sql =
            "SELECT bytes FROM attempt JOIN payment ON payment.id = payment WHERE network = ?1 AND name IS NOT NULL
            ORDER BY payment.id DESC LIMIT ?2";
        let mut statement = self.connection.prepare(sql).map_err(|error| self.failed(&error))?;
        let rows = statement.query_map(params![self.network.0, RESERVING_MAX], |row| row.get::<_, Vec<u8>>(0));
        let rows: Vec<Vec<u8>> = rows.and_then(Iterator::collect).map_err(|error| self.failed(&error))?;
        let transactions = rows.iter().filter_map(|bytes| decode::<Transaction>(bytes).ok());
        Ok(transactions.flat_map(|transaction| transaction.inputs().to_vec()).collect())
    }
}

enum Added {
    Done,
    Taken,
    Full,
}

fn add(
    transaction: &rusqlite::Transaction<'_>,
    network: &NetworkId,
    entries: &[Entry],
) -> Result<Added, rusqlite::Error> {
    for entry in entries.iter().filter(|entry| entry.id.is_some()) {
        let sql = "SELECT count(*) FROM payment WHERE network = ?1 AND name = ?2";
        if transaction.query_row(sql, params![network.0, entry.id], |row| row.get::<_, i64>(0))? > 0 {
            return Ok(Added::Taken);
        }
    }
    let sql = "SELECT count(*) FROM payment WHERE name IS NOT NULL";
    let named = transaction.query_row(sql, [], |row| row.get::<_, i64>(0))?.unsigned_abs();
    if named + entries.len() as u64 > NAMED_MAX && entries.iter().any(|entry| entry.id.is_some()) {
        return Ok(Added::Full);
    }
    for entry in entries {
        let sql = "INSERT INTO payment (network, name, asked) VALUES (?1, ?2, ?3)";
        transaction.execute(sql, params![network.0, entry.id, entry.asked])?;
        insert(transaction, transaction.last_insert_rowid(), 0, &entry.attempt)?;
    }
    let sql = "DELETE FROM payment WHERE name IS NULL AND id <=
        (SELECT id FROM payment WHERE name IS NULL ORDER BY id DESC LIMIT 1 OFFSET ?1)";
    transaction.execute(sql, params![i64::try_from(UNNAMED_MAX).unwrap_or(i64::MAX)])?;
    Ok(Added::Done)
}

fn insert(
    transaction: &rusqlite::Transaction<'_>,
    number: i64,
    place: i64,
    attempt: &Attempt,
) -> Result<usize, rusqlite::Error> {
    let sql =
        "INSERT INTO attempt (payment, place, kind, txid, bytes, fee, change) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let [fee, change] = [attempt.fee, attempt.change].map(|amount| i64::try_from(amount.grains()).unwrap_or(i64::MAX));
    let (txid, bytes) = (attempt.transaction.id().0, encode(&attempt.transaction));
    transaction.execute(sql, params![number, place, attempt.kind.name(), txid, bytes, fee, change])
}
