//! What all end-to-end tests share: running the program, nets that are gone when a test ends, and waits with a limit.

use bezant_api::client::Client;
use bezant_api::manifest::{Manifest, NodeEntry};
use bezant_api::types::{TxState, TxStatus};
use bezant_testnet::net::process::ProcessId;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Tests that may have a net at the same time.
const NETS_MAX: usize = 2;
/// Between two looks at a condition.
const LOOK_INTERVAL: Duration = Duration::from_millis(25);
/// How long anything may take that is expected to happen, on a machine that is busy with other things.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);
/// How long a net may leave something behind: 5 s are promised, and a busy machine gets as much again.
pub(crate) const GONE_LIMIT: Duration = Duration::from_secs(10);

static NETS: Mutex<usize> = Mutex::new(0);
static NET_ENDED: Condvar = Condvar::new();

/// Allows one net; waits while too many run.
struct Permit;

impl Permit {
    fn take() -> Permit {
        let nets = NETS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut nets =
            NET_ENDED.wait_while(nets, |nets| *nets >= NETS_MAX).unwrap_or_else(std::sync::PoisonError::into_inner);
        *nets += 1;
        Permit
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        *NETS.lock().unwrap_or_else(std::sync::PoisonError::into_inner) -= 1;
        NET_ENDED.notify_one();
    }
}

/// Waits until `what` gives something.
///
/// # Panics
/// When it has not within `limit`.
#[track_caller]
pub(crate) fn until<T>(name: &str, limit: Duration, mut what: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = what() {
            return found;
        }
        assert!(Instant::now() < end, "not within {} s: {name}", limit.as_secs());
        std::thread::sleep(LOOK_INTERVAL);
    }
}

/// What came of one run of the program.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// The one JSON document on stdout.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("no JSON on stdout ({error}): {self:?}"))
    }

    /// The same, having ended with this status.
    #[track_caller]
    pub(crate) fn ended(self, status: i32) -> Ran {
        assert_eq!(self.status, status, "{self:?}");
        self
    }
}

/// Reads to the end on a thread of its own.
fn reader(mut from: impl Read + Send + 'static) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = from.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Waits for the end of a process and of everything that holds its output; kills it when that takes too long.
#[track_caller]
pub(crate) fn finish(mut child: Child, limit: Duration) -> Ran {
    let stdout = child.stdout.take().map(reader);
    let stderr = child.stderr.take().map(reader);
    let end = Instant::now() + limit;
    let is_done = |thread: &Option<std::thread::JoinHandle<String>>| {
        thread.as_ref().is_none_or(std::thread::JoinHandle::is_finished)
    };
    let mut status: Option<ExitStatus> = None;
    while status.is_none() || !is_done(&stdout) || !is_done(&stderr) {
        status = status.or_else(|| child.try_wait().expect("a child can be waited for"));
        if Instant::now() >= end {
            let _ = child.kill();
            panic!("not within {} s: the program ends and nobody holds its output ({status:?})", limit.as_secs());
        }
        std::thread::sleep(LOOK_INTERVAL);
    }
    let text = |thread: Option<std::thread::JoinHandle<String>>| {
        thread.map_or_else(String::new, |thread| thread.join().expect("readers do not panic"))
    };
    let code = status.and_then(|status| status.code()).unwrap_or(-1);
    Ran { status: code, stdout: text(stdout), stderr: text(stderr) }
}

/// A home with at most one net in it, which is gone at the end, however the test ends.
pub(crate) struct Net {
    home: Arc<TempDir>,
    name: String,
    runtime: Runtime,
    /// Whoever was seen supervising this net or being a node of it.
    seen: Mutex<Vec<ProcessId>>,
    _permit: Option<Permit>,
}

impl Net {
    /// A home without a net yet.
    pub(crate) fn empty() -> Net {
        let permit = Permit::take();
        let home = tempfile::Builder::new().prefix("bezant-e2e-").tempdir().expect("a temporary directory");
        Net::of(Arc::new(home), format!("e2e-{}", std::process::id()), Some(permit))
    }

    /// Another net in the same home, for a test that needs two at once; not running yet.
    pub(crate) fn beside(&self) -> Net {
        Net::of(self.home.clone(), format!("{}-other", self.name), None)
    }

    fn of(home: Arc<TempDir>, name: String, permit: Option<Permit>) -> Net {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        Net { name, home, runtime: runtime.expect("a runtime"), seen: Mutex::default(), _permit: permit }
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// A running net.
    #[track_caller]
    pub(crate) fn up(options: &[&str]) -> Net {
        let net = Net::empty();
        net.start(options);
        net
    }

    /// `testnet up --detach` with these options.
    #[track_caller]
    pub(crate) fn start(&self, options: &[&str]) -> Manifest {
        let mut arguments = vec!["testnet", "up", "--detach", "--json"];
        arguments.extend(options);
        let ran = self.run(&arguments).ended(0);
        let manifest: Manifest = serde_json::from_str(&ran.stdout).expect("up --json prints the manifest");
        self.remember(&manifest);
        manifest
    }

    fn remember(&self, manifest: &Manifest) {
        let nodes = manifest.nodes.iter().map(|node| ProcessId { pid: node.pid, started: node.started.clone() });
        let supervisor = &manifest.supervisor;
        let supervisor = ProcessId { pid: supervisor.pid, started: supervisor.started.clone() };
        let mut seen = self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        seen.extend(nodes.chain([supervisor]).filter(|process| process.pid != 0));
    }

    /// The program with these arguments, in this home and on this net; not started yet.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bezant"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("BEZANT_") {
                command.env_remove(name);
            }
        }
        command.env("BEZANT_HOME", self.home.path()).env("BEZANT_NET", &self.name).env("NO_COLOR", "1");
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs the program to its end.
    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        let child = self.command(arguments).spawn().expect("the program starts");
        finish(child, LIMIT * 2)
    }

    /// Runs the program, which is to succeed and print JSON.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let ran = self.run(&[arguments, &["--json"]].concat());
        assert_eq!(ran.status, 0, "bezant {arguments:?}: {ran:?}");
        ran.json()
    }

    /// The environment of the program's runs, for programs that are started otherwise.
    pub(crate) fn environment(&self) -> [(&'static str, String); 2] {
        [("BEZANT_HOME", self.home.path().display().to_string()), ("BEZANT_NET", self.name.clone())]
    }

    /// The net's directory.
    pub(crate) fn dir(&self) -> PathBuf {
        self.home.path().join("nets").join(&self.name)
    }

    /// Where node `index` keeps its database.
    pub(crate) fn data_dir(&self, index: usize) -> PathBuf {
        self.dir().join(format!("node{index}")).join("data")
    }

    /// The manifest as it stands.
    #[track_caller]
    pub(crate) fn manifest(&self) -> Manifest {
        let manifest = Manifest::read(&self.dir()).expect("the net runs");
        self.remember(&manifest);
        manifest
    }

    /// Waits for an answer of a node.
    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// A client of node `index`.
    #[track_caller]
    pub(crate) fn client(&self, index: usize) -> Client {
        client(&self.manifest().nodes[index])
    }

    /// Final height of node `index`.
    #[track_caller]
    pub(crate) fn final_height(&self, index: usize) -> u64 {
        let client = self.client(index);
        self.block_on(client.tip()).expect("the node answers").final_height
    }

    /// Where a transaction is, as node `index` sees it.
    #[track_caller]
    pub(crate) fn tx_status(&self, index: usize, txid: &str) -> TxStatus {
        let client = self.client(index);
        self.block_on(client.tx_status(txid)).expect("the node answers")
    }

    /// Waits until a transaction is final at node `index`.
    #[track_caller]
    pub(crate) fn await_final(&self, index: usize, txid: &str) {
        until(&format!("{txid} is final at node{index}"), LIMIT, || {
            (self.tx_status(index, txid).state == TxState::Final).then_some(())
        });
    }

    /// `wallet send` to its end; gives its answer.
    #[track_caller]
    pub(crate) fn send(&self, from: &str, to: &str, amount: &str, more: &[&str]) -> Value {
        self.json(&[&["wallet", "send", "--from", from, to, amount], more].concat())
    }

    /// What an account can spend, as node `index` sees it, in grains.
    #[track_caller]
    pub(crate) fn balance(&self, account: &str, index: usize) -> u64 {
        let node = index.to_string();
        let balance = self.json(&["wallet", "balance", "--wallet", account, "--node", &node]);
        text(&balance["spendable"]).parse().expect("grains are a number")
    }

    /// `testnet wait` until all running nodes have one tip.
    #[track_caller]
    pub(crate) fn await_synced(&self) {
        self.json(&["testnet", "wait", "--synced", "--timeout", "120s"]);
    }

    /// The referee is content with a net on which something happened.
    #[track_caller]
    pub(crate) fn check(&self) {
        let report = self.json(&["testnet", "check"]);
        assert_eq!(report["ok"], true, "{report}");
        assert!(report["height"].as_u64() > Some(0), "{report}");
    }

    /// Waits until no process, port or lock of the net is left.
    #[track_caller]
    pub(crate) fn await_gone(&self, manifest: &Manifest) {
        self.remember(manifest);
        until("every process of the net has ended", GONE_LIMIT, || self.alive().is_empty().then_some(()));
        for node in &manifest.nodes {
            for port in ports(node) {
                until(&format!("port {port} is free"), GONE_LIMIT, || TcpListener::bind(("127.0.0.1", port)).ok());
            }
            is_unlocked(&node.data_dir.join("lock"));
        }
        is_unlocked(&self.dir().join("lock"));
    }

    fn alive(&self) -> Vec<ProcessId> {
        let seen = self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        seen.iter().filter(|process| process.is_alive()).cloned().collect()
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.print_logs();
        }
        if let Ok(manifest) = Manifest::read(&self.dir()) {
            self.remember(&manifest);
        }
        // Not the supervisor's orderly way, which is what a test may just have found broken.
        for process in self.alive() {
            process.signal(Signal::SIGKILL);
        }
    }
}

impl Net {
    /// The last words of everybody, for whoever reads a failed test's output.
    fn print_logs(&self) {
        let nodes = (0..4).map(|index| self.dir().join(format!("node{index}")).join("log"));
        for path in nodes.chain([self.dir().join("supervisor.log")]) {
            let log = std::fs::read_to_string(&path).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let last = lines[lines.len().saturating_sub(15)..].join("\n");
            let _ = writeln!(std::io::stderr(), "── {}\n{last}", path.display());
        }
    }
}

/// A client of one node.
pub(crate) fn client(node: &NodeEntry) -> Client {
    Client::of_one(&node.rpc).expect("the manifest holds URLs")
}

/// The ports of a node.
pub(crate) fn ports(node: &NodeEntry) -> [u16; 2] {
    let rpc = node.rpc.rsplit(':').next().and_then(|port| port.parse().ok());
    let p2p = node.p2p[0].split("/tcp/").nth(1).and_then(|rest| rest.split('/').next()?.parse().ok());
    [rpc.expect("an RPC URL has a port"), p2p.expect("a TCP multiaddress has a port")]
}

#[track_caller]
fn is_unlocked(path: &Path) {
    until(&format!("{} is not locked", path.display()), GONE_LIMIT, || {
        let Ok(file) = File::options().write(true).open(path) else { return Some(()) };
        file.try_lock().is_ok().then_some(())
    });
}

/// Signals a process that a test started or a manifest names.
#[track_caller]
pub(crate) fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).expect("a pid fits"));
    kill(pid, signal).expect("the process is there");
}

/// A JSON string's text.
#[track_caller]
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("a string was expected, not {value}"))
}
