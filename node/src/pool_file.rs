//! The mempool across restarts: a file that is written in whole and renamed into its place.
//!
//! Its loss costs nobody a coin: others have what waits, and wallets hand in again what they follow. So it is a comfort, kept
//! out of the way of what must be durable: it is not synced, so that no vote waits for it, and what cannot be read is not
//! used. What is read goes the way of everything that comes from outside: signatures are verified, and the mempool judges it.
//!
//! ```text
//! 8 bytes   "bzt-pool"
//! u32       version, 1
//! 32 bytes  network id
//! u32       number of transactions, in the order of arrival: each after those it spends from
//! for each  u32 bytes, then as many: the whole transaction
//! 32 bytes  SHA-256 of all before
//! ```
//! Numbers are little-endian.

use crate::handle::Request;
use crate::limits::{POOL_FILE_BYTES_MAX, RESTORE_BATCH};
use crate::verify_pool::VerifyPool;
use bezant_consensus::ledger::codec::{decode, encode};
use bezant_consensus::ledger::hash::{NetworkId, sha256};
use bezant_consensus::ledger::transaction::Transaction;
use bezant_consensus::limits::TRANSACTION_BYTES_MAX;
use bezant_consensus::verify::Verified;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;
use tokio::sync::mpsc;

/// Its name in the data directory.
pub(crate) const POOL_FILE: &str = "mempool.dat";
const MAGIC: &[u8; 8] = b"bzt-pool";
const VERSION: u32 = 1;
/// Magic, version, network id and number of transactions.
const HEAD_BYTES: usize = 8 + 4 + 32 + 4;
const DIGEST_BYTES: usize = 32;
/// Between two tries while the node has too much to verify.
const BUSY_PAUSE: Duration = Duration::from_millis(20);

/// Why a saved mempool is of no use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PoolFileError {
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
    #[error("it is of format {0}, this program knows {VERSION}")]
    Version(u32),
    #[error("it is of another net")]
    OtherNet,
}

/// Puts the file in place of the one before, or leaves that one as it is.
pub(crate) fn write(path: &Path, network: &NetworkId, transactions: &[Transaction]) -> io::Result<()> {
    let count = u32::try_from(transactions.len()).map_err(io::Error::other)?;
    let mut bytes = Vec::new();
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&network.0);
    bytes.extend_from_slice(&count.to_le_bytes());
    for transaction in transactions {
        let encoded = encode(transaction);
        bytes.extend_from_slice(&u32::try_from(encoded.len()).map_err(io::Error::other)?.to_le_bytes());
        bytes.extend_from_slice(&encoded);
    }
    let digest = sha256(&bytes);
    bytes.extend_from_slice(&digest);
    let fresh = path.with_extension("new");
    let written = std::fs::File::create(&fresh).and_then(|mut file| file.write_all(&bytes));
    written.and_then(|()| std::fs::rename(&fresh, path)).inspect_err(|_| {
        // What is left of it may stand in nobody's way but the disk's; if it cannot be removed either, so be it.
        let _ = std::fs::remove_file(&fresh);
    })
}

/// What was saved, in the order of arrival; nothing where there is no file.
pub(crate) fn read(path: &Path, network: &NetworkId) -> Result<Vec<Transaction>, PoolFileError> {
    let length = match std::fs::metadata(path) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    if length > POOL_FILE_BYTES_MAX {
        return Err(PoolFileError::Damaged("it is too long"));
    }
    parse(&std::fs::read(path)?, network)
}

fn parse(bytes: &[u8], network: &NetworkId) -> Result<Vec<Transaction>, PoolFileError> {
    let damaged = PoolFileError::Damaged;
    if bytes.len() < HEAD_BYTES + DIGEST_BYTES || !bytes.starts_with(MAGIC) {
        return Err(damaged("it does not begin as a saved mempool does"));
    }
    let (content, digest) = bytes.split_at(bytes.len() - DIGEST_BYTES);
    let mut rest = &content[MAGIC.len()..];
    let version = take_u32(&mut rest).ok_or(damaged("it is cut off"))?;
    if version != VERSION {
        return Err(PoolFileError::Version(version));
    }
    if sha256(content) != *digest {
        return Err(damaged("its digest is wrong"));
    }
    if take(&mut rest, 32) != Some(&network.0[..]) {
        return Err(PoolFileError::OtherNet);
    }
    let count = take_u32(&mut rest).ok_or(damaged("it is cut off"))?;
    let mut transactions = Vec::new();
    for _ in 0..count {
        let length = take_u32(&mut rest).ok_or(damaged("it is cut off"))? as usize;
        if length > TRANSACTION_BYTES_MAX {
            return Err(damaged("a transaction is too long"));
        }
        let encoded = take(&mut rest, length).ok_or(damaged("it is cut off"))?;
        transactions.push(decode(encoded).map_err(|_| damaged("a transaction cannot be decoded"))?);
    }
    if rest.is_empty() { Ok(transactions) } else { Err(damaged("something follows the last transaction")) }
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(length)?;
    *rest = left;
    Some(taken)
}

fn take_u32(rest: &mut &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(take(rest, 4)?.try_into().ok()?))
}

/// What was saved, or nothing and a warning.
pub(crate) fn read_or_warn(path: &Path, network: &NetworkId) -> Vec<Transaction> {
    read(path, network).unwrap_or_else(|error| {
        let file = path.display();
        tracing::warn!(%file, %error, "the saved mempool is not used; the mempool starts empty");
        Vec::new()
    })
}

/// Hands what was saved to the runtime, verified and in its order, beside all that arrives meanwhile.
pub(crate) async fn restore(saved: Vec<Transaction>, pool: VerifyPool, requests: mpsc::Sender<Request>) {
    let mut invalid = 0;
    for batch in saved.chunks(RESTORE_BATCH) {
        let verified = futures::future::join_all(batch.iter().map(|transaction| verify(&pool, transaction))).await;
        invalid += verified.iter().filter(|transaction| transaction.is_none()).count();
        let transactions = verified.into_iter().flatten().collect();
        if requests.send(Request::Restore { transactions, is_last: false }).await.is_err() {
            // The node is stopping; the file stays as it is.
            return;
        }
    }
    tracing::info!(count = saved.len(), invalid, "the saved mempool was handed in again");
    // Fails only when the node is stopping.
    let _ = requests.send(Request::Restore { transactions: Vec::new(), is_last: true }).await;
}

async fn verify(pool: &VerifyPool, transaction: &Transaction) -> Option<Verified<Transaction>> {
    loop {
        match pool.transaction(transaction.clone()).await {
            Some(result) => return result.ok(),
            None => tokio::time::sleep(BUSY_PAUSE).await,
        }
    }
}

#[cfg(test)]
mod tests;
