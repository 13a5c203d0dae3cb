//! The pure heart of Bezant: ledger types and rules, chain state, the Engine seam, PBFT, proof of work, and sync.
//!
//! Nothing here reads a clock, a file, a socket or a source of randomness, and nothing starts a thread: time, randomness and
//! bytes come in as values, and what is to be done goes out as [`engine::Effect`]s. Modules depend on each other in one
//! direction only: `ledger ← chain`, `ledger ← message ← verify`, `message ← incarnations`, all of these `← engine ← sync ← pbft, pow ← receipt`.

pub mod chain;
pub mod engine;
pub mod incarnations;
pub mod ledger;
pub mod limits;
pub mod message;
pub mod pbft;
pub mod plant;
pub mod pow;
pub mod receipt;
pub mod sync;
pub mod verify;
