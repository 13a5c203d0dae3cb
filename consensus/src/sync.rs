//! What both engines share in catching up with peers: who claims to be where, and which requests are open.
//!
//! Claims ([`TipInfo`]) only choose whom to ask; what comes back proves itself. At most one request is open per peer, and
//! [`SYNC_REQUESTS_MAX`] in all. A request that is not answered in time is given up and the peer is asked nothing for a while,
//! so that a silent peer costs one time-out and others are asked in its place.

use crate::engine::Peer;
use crate::ledger::units::Time;
use crate::limits::SYNC_REQUESTS_MAX;
use crate::message::TipInfo;
use std::collections::BTreeMap;

/// How long a request may stay open.
pub const REQUEST_TIMEOUT_MS: u64 = 5_000;
/// How long a peer that let a request time out is not asked again.
pub const SILENT_PENALTY_MS: u64 = 10_000;

/// One peer, as far as sync cares.
#[derive(Clone, Debug, Default)]
struct PeerState<R> {
    tip: Option<TipInfo>,
    /// What was asked, and when it is given up.
    open: Option<(R, Time)>,
    /// Not to be asked before.
    resting_until: Time,
}

/// The peers of a replica with what was asked of them; `R` describes a request.
#[derive(Clone, Debug)]
pub struct Peers<R> {
    peers: BTreeMap<Peer, PeerState<R>>,
}

impl<R> Default for Peers<R> {
    fn default() -> Self {
        Peers { peers: BTreeMap::new() }
    }
}

impl<R: Clone> Peers<R> {
    /// A peer is there.
    pub fn connected(&mut self, peer: Peer) {
        let state = PeerState { tip: None, open: None, resting_until: Time(0) };
        self.peers.entry(peer).or_insert(state);
    }

    /// A peer is gone; returns what it was still asked.
    pub fn disconnected(&mut self, peer: Peer) -> Option<R> {
        self.peers.remove(&peer).and_then(|state| state.open).map(|(request, _)| request)
    }

    /// A peer claims to be here.
    pub fn claimed(&mut self, peer: Peer, tip: TipInfo) {
        if let Some(state) = self.peers.get_mut(&peer) {
            state.tip = Some(tip);
        }
    }

    /// What a peer claimed last.
    #[must_use]
    pub fn claim(&self, peer: Peer) -> Option<&TipInfo> {
        self.peers.get(&peer).and_then(|state| state.tip.as_ref())
    }

    /// The peers that may be asked something now and whose claim is `wanted`, in the order of their numbers.
    /// Empty when too many requests are open.
    #[must_use]
    pub fn askable(&self, now: Time, wanted: impl Fn(&TipInfo) -> bool) -> Vec<Peer> {
        if self.open_count() >= SYNC_REQUESTS_MAX {
            return Vec::new();
        }
        let free = |state: &PeerState<R>| state.open.is_none() && state.resting_until <= now;
        let fits = |state: &PeerState<R>| state.tip.as_ref().is_some_and(&wanted);
        self.peers.iter().filter(|(_, state)| free(state) && fits(state)).map(|(peer, _)| *peer).collect()
    }

    /// Notes that a peer was asked.
    ///
    /// # Panics
    /// When the peer is not there or was asked already: callers choose among [`Peers::askable`].
    pub fn asked(&mut self, now: Time, peer: Peer, request: R) {
        let state = self.peers.get_mut(&peer).expect("only connected peers are asked");
        assert!(state.open.is_none(), "one request is open per peer");
        state.open = Some((request, now.plus_ms(REQUEST_TIMEOUT_MS)));
    }

    /// Closes and returns the request that an answer from `peer` belongs to.
    pub fn answered(&mut self, peer: Peer) -> Option<R> {
        self.peers.get_mut(&peer).and_then(|state| state.open.take()).map(|(request, _)| request)
    }

    /// The executor reports that `peer` will not answer; it rests for a while.
    pub fn unanswered(&mut self, now: Time, peer: Peer) -> Option<R> {
        let state = self.peers.get_mut(&peer)?;
        state.resting_until = now.plus_ms(SILENT_PENALTY_MS);
        state.open.take().map(|(request, _)| request)
    }

    /// A peer's answer was of no use; it rests for a while.
    pub fn rest(&mut self, now: Time, peer: Peer) {
        if let Some(state) = self.peers.get_mut(&peer) {
            state.resting_until = now.plus_ms(SILENT_PENALTY_MS);
        }
    }

    /// Whether as many requests are open as may be.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.open_count() >= SYNC_REQUESTS_MAX
    }

    /// What each peer claimed last.
    pub fn claims(&self) -> impl Iterator<Item = (Peer, &TipInfo)> {
        self.peers.iter().filter_map(|(peer, state)| state.tip.as_ref().map(|tip| (*peer, tip)))
    }

    /// Whether a peer is there.
    #[must_use]
    pub fn is_connected(&self, peer: Peer) -> bool {
        self.peers.contains_key(&peer)
    }

    /// The connected peer after this one, in the order of their numbers and around.
    #[must_use]
    pub fn after(&self, last: Option<Peer>) -> Option<Peer> {
        let later = last.and_then(|last| self.peers.keys().copied().find(|peer| *peer > last));
        later.or_else(|| self.peers.keys().next().copied())
    }

    /// Gives up what is overdue and returns it; those peers rest for a while.
    pub fn expire(&mut self, now: Time) -> Vec<(Peer, R)> {
        let overdue = |state: &PeerState<R>| state.open.as_ref().is_some_and(|(_, until)| *until <= now);
        let late: Vec<Peer> = self.peers.iter().filter(|(_, state)| overdue(state)).map(|(peer, _)| *peer).collect();
        late.into_iter().filter_map(|peer| self.unanswered(now, peer).map(|request| (peer, request))).collect()
    }

    /// What is asked at the moment.
    pub fn open(&self) -> impl Iterator<Item = (Peer, &R)> {
        self.peers.iter().filter_map(|(peer, state)| state.open.as_ref().map(|(request, _)| (*peer, request)))
    }

    fn open_count(&self) -> usize {
        self.open().count()
    }

    /// When [`Peers::expire`] or [`Peers::askable`] may have something new to say.
    #[must_use]
    pub fn deadline(&self, now: Time) -> Option<Time> {
        let open = self.peers.values().filter_map(|state| state.open.as_ref().map(|(_, until)| *until));
        let resting = self.peers.values().map(|state| state.resting_until).filter(|until| *until > now);
        open.chain(resting).min()
    }
}
