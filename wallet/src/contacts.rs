//! Names for other people's addresses: `contacts.toml` beside the wallets.
//!
//! ```toml
//! version = 1
//!
//! [[contact]]
//! name = "shop"
//! address = "bzt1…"
//! ```
//!
//! An address belongs to one net, so one name may stand for one address on each net. The file may be edited by hand; it is written
//! whole (mode 0600), by one command at a time.

use crate::error::WalletError;
use crate::files::{self, Replaces};
use bezant_api::address;
use bezant_api::home::check_name;
use bezant_consensus::ledger::hash::{LockHash, NetworkId};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

#[cfg(test)]
mod tests;

/// The one version there is.
const VERSION: u32 = 1;
/// Contacts, on all nets together.
pub const CONTACTS_MAX: usize = 10_000;
/// Bytes of the file.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// One line of `contacts list`, and of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contact {
    /// What its owner calls it.
    pub name: String,
    /// The address.
    pub address: String,
}

impl Contact {
    /// The lock that it pays to; `None` on other nets than its own.
    #[must_use]
    pub fn lock(&self, network: &NetworkId) -> Option<LockHash> {
        address::decode(network, &self.address).ok()
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    #[serde(default)]
    contact: Vec<Contact>,
}

/// Where they are, given the directory of wallet files.
#[must_use]
pub fn path(dir: &Path) -> PathBuf {
    dir.join("contacts.toml")
}

/// The contacts on a net, by name.
///
/// # Errors
/// [`WalletError::Failed`] when the file cannot be read or understood; no file means no contacts.
pub fn list(dir: &Path, network: &NetworkId) -> Result<Vec<Contact>, WalletError> {
    let mut all = read(dir)?;
    all.retain(|contact| contact.lock(network).is_some());
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

/// The contact of this name on a net.
///
/// # Errors
/// As [`list`].
pub fn find(dir: &Path, network: &NetworkId, name: &str) -> Result<Option<Contact>, WalletError> {
    Ok(list(dir, network)?.into_iter().find(|contact| contact.name == name))
}

/// The contacts of all nets, as the file has them.
///
/// # Errors
/// As [`list`].
pub fn read(dir: &Path) -> Result<Vec<Contact>, WalletError> {
    let path = path(dir);
    let damaged = |why: &dyn std::fmt::Display| {
        WalletError::Failed(format!("{}: {why}; mend it, or move it away", path.display()))
    };
    let length = match std::fs::metadata(&path) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(damaged(&error)),
    };
    if length > FILE_BYTES_MAX {
        return Err(damaged(&format!("more than {FILE_BYTES_MAX} bytes")));
    }
    let text = std::fs::read_to_string(&path).map_err(|error| damaged(&error))?;
    let file: File = toml::from_str(&text).map_err(|error| damaged(&error.message()))?;
    if file.version != VERSION {
        return Err(damaged(&format!("version {}, and this program knows {VERSION}", file.version)));
    }
    if file.contact.len() > CONTACTS_MAX {
        return Err(damaged(&format!("more than {CONTACTS_MAX} contacts")));
    }
    match file.contact.iter().find(|contact| check_name(&contact.name).is_err()) {
        Some(contact) => Err(damaged(&format!("\"{}\" is no name", contact.name))),
        None => Ok(file.contact),
    }
}

/// Changes the file: one command at a time, all of it or nothing.
fn change(dir: &Path, what: impl FnOnce(&mut Vec<Contact>) -> Result<(), WalletError>) -> Result<(), WalletError> {
    let failed = |error: std::io::Error| WalletError::Failed(format!("{}: {error}", path(dir).display()));
    std::fs::create_dir_all(dir).map_err(failed)?;
    // The lock ends with the file.
    let lock = std::fs::File::open(dir).map_err(failed)?;
    lock.lock().map_err(failed)?;
    let mut contact = read(dir)?;
    what(&mut contact)?;
    let text = toml::to_string(&File { version: VERSION, contact }).expect("texts have a TOML form");
    files::write(&path(dir), text.as_bytes(), Replaces::Anything).map_err(failed)
}

fn named(name: &str) -> Result<(), WalletError> {
    check_name(name).map_err(|_| {
        WalletError::Usage(format!(
            "\"{name}\" is no name for a contact: 1 to 64 of a-z, A-Z, 0-9, - and _ are expected"
        ))
    })
}

fn position(all: &[Contact], network: &NetworkId, name: &str) -> Option<usize> {
    all.iter().position(|contact| contact.name == name && contact.lock(network).is_some())
}

fn unknown(name: &str) -> WalletError {
    WalletError::Usage(format!("there is no contact \"{name}\" on this net; see `bezant wallet contacts list`"))
}

/// Adds a contact; the same once more changes nothing.
///
/// # Errors
/// [`WalletError::Usage`] for a bad name or address, or when the name stands for another address on this net.
pub fn add(dir: &Path, network: &NetworkId, name: &str, address: &str) -> Result<Contact, WalletError> {
    named(name)?;
    let lock = address::decode(network, address)?;
    let contact = Contact { name: name.to_owned(), address: address::encode(network, &lock) };
    change(dir, |all| match position(all, network, name) {
        Some(there) if all[there] == contact => Ok(()),
        Some(there) => {
            let other = &all[there].address;
            Err(WalletError::Usage(format!(
                "contact \"{name}\" is {other} already; remove it first, or take another name"
            )))
        }
        None if all.len() >= CONTACTS_MAX => {
            Err(WalletError::Usage(format!("there are {CONTACTS_MAX} contacts, which is the most; remove one first")))
        }
        None => {
            all.push(contact.clone());
            Ok(())
        }
    })?;
    Ok(contact)
}

/// Takes a contact away.
///
/// # Errors
/// [`WalletError::Usage`] when there is none of that name on this net.
pub fn remove(dir: &Path, network: &NetworkId, name: &str) -> Result<(), WalletError> {
    change(dir, |all| {
        let there = position(all, network, name).ok_or_else(|| unknown(name))?;
        all.remove(there);
        Ok(())
    })
}

/// Gives a contact another name.
///
/// # Errors
/// [`WalletError::Usage`] when there is none of that name on this net, or the new name is bad or taken.
pub fn rename(dir: &Path, network: &NetworkId, old: &str, new: &str) -> Result<(), WalletError> {
    named(new)?;
    change(dir, |all| {
        let there = position(all, network, old).ok_or_else(|| unknown(old))?;
        if position(all, network, new).is_some_and(|taken| taken != there) {
            return Err(WalletError::Usage(format!("there is a contact \"{new}\" already; take another name")));
        }
        new.clone_into(&mut all[there].name);
        Ok(())
    })
}
