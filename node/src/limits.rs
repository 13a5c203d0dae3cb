//! Limits of the shell: every channel, queue and buffer that a peer or a user can fill.

use bezant_consensus::limits::MESSAGE_BYTES_MAX;
use std::time::Duration;

/// Commands to the network that wait to be carried out; beyond that messages are dropped and counted.
pub const NET_COMMANDS_MAX: usize = 4_096;
/// Events from the network that wait for verification; beyond that the network waits.
pub const NET_EVENTS_MAX: usize = 1_024;
/// Verified events that wait for the runtime, those with transactions and the others each; beyond that verification waits.
pub const VERIFIED_EVENTS_MAX: usize = 1_024;
/// Messages of one peer that wait for verification; beyond that they are dropped and counted.
pub const PEER_QUEUE_MESSAGES_MAX: usize = 2_048;
/// Bytes of one peer's messages that wait for verification; beyond that they are dropped and counted.
pub const PEER_QUEUE_BYTES_MAX: usize = 4 * MESSAGE_BYTES_MAX;
/// Bytes of all peers' messages together that wait for verification.
pub const QUEUES_BYTES_MAX: usize = 32 * MESSAGE_BYTES_MAX;
/// Hashes of recently verified transactions, whose signatures are not checked again inside a block.
pub const KNOWN_TRANSACTIONS_MAX: usize = 200_000;
/// Points of keys that signed recently, which need not be found again; a quarter of a kilobyte each.
pub const KEY_POINTS_MAX: usize = 16_384;
/// Requests of users that wait for the runtime; beyond that they are told that the node is busy.
pub const REQUESTS_MAX: usize = 1_024;
/// Transactions of users that wait to be verified, and that wait for their answer; beyond that they are told that the node is busy.
pub const USER_TRANSACTIONS_MAX: usize = 8_192;
/// With so many of them there they are told so, too, while those that are answered have waited ...
pub const USER_TRANSACTIONS_QUICK: usize = 1_024;
/// ... so long.
pub const USER_WAIT_MAX: Duration = Duration::from_millis(500);
/// Inputs that the runtime takes together, so that their records share one commit.
pub const INPUTS_PER_ROUND_MAX: usize = 64;
/// Transactions to be ordered that it takes with them, from when on it takes no more: some milliseconds' work.
pub const TRANSACTIONS_PER_ROUND: usize = 256;
/// Chain updates that wait for the writer of the state; beyond that the runtime waits.
pub const CHAIN_UPDATES_MAX: usize = 1_024;
/// Transactions of updates that are not flushed, so many that a start after a kill has to connect again; beyond that the runtime
/// waits, too.
pub const UNFLUSHED_TRANSACTIONS_MAX: usize = 20_000;
/// Events kept for subscribers that come back, and buffered for each.
pub const EVENTS_HELD_MAX: usize = 4_096;
/// Transactions whose fate is remembered after they left the mempool without being included.
pub const DROPPED_REMEMBERED_MAX: usize = 20_000;
/// Lock hashes in one question.
pub const LOCKS_PER_QUESTION_MAX: usize = 1_000;
/// Coins in one answer.
pub const COINS_PER_ANSWER_MAX: usize = 10_000;
/// History entries in one answer, some 300 bytes each.
pub const HISTORY_PER_ANSWER_MAX: usize = 10_000;
/// History entries in one answer, where the question does not say.
pub const HISTORY_PER_ANSWER: usize = 1_000;
/// Headers in one answer, of 80 bytes each before they are hex.
pub const HEADERS_PER_ANSWER_MAX: usize = 2_000;
/// Beginnings of epochs in one answer.
pub const EPOCHS_PER_ANSWER_MAX: usize = 64;
/// In one of how many blocks a transaction is wanted, where the question does not say.
pub const FEE_TARGET_DEFAULT: u32 = 6;
/// Transactions of the saved mempool that are verified, and handed to the runtime, together.
pub const RESTORE_BATCH: usize = 64;
/// Transactions that are copied for saving in one round of the runtime, so that no vote waits long.
pub const SAVE_BATCH: usize = 1_000;
/// The saved mempool as it is read at most; the mempool and what members hand over are far below.
pub const POOL_FILE_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// Least time between two savings of the mempool ...
pub const SAVE_INTERVAL_MS: u64 = 10_000;
/// ... and so much more for each MiB that it holds, so that a full one does not keep the disk busy.
pub const SAVE_INTERVAL_MS_PER_MIB: u64 = 1_000;
/// Mempool ids in one answer.
pub const MEMPOOL_IDS_PER_ANSWER_MAX: usize = 1_000;
/// How far `dev_time` moves the clock at once: 366 days.
pub(crate) const DEV_TIME_MS_MAX: u64 = 366 * 24 * 3_600 * 1_000;
/// Blocks that `dev_mine` makes at most.
pub const DEV_MINE_MAX: u32 = 1_000;
/// Read-only connections to the database, each serving one question at a time.
pub const READERS_MAX: usize = 4;
/// Messages that a lying member of a dev net holds back; beyond that they are lost.
pub const LIES_HELD_MAX: usize = 256;
/// How long a peer that was banned is kept out.
pub const BAN_MS: u64 = 60_000;
/// How long a question for a template may wait for a newer one. Below [`bezant_api::client::REQUEST_TIMEOUT`].
pub const TEMPLATE_WAIT_MAX_MS: u64 = 8_000;

/// Miners connected by Stratum at once.
pub const STRATUM_CONNECTIONS_MAX: usize = 512;
/// Of these from one address (of IPv6: from one /64).
pub const STRATUM_CONNECTIONS_PER_ADDRESS_MAX: usize = 64;
/// Bytes of a line; longer ones end the connection.
pub const STRATUM_LINE_BYTES_MAX: usize = 4_096;
/// Lines a second that a miner may send for long; more end the connection …
pub const STRATUM_LINES_PER_SECOND: u64 = 100;
/// … once it is so far ahead of that.
pub const STRATUM_LINES_BURST: u64 = 1_000;
/// Lines that wait for a miner that reads slowly; beyond that nothing is read from it.
pub const STRATUM_LINES_WAITING_MAX: usize = 64;
/// Bytes that the system keeps for it besides, about.
pub const STRATUM_SEND_BUFFER_BYTES: u32 = 64 * 1_024;
/// How long one line may wait, and take to be sent, until the connection ends.
pub const STRATUM_WRITE_TIMEOUT_MS: u64 = 5_000;
/// How long a miner may take until it has subscribed and is authorised.
pub const STRATUM_HANDSHAKE_MS: u64 = 30_000;
/// A miner that says nothing for so long is cut off.
pub const STRATUM_IDLE_MS: u64 = 600_000;
/// Lines that are no requests, and names that are refused, until the connection ends.
pub const STRATUM_FAULTS_MAX: u32 = 8;
/// A miner is told of another template of the same parent at most this often.
pub const STRATUM_JOB_SPACING_MS: u64 = 4_000;
/// A miner is told of a job at least this often: some stop when they hear of none for two minutes.
pub const STRATUM_JOB_EVERY_MS: u64 = 30_000;
/// Jobs of the present parent whose shares are taken, for one connection.
pub const STRATUM_JOBS_HELD: usize = 8;
/// Shares of those jobs that are remembered, so that none counts twice; further ones are refused until the next block.
pub const STRATUM_SHARES_REMEMBERED: usize = 2_048;
/// How far ahead of its job's time a miner may put a header's.
pub const STRATUM_TIME_ROLL_MAX_S: u32 = 600;
/// Version bits that miners may roll (BIP 320).
pub const STRATUM_VERSION_MASK: u32 = 0x1fff_e000;
/// From so many judged shares on it counts how many of them were refused …
pub const STRATUM_JUDGED_MIN: u32 = 50;
/// … and more than these of a hundred ban the address. Stale ones do not count: networks are slow.
pub const STRATUM_REFUSED_PERCENT_MAX: u32 = 50;
/// For how long.
pub const STRATUM_BAN_MS: u64 = 60_000;
/// Banned addresses that are remembered.
pub const STRATUM_BANS_MAX: usize = 4_096;

const _: () = assert!(PEER_QUEUE_BYTES_MAX >= MESSAGE_BYTES_MAX);
const _: () = assert!(QUEUES_BYTES_MAX >= PEER_QUEUE_BYTES_MAX);
const _: () = assert!(INPUTS_PER_ROUND_MAX <= VERIFIED_EVENTS_MAX);
// A job is told of before the engine forgets its template: at most one is made in a second.
const _: () = assert!(STRATUM_JOB_SPACING_MS / 1_000 < bezant_consensus::pow::TEMPLATES_MAX as u64);
const _: () = assert!(STRATUM_JOB_SPACING_MS < STRATUM_JOB_EVERY_MS && STRATUM_HANDSHAKE_MS < STRATUM_IDLE_MS);
// The longest line that the server says is a job with all neighbours that there may be.
const _: () = assert!(bezant_consensus::limits::MERKLE_SIBLINGS_MAX * 67 + 1_024 < STRATUM_LINE_BYTES_MAX);
