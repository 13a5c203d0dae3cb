//! Values as they stand in columns.

use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::block::Block;
use bezant_consensus::ledger::coins::Coin;
use bezant_consensus::ledger::hash::{LockHash, TxId};
use bezant_consensus::ledger::transaction::{Body, OutPoint};
use bezant_consensus::ledger::units::Height;
use rusqlite::{Connection, OptionalExtension, Row, params};

/// Outpoint as a key: txid, then the index big-endian.
pub(super) fn outpoint_key(outpoint: &OutPoint) -> [u8; 36] {
    let mut key = [0; 36];
    key[..32].copy_from_slice(&outpoint.txid.0);
    key[32..].copy_from_slice(&outpoint.index.to_be_bytes());
    key
}

/// Reads [`outpoint_key`].
pub(super) fn outpoint_of(key: &[u8; 36]) -> OutPoint {
    let (txid, index) = key.split_at(32);
    OutPoint {
        txid: TxId(txid.try_into().expect("split at 32")),
        index: u32::from_be_bytes(index.try_into().expect("four bytes are left")),
    }
}

/// Numbers are at most 2^63 − 1 in SQLite; heights, amounts and counts of the ledger are.
pub(super) fn sql(number: u64) -> i64 {
    i64::try_from(number).expect("no number of the ledger reaches 2^63")
}

/// A column that holds a number of the ledger.
pub(super) fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, value))
}

/// The columns lock, amount, height, coinbase from `first` on.
pub(super) fn coin(row: &Row<'_>, first: usize) -> rusqlite::Result<Coin> {
    let grains = number(row, first + 1)?;
    let out_of_range = rusqlite::Error::IntegralValueOutOfRange(first + 1, i64::MAX);
    Ok(Coin {
        lock: LockHash(row.get(first)?),
        amount: Amount::from_grains(grains).ok_or(out_of_range)?,
        height: Height(number(row, first + 2)?),
        coinbase: row.get(first + 3)?,
    })
}

/// The height that a block claims in its coinbase; the isolated rules have seen to it that there is one.
pub(super) fn claimed_height(block: &Block) -> Height {
    match block.transactions.first().map(|transaction| transaction.body()) {
        Some(Body::Coinbase(coinbase)) => coinbase.height,
        Some(Body::Transfer(_) | Body::Epoch(_)) | None => Height(0),
    }
}

/// A value of the table `meta`.
pub(super) fn meta<const N: usize>(connection: &Connection, key: &str) -> rusqlite::Result<Option<[u8; N]>> {
    let mut statement = connection.prepare_cached("SELECT value FROM meta WHERE key = ?1")?;
    statement.query_row([key], |row| row.get(0)).optional()
}

/// A number of the table `meta`.
pub(super) fn meta_number(connection: &Connection, key: &str) -> rusqlite::Result<Option<u64>> {
    Ok(meta(connection, key)?.map(u64::from_be_bytes))
}

/// Writes a value of the table `meta`.
pub(super) fn put_meta(connection: &Connection, key: &str, value: &[u8]) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached("INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)")?;
    statement.execute(params![key, value]).map(drop)
}
