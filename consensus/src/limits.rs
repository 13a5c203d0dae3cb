//! Every limit of the protocol that is not a genesis parameter, in one place.
//!
//! A length is checked against its limit before anything is allocated, a depth before anything recurses.
//! The relations between limits are proved at compile time below, so that a changed number cannot break one silently.

/// Grains in one BZT.
pub const GRAINS_PER_BZT: u64 = 100_000_000;
/// No sum of amounts may ever exceed this many grains (21 million BZT).
pub const SUPPLY_MAX: u64 = 21_000_000 * GRAINS_PER_BZT;

/// Bytes of an encoded header, exactly Bitcoin's.
pub const HEADER_BYTES: usize = 80;
/// Largest encoded block, header and transactions, that any genesis may allow.
pub const BLOCK_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Largest encoded transaction, witnesses included.
pub const TRANSACTION_BYTES_MAX: usize = 100_000;
/// Whole encoding of this length is refused for every transaction: it could pass for two merkle nodes (CVE-2017-12842).
pub const TRANSACTION_BYTES_FORBIDDEN: usize = 64;
/// Transactions in a block.
pub const BLOCK_TRANSACTIONS_MAX: usize = 65_535;
/// Inputs of a transfer.
pub const INPUTS_MAX: usize = 1_000;
/// Outputs of a transfer or coinbase.
pub const OUTPUTS_MAX: usize = 1_000;
/// Outputs of the genesis block.
pub const ALLOCATIONS_MAX: usize = 100_000;
/// Bytes of free data in a coinbase.
pub const COINBASE_EXTRA_BYTES_MAX: usize = 100;

/// Depth of a lock tree; a single leaf has depth 1.
pub const LOCK_DEPTH_MAX: usize = 8;
/// Nodes of a lock tree, opaque ones included.
pub const LOCK_NODES_MAX: usize = 64;
/// Children of a threshold.
pub const THRESHOLD_CHILDREN_MAX: usize = 16;
/// Signatures of one input: a tree has no more keys than nodes.
pub const INPUT_SIGNATURES_MAX: usize = LOCK_NODES_MAX;

/// Neighbours in a merkle proof: a block has at most 2^16 transactions.
pub const MERKLE_SIBLINGS_MAX: usize = 16;
/// Coins on either side of the change that one block makes: an input takes at least 36 bytes of its block, an output 40.
pub const DIFF_COINS_MAX: usize = BLOCK_BYTES_MAX / 36;

/// Members of a validator set.
pub const MEMBERS_MAX: usize = 256;
/// Buckets of the coin-set commitment.
pub const COMMITMENT_BUCKETS: usize = 256;

/// Successions of epochs in one message.
pub const SUCCESSIONS_PER_MESSAGE_MAX: usize = 16;

/// Coins in one message.
pub const SNAPSHOT_COINS_PER_MESSAGE_MAX: usize = 8_192;
/// Buckets of a snapshot that one peer is asked for at a time.
pub const BUCKETS_PER_REQUEST: usize = 8;
/// Coins of one bucket that a replica takes before it sees whether they are right: a thousand million in all.
pub const BUCKET_COINS_MAX: u64 = 1 << 22;
/// Snapshots that a replica serves: those of the latest stable checkpoints.
pub const SNAPSHOTS_HELD: usize = 3;
/// Checkpoints above the stable one of which a replica keeps one member's vote, and its own.
pub const CHECKPOINTS_PER_MEMBER_MAX: usize = 4;

/// Headers in one answer.
pub const HEADERS_PER_MESSAGE_MAX: usize = 2_000;
/// Entries of a block locator.
pub const LOCATOR_ENTRIES_MAX: usize = 64;
/// Blocks asked for, or answered, in one message.
pub const BLOCKS_PER_MESSAGE_MAX: usize = 16;
/// Bytes of one encoded message on any wire: a full block with its certificate and room for its envelope.
pub const MESSAGE_BYTES_MAX: usize = BLOCK_BYTES_MAX + 64 * 1024;
/// Bytes of anything that is decoded at all; the largest is the undo of a full block, which repeats the coins it spends.
/// Wires have their own, lower limit: [`MESSAGE_BYTES_MAX`].
pub const ENCODING_BYTES_MAX: usize = 3 * BLOCK_BYTES_MAX;

/// Settings back of a dev net of which something still stands, at most.
pub const SET_BACKS_MAX: usize = 1_000;

/// Heights that PBFT may have in flight above the final one (`depth`), at most.
pub const WINDOW_DEPTH_MAX: u64 = 16;
/// Heights above the final one that a PBFT replica keeps anything of, votes of later heights (below) apart.
pub const SLOTS_MAX: u64 = 64;
/// Messages of later heights or views that a replica keeps for one sender.
pub const FUTURE_MESSAGES_PER_SENDER_MAX: usize = 256;
/// The last view of an epoch; VIEW-CHANGEs for later ones are refused, so that views can be counted on.
pub const VIEW_MAX: u64 = 1 << 62;
/// VIEW-CHANGEs that a PBFT replica keeps of one member.
pub const CHANGES_PER_MEMBER_MAX: usize = 2;
/// Room in a PBFT block for its header, the length of its list, and the coinbase with one output.
pub const BLOCK_OVERHEAD_BYTES: usize = HEADER_BYTES + 4 + 128;
/// Transactions that one member may hand to the primary at once, and that the primary prefers for its sake at any time ...
pub const OVERDUE_TRANSACTIONS_MAX: usize = 64;
/// ... and their bytes.
pub const OVERDUE_BYTES_MAX: usize = 128 * 1024;
/// Transactions that are gossiped together ...
pub const BATCH_TRANSACTIONS_MAX: usize = 512;
/// ... and their bytes.
pub const BATCH_BYTES_MAX: usize = 256 * 1024;
/// Proofs that one member lied which a replica keeps of an epoch.
pub const EVIDENCE_PER_MEMBER_MAX: usize = 16;
/// Catch-up requests that a replica has open at once.
pub const SYNC_REQUESTS_MAX: usize = 16;
/// Blocks whose bodies a proof-of-work replica holds without their being connected.
pub const UNCONNECTED_BODIES_MAX: usize = 256;
/// Blocks above the connected ones whose bodies a proof-of-work replica asks for at once.
pub const BODY_WINDOW_BLOCKS: u64 = 128;
/// Announced blocks that a proof-of-work replica puts together at once.
pub const RELAYS_MAX: usize = 16;
/// Headers from the future that a proof-of-work replica keeps until their time has come.
pub const WAITING_HEADERS_MAX: usize = 256;
/// Headers leading to no more work than its own chain that a proof-of-work replica takes before it has grown further.
pub const LOW_WORK_HEADERS_MAX: usize = 4_096;

/// Headers in a receipt, under proof of work: 19 years of a block every ten minutes.
pub const RECEIPT_HEADERS_MAX: usize = 1_000_000;
/// Successions of epochs in a receipt, under PBFT.
pub const RECEIPT_SUCCESSIONS_MAX: usize = 10_000;
/// Bytes of a receipt before it is put into text.
pub const RECEIPT_BYTES_MAX: usize = RECEIPT_HEADERS_MAX * HEADER_BYTES + 2 * TRANSACTION_BYTES_MAX;
/// Bytes of a receipt as text: 65 for each 48, and the lines around.
pub const RECEIPT_TEXT_BYTES_MAX: usize = RECEIPT_BYTES_MAX.div_ceil(48) * 65 + 128;

const _: () = assert!(TRANSACTION_BYTES_MAX < BLOCK_BYTES_MAX);
// Any transaction can be handed over.
const _: () = assert!(TRANSACTION_BYTES_MAX < OVERDUE_BYTES_MAX && OVERDUE_BYTES_MAX + 1024 < MESSAGE_BYTES_MAX);
const _: () = assert!(TRANSACTION_BYTES_MAX < BATCH_BYTES_MAX && BATCH_BYTES_MAX + 1024 < MESSAGE_BYTES_MAX);
const _: () = assert!(BLOCK_BYTES_MAX < MESSAGE_BYTES_MAX);
const _: () = assert!(MESSAGE_BYTES_MAX < ENCODING_BYTES_MAX);
// An entry of a diff is 85 bytes, and a byte of a block makes at most 85 / 36 of them.
const _: () = assert!(85 * DIFF_COINS_MAX + 8 < ENCODING_BYTES_MAX);
const _: () = assert!(ALLOCATIONS_MAX <= DIFF_COINS_MAX);
const _: () = assert!(BLOCK_TRANSACTIONS_MAX <= 1 << MERKLE_SIBLINGS_MAX);
const _: () = assert!(HEADER_BYTES * HEADERS_PER_MESSAGE_MAX + 1024 < MESSAGE_BYTES_MAX);
const _: () = assert!(THRESHOLD_CHILDREN_MAX < LOCK_NODES_MAX);
// A replica whose newest final blocks are not here yet can still follow a whole window, and take in a full answer.
const _: () = assert!(2 * WINDOW_DEPTH_MAX <= SLOTS_MAX && BLOCKS_PER_MESSAGE_MAX as u64 <= SLOTS_MAX);
const _: () = assert!(BLOCKS_PER_MESSAGE_MAX <= UNCONNECTED_BODIES_MAX);
// A coin is 85 bytes with its name.
const _: () = assert!(85 * SNAPSHOT_COINS_PER_MESSAGE_MAX + 1024 + 8 * COMMITMENT_BUCKETS < MESSAGE_BYTES_MAX);
const _: () = assert!(COMMITMENT_BUCKETS.is_multiple_of(BUCKETS_PER_REQUEST) && SNAPSHOTS_HELD >= 2);
// A succession of the largest set: seals of 66 bytes, members of 32, re-admissions of 72.
const _: () = assert!(SUCCESSIONS_PER_MESSAGE_MAX * (MEMBERS_MAX * (66 + 32 + 72) + 512) < MESSAGE_BYTES_MAX);
// A certificate of the largest set (signer 2 + signature 64 bytes each) fits beside a full block.
const _: () = assert!(MEMBERS_MAX * 66 + 1024 <= MESSAGE_BYTES_MAX - BLOCK_BYTES_MAX);
// Headers, a transaction with its path, and what stands around them.
const _: () = assert!(RECEIPT_HEADERS_MAX * HEADER_BYTES + TRANSACTION_BYTES_MAX + 1024 <= RECEIPT_BYTES_MAX);
