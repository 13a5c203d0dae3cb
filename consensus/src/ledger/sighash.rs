//! What a signature signs.
//!
//! Per signature: tagged SHA-256 (`bezant/sighash`) over
//! common ‖ input index u32 ‖ path of the key ‖ the input's satisfied leaves other than keys, sorted,
//! where *common* is the tagged SHA-256 (`bezant/sighash-common`) over network id ‖ body ‖ amount and lock hash of every coin
//! spent. Paths are length-prefixed. So an offline signer cannot be lied to about the fee, nothing replays on another net,
//! nobody else can move a signature to another input or branch, and the cost is linear (no quadratic hashing).
//!
//! An epoch change is signed under a tag of its own (`bezant/epoch-change`) over network id ‖ body.

use crate::ledger::amount::Amount;
use crate::ledger::codec::encode;
use crate::ledger::hash::{LockHash, NetworkId, Tag, tagged};
use crate::ledger::lock::Lock;
use crate::ledger::transaction::Body;
use std::sync::LazyLock;

static COMMON: LazyLock<Tag> = LazyLock::new(|| Tag::new("bezant/sighash-common"));
static DIGEST: LazyLock<Tag> = LazyLock::new(|| Tag::new("bezant/sighash"));

/// The part of the digests that all signatures of a transaction share. Compute it once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SighashCommon([u8; 32]);

impl SighashCommon {
    /// For a body whose inputs spend coins of these amounts and locks, in order.
    #[must_use]
    pub fn new(network: &NetworkId, body: &Body, spent: &[(Amount, LockHash)]) -> SighashCommon {
        SighashCommon(COMMON.hash(&[&network.0, &encode(body), &encode(&spent)]))
    }

    /// The digest for the key at `path` of input `index`, whose revealed tree is `lock`.
    #[must_use]
    pub fn digest(&self, index: u32, path: &[u8], lock: &Lock) -> [u8; 32] {
        let mut others: Vec<Vec<u8>> = lock
            .revealed_leaves()
            .into_iter()
            .filter(|(_, leaf)| !matches!(leaf, Lock::Key(_)))
            .map(|(path, _)| path)
            .collect();
        others.sort_unstable();
        DIGEST.hash(&[&self.0, &index.to_le_bytes(), &encode(&path), &encode(&others)])
    }
}

/// The digest that a member signs for an epoch change.
#[must_use]
pub fn epoch_change_digest(network: &NetworkId, body: &Body) -> [u8; 32] {
    tagged("bezant/epoch-change", &[&network.0, &encode(body)])
}
