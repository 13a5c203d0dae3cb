//! What can go wrong with a net of processes, each with the next step.

use std::path::PathBuf;

/// The net that commands mean unless one is named.
pub const NET_DEFAULT: &str = "default";

/// Why a testnet command failed.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// The request makes no sense as given.
    #[error("{0}")]
    Usage(String),
    /// A net of that name is running.
    #[error("net {net} is running already (supervisor {pid}); stop it with `bezant testnet down --net {net}`")]
    Running {
        /// Its name.
        net: String,
        /// Its supervisor.
        pid: u32,
    },
    /// Another command has the net's lock, and the net does not run yet, or no longer.
    #[error("net {0} is just being started or stopped by another command; try again when that is done")]
    Busy(String),
    /// The directory holds a net made with other options.
    #[error(
        "net {net} was made with {was}, now {now} was asked for; drop the option, or add --fresh to start anew (its ledger is deleted)"
    )]
    OtherOptions {
        /// Its name.
        net: String,
        /// The option as it is.
        was: String,
        /// The option as asked.
        now: String,
    },
    /// The directory is somebody else's.
    #[error("{0} exists and was not made by bezant; choose another directory with --dir")]
    ForeignDirectory(PathBuf),
    /// What was to be imported is no net.
    #[error("{file} is not imported: {reason}")]
    BadArchive {
        /// The file.
        file: PathBuf,
        /// Why.
        reason: String,
    },
    /// What was to be sent holds no transfers for this net.
    #[error("{file} is not sent: {reason}")]
    BadTransfers {
        /// The file.
        file: PathBuf,
        /// Why.
        reason: String,
    },
    /// There is no snapshot of that name.
    #[error("net {net} has no snapshot \"{name}\"; `bezant testnet snapshot --list --net {net}` shows those it has")]
    NoSnapshot {
        /// The net.
        net: String,
        /// What was asked for.
        name: String,
    },
    /// No net is running.
    #[error("net {0} is not running; start it with `bezant testnet up --net {0}`")]
    NotRunning(String),
    /// A node did not start.
    #[error("node{index} did not start: {reason}\nits log is {log}")]
    NodeStart {
        /// Which.
        index: usize,
        /// Why, as far as known.
        reason: String,
        /// Its log.
        log: PathBuf,
    },
    /// The supervisor said no.
    #[error("{0}")]
    Refused(String),
    /// A wait ran out.
    #[error("{0}")]
    TimedOut(String),
    /// No node answers.
    #[error("no node of net {0} answers; `bezant testnet status{flag}` shows which are down", flag = net_flag(.0))]
    Unreachable(String),
    /// A file or socket could not be used.
    #[error("{path}: {error}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// Something that was read is damaged.
    #[error("{path} is damaged: {reason}")]
    Damaged {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A node answered something unexpected.
    #[error("node{index}: {reason}")]
    Node {
        /// Which.
        index: usize,
        /// What.
        reason: String,
    },
}

/// What names the net in a command that is advised: nothing for the one that commands mean by themselves.
#[must_use]
pub fn net_flag(net: &str) -> String {
    if net == NET_DEFAULT { String::new() } else { format!(" --net {net}") }
}

impl NetError {
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> NetError {
        let path = path.into();
        move |error| NetError::Io { path, error }
    }

    /// A stable name for programs.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            NetError::Usage(_) => "usage",
            NetError::Running { .. } => "net-running",
            NetError::Busy(_) => "net-busy",
            NetError::OtherOptions { .. } => "net-other-options",
            NetError::ForeignDirectory(_) => "net-foreign-directory",
            NetError::BadArchive { .. } => "bad-archive",
            NetError::BadTransfers { .. } => "bad-transfers",
            NetError::NoSnapshot { .. } => "no-snapshot",
            NetError::NotRunning(_) => "net-not-running",
            NetError::NodeStart { .. } => "node-start",
            NetError::Refused(_) => "refused",
            NetError::TimedOut(_) => "timeout",
            NetError::Unreachable(_) => "unreachable",
            NetError::Io { .. } => "io",
            NetError::Damaged { .. } => "damaged",
            NetError::Node { .. } => "node",
        }
    }

    /// The exit status of the command line's contract.
    #[must_use]
    pub fn exit_status(&self) -> u8 {
        match self {
            NetError::Usage(_) | NetError::NoSnapshot { .. } => 2,
            NetError::BadArchive { .. } | NetError::BadTransfers { .. } => 3,
            NetError::TimedOut(_) => 5,
            NetError::NotRunning(_) | NetError::Unreachable(_) => 6,
            _ => 1,
        }
    }
}
