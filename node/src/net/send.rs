//! Who gets a message, and over what.
//!
//! - One peer: a request goes over a stream of its own, anything else over the direct stream.
//! - Members: direct streams to all peers that proved to be members, and to those that have not said yet who they are. When
//!   those are fewer than the other members, the votes topic carries the message too.
//! - All: transactions and blocks by gossip; when gossipsub refuses (sent before, so this is a repetition; or nobody is
//!   subscribed yet) they go over the direct streams to all peers. Where a node stands goes to direct neighbours only.

use super::driver::Driver;
use super::exchange::{Parcel, answer_name, is_request};
use super::streams::{Frame, Outgoing, Queued};
use crate::metrics::Kind;
use crate::ports::NetEvent;
use bezant_consensus::engine::{Peer, To};
use bezant_consensus::ledger::codec::encode;
use bezant_consensus::message::Message;
use libp2p::PeerId;
use libp2p::gossipsub::{IdentTopic, PublishError};
use std::time::Instant;

impl Driver {
    /// Sends a message.
    pub(super) fn send(&mut self, to: To, message: &Message) {
        match to {
            To::Peer(peer) if is_request(message) => self.ask(peer, message),
            To::Peer(peer) => {
                let wanted = self.peers.identity(peer);
                self.send_direct(message, &encode(message).into(), |peer_id, _, _| Some(peer_id) == wanted);
            }
            To::Member(index) => self.send_to_members(message, 1, |member| member == index),
            To::Members => {
                let is_me = self.validator.is_some_and(|key| self.set.index_of(&key).is_some());
                let others = self.set.n() - usize::from(is_me);
                self.send_to_members(message, others, |_| true);
            }
            To::All => self.send_to_all(message),
        }
    }

    fn send_to_members(&mut self, message: &Message, wanted: usize, which: impl Fn(u16) -> bool) {
        let frame: Frame = encode(message).into();
        let known = self.peers.all().filter(|(_, peer)| peer.member.is_some_and(&which)).count();
        self.send_direct(message, &frame, |_, greeted, member| member.map_or(!greeted, &which));
        if known < wanted {
            let topic = self.names.votes.clone();
            // A repetition that gossip refuses has no other way to go.
            self.publish(&topic, message, &frame);
        }
    }

    fn send_to_all(&mut self, message: &Message) {
        let frame: Frame = encode(message).into();
        let published = match message {
            Message::Transaction(_) | Message::TransactionBatch(_) => {
                let topic = self.names.transactions.clone();
                self.publish(&topic, message, &frame)
            }
            Message::CompactBlock(_) => {
                let topic = self.names.blocks.clone();
                self.publish(&topic, message, &frame)
            }
            // Rare, and of interest to nodes that no member is connected to.
            Message::Evidence(_) => {
                let topic = self.names.votes.clone();
                self.publish(&topic, message, &frame)
            }
            Message::Tip(_)
            | Message::Overdue(_)
            | Message::ViewChange(_)
            | Message::NewView(_)
            | Message::PrePrepare(_)
            | Message::Vote(_)
            | Message::CompactPrePrepare(_)
            | Message::GetCertified { .. }
            | Message::Certified(_)
            | Message::GetHeaders(_)
            | Message::Headers(_)
            | Message::GetBlocks(_)
            | Message::Blocks(_)
            | Message::GetTransactions(_)
            | Message::Transactions(_)
            | Message::Checkpoint(_)
            | Message::Checkpointed(_)
            | Message::GetSnapshot { .. }
            | Message::Snapshot(_)
            | Message::GetBuckets { .. }
            | Message::GetSuccessions { .. }
            | Message::Successions(_)
            | Message::Buckets(_) => false,
        };
        if !published {
            self.send_direct(message, &frame, |_, _, _| true);
        }
    }

    /// Gossips a message; returns whether gossip took it.
    fn publish(&mut self, topic: &IdentTopic, message: &Message, frame: &Frame) -> bool {
        let now = Instant::now();
        if self.gossiped.contains(now, frame) {
            return false;
        }
        let published = self.swarm.behaviour_mut().gossipsub.publish(topic.hash(), frame.to_vec());
        match published {
            Ok(_) => {
                self.gossiped.insert(now, frame);
                self.metrics.bytes_out.inc_by(frame.len() as u64);
                let mesh: Vec<PeerId> = self.swarm.behaviour().gossipsub.mesh_peers(&topic.hash()).copied().collect();
                mesh.iter().for_each(|peer| self.note_out(peer, frame.len()));
                true
            }
            Err(PublishError::Duplicate | PublishError::NoPeersSubscribedToTopic) => false,
            Err(error) => {
                tracing::debug!(%error, message = message.name(), "not gossiped");
                false
            }
        }
    }

    /// Queues a message for every admitted peer that is `wanted`, told its identity, whether it has said who it is, and the
    /// member that it is. A peer whose queue is full is disconnected.
    fn send_direct(&mut self, message: &Message, frame: &Frame, wanted: impl Fn(PeerId, bool, Option<u16>) -> bool) {
        let targets: Vec<(PeerId, Outgoing)> = self
            .peers
            .all()
            .filter(|(peer_id, peer)| wanted(*peer_id, peer.greeted, peer.member))
            .map(|(peer_id, peer)| (peer_id, peer.outgoing.clone()))
            .collect();
        for (peer_id, outgoing) in targets {
            match outgoing.send(frame.clone()) {
                Queued::Waiting => self.count_out(peer_id, frame.len()),
                Queued::Full => {
                    self.metrics.messages_dropped.get_or_create(&Kind { kind: message.name() }).inc();
                    tracing::info!(peer = %peer_id, "disconnected: it reads too slowly");
                    self.disconnect(peer_id);
                }
                Queued::Closed => {
                    self.metrics.messages_dropped.get_or_create(&Kind { kind: message.name() }).inc();
                }
            }
        }
    }

    fn ask(&mut self, peer: Peer, message: &Message) {
        match self.peers.identity(peer) {
            Some(peer_id) => {
                let parcel = Parcel::new(message.clone());
                self.count_out(peer_id, parcel.bytes);
                let request = self.swarm.behaviour_mut().requests.send_request(&peer_id, Ok(parcel));
                self.asked.insert(request, (peer_id, answer_name(message)));
            }
            None => self.report(NetEvent::Unanswered(peer)),
        }
    }

    /// Counts what was handed to one peer.
    pub(super) fn count_out(&mut self, peer: PeerId, bytes: usize) {
        self.metrics.bytes_out.inc_by(bytes as u64);
        self.note_out(&peer, bytes);
    }

    fn note_out(&mut self, peer: &PeerId, bytes: usize) {
        if let Some(admitted) = self.peers.admitted(peer) {
            admitted.bytes_out += bytes as u64;
        }
    }
}
