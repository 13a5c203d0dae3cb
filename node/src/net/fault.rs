//! Faults on dev nets, at the one place where everything from and to peers passes.
//!
//! Now: links that are cut. Connections of a cut peer are closed and refused, so that both replicas see it leave and come back;
//! whatever of it is still under way is dropped here. Delay, loss and lies are to become further fields of [`Link`], judged by
//! [`Faults::outgoing`] and [`Faults::incoming`].

use libp2p::PeerId;
use std::collections::{BTreeMap, BTreeSet};

/// What is done to the messages of one peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Link {
    cut: bool,
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It goes on.
    Pass,
    /// It is lost.
    Drop,
}

/// What a change of the faults means for connections.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    /// To be closed and refused from now on.
    pub(super) cut: Vec<PeerId>,
    /// May connect again, and are dialled at once.
    pub(super) healed: Vec<PeerId>,
}

/// The faults of this node. On nets that are not for development it stays empty: [`Faults::set_cut`] does nothing.
#[derive(Clone, Debug)]
pub(super) struct Faults {
    dev: bool,
    links: BTreeMap<PeerId, Link>,
}

impl Faults {
    pub(super) fn new(dev: bool) -> Faults {
        Faults { dev, links: BTreeMap::new() }
    }

    /// Cuts the links to exactly these peers and heals all others.
    pub(super) fn set_cut(&mut self, cut: BTreeSet<PeerId>) -> Change {
        if !self.dev {
            return Change::default();
        }
        let before: BTreeSet<PeerId> = self.cut().collect();
        self.links = cut.iter().map(|peer| (*peer, Link { cut: true })).collect();
        Change { cut: cut.difference(&before).copied().collect(), healed: before.difference(&cut).copied().collect() }
    }

    fn cut(&self) -> impl Iterator<Item = PeerId> + '_ {
        self.links.iter().filter(|(_, link)| link.cut).map(|(peer, _)| *peer)
    }

    pub(super) fn is_cut(&self, peer: &PeerId) -> bool {
        self.links.get(peer).is_some_and(|link| link.cut)
    }

    /// What becomes of a message to `peer`.
    pub(super) fn outgoing(&self, peer: &PeerId) -> Fate {
        if self.is_cut(peer) { Fate::Drop } else { Fate::Pass }
    }

    /// What becomes of a message that `peer` brought.
    pub(super) fn incoming(&self, peer: &PeerId) -> Fate {
        self.outgoing(peer)
    }
}
