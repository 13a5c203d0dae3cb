//! Node processes: started as this very program, recognised by pid *and* start time, signalled.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A process that can be told from a later one that reuses its pid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessId {
    /// The pid.
    pub pid: u32,
    /// When it started, as the system tells it; text that is only compared.
    pub started: String,
}

impl ProcessId {
    /// The process that has this pid now, if there is one.
    #[must_use]
    pub fn of(pid: u32) -> Option<ProcessId> {
        started(pid).map(|started| ProcessId { pid, started })
    }

    /// Whether that very process is still there (a zombie is not).
    #[must_use]
    pub fn is_alive(&self) -> bool {
        started(self.pid).as_deref() == Some(self.started.as_str())
    }

    /// Whether that very process is stopped, with all of its threads.
    #[must_use]
    pub fn is_still(&self) -> bool {
        self.is_alive() && is_still(self.pid)
    }

    /// Signals that very process; false when it is gone.
    pub fn signal(&self, signal: Signal) -> bool {
        match i32::try_from(self.pid) {
            Ok(pid) if self.is_alive() => kill(Pid::from_raw(pid), signal).is_ok(),
            Ok(_) | Err(_) => false,
        }
    }
}

/// A thread that is within a call to the system ends it first, and may write until then.
#[cfg(target_os = "linux")]
fn is_still(pid: u32) -> bool {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return false };
    let mut stats = threads.flatten().map(|thread| std::fs::read_to_string(thread.path().join("stat")));
    stats.all(|stat| {
        let stat = stat.unwrap_or_default();
        // The state stands behind the name, which may hold any character. A thread that has ended is as still as a stopped one.
        let state = stat.rfind(')').and_then(|end| stat[end + 1..].split_whitespace().next());
        state.is_none_or(|state| ["T", "t", "Z", "X"].contains(&state))
    })
}

#[cfg(not(target_os = "linux"))]
fn is_still(pid: u32) -> bool {
    let output = std::process::Command::new("ps").args(["-o", "stat=", "-p", &pid.to_string()]).output();
    output.is_ok_and(|output| output.stdout.starts_with(b"T"))
}

/// Field 22 of `/proc/PID/stat`; the fields start after the last parenthesis, since a name may hold any character.
#[cfg(target_os = "linux")]
fn started(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat[stat.rfind(')')? + 1..].split_whitespace().collect();
    match *fields.first()? {
        "Z" | "X" => None,
        _ => fields.get(19).map(|ticks| (*ticks).to_owned()),
    }
}

#[cfg(not(target_os = "linux"))]
fn started(pid: u32) -> Option<String> {
    let output =
        std::process::Command::new("ps").args(["-o", "stat=,lstart=", "-p", &pid.to_string()]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (state, started) = text.trim().split_once(char::is_whitespace)?;
    (!state.starts_with('Z')).then(|| started.trim().to_owned())
}
