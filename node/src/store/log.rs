//! Write-ahead logs: copied into their files behind the writers' backs, and begun anew before they are long.
//!
//! What is read of a file is looked for in its log first, and a start reads the log as a whole. SQLite begins a log anew when all of it is
//! in the file as the next commit begins: with a commit every few milliseconds there is always a rest that came meanwhile, and a log
//! that nobody brings to its end grows by gigabytes in minutes. So when a long one has been copied, its own writer brings it to its end
//! before it goes on: what is left to copy is little, and nobody else would get between two of its commits.

use rusqlite::Connection;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Bytes from which a log is brought to its end. What is written meanwhile comes on top.
pub(super) const LOG_BYTES_LONG: u64 = 16 * 1024 * 1024;
/// How long a writer waits for those who read from its log; if they take longer, it is brought to its end another time.
const READERS_TIMEOUT: Duration = Duration::from_millis(20);

/// Whether a log is long and its writer is to bring it to its end: shared by the writer and whoever copies.
#[derive(Clone, Debug, Default)]
pub(super) struct IsLong(Arc<AtomicBool>);

impl IsLong {
    /// Copies the log of a file that another connection writes, and tells the writer if it is long.
    ///
    /// # Errors
    /// When the disk fails.
    pub(super) fn copy(&self, connection: &Connection) -> rusqlite::Result<()> {
        if copy(connection)? {
            self.0.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// The writer's part, between two commits: brings the log to its end if it is long.
    ///
    /// # Errors
    /// When the disk fails.
    pub(super) fn settle(&self, writer: &Connection) -> rusqlite::Result<()> {
        if self.0.swap(false, Ordering::Relaxed) { finish(writer) } else { Ok(()) }
    }
}

/// Copies a file's log and, if it is long, brings it to its end, for the one connection that writes it.
///
/// # Errors
/// When the disk fails.
pub(super) fn copy_own(writer: &Connection) -> rusqlite::Result<()> {
    if copy(writer)? { finish(writer) } else { Ok(()) }
}

/// Says that a log could not be copied. It only grows meanwhile; if the disk is full, the next commit says so.
pub(super) fn warn_of(file: &str, error: &rusqlite::Error) {
    tracing::warn!(file, %error, "cannot copy the write-ahead log into the file");
}

/// Copies a log as far as no reader is in the way; whether it is long.
fn copy(connection: &Connection) -> rusqlite::Result<bool> {
    let page_bytes: u32 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
    Ok(checkpoint(connection, "PASSIVE")? * u64::from(page_bytes) >= LOG_BYTES_LONG)
}

/// Copies the rest and waits for readers, so that the next commit begins the log anew.
fn finish(writer: &Connection) -> rusqlite::Result<()> {
    writer.busy_timeout(READERS_TIMEOUT)?;
    let finished = checkpoint(writer, "RESTART");
    writer.busy_timeout(super::schema::BUSY_TIMEOUT)?;
    finished.map(drop)
}

/// Pages in the log; none when another connection is at it.
fn checkpoint(connection: &Connection, mode: &str) -> rusqlite::Result<u64> {
    let pages: i64 = connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| row.get(1))?;
    Ok(u64::try_from(pages).unwrap_or(0))
}
