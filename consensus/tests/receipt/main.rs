//! Receipts from outside: what they prove, that nothing else passes for one, and their frozen format.

#[allow(dead_code, reason = "receipts need a part of what the ledger's tests share")]
#[path = "../ledger/common.rs"]
mod common;

mod encoding;
mod golden;
mod made;
mod pbft;
mod pow;
