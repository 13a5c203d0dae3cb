//! The scenarios: which nets are run, and what is counted.

use super::attack::{Attack, Play};
use super::figure::{Figure, Point, Series};
use super::net::{Net, Plan, WHOLE};
use super::theory;
use crate::text;
use bezant_consensus::ledger::target::{Target, Work};
use rayon::ThreadPoolBuilder;
use rayon::iter::{IntoParallelIterator, ParallelIterator};
use std::str::FromStr;

/// How long a message takes where delays are not the point: a thousandth of the mean time between blocks.
const NEAR_MS: u64 = 10;
/// Honest miners beside an attacker, all equal.
const HONEST: usize = 10;
/// So far behind an attacker gives up a double spend: it would come back with a probability below 10^−3 at a share of 0.45.
const CHASE: u64 = 35;
/// An attacker with at least half of the hash power does not give up.
const CHASE_OF_MOST: u64 = 10_000;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// Blocks that end beside the chain, by delay over block time.
    Stale,
    /// Selfish mining.
    Selfish,
    /// Blocks are held back until the others have found some, and then all let out.
    Withhold,
    /// A payment is undone after its confirmations.
    DoubleSpend,
    /// A victim hears the attacker alone.
    Eclipse,
}

impl Scenario {
    /// All of them.
    pub const ALL: [Scenario; 5] =
        [Scenario::Stale, Scenario::Selfish, Scenario::Withhold, Scenario::DoubleSpend, Scenario::Eclipse];

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Scenario::Stale => "stale",
            Scenario::Selfish => "selfish",
            Scenario::Withhold => "withhold",
            Scenario::DoubleSpend => "double-spend",
            Scenario::Eclipse => "eclipse",
        }
    }
}

impl FromStr for Scenario {
    type Err = String;
    fn from_str(text: &str) -> Result<Scenario, String> {
        let found = Scenario::ALL.into_iter().find(|scenario| scenario.name() == text);
        let names = Scenario::ALL.map(Scenario::name).join(", ");
        found.ok_or_else(|| format!("unknown scenario {text:?}: one of {names}"))
    }
}

/// How a scenario is run.
#[derive(Clone, Debug)]
pub struct ScenarioOptions {
    /// What.
    pub scenario: Scenario,
    /// The attacker's share of the hash power, below 1; `None`: a curve of shares. Of no use for [`Scenario::Stale`].
    pub share: Option<f64>,
    /// The first seed.
    pub seed: u64,
    /// Seeds of each point, at least 2: so many nets are run, and the error is the one of their mean.
    pub seeds: u64,
    /// Blocks, or attempts where attempts are counted, in each net.
    pub length: u64,
    /// Confirmations for which a victim waits; `None`: 1, 2, 3 and 6.
    pub depth: Option<u32>,
    /// Threads; 0 is one for each processor.
    pub jobs: usize,
}

impl ScenarioOptions {
    /// The length and the seeds that give a figure in about a minute.
    #[must_use]
    pub fn of(scenario: Scenario) -> ScenarioOptions {
        let (seeds, length) = match scenario {
            Scenario::Stale => (20, 1_000),
            Scenario::Selfish => (10, 1_000),
            Scenario::Withhold | Scenario::DoubleSpend => (12, 25),
            Scenario::Eclipse => (100, 1),
        };
        ScenarioOptions { scenario, share: None, seed: 1, seeds, length, depth: None, jobs: 0 }
    }

    /// Checks that the options make sense.
    ///
    /// # Errors
    /// With a sentence for the user.
    pub fn check(&self) -> Result<(), String> {
        if self.share.is_some_and(|share| !(0.01..=0.99).contains(&share)) {
            return Err("a share is at least 0.01 and at most 0.99".to_owned());
        }
        if self.seeds < 2 || self.length == 0 || self.seed.checked_add(self.seeds).is_none() {
            return Err("at least 2 seeds and a length of at least 1 are needed".to_owned());
        }
        if self.depth.is_some_and(|depth| !(1..=100).contains(&depth)) {
            return Err("1 to 100 confirmations can be waited for".to_owned());
        }
        Ok(())
    }

    fn shares(&self, curve: &[f64]) -> Vec<f64> {
        self.share.map_or_else(|| curve.to_vec(), |share| vec![share])
    }

    fn depths(&self) -> Vec<u32> {
        self.depth.map_or_else(|| vec![1, 2, 3, 6], |depth| vec![depth])
    }

    /// One point: what each seed gives, and the mean.
    fn point(&self, x: f64, theory: f64, one: impl Fn(u64) -> f64 + Sync + Send) -> Point {
        let values = (self.seed..self.seed + self.seeds).into_par_iter().map(one).collect::<Vec<f64>>();
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
        Point { x, measured: mean, error: (variance / count).sqrt(), theory }
    }
}

/// Runs a scenario.
///
/// # Errors
/// When the options do not pass [`ScenarioOptions::check`].
///
/// # Panics
/// When no threads can be started.
pub fn run(options: &ScenarioOptions) -> Result<Figure, String> {
    options.check()?;
    let pool = ThreadPoolBuilder::new().num_threads(options.jobs).build().expect("threads can be started");
    Ok(pool.install(|| match options.scenario {
        Scenario::Stale => stale(options),
        Scenario::Selfish => selfish(options),
        Scenario::Withhold => withhold(options),
        Scenario::DoubleSpend => double_spend(options),
        Scenario::Eclipse => eclipse(options),
    }))
}

fn curve(from: f64, to: f64, of: impl Fn(f64) -> f64) -> Vec<(f64, f64)> {
    (0..=60).map(|part| from + (to - from) * f64::from(part) / 60.0).map(|x| (x, of(x))).collect()
}

/// Powers of `others` equal miners beside one that has `share`, which comes first.
fn powers(share: f64, others: usize) -> Vec<u64> {
    let attacker = (share * WHOLE as f64).round() as u64;
    let each = (WHOLE - attacker) / others as u64;
    std::iter::once(attacker).chain(std::iter::repeat_n(each, others)).collect()
}

/// Nobody finds anything more, and what is under way arrives.
fn settle(net: &mut Net, time_ms: u64) {
    net.is_still = true;
    let until = net.now_ms + time_ms;
    net.run_until(|net| net.now_ms >= until);
}

fn stale(options: &ScenarioOptions) -> Figure {
    let one = |miners: usize, x: f64, seed: u64| {
        let delay_ms = (x * super::net::SPACING_MS as f64).round() as u64;
        let mut net = Net::new(Plan::new(vec![WHOLE / miners as u64; miners], delay_ms), seed);
        net.run_until(|net| net.found.len() as u64 > options.length);
        settle(&mut net, delay_ms + 1_000);
        assert_eq!(net.blames, 0, "nobody does anything wrong");
        let chain = net.chain_of(net.tip(0)).count();
        1.0 - chain as f64 / (net.found.len() - 1) as f64
    };
    let series = [2usize, 8].map(|miners| {
        let theory = |x: f64| theory::stale_rate(miners as u32, x);
        let points = [0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0];
        Series {
            name: format!("{miners} miners"),
            points: points.map(|x| options.point(x, theory(x), |seed| one(miners, x, seed))).to_vec(),
            curve: curve(0.0, 1.0, theory),
        }
    });
    Figure {
        title: "Blocks that end beside the chain, among equal miners".to_owned(),
        x: "delay / block time".to_owned(),
        y: "stale blocks / blocks".to_owned(),
        diagonal: None,
        series: series.to_vec(),
        notes: vec!["Every miner hears every other after the same delay.".to_owned()],
    }
}

/// The attacker hears everybody at once, and is heard by the first `near` at once and by the others late: in a race those are
/// on its side, but for the one that found the other block.
fn selfish_plan(share: f64, near: usize) -> Plan {
    let mut plan = Plan::new(powers(share, HONEST), NEAR_MS);
    for other in 1..=HONEST {
        plan.delay_ms[other][0] = Some(1);
        plan.delay_ms[0][other] = Some(if other <= near { 1 } else { 3 * NEAR_MS });
    }
    plan.attack = Some(Attack::new(Play::Selfish));
    plan
}

fn selfish(options: &ScenarioOptions) -> Figure {
    let one = |share: f64, near: usize, seed: u64| {
        let mut net = Net::new(selfish_plan(share, near), seed);
        net.run_until(|net| net.height(1) >= options.length);
        let own = net.chain_of(net.tip(1)).filter(|(_, found)| found.miner == 0).count();
        own as f64 / net.height(1) as f64
    };
    let of = |near: usize| {
        let part = near as f64 / HONEST as f64;
        let gamma = part * (1.0 - 1.0 / HONEST as f64);
        let theory = move |share: f64| theory::selfish_revenue(share, gamma);
        let shares = options.shares(&[0.1, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45]);
        let points = shares.iter().map(|share| options.point(*share, theory(*share), |seed| one(*share, near, seed)));
        Series { name: format!("γ = {gamma:.2}"), points: points.collect(), curve: curve(0.0, 0.48, theory) }
    };
    let thresholds =
        [0.0, 0.45, 0.9].map(|gamma| format!("{:.3} for γ = {gamma:.2}", theory::selfish_threshold(gamma)));
    Figure {
        title: "Selfish mining: what the attacker has of the chain".to_owned(),
        x: "share of the hash power".to_owned(),
        y: "share of the chain".to_owned(),
        diagonal: Some("honest mining".to_owned()),
        series: [0, HONEST / 2, HONEST].map(of).to_vec(),
        notes: vec![format!("It pays from a share of {} on.", thresholds.join(", "))],
    }
}

/// The attacker, three honest miners, and who is paid, who mines nothing: nodes 0, 1 to 3, and 4.
fn secret_plan(share: f64, depth: u32, play: Play) -> Plan {
    let mut power = powers(share, 3);
    power.push(0);
    Plan { final_depth: depth, attack: Some(Attack::new(play)), ..Plan::new(power, NEAR_MS) }
}
/// Who is paid.
const VICTIM: usize = 4;

/// The share of attempts after which the victim said that what it called final is undone.
fn undone(options: &ScenarioOptions, plan: Plan, seed: u64) -> f64 {
    let attempts = |net: &Net| net.plan.attack.as_ref().map_or(0, |attack| attack.attempts);
    let mut net = Net::new(plan, seed);
    net.run_until(|net| attempts(net) >= options.length);
    settle(&mut net, 1_000);
    net.nodes[VICTIM].finality_broken as f64 / attempts(&net) as f64
}

fn double_spend(options: &ScenarioOptions) -> Figure {
    let one = |share: f64, depth: u32, seed: u64| {
        let chase = if share < 0.5 { CHASE } else { CHASE_OF_MOST };
        let play = Play::Secret { ahead: true, wait: u64::from(depth), chase, fed: None };
        undone(options, secret_plan(share, depth, play), seed)
    };
    let of = |depth: &u32| {
        let theory = |share: f64| theory::double_spend(share, *depth);
        let shares = options.shares(&[0.1, 0.2, 0.3, 0.35, 0.4, 0.45]);
        let points = shares.iter().map(|share| options.point(*share, theory(*share), |seed| one(*share, *depth, seed)));
        Series { name: format!("z = {depth}"), points: points.collect(), curve: curve(0.0, 0.5, theory) }
    };
    Figure {
        title: "Double spending: payments undone after z confirmations".to_owned(),
        x: "share of the hash power".to_owned(),
        y: "payments undone".to_owned(),
        diagonal: None,
        series: options.depths().iter().map(of).collect(),
        notes: vec!["Counted is what the victim's own node says: blocks that it called final are undone.".to_owned()],
    }
}

fn withhold(options: &ScenarioOptions) -> Figure {
    let one = |share: f64, blocks: u32, seed: u64| {
        let play = Play::Secret { ahead: false, wait: u64::from(blocks), chase: 0, fed: None };
        undone(options, secret_plan(share, blocks, play), seed)
    };
    let of = |blocks: &u32| {
        let theory = |share: f64| theory::more_than(share, *blocks);
        let shares = options.shares(&[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]);
        let points =
            shares.iter().map(|share| options.point(*share, theory(*share), |seed| one(*share, *blocks, seed)));
        Series { name: text::count(*blocks, "block"), points: points.collect(), curve: curve(0.0, 0.7, theory) }
    };
    Figure {
        title: "Withholding: all is let out when the others have found N blocks".to_owned(),
        x: "share of the hash power".to_owned(),
        y: "times that the N blocks are undone".to_owned(),
        diagonal: None,
        series: options.depths().iter().map(of).collect(),
        notes: vec!["There is no chase: what is not longer by then is thrown away.".to_owned()],
    }
}

/// What an eclipse came to.
struct Eclipsed {
    /// Time until the victim called the payment final, in block times of the whole net.
    waited: f64,
    /// Whether its node undid that once it heard the others.
    undone: bool,
}

fn eclipse_plan(share: f64, depth: u32) -> Plan {
    let play = Play::Secret { ahead: false, wait: u64::MAX, chase: 0, fed: Some(VICTIM) };
    let mut plan = secret_plan(share, depth, play);
    for honest in 1..VICTIM {
        plan.delay_ms[honest][VICTIM] = None;
        plan.delay_ms[VICTIM][honest] = None;
    }
    plan
}

fn eclipse_one(share: f64, depth: u32, seed: u64) -> Eclipsed {
    let mut net = Net::new(eclipse_plan(share, depth), seed);
    net.run_until(|net| net.final_height(VICTIM) >= 1);
    let waited = net.now_ms as f64 / super::net::SPACING_MS as f64;
    // The victim finds the others again.
    (1..VICTIM).for_each(|honest| net.connect(honest, VICTIM, NEAR_MS));
    settle(&mut net, 30_000);
    Eclipsed { waited, undone: net.nodes[VICTIM].finality_broken > 0 }
}

/// How far a victim that starts anew, with all of the others' work as the least that it looks at, follows the attacker.
fn eclipse_with_work_min(share: f64, seed: u64) -> u64 {
    const HONEST_BLOCKS: u64 = 60;
    let mut plan = eclipse_plan(share, 6);
    let each = Target::from_compact(super::net::BITS).map_or(Work::ZERO, Target::work);
    plan.work_min[VICTIM] = each.times(HONEST_BLOCKS);
    let mut net = Net::new(plan, seed);
    net.run_until(|net| net.height(1) >= HONEST_BLOCKS);
    net.height(VICTIM)
}

fn eclipse(options: &ScenarioOptions) -> Figure {
    let shares = options.shares(&[0.1, 0.2, 0.3, 0.4, 0.45]);
    let depth = options.depth.unwrap_or(6);
    let mut waits = Vec::new();
    let of_undone = |share: &f64| {
        let theory = theory::more_than(1.0 - *share, depth);
        options.point(*share, theory, |seed| f64::from(u8::from(eclipse_one(*share, depth, seed).undone)))
    };
    for share in &shares {
        let wait = f64::from(depth) / share;
        let point = options.point(*share, wait, |seed| eclipse_one(*share, depth, seed).waited);
        waits.push(format!(
            "- share {share:.2}: {:.1} ± {:.1} block times, {wait:.1} by theory;",
            point.measured, point.error
        ));
    }
    let follows = |share: &f64| eclipse_with_work_min(*share, options.seed);
    let followed: Vec<u64> = shares.iter().map(follows).collect();
    let mut notes = vec![format!("Until the victim has {depth} confirmations of the attacker's payment (z/q):")];
    notes.extend(waits);
    notes.push(format!(
        "An honest net takes {depth} block times: whoever looks at the clock sees that something is wrong."
    ));
    notes.push(format!(
        "With `work_min` at the work of the honest chain a victim that starts anew followed the attacker to these heights: {followed:?} (0 unless the attacker has made as much by itself)."
    ));
    Figure {
        title: format!("Eclipse: payments with {depth} confirmations that are undone when the victim hears the others"),
        x: "share of the hash power".to_owned(),
        y: "payments undone".to_owned(),
        diagonal: None,
        series: vec![Series {
            name: format!("z = {depth}"),
            points: shares.iter().map(of_undone).collect(),
            curve: curve(0.0, 0.5, |share| theory::more_than(1.0 - share, depth)),
        }],
        notes,
    }
}
