//! `bezant node` and `bezant config`.

use crate::cli::{Config, Node, NodeSettings};
use crate::commands::net;
use crate::output::{Failure, Outcome, Output};
use bezant_api::config::{LogConfig, NodeConfig};
use serde_json::json;
use std::path::Path;

pub(crate) async fn run(options: Node, output: &Output) -> Outcome {
    let config = effective(&options)?;
    log(&config.log)?;
    use_small_pages();
    let failed = |error: bezant_node::NodeError| {
        let status = if error.is_configuration() { 2 } else { 1 };
        Failure::new(status, "node", error)
    };
    if !options.standing_at.is_empty() {
        let standing = bezant_node::standing(config, &options.standing_at).await.map_err(failed)?;
        return output.result(&standing, || format!("height {}  {}", standing.height, standing.tip));
    }
    bezant_node::run(config, net::interrupted()).await.map_err(failed)
}

/// Some systems give huge pages to everybody; of each a node under load would touch a part, which is all that it gains. A kernel
/// without them has nothing to turn off.
fn use_small_pages() {
    #[cfg(target_os = "linux")]
    if let Err(error) = nix::sys::prctl::set_thp_disable(true) {
        tracing::debug!(%error, "huge pages stay on");
    }
}

pub(crate) fn config(command: Config, output: &Output) -> Outcome {
    match command {
        Config::Check { file } => {
            read(&file)?;
            output.result(&json!({ "ok": true }), || "good".to_owned())
        }
        Config::Show { effective: _, node } => {
            let config = effective(&node)?;
            output.result(&config, || config.to_toml())
        }
    }
}

fn log(config: &LogConfig) -> Result<(), Failure> {
    let filter = tracing_subscriber::EnvFilter::try_new(&config.filter);
    let filter =
        filter.map_err(|error| Failure::usage(format!("log.filter: {error}; `info` or `info,bezant_node=debug`")))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
    if config.json {
        builder.json().init()
    } else {
        builder.init()
    }
    Ok(())
}

fn read(file: &Path) -> Result<NodeConfig, Failure> {
    let fail = |reason: String| Failure::new(2, "config", format!("{}: {reason}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| fail(error.to_string()))?;
    NodeConfig::from_toml(&text).map_err(|error| fail(error.to_string()))
}

/// Flags and environment over file over defaults.
fn effective(options: &Node) -> Result<NodeConfig, Failure> {
    let settings = options.settings.clone();
    let mut config = match &options.config {
        Some(file) => read(file)?,
        None => from_settings(&settings)?,
    };
    merge(&mut config, settings);
    config.check().map_err(|error| Failure::new(2, "config", error))?;
    Ok(config)
}

fn from_settings(settings: &NodeSettings) -> Result<NodeConfig, Failure> {
    let (Some(data_dir), Some(genesis)) = (&settings.data_dir, &settings.genesis) else {
        return Err(Failure::usage("a node needs --config FILE, or at least --data-dir DIR and --genesis FILE"));
    };
    let table = toml::toml! { data_dir = "" genesis = "" };
    let mut config: NodeConfig = table.try_into().map_err(|error| Failure::new(2, "config", error))?;
    config.data_dir.clone_from(data_dir);
    config.genesis.clone_from(genesis);
    Ok(config)
}

fn merge(config: &mut NodeConfig, settings: NodeSettings) {
    fn over<T>(field: &mut T, given: Option<T>) {
        if let Some(given) = given {
            *field = given;
        }
    }
    fn over_list(field: &mut Vec<String>, given: Vec<String>) {
        if !given.is_empty() {
            *field = given;
        }
    }
    over(&mut config.data_dir, settings.data_dir);
    over(&mut config.genesis, settings.genesis);
    over(&mut config.name, settings.name);
    over_list(&mut config.p2p.listen, settings.p2p_listen);
    over_list(&mut config.p2p.external, settings.p2p_external);
    over_list(&mut config.p2p.peers, settings.peer);
    config.p2p.mdns |= settings.mdns;
    over(&mut config.rpc.listen, settings.rpc_listen);
    if settings.validator_key.is_some() {
        config.validator_key = settings.validator_key;
    }
    config.miner.enabled |= settings.mine;
    over(&mut config.miner.threads, settings.miner_threads);
    over(&mut config.miner.hashrate_max, settings.max_hashrate);
    if settings.payee.is_some() {
        config.miner.payee = settings.payee;
    }
    if settings.stratum.is_some() {
        config.stratum.listen = settings.stratum;
    }
    over(&mut config.stratum.difficulty, settings.stratum_difficulty);
    if settings.work_min.is_some() {
        config.sync.work_min = settings.work_min;
    }
    over(&mut config.log.filter, settings.log);
    config.log.json |= settings.log_json;
}
