//! How much the model keeps. Every list that events can fill has its limit here; the oldest goes first.

/// Blocks kept.
pub(crate) const BLOCKS_MAX: usize = 400;
/// Lines of the log kept.
pub(crate) const LINES_MAX: usize = 2_000;
/// Seconds of throughput kept.
pub(crate) const SECONDS_MAX: usize = 240;
/// PBFT: rounds (a height in a view) kept for each node.
pub(crate) const ROUNDS_MAX: usize = 48;
/// PBFT: signers of one round that are told apart; larger nets show the first ones.
pub(crate) const SIGNERS_MAX: usize = 64;
/// PBFT: wanted views for each node of which the votes are kept.
pub(crate) const WANTED_VIEWS_MAX: usize = 8;
/// Proof of work: headers kept, on all branches.
pub(crate) const HEADERS_MAX: usize = 1_000;
/// Proof of work: reorgs kept.
pub(crate) const REORGS_MAX: usize = 100;
/// Transactions whose life is kept.
pub(crate) const TRANSACTIONS_MAX: usize = 1_000;
/// Steps kept of one transaction's life.
pub(crate) const STEPS_MAX: usize = 48;
/// Latencies kept for the figures of finality.
pub(crate) const LATENCIES_MAX: usize = 500;
/// Moments kept on the timeline of faults and what they led to.
pub(crate) const MOMENTS_MAX: usize = 500;
/// Faults in force that are told apart.
pub(crate) const ACTIVE_FAULTS_MAX: usize = 256;
/// Gaps kept for each node.
pub(crate) const GAPS_MAX: usize = 16;
/// Peers of one node that are known of.
pub(crate) const PEERS_MAX: usize = 64;
/// Entries kept for going back.
pub(crate) const HISTORY_ENTRIES_MAX: usize = 60_000;
/// Bytes that these take, at most, as estimated.
pub(crate) const HISTORY_BYTES_MAX: usize = 48 * 1024 * 1024;
/// Bytes that one model takes, at most, as estimated, for a net of 13 nodes. Two models are kept, the
/// present one and the one at the beginning of the history; and up to five more while somebody goes back and forth.
#[cfg(test)]
pub(crate) const MODEL_BYTES_MAX: usize = 16 * 1024 * 1024;
