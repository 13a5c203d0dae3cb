//! Kernels against the yardstick, the lanes' logic in plain words, and the operations of vectors one by one.

use super::self_test::{GENESIS_NONCE, genesis, passes};
use super::*;
use bezant_consensus::ledger::hash::{BlockId, MerkleRoot};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// Where Bitcoin's genesis is a hit.
const GENESIS: Hit = Hit { nonce: GENESIS_NONCE, roll: 0 };

fn header(seed: [u8; 32]) -> Header {
    let word = |at: usize| u32::from_le_bytes(seed[at..at + 4].try_into().unwrap());
    Header { version: word(0), parent: BlockId(seed), merkle_root: MerkleRoot(seed), time: word(4), bits: 0, nonce: 0 }
}

/// The largest id: any header meets it.
fn easiest() -> U320 {
    (U320::from(1) << 256usize) - U320::from(1)
}

fn search_for(seed: [u8; 32], value: U320, versions: u32) -> Search {
    Search::with_versions(header(seed), Target::from_value(value.max(U320::from(1))).unwrap(), versions)
}

/// As many versions as searches have: one, or all.
fn numbers_of_versions() -> impl Strategy<Value = u32> {
    prop_oneof![Just(1), Just(VERSIONS)]
}

/// The id of a header as a number.
fn id(search: &Search, nonce: u32, roll: u32) -> U320 {
    U320::try_from_le_slice(&search.header(Hit { nonce, roll }).id().0).unwrap()
}

/// All that the processor has, whether or not they pass their self-test.
fn supported() -> impl Iterator<Item = Kernel> {
    ALL.into_iter().filter(|kernel| kernel.is_supported())
}

/// What each kernel finds, and the logic of the lanes.
fn check(search: &Search, first: u32, count: u32) -> Result<(), TestCaseError> {
    let end = u64::from(first) + u64::from(count);
    let hit = |nonce| {
        let nonce = u32::try_from(nonce).unwrap();
        let met = |roll: &u32| search.target.is_met_by(&search.header(Hit { nonce, roll: *roll }).id());
        (0..search.versions()).find(met).map(|roll| Hit { nonce, roll })
    };
    let expected = (u64::from(first)..end.min(1 << 32)).find_map(hit);
    for kernel in supported() {
        prop_assert_eq!(kernel.search(search, first, count), expected, "{} {} {}", kernel.name(), first, count);
    }
    if count > 0 {
        // Its hits are not checked in full: one is only the first that the highest word does not rule out.
        let last = u32::try_from(end - 1).unwrap_or(u32::MAX);
        let hit = plain::search(&search.prepared, first, last);
        let top = U320::from(search.prepared.top);
        let not_above = |nonce: &u32| (0..search.versions()).any(|roll| id(search, *nonce, roll) >> 224usize <= top);
        prop_assert_eq!(hit, (first..=last).find(not_above));
        #[cfg(target_arch = "x86_64")]
        for (kernel, candidate) in [
            (Kernel::Avx2, avx2::search as fn(&Prepared, u32, u32) -> Option<u32>),
            (Kernel::ShaNi, sha_ni::search),
            (Kernel::Avx512, avx512::search),
        ] {
            if kernel.is_supported() {
                prop_assert_eq!(candidate(&search.prepared, first, last), hit, "{}", kernel.name());
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Targets from the easiest down to those that a short search seldom meets, with ragged low bits.
    #[test]
    fn kernels_find_what_the_yardstick_finds(
        seed in any::<[u8; 32]>(),
        top in any::<u32>(),
        shift in 0usize..12,
        first in any::<u32>(),
        count in 0u32..150,
        versions in numbers_of_versions(),
    ) {
        let value = ((U320::from(top) << 224usize) | U320::from_le_slice(&seed[..28])) >> shift;
        check(&search_for(seed, value, versions), first, count)?;
    }

    /// Half of all headers meet 0x207fffff, and all of them the easiest target.
    #[test]
    fn very_easy_targets(
        seed in any::<[u8; 32]>(),
        first in any::<u32>(),
        count in 0u32..40,
        versions in numbers_of_versions(),
    ) {
        for value in [Target::from_compact(0x207f_ffff).unwrap().value(), easiest(), easiest() >> 1] {
            check(&search_for(seed, value, versions), first, count)?;
        }
    }

    /// Nonces up to the largest, and not beyond.
    #[test]
    fn the_last_nonces(
        seed in any::<[u8; 32]>(),
        shift in 0usize..8,
        before in 0u32..40,
        count in 0u32..60,
        versions in numbers_of_versions(),
    ) {
        check(&search_for(seed, easiest() >> shift, versions), u32::MAX - before, count)?;
        check(&search_for(seed, U320::from(1), versions), u32::MAX - before, count)?;
        check(&search_for(seed, U320::from(1), versions), u32::MAX - before, u32::MAX)?;
    }

    /// Right at, above and below an id, so that all of it counts; and where only its highest word is that of the target.
    #[test]
    fn targets_next_to_an_id(
        seed in any::<[u8; 32]>(),
        first in any::<u32>(),
        at in 0u32..50,
        roll in 0..VERSIONS,
        versions in numbers_of_versions(),
    ) {
        let nonce = first.saturating_add(at);
        let id = id(&search_for(seed, easiest(), versions), nonce, roll);
        let one = U320::from(1);
        let top = (id >> 224usize) << 224usize;
        let next_word = one << 224usize;
        for value in [id, id - one, id + one, top, top | (next_word - one), top.saturating_sub(one), top + next_word] {
            let search = search_for(seed, value.min(easiest()), versions);
            check(&search, nonce, 1)?;
            check(&search, first, 60)?;
        }
    }
}

#[test]
fn every_kernel_finds_the_nonce_of_bitcoins_genesis() {
    let target = Target::from_compact(genesis().bits).unwrap();
    let searches = [Search::new(genesis(), target), Search::rolling(genesis(), target)];
    for (kernel, search) in supported().flat_map(|kernel| searches.iter().map(move |search| (kernel, search))) {
        let name = kernel.name();
        assert_eq!(kernel.search(search, GENESIS_NONCE - 1_000, 2_000), Some(GENESIS), "{name}");
        assert_eq!(kernel.search(search, GENESIS_NONCE, 1), Some(GENESIS), "{name}");
        assert_eq!(kernel.search(search, GENESIS_NONCE - 1_000, 1_000), None, "{name}");
        assert_eq!(kernel.search(search, GENESIS_NONCE + 1, 1_000), None, "{name}");
    }
}

/// A target whose highest word is 0 is missed by all ids that have anything there, and met by one below it.
#[test]
fn a_highest_word_of_zero() {
    let genesis_id = U320::try_from_le_slice(&Header { nonce: GENESIS_NONCE, ..genesis() }.id().0).unwrap();
    for (value, hit) in
        [(genesis_id, true), (genesis_id - U320::from(1), false), ((U320::from(1) << 224usize) - U320::from(1), true)]
    {
        let search = Search::rolling(genesis(), Target::from_value(value).unwrap());
        for kernel in supported() {
            let found = kernel.search(&search, GENESIS_NONCE - 20, 40);
            assert_eq!(found, hit.then_some(GENESIS), "{}", kernel.name());
        }
    }
}

#[test]
fn what_the_processor_has_passes_and_the_fastest_is_taken() {
    let supported: Vec<Kernel> = supported().collect();
    assert_eq!(Kernel::available(), supported);
    assert_eq!(Kernel::failed(), []);
    assert_eq!(Some(&Kernel::best()), supported.last());
}

/// Versions differ in the bits that miners may roll alone, and the first is the header's own, or the only one.
#[test]
fn versions_of_a_header() {
    for version in [0, 0x2000_0000, u32::MAX] {
        let (header, target) = (Header { version, ..genesis() }, Target::from_value(U320::from(1)).unwrap());
        assert_eq!(Search::new(header, target).versions(), 1);
        let search = Search::rolling(header, target);
        let versions: Vec<u32> =
            (0..search.versions()).map(|roll| search.header(Hit { nonce: 7, roll }).version).collect();
        assert_eq!(versions[0], version);
        assert_eq!(versions.iter().collect::<BTreeSet<_>>().len(), versions.len());
        assert!(versions.iter().all(|rolled| (rolled ^ version) & !0x1fff_e000 == 0));
        assert_eq!(search.header(Hit { nonce: 7, roll: 0 }), Header { version, nonce: 7, ..genesis() });
    }
}

type SearchFn = fn(&Search, u32, u32) -> Option<Hit>;

/// Kernels that are wrong in the ways kernels are wrong.
#[test]
fn the_self_test_finds_broken_kernels() {
    let good = |search: &Search, first, count| Kernel::Naive.search(search, first, count);
    assert!(passes(good));
    let mut broken: Vec<(&str, SearchFn)> = vec![
        ("never hits", |_, _, _| None),
        ("always hits", |_, first, count| (count > 0).then_some(Hit { nonce: first, roll: 0 })),
        ("is one off", |search, first, count| {
            Kernel::Naive.search(search, first, count).map(|hit| Hit { nonce: hit.nonce ^ 1, ..hit })
        }),
        ("searches one less", |search, first, count| Kernel::Naive.search(search, first, count.saturating_sub(1))),
        ("searches whole vectors only", |search, first, count| Kernel::Naive.search(search, first, count / 16 * 16)),
        ("searches beyond the end", |search, first, count| {
            Kernel::Naive.search(search, first, count.next_multiple_of(8))
        }),
        ("takes ids for signed", |search, first, count| {
            let last = first.saturating_add(count.checked_sub(1)?);
            let not_above = |nonce| {
                let hit = search.hit(nonce)?;
                let top: u32 = (id(search, nonce, hit.roll) >> 224usize).to();
                (top.cast_signed() <= search.prepared.top.cast_signed()).then_some(hit)
            };
            (first..=last).find_map(not_above)
        }),
    ];
    if VERSIONS > 1 {
        broken.push(("leaves the last version out", |search, first, count| {
            let last = first.saturating_add(count.checked_sub(1)?);
            (first..=last).find_map(|nonce| search.hit(nonce).filter(|hit| hit.roll < VERSIONS - 1))
        }));
        broken.push(("rolls what must stay as it is", |search, first, count| {
            Kernel::Naive.search(&Search::rolling(search.header, search.target), first, count)
        }));
        broken.push(("searches version by version", |search, first, count| {
            let last = first.saturating_add(count.checked_sub(1)?);
            let met = |hit: &Hit| search.target.is_met_by(&search.header(*hit).id());
            (0..search.versions()).find_map(|roll| (first..=last).map(|nonce| Hit { nonce, roll }).find(met))
        }));
    }
    for (how, search) in broken {
        assert!(!passes(search), "{how}");
    }
}

/// Any function of lanes is that of words, lane by lane. For a module into which [`lanes::lanes_search!`] wrote.
macro_rules! operations_are_those_of_words {
    ($(#[$feature:meta])*) => {
        #[allow(clippy::useless_transmute, reason = "where the lanes are plain words, a vector is its words")]
        mod operations {
            use super::*;
            use crate::kernel::words;
            use proptest::prelude::*;

            type Words = [u32; LANES as usize];

            fn vector(words: Words) -> Word {
                // SAFETY: both are so many words of 32 bits, and any bits are a value of either.
                unsafe { std::mem::transmute::<Words, Word>(words) }
            }

            fn words_of(vector: Word) -> Words {
                // SAFETY: as above.
                unsafe { std::mem::transmute::<Word, Words>(vector) }
            }

            $(#[$feature])*
            fn check(a: Words, b: Words, c: Words, top: u32) {
                let (va, vb, vc) = (vector(a), vector(b), vector(c));
                let each = |function: &dyn Fn(u32, u32, u32) -> u32| -> Words {
                    std::array::from_fn(|lane| function(a[lane], b[lane], c[lane]))
                };
                assert_eq!(words_of(splat(top)), [top; LANES as usize]);
                assert_eq!(words_of(add(va, vb)), each(&|a, b, _| a.wrapping_add(b)));
                assert_eq!(words_of(xor3(va, vb, vc)), each(&|a, b, c| a ^ b ^ c));
                assert_eq!(words_of(ch(va, vb, vc)), each(&|a, b, c| (a & b) ^ (!a & c)));
                assert_eq!(words_of(maj(va, vb, vc)), each(&|a, b, c| (a & b) ^ (a & c) ^ (b & c)));
                assert_eq!(words_of(rotr::<7, 25>(va)), each(&|a, _, _| a.rotate_right(7)));
                assert_eq!(words_of(shr::<10>(va)), each(&|a, _, _| a >> 10));
                assert_eq!(words_of(small_sigma0(va)), each(&|a, _, _| words::sigma0(a)));
                assert_eq!(words_of(small_sigma1(va)), each(&|a, _, _| words::sigma1(a)));
                let big_sigma0_of = |a: u32| a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
                let big_sigma1_of = |a: u32| a.rotate_right(6) ^ a.rotate_right(11) ^ a.rotate_right(25);
                assert_eq!(words_of(big_sigma0(va)), each(&|a, _, _| big_sigma0_of(a)));
                assert_eq!(words_of(big_sigma1(va)), each(&|a, _, _| big_sigma1_of(a)));
                let nonces: Words = std::array::from_fn(|lane| top.wrapping_add(lane as u32).swap_bytes());
                assert_eq!(words_of(nonce_words(top)), nonces);
                for top in [top, a[0].swap_bytes(), a[0].swap_bytes().wrapping_sub(1), 0, i32::MAX as u32, u32::MAX] {
                    let bits = (0..LANES).map(|lane| u32::from(a[lane as usize].swap_bytes() <= top) << lane);
                    assert_eq!(not_above(va, top), bits.sum::<u32>());
                }
            }

            proptest! {
                #[test]
                fn operations(a: Words, b: Words, c: Words, top: u32) {
                    if is_supported() {
                        #[allow(unused_unsafe, reason = "plain words need no feature")]
                        // SAFETY: the processor has the features, and there is no other precondition.
                        unsafe { check(a, b, c, top) };
                    }
                }
            }
        }
    };
}

pub(super) use operations_are_those_of_words;
