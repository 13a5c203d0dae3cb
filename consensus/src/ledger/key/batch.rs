//! Many signatures in one equation.
//!
//! With random z_i the signatures are valid if 8 (Σ z_i s_i) B = 8 Σ z_i R_i + 8 Σ z_i k_i A_i; when one is not, this holds with a
//! chance of 2⁻¹²⁸ (Bernstein, Duif, Lange, Schwabe and Yang, "High-speed high-security signatures", §5, with the cofactor, as
//! ZIP 215 wants it). Terms of one key are added up first. The verdict is that of [`verify`](super::verify), which the tests compare.
//!
//! A third of the cost is finding the points of the encodings A and R. That of a key can be remembered ([`Points`]): whoever pays
//! often, signs with keys that were seen before.

use super::{PublicKey, Signature};
use curve25519_dalek::constants::ED25519_BASEPOINT_POINT;
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::{IsIdentity, VartimeMultiscalarMul};
use rand_core::CryptoRng;
use sha2::{Digest, Sha512};
use std::collections::BTreeMap;
use std::fmt;

/// A public key and the point that it encodes, which only [`Point::of`] puts together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    key: PublicKey,
    point: EdwardsPoint,
}

impl Point {
    /// The point of a key; `None` when its bytes are no point's.
    #[must_use]
    pub fn of(key: &PublicKey) -> Option<Point> {
        CompressedEdwardsY(key.0).decompress().map(|point| Point { key: *key, point })
    }
}

/// Knows, or finds, the points of keys. May be asked from any thread.
pub trait Points: fmt::Debug + Send + Sync {
    /// What [`Point::of`] says of this key.
    fn point_of(&self, key: &PublicKey) -> Option<Point>;
}

/// Remembers nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Forgetful;

impl Points for Forgetful {
    fn point_of(&self, key: &PublicKey) -> Option<Point> {
        Point::of(key)
    }
}

/// Whether the equation holds for these keys, messages and signatures.
pub(super) fn holds<'a, R: CryptoRng>(
    items: impl ExactSizeIterator<Item = (&'a PublicKey, &'a [u8], &'a Signature)>,
    points: &dyn Points,
    rng: &mut R,
) -> bool {
    // Ordered, so that a run is the same each time.
    let mut of_keys: BTreeMap<PublicKey, Scalar> = BTreeMap::new();
    let mut scalars = Vec::with_capacity(2 * items.len() + 1);
    let mut summands = Vec::with_capacity(2 * items.len() + 1);
    let mut of_base = Scalar::ZERO;
    for (key, message, signature) in items {
        let (r, s) = signature.0.split_at(32);
        let Some(r) = CompressedEdwardsY::from_slice(r).ok().and_then(|r| r.decompress()) else { return false };
        let s = <[u8; 32]>::try_from(s).expect("S is 32 bytes");
        let Some(s) = Option::<Scalar>::from(Scalar::from_canonical_bytes(s)) else { return false };
        let hash = Sha512::new().chain_update(&signature.0[..32]).chain_update(key.0).chain_update(message).finalize();
        let mut coefficient = [0; 16];
        rng.fill_bytes(&mut coefficient);
        let coefficient = Scalar::from(u128::from_le_bytes(coefficient));
        of_base -= coefficient * s;
        *of_keys.entry(*key).or_insert(Scalar::ZERO) += coefficient * Scalar::from_bytes_mod_order_wide(&hash.into());
        scalars.push(coefficient);
        summands.push(r);
    }
    scalars.push(of_base);
    summands.push(ED25519_BASEPOINT_POINT);
    for (key, scalar) in of_keys {
        let Some(found) = points.point_of(&key) else { return false };
        assert_eq!(found.key, key, "a point of another key");
        scalars.push(scalar);
        summands.push(found.point);
    }
    EdwardsPoint::vartime_multiscalar_mul(scalars, summands).mul_by_cofactor().is_identity()
}
