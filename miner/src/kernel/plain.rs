//! Lanes in plain words, for the tests: the logic of [`super::lanes`] without what a processor adds. Five of them, so that the
//! number of lanes divides nothing.

use super::lanes::lanes_search;

type Word = [u32; 5];
const LANES: u32 = 5;

pub(super) fn is_supported() -> bool {
    true
}

pub(super) fn search(prepared: &Prepared, first: u32, last: u32) -> Option<u32> {
    search_lanes(prepared, first, last)
}

lanes_search!();

fn splat(word: u32) -> Word {
    [word; 5]
}

fn nonce_words(first: u32) -> Word {
    [0, 1, 2, 3, 4].map(|step| first.wrapping_add(step).swap_bytes())
}

fn add(a: Word, b: Word) -> Word {
    std::array::from_fn(|lane| a[lane].wrapping_add(b[lane]))
}

fn rotr<const R: u32, const L: u32>(x: Word) -> Word {
    const { assert!(R + L == 32) };
    x.map(|word| word.rotate_right(R))
}

fn shr<const R: u32>(x: Word) -> Word {
    x.map(|word| word >> R)
}

fn xor3(a: Word, b: Word, c: Word) -> Word {
    std::array::from_fn(|lane| a[lane] ^ b[lane] ^ c[lane])
}

fn ch(a: Word, b: Word, c: Word) -> Word {
    std::array::from_fn(|lane| (a[lane] & b[lane]) ^ (!a[lane] & c[lane]))
}

fn maj(a: Word, b: Word, c: Word) -> Word {
    std::array::from_fn(|lane| (a[lane] & b[lane]) ^ (a[lane] & c[lane]) ^ (b[lane] & c[lane]))
}

fn not_above(words: Word, top: u32) -> u32 {
    (0..5).map(|lane| u32::from(words[lane].swap_bytes() <= top) << lane).sum()
}

super::tests::operations_are_those_of_words!();
