//! Transfers signed ahead, in a file: written once, read as a stream, never whole in memory.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | [`MAGIC`] |
//! | 4 | [`VERSION`] |
//! | 32 | id of the net that they were signed for |
//! | 8 | number of transfers |
//! | 8 | bytes of all that follows |
//!
//! Then, for each transfer: 2 bytes of length, 8 bytes of its id, and its encoding. Numbers are little-endian. The length says of a file
//! that was cut off, before anything of it is sent.

use super::sign::{CHUNK, Ready, Transfers};
use crate::net::error::NetError;
use bezant_consensus::ledger::hash::NetworkId;
use bezant_consensus::limits::TRANSACTION_BYTES_MAX;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use tokio::sync::mpsc;

const MAGIC: [u8; 8] = *b"bzt-load";
/// The format that this program writes and reads.
const VERSION: u32 = 1;
const HEADER_BYTES: u64 = 8 + 4 + 32 + 8 + 8;
/// Bytes of one transfer; those of `load` have some 300.
const TRANSFER_BYTES_MAX: usize = 4_096;
/// Chunks that are read and not yet sent, at most.
const CHUNKS_AHEAD_MAX: usize = 8;
const BUFFER_BYTES: usize = 256 * 1024;

const _: () = assert!(TRANSFER_BYTES_MAX <= TRANSACTION_BYTES_MAX && TRANSFER_BYTES_MAX <= u16::MAX as usize);

/// What the head of a file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) network: NetworkId,
    pub(super) count: u64,
    bytes: u64,
}

impl Header {
    fn encode(&self) -> Vec<u8> {
        let numbers = [self.count.to_le_bytes(), self.bytes.to_le_bytes()].concat();
        [&MAGIC[..], &VERSION.to_le_bytes(), &self.network.0, &numbers].concat()
    }

    fn read(from: &mut impl Read) -> Result<Header, String> {
        let no_load = || "it holds no transfers of `bezant testnet load --sign-to`".to_owned();
        let magic: [u8; 8] = take(from).map_err(|_| no_load())?;
        if magic != MAGIC {
            return Err(no_load());
        }
        let short = |_| "it ends within its head; sign it again".to_owned();
        let version = u32::from_le_bytes(take(from).map_err(short)?);
        if version != VERSION {
            return Err(format!("its format is {version}, this program reads {VERSION}; sign it again"));
        }
        let network = NetworkId(take(from).map_err(short)?);
        let count = u64::from_le_bytes(take(from).map_err(short)?);
        Ok(Header { network, count, bytes: u64::from_le_bytes(take(from).map_err(short)?) })
    }
}

fn take<const N: usize>(from: &mut impl Read) -> std::io::Result<[u8; N]> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Writes all transfers to `path`, which becomes a file once it is whole; returns how many.
pub(super) async fn write(path: &Path, network: NetworkId, mut transfers: Transfers) -> Result<u64, NetError> {
    let partial = path.with_added_extension("part");
    let fault = |error| NetError::Io { path: partial.clone(), error };
    let mut header = Header { network, count: 0, bytes: 0 };
    let mut file = BufWriter::with_capacity(BUFFER_BYTES, File::create(&partial).map_err(fault)?);
    file.write_all(&header.encode()).map_err(fault)?;
    while let Some(Ready { id, bytes }) = transfers.next().await? {
        let length = u16::try_from(bytes.len()).expect("a transfer has some 300 bytes");
        let parts = [&length.to_le_bytes()[..], &id.to_le_bytes(), &bytes];
        parts.into_iter().try_for_each(|part| file.write_all(part)).map_err(fault)?;
        header.count += 1;
        header.bytes += 2 + 8 + bytes.len() as u64;
    }
    let mut file = file.into_inner().map_err(|error| fault(error.into_error()))?;
    file.seek(SeekFrom::Start(0)).and_then(|_| file.write_all(&header.encode())).map_err(fault)?;
    file.sync_all().map_err(fault)?;
    std::fs::rename(&partial, path).map_err(NetError::io(path))?;
    Ok(header.count)
}

/// A file whose head is read and right.
#[derive(Debug)]
pub(super) struct Opened {
    path: PathBuf,
    pub(super) header: Header,
    file: BufReader<File>,
}

impl Opened {
    /// Opens a file of the net with that id.
    pub(super) fn open(path: &Path, network: &NetworkId) -> Result<Opened, NetError> {
        let file = File::open(path).map_err(NetError::io(path))?;
        let length = file.metadata().map_err(NetError::io(path))?.len();
        let mut file = BufReader::with_capacity(BUFFER_BYTES, file);
        let header =
            Header::read(&mut file).map_err(|reason| NetError::BadTransfers { file: path.to_owned(), reason })?;
        let refuse = |reason: String| Err(NetError::BadTransfers { file: path.to_owned(), reason });
        if header.network != *network {
            return refuse(format!(
                "its transfers are signed for the net with id {}, this one has {network}; sign others with --sign-to",
                header.network
            ));
        }
        if Some(length) != header.bytes.checked_add(HEADER_BYTES) {
            let bytes = header.bytes.saturating_add(HEADER_BYTES);
            return refuse(format!("it has {length} bytes, {bytes} are expected; copy it again, or sign it again"));
        }
        Ok(Opened { path: path.to_owned(), header, file })
    }

    /// The next transfer; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Ready>, NetError> {
        if self.header.count == 0 {
            return Ok(None);
        }
        self.header.count -= 1;
        self.read_one().map(Some).map_err(|reason| NetError::BadTransfers { file: self.path.clone(), reason })
    }

    fn read_one(&mut self) -> Result<Ready, String> {
        let short = |_| "it ends before its last transfer; sign it again".to_owned();
        let length = usize::from(u16::from_le_bytes(take(&mut self.file).map_err(short)?));
        if length > TRANSFER_BYTES_MAX {
            return Err(format!(
                "a transfer has {length} bytes, at most {TRANSFER_BYTES_MAX} are expected; sign it again"
            ));
        }
        let id = u64::from_le_bytes(take(&mut self.file).map_err(short)?);
        let mut bytes = vec![0; length];
        self.file.read_exact(&mut bytes).map_err(short)?;
        Ok(Ready { id, bytes })
    }

    /// All that is left of it, read as it is wanted, on a thread of its own.
    pub(super) fn stream(mut self) -> Transfers {
        let (sender, chunks) = mpsc::channel(CHUNKS_AHEAD_MAX);
        tokio::task::spawn_blocking(move || {
            loop {
                let chunk: Result<Vec<Ready>, NetError> = (0..CHUNK).map_while(|_| self.next().transpose()).collect();
                let is_over = chunk.as_ref().map_or(true, |chunk| chunk.len() < CHUNK);
                // Whoever wanted them may have given up.
                if sender.blocking_send(chunk).is_err() || is_over {
                    return;
                }
            }
        });
        Transfers::of(chunks)
    }
}
