//! Says of most keys that they are not in a run: a Bloom filter whose bits for a key lie in one block of 32 bytes, one in each of eight words
//! (as in Parquet). With twelve bits for a key it is wrong about one of two hundred keys that are not there, and never about
//! one that is.

const WORDS: usize = 8;
const BITS_PER_KEY: usize = 12;
/// Odd numbers that choose a bit in each word, as Parquet has them.
const SALTS: [u32; WORDS] =
    [0x47b6_137b, 0x4497_4d91, 0x8824_ad5b, 0xa2b7_289d, 0x7054_95c7, 0x2df1_424b, 0x9efc_4947, 0x5c6b_fb31];

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Filter {
    blocks: Vec<[u32; WORDS]>,
}

/// What filters know a key by: worked out once for all of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hashed(u64);

impl Hashed {
    pub(super) fn of(key: &[u8]) -> Hashed {
        Hashed(hash(key))
    }
}

impl Filter {
    /// For at most so many keys; without room for any, it says of each key that it may be there.
    pub(super) fn new(keys: usize) -> Filter {
        Filter { blocks: vec![[0; WORDS]; (keys * BITS_PER_KEY).div_ceil(32 * WORDS)] }
    }

    pub(super) fn add(&mut self, key: &[u8]) {
        let hash = hash(key);
        if let Some(place) = self.place(hash) {
            for (word, mask) in self.blocks[place].iter_mut().zip(masks(hash)) {
                *word |= mask;
            }
        }
    }

    pub(super) fn may_have(&self, key: Hashed) -> bool {
        let Hashed(hash) = key;
        let has = |place: usize| self.blocks[place].iter().zip(masks(hash)).all(|(word, mask)| word & mask != 0);
        self.place(hash).is_none_or(has)
    }

    /// Upper half of the hash: which block.
    fn place(&self, hash: u64) -> Option<usize> {
        let blocks = self.blocks.len() as u64;
        (blocks > 0).then_some((((hash >> 32) * blocks) >> 32) as usize)
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        self.blocks.iter().flatten().flat_map(|word| word.to_le_bytes()).collect()
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Filter {
        let word = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().expect("four bytes"));
        let block = |bytes: &[u8]| std::array::from_fn(|at| word(&bytes[4 * at..4 * at + 4]));
        Filter { blocks: bytes.chunks_exact(4 * WORDS).map(block).collect() }
    }
}

/// Lower half of the hash: which bits.
#[allow(clippy::cast_possible_truncation, reason = "the lower half is wanted")]
fn masks(hash: u64) -> [u32; WORDS] {
    SALTS.map(|salt| 1 << ((hash as u32).wrapping_mul(salt) >> 27))
}

/// Written to disk with the filter, so it must not change. The keys are hashes themselves; who grinds them gains nothing but a
/// read in vain for each coin that is asked for.
fn hash(key: &[u8]) -> u64 {
    let mut hash = key.len() as u64;
    for part in key.chunks(8) {
        let mut word = [0; 8];
        word[..part.len()].copy_from_slice(part);
        hash = (hash ^ u64::from_le_bytes(word)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        hash ^= hash >> 32;
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::{Filter, Hashed};

    #[test]
    fn what_is_there_may_be_there_and_little_else() {
        let key = |number: u32| [&number.wrapping_mul(2_654_435_761).to_be_bytes()[..], &[7; 33]].concat();
        let mut filter = Filter::new(10_000);
        (0..10_000).for_each(|number| filter.add(&key(number)));
        let filter = Filter::from_bytes(&filter.to_bytes());
        assert!((0..10_000).all(|number| filter.may_have(Hashed::of(&key(number)))));
        let wrong = (10_000..110_000).filter(|number| filter.may_have(Hashed::of(&key(*number)))).count();
        assert!(wrong < 1_500, "{wrong} of 100,000");
        assert!(Filter::new(0).may_have(Hashed::of(&key(1))), "without a filter one has to look");
    }
}
