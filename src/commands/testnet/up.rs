//! `bezant testnet up`: in the foreground this process supervises; with `--detach` a process of its own does.

use super::accounts_table;
use crate::cli::{Engine, Global, Up};
use crate::commands::dashboard::{Orders, await_first_block};
use crate::commands::{net, watch};
use crate::output::{Failure, Outcome, Output};
use bezant_api::manifest::Manifest;
use bezant_api::types::EngineName;
use bezant_testnet::net::client;
use bezant_testnet::net::spec::{self, UpOptions};
use bezant_testnet::net::supervisor::{self, LOG_FILE, Supervisor};
use bezant_tui::{Options, Style};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::sync::oneshot;

fn up_options(options: &Up, global: &Global) -> Result<UpOptions, Failure> {
    let home = net::home(global)?;
    let name = &options.net.net;
    let elsewhere = || options.dir.clone().unwrap_or_else(|| home.nets().join(name));
    let mut wanted = wished(options, home.find_net(name).unwrap_or_else(|_| elsewhere()));
    // Before anything is made.
    wanted.check()?;
    wanted.dir = home.create_net(name, options.dir.as_deref())?;
    Ok(wanted)
}

fn wished(options: &Up, dir: PathBuf) -> UpOptions {
    UpOptions {
        net: options.net.net.clone(),
        dir,
        engine: options.engine.map(|engine| match engine {
            Engine::Pbft => EngineName::Pbft,
            Engine::Pow => EngineName::Pow,
        }),
        nodes: options.nodes,
        observers: options.observers,
        block_time_ms: options.block_time.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
        seed: options.seed,
        base_port: options.base_port,
        stratum: options.stratum,
        fresh: options.fresh,
        restart: options.restart,
        isolate: options.isolate,
        staging: Default::default(),
    }
}

/// Does something with a net that is to start. When that fails before a node has run, what was made for it here goes again: it would
/// only be in the way of the next attempt.
pub(super) async fn made_for<T>(
    options: &Up,
    global: &Global,
    deed: impl AsyncFnOnce(UpOptions) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let (home, name) = (net::home(global)?, &options.net.net);
    let was_there = home.find_net(name).is_ok();
    let dir_was_there = options.dir.as_ref().is_some_and(|dir| dir.exists());
    let wanted = up_options(options, global)?;
    let dir = wanted.dir.clone();
    let done = deed(wanted).await;
    // A node's log says why it did not start. Who cannot have the lock is not alone.
    if done.is_err() && !was_there && !spec::node_log(&dir, 0).exists() {
        let lock = supervisor::lock(name, &dir);
        if lock.is_ok() && home.remove_net(name).is_ok() && dir_was_there {
            // An empty directory of theirs.
            let _ = std::fs::create_dir(&dir);
        }
    }
    done
}

pub(super) async fn up(options: Up, global: &Global, output: &Output) -> Outcome {
    // The parser lets it pass beside what goes with no scenario.
    if options.pace.is_some() && options.scenario.is_none() {
        return Err(Failure::usage("--pace goes with --scenario: it is the pace of a play"));
    }
    if options.detach {
        return made_for(&options, global, async |wanted| detach(wanted, output).await).await;
    }
    if let Some(scenario) = &options.scenario {
        return super::play::run(scenario, &options, global, output).await;
    }
    let shown = made_for(&options, global, async |wanted| {
        on_net(&wanted, output, async |manifest| show(&options, manifest, global, output).await).await
    });
    let shown = shown.await?;
    output.remark("stopped");
    shown.unwrap_or(Ok(()))
}

/// Starts a net in this process, does something with it, and stops it. `None` when that was interrupted.
///
/// What went wrong with the net itself counts less than what went wrong with what was done.
pub(crate) async fn on_net<T>(
    wanted: &UpOptions,
    output: &Output,
    deed: impl AsyncFnOnce(&Manifest) -> Result<T, Failure>,
) -> Result<Option<Result<T, Failure>>, Failure> {
    output.remark("starting …");
    let stop = net::interrupted();
    tokio::pin!(stop);
    let supervisor = tokio::select! {
        started = Supervisor::start(wanted) => started?,
        () = &mut stop => return Err(Failure::failed("interrupted", "interrupted while starting")),
    };
    let manifest = supervisor.manifest();
    let (end, ended) = oneshot::channel::<()>();
    let serving = tokio::spawn(supervisor.serve(async {
        let _ = ended.await;
    }));
    let done = tokio::select! {
        done = deed(&manifest) => Some(done),
        () = &mut stop => None,
    };
    let _ = end.send(());
    let served = serving.await.map_err(|error| Failure::failed("supervisor", error))?;
    if !matches!(done, Some(Err(_))) {
        served?;
    }
    Ok(done)
}

/// What a person sees of a net in the foreground; returns when they leave, or when somebody else stopped the net.
async fn show(options: &Up, manifest: &Manifest, global: &Global, output: &Output) -> Outcome {
    // The dashboard shows the first block itself; everybody else is told when it is there.
    let on_terminal = options.tui && std::io::stdout().is_terminal();
    if !on_terminal {
        await_first_block(manifest).await?;
        print_manifest(manifest, output)?;
    }
    let stopped = net::stopped(manifest);
    if !options.tui {
        output.remark("running; Ctrl-C stops the net");
        stopped.await;
        return Ok(());
    }
    let (orders, notices, doing) = Orders::start(vec![manifest.clone()], global, true);
    let shown = if on_terminal {
        let options = Options {
            nets: vec![watch::shown(manifest)],
            look: watch::look(options.look, global),
            quit_stops_net: true,
            can_fault: true,
            orders: Some(orders),
            notices: Some(notices),
        };
        bezant_tui::dashboard(options, stopped).await.map_err(|error| Failure::failed("terminal", error))
    } else {
        let style = if output.json { Style::Json } else { Style::Plain };
        watch::lines(manifest, style, stopped).await
    };
    doing.abort();
    shown
}

fn print_manifest(manifest: &Manifest, output: &Output) -> Outcome {
    output.result(manifest, || {
        let mut text = format!("net {} ({}) in {}\n", manifest.net, manifest.engine, manifest.dir.display());
        for node in &manifest.nodes {
            let stratum = node.stratum.as_ref().map(|address| format!("  stratum {address}")).unwrap_or_default();
            text += &format!("{}  {}{stratum}\n", node.name, node.rpc);
        }
        text + "dev keys, never use them elsewhere:\n" + &accounts_table(manifest)
    })
}

/// What `--detach` runs: supervises until told to stop. Its parent reads one line on its standard output.
pub(super) async fn supervise(options: Up, global: &Global) -> Outcome {
    let wanted = up_options(&options, global)?;
    let supervisor = Supervisor::start(&wanted).await?;
    supervisor.serve(net::interrupted()).await?;
    Ok(())
}

async fn detach(wanted: UpOptions, output: &Output) -> Outcome {
    if let Ok(manifest) = client::running(&wanted.net, &wanted.dir) {
        let error = bezant_testnet::net::error::NetError::Running { net: wanted.net, pid: manifest.supervisor.pid };
        return Err(error.into());
    }
    let log_path = wanted.dir.join(LOG_FILE);
    let failed = |error: std::io::Error| Failure::failed("supervisor", format!("{}: {error}", log_path.display()));
    // Added to, not truncated: another supervisor may be at work, and this one be the second.
    let log = std::fs::File::options().create(true).append(true).open(&log_path).map_err(failed)?;
    let written_before = log.metadata().map_err(failed)?.len();
    let program = std::env::current_exe().map_err(failed)?;
    // Every argument is passed on; the supervisor differs only in not returning.
    let arguments = std::env::args_os().skip(1).map(|arg| if arg == "up" { "supervise".into() } else { arg });
    let arguments = arguments.filter(|arg| arg != "--detach" && arg != "--json");
    let mut child = tokio::process::Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .process_group(0)
        .kill_on_drop(false)
        .spawn()
        .map_err(failed)?;
    let pid = child.id();
    output.remark("starting …");
    let manifest = tokio::select! {
        ended = child.wait() => {
            let status = ended.map_or_else(|error| error.to_string(), |status| status.to_string());
            return Err(supervisor_failed(&log_path, written_before, &status));
        }
        manifest = await_manifest(&wanted, pid) => manifest,
    };
    await_first_block(&manifest).await?;
    print_manifest(&manifest, output)
}

/// The manifest that this supervisor writes; another's says nothing about this one's fate.
async fn await_manifest(wanted: &UpOptions, supervisor: Option<u32>) -> Manifest {
    loop {
        if let Ok(manifest) = client::running(&wanted.net, &wanted.dir)
            && Some(manifest.supervisor.pid) == supervisor
            && manifest.supervisor.control.exists()
        {
            return manifest;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The supervisor's own words, without their prefix; its log had `written_before` bytes when it was started.
fn supervisor_failed(log: &Path, written_before: u64, status: &str) -> Failure {
    let bytes = std::fs::read(log).unwrap_or_default();
    let own = usize::try_from(written_before).ok().and_then(|start| bytes.get(start..)).unwrap_or_default();
    let text = String::from_utf8_lossy(own);
    let message = text.split_once("error: ").map_or(text.trim(), |(_, message)| message.trim());
    let usage = status.ends_with(": 2");
    let message = if message.is_empty() { format!("the supervisor ended with {status}") } else { message.to_owned() };
    Failure::new(if usage { 2 } else { 1 }, "supervisor", message)
}
