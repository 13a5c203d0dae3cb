//! A wallet's database: what cannot be had again when it is lost.
//!
//! One SQLite file, `NAME.db` beside `NAME.json`, readable by its owner only: the journal of payments ([`crate::paying::journal`]), the
//! coins that are locked and what things are called ([`crate::coins::labels`]). Each commit is synced, and so is the directory, so
//! that a power cut at any moment leaves the file as it was before a commit or after it.
//!
//! **Versions.** `user_version` counts the steps of [`STEPS`] that a file has seen. An older file is brought up to date when it is
//! opened, all steps in one transaction; a newer one, and anything that is no database of a wallet, is refused. Steps are only
//! ever added at the end.
//!
//! **Reading makes nothing.** [`Store::read`] gives an empty database in memory where there is no file, and refuses to write.

use crate::error::WalletError;
use bezant_consensus::ledger::hash::NetworkId;
use rusqlite::{Connection, TransactionBehavior};
use std::path::{Path, PathBuf};
use std::time::Duration;

#[cfg(test)]
mod tests;

/// Another command may be writing.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// `bzsj`.
const APPLICATION_ID: i64 = 0x627a_736a;

/// How the tables came to be as they are, oldest first.
const STEPS: &[&str] = &[
    "
CREATE TABLE payment (id INTEGER PRIMARY KEY AUTOINCREMENT, network BLOB NOT NULL, name TEXT, asked BLOB NOT NULL, UNIQUE (network, name));
CREATE TABLE attempt (payment INTEGER NOT NULL REFERENCES payment (id) ON DELETE CASCADE, place INTEGER NOT NULL, kind TEXT NOT NULL,
  txid BLOB NOT NULL, bytes BLOB NOT NULL, fee INTEGER NOT NULL, change INTEGER NOT NULL, PRIMARY KEY (payment, place));
CREATE INDEX attempt_by_txid ON attempt (txid);
",
    "
CREATE TABLE frozen (network BLOB NOT NULL, txid BLOB NOT NULL, place INTEGER NOT NULL, PRIMARY KEY (network, txid, place))
  WITHOUT ROWID;
CREATE TABLE label (network BLOB NOT NULL, kind TEXT NOT NULL, named TEXT NOT NULL, text TEXT NOT NULL,
  PRIMARY KEY (network, kind, named)) WITHOUT ROWID;
",
];

/// An open database.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) connection: Connection,
    path: PathBuf,
}

/// Where the database of a wallet is, given the wallet's own file.
#[must_use]
pub(crate) fn path(wallet: &Path) -> PathBuf {
    wallet.with_extension("db")
}

impl Store {
    /// Opens a wallet's database; makes an empty one when there is none.
    ///
    /// # Errors
    /// [`WalletError::Failed`] when the system refuses, or the file is damaged, newer than this program, or something else.
    pub(crate) fn open(wallet: &Path) -> Result<Store, WalletError> {
        let path = path(wallet);
        if !path.exists() {
            make(&path).map_err(|error| unusable(&path, &error))?;
        }
        // Made whole or not at all; SQLite would take an empty file for a new one, and payments would be made again.
        if std::fs::metadata(&path).is_ok_and(|metadata| metadata.len() == 0) {
            return Err(unusable(&path, &"it is empty"));
        }
        let connection = Connection::open(&path).map_err(|error| unusable(&path, &error))?;
        Store::prepared(connection, path)
    }

    /// Opens a wallet's database to look into it. Where there is none it is empty, and none is made.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub(crate) fn read(wallet: &Path) -> Result<Store, WalletError> {
        let path = path(wallet);
        let store = if path.exists() {
            Store::open(wallet)?
        } else {
            let connection = Connection::open_in_memory().map_err(|error| unusable(&path, &error))?;
            Store::prepared(connection, path)?
        };
        store.connection.pragma_update(None, "query_only", true).map_err(|error| store.failed(&error))?;
        Ok(store)
    }

    fn prepared(connection: Connection, path: PathBuf) -> Result<Store, WalletError> {
        let mut store = Store { connection, path };
        store.prepare().map_err(|error| unusable(&store.path, &error))?;
        Ok(store)
    }

    fn prepare(&mut self) -> Result<(), String> {
        let text = |error: rusqlite::Error| error.to_string();
        self.connection.busy_timeout(BUSY_TIMEOUT).map_err(text)?;
        // A commit is on the disk, and so is the end of the roll-back journal, before anything is handed to a node.
        self.connection.pragma_update(None, "synchronous", "EXTRA").map_err(text)?;
        self.connection.pragma_update(None, "foreign_keys", true).map_err(text)?;
        // One look at all of it: another command may be making it.
        let look = self.connection.transaction().map_err(text)?;
        if version(&look)? == Some(STEPS.len()) {
            return Ok(());
        }
        drop(look);
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(text)?;
        // Another command may have been faster.
        let seen = version(&transaction)?.unwrap_or(0);
        for step in &STEPS[seen..] {
            transaction.execute_batch(step).map_err(text)?;
        }
        transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(text)?;
        transaction.pragma_update(None, "user_version", STEPS.len() as i64).map_err(text)?;
        transaction.commit().map_err(text)
    }

    /// What went wrong with this file.
    pub(crate) fn failed(&self, error: &dyn std::fmt::Display) -> WalletError {
        WalletError::Failed(format!("{}: {error}", self.path.display()))
    }

    /// Where the file is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Changes it: all of it, on the disk when this returns, or nothing.
    pub(crate) fn write<T>(
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
}

/// What a query counts on one net.
pub(crate) fn count(connection: &Connection, sql: &str, network: &NetworkId) -> Result<usize, rusqlite::Error> {
    let count: i64 = connection.query_row(sql, [network.0], |row| row.get(0))?;
    Ok(usize::try_from(count).unwrap_or_default())
}

fn unusable(path: &Path, error: &dyn std::fmt::Display) -> WalletError {
    WalletError::Failed(format!(
        "{}: {error}; it tells which payments were made already, so nothing is sent without it. If it is beyond repair, move it away: then check `bezant wallet history` before you repeat a payment",
        path.display()
    ))
}

/// Steps that a file has seen; `None` for a new one.
fn version(connection: &Connection) -> Result<Option<usize>, String> {
    let text = |error: rusqlite::Error| error.to_string();
    let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map_err(text);
    let tables = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0));
    let (application, version, tables) = (number("application_id")?, number("user_version")?, tables.map_err(text)?);
    let known = usize::try_from(version).ok().filter(|version| (1..=STEPS.len()).contains(version));
    match (application, known) {
        (APPLICATION_ID, Some(seen)) => Ok(Some(seen)),
        (APPLICATION_ID, None) => {
            let most = STEPS.len();
            Err(format!("it has version {version}, and this program knows 1 to {most}; use the program that wrote it"))
        }
        (0, _) if version == 0 && tables == 0 => Ok(None),
        _ => Err("this is no database of a wallet".to_owned()),
    }
}

/// Gives a file of version 1 its new name. It is locked meanwhile, and what a crash left in its roll-back journal is rolled back
/// first, so that it is whole under either name.
/// Makes a new database under another name, with its tables, and puts it in its place as one step.
fn make(path: &Path) -> Result<(), String> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let text = |error: &dyn std::fmt::Display| error.to_string();
    // The crate makes such files with mode 0600, and SQLite what it keeps beside them too.
    let file = tempfile::NamedTempFile::new_in(dir).map_err(|error| text(&error))?;
    let connection = Connection::open(file.path()).map_err(|error| text(&error))?;
    let mut store = Store { connection, path: file.path().to_owned() };
    store.prepare()?;
    store.connection.close().map_err(|(_, error)| text(&error))?;
    file.as_file().sync_all().map_err(|error| text(&error))?;
    match file.persist_noclobber(path) {
        Ok(_) => {}
        // Another command was faster.
        Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(text(&error.error)),
    }
    std::fs::File::open(dir).and_then(|dir| dir.sync_all()).map_err(|error| text(&error))
}
