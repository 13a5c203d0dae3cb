//! What the steps of a scenario do to a simulated net.

use super::{LOOK_MS, Virtual, objection, setup};
use crate::net::spec::HASHRATE_DEFAULT;
use crate::scenario::{Action, Halt, LieMode, LieTarget, Step};
use crate::sim::event::Event;
use crate::sim::lying::{Lying, Manner};
use bezant_api::control::{NodeSettings, ValidatorAction};
use bezant_consensus::engine::{BlockWish, Instruction};
use bezant_consensus::ledger::genesis::ValidatorSet;
use bezant_consensus::ledger::hash::BlockId;
use bezant_consensus::ledger::key::SigningKey;
use bezant_consensus::ledger::lock::Lock;
use bezant_consensus::ledger::target::Work;
use bezant_consensus::ledger::units::Epoch;
use bezant_node_core::io::Input;
use bezant_node_core::lies::{LyingMiner, Mode, Target};
use std::collections::BTreeSet;

/// How long one block on demand may take under PBFT.
const BLOCK_MS_MAX: u64 = 10_000;
/// Blocks mined beyond the depth of a reorg, at most, until the branch has more work than all others.
const EXTRA_BLOCKS_MAX: usize = 100;

type Done = Result<(), Halt>;

impl Virtual<'_> {
    /// Does what the step says.
    pub(super) fn do_step(&mut self, step: &Step, nodes: &[usize]) -> Done {
        let each = |act: &mut dyn FnMut(usize) -> Done| nodes.iter().try_for_each(|node| act(*node));
        let fail = |problem: String| Halt::Broken(format!("step {}: {problem}", step.number));
        let result = match &step.action {
            Action::Partition { groups, for_ms } => self.partition(groups, *for_ms),
            Action::Link(order) => self.link(order),
            Action::Heal => {
                self.world.stage.links.heal();
                Ok(())
            }
            Action::Clear => {
                self.world.stage.links.clear();
                Ok(())
            }
            Action::Kill => each(&mut |node| self.kill(node)),
            Action::Stop => each(&mut |node| self.stop(node)),
            Action::Start => each(&mut |node| self.start(node)),
            Action::Pause => each(&mut |node| self.pause(node)),
            Action::Resume => each(&mut |node| self.resume(node)),
            Action::Restart(settings) => each(&mut |node| self.restart(node, settings)),
            Action::Lie { mode, target } => each(&mut |node| self.lie(node, *mode, target.as_ref())),
            Action::Truth => each(&mut |node| self.truth(node)),
            Action::Clock { offset_ms } => each(&mut |node| self.clock(node, *offset_ms)),
            Action::Advance { ms } => self.advance(*ms),
            Action::Hashrate { rate } => each(&mut |node| self.hashrate(node, *rate)),
            Action::Mine { node, count } => self.mine(*node, *count),
            Action::Reorg { node, depth } => self.reorg(*node, *depth),
            Action::Validator { action, node } => self.validator(*action, *node),
            Action::Twin { node, of } => self.twin(*node, *of),
            // Handed in when it is due, as all payments are.
            Action::Pay(_) => Ok(()),
        };
        result.map_err(|halt| match halt {
            Halt::Broken(problem) => fail(problem),
            Halt::Objection(_) => halt,
        })
    }

    /// At the end of the play: no faults, no lies, nobody paused.
    pub(super) fn end_faults(&mut self) -> Done {
        self.world.stage.links.clear();
        for node in 0..self.world.nodes.len() {
            self.resume(node)?;
            self.truth(node)?;
        }
        Ok(())
    }

    fn until(&self, for_ms: Option<u64>) -> Option<u64> {
        for_ms.map(|ms| self.world.now_ms + ms)
    }

    fn partition(&mut self, groups: &[Vec<usize>], for_ms: Option<u64>) -> Done {
        let group_of = |node: usize| groups.iter().position(|group| group.contains(&node));
        let count = self.world.nodes.len();
        let pairs = (0..count).flat_map(|from| (0..count).map(move |to| (from, to)));
        let apart: BTreeSet<(usize, usize)> = pairs.filter(|(from, to)| group_of(*from) != group_of(*to)).collect();
        let until = self.until(for_ms);
        self.world.stage.links.partition(apart.clone(), until);
        self.hang_up(&apart);
        Ok(())
    }

    fn link(&mut self, order: &bezant_api::control::FaultOrder) -> Done {
        let all: Vec<usize> = (0..self.world.nodes.len()).collect();
        let side = |named: &[usize]| if named.is_empty() { all.clone() } else { named.to_vec() };
        let (from, to) = (side(&order.from), side(&order.to));
        let mut links = BTreeSet::new();
        for (a, b) in from.iter().flat_map(|a| to.iter().map(move |b| (*a, *b))).filter(|(a, b)| a != b) {
            links.insert((a, b));
            if order.both {
                links.insert((b, a));
            }
        }
        let until = self.until(order.for_ms);
        self.world.stage.links.add(links.clone(), order.effects, until);
        if order.effects.cut {
            self.hang_up(&links);
        }
        Ok(())
    }

    /// Nodes between which nothing goes to and fro any more lose their connection, and try until they have another.
    fn hang_up(&mut self, links: &BTreeSet<(usize, usize)>) {
        let now = self.world.now_ms;
        for (a, b) in links.iter().copied().filter(|(a, b)| a < b) {
            if !self.world.stage.links.is_closed(now, a, b) {
                continue;
            }
            for (node, of) in [(a, b), (b, a)] {
                if let Some(end) = self.world.nodes[node].ends[of] {
                    self.world.agenda.add(now, Event::HangUp { node, of, connection: end.connection });
                }
            }
            let again = now + self.world.dice.between(300, 900);
            self.world.agenda.add(again, Event::Connect { a, b });
        }
    }

    fn kill(&mut self, node: usize) -> Done {
        if !self.world.nodes[node].is_up() {
            return Ok(());
        }
        self.world.stage.paused.remove(&node);
        self.world.fall(node).map_err(objection)
    }

    /// Everything that was decided is executed and flushed first.
    fn stop(&mut self, node: usize) -> Done {
        if !self.world.nodes[node].is_up() {
            return Ok(());
        }
        while let Some(output) = self.world.nodes[node].outputs.pop_front() {
            self.world.execute_one(node, output).map_err(objection)?;
        }
        let disk = self.world.nodes[node].disk.clone();
        while disk.lock().unflushed() > 0 {
            disk.lock().flush_one().map_err(|why| Halt::Objection(format!("flush: node {node}: {why}")))?;
        }
        self.kill(node)
    }

    fn start(&mut self, node: usize) -> Done {
        self.world.restart(node).map_err(objection)
    }

    fn pause(&mut self, node: usize) -> Done {
        if self.world.nodes[node].is_up() {
            self.world.stage.paused.entry(node).or_default();
        }
        Ok(())
    }

    fn resume(&mut self, node: usize) -> Done {
        let Some(waiting) = self.world.stage.paused.remove(&node) else { return Ok(()) };
        for event in waiting {
            // Its miner slept too: what it would have found is drawn anew.
            if !matches!(event, Event::Solved { .. }) {
                self.world.agenda.add(self.world.now_ms, event);
            }
        }
        self.search_again(node);
        Ok(())
    }

    fn search_again(&mut self, node: usize) {
        if let Some(template) = self.world.nodes[node].template.clone() {
            self.world.mine(node, Some(template));
        }
    }

    /// Settings of logs and connections have nothing to change here.
    fn restart(&mut self, node: usize, settings: &NodeSettings) -> Done {
        self.stop(node)?;
        let miners = self.scenario.net.nodes;
        if let Some(mines) = settings.mines {
            self.world.nodes[node].config.engine.mine = mines && node < miners;
        }
        if let Some(rate) = settings.hashrate {
            self.set_rate(node, rate);
        } else if self.world.nodes[node].config.engine.mine && self.world.nodes[node].hash_rate_milli == 0 {
            self.set_rate(node, HASHRATE_DEFAULT);
        }
        self.start(node)
    }

    fn set_rate(&mut self, node: usize, rate: u64) {
        let genesis = self.world.nodes[node].config.engine.genesis.clone();
        self.world.nodes[node].hash_rate_milli = setup::milli_rate(&genesis, self.scenario.net.nodes, rate);
    }

    fn hashrate(&mut self, node: usize, rate: u64) -> Done {
        self.set_rate(node, rate);
        self.search_again(node);
        Ok(())
    }

    fn must_run(&self, node: usize) -> Done {
        if self.runs(node) { Ok(()) } else { Err(Halt::Broken(format!("node{node} is down or paused"))) }
    }

    fn lie(&mut self, node: usize, mode: LieMode, target: Option<&LieTarget>) -> Done {
        self.must_run(node)?;
        self.truth(node)?;
        self.world.referee.distrust(node);
        match mode {
            LieMode::Voting(mode) => self.lie_voting(node, mode, target)?,
            LieMode::Mining(mode) => {
                let genesis = self.world.nodes[node].config.engine.genesis.clone();
                let tip = self.world.nodes[node].replica.as_ref().expect("it runs").chain().tip().height;
                self.world.stage.miners.insert(node, LyingMiner::new(mode, genesis, tip));
                self.world.stage.tainted.insert(node);
                self.search_again(node);
            }
        }
        Ok(())
    }

    fn lie_voting(&mut self, node: usize, mode: Mode, target: Option<&LieTarget>) -> Done {
        let config = self.world.nodes[node].config.engine.clone();
        let set = self.set_of(self.world.nodes[node].epoch);
        let is_member = config.key.as_ref().and_then(|key| set.index_of(&key.public())).is_some();
        let (Some(key), true) = (config.key, is_member) else {
            return Err(Halt::Broken(format!("node{node} is no validator, and cannot lie as one")));
        };
        let seed = self.world.options.seed;
        let target = target.map(|target| match target {
            LieTarget::Account(account) => {
                let accounts = bezant_wallet::keys::dev::accounts(seed);
                Target::Lock(Lock::Key(accounts[*account].key.public()).hash())
            }
            LieTarget::Payment(number) => Target::Transaction(self.world.planned[*number].txid),
        });
        let timeout_ms = config.genesis.pbft().map_or(0, |params| u64::from(params.view_timeout_ms));
        // Equivocators tell the same two stories.
        let seed = if mode == Mode::Equivocate { seed } else { self.world.dice.below(u64::MAX) };
        let manner = Manner { seed, timeout_ms, target, from_ms: self.world.now_ms };
        let lying = Lying::now(node, mode, key, &set, manner);
        self.world.lying.retain(|other| other.node != node);
        self.world.lying.push(lying);
        self.world.leave_out(node);
        Ok(())
    }

    fn set_of(&self, epoch: Epoch) -> ValidatorSet {
        ValidatorSet::clone(self.world.verifier.set_of(epoch).expect("an epoch that has begun was announced"))
    }

    fn truth(&mut self, node: usize) -> Done {
        if let Some(miner) = self.world.stage.miners.remove(&node) {
            self.world.say(node, miner.end());
            self.search_again(node);
        }
        self.world.lie(node, false).map_err(objection)
    }

    /// Back in time it goes with a new start, as on a real net.
    fn clock(&mut self, node: usize, offset_ms: i64) -> Done {
        let before = self.world.nodes[node].offset_ms;
        let goes_back = offset_ms < before && self.world.nodes[node].is_up();
        if goes_back {
            self.stop(node)?;
        }
        self.world.nodes[node].offset_ms = offset_ms;
        if goes_back {
            return self.start(node);
        }
        self.world.set_alarm(node);
        Ok(())
    }

    fn advance(&mut self, ms: u64) -> Done {
        self.world.stage.advanced_ms += i64::try_from(ms).unwrap_or(i64::MAX);
        (0..self.world.nodes.len()).for_each(|node| self.world.set_alarm(node));
        Ok(())
    }

    fn mine(&mut self, node: Option<usize>, count: u32) -> Done {
        match node {
            Some(node) => (0..count).try_for_each(|_| self.mine_one(node, None)),
            None => (0..count).try_for_each(|_| self.propose_one()),
        }
    }

    /// The net's clock moves by a spacing, and the block is found at once.
    fn mine_one(&mut self, node: usize, wish: Option<BlockWish>) -> Done {
        self.must_run(node)?;
        let spacing_ms = self.scenario.net.block_time_ms;
        self.advance(spacing_ms)?;
        let order = match wish {
            Some(wish) => Input::Instruct(Instruction::Mine(wish)),
            None => Input::BlockNow,
        };
        self.world.tell(node, order).map_err(objection)?;
        let search = self.world.nodes[node].search;
        self.world.solved(node, search).map_err(objection)
    }

    fn propose_one(&mut self) -> Done {
        let until_ms = self.world.now_ms + BLOCK_MS_MAX;
        let highest =
            |it: &Virtual<'_>| (0..it.world.nodes.len()).map(|node| it.world.referee.active(node).len()).max();
        let before = highest(self);
        let leader = self.leader().ok_or_else(|| Halt::Broken("nobody leads now".to_owned()))?;
        self.must_run(leader)?;
        self.world.tell(leader, Input::BlockNow).map_err(objection)?;
        while highest(self) <= before {
            if self.world.now_ms > until_ms {
                return Err(Halt::Broken(format!("no block in {BLOCK_MS_MAX} ms")));
            }
            self.run_until(self.world.now_ms + LOOK_MS / 10)?;
        }
        Ok(())
    }

    fn reorg(&mut self, node: usize, depth: u64) -> Done {
        self.must_run(node)?;
        let height = self.world.referee.active(node).len() as u64 - 1;
        if depth > height {
            return Err(Halt::Broken(format!("node{node} has only {height} blocks")));
        }
        let first = self.world.referee.active(node)[(height - depth + 1) as usize];
        self.world.referee.instructed(node, true);
        let done = self.replace(node, first, depth);
        self.world.referee.instructed(node, false);
        done
    }

    fn replace(&mut self, node: usize, first: BlockId, depth: u64) -> Done {
        self.instruct(node, Instruction::Invalidate(first))?;
        let empty = || Some(BlockWish { payee: None, exactly: Some(Vec::new()) });
        for _ in 0..=depth {
            self.mine_one(node, empty())?;
        }
        let work = |it: &Virtual<'_>, node: usize| -> Work {
            it.world.referee.oracle.get(&it.world.referee.tip(node)).map_or(Work::ZERO, |block| block.work)
        };
        let mut is_first = false;
        for _ in 0..EXTRA_BLOCKS_MAX {
            let others = (0..self.world.nodes.len()).filter(|other| *other != node);
            let tip = self.world.referee.tip(node);
            is_first =
                others.into_iter().all(|it| work(self, it) < work(self, node) || self.world.referee.tip(it) == tip);
            if is_first {
                break;
            }
            self.mine_one(node, empty())?;
        }
        self.instruct(node, Instruction::Reconsider(first))?;
        if is_first { Ok(()) } else { Err(Halt::Broken("the others mine faster than this node".to_owned())) }
    }

    fn instruct(&mut self, node: usize, instruction: Instruction) -> Done {
        let replica = self.world.nodes[node].replica.as_ref().expect("it runs");
        replica.admits_instruction(&instruction).map_err(|error| Halt::Broken(error.to_string()))?;
        self.world.tell(node, Input::Instruct(instruction)).map_err(objection)
    }

    fn validator(&mut self, action: ValidatorAction, node: usize) -> Done {
        let furthest = (0..self.world.nodes.len()).filter(|node| self.runs(*node));
        let furthest = furthest.max_by_key(|node| (self.world.nodes[*node].epoch, std::cmp::Reverse(*node)));
        let at = furthest.ok_or_else(|| Halt::Broken("no node runs".to_owned()))?;
        let set = self.set_of(self.world.nodes[at].epoch);
        let own = self.world.nodes[node].validator.expect("under PBFT every node has a key");
        let place = set.index_of(&own).map(usize::from);
        let mut members = set.members.clone();
        let mut fresh = None;
        match (action, place) {
            (ValidatorAction::Add, Some(_)) => return Err(Halt::Broken(format!("node{node} is a validator already"))),
            (ValidatorAction::Remove | ValidatorAction::Rekey, None) => {
                return Err(Halt::Broken(format!("node{node} is no validator")));
            }
            (ValidatorAction::Remove, Some(_)) if set.n() == 1 => {
                return Err(Halt::Broken("a net without validators decides nothing".to_owned()));
            }
            (ValidatorAction::Remove, Some(place)) => drop(members.remove(place)),
            (ValidatorAction::Add, None) => members.push(own),
            (ValidatorAction::Rekey, Some(place)) => {
                let key = SigningKey::from_seed(&self.world.dice.bytes());
                members[place] = key.public();
                fresh = Some(key);
            }
        }
        let change = self.world.sign_change(&set, members);
        let change = self.world.verifier.transaction(change).expect("a quorum signs what is valid");
        let number = self.world.planned.len() + self.world.stage.answers.len();
        self.world.tell(at, Input::Submit { request: number as u64, transaction: change }).map_err(objection)?;
        if let Some(Err(refusal)) = self.world.stage.answers.get(&number) {
            return Err(Halt::Broken(refusal.clone()));
        }
        match fresh {
            Some(key) => {
                self.world.referee.rekeyed(node, key.public());
                self.replace_key(node, key)
            }
            None => Ok(()),
        }
    }

    fn replace_key(&mut self, node: usize, key: SigningKey) -> Done {
        let was_up = self.world.nodes[node].is_up();
        self.stop(node)?;
        self.world.nodes[node].validator = Some(key.public());
        self.world.nodes[node].config.engine.key = Some(key);
        if was_up { self.start(node) } else { Ok(()) }
    }

    /// What either of them says is not judged from now on: nobody can tell which it was.
    fn twin(&mut self, node: usize, of: usize) -> Done {
        let key = self.world.nodes[of].config.engine.key.clone().expect("under PBFT every node has a key");
        for one in [node, of] {
            self.world.referee.distrust(one);
            self.world.stage.tainted.insert(one);
        }
        self.world.stage.twins.extend([(node, of), (of, node)]);
        self.replace_key(node, key)
    }
}
