//! What the swarm reports.

use super::behaviour::BehaviourEvent;
use super::driver::{Answered, Driver};
use super::exchange::Parcel;
use super::gate::Arriving;
use super::limits::{
    ADDRESSES_PER_PEER_MAX, DISCOVERED_PEERS_WANTED, OVER_RATE_MAX, REQUEST_TIMEOUT, REQUESTS_PER_PEER_MAX,
};
use super::names::Names;
use crate::metrics::Kind;
use crate::ports::{Gossip, NetEvent, Origin, Reply};
use bezant_consensus::ledger::codec::decode;
use bezant_consensus::message::Message;
use libp2p::core::ConnectedPoint;
use libp2p::gossipsub::{self, IdentTopic, MessageAcceptance};
use libp2p::multiaddr::Protocol;
use libp2p::request_response::{self, OutboundFailure, ResponseChannel};
use libp2p::swarm::{DialError, SwarmEvent};
use libp2p::{Multiaddr, PeerId, identify, kad, mdns, ping};
use std::io;
use std::time::Instant;

impl Driver {
    /// Takes one event of the swarm.
    pub(super) fn on_swarm(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(event) => self.on_behaviour(event),
            SwarmEvent::ConnectionEstablished { peer_id, endpoint, .. } => self.on_connection(peer_id, &endpoint),
            SwarmEvent::ConnectionClosed { peer_id, num_established: 0, cause, .. } => {
                let reason = cause.map_or_else(|| "closed here".to_owned(), |cause| cause.to_string());
                if let Some(number) = self.peers.disconnected(&peer_id) {
                    tracing::info!(peer = %peer_id, reason, "peer gone");
                    self.report(NetEvent::Disconnected(number));
                }
                self.gate.forget(&peer_id);
            }
            SwarmEvent::OutgoingConnectionError { peer_id: Some(peer), error, .. } => match error {
                DialError::WrongPeerId { obtained, address } => {
                    tracing::warn!(expected = %peer, %obtained, %address, "another node listens there");
                }
                error => tracing::debug!(%peer, %error, "not reached"),
            },
            SwarmEvent::ListenerClosed { addresses, reason: Err(error), .. } => {
                tracing::error!(?addresses, %error, "no longer listening");
            }
            // Listeners, attempts and address changes are the swarm's own affair.
            _ => {}
        }
    }

    fn on_connection(&mut self, peer: PeerId, endpoint: &ConnectedPoint) {
        let address = endpoint.get_remote_address().to_string();
        self.peers.connected(peer, address, endpoint.is_dialer(), Instant::now());
    }

    fn on_behaviour(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Identify(identify::Event::Received { peer_id, info, .. }) => {
                self.on_identity(peer_id, &info)
            }
            BehaviourEvent::Identify(_) => {}
            BehaviourEvent::Ping(event) => self.on_ping(event),
            BehaviourEvent::Gossipsub(gossipsub::Event::Message { propagation_source, message_id, message }) => {
                self.on_gossip(Gossip { id: message_id, source: propagation_source }, &message);
            }
            BehaviourEvent::Gossipsub(_) => {}
            BehaviourEvent::Requests(event) => self.on_exchange(event),
            BehaviourEvent::Kademlia(kad::Event::RoutingUpdated { peer, addresses, .. }) => {
                self.on_discovered(peer, addresses.into_vec());
            }
            BehaviourEvent::Kademlia(_) => {}
            BehaviourEvent::Mdns(mdns::Event::Discovered(found)) => {
                for (peer, address) in found {
                    self.on_discovered(peer, vec![address]);
                }
            }
            BehaviourEvent::Mdns(mdns::Event::Expired(_)) => {}
            BehaviourEvent::Streams(()) => {}
            BehaviourEvent::Limits(never) => match never {},
            BehaviourEvent::Blocked(never) => match never {},
        }
    }

    fn on_identity(&mut self, peer: PeerId, info: &identify::Info) {
        if info.protocol_version != self.names.identity {
            let theirs = Names::network_of(&info.protocol_version);
            let ours = Names::network_of(&self.names.identity);
            tracing::warn!(%peer, theirs, ours, "peer refused: it belongs to another net");
            self.disconnect(peer);
            return;
        }
        if self.admit(peer).is_none() {
            return;
        }
        let local = self.peers.links.get(&peer).is_some_and(|link| is_loopback_text(&link.address));
        let usable = |address: &&Multiaddr| local || !is_loopback(address);
        for address in info.listen_addrs.iter().filter(usable).take(ADDRESSES_PER_PEER_MAX) {
            self.swarm.behaviour_mut().kademlia.add_address(&peer, address.clone());
        }
    }

    fn on_discovered(&mut self, peer: PeerId, addresses: Vec<Multiaddr>) {
        let known =
            self.swarm.is_connected(&peer) || self.dialer.contains(&peer) || peer == *self.swarm.local_peer_id();
        let unwanted = self.bans.contains(&peer) || self.gate.is_closed(&peer);
        if !known && !unwanted && self.peers.count() < DISCOVERED_PEERS_WANTED {
            self.dial(peer, addresses);
        }
    }

    fn on_ping(&mut self, event: ping::Event) {
        let Some(admitted) = self.peers.admitted(&event.peer) else { return };
        let (peer, bytes_out) = (admitted.number, admitted.bytes_out);
        match event.result {
            Ok(time) => {
                let topics = [&self.names.transactions, &self.names.blocks, &self.names.votes];
                let gossipsub = &self.swarm.behaviour().gossipsub;
                let in_mesh =
                    |topic: &&IdentTopic| gossipsub.mesh_peers(&topic.hash()).any(|other| *other == event.peer);
                let mesh_topics = topics.into_iter().filter(in_mesh).count() as u8;
                let ms = time.as_secs_f64() * 1_000.0;
                self.report(NetEvent::RoundTrip { peer, ms, bytes_out, mesh_topics });
            }
            Err(ping::Failure::Unsupported) => {}
            Err(error) => {
                tracing::debug!(peer = %event.peer, %error, "ping failed");
                self.swarm.close_connection(event.connection);
            }
        }
    }

    fn on_gossip(&mut self, gossip: Gossip, raw: &gossipsub::Message) {
        let source = gossip.source;
        let Some(from) = self.admit(source) else {
            self.judge(&gossip, MessageAcceptance::Ignore);
            return;
        };
        let bytes = raw.data.len();
        let allowed = self.peers.admitted(&source).map_or(Ok(()), |admitted| admitted.allow(Instant::now(), bytes));
        if let Err(count) = allowed {
            self.judge(&gossip, MessageAcceptance::Ignore);
            self.over_rate(source, count);
            return;
        }
        match self.decode_gossip(raw) {
            Ok(message) => self.report(NetEvent::Message { from, message, bytes, origin: Origin::Gossip(gossip) }),
            Err(reason) => {
                self.judge(&gossip, MessageAcceptance::Reject);
                self.malformed(source, reason);
            }
        }
    }

    pub(super) fn decode_gossip(&self, raw: &gossipsub::Message) -> Result<Message, String> {
        let message: Message = decode(&raw.data).map_err(|error| error.to_string())?;
        let topic = match &message {
            Message::Transaction(_) | Message::TransactionBatch(_) => &self.names.transactions,
            Message::CompactBlock(_) => &self.names.blocks,
            Message::PrePrepare(_)
            | Message::Vote(_)
            | Message::CompactPrePrepare(_)
            | Message::Certified(_)
            | Message::Tip(_)
            | Message::ViewChange(_)
            | Message::NewView(_)
            | Message::Evidence(_)
            | Message::Overdue(_)
            | Message::Checkpoint(_)
            | Message::Checkpointed(_) => &self.names.votes,
            Message::GetCertified { .. }
            | Message::GetHeaders(_)
            | Message::Headers(_)
            | Message::GetBlocks(_)
            | Message::Blocks(_)
            | Message::GetTransactions(_)
            | Message::Transactions(_)
            | Message::GetSnapshot { .. }
            | Message::Snapshot(_)
            | Message::GetBuckets { .. }
            | Message::GetSuccessions { .. }
            | Message::Successions(_)
            | Message::Buckets(_) => return Err(format!("{} is not gossiped", message.name())),
        };
        let fits = topic.hash() == raw.topic;
        if fits { Ok(message) } else { Err(format!("{} on topic {}", message.name(), raw.topic)) }
    }

    fn judge(&mut self, gossip: &Gossip, acceptance: MessageAcceptance) {
        let gossipsub = &mut self.swarm.behaviour_mut().gossipsub;
        gossipsub.report_message_validation_result(&gossip.id, &gossip.source, acceptance);
    }

    pub(super) fn over_rate(&mut self, peer: PeerId, count: u32) {
        self.metrics.messages_dropped.get_or_create(&Kind { kind: "over-rate" }).inc();
        if count >= OVER_RATE_MAX {
            tracing::info!(%peer, "disconnected: it sends too much");
            self.disconnect(peer);
        }
    }

    fn on_exchange(&mut self, event: request_response::Event<Result<Parcel, String>, Parcel>) {
        match event {
            request_response::Event::Message { peer, message, .. } => match message {
                request_response::Message::Request { request, channel, .. } => self.on_request(peer, request, channel),
                request_response::Message::Response { request_id, response } => {
                    let Some((asked, expected)) = self.asked.remove(&request_id) else { return };
                    self.arrives(asked, Arriving::Answer { answer: response, expected });
                }
            },
            request_response::Event::OutboundFailure { request_id, error, .. } => {
                let Some((peer, _)) = self.asked.remove(&request_id) else { return };
                if let Some(number) = self.peers.admitted(&peer).map(|admitted| admitted.number) {
                    tracing::debug!(%peer, %error, "request not answered");
                    self.report(NetEvent::Unanswered(number));
                }
                if let OutboundFailure::Io(error) = error
                    && error.kind() == io::ErrorKind::InvalidData
                {
                    self.malformed(peer, error.to_string());
                }
            }
            // That an answer left, or that its asker did, changes nothing here.
            request_response::Event::InboundFailure { .. } | request_response::Event::ResponseSent { .. } => {}
        }
    }

    fn on_request(&mut self, peer: PeerId, request: Result<Parcel, String>, channel: ResponseChannel<Parcel>) {
        if self.admit(peer).is_none() {
            return;
        }
        match request {
            Ok(request) => self.arrives(peer, Arriving::Request { request, channel }),
            Err(reason) => self.malformed(peer, reason),
        }
    }

    pub(super) fn take_request(&mut self, peer: PeerId, request: Parcel, channel: ResponseChannel<Parcel>) {
        let Parcel { message, bytes, .. } = request;
        let Some(admitted) = self.peers.admitted(&peer) else { return };
        if admitted.requests >= REQUESTS_PER_PEER_MAX {
            tracing::debug!(%peer, "request refused: too many are open");
            return;
        }
        if let Err(count) = admitted.allow(Instant::now(), bytes) {
            self.over_rate(peer, count);
            return;
        }
        admitted.requests += 1;
        let from = admitted.number;
        let (reply, answer) = Reply::new();
        self.answers.push(Box::pin(async move {
            let answer = tokio::time::timeout(REQUEST_TIMEOUT, answer).await;
            (peer, channel, answer.ok().and_then(Result::ok))
        }));
        self.report(NetEvent::Message { from, message, bytes, origin: Origin::Request(reply) });
    }

    /// The executor has answered a request, or will not.
    pub(super) fn on_answered(&mut self, (peer, channel, answer): Answered) {
        if let Some(admitted) = self.peers.admitted(&peer) {
            admitted.requests = admitted.requests.saturating_sub(1);
        }
        let Some(message) = answer else { return };
        let parcel = Parcel::new(message);
        self.count_out(peer, parcel.bytes);
        if self.swarm.behaviour_mut().requests.send_response(channel, parcel).is_err() {
            tracing::debug!(%peer, "the asker is gone");
        }
    }

    pub(super) fn take_answer(&mut self, peer: PeerId, expected: &'static str, answer: Parcel) {
        let Some(from) = self.peers.admitted(&peer).map(|admitted| admitted.number) else { return };
        let Parcel { message, bytes, .. } = answer;
        if message.name() == expected {
            self.report(NetEvent::Message { from, message, bytes, origin: Origin::Answer });
        } else {
            self.report(NetEvent::Unanswered(from));
            self.malformed(peer, format!("{} where {expected} was asked for", message.name()));
        }
    }
}

fn is_loopback(address: &Multiaddr) -> bool {
    address.iter().any(|part| match part {
        Protocol::Ip4(ip) => ip.is_loopback(),
        Protocol::Ip6(ip) => ip.is_loopback(),
        _ => false,
    })
}

fn is_loopback_text(address: &str) -> bool {
    address.parse().is_ok_and(|address: Multiaddr| is_loopback(&address))
}
