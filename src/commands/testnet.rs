//! `bezant testnet`: the command side of [`bezant_testnet::net`].

mod deploy;
mod dev;
mod faucet;
mod fault;
mod logs;
mod pictures;
mod play;
mod up;

pub(crate) use up::on_net;

use crate::cli::{
    Byzantine, Global, Load, LoadSpend, ModeOrOff, Net, Nodes, Testnet, TestnetTime, Validator, ValidatorChange, Wait,
};
use crate::commands::net;
use crate::output::{Failure, Outcome, Output, table};
use bezant_api::control::{ControlRequest, ValidatorAction};
use bezant_api::home::HomeError;
use bezant_api::manifest::Manifest;
use bezant_api::types::EngineName;
use bezant_consensus::ledger::hash::{NetworkId, TxId};
use bezant_testnet::net::check;
use bezant_testnet::net::client::{self, NetStatus, NodeLine};
use bezant_testnet::net::error::{NetError, net_flag};
use bezant_testnet::net::load::{self, LoadOptions, Spent};
use bezant_testnet::net::spec::NetSpec;
use bezant_testnet::net::wait::{self, Goal};
use bezant_testnet::text;
use serde::Serialize;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Between two looks at logs or the state of a net that is followed.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(250);

pub(crate) async fn run(command: Testnet, global: &Global, output: &Output) -> Outcome {
    match command {
        Testnet::Up(options) => up::up(options, global, output).await,
        Testnet::Supervise(options) => up::supervise(options, global).await,
        Testnet::Down { net, purge } => down(&net, purge, global, output).await,
        Testnet::Status { net, watch } => status(&net, watch, global, output).await,
        Testnet::Wait(options) => wait(&options, global, output).await,
        Testnet::Kill(nodes) => each(&nodes, global, output, |node| ControlRequest::Kill { node }).await,
        Testnet::Stop(nodes) => each(&nodes, global, output, |node| ControlRequest::Stop { node }).await,
        Testnet::Start(nodes) => each(&nodes, global, output, |node| ControlRequest::Start { node }).await,
        Testnet::Pause(nodes) => each(&nodes, global, output, |node| ControlRequest::Pause { node }).await,
        Testnet::Resume(nodes) => each(&nodes, global, output, |node| ControlRequest::Resume { node }).await,
        Testnet::Partition { net, groups, lasts } => {
            fault::partition(&net, parse_groups(&groups)?, lasts, global, output).await
        }
        Testnet::Fault(command) => fault::run(command, global, output).await,
        Testnet::Byzantine(options) => byzantine(options, global, output).await,
        Testnet::Validator(options) => validator(options, global, output).await,
        Testnet::Heal(net) => fault::heal(&net, global, output).await,
        Testnet::Mine(options) => dev::mine(options, global, output).await,
        Testnet::Reorg { net, depth, node } => dev::reorg(&net, depth, node, global, output).await,
        Testnet::Time(TestnetTime::Advance { net, by }) => dev::advance(&net, by, global, output).await,
        Testnet::Time(TestnetTime::Offset { net, node, by_ms }) => dev::offset(&net, node, by_ms, global, output).await,
        Testnet::Hashrate { net, node, rate } => dev::hashrate(&net, node, rate, global, output).await,
        Testnet::Faucet(options) => faucet::run(options, global, output).await,
        Testnet::Snapshot(options) => pictures::snapshot(options, global, output).await,
        Testnet::Revert(options) => pictures::revert(options, global, output).await,
        Testnet::Export(options) => pictures::export(options, global, output).await,
        Testnet::ExportDeploy(options) => deploy::run(options, global, output),
        Testnet::Import(options) => pictures::import(options, global, output).await,
        Testnet::Load(options) => load(options, global, output).await,
        Testnet::Check(net) => check(&net, global, output).await,
        Testnet::Logs(options) => logs::run(options, global, output).await,
        Testnet::Accounts(net) => {
            let manifest = net::running(&net, global)?;
            output.result(&manifest.accounts, || accounts_table(&manifest))
        }
        Testnet::Env(net) => env(&net, global, output),
        Testnet::List => list(global, output),
    }
}

async fn down(net: &Net, purge: bool, global: &Global, output: &Output) -> Outcome {
    let home = net::home(global)?;
    let (stopped, deleted) = match home.find_net(&net.net) {
        Ok(dir) => {
            let stopped = client::down(&net.net, &dir, purge).await?;
            if purge {
                home.remove_net(&net.net)?;
            }
            (stopped, purge.then_some(dir))
        }
        // What was wanted is so; but a name may be misspelt.
        Err(HomeError::NoNet(name)) => {
            output.remark(&no_net(&name, &home.list_nets()?));
            (false, None)
        }
        Err(error) => return Err(error.into()),
    };
    let result = json!({ "stopped": stopped, "purged": purge, "deleted": deleted });
    output.result(&result, || {
        let what = if stopped { "stopped" } else { "nothing was running" };
        let deleted = deleted.as_ref().map_or_else(String::new, |dir| format!("; deleted {}", dir.display()));
        format!("{what}{deleted}")
    })
}

fn no_net(name: &str, nets: &[(String, PathBuf)]) -> String {
    let names: Vec<&str> = nets.iter().map(|(name, _)| name.as_str()).collect();
    let there =
        if names.is_empty() { "there is none yet".to_owned() } else { format!("there are: {}", names.join(", ")) };
    format!("there is no net {name:?}; {there}")
}

async fn status(net: &Net, watch: bool, global: &Global, output: &Output) -> Outcome {
    let manifest = net::running(net, global)?;
    let mut last = client::status(&manifest).await;
    print_status(&last, output)?;
    if !watch {
        return Ok(());
    }
    let stop = net::ended();
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => return Ok(()),
            () = tokio::time::sleep(FOLLOW_INTERVAL) => {}
        }
        let manifest = net::running(net, global)?;
        let now = client::status(&manifest).await;
        if now != last {
            print_status(&now, output)?;
            last = now;
        }
    }
}

fn print_status(status: &NetStatus, output: &Output) -> Outcome {
    fn show<T: ToString>(value: &Option<T>) -> String {
        value.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string)
    }
    output.result(status, || {
        let rows = status.nodes.iter().map(|node| {
            vec![
                format!("node{}", node.index),
                state(node),
                show(&node.height),
                show(&node.final_height),
                node.tip.as_ref().map_or_else(|| "-".to_owned(), |tip| tip.chars().take(12).collect()),
                match node.epoch.filter(|epoch| *epoch > 0) {
                    Some(epoch) => format!("{epoch}/{}", show(&node.view)),
                    None => show(&node.view),
                },
                show(&node.work),
                show(&node.peers),
                show(&node.mempool),
            ]
        });
        table(&["node", "state", "height", "final", "tip", "view", "work", "peers", "pool"], rows)
    })
}

/// How a node is, in few words.
fn state(node: &NodeLine) -> String {
    let mut words = vec![match (node.up, node.paused) {
        (true, _) => "up".to_owned(),
        (false, true) => "paused".to_owned(),
        (false, false) => "down".to_owned(),
    }];
    match &node.byzantine {
        Some(lie) => words.push(lie.split(' ').next().unwrap_or(lie).to_owned()),
        None if node.votes == Some(false) => words.push("follows".to_owned()),
        None => {}
    }
    match node.faults {
        None | Some(0) => {}
        Some(count) => words.push(text::count(count as u64, "fault")),
    }
    match node.clock_offset_ms {
        0 => {}
        ms if ms % 1_000 == 0 => words.push(format!("clock {:+}s", ms / 1_000)),
        ms => words.push(format!("clock {ms:+}ms")),
    }
    if node.restarts > 0 {
        words.push(text::count(node.restarts, "restart"));
    }
    words.join(", ")
}

async fn wait(options: &Wait, global: &Global, output: &Output) -> Outcome {
    let manifest = net::running(&options.net, global)?;
    if options.view.is_some() && manifest.engine != EngineName::Pbft {
        return Err(Failure::usage("--view: there are no views under proof of work"));
    }
    let goal = match (options.height, options.final_height, options.view) {
        (Some(height), _, _) => Goal::Height(height),
        (None, Some(height), _) => Goal::Final(height),
        (None, None, Some(view)) => Goal::View(view),
        (None, None, None) => Goal::Synced,
    };
    let status = wait::wait(&manifest, goal, options.timeout).await?;
    print_status(&status, output)
}

async fn each(nodes: &Nodes, global: &Global, output: &Output, request: impl Fn(usize) -> ControlRequest) -> Outcome {
    let manifest = net::running(&nodes.net, global)?;
    let mut once: Vec<usize> = Vec::new();
    // All of them before anything is done to the first.
    for &node in &nodes.nodes {
        net::node_url(&manifest, node)?;
        if !once.contains(&node) {
            once.push(node);
        }
    }
    for &node in &once {
        client::ask(&manifest, &request(node)).await?;
    }
    output.result(&json!({ "nodes": once }), String::new)
}

async fn byzantine(options: Byzantine, global: &Global, output: &Output) -> Outcome {
    let Byzantine { net, node, mode, target } = options;
    let (lies_under, takes_target, mode) = match mode {
        ModeOrOff::Voting(mode) => (Some(EngineName::Pbft), mode.takes_target(), mode.name()),
        ModeOrOff::Mining(mode) => (Some(EngineName::Pow), false, mode.name()),
        ModeOrOff::Off => (None, false, "off"),
    };
    let mode = mode.to_owned();
    match (takes_target, &target) {
        (true, None) => return Err(Failure::usage(format!("{mode} needs the id of a transaction, or an address"))),
        (false, Some(_)) => return Err(Failure::usage(format!("{mode} takes nothing more"))),
        (true, Some(_)) | (false, None) => {}
    }
    let manifest = net::running(&net, global)?;
    if lies_under.is_some_and(|engine| engine != manifest.engine) {
        return Err(Failure::usage(format!(
            "{mode} is no lie of this net's engine; see bezant testnet byzantine --help"
        )));
    }
    // An account of the net may be meant by its name.
    let address = |text: String| {
        let account = manifest.accounts.iter().find(|account| account.name == text);
        account.map_or(text, |account| account.address.clone())
    };
    let target = target.map(address);
    if let Some(text) = &target {
        check_target(text, &manifest)?;
    }
    let request = ControlRequest::Byzantine { node, mode: mode.clone(), target };
    client::ask(&manifest, &request).await?;
    if manifest.engine == EngineName::Pow {
        return output.result(&json!({ "node": node, "mode": mode }), String::new);
    }
    let lying = client::status(&manifest).await.nodes.iter().filter(|node| node.byzantine.is_some()).count();
    let members = manifest.nodes.iter().filter(|node| node.validator.is_some()).count();
    let borne = members.saturating_sub(1) / 3;
    if lying > borne {
        output.remark(&format!("{lying} of {members} members lie now; the others can bear {borne}"));
    }
    output.result(&json!({ "node": node, "mode": mode }), String::new)
}

/// What a censor may be told to leave out.
fn check_target(text: &str, manifest: &Manifest) -> Outcome {
    let network: NetworkId = manifest.network_id.parse().map_err(|error| Failure::failed("net", error))?;
    if text.parse::<TxId>().is_ok() {
        return Ok(());
    }
    let why = match bezant_api::address::decode(&network, text) {
        Ok(_) => return Ok(()),
        Err(error) => error.to_string(),
    };
    let names: Vec<&str> = manifest.accounts.iter().map(|account| account.name.as_str()).collect();
    Err(Failure::usage(format!(
        "{text:?} is neither a transaction's id, nor an account of this net ({}), nor an address of it ({why})",
        names.join(", ")
    )))
}

/// How long a change of validators may take: filling up to the next checkpoint takes a few seconds.
const VALIDATOR_TIMEOUT: Duration = Duration::from_secs(120);

async fn validator(options: Validator, global: &Global, output: &Output) -> Outcome {
    let Validator { net, change, node } = options;
    let action = match change {
        ValidatorChange::Add => ValidatorAction::Add,
        ValidatorChange::Remove => ValidatorAction::Remove,
        ValidatorChange::Rekey => ValidatorAction::Rekey,
    };
    let manifest = net::running(&net, global)?;
    let before = client::status(&manifest).await.nodes.iter().filter_map(|node| node.epoch).max().unwrap_or(0);
    client::ask(&manifest, &ControlRequest::Validator { action, node }).await?;
    let epoch = before + 1;
    let status = wait::wait(&manifest, Goal::Epoch(epoch), VALIDATOR_TIMEOUT).await.map_err(|error| match error {
        NetError::TimedOut(missing) => NetError::TimedOut(format!(
            "the change waits: it needs a quorum of validators up, as `bezant testnet status{}` shows them; {missing}",
            net_flag(&manifest.net)
        )),
        other => other,
    })?;
    let voters = status.nodes.iter().filter(|node| node.up && node.votes == Some(true));
    let voters: Vec<usize> = voters.map(|node| node.index).collect();
    output.result(&json!({ "epoch": epoch, "voters": voters }), || {
        format!("epoch {epoch} has begun; validators up: {}", nodes_text(&voters))
    })
}

fn nodes_text(nodes: &[usize]) -> String {
    nodes.iter().map(|node| format!("node{node}")).collect::<Vec<_>>().join(", ")
}

fn parse_groups(text: &str) -> Result<Vec<Vec<usize>>, Failure> {
    let wanted = || Failure::usage(format!("groups of node numbers are expected, like 0,1/2,3, not {text:?}"));
    text.split('/').map(|group| group.split(',').map(|node| node.parse().map_err(|_| wanted())).collect()).collect()
}

async fn load(options: Load, global: &Global, output: &Output) -> Outcome {
    let manifest = net::running(&options.net, global)?;
    if let Some(file) = &options.sign_to {
        if file.exists() && !options.force {
            return Err(Failure::usage(format!(
                "--sign-to: {} is there already; choose another name, or add --force",
                file.display()
            )));
        }
        check_writable("--sign-to", file)?;
    }
    if let Some(file) = &options.report {
        check_writable("--report", file)?;
    }
    let rate = options.rate;
    let bar = load_bar(output);
    let told = |bar: indicatif::ProgressBar| -> load::Told { Box::new(move |progress| show_load(&bar, progress)) };
    let loaded = if let Some(file) = &options.from {
        load::load_from(&manifest, rate, options.duration, file, told(bar.clone())).await
    } else {
        output.remark("funding accounts and signing ahead …");
        let duration = options.duration.ok_or_else(|| Failure::usage("--duration: how long is the load to last?"))?;
        let spent = match options.spend {
            LoadSpend::Funded => Spent::Funded,
            LoadSpend::Change => Spent::Change,
        };
        let wanted = LoadOptions { rate, duration, accounts: options.accounts, spent };
        if let Some(file) = &options.sign_to {
            let signed = load::sign_to(&manifest, wanted, file).await?;
            return output.result(&signed, || {
                format!(
                    "{} signed into {} in {:.1} s",
                    text::count(signed.transfers, "transfer"),
                    file.display(),
                    signed.prepared_s
                )
            });
        }
        load::load(&manifest, wanted, told(bar.clone())).await
    };
    bar.finish_and_clear();
    let loaded = loaded?;
    let written = options.report.as_ref().map_or(Ok(()), |file| write_report(&loaded, file));
    print_load(&loaded.report, output)?;
    written
}

/// Whether a file can be written, before the work is done of which it is to tell. What is in it stays.
fn check_writable(flag: &str, file: &Path) -> Outcome {
    let was_there = file.exists();
    let opened = std::fs::File::options().create(true).append(true).open(file);
    opened.map_err(|error| Failure::failed("io", format!("{flag}: {} cannot be written: {error}", file.display())))?;
    if !was_there {
        // It was made by the look alone.
        let _ = std::fs::remove_file(file);
    }
    Ok(())
}

/// The result is printed all the same when that fails.
fn write_report(loaded: &load::Loaded, file: &Path) -> Outcome {
    let text = if file.extension().is_some_and(|extension| extension == "svg") {
        loaded.to_svg()
    } else {
        serde_json::to_string_pretty(loaded).map_err(|error| Failure::after_result("output", error))? + "\n"
    };
    let failed = |error| Failure::after_result("io", format!("--report: {} was not written: {error}", file.display()));
    std::fs::write(file, text).map_err(failed)
}

fn print_load(report: &load::LoadReport, output: &Output) -> Outcome {
    output.result(report, || {
        let latency = report.latency_ms;
        let mut text = format!(
            "offered   {:.1}/s\naccepted  {:.1}/s\nfinal     {:.1}/s\nlatency   p50 {:.1} ms, p95 {:.1} ms, p99 {:.1} ms, max {:.1} ms\n",
            report.offered_per_second, report.accepted_per_second, report.final_per_second, latency.p50, latency.p95,
            latency.p99, latency.max,
        );
        text += &format!("prepared  in {:.1} s\n", report.prepared_s);
        text += &usage_text(&report.usage);
        if report.unfinished > 0 {
            text += &format!("not final when the wait ended: {}\n", report.unfinished);
        }
        report.refused.iter().fold(text, |text, (kind, count)| text + &format!("refused   {count} × {kind}\n"))
    })
}

/// Drawn where somebody looks on.
fn load_bar(output: &Output) -> indicatif::ProgressBar {
    let bar = indicatif::ProgressBar::new(1);
    let style = indicatif::ProgressStyle::default_bar().template("{wide_bar} {msg}").expect("it is valid");
    bar.set_style(style);
    if !output.shows_progress() {
        bar.set_draw_target(indicatif::ProgressDrawTarget::hidden());
    }
    bar
}

fn show_load(bar: &indicatif::ProgressBar, progress: load::Progress) {
    let load::Progress { wanted, due, waiting, refused } = progress;
    bar.set_length(wanted);
    bar.set_position(due);
    let state = if due == wanted { "all sent" } else { "sent" };
    bar.set_message(format!("{due}/{wanted} {state}, {waiting} not final yet, {refused} refused"));
}

/// What a load cost, in three lines at most.
fn usage_text(usage: &load::Usage) -> String {
    let (Some(nodes), Some(all)) = (usage.nodes_cpu_s_per_1000, usage.all_cpu_s_per_1000) else {
        return String::new();
    };
    let memory = usage.nodes.iter().map(|node| node.resident_peak_bytes).max().unwrap_or(0) >> 20;
    format!(
        "processor {:.1} s in the nodes, {:.1} s in the load; {nodes:.3} s for 1,000 final transfers in the nodes, {all:.3} s in all\nmemory    {memory} MiB resident at most in one node\n",
        usage.nodes_cpu_s, usage.load_cpu_s
    )
}

async fn check(net: &Net, global: &Global, output: &Output) -> Outcome {
    let manifest = net::running(net, global)?;
    let report = check::check(&manifest).await?;
    output.result(&report, || {
        let mut text = format!(
            "{}, {} and {} replayed, final height {}, {}, {} grains\n",
            text::count(report.nodes, "node"),
            text::count(report.height, "block"),
            text::count(report.transactions, "transaction"),
            report.final_height,
            text::count(report.coins, "coin"),
            report.supply
        );
        text += if report.ok { "content\n" } else { "" };
        report.problems.iter().fold(text, |text, problem| text + "✗ " + problem + "\n")
    })?;
    if report.ok { Ok(()) } else { Err(Failure::after_result("referee", "the referee objects; see above")) }
}

/// Accounts with their addresses and funds.
fn accounts_table(manifest: &Manifest) -> String {
    let bzt = |grains: &str| {
        let amount = grains.parse().ok().and_then(bezant_consensus::ledger::amount::Amount::from_grains);
        amount.map_or_else(|| grains.to_owned(), |amount| amount.to_string())
    };
    let row = |account: &bezant_api::manifest::AccountEntry| {
        vec![account.name.clone(), bzt(&account.grains), account.address.clone()]
    };
    table(&["account", "funded BZT", "address"], manifest.accounts.iter().map(row))
}

fn env(net: &Net, global: &Global, output: &Output) -> Outcome {
    let manifest = net::running(net, global)?;
    let home = net::home(global)?.path().display().to_string();
    // No BEZANT_RPC: commands find the nodes by the net's name and move on when one is down.
    let pairs = [("BEZANT_HOME", home), ("BEZANT_NET", manifest.net)];
    let value: serde_json::Map<String, serde_json::Value> =
        pairs.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    output.result(&value, || {
        let quoted = |value: &str| format!("'{}'", value.replace('\'', r"'\''"));
        pairs.iter().map(|(name, value)| format!("export {name}={}\n", quoted(value))).collect()
    })
}

/// What `testnet list` says of a net. Of one that was never made whole nothing but its place is known.
#[derive(Serialize)]
struct ListedNet {
    net: String,
    dir: PathBuf,
    running: bool,
    engine: Option<EngineName>,
    nodes: Option<usize>,
    observers: Option<usize>,
    snapshots: usize,
}

fn list(global: &Global, output: &Output) -> Outcome {
    let listed = |(net, dir): (String, PathBuf)| {
        let spec = NetSpec::read(&dir).ok().flatten();
        ListedNet {
            running: client::running(&net, &dir).is_ok(),
            engine: spec.as_ref().map(|spec| spec.engine),
            nodes: spec.as_ref().map(|spec| spec.nodes),
            observers: spec.as_ref().map(|spec| spec.observers),
            snapshots: pictures_of(&dir),
            net,
            dir,
        }
    };
    let nets: Vec<ListedNet> = net::home(global)?.list_nets()?.into_iter().map(listed).collect();
    output.result(&nets, || {
        fn show<T: ToString>(value: Option<T>) -> String {
            value.map_or_else(|| "-".to_owned(), |value| value.to_string())
        }
        let row = |it: &ListedNet| {
            let state = if it.running { "running" } else { "stopped" };
            let nodes = it.nodes.zip(it.observers).map(|(nodes, observers)| nodes + observers);
            let (engine, nodes, dir) = (show(it.engine), show(nodes), it.dir.display().to_string());
            vec![it.net.clone(), state.to_owned(), engine, nodes, it.snapshots.to_string(), dir]
        };
        table(&["net", "state", "engine", "nodes", "snapshots", "directory"], nets.iter().map(row))
    })
}

fn pictures_of(dir: &Path) -> usize {
    bezant_testnet::net::pictures::list(dir).map_or(0, |all| all.len())
}
