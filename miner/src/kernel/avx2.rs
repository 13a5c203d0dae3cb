//! Eight lanes: AVX2. A rotation is two shifts.

use super::lanes::lanes_search;
use std::arch::x86_64::*;

type Word = __m256i;
const LANES: u32 = 8;

/// Whether this processor, and the system on it, has what is needed.
pub(super) fn is_supported() -> bool {
    is_x86_feature_detected!("avx2")
}

/// The first nonce from `first` to `last` of which a version's id is not above the target by its highest 32 bits.
///
/// # Panics
/// Where [`is_supported`] says no.
pub(super) fn search(prepared: &Prepared, first: u32, last: u32) -> Option<u32> {
    assert!(is_supported(), "this kernel needs AVX2");
    // SAFETY: the processor has the feature that the function enables; it has no other precondition.
    unsafe { search_lanes(prepared, first, last) }
}

lanes_search!(#[target_feature(enable = "avx2")]);

#[target_feature(enable = "avx2")]
#[inline]
fn splat(word: u32) -> Word {
    _mm256_set1_epi32(word.cast_signed())
}

#[target_feature(enable = "avx2")]
#[inline]
fn nonce_words(first: u32) -> Word {
    swap_bytes(add(splat(first), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)))
}

/// Each word with its bytes reversed.
#[target_feature(enable = "avx2")]
#[inline]
fn swap_bytes(words: Word) -> Word {
    let half = _mm_setr_epi8(3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12);
    _mm256_shuffle_epi8(words, _mm256_broadcastsi128_si256(half))
}

#[target_feature(enable = "avx2")]
#[inline]
fn add(a: Word, b: Word) -> Word {
    _mm256_add_epi32(a, b)
}

#[target_feature(enable = "avx2")]
#[inline]
fn rotr<const R: i32, const L: i32>(x: Word) -> Word {
    const { assert!(R + L == 32) };
    _mm256_or_si256(_mm256_srli_epi32::<R>(x), _mm256_slli_epi32::<L>(x))
}

#[target_feature(enable = "avx2")]
#[inline]
fn shr<const R: i32>(x: Word) -> Word {
    _mm256_srli_epi32::<R>(x)
}

#[target_feature(enable = "avx2")]
#[inline]
fn xor3(a: Word, b: Word, c: Word) -> Word {
    _mm256_xor_si256(_mm256_xor_si256(a, b), c)
}

#[target_feature(enable = "avx2")]
#[inline]
fn ch(a: Word, b: Word, c: Word) -> Word {
    _mm256_xor_si256(c, _mm256_and_si256(a, _mm256_xor_si256(b, c)))
}

/// `b ^ c` is the last round's `a ^ b`, so that one operation less is done than is written.
#[target_feature(enable = "avx2")]
#[inline]
fn maj(a: Word, b: Word, c: Word) -> Word {
    _mm256_xor_si256(b, _mm256_and_si256(_mm256_xor_si256(a, b), _mm256_xor_si256(b, c)))
}

#[target_feature(enable = "avx2")]
#[inline]
fn not_above(words: Word, top: u32) -> u32 {
    // There is no unsigned comparison, but an unsigned minimum.
    let ids = swap_bytes(words);
    let lower = _mm256_cmpeq_epi32(_mm256_min_epu32(ids, splat(top)), ids);
    _mm256_movemask_ps(_mm256_castsi256_ps(lower)).cast_unsigned()
}

#[cfg(test)]
super::tests::operations_are_those_of_words!(#[target_feature(enable = "avx2")]);
