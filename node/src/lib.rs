//! The shell of a node: tokio, libp2p, SQLite, RPC server, metrics
