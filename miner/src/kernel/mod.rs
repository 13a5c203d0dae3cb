//! Kernels: ways to try headers. All find the same ones.
//!
//! What is tried is a nonce with each of [`VERSIONS`] versions in turn, then the next nonce: the version is in the header's first
//! block and the nonce in the second, which is then expanded once for all versions. Where the version must stay as it is, a search
//! has one: the kernels go over as many as there are.
//!
//! | kernel | what it does |
//! |---|---|
//! | `naive` | two whole digests for each header: the yardstick, and what the others are compared with |
//! | `portable` | starts at the midstate, and looks at the highest word of the id alone |
//! | `avx2` | eight nonces side by side, with all that [`prepared`] leaves out, and words shared by the versions |
//! | `sha-ni` | two nonces, interleaved, by the processor's SHA instructions, with the same left out |
//! | `avx512` | sixteen nonces side by side, otherwise as `avx2` |
//!
//! A kernel only tells which nonce is worth a look: [`Kernel::search`] checks all its versions in full, so that a kernel that is
//! wrong can miss a hit but never invent one. One that the processor has is used if it passes [`self_test`] in this process.

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, reason = "a function that enables a processor feature is called")]
mod avx2;
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, reason = "a function that enables processor features is called")]
mod avx512;
#[cfg(any(target_arch = "x86_64", test))]
mod lanes;
mod naive;
#[cfg(test)]
#[allow(unsafe_code, reason = "the tests of operations, which are those of vectors too")]
mod plain;
mod portable;
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "the portable kernel needs the midstate alone"))]
mod prepared;
mod self_test;
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, reason = "a function that enables processor features is called")]
mod sha_ni;
#[cfg(test)]
mod tests;
mod words;

use bezant_consensus::ledger::block::Header;
use bezant_consensus::ledger::target::{Target, U320};
use prepared::Prepared;
use std::sync::OnceLock;

/// How many versions of a header are tried with each nonce where they may be rolled, the header's own first.
pub(crate) const VERSIONS: u32 = 4;
/// The lowest of the bits that miners may roll, 13 to 28 (BIP 320).
const LOWEST_ROLLED_BIT: u32 = 13;
/// The bits in which the versions of a header differ.
pub(crate) const ROLLED_BITS: u32 = (VERSIONS.next_power_of_two() - 1) << LOWEST_ROLLED_BIT;
const _: () = assert!(VERSIONS >= 1 && VERSIONS <= 1 << 16, "one version, and at most those of 16 bits");

/// What turns a header into one that meets the target. Ordered as they are searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hit {
    /// The nonce.
    pub nonce: u32,
    /// Which of the versions, of which 0 is the header's own.
    pub roll: u32,
}

/// A header of which the nonce is searched, and maybe the version, with what can be computed beforehand.
#[derive(Clone, Debug)]
pub struct Search {
    header: Header,
    target: Target,
    /// The header's bytes with each version.
    bytes: Vec<[u8; 80]>,
    prepared: Prepared,
}

impl Search {
    /// Prepares the search for a nonce with which this header meets `target`.
    #[must_use]
    pub fn new(header: Header, target: Target) -> Search {
        Search::with_versions(header, target, 1)
    }

    /// The same with a version too, which differs from the header's in a few bits that BIP 320 leaves to miners: that is faster.
    #[must_use]
    pub fn rolling(header: Header, target: Target) -> Search {
        Search::with_versions(header, target, VERSIONS)
    }

    fn with_versions(header: Header, target: Target, versions: u32) -> Search {
        let bytes: Vec<_> = (0..versions).map(|roll| rolled(header, roll).to_bytes()).collect();
        let top: U320 = target.value() >> 224usize;
        let prepared = Prepared::new(&bytes, top.to());
        Search { header, target, bytes, prepared }
    }

    /// How many versions are tried with each nonce.
    #[must_use]
    pub fn versions(&self) -> u32 {
        // At most 2^16.
        self.bytes.len() as u32
    }

    /// The header with this nonce and version.
    #[must_use]
    pub fn header(&self, Hit { nonce, roll }: Hit) -> Header {
        Header { nonce, ..rolled(self.header, roll) }
    }

    /// The full check: the first version with which this nonce meets the target.
    #[must_use]
    pub fn hit(&self, nonce: u32) -> Option<Hit> {
        (0..self.versions()).map(|roll| Hit { nonce, roll }).find(|hit| self.target.is_met_by(&self.header(*hit).id()))
    }
}

/// The header with one of its versions.
fn rolled(header: Header, roll: u32) -> Header {
    Header { version: header.version ^ (roll << LOWEST_ROLLED_BIT), ..header }
}

/// A way to try headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// Two whole digests per header; the yardstick.
    Naive,
    /// From the midstate with the compression function alone, early reject by the highest word. Runs everywhere.
    Portable,
    /// Eight nonces side by side. Of x86-64 only, as those below.
    Avx2,
    /// Two nonces interleaved, by instructions for SHA-256.
    ShaNi,
    /// Sixteen nonces side by side.
    Avx512,
}

/// Slowest first, as measured on processors that have all of them.
const ALL: [Kernel; 5] = [Kernel::Naive, Kernel::Portable, Kernel::Avx2, Kernel::ShaNi, Kernel::Avx512];

impl Kernel {
    /// Those that this processor has and that passed their self-test, slowest first. The test is made once in a process and takes
    /// a few milliseconds.
    #[must_use]
    pub fn available() -> Vec<Kernel> {
        tested().iter().filter(|(_, passed)| *passed).map(|(kernel, _)| *kernel).collect()
    }

    /// Those that this processor has but that failed their self-test. They are not used; that there are any is worth a warning,
    /// for either this program or the processor is broken.
    #[must_use]
    pub fn failed() -> Vec<Kernel> {
        tested().iter().filter(|(_, passed)| !passed).map(|(kernel, _)| *kernel).collect()
    }

    /// The one to mine with here: the fastest of those available.
    #[must_use]
    pub fn best() -> Kernel {
        Kernel::available().last().copied().unwrap_or(Kernel::Naive)
    }

    /// A stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Kernel::Naive => "naive",
            Kernel::Portable => "portable",
            Kernel::Avx2 => "avx2",
            Kernel::ShaNi => "sha-ni",
            Kernel::Avx512 => "avx512",
        }
    }

    /// Whether the processor has what it needs.
    fn is_supported(self) -> bool {
        match self {
            Kernel::Naive | Kernel::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2 => avx2::is_supported(),
            #[cfg(target_arch = "x86_64")]
            Kernel::ShaNi => sha_ni::is_supported(),
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx512 => avx512::is_supported(),
            #[cfg(not(target_arch = "x86_64"))]
            Kernel::Avx2 | Kernel::ShaNi | Kernel::Avx512 => false,
        }
    }

    /// The first hit among the `count` nonces from `first` on, each with all its versions, checked in full. Stops at the
    /// largest nonce; does not wrap.
    ///
    /// # Panics
    /// When the processor lacks what the kernel needs; it has it for those of [`Kernel::available`].
    #[must_use]
    pub fn search(self, search: &Search, first: u32, count: u32) -> Option<Hit> {
        let last = first.saturating_add(count.checked_sub(1)?);
        let mut from = first;
        loop {
            let candidate = self.candidate(search, from, last)?;
            if let Some(hit) = search.hit(candidate) {
                return Some(hit);
            }
            from = candidate.checked_add(1).filter(|from| *from <= last)?;
        }
    }

    /// The first nonce from `first` to `last` that may meet the target with one of the versions.
    fn candidate(self, search: &Search, first: u32, last: u32) -> Option<u32> {
        match self {
            Kernel::Naive => naive::search(search, first, last),
            Kernel::Portable => portable::search(search, first, last),
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2 => avx2::search(&search.prepared, first, last),
            #[cfg(target_arch = "x86_64")]
            Kernel::ShaNi => sha_ni::search(&search.prepared, first, last),
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx512 => avx512::search(&search.prepared, first, last),
            #[cfg(not(target_arch = "x86_64"))]
            Kernel::Avx2 | Kernel::ShaNi | Kernel::Avx512 => panic!("{} is for x86-64", self.name()),
        }
    }
}

/// Each kernel that the processor has, and whether it passed.
fn tested() -> &'static [(Kernel, bool)] {
    static TESTED: OnceLock<Vec<(Kernel, bool)>> = OnceLock::new();
    TESTED.get_or_init(|| {
        let test =
            |kernel: Kernel| (kernel, self_test::passes(|search, first, count| kernel.search(search, first, count)));
        ALL.into_iter().filter(|kernel| kernel.is_supported()).map(test).collect()
    })
}
