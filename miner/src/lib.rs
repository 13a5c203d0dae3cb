//! SHA-256d nonce search: kernels, and threads of its own that run them.
//!
//! A [`Miner`] is told a task and says what it finds: the one block of a template, in a [`Space`]; or, of a [`Job`] that others
//! hand out, by Stratum ([`stratum`]) or otherwise, every hash that is good enough. It searches with the fastest [`Kernel`] that
//! the processor has and that passed its self-test; [`Kernel::failed`] names those that did not. Its threads are its own, not those
//! that verify blocks, and it holds a limit on the hash rate, so that the miners of a local net leave the machine to its user.
//! [`bench()`] measures the kernels.
//!
//! What is searched is the nonce, each with a few versions; when all are used up, the first 8 bytes of the coinbase's extra data
//! move on, and with them the merkle root. A kernel may reject early, but every hit is checked in full before it is reported.
//!
//! Unsafe code is confined to the kernels for x86-64, where a function that needs a processor feature is called after a look whether
//! the processor has it.

mod bench;
mod job;
mod kernel;
mod limit;
mod miner;
mod space;
pub mod stratum;
#[cfg(test)]
mod tests;

pub use bench::{KernelRate, bench};
pub use job::{EXTRANONCE_BYTES_MAX, Job, Share};
pub use kernel::{Hit, Kernel, Search};
pub use miner::{Miner, MinerConfig, Task};
pub use space::{Solution, Space};
