//! Wallet files: JSON, mode 0600, written atomically.
//!
//! A file holds the locks of the wallet's addresses in the open, so that balances and addresses need no password, and the
//! secret that their keys come from: in the open for accounts of dev nets, else encrypted with XChaCha20-Poly1305 under a key
//! that Argon2id makes of the password. The parameters stand in the file; all of them and the locks are authenticated with the
//! secret, so that a changed file does not open.
//!
//! A wallet that only watches has no secret: its locks are whatever it was told, from a bare address to a vault's whole tree,
//! and who spends from it signs with the keys of other wallets.

use crate::error::WalletError;
use crate::files::{self, Replaces};
use crate::mnemonic::Mnemonic;
use crate::slip10;
use argon2::{Algorithm, Argon2, Params, Version};
use bezant_consensus::ledger::codec::{decode, encode};
use bezant_consensus::ledger::hash::LockHash;
use bezant_consensus::ledger::key::{PublicKey, SigningKey};
use bezant_consensus::ledger::lock::Lock;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use rand::TryRng;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

#[cfg(test)]
mod tests;

/// The one version of wallet files there is.
const FILE_VERSION: u32 = 2;
/// Addresses of one wallet, at most: as many as one question to a node may name.
pub const ADDRESSES_MAX: usize = 1_000;
/// Argon2id as new files use it: 64 MiB, 3 passes, 1 lane (the second choice of RFC 9106, with one lane).
const KDF: Kdf = Kdf { memory_kib: 64 * 1024, passes: 3, lanes: 1 };
/// What a file may ask for at most, so that a hostile one cannot exhaust this machine.
const KDF_MAX: Kdf = Kdf { memory_kib: 1024 * 1024, passes: 16, lanes: 16 };
/// Bytes of a wallet file, at most.
const FILE_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// A wallet as its file has it: what is known without a password.
#[derive(Clone, Debug)]
pub struct WalletFile {
    /// Its name.
    pub name: String,
    /// The locks of its addresses, in order; at least one. Those of a wallet with a secret are single keys.
    pub locks: Vec<Lock>,
    secret: Secret,
}

#[derive(Clone)]
enum Secret {
    /// Of a dev net's account.
    Dev(Zeroizing<[u8; 32]>),
    Encrypted(Sealed),
    /// It only watches.
    None,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kdf {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Sealed {
    kdf: Kdf,
    salt: [u8; 16],
    nonce: [u8; 24],
    ciphertext: Vec<u8>,
}

/// The JSON of a file.
#[derive(Serialize, Deserialize)]
struct Json {
    version: u32,
    name: String,
    #[serde(flatten)]
    secret: JsonSecret,
    locks: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum JsonSecret {
    Dev { secret: String },
    Encrypted { kdf: String, kdf_parameters: Kdf, salt: String, cipher: String, nonce: String, ciphertext: String },
    Watch,
}

/// A wallet whose keys can sign. Zeroised when dropped.
#[derive(Debug)]
pub struct Unlocked {
    /// Keys of its addresses, in order.
    pub keys: Vec<SigningKey>,
}

impl Unlocked {
    /// The locks that its keys open, in order.
    #[must_use]
    pub fn locks(&self) -> Vec<Lock> {
        self.keys.iter().map(|key| Lock::Key(key.public())).collect()
    }
}

impl WalletFile {
    /// The wallet of a dev net's account.
    pub(crate) fn dev(name: &str, secret: [u8; 32]) -> WalletFile {
        let locks = vec![Lock::Key(slip10::address_key(&secret, 0).public())];
        WalletFile { name: name.to_owned(), locks, secret: Secret::Dev(Zeroizing::new(secret)) }
    }

    /// A wallet without a secret, which watches these locks.
    ///
    /// # Panics
    /// Unless there are 1 to [`ADDRESSES_MAX`] locks, each within its limits.
    #[must_use]
    pub fn watching(name: &str, locks: Vec<Lock>) -> WalletFile {
        assert!((1..=ADDRESSES_MAX).contains(&locks.len()), "a wallet has 1 to {ADDRESSES_MAX} addresses");
        assert!(locks.iter().all(|lock| lock.check_shape().is_ok()), "locks are within their limits");
        WalletFile { name: name.to_owned(), locks, secret: Secret::None }
    }

    /// A new wallet with one address, its mnemonic encrypted under `password`.
    ///
    /// # Errors
    /// When the system gives no random numbers or not enough memory.
    pub fn encrypted(name: &str, mnemonic: &Mnemonic, password: &str) -> Result<WalletFile, WalletError> {
        let locks = vec![Lock::Key(slip10::address_key(&*mnemonic.seed(), 0).public())];
        let sealed = seal(name, &locks, mnemonic, password, KDF)?;
        Ok(WalletFile { name: name.to_owned(), locks, secret: Secret::Encrypted(sealed) })
    }

    /// Whether it is a dev net's account: opens without a password, serves dev nets only.
    #[must_use]
    pub fn is_dev(&self) -> bool {
        matches!(self.secret, Secret::Dev(_))
    }

    /// Whether it has no secret.
    #[must_use]
    pub fn is_watching(&self) -> bool {
        matches!(self.secret, Secret::None)
    }

    /// The lock hashes of its addresses, in order.
    #[must_use]
    pub fn lock_hashes(&self) -> Vec<LockHash> {
        self.locks.iter().map(Lock::hash).collect()
    }

    /// Its signing keys; the password is not looked at for a dev net's account.
    ///
    /// # Errors
    /// [`WalletError::WrongPassword`] when the password does not fit or the file was changed, [`WalletError::Refused`] when
    /// one is needed and none is given.
    pub fn unlock(&self, password: Option<&str>) -> Result<Unlocked, WalletError> {
        let count = u32::try_from(self.locks.len()).expect("a wallet has at most 1000 addresses");
        let keys =
            self.with_seed(password, |seed| (0..count).map(|index| slip10::address_key(seed, index)).collect())?;
        let unlocked = Unlocked { keys };
        if unlocked.locks() != self.locks {
            return Err(self.wrong("its addresses are not those of its secret"));
        }
        Ok(unlocked)
    }

    /// The mnemonic, to be shown to its owner.
    ///
    /// # Errors
    /// As [`WalletFile::unlock`]; [`WalletError::Usage`] for a dev net's account, which has none.
    pub fn mnemonic(&self, password: Option<&str>) -> Result<Mnemonic, WalletError> {
        match &self.secret {
            Secret::Dev(_) => {
                Err(WalletError::Usage(format!("{} is an account of a dev net and has no mnemonic", self.name)))
            }
            Secret::Encrypted(sealed) => self.open(sealed, password),
            Secret::None => Err(self.watches_only()),
        }
    }

    /// Adds one address. The file is not written by this.
    ///
    /// # Errors
    /// As [`WalletFile::unlock`]; [`WalletError::Usage`] for a dev net's account or a full wallet.
    pub fn add_address(&mut self, password: Option<&str>) -> Result<PublicKey, WalletError> {
        if self.locks.len() >= ADDRESSES_MAX {
            return Err(WalletError::Usage(format!(
                "wallet {} has {ADDRESSES_MAX} addresses, which is the most",
                self.name
            )));
        }
        let sealed = match &self.secret {
            Secret::Encrypted(sealed) => sealed,
            Secret::None => return Err(self.watches_only()),
            Secret::Dev(_) => {
                let message = format!("{} is an account of a dev net and has one address only", self.name);
                return Err(WalletError::Usage(message));
            }
        };
        let mnemonic = self.open(sealed, password)?;
        let index = u32::try_from(self.locks.len()).expect("a wallet has at most 1000 addresses");
        let key = slip10::address_key(&*mnemonic.seed(), index).public();
        let mut locks = self.locks.clone();
        locks.push(Lock::Key(key));
        let password = password.expect("it has just opened the file");
        self.secret = Secret::Encrypted(seal(&self.name, &locks, &mnemonic, password, sealed.kdf)?);
        self.locks = locks;
        Ok(key)
    }

    fn with_seed<T>(&self, password: Option<&str>, run: impl FnOnce(&[u8]) -> T) -> Result<T, WalletError> {
        match &self.secret {
            Secret::Dev(secret) => Ok(run(secret.as_slice())),
            Secret::Encrypted(sealed) => Ok(run(self.open(sealed, password)?.seed().as_slice())),
            Secret::None => Err(self.watches_only()),
        }
    }

    fn watches_only(&self) -> WalletError {
        WalletError::Usage(format!("wallet {} only watches: it has no keys of its own", self.name))
    }

    fn open(&self, sealed: &Sealed, password: Option<&str>) -> Result<Mnemonic, WalletError> {
        let Some(password) = password else {
            let message =
                format!("wallet {} wants its password: give --password-file FILE, or a terminal to ask at", self.name);
            return Err(WalletError::refused("password-wanted", message));
        };
        let cipher = cipher(password, &sealed.salt, sealed.kdf)?;
        let aad = header(&self.name, &self.locks, sealed.kdf, &sealed.salt);
        let payload = Payload { msg: &sealed.ciphertext, aad: &aad };
        let entropy = cipher
            .decrypt(&XNonce::from(sealed.nonce), payload)
            .map_err(|_| self.wrong("the password is wrong, or the file was changed"))?;
        let entropy = Zeroizing::new(entropy);
        Mnemonic::from_entropy(&entropy).ok_or_else(|| self.wrong("its secret has a wrong length"))
    }

    fn wrong(&self, why: &str) -> WalletError {
        WalletError::WrongPassword(format!("wallet {} does not open: {why}", self.name))
    }
}

fn seal(name: &str, locks: &[Lock], mnemonic: &Mnemonic, password: &str, kdf: Kdf) -> Result<Sealed, WalletError> {
    let (mut salt, mut nonce) = ([0; 16], [0; 24]);
    for bytes in [&mut salt[..], &mut nonce[..]] {
        rand::rngs::SysRng
            .try_fill_bytes(bytes)
            .map_err(|error| WalletError::Failed(format!("the system gives no random numbers: {error}")))?;
    }
    let aad = header(name, locks, kdf, &salt);
    let ciphertext = cipher(password, &salt, kdf)?
        .encrypt(&XNonce::from(nonce), Payload { msg: mnemonic.entropy(), aad: &aad })
        .expect("a few bytes are below the cipher's limit");
    Ok(Sealed { kdf, salt, nonce, ciphertext })
}

fn cipher(password: &str, salt: &[u8; 16], kdf: Kdf) -> Result<XChaCha20Poly1305, WalletError> {
    let failed = |error: argon2::Error| WalletError::Failed(format!("the key cannot be made of the password: {error}"));
    let params = Params::new(kdf.memory_kib, kdf.passes, kdf.lanes, Some(32)).map_err(failed)?;
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password.as_bytes(), salt, &mut *key)
        .map_err(failed)?;
    Ok(XChaCha20Poly1305::new_from_slice(&*key).expect("the key has 32 bytes"))
}

/// What is authenticated beside the secret.
fn header(name: &str, locks: &[Lock], kdf: Kdf, salt: &[u8; 16]) -> Vec<u8> {
    let numbers = [FILE_VERSION, kdf.memory_kib, kdf.passes, kdf.lanes, name.len() as u32, locks.len() as u32];
    let mut bytes = b"bezant/wallet".to_vec();
    numbers.iter().for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
    bytes.extend_from_slice(salt);
    bytes.extend_from_slice(name.as_bytes());
    locks.iter().for_each(|lock| bytes.extend_from_slice(&encode(lock)));
    bytes
}

/// Where the file of wallet `name` is, given the directory of wallet files.
#[must_use]
pub fn path(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("{name}.json"))
}

/// Writes a new wallet's file; one of that name must not exist.
///
/// # Errors
/// For a bad name, an existing file, or when the system refuses.
pub fn create(dir: &Path, wallet: &WalletFile) -> Result<PathBuf, WalletError> {
    bezant_api::home::check_name(&wallet.name).map_err(|_| {
        let name = &wallet.name;
        WalletError::Usage(format!(
            "\"{name}\" is no name for a wallet: 1 to 64 of a-z, A-Z, 0-9, - and _ are expected"
        ))
    })?;
    let path = path(dir, &wallet.name);
    match store(wallet, &path, Replaces::Nothing) {
        Ok(()) => Ok(path),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            let name = &wallet.name;
            Err(WalletError::Usage(format!("there is a wallet {name} already ({}); take another name", path.display())))
        }
        Err(error) => Err(failed(&path, &error)),
    }
}

/// Writes a wallet's file, replacing what is there as one step: after a crash it is the old file or the new one.
///
/// # Errors
/// When the system refuses.
pub fn write(wallet: &WalletFile, path: &Path) -> Result<(), WalletError> {
    store(wallet, path, Replaces::Anything).map_err(|error| failed(path, &error))
}

fn store(wallet: &WalletFile, path: &Path, replaces: Replaces) -> std::io::Result<()> {
    let mut text =
        Zeroizing::new(serde_json::to_vec_pretty(&to_json(wallet)).expect("texts and numbers have a JSON form"));
    text.push(b'\n');
    path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
    files::write(path, &text, replaces)
}

fn failed(path: &Path, error: &std::io::Error) -> WalletError {
    WalletError::Failed(format!("{}: {error}", path.display()))
}

fn to_json(wallet: &WalletFile) -> Json {
    let secret = match &wallet.secret {
        Secret::Dev(secret) => JsonSecret::Dev { secret: hex::encode(secret.as_slice()) },
        Secret::Encrypted(sealed) => JsonSecret::Encrypted {
            kdf: "argon2id".to_owned(),
            kdf_parameters: sealed.kdf,
            salt: hex::encode(sealed.salt),
            cipher: "xchacha20poly1305".to_owned(),
            nonce: hex::encode(sealed.nonce),
            ciphertext: hex::encode(&sealed.ciphertext),
        },
        Secret::None => JsonSecret::Watch,
    };
    let locks = wallet.locks.iter().map(|lock| hex::encode(encode(lock))).collect();
    Json { version: FILE_VERSION, name: wallet.name.clone(), secret, locks }
}

/// Reads a wallet's file.
///
/// # Errors
/// [`WalletError::Usage`] when there is none, [`WalletError::Failed`] when it cannot be read or understood.
pub fn read(path: &Path) -> Result<WalletFile, WalletError> {
    let metadata = std::fs::metadata(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => WalletError::Usage(format!("there is no wallet file {}", path.display())),
        _ => failed(path, &error),
    })?;
    let damaged = |why: &str| WalletError::Failed(format!("{} is no wallet file: {why}", path.display()));
    if metadata.len() > FILE_BYTES_MAX {
        return Err(damaged("it is too large"));
    }
    let text = Zeroizing::new(std::fs::read_to_string(path).map_err(|error| failed(path, &error))?);
    let json: Json = serde_json::from_str(&text).map_err(|error| {
        // The error's own text may quote what stands in the file.
        damaged(&format!("not understood at line {}, column {}", error.line(), error.column()))
    })?;
    from_json(json).map_err(|why| damaged(&why))
}

fn from_json(json: Json) -> Result<WalletFile, String> {
    if json.version != FILE_VERSION {
        return Err(format!("version {}, this program knows version {FILE_VERSION} only", json.version));
    }
    let lock = |text: &String| decode::<Lock>(&hex::decode(text).ok()?).ok();
    let locks: Option<Vec<Lock>> = json.locks.iter().map(lock).collect();
    let locks = locks.ok_or_else(|| "one of its locks is none".to_owned())?;
    if locks.is_empty() || locks.len() > ADDRESSES_MAX {
        return Err(format!("1 to {ADDRESSES_MAX} locks are expected"));
    }
    let secret = match json.secret {
        JsonSecret::Dev { secret } => Secret::Dev(Zeroizing::new(bytes("secret", &secret)?)),
        JsonSecret::Encrypted { kdf, kdf_parameters, salt, cipher, nonce, ciphertext } => {
            if kdf != "argon2id" || cipher != "xchacha20poly1305" {
                return Err(format!("{kdf} with {cipher}, this program knows argon2id with xchacha20poly1305 only"));
            }
            let (asked, max) = (kdf_parameters, KDF_MAX);
            if asked.memory_kib > max.memory_kib || asked.passes > max.passes || asked.lanes > max.lanes {
                return Err("it asks for more work than any wallet of this program".to_owned());
            }
            let ciphertext = hex::decode(&ciphertext).map_err(|_| "ciphertext is no hex".to_owned())?;
            let (salt, nonce) = (bytes("salt", &salt)?, bytes("nonce", &nonce)?);
            Secret::Encrypted(Sealed { kdf: kdf_parameters, salt, nonce, ciphertext })
        }
        JsonSecret::Watch => Secret::None,
    };
    if !matches!(secret, Secret::None) && !locks.iter().all(|lock| matches!(lock, Lock::Key(_))) {
        return Err("its secret opens single keys only, and its locks are others".to_owned());
    }
    Ok(WalletFile { name: json.name, locks, secret })
}

fn bytes<const N: usize>(what: &str, text: &str) -> Result<[u8; N], String> {
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).map_err(|_| format!("{what} is not {N} bytes of hex"))?;
    Ok(bytes)
}

/// The wallets in a directory, by name; files that cannot be read come as errors of their own.
///
/// # Errors
/// When the directory cannot be listed; no directory means no wallets.
pub fn list(dir: &Path) -> Result<Vec<Result<WalletFile, WalletError>>, WalletError> {
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
    Ok(paths.iter().map(|path| read(path)).collect())
}
