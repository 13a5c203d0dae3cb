//! The supervisor: owns the node processes of one net.
//!
//! One loop owns the state; control connections, exits of children and the caller's shutdown only send to it. Each child is in
//! a process group of its own, so that a terminal's Ctrl-C reaches the supervisor alone. When the supervisor dies, every child
//! finds its pipe closed; a stopped one has asked the system to be woken for that.

mod clock;
mod controls;
mod manifest;
mod pictures;
mod processes;
mod restarts;
mod settings;
mod socket;
mod validators;
mod voters;

pub use clock::{stand_still, stood_still_at};
pub use controls::CLOCK_OFFSET_MS_MAX;
pub use restarts::RestartPolicy;

use crate::net::error::NetError;
use crate::net::faults::{self, FaultList};
use crate::net::isolation::Isolation;
use crate::net::pictures::install;
use crate::net::ports::PortClaims;
use crate::net::process::ProcessId;
use crate::net::spec::{self, NetSpec, UpOptions};
use bezant_api::config::ReadyLine;
use bezant_api::control::{ControlRequest, ControlResponse, FaultEntry, NodeSettings};
use bezant_api::manifest::{MANIFEST_FILE, Manifest, NodeEntry};
use nix::sys::signal::Signal;
use restarts::Revival;
use std::collections::BTreeMap;
use std::fs::File;
use std::future::Future;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::UnixListener;
use tokio::process::{ChildStdin, Command};
use tokio::sync::{mpsc, oneshot};

/// Locked while a supervisor runs.
pub const LOCK_FILE: &str = "lock";
/// What a supervisor in the background writes to.
pub const LOG_FILE: &str = "supervisor.log";
/// The control socket.
pub const CONTROL_FILE: &str = "control.sock";
/// How long a node may take until it serves.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a node may take to stop in order before it is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(4);
/// Control requests that may wait.
const REQUESTS_MAX: usize = 64;

/// A child's end.
struct Exit {
    node: usize,
    generation: u64,
    status: String,
    /// Whether it ended with a failure or by a signal.
    failed: bool,
}

/// Nodes that serve again, with the number of their start.
type Revived = (mpsc::Sender<(usize, u64)>, mpsc::Receiver<(usize, u64)>);

/// A node process, as far as it runs.
#[derive(Default)]
struct Slot {
    process: Option<ProcessId>,
    /// The pipe whose closing stops the node.
    stdin: Option<ChildStdin>,
    /// Completes when the node serves.
    ready_soon: Option<oneshot::Receiver<ReadyLine>>,
    /// Counts starts, so that the end of an earlier process is not taken for that of this one.
    generation: u64,
    /// When it was started.
    started: Option<Instant>,
    exited: Option<String>,
    /// Whether a command wants it down.
    asked: bool,
    /// Why it is down, in words.
    ended: Option<String>,
    paused: bool,
    /// By how much the net's clock was moved while it was paused.
    owed_ms: u64,
    /// How far its clock is ahead of the net's.
    clock_offset_ms: i64,
    /// What is different from the net's own configuration.
    settings: NodeSettings,
    revival: Revival,
}

impl Slot {
    fn is_running(&self) -> bool {
        self.process.as_ref().is_some_and(ProcessId::is_alive)
    }
}

/// A net of processes; see the module.
pub struct Supervisor {
    dir: PathBuf,
    spec: NetSpec,
    program: PathBuf,
    slots: Vec<Slot>,
    faults: FaultList,
    restart: RestartPolicy,
    revived: Revived,
    /// How nodes lie: mode and target.
    lies: BTreeMap<usize, (String, Option<String>)>,
    control: PathBuf,
    isolation: Option<Isolation>,
    exits: (mpsc::Sender<Exit>, mpsc::Receiver<Exit>),
    /// Held for its lock.
    _lock: File,
    /// Held, so that nobody takes the port of a node that is starting or down.
    _claims: PortClaims,
}

impl Supervisor {
    /// Makes or opens the net and starts its nodes. The directory exists and carries Bezant's marker.
    ///
    /// # Errors
    /// When the net is running, was made with other options, or a node does not start; then none is left running.
    pub async fn start(options: &UpOptions) -> Result<Supervisor, NetError> {
        let dir = &options.dir;
        let lock = lock(&options.net, dir)?;
        stop_leftovers(dir).await;
        install::finish(dir)?;
        // Before anything is made: it may be refused.
        let isolation = match options.isolate {
            true => Some(Isolation::new(options.count()?).await?),
            false => None,
        };
        let mut claims = PortClaims::default();
        let mut spec = spec::open_or_create(options, &mut claims)?;
        spec::refresh_ports(&mut spec, &mut claims)?;
        spec.hosts = isolation.iter().flat_map(|it| (0..spec.count()).map(|index| it.address(index))).collect();
        clock::wind(dir, &mut spec)?;
        let program = spec::program()?;
        let mut supervisor = Supervisor {
            slots: (0..spec.count()).map(|_| Slot::default()).collect(),
            control: socket::control_path(dir)?,
            dir: dir.clone(),
            spec,
            program,
            faults: FaultList::default(),
            restart: options.restart,
            isolation,
            revived: mpsc::channel(REQUESTS_MAX),
            lies: BTreeMap::new(),
            exits: mpsc::channel(REQUESTS_MAX),
            _lock: lock,
            _claims: claims,
        };
        match supervisor.start_all().await {
            Ok(()) => Ok(supervisor),
            Err(error) => {
                supervisor.stop_all().await;
                supervisor.end_isolation().await;
                Err(error)
            }
        }
    }

    async fn start_all(&mut self) -> Result<(), NetError> {
        for index in 0..self.slots.len() {
            self.spawn(index)?;
        }
        for index in 0..self.slots.len() {
            self.await_ready(index).await?;
        }
        self.write_manifest()
    }

    fn spawn(&mut self, index: usize) -> Result<(), NetError> {
        let node = spec::node_dir(&self.dir, index);
        let config = node.join("node.toml");
        let mut settings = spec::node_config(&self.dir, &self.spec, index);
        settings.dev.clock_offset_ms += self.slots[index].clock_offset_ms;
        settings::apply(&self.slots[index].settings, &mut settings);
        std::fs::write(&config, settings.to_toml()).map_err(NetError::io(&config))?;
        let log_path = spec::node_log(&self.dir, index);
        let log = File::options().create(true).append(true).open(&log_path).map_err(NetError::io(&log_path))?;
        let failed =
            |error: std::io::Error| NetError::NodeStart { index, reason: error.to_string(), log: log_path.clone() };
        let mut command = match &self.isolation {
            Some(isolation) => isolation.command(index, &self.program),
            None => Command::new(&self.program),
        };
        spec::clean_environment(&mut command);
        let mut child = command
            .args(["node", "--config"])
            .arg(&config)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .process_group(0)
            .kill_on_drop(false)
            .spawn()
            .map_err(failed)?;
        let slot = &mut self.slots[index];
        slot.generation += 1;
        slot.process = child.id().and_then(ProcessId::of);
        slot.stdin = child.stdin.take();
        slot.exited = None;
        slot.started = Some(Instant::now());
        (slot.asked, slot.paused, slot.owed_ms) = (false, false, 0);
        slot.revival.cancel();
        let (exits, generation) = (self.exits.0.clone(), slot.generation);
        let stdout = child.stdout.take();
        let (ready, ready_soon) = oneshot::channel();
        slot.ready_soon = Some(ready_soon);
        tokio::spawn(async move {
            if let Some(stdout) = stdout {
                let mut ready = Some(ready);
                let mut lines = BufReader::new(stdout).lines();
                while let Ok(Some(line)) = lines.next_line().await {
                    if let (Ok(line), Some(ready)) = (serde_json::from_str::<ReadyLine>(&line), ready.take()) {
                        let _ = ready.send(line);
                    }
                }
            }
            let ended = child.wait().await;
            let failed = !ended.as_ref().is_ok_and(std::process::ExitStatus::success);
            let status = ended.map_or_else(|error| error.to_string(), |status| status.to_string());
            let _ = exits.send(Exit { node: index, generation, status, failed }).await;
        });
        Ok(())
    }

    async fn await_ready(&mut self, index: usize) -> Result<(), NetError> {
        let log = spec::node_log(&self.dir, index);
        let failed = |reason: String| NetError::NodeStart { index, reason, log: log.clone() };
        let mut ready = self.slots[index].ready_soon.take().expect("a node is awaited once, after it was spawned");
        let late = tokio::time::sleep(START_TIMEOUT);
        tokio::pin!(late);
        // A node that ends closes its output first: from then on only its exit is waited for.
        let mut closed = false;
        loop {
            if let Some(status) = &self.slots[index].exited {
                return Err(failed(format!("it ended with {status}; {}", last_line(&log))));
            }
            tokio::select! {
                line = &mut ready, if !closed => match line {
                    Ok(_) => return Ok(()),
                    Err(_) => closed = true,
                },
                Some(exit) = self.exits.1.recv() => self.exited(&exit),
                () = &mut late => return Err(failed(format!("it is not ready after {} s", START_TIMEOUT.as_secs()))),
            }
        }
    }

    fn exited(&mut self, exit: &Exit) {
        let slot = &mut self.slots[exit.node];
        if slot.generation == exit.generation {
            slot.exited = Some(exit.status.clone());
            slot.process = None;
            slot.stdin = None;
            slot.paused = false;
            self.mourn(exit.node, exit.failed);
        }
    }

    /// A line in the supervisor's log. That it cannot be written is no reason to stop.
    fn log(&self, text: &str) {
        let file = File::options().create(true).append(true).open(self.dir.join(LOG_FILE));
        let _ = file.and_then(|mut file| writeln!(file, "{} {text}", crate::net::logs::timestamp(spec::now_ms())));
    }

    /// Serves the control socket until `shutdown` completes or a client says [`ControlRequest::Down`], then stops everything.
    ///
    /// # Errors
    /// When the control socket cannot be made.
    pub async fn serve(mut self, shutdown: impl Future<Output = ()>) -> Result<(), NetError> {
        let _ = std::fs::remove_file(&self.control);
        let listener = UnixListener::bind(&self.control).map_err(NetError::io(&self.control))?;
        let (sender, mut requests) = mpsc::channel::<socket::Request>(REQUESTS_MAX);
        let accepting = tokio::spawn(socket::accept(listener, sender));
        let mut alive = tokio::time::interval(Duration::from_secs(1));
        tokio::pin!(shutdown);
        let told_down = loop {
            let due = self.revival_due();
            let revival = async move {
                match due {
                    Some(due) => tokio::time::sleep_until(due.into()).await,
                    None => std::future::pending().await,
                }
            };
            let cut_end = self.isolation.as_ref().and_then(|_| self.faults.cut_end());
            let joined = async move {
                match cut_end {
                    Some(end) => tokio::time::sleep_until(end.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = &mut shutdown => break None,
                Some((request, answer)) = requests.recv() => {
                    if request == ControlRequest::Down {
                        break Some(answer);
                    }
                    let response = self.respond(request).await;
                    let _ = answer.send(response);
                }
                Some(exit) = self.exits.1.recv() => {
                    self.exited(&exit);
                    let _ = self.write_manifest();
                }
                () = joined => {
                    if let Err(error) = self.cut_links().await {
                        self.log(&error.to_string());
                    }
                }
                () = revival => {
                    self.revive();
                    let _ = self.write_manifest();
                }
                Some((node, generation)) = self.revived.1.recv() => {
                    self.is_back(node, generation).await;
                    let _ = self.write_manifest();
                }
                _ = alive.tick() => clock::touch(&self.dir),
            }
        };
        self.stop_all().await;
        self.end_isolation().await;
        accepting.abort();
        let _ = std::fs::remove_file(&self.control);
        if let Some(answer) = told_down {
            let _ = answer.send(ControlResponse::Done);
            // The answer is written by the connection's task; give it the chance before this process ends.
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    async fn respond(&mut self, request: ControlRequest) -> ControlResponse {
        let listed = |faults: Vec<FaultEntry>| ControlResponse::Faults { faults };
        let done = |()| ControlResponse::Done;
        let result = match request {
            ControlRequest::Manifest => return ControlResponse::Manifest { manifest: Box::new(self.manifest()) },
            ControlRequest::Kill { node } => self.kill(node).await.map(done),
            ControlRequest::Stop { node } => self.stop(node).await.map(done),
            ControlRequest::Start { node } => self.restart(node).await.map(done),
            ControlRequest::Pause { node } => self.pause(node).await.map(done),
            ControlRequest::Resume { node } => self.resume(node).await.map(done),
            ControlRequest::Partition { groups, for_ms } => self.partition(groups, for_ms).await.map(listed),
            ControlRequest::Heal => self.heal().await.map(listed),
            ControlRequest::FaultAdd { fault } => self.fault_add(fault).await.map(listed),
            ControlRequest::FaultList => Ok(listed(self.fault_list())),
            ControlRequest::FaultClear { ids } => self.fault_clear(&ids).await.map(listed),
            ControlRequest::Byzantine { node, mode, target } => self.byzantine(node, mode, target).await.map(done),
            ControlRequest::Advance { ms } => self.advance(ms).await.map(done),
            ControlRequest::ClockOffset { node, offset_ms } => self.clock_offset(node, offset_ms).await,
            ControlRequest::Validator { action, node } => self.validator(action, node).await.map(done),
            ControlRequest::Snapshot { name, force } => self.snapshot(&name, force).await,
            ControlRequest::Picture => self.picture().await,
            ControlRequest::Revert { name } => self.revert(&name).await,
            ControlRequest::Configure { node, settings } => self.configure(node, settings).map(done),
            ControlRequest::Twin { node, of } => self.twin(node, of).await.map(done),
            ControlRequest::Down => unreachable!("ends the loop that calls this"),
        };
        match result.and_then(|response| self.write_manifest().map(|()| response)) {
            Ok(response) => response,
            Err(NetError::Usage(message)) => ControlResponse::Usage { message },
            Err(error) => ControlResponse::Failed { message: error.to_string() },
        }
    }

    fn check_index(&self, node: usize) -> Result<(), NetError> {
        faults::check_index(node, self.slots.len())
    }

    async fn stop_all(&mut self) {
        self.stop_nodes().await;
        clock::touch(&self.dir);
        let _ = std::fs::remove_file(self.dir.join(MANIFEST_FILE));
    }

    async fn end_isolation(&mut self) {
        if let Some(isolation) = self.isolation.take() {
            isolation.end().await;
        }
    }

    async fn stop_nodes(&mut self) {
        for slot in &mut self.slots {
            slot.asked = true;
            if let Some(process) = &slot.process {
                process.signal(Signal::SIGCONT);
                process.signal(Signal::SIGTERM);
            }
            slot.stdin = None;
        }
        let until = tokio::time::Instant::now() + STOP_TIMEOUT;
        while self.slots.iter().any(Slot::is_running) {
            match tokio::time::timeout_at(until, self.exits.1.recv()).await {
                Ok(Some(exit)) => self.exited(&exit),
                Ok(None) | Err(_) => break,
            }
        }
        for slot in &self.slots {
            if let Some(process) = &slot.process {
                process.signal(Signal::SIGKILL);
            }
        }
    }
}

/// Takes the net's lock, which the system releases when this process ends in any way.
///
/// # Errors
/// When the net runs or is being started, or the system refuses.
pub fn lock(net: &str, dir: &Path) -> Result<File, NetError> {
    let path = dir.join(LOCK_FILE);
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(NetError::io(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::Error(error)) => Err(NetError::Io { path, error }),
        Err(std::fs::TryLockError::WouldBlock) => {
            let net = net.to_owned();
            // The manifest is written when all nodes serve; an older one names a supervisor that is gone.
            Err(match crate::net::client::running(&net, dir) {
                Ok(manifest) => NetError::Running { net, pid: manifest.supervisor.pid },
                Err(_) => NetError::Busy(net),
            })
        }
    }
}

/// Nodes of a supervisor that was killed stop by themselves; wait for that, and do not let one that hangs in the way. The caller
/// holds the net's lock.
pub async fn stop_leftovers(dir: &Path) {
    let Ok(manifest) = Manifest::read(dir) else { return };
    let process = |node: &NodeEntry| ProcessId { pid: node.pid, started: node.started.clone() };
    let left: Vec<ProcessId> = manifest.nodes.iter().filter(|node| node.pid != 0).map(process).collect();
    let until = tokio::time::Instant::now() + Duration::from_secs(5);
    while left.iter().any(ProcessId::is_alive) && tokio::time::Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for process in left {
        process.signal(Signal::SIGKILL);
    }
}

fn last_line(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("its log is empty").to_owned()
}
