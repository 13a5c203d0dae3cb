//! What other programs know of a node: RPC types, events, config, genesis files, client
