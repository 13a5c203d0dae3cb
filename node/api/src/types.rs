//! What the RPC methods take and give. Amounts are decimal strings of grains, ids and hashes lower-case hex, heights and counts
//! numbers, times milliseconds since 1970 unless named otherwise. Parameters may be named or positional, in the order below.

mod engine;

pub use engine::{phase_name, vote_name};

use crate::fault::LinkFaultView;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which engine orders blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EngineName {
    /// Practical Byzantine fault tolerance.
    Pbft,
    /// Proof of work.
    Pow,
}

impl std::fmt::Display for EngineName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            EngineName::Pbft => "pbft",
            EngineName::Pow => "pow",
        })
    }
}

/// A node at a glance: `node_status`, and the first item of every event stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NodeStatus {
    /// The program's version and commit.
    pub version: String,
    /// The net.
    pub network_id: String,
    /// The engine.
    pub engine: EngineName,
    /// Whether faults and time control are allowed.
    pub dev: bool,
    /// The node's libp2p identity.
    pub peer_id: String,
    /// Height of the tip.
    pub height: u64,
    /// Up to this height blocks are final.
    pub final_height: u64,
    /// Id of the tip.
    pub tip: String,
    /// Header time of the tip, seconds.
    pub tip_time_s: u32,
    /// Connected peers.
    pub peers: usize,
    /// Transactions in the mempool.
    pub mempool: usize,
    /// Bytes in the mempool.
    pub mempool_bytes: usize,
    /// Number of the next event.
    pub next_event: u64,
    /// Dev nets: how this member lies, as it was told to; null when it does not.
    #[serde(default)]
    pub byzantine: Option<String>,
    /// Dev nets: faults of the links over which this node hears others.
    #[serde(default)]
    pub faults: Vec<LinkFaultView>,
    /// How far the node's clock is ahead of this machine's; only a dev net's is.
    #[serde(default)]
    pub clock_offset_ms: i64,
    /// Of PBFT, if that is the engine.
    pub pbft: Option<PbftView>,
    /// Of proof of work, if that is the engine.
    pub pow: Option<PowView>,
}

/// PBFT at a glance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PbftView {
    /// The epoch.
    pub epoch: u64,
    /// The view.
    pub view: u64,
    /// Index of the view's primary.
    pub primary: u16,
    /// This replica's index, if it is a member.
    pub me: Option<u16>,
    /// Members.
    pub n: usize,
    /// Votes that make a certificate.
    pub quorum: usize,
    /// The highest height that is final here or for which this member has perhaps sent a COMMIT; null for a node without a voice. Nothing
    /// was final anywhere, when it was asked, above the q-th lowest of what the members say.
    #[serde(default)]
    pub commit_height: Option<u64>,
    /// Whether this replica is a member without its vote log, which says nothing until it is re-admitted.
    #[serde(default)]
    pub is_mute: bool,
    /// Whether the view has begun here; otherwise its NEW-VIEW is awaited.
    pub is_active: bool,
    /// While it is awaited: who wants it.
    pub changes: Vec<u16>,
    /// Members that are proved to have lied in this epoch.
    pub liars: Vec<u16>,
    /// Views that failed since a block became final.
    pub failed_views: u32,
    /// How long the view has for what it owes.
    pub timeout_ms: u64,
    /// How late this view's proposals came here while work waited, on average of late.
    pub delay_ms: u64,
    /// How late they may come on the same average, by what the heights took, before the view is left as `slow`.
    pub delay_allowed_ms: u64,
    /// When it is left unless something happens, milliseconds of the net's clock since 1970; null while nothing is owed.
    pub deadline_ms: Option<u64>,
    /// Heights in flight, lowest first.
    pub slots: Vec<SlotView>,
}

/// A height in flight.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SlotView {
    /// The height.
    pub height: u64,
    /// `idle`, `pre-prepared`, `prepared` or `committed`.
    pub phase: String,
    /// The proposed block.
    pub block: Option<String>,
    /// Who prepared, the primary included.
    pub prepares: Vec<u16>,
    /// Who committed.
    pub commits: Vec<u16>,
}

/// Proof of work at a glance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PowView {
    /// Work of the active chain, hex.
    pub work: String,
    /// Compact target of the next block.
    pub bits: u32,
    /// Headers in the tree.
    pub headers: usize,
    /// Height of the header with the most work.
    pub best_header: u64,
    /// Own hashes per second over the last seconds.
    pub hashes_per_second: u64,
    /// Branch tips, most work first.
    pub tips: Vec<BranchTip>,
    /// A branch with more work than the active chain that forks off too deep to be followed: until a person decides
    /// (`chain_reconsider`), or the active chain has the most work again, nothing is mined here.
    pub refused: Option<RefusedBranchView>,
    /// Wanted seconds between blocks.
    #[serde(default)]
    pub spacing_s: u32,
    /// Confirmations that count as final; the including block counts as 1.
    #[serde(default)]
    pub final_depth: u32,
    /// How the target follows the hash rate: `asert`, `bitcoin` or `fixed`.
    #[serde(default)]
    pub rule: String,
    /// In how many blocks, the next being 1, the target may change; null when it never does.
    #[serde(default)]
    pub retarget_in: Option<u64>,
}

/// A branch that only a person can make the active chain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RefusedBranchView {
    /// Its tip.
    pub id: String,
    /// The tip's height.
    pub height: u64,
    /// Its work, hex.
    pub work: String,
    /// Height of the last block that it shares with the active chain.
    pub fork: u64,
}

/// The tip of a branch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BranchTip {
    /// Its id.
    pub id: String,
    /// Its height.
    pub height: u64,
    /// Its work, hex.
    pub work: String,
}

/// `chain_tip`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TipView {
    /// Height of the tip.
    pub height: u64,
    /// Id of the tip.
    pub id: String,
    /// Up to this height blocks are final.
    pub final_height: u64,
}

/// Names a block by height on the active chain or by id: a number or 64 hex digits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum BlockRef {
    /// By height.
    Height(u64),
    /// By id.
    Id(String),
}

/// Parameters of `chain_block` and `chain_header`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BlockParams {
    /// Which.
    pub block: BlockRef,
}

/// `chain_block`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BlockView {
    /// Its id.
    pub id: String,
    /// Its height.
    pub height: u64,
    /// The block below.
    pub parent: String,
    /// Root over its transactions.
    pub merkle_root: String,
    /// Seconds since 1970.
    pub time: u32,
    /// Version of the header.
    pub version: u32,
    /// Compact target; 0 under PBFT.
    pub bits: u32,
    /// Nonce; 0 under PBFT.
    pub nonce: u32,
    /// Bytes of the whole encoding.
    pub bytes: usize,
    /// Whether it is final (now).
    pub is_final: bool,
    /// Ids of its transactions, coinbase first.
    pub txids: Vec<String>,
    /// Borsh encoding of the block, hex.
    pub hex: String,
    /// PBFT: borsh encoding of the commit certificate, hex.
    pub certificate: Option<String>,
}

/// `chain_header`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HeaderView {
    /// Its id.
    pub id: String,
    /// Its height.
    pub height: u64,
    /// The block below.
    pub parent: String,
    /// Root over its transactions.
    pub merkle_root: String,
    /// Seconds since 1970.
    pub time: u32,
    /// Version of the header.
    pub version: u32,
    /// Compact target; 0 under PBFT.
    pub bits: u32,
    /// Nonce; 0 under PBFT.
    pub nonce: u32,
    /// Whether it is final (now).
    pub is_final: bool,
    /// The 80 bytes of the header, hex.
    pub hex: String,
    /// PBFT: borsh encoding of the commit certificate, hex.
    pub certificate: Option<String>,
}

/// Parameters of `chain_headers`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HeadersParams {
    /// Height of the first one wanted.
    pub from: u64,
    /// At most this many; default and maximum 2,000.
    #[serde(default)]
    pub count: Option<usize>,
}

/// A header and its height.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HeaderAt {
    /// Its height.
    pub height: u64,
    /// The 80 bytes of the header, hex.
    pub hex: String,
}

/// `chain_headers`: of the active chain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HeadersView {
    /// From the height that was asked for on, each standing on the one before; none when it is above the tip.
    pub headers: Vec<HeaderAt>,
    /// Height of the tip at that time; there are more headers up to there.
    pub height: u64,
    /// Id of that tip.
    pub tip: String,
}

/// Parameters that name a transaction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TxParams {
    /// Its id.
    pub txid: String,
}

/// Parameters of `chain_epochs`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EpochsParams {
    /// The first epoch whose beginning is wanted, at least 1.
    pub from: u64,
}

/// Where a transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TxState {
    /// Not known here.
    Unknown,
    /// Left the mempool without being included: lost its place to another, or became invalid.
    Dropped,
    /// In the mempool.
    Pool,
    /// In a block of the active chain.
    Included,
    /// In a final block.
    Final,
}

/// `tx_status`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TxStatus {
    /// Its id.
    pub txid: String,
    /// Where it is.
    pub state: TxState,
    /// Height of its block.
    pub height: Option<u64>,
    /// Its block.
    pub block: Option<String>,
    /// Blocks on it, its own counting as 1; 0 before inclusion.
    pub confirmations: u64,
    /// Why it was dropped.
    pub reason: Option<String>,
    /// The transaction that took its place, when it was replaced.
    #[serde(default)]
    pub replaced_by: Option<String>,
}

/// `chain_tx`: a transaction as stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TransactionView {
    /// Where it is.
    pub status: TxStatus,
    /// Borsh encoding of the whole, hex.
    pub hex: String,
}

/// Parameters of `tx_submit` and `tx_check`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SubmitParams {
    /// Borsh encoding of the whole transaction, hex.
    pub transaction: String,
}

/// `tx_submit` and `tx_check`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SubmitResult {
    /// Its id.
    pub txid: String,
    /// Whether it was in the mempool or a block before.
    pub known: bool,
    /// Its fee in grains; absent when it was known.
    pub fee: Option<String>,
}

/// Parameters of `tx_submit_package` and `tx_test`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PackageParams {
    /// Borsh encodings of whole transactions, hex; parents before children, all but the last spent from by the last, directly
    /// or not.
    pub transactions: Vec<String>,
}

/// `tx_submit_package`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PackageResult {
    /// One for each transaction given, in their order.
    pub transactions: Vec<SubmitResult>,
}

/// Transactions that one `tx_submit_many` takes.
pub const SUBMIT_MANY_MAX: usize = 256;

/// Parameters of `tx_submit_many`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SubmitManyParams {
    /// Borsh encodings of whole transactions, hex; at most [`SUBMIT_MANY_MAX`], one that spends from another behind it.
    pub transactions: Vec<String>,
}

/// `tx_submit_many`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SubmitManyResult {
    /// One for each transaction given, in their order.
    pub results: Vec<Submission>,
}

/// What became of one of many transactions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Submission {
    /// It was taken, or known.
    Taken(SubmitResult),
    /// It was refused, with a reason, or `busy`: the others are not concerned.
    Refused {
        /// Why.
        refusal: RefusalView,
    },
}

/// `tx_test`: what handing in would do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TestView {
    /// Whether all would be taken, or are known.
    pub accepted: bool,
    /// One for each transaction given, in their order; empty when they would be refused.
    pub transactions: Vec<TestedTx>,
    /// Fee of all that are not known, grains; absent when there are none, or they would be refused.
    pub fee: Option<String>,
    /// Grains for 1,000 bytes of these, rounded up.
    pub fee_rate: Option<u64>,
    /// Waiting transactions that would be replaced, with all that spend from them.
    pub replaces: Vec<String>,
    /// Waiting transactions that would have to make room.
    pub evicts: Vec<String>,
    /// Why they would be refused.
    pub refusal: Option<RefusalView>,
}

/// A transaction that would be taken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TestedTx {
    /// Its id.
    pub txid: String,
    /// Whether it is in the mempool or a block.
    pub known: bool,
    /// Its fee in grains; absent for one in a block.
    pub fee: Option<String>,
    /// Bytes of its encoding.
    pub bytes: usize,
}

/// Why transactions would be refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RefusalView {
    /// A stable name, as in `data.kind` of an error.
    pub kind: String,
    /// A sentence.
    pub message: String,
    /// The transaction at fault; absent when it is all of them together.
    pub txid: Option<String>,
}

/// Parameters of `fee_estimate`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FeeParams {
    /// In one of how many blocks the transaction is wanted, 1 to 100; 6 unless given.
    #[serde(default)]
    pub blocks: Option<u32>,
}

/// `fee_estimate`; rates in grains per 1,000 bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FeeView {
    /// In one of how many blocks.
    pub blocks: u32,
    /// What to pay.
    pub fee_rate: u64,
    /// Below this nothing is let in now.
    pub minimum: u64,
    /// What it takes with what waits now; 0 when there is room for all of it.
    pub backlog: u64,
    /// What most of the last blocks took at their lower quarter; 0 when most were not full.
    pub recent: u64,
}

/// How sure a read has to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReadLevel {
    /// The node's tip.
    #[default]
    Latest,
    /// The node's final state.
    Final,
}

/// Parameters of `coins_list`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CoinsParams {
    /// Lock hashes, at most 1,000.
    pub locks: Vec<String>,
    /// At most this many coins; default and maximum 10,000.
    #[serde(default)]
    pub limit: Option<usize>,
    /// Only coins after this outpoint (`txid:index`), for the next page.
    #[serde(default)]
    pub after: Option<String>,
}

/// An unspent coin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CoinView {
    /// `txid:index`.
    pub outpoint: String,
    /// Grains.
    pub amount: String,
    /// Its lock.
    pub lock: String,
    /// Height of the creating block.
    pub height: u64,
    /// Whether a coinbase created it.
    pub coinbase: bool,
}

/// `coins_list`: coins of the locks at the node's tip, and what the mempool does to them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CoinsView {
    /// Tip at which this holds.
    pub height: u64,
    /// Id of that tip.
    pub tip: String,
    /// Up to this height blocks are final.
    pub final_height: u64,
    /// Unspent coins, ascending by outpoint.
    pub coins: Vec<CoinView>,
    /// Outpoints among those (or among `pool_coins`) that a mempool transaction spends.
    pub spent_in_pool: Vec<String>,
    /// Coins that mempool transactions would create for these locks (height 0).
    pub pool_coins: Vec<CoinView>,
    /// Whether there are more; ask again with `after`.
    pub more: bool,
}

/// Parameters of `history_list`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HistoryParams {
    /// Lock hashes, at most 1,000.
    pub locks: Vec<String>,
    /// Only entries at or above this height.
    #[serde(default)]
    pub from_height: u64,
    /// At most this many; default 1,000, maximum 10,000.
    #[serde(default)]
    pub limit: Option<usize>,
    /// Of the entries at `from_height`, only those from this position on, for the next page.
    #[serde(default)]
    pub from_position: u32,
}

/// What one block's transaction did to the locks asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HistoryEntry {
    /// The transaction.
    pub txid: String,
    /// Height of its block.
    pub height: u64,
    /// Its place among the transactions of that block.
    #[serde(default)]
    pub position: u32,
    /// Its block.
    pub block: String,
    /// Header time of its block, seconds.
    pub time_s: u32,
    /// Grains that the locks received.
    pub received: String,
    /// Grains that the locks spent.
    pub sent: String,
    /// Whether it is final (now).
    pub is_final: bool,
}

/// `history_list`, ascending by height and position.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HistoryView {
    /// Entries.
    pub entries: Vec<HistoryEntry>,
    /// Whether there are more; ask again from the place after the last entry's.
    pub more: bool,
    /// Tip at which this holds.
    #[serde(default)]
    pub height: u64,
    /// Id of that tip.
    #[serde(default)]
    pub tip: String,
    /// Up to this height blocks are final.
    #[serde(default)]
    pub final_height: u64,
}

/// `chain_proof`: that a transaction is final (PBFT), or in a block (proof of work); checkable with the genesis alone, under
/// proof of work beside the headers of the chain (`chain_headers`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProofView {
    /// The transaction.
    pub txid: String,
    /// Height of its block.
    pub height: u64,
    /// Its block.
    pub block: String,
    /// Blocks from its own to the node's tip, both counted; this is not part of the proof.
    pub confirmations: u64,
    /// PBFT: the members whose COMMITs are in the proof; empty under proof of work.
    pub signers: Vec<u16>,
    /// The proof, hex of its borsh encoding: header, commit certificate (PBFT only), transaction, merkle path.
    pub hex: String,
}

/// `chain_epochs`: who decides, and why that is to be believed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EpochsView {
    /// The present epoch.
    pub epoch: u64,
    /// The last height of the epoch before.
    pub start: u64,
    /// The members' public keys, in order, hex.
    pub members: Vec<String>,
    /// Votes that make a certificate.
    pub quorum: usize,
    /// How epochs began, from the one asked for on, at most 64: hex of borsh successions (checkpoint certificate, header, opening).
    /// Each proves the members of its epoch to whoever knows those of the one before.
    pub successions: Vec<String>,
}

/// One entry of `chain_evidence`: two votes of one member that contradict each other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EvidenceView {
    /// The member.
    pub signer: u16,
    /// `pre-prepare`, `prepare` or `commit`.
    pub vote: String,
    /// In which epoch.
    pub epoch: u64,
    /// In which view.
    pub view: u64,
    /// At which height.
    pub height: u64,
    /// The two blocks that it signed.
    pub blocks: [String; 2],
    /// Both signed votes, hex of their borsh encoding.
    pub hex: String,
}

/// `chain_commitment`: the coin set at the tip.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CommitmentView {
    /// Height of the tip.
    pub height: u64,
    /// Id of the tip.
    pub id: String,
    /// The coin set's commitment.
    pub commitment: String,
    /// Sum of all coins, grains.
    pub supply: String,
    /// Number of coins.
    pub coins: u64,
}

/// `chain_genesis`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GenesisView {
    /// The genesis file, byte for byte.
    pub toml: String,
    /// The net.
    pub network_id: String,
}

/// Parameters of `mining_template`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TemplateParams {
    /// The address that is to be paid, or a lock hash.
    pub to: String,
    /// The ticket of the template that is known: the answer waits for another one, at most `wait_ms`.
    #[serde(default)]
    pub known: Option<u64>,
    /// How long the answer may wait, milliseconds; default 0, at most 8,000.
    #[serde(default)]
    pub wait_ms: u64,
}

/// `mining_template`: a block that lacks its nonce. The hash of the coinbase, folded with the branch, is the merkle root.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TemplateView {
    /// Names the template.
    pub ticket: u64,
    /// Its height.
    pub height: u64,
    /// The block below.
    pub parent: String,
    /// The header's version; all bits may be rolled.
    pub version: u32,
    /// The header's time, seconds; it may be moved forward.
    pub time: u32,
    /// The compact target.
    pub bits: u32,
    /// The target that the block's id, read as a little-endian number, must not exceed: 64 hex digits, the highest first.
    pub target: String,
    /// The coinbase, hex of its encoding: it pays `reward` to whom was asked for.
    pub coinbase: String,
    /// Where in it, in bytes, the extranonce begins …
    pub extranonce_at: usize,
    /// … and how long it is. Its bytes may be rolled.
    pub extranonce_bytes: usize,
    /// From the coinbase's hash to the merkle root: at each step SHA-256d of what is there and the next of these (hex, bytes in
    /// order).
    pub branch: Vec<String>,
    /// Grains that the coinbase pays.
    pub reward: String,
}

/// Parameters of `mining_submit`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SolutionParams {
    /// Of the template.
    pub ticket: u64,
    /// The coinbase as it was hashed, hex.
    pub coinbase: String,
    /// The header's version.
    pub version: u32,
    /// The header's time.
    pub time: u32,
    /// The header's nonce.
    pub nonce: u32,
}

/// `mining_submit`: the block is the tip.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SolutionView {
    /// Its id.
    pub block: String,
    /// Its height.
    pub height: u64,
}

/// `mempool_list`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MempoolView {
    /// Transactions held.
    pub count: usize,
    /// Their bytes.
    pub bytes: usize,
    /// Transactions that may be held.
    pub count_max: usize,
    /// Bytes that may be held.
    pub bytes_max: usize,
    /// Least fee rate at which anything is let in now, grains per 1,000 bytes.
    pub fee_rate_min: u64,
    /// Transactions from peers that wait for a parent, or for a child that pays for them; not held.
    pub waiting: usize,
    /// Ids, in the node's order, at most 1,000.
    pub txids: Vec<String>,
}

/// One entry of `peers_list`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PeerView {
    /// Its libp2p identity.
    pub peer_id: String,
    /// Where it is.
    pub address: String,
    /// Which side dialled.
    pub outbound: bool,
    /// Its validator index, if known.
    pub member: Option<u16>,
    /// Height it claims.
    pub height: Option<u64>,
    /// Last round trip.
    pub round_trip_ms: Option<f64>,
    /// Bytes of messages taken from it since it connected.
    #[serde(default)]
    pub bytes_in: u64,
    /// Those messages.
    #[serde(default)]
    pub messages_in: u64,
    /// Bytes of messages handed to it since it connected, as of the last round trip; without what is passed on for others.
    #[serde(default)]
    pub bytes_out: u64,
    /// Topics of gossip, of three, on which each passes on to the other what it hears; as of the last round trip.
    #[serde(default)]
    pub mesh_topics: u8,
    /// What it has done wrong of late: 0 is good, from 100 on it is banned.
    #[serde(default)]
    pub score: u64,
}

/// Parameters of `events_subscribe`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EventsParams {
    /// First event wanted, as far as still held; absent for "from now on".
    #[serde(default)]
    pub from: Option<u64>,
    /// Kinds of events that are wanted beside `snapshot` and `gap`, which come in any case; absent for all.
    #[serde(default)]
    pub kinds: Option<Vec<String>>,
}

/// Parameters of `dev_*` methods without others: the token of `run.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TokenParams {
    /// The token.
    pub token: String,
}

/// Parameters of `dev_byzantine`: how this member lies from now on. Replaces what was set before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DevByzantineParams {
    /// The token.
    pub token: String,
    /// A mode, or `off`.
    pub mode: String,
    /// What `censor` leaves out: the id of a transaction, or an address.
    #[serde(default)]
    pub target: Option<String>,
}

/// Parameters of `dev_mine`: make this many blocks now, empty if need be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DevMineParams {
    /// The token.
    pub token: String,
    /// How many, 1 to 1,000.
    pub count: u32,
    /// Proof of work: the address that they pay; the node's own payee unless given.
    #[serde(default)]
    pub to: Option<String>,
    /// Proof of work: exactly these transactions stand in each, in this order (hex of the encoding); more than none only in a
    /// single block. What the mempool chooses unless given.
    #[serde(default)]
    pub transactions: Option<Vec<String>>,
    /// Proof of work: whether each moves the clock of this node forward by one spacing, as unless told otherwise. The difficulty
    /// expects that time to pass; whoever moves the clocks of all nodes says no here.
    #[serde(default = "yes")]
    pub advance_clock: bool,
}

fn yes() -> bool {
    true
}

/// Parameters of `dev_time`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DevTimeParams {
    /// The token.
    pub token: String,
    /// By how much the clock moves forward, up to 366 days.
    pub advance_ms: u64,
}

/// Parameters of `chain_invalidate` and `chain_reconsider`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InstructParams {
    /// The token.
    pub token: String,
    /// Id of the block.
    pub block: String,
}

/// Parameters of `dev_hashrate`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DevHashrateParams {
    /// The token.
    pub token: String,
    /// Hashes per second; 0 stops mining.
    pub hashes_per_second: u64,
}
