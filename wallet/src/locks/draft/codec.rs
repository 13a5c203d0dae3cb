//! The one text of a draft, and files of it.

use super::{Draft, DraftError, Input, Path};
use crate::error::WalletError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::codec::encode;
use bezant_consensus::ledger::hash::{NetworkId, tagged};
use bezant_consensus::ledger::lock::Lock;
use bezant_consensus::ledger::transaction::Body;
use bezant_consensus::limits::{LOCK_DEPTH_MAX, LOCK_NODES_MAX};
use borsh::BorshDeserialize;
use std::collections::BTreeMap;
use std::io::Read;

/// The one version of drafts there is.
pub const DRAFT_VERSION: u8 = 1;
/// Bytes of a draft, at most.
pub const DRAFT_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Bytes of its text, at most.
pub const DRAFT_TEXT_BYTES_MAX: usize = DRAFT_BYTES_MAX.div_ceil(LINE_BYTES) * 65 + 128;
const MAGIC: [u8; 7] = *b"BZT-DFT";
const CHECKSUM_BYTES: usize = 32;
const LINE_BYTES: usize = 48;
const BEGIN: &str = "-----BEGIN BEZANT DRAFT-----\n";
const END: &str = "-----END BEZANT DRAFT-----\n";

impl Draft {
    /// Its text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let bytes = self.to_bytes();
        let mut text = BEGIN.to_owned();
        for line in bytes.chunks(LINE_BYTES) {
            STANDARD.encode_string(line, &mut text);
            text.push('\n');
        }
        text.push_str(END);
        text
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.push(DRAFT_VERSION);
        bytes.extend_from_slice(&encode(&self.network));
        bytes.extend_from_slice(&encode(&self.body()));
        for input in &self.inputs {
            bytes.extend_from_slice(&encode(&input.amount));
            bytes.extend_from_slice(&encode(&input.lock));
            write_list(&mut bytes, &input.conditions, write_path);
            write_list(&mut bytes, &input.signatures, |bytes, (path, signature)| {
                write_path(bytes, path);
                bytes.extend_from_slice(&signature.0);
            });
            write_list(&mut bytes, &input.preimages, |bytes, (path, preimage)| {
                write_path(bytes, path);
                bytes.extend_from_slice(preimage);
            });
        }
        let sum = checksum(&bytes);
        bytes.extend_from_slice(&sum);
        bytes
    }

    /// Reads a text, and checks all that can be checked without a chain: signatures too.
    ///
    /// # Errors
    /// What is wrong with it first.
    pub fn from_text(text: &[u8]) -> Result<Draft, DraftError> {
        let malformed = |problem: &str| DraftError::Malformed(problem.to_owned());
        if text.len() > DRAFT_TEXT_BYTES_MAX {
            return Err(malformed("it is too long for one"));
        }
        let inside = text.strip_prefix(BEGIN.as_bytes());
        let inside = inside.ok_or_else(|| malformed("the line that begins one is missing"))?;
        let inside = inside.strip_suffix(END.as_bytes());
        let inside = inside.ok_or_else(|| malformed("the line that ends one is missing; is the file cut off?"))?;
        let digits: Vec<u8> = inside.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
        let bytes = STANDARD.decode(&digits).map_err(|_| malformed("its lines are no base64"))?;
        let draft = from_bytes(&bytes)?;
        if draft.to_text().as_bytes() != text {
            return Err(DraftError::NotCanonical("lines are broken otherwise, or lists are in another order"));
        }
        Ok(draft)
    }
}

pub(super) fn from_bytes(bytes: &[u8]) -> Result<Draft, DraftError> {
    let malformed = |problem: &str| DraftError::Malformed(problem.to_owned());
    let rest = bytes.strip_prefix(&MAGIC).ok_or_else(|| malformed("it begins otherwise"))?;
    let (version, _) = rest.split_first().ok_or_else(|| malformed("it is cut off"))?;
    if *version != DRAFT_VERSION {
        return Err(DraftError::Version(*version));
    }
    let end = bytes.len().checked_sub(CHECKSUM_BYTES).filter(|end| *end > MAGIC.len());
    let (content, sum) = bytes.split_at(end.ok_or_else(|| malformed("it is cut off"))?);
    if checksum(content) != sum {
        return Err(DraftError::Checksum);
    }
    let mut reader = &content[MAGIC.len() + 1..];
    let (network, transfer, inputs) =
        read_content(&mut reader).map_err(|error| DraftError::Malformed(error.to_string()))?;
    if !reader.is_empty() {
        return Err(malformed("something stands behind its end"));
    }
    Draft::new(network, transfer, inputs)
}

type Content = (NetworkId, bezant_consensus::ledger::transaction::Transfer, Vec<Input>);

fn read_content(reader: &mut &[u8]) -> std::io::Result<Content> {
    let network = NetworkId::deserialize_reader(reader)?;
    let Body::Transfer(transfer) = Body::deserialize_reader(reader)? else {
        return Err(invalid("it is no transfer"));
    };
    // As many as there are coins, which has a limit.
    let inputs = transfer.inputs.iter().map(|_| read_input(reader)).collect::<std::io::Result<_>>()?;
    Ok((network, transfer, inputs))
}

fn read_input(reader: &mut &[u8]) -> std::io::Result<Input> {
    let (amount, lock) = (Amount::deserialize_reader(reader)?, Lock::deserialize_reader(reader)?);
    let conditions = read_list(reader, read_path)?;
    let signatures = read_map(reader)?;
    let preimages = read_map(reader)?;
    Ok(Input { amount, lock, conditions, signatures, preimages })
}

fn write_list<T>(bytes: &mut Vec<u8>, list: impl IntoIterator<Item = T>, one: impl Fn(&mut Vec<u8>, T)) {
    let place = bytes.len();
    bytes.push(0);
    for item in list {
        bytes[place] = bytes[place].checked_add(1).expect("a lock has at most 64 leaves");
        one(bytes, item);
    }
}

fn write_path(bytes: &mut Vec<u8>, path: &Path) {
    bytes.push(u8::try_from(path.len()).expect("a lock has at most 8 levels"));
    bytes.extend_from_slice(path);
}

fn read_list<T>(reader: &mut &[u8], one: impl Fn(&mut &[u8]) -> std::io::Result<T>) -> std::io::Result<Vec<T>> {
    let count = usize::from(u8::deserialize_reader(reader)?);
    if count > LOCK_NODES_MAX {
        return Err(invalid("a list is longer than a lock has nodes"));
    }
    (0..count).map(|_| one(reader)).collect()
}

fn read_map<T: BorshDeserialize>(reader: &mut &[u8]) -> std::io::Result<BTreeMap<Path, T>> {
    let list = read_list(reader, |reader| Ok((read_path(reader)?, T::deserialize_reader(reader)?)))?;
    if !list.windows(2).all(|pair| pair[0].0 < pair[1].0) {
        return Err(invalid("a list is not in ascending order"));
    }
    Ok(list.into_iter().collect())
}

fn read_path(reader: &mut &[u8]) -> std::io::Result<Path> {
    let count = usize::from(u8::deserialize_reader(reader)?);
    if count >= LOCK_DEPTH_MAX {
        return Err(invalid("a path is longer than a lock is deep"));
    }
    let mut path = vec![0; count];
    reader.read_exact(&mut path)?;
    Ok(path)
}

fn invalid(problem: &str) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, problem)
}

/// Tells damage from a lie; it keeps nobody from lying.
pub(super) fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    tagged("bezant/draft-checksum", &[bytes])
}

/// Reads a draft from a file; `-` is standard input.
///
/// # Errors
/// [`WalletError::Usage`] when it cannot be read, [`WalletError::Refused`] with the kind of a [`DraftError`].
pub fn read(file: &std::path::Path) -> Result<Draft, WalletError> {
    let failed = |error: std::io::Error| WalletError::Usage(format!("the draft {}: {error}", file.display()));
    let mut text = Vec::new();
    let limit = DRAFT_TEXT_BYTES_MAX as u64 + 1;
    if file.as_os_str() == "-" {
        std::io::stdin().lock().take(limit).read_to_end(&mut text).map_err(failed)?;
    } else {
        std::fs::File::open(file).and_then(|opened| opened.take(limit).read_to_end(&mut text)).map_err(failed)?;
    }
    Draft::from_text(&text).map_err(|error| WalletError::refused(error.kind(), format!("{}: {error}", file.display())))
}
