//! Keys and **the signature rule**, one function for transactions and votes.
//!
//! RFC 8032 leaves cases open in which libraries differ, so the rule is spelled out: A and R are canonical encodings of
//! points that are not of small order, S < L, and the *cofactored* equation holds. Encodings are refused by their bytes
//! first; what is left is decided by ed25519-zebra (ZIP 215), or for many signatures by the same equation summed up, which gives
//! the same verdict. ed25519-dalek only signs here: its `verify` and `verify_batch` disagree with each other and never decide
//! validity.

mod batch;
#[cfg(test)]
mod tests;

use crate::ledger::hash::{fmt_hex, parse_hex32};
use borsh::{BorshDeserialize, BorshSerialize};
use curve25519_dalek::edwards::CompressedEdwardsY;
use std::fmt;
use std::str::FromStr;

pub use batch::{Forgetful, Point, Points};

/// The bytes of an ed25519 public key. Bytes alone promise nothing: see [`PublicKey::is_acceptable`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct PublicKey(pub [u8; 32]);

/// The bytes of an ed25519 signature, R then S.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct Signature(pub [u8; 64]);

/// Bytes that are no acceptable public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a public key: 64 hex digits of a canonical ed25519 point of full order are expected")]
pub struct KeyError;

impl PublicKey {
    /// Whether the bytes are the canonical encoding of a point on the curve that is not of small order.
    /// A key that fails is never accepted as a member, allocation or anything else that lasts.
    #[must_use]
    pub fn is_acceptable(&self) -> bool {
        is_canonical_of_full_order(&self.0)
    }
}

/// Canonical, on the curve, and not one of the eight points of small order.
fn is_canonical_of_full_order(bytes: &[u8; 32]) -> bool {
    CompressedEdwardsY(*bytes).decompress().is_some_and(|point| point.compress().0 == *bytes && !point.is_small_order())
}

/// The byte patterns that the rule refuses, told without decompressing: y ≥ p, and the encodings of small order.
///
/// The points of small order have y ∈ {0, 1, p − 1, y8, p − y8}; their non-canonical encodings have y ≥ p and are refused
/// with all others of that kind. The sign bit does not matter: x = 0 with the sign set is non-canonical too.
fn is_refused_by_bytes(bytes: &[u8; 32]) -> bool {
    let mut y = *bytes;
    y[31] &= 0x7f;
    let at_least_p = y[31] == 0x7f && y[1..31].iter().all(|&b| b == 0xff) && y[0] >= 0xed;
    at_least_p || SMALL_ORDER_Y.contains(&y)
}

/// y of the canonical encodings of the points of order 1, 2, 4 and 8 (RFC 8032 curve; checked against the points in tests).
const SMALL_ORDER_Y: [[u8; 32]; 5] = {
    let zero = [0; 32];
    let mut one = [0; 32];
    one[0] = 1;
    let mut minus_one = [0xff; 32];
    minus_one[0] = 0xec;
    minus_one[31] = 0x7f;
    let y8 = [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf,
        0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ];
    let minus_y8 = [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20,
        0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ];
    [zero, one, minus_one, y8, minus_y8]
};

/// A signature over a message by a key: what [`verify`] and [`verify_batch`] judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedItem {
    /// Who is said to have signed.
    pub key: PublicKey,
    /// What was signed, as it goes into the signature.
    pub message: [u8; 32],
    /// The signature.
    pub signature: Signature,
}

impl SignedItem {
    fn refused_by_bytes(&self) -> bool {
        let r: &[u8; 32] = self.signature.0[..32].try_into().expect("R is 32 bytes");
        is_refused_by_bytes(&self.key.0) || is_refused_by_bytes(r)
    }
}

/// Whether `signature` by `key` over `message` is valid under the signature rule.
#[must_use]
pub fn verify(key: &PublicKey, message: &[u8], signature: &Signature) -> bool {
    let r: &[u8; 32] = signature.0[..32].try_into().expect("R is 32 bytes");
    if is_refused_by_bytes(&key.0) || is_refused_by_bytes(r) {
        return false;
    }
    ed25519_zebra::VerificationKey::try_from(key.0)
        .is_ok_and(|key| key.verify(&ed25519_zebra::Signature::from_bytes(&signature.0), message).is_ok())
}

/// Whether all items are valid: in one batch, which costs a third of [`verify`] for each when there are many.
/// The verdict is the same, however items are grouped.
///
/// `rng` draws the batch's random coefficients, and `points` may remember those of keys; both decide nothing but the cost.
#[must_use]
pub fn are_valid<R: rand_core::CryptoRng>(items: &[SignedItem], points: &dyn Points, rng: &mut R) -> bool {
    match items {
        [] => true,
        [item] => verify(&item.key, &item.message, &item.signature),
        items => {
            let parts = items.iter().map(|item| (&item.key, &item.message[..], &item.signature));
            !items.iter().any(SignedItem::refused_by_bytes) && batch::holds(parts, points, rng)
        }
    }
}

/// Place of the first item that is invalid, found by halving: about twice the cost of [`are_valid`] at most.
pub fn first_invalid<R: rand_core::CryptoRng>(items: &[SignedItem], points: &dyn Points, rng: &mut R) -> Option<usize> {
    if are_valid(items, points, rng) {
        return None;
    }
    let (mut first, mut rest) = (0, items);
    while rest.len() > 1 {
        let (left, right) = rest.split_at(rest.len() / 2);
        if are_valid(left, points, rng) {
            (first, rest) = (first + left.len(), right);
        } else {
            rest = left;
        }
    }
    Some(first)
}

/// Places of all items that are invalid, ascending; empty when all are valid.
pub fn verify_batch<R: rand_core::CryptoRng>(items: &[SignedItem], mut rng: R) -> Vec<usize> {
    let (mut places, mut from) = (Vec::new(), 0);
    while let Some(next) = first_invalid(&items[from..], &Forgetful, &mut rng) {
        places.push(from + next);
        from += next + 1;
    }
    places
}

/// A secret key. Zeroised when dropped, never shown.
#[derive(Clone)]
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// The key of a 32-byte seed (RFC 8032 §5.1.5).
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> SigningKey {
        SigningKey(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// The 32-byte seed. Handle with care.
    #[must_use]
    pub fn seed(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// The public key.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// A deterministic signature (RFC 8032 §5.1.6) that [`verify`] accepts.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Signature {
        use ed25519_dalek::Signer;
        Signature(self.0.sign(message).to_bytes())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey(of {})", self.public())
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_hex(&self.0, f)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublicKey(")?;
        fmt_hex(&self.0[..6], f)?;
        f.write_str("…)")
    }
}

/// Reads 64 hex digits of an acceptable key.
impl FromStr for PublicKey {
    type Err = KeyError;
    fn from_str(text: &str) -> Result<Self, KeyError> {
        let key = PublicKey(parse_hex32(text).map_err(|_| KeyError)?);
        if key.is_acceptable() { Ok(key) } else { Err(KeyError) }
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signature(")?;
        fmt_hex(&self.0[..6], f)?;
        f.write_str("…)")
    }
}
