//! Dev nets: gossip that a link's fault has delayed. Gossipsub has not seen it, so it is heard, judged and passed on here.

use super::driver::Driver;
use super::limits::{LATE_GOSSIP_BYTES_MAX, LATE_GOSSIP_MAX};
use crate::ports::{Gossip, NetEvent, Origin, Verdict};
use bezant_consensus::ledger::hash::sha256;
use libp2p::PeerId;
use libp2p::gossipsub::{self, MessageId, PublishError, TopicHash};
use std::collections::VecDeque;
use std::time::Instant;

/// What came late and waits to be judged. Bounded by [`LATE_GOSSIP_MAX`] and [`LATE_GOSSIP_BYTES_MAX`]: the oldest makes room.
#[derive(Debug, Default)]
pub(super) struct LateGossip {
    waiting: VecDeque<(Gossip, TopicHash, Vec<u8>)>,
    bytes: usize,
}

impl LateGossip {
    pub(super) fn insert(&mut self, gossip: Gossip, topic: TopicHash, data: Vec<u8>) {
        self.bytes += data.len();
        self.waiting.push_back((gossip, topic, data));
        while self.waiting.len() > LATE_GOSSIP_MAX || self.bytes > LATE_GOSSIP_BYTES_MAX {
            let Some((_, _, data)) = self.waiting.pop_front() else { return };
            self.bytes -= data.len();
        }
    }

    /// Takes it out, if it is here and not with gossipsub.
    pub(super) fn judged(&mut self, gossip: &Gossip) -> Option<(TopicHash, Vec<u8>)> {
        let place = self.waiting.iter().position(|(waiting, _, _)| waiting == gossip)?;
        let (_, topic, data) = self.waiting.remove(place)?;
        self.bytes -= data.len();
        Some((topic, data))
    }
}

impl Driver {
    /// A gossiped message that a fault has held back until now.
    pub(super) fn on_late_gossip(&mut self, source: PeerId, topic: TopicHash, data: Vec<u8>) {
        let Some(from) = self.admit(source) else { return };
        let bytes = data.len();
        let allowed = self.peers.admitted(&source).map_or(Ok(()), |admitted| admitted.allow(Instant::now(), bytes));
        if let Err(count) = allowed {
            return self.over_rate(source, count);
        }
        let raw = gossipsub::Message { source: None, data, sequence_number: None, topic };
        match self.decode_gossip(&raw) {
            Ok(message) => {
                let gossip = Gossip { id: MessageId::new(&sha256(&raw.data)), source };
                self.late.insert(gossip.clone(), raw.topic, raw.data);
                self.report(NetEvent::Message { from, message, bytes, origin: Origin::Gossip(gossip) });
            }
            Err(reason) => self.malformed(source, reason),
        }
    }

    /// What was heard late and found valid goes on to others; who has it already does not mind.
    pub(super) fn pass_on(&mut self, verdict: Verdict, topic: TopicHash, data: Vec<u8>) {
        match verdict {
            Verdict::Accept => {}
            Verdict::Reject | Verdict::Ignore => return,
        }
        let bytes = data.len() as u64;
        match self.swarm.behaviour_mut().gossipsub.publish(topic, data) {
            Ok(_) => drop(self.metrics.bytes_out.inc_by(bytes)),
            // It came over another link in the meantime, or nobody wants it.
            Err(PublishError::Duplicate | PublishError::NoPeersSubscribedToTopic) => {}
            Err(error) => tracing::debug!(%error, "late gossip not passed on"),
        }
    }
}
