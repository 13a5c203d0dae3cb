//! The one codec: borsh, with limits before allocation.
//!
//! Decoding consumes all bytes given and re-encoding gives the same bytes back; a value has exactly one encoding.

use crate::limits;
use borsh::{BorshDeserialize, BorshSerialize};
use std::collections::BTreeMap;
use std::io;

/// Bytes that do not decode, with the reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("malformed bytes: {reason}")]
pub struct DecodeError {
    reason: String,
}

/// The encoding of `value`.
///
/// # Panics
/// For a lock with more than 255 children in one threshold, which has no encoding; see [`Lock::check_shape`]. Otherwise never:
/// writing to memory does not fail. Other values over a limit are encoded, but what comes out will not be decoded.
///
/// [`Lock::check_shape`]: crate::ledger::lock::Lock::check_shape
#[must_use]
pub fn encode<T: BorshSerialize>(value: &T) -> Vec<u8> {
    borsh::to_vec(value).expect("writing to memory does not fail")
}

/// As [`encode`], for a value whose encoding is known to have about so many bytes: nothing is moved while it grows.
///
/// # Panics
/// As [`encode`].
#[must_use]
pub fn encode_with_room<T: BorshSerialize>(value: &T, bytes: usize) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(bytes);
    value.serialize(&mut encoded).expect("writing to memory does not fail");
    encoded
}

/// The value whose encoding is exactly `bytes`.
///
/// # Errors
/// When the bytes are longer than [`limits::ENCODING_BYTES_MAX`], malformed, over a limit, or followed by others.
/// What comes from a wire is held to [`limits::MESSAGE_BYTES_MAX`] by who reads it, before it is in memory.
pub fn decode<T: BorshDeserialize>(bytes: &[u8]) -> Result<T, DecodeError> {
    if bytes.len() > limits::ENCODING_BYTES_MAX {
        let reason = format!("{} bytes, at most {} allowed", bytes.len(), limits::ENCODING_BYTES_MAX);
        return Err(DecodeError { reason });
    }
    borsh::from_slice(bytes).map_err(|error| DecodeError { reason: error.to_string() })
}

pub(crate) fn invalid(reason: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason.into())
}

/// Reads a list of at most `max` items; the length is checked before anything is allocated for the items.
pub(crate) fn read_list<T: BorshDeserialize, R: io::Read>(
    reader: &mut R,
    what: &str,
    max: usize,
) -> io::Result<Vec<T>> {
    let len = u32::deserialize_reader(reader)? as usize;
    if len > max {
        return Err(invalid(format!("{len} {what}, at most {max} allowed")));
    }
    // Grow as items arrive: a length alone must not allocate what its sender has not sent.
    let mut list = Vec::with_capacity(len.min(64));
    for _ in 0..len {
        list.push(T::deserialize_reader(reader)?);
    }
    Ok(list)
}

/// Reads a map of at most `max` entries in strictly ascending order of keys, which is how a map is written: any other order
/// would be a second encoding of the same map.
pub(crate) fn read_map<K: BorshDeserialize + Ord, V: BorshDeserialize, R: io::Read>(
    reader: &mut R,
    what: &str,
    max: usize,
) -> io::Result<BTreeMap<K, V>> {
    let list: Vec<(K, V)> = read_list(reader, what, max)?;
    if !list.windows(2).all(|pair| pair[0].0 < pair[1].0) {
        return Err(invalid(format!("{what} are not in strictly ascending order")));
    }
    Ok(list.into_iter().collect())
}

/// Implements `BorshDeserialize` field by field, lists with the limit given: `limited_decode!(Name { a, list: "items" <= MAX })`.
macro_rules! limited_decode {
    ($name:ident { $($field:ident $(: $what:literal <= $max:expr)?),* $(,)? }) => {
        impl borsh::BorshDeserialize for $name {
            fn deserialize_reader<R: std::io::Read>(reader: &mut R) -> std::io::Result<Self> {
                $(let $field = limited_decode!(@read reader $(, $what, $max)?);)*
                Ok($name { $($field),* })
            }
        }
    };
    (@read $reader:ident) => { borsh::BorshDeserialize::deserialize_reader($reader)? };
    (@read $reader:ident, $what:literal, $max:expr) => { $crate::ledger::codec::read_list($reader, $what, $max)? };
}
pub(crate) use limited_decode;
