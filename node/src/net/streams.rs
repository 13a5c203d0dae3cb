//! Direct streams: one warm outgoing stream per peer, fed from a bounded queue, and readers for what peers open.
//!
//! The side that opens a stream writes a hello frame and then messages; the other side writes one byte, the greeting, once it
//! listens, and nothing else. Without the greeting nothing is sent, so a stream that the other side had no room for loses
//! no message. What is lost with a breaking connection is sent again by the protocol above.

use super::frame::{read_body, read_frame, read_length, write_frame};
use super::hello;
use super::limits::{FRAME_TIMEOUT, GREETING_TIMEOUT, QUEUE_BYTES_MAX, QUEUE_FRAMES_MAX, STREAM_RETRY};
use super::rate::Allowance;
use bezant_consensus::ledger::codec::decode;
use bezant_consensus::ledger::hash::NetworkId;
use bezant_consensus::ledger::key::PublicKey;
use bezant_consensus::message::Message;
use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::{PeerId, Stream, StreamProtocol};
use libp2p_stream::{Control, OpenStreamError};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::time::timeout;

const GREETING: u8 = 1;

/// An encoded message; the same bytes serve every peer.
pub(super) type Frame = Arc<[u8]>;

/// The entrance to the queue of one peer.
#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    frames: mpsc::Sender<Frame>,
    waiting_bytes: Arc<AtomicUsize>,
}

/// The exit of the queue of one peer.
#[derive(Debug)]
pub(super) struct Queue {
    frames: mpsc::Receiver<Frame>,
    waiting_bytes: Arc<AtomicUsize>,
}

/// What became of a frame for a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Queued {
    /// It waits to be written.
    Waiting,
    /// The peer reads too slowly.
    Full,
    /// There is no stream to this peer and there will be none.
    Closed,
}

/// An empty queue.
pub(super) fn queue() -> (Outgoing, Queue) {
    let (sender, receiver) = mpsc::channel(QUEUE_FRAMES_MAX);
    let waiting_bytes = Arc::new(AtomicUsize::new(0));
    let outgoing = Outgoing { frames: sender, waiting_bytes: waiting_bytes.clone() };
    (outgoing, Queue { frames: receiver, waiting_bytes })
}

impl Outgoing {
    /// Queues a frame.
    pub(super) fn send(&self, frame: Frame) -> Queued {
        let bytes = frame.len();
        if self.waiting_bytes.load(Ordering::Relaxed) + bytes > QUEUE_BYTES_MAX {
            return Queued::Full;
        }
        self.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        let Err(error) = self.frames.try_send(frame) else { return Queued::Waiting };
        self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
        match error {
            mpsc::error::TrySendError::Full(_) => Queued::Full,
            mpsc::error::TrySendError::Closed(_) => Queued::Closed,
        }
    }
}

impl Queue {
    fn taken(&self, frame: Frame) -> Frame {
        self.waiting_bytes.fetch_sub(frame.len(), Ordering::Relaxed);
        frame
    }

    async fn next(&mut self) -> Option<Frame> {
        let frame = self.frames.recv().await?;
        Some(self.taken(frame))
    }

    fn next_now(&mut self) -> Option<Frame> {
        let frame = self.frames.try_recv().ok()?;
        Some(self.taken(frame))
    }
}

/// Keeps a stream to `peer` open and writes what is queued, until the queue is closed or the peer has no such protocol.
pub(super) async fn write_to(
    mut control: Control,
    peer: PeerId,
    protocol: StreamProtocol,
    hello: Frame,
    mut queue: Queue,
) {
    while !queue.frames.is_closed() {
        let opened = timeout(GREETING_TIMEOUT, open(&mut control, peer, protocol.clone(), &hello)).await;
        match opened {
            Ok(Ok(stream)) => match pump(stream, &mut queue).await {
                Ok(()) => return,
                Err(error) => tracing::debug!(%peer, %error, "direct stream lost"),
            },
            Ok(Err(OpenStreamError::UnsupportedProtocol(_))) => {
                tracing::debug!(%peer, "no direct streams with this peer; gossip and requests remain");
                return;
            }
            Ok(Err(error)) => tracing::debug!(%peer, %error, "direct stream not opened"),
            Err(_) => tracing::debug!(%peer, "direct stream not greeted"),
        }
        tokio::time::sleep(STREAM_RETRY).await;
    }
}

async fn open(
    control: &mut Control,
    peer: PeerId,
    protocol: StreamProtocol,
    hello: &[u8],
) -> Result<Stream, OpenStreamError> {
    let mut stream = control.open_stream(peer, protocol).await?;
    write_frame(&mut stream, hello).await?;
    stream.flush().await?;
    let mut greeting = [0u8; 1];
    stream.read_exact(&mut greeting).await?;
    if greeting == [GREETING] { Ok(stream) } else { Err(io::Error::from(io::ErrorKind::InvalidData).into()) }
}

/// Writes until the queue is closed (`Ok`) or the stream fails. The other side says nothing after its greeting, so anything
/// that can be read means that the stream is over.
async fn pump(stream: Stream, queue: &mut Queue) -> io::Result<()> {
    let (mut reader, mut writer) = stream.split();
    let mut nothing = [0u8; 1];
    loop {
        let frame = tokio::select! {
            frame = queue.next() => frame,
            end = reader.read(&mut nothing) => return Err(end.err().unwrap_or(io::ErrorKind::UnexpectedEof.into())),
        };
        let Some(frame) = frame else { return writer.close().await };
        write_burst(&mut writer, queue, &frame).await?;
    }
}

/// Writes a frame and all that wait behind it, then flushes.
async fn write_burst<W: futures::AsyncWrite + Unpin>(
    writer: &mut W,
    queue: &mut Queue,
    first: &[u8],
) -> io::Result<()> {
    let late = |_| io::Error::from(io::ErrorKind::TimedOut);
    timeout(FRAME_TIMEOUT, write_frame(writer, first)).await.map_err(late)??;
    while let Some(frame) = queue.next_now() {
        timeout(FRAME_TIMEOUT, write_frame(writer, &frame)).await.map_err(late)??;
    }
    timeout(FRAME_TIMEOUT, writer.flush()).await.map_err(late)?
}

/// What readers find.
#[derive(Debug)]
pub(super) enum Inbound {
    /// A stream was opened properly.
    Hello { peer: PeerId, validator: Option<PublicKey> },
    /// A message.
    Message { peer: PeerId, message: Box<Message>, bytes: usize },
    /// Bytes that no correct peer sends; the stream is over.
    Malformed { peer: PeerId, reason: String },
    /// A stream is over.
    Ended { peer: PeerId },
}

/// Reads a stream that `peer` opened until it ends or sends something malformed, no faster than the peer is allowed to send.
pub(super) async fn read_from(peer: PeerId, mut stream: Stream, network: NetworkId, inbox: mpsc::Sender<Inbound>) {
    if let Err(error) = read_all(peer, &mut stream, &network, &inbox).await {
        let reason = error.to_string();
        let faulty = [io::ErrorKind::InvalidData, io::ErrorKind::UnexpectedEof, io::ErrorKind::TimedOut];
        if faulty.contains(&error.kind()) {
            // A closed inbox means that the node stops.
            let _ = inbox.send(Inbound::Malformed { peer, reason }).await;
        } else {
            tracing::debug!(%peer, reason, "incoming direct stream lost");
        }
    }
    let _ = inbox.send(Inbound::Ended { peer }).await;
}

async fn read_all(
    peer: PeerId,
    stream: &mut Stream,
    network: &NetworkId,
    inbox: &mpsc::Sender<Inbound>,
) -> io::Result<()> {
    let malformed = |reason: String| io::Error::new(io::ErrorKind::InvalidData, reason);
    let stopped = |_| io::Error::from(io::ErrorKind::BrokenPipe);
    let late = |_| io::Error::new(io::ErrorKind::TimedOut, "a frame was begun and not finished");
    let hello = timeout(FRAME_TIMEOUT, read_frame(stream)).await.map_err(late)??;
    let Some(hello) = hello else { return Ok(()) };
    let validator = hello::check(network, &peer, &hello).map_err(malformed)?;
    stream.write_all(&[GREETING]).await?;
    stream.flush().await?;
    inbox.send(Inbound::Hello { peer, validator }).await.map_err(stopped)?;
    let mut allowance = Allowance::new(Instant::now());
    while let Some(length) = read_length(stream).await? {
        let frame = timeout(FRAME_TIMEOUT, read_body(stream, length)).await.map_err(late)??;
        let message: Box<Message> = decode(&frame).map(Box::new).map_err(|error| malformed(error.to_string()))?;
        let bytes = frame.len();
        inbox.send(Inbound::Message { peer, message, bytes }).await.map_err(stopped)?;
        let pause = allowance.take(Instant::now(), bytes);
        if pause > Duration::ZERO {
            tokio::time::sleep(pause).await;
        }
    }
    Ok(())
}
