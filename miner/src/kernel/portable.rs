//! Two compressions for each header, by whatever means `sha2` has on this processor: the first 64 bytes of the header do not
//! change, and only the highest word of the id is looked at.

use super::Search;
use super::words::{DIGEST_BITS, HEADER_BITS, START};
use sha2::block_api::compress256;

/// Ends a message of `message_bits` whose last block has `used` bytes.
fn pad(block: &mut [u8; 64], used: usize, message_bits: u32) {
    block[used] = 0x80;
    block[56..].copy_from_slice(&u64::from(message_bits).to_be_bytes());
}

/// The first nonce from `first` to `last` of which a version's id is not above the target by its highest 32 bits.
pub(super) fn search(search: &Search, first: u32, last: u32) -> Option<u32> {
    let mut block = [[0; 64]];
    block[0][..16].copy_from_slice(&search.bytes[0][64..]);
    pad(&mut block[0], 16, HEADER_BITS);
    let mut second = [[0; 64]];
    pad(&mut second[0], 32, DIGEST_BITS);
    for nonce in first..=last {
        block[0][12..16].copy_from_slice(&nonce.to_le_bytes());
        for version in &search.prepared.versions {
            let mut state = version.midstate;
            compress256(&mut state, &block);
            for (bytes, word) in second[0].chunks_exact_mut(4).zip(state) {
                bytes.copy_from_slice(&word.to_be_bytes());
            }
            let mut state = START;
            compress256(&mut state, &second);
            // The id is a little-endian number: its highest word is the last one of the digest, bytes reversed. Unsigned: on the
            // easiest target half of all headers are hits.
            if state[7].swap_bytes() <= search.prepared.top {
                return Some(nonce);
            }
        }
    }
    None
}
