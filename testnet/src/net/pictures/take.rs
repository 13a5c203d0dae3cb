//! Copying a net that nobody writes to, so that the copy is whole after a power cut or not there.

use super::{MAKING, PICTURE_FILE, Picture, SNAPSHOTS_DIR, VERSION, install};
use crate::net::error::NetError;
use crate::net::spec::{GENESIS_FILE, NetSpec, SPEC_FILE, node_dir};
use bezant_api::control::SnapshotInfo;
use bezant_wallet::keys::dev::WALLETS_DIR;
use rusqlite::{Connection, MAIN_DB, OpenFlags};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a wallet's database may be written to by another command.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// When a picture is taken.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Where the net's clock stands, as the time of this machine's; milliseconds since 1970.
    pub made_ms: u64,
    /// As in [`Picture::height`].
    pub height: Option<u64>,
}

/// Takes the snapshot `name`, in the place of one that is there, which is found until the new one is. The caller holds the net's lock.
///
/// # Errors
/// When something cannot be copied; then nothing has changed.
pub fn named(dir: &Path, spec: &NetSpec, name: &str, moment: Moment) -> Result<SnapshotInfo, NetError> {
    let made = unnamed(dir, spec, moment)?;
    let info = Picture::read(&made)?.info(name);
    let snapshots = dir.join(SNAPSHOTS_DIR);
    std::fs::create_dir_all(&snapshots).map_err(NetError::io(&snapshots))?;
    install::settle(dir)?;
    let (path, replaced) = (snapshots.join(name), super::replaced(dir, name));
    let is_anew = path.exists();
    if is_anew {
        std::fs::rename(&path, &replaced).map_err(NetError::io(&path))?;
        // Never both gone: what took the name is not durable before what it was taken from.
        sync_dir(&snapshots)?;
    }
    std::fs::rename(&made, &path).map_err(NetError::io(&path))?;
    sync_dir(&snapshots)?;
    sync_dir(dir)?;
    if is_anew {
        install::discard(dir, &replaced)?;
    }
    Ok(info)
}

/// Takes a picture without a name, in a directory that counts as not whole.
///
/// # Errors
/// When something cannot be copied; then nothing is left of it.
pub fn unnamed(dir: &Path, spec: &NetSpec, moment: Moment) -> Result<PathBuf, NetError> {
    let made = making(dir)?;
    let copied = copy_net(dir, spec, &made, moment);
    if let Err(error) = copied {
        let _ = std::fs::remove_dir_all(&made);
        return Err(error);
    }
    Ok(made)
}

/// A fresh directory for what is not whole.
pub(super) fn making(dir: &Path) -> Result<PathBuf, NetError> {
    let made = tempfile::Builder::new().prefix(MAKING).tempdir_in(dir).map_err(NetError::io(dir))?;
    Ok(made.keep())
}

fn copy_net(dir: &Path, spec: &NetSpec, to: &Path, moment: Moment) -> Result<(), NetError> {
    let mut copy = Copy { bytes: 0, parts: Vec::new() };
    copy.file(dir, to, GENESIS_FILE)?;
    copy.directory(dir, to, WALLETS_DIR, is_wallet)?;
    for index in 0..spec.count() {
        let node = node_dir(Path::new(""), index);
        make_dir(&to.join(&node))?;
        let key = node.join("validator.key");
        if dir.join(&key).exists() {
            copy.file(dir, to, &key.to_string_lossy())?;
        }
        copy.directory(dir, to, &node.join("data").to_string_lossy(), is_data)?;
        sync_dir(&to.join(&node))?;
    }
    NetSpec { last_alive_ms: moment.made_ms, ..spec.clone() }.write(to)?;
    copy.parts.push(SPEC_FILE.to_owned());
    let Moment { made_ms, height } = moment;
    let Copy { bytes, parts } = copy;
    Picture { version: VERSION, engine: spec.engine, made_ms, height, bytes, parts, replaces: false }.write(to)
}

/// The copy of a picture, to be changed and installed.
///
/// # Errors
/// When something cannot be copied; then nothing is left of it.
pub(super) fn copy_of(dir: &Path, picture: &Path) -> Result<PathBuf, NetError> {
    let said = Picture::read(picture)?;
    let to = making(dir)?;
    let mut copy = Copy { bytes: 0, parts: Vec::new() };
    let mut copy_all = || -> Result<(), NetError> {
        for part in &said.parts {
            if let Some(parent) = Path::new(part).parent() {
                make_dir(&to.join(parent))?;
            }
            if picture.join(part).is_dir() {
                copy.directory(picture, &to, part, |_| true)?;
            } else {
                copy.file(picture, &to, part)?;
            }
        }
        copy.file(picture, &to, PICTURE_FILE)
    };
    match copy_all() {
        Ok(()) => Ok(to),
        Err(error) => {
            let _ = std::fs::remove_dir_all(&to);
            Err(error)
        }
    }
}

/// Wallets with what they must not forget; the rest they make anew.
pub(super) fn is_wallet(name: &str) -> bool {
    !name.starts_with('.') && (name.ends_with(".json") || name.ends_with(".db"))
}

/// All but a running node's lock, what SQLite makes anew, and files that were never finished.
pub(super) fn is_data(name: &str) -> bool {
    name != "lock" && !name.ends_with("-shm") && !name.ends_with(".tmp") && !name.starts_with('.')
}

struct Copy {
    bytes: u64,
    parts: Vec<String>,
}

impl Copy {
    fn directory(&mut self, from: &Path, to: &Path, part: &str, wanted: fn(&str) -> bool) -> Result<(), NetError> {
        let (source, target) = (from.join(part), to.join(part));
        make_dir(&target)?;
        for entry in std::fs::read_dir(&source).map_err(NetError::io(&source))? {
            let entry = entry.map_err(NetError::io(&source))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.file_type().is_ok_and(|kind| kind.is_file()) && wanted(&name) {
                self.bytes += copy_file(&source.join(&name), &target.join(&name))?;
            }
        }
        self.parts.push(part.to_owned());
        sync_dir(&target)
    }

    fn file(&mut self, from: &Path, to: &Path, part: &str) -> Result<(), NetError> {
        self.bytes += copy_file(&from.join(part), &to.join(part))?;
        self.parts.push(part.to_owned());
        Ok(())
    }
}

/// Copies a file with its mode, synced; a wallet's database, which another command may be writing to, by SQLite.
fn copy_file(from: &Path, to: &Path) -> Result<u64, NetError> {
    if from.extension().is_some_and(|extension| extension == "db") {
        return copy_database(from, to);
    }
    let bytes = std::fs::copy(from, to).map_err(NetError::io(from))?;
    File::open(to).and_then(|file| file.sync_all()).map_err(NetError::io(to))?;
    Ok(bytes)
}

fn copy_database(from: &Path, to: &Path) -> Result<u64, NetError> {
    let failed = |error: rusqlite::Error| NetError::Damaged { path: from.to_owned(), reason: error.to_string() };
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let source = Connection::open_with_flags(from, flags).map_err(failed)?;
    source.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    crate::net::spec::write_private(to, b"")?;
    source.backup(MAIN_DB, to, None::<fn(rusqlite::backup::Progress)>).map_err(failed)?;
    let file = File::open(to).map_err(NetError::io(to))?;
    file.sync_all().map_err(NetError::io(to))?;
    Ok(file.metadata().map_err(NetError::io(to))?.len())
}

fn make_dir(path: &Path) -> Result<(), NetError> {
    std::fs::create_dir_all(path).map_err(NetError::io(path))
}

pub(super) fn sync_dir(path: &Path) -> Result<(), NetError> {
    File::open(path).and_then(|dir| dir.sync_all()).map_err(NetError::io(path))
}
