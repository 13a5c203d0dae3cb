//! SHA-256 in 32-bit words (FIPS 180-4, 4.1.2 and 6.2.2): what is computed once for a search, and the measure of the kernels.

/// The constants of the 64 rounds (FIPS 180-4, 4.2.2).
pub(super) const K: [u32; 64] = [
    0x428a_2f98,
    0x7137_4491,
    0xb5c0_fbcf,
    0xe9b5_dba5,
    0x3956_c25b,
    0x59f1_11f1,
    0x923f_82a4,
    0xab1c_5ed5, //
    0xd807_aa98,
    0x1283_5b01,
    0x2431_85be,
    0x550c_7dc3,
    0x72be_5d74,
    0x80de_b1fe,
    0x9bdc_06a7,
    0xc19b_f174, //
    0xe49b_69c1,
    0xefbe_4786,
    0x0fc1_9dc6,
    0x240c_a1cc,
    0x2de9_2c6f,
    0x4a74_84aa,
    0x5cb0_a9dc,
    0x76f9_88da, //
    0x983e_5152,
    0xa831_c66d,
    0xb003_27c8,
    0xbf59_7fc7,
    0xc6e0_0bf3,
    0xd5a7_9147,
    0x06ca_6351,
    0x1429_2967, //
    0x27b7_0a85,
    0x2e1b_2138,
    0x4d2c_6dfc,
    0x5338_0d13,
    0x650a_7354,
    0x766a_0abb,
    0x81c2_c92e,
    0x9272_2c85, //
    0xa2bf_e8a1,
    0xa81a_664b,
    0xc24b_8b70,
    0xc76c_51a3,
    0xd192_e819,
    0xd699_0624,
    0xf40e_3585,
    0x106a_a070, //
    0x19a4_c116,
    0x1e37_6c08,
    0x2748_774c,
    0x34b0_bcb5,
    0x391c_0cb3,
    0x4ed8_aa4a,
    0x5b9c_ca4f,
    0x682e_6ff3, //
    0x748f_82ee,
    0x78a5_636f,
    0x84c8_7814,
    0x8cc7_0208,
    0x90be_fffa,
    0xa450_6ceb,
    0xbef9_a3f7,
    0xc671_78f2,
];

/// The state with which SHA-256 begins (FIPS 180-4, 5.3.3).
pub(super) const START: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// The bit that ends every message.
pub(super) const END: u32 = 0x8000_0000;
/// The length of a header in bits, the last word of the first hash's last block.
pub(super) const HEADER_BITS: u32 = 640;
/// The length of a digest in bits, the last word of the second hash's block.
pub(super) const DIGEST_BITS: u32 = 256;

/// The sum, modulo 2^32.
pub(super) const fn sum<const N: usize>(words: [u32; N]) -> u32 {
    let (mut sum, mut at) = (0u32, 0);
    while at < N {
        sum = sum.wrapping_add(words[at]);
        at += 1;
    }
    sum
}

/// σ0.
pub(super) const fn sigma0(x: u32) -> u32 {
    x.rotate_right(7) ^ x.rotate_right(18) ^ (x >> 3)
}

/// σ1.
pub(super) const fn sigma1(x: u32) -> u32 {
    x.rotate_right(17) ^ x.rotate_right(19) ^ (x >> 10)
}

/// What a round with this constant and word adds to its fourth word (for the new `e`) and makes its new `a`.
const fn round_sums([a, b, c, _, e, f, g, h]: [u32; 8], kw: u32) -> (u32, u32) {
    let sigma1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
    let sigma0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
    let choice = (e & f) ^ (!e & g);
    let majority = (a & b) ^ (a & c) ^ (b & c);
    let t1 = sum([h, sigma1, choice, kw]);
    (t1, sum([t1, sigma0, majority]))
}

/// A round, with the sum of its constant and its word.
pub(super) const fn round(state: [u32; 8], kw: u32) -> [u32; 8] {
    let (t1, top) = round_sums(state, kw);
    let [a, b, c, d, e, f, g, _] = state;
    [top, a, b, c, sum([d, t1]), e, f, g]
}
