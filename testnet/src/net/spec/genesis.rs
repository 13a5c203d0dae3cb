//! With what a dev net begins: its engine's parameters, and the coins of the accounts and of the faucet.

use super::{HASHRATE_DEFAULT, now_ms, random_bytes};
use bezant_api::types::EngineName;
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::genesis::{
    Difficulty, EngineParams, GENESIS_VERSION, Genesis, LedgerParams, PbftParams, PowParams,
};
use bezant_consensus::ledger::key::{PublicKey, SigningKey};
use bezant_consensus::ledger::lock::Lock;
use bezant_consensus::ledger::target::{Target, U320};
use bezant_consensus::ledger::transaction::Output;
use bezant_consensus::limits::GRAINS_PER_BZT;

/// Coins per account in genesis, so that transfers from one account need not wait for each other's change.
const COINS_PER_ACCOUNT: u64 = 10;
/// Grains in each of those coins.
const COIN_GRAINS: u64 = 100_000 * GRAINS_PER_BZT;
/// Coins of the faucet, which also funds the load generator's accounts.
const FAUCET_COINS: u64 = 50;

/// Bytes of a block, at most, of a net that is made without other wishes.
pub const BLOCK_BYTES_MAX_DEFAULT: u32 = 1_000_000;

/// What is different in the genesis of a net that is made for a scenario or a measurement; nothing by default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Staging {
    /// The scenario, which the net's files name from then on.
    pub scenario: Option<String>,
    /// PBFT: how long a view has at least.
    pub view_timeout_ms: Option<u32>,
    /// PBFT: blocks from one checkpoint to the next.
    pub checkpoint_interval: Option<u32>,
    /// Proof of work: confirmations after which a block counts as final.
    pub final_depth: Option<u32>,
    /// Proof of work: how deep a branch may fork off and still be followed.
    pub max_reorg: Option<u32>,
    /// Bytes of a block, at most; [`BLOCK_BYTES_MAX_DEFAULT`] else.
    pub block_bytes_max: Option<u32>,
    /// Further first coins, behind all others.
    pub coins: Vec<Output>,
}

impl Staging {
    pub(super) fn apply(&self, genesis: &mut Genesis) {
        match &mut genesis.engine {
            EngineParams::Pbft(params) => {
                params.view_timeout_ms = self.view_timeout_ms.unwrap_or(params.view_timeout_ms);
                params.checkpoint_interval = self.checkpoint_interval.unwrap_or(params.checkpoint_interval);
            }
            EngineParams::Pow(params) => {
                params.final_depth = self.final_depth.unwrap_or(params.final_depth);
                params.max_reorg = self.max_reorg.unwrap_or(params.max_reorg).max(params.final_depth);
            }
        }
        genesis.ledger.block_bytes_max = self.block_bytes_max.unwrap_or(genesis.ledger.block_bytes_max);
        genesis.allocations.extend(self.coins.iter().cloned());
    }
}

/// The key of the faucet: funds `faucet` and the load generator, apart from the named accounts.
#[must_use]
pub fn faucet_key(seed: u64) -> SigningKey {
    use bezant_consensus::ledger::hash::tagged;
    SigningKey::from_seed(&tagged("bezant/testnet-faucet", &[&seed.to_le_bytes()]))
}

/// The genesis of a dev net, of now and with fresh salt.
pub(super) fn genesis(engine: EngineName, voters: &[PublicKey], block_time_ms: u64, seed: u64) -> Genesis {
    let time = u32::try_from(now_ms() / 1_000).unwrap_or(u32::MAX);
    dev_genesis(engine, voters, block_time_ms, seed, time, random_bytes())
}

/// What a scenario's net in virtual time begins with: as [`genesis`], but that nothing of it is fresh.
pub(crate) fn staged_genesis(
    engine: EngineName,
    voters: &[PublicKey],
    block_time_ms: u64,
    seed: u64,
    time: u32,
    staging: &Staging,
) -> Genesis {
    let mut genesis = dev_genesis(engine, voters, block_time_ms, seed, time, [0; 32]);
    staging.apply(&mut genesis);
    genesis
}

fn dev_genesis(
    engine: EngineName,
    voters: &[PublicKey],
    block_time_ms: u64,
    seed: u64,
    time: u32,
    salt: [u8; 32],
) -> Genesis {
    let coin = |key: &SigningKey| Output {
        amount: Amount::from_grains(COIN_GRAINS).expect("100000 BZT is an amount"),
        lock: Lock::Key(key.public()).hash(),
    };
    let accounts = bezant_wallet::keys::dev::accounts(seed);
    let funded = accounts.iter().flat_map(|account| (0..COINS_PER_ACCOUNT).map(|_| coin(&account.key)));
    let faucet = faucet_key(seed);
    let allocations = funded.chain((0..FAUCET_COINS).map(|_| coin(&faucet))).collect();
    let is_pow = engine == EngineName::Pow;
    let params = match engine {
        EngineName::Pbft => EngineParams::Pbft(PbftParams {
            // On one machine a quorum answers within milliseconds; the timer lengthens itself when it does not.
            view_timeout_ms: 300,
            block_time_ms: u32::try_from(block_time_ms).unwrap_or(u32::MAX),
            ..bezant_api::genesis::pbft_defaults()
        }),
        EngineName::Pow => EngineParams::Pow(pow_params(voters.len(), block_time_ms)),
    };
    Genesis {
        version: GENESIS_VERSION,
        salt,
        time,
        dev: true,
        engine: params,
        ledger: LedgerParams {
            block_bytes_max: BLOCK_BYTES_MAX_DEFAULT,
            coinbase_maturity: if is_pow { 10 } else { 0 },
            subsidy: Amount::from_grains(if is_pow { 50 * GRAINS_PER_BZT } else { 0 }).expect("50 BZT is an amount"),
            halving_interval: if is_pow { 50_000 } else { 0 },
            relay_fee_rate_min: 1_000,
        },
        members: if is_pow { Vec::new() } else { voters.to_vec() },
        allocations,
    }
}

/// The first target is what the default miners together meet once per spacing.
fn pow_params(miners: usize, block_time_ms: u64) -> PowParams {
    let spacing_s = u32::try_from(block_time_ms / 1_000).unwrap_or(u32::MAX).max(1);
    let hashes = U320::from(HASHRATE_DEFAULT) * U320::from(miners as u64) * U320::from(spacing_s);
    let target = Target::from_value((U320::from(1) << 256usize) / hashes - U320::from(1));
    PowParams {
        spacing_s,
        bits: target.expect("a few hashes make a target").to_compact(),
        difficulty: Difficulty::Asert { half_life_s: spacing_s.saturating_mul(20) },
        final_depth: 6,
        max_reorg: 1_000,
        future_s: 7_200,
    }
}
