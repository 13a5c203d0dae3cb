//! The network: libp2p. It moves messages between nodes of one net and judges none of them; see [`crate::ports`] for what it
//! owes the runtime.
//!
//! ```text
//!             ┌ gossip        transactions, blocks; votes when a member is not connected   /bezant/<net>/{tx,blocks,votes}/1
//! runtime ─▶  ┤ direct        one warm stream per peer: votes, proposals, tips, …            /bezant/<net>/direct/1
//!             └ sync          one stream per request                                        /bezant/<net>/sync/1
//! ```
//! `<net>` is the first 8 hex digits of the network id; identify carries all of it (`bezant/1/<id>`), and a peer of another net
//! is refused with a log line that names both. A connection is a peer for the runtime once it has identified itself or spoken
//! one of the protocols above.
//!
//! - Everything that a peer can fill is bounded in `limits`; frames and gossip are limited before they are read or decoded.
//! - A peer that sends malformed bytes is reported each time, and kept out for a minute after a few; one that reads too slowly
//!   or does not answer pings is disconnected. Bans are by identity, and an identity costs nothing: they keep out what is
//!   broken. What is determined meets the limits. Gossipsub's peer scores are not used.
//! - A member proves that it speaks through its identity in the first frame of its direct streams (`hello`).
//! - Static peers are dialled for ever. Kademlia, under this net's own name, finds more; mDNS only on dev nets, when asked to.
//! - Dev nets have faults of links (`fault`), which act at one gate (`gate`).

mod bans;
mod behaviour;
mod dial;
mod driver;
mod exchange;
mod fault;
mod frame;
mod gate;
mod heard;
mod hello;
mod late;
mod limits;
mod names;
mod peers;
mod rate;
mod recent;
mod send;
mod streams;
#[cfg(test)]
mod tests;

use crate::limits::{NET_COMMANDS_MAX, NET_EVENTS_MAX};
use crate::metrics::Metrics;
use crate::ports::Network;
use behaviour::Behaviour;
use bezant_api::config::P2pConfig;
use bezant_consensus::ledger::genesis::Genesis;
use bezant_consensus::ledger::key::SigningKey;
use driver::Driver;
use futures::StreamExt;
use gate::Gate;
use libp2p::core::transport::ListenerId;
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::{Swarm, SwarmEvent};
use libp2p::{Multiaddr, PeerId};
use names::Names;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// What the network is started with.
#[derive(Debug)]
pub struct NetSetup {
    /// Of the net; its id is in every topic and protocol name.
    pub genesis: Arc<Genesis>,
    /// Where to listen and whom to dial.
    pub config: P2pConfig,
    /// This node's identity.
    pub identity: Keypair,
    /// PBFT: the validator key with which this node proves to be a member.
    pub validator: Option<SigningKey>,
    /// Counts bytes sent, and messages that were dropped here.
    pub metrics: Arc<Metrics>,
    /// Becomes true when the network is to stop.
    pub shutdown: watch::Receiver<bool>,
}

/// Why the network does not start.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {reason}; choose another address in p2p.listen")]
    Listen {
        /// The address.
        address: String,
        /// Why.
        reason: String,
    },
    /// A configured address is no multiaddress.
    #[error("{address} is no multiaddress ({reason}); write it like /ip4/127.0.0.1/tcp/9000/p2p/12D3…")]
    Address {
        /// The text.
        address: String,
        /// Why.
        reason: String,
    },
    /// The transports or protocols cannot be set up on this machine.
    #[error("the network cannot be set up: {reason}")]
    Setup {
        /// Why.
        reason: String,
    },
}

/// Starts the network; returns once it listens on all addresses. The task ends after `shutdown`.
///
/// # Errors
/// When an address is malformed or taken.
pub async fn start(setup: NetSetup) -> Result<(Network, JoinHandle<()>), NetError> {
    let names = Names::new(&setup.genesis.network_id());
    let peers = peers(&setup.config)?;
    let gate = Gate::new(setup.genesis.dev);
    let mut swarm = behaviour::swarm(&setup, &names, &gate)?;
    for text in &setup.config.external {
        swarm.add_external_address(address(text)?);
    }
    listen(&mut swarm, &setup.config.listen).await?;
    let (commands, inbox) = mpsc::channel(NET_COMMANDS_MAX);
    let (outbox, events) = mpsc::channel(NET_EVENTS_MAX);
    let network = Network { peer_id: *swarm.local_peer_id(), addresses: Driver::addresses(&swarm), commands, events };
    let driver = Driver::new(&setup, names, swarm, gate, &peers)?;
    let task = tokio::spawn(driver.run(inbox, outbox, setup.shutdown));
    Ok((network, task))
}

fn address(text: &str) -> Result<Multiaddr, NetError> {
    text.parse().map_err(|error: libp2p::multiaddr::Error| NetError::Address {
        address: text.to_owned(),
        reason: error.to_string(),
    })
}

/// The static peers.
fn peers(config: &P2pConfig) -> Result<Vec<(PeerId, Multiaddr)>, NetError> {
    let named = |text: &String| {
        let address = address(text)?;
        let missing =
            || NetError::Address { address: text.clone(), reason: "it does not end with /p2p/ and an identity".into() };
        Ok((dial::identity_of(&address).ok_or_else(missing)?, address))
    };
    config.peers.iter().map(named).collect()
}

/// Listens on all addresses and waits until each of them is bound.
async fn listen(swarm: &mut Swarm<Behaviour>, texts: &[String]) -> Result<(), NetError> {
    let mut pending: HashMap<ListenerId, String> = HashMap::new();
    for text in texts {
        let address = address(text)?;
        let fail = |reason: String| NetError::Listen { address: text.clone(), reason };
        probe(&address).map_err(|error| fail(error.to_string()))?;
        let listener = swarm.listen_on(address).map_err(|error| fail(error.to_string()))?;
        pending.insert(listener, text.clone());
    }
    while !pending.is_empty() {
        let (listener, reason) = match swarm.select_next_some().await {
            SwarmEvent::NewListenAddr { listener_id, .. } => {
                pending.remove(&listener_id);
                continue;
            }
            SwarmEvent::ListenerError { listener_id, error } => (listener_id, error.to_string()),
            SwarmEvent::ListenerClosed { listener_id, reason: Err(error), .. } => (listener_id, error.to_string()),
            _ => continue,
        };
        if let Some(address) = pending.remove(&listener) {
            return Err(NetError::Listen { address, reason });
        }
    }
    Ok(())
}

/// Fails when another process listens on a TCP port: the transport itself would share the port with it.
fn probe(address: &Multiaddr) -> std::io::Result<()> {
    let mut parts = address.iter();
    let ip: IpAddr = match parts.next() {
        Some(Protocol::Ip4(ip)) => ip.into(),
        Some(Protocol::Ip6(ip)) => ip.into(),
        _ => return Ok(()),
    };
    match parts.next() {
        Some(Protocol::Tcp(port)) if port != 0 => std::net::TcpListener::bind(SocketAddr::from((ip, port))).map(drop),
        _ => Ok(()),
    }
}
