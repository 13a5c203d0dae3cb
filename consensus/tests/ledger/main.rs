//! The ledger from outside: frozen formats, properties, and one negative test for every rule.

mod chain;
mod codec;
mod common;
mod golden;
mod locks;
mod properties;
mod rules_block;
mod rules_transaction;
mod strategies;
mod targets;
mod transactions;
mod verifier;
