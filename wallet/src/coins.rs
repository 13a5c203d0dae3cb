//! Coins: what a wallet has and had.
//!
//! - [`view`] asks a node for a wallet's coins; [`reads`] asks several what one alone might make up.
//! - [`history`] keeps what blocks did.
//! - [`frozen`] coins are not spent unless named; [`labels`] say what addresses, transactions and coins are.

pub mod frozen;
pub mod history;
pub mod labels;
pub mod reads;
pub mod view;
