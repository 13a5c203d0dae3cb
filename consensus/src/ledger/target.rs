//! Targets and work of proof of work, in 320-bit arithmetic.
//!
//! A compact target ("bits") is Bitcoin's: top byte exponent in bytes, low 23 bits mantissa, bit 23 sign. Products of a target
//! and a time span exceed 256 bits on easy local nets, hence 320.

use crate::ledger::hash::BlockId;
use borsh::{BorshDeserialize, BorshSerialize};
use ruint::Uint;
use std::fmt;

/// 320-bit unsigned numbers.
pub type U320 = Uint<320, 5>;

/// A 256-bit number that a block's id, read little-endian, must not exceed. At least 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Target(U320);

/// Expected number of hashes behind a chain of headers. Sums do not overflow: 320 bits hold 2^64 headers of the hardest target.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Work(U320);

impl Target {
    /// The target that `bits` encodes, or `None` if it is negative, zero or above 2^256 − 1.
    #[must_use]
    pub fn from_compact(bits: u32) -> Option<Target> {
        let exponent = bits >> 24;
        let mantissa = bits & 0x007f_ffff;
        let negative = bits & 0x0080_0000 != 0 && mantissa != 0;
        let overflows = mantissa != 0
            && (exponent > 34 || (mantissa > 0xff && exponent > 33) || (mantissa > 0xffff && exponent > 32));
        if negative || overflows {
            return None;
        }
        let value = if exponent <= 3 {
            U320::from(mantissa >> (8 * (3 - exponent)))
        } else {
            U320::from(mantissa) << (8 * (exponent as usize - 3))
        };
        Target::from_value(value)
    }

    /// The number as a target, or `None` for 0 and above 2^256 − 1.
    #[must_use]
    pub fn from_value(value: U320) -> Option<Target> {
        (!value.is_zero() && value.bit_len() <= 256).then_some(Target(value))
    }

    /// The number.
    #[must_use]
    pub fn value(self) -> U320 {
        self.0
    }

    /// The compact form; low bits are cut off, so "the target" of a header is always the decoded form. Never sets bit 23.
    #[must_use]
    pub fn to_compact(self) -> u32 {
        let mut bytes = self.0.bit_len().div_ceil(8);
        let mut mantissa = if bytes <= 3 { self.0 << (8 * (3 - bytes)) } else { self.0 >> (8 * (bytes - 3)) };
        if mantissa.bit(23) {
            mantissa >>= 8;
            bytes += 1;
        }
        let mantissa: u32 = mantissa.to();
        mantissa | u32::try_from(bytes << 24).expect("a target has at most 33 bytes")
    }

    /// Whether a block with this id has done the work: id as a little-endian number ≤ target.
    #[must_use]
    pub fn is_met_by(self, id: &BlockId) -> bool {
        U320::try_from_le_slice(&id.0).expect("32 bytes fit") <= self.0
    }

    /// Expected hashes to meet it: ⌊2^256 / (target + 1)⌋.
    #[must_use]
    pub fn work(self) -> Work {
        let one = U320::from(1);
        Work((one << 256usize) / (self.0 + one))
    }
}

impl Work {
    /// No work.
    pub const ZERO: Work = Work(U320::ZERO);
    /// The least there is.
    pub const ONE: Work = Work(U320::ONE);

    /// The sum.
    ///
    /// # Panics
    /// Never in practice: the sum of 2^64 headers of the hardest target fits.
    #[must_use]
    pub fn plus(self, other: Work) -> Work {
        Work(self.0.checked_add(other.0).expect("320 bits hold the work of any chain"))
    }

    /// The difference, or no work when `other` is more.
    #[must_use]
    pub fn less(self, other: Work) -> Work {
        Work(self.0.saturating_sub(other.0))
    }

    /// The work of so many blocks like this.
    #[must_use]
    pub fn times(self, blocks: u64) -> Work {
        Work(self.0.saturating_mul(U320::from(blocks)))
    }

    /// The work that the hex digits name, or `None` when they name none of 320 bits.
    #[must_use]
    pub fn from_hex(digits: &str) -> Option<Work> {
        U320::from_str_radix(digits, 16).ok().filter(|_| !digits.is_empty()).map(Work)
    }

    /// The number, for display.
    #[must_use]
    pub fn value(self) -> U320 {
        self.0
    }
}

/// Lower-case hex without leading zeros.
impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

impl BorshSerialize for Work {
    fn serialize<W: std::io::Write>(&self, writer: &mut W) -> std::io::Result<()> {
        writer.write_all(&self.0.to_le_bytes::<40>())
    }
}

impl BorshDeserialize for Work {
    fn deserialize_reader<R: std::io::Read>(reader: &mut R) -> std::io::Result<Self> {
        let bytes = <[u8; 40]>::deserialize_reader(reader)?;
        Ok(Work(U320::from_le_bytes(bytes)))
    }
}
