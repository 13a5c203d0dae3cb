//! Members that lie: which, how, and for how long. What they say is decided by [`bezant_node_core::lies`].

use crate::sim::dice::Dice;
use crate::sim::epochs::Plan;
use crate::sim::event::{Event, Parcel};
use crate::sim::load::Planned;
use crate::sim::options::{Fault, SimEngine, SimOptions};
use crate::sim::referee::Verdict;
use crate::sim::world::World;
use bezant_consensus::engine::To;
use bezant_consensus::ledger::codec::encode;
use bezant_consensus::ledger::genesis::{Genesis, ValidatorSet};
use bezant_consensus::ledger::hash::sha256;
use bezant_consensus::ledger::key::SigningKey;
use bezant_consensus::ledger::units::{Epoch, Height};
use bezant_consensus::message::Message;
use bezant_node_core::compact;
use bezant_node_core::lies::{Liar, Mode, Target};
use std::fmt;
use std::rc::Rc;

/// Sets the draws for lies apart from all others, so that a seed without lies stays what it is.
const LIES_SEED: u64 = 0x6c69_6573;
/// Lies that end do so at most this long after all other faults.
const AFTER_HEALING_MS_MAX: u64 = 20_000;

/// A member that lies, now or at some time of the run.
#[derive(Debug)]
pub(crate) struct Lying {
    /// Which node it is.
    pub(crate) node: usize,
    liar: Option<Liar>,
    mode: Mode,
    key: SigningKey,
    seed: u64,
    timeout_ms: u64,
    /// Whose member `liar` is; it is none where the node is no member.
    epoch: Epoch,
    /// What a censor leaves out.
    target: Option<Target>,
    pub(crate) from_ms: u64,
    /// `None`: for ever.
    pub(crate) until_ms: Option<u64>,
    pub(crate) is_on: bool,
}

/// How a member lies, beside the mode.
pub(crate) struct Manner {
    pub(crate) seed: u64,
    pub(crate) timeout_ms: u64,
    pub(crate) target: Option<Target>,
    pub(crate) from_ms: u64,
}

/// At most f members unless prescribed; when the mode is prescribed, at least one, from the first moment on and for ever.
pub(crate) fn draw(
    options: &SimOptions,
    seed: u64,
    genesis: &Genesis,
    keys: &[SigningKey],
    planned: &[Planned],
    heal_ms: u64,
    epochs: Option<&Plan>,
) -> Vec<Lying> {
    if !options.faults.has(Fault::Lies) || options.engine == SimEngine::Pow {
        return Vec::new();
    }
    let (set, params) = (genesis.validator_set(), genesis.pbft().expect("the other engine was ruled out"));
    let mut dice = Dice::new(seed ^ LIES_SEED);
    let mut nodes: Vec<usize> = (0..keys.len()).collect();
    if let Some(wiped) = epochs.and_then(Plan::wiped) {
        nodes.remove(wiped);
    }
    let most = epochs.map_or(set.f(), Plan::liars_max) as u64;
    let drawn = if most == 0 { 0 } else { dice.between(1, most) };
    let count = options.liars.map_or(drawn, |count| count as u64);
    let mut lying = Vec::new();
    for _ in 0..count {
        let node = nodes.swap_remove(dice.index(nodes.len()));
        let mode = options.lie.unwrap_or_else(|| Mode::ALL[dice.index(Mode::ALL.len())]);
        let target = Target::Transaction(planned[dice.index(planned.len())].txid);
        let mut from_ms = dice.between(0, heal_ms / 2);
        let mut until_ms = Some(dice.between(from_ms + 1, heal_ms + AFTER_HEALING_MS_MAX));
        if dice.chance(400) || options.lie.is_some() {
            until_ms = None;
        }
        if options.lie.is_some() {
            from_ms = 0;
        }
        // Equivocators tell the same two stories.
        let seed = if mode == Mode::Equivocate { seed } else { dice.below(u64::MAX) };
        let timeout_ms = u64::from(params.view_timeout_ms);
        let target = mode.takes_target().then_some(target);
        let (key, epoch) = (keys[node].clone(), set.epoch);
        let mut one =
            Lying { node, liar: None, mode, key, seed, timeout_ms, epoch, target, from_ms, until_ms, is_on: false };
        one.sit(&set);
        lying.push(one);
    }
    lying
}

impl Lying {
    /// A member that lies from now on; what it is told to by a scenario.
    pub(crate) fn now(node: usize, mode: Mode, key: SigningKey, set: &ValidatorSet, how: Manner) -> Lying {
        let Manner { seed, timeout_ms, target, from_ms } = how;
        let (liar, epoch) = (None, set.epoch);
        let mut one =
            Lying { node, liar, mode, key, seed, timeout_ms, epoch, target, from_ms, until_ms: None, is_on: true };
        one.sit(set);
        one
    }

    /// Lies as a member of this set from now on, if it is one.
    fn sit(&mut self, set: &ValidatorSet) {
        let me = set.index_of(&self.key.public());
        self.epoch = set.epoch;
        self.liar = me.map(|me| Liar::new(self.mode, self.key.clone(), set.clone(), me, self.timeout_ms, self.seed));
    }
}

/// As a node that was told to lie names it.
impl fmt::Display for Lying {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.target {
            Some(target) => write!(f, "{} {target}", self.mode),
            None => write!(f, "{}", self.mode),
        }
    }
}

impl World {
    /// How this node lies now.
    pub(crate) fn lie_of(&self, node: usize) -> Option<&Lying> {
        self.lying.iter().find(|lying| lying.node == node && lying.is_on)
    }

    /// A node is in the epoch of this set.
    pub(crate) fn seat_liars(&mut self, node: usize, set: &ValidatorSet) {
        for lying in self.lying.iter_mut().filter(|lying| lying.node == node && lying.epoch != set.epoch) {
            lying.sit(set);
        }
    }

    /// Whether this node lies at any time of the run: then it is not to be judged.
    pub(crate) fn is_liar(&self, node: usize) -> bool {
        self.lying.iter().any(|lying| lying.node == node) || self.stage.tainted.contains(&node)
    }

    pub(crate) fn schedule_lies(&mut self) {
        for lying in &self.lying {
            let node = lying.node;
            self.agenda.add(lying.from_ms, Event::Lie { node, is_on: true });
            if let Some(until_ms) = lying.until_ms {
                self.agenda.add(until_ms, Event::Lie { node, is_on: false });
            }
        }
    }

    /// A member begins to lie, or ends it.
    pub(crate) fn lie(&mut self, node: usize, is_on: bool) -> Verdict {
        for lying in self.lying.iter_mut().filter(|lying| lying.node == node) {
            lying.is_on = is_on;
        }
        self.leave_out(node);
        Ok(())
    }

    /// What the node's blocks go without now.
    pub(crate) fn leave_out(&mut self, node: usize) {
        let target = self.lie_of(node).and_then(|lying| lying.target);
        if let Some(replica) = &mut self.nodes[node].replica {
            replica.leave_out(target);
        }
    }

    /// What the node is told.
    pub(crate) fn heard(&mut self, node: usize, message: &Message) {
        let lying = self.lying.iter_mut().find(|lying| lying.node == node);
        if let Some(liar) = lying.and_then(|lying| lying.liar.as_mut()) {
            // Whoever lies together with the primary knows what the names stand for.
            let whole = match message {
                Message::CompactPrePrepare(named) => self.proposed.get(&named.vote.ballot.block),
                _ => None,
            };
            liar.heard(whole.unwrap_or(message));
        }
        let said = self.stage.miners.get_mut(&node).map(|miner| miner.heard(message));
        self.say(node, said.unwrap_or_default());
    }

    /// A lying miner says something of its own.
    pub(crate) fn say(&mut self, node: usize, said: Vec<(To, Message)>) {
        for (to, message) in said {
            self.stats.lies += 1;
            let parcel = self.parcel(message);
            self.transmit(node, to, &parcel);
        }
    }

    /// What leaves the node instead of this, with how long it is held back; `None` when the node says what is true.
    pub(crate) fn lies(&mut self, node: usize, to: To, message: &Message) -> Option<Vec<(u64, To, Rc<Parcel>)>> {
        let now = self.clock(node);
        let tip = self.nodes[node].replica.as_ref().map_or(Height::GENESIS, |replica| replica.chain().tip().height);
        if let Some(miner) = self.stage.miners.get_mut(&node) {
            let said = miner.outgoing(tip, to, message.clone());
            let is_true = matches!(&said[..], [(whom, what)] if *whom == to && what == message);
            self.stats.lies += u64::from(!is_true);
            return Some(said.into_iter().map(|(to, message)| (0, to, self.parcel(message))).collect());
        }
        let lying = self.lying.iter_mut().find(|lying| lying.node == node && lying.is_on)?;
        let said = lying.liar.as_mut()?.outgoing(now, to, message.clone());
        let is_true = matches!(&said[..], [(at, whom, what)] if (*at, *whom) == (now, to) && what == message);
        self.stats.lies += u64::from(!is_true);
        Some(said.into_iter().map(|(at, to, message)| (at.since_ms(now), to, self.parcel(message))).collect())
    }

    /// A message as it travels.
    pub(crate) fn parcel(&mut self, message: Message) -> Rc<Parcel> {
        if let Message::PrePrepare(proposal) = &message
            && !self.lying.is_empty()
        {
            self.proposed.insert(proposal.vote.ballot.block, message.clone());
        }
        Rc::new(Parcel::of(&compact(message, self.whole_max)))
    }
}

impl Parcel {
    pub(crate) fn of(message: &Message) -> Parcel {
        let bytes = encode(message);
        Parcel { hash: sha256(&bytes), bytes, name: message.name() }
    }
}
