//! Numbers that must not be mixed up, one type per meaning.

use borsh::{BorshDeserialize, BorshSerialize};
use std::fmt;

macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident($inner:ty);)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, BorshSerialize, BorshDeserialize)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

numbers! {
    /// Number of a block above genesis, which has height 0.
    Height(u64);
    /// PBFT: number of the view within an epoch; its primary is member (epoch + view) mod n.
    View(u64);
    /// PBFT: number of the validator set, counted from 0 at genesis.
    Epoch(u64);
    /// How often a dev net was reverted or imported; 0 elsewhere. Votes of another incarnation do not count.
    Incarnation(u32);
    /// A moment, in milliseconds since 1970-01-01 UTC on the node's own clock. The core is told it and never asks.
    Time(u64);
}

impl Height {
    /// The height of genesis.
    pub const GENESIS: Height = Height(0);

    /// One more.
    ///
    /// # Panics
    /// After 2^64 − 1 blocks.
    #[must_use]
    pub fn next(self) -> Height {
        Height(self.0.checked_add(1).expect("heights are counted one block at a time and do not reach 2^64"))
    }

    /// One less, or `None` for genesis.
    #[must_use]
    pub fn previous(self) -> Option<Height> {
        self.0.checked_sub(1).map(Height)
    }
}

impl View {
    /// One more, staying at the largest number.
    #[must_use]
    pub fn next(self) -> View {
        View(self.0.saturating_add(1))
    }
}

impl Epoch {
    /// One more; `None` after the last.
    #[must_use]
    pub fn next(self) -> Option<Epoch> {
        self.0.checked_add(1).map(Epoch)
    }
}

impl Time {
    /// This many milliseconds later, staying at the largest number.
    #[must_use]
    pub fn plus_ms(self, ms: u64) -> Time {
        Time(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to `self`; 0 if `earlier` is later.
    #[must_use]
    pub fn since_ms(self, earlier: Time) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Whole seconds since 1970 as a header carries them, staying at the largest number.
    #[must_use]
    pub fn seconds(self) -> u32 {
        u32::try_from(self.0 / 1000).unwrap_or(u32::MAX)
    }

    /// The moment at which a second of a header begins.
    #[must_use]
    pub fn from_seconds(seconds: u32) -> Time {
        Time(u64::from(seconds) * 1000)
    }
}
