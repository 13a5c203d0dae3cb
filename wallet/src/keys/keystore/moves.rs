//! A wallet's files together: its own, its journal, and whatever else is called `NAME.…` beside them. They are renamed and
//! removed so that a crash at any moment loses nothing and leaves no wallet without its journal.
//!
//! `NAME.json` is the wallet: where it stands there is one.
//!
//! - **Rename**: the other files get their new names *beside* the old ones (hard links), then `OLD.json` becomes `NEW.json` as
//!   one step, then the old names go. So whichever of the two stands after a crash has its files with it; the names that are
//!   too many are second links, known by that, and the next command that changes a wallet takes them away.
//! - **Remove**: `NAME.json` becomes `NAME.removed` as one step, then the others go, then that. What a crash leaves is not a
//!   wallet any more, and the next command that changes one finishes it.
//!
//! SQLite finds what it has to roll back by the file's name. So the journal is rolled back first, and locked until it has moved.

use super::disk::failed;
use super::{check_name, path};
use crate::error::WalletError;
use crate::paying::journal;
use rusqlite::{Connection, TransactionBehavior};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

#[cfg(test)]
mod tests;

/// Held by whoever changes wallet files, so that no two commands overwrite what the other one wrote.
const LOCK_FILE: &str = ".lock";
/// How long another command may hold it: making a key of a password takes seconds on a slow machine.
const LOCK_TIMEOUT: Duration = Duration::from_secs(30);
const LOCK_LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// Another command may be writing into the journal.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// What a wallet's file is called while the wallet is being removed.
const REMOVED: &str = "removed";

/// The right to change a directory's wallet files; one command has it at a time.
#[derive(Debug)]
pub(super) struct Guard {
    _file: File,
}

impl Guard {
    /// Waits for it, and finishes what a crash interrupted.
    pub(super) fn take(dir: &Path) -> Result<Guard, WalletError> {
        fs::create_dir_all(dir).map_err(|error| failed(dir, &error))?;
        let path = dir.join(LOCK_FILE);
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = file.map_err(|error| failed(&path, &error))?;
        let end = Instant::now() + LOCK_TIMEOUT;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if Instant::now() < end => std::thread::sleep(LOCK_LOOK_INTERVAL),
                Err(TryLockError::WouldBlock) => {
                    let message = "another command is changing wallets; try again when it is done".to_owned();
                    return Err(WalletError::Failed(message));
                }
                Err(TryLockError::Error(error)) => return Err(failed(&path, &error)),
            }
        }
        finish_interrupted(dir)?;
        Ok(Guard { _file: file })
    }
}

/// Called between two steps; a test ends there.
type Between<'a> = &'a mut dyn FnMut() -> Result<(), WalletError>;

/// Gives a wallet another name, with all of its files.
///
/// # Errors
/// [`WalletError::Usage`] when there is no such wallet, the new name is none or is taken; [`WalletError::Failed`] when a
/// command uses its journal now, or the system refuses. What was begun is finished by the next change, or was not begun.
pub fn rename(dir: &Path, old: &str, new: &str) -> Result<PathBuf, WalletError> {
    renamed(dir, old, new, &mut || Ok(()))
}

fn renamed(dir: &Path, old: &str, new: &str, between: Between<'_>) -> Result<PathBuf, WalletError> {
    check_name(new)?;
    let _guard = Guard::take(dir)?;
    let (from, to) = (existing(dir, old)?, path(dir, new));
    check_free(dir, new)?;
    let _journal = hold_journal(&from)?;
    let others = belongings(dir, old)?;
    for other in &others {
        let link = second_name(other, dir, old, new);
        fs::hard_link(other, &link).map_err(|error| failed(&link, &error))?;
        between()?;
    }
    sync(dir)?;
    between()?;
    fs::rename(&from, &to).map_err(|error| failed(&to, &error))?;
    between()?;
    sync(dir)?;
    for other in &others {
        between()?;
        fs::remove_file(other).map_err(|error| failed(other, &error))?;
    }
    sync(dir)?;
    Ok(to)
}

/// Removes a wallet with all of its files.
///
/// # Errors
/// As [`rename`].
pub fn remove(dir: &Path, name: &str) -> Result<(), WalletError> {
    removed(dir, name, &mut || Ok(()))
}

fn removed(dir: &Path, name: &str, between: Between<'_>) -> Result<(), WalletError> {
    let _guard = Guard::take(dir)?;
    let from = existing(dir, name)?;
    let journal = hold_journal(&from)?;
    fs::rename(&from, from.with_extension(REMOVED)).map_err(|error| failed(&from, &error))?;
    drop(journal);
    between()?;
    sync(dir)?;
    finish_removal(dir, name, between)
}

fn finish_removal(dir: &Path, name: &str, between: Between<'_>) -> Result<(), WalletError> {
    let last = path(dir, name).with_extension(REMOVED);
    for other in belongings(dir, name)?.iter().filter(|other| **other != last) {
        fs::remove_file(other).map_err(|error| failed(other, &error))?;
        between()?;
    }
    sync(dir)?;
    fs::remove_file(&last).map_err(|error| failed(&last, &error))?;
    between()?;
    sync(dir)
}

fn existing(dir: &Path, name: &str) -> Result<PathBuf, WalletError> {
    let path = path(dir, name);
    if check_name(name).is_ok() && path.exists() {
        return Ok(path);
    }
    Err(WalletError::Usage(format!("there is no wallet \"{name}\" of yours; see `bezant wallet list`")))
}

/// Checks that nothing of this name is there: a wallet must not come by another one's journal.
pub(super) fn check_free(dir: &Path, name: &str) -> Result<(), WalletError> {
    let path = path(dir, name);
    if path.exists() {
        let message = format!("there is a wallet {name} already ({}); take another name", path.display());
        return Err(WalletError::Usage(message));
    }
    match belongings(dir, name)?.first() {
        None => Ok(()),
        Some(left) => Err(WalletError::Usage(format!(
            "{} is there from a wallet {name} that is not; move it away, or take another name",
            left.display()
        ))),
    }
}

/// All files of a wallet but its own, by name. No name of a wallet has a dot, so what begins with `NAME.` is its.
fn belongings(dir: &Path, name: &str) -> Result<Vec<PathBuf>, WalletError> {
    let own = path(dir, name);
    let all = entries(dir)?.into_iter().filter(|path| wallet_of(path) == Some(name) && *path != own);
    Ok(all.collect())
}

/// The files of a directory, by name.
fn entries(dir: &Path) -> Result<Vec<PathBuf>, WalletError> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir).map_err(|error| failed(dir, &error))? {
        let entry = entry.map_err(|error| failed(dir, &error))?;
        if entry.file_type().map_err(|error| failed(dir, &error))?.is_file() {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

/// Name of the wallet that a file belongs to, if it could be one's.
fn wallet_of(path: &Path) -> Option<&str> {
    let (name, _) = path.file_name()?.to_str()?.split_once('.')?;
    check_name(name).is_ok().then_some(name)
}

fn second_name(path: &Path, dir: &Path, old: &str, new: &str) -> PathBuf {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    dir.join(format!("{new}{}", &name[old.len()..]))
}

/// Rolls the journal back, if a command was interrupted, and keeps others from writing into it.
fn hold_journal(wallet: &Path) -> Result<Option<Connection>, WalletError> {
    let path = journal::path(wallet);
    if !path.exists() {
        return Ok(None);
    }
    let failed = |error: &dyn std::fmt::Display| {
        let message =
            format!("{}: {error}; nothing was changed. Try again when no command uses the wallet", path.display());
        WalletError::Failed(message)
    };
    let mut connection = Connection::open(&path).map_err(|error| failed(&error))?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(|error| failed(&error))?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Exclusive);
    let mut transaction = transaction.map_err(|error| failed(&error))?;
    // Reads, so that what has to be rolled back is; and leaves the lock with the connection.
    let pages = transaction.pragma_query_value(None, "schema_version", |row| row.get::<_, i64>(0));
    pages.map_err(|error| failed(&error))?;
    transaction.set_drop_behavior(rusqlite::DropBehavior::Ignore);
    drop(transaction);
    Ok(Some(connection))
}

/// Finishes renames and removals that a crash interrupted.
fn finish_interrupted(dir: &Path) -> Result<(), WalletError> {
    let all = entries(dir)?;
    let names = |extension: &str| -> Vec<String> {
        let of = all.iter().filter(|path| path.extension().is_some_and(|is| is == extension));
        of.filter_map(|path| Some(wallet_of(path)?.to_owned())).collect()
    };
    let wallets = names("json");
    for name in names(REMOVED).iter().filter(|name| !wallets.contains(name)) {
        finish_removal(dir, name, &mut || Ok(()))?;
    }
    // A name without a wallet, of a file that a wallet has under another name.
    let identity = |path: &PathBuf| Some((fs::metadata(path).ok()?, path.clone()));
    let (mut kept, mut spare) = (BTreeMap::new(), Vec::new());
    for (metadata, path) in entries(dir)?.iter().filter_map(identity).filter(|(metadata, _)| metadata.nlink() > 1) {
        let id = (metadata.dev(), metadata.ino());
        match wallet_of(&path) {
            Some(name) if wallets.iter().any(|wallet| wallet == name) => {
                kept.insert(id, path);
            }
            Some(_) => spare.push((id, path)),
            None => {}
        }
    }
    for (_, path) in spare.iter().filter(|(id, _)| kept.contains_key(id)) {
        fs::remove_file(path).map_err(|error| failed(path, &error))?;
    }
    if spare.is_empty() { Ok(()) } else { sync(dir) }
}

fn sync(dir: &Path) -> Result<(), WalletError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|error| failed(dir, &error))
}
