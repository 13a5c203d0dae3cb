//! A simulated world: it takes the next event, lets it happen, and asks the referee.

use crate::sim::dice::Dice;
use crate::sim::epochs::{Epochs, Plan};
use crate::sim::event::{Agenda, Event, Parcel};
use crate::sim::load::Planned;
use crate::sim::lying::Lying;
use crate::sim::network::Network;
use crate::sim::node::Node;
use crate::sim::options::{Fault as FaultClass, Faults, STEPS_MAX, SimEngine, SimOptions};
use crate::sim::plant::{Plant, ShellPlant};
use crate::sim::recorder::Recorder;
use crate::sim::referee::{Referee, Verdict};
use crate::sim::report::SeedStats;
use crate::sim::setup::{GENESIS_TIME_S, Setup, VIEW_TIMEOUT_MS_MAX, set_up};
use crate::sim::stage::Stage;
use crate::sim::trace::Trace;
use bezant_consensus::engine::{Fault, Instruction};
use bezant_consensus::ledger::hash::BlockId;
use bezant_consensus::ledger::key::PublicKey;
use bezant_consensus::ledger::units::Time;
use bezant_consensus::message::Message;
use bezant_consensus::verify::{Verified, Verifier};
use bezant_node_core::Replica;
use bezant_node_core::io::Input;
use std::collections::BTreeMap;
use std::rc::Rc;

/// After all faults but lies have ended, every transaction must be final everywhere within this virtual time, in a net whose
/// members bear so many `liars`.
///
/// It is the longest time-out of a view, once for the correct members to come to one view, whichever they were in; once for the
/// block; once for what users hand in again; and once more for each liar, which may be the next primary. Never less than with
/// one liar, so that proof of work has time to find its blocks. Where members change, f is the largest set's, and the time is as
/// long again for each change of the plan and for a re-admission.
#[must_use]
pub const fn liveness_ms_max(liars: usize) -> u64 {
    let liars = if liars == 0 { 1 } else { liars as u64 };
    VIEW_TIMEOUT_MS_MAX as u64 * (3 + liars)
}

/// The referee looks at every node this often.
const CHECK_MS: u64 = 1_000;
/// So long a node has no connection with a peer that it banned.
const BAN_MS: u64 = 60_000;
/// Proof of work: so long persons look at an alarm in the second phase before they follow the branch with more work.
const DECIDE_MS: u64 = 5_000;
/// A node notices a dead connection after at most this.
const HANG_UP_MS_MAX: u64 = 600;

/// What a message turned out to be when it was decoded and verified; the same bytes always turn out the same.
pub(crate) type Opened = Result<Verified<Message>, Refused>;

/// Why a message is not told to a replica.
#[derive(Clone, Debug)]
pub(crate) struct Refused {
    pub(crate) why: String,
    /// No correct node sends it.
    pub(crate) is_fault: bool,
}

/// A net of simulated nodes.
pub(crate) struct World {
    pub(crate) options: SimOptions,
    pub(crate) dice: Dice,
    pub(crate) agenda: Agenda,
    pub(crate) now_ms: u64,
    pub(crate) nodes: Vec<Node>,
    pub(crate) network: Network,
    pub(crate) planned: Vec<Planned>,
    pub(crate) lying: Vec<Lying>,
    pub(crate) epochs: Option<Epochs>,
    pub(crate) referee: Referee,
    pub(crate) trace: Trace,
    pub(crate) stats: SeedStats,
    pub(crate) verifier: Verifier,
    /// The proposals of a net with liars, by their blocks.
    pub(crate) proposed: BTreeMap<BlockId, Message>,
    /// By the hash of their bytes.
    pub(crate) opened: BTreeMap<[u8; 32], Opened>,
    pub(crate) next_connection: u64,
    /// Until when two nodes do not connect since one has banned the other; the lower one first.
    banned: BTreeMap<(usize, usize), u64>,
    /// Classes of faults that strike now: none in the second phase.
    pub(crate) faults: Faults,
    pub(crate) healed_ms: Option<u64>,
    /// How long all may take after that.
    liveness_ms: u64,
    /// Proposals with more transactions than this name them.
    pub(crate) whole_max: usize,
    pub(crate) disk_ms_max: u64,
    pub(crate) flush_ms_max: u64,
    /// What a scenario does to the net; nothing elsewhere.
    pub(crate) stage: Stage,
    /// When the run is shown to somebody.
    pub(crate) recorder: Option<Recorder>,
    is_done: bool,
}

impl World {
    pub(crate) fn new(options: &SimOptions, seed: u64) -> World {
        let mut dice = Dice::new(seed);
        let setup = set_up(options, seed, &mut dice);
        let heal_ms = setup.heal_ms;
        let mut world = World::of(setup, options.of_seed(seed), dice);
        world.schedule(heal_ms);
        world
    }

    /// With an empty agenda.
    pub(crate) fn of(setup: Setup, options: SimOptions, dice: Dice) -> World {
        let Setup { genesis, verifier, nodes, network, planned, lying, epochs, whole_max, .. } = setup;
        let (disk_ms_max, flush_ms_max) = (setup.disk_ms_max, setup.flush_ms_max);
        let liars = lying.iter().map(|lying| lying.node).collect();
        let f = genesis.pbft().map_or(0, |_| genesis.validator_set().f());
        let f = epochs.as_ref().map_or(f, Plan::f_most);
        // Each epoch that must end yet may have as bad a beginning as the first.
        let liveness_ms = liveness_ms_max(f) * (1 + epochs.as_ref().map_or(0, Plan::ends) as u64);
        let keys: Vec<PublicKey> = nodes.iter().filter_map(|node| node.validator).collect();
        let referee = Referee::new(&genesis, nodes.len(), &keys, liars);
        World {
            faults: options.faults,
            options,
            dice,
            agenda: Agenda::default(),
            now_ms: 0,
            nodes,
            network,
            planned,
            lying,
            epochs: epochs.map(Epochs::new),
            referee,
            trace: Trace::default(),
            stats: SeedStats::default(),
            verifier,
            proposed: BTreeMap::new(),
            opened: BTreeMap::new(),
            next_connection: 0,
            banned: BTreeMap::new(),
            healed_ms: None,
            liveness_ms,
            whole_max,
            disk_ms_max,
            flush_ms_max,
            stage: Stage::default(),
            recorder: None,
            is_done: false,
        }
    }

    /// What is known beforehand.
    fn schedule(&mut self, heal_ms: u64) {
        for node in 0..self.nodes.len() {
            let at = self.dice.between(0, 300);
            self.agenda.add(at, Event::Restart { node });
        }
        for planned in 0..self.planned.len() {
            self.agenda.add(self.planned[planned].at_ms, Event::Submit { planned });
        }
        if self.faults.has(FaultClass::Crash) {
            let mean = self.dice.between(2_000, 12_000);
            for node in 0..self.nodes.len() {
                let mut at = self.dice.exponential(mean);
                while at < heal_ms {
                    self.agenda.add(at, Event::Crash { node, deadline: false });
                    at += self.dice.exponential(mean) + 200;
                }
            }
        }
        if self.faults.has(FaultClass::PowerCut) && self.dice.chance(400) {
            let at = self.dice.between(1_000, heal_ms - 1);
            self.agenda.add(at, Event::PowerCut);
        }
        if self.faults.has(FaultClass::Absence) && self.nodes.len() > 3 && self.dice.chance(600) {
            let node = self.dice.index(self.nodes.len());
            let at = self.dice.between(300, heal_ms / 4);
            self.agenda.add(at, Event::Leave { node });
        }
        if self.faults.has(FaultClass::Partition) && self.nodes.len() > 1 {
            let at = self.dice.exponential(5_000);
            self.agenda.add(at, Event::Partition);
        }
        self.schedule_lies();
        self.schedule_epochs(heal_ms);
        self.agenda.add(heal_ms, Event::Heal);
        self.agenda.add(CHECK_MS, Event::Check);
    }

    /// Runs until all is done, the step limit is reached, or the referee objects.
    pub(crate) fn run(&mut self) -> Verdict {
        while !self.is_done {
            if self.options.steps.is_some_and(|steps| self.stats.steps >= steps) {
                break;
            }
            if self.stats.steps >= STEPS_MAX {
                return Err(("no-end", format!("the run goes on after {STEPS_MAX} events")));
            }
            self.step()?;
        }
        Ok(())
    }

    /// Lets the next event happen.
    pub(crate) fn step(&mut self) -> Verdict {
        let (at_ms, event) = self.agenda.next().expect("the referee always looks again");
        self.now_ms = at_ms;
        if self.is_stale(&event) {
            return Ok(());
        }
        let Some(event) = self.unless_paused(event) else { return Ok(()) };
        self.stats.steps += 1;
        self.stats.virtual_ms = at_ms;
        self.trace.note(at_ms, &event);
        let mark = self.mark_of(&event);
        let verdict = self.happen(event);
        self.record_mark(mark);
        verdict
    }

    /// Whether the event belongs to a run of a node that has ended.
    fn is_stale(&self, event: &Event) -> bool {
        match *event {
            Event::Wake { node, life }
            | Event::Execute { node, life }
            | Event::Flush { node, life }
            | Event::Flushed { node, life, .. }
            | Event::Solved { node, life, .. }
            | Event::Say { node, life, .. } => self.nodes[node].life != life,
            Event::Deliver { .. }
            | Event::Unanswered { .. }
            | Event::Connect { .. }
            | Event::HangUp { .. }
            | Event::Submit { .. }
            | Event::Crash { .. }
            | Event::Leave { .. }
            | Event::PowerCut
            | Event::Restart { .. }
            | Event::Partition
            | Event::Mend { .. }
            | Event::Lie { .. }
            | Event::Change { .. }
            | Event::Wipe { .. }
            | Event::Heal
            | Event::Check => false,
        }
    }

    fn happen(&mut self, event: Event) -> Verdict {
        match event {
            Event::Deliver { from, to, connection, parcel } => self.deliver(from, to, connection, &parcel),
            Event::Unanswered { node, of, connection } => match self.nodes[node].ends[of] {
                Some(end) if end.connection == connection => self.tell(node, Input::Unanswered(end.peer)),
                Some(_) | None => Ok(()),
            },
            Event::Connect { a, b } => self.connect(a, b),
            Event::HangUp { node, of, connection } => self.hang_up(node, of, connection),
            Event::Wake { node, .. } => self.wake(node),
            Event::Execute { node, .. } => self.execute(node),
            Event::Flush { node, .. } => self.flush(node),
            Event::Flushed { node, sequence, .. } => self.tell(node, Input::Flushed { sequence }),
            Event::Solved { node, search, .. } => self.solved(node, search),
            Event::Submit { planned } => self.submit(planned),
            Event::Crash { node, deadline } => self.doom(node, deadline),
            Event::Leave { node } => self.leave(node),
            Event::PowerCut => (0..self.nodes.len()).try_for_each(|node| self.crash(node)),
            Event::Restart { node } => self.restart(node),
            Event::Partition => self.partition(),
            Event::Mend { partition } => self.mend(partition),
            Event::Lie { node, is_on } => self.lie(node, is_on),
            Event::Change { change } => self.change_members(change),
            Event::Wipe { node } => self.wipe(node),
            Event::Say { node, to, parcel, .. } => {
                self.transmit(node, to, &parcel);
                Ok(())
            }
            Event::Heal => self.heal(),
            Event::Check => self.check(),
        }
    }

    /// A node's own clock.
    pub(crate) fn clock(&self, node: usize) -> Time {
        let ahead = Time::from_seconds(GENESIS_TIME_S).plus_ms(1_000 + self.now_ms + self.nodes[node].skew_ms);
        Time(ahead.0.saturating_add_signed(self.stage.advanced_ms + self.nodes[node].offset_ms))
    }

    /// Tells a replica something, if it runs, and takes what it wants done.
    pub(crate) fn tell(&mut self, node: usize, input: Input) -> Verdict {
        let now = self.clock(node);
        let Some(replica) = &mut self.nodes[node].replica else { return Ok(()) };
        let outputs = replica.handle(now, input);
        self.take(node, outputs)?;
        self.set_alarm(node);
        Ok(())
    }

    /// Asks for a wake at the replica's deadline, up to a few milliseconds late as real timers are.
    pub(crate) fn set_alarm(&mut self, node: usize) {
        let now = self.clock(node);
        let Some(replica) = &self.nodes[node].replica else { return };
        let Some(deadline) = replica.deadline() else { return };
        let at_ms = self.now_ms + deadline.since_ms(now).max(1) + self.dice.between(0, 3);
        if self.nodes[node].wake_ms.is_none_or(|set| at_ms < set) {
            self.nodes[node].wake_ms = Some(at_ms);
            self.agenda.add(at_ms, Event::Wake { node, life: self.nodes[node].life });
        }
    }

    fn wake(&mut self, node: usize) -> Verdict {
        if self.nodes[node].wake_ms.is_some_and(|at| at <= self.now_ms) {
            self.nodes[node].wake_ms = None;
        }
        self.tell(node, Input::Wake)
    }

    fn deliver(&mut self, from: usize, to: usize, connection: u64, parcel: &Rc<Parcel>) -> Verdict {
        let Some(end) = self.nodes[to].ends[from].filter(|end| end.connection == connection) else { return Ok(()) };
        self.stats.delivered += 1;
        match self.open(parcel) {
            Ok(message) => {
                self.heard(to, message.get());
                self.tell(to, Input::Message { from: end.peer, message, waited_ms: 0 })
            }
            Err(refused) if self.is_liar(from) => {
                if !refused.is_fault {
                    return Ok(());
                }
                let fault = Fault::Invalid { what: parcel.name, reason: refused.why };
                self.tell(to, Input::Misbehaved { peer: end.peer, fault })
            }
            Err(Refused { why, .. }) => {
                let sentence = format!("node {from} sent node {to} a {} that is refused: {why}", parcel.name);
                Err(("refused", sentence))
            }
        }
    }

    /// Two nodes connect, if both run and nothing is cut between them; else they try again.
    fn connect(&mut self, a: usize, b: usize) -> Verdict {
        let is_open = |world: &World, a: usize, b: usize| world.nodes[a].ends[b].map(|end| end.connection);
        if self.banned.get(&(a.min(b), a.max(b))).is_some_and(|until| *until > self.now_ms) {
            // They connect when it ends.
            return Ok(());
        }
        let both_up = self.nodes[a].is_up() && self.nodes[b].is_up();
        let (here, there) = (is_open(self, a, b), is_open(self, b, a));
        if !both_up || (here.is_some() && here == there) {
            return Ok(());
        }
        if self.network.is_cut(a, b) || self.stage.links.is_closed(self.now_ms, a, b) {
            let again = self.now_ms + self.dice.between(300, 900);
            self.agenda.add(again, Event::Connect { a, b });
            return Ok(());
        }
        for (node, other, old) in [(a, b, here), (b, a, there)] {
            if let Some(connection) = old {
                self.hang_up(node, other, connection)?;
            }
        }
        self.next_connection += 1;
        let connection = self.next_connection;
        for (node, other) in [(a, b), (b, a)] {
            let peer = self.nodes[node].open(other, connection);
            self.tell(node, Input::Connected(peer))?;
        }
        Ok(())
    }

    /// A node closes its connection with another, and accepts no new one for a while.
    pub(crate) fn ban(&mut self, node: usize, other: usize) {
        let until = self.now_ms + BAN_MS;
        let (a, b) = (node.min(other), node.max(other));
        self.banned.insert((a, b), until);
        for (node, of) in [(a, b), (b, a)] {
            if let Some(end) = self.nodes[node].ends[of] {
                let at = self.now_ms + self.dice.between(0, HANG_UP_MS_MAX);
                self.agenda.add(at, Event::HangUp { node, of, connection: end.connection });
            }
        }
        self.agenda.add(until, Event::Connect { a, b });
    }

    fn hang_up(&mut self, node: usize, of: usize, connection: u64) -> Verdict {
        match self.nodes[node].ends[of] {
            Some(end) if end.connection == connection => {
                self.nodes[node].ends[of] = None;
                self.tell(node, Input::Disconnected(end.peer))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The node shall crash in the middle of its next effects; if none come soon, then without.
    fn doom(&mut self, node: usize, deadline: bool) -> Verdict {
        let is_struck = self.faults.has(FaultClass::Crash) && self.nodes[node].is_up();
        if !is_struck || deadline != self.nodes[node].is_doomed {
            return Ok(());
        }
        if deadline {
            return self.crash(node);
        }
        self.nodes[node].is_doomed = true;
        self.agenda.add(self.now_ms + 700, Event::Crash { node, deadline: true });
        Ok(())
    }

    /// The node stops now: what it has executed stands, the following records may be durable already, the rest is lost.
    pub(crate) fn crash(&mut self, node: usize) -> Verdict {
        if !self.nodes[node].is_up() {
            return Ok(());
        }
        self.fall(node)?;
        let back = self.now_ms + self.dice.between(20, 6_000);
        self.agenda.add(back, Event::Restart { node });
        Ok(())
    }

    /// As [`crash`](World::crash), of a node that runs; it does not come back by itself.
    pub(crate) fn fall(&mut self, node: usize) -> Verdict {
        self.stats.crashes += 1;
        let executed = self.dice.index(self.nodes[node].outputs.len() + 1);
        for _ in 0..executed {
            let output = self.nodes[node].outputs.pop_front().expect("counted before");
            self.execute_one(node, output)?;
        }
        let early_send = self.options.plant == Some(Plant::Shell(ShellPlant::EarlySend));
        let records = self.nodes[node].records_ahead();
        let pulled_forward = if early_send { 0 } else { self.dice.between(0, records) };
        let luck = self.dice.below(1_000);
        let disk = self.nodes[node].disk.clone();
        for _ in 0..pulled_forward {
            disk.lock().make_durable();
        }
        disk.lock().crash(luck);
        for other in 0..self.nodes.len() {
            if let Some(end) = self.nodes[node].ends[other] {
                let at = self.now_ms + self.dice.between(0, HANG_UP_MS_MAX);
                self.agenda.add(at, Event::HangUp { node: other, of: node, connection: end.connection });
            }
        }
        self.nodes[node].stop();
        for planned in &mut self.planned {
            planned.accepted.retain(|(by, _)| *by != node);
        }
        Ok(())
    }

    /// The node stops, and comes back only when all faults end.
    fn leave(&mut self, node: usize) -> Verdict {
        self.nodes[node].is_away = self.faults.has(FaultClass::Absence);
        self.crash(node)
    }

    pub(crate) fn restart(&mut self, node: usize) -> Verdict {
        if self.nodes[node].is_up() || self.nodes[node].is_away {
            return Ok(());
        }
        let now = self.clock(node);
        let disk = self.nodes[node].disk.clone();
        let (base, records) = disk.lock().load();
        self.referee.restarting(node, base.tip.id, &disk.lock())?;
        let config = self.nodes[node].config.clone();
        if config.engine.genesis.pbft().is_some() {
            // What it knows beyond genesis it says itself.
            self.members(node, &config.engine.genesis.validator_set(), true);
        }
        let (replica, outputs) = Replica::restore(config, Box::new(disk), base, records, now);
        self.nodes[node].replica = Some(replica);
        self.leave_out(node);
        self.take(node, outputs)?;
        let Node { replica, disk, .. } = &mut self.nodes[node];
        let replica = replica.as_mut().expect("it was just started");
        self.referee.restarted(node, replica.chain_mut(), disk)?;
        self.set_alarm(node);
        for other in 0..self.nodes.len() {
            if other != node {
                let at = self.now_ms + self.dice.between(1, 400);
                self.agenda.add(at, Event::Connect { a: node.min(other), b: node.max(other) });
            }
        }
        Ok(())
    }

    fn partition(&mut self) -> Verdict {
        if !self.faults.has(FaultClass::Partition) {
            return Ok(());
        }
        self.stats.partitions += 1;
        let apart = self.network.cut(&mut self.dice);
        let is_noticed = self.dice.chance(500);
        for (a, b) in apart {
            let Some(end) = self.nodes[a].ends[b].filter(|_| is_noticed) else { continue };
            for (node, of) in [(a, b), (b, a)] {
                let at = self.now_ms + self.dice.between(0, 3_000);
                self.agenda.add(at, Event::HangUp { node, of, connection: end.connection });
            }
            let again = self.now_ms + self.dice.between(3_000, 4_000);
            self.agenda.add(again, Event::Connect { a: a.min(b), b: a.max(b) });
        }
        // Under proof of work some last for so long that more blocks are made than may be undone.
        let is_long = self.options.engine == SimEngine::Pow && self.dice.chance(300);
        let end = self.now_ms + self.dice.between(500, if is_long { 30_000 } else { 12_000 });
        self.agenda.add(end, Event::Mend { partition: self.network.partition });
        Ok(())
    }

    fn mend(&mut self, partition: u64) -> Verdict {
        if partition == self.network.partition && self.faults.has(FaultClass::Partition) {
            self.network.mend();
            let next = self.now_ms + self.dice.exponential(4_000);
            self.agenda.add(next, Event::Partition);
        }
        Ok(())
    }

    /// The second phase: links are perfect, nothing strikes any more, every node runs.
    fn heal(&mut self) -> Verdict {
        self.faults = Faults::NONE;
        self.healed_ms = Some(self.now_ms);
        self.network.heal();
        for node in 0..self.nodes.len() {
            self.nodes[node].is_doomed = false;
            self.nodes[node].is_away = false;
            self.restart(node)?;
        }
        for a in 0..self.nodes.len() {
            for b in a + 1..self.nodes.len() {
                let at = self.now_ms + self.dice.between(1, 400);
                self.agenda.add(at, Event::Connect { a, b });
            }
        }
        Ok(())
    }

    fn check(&mut self) -> Verdict {
        for node in 0..self.nodes.len() {
            let Node { replica, disk, .. } = &mut self.nodes[node];
            if let Some(replica) = replica {
                self.referee.inspect(node, replica.chain_mut(), disk)?;
            }
        }
        self.agenda.add(self.now_ms + CHECK_MS, Event::Check);
        let Some(healed_ms) = self.healed_ms else { return Ok(()) };
        self.persons_decide()?;
        if let Some(missing) = self.missing() {
            self.users_try_again();
            if self.now_ms > healed_ms + self.liveness_ms {
                return Err(("liveness", format!("{missing}, {} ms after all faults ended", self.liveness_ms)));
            }
            return Ok(());
        }
        self.stats.healing_ms = self.now_ms - healed_ms;
        self.finish()
    }

    /// Proof of work: where a branch with more work is refused for a while, a person looks and lets the node follow it. Nothing
    /// else brings nodes together that were apart for more than `max_reorg` blocks.
    fn persons_decide(&mut self) -> Verdict {
        for node in 0..self.nodes.len() {
            let Some(refused) = self.referee.contested(node) else {
                self.nodes[node].contested_ms = None;
                continue;
            };
            let since = *self.nodes[node].contested_ms.get_or_insert(self.now_ms);
            if self.now_ms >= since + DECIDE_MS {
                self.stats.decisions += 1;
                self.referee.allowed(node, &refused);
                self.tell(node, Input::Instruct(Instruction::Reconsider(refused)))?;
            }
        }
        Ok(())
    }

    /// All is final everywhere: the last look.
    fn finish(&mut self) -> Verdict {
        for node in 0..self.nodes.len() {
            let replica = self.nodes[node].replica.as_ref().expect("every node runs in the second phase");
            self.referee.replay(node, replica.chain())?;
        }
        if self.stats.final_height == 0 {
            return Err(("no-progress", "not one block became final".to_owned()));
        }
        self.is_done = true;
        Ok(())
    }
}
