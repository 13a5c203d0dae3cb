//! The deterministic simulator: N [`Replica`](bezant_node_core::Replica)s in virtual time, and a referee.
//!
//! A seed decides everything: keys, genesis parameters, links, faults, what users do, and the order of events. The same seed
//! gives the same events, byte for byte, on every machine; the trace hash says so.
//!
//! # A run
//! 1. **Faults.** Messages are lost, late, doubled and overtaken; the net falls apart and together; nodes crash in the middle
//!    of their effects and come back with what was durable; now and then all lose power at once. Users submit transfers,
//!    some on top of unconfirmed ones, some in pairs that spend one coin at two nodes at the same moment. Up to
//!    f members lie ([`bezant_node_core::lies`]), for a while or for ever. In some seeds the members change, and one loses its
//!    vote log.
//! 2. **Healing.** Links become perfect and every node runs. Within [`liveness_ms_max`] every transaction, and exactly one of
//!    each conflicting pair, must be final everywhere; longer where members change.
//!
//! # The executor
//! Outputs are executed in order. A list with records waits for the disk; what is decided meanwhile queues behind it. A crash
//! cuts the queue at a random place: what was before has happened, some of the following records are durable all the same
//! (group commit), the rest is lost. Chain updates are flushed whole, at random later times, and forgotten by a crash before.
//! Messages are encoded, decoded and verified as on the wire, once for each distinct bytes.
//!
//! # The referee
//! It objects, with seed, event and a sentence, to: two final blocks at a height; two votes of one member for one kind, epoch,
//! view and height, over everything that ever left any node; a vote or finality that was told before it was durable; finality
//! that a crash forgets (PBFT) or that is withdrawn without its event (proof of work); a coin set that differs from a replay
//! from genesis; money made or destroyed; a block connected that a replay refuses; a tip with less work than another valid
//! branch held; two sets of members for one epoch; a vote of who is no member, or lost its vote log and was not re-admitted; a correct node that is blamed; a panic; no progress. What liars say is not judged, nor who blames them.

mod branches;
mod campaign;
pub(crate) mod dice;
mod disk;
mod epochs;
mod event;
mod executor;
mod load;
mod lying;
mod members;
pub mod mining;
mod network;
mod node;
mod options;
mod oracle;
mod overlay;
mod plant;
mod recorder;
mod referee;
mod report;
pub(crate) mod scripted;
mod setup;
mod stage;
#[cfg(test)]
mod tests;
mod trace;
pub mod twins;
mod users;
mod world;

pub use bezant_node_core::lies::{MiningMode, Mode as Lie};
pub use campaign::{add_seeds, record_seed, report, run, run_seed};
pub use options::{
    Fault, Faults, MINERS_DRAWN, NODES_DRAWN, NODES_MAX, STEPS_MAX, SimEngine, SimOptions, SimOptionsError,
};
pub use plant::{Plant, ShellPlant};
pub use report::{Failure, Objection, Reproduction, SeedReport, SeedStats, SimReport, Totals};
pub use world::liveness_ms_max;
