//! What becomes of the signatures that the checks of a message come upon.
//!
//! A check tells each signature that has to be valid, in its order, and goes on as if it were. So the signatures of many
//! messages make one batch ([`Batch`]), which costs a third of checking them one by one. Where it fails, each message is judged
//! by its own signatures, and the first invalid one of a message is found by halving: so a message that is invalid costs its
//! receiver no more than twice what a valid one costs. That message is then checked once more ([`Verdict`]), which finds the
//! error that checking one by one would have found ([`Singly`]).
//!
//! A signature that protects more expensive checks (a PRE-PREPARE's before those in its block) is judged at once nevertheless.

use super::Verified;
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

/// Values whose checks have told a batch their signatures, before it is judged.
pub(super) struct InBatch<T, E, C> {
    values: Vec<T>,
    results: Vec<Result<(), E>>,
    /// Each one's signatures in the batch.
    pub(super) ranges: Vec<Range<usize>>,
    check: C,
}

impl<T, E, C: Fn(&T, &mut dyn Signatures) -> Result<(), E>> InBatch<T, E, C> {
    pub(super) fn new(values: Vec<T>, batch: &mut Batch, check: C) -> InBatch<T, E, C> {
        let mut ranges = Vec::with_capacity(values.len());
        let mut results = Vec::with_capacity(values.len());
        for value in &values {
            let from = batch.len();
            results.push(check(value, batch));
            ranges.push(from..batch.len());
        }
        InBatch { values, results, ranges, check }
    }

    /// With the verdicts on its ranges.
    pub(super) fn settle(self, verdicts: &mut impl Iterator<Item = Verdict>) -> Vec<Result<Verified<T>, E>> {
        let settle = |((value, result), mut verdict): ((T, Result<(), E>), Verdict)| {
            // The second pass names the error, which comes before the one that the first pass has found.
            let result = if verdict.is_valid() { result } else { (self.check)(&value, &mut verdict) };
            result.map(|()| Verified(value))
        };
        self.values.into_iter().zip(self.results).zip(verdicts).map(settle).collect()
    }
}
