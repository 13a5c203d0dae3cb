//! Pure: ledger types and rules, chain state, the Engine seam, PBFT, proof of work, sync

pub mod ledger;
pub mod limits;
