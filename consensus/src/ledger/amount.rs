//! Amounts of money, in grains; one BZT is 10^8 grains.

use crate::limits::{GRAINS_PER_BZT, SUPPLY_MAX};
use borsh::{BorshDeserialize, BorshSerialize};
use std::fmt;
use std::io;
use std::str::FromStr;

pub use encapsulated::Amount;

/// Keeps the field out of reach of even this file, so that no amount above [`SUPPLY_MAX`] can be made.
mod encapsulated {
    use crate::limits::SUPPLY_MAX;

    /// A number of grains, at most [`SUPPLY_MAX`].
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
    pub struct Amount(u64);

    impl Amount {
        /// No money.
        pub const ZERO: Amount = Amount(0);
        /// All the money there can be.
        pub const MAX: Amount = Amount(SUPPLY_MAX);

        /// `None` above [`SUPPLY_MAX`].
        #[must_use]
        pub const fn from_grains(grains: u64) -> Option<Amount> {
            if grains > SUPPLY_MAX { None } else { Some(Amount(grains)) }
        }

        /// The number of grains.
        #[must_use]
        pub const fn grains(self) -> u64 {
            self.0
        }
    }
}

impl Amount {
    /// The sum, or `None` above [`SUPPLY_MAX`] (CVE-2010-5139: checked at every single addition).
    #[must_use]
    pub fn checked_add(self, other: Amount) -> Option<Amount> {
        self.grains().checked_add(other.grains()).and_then(Amount::from_grains)
    }

    /// The difference, or `None` below zero.
    #[must_use]
    pub fn checked_sub(self, other: Amount) -> Option<Amount> {
        self.grains().checked_sub(other.grains()).and_then(Amount::from_grains)
    }

    /// The sum of all, or `None` as soon as it exceeds [`SUPPLY_MAX`].
    pub fn checked_sum(amounts: impl IntoIterator<Item = Amount>) -> Option<Amount> {
        amounts.into_iter().try_fold(Amount::ZERO, Amount::checked_add)
    }
}

/// In BZT, with as many decimals as needed and no more: `12.5`.
impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.grains() / GRAINS_PER_BZT, self.grains() % GRAINS_PER_BZT);
        if rest == 0 {
            return f.pad(&whole.to_string());
        }
        let decimals = format!("{rest:08}");
        f.pad(&format!("{whole}.{}", decimals.trim_end_matches('0')))
    }
}

/// Text that is no amount in BZT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseAmountError {
    /// More than eight digits after the point.
    #[error("an amount has at most eight decimals (1 BZT is 100000000 grains)")]
    TooManyDecimals,
    /// More than 21 million BZT.
    #[error("an amount is at most 21000000 BZT")]
    TooLarge,
    /// Anything but digits with at most one point between them.
    #[error("an amount is written in BZT with digits and at most one point, like 12.5")]
    NotANumber,
}

/// Reads BZT with at most eight decimals: `12.5`, `0.00000001`, `7`. No sign, exponent, spaces or separators.
impl FromStr for Amount {
    type Err = ParseAmountError;

    fn from_str(text: &str) -> Result<Self, ParseAmountError> {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(decimals) {
            return Err(ParseAmountError::NotANumber);
        }
        if decimals.len() > 8 {
            return Err(ParseAmountError::TooManyDecimals);
        }
        let whole: u64 = whole.parse().map_err(|_| ParseAmountError::TooLarge)?;
        let decimals: u64 = format!("{decimals:0<8}").parse().expect("eight digits fit");
        whole
            .checked_mul(GRAINS_PER_BZT)
            .and_then(|grains| grains.checked_add(decimals))
            .and_then(Amount::from_grains)
            .ok_or(ParseAmountError::TooLarge)
    }
}

impl BorshSerialize for Amount {
    fn serialize<W: io::Write>(&self, writer: &mut W) -> io::Result<()> {
        self.grains().serialize(writer)
    }
}

impl BorshDeserialize for Amount {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        let grains = u64::deserialize_reader(reader)?;
        Amount::from_grains(grains)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("amount {grains} exceeds {SUPPLY_MAX}")))
    }
}
