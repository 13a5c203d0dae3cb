//! One node that belongs to no net of `bezant testnet`.

use crate::net::{LIMIT, finish, signal};
use bezant_api::client::Client;
use bezant_api::config::ReadyLine;
use bezant_api::genesis::to_toml;
use bezant_api::types::{InstructParams, TipView};
use bezant_consensus::ledger::genesis::Genesis;
use nix::sys::signal::Signal;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const TOKEN: &str = "of-the-tests";

/// The files of a node, which are gone at the end.
pub(crate) struct Home {
    dir: TempDir,
}

impl Home {
    pub(crate) fn new(genesis: &Genesis) -> Home {
        let dir = tempfile::Builder::new().prefix("bezant-e2e-").tempdir().expect("a temporary directory");
        std::fs::write(dir.path().join("genesis.toml"), to_toml(genesis)).expect("a file");
        let config = format!("genesis = \"genesis.toml\"\ndata_dir = \"data\"\n[rpc]\nadmin_token = \"{TOKEN}\"\n");
        std::fs::write(dir.path().join("node.toml"), config).expect("a file");
        Home { dir }
    }

    /// Where the node has its databases.
    pub(crate) fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Starts the node, with these options more, and waits until it is ready.
    #[track_caller]
    pub(crate) fn start(&self, options: &[&str]) -> Solo {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bezant"));
        command.current_dir(&self.dir).env("BEZANT_HOME", self.dir.path());
        command.args(["node", "--config", "node.toml"]).args(options);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(self.dir.path().join("log")).expect("a file"))
            .spawn()
            .expect("the program starts");
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        stdout.read_line(&mut line).expect("it says that it is ready");
        let ready: ReadyLine = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {}", self.log()));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        Solo { client: Client::of_one(&ready.rpc).expect("a URL"), p2p: ready.p2p, child: Some(child), runtime }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    fn path(&self, name: &str) -> PathBuf {
        Path::join(self.dir.path(), name)
    }
}

/// A node that runs; killed at the end.
pub(crate) struct Solo {
    child: Option<Child>,
    pub(crate) client: Client,
    /// Where peers reach it.
    #[allow(dead_code, reason = "for benches")]
    pub(crate) p2p: Vec<String>,
    pub(crate) runtime: Runtime,
}

impl Solo {
    /// Waits for an answer.
    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// The tip, with all that was told before flushed.
    #[track_caller]
    pub(crate) fn tip(&self) -> TipView {
        self.block_on(self.client.tip()).expect("the node answers")
    }

    /// The commitment to the coins at the tip.
    #[track_caller]
    pub(crate) fn commitment(&self) -> String {
        self.block_on(self.client.commitment()).expect("the node answers").commitment
    }

    /// Lets the branch of one block be followed again and rules out that of another. `None` when the node went away meanwhile.
    pub(crate) fn turn(&self, to: &str, from: &str) -> Option<TipView> {
        let params = |block: &str| InstructParams { token: TOKEN.to_owned(), block: block.to_owned() };
        self.block_on(self.client.reconsider(&params(to))).ok()?;
        self.block_on(self.client.invalidate(&params(from))).ok()
    }

    /// The process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// Stops it in good order.
    #[track_caller]
    pub(crate) fn end(mut self) {
        let child = self.child.take().expect("it runs");
        signal(child.id(), Signal::SIGTERM);
        finish(child, LIMIT).ended(0);
    }
}

impl Drop for Solo {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
