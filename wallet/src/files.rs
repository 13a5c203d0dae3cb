//! Files that are whole: after a power cut at any moment a file is as it was before, or as it is to be.

use crate::error::WalletError;
use std::io::{self, Write};
use std::path::Path;

#[cfg(test)]
mod tests;

/// What may be there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Replaces {
    /// Nothing: [`io::ErrorKind::AlreadyExists`] otherwise.
    Nothing,
    /// The file's last version.
    Anything,
}

/// Writes a file that only its owner may read: under another name beside it, synced, then put in its place as one step, and the
/// directory synced.
///
/// # Errors
/// When the system refuses.
pub(crate) fn write(path: &Path, contents: &[u8], replaces: Replaces) -> io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // The crate makes such files with mode 0600.
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    file.write_all(contents)?;
    file.as_file().sync_all()?;
    match replaces {
        Replaces::Nothing => file.persist_noclobber(path)?,
        Replaces::Anything => file.persist(path)?,
    };
    std::fs::File::open(dir)?.sync_all()
}

/// Writes what somebody wants in a file of his own, whole or not at all; over another file only by `force`.
///
/// # Errors
/// [`WalletError::Usage`] when there is one, [`WalletError::Failed`] when the system refuses.
pub fn give(path: &Path, contents: &[u8], force: bool) -> Result<(), WalletError> {
    let replaces = if force { Replaces::Anything } else { Replaces::Nothing };
    write(path, contents, replaces).map_err(|error| told(path, &error, "--force overwrites it"))
}

/// As [`give`], never over another file: that may be the only copy of what is in it.
///
/// # Errors
/// As [`give`].
pub fn create(path: &Path, contents: &[u8]) -> Result<(), WalletError> {
    write(path, contents, Replaces::Nothing).map_err(|error| told(path, &error, "name another file"))
}

fn told(path: &Path, error: &io::Error, next: &str) -> WalletError {
    match error.kind() {
        io::ErrorKind::AlreadyExists => WalletError::Usage(format!("{} is there already; {next}", path.display())),
        _ => WalletError::Failed(format!("{} cannot be written: {error}", path.display())),
    }
}
