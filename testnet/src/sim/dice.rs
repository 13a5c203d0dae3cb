//! The one source of chance. Integers only, so that a seed means the same on every machine.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Draws from the seed's one stream.
#[derive(Debug)]
pub(crate) struct Dice(ChaCha8Rng);

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        Dice(ChaCha8Rng::seed_from_u64(seed))
    }

    /// 0 to `n` − 1. The bias of the remainder does not matter below 2^32.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        assert!(n > 0, "there is nothing to choose from");
        self.0.next_u64() % n
    }

    /// An index into a list of that length.
    pub(crate) fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    /// Between the two, both included.
    pub(crate) fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.below(most - least + 1)
    }

    /// True in so many of a thousand cases. Draws nothing for 0, so that a fault that is off does not shift the others.
    pub(crate) fn chance(&mut self, per_mille: u64) -> bool {
        per_mille > 0 && self.below(1000) < per_mille
    }

    /// Exponentially distributed with this mean, by von Neumann's comparison method: no logarithm, no rounding.
    pub(crate) fn exponential(&mut self, mean: u64) -> u64 {
        let mut whole = 0u64;
        loop {
            let first = self.0.next_u64();
            let (mut last, mut draws) = (first, 1);
            loop {
                let next = self.0.next_u64();
                draws += 1;
                if next > last {
                    break;
                }
                last = next;
            }
            if draws % 2 == 0 {
                let scaled = u128::from(mean) * (u128::from(whole) << 64 | u128::from(first));
                return u64::try_from(scaled >> 64).unwrap_or(u64::MAX);
            }
            whole += 1;
        }
    }

    pub(crate) fn bytes(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        self.0.fill_bytes(&mut bytes);
        bytes
    }
}
