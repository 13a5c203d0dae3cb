//! Frames: a length (u32, big-endian) and that many bytes, the borsh encoding of one message.
//!
//! The length is checked before anything is allocated, and the buffer grows as bytes arrive.

use super::limits::{FRAME_BYTES_MAX, FRAME_STEP_BYTES};
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use std::io;

/// Reads one frame; `None` when the stream ends between frames.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] when the length is over the limit, [`io::ErrorKind::UnexpectedEof`] when the frame is cut
/// short, and whatever the stream says.
pub(super) async fn read_frame<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Option<Vec<u8>>> {
    match read_length(stream).await? {
        Some(length) => read_body(stream, length).await.map(Some),
        None => Ok(None),
    }
}

/// Reads a frame's length; `None` when the stream ends before its first byte.
pub(super) async fn read_length<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Option<usize>> {
    let mut prefix = [0u8; 4];
    let mut have = 0;
    while have < prefix.len() {
        match stream.read(&mut prefix[have..]).await? {
            0 if have == 0 => return Ok(None),
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => have += read,
        }
    }
    let length = u32::from_be_bytes(prefix) as usize;
    if length > FRAME_BYTES_MAX {
        let problem = format!("frame of {length} bytes, at most {FRAME_BYTES_MAX} are allowed");
        return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
    }
    Ok(Some(length))
}

/// Reads the body of a frame whose length was checked.
pub(super) async fn read_body<S: AsyncRead + Unpin>(stream: &mut S, length: usize) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    while body.len() < length {
        let start = body.len();
        body.resize(length.min(start + FRAME_STEP_BYTES), 0);
        stream.read_exact(&mut body[start..]).await?;
    }
    Ok(body)
}

/// Writes one frame without flushing.
///
/// # Errors
/// [`io::ErrorKind::InvalidInput`] when the body is over the limit, and whatever the stream says.
pub(super) async fn write_frame<S: AsyncWrite + Unpin>(stream: &mut S, body: &[u8]) -> io::Result<()> {
    if body.len() > FRAME_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a message is over the limit of a frame"));
    }
    let length = u32::try_from(body.len()).expect("the limit is below 4 GiB");
    stream.write_all(&length.to_be_bytes()).await?;
    stream.write_all(body).await
}
