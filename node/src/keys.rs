//! A node's keys: its libp2p identity, made on the first start, and a validator's key.
//!
//! A validator's key file has the seed in its first line. The first start with it adds a second one, `vote-log` and the number
//! of the log in which the node records what the key signs. So whoever starts with the key and without that log is recognised, and
//! says nothing until it is re-admitted ([`bezant_consensus::engine::VoteLog`]); nothing else is ever changed in the file.

use crate::error::NodeError;
use crate::store::{Facts, VoteLogNumber};
use bezant_api::keyfile;
use bezant_consensus::engine::VoteLog;
use bezant_consensus::ledger::key::SigningKey;
use libp2p::identity::{Keypair, ed25519};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

/// Name of the identity's file in the data directory.
pub const NODE_KEY_FILE: &str = "node.key";

/// Reads a validator's key: a 32-byte seed in hex, in a file that nobody else may read.
///
/// # Errors
/// When the file cannot be read, is open to others, or holds no key.
pub fn read_validator_key(path: &Path) -> Result<SigningKey, NodeError> {
    let name = path.display();
    let advice = format!(
        "a member's key comes from where it was made; `bezant keys new {name}` makes another, which is no member's"
    );
    Ok(read(path, &advice)?.0)
}

/// Reads the node's identity, or makes one.
///
/// # Errors
/// When the file cannot be read or written, is open to others, or holds no key.
pub fn node_identity(data_dir: &Path) -> Result<Keypair, NodeError> {
    let path = data_dir.join(NODE_KEY_FILE);
    let key = if path.exists() {
        read(&path, "delete it, and the node makes a new identity")?.0
    } else {
        let key = SigningKey::from_seed(&rand::random());
        write_private(&path, &keyfile::text(&key, None))
            .map_err(|error| NodeError::File { path: path.clone(), error })?;
        key
    };
    let secret = ed25519::SecretKey::try_from_bytes(key.seed()).map_err(|error| NodeError::Key {
        path,
        problem: error.to_string(),
        advice: "delete it".to_owned(),
    })?;
    Ok(ed25519::Keypair::from(secret).into())
}

/// Finds out whether the vote log of a data directory is the one that was begun with the key, and begins one if there is none.
/// The directory knows its log before the key does, so that a crash in between leaves a key that is mute for nothing at worst.
///
/// # Errors
/// When either cannot be read or written.
pub fn vote_log(path: &Path, facts: &mut Facts) -> Result<VoteLog, NodeError> {
    let fail =
        |problem: String, advice: &str| NodeError::Key { path: path.to_owned(), problem, advice: advice.to_owned() };
    let (key, text) = read(path, "restore the key")?;
    let mark = keyfile::vote_log(&text).map_err(|problem| fail(problem, "restore the line as it was"))?;
    let held = facts.vote_log()?;
    let log = match (mark, held) {
        (Some(mark), Some(held)) if mark == held.number => held,
        (None, Some(held)) => held,
        (None, None) => VoteLogNumber { number: rand::random(), is_original: true },
        (Some(_), Some(_) | None) => VoteLogNumber { number: rand::random(), is_original: false },
    };
    if held != Some(log) {
        facts.begin_vote_log(log)?;
    }
    if mark != Some(log.number) {
        write_private(path, &keyfile::text(&key, Some(&log.number))).map_err(|error| {
            let problem = format!("cannot note in it that a vote log was begun: {error}");
            fail(problem, "make the file and its directory writable by this node")
        })?;
    }
    if log.is_original {
        return Ok(VoteLog::Original);
    }
    tracing::warn!(
        key = %path.display(),
        "the log of this key's votes was lost: the node says nothing until an epoch re-admits it, for which it asks by itself"
    );
    Ok(VoteLog::Begun { nonce: log.number })
}

/// The key in a file that nobody else may read, and the file's text.
fn read(path: &Path, advice: &str) -> Result<(SigningKey, String), NodeError> {
    let fail = |problem: String| NodeError::Key { path: path.to_owned(), problem, advice: advice.to_owned() };
    let text = std::fs::read_to_string(path).map_err(|error| match error.kind() {
        // Nothing to replace it with: whoever may not read a key is not told to make another.
        std::io::ErrorKind::PermissionDenied => NodeError::File { path: path.to_owned(), error },
        _ => fail(error.to_string()),
    })?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let metadata = std::fs::metadata(path).map_err(|error| NodeError::File { path: path.to_owned(), error })?;
        if metadata.permissions().mode() & 0o077 != 0 {
            let problem = "others may read this secret key";
            let advice = format!("chmod 600 {}", path.display());
            return Err(NodeError::Key { path: path.to_owned(), problem: problem.to_owned(), advice });
        }
    }
    match keyfile::key(&text) {
        Some(key) => Ok((key, text)),
        None => Err(fail("64 hex digits are expected".to_owned())),
    }
}

/// Written under another name first, so that a crash leaves no half key.
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let unfinished = path.with_extension("tmp");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut file = options.open(&unfinished)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&unfinished, path)?;
    match path.parent() {
        Some(dir) => File::open(dir)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
