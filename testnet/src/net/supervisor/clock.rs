//! The net's one clock, which stands still while the net is down: a file is touched as long as it runs.

use crate::net::error::NetError;
use crate::net::spec::{self, NetSpec};
use std::path::Path;

/// Touched while the net runs.
const ALIVE_FILE: &str = "alive";

/// Sets the net's clock on from where it stood still.
pub(super) fn wind(dir: &Path, spec: &mut NetSpec) -> Result<(), NetError> {
    if let Some(alive_ms) = last_alive_ms(dir) {
        // Of a net from another machine it may be in the future.
        let of = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
        spec.clock_offset_ms = spec.clock_offset_ms.saturating_sub(of(spec::now_ms()) - of(alive_ms));
    }
    spec.last_alive_ms = spec::now_ms();
    spec.write(dir)
}

/// Where the clock of a net that does not run stands, as the time of this machine's.
#[must_use]
pub fn stood_still_at(dir: &Path) -> u64 {
    last_alive_ms(dir).unwrap_or_else(spec::now_ms)
}

/// The clock of a net that does not run stands still since this moment.
///
/// # Errors
/// When the system refuses.
pub fn stand_still(dir: &Path, since_ms: u64) -> Result<(), NetError> {
    let path = dir.join(ALIVE_FILE);
    std::fs::write(&path, since_ms.to_string()).map_err(NetError::io(path))
}

/// The net runs, and its clock with it.
pub(super) fn touch(dir: &Path) {
    let _ = std::fs::write(dir.join(ALIVE_FILE), spec::now_ms().to_string());
}

fn last_alive_ms(dir: &Path) -> Option<u64> {
    std::fs::read_to_string(dir.join(ALIVE_FILE)).ok()?.trim().parse().ok()
}
