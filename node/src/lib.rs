//! The shell of a node: everything that touches the world. One loop owns the [`Replica`](bezant_node_core); all other tasks
//! only move bytes.
//!
//! ```text
//! peers ─ net ─▶ verify_pool ─▶ ┌─────────┐ ─▶ store (facts: fsynced before what rests on them; state: written behind)
//!                               │ runtime │ ─▶ net
//! users ─ rpc ─▶ NodeHandle  ─▶ └─────────┘ ─▶ events, metrics, miner
//! ```
//! - [`ports`]: what the runtime and the network tell each other.
//! - [`handle`]: what RPC may ask of a running node.
//! - [`run`]: starts a node from its configuration and stops it in order.

pub mod clock;
pub mod error;
pub mod events;
pub mod handle;
pub mod limits;
pub mod metrics;
pub mod net;
pub mod ports;
pub mod rpc;

pub use error::NodeError;
