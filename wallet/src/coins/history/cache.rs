//! The file of facts: `NAME.history`, SQLite, readable by its owner only.
//!
//! It is a cache, so syncs of the disk are cheap: after a power cut the file may be damaged, and is then made anew. Whatever is
//! wrong with it ends the same way. Where no file can be kept, memory does.

use super::Fact;
use crate::error::WalletError;
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::hash::{BlockId, LockHash, NetworkId, TxId};
use rusqlite::{Connection, Row, TransactionBehavior, params};
use std::collections::BTreeSet;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// `bzsh`.
const APPLICATION_ID: i64 = 0x627a_7368;
const VERSION: i64 = 1;

const SCHEMA: &str = "
CREATE TABLE net (id INTEGER PRIMARY KEY, network BLOB NOT NULL UNIQUE, revision INTEGER NOT NULL DEFAULT 0);
CREATE TABLE lock (net INTEGER NOT NULL, lock BLOB NOT NULL, PRIMARY KEY (net, lock)) WITHOUT ROWID;
CREATE TABLE fact (net INTEGER NOT NULL, height INTEGER NOT NULL, position INTEGER NOT NULL, block BLOB NOT NULL, txid BLOB NOT NULL,
  time INTEGER NOT NULL, received INTEGER NOT NULL, sent INTEGER NOT NULL, PRIMARY KEY (net, height, position)) WITHOUT ROWID;
";

/// The facts of one wallet on one net.
#[derive(Debug)]
pub(super) struct Cache {
    connection: Connection,
    net: i64,
    path: PathBuf,
    /// Number of the last change that is known of.
    revision: i64,
    /// How many facts there are.
    count: usize,
}

/// Kind of the refusal to write over what another command has written meanwhile.
pub(super) const MOVED: &str = "history-moved";

/// Where a wallet's history is kept, given the wallet's own file.
#[must_use]
pub fn path(wallet: &Path) -> PathBuf {
    wallet.with_extension("history")
}

impl Cache {
    pub(super) fn open(wallet: &Path, network: &NetworkId) -> Result<Cache, WalletError> {
        let path = path(wallet);
        let file = || -> Result<Cache, String> {
            let made = std::fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
            made.map_err(|error| error.to_string())?;
            Cache::on(Connection::open(&path).map_err(|error| error.to_string())?, network, &path)
        };
        let made = file().or_else(|error| {
            tracing::info!(%error, path = %path.display(), "the history is read anew");
            // Another command may have it open; it goes on with what has no name any more.
            for name in ["history", "history-wal", "history-shm", "history-journal"] {
                let _ = std::fs::remove_file(wallet.with_extension(name));
            }
            file()
        });
        made.or_else(|error| {
            tracing::warn!(%error, path = %path.display(), "the history cannot be kept");
            Cache::on(Connection::open_in_memory().map_err(|error| error.to_string())?, network, &path)
        })
        .map_err(|error| WalletError::Failed(format!("{}: {error}", path.display())))
    }

    fn on(mut connection: Connection, network: &NetworkId, path: &Path) -> Result<Cache, String> {
        let text = |error: rusqlite::Error| error.to_string();
        connection.busy_timeout(BUSY_TIMEOUT).map_err(text)?;
        connection.pragma_update(None, "journal_mode", "WAL").map_err(text)?;
        connection.pragma_update(None, "synchronous", "NORMAL").map_err(text)?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(text)?;
        let number = |name: &str| transaction.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map_err(text);
        match (number("application_id")?, number("user_version")?) {
            (APPLICATION_ID, VERSION) => {}
            (0, 0) => {
                transaction.execute_batch(SCHEMA).map_err(text)?;
                transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(text)?;
                transaction.pragma_update(None, "user_version", VERSION).map_err(text)?;
            }
            (_, version) => return Err(format!("version {version}, and this program knows {VERSION}")),
        }
        transaction.execute("INSERT OR IGNORE INTO net (network) VALUES (?1)", [network.0]).map_err(text)?;
        let sql = "SELECT id FROM net WHERE network = ?1";
        let net: i64 = transaction.query_row(sql, [network.0], |row| row.get(0)).map_err(text)?;
        transaction.commit().map_err(text)?;
        let mut cache = Cache { connection, net, path: path.to_owned(), revision: 0, count: 0 };
        cache.refresh().map_err(|error| error.to_string())?;
        Ok(cache)
    }

    fn failed(&self, error: &rusqlite::Error) -> WalletError {
        WalletError::Failed(format!("{}: {error}; it is only a cache: delete it, and ask again", self.path.display()))
    }

    fn read<T>(&self, what: impl FnOnce(&Connection, i64) -> rusqlite::Result<T>) -> Result<T, WalletError> {
        what(&self.connection, self.net).map_err(|error| self.failed(&error))
    }

    /// Changes it, unless another command did so since.
    fn write(
        &mut self,
        what: impl FnOnce(&rusqlite::Transaction<'_>, i64) -> rusqlite::Result<()>,
    ) -> Result<(), WalletError> {
        let (net, known) = (self.net, self.revision);
        let result = (|| {
            let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            if revision(&transaction, net)? != known {
                return Ok(false);
            }
            what(&transaction, net)?;
            transaction.execute("UPDATE net SET revision = revision + 1 WHERE id = ?1", [net])?;
            transaction.commit()?;
            Ok(true)
        })();
        if result.map_err(|error| self.failed(&error))? {
            self.revision += 1;
            return Ok(());
        }
        Err(WalletError::refused(MOVED, "another command reads the same history; ask again"))
    }

    /// Sees what other commands have written.
    pub(super) fn refresh(&mut self) -> Result<(), WalletError> {
        let sql = "SELECT count(*) FROM fact WHERE net = ?1";
        let (revision, count): (i64, i64) = self.read(|connection, net| {
            Ok((revision(connection, net)?, connection.query_row(sql, [net], |row| row.get(0))?))
        })?;
        (self.revision, self.count) = (revision, usize::try_from(count).unwrap_or_default());
        Ok(())
    }

    /// How many facts there are.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// The locks that the facts are of; empty when there are none yet.
    pub(super) fn locks(&self) -> Result<BTreeSet<LockHash>, WalletError> {
        self.read(|connection, net| {
            let mut statement = connection.prepare("SELECT lock FROM lock WHERE net = ?1")?;
            statement.query_map([net], |row| Ok(LockHash(row.get(0)?)))?.collect()
        })
    }

    /// Nothing is known any more.
    pub(super) fn clear(&mut self) -> Result<(), WalletError> {
        self.restart(&BTreeSet::new())
    }

    /// No facts, of these locks.
    pub(super) fn restart(&mut self, locks: &BTreeSet<LockHash>) -> Result<(), WalletError> {
        self.write(|transaction, net| {
            transaction.execute("DELETE FROM fact WHERE net = ?1", [net])?;
            set_locks(transaction, net, locks)
        })?;
        self.refresh()
    }

    /// Adds facts above those that are there.
    pub(super) fn add(&mut self, facts: &[Fact]) -> Result<(), WalletError> {
        if facts.is_empty() {
            return Ok(());
        }
        self.write(|transaction, net| facts.iter().try_for_each(|fact| insert(transaction, net, fact)))?;
        self.count += facts.len();
        Ok(())
    }

    /// Facts up to a height get what other locks did there, and are from then on of all of these; those above are forgotten.
    pub(super) fn merge(&mut self, locks: &BTreeSet<LockHash>, height: u64, facts: &[Fact]) -> Result<(), WalletError> {
        self.write(|transaction, net| {
            let sql = "DELETE FROM fact WHERE net = ?1 AND height > ?2";
            transaction.execute(sql, params![net, sql_number(height)])?;
            let mut block = transaction.prepare("SELECT block FROM fact WHERE net = ?1 AND height = ?2 LIMIT 1")?;
            for fact in facts {
                let there = block.query_map(params![net, sql_number(fact.height)], |row| row.get::<_, [u8; 32]>(0))?;
                if there.flatten().any(|there| there != fact.block.0) {
                    // Two chains in what was called final: nothing of it is of use.
                    transaction.execute("DELETE FROM fact WHERE net = ?1", [net])?;
                    break;
                }
                insert(transaction, net, fact)?;
            }
            set_locks(transaction, net, locks)
        })?;
        self.refresh()
    }

    /// The highest height with facts, at or below this one.
    pub(super) fn last_height(&self, most: u64) -> Result<Option<u64>, WalletError> {
        let sql = "SELECT max(height) FROM fact WHERE net = ?1 AND height <= ?2";
        let height: Option<i64> =
            self.read(|connection, net| connection.query_row(sql, params![net, sql_number(most)], |row| row.get(0)))?;
        Ok(height.map(i64::unsigned_abs))
    }

    /// The facts of one height.
    pub(super) fn facts_at(&self, height: u64) -> Result<Vec<Fact>, WalletError> {
        self.select("height = ?2", height)
    }

    /// The facts from a height on.
    pub(super) fn facts(&self, from_height: u64) -> Result<Vec<Fact>, WalletError> {
        self.select("height >= ?2", from_height)
    }

    fn select(&self, which: &str, height: u64) -> Result<Vec<Fact>, WalletError> {
        let sql = format!(
            "SELECT height, position, block, txid, time, received, sent FROM fact WHERE net = ?1 AND {which}
             ORDER BY height, position"
        );
        self.read(|connection, net| {
            connection.prepare(&sql)?.query_map(params![net, sql_number(height)], fact)?.collect()
        })
    }

    /// What all facts below a height come to.
    pub(super) fn balance_before(&self, height: u64) -> Result<i128, WalletError> {
        // Sums of fewer than 2^23 amounts that are below 2^53 each: SQLite's integers hold them in halves.
        let sql =
            "SELECT ifnull(sum(received >> 20), 0), ifnull(sum(received & 1048575), 0), ifnull(sum(sent >> 20), 0),
                   ifnull(sum(sent & 1048575), 0) FROM fact WHERE net = ?1 AND height < ?2";
        let sums: [i64; 4] = self.read(|connection, net| {
            let sums = |row: &Row<'_>| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?]);
            connection.query_row(sql, params![net, sql_number(height)], sums)
        })?;
        let [in_high, in_low, out_high, out_low] = sums.map(i128::from);
        Ok((in_high << 20) + in_low - (out_high << 20) - out_low)
    }

    /// Forgets the facts above a height; whether there were any.
    pub(super) fn forget_above(&mut self, height: u64) -> Result<bool, WalletError> {
        if self.last_height(u64::MAX)?.is_none_or(|last| last <= height) {
            return Ok(false);
        }
        let sql = "DELETE FROM fact WHERE net = ?1 AND height > ?2";
        self.write(|transaction, net| transaction.execute(sql, params![net, sql_number(height)]).map(drop))?;
        self.refresh()?;
        Ok(true)
    }

    /// Forgets all facts, but not whose they were; whether there were any.
    pub(super) fn forget_all(&mut self) -> Result<bool, WalletError> {
        if self.count == 0 {
            return Ok(false);
        }
        self.write(|transaction, net| transaction.execute("DELETE FROM fact WHERE net = ?1", [net]).map(drop))?;
        self.refresh()?;
        Ok(true)
    }
}

fn revision(connection: &Connection, net: i64) -> rusqlite::Result<i64> {
    connection.query_row("SELECT revision FROM net WHERE id = ?1", [net], |row| row.get(0))
}

/// Numbers are at most 2^63 − 1 in SQLite; no height is above that.
fn sql_number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn set_locks(
    transaction: &rusqlite::Transaction<'_>,
    net: i64,
    locks: &BTreeSet<LockHash>,
) -> Result<(), rusqlite::Error> {
    transaction.execute("DELETE FROM lock WHERE net = ?1", [net])?;
    let mut insert = transaction.prepare("INSERT INTO lock (net, lock) VALUES (?1, ?2)")?;
    locks.iter().try_for_each(|lock| insert.execute(params![net, lock.0]).map(drop))
}

/// Adds a fact; what is there of the same transaction was of other locks.
fn insert(transaction: &rusqlite::Transaction<'_>, net: i64, fact: &Fact) -> Result<(), rusqlite::Error> {
    let sql = "INSERT INTO fact (net, height, position, block, txid, time, received, sent)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO UPDATE
               SET received = received + excluded.received, sent = sent + excluded.sent";
    let [received, sent] = [fact.received, fact.sent].map(|amount| sql_number(amount.grains()));
    let (height, position) = (sql_number(fact.height), fact.position);
    let values = params![net, height, position, fact.block.0, fact.txid.0, fact.time_s, received, sent];
    transaction.prepare_cached(sql)?.execute(values).map(drop)
}

fn fact(row: &Row<'_>) -> rusqlite::Result<Fact> {
    let amount = |column: usize| {
        let grains: i64 = row.get(column)?;
        let amount = u64::try_from(grains).ok().and_then(Amount::from_grains);
        amount.ok_or(rusqlite::Error::IntegralValueOutOfRange(column, grains))
    };
    Ok(Fact {
        height: row.get::<_, i64>(0)?.unsigned_abs(),
        position: row.get(1)?,
        block: BlockId(row.get(2)?),
        txid: TxId(row.get(3)?),
        time_s: row.get(4)?,
        received: amount(5)?,
        sent: amount(6)?,
    })
}
