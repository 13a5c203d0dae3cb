//! `testnet export-deploy`: the same net for several machines.
//!
//! The files hold the genesis, and of each node its configuration and keys; the nodes go round the hosts in their order. The ledger
//! stays where it is: the deployed net begins at the genesis, with the same accounts and addresses. Its validators sign with the
//! same keys, so it is in a later incarnation ([`crate::net::pictures`]): no vote of the net here counts there.
//!
//! What is written is a plain function of the net and the hosts ([`files`]); it is put in its place as a whole.

mod compose;
mod kubernetes;
mod systemd;

use crate::net::error::NetError;
use crate::net::spec::{self, NetSpec, node_dir};
use bezant_api::config::{NodeConfig, P2pConfig, RpcConfig, StratumConfig};
use bezant_api::keyfile;
use bezant_api::types::EngineName;
use bezant_consensus::ledger::genesis::Genesis;
use bezant_consensus::ledger::key::SigningKey;
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The first port of node 0; each node has two.
const FIRST_PORT: u16 = 26_600;
/// Characters of a host's name.
const HOST_CHARS_MAX: usize = 253;
/// Secrets, and what holds some.
const SECRET: u32 = 0o600;
/// Everything else.
const OPEN: u32 = 0o644;

/// What the files are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// A `compose.yaml` for each host.
    Compose,
    /// One manifest for a cluster; the hosts are its nodes.
    Kubernetes,
    /// Units for each host.
    Systemd,
}

/// The name of a machine, or its address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Host(String);

impl FromStr for Host {
    type Err = String;

    fn from_str(text: &str) -> Result<Host, String> {
        let is_label = |label: &str| {
            let inner = |c: char| c.is_ascii_alphanumeric() || c == '-';
            !label.is_empty() && label.len() <= 63 && label.chars().all(inner) && !label.starts_with('-')
        };
        let is_name = text.len() <= HOST_CHARS_MAX && text.split('.').all(is_label);
        if text.parse::<IpAddr>().is_ok() || is_name {
            return Ok(Host(text.to_owned()));
        }
        Err(format!("{text:?} is neither the name of a machine nor an address"))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Host {
    /// As libp2p writes it.
    fn multiaddress(&self) -> String {
        match self.0.parse() {
            Ok(IpAddr::V4(address)) => format!("/ip4/{address}"),
            Ok(IpAddr::V6(address)) => format!("/ip6/{address}"),
            Err(_) => format!("/dns/{}", self.0),
        }
    }

    /// As a directory's name.
    fn directory(&self) -> String {
        self.0.replace(':', "_")
    }
}

/// One file of what is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Below the directory that is made.
    pub path: String,
    /// Its mode.
    pub mode: u32,
    /// Its text.
    pub text: String,
}

/// A net that is to be deployed.
#[derive(Debug)]
pub struct Plan {
    net: String,
    genesis: String,
    nodes: Vec<PlannedNode>,
    hosts: Vec<Host>,
    token: String,
    spec: NetSpec,
}

/// One of its nodes.
#[derive(Debug)]
struct PlannedNode {
    index: usize,
    host: Host,
    identity: String,
    validator: Option<String>,
}

impl PlannedNode {
    fn p2p_port(&self) -> u16 {
        FIRST_PORT + 2 * u16::try_from(self.index).expect("a net has few nodes")
    }

    fn rpc_port(&self) -> u16 {
        self.p2p_port() + 1
    }
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Deployed {
    /// For what.
    pub target: Target,
    /// Where.
    pub dir: PathBuf,
    /// The hosts, each with its nodes.
    pub hosts: Vec<HostNodes>,
    /// The files, below `dir`.
    pub files: Vec<String>,
}

/// The nodes of one host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HostNodes {
    /// Its name or address.
    pub host: Host,
    /// Its nodes.
    pub nodes: Vec<usize>,
}

impl Plan {
    /// Reads the net in `dir`, running or not.
    ///
    /// # Errors
    /// When there is no net, the hosts make no sense for it, or its validators are others than those of its genesis.
    pub fn read(net: &str, dir: &Path, hosts: Vec<Host>) -> Result<Plan, NetError> {
        let spec = NetSpec::read(dir)?.ok_or_else(|| NetError::NotRunning(net.to_owned()))?;
        let distinct: BTreeSet<&Host> = hosts.iter().collect();
        if hosts.is_empty() || distinct.len() < hosts.len() || hosts.len() > spec.count() {
            let count = spec.count();
            let text = format!("--hosts: 1 to {count} different ones are possible, for a net of {count} nodes");
            return Err(NetError::Usage(text));
        }
        let path = dir.join(spec::GENESIS_FILE);
        let genesis = std::fs::read_to_string(&path).map_err(NetError::io(&path))?;
        let known = bezant_api::genesis::from_toml(&genesis)
            .map_err(|error| NetError::Damaged { path, reason: error.to_string() })?;
        let node = |index: usize| {
            let key = |path: PathBuf| -> Result<SigningKey, NetError> {
                let text = std::fs::read_to_string(&path).map_err(NetError::io(&path))?;
                keyfile::key(&text).ok_or(NetError::Damaged { path, reason: "it holds no key".to_owned() })
            };
            let home = node_dir(dir, index);
            let validator = match spec.members[index].validator {
                Some(_) => Some(key(home.join("validator.key"))?),
                None => None,
            };
            Ok((key(home.join("data").join("node.key"))?, validator))
        };
        let keys: Vec<(SigningKey, Option<SigningKey>)> =
            (0..spec.count()).map(node).collect::<Result<_, NetError>>()?;
        check_members(&known, &keys)?;
        let nodes = keys.into_iter().enumerate().map(|(index, (identity, validator))| PlannedNode {
            index,
            host: hosts[index % hosts.len()].clone(),
            identity: keyfile::text(&identity, None),
            // Without the mark of the vote log: what was signed in another incarnation is nothing to remember.
            validator: validator.map(|key| keyfile::text(&key, None)),
        });
        let nodes = nodes.collect();
        let token = hex::encode(spec::random_bytes::<16>());
        Ok(Plan { net: net.to_owned(), genesis, nodes, hosts, token, spec })
    }

    fn of_host<'a>(&'a self, host: &'a Host) -> impl Iterator<Item = &'a PlannedNode> {
        self.nodes.iter().filter(move |node| node.host == *host)
    }

    /// The configuration of a node whose files are in `home`, and which is reached at `place` of each.
    fn config(&self, node: &PlannedNode, home: &str, place: impl Fn(&PlannedNode) -> String, rpc: Ipv4Addr) -> String {
        let index = node.index;
        let reached = |other: &PlannedNode| {
            let peer_id = &self.spec.members[other.index].peer_id;
            format!("{}/tcp/{}/p2p/{peer_id}", place(other), other.p2p_port())
        };
        let mut config: NodeConfig = spec::node_config(Path::new(home), &self.spec, index);
        config.data_dir = Path::new(home).join("data");
        config.genesis = Path::new(home).join(spec::GENESIS_FILE);
        config.p2p = P2pConfig {
            listen: vec![format!("/ip4/0.0.0.0/tcp/{}", node.p2p_port())],
            external: vec![format!("{}/tcp/{}", place(node), node.p2p_port())],
            peers: self.nodes.iter().filter(|other| other.index != index).map(reached).collect(),
            ..config.p2p
        };
        config.rpc = RpcConfig { listen: SocketAddr::from((rpc, node.rpc_port())), ..RpcConfig::default() };
        config.validator_key = node.validator.as_ref().map(|_| Path::new(home).join("validator.key"));
        config.stratum = StratumConfig::default();
        config.dev.token = Some(self.token.clone());
        config.dev.clock_offset_ms = 0;
        config.dev.stop_with_stdin = false;
        config.dev.set_backs =
            vec![bezant_api::config::DevSetBack { incarnation: self.spec.incarnation + 1, height: 0 }];
        config.to_toml()
    }
}

/// Whoever decides from the genesis on has to be among the nodes.
fn check_members(genesis: &Genesis, keys: &[(SigningKey, Option<SigningKey>)]) -> Result<(), NetError> {
    let has = |member| keys.iter().any(|(_, key)| key.as_ref().is_some_and(|key| key.public() == member));
    if genesis.members.iter().all(|member| has(*member)) {
        return Ok(());
    }
    Err(NetError::Refused(
        "the validators were changed since the genesis, and a deployed net begins there; make a new net with `bezant testnet up --fresh`, and deploy that".to_owned(),
    ))
}

/// What is written for a target.
#[must_use]
pub fn files(plan: &Plan, target: Target) -> Vec<Written> {
    match target {
        Target::Compose => compose::files(plan),
        Target::Kubernetes => kubernetes::files(plan),
        Target::Systemd => systemd::files(plan),
    }
}

/// Writes a net's files into `to`, which must not exist, all of them or none.
///
/// # Errors
/// When it exists, or cannot be written.
pub fn write(plan: &Plan, target: Target, to: &Path) -> Result<Deployed, NetError> {
    if to.exists() {
        return Err(NetError::Usage(format!("{} is there already; choose another directory with --out", to.display())));
    }
    let place = to.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let made = tempfile::Builder::new().prefix(".bezant-deploy-").tempdir_in(place).map_err(NetError::io(place))?;
    let mut written = files(plan, target);
    written.sort_by(|one, other| one.path.cmp(&other.path));
    for file in &written {
        let path = made.path().join(&file.path);
        let parent = path.parent().expect("it is below the directory");
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true).mode(0o700).create(parent).map_err(NetError::io(parent))?;
        let file_of = std::fs::File::options().write(true).create_new(true).mode(file.mode).open(&path);
        let put = file_of.and_then(|mut out| {
            // Whatever the umask says.
            out.set_permissions(std::fs::Permissions::from_mode(file.mode))?;
            out.write_all(file.text.as_bytes())
        });
        put.map_err(NetError::io(&path))?;
    }
    std::fs::rename(made.path(), to).map_err(NetError::io(to))?;
    // It is not there under that name any more.
    let _ = made.keep();
    let nodes =
        |host: &Host| HostNodes { host: host.clone(), nodes: plan.of_host(host).map(|node| node.index).collect() };
    Ok(Deployed {
        target,
        dir: to.to_owned(),
        hosts: plan.hosts.iter().map(nodes).collect(),
        files: written.into_iter().map(|file| file.path).collect(),
    })
}

/// Text as a string of YAML: JSON's strings are such.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("text has a JSON form")
}

fn secret(path: String, text: String) -> Written {
    Written { path, mode: SECRET, text }
}

fn open(path: String, text: String) -> Written {
    Written { path, mode: OPEN, text }
}

/// What all three have to say.
fn readme(plan: &Plan, how: &str) -> Written {
    let engine = match plan.spec.engine {
        EngineName::Pbft => "PBFT",
        EngineName::Pow => "proof of work",
    };
    let line = |node: &PlannedNode| {
        let role = match (&node.validator, plan.spec.engine) {
            (Some(_), _) => "validator",
            (None, EngineName::Pow) if node.index < plan.spec.nodes => "miner",
            (None, _) => "observer",
        };
        format!("| node{} | {} | {role} | {} | {} |\n", node.index, node.host, node.p2p_port(), node.rpc_port())
    };
    let table: String = plan.nodes.iter().map(line).collect();
    let text = format!(
        "# {net}: a net of Bezant under {engine}\n\n\
         | node | host | role | peers (TCP) | RPC (TCP) |\n|---|---|---|---|---|\n{table}\n\
         The peers' ports have to be reachable between the hosts. RPC is open on each host itself only: it has no password.\n\n\
         {how}\n\n\
         ## What to know\n\n\
         - This is a **dev net**: everybody who knows its seed ({seed}) has its accounts' keys, and whoever has the `token` of a \
         `node.toml` may set its clock. Do not use it for anything of worth.\n\
         - It begins at the genesis; the ledger of the net that it was made from stays there. Accounts and addresses are the same.\n\
         - `validator.key`, `node.key` and `node.toml` are secrets, each for one node on one host. Two nodes with one key are two \
         liars. A node writes a line into its `validator.key` when it starts first; do not put an older copy in its place.\n\
         - A wallet here talks to a host by `ssh -L 8545:127.0.0.1:RPC HOST`, and then \
         `bezant wallet balance --net {net} --rpc http://127.0.0.1:8545`.\n",
        net = plan.net,
        seed = plan.spec.seed,
    );
    open("README.md".to_owned(), text)
}

#[cfg(test)]
mod tests;
