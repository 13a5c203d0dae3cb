//! Requests and answers: one frame each way on a stream of their own.

use super::frame::{read_frame, write_frame};
use bezant_consensus::ledger::codec::{decode, encode};
use bezant_consensus::message::Message;
use futures::{AsyncRead, AsyncWrite, AsyncWriteExt};
use libp2p::StreamProtocol;
use libp2p::request_response::Codec;
use std::io;

/// Reads and writes [`Message`]s for request-response.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct MessageCodec;

/// Whether a message asks for an answer.
pub(super) fn is_request(message: &Message) -> bool {
    !answer_name(message).is_empty()
}

/// The name of the message that answers `request`; empty for what is no request.
pub(super) fn answer_name(request: &Message) -> &'static str {
    match request {
        Message::GetCertified { .. } => "certified",
        Message::GetHeaders(_) => "headers",
        Message::GetBlocks(_) => "blocks",
        Message::GetTransactions(_) => "transactions",
        Message::GetSnapshot { .. } => "snapshot",
        Message::GetBuckets { .. } => "buckets",
        Message::GetSuccessions { .. } => "successions",
        Message::Transaction(_)
        | Message::TransactionBatch(_)
        | Message::PrePrepare(_)
        | Message::Vote(_)
        | Message::CompactPrePrepare(_)
        | Message::Tip(_)
        | Message::Certified(_)
        | Message::Headers(_)
        | Message::Blocks(_)
        | Message::Transactions(_)
        | Message::CompactBlock(_)
        | Message::ViewChange(_)
        | Message::NewView(_)
        | Message::Evidence(_)
        | Message::Overdue(_)
        | Message::Checkpoint(_)
        | Message::Checkpointed(_)
        | Message::Snapshot(_)
        | Message::Successions(_)
        | Message::Buckets(_) => "",
    }
}

/// A message with the length of its encoding.
#[derive(Debug)]
pub(super) struct Parcel {
    pub(super) message: Message,
    pub(super) bytes: usize,
    /// Empty on arrival.
    encoding: Vec<u8>,
}

impl Parcel {
    /// To be sent.
    pub(super) fn new(message: Message) -> Parcel {
        let encoding = encode(&message);
        Parcel { bytes: encoding.len(), message, encoding }
    }
}

async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Parcel> {
    let frame = read_frame(stream).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
    let message = decode(&frame).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    Ok(Parcel { message, bytes: frame.len(), encoding: Vec::new() })
}

async fn write<S: AsyncWrite + Unpin>(stream: &mut S, parcel: &Parcel) -> io::Result<()> {
    write_frame(stream, &parcel.encoding).await?;
    stream.close().await
}

impl Codec for MessageCodec {
    type Protocol = StreamProtocol;
    // What is malformed is handed on, so that its sender can be blamed: errors of this codec are reported to nobody.
    type Request = Result<Parcel, String>;
    type Response = Parcel;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Self::Request>
    where
        T: AsyncRead + Unpin + Send,
    {
        match read(io).await {
            Ok(request) if is_request(&request.message) => Ok(Ok(request)),
            Ok(other) => Ok(Err(format!("{} is no request", other.message.name()))),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(Err(error.to_string())),
            Err(error) => Err(error),
        }
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Parcel>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(io).await
    }

    async fn write_request<T>(&mut self, _: &StreamProtocol, io: &mut T, request: Self::Request) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, &request.map_err(io::Error::other)?).await
    }

    async fn write_response<T>(&mut self, _: &StreamProtocol, io: &mut T, response: Parcel) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, &response).await
    }
}
