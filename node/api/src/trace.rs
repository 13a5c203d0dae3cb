//! Trace files: what several nodes told, as the dashboard saw it, one JSON object a line.
//!
//! The first line is a [`TraceHeader`], every other an [`Entry`]:
//!
//! ```json
//! {"bezant_trace":1,"net":"default","engine":"pbft","network_id":"…","nodes":[{"name":"node0"}]}
//! {"at_ms":1790000000000,"node":0,"event":{"seq":12,"time_ms":1790000000000,"event":"block", …}}
//! {"at_ms":1790000000050,"node":0,"lost":"the connection was closed"}
//! ```
//!
//! Times are those of arrival on the machine that recorded, or the simulator's virtual ones; they never go back. A gap in a node's
//! stream stays in the file as the event that it is. A recording that was cut off in the middle of its last line is read up to there;
//! whatever else is malformed is an error that names its line. Everything that a file can make a reader keep has a limit.

use crate::event::Event;
use crate::types::{EngineName, NodeStatus, PeerView, TxStatus};
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead, Read, Write};

/// The format that this program writes and reads.
pub const TRACE_VERSION: u32 = 1;
/// Bytes of one line, at most.
pub const TRACE_LINE_BYTES_MAX: usize = 1024 * 1024;
/// Nodes of one trace, at most.
pub const TRACE_NODES_MAX: usize = 256;
/// Entries of one trace that are read, at most.
pub const TRACE_ENTRIES_MAX: usize = 1_000_000;
/// Bytes of one trace that are read, at most.
pub const TRACE_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceHeader {
    /// The format, [`TRACE_VERSION`].
    pub bezant_trace: u32,
    /// The net's name; for the simulator what it ran.
    pub net: String,
    /// The engine.
    pub engine: EngineName,
    /// The net's id, hex.
    pub network_id: String,
    /// The nodes; entries name them by their place here.
    pub nodes: Vec<TraceNode>,
}

/// A node of a trace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceNode {
    /// Its name.
    pub name: String,
}

/// Something that was learned of one node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// When, milliseconds since 1970 on the recording machine's clock.
    pub at_ms: u64,
    /// Which node, by its place in the header.
    pub node: usize,
    /// What.
    #[serde(flatten)]
    pub fact: Fact,
}

/// What was learned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fact {
    /// An event; on every connection a snapshot comes first.
    Event(Box<Event>),
    /// How the node is, for what no event tells: hash rates, when a timer ends.
    Status(Box<NodeStatus>),
    /// Its peers.
    Peers(Vec<PeerView>),
    /// Where a transaction is that somebody follows.
    Transaction(TxStatus),
    /// The node does not answer, and why.
    Lost(String),
    /// The node answers (again).
    Back(Back),
}

/// Nothing more than that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Back {}

/// Why a trace cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// Reading failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The first line is no header.
    #[error(
        "this is no trace: its first line is not {{\"bezant_trace\":1,…}}; `bezant trace record --out FILE` makes one"
    )]
    NotATrace,
    /// Another format.
    #[error(
        "this trace has format {0}, and this program reads format {TRACE_VERSION}; use the program that recorded it"
    )]
    Version(u32),
    /// Too many nodes, or none.
    #[error("the trace names {0} nodes; 1 to {TRACE_NODES_MAX} can be shown")]
    Nodes(usize),
    /// A line that cannot be understood.
    #[error("line {line} of the trace cannot be understood: {reason}")]
    Line {
        /// Which, from 1.
        line: u64,
        /// Why.
        reason: String,
    },
    /// More than is read.
    #[error(
        "the trace is too long: at most {TRACE_ENTRIES_MAX} entries and {TRACE_BYTES_MAX} bytes are read; record for less time"
    )]
    TooLong,
}

/// Writes a trace.
#[derive(Debug)]
pub struct TraceWriter<W>(W);

impl<W: Write> TraceWriter<W> {
    /// Writes the header.
    ///
    /// # Errors
    /// When writing fails.
    pub fn new(mut out: W, header: &TraceHeader) -> io::Result<TraceWriter<W>> {
        line(&mut out, header)?;
        Ok(TraceWriter(out))
    }

    /// Writes an entry.
    ///
    /// # Errors
    /// When writing fails.
    pub fn write(&mut self, entry: &Entry) -> io::Result<()> {
        line(&mut self.0, entry)
    }

    /// Hands on what is buffered.
    ///
    /// # Errors
    /// When writing fails.
    pub fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn line(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    let mut bytes = serde_json::to_vec(value)?;
    bytes.push(b'\n');
    out.write_all(&bytes)
}

/// Reads a trace, entry by entry.
#[derive(Debug)]
pub struct TraceReader<R> {
    from: R,
    header: TraceHeader,
    /// Lines read.
    lines: u64,
    bytes: u64,
    last_ms: u64,
    is_over: bool,
}

impl<R: BufRead> TraceReader<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// When it is none that this program understands.
    pub fn new(mut from: R) -> Result<TraceReader<R>, TraceError> {
        let Some((bytes, _)) = read_line(&mut from, 1)? else { return Err(TraceError::NotATrace) };
        let value: serde_json::Value = serde_json::from_slice(&bytes).map_err(|_| TraceError::NotATrace)?;
        let version = value.get("bezant_trace").and_then(serde_json::Value::as_u64).ok_or(TraceError::NotATrace)?;
        if version != u64::from(TRACE_VERSION) {
            return Err(TraceError::Version(u32::try_from(version).unwrap_or(u32::MAX)));
        }
        let malformed = |error: serde_json::Error| TraceError::Line { line: 1, reason: error.to_string() };
        let header: TraceHeader = serde_json::from_value(value).map_err(malformed)?;
        if header.nodes.is_empty() || header.nodes.len() > TRACE_NODES_MAX {
            return Err(TraceError::Nodes(header.nodes.len()));
        }
        Ok(TraceReader { from, header, lines: 1, bytes: bytes.len() as u64, last_ms: 0, is_over: false })
    }

    /// The header.
    #[must_use]
    pub fn header(&self) -> &TraceHeader {
        &self.header
    }

    fn entry(&mut self) -> Result<Option<Entry>, TraceError> {
        let Some((bytes, is_whole)) = read_line(&mut self.from, self.lines + 1)? else { return Ok(None) };
        self.lines += 1;
        self.bytes += bytes.len() as u64;
        if self.lines > TRACE_ENTRIES_MAX as u64 + 1 || self.bytes > TRACE_BYTES_MAX {
            return Err(TraceError::TooLong);
        }
        let wrong = |reason: String| TraceError::Line { line: self.lines, reason };
        let mut entry: Entry = match serde_json::from_slice(&bytes) {
            Ok(entry) => entry,
            // Whoever recorded was interrupted.
            Err(_) if !is_whole => return Ok(None),
            Err(error) => return Err(wrong(error.to_string())),
        };
        if entry.node >= self.header.nodes.len() {
            return Err(wrong(format!(
                "there is no node {}; the header names {}",
                entry.node,
                self.header.nodes.len()
            )));
        }
        entry.at_ms = entry.at_ms.max(self.last_ms);
        self.last_ms = entry.at_ms;
        Ok(Some(entry))
    }
}

impl<R: BufRead> Iterator for TraceReader<R> {
    type Item = Result<Entry, TraceError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let entry = self.entry().transpose();
        self.is_over = !matches!(entry, Some(Ok(_)));
        entry
    }
}

/// A line without its end, and whether it had one; `None` at the end of the file.
fn read_line(from: &mut impl BufRead, number: u64) -> Result<Option<(Vec<u8>, bool)>, TraceError> {
    let mut bytes = Vec::new();
    from.take(TRACE_LINE_BYTES_MAX as u64 + 1).read_until(b'\n', &mut bytes)?;
    if bytes.is_empty() {
        return Ok(None);
    }
    let is_whole = bytes.last() == Some(&b'\n');
    if is_whole {
        bytes.pop();
    } else if bytes.len() > TRACE_LINE_BYTES_MAX {
        let reason = format!("it is longer than {TRACE_LINE_BYTES_MAX} bytes");
        return Err(TraceError::Line { line: number, reason });
    }
    Ok(Some((bytes, is_whole)))
}

#[cfg(test)]
mod tests;
