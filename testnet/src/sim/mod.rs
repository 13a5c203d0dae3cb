//! The deterministic simulator: replicas in virtual time.

pub mod options;
pub mod plant;
pub mod report;

pub use options::{Fault, Faults, NODES_MAX, STEPS_MAX, SimEngine, SimOptions, SimOptionsError};
pub use plant::{Plant, ShellPlant};
pub use report::{Objection, Reproduction, SeedReport, SeedStats, SimReport};
