//! How a scenario is played, the same in either world: it reaches the next moment, does what is due, looks, and judges.

use crate::scenario::judge::{Judge, Judgement};
use crate::scenario::plan::{Scenario, Step, words_of_step};
use crate::scenario::values::Nodes;
use crate::scenario::view::NetView;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Between two looks at the net.
pub(crate) const LOOK_MS: u64 = 200;

/// A net that a scenario can be played on. Its time zero is when the first block is there.
pub(crate) trait World {
    /// Lets the time pass until then.
    async fn reach(&mut self, at_ms: u64) -> Result<(), Halt>;
    /// Whether that moment is over by so much that a look which nobody waits for is better left out.
    fn is_over(&self, at_ms: u64) -> bool;
    /// PBFT: who leads the view in which most nodes are.
    async fn primary(&mut self) -> Option<usize>;
    /// Begins to do what a step says, to these nodes. Nodes that are as it wants them already stay as they are.
    async fn act(&mut self, step: &Step, nodes: &[usize]) -> Result<(), Halt>;
    /// The net as it stands.
    async fn look(&mut self, at_ms: u64) -> Result<NetView, Halt>;
    /// Ends all faults, lies and pauses, lets the net come together, and asks the referee; what it objects to.
    async fn end(&mut self) -> Result<Vec<String>, Halt>;
    /// What is to be known of the play beside its verdict.
    fn tally(&self) -> Tally;
}

/// The play cannot go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Halt {
    /// The referee objects, in words.
    Objection(String),
    /// A step could not be done, or the net cannot be reached.
    Broken(String),
}

/// What users and referee have counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Payments and transfers that a node took.
    pub accepted: u64,
    /// Refused, by the reason given.
    pub refused: BTreeMap<String, u64>,
    /// In virtual time: SHA-256 over every event.
    pub trace: Option<String>,
    /// On processes: by how many milliseconds the latest look was late. Of more than a second or two the machine is too slow for the
    /// scenario's times.
    pub late_ms: u64,
}

/// Which kind of net it is played on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// Replicas in virtual time.
    VirtualTime,
    /// Processes on this machine.
    Processes,
}

/// Something to be told while a scenario is played.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Report {
    /// A step is made.
    Step {
        /// When, milliseconds of scenario time.
        at_ms: u64,
        /// Its number in the file.
        number: usize,
        /// In words.
        what: String,
    },
    /// An expectation is judged.
    Judged(Judgement),
    /// The referee has looked.
    Referee {
        /// When.
        at_ms: u64,
        /// What it objects to; nothing when it is content.
        objections: Vec<String>,
    },
}

/// What became of it all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The scenario.
    pub scenario: String,
    /// Where it was played.
    pub world: Place,
    /// From which seed.
    pub seed: u64,
    /// Whether all that was expected came true and the referee is content.
    pub passed: bool,
    /// In the order of the file.
    pub expectations: Vec<Judgement>,
    /// What the referee objects to.
    pub objections: Vec<String>,
    /// Why the play stopped early, if it did.
    pub stopped: Option<String>,
    /// What was counted.
    #[serde(flatten)]
    pub tally: Tally,
}

impl Verdict {
    /// What failed, in a sentence each.
    pub fn failures(&self) -> impl Iterator<Item = String> + '_ {
        let expected = self.expectations.iter().filter(|it| !it.passed);
        let expected = expected.map(|it| format!("expectation {}: {}; seen: {}", it.number, it.expected, it.seen));
        let objections = self.objections.iter().map(|objection| format!("the referee objects: {objection}"));
        expected.chain(objections).chain(self.stopped.clone())
    }
}

/// Plays a scenario; `tell` hears of each step and judgement as it is made.
pub(crate) async fn play(
    scenario: &Scenario,
    world: &mut impl World,
    (place, seed): (Place, u64),
    mut tell: impl FnMut(Report),
) -> Verdict {
    let mut judge = Judge::new(scenario);
    let mut expectations = Vec::new();
    let mut player = Player { scenario, steps: scenario.steps.iter().peekable(), whom: BTreeMap::new() };
    let (mut objections, mut stopped, mut last_ms) = (Vec::new(), None, 0);
    let wanted = wanted(scenario);
    let looks = (0..=scenario.end_ms / LOOK_MS).map(|look| look * LOOK_MS);
    for at_ms in looks.chain(wanted.iter().copied()).collect::<BTreeSet<u64>>() {
        if !wanted.contains(&at_ms) && world.is_over(at_ms) {
            continue;
        }
        last_ms = at_ms;
        let looked = player.moment(world, at_ms, &mut tell).await;
        match looked {
            Ok(view) => {
                for judgement in judge.look(&view) {
                    tell(Report::Judged(judgement.clone()));
                    expectations.push(judgement);
                }
            }
            Err(Halt::Objection(objection)) => objections.push(objection),
            Err(Halt::Broken(why)) => stopped = Some(why),
        }
        if !objections.is_empty() || stopped.is_some() {
            break;
        }
    }
    for judgement in judge.give_up(last_ms) {
        tell(Report::Judged(judgement.clone()));
        expectations.push(judgement);
    }
    if objections.is_empty() && stopped.is_none() {
        match world.end().await {
            Ok(found) => objections = found,
            Err(Halt::Objection(objection)) => objections.push(objection),
            Err(Halt::Broken(why)) => stopped = Some(why),
        }
    }
    if stopped.is_none() {
        tell(Report::Referee { at_ms: last_ms, objections: objections.clone() });
    }
    expectations.sort_by_key(|judgement: &Judgement| judgement.number);
    let passed = objections.is_empty() && stopped.is_none() && expectations.iter().all(|judgement| judgement.passed);
    let tally = world.tally();
    Verdict { scenario: scenario.name.clone(), world: place, seed, passed, expectations, objections, stopped, tally }
}

/// Moments that are not left out: something is done then, or has to be judged.
fn wanted(scenario: &Scenario) -> BTreeSet<u64> {
    let steps = scenario.steps.iter().map(|step| step.at_ms);
    let all = steps.chain(Judge::moments(scenario)).chain([0, scenario.end_ms]);
    all.filter(|at_ms| *at_ms <= scenario.end_ms).collect()
}

struct Player<'a> {
    scenario: &'a Scenario,
    steps: std::iter::Peekable<std::slice::Iter<'a, Step>>,
    /// Whom each step met, so that its end meets the same.
    whom: BTreeMap<usize, Vec<usize>>,
}

impl Player<'_> {
    async fn moment(
        &mut self,
        world: &mut impl World,
        at_ms: u64,
        tell: &mut impl FnMut(Report),
    ) -> Result<NetView, Halt> {
        world.reach(at_ms).await?;
        while let Some(step) = self.steps.next_if(|step| step.at_ms <= at_ms) {
            let nodes = self.nodes_of(step, world).await?;
            let what = words_of_step(step, &nodes, &self.scenario.payments);
            tell(Report::Step { at_ms, number: step.number, what });
            world.act(step, &nodes).await?;
        }
        world.look(at_ms).await
    }

    async fn nodes_of(&mut self, step: &Step, world: &mut impl World) -> Result<Vec<usize>, Halt> {
        if step.is_undoing {
            return Ok(self.whom.get(&step.number).cloned().unwrap_or_default());
        }
        let nodes = match &step.nodes {
            None => Vec::new(),
            Some(Nodes::All) => (0..self.scenario.net.count()).collect(),
            Some(Nodes::Some(nodes)) => nodes.clone(),
            Some(Nodes::Primary) => match world.primary().await {
                Some(node) => vec![node],
                None => return Err(Halt::Broken(format!("step {}: nobody leads now", step.number))),
            },
        };
        self.whom.insert(step.number, nodes.clone());
        Ok(nodes)
    }
}
