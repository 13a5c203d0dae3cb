//! Locks that want more than one key at once.
//!
//! - [`policy`] reads, prints and explains locks, and finds the cheapest way to open one.
//! - [`draft`] is a transfer that several sign, each where his keys are.
//! - [`preimage`] keeps what opens a hash lock; [`time`] says from when a time lock lets go.

pub mod draft;
pub mod policy;
pub mod preimage;
pub mod time;
