//! A node without network and RPC.
