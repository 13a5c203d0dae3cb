//! SLIP-0010 for ed25519: a tree of keys from one seed. All steps are hardened; ed25519 knows no others.
//!
//! Bezant's addresses are at `m/44'/6453876'/0'/0'/i'` for i = 0, 1, …: 6453876 is `bzt` in ASCII, as a coin type of BIP44 it is
//! not registered.

use bezant_consensus::ledger::key::SigningKey;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha512;
use zeroize::{Zeroize, ZeroizeOnDrop};

#[cfg(test)]
mod tests;

/// Where the addresses' keys hang, without the last step.
pub const ACCOUNT_PATH: [u32; 4] = [44, 6_453_876, 0, 0];
const HARDENED: u32 = 1 << 31;

/// A node of the tree. Zeroised when dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Node {
    key: [u8; 32],
    chain_code: [u8; 32],
}

impl Node {
    /// The root for a seed (SLIP-0010 wants 16 to 64 bytes).
    #[must_use]
    pub fn master(seed: &[u8]) -> Node {
        Node::from_hmac(b"ed25519 seed", &[seed])
    }

    /// The hardened child of this number, which is below 2^31 (the hardening is added here).
    ///
    /// # Panics
    /// From 2^31 on.
    #[must_use]
    pub fn child(&self, index: u32) -> Node {
        assert!(index < HARDENED, "an index is below 2^31; hardening is added here");
        Node::from_hmac(&self.chain_code, &[&[0], &self.key, &(index | HARDENED).to_be_bytes()])
    }

    /// The node at a path of hardened steps.
    #[must_use]
    pub fn at(&self, path: &[u32]) -> Node {
        path.iter().fold(self.clone(), |node, index| node.child(*index))
    }

    /// The key pair of this node.
    #[must_use]
    pub fn signing_key(&self) -> SigningKey {
        SigningKey::from_seed(&self.key)
    }

    fn from_hmac(key: &[u8], parts: &[&[u8]]) -> Node {
        let mut mac = Hmac::<Sha512>::new_from_slice(key).expect("HMAC takes keys of any length");
        for part in parts {
            mac.update(part);
        }
        let mut bytes: [u8; 64] = mac.finalize().into_bytes().into();
        let mut node = Node { key: [0; 32], chain_code: [0; 32] };
        node.key.copy_from_slice(&bytes[..32]);
        node.chain_code.copy_from_slice(&bytes[32..]);
        bytes.zeroize();
        node
    }
}

/// [`ACCOUNT_PATH`] as people write it.
#[must_use]
pub fn account_path() -> String {
    ACCOUNT_PATH.iter().fold("m".to_owned(), |path, step| format!("{path}/{step}'"))
}

/// The whole path of an address's key, as people write it.
#[must_use]
pub fn address_path(index: usize) -> String {
    format!("{}/{index}'", account_path())
}

/// The key of address number `index` under a seed.
#[must_use]
pub fn address_key(seed: &[u8], index: u32) -> SigningKey {
    Node::master(seed).at(&ACCOUNT_PATH).child(index).signing_key()
}
