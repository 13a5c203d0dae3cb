//! Records: handed out, then durable.

use super::error::StoreError;
use super::log::{self, IsLong};
use super::rows::{claimed_height, sql};
use super::schema;
use bezant_consensus::engine::Record;
use bezant_consensus::ledger::block::Block;
use bezant_consensus::ledger::codec::{encode, encode_with_room};
use bezant_consensus::ledger::hash::BlockId;
use bezant_consensus::ledger::units::Height;
use bezant_consensus::limits::SNAPSHOTS_HELD;
use bezant_consensus::message::CommitCertificate;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

/// Bodies that are kept in memory after their commit: those that are about to be connected or asked for by peers ...
const RECENT_BODIES_MAX: usize = 64;
/// ... fewer when they hold more transactions than this ...
const RECENT_TRANSACTIONS_MAX: usize = 16_384;
/// ... but never less.
const RECENT_BODIES_MIN: usize = 8;

/// What the core may read before, and shortly after, it is durable.
#[derive(Debug, Default)]
pub(super) struct Fresh {
    pub(super) blocks: BTreeMap<BlockId, Arc<Block>>,
    /// Invariant: the keys of `blocks`, oldest first.
    order: VecDeque<BlockId>,
    /// In all of `blocks`.
    transactions: usize,
    /// Handed out, not yet committed.
    pub(super) certificates: BTreeMap<Height, CommitCertificate>,
}

impl Fresh {
    fn forget_old(&mut self) {
        let is_much = |fresh: &Fresh| {
            fresh.order.len() > RECENT_BODIES_MAX
                || (fresh.transactions > RECENT_TRANSACTIONS_MAX && fresh.order.len() > RECENT_BODIES_MIN)
        };
        while is_much(self) {
            let oldest = self.order.pop_front().and_then(|id| self.blocks.remove(&id));
            self.transactions -= oldest.map_or(0, |block| block.transactions.len());
        }
    }
}

/// [`Fresh`], shared by the writer and the views.
#[derive(Clone, Debug, Default)]
pub(super) struct SharedFresh(Arc<Mutex<Fresh>>);

impl SharedFresh {
    pub(super) fn lock(&self) -> MutexGuard<'_, Fresh> {
        self.0.lock().expect("nothing panics while it holds this lock")
    }
}

/// Names the log of one key's votes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VoteLogNumber {
    /// Drawn when it was begun.
    pub number: [u8; 32],
    /// Whether it is the first one of its key.
    pub is_original: bool,
}

/// The writer of `facts.sqlite`.
#[derive(Debug)]
pub struct Facts {
    connection: Connection,
    path: PathBuf,
    fresh: SharedFresh,
    log: IsLong,
    /// Votes at or below this height are to be forgotten with the next commit.
    obsolete: Option<Height>,
}

impl Facts {
    pub(super) fn new(connection: Connection, path: PathBuf, fresh: SharedFresh, log: IsLong) -> Facts {
        Facts { connection, path, fresh, log, obsolete: None }
    }

    /// From now on views answer for this record, which a commit must follow.
    pub fn hand_out(&self, record: &Record) {
        let mut fresh = self.fresh.lock();
        match record {
            Record::Body(block) => {
                let id = block.id();
                if fresh.blocks.insert(id, Arc::new(block.clone())).is_none() {
                    fresh.order.push_back(id);
                    fresh.transactions += block.transactions.len();
                }
            }
            Record::Committed(certificate) => {
                fresh.certificates.insert(certificate.ballot.height, certificate.clone());
            }
            Record::Vote(_)
            | Record::Prepared(_)
            | Record::Header(_)
            | Record::Invalid(_)
            | Record::Invalidated(_)
            | Record::Reconsidered(_)
            | Record::ToldFinal(_)
            | Record::ViewChange(_)
            | Record::NewView(_)
            | Record::Evidence(_)
            | Record::Checkpoint(_)
            | Record::CheckpointState(_)
            | Record::Stable(_)
            | Record::Epoch(_) => {}
        }
    }

    /// Makes records durable, all or none, in one transaction.
    ///
    /// # Errors
    /// When they cannot be written; then nothing that rests on them may happen any more, and the node has to stop.
    pub fn commit(&mut self, records: &[Record]) -> Result<(), StoreError> {
        self.write(records).map_err(|error| StoreError::sqlite(&self.path, &error))?;
        if let Err(error) = self.log.settle(&self.connection) {
            log::warn_of(schema::FACTS_FILE, &error);
        }
        self.obsolete = None;
        let mut fresh = self.fresh.lock();
        fresh.certificates.clear();
        fresh.forget_old();
        Ok(())
    }

    fn write(&mut self, records: &[Record]) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if let Some(height) = self.obsolete {
            let mut statement = transaction.prepare_cached("DELETE FROM votes WHERE height <= ?1")?;
            statement.execute([sql(height.0)])?;
        }
        records.iter().try_for_each(|record| insert(&transaction, record))?;
        transaction.commit()
    }

    /// Votes and prepared certificates at or below this height, final and flushed, may be forgotten. Takes place with the next
    /// commit.
    pub fn forget_votes(&mut self, up_to: Height) {
        self.obsolete = self.obsolete.max(Some(up_to));
    }

    /// The log of votes that these facts are; `None` before a key was ever used with them.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn vote_log(&self) -> Result<Option<VoteLogNumber>, StoreError> {
        let query = "SELECT value FROM meta WHERE key = 'vote_log'";
        let found = self.connection.query_row(query, [], |row| row.get::<_, Vec<u8>>(0)).optional();
        let bytes = found.map_err(|error| StoreError::sqlite(&self.path, &error))?;
        let number = |bytes: Vec<u8>| {
            let (last, number) = bytes.split_last().ok_or("a vote log without a number")?;
            let number = <[u8; 32]>::try_from(number).map_err(|_| "the number of the vote log")?;
            Ok(VoteLogNumber { number, is_original: *last == 1 })
        };
        bytes.map(number).transpose().map_err(|what: &str| StoreError::damaged(&self.path, what))
    }

    /// From now on these facts are that log.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn begin_vote_log(&mut self, log: VoteLogNumber) -> Result<(), StoreError> {
        let value = [&log.number[..], &[u8::from(log.is_original)]].concat();
        super::rows::put_meta(&self.connection, "vote_log", &value)
            .map_err(|error| StoreError::sqlite(&self.path, &error))
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &std::path::Path {
        &self.path
    }
}

pub(super) fn insert(connection: &Connection, record: &Record) -> rusqlite::Result<()> {
    match record {
        Record::Vote(_) | Record::Prepared(_) => {
            let height = record.obsolete_from().map_or(0, |height| height.0);
            let mut statement = connection.prepare_cached("INSERT INTO votes (height, record) VALUES (?1, ?2)")?;
            statement.execute(params![sql(height), encode(record)])?;
        }
        Record::ViewChange(_) => replace(connection, 0, record)?,
        Record::NewView(_) => replace(connection, 1, record)?,
        Record::ToldFinal(_) => replace(connection, 2, record)?,
        Record::CheckpointState(state) => insert_checkpoint(connection, 0, state.checkpoint.height, record)?,
        Record::Checkpoint(vote) => insert_checkpoint(connection, 1, vote.checkpoint.height, record)?,
        Record::Stable(certificate) => {
            let height = certificate.checkpoint.height;
            insert_checkpoint(connection, 2, height, record)?;
            drop_superseded(connection, height)?;
        }
        Record::Epoch(succession) => {
            let mut statement =
                connection.prepare_cached("INSERT OR REPLACE INTO epochs (epoch, record) VALUES (?1, ?2)")?;
            statement.execute(params![sql(succession.epoch().0), encode(record)])?;
        }
        Record::Evidence(_) => {
            let mut statement = connection.prepare_cached("INSERT INTO evidence (record) VALUES (?1)")?;
            statement.execute([encode(record)])?;
        }
        Record::Body(block) => {
            let mut statement =
                connection.prepare_cached("INSERT OR IGNORE INTO blocks (id, height, body) VALUES (?1, ?2, ?3)")?;
            // The claimed height only finds bodies again; one beyond what SQLite holds is a body that nothing will ever connect.
            let height = claimed_height(block).0.min(i64::MAX.unsigned_abs());
            statement.execute(params![block.id().0, sql(height), encode_with_room(block, block.bytes())])?;
        }
        Record::Committed(certificate) => {
            let mut statement = connection
                .prepare_cached("INSERT OR REPLACE INTO certificates (height, certificate) VALUES (?1, ?2)")?;
            statement.execute(params![sql(certificate.ballot.height.0), encode(certificate)])?;
        }
        Record::Header(header) => {
            let mut statement =
                connection.prepare_cached("INSERT OR IGNORE INTO headers (id, header) VALUES (?1, ?2)")?;
            statement.execute(params![header.id().0, encode(header)])?;
        }
        Record::Invalid(id) => {
            let mut statement =
                connection.prepare_cached("INSERT OR REPLACE INTO invalid (id, by_hand) VALUES (?1, FALSE)")?;
            statement.execute([id.0])?;
        }
        Record::Invalidated(id) => {
            let mut statement =
                connection.prepare_cached("INSERT OR REPLACE INTO invalid (id, by_hand) VALUES (?1, TRUE)")?;
            statement.execute([id.0])?;
        }
        Record::Reconsidered(id) => {
            let mut statement = connection.prepare_cached("DELETE FROM invalid WHERE id = ?1")?;
            statement.execute([id.0])?;
        }
    }
    Ok(())
}

/// Puts a record into the place of the one of its kind.
fn replace(connection: &Connection, kind: i64, record: &Record) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached("INSERT OR REPLACE INTO latest (kind, record) VALUES (?1, ?2)")?;
    statement.execute(params![kind, encode(record)]).map(drop)
}

fn insert_checkpoint(connection: &Connection, kind: i64, height: Height, record: &Record) -> rusqlite::Result<()> {
    let mut statement =
        connection.prepare_cached("INSERT OR REPLACE INTO checkpoints (kind, height, record) VALUES (?1, ?2, ?3)")?;
    statement.execute(params![kind, sql(height.0), encode(record)]).map(drop)
}

/// As [`Record::superseded`] says.
fn drop_superseded(connection: &Connection, latest: Height) -> rusqlite::Result<()> {
    let query = "SELECT MIN(height) FROM (SELECT height FROM checkpoints WHERE kind = 2 ORDER BY height DESC LIMIT ?1)";
    let held = i64::try_from(SNAPSHOTS_HELD).expect("a small number");
    let oldest: i64 = connection.prepare_cached(query)?.query_row([held], |row| row.get(0))?;
    connection.prepare_cached("DELETE FROM checkpoints WHERE kind = 1 AND height <= ?1")?.execute([sql(latest.0)])?;
    connection.prepare_cached("DELETE FROM checkpoints WHERE kind <> 1 AND height < ?1")?.execute([oldest]).map(drop)
}

/// Creates the tables, with the genesis block, in one transaction.
pub(super) fn create(connection: &mut Connection, network: &[u8; 32], genesis: &Block) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(schema::FACTS_SCHEMA)?;
    super::rows::put_meta(&transaction, "network", network)?;
    insert(&transaction, &Record::Body(genesis.clone()))?;
    transaction.pragma_update(None, "user_version", schema::FACTS_FORMAT)?;
    transaction.commit()
}
