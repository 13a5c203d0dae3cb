//! The built program from end to end: nets of real processes on loopback, driven only through the command line, RPC, signals
//! and files, as its users drive it. One binary, so that it is linked once; a few nets at a time, since machines are small.

mod byzantine;
mod chains;
mod coins;
mod conflicts;
mod copied_key;
mod epochs;
mod faults;
mod files;
mod input;
mod lifecycle;
mod links;
mod net;
mod paying;
mod pbft;
mod pow;
mod power_cut;
mod receipts;
mod reorg;
mod revival;
mod screen;
mod sequences;
mod solo;
mod stratum;
mod stream;
mod swaps;
mod unsynced;
mod view;
