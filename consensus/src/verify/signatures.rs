//! What becomes of the signatures that the checks of a message come upon.
//!
//! A check tells each signature that has to be valid, in its order, and goes on as if it were. So the signatures of many
//! messages make one batch ([`Batch`]), which costs a third of checking them one by one. Where it fails, each message is judged
//! by its own signatures, and the first invalid one of a message is found by halving: so a message that is invalid costs its
//! receiver no more than twice what a valid one costs. That message is then checked once more ([`Verdict`]), which finds the
//! error that checking one by one would have found ([`Singly`]).
//!
//! A signature that protects more expensive checks (a PRE-PREPARE's before those in its block) is judged at once nevertheless.

use crate::ledger::key::{Points, PublicKey, Signature, SignedItem, are_valid, first_invalid, verify};
use rand_core::CryptoRng;
use std::ops::Range;

/// Hears of every signature that has to be valid.
pub(super) trait Signatures {
    /// Whether the check may go on; the answer of a batch is preliminary.
    fn is_valid(&mut self, key: &PublicKey, message: &[u8; 32], signature: &Signature) -> bool;
}

/// Judges each at once.
pub(super) struct Singly;

impl Signatures for Singly {
    fn is_valid(&mut self, key: &PublicKey, message: &[u8; 32], signature: &Signature) -> bool {
        verify(key, message, signature)
    }
}

/// Keeps all, to be judged together.
#[derive(Default)]
pub(super) struct Batch(Vec<SignedItem>);

impl Signatures for Batch {
    fn is_valid(&mut self, key: &PublicKey, message: &[u8; 32], signature: &Signature) -> bool {
        self.0.push(SignedItem { key: *key, message: *message, signature: *signature });
        true
    }
}

impl Batch {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The verdict on each of these ranges, which together are the whole batch.
    pub(super) fn judge<R: CryptoRng>(
        &self,
        ranges: &[Range<usize>],
        points: &dyn Points,
        rng: &mut R,
    ) -> Vec<Verdict> {
        if are_valid(&self.0, points, rng) {
            return ranges.iter().map(|_| Verdict(None)).collect();
        }
        let verdict = |range: &Range<usize>| {
            let items = &self.0[range.clone()];
            Verdict(first_invalid(items, points, rng).map(|place| items[place]))
        };
        ranges.iter().map(verdict).collect()
    }
}

/// The verdict on the signatures of one message: the first that is invalid. It is told by the signature, not by its turn: a second
/// pass over a message may come upon fewer, when another thread has verified one of its transactions in between.
pub(super) struct Verdict(Option<SignedItem>);

impl Verdict {
    pub(super) fn is_valid(&self) -> bool {
        self.0.is_none()
    }
}

impl Signatures for Verdict {
    fn is_valid(&mut self, key: &PublicKey, message: &[u8; 32], signature: &Signature) -> bool {
        let item = SignedItem { key: *key, message: *message, signature: *signature };
        self.0.as_ref() != Some(&item)
    }
}
