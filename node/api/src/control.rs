//! The control socket of a testnet's supervisor: one JSON request a line, one JSON response a line. `bezant testnet …` and the
//! dashboard's fault keys are its clients; the socket's path stands in `run.json`.

use crate::fault::LinkEffects;
use crate::manifest::Manifest;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

/// Bytes of one request or response line, at most.
pub const CONTROL_LINE_BYTES_MAX: usize = 1024 * 1024;

/// What a supervisor can be asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "kebab-case")]
pub enum ControlRequest {
    /// The manifest as it stands.
    Manifest,
    /// SIGKILL.
    Kill {
        /// Which.
        node: usize,
    },
    /// A clean stop.
    Stop {
        /// Which.
        node: usize,
    },
    /// Start again.
    Start {
        /// Which.
        node: usize,
    },
    /// SIGSTOP.
    Pause {
        /// Which.
        node: usize,
    },
    /// SIGCONT.
    Resume {
        /// Which.
        node: usize,
    },
    /// Cut every link between nodes of different groups; nodes not named form one more group.
    Partition {
        /// Groups of node indices.
        groups: Vec<Vec<usize>>,
        /// After how long it ends by itself, milliseconds; never unless given.
        #[serde(default)]
        for_ms: Option<u64>,
    },
    /// Undo every cut: the partition, and faults that cut. Other faults stay.
    Heal,
    /// Put a fault on links; answered with it.
    FaultAdd {
        /// What, and where.
        fault: FaultOrder,
    },
    /// The faults in force.
    FaultList,
    /// End faults; answered with those that were ended.
    FaultClear {
        /// Which; all when there are none.
        ids: Vec<u64>,
    },
    /// Set how far one node's clock is ahead of the net's.
    ClockOffset {
        /// Which.
        node: usize,
        /// Milliseconds; negative for behind.
        offset_ms: i64,
    },
    /// Make a member lie, also after it was started again, until told otherwise.
    Byzantine {
        /// Which.
        node: usize,
        /// A mode, or `off`.
        mode: String,
        /// What `censor` leaves out: the id of a transaction, or an address.
        #[serde(default)]
        target: Option<String>,
    },
    /// Move the net's one clock forward, on all nodes that run, and on the others when they start.
    Advance {
        /// Milliseconds.
        ms: u64,
    },
    /// PBFT: change the members of the net.
    Validator {
        /// How.
        action: ValidatorAction,
        /// Which node.
        node: usize,
    },
    /// Take a snapshot of the whole net.
    Snapshot {
        /// Its name.
        name: String,
        /// Whether it takes the place of one that is there.
        #[serde(default)]
        force: bool,
    },
    /// Take a picture of the whole net for whoever asks, who deletes it.
    Picture,
    /// Go back to a snapshot.
    Revert {
        /// Its name.
        name: String,
    },
    /// Give a node other settings, from its next start on and while this supervisor runs.
    Configure {
        /// Which.
        node: usize,
        /// What is to be different; what is not named stays as it is.
        settings: NodeSettings,
    },
    /// PBFT: give a node a copy of a member's key, and start it again with it.
    Twin {
        /// Which.
        node: usize,
        /// Whose key.
        of: usize,
    },
    /// Stop all nodes and then the supervisor; answered once all nodes are gone.
    Down,
}

/// A snapshot of a whole net.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotInfo {
    /// Its name.
    pub name: String,
    /// When it was taken, milliseconds since 1970 by this machine's clock.
    pub made_ms: u64,
    /// The highest final height of any node then, as far as known; under proof of work the highest tip.
    pub height: Option<u64>,
    /// Bytes on disk.
    pub bytes: u64,
}

/// Settings of a node's configuration that can be changed from one start to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NodeSettings {
    /// Proof of work: hashes a second at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hashrate: Option<u64>,
    /// Proof of work: whether it mines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mines: Option<bool>,
    /// What it logs, a tracing filter like `debug`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// Connections with peers at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections: Option<u32>,
}

impl NodeSettings {
    /// Takes over what `newer` names.
    pub fn update(&mut self, newer: NodeSettings) {
        let NodeSettings { hashrate, mines, log, connections } = newer;
        self.hashrate = hashrate.or(self.hashrate);
        self.mines = mines.or(self.mines);
        self.log = log.or(self.log.take());
        self.connections = connections.or(self.connections);
    }
}

/// A fault of links that is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultOrder {
    /// Who speaks; all nodes when empty.
    pub from: Vec<usize>,
    /// Who hears; all nodes when empty.
    pub to: Vec<usize>,
    /// Whether the other direction is treated too.
    pub both: bool,
    /// What is done.
    pub effects: LinkEffects,
    /// After how long it ends by itself, milliseconds; never unless given.
    pub for_ms: Option<u64>,
}

/// A fault of links that is in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultEntry {
    /// Its number, from 1; never used again while the net runs.
    pub id: u64,
    /// What is done, in words.
    pub what: String,
    /// The directed links, as (from, to).
    pub links: Vec<(usize, usize)>,
    /// Who speaks.
    pub from: Vec<usize>,
    /// Who hears.
    pub to: Vec<usize>,
    /// Whether the other direction is treated too.
    pub both: bool,
    /// A partition: its groups.
    pub groups: Option<Vec<Vec<usize>>>,
    /// What is done.
    pub effects: LinkEffects,
    /// Since when, milliseconds since 1970 by this machine's clock.
    pub since_ms: u64,
    /// Until when, likewise; null when it does not end by itself.
    pub until_ms: Option<u64>,
}

/// A change of a PBFT net's members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ValidatorAction {
    /// A node that follows becomes a member.
    Add,
    /// A member follows from then on.
    Remove,
    /// A member gets another key.
    Rekey,
}

/// What a supervisor answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum ControlResponse {
    /// Done.
    Done,
    /// To [`ControlRequest::Manifest`].
    Manifest {
        /// The manifest.
        manifest: Box<Manifest>,
    },
    /// To requests about faults.
    Faults {
        /// The faults.
        faults: Vec<FaultEntry>,
    },
    /// To [`ControlRequest::ClockOffset`].
    Clock {
        /// Whether the node was started anew: its clock never goes back within a run.
        restarted: bool,
    },
    /// To [`ControlRequest::Snapshot`].
    Snapshot {
        /// What was taken.
        info: SnapshotInfo,
    },
    /// To [`ControlRequest::Picture`].
    Picture {
        /// Where it is.
        path: PathBuf,
    },
    /// To [`ControlRequest::Revert`].
    SetBack {
        /// The highest height that is final there; under proof of work the highest tip.
        height: u64,
        /// The net's incarnation from now on.
        incarnation: u32,
    },
    /// Asked for wrongly: it makes no sense for this net.
    Usage {
        /// Why, and what to do.
        message: String,
    },
    /// Not done.
    Failed {
        /// Why, and what to do.
        message: String,
    },
}

/// Asks the supervisor behind `socket` one thing.
///
/// # Errors
/// When the socket cannot be reached, or the answer is malformed or too long.
pub async fn ask(socket: &Path, request: &ControlRequest) -> io::Result<ControlResponse> {
    let mut stream = UnixStream::connect(socket).await?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line).await?;
    read_line(&mut BufReader::new(stream)).await?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

/// Reads one JSON line of at most [`CONTROL_LINE_BYTES_MAX`]; `None` at the end of the stream.
///
/// # Errors
/// When reading fails, or the line is too long or malformed.
pub async fn read_line<T, R>(reader: &mut R) -> io::Result<Option<T>>
where
    T: serde::de::DeserializeOwned,
    R: tokio::io::AsyncBufRead + Unpin,
{
    use tokio::io::AsyncReadExt;
    let mut line = Vec::new();
    reader.take(CONTROL_LINE_BYTES_MAX as u64 + 1).read_until(b'\n', &mut line).await?;
    if line.is_empty() {
        return Ok(None);
    }
    if line.len() > CONTROL_LINE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "line too long"));
    }
    serde_json::from_slice(&line).map(Some).map_err(io::Error::from)
}
