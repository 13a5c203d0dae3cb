//! Two compressions per nonce: the first 64 bytes of the header do not change, and only the highest word of the id is looked at.

use super::Search;
use sha2::block_api::compress256;

/// The state with which SHA-256 begins (FIPS 180-4, 5.3.3).
const START: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// The state after the first 64 of the 80 bytes.
pub(super) fn midstate(header: &[u8; 80]) -> [u32; 8] {
    let mut state = START;
    let block = header[..64].try_into().expect("a block is 64 bytes");
    compress256(&mut state, &[block]);
    state
}

/// The last 16 of the 80 bytes with their padding.
pub(super) fn padded_tail(header: &[u8; 80]) -> [u8; 64] {
    let mut block = [0; 64];
    block[..16].copy_from_slice(&header[64..]);
    pad(&mut block, 16, 80);
    block
}

/// Ends a message of `message_bytes` whose last block has `used` bytes.
fn pad(block: &mut [u8; 64], used: usize, message_bytes: u64) {
    block[used] = 0x80;
    block[56..].copy_from_slice(&(message_bytes * 8).to_be_bytes());
}

/// The first nonce from `first` to `last` whose id is not above the target by its highest 32 bits.
pub(super) fn search(search: &Search, first: u32, last: u32) -> Option<u32> {
    let mut block = [search.tail];
    let mut second = [[0; 64]];
    pad(&mut second[0], 32, 32);
    for nonce in first..=last {
        block[0][12..16].copy_from_slice(&nonce.to_le_bytes());
        let mut state = search.midstate;
        compress256(&mut state, &block);
        for (bytes, word) in second[0].chunks_exact_mut(4).zip(state) {
            bytes.copy_from_slice(&word.to_be_bytes());
        }
        let mut state = START;
        compress256(&mut state, &second);
        // The id is a little-endian number: its highest word is the last one of the digest, bytes reversed. Unsigned: on the
        // easiest target half of all nonces are hits.
        if state[7].swap_bytes() <= search.target_top {
            return Some(nonce);
        }
    }
    None
}
