//! Files that are whole: after a power cut at any moment a file is as it was before, or as it is to be.

use std::io::{self, Write};
use std::path::Path;

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

/// Writes a new file that only its owner may read, whole or not at all.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] when there is one; else when the system refuses.
pub fn write_secret(path: &Path, contents: &[u8]) -> io::Result<()> {
    write(path, contents, Replaces::Nothing)
}
