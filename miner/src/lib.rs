//! SHA-256d nonce search: kernels and threads of its own
