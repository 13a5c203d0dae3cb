//! Keys: where they come from, where they are kept, what else they sign.
//!
//! - [`mnemonic`] and [`slip10`] make keys; [`keystore`] keeps them in files; [`dev`] makes those of a dev net's accounts.
//! - [`discover`] finds the addresses of a mnemonic that were used.
//! - [`agent`] keeps a file's key in memory for a while.
//! - [`message`] signs and checks texts.

pub mod agent;
pub mod dev;
pub mod discover;
pub mod keystore;
pub mod message;
pub mod mnemonic;
pub mod slip10;
