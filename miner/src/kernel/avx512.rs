//! Sixteen lanes: AVX-512 has rotations, and one instruction for any function of three bits.
//!
//! Needs AVX-512 F and BW.

use super::lanes::lanes_search;
use std::arch::x86_64::*;

type Word = __m512i;
const LANES: u32 = 16;

/// Whether this processor, and the system on it, has what is needed.
pub(super) fn is_supported() -> bool {
    is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw")
}

/// The first nonce from `first` to `last` of which a version's id is not above the target by its highest 32 bits.
///
/// # Panics
/// Where [`is_supported`] says no.
pub(super) fn search(prepared: &Prepared, first: u32, last: u32) -> Option<u32> {
    assert!(is_supported(), "this kernel needs AVX-512");
    // SAFETY: the processor has the features that the function enables; it has no other precondition.
    unsafe { search_lanes(prepared, first, last) }
}

lanes_search!(#[target_feature(enable = "avx512f,avx512bw")]);

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn splat(word: u32) -> Word {
    _mm512_set1_epi32(word.cast_signed())
}

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn nonce_words(first: u32) -> Word {
    let steps = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    swap_bytes(add(splat(first), steps))
}

/// Each word with its bytes reversed.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn swap_bytes(words: Word) -> Word {
    let quarter = _mm_setr_epi8(3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12);
    _mm512_shuffle_epi8(words, _mm512_broadcast_i32x4(quarter))
}

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn add(a: Word, b: Word) -> Word {
    _mm512_add_epi32(a, b)
}

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn rotr<const R: i32, const L: i32>(x: Word) -> Word {
    _mm512_ror_epi32::<R>(x)
}

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn shr<const R: u32>(x: Word) -> Word {
    _mm512_srli_epi32::<R>(x)
}

// The third argument of the next three is a truth table: bit 4a + 2b + c is the result for the bits a, b, c.

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn xor3(a: Word, b: Word, c: Word) -> Word {
    _mm512_ternarylogic_epi32::<0b1001_0110>(a, b, c)
}

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn ch(a: Word, b: Word, c: Word) -> Word {
    _mm512_ternarylogic_epi32::<0b1100_1010>(a, b, c)
}

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn maj(a: Word, b: Word, c: Word) -> Word {
    _mm512_ternarylogic_epi32::<0b1110_1000>(a, b, c)
}

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn not_above(words: Word, top: u32) -> u32 {
    u32::from(_mm512_cmple_epu32_mask(swap_bytes(words), splat(top)))
}

#[cfg(test)]
super::tests::operations_are_those_of_words!(#[target_feature(enable = "avx512f,avx512bw")]);
