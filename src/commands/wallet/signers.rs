//! Whose keys are at hand, and unlocking those that have to sign.

use super::keys;
use crate::cli::Global;
use crate::cli::wallet::Password;
use crate::output::Failure;
use bezant_consensus::ledger::key::PublicKey;
use bezant_wallet::keys::keystore::Unlocked;
use bezant_wallet::locks::preimage;
use bezant_wallet::paying::purse::Known;
use bezant_wallet::session::{Found, Session};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// What can open coins of a wallet: of one with a secret its own keys alone; else every wallet of this machine, and preimages.
pub(super) fn known(session: &Session, found: &Found, preimages: &[PathBuf]) -> Result<Known, Failure> {
    let wallets = if found.wallet.is_watching() { session.at_hand() } else { vec![found.clone()] };
    let mut known = Known::of(wallets);
    for file in preimages {
        known.means.add_preimage(*preimage::read(file)?);
    }
    Ok(known)
}

/// Opens the wallets that hold these keys, and no others; each is asked for its password.
pub(super) fn unlock(
    known: &Known,
    wanted: &BTreeSet<PublicKey>,
    arguments: &Password,
    global: &Global,
) -> Result<Vec<Unlocked>, Failure> {
    known.signers(wanted).into_iter().map(|found| keys::unlock(found, arguments, global)).collect()
}
