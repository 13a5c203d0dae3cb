//! A Stratum v1 server: miners that know nothing of Bezant search its blocks, and are paid to the address that is their user name.
//! `docs/spec/stratum.md` says what is spoken, and which limits hold.
//!
//! - `wire`: lines of JSON.
//! - `job`: what is searched, in the byte orders that miners expect.
//! - `difficulty`: how hard a share is, and how that follows a miner's speed.
//! - `session`: one connection as a machine without sockets or clock: told lines, templates and the time, it gives lines.
//! - `server`: the sockets, and who may have how many.

mod difficulty;
mod job;
mod server;
mod session;
#[cfg(test)]
mod tests;
mod wire;

pub use server::{StratumError, StratumSetup, start};
