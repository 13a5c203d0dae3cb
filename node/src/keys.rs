//! A node's keys: its libp2p identity, made on the first start, and a validator's key, which is only ever read.

use crate::error::NodeError;
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
    Ok(SigningKey::from_seed(&read_seed(path, &advice)?))
}

/// Reads the node's identity, or makes one.
///
/// # Errors
/// When the file cannot be read or written, is open to others, or holds no key.
pub fn node_identity(data_dir: &Path) -> Result<Keypair, NodeError> {
    let path = data_dir.join(NODE_KEY_FILE);
    let seed = if path.exists() {
        read_seed(&path, "delete it, and the node makes a new identity")?
    } else {
        let seed: [u8; 32] = rand::random();
        write_seed(&path, &seed).map_err(|error| NodeError::File { path: path.clone(), error })?;
        seed
    };
    let secret = ed25519::SecretKey::try_from_bytes(seed).map_err(|error| NodeError::Key {
        path,
        problem: error.to_string(),
        advice: "delete it".to_owned(),
    })?;
    Ok(ed25519::Keypair::from(secret).into())
}

fn read_seed(path: &Path, advice: &str) -> Result<[u8; 32], NodeError> {
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
    let mut seed = [0; 32];
    match hex::decode_to_slice(text.trim(), &mut seed) {
        Ok(()) => Ok(seed),
        Err(_) => Err(fail("64 hex digits are expected".to_owned())),
    }
}

/// Written under another name first, so that a crash leaves no half key.
fn write_seed(path: &Path, seed: &[u8; 32]) -> std::io::Result<()> {
    let unfinished = path.with_extension("tmp");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut file = options.open(&unfinished)?;
    writeln!(file, "{}", hex::encode(seed))?;
    file.sync_all()?;
    std::fs::rename(&unfinished, path)?;
    match path.parent() {
        Some(dir) => File::open(dir)?.sync_all(),
        None => Ok(()),
    }
}
