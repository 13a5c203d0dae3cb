//! The search on several nonces side by side, one in each lane of a vector, written once for every width.
//!
//! [`lanes_search!`] writes `search_lanes` into a module that has these, each on all lanes at once:
//!
//! | item | what it is |
//! |---|---|
//! | `Word`, `LANES` | a vector of 32-bit words (`Copy`), and how many: 2 to 31 |
//! | `splat(word)` | the word in every lane |
//! | `nonce_words(first)` | `first`, `first + 1`, … (modulo 2^32) with their bytes reversed: as the header has them |
//! | `add`, `xor3`, `ch`, `maj` | the sum, `a ^ b ^ c`, and the two functions of FIPS 180-4, 4.1.2 |
//! | `rotr::<R, L>`, `shr::<R>` | rotation to the right by R, which is one to the left by L = 32 − R; shift to the right by R |
//! | `not_above(words, top)` | bit i tells whether word i, bytes reversed, is at most `top`, both unsigned |
//!
//! It is a macro and not a trait, because then everything is a safe function that enables the processor feature that it needs
//! (the attribute is the macro's argument), and only the call of the whole is unsafe. The tests let it write a search in plain
//! words, so that its logic is tested apart from what a processor can do.
//!
//! What is left out of the two hashes, and why that changes nothing, is in [`super::prepared`], and also which words the versions
//! share: they are kept in memory, from where a sum takes them at no cost. From `w32` on nothing is known beforehand, and eight
//! rounds at a time are done in a loop: without it the compiler expands words long before it uses them, and runs out of registers.

/// See the module.
macro_rules! lanes_search {
    ($(#[$feature:meta])*) => {
        use $crate::kernel::lanes::{expanded_rounds, expanded_words, next_word, rounds, word};
        use $crate::kernel::prepared::{
            FIRST_W4, FIRST_W30, Prepared, SECOND_A, SECOND_E, SECOND_W8, SECOND_W30, Version,
        };
        use $crate::kernel::words::{DIGEST_BITS, END, HEADER_BITS, K, START, sigma0, sigma1};

        $(#[$feature])*
        #[inline]
        fn small_sigma0(x: Word) -> Word {
            xor3(rotr::<7, 25>(x), rotr::<18, 14>(x), shr::<3>(x))
        }

        $(#[$feature])*
        #[inline]
        fn small_sigma1(x: Word) -> Word {
            xor3(rotr::<17, 15>(x), rotr::<19, 13>(x), shr::<10>(x))
        }

        $(#[$feature])*
        #[inline]
        fn big_sigma0(x: Word) -> Word {
            xor3(rotr::<2, 30>(x), rotr::<13, 19>(x), rotr::<22, 10>(x))
        }

        $(#[$feature])*
        #[inline]
        fn big_sigma1(x: Word) -> Word {
            xor3(rotr::<6, 26>(x), rotr::<11, 21>(x), rotr::<25, 7>(x))
        }

        /// A round, with the sum of its constant and its word.
        $(#[$feature])*
        #[inline]
        fn round([a, b, c, d, e, f, g, h]: [Word; 8], kw: Word) -> [Word; 8] {
            let t1 = add(add(h, ch(e, f, g)), add(kw, big_sigma1(e)));
            [add(t1, add(big_sigma0(a), maj(a, b, c))), a, b, c, add(d, t1), e, f, g]
        }

        /// A round of which `a` does not count.
        $(#[$feature])*
        #[inline]
        fn round_e([a, b, c, d, e, f, g, h]: [Word; 8], kw: Word) -> [Word; 8] {
            let t1 = add(add(h, ch(e, f, g)), add(kw, big_sigma1(e)));
            [a, a, b, c, add(d, t1), e, f, g]
        }

        /// Word t of the expanded block from the words t − 2, t − 7, t − 15, t − 16.
        $(#[$feature])*
        #[inline]
        fn expand(w2: Word, w7: Word, w15: Word, w16: Word) -> Word {
            add(small_sigma1(w2), add(w7, add(small_sigma0(w15), w16)))
        }

        /// The sums `K + w` of the rounds 16 to 63 of the first hash, for the header with these nonce words and any version.
        $(#[$feature])*
        #[inline]
        fn first_words(prepared: &Prepared, w3: Word, kw: &mut [Word; 48]) {
            let (w16, w17) = (splat(prepared.w16), splat(prepared.w17));
            let w18 = add(splat(prepared.w18), small_sigma0(w3));
            let w19 = add(splat(prepared.w19), w3);
            let w20 = add(small_sigma1(w18), splat(END));
            let w21 = small_sigma1(w19);
            let w22 = add(small_sigma1(w20), splat(HEADER_BITS));
            let w23 = add(small_sigma1(w21), w16);
            let w24 = add(small_sigma1(w22), w17);
            let w25 = add(small_sigma1(w23), w18);
            let w26 = add(small_sigma1(w24), w19);
            let w27 = add(small_sigma1(w25), w20);
            let w28 = add(small_sigma1(w26), w21);
            let w29 = add(small_sigma1(w27), w22);
            let w30 = add(small_sigma1(w28), add(w23, splat(FIRST_W30)));
            let w31 = add(small_sigma1(w29), add(w24, splat(prepared.w31)));
            let mut v = [w16, w17, w18, w19, w20, w21, w22, w23];
            let mut w = [w24, w25, w26, w27, w28, w29, w30, w31];
            for (at, word) in [v, w].as_flattened().iter().enumerate() {
                kw[at] = add(*word, splat(K[16 + at]));
            }
            for (kw, k) in kw.as_chunks_mut::<8>().0[2..].iter_mut().zip(&K.as_chunks::<8>().0[4..]) {
                expanded_words!(kw, v, w, k: 0 1 2 3 4 5 6 7);
                (v, w) = (w, v);
            }
        }

        /// The first digest of the header with this version and these nonce words, whose `K + w` of the rounds 16 to 63 are `kw`.
        $(#[$feature])*
        #[inline]
        fn first_hash(version: &Version, w3: Word, kw: &[Word; 48]) -> [Word; 8] {
            let mut s = version.before_4.map(|word| splat(word));
            (s[0], s[4]) = (add(s[0], w3), add(s[4], w3));
            let [c4, c5, c6, c7, c8, c9, c10, c11, c12, c13, c14, c15] = FIRST_W4;
            rounds!(s: known(c4, 4), known(c5, 5), known(c6, 6), known(c7, 7), known(c8, 8), known(c9, 9));
            rounds!(s: known(c10, 10), known(c11, 11), known(c12, 12), known(c13, 13), known(c14, 14), known(c15, 15));
            for kw in kw.as_chunks::<8>().0 {
                rounds!(s: kw[0], kw[1], kw[2], kw[3], kw[4], kw[5], kw[6], kw[7]);
            }
            let m = version.midstate;
            [
                add(s[0], splat(m[0])), add(s[1], splat(m[1])), add(s[2], splat(m[2])), add(s[3], splat(m[3])),
                add(s[4], splat(m[4])), add(s[5], splat(m[5])), add(s[6], splat(m[6])), add(s[7], splat(m[7])),
            ]
        }

        /// The last word of the second digest.
        $(#[$feature])*
        #[inline]
        fn second_hash(x: [Word; 8]) -> Word {
            let mut s = START.map(|word| splat(word));
            s = [add(x[0], splat(SECOND_A)), s[0], s[1], s[2], add(x[0], splat(SECOND_E)), s[4], s[5], s[6]];
            rounds!(s: kw(x[1], 1), kw(x[2], 2), kw(x[3], 3), kw(x[4], 4), kw(x[5], 5), kw(x[6], 6), kw(x[7], 7));
            let [c8, c9, c10, c11, c12, c13, c14, c15] = SECOND_W8;
            rounds!(s: known(c8, 8), known(c9, 9), known(c10, 10), known(c11, 11));
            rounds!(s: known(c12, 12), known(c13, 13), known(c14, 14), known(c15, 15));
            word!(s, 16: w16 = add(small_sigma0(x[1]), x[0]));
            word!(s, 17: w17 = add(small_sigma0(x[2]), add(x[1], splat(sigma1(DIGEST_BITS)))));
            word!(s, 18: w18 = add(small_sigma1(w16), add(small_sigma0(x[3]), x[2])));
            word!(s, 19: w19 = add(small_sigma1(w17), add(small_sigma0(x[4]), x[3])));
            word!(s, 20: w20 = add(small_sigma1(w18), add(small_sigma0(x[5]), x[4])));
            word!(s, 21: w21 = add(small_sigma1(w19), add(small_sigma0(x[6]), x[5])));
            word!(s, 22: w22 = add(small_sigma1(w20), add(small_sigma0(x[7]), add(x[6], splat(DIGEST_BITS)))));
            word!(s, 23: w23 = add(small_sigma1(w21), add(w16, add(x[7], splat(sigma0(END))))));
            word!(s, 24: w24 = add(small_sigma1(w22), add(w17, splat(END))));
            word!(s, 25: w25 = add(small_sigma1(w23), w18));
            word!(s, 26: w26 = add(small_sigma1(w24), w19));
            word!(s, 27: w27 = add(small_sigma1(w25), w20));
            word!(s, 28: w28 = add(small_sigma1(w26), w21));
            word!(s, 29: w29 = add(small_sigma1(w27), w22));
            word!(s, 30: w30 = add(small_sigma1(w28), add(w23, splat(SECOND_W30))));
            word!(s, 31: w31 = add(small_sigma1(w29), add(w24, add(small_sigma0(w16), splat(DIGEST_BITS)))));
            let mut v = [w16, w17, w18, w19, w20, w21, w22, w23];
            let mut w = [w24, w25, w26, w27, w28, w29, w30, w31];
            for k in &K.as_chunks::<8>().0[4..7] {
                expanded_rounds!(s, v, w, k, round: 0 1 2 3 4 5 6 7);
                (v, w) = (w, v);
            }
            let k = &K.as_chunks::<8>().0[7];
            expanded_rounds!(s, v, w, k, round: 0);
            expanded_rounds!(s, v, w, k, round_e: 1 2 3 4);
            add(s[4], splat(START[7]))
        }

        $(#[$feature])*
        #[inline]
        fn kw(w: Word, t: usize) -> Word {
            add(w, splat(K[t]))
        }

        $(#[$feature])*
        #[inline]
        fn known(w: u32, t: usize) -> Word {
            splat(w.wrapping_add(K[t]))
        }

        /// The first nonce from `first` to `last` of which a version's id is not above the target by its highest 32 bits.
        $(#[$feature])*
        fn search_lanes(prepared: &Prepared, first: u32, last: u32) -> Option<u32> {
            // In memory, and so the compiler aligns the stack to vectors; those for which it finds no register profit too.
            let mut kw = [splat(0); 48];
            let mut nonce = first;
            loop {
                let w3 = nonce_words(nonce);
                first_words(prepared, w3, &mut kw);
                let mut hits = 0;
                for version in &prepared.versions {
                    hits |= not_above(second_hash(first_hash(version, w3, &kw)), prepared.top);
                }
                // Lanes above `last` do not count: their nonces may even have wrapped.
                let left = last - nonce;
                if left < LANES - 1 {
                    hits &= (2 << left) - 1;
                }
                if hits != 0 {
                    return Some(nonce + hits.trailing_zeros());
                }
                if left < LANES {
                    return None;
                }
                nonce += LANES;
            }
        }
    };
}

/// Rounds with these sums of constant and word.
macro_rules! rounds {
    ($s:ident: $($kw:expr),*) => { $($s = round($s, $kw);)* };
}

/// Names the word t and does its round.
macro_rules! word {
    ($s:ident, $t:literal: $w:ident = $value:expr) => {
        let $w = $value;
        $s = round($s, kw($w, $t));
    };
}

/// The word t + i, where `v` are the words t to t + i − 1 and then t + i − 16 to t − 9, and `w` those between.
macro_rules! next_word {
    ($v:ident, $w:ident, $i:literal) => {
        expand(
            if $i < 2 { $w[($i + 6) % 8] } else { $v[($i + 6) % 8] },
            if $i < 7 { $w[($i + 1) % 8] } else { $v[0] },
            if $i < 7 { $v[($i + 1) % 8] } else { $w[0] },
            $v[$i],
        )
    };
}

/// Eight words are expanded in place, and their sums with the constants from t on, which are `k`, go to `kw`: `v` are the words
/// t − 16 to t − 9 before and t to t + 7 after, `w` the words between.
macro_rules! expanded_words {
    ($kw:ident, $v:ident, $w:ident, $k:ident: $($i:literal)*) => {$(
        $v[$i] = next_word!($v, $w, $i);
        $kw[$i] = add($v[$i], splat($k[$i]));
    )*};
}

/// The same, or as many of them as there are numbers, and right after each word its round.
macro_rules! expanded_rounds {
    ($s:ident, $v:ident, $w:ident, $k:expr, $round:ident: $($i:literal)*) => {$(
        $v[$i] = next_word!($v, $w, $i);
        $s = $round($s, add($v[$i], splat($k[$i])));
    )*};
}

pub(super) use {expanded_rounds, expanded_words, lanes_search, next_word, rounds, word};
