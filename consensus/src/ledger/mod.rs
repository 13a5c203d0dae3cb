//! The ledger: what a transaction, a block and a coin are, and which are valid.
//!
//! Nothing here knows of engines, peers or time; see each module for its part of the specification.

pub mod amount;
pub mod block;
pub mod codec;
pub mod coins;
pub mod commitment;
pub mod genesis;
pub mod hash;
pub mod key;
pub mod lock;
pub mod merkle;
pub mod rules;
pub mod sighash;
pub mod table;
pub mod target;
pub mod transaction;
pub mod units;
