//! Static peers: dialled for ever, with growing pauses that start anew once they were admitted.

use super::limits::REDIAL_MIN;
use libp2p::{Multiaddr, PeerId, multiaddr::Protocol};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

#[derive(Clone, Debug)]
struct Target {
    addresses: Vec<Multiaddr>,
    pause: Duration,
    next: Instant,
}

/// The static peers.
#[derive(Clone, Debug)]
pub(super) struct Dialer {
    targets: BTreeMap<PeerId, Target>,
    pause_max: Duration,
    me: PeerId,
}

/// The identity at the end of an address.
pub(super) fn identity_of(address: &Multiaddr) -> Option<PeerId> {
    match address.iter().last() {
        Some(Protocol::P2p(peer)) => Some(peer),
        Some(_) | None => None,
    }
}

/// The side with the smaller identity dials first, so that two nodes that name each other seldom open two connections.
fn lead(me: &PeerId, peer: &PeerId) -> Duration {
    if me < peer { Duration::ZERO } else { REDIAL_MIN }
}

impl Dialer {
    /// For these addresses, each with its identity; those of `me` are skipped.
    pub(super) fn new(me: PeerId, peers: &[(PeerId, Multiaddr)], pause_max: Duration, now: Instant) -> Dialer {
        let mut targets: BTreeMap<PeerId, Target> = BTreeMap::new();
        for (peer, address) in peers.iter().filter(|(peer, _)| *peer != me) {
            let fresh = Target { addresses: Vec::new(), pause: REDIAL_MIN, next: now + lead(&me, peer) };
            targets.entry(*peer).or_insert(fresh).addresses.push(address.clone());
        }
        Dialer { targets, pause_max, me }
    }

    pub(super) fn contains(&self, peer: &PeerId) -> bool {
        self.targets.contains_key(peer)
    }

    /// The peer was admitted: the next loss is answered at once.
    pub(super) fn reset(&mut self, peer: &PeerId, now: Instant) {
        if let Some(target) = self.targets.get_mut(peer) {
            target.pause = REDIAL_MIN;
            target.next = now + lead(&self.me, peer);
        }
    }

    /// Whom to dial now, with its addresses, among those that are `wanted`; each call makes their next pause longer.
    pub(super) fn due(&mut self, now: Instant, wanted: impl Fn(&PeerId) -> bool) -> Vec<(PeerId, Vec<Multiaddr>)> {
        let mut due = Vec::new();
        for (peer, target) in self.targets.iter_mut().filter(|(peer, target)| target.next <= now && wanted(peer)) {
            target.next = now + target.pause;
            target.pause = (target.pause * 2).min(self.pause_max);
            due.push((*peer, target.addresses.clone()));
        }
        due
    }
}
