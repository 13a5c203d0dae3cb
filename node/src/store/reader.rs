//! Answers to users' questions about what is stored. One reader serves one question at a time.

use super::changes::{Hint, coin_key, coin_of, lock_key, movements, name_of_lock, place_prefix};
use super::error::StoreError;
use super::rows::{meta, meta_number, number, sql};
use super::runs::{self, Catalog, Kind, Scan, filtered};
use super::schema;
use bezant_consensus::engine::Record;
use bezant_consensus::ledger::block::Block;
use bezant_consensus::ledger::coins::Coin;
use bezant_consensus::ledger::hash::{BlockId, LockHash, TxId};
use bezant_consensus::ledger::transaction::{OutPoint, Transaction};
use bezant_consensus::ledger::units::Height;
use bezant_consensus::limits::HEADER_BYTES;
use bezant_consensus::message::epoch::Succession;
use borsh::BorshDeserialize;
use rusqlite::{Connection, OptionalExtension};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Two read-only connections.
#[derive(Debug)]
pub struct Reader {
    facts: Connection,
    facts_path: PathBuf,
    state: Connection,
    state_path: PathBuf,
    /// The runs that were read last.
    catalog: Catalog,
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
        let state = schema::open_reader(&state_path)?;
        Ok(Reader { facts, facts_path, state, state_path, catalog: Catalog::default() })
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
    pub fn place(&mut self, txid: &TxId) -> Result<Option<StoredPlace>, StoreError> {
        let prefix = place_prefix(txid);
        self.snapshot(|snapshot, catalog| {
            let mut scan = Scan::new(snapshot, Kind::Places, &filtered(catalog.of(Kind::Places), &prefix), &prefix)?;
            while let Some(record) = scan.next_there(snapshot, &prefix)? {
                let Some(hint) = Hint::read(record, prefix.len()) else { continue };
                if let Some((block, _)) = active(snapshot, hint.height)?.filter(|(block, _)| hint.is_of(block)) {
                    return Ok(Some(StoredPlace { height: hint.height, block, position: hint.position as usize }));
                }
            }
            Ok(None)
        })
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
        self.snapshot(|snapshot, catalog| {
            let tip = tip(snapshot)?;
            let mut found: BTreeMap<OutPoint, Coin> = BTreeMap::new();
            for lock in locks {
                let begin = &lock.0[..8];
                let from = after.map_or(begin.to_vec(), |after| lock_key(lock, &after).to_vec());
                let mut scan = Scan::new(snapshot, Kind::Locks, catalog.of(Kind::Locks), &from)?;
                let mut of_lock = 0;
                while of_lock <= limit
                    && let Some(record) = scan.next_there(snapshot, begin)?
                {
                    let Some(name) = name_of_lock(record).filter(|name| Some(*name) != after) else { continue };
                    let coin = runs::get(snapshot, catalog.of(Kind::Coins), &coin_key(&name), coin_of)?.flatten();
                    if let Some((_, coin)) = coin.filter(|(_, coin)| coin.lock == *lock) {
                        found.insert(name, coin);
                        of_lock += 1;
                    }
                }
            }
            let more = found.len() > limit;
            let coins = found.into_iter().take(limit).map(|(outpoint, coin)| StoredCoin { outpoint, coin }).collect();
            Ok((tip, coins, more))
        })
    }

    /// The first `limit` entries of these locks from a height and a position there on, ascending, and whether there are more.
    ///
    /// # Errors
    /// When a file cannot be read or is damaged.
    pub fn history(
        &mut self,
        locks: &BTreeSet<LockHash>,
        from: (Height, u32),
        limit: usize,
    ) -> Result<(StoredTip, Vec<StoredEntry>, bool), StoreError> {
        let (tip, mut hints) = self.snapshot(|snapshot, catalog| {
            let runs = catalog.of(Kind::History);
            let mut found = BTreeMap::new();
            // What is above the last place that can be part of the answer is not even read.
            let mut last = Height(u64::MAX);
            for lock in locks {
                let begin = &lock.0[..8];
                let from = [begin, &from.0.0.to_be_bytes(), &from.1.to_be_bytes()].concat();
                let mut scan = Scan::new(snapshot, Kind::History, runs, &from)?;
                let (mut of_lock, mut block) = (0, None);
                while of_lock <= limit
                    && let Some(record) = scan.next_there(snapshot, begin)?
                {
                    let Some(hint) = Hint::read(record, begin.len()).filter(|hint| hint.height <= last) else { break };
                    if block.is_none_or(|(height, _)| height != hint.height) {
                        block = Some((hint.height, active(snapshot, hint.height)?));
                    }
                    let block = block.and_then(|(_, block)| block).filter(|(id, _)| hint.is_of(id));
                    if let Some((id, time_s)) = block {
                        found.insert((hint.height, hint.position), (hint, id, time_s));
                        of_lock += 1;
                    }
                }
                while found.len() > limit + 1 {
                    found.pop_last();
                }
                if found.len() > limit
                    && let Some(((height, _), _)) = found.last_key_value()
                {
                    last = *height;
                }
            }
            Ok((tip(snapshot)?, found))
        })?;
        let more = hints.len() > limit;
        while hints.len() > limit {
            hints.pop_last();
        }
        let entries = hints.into_values().collect::<Vec<_>>();
        Ok((tip, self.entries(locks, &entries)?, more))
    }

    /// What the transactions at these places did to the locks. Entries of one block stand together.
    fn entries(
        &self,
        locks: &BTreeSet<LockHash>,
        hints: &[(Hint, BlockId, u32)],
    ) -> Result<Vec<StoredEntry>, StoreError> {
        let damaged = |reason: String| StoreError::damaged(&self.facts_path, reason);
        let (mut entries, mut body) = (Vec::with_capacity(hints.len()), None);
        for (hint, block, time_s) in hints {
            if body.as_ref().is_none_or(|(id, _)| id != block) {
                let missing = || damaged(format!("block {block} of the active chain is missing"));
                body = Some((*block, self.block(block)?.ok_or_else(missing)?.1));
            }
            let mut rest = body.as_ref().and_then(|(_, bytes)| bytes.get(hint.offset..)).unwrap_or_default();
            let transaction = Transaction::deserialize(&mut rest).map_err(|error| damaged(error.to_string()))?;
            let moved: Vec<(u64, u64)> = movements(&transaction)
                .into_iter()
                .filter_map(|(lock, moved)| locks.contains(&lock).then_some(moved))
                .collect();
            // Another lock that begins as one of these.
            if moved.is_empty() {
                continue;
            }
            entries.push(StoredEntry {
                txid: transaction.id(),
                height: hint.height,
                position: hint.position,
                block: *block,
                time_s: *time_s,
                received: moved.iter().map(|(received, _)| received).sum(),
                sent: moved.iter().map(|(_, sent)| sent).sum(),
            });
        }
        Ok(entries)
    }

    /// Asks the state as it is at one moment.
    fn snapshot<T>(&mut self, ask: impl FnOnce(&Connection, &Catalog) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let read = || {
            let snapshot = self.state.transaction()?;
            self.catalog = Catalog::load(&snapshot, &self.catalog)?;
            ask(&snapshot, &self.catalog)
        };
        read().map_err(|error| StoreError::sqlite(&self.state_path, &error))
    }
}

/// The block of the active chain at a height, and its time.
fn active(connection: &Connection, height: Height) -> rusqlite::Result<Option<(BlockId, u32)>> {
    let height = sql(height.0.min(i64::MAX.unsigned_abs()));
    let mut statement = connection.prepare_cached("SELECT id, time FROM active WHERE height = ?1")?;
    statement.query_row([height], |row| Ok((BlockId(row.get(0)?), row.get(1)?))).optional()
}

fn tip(connection: &Connection) -> rusqlite::Result<StoredTip> {
    let missing = || rusqlite::Error::QueryReturnedNoRows;
    Ok(StoredTip {
        height: Height(meta_number(connection, "tip_height")?.ok_or_else(missing)?),
        id: BlockId(meta(connection, "tip_id")?.ok_or_else(missing)?),
        final_height: Height(meta_number(connection, "final_height")?.ok_or_else(missing)?),
    })
}
