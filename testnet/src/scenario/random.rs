//! Scenarios drawn from a seed: a net, a load, faults that all end, and what every such net owes afterwards.

use crate::scenario::Scenario;
use crate::scenario::file::{
    ClockFile, ExpectFile, HashrateFile, LieFile, LinkFile, LoadFile, Measure, NetFile, ReorgFile, RestartFile,
    ScenarioFile, StepFile,
};
use crate::scenario::values::{Amount, Bandwidth, Nodes, Offset, Share, Span};
use crate::sim::dice::Dice;
use bezant_api::control::NodeSettings;
use bezant_api::types::EngineName;
use bezant_node_core::lies::{MiningMode, Mode};

/// Sets these draws apart from those of the play.
const RANDOM_SEED: u64 = 0x7363_656e_6172_696f;
/// Between these moments faults strike, in seconds; at the second of them all are over.
const FAULTS_S: (u64, u64) = (3, 20);
/// How long the net has to come to itself, in seconds; slower under proof of work, whose blocks come when they come.
const CALM_S: u64 = 20;
/// And for how long it is watched then.
const WATCH_S: u64 = 20;

/// The scenario of a seed. The same seed gives the same text.
///
/// # Panics
/// Never: what is drawn makes sense.
#[must_use]
pub fn random(seed: u64) -> Scenario {
    let mut dice = Dice::new(seed ^ RANDOM_SEED);
    let engine = if dice.chance(600) { EngineName::Pbft } else { EngineName::Pow };
    let mut drawn = Drawn { nodes: nodes_of(engine, &mut dice), engine, step: Vec::new(), busy: Vec::new(), dice };
    let file = drawn.file(seed);
    Scenario::of(&format!("random-{seed}"), file).unwrap_or_else(|error| panic!("seed {seed}: {error}"))
}

fn nodes_of(engine: EngineName, dice: &mut Dice) -> usize {
    match engine {
        EngineName::Pbft => [4, 4, 5, 7][dice.index(4)],
        EngineName::Pow => dice.between(3, 5) as usize,
    }
}

struct Drawn {
    nodes: usize,
    engine: EngineName,
    step: Vec<StepFile>,
    /// Nodes that something is done to already: each is struck once, and under PBFT at most f, so that none stands in for another's
    /// fault.
    busy: Vec<usize>,
    dice: Dice,
}

impl Drawn {
    fn file(&mut self, seed: u64) -> ScenarioFile {
        let is_pow = self.engine == EngineName::Pow;
        let net = NetFile {
            engine: self.engine,
            nodes: self.nodes,
            observers: 0,
            block_time: is_pow.then_some(Span(1_000)),
            view_timeout: None,
            checkpoint_interval: None,
            final_depth: is_pow.then(|| self.dice.between(2, 4) as u32),
            max_reorg: None,
        };
        for _ in 0..self.dice.between(2, 6) {
            self.fault();
        }
        self.step.sort_by_key(|step| step.at);
        let until = Span((FAULTS_S.1 + CALM_S) * 1_000);
        let end = Span((FAULTS_S.1 + CALM_S + WATCH_S) * 1_000);
        let rate = self.dice.between(2, 8) as f64;
        let load = LoadFile { rate, from: Span(0), until: Some(Span(end.0 - 10_000)), on: None };
        let measure = if is_pow { Measure::Height } else { Measure::Final };
        let grows = ExpectFile { from: Some(until), until: Some(end), grows: Some(measure), ..ExpectFile::default() };
        // From when all is calm: a net that has just started is one chain in any case.
        let synced = ExpectFile { from: Some(until), by: Some(end), synced: Some(true), ..ExpectFile::default() };
        let least = Some(Amount::Count(5));
        let transfers = ExpectFile { by: Some(end), transfers_min: least, ..ExpectFile::default() };
        ScenarioFile {
            title: format!("Drawn from seed {seed}"),
            about: None,
            end,
            net,
            load: Some(load),
            step: std::mem::take(&mut self.step),
            expect: vec![grows, synced, transfers],
        }
    }

    fn moment(&mut self) -> (Span, Span) {
        let at = self.dice.between(FAULTS_S.0 * 10, FAULTS_S.1 * 10 - 20);
        let until = self.dice.between(at + 10, FAULTS_S.1 * 10);
        (Span(at * 100), Span((until - at) * 100))
    }

    /// A node that nothing was done to, as long as the net bears one more.
    fn victim(&mut self) -> Option<usize> {
        let borne = if self.engine == EngineName::Pow { self.nodes } else { (self.nodes - 1) / 3 };
        let free: Vec<usize> = (0..self.nodes).filter(|node| !self.busy.contains(node)).collect();
        if self.busy.len() >= borne || free.is_empty() {
            return None;
        }
        let node = free[self.dice.index(free.len())];
        self.busy.push(node);
        Some(node)
    }

    fn fault(&mut self) {
        let (at, lasts) = self.moment();
        let base = StepFile { at, lasts: Some(lasts), ..StepFile::default() };
        let step = match self.dice.below(10) {
            0 | 1 => Some(StepFile { partition: Some(self.groups()), ..base }),
            2 => Some(StepFile { link: Some(self.link()), ..base }),
            3 => self.victim().map(|node| StepFile { kill: Some(Nodes::Some(vec![node])), ..base }),
            4 => self.victim().map(|node| StepFile { stop: Some(Nodes::Some(vec![node])), ..base }),
            5 => self.victim().map(|node| StepFile { pause: Some(Nodes::Some(vec![node])), ..base }),
            6 => self.victim().map(|node| {
                let set = NodeSettings { connections: Some(32), ..NodeSettings::default() };
                let restart = Some(RestartFile { nodes: Nodes::Some(vec![node]), set });
                StepFile { restart, lasts: None, ..base }
            }),
            7 => self.victim().map(|node| {
                let offset = Offset(self.dice.between(100, 3_000) as i64);
                let clock = Some(ClockFile { nodes: Nodes::Some(vec![node]), offset });
                StepFile { clock, lasts: None, ..base }
            }),
            8 => self.victim().map(|node| StepFile { lie: Some(self.lie(node)), ..base }),
            _ => self.other(base),
        };
        self.step.extend(step);
    }

    /// What only one engine knows, and the crash of all.
    fn other(&mut self, base: StepFile) -> Option<StepFile> {
        if self.engine == EngineName::Pbft {
            return Some(StepFile { kill: Some(Nodes::All), lasts: Some(Span(1_000)), ..base })
                .filter(|_| self.busy.is_empty())
                .inspect(|_| self.busy = (0..self.nodes).collect());
        }
        if self.dice.chance(500) {
            let node = self.dice.index(self.nodes);
            let rate = self.dice.between(1, 4) * 25_000;
            let hashrate = Some(HashrateFile { nodes: Nodes::Some(vec![node]), rate });
            return Some(StepFile { hashrate, ..base });
        }
        let calm = !self.step.iter().any(|step| step.reorg.is_some());
        let node = self.victim().filter(|_| calm)?;
        Some(StepFile { reorg: Some(ReorgFile { node, depth: 1 }), lasts: None, ..base })
    }

    fn groups(&mut self) -> Vec<Vec<usize>> {
        let mut first: Vec<usize> = (0..self.nodes).filter(|_| self.dice.chance(500)).collect();
        if first.is_empty() || first.len() == self.nodes {
            first = vec![self.dice.index(self.nodes)];
        }
        vec![first]
    }

    fn link(&mut self) -> LinkFile {
        let mut link = LinkFile::default();
        if self.dice.chance(500) {
            link.to = Some(Nodes::Some(vec![self.dice.index(self.nodes)]));
        }
        match self.dice.below(4) {
            0 => {
                link.delay = Some(Span(self.dice.between(10, 100)));
                link.jitter = Some(Span(self.dice.between(1, 50)));
            }
            1 => link.drop = Some(Share(self.dice.between(1, 10) as u32 * 10_000)),
            2 => {
                link.duplicate = Some(Share(self.dice.between(1, 20) as u32 * 10_000));
                link.reorder = Some(Share(self.dice.between(1, 20) as u32 * 10_000));
            }
            _ => link.bandwidth = Some(Bandwidth(self.dice.between(1, 5) * 100_000)),
        }
        link
    }

    fn lie(&mut self, node: usize) -> LieFile {
        let mode = match self.engine {
            EngineName::Pbft => {
                // A censor needs a target, which the load does not name; `mutate` is for fuzzing, not for showing.
                let modes: Vec<Mode> =
                    Mode::ALL.into_iter().filter(|mode| !mode.takes_target() && *mode != Mode::Mutate).collect();
                modes[self.dice.index(modes.len())].name()
            }
            EngineName::Pow => MiningMode::ALL[self.dice.index(MiningMode::ALL.len())].name(),
        };
        LieFile { nodes: Nodes::Some(vec![node]), mode: mode.to_owned(), target: None }
    }
}

#[cfg(test)]
mod tests;
