//! Pure: a replica is an engine, a mempool and a policy towards peers. It is told inputs and answers with outputs; the
//! node's runtime and the simulator execute the same outputs.

pub mod io;
