//! The two files: their tables, and how connections to them are opened.

use super::error::StoreError;
use rusqlite::{Connection, OpenFlags};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What must not be forgotten.
pub(super) const FACTS_FILE: &str = "facts.sqlite";
/// What follows from it.
pub(super) const STATE_FILE: &str = "state.sqlite";
/// Held locked by the process that uses the directory.
pub(super) const LOCK_FILE: &str = "lock";
/// The one format of the facts that is read; kept in `user_version`, 0 meaning that the file was never finished.
pub(super) const FACTS_FORMAT: i64 = 6;
/// The same of the state. Below it the state is to be made anew from the facts.
pub(super) const STATE_FORMAT: i64 = 7;
/// Files up to this size are checked as a whole at the start; larger ones as they are read, so that the start stays quick.
pub(super) const CHECKED_BYTES_MAX: u64 = 64 * 1024 * 1024;

pub(super) const FACTS_SCHEMA: &str = "
CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
-- Own votes and prepared certificates, borsh of Record; forgotten once their height is final and flushed.
CREATE TABLE votes (seq INTEGER PRIMARY KEY, height INTEGER NOT NULL, record BLOB NOT NULL);
CREATE INDEX votes_by_height ON votes (height);
-- The latest own VIEW-CHANGE (kind 0), the latest NEW-VIEW (kind 1), and what was told final under proof of work (kind 2), borsh
-- of Record; each replaces the one before.
CREATE TABLE latest (kind INTEGER PRIMARY KEY, record BLOB NOT NULL);
-- What was found at checkpoints (kind 0), own votes there (kind 1), and those that are stable (kind 2), borsh of Record.
CREATE TABLE checkpoints (kind INTEGER NOT NULL, height INTEGER NOT NULL, record BLOB NOT NULL,
  PRIMARY KEY (kind, height)) WITHOUT ROWID;
-- How epochs began, borsh of Record.
CREATE TABLE epochs (epoch INTEGER PRIMARY KEY, record BLOB NOT NULL);
-- Proofs that members lied, borsh of Record.
CREATE TABLE evidence (seq INTEGER PRIMARY KEY, record BLOB NOT NULL);
CREATE TABLE blocks (seq INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, height INTEGER NOT NULL, body BLOB NOT NULL);
CREATE INDEX blocks_by_height ON blocks (height);
CREATE TABLE certificates (height INTEGER PRIMARY KEY, certificate BLOB NOT NULL);
CREATE TABLE headers (seq INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, header BLOB NOT NULL);
CREATE TABLE invalid (id BLOB PRIMARY KEY, by_hand INTEGER NOT NULL) WITHOUT ROWID;
";

pub(super) const STATE_SCHEMA: &str = "
CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
-- Coins and indices: see the module `runs`.
CREATE TABLE runs (run INTEGER PRIMARY KEY, kind INTEGER NOT NULL, ord INTEGER NOT NULL, records INTEGER NOT NULL,
  fences BLOB NOT NULL, filter BLOB NOT NULL);
CREATE TABLE chunks (id INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE litter (run INTEGER PRIMARY KEY);
-- PBFT: what each block spent, as far as snapshots that are served need it, borsh of a list of outpoints and coins.
CREATE TABLE spent (height INTEGER PRIMARY KEY, coins BLOB NOT NULL);
CREATE TABLE active (height INTEGER PRIMARY KEY, id BLOB NOT NULL, time INTEGER NOT NULL);
CREATE TABLE diffs (id BLOB PRIMARY KEY, diff BLOB NOT NULL);
CREATE TABLE buckets (bucket INTEGER PRIMARY KEY, lanes BLOB NOT NULL);
-- Coins of a snapshot that comes; they become runs when all are here.
-- outpoint: txid, then the index big-endian, so that SQLite's order is that of the ledger.
-- bucket: first byte of SHA-256 of the outpoint's encoding, so that a bucket of the commitment lies in one piece.
CREATE TABLE staged (bucket INTEGER NOT NULL, outpoint BLOB NOT NULL, lock BLOB NOT NULL, amount INTEGER NOT NULL,
  height INTEGER NOT NULL, coinbase INTEGER NOT NULL, PRIMARY KEY (bucket, outpoint)) WITHOUT ROWID;
";

/// Bytes of a page of a file that is made. What is written is written in long runs, and each page costs the system about the same.
pub(super) const PAGE_BYTES: u16 = 16 * 1024;
/// Pages that a connection keeps, in KiB. Both files grow at their ends, and what is read of them is read by whole chunks, which the system's
/// cache holds; a connection's own pages would be a third copy of the same, for each connection.
const WRITER_CACHE_KIB: i64 = 8 * 1024;
const READER_CACHE_KIB: i64 = 4 * 1024;

/// How long a connection waits for another's lock.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// The path of the facts.
pub(super) fn facts_path(dir: &Path) -> PathBuf {
    dir.join(FACTS_FILE)
}

/// The path of the state.
pub(super) fn state_path(dir: &Path) -> PathBuf {
    dir.join(STATE_FILE)
}

/// The one connection that writes a file. Commits are fsynced before they return.
pub(super) fn open_writer(path: &Path) -> Result<Connection, StoreError> {
    let connect = || -> rusqlite::Result<Connection> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "page_size", PAGE_BYTES)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        // On macOS a plain fsync does not reach the disk.
        connection.pragma_update(None, "fullfsync", true)?;
        connection.pragma_update(None, "checkpoint_fullfsync", true)?;
        connection.pragma_update(None, "cell_size_check", true)?;
        connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(connection)
    };
    connect().map_err(|error| StoreError::sqlite(path, &error))
}

/// A connection that only reads.
pub(super) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let connect = || -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "cell_size_check", true)?;
        connection.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(connection)
    };
    connect().map_err(|error| StoreError::sqlite(path, &error))
}
