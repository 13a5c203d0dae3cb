//! Bytes as a text that can be mailed: base64 (RFC 4648, padded) in lines of 64 characters between two fixed lines, each ended
//! by a line feed. There is one such text for given bytes.

use super::ReceiptError;

const BEGIN: &str = "-----BEGIN BEZANT RECEIPT-----\n";
const END: &str = "-----END BEZANT RECEIPT-----\n";
const LINE_BYTES: usize = 48;
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The text of `bytes`.
pub(super) fn wrap(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(BEGIN.len() + bytes.len().div_ceil(LINE_BYTES) * 65 + END.len());
    text.push_str(BEGIN);
    for line in bytes.chunks(LINE_BYTES) {
        for group in line.chunks(3) {
            let byte = |index: usize| u32::from(group.get(index).copied().unwrap_or(0));
            let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
            for place in 0..4 {
                let digit = ALPHABET[(bits >> (18 - 6 * place) & 63) as usize];
                text.push(if place <= group.len() { char::from(digit) } else { '=' });
            }
        }
        text.push('\n');
    }
    text.push_str(END);
    text
}

/// The bytes whose text is exactly `text`.
pub(super) fn unwrap(text: &[u8]) -> Result<Vec<u8>, ReceiptError> {
    let malformed = |problem: &str| ReceiptError::Malformed(problem.to_owned());
    let first = BEGIN.trim_end().as_bytes();
    let start = text.windows(first.len()).take(1024).position(|window| window == first);
    let inside = &text[start.ok_or_else(|| malformed("the line that begins one is missing"))? + first.len()..];
    let last = END.trim_end().as_bytes();
    let end = inside.windows(last.len()).rev().take(1024).position(|window| window == last);
    let end = end.ok_or_else(|| malformed("the line that ends one is missing; is the file cut off?"))?;
    let bytes = digits(&inside[..inside.len() - last.len() - end])?;
    // Spaces, other line breaks or lengths, padding that holds bits, anything around: all of it shows here.
    if wrap(&bytes).as_bytes() != text {
        return Err(ReceiptError::NotCanonical("lines are broken otherwise, or something stands around it"));
    }
    Ok(bytes)
}

/// The bytes of all digits, whatever their lines; of a last group's bits those that make no byte are dropped.
fn digits(text: &[u8]) -> Result<Vec<u8>, ReceiptError> {
    let mut values = [None; 256];
    for (value, digit) in (0u8..).zip(ALPHABET) {
        values[usize::from(*digit)] = Some(value);
    }
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0u32, 0);
    for digit in text.iter().filter(|digit| !matches!(digit, b'\n' | b'\r' | b' ' | b'\t' | b'=')) {
        let value = values[usize::from(*digit)];
        let value = value.ok_or_else(|| ReceiptError::Malformed(format!("it has the byte 0x{digit:02x} inside")))?;
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    Ok(bytes)
}
