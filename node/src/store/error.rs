//! What can go wrong with a data directory, in sentences that say what to do.

use rusqlite::ErrorCode;
use std::path::{Path, PathBuf};

/// Why the database cannot be used. `Clone`, since one failure may end several waits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Another process uses the directory.
    #[error("the data directory {0} is in use by another node; stop that one first or give this one another directory")]
    InUse(PathBuf),
    /// The directory belongs to another net.
    #[error(
        "the data directory {dir} belongs to another net ({theirs}…), the genesis file is that of net {ours}…; \
         use the genesis file with which the directory was made, or another directory"
    )]
    OtherNet {
        /// The directory.
        dir: PathBuf,
        /// Start of the network id found.
        theirs: String,
        /// Start of the network id expected.
        ours: String,
    },
    /// Written by a newer or an older program.
    #[error(
        "the database {path} has format {found}, and this program knows format {known} only; use the version of bezant that \
         wrote it, or move the data directory's databases away and start again: the node fetches the chain from its peers"
    )]
    OtherFormat {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The one that is known.
        known: i64,
    },
    /// The state was written by an older program.
    #[error(
        "the database {path} has format {found} of an older version, and this program knows format {known} only; delete this one \
         file (and its -wal and -shm), and start again: it is rebuilt from facts.sqlite"
    )]
    OldState {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The one that is known.
        known: i64,
    },
    /// The state can be made again from the facts.
    #[error(
        "the database {path} is damaged ({reason}); stop the node, delete this one file (and its -wal and -shm), and start \
         again: it is rebuilt from facts.sqlite"
    )]
    StateDamaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// The facts cannot be made again from anything here.
    #[error(
        "the database {path} is damaged ({reason}); do not start a validator from an older copy of it, since it may have \
         forgotten votes. Move both databases away and start again: the node fetches the chain from its peers, and a validator \
         says nothing until the others re-admit it, for which it asks by itself"
    )]
    FactsDamaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// The file system refuses to take more.
    #[error(
        "cannot write {path}: {reason}; free some space, or raise the limit on file sizes, and start the node again"
    )]
    CannotWrite {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Anything else that SQLite says.
    #[error("database {path}: {reason}")]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What it says.
        reason: String,
    },
    /// A file or directory cannot be made or opened.
    #[error("{path}: {reason}; check that the directory exists and belongs to you")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The writer of the state has gone.
    #[error("the database's writer has stopped; see the log for the reason")]
    WriterStopped,
}

impl StoreError {
    /// Sorts what SQLite says about a file.
    pub(super) fn sqlite(path: &Path, error: &rusqlite::Error) -> StoreError {
        let reason = error.to_string();
        let path_buf = path.to_owned();
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::damaged(path, reason),
            Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure) => {
                StoreError::CannotWrite { path: path_buf, reason }
            }
            Some(_) | None => StoreError::Sqlite { path: path_buf, reason },
        }
    }

    /// A file whose contents make no sense.
    pub(super) fn damaged(path: &Path, reason: impl Into<String>) -> StoreError {
        let (path, reason) = (path.to_owned(), reason.into());
        if path.file_name().is_some_and(|name| name == super::schema::STATE_FILE) {
            StoreError::StateDamaged { path, reason }
        } else {
            StoreError::FactsDamaged { path, reason }
        }
    }

    /// A file that cannot be made or opened.
    pub(super) fn io(path: &Path, error: &std::io::Error) -> StoreError {
        StoreError::Io { path: path.to_owned(), reason: error.to_string() }
    }
}
