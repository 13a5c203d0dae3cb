//! The shell of a node: everything that touches the world. One loop owns the [`Replica`](bezant_node_core::Replica); all other
//! tasks only move bytes.
//!
//! ```text
//! peers ─ net ─▶ verify_pool ─▶ ┌─────────┐ ─▶ store (facts: fsynced before what rests on them; state: written behind)
//!                               │ runtime │ ─▶ net
//! users ─ rpc ─▶ NodeHandle  ─▶ └─────────┘ ─▶ events, metrics, miner, offers ─▶ stratum ─ miners
//! ```
//! - [`ports`]: what the runtime and the network tell each other.
//! - [`handle`]: what RPC may ask of a running node.
//! - [`run`]: starts a node from its configuration and stops it in order.

pub mod clock;
mod error;
pub mod events;
pub mod handle;
pub mod keys;
pub mod limits;
pub mod links;
pub mod metrics;
pub mod net;
mod node;
mod offers;
mod pool_file;
pub mod ports;
pub mod rpc;
mod runtime;
mod standing;
pub mod store;
pub mod stratum;
#[cfg(test)]
mod tests;
pub mod verify_pool;

pub use error::NodeError;
pub use node::{Node, run};
pub use standing::standing;

/// The program's version, and the commit it was built from where the build says so.
pub const VERSION: &str = match option_env!("BEZANT_COMMIT") {
    Some(commit) => commit,
    None => env!("CARGO_PKG_VERSION"),
};
