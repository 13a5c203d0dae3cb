//! The built program from end to end: nets of real processes on loopback, driven only through the command line, RPC, signals
//! and files, as its users drive it. One binary, so that it is linked once; a few nets at a time, since machines are small.

mod byzantine;
mod chains;
mod coin_control;
mod coins;
mod comfort;
mod conflicts;
mod copied_key;
mod epochs;
mod faults;
mod files;
mod history;
mod input;
mod keys;
mod keys_agent;
mod keys_cut;
mod keys_net;
mod keys_terminal;
mod lifecycle;
mod net;
mod paying;
mod pbft;
mod pow;
mod power_cut;
mod receipts;
mod reorg;
mod screen;
mod sequences;
mod solo;
mod stratum;
mod stream;
mod swaps;
mod unsynced;
mod view;
mod wallet_cut;
