//! Where things are: the home directory with its nets and wallets, and how a net is found by its name.
//!
//! ```text
//! HOME/nets/NAME/        a net: genesis.toml, run.json, node0/ …
//! HOME/nets/NAME.link    instead, for a net made elsewhere: the path of its directory
//! HOME/wallets/          wallet files
//! ```
//! A net's directory carries [`MARKER_FILE`]. Nothing without it is ever deleted.

use std::io;
use std::path::{Path, PathBuf};

#[cfg(test)]
mod tests;

/// Marks a directory as made by Bezant; holds the net's name.
pub const MARKER_FILE: &str = ".bezant-net";
/// Name of the genesis file in a net's directory.
pub const GENESIS_FILE: &str = "genesis.toml";

/// Why something at home cannot be found or changed.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// Neither a flag nor the environment says where home is.
    #[error("no home directory: set BEZANT_HOME, or give --home DIR")]
    Nowhere,
    /// A net's name that could not be a directory's.
    #[error("\"{0}\" is no name for a net: 1 to 64 of a-z, A-Z, 0-9, - and _ are expected")]
    BadName(String),
    /// No net of that name.
    #[error("there is no net \"{0}\"; make one with `bezant testnet up --net {0}`, or see `bezant testnet list`")]
    NoNet(String),
    /// Of that name there is a net in another directory.
    #[error(
        "net \"{name}\" is in {there}; remove it with `bezant testnet down --purge --net {name}`, or take another name"
    )]
    Elsewhere {
        /// The net.
        name: String,
        /// Where it is.
        there: PathBuf,
    },
    /// A directory that Bezant did not make, or that is another net's.
    #[error("{0} was not made by Bezant for this net (no {MARKER_FILE} file in it); it is left as it is")]
    NotOurs(PathBuf),
    /// The system refused.
    #[error("{path}: {error}")]
    Io {
        /// On what.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> HomeError + '_ {
    |error| HomeError::Io { path: path.to_owned(), error }
}

/// The home directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    path: PathBuf,
}

impl Home {
    /// This directory, which need not exist yet.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Home {
        Home { path: path.into() }
    }

    /// The directory given, else `BEZANT_HOME`, else `$XDG_DATA_HOME/bezant`, else `~/.local/share/bezant`. Empty variables
    /// and, as the XDG specification wants, a relative `XDG_DATA_HOME` count as absent.
    ///
    /// # Errors
    /// When none of them says.
    pub fn discover(given: Option<&Path>) -> Result<Home, HomeError> {
        Home::from_sources(given, |name| std::env::var_os(name).map(PathBuf::from))
    }

    fn from_sources(given: Option<&Path>, env: impl Fn(&str) -> Option<PathBuf>) -> Result<Home, HomeError> {
        let env = |name: &str| env(name).filter(|path| !path.as_os_str().is_empty());
        let path = given
            .map(Path::to_owned)
            .or_else(|| env("BEZANT_HOME"))
            .or_else(|| env("XDG_DATA_HOME").filter(|path| path.is_absolute()).map(|path| path.join("bezant")))
            .or_else(|| env("HOME").map(|path| path.join(".local/share/bezant")))
            .ok_or(HomeError::Nowhere)?;
        let path = std::path::absolute(&path).map_err(io_error(&path))?;
        Ok(Home { path })
    }

    /// The directory itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where wallet files are.
    #[must_use]
    pub fn wallets(&self) -> PathBuf {
        self.path.join("wallets")
    }

    /// Where nets are.
    #[must_use]
    pub fn nets(&self) -> PathBuf {
        self.path.join("nets")
    }

    /// Where a net of this name is, if it exists: its link's target, or its directory here.
    ///
    /// # Errors
    /// For a bad name, or when there is no such net.
    pub fn find_net(&self, name: &str) -> Result<PathBuf, HomeError> {
        check_name(name)?;
        let link = self.link(name);
        match std::fs::read_to_string(&link) {
            Ok(target) => {
                let dir = PathBuf::from(target.trim_end_matches('\n'));
                if marked_name(&dir).as_deref() == Some(name) {
                    Ok(dir)
                } else {
                    Err(HomeError::NoNet(name.to_owned()))
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let dir = self.nets().join(name);
                if marked_name(&dir).is_some() { Ok(dir) } else { Err(HomeError::NoNet(name.to_owned())) }
            }
            Err(error) => Err(HomeError::Io { path: link, error }),
        }
    }

    /// Makes (or finds again) the directory for a net: `dir`, or `nets/NAME/` here. It gets its marker, mode 0700, and a link
    /// when it is elsewhere. An existing directory is taken over only when it is empty or already this net's.
    ///
    /// # Errors
    /// For a bad name, a net of that name elsewhere, a directory that is not ours, or when the system refuses.
    pub fn create_net(&self, name: &str, dir: Option<&Path>) -> Result<PathBuf, HomeError> {
        check_name(name)?;
        let here = self.nets().join(name);
        let dir = match dir {
            Some(dir) => std::path::absolute(dir).map_err(io_error(dir))?,
            None => self.find_net(name).unwrap_or_else(|_| here.clone()),
        };
        match self.find_net(name) {
            Ok(there) if there != dir => return Err(HomeError::Elsewhere { name: name.to_owned(), there }),
            Ok(_) => return Ok(dir),
            Err(_) => {}
        }
        std::fs::create_dir_all(&dir).map_err(io_error(&dir))?;
        let empty = std::fs::read_dir(&dir).map_err(io_error(&dir))?.next().is_none();
        if !empty && marked_name(&dir).as_deref() != Some(name) {
            return Err(HomeError::NotOurs(dir));
        }
        only_for_me(&dir)?;
        let marker = dir.join(MARKER_FILE);
        std::fs::write(&marker, format!("{name}\n")).map_err(io_error(&marker))?;
        if dir != here {
            std::fs::create_dir_all(self.nets()).map_err(io_error(&self.nets()))?;
            let link = self.link(name);
            std::fs::write(&link, format!("{}\n", dir.display())).map_err(io_error(&link))?;
        }
        Ok(dir)
    }

    /// Deletes a net's directory and its link. A net that does not exist is already deleted.
    ///
    /// # Errors
    /// For a bad name, a directory without the marker, or when the system refuses.
    pub fn remove_net(&self, name: &str) -> Result<(), HomeError> {
        match self.find_net(name) {
            Ok(dir) => remove_marked(&dir)?,
            Err(HomeError::NoNet(_)) => {}
            Err(error) => return Err(error),
        }
        let link = self.link(name);
        match std::fs::remove_file(&link) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(HomeError::Io { path: link, error }),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// All nets, by name, with their directories.
    ///
    /// # Errors
    /// When the system refuses; no directory means no nets.
    pub fn list_nets(&self) -> Result<Vec<(String, PathBuf)>, HomeError> {
        let nets = self.nets();
        let entries = match std::fs::read_dir(&nets) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(HomeError::Io { path: nets, error }),
        };
        let mut names = std::collections::BTreeSet::new();
        for entry in entries {
            let name = entry.map_err(io_error(&nets))?.file_name().to_string_lossy().into_owned();
            names.insert(name.strip_suffix(".link").unwrap_or(&name).to_owned());
        }
        Ok(names.into_iter().filter_map(|name| self.find_net(&name).ok().map(|dir| (name, dir))).collect())
    }

    fn link(&self, name: &str) -> PathBuf {
        self.nets().join(format!("{name}.link"))
    }
}

/// Whether `name` can name a net or a wallet.
///
/// # Errors
/// When it is empty, too long, or has other characters than letters, digits, `-` and `_`.
pub fn check_name(name: &str) -> Result<(), HomeError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let ok = (1..=64).contains(&name.len()) && name.chars().all(allowed) && !name.starts_with('-');
    if ok { Ok(()) } else { Err(HomeError::BadName(name.to_owned())) }
}

/// The name in the marker of a directory; `None` when Bezant did not make it.
#[must_use]
pub fn marked_name(dir: &Path) -> Option<String> {
    let text = std::fs::read_to_string(dir.join(MARKER_FILE)).ok()?;
    Some(text.trim_end().to_owned())
}

/// Deletes a directory that carries the marker, the marker last, so that what an interruption leaves can be deleted again.
///
/// # Errors
/// When there is no marker, or the system refuses.
pub fn remove_marked(dir: &Path) -> Result<(), HomeError> {
    if marked_name(dir).is_none() {
        return Err(HomeError::NotOurs(dir.to_owned()));
    }
    for entry in std::fs::read_dir(dir).map_err(io_error(dir))? {
        let path = entry.map_err(io_error(dir))?.path();
        if path.file_name().is_some_and(|name| name == MARKER_FILE) {
            continue;
        }
        let is_dir = path.symlink_metadata().map_err(io_error(&path))?.is_dir();
        let removed = if is_dir { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
        removed.map_err(io_error(&path))?;
    }
    std::fs::remove_dir_all(dir).map_err(io_error(dir))
}

#[cfg(unix)]
fn only_for_me(dir: &Path) -> Result<(), HomeError> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700)).map_err(io_error(dir))
}

#[cfg(not(unix))]
fn only_for_me(_dir: &Path) -> Result<(), HomeError> {
    Ok(())
}
