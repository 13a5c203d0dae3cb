//! Two nonces at a time by the processor's SHA instructions, two rounds each: while one nonce waits for its rounds, the other's
//! are begun.
//!
//! Needs SHA and AVX. A state is kept as the instructions want it, in two vectors of four words: `abef` with f lowest, and `cdgh`
//! with h lowest. The words of a block are kept by fours, the first lowest, and called by the number of the four: `w4` are the
//! words 16 to 19. A four is the sum of the words t − 16, `σ0` of the words t − 15, the words t − 7 and `σ1` of the words t − 2.
//! There are instructions for both `σ`; that for `σ1` is used, for half of what it needs is its own result. That for `σ0` is
//! slower here than to compute it by shifts, which keep other parts of the processor busy than the rounds do.
//!
//! What is left out is in [`super::prepared`], except that the rounds 0 of the second hash and 61 are done, as the other half of an
//! instruction. Word 61 is not expanded for it: `f` after round 61 is `e` after round 60. Words are made anew for each version: that
//! is done while the rounds wait for each other. To make them once, before the rounds, is slower, and while those of the first
//! version are done it wins a fiftieth.

use super::prepared::{FIRST_W4, FIRST_W30, Prepared, SECOND_W8};
use super::words::{END, HEADER_BITS, K, START, sigma0};
use std::arch::x86_64::*;

#[cfg(test)]
mod tests;

/// The rounds of these fours, each of which is expanded from the four fours before and replaces the first of them: `w[g % 4]`.
macro_rules! further_rounds {
    ($s:ident, $w:ident: $($g:literal)*) => {
        $($w[$g % 4] = expand($w[$g % 4], $w[($g + 1) % 4], $w[($g + 2) % 4], $w[($g + 3) % 4]);
        $s = expanded_rounds($s, $w[$g % 4], $g);)*
    };
}

/// A vector for each of the two nonces.
type Pair = [__m128i; 2];
/// `abef` and `cdgh` of both.
type State = [Pair; 2];

/// Whether this processor has what is needed.
pub(super) fn is_supported() -> bool {
    is_x86_feature_detected!("sha") && is_x86_feature_detected!("avx")
}

/// The first nonce from `first` to `last` of which a version's id is not above the target by its highest 32 bits.
///
/// # Panics
/// Where [`is_supported`] says no.
pub(super) fn search(prepared: &Prepared, first: u32, last: u32) -> Option<u32> {
    assert!(is_supported(), "this kernel needs the SHA instructions");
    // SAFETY: the processor has the features that the function enables; it has no other precondition.
    unsafe { search_pairs(prepared, first, last) }
}

#[target_feature(enable = "sha,avx")]
fn search_pairs(prepared: &Prepared, first: u32, last: u32) -> Option<u32> {
    let mut versions = Vec::with_capacity(prepared.versions.len());
    for version in &prepared.versions {
        versions.push([state(version.before_4), state(version.midstate)]);
    }
    let mut nonce = first;
    loop {
        let [mut one, mut two] = [u32::MAX; 2];
        for &[before_4, midstate] in &versions {
            // Hidden from the compiler, which would make the words once, before the loop.
            let w3 = std::hint::black_box([nonce.swap_bytes(), nonce.wrapping_add(1).swap_bytes()]);
            let ends = second_hash(first_hash(prepared, before_4, midstate, w3));
            (one, two) = (one.min(ends[0].swap_bytes()), two.min(ends[1].swap_bytes()));
        }
        if one <= prepared.top {
            return Some(nonce);
        }
        if nonce == last {
            return None;
        }
        // Not above `last`, so it has not wrapped.
        nonce += 1;
        if two <= prepared.top {
            return Some(nonce);
        }
        if nonce == last {
            return None;
        }
        nonce += 1;
    }
}

/// The words 0 to 3 and 4 to 7 of the first digests of the header with these states of a version and these nonce words.
#[target_feature(enable = "sha,avx")]
#[inline]
fn first_hash(prepared: &Prepared, [abef, cdgh]: State, midstate: State, w3: [u32; 2]) -> [Pair; 2] {
    let mut s = [add(abef, w3.map(|w3| four(0, w3, 0, w3))), cdgh];
    for (g, [w0, w1, w2, w3]) in (1..).zip(FIRST_W4.as_chunks::<4>().0) {
        s = expanded_rounds(s, [four(*w0, *w1, *w2, *w3); 2], g);
    }
    let Prepared { w16, w17, .. } = *prepared;
    let w4 = w3.map(|w3| {
        let (w18, w19) = (prepared.w18.wrapping_add(sigma0(w3)), prepared.w19.wrapping_add(w3));
        four(w16, w17, w18, w19)
    });
    s = expanded_rounds(s, w4, 4);
    // The words 4 and 15 are not 0, those between are.
    let w5 = add_sigma1([four(END, 0, HEADER_BITS, w16); 2], w4);
    s = expanded_rounds(s, w5, 5);
    let w6 = add_sigma1(seven_before(w5, w4), w5);
    s = expanded_rounds(s, w6, 6);
    let known = four(0, 0, FIRST_W30, prepared.w31);
    let w7 = add_sigma1(add(seven_before(w6, w5), [known; 2]), w6);
    s = expanded_rounds(s, w7, 7);
    let mut w = [w4, w5, w6, w7];
    further_rounds!(s, w: 8 9 10 11 12 13 14 15);
    let [abef, cdgh] = [add(s[0], midstate[0]), add(s[1], midstate[1])];
    let words = |abef, cdgh| {
        // From b a d c and from f e h g.
        let high = _mm_shuffle_epi32::<0b10_11_00_01>(_mm_unpackhi_epi64(abef, cdgh));
        let low = _mm_shuffle_epi32::<0b10_11_00_01>(_mm_unpacklo_epi64(abef, cdgh));
        (high, low)
    };
    let (one, two) = (words(abef[0], cdgh[0]), words(abef[1], cdgh[1]));
    [[one.0, two.0], [one.1, two.1]]
}

/// The last words of the second digests.
#[target_feature(enable = "sha,avx")]
#[inline]
fn second_hash([w0, w1]: [Pair; 2]) -> [u32; 2] {
    let mut s = state(START);
    s = expanded_rounds(s, w0, 0);
    s = expanded_rounds(s, w1, 1);
    let [c8, c9, c10, c11, c12, c13, c14, c15] = SECOND_W8;
    let (w2, w3) = ([four(c8, c9, c10, c11); 2], [four(c12, c13, c14, c15); 2]);
    s = expanded_rounds(s, w2, 2);
    s = expanded_rounds(s, w3, 3);
    // The words 9 to 12 are 0.
    let w4 = add_sigma1(add_sigma0(w0, w1), w3);
    s = expanded_rounds(s, w4, 4);
    let w5 = add_sigma1(add(add_sigma0(w1, w2), seven_before(w4, w3)), w4);
    s = expanded_rounds(s, w5, 5);
    // σ0 of the words 9 to 12 is 0.
    let w6 = add_sigma1(add(w2, seven_before(w5, w4)), w5);
    s = expanded_rounds(s, w6, 6);
    let mut w = [w4, w5, w6, w3];
    further_rounds!(s, w: 7 8 9 10 11 12 13 14);
    let kw = with_constants(expand(w[3], w[0], w[1], w[2]), 15);
    let end = two_rounds(s, kw);
    end.map(|abef| _mm_cvtsi128_si32(abef).cast_unsigned().wrapping_add(START[7]))
}

#[target_feature(enable = "sha,avx")]
#[inline]
fn four(w0: u32, w1: u32, w2: u32, w3: u32) -> __m128i {
    _mm_set_epi32(w3.cast_signed(), w2.cast_signed(), w1.cast_signed(), w0.cast_signed())
}

/// The same state for both nonces.
#[target_feature(enable = "sha,avx")]
#[inline]
fn state([a, b, c, d, e, f, g, h]: [u32; 8]) -> State {
    [[four(f, e, b, a); 2], [four(h, g, d, c); 2]]
}

#[target_feature(enable = "sha,avx")]
#[inline]
fn add(a: Pair, b: Pair) -> Pair {
    [_mm_add_epi32(a[0], b[0]), _mm_add_epi32(a[1], b[1])]
}

/// The words t − 7 of a four, from the last four and the one before.
#[target_feature(enable = "sha,avx")]
#[inline]
fn seven_before(last: Pair, before: Pair) -> Pair {
    [_mm_alignr_epi8::<4>(last[0], before[0]), _mm_alignr_epi8::<4>(last[1], before[1])]
}

/// A four plus `σ0` of the words one on, of which the last is the first of `next`.
#[target_feature(enable = "sha,avx")]
#[inline]
fn add_sigma0(a: Pair, next: Pair) -> Pair {
    let mut sums = a;
    for (sum, next) in sums.iter_mut().zip(next) {
        let x = _mm_alignr_epi8::<4>(next, *sum);
        let right =
            _mm_xor_si128(_mm_srli_epi32::<7>(x), _mm_xor_si128(_mm_srli_epi32::<18>(x), _mm_srli_epi32::<3>(x)));
        let left = _mm_xor_si128(_mm_slli_epi32::<25>(x), _mm_slli_epi32::<14>(x));
        *sum = _mm_add_epi32(*sum, _mm_xor_si128(right, left));
    }
    sums
}

/// A sum of three terms plus `σ1` of the words t − 2: two of them are in `last`, two are the first of the result.
#[target_feature(enable = "sha,avx")]
#[inline]
fn add_sigma1(a: Pair, last: Pair) -> Pair {
    [_mm_sha256msg2_epu32(a[0], last[0]), _mm_sha256msg2_epu32(a[1], last[1])]
}

/// The four after these.
#[target_feature(enable = "sha,avx")]
#[inline]
fn expand(w0: Pair, w1: Pair, w2: Pair, w3: Pair) -> Pair {
    add_sigma1(add(add_sigma0(w0, w1), seven_before(w3, w2)), w3)
}

/// The words of a four and their constants.
#[target_feature(enable = "sha,avx")]
#[inline]
fn with_constants(w: Pair, g: usize) -> Pair {
    add(w, [four(K[4 * g], K[4 * g + 1], K[4 * g + 2], K[4 * g + 3]); 2])
}

/// `abef` after two rounds; `cdgh` is then `abef` from before.
#[target_feature(enable = "sha,avx")]
#[inline]
fn two_rounds([abef, cdgh]: State, kw: Pair) -> Pair {
    [_mm_sha256rnds2_epu32(cdgh[0], abef[0], kw[0]), _mm_sha256rnds2_epu32(cdgh[1], abef[1], kw[1])]
}

#[target_feature(enable = "sha,avx")]
#[inline]
fn four_rounds(state: State, kw: Pair) -> State {
    let state = [two_rounds(state, kw), state[0]];
    let upper = [_mm_shuffle_epi32::<0b11_10>(kw[0]), _mm_shuffle_epi32::<0b11_10>(kw[1])];
    [two_rounds(state, upper), state[0]]
}

/// The rounds of the four g.
#[target_feature(enable = "sha,avx")]
#[inline]
fn expanded_rounds(state: State, w: Pair, g: usize) -> State {
    four_rounds(state, with_constants(w, g))
}
