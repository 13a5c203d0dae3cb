//! Signals that would end the process where an error is wanted.

use nix::sys::signal::{SigSet, Signal};

/// Lets a write beyond the limit on file sizes fail with an error on this thread, instead of killing the process.
pub(crate) fn ignore_file_size_signal() {
    let mut set = SigSet::empty();
    set.add(Signal::SIGXFSZ);
    if let Err(error) = set.thread_block() {
        tracing::warn!(%error, "cannot block SIGXFSZ; a file that grows beyond its limit will end the process");
    }
}
