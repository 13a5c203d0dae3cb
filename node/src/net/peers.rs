//! The peers: every identity with a connection, and what this layer knows of those that proved to be of this net.

use super::limits::MALFORMED_BAN;
use super::rate::Allowance;
use super::streams::Outgoing;
use bezant_consensus::engine::Peer;
use bezant_consensus::ledger::genesis::ValidatorSet;
use bezant_consensus::ledger::key::PublicKey;
use libp2p::PeerId;
use std::collections::BTreeMap;
use std::time::Instant;

/// An identity with at least one connection.
#[derive(Debug)]
pub(super) struct Link {
    /// Of the first connection.
    pub(super) since: Instant,
    /// Where it is.
    pub(super) address: String,
    /// Whether this side dialled.
    pub(super) outbound: bool,
    /// Readers of its direct streams.
    pub(super) readers: usize,
    /// Once it proved to be of this net.
    pub(super) admitted: Option<Admitted>,
}

/// What a peer is from the moment on that the executor knows of it.
#[derive(Debug)]
pub(super) struct Admitted {
    /// Its number.
    pub(super) number: Peer,
    /// The queue of its direct stream.
    pub(super) outgoing: Outgoing,
    /// Whether it has said who it is.
    pub(super) greeted: bool,
    /// The validator key that it proved to have.
    pub(super) validator: Option<PublicKey>,
    /// The member of the present set that it is.
    pub(super) member: Option<u16>,
    /// Bytes of messages handed to it.
    pub(super) bytes_out: u64,
    /// Its requests that wait for an answer of ours.
    pub(super) requests: usize,
    /// For what cannot be made to wait: gossip and requests.
    pub(super) allowance: Allowance,
    /// Messages over the allowance without a second of rest.
    pub(super) over_rate: u32,
    /// When the last message over the allowance came.
    pub(super) over_rate_at: Instant,
    /// Malformed messages of late.
    pub(super) malformed: u32,
    /// When the last of those came.
    pub(super) malformed_at: Instant,
}

impl Admitted {
    pub(super) fn new(number: Peer, outgoing: Outgoing, now: Instant) -> Admitted {
        Admitted {
            number,
            outgoing,
            greeted: false,
            validator: None,
            member: None,
            bytes_out: 0,
            requests: 0,
            allowance: Allowance::new(now),
            over_rate: 0,
            over_rate_at: now,
            malformed: 0,
            malformed_at: now,
        }
    }

    /// Counts a malformed message; returns how many there were of late.
    pub(super) fn count_malformed(&mut self, now: Instant) -> u32 {
        if now.saturating_duration_since(self.malformed_at) > MALFORMED_BAN {
            self.malformed = 0;
        }
        self.malformed_at = now;
        self.malformed += 1;
        self.malformed
    }

    /// Whether a message that cannot be made to wait is within the allowance; otherwise how many in a row were not.
    pub(super) fn allow(&mut self, now: Instant, bytes: usize) -> Result<(), u32> {
        if self.allowance.try_take(now, bytes) {
            return Ok(());
        }
        if now.saturating_duration_since(self.over_rate_at).as_secs() >= 1 {
            self.over_rate = 0;
        }
        self.over_rate_at = now;
        self.over_rate += 1;
        Err(self.over_rate)
    }
}

/// All identities with connections. Numbers are never used twice.
#[derive(Debug, Default)]
pub(super) struct Peers {
    pub(super) links: BTreeMap<PeerId, Link>,
    /// Invariant: exactly the numbers of admitted links.
    numbers: BTreeMap<Peer, PeerId>,
    last: u64,
}

impl Peers {
    /// Notes the first connection of an identity; further ones change nothing.
    pub(super) fn connected(&mut self, peer: PeerId, address: String, outbound: bool, now: Instant) {
        let link = Link { since: now, address, outbound, readers: 0, admitted: None };
        self.links.entry(peer).or_insert(link);
    }

    /// Forgets an identity; returns its number if the executor knows of it.
    pub(super) fn disconnected(&mut self, peer: &PeerId) -> Option<Peer> {
        let number = self.links.remove(peer)?.admitted?.number;
        self.numbers.remove(&number);
        Some(number)
    }

    /// Gives an identity with a connection a number.
    pub(super) fn admit(&mut self, peer: PeerId, outgoing: Outgoing, now: Instant) -> Option<Peer> {
        let link = self.links.get_mut(&peer).filter(|link| link.admitted.is_none())?;
        self.last += 1;
        let number = Peer(self.last);
        link.admitted = Some(Admitted::new(number, outgoing, now));
        self.numbers.insert(number, peer);
        Some(number)
    }

    pub(super) fn identity(&self, number: Peer) -> Option<PeerId> {
        self.numbers.get(&number).copied()
    }

    pub(super) fn admitted(&mut self, peer: &PeerId) -> Option<&mut Admitted> {
        self.links.get_mut(peer)?.admitted.as_mut()
    }

    /// All that were admitted.
    pub(super) fn all(&self) -> impl Iterator<Item = (PeerId, &Admitted)> {
        self.links.iter().filter_map(|(peer, link)| Some((*peer, link.admitted.as_ref()?)))
    }

    /// Finds each peer's place among the members; returns those for whom it has changed.
    pub(super) fn find_members(&mut self, set: &ValidatorSet) -> Vec<(Peer, Option<u16>)> {
        let mut changed = Vec::new();
        for admitted in self.links.values_mut().filter_map(|link| link.admitted.as_mut()) {
            let member = admitted.validator.and_then(|key| set.index_of(&key));
            if member != admitted.member {
                admitted.member = member;
                changed.push((admitted.number, member));
            }
        }
        changed
    }

    pub(super) fn count(&self) -> usize {
        self.numbers.len()
    }

    /// Identities that have been connected since before `then` without proving to be of this net.
    pub(super) fn strangers(&self, then: Instant) -> Vec<PeerId> {
        let late = |link: &Link| link.admitted.is_none() && link.since < then;
        self.links.iter().filter(|(_, link)| late(link)).map(|(peer, _)| *peer).collect()
    }
}
