//! One file per command that has no crate of its own, and the command sides of those that have.

pub(crate) mod bench;
mod campaign;
pub(crate) mod chain;
pub(crate) mod dashboard;
pub(crate) mod doctor;
pub(crate) mod genesis;
pub(crate) mod keys;
pub(crate) mod miner;
pub(crate) mod mining;
pub(crate) mod net;
pub(crate) mod node;
pub(crate) mod password;
pub(crate) mod scenario;
pub(crate) mod shell;
pub(crate) mod sim;
pub(crate) mod testnet;
pub(crate) mod trace;
pub(crate) mod twins;
pub(crate) mod wallet;
pub(crate) mod watch;
