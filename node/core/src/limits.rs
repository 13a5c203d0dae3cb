//! Every limit of the replica's own, in one place: all that a peer or a user can fill has one here.

/// Bytes of all transactions in the mempool, unless configured.
pub const MEMPOOL_BYTES_MAX_DEFAULT: usize = 64 * 1024 * 1024;
/// Transactions in the mempool, unless configured.
pub const MEMPOOL_COUNT_MAX_DEFAULT: usize = 100_000;
/// How long a transaction may wait after it became ready, unless configured: three days.
pub const MEMPOOL_EXPIRY_MS_DEFAULT: u64 = 3 * 24 * 60 * 60 * 1_000;
/// Unconfirmed transactions that may depend on each other, unless configured.
pub const MEMPOOL_CHAIN_MAX_DEFAULT: usize = 25;
/// What may be configured for [`MEMPOOL_CHAIN_MAX_DEFAULT`] at most: larger clusters are not put in the best order.
pub const CLUSTER_ORDERED_MAX: usize = 128;
/// Entries whose clusters may wait to be put in order, where blocks are filled in the order of arrival.
pub const LOOSE_MAX: usize = 4_096;

/// Transactions of a package: a child that pays, with what it spends from.
pub const PACKAGE_COUNT_MAX: usize = 25;
/// Bytes of a package.
pub const PACKAGE_BYTES_MAX: usize = 400_000;
/// Children that are tried with a parent whose own fee is too low, when it comes from a peer.
pub const PACKAGE_TRIES_MAX: usize = 16;

/// Transactions that a replacement may displace, those included that spend from what is replaced.
pub const REPLACED_MAX: usize = 100;
/// Transactions of all clusters that a replacement touches: what is put in order anew to judge it.
pub const REPLACEMENT_TOUCHED_MAX: usize = 2_500;
/// What a replacement pays at least for each 1,000 bytes beyond what it displaces, in grains, where the least fee is lower.
pub const REPLACEMENT_FEE_RATE_MIN: u64 = 1;

/// The rolling minimum halves in this time while the mempool is at least half full, ...
pub const FLOOR_HALF_LIFE_MS: u64 = 20 * 60 * 1_000;
/// ... so many times faster below one half ...
pub const FLOOR_SPEED_BELOW_HALF: u64 = 2;
/// ... and below one quarter.
pub const FLOOR_SPEED_BELOW_QUARTER: u64 = 4;

/// Blocks that are looked back at to estimate a fee rate.
pub const ESTIMATE_BLOCKS: usize = 6;
/// The furthest target of an estimate, in blocks.
pub const ESTIMATE_TARGET_MAX: u32 = 100;
/// No estimate is above the least fee rate times this, ...
pub const ESTIMATE_MULTIPLE_MAX: u64 = 100;
/// ... where a least fee rate below this, in grains per 1,000 bytes, counts as this.
pub const ESTIMATE_BASE_MIN: u64 = 1_000;

/// Transactions that did not fit after which a selection gives up looking for smaller ones.
pub const SELECT_MISSES_MAX: usize = 500;

/// Under PBFT, users are asked to come back later while at least so many transactions wait to be ordered ...
pub const BACKLOG_COUNT_MIN: usize = 2_000;
/// ... and the first of them has waited so long.
pub const BACKLOG_MS: u64 = 1_000;

/// Transactions to be sent to all peers wait so long for others, if some were sent just before.
pub const RELAY_PAUSE_MS: u64 = 10;
/// A proposal with more transactions than this names them; with fewer the names would save little, and might come first.
pub const COMPACT_ABOVE: usize = 16;
/// What a proposal names and is not here is waited for so long, before it is asked for ...
pub const FETCH_PAUSE_MS: u64 = 20;
/// ... and so long before it is asked for again.
pub const FETCH_AGAIN_MS: u64 = 1_000;
/// Proposals of one member of which something is missing: two windows ...
pub const PROPOSALS_PER_MEMBER_MAX: usize = 2 * bezant_consensus::limits::WINDOW_DEPTH_MAX as usize;
/// ... and the transactions that they name: twice what one block holds.
pub const NAMES_PER_MEMBER_MAX: usize = 2 * bezant_consensus::limits::BLOCK_TRANSACTIONS_MAX;
/// A transaction that was neither included nor sent for this long is sent again.
pub const REANNOUNCE_AFTER_MS: u64 = 3_000;
/// Transactions are sent again at most once in this time ...
pub const REANNOUNCE_INTERVAL_MS: u64 = 2_000;
/// ... and then at most so many, those that were not sent for the longest time first.
pub const REANNOUNCE_COUNT_MAX: usize = 64;

/// Transactions from peers that wait for one that they spend from, or for one that pays for them.
pub const ORPHANS_MAX: usize = 1_024;
/// Those brought by one peer.
pub const ORPHANS_PER_PEER_MAX: usize = 256;
/// Bytes of all of them.
pub const ORPHAN_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How long they wait.
pub const ORPHAN_EXPIRY_MS: u64 = 20_000;

/// Refusals that are remembered, so that gossip of the same transaction costs a look-up.
pub const REFUSALS_MAX: usize = 16_384;
/// How long a refusal is remembered that may be over later.
pub const REFUSAL_RETRY_MS: u64 = 1_000;
/// Ids of included transactions that are remembered, so that late gossip is not taken for something new.
pub const INCLUDED_MAX: usize = 65_536;

/// Peers whose conduct is kept in mind. The shell's limit of connections is far below.
pub const PEERS_MAX: usize = 4_096;
/// From this score on a peer is banned.
pub const BAN_SCORE: u64 = 100;
/// Time in which one point of the score is forgiven.
pub const FORGIVE_POINT_MS: u64 = 2_000;
/// Score for something invalid: the third within a short time bans.
pub const SCORE_INVALID: u64 = 40;
/// Score for something unwanted.
pub const SCORE_UNWANTED: u64 = 10;
/// Score for silence.
pub const SCORE_SILENT: u64 = 5;

const _: () = assert!(MEMPOOL_CHAIN_MAX_DEFAULT <= CLUSTER_ORDERED_MAX);
// A package may be a whole cluster, and is put in the best order.
const _: () = assert!(PACKAGE_COUNT_MAX <= MEMPOOL_CHAIN_MAX_DEFAULT && PACKAGE_COUNT_MAX <= CLUSTER_ORDERED_MAX);
const _: () = assert!(PACKAGE_BYTES_MAX <= ORPHAN_BYTES_MAX && PACKAGE_COUNT_MAX <= ORPHANS_PER_PEER_MAX);
const _: () = assert!(REPLACED_MAX * MEMPOOL_CHAIN_MAX_DEFAULT <= REPLACEMENT_TOUCHED_MAX);
const _: () = assert!(1 <= FLOOR_SPEED_BELOW_HALF && FLOOR_SPEED_BELOW_HALF <= FLOOR_SPEED_BELOW_QUARTER);
// The order of a cluster is computed with sets of 128 bits.
const _: () = assert!(CLUSTER_ORDERED_MAX <= 128);
const _: () = assert!(ORPHANS_PER_PEER_MAX < ORPHANS_MAX);
const _: () = assert!(SCORE_INVALID < BAN_SCORE && SCORE_UNWANTED < SCORE_INVALID && SCORE_SILENT < SCORE_UNWANTED);
// An orphan outlives the next times at which its parent is sent again.
const _: () = assert!(ORPHAN_EXPIRY_MS > 2 * (REANNOUNCE_AFTER_MS + REANNOUNCE_INTERVAL_MS));
