//! Putting a picture in a net's place, in steps that may be cut off anywhere and are done again.

use super::{MAKING, Picture, REPLACED, SNAPSHOTS_DIR, take};
use crate::net::error::NetError;
use crate::net::spec::SPEC_FILE;
use crate::net::supervisor;
use bezant_wallet::keys::dev::WALLETS_DIR;
use std::path::{Path, PathBuf};

/// A whole picture that takes the net's place.
const NEXT_DIR: &str = "next";

/// Puts a picture that was made in this directory in the net's place. The caller holds the net's lock, and no node runs.
///
/// # Errors
/// When the system refuses. If the picture is the net by then, the next [`finish`] goes on.
pub fn install(dir: &Path, picture: &Path) -> Result<(), NetError> {
    take::sync_dir(picture)?;
    let next = dir.join(NEXT_DIR);
    // From here on it is the net.
    std::fs::rename(picture, &next).map_err(NetError::io(&next))?;
    take::sync_dir(dir)?;
    finish(dir)
}

/// Finishes what was begun and cut off: a picture that is to be the net becomes it, and what is not whole goes. The caller holds
/// the net's lock, and no node runs.
///
/// # Errors
/// When the system refuses.
pub fn finish(dir: &Path) -> Result<(), NetError> {
    let next = dir.join(NEXT_DIR);
    if next.exists() {
        let picture = Picture::read(&next)?;
        for part in present(dir)? {
            if !picture.parts.contains(&part) {
                delete(&dir.join(part))?;
            }
        }
        if picture.replaces {
            delete(&dir.join(SNAPSHOTS_DIR))?;
        }
        for part in &picture.parts {
            move_part(&next, dir, part)?;
        }
        supervisor::stand_still(dir, picture.made_ms)?;
        take::sync_dir(dir)?;
        discard(dir, &next)?;
    }
    for entry in std::fs::read_dir(dir).map_err(NetError::io(dir))? {
        let entry = entry.map_err(NetError::io(dir))?;
        if entry.file_name().to_string_lossy().starts_with(MAKING) {
            delete(&entry.path())?;
        }
    }
    settle(dir)
}

/// Ends what was cut off while a snapshot was taken anew: the new one stays where it is there, otherwise the old one is back. The
/// caller holds the net's lock.
///
/// # Errors
/// When the system refuses.
pub(super) fn settle(dir: &Path) -> Result<(), NetError> {
    let snapshots = dir.join(SNAPSHOTS_DIR);
    let entries = match std::fs::read_dir(&snapshots) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(NetError::Io { path: snapshots, error }),
    };
    for entry in entries {
        let replaced = entry.map_err(NetError::io(&snapshots))?;
        let file_name = replaced.file_name().to_string_lossy().into_owned();
        let Some(name) = file_name.strip_prefix(REPLACED) else { continue };
        let path = snapshots.join(name);
        if path.exists() {
            discard(dir, &replaced.path())?;
        } else {
            std::fs::rename(replaced.path(), &path).map_err(NetError::io(&path))?;
            take::sync_dir(&snapshots)?;
        }
    }
    Ok(())
}

/// One that is not in `next` has been moved before.
fn move_part(next: &Path, dir: &Path, part: &str) -> Result<(), NetError> {
    let (from, to) = (next.join(part), dir.join(part));
    if !from.exists() {
        return Ok(());
    }
    delete(&to)?;
    let parent = to.parent().expect("a part is below the net's directory");
    std::fs::create_dir_all(parent).map_err(NetError::io(parent))?;
    std::fs::rename(&from, &to).map_err(NetError::io(&to))?;
    take::sync_dir(parent)
}

/// What of a net a picture would have.
fn present(dir: &Path) -> Result<Vec<String>, NetError> {
    let mut parts = vec![WALLETS_DIR.to_owned(), SPEC_FILE.to_owned()];
    for entry in std::fs::read_dir(dir).map_err(NetError::io(dir))? {
        let name = entry.map_err(NetError::io(dir))?.file_name().to_string_lossy().into_owned();
        let number = name.strip_prefix("node").and_then(|number| number.parse::<usize>().ok());
        if number.is_some() {
            parts.extend([format!("{name}/data"), format!("{name}/validator.key")]);
        }
    }
    Ok(parts)
}

/// Deletes a picture, so that nobody ever sees half of it.
///
/// # Errors
/// When the system refuses.
pub fn discard(dir: &Path, picture: &Path) -> Result<(), NetError> {
    let away: PathBuf = take::making(dir)?;
    // A directory may be renamed to an empty one.
    std::fs::rename(picture, &away).map_err(NetError::io(picture))?;
    take::sync_dir(dir)?;
    delete(&away)
}

fn delete(path: &Path) -> Result<(), NetError> {
    let removed = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(NetError::Io { path: path.to_owned(), error })
        }
        Ok(()) | Err(_) => Ok(()),
    }
}
