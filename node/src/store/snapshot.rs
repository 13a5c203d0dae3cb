//! Snapshots in `state.sqlite`: the staging area of one that comes, the switch to it, and reading the coins as they were.
//!
//! **Coming.** Coins gather in the table `staged`, in the order of its key. The switch is one transaction that drops the runs of
//! coins, makes others of what is staged, and writes buckets, tip and totals; a crash leaves the one state or the other, and the
//! next start empties what was staged. Where transactions are, and the history of locks, stay as they were: what lies below the
//! snapshot and was not here before is not known to this node.
//!
//! **Going.** A coin carries the height of the block that made it, and under PBFT nothing is undone. So a bucket at height H is
//! what is unspent now and was made at or below H, and what was made at or below H and spent above it. Of the latter the
//! table `spent` has one row for each block, without coins that no checkpoint has seen; it is dropped with the last snapshot that
//! needs it. Whoever reads keeps these few in memory, by bucket, as long as the same snapshot is asked for.

use super::changes::{Changes, bucket_key, coin_of};
use super::error::StoreError;
use super::rows::{coin, meta_number, outpoint_key, outpoint_of, put_meta, sql};
use super::runs::{self, Catalog, Kind, Run, Scan};
use super::state::{write_buckets, write_changes, write_tip};
use bezant_consensus::chain::Link;
use bezant_consensus::chain::snapshot::{BucketPage, Switch};
use bezant_consensus::ledger::codec::encode;
use bezant_consensus::ledger::coins::Coin;
use bezant_consensus::ledger::commitment::bucket_of;
use bezant_consensus::ledger::transaction::OutPoint;
use bezant_consensus::ledger::units::Height;
use rusqlite::{Connection, TransactionBehavior, params};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Coins of a snapshot that become one run: they are in memory together.
const COINS_PER_RUN: i128 = 200_000;

/// What there is after a switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    /// Number of the switch.
    pub sequence: u64,
    /// Sum of all coins, grains.
    pub supply: u64,
    /// Number of coins.
    pub coins: u64,
}

/// Empties the staging area.
pub(super) fn clear(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM staged", []).map(drop)
}

/// Adds coins to the staging area, in one transaction.
pub(super) fn stage(connection: &mut Connection, bucket: u8, coins: &[(OutPoint, Coin)]) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    {
        let mut insert = transaction.prepare_cached(
            "INSERT OR REPLACE INTO staged (bucket, outpoint, lock, amount, height, coinbase)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        for (outpoint, coin) in coins {
            // What a liar sends may be beyond what SQLite holds; the sum will show it.
            let clip = |value: u64| sql(value.min(i64::MAX.unsigned_abs()));
            let (amount, height) = (clip(coin.amount.grains()), clip(coin.height.0));
            insert.execute(params![bucket, outpoint_key(outpoint), coin.lock.0, amount, height, coin.coinbase])?;
        }
    }
    transaction.commit()
}

/// Takes a bucket out of the staging area.
pub(super) fn discard(connection: &Connection, bucket: u8) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM staged WHERE bucket = ?1", [bucket]).map(drop)
}

/// Makes the staged coins the coin set, in one durable transaction.
pub(super) fn switch(
    connection: &mut Connection,
    switch: &Switch,
    catalog: &mut Catalog,
    next_id: &mut u64,
) -> rusqlite::Result<Totals> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let height = sql(switch.tip.height.0);
    for kind in [Kind::Coins, Kind::Locks] {
        runs::discard(&transaction, &catalog.take(kind))?;
    }
    put_meta(&transaction, "supply", &0_u64.to_be_bytes())?;
    put_meta(&transaction, "coins", &0_u64.to_be_bytes())?;
    take_staged(&transaction, catalog, next_id)?;
    let total = |key| meta_number(&transaction, key).map(Option::unwrap_or_default);
    let totals = Totals { sequence: switch.sequence, coins: total("coins")?, supply: total("supply")? };
    put_meta(&transaction, "spent_from", &switch.tip.height.0.to_be_bytes())?;
    transaction.execute("DELETE FROM spent", [])?;
    transaction.execute("DELETE FROM active WHERE height > ?1", [height])?;
    transaction
        .prepare_cached("INSERT OR REPLACE INTO active (height, id, time) VALUES (?1, ?2, ?3)")?
        .execute(params![height, switch.tip.id.0, switch.tip.header.time])?;
    write_buckets(&transaction, &switch.buckets, 0..=u8::MAX)?;
    write_tip(&transaction, &switch.tip, switch.tip.height)?;
    transaction.commit()?;
    Ok(totals)
}

/// Makes runs of what is staged.
fn take_staged(connection: &Connection, catalog: &mut Catalog, next_id: &mut u64) -> rusqlite::Result<()> {
    let query = "SELECT outpoint, lock, amount, height, coinbase FROM staged ORDER BY bucket, outpoint";
    let mut statement = connection.prepare(query)?;
    let mut rows = statement.query([])?;
    loop {
        let mut changes = Changes::none();
        while changes.count < COINS_PER_RUN
            && let Some(row) = rows.next()?
        {
            let (name, coin) = (outpoint_of(&row.get::<_, [u8; 36]>(0)?), coin(row, 1)?);
            changes.put(&name, &coin);
            changes.count += 1;
            changes.supply += i128::from(coin.amount.grains());
        }
        if changes.count == 0 {
            break;
        }
        write_changes(connection, &changes, catalog, next_id)?;
    }
    clear(connection)
}

/// Notes what a block spends of coins that a checkpoint has seen.
pub(super) fn note_spent(connection: &Connection, link: &Link, interval: u64) -> rusqlite::Result<()> {
    let latest = link.height.0.saturating_sub(1) / interval * interval;
    let seen: Vec<(OutPoint, Coin)> =
        link.diff.spent.iter().filter(|(_, coin)| coin.height.0 <= latest).map(|(name, coin)| (*name, *coin)).collect();
    if seen.is_empty() || latest == 0 {
        return Ok(());
    }
    let mut insert = connection.prepare_cached("INSERT OR REPLACE INTO spent (height, coins) VALUES (?1, ?2)")?;
    insert.execute(params![sql(link.height.0), encode(&seen)]).map(drop)
}

/// Drops what only snapshots below a height need.
pub(super) fn keep(connection: &mut Connection, from: Height) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let before = meta_number(&transaction, "spent_from")?.unwrap_or(0);
    if from.0 > before {
        transaction.execute("DELETE FROM spent WHERE height <= ?1", [sql(from.0)])?;
        put_meta(&transaction, "spent_from", &from.0.to_be_bytes())?;
    }
    transaction.commit()
}

/// Coins of a snapshot that were spent since.
#[derive(Debug, Default)]
pub(super) struct Past {
    height: Height,
    /// What was spent up to this height is in `coins`.
    read_to: Height,
    coins: BTreeMap<u8, BTreeMap<OutPoint, Coin>>,
    /// The runs that were read last.
    catalog: Catalog,
}

impl Past {
    /// A page of a bucket at a height; see [`Archive::bucket_at`](bezant_consensus::chain::Archive::bucket_at).
    pub(super) fn page(
        &mut self,
        connection: &Connection,
        path: &Path,
        (height, bucket): (Height, u8),
        after: Option<OutPoint>,
        limit: usize,
    ) -> Result<Option<BucketPage>, StoreError> {
        let fail = |error| StoreError::sqlite(path, &error);
        // One transaction, so that all tables are of one moment.
        let snapshot = connection.unchecked_transaction().map_err(fail)?;
        self.catalog = Catalog::load(&snapshot, &self.catalog).map_err(fail)?;
        let flushed = meta_number(&snapshot, "tip_height").map_err(fail)?.unwrap_or(0);
        let kept = meta_number(&snapshot, "spent_from").map_err(fail)?.unwrap_or(0);
        if height.0 > flushed || height.0 < kept {
            return Ok(None);
        }
        if self.height != height || self.read_to < height {
            *self =
                Past { height, read_to: height, coins: BTreeMap::new(), catalog: std::mem::take(&mut self.catalog) };
        }
        self.read(&snapshot, path, Height(flushed))?;
        let coins = self.catalog.of(Kind::Coins);
        let mut page = unspent(&snapshot, coins, (height, bucket), after, limit).map_err(fail)?;
        let spent = self.coins.get(&bucket).into_iter().flatten();
        page.extend(
            spent.filter(|(name, _)| after.is_none_or(|after| **name > after)).map(|(name, coin)| (*name, *coin)),
        );
        let is_last = page.len() <= limit;
        Ok(Some(BucketPage { coins: page.into_iter().take(limit).collect(), is_last }))
    }

    fn read(&mut self, connection: &Connection, path: &Path, flushed: Height) -> Result<(), StoreError> {
        let list = || -> rusqlite::Result<Vec<Vec<u8>>> {
            let query = "SELECT coins FROM spent WHERE height > ?1 AND height <= ?2 ORDER BY height";
            let mut statement = connection.prepare_cached(query)?;
            statement.query_map([sql(self.read_to.0), sql(flushed.0)], |row| row.get(0))?.collect()
        };
        for bytes in list().map_err(|error| StoreError::sqlite(path, &error))? {
            let coins: Vec<(OutPoint, Coin)> =
                borsh::from_slice(&bytes).map_err(|error| StoreError::damaged(path, error.to_string()))?;
            for (name, coin) in coins.into_iter().filter(|(_, coin)| coin.height <= self.height) {
                self.coins.entry(bucket_of(&name)).or_default().insert(name, coin);
            }
        }
        self.read_to = self.read_to.max(flushed);
        Ok(())
    }
}

/// Unspent coins of a bucket that were there at a height: one more than `limit` if there are as many.
fn unspent(
    connection: &Connection,
    coins: &[Arc<Run>],
    (height, bucket): (Height, u8),
    after: Option<OutPoint>,
    limit: usize,
) -> rusqlite::Result<BTreeMap<OutPoint, Coin>> {
    let from = after.map_or(vec![bucket], |after| bucket_key(bucket, &after).to_vec());
    let mut scan = Scan::new(connection, Kind::Coins, coins, &from)?;
    let mut page = BTreeMap::new();
    while page.len() <= limit
        && let Some(record) = scan.next_there(connection, &[bucket])?
    {
        let (name, coin) = coin_of(record).ok_or(rusqlite::Error::InvalidQuery)?;
        if coin.height <= height && Some(name) != after {
            page.insert(name, coin);
        }
    }
    Ok(page)
}
