//! Finding nets and their nodes, for every command that concerns one.

use crate::cli::{Global, Net, Owned, Target};
use crate::output::{Failure, Output};
use bezant_api::client::{Client, ClientError};
use bezant_api::home::{Home, HomeError};
use bezant_api::manifest::Manifest;
use bezant_consensus::ledger::genesis::Genesis;
use bezant_consensus::receipt::SetBacks;
use bezant_testnet::net::client;
use bezant_testnet::net::error::NetError;
use bezant_testnet::net::spec::{GENESIS_FILE, NetSpec};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::oneshot;

/// Between two looks at whether a net still runs.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

impl From<HomeError> for Failure {
    fn from(error: HomeError) -> Failure {
        let (status, kind) = match error {
            HomeError::BadName(_) => (2, "home"),
            HomeError::NoNet(_) => (6, "no-net"),
            HomeError::Nowhere | HomeError::Elsewhere { .. } | HomeError::NotOurs(_) | HomeError::Io { .. } => {
                (1, "home")
            }
        };
        Failure::new(status, kind, error)
    }
}

impl From<NetError> for Failure {
    fn from(error: NetError) -> Failure {
        Failure::new(error.exit_status(), error.kind(), error)
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Failure {
        let (status, kind) = match &error {
            ClientError::Unreachable(_) => (6, "unreachable"),
            ClientError::Busy(_) => (1, "busy"),
            ClientError::Refused { kind, .. } => (3, kind.as_str()),
            ClientError::NotFound(_) => (1, "not-found"),
            ClientError::Other(_) => (1, "node"),
        };
        Failure::new(status, kind, &error)
    }
}

/// Where everything lives.
pub(crate) fn home(global: &Global) -> Result<Home, Failure> {
    Ok(Home::discover(global.home.as_deref())?)
}

/// The directory of a net that exists.
pub(crate) fn dir(net: &Net, global: &Global) -> Result<PathBuf, Failure> {
    Ok(home(global)?.find_net(&net.net)?)
}

/// The manifest of a net that runs.
pub(crate) fn running(net: &Net, global: &Global) -> Result<Manifest, Failure> {
    Ok(client::running(&net.net, &dir(net, global)?)?)
}

/// A client of the node, or the nodes of the net, that were named.
pub(crate) fn client(target: &Target, global: &Global) -> Result<Client, Failure> {
    if let Some(url) = &target.rpc {
        return Client::of_one(url).map_err(|error| Failure::usage(format!("--rpc: {error}")));
    }
    let manifest = running(&target.net, global)?;
    let urls: Vec<&String> = match target.node {
        None => manifest.nodes.iter().map(|node| &node.rpc).collect(),
        Some(index) => vec![node_url(&manifest, index)?],
    };
    Ok(Client::new(urls)?)
}

/// The genesis in this file, or of the net that was made here. Asks no node.
pub(crate) fn own_genesis(file: Option<&Path>, net: &Net, global: &Global) -> Result<Genesis, Failure> {
    let file = match file {
        Some(file) => file.to_owned(),
        None => {
            let hint = |failure: Failure| Failure {
                message: format!("{}; or give a net's genesis with --genesis FILE", failure.message),
                ..failure
            };
            let dir = dir(net, global).map_err(hint)?;
            dir.join(GENESIS_FILE)
        }
    };
    bezant_api::genesis::read(&file).map_err(|error| Failure::new(2, "genesis", error))
}

/// How the net that was made here was set back; not at all, as far as is known, where that is not written down.
pub(crate) fn set_backs(net: &Net, global: &Global) -> Result<SetBacks, Failure> {
    let Some(spec) = NetSpec::read(&dir(net, global)?)? else { return Ok(SetBacks::default()) };
    spec.known_set_backs().map_err(|error| Failure::failed("net", format!("net.json: set_backs: {error}")))
}

/// What a node's answers are checked against: one's own genesis, or, for a node of which nothing but its URL is known, the one that it tells.
pub(crate) async fn genesis(
    file: Option<&Path>,
    target: &Target,
    global: &Global,
    output: &Output,
    client: &Client,
) -> Result<Genesis, Failure> {
    if file.is_some() || target.rpc.is_none() {
        return own_genesis(file, &target.net, global);
    }
    let told = client.genesis().await?;
    output.remark("the genesis is the one that the node tells; --genesis FILE checks against your own");
    bezant_api::genesis::from_toml(&told.toml)
        .map_err(|error| Failure::new(1, "bad-proof", format!("the node's genesis is none: {error}")))
}

/// A client of the one node that was named, and the token of whoever runs it.
pub(crate) fn owned_client(owned: &Owned, global: &Global) -> Result<(Client, String), Failure> {
    if let Some(url) = &owned.target.rpc {
        let file = owned.token_file.as_ref().ok_or_else(|| {
            Failure::usage("--rpc needs --token-file FILE: the file holds the admin token of the node's configuration")
        })?;
        let failed = |error| Failure::usage(format!("--token-file {}: {error}", file.display()));
        let token = std::fs::read_to_string(file).map_err(failed)?;
        let client = Client::of_one(url).map_err(|error| Failure::usage(format!("--rpc: {error}")))?;
        return Ok((client, token.trim().to_owned()));
    }
    let manifest = running(&owned.target.net, global)?;
    let index = owned.target.node.ok_or_else(|| Failure::usage("--node I is needed: each node decides for itself"))?;
    Ok((Client::of_one(node_url(&manifest, index)?)?, manifest.dev_token.clone()))
}

/// The URL of one node of a net.
pub(crate) fn node_url(manifest: &Manifest, index: usize) -> Result<&String, Failure> {
    let last = manifest.nodes.len() - 1;
    let node = manifest.nodes.get(index);
    node.map(|node| &node.rpc)
        .ok_or_else(|| Failure::usage(format!("there is no node {index}; this net has nodes 0 to {last}")))
}

/// Completes when a net has stopped, whoever stopped it.
pub(crate) async fn stopped(manifest: &Manifest) {
    while client::running(&manifest.net, &manifest.dir).is_ok() {
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

/// Completes when whoever read standard output has gone, also while there is nothing to write; never for a file.
pub(crate) async fn unread() {
    let (gone, wait) = oneshot::channel();
    // A thread of its own, which may be left behind: nothing asked for is awaited, so only the end of the reader wakes it.
    let look = move || {
        let stdout = std::io::stdout();
        let ended = loop {
            match poll(&mut [PollFd::new(stdout.as_fd(), PollFlags::empty())], PollTimeout::NONE) {
                Err(Errno::EINTR) => {}
                ended => break ended,
            }
        };
        if ended.is_ok() {
            // The command may have ended for another reason meanwhile.
            let _ = gone.send(());
        }
    };
    let spawned = std::thread::Builder::new().name("bezant-unread".to_owned()).spawn(look);
    if spawned.is_ok() && wait.await.is_ok() {
        return;
    }
    std::future::pending().await
}

/// What ends a command that goes on for ever: an interrupt, or that nobody reads any more.
pub(crate) async fn ended() {
    tokio::select! {
        () = interrupted() => {}
        () = unread() => {}
    }
}

/// Completes at SIGINT or SIGTERM, or SIGHUP: the terminal has gone.
pub(crate) async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let wait = async |kind| match signal(kind) {
        Ok(mut stream) => {
            stream.recv().await;
        }
        Err(_) => std::future::pending().await,
    };
    tokio::select! {
        () = wait(SignalKind::interrupt()) => {}
        () = wait(SignalKind::terminate()) => {}
        () = wait(SignalKind::hangup()) => {}
    }
}
