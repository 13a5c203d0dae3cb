//! Runs of whole nets, and single rules. The referee in [`cluster`] checks every effect of every run.

mod checkpoint;
mod cluster;
mod disk;
mod divergence;
mod edges;
mod epochs;
mod fairness;
mod forge;
mod net;
mod parts;
mod restart;
mod rules;
mod say;
mod traces;
mod transcripts;
mod views;
