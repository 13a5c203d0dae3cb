//! Hashes, one type per meaning.
//!
//! SHA-256d (Bitcoin's double SHA-256) names blocks, transactions and merkle nodes, so that external miners can work for us.
//! Everything else is a *tagged* hash, SHA-256(SHA-256(tag) ‖ SHA-256(tag) ‖ data) as in BIP340, so that bytes hashed for one
//! purpose never mean anything for another.
//!
//! Hashes are shown as lower-case hex of their bytes in order (not reversed as Bitcoin shows them).

use borsh::{BorshDeserialize, BorshSerialize};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;

/// SHA-256 of `data`.
#[must_use]
pub fn sha256(data: &[u8]) -> [u8; 32] {
    Sha256::digest(data).into()
}

/// SHA-256 of SHA-256 of `data`.
#[must_use]
pub fn sha256d(data: &[u8]) -> [u8; 32] {
    sha256(&sha256(data))
}

/// Tagged hash of the concatenation of `parts` (BIP340): SHA-256(SHA-256(tag) ‖ SHA-256(tag) ‖ parts…).
#[must_use]
pub fn tagged(tag: &str, parts: &[&[u8]]) -> [u8; 32] {
    Tag::new(tag).hash(parts)
}

/// How every tagged hash of one tag begins, worked out once: for what is hashed several times for each transaction.
#[derive(Clone, Debug)]
pub(crate) struct Tag(Sha256);

impl Tag {
    /// Of this tag.
    pub(crate) fn new(tag: &str) -> Tag {
        let prefix = sha256(tag.as_bytes());
        let mut hasher = Sha256::new();
        hasher.update(prefix);
        hasher.update(prefix);
        Tag(hasher)
    }

    /// See [`tagged`].
    pub(crate) fn hash(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut hasher = self.0.clone();
        for part in parts {
            hasher.update(part);
        }
        hasher.finalize().into()
    }
}

/// Text that is not 64 lower- or upper-case hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected 64 hex digits")]
pub struct ParseHashError;

pub(crate) fn fmt_hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    // By whole pieces: an id is written for each transaction and listener.
    for piece in bytes.chunks(32) {
        let mut text = [0; 64];
        for (pair, byte) in text.chunks_exact_mut(2).zip(piece) {
            pair.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
        f.write_str(std::str::from_utf8(&text[..2 * piece.len()]).expect("digits are text"))?;
    }
    Ok(())
}

pub(crate) fn parse_hex32(text: &str) -> Result<[u8; 32], ParseHashError> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return Err(ParseHashError);
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let digit = |c: u8| (c as char).to_digit(16).ok_or(ParseHashError);
        *byte = u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).expect("two hex digits make a byte");
    }
    Ok(bytes)
}

macro_rules! hash_types {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, BorshSerialize, BorshDeserialize)]
        pub struct $name(pub [u8; 32]);

        impl $name {
            /// The bytes, in the order in which they are hashed and shown.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt_hex(&self.0, f)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "("))?;
                fmt_hex(&self.0[..6], f)?;
                write!(f, "…)")
            }
        }
        impl FromStr for $name {
            type Err = ParseHashError;
            fn from_str(text: &str) -> Result<Self, ParseHashError> {
                parse_hex32(text).map($name)
            }
        }
    )*};
}

hash_types! {
    /// SHA-256d of a transaction's body. Witnesses do not enter, so nobody can change it by signing again.
    TxId;
    /// SHA-256d of a whole transaction, witnesses included; the merkle leaf. Refusals are remembered by it, never by [`TxId`].
    TxHash;
    /// SHA-256d of a block's 80-byte header.
    BlockId;
    /// Root of a block's merkle tree.
    MerkleRoot;
    /// Hash of a lock tree; what an address carries.
    LockHash;
    /// Tagged hash of the genesis; names the net in signatures, addresses, topics and protocol ids.
    NetworkId;
    /// Tagged hash of the coin set's 256 bucket hashes.
    CoinCommitment;
    /// Tagged hash of a validator set: network, epoch number and members in order.
    SetHash;
    /// Tagged hash of what an epoch begins with: its members, and who was re-admitted.
    OpeningHash;
}
