//! Limits of the shell: every channel, queue and buffer that a peer or a user can fill.

use bezant_consensus::limits::MESSAGE_BYTES_MAX;

/// Commands to the network that wait to be carried out; beyond that messages are dropped and counted.
pub const NET_COMMANDS_MAX: usize = 4_096;
/// Events from the network that wait for verification; beyond that the network waits.
pub const NET_EVENTS_MAX: usize = 1_024;
/// Verified events that wait for the runtime; beyond that verification waits.
pub const VERIFIED_EVENTS_MAX: usize = 1_024;
/// Messages of one peer that wait for verification; beyond that they are dropped and counted.
pub const PEER_QUEUE_MESSAGES_MAX: usize = 2_048;
/// Bytes of one peer's messages that wait for verification; beyond that they are dropped and counted.
pub const PEER_QUEUE_BYTES_MAX: usize = 4 * MESSAGE_BYTES_MAX;
/// Bytes of all peers' messages together that wait for verification.
pub const QUEUES_BYTES_MAX: usize = 32 * MESSAGE_BYTES_MAX;
/// Hashes of recently verified transactions, whose signatures are not checked again inside a block.
pub const KNOWN_TRANSACTIONS_MAX: usize = 200_000;
/// Requests of users that wait for the runtime; beyond that they are told that the node is busy.
pub const REQUESTS_MAX: usize = 1_024;
/// Inputs that the runtime takes together, so that their records share one commit.
pub const INPUTS_PER_ROUND_MAX: usize = 64;
/// Chain updates that wait for the writer of the state; beyond that the runtime waits.
pub const CHAIN_UPDATES_MAX: usize = 1_024;
/// Events kept for subscribers that come back, and buffered for each.
pub const EVENTS_HELD_MAX: usize = 4_096;
/// Transactions whose fate is remembered after they left the mempool without being included.
pub const DROPPED_REMEMBERED_MAX: usize = 20_000;
/// Lock hashes in one question.
pub const LOCKS_PER_QUESTION_MAX: usize = 1_000;
/// Coins in one answer.
pub const COINS_PER_ANSWER_MAX: usize = 10_000;
/// History entries in one answer.
pub const HISTORY_PER_ANSWER_MAX: usize = 1_000;
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
/// Blocks that `dev_mine` makes at most.
pub const DEV_MINE_MAX: u32 = 1_000;
/// Read-only connections to the database, each serving one question at a time.
pub const READERS_MAX: usize = 4;
/// Messages that a lying member of a dev net holds back; beyond that they are lost.
pub const LIES_HELD_MAX: usize = 256;
/// How long a peer that was banned is kept out.
pub const BAN_MS: u64 = 60_000;

const _: () = assert!(PEER_QUEUE_BYTES_MAX >= MESSAGE_BYTES_MAX);
const _: () = assert!(QUEUES_BYTES_MAX >= PEER_QUEUE_BYTES_MAX);
const _: () = assert!(INPUTS_PER_ROUND_MAX <= VERIFIED_EVENTS_MAX);
