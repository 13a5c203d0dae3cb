//! Changes of members and lost vote logs: what a seed plans, and how its users and its disks carry it out.
//!
//! In some seeds only some of the nodes are members at genesis. Users then change the members, one change after another: each
//! is made for the present set when its time has come, signed by a random quorum, and made again for the next epoch if that
//! one began without it. One node may lose its disk, once or twice, and come back with a vote log that it has just begun: it
//! counts as faulty like a liar, and with the liars it is never more than the smallest of the planned sets can bear.

use crate::sim::dice::Dice;
use crate::sim::disk::{Disk, SharedDisk};
use crate::sim::event::{Event, Life};
use crate::sim::options::{Fault, SimEngine, SimOptions};
use crate::sim::plant::Plant;
use crate::sim::referee::Verdict;
use crate::sim::world::World;
use bezant_consensus::engine::VoteLog;
use bezant_consensus::ledger::genesis::{PbftParams, ValidatorSet};
use bezant_consensus::ledger::key::PublicKey;
use bezant_consensus::ledger::transaction::{Transaction, Witness};
use bezant_consensus::ledger::units::Epoch;
use bezant_consensus::pbft::change_of_members;
use bezant_node_core::io::Input;

/// Sets the draws for epochs apart from all others, so that a seed without them stays what it is.
const EPOCHS_SEED: u64 = 0x65_706f_6368;
/// In so many of a thousand seeds the members change.
const SEEDS_PER_MILLE: u64 = 500;
/// Members that bear a liar, where there are enough nodes for it.
const MEMBERS_ENOUGH: usize = 4;

/// What a seed plans. Moments are in thousandths of the first phase.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The nodes that are members at genesis, in order.
    pub(crate) genesis: Vec<usize>,
    /// Those after each change, and not before when it is made. Invariant: no set follows itself.
    targets: Vec<(u64, Vec<usize>)>,
    /// Which node loses its disk, and when.
    wipes: Option<(usize, Vec<u64>)>,
    checkpoint_interval: u32,
    readmit_interval: u32,
}

/// What the seed decides of epochs; nothing in most seeds.
pub(crate) fn draw(options: &SimOptions, seed: u64, count: usize) -> Option<Plan> {
    if !options.faults.has(Fault::Epochs) || options.engine == SimEngine::Pow || count == 1 {
        return None;
    }
    let mut dice = Dice::new(seed ^ EPOCHS_SEED);
    if !dice.chance(SEEDS_PER_MILLE) {
        return None;
    }
    let least = if dice.chance(700) { MEMBERS_ENOUGH.min(count) } else { 1 };
    let genesis = some_of(&mut dice, count, least);
    let mut targets: Vec<(u64, Vec<usize>)> = Vec::new();
    let mut at = 0;
    for _ in 0..dice.between(1, 3) {
        at += dice.between(0, 400);
        let before = targets.last().map_or(&genesis, |(_, members)| members).clone();
        targets.push((at.min(990), successor(&mut dice, &before, count, least)));
    }
    let mut plan = Plan {
        genesis,
        targets,
        wipes: None,
        checkpoint_interval: dice.between(1, 8) as u32,
        readmit_interval: dice.between(1, 20) as u32,
    };
    if plan.f_least() > 0 && options.liars.is_none() && dice.chance(600) {
        let moments = (0..dice.between(1, 2)).map(|_| dice.between(10, 990)).collect();
        plan.wipes = Some((dice.index(count), moments));
    }
    Some(plan)
}

/// At least so many of the nodes, in any order.
fn some_of(dice: &mut Dice, count: usize, least: usize) -> Vec<usize> {
    let mut nodes: Vec<usize> = (0..count).collect();
    let size = dice.between(least as u64, count as u64);
    (0..size).map(|_| nodes.swap_remove(dice.index(nodes.len()))).collect()
}

/// Other members than these: one more, one less, one instead of another, or any.
fn successor(dice: &mut Dice, before: &[usize], count: usize, least: usize) -> Vec<usize> {
    let others: Vec<usize> = (0..count).filter(|node| !before.contains(node)).collect();
    loop {
        let mut after = before.to_vec();
        match dice.below(4) {
            0 if !others.is_empty() => after.push(others[dice.index(others.len())]),
            1 if before.len() > least => drop(after.remove(dice.index(before.len()))),
            2 if !others.is_empty() => {
                let place = dice.index(before.len());
                after[place] = others[dice.index(others.len())];
            }
            _ => after = some_of(dice, count, least),
        }
        if after != before {
            return after;
        }
    }
}

impl Plan {
    fn sets(&self) -> impl Iterator<Item = &Vec<usize>> {
        std::iter::once(&self.genesis).chain(self.targets.iter().map(|(_, members)| members))
    }

    /// What the smallest of the sets bears.
    fn f_least(&self) -> usize {
        self.sets().map(|members| (members.len() - 1) / 3).min().unwrap_or(0)
    }

    /// What the largest of the sets bears.
    pub(crate) fn f_most(&self) -> usize {
        self.sets().map(|members| (members.len() - 1) / 3).max().unwrap_or(0)
    }

    /// How many may lie beside the one that loses its disk.
    pub(crate) fn liars_max(&self) -> usize {
        self.f_least() - usize::from(self.wipes.is_some())
    }

    /// The one that loses its disk, and is as good as a liar while it is mute.
    pub(crate) fn wiped(&self) -> Option<usize> {
        self.wipes.as_ref().map(|(node, _)| *node)
    }

    /// How often the net may have to come to an epoch's end.
    pub(crate) fn ends(&self) -> usize {
        self.targets.len() + usize::from(self.wipes.is_some())
    }

    /// Short epochs, and short waits for a re-admission.
    pub(crate) fn set_params(&self, params: &mut PbftParams) {
        params.checkpoint_interval = self.checkpoint_interval;
        params.readmit_interval = self.readmit_interval;
    }
}

/// How far the plan is.
#[derive(Debug)]
pub(crate) struct Epochs {
    plan: Plan,
    /// Changes that have taken effect.
    done: usize,
    /// The last epoch that has begun on some node.
    present: Epoch,
    /// Who took the next change, in which life, and for which epoch.
    taken: Option<(usize, Life, Epoch)>,
}

impl Epochs {
    pub(crate) fn new(plan: Plan) -> Epochs {
        Epochs { plan, done: 0, present: Epoch(0), taken: None }
    }
}

impl World {
    pub(crate) fn schedule_epochs(&mut self, heal_ms: u64) {
        let Some(Epochs { plan, .. }) = &self.epochs else { return };
        for (change, (at, _)) in plan.targets.iter().enumerate() {
            self.agenda.add(at * heal_ms / 1_000, Event::Change { change });
        }
        if let Some((node, moments)) = &plan.wipes {
            moments.iter().for_each(|at| self.agenda.add(at * heal_ms / 1_000, Event::Wipe { node: *node }));
        }
    }

    fn keys_of(&self, nodes: &[usize]) -> Vec<PublicKey> {
        nodes.iter().map(|node| self.nodes[*node].validator.expect("under PBFT every node has a key")).collect()
    }

    /// An epoch has begun on a node.
    pub(crate) fn epoch_begun(&mut self, node: usize, set: &ValidatorSet) {
        self.nodes[node].epoch = set.epoch;
        self.seat_liars(node, set);
        let Some(Epochs { plan, done, present, .. }) = &self.epochs else { return };
        if set.epoch <= *present {
            return;
        }
        let is_next = plan.targets.get(*done).is_some_and(|(_, members)| self.keys_of(members) == set.members);
        self.stats.epochs += 1;
        if let Some(epochs) = &mut self.epochs {
            epochs.done += usize::from(is_next);
            epochs.present = set.epoch;
        }
    }

    /// The members' time to change has come; they try until it has happened.
    pub(crate) fn change_members(&mut self, change: usize) -> Verdict {
        let Some(epochs) = self.epochs.as_ref().filter(|epochs| epochs.done <= change) else { return Ok(()) };
        let (is_next, present) = (epochs.done == change, epochs.present);
        let members = self.keys_of(&epochs.plan.targets[change].1);
        let is_held = epochs.taken.is_some_and(|(node, life, epoch)| {
            self.healed_ms.is_some() && self.nodes[node].life == life && epoch == present
        });
        let again = self.now_ms + self.dice.between(500, 3_000);
        self.agenda.add(again, Event::Change { change });
        let up: Vec<usize> = (0..self.nodes.len()).filter(|node| self.nodes[*node].is_up()).collect();
        // In the second phase what a running node took must become final without its user's help.
        if !is_next || is_held || up.is_empty() {
            return Ok(());
        }
        let set = self.verifier.set_of(present).expect("an epoch that has begun was announced").clone();
        let transaction = self.sign_change(&set, members);
        let transaction = self.verifier.transaction(transaction).expect("a quorum signs what is valid");
        let node = up[self.dice.index(up.len())];
        let request = (self.planned.len() + change) as u64;
        self.tell(node, Input::Submit { request, transaction })
    }

    /// Signed by a random quorum.
    pub(crate) fn sign_change(&mut self, set: &ValidatorSet, members: Vec<PublicKey>) -> Transaction {
        let (body, digest) = change_of_members(set, members);
        let mut signers: Vec<u16> = (0..set.n() as u16).collect();
        while signers.len() > set.quorum() {
            signers.remove(self.dice.index(signers.len()));
        }
        let sign = |member: u16| {
            let is_its = |key: &PublicKey| set.member(member) == Some(key);
            let mut keys = self.nodes.iter().filter_map(|node| node.config.engine.key.as_ref());
            let key = keys.find(|key| is_its(&key.public())).expect("every member is a node");
            Witness::Member { member, signature: key.sign(&digest) }
        };
        Transaction::new(body, signers.into_iter().map(sign).collect())
    }

    /// A correct node took a change.
    pub(crate) fn change_taken(&mut self, node: usize) {
        let life = self.nodes[node].life;
        if let Some(epochs) = &mut self.epochs {
            epochs.taken = Some((node, life, self.nodes[node].epoch));
        }
    }

    /// A node loses its disk, crashing if it runs.
    pub(crate) fn wipe(&mut self, node: usize) -> Verdict {
        self.crash(node)?;
        let plant = match self.options.plant {
            Some(Plant::Shell(plant)) => Some(plant),
            Some(Plant::Engine(_)) | None => None,
        };
        let nonce = self.dice.bytes();
        let engine = &mut self.nodes[node].config.engine;
        engine.log = VoteLog::Begun { nonce };
        let disk = Disk::new(&engine.genesis, plant);
        self.nodes[node].disk = SharedDisk::new(disk);
        self.referee.wiped(node, nonce);
        self.stats.wipes += 1;
        Ok(())
    }

    /// What of the plan has not come about yet, in words.
    pub(crate) fn epochs_missing(&self) -> Option<String> {
        let epochs = self.epochs.as_ref()?;
        if epochs.done < epochs.plan.targets.len() {
            return Some(format!("change {} of the members has not taken effect", epochs.done));
        }
        let behind = |node: &usize| !self.is_liar(*node) && self.nodes[*node].epoch != epochs.present;
        if let Some(node) = (0..self.nodes.len()).find(behind) {
            let (here, there) = (self.nodes[node].epoch, epochs.present);
            return Some(format!("node {node} is in epoch {here}, and another in epoch {there}"));
        }
        let interval = epochs.plan.readmit_interval;
        let kept_out = epochs.plan.wiped().filter(|node| self.referee.is_kept_out(*node, epochs.present, interval));
        kept_out.map(|node| format!("node {node} is a member that was not re-admitted"))
    }
}
