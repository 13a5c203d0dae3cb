//! Finding nets and their nodes, for every command that concerns one.

use crate::cli::{Global, Net, Target};
use crate::output::Failure;
use bezant_api::client::{Client, ClientError};
use bezant_api::home::{Home, HomeError};
use bezant_api::manifest::Manifest;
use bezant_testnet::net::client;
use bezant_testnet::net::error::NetError;
use std::path::PathBuf;

impl From<HomeError> for Failure {
    fn from(error: HomeError) -> Failure {
        let status = if matches!(error, HomeError::BadName(_)) { 2 } else { 1 };
        Failure::new(status, "home", error)
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
    match home(global)?.find_net(&net.net) {
        Ok(dir) => Ok(client::running(&net.net, &dir)?),
        Err(HomeError::NoNet(_)) => Err(NetError::NotRunning(net.net.clone()).into()),
        Err(error) => Err(error.into()),
    }
}

/// A client of the node, or the nodes of the net, that were named.
pub(crate) fn client(target: &Target, global: &Global) -> Result<Client, Failure> {
    if let Some(url) = &target.rpc {
        return Client::of_one(url).map_err(|error| Failure::usage(format!("--rpc: {error}")));
    }
    // A net that is not running has no node to reach, which is status 6 for whoever only wants a node.
    let manifest = running(&target.net, global).map_err(|failure| match failure.kind.as_str() {
        "net-not-running" => Failure { status: 6, ..failure },
        _ => failure,
    })?;
    let urls: Vec<&String> = match target.node {
        None => manifest.nodes.iter().map(|node| &node.rpc).collect(),
        Some(index) => vec![node_url(&manifest, index)?],
    };
    Ok(Client::new(urls)?)
}

/// The URL of one node of a net.
pub(crate) fn node_url(manifest: &Manifest, index: usize) -> Result<&String, Failure> {
    let last = manifest.nodes.len() - 1;
    let node = manifest.nodes.get(index);
    node.map(|node| &node.rpc)
        .ok_or_else(|| Failure::usage(format!("there is no node {index}; this net has nodes 0 to {last}")))
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
