//! Freezing processes, so that what they have on disk does not change while it is copied.

use crate::net::error::NetError;
use crate::net::process::ProcessId;
use nix::sys::signal::Signal;
use std::time::{Duration, Instant};

/// How long a process may take until all of its threads stand still; one that waits for the disk finishes first.
const FREEZE_TIMEOUT: Duration = Duration::from_secs(10);
/// Between two looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(1);

/// Processes that stand still until this is dropped.
#[derive(Debug)]
pub struct Frozen(Vec<ProcessId>);

impl Frozen {
    /// Freezes all of them, and returns once none writes any more.
    ///
    /// # Errors
    /// When one does not stand still in time; then all go on.
    pub async fn of(processes: Vec<ProcessId>) -> Result<Frozen, NetError> {
        let frozen = Frozen(processes);
        for process in &frozen.0 {
            process.signal(Signal::SIGSTOP);
        }
        let end = Instant::now() + FREEZE_TIMEOUT;
        while !frozen.0.iter().all(|it| it.is_still() || !it.is_alive()) && Instant::now() < end {
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        let still = frozen.0.iter().all(|it| it.is_still() || !it.is_alive());
        let slow = "a node does not stand still: is its disk busy? try again, or stop the net first";
        if still { Ok(frozen) } else { Err(NetError::Refused(slow.to_owned())) }
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        for process in &self.0 {
            process.signal(Signal::SIGCONT);
        }
    }
}
