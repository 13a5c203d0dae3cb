//! Wallet files as they stand on the disk: JSON, mode 0600, replaced whole.

use super::moves::{self, Guard};
use super::seal::{SALT_BYTES, Sealed};
use super::{ADDRESSES_MAX, Secret, WalletFile};
use crate::error::WalletError;
use crate::files::{self, Replaces};
use bezant_consensus::ledger::codec::{decode, encode};
use bezant_consensus::ledger::hash::tagged;
use bezant_consensus::ledger::lock::Lock;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The one version of wallet files there is.
pub(super) const FILE_VERSION: u32 = 3;
/// Bytes of a wallet file, at most.
const FILE_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// The JSON of a file.
#[derive(Serialize, Deserialize)]
struct Json {
    version: u32,
    #[serde(flatten)]
    secret: JsonSecret,
    locks: Vec<String>,
    /// Of the locks: damage must not send money to an address that nobody has.
    checksum: String,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum JsonSecret {
    Dev {
        secret: String,
    },
    Encrypted {
        kdf: String,
        kdf_parameters: super::Cost,
        salt: String,
        cipher: String,
        nonce: String,
        ciphertext: String,
    },
    Watch {
        handed_out: usize,
    },
}

/// Where the file of wallet `name` is, given the directory of wallet files.
#[must_use]
pub fn path(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("{name}.json"))
}

/// Checks a wallet's name.
///
/// # Errors
/// [`WalletError::Usage`] unless it is 1 to 64 letters, digits, `-` and `_`.
pub fn check_name(name: &str) -> Result<(), WalletError> {
    bezant_api::home::check_name(name).map_err(|_| {
        WalletError::Usage(format!(
            "\"{name}\" is no name for a wallet: 1 to 64 of a-z, A-Z, 0-9, - and _ are expected"
        ))
    })
}

/// Writes a new wallet's file; nothing of that name may be there.
///
/// # Errors
/// For a bad name, an existing wallet, files of one that is gone, or when the system refuses.
pub fn create(dir: &Path, wallet: &WalletFile) -> Result<PathBuf, WalletError> {
    check_name(&wallet.name)?;
    let _guard = Guard::take(dir)?;
    moves::check_free(dir, &wallet.name)?;
    let path = path(dir, &wallet.name);
    store(wallet, &path, Replaces::Nothing).map_err(|error| failed(&path, &error))?;
    Ok(path)
}

/// Writes a wallet's file, replacing what is there as one step: after a crash it is the old file or the new one.
///
/// # Errors
/// When the system refuses.
pub fn write(wallet: &WalletFile, path: &Path) -> Result<(), WalletError> {
    store(wallet, path, Replaces::Anything).map_err(|error| failed(path, &error))
}

/// Changes a wallet's file as it is now, whatever other commands do to it at the same time.
///
/// # Errors
/// As [`read`] and [`write()`], and whatever `change` says; then the file stays as it is.
pub fn update<T>(
    path: &Path,
    change: impl FnOnce(&mut WalletFile) -> Result<T, WalletError>,
) -> Result<(WalletFile, T), WalletError> {
    let _guard = Guard::take(path.parent().unwrap_or(Path::new(".")))?;
    let mut wallet = read(path)?;
    let result = change(&mut wallet)?;
    write(&wallet, path)?;
    Ok((wallet, result))
}

/// Writes a copy of a wallet's file, for its owner to keep elsewhere.
///
/// # Errors
/// [`WalletError::Usage`] when there is such a file and it must not be replaced; when the system refuses.
pub fn export(wallet: &WalletFile, path: &Path, overwrite: bool) -> Result<(), WalletError> {
    files::give(path, &to_bytes(wallet), overwrite)
}

fn store(wallet: &WalletFile, path: &Path, replaces: Replaces) -> std::io::Result<()> {
    path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
    files::write(path, &to_bytes(wallet), replaces)
}

pub(super) fn failed(path: &Path, error: &std::io::Error) -> WalletError {
    WalletError::Failed(format!("{}: {error}", path.display()))
}

fn to_bytes(wallet: &WalletFile) -> Zeroizing<Vec<u8>> {
    let secret = match &wallet.secret {
        Secret::Dev(secret) => JsonSecret::Dev { secret: hex::encode(secret.as_slice()) },
        Secret::Encrypted(sealed) => JsonSecret::Encrypted {
            kdf: "argon2id".to_owned(),
            kdf_parameters: sealed.cost,
            salt: hex::encode(sealed.salt),
            cipher: "xchacha20poly1305".to_owned(),
            nonce: hex::encode(sealed.nonce),
            ciphertext: hex::encode(&sealed.ciphertext),
        },
        Secret::None { handed_out } => JsonSecret::Watch { handed_out: *handed_out },
    };
    let locks: Vec<String> = wallet.locks.iter().map(|lock| hex::encode(encode(lock))).collect();
    let json = Json { version: FILE_VERSION, secret, checksum: checksum(&locks), locks };
    let mut text = Zeroizing::new(serde_json::to_vec_pretty(&json).expect("texts and numbers have a JSON form"));
    text.push(b'\n');
    text
}

/// Reads a wallet's file; the wallet has its name.
///
/// # Errors
/// [`WalletError::Usage`] when there is none, [`WalletError::Failed`] when it cannot be read or understood.
pub fn read(path: &Path) -> Result<WalletFile, WalletError> {
    let metadata = std::fs::metadata(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => WalletError::Usage(format!("there is no wallet file {}", path.display())),
        _ => failed(path, &error),
    })?;
    let damaged = |why: &str| WalletError::Failed(format!("{} is no wallet file: {why}", path.display()));
    if !metadata.is_file() {
        return Err(damaged("it is no file at all"));
    }
    if metadata.len() > FILE_BYTES_MAX {
        return Err(damaged("it is too large"));
    }
    let text = Zeroizing::new(std::fs::read(path).map_err(|error| failed(path, &error))?);
    let json: Json = serde_json::from_slice(&text).map_err(|error| {
        // The error's own text may quote what stands in the file.
        damaged(&format!("not understood at line {}, column {}", error.line(), error.column()))
    })?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    from_json(json, name).map_err(|why| damaged(&why))
}

fn from_json(json: Json, name: String) -> Result<WalletFile, String> {
    if json.version != FILE_VERSION {
        return Err(format!("version {}, this program knows version {FILE_VERSION} only", json.version));
    }
    if json.checksum != checksum(&json.locks) {
        return Err("its locks are not as they were written: it is damaged; take a copy of it, or make it again of its words with `bezant wallet restore`".to_owned());
    }
    let lock = |text: &String| decode::<Lock>(&hex::decode(text).ok()?).ok();
    let locks: Option<Vec<Lock>> = json.locks.iter().map(lock).collect();
    let locks = locks.ok_or_else(|| "one of its locks is none".to_owned())?;
    if locks.is_empty() || locks.len() > ADDRESSES_MAX {
        return Err(format!("1 to {ADDRESSES_MAX} locks are expected"));
    }
    let secret = match json.secret {
        JsonSecret::Dev { secret } => Secret::Dev(Zeroizing::new(bytes("secret", &secret)?)),
        JsonSecret::Encrypted { kdf, kdf_parameters: cost, salt, cipher, nonce, ciphertext } => {
            if kdf != "argon2id" || cipher != "xchacha20poly1305" {
                return Err(format!("{kdf} with {cipher}, this program knows argon2id with xchacha20poly1305 only"));
            }
            if !cost.is_bearable() {
                return Err("it asks for more work than any wallet of this program".to_owned());
            }
            let ciphertext = hex::decode(&ciphertext).map_err(|_| "ciphertext is no hex".to_owned())?;
            let (salt, nonce) = (bytes::<SALT_BYTES>("salt", &salt)?, bytes("nonce", &nonce)?);
            Secret::Encrypted(Sealed { cost, salt, nonce, ciphertext })
        }
        JsonSecret::Watch { handed_out } if (1..=locks.len()).contains(&handed_out) => Secret::None { handed_out },
        JsonSecret::Watch { .. } => return Err("it has handed out more addresses than it has, or none".to_owned()),
    };
    if !matches!(secret, Secret::None { .. }) && !locks.iter().all(|lock| matches!(lock, Lock::Key(_))) {
        return Err("its secret opens single keys only, and its locks are others".to_owned());
    }
    Ok(WalletFile { name, locks, secret })
}

fn bytes<const N: usize>(what: &str, text: &str) -> Result<[u8; N], String> {
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).map_err(|_| format!("{what} is not {N} bytes of hex"))?;
    Ok(bytes)
}

/// The wallets' files in a directory, by name.
///
/// # Errors
/// When the directory cannot be listed; no directory means no wallets.
pub fn paths(dir: &Path) -> Result<Vec<PathBuf>, WalletError> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(dir, &error)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| failed(dir, &error))?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// Digest of the locks as they stand in a file.
pub(super) fn checksum(locks: &[String]) -> String {
    hex::encode(&tagged("bezant/wallet-locks", &[locks.join(",").as_bytes()])[..8])
}
