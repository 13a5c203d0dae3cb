//! Pure: a replica is an engine, a mempool and a policy towards peers. It is told inputs and answers with outputs; the
//! node's runtime and the simulator execute the same outputs.

pub mod io;
pub mod lies;
pub mod limits;
pub mod mempool;
mod peers;
pub mod replica;
#[cfg(test)]
mod testing;

pub use mempool::{Mempool, MempoolConfig};
pub use replica::{Replica, ReplicaConfig, ReplicaStatus, compact};
