//! Atomic swaps between two ledgers: by hash locks and time locks, without anybody in between.

pub mod terms;
