//! The swarm: transports and the protocols that it speaks.

use super::exchange::MessageCodec;
use super::gate::{Gate, Inlet, Inlets};
use super::limits::{
    CONNECTIONS_PENDING_MAX, CONNECTIONS_PER_PEER_MAX, GOSSIP_BLOCK_BYTES_MAX, GOSSIP_FRAME_BYTES_MAX,
    GOSSIP_TRANSACTION_BYTES_MAX, GOSSIP_VOTE_BYTES_MAX, GOSSIPED_REMEMBERED_FOR, PING_INTERVAL, REQUEST_STREAMS_MAX,
    REQUEST_TIMEOUT,
};
use super::names::Names;
use super::{NetError, NetSetup};
use bezant_consensus::ledger::hash::sha256;
use libp2p::allow_block_list::{self, BlockedPeers};
use libp2p::connection_limits::{self, ConnectionLimits};
use libp2p::gossipsub::{self, MessageAuthenticity, MessageId, ValidationMode, WhitelistSubscriptionFilter};
use libp2p::identity::Keypair;
use libp2p::kad::{self, store::MemoryStore};
use libp2p::request_response::{self, ProtocolSupport};
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::swarm::{NetworkBehaviour, Swarm};
use libp2p::{PeerId, SwarmBuilder, identify, mdns, noise, ping, tcp, yamux};
use std::error::Error;
use std::time::Duration;

/// Gossipsub that knows the topics of this net and no others.
pub(super) type Gossipsub = gossipsub::Behaviour<Inlet, WhitelistSubscriptionFilter>;

/// All protocols of a node.
#[derive(NetworkBehaviour)]
pub(super) struct Behaviour {
    // The first two refuse connections before the others hear of them.
    limits: connection_limits::Behaviour,
    pub(super) blocked: allow_block_list::Behaviour<BlockedPeers>,
    pub(super) identify: identify::Behaviour,
    pub(super) ping: ping::Behaviour,
    pub(super) gossipsub: Inlets,
    pub(super) requests: request_response::Behaviour<MessageCodec>,
    pub(super) streams: libp2p_stream::Behaviour,
    pub(super) kademlia: kad::Behaviour<MemoryStore>,
    pub(super) mdns: Toggle<mdns::tokio::Behaviour>,
}

type BoxError = Box<dyn Error + Send + Sync>;

impl Behaviour {
    fn new(setup: &NetSetup, names: &Names, identity: &Keypair, gate: &Gate) -> Result<Behaviour, BoxError> {
        let me = identity.public().to_peer_id();
        let most = setup.config.connections_max;
        let limits = ConnectionLimits::default()
            .with_max_established(Some(most))
            .with_max_established_per_peer(Some(CONNECTIONS_PER_PEER_MAX))
            .with_max_pending_incoming(Some(CONNECTIONS_PENDING_MAX));
        let identify = identify::Config::new(names.identity.clone(), identity.public())
            .with_agent_version(concat!("bezant/", env!("CARGO_PKG_VERSION")).to_owned());
        let requests = request_response::Config::default()
            .with_request_timeout(REQUEST_TIMEOUT)
            .with_max_concurrent_streams(REQUEST_STREAMS_MAX);
        let mdns = if setup.config.mdns && setup.genesis.dev {
            Some(mdns::tokio::Behaviour::new(mdns::Config::default(), me)?)
        } else {
            None
        };
        Ok(Behaviour {
            limits: connection_limits::Behaviour::new(limits),
            blocked: allow_block_list::Behaviour::default(),
            identify: identify::Behaviour::new(identify),
            ping: ping::Behaviour::new(ping::Config::new().with_interval(PING_INTERVAL)),
            gossipsub: Inlets::new(gossipsub(names, gate)?, gate.clone()),
            requests: request_response::Behaviour::new([(names.requests.clone(), ProtocolSupport::Full)], requests),
            streams: libp2p_stream::Behaviour::new(),
            kademlia: kademlia(names, me),
            mdns: mdns.into(),
        })
    }
}

/// Anonymous (what is sent is signed itself), forwarded only once judged, a message's id being the hash of its bytes.
fn gossipsub(names: &Names, gate: &Gate) -> Result<Gossipsub, BoxError> {
    let topics = [&names.transactions, &names.blocks, &names.votes];
    let config = gossipsub::ConfigBuilder::default()
        .validation_mode(ValidationMode::Anonymous)
        .validate_messages()
        .message_id_fn(|message| MessageId::new(&sha256(&message.data)))
        .duplicate_cache_time(GOSSIPED_REMEMBERED_FOR)
        .heartbeat_initial_delay(Duration::from_millis(100))
        .max_transmit_size(GOSSIP_FRAME_BYTES_MAX)
        .max_transmit_size_for_topic(GOSSIP_TRANSACTION_BYTES_MAX, names.transactions.hash())
        .max_transmit_size_for_topic(GOSSIP_BLOCK_BYTES_MAX, names.blocks.hash())
        .max_transmit_size_for_topic(GOSSIP_VOTE_BYTES_MAX, names.votes.hash())
        .build()?;
    let filter = WhitelistSubscriptionFilter(topics.iter().map(|topic| topic.hash()).collect());
    let (inlet, author) = (Inlet::new(gate.clone()), MessageAuthenticity::Anonymous);
    let mut gossipsub = Gossipsub::new_with_subscription_filter_and_transform(author, config, filter, inlet)?;
    for topic in topics {
        gossipsub.subscribe(topic)?;
    }
    Ok(gossipsub)
}

/// Finds nodes of this net; stores no records for anybody.
fn kademlia(names: &Names, me: PeerId) -> kad::Behaviour<MemoryStore> {
    let mut config = kad::Config::new(names.kademlia.clone());
    config.set_record_filtering(kad::StoreInserts::FilterBoth);
    config.set_periodic_bootstrap_interval(Some(Duration::from_secs(60)));
    let mut kademlia = kad::Behaviour::with_config(me, MemoryStore::new(me), config);
    kademlia.set_mode(Some(kad::Mode::Server));
    kademlia
}

/// The swarm of this node; it does not listen yet.
pub(super) fn swarm(setup: &NetSetup, names: &Names, gate: &Gate) -> Result<Swarm<Behaviour>, NetError> {
    let fail = |reason: String| NetError::Setup { reason };
    let swarm = SwarmBuilder::with_existing_identity(setup.identity.clone())
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)
        .map_err(|error| fail(error.to_string()))?
        .with_quic()
        .with_dns()
        .map_err(|error| fail(format!("names cannot be resolved: {error}")))?
        .with_behaviour(|identity| Behaviour::new(setup, names, identity, gate))
        .map_err(|error| fail(error.to_string()))?
        .with_swarm_config(|config| {
            // Connections are closed for reasons of ours; being idle is none.
            config.with_idle_connection_timeout(Duration::from_secs(365 * 24 * 3_600))
        })
        .build();
    Ok(swarm)
}
