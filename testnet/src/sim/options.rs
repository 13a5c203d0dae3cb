//! What is simulated, with a text form that reproduces it.

use crate::sim::dice::Dice;
use crate::sim::plant::Plant;
use bezant_node_core::lies::Mode;
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// The engine of the simulated net.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SimEngine {
    /// PBFT.
    Pbft,
    /// Proof of work.
    Pow,
}

impl fmt::Display for SimEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SimEngine::Pbft => "pbft",
            SimEngine::Pow => "pow",
        })
    }
}

impl FromStr for SimEngine {
    type Err = SimOptionsError;
    fn from_str(text: &str) -> Result<Self, SimOptionsError> {
        match text {
            "pbft" => Ok(SimEngine::Pbft),
            "pow" => Ok(SimEngine::Pow),
            _ => Err(SimOptionsError(format!("unknown engine {text:?}: pbft or pow"))),
        }
    }
}

/// Options that no simulation can be run with, as a sentence for the user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SimOptionsError(pub String);

/// One class of faults, switched on or off as a whole; how hard it strikes is drawn from the seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Messages are lost.
    Loss,
    /// Messages take long, and not equally long on all links.
    Delay,
    /// Broadcast messages arrive twice.
    Duplicate,
    /// Messages overtake each other.
    Reorder,
    /// The net falls into parts for a while, with or without the connections being reported lost.
    Partition,
    /// Single nodes crash in the middle of their effects and come back.
    Crash,
    /// All nodes crash at once and come back.
    PowerCut,
    /// The nodes' clocks disagree.
    Clock,
    /// A node stays away until all other faults end, so that it may be far behind.
    Absence,
    /// PBFT: up to f members lie, for a while or for ever; also after all other faults have ended.
    Lies,
    /// PBFT: in some seeds the members change, and one node loses its disk, vote log and all.
    Epochs,
}

impl Fault {
    /// All classes, in the order of their text form.
    pub const ALL: [Fault; 11] = [
        Fault::Loss,
        Fault::Delay,
        Fault::Duplicate,
        Fault::Reorder,
        Fault::Partition,
        Fault::Crash,
        Fault::PowerCut,
        Fault::Clock,
        Fault::Absence,
        Fault::Lies,
        Fault::Epochs,
    ];

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Fault::Loss => "loss",
            Fault::Delay => "delay",
            Fault::Duplicate => "duplicate",
            Fault::Reorder => "reorder",
            Fault::Partition => "partition",
            Fault::Crash => "crash",
            Fault::PowerCut => "power-cut",
            Fault::Clock => "clock",
            Fault::Absence => "absence",
            Fault::Lies => "lies",
            Fault::Epochs => "epochs",
        }
    }
}

/// A set of fault classes. As text: names separated by commas, `all`, or `none`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Faults(u16);

impl Faults {
    /// Every class. Under proof of work nobody lies, as said at [`Fault::Lies`].
    pub const ALL: Faults = Faults((1 << Fault::ALL.len()) - 1);
    /// No class: a perfect network and nodes that never stop.
    pub const NONE: Faults = Faults(0);

    /// Whether a class is in the set.
    #[must_use]
    pub fn has(self, fault: Fault) -> bool {
        self.0 & (1 << fault as u16) != 0
    }

    /// The set with one class more.
    #[must_use]
    pub fn with(self, fault: Fault) -> Faults {
        Faults(self.0 | 1 << fault as u16)
    }

    /// The set without one class.
    #[must_use]
    pub const fn without(self, fault: Fault) -> Faults {
        Faults(self.0 & !(1 << fault as u16))
    }

    /// The classes in the set.
    pub fn iter(self) -> impl Iterator<Item = Fault> {
        Fault::ALL.into_iter().filter(move |fault| self.has(*fault))
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Faults::ALL => f.write_str("all"),
            Faults::NONE => f.write_str("none"),
            some => f.write_str(&some.iter().map(Fault::name).collect::<Vec<_>>().join(",")),
        }
    }
}

impl FromStr for Faults {
    type Err = SimOptionsError;
    fn from_str(text: &str) -> Result<Self, SimOptionsError> {
        if text == "none" {
            return Ok(Faults::NONE);
        }
        text.split(',').try_fold(Faults::NONE, |faults, name| {
            if name.trim() == "all" {
                return Ok(Faults(faults.0 | Faults::ALL.0));
            }
            let fault = Fault::ALL.into_iter().find(|fault| fault.name() == name.trim());
            let names = || Fault::ALL.map(Fault::name).join(", ");
            let unknown = || SimOptionsError(format!("unknown fault {name:?}: all, none, or some of {}", names()));
            fault.map(|fault| faults.with(fault)).ok_or_else(unknown)
        })
    }
}

/// What is simulated. Everything else is drawn from the seeds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimOptions {
    /// The engine.
    pub engine: SimEngine,
    /// Nodes, 1 to [`NODES_MAX`]; under PBFT all are members, or some and at times others, under proof of work all mine. `None`: each seed draws one of
    /// [`NODES_DRAWN`], or under proof of work any of [`MINERS_DRAWN`].
    pub nodes: Option<usize>,
    /// The first seed.
    pub seed: u64,
    /// How many seeds, one after another; at least 1.
    pub seeds: u64,
    /// Fault classes of the first phase. Without any, messages take 1 to 20 ms.
    pub faults: Faults,
    /// Events after which a seed is stopped, liveness then not being judged; `None`: only [`STEPS_MAX`], which is a failure.
    pub steps: Option<u64>,
    /// A planted bug that the referee is expected to find.
    pub plant: Option<Plant>,
    /// Lies are all of this mode, from the first moment on and for ever; `None`: drawn from the seed.
    pub lie: Option<Mode>,
    /// So many members lie, even if the others cannot bear it; `None`: drawn from the seed, at most f.
    pub liars: Option<usize>,
}

/// Nodes in a simulation, at most.
pub const NODES_MAX: usize = 64;
/// Of how many nodes a net is, where the seed decides: alone; sizes that bear one liar, two, three and four; and two sizes that
/// bear no more liars than one node less.
pub const NODES_DRAWN: [usize; 7] = [1, 4, 5, 6, 7, 10, 13];
/// Of how many nodes a net is under proof of work, where the seed decides.
pub const MINERS_DRAWN: RangeInclusive<usize> = 4..=16;
/// Sets this draw apart from all others, so that a seed is the same run whether its size is drawn or said.
const NODES_SEED: u64 = 0x006e_6f64_6573;
/// Events of one seed, at most; a run that needs more does not come to an end.
pub const STEPS_MAX: u64 = 2_000_000;

impl Default for SimOptions {
    fn default() -> SimOptions {
        SimOptions {
            engine: SimEngine::Pbft,
            nodes: None,
            seed: 1,
            seeds: 1,
            faults: Faults::ALL,
            steps: None,
            plant: None,
            lie: None,
            liars: None,
        }
    }
}

impl SimOptions {
    /// How many nodes the net of a seed has.
    #[must_use]
    pub fn nodes_of(&self, seed: u64) -> usize {
        let mut dice = Dice::new(seed ^ NODES_SEED);
        self.nodes.unwrap_or_else(|| match self.engine {
            SimEngine::Pbft => NODES_DRAWN[dice.index(NODES_DRAWN.len())],
            SimEngine::Pow => dice.between(*MINERS_DRAWN.start() as u64, *MINERS_DRAWN.end() as u64) as usize,
        })
    }

    /// What is run of one seed alone: the command line that shows it again.
    #[must_use]
    pub fn of_seed(&self, seed: u64) -> SimOptions {
        SimOptions { seed, seeds: 1, nodes: Some(self.nodes_of(seed)), ..self.clone() }
    }

    /// Checks that the options make sense together.
    ///
    /// # Errors
    /// With a sentence for the user.
    pub fn check(&self) -> Result<(), SimOptionsError> {
        let fail = |text: String| Err(SimOptionsError(text));
        if let Some(nodes) = self.nodes.filter(|nodes| *nodes == 0 || *nodes > NODES_MAX) {
            return fail(format!("{nodes} nodes: 1 to {NODES_MAX} can be simulated"));
        }
        if self.seeds == 0 || self.seed.checked_add(self.seeds).is_none() {
            return fail(format!("{} seeds from {}: at least one, below 2^64", self.seeds, self.seed));
        }
        if self.steps == Some(0) {
            return fail("0 steps: at least one is needed".to_owned());
        }
        if (self.lie.is_some() || self.liars.is_some()) && !self.faults.has(Fault::Lies) {
            return fail("how or how many members lie is said without the fault class lies".to_owned());
        }
        match (self.liars, self.nodes) {
            (Some(_), None) => return fail("how many members lie is said without how many there are".to_owned()),
            (Some(liars), Some(nodes)) if liars > nodes => return fail("more liars than nodes".to_owned()),
            _ => {}
        }
        match self.plant {
            Some(plant) if !plant.engines().contains(&self.engine) => {
                fail(format!("the planted bug {plant} does not exist under {}", self.engine))
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// As the command line that runs it.
impl fmt::Display for SimOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SimOptions { engine, nodes, seed, seeds, faults, steps, plant, lie, liars } = self;
        write!(f, "bezant sim --engine {engine}")?;
        if let Some(nodes) = nodes {
            write!(f, " --nodes {nodes}")?;
        }
        write!(f, " --seed {seed} --seeds {seeds} --faults {faults}")?;
        if let Some(steps) = steps {
            write!(f, " --steps {steps}")?;
        }
        if let Some(plant) = plant {
            write!(f, " --plant {plant}")?;
        }
        if let Some(lie) = lie {
            write!(f, " --lie {lie}")?;
        }
        if let Some(liars) = liars {
            write!(f, " --liars {liars}")?;
        }
        Ok(())
    }
}
