//! Pictures of a whole net: taken, named, and put in the net's place again.
//!
//! ```text
//! snapshots/NAME/        a picture: genesis.toml, net.json, wallets/, nodeI/validator.key, nodeI/data/, picture.json
//! snapshots/.replaced-NAME/  the picture whose place NAME takes, until it has
//! .making-…/             a picture that is not whole yet, or one that is no more; deleted when a command finds it
//! next/                  a whole picture that takes the net's place, now or at the next command
//! ```
//!
//! - **Consistent.** A picture is taken while nothing writes: the net is stopped, or all of its nodes are frozen ([`freeze`]) at
//!   once. What a node has on disk at any moment is what it finds after a crash at that moment, which it bears.
//! - **Whole or not at all.** A picture is made under another name, synced with its directories, and renamed. Going back to one
//!   is the renaming of its copy to `next`: before that the old net is there, and from then on the new one, for every command that
//!   takes the net's lock first moves what is in `next` to its place ([`install::finish`]), as often as it is interrupted.
//! - **Taken anew.** The old one steps aside, the new one takes its name, the old one goes. Between the two the old one is found under
//!   its other name; who takes the lock next brings it back (`install::settle`).
//! - **Not in a picture:** logs, other snapshots, and what was done to the running net (faults, lies, nodes that are down), which
//!   stays as it is.
//! - **Going back raises the incarnation** ([`set_back`]).

pub mod archive;
pub mod freeze;
pub mod install;
pub mod set_back;
pub mod take;

use crate::net::client;
use crate::net::error::NetError;
use crate::net::spec::{self, NetSpec};
use crate::net::supervisor;
use bezant_api::control::{ControlRequest, ControlResponse, SnapshotInfo};
use bezant_api::types::EngineName;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Where snapshots are, in the net's directory.
pub const SNAPSHOTS_DIR: &str = "snapshots";
/// What a picture says of itself.
pub const PICTURE_FILE: &str = "picture.json";
/// Snapshots of one net, at most.
pub const SNAPSHOTS_MAX: usize = 1_000;
/// The format of pictures.
const VERSION: u32 = 1;
/// How directories begin that are not whole.
const MAKING: &str = ".making-";
/// How the names of snapshots begin that are being taken anew.
const REPLACED: &str = ".replaced-";

/// What a picture says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picture {
    /// Format, 1.
    pub version: u32,
    /// How the net decides.
    pub engine: EngineName,
    /// When it was taken, milliseconds since 1970 by this machine's clock. The net's clock stands there.
    pub made_ms: u64,
    /// The highest final height (under proof of work the highest tip) of any node then, as far as known.
    pub height: Option<u64>,
    /// Bytes of all its files.
    pub bytes: u64,
    /// What of the net's directory it has, file or directory.
    pub parts: Vec<String>,
    /// Whether it is another net: snapshots of the one that was there go.
    #[serde(default)]
    pub replaces: bool,
}

impl Picture {
    /// Reads what a picture says of itself.
    ///
    /// # Errors
    /// When it does not, or is of a later format.
    pub fn read(dir: &Path) -> Result<Picture, NetError> {
        let path = dir.join(PICTURE_FILE);
        let text = std::fs::read_to_string(&path).map_err(NetError::io(&path))?;
        let picture: Picture = serde_json::from_str(&text)
            .map_err(|error| NetError::Damaged { path: path.clone(), reason: format!("{error}; take it anew") })?;
        if picture.version != VERSION {
            let reason = format!("it is of version {}, and this program knows {VERSION}", picture.version);
            return Err(NetError::Damaged { path, reason });
        }
        Ok(picture)
    }

    fn write(&self, dir: &Path) -> Result<(), NetError> {
        let text = serde_json::to_string_pretty(self).expect("a picture has a JSON form");
        spec::write_private(&dir.join(PICTURE_FILE), text.as_bytes())
    }

    fn info(&self, name: &str) -> SnapshotInfo {
        SnapshotInfo { name: name.to_owned(), made_ms: self.made_ms, height: self.height, bytes: self.bytes }
    }
}

/// Where a snapshot is.
///
/// # Errors
/// For a name that could not be a directory's.
pub fn path(dir: &Path, name: &str) -> Result<PathBuf, NetError> {
    bezant_api::home::check_name(name).map_err(|_| {
        NetError::Usage(format!("\"{name}\" is no name for a snapshot: 1 to 64 of a-z, A-Z, 0-9, - and _ are expected"))
    })?;
    Ok(dir.join(SNAPSHOTS_DIR).join(name))
}

/// Where a snapshot is while another takes its name.
fn replaced(dir: &Path, name: &str) -> PathBuf {
    dir.join(SNAPSHOTS_DIR).join(format!("{REPLACED}{name}"))
}

/// Where a snapshot is that exists.
///
/// # Errors
/// When it does not.
pub fn find(net: &str, dir: &Path, name: &str) -> Result<PathBuf, NetError> {
    let path = path(dir, name)?;
    if path.is_dir() {
        return Ok(path);
    }
    let replaced = replaced(dir, name);
    if replaced.is_dir() {
        return Ok(replaced);
    }
    Err(NetError::NoSnapshot { net: net.to_owned(), name: name.to_owned() })
}

/// The snapshots of the net in `dir`, oldest first.
///
/// # Errors
/// When the directory cannot be read, or one of them is damaged.
pub fn list(dir: &Path) -> Result<Vec<SnapshotInfo>, NetError> {
    let path = dir.join(SNAPSHOTS_DIR);
    let entries = match std::fs::read_dir(&path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(NetError::Io { path, error }),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(NetError::io(&path))?;
        let entry_name = entry.file_name().to_string_lossy().into_owned();
        let replaced = entry_name.strip_prefix(REPLACED).filter(|name| !path.join(name).exists());
        let name = replaced.or(Some(entry_name.as_str()).filter(|name| !name.starts_with('.')));
        if let Some(name) = name.filter(|_| entry.path().is_dir()) {
            found.push(Picture::read(&entry.path())?.info(name));
        }
    }
    found.sort_by(|one, other| (one.made_ms, &one.name).cmp(&(other.made_ms, &other.name)));
    Ok(found)
}

/// Deletes a snapshot.
///
/// # Errors
/// When there is none of that name, or the system refuses.
pub fn remove(net: &str, dir: &Path, name: &str) -> Result<(), NetError> {
    install::discard(dir, &find(net, dir, name)?)?;
    // One whose place it took may be left of a cut.
    let replaced = replaced(dir, name);
    if replaced.exists() { install::discard(dir, &replaced) } else { Ok(()) }
}

/// Takes a snapshot, of the running net by its supervisor, else here. `force` replaces one of the same name.
///
/// # Errors
/// When there is one already, or no net, or it cannot be written.
pub async fn snapshot(net: &str, dir: &Path, name: &str, force: bool) -> Result<SnapshotInfo, NetError> {
    path(dir, name)?;
    if let Ok(manifest) = client::running(net, dir) {
        let request = ControlRequest::Snapshot { name: name.to_owned(), force };
        return match client::ask(&manifest, &request).await? {
            ControlResponse::Snapshot { info } => Ok(info),
            other => Err(unexpected(&other)),
        };
    }
    let (_lock, spec) = open_stopped(net, dir).await?;
    check_free(dir, name, force)?;
    let height = set_back::height(dir, &spec).await.ok();
    take::named(dir, &spec, name, take::Moment { made_ms: supervisor::stood_still_at(dir), height })
}

/// Goes back to a snapshot: a running net runs again afterwards, one that is stopped stays so.
///
/// # Errors
/// When there is no such snapshot, or it cannot be read, or a node does not start.
pub async fn revert(net: &str, dir: &Path, name: &str) -> Result<SetBackReport, NetError> {
    find(net, dir, name)?;
    if let Ok(manifest) = client::running(net, dir) {
        let request = ControlRequest::Revert { name: name.to_owned() };
        return match client::ask(&manifest, &request).await? {
            ControlResponse::SetBack { height, incarnation } => Ok(SetBackReport { height, incarnation }),
            other => Err(unexpected(&other)),
        };
    }
    let (_lock, spec) = open_stopped(net, dir).await?;
    set_back::revert(dir, &spec, &find(net, dir, name)?).await
}

/// What came of going back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SetBackReport {
    /// The highest height that is final there (under proof of work: that any node has).
    pub height: u64,
    /// The net's incarnation from now on.
    pub incarnation: u32,
}

/// Takes a picture of the net as it is, to be read and then given to [`install::discard`].
///
/// # Errors
/// When there is no net, or it cannot be copied.
pub async fn picture(net: &str, dir: &Path) -> Result<PathBuf, NetError> {
    if let Ok(manifest) = client::running(net, dir) {
        return match client::ask(&manifest, &ControlRequest::Picture).await? {
            ControlResponse::Picture { path } => Ok(path),
            other => Err(unexpected(&other)),
        };
    }
    let (_lock, spec) = open_stopped(net, dir).await?;
    let height = set_back::height(dir, &spec).await.ok();
    take::unnamed(dir, &spec, take::Moment { made_ms: supervisor::stood_still_at(dir), height })
}

/// Takes the lock of a net that does not run, and finishes what was begun with it.
///
/// # Errors
/// When it runs or is being started, or there is none.
pub async fn open_stopped(net: &str, dir: &Path) -> Result<(std::fs::File, NetSpec), NetError> {
    let lock = supervisor::lock(net, dir)?;
    supervisor::stop_leftovers(dir).await;
    install::finish(dir)?;
    match NetSpec::read(dir)? {
        Some(spec) => Ok((lock, spec)),
        None => Err(NetError::NotRunning(net.to_owned())),
    }
}

/// Whether a snapshot may be taken under this name.
///
/// # Errors
/// When there is one already, or there are too many.
pub(crate) fn check_free(dir: &Path, name: &str, force: bool) -> Result<(), NetError> {
    let path = path(dir, name)?;
    if path.exists() {
        let taken = format!("there is a snapshot \"{name}\" already; --force takes it anew, or choose another name");
        return if force { Ok(()) } else { Err(NetError::Refused(taken)) };
    }
    let count = std::fs::read_dir(dir.join(SNAPSHOTS_DIR)).map_or(0, Iterator::count);
    if count >= SNAPSHOTS_MAX {
        let many = format!("there are {count} snapshots; remove some with `bezant testnet snapshot --remove NAME`");
        return Err(NetError::Refused(many));
    }
    Ok(())
}

fn unexpected(response: &ControlResponse) -> NetError {
    let text = serde_json::to_string(response).unwrap_or_default();
    NetError::Refused(format!("the supervisor answered something else: {text}; it may be of another version"))
}

#[cfg(test)]
mod tests;
