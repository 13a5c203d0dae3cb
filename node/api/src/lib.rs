//! What other programs know of a node: the types of its RPC methods and events, its configuration and genesis file, the text of
//! addresses, the manifest of a testnet, and clients.

pub mod address;
pub mod config;
pub mod control;
pub mod event;
pub mod manifest;
pub mod peer_id;
pub mod types;
