//! Answers to users' questions about what is stored. One reader serves one question at a time.

use super::error::StoreError;
use super::rows::{coin, meta, meta_number, number, outpoint_key, outpoint_of, sql};
use super::schema;
use bezant_consensus::engine::Record;
use bezant_consensus::ledger::block::Block;
use bezant_consensus::ledger::coins::Coin;
use bezant_consensus::ledger::hash::{BlockId, LockHash, TxId};
use bezant_consensus::ledger::transaction::OutPoint;
use bezant_consensus::ledger::units::Height;
use bezant_consensus::limits::HEADER_BYTES;
use bezant_consensus::message::epoch::Succession;
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Two read-only connections.
#[derive(Debug)]
pub struct Reader {
    facts: Connection,
    facts_path: PathBuf,
    state: Connection,
    state_path: PathBuf,
}

/// Where a transaction is in the stored chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredPlace {
    /// Height of its block.
    pub height: Height,
    /// Its block.
    pub block: BlockId,
    /// Index in the block.
    pub position: usize,
}

/// A stored coin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredCoin {
    /// Its name.
    pub outpoint: OutPoint,
    /// The coin.
    pub coin: Coin,
}

/// What one transaction did to the locks asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredEntry {
    /// The transaction.
    pub txid: TxId,
    /// Height of its block.
    pub height: Height,
    /// Its place in it.
    pub position: u32,
    /// Its block.
    pub block: BlockId,
    /// Header time of its block, seconds.
    pub time_s: u32,
    /// Grains received.
    pub received: u64,
    /// Grains sent.
    pub sent: u64,
}

/// A header of the stored chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredHeader {
    /// Its height.
    pub height: Height,
    /// Its encoding.
    pub bytes: [u8; HEADER_BYTES],
}

/// The tip that an answer holds for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredTip {
    /// Its height.
    pub height: Height,
    /// Its id.
    pub id: BlockId,
    /// Up to this height blocks are final.
    pub final_height: Height,
}

impl Reader {
    /// Opens the files of a data directory that a node uses.
    ///
    /// # Errors
    /// When they cannot be opened.
    pub fn open(dir: &Path) -> Result<Reader, StoreError> {
        let (facts_path, state_path) = (schema::facts_path(dir), schema::state_path(dir));
        let facts = schema::open_reader(&facts_path)?;
        Ok(Reader { facts, facts_path, state: schema::open_reader(&state_path)?, state_path })
    }

    /// A block's body, encoded, with the height that it claims and, under PBFT, the certificate of that height if it is this
    /// block's.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn block(&self, id: &BlockId) -> Result<Option<(Height, Vec<u8>)>, StoreError> {
        let read = || {
            self.facts
                .prepare_cached("SELECT height, body FROM blocks WHERE id = ?1")?
                .query_row([id.0], |row| Ok((Height(number(row, 0)?), row.get(1)?)))
                .optional()
        };
        read().map_err(|error| StoreError::sqlite(&self.facts_path, &error))
    }

    /// The commit certificate of a height, encoded.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn certificate(&self, height: Height) -> Result<Option<Vec<u8>>, StoreError> {
        let read = || {
            self.facts
                .prepare_cached("SELECT certificate FROM certificates WHERE height = ?1")?
                .query_row([sql(height.0)], |row| row.get(0))
                .optional()
        };
        read().map_err(|error| StoreError::sqlite(&self.facts_path, &error))
    }

    /// How epochs began, at most `limit` from epoch `from` on, the earliest first.
    ///
    /// # Errors
    /// When the file cannot be read or is damaged.
    pub fn epochs(&self, from: u64, limit: usize) -> Result<Vec<Succession>, StoreError> {
        // Epochs are far fewer than either number may say.
        let most = i64::MAX.unsigned_abs();
        let bounds = [sql(from.min(most)), sql((limit as u64).min(most))];
        let read = || -> rusqlite::Result<Vec<Vec<u8>>> {
            let query = "SELECT record FROM epochs WHERE epoch >= ?1 ORDER BY epoch LIMIT ?2";
            self.facts.prepare_cached(query)?.query_map(bounds, |row| row.get(0))?.collect()
        };
        let records = read().map_err(|error| StoreError::sqlite(&self.facts_path, &error))?;
        records.iter().map(|record| self.succession(record)).collect()
    }

    /// How the latest epoch began; `None` when it is the first.
    ///
    /// # Errors
    /// When the file cannot be read or is damaged.
    pub fn last_epoch(&self) -> Result<Option<Succession>, StoreError> {
        let read = || {
            let query = "SELECT record FROM epochs ORDER BY epoch DESC LIMIT 1";
            self.facts.prepare_cached(query)?.query_row([], |row| row.get::<_, Vec<u8>>(0)).optional()
        };
        let record = read().map_err(|error| StoreError::sqlite(&self.facts_path, &error))?;
        record.map(|record| self.succession(&record)).transpose()
    }

    fn succession(&self, record: &[u8]) -> Result<Succession, StoreError> {
        match borsh::from_slice(record) {
            Ok(Record::Epoch(succession)) => Ok(succession),
            Ok(_) => Err(StoreError::damaged(&self.facts_path, "another record among the epochs")),
            Err(error) => Err(StoreError::damaged(&self.facts_path, error.to_string())),
        }
    }

    /// A block's body.
    ///
    /// # Errors
    /// When the file cannot be read or is damaged.
    pub fn body(&self, id: &BlockId) -> Result<Option<Block>, StoreError> {
        let Some((_, bytes)) = self.block(id)? else { return Ok(None) };
        let damaged = |error: std::io::Error| StoreError::damaged(&self.facts_path, error.to_string());
        borsh::from_slice(&bytes).map(Some).map_err(damaged)
    }

    /// The first `limit` headers of the active chain from a height on, without a gap, as far as their blocks are held; and the
    /// tip of that chain. None when there is none of that height.
    ///
    /// # Errors
    /// When a file cannot be read or is damaged.
    pub fn headers(&mut self, from: Height, limit: usize) -> Result<(StoredTip, Vec<StoredHeader>), StoreError> {
        let path = self.state_path.clone();
        let bounds = [from.0, limit as u64].map(|bound| sql(bound.min(i64::MAX.unsigned_abs())));
        let mut read = || {
            let snapshot = self.state.transaction()?;
            let query = "SELECT height, id FROM active WHERE height >= ?1 ORDER BY height LIMIT ?2";
            let row = |row: &rusqlite::Row<'_>| Ok((number(row, 0)?, row.get(1)?));
            let found: rusqlite::Result<Vec<(u64, [u8; 32])>> =
                snapshot.prepare_cached(query)?.query_map(bounds, row)?.collect();
            Ok((tip(&snapshot)?, found?))
        };
        let (tip, found) = read().map_err(|error| StoreError::sqlite(&path, &error))?;
        let mut headers = Vec::new();
        for (expected, (height, id)) in (from.0..=u64::MAX).zip(found) {
            if height != expected {
                break;
            }
            let Some(bytes) = self.header(&id)? else { break };
            headers.push(StoredHeader { height: Height(height), bytes });
        }
        Ok((tip, headers))
    }

    /// The header of a block whose body is held.
    fn header(&self, id: &[u8; 32]) -> Result<Option<[u8; HEADER_BYTES]>, StoreError> {
        let read = || {
            self.facts
                .prepare_cached("SELECT substr(body, 1, 80) FROM blocks WHERE id = ?1")?
                .query_row([id], |row| row.get::<_, [u8; HEADER_BYTES]>(0))
                .optional()
        };
        read().map_err(|error| StoreError::sqlite(&self.facts_path, &error))
    }

    /// Where a transaction is.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn place(&self, txid: &TxId) -> Result<Option<StoredPlace>, StoreError> {
        let query =
            "SELECT t.height, a.id, t.position FROM txs t JOIN active a ON a.height = t.height WHERE t.txid = ?1";
        let read = || {
            self.state
                .prepare_cached(query)?
                .query_row([txid.0], |row| {
                    let position = usize::try_from(number(row, 2)?).unwrap_or(usize::MAX);
                    Ok(StoredPlace { height: Height(number(row, 0)?), block: BlockId(row.get(1)?), position })
                })
                .optional()
        };
        read().map_err(|error| StoreError::sqlite(&self.state_path, &error))
    }

    /// The first `limit` coins of these locks after an outpoint, ascending, and whether there are more; all at the tip given.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn coins(
        &mut self,
        locks: &BTreeSet<LockHash>,
        after: Option<OutPoint>,
        limit: usize,
    ) -> Result<(StoredTip, Vec<StoredCoin>, bool), StoreError> {
        let path = self.state_path.clone();
        let mut read = || {
            let snapshot = self.state.transaction()?;
            let tip = tip(&snapshot)?;
            let mut found: BTreeMap<OutPoint, Coin> = BTreeMap::new();
            let query = "SELECT outpoint, lock, amount, height, coinbase FROM coins
                         WHERE lock = ?1 AND outpoint > ?2 ORDER BY outpoint LIMIT ?3";
            let mut statement = snapshot.prepare_cached(query)?;
            let after = after.map_or(Vec::new(), |outpoint| outpoint_key(&outpoint).to_vec());
            for lock in locks {
                let rows = statement.query_map(params![lock.0, after, sql(limit as u64 + 1)], |row| {
                    Ok((outpoint_of(&row.get::<_, [u8; 36]>(0)?), coin(row, 1)?))
                })?;
                for row in rows {
                    let (outpoint, coin) = row?;
                    found.insert(outpoint, coin);
                }
            }
            let more = found.len() > limit;
            let coins = found.into_iter().take(limit).map(|(outpoint, coin)| StoredCoin { outpoint, coin }).collect();
            Ok((tip, coins, more))
        };
        read().map_err(|error| StoreError::sqlite(&path, &error))
    }

    /// The first `limit` entries of these locks from a height and a position there on, ascending, and whether there are more.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn history(
        &mut self,
        locks: &BTreeSet<LockHash>,
        from: (Height, u32),
        limit: usize,
    ) -> Result<(StoredTip, Vec<StoredEntry>, bool), StoreError> {
        let path = self.state_path.clone();
        let mut read = || {
            let snapshot = self.state.transaction()?;
            let tip = tip(&snapshot)?;
            let from = (sql(from.0.0.min(i64::MAX.unsigned_abs())), from.1);
            let mut found: BTreeMap<(u64, u32), StoredEntry> = BTreeMap::new();
            let query = "SELECT h.height, h.position, h.txid, h.received, h.sent, a.id, a.time
                         FROM history h JOIN active a ON a.height = h.height
                         WHERE h.lock = ?1 AND (h.height, h.position) >= (?2, ?3) AND h.height <= ?4
                         ORDER BY h.height, h.position LIMIT ?5";
            let mut statement = snapshot.prepare_cached(query)?;
            // What is above the last place that can be part of the answer is not even read.
            let mut last = i64::MAX;
            for lock in locks {
                let mut rows = statement.query(params![lock.0, from.0, from.1, last, sql(limit as u64 + 1)])?;
                while let Some(row) = rows.next()? {
                    let (height, position) = (number(row, 0)?, row.get(1)?);
                    let entry = found.entry((height, position)).or_insert(StoredEntry {
                        txid: TxId(row.get(2)?),
                        height: Height(height),
                        position,
                        block: BlockId(row.get(5)?),
                        time_s: row.get(6)?,
                        received: 0,
                        sent: 0,
                    });
                    entry.received += number(row, 3)?;
                    entry.sent += number(row, 4)?;
                }
                while found.len() > limit + 1 {
                    found.pop_last();
                }
                if found.len() > limit
                    && let Some(((height, _), _)) = found.last_key_value()
                {
                    last = sql(*height);
                }
            }
            let more = found.len() > limit;
            Ok((tip, found.into_values().take(limit).collect(), more))
        };
        read().map_err(|error| StoreError::sqlite(&path, &error))
    }
}

fn tip(connection: &Connection) -> rusqlite::Result<StoredTip> {
    let missing = || rusqlite::Error::QueryReturnedNoRows;
    Ok(StoredTip {
        height: Height(meta_number(connection, "tip_height")?.ok_or_else(missing)?),
        id: BlockId(meta(connection, "tip_id")?.ok_or_else(missing)?),
        final_height: Height(meta_number(connection, "final_height")?.ok_or_else(missing)?),
    })
}
