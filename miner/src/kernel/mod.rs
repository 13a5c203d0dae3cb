//! Kernels: ways to try nonces. All find the same ones.

mod naive;
mod portable;

use bezant_consensus::ledger::block::Header;
use bezant_consensus::ledger::target::{Target, U320};

/// A header whose nonce is searched, with what can be computed beforehand.
#[derive(Clone, Debug)]
pub struct Search {
    header: Header,
    target: Target,
    /// The state of SHA-256 after the header's first 64 bytes.
    midstate: [u32; 8],
    /// The header's last 16 bytes with their padding; the nonce goes to bytes 12 to 15.
    tail: [u8; 64],
    /// The highest 32 bits of the target: an id above them is no hit.
    target_top: u32,
}

impl Search {
    /// Prepares the search for a nonce of this header that meets `target`.
    #[must_use]
    pub fn new(header: Header, target: Target) -> Search {
        let bytes = header.to_bytes();
        let top: U320 = target.value() >> 224usize;
        Search {
            header,
            target,
            midstate: portable::midstate(&bytes),
            tail: portable::padded_tail(&bytes),
            target_top: top.to(),
        }
    }

    /// The header with this nonce.
    #[must_use]
    pub fn header(&self, nonce: u32) -> Header {
        Header { nonce, ..self.header }
    }

    /// The full check: whether the header with this nonce meets the target.
    #[must_use]
    pub fn is_hit(&self, nonce: u32) -> bool {
        self.target.is_met_by(&self.header(nonce).id())
    }
}

/// A way to try nonces. Those that a processor lacks are left out of [`Kernel::available`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// Two whole digests per nonce; the yardstick.
    Naive,
    /// From the midstate with the compression function alone, early reject by the highest word.
    Portable,
}

impl Kernel {
    /// Those that this processor can run, slowest first.
    #[must_use]
    pub fn available() -> Vec<Kernel> {
        vec![Kernel::Naive, Kernel::Portable]
    }

    /// The one to mine with here.
    #[must_use]
    pub fn best() -> Kernel {
        Kernel::Portable
    }

    /// A stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Kernel::Naive => "naive",
            Kernel::Portable => "portable",
        }
    }

    /// The first nonce among the `count` ones from `first` on that meets the target, checked in full. Stops at the largest
    /// nonce; does not wrap.
    #[must_use]
    pub fn search(self, search: &Search, first: u32, count: u32) -> Option<u32> {
        let end = u64::from(first) + u64::from(count);
        let mut from = u64::from(first);
        while let Ok(start) = u32::try_from(from)
            && from < end
        {
            let last = u32::try_from(end - 1).unwrap_or(u32::MAX);
            let hit = match self {
                Kernel::Naive => naive::search(search, start, last),
                Kernel::Portable => portable::search(search, start, last),
            }?;
            if search.is_hit(hit) {
                return Some(hit);
            }
            from = u64::from(hit) + 1;
        }
        None
    }
}
