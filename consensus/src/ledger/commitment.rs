//! The coin set's commitment: 256 buckets, one LtHash each.
//!
//! A coin belongs to the bucket of the first byte of SHA-256 of its outpoint's encoding. A bucket is 1024 lanes of 16 bits
//! (LtHash16); a coin is spread over the lanes by the BLAKE3 stream of its element, borsh of (outpoint, coin), under a derived
//! key, and is added on creation and subtracted on spending, lane by lane and modulo 2^16. The commitment is the tagged hash of
//! the 256 buckets' tagged hashes.
//!
//! A sum alone does not prove a *set*: 65,536 copies of an invented coin add up to nothing. So a bucket that travels is in
//! strictly ascending order of outpoints that belong to it, and anything else is refused before the sum is compared.

use crate::ledger::coins::{Coin, Diff};
use crate::ledger::hash::{CoinCommitment, sha256, tagged};
use crate::ledger::transaction::OutPoint;
use crate::limits::COMMITMENT_BUCKETS;
use blake3::hazmat::{ContextKey, HasherExt as _, hash_derive_key_context};
use borsh::BorshSerialize;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, OnceLock};

/// Lanes of a bucket.
pub const LANES: usize = 1024;
/// Bytes of a bucket.
pub const BUCKET_BYTES: usize = LANES * 2;

/// The bucket to which a coin of this name belongs.
#[must_use]
pub fn bucket_of(outpoint: &OutPoint) -> u8 {
    sha256(&element::<36>(outpoint))[0]
}

/// The key of all elements.
static ELEMENT_KEY: LazyLock<ContextKey> =
    LazyLock::new(|| hash_derive_key_context("bezant 2026 coin set LtHash16 element"));

/// The encoding of something of a fixed length.
fn element<const N: usize>(value: &impl BorshSerialize) -> [u8; N] {
    let mut bytes = [0; N];
    let mut rest = &mut bytes[..];
    value.serialize(&mut rest).expect("there is room for a name and a coin");
    debug_assert!(rest.is_empty(), "names and coins have one length");
    bytes
}

/// The sum of a set of coins. Copies share their lanes until one of them changes, so that a copy costs next to nothing.
#[derive(Clone)]
pub struct Bucket {
    lanes: Arc<[u16; LANES]>,
    /// Kept until the lanes change: most buckets are as they were at the last checkpoint.
    hash: OnceLock<[u8; 32]>,
}

impl Default for Bucket {
    fn default() -> Bucket {
        static OF_NO_COINS: OnceLock<[u8; 32]> = OnceLock::new();
        let bucket = Bucket { lanes: Arc::new([0; LANES]), hash: OnceLock::new() };
        let hash = OnceLock::from(*OF_NO_COINS.get_or_init(|| bucket.hash()));
        Bucket { hash, ..bucket }
    }
}

impl PartialEq for Bucket {
    fn eq(&self, other: &Bucket) -> bool {
        self.lanes == other.lanes
    }
}

impl Eq for Bucket {}

impl std::fmt::Debug for Bucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bucket({:02x?}…)", &self.hash()[..6])
    }
}

impl Bucket {
    /// Adds a coin.
    pub fn add(&mut self, outpoint: &OutPoint, coin: &Coin) {
        self.combine(outpoint, coin, u16::wrapping_add);
    }

    /// Takes a coin away.
    pub fn subtract(&mut self, outpoint: &OutPoint, coin: &Coin) {
        self.combine(outpoint, coin, u16::wrapping_sub);
    }

    fn combine(&mut self, outpoint: &OutPoint, coin: &Coin, operation: impl Fn(u16, u16) -> u16) {
        let mut bytes = [0; BUCKET_BYTES];
        let mut hasher = blake3::Hasher::new_from_context_key(&ELEMENT_KEY);
        hasher.update(&element::<85>(&(outpoint, coin)));
        hasher.finalize_xof().fill(&mut bytes);
        self.hash = OnceLock::new();
        for (lane, pair) in Arc::make_mut(&mut self.lanes).iter_mut().zip(bytes.chunks_exact(2)) {
            *lane = operation(*lane, u16::from_le_bytes([pair[0], pair[1]]));
        }
    }

    /// The lanes, little-endian.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; BUCKET_BYTES] {
        let mut bytes = [0; BUCKET_BYTES];
        for (pair, lane) in bytes.chunks_exact_mut(2).zip(self.lanes.iter()) {
            pair.copy_from_slice(&lane.to_le_bytes());
        }
        bytes
    }

    /// Reads [`Bucket::to_bytes`].
    #[must_use]
    pub fn from_bytes(bytes: &[u8; BUCKET_BYTES]) -> Bucket {
        let mut lanes = [0; LANES];
        for (lane, pair) in lanes.iter_mut().zip(bytes.chunks_exact(2)) {
            *lane = u16::from_le_bytes([pair[0], pair[1]]);
        }
        Bucket { lanes: Arc::new(lanes), hash: OnceLock::new() }
    }

    /// The tagged hash of the lanes.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        *self.hash.get_or_init(|| tagged("bezant/coin-bucket", &[&self.to_bytes()]))
    }
}

/// All buckets of a coin set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Buckets(Vec<Bucket>);

impl Default for Buckets {
    fn default() -> Buckets {
        Buckets(vec![Bucket::default(); COMMITMENT_BUCKETS])
    }
}

impl Buckets {
    /// The buckets of these coins, computed from nothing.
    #[must_use]
    pub fn of<'a>(coins: impl IntoIterator<Item = (&'a OutPoint, &'a Coin)>) -> Buckets {
        let mut buckets = Buckets::default();
        for (outpoint, coin) in coins {
            buckets.0[usize::from(bucket_of(outpoint))].add(outpoint, coin);
        }
        buckets
    }

    /// From the buckets themselves; `None` unless there are 256.
    #[must_use]
    pub fn from_list(list: Vec<Bucket>) -> Option<Buckets> {
        (list.len() == COMMITMENT_BUCKETS).then_some(Buckets(list))
    }

    /// The buckets, in order.
    #[must_use]
    pub fn list(&self) -> &[Bucket] {
        &self.0
    }

    /// Brings the buckets up to date with a net change.
    pub fn apply(&mut self, diff: &Diff) {
        self.replace(&diff.spent, &diff.created);
    }

    /// Takes [`Buckets::apply`] back.
    pub fn revert(&mut self, diff: &Diff) {
        self.replace(&diff.created, &diff.spent);
    }

    fn replace(&mut self, out: &BTreeMap<OutPoint, Coin>, into: &BTreeMap<OutPoint, Coin>) {
        for (outpoint, coin) in out {
            self.0[usize::from(bucket_of(outpoint))].subtract(outpoint, coin);
        }
        for (outpoint, coin) in into {
            self.0[usize::from(bucket_of(outpoint))].add(outpoint, coin);
        }
    }

    /// The buckets in which these differ from others, in order.
    #[must_use]
    pub fn differing(&self, others: &Buckets) -> Vec<u8> {
        let pairs = (0..=u8::MAX).zip(self.0.iter().zip(&others.0));
        let differ = |(_, (one, other)): &(u8, (&Bucket, &Bucket))| {
            !Arc::ptr_eq(&one.lanes, &other.lanes) && one.lanes != other.lanes
        };
        pairs.filter(differ).map(|(index, _)| index).collect()
    }

    /// The hash of each bucket, in order.
    #[must_use]
    pub fn hashes(&self) -> Vec<[u8; 32]> {
        self.0.iter().map(Bucket::hash).collect()
    }

    /// The commitment.
    #[must_use]
    pub fn commitment(&self) -> CoinCommitment {
        commitment_of(&self.hashes())
    }
}

/// The commitment that these bucket hashes make, in order.
#[must_use]
pub fn commitment_of(hashes: &[[u8; 32]]) -> CoinCommitment {
    let parts: Vec<&[u8]> = hashes.iter().map(<[u8; 32]>::as_slice).collect();
    CoinCommitment(tagged("bezant/coin-set", &parts))
}
