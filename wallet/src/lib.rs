//! The wallet: keys from a mnemonic, coins, payments, locks that several open, proofs, and swaps.
//!
//! - [`keys`]: mnemonics, derivation, encrypted files, the agent, signed messages.
//! - [`coins`]: what a wallet has and had: coins and balances, history, labels.
//! - [`locks`]: policies as people write them, drafts that several sign, preimages.
//! - [`paying`]: from "bob 12.5" to a transaction that is final: chosen, signed, written down, followed, repeated, replaced.
//! - [`receipt`] proves a payment to others, and checks what others prove.
//! - [`swap`] exchanges coins of two nets.
//! - [`session`] knows a net, its nodes and whose wallets are at hand; [`contacts`] names other people's addresses, [`uri`]
//!   reads and writes payment URIs.
//! - `store` is the wallet's database: what was sent, locked coins, labels. `files` writes files that are there whole or not at all.
//!
//! Commands take plain structs and return plain results; words, colours and prompts belong to the program around them.

pub mod coins;
pub mod contacts;
pub mod error;
pub mod files;
pub mod keys;
pub mod locks;
pub mod paying;
pub mod receipt;
pub mod session;
mod store;
pub mod swap;
pub mod uri;
