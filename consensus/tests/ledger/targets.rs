//! Compact targets, work, halving.

use crate::common::*;
use bezant_consensus::ledger::genesis::LedgerParams;
use bezant_consensus::ledger::hash::BlockId;
use bezant_consensus::ledger::target::{Target, U320, Work};
use bezant_consensus::ledger::units::Height;
use proptest::prelude::*;
use ruint::Uint;

/// Figures of Bitcoin's arith_uint256 tests (bitcoin/bitcoin, src/test/arith_uint256_tests.cpp, MIT): compact form, value in
/// hex (empty where there is no target: zero, negative or too large), compact form of the value.
const BITCOIN: [(u32, &str, u32); 22] = [
    (0, "", 0),
    (0x0012_3456, "", 0),
    (0x0100_3456, "", 0),
    (0x0200_0056, "", 0),
    (0x0300_0000, "", 0),
    (0x0400_0000, "", 0),
    (0x0092_3456, "", 0),
    (0x0180_3456, "", 0),
    (0x0280_0056, "", 0),
    (0x0380_0000, "", 0),
    (0x0480_0000, "", 0),
    (0x0112_3456, "12", 0x0112_0000),
    (0x01fe_dcba, "", 0),
    (0x0212_3456, "1234", 0x0212_3400),
    (0x0312_3456, "123456", 0x0312_3456),
    (0x0412_3456, "12345600", 0x0412_3456),
    (0x0492_3456, "", 0),
    (0x0500_9234, "92340000", 0x0500_9234),
    (0x2012_3456, "1234560000000000000000000000000000000000000000000000000000000000", 0x2012_3456),
    (0xff12_3456, "", 0),
    (0x1d00_ffff, "ffff0000000000000000000000000000000000000000000000000000", 0x1d00_ffff),
    (0x207f_ffff, "7fffff0000000000000000000000000000000000000000000000000000000000", 0x207f_ffff),
];

#[test]
fn bitcoins_own_figures() {
    for (bits, value, again) in BITCOIN {
        let target = Target::from_compact(bits);
        let text = target.map(|target| format!("{:x}", target.value())).unwrap_or_default();
        assert_eq!(text, value, "{bits:08x}");
        assert_eq!(target.map_or(0, Target::to_compact), again, "{bits:08x}");
    }
    assert_eq!(
        Target::from_value(U320::from(0x80)).map(Target::to_compact),
        Some(0x0200_8000),
        "the sign bit stays clear"
    );
}

#[test]
fn overflow_at_the_edge() {
    for (bits, fits) in [
        (0x2200_00ff, true),
        (0x2200_0100, false),
        (0x2100_ffff, true),
        (0x2101_0000, false),
        (0x207f_ffff, true),
        (0x2300_0001, false),
        (0x2300_0000, false),
    ] {
        assert_eq!(Target::from_compact(bits).is_some(), fits, "{bits:08x}");
    }
    let top = U320::MAX >> 64usize;
    assert!(Target::from_value(top).is_some());
    assert!(Target::from_value(top + U320::from(1)).is_none());
    assert!(Target::from_value(U320::ZERO).is_none());
}

/// The value as 40 bytes, most significant first, put together byte by byte.
fn naive_decode(bits: u32) -> Option<[u8; 40]> {
    let [exponent, high, middle, low] = bits.to_be_bytes();
    let mut bytes = [0; 40];
    for (index, byte) in [high & 0x7f, middle, low].into_iter().enumerate() {
        // This byte's weight is 256^(exponent − 1 − index).
        match (usize::from(exponent)).checked_sub(1 + index) {
            None => {}
            Some(weight) if weight >= 32 && byte != 0 => return None,
            Some(weight) if weight >= 32 => {}
            Some(weight) => bytes[39 - weight] = byte,
        }
    }
    let negative = high & 0x80 != 0;
    (!negative && bytes != [0; 40]).then_some(bytes)
}

/// The compact form, read off the value's bytes.
fn naive_encode(bytes: [u8; 40]) -> u32 {
    let mut digits: Vec<u8> = bytes.into_iter().skip_while(|byte| *byte == 0).collect();
    if digits[0] & 0x80 != 0 {
        digits.insert(0, 0);
    }
    let exponent = digits.len() as u8;
    digits.resize(digits.len().max(3), 0);
    u32::from_be_bytes([exponent, digits[0], digits[1], digits[2]])
}

proptest! {
    #[test]
    fn compact_agrees_with_a_naive_oracle(exponent in 0u32..40, mantissa in 0u32..0x0100_0000) {
        let bits = exponent << 24 | mantissa;
        let target = Target::from_compact(bits);
        prop_assert_eq!(target.map(|target| target.value().to_be_bytes::<40>()), naive_decode(bits));
        if let Some(target) = target {
            let again = target.to_compact();
            prop_assert_eq!(again, naive_encode(target.value().to_be_bytes::<40>()));
            prop_assert_eq!(Target::from_compact(again), Some(target), "nothing is lost the second time");
        }
    }

    #[test]
    fn encoding_cuts_low_bits_only(value in any::<[u8; 32]>()) {
        let Some(target) = Target::from_value(U320::from_be_slice(&value)) else { return Ok(()) };
        let bits = target.to_compact();
        prop_assert_eq!(bits, naive_encode(target.value().to_be_bytes::<40>()));
        let cut = Target::from_compact(bits).expect("a target's compact form is a target");
        prop_assert!(cut <= target);
        prop_assert_eq!(cut.to_compact(), bits);
        prop_assert!(target.value() - cut.value() <= target.value() >> 15usize);
    }

    /// Work is the quotient ⌊2^256 / (target + 1)⌋: checked by multiplying back, in numbers twice as wide.
    #[test]
    fn work_is_the_quotient(value in any::<[u8; 32]>(), shift in 0usize..256) {
        type Wide = Uint<640, 10>;
        let Some(target) = Target::from_value(U320::from_be_slice(&value) >> shift) else { return Ok(()) };
        let divisor = Wide::from(target.value()) + Wide::from(1);
        let work = Wide::from(target.work().value());
        let whole = Wide::from(1) << 256usize;
        prop_assert!(work * divisor <= whole);
        prop_assert!((work + Wide::from(1)) * divisor > whole);
    }

    #[test]
    fn an_id_is_compared_as_a_little_endian_number(id in any::<[u8; 32]>(), value in any::<[u8; 32]>()) {
        let Some(target) = Target::from_value(U320::from_be_slice(&value)) else { return Ok(()) };
        let mut reversed = id;
        reversed.reverse();
        prop_assert_eq!(target.is_met_by(&BlockId(id)), reversed <= value);
    }
}

#[test]
fn work_of_known_targets() {
    let work = |bits| Target::from_compact(bits).expect("a target").work().to_string();
    assert_eq!(work(0x1d00_ffff), "100010001", "Bitcoin's genesis");
    assert_eq!(work(0x207f_ffff), "2");
    assert_eq!(Work::ZERO.plus(Target::from_compact(0x207f_ffff).unwrap().work()).to_string(), "2");
    let hardest = Target::from_value(U320::from(1)).unwrap().work();
    assert_eq!(hardest.to_string(), format!("8{}", "0".repeat(63)));
}

#[test]
fn bitcoins_genesis_meets_its_target() {
    let mut id = [0; 32];
    let shown = "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f";
    for (place, byte) in id.iter_mut().rev().enumerate() {
        *byte = u8::from_str_radix(&shown[place * 2..place * 2 + 2], 16).unwrap();
    }
    assert!(Target::from_compact(0x1d00_ffff).unwrap().is_met_by(&BlockId(id)));
    assert!(!Target::from_compact(0x1900_ffff).unwrap().is_met_by(&BlockId(id)));
}

/// Right shift, and nothing (not a wrapped shift) from the 64th halving on.
#[test]
fn halving() {
    let params = LedgerParams { subsidy: grains(5_000_000_000), halving_interval: 10, ..params() };
    let at = |height| params.subsidy_at(Height(height)).grains();
    assert_eq!(
        [at(1), at(9), at(10), at(20), at(329), at(330)],
        [5_000_000_000, 5_000_000_000, 2_500_000_000, 1_250_000_000, 1, 0]
    );
    assert_eq!([at(639), at(640), at(650), at(10 << 32), at(u64::MAX)], [0; 5]);
    let never = LedgerParams { halving_interval: 0, ..params.clone() };
    assert_eq!(never.subsidy_at(Height(u64::MAX)), params.subsidy);
    let every = LedgerParams { halving_interval: 1, ..params };
    assert_eq!(every.subsidy_at(Height(64)).grains(), 0);
    assert_eq!(every.subsidy_at(Height(1)).grains(), 2_500_000_000);
}
