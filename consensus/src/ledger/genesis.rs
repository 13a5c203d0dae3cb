//! Genesis: everything that the peers of a net agree on before its first block.
//!
//! The network id is the tagged hash of the borsh encoding. The text form (TOML) is read and written in `bezant-api`.

use crate::ledger::amount::Amount;
use crate::ledger::block::{Block, Header};
use crate::ledger::codec::{encode, limited_decode};
use crate::ledger::hash::{BlockId, MerkleRoot, NetworkId, SetHash, tagged};
use crate::ledger::key::PublicKey;
use crate::ledger::target::Target;
use crate::ledger::transaction::{Body, Coinbase, Output, Transaction};
use crate::ledger::units::{Epoch, Height};
use crate::limits::{ALLOCATIONS_MAX, BLOCK_BYTES_MAX, MEMBERS_MAX, MESSAGE_BYTES_MAX, SUPPLY_MAX, WINDOW_DEPTH_MAX};
use borsh::{BorshDeserialize, BorshSerialize};

/// The one format of genesis there is.
pub const GENESIS_VERSION: u16 = 1;

/// What the peers of a net agree on beforehand.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize)]
pub struct Genesis {
    /// Always [`GENESIS_VERSION`].
    pub version: u16,
    /// Random, so that no two nets have one id.
    pub salt: [u8; 32],
    /// Time of the genesis block, seconds since 1970.
    pub time: u32,
    /// Whether time control, mining on demand and fault injection are allowed at all.
    pub dev: bool,
    /// Which engine orders blocks, and its parameters.
    pub engine: EngineParams,
    /// Rules of the ledger that do not depend on the engine.
    pub ledger: LedgerParams,
    /// PBFT: the members of epoch 0, in order. Empty under proof of work.
    pub members: Vec<PublicKey>,
    /// The first coins.
    pub allocations: Vec<Output>,
}
limited_decode!(Genesis {
    version,
    salt,
    time,
    dev,
    engine,
    ledger,
    members: "members" <= MEMBERS_MAX,
    allocations: "allocations" <= ALLOCATIONS_MAX,
});

/// Rules of the ledger that a net may choose.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub struct LedgerParams {
    /// Largest encoded block, at most [`BLOCK_BYTES_MAX`].
    pub block_bytes_max: u32,
    /// Blocks after which coinbase coins are spendable: block height ≥ coin height + this.
    pub coinbase_maturity: u32,
    /// New coins a coinbase may make, before halvings.
    pub subsidy: Amount,
    /// Blocks between halvings; 0 means never, and is for dev nets only if there is a subsidy.
    pub halving_interval: u32,
    /// Least fee of the default mempool policy, in grains per 1,000 bytes. No block rule.
    pub relay_fee_rate_min: u64,
}

/// Which engine, and its parameters.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub enum EngineParams {
    /// Practical Byzantine fault tolerance.
    Pbft(PbftParams),
    /// Proof of work.
    Pow(PowParams),
}

/// Parameters of PBFT.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub struct PbftParams {
    /// Heights that may be in flight above the highest commit certificate, 1 to [`WINDOW_DEPTH_MAX`].
    pub depth: u16,
    /// Blocks between checkpoints, at least 1.
    pub checkpoint_interval: u32,
    /// Least duration of the view timer.
    pub view_timeout_ms: u32,
    /// Largest duration of the view timer after failed views.
    pub view_timeout_max_ms: u32,
    /// How far a block's time may be ahead of a backup's clock.
    pub drift_s: u32,
    /// Longest time without a block, after which an empty one is proposed; 0 means never.
    pub block_time_ms: u32,
    /// Blocks in which a member is re-admitted at most once.
    pub readmit_interval: u32,
}

/// Parameters of proof of work.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub struct PowParams {
    /// Wanted seconds between blocks.
    pub spacing_s: u32,
    /// Compact target of genesis, the easiest there may ever be.
    pub bits: u32,
    /// How the target follows the hash rate.
    pub difficulty: Difficulty,
    /// Confirmations that count as final; the including block counts as 1.
    pub final_depth: u32,
    /// Deepest reorg that a node follows by itself; far above `final_depth`.
    pub max_reorg: u32,
    /// How far a header's time may be ahead of a node's clock before it has to wait.
    pub future_s: u32,
}

/// How the target follows the hash rate.
#[derive(Clone, Copy, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub enum Difficulty {
    /// aserti3-2d: exponential in the schedule's error; doubles or halves per half-life.
    Asert {
        /// The half-life.
        half_life_s: u32,
    },
    /// Bitcoin's: every 2016 blocks, clamped to a factor of 4, with its off-by-one and a time-warp guard.
    Bitcoin,
    /// Always the genesis target.
    Fixed,
}

/// A genesis that no net can be run with, with the field and what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("genesis: {field}: {problem}")]
pub struct GenesisError {
    /// The field, as the TOML file names it.
    pub field: &'static str,
    /// What is wrong with it and what is expected.
    pub problem: String,
}

impl Genesis {
    /// The tagged hash that names the net.
    #[must_use]
    pub fn network_id(&self) -> NetworkId {
        NetworkId(tagged("bezant/genesis", &[&encode(self)]))
    }

    /// The block at height 0: one coinbase with the network id as extra data and the allocations as outputs.
    #[must_use]
    pub fn block(&self) -> Block {
        let coinbase = Coinbase {
            height: Height::GENESIS,
            extra: self.network_id().0.to_vec(),
            outputs: self.allocations.clone(),
        };
        let transactions = vec![Transaction::new(Body::Coinbase(coinbase), Vec::new())];
        let bits = match &self.engine {
            EngineParams::Pbft(_) => 0,
            EngineParams::Pow(params) => params.bits,
        };
        let header = Header {
            version: 1,
            parent: BlockId::default(),
            merkle_root: MerkleRoot::default(),
            time: self.time,
            bits,
            nonce: 0,
        };
        let mut block = Block { header, transactions };
        block.header.merkle_root = block.merkle_root();
        block
    }

    /// The members of epoch 0.
    #[must_use]
    pub fn validator_set(&self) -> ValidatorSet {
        ValidatorSet { network: self.network_id(), epoch: Epoch(0), members: self.members.clone() }
    }

    /// The PBFT parameters, if that is the engine.
    #[must_use]
    pub fn pbft(&self) -> Option<&PbftParams> {
        match &self.engine {
            EngineParams::Pbft(params) => Some(params),
            EngineParams::Pow(_) => None,
        }
    }

    /// The proof-of-work parameters, if that is the engine.
    #[must_use]
    pub fn pow(&self) -> Option<&PowParams> {
        match &self.engine {
            EngineParams::Pow(params) => Some(params),
            EngineParams::Pbft(_) => None,
        }
    }

    /// Checks every field and their relations.
    ///
    /// # Errors
    /// The first field that no net can be run with.
    pub fn check(&self) -> Result<(), GenesisError> {
        let fail = |field, problem: &str| Err(GenesisError { field, problem: problem.to_owned() });
        if self.version != GENESIS_VERSION {
            return fail("version", "this program knows version 1 only");
        }
        if self.allocations.is_empty() || self.allocations.len() > ALLOCATIONS_MAX {
            return fail("allocations", "1 to 100000 are expected");
        }
        if self.allocations.iter().any(|output| output.amount == Amount::ZERO) {
            return fail("allocations", "one has amount 0");
        }
        let Some(allocated) = Amount::checked_sum(self.allocations.iter().map(|output| output.amount)) else {
            return fail("allocations", "together they exceed 21000000 BZT");
        };
        let ledger = &self.ledger;
        if ledger.halving_interval == 0 && ledger.subsidy != Amount::ZERO && !self.dev {
            return fail("ledger.halving_interval", "a subsidy that never ends is for dev nets only");
        }
        if ledger.halving_interval != 0 && u128::from(allocated.grains()) + ledger.issued() > u128::from(SUPPLY_MAX) {
            return fail("ledger.subsidy", "allocations and all subsidies together exceed 21000000 BZT");
        }
        if (ledger.block_bytes_max as usize) < 10_000 || ledger.block_bytes_max as usize > BLOCK_BYTES_MAX {
            return fail("ledger.block_bytes_max", "10000 to 4194304 is expected");
        }
        match &self.engine {
            EngineParams::Pbft(params) => self.check_pbft(params),
            EngineParams::Pow(params) => self.check_pow(params),
        }
    }

    fn check_pbft(&self, params: &PbftParams) -> Result<(), GenesisError> {
        let fail = |field, problem: &str| Err(GenesisError { field, problem: problem.to_owned() });
        if self.members.is_empty() || self.members.len() > MEMBERS_MAX {
            return fail("members", "1 to 256 are expected under PBFT");
        }
        if !self.members.iter().all(PublicKey::is_acceptable) {
            return fail("members", "one is not an acceptable public key");
        }
        let mut sorted = self.members.clone();
        sorted.sort_unstable();
        if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
            return fail("members", "one key stands twice");
        }
        if params.depth == 0 || u64::from(params.depth) > WINDOW_DEPTH_MAX {
            return fail("pbft.depth", "1 to 16 is expected");
        }
        if !new_view_fits(self.members.len(), u64::from(params.depth)) {
            return fail("pbft.depth", "with so many members a NEW-VIEW of this depth would not fit one message");
        }
        if params.checkpoint_interval == 0 {
            return fail("pbft.checkpoint_interval", "at least 1 is expected");
        }
        if params.view_timeout_ms == 0 || params.view_timeout_max_ms < params.view_timeout_ms {
            return fail("pbft.view_timeout_max_ms", "at least view_timeout_ms, which is at least 1");
        }
        Ok(())
    }

    fn check_pow(&self, params: &PowParams) -> Result<(), GenesisError> {
        let fail = |field, problem: &str| Err(GenesisError { field, problem: problem.to_owned() });
        if !self.members.is_empty() {
            return fail("members", "none are expected under proof of work");
        }
        if params.spacing_s == 0 {
            return fail("pow.spacing_s", "at least 1 is expected");
        }
        if Target::from_compact(params.bits).is_none_or(|target| target.to_compact() != params.bits) {
            return fail("pow.bits", "a compact target in its shortest form, positive and below 2^256, is expected");
        }
        if params.final_depth == 0 || params.max_reorg < params.final_depth {
            return fail("pow.max_reorg", "at least final_depth, which is at least 1");
        }
        if matches!(params.difficulty, Difficulty::Asert { half_life_s: 0 }) {
            return fail("pow.half_life_s", "at least 1 is expected");
        }
        Ok(())
    }
}

/// Whether q VIEW-CHANGEs, each with a certificate for the base and for `depth` heights above it, fit one message.
#[must_use]
pub fn new_view_fits(members: usize, depth: u64) -> bool {
    let quorum = (members + members.saturating_sub(1) / 3 + 1).div_ceil(2) as u64;
    // A seal is 66 bytes; a ballot with its header and the lengths around them takes less than 200.
    let certificate_bytes = 66 * quorum + 200;
    quorum * ((depth + 1) * certificate_bytes + 200) <= MESSAGE_BYTES_MAX as u64
}

/// The members of one epoch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ValidatorSet {
    /// The net.
    pub network: NetworkId,
    /// The epoch; no two sets of a net have the same.
    pub epoch: Epoch,
    /// The keys, in order; a vote names its signer by the index here.
    pub members: Vec<PublicKey>,
}

impl ValidatorSet {
    /// Covers network, epoch and members, so that what is signed for one set serves no other.
    #[must_use]
    pub fn hash(&self) -> SetHash {
        SetHash(tagged("bezant/set", &[&encode(&(self.network, self.epoch, &self.members))]))
    }

    /// Number of members.
    #[must_use]
    pub fn n(&self) -> usize {
        self.members.len()
    }

    /// Members that may lie: f = ⌊(n − 1) / 3⌋.
    #[must_use]
    pub fn f(&self) -> usize {
        self.n().saturating_sub(1) / 3
    }

    /// Votes that make a certificate: q = ⌈(n + f + 1) / 2⌉. Any two quorums share a correct member, for every n.
    #[must_use]
    pub fn quorum(&self) -> usize {
        (self.n() + self.f() + 1).div_ceil(2)
    }

    /// The member whose turn it is in `view`: number (epoch + view) mod n.
    ///
    /// # Panics
    /// For an empty set, which genesis does not allow.
    #[must_use]
    pub fn primary(&self, view: crate::ledger::units::View) -> u16 {
        let n = self.n() as u128;
        let index = (u128::from(self.epoch.0) + u128::from(view.0)) % n;
        u16::try_from(index).expect("a set has at most 256 members")
    }

    /// The index of a key.
    #[must_use]
    pub fn index_of(&self, key: &PublicKey) -> Option<u16> {
        let index = self.members.iter().position(|member| member == key)?;
        Some(u16::try_from(index).expect("a set has at most 256 members"))
    }

    /// The key of a member.
    #[must_use]
    pub fn member(&self, index: u16) -> Option<&PublicKey> {
        self.members.get(usize::from(index))
    }
}

impl LedgerParams {
    /// What the coinbase at `height` may create beyond fees: halved every `halving_interval` blocks, 0 after 64 halvings.
    #[must_use]
    pub fn subsidy_at(&self, height: Height) -> Amount {
        let halvings = if self.halving_interval == 0 { 0 } else { height.0 / u64::from(self.halving_interval) };
        let grains = u32::try_from(halvings).ok().and_then(|n| self.subsidy.grains().checked_shr(n)).unwrap_or(0);
        Amount::from_grains(grains).expect("half of an amount is an amount")
    }

    /// All that coinbases may ever create beyond fees, in grains, when there are halvings: genesis has no subsidy, so the first
    /// interval pays one less. May exceed any [`Amount`].
    fn issued(&self) -> u128 {
        let intervals = (0..64).map(|n| u128::from(self.subsidy.grains() >> n) * u128::from(self.halving_interval));
        intervals.sum::<u128>() - u128::from(self.subsidy.grains())
    }
}
