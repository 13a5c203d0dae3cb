//! Files with the preimage of a hash lock: 64 hex digits, readable by their owner only.

use crate::error::WalletError;
use crate::files;
use bezant_consensus::ledger::hash::sha256;
use rand::TryRng;
use std::io::Read;
use std::path::Path;
use zeroize::Zeroizing;

/// Bytes of a file: the digits and some white space.
const FILE_BYTES_MAX: u64 = 1_024;

/// Reads a preimage.
///
/// # Errors
/// [`WalletError::Usage`] when the file cannot be read or has something else.
pub fn read(file: &Path) -> Result<Zeroizing<[u8; 32]>, WalletError> {
    let wrong =
        |error: &dyn std::fmt::Display| WalletError::Usage(format!("preimage file {}: {error}", file.display()));
    let mut text = Zeroizing::new(String::new());
    let opened = std::fs::File::open(file).map_err(|error| wrong(&error))?;
    opened.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(|error| wrong(&error))?;
    let mut bytes = Zeroizing::new([0; 32]);
    hex::decode_to_slice(text.trim(), &mut *bytes).map_err(|_| wrong(&"64 hex digits are expected"))?;
    Ok(bytes)
}

/// Makes a preimage and writes it to a file, which is on the disk when this returns. Gives its SHA-256, which a lock has.
///
/// # Errors
/// [`WalletError::Usage`] when there is such a file already; when the system refuses.
pub fn create(file: &Path) -> Result<[u8; 32], WalletError> {
    let mut secret = Zeroizing::new([0; 32]);
    rand::rngs::SysRng
        .try_fill_bytes(&mut *secret)
        .map_err(|error| WalletError::Failed(format!("the system gives no random numbers: {error}")))?;
    let text = Zeroizing::new(format!("{}\n", hex::encode(secret.as_slice())));
    files::create(file, text.as_bytes())?;
    Ok(sha256(secret.as_slice()))
}
