//! Dev nets: this node lies on demand. All that the replica says passes here before it goes to the network, or to whoever
//! asked; what a [`Liar`] says instead is what leaves. The replica itself stays as it is.

use crate::limits::LIES_HELD_MAX;
use bezant_consensus::engine::{EngineConfig, Template, To};
use bezant_consensus::ledger::block::Block;
use bezant_consensus::ledger::genesis::{Genesis, ValidatorSet};
use bezant_consensus::ledger::key::SigningKey;
use bezant_consensus::ledger::units::{Height, Time};
use bezant_consensus::message::Message;
use bezant_node_core::lies::{Liar, LyingMiner, MiningMode, Mode, Target};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// How to lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lie {
    /// Under PBFT, with the target that a censor has.
    Voting { mode: Mode, target: Option<Target> },
    /// Under proof of work.
    Mining(MiningMode),
}

impl Lie {
    /// What a censor leaves out.
    pub(crate) fn target(self) -> Option<Target> {
        match self {
            Lie::Voting { target, .. } => target,
            Lie::Mining(_) => None,
        }
    }
}

impl fmt::Display for Lie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lie::Voting { mode, target: Some(target) } => write!(f, "{mode} {target}"),
            Lie::Voting { mode, target: None } => write!(f, "{mode}"),
            Lie::Mining(mode) => write!(f, "{mode}"),
        }
    }
}

/// Who does it.
#[derive(Debug)]
enum Speaker {
    Voter(Box<Liar>),
    Miner(LyingMiner),
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
    /// `None` on nets that are not for development, under proof of work, and without a validator key.
    member: Option<Member>,
    /// The genesis of a dev net of proof of work.
    mined: Option<Arc<Genesis>>,
    now: Option<(Lie, Speaker)>,
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
        let mined = Some(&config.genesis).filter(|genesis| genesis.dev && genesis.pow().is_some()).cloned();
        Lies { member: member(), mined, ..Lies::default() }
    }

    /// An epoch has begun: it goes on lying in the place that it has there.
    pub(super) fn members(&mut self, set: &ValidatorSet) {
        if let Some(member) = &mut self.member {
            member.index = set.index_of(&member.key.public());
            member.set = set.clone();
        }
        let lie = self.now.take().map(|(lie, _)| lie);
        self.now = lie.and_then(|lie| self.speaker(lie, Height::GENESIS).map(|speaker| (lie, speaker)));
    }

    /// A liar for the present set, or one who begins at this height.
    fn speaker(&self, lie: Lie, tip: Height) -> Option<Speaker> {
        match lie {
            Lie::Voting { mode, .. } => self.liar(mode).map(|liar| Speaker::Voter(Box::new(liar))),
            Lie::Mining(mode) => {
                let genesis = self.mined.as_ref()?;
                Some(Speaker::Miner(LyingMiner::new(mode, genesis.clone(), tip)))
            }
        }
    }

    fn liar(&self, mode: Mode) -> Option<Liar> {
        let Member { key, index, set, view_timeout_ms } = self.member.as_ref()?;
        // All liars of a net have one seed, so that those who equivocate tell the same two stories.
        let seed = u64::from_le_bytes(std::array::from_fn(|byte| set.network.0[byte]));
        Some(Liar::new(mode, key.clone(), set.clone(), (*index)?, *view_timeout_ms, seed))
    }

    /// How it lies.
    pub(super) fn lie(&self) -> Option<Lie> {
        self.now.as_ref().map(|(lie, _)| *lie)
    }

    /// Lies in this way from now on, or not at all; false when this node cannot lie so. What was held back goes out.
    pub(super) fn set(&mut self, now: Time, tip: Height, lie: Option<Lie>) -> bool {
        let speaker = lie.and_then(|lie| self.speaker(lie, tip));
        let can_lie = self.mined.is_some() || self.member.as_ref().is_some_and(|member| member.index.is_some());
        if !can_lie || speaker.is_none() != lie.is_none() {
            return false;
        }
        match lie {
            Some(lie) => tracing::warn!(mode = %lie, "this node lies from now on, as it was told to"),
            None => tracing::warn!("this node does not lie any more"),
        }
        let held = std::mem::take(&mut self.held);
        self.held = held.into_iter().map(|((_, number), said)| ((now, number), said)).collect();
        if let Some((_, Speaker::Miner(miner))) = std::mem::replace(&mut self.now, lie.zip(speaker)) {
            for said in miner.end() {
                self.count += 1;
                self.held.insert((now, self.count), said);
            }
        }
        true
    }

    /// What is to be said now instead of a message.
    pub(super) fn outgoing(&mut self, now: Time, tip: Height, to: To, message: Message) -> Vec<(To, Message)> {
        let liar = match &mut self.now {
            None => return vec![(to, message)],
            Some((_, Speaker::Miner(miner))) => return miner.outgoing(tip, to, message),
            Some((_, Speaker::Voter(liar))) => liar,
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

    /// What the replica is told; what is said because of it.
    pub(super) fn heard(&mut self, message: &Message) -> Vec<(To, Message)> {
        match &mut self.now {
            None => Vec::new(),
            Some((_, Speaker::Voter(liar))) => {
                liar.heard(message);
                Vec::new()
            }
            Some((_, Speaker::Miner(miner))) => miner.heard(message),
        }
    }

    /// What is searched instead of a template.
    pub(super) fn template(&self, template: Template) -> Template {
        match &self.now {
            Some((_, Speaker::Miner(miner))) => miner.template(template),
            None | Some((_, Speaker::Voter(_))) => template,
        }
    }

    /// What is said of a block that was found here; `None` when the replica is to hear of it as usual.
    pub(super) fn solved(&mut self, block: &Block) -> Option<Vec<(To, Message)>> {
        match &mut self.now {
            Some((_, Speaker::Miner(miner))) => miner.solved(block),
            None | Some((_, Speaker::Voter(_))) => None,
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
