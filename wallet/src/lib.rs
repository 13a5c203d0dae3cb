//! The wallet: keys from a mnemonic, wallet files, coin selection, signing, and sending with a wait for the result.
//!
//! - [`mnemonic`] and [`slip10`] make keys; [`keystore`] keeps them in files, [`dev`] makes those of a dev net's accounts.
//! - [`policy`] reads, prints and explains locks, and finds the cheapest way to open one.
//! - [`discover`] finds the addresses of a mnemonic that were used; [`agent`] keeps a file's key in memory for a while;
//!   [`message`] signs and checks texts.
//! - [`selection`] chooses coins, [`build`] makes and signs transfers: both without files, nodes or clocks.
//! - [`receipt`] proves a payment to others, and checks what others prove.
//! - [`purse`] knows which coins of a wallet can be opened with the wallets at hand.
//! - [`session`] knows a net, its nodes and whose wallets are at hand; [`view`] and [`send`] are the commands.
//! - [`journal`] remembers what was sent before a node hears of it, [`repeat`] follows that instead of paying again, and
//!   [`replace`] makes what takes the place of a transfer that waits.
//! - [`draft`] is a transfer that several sign, each where his keys are; [`preimage`] keeps what opens a hash lock;
//!   [`swap`] exchanges coins of two nets.
//! - [`payout`] reads who is paid from a CSV file, and remembers beside it what was sent.
//! - `store` is the wallet's database: the journal, [`frozen`] coins, and [`labels`]. [`history`] keeps what blocks did.
//! - [`contacts`] names other people's addresses, [`uri`] reads and writes payment URIs, [`consolidate`] joins small coins,
//!   [`quorum`] asks several nodes what one alone might make up.
//!
//! Commands take plain structs and return plain results; words, colours and prompts belong to the program around them.

pub mod agent;
pub mod build;
pub mod consolidate;
pub mod contacts;
pub mod dev;
pub mod discover;
pub mod draft;
pub mod error;
mod files;
pub mod frozen;
pub mod history;
pub mod journal;
pub mod keystore;
pub mod labels;
pub mod message;
pub mod mnemonic;
pub mod payout;
pub mod policy;
pub mod preimage;
pub mod purse;
pub mod quorum;
pub mod receipt;
pub mod repeat;
pub mod replace;
pub mod selection;
pub mod send;
pub mod session;
pub mod slip10;
mod store;
pub mod swap;
pub mod uri;
pub mod view;

pub use files::write_secret;
