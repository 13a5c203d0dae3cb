//! A recording that is looked at is read in full before it is shown, for one goes back and forth in it; therefore no more than
//! [`REPLAY_ENTRIES_MAX`] entries of it.

use bezant_api::trace::{Entry, TraceError};

/// Entries of a recording that is looked at in the dashboard: about 1 GB of memory, and 5 s until the first frame.
pub const REPLAY_ENTRIES_MAX: usize = 2_000_000;

/// Why a recording is not shown.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// It cannot be read.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// It is too long.
    #[error(
        "it has more than {REPLAY_ENTRIES_MAX} entries, which are all that the dashboard shows of one; record a shorter time, or look at \
         it with `bezant trace show`"
    )]
    TooLong,
}

/// All entries of a recording.
///
/// # Errors
/// When it cannot be read, or is too long; then no more of it is read.
pub fn read_all(entries: impl IntoIterator<Item = Result<Entry, TraceError>>) -> Result<Vec<Entry>, ReplayError> {
    at_most(REPLAY_ENTRIES_MAX, entries)
}

fn at_most(
    count: usize,
    entries: impl IntoIterator<Item = Result<Entry, TraceError>>,
) -> Result<Vec<Entry>, ReplayError> {
    let mut read = Vec::new();
    for entry in entries {
        if read.len() == count {
            return Err(ReplayError::TooLong);
        }
        read.push(entry?);
    }
    Ok(read)
}

#[cfg(test)]
mod tests;
