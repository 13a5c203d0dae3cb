//! What a search knows before the first nonce, and what its versions share, for the kernels that work on several nonces at once.
//!
//! Let `w0 … w15` be the words of a block, and `w16 … w63` those that SHA-256 expands them to. A nonce is `w3` of the header's
//! second block, and nothing else in the first hash depends on it but through `w3`:
//!
//! | what | why it is known |
//! |---|---|
//! | the state before the second block | the first 64 bytes hold no nonce |
//! | rounds 0, 1, 2 | they use `w0`, `w1`, `w2`: the end of the merkle root, the time, the bits |
//! | all of round 3 but `+ w3` | `a` and `e` of a round are sums of which its word is one term; the other six words are moved |
//! | `w4 … w15` | the end of the message, ten zeros, its length |
//! | `w16`, `w17` | `w16 = σ1(w14) + w9 + σ0(w1) + w0` and `w17 = σ1(w15) + w10 + σ0(w2) + w1` are before the reach of `w3` |
//! | parts of `w18`, `w19`, `w30`, `w31` | the terms from known words, see [`Prepared`] |
//!
//! The version is in the first 64 bytes: headers that differ in it alone start the second block from different states, and use the
//! same words there. So the sums `K + w` of the first hash are made once for a nonce, and used for every version.
//!
//! In the second hash the first eight words are the first digest and the rest is known beforehand, for every search alike: round 0
//! is a constant sum but for `+ w0`, see [`SECOND_A`]. The last word of the digest is `e` after round 60 plus a constant, for `e`
//! is only moved by the rounds 61 to 63. So these and all words above `w60` are left out, and so is `a` from round 57 on, for it
//! would be added into `e` four rounds later.

use super::words::{DIGEST_BITS, END, HEADER_BITS, K, START, round, sigma0, sigma1, sum};
use sha2::block_api::compress256;

/// See the module. Words are those of the header's second block.
#[derive(Clone, Debug)]
pub(super) struct Prepared {
    /// What each version has for itself, in the order of rolls.
    pub(super) versions: Vec<Version>,
    /// `w16` itself.
    pub(super) w16: u32,
    /// `w17` itself.
    pub(super) w17: u32,
    /// `w18` less `σ0(w3)`.
    pub(super) w18: u32,
    /// `w19` less `w3`.
    pub(super) w19: u32,
    /// `w31` less `σ1(w29) + w24`.
    pub(super) w31: u32,
    /// The highest 32 bits of the target: an id with higher ones is no hit.
    pub(super) top: u32,
}

/// What headers have in which only the version differs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Version {
    /// The state after the header's first 64 bytes, which is added to the state after round 63.
    pub(super) midstate: [u32; 8],
    /// The state before round 4, where `a` and `e` still lack the nonce word `w3` as a summand.
    pub(super) before_4: [u32; 8],
}

/// `w4 … w15` of the first hash: the end of the message and its length.
pub(super) const FIRST_W4: [u32; 12] = [END, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, HEADER_BITS];
/// `a` after round 0 of the second hash, less the block's first word.
pub(super) const SECOND_A: u32 = round(START, K[0])[0];
/// `e` after round 0 of the second hash, less the block's first word.
pub(super) const SECOND_E: u32 = round(START, K[0])[4];
/// `w8 … w15` of the second hash: the end of the message and its length.
pub(super) const SECOND_W8: [u32; 8] = [END, 0, 0, 0, 0, 0, 0, DIGEST_BITS];
/// `w30` of either hash less `σ1(w28) + w23` is `σ0(w15)`, and the length is `w15`.
pub(super) const FIRST_W30: u32 = sigma0(HEADER_BITS);
/// The same for the second hash.
pub(super) const SECOND_W30: u32 = sigma0(DIGEST_BITS);

impl Prepared {
    /// From the bytes of headers that differ in the version alone; the nonce does not count.
    pub(super) fn new(headers: &[[u8; 80]], top: u32) -> Prepared {
        let word = |at: usize| u32::from_be_bytes(headers[0][64 + 4 * at..][..4].try_into().expect("four bytes"));
        let [w0, w1, w2] = [word(0), word(1), word(2)];
        let version = |header: &[u8; 80]| {
            let midstate = midstate(header);
            // A round whose word is 0 is a round that lacks its word.
            let before_4 = [w0, w1, w2, 0].into_iter().zip(K).fold(midstate, |state, (w, k)| round(state, sum([k, w])));
            Version { midstate, before_4 }
        };
        let w16 = sum([sigma0(w1), w0]);
        let w17 = sum([sigma1(HEADER_BITS), sigma0(w2), w1]);
        Prepared {
            versions: headers.iter().map(version).collect(),
            w16,
            w17,
            w18: sum([sigma1(w16), w2]),
            w19: sum([sigma1(w17), sigma0(END)]),
            w31: sum([sigma0(w16), HEADER_BITS]),
            top,
        }
    }
}

/// The state after the first 64 of the 80 bytes.
fn midstate(header: &[u8; 80]) -> [u32; 8] {
    let mut state = START;
    let block = header[..64].try_into().expect("a block is 64 bytes");
    compress256(&mut state, &[block]);
    state
}
