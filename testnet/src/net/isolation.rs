//! A network namespace for each node, joined by a bridge: links that can really be cut.
//!
//! ```text
//! this machine   bezant-X 198.18.X.1 ─┐
//! hub            up0 ─ br0 ─ n0 … nN  │  a namespace of its own, so that the bridge goes with it
//! node I         eth0 198.18.X.(10+I) ┘  a namespace for each node
//! ```
//!
//! - **Nothing is left behind.** No namespace has a name. Each lives as long as a process in it: one of `cat` that waits for the
//!   end of a pipe which the supervisor holds, and the node. So whatever ends the supervisor ends the namespaces, with them the
//!   bridge and all links, and with the hub's end of it the one interface that this machine sees.
//! - **Whose addresses.** 198.18.0.0/15 is set aside for measurements between networks (RFC 2544) and routed nowhere. Each net
//!   takes a /24 that no interface here has, and claims it while it runs: by a socket on the loopback address 127.198.18.X.
//! - **Cuts.** A directed link is cut where its messages leave: a route in the speaker's namespace drops what goes to the other.
//!   What TCP needs comes back no more, so for streams both directions end; connections break as they do in a real net.
//!
//! It is done with the tools that every Linux has (`ip`, `unshare`, `nsenter`), which need root. Where that cannot be had
//! [`Isolation::new`] says why.

use crate::net::error::NetError;
use crate::net::spec::NODES_MAX;
use rand::RngExt;
use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

/// The last byte of node 0's address.
const FIRST_HOST: u8 = 10;
/// The port of the socket that claims a net's addresses.
const CLAIM_PORT: u16 = 9_198;
/// How long a namespace may take until it is there.
const START_TIMEOUT: Duration = Duration::from_secs(10);
/// Between two looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);

const _: () = assert!(FIRST_HOST as usize + NODES_MAX < 255);

/// The namespaces of one net; they are gone soon after this is dropped.
#[derive(Debug)]
pub struct Isolation {
    subnet: u8,
    hub: Holder,
    nodes: Vec<Holder>,
    /// Directed links whose route drops.
    cut: BTreeSet<(usize, usize)>,
    /// Held: the addresses are this net's.
    _claim: UdpSocket,
}

/// A namespace, by a process in it that does nothing.
#[derive(Debug)]
struct Holder {
    child: Child,
    pid: u32,
}

impl Isolation {
    /// Makes the namespaces of `count` nodes, and links them.
    ///
    /// # Errors
    /// [`NetError::Usage`] with the reason where that cannot be had.
    pub async fn new(count: usize) -> Result<Isolation, NetError> {
        let cannot = |reason: String| {
            NetError::Usage(format!(
                "--isolate: no network namespaces can be made here ({reason}); they need Linux, root, and the programs ip, unshare and nsenter; without --isolate cuts are made by the nodes themselves"
            ))
        };
        if cfg!(not(target_os = "linux")) {
            return Err(cannot("this is no Linux".to_owned()));
        }
        Isolation::made(count).await.map_err(|error| cannot(error.to_string()))
    }

    async fn made(count: usize) -> io::Result<Isolation> {
        let (subnet, claim) = claim_subnet().await?;
        let hub = Holder::begin().await?;
        let mut nodes = Vec::with_capacity(count);
        for _ in 0..count {
            nodes.push(Holder::begin().await?);
        }
        let isolation = Isolation { subnet, hub, nodes, cut: BTreeSet::new(), _claim: claim };
        isolation.link().await?;
        Ok(isolation)
    }

    async fn link(&self) -> io::Result<()> {
        let (subnet, up) = (self.subnet, self.interface());
        let hub = self.hub.pid;
        ip(None, &format!("link add {up} type veth peer name up0 netns {hub}\n")).await?;
        let mut script = "link add br0 type bridge\nlink set br0 up\nlink set up0 master br0 up\n".to_owned();
        for (index, node) in self.nodes.iter().enumerate() {
            let pid = node.pid;
            script +=
                &format!("link add n{index} type veth peer name eth0 netns {pid}\nlink set n{index} master br0 up\n");
        }
        ip(Some(hub), &script).await?;
        for (index, node) in self.nodes.iter().enumerate() {
            let address = self.address(index);
            let script = format!("link set lo up\naddr add {address}/24 dev eth0\nlink set eth0 up\n");
            ip(Some(node.pid), &script).await?;
        }
        ip(None, &format!("addr add 198.18.{subnet}.1/24 dev {up}\nlink set {up} up\n")).await
    }

    fn interface(&self) -> String {
        format!("bezant-{}", self.subnet)
    }

    /// Where node `index` listens, reachable from this machine.
    #[must_use]
    pub fn address(&self, index: usize) -> Ipv4Addr {
        let host = FIRST_HOST + u8::try_from(index).expect("a net has few nodes");
        Ipv4Addr::new(198, 18, self.subnet, host)
    }

    /// A command that runs `program` in the namespace of node `index`, as the process that is started.
    #[must_use]
    pub fn command(&self, index: usize, program: &Path) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--net", "--target", &self.nodes[index].pid.to_string(), "--"]).arg(program);
        command
    }

    /// Cuts exactly these directed links, and joins all others again.
    ///
    /// # Errors
    /// When the routes cannot be changed.
    pub async fn cut(&mut self, wanted: &BTreeSet<(usize, usize)>) -> Result<(), NetError> {
        for from in 0..self.nodes.len() {
            let of = |set: &BTreeSet<(usize, usize)>| -> BTreeSet<usize> {
                set.iter().filter(|link| link.0 == from).map(|link| link.1).collect()
            };
            let (now, then) = (of(&self.cut), of(wanted));
            let line = |verb: &str, to: &usize| format!("route {verb} blackhole {}/32\n", self.address(*to));
            let joined = now.difference(&then).map(|to| line("del", to));
            let script: String = joined.chain(then.difference(&now).map(|to| line("add", to))).collect();
            if !script.is_empty() {
                let pid = self.nodes[from].pid;
                ip(Some(pid), &script).await.map_err(|error| {
                    NetError::Refused(format!("the links of node{from} cannot be cut or joined: {error}"))
                })?;
            }
            self.cut.retain(|link| link.0 != from);
            self.cut.extend(then.into_iter().map(|to| (from, to)));
        }
        Ok(())
    }

    /// Takes everything down, so that nothing of it is seen any more when this returns. When it is not called, the system does it
    /// soon after.
    pub async fn end(mut self) {
        // It goes with the hub in any case.
        let _ = ip(None, &format!("link del {}\n", self.interface())).await;
        for holder in self.nodes.iter_mut().chain([&mut self.hub]) {
            drop(holder.child.stdin.take());
            let _ = holder.child.wait().await;
        }
    }
}

impl Holder {
    async fn begin() -> io::Result<Holder> {
        let child = Command::new("unshare")
            .args(["--net", "--", "cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn();
        let mut child = child.map_err(|error| io::Error::new(error.kind(), format!("unshare: {error}")))?;
        let pid = child.id().expect("it was not waited for");
        // It is `cat` once it is in its namespace.
        let end = tokio::time::Instant::now() + START_TIMEOUT;
        loop {
            if let Some(status) = child.try_wait()? {
                let output = child.wait_with_output().await?;
                let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
                return Err(io::Error::other(if said.is_empty() { format!("unshare: {status}") } else { said }));
            }
            let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            if name.trim() == "cat" {
                return Ok(Holder { child, pid });
            }
            if tokio::time::Instant::now() >= end {
                return Err(io::Error::other("unshare takes too long"));
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }
}

/// Runs lines of `ip` in the namespace of a process, or in this one.
async fn ip(namespace: Option<u32>, script: &str) -> io::Result<()> {
    let mut command = match namespace {
        None => Command::new("ip"),
        Some(pid) => {
            let mut command = Command::new("nsenter");
            command.args(["--net", "--target", &pid.to_string(), "--", "ip"]);
            command
        }
    };
    let child = command
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn();
    let mut child = child.map_err(|error| io::Error::new(error.kind(), format!("ip: {error}")))?;
    let mut stdin = child.stdin.take().expect("it is a pipe");
    stdin.write_all(script.as_bytes()).await?;
    drop(stdin);
    let output = child.wait_with_output().await?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(said.lines().next().unwrap_or("ip failed").to_owned()))
}

/// A /24 that no interface of this machine has a part of, and that no other net takes meanwhile.
async fn claim_subnet() -> io::Result<(u8, UdpSocket)> {
    let output = Command::new("ip").args(["-o", "-4", "addr"]).stdin(Stdio::null()).output().await;
    let output = output.map_err(|error| io::Error::new(error.kind(), format!("ip: {error}")))?;
    let taken = String::from_utf8_lossy(&output.stdout).into_owned();
    let start: u8 = rand::rng().random();
    for step in 0..=u8::MAX {
        let subnet = start.wrapping_add(step);
        if taken.contains(&format!(" 198.18.{subnet}.")) {
            continue;
        }
        if let Ok(claim) = UdpSocket::bind((Ipv4Addr::new(127, 198, 18, subnet), CLAIM_PORT)) {
            return Ok((subnet, claim));
        }
    }
    Err(io::Error::other("all addresses of 198.18.0.0/16 are taken"))
}
