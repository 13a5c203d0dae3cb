//! A net of real node processes on this machine.
//!
//! - [`spec`] says what a net is made of and keeps it in the net's directory (`net.json`, genesis, keys).
//! - [`ports`] chooses and claims their ports.
//! - [`process`] starts, signals and recognises node processes, never by pid alone.
//! - [`supervisor`] owns the processes: it holds a pipe to each (a node stops when the pipe closes, so the death of the
//!   supervisor in any way stops the net), serves the control socket, and keeps `run.json` true.
//! - [`client`] is the other side: finding a running net and asking its supervisor and nodes.
//! - [`deploy`] writes a net for other machines.
//! - [`isolation`] gives each node a network namespace of its own, where that is wanted and can be had.
//! - [`pictures`] keeps whole nets and puts them in the net's place again.
//! - [`wait`], [`check`], [`faucet`], [`load`], [`logs`] are the commands that only need a running net.

pub mod check;
pub mod client;
pub mod deploy;
pub mod error;
pub mod faucet;
pub mod faults;
pub mod isolation;
pub mod load;
pub mod logs;
pub mod pictures;
pub mod ports;
pub mod process;
pub mod spec;
pub mod supervisor;
pub mod wait;
