//! The genesis file: the TOML form of [`Genesis`].
//!
//! ```toml
//! version = 1
//! salt = "64 hex digits"       # random, so that no two nets have one id
//! time = 1735689600            # of the genesis block, seconds since 1970
//! dev = true                   # default false
//! engine = "pbft"              # or "pow"
//! members = ["public key"]     # PBFT: 64 hex digits each, in order
//!
//! [ledger]                     # may be left out, in whole or in part
//! subsidy = "50"               # amounts are text, in BZT with at most eight decimals
//!
//! [pbft]                       # or [pow]; may be left out, in whole or in part
//! depth = 2
//!
//! [[allocations]]
//! lock = "lock hash"           # or: key = "public key", for the lock of that single key
//! amount = "1000000"
//! ```
//!
//! What is left out has a default that depends on the engine: see [`ledger_defaults`], [`pbft_defaults`] and [`pow_defaults`].
//! Only the values matter: the net's id is the hash of the borsh encoding, so spaces and comments may change. [`to_toml`] writes
//! every value, always in the same bytes.

use crate::types::EngineName;
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::genesis::{
    Difficulty, EngineParams, GENESIS_VERSION, Genesis, LedgerParams, PbftParams, PowParams,
};
use bezant_consensus::ledger::hash::LockHash;
use bezant_consensus::ledger::key::PublicKey;
use bezant_consensus::ledger::lock::Lock;
use bezant_consensus::ledger::transaction::Output;
use serde::Deserialize;
use std::fmt::Write as _;
use std::path::Path;
use std::str::FromStr;

#[cfg(test)]
mod tests;

/// A genesis file that no net can be run with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("genesis: {field}: {problem}")]
pub struct GenesisFileError {
    /// The field, as the file names it; `file` when the text is no TOML of this form (the problem then shows the line).
    pub field: String,
    /// What is wrong with it and what is expected.
    pub problem: String,
}

/// The file as written; numbers and texts are given their meaning afterwards.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u16,
    salt: String,
    time: u32,
    #[serde(default)]
    dev: bool,
    engine: EngineName,
    #[serde(default)]
    members: Vec<String>,
    #[serde(default)]
    ledger: LedgerTable,
    pbft: Option<PbftTable>,
    pow: Option<PowTable>,
    #[serde(default)]
    allocations: Vec<Allocation>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct LedgerTable {
    block_bytes_max: Option<u32>,
    coinbase_maturity: Option<u32>,
    subsidy: Option<String>,
    halving_interval: Option<u32>,
    relay_fee_rate_min: Option<u64>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct PbftTable {
    depth: Option<u16>,
    checkpoint_interval: Option<u32>,
    view_timeout_ms: Option<u32>,
    view_timeout_max_ms: Option<u32>,
    drift_s: Option<u32>,
    block_time_ms: Option<u32>,
    readmit_interval: Option<u32>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct PowTable {
    spacing_s: Option<u32>,
    bits: Option<u32>,
    difficulty: Option<DifficultyName>,
    half_life_s: Option<u32>,
    final_depth: Option<u32>,
    max_reorg: Option<u32>,
    future_s: Option<u32>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum DifficultyName {
    Asert,
    Bitcoin,
    Fixed,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Allocation {
    lock: Option<String>,
    key: Option<String>,
    amount: String,
}

/// The ledger's parameters where a file is silent: blocks of 1 MiB, at least 1,000 grains per 1,000 bytes; under PBFT no
/// subsidy (fees go to the proposer, spendable at once); under proof of work 50 BZT halved every 105,000 blocks, so that half of
/// all money is left for allocations, spendable after 100 blocks.
#[must_use]
pub fn ledger_defaults(engine: EngineName) -> LedgerParams {
    let (coinbase_maturity, subsidy_bzt, halving_interval) = match engine {
        EngineName::Pbft => (0, 0, 0),
        EngineName::Pow => (100, 50, 105_000),
    };
    LedgerParams {
        block_bytes_max: 1024 * 1024,
        coinbase_maturity,
        subsidy: Amount::from_grains(subsidy_bzt * bezant_consensus::limits::GRAINS_PER_BZT)
            .expect("50 BZT are less than all"),
        halving_interval,
        relay_fee_rate_min: 1_000,
    }
}

/// PBFT's parameters where a file is silent.
#[must_use]
pub fn pbft_defaults() -> PbftParams {
    PbftParams {
        depth: 2,
        checkpoint_interval: 100,
        view_timeout_ms: 1_000,
        view_timeout_max_ms: 60_000,
        drift_s: 10,
        block_time_ms: 0,
        readmit_interval: 1_000,
    }
}

/// Proof of work's parameters where a file is silent, for this spacing: ASERT with a half-life of 288 spacings, and a first
/// target of about four million hashes.
#[must_use]
pub fn pow_defaults(spacing_s: u32) -> PowParams {
    PowParams {
        spacing_s,
        bits: 0x1e03_ffff,
        difficulty: Difficulty::Asert { half_life_s: spacing_s.saturating_mul(288) },
        final_depth: 6,
        max_reorg: 1_000,
        future_s: 7_200,
    }
}

/// Reads and checks a genesis file's text.
///
/// # Errors
/// The first field that is malformed, unknown, missing or out of range.
pub fn from_toml(text: &str) -> Result<Genesis, GenesisFileError> {
    let file: File = toml::from_str(text).map_err(|error| fail("file", error.to_string().trim_end()))?;
    if file.version != GENESIS_VERSION {
        return Err(fail("version", "this program knows version 1 only"));
    }
    let engine = engine_params(&file)?;
    let members = file.members.iter().enumerate();
    let members = members.map(|(i, text)| parse(&format!("members[{i}]"), text)).collect::<Result<_, _>>()?;
    let allocations = file.allocations.iter().enumerate().map(|(i, entry)| allocation(i, entry));
    let genesis = Genesis {
        version: file.version,
        salt: parse::<LockHash>("salt", &file.salt)?.0,
        time: file.time,
        dev: file.dev,
        ledger: ledger_params(&file)?,
        engine,
        members,
        allocations: allocations.collect::<Result<_, _>>()?,
    };
    genesis.check().map_err(|error| fail(error.field, error.problem))?;
    Ok(genesis)
}

/// Reads and checks a genesis file.
///
/// # Errors
/// When it cannot be read, and as [`from_toml`]; the problem then names the file.
pub fn read(path: &Path) -> Result<Genesis, GenesisFileError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| fail("file", format!("{} cannot be read: {error}", path.display())))?;
    from_toml(&text)
        .map_err(|error| GenesisFileError { problem: format!("{} (in {})", error.problem, path.display()), ..error })
}

/// The file of a genesis: every value, in this order, with amounts in BZT and allocations as lock hashes.
/// The same genesis always gives the same bytes, and [`from_toml`] reads it back.
#[must_use]
pub fn to_toml(genesis: &Genesis) -> String {
    let mut text = String::new();
    let engine = match genesis.engine {
        EngineParams::Pbft(_) => EngineName::Pbft,
        EngineParams::Pow(_) => EngineName::Pow,
    };
    let members: Vec<String> = genesis.members.iter().map(|key| format!("\n  \"{key}\",")).collect();
    let end = if members.is_empty() { "" } else { "\n" };
    put(&mut text, format_args!("version = {}", genesis.version));
    put(&mut text, format_args!("salt = \"{}\"", hex::encode(genesis.salt)));
    put(&mut text, format_args!("time = {}", genesis.time));
    put(&mut text, format_args!("dev = {}", genesis.dev));
    put(&mut text, format_args!("engine = \"{engine}\""));
    put(&mut text, format_args!("members = [{}{end}]", members.concat()));
    put_ledger(&mut text, &genesis.ledger);
    match &genesis.engine {
        EngineParams::Pbft(params) => put_pbft(&mut text, params),
        EngineParams::Pow(params) => put_pow(&mut text, params),
    }
    for output in &genesis.allocations {
        put(&mut text, format_args!("\n[[allocations]]\nlock = \"{}\"\namount = \"{}\"", output.lock, output.amount));
    }
    text
}

fn put(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("writing to memory does not fail");
}

fn put_ledger(text: &mut String, params: &LedgerParams) {
    put(text, format_args!("\n[ledger]"));
    put(text, format_args!("block_bytes_max = {}", params.block_bytes_max));
    put(text, format_args!("coinbase_maturity = {}", params.coinbase_maturity));
    put(text, format_args!("subsidy = \"{}\"", params.subsidy));
    put(text, format_args!("halving_interval = {}", params.halving_interval));
    put(text, format_args!("relay_fee_rate_min = {}", params.relay_fee_rate_min));
}

fn put_pbft(text: &mut String, params: &PbftParams) {
    put(text, format_args!("\n[pbft]"));
    put(text, format_args!("depth = {}", params.depth));
    put(text, format_args!("checkpoint_interval = {}", params.checkpoint_interval));
    put(text, format_args!("view_timeout_ms = {}", params.view_timeout_ms));
    put(text, format_args!("view_timeout_max_ms = {}", params.view_timeout_max_ms));
    put(text, format_args!("drift_s = {}", params.drift_s));
    put(text, format_args!("block_time_ms = {}", params.block_time_ms));
    put(text, format_args!("readmit_interval = {}", params.readmit_interval));
}

fn put_pow(text: &mut String, params: &PowParams) {
    put(text, format_args!("\n[pow]"));
    put(text, format_args!("spacing_s = {}", params.spacing_s));
    put(text, format_args!("bits = 0x{:08x}", params.bits));
    match params.difficulty {
        Difficulty::Asert { half_life_s } => {
            put(text, format_args!("difficulty = \"asert\"\nhalf_life_s = {half_life_s}"));
        }
        Difficulty::Bitcoin => put(text, format_args!("difficulty = \"bitcoin\"")),
        Difficulty::Fixed => put(text, format_args!("difficulty = \"fixed\"")),
    }
    put(text, format_args!("final_depth = {}", params.final_depth));
    put(text, format_args!("max_reorg = {}", params.max_reorg));
    put(text, format_args!("future_s = {}", params.future_s));
}

fn fail(field: impl Into<String>, problem: impl Into<String>) -> GenesisFileError {
    GenesisFileError { field: field.into(), problem: problem.into() }
}

fn parse<T: FromStr>(field: &str, text: &str) -> Result<T, GenesisFileError>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error: T::Err| fail(field, format!("{error}, not \"{text}\"")))
}

fn allocation(index: usize, entry: &Allocation) -> Result<Output, GenesisFileError> {
    let field = |name: &str| format!("allocations[{index}]{name}");
    let lock = match (&entry.lock, &entry.key) {
        (Some(lock), None) => parse(&field(".lock"), lock)?,
        (None, Some(key)) => Lock::Key(parse::<PublicKey>(&field(".key"), key)?).hash(),
        (Some(_), Some(_)) | (None, None) => return Err(fail(field(""), "either lock or key is expected")),
    };
    Ok(Output { amount: parse(&field(".amount"), &entry.amount)?, lock })
}

fn ledger_params(file: &File) -> Result<LedgerParams, GenesisFileError> {
    let (table, default) = (&file.ledger, ledger_defaults(file.engine));
    let subsidy = table.subsidy.as_ref().map(|text| parse("ledger.subsidy", text)).transpose()?;
    Ok(LedgerParams {
        block_bytes_max: table.block_bytes_max.unwrap_or(default.block_bytes_max),
        coinbase_maturity: table.coinbase_maturity.unwrap_or(default.coinbase_maturity),
        subsidy: subsidy.unwrap_or(default.subsidy),
        halving_interval: table.halving_interval.unwrap_or(default.halving_interval),
        relay_fee_rate_min: table.relay_fee_rate_min.unwrap_or(default.relay_fee_rate_min),
    })
}

fn engine_params(file: &File) -> Result<EngineParams, GenesisFileError> {
    match (file.engine, &file.pbft, &file.pow) {
        (EngineName::Pbft, table, None) => {
            let silent = PbftTable::default();
            Ok(EngineParams::Pbft(pbft_params(table.as_ref().unwrap_or(&silent))))
        }
        (EngineName::Pow, None, table) => {
            let silent = PowTable::default();
            Ok(EngineParams::Pow(pow_params(table.as_ref().unwrap_or(&silent))?))
        }
        (EngineName::Pbft, _, Some(_)) => Err(fail("pow", "engine is \"pbft\": write [pbft], or change engine")),
        (EngineName::Pow, Some(_), _) => Err(fail("pbft", "engine is \"pow\": write [pow], or change engine")),
    }
}

fn pbft_params(table: &PbftTable) -> PbftParams {
    let default = pbft_defaults();
    PbftParams {
        depth: table.depth.unwrap_or(default.depth),
        checkpoint_interval: table.checkpoint_interval.unwrap_or(default.checkpoint_interval),
        view_timeout_ms: table.view_timeout_ms.unwrap_or(default.view_timeout_ms),
        view_timeout_max_ms: table.view_timeout_max_ms.unwrap_or(default.view_timeout_max_ms),
        drift_s: table.drift_s.unwrap_or(default.drift_s),
        block_time_ms: table.block_time_ms.unwrap_or(default.block_time_ms),
        readmit_interval: table.readmit_interval.unwrap_or(default.readmit_interval),
    }
}

fn pow_params(table: &PowTable) -> Result<PowParams, GenesisFileError> {
    let default = pow_defaults(table.spacing_s.unwrap_or(600));
    let difficulty = match (table.difficulty.unwrap_or(DifficultyName::Asert), table.half_life_s) {
        (DifficultyName::Asert, Some(half_life_s)) => Difficulty::Asert { half_life_s },
        (DifficultyName::Asert, None) => default.difficulty,
        (DifficultyName::Bitcoin, None) => Difficulty::Bitcoin,
        (DifficultyName::Fixed, None) => Difficulty::Fixed,
        (DifficultyName::Bitcoin | DifficultyName::Fixed, Some(_)) => {
            return Err(fail("pow.half_life_s", "belongs to difficulty = \"asert\" only"));
        }
    };
    Ok(PowParams {
        bits: table.bits.unwrap_or(default.bits),
        difficulty,
        final_depth: table.final_depth.unwrap_or(default.final_depth),
        max_reorg: table.max_reorg.unwrap_or(default.max_reorg),
        future_s: table.future_s.unwrap_or(default.future_s),
        ..default
    })
}
