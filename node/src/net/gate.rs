//! The one gate through which everything that the engine would hear from a peer comes: it asks [`Links`] what becomes of it, and
//! keeps what arrives later.
//!
//! Direct messages, requests and answers are brought to it by the driver. Gossip has to be caught earlier: gossipsub remembers
//! what it has seen, and a message that was lost on one link must still be taken from another. So gossipsub's transformation of
//! incoming data, which comes before that memory, asks the gate ([`Inlet`]), and [`Inlets`], around gossipsub, says whose
//! message it is. What is refused there gossipsub has never seen. What arrives late is heard as gossip, judged, and then
//! published here, since gossipsub cannot be told of it any more.

use super::behaviour::Gossipsub;
use super::exchange::Parcel;
use super::fault::{Change, Fate, Links};
use super::limits::REQUEST_TIMEOUT;
use crate::links::LinkRule;
use bezant_consensus::message::Message;
use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::gossipsub::{self, DataTransform, RawMessage, TopicHash};
use libp2p::request_response::ResponseChannel;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId};
use std::collections::BTreeMap;
use std::io;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Instant;

/// Something that arrives from a peer.
#[derive(Debug)]
pub(super) enum Arriving {
    /// Over a direct stream.
    Direct { message: Box<Message>, bytes: usize },
    /// By gossip, late.
    Gossip { topic: TopicHash, data: Vec<u8> },
    /// A question.
    Request { request: Parcel, channel: ResponseChannel<Parcel> },
    /// An answer to a question of ours, with the name that it should have.
    Answer { answer: Parcel, expected: &'static str },
    /// A question that was lost: whoever asks waits for its answer as long as one does.
    LostRequest(ResponseChannel<Parcel>),
    /// An answer that was lost.
    LostAnswer,
}

impl Arriving {
    fn bytes(&self) -> usize {
        match self {
            Arriving::Direct { bytes, .. } => *bytes,
            Arriving::Gossip { data, .. } => data.len(),
            Arriving::Request { request: parcel, .. } | Arriving::Answer { answer: parcel, .. } => parcel.bytes,
            Arriving::LostRequest(_) | Arriving::LostAnswer => 0,
        }
    }

    /// The same once more. A question is answered once, and of two answers the second finds no question.
    fn again(&self) -> Option<Arriving> {
        match self {
            Arriving::Direct { message, bytes } => Some(Arriving::Direct { message: message.clone(), bytes: *bytes }),
            Arriving::Gossip { topic, data } => Some(Arriving::Gossip { topic: topic.clone(), data: data.clone() }),
            Arriving::Request { .. } | Arriving::Answer { .. } | Arriving::LostRequest(_) | Arriving::LostAnswer => {
                None
            }
        }
    }
}

/// Something that is held back.
#[derive(Debug)]
struct Held {
    peer: PeerId,
    arriving: Arriving,
    /// Whether it counts against its link's room.
    counts: bool,
}

#[derive(Debug)]
struct State {
    links: Links,
    /// By when it arrives, and in the order in which it was held back. What counts is bounded by its link; what was lost, by the
    /// number of open requests.
    held: BTreeMap<(Instant, u64), Held>,
    last: u64,
    /// Whose frame gossipsub is just reading.
    speaker: Option<PeerId>,
}

/// The gate. Clones are the same; it is used by the network's one task only, so nobody ever waits for it.
#[derive(Clone, Debug)]
pub(super) struct Gate(Arc<Mutex<State>>);

impl Gate {
    pub(super) fn new(dev: bool) -> Gate {
        Gate(Arc::new(Mutex::new(State { links: Links::new(dev), held: BTreeMap::new(), last: 0, speaker: None })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("nothing panics while it holds this lock")
    }

    /// Exactly these faults from now on.
    pub(super) fn set(&self, now: Instant, rules: &[Arc<LinkRule>]) -> Change {
        let mut state = self.lock();
        let change = state.links.set(rules);
        for peer in &change.lost {
            state.forget(peer);
        }
        for peer in &change.freed {
            state.free(now, peer);
        }
        change
    }

    /// Whether the link to `peer` is cut in both directions.
    pub(super) fn is_closed(&self, peer: &PeerId) -> bool {
        self.lock().links.is_closed(peer)
    }

    /// Shows something that arrives to the faults of its link; gives it back if it is to be taken now.
    pub(super) fn pass(&self, now: Instant, peer: PeerId, arriving: Arriving) -> Option<Arriving> {
        let mut state = self.lock();
        match state.links.arrive(now, &peer, arriving.bytes()) {
            Fate::Pass => Some(arriving),
            Fate::Later { due, twice } => {
                state.hold(due, peer, arriving, twice);
                None
            }
            Fate::Lost => {
                let rest = match arriving {
                    Arriving::Request { channel, .. } => Arriving::LostRequest(channel),
                    Arriving::Answer { .. } => Arriving::LostAnswer,
                    Arriving::Direct { .. }
                    | Arriving::Gossip { .. }
                    | Arriving::LostRequest(_)
                    | Arriving::LostAnswer => return None,
                };
                state.put(now + REQUEST_TIMEOUT, Held { peer, arriving: rest, counts: false });
                None
            }
        }
    }

    /// When something that was held back arrives.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.lock().held.first_key_value().map(|((due, _), _)| *due)
    }

    /// What was held back until now.
    pub(super) fn due(&self, now: Instant) -> Option<(PeerId, Arriving)> {
        let mut state = self.lock();
        let key = state.held.first_key_value().map(|(key, _)| *key).filter(|(due, _)| *due <= now)?;
        state.take(key).map(|held| (held.peer, held.arriving))
    }

    /// The peer has gone, and what it said with it.
    pub(super) fn forget(&self, peer: &PeerId) {
        self.lock().forget(peer);
    }

    /// What gossipsub reads until the next call is this peer's.
    fn speaks(&self, speaker: Option<PeerId>) {
        self.lock().speaker = speaker;
    }

    /// Whether gossipsub is to see a message now.
    fn lets_in(&self, message: &RawMessage) -> bool {
        let peer = {
            let state = self.lock();
            if state.links.is_empty() {
                return true;
            }
            state.speaker
        };
        let Some(peer) = peer else { return true };
        let arriving = Arriving::Gossip { topic: message.topic.clone(), data: message.data.clone() };
        self.pass(Instant::now(), peer, arriving).is_some()
    }
}

impl State {
    fn put(&mut self, due: Instant, held: Held) {
        self.last += 1;
        self.held.insert((due, self.last), held);
    }

    fn hold(&mut self, due: Instant, peer: PeerId, arriving: Arriving, twice: bool) {
        let bytes = arriving.bytes();
        if twice {
            match arriving.again() {
                Some(again) => self.put(due, Held { peer, arriving: again, counts: true }),
                None => self.links.released(&peer, bytes),
            }
        }
        self.put(due, Held { peer, arriving, counts: true });
    }

    fn take(&mut self, key: (Instant, u64)) -> Option<Held> {
        let held = self.held.remove(&key)?;
        if held.counts {
            self.links.released(&held.peer, held.arriving.bytes());
        }
        Some(held)
    }

    fn keys(&self, peer: &PeerId) -> Vec<(Instant, u64)> {
        self.held.iter().filter(|(_, held)| held.peer == *peer).map(|(key, _)| *key).collect()
    }

    fn forget(&mut self, peer: &PeerId) {
        for key in self.keys(peer) {
            self.take(key);
        }
    }

    /// All that is held back of a peer arrives now, in its order.
    fn free(&mut self, now: Instant, peer: &PeerId) {
        for key in self.keys(peer) {
            if let Some(held) = self.held.remove(&key) {
                self.put(key.0.min(now), held);
            }
        }
    }
}

/// What gossipsub makes of incoming data: nothing else, or nothing at all.
#[derive(Debug)]
pub(super) struct Inlet(Gate);

impl Inlet {
    pub(super) fn new(gate: Gate) -> Inlet {
        Inlet(gate)
    }
}

impl DataTransform for Inlet {
    fn inbound_transform(&self, raw: RawMessage) -> io::Result<gossipsub::Message> {
        if !self.0.lets_in(&raw) {
            return Err(io::Error::other("lost or held back by a fault of this dev net"));
        }
        let RawMessage { source, data, sequence_number, topic, .. } = raw;
        Ok(gossipsub::Message { source, data, sequence_number, topic })
    }

    fn outbound_transform(&self, _: &TopicHash, data: Vec<u8>) -> io::Result<Vec<u8>> {
        Ok(data)
    }
}

/// Gossipsub, which says to the gate whose frames it reads.
pub(super) struct Inlets {
    inner: Gossipsub,
    gate: Gate,
}

impl Inlets {
    pub(super) fn new(inner: Gossipsub, gate: Gate) -> Inlets {
        Inlets { inner, gate }
    }
}

impl Deref for Inlets {
    type Target = Gossipsub;

    fn deref(&self) -> &Gossipsub {
        &self.inner
    }
}

impl DerefMut for Inlets {
    fn deref_mut(&mut self) -> &mut Gossipsub {
        &mut self.inner
    }
}

impl NetworkBehaviour for Inlets {
    type ConnectionHandler = <Gossipsub as NetworkBehaviour>::ConnectionHandler;
    type ToSwarm = <Gossipsub as NetworkBehaviour>::ToSwarm;

    fn handle_pending_inbound_connection(
        &mut self,
        connection: ConnectionId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.inner.handle_pending_inbound_connection(connection, local, remote)
    }

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.inner.handle_established_inbound_connection(connection, peer, local, remote)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        self.inner.handle_pending_outbound_connection(connection, peer, addresses, role)
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port_use: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.inner.handle_established_outbound_connection(connection, peer, address, role, port_use)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        self.inner.on_swarm_event(event);
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, connection: ConnectionId, event: THandlerOutEvent<Self>) {
        self.gate.speaks(Some(peer));
        self.inner.on_connection_handler_event(peer, connection, event);
        self.gate.speaks(None);
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        self.inner.poll(context)
    }
}
