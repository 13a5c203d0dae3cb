//! What a kernel has to find before it is used: a known header, and whatever the yardstick finds on targets of all kinds.

use super::{Hit, Kernel, Search, VERSIONS, rolled};
use bezant_consensus::ledger::block::Header;
use bezant_consensus::ledger::hash::{BlockId, MerkleRoot};
use bezant_consensus::ledger::target::{Target, U320};

/// The nonce of Bitcoin's genesis.
pub(super) const GENESIS_NONCE: u32 = 2_083_236_893;
/// More lanes than any kernel has, and no multiple of a number of lanes.
const COUNT_MAX: u32 = 67;

/// Bitcoin's genesis, whose target has a highest word of 0, with its nonce left out.
pub(super) fn genesis() -> Header {
    let mut root = [0; 32];
    for (at, byte) in root.iter_mut().enumerate() {
        let digits = &"3ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a"[2 * at..][..2];
        *byte = u8::from_str_radix(digits, 16).expect("two digits");
    }
    Header {
        version: 1,
        parent: BlockId::default(),
        merkle_root: MerkleRoot(root),
        time: 1_231_006_505,
        bits: 0x1d00_ffff,
        nonce: 0,
    }
}

/// Whether this search of `count` nonces from the first finds what it should.
pub(super) fn passes(search: impl Fn(&Search, u32, u32) -> Option<Hit>) -> bool {
    let target = Target::from_compact(genesis().bits).expect("of a valid block");
    let finds_genesis = |versions, before| {
        // Rolled twice it is itself, so that the hit is at this roll.
        let roll = before % versions;
        let genesis = Search::with_versions(rolled(genesis(), roll), target, versions);
        let first = GENESIS_NONCE - before;
        let hit = Hit { nonce: GENESIS_NONCE, roll };
        search(&genesis, first, COUNT_MAX) == Some(hit) && search(&genesis, first, before).is_none()
    };
    let all = |versions| {
        (0..40).all(|before| finds_genesis(versions, before)) && (0..32).all(|number| agrees(&search, versions, number))
    };
    [VERSIONS, 1].into_iter().all(all)
}

/// Whether it finds the same as the yardstick with so many versions, in the case with this number.
fn agrees(search: &impl Fn(&Search, u32, u32) -> Option<Hit>, versions: u32, number: u8) -> bool {
    let header = Header {
        version: u32::from(number),
        parent: BlockId([number; 32]),
        merkle_root: MerkleRoot([number.wrapping_mul(37); 32]),
        time: u32::from(number) << 24,
        bits: 0,
        nonce: 0,
    };
    // From all ids below to about one in 64.
    let value = ((U320::from(1) << 256usize) - U320::from(1)) >> (usize::from(number) % 7);
    let target = Target::from_value(value).expect("below 2^256");
    let prepared = Search::with_versions(header, target, versions);
    let first = if number % 4 == 3 { u32::MAX - u32::from(number) } else { u32::from(number) << 26 };
    let count = 1 + u32::from(number) * 41 % COUNT_MAX;
    search(&prepared, first, count) == Kernel::Naive.search(&prepared, first, count)
}
