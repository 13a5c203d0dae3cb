//! libp2p. Not built yet: a node without this module runs alone.

use crate::limits;
use crate::metrics::Metrics;
use crate::ports::{NetCommand, Network};
use bezant_api::config::P2pConfig;
use bezant_consensus::ledger::genesis::Genesis;
use bezant_consensus::ledger::key::SigningKey;
use libp2p::identity::Keypair;
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
    /// Counts messages.
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
}

/// Starts the network; returns once it listens on all addresses. The task ends after `shutdown`.
///
/// # Errors
/// When an address is malformed or taken.
pub async fn start(setup: NetSetup) -> Result<(Network, JoinHandle<()>), NetError> {
    let (commands, mut inbox) = mpsc::channel::<NetCommand>(limits::NET_COMMANDS_MAX);
    let (outbox, events) = mpsc::channel(limits::NET_EVENTS_MAX);
    let mut shutdown = setup.shutdown;
    let task = tokio::spawn(async move {
        let _outbox = outbox;
        loop {
            tokio::select! {
                command = inbox.recv() => if command.is_none() { return },
                _ = shutdown.wait_for(|stop| *stop) => return,
            }
        }
    });
    let network = Network { peer_id: setup.identity.public().to_peer_id(), addresses: Vec::new(), commands, events };
    Ok((network, task))
}
