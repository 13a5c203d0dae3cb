//! The core's read seam.

use super::changes::{coin_key, coin_of};
use super::error::StoreError;
use super::facts::SharedFresh;
use super::rows::sql;
use super::runs::{self, Kind, SharedCatalog};
use super::schema;
use super::snapshot::Past;
use bezant_consensus::chain::Archive;
use bezant_consensus::chain::snapshot::BucketPage;
use bezant_consensus::ledger::block::Block;
use bezant_consensus::ledger::coins::{Coin, Coins, Diff};
use bezant_consensus::ledger::hash::BlockId;
use bezant_consensus::ledger::transaction::OutPoint;
use bezant_consensus::ledger::units::Height;
use bezant_consensus::message::CommitCertificate;
use borsh::BorshDeserialize;
use rusqlite::{Connection, OptionalExtension, Params};
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Answers the core's questions: from what was handed out and is not durable yet, then from the files.
///
/// A file that cannot be read must not look like one that holds nothing: a coin that seems missing would make a valid block
/// invalid. So a failed read unwinds the runtime's thread with the [`StoreError`] as payload, and the node stops with it.
#[derive(Debug)]
pub struct View {
    facts: Connection,
    facts_path: PathBuf,
    state: Connection,
    state_path: PathBuf,
    fresh: SharedFresh,
    catalog: SharedCatalog,
    /// Of the snapshot that was asked for last.
    past: RefCell<Past>,
}

impl View {
    pub(super) fn open(dir: &Path, fresh: SharedFresh, catalog: SharedCatalog) -> Result<View, StoreError> {
        let (facts_path, state_path) = (schema::facts_path(dir), schema::state_path(dir));
        let facts = schema::open_reader(&facts_path)?;
        let state = schema::open_reader(&state_path)?;
        Ok(View { facts, facts_path, state, state_path, fresh, catalog, past: RefCell::default() })
    }

    fn blob<T: BorshDeserialize>(
        connection: &Connection,
        path: &Path,
        query: &'static str,
        params: impl Params,
    ) -> Option<T> {
        let found = connection
            .prepare_cached(query)
            .and_then(|mut statement| statement.query_row(params, |row| row.get::<_, Vec<u8>>(0)).optional());
        let bytes = found.unwrap_or_else(|error| give_up(StoreError::sqlite(path, &error)))?;
        let value =
            borsh::from_slice(&bytes).unwrap_or_else(|error| give_up(StoreError::damaged(path, error.to_string())));
        Some(value)
    }
}

/// Ends the runtime's thread; it is caught where that thread was started.
fn give_up(error: StoreError) -> ! {
    tracing::error!(%error, "the database cannot be read");
    std::panic::resume_unwind(Box::new(error))
}

impl Coins for View {
    fn get(&self, outpoint: &OutPoint) -> Option<Coin> {
        let key = coin_key(outpoint);
        let mut catalog = self.catalog.get();
        loop {
            let found = runs::get(&self.state, catalog.of(Kind::Coins), &key, coin_of);
            match found.optional() {
                Ok(Some(found)) => {
                    let damaged = || give_up(StoreError::damaged(&self.state_path, "a coin makes no sense"));
                    return found.map(|coin| coin.unwrap_or_else(damaged).1);
                }
                // Runs were merged and swept away since the list was taken.
                Ok(None) => {
                    let newer = self.catalog.get();
                    if Arc::ptr_eq(&newer, &catalog) {
                        give_up(StoreError::damaged(&self.state_path, "a part of the coins is missing"));
                    }
                    catalog = newer;
                }
                Err(error) => give_up(StoreError::sqlite(&self.state_path, &error)),
            }
        }
    }
}

impl Archive for View {
    fn block(&self, id: &BlockId) -> Option<Arc<Block>> {
        if let Some(block) = self.fresh.lock().blocks.get(id) {
            return Some(block.clone());
        }
        View::blob(&self.facts, &self.facts_path, "SELECT body FROM blocks WHERE id = ?1", [id.0]).map(Arc::new)
    }

    fn has_block(&self, id: &BlockId) -> bool {
        let query = "SELECT 1 FROM blocks WHERE id = ?1";
        let found = self.facts.prepare_cached(query).and_then(|mut statement| statement.exists([id.0]));
        self.fresh.lock().blocks.contains_key(id)
            || found.unwrap_or_else(|error| give_up(StoreError::sqlite(&self.facts_path, &error)))
    }

    fn diff(&self, id: &BlockId) -> Option<Arc<Diff>> {
        View::blob(&self.state, &self.state_path, "SELECT diff FROM diffs WHERE id = ?1", [id.0]).map(Arc::new)
    }

    fn active_at(&self, height: Height) -> Option<BlockId> {
        let height = i64::try_from(height.0).ok()?;
        let found = self
            .state
            .prepare_cached("SELECT id FROM active WHERE height = ?1")
            .and_then(|mut statement| statement.query_row([height], |row| row.get(0)).optional());
        found.unwrap_or_else(|error| give_up(StoreError::sqlite(&self.state_path, &error))).map(BlockId)
    }

    fn certificate(&self, height: Height) -> Option<CommitCertificate> {
        if let Some(certificate) = self.fresh.lock().certificates.get(&height) {
            return Some(certificate.clone());
        }
        let height = sql(height.0.min(i64::MAX.unsigned_abs()));
        View::blob(&self.facts, &self.facts_path, "SELECT certificate FROM certificates WHERE height = ?1", [height])
    }

    fn bucket_at(&self, height: Height, bucket: u8, after: Option<OutPoint>, limit: usize) -> Option<BucketPage> {
        let page = self.past.borrow_mut().page(&self.state, &self.state_path, (height, bucket), after, limit);
        page.unwrap_or_else(|error| give_up(error))
    }
}
