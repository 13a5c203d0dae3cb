//! Opening a data directory: locked, of this net, undamaged; and what a replica restores from.

use super::error::StoreError;
use super::facts::{self, Facts, SharedFresh};
use super::log::IsLong;
use super::rows::{meta, meta_number};
use super::runs::SharedCatalog;
use super::schema::{self, FACTS_FORMAT, STATE_FORMAT};
use super::state::{self, Runs, State, StateWriter};
use super::view::View;
use crate::metrics::Metrics;
use bezant_consensus::chain::{Base, ChainUpdate, Link, Tip};
use bezant_consensus::engine::Record;
use bezant_consensus::ledger::commitment::{BUCKET_BYTES, Bucket, Buckets};
use bezant_consensus::ledger::genesis::Genesis;
use bezant_consensus::ledger::hash::{BlockId, NetworkId};
use bezant_consensus::ledger::units::Height;
use bezant_consensus::limits::HEADER_BYTES;
use borsh::BorshDeserialize;
use rusqlite::{Connection, Params};
use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::Arc;

/// An opened data directory.
#[derive(Debug)]
pub struct Opened {
    /// The core's read seam. Closed before the writers, so that the last one to close can put the logs into the files.
    pub view: View,
    /// The writer of facts.
    pub facts: Facts,
    /// The writer of the state.
    pub state: StateWriter,
    /// The state as it was flushed.
    pub base: Base,
    /// Facts beyond the base.
    pub records: Vec<Record>,
    /// Sum of all coins of the base, grains.
    pub supply: u64,
    /// Number of coins of the base.
    pub coins: u64,
    /// Keeps the directory locked; dropped last.
    pub lock: File,
}

/// Opens a data directory, or makes it.
///
/// # Errors
/// When it is in use, of another net, of a newer format, damaged, or cannot be written.
pub fn open(dir: &Path, genesis: &Genesis, metrics: Arc<Metrics>) -> Result<Opened, StoreError> {
    open_locked(lock(dir)?, dir, genesis, metrics)
}

/// As [`open`], with the directory's lock taken before.
///
/// # Errors
/// As [`open`].
pub fn open_locked(lock: File, dir: &Path, genesis: &Genesis, metrics: Arc<Metrics>) -> Result<Opened, StoreError> {
    let network = genesis.network_id();
    let (facts_path, state_path) = (schema::facts_path(dir), schema::state_path(dir));
    let mut facts = schema::open_writer(&facts_path)?;
    let mut state = schema::open_writer(&state_path)?;
    // Checkpoints of the facts are made by the state's thread, so that no vote waits for one.
    facts.pragma_update(None, "wal_autocheckpoint", 0).map_err(|error| StoreError::sqlite(&facts_path, &error))?;
    let state_was_there = check(&state, &state_path, STATE_FORMAT, dir, &network)?;
    if !check(&facts, &facts_path, FACTS_FORMAT, dir, &network)? {
        if state_was_there {
            return Err(StoreError::damaged(&facts_path, "it is missing or empty beside a state that rests on it"));
        }
        facts::create(&mut facts, &network.0, &genesis.block())
            .map_err(|error| StoreError::sqlite(&facts_path, &error))?;
    }
    if !state_was_there {
        create_state(&mut state, &network, genesis).map_err(|error| StoreError::sqlite(&state_path, &error))?;
    }
    sync_directory(dir)?;
    let base = read_base(&state, &state_path)?;
    let records = read_records(&facts, &facts_path, &base, genesis.pow().is_some())?;
    let total = |key| meta_number(&state, key).map_err(|error| StoreError::sqlite(&state_path, &error));
    let (supply, coins) = (total("supply")?.unwrap_or(0), total("coins")?.unwrap_or(0));
    let fresh = SharedFresh::default();
    let catalog = SharedCatalog::default();
    let runs = Runs::open(&state, catalog.clone()).map_err(|error| StoreError::sqlite(&state_path, &error))?;
    let view = View::open(dir, fresh.clone(), catalog)?;
    let buckets = base.buckets.clone();
    let checkpointer = schema::open_writer(&facts_path)?;
    let keeps_undo = genesis.pow().is_some();
    let interval = genesis.pbft().map(|params| u64::from(params.checkpoint_interval));
    // A snapshot that was coming when the node stopped comes anew.
    super::snapshot::clear(&state).map_err(|error| StoreError::sqlite(&state_path, &error))?;
    let facts_log = IsLong::default();
    let facts = Facts::new(facts, facts_path, fresh, facts_log.clone());
    let state = State {
        connection: state,
        path: state_path,
        facts: checkpointer,
        facts_log,
        buckets,
        keeps_undo,
        interval,
        runs,
    };
    let state = StateWriter::start(state, metrics).map_err(|error| StoreError::io(dir, &error))?;
    Ok(Opened { view, facts, state, base, records, supply, coins, lock })
}

/// Makes the data directory if need be, and locks it until the file is dropped.
///
/// # Errors
/// When another process has it, or it cannot be made.
pub fn lock(dir: &Path) -> Result<File, StoreError> {
    std::fs::create_dir_all(dir).map_err(|error| StoreError::io(dir, &error))?;
    let path = dir.join(schema::LOCK_FILE);
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|error| StoreError::io(&path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse(dir.to_owned())),
        Err(TryLockError::Error(error)) => Err(StoreError::io(&path, &error)),
    }
}

/// A file's name is durable only once its directory is.
fn sync_directory(dir: &Path) -> Result<(), StoreError> {
    let sync = |path: &Path| File::open(path).and_then(|file| file.sync_all());
    sync(dir).map_err(|error| StoreError::io(dir, &error))?;
    match dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        // Not every parent may be read; the directory itself was there or was made by somebody with more rights.
        Some(parent) => sync(parent).or(Ok(())),
        None => Ok(()),
    }
}

/// Whether the file was finished; if so, it is of this net and undamaged as far as can be told quickly.
fn check(
    connection: &Connection,
    path: &Path,
    known: i64,
    dir: &Path,
    network: &NetworkId,
) -> Result<bool, StoreError> {
    let fail = |error| StoreError::sqlite(path, &error);
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(fail)?;
    if found == 0 {
        return Ok(false);
    }
    if found != known {
        let path = path.to_owned();
        let is_old_state = known == STATE_FORMAT && found < known;
        return Err(if is_old_state {
            StoreError::OldState { path, found, known }
        } else {
            StoreError::OtherFormat { path, found, known }
        });
    }
    let bytes = std::fs::metadata(path).map_err(|error| StoreError::io(path, &error))?.len();
    if bytes <= schema::CHECKED_BYTES_MAX {
        let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(fail)?;
        if verdict != "ok" {
            return Err(StoreError::damaged(path, verdict));
        }
    }
    match meta::<32>(connection, "network").map_err(fail)? {
        Some(theirs) if theirs == network.0 => Ok(true),
        Some(theirs) => Err(StoreError::OtherNet {
            dir: dir.to_owned(),
            theirs: hex::encode(&theirs[..4]),
            ours: hex::encode(&network.0[..4]),
        }),
        None => Err(StoreError::damaged(path, "it does not say to which net it belongs")),
    }
}

fn create_state(connection: &mut Connection, network: &NetworkId, genesis: &Genesis) -> rusqlite::Result<()> {
    let (base, diff) = Base::genesis(genesis);
    let (block, diff) = (Arc::new(genesis.block()), Arc::new(diff));
    let connected = vec![Link { height: Height::GENESIS, id: base.tip.id, block, diff }];
    let (tip, buckets) = (base.tip, base.buckets);
    let final_height = Height::GENESIS;
    let first = ChainUpdate { sequence: 0, disconnected: Vec::new(), connected, tip, final_height, buckets };
    state::create(connection, &network.0, &first)
}

fn read_base(connection: &Connection, path: &Path) -> Result<Base, StoreError> {
    let fail = |error| StoreError::sqlite(path, &error);
    let missing = |what: &str| StoreError::damaged(path, format!("{what} is missing"));
    let height = meta_number(connection, "tip_height").map_err(fail)?.ok_or_else(|| missing("the tip"))?;
    let id = meta::<32>(connection, "tip_id").map_err(fail)?.ok_or_else(|| missing("the tip's id"))?;
    let header = meta::<HEADER_BYTES>(connection, "tip_header").map_err(fail)?;
    let header = header.ok_or_else(|| missing("the tip's header"))?;
    let header = borsh::from_slice(&header).map_err(|error| StoreError::damaged(path, error.to_string()))?;
    let list = |connection: &Connection| -> rusqlite::Result<Vec<[u8; BUCKET_BYTES]>> {
        let mut statement = connection.prepare("SELECT lanes FROM buckets ORDER BY bucket")?;
        statement.query_map([], |row| row.get(0))?.collect()
    };
    let buckets = list(connection).map_err(fail)?.iter().map(Bucket::from_bytes).collect();
    let buckets = Buckets::from_list(buckets).ok_or_else(|| missing("a bucket of the commitment"))?;
    Ok(Base { tip: Tip { height: Height(height), id: BlockId(id), header }, buckets })
}

/// Records of which there is one of a kind.
const LATEST: &str = "SELECT record FROM latest ORDER BY kind";

/// The facts beyond the base. PBFT: votes, certificates and bodies above it; their number does not grow with the chain. Proof
/// of work: all headers and marks, of which the tree is made; bodies are looked up.
fn read_records(facts: &Connection, path: &Path, base: &Base, is_pow: bool) -> Result<Vec<Record>, StoreError> {
    let reader = Records { facts, path };
    let height = super::rows::sql(base.tip.height.0);
    if !is_pow {
        let mut records = reader.all("SELECT record FROM votes ORDER BY seq", [], |record: Record| record)?;
        records.extend(reader.all(LATEST, [], |record: Record| record)?);
        let checkpoints = "SELECT record FROM checkpoints ORDER BY kind, height";
        records.extend(reader.all(checkpoints, [], |record: Record| record)?);
        records.extend(reader.all("SELECT record FROM epochs ORDER BY epoch", [], |record: Record| record)?);
        records.extend(reader.all("SELECT record FROM evidence ORDER BY seq", [], |record: Record| record)?);
        let bodies = "SELECT body FROM blocks WHERE height > ?1 ORDER BY height, seq";
        records.extend(reader.all(bodies, [height], Record::Body)?);
        let certificates = "SELECT certificate FROM certificates WHERE height > ?1 ORDER BY height";
        records.extend(reader.all(certificates, [height], Record::Committed)?);
        return Ok(records);
    }
    let mut records = reader.all("SELECT header FROM headers ORDER BY seq", [], Record::Header)?;
    records.extend(reader.all(LATEST, [], |record: Record| record)?);
    let invalid = "SELECT id FROM invalid WHERE NOT by_hand";
    records.extend(reader.all(invalid, [], |id: [u8; 32]| Record::Invalid(BlockId(id)))?);
    let by_hand = "SELECT id FROM invalid WHERE by_hand";
    records.extend(reader.all(by_hand, [], |id: [u8; 32]| Record::Invalidated(BlockId(id)))?);
    Ok(records)
}

struct Records<'a> {
    facts: &'a Connection,
    path: &'a Path,
}

impl Records<'_> {
    fn all<T: BorshDeserialize>(
        &self,
        query: &str,
        params: impl Params,
        wrap: impl Fn(T) -> Record,
    ) -> Result<Vec<Record>, StoreError> {
        let list = || -> rusqlite::Result<Vec<Vec<u8>>> {
            let mut statement = self.facts.prepare(query)?;
            statement.query_map(params, |row| row.get(0))?.collect()
        };
        let blobs = list().map_err(|error| StoreError::sqlite(self.path, &error))?;
        let decode = |bytes: &Vec<u8>| {
            borsh::from_slice(bytes).map(&wrap).map_err(|error| StoreError::damaged(self.path, error.to_string()))
        };
        blobs.iter().map(decode).collect()
    }
}
