//! Paying: from "bob 12.5" to a transaction that is final.
//!
//! - [`selection`] chooses coins, [`build`] makes and signs transfers: both without files, nodes or clocks.
//! - [`purse`] knows which coins of a wallet can be opened with the wallets at hand.
//! - [`send`] plans payments, at what [`fee`] says; [`rehearse`] asks a node whether it would take them.
//! - [`journal`] remembers what was sent before a node hears of it; [`follow`] hands it over and stays with it until it is where it
//!   should be; [`repeat`] follows what was sent before instead of paying again.
//! - [`replace`] makes what takes the place of a transfer that waits, [`consolidate`] joins small coins.
//! - [`payout`] reads who is paid from a CSV file, and remembers beside it what was sent.

pub mod build;
pub mod consolidate;
pub mod fee;
pub mod follow;
pub mod journal;
pub mod payout;
pub mod purse;
pub mod rehearse;
pub mod repeat;
pub mod replace;
pub mod selection;
pub mod send;
