//! Limits of the RPC server.

use std::time::Duration;

/// Bytes of a request: a transaction in hex, or a thousand lock hashes, and room.
pub(super) const REQUEST_BYTES_MAX: u32 = 1024 * 1024;
/// Bytes of an answer: the largest block in hex with its certificate, or the largest genesis file.
pub(super) const RESPONSE_BYTES_MAX: u32 = 32 * 1024 * 1024;
/// Requests in one batch.
pub(super) const BATCH_REQUESTS_MAX: u32 = 64;
/// Subscriptions of one connection.
pub(super) const SUBSCRIPTIONS_PER_CONNECTION_MAX: u32 = 16;
/// Messages that wait for one WebSocket connection; beyond that its subscriptions wait, and miss events in the end.
pub(super) const MESSAGES_WAITING_MAX: u32 = 256;
/// A connection that asks nothing at first is closed after this time.
pub(super) const FIRST_REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// How long `dev_mine` may take.
pub(super) const DEV_MINE_TIMEOUT: Duration = Duration::from_secs(120);
/// How long open connections may take to end when the server stops.
pub(super) const STOP_TIMEOUT: Duration = Duration::from_secs(3);

// Many transfers of one input and two outputs, some 600 digits each.
const _: () = assert!(REQUEST_BYTES_MAX as usize > bezant_api::types::SUBMIT_MANY_MAX * 1_024);
const _: () = assert!(bezant_api::types::SUBMIT_MANY_MAX <= crate::limits::REQUESTS_MAX);
const _: () = assert!(REQUEST_BYTES_MAX as usize > 2 * bezant_consensus::limits::TRANSACTION_BYTES_MAX + 1024);
const _: () = assert!(RESPONSE_BYTES_MAX as usize > 2 * bezant_consensus::limits::MESSAGE_BYTES_MAX + 1024);
