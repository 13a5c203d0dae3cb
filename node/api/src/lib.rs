//! What other programs know of a node: the types of its RPC methods and events, its configuration and genesis file, the text of
//! addresses, the manifest of a testnet, where nets are found, and clients.

pub mod address;
pub mod client;
pub mod config;
pub mod control;
pub mod event;
pub mod fault;
pub mod genesis;
pub mod home;
pub mod keyfile;
pub mod manifest;
pub mod methods;
pub mod peer_id;
pub mod trace;
pub mod types;
