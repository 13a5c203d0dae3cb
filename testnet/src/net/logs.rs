//! `testnet logs`: the nodes' logs, following them, and what of them is wanted.
//!
//! A line of a log begins with its time (RFC 3339) and its level, or is a JSON object with both. A line that does not, like those
//! of a panic, belongs to the one before it and has its time and level.

use crate::net::error::NetError;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Bytes read from a log at once.
const CHUNK_BYTES: u64 = 64 * 1024;

/// How serious a line is; the later, the more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Every step.
    Trace,
    /// For whoever looks for a fault.
    Debug,
    /// What happens.
    Info,
    /// What should not happen.
    Warn,
    /// What must not happen.
    Error,
}

impl FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Level, String> {
        Ok(match text.to_ascii_lowercase().as_str() {
            "trace" => Level::Trace,
            "debug" => Level::Debug,
            "info" => Level::Info,
            "warn" => Level::Warn,
            "error" => Level::Error,
            _ => return Err("trace, debug, info, warn or error is expected".to_owned()),
        })
    }
}

/// A line of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Milliseconds since 1970; those of the line before where a line has none.
    pub time_ms: Option<u64>,
    /// Likewise.
    pub level: Option<Level>,
    /// The whole line.
    pub text: String,
}

/// Which lines are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// At least as serious as this.
    pub level: Option<Level>,
    /// Containing this; case does not matter.
    pub text: Option<String>,
    /// Not before this, milliseconds since 1970.
    pub since_ms: Option<u64>,
}

impl Filter {
    /// Whether a line is wanted. What has no level or time of its own, and none before it, is never left out for that.
    #[must_use]
    pub fn wants(&self, line: &LogLine) -> bool {
        let contains = |text: &String| line.text.to_lowercase().contains(&text.to_lowercase());
        let is_serious = |least: Level| line.level.is_none_or(|level| level >= least);
        let is_young = |since_ms: u64| line.time_ms.is_none_or(|time_ms| time_ms >= since_ms);
        self.level.is_none_or(is_serious)
            && self.since_ms.is_none_or(is_young)
            && self.text.as_ref().is_none_or(contains)
    }
}

/// A place in a log that only grows.
#[derive(Debug)]
pub struct Follower {
    name: String,
    path: PathBuf,
    offset: u64,
    /// The start of a line whose end has not been written yet.
    partial: Vec<u8>,
    /// Time and level of the last line that had them.
    last: (Option<u64>, Option<Level>),
}

impl Follower {
    /// From the beginning of the log at `path`, of the node of that name.
    #[must_use]
    pub fn new(name: &str, path: &Path) -> Follower {
        Follower { name: name.to_owned(), path: path.to_owned(), offset: 0, partial: Vec::new(), last: (None, None) }
    }

    /// The node's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whole lines written since the last call.
    ///
    /// # Errors
    /// When the log cannot be read; a log that is not there yet is empty.
    pub fn lines(&mut self) -> Result<Vec<LogLine>, NetError> {
        loop {
            let read = read_from(&self.path, self.offset).map_err(NetError::io(&self.path))?;
            if read.is_empty() {
                break;
            }
            self.offset += read.len() as u64;
            self.partial.extend_from_slice(&read);
        }
        let Some(end) = self.partial.iter().rposition(|&byte| byte == b'\n') else { return Ok(Vec::new()) };
        let rest = self.partial.split_off(end + 1);
        let whole = std::mem::replace(&mut self.partial, rest);
        let text = String::from_utf8_lossy(&whole);
        Ok(text.lines().map(|line| self.line(line)).collect())
    }

    fn line(&mut self, text: &str) -> LogLine {
        if let Some((time_ms, level)) = head(text) {
            self.last = (Some(time_ms), level);
        }
        let (time_ms, level) = self.last;
        LogLine { time_ms, level, text: text.to_owned() }
    }
}

/// Time and level with which a line begins.
fn head(text: &str) -> Option<(u64, Option<Level>)> {
    if text.starts_with('{') {
        let value: serde_json::Value = serde_json::from_str(text).ok()?;
        let level = value["level"].as_str().and_then(|level| level.parse().ok());
        return Some((time_ms(value["timestamp"].as_str()?)?, level));
    }
    let mut words = text.split_whitespace();
    let time_ms = time_ms(words.next()?)?;
    Some((time_ms, words.next().and_then(|level| level.parse().ok())))
}

fn time_ms(text: &str) -> Option<u64> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    u64::try_from(time.unix_timestamp_nanos() / 1_000_000).ok()
}

/// A time as logs have it.
#[must_use]
pub fn timestamp(ms: u64) -> String {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000).ok();
    time.and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_else(|| ms.to_string())
}

fn read_from(path: &Path, offset: u64) -> std::io::Result<Vec<u8>> {
    let mut file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    file.seek(SeekFrom::Start(offset))?;
    let mut read = Vec::new();
    file.take(CHUNK_BYTES).read_to_end(&mut read)?;
    Ok(read)
}

#[cfg(test)]
mod tests;
