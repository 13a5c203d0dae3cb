//! One receipt, one text: no other passes, whatever was changed in it and however little.

use crate::common::block_above;
use crate::made::{Pbft, Pow, payments, worked};
use bezant_consensus::ledger::genesis::Genesis;
use bezant_consensus::ledger::hash::tagged;
use bezant_consensus::limits::{RECEIPT_BYTES_MAX, RECEIPT_TEXT_BYTES_MAX};
use bezant_consensus::receipt::{Demands, Receipt, ReceiptError};
use std::sync::Arc;

const CHECKSUM_BYTES: usize = 32;

fn read(genesis: &Arc<Genesis>, text: &[u8]) -> Result<(), ReceiptError> {
    Receipt::from_text(text)?.verify(genesis, &Demands::default()).map(drop)
}

fn kind(result: Result<(), ReceiptError>) -> &'static str {
    result.map_or_else(|error| error.kind(), |()| "holds")
}

fn samples() -> Vec<(&'static str, Arc<Genesis>, Receipt)> {
    let (pbft, pow) = (Pbft::new(), Pow::hard());
    vec![
        ("pbft", pbft.genesis.clone(), pbft.good()),
        ("pbft, epoch 2", pbft.genesis.clone(), pbft.later()),
        ("pow", pow.genesis.clone(), pow.receipt(3, 1)),
    ]
}

#[test]
fn what_is_written_is_read() {
    for (name, genesis, receipt) in samples() {
        let text = receipt.to_text();
        assert_eq!(Receipt::from_text(text.as_bytes()), Ok(receipt.clone()), "{name}");
        assert_eq!(Receipt::from_bytes(&receipt.to_bytes()), Ok(receipt), "{name}");
        assert_eq!(read(&genesis, text.as_bytes()), Ok(()), "{name}");
    }
}

#[test]
fn no_single_bit_of_the_text_can_be_another() {
    let mut changes = 0;
    for (name, genesis, receipt) in samples() {
        let text = receipt.to_text().into_bytes();
        for bit in 0..8 * text.len() {
            let mut changed = text.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(read(&genesis, &changed).is_err(), "{name}: bit {bit}");
            changes += 1;
        }
    }
    assert!(changes > 10_000, "{changes}");
}

/// Whoever lies fits the checksum to the lie: what is said has to be refused for what it says.
#[test]
fn no_single_bit_of_what_is_said_can_be_another() {
    for (name, genesis, receipt) in samples() {
        let bytes = receipt.to_bytes();
        let covered = bytes.len() - CHECKSUM_BYTES;
        // Of the long one a bit of each byte, since each takes a dozen signatures.
        let bits = (0..8 * covered).filter(|bit| name != "pbft, epoch 2" || bit % 8 == bit / 8 % 8);
        for bit in bits {
            let mut changed = bytes[..covered].to_vec();
            changed[bit / 8] ^= 1 << (bit % 8);
            let checksum = tagged("bezant/receipt", &[&changed]);
            changed.extend_from_slice(&checksum);
            let result = Receipt::from_bytes(&changed).and_then(|it| it.verify(&genesis, &Demands::default()));
            assert!(result.is_err_and(|error| error != ReceiptError::Damaged), "{name}: bit {bit}");
        }
    }
}

#[test]
fn the_same_receipt_is_written_in_one_way() {
    let pbft = Pbft::new();
    let text = pbft.good().to_text();
    let lines: Vec<&str> = text.lines().collect();
    let digits: String = lines[1..lines.len() - 1].concat();
    let again = |digits: &str| format!("{}\n{digits}\n{}\n", lines[0], lines[lines.len() - 1]);
    let refused: &[(&str, String)] = &[
        ("other line breaks", text.replace('\n', "\r\n")),
        ("no line break at the end", text.trim_end().to_owned()),
        ("one more", format!("{text}\n")),
        ("a space in front", format!(" {text}")),
        ("a letter around it", format!("Dear bob,\n{text}")),
        ("a signature below it", format!("{text}-- \nalice\n")),
        ("one long line", again(&digits)),
        ("shorter lines", again(&format!("{}\n{}", &digits[..4], &digits[4..]))),
        ("a space inside", text.replacen(&digits[..8], &format!("{} {}", &digits[..4], &digits[4..8]), 1)),
        ("padding", text.replacen("\n-----END", "=\n-----END", 1)),
        ("twice", text.repeat(2)),
    ];
    for (what, text) in refused {
        let found = kind(read(&pbft.genesis, text.as_bytes()));
        let expected = if *what == "twice" { "receipt-malformed" } else { "receipt-not-canonical" };
        assert_eq!(found, expected, "{what}");
    }
}

/// A last group of digits has bits that make no byte.
#[test]
fn idle_bits_are_zero() {
    let mut seen = 0;
    // Lengths of all three remainders: each transaction more makes the path 32 bytes longer, or not.
    for count in [1, 2, 4] {
        let mut pbft = Pbft::new();
        pbft.block = block_above(pbft.genesis.block().id(), payments(&pbft.network, 5, count));
        let receipt = pbft.good();
        let text = receipt.to_text();
        let Some(place) = text.find('=').map(|padding| padding - 1) else { continue };
        for digit in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".bytes() {
            let mut changed = text.clone().into_bytes();
            changed[place] = digit;
            let expected = if changed == text.as_bytes() { "holds" } else { "refused" };
            let found = if read(&pbft.genesis, &changed).is_ok() { "holds" } else { "refused" };
            assert_eq!(found, expected);
            seen += usize::from(kind(read(&pbft.genesis, &changed)) == "receipt-not-canonical");
        }
    }
    assert!(seen > 0, "some change nothing but idle bits");
}

#[test]
fn what_is_no_receipt_is_called_that() {
    let pbft = Pbft::new();
    let text = pbft.good().to_text();
    let cut = &text[..text.len() / 2];
    let (front, back) = text.split_at(300);
    let other_digit = format!("{front}{}{}", if back.starts_with('A') { 'B' } else { 'A' }, &back[1..]);
    for (expected, text) in [
        ("receipt-malformed", ""),
        ("receipt-malformed", "hello"),
        ("receipt-malformed", cut),
        ("receipt-malformed", "-----BEGIN BEZANT RECEIPT-----\n-----END BEZANT RECEIPT-----\n"),
        ("receipt-malformed", "-----BEGIN BEZANT RECEIPT-----\n!\n-----END BEZANT RECEIPT-----\n"),
        ("receipt-damaged", &other_digit),
    ] {
        assert_eq!(kind(read(&pbft.genesis, text.as_bytes())), expected, "{text}");
    }
    let shouted = text.to_ascii_uppercase();
    assert_ne!(kind(read(&pbft.genesis, shouted.as_bytes())), "holds");
    let long = vec![b'A'; RECEIPT_TEXT_BYTES_MAX + 1];
    assert_eq!(kind(read(&pbft.genesis, &long)), "receipt-too-long");
    let long = vec![0; RECEIPT_BYTES_MAX + 1];
    assert_eq!(Receipt::from_bytes(&long).map(drop).map_err(|error| error.kind()), Err("receipt-too-long"));
}

fn framed(content: &[u8], version: u8) -> Result<Receipt, ReceiptError> {
    let mut bytes = [b"BZT-RCT".as_slice(), &[version], content].concat();
    let checksum = tagged("bezant/receipt", &[&bytes]);
    bytes.extend_from_slice(&checksum);
    Receipt::from_bytes(&bytes)
}

#[test]
fn versions_trailing_bytes_and_long_lists_are_refused() {
    let pbft = Pbft::new();
    let bytes = pbft.good().to_bytes();
    let content = &bytes[8..bytes.len() - CHECKSUM_BYTES];
    assert_eq!(framed(content, 1), Ok(pbft.good()));
    assert_eq!(framed(content, 2), Err(ReceiptError::Version(2)));
    let refusal = |content: &[u8]| match framed(content, 1) {
        Err(ReceiptError::Malformed(reason)) => reason,
        other => panic!("{other:?}"),
    };
    refusal(&[content, &[0]].concat());
    // The lengths of lists are looked at before what is in them.
    let mut pbft_list = content.to_vec();
    let at = pbft_list.len() - 4;
    pbft_list[at..].copy_from_slice(&10_001u32.to_le_bytes());
    assert!(refusal(&pbft_list).contains("10001 successions, at most 10000"), "{}", refusal(&pbft_list));
    let pow = Pow::easy(1);
    let bytes = pow.receipt(1, 1).to_bytes();
    let mut pow_list = bytes[8..bytes.len() - CHECKSUM_BYTES].to_vec();
    pow_list[33..37].copy_from_slice(&1_000_001u32.to_le_bytes());
    assert!(refusal(&pow_list).contains("1000001 headers, at most 1000000"), "{}", refusal(&pow_list));
}

#[test]
fn a_receipt_serves_one_net_and_its_engine() {
    let (pbft, pow) = (Pbft::new(), Pow::easy(2));
    let theirs = pbft.good();
    let (ours, other) = (pow.network, pbft.network);
    let demands = Demands::default();
    assert_eq!(theirs.verify(&pow.genesis, &demands), Err(ReceiptError::OtherNet { theirs: other, ours }));
    let renamed = Receipt { network: ours, ..theirs };
    assert_eq!(renamed.verify(&pow.genesis, &demands).map_err(|error| error.kind()), Err("receipt-other-engine"));
    let renamed = Receipt { network: other, ..pow.receipt(1, 1) };
    assert_eq!(renamed.verify(&pbft.genesis, &demands).map_err(|error| error.kind()), Err("receipt-other-engine"));
    // The same members and the same blocks, but another salt.
    let again = Pbft::of(Genesis { salt: [1; 32], ..(*pbft.genesis).clone() });
    let renamed = Receipt { network: again.network, ..pbft.good() };
    assert_eq!(renamed.verify(&again.genesis, &demands).map_err(|error| error.kind()), Err("receipt-certificate"));
    let mut other = Pow::easy(2).receipt(1, 1);
    worked(&mut other).headers.remove(0);
    assert_eq!(other.verify(&pow.genesis, &demands).map_err(|error| error.kind()), Err("receipt-headers"));
}
