//! Signals that would end the process where an error is wanted, and one that wakes it.

use nix::sys::signal::{SigSet, Signal};

/// Lets a write beyond the limit on file sizes fail with an error on this thread, instead of killing the process.
pub(crate) fn ignore_file_size_signal() {
    let mut set = SigSet::empty();
    set.add(Signal::SIGXFSZ);
    if let Err(error) = set.thread_block() {
        tracing::warn!(%error, "cannot block SIGXFSZ; a file that grows beyond its limit will end the process");
    }
}

/// Has the system wake this process, should it be stopped (SIGSTOP), when the one that started it dies; it then finds its
/// standard input closed. The thread that calls this has to stay. Elsewhere than on Linux the system wakes a stopped process
/// only where its process group is orphaned, which depends on who inherits it.
pub(crate) fn wake_when_parent_dies() {
    #[cfg(target_os = "linux")]
    if let Err(error) = nix::sys::prctl::set_pdeathsig(Signal::SIGCONT) {
        tracing::warn!(%error, "cannot ask for a signal at the parent's death; a paused node may outlive its supervisor");
    }
}
