//! What a wallet has sent, written down before any node hears of it.
//!
//! It is part of the wallet's database, in which each commit is synced. A **payment** is what somebody asked for, perhaps under an
//! id of his own; its **attempts** are the transactions that carry it out: the first, and those that replaced it (`bump`,
//! `cancel`). All attempts of a payment spend at least one coin in common, so that no two of them can ever be in one chain; this,
//! not the journal, is what makes paying twice impossible. The journal only finds the first transaction again.
//!
//! An id is bound to its first transaction for ever. Even if a node refuses that, no other is made under the id: the node might
//! be lying.

use crate::error::WalletError;
use crate::store::Store;
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::codec::{decode, encode};
use bezant_consensus::ledger::hash::{NetworkId, TxId};
use bezant_consensus::ledger::transaction::{OutPoint, Transaction};
use rusqlite::{OptionalExtension, params};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

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
    store: Store,
    network: NetworkId,
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

/// Where the database of a wallet is, which holds its journal, given the wallet's own file.
#[must_use]
pub fn path(wallet: &Path) -> PathBuf {
    crate::store::path(wallet)
}

impl Journal {
    /// Opens the journal in a wallet's database, which is made when there is none.
    ///
    /// # Errors
    /// [`WalletError::Failed`] when the system refuses, or the file is damaged or something else.
    pub fn open(wallet: &Path, network: &NetworkId) -> Result<Journal, WalletError> {
        Ok(Journal { store: Store::open(wallet)?, network: *network })
    }

    /// Opens the journal to look into it: it cannot be written, it is empty where there is none, and none is made.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn read(wallet: &Path, network: &NetworkId) -> Result<Journal, WalletError> {
        Ok(Journal { store: Store::read(wallet)?, network: *network })
    }

    fn failed(&self, error: &dyn std::fmt::Display) -> WalletError {
        self.store.failed(error)
    }

    /// The payment with this id.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn find(&self, id: &str) -> Result<Option<Kept>, WalletError> {
        let sql = "SELECT id FROM payment WHERE network = ?1 AND name = ?2";
        let number = self.store.connection.query_row(sql, params![self.network.0, id], |row| row.get(0)).optional();
        number.map_err(|error| self.failed(&error))?.map(|number| self.kept(number)).transpose()
    }

    /// The payment that this transaction carries out or tried to.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn of(&self, txid: &TxId) -> Result<Option<Kept>, WalletError> {
        let sql =
            "SELECT payment FROM attempt JOIN payment ON payment.id = payment WHERE txid = ?1 AND network = ?2 LIMIT 1";
        let number = self.store.connection.query_row(sql, params![txid.0, self.network.0], |row| row.get(0)).optional();
        number.map_err(|error| self.failed(&error))?.map(|number| self.kept(number)).transpose()
    }

    fn kept(&self, number: i64) -> Result<Kept, WalletError> {
        let asked =
            self.store.connection.query_row("SELECT asked FROM payment WHERE id = ?1", [number], |row| row.get(0));
        let asked = asked.map_err(|error| self.failed(&error))?;
        let sql = "SELECT kind, bytes, fee, change FROM attempt WHERE payment = ?1 ORDER BY place";
        let mut statement = self.store.connection.prepare(sql).map_err(|error| self.failed(&error))?;
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
        match self.store.write(|transaction| add(transaction, &network, entries))? {
            Added::Done => Ok(true),
            Added::Taken => Ok(false),
            Added::Full => {
                let message = format!(
                    "{} holds {NAMED_MAX} payments with ids, and more are not kept",
                    self.store.path().display()
                );
                Err(WalletError::refused("journal-full", message))
            }
        }
    }

    /// Writes down another transaction for a payment; it is on the disk afterwards.
    ///
    /// # Errors
    /// When the file cannot be written; [`WalletError::Refused`] of kind `too-many-attempts`.
    pub fn add_attempt(&mut self, number: i64, attempt: &Attempt) -> Result<(), WalletError> {
        let done = self.store.write(|transaction| {
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

    /// Coins that the last [`RESERVING_MAX`] transactions of payments with ids spend. Those that still exist belong to a payment that
    /// is on its way or will be repeated.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn reserved(&self) -> Result<BTreeSet<OutPoint>, WalletError> {
        let sql =
            "SELECT bytes FROM attempt JOIN payment ON payment.id = payment WHERE network = ?1 AND name IS NOT NULL
            ORDER BY payment.id DESC LIMIT ?2";
        let mut statement = self.store.connection.prepare(sql).map_err(|error| self.failed(&error))?;
        let rows = statement.query_map(params![self.network.0, RESERVING_MAX], |row| row.get::<_, Vec<u8>>(0));
        let rows: Vec<Vec<u8>> = rows.and_then(Iterator::collect).map_err(|error| self.failed(&error))?;
        let transactions = rows.iter().filter_map(|bytes| decode::<Transaction>(bytes).ok());
        Ok(transactions.flat_map(|transaction| transaction.inputs().to_vec()).collect())
    }
}

impl Journal {
    /// The last transactions that were written down, the newest first: at most this many.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn last(&self, count: usize) -> Result<Vec<Transaction>, WalletError> {
        let sql = "SELECT bytes FROM attempt JOIN payment ON payment.id = payment WHERE network = ?1
            ORDER BY payment.id DESC, place DESC LIMIT ?2";
        let read = || -> Result<Vec<Vec<u8>>, rusqlite::Error> {
            let mut statement = self.store.connection.prepare(sql)?;
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            statement.query_map(params![self.network.0, count], |row| row.get(0))?.collect()
        };
        let rows = read().map_err(|error| self.failed(&error))?;
        Ok(rows.iter().filter_map(|bytes| decode(bytes).ok()).collect())
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
