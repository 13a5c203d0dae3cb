//! The yardstick: two whole digests for each header, nothing is reused from one to the next.

use super::Search;
use sha2::{Digest, Sha256};

/// The first nonce from `first` to `last` that meets the target with one of the versions.
pub(super) fn search(search: &Search, first: u32, last: u32) -> Option<u32> {
    let mut headers = search.bytes.clone();
    let target = search.target.value().to_le_bytes::<40>();
    for nonce in first..=last {
        for header in &mut headers {
            header[76..].copy_from_slice(&nonce.to_le_bytes());
            let id = Sha256::digest(Sha256::digest(header));
            // Both are little-endian numbers.
            if id.iter().rev().le(target[..32].iter().rev()) {
                return Some(nonce);
            }
        }
    }
    None
}
