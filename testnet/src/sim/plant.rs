//! Planted bugs, each of which the referee must find: they show that a campaign without findings means something.
//!
//! There are two kinds. Those of [`ShellPlant`] sit in the simulated executor and disk: they break the contract of
//! [`bezant_consensus::engine`] as a careless node shell would, and exist in every build, because they exist in the simulator
//! only. Those of [`bezant_consensus::plant`] sit in the engines and exist only with the feature `plant`.

use crate::sim::options::{SimEngine, SimOptionsError};
use bezant_consensus::plant::Plant as EnginePlant;
use std::fmt;
use std::str::FromStr;

/// A planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plant {
    /// In the simulated executor or disk.
    Shell(ShellPlant),
    /// In an engine.
    Engine(EnginePlant),
}

/// A planted bug in the simulated executor or disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ShellPlant {
    /// The executor sends first and makes durable at the end of the list.
    EarlySend,
    /// A crash loses the last records that were reported durable.
    LostWrites,
    /// A flush writes coins and tip apart, and a crash comes between them.
    TornFlush,
    /// The disk never deletes a spent coin.
    ImmortalCoins,
    /// The disk deletes votes a few heights before they are obsolete.
    ForgottenVotes,
}

impl ShellPlant {
    /// All of them.
    pub const ALL: [ShellPlant; 5] = [
        ShellPlant::EarlySend,
        ShellPlant::LostWrites,
        ShellPlant::TornFlush,
        ShellPlant::ImmortalCoins,
        ShellPlant::ForgottenVotes,
    ];

    fn name(self) -> &'static str {
        match self {
            ShellPlant::EarlySend => "early-send",
            ShellPlant::LostWrites => "lost-writes",
            ShellPlant::TornFlush => "torn-flush",
            ShellPlant::ImmortalCoins => "immortal-coins",
            ShellPlant::ForgottenVotes => "forgotten-votes",
        }
    }
}

impl Plant {
    /// Those that can be armed in this build.
    #[must_use]
    pub fn all() -> Vec<Plant> {
        let engine = EnginePlant::ALL.into_iter().filter(|_| cfg!(feature = "plant")).map(Plant::Engine);
        ShellPlant::ALL.into_iter().map(Plant::Shell).chain(engine).collect()
    }

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Plant::Shell(plant) => plant.name(),
            Plant::Engine(plant) => plant.name(),
        }
    }

    /// The engines under which it exists.
    #[must_use]
    pub fn engines(self) -> &'static [SimEngine] {
        match self {
            Plant::Shell(ShellPlant::EarlySend | ShellPlant::ForgottenVotes) => &[SimEngine::Pbft],
            Plant::Shell(ShellPlant::LostWrites | ShellPlant::TornFlush | ShellPlant::ImmortalCoins) => {
                &[SimEngine::Pbft, SimEngine::Pow]
            }
            Plant::Engine(plant) if plant.is_of_pbft() => &[SimEngine::Pbft],
            Plant::Engine(_) => &[SimEngine::Pow],
        }
    }
}

impl fmt::Display for Plant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Plant {
    type Err = SimOptionsError;
    fn from_str(text: &str) -> Result<Self, SimOptionsError> {
        if let Some(plant) = Plant::all().into_iter().find(|plant| plant.name() == text) {
            return Ok(plant);
        }
        if EnginePlant::ALL.iter().any(|plant| plant.name() == text) {
            return Err(SimOptionsError(format!("the planted bug {text} needs a build with the feature `plant`")));
        }
        let names = Plant::all().into_iter().map(Plant::name).collect::<Vec<_>>().join(", ");
        Err(SimOptionsError(format!("unknown planted bug {text:?}: one of {names}")))
    }
}

/// Keeps a bug in the engines armed on this thread, until dropped.
#[derive(Debug)]
pub(crate) struct Armed(());

impl Armed {
    pub(crate) fn new(plant: Option<Plant>) -> Armed {
        #[cfg(feature = "plant")]
        bezant_consensus::plant::arm(match plant {
            Some(Plant::Engine(plant)) => Some(plant),
            Some(Plant::Shell(_)) | None => None,
        });
        #[cfg(not(feature = "plant"))]
        let _ = plant;
        Armed(())
    }
}

impl Drop for Armed {
    fn drop(&mut self) {
        #[cfg(feature = "plant")]
        bezant_consensus::plant::arm(None);
    }
}
