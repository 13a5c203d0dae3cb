//! `testnet logs`: the nodes' logs, and following them.

use crate::net::error::NetError;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// Bytes read from a log at once.
const CHUNK_BYTES: u64 = 64 * 1024;

/// A place in a log that only grows.
#[derive(Debug)]
pub struct Follower {
    name: String,
    path: std::path::PathBuf,
    offset: u64,
    /// The start of a line whose end has not been written yet.
    partial: Vec<u8>,
}

impl Follower {
    /// From the beginning of the log at `path`, of the node of that name.
    #[must_use]
    pub fn new(name: &str, path: &Path) -> Follower {
        Follower { name: name.to_owned(), path: path.to_owned(), offset: 0, partial: Vec::new() }
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
    pub fn lines(&mut self) -> Result<Vec<String>, NetError> {
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
        Ok(String::from_utf8_lossy(&whole).lines().map(str::to_owned).collect())
    }
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
