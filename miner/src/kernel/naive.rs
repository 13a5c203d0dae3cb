//! The yardstick: nothing is reused from one nonce to the next.

use super::Search;

/// The first nonce from `first` to `last` that meets the target.
pub(super) fn search(search: &Search, first: u32, last: u32) -> Option<u32> {
    (first..=last).find(|nonce| search.is_hit(*nonce))
}
