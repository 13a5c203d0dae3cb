//! Sorted runs: how `state.sqlite` keeps what changes with every transaction, with few writes in order instead of many at random.
//!
//! Each flush writes what is new as one *run* of each kind: records of a fixed length in the order of their keys, cut into
//! *chunks* of 4,000 bytes, which are rows of the table `chunks`. A run is never changed. What a key stands for is said by the newest
//! run that has it; a coin that is spent has a record that says so. When there are [`FANOUT`] runs of about one size, they are
//! merged into one, in steps between which flushes go on (a log-structured merge tree, size-tiered). So a record is written
//! as often as the logarithm of their number says, always in order, whatever the size of the whole.
//!
//! | kind | key | value |
//! |---|---|---|
//! | coins | bucket, txid, index | lock, grains, height, state |
//! | locks: coins by who may spend them | first 8 bytes of the lock, txid, index | state |
//! | places: where transactions are | first 16 bytes of the txid, height, position | first 8 bytes of the block's id |
//! | history: what touched a lock | first 8 bytes of the lock, height, position | first 8 bytes of the block's id, offset in its body |
//!
//! Numbers are big-endian, so that the order of bytes is that of the ledger. *State* is 0, 1 for a coin of a coinbase, or 2 for one
//! that is gone. Locks, places and history are hints: whoever follows one looks whether the coin has that lock,
//! whether the block is the active one of that height, and what the transaction there really does. So nothing has to be taken back
//! when a block is disconnected, and the parts of hashes may be short.
//!
//! The table `runs` lists the runs that count, each with the first key of every chunk and a filter that says of most
//! keys that they are not there; both are in memory while the node runs, some three bytes for a coin. The table `litter` lists
//! runs that do not count, because they are not finished or have been merged; their chunks are swept bit by bit. All this moves in SQLite's
//! transactions, together with the tip.

mod filter;
mod merge;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub(super) use merge::Merging;
pub(super) use read::{Scan, filtered, get};
pub(super) use write::{Records, write_run};

use filter::Filter;
use rusqlite::{Connection, Row, params};
use std::sync::{Arc, PoisonError, RwLock};

/// Runs of about one size that are merged into one.
const FANOUT: usize = 8;
/// Bytes of records in a chunk: four fit into a page beside SQLite's own; in a file whose pages are of 4,096 bytes, one does.
const CHUNK_BYTES: usize = 4_000;
/// Bits of a chunk's id that number it within its run.
const CHUNK_BITS: u32 = 24;
/// The state of something that is not there any more.
pub(super) const GONE: u8 = 2;

/// What a run holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Coins,
    Locks,
    Places,
    History,
}

impl Kind {
    pub(super) const ALL: [Kind; 4] = [Kind::Coins, Kind::Locks, Kind::Places, Kind::History];

    /// As it stands in the table.
    fn number(self) -> usize {
        match self {
            Kind::Coins => 0,
            Kind::Locks => 1,
            Kind::Places => 2,
            Kind::History => 3,
        }
    }

    /// Bytes of a key.
    fn key(self) -> usize {
        match self {
            Kind::Coins => 1 + 32 + 4,
            Kind::Locks => 8 + 32 + 4,
            Kind::Places => 16 + 8 + 4,
            Kind::History => 8 + 8 + 4,
        }
    }

    /// Bytes of a record.
    fn record(self) -> usize {
        self.key()
            + match self {
                Kind::Coins => 32 + 8 + 8 + 1,
                Kind::Locks => 1,
                Kind::Places => 8,
                Kind::History => 8 + 4,
            }
    }

    /// Bytes of the key that a run can be asked for through its filter; 0 for kinds that are only read in order.
    fn filtered(self) -> usize {
        match self {
            Kind::Coins => self.key(),
            Kind::Places => 16,
            Kind::Locks | Kind::History => 0,
        }
    }

    /// Whether a record says that what its key names is not there any more.
    pub(super) fn is_gone(self, record: &[u8]) -> bool {
        matches!(self, Kind::Coins | Kind::Locks) && record.last() == Some(&GONE)
    }

    fn records_per_chunk(self) -> usize {
        CHUNK_BYTES / self.record()
    }
}

/// A run that counts, but for its chunks.
#[derive(Debug)]
pub(super) struct Run {
    id: u64,
    /// Newer runs have a higher one.
    order: u64,
    kind: Kind,
    records: u64,
    /// The first key of each chunk.
    fences: Vec<u8>,
    filter: Filter,
}

impl Run {
    fn chunks(&self) -> usize {
        self.fences.len() / self.kind.key()
    }

    /// The only chunk in which a key can be, or before which nothing is at or above it.
    fn chunk_of(&self, key: &[u8]) -> usize {
        let width = self.kind.key();
        let (mut low, mut high) = (0, self.chunks());
        while low < high {
            let middle = usize::midpoint(low, high);
            if &self.fences[middle * width..(middle + 1) * width] <= key {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low.saturating_sub(1)
    }

    /// Of about how many records it is.
    fn level(&self) -> u32 {
        (self.records / 512).checked_ilog(FANOUT as u64).map_or(0, |level| level + 1)
    }
}

/// The key of a chunk in its table.
fn chunk_id(run: u64, chunk: usize) -> i64 {
    super::rows::sql((run << CHUNK_BITS) | chunk as u64)
}

/// The runs that count.
#[derive(Clone, Debug, Default)]
pub(super) struct Catalog {
    /// By kind, the newest first.
    runs: [Vec<Arc<Run>>; Kind::ALL.len()],
}

impl Catalog {
    /// Reads the list of runs. Of those that `known` has, only the number is read.
    pub(super) fn load(connection: &Connection, known: &Catalog) -> rusqlite::Result<Catalog> {
        let mut catalog = Catalog::default();
        let mut list = connection.prepare_cached("SELECT run, kind FROM runs ORDER BY ord DESC")?;
        let mut one =
            connection.prepare_cached("SELECT run, kind, ord, records, fences, filter FROM runs WHERE run = ?1")?;
        let mut rows = list.query([])?;
        while let Some(row) = rows.next()? {
            let (id, kind) = (super::rows::number(row, 0)?, kind_of(row)?);
            let held = known.of(kind).iter().find(|run| run.id == id);
            let run = match held {
                Some(run) => run.clone(),
                None => Arc::new(one.query_row([super::rows::sql(id)], read_run)?),
            };
            catalog.runs[kind.number()].push(run);
        }
        Ok(catalog)
    }

    /// The runs of a kind, the newest first.
    pub(super) fn of(&self, kind: Kind) -> &[Arc<Run>] {
        &self.runs[kind.number()]
    }

    /// Puts a new run before all others.
    pub(super) fn add(&mut self, run: Arc<Run>) {
        self.runs[run.kind.number()].insert(0, run);
    }

    /// Drops all runs of a kind; what they were.
    pub(super) fn take(&mut self, kind: Kind) -> Vec<Arc<Run>> {
        std::mem::take(&mut self.runs[kind.number()])
    }

    /// Puts a run into the place of those that were merged into it.
    fn replace(&mut self, inputs: &[Arc<Run>], output: Option<Arc<Run>>) {
        let Some(kind) = inputs.first().map(|run| run.kind) else { return };
        let runs = &mut self.runs[kind.number()];
        let place = runs.iter().position(|run| run.id == inputs[0].id).unwrap_or(0);
        runs.retain(|run| inputs.iter().all(|input| input.id != run.id));
        runs.splice(place..place, output);
    }
}

fn kind_of(row: &Row<'_>) -> rusqlite::Result<Kind> {
    let number: i64 = row.get(1)?;
    let kind = usize::try_from(number).ok().and_then(|number| Kind::ALL.get(number)).copied();
    kind.ok_or(rusqlite::Error::IntegralValueOutOfRange(1, number))
}

fn read_run(row: &Row<'_>) -> rusqlite::Result<Run> {
    let kind = kind_of(row)?;
    let (fences, filter): (Vec<u8>, Vec<u8>) = (row.get(4)?, row.get(5)?);
    let number = |column| super::rows::number(row, column);
    Ok(Run {
        id: number(0)?,
        order: number(2)?,
        kind,
        records: number(3)?,
        fences,
        filter: Filter::from_bytes(&filter),
    })
}

fn insert_run(connection: &Connection, run: &Run) -> rusqlite::Result<()> {
    let query = "INSERT INTO runs (run, kind, ord, records, fences, filter) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let [id, order, records] = [run.id, run.order, run.records].map(super::rows::sql);
    let kind = super::rows::sql(run.kind.number() as u64);
    connection
        .prepare_cached(query)?
        .execute(params![id, kind, order, records, run.fences, run.filter.to_bytes()])
        .map(drop)
}

/// Runs do not count any more.
pub(super) fn discard(connection: &Connection, runs: &[Arc<Run>]) -> rusqlite::Result<()> {
    let mut delete = connection.prepare_cached("DELETE FROM runs WHERE run = ?1")?;
    let mut insert = connection.prepare_cached("INSERT OR IGNORE INTO litter (run) VALUES (?1)")?;
    for run in runs {
        delete.execute([super::rows::sql(run.id)])?;
        insert.execute([super::rows::sql(run.id)])?;
    }
    Ok(())
}

/// The number of the next run.
pub(super) fn next_id(connection: &Connection) -> rusqlite::Result<u64> {
    let query = "SELECT MAX(COALESCE((SELECT MAX(run) FROM runs), 0), COALESCE((SELECT MAX(run) FROM litter), 0))";
    connection.query_row(query, [], |row| super::rows::number(row, 0)).map(|last| last + 1)
}

/// The catalog as it was committed last, for those who read while it changes.
#[derive(Clone, Debug, Default)]
pub(super) struct SharedCatalog(Arc<RwLock<Arc<Catalog>>>);

impl SharedCatalog {
    pub(super) fn get(&self) -> Arc<Catalog> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Only what is committed may be set.
    pub(super) fn set(&self, catalog: Arc<Catalog>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = catalog;
    }
}

const _: () = assert!(CHUNK_BYTES < 4_096 - 64);
