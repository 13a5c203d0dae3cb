//! Dev nets: this member lies on demand. All that the replica says passes here before it goes to the network, or to whoever
//! asked; what a [`Liar`] says instead is what leaves. The replica itself stays as it is.

use crate::limits::LIES_HELD_MAX;
use bezant_consensus::engine::{EngineConfig, To};
use bezant_consensus::ledger::genesis::ValidatorSet;
use bezant_consensus::ledger::key::SigningKey;
use bezant_consensus::ledger::units::Time;
use bezant_consensus::message::Message;
use bezant_node_core::lies::{Liar, Mode, Target};
use std::collections::BTreeMap;
use std::fmt;

/// A mode of lying, with the target that a censor has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lie {
    pub(crate) mode: Mode,
    pub(crate) target: Option<Target>,
}

impl fmt::Display for Lie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.target {
            Some(target) => write!(f, "{} {target}", self.mode),
            None => write!(f, "{}", self.mode),
        }
    }
}

/// Who may be made to lie.
#[derive(Debug)]
struct Member {
    key: SigningKey,
    /// In the present set, if it is a member there.
    index: Option<u16>,
    set: ValidatorSet,
    view_timeout_ms: u64,
}

/// What stands between the replica and the network.
#[derive(Debug, Default)]
pub(super) struct Lies {
    /// `None` on nets that are not for development, under proof of work, and without a validator key: then it never lies.
    member: Option<Member>,
    now: Option<(Lie, Liar)>,
    /// Held back until then, in order. Invariant: at most [`LIES_HELD_MAX`].
    held: BTreeMap<(Time, u64), (To, Message)>,
    count: u64,
}

impl Lies {
    pub(super) fn new(config: &EngineConfig) -> Lies {
        let member = || {
            let params = config.genesis.pbft().filter(|_| config.genesis.dev)?;
            let (key, set) = (config.key.clone()?, config.genesis.validator_set());
            let index = set.index_of(&key.public());
            Some(Member { key, index, set, view_timeout_ms: u64::from(params.view_timeout_ms) })
        };
        Lies { member: member(), ..Lies::default() }
    }

    /// An epoch has begun: it goes on lying in the place that it has there.
    pub(super) fn members(&mut self, set: &ValidatorSet) {
        if let Some(member) = &mut self.member {
            member.index = set.index_of(&member.key.public());
            member.set = set.clone();
        }
        let lie = self.now.take().map(|(lie, _)| lie);
        self.now = lie.and_then(|lie| self.liar(lie).map(|liar| (lie, liar)));
    }

    /// A liar for the present set.
    fn liar(&self, lie: Lie) -> Option<Liar> {
        let Member { key, index, set, view_timeout_ms } = self.member.as_ref()?;
        // All liars of a net have one seed, so that those who equivocate tell the same two stories.
        let seed = u64::from_le_bytes(std::array::from_fn(|byte| set.network.0[byte]));
        Some(Liar::new(lie.mode, key.clone(), set.clone(), (*index)?, *view_timeout_ms, seed))
    }

    /// How it lies.
    pub(super) fn lie(&self) -> Option<Lie> {
        self.now.as_ref().map(|(lie, _)| *lie)
    }

    /// Lies in this way from now on, or not at all; false when this node cannot lie. What was held back goes out.
    pub(super) fn set(&mut self, now: Time, lie: Option<Lie>) -> bool {
        if self.member.as_ref().and_then(|member| member.index).is_none() {
            return false;
        }
        self.now = lie.and_then(|lie| {
            tracing::warn!(mode = %lie, "this member lies from now on, as it was told to");
            self.liar(lie).map(|liar| (lie, liar))
        });
        if self.now.is_none() {
            tracing::warn!("this member does not lie any more");
        }
        let held = std::mem::take(&mut self.held);
        self.held = held.into_iter().map(|((_, number), said)| ((now, number), said)).collect();
        true
    }

    /// What is to be said now instead of a message.
    pub(super) fn outgoing(&mut self, now: Time, to: To, message: Message) -> Vec<(To, Message)> {
        let Some((_, liar)) = &mut self.now else {
            return vec![(to, message)];
        };
        let mut due = Vec::new();
        for (at, to, message) in liar.outgoing(now, to, message) {
            if at <= now {
                due.push((to, message));
            } else if self.held.len() < LIES_HELD_MAX {
                self.count += 1;
                self.held.insert((at, self.count), (to, message));
            }
        }
        due
    }

    /// What the replica is told.
    pub(super) fn heard(&mut self, message: &Message) {
        if let Some((_, liar)) = &mut self.now {
            liar.heard(message);
        }
    }

    /// When something that was held back is due.
    pub(super) fn deadline(&self) -> Option<Time> {
        self.held.first_key_value().map(|((at, _), _)| *at)
    }

    /// What was held back until now.
    pub(super) fn due(&mut self, now: Time) -> Option<(To, Message)> {
        self.deadline().filter(|at| *at <= now)?;
        self.held.pop_first().map(|(_, said)| said)
    }
}

#[cfg(test)]
mod tests;
