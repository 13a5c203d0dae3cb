//! `bezant genesis`.

use crate::cli::{Engine, Genesis as Command, Global};
use crate::commands::net;
use crate::output::{Failure, Outcome, Output};
use bezant_api::genesis;
use bezant_api::types::EngineName;
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::genesis::{EngineParams, GENESIS_VERSION, Genesis};
use bezant_consensus::ledger::hash::LockHash;
use bezant_consensus::ledger::key::PublicKey;
use bezant_consensus::ledger::lock::Lock;
use bezant_consensus::ledger::transaction::Output as Coin;
use bezant_wallet::keys::keystore;
use serde_json::json;
use std::path::Path;
use std::time::Duration;

pub(crate) fn run(command: Command, global: &Global, output: &Output) -> Outcome {
    match command {
        Command::New { engine, member, allocation, block_time, dev } => {
            let made = new(engine, &member, &allocation, block_time, dev, global)?;
            let toml = genesis::to_toml(&made);
            output.result(&json!({"network_id": made.network_id().to_string(), "toml": toml}), || toml.clone())
        }
        Command::Show { file, net } => {
            let file = match file {
                Some(file) => file,
                None => net::dir(&net, global)?.join(bezant_testnet::net::spec::GENESIS_FILE),
            };
            let text = read(&file)?;
            let parsed = genesis::from_toml(&text).map_err(|error| Failure::new(2, "genesis", error))?;
            if output.json {
                let id = parsed.network_id().to_string();
                return output.result(&json!({"network_id": id, "toml": text}), String::new);
            }
            // Byte for byte: no line end is added or taken away.
            use std::io::Write;
            std::io::stdout().write_all(text.as_bytes()).map_err(|error| Failure::failed("output", error))
        }
        Command::Check { file } => {
            let parsed = genesis::from_toml(&read(&file)?).map_err(|error| Failure::new(2, "genesis", error))?;
            let id = parsed.network_id().to_string();
            output.result(&json!({ "network_id": id }), || format!("good; network id {id}"))
        }
    }
}

fn read(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file).map_err(|error| Failure::new(2, "genesis", format!("{}: {error}", file.display())))
}

fn new(
    engine: Engine,
    members: &[String],
    allocations: &[String],
    block_time: Duration,
    dev: bool,
    global: &Global,
) -> Result<Genesis, Failure> {
    let spacing_s = u32::try_from(block_time.as_secs()).unwrap_or(u32::MAX);
    let (name, params) = match engine {
        Engine::Pbft => (EngineName::Pbft, EngineParams::Pbft(genesis::pbft_defaults())),
        Engine::Pow => (EngineName::Pow, EngineParams::Pow(genesis::pow_defaults(spacing_s))),
    };
    let member =
        |text: &String| text.parse::<PublicKey>().map_err(|error| Failure::usage(format!("--member: {error}")));
    let made = Genesis {
        version: GENESIS_VERSION,
        salt: bezant_testnet::net::spec::random_bytes(),
        time: u32::try_from(bezant_testnet::net::spec::now_ms() / 1_000).unwrap_or(u32::MAX),
        dev,
        engine: params,
        ledger: genesis::ledger_defaults(name),
        members: members.iter().map(member).collect::<Result<_, _>>()?,
        allocations: allocations.iter().map(|text| allocation(text, global)).collect::<Result<_, _>>()?,
    };
    made.check().map_err(Failure::usage)?;
    Ok(made)
}

fn allocation(text: &str, global: &Global) -> Result<Coin, Failure> {
    let fail = |what: String| Failure::usage(format!("--allocation {text}: {what}"));
    let (who, amount) = text.split_once('=').ok_or_else(|| fail("WHO=AMOUNT is expected".to_owned()))?;
    let amount: Amount = amount.parse().map_err(|error| fail(format!("{error}")))?;
    let wallet = keystore::path(&net::home(global)?.wallets(), who);
    let lock = if let Ok(key) = who.parse::<PublicKey>() {
        Lock::Key(key).hash()
    } else if let Ok(lock) = who.parse::<LockHash>() {
        lock
    } else if keystore::check_name(who).is_ok() && wallet.exists() {
        keystore::read(&wallet)?.lock_hashes()[0]
    } else {
        let known = "a public key, a lock hash, or a wallet of yours";
        return Err(fail(format!("\"{who}\" is not {known}; make one with `bezant wallet new NAME`")));
    };
    Ok(Coin { amount, lock })
}
