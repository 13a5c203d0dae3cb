//! The steps between the instructions, against words.

use super::super::words;
use super::*;
use proptest::prelude::*;

fn vector(words: [u32; 4]) -> __m128i {
    // SAFETY: both are four words of 32 bits, and any bits are a value of either.
    unsafe { std::mem::transmute::<[u32; 4], __m128i>(words) }
}

fn words_of(vector: __m128i) -> [u32; 4] {
    // SAFETY: as above.
    unsafe { std::mem::transmute::<__m128i, [u32; 4]>(vector) }
}

#[target_feature(enable = "sha,avx")]
fn check_expansion(w: [[[u32; 4]; 4]; 2]) {
    let four = |g: usize| [vector(w[0][g]), vector(w[1][g])];
    let expanded = expand(four(0), four(1), four(2), four(3));
    for (block, expanded) in w.iter().zip(expanded) {
        let mut words = block.concat();
        for t in 16..20 {
            let sum = [words::sigma1(words[t - 2]), words[t - 7], words::sigma0(words[t - 15]), words[t - 16]];
            words.push(words::sum(sum));
        }
        assert_eq!(words_of(expanded), words[16..]);
    }
}

#[target_feature(enable = "sha,avx")]
fn check_rounds(states: [[u32; 8]; 2], kw: [[u32; 4]; 2]) {
    let abef = states.map(|[a, b, _, _, e, f, _, _]| four(f, e, b, a));
    let cdgh = states.map(|[_, _, c, d, _, _, g, h]| four(h, g, d, c));
    let [abef, cdgh] = four_rounds([abef, cdgh], kw.map(vector));
    for lane in 0..2 {
        let [a, b, c, d, e, f, g, h] = kw[lane].into_iter().fold(states[lane], words::round);
        assert_eq!(words_of(abef[lane]), [f, e, b, a]);
        assert_eq!(words_of(cdgh[lane]), [h, g, d, c]);
    }
}

proptest! {
    #[test]
    fn the_next_four(w: [[[u32; 4]; 4]; 2]) {
        if is_supported() {
            // SAFETY: the processor has the features, and there is no other precondition.
            unsafe { check_expansion(w) };
        }
    }

    #[test]
    fn rounds(states: [[u32; 8]; 2], kw: [[u32; 4]; 2]) {
        if is_supported() {
            // SAFETY: the processor has the features, and there is no other precondition.
            unsafe { check_rounds(states, kw) };
        }
    }
}
