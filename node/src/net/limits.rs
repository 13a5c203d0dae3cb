//! Every limit of the network layer, in one place. What a peer can fill is bounded by one of these.

use bezant_consensus::limits::{BATCH_BYTES_MAX, BLOCK_BYTES_MAX, MESSAGE_BYTES_MAX};
use std::time::Duration;

/// Bytes of one frame on a direct stream, of a request and of an answer.
pub(super) const FRAME_BYTES_MAX: usize = MESSAGE_BYTES_MAX;
/// A frame's buffer grows in steps of this many bytes as they arrive: a length alone allocates nothing.
pub(super) const FRAME_STEP_BYTES: usize = 64 * 1024;
/// Bytes of one gossiped transaction or batch of them, its message tag included.
pub(super) const GOSSIP_TRANSACTION_BYTES_MAX: usize = BATCH_BYTES_MAX + 16;
/// Bytes of one gossiped block, its message tag included.
pub(super) const GOSSIP_BLOCK_BYTES_MAX: usize = BLOCK_BYTES_MAX + 16;
/// Bytes of one gossiped vote or proposal.
pub(super) const GOSSIP_VOTE_BYTES_MAX: usize = MESSAGE_BYTES_MAX;
/// Bytes of one gossipsub frame on the wire: the largest message and room for its envelope.
pub(super) const GOSSIP_FRAME_BYTES_MAX: usize = MESSAGE_BYTES_MAX + 64 * 1024;

/// How long gossip that was published is remembered: as long as gossipsub refuses to publish it again.
pub(super) const GOSSIPED_REMEMBERED_FOR: Duration = Duration::from_secs(60);
/// How many such messages are remembered.
pub(super) const GOSSIPED_REMEMBERED_MAX: usize = 16_384;

/// A frame that was begun is read or written in this time, or its stream ends.
pub(super) const FRAME_TIMEOUT: Duration = Duration::from_secs(20);
/// The other side greets a new stream in this time, or it is opened again.
pub(super) const GREETING_TIMEOUT: Duration = Duration::from_secs(5);
/// Pause before a stream that failed is opened again.
pub(super) const STREAM_RETRY: Duration = Duration::from_millis(100);
/// Incoming direct streams of one peer: its present one, and one that is just ending.
pub(super) const STREAMS_PER_PEER_MAX: usize = 2;

/// Frames that wait for one peer; a peer that lets more pile up is disconnected.
pub(super) const QUEUE_FRAMES_MAX: usize = 4_096;
/// Bytes that wait for one peer; a peer that lets more pile up is disconnected.
pub(super) const QUEUE_BYTES_MAX: usize = 4 * MESSAGE_BYTES_MAX;
/// Frames read from all peers that wait for the loop of this layer.
pub(super) const INBOX_FRAMES_MAX: usize = 16;
/// Events that wait for the executor; while there are more, nothing is read from the network.
pub(super) const EVENTS_WAITING_MAX: usize = 256;
/// Bytes of messages among those events; likewise.
pub(super) const EVENTS_WAITING_BYTES_MAX: usize = 8 * MESSAGE_BYTES_MAX;

/// Dev nets: messages that the faults of one link hold back; what is beyond is lost, and counted.
pub(super) const HELD_MESSAGES_MAX: usize = 4_096;
/// Dev nets: bytes that the faults of one link hold back; likewise.
pub(super) const HELD_BYTES_MAX: usize = 4 * MESSAGE_BYTES_MAX;
/// Dev nets: how much longer, at least and at most, a message waits that is to be overtaken.
pub(super) const REORDER_HOLD: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(100));
/// Dev nets: gossip that came late and waits to be judged; what is beyond is heard and not passed on.
pub(super) const LATE_GOSSIP_MAX: usize = 1_024;
/// Dev nets: bytes of that gossip; likewise.
pub(super) const LATE_GOSSIP_BYTES_MAX: usize = 4 * MESSAGE_BYTES_MAX;

/// A request to a peer is answered in this time, or reported as unanswered.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(4);
/// Requests of one peer that wait for the executor's answer.
pub(super) const REQUESTS_PER_PEER_MAX: usize = 8;
/// Request streams of one connection.
pub(super) const REQUEST_STREAMS_MAX: usize = 16;

/// Messages a second that a peer may send in the long run.
pub(super) const MESSAGES_PER_S: u32 = 20_000;
/// Bytes a second that a peer may send in the long run.
pub(super) const BYTES_PER_S: u32 = 64 * 1024 * 1024;
/// Seconds of its rate that a peer may send at once.
pub(super) const BURST_S: u32 = 2;
/// Gossip over the rate is ignored; a peer that sends so many messages over it, without a second of rest, is cut off.
pub(super) const OVER_RATE_MAX: u32 = 10_000;

/// Malformed messages after which a peer is disconnected and kept out for [`MALFORMED_BAN`].
pub(super) const MALFORMED_MAX: u32 = 3;
/// How long a peer that sends malformed bytes is kept out.
pub(super) const MALFORMED_BAN: Duration = Duration::from_secs(60);
/// Identities kept out at once; the one that would return first makes room.
pub(super) const BANS_MAX: usize = 1_024;

/// A connection proves that it belongs to this net in this time, or it is closed.
pub(super) const ADMISSION_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections of one identity: both sides may dial at the same time.
pub(super) const CONNECTIONS_PER_PEER_MAX: u32 = 2;
/// Incoming connections that are being set up.
pub(super) const CONNECTIONS_PENDING_MAX: u32 = 32;
/// Peers found by discovery are dialled only while fewer than this are connected.
pub(super) const DISCOVERED_PEERS_WANTED: usize = 12;
/// Addresses taken from one peer's identification.
pub(super) const ADDRESSES_PER_PEER_MAX: usize = 8;

/// First pause before a static peer is dialled again.
pub(super) const REDIAL_MIN: Duration = Duration::from_millis(250);
/// Longest pause before a static peer is dialled again.
pub(super) const REDIAL_MAX: Duration = Duration::from_secs(15);
/// Longest such pause on dev nets, where everything is one machine and nodes come and go.
pub(super) const REDIAL_DEV_MAX: Duration = Duration::from_secs(1);

/// Time between pings of one connection.
pub(super) const PING_INTERVAL: Duration = Duration::from_secs(5);

const _: () = assert!(GOSSIP_VOTE_BYTES_MAX < GOSSIP_FRAME_BYTES_MAX);
const _: () = assert!(GOSSIP_BLOCK_BYTES_MAX < GOSSIP_FRAME_BYTES_MAX);
const _: () = assert!(FRAME_BYTES_MAX < QUEUE_BYTES_MAX);
const _: () = assert!(2 * FRAME_BYTES_MAX < HELD_BYTES_MAX);
const _: () = assert!(FRAME_BYTES_MAX < BYTES_PER_S as usize);
