//! The wallet: keys from a mnemonic, wallet files, coin selection, signing, and sending with a wait for the result.
//!
//! - [`mnemonic`] and [`slip10`] make keys; [`keystore`] keeps them in files, [`dev`] makes those of a dev net's accounts.
//! - [`selection`] chooses coins, [`build`] makes and signs transfers: both without files, nodes or clocks.
//! - [`receipt`] proves a payment to others, and checks what others prove.
//! - [`session`] knows a net, its nodes and whose wallets are at hand; [`view`] and [`send`] are the commands.
//!
//! Commands take plain structs and return plain results; words, colours and prompts belong to the program around them.

pub mod build;
pub mod dev;
pub mod error;
pub mod keystore;
pub mod mnemonic;
pub mod receipt;
pub mod selection;
pub mod send;
pub mod session;
pub mod slip10;
pub mod view;
