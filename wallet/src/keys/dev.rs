//! The accounts of dev nets: ten names, keys that follow from the net's seed, wallets without a password.
//!
//! Everybody who knows the seed knows these keys. Their wallets refuse every net whose genesis does not say `dev`.

use crate::error::WalletError;
use crate::keys::keystore::{self, WalletFile};
use crate::keys::slip10;
use bezant_consensus::ledger::hash::tagged;
use bezant_consensus::ledger::key::SigningKey;
use std::path::{Path, PathBuf};

#[cfg(test)]
mod tests;

/// The accounts' names, in order.
pub const NAMES: [&str; 10] = ["alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy"];
/// Where the accounts' wallet files are in a net's directory.
pub const WALLETS_DIR: &str = "wallets";

/// A dev net's account.
#[derive(Clone, Debug)]
pub struct DevAccount {
    /// `alice`, ….
    pub name: String,
    /// The key of its first address.
    pub key: SigningKey,
}

/// The accounts of the dev nets with this seed.
#[must_use]
pub fn accounts(seed: u64) -> Vec<DevAccount> {
    let account =
        |name: &&str| DevAccount { name: (*name).to_owned(), key: slip10::address_key(&secret(seed, name), 0) };
    NAMES.iter().map(account).collect()
}

/// Writes the accounts' wallet files into `dir`, replacing what is there.
///
/// # Errors
/// When the system refuses.
pub fn write_wallets(dir: &Path, seed: u64) -> Result<(), WalletError> {
    NAMES
        .iter()
        .try_for_each(|name| keystore::write(&WalletFile::dev(name, secret(seed, name)), &wallet_path(dir, name)))
}

/// Where the wallet file of an account is, given the directory of such files.
#[must_use]
pub fn wallet_path(dir: &Path, name: &str) -> PathBuf {
    keystore::path(dir, name)
}

/// What an account's keys come from (a seed of SLIP-0010).
fn secret(seed: u64, name: &str) -> [u8; 32] {
    tagged("bezant/dev-account", &[&seed.to_le_bytes(), name.as_bytes()])
}
