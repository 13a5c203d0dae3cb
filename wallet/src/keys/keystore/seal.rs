//! How a wallet's secret is encrypted: XChaCha20-Poly1305 under a key that Argon2id makes of the password.

use crate::error::WalletError;
use crate::keys::mnemonic::Mnemonic;
use argon2::{Algorithm, Argon2, Params, Version};
use bezant_consensus::ledger::codec::encode;
use bezant_consensus::ledger::lock::Lock;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use rand::TryRng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// Bytes of the random salt that a file's key is made with, and by which it is known.
pub const SALT_BYTES: usize = 16;
/// What a file may ask for at most, so that a hostile one cannot exhaust this machine.
pub(super) const COST_MAX: Cost = Cost { memory_kib: 1024 * 1024, passes: 16, lanes: 16 };
/// What a new file asks for at least (the least of RFC 9106 that anybody recommends: 19 MiB and 2 passes by OWASP).
const COST_MIN: Cost = Cost { memory_kib: 19 * 1024, passes: 2, lanes: 1 };

/// What Argon2id has to spend to make a key of a password, and whoever guesses passwords for each guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cost {
    pub(super) memory_kib: u32,
    pub(super) passes: u32,
    pub(super) lanes: u32,
}

impl Default for Cost {
    /// 64 MiB, 3 passes, 1 lane (the second choice of RFC 9106, with one lane).
    fn default() -> Cost {
        Cost { memory_kib: 64 * 1024, passes: 3, lanes: 1 }
    }
}

impl Cost {
    /// So many MiB and passes, where they are given, on one lane.
    ///
    /// # Errors
    /// [`WalletError::Usage`] unless there are 19 to 1024 MiB and 2 to 16 passes.
    pub fn new(memory_mib: Option<u32>, passes: Option<u32>) -> Result<Cost, WalletError> {
        let usual = Cost::default();
        let memory_kib = memory_mib.map_or(usual.memory_kib, |mib| mib.saturating_mul(1024));
        let cost = Cost { memory_kib, passes: passes.unwrap_or(usual.passes), lanes: usual.lanes };
        let memory_fits = (COST_MIN.memory_kib..=COST_MAX.memory_kib).contains(&cost.memory_kib);
        if memory_fits && (COST_MIN.passes..=COST_MAX.passes).contains(&cost.passes) {
            return Ok(cost);
        }
        let (memory_min, memory_max) = (COST_MIN.memory_kib / 1024, COST_MAX.memory_kib / 1024);
        Err(WalletError::Usage(format!(
            "a password's key costs {memory_min} to {memory_max} MiB and {} to {} passes",
            COST_MIN.passes, COST_MAX.passes
        )))
    }

    /// Whether a file may ask for it.
    pub(super) fn is_bearable(self) -> bool {
        self.memory_kib <= COST_MAX.memory_kib && self.passes <= COST_MAX.passes && self.lanes <= COST_MAX.lanes
    }

    #[cfg(test)]
    pub(crate) const fn of_tests() -> Cost {
        Cost { memory_kib: 64, passes: 1, lanes: 1 }
    }
}

/// What opens a wallet's file, and nothing else: what its password gives, until the password is changed. Zeroised when dropped.
#[derive(Clone)]
pub struct FileKey {
    key: Zeroizing<[u8; 32]>,
    salt: [u8; SALT_BYTES],
    cost: Cost,
}

impl std::fmt::Debug for FileKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FileKey(…)")
    }
}

impl FileKey {
    /// The key of a new file, or of an old one whose password changes.
    pub(super) fn fresh(password: &str, cost: Cost) -> Result<FileKey, WalletError> {
        FileKey::derive(password, random()?, cost)
    }

    fn derive(password: &str, salt: [u8; SALT_BYTES], cost: Cost) -> Result<FileKey, WalletError> {
        let failed =
            |error: argon2::Error| WalletError::Failed(format!("the key cannot be made of the password: {error}"));
        let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32)).map_err(failed)?;
        let mut key = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(password.as_bytes(), &salt, &mut *key)
            .map_err(failed)?;
        Ok(FileKey { key, salt, cost })
    }

    /// The 32 bytes. Whoever has them has the wallet.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 32] {
        &self.key
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new_from_slice(self.key.as_slice()).expect("the key has 32 bytes")
    }
}

/// A secret as it stands in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sealed {
    pub(super) cost: Cost,
    pub(super) salt: [u8; SALT_BYTES],
    pub(super) nonce: [u8; 24],
    pub(super) ciphertext: Vec<u8>,
}

impl Sealed {
    /// Encrypts; the locks are authenticated with the secret.
    pub(super) fn new(key: &FileKey, locks: &[Lock], mnemonic: &Mnemonic) -> Result<Sealed, WalletError> {
        let nonce = random()?;
        let aad = header(locks, key.cost, &key.salt);
        let secret = mnemonic.secret();
        let ciphertext = key
            .cipher()
            .encrypt(&XNonce::from(nonce), Payload { msg: secret.as_slice(), aad: &aad })
            .expect("a few bytes are below the cipher's limit");
        Ok(Sealed { cost: key.cost, salt: key.salt, nonce, ciphertext })
    }

    /// The key that this password gives, right or wrong.
    pub(super) fn key(&self, password: &str) -> Result<FileKey, WalletError> {
        FileKey::derive(password, self.salt, self.cost)
    }

    /// The key of these bytes, right or wrong.
    pub(super) fn key_of(&self, bytes: Zeroizing<[u8; 32]>) -> FileKey {
        FileKey { key: bytes, salt: self.salt, cost: self.cost }
    }

    /// Decrypts; `None` when the key is another one, or the file was changed.
    pub(super) fn open(&self, key: &FileKey, locks: &[Lock]) -> Option<Mnemonic> {
        let aad = header(locks, self.cost, &self.salt);
        let payload = Payload { msg: &self.ciphertext, aad: &aad };
        let secret = Zeroizing::new(key.cipher().decrypt(&XNonce::from(self.nonce), payload).ok()?);
        Mnemonic::from_secret(&secret)
    }
}

fn random<const N: usize>() -> Result<[u8; N], WalletError> {
    let mut bytes = [0; N];
    rand::rngs::SysRng
        .try_fill_bytes(&mut bytes)
        .map_err(|error| WalletError::Failed(format!("the system gives no random numbers: {error}")))?;
    Ok(bytes)
}

/// What is authenticated beside the secret. The wallet's name is not: it is the file's, and its owner's to change.
fn header(locks: &[Lock], cost: Cost, salt: &[u8; SALT_BYTES]) -> Vec<u8> {
    let count = u32::try_from(locks.len()).expect("a wallet has at most 1000 addresses");
    let numbers = [super::disk::FILE_VERSION, cost.memory_kib, cost.passes, cost.lanes, count];
    let mut bytes = b"bezant/wallet".to_vec();
    numbers.iter().for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
    bytes.extend_from_slice(salt);
    locks.iter().for_each(|lock| bytes.extend_from_slice(&encode(lock)));
    bytes
}
